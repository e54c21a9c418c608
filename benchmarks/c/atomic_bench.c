/* SPDX-License-Identifier: MIT */
/* AtomicInt's addition against what else it could be, each one a function of its own that
 * is called as a caller of the library calls it:
 *
 *   fetch_add   one locked addition; wraps, so it is the floor and no candidate
 *   cas         the checked compare-and-swap loop in one word, and the look whether
 *               anybody waits, in another cache line
 *   one_line    the same, with all of it in one cache line
 *   look_first  two words as in shared/atomic_int.c, but instead of a flag elsewhere it
 *               looks at the narrow word before it adds to that (the fast path only)
 *   core        sobj_atomic_int_add
 *   core_wide   the same, with a value that is beyond the unchecked additions
 *
 * usage: atomic_bench [MILLISECONDS [THREADS ...]]; default: 20, and 1 2 8.
 * Prints nanoseconds for one addition of all threads together (that is, the time of the
 * run divided by the number of additions), the median of many short runs, on one number
 * that all threads share; below, the median of the ratios to `cas` of the same round.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "object.h"
#include "sharedobj/atomic_int.h"

#define THREADS_MAX 256
#define ROUNDS 51
#define NARROW_SAFE ((uint64_t)1 << 61)
#define NARROW_LIMIT ((uint64_t)1 << 62)

/* What the candidates that are no core add to. */
struct one_line {
    struct sobj_object head;
    sobj_word value;
};
struct two_lines {
    struct sobj_object head;
    SOBJ_ALIGNED sobj_word value;
};

static struct {
    SOBJ_ALIGNED struct one_line one;
    SOBJ_ALIGNED struct two_lines two;
    SOBJ_ALIGNED _Atomic(bool) stop;
} shared;

typedef enum sobj_status (*adder)(struct sobj_object *obj, int64_t n, int64_t *sum);

static enum sobj_status add_fetch(struct sobj_object *obj, int64_t n, int64_t *sum)
{
    struct two_lines *a = (struct two_lines *)(void *)obj;

    *sum = (int64_t)(sobj_word_add_full(&a->value, (uint64_t)n) + (uint64_t)n);
    return SOBJ_OK;
}

/* Adds to `word`, then looks at the mode word. */
SOBJ_INLINE enum sobj_status add_cas(struct sobj_object *obj, sobj_word *word,
                                     int64_t n, int64_t *sum)
{
    /* Acquire, Full: the orders of the core. */
    int64_t seen = (int64_t)sobj_word_load_acquire(word), old;

    do {
        old = seen;
        if (__builtin_add_overflow(old, n, sum))
            return SOBJ_OVERFLOW;
        seen = (int64_t)sobj_word_cas_full(word, (uint64_t)old, (uint64_t)*sum);
    } while (seen != old);
    return sobj__mode(obj) == 0 ? SOBJ_OK : SOBJ_CLOSING;
}

static enum sobj_status add_cas_two_lines(struct sobj_object *obj, int64_t n,
                                          int64_t *sum)
{
    return add_cas(obj, &((struct two_lines *)(void *)obj)->value, n, sum);
}

static enum sobj_status add_cas_one_line(struct sobj_object *obj, int64_t n,
                                         int64_t *sum)
{
    return add_cas(obj, &((struct one_line *)(void *)obj)->value, n, sum);
}

static enum sobj_status add_look_first(struct sobj_object *obj, int64_t n, int64_t *sum)
{
    struct two_lines *a = (struct two_lines *)(void *)obj;
    /* Acquire, Full: the orders of the core. */
    uint64_t old = sobj_word_load_acquire(&a->value);

    if (old + NARROW_SAFE >= 2 * NARROW_SAFE || n >= (int64_t)1 << 38)
        return SOBJ_OVERFLOW;
    old = sobj_word_add_full(&a->value, (uint64_t)n);
    if (old + NARROW_LIMIT >= 2 * NARROW_LIMIT)
        return SOBJ_OVERFLOW;
    *sum = (int64_t)(old + (uint64_t)n);
    return sobj__mode(obj) == 0 ? SOBJ_OK : SOBJ_CLOSING;
}

static struct {
    const char *name;
    adder add;
    struct sobj_object *obj;
} candidates[] = {
    {"cas", add_cas_two_lines, &shared.two.head},
    {"one_line", add_cas_one_line, &shared.one.head},
    {"look_first", add_look_first, &shared.two.head},
    {"core", sobj_atomic_int_add, NULL},
    {"core_wide", sobj_atomic_int_add, NULL},
    {"fetch_add", add_fetch, &shared.two.head},
};
enum { CAS, CORE = 3, CORE_WIDE, CANDIDATES = sizeof candidates / sizeof *candidates };

struct job {
    SOBJ_ALIGNED adder add;
    struct sobj_object *obj;
    uint64_t additions;
    pthread_barrier_t *start;
};

static void *job_main(void *arg)
{
    struct job *job = arg;
    adder add = job->add;
    struct sobj_object *obj = job->obj;
    uint64_t n = 0;
    int64_t sum;

    pthread_barrier_wait(job->start);
    /* Relaxed: the end is seen some time. */
    while (!sobj_load_relaxed(&shared.stop)) {
        for (int i = 0; i < 64; i++) {
            if (add(obj, 1, &sum) != SOBJ_OK)
                abort();
        }
        n += 64;
    }
    job->additions = n;
    return NULL;
}

static double measure(int candidate, unsigned threads, int64_t milliseconds)
{
    static struct job jobs[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    pthread_barrier_t start;
    uint64_t total = 0;

    /* SeqCst: no other thread is there. */
    sobj_store_seq_cst(&shared.stop, false);
    pthread_barrier_init(&start, NULL, threads + 1);
    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = (struct job){candidates[candidate].add, candidates[candidate].obj, 0,
                               &start};
        if (pthread_create(&ids[i], NULL, job_main, &jobs[i]) != 0)
            abort();
    }
    pthread_barrier_wait(&start);
    int64_t begin = sobj_clock();
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&pause, NULL);
    /* Relaxed: as above. */
    sobj_store_relaxed(&shared.stop, true);
    int64_t end = sobj_clock();
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        total += jobs[i].additions;
    }
    pthread_barrier_destroy(&start);
    return (double)(end - begin) / (double)total;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *numbers)
{
    qsort(numbers, ROUNDS, sizeof *numbers, by_size);
    return numbers[ROUNDS / 2];
}

static void compare(unsigned threads, int64_t milliseconds)
{
    double times[CANDIDATES][ROUNDS], ratios[CANDIDATES][ROUNDS];

    /* By turns, so that a disturbance meets all of them. */
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CANDIDATES; i++) {
            int c = (i + round) % CANDIDATES;
            times[c][round] = measure(c, threads, milliseconds);
        }
        for (int c = 0; c < CANDIDATES; c++)
            ratios[c][round] = times[c][round] / times[CAS][round];
    }
    printf("%7u", threads);
    for (int c = 0; c < CANDIDATES; c++)
        printf(" %11.1f", median(times[c]));
    printf("\n  ratio");
    for (int c = 0; c < CANDIDATES; c++)
        printf(" %11.2f", median(ratios[c]));
    printf("\n");
}

int main(int argc, char **argv)
{
    int64_t milliseconds = argc > 1 ? strtol(argv[1], NULL, 10) : 20;

    if (sobj_runtime_init(NULL) != SOBJ_OK || milliseconds <= 0 ||
        sobj_atomic_int_new(0, &candidates[CORE].obj) != SOBJ_OK ||
        sobj_atomic_int_new(INT64_MIN, &candidates[CORE_WIDE].obj) != SOBJ_OK)
        return 1;
    printf("# nanoseconds for one addition, median of %d runs of %lld ms\nthreads",
           ROUNDS, (long long)milliseconds);
    for (int c = 0; c < CANDIDATES; c++)
        printf(" %11s", candidates[c].name);
    printf("\n");
    if (argc <= 2) {
        compare(1, milliseconds);
        compare(2, milliseconds);
        compare(8, milliseconds);
    }
    for (int i = 2; i < argc; i++) {
        unsigned threads = (unsigned)strtoul(argv[i], NULL, 10);
        if (threads == 0 || threads > THREADS_MAX)
            return 2;
        compare(threads, milliseconds);
    }
    sobj_unref(candidates[CORE].obj);
    sobj_unref(candidates[CORE_WIDE].obj);
    return 0;
}
