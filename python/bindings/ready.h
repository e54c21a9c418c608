/* SPDX-License-Identifier: MIT */
/* Ready objects: of what lies in a blob (a text, bytes, a tuple of such) the object that
 * was made of it, so that who reads it again gets that one; and of the keys of a dict, so
 * that who goes through it again gets the same key objects, which is what the dict's own
 * caches (dict_cache.h) know keys by.
 *
 *   module's state ──> sets of two entries {cell, object}; ghosts of cells that came once
 *
 * The table is for all containers of an interpreter: the item of a list is found there by
 * its word, whichever list it is in, a key that is a text by its place in the dict. What
 * comes again at the same index of a list is then on the shelf of the list's handle
 * (list_type.h), which keeps as many bytes.
 *
 *   Y1  An entry owns a reference to its blob. So no other blob can be at that address,
 *       and a word that is equal names that very value, at whatever moment it was read.
 *       The same goes for places, of which an entry owns a pin: its word is the place's
 *       address, marked as no pointer's word is.
 *   Y2  An entry owns its object, which is plain (sobj_is_plain) and what the blob means,
 *       or the text that is the key: so the same object may be given to everybody, and the
 *       collector need not know.
 *   Y3  Letting go of a tuple may run any code. Whoever lets go of something does it last.
 *   Y4  It is guarded by the GIL. Free-threaded there is none: threads that are given the
 *       same object fight for its count.
 *
 * A word is entered when it is read for the second time, as far as its ghost remembers
 * (T. Johnson and D. Shasha, "2Q", 1994): to read what does not recur costs next to
 * nothing, and writes nothing that others share. Where there is no room, one in some is
 * entered all the same. What is kept of items that are gone: SOBJ_CACHE_BYTES_MAX at
 * most, until others take their places, collect() is called, or the last handle goes that
 * has read such an item or key: at the end of an interpreter the module need not be freed.
 */
#ifndef SOBJ_PY_READY_H
#define SOBJ_PY_READY_H

#include "convert.h"
#include "state.h"

/* ---- a value on its way out, of which a reference is wanted, too */

struct sobj_kept_out {
    struct sobj_value_out value;
    sobj_cell expected; /* the blob of which a reference is wanted; 0: none */
    bool kept; /* it came, is no larger than the caches keep, and leads nowhere:
                         * the caller has a reference */
};
void sobj_kept_out_init(struct sobj_kept_out *out, struct sobj_state *state,
                        sobj_cell expected);

/* ---- the table */

#define SOBJ__READY_SETS_LOG2 12
#define SOBJ__READY_SETS ((size_t)1 << SOBJ__READY_SETS_LOG2)
#define SOBJ__READY_GHOSTS ((size_t)1 << 14)
/* Of a dict with more entries nothing is kept: they would put out one another. */
#define SOBJ_READY_ENTRIES_MAX SOBJ__READY_SETS

struct sobj_ready_entry {
    sobj_cell cell; /* 0: free */
    PyObject *object;
};
struct sobj_ready {
    struct sobj_ready_entry sets[SOBJ__READY_SETS][2];
    uint16_t ghosts[SOBJ__READY_GHOSTS];
    size_t bytes; /* of the blobs, and of the texts that are keys */
    size_t hand;  /* where entries were last let go of to make room */
    unsigned turn;
};

/* Blobs lie at even distances, which a multiplication alone does not spread. */
static inline uint64_t sobj__ready_hash(sobj_cell cell)
{
    return (cell >> 4 ^ cell >> 15) * 0x9e3779b97f4a7c15u;
}

/* Returns: a new reference to the object of a blob; NULL: it is not ready. */
static inline PyObject *sobj_ready_get(const struct sobj_state *state, sobj_cell cell)
{
    const struct sobj_ready_entry *e;

    if (state->ready == NULL)
        return NULL;
    e = state->ready->sets[sobj__ready_hash(cell) >> (64 - SOBJ__READY_SETS_LOG2)];
    e += e[1].cell == cell;
    return e->cell == cell ? Py_NewRef(e->object) : NULL;
}

/* Whether the object of a value may be kept. Needs: a hold on the value. */
bool sobj_ready_may_keep(sobj_cell cell);
/* Returns: what names the place of a key. */
static inline sobj_cell sobj_ready_word(const struct sobj_dict_pin *place)
{
    return (sobj_cell)(uintptr_t)place | 1;
}

/* The reader is about to read what may be kept, `reads` times; the table begins when that
 * has happened often enough. `*joined`: whether the reader counts among those for whom the
 * table is there; it does from now on. Returns: whether there is a table; free-threaded,
 * never. */
bool sobj_ready_join(struct sobj_state *state, bool *joined, size_t reads);
/* The reader goes; if nobody is left, the table does, too. */
void sobj_ready_leave(struct sobj_state *state, bool joined);
/* These two: with a GIL only. */
/* Returns: whether an object shall be kept for what the word names. Allocates nothing. */
bool sobj_ready_wants(struct sobj_state *state, sobj_cell word);
/* Keeps an object (borrowed; NULL: it could not be made) under a word. Consumes: the
 * reference to the blob, or the pin. */
void sobj_ready_keep(struct sobj_state *state, sobj_cell word, PyObject *object);
/* Lets go of all. */
void sobj_ready_flush(struct sobj_state *state);

#endif
