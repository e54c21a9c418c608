/* SPDX-License-Identifier: MIT */
/* SharedDict: numbers, and operations on many keys, which are atomic for each key. */
#include "args.h"
#include "dict_type.h"
#include "errors.h"

/* ---- filling */

/* Stores one of many items; an error of sharing then says which item it was. */
static int store_item(void *self, PyObject *key, PyObject *value)
{
    struct sobj_state *state = ((SobjHandle *)self)->state;
    PyObject *class, *error;

    if (sobj_dict_store((SobjHandle *)self, key, value) == 0)
        return 0;
    error = PyErr_GetRaisedException();
    class = sobj_error_class(state, SOBJ_ERR_NOT_SHAREABLE);
    if (class != NULL && PyErr_GivenExceptionMatches(error, class)) {
        PyErr_Format(class, "item %R: %S", key, error);
        Py_DECREF(error);
    } else {
        PyErr_SetRaisedException(error);
    }
    return -1;
}

/* Makes room at once for what a plain dict holds. */
static void make_room(PyObject *self, PyObject *source)
{
    struct sobj_object *core = sobj_handle_core(self);

    if (PyDict_CheckExact(source) && sobj_dict_len(core) == 0)
        sobj_dict_reserve(core, (size_t)PyDict_GET_SIZE(source));
}

int sobj_dict_fill_from(PyObject *self, PyObject *source)
{
    make_room(self, source);
    return sobj_dict_items_of(source, store_item, self);
}

int sobj_dict_fill(PyObject *self, PyObject *args, PyObject *keywords,
                   const char *function)
{
    PyObject *source = NULL;

    if (!PyArg_UnpackTuple(args, function, 0, 1, &source))
        return -1;
    if (keywords != NULL && !PyArg_ValidateKeywordArguments(keywords))
        return -1;
    if (source != NULL && sobj_dict_fill_from(self, source) < 0)
        return -1;
    return keywords != NULL ? sobj_dict_fill_from(self, keywords) : 0;
}

const char sobj_dict_update_doc[] = PyDoc_STR("update($self, mapping_or_iterable=(), /, **items)\n--\n\n"
              "Store the items of a mapping or of an iterable of pairs, in their order.\n"
              "Atomic for each item: others may see some of them, and what was stored\n"
              "before an error stays.");

PyObject *sobj_dict_update(PyObject *self, PyObject *args, PyObject *keywords)
{
    if (sobj_dict_fill(self, args, keywords, "update") < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- taking out */

/* A plain dict with the items, one after the other. */
static PyObject *plain_dict(PyObject *op)
{
    SobjHandle *self = (SobjHandle *)op;
    PyObject *dict = PyDict_New();
    struct sobj_dict_iter walk;
    struct sobj_entry_out e;
    int result = 0;

    if (dict == NULL)
        return NULL;
    sobj_dict_iter_init(&walk, self->core);
    for (;;) {
        sobj_entry_out_init(&e, self->state, true, true);
        if (result < 0 || sobj_dict_iter_next(&walk, sobj_entry_take, &e) != SOBJ_OK)
            break;
        PyObject *key, *value;
        result = sobj_entry_out_both(&e, &key, &value);
        if (result < 0)
            continue;
        result = PyDict_SetItem(dict, key, value);
        Py_DECREF(key);
        Py_DECREF(value);
    }
    sobj_dict_iter_fini(&walk);
    if (result < 0)
        Py_CLEAR(dict);
    return dict;
}

PyObject *sobj_dict_repr(PyObject *self)
{
    PyObject *dict, *repr = NULL;
    int entered = Py_ReprEnter(self);

    if (entered != 0)
        return entered > 0 ? PyUnicode_FromString("SharedDict({...})") : NULL;
    dict = plain_dict(self);
    if (dict != NULL)
        repr = PyDict_GET_SIZE(dict) != 0 ? PyUnicode_FromFormat("SharedDict(%R)", dict)
                                          : PyUnicode_FromString("SharedDict()");
    Py_XDECREF(dict);
    Py_ReprLeave(self);
    return repr;
}

static size_t length_of(PyObject *dict, bool shared)
{
    return shared ? sobj_dict_len(sobj_handle_core(dict))
                  : (size_t)PyDict_GET_SIZE(dict);
}

PyObject *sobj_dict_richcompare(PyObject *self, PyObject *other, int op)
{
    PyObject *mine, *theirs, *result = NULL;
    bool shared = sobj_dict_check(other);

    if ((op != Py_EQ && op != Py_NE) || (!shared && !PyDict_Check(other)))
        Py_RETURN_NOTIMPLEMENTED;
    if (shared && sobj_handle_core(self) == sobj_handle_core(other))
        return PyBool_FromLong(op == Py_EQ);
    /* A subclass of dict may have its own opinion. */
    if ((shared || PyDict_CheckExact(other)) &&
        sobj_dict_len(sobj_handle_core(self)) != length_of(other, shared))
        return PyBool_FromLong(op == Py_NE);
    mine = plain_dict(self);
    theirs = shared ? plain_dict(other) : Py_NewRef(other);
    if (mine != NULL && theirs != NULL)
        result = PyObject_RichCompare(mine, theirs, op);
    Py_XDECREF(mine);
    Py_XDECREF(theirs);
    return result;
}

/* ---- numbers */

static bool is_number(PyObject *obj)
{
    return PyLong_Check(obj) || PyFloat_CheckExact(obj);
}

/* One attempt to add where the core cannot: numbers that need a blob, or bools.
 * Returns: 1 and the sum; 0: the value has changed meanwhile; -1 with an exception. */
static int add_attempt(SobjHandle *self, struct sobj_py_key *k, PyObject *key,
                       PyObject *n, PyObject *start, PyObject **sum,
                       const char *function)
{
    PyObject *old = sobj_dict_lookup(self, key);
    sobj_cell expected = SOBJ_MISSING, desired;
    enum sobj_status status;
    int result = -1;

    if (old == NULL && PyErr_Occurred())
        return -1;
    if (old != NULL && !is_number(old)) {
        PyErr_Format(PyExc_TypeError,
                     "%s: the value of %R is a %s; only int and float have "
                     "atomic increments (an AtomicInt has an increment() of its "
                     "own; use compare_and_set for others)",
                     function, key, Py_TYPE(old)->tp_name);
        goto done;
    }
    if (old != NULL && sobj_encode(self->state, old, &expected) < 0)
        goto done;
    *sum = PyNumber_Add(old != NULL ? old : start, n);
    if (*sum == NULL || sobj_encode(self->state, *sum, &desired) < 0) {
        sobj_cell_unref(expected);
        Py_CLEAR(*sum);
        goto done;
    }
    status = sobj_dict_compare_and_set(self->core, &k->key, expected, desired);
    sobj_cell_unref(expected);
    result = status == SOBJ_OK ? 1 : status == SOBJ_MISMATCH ? 0 : -1;
    if (result != 1)
        Py_CLEAR(*sum);
    if (result < 0)
        sobj_raise(self->state, status);
done:
    Py_XDECREF(old);
    return result;
}

/* The sum of immediate numbers, for who wants it. Returns: 0; -1 with an exception. */
static int give_sum(SobjHandle *self, sobj_cell cell, PyObject **sum)
{
    if (sum != NULL)
        *sum = sobj_decode(self->state, cell);
    return sum != NULL && *sum == NULL ? -1 : 0;
}

/* The rest of sobj_dict_add_to, where no entry of the cache helps. */
static int add_by_key(SobjHandle *self, PyObject *key, PyObject *n, PyObject *start,
                      PyObject **sum, const char *function)
{
    enum sobj_status status = SOBJ_BAD_OPERAND;
    PyObject *added = NULL;
    struct sobj_py_key k;
    sobj_cell by, from, cell = 0;
    int result = 0;

    if (sobj_py_key_init(self->state, key, &k) < 0)
        return -1;
    if (sobj_encode_fast(n, &by) && sobj_encode_fast(start, &from))
        status = sobj_dict_increment(self->core, &k.key, by, from, &cell);
    if (status == SOBJ_BAD_OPERAND || status == SOBJ_OVERFLOW) {
        while (result == 0)
            result = add_attempt(self, &k, key, n, start, &added, function);
        if (sum != NULL && result > 0)
            *sum = added;
        else
            Py_XDECREF(added);
    } else if (status != SOBJ_OK) {
        sobj_raise(self->state, status);
        result = -1;
    } else {
        result = give_sum(self, cell, sum);
    }
    sobj_py_key_fini(&k);
    return result < 0 ? -1 : 0;
}

int sobj_dict_add_to(SobjHandle *self, PyObject *key, PyObject *n, PyObject *start,
                     PyObject **sum, const char *function)
{
    sobj_cell by, cell;
    int status;

    if (sobj_encode_fast(n, &by)) {
        status = sobj_cache_increment((DictHandle *)self, key, by, &cell);
        if (status == SOBJ_OK)
            return give_sum(self, cell, sum);
        if (status < 0)
            return -1;
    }
    return add_by_key(self, key, n, start, sum, function);
}

PyObject *sobj_dict_number_of(const char *what, PyObject *obj, long otherwise)
{
    if (obj == NULL)
        return PyLong_FromLong(otherwise);
    if (PyLong_Check(obj))
        return PyNumber_Index(obj);
    if (PyFloat_CheckExact(obj))
        return Py_NewRef(obj);
    PyErr_Format(PyExc_TypeError, "%s must be an int or a float, not %s", what,
                 Py_TYPE(obj)->tp_name);
    return NULL;
}

const char sobj_dict_increment_doc[] = PyDoc_STR("increment($self, /, key, n=1, default=0)\n--\n\n"
              "Add n to the value of key, or to default if it is absent; return the sum.\n"
              "Atomic: no increment is lost. Ints of any size, and floats; TypeError for\n"
              "anything else. An AtomicInt among the values has an increment() of its own.");

PyObject *sobj_dict_add_number(PyObject *op, PyObject *const *args, Py_ssize_t count,
                               PyObject *keywords)
{
    static const char *const names[] = {"key", "n", "default", NULL};
    static const struct sobj_signature signature = {"increment", names, 1, 3};
    SobjHandle *self = (SobjHandle *)op;
    PyObject *given[3] = {NULL, NULL, NULL}, *sum = NULL, *by, *start = NULL;
    bool usual = count == 1 && keywords == NULL;
    int result = -1, status;
    sobj_cell cell;

    if (usual) {
        status =
            sobj_cache_increment((DictHandle *)op, args[0], sobj_from_int(1), &cell);
        if (status == SOBJ_OK)
            return sobj_decode(self->state, cell);
        if (status < 0)
            return NULL;
    }
    if (sobj_args(&signature, args, count, keywords, given) < 0)
        return NULL;
    by = sobj_dict_number_of("increment: n", given[1], 1);
    if (by != NULL)
        start = sobj_dict_number_of("increment: default", given[2], 0);
    if (start != NULL && usual)
        result = add_by_key(self, given[0], by, start, &sum, "increment");
    else if (start != NULL)
        result = sobj_dict_add_to(self, given[0], by, start, &sum, "increment");
    Py_XDECREF(by);
    Py_XDECREF(start);
    return result == 0 ? sum : NULL;
}

const char sobj_dict_tally_doc[] = PyDoc_STR("tally($self, /, iterable, n=1)\n--\n\n"
              "Add n to the count of each item of iterable, beginning from 0; return how\n"
              "many items there were. Atomic for each item; what was counted before an\n"
              "error (a value that is no number, an item that can be no key) stays counted.");

/* One call of tally(). */
struct tally {
    SobjHandle *self;
    PyObject *by, *zero;
    sobj_cell n;
    bool immediate; /* `n` says what `by` is */
    Py_ssize_t items;
};

/* Returns: 0; -1 with an exception. May run Python code. */
static int tally_item(struct tally *t, PyObject *item)
{
    int status = SOBJ_STALE;
    sobj_cell sum;

    if (t->immediate)
        status = sobj_cache_increment((DictHandle *)t->self, item, t->n, &sum);
    if (status < 0 || (status != SOBJ_OK &&
                       add_by_key(t->self, item, t->by, t->zero, NULL, "tally") < 0))
        return -1;
    t->items++;
    return 0;
}

#ifndef Py_GIL_DISABLED /* elsewhere the items may change while they are looked at */
/* The items of a list or tuple, row by row. A compare-and-swap waits for all loads before
 * it and lets none behind it begin, so what the next row needs is asked for ahead.
 * Returns: 0; -1 with an exception. */
static int tally_row(struct tally *t, PyObject *row)
{
    DictHandle *dict = (DictHandle *)t->self;
    Py_ssize_t i = 0, asked = 0, room = SOBJ_DICT_ROW, done;
    int result = 0;

    for (; result == 0 && i < PySequence_Fast_GET_SIZE(row); i += done) {
        PyObject **items = PySequence_Fast_ITEMS(row);
        Py_ssize_t size = PySequence_Fast_GET_SIZE(row);
        Py_ssize_t now = size - i < room ? size - i : room;
        PyObject *item;

        for (; asked < size && asked < i + 2 * SOBJ_DICT_ROW; asked++)
            sobj_cache_prefetch(sobj_cache_of(dict), items[asked]);
        done = t->immediate ? sobj_cache_increment_row(dict, items + i, now, t->n) : 0;
        t->items += done;
        /* Where not even the first can be done so, others will be the same. */
        room = done != 0 ? SOBJ_DICT_ROW : (room + 1) / 2;
        /* Others may have had the GIL, and have changed the row. */
        if (done < now && i + done < PySequence_Fast_GET_SIZE(row)) {
            item = Py_NewRef(PySequence_Fast_GET_ITEM(row, i + done));
            result = tally_item(t, item); /* may run Python code, to the same effect */
            Py_DECREF(item);
            done++;
        }
    }
    return result;
}
#endif

static int tally_any(struct tally *t, PyObject *iterable)
{
    PyObject *iterator, *item;
    int result = 0;

#ifndef Py_GIL_DISABLED
    if (PyList_CheckExact(iterable) || PyTuple_CheckExact(iterable))
        return tally_row(t, iterable);
#endif
    iterator = PyObject_GetIter(iterable);
    if (iterator == NULL)
        return -1;
    while (result == 0 && (item = PyIter_Next(iterator)) != NULL) {
        result = tally_item(t, item);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : result;
}

PyObject *sobj_dict_tally(PyObject *op, PyObject *const *args, Py_ssize_t count,
                          PyObject *keywords)
{
    static const char *const names[] = {"iterable", "n", NULL};
    static const struct sobj_signature signature = {"tally", names, 1, 2};
    struct tally t = {.self = (SobjHandle *)op};
    PyObject *given[2] = {NULL, NULL};
    int result = -1;

    if (sobj_args(&signature, args, count, keywords, given) < 0)
        return NULL;
    t.by = sobj_dict_number_of("tally: n", given[1], 1);
    t.zero = t.by != NULL ? PyLong_FromLong(0) : NULL;
    if (t.zero != NULL) {
        t.immediate = sobj_encode_fast(t.by, &t.n);
        result = tally_any(&t, given[0]);
    }
    Py_XDECREF(t.by);
    Py_XDECREF(t.zero);
    return result < 0 ? NULL : PyLong_FromSsize_t(t.items);
}
