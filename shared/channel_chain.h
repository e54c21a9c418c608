/* SPDX-License-Identifier: MIT */
/* L3: the unbounded queue inside a channel: linked blocks of cells.
 *
 * The shape is that of crossbeam-channel's list flavour: two indices that only grow, and
 * under each a block of the list. The blocks differ: a block knows the index of its first
 * cell, its successor is linked before its last cell is claimed, and a read section keeps
 * it from being freed. So no sender ever waits for another one's allocation, all cells
 * are used, and a cell needs no state: 0 is "not filled yet".
 *
 *     head (index)                                   tail: CLOSED | index
 *       |                                              |
 *     head_block                                     tail_block
 *       v                                              v
 *     [first 0 | x x x m m m ] -> [first 6 | m m m m m m ] -> [first 12 | m m . . . . ]
 *                                    (x taken, m message, . free; tail_block may lag)
 *
 *   L1  head <= tail; both only grow. The cell of index i lies in the one block with
 *       first <= i < first + CELLS.
 *   L2  The block of the tail's index is linked: whoever claims the last cell of a block
 *       has seen its successor linked.
 *   L3  head_block and tail_block only move from a block to its successor, each at a
 *       time when its index is past the block; head_block never passes tail_block.
 *   L4  A block is retired by the receiver that moved head_block past it. By then
 *       tail_block is past it as well, and its predecessor was retired before: no new
 *       section can find it (R2 of reclaim.h).
 *   L5  Claims of the tail fail once CLOSED is in it (as I3 of channel_ring.h); EMPTY and
 *       CLOSED are said when the tail, read after the head, equals it (I4).
 *   L6  A receiver claims only a cell that it has seen filled; the head moves over each
 *       index once, so the message that was read before the claim is the claimer's.
 *   L7  What can fail, the allocation of a successor, comes before the claim. Between
 *       claim and message lies one store, inside the write section.
 *   L8  A row of cells of one block is claimed by one step, as I6 of channel_ring.h.
 *   L9  Under a limit a claim of k cells by the tail takes place while
 *       tail + k - head <= limit: the head was read after the tail, only grows, and the
 *       claim finds the tail where it was. FULL: when the head was read, the tail was
 *       `limit` beyond it at least. A take that is to keep some claims only cells that
 *       are more than `keep` before the tail: that only grows, too.
 *
 *   O1  cell: release in put, acquire in take: what the message points to.
 *   O2  next: release where it is linked, acquire where it is followed: the block's
 *       `first` and zeroed cells.
 *   O3  head and tail: as O3 of channel_ring.h. An acquire load of an index also shows
 *       the links that its claimers had seen (L2).
 *   O4  head_block, tail_block: release where they move, acquire where they are loaded:
 *       a block that lies ahead of an index shows that the index is old.
 *
 * Progress: put is lock-free; take is lock-free but for BUSY, as in channel_ring.h.
 */
#ifndef SOBJ_CHANNEL_CHAIN_H
#define SOBJ_CHANNEL_CHAIN_H

#include "atomic.h"
#include "channel_ring.h"
#include "sharedobj/value.h"

/* 1 KiB per block; tiny ones in tests, so that their ends are met often. */
#ifdef SOBJ_TEST
#define SOBJ__BLOCK_CELLS 6u
#else
#define SOBJ__BLOCK_CELLS 126u
#endif

struct sobj__block {
    uint64_t first; /* const once linked: the index of cells[0] */
    _Atomic(struct sobj__block *) next;
    _Atomic(sobj_cell) cells[SOBJ__BLOCK_CELLS];
};

struct sobj__chain {
    /* atomic; written by senders and by close, tail_block by receivers too */
    SOBJ_ALIGNED _Atomic(uint64_t) tail;
    _Atomic(struct sobj__block *) tail_block;
    /* atomic; written by receivers */
    SOBJ_ALIGNED _Atomic(uint64_t) head;
    _Atomic(struct sobj__block *) head_block;
};

/* Needs: zeroed memory. Returns: OK, NO_MEMORY. */
enum sobj_status sobj__chain_init(struct sobj__chain *l);
/* Drops the messages that are left. Needs: nobody else uses the chain; no section. */
void sobj__chain_fini(struct sobj__chain *l);

/* Need: a write section.
 * Return: put OK (which consumes the message), CLOSED, NO_MEMORY;
 *         take OK and the message, EMPTY, CLOSED (closed and drained), BUSY. */
enum sobj_status sobj__chain_put(struct sobj__chain *l, sobj_cell message);
enum sobj_status sobj__chain_take(struct sobj__chain *l, sobj_cell *message);

/* The same for a row. put sends the first `*done` of `n` messages, while there are fewer
 * than `limit` in the chain (0: any number), else FULL; take receives `*done`, the oldest
 * ones but for the last `keep`, or EMPTY. OK says that it is 1 at least.
 * Needs: n from 1 to SOBJ__ROW; a limit below 2^63. */
enum sobj_status sobj__chain_put_row(struct sobj__chain *l, const sobj_cell *messages,
                                     uint32_t n, uint64_t limit, uint32_t *done);
enum sobj_status sobj__chain_take_row(struct sobj__chain *l, sobj_cell *messages,
                                      uint32_t n, uint64_t keep, uint32_t *done);

/* Whether a put under a limit would find room, or CLOSED. */
bool sobj__chain_can_put(const struct sobj__chain *l, uint64_t limit);
/* Whether a take would find something to do or CLOSED. */
bool sobj__chain_can_take(const struct sobj__chain *l);

/* Returns: about how many bytes the messages hold. Needs: nobody else uses the chain. */
size_t sobj__chain_messages_bytes(const struct sobj__chain *l);

/* Returns: messages in the chain; exact when one end stood still while it looked. */
uint64_t sobj__chain_count(const struct sobj__chain *l);

#endif
