/* SPDX-License-Identifier: MIT */
/* Order and iteration of the dict: against a simple ordered dict, through growth,
 * shrinking and compaction, and with iterators that sleep meanwhile. */
#include <stdlib.h>

#include "crew.h"
#include "dict_check.h"
#include "dict_internal.h"
#include "dict_keys.h"
#include "tap.h"

/* ---- a simple ordered dict: tags by number, and a list of positions */

#define NUMBERS 400

struct oracle {
    int64_t tag[NUMBERS];   /* 0: absent */
    int64_t order[NUMBERS]; /* when inserted */
    int64_t clock;
    size_t len;
};

static void oracle_set(struct oracle *o, int64_t n, int64_t tag)
{
    if (o->tag[n] == 0) {
        o->order[n] = ++o->clock;
        o->len++;
    }
    o->tag[n] = tag;
}

static void oracle_remove(struct oracle *o, int64_t n)
{
    o->len -= o->tag[n] != 0;
    o->tag[n] = 0;
}

static void compare(struct sobj_object *d, const struct oracle *o, const char *when)
{
    int64_t seen[3], last = 0;
    struct sobj_dict_iter it;
    size_t count = 0;

    sobj_dict_iter_init(&it, d);
    while (sobj_dict_iter_next(&it, dict_see, seen) == SOBJ_OK) {
        if (!expect(seen[0] >= 0 && seen[0] < NUMBERS, "%s: key %lld", when,
                    (long long)seen[0]))
            break;
        expect(o->tag[seen[0]] == seen[2], "%s: key %lld has tag %lld, not %lld", when,
               (long long)seen[0], (long long)seen[2], (long long)o->tag[seen[0]]);
        expect(o->order[seen[0]] > last, "%s: key %lld comes too late", when,
               (long long)seen[0]);
        last = o->order[seen[0]];
        count++;
    }
    sobj_dict_iter_fini(&it);
    size_t back = 0;
    sobj_dict_iter_init_backward(&it, d);
    for (int64_t n; (n = dict_next(&it)) >= 0; back++) {
        expect(o->tag[n] != 0 && o->order[n] <= last, "%s: key %lld backward", when,
               (long long)n);
        last = o->order[n] - 1;
    }
    sobj_dict_iter_fini(&it);
    expect(back == count, "%s: %zu shown backward", when, back);
    expect(count == o->len && sobj_dict_len(d) == o->len,
           "%s: %zu shown, len %zu, should be %zu", when, count, sobj_dict_len(d),
           o->len);
    sobj_collect();
    dict_check(d, when);
}

/* Phases of many and of few keys, so that the table grows and shrinks and the log is
 * compacted in all ways. */
static void random_steps(uint64_t seed)
{
    struct rng rng = rng_seed(seed);
    struct sobj_object *d = dict_new();
    struct oracle o = {0};
    int before = tap_failures();

    for (int step = 0; step < 20000 && tap_failures() == before; step++) {
        int64_t n = (int64_t)rng_below(&rng, step / 2500 % 2 ? 12 : NUMBERS);
        int64_t tag = 1 + (int64_t)rng_below(&rng, 1000);
        uint64_t dice = rng_below(&rng, 1000);
        if (dice < 500) {
            dict_put(d, n, tag);
            oracle_set(&o, n, tag);
        } else if (dice < 995 || step / 2500 % 2) {
            expect(dict_drop(d, n) == (o.tag[n] != 0), "remove of key %lld",
                   (long long)n);
            oracle_remove(&o, n);
        } else if (dice < 998) {
            sobj_dict_reserve(d, rng_below(&rng, 1000));
        } else {
            sobj_dict_clear(d);
            memset(o.tag, 0, sizeof o.tag);
            o.len = 0;
        }
        if (step % 500 == 0)
            compare(d, &o, "random steps");
    }
    compare(d, &o, "after random steps");
    sobj_unref(d);
    ok(tap_failures() == before, "20000 random steps, seed %llu",
       (unsigned long long)seed);
}

/* ---- order */

static void order(void)
{
    struct sobj_object *d = dict_new();
    struct sobj_dict_iter it;
    bool right = true;

    for (int64_t i = 0; i < 5000; i++)
        dict_put(d, i, 1);
    for (int64_t i = 0; i < 5000; i += 3)
        dict_put(d, i, 2); /* stays where it is */
    for (int64_t i = 0; i < 5000; i += 2) {
        dict_drop(d, i);
        dict_put(d, i, 4); /* goes to the end */
    }
    sobj_dict_iter_init(&it, d);
    for (int64_t i = 1; i < 5000; i += 2)
        right &= dict_next(&it) == i;
    ok(right, "untouched and overwritten keys keep their places");
    for (int64_t i = 0; i < 5000; i += 2)
        right &= dict_next(&it) == i;
    ok(right && dict_next(&it) == -1, "those inserted again come last");
    ok(dict_next(&it) == -1, "the end stays the end");
    sobj_dict_iter_fini(&it);
    sobj_dict_reserve(d, 100000);
    for (int64_t i = 0; i < 5000; i++)
        if (i % 100 != 7)
            dict_drop(d, i);
    sobj_dict_iter_init(&it, d);
    for (int64_t i = 7; i < 5000; i += 100)
        right &= dict_next(&it) == i;
    ok(right && dict_next(&it) == -1, "in order through growth and shrinking");
    sobj_dict_iter_fini(&it);
    sobj_dict_iter_init_backward(&it, d);
    for (int64_t i = 4900; i >= 0; i -= 100)
        right &= dict_next(&it) == i + 7;
    ok(right && dict_next(&it) == -1 && dict_next(&it) == -1, "and backward");
    sobj_dict_iter_fini(&it);
    sobj_collect();
    dict_check(d, "order");
    sobj_unref(d);
}

static void backward(void)
{
    struct sobj_object *d = dict_new();
    struct sobj_dict_iter it, other;

    sobj_dict_iter_init_backward(&it, d);
    ok(dict_next(&it) == -1, "backward: nothing in an empty dict");
    sobj_dict_iter_fini(&it);
    for (int64_t i = 0; i < 40; i++)
        dict_put(d, i, 1);
    sobj_dict_iter_init_backward(&it, d);
    dict_put(d, 100, 1);
    ok(dict_next(&it) == 39 && dict_next(&it) == 38, "backward: begins at the end");
    dict_drop(d, 37);
    dict_drop(d, 36);
    dict_put(d, 36, 1);
    ok(dict_next(&it) == 35, "backward: what is removed is not shown, nor again");
    dict_drop(d, 39);
    dict_put(d, 39, 1);
    dict_drop(d, 35);
    dict_put(d, 35, 1);
    sobj_dict_iter_copy(&other, &it);
    bool right = true;
    for (int64_t i = 34; i >= 0; i--)
        right &= dict_next(&it) == i;
    ok(right && dict_next(&it) == -1, "backward: each of the others once");
    sobj_dict_iter_fini(&it);
    ok(dict_next(&other) == 34, "a copy goes on from where it was made");
    sobj_dict_clear(d);
    dict_put(d, 1, 1);
    ok(dict_next(&other) == -1, "backward: clear ends it");
    sobj_dict_iter_copy(&it, &other);
    sobj_dict_iter_fini(&other);
    ok(dict_next(&it) == -1, "and its copies");
    sobj_dict_iter_fini(&it);
    sobj_unref(d);
}

/* ---- what an iterator shows of changes while it is under way */

static void changes(void)
{
    struct sobj_object *d = dict_new();
    struct sobj_dict_iter it, other;
    int64_t seen[3];

    sobj_dict_iter_init(&it, d);
    ok(dict_next(&it) == -1, "nothing in an empty dict");
    sobj_dict_iter_fini(&it);

    for (int64_t i = 0; i < 40; i++)
        dict_put(d, i, 1);
    sobj_dict_iter_init(&it, d);
    sobj_dict_iter_init(&other, d);
    ok(dict_next(&it) == 0 && dict_next(&it) == 1, "begins at the beginning");
    dict_drop(d, 2);
    ok(dict_next(&it) == 3, "what is deleted before its turn is not shown");
    dict_drop(d, 4);
    dict_put(d, 4, 1);
    ok(dict_next(&it) == 5, "nor what is inserted again");
    dict_drop(d, 0);
    dict_put(d, 0, 1);
    dict_put(d, 6, 77);
    ok(sobj_dict_iter_next(&it, dict_see, seen) == SOBJ_OK && seen[0] == 6 &&
           seen[2] == 77,
       "the value is that of the moment");
    ok(dict_next(&other) == 1, "another iterator has its own place");
    dict_put(d, 100, 1);
    dict_drop(d, 39);
    for (int64_t i = 7; i < 39; i++)
        expect(dict_next(&it) == i, "key %lld", (long long)i);
    ok(dict_next(&it) == -1, "what is inserted after the start is not shown");
    sobj_dict_iter_fini(&it);
    sobj_dict_iter_fini(&it); /* twice does no harm: the balance shows it */

    sobj_dict_iter_init(&it, d);
    ok(dict_next(&it) == 1,
       "in the middle of one, and before the first step of another");
    sobj_dict_clear(d);
    for (int64_t i = 0; i < 40; i++)
        dict_put(d, i, 1);
    ok(dict_next(&it) == -1, "clear ends it, whatever is inserted then");
    ok(dict_next(&other) == -1, "and the other one");
    sobj_dict_iter_fini(&other);
    sobj_dict_iter_init(&other, d);
    ok(dict_next(&other) == 0, "a new one shows the new content");
    sobj_unref(d); /* the iterators hold the rest */
    ok(dict_next(&other) == 1 && dict_next(&it) == -1, "iterators keep the dict");
    sobj_dict_iter_fini(&it);
    sobj_dict_iter_fini(&other);
}

/* An iterator sleeps at each of its places while everything around is inserted, removed
 * and compacted many times. */
static void sleeper(int64_t place, bool back)
{
    enum { KEEP = 60, CHURN = 3000 };
    struct sobj_object *d = dict_new();
    struct sobj_dict_iter it;
    bool right = true;

    for (int64_t i = 0; i < KEEP; i++) {
        dict_put(d, i, 1);
        for (int64_t j = 0; j < 9; j++) /* between two that stay */
            dict_put(d, 10000 + 10 * i + j, 1);
    }
    if (back)
        sobj_dict_iter_init_backward(&it, d);
    else
        sobj_dict_iter_init(&it, d);
    for (int64_t i = 0; i < place * 10; i++) {
        int64_t n = back ? 10 * KEEP - 1 - i : i;
        right &= dict_next(&it) == (n % 10 == 0 ? n / 10 : 9999 + n);
    }
    void *held = it.segment;
    for (int64_t i = 0; i < 10 * KEEP; i++)
        dict_drop(d, 10000 + i);
    for (int64_t i = 0; i < CHURN; i++) {
        dict_put(d, 1000 + i % 7, 1);
        dict_drop(d, 1000 + (i + 3) % 7);
    }
    for (int64_t i = place; i < KEEP; i++)
        right &= dict_next(&it) == (back ? KEEP - 1 - i : i);
    expect(right && dict_next(&it) == -1, "sleeper at %lld, backward %d",
           (long long)place, back);
    expect(place == 0 || it.segment != held, "it held a segment");
    sobj_dict_iter_fini(&it);
    sobj_collect();
    dict_check(d, "sleeper");
    sobj_unref(d);
}

/* ---- with writers */

enum { PERMANENT = 50 };

struct traffic {
    struct sobj_object *d;
    _Atomic(int64_t) walks;
};

static void write_or_walk(struct member *m)
{
    struct traffic *t = m->shared;

    while (crew_running(m)) {
        if (m->index != 0) {
            int64_t n = 100 * m->index + (int64_t)rng_below(&m->rng, 60);
            if (rng_below(&m->rng, 2))
                dict_put(t->d, n, 1);
            else
                dict_drop(t->d, n);
            dict_put(t->d, (int64_t)rng_below(&m->rng, PERMANENT), 2);
            continue;
        }
        int64_t n, permanent = 0;
        char shown[1000] = {0};
        bool back = rng_below(&m->rng, 2);
        struct sobj_dict_iter it;
        if (back)
            sobj_dict_iter_init_backward(&it, t->d);
        else
            sobj_dict_iter_init(&it, t->d);
        while ((n = dict_next(&it)) >= 0) {
            expect(shown[n]++ == 0, "key %lld twice, backward %d", (long long)n, back);
            if (n < PERMANENT)
                expect(n == (back ? PERMANENT - 1 - permanent : permanent),
                       "permanent key %lld, backward %d", (long long)n, back);
            permanent += n < PERMANENT;
        }
        expect(permanent == PERMANENT, "%lld permanent keys, backward %d",
               (long long)permanent, back);
        sobj_dict_iter_fini(&it);
        sobj_add_relaxed(&t->walks, 1); /* Relaxed: a count. */
    }
}

static void with_writers(unsigned yields)
{
    struct traffic t = {.d = dict_new()};

    for (int64_t i = 0; i < PERMANENT; i++)
        dict_put(t.d, i, 1);
    yield_every(yields);
    crew_run(3, 1, 300, write_or_walk, &t);
    yield_every(0);
    sobj_collect();
    dict_check(t.d, "writers");
    sobj_unref(t.d);
    ok(sobj_load_relaxed(&t.walks) > 0, /* Relaxed: the crew has ended. */
       "%lld walks between writers", (long long)sobj_load_relaxed(&t.walks));
}

int main(void)
{
    tap_begin();
    struct balance b = balance_begin();
    int before;

    order();
    changes();
    backward();
    before = tap_failures();
    for (int64_t place = 0; place < 60; place += 7) {
        sleeper(place, false);
        sleeper(place, true);
    }
    ok(tap_failures() == before, "an iterator sleeps through compactions");
    for (uint64_t seed = 1; seed <= 5; seed++)
        random_steps(seed);
    with_writers(0);
    with_writers(30);
    balance_check(&b, "iteration");
    return tap_end();
}
