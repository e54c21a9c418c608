/* SPDX-License-Identifier: MIT */
/* Thread records: counters that outlive their thread, the flush at its end. */
#include "thread.h"

#include "alloc.h"
#include "crew.h"
#include "reclaim.h"
#include "tap.h"

static void count_up(struct member *m)
{
    (void)m;
    for (int i = 0; i < 1000; i++)
        sobj__count(SOBJ_COUNT_NODES, 1);
    sobj__count(SOBJ_COUNT_NODES, -999);
}

static void test_departed(void)
{
    int64_t nodes = sobj_count(SOBJ_COUNT_NODES);

    for (int round = 0; round < 10; round++)
        crew_run(8, 1, 0, count_up, NULL);
    ok(sobj_count(SOBJ_COUNT_NODES) == nodes + 80, "what ended threads counted stays");
    sobj__count(SOBJ_COUNT_NODES, -80);
    ok(sobj_count(SOBJ_COUNT_NODES) == nodes, "counted down by another thread");
}

/* Each thread counts one up and ends; so the sum never falls, though the count wanders
 * from the thread's record to the shared one while others read. */
struct wander {
    _Atomic(int) done;
    int64_t start;
};

static void count_one(struct member *m)
{
    (void)m;
    sobj__count(SOBJ_COUNT_NODES, 1);
}

static void wander(struct member *m)
{
    struct wander *w = m->shared;
    int64_t last = w->start;

    if (m->index == 0) {
        for (int i = 0; i < 100; i++)
            crew_run(2, (uint64_t)i, 0, count_one, NULL);
        /* SeqCst: the end of the loops below. */
        sobj_store_seq_cst(&w->done, 1);
        return;
    }
    while (!sobj_load_seq_cst(&w->done)) {
        int64_t now = sobj_count(SOBJ_COUNT_NODES);
        expect(now >= last && now <= w->start + 200, "the sum went from %lld to %lld",
               (long long)last, (long long)now);
        last = now;
    }
}

static void test_sum_while_threads_end(void)
{
    struct wander w = {.start = sobj_count(SOBJ_COUNT_NODES)};
    int before = tap_failures();

    crew_run(2, 1, 0, wander, &w);
    ok(sobj_count(SOBJ_COUNT_NODES) == w.start + 200 && tap_failures() == before,
       "sums while threads begin and end");
    sobj__count(SOBJ_COUNT_NODES, -200);
}

static void free_block(void *p) { sobj__free(SOBJ_COUNT_BLOCKS, p, 32); }

static void retire_some(struct member *m)
{
    (void)m;
    for (int i = 0; i < 100; i++) {
        void *p = sobj__alloc(SOBJ_COUNT_BLOCKS, 32);
        sobj__write_begin();
        sobj__retire(p, free_block, 32);
        sobj__write_end();
    }
}

static void test_flush_at_exit(void)
{
    struct balance b = balance_begin();

    crew_run(4, 1, 0, retire_some, NULL);
    balance_check(&b, "a thread frees what it retired when it ends");
}

/* A destructor of the user's that runs after the core's must not upset it. */
static pthread_key_t late_key;

static void late_use(void *p)
{
    free_block(p);
    retire_some(NULL);
}

static void use_late(struct member *m)
{
    (void)m;
    pthread_setspecific(late_key, sobj__alloc(SOBJ_COUNT_BLOCKS, 32));
}

static void test_use_after_exit(void)
{
    struct balance b = balance_begin();

    pthread_key_create(&late_key, late_use);
    for (int i = 0; i < 20; i++)
        crew_run(2, 1, 0, use_late, NULL);
    pthread_key_delete(late_key);
    balance_check(&b, "use of the core after its own destructor");
}

/* ---- names of threads */

struct named {
    uint64_t serial[4];
};

static void take_name(struct member *m)
{
    struct named *n = m->shared;

    n->serial[m->index] = sobj_thread()->serial;
    crew_meet(m);
    for (unsigned i = 0; i < m->count; i++) {
        expect(!sobj_thread_ended(n->serial[i]), "runs");
        expect((n->serial[i] == n->serial[m->index]) == (i == m->index),
               "one name each");
    }
    crew_meet(m);
}

static void test_names(void)
{
    struct named first, second;
    uint64_t mine = sobj_thread()->serial;

    ok(mine != 0 && sobj_thread()->serial == mine && !sobj_thread_ended(mine),
       "this thread has a name");
    crew_run(4, 1, 0, take_name, &first);
    crew_run(4, 1, 0, take_name, &second);
    for (int i = 0; i < 4; i++) {
        expect(sobj_thread_ended(first.serial[i]), "has ended");
        for (int k = 0; k < 4; k++)
            expect(first.serial[i] != second.serial[k], "never used again");
    }
    ok(!sobj_thread_ended(mine), "and still runs");
}

static void test_random(void)
{
    uint64_t seen = 0, all = ~(uint64_t)0;

    for (int i = 0; i < 200; i++) {
        uint64_t x = sobj__thread_random();
        seen |= x;
        all &= x;
    }
    ok(seen == ~(uint64_t)0 && all == 0, "every bit of the random numbers changes");
}

int main(void)
{
    tap_begin();
    test_departed();
    test_sum_while_threads_end();
    test_flush_at_exit();
    test_use_after_exit();
    test_names();
    test_random();
    return tap_end();
}
