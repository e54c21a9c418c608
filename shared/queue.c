/* SPDX-License-Identifier: MIT */
/* L3: queues; see queue.h. */
#include "queue.h"

#include <string.h>

#include "alloc.h"

static struct sobj__queue *queue_of(const struct sobj_object *obj)
{
    sobj_assert_test(obj->type->tag == SOBJ_TYPE_QUEUE);
    return sobj_container_of((struct sobj_object *)obj, struct sobj__queue,
                             channel.object);
}

static void queue_destroy(struct sobj_object *obj)
{
    struct sobj__queue *q = queue_of(obj);

    sobj__channel_fini(&q->channel);
    sobj__free(SOBJ_COUNT_BLOCKS, q, sizeof *q);
}

static void queue_fork_child(struct sobj_object *obj)
{
    struct sobj__queue *q = queue_of(obj);

    sobj__channel_fork_child(&q->channel);
    sobj__waitlist_reset(&q->joiners);
}

static size_t queue_bytes(const struct sobj_object *obj)
{
    const struct sobj__queue *q = queue_of(obj);

    return sizeof *q + sobj__channel_bytes(&q->channel);
}

static const struct sobj__type queue_type = {
    .tag = SOBJ_TYPE_QUEUE,
    .name = "Queue",
    .destroy = queue_destroy,
    .fork_child = queue_fork_child,
    .bytes = queue_bytes,
};

enum sobj_status sobj_queue_new(int64_t maxsize, struct sobj_object **out)
{
    struct sobj__queue *q = sobj__alloc_aligned(SOBJ_COUNT_BLOCKS, sizeof *q);
    enum sobj_status status;

    if (q == NULL)
        return SOBJ_NO_MEMORY;
    memset(q, 0, sizeof *q);
    status = sobj__channel_init(&q->channel, 0, SOBJ_OVERFLOW_BLOCK);
    if (status != SOBJ_OK) {
        sobj__free(SOBJ_COUNT_BLOCKS, q, sizeof *q);
        return status;
    }
    q->channel.waits = true;
    atomic_init(&q->channel.limit, maxsize);
    status = sobj__object_init(&q->channel.object, &queue_type);
    if (status != SOBJ_OK) {
        queue_destroy(&q->channel.object);
        return status;
    }
    *out = &q->channel.object;
    return SOBJ_OK;
}

/* ---- the limit */

int64_t sobj_queue_maxsize(const struct sobj_object *obj)
{
    return sobj_load_relaxed(
        &queue_of(obj)->channel.limit); /* Relaxed: a number alone. */
}

void sobj_queue_set_maxsize(struct sobj_object *obj, int64_t maxsize)
{
    struct sobj__queue *q = queue_of(obj);

    /* SeqCst: before the waiters are looked for (P1). */
    int64_t before = sobj_swap_seq_cst(&q->channel.limit, maxsize);

    /* As many as there are more places; the others keep theirs in the line. Who comes to
     * wait by now looks at the new limit once more before it sleeps. */
    if (maxsize <= 0 || (before > 0 && maxsize - before > UINT32_MAX))
        sobj__wake_all(&q->channel.senders);
    else if (before > 0 && maxsize > before)
        sobj__wake_some(&q->channel.senders, (uint32_t)(maxsize - before));
}

/* ---- tasks */

uint64_t sobj_queue_unfinished(const struct sobj_object *obj)
{
    struct sobj__queue *q = queue_of(obj);
    uint64_t done, again, tail;

    again = sobj_load_seq_cst(&q->done); /* SeqCst Q2: before the tail. */
    do {
        done = again;
        /* SeqCst Q2: between two looks at `done`, of which it then is the moment. */
        tail = sobj_load_seq_cst(&q->channel.chain.tail) & ~SOBJ__CLOSED_MARK;
        again = sobj_load_seq_cst(&q->done); /* SeqCst Q2: as above. */
    } while (done != again);
    return tail - done;
}

enum sobj_status sobj_queue_task_done(struct sobj_object *obj)
{
    struct sobj__queue *q = queue_of(obj);
    _Atomic(uint64_t) *word = &q->channel.chain.tail;
    uint64_t done = sobj_load_seq_cst(&q->done); /* SeqCst Q1: before the tail. */

    do {
        /* SeqCst Q1: after `done`. */
        if ((sobj_load_seq_cst(word) & ~SOBJ__CLOSED_MARK) == done)
            return SOBJ_EMPTY;
        /* SeqCst Q1, Q3: before the tail is read again. */
    } while (!sobj_cas_seq_cst(&q->done, &done, done + 1));
    SOBJ_YIELD();
    /* SeqCst Q3: after `done` has moved. */
    if ((sobj_load_seq_cst(word) & ~SOBJ__CLOSED_MARK) == done + 1)
        sobj__wake_all(&q->joiners);
    return SOBJ_OK;
}

/* Sleeps once, unless all is done. Returns: as park does. */
static enum sobj_status join_once(struct sobj__queue *q, int64_t deadline,
                                  struct sobj_domain *domain)
{
    struct sobj__parker parker;
    struct sobj__waiter waiter;
    enum sobj_status status = sobj__parker_init(&parker, domain);

    if (status != SOBJ_OK)
        return status;
    sobj__wait_enter(&q->joiners, &waiter, &parker);
    SOBJ_YIELD();
    if (sobj_queue_unfinished(&q->channel.object) != 0)
        status = sobj__park(&parker, deadline);
    sobj__wait_leave(&waiter);
    sobj__parker_fini(&parker);
    return status;
}

enum sobj_status sobj_queue_join(struct sobj_object *obj, int64_t deadline,
                                 struct sobj_domain *domain)
{
    while (sobj_queue_unfinished(obj) != 0) {
        enum sobj_status status = join_once(queue_of(obj), deadline, domain);
        if (status != SOBJ_OK && sobj_queue_unfinished(obj) != 0)
            return status;
    }
    return SOBJ_OK;
}

/* ---- the end */

void sobj_queue_shutdown(struct sobj_object *obj, bool discard)
{
    sobj_cell message;

    sobj__channel_close(&queue_of(obj)->channel);
    /* No message comes any more, so this ends. A task may have been reported done before
     * it was received. */
    while (discard && sobj_channel_try_recv(obj, &message) == SOBJ_OK) {
        sobj_cell_unref(message);
        sobj_queue_task_done(obj);
    }
}
