/* SPDX-License-Identifier: MIT */
/* L3: queues; contract in include/sharedobj/queue.h.
 *
 *     +----------------------+
 *     | a channel            |   channel.h, with the chain and its limit
 *     +----------------------+
 *     | joiners: wait list   |
 *     | done                 |
 *     +----------------------+
 *
 * The limit is soft: a number that puts compare with, not a size of memory. So it can be
 * changed at any time, to anything, without moving a message; a ring would have to be
 * replaced while senders and receivers are in it. The price is that a put reads the head
 * as well, and a block of memory for each 126 messages.
 *
 * Tasks. The tail of the chain counts the messages that were ever accepted; `done` counts
 * those that were reported done. What is unfinished is the difference: a put pays
 * nothing for it, and a task counts from the very moment in which it is accepted.
 *
 *   Q1  done <= tail; both only grow. `done` moves by a compare-and-swap from a value
 *       that is below a tail read after it.
 *   Q2  "Nothing is unfinished" is said when the tail, read after `done`, equals it: by
 *       Q1 `done` was the same at that moment.
 *   Q3  Whoever moves `done` up to the tail wakes all joiners. If the tail has moved on by
 *       the time it looks, there is a task again, and who finishes that one looks
 *       too. A joiner enters its list before it looks (P1 of park.h): no lost wake-up.
 *       All are woken, so no wake-up has to be passed on.
 */
#ifndef SOBJ_QUEUE_H
#define SOBJ_QUEUE_H

#include "channel.h"
#include "sharedobj/queue.h"

struct sobj__queue {
    struct sobj__channel channel;
    SOBJ_ALIGNED struct sobj__waitlist joiners;
    _Atomic(uint64_t) done; /* atomic; written by task_done and shutdown */
};

#endif
