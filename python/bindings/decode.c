/* SPDX-License-Identifier: MIT */
/* Cells and streams to objects.
 *
 * A stream is decoded in one pass with a stack of the containers that are open. A
 * container is made when it begins and enters its parent when it is complete; mutable
 * ones, and tuples, can be referred to (REF) in between, which closes cycles.
 *
 *   D1  No Python code can find a tuple or list that has empty places, or a frozenset
 *       that is not complete, whose hash would be kept for good. Where there are no ATOMs
 *       and GROUPs no Python code runs before the root is complete. From the first of
 *       them on it may (while they are made, hashed, compared): open tuples, lists and
 *       (before 3.15) frozensets are then hidden from the collector, which is what
 *       gc.get_objects() asks, until they are complete. Where there are RECORDs or
 *       EXTERNs all of them are.
 *   D2  A hidden tuple or list may still be found through what refers to it (a record, a
 *       dict) by code that hashes a key, and it may be left over, in a cycle, when
 *       decoding fails. So it holds None where its items are to come, and lists are set
 *       item by item with a look at their length.
 *
 * The parts of a GROUP are collected in a tuple, of which the host's object is made.
 * Frozensets are filled by PySet_Add, which wants them unreferred to: they enter the
 * list of numbered objects when complete. What has to be hashed cannot be open: only
 * tuples and frozensets of complete things can be members and keys.
 */
#include "encoder.h"

#include "handle.h"
#include "shapes.h"

/* ---- leaves */

PyObject *sobj_decode_special(sobj_cell cell)
{
    unsigned char c = (unsigned char)sobj_special_payload(cell);

    switch (sobj_special_kind(cell)) {
    case SOBJ_SP_NONE:
        return Py_NewRef(Py_None);
    case SOBJ_SP_FALSE:
        return Py_NewRef(Py_False);
    case SOBJ_SP_TRUE:
        return Py_NewRef(Py_True);
    case SOBJ_SP_ELLIPSIS:
        return Py_NewRef(Py_Ellipsis);
    case SOBJ_SP_NOT_IMPLEMENTED:
        return Py_NewRef(Py_NotImplemented);
    case SOBJ_SP_STR1:
        return PyUnicode_FromOrdinal(c);
    case SOBJ_SP_EMPTY_STR:
        return PyUnicode_New(0, 0);
    case SOBJ_SP_BYTES1:
        return PyBytes_FromStringAndSize((const char *)&c, 1);
    case SOBJ_SP_EMPTY_BYTES:
        return PyBytes_FromStringAndSize(NULL, 0);
    case SOBJ_SP_EMPTY_TUPLE:
        return PyTuple_New(0);
    case SOBJ_SP_EMPTY_FROZENSET:
        return PyFrozenSet_New(NULL);
    default:
        PyErr_SetString(PyExc_SystemError, "sharedobj: a mark is not a value");
        return NULL;
    }
}

static inline PyObject *decode_immediate(sobj_cell cell)
{
    if (sobj_is_int(cell))
        return PyLong_FromLong(sobj_to_int(cell));
    if (sobj_is_float(cell))
        return PyFloat_FromDouble(sobj_to_float(cell));
    return sobj_decode_special(cell);
}

PyObject *sobj__make_str(unsigned aux, const void *data, size_t length, int64_t hash)
{
    static const Py_UCS4 largest[] = {0, 127, 255, 0xffff, 0x10ffff};
    PyObject *v = PyUnicode_New((Py_ssize_t)length, largest[aux]);

    if (v == NULL)
        return NULL;
    if (length != 0) { /* else it is the singleton */
        memcpy(PyUnicode_DATA(v), data, length * sobj_str_width(aux));
        ((PyASCIIObject *)v)->hash = (Py_hash_t)hash;
    }
    return v;
}

static PyObject *make_int(const unsigned char *data, size_t size)
{
    int64_t i = size != 0 && (data[size - 1] & 0x80) ? -1 : 0;

    if (size > sizeof i)
        return sobj__int_from_bytes(data, size);
    memcpy(&i, data, size); /* little-endian, as are all platforms that we build on */
    return PyLong_FromLong(i);
}

static PyObject *make_float(const void *data)
{
    double d;

    memcpy(&d, data, sizeof d);
    return PyFloat_FromDouble(d);
}

static PyObject *make_complex(const void *data)
{
    Py_complex c;

    memcpy(&c.real, data, sizeof c.real);
    memcpy(&c.imag, (const char *)data + sizeof c.real, sizeof c.imag);
    return PyComplex_FromCComplex(c);
}

static PyObject *make_handle(struct sobj_state *state, struct sobj_object *core)
{
    PyObject *handle = sobj_handle_find(state, core);

    if (handle != NULL)
        return handle;
    sobj_ref(core);
    return sobj_handle_for(state, core);
}

/* ---- the decoder */

struct frame {
    PyObject
        *object;   /* owned; RANGE, GROUP: a tuple of the parts; FROZENDICT: a dict */
    PyObject *key; /* dicts: owned, until its value is there */
    size_t left;   /* children to come */
    Py_ssize_t index;
    size_t ordinal;
    const struct sobj__made *made; /* RECORD: its class */
    enum sobj_stream_kind kind;
    uint8_t class; /* GROUP: aux */
    bool hidden;   /* from the collector (D1) */
};

/* Recently made dict keys, so that a list of records shares them. */
#define KEYS 64u
#define WAYS 4u

struct decoder {
    struct sobj_state *state;
    struct sobj_object *const *edges;
    const struct sobj__table *table; /* NULL: none */
    bool referred;
    bool hiding;         /* Python code may run from here on (D1) */
    PyObject **numbered; /* by ordinal; owned; only if `referred` */
    size_t ordinals, capacity;
    struct frame *frames;
    size_t depth, frame_capacity;
    uint64_t keys_used;   /* bits of `keys` */
    PyObject *keys[KEYS]; /* owned */
    struct frame room[12];
};

static int set_numbered(struct decoder *d, size_t ordinal, PyObject *v)
{
    if (!d->referred)
        return 0;
    if (ordinal >= d->capacity) {
        size_t capacity = d->capacity != 0 ? d->capacity : 32;
        while (capacity <= ordinal)
            capacity *= 2;
        PyObject **grown = PyMem_Realloc(d->numbered, capacity * sizeof *grown);
        if (grown == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        memset(grown + d->capacity, 0, (capacity - d->capacity) * sizeof *grown);
        d->numbered = grown;
        d->capacity = capacity;
    }
    d->numbered[ordinal] = Py_NewRef(v);
    return 0;
}

/* Gives a leaf that is numbered its number. Consumes `v` on failure. */
static PyObject *numbered_leaf(struct decoder *d, PyObject *v)
{
    if (v != NULL && set_numbered(d, d->ordinals++, v) < 0)
        Py_CLEAR(v);
    return v;
}

static PyObject *refer(struct decoder *d, size_t ordinal)
{
    PyObject *v = ordinal < d->capacity ? d->numbered[ordinal] : NULL;

    if (v == NULL)
        PyErr_SetString(PyExc_SystemError, "sharedobj: reference to an open item");
    return Py_XNewRef(v);
}

/* A str that is a dict key. Its like may be there already: in one of the WAYS places
 * that its hash allows. */
static PyObject *decode_key_str(struct decoder *d, unsigned aux, const uint64_t *words,
                                size_t length)
{
    Py_hash_t hash = (Py_hash_t)words[0];
    unsigned first =
        (unsigned)((uint64_t)hash ^ (uint64_t)hash >> 7) % KEYS & ~(WAYS - 1);
    unsigned place = first + (unsigned)((uint64_t)hash >> 14) % WAYS;

    if (hash == -1)
        return sobj__make_str(aux, words + 1, length, hash);
    for (unsigned i = first; i < first + WAYS; i++) {
        PyObject *v = d->keys[i];
        if (!(d->keys_used >> i & 1)) {
            place = i;
            break;
        }
        if (sobj_cached_hash(v) == hash && (size_t)PyUnicode_GET_LENGTH(v) == length &&
            sobj__str_aux(v) == aux &&
            memcmp(PyUnicode_DATA(v), words + 1, length * sobj_str_width(aux)) == 0)
            return Py_NewRef(v);
    }
    PyObject *made = sobj__make_str(aux, words + 1, length, hash);
    if (made == NULL)
        return NULL;
    if (d->keys_used >> place & 1)
        Py_DECREF(d->keys[place]);
    d->keys[place] = Py_NewRef(made);
    d->keys_used |= (uint64_t)1 << place;
    return made;
}

PyObject *sobj_plain_list(size_t n)
{
#ifdef Py_GIL_DISABLED
    /* PyList_New(n) that finds no memory for the items frees, on 3.13, those that the
     * list object had in its last life once more; repeating does not. None needs no
     * count. */
    PyObject *one = PyList_New(0), *list = NULL;

    if (one != NULL && PyList_Append(one, Py_None) == 0)
        list = PySequence_Repeat(one, (Py_ssize_t)n);
    Py_XDECREF(one);
    return list;
#else
    return PyList_New((Py_ssize_t)n);
#endif
}

static PyObject *make_container(const struct sobj__made *made,
                                enum sobj_stream_kind kind, size_t count)
{
    switch (kind) {
    case SOBJ_ST_RECORD:
        return sobj__record_new(made);
    case SOBJ_ST_TUPLE:
    case SOBJ_ST_RANGE:
    case SOBJ_ST_GROUP:
        return PyTuple_New((Py_ssize_t)count);
    case SOBJ_ST_LIST:
        return sobj_plain_list(count);
    case SOBJ_ST_DICT:
    case SOBJ_ST_FROZENDICT:
        return PyDict_New();
    case SOBJ_ST_SET:
        return PySet_New(NULL);
    case SOBJ_ST_FROZENSET:
        return PyFrozenSet_New(NULL);
    default:
        PyErr_SetString(PyExc_SystemError, "sharedobj: unknown kind of item");
        return NULL;
    }
}

/* From 3.15 on PySet_Add itself shows a frozenset to the collector, before it hashes. */
#define FROZENSETS_HIDE (PY_VERSION_HEX < 0x030F0000)

/* None for the items that an open tuple or list is still to get (D2). */
static void fill(struct frame *f)
{
    PyObject **items;
    Py_ssize_t n;

    if (f->kind != SOBJ_ST_TUPLE && f->kind != SOBJ_ST_LIST)
        return;
    n = Py_SIZE(f->object);
    items = f->kind == SOBJ_ST_LIST ? ((PyListObject *)f->object)->ob_item
                                    : ((PyTupleObject *)f->object)->ob_item;
    for (Py_ssize_t i = f->index; i < n; i++)
        items[i] = Py_None; /* which needs no count */
}

static void hide(struct frame *f)
{
    if (!f->hidden)
        fill(f);
    if (!f->hidden &&
        (PyTuple_Check(f->object) || PyList_CheckExact(f->object) ||
         (FROZENSETS_HIDE && PyFrozenSet_CheckExact(f->object))) &&
        PyObject_GC_IsTracked(f->object)) {
        PyObject_GC_UnTrack(f->object);
        f->hidden = true;
    }
}

/* From here on Python code may run. */
static void hide_open(struct decoder *d)
{
    if (d->hiding)
        return;
    d->hiding = true;
    for (size_t i = 0; i < d->depth; i++)
        hide(&d->frames[i]);
}

/* Opens the container that begins with `word`. Returns: 0, or -1 with an exception. */
static int open_container(struct decoder *d, uint64_t word)
{
    enum sobj_stream_kind kind = sobj_stream_kind(word);
    size_t count = (size_t)sobj_stream_count(word);
    const struct sobj__made *made = NULL;

    if (kind == SOBJ_ST_GROUP)
        hide_open(d);
    if (kind == SOBJ_ST_RECORD) {
        made = &d->table->made[count >> 16];
        count &= 0xffff;
    }
    if (d->depth == d->frame_capacity) {
        size_t size = d->frame_capacity * sizeof *d->frames;
        bool first = d->frames == d->room;
        struct frame *grown = PyMem_Realloc(first ? NULL : d->frames, size * 2);
        if (grown == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        if (first)
            memcpy(grown, d->room, size);
        d->frames = grown;
        d->frame_capacity *= 2;
    }
    struct frame *f = &d->frames[d->depth];
    f->made = made;
    f->object = make_container(made, kind, count);
    if (f->object == NULL)
        return -1;
    f->key = NULL;
    f->left = kind == SOBJ_ST_DICT || kind == SOBJ_ST_FROZENDICT ? count * 2 : count;
    f->index = 0;
    f->kind = kind;
    f->class = (uint8_t)sobj_stream_aux(word);
    f->hidden = false;
    d->depth++;
    if (d->hiding)
        hide(f);
    if (kind == SOBJ_ST_RANGE || kind == SOBJ_ST_GROUP || kind == SOBJ_ST_FROZENDICT)
        return 0;
    f->ordinal = d->ordinals++;
    return kind == SOBJ_ST_FROZENSET ? 0 : set_numbered(d, f->ordinal, f->object);
}

/* Puts a child into a list that code may have changed (D2). Consumes: `v`. */
static int set_item(struct frame *f, PyObject *v)
{
    if (PyList_SetItem(f->object, f->index++, v) == 0)
        return 0;
    PyErr_SetString(PyExc_RuntimeError,
                    "a list of the message was made shorter while it was received; the "
                    "__hash__ or __eq__ of a key must leave it alone");
    return -1;
}

/* Puts a complete child into its container. Consumes: `v`. */
static int enter(struct frame *f, PyObject *v)
{
    int r = 0;

    f->left--;
    switch (f->kind) {
    case SOBJ_ST_TUPLE:
    case SOBJ_ST_RANGE:
    case SOBJ_ST_GROUP:
        PyTuple_SET_ITEM(f->object, f->index++, v);
        return 0;
    case SOBJ_ST_RECORD:
        if (f->made->shape->kind == SOBJ__NAMEDTUPLE) {
            PyTuple_SET_ITEM(f->object, f->index++, v); /* None was there */
            return 0;
        }
        r = sobj__record_set(f->made, f->object, f->index++, v);
        break;
    case SOBJ_ST_LIST:
        if (f->hidden)
            return set_item(f, v);
        PyList_SET_ITEM(f->object, f->index++, v);
        return 0;
    case SOBJ_ST_DICT:
    case SOBJ_ST_FROZENDICT:
        if (f->key == NULL) {
            f->key = v;
            return 0;
        }
        r = PyDict_SetItem(f->object, f->key, v);
        Py_CLEAR(f->key);
        break;
    default:
        r = PySet_Add(f->object, v);
        break;
    }
    Py_DECREF(v);
    return r;
}

/* Closes the innermost container, which is complete.
 * Returns: it, or what it stands for; NULL with an exception. */
static PyObject *close_container(struct decoder *d)
{
    struct frame *f = &d->frames[--d->depth];
    PyObject *v = f->object;

    if (f->hidden)
        PyObject_GC_Track(v);
    if (f->kind == SOBJ_ST_RANGE) {
        Py_SETREF(v, PyObject_CallObject((PyObject *)&PyRange_Type, v));
    } else if (f->kind == SOBJ_ST_GROUP) {
        Py_SETREF(v, sobj__make_group(d->state, f->class, v));
#if PY_VERSION_HEX >= 0x030F0000
    } else if (f->kind == SOBJ_ST_FROZENDICT) {
        Py_SETREF(v, PyFrozenDict_New(v));
#endif
    } else if (f->kind == SOBJ_ST_FROZENSET && set_numbered(d, f->ordinal, v) < 0) {
        Py_CLEAR(v);
    }
    return v;
}

/* Decodes a leaf with a header. Returns: a new object or NULL. */
static PyObject *decode_leaf(struct decoder *d, const uint64_t *words)
{
    uint64_t count = sobj_stream_count(words[0]);
    unsigned aux = sobj_stream_aux(words[0]);
    const void *data = words + 1;

    switch (sobj_stream_kind(words[0])) {
    case SOBJ_ST_STR:
        if (aux & SOBJ_ST_NUMBERED)
            return numbered_leaf(d, sobj__make_str(aux & ~SOBJ_ST_NUMBERED, words + 2,
                                                   count, (int64_t)words[1]));
        if (d->depth != 0 && d->frames[d->depth - 1].kind == SOBJ_ST_DICT &&
            d->frames[d->depth - 1].key == NULL)
            return decode_key_str(d, aux, words + 1, count);
        return sobj__make_str(aux, words + 2, count, (int64_t)words[1]);
    case SOBJ_ST_BYTES: {
        PyObject *v = PyBytes_FromStringAndSize(data, (Py_ssize_t)count);
        return aux & SOBJ_ST_NUMBERED ? numbered_leaf(d, v) : v;
    }
    case SOBJ_ST_BYTEARRAY:
        return numbered_leaf(d, PyByteArray_FromStringAndSize(data, (Py_ssize_t)count));
    case SOBJ_ST_INT:
        return make_int(data, count);
    case SOBJ_ST_FLOAT:
        return make_float(data);
    case SOBJ_ST_COMPLEX:
        return make_complex(data);
    case SOBJ_ST_OBJECT:
        return make_handle(d->state, d->edges[count]);
    case SOBJ_ST_REF:
        return refer(d, count);
    case SOBJ_ST_EXTERN:
        return numbered_leaf(d, Py_NewRef(PyTuple_GET_ITEM(
                                    d->table->items, 2 * d->table->classes + count)));
    case SOBJ_ST_IMMORTAL: {
        PyObject *v;
        memcpy(&v, data, sizeof v);
        return Py_NewRef(v);
    }
    case SOBJ_ST_ATOM:
        hide_open(d);
        return sobj__make_atom(d->state, aux, data, count);
    default:
        PyErr_SetString(PyExc_SystemError, "sharedobj: unknown kind of item");
        return NULL;
    }
}

static inline bool is_container(uint64_t word)
{
    switch (sobj_stream_kind(word)) {
    case SOBJ_ST_TUPLE:
    case SOBJ_ST_FROZENSET:
    case SOBJ_ST_RANGE:
    case SOBJ_ST_LIST:
    case SOBJ_ST_DICT:
    case SOBJ_ST_SET:
    case SOBJ_ST_FROZENDICT:
    case SOBJ_ST_GROUP:
    case SOBJ_ST_RECORD:
        return true;
    default:
        return false;
    }
}

/* Takes the ints and floats that come next into an open tuple or list.
 * Returns: the first word that is none; NULL with an exception. */
static const uint64_t *take_numbers(struct frame *f, const uint64_t *words)
{
    PyObject **items = f->kind == SOBJ_ST_LIST ? ((PyListObject *)f->object)->ob_item
                                               : ((PyTupleObject *)f->object)->ob_item;

    for (; f->left != 0; words++) {
        PyObject *v;
        if (sobj_is_int(*words))
            v = PyLong_FromLong(sobj_to_int(*words));
        else if (sobj_is_float(*words))
            v = PyFloat_FromDouble(sobj_to_float(*words));
        else
            break;
        if (v == NULL)
            return NULL;
        items[f->index++] = v;
        f->left--;
    }
    return words;
}

/* Returns: the root; NULL with an exception, and containers left open. */
static PyObject *decode(struct decoder *d, const uint64_t *words)
{
    PyObject *v;

    for (;;) {
        uint64_t word = *words;
        if (sobj_is_pointer(word) && is_container(word)) {
            if (open_container(d, word) < 0)
                return NULL;
            words++;
            struct frame *f = &d->frames[d->depth - 1];
            if ((f->kind == SOBJ_ST_LIST || f->kind == SOBJ_ST_TUPLE) &&
                (words = take_numbers(f, words)) == NULL)
                return NULL;
            if (f->left != 0)
                continue;
            v = close_container(d);
        } else {
            v = sobj_is_pointer(word) ? decode_leaf(d, words) : decode_immediate(word);
            words += sobj__item_words(word);
        }
        for (;;) {
            if (v == NULL || d->depth == 0)
                return v;
            struct frame *f = &d->frames[d->depth - 1];
            if (enter(f, v) < 0)
                return NULL;
            if (f->left != 0)
                break;
            v = close_container(d);
        }
    }
}

/* After a failure: lets go of what is open. What is in a cycle is left to the collector
 * (D2). */
static void close_open(struct decoder *d)
{
    PyObject *error = d->depth != 0 ? PyErr_GetRaisedException() : NULL;

    for (size_t i = 0; i < d->depth; i++) {
        if (!d->frames[i].hidden)
            fill(&d->frames[i]);
    }
    while (d->depth != 0) {
        struct frame *f = &d->frames[--d->depth];
        if (f->hidden)
            PyObject_GC_Track(f->object);
        Py_DECREF(f->object);
        Py_XDECREF(f->key);
    }
    if (error != NULL)
        PyErr_SetRaisedException(error);
}

PyObject *sobj__decode_stream(struct sobj_state *state, const uint64_t *words,
                              struct sobj_object *const *edges, bool referred,
                              const struct sobj__table *table)
{
    struct decoder d;
    PyObject *result;

    d.state = state;
    d.edges = edges;
    d.table = table;
    d.referred = referred;
    d.hiding = table != NULL;
    d.numbered = NULL;
    d.ordinals = d.capacity = 0;
    d.frames = d.room;
    d.depth = 0;
    d.frame_capacity = sizeof d.room / sizeof *d.room;
    d.keys_used = 0;
    result = decode(&d, words);
    close_open(&d);
    for (size_t i = 0; i < d.ordinals && i < d.capacity; i++)
        Py_XDECREF(d.numbered[i]);
    for (; d.keys_used != 0; d.keys_used &= d.keys_used - 1)
        Py_DECREF(d.keys[__builtin_ctzll(d.keys_used)]);
    PyMem_Free(d.numbered);
    if (d.frames != d.room)
        PyMem_Free(d.frames);
    return result;
}

/* ---- cells */

static PyObject *decode_blob(struct sobj_state *state, struct sobj_blob *b)
{
    size_t size = sobj_blob_size(b);
    unsigned aux = sobj_blob_aux(b);

    switch (sobj_blob_kind(b)) {
    case SOBJ_BLOB_STR:
        return sobj__make_str(aux, b->data, size / sobj_str_width(aux), b->hash);
    case SOBJ_BLOB_BYTES:
        return PyBytes_FromStringAndSize((const char *)b->data, (Py_ssize_t)size);
    case SOBJ_BLOB_INT:
        return make_int(b->data, size);
    case SOBJ_BLOB_FLOAT:
        return make_float(b->data);
    case SOBJ_BLOB_COMPLEX:
        return make_complex(b->data);
    default:
        if (sobj_blob_is_immortal(b))
            return Py_NewRef((PyObject *)sobj_blob_immortal(b));
        return sobj__decode_stream(state, (const uint64_t *)(const void *)b->data,
                                   sobj_blob_edges(b), false, NULL);
    }
}

PyObject *sobj_decode_slow(struct sobj_state *state, sobj_cell cell)
{
    if (sobj_is_object(cell))
        return make_handle(state, sobj_to_object(cell));
    if (sobj_is_blob(cell))
        return decode_blob(state, sobj_to_blob(cell));
    PyErr_SetString(PyExc_SystemError, "sharedobj: an empty cell is not a value");
    return NULL;
}

PyObject *sobj__decode_direct(struct sobj_blob *b)
{
    size_t size = sobj_blob_size(b);

    switch (sobj_blob_kind(b)) {
    case SOBJ_BLOB_STR:
    case SOBJ_BLOB_BYTES:
    case SOBJ_BLOB_FLOAT:
    case SOBJ_BLOB_COMPLEX:
        return decode_blob(NULL, b);
    case SOBJ_BLOB_INT:
        return size <= sizeof(int64_t) ? make_int(b->data, size) : NULL;
    default:
        return sobj_blob_is_immortal(b) ? sobj_blob_immortal(b) : NULL;
    }
}
