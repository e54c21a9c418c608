/* SPDX-License-Identifier: MIT */
/* L2: what the core adds to the public value contract. */
#ifndef SOBJ_VALUE_H
#define SOBJ_VALUE_H

#include "atomic.h"
#include "base.h"
#include "sharedobj/value.h"

/* Marks of the containers; never values. */
#define SOBJ__MARK(n) SOBJ_SPECIAL(SOBJ_SP_MARKS + (n), 0)

/* Returns: what a blob takes. */
SOBJ_INLINE size_t sobj__blob_bytes(uint64_t size, uint32_t edges)
{
    size_t n = sizeof(struct sobj_blob) + (size_t)size;

    return edges == 0 ? n : ((n + 7) & ~(size_t)7) + edges * sizeof(void *);
}

/* Fills the head of a new blob. */
SOBJ_INLINE void sobj__blob_init(struct sobj_blob *b, enum sobj_blob_kind kind,
                                 unsigned aux, uint64_t size, uint32_t edges,
                                 int64_t hash)
{
    atomic_init(&b->refs, 1);
    b->edges = edges;
    b->info = size | (uint64_t)kind << 48 | (uint64_t)aux << 56;
    b->hash = hash;
}

/* Drops the reference that a shared cell held, after a grace period: readers may have
 * loaded it. Immediates cost nothing. Needs: a section. */
void sobj__pointer_retire(sobj_cell c);
SOBJ_INLINE void sobj__cell_retire(sobj_cell c)
{
    if (sobj_is_pointer(c))
        sobj__pointer_retire(c);
}

/* Returns: about how many bytes are freed with the last reference, for the limit of
 * retired memory. Needs: the cell is kept alive by somebody. */
size_t sobj__cell_bytes(sobj_cell c);

/* Gives a value to who wants it. Needs: the section in which it was found. */
SOBJ_INLINE void sobj__hand_out(struct sobj_out *out, sobj_cell cell)
{
    if (out == NULL)
        return;
    out->cell = cell;
    if (sobj_is_pointer(cell))
        out->take(out);
}

/* Of values that go together so many are looked at; the bytes of all are estimated. */
#define SOBJ__SAMPLE 1024u
/* Returns: about how many bytes `count` values hold, `sampled` of which hold `bytes`. */
SOBJ_INLINE size_t sobj__estimate(size_t bytes, uint64_t sampled, uint64_t count)
{
    return sampled == count ? bytes : (size_t)(bytes / sampled * count);
}

/* Adds two immediate numbers. Returns: OK, OVERFLOW, BAD_OPERAND. */
enum sobj_status sobj__cells_add_slow(sobj_cell a, sobj_cell b, sobj_cell *sum);
SOBJ_INLINE enum sobj_status sobj__cells_add(sobj_cell a, sobj_cell b, sobj_cell *sum)
{
    if (SOBJ_UNLIKELY(!sobj_is_int(a) || !sobj_is_int(b)))
        return sobj__cells_add_slow(a, b, sum);
    int64_t i = sobj_to_int(a) + sobj_to_int(b); /* 61 bits each: fits */
    if (SOBJ_UNLIKELY(!sobj_int_fits(i)))
        return SOBJ_OVERFLOW;
    *sum = sobj_from_int(i);
    return SOBJ_OK;
}

/* Secret of sobj_hash_*; the instance lives in runtime.c, const after init. */
struct sobj__hash_secret {
    uint64_t k0, k1;
};
extern struct sobj__hash_secret sobj__hash_secret;

#endif
