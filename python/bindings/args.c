/* SPDX-License-Identifier: MIT */
/* Arguments; see args.h. */
#include "args.h"

static int too_many(const struct sobj_signature *s, Py_ssize_t count)
{
    PyErr_Format(PyExc_TypeError,
                 "%s() takes at most %d positional argument%s (%zd given)", s->function,
                 s->positional, s->positional == 1 ? "" : "s", count);
    return -1;
}

/* Returns: the index of `keyword` in the names, or -1 with TypeError. */
static int find_name(const struct sobj_signature *s, PyObject *keyword)
{
    for (int i = 0; s->names[i] != NULL; i++) {
        if (PyUnicode_CompareWithASCIIString(keyword, s->names[i]) == 0)
            return i;
    }
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                 s->function, keyword);
    return -1;
}

int sobj_args(const struct sobj_signature *s, PyObject *const *args, Py_ssize_t count,
              PyObject *keywords, PyObject **out)
{
    Py_ssize_t named = keywords != NULL ? PyTuple_GET_SIZE(keywords) : 0;
    uint64_t given = 0;

    if (count > s->positional)
        return too_many(s, count);
    for (Py_ssize_t i = 0; i < count; i++) {
        out[i] = args[i];
        given |= (uint64_t)1 << i;
    }
    for (Py_ssize_t k = 0; k < named; k++) {
        int i = find_name(s, PyTuple_GET_ITEM(keywords, k));
        if (i < 0)
            return -1;
        if (given >> i & 1) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'",
                         s->function, s->names[i]);
            return -1;
        }
        out[i] = args[count + k];
        given |= (uint64_t)1 << i;
    }
    for (int i = 0; i < s->required; i++) {
        if (!(given >> i & 1)) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'",
                         s->function, s->names[i]);
            return -1;
        }
    }
    return 0;
}
