/* SPDX-License-Identifier: MIT */
/* L3: the parts of the dict, for dict*.c and flight.c only. The contract is
 * sharedobj/dict.h.
 *
 *   dict ── root ──> table ──┬─ slots: [fingerprint:16 | node:48], 8 to a cache line
 *     │                      ├─ next: the table it is being moved to, or NULL
 *     │                      └─ body ──┬─ live, dead, tail: counts and positions
 *     │                                └─ order log: segment -> segment -> ...
 *     └─ snapshots: {body, cut, saved values} -> ...
 *   node = {value cell, hash, position | key tag, references, key bytes}
 *
 * The table is open addressing with linear probing over cache lines and cooperative
 * migration; after C. Click, "A Lock-Free Wait-Free Hash Table" (2007), with the value
 * in the node instead of the slot, so that overwriting never meets a migration. The
 * order log is ours.
 *
 * A slot:   EMPTY 0 | node | node FROZEN | FROZEN (was empty) | TOMB FROZEN
 *           A slot leaves EMPTY once. FROZEN is final. An unfrozen node word changes
 *           only to a later node of the same key (T5) or to a frozen word.
 * A value:  live cell -> live cell ... -> DELETED -> FORWARD(node) or DROPPED
 *           DELETED   the key is absent; its next insertion happens here
 *           FORWARD   inserted again: go on at that node
 *           DROPPED   final; this node decides nothing any more, probe on
 *
 * Invariants
 *   T1  For each key at most one node in the slots of root and its successors is not
 *       DROPPED, the key's head. What the chain of FORWARDs from the head ends in
 *       decides whether the key is present. All changes of a key's state are one
 *       compare-and-swap on that last node's value, or, when there is no head, the one
 *       that puts a node into the first EMPTY slot of the key's path.
 *   T2  A key is absent if an unfrozen EMPTY slot is met on its path before a head. A
 *       frozen empty slot sends everybody on to `next`.
 *   T3  A frozen node is always copied to `next`, whatever its value, so that all
 *       helpers decide alike; copying looks for the node itself first (idempotent).
 *   T4  A dead node leaves a table only by migration, only from a settled table, and
 *       only after DELETED -> DROPPED, so that no insertion can be forwarded from it.
 *       A table is settled when no helper of a migration from any table before it is
 *       left: nobody can put a node back.
 *   T5  In the settled root, an unfrozen slot may be shortened from a head to the end
 *       of its chain; whoever wins that exchange retires the nodes between.
 *   T6  A slot's fingerprint and node are published by one exchange; all plain stores
 *       to the node precede it.
 *   L1  A node is in the order log before it is in a slot. What a reader finds in the
 *       table is already in the log. `LINKED` says that the slot exchange has happened;
 *       a walker that meets a node without it asks the table.
 *   L2  Positions only grow, from 0 in each body. A body gets its epoch, one more than
 *       that of the body before it, when it becomes the dict's content; so no two that a
 *       dict has had share one. A key keeps the position of its insertion; an attempt to
 *       insert that fails gives its position up.
 *   L3  A cell leaves 0 once: to a node, or to CLOSED by a compaction, whose inserter
 *       then takes a new position.
 *   L4  Compaction replaces a run of full segments by one segment with the nodes that
 *       are not dead. The last segment is ended early, its positions skipped, when it is
 *       large for what lives. One thread at a time; others do not wait, they skip it.
 *       None while a snapshot of the body is being read (S3).
 *   L5  A cell that holds a dead node or CLOSED shows nothing ever after; popitem notes
 *       stretches of such cells (dict_last.c).
 *   R1  A node has a reference from its slot or forward (until a grace period after it
 *       has left), one from each segment and one from each pin; at 0 it is freed at
 *       once. A pin is taken in the section that found the node by its slot.
 *   C1  `live` goes up before the exchange that inserts and down again if that fails,
 *       and down after the one that deletes: never too low, exact at rest.
 *   W1  Whatever changes a dict's content, tables or log is one write section that has
 *       begun with sobj__dict_begin, that is, passed the dict's gate (gate.h).
 *   W2  A body is reachable from one root. It becomes that by one exchange, and goes by
 *       one. An operation loads the root once per attempt; if it finds itself in a body
 *       that has gone meanwhile, it is ordered before that exchange.
 *   W3  `content` counts these exchanges: those begun in its high half, before the
 *       exchange, those finished in its low half, after it. A node that was found under
 *       a root read after the word, both halves being equal, is in the content for as
 *       long as the word is the same. So who keeps a node for later reads its value
 *       first and the word then: if that is still the same, the value was the key's at
 *       that moment. (After 2^32 exchanges the halves differ for good.)
 *   P1  A live value in a pinned node is its key's value at the moment it is read, if the
 *       content is still that of the node's body (W3): by T1 the node is the end of its
 *       chain, and no migration replaces nodes. Whoever follows the value enters a
 *       section first and reads the content inside: then the body outlives the section.
 *   S*  Snapshots: dict_snapshot.h.
 *
 * Progress: all operations are lock-free as long as nobody closes the gate: a thread that
 * stops anywhere delays only the end of a migration's clean-up (T4) and of a compaction
 * (memory, not operations). Snapshot, freeze and the taking of a body close the gate for
 * a grace period.
 */
#ifndef SOBJ_DICT_INTERNAL_H
#define SOBJ_DICT_INTERNAL_H

#include "dict_node.h"
#include "gate.h"
#include "reclaim.h"

/* ---- tables */

#define SOBJ__FROZEN_SLOT 1u
#define SOBJ__TOMB 2u
#define SOBJ__NODE_MASK 0x0000fffffffffff0u

SOBJ_INLINE struct sobj__node *sobj__slot_node(uint64_t word)
{
    return (struct sobj__node *)(uintptr_t)(word & SOBJ__NODE_MASK);
}
SOBJ_INLINE uint64_t sobj__slot_word(struct sobj__node *n)
{
    return (uint64_t)sobj__fingerprint(n->hash) << 48 | (uintptr_t)n;
}

typedef _Atomic(uint64_t) sobj__slot_t;

struct sobj__table {
    /* const after init */
    sobj__slot_t *slots;
    uint64_t mask;  /* slots - 1; a power of two of at least 8 slots */
    unsigned shift; /* 64 - log2(slots) */
    struct sobj__body *body;
    uint64_t chunks; /* pieces of migration work */
    _Atomic(unsigned char) *chunk_done;
    /* atomic */
    _Atomic(struct sobj__table *) next; /* set once, by CAS */
    _Atomic(bool) allocating;           /* somebody makes `next` */
    _Atomic(bool) finished;             /* `next` has become the root */
    _Atomic(bool) settled;              /* T4 */
    _Atomic(uint32_t) helpers;          /* threads that migrate from here */
    _Atomic(uint64_t) chunk_claimed, chunks_finished;
    SOBJ_ALIGNED _Atomic(uint64_t) used; /* slots that are not EMPTY */
};

/* ---- order log */

/* Cells hold a node pointer, 0 (not yet filled) or CLOSED. A dense segment's cell i
 * belongs to position first + i; a compacted one holds nodes sorted by position. */
#define SOBJ__CLOSED 1u
typedef _Atomic(uint16_t) sobj__skip_t;
struct sobj__segment {
    _Atomic(uint32_t) refs; /* the log's, and iterators' */
    uint32_t capacity;      /* const: cells allocated */
    uint32_t count;         /* const: cells in use; all of a dense segment */
    bool dense;             /* const */
    uint64_t first, last;   /* const: positions first <= p < last belong here */
    _Atomic(struct sobj__segment *) next;
    /* notes of popitem about dead cells (L5; dict_last.c) */
    _Atomic(uint64_t) beneath;     /* positions from here up to `first` */
    _Atomic(sobj__skip_t *) skips; /* for each cell: how many from it downwards */
    _Atomic(uint64_t) cells[];
};

SOBJ_INLINE size_t sobj__skips_bytes(const struct sobj__segment *s)
{
    return s->capacity * sizeof(sobj__skip_t);
}

struct sobj__body {
    uint64_t epoch; /* const since it became the content; names the body (L2) */
    _Atomic(struct sobj__segment *) head;
    _Atomic(struct sobj__segment *) tail_hint; /* a late segment of the list */
    struct sobj__table *last_root; /* to free from; set when the dict lets go of it */
    uint64_t compact_from;         /* owner: the compacting thread */
    _Atomic(uint32_t) refs;        /* the dict's, and snapshots' */
    _Atomic(uint32_t) held;        /* snapshots that are being read (S3) */
    _Atomic(bool) compacting;
    SOBJ_ALIGNED _Atomic(uint64_t) tail; /* next position */
    _Atomic(int64_t) live;               /* C1 */
    _Atomic(int64_t) dead; /* cells that show nothing any more; exact at rest */
    _Atomic(struct sobj__segment *) near; /* in the list, or NULL; see dict_last.c */
};

struct sobj__watch; /* dict_watch.h */

struct sobj__dict {
    struct sobj_object header;
    _Atomic(struct sobj__watch *) watch; /* NULL until somebody waits for a key */
    SOBJ_ALIGNED _Atomic(struct sobj__table *) root;
    _Atomic(uint64_t) content;                      /* W3 */
    _Atomic(struct sobj_dict_snapshot *) snapshots; /* changed under `lock` */
    struct sobj__lock lock;
    struct sobj__gate gate;
};
_Static_assert(sizeof(struct sobj__dict) == 2 * SOBJ_CACHE_LINE, "two cache lines");

SOBJ_INLINE struct sobj__dict *sobj__dict_of(const struct sobj_object *obj)
{
    return (struct sobj__dict *)obj;
}

SOBJ_INLINE struct sobj__table *sobj__dict_root(struct sobj__dict *d)
{
    /* Acquire: pairs with the CAS that published the table. */
    return sobj_load_acquire(&d->root);
}

/* The rest of sobj__dict_begin, when there is more to it. */
enum sobj_status sobj__dict_begin_slow(struct sobj__dict *d, uint64_t *mode);

/* Begins a write section and passes the gate: every change does (W1), and looks at LOG in
 * the mode word where it changes a node (S1). The caller ends the section.
 * Returns: OK, or FROZEN: nothing may be changed.
 * Blocks: while the gate is closed. */
SOBJ_INLINE enum sobj_status sobj__dict_begin(struct sobj__dict *d, uint64_t *mode)
{
    sobj__write_begin();
    *mode = sobj__mode(&d->header);
    if (SOBJ_UNLIKELY(*mode & (SOBJ__FROZEN | SOBJ__SNAP | SOBJ__LOG)))
        return sobj__dict_begin_slow(d, mode);
    return SOBJ_OK;
}

/* ---- bodies (dict_table.c) */

/* Returns: a body with one empty table of room for `expected`, or NULL. */
struct sobj__table *sobj__body_new(size_t expected);
/* Drops a reference. The last one frees the body with its tables from `last_root` on,
 * nodes and values. Needs: a grace period has passed since that was the root. */
void sobj__body_unref(struct sobj__body *body);
/* Drops the dict's reference to the body of `t`, which is no longer the root, after a
 * grace period. Needs: a write section. */
void sobj__body_retire(struct sobj__table *t);
/* The same at once: `t` is in no dict, or the dict is gone. */
void sobj__body_drop(struct sobj__table *t);
/* Returns: about what freeing the body of `t` gives back, for the limit of retired memory.
 * Needs: a section, or that nobody else has the dict. */
size_t sobj__body_bytes(const struct sobj__table *t);

/* ---- order log (dict_log.c) */

/* Enters `n` at the end of the order and sets its position.
 * Returns: OK or NO_MEMORY. Needs: a section. */
enum sobj_status sobj__log_append(struct sobj__body *body, struct sobj__node *n);
/* Returns: the segment that holds `position` or the first after it; NULL if none. */
struct sobj__segment *sobj__log_find(struct sobj__body *body, uint64_t position);
/* Returns: the index of the first cell of `s` at `position` or later. */
uint32_t sobj__segment_seek(const struct sobj__segment *s, uint64_t position);
void sobj__segment_unref(struct sobj__segment *s);
/* One cell more shows nothing. Compacts some of the log if that is worth while. */
void sobj__log_died(struct sobj__body *body);
size_t sobj__segment_bytes(const struct sobj__segment *s);
/* The same without a death. Returns: whether that was a piece, and more may follow. */
bool sobj__log_tidy(struct sobj__body *body);
void sobj__log_free(struct sobj__body *body);
enum sobj_status sobj__log_init(struct sobj__body *body);

/* Whether `n`, which is in the log, is in the dict, and its value; if it is not, `*value`
 * is a mark when that is for good. Needs: a section. */
bool sobj__log_shows(struct sobj__dict *d, struct sobj__node *n, sobj_cell *value);

/* ---- from the end of the order downwards (dict_last.c) */

/* A walk through one or more sections; begins as {0}. */
struct sobj__last {
    bool begun;
    uint64_t epoch;    /* of the body that the positions belong to */
    uint64_t tail;     /* where the pass began */
    uint64_t position; /* down to here all has been looked at */
    /* in this section: the next cell is the one below `index`, and from `top` down to
     * there all is dead, which has taken `run` looks, as is all beneath `upper` */
    struct sobj__segment *segment, *upper;
    uint32_t index, top, run, looks;
};

/* Begins, or goes on in a new section. Needs, here and below: a write section; `body` is
 * the root's. */
void sobj__last_enter(struct sobj__last *w, struct sobj__body *body);
/* Returns: the next node downwards that shows, and its value. The caller takes it or
 * finds it dead before it asks again. NULL: leave. */
struct sobj__node *sobj__last_next(struct sobj__last *w, struct sobj__dict *d,
                                   struct sobj__body *body, sobj_cell *value);
/* Ends the section's part, `taken`: of the whole walk. Returns: whether there is more to
 * be looked at, in another section. */
bool sobj__last_leave(struct sobj__last *w, struct sobj__body *body, bool taken);
/* Ends the walk at a node that shows and stays. */
void sobj__last_stay(struct sobj__last *w, struct sobj__body *body);
/* Returns: the last segment that begins below `position`; NULL if none. */
struct sobj__segment *sobj__log_find_below(struct sobj__body *body, uint64_t position);

/* ---- probing and migration (dict_table.c) */

/* A table is moved on when this much of it is used. */
#define SOBJ__FULL_ENOUGH(slots) ((slots) * 7 / 10 + 1)

/* Helps a running migration with a chunk. Needs, here and below: a write section. */
void sobj__table_help(struct sobj__dict *d);
/* Starts moving `t` to a table of a fitting size, unless somebody does already. With
 * `full`, `t` has no empty slot left on some path. Returns: OK, or NO_MEMORY. */
enum sobj_status sobj__table_start(struct sobj__dict *d, struct sobj__table *t,
                                   size_t expected, bool full);
/* T5. Needs: `word` was read from `slot` of `t`. */
void sobj__slot_shorten(struct sobj__dict *d, struct sobj__table *t, sobj__slot_t *slot,
                        uint64_t word);
struct sobj__table *sobj__table_new(struct sobj__body *body, uint64_t slots);
void sobj__table_free(struct sobj__table *t);
/* Whether `n` or a head that leads to it is in a slot. Needs: a section. */
bool sobj__table_holds(struct sobj__dict *d, struct sobj__node *n);

/* The path of a key through a table: the cache line of its home slot, from there on
 * around the line, then the next lines in the same manner. */
struct sobj__path {
    sobj__slot_t *slots;
    uint64_t mask, line, left; /* left: lines still to come */
    unsigned first, step;
};
SOBJ_INLINE void sobj__path_init(struct sobj__path *p, const struct sobj__table *t,
                                 uint64_t spread)
{
    uint64_t home = spread >> t->shift;

    p->slots = t->slots;
    p->mask = t->mask;
    p->line = home & ~(uint64_t)7;
    p->first = home & 7;
    p->step = 0;
    p->left = t->mask >> 3;
}
SOBJ_INLINE sobj__slot_t *sobj__path_slot(const struct sobj__path *p)
{
    return p->slots + p->line + ((p->first + p->step) & 7);
}
/* Returns: false after the last slot. */
SOBJ_INLINE bool sobj__path_next(struct sobj__path *p)
{
    if (SOBJ_LIKELY(++p->step < 8))
        return true;
    if (p->left-- == 0)
        return false;
    p->step = 0;
    p->line = (p->line + 8) & p->mask;
    return true;
}

#endif
