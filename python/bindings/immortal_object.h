/* SPDX-License-Identifier: MIT */
/* How CPython's objects lie in memory, for immortal ones only. */
#ifndef SOBJ_PY_IMMORTAL_OBJECT_H
#define SOBJ_PY_IMMORTAL_OBJECT_H

#include "encoder.h"
#include "sharedobj/immortal.h"

/* Whether this build is one for which the layout is known. Where it is not, none of the
 * functions below may be called. */
bool sobj__immortals_supported(void);

/* In all of them `v` is an object of the exact type STR, BYTES, INT, FLOAT or COMPLEX,
 * which `kind` says. */

/* The object that CPython itself has for all interpreters, and that equal values are
 * usually represented by: small ints, short text, its own names.
 * Returns: 1 and the object; 0: there is none; -1 with MemoryError. */
int sobj__immortal_canonical(enum sobj_kind kind, PyObject *v, PyObject **found);
/* By what the object is found; points into it.
 * Returns: 0; -1 with MemoryError. */
int sobj__immortal_key(enum sobj_kind kind, PyObject *v, struct sobj_immortal_key *key);
/* Returns: how many bytes its immortal copy takes. `*utf8`: a new reference to what has
 * to be given to sobj__immortal_build, or NULL; -1 with MemoryError. */
Py_ssize_t sobj__immortal_size(enum sobj_kind kind, PyObject *v, PyObject **utf8);
/* Makes the copy in zeroed memory of that size, and `key` point into it.
 * Returns: the object; no references to it need to be counted. */
PyObject *sobj__immortal_build(enum sobj_kind kind, PyObject *v, PyObject *utf8,
                               void *memory, struct sobj_immortal_key *key);

#endif
