/* SPDX-License-Identifier: MIT */
/* A SharedArray as a whole: slices, search, comparison, and what it looks like. All of it
 * is item by item: each one is read or stored atomically, at a moment of its own. */
#include "array_type.h"

#include "convert.h"
#include "errors.h"

/* ---- parts */

PyObject *sobj_array_part(PyObject *self, size_t first, ptrdiff_t step, size_t count)
{
    struct sobj_object *copy;

    if (sobj_array_copy(sobj_handle_core(self), first, step, count, &copy) != SOBJ_OK)
        return PyErr_NoMemory();
    return sobj_handle_for(((SobjHandle *)self)->state, copy);
}

int sobj_array_assign(PyObject *self, PyObject *slice, PyObject *source)
{
    const struct sobj_array_layout *layout = sobj_array_of(self);
    Py_ssize_t start, stop, step, length;
    struct sobj_array_items items;
    int result = -1;

    if (PySlice_Unpack(slice, &start, &stop, &step) < 0)
        return -1;
    length = PySlice_AdjustIndices(layout->len, &start, &stop, step);
    if (Py_TYPE(source)->tp_iter == NULL && !PySequence_Check(source)) {
        PyErr_Format(PyExc_TypeError,
                     "a slice of a SharedArray takes an iterable of items, not %.200s: "
                     "for %zd equal ones say [x] * %zd",
                     Py_TYPE(source)->tp_name, length, length);
        return -1;
    }
    if (sobj_array_collect(layout->kind, source, &items) == 0) {
        if (items.count == (size_t)length) {
            sobj_array_write(sobj_handle_core(self), (size_t)start, step, items.count,
                             items.data);
            result = 0;
        } else {
            PyErr_Format(PyExc_ValueError,
                         "a SharedArray has a fixed length: %zu items cannot take the "
                         "place of %zd",
                         items.count, length);
        }
    }
    sobj_array_items_fini(&items);
    return result;
}

/* Returns: a list of the items from `first` to before `end`. */
static PyObject *list_of(PyObject *self, Py_ssize_t first, Py_ssize_t end)
{
    const struct sobj_array_kind *kind = sobj_array_of(self)->kind;
    const struct sobj_object *core = sobj_handle_core(self);
    PyObject *list = sobj_plain_list((size_t)(end - first));

    for (Py_ssize_t i = first; i < end && list != NULL; i++) {
        PyObject *item = sobj_array_object(kind, sobj_array_get(core, (size_t)i));
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i - first, item);
    }
    return list;
}

PyObject *sobj_array_tolist(PyObject *self, PyObject *unused)
{
    return list_of(self, 0, sobj_array_of(self)->len);
}

/* ---- looks */

#define REPR_ALL 100 /* longer ones show their ends */
#define REPR_ENDS 3

PyObject *sobj_array_repr(PyObject *self)
{
    const struct sobj_array_layout *layout = sobj_array_of(self);
    const char *format = layout->kind->format;
    PyObject *head, *tail = NULL, *a = NULL, *b = NULL, *result = NULL;

    if (layout->len <= REPR_ALL) {
        head = list_of(self, 0, layout->len);
        if (head != NULL)
            result = PyUnicode_FromFormat("SharedArray('%s', %R)", format, head);
        Py_XDECREF(head);
        return result;
    }
    head = list_of(self, 0, REPR_ENDS);
    tail = list_of(self, layout->len - REPR_ENDS, layout->len);
    a = head != NULL ? PyObject_Repr(head) : NULL;
    b = tail != NULL ? PyObject_Repr(tail) : NULL;
    if (a != NULL && b != NULL) {
        /* Without the bracket at the end of one and at the beginning of the other. */
        Py_SETREF(a, PyUnicode_Substring(a, 0, PyUnicode_GET_LENGTH(a) - 1));
        Py_SETREF(b, PyUnicode_Substring(b, 1, PyUnicode_GET_LENGTH(b)));
    }
    if (a != NULL && b != NULL)
        result = PyUnicode_FromFormat("<SharedArray('%s') of %zd items: %U, ..., %U>",
                                      format, layout->len, a, b);
    Py_XDECREF(b);
    Py_XDECREF(a);
    Py_XDECREF(tail);
    Py_XDECREF(head);
    return result;
}

/* ---- search */

/* What is looked for. */
struct wanted {
    PyObject *object;
    bool plain; /* an int or float that C can compare with the items */
    bool never; /* ... and that no item can be equal to */
    union sobj_number number;
};

/* Returns: 0, or -1 with an exception. */
static int want(const struct sobj_array_kind *kind, PyObject *value, struct wanted *w)
{
    *w = (struct wanted){.object = value};
    if (kind->class == SOBJ_ARRAY_FLOAT) {
        w->plain = PyFloat_CheckExact(value);
        w->number.d = w->plain ? PyFloat_AS_DOUBLE(value) : 0;
    } else if (PyLong_CheckExact(value)) {
        int fits = sobj_array_number(kind, value, &w->number);
        if (fits < 0)
            return -1;
        w->plain = true;
        w->never = fits == 0;
    }
    return 0;
}

/* Returns: whether the item is equal to what is wanted; -1 with an exception. */
static int is_wanted(PyObject *self, size_t index, const struct wanted *w)
{
    const struct sobj_array_kind *kind = sobj_array_of(self)->kind;
    union sobj_number number = sobj_array_get(sobj_handle_core(self), index);
    PyObject *item;
    int equal;

    if (w->plain) {
        if (kind->class == SOBJ_ARRAY_FLOAT)
            return number.d == w->number.d;
        return !w->never && number.u == w->number.u;
    }
    item = sobj_array_object(kind, number);
    if (item == NULL)
        return -1;
    equal = PyObject_RichCompareBool(item, w->object, Py_EQ);
    Py_DECREF(item);
    return equal;
}

/* Returns: the first index of `value` from `i` to before `end`; `end` if there is none;
 * -1 with an exception. */
static Py_ssize_t find(PyObject *self, PyObject *value, Py_ssize_t i, Py_ssize_t end)
{
    struct wanted w;
    int equal = 0;

    if (want(sobj_array_of(self)->kind, value, &w) < 0)
        return -1;
    for (; i < end; i++) {
        equal = is_wanted(self, (size_t)i, &w);
        if (equal != 0)
            break;
    }
    return equal < 0 ? -1 : i;
}

int sobj_array_contains(PyObject *self, PyObject *value)
{
    Py_ssize_t len = sobj_array_of(self)->len, i = find(self, value, 0, len);

    return i < 0 ? -1 : i < len;
}

/* An end of the range of index(), as a slice would have it. Returns: 0, or -1 with an
 * exception. */
static int range_end(PyObject *obj, Py_ssize_t len, Py_ssize_t *out)
{
    Py_ssize_t i = PyNumber_AsSsize_t(obj, NULL);

    if (i == -1 && PyErr_Occurred())
        return -1;
    if (i < 0)
        i = i < -len ? 0 : i + len;
    *out = Py_MIN(i, len);
    return 0;
}

PyObject *sobj_array_index(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Py_ssize_t len = sobj_array_of(self)->len, start = 0, stop = len, i;

    if (count < 1 || count > 3)
        return PyErr_Format(PyExc_TypeError,
                            "index() takes from 1 to 3 arguments (%zd given)", count);
    if ((count > 1 && range_end(args[1], len, &start) < 0) ||
        (count > 2 && range_end(args[2], len, &stop) < 0))
        return NULL;
    i = find(self, args[0], start, stop);
    if (i < 0)
        return NULL;
    if (i >= stop)
        return PyErr_Format(PyExc_ValueError, "index(): %R is not in the SharedArray",
                            args[0]);
    return PyLong_FromSsize_t(i);
}

PyObject *sobj_array_count(PyObject *self, PyObject *value)
{
    Py_ssize_t len = sobj_array_of(self)->len, found = 0;
    struct wanted w;

    if (want(sobj_array_of(self)->kind, value, &w) < 0)
        return NULL;
    for (Py_ssize_t i = 0; i < len; i++) {
        int equal = is_wanted(self, (size_t)i, &w);
        if (equal < 0)
            return NULL;
        found += equal;
    }
    return PyLong_FromSsize_t(found);
}

/* ---- comparison */

/* Returns: whether `a op b`. */
static bool ordered(int less, int equal, int op)
{
    switch (op) {
    case Py_LT:
        return less;
    case Py_LE:
        return less || equal;
    case Py_EQ:
        return equal;
    case Py_NE:
        return !equal;
    case Py_GT:
        return !less && !equal;
    default:
        return !less;
    }
}

/* Compares two items as Python does; of the same kind without objects.
 * Returns: whether `x op y`; -1 with an exception. */
static int compare_items(const struct sobj_array_kind *a, union sobj_number x,
                         const struct sobj_array_kind *b, union sobj_number y, int op)
{
    PyObject *p, *q;
    int result = -1;

    if (a->class == b->class && a->class == SOBJ_ARRAY_SIGNED)
        return ordered(x.i < y.i, x.i == y.i, op);
    if (a->class == b->class && a->class == SOBJ_ARRAY_UNSIGNED)
        return ordered(x.u < y.u, x.u == y.u, op);
    if (a->class == b->class && op == Py_EQ)
        return x.d == y.d;
    p = sobj_array_object(a, x);
    q = p != NULL ? sobj_array_object(b, y) : NULL;
    if (q != NULL)
        result = PyObject_RichCompareBool(p, q, op);
    Py_XDECREF(q);
    Py_XDECREF(p);
    return result;
}

PyObject *sobj_array_richcompare(PyObject *self, PyObject *other, int op)
{
    const struct sobj_array_layout *a = sobj_array_of(self), *b;
    bool equality = op == Py_EQ || op == Py_NE;
    int result = 1;

    if (!sobj_is_array(other))
        Py_RETURN_NOTIMPLEMENTED;
    b = sobj_array_of(other);
    /* Handles of the same array are equal, whatever is in it and whatever others do. */
    if (a == b)
        return PyBool_FromLong(ordered(false, true, op));
    if (equality && a->len != b->len)
        return PyBool_FromLong(op == Py_NE);
    /* As lists are compared: the first two items that are not equal decide. */
    for (Py_ssize_t i = 0; i < a->len && i < b->len; i++) {
        union sobj_number x = sobj_array_get(sobj_handle_core(self), (size_t)i);
        union sobj_number y = sobj_array_get(sobj_handle_core(other), (size_t)i);
        result = compare_items(a->kind, x, b->kind, y, Py_EQ);
        if (result == 0)
            result = equality ? op == Py_NE : compare_items(a->kind, x, b->kind, y, op);
        else if (result > 0)
            continue;
        return result < 0 ? NULL : PyBool_FromLong(result);
    }
    return PyBool_FromLong(ordered(a->len < b->len, a->len == b->len, op));
}
