/* SPDX-License-Identifier: MIT */
/* What channels, queues and their ends have for event loops. */
#ifndef SOBJ_PY_CHANNEL_ASYNC_H
#define SOBJ_PY_CHANNEL_ASYNC_H

#include "channel_type.h"

/* The descriptor of one thread that has asked a handle for one. */
struct sobj_watched;

/* Handles of Channel, Queue, Sender and Receiver. */
typedef struct {
    SobjHandle handle;
    struct sobj_mutex mutex;
    struct sobj_watched *watched; /* guarded by mutex */
} SobjChannel;

/* For the type's slots: closes the descriptors. */
void sobj_channel_dealloc(PyObject *self);
/* The type's am_anext. */
PyObject *sobj_channel_anext(PyObject *self);

/* Entries of the type's PyMethodDef table. */
extern const char sobj_channel_fileno_doc[], sobj_channel_asend_doc[];
extern const char sobj_channel_arecv_doc[];
PyObject *sobj_channel_fileno(PyObject *self, PyObject *unused);
PyObject *sobj_channel_asend(PyObject *self, PyObject *message);
PyObject *sobj_channel_arecv(PyObject *self, PyObject *unused);
#define SOBJ_CHANNEL_ASEND {"asend", sobj_channel_asend, METH_O, sobj_channel_asend_doc}
#define SOBJ_CHANNEL_ARECV                                                             \
    {"arecv", sobj_channel_arecv, METH_NOARGS, sobj_channel_arecv_doc},                \
    {                                                                                  \
        "fileno", sobj_channel_fileno, METH_NOARGS, sobj_channel_fileno_doc            \
    }
/* Slots of types that receive. */
#define SOBJ_CHANNEL_ASYNC_SLOTS                                                       \
    {Py_am_aiter, PyObject_SelfIter}, { Py_am_anext, sobj_channel_anext }

#endif
