/* SPDX-License-Identifier: MIT */
/* L3: select; contract in include/sharedobj/select.h.
 *
 * One thread, one parker, and a place in the list of each operation's channel: a waiter
 * (park.h) in that of a ring or chain, an offer (channel_meet.h) in that of a rendezvous.
 * The shape is that of Go's selectgo and of crossbeam-channel's Select: try, enlist, look
 * again, sleep, leave.
 *
 *     try all, in random order
 *       enter the lists of all rings and chains       S1
 *       try those once more                           S2
 *       all rendezvous locked: try, else offer        S3
 *       sleep
 *       leave all lists                               S4
 *       try the one that it was woken for, then all   S5
 *
 *   S1  The parker is one for all lists and leaves WAITING once. So of all who would serve
 *       this select, wakers of rings and chains, partners at rendezvous, closers and
 *       the domain's end, one comes first, and the others go on to the next waiter,
 *       under the lock of their list.
 *   S2  Each list is entered before its queue is looked at again: W1 of channel.h, for each
 *       list on its own. At that time nothing is offered at a rendezvous yet: what is
 *       done here cannot be the second thing that is done.
 *   S3  The locks of all rendezvous are held, each once, taken in the order of their
 *       addresses, from the first look to the last offer (M2 of channel_meet.h). Two
 *       selects that have a rendezvous in common are so put in order: the second one
 *       sees what the first has offered, and nobody takes one of two offers
 *       while the other one is being made. A partner is taken before anything is
 *       offered, so a select never meets itself and is never taken while it takes.
 *   S4  All lists are left before anything else is done. If an offer was taken, that is
 *       what was done (M3), and no wake-up was spent on the parker (S1).
 *   S5  A wake-up that was spent on it, by one list at most (S1), is used or passed on: it
 *       looks at that queue first (W2); or it has done something else before it was woken,
 *       or gives up because of a signal, or has no memory: then it passes the
 *       wake-up on (W3).
 *
 *   Exactly one operation happens: each of the three tries ends the call when it has done
 *   something; the second and third end it before an offer is made, or after all offers
 *   are gone and none was taken.
 *
 *   Nobody sleeps beside what it waits for. For a ring or chain that is the proof in
 *   channel.h, K >= M, in which a select is a waiter as any other; one whose parker was
 *   taken by another list is not asleep, and S1 hands its wake-up to the next. For a
 *   rendezvous it is M2.
 *
 * Order: who tries draws a fresh permutation, as far as it gets (R. Fisher and F. Yates).
 *
 * Progress: blocking; without waiting as the operations: lock-free but for a cell that is
 * being filled, with the lock of a rendezvous. Locks are held for a few instructions for
 * each operation at a rendezvous.
 */
#include "sharedobj/select.h"

#include "alloc.h"
#include "channel.h"
#include "platform/platform.h"
#include "reclaim.h"
#include "sharedobj/channel_end.h"

/* So many operations need no allocation. */
#define ON_STACK 16u
#define NONE UINT32_MAX

/* Three things at once, to have one array: where an operation waits; the one that is tried
 * k-th; the rendezvous whose lock is taken k-th. */
struct entry {
    union {
        struct sobj__waiter waiter;
        struct sobj__offer offer;
    };
    uint32_t turn;
    uint32_t locked;
};

struct selection {
    struct sobj_select_op *ops;
    uint32_t count;
    uint32_t meets; /* how many entries have a `locked` */
    struct entry *entries;
};

static struct sobj__channel *channel_of(const struct selection *s, uint32_t i)
{
    return sobj_container_of(sobj_channel_of(s->ops[i].channel), struct sobj__channel,
                             object);
}

static bool sends(const struct selection *s, uint32_t i)
{
    return s->ops[i].message != SOBJ_NO_CELL;
}

static struct sobj__waitlist *list_of(const struct selection *s, uint32_t i)
{
    struct sobj__channel *ch = channel_of(s, i);

    return sends(s, i) ? &ch->senders : &ch->receivers;
}

/* ---- trying */

/* Returns: what operation `i` comes to; EMPTY: it has to wait. */
static enum sobj_status try_one(struct selection *s, uint32_t i)
{
    struct sobj_select_op *op = &s->ops[i];
    enum sobj_status status;

    if (!sends(s, i))
        return sobj_channel_try_recv(op->channel, &op->message);
    status = sobj_channel_try_send(op->channel, op->message);
    return status == SOBJ_FULL && channel_of(s, i)->overflow == SOBJ_OVERFLOW_BLOCK
               ? SOBJ_EMPTY
               : status;
}

/* Draws the operation that is tried k-th from those not yet drawn. */
static uint32_t draw(struct selection *s, uint32_t k)
{
    struct entry *e = s->entries;
    /* The upper half of the product is below the second factor. */
    uint64_t random = sobj__thread_random() >> 32;
    uint32_t other = k + (uint32_t)(random * (s->count - k) >> 32);
    uint32_t i = e[other].turn;

    e[other].turn = e[k].turn;
    e[k].turn = i;
    return i;
}

/* `meets`: those at rendezvous too. */
static enum sobj_status try_all(struct selection *s, bool meets, uint32_t *index)
{
    for (uint32_t k = 0; k < s->count; k++) {
        uint32_t i = draw(s, k);
        if (!meets && channel_of(s, i)->meets)
            continue;
        enum sobj_status status = try_one(s, i);
        if (status != SOBJ_EMPTY) {
            *index = i;
            return status;
        }
    }
    return SOBJ_EMPTY;
}

static enum sobj_status spin(struct selection *s, uint32_t *index)
{
    struct sobj__waitlist *list = list_of(s, s->entries[0].turn);
    struct sobj__spin spin = sobj__spin_begin(list);
    enum sobj_status status = SOBJ_EMPTY;

    while (status == SOBJ_EMPTY && sobj__spin_again(&spin)) {
        bool ready = false;
        for (uint32_t i = 0; i < s->count && !ready; i++)
            ready = sobj__channel_ready(channel_of(s, i), sends(s, i));
        if (ready)
            status = try_all(s, true, index);
    }
    sobj__spin_end(list, &spin, status != SOBJ_EMPTY);
    return status;
}

/* ---- the locks of the rendezvous */

static bool locked_before(const struct selection *s, uint32_t a, uint32_t b)
{
    return (uintptr_t)channel_of(s, s->entries[a].locked) <
           (uintptr_t)channel_of(s, s->entries[b].locked);
}

/* Lets entry `k` of the heap of the first `n` sink to its place. */
static void sink(struct selection *s, uint32_t k, uint32_t n)
{
    for (uint32_t child; (child = 2 * k + 1) < n; k = child) {
        if (child + 1 < n && locked_before(s, child, child + 1))
            child++;
        if (!locked_before(s, k, child))
            break;
        uint32_t up = s->entries[child].locked;
        s->entries[child].locked = s->entries[k].locked;
        s->entries[k].locked = up;
    }
}

/* Finds the rendezvous and sorts them by address (J. Williams's heapsort: no memory, no
 * bad case). */
static void sort_meets(struct selection *s)
{
    s->meets = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (channel_of(s, i)->meets)
            s->entries[s->meets++].locked = i;
    }
    for (uint32_t k = s->meets / 2; k-- > 0;)
        sink(s, k, s->meets);
    for (uint32_t n = s->meets; n-- > 1;) {
        uint32_t largest = s->entries[0].locked;
        s->entries[0].locked = s->entries[n].locked;
        s->entries[n].locked = largest;
        sink(s, 0, n);
    }
}

/* The lock that is taken k-th; NULL: it is the one before. */
static struct sobj__lock *lock_at(const struct selection *s, uint32_t k)
{
    struct sobj__channel *ch = channel_of(s, s->entries[k].locked);

    return k != 0 && ch == channel_of(s, s->entries[k - 1].locked) ? NULL
                                                                   : &ch->meet.lock;
}

static void lock_meets(const struct selection *s)
{
    sobj__write_begin();
    for (uint32_t k = 0; k < s->meets; k++) {
        struct sobj__lock *lock = lock_at(s, k);
        if (lock != NULL)
            sobj__lock_acquire(lock);
    }
}

static void unlock_meets(const struct selection *s)
{
    for (uint32_t k = 0; k < s->meets; k++) {
        struct sobj__lock *lock = lock_at(s, k);
        if (lock != NULL)
            sobj__lock_release(lock);
    }
    sobj__write_end();
}

/* S3. Returns: as try_all; EMPTY: all offers are made. */
static enum sobj_status meet_or_offer(struct selection *s, struct sobj__parker *parker,
                                      uint32_t *index)
{
    struct sobj__wakes wakes = {.count = 0};
    enum sobj_status status = SOBJ_EMPTY;

    for (uint32_t i = 0; i < s->count; i++) {
        if (channel_of(s, i)->meets)
            sobj__offer_init(&s->entries[i].offer, &channel_of(s, i)->meet,
                             s->ops[i].message, parker);
    }
    lock_meets(s);
    for (uint32_t k = 0; k < s->count && status == SOBJ_EMPTY; k++) {
        uint32_t i = draw(s, k);
        if (!channel_of(s, i)->meets)
            continue;
        status = sobj__offer_try(&s->entries[i].offer, &wakes);
        if (status == SOBJ_FULL)
            status = SOBJ_EMPTY;
        *index = i;
    }
    for (uint32_t k = 0; k < s->meets && status == SOBJ_EMPTY; k++)
        sobj__offer_link(&s->entries[s->entries[k].locked].offer);
    unlock_meets(s);
    sobj__wakes_run(&wakes);
    if (status == SOBJ_OK)
        s->ops[*index].message = s->entries[*index].offer.message;
    return status;
}

/* ---- waiting */

static void enter_lists(struct selection *s, struct sobj__parker *parker)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (!channel_of(s, i)->meets)
            sobj__wait_enter(list_of(s, i), &s->entries[i].waiter, parker);
    }
}

/* Returns: the operation for which it was woken, or NONE. */
static uint32_t leave_lists(struct selection *s)
{
    uint32_t woken = NONE;

    for (uint32_t i = 0; i < s->count; i++) {
        if (!channel_of(s, i)->meets && sobj__wait_leave(&s->entries[i].waiter))
            woken = i;
    }
    return woken;
}

/* Returns: the operation that somebody else has done with it, or NONE. */
static uint32_t withdraw_offers(struct selection *s)
{
    uint32_t taken = NONE;

    for (uint32_t k = 0; k < s->meets; k++) {
        uint32_t i = s->entries[k].locked;
        if (sobj__offer_withdraw(&s->entries[i].offer))
            taken = i;
    }
    return taken;
}

/* Whoever waits to be told that somebody offers: notifiers. */
static void announce(struct selection *s)
{
    for (uint32_t k = 0; k < s->meets; k++) {
        struct sobj__channel *ch = channel_of(s, s->entries[k].locked);
        sobj__wake_one(sends(s, s->entries[k].locked) ? &ch->receivers : &ch->senders);
    }
}

/* Sleeps until `deadline`, or as long as the ends of its channels allow. */
static enum sobj_status rest(struct selection *s, struct sobj__parker *parker,
                             int64_t deadline)
{
    for (uint32_t i = 0; i < s->count; i++)
        deadline = sobj__channel_sleep_until(channel_of(s, i), deadline);
    return s->meets != 0
               ? sobj__meet_rest(parker, list_of(s, s->entries[0].locked), deadline)
               : sobj__park(parker, deadline);
}

/* Sleeps once. Returns: what operation `*index` came to; EMPTY when it is to be tried
 * again; TIMEOUT, INTERRUPTED, CLOSING. */
static enum sobj_status sleep_once(struct selection *s, int64_t deadline,
                                   struct sobj_domain *domain, uint32_t *index)
{
    struct sobj__parker parker;
    enum sobj_status end = SOBJ_OK, status = sobj__parker_init(&parker, domain);
    uint32_t taken = NONE;

    if (status != SOBJ_OK)
        return status;
    enter_lists(s, &parker); /* S1 */
    SOBJ_YIELD();
    status = try_all(s, false, index); /* S2 */
    if (status == SOBJ_EMPTY && s->meets != 0)
        status = meet_or_offer(s, &parker, index); /* S3 */
    bool done = status != SOBJ_EMPTY;
    if (!done) {
        announce(s);
        end = rest(s, &parker, deadline);
        SOBJ_YIELD();
        taken = withdraw_offers(s); /* S4 */
    }
    uint32_t woken = leave_lists(s); /* S4 */
    sobj__parker_fini(&parker);
    if (taken != NONE) {
        s->ops[taken].message = s->entries[taken].offer.message;
        *index = taken;
        return SOBJ_OK;
    }
    if (woken != NONE && (done || end == SOBJ_INTERRUPTED))
        sobj__wake_one(s->entries[woken].waiter.list); /* S5 */
    if (done || end == SOBJ_INTERRUPTED || end == SOBJ_CLOSING)
        return done ? status : end;
    if (woken != NONE) {
        status = try_one(s, woken); /* S5 */
        if (status == SOBJ_NO_MEMORY)
            sobj__wake_one(s->entries[woken].waiter.list); /* S5 */
        *index = woken;
    }
    if (status == SOBJ_EMPTY)
        status = try_all(s, true, index); /* and a last look when the time is over */
    return status == SOBJ_EMPTY && end == SOBJ_TIMEOUT ? SOBJ_TIMEOUT : status;
}

static SOBJ_NOINLINE enum sobj_status wait_for(struct selection *s, int64_t deadline,
                                               struct sobj_domain *domain,
                                               uint32_t *index)
{
    enum sobj_status status = SOBJ_EMPTY;

    if (deadline <= sobj__now())
        return SOBJ_TIMEOUT;
    sort_meets(s);
    while (status == SOBJ_EMPTY) {
        /* Who offers spins then, when others can see it. */
        if (s->meets == 0)
            status = spin(s, index);
        if (status == SOBJ_EMPTY)
            status = sleep_once(s, deadline, domain, index);
        if (status == SOBJ_TIMEOUT && sobj__now() < deadline) {
            sobj__tickets_sweep(NULL); /* it was the end of a lease, or of a turn */
            status = sobj__hooks.turn != 0 ? SOBJ_INTERRUPTED : SOBJ_EMPTY;
        }
    }
    return status;
}

static enum sobj_status select_one(struct sobj_select_op *ops, uint32_t count,
                                   uint32_t *index, bool waits, int64_t deadline,
                                   struct sobj_domain *domain)
{
    struct entry few[ON_STACK];
    struct selection s = {.ops = ops, .count = count, .entries = few};
    enum sobj_status status;

    sobj_assert_test(count > 0 && count <= SOBJ_SELECT_MAX);
    if (count > ON_STACK)
        s.entries = sobj__alloc(SOBJ_COUNT_BLOCKS, count * sizeof *s.entries);
    if (s.entries == NULL)
        return SOBJ_NO_MEMORY;
    uint32_t i = 0;
    do
        s.entries[i].turn = i;
    while (++i < count);
    status = try_all(&s, true, index);
    if (status == SOBJ_EMPTY && waits)
        status = wait_for(&s, deadline, domain, index);
    if (s.entries != few)
        sobj__free(SOBJ_COUNT_BLOCKS, s.entries, count * sizeof *s.entries);
    return status;
}

enum sobj_status sobj_try_select(struct sobj_select_op *ops, uint32_t count,
                                 uint32_t *index)
{
    return select_one(ops, count, index, false, 0, NULL);
}

enum sobj_status sobj_select(struct sobj_select_op *ops, uint32_t count,
                             uint32_t *index, int64_t deadline,
                             struct sobj_domain *domain)
{
    return select_one(ops, count, index, true, deadline, domain);
}
