/* SPDX-License-Identifier: MIT */
/* Iterators over a SharedArray, forward and backward: an index into it. (Those that CPython
 * has for any sequence may be used by one thread only on free-threaded builds.) */
#include "array_type.h"

#include "convert.h"
#include "errors.h"

typedef struct {
    PyObject_HEAD
    /* const */
    PyObject *array;
    const struct sobj_array_layout *layout; /* of the array */
    Py_ssize_t step;                        /* 1 or -1 */
    struct sobj_mutex mutex;
    Py_ssize_t index; /* of the next item; guarded by the mutex */
} ArrayIter;

static void iter_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    Py_XDECREF(((ArrayIter *)op)->array);
    type->tp_free(op);
    Py_DECREF(type);
}

static int iter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((ArrayIter *)op)->array);
    return 0;
}

/* Returns: the index of the next item, which is taken if `take`; -1 at the end. */
static inline Py_ssize_t next_index(ArrayIter *self, bool take)
{
    Py_ssize_t index;

    sobj_mutex_lock(&self->mutex);
    index = self->index < self->layout->len ? self->index : -1;
    if (take && index >= 0)
        self->index += self->step;
    sobj_mutex_unlock(&self->mutex);
    return index;
}

static inline PyObject *item_at(ArrayIter *self, Py_ssize_t index)
{
    return sobj_array_object(
        self->layout->kind,
        sobj_array_get(sobj_handle_core(self->array), (size_t)index));
}

static PyObject *iter_next(PyObject *op)
{
    ArrayIter *self = (ArrayIter *)op;
    Py_ssize_t index = next_index(self, true);

    return index < 0 ? NULL : item_at(self, index);
}

/* Returns: how many items are still to come. */
static Py_ssize_t rest_of(ArrayIter *self, Py_ssize_t *index)
{
    *index = next_index(self, false);
    if (*index < 0)
        return 0;
    return self->step > 0 ? self->layout->len - *index : *index + 1;
}

PyDoc_STRVAR(length_hint_doc, "__length_hint__($self, /)\n--\n\n"
                              "Return how many items are still to come.");

static PyObject *iter_length_hint(PyObject *op, PyObject *unused)
{
    Py_ssize_t index;

    return PyLong_FromSsize_t(rest_of((ArrayIter *)op, &index));
}

PyDoc_STRVAR(reduce_doc,
             "__reduce__($self, /)\n--\n\n"
             "Return what pickles the iterator: a list of what is still to come.");

static PyObject *iter_reduce(PyObject *op, PyObject *unused)
{
    ArrayIter *self = (ArrayIter *)op;
    PyObject *builtins = PyImport_ImportModule("builtins"), *iter = NULL, *list = NULL;
    Py_ssize_t index, count;

    if (builtins != NULL)
        iter = PyObject_GetAttrString(builtins, "iter");
    Py_XDECREF(builtins);
    if (iter == NULL)
        return NULL;
    count = rest_of(self, &index);
    list = sobj_plain_list((size_t)count);
    for (Py_ssize_t k = 0; k < count && list != NULL; k++) {
        PyObject *item = item_at(self, index + k * self->step);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, k, item);
    }
    if (list == NULL) {
        Py_DECREF(iter);
        return NULL;
    }
    return Py_BuildValue("N(N)", iter, list);
}

static PyMethodDef iter_methods[] = {
    {"__length_hint__", iter_length_hint, METH_NOARGS, length_hint_doc},
    {"__reduce__", iter_reduce, METH_NOARGS, reduce_doc},
    {NULL},
};

PyDoc_STRVAR(iter_doc, "Iterator over a SharedArray, forward or backward.");

static PyType_Slot iter_slots[] = {
    {Py_tp_dealloc, iter_dealloc},
    {Py_tp_traverse, iter_traverse},
    {Py_tp_doc, (void *)iter_doc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iter_next},
    {Py_tp_methods, iter_methods},
    {0, NULL},
};

static PyType_Spec iter_spec = {
    .name = "sharedobj._ArrayIterator",
    .basicsize = sizeof(ArrayIter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iter_slots,
};

static PyObject *new_iterator(PyObject *array, Py_ssize_t index, Py_ssize_t step)
{
    PyTypeObject *type = (PyTypeObject *)((SobjHandle *)array)->state->array_iterator;
    ArrayIter *self;

    if (type == NULL)
        return sobj_raise_unloaded();
    self = (ArrayIter *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->array = Py_NewRef(array);
    self->layout = sobj_array_of(array);
    self->index = index;
    self->step = step;
    return (PyObject *)self;
}

PyObject *sobj_array_iter(PyObject *self) { return new_iterator(self, 0, 1); }

PyObject *sobj_array_reversed(PyObject *self, PyObject *unused)
{
    return new_iterator(self, sobj_array_of(self)->len - 1, -1);
}

int sobj_array_iter_exec(PyObject *module, struct sobj_state *state)
{
    state->array_iterator = PyType_FromModuleAndSpec(module, &iter_spec, NULL);
    return state->array_iterator != NULL ? 0 : -1;
}
