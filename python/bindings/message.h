/* SPDX-License-Identifier: MIT */
/* The parts of message.c. */
#ifndef SOBJ_MESSAGE_H
#define SOBJ_MESSAGE_H

#include "encoder.h"

/* aux of PICKLE */
enum { SOBJ__PICKLE_HANDLES = 1, SOBJ__PICKLE_BUFFERS = 2 };

/* Pickles a message as one. Errors call it `name`. Returns: as
 * sobj_encode_message. */
int sobj__message_pickle(struct sobj_state *state, const char *name, PyObject *message,
                         sobj_cell *cell);
/* Returns: the object; NULL with whatever the unpickling raised. */
PyObject *sobj__message_unpickle(struct sobj_state *state, struct sobj_blob *b);

/* Returns: a new reference to `module`.`name`, or with `derive` to a subclass of it,
 * whose instances take attributes; kept in `*field` of the state. NULL with an
 * exception. */
PyObject *sobj__message_class(struct sobj_state *state, PyObject **field,
                              const char *module, const char *name, bool derive);

#endif
