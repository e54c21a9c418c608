/* SPDX-License-Identifier: MIT */
/* Channels of every kind, and operations of a select, for tests. */
#ifndef SUPPORT_SELECTS_H
#define SUPPORT_SELECTS_H

#include <pthread.h>
#include <sched.h>

#include "channel.h"
#include "channels.h"
#include "reclaim.h"
#include "sharedobj/channel_end.h"
#include "sharedobj/queue.h"
#include "sharedobj/select.h"

enum channel_kind { RING, CHAIN, LIMITED_QUEUE, RENDEZVOUS, CHANNEL_KINDS };

/* Returns: a new channel with room for `capacity`, where that means something. */
static inline struct sobj_object *new_of_kind(enum channel_kind kind, uint32_t capacity)
{
    struct sobj_object *ch = NULL;

    if (kind == RING || kind == CHAIN)
        return new_channel(kind == RING ? capacity : 0);
    if ((kind == RENDEZVOUS ? sobj_channel_new_rendezvous(&ch)
                            : sobj_queue_new(capacity, &ch)) != SOBJ_OK) {
        diag("no channel");
        abort();
    }
    return ch;
}

static inline struct sobj_select_op receive_from(struct sobj_object *ch)
{
    return (struct sobj_select_op){.channel = ch, .message = SOBJ_NO_CELL};
}

static inline struct sobj_select_op send_to(struct sobj_object *ch, int64_t n)
{
    return (struct sobj_select_op){.channel = ch, .message = sobj_from_int(n)};
}

/* Returns: how many wait there. At a rendezvous: who could be met. */
static inline uint32_t waiting_at(struct sobj_object *obj, bool sending)
{
    struct sobj__channel *ch = (struct sobj__channel *)sobj_channel_of(obj);
    struct sobj__waitlist *list = sending ? &ch->senders : &ch->receivers;
    uint32_t n = 0;

    if (!ch->meets)
        return sobj_load_seq_cst(&list->count);
    sobj__write_begin();
    sobj__lock_acquire(&ch->meet.lock);
    for (struct sobj__offer *o = sending ? ch->meet.senders.head
                                         : ch->meet.receivers.head;
         o != NULL; o = o->next)
        n++;
    sobj__lock_release(&ch->meet.lock);
    sobj__write_end();
    return n;
}

/* Until `n` wait there. */
static inline void await_waiting_at(struct sobj_object *ch, bool sending, uint32_t n)
{
    while (waiting_at(ch, sending) != n)
        sched_yield();
}

/* ---- a thread that does one select, or with one operation and `alone` that operation */

#define CALLER_OPS 8

struct caller {
    struct sobj_select_op ops[CALLER_OPS];
    uint32_t count, index;
    bool alone;
    bool starved; /* its first allocation fails */
    int64_t deadline;
    struct sobj_domain *domain;
    enum sobj_status status;
    pthread_t thread;
    _Atomic(bool) done;
};

static inline void *caller_main(void *arg)
{
    struct caller *c = arg;
    struct sobj_select_op *op = &c->ops[0];

    if (c->starved) {
        sobj_channel_count(op->channel); /* the thread's own record comes first */
        sobj_fail_allocation(0);
    }
    if (!c->alone)
        c->status = sobj_select(c->ops, c->count, &c->index, c->deadline, c->domain);
    else if (op->message != SOBJ_NO_CELL)
        c->status = sobj_channel_send(op->channel, op->message, c->deadline, c->domain);
    else
        c->status =
            sobj_channel_recv(op->channel, &op->message, c->deadline, c->domain);
    sobj_fail_allocation(-1);
    sobj_store_seq_cst(&c->done, true);
    return NULL;
}

/* For ever, in no domain. */
static inline struct caller caller_of(uint32_t count, const struct sobj_select_op *ops)
{
    struct caller c = {.count = count, .index = UINT32_MAX, .deadline = SOBJ_FOREVER};

    for (uint32_t i = 0; i < count; i++)
        c.ops[i] = ops[i];
    return c;
}

static inline struct caller caller_alone(struct sobj_select_op op)
{
    struct caller c = caller_of(1, &op);

    c.alone = true;
    return c;
}

static inline void caller_start(struct caller *c)
{
    if (pthread_create(&c->thread, NULL, caller_main, c) != 0)
        abort();
}

static inline bool caller_done(struct caller *c) { return sobj_load_seq_cst(&c->done); }

static inline enum sobj_status caller_join(struct caller *c)
{
    pthread_join(c->thread, NULL);
    return c->status;
}

/* Signals the thread until its call has ended: a signal that comes before it sleeps need
 * not be noticed. */
static inline enum sobj_status caller_interrupt(struct caller *c, int signal)
{
    while (!caller_done(c)) {
        pthread_kill(c->thread, signal);
        sched_yield();
    }
    return caller_join(c);
}

#endif
