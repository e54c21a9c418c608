/* SPDX-License-Identifier: MIT */
/* Channel: a queue of cells from many senders to many receivers, first in, first out.
 *
 * Accepted means delivered: a message whose send has returned OK stays until somebody
 * takes it or the channel itself dies, whatever happens to its sender. Closing is one
 * moment: sends before it are accepted, sends after it fail, and receivers drain what
 * was accepted before they see CLOSED.
 *
 *                     progress    waits for
 *   try_send try_recv lock-free*  nothing
 *   send recv         blocking    room, a message, close, deadline
 *   close             lock-free*  nothing; wakes every waiter
 *   closed            wait-free   nothing
 *   count capacity    wait-free   nothing
 * (*) whoever finds the cell that is due claimed, and not yet filled (or emptied), spins
 *     for the few instructions that its claimer needs; it never says "empty" ("full")
 *     instead. That is also why FULL, EMPTY and CLOSED are exact: at one moment during
 *     the call the channel was full; empty; closed and drained.
 *
 * Messages come out in the order in which they were accepted, so those of one sender in
 * the order in which it sent them; several receivers may look at theirs in any order.
 */
#ifndef SHAREDOBJ_CHANNEL_H
#define SHAREDOBJ_CHANNEL_H

#include "sharedobj/value.h"

/* `capacity` 0: unbounded; otherwise any number from 1 to 2^31.
 * Returns: OK and a new reference, or NO_MEMORY. */
enum sobj_status sobj_channel_new(uint32_t capacity, struct sobj_object **out);

/* Sends without waiting. Consumes: `message`, only if OK.
 * Needs: a message that is not SOBJ_NO_CELL.
 * Returns: OK, FULL, CLOSED, NO_MEMORY (unbounded). */
enum sobj_status sobj_channel_try_send(struct sobj_object *ch, sobj_cell message);
/* Receives without waiting. Returns: OK and the message, a reference that is now the
 * caller's; EMPTY; CLOSED (closed and drained). */
enum sobj_status sobj_channel_try_recv(struct sobj_object *ch, sobj_cell *message);

/* The same, waiting for room or a message. Waiters are woken first come, first served; a
 * call that need not wait may come between, and who finds itself too late waits anew.
 * Returns: as above without FULL and EMPTY, and TIMEOUT, INTERRUPTED, CLOSING. What can
 *          be done at once is done, whatever the deadline and the state of the domain.
 * Blocks: until served, closed, or `deadline` (a point of sobj_clock(), or
 *         SOBJ_FOREVER). Spins a little before it sleeps.
 * Needs: a reference of the caller's; the host's lock let go of. */
enum sobj_status sobj_channel_send(struct sobj_object *ch, sobj_cell message,
                                   int64_t deadline, struct sobj_domain *domain);
enum sobj_status sobj_channel_recv(struct sobj_object *ch, sobj_cell *message,
                                   int64_t deadline, struct sobj_domain *domain);

/* No more sends; wakes all waiters. With `discard`, messages not yet received are
 * dropped as well, also when the channel was closed before. Idempotent.
 * Returns: whether this call closed it. */
bool sobj_channel_close(struct sobj_object *ch, bool discard);
bool sobj_channel_closed(const struct sobj_object *ch);

/* Returns: messages waiting; exact at rest. */
size_t sobj_channel_count(const struct sobj_object *ch);
uint32_t sobj_channel_capacity(const struct sobj_object *ch);

#endif
