/* SPDX-License-Identifier: MIT */
/* Objects to cells: what kind an object is, leaves, values; see encoder.h. */
#include "encoder.h"

#include "handle.h"

enum sobj_kind sobj__kind_of(PyObject *v)
{
    PyTypeObject *type = Py_TYPE(v);

    if (type == &PyUnicode_Type)
        return SOBJ__STR;
    if (type == &PyLong_Type)
        return SOBJ__INT;
    if (type == &PyFloat_Type)
        return SOBJ__FLOAT;
    if (type == &PyTuple_Type)
        return SOBJ__TUPLE;
    if (type == &PyDict_Type)
        return SOBJ__DICT;
    if (type == &PyList_Type)
        return SOBJ__LIST;
    if (v == Py_None)
        return SOBJ__NONE;
    if (type == &PyBool_Type)
        return SOBJ__BOOL;
    if (type == &PyBytes_Type)
        return SOBJ__BYTES;
    if (sobj_handle_check(v))
        return SOBJ__HANDLE;
    if (type == &PyFrozenSet_Type)
        return SOBJ__FROZENSET;
    if (type == &PySet_Type)
        return SOBJ__SET;
    if (type == &PyComplex_Type)
        return SOBJ__COMPLEX;
    if (type == &PyRange_Type)
        return SOBJ__RANGE;
    if (type == &PyByteArray_Type)
        return SOBJ__BYTEARRAY;
    if (v == Py_Ellipsis)
        return SOBJ__ELLIPSIS;
    if (v == Py_NotImplemented)
        return SOBJ__NOT_IMPLEMENTED;
#if PY_VERSION_HEX >= 0x030F0000
    if (type == &PyFrozenDict_Type)
        return SOBJ__FROZENDICT;
#endif
    return SOBJ__FOREIGN;
}

/* ---- big ints */

#if PY_VERSION_HEX >= 0x030d0000
#define INT_FLAGS Py_ASNATIVEBYTES_LITTLE_ENDIAN

int sobj__int_to_bytes(PyObject *v, struct sobj__int_bytes *b)
{
    unsigned char *data = b->room;
    Py_ssize_t n = PyLong_AsNativeBytes(v, data, sizeof b->room, INT_FLAGS);

    b->owner = NULL;
    if (n < 0)
        return -1;
    if ((size_t)n > sizeof b->room) {
        b->owner = PyBytes_FromStringAndSize(NULL, n);
        if (b->owner == NULL)
            return -1;
        data = (unsigned char *)PyBytes_AS_STRING(b->owner);
        if (PyLong_AsNativeBytes(v, data, n, INT_FLAGS) < 0) {
            Py_CLEAR(b->owner);
            return -1;
        }
    } else {
        n = sizeof b->room; /* all of it is filled, with the sign */
    }
    b->data = data;
    b->size = (size_t)n;
#else
int sobj__int_to_bytes(PyObject *v, struct sobj__int_bytes *b)
{
    PyObject *method, *args = NULL, *names = NULL, *bits;
    size_t n;

    b->owner = NULL;
    bits = PyObject_CallMethod(v, "bit_length", NULL);
    if (bits == NULL)
        return -1;
    n = PyLong_AsSize_t(bits) / 8 + 1;
    Py_DECREF(bits);
    method = PyObject_GetAttrString(v, "to_bytes");
    args = Py_BuildValue("(ns)", (Py_ssize_t)n, "little");
    names = Py_BuildValue("{sO}", "signed", Py_True);
    if (method != NULL && args != NULL && names != NULL)
        b->owner = PyObject_Call(method, args, names);
    Py_XDECREF(method);
    Py_XDECREF(args);
    Py_XDECREF(names);
    if (b->owner == NULL)
        return -1;
    b->data = (const unsigned char *)PyBytes_AS_STRING(b->owner);
    b->size = n;
#endif
    while (b->size > 1 &&
           b->data[b->size - 1] == (b->data[b->size - 2] & 0x80 ? 255 : 0))
        b->size--;
    return 0;
}

PyObject *sobj__int_from_bytes(const void *data, size_t size)
{
#if PY_VERSION_HEX >= 0x030d0000
    return PyLong_FromNativeBytes(data, size, INT_FLAGS);
#else
    PyObject *method = PyObject_GetAttrString((PyObject *)&PyLong_Type, "from_bytes");
    PyObject *args = Py_BuildValue("(y#s)", data, (Py_ssize_t)size, "little");
    PyObject *names = Py_BuildValue("{sO}", "signed", Py_True);
    PyObject *v = NULL;

    if (method != NULL && args != NULL && names != NULL)
        v = PyObject_Call(method, args, names);
    Py_XDECREF(method);
    Py_XDECREF(args);
    Py_XDECREF(names);
    return v;
#endif
}

bool sobj__small_int(PyObject *v, sobj_cell *cell)
{
    int overflow;
    long long i = PyLong_AsLongLongAndOverflow(v, &overflow);

    if (overflow != 0 || !sobj_int_fits(i))
        return false;
    *cell = sobj_from_int(i);
    return true;
}

/* ---- leaves as cells */

static inline int blob_cell(enum sobj_blob_kind kind, unsigned aux, const void *data,
                            size_t size, int64_t hash, sobj_cell *cell)
{
    struct sobj_blob *b = sobj_blob_new(kind, aux, size, 0, hash);

    if (b == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(b->data, data, size);
    *cell = sobj_from_blob(b);
    return 1;
}

bool sobj__short_text(enum sobj_kind kind, PyObject *v, sobj_cell *cell)
{
    Py_ssize_t n = kind == SOBJ__STR ? PyUnicode_GET_LENGTH(v) : PyBytes_GET_SIZE(v);

    if (n > 1)
        return false;
    if (kind == SOBJ__STR) {
        Py_UCS4 c = n != 0 ? PyUnicode_READ_CHAR(v, 0) : 0;
        if (c > 255)
            return false;
        *cell = SOBJ_SPECIAL(n != 0 ? SOBJ_SP_STR1 : SOBJ_SP_EMPTY_STR, c);
    } else {
        unsigned char c = n != 0 ? (unsigned char)PyBytes_AS_STRING(v)[0] : 0;
        *cell = SOBJ_SPECIAL(n != 0 ? SOBJ_SP_BYTES1 : SOBJ_SP_EMPTY_BYTES, c);
    }
    return true;
}

static int int_cell(PyObject *v, sobj_cell *cell)
{
    struct sobj__int_bytes b;

    if (sobj__small_int(v, cell))
        return 1;
    if (sobj__int_to_bytes(v, &b) < 0)
        return -1;
    int r = blob_cell(SOBJ_BLOB_INT, 0, b.data, b.size, -1, cell);
    Py_XDECREF(b.owner);
    return r;
}

static inline int str_cell(PyObject *v, sobj_cell *cell)
{
    unsigned aux = sobj__str_aux(v);
    size_t size = (size_t)PyUnicode_GET_LENGTH(v) * sobj_str_width(aux);

    return blob_cell(SOBJ_BLOB_STR, aux, PyUnicode_DATA(v), size, sobj_cached_hash(v),
                     cell);
}

int sobj__encode_leaf(enum sobj_kind kind, PyObject *v, sobj_cell *cell)
{
    double d[2];

    switch (kind) {
    case SOBJ__NONE:
    case SOBJ__BOOL:
        return sobj_encode_fast(v, cell);
    case SOBJ__INT:
        return int_cell(v, cell);
    case SOBJ__FLOAT:
        d[0] = PyFloat_AS_DOUBLE(v);
        if ((*cell = sobj_from_float(d[0])) != 0)
            return 1;
        return blob_cell(SOBJ_BLOB_FLOAT, 0, d, sizeof d[0], -1, cell);
    case SOBJ__COMPLEX:
        d[0] = ((PyComplexObject *)v)->cval.real;
        d[1] = ((PyComplexObject *)v)->cval.imag;
        return blob_cell(SOBJ_BLOB_COMPLEX, 0, d, sizeof d, -1, cell);
    case SOBJ__STR:
        return sobj__short_text(kind, v, cell) ? 1 : str_cell(v, cell);
    case SOBJ__BYTES:
        if (sobj__short_text(kind, v, cell))
            return 1;
        return blob_cell(SOBJ_BLOB_BYTES, 0, PyBytes_AS_STRING(v),
                         (size_t)PyBytes_GET_SIZE(v), -1, cell);
    case SOBJ__ELLIPSIS:
        *cell = SOBJ_SPECIAL(SOBJ_SP_ELLIPSIS, 0);
        return 1;
    case SOBJ__NOT_IMPLEMENTED:
        *cell = SOBJ_SPECIAL(SOBJ_SP_NOT_IMPLEMENTED, 0);
        return 1;
    case SOBJ__HANDLE:
        *cell = sobj_from_object(sobj_handle_core(v));
        sobj_cell_ref(*cell);
        return 1;
    default:
        return 0;
    }
}

/* ---- values */

/* While a stream is written its OBJECT items carry the address of their core, so that
 * sorting a frozenset may move them. This puts the edges into the order of the items
 * and the items' indexes in. */
static void order_edges(struct sobj_stream *s)
{
    uint32_t next = 0;

    for (size_t i = 0; i < s->count; i += sobj__item_words(s->words[i])) {
        uint64_t word = s->words[i];
        if (!sobj_is_pointer(word) || sobj_stream_kind(word) != SOBJ_ST_OBJECT)
            continue;
        s->edges[next] = (struct sobj_object *)(uintptr_t)sobj_stream_count(word);
        s->words[i] = sobj_stream_header(SOBJ_ST_OBJECT, 0, next++);
    }
}

int sobj__encode_value_stream(struct sobj_encoder *e, PyObject *value)
{
    if (sobj__encoder_run(e, value) != SOBJ__DONE)
        return -1;
    if (e->out->edge_count != 0)
        order_edges(e->out);
    return 0;
}

static int encode_tree(struct sobj_state *state, PyObject *value, sobj_cell *cell)
{
    struct sobj_stream s;
    struct sobj_encoder e;
    int result = -1;

    sobj_stream_init(&s);
    sobj__encoder_init(&e, state, &s, SOBJ__MODE_VALUE, "value");
    if (sobj__encode_value_stream(&e, value) < 0)
        goto done;
    if (s.count == 1 && !sobj_is_pointer(s.words[0])) {
        *cell = s.words[0]; /* an empty container */
    } else {
        struct sobj_blob *b = sobj_stream_blob(&s, SOBJ_BLOB_STREAM);
        if (b == NULL) {
            PyErr_NoMemory();
            goto done;
        }
        if (e.hosted)
            b->info |= (uint64_t)SOBJ_STREAM_HOSTED << 56;
        *cell = sobj_from_blob(b);
    }
    result = 0;
done:
    sobj__encoder_fini(&e);
    sobj_stream_fini(&s);
    return result;
}

/* ---- what was encoded before; see struct sobj_encoded */

static void encoded_drop(struct sobj_encoded *e)
{
    struct sobj_encoded old = *e;

    memset(e, 0, sizeof *e);
    if (old.object != NULL) {
        sobj_blob_unref(old.blob, old.credit);
        Py_DECREF(old.object);
    }
}

void sobj_encoded_flush(struct sobj_local *local)
{
    for (int i = 0; i < SOBJ_ENCODED; i++)
        encoded_drop(&local->encoded[i]);
}

void sobj_encoded_refill(struct sobj_encoded *e)
{
    /* The reference that was just handed out keeps the blob alive. */
    e->credit = SOBJ_ENCODED_CREDIT;
    sobj_blob_ref(e->blob, e->credit);
    if (++e->refills > SOBJ_ENCODED_REFILLS)
        encoded_drop(e);
}

/* Encodes a str that is not kept; keeps it if it has just been here. */
static int encode_str(struct sobj_state *state, PyObject *value, sobj_cell *cell)
{
    if (str_cell(value, cell) < 0)
        return -1;
#ifndef Py_GIL_DISABLED
    /* The next of that kind comes at the same address; and an immortal one has a blob of
     * its own, which is kept elsewhere. */
    if (sobj_is_temporary(value) || sobj__is_static_str(value))
        return 0;
    struct sobj_encoded *e = sobj_encoded_at(state, value);
    if (e->seen != value) {
        e->seen = value;
    } else if (PyUnicode_GET_LENGTH(value) <= SOBJ_ENCODED_MAX &&
               state->local->domain != NULL) {
        encoded_drop(e);
        e->object = Py_NewRef(value);
        e->blob = sobj_to_blob(*cell);
        e->credit = SOBJ_ENCODED_CREDIT;
        sobj_blob_ref(e->blob, e->credit);
    }
#endif
    return 0;
}

static int encode_anew(struct sobj_state *state, PyObject *value, sobj_cell *cell)
{
    if (PyUnicode_CheckExact(value) && PyUnicode_GET_LENGTH(value) > 1)
        return encode_str(state, value, cell);
    int r = sobj__encode_leaf(sobj__kind_of(value), value, cell);

    if (r != 0)
        return r < 0 ? -1 : 0;
    return encode_tree(state, value, cell);
}

int sobj__encode_immortal(struct sobj_state *state, struct sobj_immortal *immortal,
                          PyObject *v, sobj_cell *cell)
{
    *cell = sobj_immortal_cell(immortal);
    if (*cell != SOBJ_NO_CELL)
        return 0;
    if (encode_anew(state, v, cell) < 0)
        return -1;
    *cell = sobj_immortal_keep(immortal, *cell);
    return 0;
}

int sobj_encode_slow(struct sobj_state *state, PyObject *value, sobj_cell *cell)
{
    struct sobj_immortal *immortal = sobj__immortal_of(value);

    if (immortal != NULL)
        return sobj__encode_immortal(state, immortal, value, cell);
    return encode_anew(state, value, cell);
}
