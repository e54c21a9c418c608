/* SPDX-License-Identifier: MIT */
/* The list by one thread: random operations against a plain array, slices of every
 * shape against a simple reference, and what the contract says at the edges. */
#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "list_check.h"
#include "list_internal.h"
#include "lists.h"

/* ---- the model: an array of numbers */

#define MOST 6000
struct plain {
    int64_t items[MOST];
    uint64_t len;
};

static bool same(struct sobj_object *l, const struct plain *p, const char *what)
{
    struct sobj_list_copy copy;
    bool equal = expect(sobj_list_copy_init(&copy, l, NULL) == SOBJ_OK, "copy");

    equal = equal && expect(copy.len == p->len && sobj_list_len(l) == p->len,
                            "%s: %llu items, not %llu", what,
                            (unsigned long long)copy.len, (unsigned long long)p->len);
    for (uint64_t i = 0; equal && i < p->len; i++)
        equal = expect(number_of(copy.cells[i]) == p->items[i], "%s: item %llu", what,
                       (unsigned long long)i);
    sobj_list_copy_fini(&copy);
    return equal;
}

/* Python's slice.indices, number by number. Returns: how many. */
static uint64_t naive_slice(const struct sobj_slice *s, uint64_t len, int64_t *indices)
{
    int64_t n = (int64_t)len, start = s->start, stop = s->stop;
    uint64_t count = 0;

    if (start < 0)
        start = start < -n ? (s->step < 0 ? -1 : 0) : start + n;
    else if (start >= n)
        start = s->step < 0 ? n - 1 : n;
    if (stop < 0)
        stop = stop < -n ? (s->step < 0 ? -1 : 0) : stop + n;
    else if (stop >= n)
        stop = s->step < 0 ? n - 1 : n;
    for (__int128 i = start; s->step < 0 ? i > stop : i < stop; i += s->step)
        indices[count++] = (int64_t)i;
    if (s->step == 1 && count == 0)
        indices[0] = start;
    return count;
}

static void plain_splice(struct plain *p, uint64_t start, uint64_t removed,
                         const int64_t *values, uint64_t n)
{
    memmove(p->items + start + n, p->items + start + removed,
            (p->len - start - removed) * sizeof *p->items);
    if (n != 0)
        memcpy(p->items + start, values, n * sizeof *values);
    p->len += n - removed;
}

static int by_size(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static void plain_delete(struct plain *p, int64_t *indices, uint64_t count)
{
    qsort(indices, count, sizeof *indices, by_size);
    while (count-- != 0)
        plain_splice(p, (uint64_t)indices[count], 1, NULL, 0);
}

/* ---- random operations */

struct pair {
    struct sobj_object *l;
    struct plain *p;
    struct rng rng;
    int64_t values[MOST], indices[MOST];
    sobj_cell cells[MOST];
};

static int64_t some_bound(struct pair *t)
{
    int64_t n = (int64_t)t->p->len;

    switch (rng_below(&t->rng, 8)) {
    case 0:
        return INT64_MIN;
    case 1:
        return INT64_MAX;
    case 2:
        return n;
    case 3:
        return 0;
    default:
        return (int64_t)rng_below(&t->rng, (uint64_t)(2 * n + 4)) - n - 2;
    }
}

static struct sobj_slice some_slice(struct pair *t)
{
    static const int64_t steps[] = {1, 1, 1, 1, 2, 3, -1, -2, 7, INT64_MAX, INT64_MIN};

    return (struct sobj_slice){some_bound(t), some_bound(t),
                               steps[rng_below(&t->rng, sizeof steps / sizeof *steps)]};
}

static void some_cells(struct pair *t, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        t->values[i] = (int64_t)rng_below(&t->rng, 1000);
        t->cells[i] = cell_of(t->values[i]);
    }
}

static uint64_t some_count(struct pair *t)
{
    uint64_t room = MOST - t->p->len, n = rng_below(&t->rng, 12);

    if (rng_below(&t->rng, 12) == 0)
        n = rng_below(&t->rng, 1800);
    return n < room ? n : room;
}

static void do_one(struct pair *t)
{
    struct plain *p = t->p;
    int64_t index = some_bound(t), at = index < 0 ? index + (int64_t)p->len : index;
    bool inside = index != INT64_MIN && at >= 0 && (uint64_t)at < p->len;
    struct number_out out = number_out();
    enum sobj_status status = SOBJ_OK;
    sobj_cell sum;

    some_cells(t, 1);
    sobj_cell c = t->cells[0];
    switch (rng_below(&t->rng, 10)) {
    case 0:
        status = sobj_list_set(t->l, index, c);
        break;
    case 1:
        status = sobj_list_exchange(t->l, index, c, &out.out);
        expect(!inside || taken(&out) == p->items[at], "exchange hands out");
        break;
    case 2: {
        sobj_cell e = cell_of(inside ? p->items[at] : 0);
        status = sobj_list_compare_and_set(t->l, index, e, c);
        sobj_cell_unref(e);
        break;
    }
    case 3: {
        sobj_cell e = cell_of(inside ? p->items[at] + 1 : 0);
        status = sobj_list_compare_and_set(t->l, index, e, c);
        sobj_cell_unref(e);
        expect(status == (inside ? SOBJ_MISMATCH : SOBJ_NOT_FOUND), "another value");
        return;
    }
    case 4:
        sobj_cell_unref(c);
        status = sobj_list_increment(t->l, index, sobj_from_int(5), &sum);
        if (inside && (p->items[at] & 3) == 3) {
            expect(status == SOBJ_BAD_OPERAND, "a blob is no immediate number");
            return;
        }
        t->values[0] = inside ? p->items[at] + 5 : 0;
        expect(!inside || sum == sobj_from_int(t->values[0]), "sum");
        if (inside && (t->values[0] & 3) == 3) { /* this one would be a blob */
            sobj_list_set(t->l, index, cell_of(t->values[0]));
        }
        break;
    case 5:
        sobj_cell_unref(c);
        status = sobj_list_delete(t->l, index);
        expect(status == (inside ? SOBJ_OK : SOBJ_NOT_FOUND), "delete");
        if (inside)
            plain_splice(p, (uint64_t)at, 1, NULL, 0);
        return;
    case 6:
        sobj_cell_unref(c);
        status = sobj_list_pop(t->l, index, &out.out);
        expect(status == (inside        ? SOBJ_OK
                          : p->len == 0 ? SOBJ_EMPTY
                                        : SOBJ_NOT_FOUND),
               "pop");
        expect(!inside || taken(&out) == p->items[at], "pop hands out");
        if (inside)
            plain_splice(p, (uint64_t)at, 1, NULL, 0);
        return;
    case 7:
        sobj_cell_unref(c);
        c = cell_of(inside ? p->items[at] : 0);
        status = sobj_list_delete_if(t->l, index, c);
        sobj_cell_unref(c);
        expect(status == (inside ? SOBJ_OK : SOBJ_NOT_FOUND), "delete_if");
        if (inside)
            plain_splice(p, (uint64_t)at, 1, NULL, 0);
        return;
    default:
        sobj_cell_unref(c);
        expect(list_at(t->l, index) == (inside ? p->items[at] : ABSENT), "get");
        return;
    }
    expect(status == (inside ? SOBJ_OK : SOBJ_NOT_FOUND), "one item: %s",
           sobj_status_str(status));
    if (inside)
        p->items[at] = t->values[0];
}

static void do_slice(struct pair *t)
{
    struct plain *p = t->p;
    struct sobj_slice slice = some_slice(t), adjusted = slice;
    uint64_t count = naive_slice(&slice, p->len, t->indices), have, n;

    expect(sobj_slice_adjust(&adjusted, p->len) == count, "items of a slice");
    expect(count == 0 || adjusted.start == t->indices[0], "first item of a slice");
    if (rng_below(&t->rng, 3) == 0) {
        struct sobj_list_copy copy;
        expect(sobj_list_copy_init(&copy, t->l, &slice) == SOBJ_OK && copy.len == count,
               "copy of a slice");
        for (uint64_t i = 0; i < count; i++)
            expect(number_of(copy.cells[i]) == p->items[t->indices[i]], "its items");
        sobj_list_copy_fini(&copy);
        return;
    }
    if (rng_below(&t->rng, 2)) {
        expect(sobj_list_delete_slice(t->l, &slice) == SOBJ_OK, "delete slice");
        plain_delete(p, t->indices, count);
        return;
    }
    n = slice.step == 1 || rng_below(&t->rng, 3) == 0 ? some_count(t) : count;
    some_cells(t, n);
    enum sobj_status status =
        sobj_list_assign(t->l, &slice, t->cells, (size_t)n, &have);
    if (slice.step == 1) {
        expect(status == SOBJ_OK, "assign");
        plain_splice(p, (uint64_t)t->indices[0], count, t->values, n);
        return;
    }
    expect(status == (n == count ? SOBJ_OK : SOBJ_BAD_OPERAND), "assign with a step");
    expect(n == count || have == count, "how many there are");
    for (uint64_t i = 0; n == count && i < n; i++)
        p->items[t->indices[i]] = t->values[i];
}

static void do_whole(struct pair *t)
{
    struct plain *p = t->p;
    uint64_t n;

    switch (rng_below(&t->rng, 8)) {
    case 0:
        expect(sobj_list_clear(t->l) == SOBJ_OK, "clear");
        p->len = 0;
        break;
    case 1:
        n = some_count(t);
        some_cells(t, n);
        expect(sobj_list_replace(t->l, t->cells, (size_t)n) == SOBJ_OK, "replace");
        memcpy(p->items, t->values, n * sizeof *p->items);
        p->len = n;
        break;
    case 2:
        expect(sobj_list_reverse(t->l) == SOBJ_OK, "reverse");
        for (uint64_t i = 0; i < p->len / 2; i++) {
            int64_t v = p->items[i];
            p->items[i] = p->items[p->len - 1 - i];
            p->items[p->len - 1 - i] = v;
        }
        break;
    case 3:
        n = rng_below(&t->rng, 4);
        if (p->len * n > MOST)
            break;
        expect(sobj_list_repeat(t->l, n) == SOBJ_OK, "repeat");
        for (uint64_t i = p->len; i < p->len * n; i++)
            p->items[i] = p->items[i - p->len];
        p->len *= n;
        break;
    case 4: {
        struct sobj_list_copy copy;
        sobj_cell *cells = calloc(p->len + 1, sizeof *cells);
        expect(sobj_list_copy_init(&copy, t->l, NULL) == SOBJ_OK, "copy");
        for (uint64_t i = 0; i < p->len; i++) {
            uint64_t j = rng_below(&t->rng, i + 1);
            cells[i] = cells[j];
            cells[j] = copy.cells[i];
        }
        expect(sobj_list_permute(t->l, &copy, cells) == SOBJ_OK, "permute");
        for (uint64_t i = 0; i < p->len; i++)
            p->items[i] = number_of(cells[i]);
        sobj_list_copy_fini(&copy);
        free(cells);
        break;
    }
    default:
        n = some_count(t);
        some_cells(t, n);
        expect(sobj_list_extend(t->l, t->cells, (size_t)n) == SOBJ_OK, "extend");
        plain_splice(p, p->len, 0, t->values, n);
    }
}

static void do_end(struct pair *t)
{
    struct plain *p = t->p;
    uint64_t n = rng_below(&t->rng, 40), at;

    for (uint64_t i = 0; i < n; i++) {
        if (rng_below(&t->rng, 2) && p->len < MOST) {
            some_cells(t, 1);
            expect(sobj_list_push(t->l, t->cells[0], &at) == SOBJ_OK && at == p->len,
                   "push");
            p->items[p->len++] = t->values[0];
        } else {
            expect(list_pop(t->l) == (p->len != 0 ? p->items[p->len - 1] : ABSENT),
                   "pop");
            p->len -= p->len != 0;
        }
    }
}

static void do_insert(struct pair *t)
{
    struct plain *p = t->p;
    int64_t index = some_bound(t), n = (int64_t)p->len;
    int64_t at = index >= n ? n : index >= 0 ? index : index < -n ? 0 : index + n;

    if (p->len == MOST)
        return;
    some_cells(t, 1);
    expect(sobj_list_insert(t->l, index, t->cells[0]) == SOBJ_OK, "insert");
    plain_splice(p, (uint64_t)at, 0, t->values, 1);
}

static void test_random(uint64_t seed)
{
    struct balance b = balance_begin();
    struct pair *t = calloc(1, sizeof *t);

    t->l = list_new();
    t->p = calloc(1, sizeof *t->p);
    t->rng = rng_seed(seed);
    for (int i = 0; i < 2500 && tap_failures() == 0; i++) {
        uint64_t what = rng_below(&t->rng, 100);
        if (what < 50)
            do_one(t);
        else if (what < 65)
            do_end(t);
        else if (what < 80)
            do_insert(t);
        else if (what < 93)
            do_slice(t);
        else
            do_whole(t);
        if (i % 10 == 0) {
            same(t->l, t->p, "after random operations");
            list_check(t->l, "random");
        }
    }
    ok(same(t->l, t->p, "at the end"), "random operations, seed %llu",
       (unsigned long long)seed);
    sobj_unref(t->l);
    free(t->p);
    free(t);
    balance_check(&b, "random operations");
}

/* ---- growing and shrinking */

static void test_length(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_new();
    const int64_t n = 100000;

    for (int64_t i = 0; i < n; i++)
        list_push(l, i);
    ok(sobj_list_len(l) == (uint64_t)n, "all are counted");
    ok(sobj_list_bytes(l) <= 10 * (size_t)n, "%zu bytes for %lld items",
       sobj_list_bytes(l), (long long)n);
    for (int64_t i = 0; i < n; i++)
        expect(list_at(l, i) == i && list_at(l, i - n) == i, "item %lld", (long long)i);
    list_check(l, "grown");
    for (int64_t i = n - 1; i >= 300; i--)
        expect(list_pop(l) == i, "pop");
    ok(sobj_list_bytes(l) < 8000, "what is popped is given back: %zu bytes",
       sobj_list_bytes(l));
    list_check(l, "shrunk");
    while (list_pop(l) != ABSENT)
        continue;
    ok(sobj_list_pop(l, -1, NULL) == SOBJ_EMPTY && sobj_list_len(l) == 0, "empty");
    list_check(l, "empty");
    sobj_unref(l);
    balance_check(&b, "growing and shrinking");

    ok(sobj_list_new(1000, &l) == SOBJ_OK, "a list with room");
    int64_t blocks = sobj_count(SOBJ_COUNT_BLOCKS);
    for (int64_t i = 0; i < 1000; i++)
        expect(sobj_list_push(l, sobj_from_int(i), NULL) == SOBJ_OK, "push");
    ok(sobj_count(SOBJ_COUNT_BLOCKS) == blocks, "nothing is allocated for what it has");
    sobj_unref(l);
    balance_check(&b, "a list with room");
}

/* A length that swings around a boundary between segments does not allocate. */
static void test_swing(void)
{
    struct sobj_object *l = list_with(64);

    list_pop(l); /* a blob */
    list_push(l, 0);
    list_push(l, 0);
    list_pop(l);
    struct balance b = balance_begin();
    sobj_fail_allocation(0);
    for (int k = 0; k < 100; k++) {
        list_push(l, 0);
        list_push(l, 0);
        list_pop(l);
        list_pop(l);
        list_pop(l);
        list_push(l, 0);
    }
    ok(sobj_fail_allocation(-1) == 0, "a swinging length allocates nothing");
    balance_check(&b, "swing");
    sobj_unref(l);
}

static void test_get_many(void)
{
    struct sobj_object *l = list_with(100);
    struct sobj_out plain[120];

    for (size_t i = 0; i < 120; i++)
        plain[i] = (struct sobj_out){.take = sobj_out_ref};
    for (size_t from = 0; from < 110; from += 7)
        for (size_t n = 0; n < 120; n += 13) {
            size_t expected = from >= 100 ? 0 : n < 100 - from ? n : 100 - from;
            size_t got = sobj_list_get_many(l, from, n, plain);
            expect(got == expected, "%zu from %zu: %zu", n, from, got);
            for (size_t k = 0; k < got; k++) {
                expect(number_of(plain[k].cell) == (int64_t)(from + k), "item");
                sobj_cell_unref(plain[k].cell);
            }
        }
    ok(sobj_list_get_many(l, UINT64_MAX, 5, plain) == 0, "many at once");
    sobj_unref(l);
}

/* ---- edges */

static void test_hosted(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct number_out out = number_out();
    sobj_cell h = hosted_cell_of(7), same_one = hosted_cell_of(7),
              other = hosted_cell_of(8);

    sobj_cell_ref(h);
    ok(sobj_list_set(l, 1, h) == SOBJ_OK && list_at(l, 1) == 7, "a hosted value");
    ok(sobj_list_exchange(l, 1, sobj_from_int(0), &out.out) == SOBJ_BAD_OPERAND &&
           list_at(l, 1) == 7,
       "is not exchanged");
    ok(sobj_list_pop(l, 1, &out.out) == SOBJ_BAD_OPERAND && sobj_list_len(l) == 3,
       "nor popped");
    ok(sobj_list_exchange(l, 1, sobj_from_int(1), NULL) == SOBJ_OK &&
           list_at(l, 1) == 1,
       "unless nobody wants it");
    sobj_cell_ref(h);
    list_push(l, 9);
    ok(sobj_list_exchange(l, 3, h, &out.out) == SOBJ_OK && taken(&out) == 9,
       "it goes in by exchange");
    ok(sobj_list_pop(l, -1, &out.out) == SOBJ_BAD_OPERAND && sobj_list_len(l) == 4,
       "the last one is not popped");
    ok(sobj_list_delete_if(l, -1, other) == SOBJ_MISMATCH &&
           sobj_list_delete_if(l, -1, same_one) == SOBJ_OK && sobj_list_len(l) == 3,
       "but deleted if it is the same");
    sobj_cell_ref(h);
    ok(sobj_list_compare_and_set(l, 2, sobj_from_int(2), h) == SOBJ_OK &&
           sobj_list_pop(l, -1, NULL) == SOBJ_OK,
       "or popped when nobody wants it");
    sobj_cell_unref(h);
    sobj_cell_unref(same_one);
    sobj_cell_unref(other);
    list_check(l, "hosted");
    sobj_unref(l);
    balance_check(&b, "hosted values");
}

static void test_numbers(void)
{
    struct sobj_object *l = list_new();
    sobj_cell sum;

    sobj_list_push(l, sobj_from_int(SOBJ_INT_MAX), NULL);
    sobj_list_push(l, sobj_from_float(0.5), NULL);
    sobj_list_push(l, SOBJ_NONE, NULL);
    ok(sobj_list_increment(l, 0, sobj_from_int(1), &sum) == SOBJ_OVERFLOW &&
           list_at(l, 0) == SOBJ_INT_MAX,
       "overflow");
    ok(sobj_list_increment(l, 1, sobj_from_int(1), &sum) == SOBJ_OK &&
           sobj_to_float(sum) == 1.5,
       "floats");
    ok(sobj_list_increment(l, 2, sobj_from_int(1), &sum) == SOBJ_BAD_OPERAND, "None");
    ok(sobj_list_increment(l, 3, sobj_from_int(1), &sum) == SOBJ_NOT_FOUND, "nothing");
    ok(sobj_list_increment(l, 0, sobj_from_int(0), &sum) == SOBJ_OK &&
           sum == sobj_from_int(SOBJ_INT_MAX),
       "by nothing");
    sobj_unref(l);
}

static void test_same_word(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(4);
    struct number_out out = number_out();
    sobj_cell c = cell_of(3), again = c;

    sobj_cell_ref(c);
    sobj_cell_ref(c);
    sobj_cell_ref(c);
    ok(sobj_list_set(l, 0, c) == SOBJ_OK && sobj_list_set(l, 0, again) == SOBJ_OK,
       "the very word is stored again");
    ok(sobj_list_exchange(l, 0, again, &out.out) == SOBJ_OK && taken(&out) == 3,
       "and exchanged");
    ok(sobj_list_compare_and_set(l, 0, c, again) == SOBJ_OK, "and set");
    sobj_unref(l);
    balance_check(&b, "the very word");
}

static void test_limits(void)
{
    struct sobj_object *l = list_with(3), *none = NULL;
    struct sobj_slice step = {0, INT64_MAX, 2};
    uint64_t have = 0;
    sobj_cell two[2] = {sobj_from_int(1), sobj_from_int(2)};

    ok(sobj_list_repeat(l, SOBJ_LIST_MAX / 3 + 1) == SOBJ_FULL, "repeat: too many");
    ok(sobj_list_new(SIZE_MAX, &none) == SOBJ_NO_MEMORY && none == NULL, "new");
    ok(sobj_list_assign(l, &step, two, 1, &have) == SOBJ_BAD_OPERAND && have == 2,
       "assign: one for two places");
    ok(sobj_list_get(l, 3, NULL) == SOBJ_NOT_FOUND &&
           sobj_list_get(l, -4, NULL) == SOBJ_NOT_FOUND &&
           sobj_list_get(l, INT64_MIN, NULL) == SOBJ_NOT_FOUND &&
           sobj_list_get(l, INT64_MAX, NULL) == SOBJ_NOT_FOUND,
       "out of range");
    ok(sobj_list_set(l, 3, cell_of(3)) == SOBJ_NOT_FOUND &&
           sobj_list_delete(l, 3) == SOBJ_NOT_FOUND &&
           sobj_list_pop(l, 3, NULL) == SOBJ_NOT_FOUND,
       "changes out of range");
    sobj_unref(l);
    uint64_t offset;
    ok(sobj__list_segment_of(SOBJ_LIST_MAX - 1, &offset) < SOBJ__LIST_DIR_MAX,
       "the largest directory is large enough");
}

/* ---- values that have been retired with a list or a piece of one */

#define BLOCK 200
#define BIG ((uint64_t)64 << 10)
#define SMALL ((uint64_t)1 << 10)
static void fill(sobj_cell *cells, size_t n, uint64_t size)
{
    for (size_t i = 0; i < n; i++) {
        struct sobj_blob *b = sobj_blob_new(SOBJ_BLOB_BYTES, 0, size, 0, -1);
        if (b == NULL)
            abort();
        memset(b->data, 0, size);
        cells[i] = sobj_from_blob(b);
    }
}

static void replace_one(struct sobj_object *l)
{
    sobj_cell c;

    fill(&c, 1, BIG);
    sobj_list_replace(l, &c, 1);
}
static void assign_one(struct sobj_object *l)
{
    struct sobj_slice slice = {0, 1, 1};
    uint64_t have;
    sobj_cell c;

    fill(&c, 1, BIG);
    sobj_list_assign(l, &slice, &c, 1, &have);
}
static void clear_block(struct sobj_object *l)
{
    sobj_cell cells[BLOCK];

    fill(cells, BLOCK, SMALL);
    sobj_list_extend(l, cells, BLOCK);
    sobj_list_clear(l);
}
static void cut_block(struct sobj_object *l)
{
    struct sobj_slice slice = {BLOCK, INT64_MAX, 1};
    sobj_cell cells[BLOCK];

    if (sobj_list_len(l) == 0)
        list_extend(l, 0, BLOCK);
    fill(cells, BLOCK, SMALL);
    sobj_list_extend(l, cells, BLOCK);
    sobj_list_delete_slice(l, &slice);
}
static void destroy(struct sobj_object *l)
{
    struct sobj_object *other = list_new();
    sobj_cell c;

    (void)l;
    fill(&c, 1, BIG);
    sobj_list_push(other, c, NULL);
    sobj_unref(other);
}

static void test_retired(void)
{
    static const struct {
        void (*run)(struct sobj_object *l);
        const char *name;
    } ways[] = {
        {replace_one, "replaced"}, {assign_one, "assigned"}, {clear_block, "cleared"},
        {cut_block, "cut off"},    {destroy, "destroyed"},
    };

    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        struct balance b = balance_begin();
        struct sobj_object *l = list_new();
        int64_t before = sobj_count(SOBJ_COUNT_BYTES), most = 0;
        for (int i = 0; i < 320; i++) {
            ways[k].run(l);
            int64_t held = sobj_count(SOBJ_COUNT_BYTES) - before;
            most = held > most ? held : most;
        }
        ok(most < 8 << 20, "%s: %lld bytes are held, not more", ways[k].name,
           (long long)most);
        sobj_unref(l);
        balance_check(&b, ways[k].name);
    }
}

int main(void)
{
    tap_begin();
    for (uint64_t seed = 1; seed <= 8; seed++)
        test_random(seed);
    test_length();
    test_swing();
    test_get_many();
    test_hosted();
    test_numbers();
    test_same_word();
    test_limits();
    test_retired();
    return tap_end();
}
