/* SPDX-License-Identifier: MIT */
/* The layout of immortal objects: everything about it that CPython does not promise is
 * in this file.
 *
 * An immortal object is never written to by CPython, whatever a program does with it:
 * this is what makes it safe for interpreters that share no lock. The tests lay such
 * objects on pages that cannot be written to. What it takes:
 *
 *   all     the reference count of CPython's own static objects, which INCREF and
 *           DECREF leave alone: UINT_MAX on 3.12 and 3.13; with a "static" flag from
 *           3.14 on; without the GIL the local count UINT32_MAX, and no owning thread.
 *   str     "statically allocated, interned": the state of the names in CPython's own
 *           tables and the only one that every function which interns leaves as it is.
 *           (Not interned, it would be entered into a table of one interpreter, marked,
 *           and on 3.14 freed with that.) Hash and UTF-8 are there from the start, as
 *           they would be stored when first asked for. A str that has no UTF-8 (lone
 *           surrogates) is asked in vain each time, which stores nothing; without the
 *           GIL it takes the lock that every object has, the one thing ever written.
 *   bytes   the hash is there from the start.
 *   int     its digits, without the flag "is in the table of small ints" of 3.14.
 *
 * Two str objects of equal text are then "interned", this and one of an interpreter's.
 * CPython compares names by address in one place only, where an attribute of a class
 * fills a slot (`__call__`); such names are among CPython's own, which are handed out
 * instead: sobj__immortal_canonical.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "immortal_object.h"

/* Seen to work, each with all that the tests do: 3.12 to 3.15 with the GIL, and the
 * free-threaded 3.13. Debug builds check more of an object than it promises, and those
 * that trace references have other headers. */
#if PY_VERSION_HEX < 0x03100000 && !defined(Py_DEBUG) && !defined(Py_TRACE_REFS) &&    \
    (!defined(Py_GIL_DISABLED) || PY_VERSION_HEX < 0x030E0000)
#define SUPPORTED 1
#endif

#ifdef SUPPORTED

bool sobj__immortals_supported(void) { return true; }

bool sobj__is_static_str(PyObject *str)
{
    return PyUnicode_CHECK_INTERNED(str) == SSTATE_INTERNED_IMMORTAL_STATIC;
}

/* From here on references to it are not counted. */
static void head(void *memory, PyTypeObject *type)
{
    PyObject *v = memory;

#if defined(Py_GIL_DISABLED)
    v->ob_tid = 0;
    v->ob_ref_local = _Py_IMMORTAL_REFCNT_LOCAL;
    v->ob_ref_shared = 0;
#elif PY_VERSION_HEX >= 0x030E0000
    v->ob_refcnt_full = _Py_STATIC_IMMORTAL_INITIAL_REFCNT;
#else
    v->ob_refcnt = _Py_IMMORTAL_REFCNT;
#endif
    v->ob_type = type; /* a static one, which all interpreters have */
}

/* ---- what CPython has already */

/* Whether `v` is an object of CPython's own. Drops the reference if it is not. */
static int is_own(PyObject *v, PyObject **found)
{
    if (v == NULL)
        return -1;
    *found = v;
    if (Py_REFCNT(v) > SOBJ__REFCNT_HUGE)
        return 1;
    Py_DECREF(v);
    return 0;
}

static int canonical_int(PyObject *v, PyObject **found)
{
    int overflow;
    long i = PyLong_AsLongAndOverflow(v, &overflow);

    /* No version has a table of more. */
    if (overflow != 0 || i < -5 || i > 1024)
        return 0;
    return is_own(PyLong_FromLong(i), found);
}

static int canonical_str(PyObject *v, PyObject **found)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(v);

    if (n == 0)
        return is_own(PyUnicode_New(0, 0), found);
    if (n == 1 && PyUnicode_READ_CHAR(v, 0) < 256)
        return is_own(PyUnicode_FromOrdinal((int)PyUnicode_READ_CHAR(v, 0)), found);
    *found = v;
    if (sobj__is_static_str(v))
        return 1;
    if (!PyUnicode_IS_ASCII(v) || n <= 4 || memcmp(PyUnicode_DATA(v), "__", 2) != 0)
        return 0;
    /* May be the name of a slot. */
    PyObject *name = PyUnicode_FromKindAndData(PyUnicode_KIND(v), PyUnicode_DATA(v), n);
    if (name == NULL)
        return -1;
    PyUnicode_InternInPlace(&name);
    *found = name;
    if (sobj__is_static_str(name))
        return 1;
    Py_DECREF(name);
    return 0;
}

int sobj__immortal_canonical(enum sobj_kind kind, PyObject *v, PyObject **found)
{
    switch (kind) {
    case SOBJ__STR:
        return canonical_str(v, found);
    case SOBJ__BYTES:
        if (PyBytes_GET_SIZE(v) > 1)
            return 0;
        return is_own(
            PyBytes_FromStringAndSize(PyBytes_AS_STRING(v), PyBytes_GET_SIZE(v)),
            found);
    case SOBJ__INT:
        return canonical_int(v, found);
    default:
        return 0;
    }
}

/* ---- content */

#define DIGITS(v) ((v)->long_value.ob_digit)
#define TAG(v) ((v)->long_value.lv_tag)
/* In the tag of an int: sign, the flag of small ints, and the number of digits. */
#define TAG_SIGN 3u
#define TAG_SMALL ((uintptr_t)4)
#define TAG_DIGITS 3

static size_t digit_bytes(const PyLongObject *v)
{
    return (size_t)(TAG(v) >> TAG_DIGITS) * sizeof *DIGITS(v);
}

/* All but the hash. */
static void content(enum sobj_kind kind, PyObject *v, struct sobj_immortal_key *key)
{
    key->aux = 0;
    switch (kind) {
    case SOBJ__STR:
        key->kind = SOBJ_IMMORTAL_STR;
        key->aux = sobj__str_aux(v);
        key->bytes = PyUnicode_DATA(v);
        key->size = (size_t)PyUnicode_GET_LENGTH(v) * sobj_str_width(key->aux);
        break;
    case SOBJ__BYTES:
        key->kind = SOBJ_IMMORTAL_BYTES;
        key->bytes = PyBytes_AS_STRING(v);
        key->size = (size_t)PyBytes_GET_SIZE(v);
        break;
    case SOBJ__INT:
        key->kind = SOBJ_IMMORTAL_INT;
        key->aux = TAG((PyLongObject *)v) & TAG_SIGN;
        key->bytes = DIGITS((PyLongObject *)v);
        key->size = digit_bytes((PyLongObject *)v);
        break;
    case SOBJ__FLOAT:
        key->kind = SOBJ_IMMORTAL_FLOAT;
        key->bytes = &((PyFloatObject *)v)->ob_fval;
        key->size = sizeof(double);
        break;
    default:
        key->kind = SOBJ_IMMORTAL_COMPLEX;
        key->bytes = &((PyComplexObject *)v)->cval;
        key->size = sizeof(Py_complex);
        break;
    }
}

int sobj__immortal_key(enum sobj_kind kind, PyObject *v, struct sobj_immortal_key *key)
{
    content(kind, v, key);
    if (kind == SOBJ__STR || kind == SOBJ__BYTES) {
        Py_hash_t hash = PyObject_Hash(v); /* as dicts of ours keep it */
        if (hash == -1)
            return -1;
        key->hash = (uint64_t)hash;
    } else {
        key->hash = sobj_hash_bytes(key->bytes, key->size);
    }
    return 0;
}

/* ---- copies */

static size_t str_front(PyObject *v)
{
    return PyUnicode_IS_ASCII(v) ? sizeof(PyASCIIObject)
                                 : sizeof(PyCompactUnicodeObject);
}

/* With the NUL behind it. */
static size_t str_bytes(PyObject *v)
{
    return ((size_t)PyUnicode_GET_LENGTH(v) + 1) * (size_t)PyUnicode_KIND(v);
}

static Py_ssize_t str_size(PyObject *v, PyObject **utf8)
{
    size_t size = str_front(v) + str_bytes(v);

    if (PyUnicode_IS_ASCII(v))
        return (Py_ssize_t)size;
    *utf8 = PyUnicode_AsUTF8String(v);
    if (*utf8 != NULL)
        return (Py_ssize_t)size + PyBytes_GET_SIZE(*utf8) + 1;
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return -1;
    PyErr_Clear(); /* lone surrogates */
    return (Py_ssize_t)size;
}

Py_ssize_t sobj__immortal_size(enum sobj_kind kind, PyObject *v, PyObject **utf8)
{
    *utf8 = NULL;
    switch (kind) {
    case SOBJ__STR:
        return str_size(v, utf8);
    case SOBJ__BYTES:
        return (Py_ssize_t)offsetof(PyBytesObject, ob_sval) + PyBytes_GET_SIZE(v) + 1;
    case SOBJ__INT: {
        size_t digits = digit_bytes((PyLongObject *)v);
        return (Py_ssize_t)(offsetof(PyLongObject, long_value.ob_digit) +
                            (digits != 0 ? digits : sizeof(digit)));
    }
    case SOBJ__FLOAT:
        return sizeof(PyFloatObject);
    default:
        return sizeof(PyComplexObject);
    }
}

static void build_str(PyObject *from, PyObject *utf8, void *memory, Py_hash_t hash)
{
    PyASCIIObject *v = memory;
    char *data = (char *)memory + str_front(from);

    head(v, &PyUnicode_Type);
    v->length = PyUnicode_GET_LENGTH(from);
    v->hash = hash;
    v->state.kind = PyUnicode_KIND(from);
    v->state.compact = 1;
    v->state.ascii = PyUnicode_IS_ASCII(from);
    v->state.statically_allocated = 1;
    v->state.interned = SSTATE_INTERNED_IMMORTAL_STATIC;
    memcpy(data, PyUnicode_DATA(from), str_bytes(from));
    if (utf8 != NULL) {
        PyCompactUnicodeObject *c = memory;
        c->utf8 = data + str_bytes(from);
        c->utf8_length = PyBytes_GET_SIZE(utf8);
        memcpy(c->utf8, PyBytes_AS_STRING(utf8), (size_t)c->utf8_length + 1);
    }
}

static void build_bytes(PyObject *from, void *memory, Py_hash_t hash)
{
    PyBytesObject *v = memory;

    head(v, &PyBytes_Type);
    ((PyVarObject *)v)->ob_size = PyBytes_GET_SIZE(from);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    v->ob_shash = hash;
#pragma GCC diagnostic pop
    memcpy(v->ob_sval, PyBytes_AS_STRING(from), (size_t)PyBytes_GET_SIZE(from) + 1);
}

static void build_int(PyObject *from, void *memory)
{
    const PyLongObject *original = (const PyLongObject *)from;
    PyLongObject *v = memory;

    head(v, &PyLong_Type);
    TAG(v) = TAG(original) & ~TAG_SMALL;
    memcpy(DIGITS(v), DIGITS(original), digit_bytes(original));
}

PyObject *sobj__immortal_build(enum sobj_kind kind, PyObject *from, PyObject *utf8,
                               void *memory, struct sobj_immortal_key *key)
{
    PyObject *v = memory;

    switch (kind) {
    case SOBJ__STR:
        build_str(from, utf8, v, (Py_hash_t)key->hash);
        break;
    case SOBJ__BYTES:
        build_bytes(from, v, (Py_hash_t)key->hash);
        break;
    case SOBJ__INT:
        build_int(from, v);
        break;
    case SOBJ__FLOAT:
        head(v, &PyFloat_Type);
        ((PyFloatObject *)v)->ob_fval = PyFloat_AS_DOUBLE(from);
        break;
    default:
        head(v, &PyComplex_Type);
        ((PyComplexObject *)v)->cval = ((PyComplexObject *)from)->cval;
        break;
    }
    content(kind, v, key);
    return v;
}

#else

bool sobj__immortals_supported(void) { return false; }

bool sobj__is_static_str(PyObject *str) { return false; }

int sobj__immortal_canonical(enum sobj_kind kind, PyObject *v, PyObject **found)
{
    return 0;
}

int sobj__immortal_key(enum sobj_kind kind, PyObject *v, struct sobj_immortal_key *key)
{
    return PyErr_NoMemory(), -1;
}

Py_ssize_t sobj__immortal_size(enum sobj_kind kind, PyObject *v, PyObject **utf8)
{
    return PyErr_NoMemory(), -1;
}

PyObject *sobj__immortal_build(enum sobj_kind kind, PyObject *from, PyObject *utf8,
                               void *memory, struct sobj_immortal_key *key)
{
    return PyErr_NoMemory();
}

#endif
