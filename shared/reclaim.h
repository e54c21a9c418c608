/* SPDX-License-Identifier: MIT */
/* L1: safe memory reclamation, and the fork gate.
 *
 * Readers run inside read sections; memory that was unlinked from a shared structure is
 * retired and freed after a grace period, that is, when every section that was running
 * at the time has ended. The sections are those of liburcu's "bulletproof" flavour
 * (M. Desnoyers et al., "User-Level Implementations of Read-Copy Update", IEEE TPDS
 * 2012): it registers threads by itself and survives fork and the death of a thread.
 *
 * There is no helper thread. Each thread collects what it retires in a batch; the
 * thread that fills one (4096 pointers or 256 KiB; more while readers are slow) runs the
 * grace period itself at the end of its section, with the host's lock released. So
 * retired memory is bounded per thread, however long a reader is descheduled.
 *
 * What may happen in a section: loads, stores, atomic operations, malloc and free.
 * What may not: waiting for anything, system calls that wait, code of the host that can
 * run Python. A write section is a read section that first passes the fork gate; all
 * that changes shared memory in more than one step runs in one. While the gate is
 * closed no write section is running anywhere, so a fork copies no operation half done.
 *
 *   R1  A pointer loaded (acquire) from a shared structure inside a section may be
 *       followed until the section ends.
 *   R2  retire() is called after the pointer was unlinked from every place where a new
 *       section could find it, by exactly one thread.
 *   R3  Write sections do not nest, and a read section may not open a write section:
 *       the gate could otherwise wait for itself.
 */
#ifndef SOBJ_RECLAIM_H
#define SOBJ_RECLAIM_H

#include <urcu-bp.h>

#include "atomic.h"
#include "thread.h"

/* The fork gate: 0 open, 1 closed. The instance lives in runtime.c. */
extern _Atomic(uint32_t) sobj__fork_gate;
extern struct sobj_hooks sobj__hooks;

/* The limits of a batch. A grace period that had to wait for a descheduled reader takes
 * milliseconds (liburcu then sleeps 10 at a time) instead of microseconds; as long as
 * that happens the limits double, up to 16 times, so that the wait is shared by more. */
#define SOBJ__BATCH_ITEMS 4096u
#define SOBJ__BATCH_BYTES ((size_t)256 << 10)
#define SOBJ__BATCH_SCALE_MAX 4u

SOBJ_INLINE uint32_t sobj__batch_items(const struct sobj__batch *b)
{
    return SOBJ__BATCH_ITEMS << b->scale;
}
SOBJ_INLINE size_t sobj__batch_bytes(const struct sobj__batch *b)
{
    return SOBJ__BATCH_BYTES << b->scale;
}

/* ThreadSanitizer does not see liburcu's barriers; these tell it what a grace period
 * orders: everything before the end of a section happens before the free. The address
 * is one that no atomic store goes to: such a store would wipe out what was released
 * there before. */
#if defined(__SANITIZE_THREAD__)
#define SOBJ__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SOBJ__TSAN 1
#endif
#endif
#ifdef SOBJ__TSAN
void __tsan_acquire(void *);
void __tsan_release(void *);
#define SOBJ__TSAN_SECTION_END() __tsan_release(&sobj__hooks)
#define SOBJ__TSAN_GRACE_PERIOD_END() __tsan_acquire(&sobj__hooks)
#else
#define SOBJ__TSAN_SECTION_END() ((void)0)
#define SOBJ__TSAN_GRACE_PERIOD_END() ((void)0)
#endif

SOBJ_INLINE void sobj__read_begin(void) { urcu_bp_read_lock(); }

SOBJ_INLINE void sobj__read_end(void)
{
    SOBJ__TSAN_SECTION_END();
    urcu_bp_read_unlock();
}

/* Leaves the section, waits until the gate is open and returns in a section again. */
void sobj__fork_gate_pass(void);

/* Runs the due grace period. Needs: no section. Blocks: until it has passed, with the
 * host's lock released. */
void sobj__reclaim_run(struct sobj__thread *self);

SOBJ_INLINE void sobj__write_begin(void)
{
    sobj_assert_test(!urcu_bp_read_ongoing()); /* R3 */
    urcu_bp_read_lock();
    /* Relaxed: a fork closes the gate and then runs a grace period, which waits for
     * this section unless the section sees the closed gate. */
    if (SOBJ_UNLIKELY(sobj_load_relaxed(&sobj__fork_gate) != 0))
        sobj__fork_gate_pass();
}

/* The same for callers that must not wait, nor let go of the host's lock. Returns: false
 * if the gate is closed; then there is no section. */
SOBJ_INLINE bool sobj__write_try(void)
{
    sobj_assert_test(!urcu_bp_read_ongoing()); /* R3 */
    urcu_bp_read_lock();
    if (SOBJ_LIKELY(sobj_load_relaxed(&sobj__fork_gate) == 0)) /* Relaxed: as above. */
        return true;
    sobj__read_end();
    return false;
}

SOBJ_INLINE void sobj__write_end(void)
{
    struct sobj__thread *self;

    sobj__read_end();
    self = sobj__thread_tls;
    if (SOBJ_UNLIKELY(self != NULL && self->batch.due))
        sobj__reclaim_run(self);
}

/* The same for a section in which nothing was retired: then no batch became due in it. */
SOBJ_INLINE void sobj__write_end_clean(void) { sobj__read_end(); }

/* Waits until every section that is running now has ended. Needs: no section, and the
 * host's lock let go of, if it may take long. */
void sobj__grace_period(void);

/* Frees `p` by `free_fn(p)` after a grace period. `bytes` is its size, for the limit.
 * Needs: a write section, or a free function that a flush has called; the child of a
 * fork takes over the batches of vanished threads and relies on finding them whole.
 * Never fails. When the batch cannot grow for want of memory, the call waits for a grace
 * period itself; inside a section, where it must not, `p` is leaked. */
void sobj__retire_slow(void *p, void (*free_fn)(void *p), size_t bytes);
SOBJ_INLINE void sobj__batch_put(struct sobj__batch *b, void *p,
                                 void (*free_fn)(void *p), size_t bytes)
{
    b->items[b->count++] = (struct sobj__retired){p, free_fn};
    b->bytes += bytes;
    if (SOBJ_UNLIKELY(b->count >= sobj__batch_items(b) ||
                      b->bytes >= sobj__batch_bytes(b)))
        b->due = true;
}
SOBJ_INLINE void sobj__retire(void *p, void (*free_fn)(void *p), size_t bytes)
{
    struct sobj__thread *self = sobj__thread_tls;

    if (SOBJ_UNLIKELY(self == NULL || self->batch.count == self->batch.capacity))
        sobj__retire_slow(p, free_fn, bytes);
    else
        sobj__batch_put(&self->batch, p, free_fn, bytes);
}

/* How many cores are alive whose end others wait for (object.h); the instance lives in
 * runtime.c. */
extern _Atomic(uint32_t) sobj__awaited;

/* After a retire of what may hold the last reference to such a core: as long as there is
 * one the batch is freed at the end of the section, not when it is full. */
SOBJ_INLINE void sobj__retire_soon(void)
{
    struct sobj__thread *self = sobj__thread_tls;

    /* Relaxed: whoever has stored a reference to the core has counted it before, and this
     * thread has found what that reference lay in. */
    if (SOBJ_UNLIKELY(sobj_load_relaxed(&sobj__awaited) != 0) && self != NULL)
        self->batch.due = true;
}

/* Returns: whether this thread has retired something that it has not begun to free, and
 * the last of it, which may still be changed to mean more of the same. Needs: as
 * retire(). */
SOBJ_INLINE bool sobj__retired_last(struct sobj__retired **last)
{
    struct sobj__thread *self = sobj__thread_tls;

    if (SOBJ_UNLIKELY(self == NULL || self->batch.count == 0))
        return false;
    *last = &self->batch.items[self->batch.count - 1];
    return true;
}

/* Frees all that this thread has retired. Needs: no section. Blocks: as above. */
void sobj__reclaim_flush(void);

/* Closes the gate and waits until no write section runs; opens it. Only the fork
 * handlers of runtime.c call them. */
void sobj__fork_gate_close(void);
void sobj__fork_gate_open(void);

#endif
