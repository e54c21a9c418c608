/* SPDX-License-Identifier: MIT */
/* SharedDict: methods that run the caller's code for a key, or wait for one. That code
 * runs with nothing held but references: it may do anything to the dict, raise, wait,
 * fork, or never come back. */
#include "sharedobj/dict_wait.h"
#include "args.h"
#include "blocking.h"
#include "dict_type.h"
#include "errors.h"

/* ---- what the three have in common */

/* Returns: whether `obj` can be called; false with TypeError. */
static bool callable(PyObject *obj, const char *function, const char *name)
{
    if (PyCallable_Check(obj))
        return true;
    PyErr_Format(PyExc_TypeError, "%s: %s must be callable, not %.200s", function, name,
                 Py_TYPE(obj)->tp_name);
    return false;
}

/* As sobj_timeout_init, without a look at the clock where there is no timeout. */
static int limit_of(PyObject *timeout, struct sobj_timeout *limit)
{
    *limit = (struct sobj_timeout)SOBJ_NO_TIMEOUT;
    return timeout == NULL || timeout == Py_None ? 0
                                                 : sobj_timeout_init(limit, timeout);
}

/* Returns: the value of the key, a reference; MISSING if it is absent. */
static sobj_cell current(SobjHandle *self, const struct sobj_key *key)
{
    struct sobj_out out = {.take = sobj_out_ref};

    return sobj_dict_get(self->core, key, &out) == SOBJ_OK ? out.cell : SOBJ_MISSING;
}

/* ---- get_or_set */

/* The key of a dict as an object, for a message; NULL with an exception. */
static PyObject *key_object(struct sobj_state *state, struct sobj_dict_key *k)
{
    struct sobj_entry_out e;

    sobj_entry_out_init(&e, state, true, false);
    sobj_dict_key_show(k, sobj_entry_take, &e);
    return sobj_entry_out_key(&e);
}

/* Appends `format` with the key of ring[i]. */
static void append_link(PyObject **text, struct sobj_state *state,
                        struct sobj_dict_key *k, const char *format)
{
    PyObject *key = *text != NULL ? key_object(state, k) : NULL;
    PyObject *link = key != NULL ? PyUnicode_FromFormat(format, key) : NULL;
    PyObject *joined = link != NULL ? PyUnicode_Concat(*text, link) : NULL;

    Py_XDECREF(key);
    Py_XDECREF(link);
    Py_XSETREF(*text, joined);
}

/* Raises RuntimeError with the keys that wait for each other. */
static void raise_ring(struct sobj_state *state, const struct sobj_flight *f,
                       PyObject *key)
{
    PyObject *text;

    if (f->ring_length == 1) {
        PyErr_Format(PyExc_RuntimeError,
                     "get_or_set(%R): the factory of this key is running in this very "
                     "thread, so the call would wait for itself; let the factory make "
                     "the value without asking for it",
                     key);
        return;
    }
    text =
        PyUnicode_FromFormat("get_or_set(%R) would wait for itself: its factory", key);
    for (uint32_t i = 1; i < f->ring_length && i < SOBJ_FLIGHT_RING; i++)
        append_link(&text, state, f->ring[i], " waits for %R, whose factory");
    if (f->ring_length > SOBJ_FLIGHT_RING && text != NULL)
        Py_XSETREF(
            text, PyUnicode_FromFormat("%U waits for others, the last of which", text));
    if (text != NULL)
        PyErr_Format(PyExc_RuntimeError,
                     "%U runs in this thread; let all factories that use other keys "
                     "ask for them in the same order",
                     text);
    Py_XDECREF(text);
}

/* The caller's own flight, from the factory to the end. */
static PyObject *make_value(SobjHandle *self, const struct sobj_key *key,
                            struct sobj_dict_key *copy, uint64_t flight,
                            PyObject *factory)
{
    PyObject *value = PyObject_CallNoArgs(factory);
    sobj_cell cell, present;
    enum sobj_status status;

    if (value == NULL || sobj_encode(self->state, value, &cell) < 0) {
        sobj_flight_fail(copy, flight);
        Py_XDECREF(value);
        return NULL;
    }
    status = sobj_flight_land(copy, flight, key, cell, &present);
    if (status == SOBJ_OK)
        return value;
    Py_DECREF(value);
    if (status != SOBJ_EXISTS)
        return sobj_raise(self->state, status);
    value = sobj_decode(self->state, present);
    sobj_cell_unref(present);
    return value;
}

/* Gets on a flight, or begins one: without waiting if that can be, else without the GIL.
 * Returns: the status, with `f` filled; INTERRUPTED: an exception is set. */
static enum sobj_status join(SobjHandle *self, struct sobj_dict_key *copy,
                             const struct sobj_timeout *limit, struct sobj_flight *f)
{
    struct sobj_domain *domain = sobj_local_domain(self->state);
    enum sobj_status status;
    struct sobj_wait wait;

    if (domain == NULL)
        return SOBJ_INTERRUPTED;
    status = sobj_flight_join(copy, 0, domain, f);
    if (status != SOBJ_TIMEOUT)
        return status;
    if (sobj_wait_begin(&wait, (PyObject *)self, limit) < 0)
        return SOBJ_INTERRUPTED;
    SOBJ_WAIT(status, sobj_flight_join(copy, wait.deadline, wait.domain, f));
    sobj_wait_end(&wait);
    return status;
}

static PyObject *take_part(SobjHandle *self, PyObject *key, const struct sobj_key *k,
                           PyObject *factory, PyObject *timeout,
                           const struct sobj_timeout *limit)
{
    struct sobj_dict_key *copy;
    struct sobj_flight f;
    PyObject *value = NULL;

    if (sobj_dict_key_new(self->core, k, &copy) != SOBJ_OK)
        return PyErr_NoMemory();
    enum sobj_status status = join(self, copy, limit, &f);
    switch (status) {
    case SOBJ_OK:
        value = sobj_decode(self->state, f.value);
        sobj_cell_unref(f.value);
        break;
    case SOBJ_NOT_FOUND:
        value = make_value(self, k, copy, f.number, factory);
        break;
    case SOBJ_DEADLOCK:
        raise_ring(self->state, &f, key);
        sobj_flight_ring_unref(&f);
        break;
    case SOBJ_TIMEOUT:
        PyErr_Format(PyExc_TimeoutError,
                     "get_or_set(%R): the factory that runs in another thread has not "
                     "ended within %S seconds",
                     key, timeout);
        break;
    default:
        sobj_raise(self->state, status);
        break;
    }
    sobj_dict_key_unref(copy);
    return value;
}

const char sobj_dict_get_or_set_doc[] = PyDoc_STR("get_or_set($self, /, key, factory, timeout=None)\n--\n\n"
              "Return the value of key; if it is absent make it by factory() and store it.\n\n"
              "Single flight: of all threads of all interpreters that ask for an absent\n"
              "key one runs its factory, with nothing held, and the others sleep until it\n"
              "has returned and get its value, even if the key is removed at once. When a\n"
              "factory raises, or its thread or interpreter ends, the error is its\n"
              "caller's alone and the thread that has waited longest runs its own. A value\n"
              "that others store meanwhile (d[key] = v) is what everybody gets. Nothing\n"
              "else sees or waits for a factory that runs.\n\n"
              "timeout, in seconds, limits the waiting for other threads (TimeoutError),\n"
              "not the factory. A factory that asks, directly or through factories in\n"
              "other threads, for the key that it makes raises RuntimeError instead of\n"
              "waiting for itself. NotShareableError if the value is not shareable. When\n"
              "the key is there this is a look-up: lock-free, and it never blocks.");

PyObject *sobj_dict_get_or_set(PyObject *op, PyObject *const *args, Py_ssize_t count,
                               PyObject *keywords)
{
    static const char *const names[] = {"key", "factory", "timeout", NULL};
    static const struct sobj_signature signature = {"get_or_set", names, 2, 3};
    SobjHandle *self = (SobjHandle *)op;
    PyObject *given[3] = {NULL, NULL, NULL}, *value;
    struct sobj_py_key k;
    struct sobj_timeout limit;

    if (sobj_args(&signature, args, count, keywords, given) < 0 ||
        !callable(given[1], "get_or_set", "factory") || limit_of(given[2], &limit) < 0)
        return NULL;
    value = sobj_dict_lookup(self, given[0]);
    if (value != NULL || PyErr_Occurred())
        return value;
    if (sobj_py_key_init(self->state, given[0], &k) < 0)
        return NULL;
    value = take_part(self, given[0], &k.key, given[1], given[2], &limit);
    sobj_py_key_fini(&k);
    return value;
}

/* ---- wait_for */

/* Sleeps until the key has another cell than `seen`, which is borrowed.
 * Returns: 0, or -1 with an exception. */
static int await_change(SobjHandle *self, struct sobj_dict_key *copy, sobj_cell seen,
                        const struct sobj_timeout *limit, PyObject *key,
                        PyObject *timeout)
{
    enum sobj_status status = SOBJ_TIMEOUT;
    struct sobj_wait wait;

    /* A signal that came together with the last change, while no Python code ran. */
    if (PyErr_CheckSignals() < 0)
        return -1;
    /* A value that always changes and never pleases must not make this last for ever. */
    if (limit->deadline == SOBJ_FOREVER || sobj_clock() < limit->deadline) {
        if (sobj_wait_begin(&wait, (PyObject *)self, limit) < 0)
            return -1;
        SOBJ_WAIT(status, sobj_dict_wait(copy, seen, wait.deadline, wait.domain));
        sobj_wait_end(&wait);
    }
    if (status == SOBJ_OK)
        return 0;
    if (status == SOBJ_TIMEOUT)
        PyErr_Format(PyExc_TimeoutError,
                     "wait_for(%R): no value satisfied the predicate within %S seconds",
                     key, timeout);
    else
        sobj_raise(self->state, status);
    return -1;
}

/* Returns: 1 and the value, if it is there and the predicate is true; 0, or -1. */
static int look(SobjHandle *self, sobj_cell cell, PyObject *predicate, PyObject **value)
{
    PyObject *verdict;
    int result;

    if (cell == SOBJ_MISSING)
        return 0;
    *value = sobj_decode(self->state, cell);
    if (*value == NULL)
        return -1;
    verdict = PyObject_CallOneArg(predicate, *value);
    result = verdict != NULL ? PyObject_IsTrue(verdict) : -1;
    Py_XDECREF(verdict);
    if (result != 1)
        Py_CLEAR(*value);
    return result;
}

static PyObject *wait_until(SobjHandle *self, PyObject *key, const struct sobj_key *k,
                            PyObject *predicate, PyObject *timeout,
                            const struct sobj_timeout *limit)
{
    struct sobj_dict_key *copy;
    PyObject *value = NULL;
    int result = 0;

    if (sobj_dict_key_new(self->core, k, &copy) != SOBJ_OK)
        return PyErr_NoMemory();
    while (result == 0) {
        sobj_cell cell = current(self, k);
        result = look(self, cell, predicate, &value);
        if (result == 0 && await_change(self, copy, cell, limit, key, timeout) < 0)
            result = -1;
        sobj_cell_unref(cell);
    }
    sobj_dict_key_unref(copy);
    return value;
}

const char sobj_dict_wait_for_doc[] = PyDoc_STR("wait_for($self, /, key, predicate, timeout=None)\n--\n\n"
              "Sleep until key has a value for which predicate(value) is true; return it.\n\n"
              "The predicate runs with nothing held, at once and after each change of the\n"
              "key; a value that was there only for a moment may be missed. An absent key\n"
              "satisfies no predicate: it is not called for it. What happens inside a value\n"
              "that is a shared object is no change of the key: wait on that object.\n"
              "TimeoutError after timeout seconds. Writers pay nothing when nobody waits\n"
              "for a key of this dict.");

PyObject *sobj_dict_wait_for(PyObject *op, PyObject *const *args, Py_ssize_t count,
                             PyObject *keywords)
{
    static const char *const names[] = {"key", "predicate", "timeout", NULL};
    static const struct sobj_signature signature = {"wait_for", names, 2, 3};
    SobjHandle *self = (SobjHandle *)op;
    PyObject *given[3] = {NULL, NULL, NULL}, *value;
    struct sobj_py_key k;
    struct sobj_timeout limit;

    if (sobj_args(&signature, args, count, keywords, given) < 0 ||
        !callable(given[1], "wait_for", "predicate") ||
        limit_of(given[2], &limit) < 0 ||
        sobj_py_key_init(self->state, given[0], &k) < 0)
        return NULL;
    value = wait_until(self, given[0], &k.key, given[1], given[2], &limit);
    sobj_py_key_fini(&k);
    return value;
}

/* ---- compute */

/* What `function` makes of the cell `old` (MISSING: absent).
 * Returns: its result, NULL with an exception; `*cell` is a new reference to what is to
 * be stored, MISSING to remove the key. */
static PyObject *computed(SobjHandle *self, sobj_cell old, PyObject *function,
                          PyObject *otherwise, sobj_cell *cell)
{
    struct sobj_state *state = self->state;
    PyObject *before, *after;

    before = old != SOBJ_MISSING ? sobj_decode(state, old) : Py_NewRef(otherwise);
    if (before == NULL)
        return NULL;
    after = PyObject_CallOneArg(function, before);
    Py_DECREF(before);
    if (after == NULL)
        return NULL;
    if (after == state->deletion) {
        *cell = SOBJ_MISSING;
        Py_SETREF(after, Py_XNewRef(state->missing));
        return after != NULL ? after : sobj_raise_unloaded();
    }
    if (sobj_encode(state, after, cell) < 0)
        Py_CLEAR(after);
    return after;
}

static PyObject *compute(SobjHandle *self, const struct sobj_key *k, PyObject *function,
                         PyObject *otherwise)
{
    for (;;) {
        sobj_cell old = current(self, k), cell;
        enum sobj_status status = SOBJ_OK;
        PyObject *result = computed(self, old, function, otherwise, &cell);

        if (result != NULL && sobj_cell_same(old, cell))
            sobj_cell_unref(cell); /* nothing to write */
        else if (result != NULL)
            /* The reference to `old` rules out that another value has its address. */
            status = sobj_dict_compare_and_set(self->core, k, old, cell);
        sobj_cell_unref(old);
        if (status == SOBJ_OK)
            return result;
        Py_DECREF(result);
        if (status != SOBJ_MISMATCH)
            return sobj_raise(self->state, status);
    }
}

const char sobj_dict_compute_doc[] = PyDoc_STR("compute($self, /, key, function, default=...)\n--\n\n"
              "d.compute(key, function, default=MISSING)\n\n"
              "Make the value of key function(value); return the new value.\n\n"
              "For an absent key the function gets default, or MISSING if none is given.\n"
              "When it returns DELETE the key is removed (or stays absent) and MISSING is\n"
              "returned. Atomic: the result is stored only if the value is still the one\n"
              "that the function saw; otherwise the function runs again, with nothing\n"
              "held, so it should have no other effects. What it raises goes through, and\n"
              "the dict stays as it was.");

PyObject *sobj_dict_compute(PyObject *op, PyObject *const *args, Py_ssize_t count,
                            PyObject *keywords)
{
    static const char *const names[] = {"key", "function", "default", NULL};
    static const struct sobj_signature signature = {"compute", names, 2, 3};
    SobjHandle *self = (SobjHandle *)op;
    PyObject *given[3] = {NULL, NULL, self->state->missing}, *result;
    struct sobj_py_key k;

    if (sobj_args(&signature, args, count, keywords, given) < 0 ||
        !callable(given[1], "compute", "function"))
        return NULL;
    if (given[2] == NULL)
        return sobj_raise_unloaded();
    if (sobj_py_key_init(self->state, given[0], &k) < 0)
        return NULL;
    /* Another thread may tear the module down meanwhile, and MISSING with it. */
    Py_INCREF(given[2]);
    result = compute(self, &k.key, given[1], given[2]);
    Py_DECREF(given[2]);
    sobj_py_key_fini(&k);
    return result;
}
