/* SPDX-License-Identifier: MIT */
/* Finding shared objects again: ids and pickles. */
#ifndef SOBJ_PY_REGISTRY_H
#define SOBJ_PY_REGISTRY_H

#include "state.h"

/* Returns: what objects of this type are called. */
const char *sobj_registry_kind(enum sobj_type type);

/* Module functions. */
PyObject *sobj_registry_attach(PyObject *module, PyObject *id);
PyObject *sobj_registry_attach_token(PyObject *module, PyObject *const *args,
                                     Py_ssize_t count);
PyObject *sobj_registry_set_lease(PyObject *module, PyObject *seconds);
extern const char sobj_registry_attach_doc[], sobj_registry_attach_token_doc[];
extern const char sobj_registry_set_lease_doc[];

#define SOBJ_REGISTRY_METHODS                                                          \
    {"attach", sobj_registry_attach, METH_O, sobj_registry_attach_doc},                \
        {"_attach_token", (PyCFunction)(void (*)(void))sobj_registry_attach_token,     \
         METH_FASTCALL, sobj_registry_attach_token_doc},                               \
    {                                                                                  \
        "set_handle_lease", sobj_registry_set_lease, METH_O,                           \
            sobj_registry_set_lease_doc                                                \
    }

#endif
