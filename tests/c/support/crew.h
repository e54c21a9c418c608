/* SPDX-License-Identifier: MIT */
/* Threads for tests: a crew runs one function on all its members, which start together,
 * meet at barriers, and draw repeatable random numbers.
 *
 *     static void work(struct member *m)
 *     {
 *         struct thing *shared = m->shared;
 *         while (crew_running(m))
 *             ... rng_below(&m->rng, 10) ...
 *     }
 *     crew_run(4, seed, milliseconds, work, &thing);
 *
 * What a member does within a round depends on its number and the seed only, not on the
 * time; only the number of rounds of a time-boxed loop does.
 */
#ifndef SUPPORT_CREW_H
#define SUPPORT_CREW_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"

/* ---- repeatable random numbers (splitmix64 of G. Steele et al., 2014) */
struct rng {
    uint64_t state;
};
static inline struct rng rng_seed(uint64_t seed)
{
    return (struct rng){seed * 0x9e3779b97f4a7c15u + 1};
}
static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
/* Returns: a number from 0 to n - 1. */
static inline uint64_t rng_below(struct rng *r, uint64_t n) { return rng_next(r) % n; }

/* ---- crews */
struct crew;

struct member {
    SOBJ_ALIGNED unsigned index; /* members do not share cache lines */
    unsigned count;              /* size of the crew */
    struct rng rng;
    void *shared;
    struct crew *crew;
    uint32_t looks; /* how often crew_running was asked */
};

/* Runs `work` on `count` threads at once and waits for all of them. `milliseconds` is
 * what crew_running goes by; 0 if the work ends by itself. The core's own random
 * numbers, which the yields are drawn from, are seeded as well. */
void crew_run(unsigned count, uint64_t seed, unsigned milliseconds,
              void (*work)(struct member *m), void *shared);
/* Returns: false when the time is up, or somebody has called crew_stop; but true when a
 * member first asks, so that each has a turn, however late it came to run. */
bool crew_running(struct member *m);
void crew_stop(struct member *m);
/* Waits for all members, which must all come. */
void crew_meet(struct member *m);

/* ---- yield injection: see shared/atomic.h. Needs: no other threads. */
static inline void yield_every(unsigned period) { sobj__yield_period = period; }

/* ---- arguments of a torture program: THREADS SECONDS SEED, all optional */
struct torture {
    unsigned threads;
    unsigned milliseconds;
    uint64_t seed;
};
/* Prints them, so that a failure can be repeated; seconds may be a fraction. */
struct torture torture_begin(int argc, char **argv, unsigned threads);
/* Crews one after the other, each for an eighth of the time and every other one with
 * yields of that period, until the time is over or a check fails. Reports one test. */
void torture_crews(const struct torture *t, unsigned yields,
                   void (*work)(struct member *m), void *shared);

#endif
