/* SPDX-License-Identifier: MIT */
/* The type SharedSet: single items, and the set as a whole. Operators, and methods that
 * take iterables, are in set_operators.c; what sets have in common with the views of a
 * SharedDict in set_algebra.c; what both containers do as a whole in dict_whole.c.
 *
 * The core is a table of its own type, whose keys all have the same immediate value. */
#include "set_type.h"

#include "deepcopy.h"
#include "dict_type.h"
#include "errors.h"
#include "set_algebra.h"

/* ---- single items */

static enum sobj_status put(struct sobj_object *core, const struct sobj_key *key)
{
    return sobj_dict_add(core, key, SOBJ_TRUE, NULL);
}

static enum sobj_status take(struct sobj_object *core, const struct sobj_key *key)
{
    return sobj_dict_remove(core, key, NULL);
}

static enum sobj_status holds(struct sobj_object *core, const struct sobj_key *key)
{
    return sobj_dict_get(core, key, NULL);
}

/* Lock-free: another thread must have changed the item whenever one step more is
 * needed. */
static enum sobj_status toggle(struct sobj_object *core, const struct sobj_key *key)
{
    enum sobj_status status;

    do {
        status = put(core, key);
        if (status == SOBJ_EXISTS)
            status = take(core, key);
    } while (status == SOBJ_NOT_FOUND);
    return status;
}

typedef enum sobj_status (*item_action)(struct sobj_object *core,
                                        const struct sobj_key *key);

/* Returns: 1 if the action says OK, 0: the item was there, or was not; -1 with an
 * exception. */
static inline int act_on_key(SobjHandle *self, struct sobj_py_key *k,
                             item_action action)
{
    enum sobj_status status = action(self->core, &k->key);

    sobj_py_key_fini(k);
    if (status == SOBJ_OK)
        return 1;
    if (status == SOBJ_EXISTS || status == SOBJ_NOT_FOUND)
        return 0;
    sobj_raise(self->state, status);
    return -1;
}

static inline int act(SobjHandle *self, PyObject *item, item_action action)
{
    struct sobj_py_key k;

    if (sobj_py_key_init_for(self->state, self->core, item, &k) < 0)
        return -1;
    return act_on_key(self, &k, action);
}

int sobj_set_holds(SobjHandle *self, PyObject *item) { return act(self, item, holds); }

int sobj_set_put(PyObject *self, PyObject *item)
{
    return act((SobjHandle *)self, item, put);
}

int sobj_set_take(PyObject *self, PyObject *item)
{
    return act((SobjHandle *)self, item, take);
}

int sobj_set_toggle(PyObject *self, PyObject *item)
{
    return act((SobjHandle *)self, item, toggle) < 0 ? -1 : 0;
}

static PyObject *set_snapshot(PyObject *self, PyObject *unused);

/* Where an item is only looked for, a set stands for the frozenset of its items, as in a
 * set. Needs: the exception that says that the item is no key. Returns: as act(). */
static int act_on_frozen(SobjHandle *self, PyObject *item, item_action action)
{
    PyObject *plain, *frozen;
    int result = -1;

    if (!PyErr_ExceptionMatches(PyExc_TypeError) ||
        !(PySet_Check(item) || sobj_set_check(item)))
        return -1;
    PyErr_Clear();
    plain = PySet_Check(item) ? Py_NewRef(item) : set_snapshot(item, NULL);
    frozen = plain != NULL ? PyFrozenSet_New(plain) : NULL;
    if (frozen != NULL)
        result = act(self, frozen, action);
    Py_XDECREF(frozen);
    Py_XDECREF(plain);
    return result;
}

/* As act(), and a set will do for a frozenset. */
static inline int act_on_any(PyObject *op, PyObject *item, item_action action)
{
    SobjHandle *self = (SobjHandle *)op;
    struct sobj_py_key k;

    if (sobj_py_key_init_for(self->state, self->core, item, &k) < 0)
        return act_on_frozen(self, item, action);
    return act_on_key(self, &k, action);
}

static int set_contains(PyObject *self, PyObject *item)
{
    int result = sobj_cache_has((DictHandle *)self, item);

    return result >= 0 ? result : act_on_frozen((SobjHandle *)self, item, holds);
}

/* Returns: as act(). */
static int remove_item(PyObject *self, PyObject *item)
{
    int removed = act_on_any(self, item, take);

    if (removed >= 0)
        sobj_cache_forget((DictHandle *)self, item);
    return removed;
}

PyDoc_STRVAR(add_doc,
             "add($self, item, /)\n--\n\n"
             "Add item; return whether it was absent, and this call has added it.\n\n"
             "Atomic: of several callers that add the same item one gets True.");

static PyObject *set_add(PyObject *self, PyObject *item)
{
    int added = sobj_set_put(self, item);

    return added < 0 ? NULL : PyBool_FromLong(added);
}

PyDoc_STRVAR(discard_doc,
             "discard($self, item, /)\n--\n\n"
             "Remove item if it is there; return whether this call has removed it.\n\n"
             "Atomic: of several callers that discard the same item one gets True.");

static PyObject *set_discard(PyObject *self, PyObject *item)
{
    int removed = remove_item(self, item);

    return removed < 0 ? NULL : PyBool_FromLong(removed);
}

PyDoc_STRVAR(remove_doc,
             "remove($self, item, /)\n--\n\n"
             "Remove item; KeyError if it is absent. Atomic: of several callers that\n"
             "remove the same item one succeeds.");

static PyObject *set_remove(PyObject *self, PyObject *item)
{
    int removed = remove_item(self, item);

    if (removed == 0)
        sobj_dict_key_error(item);
    return removed == 1 ? Py_NewRef(Py_None) : NULL;
}

PyDoc_STRVAR(
    pop_doc,
    "pop($self, /)\n--\n\n"
    "Remove an item and return it; KeyError if there is none.\n\n"
    "Atomic: one caller gets the item. It is the one that was added last; one\n"
    "that is just being added may be missed. An item that cannot be made here\n"
    "(UnresolvedError) stays.");

static PyObject *set_pop(PyObject *self, PyObject *unused)
{
    PyObject *item = sobj_dict_take_last((SobjHandle *)self, DICT_KEYS);

    if (item == NULL && !PyErr_Occurred())
        PyErr_SetString(PyExc_KeyError, "pop(): the SharedSet is empty");
    return item;
}

/* ---- the whole */

static Py_ssize_t set_length(PyObject *self)
{
    return (Py_ssize_t)sobj_dict_len(sobj_handle_core(self));
}

static PyObject *set_iter(PyObject *self)
{
    return sobj_dict_iterator(self, DICT_KEYS);
}

PyDoc_STRVAR(
    snapshot_doc,
    "snapshot($self, /)\n--\n\n"
    "Return a plain set with the content of one moment.\n\n"
    "It shows all of what every writer had done by that moment and nothing of\n"
    "what came later. Writers are held back for the moment itself, usually\n"
    "some tens of microseconds, whatever the size; they go on while the set is\n"
    "built.");

static int put_key(PyObject *set, struct sobj_entry_out *e)
{
    PyObject *key = sobj_entry_out_key(e);
    int result = key != NULL ? PySet_Add(set, key) : -1;

    Py_XDECREF(key);
    return result;
}

static PyObject *set_snapshot(PyObject *self, PyObject *unused)
{
    return sobj_dict_snapshot_into(self, PySet_New(NULL), false, put_key);
}

PyDoc_STRVAR(
    replace_doc,
    "replace($self, iterable, /)\n--\n\n"
    "Replace the whole content by what iterable gives.\n\n"
    "At one moment: everybody else sees the old content or the new one, never\n"
    "parts of both. All is converted before anything changes, so an error\n"
    "leaves the set as it was. The content of a SharedSet is taken as it is at\n"
    "one moment, too.");
PyDoc_STRVAR(
    freeze_doc,
    "freeze($self, /)\n--\n\n"
    "Make the set read-only, for everybody and for good.\n\n"
    "When this returns no change takes effect any more: whatever would change\n"
    "the set raises TypeError. A copy() is not frozen. Writers are held back\n"
    "for the moment, as by snapshot().");
PyDoc_STRVAR(copy_doc,
             "copy($self, /)\n--\n\n"
             "Return a new SharedSet with the content of one moment. Writers are held\n"
             "back for that moment, as by snapshot().");
PyDoc_STRVAR(deepcopy_doc, "__deepcopy__($self, memo, /)\n--\n\n"
                           "Return copy(): what is in a set does not change.");

static PyObject *set_deepcopy(PyObject *self, PyObject *memo)
{
    PyObject *copy = NULL;
    int done = sobj_deepcopy_first(self, memo, &copy);

    return done == 0 ? sobj_dict_copy_all(self, NULL) : copy;
}

/* `SharedSet({1, 2})`, in order. */
static PyObject *set_repr(PyObject *self)
{
    PyObject *list = NULL, *text = NULL, *inner = NULL, *repr = NULL;
    int entered = Py_ReprEnter(self);

    if (entered != 0)
        return entered > 0 ? PyUnicode_FromString("SharedSet({...})") : NULL;
    list = PySequence_List(self);
    if (list != NULL && PyList_GET_SIZE(list) == 0) {
        repr = PyUnicode_FromString("SharedSet()");
    } else if (list != NULL) {
        text = PyObject_Repr(list);
        if (text != NULL)
            inner = PyUnicode_Substring(text, 1, PyUnicode_GET_LENGTH(text) - 1);
        if (inner != NULL)
            repr = PyUnicode_FromFormat("SharedSet({%U})", inner);
    }
    Py_XDECREF(inner);
    Py_XDECREF(text);
    Py_XDECREF(list);
    Py_ReprLeave(self);
    return repr;
}

PyDoc_STRVAR(sizeof_doc, "__sizeof__($self, /)\n--\n\n"
                         "Return the bytes of the handle with its read cache and of\n"
                         "the shared table.");

static PyObject *set_sizeof(PyObject *self, PyObject *unused)
{
    return PyLong_FromSize_t((size_t)Py_TYPE(self)->tp_basicsize +
                             sobj_cache_bytes((DictHandle *)self) +
                             sobj_dict_bytes(sobj_handle_core(self)));
}

static PyObject *set_nbytes(PyObject *self, void *closure)
{
    return PyLong_FromSize_t(sobj_dict_bytes(sobj_handle_core(self)));
}

/* ---- the type */

PyObject *sobj_set_new_handle(struct sobj_state *state)
{
    struct sobj_object *core;

    if (sobj_set_new(0, &core) != SOBJ_OK)
        return PyErr_NoMemory();
    return sobj_handle_for(state, core);
}

static PyObject *set_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    struct sobj_state *state = sobj_state_of_type(type);

    return state != NULL ? sobj_set_new_handle(state) : NULL;
}

/* As for a set, a further call empties it first. */
static int set_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *source = NULL;

    if (keywords != NULL && PyDict_GET_SIZE(keywords) != 0) {
        PyErr_SetString(PyExc_TypeError, "SharedSet() takes no keyword arguments");
        return -1;
    }
    if (!PyArg_UnpackTuple(args, "SharedSet", 0, 1, &source))
        return -1;
    if (set_length(self) != 0) {
        PyObject *done = sobj_dict_clear_all(self, NULL);
        if (done == NULL)
            return -1;
        Py_DECREF(done);
    }
    return source != NULL ? sobj_set_fill_from(self, source) : 0;
}

PyDoc_STRVAR(
    type_doc,
    "SharedSet(iterable=(), /)\n--\n\n"
    "A set shared by threads and interpreters.\n\n"
    "It behaves as set does and keeps the order in which items were added. Every\n"
    "method on one item is one atomic step; add() and discard() say whether they have\n"
    "changed something. `in` and iteration take no lock and never block. Items are\n"
    "what can be a key of a SharedDict; anything else raises NotShareableError, or\n"
    "TypeError if it is unhashable, and changes nothing. Iteration never raises\n"
    "because of other writers: it shows each item that stays throughout exactly once.\n"
    "update(), |=, &=, -=, ^= and what compares or combines sets are atomic for each\n"
    "item, not as a whole; snapshot(), copy(), replace(), clear() and freeze() are "
    "one\n"
    "moment for all.");

static PyMethodDef set_methods[] = {
    {"add", set_add, METH_O, add_doc},
    {"discard", set_discard, METH_O, discard_doc},
    {"remove", set_remove, METH_O, remove_doc},
    {"pop", set_pop, METH_NOARGS, pop_doc},
    {"snapshot", set_snapshot, METH_NOARGS, snapshot_doc},
    {"clear", sobj_dict_clear_all, METH_NOARGS, sobj_dict_clear_doc},
    {"replace", sobj_dict_replace_all, METH_O, replace_doc},
    {"freeze", sobj_dict_freeze_all, METH_NOARGS, freeze_doc},
    {"copy", sobj_dict_copy_all, METH_NOARGS, copy_doc},
    {"__copy__", sobj_dict_copy_all, METH_NOARGS, sobj_dict_shallow_copy_doc},
    {"__deepcopy__", set_deepcopy, METH_O, deepcopy_doc},
    {"isdisjoint", sobj_sets_isdisjoint, METH_O, sobj_sets_isdisjoint_doc},
    {"__sizeof__", set_sizeof, METH_NOARGS, sizeof_doc},
    SOBJ_SET_OPERATOR_METHODS,
    SOBJ_HANDLE_METHODS,
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, item, /)\n--\n\nSharedSet[T] for typing.")},
     {NULL},
    };

static PyGetSetDef set_getset[] = {
    SOBJ_HANDLE_GETSET,
    {"nbytes", set_nbytes, NULL, PyDoc_STR("Bytes of the shared table."), NULL},
     {"frozen", sobj_dict_get_frozen, NULL,
      PyDoc_STR("Whether freeze() has made the set read-only."), NULL},
      {NULL},
    };

static PyType_Slot set_slots[] = {
    SOBJ_HANDLE_SLOTS(sobj_dict_dealloc, sobj_handle_traverse),
    {Py_tp_new, set_new},
    {Py_tp_init, set_init},
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_methods, set_methods},
    {Py_tp_getset, set_getset},
    {Py_tp_repr, set_repr},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_richcompare, sobj_set_richcompare},
    {Py_tp_iter, set_iter},
    {Py_sq_length, set_length},
    {Py_sq_contains, set_contains},
    SOBJ_SET_OPERATOR_SLOTS,
    {0, NULL},
};

static PyType_Spec set_spec = {
    .name = "sharedobj.SharedSet",
    .basicsize = sizeof(DictHandle),
    .flags = SOBJ_HANDLE_FLAGS,
    .slots = set_slots,
};

int sobj_set_exec(PyObject *module, struct sobj_state *state)
{
    return sobj_handle_add_type(module, state, SOBJ_TYPE_SET, &set_spec);
}
