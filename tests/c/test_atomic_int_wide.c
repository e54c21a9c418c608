/* SPDX-License-Identifier: MIT */
/* AtomicInt on its way from the first word to the second one: threads stopped just
 * before an unchecked addition, or while the value is being moved, and long climbs past
 * the edge (W1 to W3 in shared/atomic_int.c). */
#include "crew.h"
#include "ints.h"
#include "pause.h"
#include "reclaim.h"
#include "tap.h"

#define MAX INT64_MAX
#define MIN INT64_MIN
#define NEAR INT_NEAR
#define STEP INT_STEP

/* ---- an addition that comes late */

/* It is under way, unchecked, when others set two other values. */
static void test_late(int64_t n, int64_t first, int64_t second)
{
    struct int_job late = {.a = new_int(0), .kind = INT_ADD, .x = n};
    struct pause p;

    bool stopped = pause_at(&p, "atomic_int.add", 0, int_job_run, &late);
    sobj_atomic_int_set(late.a, first);
    sobj_atomic_int_set(late.a, second);
    pause_end(&p);
    ok(stopped && int_job_agrees(&late, second), "%lld late to %lld", (long long)n,
       (long long)second);
    sobj_unref(late.a);
}

static void test_all_late(void)
{
    /* Behind the mark, where it overflows, and where it does not. */
    test_late(1, MAX, MAX);
    test_late(-1, MIN, MIN);
    test_late(STEP - 1, 0, MAX);
    test_late(-STEP, MAX, MIN);
    test_late(5, MAX, MAX - 5);
    test_late(-5, 0, MIN + 5);
    /* There, but the number is small again. */
    test_late(1, MAX, 5);
    test_late(STEP - 1, MIN, 5);
    test_late(-STEP, MAX, 5);
    /* Over the edge by itself. */
    test_late(1, 0, NEAR - 1);
    test_late(-1, 0, -NEAR);
    test_late(-1, 0, NEAR);
    test_late(1, 0, 2 * NEAR);
    test_late(-1, 0, -2 * NEAR);
    /* Nothing but the first word. */
    test_late(1, 0, 77);
}

/* Several come late, one after the other; the mark stays one and none is counted twice
 * or left out. */
static void test_many_late(int64_t n)
{
    enum { LATE = 8 };
    struct sobj_object *a = new_int(0);
    struct int_job late[LATE];
    struct pause p[LATE];
    bool right = true;

    for (int i = 0; i < LATE; i++) {
        late[i] = (struct int_job){.a = a, .kind = INT_ADD, .x = n};
        right &= pause_at(&p[i], "atomic_int.add", 0, int_job_run, &late[i]);
    }
    sobj_atomic_int_set(a, n > 0 ? MIN : MAX);
    sobj_atomic_int_set(a, 100);
    for (int i = 0; i < LATE; i++) {
        pause_go(&p[i]);
        right &= int_job_agrees(&late[i], 100 + i * n);
    }
    for (int i = 0; i < LATE; i++)
        pause_end(&p[i]);
    ok(right, "%d additions of %lld come late", LATE, (long long)n);
    sobj_unref(a);
}

/* ---- a value that is being moved */

/* The mover stops when it has copied the value; others go on, and leave `meanwhile`. */
static void test_moved(struct int_job mover, int64_t meanwhile)
{
    struct sobj_object *a = new_int(7);
    struct pause p;
    int64_t seen;

    mover.a = a;
    bool right = pause_at(&p, "atomic_int.widen", 0, int_job_run, &mover);
    right &= sobj_atomic_int_get(a) == 7;
    right &= sobj_atomic_int_add(a, 1, &seen) == SOBJ_OK && seen == 8;
    right &= sobj_atomic_int_max(a, 20) == 20 && sobj_atomic_int_min(a, 10) == 10;
    right &= !sobj_atomic_int_compare_and_set(a, 7, 1, &seen) && seen == 10;
    right &= sobj_atomic_int_add(a, MAX, &seen) == SOBJ_OVERFLOW;
    right &= sobj_atomic_int_exchange(a, meanwhile) == 10;
    right &= sobj_atomic_int_get(a) == meanwhile;
    pause_end(&p);
    right &= int_job_agrees(&mover, meanwhile);
    ok(right, "kind %d moves the value while it becomes %lld", mover.kind,
       (long long)meanwhile);
    sobj_unref(a);
}

static void test_all_moved(void)
{
    static const struct int_job movers[] = {
        {.kind = INT_SET, .x = MAX},         {.kind = INT_EXCHANGE, .x = MAX},
        {.kind = INT_CAS, .x = 7, .y = MAX}, {.kind = INT_ADD, .x = NEAR},
        {.kind = INT_MAX_OF, .x = MAX},      {.kind = INT_MIN_OF, .x = MIN},
    };

    for (size_t i = 0; i < sizeof movers / sizeof *movers; i++) {
        test_moved(movers[i], 7);
        test_moved(movers[i], 12);
    }
}

/* Two unchecked additions come while the value is being moved, one more after that. */
static void test_added_while_moved(void)
{
    struct sobj_object *a = new_int(NEAR - 1);
    struct int_job over = {.a = a, .kind = INT_ADD, .x = 1}, up = over, down = over;
    struct int_job last = {.a = a, .kind = INT_ADD, .x = 2};
    struct pause mover, p[3];

    down.x = -5;
    bool stopped = pause_at(&p[0], "atomic_int.add", 0, int_job_run, &up);
    stopped &= pause_at(&p[1], "atomic_int.add", 0, int_job_run, &down);
    stopped &= pause_at(&p[2], "atomic_int.add", 0, int_job_run, &last);
    /* This one has counted, is over the edge and takes the value away. */
    stopped &= pause_at(&mover, "atomic_int.widen", 0, int_job_run, &over);
    ok(stopped && sobj_atomic_int_get(a) == NEAR, "a value that is being moved");
    /* First the one that makes room, else the other would wait for the lock. */
    pause_go(&p[1]);
    ok(int_job_agrees(&down, NEAR), "an addition meanwhile");
    pause_go(&p[0]);
    ok(int_job_agrees(&up, NEAR - 5), "another one");
    pause_go(&mover);
    ok(over.result[0] == SOBJ_OK && over.result[1] == NEAR &&
           sobj_atomic_int_get(a) == NEAR - 4,
       "the move takes them along");
    pause_go(&p[2]);
    ok(int_job_agrees(&last, NEAR - 4), "one that comes late");
    for (int i = 0; i < 3; i++)
        pause_end(&p[i]);
    pause_end(&mover);
    sobj_unref(a);
}

/* A second mover must not write over what the first one has copied: the first one
 * would then put the mark over a value that had come back. The second one waits for it;
 * if it did not, it would stop at the same place. */
static void test_two_movers(void)
{
    struct sobj_object *a = new_int(7);
    struct int_job first = {.a = a, .kind = INT_CAS, .x = 7, .y = MAX};
    struct int_job second = {.a = a, .kind = INT_ADD, .x = NEAR};
    struct pause p, q;

    bool stopped = pause_at(&p, "atomic_int.widen", 0, int_job_run, &first);
    sobj_atomic_int_set(a, 9);
    bool both = pause_try(&q, "atomic_int.widen", 0, int_job_run, &second, 1000);
    sobj_atomic_int_set(a, 7);
    pause_end(&p);
    pause_end(&q);
    /* Whichever came first: the other one's is then not 7, or too much. */
    ok(stopped && !both && int_job_agrees(&second, first.result[0] ? MAX : 7),
       "two threads cannot move the value at once");
    sobj_unref(a);
}

/* ---- climbs */

/* One thread alone: nothing for ThreadSanitizer, which would take long. */
#if defined(SOBJ__TSAN)
#define CLIMB ((int64_t)1 << 16)
#else
#define CLIMB (((int64_t)1 << 24) + ((int64_t)1 << 16))
#endif

/* From the edge by the longest steps, further than the marks are from each other: who
 * did not leave the first word, or went on adding to the mark, would be found out. */
static void test_climb(int64_t from, int64_t step)
{
    struct sobj_object *a = new_int(from);
    int64_t value = from, sum = 0;
    int wrong = 0;

    for (int64_t i = 0; i < CLIMB; i++) {
        value += step;
        wrong += sobj_atomic_int_add(a, step, &sum) != SOBJ_OK || sum != value;
    }
    ok(wrong == 0 && sobj_atomic_int_get(a) == value, "%lld steps of %lld",
       (long long)CLIMB, (long long)step);
    sobj_unref(a);
}

enum { EDGE_THREADS = 4, EDGE_STEPS = 300 };

struct edge {
    struct sobj_object *a;
    int64_t step;
};

/* Sums that go up never come back to where they were. */
static void cross(struct member *m)
{
    struct edge *e = m->shared;
    int64_t sum, last = e->step > 0 ? MIN : MAX;

    for (int i = 0; i < EDGE_STEPS; i++) {
        bool counted = sobj_atomic_int_add(e->a, e->step, &sum) == SOBJ_OK;
        expect(counted && (e->step > 0 ? sum > last : sum < last), "%lld after %lld",
               (long long)sum, (long long)last);
        last = sum;
    }
}

static void test_edge(int64_t step)
{
    int64_t half = step * EDGE_THREADS * EDGE_STEPS / 2;
    int64_t from = step > 0 ? NEAR - half : -NEAR - half;
    int before = tap_failures(), wrong = 0;

    for (unsigned round = 0; round < 20; round++) {
        struct edge e = {new_int(from), step};
        yield_every(round % 4 * 3);
        crew_run(EDGE_THREADS, round, 0, cross, &e);
        wrong += sobj_atomic_int_get(e.a) != from + 2 * half;
        sobj_unref(e.a);
    }
    yield_every(0);
    ok(wrong == 0 && tap_failures() == before,
       "four threads go over the edge by steps of %lld", (long long)step);
}

int main(void)
{
    struct balance b;

    tap_begin();
    b = balance_begin();
    test_all_late();
    test_many_late(1);
    test_many_late(-1);
    test_many_late(STEP - 1);
    test_many_late(-STEP);
    test_all_moved();
    test_added_while_moved();
    test_two_movers();
    test_climb(NEAR - 1, STEP - 1);
    test_climb(-NEAR, -STEP);
    test_edge(1);
    test_edge(-1);
    test_edge(STEP - 1);
    test_edge(-STEP);
    balance_check(&b, "all of it");
    return tap_end();
}
