/* SPDX-License-Identifier: MIT */
/* The type SharedSet: operators, and methods that take iterables.
 *
 * They are atomic for each item. What changes the set makes one change an item; what
 * makes a new set begins with a copy() of one moment, but for an intersection, which
 * looks at what is there. `others` are live, too, if they are shared.
 */
#include "set_type.h"

#include "dict_type.h"
#include "set_algebra.h"

static bool same_core(PyObject *self, PyObject *other)
{
    return sobj_set_check(other) && sobj_handle_core(self) == sobj_handle_core(other);
}

/* ---- walking */

/* Returns: an iterator over `source`; NULL with an exception. */
static PyObject *items_of(PyObject *source)
{
    PyObject *copy, *iterator;

    /* What others may change meanwhile and then cannot be walked over any more: its own
     * copy is one step. */
    if (PySet_Check(source))
        copy = PyFrozenSet_New(source);
    else if (PyDict_CheckExact(source))
        copy = PyDict_Keys(source);
    else
        return PyObject_GetIter(source);
    iterator = copy != NULL ? PyObject_GetIter(copy) : NULL;
    Py_XDECREF(copy);
    return iterator;
}

/* Calls `action` with each item, until it returns a negative number.
 * Returns: 0, or -1 with an exception. */
static int for_each(PyObject *self, PyObject *source,
                    int (*action)(PyObject *self, PyObject *item))
{
    PyObject *iterator = items_of(source), *item;
    int result = 0;

    if (iterator == NULL)
        return -1;
    while (result >= 0 && (item = PyIter_Next(iterator)) != NULL) {
        result = action(self, item);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

/* What cannot be a key is not there to be taken out. */
static int take_if_key(PyObject *self, PyObject *item)
{
    int result = sobj_set_take(self, item);

    return result < 0 && sobj_sets_no_key(((SobjHandle *)self)->state) ? 0 : result;
}

/* ---- changing the set */

int sobj_set_fill_from(PyObject *self, PyObject *source)
{
    struct sobj_object *core = sobj_handle_core(self);

    if (sobj_dict_len(core) == 0 && PyAnySet_Check(source))
        sobj_dict_reserve(core, (size_t)PySet_GET_SIZE(source));
    return for_each(self, source, sobj_set_put);
}

const char sobj_set_update_doc[] =
    PyDoc_STR("update($self, /, *others)\n--\n\n"
              "Add what the iterables give. As s |= other, which takes sets.\n\n"
              "Atomic for each item: others may see some of them, and what was added\n"
              "before an error stays.");

PyObject *sobj_set_update(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        if (sobj_set_fill_from(self, args[i]) < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

const char sobj_set_difference_update_doc[] =
    PyDoc_STR("difference_update($self, /, *others)\n--\n\n"
              "Remove what the iterables give. As s -= other, which takes sets.\n\n"
              "Atomic for each item.");

PyObject *sobj_set_difference_update(PyObject *self, PyObject *const *args,
                                     Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        if (same_core(self, args[i])) {
            PyObject *done = sobj_dict_clear_all(self, NULL);
            if (done == NULL)
                return NULL;
            Py_DECREF(done);
        } else if (for_each(self, args[i], take_if_key) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

/* Returns: a tuple of sets, made of what is none; NULL with an exception. */
static PyObject *as_sets(PyObject *const *args, Py_ssize_t count)
{
    PyObject *sets = PyTuple_New(count);

    /* What is iterated over may run any code, and nobody shall find a tuple with empty
     * places. The empty one is one for all interpreters and in no collector's list. */
    if (sets != NULL && count != 0)
        PyObject_GC_UnTrack(sets);
    for (Py_ssize_t i = 0; i < count && sets != NULL; i++) {
        PyObject *set =
            sobj_sets_check(args[i]) ? Py_NewRef(args[i]) : PySet_New(args[i]);
        if (set != NULL)
            PyTuple_SET_ITEM(sets, i, set);
        else
            Py_CLEAR(sets);
    }
    if (sets != NULL && count != 0)
        PyObject_GC_Track(sets);
    return sets;
}

/* Removes the item unless it is in all of `sets`. Returns: 0, or -1. */
static int keep_if_in_all(PyObject *self, PyObject *item, PyObject *sets)
{
    int found = 1;

    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sets) && found > 0; i++)
        found = sobj_sets_contain(PyTuple_GET_ITEM(sets, i), item);
    if (found == 0)
        found = sobj_set_take(self, item);
    return found < 0 ? -1 : 0;
}

const char sobj_set_intersection_update_doc[] =
    PyDoc_STR("intersection_update($self, /, *others)\n--\n\n"
              "Remove what is not in all of the iterables. As s &= other, which takes\n"
              "sets.\n\n"
              "Atomic for each item; what others add meanwhile may stay.");

PyObject *sobj_set_intersection_update(PyObject *self, PyObject *const *args,
                                       Py_ssize_t count)
{
    PyObject *sets = as_sets(args, count), *iterator, *item;
    int result = 0;

    if (sets == NULL)
        return NULL;
    iterator = PyObject_GetIter(self);
    if (iterator == NULL) {
        Py_DECREF(sets);
        return NULL;
    }
    while (result == 0 && (item = PyIter_Next(iterator)) != NULL) {
        result = keep_if_in_all(self, item, sets);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    Py_DECREF(sets);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

const char sobj_set_symmetric_difference_update_doc[] = PyDoc_STR("symmetric_difference_update($self, other, /)\n--\n\n"
              "Remove what is in the iterable other, too, and add what is only there. As\n"
              "s ^= other, which takes sets.\n\n"
              "Atomic for each item: each comes or goes once. All of other is converted\n"
              "before anything changes.");

PyObject *sobj_set_symmetric_difference_update(PyObject *self, PyObject *other)
{
    PyObject *once;
    int result;

    if (same_core(self, other))
        return sobj_dict_clear_all(self, NULL);
    /* By our own rule of what is the same item. */
    once = sobj_set_new_handle(((SobjHandle *)self)->state);
    if (once == NULL)
        return NULL;
    result = sobj_set_fill_from(once, other);
    if (result == 0)
        result = for_each(self, once, sobj_set_toggle);
    Py_DECREF(once);
    return result == 0 ? Py_NewRef(Py_None) : NULL;
}

/* ---- making a new one */

/* A copy() of the set, changed by a method. */
static PyObject *copy_with(PyObject *self, sobj_set_method method,
                           PyObject *const *args, Py_ssize_t count)
{
    PyObject *copy = sobj_dict_copy_all(self, NULL), *done;

    done = copy != NULL ? method(copy, args, count) : NULL;
    if (done == NULL)
        Py_CLEAR(copy);
    Py_XDECREF(done);
    return copy;
}

const char sobj_set_union_doc[] =
    PyDoc_STR("union($self, /, *others)\n--\n\n"
              "Return a new SharedSet with what the set holds at one moment, and what\n"
              "the iterables give. As s | other, which takes sets.");

PyObject *sobj_set_union(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    return copy_with(self, sobj_set_update, args, count);
}

const char sobj_set_difference_doc[] = PyDoc_STR("difference($self, /, *others)\n--\n\n"
              "Return a new SharedSet with what the set holds at one moment, without what\n"
              "the iterables give. As s - other, which takes sets.");

PyObject *sobj_set_difference(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    return copy_with(self, sobj_set_difference_update, args, count);
}

static PyObject *toggle_with(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    return sobj_set_symmetric_difference_update(self, args[0]);
}

const char sobj_set_symmetric_difference_doc[] = PyDoc_STR("symmetric_difference($self, other, /)\n--\n\n"
              "Return a new SharedSet with what is either in the set, at one moment, or\n"
              "given by the iterable other. As s ^ other, which takes sets.");

PyObject *sobj_set_symmetric_difference(PyObject *self, PyObject *other)
{
    return copy_with(self, toggle_with, &other, 1);
}

const char sobj_set_intersection_doc[] = PyDoc_STR("intersection($self, /, *others)\n--\n\n"
              "Return a new SharedSet with what is in the set and in all of the iterables.\n"
              "As s & other, which takes sets. Atomic for each item.");

PyObject *sobj_set_intersection(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *result = NULL;

    if (count == 0)
        return sobj_dict_copy_all(self, NULL);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *both = sobj_set_new_handle(((SobjHandle *)self)->state);
        if (both != NULL && sobj_sets_intersect(result != NULL ? result : self, args[i],
                                                sobj_set_put, both) < 0)
            Py_CLEAR(both);
        Py_XSETREF(result, both);
        if (result == NULL)
            return NULL;
    }
    return result;
}

/* ---- comparing */

const char sobj_set_issubset_doc[] = PyDoc_STR("issubset($self, other, /)\n--\n\n"
              "Return whether all items are in the iterable other. As s <= other, which\n"
              "takes sets. Atomic for each item.");

PyObject *sobj_set_issubset(PyObject *self, PyObject *other)
{
    PyObject *set = sobj_sets_check(other) ? Py_NewRef(other) : PySet_New(other);
    PyObject *result = set != NULL ? sobj_set_richcompare(self, set, Py_LE) : NULL;

    Py_XDECREF(set);
    return result;
}

const char sobj_set_issuperset_doc[] =
    PyDoc_STR("issuperset($self, other, /)\n--\n\n"
              "Return whether all items of the iterable other are in the set. As\n"
              "s >= other, which takes sets. Atomic for each item.");

PyObject *sobj_set_issuperset(PyObject *self, PyObject *other)
{
    int result;

    if (sobj_sets_check(other))
        return sobj_set_richcompare(self, other, Py_GE);
    result = sobj_sets_all_in(other, self);
    return result < 0 ? NULL : PyBool_FromLong(result);
}

PyObject *sobj_set_richcompare(PyObject *self, PyObject *other, int op)
{
    if (same_core(self, other))
        return PyBool_FromLong(op == Py_EQ || op == Py_LE || op == Py_GE);
    return sobj_sets_richcompare(self, other, op);
}

/* ---- operators */

/* The type of the left operand decides, as for a set and a frozenset: where that is one
 * of them, `plain` makes a set. */
static PyObject *combine(PyObject *left, PyObject *right, sobj_set_method method,
                         PyObject *(*plain)(PyObject *left, PyObject *right))
{
    PyObject *result;

    if (!sobj_sets_check(left) || !sobj_sets_check(right))
        Py_RETURN_NOTIMPLEMENTED;
    if (sobj_set_check(left))
        return method(left, &right, 1);
    result = plain(left, right);
    if (result != NULL && PyFrozenSet_Check(left))
        Py_SETREF(result, PyFrozenSet_New(result));
    return result;
}

static PyObject *symmetric_difference(PyObject *self, PyObject *const *args,
                                      Py_ssize_t count)
{
    return sobj_set_symmetric_difference(self, args[0]);
}

PyObject *sobj_set_or(PyObject *left, PyObject *right)
{
    return combine(left, right, sobj_set_union, sobj_sets_or);
}

PyObject *sobj_set_and(PyObject *left, PyObject *right)
{
    return combine(left, right, sobj_set_intersection, sobj_sets_and);
}

PyObject *sobj_set_subtract(PyObject *left, PyObject *right)
{
    return combine(left, right, sobj_set_difference, sobj_sets_subtract);
}

PyObject *sobj_set_xor(PyObject *left, PyObject *right)
{
    return combine(left, right, symmetric_difference, sobj_sets_xor);
}

/* Whether `obj` is a set of any kind. For one that is written in Python and has a
 * reflected operator, `s |= obj` would otherwise put a new object in the place of the
 * shared one. Returns: 1, 0, or -1 with an exception. */
static int is_any_set(PyObject *obj)
{
    PyObject *module, *class;
    int result;

    if (sobj_sets_check(obj))
        return 1;
    module = PyImport_ImportModule("_collections_abc");
    class = module != NULL ? PyObject_GetAttrString(module, "Set") : NULL;
    result = class != NULL ? PyObject_IsInstance(obj, class) : -1;
    Py_XDECREF(class);
    Py_XDECREF(module);
    return result;
}

static PyObject *in_place(PyObject *self, PyObject *other, sobj_set_method method)
{
    int fits = is_any_set(other);
    PyObject *done;

    if (fits < 0)
        return NULL;
    if (fits == 0)
        Py_RETURN_NOTIMPLEMENTED;
    done = method(self, &other, 1);
    if (done == NULL)
        return NULL;
    Py_DECREF(done);
    return Py_NewRef(self);
}

PyObject *sobj_set_inplace_or(PyObject *self, PyObject *other)
{
    return in_place(self, other, sobj_set_update);
}

PyObject *sobj_set_inplace_and(PyObject *self, PyObject *other)
{
    return in_place(self, other, sobj_set_intersection_update);
}

PyObject *sobj_set_inplace_subtract(PyObject *self, PyObject *other)
{
    return in_place(self, other, sobj_set_difference_update);
}

PyObject *sobj_set_inplace_xor(PyObject *self, PyObject *other)
{
    return in_place(self, other, toggle_with);
}
