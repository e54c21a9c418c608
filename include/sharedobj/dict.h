/* SPDX-License-Identifier: MIT */
/* Dict: a lock-free hash table from keys to cells that keeps insertion order.
 *
 * Every operation on one key is atomic (linearizable). Reads take no lock and write no
 * shared memory. Operation by operation:
 *
 *                      progress     allocates          waits for
 *   get contains len   lock-free    never              nothing
 *   set (existing key) lock-free    never (*)          nothing (*)
 *   insertion          lock-free    node, sometimes    nothing (helps a migration) (*)
 *                                   a table
 *   remove             lock-free    never (*)          nothing (*)
 *   remove_last        lock-free    never (*)          nothing (*)
 *   iteration step     lock-free    never              nothing
 *   clear replace      lock-free    one small body     nothing (*)
 *   snapshot copy      a gate       what it keeps      its turn, and a grace period
 *   freeze             a gate       never              its turn, and a grace period
 *
 * (*) Changes wait while a snapshot makes its cut, or a freeze: for one grace period,
 * usually some tens of microseconds, whatever the size. While a snapshot is being read,
 * the first change of each older key allocates a few words that keep what was there; if
 * there is no memory for them, the change goes on and the snapshot fails.
 *
 * Order: a key whose insertion began after another's had returned comes after it.
 */
#ifndef SHAREDOBJ_DICT_H
#define SHAREDOBJ_DICT_H

#include "sharedobj/value.h"

enum sobj_key_kind {
    SOBJ_KEY_INT = 1, /* bytes: an int64_t */
    SOBJ_KEY_ASCII,   /* str: code units below 128 */
    SOBJ_KEY_STR_1,   /* str: bytes, at least one of 128 or more */
    SOBJ_KEY_STR_2,
    SOBJ_KEY_STR_4,
    SOBJ_KEY_BYTES,
    SOBJ_KEY_STREAM, /* anything else: canonical stream */
};

/* A key for a look-up; all memory is the caller's.
 *
 * `bytes` is the canonical form: two keys are the same key if kind, hash and bytes are
 * equal. Equal numbers have one canonical form (integral ones as int, others as double),
 * all NaNs are one, frozensets are sorted. When the key as given differs from that
 * (1.0, True), `given` is its stream, which is kept and handed out again.
 * In a canonical stream a handle is an OBJECT header with count 0 followed by one word,
 * the id of the core: canonical streams are compared, never decoded, so a key with
 * handles always has a `given`, whose OBJECT items index `edges`.
 * `hash` is the host's hash for str and bytes; for other kinds sobj_hash_word of an INT
 * and sobj_hash_bytes of a stream, so that nobody can make keys collide on purpose.
 * `edges` are the cores a stream refers to; an insertion takes references of its own.
 * `hosted` says that a stream has ATOMs or GROUPs (value.h). */
struct sobj_key {
    enum sobj_key_kind kind;
    uint32_t edge_count;
    uint64_t hash;
    const void *bytes;
    size_t size;
    const void *given; /* NULL: as `bytes` */
    size_t given_size;
    struct sobj_object *const *edges;
    bool hosted;
};

/* Returns: OK and a new reference in `*out`, or NO_MEMORY. `expected` is the number of
 * entries to make room for; 0 is fine. */
enum sobj_status sobj_dict_new(size_t expected, struct sobj_object **out);
/* The same for a set: a dict in all but its type, whose values say nothing. The host
 * gives each key the same immediate value. */
enum sobj_status sobj_set_new(size_t expected, struct sobj_object **out);

/* The process-wide dict in which objects are found by name, made when first asked for.
 * Returns: OK and a new reference in `*out`, or NO_MEMORY. */
enum sobj_status sobj_registry(struct sobj_object **out);

/* Cells given to these functions are references that are always consumed; `out` may be
 * NULL where a caller does not want the value. A frozen dict answers FROZEN. */

/* Returns: OK and the value, or NOT_FOUND. */
enum sobj_status sobj_dict_get(struct sobj_object *d, const struct sobj_key *key,
                               struct sobj_out *out);
/* Stores, whether the key exists or not. Returns: OK, NO_MEMORY, FROZEN. */
enum sobj_status sobj_dict_set(struct sobj_object *d, const struct sobj_key *key,
                               sobj_cell value);
/* Inserts if absent. Returns: OK; EXISTS and the present value; NO_MEMORY, FROZEN. */
enum sobj_status sobj_dict_add(struct sobj_object *d, const struct sobj_key *key,
                               sobj_cell value, struct sobj_out *out);
/* Stores and hands out what was there. Returns: OK and the old value; NOT_FOUND if the
 * key was absent (it is there now); BAD_OPERAND as sobj_dict_remove; NO_MEMORY, FROZEN. */
enum sobj_status sobj_dict_exchange(struct sobj_object *d, const struct sobj_key *key,
                                    sobj_cell value, struct sobj_out *out);
/* Returns: OK and the value that was removed; NOT_FOUND, FROZEN. BAD_OPERAND if `out`
 * wants the value and the host may be unable to make it (sobj_cell_is_hosted): nothing
 * has changed, and the host makes it first and comes again with compare_and_set. */
enum sobj_status sobj_dict_remove(struct sobj_object *d, const struct sobj_key *key,
                                  struct sobj_out *out);
/* Stores `desired` if the value is the same as `expected` (sobj_cell_same), either of
 * which may be SOBJ_MISSING for "absent". `expected` is borrowed.
 * Returns: OK, MISMATCH, NO_MEMORY, FROZEN. */
enum sobj_status sobj_dict_compare_and_set(struct sobj_object *d,
                                           const struct sobj_key *key,
                                           sobj_cell expected, sobj_cell desired);
/* Adds the immediate number `n` to the value, or to the immediate `start` if the key is
 * absent.
 * Returns: OK and the sum in `*sum`; BAD_OPERAND if the stored value is no immediate
 *          number (the host may do it by compare_and_set), OVERFLOW if the sum is not
 *          an immediate; NO_MEMORY, FROZEN. Nothing has changed unless OK. */
enum sobj_status sobj_dict_increment(struct sobj_object *d, const struct sobj_key *key,
                                     sobj_cell n, sobj_cell start, sobj_cell *sum);
/* Removes everything, at one moment. Returns: OK, NO_MEMORY, FROZEN. */
enum sobj_status sobj_dict_clear(struct sobj_object *d);
/* Makes the content of `other` that of `d`, at one moment: nobody sees part of it, or of
 * what was there before. `other` is empty afterwards, also if `d` turns out to be
 * frozen. Needs: `other` is another dict than `d`, and nobody else iterates over it.
 * Returns: OK, NO_MEMORY; FROZEN: one of them is; BAD_OPERAND: somebody is reading a
 *          snapshot of `other`.
 * Blocks: for a grace period, with the host's lock released. */
enum sobj_status sobj_dict_replace(struct sobj_object *d, struct sobj_object *other);
/* Makes it read-only for good. When this returns, and from the moment at which anybody
 * has seen that it is frozen, no change takes effect any more.
 * Blocks: for a grace period, with the host's lock released. */
void sobj_dict_freeze(struct sobj_object *d);
bool sobj_dict_frozen(const struct sobj_object *d);
/* Makes a dict, or a set of a set, with the content of one moment; it is not frozen.
 * Returns: OK and a new reference in `*out`, or NO_MEMORY.
 * Blocks: as a snapshot. */
enum sobj_status sobj_dict_copy(struct sobj_object *d, struct sobj_object **out);

/* Returns: the number of keys; counts operations that are just happening or not, is
 * never negative, exact at rest. */
size_t sobj_dict_len(const struct sobj_object *d);
/* Returns: bytes held by the table, the order log and the nodes, without values; exact
 * at rest. Takes time in proportion to them, in short read sections. */
size_t sobj_dict_bytes(const struct sobj_object *d);
/* Grows so that `entries` keys fit without another migration; a hint, never fails. */
void sobj_dict_reserve(struct sobj_object *d, size_t entries);

/* ---- pins: how a host finds the value of a key again without looking the key up.
 *
 * A pin is a counted reference to the place where the value of a key lies. While it is
 * held the place stays readable, whatever happens to the dict. Beside it goes `content`,
 * what sobj_dict_content said before the look-up that gave the pin:
 *
 *     cell = sobj_dict_pin_look(pin, place, content);
 *     if (sobj_dict_pin_shows(cell))
 *         cell is the value of the key at this moment
 *     else
 *         nothing follows: look the key up
 *
 * That a cell shows is enough to say that the key is there. An immediate cell is the
 * value; a pointer may be compared, and followed only inside the `take` of
 * sobj_dict_pin_get or while its blob is kept alive by a reference (sobj_cell_ref).
 * A host with a blob pinned by a reference of its own may take the same pointer for the
 * same value. A pin keeps the key's memory, not the value. */
struct sobj_dict_pin {
    sobj_cell value; /* written by others at any time; read it by sobj_dict_pin_look */
};

/* Returns: where the dict keeps its content word, for as long as it lives. The word has
 * another value as soon as a clear() or replace() has begun, and while one is running its
 * halves differ: {begun:32 | finished:32}. */
const uint64_t *sobj_dict_content(const struct sobj_object *d);

/* Returns: the value of the pin's key, or a cell that does not show. `content` is what
 * came with the pin. Progress: wait-free; needs no section. */
static inline sobj_cell sobj_dict_pin_look(const struct sobj_dict_pin *pin,
                                           const uint64_t *place, uint64_t content)
{
    /* Acquire: pairs with the store of the value; and the content is read after it, so
     * that no clear() or replace() had begun when the value was read. */
    sobj_cell cell = __atomic_load_n(&pin->value, __ATOMIC_ACQUIRE);

    /* Relaxed: see above; nothing is read through it. */
    return __atomic_load_n(place, __ATOMIC_RELAXED) == content ? cell : SOBJ_MISSING;
}
static inline bool sobj_dict_pin_shows(sobj_cell cell)
{
    return !sobj_is_special(cell) || sobj_special_kind(cell) < SOBJ_SP_MISSING;
}

/* As sobj_dict_get, and pins the key if it is there. Returns: OK, the value, and in `*pin`
 * a pin with its `*content`, or NULL while the dict is being cleared; NOT_FOUND. */
enum sobj_status sobj_dict_get_pinned(struct sobj_object *d, const struct sobj_key *key,
                                      struct sobj_out *out, struct sobj_dict_pin **pin,
                                      uint64_t *content);
/* Gets the value through a pin. Returns: OK and the value; STALE: look the key up.
 * Progress: wait-free. */
enum sobj_status sobj_dict_pin_get(struct sobj_object *d,
                                   const struct sobj_dict_pin *pin, uint64_t content,
                                   struct sobj_out *out);
/* Stores through a pin, as sobj_dict_set does. Returns: OK, `value` consumed; STALE:
 * nothing done, `value` still the caller's: use sobj_dict_set.
 * The pin is not used any more when the call lets go of the host's lock. */
enum sobj_status sobj_dict_pin_set(struct sobj_object *d, struct sobj_dict_pin *pin,
                                   uint64_t content, sobj_cell value);
/* Adds through a pin, as sobj_dict_increment does. Returns: OK and the sum in `*sum`;
 * BAD_OPERAND, OVERFLOW, also as there; STALE: nothing done: use sobj_dict_increment. */
enum sobj_status sobj_dict_pin_increment(struct sobj_object *d,
                                         struct sobj_dict_pin *pin, uint64_t content,
                                         sobj_cell n, sobj_cell *sum);
/* Adds to the numbers of `count` pins of one content, at most SOBJ_DICT_ROW, one after the
 * other, each by itself as sobj_dict_pin_increment does, but in one section. Returns: how
 * many were done; sobj_dict_pin_increment says what is the matter with the next one.
 * The pins are not used any more when the call lets go of the host's lock. */
#define SOBJ_DICT_ROW 16
size_t sobj_dict_pins_increment(struct sobj_object *d,
                                struct sobj_dict_pin *const *pins, size_t count,
                                uint64_t content, sobj_cell n);
/* Ends a pin. The dict itself may be gone. May free the key, and with it references to
 * cores that it holds: hold nothing then (a key of plain text, bytes or numbers holds
 * none). */
void sobj_dict_pin_drop(struct sobj_dict_pin *pin);

/* ---- iteration in insertion order, or backward
 * Shows every key that stays throughout exactly once, none twice, keys inserted after
 * the start never, and ends. Between steps it holds no section, only a piece of the
 * order log (its nodes, not their values). */
struct sobj_dict_iter {
    struct sobj_object *dict; /* a reference */
    void *segment;            /* a counted piece of the log */
    uint32_t index;
    bool backward;
    uint64_t next;  /* position in the order: the next one; backward: one before it */
    uint64_t end;   /* the position after the last one at the start */
    uint64_t epoch; /* which content: a clear() ends the iteration */
};

/* What a step shows: the key as given, and the value. Valid inside `take`. */
struct sobj_entry {
    enum sobj_key_kind kind; /* STREAM: `bytes` is a stream (the one given) */
    uint64_t hash;           /* the host's, for str and bytes kinds */
    const void *bytes; /* streams aligned to 8, code units to their width; an INT need
                        * not be aligned */
    size_t size;
    struct sobj_object *const *edges;
    uint32_t edge_count;
    sobj_cell value;
    struct sobj_dict_pin *place; /* of the value; not counted: sobj_entry_pin */
    struct sobj_key key;         /* the same key for a look-up; set by remove_last */
};
typedef void (*sobj_take_entry)(const struct sobj_entry *entry, void *context);
/* For use inside `take`. Returns: a pin of the entry's key. As long as it is held no other
 * entry has that place. */
struct sobj_dict_pin *sobj_entry_pin(const struct sobj_entry *entry);

void sobj_dict_iter_init(struct sobj_dict_iter *it, struct sobj_object *d);
/* From the last to the first. */
void sobj_dict_iter_init_backward(struct sobj_dict_iter *it, struct sobj_object *d);
/* Makes a further iterator at the same place. */
void sobj_dict_iter_copy(struct sobj_dict_iter *to, const struct sobj_dict_iter *from);
/* Calls `take` once, inside a read section, with the rules of sobj_out.take.
 * Returns: OK, or EMPTY at the end. */
enum sobj_status sobj_dict_iter_next(struct sobj_dict_iter *it, sobj_take_entry take,
                                     void *context);
void sobj_dict_iter_fini(struct sobj_dict_iter *it);

/* Removes the entry that is last in the order and can be taken, and calls `take` once
 * for it, inside the section, with the rules of sobj_out.take. A key whose insertion is
 * just happening may be missed; EMPTY says that at the end nothing else was there.
 * Taking n entries so costs O(n) in all. Returns: OK, EMPTY, FROZEN. BAD_OPERAND if the
 * host may be unable to make the entry: it is still there, the host makes what `take`
 * was called for and comes again with compare_and_set and the key in the entry. */
enum sobj_status sobj_dict_remove_last(struct sobj_object *d, sobj_take_entry take,
                                       void *context);

/* ---- the content of one moment, in insertion order
 * Others go on writing while it is read. It belongs to the thread that began it, also in
 * the child of a fork. Everything that was removed or replaced since stays in memory
 * until it ends, so it is to be read without delay. */
struct sobj_dict_snapshot;

/* Returns: OK, and a snapshot that is to be ended; NO_MEMORY.
 * Blocks: while others make a cut of this dict, and for a grace period, with the host's
 * lock released. */
enum sobj_status sobj_dict_snapshot_begin(struct sobj_object *d,
                                          struct sobj_dict_snapshot **out);
/* Returns: the number of keys in it. */
size_t sobj_dict_snapshot_len(const struct sobj_dict_snapshot *s);
/* Calls `take` once, inside a read section, with the rules of sobj_out.take.
 * Returns: OK; EMPTY at the end; NO_MEMORY: a writer could not keep what it has
 *          overwritten, so the rest is not known. */
enum sobj_status sobj_dict_snapshot_next(struct sobj_dict_snapshot *s,
                                         sobj_take_entry take, void *context);
/* May run a grace period, with the host's lock released. */
void sobj_dict_snapshot_end(struct sobj_dict_snapshot *s);

#endif
