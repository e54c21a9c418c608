/* SPDX-License-Identifier: MIT */
/* L3: the bounded queue; see channel_ring.h. */
#include "channel_ring.h"

#include "alloc.h"
#include "value.h"

#define FILLED ((uint64_t)1)
#define COUNT_ATTEMPTS 8

static uint64_t lap_of(const struct sobj__ring *r, uint64_t position)
{
    return position & ~(r->lap - 1);
}

static struct sobj__ring_cell *cell_at(const struct sobj__ring *r, uint64_t position)
{
    return &r->cells[position & (r->lap - 1)];
}

/* Returns: the position after `position`. */
static uint64_t next_of(const struct sobj__ring *r, uint64_t position)
{
    if (SOBJ_LIKELY((position & (r->lap - 1)) + 1 < r->capacity))
        return position + 1;
    return lap_of(r, position) + r->lap;
}

enum sobj_status sobj__ring_init(struct sobj__ring *r, uint32_t capacity)
{
    r->capacity = capacity;
    for (r->lap = 2; r->lap < capacity; r->lap *= 2)
        ;
    r->cells = sobj__alloc_table(sobj__ring_bytes(capacity));
    return r->cells != NULL ? SOBJ_OK : SOBJ_NO_MEMORY;
}

void sobj__ring_fini(struct sobj__ring *r)
{
    /* Relaxed: nobody else uses the ring, and the grace period or the caller's own
     * order lies between. */
    uint64_t head = sobj_load_relaxed(&r->head);
    uint64_t tail = sobj_load_relaxed(&r->tail) & ~SOBJ__CLOSED_MARK;

    for (; head != tail; head = next_of(r, head))
        sobj_cell_unref(cell_at(r, head)->message);
    sobj__free_table(r->cells, sobj__ring_bytes(r->capacity));
}

/* The cell at `*tail` was not free. Returns: why; or OK, and a newer tail. */
static enum sobj_status why_not_put(const struct sobj__ring *r, uint64_t *tail)
{
    uint64_t seen = *tail;

    SOBJ_YIELD();
    /* SeqCst O3, I4: after the tail. */
    if (sobj_load_seq_cst(&r->head) + r->lap == seen)
        return SOBJ_FULL;
    /* Acquire O3: as where the tail was read first. */
    *tail = sobj_load_acquire(&r->tail);
    /* The same: a receiver has claimed the cell and reads it. */
    return *tail == seen ? SOBJ__BUSY : SOBJ_OK;
}

/* The cell at `*head` was not filled. Returns: why; or OK, and a newer head. */
static enum sobj_status why_not_take(const struct sobj__ring *r, uint64_t *head)
{
    uint64_t seen = *head;

    SOBJ_YIELD();
    /* SeqCst O3, I4: after the head. */
    uint64_t tail = sobj_load_seq_cst(&r->tail);
    if ((tail & ~SOBJ__CLOSED_MARK) == seen)
        return tail & SOBJ__CLOSED_MARK ? SOBJ_CLOSED : SOBJ_EMPTY;
    /* Acquire O3: as where the head was read first. */
    *head = sobj_load_acquire(&r->head);
    /* The same: a sender has claimed the cell and fills it. */
    return *head == seen ? SOBJ__BUSY : SOBJ_OK;
}

enum sobj_status sobj__ring_put(struct sobj__ring *r, sobj_cell message)
{
    /* Acquire O3: before the stamp and the head are read. */
    uint64_t tail = sobj_load_acquire(&r->tail);

    for (;;) {
        if (tail & SOBJ__CLOSED_MARK)
            return SOBJ_CLOSED;
        struct sobj__ring_cell *cell = cell_at(r, tail);
        uint64_t lap = lap_of(r, tail);
        /* Acquire O2: the previous lap's receiver has read the message. */
        if (sobj_load_acquire(&cell->stamp) == lap) {
            /* SeqCst O3: the claim; on failure `tail` is what another sender, or
             * close, has put there. */
            if (sobj_cas_seq_cst(&r->tail, &tail, next_of(r, tail))) {
                SOBJ_YIELD();
                cell->message = message;
                /* Release O1: publishes the message. */
                sobj_store_release(&cell->stamp, lap | FILLED);
                return SOBJ_OK;
            }
            sobj_cpu_relax();
            continue;
        }
        enum sobj_status status = why_not_put(r, &tail);
        if (status != SOBJ_OK)
            return status;
    }
}

enum sobj_status sobj__ring_take(struct sobj__ring *r, sobj_cell *message)
{
    /* Acquire O3: before the stamp and the tail are read. */
    uint64_t head = sobj_load_acquire(&r->head);

    for (;;) {
        struct sobj__ring_cell *cell = cell_at(r, head);
        uint64_t lap = lap_of(r, head);
        /* Acquire O1: the message is there. */
        if (sobj_load_acquire(&cell->stamp) == (lap | FILLED)) {
            /* SeqCst O3: the claim; on failure `head` is another receiver's. */
            if (sobj_cas_seq_cst(&r->head, &head, next_of(r, head))) {
                SOBJ_YIELD();
                *message = cell->message;
                /* Release O2: the cell may be written again. */
                sobj_store_release(&cell->stamp, lap + r->lap);
                return SOBJ_OK;
            }
            sobj_cpu_relax();
            continue;
        }
        enum sobj_status status = why_not_take(r, &head);
        if (status != SOBJ_OK)
            return status;
    }
}

enum sobj_status sobj__ring_put_row(struct sobj__ring *r, const sobj_cell *messages,
                                    uint32_t n, uint32_t *done)
{
    /* Acquire O3: before the stamps and the head are read. */
    uint64_t tail = sobj_load_acquire(&r->tail);

    for (;;) {
        uint64_t end = tail;
        uint32_t k = 0;

        if (tail & SOBJ__CLOSED_MARK)
            return SOBJ_CLOSED;
        /* Acquire O2: the previous lap's receivers have read. After a whole lap this
         * comes to the first cell again, whose stamp is one lap behind. */
        while (k < n && sobj_load_acquire(&cell_at(r, end)->stamp) == lap_of(r, end)) {
            end = next_of(r, end);
            k++;
        }
        if (k == 0) {
            enum sobj_status status = why_not_put(r, &tail);
            if (status != SOBJ_OK)
                return status;
            continue;
        }
        uint64_t at = tail;
        SOBJ_YIELD();
        /* SeqCst O3, I6: the claim; on failure `tail` is what another sender, or close,
         * has put there. */
        if (!sobj_cas_seq_cst(&r->tail, &tail, end)) {
            sobj_cpu_relax();
            continue;
        }
        for (uint32_t i = 0; i < k; i++, at = next_of(r, at)) {
            SOBJ_YIELD();
            cell_at(r, at)->message = messages[i];
            /* Release O1: publishes the message. */
            sobj_store_release(&cell_at(r, at)->stamp, lap_of(r, at) | FILLED);
        }
        *done = k;
        return SOBJ_OK;
    }
}

enum sobj_status sobj__ring_take_row(struct sobj__ring *r, sobj_cell *messages,
                                     uint32_t n, uint32_t *done)
{
    /* Acquire O3: before the stamps and the tail are read. */
    uint64_t head = sobj_load_acquire(&r->head);

    for (;;) {
        uint64_t end = head;
        uint32_t k = 0;

        /* Acquire O1: the messages are there. */
        while (k < n && sobj_load_acquire(&cell_at(r, end)->stamp) ==
                            (lap_of(r, end) | FILLED)) {
            end = next_of(r, end);
            k++;
        }
        if (k == 0) {
            enum sobj_status status = why_not_take(r, &head);
            if (status != SOBJ_OK)
                return status;
            continue;
        }
        uint64_t at = head;
        SOBJ_YIELD();
        /* SeqCst O3, I6: the claim; on failure `head` is another receiver's. */
        if (!sobj_cas_seq_cst(&r->head, &head, end)) {
            sobj_cpu_relax();
            continue;
        }
        for (uint32_t i = 0; i < k; i++, at = next_of(r, at)) {
            SOBJ_YIELD();
            messages[i] = cell_at(r, at)->message;
            /* Release O2: the cell may be written again. */
            sobj_store_release(&cell_at(r, at)->stamp, lap_of(r, at) + r->lap);
        }
        *done = k;
        return SOBJ_OK;
    }
}

bool sobj__ring_can_put(const struct sobj__ring *r)
{
    /* SeqCst O3: the tail first, as in put (I4). */
    uint64_t tail = sobj_load_seq_cst(&r->tail);

    return sobj_load_seq_cst(&r->head) + r->lap != tail; /* SeqCst O3: as above. */
}

bool sobj__ring_can_take(const struct sobj__ring *r)
{
    /* SeqCst O3: the head first, as in take (I4). */
    uint64_t head = sobj_load_seq_cst(&r->head);

    return sobj_load_seq_cst(&r->tail) != head; /* SeqCst O3: as above. */
}

uint64_t sobj__ring_count(const struct sobj__ring *r)
{
    uint64_t head, tail, again;
    int attempts = 0;

    /* SeqCst O3: the head before and after the tail. */
    again = sobj_load_seq_cst(&r->head);
    do {
        head = again;
        tail = sobj_load_seq_cst(&r->tail) & ~SOBJ__CLOSED_MARK; /* SeqCst O3 */
        again = sobj_load_seq_cst(&r->head);                     /* SeqCst O3 */
    } while (head != again && ++attempts < COUNT_ATTEMPTS);

    /* The tail was read after the head, so the difference is not negative (I1). */
    uint64_t laps = (lap_of(r, tail) - lap_of(r, head)) / r->lap;
    uint64_t count = laps * r->capacity + (tail & (r->lap - 1)) - (head & (r->lap - 1));
    return count < r->capacity ? count : r->capacity;
}

size_t sobj__ring_messages_bytes(const struct sobj__ring *r)
{
    uint64_t head = sobj_load_relaxed(&r->head); /* Relaxed: as in sobj__ring_fini. */
    uint64_t n = 0, count = sobj__ring_count(r);
    size_t bytes = 0;

    for (; n < count && n < SOBJ__SAMPLE; head = next_of(r, head), n++)
        bytes += sobj__cell_bytes(cell_at(r, head)->message);
    return sobj__estimate(bytes, n, count);
}
