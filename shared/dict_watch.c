/* SPDX-License-Identifier: MIT */
/* L3: waiting for the value of a key; invariants K1-K4 in dict_watch.h. */
#include "dict_watch.h"

#include "alloc.h"
#include "park.h"

/* ---- keys */

enum sobj_status sobj_dict_key_new(struct sobj_object *d, const struct sobj_key *key,
                                   struct sobj_dict_key **out)
{
    struct sobj_dict_key *k = sobj__alloc(SOBJ_COUNT_BLOCKS, sizeof *k);
    struct sobj__probe p;

    if (k == NULL)
        return SOBJ_NO_MEMORY;
    sobj__probe_init(&p, key);
    k->node = sobj__node_new(&p, SOBJ_MISSING);
    if (k->node == NULL) {
        sobj__free(SOBJ_COUNT_BLOCKS, k, sizeof *k);
        return SOBJ_NO_MEMORY;
    }
    sobj__node_unref(k->node); /* a slot's, and there is none */
    atomic_init(&k->refs, 1);
    sobj_ref(d);
    k->dict = d;
    *out = k;
    return SOBJ_OK;
}

void sobj__dict_key_ref(struct sobj_dict_key *k)
{
    /* Relaxed: the caller's reference, or a lock, keeps it. */
    sobj_add_relaxed(&k->refs, 1);
}

void sobj_dict_key_unref(struct sobj_dict_key *k)
{
    /* AcqRel: all uses precede its end. */
    if (sobj_sub_acq_rel(&k->refs, 1) != 1)
        return;
    sobj__node_unref(k->node);
    sobj_unref(k->dict);
    sobj__free(SOBJ_COUNT_BLOCKS, k, sizeof *k);
}

void sobj_dict_key_show(const struct sobj_dict_key *k, sobj_take_entry take,
                        void *context)
{
    struct sobj_entry entry;

    sobj__node_entry(k->node, &entry);
    entry.value = SOBJ_MISSING;
    sobj__read_begin(); /* what `take` may rely on */
    take(&entry, context);
    sobj__read_end();
}

bool sobj__dict_key_look(const struct sobj_dict_key *k, sobj_cell *value)
{
    struct sobj_out out = {.take = sobj_out_ref};
    struct sobj_key key;

    sobj__node_key(k->node, &key);
    if (sobj_dict_get(k->dict, &key, &out) != SOBJ_OK)
        return false;
    *value = out.cell;
    return true;
}

/* ---- the lists */

static struct sobj__watch *watch_of(struct sobj__dict *d)
{
    /* Acquire: pairs with the CAS in watch_make. */
    return sobj_load_acquire(&d->watch);
}

/* Returns: the dict's, making it if there is none; NULL on no memory. */
static struct sobj__watch *watch_make(struct sobj__dict *d)
{
    struct sobj__watch *w = watch_of(d), *made;

    if (w != NULL)
        return w;
    made = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, sizeof *made);
    /* AcqRel: publishes the empty lists; on failure another thread's are there. */
    if (made == NULL || sobj_cas_acq_rel(&d->watch, &w, made))
        return made;
    sobj__free(SOBJ_COUNT_BLOCKS, made, sizeof *made);
    return w;
}

static uint32_t list_of(uint64_t hash) { return (uint32_t)(hash * SOBJ__SPREAD >> 60); }

static void unlink_locked(struct sobj__watch *watch, struct sobj__watcher *w)
{
    uint32_t i = list_of(w->hash);

    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        watch->lists[i].head = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    else
        watch->lists[i].tail = w->prev;
    w->linked = false;
    /* Relaxed: going down only saves a writer a look under the lock. */
    sobj_sub_relaxed(&watch->lists[i].count, 1);
}

enum sobj_status sobj__watch_enter(const struct sobj_dict_key *k,
                                   struct sobj__watcher *w, struct sobj__parker *parker)
{
    struct sobj__dict *d = sobj__dict_of(k->dict);
    struct sobj__watch *watch = watch_make(d);
    uint32_t i = list_of(k->node->hash);

    if (watch == NULL)
        return SOBJ_NO_MEMORY;
    memset(w, 0, sizeof *w);
    w->parker = parker;
    w->hash = k->node->hash;
    w->linked = true;
    sobj__write_begin();
    sobj__lock_acquire(&watch->lock);
    if (watch->watchers++ == 0) {
        /* SeqCst: before the fence below (K1, K3). */
        sobj_or_seq_cst(&d->header.mode, SOBJ__WATCHED);
    }
    w->number = watch->arrivals++;
    w->prev = watch->lists[i].tail;
    if (w->prev != NULL)
        w->prev->next = w;
    else
        watch->lists[i].head = w;
    watch->lists[i].tail = w;
    /* SeqCst: before the fence below (K1). */
    sobj_add_seq_cst(&watch->lists[i].count, 1);
    sobj__lock_release(&watch->lock);
    sobj__write_end();
    /* SeqCst: before the caller looks at the key, which it does with acquire (K1). */
    sobj_fence_seq_cst();
    return SOBJ_OK;
}

void sobj__watch_leave(const struct sobj_dict_key *k, struct sobj__watcher *w)
{
    struct sobj__dict *d = sobj__dict_of(k->dict);
    struct sobj__watch *watch = watch_of(d);

    sobj__write_begin();
    sobj__lock_acquire(&watch->lock);
    if (w->linked)
        unlink_locked(watch, w);
    if (--watch->watchers == 0) {
        /* SeqCst: no order is needed; nobody waits (K3). */
        sobj_and_seq_cst(&d->header.mode, ~(uint64_t)SOBJ__WATCHED);
    }
    sobj__lock_release(&watch->lock);
    sobj__write_end();
}

/* Wakes those in list `i` that wait for a key with this hash, or all. */
static void wake_list(struct sobj__watch *watch, uint32_t i, uint64_t hash, bool all)
{
    struct sobj__wakes wakes = {.count = 0};
    uint64_t end = UINT64_MAX;
    bool more = true;

    /* SeqCst: behind the writer's exchange (K1). */
    if (sobj_load_seq_cst(&watch->lists[i].count) == 0)
        return;
    while (more) {
        struct sobj__watcher *w, *next;

        sobj__write_begin();
        sobj__lock_acquire(&watch->lock);
        if (end == UINT64_MAX)
            end = watch->arrivals; /* K4 */
        for (w = watch->lists[i].head; w != NULL && !sobj__wakes_full(&wakes);
             w = next) {
            next = w->next;
            if (w->number >= end || !(all || w->hash == hash))
                continue;
            unlink_locked(watch, w);
            sobj__wakes_add(&wakes, w->parker);
        }
        more = w != NULL;
        sobj__lock_release(&watch->lock);
        sobj__write_end();
        sobj__wakes_run(&wakes);
    }
}

SOBJ_NOINLINE void sobj__watch_wake(struct sobj__dict *d, uint64_t hash)
{
    SOBJ_PAUSE("watch.wake");
    /* Whoever sees WATCHED sees the lists: they were published before it was set. */
    wake_list(watch_of(d), list_of(hash), hash, false);
}

SOBJ_NOINLINE void sobj__watch_wake_all(struct sobj__dict *d)
{
    for (uint32_t i = 0; i < SOBJ__WATCH_LISTS; i++)
        wake_list(watch_of(d), i, 0, true);
}

void sobj__watch_free(struct sobj__dict *d)
{
    /* Waiters have references to the dict: there are none. */
    sobj__free(SOBJ_COUNT_BLOCKS, watch_of(d), sizeof(struct sobj__watch));
}

void sobj__watch_fork_child(struct sobj__dict *d)
{
    struct sobj__watch *watch = watch_of(d);

    if (watch == NULL)
        return;
    memset(watch, 0, sizeof *watch);
    /* SeqCst: the only thread; no order is needed. */
    sobj_and_seq_cst(&d->header.mode, ~(uint64_t)SOBJ__WATCHED);
}

/* ---- waiting */

static void take_nothing(struct sobj_out *out) { (void)out; }

/* Returns: the cell as a name only, or MISSING. */
static sobj_cell peek(const struct sobj_dict_key *k)
{
    struct sobj_out out = {.take = take_nothing};
    struct sobj_key key;

    sobj__node_key(k->node, &key);
    return sobj_dict_get(k->dict, &key, &out) == SOBJ_OK ? out.cell : SOBJ_MISSING;
}

/* Sleeps once at most. Wake-ups need not be passed on: every change wakes all. */
static enum sobj_status wait_once(struct sobj_dict_key *k, sobj_cell seen,
                                  int64_t deadline, struct sobj_domain *domain)
{
    struct sobj__parker parker;
    struct sobj__watcher watcher;
    enum sobj_status status = sobj__parker_init(&parker, domain);

    SOBJ_PAUSE("watch.enter");
    if (status != SOBJ_OK)
        return status;
    status = sobj__watch_enter(k, &watcher, &parker);
    if (status == SOBJ_OK) {
        if (peek(k) == seen) /* K1 */
            status = sobj__park(&parker, deadline);
        sobj__watch_leave(k, &watcher);
    }
    sobj__parker_fini(&parker);
    return status;
}

enum sobj_status sobj_dict_wait(struct sobj_dict_key *k, sobj_cell seen,
                                int64_t deadline, struct sobj_domain *domain)
{
    enum sobj_status status = SOBJ_OK;

    while (status == SOBJ_OK && peek(k) == seen)
        status = wait_once(k, seen, deadline, domain);
    return peek(k) != seen ? SOBJ_OK : status;
}
