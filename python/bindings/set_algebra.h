/* SPDX-License-Identifier: MIT */
/* What the sets of ours have in common; see set_algebra.c. */
#ifndef SOBJ_PY_SET_ALGEBRA_H
#define SOBJ_PY_SET_ALGEBRA_H

#include "state.h"

/* Whether it is a set or a view that is one, of ours or of Python's. */
bool sobj_sets_check(PyObject *obj);
/* Whether the set `container` has `item`; what cannot be a key is in no set of ours.
 * Returns: 1, 0, or -1 with an exception. */
int sobj_sets_contain(PyObject *container, PyObject *item);
/* Whether all `items` are in the set `container`. Returns: as above. */
int sobj_sets_all_in(PyObject *items, PyObject *container);
/* Whether the exception says that something cannot be a key; then it is cleared. */
bool sobj_sets_no_key(struct sobj_state *state);

/* Takes an item into a result. Returns: -1 with an exception, or anything else. */
typedef int (*sobj_sets_add)(PyObject *result, PyObject *item);
/* Gives what is in both to `add`: `ours` is a set of ours, `other` iterable.
 * Returns: 0, or -1 with an exception. */
int sobj_sets_intersect(PyObject *ours, PyObject *other, sobj_sets_add add,
                        PyObject *result);

/* Slots and a method of the views. One operand is a set of ours, the other iterable; the
 * result is a plain set. */
PyObject *sobj_sets_and(PyObject *left, PyObject *right);
PyObject *sobj_sets_or(PyObject *left, PyObject *right);
PyObject *sobj_sets_xor(PyObject *left, PyObject *right);
PyObject *sobj_sets_subtract(PyObject *left, PyObject *right);
/* For all sets of ours. */
PyObject *sobj_sets_richcompare(PyObject *self, PyObject *other, int op);
PyObject *sobj_sets_isdisjoint(PyObject *self, PyObject *other);
extern const char sobj_sets_isdisjoint_doc[];

#endif
