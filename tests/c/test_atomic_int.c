/* SPDX-License-Identifier: MIT */
/* AtomicInt: every operation, overflow at both limits with racing threads, waiting. */
#include <signal.h>

#include "crew.h"
#include "ints.h"
#include "object.h"
#include "park.h"
#include "reclaim.h"
#include "tap.h"

#define MAX INT64_MAX
#define MIN INT64_MIN

static void test_operations(void)
{
    struct balance b = balance_begin();
    struct sobj_object *a = new_int(-7);
    int64_t seen = 0;

    ok(sobj_type_of(a) == SOBJ_TYPE_ATOMIC_INT && sobj_atomic_int_get(a) == -7, "get");
    sobj_atomic_int_set(a, MIN);
    ok(sobj_atomic_int_get(a) == MIN, "set");
    ok(sobj_atomic_int_exchange(a, 5) == MIN && sobj_atomic_int_get(a) == 5,
       "exchange");
    ok(sobj_atomic_int_compare_and_set(a, 5, MAX, &seen) && seen == 5 &&
           sobj_atomic_int_get(a) == MAX,
       "compare_and_set that holds");
    ok(!sobj_atomic_int_compare_and_set(a, 5, 6, &seen) && seen == MAX &&
           sobj_atomic_int_get(a) == MAX,
       "and one that does not");
    ok(!sobj_atomic_int_compare_and_set(a, 0, 1, NULL) &&
           sobj_atomic_int_compare_and_set(a, MAX, 10, NULL),
       "without asking what was seen");
    ok(sobj_atomic_int_max(a, 9) == 10 && sobj_atomic_int_max(a, 10) == 10 &&
           sobj_atomic_int_max(a, 11) == 11 && sobj_atomic_int_get(a) == 11,
       "max");
    ok(sobj_atomic_int_min(a, 12) == 11 && sobj_atomic_int_min(a, 11) == 11 &&
           sobj_atomic_int_min(a, -3) == -3 && sobj_atomic_int_get(a) == -3,
       "min");
    ok(sobj_atomic_int_max(a, MIN) == -3 && sobj_atomic_int_min(a, MAX) == -3 &&
           sobj_atomic_int_max(a, MAX) == MAX && sobj_atomic_int_min(a, MIN) == MIN,
       "max and min at the limits");
    sobj_unref(a);
    balance_check(&b, "operations");
}

static void test_add(void)
{
    static const int64_t numbers[] = {0,          1,
                                      -1,         2,
                                      -2,         MAX,
                                      MAX - 1,    MIN,
                                      MIN + 1,    MAX / 2,
                                      MIN / 2,    1 << 20,
                                      -(1 << 20), MAX / 2 + 1,
                                      INT_STEP,   INT_STEP - 1,
                                      -INT_STEP,  -INT_STEP - 1,
                                      INT_NEAR,   INT_NEAR - 1,
                                      -INT_NEAR,  -INT_NEAR - 1};
    enum { N = sizeof numbers / sizeof *numbers };
    int wrong = 0;

    for (int i = 0; i < N; i++) {
        for (int k = 0; k < N; k++) {
            __int128 exact = (__int128)numbers[i] + numbers[k];
            bool fits = exact >= MIN && exact <= MAX;
            int64_t sum = 4711;
            struct sobj_object *a = new_int(numbers[i]);
            enum sobj_status status = sobj_atomic_int_add(a, numbers[k], &sum);
            wrong += status != (fits ? SOBJ_OK : SOBJ_OVERFLOW);
            wrong += sum != (fits ? (int64_t)exact : 4711);
            wrong += sobj_atomic_int_get(a) != (fits ? (int64_t)exact : numbers[i]);
            sobj_unref(a);
        }
    }
    ok(wrong == 0, "add, %d pairs around the limits", N * N);
}

static void create(void *context)
{
    struct sobj_object *a = NULL;

    (void)context;
    if (sobj_atomic_int_new(3, &a) == SOBJ_OK)
        sobj_unref(a);
}

/* ---- threads */

static void add_one(struct member *m)
{
    int64_t sum, last = 0;

    for (int i = 0; i < 5000; i++) {
        expect(sobj_atomic_int_add(m->shared, 1, &sum) == SOBJ_OK && sum > last,
               "sums rise");
        last = sum;
    }
}

static void test_sum(void)
{
    struct sobj_object *a = new_int(0);

    yield_every(50);
    crew_run(4, 1, 0, add_one, a);
    yield_every(0);
    ok(sobj_atomic_int_get(a) == 20000, "no addition is lost");
    sobj_unref(a);
}

/* One thread stores the limit and 0 by turns, others add in its direction: the values
 * that may be seen are the limit and what can be reached from 0, nothing wrapped. */
struct limits {
    struct sobj_object *a;
    int64_t limit, step;
    _Atomic(int) overflows;
};

static void check_seen(struct limits *l, int64_t v)
{
    bool near = l->step > 0 ? v >= 0 && v < 1000000 : v <= 0 && v > -1000000;

    expect(near || v == l->limit, "%lld was seen", (long long)v);
}

static void push_limit(struct member *m)
{
    struct limits *l = m->shared;
    int64_t sum;

    for (int i = 0; i < 4000; i++) {
        if (m->index == 0) {
            sobj_atomic_int_set(l->a, i % 2 ? 0 : l->limit);
            if (i % 8 == 0)
                sched_yield();
        } else if (m->index == 1) {
            check_seen(l, sobj_atomic_int_get(l->a));
        } else if (sobj_atomic_int_add(l->a, l->step, &sum) == SOBJ_OK) {
            check_seen(l, sum);
            expect(sum != l->limit, "the limit is never the result of a sum here");
        } else {
            sobj_add_seq_cst(&l->overflows, 1);
        }
    }
}

static void test_limit(int64_t limit, int64_t step, const char *name)
{
    struct limits l = {.a = new_int(0), .limit = limit, .step = step};
    int before = tap_failures();

    yield_every(3);
    /* Three rounds, and more if the limit was never met. */
    for (int round = 0; round < 3 || (round < 100 && l.overflows == 0); round++)
        crew_run(4, (uint64_t)round, 0, push_limit, &l);
    yield_every(0);
    ok(tap_failures() == before && sobj_load_seq_cst(&l.overflows) > 0,
       "%s: never a wrong value, %d overflows", name, sobj_load_seq_cst(&l.overflows));
    sobj_unref(l.a);
}

/* ---- histories */

static void test_histories(void)
{
    struct int_history r;
    enum verdict v = LINEARIZABLE;

    int_history_init(&r, 4);
    yield_every(4);
    for (unsigned round = 0; round < 40 && v == LINEARIZABLE; round++)
        v = int_history_round(&r, round);
    yield_every(0);
    ok(v == LINEARIZABLE, "histories of all operations are linearizable");
    int_history_fini(&r);
}

/* ---- waiting */

struct waiting {
    struct sobj_object *a;
    struct sobj_domain *domain;
    int64_t while_equal, value;
    enum sobj_status status;
    _Atomic(int) done;
};

static void *wait_main(void *arg)
{
    struct waiting *w = arg;

    do {
        w->status = sobj_atomic_int_wait(w->a, w->while_equal, SOBJ_FOREVER, w->domain,
                                         &w->value);
    } while (w->status == SOBJ_OK && w->value == w->while_equal);
    sobj_store_seq_cst(&w->done, 1);
    return NULL;
}

/* The kinds that change a value, from `from` to `to`. */
static void test_woken(enum int_kind kind, int64_t from, int64_t to)
{
    struct waiting w = {.a = new_int(from), .while_equal = from};
    struct int_job change = {.a = w.a, .kind = kind, .x = to};
    pthread_t thread;

    if (kind == INT_CAS) {
        change.x = from;
        change.y = to;
    } else if (kind == INT_ADD) {
        change.x = to - from;
    }
    w.domain = sobj_domain_new(1);
    pthread_create(&thread, NULL, wait_main, &w);
    while (!watched(w.a))
        sched_yield();
    int_job_run(&change);
    pthread_join(thread, NULL);
    ok(w.status == SOBJ_OK && w.value == to && !watched(w.a),
       "woken by kind %d, %lld to %lld", kind, (long long)from, (long long)to);
    sobj_domain_free(w.domain);
    sobj_unref(w.a);
}

static void test_all_wake(void)
{
    for (enum int_kind kind = INT_SET; kind <= INT_MAX_OF; kind++) {
        test_woken(kind, 10, 11);
        test_woken(kind, 10, MAX);      /* into the second word */
        test_woken(kind, MAX - 1, MAX); /* within it */
    }
    test_woken(INT_MIN_OF, 10, 9);
    test_woken(INT_MIN_OF, 10, MIN);
    test_woken(INT_MIN_OF, MIN + 1, MIN);
    test_woken(INT_ADD, INT_NEAR - 1, INT_NEAR);
    test_woken(INT_ADD, -INT_NEAR, -INT_NEAR - 1);
}

static void test_wait(void)
{
    struct sobj_object *a = new_int(1);
    int64_t value = 0;

    ok(sobj_atomic_int_wait(a, 2, SOBJ_FOREVER, NULL, &value) == SOBJ_OK && value == 1,
       "no wait for what is not so");
    ok(sobj_atomic_int_wait(a, 1, sobj_clock() + 1000000, NULL, &value) == SOBJ_TIMEOUT,
       "timeout");
    ok(sobj_atomic_int_wait(a, 1, 0, NULL, &value) == SOBJ_TIMEOUT, "no time at all");
    ok(!watched(a), "nobody is left");
    struct sobj_domain *d = sobj_domain_new(1);
    sobj_domain_close(d);
    ok(sobj_atomic_int_wait(a, 1, SOBJ_FOREVER, d, &value) == SOBJ_CLOSING &&
           !watched(a),
       "a closed domain");
    sobj_domain_free(d);
    sobj_unref(a);
}

/* Two wait for different changes; the bit stays until the second has left. */
static void test_two_waiters(void)
{
    struct waiting one = {.a = new_int(1), .while_equal = 1}, two = one;
    pthread_t first, second;

    two.domain = sobj_domain_new(2);
    pthread_create(&first, NULL, wait_main, &one);
    pthread_create(&second, NULL, wait_main, &two);
    for (bool both = false; !both; sched_yield()) {
        sobj__write_begin();
        sobj__lock_acquire(&two.domain->lock);
        both = two.domain->parkers != NULL;
        sobj__lock_release(&two.domain->lock);
        sobj__write_end();
    }
    sobj_domain_close(two.domain);
    pthread_join(second, NULL);
    ok(two.status == SOBJ_CLOSING, "one leaves as its domain closes");
    while (!watched(one.a))
        sched_yield();
    ok(!sobj_load_seq_cst(&one.done), "the other one waits on");
    sobj_atomic_int_set(one.a, 3);
    pthread_join(first, NULL);
    ok(one.status == SOBJ_OK && one.value == 3 && !watched(one.a), "and is woken");
    sobj_domain_free(two.domain);
    sobj_unref(one.a);
}

static void ignore(int sig) { (void)sig; }

static void test_signal(void)
{
    struct sigaction action = {.sa_handler = ignore};
    struct waiting w = {.a = new_int(1), .while_equal = 1};
    pthread_t thread;

    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, wait_main, &w);
    while (!sobj_load_seq_cst(&w.done)) {
        pthread_kill(thread, SIGUSR1);
        sched_yield();
    }
    pthread_join(thread, NULL);
    ok(w.status == SOBJ_INTERRUPTED && !watched(w.a), "a signal ends the wait");
    sobj_unref(w.a);
}

int main(void)
{
    struct balance b;

    tap_begin();
    test_operations();
    test_add();
    ok(fault_walk("new", create, NULL, NULL) > 0, "creation can fail");
    b = balance_begin();
    test_sum();
    test_limit(MAX, 1, "the upper limit");
    test_limit(MIN, -1, "the lower limit");
    test_histories();
    test_wait();
    test_all_wake();
    test_two_waiters();
    test_signal();
    balance_check(&b, "all of it");
    return tap_end();
}
