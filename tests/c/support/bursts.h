/* SPDX-License-Identifier: MIT */
/* Bursts: channels that come to rest between a few operations at a time, so that a
 * wake-up which is lost, or kept by who did something else, shows as a hang.
 *
 * Member 0 drives: a burst is n operations, and the next one begins when n operations of
 * waiters have succeeded. Then come the faithful, who wait for ever and must get what the
 * others leave. The fickle are interrupted by signals, time out, or leave after an
 * operation, and stay away until the next burst.
 */
#ifndef SUPPORT_BURSTS_H
#define SUPPORT_BURSTS_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "atomic.h"
#include "crew.h"
#include "sharedobj/channel.h"
#include "tap.h"

#define BURST_MEMBERS 64

/* Part of what a test knows about its channels: the first field of that. */
struct bursts {
    bool senders; /* the waiters are senders: a burst makes room, or receives */
    unsigned faithful;
    int count;
    int64_t end;           /* a point of sobj_clock(): only the first burst after it */
    _Atomic(int) burst;    /* number of the present one; `count` at the end */
    _Atomic(int64_t) done; /* operations of waiters that have succeeded */
    pthread_t threads[BURST_MEMBERS];
    /* Makes part of a burst of `n` in a row; or NULL. Returns: how much. */
    unsigned (*drive_row)(struct bursts *b, unsigned n, struct rng *rng);
    /* Returns: where the next operation of a burst happens. */
    struct sobj_object *(*place)(struct bursts *b, struct rng *rng);
    /* One operation of a waiter. */
    enum sobj_status (*wait)(struct bursts *b, struct member *m, bool faithful);
    void (*close)(struct bursts *b);
};

static inline void bursts_drive(struct bursts *b, struct member *m)
{
    unsigned fickle = 1 + b->faithful;
    int64_t total = sobj_load_seq_cst(&b->done); /* SeqCst: a sum. */

    for (int i = 0; i < b->count && (i == 0 || sobj_clock() < b->end); i++) {
        unsigned n = 1 + (unsigned)rng_below(&m->rng, m->count);
        sobj_store_seq_cst(&b->burst, i); /* SeqCst: a signal to the fickle. */
        for (unsigned pause = (unsigned)rng_below(&m->rng, 4); pause > 0; pause--)
            sched_yield();
        unsigned k = b->drive_row != NULL ? b->drive_row(b, n, &m->rng) : 0;
        for (; k < n; k++) {
            struct sobj_object *ch = b->place(b, &m->rng);
            sobj_cell c = SOBJ_TRUE;
            enum sobj_status status =
                b->senders ? sobj_channel_recv(ch, &c, SOBJ_FOREVER, NULL)
                           : sobj_channel_send(ch, c, SOBJ_FOREVER, NULL);
            expect(status == SOBJ_OK, "driver: %s", sobj_status_str(status));
            if (m->count > fickle && rng_below(&m->rng, 3) == 0)
                pthread_kill(b->threads[fickle + rng_below(&m->rng, m->count - fickle)],
                             SIGUSR1);
        }
        total += n;
        /* SeqCst: a sum. At rest all messages are taken, all room is used again. */
        while (sobj_load_seq_cst(&b->done) < total)
            sched_yield();
    }
    b->close(b);
    sobj_store_seq_cst(&b->burst, b->count); /* SeqCst: as above. */
}

static inline void bursts_wait(struct bursts *b, struct member *m)
{
    bool faithful = m->index <= b->faithful;
    int present = 0;

    for (;;) {
        enum sobj_status status = b->wait(b, m, faithful);
        if (status == SOBJ_CLOSED)
            return;
        expect(status == SOBJ_OK || (!faithful && (status == SOBJ_INTERRUPTED ||
                                                   status == SOBJ_TIMEOUT)),
               "waiter: %s", sobj_status_str(status));
        if (status == SOBJ_OK)
            sobj_add_seq_cst(&b->done, 1); /* SeqCst: a sum. */
        if (faithful || (status == SOBJ_OK && rng_below(&m->rng, 4) == 0))
            continue;
        int burst;
        /* SeqCst: the driver's signal. */
        while ((burst = sobj_load_seq_cst(&b->burst)) == present)
            sched_yield();
        present = burst;
    }
}

/* For crew_run: what each member does. */
static inline void bursts_work(struct member *m)
{
    struct bursts *b = m->shared;

    b->threads[m->index] = pthread_self();
    crew_meet(m);
    if (m->index == 0)
        bursts_drive(b, m);
    else
        bursts_wait(b, m);
    crew_meet(m); /* nobody may end while signals are sent to it */
}

#endif
