/* SPDX-License-Identifier: MIT */
/* The items of whatever dict.update() takes: a mapping, or an iterable of pairs. */
#include "dict_type.h"

/* Says with the error which element it was about, if one can be said. */
static void add_note(Py_ssize_t index)
{
    PyObject *error = PyErr_GetRaisedException(), *done;

    done = PyObject_CallMethod(
        error, "add_note", "(N)",
        PyUnicode_FromFormat(
            "Cannot convert dictionary update sequence element #%zd to a sequence",
            index));
    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
    PyErr_SetRaisedException(error);
}

static int do_pair(PyObject *pair, Py_ssize_t index, sobj_dict_do_item action,
                   void *context)
{
    /* A copy: a list could be changed by another thread meanwhile. */
    PyObject *both = PySequence_Tuple(pair);
    Py_ssize_t n;
    int result = -1;

    if (both == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            add_note(index);
        return -1;
    }
    n = PyTuple_GET_SIZE(both);
    if (n != 2) {
        PyErr_Format(PyExc_ValueError,
                     "dictionary update sequence element #%zd has length %zd; 2 is "
                     "required",
                     index, n);
    } else {
        result = action(context, PyTuple_GET_ITEM(both, 0), PyTuple_GET_ITEM(both, 1));
    }
    Py_DECREF(both);
    return result;
}

static int from_pairs(PyObject *pairs, sobj_dict_do_item action, void *context)
{
    PyObject *iterator = PyObject_GetIter(pairs), *pair;
    Py_ssize_t index = 0;
    int result = 0;

    if (iterator == NULL)
        return -1;
    while (result == 0 && (pair = PyIter_Next(iterator)) != NULL) {
        result = do_pair(pair, index++, action, context);
        Py_DECREF(pair);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : result;
}

/* From a mapping that is no dict: by its keys(). */
static int from_keys(PyObject *mapping, sobj_dict_do_item action, void *context)
{
    PyObject *keys = PyMapping_Keys(mapping), *iterator, *key;
    int result = 0;

    if (keys == NULL)
        return -1;
    iterator = PyObject_GetIter(keys);
    Py_DECREF(keys);
    if (iterator == NULL)
        return -1;
    while (result == 0 && (key = PyIter_Next(iterator)) != NULL) {
        PyObject *value = PyObject_GetItem(mapping, key);
        result = value != NULL ? action(context, key, value) : -1;
        Py_XDECREF(value);
        Py_DECREF(key);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : result;
}

/* From a dict, whose own copy is one step, or a SharedDict, whose walk does not mind
 * that it changes. */
static int from_items(PyObject *mapping, sobj_dict_do_item action, void *context)
{
    PyObject *items = sobj_dict_check(mapping) ? sobj_dict_iterator(mapping, DICT_ITEMS)
                                               : PyDict_Items(mapping);
    int result;

    if (items == NULL)
        return -1;
    result = from_pairs(items, action, context);
    Py_DECREF(items);
    return result;
}

int sobj_dict_items_of(PyObject *source, sobj_dict_do_item action, void *context)
{
    PyObject *keys;

    if (PyDict_CheckExact(source) || sobj_dict_check(source))
        return from_items(source, action, context);
    keys = PyObject_GetAttrString(source, "keys");
    if (keys != NULL) {
        Py_DECREF(keys);
        return from_keys(source, action, context);
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    return from_pairs(source, action, context);
}
