/* SPDX-License-Identifier: MIT */
/* Arrays under load: THREADS SECONDS SEED. Recorded histories of ints of every width; then
 * a crew that moves amounts between neighbours of all kinds, whose sum stays. */
#include "arrays.h"
#include "crew.h"
#include "tap.h"

static void histories(const struct torture *t)
{
    struct array_history r;
    enum verdict v = LINEARIZABLE;
    int64_t end = sobj_clock() + (int64_t)t->milliseconds * 500000;
    unsigned rounds = 0;

    array_history_init(&r, t->threads < 6 ? t->threads : 6);
    do {
        yield_every(rounds % 3 == 0 ? 0 : 5);
        v = array_history_round(&r, t->seed + rounds);
        rounds++;
    } while (v == LINEARIZABLE && sobj_clock() < end);
    yield_every(0);
    ok(v == LINEARIZABLE, "%u histories", rounds);
    array_history_fini(&r);
}

/* ---- amounts: each item begins with START; all together fit in one of any kind, with
 * what the threads have taken too much for a moment */
#define ITEMS 11
#define START 10

struct account {
    struct sobj_object *array;
    bool floats;
};

static union sobj_number amount(const struct account *a, int64_t n)
{
    return a->floats ? (union sobj_number){.d = (double)n}
                     : (union sobj_number){.i = n};
}

static int64_t seen(const struct account *a, union sobj_number number)
{
    return a->floats ? (int64_t)number.d : number.i;
}

/* Takes one from an item, in one of three ways. Returns: whether there was one. */
static bool take_one(struct account *a, size_t from, uint64_t how)
{
    union sobj_number old, out;

    switch (how) {
    case 0: /* by compare-and-set */
        do {
            old = sobj_array_get(a->array, from);
            if (seen(a, old) == 0)
                return false;
        } while (sobj_array_compare_and_set(a->array, from, old,
                                            amount(a, seen(a, old) - 1)) != SOBJ_OK);
        return true;
    case 1: /* all of it, and the rest back */
        sobj_array_exchange(a->array, from, amount(a, 0), &old);
        if (seen(a, old) == 0)
            return false;
        expect(sobj_array_add(a->array, from, amount(a, seen(a, old) - 1), &out) ==
                   SOBJ_OK,
               "put back");
        return true;
    default: /* below zero for a moment where there is such a thing */
        if (sobj_array_add(a->array, from, amount(a, -1), &out) != SOBJ_OK)
            return false;
        if (seen(a, out) >= 0)
            return true;
        expect(sobj_array_add(a->array, from, amount(a, 1), &out) == SOBJ_OK, "undo");
        return false;
    }
}

static void move(struct member *m)
{
    struct account *a = m->shared;
    union sobj_number out;

    while (crew_running(m)) {
        size_t from = rng_below(&m->rng, ITEMS), to = rng_below(&m->rng, ITEMS);
        if (!take_one(a, from, rng_below(&m->rng, 3)))
            continue;
        expect(sobj_array_add(a->array, to, amount(a, 1), &out) == SOBJ_OK, "give");
    }
}

static void accounts(const struct torture *t, char typecode, unsigned yields)
{
    struct account a = {.array = new_array(typecode, ITEMS)};
    int64_t sum = 0;

    a.floats = sobj_array_layout(a.array)->kind->class == SOBJ_ARRAY_FLOAT;
    for (size_t i = 0; i < ITEMS; i++)
        sobj_array_set(a.array, i, amount(&a, START));
    yield_every(yields);
    crew_run(t->threads, t->seed, t->milliseconds / 32, move, &a);
    yield_every(0);
    for (size_t i = 0; i < ITEMS; i++)
        sum += seen(&a, sobj_array_get(a.array, i));
    expect(sum == START * ITEMS, "%c: the sum is %lld", typecode, (long long)sum);
    sobj_unref(a.array);
}

int main(int argc, char **argv)
{
    struct torture t = torture_begin(argc, argv, 4);
    int before = 0;
    struct balance b;

    tap_begin();
    b = balance_begin();
    histories(&t);
    before = tap_failures();
    for (const char *c = SOBJ_ARRAY_TYPECODES; *c != '\0'; c++)
        accounts(&t, *c, c[1] == '\0' ? 0 : 7);
    ok(tap_failures() == before, "nothing is lost or doubled");
    balance_check(&b, "torture");
    return tap_end();
}
