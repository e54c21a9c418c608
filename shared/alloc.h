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

/* Returns: `size` bytes aligned to 16, or NULL. */
void *sobj__alloc(enum sobj_counter counter, size_t size);
void *sobj__alloc_zeroed(enum sobj_counter counter, size_t size);
/* The same, aligned to the cache line. */
void *sobj__alloc_aligned(enum sobj_counter counter, size_t size);
/* Frees a block of any of them; NULL is allowed. */
void sobj__free(enum sobj_counter counter, void *p, size_t size);

/* Zeroed, cache-line aligned, from the system in whole units of 2 MiB when it is at
 * least one. Freed by the twin below, with the same size. */
void *sobj__alloc_table(size_t size);
void sobj__free_table(void *p, size_t size);

#endif
