/* SPDX-License-Identifier: MIT */
/* Arguments of METH_FASTCALL | METH_KEYWORDS methods. */
#ifndef SOBJ_PY_ARGS_H
#define SOBJ_PY_ARGS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* What a function takes: `names` ends with NULL; the first `required` must be given, the
 * first `positional` may be given by position. */
struct sobj_signature {
    const char *function;
    const char *const *names;
    int required, positional;
};

/* Sorts the arguments into `out`, one for each name, borrowed; those that are not given
 * keep what `out` had. Returns: 0, or -1 with TypeError. */
int sobj_args(const struct sobj_signature *signature, PyObject *const *args,
              Py_ssize_t count, PyObject *keywords, PyObject **out);

#endif
