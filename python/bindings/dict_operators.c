/* SPDX-License-Identifier: MIT */
/* The type SharedDict: operators, and what else a dict can do. */
#include "args.h"
#include "dict_type.h"
#include "errors.h"

/* ---- | and |= */

/* What | takes on either side, as dict's: dicts, and mappings which are none of them
 * have an operator of their own. */
static bool is_operand(PyObject *obj)
{
#if PY_VERSION_HEX >= 0x030F0000
    return sobj_dict_check(obj) || PyAnyDict_Check(obj);
#else
    return sobj_dict_check(obj) || PyDict_Check(obj);
#endif
}

PyObject *sobj_dict_or(PyObject *left, PyObject *right)
{
    PyObject *shared = sobj_dict_check(left) ? left : right, *both;

    if (!is_operand(left) || !is_operand(right))
        Py_RETURN_NOTIMPLEMENTED;
    both = PyObject_CallNoArgs((PyObject *)Py_TYPE(shared));
    if (both != NULL &&
        (sobj_dict_fill_from(both, left) < 0 || sobj_dict_fill_from(both, right) < 0))
        Py_CLEAR(both);
    return both;
}

PyObject *sobj_dict_inplace_or(PyObject *self, PyObject *other)
{
    return sobj_dict_fill_from(self, other) < 0 ? NULL : Py_NewRef(self);
}

/* ---- fromkeys */

const char sobj_dict_fromkeys_doc[] = PyDoc_STR("fromkeys($type, iterable, value=None, /)\n--\n\n"
              "Return a new SharedDict with the keys that iterable gives, all with the\n"
              "same value.");

/* Stores one reference more to the value under each key. */
static int store_keys(SobjHandle *self, PyObject *iterable, sobj_cell value)
{
    PyObject *iterator = PyObject_GetIter(iterable), *key;
    enum sobj_status status = SOBJ_OK;
    struct sobj_py_key k;
    int result = 0;

    if (iterator == NULL)
        return -1;
    while (result == 0 && (key = PyIter_Next(iterator)) != NULL) {
        result = sobj_py_key_init(self->state, key, &k);
        if (result == 0) {
            sobj_cell_ref(value);
            status = sobj_dict_set(self->core, &k.key, value);
            sobj_py_key_fini(&k);
            if (status != SOBJ_OK) {
                sobj_raise(self->state, status);
                result = -1;
            }
        }
        Py_DECREF(key);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : result;
}

PyObject *sobj_dict_fromkeys(PyObject *type, PyObject *const *args, Py_ssize_t count)
{
    PyObject *self;
    sobj_cell value;
    int result;

    if (count < 1 || count > 2)
        return PyErr_Format(PyExc_TypeError,
                            "fromkeys expected 1 or 2 arguments, got %zd", count);
    self = PyObject_CallNoArgs(type);
    if (self == NULL)
        return NULL;
    result = sobj_encode(((SobjHandle *)self)->state, count == 2 ? args[1] : Py_None,
                         &value);
    if (result == 0) {
        result = store_keys((SobjHandle *)self, args[0], value);
        sobj_cell_unref(value);
    }
    if (result < 0)
        Py_CLEAR(self);
    return self;
}

/* ---- order */

const char sobj_dict_popitem_doc[] = PyDoc_STR("popitem($self, /)\n--\n\n"
              "Remove the last item and return it as a pair; KeyError if there is none.\n\n"
              "Atomic: one caller gets the item. It is the last one in the order of\n"
              "insertion; one that is just being inserted may be missed. An item that\n"
              "cannot be made here (UnresolvedError) stays.");

/* The last entry; what follows `entry` only where the core leaves it to us, as it might
 * be one that cannot be made here. */
struct last {
    struct sobj_entry_out entry;
    struct sobj_key key; /* its bytes are a copy in raw memory, NULL: there is none */
    sobj_cell value;     /* a reference */
};

/* A sobj_take_entry. */
static void take_last(const struct sobj_entry *entry, void *context)
{
    struct last *last = context;
    void *bytes;

    sobj_entry_take(entry, &last->entry);
    if (!entry->key.hosted && !sobj_cell_is_hosted(entry->value))
        return; /* it is ours already */
    last->value = entry->value;
    sobj_cell_ref(last->value);
    last->key = entry->key;
    bytes = PyMem_RawMalloc(entry->key.size + 1);
    if (bytes != NULL && entry->key.size != 0)
        memcpy(bytes, entry->key.bytes, entry->key.size);
    last->key.bytes = bytes;
    last->key.given = NULL; /* for a look-up the canonical form is all */
    last->key.edges = NULL;
    last->key.edge_count = 0;
}

/* Makes an entry that is left to us and removes it then, if it is still there.
 * Returns: that part of it; NULL with an exception, or without one if it has changed. */
static PyObject *pop_made(SobjHandle *self, struct last *last, enum dict_part part)
{
    enum sobj_status status = SOBJ_NO_MEMORY;
    PyObject *made = sobj_dict_entry_object(&last->entry, part);

    if (made != NULL && last->key.bytes != NULL)
        status = sobj_dict_compare_and_set(self->core, &last->key, last->value,
                                           SOBJ_MISSING);
    if (made != NULL && status != SOBJ_OK) {
        Py_CLEAR(made);
        if (status != SOBJ_MISMATCH)
            sobj_raise(self->state, status);
    }
    sobj_cell_unref(last->value);
    PyMem_RawFree((void *)(uintptr_t)last->key.bytes);
    return made;
}

PyObject *sobj_dict_take_last(SobjHandle *self, enum dict_part part)
{
    enum sobj_status status;
    struct last last;
    PyObject *made;

    do {
        sobj_entry_out_init(&last.entry, self->state, part != DICT_VALUES,
                            part != DICT_KEYS);
        status = sobj_dict_remove_last(self->core, take_last, &last);
        if (status == SOBJ_OK)
            return sobj_dict_entry_object(&last.entry, part);
        made = status == SOBJ_BAD_OPERAND ? pop_made(self, &last, part) : NULL;
    } while (status == SOBJ_BAD_OPERAND && made == NULL && !PyErr_Occurred());
    if (status != SOBJ_BAD_OPERAND && status != SOBJ_EMPTY)
        sobj_raise(self->state, status);
    return made;
}

PyObject *sobj_dict_popitem(PyObject *self, PyObject *unused)
{
    PyObject *item = sobj_dict_take_last((SobjHandle *)self, DICT_ITEMS);

    if (item == NULL && !PyErr_Occurred())
        PyErr_SetString(PyExc_KeyError, "popitem(): the SharedDict is empty");
    return item;
}

const char sobj_dict_reversed_doc[] =
    PyDoc_STR("__reversed__($self, /)\n--\n\n"
              "Return an iterator over the keys, the last one first.");

PyObject *sobj_dict_reversed(PyObject *self, PyObject *unused)
{
    return sobj_dict_iterator_backward(self, DICT_KEYS);
}

/* ---- several keys, and one */

const char sobj_dict_get_many_doc[] = PyDoc_STR("get_many($self, /, keys, default=None)\n--\n\n"
              "Return a list with the value of each key, or default where it is absent.\n"
              "Atomic for each key; snapshot() shows one moment.");

PyObject *sobj_dict_get_many(PyObject *self, PyObject *const *args, Py_ssize_t count,
                             PyObject *keywords)
{
    static const char *const names[] = {"keys", "default", NULL};
    static const struct sobj_signature signature = {"get_many", names, 1, 2};
    PyObject *given[2] = {NULL, Py_None}, *iterator, *list, *key, *value;
    int result = 0;

    if (sobj_args(&signature, args, count, keywords, given) < 0)
        return NULL;
    iterator = PyObject_GetIter(given[0]);
    list = iterator != NULL ? PyList_New(0) : NULL;
    while (list != NULL && result == 0 && (key = PyIter_Next(iterator)) != NULL) {
        value = sobj_dict_lookup((SobjHandle *)self, key);
        Py_DECREF(key);
        if (value == NULL && PyErr_Occurred())
            break;
        result = PyList_Append(list, value != NULL ? value : given[1]);
        Py_XDECREF(value);
    }
    Py_XDECREF(iterator);
    if (PyErr_Occurred())
        Py_CLEAR(list);
    return list;
}

const char sobj_dict_compare_and_delete_doc[] = PyDoc_STR("compare_and_delete($self, /, key, expected)\n--\n\n"
              "If the value of key is the same as expected, remove the key; return whether\n"
              "that was done. As compare_and_set(key, expected, MISSING).");

PyObject *sobj_dict_compare_and_delete(PyObject *op, PyObject *const *args,
                                       Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"key", "expected", NULL};
    static const struct sobj_signature signature = {"compare_and_delete", names, 2, 2};
    SobjHandle *self = (SobjHandle *)op;
    enum sobj_status status;
    PyObject *given[2];
    struct sobj_py_key k;
    sobj_cell expected = SOBJ_MISSING;

    if (sobj_args(&signature, args, count, keywords, given) < 0 ||
        sobj_py_key_init(self->state, given[0], &k) < 0)
        return NULL;
    if (given[1] != self->state->missing &&
        sobj_encode(self->state, given[1], &expected) < 0) {
        sobj_py_key_fini(&k);
        return NULL;
    }
    status = sobj_dict_compare_and_set(self->core, &k.key, expected, SOBJ_MISSING);
    sobj_cell_unref(expected);
    sobj_py_key_fini(&k);
    if (status == SOBJ_OK || status == SOBJ_MISMATCH)
        return PyBool_FromLong(status == SOBJ_OK);
    return sobj_raise(self->state, status);
}
