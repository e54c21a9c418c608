/* SPDX-License-Identifier: MIT */
/* L2: blobs and cells; see include/sharedobj/value.h. */
#include "value.h"

#include <stdlib.h>

#include "alloc.h"
#include "atomic.h"
#include "object.h"
#include "reclaim.h"

struct sobj_blob *sobj_blob_new(enum sobj_blob_kind kind, unsigned aux, uint64_t size,
                                uint32_t edges, int64_t hash)
{
    struct sobj_blob *b;

    if (size > SOBJ_BLOB_MAX)
        return NULL;
    b = sobj__alloc_small(SOBJ_COUNT_BLOBS, sobj__blob_bytes(size, edges));
    if (b == NULL)
        return NULL;
    sobj__blob_init(b, kind, aux, size, edges, hash);
    return b;
}

SOBJ_INLINE void blob_unref(struct sobj_blob *b, uint32_t n)
{
    /* Acquire, AcqRel: all uses of the blob precede its end. Who sees only references of
     * his own is alone: to take a further one needs a reference, or a section in which
     * the blob was found in a cell whose reference still counts. */
    if (sobj_load_acquire(&b->refs) != n && sobj_sub_acq_rel(&b->refs, n) != n)
        return;
    struct sobj_object **edges = sobj_blob_edges(b);
    for (uint32_t i = 0; i < b->edges; i++)
        sobj_unref(edges[i]);
    sobj__free_small(SOBJ_COUNT_BLOBS, b,
                     sobj__blob_bytes(sobj_blob_size(b), b->edges));
}

/* The free low bits of a retired blob's address: further references that go with it. */
#define MORE ((uintptr_t)15)

static void blob_unref_cb(void *p)
{
    blob_unref((struct sobj_blob *)((uintptr_t)p & ~MORE),
               (uint32_t)((uintptr_t)p & MORE) + 1);
}

void sobj_blob_ref(struct sobj_blob *b, uint32_t n)
{
    /* Relaxed: kept alive by the caller's reference or section. */
    sobj_add_relaxed(&b->refs, n);
}

void sobj_blob_unref(struct sobj_blob *b, uint32_t n) { blob_unref(b, n); }

void sobj_cell_ref(sobj_cell c)
{
    if (sobj_is_blob(c)) {
        sobj_blob_ref(sobj_to_blob(c), 1);
    } else if (sobj_is_object(c)) {
        sobj_ref(sobj_to_object(c));
    }
}

void sobj_cell_unref(sobj_cell c)
{
    if (sobj_is_blob(c))
        blob_unref(sobj_to_blob(c), 1);
    else if (sobj_is_object(c))
        sobj_unref(sobj_to_object(c));
}

size_t sobj__cell_bytes(sobj_cell c)
{
    if (sobj_is_blob(c))
        return sobj__blob_bytes(sobj_blob_size(sobj_to_blob(c)),
                                sobj_to_blob(c)->edges);
    return sobj_is_object(c) ? sizeof(void *) : 0;
}

void sobj__pointer_retire(sobj_cell c)
{
    if (sobj_is_blob(c)) {
        struct sobj_blob *b = sobj_to_blob(c);
        struct sobj__retired *last;
        /* A value that lay in many cells is often replaced in one after the other. */
        if (sobj__retired_last(&last) && last->free == blob_unref_cb &&
            (uintptr_t)last->p - (uintptr_t)b < MORE) {
            last->p = (char *)last->p + 1;
            return;
        }
        uint32_t edges = b->edges;
        sobj__retire(b, blob_unref_cb, sobj__cell_bytes(c));
        if (edges != 0)
            sobj__retire_soon();
    } else if (sobj_is_object(c)) {
        sobj__retire(sobj_to_object(c), sobj__object_unref_cb, sobj__cell_bytes(c));
        sobj__retire_soon();
    }
}

enum sobj_status sobj__cells_add_slow(sobj_cell a, sobj_cell b, sobj_cell *sum)
{
    if (!(sobj_is_int(a) || sobj_is_float(a)) || !(sobj_is_int(b) || sobj_is_float(b)))
        return SOBJ_BAD_OPERAND;
    /* An int beyond 2^53 may have no exact double; the host knows what to do then. */
    int64_t limit = (int64_t)1 << 53;
    if ((sobj_is_int(a) && llabs(sobj_to_int(a)) > limit) ||
        (sobj_is_int(b) && llabs(sobj_to_int(b)) > limit))
        return SOBJ_BAD_OPERAND;
    double x = sobj_is_int(a) ? (double)sobj_to_int(a) : sobj_to_float(a);
    double y = sobj_is_int(b) ? (double)sobj_to_int(b) : sobj_to_float(b);
    *sum = sobj_from_float(x + y);
    return *sum != 0 ? SOBJ_OK : SOBJ_OVERFLOW;
}

void sobj_out_ref(struct sobj_out *out) { sobj_cell_ref(out->cell); }

bool sobj_cell_same(sobj_cell a, sobj_cell b)
{
    if (a == b)
        return true;
    if (!sobj_is_blob(a) || !sobj_is_blob(b))
        return false;
    struct sobj_blob *x = sobj_to_blob(a), *y = sobj_to_blob(b);
    return ((x->info ^ y->info) & ~SOBJ_BLOB_IMMORTAL) == 0 && x->edges == y->edges &&
           memcmp(x->data, y->data, sobj_blob_size(x)) == 0 &&
           memcmp(sobj_blob_edges(x), sobj_blob_edges(y), x->edges * sizeof(void *)) ==
               0;
}
