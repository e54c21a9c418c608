/* SPDX-License-Identifier: MIT */
/* How long writers are held back by snapshots: snapshot_bench [KEYS [WRITERS [SECONDS]]]
 *
 * Writers overwrite ints under random keys as fast as they can and note how long each
 * call took, by the clock on the wall; first by themselves, which shows what the system's
 * scheduler does to them anyway, then while one thread takes snapshots of all keys and
 * reads them, one after the other. Default: 10^6 keys, 1 writer, 3 seconds for each.
 * Link with the core compiled without SOBJ_TEST.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sharedobj/dict.h"

#define MAX_WRITERS 64
#define BUCKETS 32

struct bench {
    struct sobj_object *dict;
    uint64_t keys;
    int64_t until;
};

struct writer {
    struct bench *bench;
    uint64_t random, calls, sum;
    uint64_t took[BUCKETS]; /* calls of up to 2^i nanoseconds */
    int64_t longest;
};

static inline uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void set(struct bench *b, uint64_t n, int64_t value)
{
    uint64_t words[2] = {n, ~n};
    struct sobj_key key = {.kind = SOBJ_KEY_BYTES,
                           .hash = mix(n + 0x9e3779b97f4a7c15u),
                           .bytes = words,
                           .size = sizeof words};

    if (sobj_dict_set(b->dict, &key, sobj_from_int(value)) != SOBJ_OK)
        abort();
}

static void *write_all(void *context)
{
    struct writer *w = context;
    struct bench *b = w->bench;
    int64_t begin = sobj_clock(), end;

    do {
        w->random = mix(w->random + 0x9e3779b97f4a7c15u);
        set(b, w->random % b->keys, (int64_t)++w->calls);
        end = sobj_clock();
        int64_t took = end - begin;
        int bucket = took > 1 ? 64 - __builtin_clzll((uint64_t)took - 1) : 0;
        w->took[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
        w->longest = took > w->longest ? took : w->longest;
        begin = end;
    } while (end < b->until);
    return NULL;
}

struct total {
    uint64_t seen, entries;
};

static void take(const struct sobj_entry *entry, void *context)
{
    struct total *t = context;

    t->entries++;
    t->seen += entry->value;
}

/* Returns: how many snapshots were read; `*begin` and `*all` are the longest time it took
 * to begin one, and the sum of the times for all of them. */
static uint64_t take_snapshots(struct bench *b, int64_t *begin, int64_t *all)
{
    uint64_t count = 0;

    for (; sobj_clock() < b->until; count++) {
        struct sobj_dict_snapshot *s;
        struct total t = {0};
        int64_t start = sobj_clock(), begun;
        if (sobj_dict_snapshot_begin(b->dict, &s) != SOBJ_OK)
            abort();
        begun = sobj_clock() - start;
        *begin = begun > *begin ? begun : *begin;
        while (sobj_dict_snapshot_next(s, take, &t) == SOBJ_OK)
            continue;
        sobj_dict_snapshot_end(s);
        *all += sobj_clock() - start;
        if (t.entries != b->keys)
            abort();
    }
    return count;
}

static void report(const char *name, struct writer *w, int writers)
{
    struct writer sum = {0};

    for (int i = 0; i < writers; i++) {
        sum.calls += w[i].calls;
        for (int k = 0; k < BUCKETS; k++)
            sum.took[k] += w[i].took[k];
        sum.longest = w[i].longest > sum.longest ? w[i].longest : sum.longest;
    }
    printf("%s: %llu calls, longest %.1f us\n", name, (unsigned long long)sum.calls,
           (double)sum.longest / 1e3);
    for (int k = 0; k < BUCKETS; k++)
        if (sum.took[k] != 0 && k >= 10)
            printf("  up to %10.1f us %12llu\n", (double)((uint64_t)1 << k) / 1e3,
                   (unsigned long long)sum.took[k]);
}

static void run(struct bench *b, int writers, double seconds, bool snapshots)
{
    static struct writer w[MAX_WRITERS];
    pthread_t threads[MAX_WRITERS];
    int64_t begin = 0, all = 0;
    uint64_t count = 0;

    memset(w, 0, sizeof w);
    b->until = sobj_clock() + (int64_t)(seconds * 1e9);
    for (int i = 0; i < writers; i++) {
        w[i] = (struct writer){.bench = b, .random = (uint64_t)i + 1};
        if (pthread_create(&threads[i], NULL, write_all, &w[i]) != 0)
            abort();
    }
    if (snapshots)
        count = take_snapshots(b, &begin, &all);
    for (int i = 0; i < writers; i++)
        pthread_join(threads[i], NULL);
    report(snapshots ? "with snapshots" : "alone", w, writers);
    if (count != 0)
        printf("  %llu snapshots, begun in at most %.1f us, read in %.1f ms\n",
               (unsigned long long)count, (double)begin / 1e3,
               (double)all / (double)count / 1e6);
}

int main(int argc, char **argv)
{
    struct bench b = {.keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000};
    int writers = argc > 2 ? atoi(argv[2]) : 1;
    double seconds = argc > 3 ? atof(argv[3]) : 3;

    if (writers < 1 || writers > MAX_WRITERS || b.keys == 0 ||
        sobj_runtime_init(NULL) != SOBJ_OK || sobj_dict_new(b.keys, &b.dict) != SOBJ_OK)
        abort();
    for (uint64_t n = 0; n < b.keys; n++)
        set(&b, n, 0);
    printf("%llu keys, writers: %d\n", (unsigned long long)b.keys, writers);
    run(&b, writers, seconds, false);
    run(&b, writers, seconds, true);
    return 0;
}
