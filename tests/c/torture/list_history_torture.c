/* SPDX-License-Identifier: MIT */
/* Linearizability of the list: members do everything to one short list, and the recorded
 * histories are checked against a list that does one thing after the other. There are
 * only a few values, so that the word that was read before an item was removed is often
 * the very word that is there afterwards. Between two steps, at the pause points too,
 * a member may give the processor away. */
#include "crew.h"
#include "history.h"
#include "list_check.h"
#include "lists.h"
#include "models.h"

#define OPERATIONS 50 /* of each member in a round */
/* Above this a member only removes, so that the model's list is long enough. */
#define LONG_ENOUGH 9

static void yield_at_pause(const char *point)
{
    (void)point;
    sobj__yield_maybe();
}

struct round {
    struct sobj_object *l;
    struct history h;
    bool ends; /* only what happens at the end, and stores: nothing closes the gate */
    bool go_on;
    uint64_t first, seed, rounds, undecided;
    int64_t end; /* when to stop */
};

static int64_t some_value(struct rng *r) { return (int64_t)rng_below(r, 5); }

static int64_t some_index(struct rng *r, uint64_t len)
{
    if (rng_below(r, 3) != 0) /* near the end, where things happen */
        return (int64_t)(len + rng_below(r, 3)) - 2 < 0
                   ? 0
                   : (int64_t)(len + rng_below(r, 3)) - 2;
    return (int64_t)rng_below(r, LONG_ENOUGH + 6) - 4;
}

/* What a member asks for. */
static unsigned some_kind(struct rng *r, bool ends, uint64_t len)
{
    static const uint8_t often[] = {LIST_GET,      LIST_GET, LIST_LEN,  LIST_SET,
                                    LIST_CAS,      LIST_CAS, LIST_PUSH, LIST_PUSH,
                                    LIST_PUSH,     LIST_POP, LIST_POP,  LIST_EXCHANGE,
                                    LIST_INCREMENT};
    static const uint8_t moving[] = {LIST_INSERT,  LIST_DELETE,   LIST_DELETE_IF,
                                     LIST_EXTEND,  LIST_EXTEND,   LIST_CUT,
                                     LIST_REPLACE, LIST_SNAPSHOT, LIST_REVERSE};

    static const uint8_t at_end[] = {LIST_EXTEND, LIST_CUT, LIST_REPLACE};

    if (len > LONG_ENOUGH)
        return rng_below(r, 8) == 0 ? LIST_CUT : LIST_POP;
    if (ends && rng_below(r, 8) == 0)
        return at_end[rng_below(r, sizeof at_end)];
    if (!ends && rng_below(r, 3) == 0)
        return moving[rng_below(r, sizeof moving)];
    return often[rng_below(r, sizeof often)];
}

static int64_t snapshot(struct sobj_object *l, int64_t *digest)
{
    struct sobj_list_copy copy;

    expect(sobj_list_copy_init(&copy, l, NULL) == SOBJ_OK, "copy");
    *digest = 0;
    for (uint64_t i = 0; i < copy.len; i++)
        *digest = LIST_DIGEST(*digest, number_of(copy.cells[i]));
    int64_t len = (int64_t)copy.len;
    sobj_list_copy_fini(&copy);
    return len;
}

/* A member's pin, and the places that it knows by it. */
static _Thread_local struct {
    bool held;
    struct sobj_list_pin pin;
    const sobj_cell *places[2 * LONG_ENOUGH];
} pinned;

static void unpin(void)
{
    if (pinned.held)
        sobj_list_pin_fini(&pinned.pin);
    memset(&pinned, 0, sizeof pinned);
}

/* Reads an item through the pin. Returns: ABSENT if that says nothing, or not what can be
 * taken without a reference. */
static int64_t get_pinned(struct sobj_object *l, int64_t index)
{
    sobj_cell cell = SOBJ_NO_CELL;

    if (index < 0 || index >= 2 * LONG_ENOUGH)
        return ABSENT;
    const sobj_cell **place = &pinned.places[index];
    if (!pinned.held)
        pinned.held = sobj_list_pin_init(&pinned.pin, l);
    if (pinned.held && *place == NULL)
        *place = sobj_list_pin_place(&pinned.pin, (uint64_t)index);
    if (*place != NULL)
        cell = sobj_list_pin_look(&pinned.pin, (uint64_t)index, *place);
    if (cell == SOBJ_NO_CELL && pinned.held && !sobj_list_pin_renew(&pinned.pin))
        unpin();
    return sobj_is_int(cell) ? sobj_to_int(cell) : ABSENT;
}

/* Does what `op` says. Returns: the first result. */
static int64_t run_one(struct sobj_object *l, const struct op *op, int64_t *second)
{
    struct number_out out = number_out();
    int64_t index = op->arg[0], value = op->arg[1], found;
    sobj_cell a, b, sum = 0;
    uint64_t at = 0;

    switch ((enum list_kind)op->kind) {
    case LIST_GET:
        *second = get_pinned(l, index);
        if (*second == ABSENT)
            *second = list_at(l, index);
        return *second != ABSENT;
    case LIST_LEN:
        return (int64_t)sobj_list_len(l);
    case LIST_SET:
        return sobj_list_set(l, index, cell_of(value)) == SOBJ_OK;
    case LIST_EXCHANGE:
        found = sobj_list_exchange(l, index, cell_of(value), &out.out) == SOBJ_OK;
        *second = taken(&out);
        return found;
    case LIST_CAS:
        a = cell_of(value >> 32);
        found = sobj_list_compare_and_set(l, index, a, cell_of((int32_t)value));
        sobj_cell_unref(a);
        return found;
    case LIST_INCREMENT:
        found = sobj_list_increment(l, index, sobj_from_int(value), &sum);
        *second = sobj_to_int(sum);
        return found;
    case LIST_PUSH:
        expect(sobj_list_push(l, cell_of(index), &at) == SOBJ_OK, "push");
        return (int64_t)at;
    case LIST_POP:
        found = sobj_list_pop(l, index, &out.out) == SOBJ_OK;
        *second = taken(&out);
        return found;
    case LIST_INSERT:
        expect(sobj_list_insert(l, index, cell_of(value)) == SOBJ_OK, "insert");
        return 0;
    case LIST_DELETE:
        return sobj_list_delete(l, index) == SOBJ_OK;
    case LIST_DELETE_IF:
        b = cell_of(value);
        found = sobj_list_delete_if(l, index, b);
        sobj_cell_unref(b);
        return found;
    case LIST_EXTEND:
        expect(list_extend(l, index, (size_t)value) == SOBJ_OK, "extend");
        return 0;
    case LIST_CUT:
        expect(sobj_list_delete_slice(l, &(struct sobj_slice){index, INT64_MAX, 1}) ==
                   SOBJ_OK,
               "cut");
        return 0;
    case LIST_REPLACE: {
        sobj_cell cells[8];
        for (int64_t i = 0; i < value; i++)
            cells[i] = cell_of(index + i);
        expect(sobj_list_replace(l, cells, (size_t)value) == SOBJ_OK, "replace");
        return 0;
    }
    case LIST_REVERSE:
        expect(sobj_list_reverse(l) == SOBJ_OK, "reverse");
        return 0;
    case LIST_SNAPSHOT:
        return snapshot(l, second);
    case LIST_KINDS:
        break;
    }
    return 0;
}

static void record(struct member *m, struct round *r)
{
    for (int i = 0; i < OPERATIONS; i++) {
        uint64_t len = sobj_list_len(r->l);
        unsigned kind = some_kind(&m->rng, r->ends, len);
        int64_t a = some_index(&m->rng, len), b = some_value(&m->rng), second = 0;

        if (kind == LIST_CAS)
            b = LIST_PAIR(some_value(&m->rng), b);
        else if (kind == LIST_INCREMENT)
            b *= 4;
        else if (kind == LIST_POP && (r->ends || rng_below(&m->rng, 3) != 0))
            a = -1;
        else if (kind == LIST_PUSH)
            a = b;
        else if (kind == LIST_EXTEND || kind == LIST_REPLACE) {
            a = some_value(&m->rng);
            b = (int64_t)rng_below(&m->rng, 5);
        }
        struct op *op = history_invoke(&r->h, m->index, kind, 0, a, b);
        int64_t first = run_one(r->l, op, &second);
        history_respond(&r->h, op, first, second);
    }
    unpin();
}

static void round_begin(struct round *r, uint64_t seed)
{
    r->seed = seed;
    r->ends = seed % 8 != 0; /* those of the gate take long */
    yield_every(seed & 8 ? 10 : seed & 16 ? 60 : 3);
    r->l = list_new();
}

static void round_end(struct round *r)
{
    enum verdict v = history_check(&r->h, &model_list, true);

    expect(v != NOT_LINEARIZABLE, "a history that no order explains, round %llu",
           (unsigned long long)r->seed);
    list_check(r->l, "after a history");
    sobj_unref(r->l);
    history_reset(&r->h);
    r->undecided += v == UNDECIDED;
    r->rounds++;
}

/* Member 0 sets up and checks while the others wait; all have freed by then what they
 * had retired. */
static void work(struct member *m)
{
    struct round *r = m->shared;

    for (;;) {
        if (m->index == 0) {
            r->go_on = sobj_clock() < r->end && tap_failures() == 0;
            if (r->go_on)
                round_begin(r, r->first + r->rounds);
        }
        crew_meet(m);
        if (!r->go_on)
            return;
        record(m, r);
        crew_meet(m);
        sobj_collect();
        crew_meet(m);
        if (m->index == 0)
            round_end(r);
    }
}

int main(int argc, char **argv)
{
    struct torture t = torture_begin(argc, argv, 3);
    struct round r = {.first = t.seed};

    tap_begin();
    struct balance b = balance_begin();
    r.end = sobj_clock() + (int64_t)t.milliseconds * 1000000;
    sobj__pause_hook = yield_at_pause;
    history_init(&r.h, t.threads, OPERATIONS);
    crew_run(t.threads, t.seed, 0, work, &r);
    yield_every(0);
    history_fini(&r.h);
    diag("%llu histories of %u threads, %llu undecided", (unsigned long long)r.rounds,
         t.threads, (unsigned long long)r.undecided);
    /* On a slow machine there may be one history only. */
    ok(r.undecided <= 1 + r.rounds / 10, "nearly all histories were decided");
    balance_check(&b, "list histories");
    return tap_end();
}
