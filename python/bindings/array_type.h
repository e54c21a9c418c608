/* SPDX-License-Identifier: MIT */
/* SharedArray: what its items (array_item.c), its iterators (array_iter.c), operations on all
 * of it (array_whole.c) and its methods (array_type.c) share. */
#ifndef SOBJ_PY_ARRAY_TYPE_H
#define SOBJ_PY_ARRAY_TYPE_H

#include "handle.h"
#include "sharedobj/array.h"

/* Whether `obj` is a SharedArray, of any module of ours. */
static inline bool sobj_is_array(PyObject *obj)
{
    return sobj_handle_check(obj) &&
           sobj_type_of(sobj_handle_core(obj)) == SOBJ_TYPE_ARRAY;
}

static inline const struct sobj_array_layout *sobj_array_of(PyObject *self)
{
    return sobj_array_layout(sobj_handle_core(self));
}

/* ---- items; array_item.c */

/* Returns: the number as an int or float. */
PyObject *sobj_array_object(const struct sobj_array_kind *kind,
                            union sobj_number number);
/* The item at an index that is in range. */
static inline PyObject *sobj_array_item(PyObject *self, size_t index)
{
    return sobj_array_object(sobj_array_of(self)->kind,
                             sobj_array_get(sobj_handle_core(self), index));
}

/* Converts what is to be an item, or is compared with one; may run Python code.
 * Returns: 1; 0: an int beyond 64 bits or all floats, or of the wrong sign; -1 with an
 * exception. That a narrower item has no room is for the core to say. */
int sobj_array_number(const struct sobj_array_kind *kind, PyObject *obj,
                      union sobj_number *number);
/* Returns: an int from an int or what has __index__; NULL with an exception. */
PyObject *sobj_array_int(const struct sobj_array_kind *kind, PyObject *obj);
/* Raises OverflowError with its remedy. Returns NULL. */
PyObject *sobj_array_overflow(const struct sobj_array_kind *kind);

/* Items on their way into an array. */
struct sobj_array_items {
    const struct sobj_array_kind *kind;
    void *data; /* of PyMem_RawMalloc, or NULL */
    size_t count, capacity;
};
/* Collects the items of an iterable. Returns: 0, or -1 with an exception; in both cases
 * `items` is to be ended. */
int sobj_array_collect(const struct sobj_array_kind *kind, PyObject *source,
                       struct sobj_array_items *items);
void sobj_array_items_fini(struct sobj_array_items *items);

/* ---- iterators; array_iter.c */

PyObject *sobj_array_iter(PyObject *self);
PyObject *sobj_array_reversed(PyObject *self, PyObject *unused);
/* Makes their type. Returns: 0, or -1 with an exception. */
int sobj_array_iter_exec(PyObject *module, struct sobj_state *state);

/* ---- all of it; array_whole.c */

/* Returns: the handle of a new array of these items. */
PyObject *sobj_array_part(PyObject *self, size_t first, ptrdiff_t step, size_t count);
PyObject *sobj_array_tolist(PyObject *self, PyObject *unused);
PyObject *sobj_array_repr(PyObject *self);
PyObject *sobj_array_richcompare(PyObject *self, PyObject *other, int op);
int sobj_array_contains(PyObject *self, PyObject *value);
PyObject *sobj_array_index(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *sobj_array_count(PyObject *self, PyObject *value);
/* For `self[slice] = source`. Returns: 0, or -1 with an exception. */
int sobj_array_assign(PyObject *self, PyObject *slice, PyObject *source);

#endif
