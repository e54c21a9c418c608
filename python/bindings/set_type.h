/* SPDX-License-Identifier: MIT */
/* What the files of the type SharedSet share. */
#ifndef SOBJ_PY_SET_TYPE_H
#define SOBJ_PY_SET_TYPE_H

#include "convert.h"
#include "handle.h"

static inline bool sobj_set_check(PyObject *obj)
{
    return sobj_handle_check(obj) &&
           sobj_type_of(sobj_handle_core(obj)) == SOBJ_TYPE_SET;
}

/* set_type.c: one item; a set as an item is unhashable here. */

/* Returns: 1 if it is there, 0, or -1 with an exception. */
int sobj_set_holds(SobjHandle *self, PyObject *item);
/* Return: 1 if this call has added or removed it, 0, or -1 with an exception. */
int sobj_set_put(PyObject *self, PyObject *item);
int sobj_set_take(PyObject *self, PyObject *item);
/* Removes the item if it is there, else adds it; as one step. Returns: 0 or -1. */
int sobj_set_toggle(PyObject *self, PyObject *item);
/* Returns: the handle of a new, empty set; NULL with an exception. */
PyObject *sobj_set_new_handle(struct sobj_state *state);

/* set_operators.c */

/* Adds what an iterable gives, item by item. Returns: 0, or -1 with an exception. */
int sobj_set_fill_from(PyObject *self, PyObject *source);
PyObject *sobj_set_richcompare(PyObject *self, PyObject *other, int op);
PyObject *sobj_set_or(PyObject *left, PyObject *right);
PyObject *sobj_set_and(PyObject *left, PyObject *right);
PyObject *sobj_set_subtract(PyObject *left, PyObject *right);
PyObject *sobj_set_xor(PyObject *left, PyObject *right);
PyObject *sobj_set_inplace_or(PyObject *self, PyObject *other);
PyObject *sobj_set_inplace_and(PyObject *self, PyObject *other);
PyObject *sobj_set_inplace_subtract(PyObject *self, PyObject *other);
PyObject *sobj_set_inplace_xor(PyObject *self, PyObject *other);
#define SOBJ_SET_OPERATOR_SLOTS                                                        \
    {Py_nb_or, sobj_set_or}, {Py_nb_and, sobj_set_and},                                \
        {Py_nb_subtract, sobj_set_subtract}, {Py_nb_xor, sobj_set_xor},                \
        {Py_nb_inplace_or, sobj_set_inplace_or},                                       \
        {Py_nb_inplace_and, sobj_set_inplace_and},                                     \
        {Py_nb_inplace_subtract, sobj_set_inplace_subtract},                           \
    {                                                                                  \
        Py_nb_inplace_xor, sobj_set_inplace_xor                                        \
    }

/* Methods that take any number of iterables. */
typedef PyObject *(*sobj_set_method)(PyObject *self, PyObject *const *args,
                                     Py_ssize_t count);
PyObject *sobj_set_update(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *sobj_set_intersection_update(PyObject *self, PyObject *const *args,
                                       Py_ssize_t count);
PyObject *sobj_set_difference_update(PyObject *self, PyObject *const *args,
                                     Py_ssize_t count);
PyObject *sobj_set_union(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *sobj_set_intersection(PyObject *self, PyObject *const *args,
                                Py_ssize_t count);
PyObject *sobj_set_difference(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *sobj_set_symmetric_difference(PyObject *self, PyObject *other);
PyObject *sobj_set_symmetric_difference_update(PyObject *self, PyObject *other);
PyObject *sobj_set_issubset(PyObject *self, PyObject *other);
PyObject *sobj_set_issuperset(PyObject *self, PyObject *other);
extern const char sobj_set_update_doc[], sobj_set_intersection_update_doc[];
extern const char sobj_set_difference_update_doc[], sobj_set_union_doc[];
extern const char sobj_set_intersection_doc[], sobj_set_difference_doc[];
extern const char sobj_set_symmetric_difference_doc[];
extern const char sobj_set_symmetric_difference_update_doc[];
extern const char sobj_set_issubset_doc[], sobj_set_issuperset_doc[];
#define SOBJ_SET_MANY(name)                                                            \
    {#name, (PyCFunction)(void (*)(void))sobj_set_##name, METH_FASTCALL,               \
     sobj_set_##name##_doc}
#define SOBJ_SET_ONE(name) {#name, sobj_set_##name, METH_O, sobj_set_##name##_doc}
#define SOBJ_SET_OPERATOR_METHODS                                                      \
    SOBJ_SET_MANY(update), SOBJ_SET_MANY(intersection_update),                         \
        SOBJ_SET_MANY(difference_update), SOBJ_SET_MANY(union),                        \
        SOBJ_SET_MANY(intersection), SOBJ_SET_MANY(difference),                        \
        SOBJ_SET_ONE(symmetric_difference), SOBJ_SET_ONE(symmetric_difference_update), \
        SOBJ_SET_ONE(issubset), SOBJ_SET_ONE(issuperset)

#endif
