/* SPDX-License-Identifier: MIT */
/* The type SharedList: single items. Iterators are in list_iter.c, slices in
 * list_slices.c, what looks for values in list_search.c, what concerns the list as a
 * whole in list_whole.c, sort() in list_sort.c. */
#include "list_type.h"

#include "args.h"
#include "dict_type.h"
#include "errors.h"

/* The messages that list has: programs look for them. */
#define OUT_OF_RANGE "list index out of range"

/* ---- reading */

#ifndef Py_GIL_DISABLED
PyObject *sobj_list_item_slow(SobjHandle *self, int64_t index, sobj_cell cell)
{
    bool wanted = sobj_is_blob(cell) &&
                  sobj_ready_join(self->state, &((ListHandle *)self)->reader, 1) &&
                  sobj_ready_wants(self->state, cell);
    struct sobj_kept_out out;
    PyObject *item;

    sobj_kept_out_init(&out, self->state, wanted ? cell : SOBJ_NO_CELL);
    if (sobj_list_get(self->core, index, &out.value.out) != SOBJ_OK)
        return NULL;
    item = sobj_value_out_finish(&out.value);
    if (out.kept)
        sobj_ready_keep(self->state, cell, item);
    return item;
}
#endif

static PyObject *or_error(PyObject *item)
{
    if (item == NULL && !PyErr_Occurred())
        PyErr_SetString(PyExc_IndexError, OUT_OF_RANGE);
    return item;
}

static __attribute__((noinline)) int index_slow(PyObject *object, int64_t *index)
{
    Py_ssize_t i = PyNumber_AsSsize_t(object, PyExc_IndexError);

    *index = i;
    return i == -1 && PyErr_Occurred() ? -1 : 0;
}

/* Returns: 0; -1 with an exception. */
static inline int index_of(PyObject *object, int64_t *index)
{
    if (PyLong_CheckExact(object) &&
        PyUnstable_Long_IsCompact((PyLongObject *)object)) {
        *index = PyUnstable_Long_CompactValue((PyLongObject *)object);
        return 0;
    }
    return index_slow(object, index);
}

static PyObject *not_an_index(PyObject *object)
{
    PyErr_Format(PyExc_TypeError, "list indices must be integers or slices, not %.200s",
                 Py_TYPE(object)->tp_name);
    return NULL;
}

static __attribute__((noinline)) PyObject *subscript_slow(PyObject *self,
                                                          PyObject *item)
{
    int64_t index;

    if (__builtin_expect(PyLong_CheckExact(item) || PyIndex_Check(item), 1))
        return index_of(item, &index) < 0
                   ? NULL
                   : or_error(sobj_list_item_looked((SobjHandle *)self, index));
    if (PySlice_Check(item))
        return sobj_list_get_slice((SobjHandle *)self, item);
    return not_an_index(item);
}

/* Apart from the rest, so that it needs no registers for that. */
static PyObject *list_subscript(PyObject *self, PyObject *item)
{
    PyObject *ready = NULL;

    if (PyLong_CheckExact(item) && PyUnstable_Long_IsCompact((PyLongObject *)item))
        ready = sobj_shelf_get((ListHandle *)self,
                               PyUnstable_Long_CompactValue((PyLongObject *)item));
    return ready != NULL ? ready : subscript_slow(self, item);
}

/* For C code that asks by number: an index below 0 has had the length added. */
static PyObject *list_item(PyObject *self, Py_ssize_t index)
{
    return or_error(sobj_list_item((SobjHandle *)self, index < 0 ? INT64_MAX : index));
}

static Py_ssize_t list_length(PyObject *self)
{
    return (Py_ssize_t)sobj_list_len(sobj_handle_core(self));
}

/* ---- changing one item */

PyObject *sobj_list_raise(SobjHandle *self, enum sobj_status status,
                          const char *out_of_range)
{
    switch (status) {
    case SOBJ_NOT_FOUND:
        PyErr_SetString(PyExc_IndexError, out_of_range);
        return NULL;
    case SOBJ_FULL:
        PyErr_SetString(PyExc_MemoryError, "a SharedList holds less than 2**40 items");
        return NULL;
    default:
        return sobj_raise(self->state, status);
    }
}

PyObject *sobj_list_none(SobjHandle *self, enum sobj_status status)
{
    if (status != SOBJ_OK)
        return sobj_list_raise(self, status, OUT_OF_RANGE);
    Py_RETURN_NONE;
}

/* Stores, or deletes if `value` is NULL. Returns: 0; -1 with an exception. */
static int store(SobjHandle *self, int64_t index, PyObject *value)
{
    enum sobj_status status;
    sobj_cell cell;

    if (value == NULL) {
        status = sobj_list_delete(self->core, index);
    } else {
        if (sobj_encode(self->state, value, &cell) < 0)
            return -1;
        status = sobj_list_set(self->core, index, cell);
    }
    if (status == SOBJ_OK)
        return 0;
    sobj_list_raise(self, status, "list assignment index out of range");
    return -1;
}

static int list_ass_subscript(PyObject *self, PyObject *item, PyObject *value)
{
    int64_t index;

    if (PyIndex_Check(item))
        return index_of(item, &index) < 0 ? -1
                                          : store((SobjHandle *)self, index, value);
    if (PySlice_Check(item))
        return sobj_list_set_slice((SobjHandle *)self, item, value);
    not_an_index(item);
    return -1;
}

static int list_ass_item(PyObject *self, Py_ssize_t index, PyObject *value)
{
    return store((SobjHandle *)self, index < 0 ? INT64_MAX : index, value);
}

PyDoc_STRVAR(append_doc,
             "append($self, value, /)\n--\n\n"
             "Append value. Atomic: of several callers none loses anything.");

static PyObject *list_append(PyObject *op, PyObject *value)
{
    SobjHandle *self = (SobjHandle *)op;
    sobj_cell cell;

    if (sobj_encode(self->state, value, &cell) < 0)
        return NULL;
    return sobj_list_none(self, sobj_list_push(self->core, cell, NULL));
}

PyDoc_STRVAR(push_doc,
             "push($self, value, /)\n--\n\n"
             "Append value and return its index. Atomic: no two callers get the same\n"
             "index, as long as nobody removes something.");

static PyObject *list_push(PyObject *op, PyObject *value)
{
    SobjHandle *self = (SobjHandle *)op;
    enum sobj_status status;
    uint64_t index;
    sobj_cell cell;

    if (sobj_encode(self->state, value, &cell) < 0)
        return NULL;
    status = sobj_list_push(self->core, cell, &index);
    return status == SOBJ_OK ? PyLong_FromUnsignedLongLong(index)
                             : sobj_list_raise(self, status, OUT_OF_RANGE);
}

PyDoc_STRVAR(
    insert_doc,
    "insert($self, index, value, /)\n--\n\n"
    "Insert value before index, which is brought into the list's range.\n\n"
    "Atomic: others see the list before or after it. Takes time in proportion\n"
    "to the length, during which writers wait, but no reader.");

static PyObject *list_insert(PyObject *op, PyObject *const *args, Py_ssize_t count)
{
    SobjHandle *self = (SobjHandle *)op;
    Py_ssize_t index;
    sobj_cell cell;

    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "insert expected 2 arguments, got %zd",
                            count);
    index = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    if ((index == -1 && PyErr_Occurred()) ||
        sobj_encode(self->state, args[1], &cell) < 0)
        return NULL;
    return sobj_list_none(self, sobj_list_insert(self->core, index, cell));
}

/* Takes out a value that the core leaves to us, as it might be one that cannot be made
 * here: it is made first, and goes only if it is still there. `desired` takes its place;
 * NO_CELL: the item is deleted. Consumes: `desired`.
 * Returns: the value; NULL with an exception, or without one if it is another by now. */
static PyObject *take_made(SobjHandle *self, int64_t index, sobj_cell desired)
{
    struct sobj_out out = {.cell = SOBJ_NO_CELL, .take = sobj_out_ref};
    enum sobj_status status = sobj_list_get(self->core, index, &out);
    PyObject *value = NULL;

    if (status == SOBJ_OK)
        value = sobj_decode(self->state, out.cell);
    if (value == NULL) {
        sobj_cell_unref(desired);
    } else {
        status = desired == SOBJ_NO_CELL
                     ? sobj_list_delete_if(self->core, index, out.cell)
                     : sobj_list_compare_and_set(self->core, index, out.cell, desired);
        if (status != SOBJ_OK)
            Py_CLEAR(value);
        if (status != SOBJ_OK && status != SOBJ_MISMATCH && status != SOBJ_NOT_FOUND)
            sobj_list_raise(self, status, OUT_OF_RANGE);
    }
    sobj_cell_unref(out.cell);
    return value;
}

PyDoc_STRVAR(
    pop_doc,
    "pop($self, index=-1, /)\n--\n\n"
    "Remove an item and return it; IndexError if there is none.\n\n"
    "Atomic: one caller gets the item. The last one costs some nanoseconds,\n"
    "others time in proportion to the length. An item that cannot be made here\n"
    "(UnresolvedError) stays.");

static PyObject *list_pop(PyObject *op, PyObject *const *args, Py_ssize_t count)
{
    SobjHandle *self = (SobjHandle *)op;
    enum sobj_status status;
    struct sobj_value_out out;
    PyObject *value = NULL;
    Py_ssize_t index = -1;

    if (count > 1)
        return PyErr_Format(PyExc_TypeError, "pop expected at most 1 argument, got %zd",
                            count);
    if (count == 1) {
        index = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
        if (index == -1 && PyErr_Occurred())
            return NULL;
    }
    do {
        sobj_value_out_init(&out, self->state);
        status = sobj_list_pop(self->core, index, &out.out);
        if (status == SOBJ_BAD_OPERAND)
            value = take_made(self, index, SOBJ_NO_CELL);
    } while (status == SOBJ_BAD_OPERAND && value == NULL && !PyErr_Occurred());
    if (status == SOBJ_OK)
        return sobj_value_out_finish(&out);
    if (status == SOBJ_EMPTY)
        PyErr_SetString(PyExc_IndexError, "pop from empty list");
    else if (status != SOBJ_BAD_OPERAND)
        sobj_list_raise(self, status, "pop index out of range");
    return value;
}

/* ---- exchange, compare_and_set, increment */

PyDoc_STRVAR(exchange_doc,
             "exchange($self, /, index, value)\n--\n\n"
             "Store value at index and return what was there before.\n\n"
             "Atomic: every value that was ever stored is returned once.");

/* The same for a value that the core leaves to us. Returns: the value, or NULL with an
 * exception. */
static PyObject *exchange_made(SobjHandle *self, int64_t index, PyObject *desired)
{
    enum sobj_status status = SOBJ_BAD_OPERAND;
    struct sobj_value_out out;
    PyObject *value = NULL;
    sobj_cell cell;

    if (sobj_encode(self->state, desired, &cell) < 0)
        return NULL;
    while (status == SOBJ_BAD_OPERAND) {
        sobj_cell_ref(cell);
        value = take_made(self, index, cell);
        if (value != NULL || PyErr_Occurred())
            break;
        sobj_value_out_init(&out, self->state);
        sobj_cell_ref(cell);
        status = sobj_list_exchange(self->core, index, cell, &out.out);
    }
    sobj_cell_unref(cell);
    if (status == SOBJ_OK)
        return sobj_value_out_finish(&out);
    return status == SOBJ_BAD_OPERAND ? value
                                      : sobj_list_raise(self, status, OUT_OF_RANGE);
}

static PyObject *list_exchange(PyObject *op, PyObject *const *args, Py_ssize_t count,
                               PyObject *keywords)
{
    static const char *const names[] = {"index", "value", NULL};
    static const struct sobj_signature signature = {"exchange", names, 2, 2};
    SobjHandle *self = (SobjHandle *)op;
    enum sobj_status status;
    struct sobj_value_out out;
    PyObject *given[2];
    int64_t index;
    sobj_cell cell;

    if (sobj_args(&signature, args, count, keywords, given) < 0 ||
        index_of(given[0], &index) < 0 || sobj_encode(self->state, given[1], &cell) < 0)
        return NULL;
    sobj_value_out_init(&out, self->state);
    status = sobj_list_exchange(self->core, index, cell, &out.out);
    if (status == SOBJ_OK)
        return sobj_value_out_finish(&out);
    return status == SOBJ_BAD_OPERAND ? exchange_made(self, index, given[1])
                                      : sobj_list_raise(self, status, OUT_OF_RANGE);
}

PyDoc_STRVAR(
    compare_and_set_doc,
    "compare_and_set($self, /, index, expected, desired)\n--\n\n"
    "If the value at index is the same as expected, replace it by desired;\n"
    "return whether that was done.\n\n"
    "The same value is one of the same type and content, bit for bit: 1 is not\n"
    "True, 0.0 is not -0.0, a NaN is itself.");

static PyObject *list_compare_and_set(PyObject *op, PyObject *const *args,
                                      Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"index", "expected", "desired", NULL};
    static const struct sobj_signature signature = {"compare_and_set", names, 3, 3};
    SobjHandle *self = (SobjHandle *)op;
    enum sobj_status status;
    sobj_cell expected, desired;
    PyObject *given[3];
    int64_t index;

    if (sobj_args(&signature, args, count, keywords, given) < 0 ||
        index_of(given[0], &index) < 0 ||
        sobj_encode(self->state, given[1], &expected) < 0)
        return NULL;
    if (sobj_encode(self->state, given[2], &desired) < 0) {
        sobj_cell_unref(expected);
        return NULL;
    }
    status = sobj_list_compare_and_set(self->core, index, expected, desired);
    sobj_cell_unref(expected);
    if (status == SOBJ_OK || status == SOBJ_MISMATCH)
        return PyBool_FromLong(status == SOBJ_OK);
    return sobj_list_raise(self, status, OUT_OF_RANGE);
}

PyDoc_STRVAR(
    increment_doc,
    "increment($self, /, index, n=1)\n--\n\n"
    "Add n to the number at index and return the sum.\n\n"
    "Atomic, where l[index] += n loses updates. For int and float, of any size;\n"
    "lock-free for ints of 61 bits and most floats.");

/* One attempt to add where the core cannot: numbers that need a blob, or bools.
 * Returns: the sum; NULL with an exception, or without one: the value has changed. */
static PyObject *add_attempt(SobjHandle *self, int64_t index, PyObject *n)
{
    struct sobj_out out = {.cell = SOBJ_NO_CELL, .take = sobj_out_ref};
    enum sobj_status status = sobj_list_get(self->core, index, &out);
    PyObject *old = NULL, *sum = NULL;
    sobj_cell desired;

    if (status != SOBJ_OK)
        return sobj_list_raise(self, status, OUT_OF_RANGE);
    old = sobj_decode(self->state, out.cell);
    if (old != NULL && !PyLong_Check(old) && !PyFloat_CheckExact(old))
        PyErr_Format(PyExc_TypeError,
                     "increment: the value at %lld is a %s; only int and float have "
                     "atomic increments (an AtomicInt has an increment() of its own; "
                     "use compare_and_set for others)",
                     (long long)index, Py_TYPE(old)->tp_name);
    else if (old != NULL)
        sum = PyNumber_Add(old, n);
    if (sum != NULL && sobj_encode(self->state, sum, &desired) < 0)
        Py_CLEAR(sum);
    if (sum != NULL) {
        status = sobj_list_compare_and_set(self->core, index, out.cell, desired);
        if (status != SOBJ_OK)
            Py_CLEAR(sum);
        if (status != SOBJ_OK && status != SOBJ_MISMATCH)
            sobj_list_raise(self, status, OUT_OF_RANGE);
    }
    Py_XDECREF(old);
    sobj_cell_unref(out.cell);
    return sum;
}

static PyObject *list_increment(PyObject *op, PyObject *const *args, Py_ssize_t count,
                                PyObject *keywords)
{
    static const char *const names[] = {"index", "n", NULL};
    static const struct sobj_signature signature = {"increment", names, 1, 2};
    SobjHandle *self = (SobjHandle *)op;
    enum sobj_status status = SOBJ_BAD_OPERAND;
    PyObject *given[2] = {NULL, NULL}, *n, *result = NULL;
    sobj_cell by, sum;
    int64_t index;

    if (sobj_args(&signature, args, count, keywords, given) < 0 ||
        index_of(given[0], &index) < 0)
        return NULL;
    n = sobj_dict_number_of("increment: n", given[1], 1);
    if (n == NULL)
        return NULL;
    if (sobj_encode_fast(n, &by))
        status = sobj_list_increment(self->core, index, by, &sum);
    if (status == SOBJ_OK) {
        result = sobj_decode(self->state, sum);
    } else if (status == SOBJ_BAD_OPERAND || status == SOBJ_OVERFLOW) {
        while (result == NULL && !PyErr_Occurred())
            result = add_attempt(self, index, n);
    } else {
        sobj_list_raise(self, status, OUT_OF_RANGE);
    }
    Py_DECREF(n);
    return result;
}

/* ---- size */

PyDoc_STRVAR(sizeof_doc, "__sizeof__($self, /)\n--\n\n"
                         "Return the bytes of the handle with its ready objects' "
                         "places and of the\nshared list, without values.");

static PyObject *list_sizeof(PyObject *self, PyObject *unused)
{
    return PyLong_FromSize_t((size_t)Py_TYPE(self)->tp_basicsize +
                             sobj_shelf_bytes((ListHandle *)self) +
                             sobj_list_bytes(sobj_handle_core(self)));
}

static PyObject *list_nbytes(PyObject *self, void *closure)
{
    return PyLong_FromSize_t(sobj_list_bytes(sobj_handle_core(self)));
}

/* ---- the type */

PyObject *sobj_list_new_handle(struct sobj_state *state)
{
    struct sobj_object *core;

    if (sobj_list_new(0, &core) != SOBJ_OK)
        return PyErr_NoMemory();
    return sobj_handle_for(state, core);
}

static PyObject *list_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    struct sobj_state *state = sobj_state_of_type(type);

    return state != NULL ? sobj_list_new_handle(state) : NULL;
}

/* As for a list, a further call replaces the content. */
static int list_init(PyObject *op, PyObject *args, PyObject *keywords)
{
    PyObject *source = NULL, *done;

    if (keywords != NULL && PyDict_GET_SIZE(keywords) != 0) {
        PyErr_SetString(PyExc_TypeError, "SharedList() takes no keyword arguments");
        return -1;
    }
    if (!PyArg_UnpackTuple(args, "SharedList", 0, 1, &source))
        return -1;
    if (list_length(op) != 0)
        done = source != NULL ? sobj_list_replace_all(op, source)
                              : sobj_list_empty(op, NULL);
    else
        done = source != NULL ? sobj_list_add_all(op, source) : Py_NewRef(Py_None);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

PyDoc_STRVAR(
    type_doc,
    "SharedList(iterable=(), /)\n--\n\n"
    "A list shared by threads and interpreters.\n\n"
    "It behaves as list does. Every method is one atomic step, on one item or on all:\n"
    "extend(), insert(), sort(), reverse(), the assignment and deletion of slices are\n"
    "seen done or not begun. l[i], len(), iteration, l[i] = v, compare_and_set() and\n"
    "increment() take no lock. Operations that move items cost time in proportion to\n"
    "the length; writers wait for them, readers never. Values go in and out by value,\n"
    "or are handles of shared objects; what is not shareable raises NotShareableError\n"
    "and changes nothing. An iterator is an index into the list as it is at each "
    "step.\n"
    "What compares or looks for values reads item by item; snapshot(), copy(), "
    "slices,\n"
    "replace(), clear() and freeze() are one moment for all.\n\n"
    "Note: l[i] += 1 is a read and a write, as on every list, and loses updates when\n"
    "others do the same. Use l.increment(i).");

static PyMethodDef list_methods[] = {
    {"append", list_append, METH_O, append_doc},
    {"push", list_push, METH_O, push_doc},
    {"insert", (PyCFunction)(void (*)(void))list_insert, METH_FASTCALL, insert_doc},
    {"pop", (PyCFunction)(void (*)(void))list_pop, METH_FASTCALL, pop_doc},
    {"exchange", (PyCFunction)(void (*)(void))list_exchange,
     METH_FASTCALL | METH_KEYWORDS, exchange_doc},
    {"compare_and_set", (PyCFunction)(void (*)(void))list_compare_and_set,
     METH_FASTCALL | METH_KEYWORDS, compare_and_set_doc},
    {"increment", (PyCFunction)(void (*)(void))list_increment,
     METH_FASTCALL | METH_KEYWORDS, increment_doc},
    {"sort", (PyCFunction)(void (*)(void))sobj_list_sort, METH_FASTCALL | METH_KEYWORDS,
     sobj_list_sort_doc},
    {"__reversed__", sobj_list_reversed, METH_NOARGS, sobj_list_reversed_doc},
    {"__sizeof__", list_sizeof, METH_NOARGS, sizeof_doc},
    SOBJ_LIST_SEARCH_METHODS,
    SOBJ_LIST_WHOLE_METHODS,
    SOBJ_HANDLE_METHODS,
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, item, /)\n--\n\nSharedList[T] for typing.")},
     {NULL},
    };

static PyGetSetDef list_getset[] = {
    SOBJ_HANDLE_GETSET,
    {"nbytes", list_nbytes, NULL,
     PyDoc_STR("Bytes of the shared list, without values."), NULL},
     {"frozen", sobj_list_get_frozen, NULL,
      PyDoc_STR("Whether freeze() has made the list read-only."), NULL},
      {NULL},
    };

static void list_fini(SobjHandle *self)
{
    sobj_shelf_fini((ListHandle *)self);
    sobj_ready_leave(self->state, ((ListHandle *)self)->reader);
}

static void list_dealloc(PyObject *self) { sobj_handle_dealloc_with(self, list_fini); }

static PyType_Slot list_slots[] = {
    SOBJ_HANDLE_SLOTS(list_dealloc, sobj_handle_traverse),
    {Py_tp_new, list_new},
    {Py_tp_init, list_init},
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_methods, list_methods},
    {Py_tp_getset, list_getset},
    {Py_tp_repr, sobj_list_repr},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_richcompare, sobj_list_richcompare},
    {Py_tp_iter, sobj_list_iter},
    {Py_sq_length, list_length},
    {Py_sq_item, list_item},
    {Py_sq_ass_item, list_ass_item},
    {Py_sq_contains, sobj_list_contains},
    {Py_mp_length, list_length},
    {Py_mp_subscript, list_subscript},
    {Py_mp_ass_subscript, list_ass_subscript},
    SOBJ_LIST_OPERATOR_SLOTS,
    {0, NULL},
};

static PyType_Spec list_spec = {
    .name = "sharedobj.SharedList",
    .basicsize = sizeof(ListHandle),
    .flags = SOBJ_HANDLE_FLAGS | Py_TPFLAGS_SEQUENCE,
    .slots = list_slots,
};

int sobj_list_exec(PyObject *module, struct sobj_state *state)
{
    if (sobj_handle_add_type(module, state, SOBJ_TYPE_LIST, &list_spec) < 0)
        return -1;
    return sobj_list_iter_exec(module, state);
}
