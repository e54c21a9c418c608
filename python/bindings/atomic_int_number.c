/* SPDX-License-Identifier: MIT */
/* AtomicInt as a number.
 *
 * Operators that make a new object act like the int the AtomicInt holds: its value is
 * read once, and Python's own operation on plain ints (and whatever the other operand
 * is) gives the result.
 *
 * In-place operators change the AtomicInt in one atomic step. += and -= of a small int
 * are one call of the core; the others compute with Python's ints, outside of everything,
 * and store by compare-and-set, so they begin again when another thread was faster. No
 * in-place operator ever answers NotImplemented: Python would then compute a plain number
 * and bind the variable to that.
 */
#include "atomic_int_type.h"

/* ---- operands */

PyObject *sobj_atomic_int_operand(PyObject *obj, const char *what)
{
    if (sobj_is_atomic_int(obj))
        return sobj_atomic_int_value(obj);
    if (PyIndex_Check(obj))
        return PyNumber_Index(obj);
    PyErr_Format(PyExc_TypeError, "%s: an AtomicInt takes an int, not %.200s", what,
                 Py_TYPE(obj)->tp_name);
    return NULL;
}

int sobj_atomic_int_fits(PyObject *number, int64_t *out)
{
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(number, &overflow);

    if (n == -1 && PyErr_Occurred())
        return -1;
    *out = n;
    return overflow == 0;
}

PyObject *sobj_atomic_int_overflow(void)
{
    PyErr_SetString(PyExc_OverflowError,
                    "the result does not fit in the 64 bits of an AtomicInt, which is "
                    "unchanged; the ints of a SharedDict have no limit");
    return NULL;
}

/* Returns: what stands for `obj` in plain arithmetic, a new reference. */
static PyObject *plain(PyObject *obj)
{
    return sobj_is_atomic_int(obj) ? sobj_atomic_int_value(obj) : Py_NewRef(obj);
}

/* ---- new objects */

static PyObject *binary(PyObject *a, PyObject *b, binaryfunc op)
{
    PyObject *x = plain(a), *y = plain(b), *result = NULL;

    if (x != NULL && y != NULL)
        result = op(x, y);
    Py_XDECREF(x);
    Py_XDECREF(y);
    return result;
}

static PyObject *unary(PyObject *self, unaryfunc op)
{
    PyObject *value = sobj_atomic_int_value(self), *result;

    if (value == NULL)
        return NULL;
    result = op(value);
    Py_DECREF(value);
    return result;
}

#define BINARY(name, op)                                                               \
    static PyObject *name(PyObject *a, PyObject *b) { return binary(a, b, op); }
#define UNARY(name, op)                                                                \
    static PyObject *name(PyObject *self) { return unary(self, op); }

BINARY(add, PyNumber_Add)
BINARY(subtract, PyNumber_Subtract)
BINARY(multiply, PyNumber_Multiply)
BINARY(floor_divide, PyNumber_FloorDivide)
BINARY(true_divide, PyNumber_TrueDivide)
BINARY(modulo, PyNumber_Remainder)
BINARY(divide_modulo, PyNumber_Divmod)
BINARY(shift_left, PyNumber_Lshift)
BINARY(shift_right, PyNumber_Rshift)
BINARY(bit_and, PyNumber_And)
BINARY(bit_or, PyNumber_Or)
BINARY(bit_xor, PyNumber_Xor)
UNARY(negative, PyNumber_Negative)
UNARY(absolute, PyNumber_Absolute)
UNARY(invert, PyNumber_Invert)
UNARY(to_float, PyNumber_Float)

static PyObject *power(PyObject *a, PyObject *b, PyObject *modulus)
{
    PyObject *x = plain(a), *y = plain(b), *z = plain(modulus), *result = NULL;

    if (x != NULL && y != NULL && z != NULL)
        result = PyNumber_Power(x, y, z);
    Py_XDECREF(x);
    Py_XDECREF(y);
    Py_XDECREF(z);
    return result;
}

static int to_bool(PyObject *self)
{
    return sobj_atomic_int_get(sobj_handle_core(self)) != 0;
}

PyObject *sobj_atomic_int_richcompare(PyObject *self, PyObject *other, int op)
{
    PyObject *value = sobj_atomic_int_value(self), *with, *result = NULL;

    if (value == NULL)
        return NULL;
    /* A handle of the same core equals itself, whatever others do meanwhile. */
    if (sobj_handle_check(other) && sobj_handle_core(other) == sobj_handle_core(self))
        with = Py_NewRef(value);
    else
        with = plain(other);
    if (with != NULL)
        result = PyObject_RichCompare(value, with, op);
    Py_XDECREF(with);
    Py_DECREF(value);
    return result;
}

/* ---- in place */

/* 1 << 10**9 and 2 ** 10**9 take long, and what does not fit need not be computed. Of
 * |value| >= 2 no power from 64 on fits, of value != 0 no shift from 64 on. */
static bool at_least_64(PyObject *number)
{
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(number, &overflow);

    return overflow > 0 || (overflow == 0 && n >= 64);
}

static PyObject *bounded_shift(PyObject *value, PyObject *by)
{
    if (PyObject_IsTrue(value) && at_least_64(by))
        return sobj_atomic_int_overflow();
    return PyNumber_Lshift(value, by);
}

static PyObject *bounded_power(PyObject *value, PyObject *exponent)
{
    int64_t base;

    if (sobj_atomic_int_fits(value, &base) == 1 && (base > 1 || base < -1) &&
        at_least_64(exponent))
        return sobj_atomic_int_overflow();
    return PyNumber_Power(value, exponent, Py_None);
}

/* Returns: 0 and op(value, operand), or -1 with an exception. */
static int compute(binaryfunc op, int64_t value, PyObject *operand, const char *symbol,
                   int64_t *out)
{
    PyObject *number = PyLong_FromLongLong(value), *result = NULL;
    int fits = -1;

    if (number != NULL)
        result = op(number, operand);
    if (result != NULL && !PyLong_Check(result)) {
        PyErr_Format(PyExc_TypeError, "%s: the result is a %.200s, not an int", symbol,
                     Py_TYPE(result)->tp_name);
    } else if (result != NULL) {
        fits = sobj_atomic_int_fits(result, out);
        if (fits == 0)
            sobj_atomic_int_overflow();
    }
    Py_XDECREF(result);
    Py_XDECREF(number);
    return fits == 1 ? 0 : -1;
}

int sobj_atomic_int_apply(struct sobj_object *core, binaryfunc op, PyObject *operand,
                          const char *symbol, int64_t *before, int64_t *after)
{
    int64_t old = sobj_atomic_int_get(core), new;

    do {
        if (compute(op, old, operand, symbol, &new) < 0)
            return -1;
    } while (!sobj_atomic_int_compare_and_set(core, old, new, &old));
    if (before != NULL)
        *before = old;
    if (after != NULL)
        *after = new;
    return 0;
}

static PyObject *in_place(PyObject *self, PyObject *other, binaryfunc op,
                          const char *symbol)
{
    PyObject *operand = sobj_atomic_int_operand(other, symbol);
    int failed;

    if (operand == NULL)
        return NULL;
    failed =
        sobj_atomic_int_apply(sobj_handle_core(self), op, operand, symbol, NULL, NULL);
    Py_DECREF(operand);
    return failed ? NULL : Py_NewRef(self);
}

static PyObject *add_small(PyObject *self, int64_t n)
{
    int64_t result;

    if (sobj_atomic_int_add(sobj_handle_core(self), n, &result) != SOBJ_OK)
        return sobj_atomic_int_overflow();
    return Py_NewRef(self);
}

static PyObject *in_place_add(PyObject *self, PyObject *other)
{
    if (PyLong_CheckExact(other) && PyUnstable_Long_IsCompact((PyLongObject *)other))
        return add_small(self, PyUnstable_Long_CompactValue((PyLongObject *)other));
    return in_place(self, other, PyNumber_Add, "+=");
}

static PyObject *in_place_subtract(PyObject *self, PyObject *other)
{
    /* A compact int has far less than 64 bits: its negative exists. */
    if (PyLong_CheckExact(other) && PyUnstable_Long_IsCompact((PyLongObject *)other))
        return add_small(self, -PyUnstable_Long_CompactValue((PyLongObject *)other));
    return in_place(self, other, PyNumber_Subtract, "-=");
}

#define IN_PLACE(name, op, symbol)                                                     \
    static PyObject *name(PyObject *self, PyObject *other)                             \
    {                                                                                  \
        return in_place(self, other, op, symbol);                                      \
    }

IN_PLACE(in_place_multiply, PyNumber_Multiply, "*=")
IN_PLACE(in_place_floor_divide, PyNumber_FloorDivide, "//=")
IN_PLACE(in_place_remainder, PyNumber_Remainder, "%=")
IN_PLACE(in_place_shift_left, bounded_shift, "<<=")
IN_PLACE(in_place_shift_right, PyNumber_Rshift, ">>=")
IN_PLACE(in_place_and, PyNumber_And, "&=")
IN_PLACE(in_place_or, PyNumber_Or, "|=")
IN_PLACE(in_place_xor, PyNumber_Xor, "^=")

static PyObject *in_place_power(PyObject *self, PyObject *other, PyObject *unused)
{
    return in_place(self, other, bounded_power, "**=");
}

static PyObject *in_place_true_divide(PyObject *self, PyObject *other)
{
    PyErr_SetString(PyExc_TypeError,
                    "/=: use //= instead: the result is a float, and an "
                    "AtomicInt holds an int");
    return NULL;
}

const PyType_Slot sobj_atomic_int_number_slots[SOBJ_ATOMIC_INT_NUMBER_SLOTS] = {
    {Py_nb_add, add},
    {Py_nb_subtract, subtract},
    {Py_nb_multiply, multiply},
    {Py_nb_floor_divide, floor_divide},
    {Py_nb_true_divide, true_divide},
    {Py_nb_remainder, modulo},
    {Py_nb_divmod, divide_modulo},
    {Py_nb_power, power},
    {Py_nb_lshift, shift_left},
    {Py_nb_rshift, shift_right},
    {Py_nb_and, bit_and},
    {Py_nb_or, bit_or},
    {Py_nb_xor, bit_xor},
    {Py_nb_negative, negative},
    {Py_nb_positive, sobj_atomic_int_value},
    {Py_nb_absolute, absolute},
    {Py_nb_invert, invert},
    {Py_nb_bool, to_bool},
    {Py_nb_int, sobj_atomic_int_value},
    {Py_nb_index, sobj_atomic_int_value},
    {Py_nb_float, to_float},
    {Py_nb_inplace_add, in_place_add},
    {Py_nb_inplace_subtract, in_place_subtract},
    {Py_nb_inplace_multiply, in_place_multiply},
    {Py_nb_inplace_floor_divide, in_place_floor_divide},
    {Py_nb_inplace_true_divide, in_place_true_divide},
    {Py_nb_inplace_remainder, in_place_remainder},
    {Py_nb_inplace_power, in_place_power},
    {Py_nb_inplace_lshift, in_place_shift_left},
    {Py_nb_inplace_rshift, in_place_shift_right},
    {Py_nb_inplace_and, in_place_and},
    {Py_nb_inplace_or, in_place_or},
    {Py_nb_inplace_xor, in_place_xor},
    {0, NULL},
};
