/* SPDX-License-Identifier: MIT */
/* AtomicInts for tests: any operation as data, for threads that are stopped on the way
 * (pause.h) and for recorded histories.
 *
 *     struct int_job j = {.a = a, .kind = INT_ADD, .x = 5};
 *     pause_at(&p, "atomic_int.add", 0, int_job_run, &j);
 *     ...
 *     expect(int_job_agrees(&j, 7), "...");            as if it had begun with 7
 *
 *     struct int_history r;
 *     int_history_init(&r, threads);
 *     while (...)
 *         verdict = int_history_round(&r, seed++);
 *     int_history_fini(&r);
 */
#ifndef SUPPORT_INTS_H
#define SUPPORT_INTS_H

#include "history.h"
#include "models.h"
#include "sharedobj/atomic_int.h"

/* What shared/atomic_int.c calls NEAR and STEP. */
#define INT_NEAR ((int64_t)1 << 61)
#define INT_STEP ((int64_t)1 << 38)

/* Returns: a new AtomicInt; that there is none is a failure of the test. */
struct sobj_object *new_int(int64_t value);
/* Returns: whether anybody waits for a change. */
bool watched(const struct sobj_object *a);

/* ---- one operation, with the arguments and results of models.h */
struct int_job {
    struct sobj_object *a;
    enum int_kind kind;
    int64_t x, y;
    int64_t result[2];
};
/* `job` is a struct int_job. */
void int_job_run(void *job);
/* Returns: whether the operation, done on the value `before`, gives what this one has
 * given, and leaves what the AtomicInt now holds. */
bool int_job_agrees(const struct int_job *job, int64_t before);

/* ---- histories of all operations, with numbers around both limits and around the edges
 * where the core begins to do things in another way. A number that has left the first
 * word never comes back: each round has so many new ones, with so many operations of
 * each thread on each of them. */
#define INT_HISTORY_INTS 16
#define INT_HISTORY_OPS 10

struct int_history {
    struct history h;
    struct sobj_object *ints[INT_HISTORY_INTS];
};

void int_history_init(struct int_history *r, unsigned threads);
void int_history_fini(struct int_history *r);
/* Records what a crew does, and checks it. A violation is printed. */
enum verdict int_history_round(struct int_history *r, uint64_t seed);

#endif
