/* SPDX-License-Identifier: MIT */
/* L0: attributes, cache line, assertions. Included by every file of the core. */
#ifndef SOBJ_BASE_H
#define SOBJ_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOBJ_LIKELY(x) __builtin_expect(!!(x), 1)
#define SOBJ_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define SOBJ_NOINLINE __attribute__((noinline))
#define SOBJ_INLINE static inline __attribute__((always_inline))

/* Words that different threads write sit this far apart. */
#if defined(__APPLE__) && defined(__aarch64__)
#define SOBJ_CACHE_LINE 128
#else
#define SOBJ_CACHE_LINE 64
#endif
#define SOBJ_ALIGNED _Alignas(SOBJ_CACHE_LINE)

/* Three tiers: `sobj_assert` is on unless NDEBUG; `sobj_assert_test` only in builds
 * with SOBJ_TEST, where it may cost as much as the operation it checks. Conditions that
 * a caller can cause are not asserted but answered with a status. */
#define sobj_assert(cond) assert(cond)
#ifdef SOBJ_TEST
#define sobj_assert_test(cond) assert(cond)
#else
#define sobj_assert_test(cond) ((void)0)
#endif

#define sobj_container_of(ptr, type, member)                                           \
    ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

_Static_assert(sizeof(void *) == 8, "sharedobj needs a 64-bit platform");

#endif
