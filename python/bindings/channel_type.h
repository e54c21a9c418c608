/* SPDX-License-Identifier: MIT */
/* What the files of the types Channel, Sender, Receiver and Queue share. */
#ifndef SOBJ_PY_CHANNEL_TYPE_H
#define SOBJ_PY_CHANNEL_TYPE_H

#include "blocking.h"
#include "convert.h"

static inline struct sobj_state *sobj_channel_state(PyObject *self)
{
    return ((SobjHandle *)self)->state;
}

/* Waits up to `limit`, after a try without waiting has said FULL or EMPTY; `receive` also
 * tries. Return: the status; SOBJ_INTERRUPTED: an exception is set. */
enum sobj_status sobj_channel_wait_send(PyObject *self, sobj_cell message,
                                        const struct sobj_timeout *limit);
enum sobj_status sobj_channel_receive(PyObject *self, const struct sobj_timeout *limit,
                                      sobj_cell *message);

/* Raise what a receive came to that is neither OK nor TIMEOUT; the timeout of recv or
 * recv_many. Return: NULL. */
PyObject *sobj_channel_raise_received(PyObject *self, enum sobj_status status);
PyObject *sobj_channel_raise_no_message(PyObject *self, const char *function,
                                        const struct sobj_timeout *limit);
/* The same for sends: all but OK and, of a channel that drops, FULL. */
PyObject *sobj_channel_raise_sent(PyObject *self, const char *function,
                                  enum sobj_status status,
                                  const struct sobj_timeout *limit);

/* The argument of Channel.close and Queue.shutdown. Returns: whether `immediate` is true;
 * -1 with an exception. */
int sobj_channel_immediate(const char *function, PyObject *const *args,
                           Py_ssize_t count, PyObject *keywords);

/* What an operation came to as a result or, NULL, an exception: the message; True, or False
 * if it was dropped. Consume: the message. */
PyObject *sobj_channel_received(PyObject *self, enum sobj_status status,
                                sobj_cell message);
PyObject *sobj_channel_sent(PyObject *self, const char *function,
                            enum sobj_status status, sobj_cell message);

/* channel_batch.c: methods. */
extern const char sobj_channel_send_many_doc[], sobj_channel_recv_many_doc[];
PyObject *sobj_channel_py_send_many(PyObject *self, PyObject *const *args,
                                    Py_ssize_t count, PyObject *keywords);
PyObject *sobj_channel_py_recv_many(PyObject *self, PyObject *const *args,
                                    Py_ssize_t count, PyObject *keywords);

/* channel_end.c: what the types Sender and Receiver have in common, and how they are made. */
extern const char sobj_channel_split_doc[];
PyObject *sobj_channel_py_split(PyObject *self, PyObject *unused);
PyObject *sobj_channel_end_repr(PyObject *self);

/* Gives an exception an attribute, past a __setattr__ of its class. Returns: whether it
 * took it. */
bool sobj_channel_set_on_error(PyObject *error, const char *name, PyObject *value);

/* select.c: a module function. */
extern const char sobj_channel_select_doc[];
PyObject *sobj_channel_py_select(PyObject *module, PyObject *const *args,
                                 Py_ssize_t count, PyObject *keywords);
#define SOBJ_SELECT_METHODS                                                            \
    {"select", (PyCFunction)(void *)sobj_channel_py_select,                            \
     METH_FASTCALL | METH_KEYWORDS, sobj_channel_select_doc}

#endif
