/* SPDX-License-Identifier: MIT */
/* Lists of numbers for tests: a number is an int cell or, when it is 3 modulo 4, a blob,
 * so that freed memory and lost references show. */
#ifndef SUPPORT_LISTS_H
#define SUPPORT_LISTS_H

#include <stdlib.h>
#include <string.h>

#include "sharedobj/list.h"
#include "tap.h"

/* Returns: a new reference, or NO_CELL: there is no memory. */
static inline sobj_cell try_cell_of(int64_t v)
{
    if ((v & 3) != 3)
        return sobj_from_int(v);
    struct sobj_blob *b = sobj_blob_new(SOBJ_BLOB_INT, 0, 8, 0, -1);
    if (b == NULL)
        return SOBJ_NO_CELL;
    memcpy(b->data, &v, 8);
    return sobj_from_blob(b);
}

static inline sobj_cell cell_of(int64_t v)
{
    sobj_cell c = try_cell_of(v);

    if (c == SOBJ_NO_CELL)
        abort();
    return c;
}

/* The same as a value that the host may be unable to make (sobj_cell_is_hosted). */
static inline sobj_cell hosted_cell_of(int64_t v)
{
    struct sobj_blob *b = sobj_blob_new(SOBJ_BLOB_STREAM, SOBJ_STREAM_HOSTED, 8, 0, -1);

    if (b == NULL)
        abort();
    memcpy(b->data, &v, 8);
    return sobj_from_blob(b);
}

/* What a cell says that is kept alive by somebody. */
static inline int64_t number_of(sobj_cell c)
{
    int64_t v;

    if (sobj_is_int(c))
        return sobj_to_int(c);
    memcpy(&v, sobj_to_blob(c)->data, 8);
    return v;
}

struct number_out {
    struct sobj_out out;
    int64_t value; /* of a blob */
};

static inline void take_number(struct sobj_out *out)
{
    ((struct number_out *)(void *)out)->value = number_of(out->cell);
}

static inline struct number_out number_out(void)
{
    return (struct number_out){.out = {.take = take_number, .cell = sobj_from_int(0)}};
}

static inline int64_t taken(const struct number_out *n)
{
    return sobj_is_int(n->out.cell) ? sobj_to_int(n->out.cell) : n->value;
}

static inline struct sobj_object *list_new(void)
{
    struct sobj_object *l;

    if (sobj_list_new(0, &l) != SOBJ_OK) {
        diag("no list");
        abort();
    }
    return l;
}

#define ABSENT INT64_MIN

/* Returns: item `i`, or ABSENT. */
static inline int64_t list_at(struct sobj_object *l, int64_t i)
{
    struct number_out n = number_out();

    return sobj_list_get(l, i, &n.out) == SOBJ_OK ? taken(&n) : ABSENT;
}

static inline void list_push(struct sobj_object *l, int64_t v)
{
    expect(sobj_list_push(l, cell_of(v), NULL) == SOBJ_OK, "push");
}

/* Returns: the last item, which is removed, or ABSENT. */
static inline int64_t list_pop(struct sobj_object *l)
{
    struct number_out n = number_out();

    return sobj_list_pop(l, -1, &n.out) == SOBJ_OK ? taken(&n) : ABSENT;
}

/* Appends `n` numbers from `first` on. */
static inline enum sobj_status list_extend(struct sobj_object *l, int64_t first,
                                           size_t n)
{
    sobj_cell *cells = malloc((n + 1) * sizeof *cells);

    if (cells == NULL)
        abort();
    for (size_t i = 0; i < n; i++)
        cells[i] = cell_of(first + (int64_t)i);
    enum sobj_status status = sobj_list_extend(l, cells, n);
    free(cells);
    return status;
}

static inline struct sobj_object *list_with(size_t n)
{
    struct sobj_object *l = list_new();

    expect(list_extend(l, 0, n) == SOBJ_OK, "extend");
    return l;
}

#endif
