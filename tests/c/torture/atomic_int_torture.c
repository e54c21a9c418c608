/* SPDX-License-Identifier: MIT */
/* AtomicInt under load: THREADS SECONDS SEED. Recorded histories, then a token that goes
 * round by `wait`: a lost wake-up stops it. */
#include "crew.h"
#include "ints.h"
#include "tap.h"

#define LONG_TIME ((int64_t)HANG_SECONDS * 1000000000)

static void histories(const struct torture *t)
{
    struct int_history r;
    enum verdict v = LINEARIZABLE;
    int64_t end = sobj_clock() + (int64_t)t->milliseconds * 500000;
    unsigned rounds = 0;

    int_history_init(&r, t->threads < 6 ? t->threads : 6);
    do {
        yield_every(rounds % 3 == 0 ? 0 : 5);
        v = int_history_round(&r, t->seed + rounds);
        rounds++;
    } while (v == LINEARIZABLE && sobj_clock() < end);
    yield_every(0);
    ok(v == LINEARIZABLE, "%u histories", rounds);
    int_history_fini(&r);
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
    struct sobj_object *a = new_int(0);
    int before = tap_failures();

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
