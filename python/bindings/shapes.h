/* SPDX-License-Identifier: MIT */
/* Messages: dataclasses and named tuples by field, and what is written when the walk is
 * over.
 *
 * A message with such things ends in a table, a value of its own (kinds.h), and two words:
 *
 *     root | TUPLE: class, names of its fields, ... , extern, ... | classes | position
 *
 * RECORDs name their class by its place in the table, and their children are the values
 * of the fields. EXTERNs are what is by name and what takes Python code to write: enum
 * members, functions, classes, paths, UUIDs, times with a ZoneInfo.
 *
 *   T1  The walk runs no Python code (E1): classes are looked at before it, whatever is
 *       in the table is written after it. What turns out not to fit makes the message a
 *       pickle.
 *   T2  An instance travels by field only if pickle would do nothing else: its class has
 *       none of pickle's hooks and no __new__, nothing through which pickle would see
 *       or set something else, and the instance has a value in each of its fields and
 *       nothing beside them. So no message looks other than its pickle.
 *   T3  A class is as it was looked at while its version tag is the same: CPython gives it
 *       another one when it, or one of its bases, changes.
 *   T4  The table is decoded first, while there is nothing else yet. An interpreter that
 *       does not know a class raises before it has made anything.
 */
#ifndef SOBJ_SHAPES_H
#define SOBJ_SHAPES_H

#include "kinds.h"

/* How instances of a class travel in messages. */
struct sobj__shape {
    PyObject *of;           /* a weak reference to the class */
    unsigned version;       /* its version tag (T3); 0: it has none, not kept */
    enum sobj__class kind;  /* NAMEDTUPLE, DATACLASS; OF_NO_CLASS: to be pickled; all
                            * else: an EXTERN */
    bool by_identity;       /* instances are hashed by their address */
    bool has_dict;          /* instances have attributes of their own */
    Py_ssize_t in_dict;     /* that many of which are fields */
    struct sobj__name name; /* of the class, if by field */
    PyObject *names;        /* of the fields, interned; NULL if not by field */
    PyMemberDef slots[]; /* by field; without a name: in the dict. Copies, since a base
                             * that has them may go while the shape is used */
};

/* A class of which the message has records. */
struct sobj__shape_use {
    PyTypeObject *type;
    PyObject *owner; /* of the shape */
    const struct sobj__shape *shape;
};
void sobj__shape_uses_fini(struct sobj_encoder *e);

/* Returns: how instances of `type` travel, and `*owner`, which keeps it, a new reference;
 * NULL if that has not been learnt, or with an exception. Runs no Python code. */
const struct sobj__shape *sobj__shape_known(struct sobj_state *state,
                                            PyTypeObject *type, PyObject **owner);
/* Looks at a class. Returns: as above; it is known from now on, if CPython still has a
 * version tag for it, of which a class that is changed often gets a limited number.
 * `only_kept`: does not look at all if it has not. */
const struct sobj__shape *sobj__shape_look(struct sobj_state *state, PyTypeObject *type,
                                           bool only_kept, PyObject **owner);
/* The same. Returns: 1, it is known now; 0; -1 with an exception. */
int sobj__shape_learn(struct sobj_state *state, PyTypeObject *type);

/* Write an instance of a class that may be known; what the table will have. */
enum sobj__step sobj__write_shaped(struct sobj_encoder *e, PyObject *v, uint32_t depth);
enum sobj__step sobj__write_extern(struct sobj_encoder *e, PyObject *v);
/* Whether `v` is in the list `passed`. */
bool sobj__has_passed(struct sobj_encoder *e, PyObject *v);

/* Whether there is something for a table. */
static inline bool sobj__needs_table(const struct sobj_encoder *e)
{
    return e->use_count != 0 || e->externs != NULL;
}
/* Writes it, after the walk. Returns: DONE, ERROR; PICKLE: cannot be written. */
enum sobj__step sobj__write_table(struct sobj_encoder *e);

/* ---- out */

/* A class whose records are made. */
struct sobj__made {
    PyTypeObject *type;
    PyObject *owner; /* of the shape */
    const struct sobj__shape *shape;
    PyObject *args; /* of __new__ */
};
struct sobj__table {
    PyObject *items; /* a tuple */
    size_t classes;
    struct sobj__made *made;
};

/* Decodes the table behind a root. Returns: 0; -1 with an exception, and nothing is
 * left to close. */
int sobj__table_open(struct sobj__table *table, struct sobj_state *state,
                     const uint64_t *words, size_t count);
void sobj__table_close(struct sobj__table *table);
/* Returns: a record without its values, a new reference; NULL with an exception. */
PyObject *sobj__record_new(const struct sobj__made *made);
/* Sets a field. Returns: 0, or -1 with an exception. */
static inline int sobj__record_set(const struct sobj__made *made, PyObject *record,
                                   Py_ssize_t index, PyObject *value)
{
    PyMemberDef slot = made->shape->slots[index];

    if (slot.name != NULL)
        return PyMember_SetOne((char *)record, &slot, value);
    return PyObject_GenericSetAttr(record, PyTuple_GET_ITEM(made->shape->names, index),
                                   value);
}

#endif
