/* SPDX-License-Identifier: MIT */
/* Figures of the process. */
#ifndef SOBJ_PY_STATS_H
#define SOBJ_PY_STATS_H

#include "state.h"

/* Module functions. */
PyObject *sobj_stats(PyObject *module, PyObject *unused);
PyObject *sobj_stats_counts(PyObject *module, PyObject *unused);
extern const char sobj_stats_doc[], sobj_stats_counts_doc[];

#define SOBJ_STATS_METHODS                                                             \
    {"stats", sobj_stats, METH_NOARGS, sobj_stats_doc},                                \
    {                                                                                  \
        "_counts", sobj_stats_counts, METH_NOARGS, sobj_stats_counts_doc               \
    }

#endif
