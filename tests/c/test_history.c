/* SPDX-License-Identifier: MIT */
/* The linearizability checker itself: histories whose verdict is known, and random ones
 * against a search that tries every order. */
#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "history.h"
#include "models.h"
#include "sharedobj/status.h"
#include "tap.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- histories written by hand: {thread, kind, {args}, {results}, from, to} */

#define OP(t, k, a0, a1, r0, r1, from, to)                                             \
    {.thread = (t),                                                                    \
     .kind = (k),                                                                      \
     .arg = {(a0), (a1)},                                                              \
     .result = {(r0), (r1)},                                                           \
     .invoke = (from),                                                                 \
     .response = (to)}
#define GET(t, from, to, v) OP(t, INT_GET, 0, 0, v, 0, from, to)
#define SET(t, from, to, v) OP(t, INT_SET, v, 0, 0, 0, from, to)
#define ADD(t, from, to, n, sum) OP(t, INT_ADD, n, 0, SOBJ_OK, sum, from, to)
#define CAS(t, from, to, e, d, done, seen) OP(t, INT_CAS, e, d, done, seen, from, to)
#define PUT(t, from, to, v) OP(t, QUEUE_PUT, v, 0, 1, 0, from, to)
#define TAKE(t, from, to, v) OP(t, QUEUE_GET, 0, 0, 1, v, from, to)
#define NONE(t, from, to) OP(t, QUEUE_GET, 0, 0, 0, 0, from, to)

#define CHECK(verdict, model, name, ...)                                               \
    do {                                                                               \
        struct op ops[] = {__VA_ARGS__};                                               \
        ok(history_check_ops(ops, COUNT(ops), (model), false) == (verdict), "%s",      \
           (name));                                                                    \
    } while (0)
#define GOOD(model, name, ...) CHECK(LINEARIZABLE, model, name, __VA_ARGS__)
#define BAD(model, name, ...) CHECK(NOT_LINEARIZABLE, model, name, __VA_ARGS__)

static void test_register(void)
{
    GOOD(&model_int, "one after the other", SET(0, 1, 2, 5), GET(1, 3, 4, 5));
    BAD(&model_int, "stale read", SET(0, 1, 2, 5), GET(1, 3, 4, 0));
    GOOD(&model_int, "read during the write sees the old value", SET(0, 1, 4, 5),
         GET(1, 2, 3, 0));
    GOOD(&model_int, "read during the write sees the new value", SET(0, 1, 4, 5),
         GET(1, 2, 3, 5));
    BAD(&model_int, "new, then old, during one write", SET(0, 1, 9, 5), GET(1, 2, 3, 5),
        GET(2, 4, 5, 0));
    GOOD(&model_int, "old, then new, during one write", SET(0, 1, 9, 5),
         GET(1, 2, 3, 0), GET(2, 4, 5, 5));
    GOOD(&model_int, "two overlapping writes, readers agree", SET(0, 1, 9, 5),
         SET(1, 2, 10, 6), GET(2, 3, 4, 6), GET(3, 5, 6, 5), GET(2, 11, 12, 5));
    BAD(&model_int, "two overlapping writes, readers disagree", SET(0, 1, 9, 5),
        SET(1, 2, 10, 6), GET(2, 3, 4, 6), GET(3, 5, 6, 5), GET(2, 11, 12, 6));
    BAD(&model_int, "a value from nowhere", SET(0, 1, 2, 5), GET(1, 3, 4, 7));
    GOOD(&model_int, "exchange", OP(0, INT_EXCHANGE, 5, 0, 0, 0, 1, 4),
         OP(1, INT_EXCHANGE, 6, 0, 5, 0, 2, 3), GET(0, 5, 6, 6));
    BAD(&model_int, "two exchanges hand out the same value",
        OP(0, INT_EXCHANGE, 5, 0, 0, 0, 1, 4), OP(1, INT_EXCHANGE, 6, 0, 0, 0, 2, 3));
}

static void test_counter(void)
{
    GOOD(&model_int, "additions", ADD(0, 1, 4, 1, 1), ADD(1, 2, 3, 1, 2),
         GET(0, 5, 6, 2));
    BAD(&model_int, "lost update", ADD(0, 1, 4, 1, 1), ADD(1, 2, 3, 1, 1),
        GET(0, 5, 6, 1));
    BAD(&model_int, "lost update that only the end shows", ADD(0, 1, 2, 1, 1),
        ADD(1, 3, 4, 1, 2), GET(0, 5, 6, 1));
    BAD(&model_int, "overflow without a reason",
        OP(0, INT_ADD, 1, 0, SOBJ_OVERFLOW, 0, 1, 2));
    GOOD(&model_int, "overflow while the value is at the limit for a moment",
         OP(0, INT_ADD, 1, 0, SOBJ_OVERFLOW, 0, 1, 6), SET(1, 2, 3, INT64_MAX),
         SET(1, 4, 5, 0));
    BAD(&model_int, "the wrapped value of a fetch-and-add",
        OP(0, INT_ADD, 1, 0, SOBJ_OVERFLOW, 0, 1, 6), SET(1, 2, 3, INT64_MAX),
        GET(2, 4, 5, INT64_MIN));
    GOOD(&model_int, "compare-and-set, one of two wins", CAS(0, 1, 4, 0, 1, 1, 0),
         CAS(1, 2, 3, 0, 2, 0, 1));
    BAD(&model_int, "compare-and-set, both win", CAS(0, 1, 4, 0, 1, 1, 0),
        CAS(1, 2, 3, 0, 2, 1, 0));
    BAD(&model_int, "compare-and-set, nobody wins", CAS(0, 1, 4, 0, 1, 0, 2),
        CAS(1, 2, 3, 0, 2, 0, 1));
}

static void test_queue(void)
{
    GOOD(&model_queue, "in order", PUT(0, 1, 2, 1), PUT(0, 3, 4, 2), TAKE(1, 5, 6, 1),
         TAKE(1, 7, 8, 2));
    BAD(&model_queue, "order inverted", PUT(0, 1, 2, 1), PUT(0, 3, 4, 2),
        TAKE(1, 5, 6, 2), TAKE(1, 7, 8, 1));
    GOOD(&model_queue, "overlapping puts come out either way", PUT(0, 1, 4, 1),
         PUT(1, 2, 3, 2), TAKE(0, 5, 6, 2), TAKE(0, 7, 8, 1));
    BAD(&model_queue, "duplicated message", PUT(0, 1, 2, 1), TAKE(1, 3, 6, 1),
        TAKE(2, 4, 5, 1));
    BAD(&model_queue, "lost message", PUT(0, 1, 2, 1), NONE(1, 3, 4));
    GOOD(&model_queue, "empty before the put takes effect", PUT(0, 1, 4, 1),
         NONE(1, 2, 3), TAKE(1, 5, 6, 1));
    BAD(&model_queue, "taken before it was put", TAKE(1, 1, 2, 1), PUT(0, 3, 4, 1));
    /* 1 was put before 2 began, so whoever takes 2 while 1 is still there errs, though
     * every pair of operations looks fine by itself. */
    BAD(&model_queue, "inversion across three threads", PUT(0, 1, 2, 1),
        PUT(1, 3, 6, 2), TAKE(2, 4, 5, 2), TAKE(0, 7, 8, 1));
    GOOD(&model_queue, "long overlap", PUT(0, 1, 20, 1), PUT(1, 2, 19, 2),
         PUT(2, 3, 18, 3), TAKE(3, 4, 5, 3), TAKE(3, 6, 7, 1), NONE(3, 8, 9),
         TAKE(3, 10, 11, 2), NONE(3, 12, 13));
    BAD(&model_queue, "long overlap, one too many", PUT(0, 1, 20, 1), PUT(1, 2, 19, 2),
        PUT(2, 3, 18, 3), TAKE(3, 4, 5, 3), TAKE(3, 6, 7, 1), NONE(3, 8, 9),
        TAKE(3, 10, 11, 2), TAKE(3, 12, 13, 3));
}

static void test_entry(void)
{
#define E(t, from, to, kind, a0, a1, r0, r1) OP(t, kind, a0, a1, r0, r1, from, to)
    GOOD(&model_entry, "add wins once", E(0, 1, 4, ENTRY_ADD, 1, 0, 1, 0),
         E(1, 2, 3, ENTRY_ADD, 2, 0, 0, 1), E(0, 5, 6, ENTRY_GET, 0, 0, 1, 1));
    BAD(&model_entry, "add wins twice", E(0, 1, 4, ENTRY_ADD, 1, 0, 1, 0),
        E(1, 2, 3, ENTRY_ADD, 2, 0, 1, 0));
    BAD(&model_entry, "a removed entry comes back", E(0, 1, 2, ENTRY_SET, 1, 0, 0, 0),
        E(1, 3, 4, ENTRY_REMOVE, 0, 0, 1, 1), E(2, 5, 6, ENTRY_GET, 0, 0, 1, 1));
    BAD(&model_entry, "removed twice", E(0, 1, 2, ENTRY_SET, 1, 0, 0, 0),
        E(1, 3, 6, ENTRY_REMOVE, 0, 0, 1, 1), E(2, 4, 5, ENTRY_REMOVE, 0, 0, 1, 1));
    GOOD(&model_entry, "increment, remove, increment",
         E(0, 1, 2, ENTRY_INCREMENT, 1, 0, 1, 0), E(1, 3, 8, ENTRY_REMOVE, 0, 0, 1, 2),
         E(0, 4, 5, ENTRY_INCREMENT, 1, 0, 2, 0),
         E(0, 6, 7, ENTRY_INCREMENT, 1, 0, 1, 0));
    BAD(&model_entry, "compare-and-set on what is absent",
        E(0, 1, 2, ENTRY_CAS, ENTRY_ABSENT, 1, 1, 0),
        E(1, 3, 4, ENTRY_CAS, ENTRY_ABSENT, 2, 1, 0));
    GOOD(&model_entry, "exchange", E(0, 1, 4, ENTRY_EXCHANGE, 1, 0, 1, 2),
         E(1, 2, 3, ENTRY_EXCHANGE, 2, 0, 0, 0), E(1, 5, 6, ENTRY_GET, 0, 0, 1, 1));
#undef E
}

/* ---- random histories */

/* Tries every order. Bit i of `done`: operation i is in it. */
static bool any_order(const struct op *ops, size_t count, const struct model *model,
                      uint32_t done, const void *state)
{
    _Alignas(16) unsigned char next[MODEL_STATE_MAX];

    if (done == (1u << count) - 1)
        return true;
    for (size_t i = 0; i < count; i++) {
        bool first = !(done >> i & 1);
        for (size_t k = 0; k < count; k++)
            first = first && (done >> k & 1 || ops[k].response >= ops[i].invoke);
        if (!first)
            continue;
        memcpy(next, state, model->state_size);
        if (model->step(next, &ops[i]) &&
            any_order(ops, count, model, done | 1u << i, next))
            return true;
    }
    return false;
}

static void random_op(struct rng *r, const struct model *model, struct op *op)
{
    op->arg[0] = (int64_t)rng_below(r, 3);
    op->arg[1] = (int64_t)rng_below(r, 3);
    op->kind = (uint16_t)rng_below(r, model == &model_queue ? 2 : 5);
}

/* Fills in a result that the model accepts. Returns: the new state in `state`. */
static void obey(const struct model *model, struct op *op, void *state)
{
    _Alignas(16) unsigned char next[MODEL_STATE_MAX];

    for (int64_t r0 = 0; r0 <= 40; r0++) {
        for (int64_t r1 = 0; r1 <= 40; r1++) {
            op->result[0] = r0;
            op->result[1] = r1;
            memcpy(next, state, model->state_size);
            if (model->step(next, op)) {
                memcpy(state, next, model->state_size);
                return;
            }
        }
    }
    abort();
}

/* Makes a history that is linearizable: operation i takes effect at time 10 * i + 5
 * (times a thousand), somewhere between its beginning and its end. */
static void make_history(struct rng *r, const struct model *model, struct op *ops,
                         size_t count, unsigned threads, unsigned width)
{
    _Alignas(16) unsigned char state[MODEL_STATE_MAX];
    uint64_t free_at[HISTORY_THREADS] = {0};
    size_t last[HISTORY_THREADS];

    model->init(state);
    memset(last, 0xff, sizeof last);
    for (size_t i = 0; i < count; i++) {
        struct op *op = &ops[i];
        uint64_t point = (i + 10) * 10000 + 5000;
        unsigned t = (unsigned)rng_below(r, threads);

        memset(op, 0, sizeof *op);
        op->thread = (uint16_t)t;
        random_op(r, model, op);
        obey(model, op, state);
        /* Unique times: the last digits are the operation's own. */
        op->invoke = point - rng_below(r, width) * 100 - 1 - i % 97;
        if (last[t] != SIZE_MAX && op->invoke <= free_at[t])
            op->invoke = free_at[t] + 1;
        op->response = point + rng_below(r, width) * 100 + i % 97;
        free_at[t] = op->response;
        /* The previous one of this thread must have ended before this one's point. */
        if (last[t] != SIZE_MAX && ops[last[t]].response >= point) {
            ops[last[t]].response = (uint64_t)(last[t] + 10) * 10000 + 5000 + 1;
            op->invoke = point - 1;
        }
        last[t] = i;
    }
}

static void test_against_all_orders(const struct model *model, uint64_t seed)
{
    struct rng r = rng_seed(seed);
    unsigned bad = 0, good = 0;

    for (int round = 0; round < 2000; round++) {
        _Alignas(16) unsigned char state[MODEL_STATE_MAX];
        struct op ops[7];
        size_t count = 3 + rng_below(&r, 5);

        make_history(&r, model, ops, count, 3, 1 + (unsigned)rng_below(&r, 400));
        expect(history_check_ops(ops, count, model, true) == LINEARIZABLE,
               "%s, round %d: made linearizable", model->name, round);
        struct op *victim = &ops[rng_below(&r, count)];
        victim->result[rng_below(&r, 2)] += rng_below(&r, 2) ? 1 : -1;
        model->init(state);
        bool linearizable = any_order(ops, count, model, 0, state);
        expect((history_check_ops(ops, count, model, false) == LINEARIZABLE) ==
                   linearizable,
               "%s, round %d: the checker and the trial of all orders agree",
               model->name, round);
        *(linearizable ? &good : &bad) += 1;
    }
    ok(bad > 100 && good > 100, "%s: %u corrupted histories rejected, %u still fine",
       model->name, bad, good);
}

static void test_long(const struct model *model, uint64_t seed)
{
    enum { N = 5000 };
    struct rng r = rng_seed(seed);
    struct op *ops = calloc(N, sizeof *ops);

    if (ops == NULL)
        abort();
    make_history(&r, model, ops, N, 4, 300);
    ok(history_check_ops(ops, N, model, true) == LINEARIZABLE,
       "%s: a history of %d operations", model->name, N);
    for (size_t i = N - 20; i < N; i++) {
        if (model == &model_queue ? ops[i].kind == QUEUE_GET : ops[i].kind == INT_GET)
            ops[i].result[0] ^= 1;
    }
    ok(history_check_ops(ops, N, model, false) == NOT_LINEARIZABLE,
       "%s: the same with wrong reads at its end", model->name);
    free(ops);
}

/* ---- the recorder, with a right and a wrong counter */

struct counters {
    struct history h;
    _Atomic(int64_t) value[4];
    bool right;
};

static void count(struct member *m)
{
    struct counters *c = m->shared;

    while (!history_full(&c->h, m->index)) {
        uint64_t key = rng_below(&m->rng, 4);
        struct op *op = history_invoke(&c->h, m->index, INT_ADD, key, 1, 0);
        int64_t old;

        if (c->right) {
            old = sobj_add_seq_cst(&c->value[key], 1);
        } else {
            old = sobj_load_seq_cst(&c->value[key]);
            if (rng_below(&m->rng, 50) == 0)
                sched_yield();
            sobj_store_seq_cst(&c->value[key], old + 1);
        }
        history_respond(&c->h, op, SOBJ_OK, old + 1);
    }
}

static void test_recorder(bool right)
{
    struct counters c = {.right = right};
    enum verdict v = LINEARIZABLE;
    int round = 0;

    history_init(&c.h, 4, 500);
    for (; round < (right ? 3 : 200) && v == LINEARIZABLE; round++) {
        history_reset(&c.h);
        memset(c.value, 0, sizeof c.value);
        crew_run(4, (uint64_t)round, 0, count, &c);
        v = history_check(&c.h, &model_int, right);
    }
    ok(v == (right ? LINEARIZABLE : NOT_LINEARIZABLE), "recorded: %s counter",
       right ? "a right" : "a wrong");
    history_fini(&c.h);
}

int main(void)
{
    tap_begin();
    test_register();
    test_counter();
    test_queue();
    test_entry();
    test_against_all_orders(&model_int, 1);
    test_against_all_orders(&model_queue, 2);
    test_long(&model_int, 3);
    test_long(&model_queue, 4);
    test_recorder(true);
    test_recorder(false);
    return tap_end();
}
