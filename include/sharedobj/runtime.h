/* SPDX-License-Identifier: MIT */
/* The runtime: start, what it asks of its host, domains, fork, figures.
 *
 * There is one runtime per process. It has no thread of its own and is never torn down:
 * its memory outlives every host (interpreter) and goes with the process.
 */
#ifndef SHAREDOBJ_RUNTIME_H
#define SHAREDOBJ_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sharedobj/status.h"

/* What a host with a global lock gives the core: `detach` lets go of that lock if this
 * thread holds it and returns a token (NULL: it did not), `attach` takes it back.
 * The core calls them only around a wait of its own (a grace period, a fork in another
 * thread), never inside a read section and never with a lock held. */
struct sobj_hooks {
    void *(*detach)(void);
    void (*attach)(void *token);
    /* Not 0: a thread that sleeps keeps references which it would drop if it ran. Then a
     * wait for a channel with ends (channel_end.h) is INTERRUPTED after so many
     * nanoseconds. */
    int64_t turn;
};

/* Starts the runtime, the first call; later calls change nothing. `hooks` may be NULL
 * and is copied. Returns: OK, NO_MEMORY, OS_ERROR. */
enum sobj_status sobj_runtime_init(const struct sobj_hooks *hooks);

/* 128 random bits that name this process; a fork child gets new ones. */
void sobj_process_nonce(uint64_t nonce[2]);

/* Drops the tickets whose lease has ended, then waits for a grace period and frees what
 * this thread has retired.
 * Blocks: until every read section that is running now has ended. */
void sobj_collect(void);

/* Monotonic time in nanoseconds; deadlines are points of it. */
int64_t sobj_clock(void);
#define SOBJ_FOREVER INT64_MAX

/* ---- Domains: what the core knows of an interpreter.
 * A domain owns nothing that is shared; it names who waits, so that closing it wakes
 * exactly its own threads, and who holds tickets and pins, so that they can be swept. */
struct sobj_domain;

/* Returns: a new domain, or NULL on no memory. `id` is the host's number for it. */
struct sobj_domain *sobj_domain_new(int64_t id);
int64_t sobj_domain_id(const struct sobj_domain *domain);
/* Wakes every thread that waits in this domain; their waits, and all later ones, end
 * with CLOSING. Idempotent. */
void sobj_domain_close(struct sobj_domain *domain);
/* Closes it, drops its tickets and pins and lets its flights fail (dict_wait.h), but
 * leaves its memory to threads that still wait in it. */
void sobj_domain_abandon(struct sobj_domain *domain);
/* The same, and frees it. Needs: no thread waits in it. */
void sobj_domain_free(struct sobj_domain *domain);

/* ---- Threads: what a host may want to know of the one that calls. */
struct sobj_thread {
    uint64_t serial; /* names the thread; never 0, never used again */
    uint32_t count;  /* the host's, for what it likes */
};
/* Returns: of this thread, as long as it runs; NULL on no memory. */
struct sobj_thread *sobj_thread(void);
/* Returns: whether the thread of that serial has ended, or will call no function of the
 * core any more under this name. */
bool sobj_thread_ended(uint64_t serial);

/* ---- Figures: sums over all threads, exact when nothing is running. */
enum sobj_counter {
    SOBJ_COUNT_OBJECTS,  /* live cores */
    SOBJ_COUNT_BLOBS,    /* live blobs */
    SOBJ_COUNT_NODES,    /* live dict nodes */
    SOBJ_COUNT_BLOCKS,   /* other allocations: tables, segments, rings, tickets */
    SOBJ_COUNT_IMMORTAL, /* allocations for immortal objects; never fewer */
    SOBJ_COUNT_BYTES,    /* bytes in all of them, as asked for */
    SOBJ_COUNTERS
};
int64_t sobj_count(enum sobj_counter counter);

/* ---- Faults, for tests: the `after`-th allocation of this thread from now on fails
 * (0: the next one), once. Returns: how many allocations were still to come when the
 * previous setting was replaced; a negative number: it was never set or has failed. */
int64_t sobj_fail_allocation(int64_t after);

#endif
