/* SPDX-License-Identifier: MIT */
/* Interleavings of the dict's migrations, one by one; see test_dict_races.c. Tables
 * have 8 slots, so that six keys start a migration, which whoever comes next ends. */
#include <stdlib.h>

#include "dict_jobs.h"

/* ---- helpers */

/* A helper of a migration sleeps at any of its steps, for so long that the table it
 * moves to is itself moved on, and a key whose node it may hold dies, or dies and is
 * inserted again (T3, T4, T5). */
static void late_helper(const char *point, unsigned skip, int64_t victim, bool again)
{
    struct sobj_object *d = dict_with(5);
    struct job j = {.d = d, .number = 5, .value = 1};
    struct pause p;

    if (!expect(pause_at(&p, point, skip, job_set, &j), "helper stops at %s", point))
        return;
    dict_put(d, 0, 2); /* finishes the migration */
    struct sobj__table *second = root(d);
    expect(second->mask > 7, "moved");
    expect(dict_look(d, 5) == 1, "in a new place");
    dict_drop(d, victim);
    if (again)
        dict_put(d, victim, 60);
    expect(dict_look(d, victim) == (again ? 60 : -1),
           "the victim while the helper sleeps");
    for (int64_t i = 10; root(d) == second; i++)
        dict_put(d, i, 1);
    expect(dict_look(d, victim) == (again ? 60 : -1), "after a further migration");
    pause_end(&p);
    expect(dict_look(d, victim) == (again ? 60 : -1), "when it has woken up");
    sobj_collect();
    dict_check(d, point);
    for (int64_t i = 100; i < 150; i++) { /* moves on what is left behind */
        dict_put(d, i, 1);
        dict_drop(d, i);
    }
    end(d, point);
}

static void late_helpers(void)
{
    int before = tap_failures();

    for (unsigned skip = 0; skip < 6; skip++) {
        for (int64_t victim = 0; victim < 6; victim++) {
            late_helper("dict.freeze", skip, victim, false);
            late_helper("dict.freeze", skip, victim, true);
            late_helper("dict.copy", skip, victim, false);
            late_helper("dict.copy", skip, victim, true);
        }
    }
    ok(tap_failures() == before, "a helper may sleep through a further migration");
}

/* One that is about to drop a dead node, while that is inserted again, or the whole
 * migration passes (T4). */
static void late_dropper(bool again)
{
    struct sobj_object *d = dict_with(5);
    struct job j = {.d = d, .number = 5, .value = 1};
    struct pause p;

    dict_drop(d, 3);
    ok(pause_at(&p, "dict.drop", 0, job_set, &j),
       "helper stops before it drops a node");
    if (again)
        dict_put(d, 3, 60);
    for (int64_t i = 10; i < 60; i++)
        dict_put(d, i, 1);
    ok(dict_look(d, 3) == (again ? 60 : -1), "the key is %s",
       again ? "there" : "absent");
    pause_end(&p);
    ok(dict_look(d, 3) == (again ? 60 : -1), "and stays so");
    end(d, "late dropper");
}

/* A node that one helper is about to drop is frozen and copied by another one, who saw
 * it alive: it is dropped in the new table, and stays in the way there. */
static bool dropped_after_copy(unsigned skip, int64_t victim)
{
    struct sobj_object *d = dict_with(5);
    struct job copier = {.d = d, .number = 5, .value = 1};
    struct job dropper = {.d = d, .number = victim};
    struct pause p, q;

    bool both = pause_at(&p, "dict.freeze", skip, job_set, &copier);
    both &= pause_at(&q, "dict.drop", 0, job_remove, &dropper);
    pause_go(&p);
    expect(root(d)->mask > 7, "moved");
    pause_go(&q);
    pause_end(&p);
    pause_end(&q);
    expect(dict_look(d, victim) == -1, "absent");
    dict_put(d, victim, 60);
    expect(dict_look(d, victim) == 60 && dict_shown(d, victim) == 1, "inserted");
    expect(dict_drop(d, victim) && dict_look(d, victim) == -1, "and removed");
    end(d, "dropped after copy");
    return both;
}

static void dropped_after_copy_all(void)
{
    int before = tap_failures(), both = 0;

    for (unsigned skip = 0; skip < 8; skip++)
        for (int64_t victim = 0; victim < 5; victim++)
            both += dropped_after_copy(skip, victim);
    ok(both > 0 && tap_failures() == before, "a node that is dropped in the new table");
}

/* A slot is frozen while its key lives, the key dies before it is copied, and somebody
 * who saw it dead inserts it again after the move: the dead node must have been copied,
 * since all helpers must decide alike (T3). */
static void dead_when_copied(unsigned skip, int64_t victim)
{
    struct sobj_object *d = dict_with(5);
    struct job helper = {.d = d, .number = 5, .value = 1};
    struct job remover = {.d = d, .number = victim};
    struct job inserter = {.d = d, .number = victim, .value = 60};
    struct pause p, q, r;

    expect(pause_at(&p, "dict.copy", skip, job_set, &helper), "helper stops");
    expect(pause_at(&q, "dict.copy", 0, job_remove, &remover), "remover stops");
    expect(pause_at(&r, "dict.insert", 0, job_set, &inserter), "inserter stops");
    dict_put(d, 5, 2);
    expect(root(d)->mask > 7, "moved");
    pause_go(&r);
    expect(dict_look(d, victim) == 60, "inserted again, found");
    pause_go(&q);
    pause_end(&p);
    pause_end(&q);
    pause_end(&r);
    expect(dict_look(d, victim) == 60, "still there");
    end(d, "dead when copied");
}

static void dead_when_copied_all(void)
{
    int before = tap_failures();

    for (unsigned skip = 0; skip < 6; skip++)
        for (int64_t victim = 0; victim < 5; victim++)
            dead_when_copied(skip, victim);
    ok(tap_failures() == before, "a key that dies between freeze and copy");
}

/* A migration from 8192 slots to 8 whose target is filled by as many inserters, which
 * stop there, before the two keys that are to be copied have come. */
enum { FILLERS = 8 };
struct overflow {
    struct sobj_object *d;
    struct sobj__table *first, *second;
    int64_t old[2]; /* the keys to be copied, far behind in the old table */
    struct job jobs[FILLERS];
    struct pause p[FILLERS];
};

static void overflow_begin(struct overflow *o)
{
    bool stopped = true;
    int found = 0;

    if (sobj_dict_new(5000, &o->d) != SOBJ_OK)
        abort();
    o->first = root(o->d);
    for (int64_t i = 1000; found < 2; i++) {
        struct test_key k;
        struct sobj__probe p;
        sobj__probe_init(&p, test_key(&k, i, false));
        if ((p.spread >> o->first->shift) / 256 < 20)
            continue;
        o->old[found++] = i;
        dict_put(o->d, i, 1);
    }
    dict_put(o->d, 2, 1);
    dict_drop(o->d, 2); /* so few keys in so large a table: it shrinks */
    o->second = after(o->first);
    ok(o->second != NULL && o->second->mask == 7, "a migration to a table of 8 slots");
    for (int64_t i = 0; i < FILLERS; i++) {
        o->jobs[i] = (struct job){.d = o->d, .number = 10 + i, .value = 1};
        stopped &= pause_at(&o->p[i], "dict.link", 0, job_set, &o->jobs[i]);
    }
    ok(stopped && root(o->d) == o->first && after(o->second) == NULL,
       "8 keys are inserted, others still to be copied");
}

static void overflow_end(struct overflow *o, const char *name)
{
    struct sobj_object *d = o->d;

    do
        dict_put(d, 18, 4);
    while (root(d) == o->first);
    ok(dict_look(d, o->old[0]) == 1 && dict_look(d, o->old[1]) == 1,
       "what was copied in the end is there");
    for (int i = 0; i < FILLERS; i++)
        pause_go(&o->p[i]);
    for (int i = 0; i < FILLERS; i++)
        pause_end(&o->p[i]);
    ok(sobj_dict_len(d) == 11 && dict_look(d, 12) == 3 && dict_look(d, 18) == 4 &&
           dict_look(d, 11) == 1 && dict_shown(d, 12) == 1,
       "all is there");
    sobj_collect();
    dict_check(d, name);
    while (after(root(d)) != NULL)
        dict_put(d, 18, 5);
    ok(sobj_dict_len(d) == 11 && dict_look(d, o->old[0]) == 1 && dict_look(d, 17) == 1,
       "and stays");
    end(d, name);
}

/* The target of a migration fills up before the migration is done, and gets a further
 * table, where copies and insertions go on. */
static void overtaken(void)
{
    struct overflow o;

    overflow_begin(&o);
    dict_put(o.d, 18, 2);
    ok(root(o.d) == o.first && after(o.second) != NULL,
       "a ninth key needs a further table, while the first one is still the root");
    ok(dict_drop(o.d, 12) && dict_drop(o.d, 18), "keys in both are removed");
    dict_put(o.d, 12, 3);
    ok(dict_look(o.d, 12) == 3 && dict_look(o.d, 18) == -1 && dict_look(o.d, 17) == 1,
       "and one is inserted again");
    overflow_end(&o, "overtaken");
}

/* There is no memory for the further table: what cannot be copied stays where it is,
 * and is found there. */
static void copies_without_memory(void)
{
    struct overflow o;

    overflow_begin(&o);
    for (int i = 0; i < 50; i++) {
        sobj_fail_allocation(0);
        expect(!dict_drop(o.d, 99), "a removal that only helps");
        expect(sobj_fail_allocation(-1) < 0 || i < 30, "it wanted memory");
        expect(dict_look(o.d, o.old[0]) == 1 && dict_look(o.d, o.old[1]) == 1 &&
                   dict_look(o.d, 17) == 1 && dict_look(o.d, 18) == -1,
               "usable without memory");
    }
    ok(root(o.d) == o.first && after(o.second) == NULL,
       "the migration waits for memory");
    dict_put(o.d, 12, 3);
    overflow_end(&o, "copies without memory");
}

/* clear() between the steps of a migration (both want the root). */
static void cleared_while_moving(const char *point)
{
    struct sobj_object *d = dict_with(5);
    struct job j = {.d = d, .number = 5, .value = 1};
    struct pause p;

    dict_drop(d, 1);
    ok(pause_at(&p, point, 0, job_set, &j), "helper stops at %s", point);
    ok(sobj_dict_clear(d) == SOBJ_OK && sobj_dict_len(d) == 0, "clear");
    dict_put(d, 3, 9);
    pause_end(&p);
    ok(dict_look(d, 3) == 9 && dict_look(d, 5) == -1 && sobj_dict_len(d) == 1,
       "what was stored later is there, nothing else");
    end(d, "cleared while moving");
}

/* ---- insertions */

/* An insertion at a dead node against the migration that takes the node out (T4). */
static void insert_at_dropped(void)
{
    struct sobj_object *d = dict_with(5);
    struct job j = {.d = d, .number = 2, .value = 50};
    struct pause p;

    dict_drop(d, 2);
    ok(pause_at(&p, "dict.insert", 0, job_set, &j), "inserter stops at a dead node");
    dict_put(d, 5, 1);
    ok(root(d)->mask > 7, "the table is moved meanwhile");
    ok(dict_look(d, 2) == -1, "the key is absent");
    pause_end(&p);
    ok(dict_look(d, 2) == 50 && dict_shown(d, 2) == 1, "the insertion is not lost");
    end(d, "insert at a dropped node");
}

int main(void)
{
    tap_begin();
    struct balance b = balance_begin();

    insert_at_dropped();
    late_helpers();
    late_dropper(false);
    late_dropper(true);
    dropped_after_copy_all();
    dead_when_copied_all();
    overtaken();
    copies_without_memory();
    cleared_while_moving("dict.freeze");
    cleared_while_moving("dict.copy");
    cleared_while_moving("dict.drop");
    balance_check(&b, "dict moves");
    return tap_end();
}
