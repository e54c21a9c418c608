/* SPDX-License-Identifier: MIT */
/* The list without memory, and the frozen list: whatever fails has changed nothing and
 * has consumed what it was given. */
#include "list_check.h"
#include "lists.h"

/* Expects `status` to be `wanted` or NO_MEMORY, and the list to be as before then: the
 * numbers from 0 on, `n` of them, or others of the same length. */
static bool passed(enum sobj_status status)
{
    expect(status == SOBJ_OK || status == SOBJ_NO_MEMORY, "status %s",
           sobj_status_str(status));
    return status == SOBJ_OK;
}

static struct sobj_object *try_list(size_t n)
{
    struct sobj_object *l;

    if (sobj_list_new(0, &l) != SOBJ_OK)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        sobj_cell c = try_cell_of((int64_t)i);
        if (c == SOBJ_NO_CELL || !passed(sobj_list_push(l, c, NULL))) {
            sobj_unref(l);
            return NULL;
        }
    }
    return l;
}

static void unchanged(struct sobj_object *l, size_t n, const char *what)
{
    bool same = sobj_list_len(l) == n;

    for (size_t i = 0; same && i < n; i++)
        same = list_at(l, (int64_t)i) == (int64_t)i;
    expect(same, "%s: as before", what);
    list_check(l, what);
}

/* Runs one operation on a list of `N` numbers. */
#define N 200
typedef enum sobj_status operation(struct sobj_object *l, const sobj_cell *cells);
struct walk {
    operation *run;
    const char *name;
};

#define MANY 1500
static void scenario(void *context)
{
    struct walk *w = context;
    struct sobj_object *l = try_list(N);
    static sobj_cell cells[MANY];
    size_t made = 0;

    for (; l != NULL && made < MANY; made++)
        if ((cells[made] = try_cell_of((int64_t)made % 5)) == SOBJ_NO_CELL)
            break;
    if (made == MANY) {
        if (!passed(w->run(l, cells)))
            unchanged(l, N, w->name);
        list_check(l, w->name);
    } else {
        for (size_t i = 0; i < made; i++)
            sobj_cell_unref(cells[i]);
    }
    if (l != NULL)
        sobj_unref(l);
}

static void drop(const sobj_cell *cells, size_t from)
{
    for (size_t i = from; i < MANY; i++)
        sobj_cell_unref(cells[i]);
}

static enum sobj_status extend_some(struct sobj_object *l, const sobj_cell *cells)
{
    drop(cells, 900);
    return sobj_list_extend(l, cells, 900);
}
static enum sobj_status extend_many(struct sobj_object *l, const sobj_cell *cells)
{
    return sobj_list_extend(l, cells, MANY);
}
static enum sobj_status replace(struct sobj_object *l, const sobj_cell *cells)
{
    return sobj_list_replace(l, cells, MANY);
}
/* Returns: a draft of these cells, which are dropped if there is no memory for it. */
static struct sobj_list_draft *draft_of(const sobj_cell *cells, size_t n)
{
    struct sobj_list_draft *draft = sobj_list_draft_new(n);

    for (size_t at = 0, run; draft != NULL && at < n; at += run) {
        run = n - at;
        sobj_cell *row = sobj_list_draft_row(draft, at, &run);
        memcpy(row, cells + at, run * sizeof *row);
    }
    for (size_t i = 0; draft == NULL && i < n; i++)
        sobj_cell_unref(cells[i]);
    return draft;
}
static enum sobj_status extend_by_draft(struct sobj_object *l, const sobj_cell *cells)
{
    struct sobj_list_draft *draft = draft_of(cells, MANY);

    return draft != NULL ? sobj_list_extend_draft(l, draft) : SOBJ_NO_MEMORY;
}
static enum sobj_status replace_by_draft(struct sobj_object *l, const sobj_cell *cells)
{
    struct sobj_list_draft *draft = draft_of(cells, MANY);

    return draft != NULL ? sobj_list_replace_draft(l, draft) : SOBJ_NO_MEMORY;
}
static enum sobj_status insert(struct sobj_object *l, const sobj_cell *cells)
{
    drop(cells, 1);
    return sobj_list_insert(l, 5, cells[0]);
}
static enum sobj_status assign(struct sobj_object *l, const sobj_cell *cells)
{
    struct sobj_slice slice = {10, 20, 1};
    uint64_t have;

    return sobj_list_assign(l, &slice, cells, MANY, &have);
}
static enum sobj_status assign_step(struct sobj_object *l, const sobj_cell *cells)
{
    struct sobj_slice slice = {-1, INT64_MIN, -4};
    uint64_t have;

    drop(cells, N / 4);
    return sobj_list_assign(l, &slice, cells, N / 4, &have);
}
static enum sobj_status delete_front(struct sobj_object *l, const sobj_cell *cells)
{
    struct sobj_slice slice = {0, 150, 1};

    drop(cells, 0);
    return sobj_list_delete_slice(l, &slice);
}
static enum sobj_status delete_step(struct sobj_object *l, const sobj_cell *cells)
{
    struct sobj_slice slice = {3, 190, 7};

    drop(cells, 0);
    return sobj_list_delete_slice(l, &slice);
}
static enum sobj_status delete_end(struct sobj_object *l, const sobj_cell *cells)
{
    struct sobj_slice slice = {-400, INT64_MAX, 1};

    drop(cells, 0);
    for (int64_t i = N; i < 900; i++) {
        enum sobj_status status = sobj_list_push(l, sobj_from_int(i), NULL);
        if (status != SOBJ_OK) {
            while (sobj_list_len(l) > N)
                sobj_list_pop(l, -1, NULL);
            return status;
        }
    }
    enum sobj_status status = sobj_list_delete_slice(l, &slice);
    expect(sobj_list_len(l) == (status == SOBJ_OK ? 500 : 900), "all or nothing");
    while (sobj_list_len(l) > N)
        sobj_list_pop(l, -1, NULL);
    return status;
}
static enum sobj_status pop_front(struct sobj_object *l, const sobj_cell *cells)
{
    struct number_out out = number_out();

    drop(cells, 0);
    return sobj_list_pop(l, 3, &out.out);
}
static enum sobj_status reverse(struct sobj_object *l, const sobj_cell *cells)
{
    drop(cells, 0);
    return sobj_list_reverse(l);
}
static enum sobj_status repeat(struct sobj_object *l, const sobj_cell *cells)
{
    drop(cells, 0);
    return sobj_list_repeat(l, 3);
}
static enum sobj_status clear(struct sobj_object *l, const sobj_cell *cells)
{
    drop(cells, 0);
    return sobj_list_clear(l);
}
static enum sobj_status copy_and_permute(struct sobj_object *l, const sobj_cell *cells)
{
    struct sobj_list_copy copy;
    sobj_cell turned[N];
    enum sobj_status status = sobj_list_copy_init(&copy, l, NULL);

    drop(cells, 0);
    if (status != SOBJ_OK)
        return status;
    for (uint64_t i = 0; i < N; i++)
        turned[i] = copy.cells[N - 1 - i];
    status = sobj_list_permute(l, &copy, turned);
    sobj_list_copy_fini(&copy);
    return status;
}

static void test_faults(void)
{
    static struct walk walks[] = {
        {extend_some, "extend by some"},
        {extend_many, "extend by many"},
        {replace, "replace"},
        {extend_by_draft, "extend by a draft"},
        {replace_by_draft, "replace by a draft"},
        {insert, "insert"},
        {assign, "assign"},
        {assign_step, "assign with a step"},
        {delete_front, "delete the front"},
        {delete_step, "delete with a step"},
        {delete_end, "delete the end"},
        {pop_front, "pop from the front"},
        {reverse, "reverse"},
        {repeat, "repeat"},
        {clear, "clear"},
        {copy_and_permute, "copy and permute"},
    };

    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++)
        fault_walk(walks[i].name, scenario, NULL, &walks[i]);
}

/* ---- frozen */

static void test_frozen(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(N);
    struct sobj_slice front = {0, 2, 1}, end = {5, INT64_MAX, 1}, none = {3, 3, 1};
    struct sobj_list_copy copy, half;
    struct number_out out = number_out();
    uint64_t have;
    sobj_cell sum;

    sobj_list_copy_init(&copy, l, NULL);
    ok(!sobj_list_frozen(l), "not frozen");
    sobj_list_freeze(l);
    sobj_list_freeze(l);
    ok(sobj_list_frozen(l), "frozen");
#define REFUSED(call) expect((call) == SOBJ_FROZEN, "%s", #call)
    int before = tap_failures();
    REFUSED(sobj_list_set(l, 0, cell_of(3)));
    REFUSED(sobj_list_set(l, N, cell_of(3)));
    REFUSED(sobj_list_exchange(l, 0, cell_of(3), &out.out));
    REFUSED(sobj_list_compare_and_set(l, 0, sobj_from_int(0), cell_of(3)));
    REFUSED(sobj_list_increment(l, 0, sobj_from_int(1), &sum));
    REFUSED(sobj_list_push(l, cell_of(3), NULL));
    REFUSED(list_extend(l, 0, 0));
    REFUSED(list_extend(l, 0, 5));
    REFUSED(list_extend(l, 0, 3000));
    REFUSED(sobj_list_pop(l, -1, &out.out));
    REFUSED(sobj_list_pop(l, 0, &out.out));
    REFUSED(sobj_list_delete(l, -1));
    REFUSED(sobj_list_delete_if(l, -1, sobj_from_int(0)));
    REFUSED(sobj_list_insert(l, 0, cell_of(3)));
    REFUSED(sobj_list_insert(l, N, cell_of(3)));
    REFUSED(sobj_list_assign(l, &front, NULL, 0, &have));
    REFUSED(sobj_list_delete_slice(l, &front));
    REFUSED(sobj_list_delete_slice(l, &end));
    REFUSED(sobj_list_delete_slice(l, &none));
    REFUSED(sobj_list_clear(l));
    REFUSED(sobj_list_replace(l, NULL, 0));
    REFUSED(sobj_list_reverse(l));
    REFUSED(sobj_list_repeat(l, 0));
    REFUSED(sobj_list_repeat(l, 1));
    REFUSED(sobj_list_permute(l, &copy, copy.cells));
    sobj_cell many[1100];
    for (int i = 0; i < 1100; i++)
        many[i] = cell_of(i);
    REFUSED(sobj_list_extend_draft(l, draft_of(many, 1100)));
    for (int i = 0; i < 1100; i++)
        many[i] = cell_of(i);
    REFUSED(sobj_list_replace_draft(l, draft_of(many, 1100)));
    for (int i = 0; i < 1100; i++)
        many[i] = cell_of(i);
    REFUSED(sobj_list_assign(l, &front, many, 1100, &have));
    ok(tap_failures() == before, "every change is refused");
    ok(sobj_list_copy_init(&half, l, &end) == SOBJ_OK && half.len == N - 5 &&
           number_of(half.cells[0]) == 5,
       "a copy of a frozen list");
    sobj_list_copy_fini(&half);
    unchanged(l, N, "frozen");
    sobj_list_copy_fini(&copy);
    sobj_unref(l);
    balance_check(&b, "frozen");

    struct sobj_object *empty = list_new();
    sobj_list_freeze(empty);
    ok(sobj_list_pop(empty, -1, NULL) == SOBJ_FROZEN &&
           sobj_list_clear(empty) == SOBJ_FROZEN &&
           list_extend(empty, 0, 2000) == SOBJ_FROZEN,
       "also if there is nothing to change");
    sobj_unref(empty);
}

int main(void)
{
    tap_begin();
    test_faults();
    test_frozen();
    return tap_end();
}
