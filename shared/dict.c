/* SPDX-License-Identifier: MIT */
/* L3: operations of the dict on one key; those on all of it are in dict_whole.c.
 * Contract: sharedobj/dict.h; structure and invariants: dict_internal.h.
 */
#include "alloc.h"
#include "dict_snapshot.h"
#include "dict_watch.h"

/* A table is moved on when less than 1/16 of it lives and it is larger than this. */
#define SHRINK_MIN 256u

/* ---- looking up */

/* What the head `n` with the mark `*value` decides (T1). Returns: the node in which the
 * key lives and its value; NULL and DELETED: it is absent; NULL and DROPPED: nothing. */
static SOBJ_NOINLINE struct sobj__node *follow(struct sobj__node *n, sobj_cell *value)
{
    while (sobj__forwarded(*value) != NULL) {
        n = sobj__forwarded(*value);
        *value = sobj_load_acquire(&n->value); /* Acquire: pairs with the CAS. */
    }
    return sobj__is_mark(*value) ? NULL : n;
}

/* Returns: the node in which the key lives and its value, or NULL. Needs: a section. */
SOBJ_INLINE struct sobj__node *find(struct sobj__table *t, const struct sobj__probe *p,
                                    sobj_cell *value)
{
    for (;;) {
        struct sobj__path path;
        sobj__path_init(&path, t, p->spread);
        do {
            /* Acquire: pairs with the CAS that filled the slot (T6). */
            uint64_t w = sobj_load_acquire(sobj__path_slot(&path));
            if (SOBJ_LIKELY(w >> 48 == p->fingerprint)) {
                struct sobj__node *n = sobj__slot_node(w);
                if (SOBJ_UNLIKELY(!sobj__node_has_key(n, p)))
                    continue;
                /* Acquire: pairs with the CAS that stored it. */
                sobj_cell v = sobj_load_acquire(&n->value);
                if (SOBJ_UNLIKELY(sobj__is_mark(v))) {
                    sobj_cell last = v;
                    n = follow(n, &last);
                    if (n == NULL && last != SOBJ__DELETED)
                        continue;
                    v = last;
                }
                *value = v;
                return n;
            } else if (w == 0) {
                return NULL; /* T2 */
            } else if (w == SOBJ__FROZEN_SLOT) {
                break;
            }
        } while (sobj__path_next(&path));
        t = sobj_load_acquire(&t->next); /* Acquire: pairs with the CAS that set it. */
        if (t == NULL)
            return NULL;
    }
}

enum sobj_status sobj_dict_get(struct sobj_object *obj, const struct sobj_key *key,
                               struct sobj_out *out)
{
    enum sobj_status status = SOBJ_NOT_FOUND;
    struct sobj__probe p;
    sobj_cell v;

    sobj__probe_init(&p, key);
    sobj__read_begin();
    if (find(sobj__dict_root(sobj__dict_of(obj)), &p, &v) != NULL) {
        sobj__hand_out(out, v);
        status = SOBJ_OK;
    }
    sobj__read_end();
    return status;
}

enum sobj_status sobj_dict_get_pinned(struct sobj_object *obj,
                                      const struct sobj_key *key, struct sobj_out *out,
                                      struct sobj_dict_pin **pin, uint64_t *content)
{
    enum sobj_status status = SOBJ_NOT_FOUND;
    struct sobj__probe p;
    struct sobj__node *n;
    sobj_cell v;

    *pin = NULL;
    sobj__probe_init(&p, key);
    sobj__read_begin();
    /* Acquire: pairs with the additions around an exchange; precedes the root (W3). */
    *content = sobj_load_acquire(&sobj__dict_of(obj)->content);
    SOBJ_PAUSE("dict.pin");
    n = find(sobj__dict_root(sobj__dict_of(obj)), &p, &v);
    if (n != NULL) {
        if ((uint32_t)*content == *content >> 32)
            *pin = sobj__pin(n);
        sobj__hand_out(out, v);
        status = SOBJ_OK;
    }
    sobj__read_end();
    return status;
}

/* ---- finding the place of a change */

enum place_kind { LIVE, DEAD, VACANT };

struct place {
    enum place_kind kind;
    struct sobj__table *table;
    sobj__slot_t *slot;
    uint64_t word;           /* what the slot held */
    struct sobj__node *node; /* end of the chain; for LIVE and DEAD */
    sobj_cell value;         /* for LIVE */
};

/* What the head in `place->slot` decides. Returns: false if nothing: DROPPED. */
static bool judge_head(struct sobj__dict *d, struct place *place)
{
    struct sobj__node *n = sobj__slot_node(place->word), *next;
    /* Acquire: pairs with the CAS that stored it. */
    sobj_cell v = sobj_load_acquire(&n->value);

    if (SOBJ_UNLIKELY(sobj__is_mark(v))) {
        bool chained = false;
        while ((next = sobj__forwarded(v)) != NULL) {
            n = next;
            v = sobj_load_acquire(&n->value); /* Acquire: as above. */
            chained = true;
        }
        if (v == SOBJ__DROPPED)
            return false;
        if (chained)
            sobj__slot_shorten(d, place->table, place->slot, place->word);
    }
    place->node = n;
    place->value = v;
    place->kind = v == SOBJ__DELETED ? DEAD : LIVE;
    return true;
}

/* Finds where the state of a key is decided (T1): in a node, or in the first empty slot
 * of its path, in the first table of the chain where that slot is not frozen.
 * Returns: OK, or NO_MEMORY if a table was needed. Needs: a write section. */
static enum sobj_status locate(struct sobj__dict *d, const struct sobj__probe *p,
                               struct place *place)
{
    struct sobj__table *t = sobj__dict_root(d);

    for (;;) {
        struct sobj__path path;
        bool on = false;
        place->table = t;
        sobj__path_init(&path, t, p->spread);
        do {
            place->slot = sobj__path_slot(&path);
            /* Acquire: pairs with the CAS that filled the slot (T6). */
            place->word = sobj_load_acquire(place->slot);
            if (place->word == 0) {
                /* Acquire: pairs with the CAS that set it. */
                if (SOBJ_LIKELY(sobj_load_acquire(&t->next) == NULL)) {
                    place->kind = VACANT;
                    return SOBJ_OK;
                }
                /* SeqCst: everybody goes on to the next table from here (T2, K2). */
                on = sobj_cas_seq_cst(place->slot, &place->word, SOBJ__FROZEN_SLOT);
            }
            if (place->word >> 48 == p->fingerprint) {
                if (sobj__node_has_key(sobj__slot_node(place->word), p) &&
                    judge_head(d, place))
                    return SOBJ_OK;
            } else if (place->word == SOBJ__FROZEN_SLOT) {
                on = true;
            }
        } while (!on && sobj__path_next(&path));
        if (!on) { /* no empty slot in the whole table */
            enum sobj_status status = sobj__table_start(d, t, 0, true);
            if (status != SOBJ_OK)
                return status;
        }
        sobj__table_help(d);
        t = sobj_load_acquire(&t->next); /* Acquire: pairs with the CAS that set it. */
    }
}

/* ---- inserting */

/* Makes a node and enters it into the order. Returns: NULL on no memory. */
static struct sobj__node *enter(struct sobj__body *body, const struct sobj__probe *p,
                                sobj_cell value)
{
    struct sobj__node *n = sobj__node_new(p, value);

    if (n == NULL)
        return NULL;
    if (sobj__log_append(body, n) == SOBJ_OK)
        return n;
    sobj__node_unref(n);
    /* The last reference may free cores, which a section must not do itself. */
    sobj__retire(n, sobj__node_unref_cb, sobj__node_bytes(n));
    return NULL;
}

/* Takes back a node that was not inserted. A further attempt needs a new one: the key
 * may have come and gone meanwhile, and an iteration that has shown it would meet this
 * position next (L2). */
static void abandon(struct sobj__body *body, struct sobj__node *n)
{
    sobj_sub_relaxed(&body->live, 1); /* Relaxed: C1. */
    /* Release: nothing of the value is used through this node any more. */
    sobj_store_release(&n->value, SOBJ__DELETED);
    sobj__log_died(body);
    sobj__node_unref(n); /* the slot's; the log keeps its own */
}

/* Inserts at a place that is VACANT or DEAD.
 * Returns: OK, MISMATCH if somebody was faster, NO_MEMORY. */
static enum sobj_status insert(struct sobj__dict *d, struct place *place,
                               const struct sobj__probe *p, sobj_cell value)
{
    struct sobj__table *t = place->table;
    struct sobj__body *body = t->body;
    struct sobj__node *n = enter(body, p, value);
    sobj_cell expected = SOBJ__DELETED;
    bool inserted;

    if (n == NULL)
        return SOBJ_NO_MEMORY;
    /* Relaxed: ordered by the exchange (C1). */
    sobj_add_relaxed(&body->live, 1);
    SOBJ_PAUSE("dict.insert");
    if (place->kind == VACANT)
        /* SeqCst: publishes the node; the insertion happens here (T1, T6, K1). */
        inserted = sobj_cas_seq_cst(place->slot, &place->word, sobj__slot_word(n));
    else
        /* SeqCst: publishes the node; the insertion happens here (T1, K1). */
        inserted = sobj_cas_seq_cst(&place->node->value, &expected, sobj__forward(n));
    if (!inserted) {
        abandon(body, n);
        return SOBJ_MISMATCH;
    }
    SOBJ_PAUSE("dict.link");
    /* Release: a walker that sees it need not ask the table (L1). */
    sobj_or_release(&n->refs, SOBJ__LINKED);
    if (place->kind == DEAD) {
        sobj__slot_shorten(d, t, place->slot, place->word);
    } else {
        /* Relaxed: a fill level. */
        uint64_t used = sobj_add_relaxed(&t->used, 1) + 1;
        if (SOBJ_UNLIKELY(used >= SOBJ__FULL_ENOUGH(t->mask + 1)))
            /* Without memory the table just gets fuller; the last slot will tell. */
            (void)sobj__table_start(d, t, 0, false);
    }
    return SOBJ_OK;
}

/* ---- changing */

enum op { SET, ADD, EXCHANGE, INCREMENT };

struct change {
    uint64_t mode;        /* of the dict */
    sobj_cell value;      /* to store; INCREMENT: computed */
    sobj_cell n, start;   /* INCREMENT */
    struct sobj_out *out; /* ADD, EXCHANGE */
    bool stored;          /* the reference in `value` has gone into the dict */
};

/* The change at a key that lives. Returns: a final status, or MISMATCH: look again. */
SOBJ_INLINE enum sobj_status change_live(struct sobj__dict *d, struct place *place,
                                         struct change *c, const enum op op)
{
    sobj_cell v = place->value;

    if (op == ADD) {
        sobj__hand_out(c->out, v);
        return SOBJ_EXISTS;
    }
    do {
        if (op == EXCHANGE && c->out != NULL && SOBJ_UNLIKELY(sobj_cell_is_hosted(v)))
            return SOBJ_BAD_OPERAND;
        if (op == INCREMENT) {
            enum sobj_status status = sobj__cells_add(v, c->n, &c->value);
            if (status != SOBJ_OK)
                return status;
        }
        if (v == c->value) { /* the very word: nothing to write */
            if (op == EXCHANGE)
                sobj__hand_out(c->out, v);
            return SOBJ_OK;
        }
        SOBJ_PAUSE("dict.change");
        if (SOBJ_UNLIKELY(c->mode & SOBJ__LOG))
            sobj__snapshot_save(d, place->table->body, place->node, v);
        SOBJ_PAUSE("dict.store");
        /* SeqCst: publishes the value's blob; the change happens here (K1). */
        if (sobj_cas_seq_cst(&place->node->value, &v, c->value)) {
            c->stored = true;
            if (op == EXCHANGE)
                sobj__hand_out(c->out, v);
            sobj__cell_retire(v);
            return SOBJ_OK;
        }
    } while (!sobj__is_mark(v));
    return SOBJ_MISMATCH;
}

SOBJ_INLINE enum sobj_status change_absent(struct sobj__dict *d, struct place *place,
                                           const struct sobj__probe *p,
                                           struct change *c, const enum op op)
{
    enum sobj_status status;

    if (op == INCREMENT) {
        status = sobj__cells_add(c->start, c->n, &c->value);
        if (status != SOBJ_OK)
            return status;
    }
    status = insert(d, place, p, c->value);
    if (status == SOBJ_OK) {
        c->stored = true;
        if (op == EXCHANGE)
            return SOBJ_NOT_FOUND;
    }
    return status;
}

SOBJ_INLINE enum sobj_status update(struct sobj_object *obj, const struct sobj_key *key,
                                    struct change *c, const enum op op)
{
    struct sobj__dict *d = sobj__dict_of(obj);
    struct sobj__probe p;
    struct place place;
    enum sobj_status status;

    sobj__probe_init(&p, key);
    status = sobj__dict_begin(d, &c->mode);
    if (SOBJ_LIKELY(status == SOBJ_OK)) {
        do {
            status = locate(d, &p, &place);
            if (SOBJ_UNLIKELY(status != SOBJ_OK))
                break;
            status = place.kind == LIVE ? change_live(d, &place, c, op)
                                        : change_absent(d, &place, &p, c, op);
        } while (SOBJ_UNLIKELY(status == SOBJ_MISMATCH));
        sobj__table_help(d);
    }
    sobj__write_end();
    if (c->stored)
        sobj__dict_changed(d, p.hash);
    else if (op != INCREMENT)
        sobj_cell_unref(c->value);
    return status;
}

enum sobj_status sobj_dict_set(struct sobj_object *d, const struct sobj_key *key,
                               sobj_cell value)
{
    struct change c = {.value = value};

    return update(d, key, &c, SET);
}

enum sobj_status sobj_dict_add(struct sobj_object *d, const struct sobj_key *key,
                               sobj_cell value, struct sobj_out *out)
{
    struct change c = {.value = value, .out = out};

    return update(d, key, &c, ADD);
}

enum sobj_status sobj_dict_exchange(struct sobj_object *d, const struct sobj_key *key,
                                    sobj_cell value, struct sobj_out *out)
{
    struct change c = {.value = value, .out = out};

    return update(d, key, &c, EXCHANGE);
}

enum sobj_status sobj_dict_increment(struct sobj_object *d, const struct sobj_key *key,
                                     sobj_cell n, sobj_cell start, sobj_cell *sum)
{
    struct change c = {.n = n, .start = start};
    enum sobj_status status = update(d, key, &c, INCREMENT);

    *sum = c.value;
    return status;
}

/* Puts `put` in place of the live value `*v` of `n`, whose table is reached from `t`.
 * Returns: false if that has changed, and `*v` is what is there now. The value that was
 * replaced can be used until the section ends. */
static bool replace_node(struct sobj__dict *d, struct sobj__table *t, uint64_t mode,
                         struct sobj__node *n, sobj_cell *v, sobj_cell put)
{
    SOBJ_PAUSE("dict.change");
    if (SOBJ_UNLIKELY(mode & SOBJ__LOG))
        sobj__snapshot_save(d, t->body, n, *v);
    SOBJ_PAUSE("dict.replace");
    /* SeqCst: publishes the value; the change happens here (K1). */
    if (!sobj_cas_seq_cst(&n->value, v, put))
        return false;
    sobj__cell_retire(*v);
    if (put == SOBJ__DELETED) {
        /* Relaxed: after the exchange, never too low (C1). */
        uint64_t live = (uint64_t)sobj_sub_relaxed(&t->body->live, 1) - 1;
        sobj__log_died(t->body);
        if (SOBJ_UNLIKELY(t->mask >= SHRINK_MIN && live < t->mask / 16))
            (void)sobj__table_start(d, t, 0, false);
    }
    return true;
}

/* Replaces a value that is the same as `expected` (MISSING: any) by `desired` or, if
 * that is MISSING, removes the key. */
static enum sobj_status replace_live(struct sobj_object *obj,
                                     const struct sobj_key *key, sobj_cell expected,
                                     sobj_cell desired, struct sobj_out *out)
{
    struct sobj__dict *d = sobj__dict_of(obj);
    sobj_cell v, put = desired == SOBJ_MISSING ? SOBJ__DELETED : desired;
    struct sobj__probe p;
    struct sobj__node *n;
    enum sobj_status status;
    uint64_t mode;

    sobj__probe_init(&p, key);
    status = sobj__dict_begin(d, &mode);
    if (status != SOBJ_OK) {
        sobj__write_end();
        return status;
    }
    while (status == SOBJ_OK) {
        struct sobj__table *t = sobj__dict_root(d);
        n = find(t, &p, &v);
        if (n == NULL) {
            status = SOBJ_NOT_FOUND;
            break;
        }
        if (expected != SOBJ_MISSING && !sobj_cell_same(v, expected)) {
            status = SOBJ_MISMATCH;
            break;
        }
        if (out != NULL && SOBJ_UNLIKELY(sobj_cell_is_hosted(v))) {
            status = SOBJ_BAD_OPERAND;
            break;
        }
        if (replace_node(d, t, mode, n, &v, put)) {
            sobj__hand_out(out, v);
            break;
        }
    }
    sobj__table_help(d);
    sobj__write_end();
    if (status == SOBJ_OK)
        sobj__dict_changed(d, p.hash);
    return status;
}

enum sobj_status sobj_dict_remove(struct sobj_object *d, const struct sobj_key *key,
                                  struct sobj_out *out)
{
    return replace_live(d, key, SOBJ_MISSING, SOBJ_MISSING, out);
}

enum sobj_status sobj_dict_compare_and_set(struct sobj_object *d,
                                           const struct sobj_key *key,
                                           sobj_cell expected, sobj_cell desired)
{
    enum sobj_status status;

    if (expected != SOBJ_MISSING) {
        status = replace_live(d, key, expected, desired, NULL);
        if (status != SOBJ_OK && desired != SOBJ_MISSING)
            sobj_cell_unref(desired);
        return status == SOBJ_NOT_FOUND ? SOBJ_MISMATCH : status;
    }
    if (desired != SOBJ_MISSING) {
        status = sobj_dict_add(d, key, desired, NULL);
        return status == SOBJ_EXISTS ? SOBJ_MISMATCH : status;
    }
    /* Nothing is to be changed, but a frozen dict says so to whoever tries. */
    struct sobj__probe p;
    uint64_t mode;
    sobj_cell v;
    status = sobj__dict_begin(sobj__dict_of(d), &mode);
    sobj__write_end();
    if (status != SOBJ_OK)
        return status;
    sobj__probe_init(&p, key);
    sobj__read_begin();
    status = find(sobj__dict_root(sobj__dict_of(d)), &p, &v) == NULL ? SOBJ_OK
                                                                     : SOBJ_MISMATCH;
    sobj__read_end();
    return status;
}

/* ---- taking the last entry */

/* Takes the last entry, as far as one section goes. `*hash` is the key's.
 * Returns: OK, EMPTY, BAD_OPERAND, or MISMATCH: there is more to be looked at. */
static enum sobj_status take_last(struct sobj__dict *d, uint64_t mode,
                                  struct sobj__last *w, sobj_take_entry take,
                                  void *context, uint64_t *hash)
{
    struct sobj__table *t = sobj__dict_root(d);
    struct sobj__node *n;
    struct sobj_entry entry;

    sobj__last_enter(w, t->body);
    while ((n = sobj__last_next(w, d, t->body, &entry.value)) != NULL) {
        SOBJ_PAUSE("dict.take_last");
        do {
            sobj__node_key(n, &entry.key);
            if (SOBJ_UNLIKELY(entry.key.hosted || sobj_cell_is_hosted(entry.value))) {
                sobj__node_entry(n, &entry);
                take(&entry, context);
                sobj__last_stay(w, t->body);
                return SOBJ_BAD_OPERAND;
            }
            if (replace_node(d, t, mode, n, &entry.value, SOBJ__DELETED)) {
                sobj__node_entry(n, &entry);
                take(&entry, context);
                *hash = n->hash;
                (void)sobj__last_leave(w, t->body, true);
                return SOBJ_OK;
            }
        } while (!sobj__is_mark(entry.value));
    }
    return sobj__last_leave(w, t->body, false) ? SOBJ_MISMATCH : SOBJ_EMPTY;
}

enum sobj_status sobj_dict_remove_last(struct sobj_object *obj, sobj_take_entry take,
                                       void *context)
{
    struct sobj__dict *d = sobj__dict_of(obj);
    struct sobj__last walk = {.begun = false};
    enum sobj_status status;
    uint64_t mode, hash = 0;

    do {
        status = sobj__dict_begin(d, &mode);
        if (status == SOBJ_OK) {
            status = take_last(d, mode, &walk, take, context, &hash);
            sobj__table_help(d);
        }
        sobj__write_end();
    } while (status == SOBJ_MISMATCH);
    if (status == SOBJ_OK)
        sobj__dict_changed(d, hash);
    return status;
}
