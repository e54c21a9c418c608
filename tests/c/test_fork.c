/* SPDX-License-Identifier: MIT */
/* Fork while other threads work: in the child every structure is whole and usable. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc.h"
#include "crew.h"
#include "dict_keys.h"
#include "flight.h"
#include "ints.h"
#include "list_check.h"
#include "lists.h"
#include "pause.h"
#include "reclaim.h"
#include "tap.h"
#include "thing.h"

#if defined(SOBJ__TSAN)
#define CHILD_THREADS 0 /* ThreadSanitizer allows no new threads there */
#else
#define CHILD_THREADS 1
#endif

struct world {
    struct sobj__lock lock;
    uint64_t a, b; /* guarded by lock; equal outside of write sections */
    struct sobj_domain *domain;
    struct sobj_object *number; /* an AtomicInt that threads wait on */
    struct sobj_object *dict;   /* with flights, and keys that threads wait for */
    struct sobj_object *list;   /* whose items move */
    struct sobj_object *things[8];
    uint64_t nonce[2];
    _Atomic(int) inside; /* threads in the write section of change_pair */
    _Atomic(uint64_t) progress;
    _Atomic(int) forkers; /* still at work */
};

/* Registered before the core's own handlers, so called after them: the gate is closed,
 * the process not yet copied. */
static struct world *forked_world;

static void before_copy(void)
{
    for (int i = 0; forked_world != NULL && i < 30; i++) {
        expect(sobj_load_seq_cst(&forked_world->inside) == 0,
               "no write section while the gate is closed");
        sched_yield();
    }
}

/* ---- what goes on while the process is forked */

static void change_pair(struct world *w)
{
    sobj__write_begin();
    sobj_add_seq_cst(&w->inside, 1);
    sobj__lock_acquire(&w->lock);
    w->a++;
    sched_yield();
    w->b++;
    sobj__lock_release(&w->lock);
    sobj_sub_acq_rel(&w->inside, 1);
    sobj__write_end();
}

static void change_table(struct world *w, struct rng *r)
{
    struct sobj_object *obj = thing_new(), *found;
    uint64_t ticket;

    if (obj == NULL)
        return;
    if (sobj_ticket_new(obj, w->domain, SOBJ_NO_LEASE, &ticket) == SOBJ_OK) {
        if (rng_below(r, 2) && sobj_ticket_take(ticket, &found) == SOBJ_OK)
            sobj_unref(found);
        sobj_ticket_drop(ticket);
    }
    sobj_unref(obj);
}

static void change_number(struct world *w, struct rng *r)
{
    int64_t value, sum;

    if (rng_below(r, 4) == 0)
        sobj_atomic_int_wait(w->number, sobj_atomic_int_get(w->number),
                             sobj_clock() + 20000, w->domain, &value);
    else
        sobj_atomic_int_add(w->number, 1, &sum);
}

/* Begins a flight or waits for one, which the fork may meet in any state. */
static void change_dict(struct world *w, struct rng *r)
{
    int64_t n = (int64_t)rng_below(r, 3), end = sobj_clock() + 50000;
    struct sobj_dict_key *k = NULL;
    struct sobj_flight f;
    struct test_key key;
    sobj_cell present;

    if (sobj_dict_key_new(w->dict, test_key(&key, n, false), &k) != SOBJ_OK)
        return;
    switch (sobj_flight_join(k, end, w->domain, &f)) {
    case SOBJ_OK:
        sobj_dict_wait(k, f.value, end, w->domain);
        sobj_cell_unref(f.value);
        dict_drop(w->dict, n);
        break;
    case SOBJ_NOT_FOUND:
        sched_yield();
        if (rng_below(r, 2))
            sobj_flight_fail(k, f.number);
        else if (sobj_flight_land(k, f.number, &key.key, sobj_from_int(n), &present) ==
                 SOBJ_EXISTS)
            sobj_cell_unref(present);
        break;
    default:
        break;
    }
    sobj_dict_key_unref(k);
}

/* In and beside the sections of those that close its gate. */
static void change_list(struct world *w, struct rng *r)
{
    int64_t len = (int64_t)sobj_list_len(w->list), v = (int64_t)rng_below(r, 9);

    switch (rng_below(r, 6)) {
    case 0:
        sobj_list_insert(w->list, len / 2, cell_of(v));
        break;
    case 1:
        sobj_list_delete(w->list, 0);
        break;
    case 2:
        sobj_list_reverse(w->list);
        break;
    case 3:
        sobj_list_set(w->list, (int64_t)rng_below(r, 20), cell_of(v));
        break;
    default:
        if (len < 100)
            list_extend(w->list, v, 5);
        else
            list_pop(w->list);
    }
}

static void free_word(void *p) { sobj__free(SOBJ_COUNT_BLOCKS, p, 8); }

static void retire_words(void)
{
    sobj__write_begin();
    for (int i = 0; i < 100; i++) {
        void *p = sobj__alloc(SOBJ_COUNT_BLOCKS, 8);
        sobj__retire(p, free_word, 8);
    }
    sobj__write_end();
}

static void churn(struct world *w, struct rng *r)
{
    switch (rng_below(r, 6)) {
    case 0:
        change_pair(w);
        break;
    case 3:
        change_dict(w, r);
        break;
    case 1:
        change_table(w, r);
        break;
    case 2:
        change_number(w, r);
        break;
    case 4:
        change_list(w, r);
        break;
    default:
        retire_words();
        break;
    }
    sobj_add_seq_cst(&w->progress, 1);
}

/* ---- what must hold in the child */

static void check_tables(void)
{
    struct sobj__objects *t = &sobj__objects;
    uint32_t free_slots = 0, live = 0, tickets = 0;

    expect(sobj_load_seq_cst(&t->lock.state) == 0, "table unlocked");
    for (uint32_t i = 0; i < t->used; i++) {
        uint32_t n = i / 64 + 1, chunk = 31 - (uint32_t)__builtin_clz(n);
        struct sobj__slot *slots = sobj_load_seq_cst(&t->chunks[chunk]);
        struct sobj_object *obj =
            sobj_load_seq_cst(&slots[i - 64 * ((1u << chunk) - 1)].obj);
        live += obj != NULL;
        expect(obj == NULL || ((uint32_t)sobj_word_load(&obj->refs) != 0 &&
                               (uint32_t)obj->id == i),
               "slot %u is whole", i);
    }
    for (uint32_t i = t->free_head; i != 0 && free_slots <= t->used; free_slots++) {
        uint32_t n = (i - 1) / 64 + 1, chunk = 31 - (uint32_t)__builtin_clz(n);
        struct sobj__slot *slots = sobj_load_seq_cst(&t->chunks[chunk]);
        i = slots[i - 1 - 64 * ((1u << chunk) - 1)].next_free;
    }
    expect(free_slots + live == t->used, "%u free and %u live slots of %u", free_slots,
           live, t->used);
    for (uint32_t i = 0; i < t->tickets_used; i++)
        tickets += t->tickets[i].obj != NULL;
    expect(tickets == t->tickets_live, "%u tickets", tickets);
}

static void child_work(struct member *m)
{
    for (int i = 0; i < 20; i++)
        churn(m->shared, &m->rng);
}

static void check_child(struct world *w, bool again)
{
    struct rng r = rng_seed(99);
    uint64_t nonce[2];
    int64_t value = 0;

    alarm(HANG_SECONDS); /* a child that hangs ends, and is reported */
    sobj_process_nonce(nonce);
    expect(memcmp(nonce, w->nonce, sizeof nonce) != 0, "a nonce of its own");
    memcpy(w->nonce, nonce, sizeof nonce);
    expect(sobj_load_seq_cst(&sobj__fork_gate) == 0, "gate open");
    expect(w->a == w->b, "no write section half done");
    expect(sobj_load_seq_cst(&w->lock.state) == 0, "unlocked");
    check_tables();
    for (int i = 0; i < 8; i++) {
        struct thing *t = (struct thing *)(void *)w->things[i];
        expect(thing_alive(w->things[i]) && t->fork_children == 1, "told once");
        t->fork_children = 0;
    }
    expect(!(sobj__mode(w->number) & SOBJ__WATCHED), "nobody waits here");
    expect(!(sobj__mode(w->dict) & SOBJ__WATCHED), "nor for a key");
    expect(sobj_load_seq_cst(&sobj__flights.lock.state) == 0, "flights unlocked");
    for (uint32_t i = 0; i < SOBJ__FLIGHT_BUCKETS; i++)
        expect(sobj__flights.buckets[i] == NULL, "no flight without its thread");
    list_check(w->list, "in the child");
    value = sobj_atomic_int_get(w->number);
    expect(sobj_atomic_int_wait(w->number, value, sobj_clock() + 1000, w->domain,
                                &value) == SOBJ_TIMEOUT,
           "a wait that ends");
    for (int i = 0; i < 20; i++)
        churn(w, &r);
#if CHILD_THREADS
    crew_run(2, 5, 0, child_work, w);
#else
    (void)child_work;
#endif
    sobj_collect();
    check_tables();
    if (again) {
        pid_t pid = fork();
        int status = -1;
        if (pid == 0) {
            check_child(w, false);
            _exit(tap_failures() != 0);
        }
        waitpid(pid, &status, 0);
        expect(status == 0, "the child's own child: %x", status);
    }
}

static void fork_once(struct world *w, bool again)
{
    int before = tap_failures(), status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        check_child(w, again);
        _exit(tap_failures() != before);
    }
    waitpid(pid, &status, 0);
    expect(pid > 0 && status == 0, "child %d ended with %x", (int)pid, status);
    uint64_t now = sobj_load_seq_cst(&w->progress);
    while (sobj_load_seq_cst(&w->forkers) != 0 &&
           sobj_load_seq_cst(&w->progress) == now)
        sched_yield();
}

/* The last two members fork, the others work. */
static void work(struct member *m)
{
    struct world *w = m->shared;

    if (m->index >= m->count - 2) {
        for (int i = 0; i < 12; i++)
            fork_once(w, i == 3);
        sobj_sub_acq_rel(&w->forkers, 1);
        return;
    }
    while (sobj_load_seq_cst(&w->forkers) != 0)
        churn(w, &m->rng);
}

static void test_fork_while_working(void)
{
    struct balance b = balance_begin();
    struct world w = {.forkers = 2};
    int before = tap_failures();

    sobj_process_nonce(w.nonce);
    w.domain = sobj_domain_new(1);
    w.number = new_int(0);
    w.dict = dict_new();
    w.list = list_new();
    for (int i = 0; i < 8; i++)
        w.things[i] = thing_new();
    forked_world = &w;
    yield_every(30);
    crew_run(5, 1, 0, work, &w);
    yield_every(0);
    forked_world = NULL;
    ok(tap_failures() == before, "forks from two threads, three at work");
    for (int i = 0; i < 8; i++)
        sobj_unref(w.things[i]);
    sobj_unref(w.number);
    sobj_unref(w.dict);
    sobj_unref(w.list);
    sobj_domain_free(w.domain);
    balance_check(&b, "in the parent");
}

/* ---- what a vanished thread had retired */

static _Atomic(int) freed;

static void count_free(void *p)
{
    (void)p;
    sobj_add_seq_cst(&freed, 1);
}

static void hold(struct member *m)
{
    int status = -1;

    if (m->index == 1) {
        sobj__write_begin();
        for (int i = 0; i < 10; i++)
            sobj__retire(NULL, count_free, 0);
        sobj__write_end();
    }
    crew_meet(m);
    if (m->index == 0) {
        pid_t pid = fork();
        if (pid == 0) {
            sobj_collect();
            _exit(sobj_load_seq_cst(&freed) == 10 ? 0 : 1);
        }
        waitpid(pid, &status, 0);
        expect(status == 0, "the child frees them: %x", status);
        expect(sobj_load_seq_cst(&freed) == 0, "the parent does not yet");
    }
    crew_meet(m);
}

static void test_retired(void)
{
    int before = tap_failures();

    crew_run(2, 1, 0, hold, NULL);
    ok(tap_failures() == before && sobj_load_seq_cst(&freed) == 10,
       "what another thread had retired");
}

/* ---- a thread that waits when the process is forked */

static void wait_for_one(struct sobj_object *a)
{
    int64_t value;

    expect(sobj_atomic_int_wait(a, 0, SOBJ_FOREVER, NULL, &value) == SOBJ_OK,
           "the wait ends");
}

/* Only the member that ends the wait looks for it: anyone else could miss it. */
static void set_when_watched(struct sobj_object *a)
{
    while (!watched(a))
        sched_yield();
    sobj_atomic_int_set(a, 1);
}

static void wait_and_set(struct member *m)
{
    if (m->index == 0)
        wait_for_one(m->shared);
    else
        set_when_watched(m->shared);
}

static void wait_fork_and_set(struct member *m)
{
    struct sobj_object *a = m->shared;
    int status = -1;

    if (m->index == 0) {
        wait_for_one(a);
        return;
    }
    while (!watched(a))
        sched_yield();
    pid_t pid = fork();
    if (pid == 0) {
        alarm(HANG_SECONDS);
        expect(!watched(a), "nobody waits in the child");
#if CHILD_THREADS
        crew_run(2, 1, 0, wait_and_set, a);
#else
        (void)wait_and_set;
#endif
        _exit(tap_failures() != 0);
    }
    waitpid(pid, &status, 0);
    expect(status == 0, "the child ended with %x", status);
    set_when_watched(a);
}

static void test_waiter_left_behind(void)
{
    struct balance b = balance_begin();
    struct sobj_object *a = new_int(0);
    int before = tap_failures();

    crew_run(2, 1, 0, wait_fork_and_set, a);
    ok(tap_failures() == before, "a wait in the child after one in the parent");
    sobj_unref(a);
    balance_check(&b, "waiter left behind");
}

/* ---- a number that is on its way into its second word */

struct forker {
    struct sobj_object *a;
    int status;
    _Atomic(int) done;
};

static void *fork_and_set(void *arg)
{
    struct forker *f = arg;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(HANG_SECONDS); /* what the mover holds nobody would release here */
        sobj_atomic_int_set(f->a, INT64_MIN);
        _exit(sobj_atomic_int_get(f->a) != INT64_MIN);
    }
    waitpid(pid, &f->status, 0);
    sobj_store_seq_cst(&f->done, 1);
    return NULL;
}

static void test_moved_number(void)
{
    struct balance b = balance_begin();
    struct forker f = {.a = new_int(7), .status = -1};
    struct int_job move = {.a = f.a, .kind = INT_SET, .x = INT64_MAX};
    struct pause mover;
    pthread_t thread;

    bool stopped = pause_at(&mover, "atomic_int.widen", 0, int_job_run, &move);
    pthread_create(&thread, NULL, fork_and_set, &f);
    while (sobj_load_seq_cst(&sobj__fork_gate) == 0 && !sobj_load_seq_cst(&f.done))
        sched_yield();
    /* The fork waits for the mover. If it did not, it would be over after a while. */
    for (int i = 0; sobj_load_seq_cst(&sobj__fork_gate) != 0 && i < 10000; i++)
        sched_yield();
    pause_end(&mover);
    pthread_join(thread, NULL);
    ok(stopped && f.status == 0 && sobj_atomic_int_get(f.a) == INT64_MAX,
       "a fork while a number is being moved: the child ended with %x", f.status);
    sobj_unref(f.a);
    balance_check(&b, "moved number");
}

int main(void)
{
    pthread_atfork(before_copy, NULL, NULL);
    tap_begin();
    test_retired();
    test_waiter_left_behind();
    test_moved_number();
#if defined(FORKS_NEED_QUIET)
    (void)test_fork_while_working;
    skip("fork while others work: the sanitizer's own locks may be held then");
#else
    test_fork_while_working();
#endif
    return tap_end();
}
