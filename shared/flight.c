/* SPDX-License-Identifier: MIT */
/* L3: single flight; invariants G1-G5 in flight.h. */
#include "flight.h"

#include "alloc.h"
#include "park.h"
#include "reclaim.h"

static struct sobj__flight **bucket_of(const struct sobj_dict_key *k)
{
    uint64_t h = k->node->hash ^ (uint64_t)(uintptr_t)k->dict >> 6;

    return &sobj__flights.buckets[h * SOBJ__SPREAD >> 58];
}

static void lock(void)
{
    sobj__write_begin();
    sobj__lock_acquire(&sobj__flights.lock);
}

static void unlock(void)
{
    sobj__lock_release(&sobj__flights.lock);
    sobj__write_end();
}

/* ---- flights; all with the lock held */

static bool same_key(const struct sobj_dict_key *a, const struct sobj_dict_key *b)
{
    struct sobj__probe p;
    struct sobj_key key;

    if (a->dict != b->dict)
        return false;
    sobj__node_key(b->node, &key);
    sobj__probe_init(&p, &key);
    return sobj__node_has_key(a->node, &p);
}

static struct sobj__flight *find_locked(const struct sobj_dict_key *k)
{
    struct sobj__flight *f = *bucket_of(k);

    while (f != NULL && !same_key(f->key, k))
        f = f->next;
    return f;
}

/* Returns: the flight if it still is the one with this number (G1), or NULL. */
static struct sobj__flight *find_own_locked(const struct sobj_dict_key *k,
                                            uint64_t number)
{
    struct sobj__flight *f = *bucket_of(k);

    while (f != NULL && f->number != number)
        f = f->next;
    return f;
}

/* Returns: a flight of `owner`, NULL on no memory. */
static struct sobj__flight *begin_locked(struct sobj_dict_key *k,
                                         struct sobj__thread *owner,
                                         struct sobj_domain *domain)
{
    struct sobj__flight **bucket = bucket_of(k);
    struct sobj__flight *f = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, sizeof *f);

    if (f == NULL)
        return NULL;
    sobj__dict_key_ref(k);
    f->key = k;
    f->number = ++sobj__flights.last_number;
    f->owner = owner;
    f->domain = domain;
    f->next = *bucket;
    if (f->next != NULL)
        f->next->prev = f;
    *bucket = f;
    return f;
}

/* Takes the flight out of its bucket: nobody comes aboard any more. */
static void close_locked(struct sobj__flight *f)
{
    if (f->prev != NULL)
        f->prev->next = f->next;
    else
        *bucket_of(f->key) = f->next;
    if (f->next != NULL)
        f->next->prev = f->prev;
}

/* Needs: no lock; a closed flight without passengers, or NULL. */
static void flight_free(struct sobj__flight *f)
{
    if (f == NULL)
        return;
    sobj_dict_key_unref(f->key);
    sobj__free(SOBJ_COUNT_BLOCKS, f, sizeof *f);
}

/* ---- passengers; all with the lock held */

static void board_locked(struct sobj__flight *f, struct sobj__passenger *p,
                         struct sobj__thread *thread, struct sobj_domain *domain)
{
    memset(p, 0, sizeof *p);
    p->thread = thread;
    p->domain = domain;
    p->flight = f;
    p->late = f->landing;
    p->prev = f->tail;
    if (p->prev != NULL)
        p->prev->next = p;
    else
        f->head = p;
    f->tail = p;
    thread->waits = p;
}

static void disembark_locked(struct sobj__flight *f, struct sobj__passenger *p)
{
    if (p->prev != NULL)
        p->prev->next = p->next;
    else
        f->head = p->next;
    if (p->next != NULL)
        p->next->prev = p->prev;
    else
        f->tail = p->prev;
    p->flight = NULL;
    p->thread->waits = NULL;
}

/* Gives a flight whose owner has failed to the passenger who has waited longest (F3).
 * If that one is just leaving, because its domain closes, it will do the same.
 * Returns: the flight if there is nobody, to be freed. */
static struct sobj__flight *hand_on_locked(struct sobj__flight *f,
                                           struct sobj__wakes *wakes)
{
    struct sobj__passenger *p = f->head;

    if (p == NULL) {
        close_locked(f);
        return f;
    }
    disembark_locked(f, p);
    f->owner = p->thread;
    f->domain = p->domain;
    f->landing = false;
    f->number = p->number = ++sobj__flights.last_number;
    p->outcome = SOBJ__PROMOTED;
    if (p->parker != NULL)
        sobj__wakes_add(wakes, p->parker);
    return NULL;
}

/* Follows who waits for whom from `f` on, and notes the keys on the way (G2).
 * Returns: whether it comes to a flight of `self`; then the noted keys are references. */
static bool ring_locked(const struct sobj__flight *f, const struct sobj__thread *self,
                        struct sobj_flight *out)
{
    uint32_t n = 0;

    out->ring_length = 0;
    for (;; n++) {
        if (n < SOBJ_FLIGHT_RING)
            out->ring[n] = f->key;
        if (f->owner == self)
            break;
        if (f->owner->waits == NULL)
            return false;
        f = f->owner->waits->flight;
    }
    out->ring_length = n + 1;
    for (uint32_t i = 0; i < out->ring_length && i < SOBJ_FLIGHT_RING; i++)
        sobj__dict_key_ref(out->ring[i]);
    return true;
}

void sobj_flight_ring_unref(struct sobj_flight *f)
{
    for (uint32_t i = 0; i < f->ring_length && i < SOBJ_FLIGHT_RING; i++)
        sobj_dict_key_unref(f->ring[i]);
    f->ring_length = 0;
}

/* ---- ending */

/* Ends a flight, if it still is the caller's: its passengers get `value`, or look again
 * if that is NO_CELL. The value is borrowed. */
static void conclude(struct sobj_dict_key *k, uint64_t number, sobj_cell value)
{
    struct sobj__wakes wakes = {.count = 0};
    struct sobj__passenger *p;
    struct sobj__flight *f;

    lock();
    f = find_own_locked(k, number);
    if (f != NULL)
        close_locked(f);
    while (f != NULL && (p = f->head) != NULL) {
        if (sobj__wakes_full(&wakes)) {
            unlock();
            sobj__wakes_run(&wakes);
            lock();
            continue; /* some may have left meanwhile */
        }
        disembark_locked(f, p);
        p->outcome = value != SOBJ_NO_CELL && !p->late ? SOBJ__ARRIVED : SOBJ__AGAIN;
        if (p->outcome == SOBJ__ARRIVED) {
            sobj_cell_ref(value);
            p->value = value;
        }
        if (p->parker != NULL)
            sobj__wakes_add(&wakes, p->parker);
    }
    unlock();
    sobj__wakes_run(&wakes);
    flight_free(f);
}

void sobj_flight_fail(struct sobj_dict_key *k, uint64_t number)
{
    struct sobj__wakes wakes = {.count = 0};

    lock();
    struct sobj__flight *f = find_own_locked(k, number);
    if (f != NULL)
        f = hand_on_locked(f, &wakes);
    unlock();
    sobj__wakes_run(&wakes);
    flight_free(f);
}

enum sobj_status sobj_flight_land(struct sobj_dict_key *k, uint64_t number,
                                  const struct sobj_key *key, sobj_cell value,
                                  sobj_cell *present)
{
    struct sobj_out out = {.take = sobj_out_ref};
    enum sobj_status status;

    lock();
    struct sobj__flight *f = find_own_locked(k, number);
    if (f != NULL)
        f->landing = true; /* G4 */
    unlock();
    sobj_cell_ref(value); /* for the passengers, who get it even if it is removed */
    status = sobj_dict_add(k->dict, key, value, &out);
    SOBJ_PAUSE("flight.land");
    if (status == SOBJ_EXISTS) {
        *present = out.cell;
        conclude(k, number, out.cell);
    } else if (status == SOBJ_OK) {
        conclude(k, number, value);
    } else {
        sobj_flight_fail(k, number);
    }
    sobj_cell_unref(value);
    return status;
}

/* Makes one flight of this owner, or in this domain, fail. Returns: false: none left. */
static bool end_one(const struct sobj__thread *owner, const struct sobj_domain *domain)
{
    struct sobj__wakes wakes = {.count = 0};
    struct sobj__flight *f = NULL;

    lock();
    for (uint32_t i = 0; i < SOBJ__FLIGHT_BUCKETS && f == NULL; i++) {
        f = sobj__flights.buckets[i];
        while (f != NULL && f->owner != owner &&
               (domain == NULL || f->domain != domain))
            f = f->next;
    }
    bool found = f != NULL;
    if (found)
        f = hand_on_locked(f, &wakes);
    unlock();
    sobj__wakes_run(&wakes);
    flight_free(f);
    return found;
}

void sobj__flights_thread_end(struct sobj__thread *thread)
{
    while (end_one(thread, NULL)) {
    }
}

void sobj__flights_domain_end(struct sobj_domain *domain)
{
    while (end_one(NULL, domain)) {
    }
}

void sobj__flights_fork_child(void)
{
    struct sobj__flight *dead = NULL, *f, *next;

    for (uint32_t i = 0; i < SOBJ__FLIGHT_BUCKETS; i++) {
        for (f = sobj__flights.buckets[i]; f != NULL; f = next) {
            next = f->next;
            f->head = f->tail = NULL; /* their threads are gone */
            if (f->owner == sobj__thread_tls)
                continue;
            close_locked(f);
            f->next = dead;
            dead = f;
        }
    }
    for (f = dead; f != NULL; f = next) {
        next = f->next;
        flight_free(f);
    }
}

/* ---- joining */

/* Sleeps once at most. Returns: the status of the sleep; `*found`: the key is there and
 * `*value` has its value. */
static enum sobj_status sleep_once(struct sobj_dict_key *k, struct sobj__passenger *p,
                                   int64_t deadline, bool *found, sobj_cell *value)
{
    struct sobj__parker parker;
    struct sobj__watcher watcher;
    enum sobj_status status = sobj__parker_init(&parker, p->domain);

    if (status != SOBJ_OK)
        return status;
    status = sobj__watch_enter(k, &watcher, &parker);
    if (status == SOBJ_OK) {
        lock();
        bool decided = p->outcome != SOBJ__ABOARD;
        if (!decided)
            p->parker = &parker;
        unlock();
        SOBJ_PAUSE("flight.look");
        *found = sobj__dict_key_look(k, value); /* K1 */
        if (!decided && !*found)
            status = sobj__park(&parker, deadline);
        SOBJ_PAUSE("flight.woken");
        sobj__watch_leave(k, &watcher);
        lock();
        p->parker = NULL;
        unlock();
    }
    sobj__parker_fini(&parker);
    return status;
}

/* Waits until the passenger's outcome is decided, the key is there, or the wait ends.
 * Returns: the status that ended it; `*found` as above. */
static enum sobj_status fly(struct sobj_dict_key *k, struct sobj__passenger *p,
                            int64_t deadline, bool *found, sobj_cell *value)
{
    enum sobj_status status;
    bool decided;

    do {
        SOBJ_PAUSE("flight.sleep");
        status = sleep_once(k, p, deadline, found, value);
        lock();
        decided = p->outcome != SOBJ__ABOARD;
        if (!decided && (*found || status != SOBJ_OK))
            disembark_locked(p->flight, p);
        unlock();
    } while (status == SOBJ_OK && !decided && !*found);
    return status;
}

/* Begins a flight, or goes aboard that of another thread. Returns: OK: `p` is aboard;
 * NOT_FOUND: the flight is the caller's; DEADLOCK, TIMEOUT (`deadline` is 0), NO_MEMORY.
 */
static enum sobj_status begin_or_board(struct sobj_dict_key *k, int64_t deadline,
                                       struct sobj_domain *domain,
                                       struct sobj__passenger *p,
                                       struct sobj_flight *out)
{
    struct sobj__thread *self = sobj__thread_self();
    enum sobj_status status = SOBJ_OK;

    if (self == NULL)
        return SOBJ_NO_MEMORY;
    lock();
    struct sobj__flight *f = find_locked(k);
    if (f == NULL) {
        f = begin_locked(k, self, domain);
        status = f != NULL ? SOBJ_NOT_FOUND : SOBJ_NO_MEMORY;
        out->number = f != NULL ? f->number : 0;
    } else if (ring_locked(f, self, out)) {
        status = SOBJ_DEADLOCK;
    } else if (deadline == 0) {
        status = SOBJ_TIMEOUT;
    } else {
        board_locked(f, p, self, domain);
    }
    unlock();
    return status;
}

/* What comes of a flight that has just become the caller's (G5). */
static enum sobj_status check_in(struct sobj_dict_key *k, struct sobj_flight *out)
{
    SOBJ_PAUSE("flight.begin");
    if (sobj__dict_key_look(k, &out->value)) {
        conclude(k, out->number, SOBJ_NO_CELL);
        return SOBJ_OK;
    }
    if (sobj__mode(k->dict) & SOBJ__FROZEN) {
        sobj_flight_fail(k, out->number);
        return SOBJ_FROZEN;
    }
    return SOBJ_NOT_FOUND;
}

enum sobj_status sobj_flight_join(struct sobj_dict_key *k, int64_t deadline,
                                  struct sobj_domain *domain, struct sobj_flight *out)
{
    for (;;) {
        struct sobj__passenger p;
        bool found = false;
        enum sobj_status status;

        if (sobj__dict_key_look(k, &out->value))
            return SOBJ_OK;
        status = begin_or_board(k, deadline, domain, &p, out);
        if (status == SOBJ_NOT_FOUND)
            return check_in(k, out);
        if (status != SOBJ_OK)
            return status;
        status = fly(k, &p, deadline, &found, &out->value);
        if (p.outcome == SOBJ__ARRIVED) {
            if (found)
                sobj_cell_unref(out->value);
            out->value = p.value;
            return SOBJ_OK;
        }
        if (p.outcome == SOBJ__PROMOTED) {
            out->number = p.number;
            if (found)
                sobj_cell_unref(out->value);
            if (status != SOBJ_CLOSING)
                return check_in(k, out);
            sobj_flight_fail(k, out->number);
            return SOBJ_CLOSING;
        }
        if (found)
            return SOBJ_OK;
        /* The end of a wait stays one, also if the flight is over: a signal that came
         * must not be slept through. */
        if (status != SOBJ_OK)
            return sobj__dict_key_look(k, &out->value) ? SOBJ_OK : status;
    }
}
