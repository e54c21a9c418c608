/* SPDX-License-Identifier: MIT */
/* AtomicInt: what its methods (atomic_int_type.c) and its operators
 * (atomic_int_number.c) share. */
#ifndef SOBJ_PY_ATOMIC_INT_TYPE_H
#define SOBJ_PY_ATOMIC_INT_TYPE_H

#include "handle.h"
#include "sharedobj/atomic_int.h"

/* Whether `obj` is an AtomicInt, of any module of ours. */
static inline bool sobj_is_atomic_int(PyObject *obj)
{
    return sobj_handle_check(obj) &&
           sobj_type_of(sobj_handle_core(obj)) == SOBJ_TYPE_ATOMIC_INT;
}

/* Returns: the value as an int. */
static inline PyObject *sobj_atomic_int_value(PyObject *self)
{
    return PyLong_FromLongLong(sobj_atomic_int_get(sobj_handle_core(self)));
}

/* Returns: an exact int from an int, an AtomicInt or what has __index__; NULL with
 * TypeError, in which `what` names the operand. */
PyObject *sobj_atomic_int_operand(PyObject *obj, const char *what);

/* Converts to 64 bits. Returns: 1; 0 if it does not fit; -1 with an exception. */
int sobj_atomic_int_fits(PyObject *number, int64_t *out);

/* Raises OverflowError with its remedy. Returns NULL. */
PyObject *sobj_atomic_int_overflow(void);

/* Makes the value op(value, operand), as one atomic step.
 * Returns: 0 and the values before and after (may be NULL); -1 with an exception and the
 * value unchanged. `symbol` is the operation as messages spell it. */
int sobj_atomic_int_apply(struct sobj_object *core, binaryfunc op, PyObject *operand,
                          const char *symbol, int64_t *before, int64_t *after);

/* The operators, as the last of the type's slots: the table ends with {0}. */
#define SOBJ_ATOMIC_INT_NUMBER_SLOTS 34
extern const PyType_Slot sobj_atomic_int_number_slots[SOBJ_ATOMIC_INT_NUMBER_SLOTS];

PyObject *sobj_atomic_int_richcompare(PyObject *self, PyObject *other, int op);

#endif
