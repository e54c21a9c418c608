/* SPDX-License-Identifier: MIT */
/* SharedList: many values at once, on their way in and out. */
#include "list_type.h"

#include "errors.h"

/* ---- in */

static void cells_init(struct sobj_cells *c) { memset(c, 0, sizeof *c); }

void sobj_cells_given(struct sobj_cells *c)
{
    if (c->copy.cells != NULL)
        sobj_list_copy_fini(&c->copy);
    else
        PyMem_RawFree(c->cells);
}

void sobj_cells_drop(struct sobj_cells *c)
{
    for (size_t i = 0; i < c->count; i++)
        sobj_cell_unref(c->cells[i]);
    sobj_cells_given(c);
}

/* Returns: 0; -1 with MemoryError. */
static int cells_reserve(struct sobj_cells *c, size_t capacity)
{
    sobj_cell *cells = NULL;

    if (capacity <= SOBJ_LIST_MAX)
        cells = PyMem_RawRealloc(c->cells, capacity * sizeof *cells);
    if (cells == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    c->cells = cells;
    c->capacity = capacity;
    return 0;
}

/* Consumes: `cell`. Returns: as above. */
static inline int cells_put(struct sobj_cells *c, sobj_cell cell)
{
    if (c->count == c->capacity && cells_reserve(c, c->capacity * 2 + 8) < 0) {
        sobj_cell_unref(cell);
        return -1;
    }
    c->cells[c->count++] = cell;
    return 0;
}

/* Makes an error of sharing say which item it is about: value[3] is ... */
static void say_which(struct sobj_state *state, size_t index)
{
    static const char root[] = "value";
    PyObject *error = PyErr_GetRaisedException();
    PyObject *class = sobj_error_class(state, SOBJ_ERR_NOT_SHAREABLE);
    PyObject *text = NULL, *rest = NULL, *args = NULL, *prefix = NULL;

    if (class != NULL && PyErr_GivenExceptionMatches(error, class))
        text = PyObject_Str(error);
    if (text != NULL && (prefix = PyUnicode_FromString(root)) != NULL &&
        PyUnicode_Tailmatch(text, prefix, 0, PY_SSIZE_T_MAX, -1) == 1)
        rest = PyUnicode_Substring(text, sizeof root - 1, PyUnicode_GET_LENGTH(text));
    if (rest != NULL)
        args =
            Py_BuildValue("(N)", PyUnicode_FromFormat("%s[%zu]%U", root, index, rest));
    if (args != NULL)
        PyException_SetArgs(error, args);
    Py_XDECREF(args);
    Py_XDECREF(rest);
    Py_XDECREF(prefix);
    Py_XDECREF(text);
    /* In the place of whatever went wrong in here. */
    PyErr_SetRaisedException(error);
}

/* Returns: 0; -1 with an exception. */
static inline int cells_put_object(struct sobj_state *state, struct sobj_cells *c,
                                   PyObject *item)
{
    sobj_cell cell;

    if (sobj_encode(state, item, &cell) < 0) {
        say_which(state, c->count);
        return -1;
    }
    return cells_put(c, cell);
}

/* So many objects ahead is what the processor is asked for: in a long list most of the
 * time goes into waiting for memory. */
#define AHEAD 32

/* Encodes the objects for which that takes no call, up to the first other one. No code
 * runs meanwhile. Returns: how many. */
static size_t encode_common(sobj_cell *cells, PyObject *const *items, size_t n)
{
    size_t i = 0;

    while (i < n && sobj_encode_fast(items[i], &cells[i])) {
        i++;
        if (i + AHEAD < n) /* the value, which begins after the header */
            __builtin_prefetch(items[i + AHEAD] + 1);
    }
    return i;
}

/* The same, at the end of the cells. Needs: room for all. */
static void put_common(struct sobj_cells *c, PyObject *const *items, size_t n)
{
    c->count += encode_common(c->cells + c->count, items, n);
}

static int gather_tuple(struct sobj_state *state, PyObject *tuple, struct sobj_cells *c)
{
    size_t n = (size_t)PyTuple_GET_SIZE(tuple);
    PyObject *const *items = PySequence_Fast_ITEMS(tuple);
    int result = n != 0 ? cells_reserve(c, n) : 0;

    while (result == 0 && c->count < n) {
        put_common(c, items + c->count, n - c->count);
        if (c->count < n)
            result = cells_put_object(state, c, items[c->count]);
    }
    return result;
}

static int gather_list(struct sobj_state *state, PyObject *list, struct sobj_cells *c)
{
#ifdef Py_GIL_DISABLED
    PyObject *tuple;
    int result = 0;
    size_t n;

    /* Others may change it at any time, so it is taken in one step: with its lock held,
     * if all of it is common, else as a copy of its own. */
    Py_BEGIN_CRITICAL_SECTION(list);
    n = (size_t)PyList_GET_SIZE(list);
    if (n != 0)
        result = cells_reserve(c, n);
    if (result == 0)
        put_common(c, PySequence_Fast_ITEMS(list), n);
    Py_END_CRITICAL_SECTION();
    if (result < 0 || c->count == n)
        return result;
    c->count = 0;
    tuple = PyList_AsTuple(list);
    result = tuple != NULL ? gather_tuple(state, tuple, c) : -1;
    Py_XDECREF(tuple);
    return result;
#else
    int result = 0;

    /* Encoding what is not common may run code that changes the list. */
    while (result == 0 && c->count < (size_t)PyList_GET_SIZE(list)) {
        size_t n = (size_t)PyList_GET_SIZE(list);
        if (c->capacity < n)
            result = cells_reserve(c, n);
        if (result == 0)
            put_common(c, PySequence_Fast_ITEMS(list) + c->count, n - c->count);
        if (result == 0 && c->count < n) {
            PyObject *item = Py_NewRef(PyList_GET_ITEM(list, (Py_ssize_t)c->count));
            result = cells_put_object(state, c, item);
            Py_DECREF(item);
        }
    }
    return result;
#endif
}

/* Returns: 1 and the attribute of a range, if it is of 64 bits; 0; -1 with an exception. */
static int range_part(PyObject *range, const char *name, long long *part)
{
    PyObject *value = PyObject_GetAttrString(range, name);
    int overflow = 0;

    if (value == NULL)
        return -1;
    *part = PyLong_AsLongLongAndOverflow(value, &overflow);
    Py_DECREF(value);
    return overflow == 0;
}

/* Returns: 1: the range is there; 0: its ints are too large for this; -1. */
static int gather_range(PyObject *range, struct sobj_cells *c)
{
    Py_ssize_t n = PyObject_Size(range);
    long long start, step, last;
    int result = n >= 0 ? range_part(range, "start", &start) : -1;

    if (result > 0)
        result = range_part(range, "step", &step);
    if (result <= 0)
        return result;
    if (n == 0)
        return 1;
    if ((uint64_t)n > SOBJ_LIST_MAX) {
        PyErr_NoMemory();
        return -1;
    }
    if (__builtin_mul_overflow(step, (long long)n - 1, &last) ||
        __builtin_add_overflow(last, start, &last) || !sobj_int_fits(start) ||
        !sobj_int_fits(last))
        return 0;
    if (cells_reserve(c, (size_t)n) < 0)
        return -1;
    c->count = (size_t)n;
    for (Py_ssize_t i = 0; i < n; i++)
        c->cells[i] = sobj_from_int(start + step * i);
    return 1;
}

static int gather_iterable(struct sobj_state *state, PyObject *source,
                           struct sobj_cells *c)
{
    PyObject *iterator = PyObject_GetIter(source), *item;
    int result = 0;

    if (iterator == NULL)
        return -1;
    while (result == 0 && (item = PyIter_Next(iterator)) != NULL) {
        result = cells_put_object(state, c, item);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : result;
}

static int gather_shared(struct sobj_state *state, PyObject *source,
                         struct sobj_cells *c)
{
    enum sobj_status status =
        sobj_list_copy_init(&c->copy, sobj_handle_core(source), NULL);

    if (status != SOBJ_OK) {
        cells_init(c);
        sobj_raise(state, status);
        return -1;
    }
    /* References of our own: those of the copy go with it. */
    c->cells = c->copy.cells;
    c->count = c->capacity = (size_t)c->copy.len;
    for (size_t i = 0; i < c->count; i++)
        sobj_cell_ref(c->cells[i]);
    return 0;
}

int sobj_cells_gather(struct sobj_state *state, PyObject *source, struct sobj_cells *c)
{
    int result = 0;

    cells_init(c);
    if (sobj_list_check(source)) {
        result = gather_shared(state, source, c);
    } else if (PyList_CheckExact(source)) {
        result = gather_list(state, source, c);
    } else if (PyTuple_CheckExact(source)) {
        result = gather_tuple(state, source, c);
    } else {
        if (PyRange_Check(source))
            result = gather_range(source, c);
        result = result > 0 ? 0 : result < 0 ? -1 : gather_iterable(state, source, c);
    }
    if (result < 0)
        sobj_cells_drop(c);
    return result;
}

/* ---- in, without a copy */

#define DRAFT_MIN 2048 /* below that a copy is cheaper than what a draft needs */

/* Returns: a draft of these objects, if all of them are common ones; else NULL. */
static struct sobj_list_draft *draft_of(PyObject *const *items, size_t n)
{
    struct sobj_list_draft *draft = NULL;
    sobj_cell first;

    if (n >= DRAFT_MIN && sobj_encode_fast(items[0], &first))
        draft = sobj_list_draft_new(n);
    for (size_t at = 0, run; draft != NULL && at < n; at += run) {
        run = n - at;
        sobj_cell *row = sobj_list_draft_row(draft, at, &run);
        if (encode_common(row, items + at, run) < run) {
            sobj_list_draft_free(draft); /* there are no references in it */
            draft = NULL;
        }
    }
    return draft;
}

struct sobj_list_draft *sobj_cells_draft(PyObject *source)
{
    struct sobj_list_draft *draft;

    if (PyTuple_CheckExact(source))
        return draft_of(PySequence_Fast_ITEMS(source),
                        (size_t)PyTuple_GET_SIZE(source));
    if (!PyList_CheckExact(source))
        return NULL;
#ifdef Py_GIL_DISABLED
    Py_BEGIN_CRITICAL_SECTION(source); /* as in gather_list */
#endif
    draft = draft_of(PySequence_Fast_ITEMS(source), (size_t)PyList_GET_SIZE(source));
#ifdef Py_GIL_DISABLED
    Py_END_CRITICAL_SECTION();
#endif
    return draft;
}

/* ---- out */

PyObject *sobj_list_to_fill(size_t n)
{
    PyObject *list = sobj_plain_list(n);

    if (list != NULL)
        PyObject_GC_UnTrack(list);
    return list;
}

PyObject *sobj_cells_decode(struct sobj_state *state, const sobj_cell *cells, size_t n)
{
    PyObject *list = sobj_list_to_fill(n), *item;

    if (list == NULL)
        return NULL;
    /* Making a value may run any code. */
    for (size_t i = 0; i < n; i++) {
        item = sobj_decode(state, cells[i]);
        if (item == NULL) {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, item);
    }
    PyObject_GC_Track(list);
    return list;
}

void sobj_list_walk_init(struct sobj_list_walk *w, struct sobj_object *core,
                         uint64_t from)
{
    uint64_t len = sobj_list_len(core);

    w->core = core;
    w->next = from;
    w->count = w->used = 0;
    w->pieces = false;
    w->outs = NULL;
    if (len > from && len - from >= SOBJ_WALK_SOME) {
        /* With room for some that come meanwhile. */
        w->capacity = (size_t)(len - from) + SOBJ_WALK_SOME;
        if (w->capacity > SOBJ_WALK_MOST)
            w->capacity = SOBJ_WALK_MOST;
        w->outs = PyMem_RawMalloc(w->capacity * sizeof *w->outs);
    }
    if (w->outs == NULL) {
        w->capacity = SOBJ_WALK_SOME;
        w->outs = w->room;
    }
    for (size_t i = 0; i < w->capacity; i++)
        w->outs[i].take = sobj_out_ref;
}

bool sobj_list_walk_next(struct sobj_list_walk *w, sobj_cell *cell)
{
    if (w->used == w->count) {
        if (w->used != 0 && w->count < w->capacity)
            return false; /* that was the end */
        w->pieces = w->used != 0;
        w->used = 0;
        w->count = sobj_list_get_many(w->core, w->next, w->capacity, w->outs);
        w->next += w->count;
        if (w->count == 0)
            return false;
    }
    *cell = w->outs[w->used++].cell;
    return true;
}

void sobj_list_walk_fini(struct sobj_list_walk *w)
{
    while (w->used < w->count)
        sobj_cell_unref(w->outs[w->used++].cell);
    if (w->outs != w->room)
        PyMem_RawFree(w->outs);
}

PyObject *sobj_list_walked(SobjHandle *self)
{
    PyObject *list = PyList_New(0), *item;
    struct sobj_list_walk walk;
    sobj_cell cell;
    int result = 0;

    if (list == NULL)
        return NULL;
    sobj_list_walk_init(&walk, self->core, 0);
    while (result == 0 && sobj_list_walk_next(&walk, &cell)) {
        item = sobj_decode(self->state, cell);
        sobj_cell_unref(cell);
        result = item != NULL ? PyList_Append(list, item) : -1;
        Py_XDECREF(item);
    }
    sobj_list_walk_fini(&walk);
    if (result < 0)
        Py_CLEAR(list);
    return list;
}
