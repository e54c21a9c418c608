/* SPDX-License-Identifier: MIT */
/* Single flight: who makes the value, who gets it, and what becomes of flights that fail
 * or lose their owner. */
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "dict_jobs.h"
#include "flight.h"
#include "reclaim.h"
#include "tap.h"

/* ---- threads that join */

struct rider {
    struct sobj_dict_key *k;
    int64_t deadline;
    struct sobj_domain *domain;
    enum sobj_status status;
    struct sobj_flight f;
    _Atomic(int) done, stay; /* stay: until it is 0 the thread lives on */
    pthread_t thread;
};

static struct sobj_dict_key *key_of(struct sobj_object *d, int64_t number)
{
    struct sobj_dict_key *k = NULL;
    struct test_key key;

    expect(sobj_dict_key_new(d, test_key(&key, number, false), &k) == SOBJ_OK, "key");
    return k;
}

static struct rider rider_for(struct sobj_object *d, int64_t number)
{
    return (struct rider){.k = key_of(d, number), .deadline = SOBJ_FOREVER};
}

static void join(void *context)
{
    struct rider *r = context;

    r->status = sobj_flight_join(r->k, r->deadline, r->domain, &r->f);
}

static enum sobj_status land(struct rider *r, int64_t number, int64_t tag,
                             sobj_cell *present)
{
    struct test_key key;

    return sobj_flight_land(r->k, r->f.number, test_key(&key, number, false),
                            test_value(number, tag), present);
}

/* Returns: the tag of the value that came, whose reference goes; -1: none came. */
static int64_t got(struct rider *r)
{
    int64_t number, tag;

    if (r->status != SOBJ_OK)
        return -1;
    test_parse(r->f.value, &number, &tag);
    sobj_cell_unref(r->f.value);
    return tag;
}

/* Returns: the number of flights, and of passengers aboard all of them. */
static void count(int *flights, int *passengers)
{
    *flights = *passengers = 0;
    sobj__write_begin();
    sobj__lock_acquire(&sobj__flights.lock);
    for (uint32_t i = 0; i < SOBJ__FLIGHT_BUCKETS; i++) {
        for (struct sobj__flight *f = sobj__flights.buckets[i]; f; f = f->next) {
            ++*flights;
            for (struct sobj__passenger *p = f->head; p; p = p->next)
                *passengers += p->flight == f && p->thread->waits == p;
        }
    }
    sobj__lock_release(&sobj__flights.lock);
    sobj__write_end();
}

static int flights(void)
{
    int f, p;

    count(&f, &p);
    return f;
}

static int aboard(void)
{
    int f, p;

    count(&f, &p);
    return p;
}

static void *ride_main(void *context)
{
    struct rider *r = context;

    join(r);
    sobj_store_seq_cst(&r->done, 1);
    while (sobj_load_seq_cst(&r->stay))
        sched_yield();
    return NULL;
}

static void leave(struct rider *r)
{
    sobj_store_seq_cst(&r->stay, 0);
    pthread_join(r->thread, NULL);
}

/* Starts a thread that joins and then ends (unless it stays), its flights with it. */
static void ride(struct rider *r, int passengers)
{
    expect(pthread_create(&r->thread, NULL, ride_main, r) == 0, "thread");
    while (aboard() != passengers)
        sched_yield();
}

/* Begins a flight in this thread. */
static struct rider own(struct sobj_object *d, int64_t number)
{
    struct rider r = rider_for(d, number);

    join(&r);
    expect(r.status == SOBJ_NOT_FOUND, "own: %s", sobj_status_str(r.status));
    return r;
}

static void done(struct rider *r) { sobj_dict_key_unref(r->k); }

/* ---- the simple life of a flight */

static void test_alone(void)
{
    struct sobj_object *d = dict_with(4);
    struct rider r = own(d, 8), again = rider_for(d, 8);
    sobj_cell present;

    ok(flights() == 1 && sobj_dict_len(d) == 4 && dict_look(d, 8) == -1 &&
           dict_shown(d, 8) == 0,
       "a flight is invisible");
    ok(land(&r, 8, 3, &present) == SOBJ_OK && flights() == 0 && dict_look(d, 8) == 3,
       "landed");
    join(&again);
    ok(got(&again) == 3 && flights() == 0, "the key is there");
    dict_drop(d, 8);
    join(&again);
    ok(again.status == SOBJ_NOT_FOUND, "the key is gone: another flight");
    sobj_flight_fail(again.k, again.f.number);
    ok(flights() == 0 && dict_look(d, 8) == -1, "failed, and nothing has changed");
    done(&r);
    done(&again);
    end(d, "alone");
}

static void test_keys_apart(void)
{
    struct sobj_object *d = dict_new(), *e = dict_new();
    struct rider a = own(d, 8), b = own(e, 8), c = own(d, 9);
    struct test_key key;
    struct rider twin = {.deadline = 0};
    sobj_cell present;

    test_key(&key, 12, false); /* of one kind with 8, and now with its hash */
    key.key.hash = sobj_hash_word(8);
    expect(sobj_dict_key_new(d, &key.key, &twin.k) == SOBJ_OK, "key");
    join(&twin);
    ok(twin.status == SOBJ_NOT_FOUND && flights() == 4,
       "one flight for each key of each dict");
    sobj_flight_fail(twin.k, twin.f.number);
    expect(land(&b, 8, 1, &present) == SOBJ_OK, "land");
    ok(dict_look(d, 8) == -1 && dict_look(e, 8) == 1, "each lands in its own");
    sobj_flight_fail(a.k, a.f.number + 1000);
    ok(flights() == 2, "a number that is not known ends nothing");
    expect(land(&a, 8, 2, &present) == SOBJ_OK, "land");
    expect(land(&c, 9, 2, &present) == SOBJ_OK, "land");
    done(&a);
    done(&b);
    done(&c);
    done(&twin);
    end(d, "keys apart");
    end(e, "keys apart");
}

/* ---- with passengers */

#define MANY 70 /* more than two batches of wake-ups */

static void test_value_for_all(void)
{
    static struct rider w[MANY];
    struct sobj_object *d = dict_new();
    struct rider r = own(d, 8);
    sobj_cell present;
    int values = 0;

    for (int i = 0; i < MANY; i++) {
        w[i] = rider_for(d, 8);
        ride(&w[i], i + 1);
    }
    expect(land(&r, 8, 3, &present) == SOBJ_OK, "land");
    for (int i = 0; i < MANY; i++) {
        pthread_join(w[i].thread, NULL);
        values += got(&w[i]) == 3;
        done(&w[i]);
    }
    ok(values == MANY && flights() == 0, "%d passengers get the value", values);
    done(&r);
    end(d, "for all");
}

/* Passengers that have not looked yet when the value comes and goes get it all the same:
 * 40 of them stand before their look. */
static void test_value_removed_at_once(void)
{
    enum { N = 40 };
    static struct rider w[N];
    static struct pause p[N];
    struct sobj_object *d = dict_new();
    struct rider r = own(d, 8);
    sobj_cell present;
    int values = 0;

    for (int i = 0; i < N; i++) {
        w[i] = rider_for(d, 8);
        expect(pause_at(&p[i], "flight.look", 0, join, &w[i]), "aboard");
    }
    expect(land(&r, 8, 3, &present) == SOBJ_OK && dict_drop(d, 8), "come and gone");
    for (int i = 0; i < N; i++) {
        pause_end(&p[i]);
        values += got(&w[i]) == 3;
        done(&w[i]);
    }
    ok(values == N && flights() == 0, "a value that is removed at once reaches %d",
       values);
    done(&r);
    end(d, "at once");
}

struct landing {
    struct rider r;
    enum sobj_status status;
};

static void join_and_land(void *context)
{
    struct landing *l = context;
    sobj_cell present;

    join(&l->r);
    expect(l->r.status == SOBJ_NOT_FOUND, "begin");
    l->status = land(&l->r, 8, 3, &present);
}

/* Who comes after the removal, while the flight is still landing, does not get the value
 * that was removed before. */
static void test_late_passenger(void)
{
    struct sobj_object *d = dict_new();
    struct landing l = {.r = rider_for(d, 8)};
    struct rider late = rider_for(d, 8);
    struct pause p;
    sobj_cell present;

    expect(pause_at(&p, "flight.land", 0, join_and_land, &l), "landing");
    expect(dict_look(d, 8) == 3 && dict_drop(d, 8), "visible, and removed");
    ride(&late, 1);
    pause_end(&p);
    pthread_join(late.thread, NULL);
    ok(l.status == SOBJ_OK && late.status == SOBJ_NOT_FOUND,
       "who came late makes a value anew");
    expect(land(&late, 8, 6, &present) == SOBJ_OK && dict_look(d, 8) == 6,
           "which stays");
    ok(flights() == 0, "no flight is left"); /* the thread that began it has ended */
    done(&l.r);
    done(&late);
    end(d, "late");
}

static void test_earlier_value_wins(void)
{
    struct sobj_object *d = dict_new();
    struct rider r = own(d, 8), w = rider_for(d, 8), x = rider_for(d, 8);
    sobj_cell present = 0;
    int64_t number, tag;
    struct pause p;

    ride(&w, 1);
    dict_put(d, 8, 6);
    pthread_join(w.thread, NULL);
    ok(got(&w) == 6 && flights() == 1 && aboard() == 0,
       "a passenger gets what somebody stores");
    dict_drop(d, 8);
    expect(pause_at(&p, "flight.look", 0, join, &x), "aboard");
    dict_put(d, 8, 9);
    expect(land(&r, 8, 3, &present) == SOBJ_EXISTS, "exists");
    test_parse(present, &number, &tag);
    sobj_cell_unref(present);
    dict_drop(d, 8);
    pause_end(&p);
    ok(tag == 9 && got(&x) == 9, "the owner and its passengers get the one before");
    done(&r);
    done(&w);
    done(&x);
    end(d, "earlier");
}

/* ---- failing */

static void test_next_in_line(void)
{
    enum { N = 5 };
    struct sobj_object *d = dict_new();
    struct rider r = own(d, 8), w[N];
    sobj_cell present;

    for (int i = 0; i < N; i++) {
        w[i] = rider_for(d, 8);
        ride(&w[i], i + 1);
    }
    sobj_flight_fail(r.k, r.f.number);
    for (int i = 0; i < N; i++) {
        /* Its thread ends with the flight; that is a failure too. */
        pthread_join(w[i].thread, NULL);
        expect(w[i].status == SOBJ_NOT_FOUND, "rider %d: %s", i,
               sobj_status_str(w[i].status));
    }
    ok(flights() == 0, "thread after thread fails, in order");
    ok(land(&r, 8, 1, &present) == SOBJ_OK, "an old number still stores");
    done(&r);
    for (int i = 0; i < N; i++)
        done(&w[i]);
    end(d, "next in line");
}

/* The first of three becomes the owner, and stays it; nobody else is woken. */
static void test_one_at_a_time(void)
{
    struct sobj_object *d = dict_new();
    struct rider r = own(d, 8), w[3];
    sobj_cell present;

    for (int i = 0; i < 3; i++) {
        w[i] = rider_for(d, 8);
        w[i].stay = i == 0;
        ride(&w[i], i + 1);
    }
    sobj_flight_fail(r.k, r.f.number);
    ok(flights() == 1 && aboard() == 2, "exactly one is promoted");
    while (!sobj_load_seq_cst(&w[0].done))
        sched_yield();
    ok(w[0].status == SOBJ_NOT_FOUND && aboard() == 2, "the one who waited longest");
    sobj_flight_fail(r.k, r.f.number);
    ok(flights() == 1 && aboard() == 2, "the old number ends nothing");
    ok(land(&r, 8, 6, &present) == SOBJ_OK, "the old owner has no part in it");
    for (int i = 1; i < 3; i++) {
        pthread_join(w[i].thread, NULL);
        expect(got(&w[i]) == 6, "the key was there");
    }
    ok(flights() == 1, "the flight goes on");
    leave(&w[0]);
    ok(flights() == 0, "until its thread ends");
    for (int i = 0; i < 3; i++)
        done(&w[i]);
    done(&r);
    end(d, "one at a time");
}

/* A new owner finds the key there: nobody makes a value. */
static void test_promoted_and_present(void)
{
    struct sobj_object *d = dict_new();
    struct rider r = own(d, 8), w = rider_for(d, 8), x = rider_for(d, 8);
    struct pause p;

    expect(pause_at(&p, "flight.sleep", 0, join, &w), "aboard");
    ride(&x, 2);
    sobj_flight_fail(r.k, r.f.number);
    dict_put(d, 8, 3);
    pthread_join(x.thread, NULL);
    pause_end(&p);
    ok(got(&w) == 3 && got(&x) == 3 && flights() == 0,
       "a promoted thread looks before it makes a value");
    done(&r);
    done(&w);
    done(&x);
    end(d, "promoted and present");
}

/* Between the look of one thread and its beginning another flight comes and goes. */
static void test_begun_and_present(void)
{
    struct sobj_object *d = dict_new();
    struct rider w = rider_for(d, 8), x = rider_for(d, 8);
    struct pause p;

    expect(pause_at(&p, "flight.begin", 0, join, &w), "begun");
    ride(&x, 1);
    dict_put(d, 8, 3);
    pthread_join(x.thread, NULL);
    pause_end(&p);
    ok(got(&w) == 3 && got(&x) == 3 && flights() == 0,
       "a new flight looks before it makes a value");
    done(&w);
    done(&x);
    end(d, "begun and present");
}

static void join_and_stay(void *context) { ride_main(context); }

/* A passenger gets the flight and leaves because its domain closes: it hands it on at
 * once, not when its thread ends. */
static void test_closing_passenger(const char *point, bool close_first)
{
    struct sobj_object *d = dict_new();
    struct rider r = own(d, 8), w = rider_for(d, 8), x = rider_for(d, 8);
    struct pause p;

    w.domain = sobj_domain_new(1);
    w.stay = x.stay = 1;
    expect(pause_at(&p, point, 0, join_and_stay, &w), "aboard");
    ride(&x, 2);
    if (close_first)
        sobj_domain_close(w.domain);
    sobj_flight_fail(r.k, r.f.number);
    sobj_domain_close(w.domain);
    sem_post(&p.go);
    while (!sobj_load_seq_cst(&w.done) || !sobj_load_seq_cst(&x.done))
        sched_yield();
    ok(w.status == SOBJ_CLOSING && x.status == SOBJ_NOT_FOUND && flights() == 1 &&
           aboard() == 0,
       "%s, %s: the next one gets the flight", point,
       close_first ? "closed before" : "closed after");
    sobj_store_seq_cst(&w.stay, 0);
    pause_end(&p);
    leave(&x);
    sobj_domain_free(w.domain);
    done(&r);
    done(&w);
    done(&x);
    end(d, "closing passenger");
}

/* ---- owners that vanish */

static void test_thread_ends(void)
{
    struct sobj_object *d = dict_new();
    struct rider r = rider_for(d, 8), other = rider_for(d, 9), w = rider_for(d, 8);

    r.stay = other.stay = w.stay = 1;
    ride(&r, 0);
    ride(&other, 0);
    while (flights() != 2)
        sched_yield();
    ride(&w, 1);
    leave(&r);
    while (!sobj_load_seq_cst(&w.done))
        sched_yield();
    ok(w.status == SOBJ_NOT_FOUND && flights() == 2,
       "a thread ends: its flight goes to the next one, others stay");
    leave(&w);
    leave(&other);
    ok(flights() == 0, "with nobody aboard a flight goes with its thread");
    done(&r);
    done(&other);
    done(&w);
    end(d, "thread ends");
}

static void test_domain_ends(bool abandoned)
{
    struct sobj_object *d = dict_new();
    struct sobj_domain *one = sobj_domain_new(1), *two = sobj_domain_new(2);
    struct rider r = rider_for(d, 8), other = rider_for(d, 9), w = rider_for(d, 8);
    sobj_cell present;

    r.domain = one;
    other.domain = w.domain = two;
    w.stay = 1;
    join(&r);
    join(&other);
    ride(&w, 1);
    sobj_domain_close(one);
    ok(flights() == 2 && aboard() == 1,
       "closing ends no flight: its thread may run on");
    if (abandoned)
        sobj_domain_abandon(one);
    else
        sobj_domain_free(one);
    while (!sobj_load_seq_cst(&w.done))
        sched_yield();
    ok(w.status == SOBJ_NOT_FOUND && flights() == 2,
       "a domain %s: its flight goes to the next one, others stay",
       abandoned ? "is abandoned" : "ends");
    ok(land(&r, 8, 2, &present) == SOBJ_OK && flights() == 2 && dict_look(d, 8) == 2,
       "an owner that lives on just stores");
    sobj_flight_fail(other.k, other.f.number);
    leave(&w);
    ok(flights() == 0, "no flight is left");
    if (abandoned)
        sobj_domain_free(one);
    sobj_domain_free(two);
    done(&r);
    done(&other);
    done(&w);
    end(d, "domain ends");
}

/* ---- waiting for oneself */

static void test_self(void)
{
    struct sobj_object *d = dict_new();
    struct rider r = own(d, 8), again = rider_for(d, 8);

    join(&again);
    ok(again.status == SOBJ_DEADLOCK && again.f.ring_length == 1 && flights() == 1,
       "the same key in the same thread");
    sobj_flight_ring_unref(&again.f);
    again.deadline = 0;
    join(&again);
    ok(again.status == SOBJ_DEADLOCK, "also for one who would not wait");
    sobj_flight_ring_unref(&again.f);
    sobj_flight_fail(r.k, r.f.number);
    done(&again);
    done(&r);
    end(d, "self");
}

/* Threads 1 to n - 1 own a key each and wait for the key of the one before; key 0 is
 * ours, and we ask for the last one's. */
struct chained {
    struct rider mine, next;
};

static void *chain_main(void *context)
{
    struct chained *c = context;

    join(&c->mine);
    expect(c->mine.status == SOBJ_NOT_FOUND, "begin");
    join(&c->next);
    sobj_flight_fail(c->mine.k, c->mine.f.number);
    return NULL;
}

static void note_number(const struct sobj_entry *e, void *context)
{
    *(int64_t *)context = entry_number(e);
}

static void test_ring(int n)
{
    static struct chained c[20];
    struct sobj_object *d = dict_new();
    struct rider first = own(d, 0), last = rider_for(d, n - 1);
    sobj_cell present;
    int right = 0;

    for (int i = 1; i < n; i++) {
        c[i] = (struct chained){rider_for(d, i), rider_for(d, i - 1)};
        expect(pthread_create(&c[i].mine.thread, NULL, chain_main, &c[i]) == 0, "go");
        while (aboard() != i)
            sched_yield();
    }
    join(&last);
    for (int i = 0; i < n && i < SOBJ_FLIGHT_RING; i++) {
        int64_t number = -1;
        sobj_dict_key_show(last.f.ring[i], note_number, &number);
        right += number == n - 1 - i;
    }
    ok(last.status == SOBJ_DEADLOCK && last.f.ring_length == (uint32_t)n &&
           right == (n < SOBJ_FLIGHT_RING ? n : SOBJ_FLIGHT_RING),
       "a ring of %d", n);
    sobj_flight_ring_unref(&last.f);
    expect(land(&first, 0, 1, &present) == SOBJ_OK, "land");
    for (int i = 1; i < n; i++) {
        pthread_join(c[i].mine.thread, NULL);
        expect(c[i].next.status == (i == 1 ? SOBJ_OK : SOBJ_NOT_FOUND), "thread %d: %s",
               i, sobj_status_str(c[i].next.status));
        if (i == 1)
            got(&c[i].next);
        else
            sobj_flight_fail(c[i].next.k, c[i].next.f.number);
        done(&c[i].mine);
        done(&c[i].next);
    }
    ok(flights() == 0, "all get on when the first one lands");
    done(&first);
    done(&last);
    end(d, "ring");
}

/* A thread that has waited and waits no more closes no ring. */
static void test_no_ring(void)
{
    struct sobj_object *d = dict_new();
    struct rider a = own(d, 8), w = rider_for(d, 8), mine;
    struct rider ask = rider_for(d, 9);
    sobj_cell present;
    struct chained c = {rider_for(d, 9), rider_for(d, 8)};

    c.next.deadline = sobj_clock() + 1000000;
    w.stay = 1;
    pthread_create(&c.mine.thread, NULL, chain_main, &c);
    pthread_join(c.mine.thread, NULL);
    ok(c.next.status == SOBJ_TIMEOUT && aboard() == 0, "one gave up");
    w.k = (sobj_dict_key_unref(w.k), key_of(d, 9));
    ride(&w, 0);
    while (flights() != 2)
        sched_yield();
    ask.deadline = sobj_clock() + 1000000;
    join(&ask);
    ok(ask.status == SOBJ_TIMEOUT, "an owner that waits for nobody can be waited for");
    mine = own(d, 10);
    ok(flights() == 3, "one thread may own several flights");
    sobj_flight_fail(mine.k, mine.f.number);
    expect(land(&a, 8, 1, &present) == SOBJ_OK, "land");
    leave(&w);
    done(&a);
    done(&w);
    done(&mine);
    done(&ask);
    done(&c.mine);
    done(&c.next);
    end(d, "no ring");
}

/* ---- ends of waits, frozen dicts, memory */

static void test_ends(void)
{
    struct sobj_object *d = dict_new();
    struct rider r = rider_for(d, 8), w = rider_for(d, 8);
    sobj_cell present;

    r.stay = 1;
    ride(&r, 0);
    while (!sobj_load_seq_cst(&r.done))
        sched_yield();
    w.deadline = 0;
    join(&w);
    ok(w.status == SOBJ_TIMEOUT && aboard() == 0, "without waiting");
    w.deadline = sobj_clock() + 1000000;
    join(&w);
    ok(w.status == SOBJ_TIMEOUT && aboard() == 0 && flights() == 1, "timeout");
    w.deadline = SOBJ_FOREVER;
    w.domain = sobj_domain_new(1);
    sobj_domain_close(w.domain);
    join(&w);
    ok(w.status == SOBJ_CLOSING && aboard() == 0, "a closed domain");
    sobj_domain_free(w.domain);
    w.domain = NULL;
    expect(land(&r, 8, 1, &present) == SOBJ_OK, "land from another thread");
    leave(&r);
    dict_drop(d, 8);
    sobj_or_seq_cst(&d->mode, SOBJ__FROZEN);
    join(&w);
    ok(w.status == SOBJ_FROZEN && flights() == 0, "nothing is made for a frozen dict");
    done(&r);
    done(&w);
    end(d, "ends");
}

static void test_frozen_meanwhile(void)
{
    struct sobj_object *d = dict_new();
    struct rider r = own(d, 8), w = rider_for(d, 8), x = rider_for(d, 8);
    sobj_cell present;

    ride(&w, 1);
    ride(&x, 2);
    sobj_or_seq_cst(&d->mode, SOBJ__FROZEN);
    ok(land(&r, 8, 3, &present) == SOBJ_FROZEN, "a flight that cannot land");
    pthread_join(w.thread, NULL);
    pthread_join(x.thread, NULL);
    ok(w.status == SOBJ_FROZEN && x.status == SOBJ_FROZEN && flights() == 0,
       "all are told");
    done(&r);
    done(&w);
    done(&x);
    end(d, "frozen meanwhile");
}

static void fly_through(void *context)
{
    struct sobj_object *d = NULL;
    struct rider r = {.deadline = 0};
    struct test_key key;
    sobj_cell present, value;

    (void)context;
    if (sobj_dict_new(0, &d) != SOBJ_OK)
        return;
    if (sobj_dict_key_new(d, test_key(&key, 8, false), &r.k) == SOBJ_OK) {
        join(&r);
        expect(r.status == SOBJ_NOT_FOUND || r.status == SOBJ_NO_MEMORY, "join");
        value = r.status == SOBJ_NOT_FOUND ? test_value(8, 3) : 0;
        if (value != 0) {
            enum sobj_status status =
                sobj_flight_land(r.k, r.f.number, &key.key, value, &present);
            expect(status == SOBJ_OK || status == SOBJ_NO_MEMORY, "land");
            expect(dict_look(d, 8) == (status == SOBJ_OK ? 3 : -1), "all or nothing");
        } else if (r.status == SOBJ_NOT_FOUND) {
            sobj_flight_fail(r.k, r.f.number);
        }
        done(&r);
    }
    expect(flights() == 0, "no flight is left");
    sobj_unref(d);
}

/* The passenger's own allocation (of the dict's lists) fails: it leaves. */
static void *poor_main(void *context)
{
    struct rider *r = context;

    sobj_fail_allocation(0);
    join(r);
    sobj_fail_allocation(-1);
    return NULL;
}

static void test_poor_passenger(void)
{
    struct sobj_object *d = dict_new();
    struct rider r = own(d, 8), w = rider_for(d, 8);
    sobj_cell present;

    pthread_create(&w.thread, NULL, poor_main, &w);
    pthread_join(w.thread, NULL);
    ok(w.status == SOBJ_NO_MEMORY && aboard() == 0 && flights() == 1,
       "a passenger without memory leaves");
    expect(land(&r, 8, 3, &present) == SOBJ_OK, "land");
    done(&r);
    done(&w);
    end(d, "poor");
}

/* ---- fork */

static void in_child(struct sobj_object *d, struct rider *mine)
{
    struct rider theirs = rider_for(d, 9), self = rider_for(d, 8);
    sobj_cell present;

    expect(flights() == 1 && aboard() == 0, "only our own flight goes on");
    join(&theirs);
    expect(theirs.status == SOBJ_NOT_FOUND, "that of a vanished thread is dead");
    expect(land(&theirs, 9, 2, &present) == SOBJ_OK, "ours lands");
    join(&self);
    expect(self.status == SOBJ_DEADLOCK, "our own is still ours");
    sobj_flight_ring_unref(&self.f);
    expect(land(mine, 8, 1, &present) == SOBJ_OK, "and lands");
    expect(flights() == 0 && dict_look(d, 8) == 1 && dict_look(d, 9) == 2, "both");
    done(&theirs);
    done(&self);
}

static void test_fork(void)
{
    struct sobj_object *d = dict_new();
    struct rider mine = own(d, 8), theirs = rider_for(d, 9), w = rider_for(d, 8);
    int before = tap_failures(), status = -1;
    sobj_cell present;

    theirs.stay = 1;
    ride(&theirs, 0);
    while (flights() != 2)
        sched_yield();
    ride(&w, 1);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        in_child(d, &mine);
        _exit(tap_failures() != before);
    }
    waitpid(pid, &status, 0);
    ok(status == 0 && flights() == 2 && aboard() == 1, "in the child: %x", status);
    expect(land(&mine, 8, 3, &present) == SOBJ_OK, "land");
    pthread_join(w.thread, NULL);
    ok(got(&w) == 3, "in the parent nothing has happened");
    leave(&theirs);
    done(&mine);
    done(&theirs);
    done(&w);
    end(d, "fork");
}

int main(void)
{
    struct balance b;

    tap_begin();
    b = balance_begin();
    test_alone();
    test_keys_apart();
    test_value_for_all();
    test_value_removed_at_once();
    test_late_passenger();
    test_earlier_value_wins();
    test_next_in_line();
    test_one_at_a_time();
    test_promoted_and_present();
    test_begun_and_present();
    test_closing_passenger("flight.look", true);
    test_closing_passenger("flight.sleep", true);
    test_closing_passenger("flight.sleep", false);
    test_thread_ends();
    test_domain_ends(false);
    test_domain_ends(true);
    test_self();
    test_ring(2);
    test_ring(3);
    test_ring(12);
    test_no_ring();
    test_ends();
    test_frozen_meanwhile();
    ok(fault_walk("flight", fly_through, NULL, NULL) > 0, "allocations can fail");
    test_poor_passenger();
    test_fork();
    balance_check(&b, "flight");
    return tap_end();
}
