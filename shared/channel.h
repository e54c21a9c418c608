/* SPDX-License-Identifier: MIT */
/* L3: channels; contract in include/sharedobj/channel.h.
 *
 *     +--------------------------+
 *     | core header | capacity.. |   const after init (but for the header's words, and
 *     +--------------------------+   the limit of a queue)
 *     | receivers: wait list     |   written only when somebody waits or spins
 *     +--------------------------+
 *     | senders: wait list       |
 *     +--------------------------+
 *     | const | tail | head      |   channel_ring.h (a bounded channel), or
 *     | tail | head              |   channel_chain.h (all others), or
 *     | tail | offers            |   channel_meet.h (a rendezvous)
 *     +--------------------------+
 *
 * Which queue. The ring gives room for exactly `capacity` messages, so what waits for room
 * or fails for want of it has the ring. The chain is for what accepts any number:
 * unbounded channels; DROP_OLD, which accepts first and drops then (below); and Queue
 * (queue.h), whose limit is a number that may change. A rendezvous holds no messages; who
 * waits there lies in its own lists, not in those below, of which it uses only how
 * long spinning has paid off.
 *
 * DROP_OLD. A sender whose message was accepted takes, while there are more than
 * `capacity`, the oldest message and drops it. Taking first, to make room, would be
 * wrong: after a close that comes between, a message would be lost for one that was
 * not accepted. Each send that has returned has seen `capacity` or less after its own
 * message, or a cell that another sender is filling: that one looks when it has. So the
 * bound holds when no send is under way. A receiver and a dropper get a message by the same
 * claim (L6, L9): never both.
 *   Whoever looks sees a channel that drops in the moment in which it accepts. A receiver
 * first drops what others have still to drop, so at some moment t of its call the message
 * i that it gets was one of the last `capacity`. The put of message i + capacity, which
 * drops i, comes after t: the receive takes effect just before that put, or, when there
 * was none by then, as it claims. The count leaves out what is still to be dropped.
 *
 * A message is a reference that belongs to the queue from the claim of its sender to
 * the claim of its receiver, who then owns it: only one receiver ever reads a cell, so
 * nothing is retired. The structure of each queue and its proof are in its header; this
 * unit adds sections, waiting and closing.
 *
 * Waiting. A receiver waits in `receivers` for a message, a sender in `senders` for room;
 * the argument is given for receivers, with room for messages it is the other one.
 * Every message that is published is followed by one wake-up, which goes to the waiter
 * that has been in the list longest, or to nobody if the list is empty; a row of n by n
 * wake-ups, or as many as there are waiters. The thread that carries a wake-up is the
 * sender until it has found a waiter, then that waiter.
 *
 *   W1  A receiver sleeps only after it has entered the list and then found the queue
 *       empty (sobj__wait_enter has a fence between, P1 of park.h).
 *   W2  A waiter that is woken looks at the queue, once it is out of the list. It takes
 *       a message, or finds the queue empty; both end the wake-up.
 *   W3  A waiter that is woken but does not look again passes the wake-up on. There
 *       are two: one that took a message in the look of W1, before it was woken (the
 *       message that it was woken for is still there); and one that gives up, because
 *       of a signal, in the moment in which it is woken. So does a sender whose look
 *       fails for want of memory: it leaves the room that it has found to others.
 *
 *   No message is left lying while a receiver sleeps: let W sleep, and let M be the
 *   messages in the queue and K the wake-ups that are on their way. In W's look (W1) M was
 *   0, so K >= M held. As long as W stays in the list, publishing adds 1 to both, because
 *   W's presence keeps the wake-up from going to nobody; a woken waiter that takes
 *   lowers both; one that finds the queue empty lowers K when M is 0; a receiver that
 *   never slept lowers M only; passing on changes neither. So K >= M stays: while there is a
 *   message, somebody is on the way to take it or to wake another one, and W is the next
 *   at the latest when all others have left. In particular two sends while one receiver
 *   is still waking up wake two; a woken receiver need not wake the next one.
 *
 *   Batches. A row of n that is published adds n to both, as n messages do. A waiter
 *   that takes k messages for the one wake-up that it was woken by lowers M by k and K by
 *   1: K >= M stays. For senders: whoever was woken for room and uses k places, though
 *   it wants more, has found the queue full in the same look (W2), which ends the
 *   wake-up; it waits anew like one that has just come. The proof never asks how
 *   much a waiter wants.
 *
 *   A limit (queues). Room, the M of senders, is limit - messages. A lower limit lowers
 *   it, below 0 if need be, which K >= M survives; whoever is woken meanwhile finds M at 0
 *   or less, which lowers K. A limit that is higher by n adds n to M, and then n wake-ups
 *   to K, or as many as there are waiters. The exchange of the limit says by how much it
 *   is higher, so that setters who race have added all of it together. Where there is no
 *   limit, M has no bound: that is stored and then wakes everybody in `senders`. No W
 *   stays for which the proof would have to hold, and who enters later sees that limit or
 *   one after it (P1): so a limit after none need not wake anybody.
 *
 *   A finder of an empty queue must not pass its wake-up on: two waiters would hand it
 *   to each other for ever.
 *
 * Closing sets the mark and then wakes everybody in both lists: a waiter that entered
 * too late to be woken sees the mark in the look of W1.
 */
#ifndef SOBJ_CHANNEL_H
#define SOBJ_CHANNEL_H

#include "channel_chain.h"
#include "channel_meet.h"
#include "channel_ring.h"
#include "notify.h"
#include "object.h"
#include "park.h"
#include "sharedobj/channel.h"

struct sobj__channel {
    struct sobj_object object;
    /* const after init */
    uint32_t capacity; /* 0: unbounded */
    enum sobj_overflow overflow;
    bool ringed; /* the ring is in use, not the chain */
    bool meets;  /* it is a rendezvous */
    bool waits;  /* senders may wait for room */
    /* atomic; written by sobj_queue_set_maxsize: puts fail while there are so many; below
     * 1: never. Of the chain only. */
    _Atomic(int64_t) limit;
    /* atomic; ends of each side that are alive (channel_end.c); 0 and 0: never split */
    _Atomic(uint32_t) sender_ends, receiver_ends;
    SOBJ_ALIGNED SOBJ__NOTED_LIST(receivers);
    SOBJ_ALIGNED SOBJ__NOTED_LIST(senders);
    union {
        struct sobj__ring ring;
        struct sobj__chain chain;
        struct sobj__meet meet;
    };
};

_Static_assert(offsetof(struct sobj__channel, receivers_notes) ==
                       offsetof(struct sobj__channel, receivers) +
                           sizeof(struct sobj__waitlist) &&
                   offsetof(struct sobj__channel, senders_notes) ==
                       offsetof(struct sobj__channel, senders) +
                           sizeof(struct sobj__waitlist),
               "notes come right behind their list");

/* What a queue (queue.c) has in common with a channel.
 * init needs: zeroed memory; `ch->object` is the caller's. Returns: OK, NO_MEMORY. */
enum sobj_status sobj__channel_init(struct sobj__channel *ch, uint32_t capacity,
                                    enum sobj_overflow overflow);
/* Drops the messages that are left. */
void sobj__channel_fini(struct sobj__channel *ch);
void sobj__channel_fork_child(struct sobj__channel *ch);
/* Returns: about how many bytes the queue and its messages hold. Needs: nobody else uses
 * it. */
size_t sobj__channel_bytes(const struct sobj__channel *ch);
/* Returns: whether this call closed it. */
bool sobj__channel_close(struct sobj__channel *ch);
/* Its halves: the mark, in a section or not; and, after it, what wakes everybody (no
 * section). Mark returns: whether this call set it. */
bool sobj__channel_mark_closed(struct sobj__channel *ch);
void sobj__channel_wake_all(struct sobj__channel *ch);

/* Whether a send, a receive would find something to do or CLOSED; changes nothing that is
 * shared. */
bool sobj__channel_ready(struct sobj__channel *ch, bool sending);
/* Notifiers (channel_notify.c): after an operation that found nothing to do. */
void sobj__channel_settle(struct sobj__channel *ch, bool sending);

/* ---- Ends (channel_end.c): cores of their own that refer to their channel. */
struct sobj__end {
    struct sobj_object object;
    struct sobj__channel *channel; /* const after init; a reference */
    bool counted;                  /* const before others use it */
};
extern const struct sobj__type sobj__sender_type, sobj__receiver_type;
/* How long a waiter may sleep: to `deadline`, or where the channel has ends, to the end of
 * the next lease of a ticket, which may be what keeps one of them alive. Needs: the waiter
 * is in its list (E5 of channel_end.c); no section. */
int64_t sobj__channel_sleep_until(const struct sobj__channel *ch, int64_t deadline);

#endif
