/* SPDX-License-Identifier: MIT */
/* Select: of several sends and receives exactly one.
 *
 *                     progress    waits for
 *   try_select        as the operations  nothing
 *   select            blocking    the first operation that is possible, or deadline
 *
 * Among those that are possible at once it picks at random, each as likely as any other.
 * While it waits it is one of the waiters of each channel and is served in its turn. It
 * never meets itself, though it may both send to and receive from one rendezvous.
 * The time grows with the number of operations (n log n for those at rendezvous).
 */
#ifndef SHAREDOBJ_SELECT_H
#define SHAREDOBJ_SELECT_H

#include "sharedobj/channel.h"

struct sobj_select_op {
    /* A channel, queue or end, which fits; any number of times. */
    struct sobj_object *channel;
    /* To send; or SOBJ_NO_CELL to receive: then here is what came. */
    sobj_cell message;
};

#define SOBJ_SELECT_MAX 65536u

/* Does one of the operations without waiting. Under an overflow other than BLOCK a send
 * is always possible, also if it comes to FULL. Consumes: the message that was sent.
 * Needs: `count` from 1 to SOBJ_SELECT_MAX.
 * Returns: what operation `*index` came to: OK, CLOSED, FULL (its channel's overflow is
 *          DROP_NEW or ERROR), NO_MEMORY; or EMPTY: none is possible. */
enum sobj_status sobj_try_select(struct sobj_select_op *ops, uint32_t count,
                                 uint32_t *index);

/* The same, waiting for one that is possible.
 * Returns: as above without EMPTY, and TIMEOUT, INTERRUPTED, CLOSING: none was done. What
 *          can be done at once is done, whatever the deadline and the state of the domain.
 * Blocks: until one was done, or `deadline` (a point of sobj_clock(), or SOBJ_FOREVER).
 * Needs: references to all channels; the host's lock let go of. */
enum sobj_status sobj_select(struct sobj_select_op *ops, uint32_t count,
                             uint32_t *index, int64_t deadline,
                             struct sobj_domain *domain);

#endif
