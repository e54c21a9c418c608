/* SPDX-License-Identifier: MIT */
/* L1: what the core keeps per thread.
 *
 * A record is made at a thread's first use of the core and goes with the thread (a
 * pthread key's destructor flushes and unlinks it). The owner writes it without any
 * read-modify-write; others only read the counters.
 *
 * When a record cannot be allocated, `sobj__thread_self` returns NULL: counters then go
 * to the shared ones in `struct sobj__threads`, and retiring waits instead of batching.
 */
#ifndef SOBJ_THREAD_H
#define SOBJ_THREAD_H

#include <pthread.h>

#include "atomic.h"
#include "sharedobj/runtime.h"

struct sobj__retired {
    void *p;
    void (*free)(void *p);
};

/* Pointers that wait for a grace period. Owner thread only. */
struct sobj__batch {
    struct sobj__retired *items;
    uint32_t count, capacity;
    size_t bytes;
    unsigned scale; /* the limits are this power of two of the usual ones */
    bool due;       /* a limit is reached: flush at the end of the section */
    bool running;   /* inside the flush: what is retired now goes to the next round */
};

struct sobj__passenger; /* flight.h */
/* Blocks that were freed and may be used again, by size; alloc.c. A batch of retired
 * blobs comes back at once and then lasts for as many new ones, so the pool may be as
 * large as a batch. Owner thread only; not counted as live.
 *
 * AddressSanitizer is to see each block end, so there nothing is kept. */
#if defined(__SANITIZE_ADDRESS__)
#define SOBJ__POOL_BYTES ((size_t)0)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SOBJ__POOL_BYTES ((size_t)0)
#endif
#endif
#ifndef SOBJ__POOL_BYTES
#define SOBJ__POOL_BYTES ((size_t)256 << 10)
#endif
#define SOBJ__POOL_LARGEST ((size_t)512)
#define SOBJ__POOL_CLASSES 33u
struct sobj__pool {
    void *blocks[SOBJ__POOL_CLASSES]; /* linked through their first words */
    size_t bytes;
    unsigned turn; /* the class that had to make room last */
};

struct sobj__thread {
    /* atomic, written by the owner */
    _Atomic(int64_t) counts[SOBJ_COUNTERS];
    /* owner thread only */
    struct sobj_thread known; /* `serial` is const */
    int64_t fail_after;       /* fault injection: < 0 is off */
    uint64_t random;          /* xorshift state */
    struct sobj__batch batch;
    struct sobj__pool pool;
    /* guarded by sobj__flights.lock */
    struct sobj__passenger *waits; /* for a flight of another thread; or NULL */
    /* guarded by sobj__threads.lock */
    struct sobj__thread *next, *prev;
};

/* Process-wide; the instance lives in runtime.c. */
struct sobj__threads {
    pthread_mutex_t lock;
    pthread_key_t key;
    /* Called first when a thread ends: for what it holds in higher layers. Const. */
    void (*leaves)(struct sobj__thread *t);
    struct sobj__thread *head;                /* guarded by lock */
    uint64_t serials;                         /* given out; guarded by lock */
    _Atomic(int64_t) departed[SOBJ_COUNTERS]; /* of threads that have ended */
};
extern struct sobj__threads sobj__threads;

extern _Thread_local struct sobj__thread *sobj__thread_tls;
struct sobj__thread *sobj__thread_make(void);

SOBJ_INLINE struct sobj__thread *sobj__thread_self(void)
{
    struct sobj__thread *self = sobj__thread_tls;

    return SOBJ_LIKELY(self != NULL) ? self : sobj__thread_make();
}

/* Adds to a counter of `self`, which is this thread's record. */
SOBJ_INLINE void sobj__count_in(struct sobj__thread *self, enum sobj_counter counter,
                                int64_t n)
{
    /* Relaxed load and store: only the owner writes. */
    sobj_store_relaxed(&self->counts[counter],
                       sobj_load_relaxed(&self->counts[counter]) + n);
}

/* Adds to one of this thread's counters. */
SOBJ_INLINE void sobj__count(enum sobj_counter counter, int64_t n)
{
    struct sobj__thread *self = sobj__thread_self();

    if (SOBJ_UNLIKELY(self == NULL)) {
        /* Relaxed: a sum that nobody orders anything by. */
        sobj_add_relaxed(&sobj__threads.departed[counter], n);
        return;
    }
    sobj__count_in(self, counter, n);
}

/* Frees what a thread keeps for further use. Needs: the thread itself, or nobody. */
void sobj__pool_drain(struct sobj__thread *self);

/* A cheap pseudo-random number; not for secrets. */
uint64_t sobj__thread_random(void);

enum sobj_status sobj__threads_init(void);
void sobj__threads_fork_prepare(void);
void sobj__threads_fork_parent(void);
/* Takes over what the vanished threads had retired. */
void sobj__threads_fork_child(void);

#endif
