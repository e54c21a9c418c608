/* SPDX-License-Identifier: MIT */
/* The read cache of SharedDict, and of SharedSet: from key objects to where their values
 * lie.
 *
 *   cache ──> sets of two entries, a cache line each
 *             entry = {key object, pin, cell seen, ready object}
 *
 * A look-up with a key object that was used before is: the key's address chooses the
 * set, the entry's key is that very object, the cell in the pin is the one seen before,
 * the dict's content is that of the cache; then the ready object is the value. No lock,
 * no section, no hash, no key compared, nothing allocated, no memory written that others
 * share: less than the look-up of a dict costs. A store to a key with an entry is one
 * compare-and-swap on the pin.
 *
 *   K1  An entry owns its key object, its pin and its ready object. Keys and ready
 *       objects are plain (sobj_is_plain): exact immutable built-ins without references
 *       to anything else. So the same object stays the same key and the same value, and
 *       the cycle collector need not know of the references.
 *   K2  All pins of a cache are of its `content` (include/sharedobj/dict.h): each was
 *       taken by a look-up that had read that content before. When the dict's content is
 *       another one, all go.
 *   K3  If `ready` is there, it is what `cell` means: an immediate says so itself, of a
 *       blob the entry owns a reference, so that no other blob can be at its address. Not
 *       of a hosted one (include/sharedobj/value.h): what that means is looked up.
 *       This is true whatever becomes of the dict. Without `ready` the cell is only a
 *       hint: seen once.
 *   K4  Letting go of a plain object, of the pin of a plain key or of a blob without
 *       edges lets no other thread in; but the end of a tuple may be the moment at which
 *       the interpreter makes up for other objects whose end it had put off, and so run
 *       any code. Whoever lets go of something does it last, or asks for everything
 *       anew; and so does who has called what may let go of the GIL.
 *   K5  A cache belongs to a handle. With the GIL it is touched under the GIL of its
 *       interpreter. Free-threaded, the first thread that looks something up through the
 *       handle owns its cache, and no other thread touches it until that one has ended;
 *       who has a handle of his own (`local()`) has a cache of his own. The end of the
 *       handle is the other exception: nobody uses it then.
 *
 * A key object enters the cache when it is read, or when it is stored to for the second
 * time. Until then all that is remembered of it is a fingerprint, its ghost (T. Johnson
 * and D. Shasha, "2Q: A Low Overhead High Performance Buffer Management Replacement
 * Algorithm", 1994), so that to count what does not recur, as the words of a text, costs
 * next to nothing.
 *
 * Bounds of a cache: SOBJ_CACHE_ENTRIES_MAX entries, and two to four for each key of the
 * dict; keys of SOBJ_CACHE_KEY_MAX bytes; ready objects made from blobs of
 * SOBJ_CACHE_READY_MAX bytes, and SOBJ_CACHE_BYTES_MAX together. So much of what has been
 * removed from the dict may stay in memory, until the handle goes, or collect() is called,
 * or the entries are used for something else.
 */
#ifndef SOBJ_PY_DICT_CACHE_H
#define SOBJ_PY_DICT_CACHE_H

#include "convert.h"
#include "handle.h"

#define SOBJ_CACHE_ENTRIES_MAX ((size_t)1 << 18)
#define SOBJ__CACHE_ABSENT 32
#define SOBJ_CACHE_KEY_MAX ((size_t)256)
#define SOBJ_CACHE_READY_MAX ((size_t)4 << 10) /* the blob; its object: twice that */
#define SOBJ_CACHE_BYTES_MAX ((size_t)4 << 20)

struct sobj_cache_entry {
    PyObject *key; /* NULL: free */
    struct sobj_dict_pin *pin;
    sobj_cell cell;
    PyObject *ready; /* NULL: none */
};

struct sobj_cache_set {
    struct sobj_cache_entry ways[2];
};

struct sobj_dict_cache {
    /* what a hit reads */
    struct sobj_cache_set *sets; /* NULL: none, or left alone for a while */
    unsigned shift;              /* 64 - log2(sets) */
    uint32_t misses;             /* 0: there was a hit; see dict_cache_room.c */
    uint64_t content;            /* K2 */
    const uint64_t *place;       /* of the dict's content */
    /* the rest */
    struct sobj_cache_set *memory; /* the sets, aligned; NULL: none */
    void *block;                   /* what was allocated */
    uint16_t *ghosts;              /* of keys that came once; 0: none */
    uint32_t ghost_mask;           /* their number - 1 */
    uint32_t strangers; /* keys without a ghost, less what known ones make up for */
    size_t bytes;       /* of blobs that are kept for ready objects */
    uint32_t absent;    /* keys in sequence that the dict did not have */
    uint32_t conflicts; /* since the size was decided */
    uint32_t turn;      /* whose turn it is, where one of several goes */
    uint32_t hand;      /* where ready objects were last let go of */
    uint32_t useful;    /* misses that came after a hit, since the last rest */
    uint32_t rest, rest_next;             /* look-ups until the cache is used again */
    struct sobj_dict_cache *next, **back; /* guarded by its caches_mutex */
};

typedef struct {
    SobjHandle handle;
#ifdef Py_GIL_DISABLED
    uint64_t owner;   /* serial of the thread (K5); 0: none yet */
    uint64_t process; /* in which it became that; changes with a fork */
#endif
    struct sobj_dict_cache cache;
    bool reader; /* of ready keys, see ready.h; guarded by the GIL */
} DictHandle;

/* Returns: the cache, if this thread may use it, or NULL. */
static inline struct sobj_dict_cache *sobj_cache_of(DictHandle *self)
{
#ifdef Py_GIL_DISABLED
    struct sobj_thread *thread = sobj_thread();
    /* Relaxed: only this thread itself ever writes its own serial here. */
    uint64_t owner = __atomic_load_n(&self->owner, __ATOMIC_RELAXED);

    return thread != NULL && owner == thread->serial ? &self->cache : NULL;
#else
    return &self->cache;
#endif
}

#define SOBJ__CACHE_SPREAD 0x9e3779b97f4a7c15u

static inline uint64_t sobj_cache_hash(PyObject *key)
{
    return ((uint64_t)(uintptr_t)key >> 4) * SOBJ__CACHE_SPREAD;
}

/* Returns: one of the two sets of a key. Needs: a cache with sets. */
static inline struct sobj_cache_set *sobj_cache_first_set(
    const struct sobj_dict_cache *c, PyObject *key)
{
    return &c->sets[sobj_cache_hash(key) >> c->shift];
}

/* Returns: the entry of that very key object, or NULL. */
static inline struct sobj_cache_entry *sobj_cache_find(const struct sobj_dict_cache *c,
                                                       PyObject *key)
{
    struct sobj_cache_entry *e;

    if (c == NULL || c->sets == NULL)
        return NULL;
    e = sobj_cache_first_set(c, key)->ways;
    e += e[1].key == key;
    if (__builtin_expect(e->key == key, 1))
        return e;
    e = c->sets[sobj_cache_hash(key) << 16 >> c->shift].ways;
    e += e[1].key == key;
    return e->key == key ? e : NULL;
}

/* Returns: the present value of the entry's key, or a cell that does not show. */
static inline sobj_cell sobj_cache_look(const struct sobj_dict_cache *c,
                                        const struct sobj_cache_entry *e)
{
    return sobj_dict_pin_look(e->pin, c->place, c->content);
}

/* The value of `key`, if it is ready. Returns: a new reference; NULL: ask
 * sobj_cache_get_slow at once, with the key's entry and what it has seen. */
static inline PyObject *sobj_cache_get_ready(DictHandle *self, PyObject *key,
                                             struct sobj_cache_entry **entry,
                                             sobj_cell *seen)
{
    struct sobj_dict_cache *c = sobj_cache_of(self);
    struct sobj_cache_entry *e = sobj_cache_find(c, key);

    *entry = e;
    *seen = SOBJ_NO_CELL;
    if (__builtin_expect(e == NULL, 0))
        return NULL;
    *seen = sobj_cache_look(c, e);
    if (__builtin_expect(*seen != e->cell || e->ready == NULL, 0))
        return NULL;
    c->misses = 0;
    return Py_NewRef(e->ready);
}
/* Returns: a new reference; NULL with an exception, or without one: the key is absent. */
PyObject *sobj_cache_get_slow(DictHandle *self, PyObject *key,
                              struct sobj_cache_entry *e, sobj_cell seen);
static inline PyObject *sobj_cache_get(DictHandle *self, PyObject *key)
{
    struct sobj_cache_entry *e;
    sobj_cell seen;
    PyObject *value = sobj_cache_get_ready(self, key, &e, &seen);

    return value != NULL ? value : sobj_cache_get_slow(self, key, e, seen);
}

/* An entry does not say the value any more: the key was removed, or everything. */
void sobj_cache_stale(struct sobj_dict_cache *c, struct sobj_cache_entry *e);

/* Returns: 1 if the key is there, 0, or -1 with an exception. */
int sobj_cache_has_slow(DictHandle *self, PyObject *key);
static inline int sobj_cache_has(DictHandle *self, PyObject *key)
{
    struct sobj_dict_cache *c = sobj_cache_of(self);
    struct sobj_cache_entry *e = sobj_cache_find(c, key);

    if (__builtin_expect(e != NULL, 1)) {
        if (__builtin_expect(sobj_dict_pin_shows(sobj_cache_look(c, e)), 1)) {
            c->misses = 0;
            return 1;
        }
        sobj_cache_stale(c, e);
    }
    return sobj_cache_has_slow(self, key);
}

/* Stores. Returns: 0; -1 with an exception. May let go of the GIL. */
int sobj_cache_set(DictHandle *self, PyObject *key, PyObject *value);

/* Adds an immediate number through the key's entry. Returns: SOBJ_OK and the sum;
 * SOBJ_STALE: there is no entry, or another way must be tried; SOBJ_OVERFLOW and
 * SOBJ_BAD_OPERAND; -1 with an exception. May let go of the GIL. */
int sobj_cache_increment(DictHandle *self, PyObject *key, sobj_cell n, sobj_cell *sum);

/* The same for `count` keys, at most SOBJ_DICT_ROW, that are borrowed, as far as they are
 * known here. May let go of the GIL at the end: whoever is woken may have to wait for a
 * fork. Returns: how many it did. */
static inline Py_ssize_t sobj_cache_increment_row(DictHandle *self,
                                                  PyObject *const *keys,
                                                  Py_ssize_t count, sobj_cell n)
{
    struct sobj_dict_cache *c = sobj_cache_of(self);
    struct sobj_dict_pin *pins[SOBJ_DICT_ROW];
    Py_ssize_t known = 0;

    for (; known < count; known++) {
        struct sobj_cache_entry *e = sobj_cache_find(c, keys[known]);
        if (e == NULL)
            break;
        __builtin_prefetch(e->pin, 1);
        pins[known] = e->pin;
    }
    if (known == 0)
        return 0;
    c->misses = 0;
    return (Py_ssize_t)sobj_dict_pins_increment(self->handle.core, pins, (size_t)known,
                                                c->content, n);
}

/* Asks for the memory that a look-up of `key` will read; a hint. */
static inline void sobj_cache_prefetch(const struct sobj_dict_cache *c, PyObject *key)
{
    if (c != NULL && c->sets != NULL)
        __builtin_prefetch(sobj_cache_first_set(c, key));
}

/* The key goes from the dict: so does its entry. */
void sobj_cache_forget(DictHandle *self, PyObject *key);

/* Lets go of everything, and of the cache's memory; of nothing if it is NULL. */
void sobj_cache_flush(struct sobj_dict_cache *c);
/* The handle ends, and its cache, whoever owns it. */
void sobj_cache_fini(DictHandle *self);
/* The caches of all handles of the module; free-threaded: those of this thread. */
void sobj_caches_flush(struct sobj_state *state);
/* Returns: bytes of entries and of what they keep; free-threaded: for the owner. */
size_t sobj_cache_bytes(DictHandle *self);

/* ---- dict_cache_room.c, for dict_cache.c */

/* Whether K1 holds for `obj`, and it needs no more than about `most` bytes. */
bool sobj_is_plain(PyObject *obj, size_t most);

/* At a miss, first. Returns: whether the cache is left alone for now. */
static inline bool sobj_cache_rests(struct sobj_dict_cache *c)
{
    if (c == NULL || c->sets != NULL || c->rest <= 1)
        return false;
    c->rest--;
    return true;
}
/* Then, unless keys that the dict has not are all that has come for a while; one in some
 * is asked about nevertheless. */
static inline bool sobj_cache_doubts(struct sobj_dict_cache *c)
{
    return c != NULL && c->absent >= SOBJ__CACHE_ABSENT && ++c->turn % 8 != 0;
}
/* Returns: whether the key is to be entered if the dict has it: `at_once`, or only because
 * it has come before. The cache may be gone after that. */
bool sobj_cache_wants(DictHandle *self, PyObject *key, bool at_once);
/* Enters the key with a pin, which is consumed, and the cell that was read. */
void sobj_cache_enter(struct sobj_dict_cache *c, PyObject *key,
                      struct sobj_dict_pin *pin, uint64_t content, sobj_cell cell);
/* Whether a ready object may be made from a blob now. */
bool sobj_cache_bytes_wanted(struct sobj_dict_cache *c);
/* Lets go of ready objects until there is room for one more. */
void sobj_cache_make_bytes(struct sobj_dict_cache *c);

/* What an entry lets go of when it has seen another cell. */
struct sobj_cache_old {
    sobj_cell cell;
    PyObject *ready;
};

static inline size_t sobj__kept_bytes(sobj_cell cell)
{
    return (size_t)sobj_blob_size(sobj_to_blob(cell));
}

/* The entry has seen `cell`, which means `ready` (consumed, with the reference to a blob
 * that goes with it), or is not known to mean anything yet (NULL).
 * Returns: what to give to sobj_cache_let_go when nothing is left to do (K4). */
static inline struct sobj_cache_old sobj_cache_note(struct sobj_dict_cache *c,
                                                    struct sobj_cache_entry *e,
                                                    sobj_cell cell, PyObject *ready)
{
    struct sobj_cache_old old = {e->cell, e->ready};

    e->cell = cell;
    e->ready = ready;
    if (ready != NULL && sobj_is_blob(cell))
        c->bytes += sobj__kept_bytes(cell);
    if (old.ready != NULL && sobj_is_blob(old.cell))
        c->bytes -= sobj__kept_bytes(old.cell);
    return old;
}
static inline void sobj_cache_let_go(struct sobj_cache_old old)
{
    if (old.ready == NULL)
        return;
    if (sobj_is_blob(old.cell))
        sobj_cell_unref(old.cell);
    Py_DECREF(old.ready);
}

#endif
