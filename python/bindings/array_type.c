/* SPDX-License-Identifier: MIT */
/* The type SharedArray: single items, and its memory for those who use buffers.
 *
 * A buffer is the core's own block. It never moves and nothing is to be undone when a
 * buffer is released: the view holds the handle, and the handle the core. */
#include "array_type.h"

#include "args.h"
#include "deepcopy.h"
#include "errors.h"

/* ---- indexes */

static int out_of_range(Py_ssize_t len)
{
    PyErr_Format(PyExc_IndexError,
                 "SharedArray index out of range: there are %zd items", len);
    return -1;
}

/* Returns: 0 and an index that is in range; -1 with an exception. */
static inline int to_index(const struct sobj_array_layout *layout, PyObject *obj,
                           size_t *index)
{
    Py_ssize_t len = layout->len, i;

    if (PyLong_CheckExact(obj) && PyUnstable_Long_IsCompact((PyLongObject *)obj)) {
        i = PyUnstable_Long_CompactValue((PyLongObject *)obj);
    } else if (PyIndex_Check(obj)) {
        i = PyNumber_AsSsize_t(obj, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred())
            return -1;
    } else {
        PyErr_Format(PyExc_TypeError,
                     "an index of a SharedArray is an int or a slice, not %.200s",
                     Py_TYPE(obj)->tp_name);
        return -1;
    }
    if (i < 0)
        i += len;
    *index = (size_t)i;
    return *index < (size_t)len ? 0 : out_of_range(len);
}

/* ---- the sequence */

static Py_ssize_t array_length(PyObject *self) { return sobj_array_of(self)->len; }

static PyObject *array_item(PyObject *self, Py_ssize_t i)
{
    Py_ssize_t len = array_length(self);

    if ((size_t)i >= (size_t)len) {
        out_of_range(len);
        return NULL;
    }
    return sobj_array_item(self, (size_t)i);
}

static PyObject *array_subscript(PyObject *self, PyObject *key)
{
    const struct sobj_array_layout *layout = sobj_array_of(self);
    Py_ssize_t start, stop, step, count;
    size_t index;

    if (!PySlice_Check(key)) {
        if (to_index(layout, key, &index) < 0)
            return NULL;
        return sobj_array_object(layout->kind,
                                 sobj_array_get(sobj_handle_core(self), index));
    }
    if (PySlice_Unpack(key, &start, &stop, &step) < 0)
        return NULL;
    count = PySlice_AdjustIndices(layout->len, &start, &stop, step);
    return sobj_array_part(self, (size_t)start, step, (size_t)count);
}

/* Converts what is to be stored. Returns: 0, or -1 with an exception. */
static int to_item(const struct sobj_array_kind *kind, PyObject *obj,
                   union sobj_number *number)
{
    int fits = sobj_array_number(kind, obj, number);

    if (fits == 0)
        sobj_array_overflow(kind);
    return fits == 1 ? 0 : -1;
}

/* Returns: 0; -1 with OverflowError, unless `status` is OK. */
static inline int stored(const struct sobj_array_kind *kind, enum sobj_status status)
{
    if (status == SOBJ_OK)
        return 0;
    sobj_array_overflow(kind);
    return -1;
}

static int array_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    const struct sobj_array_layout *layout = sobj_array_of(self);
    union sobj_number number;
    size_t index;

    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "a SharedArray has a fixed length: its items "
                                         "cannot be deleted; assign 0 instead");
        return -1;
    }
    if (PySlice_Check(key))
        return sobj_array_assign(self, key, value);
    if (to_index(layout, key, &index) < 0 || to_item(layout->kind, value, &number) < 0)
        return -1;
    return stored(layout->kind, sobj_array_set(sobj_handle_core(self), index, number));
}

/* ---- atomic changes of one item */

/* What a method on one item begins with. */
struct item_call {
    struct sobj_object *core;
    const struct sobj_array_kind *kind;
    PyObject *given[3]; /* NULL: left out */
    size_t index;       /* given[0], in range */
};

/* Returns: 0, or -1 with an exception. */
static inline int begin(struct item_call *c, PyObject *self,
                        const struct sobj_signature *signature, PyObject *const *args,
                        Py_ssize_t count, PyObject *keywords)
{
    const struct sobj_array_layout *layout = sobj_array_of(self);

    c->core = sobj_handle_core(self);
    c->kind = layout->kind;
    c->given[1] = c->given[2] = NULL;
    if (keywords == NULL && count >= signature->required &&
        count <= signature->positional) {
        for (Py_ssize_t i = 0; i < count; i++)
            c->given[i] = args[i];
    } else if (sobj_args(signature, args, count, keywords, c->given) < 0) {
        return -1;
    }
    return to_index(layout, c->given[0], &c->index);
}

PyDoc_STRVAR(exchange_doc, "exchange($self, i, value, /)\n--\n\n"
                           "Replace item i; return the old one. Wait-free.");

static PyObject *array_exchange(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    static const char *const names[] = {"i", "value", NULL};
    static const struct sobj_signature signature = {"exchange", names, 2, 2};
    union sobj_number value, old;
    struct item_call c;

    if (begin(&c, self, &signature, args, count, NULL) < 0 ||
        to_item(c.kind, c.given[1], &value) < 0 ||
        stored(c.kind, sobj_array_exchange(c.core, c.index, value, &old)) < 0)
        return NULL;
    return sobj_array_object(c.kind, old);
}

PyDoc_STRVAR(
    compare_and_set_doc,
    "compare_and_set($self, /, i, expected, desired)\n--\n\n"
    "If item i is expected, make it desired. Return whether it was. Lock-free.\n\n"
    "A float is expected bit for bit, as a[i] returns it: NaN is itself, 0.0 is not\n"
    "-0.0, and 0.1 is no float of typecode 'f'.");

static PyObject *array_compare_and_set(PyObject *self, PyObject *const *args,
                                       Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"i", "expected", "desired", NULL};
    static const struct sobj_signature signature = {"compare_and_set", names, 3, 3};
    union sobj_number expected, desired;
    enum sobj_status status;
    struct item_call c;
    uint64_t room;
    int fits;

    if (begin(&c, self, &signature, args, count, keywords) < 0)
        return NULL;
    fits = sobj_array_number(c.kind, c.given[1], &expected);
    if (fits < 0 || to_item(c.kind, c.given[2], &desired) < 0)
        return NULL;
    if (fits)
        status = sobj_array_compare_and_set(c.core, c.index, expected, desired);
    else /* no item is that; but what is desired must be right all the same */
        status = sobj_array_pack(c.kind, desired, &room) == SOBJ_OK ? SOBJ_MISMATCH
                                                                    : SOBJ_OVERFLOW;
    if (status == SOBJ_OVERFLOW)
        return sobj_array_overflow(c.kind);
    return PyBool_FromLong(status == SOBJ_OK);
}

/* Adds an int that 64 bits cannot hold (or whose negative they cannot): the sum may be in
 * range. Returns: 0 and the sum; -1 with an exception. */
static int add_wide(const struct item_call *c, PyObject *n, bool minus,
                    union sobj_number *sum)
{
    enum sobj_status status;

    do {
        union sobj_number old = sobj_array_get(c->core, c->index);
        PyObject *a = sobj_array_object(c->kind, old), *b = NULL;
        int fits = -1;

        if (a != NULL)
            b = minus ? PyNumber_Subtract(a, n) : PyNumber_Add(a, n);
        if (b != NULL)
            fits = sobj_array_number(c->kind, b, sum);
        Py_XDECREF(b);
        Py_XDECREF(a);
        if (fits < 0)
            return -1;
        status = fits ? sobj_array_compare_and_set(c->core, c->index, old, *sum)
                      : SOBJ_OVERFLOW;
    } while (status == SOBJ_MISMATCH);
    return stored(c->kind, status);
}

/* Adds an int that is no short one. */
static int add_long(const struct item_call *c, bool minus, union sobj_number *sum)
{
    PyObject *number = sobj_array_int(c->kind, c->given[1]);
    union sobj_number n;
    int overflow, result;

    if (number == NULL)
        return -1;
    n.i = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (n.i == -1 && PyErr_Occurred()) {
        result = -1;
    } else if (overflow != 0 || (minus && n.i == INT64_MIN)) {
        result = add_wide(c, number, minus, sum);
    } else {
        n.i = minus ? -n.i : n.i;
        result = stored(c->kind, sobj_array_add(c->core, c->index, n, sum));
    }
    Py_DECREF(number);
    return result;
}

/* Adds or subtracts what is given, or 1. Returns: 0 and the sum; -1 with an exception. */
static inline int add_any(const struct item_call *c, bool minus, union sobj_number *sum)
{
    PyObject *given = c->given[1];
    union sobj_number n;

    if (c->kind->class == SOBJ_ARRAY_FLOAT) {
        n.d = 1;
        if (given != NULL && to_item(c->kind, given, &n) < 0)
            return -1;
        n.d = minus ? -n.d : n.d;
    } else {
        n.i = 1;
        if (given != NULL) {
            if (!PyLong_CheckExact(given) ||
                !PyUnstable_Long_IsCompact((PyLongObject *)given))
                return add_long(c, minus, sum);
            n.i = PyUnstable_Long_CompactValue((PyLongObject *)given);
        }
        n.i = minus ? -n.i : n.i;
    }
    return stored(c->kind, sobj_array_add(c->core, c->index, n, sum));
}

#define ADDING(function, name, minus)                                                  \
    static PyObject *function(PyObject *self, PyObject *const *args, Py_ssize_t count, \
                              PyObject *keywords)                                      \
    {                                                                                  \
        static const char *const names[] = {"i", "n", NULL};                           \
        static const struct sobj_signature signature = {name, names, 1, 2};            \
        union sobj_number sum;                                                         \
        struct item_call c;                                                            \
        if (begin(&c, self, &signature, args, count, keywords) < 0 ||                  \
            add_any(&c, minus, &sum) < 0)                                              \
            return NULL;                                                               \
        return sobj_array_object(c.kind, sum);                                         \
    }

PyDoc_STRVAR(
    increment_doc,
    "increment($self, /, i, n=1)\n--\n\n"
    "Add n to item i; return the new value. Lock-free.\n\n"
    "A sum that is no item of this typecode raises OverflowError; the item stays, and\n"
    "nobody ever sees another value. Floats add as Python's do, then are rounded for\n"
    "typecode 'f'.");

ADDING(array_increment, "increment", false)

PyDoc_STRVAR(decrement_doc,
             "decrement($self, /, i, n=1)\n--\n\n"
             "Subtract n from item i; return the new value. As increment().");

ADDING(array_decrement, "decrement", true)

/* Of fetch_max() and fetch_min(). */
static PyObject *bound_call(PyObject *self, const char *name, bool above,
                            PyObject *const *args, Py_ssize_t count)
{
    static const char *const names[] = {"i", "value", NULL};
    struct sobj_signature signature = {name, names, 2, 2};
    union sobj_number value, old;
    enum sobj_status status;
    struct item_call c;

    if (begin(&c, self, &signature, args, count, NULL) < 0 ||
        to_item(c.kind, c.given[1], &value) < 0)
        return NULL;
    status = above ? sobj_array_max(c.core, c.index, value, &old)
                   : sobj_array_min(c.core, c.index, value, &old);
    return stored(c.kind, status) < 0 ? NULL : sobj_array_object(c.kind, old);
}

PyDoc_STRVAR(fetch_max_doc,
             "fetch_max($self, i, value, /)\n--\n\n"
             "Make item i the larger of itself and value; return the old one.\n\n"
             "A NaN is not larger than anything, nor is anything larger than a NaN.\n"
             "Lock-free.");

static PyObject *array_fetch_max(PyObject *self, PyObject *const *args,
                                 Py_ssize_t count)
{
    return bound_call(self, "fetch_max", true, args, count);
}

PyDoc_STRVAR(fetch_min_doc,
             "fetch_min($self, i, value, /)\n--\n\n"
             "Make item i the smaller of itself and value; return the old one.\n\n"
             "A NaN is not smaller than anything, nor is anything smaller than a NaN.\n"
             "Lock-free.");

static PyObject *array_fetch_min(PyObject *self, PyObject *const *args,
                                 Py_ssize_t count)
{
    return bound_call(self, "fetch_min", false, args, count);
}

/* ---- the memory */

static int array_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    const struct sobj_array_layout *layout = sobj_array_of(self);
    const struct sobj_array_kind *kind = layout->kind;

    /* The consumer writes to none of the const ones. */
    *view = (Py_buffer){
        .buf = layout->items,
        .obj = Py_NewRef(self),
        .len = layout->len * kind->item_size,
        .itemsize = kind->item_size,
        .ndim = 1,
        .format = (flags & PyBUF_FORMAT) == PyBUF_FORMAT ? (char *)kind->format : NULL,
        .shape = (flags & PyBUF_ND) == PyBUF_ND ? (Py_ssize_t *)&layout->len : NULL,
        .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES
                       ? (Py_ssize_t *)&kind->item_size
                       : NULL,
    };
    return 0;
}

static PyObject *get_typecode(PyObject *self, void *closure)
{
    return PyUnicode_FromString(sobj_array_of(self)->kind->format);
}

static PyObject *get_itemsize(PyObject *self, void *closure)
{
    return PyLong_FromSsize_t(sobj_array_of(self)->kind->item_size);
}

static PyObject *get_nbytes(PyObject *self, void *closure)
{
    const struct sobj_array_layout *layout = sobj_array_of(self);

    return PyLong_FromSsize_t(layout->len * layout->kind->item_size);
}

PyDoc_STRVAR(sizeof_doc, "__sizeof__($self, /)\n--\n\n"
                         "Return the bytes of the handle and of the shared memory.");

static PyObject *array_sizeof(PyObject *self, PyObject *unused)
{
    return PyLong_FromSize_t((size_t)Py_TYPE(self)->tp_basicsize +
                             sobj_array_bytes(sobj_handle_core(self)));
}

/* ---- copies */

PyDoc_STRVAR(
    copy_doc,
    "copy($self, /)\n--\n\n"
    "Return a new SharedArray with the same items, each of a moment of its own.");
PyDoc_STRVAR(shallow_copy_doc, "__copy__($self, /)\n--\n\nThe same as copy().");
PyDoc_STRVAR(
    deepcopy_doc,
    "__deepcopy__($self, memo, /)\n--\n\nThe same as copy(): items are numbers.");

static PyObject *array_copy(PyObject *self, PyObject *unused)
{
    return sobj_array_part(self, 0, 1, (size_t)array_length(self));
}

static PyObject *array_deepcopy(PyObject *self, PyObject *memo)
{
    PyObject *copy = NULL;
    int result = sobj_deepcopy_first(self, memo, &copy);

    return result == 0 ? array_copy(self, NULL) : copy;
}

/* ---- making one */

/* Returns: what items of that typecode are, or NULL with an exception. */
static const struct sobj_array_kind *find_kind(PyObject *typecode)
{
    const struct sobj_array_kind *kind = NULL;
    Py_UCS4 letter;

    if (!PyUnicode_Check(typecode)) {
        PyErr_Format(PyExc_TypeError,
                     "SharedArray(): the typecode is a str of one letter, not %.200s",
                     Py_TYPE(typecode)->tp_name);
        return NULL;
    }
    if (PyUnicode_GetLength(typecode) == 1) {
        letter = PyUnicode_ReadChar(typecode, 0);
        kind = letter < 128 ? sobj_array_kind((char)letter) : NULL;
    }
    if (kind == NULL)
        PyErr_Format(
            PyExc_ValueError,
            "SharedArray(): there is no typecode %R: use one of b B h H i I l L "
            "q Q for ints, f d for floats",
            typecode);
    return kind;
}

/* Returns: a new core, or NULL with an exception. */
static struct sobj_object *make_zeros(const struct sobj_array_kind *kind, PyObject *obj)
{
    Py_ssize_t n = PyNumber_AsSsize_t(obj, PyExc_OverflowError);
    struct sobj_object *core = NULL;

    if (n == -1 && PyErr_Occurred())
        return NULL;
    if (n < 0)
        PyErr_SetString(PyExc_ValueError,
                        "SharedArray(): the number of items must not be negative");
    else if (sobj_array_new(kind, (size_t)n, NULL, &core) != SOBJ_OK)
        PyErr_NoMemory();
    return core;
}

static struct sobj_object *make_filled(const struct sobj_array_kind *kind,
                                       PyObject *source)
{
    struct sobj_object *core = NULL;
    struct sobj_array_items items;

    if (sobj_array_collect(kind, source, &items) == 0 &&
        sobj_array_new(kind, items.count, items.data, &core) != SOBJ_OK)
        PyErr_NoMemory();
    sobj_array_items_fini(&items);
    return core;
}

static PyObject *array_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    struct sobj_state *state = sobj_state_of_type(type);
    const struct sobj_array_kind *kind;
    struct sobj_object *core = NULL;
    PyObject *typecode, *source;

    if (state == NULL)
        return NULL;
    if (keywords != NULL && PyDict_GET_SIZE(keywords) != 0) {
        PyErr_SetString(PyExc_TypeError, "SharedArray() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_UnpackTuple(args, "SharedArray", 2, 2, &typecode, &source))
        return NULL;
    kind = find_kind(typecode);
    if (kind == NULL)
        return NULL;
    /* What is both, as an array of numpy's may be, is an iterable. */
    if (PyLong_Check(source))
        core = make_zeros(kind, source);
    else if (Py_TYPE(source)->tp_iter != NULL || PySequence_Check(source))
        core = make_filled(kind, source);
    else if (PyIndex_Check(source))
        core = make_zeros(kind, source);
    else
        PyErr_Format(PyExc_TypeError,
                     "SharedArray(): the second argument is a number of items or an "
                     "iterable of them, not %.200s",
                     Py_TYPE(source)->tp_name);
    return core != NULL ? sobj_handle_for(state, core) : NULL;
}

/* ---- type */

PyDoc_STRVAR(
    type_doc,
    "SharedArray(typecode, n_or_iterable, /)\n--\n\n"
    "A fixed number of ints or floats shared by threads and interpreters.\n\n"
    "Typecodes are those of array.array: b B h H i I l L q Q for ints of 1, 2, 4 and "
    "8\n"
    "bytes, signed and unsigned, f and d for floats of 4 and 8. A number makes that "
    "many\n"
    "zeros. Every method on one item is one atomic step; none blocks. `a[i] += 1` is "
    "two\n"
    "steps and loses updates: say a.increment(i). What works on several items is "
    "atomic\n"
    "for each of them: slices, which are new arrays, assignment to slices, iteration,\n"
    "comparison, tolist(), copy(). A number that is no item of the typecode raises\n"
    "OverflowError and changes nothing.\n\n"
    "The array is a writable buffer: memoryview(a) and numpy.asarray(a) are the "
    "shared\n"
    "memory itself, which stays as long as they do. Plain stores through a buffer are\n"
    "not atomic additions; they never tear an item on the machines we know.");
PyDoc_STRVAR(tolist_doc, "tolist($self, /)\n--\n\n"
                         "Return a list of the items, each of a moment of its own.");
PyDoc_STRVAR(
    index_doc,
    "index($self, value, start=0, stop=sys.maxsize, /)\n--\n\n"
    "Return the first index of an item equal to value; ValueError if none is.");
PyDoc_STRVAR(reversed_doc, "__reversed__($self, /)\n--\n\n"
                           "Return an iterator that begins with the last item.");
PyDoc_STRVAR(count_doc, "count($self, value, /)\n--\n\n"
                        "Return how many items are equal to value.");

#define FUNCTION(f) (PyCFunction)(void (*)(void))(f)
#define KEYWORDS METH_FASTCALL | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"exchange", FUNCTION(array_exchange), METH_FASTCALL, exchange_doc},
    {"compare_and_set", FUNCTION(array_compare_and_set), KEYWORDS, compare_and_set_doc},
    {"increment", FUNCTION(array_increment), KEYWORDS, increment_doc},
    {"decrement", FUNCTION(array_decrement), KEYWORDS, decrement_doc},
    {"fetch_max", FUNCTION(array_fetch_max), METH_FASTCALL, fetch_max_doc},
    {"fetch_min", FUNCTION(array_fetch_min), METH_FASTCALL, fetch_min_doc},
    {"tolist", sobj_array_tolist, METH_NOARGS, tolist_doc},
    {"index", FUNCTION(sobj_array_index), METH_FASTCALL, index_doc},
    {"count", sobj_array_count, METH_O, count_doc},
    {"copy", array_copy, METH_NOARGS, copy_doc},
    {"__reversed__", sobj_array_reversed, METH_NOARGS, reversed_doc},
    {"__copy__", array_copy, METH_NOARGS, shallow_copy_doc},
    {"__deepcopy__", array_deepcopy, METH_O, deepcopy_doc},
    {"__sizeof__", array_sizeof, METH_NOARGS, sizeof_doc},
    SOBJ_HANDLE_METHODS,
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, item, /)\n--\n\nSharedArray[T] for typing.")},
     {NULL},
    };

static PyGetSetDef getset[] = {
    {"typecode", get_typecode, NULL, PyDoc_STR("The letter it was made with."), NULL},
     {"itemsize", get_itemsize, NULL, PyDoc_STR("Bytes of one item."), NULL},
      {"nbytes", get_nbytes, NULL, PyDoc_STR("Bytes of all items."), NULL},
       SOBJ_HANDLE_GETSET, {NULL},
     };

static PyType_Slot slots[] = {
    SOBJ_HANDLE_SLOTS(sobj_handle_dealloc, sobj_handle_traverse),
    {Py_tp_new, array_new},
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_repr, sobj_array_repr},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_richcompare, sobj_array_richcompare},
    {Py_tp_iter, sobj_array_iter},
    {Py_sq_length, array_length},
    {Py_sq_item, array_item},
    {Py_sq_contains, sobj_array_contains},
    {Py_mp_length, array_length},
    {Py_mp_subscript, array_subscript},
    {Py_mp_ass_subscript, array_ass_subscript},
    {Py_bf_getbuffer, array_getbuffer},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "sharedobj.SharedArray",
    .basicsize = sizeof(SobjHandle),
    .flags = SOBJ_HANDLE_FLAGS | Py_TPFLAGS_SEQUENCE,
    .slots = slots,
};

int sobj_array_exec(PyObject *module, struct sobj_state *state)
{
    if (sobj_array_iter_exec(module, state) < 0)
        return -1;
    return sobj_handle_add_type(module, state, SOBJ_TYPE_ARRAY, &spec);
}
