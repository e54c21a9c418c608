/* SPDX-License-Identifier: MIT */
/* SharedDict: reduce_sum, reduce_max and reduce_min, atomic for each item. */
#include "dict_type.h"
#include "errors.h"

/* What is done with the numbers. */
struct reduction {
    const char *name;
    SobjHandle *self;
    PyObject *zero; /* reduce_sum */
    int better;     /* reduce_max, reduce_min: Py_GT, Py_LT */
    Py_ssize_t items;
};

/* Returns: `number` as it is stored; NULL with TypeError that names the key. */
static PyObject *check_number(const struct reduction *r, PyObject *key,
                              PyObject *number)
{
    if (PyLong_Check(number) || PyFloat_CheckExact(number))
        return sobj_dict_number_of(r->name, number, 0);
    PyErr_Format(PyExc_TypeError,
                 "%s: the number for %R must be an int or a float, "
                 "not %s",
                 r->name, key, Py_TYPE(number)->tp_name);
    return NULL;
}

static bool is_nan(PyObject *number)
{
    return PyFloat_CheckExact(number) &&
           PyFloat_AS_DOUBLE(number) != PyFloat_AS_DOUBLE(number);
}

/* Whether `number` takes the place of `old`: any number does that of a NaN.
 * Returns: 1, 0, or -1 with an exception. */
static int takes_over(const struct reduction *r, PyObject *number, PyObject *old)
{
    if (is_nan(old))
        return !is_nan(number);
    return PyObject_RichCompareBool(number, old, r->better);
}

/* One attempt. Returns: 1: the value is right now; 0: it has changed meanwhile; -1. */
static int reduce_attempt(const struct reduction *r, struct sobj_py_key *k,
                          PyObject *key, PyObject *number)
{
    struct sobj_state *state = r->self->state;
    PyObject *old = sobj_dict_lookup(r->self, key);
    sobj_cell expected = SOBJ_MISSING, desired;
    enum sobj_status status;
    int result = -1;

    if (old == NULL && PyErr_Occurred())
        return -1;
    if (old != NULL && !PyLong_Check(old) && !PyFloat_CheckExact(old)) {
        PyErr_Format(PyExc_TypeError, "%s: the value of %R is a %s, not a number",
                     r->name, key, Py_TYPE(old)->tp_name);
        goto done;
    }
    if (old != NULL) {
        int better = takes_over(r, number, old);
        if (better <= 0) {
            result = better < 0 ? -1 : 1;
            goto done;
        }
    }
    if (old != NULL && sobj_encode(state, old, &expected) < 0)
        goto done;
    if (sobj_encode(state, number, &desired) == 0) {
        status = sobj_dict_compare_and_set(r->self->core, &k->key, expected, desired);
        result = status == SOBJ_OK ? 1 : status == SOBJ_MISMATCH ? 0 : -1;
        if (result < 0)
            sobj_raise(state, status);
    }
    sobj_cell_unref(expected);
done:
    Py_XDECREF(old);
    return result;
}

static int keep_best(struct reduction *r, PyObject *key, PyObject *number)
{
    struct sobj_py_key k;
    int result = 0;

    if (sobj_py_key_init(r->self->state, key, &k) < 0)
        return -1;
    while (result == 0)
        result = reduce_attempt(r, &k, key, number);
    sobj_py_key_fini(&k);
    return result < 0 ? -1 : 0;
}

static int reduce_item(void *context, PyObject *key, PyObject *value)
{
    struct reduction *r = context;
    PyObject *number = check_number(r, key, value);
    int result;

    if (number == NULL)
        return -1;
    if (r->zero != NULL)
        result = sobj_dict_add_to(r->self, key, number, r->zero, NULL, r->name);
    else
        result = keep_best(r, key, number);
    Py_DECREF(number);
    r->items += result == 0;
    return result;
}

static PyObject *reduce(struct reduction *r, PyObject *pairs)
{
    if (sobj_dict_items_of(pairs, reduce_item, r) < 0)
        return NULL;
    return PyLong_FromSsize_t(r->items);
}

const char sobj_dict_reduce_sum_doc[] = PyDoc_STR("reduce_sum($self, pairs, /)\n--\n\n"
              "Add each number of a mapping or an iterable of pairs (key, number) to the\n"
              "value of its key, beginning from 0; return how many items there were.\n"
              "Atomic for each item, in order, as increment(); what was added before an\n"
              "error stays added.");

PyObject *sobj_dict_reduce_sum(PyObject *self, PyObject *pairs)
{
    struct reduction r = {.name = "reduce_sum", .self = (SobjHandle *)self};
    PyObject *result;

    r.zero = PyLong_FromLong(0);
    if (r.zero == NULL)
        return NULL;
    result = reduce(&r, pairs);
    Py_DECREF(r.zero);
    return result;
}

const char sobj_dict_reduce_max_doc[] = PyDoc_STR("reduce_max($self, pairs, /)\n--\n\n"
              "Store each number of a mapping or an iterable of pairs (key, number) where\n"
              "it is greater than the value of its key, or where there is none; return how\n"
              "many items there were. Numbers are compared exactly and keep their types; of\n"
              "equal ones the present one stays; a NaN counts less than any number. Atomic\n"
              "for each item, in order; what was done before an error stays.");

PyObject *sobj_dict_reduce_max(PyObject *self, PyObject *pairs)
{
    struct reduction r = {
        .name = "reduce_max", .self = (SobjHandle *)self, .better = Py_GT};

    return reduce(&r, pairs);
}

const char sobj_dict_reduce_min_doc[] = PyDoc_STR("reduce_min($self, pairs, /)\n--\n\n"
              "As reduce_max(), for the smallest number. A NaN gives way to any number\n"
              "here, too.");

PyObject *sobj_dict_reduce_min(PyObject *self, PyObject *pairs)
{
    struct reduction r = {
        .name = "reduce_min", .self = (SobjHandle *)self, .better = Py_LT};

    return reduce(&r, pairs);
}
