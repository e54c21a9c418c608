/* SPDX-License-Identifier: MIT */
/* Taking the last entry of the dict: against a stack, how much is looked at, and with
 * others stopped between two of their steps (shared/dict_last.c). */
#include <sched.h>
#include <stdlib.h>

#include "crew.h"
#include "dict_jobs.h"

/* ---- one thread */

static void order(void)
{
    struct sobj_object *d = dict_with(6);
    int64_t seen[3];

    ok(sobj_dict_remove_last(d, dict_see, seen) == SOBJ_OK && seen[0] == 5 &&
           seen[2] == 6,
       "the last key and its value");
    dict_put(d, 1, 77);
    ok(dict_pop(d) == 4, "overwriting does not change the order");
    dict_drop(d, 0);
    dict_put(d, 0, 3);
    ok(dict_pop(d) == 0, "a key that was inserted again comes last");
    dict_drop(d, 3);
    ok(dict_pop(d) == 2, "what was removed is not there");
    ok(sobj_dict_remove_last(d, dict_see, seen) == SOBJ_OK && seen[0] == 1 &&
           seen[2] == 77,
       "the value of the moment");
    ok(sobj_dict_len(d) == 0 && sobj_dict_remove_last(d, dict_see, seen) == SOBJ_EMPTY,
       "then it is empty");
    dict_put(d, 2, 1);
    ok(dict_pop(d) == 2 && dict_pop(d) == -1, "and can be used on");
    dict_put(d, 7, 1);
    sobj_dict_clear(d);
    ok(dict_pop(d) == -1, "clear leaves nothing");
    dict_put(d, 8, 1);
    ok(dict_pop(d) == 8, "nor does what was kept before it");
    end(d, "order");
}

static void frozen(void)
{
    struct sobj_object *d = dict_with(2);
    int64_t seen[3];

    sobj_or_seq_cst(&d->mode, SOBJ__FROZEN); /* SeqCst: as whoever freezes does. */
    ok(sobj_dict_remove_last(d, dict_see, seen) == SOBJ_FROZEN &&
           sobj_dict_len(d) == 2 && dict_look(d, 1) == 2,
       "nothing is taken from a frozen dict");
    end(d, "frozen");
}

enum { NUMBERS = 500 };

/* Against the positions of all keys. */
static void random_steps(uint64_t seed)
{
    struct rng rng = rng_seed(seed);
    struct sobj_object *d = dict_new();
    int64_t placed[NUMBERS] = {0}, clock = 0, last, n;
    int before = tap_failures();

    for (int step = 0; step < 20000 && tap_failures() == before; step++) {
        bool many = step / 2000 % 2;
        unsigned dice = (unsigned)rng_below(&rng, 1000);
        n = (int64_t)rng_below(&rng, many ? NUMBERS : 20);
        if (dice < 450) {
            dict_put(d, n, 1 + step % 9);
            placed[n] = placed[n] != 0 ? placed[n] : ++clock;
        } else if (dice < 560) {
            expect(dict_drop(d, n) == (placed[n] != 0), "remove");
            placed[n] = 0;
        } else if (dice < 996) {
            for (last = -1, n = 0; n < NUMBERS; n++)
                if (placed[n] != 0 && (last < 0 || placed[n] > placed[last]))
                    last = n;
            n = dict_pop(d);
            expect(n == last, "popped %lld, the last is %lld", (long long)n,
                   (long long)last);
            if (last >= 0)
                placed[last] = 0;
        } else if (dice < 999) {
            sobj_dict_reserve(d, rng_below(&rng, 1000));
        } else {
            sobj_dict_clear(d);
            memset(placed, 0, sizeof placed);
        }
        if (step % 1000 == 999) {
            sobj_collect();
            dict_check(d, "random steps");
        }
    }
    end(d, "random steps");
    ok(tap_failures() == before, "20000 random steps, seed %llu",
       (unsigned long long)seed);
}

/* ---- how much is looked at */

static _Atomic(int64_t) looks;

static void count_looks(const char *point)
{
    if (strcmp(point, "dict.look") == 0 || strcmp(point, "dict.seek") == 0)
        sobj_add_relaxed(&looks, 1); /* Relaxed: a count. */
}

/* Returns: cells and segments looked at by popping `n` keys, which must be those from
 * `from` downwards. */
static int64_t looks_of(struct sobj_object *d, int64_t from, int64_t n)
{
    void (*hook)(const char *) = sobj__pause_hook;
    int64_t begin = sobj_load_relaxed(&looks); /* Relaxed: this thread. */

    sobj__pause_hook = count_looks;
    for (int64_t i = 0; i < n; i++)
        expect(dict_pop(d) == from - i, "pop of %lld", (long long)(from - i));
    sobj__pause_hook = hook;
    return sobj_load_relaxed(&looks) - begin; /* Relaxed: as above. */
}

static void draining_is_linear(void)
{
    enum { N = 60000 };
    struct sobj_object *d = dict_with(N);
    int64_t n = looks_of(d, N - 1, N);

    ok(n <= 4 * N, "%d keys are drained with %lld looks", N, (long long)n);
    ok(dict_pop(d) == -1 && sobj_dict_len(d) == 0, "and nothing is left");
    end(d, "drained");

    /* As a stack whose height goes up and down. */
    d = dict_with(0);
    int64_t height = 0, moves = 0, all = 0;
    struct rng rng = rng_seed(5);
    for (int i = 0; i < 3000; i++) {
        int64_t up = (int64_t)rng_below(&rng, 40), down = (int64_t)rng_below(&rng, 40);
        for (int64_t j = 0; j < up; j++)
            dict_put(d, height++, 1);
        down = down < height ? down : height;
        all += looks_of(d, height - 1, down);
        height -= down;
        moves += down;
    }
    ok(all <= 4 * moves, "a stack: %lld pops with %lld looks", (long long)moves,
       (long long)all);
    end(d, "stack");

    /* A third of what lies above was removed before by other means: it is looked at
     * once, in several sections. */
    d = dict_with(N);
    for (int64_t i = N - 1; i >= N - 20000; i--)
        dict_drop(d, i);
    n = looks_of(d, N - 20001, 1);
    ok(n >= 10000, "dead cells on the way: %lld", (long long)n);
    n = looks_of(d, N - 20002, 100);
    ok(n <= 2000, "not looked at again: %lld", (long long)n);
    end(d, "removed before");
}

/* An insertion that has stopped in the middle of it all is passed over, and what lies on
 * either side of it is not looked at again either. */
static void draining_around_an_insertion(const char *point)
{
    enum { N = 400 }; /* the sleeper holds up all grace periods */
    struct sobj_object *d = dict_with(N);
    struct job j = {.d = d, .number = 100000, .value = 1};
    struct pause p;

    sobj_dict_reserve(d, 4 * N); /* no table is moved meanwhile */
    ok(pause_at(&p, point, 0, job_set, &j), "an insertion stops at %s", point);
    for (int64_t i = N; i < 2 * N; i++)
        dict_put(d, i, 1);
    int64_t n = looks_of(d, 2 * N - 1, 2 * N);
    ok(n <= 20 * N, "%d keys with %lld looks", 2 * N, (long long)n);
    ok(dict_pop(d) == -1, "it is not there yet");
    pause_end(&p);
    ok(dict_pop(d) == 100000 && dict_pop(d) == -1, "now it is");
    end(d, "around an insertion");
}

/* ---- interleavings */

/* What is not inserted yet is left alone, and comes when it is (L5), although popping
 * has gone on far below it, from segments above it to others beneath. Returns: false if
 * another key has taken its slot meanwhile, so that it had to begin anew. */
static bool inserter_stops(const char *point, bool there, int64_t number)
{
    struct sobj_object *d = dict_new();
    struct job j = {.d = d, .number = number, .value = 3};
    struct pause p;

    sobj_dict_reserve(d, 121); /* one table throughout */
    for (int64_t i = 0; i < 60; i++)
        dict_put(d, i, 1);
    struct sobj__table *t = root(d);
    expect(pause_at(&p, point, 0, job_set, &j), "inserter stops at %s", point);
    for (int64_t i = 60; i < 120; i++)
        dict_put(d, i, 1);
    for (int64_t i = 119; i >= 50; i--) {
        expect(dict_pop(d) == i, "pop");
        expect(!there || i != 60 || dict_pop(d) == number,
               "pop of the key in its place");
    }
    pause_end(&p);
    expect(root(d) == t && after(t) == NULL, "nothing was moved");
    expect(dict_look(d, number) == (there ? -1 : 3), "the key is there afterwards");
    expect(dict_pop(d) == (there ? 49 : number), "and is popped as the last");
    bool in_place =
        sobj_load_acquire(&t->body->tail) == 121; /* Acquire: as poppers do. */
    end(d, "inserter stops");
    return in_place;
}

static void inserters_stop(const char *point, bool there)
{
    int before = tap_failures(), times = 0;

    for (int in_place = 0; in_place < 3 && times < 200; times++)
        in_place += inserter_stops(point, there, 7000 + times);
    ok(tap_failures() == before && times < 200, "inserter stops at %s, %d times", point,
       times);
}

/* The popper stops with the last node in its hand. */
static void node_changes(void)
{
    struct sobj_object *d = dict_with(4);
    struct job j = {.d = d};
    struct pause p;

    ok(pause_at(&p, "dict.take_last", 0, job_pop, &j), "popper stops before it takes");
    dict_put(d, 3, 50);
    pause_end(&p);
    ok(j.number == 3 && dict_look(d, 3) == -1, "it takes the key with its new value");

    ok(pause_at(&p, "dict.take_last", 0, job_pop, &j), "it stops again");
    ok(dict_pop(d) == 2, "another one takes the key");
    pause_end(&p);
    ok(j.number == 1, "it takes the one before");

    dict_put(d, 8, 1);
    ok(pause_at(&p, "dict.take_last", 0, job_pop, &j), "and again");
    dict_drop(d, 8);
    dict_put(d, 8, 1);
    pause_end(&p);
    ok(j.number == 0 && dict_look(d, 8) == 1,
       "what was inserted again meanwhile is not the node that it has seen");
    end(d, "node changes");
}

/* The dict is never empty, so it is never said to be, whatever comes and goes. */
static void never_empty(void)
{
    struct sobj_object *d = dict_with(1);
    struct job j = {.d = d};
    struct pause p;

    ok(pause_at(&p, "dict.pass", 0, job_pop, &j), "popper stops at the tail");
    dict_put(d, 5, 1);
    dict_drop(d, 0);
    pause_end(&p);
    ok(j.number == 5, "it comes back for what came meanwhile");

    dict_put(d, 6, 1);
    ok(pause_at(&p, "dict.take_last", 0, job_pop, &j), "popper stops at the last key");
    dict_put(d, 7, 1);
    dict_drop(d, 6);
    pause_end(&p);
    ok(j.number == 7, "the same, when it has seen one");
    end(d, "never empty");
}

static void *clear_in_a_thread(void *context)
{
    job_clear(context);
    return NULL;
}

/* clear() while a popper walks through a long stretch of dead cells. What is cleared is
 * much: its thread waits for the popper before it goes on. */
static void cleared_on_the_way(void)
{
    struct sobj_object *d = dict_with(30000);
    struct job j = {.d = d}, k = {.d = d};
    struct sobj__table *old;
    struct pause p;
    pthread_t thread;

    for (int64_t i = 15001; i < 30000; i++)
        dict_drop(d, i);
    ok(pause_at(&p, "dict.look", 8000, job_pop, &j),
       "popper stops in its first section");
    old = root(d);
    pthread_create(&thread, NULL, clear_in_a_thread, &k);
    while (root(d) == old)
        sched_yield();
    for (int64_t i = 0; i < 20; i++)
        dict_put(d, i, 1);
    pause_end(&p);
    pthread_join(thread, NULL);
    ok(j.number == 19, "it goes on in the new content");
    end(d, "cleared on the way");
}

/* ---- the segment that is kept */

static struct sobj__segment *near_of(struct sobj_object *d)
{
    return sobj_load_acquire(&root(d)->body->near); /* Acquire: as poppers do. */
}

/* A compaction takes the segment away from under the poppers. */
static void segment_is_forgotten(void)
{
    struct sobj_object *d = dict_with(2000);
    int64_t last = 1999;

    while (near_of(d) == NULL && last > 100)
        expect(dict_pop(d) == last--, "pop");
    struct sobj__segment *kept = near_of(d);
    ok(kept != NULL && last > 1000, "a segment is kept at key %lld", (long long)last);
    for (int64_t i = last; i > 50; i--)
        dict_drop(d, i);
    sobj_collect();
    ok(near_of(d) != kept, "it is forgotten when it goes");
    for (int64_t i = 50; i >= 0; i--)
        expect(dict_pop(d) == i, "pop");
    end(d, "forgotten segment");
}

/* A popper has found a segment, and a compaction takes it before it is kept. */
static void segment_goes_first(void)
{
    enum { N = 600, LEFT = 150 }; /* few: the sleeper holds up all grace periods */
    struct sobj_object *d = dict_new();
    struct job j = {.d = d};
    struct pause p;
    int64_t last = N - 1;

    for (int64_t i = 0; i < N; i++)
        dict_put(d, i, 1);
    for (;; last--) { /* down to where another one would be kept */
        bool stopped = pause_at(&p, "dict.take_last", 0, job_pop, &j);
        struct sobj__segment *s =
            sobj__log_find_below(root(d)->body, 1 + (uint64_t)last);
        if (!expect(stopped && last > LEFT, "popper stops"))
            return;
        if (near_of(d) != NULL && near_of(d) != s)
            break;
        pause_end(&p);
        expect(j.number == last, "pop");
    }
    ok(sobj_dict_len(d) > 2 * LEFT, "popper stops in a new segment at %lld",
       (long long)last);
    for (int64_t i = last - 1; i >= LEFT; i--)
        dict_drop(d, i);
    pause_end(&p);
    ok(j.number == last, "it takes its key after the compaction");
    sobj_collect();
    dict_check(d, "a segment that went");
    for (int64_t i = LEFT - 1; i >= 0; i--)
        expect(dict_pop(d) == i, "pop");
    ok(dict_pop(d) == -1, "a segment that is gone is not kept");
    end(d, "segment goes");
}

int main(void)
{
    tap_begin();
    struct balance b = balance_begin();

    order();
    frozen();
    for (uint64_t seed = 1; seed <= 4; seed++)
        random_steps(seed);
    draining_is_linear();
    draining_around_an_insertion("dict.append");
    draining_around_an_insertion("dict.insert");
    inserters_stop("dict.append", false);
    inserters_stop("dict.insert", false);
    inserters_stop("dict.link", true);
    node_changes();
    never_empty();
    cleared_on_the_way();
    segment_is_forgotten();
    segment_goes_first();
    balance_check(&b, "taking the last");
    return tap_end();
}
