/* SPDX-License-Identifier: MIT */
/* Interleavings of the dict, one by one: a thread is stopped between two of its steps,
 * others do what might go wrong then, and it goes on. Each scenario is the shortest
 * that an invariant of shared/dict_internal.h forbids; the mutants in
 * tests/c/mutants/dict die of them. Tables have 8 slots, so that six keys start a
 * migration, which whoever comes next finishes. */
#include <stdlib.h>

#include "dict_check.h"
#include "dict_internal.h"
#include "dict_keys.h"
#include "pause.h"
#include "tap.h"

/* ---- what threads do */

struct job {
    struct sobj_object *d;
    int64_t number, value, last;
    enum sobj_status status;
    sobj_cell cell;
};

static void job_set(void *context)
{
    struct job *j = context;
    struct test_key k;

    j->status = sobj_dict_set(j->d, test_key(&k, j->number, false),
                              test_value(j->number, j->value));
}

static void job_remove(void *context)
{
    struct job *j = context;
    struct test_key k;

    j->status = sobj_dict_remove(j->d, test_key(&k, j->number, false), NULL);
}

static void job_remove_range(void *context)
{
    struct job *j = context;
    struct test_key k;

    for (int64_t i = j->number; i <= j->last; i++)
        sobj_dict_remove(j->d, test_key(&k, i, false), NULL);
}

static void job_increment(void *context)
{
    struct job *j = context;
    struct test_key k;

    j->status =
        sobj_dict_increment(j->d, test_key(&k, j->number, false),
                            sobj_from_int(j->value), sobj_from_int(0), &j->cell);
}

static void job_clear(void *context)
{
    struct job *j = context;

    j->status = sobj_dict_clear(j->d);
}

static void job_clear_and_free(void *context)
{
    job_clear(context);
    sobj_collect();
}

static struct sobj_object *dict_with(int64_t keys)
{
    struct sobj_object *d = dict_new();

    for (int64_t i = 0; i < keys; i++)
        dict_put(d, i, i + 1);
    return d;
}

static struct sobj__table *root(struct sobj_object *d)
{
    return sobj_load_acquire(&sobj__dict_of(d)->root); /* Acquire: as the core does. */
}

static void end(struct sobj_object *d, const char *name)
{
    sobj_collect();
    dict_check(d, name);
    sobj_unref(d);
}

/* ---- inserting */

/* Between its entry in the log and its exchange a key is not there; after the exchange
 * it is, whatever the inserter does next (L1, C1). */
static void inserter_stops(void)
{
    struct sobj_object *d = dict_with(3);
    struct job j = {.d = d, .number = 70, .value = 1};
    struct pause p;

    ok(pause_at(&p, "dict.insert", 0, job_set, &j),
       "inserter stops before the exchange");
    ok(dict_look(d, 70) == -1 && dict_shown(d, 70) == 0, "the key is not there yet");
    ok(sobj_dict_len(d) >= 3, "len is not too low");
    pause_end(&p);
    ok(dict_look(d, 70) == 1 && dict_shown(d, 70) == 1 && sobj_dict_len(d) == 4,
       "it is there");

    j.number = 71;
    ok(pause_at(&p, "dict.link", 0, job_set, &j), "inserter stops after the exchange");
    ok(dict_look(d, 71) == 1 && dict_shown(d, 71) == 1, "the key is found and shown");
    ok(sobj_dict_len(d) == 5, "and counted");
    ok(dict_drop(d, 71) && sobj_dict_len(d) == 4, "and can be removed");
    pause_end(&p);
    ok(dict_shown(d, 71) == 0 && sobj_dict_len(d) == 4, "and is gone then");
    end(d, "inserter stops");
}

/* An insertion that has to try again takes a new position: with the old one an
 * iteration that has shown the key would come to it once more. */
static void position_is_not_used_again(void)
{
    struct sobj_object *d = dict_with(1);
    struct job first = {.d = d, .number = 70, .value = 1}, second = first;
    struct pause p, q;
    struct sobj_dict_iter it;

    ok(pause_at(&p, "dict.insert", 0, job_set, &first) &&
           pause_at(&q, "dict.insert", 0, job_set, &second),
       "two insert one key");
    pause_go(&p);
    sobj_dict_iter_init(&it, d);
    ok(dict_next(&it) == 0 && dict_next(&it) == 70, "an iteration shows it");
    ok(dict_drop(d, 70), "it is removed");
    pause_end(&q);
    pause_end(&p);
    ok(dict_look(d, 70) == 1, "and inserted by the other one");
    ok(dict_next(&it) == -1, "which the iteration does not show");
    sobj_dict_iter_fini(&it);
    end(d, "two inserters");
}

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

/* ---- changing a value */

static void stores_collide(void)
{
    struct sobj_object *d = dict_with(0);
    struct job j = {.d = d, .number = 4, .value = 1};
    struct pause p;

    job_increment(&j);
    ok(pause_at(&p, "dict.store", 0, job_increment, &j), "increment stops");
    struct job k = j;
    job_increment(&k);
    ok(k.cell == sobj_from_int(2), "another one comes first");
    pause_end(&p);
    ok(j.status == SOBJ_OK && j.cell == sobj_from_int(3), "both count");

    ok(pause_at(&p, "dict.store", 0, job_set, &j), "a store stops");
    dict_drop(d, 4);
    pause_end(&p);
    ok(j.status == SOBJ_OK && dict_look(d, 4) == 1,
       "a store onto a removed key inserts it");
    end(d, "stores");
}

/* The node that a change goes to leaves the table and the log before it comes there. */
static void changer_sleeps(void)
{
    struct sobj_object *d = dict_with(5);
    struct job j = {.d = d, .number = 2, .value = 60};
    struct pause p;

    ok(pause_at(&p, "dict.store", 0, job_set, &j), "a store stops");
    dict_drop(d, 2);
    int64_t nodes = sobj_count(SOBJ_COUNT_NODES);
    for (int64_t i = 10; i < 210; i++) {
        dict_put(d, i, 1);
        dict_drop(d, i);
    }
    ok(sobj_count(SOBJ_COUNT_NODES) == nodes + 200, "no node is freed meanwhile");
    pause_end(&p);
    ok(dict_look(d, 2) == 60, "the key is inserted again");
    end(d, "changer sleeps");
}

struct slow_reader {
    struct sobj_out out;
    struct sobj_object *d;
    int64_t number, tag;
};

static void take_slowly(struct sobj_out *out)
{
    struct slow_reader *r = (struct slow_reader *)out;

    SOBJ_PAUSE("test.take");
    test_parse(out->cell, &r->number, &r->tag);
}

static void job_read(void *context)
{
    struct slow_reader *r = context;
    struct test_key k;

    sobj_dict_get(r->d, test_key(&k, 5, false), &r->out);
}

/* What a reader has found stays until its section ends. */
static void reader_sleeps(void)
{
    struct sobj_object *d = dict_with(5);
    struct slow_reader r = {.out = {.take = take_slowly}, .d = d};
    struct pause p;

    dict_put(d, 5, 3); /* a blob, and the table has been moved */
    sobj_collect();
    int64_t nodes = sobj_count(SOBJ_COUNT_NODES), blobs = sobj_count(SOBJ_COUNT_BLOBS);
    ok(pause_at(&p, "test.take", 0, job_read, &r), "reader stops in its section");
    dict_drop(d, 5);
    dict_put(d, 5, 6);
    dict_put(d, 5, 7);
    ok(sobj_count(SOBJ_COUNT_BLOBS) == blobs + 1, "no blob is freed meanwhile");
    ok(sobj_count(SOBJ_COUNT_NODES) == nodes + 1, "no node either");
    pause_end(&p);
    ok(r.number == 5 && r.tag == 3, "it reads what was there");
    end(d, "reader sleeps");
}

/* ---- moving */

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

static struct sobj__table *after(struct sobj__table *t)
{
    return sobj_load_acquire(&t->next); /* Acquire: as the core does. */
}

static void overflow_begin(struct overflow *o)
{
    bool stopped = true;
    int found = 0;

    if (sobj_dict_new(2000, &o->d) != SOBJ_OK)
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

/* ---- clearing */

/* Two bodies never share an epoch, or an iterator would take one for the other. */
static void clears_collide(void)
{
    struct sobj_object *d = dict_with(5);
    struct job j = {.d = d};
    struct pause p;
    struct sobj_dict_iter it;

    ok(pause_at(&p, "dict.clear", 0, job_clear, &j), "clear stops");
    ok(sobj_dict_clear(d) == SOBJ_OK, "another one comes first");
    dict_put(d, 1, 1);
    dict_put(d, 2, 2);
    sobj_dict_iter_init(&it, d);
    pause_end(&p);
    ok(sobj_dict_len(d) == 0, "both clear");
    dict_put(d, 3, 3);
    ok(dict_next(&it) == -1, "an iteration from between them ends");
    sobj_dict_iter_fini(&it);
    end(d, "two clears");
}

/* An iterator gives back a piece of the log that only it still had, while the nodes in
 * it are freed with the body. Returns: whether there were more than `skip` nodes. */
static bool iterator_ends_while_freed(unsigned skip)
{
    struct sobj_object *d = dict_with(200);
    struct job j = {.d = d};
    struct sobj_dict_iter it;
    struct pause p;

    sobj_dict_iter_init(&it, d);
    expect(dict_next(&it) == 0, "iterator in the first segment");
    struct sobj__body *body = root(d)->body;
    struct sobj__segment *held = it.segment;
    for (int64_t i = 1; i < 199; i++)
        if (i % 5 != 0 || i > 15)
            dict_drop(d, i);
    expect(sobj_load_acquire(&body->head) != held, "compacted"); /* Acquire */
    sobj_collect();
    bool stopped = pause_at(&p, "dict.take", skip, job_clear_and_free, &j);
    sobj_dict_iter_fini(&it);
    pause_end(&p);
    end(d, "iterator ends while the body is freed");
    return stopped;
}

static void iterators_end_while_freed(void)
{
    struct balance b = balance_begin();
    unsigned nodes = 0;

    while (iterator_ends_while_freed(nodes))
        nodes++;
    ok(nodes >= 5, "an iterator ends while each of %u nodes is freed", nodes);
    sobj_collect();
    balance_check(&b, "iterators and freed bodies");
}

/* ---- order log */

/* An inserter sleeps before it fills its cell; the segment is compacted away, because
 * others have come after it, or as the last one, too large for what is left. */
static void cell_is_closed(size_t room, int64_t keys, int64_t churn, int64_t left)
{
    struct sobj_object *d = dict_new();
    struct job j = {.d = d, .number = 7000, .value = 1};
    struct pause p;

    sobj_dict_reserve(d, room); /* one table throughout: the slot must stay free */
    for (int64_t i = 0; i < keys; i++)
        dict_put(d, i, 1);
    dict_put(d, 6000, 1);
    struct sobj__table *t = root(d);
    /* Acquire, here and below: as appenders do. */
    struct sobj__segment *last = sobj_load_acquire(&t->body->tail_hint);
    ok(pause_at(&p, "dict.append", 0, job_set, &j), "inserter stops before its cell");
    for (int64_t i = 0; i < churn; i++) {
        dict_drop(d, 6000);
        dict_put(d, 6000, 1);
    }
    for (int64_t i = left; i < keys; i++)
        dict_drop(d, i);
    ok(root(d) == t && after(t) == NULL &&
           sobj_load_acquire(&t->body->tail_hint) != last, /* Acquire */
       "the log alone has changed");
    pause_end(&p);
    ok(dict_look(d, 7000) == 1, "it is found");
    ok(dict_shown(d, 7000) == 1 && dict_shown(d, 0) == 1 && dict_shown(d, 6000) == 1,
       "and shown");
    end(d, "closed cell");
}

/* Keys die between the two looks of a compaction: the estimate of dead cells, which
 * decides about the next one, must not drift. */
static void die_while_compacted(void)
{
    struct sobj_object *d = dict_with(200);
    struct job j = {.d = d, .number = 1, .last = 190};
    struct pause p;

    ok(pause_at(&p, "dict.merge", 0, job_remove_range, &j), "compaction stops");
    ok(dict_drop(d, 0), "one more dies");
    pause_end(&p);
    ok(dict_shown(d, 0) == 0 && dict_shown(d, 199) == 1, "the rest is shown");
    end(d, "compaction");
}

int main(void)
{
    tap_begin();
    struct balance b = balance_begin();

    inserter_stops();
    position_is_not_used_again();
    insert_at_dropped();
    stores_collide();
    changer_sleeps();
    reader_sleeps();
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
    clears_collide();
    iterators_end_while_freed();
    cell_is_closed(60, 20, 200, 10);
    cell_is_closed(300, 698, 0, 63);
    die_while_compacted();
    balance_check(&b, "dict races");
    return tap_end();
}
