/* SPDX-License-Identifier: MIT */
/* Waiting under load: THREADS SECONDS SEED. Two semaphores made of wait lists; threads
 * take permits from one, or from either, with and without time limits, in domains that
 * close under them. There is one permit in each: a wake-up that is lost, or spent on
 * somebody who leaves, lets a thread sleep for ever. */
#include <stdlib.h>

#include "crew.h"
#include "park.h"
#include "reclaim.h"
#include "tap.h"

#define LONG_TIME ((int64_t)HANG_SECONDS * 1000000000)

struct semaphore {
    SOBJ_ALIGNED _Atomic(int) permits;
    /* In a line of its own: a store to one and a load from the other then overlap. */
    SOBJ_ALIGNED struct sobj__waitlist list;
};

static struct {
    struct semaphore s[2];
    _Atomic(int) outside; /* permits that somebody holds */
} shared;

static bool try_take(struct semaphore *s)
{
    /* Acquire, AcqRel: pair with the release in give. */
    int n = sobj_load_acquire(&s->permits);

    while (n > 0) {
        if (sobj_cas_acq_rel(&s->permits, &n, n - 1))
            return true;
    }
    return false;
}

/* Needs: the permit, so nobody else changes the number. */
static void give(struct semaphore *s)
{
    /* Release: pairs with the acquire in try_take. A plain store: that the look at the
     * waiters does not pass it is left to the fence in wake_one (P1). */
    sobj_store_release(&s->permits, 1);
    sobj__wake_one(&s->list);
}

/* Returns: which one a permit was taken from, or -1 and why not. */
static int take(unsigned lists, struct semaphore *const s[], int64_t deadline,
                struct sobj_domain *domain, enum sobj_status *why)
{
    for (;;) {
        struct sobj__waiter waiters[2];
        struct sobj__parker parker;
        int got = -1;

        for (unsigned i = 0; i < lists; i++) {
            if (try_take(s[i]))
                return (int)i;
        }
        *why = sobj__parker_init(&parker, domain);
        if (*why != SOBJ_OK)
            return -1;
        for (unsigned i = 0; i < lists; i++)
            sobj__wait_enter(&s[i]->list, &waiters[i], &parker);
        for (unsigned i = 0; i < lists && got < 0; i++)
            got = try_take(s[i]) ? (int)i : -1;
        if (got < 0)
            *why = sobj__park(&parker, deadline);
        if (got < 0 && *why == SOBJ_OK) {
            for (unsigned i = 0; i < lists && got < 0; i++)
                got = try_take(s[i]) ? (int)i : -1;
        }
        for (unsigned i = 0; i < lists; i++) {
            if (sobj__wait_leave(&waiters[i]) && got != (int)i)
                sobj__wake_one(&s[i]->list);
        }
        sobj__parker_fini(&parker);
        if (got >= 0 || *why != SOBJ_OK)
            return got;
    }
}

static void take_and_give(struct member *m, struct sobj_domain *domain)
{
    unsigned first = (unsigned)rng_below(&m->rng, 2);
    struct semaphore *s[2] = {&shared.s[first], &shared.s[1 - first]};
    bool patient = rng_below(&m->rng, 3) != 0;
    int64_t limit = patient ? LONG_TIME : (int64_t)rng_below(&m->rng, 50000);
    enum sobj_status why = SOBJ_OK;
    int got = take(1 + (unsigned)rng_below(&m->rng, 2), s, sobj_clock() + limit, domain,
                   &why);

    if (got < 0) {
        expect(why == SOBJ_CLOSING || (!patient && why == SOBJ_TIMEOUT), "%s",
               sobj_status_str(why));
        return;
    }
    int outside = sobj_add_seq_cst(&shared.outside, 1) + 1;
    expect(outside <= 2, "%d permits", outside);
    if (rng_below(&m->rng, 4) == 0)
        sched_yield();
    sobj_sub_acq_rel(&shared.outside, 1);
    give(s[got]);
}

static void work(struct member *m)
{
    while (crew_running(m)) {
        struct sobj_domain *domain = sobj_domain_new((int64_t)m->index);
        bool early = rng_below(&m->rng, 8) == 0;

        for (int i = 0; i < 20; i++) {
            if (early && i == 15)
                sobj_domain_close(domain);
            take_and_give(m, domain);
        }
        sobj_domain_free(domain);
    }
}

/* Closes the domain that the others wait in, again and again. */
struct closing {
    _Atomic(struct sobj_domain *) domain;
    struct sobj__waitlist list;
    _Atomic(int) closed;
};

static void wait_for_close(struct member *m)
{
    struct closing *c = m->shared;

    for (int round = 0; round < 100; round++) {
        if (m->index == 0)
            sobj_store_seq_cst(&c->domain, sobj_domain_new(round));
        crew_meet(m);
        struct sobj_domain *domain = sobj_load_seq_cst(&c->domain);
        if (m->index == 0) {
            sobj_domain_close(domain);
        } else {
            struct sobj__parker parker;
            struct sobj__waiter waiter;
            enum sobj_status status = sobj__parker_init(&parker, domain);
            if (status == SOBJ_OK) {
                sobj__wait_enter(&c->list, &waiter, &parker);
                status = sobj__park(&parker, sobj_clock() + LONG_TIME);
                sobj__wait_leave(&waiter);
            }
            sobj__parker_fini(&parker);
            expect(status == SOBJ_CLOSING, "%s", sobj_status_str(status));
        }
        crew_meet(m);
        if (m->index == 0)
            sobj_domain_free(domain);
    }
}

/* One who waits and one who wakes, at the same moment again and again: the narrowest
 * window of P1, some nanoseconds between the looks of the two. */
struct lockstep {
    SOBJ_ALIGNED _Atomic(uint64_t) begun;
    SOBJ_ALIGNED _Atomic(uint64_t) condition;
    SOBJ_ALIGNED _Atomic(uint64_t) ended;
    SOBJ_ALIGNED struct sobj__waitlist list;
};

/* Spins until `*word` is `value`, since both must run at once; but not for long. */
static void await(_Atomic(uint64_t) *word, uint64_t value)
{
    for (uint32_t i = 1; sobj_load_acquire(word) != value; i++) {
        if (i % 4096 == 0)
            sched_yield();
    }
}

static void wake_in_step(struct member *m)
{
    struct lockstep *s = m->shared;

    for (uint64_t round = 1; crew_running(m); round++) {
        sobj_store_seq_cst(&s->begun, round);
        for (uint64_t i = rng_below(&m->rng, 200); i > 0; i--)
            atomic_signal_fence(memory_order_seq_cst); /* a loop that stays */
        sobj_store_release(&s->condition, round);
        sobj__wake_one(&s->list);
        await(&s->ended, round);
    }
    sobj_store_seq_cst(&s->begun, UINT64_MAX);
}

static void wait_in_step(struct member *m)
{
    struct lockstep *s = m->shared;

    for (uint64_t round = 1;; round++) {
        struct sobj__parker parker;
        struct sobj__waiter waiter;
        enum sobj_status status = sobj__parker_init(&parker, NULL);
        uint32_t spins = 0;

        for (uint64_t seen = 0; seen != round; spins++) {
            seen = sobj_load_acquire(&s->begun);
            if (seen == UINT64_MAX)
                return;
            if (spins % 4096 == 4095)
                sched_yield();
        }
        sobj__wait_enter(&s->list, &waiter, &parker);
        /* Relaxed: the fence in wait_enter is what is tested. */
        if (sobj_load_relaxed(&s->condition) != round)
            status = sobj__park(&parker, sobj_clock() + LONG_TIME);
        expect(status == SOBJ_OK, "round %llu: %s", (unsigned long long)round,
               sobj_status_str(status));
        sobj__wait_leave(&waiter);
        sobj__parker_fini(&parker);
        sobj_store_release(&s->ended, round);
    }
}

static void step(struct member *m)
{
    if (m->index == 0)
        wake_in_step(m);
    else
        wait_in_step(m);
}

int main(int argc, char **argv)
{
    struct torture t = torture_begin(argc, argv, 4);
    static struct closing c;
    int before, rounds = 0;
    static struct lockstep lockstep;
    struct balance b;
    int64_t end;

    tap_begin();
    b = balance_begin();
    before = tap_failures();
    end = sobj_clock() + (int64_t)t.milliseconds * 500000;
    sobj_store_seq_cst(&shared.s[0].permits, 1);
    sobj_store_seq_cst(&shared.s[1].permits, 1);
    do {
        yield_every(rounds % 2 ? 10 : 0);
        crew_run(t.threads, t.seed + (uint64_t)rounds++, t.milliseconds / 8, work,
                 NULL);
        crew_run(t.threads, t.seed, 0, wait_for_close, &c);
    } while (tap_failures() == before && sobj_clock() < end);
    yield_every(0);
    ok(tap_failures() == before, "%d rounds", rounds);
    ok(sobj_load_seq_cst(&shared.s[0].permits) == 1 &&
           sobj_load_seq_cst(&shared.s[1].permits) == 1,
       "both permits are back");
    before = tap_failures();
    crew_run(2, t.seed, t.milliseconds / 2, step, &lockstep);
    ok(tap_failures() == before, "%llu rounds in lockstep",
       (unsigned long long)sobj_load_seq_cst(&lockstep.ended));
    balance_check(&b, "torture");
    return tap_end();
}
