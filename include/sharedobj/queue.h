/* SPDX-License-Identifier: MIT */
/* Queue: a channel with a limit that can be set, and a count of unfinished tasks.
 *
 * Every function of channel.h takes a queue as well; what a channel is closed by, ends
 * a queue by shutdown. Besides, each message that was accepted is a task, from its send
 * until somebody says that one task is done.
 *
 *                     progress    waits for
 *   maxsize           wait-free   nothing; setting a higher one wakes as many senders
 *                                 as there are more places, setting none wakes all
 *   shutdown          lock-free*  nothing; wakes every waiter (* as in channel.h)
 *   unfinished        lock-free   nothing
 *   task_done         lock-free   nothing
 *   join              blocking    the last task to be done, or deadline
 */
#ifndef SHAREDOBJ_QUEUE_H
#define SHAREDOBJ_QUEUE_H

#include "sharedobj/channel.h"

/* `maxsize` below 1: unbounded. Returns: OK and a new reference, or NO_MEMORY. */
enum sobj_status sobj_queue_new(int64_t maxsize, struct sobj_object **out);

/* The limit, as it was set. A send finds the queue full while it holds so many messages;
 * those above a limit that was lowered stay. One that is under way while the limit is set
 * goes by either. */
int64_t sobj_queue_maxsize(const struct sobj_object *q);
void sobj_queue_set_maxsize(struct sobj_object *q, int64_t maxsize);

/* No more sends; wakes all waiters. With `discard`, messages not yet received are dropped,
 * and count as done. Idempotent. */
void sobj_queue_shutdown(struct sobj_object *q, bool discard);

/* Returns: the tasks that are not done; exact at one moment during the call. */
uint64_t sobj_queue_unfinished(const struct sobj_object *q);
/* Returns: OK; EMPTY: there was none that was not done. */
enum sobj_status sobj_queue_task_done(struct sobj_object *q);
/* Waits for a moment at which there is no unfinished task.
 * Returns: OK, TIMEOUT, INTERRUPTED, CLOSING, NO_MEMORY.
 * Blocks: until then, or `deadline`. Needs: as sobj_channel_recv. */
enum sobj_status sobj_queue_join(struct sobj_object *q, int64_t deadline,
                                 struct sobj_domain *domain);

#endif
