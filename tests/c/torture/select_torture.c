/* SPDX-License-Identifier: MIT */
/* Select and rendezvous under fire: select_torture THREADS SECONDS SEED.
 *
 * Rounds of some milliseconds over a few channels of any kind, with random yields:
 *
 *   crowd   everybody selects over random sends and receives, with random deadlines, or
 *           sends and receives singly and in rows; now and then a channel is closed. What
 *           was sent is received exactly once, in the order of its sender, and what a
 *           select has not chosen is not; CLOSED is true; at a rendezvous a send and its
 *           receive overlap.
 *   bursts  the channels come to rest between bursts of a few messages. Fickle selects
 *           are interrupted by signals, time out, or leave after a message, and stay away
 *           until the next burst; faithful waiters, a select over all or a receive at
 *           each, must get what they leave. So a wake-up that is lost, or kept by who
 *           did something else, shows as a hang. For receivers and for senders.
 *   pairs   selects that wait for each other for ever at rendezvous, each as sender and
 *           receiver: two that fit and both sleep show as a hang.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bursts.h"
#include "crew.h"
#include "reclaim.h"
#include "selects.h"
#include "tap.h"

#define MAX_THREADS 16
#define MAX_CHANNELS 4
#define MAX_OPS 20
#define QUOTA 150

/* A message is {sender, number}. */
#define MESSAGE(sender, number) ((int64_t)(sender) << 32 | (int64_t)(number))

static int64_t end;

static bool time_is_up(void) { return sobj_clock() >= end; }

struct channels {
    unsigned count;
    enum channel_kind kind[MAX_CHANNELS];
    struct sobj_object *at[MAX_CHANNELS];
};

static void channels_init(struct channels *c, struct rng *rng, bool meet_only)
{
    c->count = 1 + (unsigned)rng_below(rng, MAX_CHANNELS);
    for (unsigned i = 0; i < c->count; i++) {
        c->kind[i] =
            meet_only ? RENDEZVOUS : (enum channel_kind)rng_below(rng, CHANNEL_KINDS);
        c->at[i] = new_of_kind(c->kind[i], 1 + (uint32_t)rng_below(rng, 3));
    }
}

static void channels_close(struct channels *c)
{
    for (unsigned i = 0; i < c->count; i++)
        sobj_channel_close(c->at[i], false);
}

static void channels_fini(struct channels *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        sobj_channel_close(c->at[i], true);
        sobj_unref(c->at[i]);
    }
}

static unsigned index_of(const struct channels *c, const struct sobj_object *ch)
{
    unsigned i = 0;

    while (c->at[i] != ch)
        i++;
    return i;
}

/* ---- crowd */

/* One operation that was done, in the log of its thread. */
struct done {
    int64_t message;
    uint64_t began, ended; /* draws of one clock */
    uint8_t channel;
    bool sent;
};

struct crowd {
    struct channels channels;
    SOBJ_ALIGNED _Atomic(uint64_t) clock;
    struct done *log[MAX_THREADS + 1]; /* the last: what was left */
    unsigned logged[MAX_THREADS + 1];
};

/* SeqCst: a clock that all agree on. */
static uint64_t draw(struct crowd *c) { return sobj_add_seq_cst(&c->clock, 1); }

static void note(struct crowd *c, unsigned who, unsigned channel, bool sent,
                 int64_t message, uint64_t began)
{
    c->log[who][c->logged[who]++] = (struct done){
        .message = message,
        .began = began,
        .ended = draw(c),
        .channel = (uint8_t)channel,
        .sent = sent,
    };
}

static void crowd_select(struct crowd *c, struct member *m, int64_t *next)
{
    struct sobj_select_op ops[MAX_OPS];
    bool sends[MAX_OPS];
    uint32_t n = 1 + (uint32_t)rng_below(&m->rng, rng_below(&m->rng, 8) ? 5 : MAX_OPS);
    uint32_t index = UINT32_MAX;
    uint64_t began = draw(c);
    enum sobj_status status;

    for (uint32_t i = 0; i < n; i++) {
        struct sobj_object *ch = c->channels.at[rng_below(&m->rng, c->channels.count)];
        sends[i] = rng_below(&m->rng, 2);
        ops[i] = sends[i] ? send_to(ch, MESSAGE(m->index, ++*next)) : receive_from(ch);
    }
    status =
        rng_below(&m->rng, 3) == 0
            ? sobj_try_select(ops, n, &index)
            : sobj_select(ops, n, &index,
                          sobj_clock() + (int64_t)rng_below(&m->rng, 200000), NULL);
    if (status == SOBJ_OK && expect(index < n, "index %u of %u", index, n)) {
        note(c, m->index, index_of(&c->channels, ops[index].channel), sends[index],
             sobj_to_int(ops[index].message), began);
        for (uint32_t i = 0; i < n; i++)
            expect(sends[i] || i == index || ops[i].message == SOBJ_NO_CELL,
                   "two messages came");
    } else if (status == SOBJ_CLOSED) {
        expect(index < n && sobj_channel_closed(ops[index].channel),
               "CLOSED of an open channel");
    } else {
        expect(status == SOBJ_EMPTY || status == SOBJ_TIMEOUT, "select: %s",
               sobj_status_str(status));
    }
}

/* The same channels without select. */
static void crowd_alone(struct crowd *c, struct member *m, int64_t *next)
{
    unsigned channel = (unsigned)rng_below(&m->rng, c->channels.count);
    struct sobj_object *ch = c->channels.at[channel];
    int64_t deadline = sobj_clock() + (int64_t)rng_below(&m->rng, 200000);
    uint64_t began = draw(c);
    sobj_cell cells[3];
    struct sobj_messages row = {.cells = cells, .count = 1 + rng_below(&m->rng, 3)};
    bool sending = rng_below(&m->rng, 2);

    for (size_t i = 0; i < row.count; i++)
        cells[i] = sobj_from_int(MESSAGE(m->index, ++*next));
    if (row.count > 1) {
        sending ? sobj_channel_send_many(ch, &row, deadline, NULL)
                : sobj_channel_recv_many(ch, &row, deadline, NULL);
    } else {
        row.done =
            (sending ? sobj_channel_send(ch, cells[0], deadline, NULL)
                     : sobj_channel_recv(ch, &cells[0], deadline, NULL)) == SOBJ_OK;
    }
    for (size_t i = 0; i < row.done; i++)
        note(c, m->index, channel, sending, sobj_to_int(cells[i]), began);
}

static void crowd_work(struct member *m)
{
    struct crowd *c = m->shared;
    int64_t next = 0;

    for (int i = 0; i < QUOTA && !time_is_up(); i++) {
        if (rng_below(&m->rng, 4) != 0)
            crowd_select(c, m, &next);
        else
            crowd_alone(c, m, &next);
        if (rng_below(&m->rng, 400) == 0)
            sobj_channel_close(c->channels.at[rng_below(&m->rng, c->channels.count)],
                               false);
    }
}

/* What nobody has received is received now. */
static void crowd_drain(struct crowd *c, unsigned who)
{
    sobj_cell cell;

    for (unsigned i = 0; i < c->channels.count; i++) {
        uint64_t began = draw(c);
        while (sobj_channel_try_recv(c->channels.at[i], &cell) == SOBJ_OK)
            note(c, who, i, false, sobj_to_int(cell), began);
    }
}

static int by_message(const void *a, const void *b)
{
    const struct done *x = a, *y = b;

    return (x->message > y->message) - (x->message < y->message);
}

/* Puts all sends, or all receives, in order of messages. Returns: how many. */
static size_t crowd_collect(const struct crowd *c, unsigned logs, bool sent,
                            struct done *all)
{
    size_t n = 0;

    for (unsigned who = 0; who < logs; who++) {
        for (unsigned i = 0; i < c->logged[who]; i++) {
            if (c->log[who][i].sent == sent)
                all[n++] = c->log[who][i];
        }
    }
    qsort(all, n, sizeof *all, by_message);
    return n;
}

/* Each receiver gets the messages of a sender from one channel in their order. */
static void crowd_order(const struct crowd *c, unsigned who)
{
    int64_t last[MAX_CHANNELS][MAX_THREADS] = {{0}};

    for (unsigned i = 0; i < c->logged[who]; i++) {
        const struct done *d = &c->log[who][i];
        if (d->sent)
            continue;
        int64_t *before = &last[d->channel][d->message >> 32];
        expect(d->message > *before, "out of order");
        *before = d->message;
    }
}

static void crowd_verify(struct crowd *c, unsigned logs)
{
    size_t room = 0, sent, received;

    for (unsigned who = 0; who < logs; who++) {
        room += c->logged[who];
        crowd_order(c, who);
    }
    struct done *s = malloc((2 * room + 1) * sizeof *s), *r = s + room;
    if (s == NULL)
        abort();
    sent = crowd_collect(c, logs, true, s);
    received = crowd_collect(c, logs, false, r);
    expect(sent == received, "%zu sent, %zu received", sent, received);
    for (size_t i = 0; i < sent && i < received; i++) {
        if (!expect(s[i].message == r[i].message && s[i].channel == r[i].channel,
                    "%llx sent to %u, %llx received from %u",
                    (unsigned long long)s[i].message, s[i].channel,
                    (unsigned long long)r[i].message, r[i].channel))
            break;
        if (c->channels.kind[s[i].channel] == RENDEZVOUS)
            expect(s[i].began < r[i].ended && r[i].began < s[i].ended,
                   "a rendezvous at two times");
        else
            expect(s[i].began < r[i].ended, "received before it was sent");
    }
    free(s);
}

static void crowd_round(struct rng *rng, unsigned threads)
{
    static struct crowd c;

    memset(&c, 0, sizeof c);
    channels_init(&c.channels, rng, rng_below(rng, 3) == 0);
    for (unsigned i = 0; i <= threads; i++) {
        size_t most = (i == threads ? 3 * threads : 3) * QUOTA;
        if ((c.log[i] = malloc(most * sizeof(struct done))) == NULL)
            abort();
    }
    crew_run(threads, rng_next(rng), 0, crowd_work, &c);
    crowd_drain(&c, threads);
    crowd_verify(&c, threads + 1);
    for (unsigned i = 0; i <= threads; i++)
        free(c.log[i]);
    channels_fini(&c.channels);
}

/* ---- bursts */

struct select_bursts {
    struct bursts base;
    struct channels channels;
    bool alone; /* the faithful are one for each channel, who do not select */
};

static struct sobj_object *burst_place(struct bursts *b, struct rng *rng)
{
    struct channels *c = &((struct select_bursts *)b)->channels;

    return c->at[rng_below(rng, c->count)];
}

static void burst_close(struct bursts *b)
{
    channels_close(&((struct select_bursts *)b)->channels);
}

static enum sobj_status burst_wait(struct bursts *base, struct member *m, bool faithful)
{
    struct select_bursts *b = (struct select_bursts *)base;
    struct sobj_select_op ops[2 * MAX_CHANNELS];
    uint32_t index, n = 0;
    int64_t deadline = faithful || rng_below(&m->rng, 2)
                           ? SOBJ_FOREVER
                           : sobj_clock() + (int64_t)rng_below(&m->rng, 100000);

    if (faithful && b->alone) {
        struct sobj_object *ch = b->channels.at[m->index - 1];
        sobj_cell c = SOBJ_TRUE;
        return base->senders ? sobj_channel_send(ch, c, deadline, NULL)
                             : sobj_channel_recv(ch, &c, deadline, NULL);
    }
    for (unsigned i = 0; i < b->channels.count; i++) {
        unsigned times = 1 + (rng_below(&m->rng, 4) == 0);
        if (!faithful && n != 0 && rng_below(&m->rng, 4) == 0)
            continue;
        for (; times > 0; times--) {
            ops[n] = receive_from(b->channels.at[i]);
            ops[n++].message = base->senders ? SOBJ_TRUE : SOBJ_NO_CELL;
        }
    }
    return sobj_select(ops, n, &index, deadline, NULL);
}

static void bursts_round(struct rng *rng, unsigned threads)
{
    static struct select_bursts b;

    b = (struct select_bursts){
        .base = {.senders = rng_below(rng, 2) == 0,
                 .count = 60,
                 .end = end,
                 .place = burst_place,
                 .wait = burst_wait,
                 .close = burst_close},
    };
    channels_init(&b.channels, rng, false);
    b.alone = rng_below(rng, 2) == 0 && b.channels.count + 2 <= threads;
    b.base.faithful = b.alone ? b.channels.count : 1;
    for (unsigned i = 0; i < b.channels.count && b.base.senders; i++) {
        if (b.channels.kind[i] == CHAIN) {
            sobj_unref(b.channels.at[i]);
            b.channels.kind[i] = RING;
            b.channels.at[i] = new_channel(1);
        }
        /* Full at rest. */
        while (sobj_channel_try_send(b.channels.at[i], SOBJ_TRUE) == SOBJ_OK)
            ;
    }
    crew_run(threads, rng_next(rng), 0, bursts_work, &b);
    channels_fini(&b.channels);
}

/* ---- pairs */

struct pairs {
    struct channels channels;
    _Atomic(int64_t) sent, received; /* sums of messages */
    _Atomic(int) meetings;
    int count;
};

static void pairs_work(struct member *m)
{
    struct pairs *p = m->shared;
    enum sobj_status status;

    do {
        struct sobj_select_op ops[3 * MAX_CHANNELS];
        uint32_t n = 0, index;
        int64_t number = 1 + (int64_t)rng_below(&m->rng, 1000);
        for (unsigned i = 0; i < p->channels.count; i++) {
            bool turned = rng_below(&m->rng, 2);
            ops[n++] = turned ? receive_from(p->channels.at[i])
                              : send_to(p->channels.at[i], number);
            ops[n++] = turned ? send_to(p->channels.at[i], number)
                              : receive_from(p->channels.at[i]);
        }
        for (uint32_t i = n; i-- > 1;) {
            uint32_t other = (uint32_t)rng_below(&m->rng, i + 1);
            struct sobj_select_op op = ops[i];
            ops[i] = ops[other];
            ops[other] = op;
        }
        bool sends[3 * MAX_CHANNELS];
        for (uint32_t i = 0; i < n; i++)
            sends[i] = ops[i].message != SOBJ_NO_CELL;
        status = sobj_select(ops, n, &index, SOBJ_FOREVER, NULL);
        if (status == SOBJ_OK) {
            sobj_add_seq_cst(sends[index] ? &p->sent : &p->received,
                             sobj_to_int(ops[index].message)); /* SeqCst: a sum. */
            /* SeqCst: a count. */
            if (sobj_add_seq_cst(&p->meetings, 1) == p->count || time_is_up())
                channels_close(&p->channels);
        }
    } while (status == SOBJ_OK);
    expect(status == SOBJ_CLOSED, "pair: %s", sobj_status_str(status));
}

static void pairs_round(struct rng *rng, unsigned threads)
{
    static struct pairs p;

    memset(&p, 0, sizeof p);
    p.count = 300;
    channels_init(&p.channels, rng, true);
    crew_run(threads, rng_next(rng), 0, pairs_work, &p);
    /* SeqCst: sums. */
    expect(sobj_load_seq_cst(&p.sent) == sobj_load_seq_cst(&p.received),
           "not what was sent was received");
    channels_fini(&p.channels);
}

/* ---- */

static void on_alarm(int number)
{
    static const char message[] = "Bail out! a round hangs\n";

    (void)number;
    if (write(STDOUT_FILENO, message, sizeof message - 1) < 0)
        _exit(2);
    _exit(1);
}

static void on_signal(int number) { (void)number; }

int main(int argc, char **argv)
{
    static const unsigned periods[] = {0, 2, 5, 20};
    static void (*const kinds[])(struct rng *, unsigned) = {
        crowd_round, crowd_round, bursts_round, bursts_round, pairs_round};
    struct sigaction action = {.sa_handler = on_signal};
    int rounds = 0;

    tap_begin();
    struct torture t = torture_begin(argc, argv, 4);
    struct rng rng = rng_seed(t.seed);
    unsigned most = t.threads < 3             ? 3
                    : t.threads > MAX_THREADS ? MAX_THREADS
                                              : t.threads;
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
    struct balance b = balance_begin();
    end = sobj_clock() + (int64_t)t.milliseconds * 1000000;
    do {
        unsigned threads = 2 + (unsigned)rng_below(&rng, most - 1);
        alarm(HANG_SECONDS);
        yield_every(periods[rng_below(&rng, sizeof periods / sizeof *periods)]);
        kinds[rng_below(&rng, sizeof kinds / sizeof *kinds)](&rng, threads);
        rounds++;
        if (!balance_expect(&b, "a round"))
            break;
    } while (!time_is_up() && tap_failures() == 0);
    alarm(0);
    ok(tap_failures() == 0, "%d rounds", rounds);
    balance_check(&b, "all rounds");
    return tap_end();
}
