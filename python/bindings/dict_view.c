/* SPDX-License-Identifier: MIT */
/* Views of SharedDict; iterators, which SharedSet has too.
 *
 * A view is the dict and what it shows; what makes two of them sets is in
 * set_algebra.c. An iterator is a walk of the core's; what it shows is decided entry by
 * entry, so it never raises because of other writers.
 */
#include "dict_type.h"
#include "errors.h"
#include "ready.h"
#include "set_algebra.h"

/* ---- iterators */

typedef struct {
    PyObject_HEAD
    struct sobj_state *state; /* const; the type keeps its module */
    enum dict_part part;
    bool ready;              /* const; see ready.h */
    struct sobj_mutex mutex; /* guards the rest on free-threaded builds */
    PyObject *dict;          /* the handle; NULL once the walk has ended */
    struct sobj_dict_iter walk;
    size_t shown;
} DictIter;

static void iter_dealloc(PyObject *op)
{
    DictIter *self = (DictIter *)op;
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    if (self->walk.dict != NULL)
        sobj_dict_iter_fini(&self->walk);
    Py_CLEAR(self->dict);
    type->tp_free(op);
    Py_DECREF(type);
}

static int iter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((DictIter *)op)->dict);
    return 0;
}

static PyObject *pair_of(struct sobj_entry_out *e)
{
    PyObject *key, *value, *pair;

    if (sobj_entry_out_both(e, &key, &value) < 0)
        return NULL;
    pair = PyTuple_New(2);
    if (pair == NULL) {
        Py_DECREF(key);
        Py_DECREF(value);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, key);
    PyTuple_SET_ITEM(pair, 1, value);
    return pair;
}

PyObject *sobj_dict_entry_object(struct sobj_entry_out *e, enum dict_part part)
{
    return part == DICT_KEYS     ? sobj_entry_out_key(e)
           : part == DICT_VALUES ? sobj_entry_out_value(e)
                                 : pair_of(e);
}

/* At its end the iterator lets go of the dict, as that of a dict does.
 *
 * With the GIL there is no mutex, and the core may let go of the GIL in one place: when it
 * has left a segment and before it looks whether that was the last. Another thread then
 * finds a walk that is whole; if it ends it, the core finds an empty walk, which is at
 * its end. */
static PyObject *iter_next(PyObject *op)
{
    DictIter *self = (DictIter *)op;
    PyObject *ended = NULL;
    struct sobj_dict_iter walk;
    struct sobj_entry_out e;
    enum sobj_status status = SOBJ_EMPTY;

    sobj_entry_out_init(&e, self->state, self->part != DICT_VALUES,
                        self->part != DICT_KEYS);
    e.ready = self->ready;
    sobj_mutex_lock(&self->mutex);
    if (self->dict != NULL)
        status = sobj_dict_iter_next(&self->walk, sobj_entry_take, &e);
    if (status == SOBJ_OK) {
        self->shown++;
    } else {
        walk = self->walk;
        ended = self->dict;
        memset(&self->walk, 0, sizeof self->walk);
        self->dict = NULL;
    }
    sobj_mutex_unlock(&self->mutex);
    if (status == SOBJ_OK)
        return sobj_dict_entry_object(&e, self->part);
    if (ended != NULL) {
        sobj_dict_iter_fini(&walk);
        Py_DECREF(ended);
    }
    return NULL;
}

PyDoc_STRVAR(length_hint_doc, "__length_hint__($self, /)\n--\n\n"
                              "Return about how many entries are still to come.");

static PyObject *iter_length_hint(PyObject *op, PyObject *unused)
{
    DictIter *self = (DictIter *)op;
    size_t len = 0;

    sobj_mutex_lock(&self->mutex);
    if (self->dict != NULL)
        len = sobj_dict_len(sobj_handle_core(self->dict));
    len = self->shown < len ? len - self->shown : 0;
    sobj_mutex_unlock(&self->mutex);
    return PyLong_FromSize_t(len);
}

PyDoc_STRVAR(iter_reduce_doc,
             "__reduce__($self, /)\n--\n\n"
             "Return what pickles the iterator: a list of what is still to come.");

/* Returns: a list of what a copy of the walk still shows; NULL with an exception. */
static PyObject *rest_of(DictIter *self)
{
    PyObject *list = PyList_New(0), *object;
    struct sobj_dict_iter walk;
    struct sobj_entry_out e;
    bool more;

    if (list == NULL)
        return NULL;
    sobj_mutex_lock(&self->mutex);
    more = self->dict != NULL;
    if (more)
        sobj_dict_iter_copy(&walk, &self->walk);
    sobj_mutex_unlock(&self->mutex);
    if (!more)
        return list;
    for (;;) {
        sobj_entry_out_init(&e, self->state, self->part != DICT_VALUES,
                            self->part != DICT_KEYS);
        if (sobj_dict_iter_next(&walk, sobj_entry_take, &e) != SOBJ_OK)
            break;
        object = sobj_dict_entry_object(&e, self->part);
        if (object == NULL || PyList_Append(list, object) < 0) {
            Py_XDECREF(object);
            Py_CLEAR(list);
            break;
        }
        Py_DECREF(object);
    }
    sobj_dict_iter_fini(&walk);
    return list;
}

static PyObject *iter_reduce(PyObject *op, PyObject *unused)
{
    PyObject *list = rest_of((DictIter *)op), *builtins, *iter = NULL;

    if (list == NULL)
        return NULL;
    builtins = PyImport_ImportModule("builtins");
    iter = builtins != NULL ? PyObject_GetAttrString(builtins, "iter") : NULL;
    Py_XDECREF(builtins);
    if (iter == NULL)
        Py_DECREF(list);
    return iter != NULL ? Py_BuildValue("N(N)", iter, list) : NULL;
}

static PyMethodDef iter_methods[] = {
    {"__length_hint__", iter_length_hint, METH_NOARGS, length_hint_doc},
    {"__reduce__", iter_reduce, METH_NOARGS, iter_reduce_doc},
    {NULL},
};

PyDoc_STRVAR(
    iter_doc,
    "Iterator over a SharedDict or SharedSet in insertion order, or backward.");

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
    .name = "sharedobj._SharedIterator",
    .basicsize = sizeof(DictIter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iter_slots,
};

bool sobj_dict_joins_ready(PyObject *op)
{
    DictHandle *self = (DictHandle *)op;
    size_t len = sobj_dict_len(self->handle.core);

    return len <= SOBJ_READY_ENTRIES_MAX &&
           sobj_ready_join(self->handle.state, &self->reader, len);
}

static PyObject *new_iterator(PyObject *dict, enum dict_part part,
                              void (*init)(struct sobj_dict_iter *walk,
                                           struct sobj_object *core))
{
    struct sobj_state *state = ((SobjHandle *)dict)->state;
    PyTypeObject *type = (PyTypeObject *)state->dict_iterator;
    DictIter *self;

    if (type == NULL)
        return sobj_raise_unloaded();
    self = (DictIter *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->state = state;
    self->dict = Py_NewRef(dict);
    self->part = part;
    self->ready = sobj_dict_joins_ready(dict);
    init(&self->walk, sobj_handle_core(dict));
    return (PyObject *)self;
}

PyObject *sobj_dict_iterator(PyObject *dict, enum dict_part part)
{
    return new_iterator(dict, part, sobj_dict_iter_init);
}

PyObject *sobj_dict_iterator_backward(PyObject *dict, enum dict_part part)
{
    return new_iterator(dict, part, sobj_dict_iter_init_backward);
}

/* ---- views */

static enum dict_part view_part(PyObject *view)
{
    struct sobj_state *state = ((SobjHandle *)((DictView *)view)->dict)->state;
    PyObject *type = (PyObject *)Py_TYPE(view);

    return type == state->dict_keys     ? DICT_KEYS
           : type == state->dict_values ? DICT_VALUES
                                        : DICT_ITEMS;
}

static void view_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    Py_CLEAR(((DictView *)op)->dict);
    type->tp_free(op);
    Py_DECREF(type);
}

static int view_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((DictView *)op)->dict);
    return 0;
}

static Py_ssize_t view_length(PyObject *op)
{
    return (Py_ssize_t)sobj_dict_len(sobj_handle_core(((DictView *)op)->dict));
}

static PyObject *view_iter(PyObject *op)
{
    return sobj_dict_iterator(((DictView *)op)->dict, view_part(op));
}

/* `name([...])`, as the views of dict. */
static PyObject *view_repr(PyObject *op)
{
    PyObject *list = NULL, *repr = NULL;
    const char *name = strrchr(Py_TYPE(op)->tp_name, '.') + 1;
    int entered = Py_ReprEnter(op);

    if (entered != 0)
        return entered > 0 ? PyUnicode_FromString("...") : NULL;
    list = PySequence_List(op);
    if (list != NULL)
        repr = PyUnicode_FromFormat("%s(%R)", name, list);
    Py_XDECREF(list);
    Py_ReprLeave(op);
    return repr;
}

static int keys_contain(PyObject *op, PyObject *key)
{
    return sobj_dict_has(((DictView *)op)->dict, key);
}

static int values_contain(PyObject *op, PyObject *wanted)
{
    PyObject *iterator = view_iter(op), *value;
    int same = 0;

    if (iterator == NULL)
        return -1;
    while (same == 0 && (value = PyIter_Next(iterator)) != NULL) {
        same = PyObject_RichCompareBool(value, wanted, Py_EQ);
        Py_DECREF(value);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : same;
}

static int items_contain(PyObject *op, PyObject *item)
{
    PyObject *value;
    int same;

    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2)
        return 0;
    value = sobj_dict_lookup((SobjHandle *)((DictView *)op)->dict,
                             PyTuple_GET_ITEM(item, 0));
    if (value == NULL)
        return PyErr_Occurred() ? -1 : 0;
    same = PyObject_RichCompareBool(value, PyTuple_GET_ITEM(item, 1), Py_EQ);
    Py_DECREF(value);
    return same;
}

static PyObject *view_mapping(PyObject *op, void *closure)
{
    return PyDictProxy_New(((DictView *)op)->dict);
}

static PyGetSetDef view_getset[] = {
    {"mapping", view_mapping, NULL,
     PyDoc_STR("A read-only proxy of the SharedDict that this view shows."), NULL},
     {NULL},
};

PyDoc_STRVAR(view_reversed_doc, "__reversed__($self, /)\n--\n\n"
                                "Return an iterator that begins with the last one.");

static PyObject *view_reversed(PyObject *op, PyObject *unused)
{
    return sobj_dict_iterator_backward(((DictView *)op)->dict, view_part(op));
}

#define REVERSED {"__reversed__", view_reversed, METH_NOARGS, view_reversed_doc}

static PyMethodDef values_methods[] = {REVERSED, {NULL}};
static PyMethodDef set_methods[] = {
    REVERSED,
    {"isdisjoint", sobj_sets_isdisjoint, METH_O, sobj_sets_isdisjoint_doc},
    {NULL},
};

/* For values; and for keys and items, which are sets. */
#define NO_SET {Py_tp_methods, values_methods}
#define SET                                                                            \
    {Py_tp_methods, set_methods}, {Py_tp_richcompare, sobj_sets_richcompare},          \
        {Py_tp_hash, PyObject_HashNotImplemented}, {Py_nb_and, sobj_sets_and},         \
        {Py_nb_or, sobj_sets_or}, {Py_nb_xor, sobj_sets_xor},                          \
    {                                                                                  \
        Py_nb_subtract, sobj_sets_subtract                                             \
    }

#define VIEW_SLOTS(view, doc, contain, set)                                            \
    static PyType_Slot view##_slots[] = {                                              \
        {Py_tp_dealloc, view_dealloc},                                                 \
        {Py_tp_traverse, view_traverse},                                               \
        {Py_tp_doc, (void *)(doc)},                                                    \
        {Py_tp_iter, view_iter},                                                       \
        {Py_tp_repr, view_repr},                                                       \
        {Py_sq_length, view_length},                                                   \
        {Py_sq_contains, contain},                                                     \
        {Py_tp_getset, view_getset},                                                   \
        set,                                                                           \
        {0, NULL},                                                                     \
    };                                                                                 \
    static PyType_Spec view##_spec = {                                                 \
        .name = "sharedobj." #view,                                                    \
        .basicsize = sizeof(DictView),                                                 \
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC |  \
                 Py_TPFLAGS_DISALLOW_INSTANTIATION,                                    \
        .slots = view##_slots,                                                         \
    }

VIEW_SLOTS(SharedDictKeys, "Live view of the keys of a SharedDict.", keys_contain, SET);
VIEW_SLOTS(SharedDictValues, "Live view of the values of a SharedDict.", values_contain,
           NO_SET);
VIEW_SLOTS(SharedDictItems, "Live view of the items of a SharedDict.", items_contain,
           SET);

PyObject *sobj_dict_view(PyObject *dict, enum dict_part part)
{
    struct sobj_state *state = ((SobjHandle *)dict)->state;
    PyTypeObject *type = (PyTypeObject *)(part == DICT_KEYS     ? state->dict_keys
                                          : part == DICT_VALUES ? state->dict_values
                                                                : state->dict_items);
    DictView *self;

    if (type == NULL)
        return sobj_raise_unloaded();
    self = (DictView *)type->tp_alloc(type, 0);
    if (self != NULL)
        self->dict = Py_NewRef(dict);
    return (PyObject *)self;
}

/* ---- module */

int sobj_dict_view_exec(PyObject *module, struct sobj_state *state)
{
    const struct {
        PyType_Spec *spec;
        PyObject **place;
    } types[] = {{&iter_spec, &state->dict_iterator},
                 {&SharedDictKeys_spec, &state->dict_keys},
                 {&SharedDictValues_spec, &state->dict_values},
                 {&SharedDictItems_spec, &state->dict_items}};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        *types[i].place = PyType_FromModuleAndSpec(module, types[i].spec, NULL);
        if (*types[i].place == NULL ||
            PyModule_AddType(module, (PyTypeObject *)*types[i].place) < 0)
            return -1;
    }
    return 0;
}
