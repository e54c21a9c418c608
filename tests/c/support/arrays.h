/* SPDX-License-Identifier: MIT */
/* Arrays for tests: any operation on an item as data, for threads that are stopped on the
 * way (pause.h) and for recorded histories; and what it must give, by a model that
 * computes with more bits than any item has. Ints only. */
#ifndef SUPPORT_ARRAYS_H
#define SUPPORT_ARRAYS_H

#include "history.h"
#include "sharedobj/array.h"

enum item_kind {
    ITEM_GET,      /* () -> number */
    ITEM_SET,      /* (number) -> status */
    ITEM_EXCHANGE, /* (number) -> status, old */
    ITEM_CAS,      /* (expected, desired) -> status */
    ITEM_ADD,      /* (n) -> status, sum */
    ITEM_MAX,      /* (number) -> status, old */
    ITEM_MIN,      /* (number) -> status, old */
    ITEM_KINDS
};

/* Returns: a new array of zeros; that there is none is a failure of the test. */
struct sobj_object *new_array(char typecode, size_t len);

struct item_job {
    struct sobj_object *array;
    size_t index;
    enum item_kind kind;
    int64_t x, y;
    int64_t result[2]; /* the second one only if the status is OK */
};
/* `job` is a struct item_job. */
void item_job_run(void *job);
/* Returns: whether the operation, done on the number `before`, gives what this one has
 * given, and leaves what the item now holds. */
bool item_job_agrees(const struct item_job *job, int64_t before);

/* ---- histories of all operations, with numbers around the limits of the items, on
 * neighbours in one array. */
#define ARRAY_HISTORY_ITEMS 16
#define ARRAY_HISTORY_OPS 12

struct array_history {
    struct history h;
    struct sobj_object *array;
};

void array_history_init(struct array_history *r, unsigned threads);
void array_history_fini(struct array_history *r);
/* Records what a crew does with an array whose typecode is drawn from the seed, and checks
 * it. A violation is printed. */
enum verdict array_history_round(struct array_history *r, uint64_t seed);

#endif
