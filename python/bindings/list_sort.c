/* SPDX-License-Identifier: MIT */
/* SharedList.sort(), with nothing held.
 *
 *     copy of one moment -> objects -> keys -> list.sort of the indexes by their keys
 *     -> the words in that order, which the core takes if its content is still the copy
 *
 * Without a key, ints, floats and strs need no objects for that (list_order.c).
 *
 * If it is not, all begins anew: what is sorted is the content of one moment, and no
 * change of another thread is lost. Each round that fails has been overtaken by another
 * thread's change. It ends with an error after ROUNDS of them, or when the list grows so
 * fast that the key function or the comparison themselves seem to be at it.
 */
#include "args.h"
#include "errors.h"
#include "list_type.h"

#define ROUNDS 32
#define GROWTH 4       /* a list that is so many times as long as in the first round */
#define GROWTH_MIN 256 /* plus so many items does not look as if it were waiting */

const char sobj_list_sort_doc[] = PyDoc_STR(
    "sort($self, /, *, key=None, reverse=False)\n--\n\n"
    "Sort the list, stable, as list.sort does; at one moment for everybody else.\n\n"
    "Comparisons and key run with nothing held. When another thread has changed\n"
    "the list meanwhile the sort begins anew; after some tens of such rounds\n"
    "ValueError is raised and nothing has changed: let the other threads pause,\n"
    "or use replace(sorted(l)) if what they change may be lost.");

/* The keys: the values themselves, or what `key` makes of them, which takes their places.
 * Returns: 0; -1 with an exception. */
static int apply_key(PyObject *values, PyObject *key)
{
    PyObject *value, *made;
    int result = 0;

    /* For good: free-threaded, whoever found it could change it at any time. */
    PyObject_GC_UnTrack(values);
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(values); i++) {
        value = Py_NewRef(PyList_GET_ITEM(values, i));
        made = PyObject_CallOneArg(key, value);
        Py_DECREF(value);
        result = made != NULL ? PyList_SetItem(values, i, made) : -1;
    }
    return result;
}

/* Returns: a plain list of the ints below `n`; NULL with an exception. */
static PyObject *indexes_below(size_t n)
{
    /* It stays untracked: whoever searches the memory for lists shall not find it. */
    PyObject *list = sobj_list_to_fill(n), *index;

    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        index = PyLong_FromSize_t(i);
        if (index == NULL) {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, index);
    }
    return list;
}

/* list.sort(indexes, key=keys.__getitem__, reverse=reverse): equal keys keep their order,
 * and only keys are compared. Returns: 0; -1 with an exception. */
static int sort_indexes(PyObject *indexes, PyObject *keys, PyObject *reverse)
{
    PyObject *sort = PyObject_GetAttrString(indexes, "sort");
    PyObject *key = PyObject_GetAttrString(keys, "__getitem__");
    PyObject *args = PyTuple_New(0), *names = NULL, *done = NULL;

    if (key != NULL)
        names = Py_BuildValue("{sOsO}", "key", key, "reverse", reverse);
    if (sort != NULL && args != NULL && names != NULL)
        done = PyObject_Call(sort, args, names);
    Py_XDECREF(done);
    Py_XDECREF(names);
    Py_XDECREF(args);
    Py_XDECREF(key);
    Py_XDECREF(sort);
    return done != NULL ? 0 : -1;
}

/* Writes the indexes as numbers, up to the first one that is wrong; with the lock of the
 * list held on free-threaded builds. Returns: how many. */
static size_t numbers_of(PyObject *indexes, uint64_t *order, size_t n, uint64_t *seen)
{
    size_t filled = 0;

    while (filled < n && filled < (size_t)PyList_GET_SIZE(indexes)) {
        PyObject *item = PyList_GET_ITEM(indexes, (Py_ssize_t)filled);
        size_t index = PyLong_CheckExact(item) ? PyLong_AsSize_t(item) : n;
        if (index >= n || (seen[index / 64] >> index % 64 & 1) != 0)
            break;
        seen[index / 64] |= (uint64_t)1 << index % 64;
        order[filled++] = index;
    }
    return filled;
}

/* Writes the indexes as numbers. The core relies on each being there once, and so it is
 * not left to the honesty of whoever may have got hold of the list: a comparison finds
 * the method that sorts it. Returns: 0; -1 with an exception. */
static int order_of(PyObject *indexes, uint64_t *order, size_t n)
{
    uint64_t *seen = PyMem_RawCalloc(n / 64 + 1, sizeof *seen);
    size_t filled;

    if (seen == NULL) {
        PyErr_NoMemory();
        return -1;
    }
#ifdef Py_GIL_DISABLED
    Py_BEGIN_CRITICAL_SECTION(indexes);
    filled = numbers_of(indexes, order, n, seen);
    Py_END_CRITICAL_SECTION();
#else
    filled = numbers_of(indexes, order, n, seen);
#endif
    PyMem_RawFree(seen);
    if (filled == n)
        return 0;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "list modified during sort");
    return -1;
}

/* Returns: the order in raw memory; NULL with an exception. */
static uint64_t *sorted_order(struct sobj_state *state,
                              const struct sobj_list_copy *copy, PyObject *key,
                              PyObject *reverse)
{
    size_t n = (size_t)copy->len;
    PyObject *keys = sobj_cells_decode(state, copy->cells, n), *indexes = NULL;
    uint64_t *order = NULL;
    int result = -1;

    if (keys != NULL && (key == Py_None || apply_key(keys, key) == 0))
        indexes = indexes_below(n);
    if (indexes != NULL)
        result = sort_indexes(indexes, keys, reverse);
    Py_XDECREF(keys);
    if (result == 0) {
        order = PyMem_RawMalloc((n + 1) * sizeof *order);
        if (order == NULL)
            PyErr_NoMemory();
        else if (order_of(indexes, order, n) < 0) {
            PyMem_RawFree(order);
            order = NULL;
        }
    }
    Py_XDECREF(indexes);
    return order;
}

/* As sobj_cells_sorted, for values of any kind. */
static int sort_objects(struct sobj_state *state, const struct sobj_list_copy *copy,
                        PyObject *key, PyObject *reverse, sobj_cell **sorted)
{
    uint64_t *order = sorted_order(state, copy, key, reverse);

    /* The words take the places of their indexes. */
    for (uint64_t i = 0; order != NULL && i < copy->len; i++)
        order[i] = copy->cells[order[i]];
    *sorted = order;
    return order != NULL ? 1 : -1;
}
_Static_assert(sizeof(sobj_cell) == sizeof(uint64_t), "in place");

/* Returns: 1: sorted; 0: the list has been changed meanwhile; -1 with an exception. */
static int sort_copy(SobjHandle *self, const struct sobj_list_copy *copy, PyObject *key,
                     PyObject *reverse)
{
    enum sobj_status status = SOBJ_OK;
    sobj_cell *sorted = NULL;
    int result = 0;

    if (key == Py_None && (reverse == Py_True || reverse == Py_False))
        result = sobj_cells_sorted(copy->cells, (size_t)copy->len, reverse == Py_True,
                                   &sorted);
    if (result == 0)
        result = sort_objects(self->state, copy, key, reverse, &sorted);
    if (result < 0)
        return -1;
    if (sorted != NULL)
        status = sobj_list_permute(self->core, copy, sorted);
    PyMem_RawFree(sorted);
    if (status == SOBJ_OK || status == SOBJ_MISMATCH)
        return status == SOBJ_OK;
    sobj_list_none(self, status);
    return -1;
}

/* The same, in one round. `len` is how long the list was. */
static int sort_once(SobjHandle *self, PyObject *key, PyObject *reverse, uint64_t *len)
{
    struct sobj_list_copy copy;
    enum sobj_status status;
    int result;

    if (sobj_list_frozen(self->core)) {
        sobj_list_none(self, SOBJ_FROZEN);
        return -1;
    }
    status = sobj_list_copy_init(&copy, self->core, NULL);
    if (status != SOBJ_OK) {
        sobj_list_none(self, status);
        return -1;
    }
    *len = copy.len;
    result = sort_copy(self, &copy, key, reverse);
    sobj_list_copy_fini(&copy);
    return result;
}

PyObject *sobj_list_sort(PyObject *op, PyObject *const *args, Py_ssize_t count,
                         PyObject *keywords)
{
    static const char *const names[] = {"key", "reverse", NULL};
    static const struct sobj_signature signature = {"sort", names, 0, 0};
    SobjHandle *self = (SobjHandle *)op;
    PyObject *given[2] = {Py_None, Py_False};
    uint64_t most = 0, len = 0;
    int sorted = 0;

    if (sobj_args(&signature, args, count, keywords, given) < 0)
        return NULL;
    for (int round = 0; sorted == 0 && round < ROUNDS; round++) {
        if (round != 0 && PyErr_CheckSignals() < 0)
            return NULL;
        sorted = sort_once(self, given[0], given[1], &len);
        if (round == 0)
            most = GROWTH * len + GROWTH_MIN;
        if (sobj_list_len(self->core) > most)
            break;
    }
    if (sorted == 0)
        PyErr_SetString(PyExc_ValueError,
                        "list modified during sort, again and again; it is as it "
                        "was: let the threads that change it pause, or use "
                        "l.replace(sorted(l)) if what they change may be lost");
    return sorted > 0 ? Py_NewRef(Py_None) : NULL;
}
