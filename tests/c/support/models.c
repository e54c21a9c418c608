/* SPDX-License-Identifier: MIT */
/* Sequential models; see models.h. */
#include "models.h"

#include <stdio.h>
#include <string.h>

#include "sharedobj/status.h"

/* ---- integer */

static void int_init(void *state) { memset(state, 0, sizeof(int64_t)); }

static bool int_step(void *state, const struct op *op)
{
    int64_t *value = state, old = *value, sum;

    switch ((enum int_kind)op->kind) {
    case INT_GET:
        return op->result[0] == old;
    case INT_SET:
        *value = op->arg[0];
        return true;
    case INT_EXCHANGE:
        *value = op->arg[0];
        return op->result[0] == old;
    case INT_CAS:
        if (old == op->arg[0])
            *value = op->arg[1];
        return op->result[0] == (old == op->arg[0]) && op->result[1] == old;
    case INT_ADD:
        if (__builtin_add_overflow(old, op->arg[0], &sum))
            return op->result[0] == SOBJ_OVERFLOW;
        *value = sum;
        return op->result[0] == SOBJ_OK && op->result[1] == sum;
    case INT_MAX_OF:
        *value = old > op->arg[0] ? old : op->arg[0];
        return op->result[0] == *value;
    case INT_MIN_OF:
        *value = old < op->arg[0] ? old : op->arg[0];
        return op->result[0] == *value;
    }
    return false;
}

static void int_print(const struct op *op, char *text, size_t size)
{
    static const char *const names[] = {"get", "set", "exchange", "cas",
                                        "add", "max", "min"};

    snprintf(text, size, "%s(%lld, %lld) -> %lld, %lld", names[op->kind],
             (long long)op->arg[0], (long long)op->arg[1], (long long)op->result[0],
             (long long)op->result[1]);
}

static void int_print_state(const void *state, char *text, size_t size)
{
    snprintf(text, size, "%lld", (long long)*(const int64_t *)state);
}

const struct model model_int = {
    .name = "integer",
    .state_size = sizeof(int64_t),
    .init = int_init,
    .step = int_step,
    .print = int_print,
    .print_state = int_print_state,
};

/* ---- queue */

struct queue_state {
    int64_t count;
    int64_t items[QUEUE_MODEL_MAX]; /* oldest first; 0 beyond count */
};
_Static_assert(sizeof(struct queue_state) <= MODEL_STATE_MAX, "fits a model's state");

static void queue_init(void *state) { memset(state, 0, sizeof(struct queue_state)); }

static bool queue_step(void *state, const struct op *op)
{
    struct queue_state *q = state;

    if (op->kind == QUEUE_PUT) {
        if (!op->result[0])
            return true;
        if (q->count == QUEUE_MODEL_MAX)
            return false;
        q->items[q->count++] = op->arg[0];
        return true;
    }
    if (q->count == 0)
        return !op->result[0];
    int64_t oldest = q->items[0];
    q->count--;
    memmove(q->items, q->items + 1, (size_t)q->count * sizeof *q->items);
    q->items[q->count] = 0;
    return op->result[0] && op->result[1] == oldest;
}

static void queue_print(const struct op *op, char *text, size_t size)
{
    if (op->kind == QUEUE_PUT)
        snprintf(text, size, "put(%lld)%s", (long long)op->arg[0],
                 op->result[0] ? "" : " -> full");
    else if (op->result[0])
        snprintf(text, size, "get() -> %lld", (long long)op->result[1]);
    else
        snprintf(text, size, "get() -> empty");
}

static void queue_print_state(const void *state, char *text, size_t size)
{
    const struct queue_state *q = state;
    size_t n = (size_t)snprintf(text, size, "[");

    for (int64_t i = 0; i < q->count && n + 25 < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%lld ", (long long)q->items[i]);
    snprintf(text + n, size - n, "]");
}

const struct model model_queue = {
    .name = "queue",
    .state_size = sizeof(struct queue_state),
    .init = queue_init,
    .step = queue_step,
    .print = queue_print,
    .print_state = queue_print_state,
};

/* ---- entry of a dict */

static void entry_init(void *state)
{
    int64_t absent = ENTRY_ABSENT;

    memcpy(state, &absent, sizeof absent);
}

static bool entry_step(void *state, const struct op *op)
{
    int64_t *value = state, old = *value;
    bool found = old != ENTRY_ABSENT;
    bool shown = op->result[0] == found && (!found || op->result[1] == old);

    switch ((enum entry_kind)op->kind) {
    case ENTRY_GET:
        return shown;
    case ENTRY_SET:
        *value = op->arg[0];
        return true;
    case ENTRY_ADD:
        if (found)
            return !op->result[0] && op->result[1] == old;
        *value = op->arg[0];
        return op->result[0];
    case ENTRY_EXCHANGE:
        *value = op->arg[0];
        return shown;
    case ENTRY_REMOVE:
        *value = ENTRY_ABSENT;
        return shown;
    case ENTRY_CAS:
        if (old == op->arg[0])
            *value = op->arg[1];
        return op->result[0] == (old == op->arg[0]);
    case ENTRY_INCREMENT:
        *value = (found ? old : 0) + op->arg[0];
        return op->result[0] == *value;
    }
    return false;
}

static void entry_print(const struct op *op, char *text, size_t size)
{
    static const char *const names[] = {"get",    "set", "add",      "exchange",
                                        "remove", "cas", "increment"};

    snprintf(text, size, "key %llu: %s(%lld, %lld) -> %lld, %lld",
             (unsigned long long)op->key, names[op->kind], (long long)op->arg[0],
             (long long)op->arg[1], (long long)op->result[0], (long long)op->result[1]);
}

static void entry_print_state(const void *state, char *text, size_t size)
{
    int64_t value = *(const int64_t *)state;

    if (value == ENTRY_ABSENT)
        snprintf(text, size, "absent");
    else
        snprintf(text, size, "%lld", (long long)value);
}

const struct model model_entry = {
    .name = "entry of a dict",
    .state_size = sizeof(int64_t),
    .init = entry_init,
    .step = entry_step,
    .print = entry_print,
    .print_state = entry_print_state,
};
