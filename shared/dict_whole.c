/* SPDX-License-Identifier: MIT */
/* L3: the dict as a whole: its life, size, clear, replace, copy, freeze. Contract:
 * sharedobj/dict.h; invariants W1-W3: dict_internal.h.
 */
#include "alloc.h"
#include "dict_snapshot.h"
#include "dict_watch.h"

SOBJ_NOINLINE enum sobj_status sobj__dict_begin_slow(struct sobj__dict *d,
                                                     uint64_t *mode)
{
    /* Frozen is for good: nothing to wait for. */
    if ((*mode & (SOBJ__SNAP | SOBJ__FROZEN)) == SOBJ__SNAP)
        *mode = sobj__gate_await(&d->header, &d->gate);
    return *mode & SOBJ__FROZEN ? SOBJ_FROZEN : SOBJ_OK;
}

/* ---- the content */

/* Makes the body of `fresh`, which nobody else has, the content (W2, W3).
 * Returns: the root it had. Needs: a section that has passed the gate. */
static struct sobj__table *root_exchange(struct sobj__dict *d,
                                         struct sobj__table *fresh)
{
    struct sobj__table *old = sobj__dict_root(d);

    /* SeqCst: begun, before the exchange (W3). */
    sobj_add_seq_cst(&d->content, (uint64_t)1 << 32);
    SOBJ_PAUSE("dict.clearing");
    do {
        fresh->body->epoch = old->body->epoch + 1;
        SOBJ_PAUSE("dict.clear");
        /* SeqCst: everything goes at this moment; against move_chunk. A root that has
         * changed makes us count anew: two bodies must not share an epoch (L2). */
    } while (!sobj_cas_seq_cst(&d->root, &old, fresh));
    SOBJ_PAUSE("dict.cleared");
    /* SeqCst: finished, after the exchange (W3). */
    sobj_add_seq_cst(&d->content, 1);
    return old;
}

enum sobj_status sobj_dict_clear(struct sobj_object *obj)
{
    struct sobj__dict *d = sobj__dict_of(obj);
    struct sobj__table *fresh = NULL;
    uint64_t mode;
    enum sobj_status status = sobj__dict_begin(d, &mode);

    if (status == SOBJ_OK) {
        fresh = sobj__body_new(0);
        if (fresh != NULL)
            sobj__body_retire(root_exchange(d, fresh));
        else
            status = SOBJ_NO_MEMORY;
    }
    sobj__write_end();
    if (status == SOBJ_OK)
        sobj__dict_changed_all(d);
    return status;
}

/* Takes the content out of `d`, for which `empty` takes its place. Nobody changes it any
 * more then, though others may still be reading it.
 * Returns: OK; FROZEN; BAD_OPERAND: there are snapshots, which want to see changes. */
static enum sobj_status content_take(struct sobj__dict *d, struct sobj__table *empty,
                                     struct sobj__table **taken)
{
    enum sobj_status status = SOBJ_OK;
    struct sobj__closing closing;

    sobj__gate_close(&d->header, &d->gate, &closing);
    uint64_t mode = sobj__mode(&d->header);
    if ((mode & (SOBJ__FROZEN | SOBJ__LOG)) == 0)
        *taken = root_exchange(d, empty);
    else
        status = mode & SOBJ__FROZEN ? SOBJ_FROZEN : SOBJ_BAD_OPERAND;
    sobj__gate_open(&d->header, &d->gate, &closing);
    if (status == SOBJ_OK)
        sobj__dict_changed_all(d);
    return status;
}

enum sobj_status sobj_dict_replace(struct sobj_object *obj, struct sobj_object *other)
{
    struct sobj__dict *d = sobj__dict_of(obj);
    struct sobj__table *empty = sobj__body_new(0), *taken;
    enum sobj_status status;
    uint64_t mode;

    if (empty == NULL)
        return SOBJ_NO_MEMORY;
    status = content_take(sobj__dict_of(other), empty, &taken);
    if (status != SOBJ_OK) {
        sobj__body_drop(empty);
        return status;
    }
    status = sobj__dict_begin(d, &mode);
    /* Frozen: the content that nobody may have now goes the way of an old one. */
    sobj__body_retire(status == SOBJ_OK ? root_exchange(d, taken) : taken);
    sobj__write_end();
    if (status == SOBJ_OK)
        sobj__dict_changed_all(d);
    return status;
}

/* ---- moments */

/* Moves all that is to be moved to the last table, a chunk in each section; as far as
 * there is memory. */
static void migrate(struct sobj__dict *d)
{
    struct sobj__table *at = NULL;
    uint64_t left = 0;
    bool moving;

    do {
        uint64_t mode;
        (void)sobj__dict_begin(d,
                               &mode); /* also if frozen: the content stays as it is */
        struct sobj__table *root = sobj__dict_root(d);
        if (root != at)
            left = root->chunks;
        at = root;
        /* Acquire: pairs with the CAS that set it. */
        moving = sobj_load_acquire(&root->next) != NULL && left-- != 0;
        if (moving)
            sobj__table_help(d);
        sobj__write_end();
    } while (moving);
}

void sobj_dict_freeze(struct sobj_object *obj)
{
    struct sobj__dict *d = sobj__dict_of(obj);
    struct sobj__closing closing;

    if (sobj_dict_frozen(obj))
        return;
    sobj__gate_close(obj, &d->gate, &closing);
    /* SeqCst: at the moment, so that no change is under way when the first one sees it;
     * none begins later. */
    sobj_or_seq_cst(&obj->mode, SOBJ__FROZEN);
    sobj__gate_open(obj, &d->gate, &closing);
    /* No writer comes by any more to do it. */
    migrate(d);
}

bool sobj_dict_frozen(const struct sobj_object *obj)
{
    return (sobj__mode(obj) & SOBJ__FROZEN) != 0;
}

static enum sobj_status new_of_type(const struct sobj__type *type, size_t expected,
                                    struct sobj_object **out);

enum sobj_status sobj_dict_copy(struct sobj_object *obj, struct sobj_object **out)
{
    struct sobj_dict_snapshot *s;
    struct sobj_object *copy;
    enum sobj_status status = sobj_dict_snapshot_begin(obj, &s);

    if (status != SOBJ_OK)
        return status;
    status = new_of_type(obj->type, sobj_dict_snapshot_len(s), &copy);
    if (status != SOBJ_OK) {
        sobj_dict_snapshot_end(s);
        return status;
    }
    do {
        struct sobj__node *n;
        struct sobj_key key;
        sobj_cell value;
        sobj__read_begin();
        status = sobj__snapshot_step(s, &n, &value);
        if (status == SOBJ_OK)
            sobj_cell_ref(value);
        sobj__read_end();
        if (status == SOBJ_OK) {
            sobj__node_key(n, &key);
            status = sobj_dict_set(copy, &key, value);
        }
    } while (status == SOBJ_OK || status == SOBJ_MISMATCH);
    sobj_dict_snapshot_end(s);
    if (status == SOBJ_EMPTY) {
        *out = copy;
        return SOBJ_OK;
    }
    sobj_unref(copy);
    return status;
}

/* ---- size */

size_t sobj_dict_len(const struct sobj_object *obj)
{
    sobj__read_begin();
    struct sobj__body *body = sobj__dict_root(sobj__dict_of(obj))->body;
    /* Acquire: whoever has seen an insertion counts it (C1). */
    int64_t live = sobj_load_acquire(&body->live);
    sobj__read_end();
    return live > 0 ? (size_t)live : 0;
}

void sobj_dict_reserve(struct sobj_object *obj, size_t entries)
{
    struct sobj__dict *d = sobj__dict_of(obj);
    uint64_t mode;
    enum sobj_status status = sobj__dict_begin(d, &mode);
    struct sobj__table *t = sobj__dict_root(d);
    bool started = status == SOBJ_OK && entries >= SOBJ__FULL_ENOUGH(t->mask + 1) &&
                   sobj__table_start(d, t, entries, false) == SOBJ_OK;

    sobj__write_end();
    if (started)
        migrate(d);
}

/* ---- life */

static void dict_destroy(struct sobj_object *obj)
{
    struct sobj__dict *d = sobj__dict_of(obj);

    sobj__body_drop(sobj__dict_root(d));
    sobj__watch_free(d);
    sobj__free(SOBJ_COUNT_BLOCKS, d, sizeof *d);
}

static void dict_fork_child(struct sobj_object *obj)
{
    struct sobj__dict *d = sobj__dict_of(obj);

    sobj__gate_fork_child(obj, &d->gate);
    sobj__snapshots_fork_child(d);
    sobj__watch_fork_child(d);
}

static size_t dict_bytes(const struct sobj_object *obj)
{
    return sobj__body_bytes(sobj__dict_root(sobj__dict_of(obj)));
}

static const struct sobj__type dict_type = {
    .tag = SOBJ_TYPE_DICT,
    .name = "SharedDict",
    .destroy = dict_destroy,
    .fork_child = dict_fork_child,
    .bytes = dict_bytes,
};

static const struct sobj__type set_type = {
    .tag = SOBJ_TYPE_SET,
    .name = "SharedSet",
    .destroy = dict_destroy,
    .fork_child = dict_fork_child,
    .bytes = dict_bytes,
};

static enum sobj_status new_of_type(const struct sobj__type *type, size_t expected,
                                    struct sobj_object **out)
{
    struct sobj__dict *d = sobj__alloc_aligned(SOBJ_COUNT_BLOCKS, sizeof *d);
    struct sobj__table *t = d != NULL ? sobj__body_new(expected) : NULL;

    if (t != NULL) {
        memset(d, 0, sizeof *d);
        atomic_init(&d->root, t);
        if (sobj__object_init(&d->header, type) == SOBJ_OK) {
            *out = &d->header;
            return SOBJ_OK;
        }
        sobj__body_drop(t);
    }
    sobj__free(SOBJ_COUNT_BLOCKS, d, sizeof *d);
    return SOBJ_NO_MEMORY;
}

enum sobj_status sobj_dict_new(size_t expected, struct sobj_object **out)
{
    return new_of_type(&dict_type, expected, out);
}

enum sobj_status sobj_set_new(size_t expected, struct sobj_object **out)
{
    return new_of_type(&set_type, expected, out);
}
