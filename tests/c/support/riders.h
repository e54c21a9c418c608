/* SPDX-License-Identifier: MIT */
/* Threads that join flights, for the tests of them. */
#ifndef SUPPORT_RIDERS_H
#define SUPPORT_RIDERS_H

#include "dict_jobs.h"
#include "flight.h"

struct rider {
    struct sobj_dict_key *k;
    int64_t deadline;
    struct sobj_domain *domain;
    enum sobj_status status;
    struct sobj_flight f;
    _Atomic(int) done, stay; /* stay: until it is 0 the thread lives on */
    pthread_t thread;
};

static inline struct rider rider_for(struct sobj_object *d, int64_t number)
{
    return (struct rider){.k = key_of(d, number), .deadline = SOBJ_FOREVER};
}

static inline void join(void *context)
{
    struct rider *r = context;

    r->status = sobj_flight_join(r->k, r->deadline, r->domain, &r->f);
}

static inline enum sobj_status land(struct rider *r, int64_t number, int64_t tag,
                                    sobj_cell *present)
{
    struct test_key key;

    return sobj_flight_land(r->k, r->f.number, test_key(&key, number, false),
                            test_value(number, tag), present);
}

/* Returns: the tag of the value that came, whose reference goes; -1: none came. */
static inline int64_t got(struct rider *r)
{
    int64_t number, tag;

    if (r->status != SOBJ_OK)
        return -1;
    test_parse(r->f.value, &number, &tag);
    sobj_cell_unref(r->f.value);
    return tag;
}

/* Returns: the number of flights, and of passengers aboard all of them. */
static inline void count(int *flights, int *passengers)
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

static inline int flights(void)
{
    int f, p;

    count(&f, &p);
    return f;
}

static inline int aboard(void)
{
    int f, p;

    count(&f, &p);
    return p;
}

static inline void *ride_main(void *context)
{
    struct rider *r = context;

    join(r);
    sobj_store_seq_cst(&r->done, 1);
    while (sobj_load_seq_cst(&r->stay))
        sched_yield();
    return NULL;
}

static inline void leave(struct rider *r)
{
    sobj_store_seq_cst(&r->stay, 0);
    pthread_join(r->thread, NULL);
}

/* Starts a thread that joins and then ends (unless it stays), its flights with it. */
static inline void ride(struct rider *r, int passengers)
{
    expect(pthread_create(&r->thread, NULL, ride_main, r) == 0, "thread");
    while (aboard() != passengers)
        sched_yield();
}

/* Begins a flight in this thread. */
static inline struct rider own(struct sobj_object *d, int64_t number)
{
    struct rider r = rider_for(d, number);

    join(&r);
    expect(r.status == SOBJ_NOT_FOUND, "own: %s", sobj_status_str(r.status));
    return r;
}

static inline void done(struct rider *r) { sobj_dict_key_unref(r->k); }

#endif
