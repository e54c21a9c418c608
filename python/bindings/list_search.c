/* SPDX-License-Identifier: MIT */
/* SharedList: what looks for values, compares or shows them. Items are read without a
 * lock, some at a time; comparing them may run any code, and nothing is held then. */
#include "list_type.h"

#include "errors.h"

/* ---- looking for a value */

/* What is looked for, and what it is as a cell if that can be compared as it is. */
struct wanted {
    struct sobj_state *state;
    PyObject *value;
    sobj_cell cell; /* an int; NO_CELL: ask the objects */
};

static void wanted_init(struct wanted *w, SobjHandle *self, PyObject *value)
{
    w->state = self->state;
    w->value = value;
    if (!PyLong_CheckExact(value) || !sobj_encode_fast(value, &w->cell))
        w->cell = SOBJ_NO_CELL;
}

/* Returns: 1, 0; -1 with an exception. `cell` is borrowed. */
static inline int is_wanted(const struct wanted *w, sobj_cell cell)
{
    PyObject *item;
    int result;

    if (w->cell != SOBJ_NO_CELL && sobj_is_int(cell))
        return cell == w->cell;
    item = sobj_decode(w->state, cell);
    if (item == NULL)
        return -1;
    result = PyObject_RichCompareBool(item, w->value, Py_EQ);
    Py_DECREF(item);
    return result;
}

/* What a search has found. */
struct found {
    uint64_t index;
    sobj_cell cell; /* a reference, if it is kept */
    bool pieces;    /* others may have moved it about while it was looked for */
};

/* Finds the first one from `start` on, before `stop`. Returns: 1, 0; -1 with an
 * exception. `keep`: the reference to its cell. */
static int find(SobjHandle *self, PyObject *value, uint64_t start, uint64_t stop,
                bool keep, struct found *found)
{
    struct sobj_list_walk walk;
    struct wanted wanted;
    sobj_cell cell;
    int result = 0;

    wanted_init(&wanted, self, value);
    sobj_list_walk_init(&walk, self->core, start);
    while (result == 0 && walk.next - walk.count + walk.used < stop &&
           sobj_list_walk_next(&walk, &cell)) {
        result = is_wanted(&wanted, cell);
        if (result > 0 && keep)
            found->cell = cell;
        else
            sobj_cell_unref(cell);
    }
    found->index = sobj_list_walk_index(&walk);
    found->pieces = walk.pieces;
    sobj_list_walk_fini(&walk);
    return result;
}

int sobj_list_contains(PyObject *self, PyObject *value)
{
    struct found found;

    return find((SobjHandle *)self, value, 0, UINT64_MAX, false, &found);
}

const char sobj_list_index_doc[] = PyDoc_STR("index($self, value, start=0, stop=sys.maxsize, /)\n--\n\n"
              "Return the first index of value; ValueError if there is none.\n\n"
              "Lock-free. Reads item by item; in a list of more than some hundred items\n"
              "what others move about meanwhile may be missed: ask a snapshot() then.");

/* A bound of index(), as a slice would take it. Returns: 0; -1 with an exception. */
static int bound_of(PyObject *object, uint64_t len, uint64_t *bound)
{
    Py_ssize_t i;

    if (!PyIndex_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "slice indices must be integers or have an "
                                         "__index__ method");
        return -1;
    }
    i = PyNumber_AsSsize_t(object, NULL);
    if (i == -1 && PyErr_Occurred())
        return -1;
    if (i < 0)
        i = (uint64_t)-(i + 1) >= len ? 0 : i + (Py_ssize_t)len;
    *bound = (uint64_t)i;
    return 0;
}

PyObject *sobj_list_index(PyObject *op, PyObject *const *args, Py_ssize_t count)
{
    SobjHandle *self = (SobjHandle *)op;
    uint64_t start = 0, stop = UINT64_MAX;
    struct found found;
    int result;

    if (count < 1 || count > 3)
        return PyErr_Format(PyExc_TypeError, "index expected 1 to 3 arguments, got %zd",
                            count);
    if (count > 1 && bound_of(args[1], sobj_list_len(self->core), &start) < 0)
        return NULL;
    if (count > 2 && bound_of(args[2], sobj_list_len(self->core), &stop) < 0)
        return NULL;
    result = find(self, args[0], start, stop, false, &found);
    if (result == 0)
        PyErr_SetString(PyExc_ValueError, "list.index(x): x not in list");
    return result > 0 ? PyLong_FromUnsignedLongLong(found.index) : NULL;
}

const char sobj_list_count_doc[] =
    PyDoc_STR("count($self, value, /)\n--\n\n"
              "Return how many items are equal to value.\n\n"
              "Reads item by item; snapshot() shows one moment. Lock-free.");

PyObject *sobj_list_count(PyObject *op, PyObject *value)
{
    SobjHandle *self = (SobjHandle *)op;
    struct sobj_list_walk walk;
    struct wanted wanted;
    size_t count = 0;
    sobj_cell cell;
    int result = 0;

    wanted_init(&wanted, self, value);
    sobj_list_walk_init(&walk, self->core, 0);
    while (result >= 0 && sobj_list_walk_next(&walk, &cell)) {
        result = is_wanted(&wanted, cell);
        sobj_cell_unref(cell);
        count += result > 0;
    }
    sobj_list_walk_fini(&walk);
    return result < 0 ? NULL : PyLong_FromSize_t(count);
}

const char sobj_list_remove_doc[] = PyDoc_STR("remove($self, value, /)\n--\n\n"
              "Remove the first item that is equal to value; ValueError if there is none.\n\n"
              "Atomic: of several callers that remove equal items each removes one. What\n"
              "was found is looked for again when another thread has moved it meanwhile.");

/* As find(), from the first one on, in the content of one moment. */
static int find_in_copy(SobjHandle *self, PyObject *value, struct found *found)
{
    struct sobj_list_copy copy;
    struct wanted wanted;
    enum sobj_status status = sobj_list_copy_init(&copy, self->core, NULL);
    int result = 0;

    if (status != SOBJ_OK) {
        sobj_list_none(self, status);
        return -1;
    }
    wanted_init(&wanted, self, value);
    for (uint64_t i = 0; result == 0 && i < copy.len; i++) {
        result = is_wanted(&wanted, copy.cells[i]);
        if (result > 0) {
            sobj_cell_ref(copy.cells[i]);
            *found = (struct found){.index = i, .cell = copy.cells[i]};
        }
    }
    sobj_list_copy_fini(&copy);
    return result;
}

PyObject *sobj_list_remove(PyObject *op, PyObject *value)
{
    SobjHandle *self = (SobjHandle *)op;
    enum sobj_status status;
    struct found found;
    int result;

    do {
        result = find(self, value, 0, UINT64_MAX, true, &found);
        /* An item that is there is not to be missed. */
        if (result == 0 && found.pieces)
            result = find_in_copy(self, value, &found);
        if (result == 0)
            PyErr_SetString(PyExc_ValueError, "list.remove(x): x not in list");
        if (result <= 0)
            return NULL;
        status = sobj_list_delete_if(self->core, (int64_t)found.index, found.cell);
        sobj_cell_unref(found.cell);
    } while ((status == SOBJ_MISMATCH || status == SOBJ_NOT_FOUND) &&
             PyErr_CheckSignals() == 0);
    if (status == SOBJ_OK)
        Py_RETURN_NONE;
    if (status != SOBJ_MISMATCH && status != SOBJ_NOT_FOUND)
        sobj_list_none(self, status);
    return NULL;
}

/* ---- comparing */

/* Compares the lengths where those decide. Returns: a bool, or NULL without exception. */
static PyObject *compare_lengths(PyObject *self, PyObject *other, int op)
{
    uint64_t mine = sobj_list_len(sobj_handle_core(self)), theirs;

    if (op != Py_EQ && op != Py_NE)
        return NULL;
    if (sobj_list_check(other))
        theirs = sobj_list_len(sobj_handle_core(other));
    else if (PyList_CheckExact(other))
        theirs = (uint64_t)PyList_GET_SIZE(other);
    else
        return NULL; /* a subclass may have its own opinion */
    return mine != theirs ? PyBool_FromLong(op == Py_NE) : NULL;
}

PyObject *sobj_list_richcompare(PyObject *self, PyObject *other, int op)
{
    PyObject *mine, *theirs, *result;
    bool shared = sobj_list_check(other);

    if (!shared && !PyList_Check(other))
        Py_RETURN_NOTIMPLEMENTED;
    if (shared && sobj_handle_core(self) == sobj_handle_core(other))
        return PyBool_FromLong(op == Py_EQ || op == Py_LE || op == Py_GE);
    result = compare_lengths(self, other, op);
    if (result != NULL)
        return result;
    mine = sobj_list_walked((SobjHandle *)self);
    theirs = shared ? sobj_list_walked((SobjHandle *)other) : Py_NewRef(other);
    if (mine != NULL && theirs != NULL)
        result = PyObject_RichCompare(mine, theirs, op);
    Py_XDECREF(mine);
    Py_XDECREF(theirs);
    return result;
}

/* ---- repr */

PyObject *sobj_list_repr(PyObject *self)
{
    PyObject *list, *repr = NULL;
    int entered = Py_ReprEnter(self);

    if (entered != 0)
        return entered > 0 ? PyUnicode_FromString("SharedList([...])") : NULL;
    list = sobj_list_walked((SobjHandle *)self);
    if (list != NULL)
        repr = PyList_GET_SIZE(list) != 0 ? PyUnicode_FromFormat("SharedList(%R)", list)
                                          : PyUnicode_FromString("SharedList()");
    Py_XDECREF(list);
    Py_ReprLeave(self);
    return repr;
}
