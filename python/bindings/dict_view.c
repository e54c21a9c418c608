/* SPDX-License-Identifier: MIT */
/* Views and iterators of SharedDict.
 *
 * A view is the dict and what it shows. An iterator is a walk of the core's; what it
 * shows is decided entry by entry, so it never raises because of other writers.
 */
#include "dict_type.h"
#include "errors.h"

/* ---- iterators */

typedef struct {
    PyObject_HEAD
    struct sobj_state *state; /* const; the type keeps its module */
    enum dict_part part;
    struct sobj_mutex mutex; /* guards the rest on free-threaded builds */
    PyObject *dict;          /* the handle; NULL once the walk has ended */
    struct sobj_dict_iter walk;
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

/* Makes what an entry shows. Returns: NULL with an exception. */
static PyObject *entry_object(struct sobj_entry_out *e, enum dict_part part)
{
    PyObject *key, *value, *pair;

    if (part == DICT_VALUES)
        return sobj_entry_out_value(e);
    if (part == DICT_KEYS)
        return sobj_entry_out_key(e);
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
    sobj_mutex_lock(&self->mutex);
    if (self->dict != NULL)
        status = sobj_dict_iter_next(&self->walk, sobj_entry_take, &e);
    if (status != SOBJ_OK) {
        walk = self->walk;
        ended = self->dict;
        memset(&self->walk, 0, sizeof self->walk);
        self->dict = NULL;
    }
    sobj_mutex_unlock(&self->mutex);
    if (status == SOBJ_OK)
        return entry_object(&e, self->part);
    if (ended != NULL) {
        sobj_dict_iter_fini(&walk);
        Py_DECREF(ended);
    }
    return NULL;
}

PyDoc_STRVAR(iter_doc, "Iterator over a SharedDict in insertion order.");

static PyType_Slot iter_slots[] = {
    {Py_tp_dealloc, iter_dealloc}, {Py_tp_traverse, iter_traverse},
    {Py_tp_doc, (void *)iter_doc}, {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iter_next},   {0, NULL},
};

static PyType_Spec iter_spec = {
    .name = "sharedobj._SharedDictIterator",
    .basicsize = sizeof(DictIter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iter_slots,
};

PyObject *sobj_dict_iterator(PyObject *dict, enum dict_part part)
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
    sobj_dict_iter_init(&self->walk, sobj_handle_core(dict));
    return (PyObject *)self;
}

/* ---- views */

typedef struct {
    PyObject_HEAD
    PyObject *dict;
} DictView;

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
    return Py_NewRef(((DictView *)op)->dict);
}

static PyGetSetDef view_getset[] = {
    {"mapping", view_mapping, NULL, PyDoc_STR("The SharedDict this view shows."), NULL},
     {NULL},
};

#define VIEW_SLOTS(view, doc, contain)                                                 \
    static PyType_Slot view##_slots[] = {                                              \
        {Py_tp_dealloc, view_dealloc},                                                 \
        {Py_tp_traverse, view_traverse},                                               \
        {Py_tp_doc, (void *)(doc)},                                                    \
        {Py_tp_iter, view_iter},                                                       \
        {Py_tp_repr, view_repr},                                                       \
        {Py_sq_length, view_length},                                                   \
        {Py_sq_contains, contain},                                                     \
        {Py_tp_getset, view_getset},                                                   \
        {0, NULL},                                                                     \
    };                                                                                 \
    static PyType_Spec view##_spec = {                                                 \
        .name = "sharedobj." #view,                                                    \
        .basicsize = sizeof(DictView),                                                 \
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC |  \
                 Py_TPFLAGS_DISALLOW_INSTANTIATION,                                    \
        .slots = view##_slots,                                                         \
    }

VIEW_SLOTS(SharedDictKeys, "Live view of the keys of a SharedDict.", keys_contain);
VIEW_SLOTS(SharedDictValues, "Live view of the values of a SharedDict.",
           values_contain);
VIEW_SLOTS(SharedDictItems, "Live view of the items of a SharedDict.", items_contain);

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
