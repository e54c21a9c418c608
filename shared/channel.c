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
    if (SOBJ_UNLIKELY(obj->type == &sobj__sender_type ||
                      obj->type == &sobj__receiver_type))
        return sobj_container_of(obj, struct sobj__end, object)->channel;
    sobj_assert_test(obj->type->tag == SOBJ_TYPE_CHANNEL ||
                     obj->type->tag == SOBJ_TYPE_QUEUE);
    return sobj_container_of((struct sobj_object *)obj, struct sobj__channel, object);
}

/* The tail: all kinds of queue keep the mark in it. */
static _Atomic(uint64_t) *tail_of(struct sobj__channel *ch)
{
    if (ch->meets)
        return &ch->meet.tail;
    return ch->ringed ? &ch->ring.tail : &ch->chain.tail;
}

/* ---- life */

enum sobj_status sobj__channel_init(struct sobj__channel *ch, uint32_t capacity,
                                    enum sobj_overflow overflow)
{
    ch->capacity = capacity;
    ch->overflow = overflow;
    ch->ringed = capacity != 0 && overflow != SOBJ_OVERFLOW_DROP_OLD;
    ch->receivers.noted = ch->senders.noted = true;
    ch->waits = capacity != 0 && overflow == SOBJ_OVERFLOW_BLOCK;
    return ch->ringed ? sobj__ring_init(&ch->ring, capacity)
                      : sobj__chain_init(&ch->chain);
}

void sobj__channel_fini(struct sobj__channel *ch)
{
    if (ch->ringed)
        sobj__ring_fini(&ch->ring);
    else if (!ch->meets)
        sobj__chain_fini(&ch->chain);
}

/* The queue itself needs nothing: no operation was under way (I5, L7). */
void sobj__channel_fork_child(struct sobj__channel *ch)
{
    sobj__waitlist_reset(&ch->receivers);
    sobj__waitlist_reset(&ch->senders);
    if (ch->meets)
        sobj__meet_fork_child(&ch->meet);
}

size_t sobj__channel_bytes(const struct sobj__channel *ch)
{
    if (ch->meets)
        return 0;
    return ch->ringed
               ? sobj__ring_bytes(ch->capacity) + sobj__ring_messages_bytes(&ch->ring)
               : sobj__chain_count(&ch->chain) * sizeof(sobj_cell) +
                     sobj__chain_messages_bytes(&ch->chain);
}

static void channel_destroy(struct sobj_object *obj)
{
    struct sobj__channel *ch = channel_of(obj);

    sobj__channel_fini(ch);
    sobj__free(SOBJ_COUNT_BLOCKS, ch, sizeof *ch);
}

static void channel_fork_child(struct sobj_object *obj)
{
    sobj__channel_fork_child(channel_of(obj));
}

static size_t channel_bytes(const struct sobj_object *obj)
{
    const struct sobj__channel *ch = channel_of(obj);

    return sizeof *ch + sobj__channel_bytes(ch);
}

static const struct sobj__type channel_type = {
    .tag = SOBJ_TYPE_CHANNEL,
    .name = "Channel",
    .destroy = channel_destroy,
    .fork_child = channel_fork_child,
    .bytes = channel_bytes,
};

static enum sobj_status channel_new(uint32_t capacity, enum sobj_overflow overflow,
                                    bool meets, struct sobj_object **out)
{
    struct sobj__channel *ch = sobj__alloc_aligned(SOBJ_COUNT_BLOCKS, sizeof *ch);
    enum sobj_status status = SOBJ_OK;

    if (ch == NULL)
        return SOBJ_NO_MEMORY;
    memset(ch, 0, sizeof *ch);
    if (meets)
        ch->meets = ch->waits = ch->receivers.noted = ch->senders.noted = true;
    else
        status = sobj__channel_init(ch, capacity, overflow);
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

enum sobj_status sobj_channel_new(uint32_t capacity, enum sobj_overflow overflow,
                                  struct sobj_object **out)
{
    return channel_new(capacity, overflow, false, out);
}

enum sobj_status sobj_channel_new_rendezvous(struct sobj_object **out)
{
    return channel_new(0, SOBJ_OVERFLOW_BLOCK, true, out);
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

/* How many messages a put into the chain allows; 0: any number. */
static uint64_t limit_of(const struct sobj__channel *ch)
{
    /* SeqCst: after the waiter has entered its list, as the setter stores before it looks
     * for waiters (P1). */
    int64_t limit = sobj_load_seq_cst(&ch->limit);

    return limit > 0 ? (uint64_t)limit : 0;
}

/* Needs: a write section. */
static enum sobj_status put_chain_row(struct sobj__channel *ch, const sobj_cell *cells,
                                      uint32_t n, uint32_t *done)
{
    for (;;) {
        uint64_t limit = limit_of(ch);
        enum sobj_status status =
            sobj__chain_put_row(&ch->chain, cells, n, limit, done);
        /* FULL is true of a moment between two looks at the limit: it was the same. */
        if (status != SOBJ_FULL || limit_of(ch) == limit)
            return status;
    }
}

static bool drops_old(const struct sobj__channel *ch)
{
    return ch->overflow == SOBJ_OVERFLOW_DROP_OLD && ch->capacity != 0;
}

/* Drops what is beyond the capacity, oldest first. Returns: EMPTY: no more; BUSY: the
 * oldest is not there yet; the sender who brings it comes here after it. */
static SOBJ_NOINLINE enum sobj_status drop_old(struct sobj__channel *ch)
{
    enum sobj_status status;

    do {
        sobj_cell old[8];
        uint32_t n = 0;

        sobj__write_begin();
        status = sobj__chain_take_row(&ch->chain, old, 8, ch->capacity, &n);
        sobj__write_end();
        while (n != 0)
            sobj_cell_unref(old[--n]);
    } while (status == SOBJ_OK);
    return status;
}

/* For a receiver: has dropped what senders have still to drop. */
static SOBJ_NOINLINE void drop_before(struct sobj__channel *ch)
{
    for (unsigned round = 0; drop_old(ch) == SOBJ__BUSY; round++)
        busy_pause(round);
}

static enum sobj_status put(struct sobj__channel *ch, sobj_cell message)
{
    uint32_t done;

    if (SOBJ_UNLIKELY(ch->meets))
        return sobj__meet_put(&ch->meet, &message, 1, &done);
    for (unsigned round = 0;; round++) {
        sobj__write_begin();
        enum sobj_status status = ch->ringed ? sobj__ring_put(&ch->ring, message)
                                  : limit_of(ch) == 0
                                      ? sobj__chain_put(&ch->chain, message)
                                      : put_chain_row(ch, &message, 1, &done);
        sobj__write_end_clean(); /* nothing is ever retired by a put */
        if (SOBJ_LIKELY(status != SOBJ__BUSY)) {
            if (status == SOBJ_OK) {
                sobj__wake_one(&ch->receivers);
                if (SOBJ_UNLIKELY(drops_old(ch)))
                    drop_old(ch);
            }
            return status;
        }
        busy_pause(round);
    }
}

static enum sobj_status take(struct sobj__channel *ch, sobj_cell *message)
{
    uint32_t done;

    if (SOBJ_UNLIKELY(ch->meets))
        return sobj__meet_take(&ch->meet, message, 1, &done);
    if (SOBJ_UNLIKELY(drops_old(ch)))
        drop_before(ch);
    for (unsigned round = 0;; round++) {
        sobj__write_begin();
        enum sobj_status status = ch->ringed ? sobj__ring_take(&ch->ring, message)
                                             : sobj__chain_take(&ch->chain, message);
        sobj__write_end();
        if (SOBJ_LIKELY(status != SOBJ__BUSY)) {
            if (status == SOBJ_OK && ch->waits)
                sobj__wake_one(&ch->senders);
            return status;
        }
        busy_pause(round);
    }
}

/* One row. Returns: as the queues do, and the number in `*done`. */
static enum sobj_status put_row(struct sobj__channel *ch, const sobj_cell *cells,
                                uint32_t n, uint32_t *done)
{
    enum sobj_status status;

    if (ch->meets)
        return sobj__meet_put(&ch->meet, cells, n, done);
    sobj__write_begin();
    status = ch->ringed ? sobj__ring_put_row(&ch->ring, cells, n, done)
                        : put_chain_row(ch, cells, n, done);
    sobj__write_end();
    if (status == SOBJ_OK) {
        sobj__wake_some(&ch->receivers, *done);
        if (drops_old(ch))
            drop_old(ch);
    }
    return status;
}

static enum sobj_status take_row(struct sobj__channel *ch, sobj_cell *cells, uint32_t n,
                                 uint32_t *done)
{
    enum sobj_status status;

    if (ch->meets)
        return sobj__meet_take(&ch->meet, cells, n, done);
    if (drops_old(ch))
        drop_before(ch);
    sobj__write_begin();
    status = ch->ringed ? sobj__ring_take_row(&ch->ring, cells, n, done)
                        : sobj__chain_take_row(&ch->chain, cells, n, 0, done);
    sobj__write_end();
    if (status == SOBJ_OK && ch->waits)
        sobj__wake_some(&ch->senders, *done);
    return status;
}

static uint32_t next_row(const struct sobj_messages *m)
{
    size_t left = m->count - m->done;

    return left < SOBJ__ROW ? (uint32_t)left : SOBJ__ROW;
}

/* Returns: OK when all are done. */
static enum sobj_status put_many(struct sobj__channel *ch, struct sobj_messages *m)
{
    for (unsigned round = 0; m->done < m->count;) {
        uint32_t done = 0;
        enum sobj_status status = put_row(ch, m->cells + m->done, next_row(m), &done);

        if (status == SOBJ__BUSY) {
            busy_pause(round++);
            continue;
        }
        if (status == SOBJ_FULL && ch->overflow == SOBJ_OVERFLOW_DROP_NEW) {
            sobj_cell_unref(m->cells[m->done]);
            m->dropped++;
            done = 1;
        } else if (status != SOBJ_OK) {
            return status;
        }
        m->done += done;
        round = 0;
    }
    return SOBJ_OK;
}

/* Returns: OK when one has come. */
static enum sobj_status take_many(struct sobj__channel *ch, struct sobj_messages *m)
{
    size_t before = m->done;

    for (unsigned round = 0; m->done < m->count;) {
        uint32_t done = 0;
        enum sobj_status status = take_row(ch, m->cells + m->done, next_row(m), &done);

        if (status == SOBJ__BUSY) {
            busy_pause(round++);
            continue;
        }
        if (status != SOBJ_OK)
            return m->done != before ? SOBJ_OK : status;
        m->done += done;
        round = 0;
    }
    return SOBJ_OK;
}

/* Nothing could be done: notifiers that say otherwise are put right (N3 of notify.h). */
SOBJ_INLINE enum sobj_status tried(struct sobj__channel *ch, bool sending,
                                   enum sobj_status status)
{
    struct sobj__notes *notes = sending ? &ch->senders_notes : &ch->receivers_notes;

    /* Relaxed: a hint (N3). */
    if (SOBJ_UNLIKELY(status == (sending ? SOBJ_FULL : SOBJ_EMPTY)) &&
        SOBJ_UNLIKELY(sobj_load_relaxed(&notes->raised) != 0))
        sobj__channel_settle(ch, sending);
    return status;
}

enum sobj_status sobj_channel_try_send(struct sobj_object *obj, sobj_cell message)
{
    struct sobj__channel *ch = channel_of(obj);

    sobj_assert_test(message != SOBJ_NO_CELL);
    return tried(ch, true, put(ch, message));
}

enum sobj_status sobj_channel_try_recv(struct sobj_object *obj, sobj_cell *message)
{
    struct sobj__channel *ch = channel_of(obj);

    return tried(ch, false, take(ch, message));
}

enum sobj_status sobj_channel_try_send_many(struct sobj_object *obj,
                                            struct sobj_messages *m)
{
    struct sobj__channel *ch = channel_of(obj);

    return tried(ch, true, put_many(ch, m));
}

enum sobj_status sobj_channel_try_recv_many(struct sobj_object *obj,
                                            struct sobj_messages *m)
{
    struct sobj__channel *ch = channel_of(obj);

    return tried(ch, false, take_many(ch, m));
}

/* ---- waiting */

/* A send or receive that may have to wait; one message is a batch of one. */
struct operation {
    struct sobj__channel *channel;
    struct sobj_messages *messages;
    bool sending;
};

static struct sobj__waitlist *list_of(const struct operation *op)
{
    return op->sending ? &op->channel->senders : &op->channel->receivers;
}

static enum sobj_status attempt(const struct operation *op)
{
    return op->sending ? put_many(op->channel, op->messages)
                       : take_many(op->channel, op->messages);
}

static bool must_wait(enum sobj_status status)
{
    return status == SOBJ_FULL || status == SOBJ_EMPTY;
}

bool sobj__channel_ready(struct sobj__channel *ch, bool sending)
{
    if (ch->meets)
        return sobj__meet_ready(&ch->meet, sending);
    if (sending)
        return ch->ringed ? sobj__ring_can_put(&ch->ring)
                          : sobj__chain_can_put(&ch->chain, limit_of(ch));
    return ch->ringed ? sobj__ring_can_take(&ch->ring)
                      : sobj__chain_can_take(&ch->chain);
}

static enum sobj_status spin(const struct operation *op, enum sobj_status status)
{
    struct sobj__waitlist *list = list_of(op);
    struct sobj__spin spin = sobj__spin_begin(list);

    while (must_wait(status) && sobj__spin_again(&spin)) {
        if (sobj__channel_ready(op->channel, op->sending))
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
        end = sobj__park(&parker, sobj__channel_sleep_until(op->channel, deadline));
    SOBJ_YIELD();
    bool woken = sobj__wait_leave(&waiter);
    sobj__parker_fini(&parker);
    if (woken && (done || end == SOBJ_INTERRUPTED))
        sobj__wake_one(list); /* W3 */
    if (done || end == SOBJ_INTERRUPTED || end == SOBJ_CLOSING)
        return done ? status : end;
    status = attempt(op); /* W2; and a last look when the time is over */
    if (woken && status == SOBJ_NO_MEMORY)
        sobj__wake_one(list); /* W3 */
    return must_wait(status) && end == SOBJ_TIMEOUT ? SOBJ_TIMEOUT : status;
}

/* The same at a rendezvous, where the offer is what waits: it lies there while this thread
 * spins, too. */
static enum sobj_status offer_once(const struct operation *op, int64_t deadline,
                                   struct sobj_domain *domain)
{
    struct sobj__channel *ch = op->channel;
    sobj_cell *cell = &op->messages->cells[op->messages->done];
    struct sobj__parker parker;
    struct sobj__offer offer;
    enum sobj_status end, status = sobj__parker_init(&parker, domain);

    if (status != SOBJ_OK)
        return status;
    sobj__offer_init(&offer, &ch->meet, op->sending ? *cell : SOBJ_NO_CELL, &parker);
    status = sobj__meet_or_offer(&offer);
    if (must_wait(status)) {
        sobj__wake_one(op->sending ? &ch->receivers : &ch->senders); /* notifiers */
        end = sobj__meet_rest(&parker, list_of(op),
                              sobj__channel_sleep_until(ch, deadline));
        SOBJ_YIELD();
        if (sobj__offer_withdraw(&offer)) /* M4 */
            status = SOBJ_OK;
        else if (end != SOBJ_OK)
            status = end;
    }
    sobj__parker_fini(&parker);
    if (status != SOBJ_OK)
        return status;
    if (!op->sending)
        *cell = offer.message;
    op->messages->done++;
    return op->sending ? attempt(op) : SOBJ_OK;
}

static SOBJ_NOINLINE enum sobj_status wait_for(const struct operation *op,
                                               int64_t deadline,
                                               struct sobj_domain *domain)
{
    enum sobj_status status = op->sending ? SOBJ_FULL : SOBJ_EMPTY;

    if (deadline != SOBJ_FOREVER && deadline <= sobj__now())
        return SOBJ_TIMEOUT;
    while (must_wait(status)) {
        bool meets = op->channel->meets;
        if (!meets)
            status = spin(op, status);
        if (!must_wait(status))
            break;
        enum sobj_status before = status;
        status =
            meets ? offer_once(op, deadline, domain) : sleep_once(op, deadline, domain);
        if (status == SOBJ_TIMEOUT && sobj__now() < deadline) {
            sobj__tickets_sweep(NULL); /* it was the end of a lease, or of a turn */
            status = sobj__hooks.turn != 0 ? SOBJ_INTERRUPTED : before;
        }
    }
    return status;
}

enum sobj_status sobj_channel_send(struct sobj_object *obj, sobj_cell message,
                                   int64_t deadline, struct sobj_domain *domain)
{
    struct sobj__channel *ch = channel_of(obj);

    sobj_assert_test(message != SOBJ_NO_CELL);
    enum sobj_status status = put(ch, message);
    if (!must_wait(status) || ch->overflow != SOBJ_OVERFLOW_BLOCK)
        return status;
    struct sobj_messages one = {.cells = &message, .count = 1};
    const struct operation op = {ch, &one, .sending = true};
    return wait_for(&op, deadline, domain);
}

enum sobj_status sobj_channel_send_many(struct sobj_object *obj,
                                        struct sobj_messages *m, int64_t deadline,
                                        struct sobj_domain *domain)
{
    struct sobj__channel *ch = channel_of(obj);
    enum sobj_status status = put_many(ch, m);

    if (!must_wait(status) || ch->overflow != SOBJ_OVERFLOW_BLOCK)
        return status;
    const struct operation op = {ch, m, .sending = true};
    return wait_for(&op, deadline, domain);
}

enum sobj_status sobj_channel_recv(struct sobj_object *obj, sobj_cell *message,
                                   int64_t deadline, struct sobj_domain *domain)
{
    struct sobj__channel *ch = channel_of(obj);
    enum sobj_status status = take(ch, message);

    if (!must_wait(status))
        return status;
    struct sobj_messages one = {.cells = message, .count = 1};
    const struct operation op = {ch, &one, .sending = false};
    return wait_for(&op, deadline, domain);
}

enum sobj_status sobj_channel_recv_many(struct sobj_object *obj,
                                        struct sobj_messages *m, int64_t deadline,
                                        struct sobj_domain *domain)
{
    struct sobj__channel *ch = channel_of(obj);
    enum sobj_status status = take_many(ch, m);

    if (!must_wait(status))
        return status;
    const struct operation op = {ch, m, .sending = false};
    return wait_for(&op, deadline, domain);
}

/* ---- closing */

bool sobj__channel_mark_closed(struct sobj__channel *ch)
{
    /* SeqCst: one order with all claims of the tail (I3, L5); one step, so that it needs
     * no section. */
    uint64_t tail = sobj_or_seq_cst(tail_of(ch), SOBJ__CLOSED_MARK);

    return !(tail & SOBJ__CLOSED_MARK);
}

void sobj__channel_wake_all(struct sobj__channel *ch)
{
    if (ch->meets)
        sobj__meet_dismiss(&ch->meet);
    sobj__wake_all(&ch->receivers);
    sobj__wake_all(&ch->senders);
}

bool sobj__channel_close(struct sobj__channel *ch)
{
    bool first = sobj__channel_mark_closed(ch);

    sobj__channel_wake_all(ch);
    return first;
}

bool sobj_channel_close(struct sobj_object *obj, bool discard)
{
    struct sobj__channel *ch = channel_of(obj);
    bool first = sobj__channel_close(ch);
    sobj_cell message;

    /* No message comes any more, so this ends. */
    while (discard && take(ch, &message) == SOBJ_OK)
        sobj_cell_unref(message);
    return first;
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

    if (ch->meets)
        return 0;
    uint64_t count =
        ch->ringed ? sobj__ring_count(&ch->ring) : sobj__chain_count(&ch->chain);

    /* What a send under way has still to drop does not count. */
    return drops_old(ch) && count > ch->capacity ? ch->capacity : count;
}

size_t sobj_channel_there(const struct sobj_object *obj)
{
    struct sobj__channel *ch = channel_of(obj);

    return ch->meets ? sobj__meet_offers(&ch->meet) : sobj_channel_count(obj);
}

bool sobj_channel_is_rendezvous(const struct sobj_object *obj)
{
    return channel_of(obj)->meets;
}

uint32_t sobj_channel_capacity(const struct sobj_object *obj)
{
    return channel_of(obj)->capacity;
}

enum sobj_overflow sobj_channel_overflow(const struct sobj_object *obj)
{
    return channel_of(obj)->overflow;
}
