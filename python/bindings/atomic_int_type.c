/* SPDX-License-Identifier: MIT */
/* The type AtomicInt; its operators are in atomic_int_number.c. */
#include "atomic_int_type.h"

#include "args.h"
#include "blocking.h"
#include "errors.h"

/* ---- arguments */

/* Returns: 0 and the number in 64 bits; -1 with TypeError or OverflowError. */
static int to_int64(PyObject *obj, const char *what, int64_t *out)
{
    PyObject *number = sobj_atomic_int_operand(obj, what);
    int fits;

    if (number == NULL)
        return -1;
    fits = sobj_atomic_int_fits(number, out);
    Py_DECREF(number);
    if (fits == 0)
        PyErr_Format(PyExc_OverflowError,
                     "%s: an AtomicInt holds 64 bits; the ints of a SharedDict have no "
                     "limit",
                     what);
    return fits == 1 ? 0 : -1;
}

/* ---- methods */

PyDoc_STRVAR(
    type_doc,
    "AtomicInt(value=0)\n--\n\n"
    "A signed 64-bit integer shared by threads and interpreters.\n\n"
    "Every method and in-place operator is one atomic step, and none of them\n"
    "blocks but wait(). A result that does not fit raises OverflowError and\n"
    "leaves the value as it was. Everything else acts like the int it holds and\n"
    "gives plain ints. Two handles of one object are equal; no AtomicInt is\n"
    "hashable, because its value changes.");

static PyObject *integer_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"value", NULL};
    struct sobj_state *state = sobj_state_of_type(type);
    struct sobj_object *core;
    PyObject *value = NULL;
    int64_t start = 0;

    if (state == NULL || !PyArg_ParseTupleAndKeywords(args, keywords, "|O:AtomicInt",
                                                      (char **)names, &value))
        return NULL;
    if (value != NULL && to_int64(value, "AtomicInt()", &start) < 0)
        return NULL;
    if (sobj_atomic_int_new(start, &core) != SOBJ_OK)
        return PyErr_NoMemory();
    return sobj_handle_for(state, core);
}

static PyObject *integer_repr(PyObject *self)
{
    return PyUnicode_FromFormat("AtomicInt(%lld)",
                                (long long)sobj_atomic_int_get(sobj_handle_core(self)));
}

PyDoc_STRVAR(get_doc, "get($self, /)\n--\n\nReturn the value. Wait-free.");

static PyObject *integer_get(PyObject *self, PyObject *unused)
{
    return sobj_atomic_int_value(self);
}

PyDoc_STRVAR(set_doc, "set($self, value, /)\n--\n\nReplace the value.");

static PyObject *integer_set(PyObject *self, PyObject *arg)
{
    int64_t value;

    if (to_int64(arg, "set()", &value) < 0)
        return NULL;
    sobj_atomic_int_set(sobj_handle_core(self), value);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(exchange_doc,
             "exchange($self, value, /)\n--\n\nReplace the value; return the old one.");

static PyObject *integer_exchange(PyObject *self, PyObject *arg)
{
    int64_t value;

    if (to_int64(arg, "exchange()", &value) < 0)
        return NULL;
    return PyLong_FromLongLong(sobj_atomic_int_exchange(sobj_handle_core(self), value));
}

PyDoc_STRVAR(compare_and_set_doc,
             "compare_and_set($self, /, expected, desired)\n--\n\n"
             "If the value is expected, make it desired. Return whether it was.");

static PyObject *integer_compare_and_set(PyObject *self, PyObject *const *args,
                                         Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"expected", "desired", NULL};
    static const struct sobj_signature signature = {"compare_and_set", names, 2, 2};
    PyObject *given[2] = {NULL, NULL}, *number;
    int64_t expected, desired;
    int fits;

    if (sobj_args(&signature, args, count, keywords, given) < 0 ||
        to_int64(given[1], "compare_and_set()", &desired) < 0)
        return NULL;
    number = sobj_atomic_int_operand(given[0], "compare_and_set()");
    if (number == NULL)
        return NULL;
    fits = sobj_atomic_int_fits(number, &expected);
    Py_DECREF(number);
    if (fits < 0)
        return NULL;
    /* What does not fit cannot be the value. */
    return PyBool_FromLong(fits &&
                           sobj_atomic_int_compare_and_set(sobj_handle_core(self),
                                                           expected, desired, NULL));
}

/* The argument n=1 of the adding methods. */
static int amount(const char *function, PyObject *const *args, Py_ssize_t count,
                  PyObject *keywords, PyObject **n)
{
    static const char *const names[] = {"n", NULL};
    struct sobj_signature signature = {function, names, 0, 1};

    *n = NULL;
    if (keywords == NULL && count <= 1) {
        *n = count == 1 ? args[0] : NULL;
        return 0;
    }
    return sobj_args(&signature, args, count, keywords, n);
}

/* Adds or subtracts `n` (NULL: 1). Returns: 0 and the values before and after, or -1. */
static int add_any(PyObject *self, PyObject *n, bool minus, const char *what,
                   int64_t *before, int64_t *after)
{
    struct sobj_object *core = sobj_handle_core(self);
    PyObject *operand;
    int64_t word = 1;
    int fits = 1, result = 0;

    operand = n != NULL ? sobj_atomic_int_operand(n, what) : NULL;
    if (n != NULL && operand == NULL)
        return -1;
    if (operand != NULL)
        fits = sobj_atomic_int_fits(operand, &word);
    if (fits == 1 && !(minus && word == INT64_MIN)) {
        word = minus ? -word : word;
        if (sobj_atomic_int_add(core, word, after) == SOBJ_OK) {
            /* In range, as both ends are; unsigned because the compiler need not know. */
            *before = (int64_t)((uint64_t)*after - (uint64_t)word);
        } else {
            sobj_atomic_int_overflow();
            result = -1;
        }
    } else if (fits >= 0) {
        /* A summand beyond 64 bits may still give a sum within. */
        result = sobj_atomic_int_apply(core, minus ? PyNumber_Subtract : PyNumber_Add,
                                       operand, what, before, after);
    } else {
        result = -1;
    }
    Py_XDECREF(operand);
    return result;
}

#define ADDING(function, name, minus, wanted)                                          \
    static PyObject *function(PyObject *self, PyObject *const *args, Py_ssize_t count, \
                              PyObject *keywords)                                      \
    {                                                                                  \
        int64_t before, after;                                                         \
        PyObject *n;                                                                   \
        if (amount(name, args, count, keywords, &n) < 0 ||                             \
            add_any(self, n, minus, name "()", &before, &after) < 0)                   \
            return NULL;                                                               \
        return PyLong_FromLongLong(wanted);                                            \
    }

PyDoc_STRVAR(increment_doc,
             "increment($self, /, n=1)\n--\n\nAdd n; return the new value.");
ADDING(integer_increment, "increment", false, after)
PyDoc_STRVAR(decrement_doc,
             "decrement($self, /, n=1)\n--\n\nSubtract n; return the new value.");
ADDING(integer_decrement, "decrement", true, after)
PyDoc_STRVAR(fetch_add_doc,
             "fetch_add($self, /, n=1)\n--\n\nAdd n; return the old value.");
ADDING(integer_fetch_add, "fetch_add", false, before)

/* Returns: the old value. */
static PyObject *fetch_bound(PyObject *self, PyObject *arg, const char *what,
                             bool upper)
{
    struct sobj_object *core = sobj_handle_core(self);
    int64_t value, seen;

    if (to_int64(arg, what, &value) < 0)
        return NULL;
    seen = sobj_atomic_int_get(core);
    while ((upper ? value > seen : value < seen) &&
           !sobj_atomic_int_compare_and_set(core, seen, value, &seen))
        continue;
    return PyLong_FromLongLong(seen);
}

PyDoc_STRVAR(
    fetch_max_doc,
    "fetch_max($self, value, /)\n--\n\n"
    "Make the value the larger of itself and the argument; return the old one.");

static PyObject *integer_fetch_max(PyObject *self, PyObject *arg)
{
    return fetch_bound(self, arg, "fetch_max()", true);
}

PyDoc_STRVAR(
    fetch_min_doc,
    "fetch_min($self, value, /)\n--\n\n"
    "Make the value the smaller of itself and the argument; return the old one.");

static PyObject *integer_fetch_min(PyObject *self, PyObject *arg)
{
    return fetch_bound(self, arg, "fetch_min()", false);
}

/* Calls the function in `function` with the value. */
static PyObject *call_with(PyObject *value, PyObject *function)
{
    PyObject *result = PyObject_CallOneArg(function, value), *number;

    if (result == NULL)
        return NULL;
    number = sobj_atomic_int_operand(result, "update()");
    Py_DECREF(result);
    return number;
}

PyDoc_STRVAR(
    update_doc,
    "update($self, function, /)\n--\n\n"
    "Make the value function(value); return the new value.\n\n"
    "The function runs with nothing held, and again with a newer value if\n"
    "another thread was faster. What it raises goes through; the value stays.");

static PyObject *integer_update(PyObject *self, PyObject *function)
{
    int64_t after;

    if (!PyCallable_Check(function)) {
        PyErr_Format(PyExc_TypeError, "update() takes a function, not %.200s",
                     Py_TYPE(function)->tp_name);
        return NULL;
    }
    if (sobj_atomic_int_apply(sobj_handle_core(self), call_with, function, "update()",
                              NULL, &after) < 0)
        return NULL;
    return PyLong_FromLongLong(after);
}

PyDoc_STRVAR(
    wait_doc,
    "wait($self, /, while_equal, timeout=None)\n--\n\n"
    "Sleep while the value is while_equal; return the value that ended it.\n\n"
    "A value that was there only for a moment may be missed. TimeoutError after\n"
    "timeout seconds. Writers pay nothing when nobody waits.");

static PyObject *integer_wait(PyObject *self, PyObject *const *args, Py_ssize_t count,
                              PyObject *keywords)
{
    static const char *const names[] = {"while_equal", "timeout", NULL};
    static const struct sobj_signature signature = {"wait", names, 1, 2};
    PyObject *given[2] = {NULL, NULL}, *number;
    struct sobj_timeout limit;
    struct sobj_wait wait;
    enum sobj_status status;
    int64_t while_equal, value;
    int fits;

    if (sobj_args(&signature, args, count, keywords, given) < 0)
        return NULL;
    number = sobj_atomic_int_operand(given[0], "wait()");
    if (number == NULL)
        return NULL;
    fits = sobj_atomic_int_fits(number, &while_equal);
    Py_DECREF(number);
    if (fits < 0 || sobj_timeout_init(&limit, given[1]) < 0)
        return NULL;
    value = sobj_atomic_int_get(sobj_handle_core(self));
    if (!fits || value != while_equal)
        return PyLong_FromLongLong(value);

    if (sobj_wait_begin(&wait, self, &limit) < 0)
        return NULL;
    SOBJ_WAIT(status, sobj_atomic_int_wait(wait.core, while_equal, wait.deadline,
                                           wait.domain, &value));
    sobj_wait_end(&wait);
    if (status == SOBJ_OK)
        return PyLong_FromLongLong(value);
    if (status == SOBJ_TIMEOUT)
        return sobj_raise_timeout(
            PyExc_TimeoutError, "wait(): the value did not change", &limit, "it does");
    return sobj_raise(((SobjHandle *)self)->state, status);
}

/* ---- protocols of int that are methods */

/* Calls a method of the int. */
static PyObject *as_int(PyObject *self, const char *method, PyObject *arg)
{
    PyObject *value = sobj_atomic_int_value(self), *result;

    if (value == NULL)
        return NULL;
    result = arg != NULL ? PyObject_CallMethod(value, method, "(O)", arg)
                         : PyObject_CallMethod(value, method, NULL);
    Py_DECREF(value);
    return result;
}

PyDoc_STRVAR(round_doc, "__round__($self, ndigits=None, /)\n--\n\nRound the value.");

static PyObject *integer_round(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count > 1) {
        PyErr_Format(PyExc_TypeError,
                     "__round__() takes at most 1 argument (%zd given)", count);
        return NULL;
    }
    /* int.__round__ knows None from 3.13 on only. */
    return as_int(self, "__round__", count == 1 && args[0] != Py_None ? args[0] : NULL);
}

PyDoc_STRVAR(format_doc, "__format__($self, format_spec, /)\n--\n\nFormat the value.");

static PyObject *integer_format(PyObject *self, PyObject *spec)
{
    return as_int(self, "__format__", spec);
}

PyDoc_STRVAR(trunc_doc, "__trunc__($self, /)\n--\n\nReturn the value.");
PyDoc_STRVAR(floor_doc, "__floor__($self, /)\n--\n\nReturn the value.");
PyDoc_STRVAR(ceil_doc, "__ceil__($self, /)\n--\n\nReturn the value.");

/* ---- type */

#define FUNCTION(f) (PyCFunction)(void (*)(void))(f)
#define KEYWORDS METH_FASTCALL | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"get", integer_get, METH_NOARGS, get_doc},
    {"set", integer_set, METH_O, set_doc},
    {"exchange", integer_exchange, METH_O, exchange_doc},
    {"compare_and_set", FUNCTION(integer_compare_and_set), KEYWORDS,
     compare_and_set_doc},
    {"increment", FUNCTION(integer_increment), KEYWORDS, increment_doc},
    {"decrement", FUNCTION(integer_decrement), KEYWORDS, decrement_doc},
    {"fetch_add", FUNCTION(integer_fetch_add), KEYWORDS, fetch_add_doc},
    {"fetch_max", integer_fetch_max, METH_O, fetch_max_doc},
    {"fetch_min", integer_fetch_min, METH_O, fetch_min_doc},
    {"update", integer_update, METH_O, update_doc},
    {"wait", FUNCTION(integer_wait), KEYWORDS, wait_doc},
    {"__round__", FUNCTION(integer_round), METH_FASTCALL, round_doc},
    {"__format__", integer_format, METH_O, format_doc},
    {"__trunc__", integer_get, METH_NOARGS, trunc_doc},
    {"__floor__", integer_get, METH_NOARGS, floor_doc},
    {"__ceil__", integer_get, METH_NOARGS, ceil_doc},
    SOBJ_HANDLE_METHODS,
    SOBJ_HANDLE_COPY_METHODS,
    {NULL},
};

static PyObject *get_value(PyObject *self, void *closure)
{
    return sobj_atomic_int_value(self);
}

static PyGetSetDef integer_getset[] = {
    {"value", get_value, NULL, PyDoc_STR("The value, as get() returns it."), NULL},
     SOBJ_HANDLE_GETSET, {NULL},
};

static const PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, integer_new},
    {Py_tp_repr, integer_repr},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_richcompare, sobj_atomic_int_richcompare},
    {Py_tp_methods, methods},
    {Py_tp_getset, integer_getset},
    SOBJ_HANDLE_SLOTS(sobj_handle_dealloc, sobj_handle_traverse),
};

int sobj_atomic_int_exec(PyObject *module, struct sobj_state *state)
{
    PyType_Slot all[Py_ARRAY_LENGTH(slots) + SOBJ_ATOMIC_INT_NUMBER_SLOTS];
    PyType_Spec spec = {
        .name = "sharedobj.AtomicInt",
        .basicsize = sizeof(SobjHandle),
        .flags = SOBJ_HANDLE_FLAGS,
        .slots = all,
    };

    memcpy(all, slots, sizeof slots);
    memcpy(all + Py_ARRAY_LENGTH(slots), sobj_atomic_int_number_slots,
           sizeof sobj_atomic_int_number_slots);
    return sobj_handle_add_type(module, state, SOBJ_TYPE_ATOMIC_INT, &spec);
}
