/* SPDX-License-Identifier: MIT */
/* L3: the bounded queue inside a channel: an array of cells with sequence stamps.
 *
 * After D. Vyukov's bounded queue for many senders and receivers (1024cores.net, 2010),
 * with what crossbeam-channel's array flavour added to it: the lap is kept apart from
 * the index, so that any capacity from 1 works; the closing mark lives in the tail; and
 * "full" and "empty" are said only after a look at the other end.
 *
 *     head, tail    CLOSED (bit 63, tail only) | lap | index
 *     stamp         lap | FILLED (bit 0)
 *
 * `index` runs over the cells; after the last one it begins at 0 again with the next
 * lap. A lap is counted in units of `lap` = the smallest power of two that is at least
 * the capacity and at least 2, so that the lap of a position is a mask away.
 *
 *                       head: lap 3, index 1      tail: lap 3, index 3
 *                             v                         v
 *     cell        0           1            2            3          4
 *     stamp       4           3|FILLED     3|FILLED     3          3
 *                 taken in    holds a      holds a      free for   free for
 *                 lap 3       message      message      lap 3      lap 3
 *
 * All-zero memory is an empty ring in lap 0: a ring for a billion messages costs pages
 * only where it has been used.
 *
 *   I1  head <= tail <= head + one lap. Both only grow.
 *   I2  A cell is free for lap L while its stamp is L, and holds a message of lap L while
 *       its stamp is L|FILLED. The stamp is written only by the sender that moved the
 *       tail over the cell (to L|FILLED) and then by the receiver that moved the head
 *       over it (to the next lap); the message between them is a plain word.
 *   I3  A claim of the tail is a compare-and-swap from a word without CLOSED, and CLOSED
 *       is set in the same word: each claim comes before the close or fails.
 *   I4  EMPTY and CLOSED are said when the tail, read after the head, equals it: I1 makes
 *       the head the same at the moment the tail was read. FULL likewise, with the ends
 *       exchanged.
 *   I5  Between claim and stamp lie two stores, no wait, no allocation, and no end of
 *       the write section: a fork copies no cell that is claimed and not stamped.
 *   I6  Several cells are claimed by one step, if the stamps of all say that they are due.
 *       A stamp that was due stays until an end moves over its cell (I2), so all of them
 *       still are when the claim finds its end where it was. A row of cells is one step
 *       to I1-I5: messages of others never come between.
 *
 *   O1  stamp L|FILLED: release in put, acquire in take: the message.
 *   O2  stamp of the next lap: release in take, acquire in put: the receiver has read.
 *   O3  head and tail: sequentially consistent where they are claimed, closed, or read to
 *       say FULL, EMPTY, CLOSED; so all these agree on one order. A first read is acquire
 *       and only keeps the reads behind it in place; what it shows is proven by the
 *       stamp or by the claim.
 *
 * Progress: lock-free but for BUSY, which says that another thread is between claim and
 * stamp on the cell that is due; the caller leaves its section and tries again. A row is
 * at most SOBJ__ROW cells, so that this is short.
 * Limits: 2^62 messages in the life of a ring (at a billion a second, 146 years).
 */
#ifndef SOBJ_CHANNEL_RING_H
#define SOBJ_CHANNEL_RING_H

#include "atomic.h"
#include "sharedobj/value.h"

/* In tails of both kinds of queue: no more sends. */
#define SOBJ__CLOSED_MARK ((uint64_t)1 << 63)

/* A private status of the queues: try again outside the section. */
#define SOBJ__BUSY ((enum sobj_status)100)

/* How many cells one claim takes at most. */
#define SOBJ__ROW 64u

struct sobj__ring_cell {
    _Atomic(uint64_t) stamp;
    sobj_cell message; /* owned by whoever the stamp says (I2) */
};

struct sobj__ring {
    /* const after init */
    SOBJ_ALIGNED struct sobj__ring_cell *cells;
    uint64_t lap;
    uint32_t capacity;
    /* atomic; written by senders and by close */
    SOBJ_ALIGNED _Atomic(uint64_t) tail;
    /* atomic; written by receivers */
    SOBJ_ALIGNED _Atomic(uint64_t) head;
};

/* Returns: the size of the cells. */
SOBJ_INLINE size_t sobj__ring_bytes(uint32_t capacity)
{
    return (size_t)capacity * sizeof(struct sobj__ring_cell);
}

/* Needs: zeroed memory; capacity from 1 to 2^31. Returns: OK, NO_MEMORY. */
enum sobj_status sobj__ring_init(struct sobj__ring *r, uint32_t capacity);
/* Drops the messages that are left. Needs: nobody else uses the ring; no section. */
void sobj__ring_fini(struct sobj__ring *r);

/* Need: a write section.
 * Return: put OK (which consumes the message), FULL, CLOSED, BUSY;
 *         take OK and the message, EMPTY, CLOSED (closed and drained), BUSY. */
enum sobj_status sobj__ring_put(struct sobj__ring *r, sobj_cell message);
enum sobj_status sobj__ring_take(struct sobj__ring *r, sobj_cell *message);
/* The same for a row: put sends the first `*done` of `n` messages, take receives `*done`;
 * OK says that it is 1 at least. Needs: n from 1 to SOBJ__ROW. */
enum sobj_status sobj__ring_put_row(struct sobj__ring *r, const sobj_cell *messages,
                                    uint32_t n, uint32_t *done);
enum sobj_status sobj__ring_take_row(struct sobj__ring *r, sobj_cell *messages,
                                     uint32_t n, uint32_t *done);

/* Whether a put, a take would find something to do or CLOSED. */
bool sobj__ring_can_put(const struct sobj__ring *r);
bool sobj__ring_can_take(const struct sobj__ring *r);

/* Returns: about how many bytes the messages hold. Needs: nobody else uses the ring. */
size_t sobj__ring_messages_bytes(const struct sobj__ring *r);

/* Returns: messages in the ring; exact when one end stood still while it looked. */
uint64_t sobj__ring_count(const struct sobj__ring *r);

#endif
