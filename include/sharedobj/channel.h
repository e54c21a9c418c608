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
 *   try_send_many     lock-free*  nothing
 *   try_recv_many     lock-free*  nothing
 *   send recv         blocking    room, a message, close, deadline
 *   send_many         blocking    the same
 *   recv_many         blocking    the same
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
 *
 * A batch is a row of single operations that costs less: each message is accepted, or
 * received, on its own, and those of others may come between. Close is one moment for
 * a batch as well: what was accepted before it is delivered, and `done` says how much.
 */
#ifndef SHAREDOBJ_CHANNEL_H
#define SHAREDOBJ_CHANNEL_H

#include "sharedobj/value.h"

/* What a send does when there is no room; an unbounded channel always has. */
enum sobj_overflow {
    SOBJ_OVERFLOW_BLOCK,    /* waits for room */
    SOBJ_OVERFLOW_DROP_NEW, /* is FULL at once; in a batch the message is dropped */
    SOBJ_OVERFLOW_DROP_OLD, /* is accepted, and the oldest message is dropped */
    SOBJ_OVERFLOW_ERROR,    /* is FULL at once */
};

/* `capacity` 0: unbounded; otherwise any number from 1 to 2^31.
 * Returns: OK and a new reference, or NO_MEMORY. */
enum sobj_status sobj_channel_new(uint32_t capacity, enum sobj_overflow overflow,
                                  struct sobj_object **out);

/* A rendezvous: a channel that holds no message. A send and a receive happen together,
 * at one moment, or not at all: a send that has returned OK was received, and one that ends
 * otherwise was not. Both wait for each other; so FULL says that no receiver waits, and
 * EMPTY that no sender does. Its operations take a lock for some nanoseconds. After
 * close nobody meets any more: senders that wait get CLOSED, their messages are theirs.
 * Returns: OK and a new reference, or NO_MEMORY. */
enum sobj_status sobj_channel_new_rendezvous(struct sobj_object **out);

/* Sends without waiting. Consumes: `message`, only if OK.
 * Under DROP_OLD the message is accepted first, and then, while there are more than
 * `capacity`, the oldest one is dropped: never one that a receiver has got, and none by
 * a send that fails. When all sends have returned there are no more than `capacity`.
 * Needs: a message that is not SOBJ_NO_CELL.
 * Returns: OK, FULL, CLOSED, NO_MEMORY (unbounded, and DROP_OLD). */
enum sobj_status sobj_channel_try_send(struct sobj_object *ch, sobj_cell message);
/* Receives without waiting. Returns: OK and the message, a reference that is now the
 * caller's; EMPTY; CLOSED (closed and drained). */
enum sobj_status sobj_channel_try_recv(struct sobj_object *ch, sobj_cell *message);

/* A batch. Operations begin at `done` and move it on, so that a call which has ended
 * early can be repeated with what is left. */
struct sobj_messages {
    sobj_cell *cells; /* to send, or where received ones go */
    size_t count, done;
    size_t dropped; /* of those done: not sent, because of DROP_NEW */
};
/* Sends as many as there is room for. Consumes: those done.
 * Returns: OK (all are done), FULL, CLOSED, NO_MEMORY. */
enum sobj_status sobj_channel_try_send_many(struct sobj_object *ch,
                                            struct sobj_messages *m);
/* Receives what is there, up to `count`. Returns: OK (at least one came, or `count` is
 * reached), EMPTY, CLOSED. */
enum sobj_status sobj_channel_try_recv_many(struct sobj_object *ch,
                                            struct sobj_messages *m);

/* The same, waiting for room or a message. Waiters are woken first come, first served; a
 * call that need not wait may come between, and who finds itself too late waits anew.
 * Returns: as above without FULL and EMPTY, and TIMEOUT, INTERRUPTED, CLOSING. What can
 *          be done at once is done, whatever the deadline and the state of the domain.
 *          A send that does not wait, because of the channel's `overflow`, is FULL.
 * Blocks: until served, closed, or `deadline` (a point of sobj_clock(), or
 *         SOBJ_FOREVER); a batch to send until all are done, one to receive until the
 *         first comes. Spins a little before it sleeps.
 * Needs: a reference of the caller's; the host's lock let go of. */
enum sobj_status sobj_channel_send(struct sobj_object *ch, sobj_cell message,
                                   int64_t deadline, struct sobj_domain *domain);
enum sobj_status sobj_channel_recv(struct sobj_object *ch, sobj_cell *message,
                                   int64_t deadline, struct sobj_domain *domain);
enum sobj_status sobj_channel_send_many(struct sobj_object *ch, struct sobj_messages *m,
                                        int64_t deadline, struct sobj_domain *domain);
enum sobj_status sobj_channel_recv_many(struct sobj_object *ch, struct sobj_messages *m,
                                        int64_t deadline, struct sobj_domain *domain);

/* No more sends; wakes all waiters. With `discard`, messages not yet received are
 * dropped as well, also when the channel was closed before. Idempotent.
 * Returns: whether this call closed it. */
bool sobj_channel_close(struct sobj_object *ch, bool discard);
bool sobj_channel_closed(const struct sobj_object *ch);

/* Returns: messages waiting; exact at rest. */
size_t sobj_channel_count(const struct sobj_object *ch);
/* Returns: the same; for a rendezvous about how many messages are offered there. Needs: no
 * section. */
size_t sobj_channel_there(const struct sobj_object *ch);
bool sobj_channel_is_rendezvous(const struct sobj_object *ch);
uint32_t sobj_channel_capacity(const struct sobj_object *ch);
enum sobj_overflow sobj_channel_overflow(const struct sobj_object *ch);

#endif
