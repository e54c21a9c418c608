/* SPDX-License-Identifier: MIT */
/* L3: the unbounded queue; see channel_chain.h. */
#include "channel_chain.h"

#include "alloc.h"
#include "reclaim.h"
#include "value.h"

#define COUNT_ATTEMPTS 8

static struct sobj__block *block_new(uint64_t first)
{
    struct sobj__block *b = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, sizeof *b);

    if (b != NULL)
        b->first = first;
    return b;
}

static void block_free(void *b)
{
    sobj__free(SOBJ_COUNT_BLOCKS, b, sizeof(struct sobj__block));
}

enum sobj_status sobj__chain_init(struct sobj__chain *l)
{
    struct sobj__block *b = block_new(0);

    if (b == NULL)
        return SOBJ_NO_MEMORY;
    atomic_init(&l->tail_block, b);
    atomic_init(&l->head_block, b);
    return SOBJ_OK;
}

void sobj__chain_fini(struct sobj__chain *l)
{
    /* Relaxed, here and below: nobody else uses the list, and the grace period or the
     * caller's own order lies between. */
    uint64_t head = sobj_load_relaxed(&l->head);
    uint64_t tail = sobj_load_relaxed(&l->tail) & ~SOBJ__CLOSED_MARK;
    struct sobj__block *b = sobj_load_relaxed(&l->head_block);

    while (b != NULL) {
        for (; head != tail && head - b->first < SOBJ__BLOCK_CELLS; head++) {
            /* Relaxed: as above. */
            sobj_cell_unref(sobj_load_relaxed(&b->cells[head - b->first]));
        }
        struct sobj__block *next = sobj_load_relaxed(&b->next); /* Relaxed: as above. */
        block_free(b);
        b = next;
    }
}

/* Links a successor to `b` unless there is one (L2). Returns: false on no memory. */
static bool link_next(struct sobj__block *b)
{
    struct sobj__block *none = NULL, *fresh;

    /* Acquire O2: pairs with the exchange below. */
    if (sobj_load_acquire(&b->next) != NULL)
        return true;
    fresh = block_new(b->first + SOBJ__BLOCK_CELLS);
    if (fresh == NULL)
        return false;
    /* AcqRel O2: publishes the block; a sender that comes second drops its own, which
     * nobody has seen. */
    if (!sobj_cas_acq_rel(&b->next, &none, fresh))
        block_free(fresh);
    return true;
}

/* Moves `*place` from `b` to its successor. Returns: whether this call did it.
 * Needs: the index of that end is past `b`, which means that a successor is linked. */
static bool move_on(_Atomic(struct sobj__block *) *place, struct sobj__block *b)
{
    /* Acquire O2: the successor's fields. */
    struct sobj__block *next = sobj_load_acquire(&b->next), *expected = b;

    sobj_assert_test(next != NULL);
    /* AcqRel O4: carries the index that was past the block. `b` is not freed while this
     * section lasts, so an equal pointer is the same block. */
    return sobj_cas_acq_rel(place, &expected, next);
}

/* Returns: the block of the tail, which is read again when it is old; NULL if it has the
 * mark. */
static struct sobj__block *block_of_tail(struct sobj__chain *l, uint64_t *tail)
{
    for (;;) {
        if (*tail & SOBJ__CLOSED_MARK)
            return NULL;
        SOBJ_YIELD();
        /* Acquire O4: the block's fields, and how far the tail was. */
        struct sobj__block *b = sobj_load_acquire(&l->tail_block);
        if (SOBJ_UNLIKELY(*tail < b->first))
            *tail = sobj_load_acquire(&l->tail); /* Acquire O4: ours was old. */
        else if (SOBJ_UNLIKELY(*tail - b->first >= SOBJ__BLOCK_CELLS))
            move_on(&l->tail_block, b);
        else
            return b;
    }
}

/* The same for the head. */
static struct sobj__block *block_of_head(struct sobj__chain *l, uint64_t *head)
{
    for (;;) {
        SOBJ_YIELD();
        /* Acquire O4: the block's fields, and how far the head was. */
        struct sobj__block *b = sobj_load_acquire(&l->head_block);
        if (SOBJ_UNLIKELY(*head < b->first)) {
            *head = sobj_load_acquire(&l->head); /* Acquire O4: ours was old. */
        } else if (SOBJ_UNLIKELY(*head - b->first >= SOBJ__BLOCK_CELLS)) {
            /* The tail is past the block too (L1); its pointer moves first (L3, L4). */
            move_on(&l->tail_block, b);
            if (move_on(&l->head_block, b))
                sobj__retire(b, block_free, sizeof *b);
        } else {
            return b;
        }
    }
}

enum sobj_status sobj__chain_put(struct sobj__chain *l, sobj_cell message)
{
    /* Acquire O3: before the block is loaded. */
    uint64_t tail = sobj_load_acquire(&l->tail);

    for (;;) {
        struct sobj__block *b = block_of_tail(l, &tail);
        if (b == NULL)
            return SOBJ_CLOSED;
        uint64_t offset = tail - b->first;
        if (offset == SOBJ__BLOCK_CELLS - 1 && !link_next(b))
            return SOBJ_NO_MEMORY;
        /* SeqCst O3: the claim; on failure `tail` is what another sender, or close,
         * has put there. */
        if (sobj_cas_seq_cst(&l->tail, &tail, tail + 1)) {
            SOBJ_YIELD();
            /* Release O1: publishes what the message points to. */
            sobj_store_release(&b->cells[offset], message);
            return SOBJ_OK;
        }
        sobj_cpu_relax();
    }
}

enum sobj_status sobj__chain_put_row(struct sobj__chain *l, const sobj_cell *messages,
                                     uint32_t n, uint64_t limit, uint32_t *done)
{
    /* Acquire O3: before the block and the head are loaded. */
    uint64_t tail = sobj_load_acquire(&l->tail);

    for (;;) {
        struct sobj__block *b = block_of_tail(l, &tail);
        if (b == NULL)
            return SOBJ_CLOSED;
        uint64_t offset = tail - b->first, k = n;
        if (limit != 0) {
            SOBJ_YIELD();
            /* SeqCst O3, L9: after the tail, which is old if the head has passed it. */
            uint64_t head = sobj_load_seq_cst(&l->head);
            uint64_t count = tail > head ? tail - head : 0;
            if (count >= limit)
                return SOBJ_FULL;
            k = k < limit - count ? k : limit - count;
        }
        k = k < SOBJ__BLOCK_CELLS - offset ? k : SOBJ__BLOCK_CELLS - offset;
        if (offset + k == SOBJ__BLOCK_CELLS && !link_next(b) && --k == 0)
            return SOBJ_NO_MEMORY; /* only the last cell of the block was left */
        SOBJ_YIELD();
        /* SeqCst O3, L8: the claim, as in put. */
        if (!sobj_cas_seq_cst(&l->tail, &tail, tail + k)) {
            sobj_cpu_relax();
            continue;
        }
        for (uint64_t i = 0; i < k; i++) {
            SOBJ_YIELD();
            /* Release O1: publishes what the message points to. */
            sobj_store_release(&b->cells[offset + i], messages[i]);
        }
        *done = (uint32_t)k;
        return SOBJ_OK;
    }
}

/* The cell at `*head` was not filled. Returns: why; or OK, and a newer head. */
static enum sobj_status why_not_take(const struct sobj__chain *l, uint64_t *head)
{
    uint64_t seen = *head;

    SOBJ_YIELD();
    /* SeqCst O3, L5: after the head. */
    uint64_t tail = sobj_load_seq_cst(&l->tail);
    if ((tail & ~SOBJ__CLOSED_MARK) == seen)
        return tail & SOBJ__CLOSED_MARK ? SOBJ_CLOSED : SOBJ_EMPTY;
    /* Acquire O3: as where the head was read first. */
    *head = sobj_load_acquire(&l->head);
    /* The same: a sender has claimed the cell and fills it. */
    return *head == seen ? SOBJ__BUSY : SOBJ_OK;
}

enum sobj_status sobj__chain_take(struct sobj__chain *l, sobj_cell *message)
{
    /* Acquire O3: before block, cell and tail are read. */
    uint64_t head = sobj_load_acquire(&l->head);

    for (;;) {
        struct sobj__block *b = block_of_head(l, &head);
        /* Acquire O1: what the message points to. */
        sobj_cell cell = sobj_load_acquire(&b->cells[head - b->first]);
        if (cell != SOBJ_NO_CELL) {
            /* SeqCst O3: the claim (L6). */
            if (sobj_cas_seq_cst(&l->head, &head, head + 1)) {
                *message = cell;
                return SOBJ_OK;
            }
            sobj_cpu_relax();
            continue;
        }
        enum sobj_status status = why_not_take(l, &head);
        if (status != SOBJ_OK)
            return status;
    }
}

enum sobj_status sobj__chain_take_row(struct sobj__chain *l, sobj_cell *messages,
                                      uint32_t n, uint64_t keep, uint32_t *done)
{
    /* Acquire O3: before block, cells and tail are read. */
    uint64_t head = sobj_load_acquire(&l->head);

    for (;;) {
        struct sobj__block *b = block_of_head(l, &head);
        uint64_t offset = head - b->first, k = 0, most = n;
        if (keep != 0) {
            SOBJ_YIELD();
            /* SeqCst O3, L9: after the head, which is not beyond it (L1). */
            uint64_t count = (sobj_load_seq_cst(&l->tail) & ~SOBJ__CLOSED_MARK) - head;
            if (count <= keep)
                return SOBJ_EMPTY;
            most = most < count - keep ? most : count - keep;
        }
        most = most < SOBJ__BLOCK_CELLS - offset ? most : SOBJ__BLOCK_CELLS - offset;
        /* Acquire O1: what the messages point to. */
        while (k < most &&
               (messages[k] = sobj_load_acquire(&b->cells[offset + k])) != SOBJ_NO_CELL)
            k++;
        if (k == 0) {
            enum sobj_status status = why_not_take(l, &head);
            if (status != SOBJ_OK)
                return status;
            continue;
        }
        SOBJ_YIELD();
        /* SeqCst O3: the claim (L6, L8). */
        if (sobj_cas_seq_cst(&l->head, &head, head + k)) {
            *done = (uint32_t)k;
            return SOBJ_OK;
        }
        sobj_cpu_relax();
    }
}

bool sobj__chain_can_put(const struct sobj__chain *l, uint64_t limit)
{
    /* SeqCst O3: the tail first, as in put (L9). */
    uint64_t tail = sobj_load_seq_cst(&l->tail);
    /* SeqCst O3: as above. */
    uint64_t head = sobj_load_seq_cst(&l->head);

    return limit == 0 || tail & SOBJ__CLOSED_MARK || tail < head || tail - head < limit;
}

bool sobj__chain_can_take(const struct sobj__chain *l)
{
    /* SeqCst O3: the head first, as in take (L5). */
    uint64_t head = sobj_load_seq_cst(&l->head);

    return sobj_load_seq_cst(&l->tail) != head; /* SeqCst O3: as above. */
}

uint64_t sobj__chain_count(const struct sobj__chain *l)
{
    uint64_t head, tail, again;
    int attempts = 0;

    /* SeqCst O3: the head before and after the tail, which is then not behind it. */
    again = sobj_load_seq_cst(&l->head);
    do {
        head = again;
        tail = sobj_load_seq_cst(&l->tail) & ~SOBJ__CLOSED_MARK; /* SeqCst O3 */
        again = sobj_load_seq_cst(&l->head);                     /* SeqCst O3 */
    } while (head != again && ++attempts < COUNT_ATTEMPTS);
    return tail - head;
}

size_t sobj__chain_messages_bytes(const struct sobj__chain *l)
{
    /* Relaxed, here and below: as in sobj__chain_fini. */
    uint64_t head = sobj_load_relaxed(&l->head);
    const struct sobj__block *b = sobj_load_relaxed(&l->head_block);
    uint64_t n = 0, count = sobj__chain_count(l);
    size_t bytes = 0;

    for (; n < count && n < SOBJ__SAMPLE; n++, head++) {
        while (head - b->first >= SOBJ__BLOCK_CELLS)
            b = sobj_load_relaxed(&b->next); /* Relaxed: as above. */
        /* Relaxed: as above. */
        bytes += sobj__cell_bytes(sobj_load_relaxed(&b->cells[head - b->first]));
    }
    return sobj__estimate(bytes, n, count);
}
