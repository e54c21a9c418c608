/* SPDX-License-Identifier: MIT */
/* L1: counted allocation; see alloc.h. */
#include "alloc.h"

#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "thread.h"

/* Returns: true when this allocation must fail (once). */
static bool fault_due(void)
{
    struct sobj__thread *self = sobj__thread_self();

    return self != NULL && SOBJ_UNLIKELY(self->fail_after >= 0) &&
           self->fail_after-- == 0;
}

int64_t sobj_fail_allocation(int64_t after)
{
    struct sobj__thread *self = sobj__thread_self();

    if (self == NULL)
        return -1;
    int64_t left = self->fail_after;
    self->fail_after = after;
    return left;
}

static void *counted(enum sobj_counter counter, void *p, size_t size)
{
    if (p != NULL) {
        sobj__count(counter, 1);
        sobj__count(SOBJ_COUNT_BYTES, (int64_t)size);
    }
    return p;
}

void *sobj__alloc(enum sobj_counter counter, size_t size)
{
    return fault_due() ? NULL : counted(counter, malloc(size), size);
}

void *sobj__alloc_zeroed(enum sobj_counter counter, size_t size)
{
    return fault_due() ? NULL : counted(counter, calloc(1, size), size);
}

void *sobj__alloc_aligned(enum sobj_counter counter, size_t size)
{
    size_t whole = (size + SOBJ_CACHE_LINE - 1) & ~(size_t)(SOBJ_CACHE_LINE - 1);

    return fault_due() ? NULL
                       : counted(counter, aligned_alloc(SOBJ_CACHE_LINE, whole), size);
}

void *sobj__realloc(enum sobj_counter from, enum sobj_counter to, void *p,
                    size_t old_size, size_t size)
{
    void *moved = fault_due() ? NULL : realloc(p, size);

    if (moved != NULL) {
        sobj__count(from, -1);
        sobj__count(SOBJ_COUNT_BYTES, -(int64_t)old_size);
        counted(to, moved, size);
    }
    return moved;
}

void sobj__free(enum sobj_counter counter, void *p, size_t size)
{
    if (p == NULL)
        return;
    sobj__count(counter, -1);
    sobj__count(SOBJ_COUNT_BYTES, -(int64_t)size);
    free(p);
}

/* ---- small blocks */

SOBJ_NOINLINE void *sobj__alloc_small_slow(enum sobj_counter counter, size_t size)
{
    if (size > SOBJ__POOL_LARGEST)
        return sobj__alloc(counter, size);
    /* Also for a thread without a record: another one may keep the block in its pool. */
    void *p = fault_due() ? NULL : malloc(sobj__class_size(sobj__class_of(size)));
    return counted(counter, p, size);
}

/* Frees some blocks of other classes than `class`. Returns: false if there are none. */
static SOBJ_NOINLINE bool pool_shrink(struct sobj__pool *pool, unsigned class)
{
    for (unsigned i = 0; i < SOBJ__POOL_CLASSES; i++) {
        pool->turn = (pool->turn + 1) % SOBJ__POOL_CLASSES;
        if (pool->turn == class || pool->blocks[pool->turn] == NULL)
            continue;
        for (unsigned n = 0; n < 64 && pool->blocks[pool->turn] != NULL; n++) {
            void *p = pool->blocks[pool->turn];
            pool->blocks[pool->turn] = *(void **)p;
            pool->bytes -= sobj__class_size(pool->turn);
            free(p);
        }
        return true;
    }
    return false;
}

SOBJ_NOINLINE void sobj__free_small_slow(enum sobj_counter counter, void *p,
                                         size_t size)
{
    struct sobj__thread *self = sobj__thread_self();

    if (size > SOBJ__POOL_LARGEST || self == NULL) {
        sobj__free(counter, p, size);
        return;
    }
    while (self->pool.bytes + size > SOBJ__POOL_BYTES)
        if (!pool_shrink(&self->pool, sobj__class_of(size))) {
            sobj__free(counter, p, size);
            return;
        }
    sobj__pool_put(self, counter, p, size);
}

void sobj__pool_drain(struct sobj__thread *self)
{
    for (unsigned class = 0; class < SOBJ__POOL_CLASSES; class++) {
        void *p, *next;
        for (p = self->pool.blocks[class]; p != NULL; p = next) {
            next = *(void **)p;
            free(p);
        }
        self->pool.blocks[class] = NULL;
    }
    self->pool.bytes = 0;
}

/* ---- large blocks */

/* Returns: `size` rounded up to what the system maps. */
static size_t map_size(size_t size)
{
    return (size + SOBJ__MAP_UNIT - 1) & ~(SOBJ__MAP_UNIT - 1);
}

void *sobj__alloc_table(size_t size)
{
    if (size < SOBJ__MAP_UNIT) {
        void *p = sobj__alloc_aligned(SOBJ_COUNT_BLOCKS, size);
        if (p != NULL)
            memset(p, 0, size);
        return p;
    }
    /* Sizes near the end of the address space would wrap when rounded up. */
    if (size > PTRDIFF_MAX || fault_due())
        return NULL;
    return counted(SOBJ_COUNT_BLOCKS, sobj__os_map(map_size(size)), size);
}

void sobj__free_table(void *p, size_t size)
{
    if (p == NULL || size < SOBJ__MAP_UNIT) {
        sobj__free(SOBJ_COUNT_BLOCKS, p, size);
        return;
    }
    sobj__count(SOBJ_COUNT_BLOCKS, -1);
    sobj__count(SOBJ_COUNT_BYTES, -(int64_t)size);
    sobj__os_unmap(p, map_size(size));
}

void *sobj__alloc_pages(enum sobj_counter counter, size_t size)
{
    return fault_due() ? NULL : counted(counter, sobj__os_pages(size), size);
}

void sobj__free_pages(enum sobj_counter counter, void *p, size_t size)
{
    sobj__count(counter, -1);
    sobj__count(SOBJ_COUNT_BYTES, -(int64_t)size);
    sobj__os_unmap(p, size);
}
