/* SPDX-License-Identifier: MIT */
/* L3: tables of the dict and moving between them; invariants T1-T6 in dict_internal.h.
 *
 * A migration: somebody allocates a table of a fitting size and sets `next`. From then
 * on every writer that comes by claims a chunk of cache lines and moves it: it freezes
 * each slot and copies the node word. Whoever finishes the last chunk makes `next` the
 * root and retires the old table. Chunks may be done twice (a helper may sleep): each
 * step is idempotent.
 *
 * `next` is sized for the keys that live when it is made. If so many come meanwhile that
 * it fills up before the migration ends, it gets a `next` itself and the copies go on
 * there; so the tables form a chain, of which only the first is being moved.
 */
#include "alloc.h"
#include "dict_internal.h"

#define MIN_SLOTS 8u
#define CHUNK_LINES 32u
/* Slots between the one that is moved and the one whose node is fetched. */
#define AHEAD 12u

static size_t table_bytes(uint64_t slots) { return slots * sizeof(sobj__slot_t); }

struct sobj__table *sobj__table_new(struct sobj__body *body, uint64_t slots)
{
    struct sobj__table *t = sobj__alloc_aligned(SOBJ_COUNT_BLOCKS, sizeof *t);

    if (t == NULL)
        return NULL;
    memset(t, 0, sizeof *t);
    t->mask = slots - 1;
    t->shift = 64 - (unsigned)__builtin_ctzll(slots);
    t->body = body;
    t->chunks = (slots / 8 + CHUNK_LINES - 1) / CHUNK_LINES;
    t->slots = sobj__alloc_table(table_bytes(slots));
    t->chunk_done = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, t->chunks);
    if (t->slots == NULL || t->chunk_done == NULL) {
        sobj__table_free(t);
        return NULL;
    }
    return t;
}

void sobj__table_free(struct sobj__table *t)
{
    if (t->slots != NULL)
        sobj__free_table((void *)t->slots, table_bytes(t->mask + 1));
    sobj__free(SOBJ_COUNT_BLOCKS, (void *)t->chunk_done, t->chunks);
    sobj__free(SOBJ_COUNT_BLOCKS, t, sizeof *t);
}

static void table_free_cb(void *t) { sobj__table_free(t); }

/* Whether nodes may leave the slots of `t` (T4, T5). Needs: a section. */
static bool may_unlink(struct sobj__dict *d, struct sobj__table *t)
{
    /* Acquire: pairs with the store in settle(), after the last late copy. */
    return sobj_load_acquire(&t->settled) && sobj_load_acquire(&d->root) == t;
}

void sobj__slot_shorten(struct sobj__dict *d, struct sobj__table *t, sobj__slot_t *slot,
                        uint64_t word)
{
    struct sobj__node *head = sobj__slot_node(word), *last = head, *n, *next;

    if ((word & SOBJ__FROZEN_SLOT) != 0 || !may_unlink(d, t))
        return;
    /* Acquire: pairs with the CAS that set the forward. */
    while ((next = sobj__forwarded(sobj_load_acquire(&last->value))) != NULL)
        last = next;
    /* AcqRel: publishes `last` as its insertion did; one thread wins (T5). */
    if (last == head || !sobj_cas_acq_rel(slot, &word, sobj__slot_word(last)))
        return;
    for (n = head; n != last; n = next) {
        next = sobj__forwarded(sobj_load_relaxed(&n->value)); /* Relaxed: final. */
        sobj__retire(n, sobj__node_unref_cb, sobj__node_bytes(n));
    }
}

/* ---- moving */

/* Puts a frozen word's node into `to`, or where the chain goes on, if it is not there
 * yet (T3). A late helper finds it: nothing leaves a table that is not settled.
 * Returns: false if a further table was needed and there is no memory for one. */
static bool copy_in(struct sobj__dict *d, struct sobj__table *to, uint64_t word)
{
    uint64_t clean = word & ~(uint64_t)SOBJ__FROZEN_SLOT;

    for (;;) {
        struct sobj__path path;
        sobj__path_init(&path, to, sobj__slot_node(word)->hash * SOBJ__SPREAD);
        do {
            sobj__slot_t *slot = sobj__path_slot(&path);
            /* Acquire: pairs with the CAS that filled the slot. */
            uint64_t w = sobj_load_acquire(slot);
            /* AcqRel: publishes the node in its new table (T6). */
            if (w == 0 && sobj_cas_acq_rel(slot, &w, clean)) {
                sobj_add_relaxed(&to->used, 1); /* Relaxed: only a fill level. */
                return true;
            }
            if ((w & ~(uint64_t)SOBJ__FROZEN_SLOT) == clean)
                return true;
            if (w == SOBJ__FROZEN_SLOT)
                break; /* an insertion went on to the next table */
        } while (sobj__path_next(&path));
        if (sobj__table_start(d, to, 0, true) != SOBJ_OK)
            return false;
        to = sobj_load_acquire(&to->next); /* Acquire: pairs with the CAS. */
    }
}

/* Freezes one slot and copies or drops what is in it. Returns: as copy_in. */
static bool move_slot(struct sobj__dict *d, struct sobj__table *from,
                      struct sobj__table *to, sobj__slot_t *slot)
{
    /* Acquire: pairs with the CAS that filled the slot. */
    uint64_t word = sobj_load_acquire(slot);

    while ((word & SOBJ__FROZEN_SLOT) == 0) {
        struct sobj__node *n = sobj__slot_node(word);
        if (n != NULL && may_unlink(d, from)) {
            /* Acquire: pairs with the CAS that set it. */
            sobj_cell v = sobj_load_acquire(&n->value);
            if (sobj__forwarded(v) != NULL) {
                sobj__slot_shorten(d, from, slot, word);
                word = sobj_load_acquire(slot); /* Acquire: as above. */
                continue;
            }
            SOBJ_PAUSE("dict.drop");
            /* SeqCst: final; an inserter that sees it also sees `next` (T4, K2). */
            if (v == SOBJ__DELETED && !sobj_cas_seq_cst(&n->value, &v, SOBJ__DROPPED))
                continue; /* inserted again: look anew */
            if (v == SOBJ__DELETED || v == SOBJ__DROPPED) {
                /* AcqRel: one thread takes the node out and retires it. */
                if (sobj_cas_acq_rel(slot, &word, SOBJ__TOMB | SOBJ__FROZEN_SLOT)) {
                    sobj__retire(n, sobj__node_unref_cb, sobj__node_bytes(n));
                    return true;
                }
                continue;
            }
        }
        SOBJ_PAUSE("dict.freeze");
        /* SeqCst: from here on the slot never changes (T3, K2). */
        if (sobj_cas_seq_cst(slot, &word, word | SOBJ__FROZEN_SLOT))
            word |= SOBJ__FROZEN_SLOT;
    }
    if (sobj__slot_node(word) == NULL)
        return true;
    SOBJ_PAUSE("dict.copy");
    return copy_in(d, to, word);
}

static void move_chunk(struct sobj__dict *d, struct sobj__table *from,
                       struct sobj__table *to, uint64_t chunk)
{
    uint64_t begin = chunk * CHUNK_LINES * 8, end = begin + CHUNK_LINES * 8;
    unsigned char undone = 0;

    if (end > from->mask + 1)
        end = from->mask + 1;
    for (uint64_t i = begin; i < end; i++) {
        /* Relaxed: only brings a node into the cache whose hash and value are wanted
         * soon; in a large table nearly each one is a miss. */
        if (i + AHEAD < end)
            __builtin_prefetch(
                sobj__slot_node(sobj_load_relaxed(&from->slots[i + AHEAD])));
        if (!move_slot(d, from, to, &from->slots[i]))
            return; /* no memory: the chunk stays to be done */
    }
    /* AcqRel: the first to finish the chunk counts it. */
    if (!sobj_cas_acq_rel(&from->chunk_done[chunk], &undone, 1))
        return;
    /* AcqRel: the last one has seen all the others' copies. */
    if (sobj_add_acq_rel(&from->chunks_finished, 1) + 1 == from->chunks) {
        struct sobj__table *expected = from;
        /* SeqCst: publishes the complete table; against settle(). It fails when the
         * dict was cleared meanwhile, and then the body's end frees all tables. */
        if (sobj_cas_seq_cst(&d->root, &expected, to)) {
            sobj_store_seq_cst(&from->finished, true); /* SeqCst: against settle(). */
            sobj__retire(from, table_free_cb, table_bytes(from->mask + 1));
        }
    }
}

/* Returns: false if every chunk was claimed by somebody. */
static bool claim_chunk(struct sobj__table *t, uint64_t *chunk)
{
    /* Relaxed: chunks may be done twice; the claim only spreads the work. */
    if (sobj_load_relaxed(&t->chunk_claimed) >= t->chunks)
        return false;
    *chunk = sobj_add_relaxed(&t->chunk_claimed, 1); /* Relaxed: as above. */
    return *chunk < t->chunks;
}

/* T4: marks the successors of `t` whose last helper has gone. Called after each event
 * that can make the condition true; all parts are seq_cst, so that of two such events
 * at the same time the later one sees both. */
static void settle(struct sobj__table *t)
{
    /* SeqCst: see above; pairs with the acquire in may_unlink. */
    while (sobj_load_seq_cst(&t->settled) && sobj_load_seq_cst(&t->finished) &&
           sobj_load_seq_cst(&t->helpers) == 0) {
        t = sobj_load_acquire(&t->next);       /* Acquire: pairs with the CAS. */
        sobj_store_seq_cst(&t->settled, true); /* SeqCst: see above. */
    }
}

/* Moves one chunk of the root table `t`, or all that is left. */
static void help(struct sobj__dict *d, struct sobj__table *t, struct sobj__table *to,
                 bool all)
{
    uint64_t chunk;

    /* SeqCst, with the load of root: either we see that the migration is over, or the
     * one that ends it sees us among the helpers (T4). */
    sobj_add_seq_cst(&t->helpers, 1);
    if (sobj_load_seq_cst(&d->root) == t) { /* SeqCst: as above. */
        bool claimed = claim_chunk(t, &chunk);
        if (claimed)
            move_chunk(d, t, to, chunk);
        while (all && claim_chunk(t, &chunk))
            move_chunk(d, t, to, chunk);
        /* What others have claimed and not finished; they may be asleep. A single
         * chunk is enough to keep insertions from overtaking the migration. */
        for (chunk = 0; (all || !claimed) && chunk < t->chunks; chunk++) {
            /* Acquire: pairs with the CAS in move_chunk. */
            if (sobj_load_acquire(&t->chunk_done[chunk]))
                continue;
            move_chunk(d, t, to, chunk);
            if (!all)
                break;
        }
    }
    /* SeqCst: after all our copies. */
    sobj_add_seq_cst(&t->helpers, (uint32_t)-1);
    settle(t);
}

void sobj__table_help(struct sobj__dict *d)
{
    /* Acquire: pair with the CASes that set them. */
    struct sobj__table *root = sobj_load_acquire(&d->root);
    struct sobj__table *to = sobj_load_acquire(&root->next);

    if (to != NULL)
        help(d, root, to, false);
}

/* Slots for `entries` and for as many again, about: at most 3/8 full. */
static uint64_t slots_for(uint64_t entries)
{
    uint64_t slots = MIN_SLOTS;

    while (slots / 8 * 3 <= entries && slots < (uint64_t)1 << 40)
        slots *= 2;
    return slots;
}

/* Slots for as many as are announced, which need not be the start of more. */
static uint64_t slots_for_just(uint64_t entries)
{
    uint64_t slots = MIN_SLOTS;

    while (SOBJ__FULL_ENOUGH(slots) <= entries && slots < (uint64_t)1 << 40)
        slots *= 2;
    return slots;
}

/* The size of the table after `t`. */
static uint64_t next_slots(struct sobj__table *t, size_t expected, bool full)
{
    /* Relaxed: sizes are estimates; a table that turns out too small overflows. */
    int64_t live = sobj_load_relaxed(&t->body->live);
    uint64_t slots = slots_for(live > 0 ? (uint64_t)live : 0), least = 0;

    if (slots < slots_for_just(expected))
        slots = slots_for_just(expected);
    /* Dead nodes are copied too as long as `t` is not settled. Acquire, Relaxed: as in
     * may_unlink; a fill level. */
    if (!sobj_load_acquire(&t->settled))
        least = slots_for(sobj_load_relaxed(&t->used));
    if (full && least < t->mask + 1)
        least = t->mask + 1;
    return slots > least ? slots : least;
}

enum sobj_status sobj__table_start(struct sobj__dict *d, struct sobj__table *t,
                                   size_t expected, bool full)
{
    struct sobj__table *to, *none = NULL;

    /* Acquire: pairs with the CAS below. */
    if (sobj_load_acquire(&t->next) != NULL)
        return SOBJ_OK;
    /* A table that is still being filled is moved on only if it must be. Acquire:
     * pair with the CASes that set them. */
    struct sobj__table *root = sobj_load_acquire(&d->root);
    if (root != t && !full) {
        to = sobj_load_acquire(&root->next); /* Acquire: as above. */
        if (to != NULL)
            help(d, root, to, true);
        return SOBJ_OK;
    }
    /* Relaxed: one allocation instead of many; `next` decides. */
    if (sobj_swap_acq_rel(&t->allocating, true) && !full)
        return SOBJ_OK;
    to = sobj__table_new(t->body, next_slots(t, expected, full));
    if (to == NULL) {
        sobj_store_relaxed(&t->allocating, false); /* Relaxed: as above. */
        /* Acquire: pairs with the CAS below: another thread had more luck. */
        return sobj_load_acquire(&t->next) != NULL ? SOBJ_OK : SOBJ_NO_MEMORY;
    }
    /* AcqRel: publishes the empty table. */
    if (!sobj_cas_acq_rel(&t->next, &none, to))
        sobj__table_free(to);
    return SOBJ_OK;
}

bool sobj__table_holds(struct sobj__dict *d, struct sobj__node *n)
{
    uint32_t fingerprint = sobj__fingerprint(n->hash);
    /* Acquire: pairs with the CAS that published the table. */
    struct sobj__table *t = sobj_load_acquire(&d->root);

    while (t != NULL) {
        struct sobj__path path;
        bool on = false;
        sobj__path_init(&path, t, n->hash * SOBJ__SPREAD);
        do {
            /* Acquire: pairs with the CAS that filled the slot. */
            uint64_t w = sobj_load_acquire(sobj__path_slot(&path));
            if (w == 0)
                return false;
            on = w == SOBJ__FROZEN_SLOT;
            if (on)
                break;
            if (w >> 48 != fingerprint)
                continue;
            for (struct sobj__node *m = sobj__slot_node(w); m != NULL;
                 m = sobj__forwarded(sobj_load_acquire(&m->value))) /* Acquire: T1 */
                if (m == n)
                    return true;
        } while (sobj__path_next(&path));
        t = sobj_load_acquire(&t->next); /* Acquire: pairs with the CAS that set it. */
    }
    return false;
}

/* ---- bodies */

struct sobj__table *sobj__body_new(size_t expected)
{
    struct sobj__body *body = sobj__alloc_aligned(SOBJ_COUNT_BLOCKS, sizeof *body);
    struct sobj__table *t = NULL;

    if (body == NULL)
        return NULL;
    memset(body, 0, sizeof *body);
    atomic_init(&body->refs, 1);
    if (sobj__log_init(body) == SOBJ_OK) {
        t = sobj__table_new(body, slots_for_just(expected));
        if (t != NULL) {
            atomic_init(&t->settled, true);
            return t;
        }
        sobj__log_free(body);
    }
    sobj__free(SOBJ_COUNT_BLOCKS, body, sizeof *body);
    return NULL;
}

/* Frees `t` and its successors. Returns: the nodes that were in their slots or chains,
 * each once, linked through `hash`. Nobody else uses them any more, so LINKED, which
 * all of them carry, can tell what was met already. */
static struct sobj__node *tables_take_nodes(struct sobj__table *t)
{
    struct sobj__node *nodes = NULL;
    struct sobj__table *next;

    for (; t != NULL; t = next) {
        for (uint64_t i = 0; i <= t->mask; i++) {
            /* Relaxed, here and below: the only thread. */
            struct sobj__node *n = sobj__slot_node(sobj_load_relaxed(&t->slots[i]));
            while (n != NULL) {
                SOBJ_PAUSE("dict.take");
                /* SeqCst, though no order is needed: iterators that outlive a clear()
                 * may drop references at the same time. */
                if (sobj_and_seq_cst(&n->refs, ~SOBJ__LINKED) & SOBJ__LINKED) {
                    n->hash = (uintptr_t)nodes;
                    nodes = n;
                }
                n = sobj__forwarded(sobj_load_relaxed(&n->value)); /* Relaxed */
            }
        }
        next = sobj_load_relaxed(&t->next); /* Relaxed: as above. */
        sobj__table_free(t);
    }
    return nodes;
}

static void body_free(struct sobj__body *body)
{
    struct sobj__node *n = tables_take_nodes(body->last_root), *next;

    for (; n != NULL; n = next) {
        sobj_cell v = sobj_load_relaxed(&n->value); /* Relaxed: the only thread. */
        next = (struct sobj__node *)(uintptr_t)n->hash;
        if (!sobj__is_mark(v))
            sobj_cell_unref(v);
        sobj__node_unref(n);
    }
    sobj__log_free(body);
    sobj__free(SOBJ_COUNT_BLOCKS, body, sizeof *body);
}

void sobj__body_unref(struct sobj__body *body)
{
    /* AcqRel: all uses of the body precede its end. */
    if (sobj_sub_acq_rel(&body->refs, 1) == 1)
        body_free(body);
}

static void body_unref_cb(void *body) { sobj__body_unref(body); }

size_t sobj__body_bytes(const struct sobj__table *t)
{
    uint64_t slots = t->mask + 1, n = slots < SOBJ__SAMPLE ? slots : SOBJ__SAMPLE;
    size_t bytes = 0;

    for (uint64_t k = 0; k < n; k++) {
        /* Acquire: pairs with the CAS that filled the slot. */
        struct sobj__node *node =
            sobj__slot_node(sobj_load_acquire(&t->slots[k * (slots / n)]));
        if (node == NULL)
            continue;
        /* Acquire: the blob is looked at, and may have been stored just now. */
        sobj_cell v = sobj_load_acquire(&node->value);
        bytes += sobj__node_bytes(node) + (sobj__is_mark(v) ? 0 : sobj__cell_bytes(v));
    }
    return slots * sizeof(sobj__slot_t) + sobj__estimate(bytes, n, slots);
}

void sobj__body_retire(struct sobj__table *t)
{
    t->body->last_root = t;
    sobj__retire(t->body, body_unref_cb, sobj__body_bytes(t));
    sobj__retire_soon();
}

void sobj__body_drop(struct sobj__table *t)
{
    t->body->last_root = t;
    sobj__body_unref(t->body);
}
