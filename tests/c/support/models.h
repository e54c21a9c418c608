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

#endif
