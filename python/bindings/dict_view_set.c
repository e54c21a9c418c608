/* SPDX-License-Identifier: MIT */
/* The views of keys and items of a SharedDict as sets, after the views of dict.
 *
 * They are live: an operation that takes several steps shows what is there at each of
 * them. What cannot be a key is in no view, so that a set may hold it.
 */
#include "dict_type.h"
#include "errors.h"

static bool is_our_set(PyObject *obj)
{
    PyNumberMethods *number = Py_TYPE(obj)->tp_as_number;

    return number != NULL && number->nb_and == sobj_dict_view_and;
}

/* Sets and views that are sets: looking into them is quick. */
static bool is_set(PyObject *obj)
{
    return PyAnySet_Check(obj) || PyDictViewSet_Check(obj) || is_our_set(obj);
}

/* Whether the set `container` has `item`. Returns: 1, 0, or -1 with an exception. */
static int contains(PyObject *container, PyObject *item)
{
    int result = PySequence_Contains(container, item);
    PyObject *class, *error;

    if (result >= 0 || !is_our_set(container))
        return result;
    error = PyErr_GetRaisedException();
    class = sobj_error_class(((SobjHandle *)((DictView *)container)->dict)->state,
                             SOBJ_ERR_NOT_SHAREABLE);
    if (class != NULL && PyErr_GivenExceptionMatches(error, class)) {
        Py_DECREF(error);
        return 0;
    }
    PyErr_SetRaisedException(error);
    return -1;
}

/* Whether an item of `items` is in `container`, or (`every`) all are; adds those that
 * are to `result` and goes on to the end if that is not NULL.
 * Returns: 1, 0, or -1 with an exception. */
static int look_up(PyObject *items, PyObject *container, bool every, PyObject *result)
{
    PyObject *iterator = PyObject_GetIter(items), *item;
    int found = every;

    if (iterator == NULL)
        return -1;
    while ((item = PyIter_Next(iterator)) != NULL) {
        found = contains(container, item);
        if (found > 0 && result != NULL)
            found = PySet_Add(result, item) < 0 ? -1 : 1;
        Py_DECREF(item);
        if (found < 0 || (result == NULL && found != every))
            break;
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : found;
}

/* Puts the one with fewer items into `*small`. Returns: 0, or -1 with an exception. */
static int sort_by_size(PyObject **small, PyObject **large)
{
    Py_ssize_t a = PyObject_Size(*small), b = a >= 0 ? PyObject_Size(*large) : -1;
    PyObject *swapped = *small;

    if (b < 0)
        return -1;
    if (b < a) {
        *small = *large;
        *large = swapped;
    }
    return 0;
}

PyObject *sobj_dict_view_and(PyObject *left, PyObject *right)
{
    PyObject *view = is_our_set(left) ? left : right;
    PyObject *other = is_our_set(left) ? right : left, *result;

    if (is_set(other) && sort_by_size(&other, &view) < 0)
        return NULL;
    result = PySet_New(NULL);
    if (result != NULL && look_up(other, view, false, result) < 0)
        Py_CLEAR(result);
    return result;
}

/* The set of the items of `left`, changed by a method of set with `right`. */
static PyObject *combine(PyObject *left, const char *method, PyObject *right)
{
    PyObject *set = PySet_New(left), *done;

    done = set != NULL ? PyObject_CallMethod(set, method, "(O)", right) : NULL;
    if (done == NULL)
        Py_CLEAR(set);
    Py_XDECREF(done);
    return set;
}

PyObject *sobj_dict_view_or(PyObject *left, PyObject *right)
{
    return combine(left, "update", right);
}

PyObject *sobj_dict_view_xor(PyObject *left, PyObject *right)
{
    return combine(left, "symmetric_difference_update", right);
}

PyObject *sobj_dict_view_subtract(PyObject *left, PyObject *right)
{
    return combine(left, "difference_update", right);
}

const char sobj_dict_view_isdisjoint_doc[] =
    PyDoc_STR("isdisjoint($self, other, /)\n--\n\n"
              "Return whether no item of the iterable other is in the view.");

PyObject *sobj_dict_view_isdisjoint(PyObject *self, PyObject *other)
{
    int found;

    if (is_set(other) && sort_by_size(&other, &self) < 0)
        return NULL;
    found = look_up(other, self, false, NULL);
    return found < 0 ? NULL : PyBool_FromLong(!found);
}

PyObject *sobj_dict_view_richcompare(PyObject *self, PyObject *other, int op)
{
    bool smaller = op == Py_LT || op == Py_LE, greater = op == Py_GT || op == Py_GE;
    Py_ssize_t mine, theirs;
    int result = 0;

    if (!is_set(other))
        Py_RETURN_NOTIMPLEMENTED;
    mine = PyObject_Size(self);
    theirs = mine >= 0 ? PyObject_Size(other) : -1;
    if (theirs < 0)
        return NULL;
    if (mine == theirs ? op != Py_LT && op != Py_GT : mine < theirs ? smaller : greater)
        result = greater ? look_up(other, self, true, NULL)
                         : look_up(self, other, true, NULL);
    return result < 0 ? NULL : PyBool_FromLong(op == Py_NE ? !result : result);
}
