/* SPDX-License-Identifier: MIT */
/* Waiting for keys, and single flight, under load: THREADS SECONDS SEED.
 *
 * First a token goes round a ring of threads, each of which sleeps until its key gets
 * the number of the round; a wake-up that is lost stops it. It is passed on in every way
 * there is to change a key, while one more thread makes the table grow and shrink and
 * waits for keys in the same lists.
 *
 * Then all threads ask for some keys that are made, stored by others, removed and
 * cleared; owners land, fail or vanish with their thread, ask for further keys on the
 * way, and domains close. A passenger that nobody serves waits for ever, which shows as
 * a timeout.
 */
#include <stdlib.h>

#include "crew.h"
#include "dict_jobs.h"
#include "flight.h"
#include "tap.h"

#define LONG_TIME ((int64_t)HANG_SECONDS * 1000000000)

/* ---- a token in a ring */

struct ring {
    struct sobj_object *d;
    _Atomic(bool) over;
    _Atomic(int64_t) rounds, noise;
};

/* Makes `round` the value of a key that has an earlier one or none; one of the steps may
 * be that it goes away before. Nobody else changes it until all is over. */
static void pass_on(struct rng *rng, struct ring *r, int64_t number, int64_t round)
{
    struct sobj_object *d = r->d;
    enum sobj_status status = SOBJ_OK;
    struct test_key k;
    const struct sobj_key *key = test_key(&k, number, false);
    sobj_cell value = sobj_from_int(round), before = SOBJ_MISSING, sum;
    struct sobj_out out = {.take = sobj_out_ref};

    if (rng_below(rng, 4) == 0)
        sobj_dict_remove(d, key, NULL);
    else if (rng_below(rng, 100) == 0)
        sobj_dict_clear(d);
    if (sobj_dict_get(d, key, &out) == SOBJ_OK)
        before = out.cell;
    switch (rng_below(rng, 4)) {
    case 0:
        status = sobj_dict_set(d, key, value);
        break;
    case 1:
        sobj_dict_exchange(d, key, value, NULL);
        break;
    case 2:
        status = sobj_dict_compare_and_set(d, key, before, value);
        break;
    default:
        if (before == SOBJ_MISSING && rng_below(rng, 2)) {
            status = sobj_dict_add(d, key, value, NULL);
            break;
        }
        if (before != SOBJ_MISSING)
            round -= sobj_to_int(before);
        status =
            sobj_dict_increment(d, key, sobj_from_int(round), sobj_from_int(0), &sum);
        break;
    }
    /* Who ends the game sets `over`, then stores to every key. */
    expect(status == SOBJ_OK || sobj_load_seq_cst(&r->over), "key %lld: %s",
           (long long)number, sobj_status_str(status));
}

/* Waits until the key has the number of the round. Returns: false when all is over. */
static bool await_round(struct ring *r, struct sobj_dict_key *k, int64_t round)
{
    sobj_cell seen = SOBJ_MISSING;

    while (sobj__dict_key_look(k, &seen) ? seen != sobj_from_int(round)
                                         : (seen = SOBJ_MISSING, true)) {
        /* Between the look and the wait: what ends all waits is stored after `over`. */
        if (sobj_load_seq_cst(&r->over))
            return false;
        enum sobj_status status =
            sobj_dict_wait(k, seen, sobj_clock() + LONG_TIME, NULL);
        expect(status == SOBJ_OK, "round %lld: %s", (long long)round,
               sobj_status_str(status));
        if (status != SOBJ_OK)
            return false;
    }
    return true;
}

/* Other keys: the table moves, the lists are used by others too. */
static void disturb(struct member *m, struct ring *r)
{
    while (!sobj_load_seq_cst(&r->over)) {
        int64_t base = 1000 + (int64_t)rng_below(&m->rng, 1000), i;
        struct sobj_dict_key *k = key_of(r->d, base);
        for (i = base; i < base + 60; i++)
            dict_put(r->d, i, 1);
        expect(sobj_dict_wait(k, SOBJ_MISSING, 1, NULL) == SOBJ_OK ||
                   dict_look(r->d, base) == -1,
               "a key that is there");
        for (i = base; i < base + 60; i++)
            dict_drop(r->d, i);
        sobj_dict_wait(k, SOBJ_MISSING, sobj_clock() + 20000, NULL);
        sobj_dict_key_unref(k);
        sobj_add_seq_cst(&r->noise, 1);
    }
}

static void go_round(struct member *m)
{
    struct ring *r = m->shared;
    unsigned n = m->count - 1;

    if (m->index == n) {
        disturb(m, r);
        return;
    }
    struct sobj_dict_key *k = key_of(r->d, m->index);
    for (int64_t round = m->index == 0 ? 0 : 1; crew_running(m); round++) {
        if ((m->index != 0 || round != 0) && !await_round(r, k, round))
            break;
        bool last = m->index == n - 1;
        pass_on(&m->rng, r, last ? 0 : m->index + 1, round + (m->index == 0));
        sobj_add_seq_cst(&r->rounds, 1);
    }
    sobj_store_seq_cst(&r->over, true);
    for (unsigned i = 0; i < n; i++) /* whoever still waits */
        dict_put(r->d, i, -1);
    sobj_dict_key_unref(k);
}

static void test_ring(struct torture *t, int number)
{
    struct ring r = {.d = dict_new()};
    int before = tap_failures();

    yield_every(number % 2 ? 10 : 0);
    crew_run(t->threads + 1, t->seed + (uint64_t)number, t->milliseconds / 4, go_round,
             &r);
    yield_every(0);
    expect(!(sobj__mode(r.d) & SOBJ__WATCHED), "nobody waits any more");
    ok(tap_failures() == before && sobj_load_seq_cst(&r.rounds) > 0,
       "the token was passed on %lld times, disturbed %lld times",
       (long long)sobj_load_seq_cst(&r.rounds), (long long)sobj_load_seq_cst(&r.noise));
    dict_check(r.d, "ring");
    sobj_unref(r.d);
}

/* ---- flights */

#define KEYS 4

struct field {
    struct sobj_object *d;
    _Atomic(int) flying[KEYS]; /* owners; never more than one */
    _Atomic(int64_t) begun, landed, failed, vanished, arrived, rings, closed;
};

static void count(_Atomic(int64_t) *figure) { sobj_add_seq_cst(figure, 1); }

static void ask(struct member *m, struct field *field, struct sobj_domain *domain,
                unsigned own);

/* The owner's part: everything that may happen to a flight. */
static void use_flight(struct member *m, struct field *field, struct sobj_dict_key *k,
                       int64_t i, struct sobj_flight *f, struct sobj_domain *domain,
                       unsigned own)
{
    struct test_key key;
    sobj_cell present;

    count(&field->begun);
    expect(sobj_add_seq_cst(&field->flying[i], 1) == 0, "two owners of key %d", (int)i);
    if (rng_below(&m->rng, 3) == 0)
        sched_yield();
    if (own < 3 && rng_below(&m->rng, 4) == 0)
        ask(m, field, domain, own + 1);
    sobj_add_seq_cst(&field->flying[i], -1);
    if (rng_below(&m->rng, 4) == 0) {
        sobj_flight_fail(k, f->number);
        count(&field->failed);
        return;
    }
    enum sobj_status status =
        sobj_flight_land(k, f->number, test_key(&key, i, false),
                         test_value(i, (int64_t)rng_below(&m->rng, 1000)), &present);
    expect(status == SOBJ_OK || status == SOBJ_EXISTS, "%s", sobj_status_str(status));
    if (status == SOBJ_EXISTS)
        sobj_cell_unref(present);
    count(&field->landed);
}

/* Joins a key; `own`: flights that this thread owns already. */
static void ask(struct member *m, struct field *field, struct sobj_domain *domain,
                unsigned own)
{
    int64_t i = (int64_t)rng_below(&m->rng, KEYS), number, tag;
    struct sobj_dict_key *k = key_of(field->d, i);
    bool patient = rng_below(&m->rng, 4) != 0;
    int64_t limit = patient ? LONG_TIME : (int64_t)rng_below(&m->rng, 100000);
    struct sobj_flight f;
    enum sobj_status status = sobj_flight_join(k, sobj_clock() + limit, domain, &f);

    switch (status) {
    case SOBJ_NOT_FOUND:
        use_flight(m, field, k, i, &f, domain, own);
        break;
    case SOBJ_OK:
        test_parse(f.value, &number, &tag);
        expect(number == i, "value of %d for %d", (int)number, (int)i);
        sobj_cell_unref(f.value);
        count(&field->arrived);
        break;
    case SOBJ_DEADLOCK:
        expect(own != 0 && f.ring_length >= 1, "a ring without our own flight");
        sobj_flight_ring_unref(&f);
        count(&field->rings);
        break;
    case SOBJ_CLOSING:
        count(&field->closed);
        break;
    default:
        expect(status == SOBJ_TIMEOUT && !patient, "key %d: %s", (int)i,
               sobj_status_str(status));
        break;
    }
    sobj_dict_key_unref(k);
}

/* A thread that ends in the middle of its flight. */
static void *vanish(void *context)
{
    struct field *field = context;
    int64_t i = (int64_t)(sobj__thread_random() % KEYS);
    struct sobj_dict_key *k = key_of(field->d, i);
    struct sobj_flight f;
    enum sobj_status status = sobj_flight_join(k, sobj_clock() + LONG_TIME, NULL, &f);

    if (status == SOBJ_OK)
        sobj_cell_unref(f.value);
    else
        expect(status == SOBJ_NOT_FOUND, "%s", sobj_status_str(status));
    if (status == SOBJ_NOT_FOUND)
        count(&field->vanished);
    sobj_dict_key_unref(k);
    return NULL;
}

static void fly(struct member *m)
{
    struct field *field = m->shared;
    struct sobj_domain *domain = sobj_domain_new((int64_t)m->index);
    struct test_key key;
    pthread_t thread;

    while (crew_running(m)) {
        int64_t i = (int64_t)rng_below(&m->rng, KEYS);
        uint64_t what = rng_below(&m->rng, 64);
        if (what < 12) {
            dict_drop(field->d, i);
        } else if (what < 14) {
            sobj_dict_set(field->d, test_key(&key, i, false), test_value(i, 3));
        } else if (what == 14) {
            sobj_dict_clear(field->d);
        } else if (what == 15 && pthread_create(&thread, NULL, vanish, field) == 0) {
            pthread_join(thread, NULL);
        } else if (what == 16) {
            sobj_domain_close(domain);
            ask(m, field, domain, 0);
            sobj_domain_free(domain);
            domain = sobj_domain_new((int64_t)m->index);
        } else {
            ask(m, field, domain, 0);
        }
    }
    sobj_domain_free(domain);
}

static void test_flights(struct torture *t, int number)
{
    struct field f = {.d = dict_new()};
    int before = tap_failures();
    bool empty = true;

    yield_every(number % 2 ? 10 : 0);
    crew_run(t->threads, t->seed + (uint64_t)number, t->milliseconds / 4, fly, &f);
    yield_every(0);
    for (uint32_t i = 0; i < SOBJ__FLIGHT_BUCKETS; i++)
        empty = empty && sobj__flights.buckets[i] == NULL;
    ok(tap_failures() == before && empty && !(sobj__mode(f.d) & SOBJ__WATCHED),
       "%lld begun, %lld landed, %lld failed, %lld vanished; %lld values, %lld rings, "
       "%lld closed",
       (long long)sobj_load_seq_cst(&f.begun), (long long)sobj_load_seq_cst(&f.landed),
       (long long)sobj_load_seq_cst(&f.failed),
       (long long)sobj_load_seq_cst(&f.vanished),
       (long long)sobj_load_seq_cst(&f.arrived), (long long)sobj_load_seq_cst(&f.rings),
       (long long)sobj_load_seq_cst(&f.closed));
    dict_check(f.d, "flights");
    sobj_unref(f.d);
}

int main(int argc, char **argv)
{
    struct torture t = torture_begin(argc, argv, 4);
    struct balance b;

    tap_begin();
    b = balance_begin();
    for (int number = 0; number < 2; number++) {
        test_ring(&t, number);
        test_flights(&t, number);
    }
    balance_check(&b, "torture");
    return tap_end();
}
