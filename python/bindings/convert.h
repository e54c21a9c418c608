/* SPDX-License-Identifier: MIT */
/* Values and keys: between Python objects and the core's cells.
 *
 * Exact built-in types go in and fresh equal objects (or handles) come out; see
 * include/sharedobj/value.h for how they lie in memory. Two ways in: a value, which is
 * canonical, so that the core can compare it by its bytes, and a message, which may be
 * any picklable object. One way out, in two phases where the cell belongs to a
 * container:
 *
 *     struct sobj_value_out out;
 *     sobj_value_out_init(&out, state);
 *     status = sobj_dict_get(core, &key, &out.out);   takes: copies what is small and
 *     if (status == SOBJ_OK)                          refers to the rest, in the section
 *         return sobj_value_out_finish(&out);         decodes, outside of it
 *
 * No function here recurses; values nest as deep as memory allows.
 */
#ifndef SOBJ_CONVERT_H
#define SOBJ_CONVERT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "sharedobj/channel.h"
#include "sharedobj/dict.h"
#include "sharedobj/value.h"
#include "state.h"

/* Values of up to this many bytes are copied inside the read section. */
#define SOBJ_DIRECT_MAX ((size_t)16 << 10)

/* ---- objects to cells */

/* The common immediates. Returns: whether `v` was one and is in `*cell`. */
static inline int sobj_encode_fast(PyObject *v, sobj_cell *cell)
{
    if (PyLong_CheckExact(v)) {
        if (!PyUnstable_Long_IsCompact((PyLongObject *)v))
            return 0;
        *cell = sobj_from_int(PyUnstable_Long_CompactValue((PyLongObject *)v));
        return 1;
    }
    if (PyFloat_CheckExact(v))
        return (*cell = sobj_from_float(PyFloat_AS_DOUBLE(v))) != 0;
    if (v == Py_None)
        *cell = SOBJ_NONE;
    else if (v == Py_True)
        *cell = SOBJ_TRUE;
    else if (v == Py_False)
        *cell = SOBJ_FALSE;
    else
        return 0;
    return 1;
}

/* Whether nobody but the running expression has `obj`: it will be gone in a moment. (From
 * 3.14 on a variable's object may have one reference, too: the stack borrows it.) */
static inline bool sobj_is_temporary(PyObject *obj)
{
#if PY_VERSION_HEX >= 0x030E0000
    return PyUnstable_Object_IsUniqueReferencedTemporary(obj) != 0;
#else
    return Py_REFCNT(obj) == 1;
#endif
}

static inline struct sobj_encoded *sobj_encoded_at(struct sobj_state *state,
                                                   PyObject *value)
{
    uint64_t hash = (uint64_t)(uintptr_t)value * 0x9e3779b97f4a7c15u;

    return &state->local->encoded[hash >> 61];
}
_Static_assert(SOBJ_ENCODED == 8, "three bits choose the place");
void sobj_encoded_refill(struct sobj_encoded *e);

/* A str that was encoded before. Returns: whether it is kept, and a reference to its blob
 * in `*cell`. */
static inline int sobj_encode_again(struct sobj_state *state, PyObject *value,
                                    sobj_cell *cell)
{
#ifndef Py_GIL_DISABLED
    struct sobj_encoded *e = sobj_encoded_at(state, value);

    if (e->object == value) {
        *cell = sobj_from_blob(e->blob);
        if (--e->credit == 0)
            sobj_encoded_refill(e);
        return 1;
    }
#endif
    return 0;
}

int sobj_encode_slow(struct sobj_state *state, PyObject *value, sobj_cell *cell);

/* Encodes a value. Returns: 0 and a new reference in `*cell`, or -1 with
 * NotShareableError (path and remedy) or MemoryError set. Runs no Python code unless it
 * fails (for the names in the message). */
static inline int sobj_encode(struct sobj_state *state, PyObject *value,
                              sobj_cell *cell)
{
    if (sobj_encode_fast(value, cell) || sobj_encode_again(state, value, cell))
        return 0;
    return sobj_encode_slow(state, value, cell);
}

/* Encodes a message: what is not made of built-in types is pickled, which runs Python
 * code. Errors call it `name`. Returns: as above; NotShareableError has the reason as its
 * cause. */
int sobj_encode_message_as(struct sobj_state *state, const char *name,
                           PyObject *message, sobj_cell *cell);
static inline int sobj_encode_message(struct sobj_state *state, PyObject *message,
                                      sobj_cell *cell)
{
    return sobj_encode_fast(message, cell)
               ? 0
               : sobj_encode_message_as(state, "message", message, cell);
}

/* ---- cells to objects */

/* Returns: a list of `n` items for PyList_SET_ITEM; NULL with an exception. */
PyObject *sobj_plain_list(size_t n);
PyObject *sobj_decode_special(sobj_cell cell);
PyObject *sobj_decode_slow(struct sobj_state *state, sobj_cell cell);

/* Returns: a new object, or the handle; NULL with an exception set. `cell` is borrowed
 * and must be kept alive by a reference of the caller's. */
static inline PyObject *sobj_decode(struct sobj_state *state, sobj_cell cell)
{
    if (sobj_is_int(cell))
        return PyLong_FromLong(sobj_to_int(cell));
    if (sobj_is_float(cell))
        return PyFloat_FromDouble(sobj_to_float(cell));
    if (cell == SOBJ_NONE)
        return Py_NewRef(Py_None);
    if (sobj_is_special(cell))
        return sobj_decode_special(cell);
    return sobj_decode_slow(state, cell);
}

/* The same for the cell of an int, which may have been read before. */
PyObject *sobj_known_int_slow(struct sobj_state *state, sobj_cell cell);
static inline struct sobj_known_int *sobj_known_int_at(struct sobj_known_int *entries,
                                                       sobj_cell cell)
{
    /* Fibonacci hashing: ints in a row do not meet. */
    uint64_t hash = (cell >> 3) * 0x9e3779b97f4a7c15u;

    return &entries[hash >> (64 - SOBJ_KNOWN_INTS_BITS)];
}
static inline PyObject *sobj_decode_int(struct sobj_state *state, sobj_cell cell)
{
    int64_t value = sobj_to_int(cell);

#ifndef Py_GIL_DISABLED
    if (value < -5 || value > 256) { /* CPython has the others ready itself */
        struct sobj_known_int *known = state->local->known_ints.entries;
        if (known == NULL)
            return sobj_known_int_slow(state, cell);
        known = sobj_known_int_at(known, cell);
        return known->cell == cell && known->object != NULL
                   ? Py_NewRef(known->object)
                   : sobj_known_int_slow(state, cell);
    }
#endif
    return PyLong_FromLong(value);
}

/* Decodes a message. Consumes: `cell`. Raises what the message's own unpickling raises;
 * runs Python code if there is any. */
PyObject *sobj_decode_message_slow(struct sobj_state *state, sobj_cell cell);
static inline PyObject *sobj_decode_message(struct sobj_state *state, sobj_cell cell)
{
    return sobj_is_int(cell) ? sobj_decode_int(state, cell)
                             : sobj_decode_message_slow(state, cell);
}

/* ---- values on their way out of a container */

/* A stream that was copied out of a blob or node, with references to its cores. */
struct sobj_copy {
    uint64_t *words; /* NULL: nothing was copied */
    size_t size;     /* bytes */
    struct sobj_object **edges;
    uint32_t edge_count;
    uint64_t room[64];
};

struct sobj_value_out {
    struct sobj_out out;
    struct sobj_state *state;
    PyObject *object; /* made in the section */
    sobj_cell held;   /* a reference taken in the section, or 0 */
    struct sobj_copy copy;
};

/* The `take` of struct sobj_value_out. */
void sobj_value_take(struct sobj_out *out);
PyObject *sobj_value_out_slow(struct sobj_value_out *v);

static inline void sobj_value_out_init(struct sobj_value_out *v,
                                       struct sobj_state *state)
{
    v->out.cell = SOBJ_NO_CELL;
    v->out.take = sobj_value_take;
    v->state = state;
    v->object = NULL;
    v->held = SOBJ_NO_CELL;
    v->copy.words = NULL;
}

/* Returns: the object; NULL with an exception set. Needs: a value was handed out (the
 * core said so); call it exactly once then, or sobj_value_out_drop. */
static inline PyObject *sobj_value_out_finish(struct sobj_value_out *v)
{
    if (!sobj_is_pointer(v->out.cell))
        return sobj_decode(v->state, v->out.cell);
    if (v->object != NULL)
        return v->object;
    return sobj_value_out_slow(v);
}

/* Lets go of a value that was handed out and is not wanted. */
void sobj_value_out_drop(struct sobj_value_out *v);

/* ---- keys */

struct sobj_py_key {
    struct sobj_key key;
    int64_t word;     /* bytes of an INT */
    bool has_streams; /* the two below are in use */
    struct sobj_stream canonical, given;
};

int sobj_py_key_slow(struct sobj_state *state, const struct sobj_object *container,
                     PyObject *object, struct sobj_py_key *k);
void sobj_py_key_fini_slow(struct sobj_py_key *k);

/* The hash that a str has cached, -1: none yet. */
static inline Py_hash_t sobj_cached_hash(PyObject *str)
{
    /* Relaxed: the hash depends on nothing but the string, which is const. */
    return __atomic_load_n(&((PyASCIIObject *)str)->hash, __ATOMIC_RELAXED);
}

/* Makes a key that borrows from `object`. Errors call it an item if `container` is a
 * set, and a key if it is a dict or NULL.
 * Returns: 0; or -1 with TypeError (unhashable), NotShareableError (not a key) or
 * MemoryError set. Runs no Python code unless it fails. */
static inline int sobj_py_key_init_for(struct sobj_state *state,
                                       const struct sobj_object *container,
                                       PyObject *object, struct sobj_py_key *k)
{
    struct sobj_key *key = &k->key;

    k->has_streams = false;
    key->given = NULL;
    key->edge_count = 0;
    key->hosted = false;
    if (PyUnicode_CheckExact(object)) {
        Py_hash_t hash = sobj_cached_hash(object);
        if (hash == -1 && (hash = PyObject_Hash(object)) == -1)
            return -1;
        key->hash = (uint64_t)hash;
        key->size = (size_t)PyUnicode_GET_LENGTH(object);
        if (PyUnicode_IS_COMPACT_ASCII(object)) {
            key->kind = SOBJ_KEY_ASCII;
            key->bytes = (PyASCIIObject *)object + 1;
            return 0;
        }
        unsigned width = (unsigned)PyUnicode_KIND(object);
        key->kind = width == 1   ? SOBJ_KEY_STR_1
                    : width == 2 ? SOBJ_KEY_STR_2
                                 : SOBJ_KEY_STR_4;
        key->bytes = PyUnicode_DATA(object);
        key->size *= width;
        return 0;
    }
    if (PyLong_CheckExact(object) &&
        PyUnstable_Long_IsCompact((PyLongObject *)object)) {
        k->word = PyUnstable_Long_CompactValue((PyLongObject *)object);
        key->kind = SOBJ_KEY_INT;
        key->hash = sobj_hash_word((uint64_t)k->word);
        key->bytes = &k->word;
        key->size = sizeof k->word;
        return 0;
    }
    return sobj_py_key_slow(state, container, object, k);
}
static inline int sobj_py_key_init(struct sobj_state *state, PyObject *object,
                                   struct sobj_py_key *k)
{
    return sobj_py_key_init_for(state, NULL, object, k);
}

static inline void sobj_py_key_fini(struct sobj_py_key *k)
{
    if (k->has_streams)
        sobj_py_key_fini_slow(k);
}

/* ---- entries on their way out of a dict, for sobj_dict_iter_next */

struct sobj_entry_out {
    bool want_key, want_value;
    bool ready;                     /* objects may come from ready.h, and go there */
    struct sobj_dict_pin *key_kept; /* a pin, if the key's object is to go there */
    sobj_cell value_kept;           /* a reference, if the value's is */
    struct sobj_value_out key;      /* its `held` is never used: nodes cannot be held */
    struct sobj_value_out value;
};

static inline void sobj_entry_out_init(struct sobj_entry_out *e,
                                       struct sobj_state *state, bool want_key,
                                       bool want_value)
{
    e->want_key = want_key;
    e->want_value = want_value;
    e->ready = false;
    e->key_kept = NULL;
    e->value_kept = SOBJ_NO_CELL;
    sobj_value_out_init(&e->key, state);
    sobj_value_out_init(&e->value, state);
}

/* The sobj_take_entry; `context` is a struct sobj_entry_out, initialised for each step. */
void sobj_entry_take(const struct sobj_entry *entry, void *context);

/* After a step that returned OK, once for each half that is wanted, in any order, also
 * when the other one failed.
 * Return: the object; NULL with an exception set. */
PyObject *sobj_entry_out_key(struct sobj_entry_out *e);
PyObject *sobj_entry_out_value(struct sobj_entry_out *e);
/* Both halves. Returns: 0; -1 with an exception, and neither. */
int sobj_entry_out_both(struct sobj_entry_out *e, PyObject **key, PyObject **value);

/* ---- module */

/* Adds is_shareable, explain and the private test hooks. */
int sobj_convert_exec(PyObject *module, struct sobj_state *state);
/* Adds the type Channel. */
int sobj_channel_exec(PyObject *module, struct sobj_state *state);

#endif
