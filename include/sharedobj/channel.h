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
 *   close             lock-free   nothing; wakes every waiter
 *   count             wait-free   nothing
 * (*) a receiver that finds a cell claimed and not yet filled spins for the few
 *     instructions its sender needs.
 */
#ifndef SHAREDOBJ_CHANNEL_H
#define SHAREDOBJ_CHANNEL_H

#include "sharedobj/value.h"

/* `capacity` 0: unbounded; otherwise any number from 1 to 2^31.
 * Returns: OK and a new reference, or NO_MEMORY. */
enum sobj_status sobj_channel_new(uint32_t capacity, struct sobj_object **out);

/* Sends without waiting. Consumes: `message`, only if OK.
 * Returns: OK, FULL, CLOSED, NO_MEMORY (unbounded). */
enum sobj_status sobj_channel_try_send(struct sobj_object *ch, sobj_cell message);
/* Receives without waiting. Returns: OK and the message, a reference that is now the
 * caller's; EMPTY; CLOSED (closed and drained). */
enum sobj_status sobj_channel_try_recv(struct sobj_object *ch, sobj_cell *message);

/* The same, waiting for room or a message. Waiters are served first come first served.
 * Returns: as above without FULL and EMPTY, and TIMEOUT, INTERRUPTED, CLOSING.
 * Blocks: until served, closed, or `deadline` (a point of sobj_clock(), or
 *         SOBJ_FOREVER). Spins a little before it sleeps.
 * Needs: a reference of the caller's; the host's lock let go of. */
enum sobj_status sobj_channel_send(struct sobj_object *ch, sobj_cell message,
                                   int64_t deadline, struct sobj_domain *domain);
enum sobj_status sobj_channel_recv(struct sobj_object *ch, sobj_cell *message,
                                   int64_t deadline, struct sobj_domain *domain);

/* No more sends; wakes all waiters. With `discard`, messages not yet received are
 * dropped as well. Idempotent. Returns: whether this call closed it. */
bool sobj_channel_close(struct sobj_object *ch, bool discard);
bool sobj_channel_closed(const struct sobj_object *ch);

/* Returns: messages waiting; exact at rest. */
size_t sobj_channel_count(const struct sobj_object *ch);
uint32_t sobj_channel_capacity(const struct sobj_object *ch);

#endif
