/* SPDX-License-Identifier: MIT */
/* What a dict costs: its table grows and shrinks with the keys, churn does not make it
 * grow, and the order log stays in proportion. */
#include <stdio.h>

#include "crew.h"
#include "dict_check.h"
#include "dict_internal.h"
#include "dict_keys.h"
#include "tap.h"

static struct sobj__table *root(struct sobj_object *d)
{
    return sobj_load_acquire(&sobj__dict_of(d)->root); /* Acquire: as the core does. */
}

static uint64_t slots(struct sobj_object *d) { return root(d)->mask + 1; }

static uint64_t used(struct sobj_object *d)
{
    return sobj_load_relaxed(&root(d)->used); /* Relaxed: nobody else is here. */
}

/* ---- tables */

static void growth(void)
{
    struct sobj_object *d = dict_new();
    bool fits = true;

    ok(slots(d) == 8, "an empty dict has 8 slots");
    for (int64_t i = 0; i < 20000; i++) {
        dict_put(d, i, 1);
        uint64_t n = (uint64_t)i + 1;
        /* While it is moved the old table counts, and an insertion moves 256 slots. */
        fits &= n <= slots(d) * 7 / 10 + 1 + slots(d) / 256 && slots(d) <= n * 6 + 8;
    }
    ok(fits, "between a sixth and seven tenths of the slots are used");
    for (int64_t i = 0; i < 20000; i++)
        if (i % 2000 != 0)
            dict_drop(d, i);
    ok(slots(d) <= 256, "after mass deletion the table has %llu slots for 10 keys",
       (unsigned long long)slots(d));
    bool there = true;
    for (int64_t i = 0; i < 20000; i += 2000)
        there &= dict_look(d, i) == 1;
    ok(there && sobj_dict_len(d) == 10, "the keys are there");
    sobj_collect();
    ok(sobj_dict_bytes(d) < 16384, "%zu bytes", sobj_dict_bytes(d));
    dict_check(d, "mass deletion");
    for (int64_t i = 0; i < 20000; i++)
        dict_put(d, i, 2);
    ok(sobj_dict_len(d) == 20000 && dict_look(d, 777) == 2, "and it grows again");
    sobj_unref(d);
}

/* Insertions and removals of one key use one slot. */
static void churn_of_one_key(int64_t others)
{
    struct sobj_object *d = dict_new();
    size_t most = 0;

    for (int64_t i = 1; i <= others; i++)
        dict_put(d, i, 1);
    dict_put(d, 0, 1);
    struct sobj__table *t = root(d);
    uint64_t before = used(d);
    for (int64_t i = 0; i < 20000; i++) {
        dict_drop(d, 0);
        dict_put(d, 0, 1);
        if (i % 1000 == 0 && sobj_dict_bytes(d) > most)
            most = sobj_dict_bytes(d);
    }
    ok(root(d) == t && used(d) == before, "churn of one key among %lld takes no slots",
       (long long)others);
    ok(most < (size_t)others * 150 + 8192, "never more than %zu bytes", most);
    sobj_collect();
    dict_check(d, "churn of one key");
    sobj_unref(d);
}

static void reserve(void)
{
    struct sobj_object *d = dict_new();

    dict_put(d, 0, 1);
    sobj_dict_reserve(d, 5000);
    uint64_t before = slots(d);
    ok(before >= 8192 && before <= 16384, "reserve 5000: %llu slots",
       (unsigned long long)before);
    sobj_dict_reserve(d, 10);
    for (int64_t i = 0; i < 5000; i++)
        dict_put(d, i, 1);
    ok(slots(d) == before && dict_look(d, 0) == 1, "no migration up to there");
    sobj_fail_allocation(0);
    sobj_dict_reserve(d, 1000000);
    sobj_fail_allocation(-1);
    ok(slots(d) == before && sobj_dict_len(d) == 5000,
       "without memory nothing changes");
    dict_check(d, "reserve");
    sobj_unref(d);

    sobj_dict_new(5000, &d);
    before = slots(d);
    for (int64_t i = 0; i < 5000; i++)
        dict_put(d, i, 1);
    ok(slots(d) == before && before <= 16384, "a new dict may have room");
    sobj_unref(d);
}

/* ---- bytes */

/* Eleven characters and a small int, as many programs have them. */
static void bytes_per_entry(size_t announced)
{
    enum { ENTRIES = 100000 };
    struct sobj_object *d;
    double worst = 0;

    if (sobj_dict_new(announced, &d) != SOBJ_OK)
        abort();

    sobj_collect();
    int64_t before = sobj_count(SOBJ_COUNT_BYTES);
    for (int64_t i = 0; i < ENTRIES; i++) {
        char text[16];
        struct sobj_key key = {.kind = SOBJ_KEY_ASCII, .bytes = text};
        key.size = (size_t)snprintf(text, sizeof text, "key%08lld", (long long)i);
        key.hash = sobj_hash_bytes(text, key.size);
        sobj_dict_set(d, &key, sobj_from_int(i));
        if (i >= 10000 && i % 500 == 0) {
            double now = (double)(sobj_count(SOBJ_COUNT_BYTES) - before) / (double)i;
            worst = now > worst ? now : worst;
        }
    }
    sobj_collect();
    double end = (double)sobj_dict_bytes(d) / ENTRIES;
    ok(end <= 75, "%.1f bytes for an entry, %zu announced", end, announced);
    ok(worst <= 100, "%.1f at the worst moment, what waits to be freed included",
       worst);
    sobj_unref(d);
}

/* Whether the figure is what the dict has allocated; values are in their cells. */
static void exact_at_rest(struct sobj_object *d, int64_t before, const char *when)
{
    sobj_collect();
    int64_t counted = sobj_count(SOBJ_COUNT_BYTES) - before;
    ok((int64_t)sobj_dict_bytes(d) == counted, "%s: %zu bytes of %lld", when,
       sobj_dict_bytes(d), (long long)counted);
}

/* The walk takes many steps, over the slots and over the log, and each is there once. */
static void figure_at_rest(void)
{
    sobj_collect();
    int64_t before = sobj_count(SOBJ_COUNT_BYTES);
    struct sobj_object *d = dict_new();

    exact_at_rest(d, before, "empty");
    for (int64_t i = 0; i < 60000; i++)
        dict_put(d, i, 1);
    exact_at_rest(d, before, "60000 keys");
    for (int64_t i = 0; i < 60000; i++)
        if (i % 10 != 0)
            dict_drop(d, i);
    exact_at_rest(d, before, "a tenth of them, the log has dropped nodes first");
    sobj_dict_clear(d);
    exact_at_rest(d, before, "cleared");
    sobj_unref(d);
}

/* Others grow, shrink and clear the dict between the steps of the walk. */
static void measure_and_churn(struct member *m)
{
    struct sobj_object *d = m->shared;

    if (m->index == 0) {
        for (int i = 0; i < 300; i++) {
            size_t bytes = sobj_dict_bytes(d);
            expect(bytes > 0 && bytes < (size_t)64 << 20, "%zu bytes", bytes);
        }
        crew_stop(m);
    }
    while (crew_running(m)) {
        for (int64_t i = 0; i < 6000; i++)
            dict_put(d, i, 1);
        for (int64_t i = 0; i < 6000; i++)
            dict_drop(d, i);
        if (m->index == 1)
            sobj_dict_clear(d);
    }
}

static void figure_in_motion(void)
{
    struct sobj_object *d = dict_new();

    crew_run(3, 1, 0, measure_and_churn, d);
    ok(true, "measured while others write");
    sobj_unref(d);
}

/* Keys come and go: at the end, in the middle, beside many that stay. */
static void log_stays_bounded(int64_t live, bool fifo)
{
    struct sobj_object *d = dict_new();
    struct rng rng = rng_seed((uint64_t)live);
    size_t most = 0;
    int64_t first = 0;

    for (int64_t i = 0; i < 20000; i++) {
        if (fifo) {
            dict_put(d, i, 1);
            if (i >= live)
                dict_drop(d, first++);
        } else {
            int64_t n = (int64_t)rng_below(&rng, (uint64_t)live * 2);
            if (!dict_drop(d, n))
                dict_put(d, n, 1);
        }
        if (i % 1000 == 0 && sobj_dict_bytes(d) > most)
            most = sobj_dict_bytes(d);
    }
    double each = (double)most / (double)live;
    ok(each < 230 + 8000.0 / (double)live,
       "%s of about %lld keys: at most %.0f bytes each",
       fifo ? "a queue" : "random churn", (long long)live, each);
    sobj_collect();
    dict_check(d, "churn");
    sobj_unref(d);
}

int main(void)
{
    tap_begin();
    struct balance b = balance_begin();

    growth();
    churn_of_one_key(0);
    churn_of_one_key(4);
    churn_of_one_key(3000);
    reserve();
    bytes_per_entry(0);
    bytes_per_entry(100000);
    figure_at_rest();
    figure_in_motion();
    log_stays_bounded(10, true);
    log_stays_bounded(1000, true);
    log_stays_bounded(10, false);
    log_stays_bounded(3000, false);
    balance_check(&b, "sizes");
    return tap_end();
}
