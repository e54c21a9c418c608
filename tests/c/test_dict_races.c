/* SPDX-License-Identifier: MIT */
/* Interleavings of the dict, one by one: a thread is stopped between two of its steps,
 * others do what might go wrong then, and it goes on. Each scenario is the shortest
 * that an invariant of shared/dict_internal.h forbids; the mutants in
 * tests/c/mutants/dict die of them. Here: insertions, stores, clear, the order log. */
#include "dict_jobs.h"

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
    stores_collide();
    changer_sleeps();
    reader_sleeps();
    clears_collide();
    iterators_end_while_freed();
    cell_is_closed(60, 20, 200, 10);
    cell_is_closed(300, 698, 0, 63);
    die_while_compacted();
    balance_check(&b, "dict races");
    return tap_end();
}
