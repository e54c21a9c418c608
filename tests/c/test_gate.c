/* SPDX-License-Identifier: MIT */
/* Gates of cores: at the moment no change is half done, changes and other closers wait
 * for its end and go on after it, a fork copies it before or after; G1-G4 of gate.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc.h"
#include "crew.h"
#include "gate.h"
#include "pause.h"
#include "tap.h"

/* A core with two numbers that every change makes unequal and equal again. */
struct door {
    struct sobj_object head;
    struct sobj__gate gate;
    _Atomic(int64_t) a, b;
    _Atomic(int) closers; /* at the moment */
    uint64_t changes;     /* to be made by each member */
};

static void door_destroy(struct sobj_object *obj)
{
    sobj__free(SOBJ_COUNT_BLOCKS, obj, sizeof(struct door));
}

static void door_fork_child(struct sobj_object *obj)
{
    sobj__gate_fork_child(obj, &((struct door *)(void *)obj)->gate);
}

static const struct sobj__type door_type = {.tag = SOBJ_TYPE_ATOMIC_INT,
                                            .name = "door",
                                            .destroy = door_destroy,
                                            .fork_child = door_fork_child};

static struct door *door_new(void)
{
    struct door *d = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, sizeof *d);

    if (d == NULL || sobj__object_init(&d->head, &door_type) != SOBJ_OK)
        abort();
    return d;
}

static void change(struct door *d)
{
    sobj__write_begin();
    if ((sobj__mode(&d->head) & SOBJ__SNAP) != 0)
        sobj__gate_await(&d->head, &d->gate);
    sobj_add_seq_cst(&d->a, 1);
    SOBJ_PAUSE("test.change");
    SOBJ_YIELD();
    sobj_add_seq_cst(&d->b, 1);
    sobj__write_end();
}

/* Looks at the numbers at the moment, for a while. Returns: what they were. */
static int64_t look(struct door *d, int rounds)
{
    struct sobj__closing closing;

    sobj__gate_close(&d->head, &d->gate, &closing);
    int64_t a = sobj_load_seq_cst(&d->a);
    expect(sobj_add_seq_cst(&d->closers, 1) == 0, "one closer at a time (G3)");
    for (int i = 0; i < rounds; i++) {
        expect(sobj_load_seq_cst(&d->a) == a && sobj_load_seq_cst(&d->b) == a,
               "no change at the moment, or half done (G1)");
        sched_yield();
    }
    sobj_sub_acq_rel(&d->closers, 1);
    sobj__gate_open(&d->head, &d->gate, &closing);
    return a;
}

static bool closed(const struct door *d)
{
    return (sobj__mode(&d->head) & SOBJ__SNAP) != 0;
}

static void job_change(void *d) { change(d); }
static void job_look(void *d) { look(d, 1); }

/* ---- one by one */

static void change_first(void)
{
    struct door *d = door_new();
    struct pause w, c;

    ok(pause_at(&w, "test.change", 0, job_change, d), "a change stops half-way");
    ok(pause_at(&c, "gate.close", 0, job_look, d) && closed(d), "a closer comes");
    sem_post(&c.go);
    for (int i = 0; i < 50; i++)
        sched_yield();
    ok(sem_trywait(&c.done) != 0, "the moment does not come before the change ends");
    pause_end(&w);
    while (sem_wait(&c.done) != 0)
        continue; /* a signal */
    c.gone = true;
    pause_end(&c);
    ok(!closed(d) && look(d, 1) == 1, "then it comes, and sees the change");
    sobj_unref(&d->head);
}

static void closer_first(void)
{
    struct door *d = door_new();
    struct pause w, c, e;

    ok(pause_at(&c, "gate.grace", 0, job_look, d), "a closer stops before the moment");
    ok(pause_at(&w, "gate.wait", 0, job_change, d), "a change waits");
    ok(pause_at(&e, "gate.wait", 0, job_look, d), "another closer waits");
    ok(sobj_load_seq_cst(&d->a) == 0, "nothing is changed meanwhile");
    pause_end(&c);
    pause_end(&w);
    ok(sobj_load_seq_cst(&d->b) == 1, "the change comes after it");
    pause_end(&e);
    ok(!closed(d) && sobj_load_seq_cst(&d->gate.waiters.count) == 0,
       "and the other closer; nobody is left in the list");
    sobj_unref(&d->head);
}

static void *sleeper(void *d)
{
    change(d);
    return NULL;
}

/* Who really sleeps is woken. */
static void sleeper_wakes(void)
{
    struct door *d = door_new();
    pthread_t threads[3];
    struct pause c;

    ok(pause_at(&c, "gate.grace", 0, job_look, d), "a closer stops");
    for (int i = 0; i < 3; i++)
        if (pthread_create(&threads[i], NULL, sleeper, d) != 0)
            abort();
    while (sobj_load_seq_cst(&d->gate.waiters.count) != 3)
        sched_yield();
    pause_end(&c);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ok(look(d, 1) == 3, "three that wait are woken and go on");
    sobj_unref(&d->head);
}

/* ---- the host's lock */

static _Thread_local bool has_lock;
static _Atomic(int) detached;

static void *hook_detach(void)
{
    if (!has_lock)
        return NULL;
    has_lock = false;
    sobj_add_seq_cst(&detached, 1);
    return &detached;
}

static void hook_attach(void *token)
{
    expect(token == &detached && !has_lock && !urcu_bp_read_ongoing(),
           "attached once, outside of sections");
    has_lock = true;
    sobj_sub_acq_rel(&detached, 1);
}

static void job_locked_change(void *d)
{
    has_lock = true;
    change(d);
    expect(has_lock, "the lock is taken again");
}

static void job_locked_look(void *d)
{
    has_lock = true;
    look(d, 1);
    expect(has_lock, "the lock is taken again");
}

static void lock_is_let_go(void)
{
    struct door *d = door_new();
    struct pause w, c;
    int before = tap_failures();

    sobj__hooks = (struct sobj_hooks){hook_detach, hook_attach, 0};
    ok(pause_at(&c, "gate.grace", 0, job_locked_look, d) &&
           sobj_load_seq_cst(&detached) == 1,
       "a closer has let go of the host's lock");
    ok(pause_at(&w, "gate.wait", 0, job_locked_change, d) &&
           sobj_load_seq_cst(&detached) == 2,
       "who waits has, too");
    pause_end(&c);
    pause_end(&w);
    sobj__hooks = (struct sobj_hooks){NULL, NULL, 0};
    ok(sobj_load_seq_cst(&detached) == 0 && tap_failures() == before, "both have it");
    sobj_unref(&d->head);
}

/* ---- many */

static void work(struct member *m)
{
    struct door *d = m->shared;

    if (m->index < 2) {
        while (crew_running(m))
            look(d, (int)rng_below(&m->rng, 3));
        return;
    }
    for (uint64_t i = 0; i < d->changes; i++)
        change(d);
    /* The last one to come here ends it. */
    if (sobj_load_seq_cst(&d->b) == (int64_t)(d->changes * (m->count - 2)))
        crew_stop(m);
}

static void many(unsigned yields, uint64_t changes)
{
    struct door *d = door_new();
    int before = tap_failures();

    d->changes = changes;
    yield_every(yields);
    crew_run(5, 1, 60000, work, d);
    yield_every(0);
    ok(tap_failures() == before && look(d, 1) == 3 * (int64_t)changes,
       "two closers without pause and three that change, a yield in %u", yields);
    sobj_unref(&d->head);
}

/* ---- fork */

static void in_child(struct door *d)
{
    alarm(HANG_SECONDS);
    expect(!closed(d) && sobj_load_seq_cst(&d->gate.waiters.count) == 0,
           "open in the child, nobody waits");
    int64_t a = look(d, 2);
    change(d);
    expect(look(d, 2) == a + 1, "and works");
}

static void fork_when_closed(void)
{
    struct door *d = door_new();
    struct pause w, c;
    int status = -1;

    ok(pause_at(&c, "gate.grace", 0, job_look, d) &&
           pause_at(&w, "gate.wait", 0, job_change, d),
       "a closer stops, a change waits");
    pid_t pid = fork();
    if (pid == 0) {
        in_child(d);
        _exit(tap_failures() != 0);
    }
    waitpid(pid, &status, 0);
    ok(status == 0, "the gate is open in the child (G4): %x", status);
    ok(closed(d), "it is still closed in the parent");
    pause_end(&c);
    pause_end(&w);
    ok(look(d, 1) == 1, "where all goes on");
    sobj_unref(&d->head);
}

#if !defined(FORKS_NEED_QUIET)
static void fork_or_work(struct member *m)
{
    struct door *d = m->shared;

    while (m->index != 0 && crew_running(m)) {
        if (m->index == 1)
            look(d, 1);
        else
            change(d);
    }
    for (int i = 0; m->index == 0 && i < 40; i++) {
        int status = -1;
        pid_t pid = fork();
        if (pid == 0) {
            in_child(d);
            _exit(tap_failures() != 0);
        }
        waitpid(pid, &status, 0);
        expect(status == 0, "child %d ended with %x", i, status);
    }
    if (m->index == 0)
        crew_stop(m);
}

static void forks(void)
{
    struct door *d = door_new();
    int before = tap_failures();

    yield_every(10);
    crew_run(4, 1, 60000, fork_or_work, d);
    yield_every(0);
    ok(tap_failures() == before, "forks while it opens and closes");
    sobj_unref(&d->head);
}
#endif

int main(void)
{
    tap_begin();
    struct balance b = balance_begin();

    change_first();
    closer_first();
    sleeper_wakes();
    lock_is_let_go();
    many(0, 3000);
    many(5, 150);
    fork_when_closed();
#if defined(FORKS_NEED_QUIET)
    skip("fork while others work: the sanitizer's own locks may be held then");
#else
    forks();
#endif
    balance_check(&b, "gates");
    return tap_end();
}
