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

void sobj__free(enum sobj_counter counter, void *p, size_t size)
{
    if (p == NULL)
        return;
    sobj__count(counter, -1);
    sobj__count(SOBJ_COUNT_BYTES, -(int64_t)size);
    free(p);
}

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
