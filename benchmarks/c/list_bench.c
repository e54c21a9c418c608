/* SPDX-License-Identifier: MIT */
/* What the list costs without a host: list_bench [--quick] [THREADS ...]
 *
 *   push get (in order, at random, from the end) set increment iterate pop, 10^6 items
 *   (10^4 if it is to be quick) and as many threads as each argument says (default: 1
 *   and 2), which all use one list, for
 *
 *   list    sobj_list
 *   mutex   an array that doubles, under a pthread mutex
 *   plain   the same array without it, by one thread
 *
 * and, by one thread, what closes the gate: insert(0), pop(0) and snapshots, on lists of
 * 10, 10^3 and 10^5 items, beside memmove and memcpy in the array.
 *
 * Nanoseconds are processor time of an operation, which other load on the machine
 * disturbs least; waiting does not count. The best of three rounds. Link with the core
 * compiled without SOBJ_TEST.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sharedobj/list.h"

#define MAX_THREADS 64
#define ROUNDS 3

enum which { LIST, MUTEX, PLAIN, CONTESTANTS };
static const char *const names[CONTESTANTS] = {"list", "mutex", "plain"};

enum what { PUSH, GET, RANDOM, LAST, SET, INCREMENT, ITERATE, POP, OPERATIONS };
static const char *const operations[OPERATIONS] = {
    "push", "get",       "get at random", "get the last",
    "set",  "increment", "iterate",       "pop"};

struct array {
    uint64_t *items;
    size_t len, capacity;
    pthread_mutex_t mutex;
};

struct table {
    struct sobj_object *list;
    struct array array;
};

static int64_t cpu_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

static void must(bool done)
{
    if (!done)
        abort();
}

/* ---- one operation of each; `w` is a constant where these are inlined */

#define CONSTANT static inline __attribute__((always_inline))

CONSTANT void lock(const enum which w, struct array *a)
{
    if (w == MUTEX)
        pthread_mutex_lock(&a->mutex);
}
CONSTANT void unlock(const enum which w, struct array *a)
{
    if (w == MUTEX)
        pthread_mutex_unlock(&a->mutex);
}

CONSTANT void push(const enum which w, struct table *t, uint64_t v)
{
    struct array *a = &t->array;

    if (w == LIST) {
        must(sobj_list_push(t->list, v, NULL) == SOBJ_OK);
        return;
    }
    lock(w, a);
    if (a->len == a->capacity) {
        a->capacity = a->capacity != 0 ? a->capacity * 2 : 8;
        a->items = realloc(a->items, a->capacity * sizeof *a->items);
        must(a->items != NULL);
    }
    a->items[a->len++] = v;
    unlock(w, a);
}

CONSTANT uint64_t get(const enum which w, struct table *t, int64_t i)
{
    struct array *a = &t->array;
    struct sobj_out out;
    uint64_t v = 0;

    if (w == LIST) {
        must(sobj_list_get(t->list, i, &out) == SOBJ_OK);
        return out.cell;
    }
    lock(w, a);
    size_t at = i < 0 ? a->len - (size_t)-i : (size_t)i;
    if (at < a->len)
        v = a->items[at];
    unlock(w, a);
    return v;
}

CONSTANT void set(const enum which w, struct table *t, int64_t i, uint64_t v)
{
    struct array *a = &t->array;

    if (w == LIST) {
        must(sobj_list_set(t->list, i, v) == SOBJ_OK);
        return;
    }
    lock(w, a);
    if ((size_t)i < a->len)
        a->items[i] = v;
    unlock(w, a);
}

CONSTANT void increment(const enum which w, struct table *t, int64_t i)
{
    struct array *a = &t->array;
    sobj_cell sum;

    if (w == LIST) {
        must(sobj_list_increment(t->list, i, sobj_from_int(1), &sum) == SOBJ_OK);
        return;
    }
    lock(w, a);
    if ((size_t)i < a->len)
        a->items[i] += 8;
    unlock(w, a);
}

CONSTANT void pop(const enum which w, struct table *t)
{
    struct array *a = &t->array;
    struct sobj_out out;

    if (w == LIST) {
        must(sobj_list_pop(t->list, -1, &out) == SOBJ_OK);
        return;
    }
    lock(w, a);
    a->len--;
    unlock(w, a);
}

#define AT_ONCE 50
CONSTANT uint64_t iterate(const enum which w, struct table *t, size_t n)
{
    struct sobj_out outs[AT_ONCE];
    uint64_t sum = 0;

    if (w == LIST) {
        for (size_t i = 0, got; i < n; i += got) {
            got = sobj_list_get_many(t->list, i, AT_ONCE, outs);
            for (size_t k = 0; k < got; k++)
                sum += outs[k].cell;
        }
        return sum;
    }
    for (size_t i = 0; i < n; i++)
        sum += get(w, t, (int64_t)i);
    return sum;
}

/* ---- a thread's part */

struct part {
    pthread_t thread;
    pthread_barrier_t *start;
    struct table *t;
    enum which w;
    enum what what;
    size_t n, len; /* operations; items there are */
    uint64_t random, sum;
    int64_t took;
};

CONSTANT void operate(const enum which w, struct part *p)
{
    uint64_t mask = p->len - 1, x = p->random;

    switch (p->what) {
    case PUSH:
        for (size_t i = 0; i < p->n; i++)
            push(w, p->t, sobj_from_int((int64_t)i));
        break;
    case GET:
        for (size_t i = 0; i < p->n; i++)
            p->sum += get(w, p->t, (int64_t)(i & mask));
        break;
    case RANDOM:
        for (size_t i = 0; i < p->n; i++) {
            x = x * 0x5851f42d4c957f2du + 1;
            p->sum += get(w, p->t, (int64_t)(x >> 32 & mask));
        }
        break;
    case LAST:
        for (size_t i = 0; i < p->n; i++)
            p->sum += get(w, p->t, -1);
        break;
    case SET:
        for (size_t i = 0; i < p->n; i++)
            set(w, p->t, (int64_t)(i & mask), sobj_from_int((int64_t)i + 1));
        break;
    case INCREMENT:
        for (size_t i = 0; i < p->n; i++)
            increment(w, p->t, (int64_t)(i & mask));
        break;
    case ITERATE:
        p->sum += iterate(w, p->t, p->n);
        break;
    default:
        for (size_t i = 0; i < p->n; i++)
            pop(w, p->t);
    }
}

static void *part_main(void *arg)
{
    struct part *p = arg;

    pthread_barrier_wait(p->start);
    int64_t begin = cpu_now();
    switch (p->w) {
    case LIST:
        operate(LIST, p);
        break;
    case MUTEX:
        operate(MUTEX, p);
        break;
    default:
        operate(PLAIN, p);
    }
    p->took = cpu_now() - begin;
    return NULL;
}

/* Returns: nanoseconds of one operation. `n` is a power of two; each thread does its
 * share of `n` pushes and pops, and `n` of all others. */
static double run(struct table *t, enum which w, enum what what, size_t n,
                  unsigned threads)
{
    static struct part parts[MAX_THREADS];
    pthread_barrier_t start;
    int64_t took = 0;
    size_t share = what == PUSH || what == POP ? n / threads : n;

    pthread_barrier_init(&start, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        parts[i] = (struct part){.start = &start,
                                 .t = t,
                                 .w = w,
                                 .what = what,
                                 .n = share,
                                 .len = n / threads * threads,
                                 .random = i + 1};
        must(pthread_create(&parts[i].thread, NULL, part_main, &parts[i]) == 0);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(parts[i].thread, NULL);
        took += parts[i].took;
    }
    pthread_barrier_destroy(&start);
    return (double)took / (double)(share * threads);
}

static void compare(size_t n, unsigned threads)
{
    double best[CONTESTANTS][OPERATIONS];

    for (int w = 0; w < CONTESTANTS; w++)
        for (int o = 0; o < OPERATIONS; o++)
            best[w][o] = 1e9;
    for (int round = 0; round < ROUNDS; round++)
        for (int w = 0; w < CONTESTANTS; w++) {
            struct table t = {.array = {.mutex = PTHREAD_MUTEX_INITIALIZER}};
            if (w == PLAIN && threads != 1)
                continue;
            must(sobj_list_new(0, &t.list) == SOBJ_OK);
            for (int o = 0; o < OPERATIONS; o++) {
                double ns = run(&t, (enum which)w, (enum what)o, n, threads);
                if (ns < best[w][o])
                    best[w][o] = ns;
            }
            free(t.array.items);
            sobj_unref(t.list);
        }
    printf("\n%zu items, %u thread%s, ns\n%-14s", n, threads, threads == 1 ? "" : "s",
           "");
    for (int w = 0; w < CONTESTANTS; w++)
        printf("%8s", names[w]);
    for (int o = 0; o < OPERATIONS; o++) {
        printf("\n%-14s", operations[o]);
        for (int w = 0; w < CONTESTANTS; w++)
            if (best[w][o] < 1e9)
                printf("%8.1f", best[w][o]);
    }
    printf("\n");
}

/* ---- what closes the gate */

static void closing(size_t n, size_t rounds)
{
    struct sobj_object *l;
    uint64_t *items = malloc((n + 1) * sizeof *items);
    uint64_t *other = malloc((n + 1) * sizeof *other);
    int64_t took[6], begin;
    volatile uint64_t sink;

    must(items != NULL && other != NULL && sobj_list_new(n, &l) == SOBJ_OK);
    for (size_t i = 0; i < n; i++) {
        items[i] = sobj_from_int((int64_t)i);
        must(sobj_list_push(l, items[i], NULL) == SOBJ_OK);
    }
    begin = cpu_now();
    for (size_t i = 0; i < rounds; i++)
        must(sobj_list_insert(l, 0, items[0]) == SOBJ_OK);
    took[0] = cpu_now() - begin;
    begin = cpu_now();
    for (size_t i = 0; i < rounds; i++)
        must(sobj_list_pop(l, 0, NULL) == SOBJ_OK);
    took[1] = cpu_now() - begin;
    begin = cpu_now();
    for (size_t i = 0; i < rounds; i++) {
        struct sobj_list_copy copy;
        must(sobj_list_copy_init(&copy, l, NULL) == SOBJ_OK);
        sobj_list_copy_fini(&copy);
    }
    took[2] = cpu_now() - begin;
    begin = cpu_now();
    for (size_t i = 0; i < rounds; i++) {
        memmove(items + 1, items, n * sizeof *items);
        sink = items[n];
        items[0] = i;
    }
    took[3] = cpu_now() - begin;
    begin = cpu_now();
    for (size_t i = 0; i < rounds; i++) {
        memmove(items, items + 1, n * sizeof *items);
        sink = items[n / 2];
    }
    took[4] = cpu_now() - begin;
    begin = cpu_now();
    for (size_t i = 0; i < rounds; i++) {
        items[n / 2] = i;
        memcpy(other, items, n * sizeof *items);
        sink = other[n / 2];
    }
    took[5] = cpu_now() - begin;
    (void)sink;
    printf("%8zu items: insert(0) %9.0f (%.0f)   pop(0) %9.0f (%.0f)   "
           "snapshot %9.0f (%.0f)\n",
           n, (double)took[0] / (double)rounds, (double)took[3] / (double)rounds,
           (double)took[1] / (double)rounds, (double)took[4] / (double)rounds,
           (double)took[2] / (double)rounds, (double)took[5] / (double)rounds);
    free(items);
    free(other);
    sobj_unref(l);
}

int main(int argc, char **argv)
{
    bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    size_t n = quick ? (size_t)1 << 14 : (size_t)1 << 20;

    must(sobj_runtime_init(NULL) == SOBJ_OK);
    for (int i = 1 + quick; i < argc; i++)
        compare(n, (unsigned)strtoul(argv[i], NULL, 10) % (MAX_THREADS + 1));
    if (argc == 1 + quick) {
        compare(n, 1);
        compare(n, 2);
    }
    printf("\nwith the gate closed, ns (in brackets: an array)\n");
    closing(10, quick ? 100 : 2000);
    closing(1000, quick ? 100 : 2000);
    closing(100000, quick ? 10 : 100);
    return 0;
}
