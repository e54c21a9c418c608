/* SPDX-License-Identifier: MIT */
/* What the dict costs without a host: dict_bench [--quick] [THREADS ...]
 *
 *   insert hit miss overwrite delete iterate, 95/5 and 50/50 mixes of reads and
 *   overwrites, at 10^3 and (unless it is to be quick) 10^6 entries, by as many threads
 *   as each argument says (default: 1 and 2), for
 *
 *   dict    sobj_dict
 *   lfht    liburcu's lock-free hash table (cds_lfht, resizing by itself), which keeps
 *           no order
 *   plain   linear probing in one array by one thread: what the memory of this machine
 *           allows
 *
 * Keys are 16 bytes made from a number, so that the driver itself touches no memory;
 * values are ints; the order of access is random. Nanoseconds are processor time of an
 * operation, which other load on the machine disturbs least; waiting (for a grace
 * period, for a mutex) does not count. The best of three rounds, for insert and delete
 * one. Link with the core compiled without SOBJ_TEST and with liburcu-cds.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <urcu-bp.h>
#include <urcu/rculfhash.h>

#include "sharedobj/dict.h"

#define MAX_THREADS 64

/* ---- keys from numbers */

struct name {
    uint64_t words[2];
    uint64_t hash;
};

static inline uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline struct name name_of(uint64_t n)
{
    return (struct name){{n, ~n}, mix(n + 0x9e3779b97f4a7c15u)};
}

/* ---- the contestants, with one interface each */

enum which { DICT, LFHT, PLAIN, CONTESTANTS };
static const char *const names[CONTESTANTS] = {"dict", "lfht", "plain"};

struct lfht_entry {
    struct cds_lfht_node link;
    uint64_t value, hash;
    uint64_t words[2];
};
struct plain_slot {
    uint64_t hash, value;
    const uint64_t *words; /* NULL: empty; `gone`: deleted */
};

struct table {
    struct sobj_object *dict;
    struct cds_lfht *lfht;
    struct plain_slot *slots;
    uint64_t mask, used;
};
static const uint64_t gone[2];

static int lfht_match(struct cds_lfht_node *link, const void *key)
{
    const struct lfht_entry *e = (const struct lfht_entry *)(const void *)link;
    const struct name *k = key;

    return e->hash == k->hash && memcmp(e->words, k->words, 16) == 0;
}

static struct lfht_entry *lfht_find(struct table *t, const struct name *k)
{
    struct cds_lfht_iter it;

    cds_lfht_lookup(t->lfht, k->hash, lfht_match, k, &it);
    return (struct lfht_entry *)(void *)cds_lfht_iter_get_node(&it);
}

/* Returns: the slot of the key, or the empty one that ends its path. */
static struct plain_slot *plain_find(struct table *t, const struct name *k)
{
    uint64_t i = k->hash & t->mask;

    for (;; i = (i + 1) & t->mask) {
        struct plain_slot *s = &t->slots[i];
        if (s->words == NULL)
            return s;
        if (s->hash == k->hash && memcmp(s->words, k->words, 16) == 0)
            return s;
    }
}

static void plain_grow(struct table *t)
{
    struct plain_slot *old = t->slots;
    uint64_t old_mask = t->mask;

    t->mask = old != NULL ? old_mask * 2 + 1 : 7;
    t->slots = calloc(t->mask + 1, sizeof *t->slots);
    t->used = 0;
    for (uint64_t j = 0; old != NULL && j <= old_mask; j++) {
        if (old[j].words == NULL || old[j].words == gone)
            continue;
        struct name k = {{old[j].words[0], old[j].words[1]}, old[j].hash};
        *plain_find(t, &k) = old[j];
        t->used++;
    }
    free(old);
}

static void table_init(enum which w, struct table *t)
{
    memset(t, 0, sizeof *t);
    if (w == DICT && sobj_dict_new(0, &t->dict) != SOBJ_OK)
        abort();
    if (w == LFHT)
        t->lfht =
            cds_lfht_new_flavor(64, 64, 0, CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING,
                                &urcu_bp_flavor, NULL);
    if (w == PLAIN)
        plain_grow(t);
}

static struct sobj_key key_of(const struct name *k)
{
    return (struct sobj_key){
        .kind = SOBJ_KEY_BYTES, .hash = k->hash, .bytes = k->words, .size = 16};
}

static inline __attribute__((always_inline)) bool get(const enum which w,
                                                      struct table *t,
                                                      const struct name *k,
                                                      uint64_t *sum)
{
    if (w == DICT) {
        struct sobj_key key = key_of(k);
        struct sobj_out out;
        if (sobj_dict_get(t->dict, &key, &out) != SOBJ_OK)
            return false;
        *sum += out.cell;
        return true;
    }
    if (w == LFHT) {
        urcu_bp_read_lock();
        struct lfht_entry *e = lfht_find(t, k);
        if (e != NULL)
            *sum += __atomic_load_n(&e->value, __ATOMIC_ACQUIRE);
        urcu_bp_read_unlock();
        return e != NULL;
    }
    struct plain_slot *s = plain_find(t, k);
    if (s->words == NULL)
        return false;
    *sum += s->value;
    return true;
}

static void insert(const enum which w, struct table *t, const struct name *k,
                   uint64_t value)
{
    if (w == DICT) {
        struct sobj_key key = key_of(k);
        sobj_dict_set(t->dict, &key, sobj_from_int((int64_t)value));
    } else if (w == LFHT) {
        struct lfht_entry *e = malloc(sizeof *e);
        *e = (struct lfht_entry){.value = value, .hash = k->hash};
        memcpy(e->words, k->words, 16);
        urcu_bp_read_lock();
        cds_lfht_add_unique(t->lfht, k->hash, lfht_match, k, &e->link);
        urcu_bp_read_unlock();
    } else {
        uint64_t *words = malloc(16);
        memcpy(words, k->words, 16);
        if (++t->used > t->mask / 10 * 7)
            plain_grow(t), t->used++;
        *plain_find(t, k) = (struct plain_slot){k->hash, value, words};
    }
}

static inline __attribute__((always_inline)) void overwrite(const enum which w,
                                                            struct table *t,
                                                            const struct name *k,
                                                            uint64_t value)
{
    if (w == DICT) {
        struct sobj_key key = key_of(k);
        sobj_dict_set(t->dict, &key, sobj_from_int((int64_t)value));
    } else if (w == LFHT) {
        urcu_bp_read_lock();
        struct lfht_entry *e = lfht_find(t, k);
        if (e != NULL)
            __atomic_exchange_n(&e->value, value, __ATOMIC_ACQ_REL);
        urcu_bp_read_unlock();
    } else {
        plain_find(t, k)->value = value;
    }
}

/* Entries of cds_lfht are freed as ours are: in batches, a grace period later. */
static _Thread_local struct lfht_entry *retired[1024];
static _Thread_local unsigned retired_count;

static void lfht_free_retired(void)
{
    urcu_bp_synchronize_rcu();
    while (retired_count != 0)
        free(retired[--retired_count]);
}

static void del(const enum which w, struct table *t, const struct name *k)
{
    if (w == DICT) {
        struct sobj_key key = key_of(k);
        sobj_dict_remove(t->dict, &key, NULL);
    } else if (w == LFHT) {
        urcu_bp_read_lock();
        struct lfht_entry *e = lfht_find(t, k);
        if (e != NULL && cds_lfht_del(t->lfht, &e->link) == 0)
            retired[retired_count++] = e;
        urcu_bp_read_unlock();
        if (retired_count == 1024)
            lfht_free_retired();
    } else {
        struct plain_slot *s = plain_find(t, k);
        free((void *)(uintptr_t)s->words);
        *s = (struct plain_slot){.words = gone};
    }
}

static void add_cell(const struct sobj_entry *e, void *context)
{
    *(uint64_t *)context += e->value;
}

static void walk(const enum which w, struct table *t, uint64_t *sum)
{
    if (w == DICT) {
        struct sobj_dict_iter it;
        sobj_dict_iter_init(&it, t->dict);
        while (sobj_dict_iter_next(&it, add_cell, sum) == SOBJ_OK)
            continue;
        sobj_dict_iter_fini(&it);
    } else if (w == LFHT) {
        struct cds_lfht_iter it;
        struct lfht_entry *e;
        urcu_bp_read_lock();
        cds_lfht_for_each_entry(t->lfht, &it, e, link) *sum += e->value;
        urcu_bp_read_unlock();
    } else {
        for (uint64_t i = 0; i <= t->mask; i++)
            if (t->slots[i].words != NULL && t->slots[i].words != gone)
                *sum += t->slots[i].value;
    }
}

/* ---- scenarios */

enum scenario {
    INSERT,
    HIT,
    MISS,
    OVERWRITE,
    MIX_95,
    MIX_50,
    ITERATE,
    DELETE,
    SCENARIOS
};
static const char *const scenario_names[SCENARIOS] = {
    "insert", "hit", "miss", "overwrite", "95/5", "50/50", "iterate", "delete"};

struct run {
    enum which which;
    enum scenario scenario;
    struct table *tables; /* one, or more to fill or empty one after the other */
    uint64_t entries, operations; /* operations: of each thread */
    unsigned threads, index;
    pthread_barrier_t *barrier;
    uint64_t sum;
    double took;
};

static inline __attribute__((always_inline)) void scenario(const enum which w,
                                                           struct run *r)
{
    uint64_t state = mix(r->index + 1), share = r->entries / r->threads;
    bool all = r->scenario == INSERT || r->scenario == DELETE;
    struct table *t = r->tables;

    for (uint64_t i = 0, done = 0; i < r->operations; i++, done++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t n = (state >> 33) % r->entries;
        if (all && done == share) {
            t++;
            done = 0;
        }
        if (all)
            n = done * r->threads + r->index;
        struct name k = name_of(r->scenario == MISS ? n + r->entries : n);
        switch (r->scenario) {
        case INSERT:
            insert(w, t, &k, n);
            break;
        case DELETE:
            del(w, t, &k);
            break;
        case OVERWRITE:
            overwrite(w, t, &k, i);
            break;
        case MIX_95:
        case MIX_50:
            if ((state >> 20) % 100 < (r->scenario == MIX_95 ? 5 : 50)) {
                overwrite(w, t, &k, i);
                break;
            }
            /* fall through */
        default:
            get(w, t, &k, &r->sum);
            break;
        }
    }
}

static double thread_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *run_main(void *context)
{
    struct run *r = context;

    pthread_barrier_wait(r->barrier);
    r->took = -thread_clock();
    if (r->scenario == ITERATE) {
        for (uint64_t i = 0; i < r->operations; i += r->entries)
            walk(r->which, r->tables, &r->sum);
    } else if (r->which == DICT) {
        scenario(DICT, r);
    } else if (r->which == LFHT) {
        scenario(LFHT, r);
    } else {
        scenario(PLAIN, r);
    }
    if (retired_count != 0)
        lfht_free_retired();
    r->took += thread_clock();
    return NULL;
}

/* Returns: nanoseconds for an operation; iteration goes over whole tables. */
static double measure(enum which w, enum scenario s, struct table *tables,
                      uint64_t entries, uint64_t operations, unsigned threads,
                      int rounds)
{
    struct run runs[MAX_THREADS];
    pthread_t ids[MAX_THREADS];
    pthread_barrier_t barrier;
    double best = 1e18;

    for (int round = 0; round < rounds; round++) {
        double took = 0;
        uint64_t done = operations / threads;
        pthread_barrier_init(&barrier, NULL, threads);
        for (unsigned i = 0; i < threads; i++) {
            runs[i] = (struct run){w,       s, tables,   entries, operations / threads,
                                   threads, i, &barrier, 0,       0};
            pthread_create(&ids[i], NULL, run_main, &runs[i]);
        }
        for (unsigned i = 0; i < threads; i++) {
            pthread_join(ids[i], NULL);
            took += runs[i].took;
        }
        pthread_barrier_destroy(&barrier);
        if (s == ITERATE)
            done = (done + entries - 1) / entries * entries;
        took /= (double)done * threads;
        if (took < best)
            best = took;
    }
    return best;
}

static double resident(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f != NULL && fscanf(f, "%*s %ld", &pages) != 1)
        pages = 0;
    if (f != NULL)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

struct result {
    double ns[SCENARIOS];
    double resident, bytes, after; /* for an entry; `after` all are deleted */
};

static void measure_all(enum which w, uint64_t entries, unsigned threads,
                        struct result *r)
{
    unsigned count = entries > 100000 ? 1 : (unsigned)(500000 / entries);
    uint64_t operations = entries > 100000 ? 1000000 : 3000000;
    struct table *t = calloc(count, sizeof *t);

    entries -= entries % threads;
    for (unsigned i = 0; i < count; i++)
        table_init(w, &t[i]);
    r->resident = -resident();
    r->ns[INSERT] = measure(w, INSERT, t, entries, entries * count, threads, 1);
    r->resident = (r->resident + resident()) / (double)entries / count;
    if (w == DICT)
        r->bytes = (double)sobj_dict_bytes(t[0].dict) / (double)entries;
    for (int s = HIT; s < DELETE; s++)
        r->ns[s] = measure(w, (enum scenario)s, t, entries, operations, threads, 3);
    r->ns[DELETE] = measure(w, DELETE, t, entries, entries * count, threads, 1);
    if (w == DICT)
        r->after = (double)sobj_dict_bytes(t[0].dict);
}

/* Each contestant has a process of its own, so that none finds the memory in the state
 * in which another one left it. */
static void compare(uint64_t entries, unsigned threads)
{
    int last = threads == 1 ? CONTESTANTS : PLAIN;
    struct result *r = mmap(NULL, CONTESTANTS * sizeof *r, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    printf("%llu entries, %u thread%s\n", (unsigned long long)entries, threads,
           threads == 1 ? "" : "s");
    fflush(stdout);
    for (int w = 0; w < last; w++) {
        pid_t child = fork();
        if (child == 0) {
            if (sobj_runtime_init(NULL) != SOBJ_OK)
                _exit(1);
            measure_all((enum which)w, entries, threads, &r[w]);
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
    printf("  %-10s", "ns");
    for (int w = 0; w < last; w++)
        printf("%9s", names[w]);
    for (int w = 1; w < last; w++)
        printf("   dict/%s", names[w]);
    printf("\n");
    for (int s = 0; s < SCENARIOS; s++) {
        printf("  %-10s", scenario_names[s]);
        for (int w = 0; w < last; w++)
            printf("%9.1f", r[w].ns[s]);
        for (int w = 1; w < last; w++)
            printf("%*.2f", (int)strlen(names[w]) + 8, r[0].ns[s] / r[w].ns[s]);
        printf("\n");
    }
    printf("  %-10s", "resident");
    for (int w = 0; w < last; w++)
        printf("%9.1f", r[w].resident);
    printf("   bytes for an entry\n");
    printf("  the dict itself counts %.1f, and %.0f in all when every key is deleted\n",
           r[0].bytes, r[0].after);
    fflush(stdout);
    munmap(r, CONTESTANTS * sizeof *r);
}

/* What 10^6 keys of eleven characters with small ints take, when all are there and at
 * the worst moment on the way, from 100 000 entries on: before, what every process has
 * counts for too much. */
static void memory(void)
{
    enum { ENTRIES = 1000000 };
    struct sobj_object *d;
    double before, worst = 0;

    fflush(stdout);
    if (fork() != 0) {
        wait(NULL);
        return;
    }
    if (sobj_runtime_init(NULL) != SOBJ_OK || sobj_dict_new(0, &d) != SOBJ_OK)
        _exit(1);
    before = resident();
    for (int i = 1; i <= ENTRIES; i++) {
        char text[16];
        struct sobj_key key = {.kind = SOBJ_KEY_ASCII, .bytes = text};
        key.size = (size_t)snprintf(text, sizeof text, "key%08d", i);
        key.hash = sobj_hash_bytes(text, key.size);
        sobj_dict_set(d, &key, sobj_from_int(i));
        if (i >= 100000 && i % 1000 == 0 && (resident() - before) / i > worst)
            worst = (resident() - before) / i;
    }
    sobj_collect();
    printf("%d keys of 11 characters: %.1f bytes each by its own count, %.1f resident, "
           "%.1f at worst\n",
           ENTRIES, (double)sobj_dict_bytes(d) / ENTRIES,
           (resident() - before) / ENTRIES, worst);
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv)
{
    static const uint64_t sizes[] = {1000, 1000000};
    unsigned threads[MAX_THREADS] = {1, 2}, count = 2;
    bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    int first = quick ? 2 : 1;

    if (argc > first)
        count = 0;
    for (int i = first; i < argc && count < MAX_THREADS; i++) {
        threads[count] = (unsigned)atoi(argv[i]);
        if (threads[count] < 1 || threads[count] > MAX_THREADS) {
            fprintf(stderr, "usage: %s [--quick] [THREADS ...]\n", argv[0]);
            return 2;
        }
        count++;
    }
    for (size_t s = 0; s < (quick ? 1 : sizeof sizes / sizeof *sizes); s++)
        for (unsigned i = 0; i < count; i++)
            compare(sizes[s], threads[i]);
    if (!quick)
        memory();
    return 0;
}
