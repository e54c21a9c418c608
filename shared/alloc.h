/* SPDX-License-Identifier: MIT */
/* L1: counted allocation with fault injection. All memory of the core comes from here
 * (malloc, or the system for large tables), never from an interpreter's allocator: it
 * must outlive every interpreter and be freed by any thread.
 *
 * The caller names the counter and gives the size again when freeing, so that a block
 * carries no header. `sobj_count` reads the counters; after each test they balance.
 */
#ifndef SOBJ_ALLOC_H
#define SOBJ_ALLOC_H

#include "base.h"
#include "sharedobj/runtime.h"
#include "thread.h"

/* Returns: `size` bytes aligned to 16, or NULL. */
void *sobj__alloc(enum sobj_counter counter, size_t size);
void *sobj__alloc_zeroed(enum sobj_counter counter, size_t size);
/* The same, aligned to the cache line. */
void *sobj__alloc_aligned(enum sobj_counter counter, size_t size);
/* Makes a block of the first kind larger or smaller, and one that another counter counts.
 * Returns: where it is now; NULL on no memory, and the block is as it was. */
void *sobj__realloc(enum sobj_counter from, enum sobj_counter to, void *p,
                    size_t old_size, size_t size);
/* Frees a block of any of them; NULL is allowed. */
void sobj__free(enum sobj_counter counter, void *p, size_t size);

/* Zeroed, cache-line aligned, from the system in whole units of 2 MiB when it is at
 * least one. Freed by the twin below, with the same size. */
void *sobj__alloc_table(size_t size);
void sobj__free_table(void *p, size_t size);

/* Zeroed pages that nothing else lies on (sobj__os_seal); freed by the twin. */
void *sobj__alloc_pages(enum sobj_counter counter, size_t size);
void sobj__free_pages(enum sobj_counter counter, void *p, size_t size);

/* ---- small blocks: what is made and freed all the time, blobs and nodes. A thread keeps
 * some of what it has freed (struct sobj__pool) and hands it out again. Class c has blocks
 * of 16 c + 8 bytes, which is what malloc would round to anyway. */
SOBJ_INLINE unsigned sobj__class_of(size_t size) { return (unsigned)((size + 7) >> 4); }
SOBJ_INLINE size_t sobj__class_size(unsigned class) { return 16 * (size_t)class + 8; }

void *sobj__alloc_small_slow(enum sobj_counter counter, size_t size);
void sobj__free_small_slow(enum sobj_counter counter, void *p, size_t size);

SOBJ_INLINE void *sobj__alloc_small(enum sobj_counter counter, size_t size)
{
    struct sobj__thread *self = sobj__thread_tls;
    unsigned class = sobj__class_of(size);
    void *p;

    if (SOBJ_UNLIKELY(self == NULL || size > SOBJ__POOL_LARGEST ||
                      self->pool.blocks[class] == NULL || self->fail_after >= 0))
        return sobj__alloc_small_slow(counter, size);
    p = self->pool.blocks[class];
    self->pool.blocks[class] = *(void **)p;
    self->pool.bytes -= sobj__class_size(class);
    sobj__count_in(self, counter, 1);
    sobj__count_in(self, SOBJ_COUNT_BYTES, (int64_t)size);
    return p;
}

SOBJ_INLINE void sobj__pool_put(struct sobj__thread *self, enum sobj_counter counter,
                                void *p, size_t size)
{
    unsigned class = sobj__class_of(size);

    *(void **)p = self->pool.blocks[class];
    self->pool.blocks[class] = p;
    self->pool.bytes += sobj__class_size(class);
    sobj__count_in(self, counter, -1);
    sobj__count_in(self, SOBJ_COUNT_BYTES, -(int64_t)size);
}

/* `p` is not NULL. */
SOBJ_INLINE void sobj__free_small(enum sobj_counter counter, void *p, size_t size)
{
    struct sobj__thread *self = sobj__thread_tls;

    if (SOBJ_UNLIKELY(self == NULL || size > SOBJ__POOL_LARGEST ||
                      self->pool.bytes + size > SOBJ__POOL_BYTES))
        sobj__free_small_slow(counter, p, size);
    else
        sobj__pool_put(self, counter, p, size);
}

#endif
