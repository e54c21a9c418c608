/* SPDX-License-Identifier: MIT */
/* Sequential models for history_check that several tests use. */
#ifndef SUPPORT_MODELS_H
#define SUPPORT_MODELS_H

#include "history.h"

/* A 64-bit integer that never wraps; begins with 0. */
enum int_kind {
    INT_GET,      /* () -> value */
    INT_SET,      /* (value) */
    INT_EXCHANGE, /* (value) -> old */
    INT_CAS,      /* (expected, desired) -> done, seen */
    INT_ADD,      /* (n) -> status, sum if OK */
    INT_MAX_OF,   /* (v) -> value after */
    INT_MIN_OF,   /* (v) -> value after */
};
extern const struct model model_int;

/* A queue of at most `QUEUE_MODEL_MAX` integers, first in, first out. */
#define QUEUE_MODEL_MAX 30
enum queue_kind {
    QUEUE_PUT, /* (value) -> true; false: it was full (any length may be the limit) */
    QUEUE_GET, /* () -> true, value; false: it was empty */
};
extern const struct model model_queue;

/* One entry of a dict; begins absent. */
enum entry_kind {
    ENTRY_GET,       /* () -> found, value */
    ENTRY_SET,       /* (value) */
    ENTRY_ADD,       /* (value) -> done, the present value if not */
    ENTRY_EXCHANGE,  /* (value) -> found, old */
    ENTRY_REMOVE,    /* () -> found, old */
    ENTRY_CAS,       /* (expected, desired) -> done; ENTRY_ABSENT for none */
    ENTRY_INCREMENT, /* (n) -> sum; from 0 if absent */
};
#define ENTRY_ABSENT INT64_MIN
extern const struct model model_entry;

/* A list of at most `LIST_MODEL_MAX` integers; begins empty. Indexes below 0 count from
 * the end. A number that is 3 modulo 4 cannot be added to (lists.h). */
#define LIST_MODEL_MAX 24
enum list_kind {
    LIST_GET,       /* (index) -> found, value */
    LIST_LEN,       /* () -> length */
    LIST_SET,       /* (index, value) -> found */
    LIST_EXCHANGE,  /* (index, value) -> found, old */
    LIST_CAS,       /* (index, LIST_PAIR(expected, desired)) -> status */
    LIST_INCREMENT, /* (index, n) -> status, sum if OK */
    LIST_PUSH,      /* (value) -> index */
    LIST_POP,       /* (index) -> found, value */
    LIST_INSERT,    /* (index, value) */
    LIST_DELETE,    /* (index) -> found */
    LIST_DELETE_IF, /* (index, expected) -> status */
    LIST_EXTEND,    /* (first, n): first, first + 1, ... */
    LIST_CUT,       /* (index): all from there on */
    LIST_REPLACE,   /* (first, n) */
    LIST_REVERSE,   /* () */
    LIST_SNAPSHOT,  /* () -> length, LIST_DIGEST of the items */
    LIST_KINDS
};
#define LIST_PAIR(a, b) ((a) << 32 | (b))
/* Folds the next item into a digest, which begins with 0. */
#define LIST_DIGEST(digest, item)                                                      \
    ((int64_t)(((uint64_t)(digest) ^ (uint64_t)(item)) * 0x9e3779b97f4a7c15u + 1))
extern const struct model model_list;

#endif
