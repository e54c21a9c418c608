/* SPDX-License-Identifier: MIT */
/* The list under many hands: what members put in and what they take out must balance at
 * the end, whatever was appended, removed, exchanged, inserted, moved and added to
 * meanwhile, values among it that the host may be unable to make; what a reader finds
 * below a length that it has seen is an item; memory stays bounded. The list is long
 * enough for segments and directories to come and go. */
#include "crew.h"
#include "list_check.h"
#include "list_internal.h"
#include "lists.h"

static void yield_at_pause(const char *point)
{
    (void)point;
    sobj__yield_maybe();
}

/* Every value in the list is one of these, and so are their sums. */
#define UNIT 4096
struct world {
    struct sobj_object *l;
    _Atomic(int64_t) in, out; /* sums of what was put in and taken out */
    bool moves;               /* members close the gate */
};

static int64_t some_value(struct rng *r)
{
    /* Half of them blobs. */
    return (int64_t)rng_below(r, 64) * UNIT + (rng_below(r, 2) ? 3 : 0);
}

static void count_in(struct world *w, int64_t v) { sobj_add_seq_cst(&w->in, v); }
static void count_out(struct world *w, int64_t v) { sobj_add_seq_cst(&w->out, v); }

static bool is_value(int64_t v) { return (v & (UNIT - 1) & ~(int64_t)3) == 0; }

/* ---- what members do */

static void take_unhosted(struct sobj_out *out)
{
    expect(!sobj_cell_is_hosted(out->cell), "a hosted value is handed out");
    take_number(out);
}

/* Removes the last item. A hosted value is looked at first, and removed if it is still
 * there. */
static void pop_one(struct world *w)
{
    struct number_out out = number_out(), seen = number_out();
    sobj_cell e;

    out.out.take = take_unhosted;
    switch (sobj_list_pop(w->l, -1, &out.out)) {
    case SOBJ_OK:
        expect(is_value(taken(&out)), "popped %lld", (long long)taken(&out));
        count_out(w, taken(&out));
        break;
    case SOBJ_BAD_OPERAND:
        if (sobj_list_get(w->l, -1, &seen.out) != SOBJ_OK)
            break;
        e = hosted_cell_of(taken(&seen));
        if (sobj_list_delete_if(w->l, -1, e) == SOBJ_OK)
            count_out(w, taken(&seen));
        sobj_cell_unref(e);
        break;
    default:
        break;
    }
}

static void at_the_end(struct world *w, struct rng *r)
{
    int64_t v = some_value(r);
    size_t n = rng_below(r, 60) == 0 ? 700 : rng_below(r, 20);
    uint64_t len = sobj_list_len(w->l);

    if (len < 4000 && rng_below(r, 5) == 0) {
        sobj_cell cells[700];
        for (size_t i = 0; i < n; i++)
            cells[i] = cell_of(v);
        count_in(w, v * (int64_t)n);
        expect(sobj_list_extend(w->l, cells, n) == SOBJ_OK, "extend");
    } else if (len < 4000 && rng_below(r, 2)) {
        uint64_t at;
        count_in(w, v);
        expect(sobj_list_push(w->l, cell_of(v), &at) == SOBJ_OK, "push");
    } else {
        for (n = n * 2 + 1; n != 0; n--)
            pop_one(w);
    }
}

static void at_an_index(struct world *w, struct rng *r)
{
    struct number_out out = number_out();
    uint64_t len = sobj_list_len(w->l);
    int64_t v = some_value(r), i = (int64_t)rng_below(r, len + 2), seen;
    sobj_cell sum, e;

    i = rng_below(r, 2) ? i : rng_below(r, 2) ? -1 : (int64_t)len - 1;
    switch (rng_below(r, 4)) {
    case 0:
        out.out.take = take_unhosted;
        if (sobj_list_exchange(w->l, i, cell_of(v), &out.out) == SOBJ_OK) {
            count_in(w, v);
            count_out(w, taken(&out));
        }
        break;
    case 1:
        if (sobj_list_increment(w->l, i, sobj_from_int(UNIT), &sum) == SOBJ_OK)
            count_in(w, UNIT);
        break;
    case 2:
        seen = list_at(w->l, i);
        if (seen == ABSENT)
            break;
        e = cell_of(seen);
        sobj_cell c = rng_below(r, 16) == 0 ? hosted_cell_of(v) : cell_of(v);
        if (sobj_list_compare_and_set(w->l, i, e, c) == SOBJ_OK) {
            count_in(w, v);
            count_out(w, seen);
        }
        sobj_cell_unref(e);
        break;
    default:
        seen = list_at(w->l, i);
        expect(seen == ABSENT || is_value(seen), "item %lld", (long long)seen);
    }
}

static void sort_it(struct world *w)
{
    struct sobj_list_copy copy;

    expect(sobj_list_copy_init(&copy, w->l, NULL) == SOBJ_OK, "copy");
    sobj_cell *turned = malloc((copy.len + 1) * sizeof *turned);
    for (uint64_t i = 0; i < copy.len; i++)
        turned[i] = copy.cells[copy.len - 1 - i];
    enum sobj_status status = sobj_list_permute(w->l, &copy, turned);
    expect(status == SOBJ_OK || status == SOBJ_MISMATCH, "permute");
    free(turned);
    sobj_list_copy_fini(&copy);
}

static void move(struct world *w, struct rng *r)
{
    struct number_out out = number_out();
    int64_t v = some_value(r), i = (int64_t)rng_below(r, sobj_list_len(w->l) + 1);

    switch (rng_below(r, 5)) {
    case 0:
        count_in(w, v);
        expect(sobj_list_insert(w->l, i, cell_of(v)) == SOBJ_OK, "insert");
        break;
    case 1:
        out.out.take = take_unhosted;
        if (sobj_list_pop(w->l, i, &out.out) == SOBJ_OK)
            count_out(w, taken(&out));
        break;
    case 2:
        expect(sobj_list_reverse(w->l) == SOBJ_OK, "reverse");
        break;
    case 3:
        sort_it(w);
        break;
    default: {
        sobj_cell cells[40];
        struct sobj_slice slice = {i, i, 1};
        uint64_t have;
        for (int k = 0; k < 40; k++)
            cells[k] = cell_of(v);
        count_in(w, v * 40);
        expect(sobj_list_assign(w->l, &slice, cells, 40, &have) == SOBJ_OK, "assign");
    }
    }
}

static void read_all(struct world *w)
{
    struct sobj_out outs[50];
    uint64_t index = 0;
    size_t n;

    for (int i = 0; i < 50; i++)
        outs[i].take = sobj_out_ref;
    do {
        n = sobj_list_get_many(w->l, index, 50, outs);
        for (size_t i = 0; i < n; i++) {
            expect(is_value(number_of(outs[i].cell)), "read");
            sobj_cell_unref(outs[i].cell);
        }
        index += n;
    } while (n == 50);
}

/* A few looks through a pin of their own. */
static void look_about(struct world *w, struct rng *r)
{
    struct sobj_list_pin pin;

    if (!sobj_list_pin_init(&pin, w->l))
        return;
    do {
        uint64_t index = rng_below(r, sobj_list_len(w->l) + 1);
        const sobj_cell *place = sobj_list_pin_place(&pin, index);
        for (int i = 0; place != NULL && i < 20; i++) {
            sobj_cell cell = sobj_list_pin_look(&pin, index, place);
            expect(!sobj_is_int(cell) || is_value(sobj_to_int(cell)), "look");
        }
    } while (rng_below(r, 20) != 0 && sobj_list_pin_renew(&pin));
    sobj_list_pin_fini(&pin);
}

static void work(struct member *m)
{
    struct world *w = m->shared;

    while (crew_running(m)) {
        if (rng_below(&m->rng, 20) == 0)
            look_about(w, &m->rng);
        else if (m->index == 0 && rng_below(&m->rng, 4) == 0)
            read_all(w);
        else if (w->moves && rng_below(&m->rng, 30) == 0)
            move(w, &m->rng);
        else if (rng_below(&m->rng, 3) == 0)
            at_the_end(w, &m->rng);
        else
            at_an_index(w, &m->rng);
    }
}

static void check_world(struct world *w)
{
    static const struct sobj_slice two = {-2, INT64_MAX, 1};
    struct sobj_list_copy copy;
    int64_t sum = 0;

    list_check(w->l, "after a crew");
    /* What was there for pins goes with the next removal of some. */
    expect(list_extend(w->l, 0, 2) == SOBJ_OK, "extend");
    expect(sobj_list_delete_slice(w->l, &two) == SOBJ_OK, "cut");
    expect(sobj_list_copy_init(&copy, w->l, NULL) == SOBJ_OK, "copy");
    for (uint64_t i = 0; i < copy.len; i++)
        sum += number_of(copy.cells[i]);
    sobj_list_copy_fini(&copy);
    expect(sum == sobj_load_seq_cst(&w->in) - sobj_load_seq_cst(&w->out),
           "what is in the list is what was put in and not taken out");
    expect(sobj_list_bytes(w->l) < 12 * (size_t)copy.len + 12000,
           "%zu bytes for %llu items", sobj_list_bytes(w->l),
           (unsigned long long)copy.len);
}

int main(int argc, char **argv)
{
    struct torture t = torture_begin(argc, argv, 4);
    struct world w = {.l = NULL};
    int64_t end = sobj_clock() + (int64_t)t.milliseconds * 1000000;
    unsigned crews = 0;

    tap_begin();
    struct balance b = balance_begin();
    w.l = list_new();
    sobj__pause_hook = yield_at_pause;
    do {
        yield_every(crews % 2 ? 8 : 0);
        w.moves = crews % 4 >= 2;
        crew_run(t.threads, t.seed + crews, t.milliseconds / 8, work, &w);
        check_world(&w);
        crews++;
    } while (tap_failures() == 0 && sobj_clock() < end);
    yield_every(0);
    ok(tap_failures() == 0, "%u crews", crews);
    sobj_unref(w.l);
    balance_check(&b, "list torture");
    return tap_end();
}
