/* SPDX-License-Identifier: MIT */
/* L3: channels; see channel.h. */
#include "channel.h"

#include <string.h>

#include "alloc.h"
#include "platform/platform.h"
#include "reclaim.h"

/* How often to look at a cell that is about to change, before its thread is taken for
 * descheduled, and then before it is taken for one that this thread keeps from running. */
#define BUSY_SPINS 32
#define BUSY_YIELDS 1000
#define BUSY_NAP_NS 50000

static struct sobj__channel *channel_of(const struct sobj_object *obj)
{
    sobj_assert_test(obj->type->tag == SOBJ_TYPE_CHANNEL);
    return sobj_container_of((struct sobj_object *)obj, struct sobj__channel, object);
}

/* Either tail: both kinds of queue keep the mark in it. */
static _Atomic(uint64_t) *tail_of(struct sobj__channel *ch)
{
    return ch->capacity != 0 ? &ch->ring.tail : &ch->chain.tail;
}

/* ---- life */

static void channel_destroy(struct sobj_object *obj)
{
    struct sobj__channel *ch = channel_of(obj);

    if (ch->capacity != 0)
        sobj__ring_fini(&ch->ring);
    else
        sobj__chain_fini(&ch->chain);
    sobj__free(SOBJ_COUNT_BLOCKS, ch, sizeof *ch);
}

/* The queue itself needs nothing: no operation was under way (I5, L7). */
static void channel_fork_child(struct sobj_object *obj)
{
    struct sobj__channel *ch = channel_of(obj);

    sobj__waitlist_reset(&ch->receivers);
    sobj__waitlist_reset(&ch->senders);
}

static size_t channel_bytes(const struct sobj_object *obj)
{
    const struct sobj__channel *ch = channel_of(obj);

    return sizeof *ch + (ch->capacity != 0 ? sobj__ring_bytes(ch->capacity)
                                           : sobj__chain_count(&ch->chain) * 8);
}

static const struct sobj__type channel_type = {
    .tag = SOBJ_TYPE_CHANNEL,
    .name = "Channel",
    .destroy = channel_destroy,
    .fork_child = channel_fork_child,
    .bytes = channel_bytes,
};

enum sobj_status sobj_channel_new(uint32_t capacity, struct sobj_object **out)
{
    struct sobj__channel *ch = sobj__alloc_aligned(SOBJ_COUNT_BLOCKS, sizeof *ch);
    enum sobj_status status;

    if (ch == NULL)
        return SOBJ_NO_MEMORY;
    memset(ch, 0, sizeof *ch);
    ch->capacity = capacity;
    status = capacity != 0 ? sobj__ring_init(&ch->ring, capacity)
                           : sobj__chain_init(&ch->chain);
    if (status != SOBJ_OK) {
        sobj__free(SOBJ_COUNT_BLOCKS, ch, sizeof *ch);
        return status;
    }
    status = sobj__object_init(&ch->object, &channel_type);
    if (status != SOBJ_OK) {
        channel_destroy(&ch->object);
        return status;
    }
    *out = &ch->object;
    return SOBJ_OK;
}

/* ---- without waiting */

/* Between two looks at a cell that another thread has claimed and not yet stamped; no
 * section is held. That thread needs a few instructions, or the processor. Yielding does
 * not give it away to a thread of a lower real-time priority; a nap does. There is no
 * event to wait for: senders that had to announce one would pay for it every time. */
static void busy_pause(unsigned round)
{
    _Atomic(uint32_t) nothing = 0;

    if (round < BUSY_SPINS)
        sobj_cpu_relax();
    else if (round < BUSY_SPINS + BUSY_YIELDS)
        sched_yield();
    else
        sobj__os_wait(&nothing, 0, sobj__now() + BUSY_NAP_NS);
}

static enum sobj_status put(struct sobj__channel *ch, sobj_cell message)
{
    for (unsigned round = 0;; round++) {
        sobj__write_begin();
        enum sobj_status status = ch->capacity != 0
                                      ? sobj__ring_put(&ch->ring, message)
                                      : sobj__chain_put(&ch->chain, message);
        sobj__write_end();
        if (SOBJ_LIKELY(status != SOBJ__BUSY)) {
            if (status == SOBJ_OK)
                sobj__wake_one(&ch->receivers);
            return status;
        }
        busy_pause(round);
    }
}

static enum sobj_status take(struct sobj__channel *ch, sobj_cell *message)
{
    for (unsigned round = 0;; round++) {
        sobj__write_begin();
        enum sobj_status status = ch->capacity != 0
                                      ? sobj__ring_take(&ch->ring, message)
                                      : sobj__chain_take(&ch->chain, message);
        sobj__write_end();
        if (SOBJ_LIKELY(status != SOBJ__BUSY)) {
            /* Nobody waits for room in an unbounded channel. */
            if (status == SOBJ_OK && ch->capacity != 0)
                sobj__wake_one(&ch->senders);
            return status;
        }
        busy_pause(round);
    }
}

enum sobj_status sobj_channel_try_send(struct sobj_object *obj, sobj_cell message)
{
    sobj_assert_test(message != SOBJ_NO_CELL);
    return put(channel_of(obj), message);
}

enum sobj_status sobj_channel_try_recv(struct sobj_object *obj, sobj_cell *message)
{
    return take(channel_of(obj), message);
}

/* ---- waiting */

/* One send or receive that may have to wait. */
struct operation {
    struct sobj__channel *channel;
    sobj_cell *message;
    bool sending;
};

static struct sobj__waitlist *list_of(const struct operation *op)
{
    return op->sending ? &op->channel->senders : &op->channel->receivers;
}

static enum sobj_status attempt(const struct operation *op)
{
    return op->sending ? put(op->channel, *op->message)
                       : take(op->channel, op->message);
}

static bool must_wait(enum sobj_status status)
{
    return status == SOBJ_FULL || status == SOBJ_EMPTY;
}

/* Whether an attempt is worth its while; changes nothing that is shared. */
static bool looks_ready(const struct operation *op)
{
    struct sobj__channel *ch = op->channel;

    if (op->sending) /* and not unbounded, or it would not wait */
        return sobj__ring_can_put(&ch->ring);
    return ch->capacity != 0 ? sobj__ring_can_take(&ch->ring)
                             : sobj__chain_can_take(&ch->chain);
}

static enum sobj_status spin(const struct operation *op, enum sobj_status status)
{
    struct sobj__waitlist *list = list_of(op);
    struct sobj__spin spin = sobj__spin_begin(list);

    while (must_wait(status) && sobj__spin_again(&spin)) {
        if (looks_ready(op))
            status = attempt(op);
    }
    sobj__spin_end(list, &spin, !must_wait(status));
    return status;
}

/* Sleeps once. Returns: what the operation came to, or FULL or EMPTY when it is to be
 * tried again; TIMEOUT, INTERRUPTED, CLOSING. */
static enum sobj_status sleep_once(const struct operation *op, int64_t deadline,
                                   struct sobj_domain *domain)
{
    struct sobj__waitlist *list = list_of(op);
    struct sobj__parker parker;
    struct sobj__waiter waiter;
    enum sobj_status end = SOBJ_OK, status = sobj__parker_init(&parker, domain);

    if (status != SOBJ_OK)
        return status;
    sobj__wait_enter(list, &waiter, &parker);
    SOBJ_YIELD();
    status = attempt(op); /* W1 */
    bool done = !must_wait(status);
    if (!done)
        end = sobj__park(&parker, deadline);
    SOBJ_YIELD();
    bool woken = sobj__wait_leave(&waiter);
    sobj__parker_fini(&parker);
    if (woken && (done || end == SOBJ_INTERRUPTED))
        sobj__wake_one(list); /* W3 */
    if (done || end == SOBJ_INTERRUPTED || end == SOBJ_CLOSING)
        return done ? status : end;
    status = attempt(op); /* W2; and a last look when the time is over */
    return must_wait(status) && end == SOBJ_TIMEOUT ? SOBJ_TIMEOUT : status;
}

static SOBJ_NOINLINE enum sobj_status wait_for(const struct operation *op,
                                               int64_t deadline,
                                               struct sobj_domain *domain)
{
    enum sobj_status status = op->sending ? SOBJ_FULL : SOBJ_EMPTY;

    if (deadline != SOBJ_FOREVER && deadline <= sobj__now())
        return SOBJ_TIMEOUT;
    while (must_wait(status)) {
        status = spin(op, status);
        if (must_wait(status))
            status = sleep_once(op, deadline, domain);
    }
    return status;
}

enum sobj_status sobj_channel_send(struct sobj_object *obj, sobj_cell message,
                                   int64_t deadline, struct sobj_domain *domain)
{
    struct sobj__channel *ch = channel_of(obj);

    sobj_assert_test(message != SOBJ_NO_CELL);
    enum sobj_status status = put(ch, message);
    if (!must_wait(status))
        return status;
    const struct operation op = {ch, &message, .sending = true};
    return wait_for(&op, deadline, domain);
}

enum sobj_status sobj_channel_recv(struct sobj_object *obj, sobj_cell *message,
                                   int64_t deadline, struct sobj_domain *domain)
{
    struct sobj__channel *ch = channel_of(obj);
    enum sobj_status status = take(ch, message);

    if (!must_wait(status))
        return status;
    const struct operation op = {ch, message, .sending = false};
    return wait_for(&op, deadline, domain);
}

/* ---- closing */

bool sobj_channel_close(struct sobj_object *obj, bool discard)
{
    struct sobj__channel *ch = channel_of(obj);
    sobj_cell message;

    /* SeqCst: one order with all claims of the tail (I3, L5); one step, so that it needs
     * no section. */
    uint64_t tail = sobj_or_seq_cst(tail_of(ch), SOBJ__CLOSED_MARK);
    sobj__wake_all(&ch->receivers);
    sobj__wake_all(&ch->senders);
    /* No message comes any more, so this ends. */
    while (discard && take(ch, &message) == SOBJ_OK)
        sobj_cell_unref(message);
    return !(tail & SOBJ__CLOSED_MARK);
}

bool sobj_channel_closed(const struct sobj_object *obj)
{
    /* SeqCst: whoever has seen the close finds that sends fail, and the reverse. */
    return sobj_load_seq_cst(tail_of(channel_of(obj))) & SOBJ__CLOSED_MARK;
}

/* ---- figures */

size_t sobj_channel_count(const struct sobj_object *obj)
{
    const struct sobj__channel *ch = channel_of(obj);

    return ch->capacity != 0 ? sobj__ring_count(&ch->ring)
                             : sobj__chain_count(&ch->chain);
}

uint32_t sobj_channel_capacity(const struct sobj_object *obj)
{
    return channel_of(obj)->capacity;
}
