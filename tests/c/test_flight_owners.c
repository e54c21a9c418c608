/* SPDX-License-Identifier: MIT */
/* Single flight: owners that vanish, threads that would wait for themselves, the ends of
 * waits, lack of memory, fork. */
#include <sys/wait.h>
#include <unistd.h>

#include "riders.h"

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
        alarm(HANG_SECONDS);
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
    balance_check(&b, "flight owners");
    return tap_end();
}
