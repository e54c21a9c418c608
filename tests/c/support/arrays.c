/* SPDX-License-Identifier: MIT */
/* Arrays for tests; see arrays.h. */
#include "arrays.h"

#include <stdio.h>
#include <string.h>

#include "crew.h"
#include "tap.h"

struct sobj_object *new_array(char typecode, size_t len)
{
    struct sobj_object *a = NULL;

    expect(sobj_array_new(sobj_array_kind(typecode), len, NULL, &a) == SOBJ_OK, "new");
    return a;
}

/* ---- operations */

static union sobj_number as(int64_t number) { return (union sobj_number){.i = number}; }

void item_job_run(void *job)
{
    struct item_job *j = job;
    union sobj_number out = {.i = 0};
    enum sobj_status status = SOBJ_OK;

    switch (j->kind) {
    case ITEM_GET:
        j->result[0] = sobj_array_get(j->array, j->index).i;
        return;
    case ITEM_SET:
        status = sobj_array_set(j->array, j->index, as(j->x));
        break;
    case ITEM_EXCHANGE:
        status = sobj_array_exchange(j->array, j->index, as(j->x), &out);
        break;
    case ITEM_CAS:
        status = sobj_array_compare_and_set(j->array, j->index, as(j->x), as(j->y));
        break;
    case ITEM_ADD:
        status = sobj_array_add(j->array, j->index, as(j->x), &out);
        break;
    case ITEM_MAX:
        status = sobj_array_max(j->array, j->index, as(j->x), &out);
        break;
    case ITEM_MIN:
        status = sobj_array_min(j->array, j->index, as(j->x), &out);
        break;
    case ITEM_KINDS:
        break;
    }
    j->result[0] = status;
    j->result[1] = status == SOBJ_OK ? out.i : 0;
}

/* ---- the model: of an item of the kind that `modelled` is. Numbers of the class
 * UNSIGNED are uint64_t in the words of an operation. */

static const struct sobj_array_kind *modelled;

static __int128 wide(int64_t word)
{
    return modelled->class == SOBJ_ARRAY_SIGNED ? (__int128)word : (uint64_t)word;
}

static bool holds(__int128 number)
{
    return number >= modelled->least && number <= (__int128)modelled->greatest;
}

/* What becomes of `old`. Returns: OK, MISMATCH, OVERFLOW. */
static enum sobj_status apply(const struct op *op, int64_t old, int64_t *new)
{
    __int128 x = wide(op->arg[0]), next = x;

    switch ((enum item_kind)op->kind) {
    case ITEM_ADD:
        next = wide(old) + op->arg[0]; /* what is added is signed */
        break;
    case ITEM_CAS:
        next = wide(op->arg[1]);
        break;
    default:
        break;
    }
    if (!holds(next))
        return SOBJ_OVERFLOW;
    if (op->kind == ITEM_CAS && old != op->arg[0])
        return SOBJ_MISMATCH;
    if ((op->kind == ITEM_MAX && x <= wide(old)) ||
        (op->kind == ITEM_MIN && x >= wide(old)))
        next = wide(old);
    *new = (int64_t)next;
    return SOBJ_OK;
}

static void item_init(void *state) { memset(state, 0, sizeof(int64_t)); }

static bool item_step(void *state, const struct op *op)
{
    int64_t *value = state, old = *value;
    enum sobj_status status;

    if (op->kind == ITEM_GET)
        return op->result[0] == old;
    status = apply(op, old, value);
    if (op->result[0] != (int64_t)status)
        return false;
    switch ((enum item_kind)op->kind) {
    case ITEM_EXCHANGE:
    case ITEM_MAX:
    case ITEM_MIN:
        return op->result[1] == (status == SOBJ_OK ? old : 0);
    case ITEM_ADD:
        return op->result[1] == (status == SOBJ_OK ? *value : 0);
    default:
        return true;
    }
}

static void item_print(const struct op *op, char *text, size_t size)
{
    static const char *const names[ITEM_KINDS] = {"get", "set", "exchange", "cas",
                                                  "add", "max", "min"};

    snprintf(text, size, "%s(%lld, %lld) -> %lld, %lld", names[op->kind],
             (long long)op->arg[0], (long long)op->arg[1], (long long)op->result[0],
             (long long)op->result[1]);
}

static void item_print_state(const void *state, char *text, size_t size)
{
    snprintf(text, size, "%lld", (long long)*(const int64_t *)state);
}

static const struct model model_item = {
    .name = "item of an array",
    .state_size = sizeof(int64_t),
    .init = item_init,
    .step = item_step,
    .print = item_print,
    .print_state = item_print_state,
};

bool item_job_agrees(const struct item_job *job, int64_t before)
{
    struct op op = {.kind = (uint16_t)job->kind,
                    .arg = {job->x, job->y},
                    .result = {job->result[0], job->result[1]}};
    int64_t value = before;

    modelled = sobj_array_layout(job->array)->kind;
    return model_item.step(&value, &op) &&
           sobj_array_get(job->array, job->index).i == value;
}

/* ---- histories */

/* Mostly numbers near one limit or the other, now and then one beyond it. */
static int64_t draw(struct rng *rng)
{
    uint64_t near = rng_below(rng, 3);

    switch (rng_below(rng, 8)) {
    case 0:
        return (int64_t)(modelled->greatest - near);
    case 1:
        return (int64_t)((uint64_t)modelled->least + near);
    case 2: /* beyond, where the item has less than 64 bits */
        return (int64_t)(modelled->greatest + 1 + near);
    default:
        return (int64_t)rng_below(rng, 4) - 1;
    }
}

static void one_operation(struct array_history *r, struct member *m, unsigned index)
{
    struct item_job j = {.array = r->array,
                         .index = index,
                         .kind = (enum item_kind)rng_below(&m->rng, ITEM_KINDS),
                         .x = draw(&m->rng),
                         .y = draw(&m->rng)};
    struct op *op = history_invoke(&r->h, m->index, j.kind, index, j.x, j.y);

    item_job_run(&j);
    history_respond(&r->h, op, j.result[0], j.result[1]);
}

/* All members go through the array at about the same time, some of them always one item
 * ahead, so that neighbours change at once. */
static void record(struct member *m)
{
    for (unsigned key = 0; key < ARRAY_HISTORY_ITEMS; key++) {
        for (int i = 0; i < ARRAY_HISTORY_OPS; i++)
            one_operation(m->shared, m, (key + m->index % 2) % ARRAY_HISTORY_ITEMS);
    }
}

void array_history_init(struct array_history *r, unsigned threads)
{
    history_init(&r->h, threads, (size_t)ARRAY_HISTORY_ITEMS * ARRAY_HISTORY_OPS);
}

void array_history_fini(struct array_history *r) { history_fini(&r->h); }

enum verdict array_history_round(struct array_history *r, uint64_t seed)
{
    static const char letters[] = {'b', 'B', 'h', 'H', 'i', 'I', 'q', 'Q'};
    enum verdict v;

    modelled = sobj_array_kind(letters[seed % sizeof letters]);
    history_reset(&r->h);
    r->array = new_array(modelled->format[0], ARRAY_HISTORY_ITEMS);
    crew_run(r->h.threads, seed, 0, record, r);
    v = history_check(&r->h, &model_item, true);
    if (v != LINEARIZABLE)
        diag("typecode %s", modelled->format);
    sobj_unref(r->array);
    return v;
}
