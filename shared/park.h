/* SPDX-License-Identifier: MIT */
/* L1: locks of nanoseconds, and waiting. The only unit that puts a thread to sleep
 * (besides the fork gate and grace periods of reclaim.c).
 *
 * Waiting, for one list:
 *
 *     struct sobj__parker parker;  struct sobj__waiter waiter;
 *     status = sobj__parker_init(&parker, domain);          CLOSING: do not wait
 *     sobj__wait_enter(list, &waiter, &parker);             now a wake-up can find us
 *     if (!condition()) status = sobj__park(&parker, deadline);
 *     woken = sobj__wait_leave(&waiter);
 *     sobj__parker_fini(&parker);
 *     if (woken) either look at the condition once more, which uses the wake-up, or
 *         sobj__wake_one(list);                             pass it on (P2)
 *
 * and for several lists (select) the same with one parker and a waiter for each.
 *
 *   P1  No lost wake-up: the waiter is counted (seq_cst) before it looks at the
 *       condition again; the waker changes the condition before it looks at the count
 *       (seq_cst fence). One of the two sees the other (Dekker).
 *   P2  A wake-up goes to exactly one parker, first come first served. Whoever gets one
 *       looks at the condition after that, or passes the wake-up on; also a waiter that
 *       found the condition true before it was woken, since what it was woken for came
 *       later. Who looks in vain does not pass it on: two waiters would hand it to each
 *       other for ever.
 *   P3  A waker touches parker and waiter only under the list's lock, and every waiter
 *       takes that lock to leave; so they may live on the waiting thread's stack.
 *   P4  Locks here are taken inside write sections only: a fork copies none of them
 *       locked. In the child the lists are emptied.
 */
#ifndef SOBJ_PARK_H
#define SOBJ_PARK_H

#include "atomic.h"
#include "sharedobj/runtime.h"

/* ---- A lock for critical sections of some nanoseconds: spins, then sleeps in the
 * kernel if its holder was descheduled. (U. Drepper, "Futexes Are Tricky", mutex 2.)
 *   0 free | 1 held | 2 held, somebody sleeps */
struct sobj__lock {
    _Atomic(uint32_t) state;
};
void sobj__lock_slow(struct sobj__lock *lock);
void sobj__unlock_slow(struct sobj__lock *lock);

SOBJ_INLINE void sobj__lock_acquire(struct sobj__lock *lock)
{
    uint32_t expected = 0;

    /* Acquire: pairs with the release in the previous holder's unlock. */
    if (SOBJ_UNLIKELY(!sobj_cas_acq_rel(&lock->state, &expected, 1)))
        sobj__lock_slow(lock);
}

SOBJ_INLINE void sobj__lock_release(struct sobj__lock *lock)
{
    /* Release: publishes what the lock guards to the next holder. */
    if (SOBJ_UNLIKELY(sobj_swap_acq_rel(&lock->state, 0) == 2))
        sobj__unlock_slow(lock);
}

/* ---- Parkers and wait lists */
enum sobj__parked {
    SOBJ__WAITING = 0,
    SOBJ__NOTIFIED, /* a waker chose this one */
    SOBJ__ENDING,   /* its domain is closing */
};

/* One sleeping thread. */
struct sobj__parker {
    _Atomic(uint32_t) state; /* enum sobj__parked; leaves WAITING once, by CAS */
    struct sobj_domain *domain;
    struct sobj__parker *next, *prev; /* guarded by domain->lock */
};

struct sobj__waitlist;

/* Its place in one list. Guarded by list->lock. */
struct sobj__waiter {
    struct sobj__parker *parker;
    struct sobj__waitlist *list;
    struct sobj__waiter *next, *prev;
    bool linked;   /* still in the list */
    bool notified; /* taken out by a waker that chose this parker */
};

struct sobj__waitlist {
    _Atomic(uint32_t) count;   /* waiters linked and notifiers armed; read by wakers
                              * without the lock (P1) */
    _Atomic(uint32_t) spin_ns; /* adaptive; see sobj__spin_begin */
    struct sobj__lock lock;
    bool noted; /* const: a struct sobj__notes comes right behind this list */
    _Atomic(uint16_t)
        waker; /* the processor (sobj__os_cpu) of the last waker; a hint */
    struct sobj__waiter *head, *tail; /* guarded by lock */
};

/* Returns: OK, or CLOSING: the domain takes no more waits. `domain` may be NULL. */
enum sobj_status sobj__parker_init(struct sobj__parker *parker,
                                   struct sobj_domain *domain);
void sobj__parker_fini(struct sobj__parker *parker);

/* Links `waiter` at the end of `list`. */
void sobj__wait_enter(struct sobj__waitlist *list, struct sobj__waiter *waiter,
                      struct sobj__parker *parker);
/* Unlinks it. Returns: true if a wake-up of this list was spent on it. */
bool sobj__wait_leave(struct sobj__waiter *waiter);

/* Sleeps until notified.
 * Returns: OK (notified), TIMEOUT, INTERRUPTED, CLOSING.
 * Blocks: yes; Needs: no section, and the host's lock let go of by the caller. */
enum sobj_status sobj__park(struct sobj__parker *parker, int64_t deadline);

/* The slow halves of the wakers below. */
void sobj__wake_slow(struct sobj__waitlist *list, bool all);

/* Wake the longest waiting, or every, waiter. Needs: the condition was changed before,
 * and no write section (R3). One fence and one load when nobody waits. */
SOBJ_INLINE void sobj__wake_one(struct sobj__waitlist *list)
{
    /* SeqCst: between the change of the condition and the look at the count (P1). */
    sobj_fence_seq_cst();
    /* Relaxed: ordered by the fence; pairs with the seq_cst add in wait_enter. */
    if (SOBJ_UNLIKELY(sobj_load_relaxed(&list->count) != 0))
        sobj__wake_slow(list, false);
}

/* Wakes the `n` longest waiting, or all if they are fewer. */
SOBJ_INLINE void sobj__wake_some(struct sobj__waitlist *list, uint32_t n)
{
    /* SeqCst and Relaxed: as in wake_one (P1). */
    sobj_fence_seq_cst();
    for (; SOBJ_UNLIKELY(n != 0 && sobj_load_relaxed(&list->count) != 0); n--)
        sobj__wake_slow(list, false);
}

SOBJ_INLINE void sobj__wake_all(struct sobj__waitlist *list)
{
    /* SeqCst and Relaxed: as in wake_one (P1). */
    sobj_fence_seq_cst();
    if (SOBJ_UNLIKELY(sobj_load_relaxed(&list->count) != 0))
        sobj__wake_slow(list, true);
}

/* Of notify.c: raises all that are armed (needs: the lock); in the child of a fork, gives
 * all of them descriptors of its own. */
void sobj__notifiers_raise_locked(struct sobj__waitlist *list);
void sobj__notifiers_renew(struct sobj__waitlist *list);

void sobj__waitlist_init(struct sobj__waitlist *list);
/* Forgets all waiters: for the fork child, where their threads are gone. Notifiers stay,
 * with descriptors of the child's own. */
void sobj__waitlist_reset(struct sobj__waitlist *list);

/* ---- Wake-ups for lists of another shape (dict_watch.c, flight.c): parkers are chosen
 * under that unit's lock, to which P3 then applies, and woken after it. */
#define SOBJ__WAKES 32u
struct sobj__wakes {
    uint32_t count;
    _Atomic(uint32_t) *words[SOBJ__WAKES]; /* only names by the time they are woken */
};

SOBJ_INLINE bool sobj__wakes_full(const struct sobj__wakes *w)
{
    return w->count == SOBJ__WAKES;
}
/* Notifies a parker, unless that has been done or its domain closes: then it is awake
 * already. Needs: the lock, and room in `w`. */
void sobj__wakes_add(struct sobj__wakes *w, struct sobj__parker *parker);
/* Wakes those that were added and empties the batch. Needs: no lock, no section. */
void sobj__wakes_run(struct sobj__wakes *w);

/* ---- Adaptive spinning before a sleep, with the host's lock released:
 *
 *     struct sobj__spin spin = sobj__spin_begin(list);
 *     do { if (condition()) {...} } while (sobj__spin_again(&spin));
 *     sobj__spin_end(list, &spin, succeeded);
 *
 * How long depends on whether spinning paid off lately on this list; not at all on one
 * processor, be it the only one of the machine or of the two threads that meet here. */
struct sobj__spin {
    int64_t until; /* point of sobj__now; 0: do not spin */
    uint32_t round;
};
struct sobj__spin sobj__spin_begin(struct sobj__waitlist *list);
bool sobj__spin_again(struct sobj__spin *spin);
void sobj__spin_end(struct sobj__waitlist *list, struct sobj__spin *spin, bool success);

/* ---- Domains (contract in runtime.h) */
struct sobj_domain {
    int64_t id; /* const after init */
    struct sobj__lock lock;
    bool closing;                    /* guarded by lock */
    struct sobj__parker *parkers;    /* guarded by lock */
    struct sobj_domain *next, *prev; /* guarded by sobj__domains.lock */
};

/* Process-wide list of domains; the instance lives in runtime.c. */
struct sobj__domains {
    struct sobj__lock lock;
    struct sobj_domain *head; /* guarded by lock */
    int cpus;                 /* const after init */
};
extern struct sobj__domains sobj__domains;

/* Unlinks and frees a closed domain. */
void sobj__domain_dispose(struct sobj_domain *domain);
/* In the fork child: no thread waits any more. */
void sobj__domains_fork_child(void);

#endif
