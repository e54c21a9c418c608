/* SPDX-License-Identifier: MIT */
/* What needs private names of CPython; see crossinterp.c. */
#ifndef SOBJ_PY_CROSSINTERP_H
#define SOBJ_PY_CROSSINTERP_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

/* Lets handles of this type go through the interpreter's own roads to other
 * interpreters. Does nothing where this Python has no such interface: then they are
 * pickled. Returns: 0, or -1 with an exception. */
int sobj_crossing_register(PyTypeObject *type);

/* Keeps this interpreter off C modules that it cannot load, but whose loading would make
 * the process crash (3.12); versions written in Python take their places.
 * Returns: 0, or -1 with an exception. */
int sobj_modules_guard(void);

/* Returns: the attached thread state of this thread, or NULL. */
PyThreadState *sobj_thread_state_or_null(void);

/* Returns: whether the process's Python runtime is shutting down. */
bool sobj_runtime_finalizing(void);
/* Where a thread only frees what it has made while it runs Python code (free-threaded
 * builds): does so now. Returns: 0, or -1 with an exception. */
int sobj_run_pending(void);

#endif
