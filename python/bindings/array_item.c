/* SPDX-License-Identifier: MIT */
/* The items of a SharedArray as Python objects, and iterables of such. */
#include "array_type.h"

/* ---- one item */

PyObject *sobj_array_object(const struct sobj_array_kind *kind,
                            union sobj_number number)
{
    switch (kind->class) {
    case SOBJ_ARRAY_SIGNED:
        return PyLong_FromLongLong(number.i);
    case SOBJ_ARRAY_UNSIGNED:
        return PyLong_FromUnsignedLongLong(number.u);
    case SOBJ_ARRAY_FLOAT:
        break;
    }
    return PyFloat_FromDouble(number.d);
}

PyObject *sobj_array_overflow(const struct sobj_array_kind *kind)
{
    const char *wider = kind->item_size == 8 ? "the ints of a SharedDict have no limit"
                        : kind->class == SOBJ_ARRAY_SIGNED ? "use a wider typecode"
                        : kind->class == SOBJ_ARRAY_UNSIGNED
                            ? "use a wider typecode, or a signed one"
                            : "use 'd'";

    switch (kind->class) {
    case SOBJ_ARRAY_SIGNED:
        return PyErr_Format(PyExc_OverflowError,
                            "an item of a SharedArray('%s') is from %lld to %lld; no "
                            "item has changed: %s",
                            kind->format, (long long)kind->least,
                            (long long)kind->greatest, wider);
    case SOBJ_ARRAY_UNSIGNED:
        return PyErr_Format(PyExc_OverflowError,
                            "an item of a SharedArray('%s') is from 0 to %llu; no item "
                            "has changed: %s",
                            kind->format, (unsigned long long)kind->greatest, wider);
    case SOBJ_ARRAY_FLOAT:
        break;
    }
    return PyErr_Format(PyExc_OverflowError,
                        "the number is too large for an item of a SharedArray('%s'); "
                        "no item has changed: %s",
                        kind->format, wider);
}

PyObject *sobj_array_int(const struct sobj_array_kind *kind, PyObject *obj)
{
    if (PyIndex_Check(obj))
        return PyNumber_Index(obj);
    PyErr_Format(
        PyExc_TypeError, "an item of a SharedArray('%s') is an int, not %.200s%s",
        kind->format, Py_TYPE(obj)->tp_name,
        PyFloat_Check(obj) ? ": use round(x), or typecode 'd' for floats" : "");
    return NULL;
}

/* An exact int; as sobj_array_number. */
static int int_number(const struct sobj_array_kind *kind, PyObject *obj,
                      union sobj_number *number)
{
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(obj, &overflow);

    if (n == -1 && PyErr_Occurred())
        return -1;
    number->i = n;
    if (kind->class == SOBJ_ARRAY_SIGNED || overflow <= 0)
        return overflow == 0 && (kind->class == SOBJ_ARRAY_SIGNED || n >= 0);
    number->u = PyLong_AsUnsignedLongLong(obj);
    if (number->u != (uint64_t)-1 || !PyErr_Occurred())
        return 1;
    if (!PyErr_ExceptionMatches(PyExc_OverflowError))
        return -1;
    PyErr_Clear();
    return 0;
}

static int float_number(const struct sobj_array_kind *kind, PyObject *obj,
                        union sobj_number *number)
{
    PyNumberMethods *methods = Py_TYPE(obj)->tp_as_number;

    if (methods == NULL || (methods->nb_float == NULL && methods->nb_index == NULL)) {
        PyErr_Format(PyExc_TypeError,
                     "an item of a SharedArray('%s') is a float, not %.200s",
                     kind->format, Py_TYPE(obj)->tp_name);
        return -1;
    }
    number->d = PyFloat_AsDouble(obj);
    if (number->d != -1.0 || !PyErr_Occurred())
        return 1;
    if (!PyLong_Check(obj) || !PyErr_ExceptionMatches(PyExc_OverflowError))
        return -1;
    PyErr_Clear();
    return 0;
}

int sobj_array_number(const struct sobj_array_kind *kind, PyObject *obj,
                      union sobj_number *number)
{
    PyObject *index;
    int result;

    if (kind->class == SOBJ_ARRAY_FLOAT) {
        if (!PyFloat_CheckExact(obj))
            return float_number(kind, obj, number);
        number->d = PyFloat_AS_DOUBLE(obj);
        return 1;
    }
    if (PyLong_CheckExact(obj)) {
        if (!PyUnstable_Long_IsCompact((PyLongObject *)obj))
            return int_number(kind, obj, number);
        number->i = PyUnstable_Long_CompactValue((PyLongObject *)obj);
        return kind->class == SOBJ_ARRAY_SIGNED || number->i >= 0;
    }
    index = sobj_array_int(kind, obj);
    if (index == NULL)
        return -1;
    result = int_number(kind, index, number);
    Py_DECREF(index);
    return result;
}

/* ---- many */

void sobj_array_items_fini(struct sobj_array_items *items)
{
    PyMem_RawFree(items->data);
    items->data = NULL;
}

/* Makes room for `count` items in all. Returns: 0, or -1 with MemoryError. */
static int reserve(struct sobj_array_items *items, size_t count)
{
    size_t size = (size_t)items->kind->item_size;
    void *data;

    if (count <= items->capacity)
        return 0;
    data = count <= PY_SSIZE_T_MAX / size ? PyMem_RawRealloc(items->data, count * size)
                                          : NULL;
    if (data == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    items->data = data;
    items->capacity = count;
    return 0;
}

static int append(struct sobj_array_items *items, PyObject *obj)
{
    const struct sobj_array_kind *kind = items->kind;
    union sobj_number number;
    int fits = sobj_array_number(kind, obj, &number);

    if (fits < 0)
        return -1;
    if (items->count == items->capacity &&
        reserve(items, items->capacity + items->capacity / 2 + 16) < 0)
        return -1;
    char *place = (char *)items->data + items->count * (size_t)kind->item_size;
    if (fits == 0 || sobj_array_pack(kind, number, place) != SOBJ_OK) {
        sobj_array_overflow(kind);
        return -1;
    }
    items->count++;
    return 0;
}

static int collect_each(struct sobj_array_items *items, PyObject *source)
{
    PyObject *iterator = PyObject_GetIter(source), *obj;
    Py_ssize_t hint;
    int failed;

    if (iterator == NULL)
        return -1;
    hint = PyObject_LengthHint(source, 0);
    /* No more than a hint: what it says need not be true. */
    failed = hint < 0 || reserve(items, (size_t)Py_MIN(hint, 1 << 20)) < 0;
    while (!failed && (obj = PyIter_Next(iterator)) != NULL) {
        failed = append(items, obj) < 0;
        Py_DECREF(obj);
    }
    Py_DECREF(iterator);
    return failed || PyErr_Occurred() ? -1 : 0;
}

/* Another SharedArray, whose items need no conversion. */
static int collect_shared(struct sobj_array_items *items, PyObject *source)
{
    size_t len = (size_t)sobj_array_of(source)->len;

    if (reserve(items, len) < 0)
        return -1;
    sobj_array_read(sobj_handle_core(source), 0, 1, len, items->data);
    items->count = len;
    return 0;
}

static bool same_items(const struct sobj_array_kind *a, const struct sobj_array_kind *b)
{
    return b != NULL && a->class == b->class && a->item_size == b->item_size;
}

/* Whether the buffer is a row of just such items. */
static bool plain_items(const struct sobj_array_kind *kind, const Py_buffer *view)
{
    const char *format = view->format != NULL ? view->format : "B";

    return view->ndim == 1 && view->itemsize == kind->item_size &&
           PyBuffer_IsContiguous(view, 'C') && strlen(format) == 1 &&
           same_items(kind, sobj_array_kind(format[0]));
}

/* The memory of another object, if that needs no conversion either.
 * Returns: 1; 0: it has to be taken item by item; -1 with an exception. */
static int collect_memory(struct sobj_array_items *items, PyObject *source)
{
    Py_buffer view;
    int result = 0;

    if (!PyObject_CheckBuffer(source))
        return 0;
    if (PyObject_GetBuffer(source, &view, PyBUF_FULL_RO) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_BufferError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    if (plain_items(items->kind, &view)) {
        size_t count = (size_t)(view.len / view.itemsize);
        result = reserve(items, count) < 0 ? -1 : 1;
        if (result == 1 && count != 0)
            memcpy(items->data, view.buf, (size_t)view.len);
        items->count = result == 1 ? count : 0;
    }
    PyBuffer_Release(&view);
    return result;
}

int sobj_array_collect(const struct sobj_array_kind *kind, PyObject *source,
                       struct sobj_array_items *items)
{
    int result;

    *items = (struct sobj_array_items){.kind = kind};
    if (sobj_is_array(source)) {
        if (same_items(kind, sobj_array_of(source)->kind))
            return collect_shared(items, source);
        return collect_each(items, source);
    }
    result = collect_memory(items, source);
    return result != 0 ? Py_MIN(result, 0) : collect_each(items, source);
}
