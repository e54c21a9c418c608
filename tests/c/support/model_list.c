/* SPDX-License-Identifier: MIT */
/* The sequential model of a list; see models.h. */
#include <stdio.h>
#include <string.h>

#include "models.h"
#include "sharedobj/status.h"

struct list_state {
    int64_t count;
    int64_t items[LIST_MODEL_MAX]; /* 0 beyond count */
};
_Static_assert(sizeof(struct list_state) <= MODEL_STATE_MAX, "fits a model's state");

static void list_init(void *state) { memset(state, 0, sizeof(struct list_state)); }

/* Puts `n` numbers in the place of `removed` items. Returns: false: they do not fit. */
static bool splice(struct list_state *l, int64_t at, int64_t removed, int64_t first,
                   int64_t n)
{
    int64_t after = l->count - at - removed;

    if (l->count - removed + n > LIST_MODEL_MAX)
        return false;
    memmove(l->items + at + n, l->items + at + removed, (size_t)after * 8);
    for (int64_t i = 0; i < n; i++)
        l->items[at + i] = first + i;
    l->count += n - removed;
    memset(l->items + l->count, 0, (size_t)(LIST_MODEL_MAX - l->count) * 8);
    return true;
}

static int64_t clamp(const struct list_state *l, int64_t index)
{
    index += index < 0 ? l->count : 0;
    return index < 0 ? 0 : index > l->count ? l->count : index;
}

static void reverse(struct list_state *l)
{
    for (int64_t i = 0; i < l->count / 2; i++) {
        int64_t v = l->items[i];
        l->items[i] = l->items[l->count - 1 - i];
        l->items[l->count - 1 - i] = v;
    }
}

static int64_t digest(const struct list_state *l)
{
    int64_t d = 0;

    for (int64_t i = 0; i < l->count; i++)
        d = LIST_DIGEST(d, l->items[i]);
    return d;
}

/* Operations on all of it, or on an end. */
static bool whole_step(struct list_state *l, const struct op *op)
{
    switch ((enum list_kind)op->kind) {
    case LIST_LEN:
        return op->result[0] == l->count;
    case LIST_PUSH:
        return op->result[0] == l->count && splice(l, l->count, 0, op->arg[0], 1);
    case LIST_INSERT:
        return splice(l, clamp(l, op->arg[0]), 0, op->arg[1], 1);
    case LIST_EXTEND:
        return splice(l, l->count, 0, op->arg[0], op->arg[1]);
    case LIST_CUT:
        return splice(l, clamp(l, op->arg[0]), l->count - clamp(l, op->arg[0]), 0, 0);
    case LIST_REPLACE:
        return splice(l, 0, l->count, op->arg[0], op->arg[1]);
    case LIST_REVERSE:
        reverse(l);
        return true;
    case LIST_SNAPSHOT:
        return op->result[0] == l->count && op->result[1] == digest(l);
    default:
        return false;
    }
}

/* Operations on the item `i`, which is there. */
static bool item_step(struct list_state *l, const struct op *op, int64_t i)
{
    int64_t *item = &l->items[i], old = *item;

    switch ((enum list_kind)op->kind) {
    case LIST_GET:
        return op->result[0] && op->result[1] == old;
    case LIST_SET:
        *item = op->arg[1];
        return op->result[0];
    case LIST_EXCHANGE:
        *item = op->arg[1];
        return op->result[0] && op->result[1] == old;
    case LIST_CAS:
        if (old != op->arg[1] >> 32)
            return op->result[0] == SOBJ_MISMATCH;
        *item = (int32_t)op->arg[1];
        return op->result[0] == SOBJ_OK;
    case LIST_INCREMENT:
        if ((old & 3) == 3)
            return op->result[0] == SOBJ_BAD_OPERAND;
        *item += op->arg[1];
        return op->result[0] == SOBJ_OK && op->result[1] == *item;
    case LIST_POP:
        return op->result[0] && op->result[1] == old && splice(l, i, 1, 0, 0);
    case LIST_DELETE:
        return op->result[0] && splice(l, i, 1, 0, 0);
    case LIST_DELETE_IF:
        if (old != op->arg[1])
            return op->result[0] == SOBJ_MISMATCH;
        return op->result[0] == SOBJ_OK && splice(l, i, 1, 0, 0);
    default:
        return false;
    }
}

static bool list_step(void *state, const struct op *op)
{
    struct list_state *l = state;
    int64_t i = op->arg[0] + (op->arg[0] < 0 ? l->count : 0);

    switch ((enum list_kind)op->kind) {
    case LIST_CAS:
    case LIST_INCREMENT:
    case LIST_DELETE_IF:
        return i >= 0 && i < l->count ? item_step(l, op, i)
                                      : op->result[0] == SOBJ_NOT_FOUND;
    case LIST_GET:
    case LIST_SET:
    case LIST_EXCHANGE:
    case LIST_POP:
    case LIST_DELETE:
        return i >= 0 && i < l->count ? item_step(l, op, i) : !op->result[0];
    default:
        return whole_step(l, op);
    }
}

static void list_print(const struct op *op, char *text, size_t size)
{
    static const char *const names[LIST_KINDS] = {
        "get",  "len",     "set",     "exchange", "cas",       "increment",
        "push", "pop",     "insert",  "delete",   "delete_if", "extend",
        "cut",  "replace", "reverse", "snapshot"};

    if (op->kind == LIST_CAS)
        snprintf(text, size, "cas(%lld, %lld, %lld) -> %lld", (long long)op->arg[0],
                 (long long)(op->arg[1] >> 32), (long long)(int32_t)op->arg[1],
                 (long long)op->result[0]);
    else
        snprintf(text, size, "%s(%lld, %lld) -> %lld, %lld", names[op->kind],
                 (long long)op->arg[0], (long long)op->arg[1], (long long)op->result[0],
                 (long long)op->result[1]);
}

static void list_print_state(const void *state, char *text, size_t size)
{
    const struct list_state *l = state;
    size_t n = (size_t)snprintf(text, size, "[");

    for (int64_t i = 0; i < l->count && n + 25 < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%lld ", (long long)l->items[i]);
    snprintf(text + n, size - n, "]");
}

const struct model model_list = {
    .name = "list",
    .state_size = sizeof(struct list_state),
    .init = list_init,
    .step = list_step,
    .print = list_print,
    .print_state = list_print_state,
};
