/* SPDX-License-Identifier: MIT */
/* What the __deepcopy__ methods of containers have in common. */
#ifndef SOBJ_PY_DEEPCOPY_H
#define SOBJ_PY_DEEPCOPY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Returns: copy.deepcopy; NULL with an exception. */
PyObject *sobj_deepcopy_function(void);
/* memo[id(object)] = copy. Returns: 0; -1 with an exception. */
int sobj_deepcopy_remember(PyObject *memo, PyObject *object, PyObject *copy);
/* A handle from local() is copied as the one that will be met inside, so that the copy is
 * made once. Returns: 1 and its deep copy; 0: `self` is that one; -1 with an exception. */
int sobj_deepcopy_first(PyObject *self, PyObject *memo, PyObject **copy);

#endif
