/* SPDX-License-Identifier: MIT */
/* Interleavings of the list, one by one: a thread is stopped between two of its steps,
 * others do what might go wrong then, and it goes on. Each scenario is the shortest
 * that an invariant of shared/list_internal.h forbids; the mutants in tests/c/mutants/list
 * die of them. Here: items at the end, and stores to them. */
#include "list_check.h"
#include "list_jobs.h"

/* ---- reading beside removals and appends (I1, I3) */

static void reader_of_a_removed_item(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct job r = {.l = l, .index = 2}, a = {.l = l, .value = 7};
    struct pause p, q;

    ok(pause_at(&p, "list.get", 0, job_get, &r), "a reader stops before the place");
    list_pop(l);
    pause_end(&p);
    ok(r.status == SOBJ_NOT_FOUND, "the item is removed: it is not there");

    list_push(l, 2);
    ok(pause_at(&p, "list.get", 0, job_get, &r), "a reader stops again");
    list_pop(l);
    ok(pause_at(&q, "list.append", 0, job_push, &a), "another item is nearly appended");
    ok(sobj_list_len(l) == 2 && list_at(l, 2) == ABSENT && list_at(l, -1) == 1,
       "nobody sees it");
    pause_go(&p);
    ok(r.status == SOBJ_NOT_FOUND, "nor does the reader");
    pause_end(&q);
    pause_end(&p);
    ok(list_at(l, 2) == 7, "until it is appended");

    ok(pause_at(&p, "list.get", 0, job_get, &r), "a reader stops again");
    list_pop(l);
    list_push(l, 11);
    pause_end(&p);
    ok(r.status == SOBJ_OK && taken(&r.out) == 11, "what is there instead is seen");
    end(l, &b, "reader of a removed item");
}

/* As above, for who takes the word alone. */
static void looker_at_a_removed_item(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct job r = {.l = l, .index = 2}, a = {.l = l, .value = 7};
    struct pause p, q;

    ok(pause_at(&p, "list.get", 0, job_look, &r), "a looker stops before the place");
    list_pop(l);
    ok(pause_at(&q, "list.append", 0, job_push, &a), "another item is nearly appended");
    pause_go(&p);
    ok(r.sum == SOBJ_NO_CELL, "nobody sees it");
    pause_end(&q);
    pause_end(&p);
    ok(sobj_list_look(l, 2) != SOBJ_NO_CELL, "until it is appended");
    end(l, &b, "looker at a removed item");
}

static void remover_stops(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(4);
    struct job r = {.l = l, .index = -1};
    struct sobj_out outs[8];
    struct pause p;

    for (int i = 0; i < 8; i++)
        outs[i].take = sobj_out_ref;
    ok(pause_at(&p, "list.lowered", 0, job_pop, &r), "a removal stops half way");
    ok(sobj_list_len(l) == 3 && list_at(l, 3) == ABSENT && list_at(l, -1) == 2,
       "the item is gone");
    ok(sobj_list_get_many(l, 0, 8, outs) == 3, "from several, too");
    ok(sobj_list_set(l, 3, cell_of(3)) == SOBJ_NOT_FOUND, "for storers, too");
    pause_end(&p);
    ok(r.status == SOBJ_OK && taken(&r.out) == 3, "it is handed out");
    end(l, &b, "remover stops");
}

static void reader_of_many(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(8);
    struct job r = {.l = l, .index = 2};
    struct pause p;

    ok(pause_at(&p, "list.get_many", 0, job_get_many, &r), "a reader of many stops");
    for (int i = 0; i < 4; i++)
        list_pop(l);
    list_push(l, 50);
    pause_end(&p);
    ok(r.count == 3 && r.many[0] == 2 && r.many[2] == 50, "it reads what there is now");
    end(l, &b, "reader of many");
}

/* ---- storing beside them (I4) */

static void storer_to_a_removed_item(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct job s = {.l = l, .index = 2, .value = 7};
    struct pause p;

    ok(pause_at(&p, "list.store", 0, job_set, &s),
       "a storer stops before its exchange");
    list_pop(l);
    pause_end(&p);
    ok(s.status == SOBJ_NOT_FOUND && sobj_list_len(l) == 2, "the item was removed");
    list_check(l, "a store to nothing");

    list_push(l, 2);
    ok(pause_at(&p, "list.store", 0, job_set, &s), "a storer stops again");
    list_pop(l);
    list_push(l, 50);
    pause_end(&p);
    ok(s.status == SOBJ_OK && list_at(l, 2) == 7,
       "there is another one: it is replaced");
    end(l, &b, "storer to a removed item");
}

/* Case a: the store comes before the removal, which hands out what was stored. */
static void store_beside_a_removal(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct job s = {.l = l, .index = 2, .value = 7}, r = {.l = l, .index = -1};
    struct pause p, q;

    ok(pause_at(&p, "list.store", 0, job_set, &s), "a storer stops");
    ok(pause_at(&q, "list.lowered", 0, job_pop, &r), "a removal stops half way");
    pause_let(&p);
    while (sobj__list_peek(sobj__list_root(sobj__list_of(l)), 2) == sobj_from_int(2))
        sched_yield();
    pause_go(&q);
    ok(r.status == SOBJ_OK && taken(&r.out) == 7, "what was stored is handed out");
    pause_end(&p);
    pause_end(&q);
    ok(s.status == SOBJ_OK && sobj_list_len(l) == 2, "and was stored");
    end(l, &b, "a store beside a removal");
}

/* Case b: the store hits an append that is not published, and waits for it. */
static void store_to_an_append(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct job s = {.l = l, .index = 2, .value = 7, .expected = 2};
    struct job a = {.l = l, .value = 2};
    struct pause p, q;

    ok(pause_at(&p, "list.store", 0, job_compare, &s), "a storer stops");
    list_pop(l);
    ok(pause_at(&q, "list.append", 0, job_push, &a),
       "the same item is nearly appended");
    pause_let(&p);
    ok(!pause_done(&p, 2000), "the store is not done while the append is not");
    ok(sobj_list_len(l) == 2, "of which nothing is seen");
    pause_go(&q);
    pause_end(&p);
    pause_end(&q);
    ok(s.status == SOBJ_OK && list_at(l, 2) == 7 && sobj_list_len(l) == 3,
       "then both are");
    end(l, &b, "a store to an append");
}

/* Finding the very word that is to be stored is a reading, too. */
static void same_word_in_an_append(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct job s = {.l = l, .index = 2, .value = 2}, a = {.l = l, .value = 2};
    struct pause p, q;

    ok(pause_at(&p, "list.change", 0, job_set, &s), "a storer stops");
    list_pop(l);
    ok(pause_at(&q, "list.append", 0, job_push, &a),
       "the same item is nearly appended");
    pause_go(&p);
    ok(s.status == SOBJ_NOT_FOUND, "it is not there yet");
    pause_end(&q);
    pause_end(&p);
    s = (struct job){.l = l, .index = 2, .value = 7, .expected = 5};
    a.value = 9;
    ok(pause_at(&p, "list.change", 0, job_compare, &s), "one that compares stops");
    list_pop(l);
    ok(pause_at(&q, "list.append", 0, job_push, &a), "another item is nearly appended");
    pause_go(&p);
    ok(s.status == SOBJ_NOT_FOUND, "with which nothing is compared");
    pause_end(&q);
    pause_end(&p);
    end(l, &b, "the same word in an append");
}

/* I5 */
static void hosted_value_beside_a_removal(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct job s = {.l = l, .index = 2, .value = 7}, r = {.l = l, .index = -1};
    struct pause p, q;

    ok(pause_at(&p, "list.store", 0, job_set_hosted, &s), "a storer stops");
    ok(pause_at(&q, "list.lowered", 0, job_pop, &r), "a removal stops half way");
    pause_let(&p);
    (void)pause_done(&p, 2000);
    pause_go(&q);
    ok(r.status == SOBJ_OK && taken(&r.out) == 2, "it takes out what it has looked at");
    pause_end(&p);
    pause_end(&q);
    ok(s.status == SOBJ_NOT_FOUND && sobj_list_len(l) == 2, "the store finds no item");
    end(l, &b, "a hosted value beside a removal");
}

static void stores_collide(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct job s = {.l = l, .index = 1, .value = 4}, k = s;
    struct pause p;

    ok(pause_at(&p, "list.store", 0, job_increment, &s), "an increment stops");
    job_increment(&k);
    pause_end(&p);
    ok(k.sum == sobj_from_int(5) && s.sum == sobj_from_int(9), "both count");
    s.expected = 9;
    s.value = 7;
    ok(pause_at(&p, "list.store", 0, job_compare, &s), "one that compares stops");
    sobj_list_set(l, 1, cell_of(5));
    pause_end(&p);
    ok(s.status == SOBJ_MISMATCH && list_at(l, 1) == 5, "it sees the change");
    s.value = 7;
    ok(pause_at(&p, "list.store", 0, job_exchange, &s), "an exchange stops");
    sobj_list_set(l, 1, cell_of(23));
    pause_end(&p);
    ok(s.status == SOBJ_OK && taken(&s.out) == 23, "it hands out what it replaced");
    end(l, &b, "stores collide");
}

/* An index from the end names another item after an append (I3, I5). */
static void index_from_the_end(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct job r = {.l = l, .index = -1}, s = {.l = l, .index = -1, .value = 50};
    struct pause p;

    ok(pause_at(&p, "list.place", 0, job_get, &r), "a reader of the last item stops");
    list_push(l, 9);
    sobj_list_set(l, 2, cell_of(77));
    pause_end(&p);
    ok(taken(&r.out) == 9, "it reads the one that is the last now");

    ok(pause_at(&p, "list.store", 0, job_exchange, &s), "a storer stops");
    list_push(l, 10);
    sobj_list_set(l, 3, cell_of(77));
    pause_end(&p);
    ok(taken(&s.out) == 10 && list_at(l, 4) == 50 && list_at(l, 3) == 77,
       "it replaces the one that is the last now");

    s.value = 60;
    ok(pause_at(&p, "list.store", 0, job_set, &s), "a storer stops again");
    list_pop(l);
    list_pop(l);
    pause_end(&p);
    ok(s.status == SOBJ_OK && sobj_list_len(l) == 3 && list_at(l, 2) == 60,
       "and finds it, also if there are fewer");

    ok(pause_at(&p, "list.change", 0, job_set, &s), "one with the very word stops");
    list_push(l, 8);
    pause_end(&p);
    ok(list_at(l, 3) == 60 && list_at(l, 2) == 60, "it goes to the new item");
    end(l, &b, "an index from the end");
}

/* ---- blocks appended and cut off */

static void block_stops(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct job a = {.l = l, .value = 100, .count = 300}, c = {.l = l, .index = 3};
    struct pause p;

    ok(pause_at(&p, "list.append", 0, job_extend, &a), "a block is nearly appended");
    ok(sobj_list_len(l) == 3 && list_at(l, 3) == ABSENT, "nobody sees it");
    pause_end(&p);
    ok(sobj_list_len(l) == 303 && list_at(l, 302) == 399, "all of it is there");
    c.index = 203;
    ok(pause_at(&p, "list.lowered", 0, job_cut, &c), "a block is nearly cut off");
    ok(sobj_list_len(l) == 203 && list_at(l, 203) == ABSENT, "all of it has gone");
    pause_end(&p);
    a.count = 2000;
    ok(pause_at(&p, "list.extend", 0, job_extend, &a), "a large block is nearly there");
    ok(sobj_list_len(l) == 203 && list_at(l, 203) == ABSENT && list_at(l, 202) == 299,
       "nobody sees it, nor waits");
    pause_end(&p);
    ok(sobj_list_len(l) == 2203 && list_at(l, -1) == 2099, "all of it is there");
    struct job r = {.l = l, .index = 2002}, large = {.l = l, .index = 1203};
    struct pause q;
    ok(pause_at(&p, "list.cut", 0, job_cut, &large), "a large block is nearly cut off");
    ok(sobj_list_len(l) == 1203 && list_at(l, 1203) == ABSENT && list_at(l, -1) == 1099,
       "all of it has gone");
    pause_end(&p);
    ok(sobj_list_len(l) == 1203 && sobj_list_bytes(l) < 1203 * 12,
       "and its memory, too");
    list_extend(l, 5000, 1000);
    ok(pause_at(&q, "list.shift", 0, job_cut, &large), "another one is to be cut off");
    ok(pause_at(&p, "list.taken", 0, job_get_slowly, &r), "a reader has found an item");
    pause_go(&q);
    pause_end(&p);
    pause_end(&q);
    ok(taken(&r.out) == 5799, "which can be read while it looks at it");
    end(l, &b, "a block");
}

/* What was to be an append when it was looked at first. */
/* A reader whose section begins during the grace period of a closing, and whose word is
 * older than a removal for which that waits, looks where the closer writes. */
struct late_reader {
    struct job get;
    sem_t ready, go;
};

static void read_late(void *context)
{
    struct late_reader *r = context;

    (void)sobj_list_len(r->get.l); /* grace periods know this thread from here on */
    sem_post(&r->ready);
    sem_wait(&r->go);
    job_get(&r->get);
}

static bool has_stopped(struct pause *p)
{
    for (int i = 0; i < 20000; i++) {
        if (sem_trywait(&p->stopped) == 0)
            return true;
        sched_yield();
    }
    return false;
}

static void reader_beside_a_large_block(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(100);
    struct sobj__list *inside = sobj__list_of(l);
    struct late_reader r = {.get = {.l = l, .index = 99}};
    struct job d = {.l = l, .index = -1}, a = {.l = l, .value = 1000, .count = 2000};
    struct pause p, q, s;

    sem_init(&r.ready, 0, 0);
    sem_init(&r.go, 0, 0);
    (void)pause_try(&p, "list.get", 0, read_late, &r, 0);
    sem_wait(&r.ready);
    sobj__lock_acquire(&inside->lock);
    (void)pause_try(&q, "none", 0, job_pop, &d, 0);
    /* SeqCst: until the removal sleeps, in its section. */
    while (sobj_load_seq_cst(&inside->lock.state) != 2)
        sched_yield();
    ok(!pause_try(&s, "list.extend", 0, job_extend, &a, 5000),
       "who appends a large block waits for a removal");
    sem_post(&r.go);
    while (!has_stopped(&p))
        continue;
    sobj__lock_release(&inside->lock);
    /* Unless the grace period waits for the reader, too. Nothing but the cell says so,
     * that it may order the reader's look after the closer's store. */
    bool beside = false;
    for (int i = 0; i < 20000 && !beside; i++, sched_yield())
        beside = sobj__list_peek(sobj__list_root(inside), 99) == sobj_from_int(1000);
    diag("the block is %s", beside ? "there, but not published" : "not there");
    pause_go(&p);
    ok(r.get.status == SOBJ_NOT_FOUND || !beside, "the reader has not read from it");
    pause_end(&s);
    pause_end(&q);
    pause_end(&p);
    ok(taken(&d.out) == 99 && sobj_list_len(l) == 2099 && list_at(l, 99) == 1000,
       "both have happened");
    sem_destroy(&r.ready);
    sem_destroy(&r.go);
    end(l, &b, "a reader beside a large block");
}

static void end_moves(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct job m = {.l = l, .index = 3, .value = 50};
    struct pause p;

    ok(pause_at(&p, "list.end", 0, job_insert, &m), "an insertion at the end stops");
    list_push(l, 60);
    pause_end(&p);
    ok(m.status == SOBJ_OK && list_at(l, 3) == 50 && list_at(l, 4) == 60,
       "it goes where it was asked to go");
    ok(pause_at(&p, "list.end", 0, job_insert, &(struct job){.l = l, .index = 5}),
       "another one stops");
    list_pop(l);
    list_pop(l);
    pause_end(&p);
    ok(sobj_list_len(l) == 4 && list_at(l, 3) == 0, "or to the end there is");
    end(l, &b, "the end moves");
}

/* ---- segments (I8) */

static void reader_in_a_segment_that_goes(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(200);
    struct job r = {.l = l, .index = 195}, s = {.l = l, .index = 195, .value = 7};
    struct pause p, q;

    ok(pause_at(&p, "list.place", 0, job_get, &r), "a reader stops at the directory");
    ok(pause_at(&q, "list.store", 0, job_set, &s), "a storer stops at its place");
    for (int i = 0; i < 150; i++)
        list_pop(l);
    list_extend(l, 1000, 100);
    ok(sobj_list_len(l) == 150, "the segment has gone");
    pause_go(&p);
    ok(r.status == SOBJ_NOT_FOUND, "the reader finds nothing");
    list_extend(l, 1100, 100);
    pause_go(&q);
    ok(s.status == SOBJ_OK && list_at(l, 195) == 7, "the storer finds another one");
    pause_end(&q);
    pause_end(&p);
    end(l, &b, "a segment that goes");
}

static void reader_in_a_directory_that_goes(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(150);
    struct job r = {.l = l, .index = 100};
    struct pause p;

    ok(pause_at(&p, "list.place", 0, job_get, &r), "a reader stops at the directory");
    list_extend(l, 0, 900);
    pause_end(&p);
    ok(r.status == SOBJ_OK && taken(&r.out) == 100, "it finds its item");
    end(l, &b, "a directory that goes");
}

/* ---- too many lowerings in one section (I2) */

static void lowerings_are_counted(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(6);
    struct sobj__list *inside = sobj__list_of(l);
    struct job r = {.l = l, .index = 5}, d = {.l = l, .index = -1},
               c = {.l = l, .index = 1};
    struct pause p, q;

    inside->lowered = SOBJ__LIST_LOWERED_MAX - 1;
    ok(pause_at(&p, "list.get", 0, job_get, &r), "a reader stops");
    ok(list_pop(l) == 5, "an item is removed");
    ok(pause_at(&q, "list.renew", 0, job_pop, &d), "there may have been too many");
    pause_let(&q);
    ok(!pause_done(&q, 2000), "the next removal waits for the reader");
    ok(sobj_list_len(l) == 5, "and nothing is removed before");
    pause_end(&p);
    pause_end(&q);
    ok(d.status == SOBJ_OK && taken(&d.out) == 4 && inside->lowered == 1,
       "it goes on, and they are counted anew");

    inside->lowered = SOBJ__LIST_LOWERED_MAX;
    ok(pause_at(&q, "list.renew", 0, job_cut, &c), "the same when several are cut off");
    inside->renewals++; /* somebody else's grace period has ended */
    inside->lowered = 77;
    pause_end(&q);
    ok(c.status == SOBJ_OK && inside->lowered == 78, "who comes late resets nothing");
    end(l, &b, "lowerings");
}

/* ---- a reader asleep in its section */

#define ROUNDS 1000000
static void churn(void *context)
{
    struct job *j = context;

    /* Blobs come and go, and segments. */
    for (int64_t i = 0; i < ROUNDS; i++) {
        if (i % 100 == 0)
            list_extend(j->l, 3, 100);
        list_push(j->l, 3);
        list_pop(j->l);
        list_pop(j->l);
    }
    sobj_collect();
}

static void reader_sleeps(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(8);
    struct job r = {.l = l, .index = 0}, c = {.l = l};
    struct pause p, q;

    ok(pause_at(&p, "list.get_many", 0, job_get_many, &r), "a reader falls asleep");
    int64_t before = sobj_count(SOBJ_COUNT_BYTES);
    ok(!pause_try(&q, "none", 0, churn, &c, 5000), "a million items come and go");
    int64_t held = sobj_count(SOBJ_COUNT_BYTES) - before;
    ok(held < 8 << 20, "%lld bytes are held for it, not more", (long long)held);
    pause_go(&p);
    ok(r.count >= 8 && r.many[7] == 7, "it wakes up and reads what there is");
    pause_end(&q);
    pause_end(&p);
    ok(sobj_list_len(l) == 8 && sobj_list_bytes(l) < 2000,
       "the list is as small as ever");
    end(l, &b, "a reader asleep");
}

int main(void)
{
    alarm(HANG_SECONDS);
    tap_begin();
    reader_of_a_removed_item();
    looker_at_a_removed_item();
    remover_stops();
    reader_of_many();
    storer_to_a_removed_item();
    store_beside_a_removal();
    store_to_an_append();
    same_word_in_an_append();
    hosted_value_beside_a_removal();
    stores_collide();
    index_from_the_end();
    block_stops();
    reader_beside_a_large_block();
    end_moves();
    reader_in_a_segment_that_goes();
    reader_in_a_directory_that_goes();
    lowerings_are_counted();
    reader_sleeps();
    return tap_end();
}
