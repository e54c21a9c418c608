/* SPDX-License-Identifier: MIT */
/* L3: the parts of the dict, for dict*.c and flight.c only. The contract is
 * sharedobj/dict.h.
 *
 *   dict ── root ──> table ──┬─ slots: [fingerprint:16 | node:48], 8 to a cache line
 *                            ├─ next: the table it is being moved to, or NULL
 *                            └─ body ──┬─ live, dead, tail: counts and positions
 *                                      └─ order log: segment -> segment -> ...
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
 *   L2  Positions only grow, and each body begins beyond where the one before it was, so
 *       that no two share an epoch. A key keeps the position of its insertion; an attempt
 *       to insert that fails gives its position up.
 *   L3  A cell leaves 0 once: to a node, or to CLOSED by a compaction, whose inserter
 *       then takes a new position.
 *   L4  Compaction replaces a run of full segments by one segment with the nodes that
 *       are not dead. The last segment is ended early, its positions skipped, when it is
 *       large for what lives. One thread at a time; others do not wait, they skip it.
 *   R1  A node has a reference from its slot or forward (until a grace period after it
 *       has left) and one from each segment; at 0 it is freed at once.
 *   C1  `live` goes up before the exchange that inserts and down again if that fails,
 *       and down after the one that deletes: never too low, exact at rest.
 *
 * Progress: all operations are lock-free: a thread that stops anywhere delays only the
 * end of a migration's clean-up (T4) and of a compaction (memory, not operations).
 */
#ifndef SOBJ_DICT_INTERNAL_H
#define SOBJ_DICT_INTERNAL_H

#include "atomic.h"
#include "object.h"
#include "reclaim.h"
#include "sharedobj/dict.h"
#include "value.h"

/* ---- nodes */

struct sobj__node {
    _Atomic(sobj_cell) value;
    uint64_t hash;          /* const */
    uint64_t meta;          /* position << 16 | tag; const once in a slot */
    _Atomic(uint32_t) refs; /* count, and LINKED */
    unsigned char key[];    /* as the tag says; const */
};
#define SOBJ__LINKED 0x80000000u

/* Key tag: kind:3 | EXTRA:1 | length:12. Length 4095: see below. */
#define SOBJ__TAG_EXTRA 0x1000u
#define SOBJ__TAG_LENGTH 0x0fffu
#define SOBJ__TAG_MAX 0x0fffu

/* Keys that are long, are streams or have another given form carry this at offset 32,
 * then: canonical bytes padded to 8, given stream, pointers to cores (references). */
struct sobj__key_extra {
    uint64_t size, given_size;
    uint32_t edges, pad;
};
#define SOBJ__EXTRA_OFFSET 32

/* Marks in node values. */
#define SOBJ__DELETED SOBJ__MARK(0)
#define SOBJ__DROPPED SOBJ__MARK(1)
#define SOBJ__FORWARD_KIND (SOBJ_SP_MARKS + 2)

SOBJ_INLINE bool sobj__is_mark(sobj_cell v)
{
    return SOBJ_UNLIKELY(sobj_is_special(v) && sobj_special_kind(v) >= SOBJ_SP_MARKS);
}
SOBJ_INLINE sobj_cell sobj__forward(struct sobj__node *n)
{
    return SOBJ_SPECIAL(SOBJ__FORWARD_KIND, (uintptr_t)n);
}
SOBJ_INLINE struct sobj__node *sobj__forwarded(sobj_cell v)
{
    if (sobj_is_special(v) && (unsigned)sobj_special_kind(v) == SOBJ__FORWARD_KIND)
        return (struct sobj__node *)(uintptr_t)sobj_special_payload(v);
    return NULL;
}

SOBJ_INLINE uint64_t sobj__node_position(const struct sobj__node *n)
{
    return n->meta >> 16;
}

/* A key prepared for probing. */
struct sobj__probe {
    const struct sobj_key *key;
    uint64_t hash;
    const void *bytes;
    size_t size;
    uint32_t tag;         /* without EXTRA */
    uint32_t fingerprint; /* odd */
    uint64_t spread;      /* top bits choose the slot */
};

#define SOBJ__SPREAD 0x9e3779b97f4a7c15u

SOBJ_INLINE uint32_t sobj__fingerprint(uint64_t hash)
{
    return (uint32_t)(hash & 0x7fff) << 1 | 1;
}

SOBJ_INLINE void sobj__probe_init(struct sobj__probe *p, const struct sobj_key *key)
{
    p->key = key;
    p->hash = key->hash;
    p->bytes = key->bytes;
    p->size = key->size;
    p->tag = (uint32_t)key->kind << 13 |
             (uint32_t)(key->size < SOBJ__TAG_MAX ? key->size : SOBJ__TAG_MAX);
    p->fingerprint = sobj__fingerprint(key->hash);
    p->spread = key->hash * SOBJ__SPREAD;
}

SOBJ_INLINE const struct sobj__key_extra *sobj__node_extra(const struct sobj__node *n)
{
    return (const void *)((const char *)n + SOBJ__EXTRA_OFFSET);
}

/* Whether two blocks of memory are equal; inlined, because a call of memcmp costs more
 * than comparing a usual key. */
SOBJ_INLINE bool sobj__bytes_equal(const void *a, const void *b, size_t size)
{
    const unsigned char *x = a, *y = b;
    uint64_t p, q;

    if (SOBJ_LIKELY(size >= 8)) {
        for (; size > 8; size -= 8, x += 8, y += 8) {
            memcpy(&p, x, 8);
            memcpy(&q, y, 8);
            if (p != q)
                return false;
        }
        /* The last eight bytes; some may have been compared already. */
        memcpy(&p, x + size - 8, 8);
        memcpy(&q, y + size - 8, 8);
        return p == q;
    }
    for (; size != 0; size--)
        if (*x++ != *y++)
            return false;
    return true;
}

/* The same question as below for the bytes of a key with an extra part. */
bool sobj__node_has_extra_key(const struct sobj__node *n, const void *bytes,
                              size_t size);

/* Whether `n` has the probe's key. */
SOBJ_INLINE bool sobj__node_has_key(const struct sobj__node *n,
                                    const struct sobj__probe *p)
{
    if (SOBJ_UNLIKELY(n->hash != p->hash))
        return false;
    uint32_t difference = ((uint32_t)n->meta ^ p->tag) & 0xffff;
    if (SOBJ_LIKELY(difference == 0))
        return sobj__bytes_equal(n->key, p->bytes, p->size);
    return difference == SOBJ__TAG_EXTRA &&
           sobj__node_has_extra_key(n, p->bytes, p->size);
}

/* Makes a node with two references (log and slot). Returns: NULL on no memory. */
struct sobj__node *sobj__node_new(const struct sobj__probe *p, sobj_cell value);
void sobj__node_unref(struct sobj__node *n);
void sobj__node_unref_cb(void *n);
/* Fills all but the value. */
void sobj__node_entry(struct sobj__node *n, struct sobj_entry *entry);
/* The key of a node as a key for probing; points into the node. */
void sobj__node_key(struct sobj__node *n, struct sobj_key *key);
size_t sobj__node_bytes(const struct sobj__node *n);

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
struct sobj__segment {
    _Atomic(uint32_t) refs; /* the log's, and iterators' */
    uint32_t capacity;      /* const: cells allocated */
    uint32_t count;         /* const: cells in use; all of a dense segment */
    bool dense;             /* const */
    uint64_t first, last;   /* const: positions first <= p < last belong here */
    _Atomic(struct sobj__segment *) next;
    _Atomic(uint64_t) cells[];
};

struct sobj__body {
    uint64_t epoch; /* const: first position; names the body (L2) */
    _Atomic(struct sobj__segment *) head;
    _Atomic(struct sobj__segment *) tail_hint; /* a late segment of the list */
    _Atomic(bool) compacting;
    uint64_t compact_from;               /* owner: the compacting thread */
    SOBJ_ALIGNED _Atomic(uint64_t) tail; /* next position */
    _Atomic(int64_t) live;               /* C1 */
    _Atomic(int64_t) dead; /* cells that show nothing any more; exact at rest */
};

struct sobj__watch; /* dict_watch.h */

struct sobj__dict {
    struct sobj_object header;
    _Atomic(struct sobj__watch *) watch; /* NULL until somebody waits for a key */
    SOBJ_ALIGNED _Atomic(struct sobj__table *) root;
};

SOBJ_INLINE struct sobj__dict *sobj__dict_of(const struct sobj_object *obj)
{
    return (struct sobj__dict *)obj;
}

/* Returns: a body with one empty table of room for `expected`, or NULL. */
struct sobj__table *sobj__body_new(uint64_t epoch, size_t expected);
/* Frees a body with its tables from `t` on, nodes and values. Needs: a grace period has
 * passed since `t` was the root. */
void sobj__body_free(struct sobj__table *t);

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
void sobj__log_free(struct sobj__body *body);
enum sobj_status sobj__log_init(struct sobj__body *body);

/* ---- probing and migration (dict_table.c) */

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
