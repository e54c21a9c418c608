/* SPDX-License-Identifier: MIT */
/* L1: locks and waiting; see park.h. */
#include "park.h"

#include <limits.h>
#include <string.h>

#include "alloc.h"
#include "platform/platform.h"
#include "reclaim.h"

/* ---- lock */

SOBJ_NOINLINE void sobj__lock_slow(struct sobj__lock *lock)
{
    for (int i = 0; i < 100; i++) {
        uint32_t expected = 0;
        sobj_cpu_relax();
        /* Relaxed look first, so that spinning does not fight for the line; the
         * acquire in the exchange pairs with the previous holder's release. */
        if (sobj_load_relaxed(&lock->state) == 0 &&
            sobj_cas_acq_rel(&lock->state, &expected, 1))
            return;
    }
    /* Acquire on success, as above; 2 tells the holder to wake somebody. */
    while (sobj_swap_acq_rel(&lock->state, 2) != 0)
        sobj__os_wait(&lock->state, 2, SOBJ__FOREVER);
}

SOBJ_NOINLINE void sobj__unlock_slow(struct sobj__lock *lock)
{
    sobj__os_wake(&lock->state, 1);
}

/* ---- parkers */

enum sobj_status sobj__parker_init(struct sobj__parker *parker,
                                   struct sobj_domain *domain)
{
    enum sobj_status status = SOBJ_OK;

    memset(parker, 0, sizeof *parker);
    if (domain == NULL)
        return SOBJ_OK;
    sobj__write_begin();
    sobj__lock_acquire(&domain->lock);
    if (domain->closing) {
        status = SOBJ_CLOSING;
    } else {
        parker->domain = domain;
        parker->next = domain->parkers;
        if (parker->next != NULL)
            parker->next->prev = parker;
        domain->parkers = parker;
    }
    sobj__lock_release(&domain->lock);
    sobj__write_end();
    return status;
}

void sobj__parker_fini(struct sobj__parker *parker)
{
    struct sobj_domain *domain = parker->domain;

    if (domain == NULL)
        return;
    sobj__write_begin();
    sobj__lock_acquire(&domain->lock);
    if (parker->prev != NULL)
        parker->prev->next = parker->next;
    else
        domain->parkers = parker->next;
    if (parker->next != NULL)
        parker->next->prev = parker->prev;
    sobj__lock_release(&domain->lock);
    sobj__write_end();
}

enum sobj_status sobj__park(struct sobj__parker *parker, int64_t deadline)
{
    for (;;) {
        /* Acquire: pairs with the CAS of the waker or closer. */
        switch (sobj_load_acquire(&parker->state)) {
        case SOBJ__NOTIFIED:
            return SOBJ_OK;
        case SOBJ__ENDING:
            return SOBJ_CLOSING;
        default:
            break;
        }
        enum sobj_status status =
            sobj__os_wait(&parker->state, SOBJ__WAITING, deadline);
        /* Relaxed: a notification that came with the timeout or signal is seen by
         * the switch above or by wait_leave; this only prefers it. */
        if (status != SOBJ_OK && sobj_load_relaxed(&parker->state) == SOBJ__WAITING)
            return status;
    }
}

/* ---- lists */

static void unlink_locked(struct sobj__waitlist *list, struct sobj__waiter *w)
{
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        list->head = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    else
        list->tail = w->prev;
    w->linked = false;
    /* Relaxed: going down only saves a waker a look under the lock. */
    sobj_sub_relaxed(&list->count, 1);
}

void sobj__wait_enter(struct sobj__waitlist *list, struct sobj__waiter *w,
                      struct sobj__parker *parker)
{
    memset(w, 0, sizeof *w);
    w->parker = parker;
    w->list = list;
    w->linked = true;
    sobj__write_begin();
    sobj__lock_acquire(&list->lock);
    w->prev = list->tail;
    if (w->prev != NULL)
        w->prev->next = w;
    else
        list->head = w;
    list->tail = w;
    /* SeqCst: before the caller's second look at the condition (P1). */
    sobj_add_seq_cst(&list->count, 1);
    sobj__lock_release(&list->lock);
    sobj__write_end();
    /* SeqCst: the same for conditions that are read with weaker orders (P1). */
    sobj_fence_seq_cst();
}

bool sobj__wait_leave(struct sobj__waiter *w)
{
    struct sobj__waitlist *list = w->list;

    sobj__write_begin();
    sobj__lock_acquire(&list->lock);
    if (w->linked)
        unlink_locked(list, w);
    bool notified = w->notified;
    sobj__lock_release(&list->lock);
    sobj__write_end();
    return notified;
}

SOBJ_NOINLINE void sobj__wake_slow(struct sobj__waitlist *list, bool all)
{
    /* Everybody who is in the list now; whoever is woken and waits anew comes after
     * them and is not served again, or this loop might never end. */
    uint32_t left = UINT32_MAX;

    for (bool first = true;; first = false) {
        struct sobj__waiter *w;
        _Atomic(uint32_t) *word = NULL;

        sobj__write_begin();
        sobj__lock_acquire(&list->lock);
        if (first) {
            /* Relaxed: a hint for spin_begin. */
            sobj_store_relaxed(&list->waker, (uint16_t)sobj__os_cpu());
            if (list->noted)
                sobj__notifiers_raise_locked(list);
            /* Relaxed: changes only under the lock. Of waiters alone by now. */
            left = sobj_load_relaxed(&list->count);
        }
        while (word == NULL && left != 0 && (w = list->head) != NULL) {
            uint32_t expected = SOBJ__WAITING;
            unlink_locked(list, w);
            left--;
            /* AcqRel: the woken thread sees what was done before (pairs with the
             * acquire in park). A parker that another list has notified, or whose
             * domain closes, is not ours: the wake-up goes to the next one (P2). */
            if (sobj_cas_acq_rel(&w->parker->state, &expected, SOBJ__NOTIFIED)) {
                w->notified = true;
                word = &w->parker->state;
            }
        }
        sobj__lock_release(&list->lock);
        sobj__write_end();
        if (word == NULL)
            return;
        sobj__os_wake(word, 1);
        if (!all)
            return;
    }
}

void sobj__waitlist_init(struct sobj__waitlist *list) { memset(list, 0, sizeof *list); }

void sobj__waitlist_reset(struct sobj__waitlist *list)
{
    bool noted = list->noted;

    memset(list, 0, sizeof *list);
    list->noted = noted;
    if (noted)
        sobj__notifiers_renew(list);
}

void sobj__wakes_add(struct sobj__wakes *w, struct sobj__parker *parker)
{
    uint32_t expected = SOBJ__WAITING;

    /* AcqRel: the woken thread sees what was done before (pairs with the acquire in
     * park). */
    if (sobj_cas_acq_rel(&parker->state, &expected, SOBJ__NOTIFIED))
        w->words[w->count++] = &parker->state;
}

void sobj__wakes_run(struct sobj__wakes *w)
{
    for (; w->count != 0; w->count--)
        sobj__os_wake(w->words[w->count - 1], 1);
}

/* ---- spinning */

/* A parked hop costs some microseconds on one core and tens between two; spinning
 * longer than that is never right. Failure halves the time, success doubles it. When it
 * has become nothing, one wait in 16 tries again, long enough for a host that runs an
 * interpreter to answer: a shorter try would fail for ever while both sides, for want of
 * spinning, take turns in sleeping. */
#define SPIN_MAX_NS 20000u
#define SPIN_MIN_NS 1000u
#define SPIN_TRY_NS 10000u

/* Whether spinning would keep from its work the one who is waited for: the last waker ran
 * on the only processor that this thread may use. */
static bool shares_processor(struct sobj__waitlist *list)
{
    /* Relaxed: a guess. */
    return sobj__os_bound_to(sobj_load_relaxed(&list->waker));
}

struct sobj__spin sobj__spin_begin(struct sobj__waitlist *list)
{
    struct sobj__spin spin = {0, 0};

    if (sobj__domains.cpus < 2)
        return spin;
    /* Relaxed: a guess. */
    uint32_t ns = sobj_load_relaxed(&list->spin_ns);
    if (ns < SPIN_MIN_NS && (sobj__thread_random() & 15) == 0 &&
        !shares_processor(list))
        ns = SPIN_TRY_NS;
    if (ns >= SPIN_MIN_NS)
        spin.until = sobj__now() + ns;
    return spin;
}

bool sobj__spin_again(struct sobj__spin *spin)
{
    if (spin->until == 0)
        return false;
    for (int i = 0; i < 8; i++)
        sobj_cpu_relax();
    /* The clock costs more than a look at the condition. */
    return (++spin->round & 3) != 0 || sobj__now() < spin->until;
}

void sobj__spin_end(struct sobj__waitlist *list, struct sobj__spin *spin, bool success)
{
    if (spin->until == 0)
        return;
    /* Relaxed: a guess; lost updates do not matter. */
    uint32_t ns = sobj_load_relaxed(&list->spin_ns);
    if (success)
        ns = ns < SPIN_MIN_NS ? 2 * SPIN_MIN_NS : ns * 2;
    else
        ns /= 2;
    sobj_store_relaxed(&list->spin_ns, ns > SPIN_MAX_NS ? SPIN_MAX_NS : ns);
}

/* ---- domains */

struct sobj_domain *sobj_domain_new(int64_t id)
{
    struct sobj_domain *d = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, sizeof *d);

    if (d == NULL)
        return NULL;
    d->id = id;
    sobj__write_begin();
    sobj__lock_acquire(&sobj__domains.lock);
    d->next = sobj__domains.head;
    if (d->next != NULL)
        d->next->prev = d;
    sobj__domains.head = d;
    sobj__lock_release(&sobj__domains.lock);
    sobj__write_end();
    return d;
}

int64_t sobj_domain_id(const struct sobj_domain *domain) { return domain->id; }

void sobj_domain_close(struct sobj_domain *d)
{
    sobj__write_begin();
    sobj__lock_acquire(&d->lock);
    d->closing = true;
    for (struct sobj__parker *p = d->parkers; p != NULL; p = p->next) {
        uint32_t expected = SOBJ__WAITING;
        /* AcqRel: pairs with the acquire in park. Waking under the lock keeps the
         * parker alive; its thread needs the lock to leave. */
        if (sobj_cas_acq_rel(&p->state, &expected, SOBJ__ENDING))
            sobj__os_wake(&p->state, 1);
    }
    sobj__lock_release(&d->lock);
    sobj__write_end();
}

void sobj__domain_dispose(struct sobj_domain *d)
{
    sobj__write_begin();
    sobj__lock_acquire(&sobj__domains.lock);
    if (d->prev != NULL)
        d->prev->next = d->next;
    else
        sobj__domains.head = d->next;
    if (d->next != NULL)
        d->next->prev = d->prev;
    sobj__lock_release(&sobj__domains.lock);
    sobj__write_end();
    sobj__free(SOBJ_COUNT_BLOCKS, d, sizeof *d);
}

void sobj__domains_fork_child(void)
{
    for (struct sobj_domain *d = sobj__domains.head; d != NULL; d = d->next)
        d->parkers = NULL;
}
