/* SPDX-License-Identifier: MIT */
/* AtomicInt under load: THREADS SECONDS SEED. Recorded histories, then a token that goes
 * round by `wait`: a lost wake-up stops it. */
#include <stdlib.h>

#include "crew.h"
#include "history.h"
#include "models.h"
#include "sharedobj/atomic_int.h"
#include "tap.h"

#define LONG_TIME ((int64_t)HANG_SECONDS * 1000000000)

struct recorded {
    struct history h;
    struct sobj_object *a;
};

static void step(struct history *h, struct member *m, struct sobj_object *a)
{
    static const int64_t numbers[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_MAX - 1, 2};
    enum int_kind kind = (enum int_kind)rng_below(&m->rng, INT_MIN_OF + 1);
    int64_t x = numbers[rng_below(&m->rng, 7)], y = numbers[rng_below(&m->rng, 7)];
    int64_t r0 = 0, r1 = 0;
    struct op *op = history_invoke(h, m->index, kind, 0, x, y);

    switch (kind) {
    case INT_GET:
        r0 = sobj_atomic_int_get(a);
        break;
    case INT_SET:
        sobj_atomic_int_set(a, x);
        break;
    case INT_EXCHANGE:
        r0 = sobj_atomic_int_exchange(a, x);
        break;
    case INT_CAS:
        r0 = sobj_atomic_int_compare_and_set(a, x, y, &r1);
        break;
    case INT_ADD:
        r0 = sobj_atomic_int_add(a, x, &r1);
        break;
    case INT_MAX_OF:
        r0 = sobj_atomic_int_max(a, x);
        break;
    case INT_MIN_OF:
        r0 = sobj_atomic_int_min(a, x);
        break;
    }
    history_respond(h, op, r0, r1);
}

static void record(struct member *m)
{
    struct recorded *r = m->shared;

    while (!history_full(&r->h, m->index))
        step(&r->h, m, r->a);
}

static void histories(const struct torture *t)
{
    struct recorded r;
    enum verdict v = LINEARIZABLE;
    int64_t end = sobj_clock() + (int64_t)t->milliseconds * 500000;
    unsigned threads = t->threads < 6 ? t->threads : 6;
    int rounds = 0;

    history_init(&r.h, threads, 100);
    expect(sobj_atomic_int_new(0, &r.a) == SOBJ_OK, "new");
    do {
        history_reset(&r.h);
        sobj_atomic_int_set(r.a, 0);
        yield_every(rounds % 3 == 0 ? 0 : 5);
        crew_run(threads, t->seed + (uint64_t)rounds, 0, record, &r);
        v = history_check(&r.h, &model_int, true);
        rounds++;
    } while (v == LINEARIZABLE && sobj_clock() < end);
    yield_every(0);
    ok(v == LINEARIZABLE, "%d histories", rounds);
    sobj_unref(r.a);
    history_fini(&r.h);
}

static void pass_token(struct member *m)
{
    struct sobj_object *a = m->shared;
    int64_t value = 0, sum;

    while (value >= 0 && crew_running(m)) {
        while ((uint64_t)value % m->count != m->index) {
            enum sobj_status status =
                sobj_atomic_int_wait(a, value, sobj_clock() + LONG_TIME, NULL, &value);
            if (!expect(status == SOBJ_OK, "%s at %lld", sobj_status_str(status),
                        (long long)value))
                return;
            if (value < 0)
                return;
        }
        sobj_atomic_int_add(a, 1, &sum);
        value = sum;
    }
    sobj_atomic_int_set(a, INT64_MIN); /* the others must not wait for our turn */
}

static void token(const struct torture *t)
{
    struct sobj_object *a = NULL;
    int before = tap_failures();

    expect(sobj_atomic_int_new(0, &a) == SOBJ_OK, "new");
    yield_every(7);
    crew_run(t->threads, t->seed, t->milliseconds / 2, pass_token, a);
    yield_every(0);
    ok(tap_failures() == before, "the token goes round");
    sobj_unref(a);
}

int main(int argc, char **argv)
{
    struct torture t = torture_begin(argc, argv, 4);
    struct balance b;

    tap_begin();
    b = balance_begin();
    histories(&t);
    token(&t);
    balance_check(&b, "torture");
    return tap_end();
}
