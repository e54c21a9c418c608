/* SPDX-License-Identifier: MIT */
/* Iterators over SharedList, forward and backward: an index into the list as it is at
 * each step. One that has once been at the end stays there, as those of list do. */
#include "list_type.h"

#include "errors.h"

typedef struct {
    PyObject_HEAD
    SobjHandle *list; /* const; NULL with the GIL once the iterator is exhausted */
    int64_t step;     /* const: 1 or -1 */
    int64_t index;    /* of the next item; below 0: there is none */
} ListIter;

/* Free-threaded, threads that use one iterator may get an item twice or miss one, as with
 * those of list; each of them is there while it is shown. */
static inline int64_t index_load(ListIter *self)
{
    /* Relaxed: a number that promises nothing, checked when it is used. */
    return __atomic_load_n(&self->index, __ATOMIC_RELAXED);
}

static inline void index_store(ListIter *self, int64_t index)
{
    __atomic_store_n(&self->index, index, __ATOMIC_RELAXED); /* Relaxed: as above. */
}

static void iter_dealloc(PyObject *op)
{
    ListIter *self = (ListIter *)op;
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    Py_CLEAR(self->list);
    type->tp_free(op);
    Py_DECREF(type);
}

static int iter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((ListIter *)op)->list);
    return 0;
}

/* At its end the iterator lets go of the list, where no other thread can be using it. */
static PyObject *exhausted(ListIter *self)
{
    index_store(self, -1);
#ifndef Py_GIL_DISABLED
    Py_CLEAR(self->list);
#endif
    return NULL;
}

static __attribute__((noinline)) PyObject *next_slow(ListIter *self, int64_t index)
{
    PyObject *item = sobj_list_item_looked(self->list, index);

    if (item != NULL || PyErr_Occurred())
        index_store(self, index + self->step);
    else
        exhausted(self);
    return item;
}

/* Apart from the rest, so that it needs no registers for that. */
static PyObject *iter_next(PyObject *op)
{
    ListIter *self = (ListIter *)op;
    int64_t index = index_load(self);
    PyObject *ready;

    if (index < 0)
        return NULL;
    ready = sobj_shelf_get((const ListHandle *)self->list, index);
    if (ready == NULL)
        return next_slow(self, index);
    index_store(self, index + self->step);
    return ready;
}

PyDoc_STRVAR(length_hint_doc,
             "__length_hint__($self, /)\n--\n\n"
             "Return how many items are still to come, as the list is now.");

static PyObject *iter_length_hint(PyObject *op, PyObject *unused)
{
    ListIter *self = (ListIter *)op;
    int64_t index = index_load(self), len = 0;

    if (index >= 0)
        len = (int64_t)sobj_list_len(self->list->core);
    if (self->step > 0)
        len = len > index ? len - index : 0;
    else
        len = len > index ? index + 1 : 0;
    return PyLong_FromLongLong(index >= 0 ? len : 0);
}

PyDoc_STRVAR(reduce_doc, "__reduce__($self, /)\n--\n\n"
                         "Return what pickles the iterator: its list and its index.");

static PyObject *iter_reduce(PyObject *op, PyObject *unused)
{
    ListIter *self = (ListIter *)op;
    int64_t index = index_load(self);
    PyObject *list = index >= 0 ? Py_NewRef(self->list) : PyTuple_New(0);
    bool forward = self->step > 0 || index < 0;
    PyObject *builtins, *function = NULL;

    /* From here on other code may run, which may exhaust the iterator. */
    builtins = list != NULL ? PyImport_ImportModule("builtins") : NULL;
    if (builtins != NULL)
        function = PyObject_GetAttrString(builtins, forward ? "iter" : "reversed");
    Py_XDECREF(builtins);
    if (function == NULL) {
        Py_XDECREF(list);
        return NULL;
    }
    return index >= 0 ? Py_BuildValue("N(N)L", function, list, (long long)index)
                      : Py_BuildValue("N(N)", function, list);
}

PyDoc_STRVAR(setstate_doc, "__setstate__($self, index, /)\n--\n\nSet the index.");

static PyObject *iter_setstate(PyObject *op, PyObject *state)
{
    ListIter *self = (ListIter *)op;
    Py_ssize_t index = PyLong_AsSsize_t(state);
    int64_t len;

    if (index == -1 && PyErr_Occurred())
        return NULL;
    if (index_load(self) >= 0) {
        len = (int64_t)sobj_list_len(self->list->core);
        /* Below 0: the first one, going forward; nothing, going backward. */
        if (self->step > 0)
            index = index < 0 ? 0 : index;
        else
            index = index >= len ? (Py_ssize_t)(len - 1) : index < 0 ? -1 : index;
        index_store(self, index);
    }
    Py_RETURN_NONE;
}

static PyMethodDef iter_methods[] = {
    {"__length_hint__", iter_length_hint, METH_NOARGS, length_hint_doc},
    {"__reduce__", iter_reduce, METH_NOARGS, reduce_doc},
    {"__setstate__", iter_setstate, METH_O, setstate_doc},
    {NULL},
};

static PyType_Slot iter_slots[] = {
    {Py_tp_dealloc, iter_dealloc},
    {Py_tp_traverse, iter_traverse},
    {Py_tp_doc, (void *)PyDoc_STR("Iterator over a SharedList, forward or backward.")},
     {Py_tp_iter, PyObject_SelfIter}, {Py_tp_iternext, iter_next},
     {Py_tp_methods, iter_methods}, {0, NULL},
    };

static PyType_Spec iter_spec = {
    .name = "sharedobj._SharedListIterator",
    .basicsize = sizeof(ListIter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iter_slots,
};

static PyObject *new_iterator(PyObject *list, int64_t index, int64_t step)
{
    struct sobj_state *state = ((SobjHandle *)list)->state;
    PyTypeObject *type = (PyTypeObject *)state->list_iterator;
    ListIter *self;

    if (type == NULL)
        return sobj_raise_unloaded();
    self = (ListIter *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->list = (SobjHandle *)Py_NewRef(list);
    self->step = step;
    self->index = index;
    return (PyObject *)self;
}

PyObject *sobj_list_iter(PyObject *self) { return new_iterator(self, 0, 1); }

const char sobj_list_reversed_doc[] =
    PyDoc_STR("__reversed__($self, /)\n--\n\n"
              "Return an iterator that begins with the present last item.");

PyObject *sobj_list_reversed(PyObject *self, PyObject *unused)
{
    int64_t len = (int64_t)sobj_list_len(sobj_handle_core(self));

    return new_iterator(self, len - 1, -1);
}

int sobj_list_iter_exec(PyObject *module, struct sobj_state *state)
{
    state->list_iterator = PyType_FromModuleAndSpec(module, &iter_spec, NULL);
    if (state->list_iterator == NULL)
        return -1;
    return PyModule_AddType(module, (PyTypeObject *)state->list_iterator);
}
