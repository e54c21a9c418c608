/* SPDX-License-Identifier: MIT */
/* Counted allocation: figures, alignment, faults, small blocks, tables. */
#include "alloc.h"

#include <string.h>

#include "platform/platform.h"
#include "tap.h"

#define MIB ((size_t)1 << 20)

static bool zeroed(const unsigned char *p, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (p[i] != 0)
            return false;
    }
    return true;
}

static void test_figures(void)
{
    struct balance b = balance_begin();
    int64_t blobs = sobj_count(SOBJ_COUNT_BLOBS), bytes = sobj_count(SOBJ_COUNT_BYTES);
    void *p = sobj__alloc(SOBJ_COUNT_BLOBS, 40);
    void *q = sobj__alloc_aligned(SOBJ_COUNT_NODES, 100);

    ok(sobj_count(SOBJ_COUNT_BLOBS) == blobs + 1, "one more blob");
    ok(sobj_count(SOBJ_COUNT_BYTES) == bytes + 140, "bytes as asked for");
    ok((uintptr_t)q % SOBJ_CACHE_LINE == 0, "aligned to the cache line");
    memset(q, 1, 100);
    memset(p, 1, 40);
    sobj__free(SOBJ_COUNT_BLOBS, p, 40);
    sobj__free(SOBJ_COUNT_NODES, q, 100);
    sobj__free(SOBJ_COUNT_NODES, NULL, 100);
    p = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, 1000);
    ok(p != NULL && zeroed(p, 1000), "zeroed");
    sobj__free(SOBJ_COUNT_BLOCKS, p, 1000);
    balance_check(&b, "figures");
}

static void test_faults(void)
{
    struct balance b = balance_begin();
    void *p[3];

    ok(sobj_fail_allocation(1) < 0, "no fault was set");
    p[0] = sobj__alloc(SOBJ_COUNT_BLOCKS, 8);
    ok(p[0] != NULL, "the first allocation works");
    ok(sobj__alloc(SOBJ_COUNT_BLOCKS, 8) == NULL, "the second fails");
    p[1] = sobj__alloc(SOBJ_COUNT_BLOCKS, 8);
    ok(p[1] != NULL, "the third works: a fault happens once");
    ok(sobj_fail_allocation(5) < 0, "it has failed");
    p[2] = sobj__alloc(SOBJ_COUNT_BLOCKS, 8);
    ok(sobj_fail_allocation(-1) == 4, "four were still to come");
    for (int i = 0; i < 3; i++)
        sobj__free(SOBJ_COUNT_BLOCKS, p[i], 8);
    sobj_fail_allocation(0);
    ok(sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, 8) == NULL, "zeroed fails");
    sobj_fail_allocation(0);
    ok(sobj__alloc_aligned(SOBJ_COUNT_BLOCKS, 8) == NULL, "aligned fails");
    sobj_fail_allocation(0);
    ok(sobj__alloc_table(4 * MIB) == NULL, "large table fails");
    sobj_fail_allocation(0);
    ok(sobj__alloc_table(64) == NULL, "small table fails");
    balance_check(&b, "faults");
}

static void test_tables(void)
{
    static const size_t sizes[] = {
        64,          4096,        100 * 1000,      2 * MIB - 64,
        2 * MIB,     2 * MIB + 1, 3 * MIB + 12345, 4 * MIB,
        6 * MIB - 64};
    struct balance b = balance_begin();

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i];
        size_t align = size >= SOBJ__MAP_UNIT ? SOBJ__MAP_UNIT : SOBJ_CACHE_LINE;
        int64_t bytes = sobj_count(SOBJ_COUNT_BYTES);
        unsigned char *p = sobj__alloc_table(size);

        if (!ok(p != NULL && (uintptr_t)p % align == 0 && zeroed(p, size),
                "table of %zu bytes: aligned, zeroed", size))
            continue;
        expect(sobj_count(SOBJ_COUNT_BYTES) == bytes + (int64_t)size, "counted");
        memset(p, 0xff, size);
        sobj__free_table(p, size);
    }
    sobj__free_table(NULL, 64);
    sobj__free_table(NULL, 4 * MIB);
    ok(sobj__alloc_table(SIZE_MAX - 64) == NULL, "no table of the whole address space");
    ok(sobj__alloc_table(PTRDIFF_MAX) == NULL, "nor of half of it");
    balance_check(&b, "tables");
}

/* ---- small blocks */

#define MANY 20000

static size_t pooled(void) { return sobj__thread_tls->pool.bytes; }

static void test_small(void)
{
    struct balance b = balance_begin();
    int64_t blobs = sobj_count(SOBJ_COUNT_BLOBS), bytes = sobj_count(SOBJ_COUNT_BYTES);
    bool keeps = SOBJ__POOL_BYTES != 0;
    unsigned char *p[600];

    ok(pooled() == 0, "nothing is kept after a collection");
    for (size_t size = 8; size < 600; size++) {
        p[size] = sobj__alloc_small(SOBJ_COUNT_BLOBS, size);
        expect(p[size] != NULL && (uintptr_t)p[size] % 16 == 0, "aligned");
        memset(p[size], (int)size, size);
        bytes += (int64_t)size;
    }
    ok(sobj_count(SOBJ_COUNT_BLOBS) == blobs + 592 &&
           sobj_count(SOBJ_COUNT_BYTES) == bytes,
       "counted as asked for");
    for (size_t size = 8; size < 600; size++) {
        expect(p[size][0] == (unsigned char)size && p[size][size - 1] == p[size][0],
               "%zu bytes of its own", size);
        sobj__free_small(SOBJ_COUNT_BLOBS, p[size], size);
    }
    ok(!keeps || pooled() > 100 * 1000, "some of it is kept");
    void *again = sobj__alloc_small(SOBJ_COUNT_NODES, 300);
    ok(!keeps || again == p[312], "and comes again for one of about the size");
    sobj__free_small(SOBJ_COUNT_NODES, again, 300);
    sobj_fail_allocation(0);
    ok(sobj__alloc_small(SOBJ_COUNT_NODES, 300) == NULL, "a fault finds it, too");
    sobj_collect();
    ok(pooled() == 0, "a collection frees it");
    balance_check(&b, "small blocks");
}

/* Returns: the most that was kept while as many blocks were freed. */
static size_t free_many(size_t size)
{
    static void *p[MANY];
    size_t most = 0;

    for (int i = 0; i < MANY; i++)
        p[i] = sobj__alloc_small(SOBJ_COUNT_BLOBS, size);
    for (int i = 0; i < MANY; i++) {
        sobj__free_small(SOBJ_COUNT_BLOBS, p[i], size);
        if (pooled() > most)
            most = pooled();
    }
    return most;
}

static void test_small_limit(void)
{
    struct balance b = balance_begin();
    size_t limit = SOBJ__POOL_BYTES != 0 ? SOBJ__POOL_BYTES + 16 : 0;
    size_t first = free_many(24), second = free_many(500);

    ok(first <= limit && second <= limit, "%zu and %zu bytes are kept", first, second);
    ok(first * 10 >= limit * 9 && second * 10 >= limit * 9,
       "as many as may be, of the size that is used");
    void *p = sobj__thread_tls->pool.blocks[sobj__class_of(500)];
    void *q = sobj__alloc_small(SOBJ_COUNT_BLOBS, 500);
    ok(SOBJ__POOL_BYTES == 0 || p == q, "the last size has made room for itself");
    sobj__free_small(SOBJ_COUNT_BLOBS, q, 500);
    balance_check(&b, "the limit of small blocks");
}

static void two_blocks(void *context)
{
    void *p = sobj__alloc(SOBJ_COUNT_BLOCKS, 8);
    void *q = p != NULL ? sobj__alloc_table(4 * MIB) : NULL;

    *(int *)context += q != NULL;
    sobj__free_table(q, 4 * MIB);
    sobj__free(SOBJ_COUNT_BLOCKS, p, 8);
}

static void test_walker(void)
{
    int successes = 0;

    ok(fault_walk("two blocks", two_blocks, NULL, &successes) == 2,
       "the walker finds both");
    ok(successes == 1, "and gets through once");
}

int main(void)
{
    tap_begin();
    test_figures();
    test_faults();
    test_tables();
    test_small();
    test_small_limit();
    test_walker();
    return tap_end();
}
