/* SPDX-License-Identifier: MIT */
/* AtomicInts for tests; see ints.h. */
#include "ints.h"

#include "crew.h"
#include "object.h"
#include "tap.h"

struct sobj_object *new_int(int64_t value)
{
    struct sobj_object *a = NULL;

    expect(sobj_atomic_int_new(value, &a) == SOBJ_OK, "new");
    return a;
}

bool watched(const struct sobj_object *a)
{
    return (sobj__mode(a) & SOBJ__WATCHED) != 0;
}

void int_job_run(void *job)
{
    struct int_job *j = job;
    int64_t *result = j->result;

    switch (j->kind) {
    case INT_GET:
        result[0] = sobj_atomic_int_get(j->a);
        break;
    case INT_SET:
        sobj_atomic_int_set(j->a, j->x);
        break;
    case INT_EXCHANGE:
        result[0] = sobj_atomic_int_exchange(j->a, j->x);
        break;
    case INT_CAS:
        result[0] = sobj_atomic_int_compare_and_set(j->a, j->x, j->y, &result[1]);
        break;
    case INT_ADD:
        result[0] = sobj_atomic_int_add(j->a, j->x, &result[1]);
        break;
    case INT_MAX_OF:
        result[0] = sobj_atomic_int_max(j->a, j->x);
        break;
    case INT_MIN_OF:
        result[0] = sobj_atomic_int_min(j->a, j->x);
        break;
    }
}

bool int_job_agrees(const struct int_job *job, int64_t before)
{
    struct op op = {.kind = (uint16_t)job->kind,
                    .arg = {job->x, job->y},
                    .result = {job->result[0], job->result[1]}};
    int64_t value = before;

    return model_int.step(&value, &op) && sobj_atomic_int_get(job->a) == value;
}

/* ---- histories */

/* One in eight is far away: then a number lives long enough in its first word, and still
 * nearly all of them leave it in the course of a round. */
static int64_t draw(struct rng *rng)
{
    static const int64_t calm[] = {0, 1, -1, 2, INT_STEP - 1, -INT_STEP};
    static const int64_t far[] = {INT64_MAX,     INT64_MIN,     INT64_MAX - 1,
                                  INT64_MIN + 1, INT_NEAR - 1,  -INT_NEAR,
                                  INT_NEAR,      -INT_NEAR - 1, 2 * INT_NEAR};

    if (rng_below(rng, 8) == 0)
        return far[rng_below(rng, sizeof far / sizeof *far)];
    return calm[rng_below(rng, sizeof calm / sizeof *calm)];
}

static void one_operation(struct int_history *r, struct member *m, unsigned key)
{
    struct int_job j = {.a = r->ints[key],
                        .kind = (enum int_kind)rng_below(&m->rng, INT_MIN_OF + 1),
                        .x = draw(&m->rng),
                        .y = draw(&m->rng)};
    struct op *op = history_invoke(&r->h, m->index, j.kind, key, j.x, j.y);

    int_job_run(&j);
    history_respond(&r->h, op, j.result[0], j.result[1]);
}

/* All members go from number to number at about the same time. */
static void record(struct member *m)
{
    for (unsigned key = 0; key < INT_HISTORY_INTS; key++) {
        for (int i = 0; i < INT_HISTORY_OPS; i++)
            one_operation(m->shared, m, key);
    }
}

void int_history_init(struct int_history *r, unsigned threads)
{
    history_init(&r->h, threads, (size_t)INT_HISTORY_INTS * INT_HISTORY_OPS);
}

void int_history_fini(struct int_history *r) { history_fini(&r->h); }

enum verdict int_history_round(struct int_history *r, uint64_t seed)
{
    history_reset(&r->h);
    for (int i = 0; i < INT_HISTORY_INTS; i++)
        r->ints[i] = new_int(0);
    crew_run(r->h.threads, seed, 0, record, r);
    for (int i = 0; i < INT_HISTORY_INTS; i++)
        sobj_unref(r->ints[i]);
    return history_check(&r->h, &model_int, true);
}
