/* SPDX-License-Identifier: MIT */
/* Single flight: who makes the value, who gets it, and who is next when it fails. */
#include "riders.h"

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

/* The wait of a passenger ends, and then its flight, without a value for it: the wait has
 * ended all the same (a signal would otherwise be slept through). */
static void test_end_of_wait_counts(void)
{
    struct sobj_object *d = dict_new();
    struct landing l = {.r = rider_for(d, 8)};
    struct rider late = rider_for(d, 8);
    struct pause p, q;

    late.deadline = sobj_clock() + 1000000;
    expect(pause_at(&p, "flight.land", 0, join_and_land, &l), "landing");
    expect(dict_drop(d, 8), "removed");
    expect(pause_at(&q, "flight.woken", 0, join, &late), "timed out");
    pause_end(&p);
    expect(aboard() == 0, "told to look again");
    pause_end(&q);
    ok(late.status == SOBJ_TIMEOUT && flights() == 0, "the end of a wait counts");
    done(&l.r);
    done(&late);
    end(d, "end of wait");
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
    test_end_of_wait_counts();
    test_earlier_value_wins();
    test_next_in_line();
    test_one_at_a_time();
    test_promoted_and_present();
    test_begun_and_present();
    test_closing_passenger("flight.look", true);
    test_closing_passenger("flight.sleep", true);
    test_closing_passenger("flight.sleep", false);
    balance_check(&b, "flight");
    return tap_end();
}
