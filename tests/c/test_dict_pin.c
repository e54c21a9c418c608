/* SPDX-License-Identifier: MIT */
/* Pins: the value of a key without a look-up. Each scenario does what might make a pin
 * say something that is not so: removal and insertion, migration, clear() at each of its
 * steps, a closed gate. */
#include "crew.h"
#include "dict_jobs.h"
#include "dict_watch.h"
#include "tap.h"

/* ---- steps */

struct kept {
    struct sobj_object *d;
    int64_t number;
    struct sobj_dict_pin *pin;
    uint64_t content;
    int64_t tag; /* of the value that came with the pin */
    enum sobj_status status;
};

static void job_pin(void *context)
{
    struct kept *k = context;
    struct test_out out = test_out_init();
    struct test_key key;

    k->status = sobj_dict_get_pinned(k->d, test_key(&key, k->number, false), &out.out,
                                     &k->pin, &k->content);
    test_out_done(&out);
    k->tag = out.tag;
}

static struct kept pin(struct sobj_object *d, int64_t number)
{
    struct kept k = {.d = d, .number = number};

    job_pin(&k);
    return k;
}

static sobj_cell look(const struct kept *k)
{
    return sobj_dict_pin_look(k->pin, sobj_dict_content(k->d), k->content);
}

static bool shows(const struct kept *k) { return sobj_dict_pin_shows(look(k)); }

/* Returns: the tag of the value, got through the pin; -1: the pin is stale. */
static int64_t get(const struct kept *k)
{
    struct test_out out = test_out_init();

    if (sobj_dict_pin_get(k->d, k->pin, k->content, &out.out) != SOBJ_OK)
        return -1;
    test_out_done(&out);
    expect(out.number == k->number, "value of %lld", (long long)out.number);
    return out.tag;
}

/* Returns: whether it was stored. */
static bool set(const struct kept *k, int64_t tag)
{
    sobj_cell value = test_value(k->number, tag);
    enum sobj_status status = sobj_dict_pin_set(k->d, k->pin, k->content, value);

    if (status != SOBJ_OK) {
        expect(status == SOBJ_STALE, "stale");
        sobj_cell_unref(value);
    }
    return status == SOBJ_OK;
}

/* Adds to a plain number, as counters are. */
static enum sobj_status increment(const struct kept *k, int64_t n, int64_t *sum)
{
    sobj_cell cell = 0;
    enum sobj_status status =
        sobj_dict_pin_increment(k->d, k->pin, k->content, sobj_from_int(n), &cell);

    if (status == SOBJ_OK)
        *sum = sobj_to_int(cell);
    return status;
}

static void put_number(struct sobj_object *d, int64_t key, sobj_cell number)
{
    struct test_key k;

    sobj_dict_set(d, test_key(&k, key, false), number);
}

static int64_t number(struct sobj_object *d, int64_t key)
{
    struct test_key k;
    struct sobj_out out = {.take = sobj_out_ref};

    if (sobj_dict_get(d, test_key(&k, key, false), &out) != SOBJ_OK)
        return -1;
    return sobj_to_int(out.cell);
}

struct setting {
    struct kept *k, *before;
    int64_t tag;
    bool stored;
};

static void job_pin_set(void *context)
{
    struct setting *s = context;

    s->stored = set(s->k, s->tag);
}

static void job_pin_increment(void *context)
{
    struct setting *s = context;

    s->stored = increment(s->k, 1, &s->tag) == SOBJ_OK;
}

/* The same by a row of which the key is the last. */
static void job_pins_increment(void *context)
{
    struct setting *s = context;
    struct sobj_dict_pin *pins[] = {s->before->pin, s->k->pin};
    size_t done =
        sobj_dict_pins_increment(s->k->d, pins, 2, s->k->content, sobj_from_int(1));

    s->stored = done == 2;
    s->tag = number(s->k->d, s->k->number);
}

static void job_pin_get(void *context)
{
    struct kept *k = context;

    k->tag = get(k);
}

/* Nothing shows, is got or stored through the pin. */
static void is_stale(const struct kept *k, const char *name)
{
    ok(!shows(k) && get(k) == -1 && !set(k, 99), "%s: nothing through the pin", name);
}

/* ---- one key */

static void values_come_and_go(void)
{
    struct sobj_object *d = dict_with(3);
    struct kept none = pin(d, 70), k = pin(d, 2);

    ok(none.status == SOBJ_NOT_FOUND && none.pin == NULL, "no pin without a key");
    ok(k.status == SOBJ_OK && k.pin != NULL && k.tag == 3, "a pin and the value");
    ok(shows(&k) && get(&k) == 3, "the value is a blob");
    dict_put(d, 2, 4);
    ok(look(&k) == test_value(2, 4) && get(&k) == 4, "a store shows");
    ok(set(&k, 5) && dict_look(d, 2) == 5 && set(&k, 6) && dict_look(d, 2) == 6,
       "and one through the pin, of an immediate and of a blob");
    ok(set(&k, 7) && set(&k, 7) && dict_look(d, 2) == 7, "the same once more");
    sobj_or_seq_cst(&d->mode, SOBJ__FROZEN); /* SeqCst: as whoever freezes does. */
    ok(get(&k) == 7 && !set(&k, 8) && dict_look(d, 2) == 7, "frozen: only read");
    sobj_and_seq_cst(&d->mode, ~(uint64_t)SOBJ__FROZEN); /* SeqCst: as above. */
    sobj_dict_pin_drop(k.pin);
    end(d, "one key");
}

/* A key that was removed lives in another node when it comes again. */
static void key_comes_again(void)
{
    struct sobj_object *d = dict_with(3);
    struct kept k = pin(d, 2), again;

    dict_drop(d, 2);
    is_stale(&k, "removed");
    ok(dict_look(d, 2) == -1, "it stays removed");
    dict_put(d, 2, 5);
    is_stale(&k, "inserted again");
    again = pin(d, 2);
    ok(again.pin != k.pin && get(&again) == 5, "another pin");
    dict_drop(d, 2);
    dict_put(d, 2, 6); /* this takes the nodes before the last out of the table */
    sobj_collect();
    ok(dict_look(d, 2) == 6 && !shows(&k) && !shows(&again), "and once more");
    sobj_dict_pin_drop(k.pin);
    sobj_dict_pin_drop(again.pin);
    ok(dict_look(d, 2) == 6, "the key is untouched by that");
    end(d, "comes again");
}

/* The node stays what it is, in whatever table. */
static void table_is_moved(void)
{
    struct sobj_object *d = dict_with(3);
    struct kept k = pin(d, 2), dead = pin(d, 1);
    struct sobj__table *first = root(d);

    dict_drop(d, 1);
    for (int64_t i = 100; i < 1100; i++)
        dict_put(d, i, 1);
    sobj_collect();
    ok(root(d) != first && get(&k) == 3, "the value after a migration");
    ok(set(&k, 4) && dict_look(d, 2) == 4, "is the one that others see");
    dict_put(d, 2, 5);
    ok(get(&k) == 5, "and the other way round");
    is_stale(&dead, "dropped by the migration");
    for (int64_t i = 100; i < 1100; i++)
        dict_drop(d, i);
    sobj_collect();
    ok(get(&k) == 5, "and after the table has shrunk");
    sobj_dict_pin_drop(k.pin);
    sobj_dict_pin_drop(dead.pin);
    end(d, "moved");
}

/* A pin outlives the dict. */
static void dict_ends(void)
{
    struct sobj_object *d = dict_with(3);
    struct kept k = pin(d, 2), l = pin(d, 2);
    int64_t nodes;

    ok(k.pin == l.pin, "two pins of one key");
    sobj_unref(d);
    sobj_collect();
    nodes = sobj_count(SOBJ_COUNT_NODES);
    sobj_dict_pin_drop(k.pin);
    ok(sobj_count(SOBJ_COUNT_NODES) == nodes, "the node stays for the other pin");
    sobj_dict_pin_drop(l.pin);
    ok(sobj_count(SOBJ_COUNT_NODES) == nodes - 1, "and goes with it");
}

/* ---- places that a walk shows */

static void take_pin(const struct sobj_entry *entry, void *context)
{
    *(struct sobj_dict_pin **)context = sobj_entry_pin(entry);
}

/* Returns: a pin of the last key in the order. */
static struct sobj_dict_pin *pin_last(struct sobj_object *d)
{
    struct sobj_dict_pin *pin = NULL;
    struct sobj_dict_iter it;

    sobj_dict_iter_init_backward(&it, d);
    ok(sobj_dict_iter_next(&it, take_pin, &pin) == SOBJ_OK, "a walk shows an entry");
    sobj_dict_iter_fini(&it);
    return pin;
}

/* What it shows is pinned as a look-up pins it, and nobody gets a place that is. */
static void walks_show_places(void)
{
    struct sobj_object *d = dict_with(3);
    struct sobj_dict_pin *shown = pin_last(d), *again;
    struct kept k = pin(d, 2);
    int64_t nodes;

    ok(shown == k.pin, "the place that a look-up finds");
    sobj_dict_pin_drop(k.pin);
    for (int i = 0; i < 100; i++) {
        dict_drop(d, 2);
        sobj_collect();
        dict_put(d, 2, i);
        again = pin_last(d);
        ok(again != shown, "another place for a key that comes again");
        sobj_dict_pin_drop(again);
    }
    nodes = sobj_count(SOBJ_COUNT_NODES);
    sobj_dict_pin_drop(shown);
    ok(sobj_count(SOBJ_COUNT_NODES) == nodes - 1, "it was there for the pin alone");
    sobj_unref(d);
}

/* ---- clear() */

/* From its first step on nothing shows, and while it runs there are no pins. */
static void clear_by_steps(const char *point)
{
    struct sobj_object *d = dict_with(3);
    struct kept k = pin(d, 2), meanwhile;
    struct job j = {.d = d};
    struct pause p;

    ok(pause_at(&p, point, 0, job_clear, &j), "clear() stops at %s", point);
    is_stale(&k, point);
    meanwhile = pin(d, 2);
    ok(meanwhile.pin == NULL, "no new pin at %s", point);
    pause_end(&p);
    is_stale(&k, "cleared");
    dict_put(d, 2, 4);
    is_stale(&k, "filled again");
    ok(dict_look(d, 2) == 4, "the new value is untouched");
    sobj_dict_pin_drop(k.pin);
    k = pin(d, 2);
    ok(get(&k) == 4 && set(&k, 5) && dict_look(d, 2) == 5, "a new pin works");
    sobj_dict_pin_drop(k.pin);
    end(d, "clear by steps");
}

/* The content that goes with a pin was read before the root. */
static void cleared_while_pinning(void)
{
    struct sobj_object *d = dict_with(3);
    struct kept k = {.d = d, .number = 2};
    struct pause p;

    ok(pause_at(&p, "dict.pin", 0, job_pin, &k), "a look-up stops");
    sobj_dict_clear(d);
    dict_put(d, 2, 8);
    pause_end(&p);
    if (k.pin != NULL) {
        ok(!shows(&k) || get(&k) == 8, "its pin does not show the past");
        sobj_dict_pin_drop(k.pin);
    } else {
        ok(true, "no pin");
    }
    end(d, "cleared while pinning");
}

/* A body that was freed is not read or written: what lies in its nodes is gone. */
static void body_is_freed(void)
{
    struct sobj_object *d = dict_with(3);
    struct kept k = pin(d, 2);

    sobj_dict_clear(d);
    sobj_collect();
    is_stale(&k, "body freed");
    sobj_dict_pin_drop(k.pin);
    end(d, "body freed");
}

/* What has begun before a clear() is before it, and the body lasts as long. */
static void cleared_while_storing(void)
{
    struct sobj_object *d = dict_with(3);
    struct kept k = pin(d, 2);
    struct setting s = {.k = &k, .tag = 9};
    struct pause p;

    ok(pause_at(&p, "dict.pin_set", 0, job_pin_set, &s), "a store stops");
    sobj_dict_clear(d);
    dict_put(d, 2, 4);
    pause_end(&p);
    ok(s.stored && dict_look(d, 2) == 4, "it was before the clear()");

    sobj_dict_pin_drop(k.pin);
    dict_put(d, 2, 6);
    k = pin(d, 2);
    ok(pause_at(&p, "dict.pin_get", 0, job_pin_get, &k), "a reader stops");
    sobj_dict_clear(d);
    dict_put(d, 2, 7);
    pause_end(&p);
    ok(k.tag == 6 && dict_look(d, 2) == 7, "it has read what was before the clear()");
    sobj_dict_pin_drop(k.pin);
    end(d, "cleared while storing");
}

/* ---- stores through pins */

static void stores_collide(void)
{
    struct sobj_object *d = dict_with(3);
    struct kept k = pin(d, 2);
    struct setting s = {.k = &k, .tag = 9};
    struct pause p;

    ok(pause_at(&p, "dict.pin_set", 0, job_pin_set, &s), "a store stops");
    dict_put(d, 2, 12);
    pause_end(&p);
    ok(s.stored && dict_look(d, 2) == 9, "the later one wins, and nothing leaks");

    s.tag = 15;
    ok(pause_at(&p, "dict.pin_set", 0, job_pin_set, &s), "a store stops");
    dict_drop(d, 2);
    pause_end(&p);
    ok(!s.stored && dict_look(d, 2) == -1, "a key that was removed stays so");
    sobj_dict_pin_drop(k.pin);
    end(d, "stores collide");
}

/* ---- increments through pins */

static void increments(void)
{
    struct sobj_object *d = dict_new();
    int64_t sum = 0, most = ((int64_t)1 << 60) - 1;
    struct kept k;

    put_number(d, 2, sobj_from_int(40));
    k = pin(d, 2);
    ok(increment(&k, 2, &sum) == SOBJ_OK && sum == 42 && number(d, 2) == 42, "added");
    ok(increment(&k, 0, &sum) == SOBJ_OK && sum == 42 && number(d, 2) == 42,
       "nothing added");
    put_number(d, 2, sobj_from_int(most));
    ok(increment(&k, 1, &sum) == SOBJ_OVERFLOW && number(d, 2) == most,
       "no immediate any more: nothing is done");
    put_number(d, 2, SOBJ_NONE);
    ok(increment(&k, 1, &sum) == SOBJ_BAD_OPERAND, "no number");
    dict_put(d, 2, 3);
    ok(increment(&k, 1, &sum) == SOBJ_BAD_OPERAND && dict_look(d, 2) == 3, "a blob");
    put_number(d, 2, sobj_from_int(7));
    sobj_or_seq_cst(&d->mode, SOBJ__FROZEN); /* SeqCst: as whoever freezes does. */
    ok(increment(&k, 1, &sum) == SOBJ_STALE && number(d, 2) == 7, "frozen");
    sobj_and_seq_cst(&d->mode, ~(uint64_t)SOBJ__FROZEN); /* SeqCst: as above. */
    sobj__fork_gate_close();
    ok(increment(&k, 1, &sum) == SOBJ_STALE, "while a process forks");
    sobj__fork_gate_open();
    dict_drop(d, 2);
    ok(increment(&k, 1, &sum) == SOBJ_STALE && number(d, 2) == -1, "removed");
    sobj_dict_pin_drop(k.pin);
    put_number(d, 2, sobj_from_int(1));
    k = pin(d, 2);
    sobj_dict_clear(d);
    put_number(d, 2, sobj_from_int(5));
    ok(increment(&k, 1, &sum) == SOBJ_STALE && number(d, 2) == 5, "cleared");
    sobj_dict_pin_drop(k.pin);
    end(d, "increments");
}

/* Rows: as far as it goes, one after the other. */
static void rows(void)
{
    struct sobj_object *d = dict_new();
    struct sobj_dict_pin *pins[SOBJ_DICT_ROW + 1];
    int64_t most = ((int64_t)1 << 60) - 1;
    struct kept k[3];

    for (int i = 0; i < 3; i++) {
        put_number(d, i, sobj_from_int(10 * i));
        k[i] = pin(d, i);
        pins[i] = k[i].pin;
    }
#define ROW() sobj_dict_pins_increment(d, pins, 3, k[0].content, sobj_from_int(2))
    ok(ROW() == 3 && number(d, 0) == 2 && number(d, 1) == 12 && number(d, 2) == 22,
       "added to each");
    ok(sobj_dict_pins_increment(d, pins, 0, k[0].content, sobj_from_int(2)) == 0,
       "no row");
    put_number(d, 1, SOBJ_NONE);
    ok(ROW() == 1 && number(d, 0) == 4 && number(d, 2) == 22,
       "up to what is no number");
    put_number(d, 1, sobj_from_int(most));
    ok(ROW() == 1 && number(d, 1) == most, "up to what is too large");
    dict_put(d, 1, 3);
    ok(ROW() == 1 && dict_look(d, 1) == 3, "up to a blob");
    dict_drop(d, 1);
    ok(ROW() == 1 && number(d, 1) == -1 && number(d, 2) == 22, "up to a removed key");
    sobj_or_seq_cst(&d->mode, SOBJ__FROZEN); /* SeqCst: as whoever freezes does. */
    ok(ROW() == 0 && number(d, 0) == 10, "frozen: nothing");
    sobj_and_seq_cst(&d->mode, ~(uint64_t)SOBJ__FROZEN); /* SeqCst: as above. */
    sobj__fork_gate_close();
    ok(ROW() == 0 && number(d, 0) == 10, "while a process forks: nothing");
    sobj__fork_gate_open();
    for (int i = 0; i <= SOBJ_DICT_ROW; i++)
        pins[i] = k[0].pin;
    ok(sobj_dict_pins_increment(d, pins, SOBJ_DICT_ROW + 1, k[0].content,
                                sobj_from_int(1)) == SOBJ_DICT_ROW &&
           number(d, 0) == 10 + SOBJ_DICT_ROW,
       "one key over and over, and no longer a row than there may be");
    sobj_dict_clear(d);
    put_number(d, 0, sobj_from_int(5));
    ok(ROW() == 0 && number(d, 0) == 5, "cleared: nothing");
#undef ROW
    for (int i = 0; i < 3; i++)
        sobj_dict_pin_drop(k[i].pin);
    end(d, "rows");
}

static void increments_collide(void)
{
    struct sobj_object *d = dict_new();
    struct setting s = {.stored = false};
    struct kept k;
    struct pause p;

    put_number(d, 2, sobj_from_int(1));
    k = pin(d, 2);
    s.k = &k;
    ok(pause_at(&p, "dict.pin_increment", 0, job_pin_increment, &s), "one stops");
    put_number(d, 2, sobj_from_int(10));
    pause_end(&p);
    ok(s.stored && s.tag == 11 && number(d, 2) == 11, "it adds to the newer value");
    ok(pause_at(&p, "dict.pin_increment", 0, job_pin_increment, &s), "one stops");
    dict_drop(d, 2);
    pause_end(&p);
    ok(!s.stored && number(d, 2) == -1, "a key that was removed stays so");
    sobj_dict_pin_drop(k.pin);

    put_number(d, 1, sobj_from_int(1));
    put_number(d, 2, sobj_from_int(1));
    struct kept first = pin(d, 1);
    k = pin(d, 2);
    s.before = &first;
    ok(pause_at(&p, "dict.pin_increment", 1, job_pins_increment, &s),
       "a row stops at its second key");
    ok(number(d, 1) == 2, "the first is done");
    put_number(d, 2, sobj_from_int(10));
    pause_end(&p);
    ok(s.stored && s.tag == 11, "it adds to the newer value");
    sobj_dict_pin_drop(first.pin);
    sobj_dict_pin_drop(k.pin);
    end(d, "increments collide");
}

/* A caller whose lock guards the pin must not wait at the gate of a fork. */
static void gate_is_closed(void)
{
    struct sobj_object *d = dict_with(3);
    struct kept k = pin(d, 2);

    sobj__fork_gate_close();
    ok(!set(&k, 9) && get(&k) == 3, "nothing is stored while a process forks");
    sobj__fork_gate_open();
    ok(set(&k, 9), "then it is");
    sobj_dict_pin_drop(k.pin);
    end(d, "gate");
}

struct waiting {
    struct sobj_dict_key *key;
    enum sobj_status status;
};

static void *wait_main(void *context)
{
    struct waiting *w = context;

    w->status =
        sobj_dict_wait(w->key, sobj_from_int(1), sobj_clock() + 60000000000, NULL);
    return NULL;
}

struct change {
    const char *name, *point;
    int skip;
    void (*job)(void *);
};

/* Who waits for the key is woken: by a change that has begun before he came, and, with
 * `watched`, by one that begins after that. */
static void waiter_is_woken(bool watched, const struct change *by)
{
    struct sobj_object *d = dict_new();
    struct test_key key;
    struct waiting w;
    pthread_t thread;
    struct pause p;

    sobj_dict_set(d, test_key(&key, 1, false), sobj_from_int(1));
    sobj_dict_set(d, test_key(&key, 2, false), sobj_from_int(1));
    struct kept k = pin(d, 2), before = pin(d, 1);
    struct setting s = {.k = &k, .before = &before, .tag = 1};
    expect(sobj_dict_key_new(d, test_key(&key, 2, false), &w.key) == SOBJ_OK, "key");
    if (!watched)
        ok(pause_at(&p, by->point, by->skip, by->job, &s), "a change stops: %s",
           by->name);
    pthread_create(&thread, NULL, wait_main, &w);
    while ((sobj__mode(d) & SOBJ__WATCHED) == 0)
        sched_yield();
    if (watched)
        by->job(&s);
    else
        pause_end(&p);
    pthread_join(thread, NULL);
    ok(s.stored && w.status == SOBJ_OK, "its waiter is woken: %s", by->name);
    sobj_dict_key_unref(w.key);
    sobj_dict_pin_drop(before.pin);
    sobj_dict_pin_drop(k.pin);
    end(d, "waiter");
}

static void waiters_are_woken(void)
{
    static const struct change changes[] = {
        {"a store", "dict.pin_set", 0, job_pin_set},
        {"an increment", "dict.pin_increment", 0, job_pin_increment},
        {"a row", "dict.pin_increment", 1, job_pins_increment},
    };

    for (int i = 0; i < 3; i++) {
        waiter_is_woken(false, &changes[i]);
        waiter_is_woken(true, &changes[i]);
    }
}

/* ---- a crowd: each key counts upwards, whatever else happens to it */

#define CROWD_KEYS 16

struct crowd {
    struct sobj_object *d;
    _Atomic(int64_t) next[CROWD_KEYS];
};

/* Member 0 stores growing numbers, removes and clears; the others never see one fall. */
static void crowd_work(struct member *m)
{
    struct crowd *c = m->shared;
    struct kept kept[CROWD_KEYS] = {{0}};
    int64_t last[CROWD_KEYS] = {0};

    while (crew_running(m)) {
        int64_t n = (int64_t)rng_below(&m->rng, CROWD_KEYS), tag = -1;
        struct kept *k = &kept[n];
        if (k->pin == NULL)
            *k = pin(c->d, n);
        if (m->index == 0) {
            int64_t next = sobj_add_seq_cst(&c->next[n], 1) + 1;
            if (k->pin == NULL || !set(k, next))
                dict_put(c->d, n, next);
            if (rng_below(&m->rng, 8) == 0)
                dict_drop(c->d, (int64_t)rng_below(&m->rng, CROWD_KEYS));
            if (rng_below(&m->rng, 200) == 0)
                sobj_dict_clear(c->d);
        } else if (k->pin != NULL) {
            sobj_cell cell = look(k);
            if (sobj_dict_pin_shows(cell) && sobj_is_int(cell))
                test_parse(cell, &k->tag, &tag);
            else
                tag = get(k);
            expect(tag == -1 || tag >= last[n], "%lld after %lld", (long long)tag,
                   (long long)last[n]);
            expect(tag <= sobj_load_seq_cst(&c->next[n]), "from the future");
            if (tag != -1)
                last[n] = tag;
        }
        if (k->pin != NULL && !shows(k)) {
            sobj_dict_pin_drop(k->pin);
            k->pin = NULL;
        }
    }
    for (int i = 0; i < CROWD_KEYS; i++)
        if (kept[i].pin != NULL)
            sobj_dict_pin_drop(kept[i].pin);
}

static void crowd(void)
{
    struct crowd c = {.d = dict_with(CROWD_KEYS)};

    for (int i = 0; i < CROWD_KEYS; i++)
        sobj_store_seq_cst(&c.next[i], i + 1);
    yield_every(7);
    crew_run(3, 5, 300, crowd_work, &c);
    yield_every(0);
    ok(tap_failures() == 0, "no value was seen to fall");
    end(c.d, "crowd");
}

int main(void)
{
    struct balance b;

    tap_begin();
    b = balance_begin();
    values_come_and_go();
    key_comes_again();
    table_is_moved();
    dict_ends();
    walks_show_places();
    clear_by_steps("dict.clearing");
    clear_by_steps("dict.clear");
    clear_by_steps("dict.cleared");
    cleared_while_pinning();
    body_is_freed();
    cleared_while_storing();
    stores_collide();
    increments();
    rows();
    increments_collide();
    gate_is_closed();
    waiters_are_woken();
    crowd();
    balance_check(&b, "pins");
    return tap_end();
}
