/* SPDX-License-Identifier: MIT */
/* AtomicInt's addition against what else it could be:
 *
 *   fetch_add   one locked addition; wraps, so it is the floor and no candidate
 *   cas         the checked compare-and-swap loop, inlined
 *   two_words   the fast path of the sticky two-word scheme: look whether the narrow
 *               word is far from its limits, fetch-and-add, look whether the addition
 *               counted (else the value lives in a second word, which is not measured)
 *   core        sobj_atomic_int_add, as a caller of the library has it
 *
 * usage: atomic_bench [MILLISECONDS [THREADS ...]]; default: 200, and 1 2 8.
 * Prints nanoseconds for one addition of all threads together (that is, the time of the
 * run divided by the number of additions), the median of five runs, on one number that
 * all threads share.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "atomic.h"
#include "sharedobj/atomic_int.h"

#define THREADS_MAX 256
#define RUNS 5
#define NARROW_SAFE ((int64_t)1 << 61)
#define NARROW_LIMIT ((int64_t)1 << 62)

static struct {
    SOBJ_ALIGNED _Atomic(int64_t) number;
    SOBJ_ALIGNED _Atomic(bool) stop;
    struct sobj_object *core;
} shared;

typedef int64_t (*adder)(int64_t n);

static int64_t add_fetch(int64_t n) { return sobj_add_seq_cst(&shared.number, n) + n; }

static int64_t add_cas(int64_t n)
{
    /* Acquire, SeqCst: the orders of the real one. */
    int64_t old = sobj_load_acquire(&shared.number), sum;

    do {
        if (__builtin_add_overflow(old, n, &sum))
            abort();
    } while (!sobj_cas_seq_cst(&shared.number, &old, sum));
    return sum;
}

static int64_t add_two_words(int64_t n)
{
    /* Relaxed: a look ahead; the addition itself decides. */
    int64_t old = sobj_load_relaxed(&shared.number);

    if (old >= NARROW_SAFE || old <= -NARROW_SAFE || n >= (int64_t)1 << 38)
        abort();
    old = sobj_add_seq_cst(&shared.number, n);
    if (old >= NARROW_LIMIT || old <= -NARROW_LIMIT)
        abort();
    return old + n;
}

static int64_t add_core(int64_t n)
{
    int64_t sum = 0;

    if (sobj_atomic_int_add(shared.core, n, &sum) != SOBJ_OK)
        abort();
    return sum;
}

struct job {
    SOBJ_ALIGNED adder add;
    uint64_t additions;
    pthread_barrier_t *start;
};

static void *job_main(void *arg)
{
    struct job *job = arg;
    adder add = job->add;
    uint64_t n = 0;

    pthread_barrier_wait(job->start);
    /* Relaxed: the end is seen some time. */
    while (!sobj_load_relaxed(&shared.stop)) {
        for (int i = 0; i < 64; i++)
            add(1);
        n += 64;
    }
    job->additions = n;
    return NULL;
}

static double measure(adder add, unsigned threads, int64_t milliseconds)
{
    static struct job jobs[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    pthread_barrier_t start;
    uint64_t total = 0;

    /* SeqCst: no other thread is there. */
    sobj_store_seq_cst(&shared.stop, false);
    sobj_store_seq_cst(&shared.number, 0);
    sobj_atomic_int_set(shared.core, 0);
    pthread_barrier_init(&start, NULL, threads + 1);
    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = (struct job){add, 0, &start};
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

static const struct {
    const char *name;
    adder add;
} candidates[] = {
    {"fetch_add", add_fetch},
    {"cas", add_cas},
    {"two_words", add_two_words},
    {"core", add_core},
};
#define CANDIDATES (sizeof candidates / sizeof *candidates)

static void compare(unsigned threads, int64_t milliseconds)
{
    double times[CANDIDATES][RUNS];

    /* By turns, so that a disturbance meets all of them. */
    for (int run = 0; run < RUNS; run++) {
        for (size_t c = 0; c < CANDIDATES; c++)
            times[c][run] = measure(candidates[c].add, threads, milliseconds);
    }
    printf("%7u", threads);
    for (size_t c = 0; c < CANDIDATES; c++) {
        qsort(times[c], RUNS, sizeof times[c][0], by_size);
        printf(" %11.1f", times[c][RUNS / 2]);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    int64_t milliseconds = argc > 1 ? strtol(argv[1], NULL, 10) : 200;

    if (sobj_runtime_init(NULL) != SOBJ_OK ||
        sobj_atomic_int_new(0, &shared.core) != SOBJ_OK || milliseconds <= 0)
        return 1;
    printf("# nanoseconds for one addition, median of %d runs of %lld ms\nthreads",
           RUNS, (long long)milliseconds);
    for (size_t c = 0; c < CANDIDATES; c++)
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
    sobj_unref(shared.core);
    return 0;
}
