/* SPDX-License-Identifier: MIT */
/* Locks and waiting: order, passing on, timeouts, signals, domains. Most of it needs no
 * thread, for a waiter is in the list before it sleeps. */
#include "park.h"

#ifdef __linux__
#include <sched.h>
#endif
#include <signal.h>
#include <string.h>

#include "crew.h"
#include "platform/platform.h"
#include "reclaim.h"
#include "tap.h"

#define PAST 1

/* One who waits, without a thread. */
struct sleeper {
    struct sobj__parker parker;
    struct sobj__waiter waiter;
};

static void lie_down(struct sleeper *s, struct sobj__waitlist *list,
                     struct sobj_domain *domain)
{
    expect(sobj__parker_init(&s->parker, domain) == SOBJ_OK, "parker");
    sobj__wait_enter(list, &s->waiter, &s->parker);
}

/* Returns: whether a wake-up was spent on it. */
static bool get_up(struct sleeper *s)
{
    bool notified = sobj__wait_leave(&s->waiter);

    sobj__parker_fini(&s->parker);
    return notified;
}

static bool notified(struct sleeper *s)
{
    return sobj_load_seq_cst(&s->parker.state) == SOBJ__NOTIFIED;
}

static uint32_t count(struct sobj__waitlist *list)
{
    return sobj_load_seq_cst(&list->count);
}

static void test_order(void)
{
    struct sobj__waitlist list = {0};
    struct sleeper s[4];
    int wrong = 0;

    sobj__wake_one(&list);
    sobj__wake_all(&list);
    for (int i = 0; i < 4; i++)
        lie_down(&s[i], &list, NULL);
    ok(count(&list) == 4, "four wait");
    for (int i = 0; i < 4; i++) {
        sobj__wake_one(&list);
        for (int k = 0; k < 4; k++)
            wrong += notified(&s[k]) != (k <= i);
        wrong += sobj__park(&s[i].parker, PAST) != SOBJ_OK;
    }
    ok(wrong == 0, "woken one by one, first come first served");
    for (int i = 0; i < 4; i++)
        wrong += !get_up(&s[i]);
    ok(wrong == 0 && count(&list) == 0, "each has got a wake-up");
    for (int i = 0; i < 4; i++)
        lie_down(&s[i], &list, NULL);
    wrong += get_up(&s[1]) || get_up(&s[3]);
    sobj__wake_one(&list);
    wrong += !notified(&s[0]) || notified(&s[2]);
    sobj__wake_one(&list);
    wrong += !notified(&s[2]);
    wrong += !get_up(&s[0]) || !get_up(&s[2]);
    ok(wrong == 0, "leaving from the middle and from the end");
    for (int i = 0; i < 4; i++)
        lie_down(&s[i], &list, NULL);
    sobj__wake_all(&list);
    for (int i = 0; i < 4; i++)
        wrong += !notified(&s[i]) || !get_up(&s[i]);
    ok(wrong == 0 && count(&list) == 0 && list.head == NULL && list.tail == NULL,
       "all woken at once");
}

static void test_timeout(void)
{
    struct sobj__waitlist list = {0};
    struct sleeper s;

    lie_down(&s, &list, NULL);
    ok(sobj__park(&s.parker, PAST) == SOBJ_TIMEOUT, "a deadline that has passed");
    ok(sobj__park(&s.parker, -5) == SOBJ_TIMEOUT, "even before the beginning of time");
    int64_t deadline = sobj_clock() + 2000000;
    ok(sobj__park(&s.parker, deadline) == SOBJ_TIMEOUT && sobj_clock() >= deadline,
       "a deadline in 2 ms");
    ok(!get_up(&s), "no wake-up was spent");
    lie_down(&s, &list, NULL);
    sobj__wake_one(&list);
    ok(sobj__park(&s.parker, PAST) == SOBJ_OK, "a wake-up beats the timeout");
    ok(get_up(&s), "and is accounted for");
    lie_down(&s, &list, NULL);
    expect(sobj__park(&s.parker, PAST) == SOBJ_TIMEOUT, "timeout");
    sobj__wake_one(&list);
    ok(get_up(&s), "a wake-up after the timeout is not lost: it can be passed on");
}

/* One parker in two lists, as in a select. */
static void test_two_lists(void)
{
    struct sobj__waitlist a = {0}, b = {0};
    struct sobj__parker both;
    struct sobj__waiter in_a, in_b;
    struct sleeper other;

    sobj__parker_init(&both, NULL);
    sobj__wait_enter(&a, &in_a, &both);
    sobj__wait_enter(&b, &in_b, &both);
    lie_down(&other, &b, NULL);
    sobj__wake_one(&a);
    ok(sobj__park(&both, SOBJ_FOREVER) == SOBJ_OK, "woken through one list");
    sobj__wake_one(&b);
    ok(notified(&other), "the wake-up of the other list goes to the next one");
    ok(sobj__wait_leave(&in_a) && !sobj__wait_leave(&in_b),
       "only one wake-up was spent");
    ok(get_up(&other) && count(&a) == 0 && count(&b) == 0, "nobody is left");
    sobj__parker_fini(&both);
}

static void test_domains(void)
{
    struct balance balance = balance_begin();
    struct sobj_domain *mine = sobj_domain_new(7), *other = sobj_domain_new(8);
    struct sobj__waitlist list = {0};
    struct sobj__parker late;
    struct sleeper s[3];

    ok(sobj_domain_id(mine) == 7 && sobj_domain_id(other) == 8, "ids");
    lie_down(&s[0], &list, mine);
    lie_down(&s[1], &list, other);
    lie_down(&s[2], &list, mine);
    sobj_domain_close(mine);
    ok(sobj__park(&s[0].parker, SOBJ_FOREVER) == SOBJ_CLOSING &&
           sobj__park(&s[2].parker, SOBJ_FOREVER) == SOBJ_CLOSING,
       "closing ends the waits of the domain");
    ok(sobj__park(&s[1].parker, PAST) == SOBJ_TIMEOUT, "and no others");
    sobj__wake_one(&list);
    ok(notified(&s[1]), "a wake-up is not spent on one who leaves");
    ok(!get_up(&s[0]) && get_up(&s[1]) && !get_up(&s[2]), "accounts");
    sobj_domain_close(mine);
    ok(sobj__parker_init(&late, mine) == SOBJ_CLOSING, "later waits do not begin");
    sobj__parker_fini(&late);
    lie_down(&s[0], &list, other);
    sobj__wake_one(&list);
    sobj_domain_close(other);
    ok(sobj__park(&s[0].parker, SOBJ_FOREVER) == SOBJ_OK, "a wake-up before the close");
    get_up(&s[0]);
    sobj_domain_free(mine);
    sobj_domain_free(other);
    sobj_domain_free(NULL);
    balance_check(&balance, "domains");
}

/* ---- with threads */

static struct sobj__waitlist shared_list;
static struct sobj_domain *shared_domain;
static _Atomic(int) done;

static void sleep_for_ever(struct member *m)
{
    struct sleeper s;
    enum sobj_status wanted = *(enum sobj_status *)m->shared;

    lie_down(&s, &shared_list, shared_domain);
    enum sobj_status status = sobj__park(&s.parker, SOBJ_FOREVER);
    expect(status == wanted, "%s", sobj_status_str(status));
    get_up(&s);
    sobj_add_seq_cst(&done, 1);
}

static void ignore(int sig) { (void)sig; }

/* Wakes the crew in the way that `arg` says. */
static void *wake_crew(void *arg)
{
    enum sobj_status how = *(enum sobj_status *)arg;

    while (count(&shared_list) != 4)
        sched_yield();
    if (how == SOBJ_CLOSING)
        sobj_domain_close(shared_domain);
    else
        sobj__wake_all(&shared_list);
    return NULL;
}

static void test_asleep(enum sobj_status how, const char *name)
{
    struct balance b = balance_begin();
    int before = tap_failures();
    pthread_t waker;

    sobj_store_seq_cst(&done, 0);
    shared_domain = sobj_domain_new(1);
    pthread_create(&waker, NULL, wake_crew, &how);
    crew_run(4, 1, 0, sleep_for_ever, &how);
    pthread_join(waker, NULL);
    ok(sobj_load_seq_cst(&done) == 4 && count(&shared_list) == 0 &&
           tap_failures() == before,
       "%s", name);
    sobj_domain_free(shared_domain);
    shared_domain = NULL;
    balance_check(&b, name);
}

static _Atomic(int) interrupted;

static void *sleep_till_signal(void *arg)
{
    struct sleeper s;

    (void)arg;
    lie_down(&s, &shared_list, NULL);
    enum sobj_status status = sobj__park(&s.parker, SOBJ_FOREVER);
    sobj_store_seq_cst(&interrupted, (int)status);
    expect(!get_up(&s), "no wake-up was spent");
    return NULL;
}

static void test_signal(void)
{
    struct sigaction action = {.sa_handler = ignore}; /* no SA_RESTART, as the host */
    pthread_t thread;

    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, sleep_till_signal, NULL);
    /* A signal that comes before the sleep begins is lost; so more than one. */
    while (!sobj_load_seq_cst(&interrupted)) {
        pthread_kill(thread, SIGUSR1);
        sched_yield();
    }
    pthread_join(thread, NULL);
    ok(sobj_load_seq_cst(&interrupted) == SOBJ_INTERRUPTED, "a signal ends the sleep");
}

/* ---- locks */

struct guarded {
    struct sobj__lock lock;
    uint64_t a, b; /* guarded by lock; equal outside of it */
};

static void bump(struct member *m)
{
    struct guarded *g = m->shared;

    for (int i = 0; i < 3000; i++) {
        sobj__write_begin();
        sobj__lock_acquire(&g->lock);
        expect(g->a == g->b, "inside alone");
        g->a++;
        if (i % 64 == 0)
            sched_yield();
        g->b++;
        sobj__lock_release(&g->lock);
        sobj__write_end();
    }
}

static void test_lock(void)
{
    struct guarded g = {0};

    crew_run(4, 1, 0, bump, &g);
    ok(g.a == 12000 && g.b == 12000, "mutual exclusion");
    ok(sobj_load_seq_cst(&g.lock.state) == 0, "free in the end");
}

static void test_spin(void)
{
    struct sobj__waitlist list = {0};
    int cpus = sobj__domains.cpus;

    sobj__domains.cpus = 1;
    struct sobj__spin spin = sobj__spin_begin(&list);
    ok(!sobj__spin_again(&spin), "no spinning on one processor");
    sobj__spin_end(&list, &spin, true);
    ok(sobj_load_seq_cst(&list.spin_ns) == 0, "and nothing learnt from it");
    sobj__domains.cpus = 2;
    int tries = 0;
    do {
        spin = sobj__spin_begin(&list);
    } while (spin.until == 0 && ++tries < 2000);
    ok(spin.until != 0, "now and then it is tried");
    for (int i = 0; i < 20; i++) {
        spin = sobj__spin_begin(&list);
        spin.until = 1;
        sobj__spin_end(&list, &spin, true);
    }
    uint32_t most = sobj_load_seq_cst(&list.spin_ns);
    ok(most >= 1000 && most <= 100000, "success makes it longer, up to %u ns", most);
    spin = sobj__spin_begin(&list);
    while (sobj__spin_again(&spin)) {
    }
    ok(sobj_clock() >= spin.until, "it ends");
    for (int i = 0; i < 20; i++) {
        spin.until = 1;
        sobj__spin_end(&list, &spin, false);
    }
    ok(sobj_load_seq_cst(&list.spin_ns) < 1000, "failure makes it shorter");
    sobj__domains.cpus = cpus;
}

/* The number of 2000 waits that spin. */
static int waits_that_spin(struct sobj__waitlist *list)
{
    int spins = 0;

    for (int i = 0; i < 2000; i++)
        spins += sobj__spin_begin(list).until != 0;
    return spins;
}

/* Whoever may run only where the one runs who wakes it must not keep that processor. */
static void test_spin_on_one_processor(void)
{
    struct sobj__waitlist list = {0};
    int cpus = sobj__domains.cpus;
    unsigned here = sobj__os_cpu();

    sobj__domains.cpus = 2;
#ifdef __linux__
    cpu_set_t before, one;

    CPU_ZERO(&one);
    CPU_SET(here - 1, &one);
    if (sched_getaffinity(0, sizeof before, &before) == 0 &&
        sched_setaffinity(0, sizeof one, &one) == 0) {
        ok(waits_that_spin(&list) > 0, "nobody has woken anybody: tried");
        sobj__wake_slow(&list, false);
        ok(waits_that_spin(&list) == 0, "the waker was here: never tried");
        sobj_store_relaxed(&list.waker,
                           (uint16_t)(here + 1)); /* Relaxed: one thread. */
        ok(waits_that_spin(&list) > 0, "the waker was elsewhere: tried");
        sobj__wake_slow(&list, false);
        sched_setaffinity(0, sizeof before, &before);
        ok(CPU_COUNT(&before) == 1 || waits_that_spin(&list) > 0,
           "may run elsewhere: tried");
    } else {
        skip("spinning on one processor: threads cannot be bound to one here");
    }
#else
    ok(here == 0 && !sobj__os_bound_to(0), "nobody is bound");
    ok(waits_that_spin(&list) > 0, "tried");
#endif
    sobj__domains.cpus = cpus;
}

int main(void)
{
    tap_begin();
    test_order();
    test_timeout();
    test_two_lists();
    test_domains();
    test_asleep(SOBJ_OK, "four threads woken at once");
    test_asleep(SOBJ_CLOSING, "four threads of a closing domain");
    test_signal();
    test_lock();
    test_spin();
    test_spin_on_one_processor();
    return tap_end();
}
