/* SPDX-License-Identifier: MIT */
/* L3: snapshots of the dict; see dict_snapshot.h. */
#include "dict_snapshot.h"

#include <string.h>

#include "alloc.h"

#define BUCKETS_MIN 8u
#define KEYS_A_BUCKET 4u
#define PAGE_BUCKETS (4096u / sizeof(void *))

/* ---- saved values */

static size_t buckets_bytes(const struct sobj_dict_snapshot *s)
{
    return (s->mask + 1) * sizeof *s->buckets;
}

static _Atomic(struct sobj__saved *) *bucket_of(const struct sobj_dict_snapshot *s,
                                                const struct sobj__node *n)
{
    uint64_t spread = ((uintptr_t)n >> 4) * SOBJ__SPREAD;

    return &s->buckets[spread >> 32 & s->mask];
}

/* Returns: the entry of `n` in a chain, or NULL. */
static const struct sobj__saved *find_saved(const struct sobj__saved *chain,
                                            const struct sobj__node *n)
{
    while (chain != NULL && chain->node != n)
        chain = chain->next;
    return chain;
}

static void save(struct sobj_dict_snapshot *s, struct sobj__node *n, sobj_cell v)
{
    _Atomic(struct sobj__saved *) *bucket = bucket_of(s, n);
    /* Acquire: pairs with the CAS below. */
    struct sobj__saved *head = sobj_load_acquire(bucket), *entry;

    if (find_saved(head, n) != NULL)
        return;
    entry = sobj__alloc(SOBJ_COUNT_BLOCKS, sizeof *entry);
    if (entry == NULL) {
        /* Release: with the exchange that follows, which publishes it (S5). */
        sobj_store_release(&s->failed, true);
        return;
    }
    sobj_cell_ref(v); /* the cell's own reference lasts as long as our section */
    entry->node = n;
    entry->value = v;
    /* Relaxed: published by the CAS; whoever finds the entry sees that there is one. */
    sobj_add_relaxed(&s->entries, 1);
    SOBJ_PAUSE("snapshot.save");
    do {
        entry->next = head;
        /* AcqRel: publishes the entry. If somebody else has saved the node meanwhile,
         * there are two entries, which say the same (S2). */
    } while (!sobj_cas_acq_rel(bucket, &head, entry));
}

void sobj__snapshot_save(struct sobj__dict *d, struct sobj__body *body,
                         struct sobj__node *n, sobj_cell v)
{
    /* Acquire: pairs with the release that linked the snapshot (S6). */
    struct sobj_dict_snapshot *s = sobj_load_acquire(&d->snapshots);

    for (; s != NULL; s = sobj_load_acquire(&s->next)) /* Acquire: as above. */
        if (s->body == body && sobj__node_position(n) < s->cut)
            save(s, n, v);
}

/* ---- begin and end */

static void snapshot_free(struct sobj_dict_snapshot *s)
{
    for (uint64_t i = 0; i <= s->mask; i++) {
        /* Relaxed: nobody else has the snapshot any more. */
        struct sobj__saved *e = sobj_load_relaxed(&s->buckets[i]), *next;
        for (; e != NULL; e = next) {
            next = e->next;
            sobj_cell_unref(e->value);
            sobj__free(SOBJ_COUNT_BLOCKS, e, sizeof *e);
        }
    }
    sobj__body_unref(s->body);
    sobj__free_table((void *)s->buckets, buckets_bytes(s));
    sobj__free(SOBJ_COUNT_BLOCKS, s, sizeof *s);
}

static void snapshot_free_cb(void *s) { snapshot_free(s); }

/* Returns: an empty snapshot with buckets for `keys`, or NULL. */
static struct sobj_dict_snapshot *snapshot_new(size_t keys)
{
    struct sobj_dict_snapshot *s = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, sizeof *s);
    uint64_t buckets = BUCKETS_MIN;

    if (s == NULL)
        return NULL;
    while (buckets < keys / KEYS_A_BUCKET)
        buckets *= 2;
    s->mask = buckets - 1;
    s->buckets = sobj__alloc_table(buckets_bytes(s));
    if (s->buckets == NULL) {
        sobj__free(SOBJ_COUNT_BLOCKS, s, sizeof *s);
        return NULL;
    }
    /* Whoever saves a value shall not wait for the system to clear a large page.
     * Relaxed: nobody else has the snapshot yet. */
    for (uint64_t i = 0; i < buckets; i += PAGE_BUCKETS)
        sobj_store_relaxed(&s->buckets[i], NULL);
    return s;
}

/* Needs: the gate closed by us, at the moment. */
static void cut(struct sobj__dict *d, struct sobj_dict_snapshot *s)
{
    struct sobj__body *body = sobj__dict_root(d)->body;

    s->dict = d;
    s->body = body;
    /* Relaxed, here and below: nobody changes the dict at the moment, and what was
     * changed before is visible (G1). */
    s->cut = sobj_load_relaxed(&body->tail);
    s->len = (size_t)sobj_load_relaxed(&body->live); /* Relaxed: C1. */
    s->segment = sobj_load_relaxed(&body->head);     /* Relaxed: as above. */
    s->owner = pthread_self();
    /* Relaxed: the root holds a reference; and what follows the moment sees both (G2). */
    sobj_add_relaxed(&body->refs, 1);
    sobj_add_relaxed(&body->held, 1);
    sobj__lock_acquire(&d->lock);
    /* Relaxed: changes under the lock. */
    sobj_store_relaxed(&s->next, sobj_load_relaxed(&d->snapshots));
    /* Release: publishes the snapshot to changers that another one has made look. */
    sobj_store_release(&d->snapshots, s);
    /* Release: who sees the bit sees the list (S1). */
    sobj_or_release(&d->header.mode, SOBJ__LOG);
    sobj__lock_release(&d->lock);
}

enum sobj_status sobj_dict_snapshot_begin(struct sobj_object *obj,
                                          struct sobj_dict_snapshot **out)
{
    struct sobj__dict *d = sobj__dict_of(obj);
    struct sobj_dict_snapshot *s = snapshot_new(sobj_dict_len(obj));
    struct sobj__closing closing;

    if (s == NULL)
        return SOBJ_NO_MEMORY;
    sobj_ref(obj);
    sobj__gate_close(obj, &d->gate, &closing);
    cut(d, s);
    sobj__gate_open(obj, &d->gate, &closing);
    *out = s;
    return SOBJ_OK;
}

size_t sobj_dict_snapshot_len(const struct sobj_dict_snapshot *s) { return s->len; }

/* Takes `s` out of the list, if it is in it. Needs: d->lock, a write section. */
static void unlink_locked(struct sobj__dict *d, struct sobj_dict_snapshot *s)
{
    _Atomic(struct sobj_dict_snapshot *) *link = &d->snapshots;
    struct sobj_dict_snapshot *at;

    /* Relaxed, here and below: changes under the lock. */
    while ((at = sobj_load_relaxed(link)) != s)
        link = &at->next;
    /* Release: whoever reads the link follows it; pairs with the acquire in save. */
    sobj_store_release(link, sobj_load_relaxed(&s->next));
    /* SeqCst, though no order is needed: who still sees LOG finds an empty list. */
    if (sobj_load_relaxed(&d->snapshots) == NULL)
        sobj_and_seq_cst(&d->header.mode, ~(uint64_t)SOBJ__LOG);
    /* Release: all our reads of the log precede the next compaction (S3). */
    sobj_sub_release(&s->body->held, 1);
}

/* Gives back what has died while the log was held. Each piece is a section of its own;
 * the first round may begin anywhere in the log. */
static void tidy(struct sobj__dict *d)
{
    for (int rounds = 2; rounds > 0;) {
        uint64_t mode;
        /* A frozen dict may be tidied: nothing of its content changes. */
        (void)sobj__dict_begin(d, &mode);
        if ((mode & SOBJ__SNAP) != 0)
            (void)sobj__gate_await(&d->header, &d->gate);
        rounds -= !sobj__log_tidy(sobj__dict_root(d)->body);
        sobj__write_end();
    }
}

void sobj_dict_snapshot_end(struct sobj_dict_snapshot *s)
{
    struct sobj__dict *d = s->dict;
    /* Relaxed: only a size. */
    size_t bytes = (size_t)sobj_load_relaxed(&s->entries) * sizeof(struct sobj__saved);

    sobj__write_begin();
    sobj__lock_acquire(&d->lock);
    unlink_locked(d, s);
    sobj__lock_release(&d->lock);
    sobj__retire(s, snapshot_free_cb, sizeof *s + buckets_bytes(s) + bytes);
    sobj__retire_soon();
    sobj__write_end();
    tidy(d);
    sobj_unref(&d->header);
}

void sobj__snapshots_fork_child(struct sobj__dict *d)
{
    struct sobj_dict_snapshot *s, *next;
    uint32_t dropped = 0;

    /* Relaxed: the only thread. The lock is free: it is held in write sections only. */
    for (s = sobj_load_relaxed(&d->snapshots); s != NULL; s = next) {
        next = sobj_load_relaxed(&s->next); /* Relaxed: as above. */
        if (pthread_equal(s->owner, pthread_self()))
            continue;
        unlink_locked(d, s);
        snapshot_free(s);
        dropped++;
    }
    /* The last of them may be the dict's own end. */
    while (dropped-- != 0)
        sobj_unref(&d->header);
}

/* ---- reading */

/* S4. Returns: the value of `n` at the cut. */
static sobj_cell value_at_cut(const struct sobj_dict_snapshot *s, struct sobj__node *n)
{
    /* Acquire: before all that follows; pairs with the exchange that stored it. */
    sobj_cell v = sobj_load_acquire(&n->value);
    const struct sobj__saved *entry;

    SOBJ_PAUSE("snapshot.value");
    /* Relaxed: if `v` was stored after the cut, the acquire has made the count of the
     * entry visible, which went up before the exchange. */
    if (SOBJ_LIKELY(sobj_load_relaxed(&s->entries) == 0))
        return v;
    /* Acquire: pairs with the CAS in save. */
    entry = find_saved(sobj_load_acquire(bucket_of(s, n)), n);
    return entry != NULL ? entry->value : v;
}

enum sobj_status sobj__snapshot_step(struct sobj_dict_snapshot *s,
                                     struct sobj__node **node, sobj_cell *value)
{
    struct sobj__segment *at = s->segment;

    while (at != NULL && s->index < at->count) {
        /* Acquire: pairs with the CAS in log_append. */
        uint64_t cell = sobj_load_acquire(&at->cells[s->index]);
        struct sobj__node *n = (struct sobj__node *)(uintptr_t)cell;
        s->index++;
        if (cell <= SOBJ__CLOSED)
            continue;
        if (sobj__node_position(n) >= s->cut) {
            s->segment = NULL;
            return SOBJ_EMPTY;
        }
        *value = value_at_cut(s, n);
        /* Acquire: after the value (S5). */
        if (SOBJ_UNLIKELY(sobj_load_acquire(&s->failed)))
            return SOBJ_NO_MEMORY;
        if (sobj__is_mark(*value))
            continue;
        *node = n;
        return SOBJ_OK;
    }
    if (at == NULL)
        return SOBJ_EMPTY;
    s->segment =
        sobj_load_acquire(&at->next); /* Acquire: pairs with the linking CAS. */
    s->index = 0;
    return SOBJ_MISMATCH;
}

enum sobj_status sobj_dict_snapshot_next(struct sobj_dict_snapshot *s,
                                         sobj_take_entry take, void *context)
{
    enum sobj_status status;

    do {
        struct sobj_entry entry;
        struct sobj__node *n;
        sobj__read_begin();
        status = sobj__snapshot_step(s, &n, &entry.value);
        if (status == SOBJ_OK) {
            sobj__node_entry(n, &entry);
            take(&entry, context);
        }
        sobj__read_end();
    } while (status == SOBJ_MISMATCH);
    return status;
}
