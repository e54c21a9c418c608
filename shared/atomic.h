/* SPDX-License-Identifier: MIT */
/* L0: the atomics vocabulary. The order is in the name, so that it can be searched for.
 *
 * Two families, never both on one variable:
 *
 *   sobj_word   an integer kept in libatomic_ops' AO_t: reference words, AtomicInt,
 *               lengths and positions. Header-only use of the library's MIT part.
 *   _Atomic(T)  C11, for words that need exchange, fetch-or or pointer types: slots,
 *               cells, mode words, flags. Through the sobj_* macros below.
 *
 * Every access outside this file says in a comment on or just above its line which
 * order it takes and what it pairs with.
 */
#ifndef SOBJ_ATOMIC_H
#define SOBJ_ATOMIC_H

#include <atomic_ops.h>
#include <sched.h>
#include <stdatomic.h>

#include "base.h"

/* ---- testing */

/* Yield injection. In builds with SOBJ_TEST every compare-and-swap and every ordered
 * fetch-and-add of a word gives the processor away once in `sobj__yield_period` times,
 * at random, which makes the windows between two atomic steps wide enough to be hit on
 * two cores. 0 turns it off; in all other builds the macro is nothing. */
#ifdef SOBJ_TEST
extern unsigned sobj__yield_period;
void sobj__yield_maybe(void);
#define SOBJ_YIELD() sobj__yield_maybe()
#else
#define SOBJ_YIELD() ((void)0)
#endif

/* Pause points: named places between two atomic steps, where a test may stop one thread
 * and let others go on (tests/c/support/pause.h). Nothing in other builds. */
#ifdef SOBJ_TEST
extern void (*sobj__pause_hook)(const char *point);
#define SOBJ_PAUSE(point)                                                              \
    (SOBJ_UNLIKELY(sobj__pause_hook != NULL) ? sobj__pause_hook(point) : (void)0)
#else
#define SOBJ_PAUSE(point) ((void)0)
#endif

/* ---- C11 family */

#define sobj_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define sobj_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define sobj_load_seq_cst(p) atomic_load_explicit((p), memory_order_seq_cst)
#define sobj_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define sobj_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define sobj_store_seq_cst(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)

#define sobj_add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define sobj_add_acq_rel(p, v) atomic_fetch_add_explicit((p), (v), memory_order_acq_rel)
#define sobj_add_seq_cst(p, v) atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define sobj_sub_acq_rel(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)
#define sobj_sub_release(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_release)
#define sobj_sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define sobj_or_seq_cst(p, v) atomic_fetch_or_explicit((p), (v), memory_order_seq_cst)
#define sobj_or_release(p, v) atomic_fetch_or_explicit((p), (v), memory_order_release)
#define sobj_and_seq_cst(p, v) atomic_fetch_and_explicit((p), (v), memory_order_seq_cst)
#define sobj_swap_acq_rel(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define sobj_swap_seq_cst(p, v) atomic_exchange_explicit((p), (v), memory_order_seq_cst)

/* Strong compare-and-swap; on failure `*expected` holds what was there, read with
 * acquire, so that a pointer found that way may be followed. */
#define sobj_cas_acq_rel(p, expected, desired)                                         \
    (SOBJ_YIELD(), atomic_compare_exchange_strong_explicit((p), (expected), (desired), \
                                                           memory_order_acq_rel,       \
                                                           memory_order_acquire))
#define sobj_cas_seq_cst(p, expected, desired)                                         \
    (SOBJ_YIELD(), atomic_compare_exchange_strong_explicit((p), (expected), (desired), \
                                                           memory_order_seq_cst,       \
                                                           memory_order_seq_cst))

#define sobj_fence_seq_cst() atomic_thread_fence(memory_order_seq_cst)
#define sobj_fence_acquire() atomic_thread_fence(memory_order_acquire)

/* ---- libatomic_ops family */

typedef struct {
    volatile AO_t ao;
} sobj_word;

_Static_assert(sizeof(AO_t) == 8, "libatomic_ops must have 64-bit words");

SOBJ_INLINE void sobj_word_init(sobj_word *w, uint64_t v) { w->ao = (AO_t)v; }
SOBJ_INLINE uint64_t sobj_word_load(const sobj_word *w) { return AO_load(&w->ao); }
SOBJ_INLINE uint64_t sobj_word_load_acquire(const sobj_word *w)
{
    return AO_load_acquire(&w->ao);
}
/* Unlike an acquire, it does not pass a seq_cst store before it (arm64 has two loads,
 * of which acquire may be the weaker); the library has none such without a barrier. */
SOBJ_INLINE uint64_t sobj_word_load_seq_cst(const sobj_word *w)
{
    return __atomic_load_n(&w->ao, __ATOMIC_SEQ_CST);
}
/* "full": nothing moves across it in either direction. The library's own "full"
 * read-modify-writes are that on x86-64, where the lock prefix is a barrier; where it
 * uses the compiler's built-ins (arm64) they only acquire and release, and a later load
 * may pass the store; a barrier of our own follows there. */
#if defined(__x86_64__)
#define SOBJ__WORD_BARRIER() ((void)0)
#else
#define SOBJ__WORD_BARRIER() AO_nop_full()
#endif
SOBJ_INLINE void sobj_word_store_full(sobj_word *w, uint64_t v)
{
    AO_store_release(&w->ao, (AO_t)v);
    AO_nop_full();
}
SOBJ_INLINE uint64_t sobj_word_add_full(sobj_word *w, uint64_t v)
{
    SOBJ_YIELD();
    uint64_t old = AO_fetch_and_add_full(&w->ao, (AO_t)v);

    SOBJ__WORD_BARRIER();
    return old;
}
/* Unordered read-modify-write: for counts taken by somebody who holds one already. */
SOBJ_INLINE uint64_t sobj_word_add(sobj_word *w, uint64_t v)
{
    return AO_fetch_and_add(&w->ao, (AO_t)v);
}
/* Returns: what was there; the exchange happened if that equals `expected`. */
SOBJ_INLINE uint64_t sobj_word_cas_full(sobj_word *w, uint64_t expected,
                                        uint64_t desired)
{
    SOBJ_YIELD();
    uint64_t seen =
        AO_fetch_compare_and_swap_full(&w->ao, (AO_t)expected, (AO_t)desired);
    SOBJ__WORD_BARRIER();
    return seen;
}

/* ---- waiting */

/* Tells the processor that this is a spin-wait loop. */
SOBJ_INLINE void sobj_cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
