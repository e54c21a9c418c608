/* SPDX-License-Identifier: MIT */
/* The list by one thread: drafts of many cells, permuting them, and looks at the word of
 * one. Interleavings are in test_list_moves.c and test_list_races.c. */
#include "list_check.h"
#include "lists.h"

/* Permutes by turning the copy around. */
static enum sobj_status turn(struct sobj_object *l, struct sobj_list_copy *copy)
{
    sobj_cell cells[4];

    for (uint64_t i = 0; i < 4; i++)
        cells[i] = copy->cells[3 - i];
    return sobj_list_permute(l, copy, cells);
}

static void test_permute(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(4);
    struct sobj_list_copy copy;

    sobj_list_copy_init(&copy, l, NULL);
    sobj_list_set(l, 3, cell_of(3)); /* the same value, another blob */
    ok(turn(l, &copy) == SOBJ_MISMATCH && list_at(l, 0) == 0, "permute sees a change");
    sobj_list_copy_fini(&copy);
    sobj_list_copy_init(&copy, l, NULL);
    list_push(l, 4);
    ok(turn(l, &copy) == SOBJ_MISMATCH, "and an append");
    list_pop(l);
    ok(turn(l, &copy) == SOBJ_OK && list_at(l, 0) == 3 && list_at(l, 3) == 0,
       "permute");
    sobj_list_copy_fini(&copy);
    sobj_unref(l);
    balance_check(&b, "permute");
}

/* Returns: a draft with the cells of 0 .. n-1. */
static struct sobj_list_draft *draft_with(size_t n)
{
    struct sobj_list_draft *draft = sobj_list_draft_new(n);

    for (size_t at = 0, run; at < n; at += run) {
        run = n - at;
        sobj_cell *row = sobj_list_draft_row(draft, at, &run);
        for (size_t k = 0; k < run; k++)
            row[k] = cell_of((int64_t)(at + k));
    }
    return draft;
}

static bool counts_from(struct sobj_object *l, uint64_t at, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (list_at(l, (int64_t)(at + i)) != (int64_t)i)
            return false;
    return sobj_list_len(l) == at + n;
}

static void test_drafts(void)
{
    static const size_t sizes[] = {1, 7, 8, 9, 64, 65, 100, 1500, 5000};
    struct balance b = balance_begin();

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct sobj_object *l = list_with(0);
        size_t n = sizes[i];
        ok(sobj_list_extend_draft(l, draft_with(n)) == SOBJ_OK && counts_from(l, 0, n),
           "a draft of %zu becomes the content", n);
        list_push(l, 1);
        ok(list_pop(l) == 1 && list_pop(l) == (int64_t)n - 1,
           "with empty cells behind");
        ok(sobj_list_extend_draft(l, draft_with(n)) == SOBJ_OK &&
               counts_from(l, n - 1, n),
           "or is appended");
        ok(sobj_list_replace_draft(l, draft_with(n)) == SOBJ_OK && counts_from(l, 0, n),
           "or replaces all");
        list_check(l, "a draft");
        sobj_unref(l);
    }
    sobj_list_draft_free(sobj_list_draft_new(5000));
    ok(sobj_list_draft_new(SOBJ_LIST_MAX + 1) == NULL, "not more than a list holds");
    balance_check(&b, "drafts");
}

static void test_look(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(2);
    sobj_cell blob = cell_of(0);

    sobj_cell_ref(blob);
    sobj_list_set(l, 0, blob);
    sobj_list_set(l, 1, sobj_from_int(7));
    ok(sobj_list_look(l, 0) == blob && sobj_list_look(l, -2) == blob, "a blob's word");
    ok(sobj_list_look(l, 1) == sobj_from_int(7), "an int is its word");
    ok(sobj_list_look(l, 2) == SOBJ_NO_CELL && sobj_list_look(l, -3) == SOBJ_NO_CELL,
       "no item, no word");
    sobj_cell_unref(blob);
    sobj_unref(l);
    balance_check(&b, "look");
}

int main(void)
{
    tap_begin();
    test_permute();
    test_drafts();
    test_look();
    return tap_end();
}
