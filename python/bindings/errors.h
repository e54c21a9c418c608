/* SPDX-License-Identifier: MIT */
/* Exceptions: the one place that turns a status into one.
 *
 * The classes live in the state and are made in C, so that an interpreter in which the
 * package cannot be imported has them too. Those whose bases are in the standard
 * library's `queue` are made when first asked for: importing it costs an interpreter
 * milliseconds, and most need no channel.
 */
#ifndef SOBJ_PY_ERRORS_H
#define SOBJ_PY_ERRORS_H

#include "state.h"

/* Returns: the class, borrowed from the state; NULL with an exception. */
PyObject *sobj_error_class(struct sobj_state *state, enum sobj_error which);

/* Raise; `format` as in PyErr_Format. Return: always NULL, with an exception. */
PyObject *sobj_raise(struct sobj_state *state, enum sobj_status status);
PyObject *sobj_raise_error(struct sobj_state *state, enum sobj_error which,
                           const char *format, ...);
/* The interpreter is shutting down: PythonFinalizationError, or RuntimeError where that
 * does not exist. */
PyObject *sobj_raise_closing(void);
/* The module of this handle has been torn down. */
PyObject *sobj_raise_unloaded(void);

/* Module function __getattr__: makes the lazy classes attributes. */
PyObject *sobj_errors_getattr(PyObject *module, PyObject *name);

#endif
