/* SPDX-License-Identifier: MIT */
/* What the sets of ours have in common: SharedSet, and the views of keys and items of a
 * SharedDict; after set and the views of dict.
 *
 * They are live: an operation that takes several steps shows what is there at each of
 * them. What cannot be a key is in none of them, so that a set may hold it.
 */
#include "set_algebra.h"

#include "dict_type.h"
#include "errors.h"
#include "set_type.h"

static bool is_view(PyObject *obj)
{
    PyNumberMethods *number = Py_TYPE(obj)->tp_as_number;

    return number != NULL && number->nb_and == sobj_sets_and;
}

static bool is_our_set(PyObject *obj) { return is_view(obj) || sobj_set_check(obj); }

bool sobj_sets_check(PyObject *obj)
{
    return PyAnySet_Check(obj) || PyDictViewSet_Check(obj) || is_our_set(obj);
}

bool sobj_sets_no_key(struct sobj_state *state)
{
    PyObject *error = PyErr_GetRaisedException();
    PyObject *class = sobj_error_class(state, SOBJ_ERR_NOT_SHAREABLE);
    bool matches = class != NULL && PyErr_GivenExceptionMatches(error, class);

    if (matches)
        Py_DECREF(error);
    else
        PyErr_SetRaisedException(error);
    return matches;
}

int sobj_sets_contain(PyObject *container, PyObject *item)
{
    SobjHandle *handle;
    int result;

    if (sobj_set_check(container)) {
        handle = (SobjHandle *)container;
        result = sobj_set_holds(handle, item);
    } else {
        result = PySequence_Contains(container, item);
        if (!is_view(container))
            return result;
        handle = (SobjHandle *)((DictView *)container)->dict;
    }
    return result < 0 && sobj_sets_no_key(handle->state) ? 0 : result;
}

/* Whether an item of `items` is in `container`, or (`every`) all are; gives those that
 * are to `add` and goes on to the end if that is not NULL.
 * Returns: 1, 0, or -1 with an exception. */
static int look_up(PyObject *items, PyObject *container, bool every, sobj_sets_add add,
                   PyObject *result)
{
    PyObject *iterator = PyObject_GetIter(items), *item;
    int found = every;

    if (iterator == NULL)
        return -1;
    while ((item = PyIter_Next(iterator)) != NULL) {
        found = sobj_sets_contain(container, item);
        if (found > 0 && add != NULL)
            found = add(result, item) < 0 ? -1 : 1;
        Py_DECREF(item);
        if (found < 0 || (add == NULL && found != every))
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

int sobj_sets_intersect(PyObject *ours, PyObject *other, sobj_sets_add add,
                        PyObject *result)
{
    if (sobj_sets_check(other) && sort_by_size(&other, &ours) < 0)
        return -1;
    return look_up(other, ours, false, add, result) < 0 ? -1 : 0;
}

PyObject *sobj_sets_and(PyObject *left, PyObject *right)
{
    PyObject *ours = is_our_set(left) ? left : right;
    PyObject *other = is_our_set(left) ? right : left, *result = PySet_New(NULL);

    if (result != NULL && sobj_sets_intersect(ours, other, PySet_Add, result) < 0)
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

PyObject *sobj_sets_or(PyObject *left, PyObject *right)
{
    return combine(left, "update", right);
}

PyObject *sobj_sets_xor(PyObject *left, PyObject *right)
{
    return combine(left, "symmetric_difference_update", right);
}

PyObject *sobj_sets_subtract(PyObject *left, PyObject *right)
{
    return combine(left, "difference_update", right);
}

const char sobj_sets_isdisjoint_doc[] =
    PyDoc_STR("isdisjoint($self, other, /)\n--\n\n"
              "Return whether no item of the iterable other is in the set.");

PyObject *sobj_sets_isdisjoint(PyObject *self, PyObject *other)
{
    int found;

    if (sobj_sets_check(other) && sort_by_size(&other, &self) < 0)
        return NULL;
    found = look_up(other, self, false, NULL, NULL);
    return found < 0 ? NULL : PyBool_FromLong(!found);
}

int sobj_sets_all_in(PyObject *items, PyObject *container)
{
    return look_up(items, container, true, NULL, NULL);
}

PyObject *sobj_sets_richcompare(PyObject *self, PyObject *other, int op)
{
    bool smaller = op == Py_LT || op == Py_LE, greater = op == Py_GT || op == Py_GE;
    Py_ssize_t mine, theirs;
    int result = 0;

    if (!sobj_sets_check(other))
        Py_RETURN_NOTIMPLEMENTED;
    mine = PyObject_Size(self);
    theirs = mine >= 0 ? PyObject_Size(other) : -1;
    if (theirs < 0)
        return NULL;
    if (mine == theirs ? op != Py_LT && op != Py_GT : mine < theirs ? smaller : greater)
        result =
            greater ? sobj_sets_all_in(other, self) : sobj_sets_all_in(self, other);
    return result < 0 ? NULL : PyBool_FromLong(op == Py_NE ? !result : result);
}
