/* SPDX-License-Identifier: MIT */
/* L3: the parts of the list, for list*.c only. The contract is sharedobj/list.h.
 *
 *   list ── root ──> body ──┬─ word: {pops:24 | len:40}
 *     │                     └─ dir ──> [ segment | segment | ... | NULL ]
 *     └─ lock, gate                        └─ cells, which never move
 *
 * Segments 0..7 have 8 cells, 8..15 have 16, and so on: eight to a doubling, so that at
 * most an eighth of the cells is room for more. Cell i lies where j = i + 64 says: its
 * highest bit is the doubling, the three bits below it the segment, the rest the cell.
 * (Segments that stay where they are: S. Dechev, P. Pirkelbauer, B. Stroustrup,
 * "Lock-Free Dynamically Resizable Arrays", 2006; the protocol is ours.)
 *
 * A place is a cell of one body. Its content is 0, "empty", or a value.
 *
 *   I1  `word` is written under the list's lock, or by the closer of its gate. Places
 *       below `len` are the items. An append stores its cells first and the word then
 *       (release); a removal at the end lowers the word, `pops` going up by one, and
 *       exchanges the cells with empty then; both under one hold of the lock. So
 *       whoever holds it finds exactly the places below `len` filled.
 *   I2  `pops` goes up with every lowering and only then. Two readings of the word in
 *       one section with the same `pops` have no lowering between them. They could have
 *       2^24; but whoever finds that 2^23 lowerings were made since a grace period
 *       runs one, with nothing held, before the next (list.lowered): a section that
 *       has seen the first of them has ended by then.
 *   I3  Reading: word w1, place, word w2. With equal `pops` the place was an item
 *       throughout, and the cell that was read its value at that moment. Otherwise
 *       something was removed meanwhile, and the reader starts again. A reader that has
 *       seen a cell emptied, or filled again after that, sees the lowering too: it
 *       precedes the exchange, which the later append's store follows by the lock, and
 *       all three release to the reader's acquire. An index that counts from the end
 *       names another place after each append, so the words must be equal altogether.
 *   I4  Storing: w1, then a compare-and-swap of the place from a value to another one,
 *       then w2. A place that was found empty is being removed: start again, as in I3.
 *       If `pops` is as in w1, the place was an item throughout, and the store happened
 *       at the exchange. If not, there is an item that it has gone to all the same:
 *        a. The exchange precedes the one by which a removal emptied the place. The
 *           removal hands out what was stored, so the store comes just before the
 *           lowering, which follows w1; nobody has seen the list between.
 *        b. It follows that one, and the place holds the value of a later append, the
 *           very word that was read before. If the append is published, the store
 *           happens at the exchange. If it is not, it is ordered just after the
 *           publication, and must not return before that: the storer takes the lock
 *           and lets go of it, which the appender holds until it has published.
 *       The storer cannot tell these apart and takes the lock in each case.
 *   I5  Some stores make their exchange under the lock, and only if the word is still w1:
 *       those whose index counts from the end, since after an append the exchange would
 *       go to a place that the index does not name any more; and those of a value that
 *       the host may be unable to make (sobj_cell_is_hosted), so that a removal at the
 *       end may look at the value first, and what it then takes out is not such a one,
 *       though it may be another.
 *   I6  A body is reachable from one root, becomes that by one store and goes by one.
 *       `clear` and `replace` do so under the lock. A reader or storer that has loaded
 *       the old root goes on in the old body and is ordered before the exchange, which
 *       came after its load. Appends and removals load the root under the lock. The
 *       items of the old body are dropped a grace period later, after the last store.
 *   I7  What shifts items closes the gate (gate.h): then no change is under way and none
 *       begins. The closer leaves its section, keeps the gate closed, builds another
 *       body from the words of the old one, which lie still, and publishes it. The
 *       references go over to the new body; the old one drops only the items that are
 *       not in it any more. Its readers see the list as it was until the exchange.
 *       Without memory the gate is opened and nothing has happened.
 *   I8  Segments are there from 0 on, without a gap, `segments` of them; the cells beyond
 *       `len` are empty. A lowering gives back those beyond one spare (list_body.c),
 *       so that a list whose length swings around a boundary does not allocate each
 *       time. Who still has such a segment finds empty cells only, for ever, or finds
 *       no segment, and looks at the word again: in both cases the lowering is seen.
 *       The directory only grows; the old one is retired.
 *       A draft is a body that nobody else has; what is to be filled is not emptied first.
 *   I9  All changes run in write sections, but for the closer of the gate. A fork that
 *       meets it between its sections leaves the child the old body, whole, with the gate
 *       opened. Cells of a large block, to be appended or just cut off, may then lie
 *       beyond `len`, where nobody in the child looks, until an append overwrites them;
 *       these references, and the body that was to become the new one, are lost to it.
 *   I10 A pin is one of the `refs` of a body: body, directory and the PINNED segments
 *       stay while there is one, also when the body has been retired, its items dropped
 *       and the segments beyond freed. It is taken in a section in which the body was the
 *       root, so before the body's end; and under the lock, so that who trims sees it.
 *       Reading through it is I6 and I3 without a section, which I2 needs: there, fewer
 *       than 2^24 lowerings lie between the two readings of the word, because
 *       `renewals`, read after them, is what it was before: it goes up after 2^23
 *       lowerings at most, and with each that is not counted in `lowered`, before it.
 *       Who sees a lowering sees those rises of `renewals` that precede it.
 *
 * Orders across places, also of two lists: of two threads, one that makes a change and then
 * reads another place, and one that does it the other way round, one must see the other's
 * change. The exchanges are sequentially consistent, as are the loads of roots, words and
 * cells; the plain store of a word or root is followed by the exchange that unlocks or opens
 * the gate, a full barrier on x86-64, and on arm64 is a store-release, which a later load
 * of that kind does not pass.
 *
 * Progress: get, len are lock-free (a reader starts again only because somebody else has
 * removed or, with an index from the end, appended an item), as is storing but for I4b and
 * I5, where it waits for the lock, held for some tens of instructions. All changes wait while the gate is closed.
 */
#ifndef SOBJ_LIST_INTERNAL_H
#define SOBJ_LIST_INTERNAL_H

#include "gate.h"
#include "park.h"
#include "reclaim.h"
#include "sharedobj/list.h"
#include "value.h"

typedef _Atomic(sobj_cell) sobj__place_t;
_Static_assert(sizeof(sobj__place_t) == sizeof(sobj_cell), "cells can be copied");

struct sobj__list_segment {
    uint64_t size; /* const: cells */
    sobj__place_t cells[];
};

typedef _Atomic(struct sobj__list_segment *) sobj__list_entry_t;

/* A directory that does not lie in the body. */
struct sobj__list_dir {
    uint32_t capacity;
    sobj__list_entry_t entries[];
};
#define SOBJ__LIST_DIR_FIRST 8u /* entries in the body */
#define SOBJ__LIST_DIR_MAX 280u /* for SOBJ_LIST_MAX items */
#define SOBJ__LIST_PINNED 48u   /* segments, for SOBJ_LIST_PINNED items (I10) */

/* Items `start`, `start + step`, ..., `count` of them. */
struct sobj__list_range {
    uint64_t start, step, count;
};

struct sobj__list_body {
    _Atomic(uint64_t) word;            /* I1 */
    _Atomic(sobj__list_entry_t *) dir; /* `first`, or of a sobj__list_dir */
    uint32_t segments, capacity;       /* guarded by the list's lock */
    _Atomic(uint32_t) refs;            /* 1 until it is retired; and the pins (I10) */
    /* set when the list lets go of the body: what goes with it (I6, I7) */
    struct sobj__list_range drop;
    sobj__list_entry_t first[SOBJ__LIST_DIR_FIRST];
};

struct sobj__list {
    struct sobj_object header;
    _Atomic(struct sobj__list_body *) root;
    _Atomic(uint64_t)
        renewals; /* of `lowered`, and lowerings not counted there (I10) */
    SOBJ_ALIGNED struct sobj__lock lock;
    uint32_t lowered; /* since a grace period (I2); guarded by lock */
    struct sobj__gate gate;
};
_Static_assert(sizeof(struct sobj__list) == 2 * SOBJ_CACHE_LINE, "two cache lines");

SOBJ_INLINE struct sobj__list *sobj__list_of(const struct sobj_object *obj)
{
    return (struct sobj__list *)obj;
}

/* ---- the word */

#define SOBJ__LIST_LEN_BITS 40
#define SOBJ__LIST_POP ((uint64_t)1 << SOBJ__LIST_LEN_BITS)
#define SOBJ__LIST_LOWERED_MAX ((uint32_t)1 << 23)

SOBJ_INLINE uint64_t sobj__list_word_len(uint64_t word) { return word & SOBJ_LIST_MAX; }

SOBJ_INLINE uint64_t sobj__list_word(struct sobj__list_body *body)
{
    /* SeqCst: acquires what was published; against stores of others to other places, see
     * "orders across places". */
    return sobj_load_seq_cst(&body->word);
}

/* Returns: whether item `index` is still where it was when `word` was read: nothing was
 * lowered since and, if it counts from the end, nothing appended either (I3). Needs: the
 * cell was loaded with acquire or exchanged since. */
SOBJ_INLINE bool sobj__list_unmoved(struct sobj__list_body *body, uint64_t word,
                                    int64_t index)
{
    uint64_t matters = ~SOBJ_LIST_MAX | (uint64_t)(index >> 63);

    /* Relaxed: ordered after the acquire of the cell. */
    return ((sobj_load_relaxed(&body->word) ^ word) & matters) == 0;
}

SOBJ_INLINE struct sobj__list_body *sobj__list_root(struct sobj__list *l)
{
    /* SeqCst: acquires the body that was published (I6, I7); against stores of others to
     * other places, as in list_word. */
    return sobj_load_seq_cst(&l->root);
}

/* ---- places */

SOBJ_INLINE uint32_t sobj__list_segment_of(uint64_t i, uint64_t *offset)
{
    uint64_t j = i + 64;
    /* Bits of the offset. As an exclusive or it is one instruction. */
    unsigned shift = (63 ^ (unsigned)__builtin_clzll(j)) - 3;

    *offset = j & (((uint64_t)1 << shift) - 1);
    return (uint32_t)(((shift - 3) << 3) + (j >> shift) - 8);
}
SOBJ_INLINE uint64_t sobj__list_segment_size(uint32_t segment)
{
    return (uint64_t)8 << (segment >> 3);
}
SOBJ_INLINE uint64_t sobj__list_segment_start(uint32_t segment)
{
    return ((uint64_t)(8 + (segment & 7)) << (3 + (segment >> 3))) - 64;
}
/* Returns: how many segments so many items take. */
SOBJ_INLINE uint32_t sobj__list_segments_for(uint64_t items)
{
    uint64_t offset;

    return items == 0 ? 0 : sobj__list_segment_of(items - 1, &offset) + 1;
}

/* Returns: place `i`, or NULL if its segment has gone (I8). Needs: a word read before
 * that had it; a section, or the gate closed. */
SOBJ_INLINE sobj__place_t *sobj__list_place(struct sobj__list_body *body, uint64_t i)
{
    uint64_t offset;
    uint32_t segment = sobj__list_segment_of(i, &offset);
    /* Acquire: pairs with the release that published the directory, which is as new as
     * the word, so `segment` is in it. */
    sobj__list_entry_t *dir = sobj_load_acquire(&body->dir);
    SOBJ_PAUSE("list.place");
    /* Acquire: pairs with the releases of list_body.c; if NULL, the lowering shows. */
    struct sobj__list_segment *s = sobj_load_acquire(&dir[segment]);

    return SOBJ_LIKELY(s != NULL) ? &s->cells[offset] : NULL;
}

/* Returns: whether there is an item `index`, which may count from the end, and where. */
SOBJ_INLINE bool sobj__list_index(int64_t index, uint64_t len, uint64_t *i)
{
    *i = (uint64_t)index + (index < 0 ? len : 0);
    return SOBJ_LIKELY(*i < len);
}

/* ---- beginning a change */

/* The rest of sobj__list_begin, when there is more to it. */
enum sobj_status sobj__list_begin_slow(struct sobj__list *l, uint64_t mode);

/* Begins a write section and passes the gate. The caller ends the section.
 * Returns: OK, or FROZEN: nothing may be changed.
 * Blocks: while the gate is closed. */
SOBJ_INLINE enum sobj_status sobj__list_begin(struct sobj__list *l)
{
    sobj__write_begin();
    uint64_t mode = sobj__mode(&l->header);
    if (SOBJ_UNLIKELY(mode & (SOBJ__FROZEN | SOBJ__SNAP)))
        return sobj__list_begin_slow(l, mode);
    return SOBJ_OK;
}

/* ---- bodies (list_body.c) */

/* Returns: a body without items that has room for so many, or NULL. */
struct sobj__list_body *sobj__list_body_empty(uint64_t room);
/* The same, to be filled: its first `n` cells may be anything, and are written before
 * anybody else sees them; those beyond are empty. */
struct sobj__list_body *sobj__list_body_new(uint64_t n);
/* Frees it, not its items. */
void sobj__list_body_free(struct sobj__list_body *body);
/* Lets go of a pin's reference. */
void sobj__list_body_unref(struct sobj__list_body *body);
/* Drops all items and frees it. Needs: nobody else has it, but for pins. */
void sobj__list_body_drop(struct sobj__list_body *body);
/* Frees the body, which is no longer the root, and drops those items after a grace
 * period. Needs: a write section. */
void sobj__list_body_retire(struct sobj__list_body *body, struct sobj__list_range drop);
/* The same with all items. Needs: nobody appends or removes any more. */
void sobj__list_body_retire_all(struct sobj__list_body *body);
/* Returns: about how many bytes the values of these items hold, for the limit of retired
 * memory. Needs: a section, or the gate closed, or that nobody else has the list. */
size_t sobj__list_values_bytes(struct sobj__list_body *body,
                               struct sobj__list_range range);
/* Returns: all items. Needs: nobody appends or removes any more. */
struct sobj__list_range sobj__list_all(struct sobj__list_body *body);
/* Returns: bytes of it and its segments. Needs: the lock, or nobody changes it. */
size_t sobj__list_body_bytes(const struct sobj__list_body *body);

/* Memory for segments and the directory of one body, from `first` on. */
struct sobj__list_room {
    uint32_t first, count;
    uint32_t capacity;          /* of a directory; 0: the one there is large enough */
    uint64_t filled;            /* the cells below that need not be empty */
    struct sobj__list_dir *dir; /* or NULL */
    struct sobj__list_segment *segments[SOBJ__LIST_DIR_MAX];
};
/* Notes what the body lacks for `items`. Returns: false: nothing. Needs: the lock. */
bool sobj__list_room_lacks(struct sobj__list_room *room,
                           const struct sobj__list_body *body, uint64_t items);
/* Allocates it. Returns: OK or NO_MEMORY. Needs: no lock. */
enum sobj_status sobj__list_room_alloc(struct sobj__list_room *room);
/* Gives to the body what still fits. Needs: the lock and a write section. */
void sobj__list_room_install(struct sobj__list_room *room,
                             struct sobj__list_body *body);
/* Frees what was not installed. */
void sobj__list_room_free(struct sobj__list_room *room);
/* Retires segments that are not needed any more (I8). Needs: the lock, a write section,
 * and that the cells beyond `len` are empty. */
void sobj__list_trim(struct sobj__list_body *body, uint64_t len);

/* Returns: where place `at` lies; `*n` is lowered to what lies in a row. Needs: nobody
 * changes the segments of these places, which exist. */
sobj__place_t *sobj__list_run(struct sobj__list_body *body, uint64_t at, uint64_t *n);
/* Words in and out, in runs, without any order. Needs: nobody changes these places; they
 * exist; for `to`: nobody else has the body. */
void sobj__list_write(struct sobj__list_body *to, uint64_t at, const sobj_cell *words,
                      uint64_t n);
void sobj__list_read(struct sobj__list_body *from, uint64_t at, sobj_cell *words,
                     uint64_t n);
void sobj__list_move(struct sobj__list_body *to, uint64_t at,
                     struct sobj__list_body *from, uint64_t index, uint64_t n);
/* One word. Needs: as above. */
SOBJ_INLINE sobj_cell sobj__list_peek(struct sobj__list_body *body, uint64_t i)
{
    /* Relaxed: what was stored precedes the gate's grace period. */
    return sobj_load_relaxed(sobj__list_place(body, i));
}
SOBJ_INLINE void sobj__list_poke(struct sobj__list_body *body, uint64_t i, sobj_cell c)
{
    /* Relaxed: the body, or its length, is published later. */
    sobj_store_relaxed(sobj__list_place(body, i), c);
}

/* ---- changes at the end (list_end.c) */

/* So many items are appended, or removed, under one hold of the lock; more than that
 * with the gate closed. */
#define SOBJ__LIST_APPEND_MAX 1024u
#define SOBJ__LIST_REMOVE_MAX 128u

/* Appends if an insertion before `before` is that. Returns: OK and where; MISMATCH: it is
 * not; NO_MEMORY, FULL, FROZEN. Needs: `n` is from 1 to APPEND_MAX. The cells are consumed
 * if OK. */
enum sobj_status sobj__list_append(struct sobj__list *l, int64_t before,
                                   const sobj_cell *cells, size_t n, uint64_t *at);
/* Removes the items that `slice` names, if these are the last ones and not many.
 * Returns: OK, MISMATCH, FROZEN. */
enum sobj_status sobj__list_cut(struct sobj__list *l, const struct sobj_slice *slice);
/* Lowers the word by `n` and takes the last items out. Needs: the lock. */
void sobj__list_lower(struct sobj__list_body *body, uint64_t n, sobj_cell *removed);
/* Makes `fresh` the content, unless `empty` and there are items (I6).
 * Returns: OK, MISMATCH, FROZEN; `fresh` is the caller's unless OK. */
enum sobj_status sobj__list_swap(struct sobj__list *l, struct sobj__list_body *fresh,
                                 bool empty);
/* Returns: a body with these items, which it takes over, or NULL. */
struct sobj__list_body *sobj__list_body_of(const sobj_cell *cells, size_t n);
/* Drops what the caller has been given to consume. */
void sobj__list_cells_unref(const sobj_cell *cells, size_t n);

/* ---- changes with the gate closed (list_shift.c; I7) */

/* Adjusts a slice to a length. Returns: the items it names, from the front on. */
struct sobj__list_range sobj__list_range_of(const struct sobj_slice *slice,
                                            uint64_t len);

struct sobj__list_shift {
    struct sobj__list *l;
    struct sobj__closing closing;
    struct sobj__list_body *old; /* the content: nobody changes it */
    uint64_t len;
};
/* Closes the gate and leaves the section. Returns: OK; FROZEN: it is open again, unless
 * `even_frozen`. */
enum sobj_status sobj__list_shift_begin(struct sobj__list_shift *s,
                                        struct sobj_object *l, bool even_frozen);
/* Makes `fresh` with `len` items the content, unless that is NULL, and opens the gate.
 * `drop` are the items of the old content that are not in it. */
void sobj__list_shift_end(struct sobj__list_shift *s, struct sobj__list_body *fresh,
                          uint64_t len, struct sobj__list_range drop);
/* Opens the gate: nothing has happened. */
void sobj__list_shift_leave(struct sobj__list_shift *s);

/* The general cases; the contracts are those of sharedobj/list.h. */
enum sobj_status sobj__list_splice(struct sobj_object *l,
                                   const struct sobj_slice *slice,
                                   const sobj_cell *cells, size_t n, uint64_t *have);
enum sobj_status sobj__list_remove(struct sobj_object *l, int64_t index,
                                   sobj_cell expected, struct sobj_out *out);

#endif
