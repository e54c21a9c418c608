/* SPDX-License-Identifier: MIT */
/* L3: channels; contract in include/sharedobj/channel.h.
 *
 *     +--------------------------+
 *     | core header | capacity   |   const after init (but for the header's words)
 *     +--------------------------+
 *     | receivers: wait list     |   written only when somebody waits or spins
 *     +--------------------------+
 *     | senders: wait list       |
 *     +--------------------------+
 *     | const | tail | head      |   channel_ring.h (capacity > 0), or
 *     | tail | head              |   channel_chain.h (capacity 0)
 *     +--------------------------+
 *
 * A message is a reference that belongs to the queue from the claim of its sender to
 * the claim of its receiver, who then owns it: only one receiver ever reads a cell, so
 * nothing is retired. The structure of each queue and its proof are in its header; this
 * unit adds sections, waiting and closing.
 *
 * Waiting. A receiver waits in `receivers` for a message, a sender in `senders` for room;
 * the argument is given for receivers, with room for messages it is the other one.
 * Every message that is published is followed by one wake-up, which goes to the waiter
 * that has been in the list longest, or to nobody if the list is empty. The thread that
 * carries a wake-up is the sender until it has found a waiter, then that waiter.
 *
 *   W1  A receiver sleeps only after it has entered the list and then found the queue
 *       empty (sobj__wait_enter has a fence between, P1 of park.h).
 *   W2  A waiter that is woken looks at the queue, once it is out of the list. It takes
 *       a message, or finds the queue empty; both end the wake-up.
 *   W3  A waiter that is woken but does not look again passes the wake-up on. There
 *       are two: one that took a message in the look of W1, before it was woken (the
 *       message that it was woken for is still there); and one that gives up, because
 *       of a signal, in the moment in which it is woken.
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
 *   A finder of an empty queue must not pass its wake-up on: two waiters would hand it
 *   to each other for ever.
 *
 * Closing sets the mark and then wakes everybody in both lists: a waiter that entered
 * too late to be woken sees the mark in the look of W1.
 *
 * What comes later, and where it fits:
 *   maxsize that can be set   the list with one more comparison where it would claim:
 *                             FULL while tail - head >= limit. The head only grows, so
 *                             an old head errs towards FULL and is read again (as I4).
 *   overflow policies         in put's caller: drop_old takes one message when FULL.
 *   rendezvous                a third kind of queue beside `ring` and `list`.
 *   batches                   n cells by one claim: adding n to the tail after looking
 *                             at n stamps, or at most to the end of a block; n wake-ups.
 *   select                    one parker in several lists (park.h); W2 and W3 hold for
 *                             each list on its own.
 *   split                     counts of senders and receivers beside `capacity`; the
 *                             last to go closes.
 *   event loops               a mode bit that the waker looks at.
 */
#ifndef SOBJ_CHANNEL_H
#define SOBJ_CHANNEL_H

#include "channel_chain.h"
#include "channel_ring.h"
#include "object.h"
#include "park.h"
#include "sharedobj/channel.h"

struct sobj__channel {
    struct sobj_object object;
    uint32_t capacity; /* const after init; 0: unbounded */
    SOBJ_ALIGNED struct sobj__waitlist receivers;
    SOBJ_ALIGNED struct sobj__waitlist senders;
    union {
        struct sobj__ring ring;   /* capacity > 0 */
        struct sobj__chain chain; /* capacity 0 */
    };
};

#endif
