/* SPDX-License-Identifier: MIT */
/* Interleavings of the list, one by one, as test_list_races.c: what moves items, or
 * exchanges all of them, beside readers, storers, appends and forks (I6, I7, I9). */
#include <sys/wait.h>

#include "list_jobs.h"

/* How long a thread is watched that must wait. */
#define YIELDS 2000

/* ---- beside stores */

static void mover_waits_for_a_store(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(10);
    struct job s = {.l = l, .index = 4, .value = 50},
               m = {.l = l, .index = 2, .value = 7};
    struct pause p, q;

    ok(pause_at(&p, "list.store", 0, job_set, &s), "a storer stops");
    ok(!pause_try(&q, "list.shift", 0, job_insert, &m, YIELDS), "who inserts waits");
    pause_go(&p);
    pause_end(&q);
    pause_end(&p);
    ok(list_at(l, 5) == 50 && list_at(l, 2) == 7 && sobj_list_len(l) == 11,
       "the store has moved along");
    end(l, &b, "an insertion that waits");
}

static void changes_wait_for_a_mover(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(10);
    struct job m = {.l = l, .index = 2, .value = 7};
    struct job changes[] = {
        {.l = l, .index = 4, .value = 50, .count = 2},
        {.l = l, .value = 60},
        {.l = l, .index = -1},
        {.l = l, .value = 70},
    };
    void (*const works[])(void *) = {job_set, job_push, job_pop, job_replace};
    const char *const points[] = {"list.change", "list.append", "list.lowered",
                                  "list.swap"};
    const int64_t lens[] = {11, 12, 10, 1};

    for (int i = 0; i < 4; i++) {
        struct pause p, q;
        ok(pause_at(&p, "list.publish", 0, job_insert, &m), "an insertion stops");
        ok(!pause_try(&q, points[i], 0, works[i], &changes[i], YIELDS),
           "a change begins and waits");
        ok(list_at(l, 2) == 2 && sobj_list_len(l) == 10, "readers do not");
        pause_go(&p);
        pause_end(&q);
        pause_end(&p);
        ok(sobj_list_len(l) == (uint64_t)lens[i], "both have happened");
        ok(i != 0 || (list_at(l, 4) == 50 && list_at(l, 5) == 4),
           "the store went to the new place");
        list_check(l, points[i]);
        sobj_list_clear(l);
        list_extend(l, 0, 10);
    }
    end(l, &b, "changes that wait");
}

/* ---- beside readers */

static void reader_of_the_old_list(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(50);
    struct job r = {.l = l, .index = 3}, many = {.l = l, .index = 0}, m = {.l = l};
    struct pause p, q, s;

    /* Readers that were there before the gate closed hold up its grace period; these
     * begin after it. */
    ok(pause_at(&p, "list.shift", 0, job_pop, &m), "a removal at the front stops");
    ok(pause_at(&q, "list.get", 0, job_get, &r), "a reader stops in the old list");
    ok(pause_at(&s, "list.get_many", 0, job_get_many, &many), "one of many stops");
    pause_go(&p);
    ok(m.status == SOBJ_OK && taken(&m.out) == 0 && list_at(l, 0) == 1,
       "the removal is done");
    sobj_list_set(l, 2, cell_of(77));
    pause_end(&q);
    pause_end(&s);
    pause_end(&p);
    ok(r.status == SOBJ_OK && taken(&r.out) == 3, "the reader sees the list as it was");
    ok(many.count == 50 && many.many[0] == 0 && many.many[49] == 49, "all of it");
    end(l, &b, "reader of the old list");
}

/* What is removed from the middle stays readable for who has found it. */
static void reader_of_a_deleted_item(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(10);
    struct sobj_slice some = {2, 5, 1}, all = {INT64_MIN, INT64_MAX, 1};
    struct job r = {.l = l, .index = 3};
    struct pause p, q;
    sobj_cell cells[] = {cell_of(43), cell_of(47)};
    uint64_t have;

    ok(pause_at(&p, "list.place", 0, job_get, &r), "a reader stops");
    ok(sobj_list_assign(l, &all, cells, 2, &have) == SOBJ_OK, "all is replaced");
    pause_end(&p);
    ok(taken(&r.out) == 3 && list_at(l, 1) == 47, "it reads the old item");
    list_extend(l, 2, 8);
    struct job m = {.l = l, .index = 8, .value = 0};
    ok(pause_at(&q, "list.shift", 0, job_insert, &m), "an insertion stops");
    ok(pause_at(&p, "list.get", 0, job_get, &r), "a reader stops");
    pause_go(&q);
    struct pause d;
    struct job j = {.l = l, .index = 0, .many = {some.start}};
    ok(!pause_try(&d, "list.shift", 0, job_cut, &j, YIELDS),
       "the next change waits for it");
    pause_end(&p);
    pause_end(&d);
    pause_end(&q);
    ok(taken(&r.out) == 3 && sobj_list_len(l) == 0, "it reads the old item");
    end(l, &b, "reader of a deleted item");
}

/* ---- exchanges of all items (I6) */

static void storer_in_the_old_content(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(10);
    struct job s = {.l = l, .index = 3, .value = 7}, t = s, x = {.l = l, .value = 55};
    struct pause p, q, r;

    ok(pause_at(&p, "list.store", 0, job_set, &s), "a storer stops");
    job_replace(&x);
    ok(x.status == SOBJ_OK && sobj_list_len(l) == 1, "all items are replaced");
    pause_go(&p);
    ok(s.status == SOBJ_OK && list_at(l, 0) == 55 && list_at(l, 3) == ABSENT,
       "the store went before");
    pause_end(&p);

    list_extend(l, 0, 10);
    ok(pause_at(&q, "list.append", 0, job_push, &t), "an append stops");
    ok(!pause_try(&r, "list.swapped", 0, job_replace, &x, YIELDS),
       "who replaces all waits for it");
    pause_go(&q);
    pause_end(&r);
    pause_end(&q);
    ok(t.status == SOBJ_OK && sobj_list_len(l) == 1, "and replaces it, too");
    ok(pause_at(&r, "list.swap", 0, job_replace, &x), "who replaces all stops");
    ok(!pause_try(&q, "list.append", 0, job_push, &t, YIELDS), "an append waits");
    pause_go(&r);
    pause_end(&q);
    pause_end(&r);
    ok(sobj_list_len(l) == 2 && list_at(l, 1) == 7, "and goes to the new content");
    end(l, &b, "storer in the old content");
}

/* A large block for an empty list that is not empty any more. */
static void list_is_not_empty_any_more(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_new();
    struct job x = {.l = l, .value = 100, .count = 2000};
    struct pause p;

    list_push(l, 1);
    ok(pause_at(&p, "list.lowered", 0, job_pop, &(struct job){.l = l, .index = -1}),
       "the last item is nearly removed");
    struct pause q;
    ok(!pause_try(&q, "list.swap", 0, job_extend, &x, YIELDS), "a large block comes");
    pause_go(&p);
    pause_end(&q);
    pause_end(&p);
    ok(x.status == SOBJ_OK && sobj_list_len(l) == 2000 && list_at(l, 1999) == 2099,
       "it is all there is");
    sobj_list_clear(l);
    ok(pause_at(&p, "list.swapping", 0, job_extend, &x),
       "another one for no items stops");
    list_push(l, 1);
    pause_end(&p);
    ok(x.status == SOBJ_OK && sobj_list_len(l) == 2001 && list_at(l, 0) == 1,
       "an item that came before it stays");
    sobj_list_clear(l);
    ok(pause_at(&p, "list.swapping", 0, job_extend_draft, &x),
       "a draft for no items stops");
    list_push(l, 1);
    pause_end(&p);
    ok(x.status == SOBJ_OK && sobj_list_len(l) == 2001 && list_at(l, 0) == 1 &&
           list_at(l, 2000) == 2099,
       "an item that came before it stays, too");
    end(l, &b, "a large block");
}

/* ---- freezing */

static void store_beside_freezing(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct job s = {.l = l, .index = 1, .value = 7}, t = s, f = {.l = l};
    struct pause p, q;

    ok(pause_at(&p, "list.store", 0, job_set, &s), "a storer stops");
    ok(!pause_try(&q, "gate.grace", 0, job_freeze, &f, YIELDS), "who freezes waits");
    ok(!sobj_list_frozen(l), "it is not frozen yet");
    pause_go(&p);
    ok(s.status == SOBJ_OK && list_at(l, 1) == 7, "the store is done");
    pause_end(&q);
    pause_end(&p);
    job_set(&t);
    ok(sobj_list_frozen(l) && t.status == SOBJ_FROZEN, "and no other");
    end(l, &b, "freezing");
}

/* ---- fork */

static void child_of(struct sobj_object *l, size_t len, const char *when)
{
    pid_t pid = fork();
    int status = 1;

    if (pid == 0) {
        alarm(HANG_SECONDS); /* a child that hangs ends, and is reported */
        int before = tap_failures();
        expect(sobj_list_len(l) == len, "child: %s: len", when);
        for (size_t i = 0; i < len; i++)
            expect(list_at(l, (int64_t)i) == (int64_t)i, "child: %s: item", when);
        list_push(l, 7);
        expect(sobj_list_insert(l, 0, cell_of(3)) == SOBJ_OK, "child: %s: insert",
               when);
        expect(sobj_list_reverse(l) == SOBJ_OK && list_at(l, 0) == 7 &&
                   list_pop(l) == 3,
               "child: %s: changes", when);
        list_check(l, when);
        sobj_unref(l);
        sobj_collect();
        _exit(tap_failures() == before ? 0 : 1);
    }
    expect(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
    ok(status == 0, "the child of a fork: %s", when);
}

static void fork_beside_a_mover(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(10);
    struct job m = {.l = l, .index = 2, .value = 7};
    struct job x = {.l = l, .value = 10, .count = 2000};
    struct pause p;

    ok(pause_at(&p, "list.shift", 0, job_insert, &m), "an insertion stops");
    child_of(l, 10, "an insertion has closed the gate");
    pause_end(&p);
    ok(sobj_list_len(l) == 11 && list_at(l, 2) == 7, "in the parent it goes on");
    sobj_list_delete(l, 2);
    ok(pause_at(&p, "list.extend", 0, job_extend, &x), "a large block is nearly there");
    child_of(l, 10, "cells are filled beyond the end");
    pause_end(&p);
    ok(sobj_list_len(l) == 2010 && list_at(l, 2009) == 2009, "then it is there");
    end(l, &b, "fork");
}

int main(void)
{
    alarm(HANG_SECONDS);
    tap_begin();
    mover_waits_for_a_store();
    changes_wait_for_a_mover();
    reader_of_the_old_list();
    reader_of_a_deleted_item();
    storer_in_the_old_content();
    list_is_not_empty_any_more();
    store_beside_freezing();
    fork_beside_a_mover();
    return tap_end();
}
