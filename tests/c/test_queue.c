/* SPDX-License-Identifier: MIT */
/* Queue: the limit, tasks, shutdown, who waits for what; and that it is a channel. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "queue.h"
#include "tap.h"

static struct sobj_object *new_queue(int64_t maxsize)
{
    struct sobj_object *q;

    if (sobj_queue_new(maxsize, &q) != SOBJ_OK)
        abort();
    return q;
}

static enum sobj_status put(struct sobj_object *q, int64_t i)
{
    return sobj_channel_try_send(q, sobj_from_int(i));
}

static int64_t get(struct sobj_object *q)
{
    sobj_cell c;
    enum sobj_status status = sobj_channel_try_recv(q, &c);

    return status == SOBJ_OK ? sobj_to_int(c) : -(int64_t)status;
}

static void test_limit(int64_t maxsize)
{
    struct sobj_object *q = new_queue(maxsize), *again = NULL;
    int64_t room = maxsize > 0 && maxsize < 1000 ? maxsize : 1000;
    bool good = sobj_queue_maxsize(q) == maxsize;

    ok(sobj_type_of(q) == SOBJ_TYPE_QUEUE &&
           sobj_attach(sobj_id_of(q), &again) == SOBJ_OK && again == q,
       "maxsize %lld: the type is QUEUE", (long long)maxsize);
    sobj_unref(again);
    for (int64_t lap = 0; lap < 4; lap++) {
        for (int64_t i = 0; i < room; i++)
            good &= put(q, lap + i) == SOBJ_OK;
        if (room == maxsize)
            good &= put(q, -1) == SOBJ_FULL;
        good &= sobj_channel_count(q) == (size_t)room;
        for (int64_t i = 0; i < room; i++)
            good &= get(q) == lap + i;
        good &= get(q) == -SOBJ_EMPTY;
    }
    ok(good, "maxsize %lld: holds that many, in order", (long long)maxsize);
    sobj_unref(q);
}

static void test_changed(void)
{
    struct sobj_object *q = new_queue(3);
    sobj_cell cells[20];
    struct sobj_messages m = {.cells = cells, .count = 20};
    bool good = true;

    for (int i = 0; i < 20; i++)
        cells[i] = sobj_from_int(i);
    good &= sobj_channel_try_send_many(q, &m) == SOBJ_FULL && m.done == 3;
    sobj_queue_set_maxsize(q, 2);
    good &= put(q, -1) == SOBJ_FULL && sobj_channel_count(q) == 3;
    good &= get(q) == 0 && put(q, -1) == SOBJ_FULL && get(q) == 1;
    good &= sobj_channel_try_send_many(q, &m) == SOBJ_FULL && m.done == 4;
    ok(good, "a lower limit counts for what comes, what is there stays");
    sobj_queue_set_maxsize(q, 9);
    good = sobj_channel_try_send_many(q, &m) == SOBJ_FULL && m.done == 11;
    sobj_queue_set_maxsize(q, -5);
    good &= sobj_queue_maxsize(q) == -5;
    good &= sobj_channel_try_send_many(q, &m) == SOBJ_OK && m.done == 20;
    for (int64_t i = 2; i < 20; i++)
        good &= get(q) == i;
    ok(good, "a higher limit gives room, none any");
    sobj_unref(q);
}

static void test_tasks(void)
{
    struct sobj_object *q = new_queue(0);
    bool good = true;

    ok(sobj_queue_task_done(q) == SOBJ_EMPTY && sobj_queue_unfinished(q) == 0 &&
           sobj_queue_join(q, SOBJ_FOREVER, NULL) == SOBJ_OK,
       "nothing is unfinished at first");
    for (int64_t i = 0; i < 50; i++)
        good &= put(q, i) == SOBJ_OK && sobj_queue_unfinished(q) == (uint64_t)i + 1;
    for (int64_t i = 0; i < 50; i++)
        good &= get(q) == i && sobj_queue_unfinished(q) == 50;
    good &= sobj_queue_join(q, sobj_clock() - 1, NULL) == SOBJ_TIMEOUT;
    for (uint64_t i = 50; i > 0; i--)
        good &= sobj_queue_unfinished(q) == i && sobj_queue_task_done(q) == SOBJ_OK;
    ok(good && sobj_queue_task_done(q) == SOBJ_EMPTY &&
           sobj_queue_join(q, sobj_clock() - 1, NULL) == SOBJ_OK,
       "each message is a task until it is said to be done");
    sobj_unref(q);
}

static void test_shutdown(void)
{
    struct sobj_object *q = new_queue(2);

    put(q, 1);
    put(q, 2);
    sobj_queue_shutdown(q, false);
    ok(sobj_channel_closed(q) && put(q, 3) == SOBJ_CLOSED && get(q) == 1 &&
           sobj_queue_unfinished(q) == 2,
       "shutdown: no puts, the rest is drained");
    sobj_queue_shutdown(q, true);
    ok(get(q) == -SOBJ_CLOSED && sobj_queue_unfinished(q) == 1 &&
           sobj_queue_task_done(q) == SOBJ_OK && sobj_queue_unfinished(q) == 0,
       "at once: what is dropped counts as done, what was got does not");
    sobj_unref(q);

    q = new_queue(0);
    put(q, 1);
    put(q, 2);
    sobj_queue_task_done(q);
    sobj_queue_shutdown(q, true);
    ok(sobj_queue_unfinished(q) == 0, "what was said to be done before is done once");
    sobj_unref(q);
}

/* ---- waiting */

struct worker {
    struct sobj_object *queue;
    enum sobj_status (*work)(struct worker *w);
    struct sobj_domain *domain;
    enum sobj_status status;
    pthread_t thread;
};

static enum sobj_status do_join(struct worker *w)
{
    return sobj_queue_join(w->queue, SOBJ_FOREVER, w->domain);
}

static enum sobj_status do_put(struct worker *w)
{
    return sobj_channel_send(w->queue, sobj_from_int(9), SOBJ_FOREVER, w->domain);
}

static void *run(void *arg)
{
    struct worker *w = arg;

    w->status = w->work(w);
    return NULL;
}

static void start(struct worker *w, struct sobj_object *q,
                  enum sobj_status (*work)(struct worker *), struct sobj_domain *domain)
{
    *w = (struct worker){.queue = q, .work = work, .domain = domain};
    if (pthread_create(&w->thread, NULL, run, w) != 0)
        abort();
}

static enum sobj_status result(struct worker *w)
{
    pthread_join(w->thread, NULL);
    return w->status;
}

static void await_waiters(struct sobj__waitlist *list, uint32_t n)
{
    while (sobj_load_acquire(&list->count) != n) /* Acquire: only a look. */
        sched_yield();
}

/* Until `n` messages are in the queue. */
static void await_count(struct sobj_object *q, size_t n)
{
    while (sobj_channel_count(q) != n)
        sched_yield();
}

static void test_joins(void)
{
    struct sobj_object *q = new_queue(0);
    struct sobj__waitlist *joiners = &((struct sobj__queue *)q)->joiners;
    struct sobj_domain *domain = sobj_domain_new(1);
    struct worker w[3];
    bool good = true;

    put(q, 1);
    put(q, 2);
    for (int i = 0; i < 3; i++)
        start(&w[i], q, do_join, i == 0 ? domain : NULL);
    await_waiters(joiners, 3);
    sobj_domain_close(domain);
    ok(result(&w[0]) == SOBJ_CLOSING, "closing a domain ends its joins");
    sobj_queue_task_done(q);
    ok(sobj_queue_unfinished(q) == 1, "the others wait for the last task");
    sobj_queue_task_done(q);
    for (int i = 1; i < 3; i++)
        good &= result(&w[i]) == SOBJ_OK;
    ok(good, "and all of them are woken by it");

    put(q, 3);
    start(&w[0], q, do_join, NULL);
    await_waiters(joiners, 1);
    sobj_queue_shutdown(q, true);
    ok(result(&w[0]) == SOBJ_OK, "shutdown at once ends a join");
    sobj_domain_free(domain);
    sobj_unref(q);
}

/* A join that looks while the last task is finished. */
static void test_join_races(void)
{
    struct sobj_object *q = new_queue(0);
    struct worker w;
    bool good = true;

    yield_every(3);
    for (int i = 0; i < 2000; i++) {
        put(q, i);
        start(&w, q, do_join, NULL);
        if (i % 2 != 0)
            sched_yield();
        sobj_queue_task_done(q);
        good &= result(&w) == SOBJ_OK;
    }
    yield_every(0);
    ok(good, "no join sleeps on after the last task");
    sobj_unref(q);
}

/* Who waits to put, without a thread: in the line until woken. */
static void test_line_is_kept(void)
{
    struct sobj_object *q = new_queue(1);
    struct sobj__waitlist *line = &((struct sobj__queue *)q)->channel.senders;
    struct sobj__parker parkers[4];
    struct sobj__waiter waiters[4];

    for (int i = 0; i < 4; i++) {
        expect(sobj__parker_init(&parkers[i], NULL) == SOBJ_OK, "parker");
        sobj__wait_enter(line, &waiters[i], &parkers[i]);
    }
    sobj_queue_set_maxsize(q, 1);
    ok(waiters[0].linked, "a limit that is no higher disturbs nobody");
    sobj_queue_set_maxsize(q, 2);
    ok(waiters[0].notified && waiters[1].linked, "one more place wakes one");
    sobj_queue_set_maxsize(q, 1);
    sobj_queue_set_maxsize(q, 3);
    ok(waiters[2].notified && waiters[3].linked, "two more wake two");
    sobj_queue_set_maxsize(q, 0);
    ok(waiters[3].notified, "no limit wakes all");
    for (int i = 0; i < 4; i++) {
        sobj__wait_leave(&waiters[i]);
        sobj__parker_fini(&parkers[i]);
    }
    sobj_unref(q);
}

static void test_raised(void)
{
    struct sobj_object *q = new_queue(1);
    struct sobj__queue *inside = (struct sobj__queue *)q;
    struct worker w[4];
    int good = 0;

    put(q, 0);
    for (int i = 0; i < 4; i++)
        start(&w[i], q, do_put, NULL);
    await_waiters(&inside->channel.senders, 4);
    sobj_queue_set_maxsize(q, 3);
    await_count(q, 3);
    get(q);
    await_count(q, 3);
    await_waiters(&inside->channel.senders, 1);
    sobj_queue_shutdown(q, false);
    for (int i = 0; i < 4; i++)
        good += result(&w[i]) == SOBJ_OK;
    ok(good == 3 && sobj_channel_count(q) == 3,
       "a higher limit lets in as many as there is room for, and a get one more");
    sobj_unref(q);
}

/* A queue that was empty while its limit was 1, and has two messages at most since that
 * is 10, is never full. */
struct rise {
    struct sobj_object *queue;
    _Atomic(uint32_t) full;
};

static void raise_and_put(struct member *m)
{
    struct rise *r = m->shared;

    for (int i = 0; i < 3000; i++) {
        crew_meet(m);
        if (m->index == 0)
            sobj_queue_set_maxsize(r->queue, 10);
        if (put(r->queue, i) != SOBJ_OK)
            sobj_add_relaxed(&r->full, 1); /* Relaxed: a number alone. */
        crew_meet(m);
        if (m->index == 0) {
            while (get(r->queue) >= 0)
                ;
            sobj_queue_set_maxsize(r->queue, 1);
        }
    }
}

static void test_full_is_exact(void)
{
    struct rise r = {.queue = new_queue(1)};

    yield_every(3);
    crew_run(2, 1, 0, raise_and_put, &r);
    yield_every(0);
    ok(r.full == 0, "a put that the limit overtakes goes by the new one");
    sobj_unref(r.queue);
}

static enum sobj_status do_put_without_memory(struct worker *w)
{
    sobj_channel_count(w->queue);
    sobj_fail_allocation(0);
    enum sobj_status status = do_put(w);
    sobj_fail_allocation(-1);
    return status;
}

/* A sender that is woken for room in the last cell of a block, for which it needs the
 * next block. */
static void test_woken_without_memory(void)
{
    bool good = true;

    for (int i = 0; i < 50; i++) {
        struct sobj_object *q = new_queue(SOBJ__BLOCK_CELLS - 1);
        struct sobj__queue *inside = (struct sobj__queue *)q;
        struct worker w[2];

        while (put(q, 0) == SOBJ_OK)
            ;
        start(&w[0], q, do_put_without_memory, NULL);
        await_waiters(&inside->channel.senders, 1);
        start(&w[1], q, do_put, NULL);
        await_waiters(&inside->channel.senders, 2);
        for (int j = 0; j < i; j++)
            sched_yield(); /* so that they sleep, more often than not */
        good &= get(q) == 0;
        good &= result(&w[0]) == SOBJ_NO_MEMORY && result(&w[1]) == SOBJ_OK;
        sobj_unref(q);
    }
    ok(good, "a sender without memory leaves the room to the next one");
}

static int child(struct sobj_object *q)
{
    struct sobj__queue *inside = (struct sobj__queue *)q;

    alarm(HANG_SECONDS);
    /* Acquire: only looks. */
    if (sobj_load_acquire(&inside->joiners.count) != 0 ||
        sobj_load_acquire(&inside->channel.senders.count) != 0)
        return 2;
    if (get(q) != 1 || put(q, 5) != SOBJ_OK || sobj_queue_unfinished(q) != 2)
        return 3;
    sobj_queue_task_done(q);
    sobj_queue_task_done(q);
    return sobj_queue_join(q, SOBJ_FOREVER, NULL) == SOBJ_OK ? 0 : 4;
}

static void test_fork(void)
{
    struct sobj_object *q = new_queue(1);
    struct sobj__queue *inside = (struct sobj__queue *)q;
    struct worker w[2];
    int status = -1;

    put(q, 1);
    start(&w[0], q, do_join, NULL);
    start(&w[1], q, do_put, NULL);
    await_waiters(&inside->joiners, 1);
    await_waiters(&inside->channel.senders, 1);
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(q));
    ok(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0,
       "a forked child has a queue that works");
    sobj_queue_shutdown(q, true);
    ok(result(&w[1]) == SOBJ_CLOSED && result(&w[0]) == SOBJ_OK,
       "the parent's waiters are still there");
    sobj_unref(q);
}

static void fault_scenario(void *context)
{
    struct sobj_object *q;

    (void)context;
    if (sobj_queue_new(4, &q) != SOBJ_OK)
        return;
    for (int64_t i = 0; i < 9; i++) {
        enum sobj_status status = put(q, i);
        expect(status == SOBJ_OK || status == SOBJ_NO_MEMORY, "put");
        if (status == SOBJ_OK)
            expect(get(q) == i && sobj_queue_task_done(q) == SOBJ_OK, "get");
    }
    sobj_unref(q);
}

int main(void)
{
    tap_begin();
    alarm(HANG_SECONDS);
    struct balance b = balance_begin();
    test_limit(1);
    test_limit(2);
    test_limit(7);
    test_limit(0);
    test_limit(-3);
    test_limit(INT64_MAX);
    test_changed();
    test_tasks();
    test_shutdown();
    test_joins();
    test_join_races();
    test_line_is_kept();
    test_raised();
    test_full_is_exact();
    test_woken_without_memory();
    test_fork();
    fault_walk("a queue", fault_scenario, NULL, NULL);
    balance_check(&b, "all");
    return tap_end();
}
