/* SPDX-License-Identifier: MIT */
/* Finding shared objects again: by id, and from a pickle.
 *
 * A pickled handle is a token: (nonce, nonce, kind, id, ticket). The nonce names the
 * process; a fork child has another one. The ticket holds a reference, so that an object
 * whose only handle was pickled is still there when the pickle is loaded. The first load
 * takes that reference over; later loads of the same bytes find the object by its id as
 * long as somebody else keeps it. A pickle that is never loaded keeps it until the lease
 * of the ticket ends, or the interpreter that pickled it does.
 *
 * (Containers and channels of this package do not use tokens: what they hold is counted.)
 */
#include "registry.h"

#include <math.h>

#include "errors.h"
#include "handle.h"

/* The kinds as tokens spell them, by enum sobj_type. */
static const char *const kinds[SOBJ_TYPES] = {
    [SOBJ_TYPE_ATOMIC_INT] = "AtomicInt", [SOBJ_TYPE_DICT] = "SharedDict",
    [SOBJ_TYPE_SET] = "SharedSet",        [SOBJ_TYPE_CHANNEL] = "Channel",
    [SOBJ_TYPE_ARRAY] = "SharedArray",    [SOBJ_TYPE_LIST] = "SharedList",
    [SOBJ_TYPE_QUEUE] = "Queue",          [SOBJ_TYPE_SENDER] = "Sender",
    [SOBJ_TYPE_RECEIVER] = "Receiver",
};

const char *sobj_registry_kind(enum sobj_type type) { return kinds[type]; }

/* Returns: the handle of a core that was just found. Consumes: `core`. */
static PyObject *found(struct sobj_state *state, struct sobj_object *core)
{
    if (PySys_Audit("sharedobj.attach", "L", (long long)sobj_id_of(core)) < 0) {
        sobj_unref(core);
        return NULL;
    }
    return sobj_handle_for(state, core);
}

const char sobj_registry_attach_doc[] = PyDoc_STR("attach($module, id, /)\n--\n\n"
              "Return a handle of the shared object with that id.\n\n"
              "LookupError if there is none (any more). An id is never used twice in one\n"
              "process. Raises the audit event sharedobj.attach.");

PyObject *sobj_registry_attach(PyObject *module, PyObject *arg)
{
    struct sobj_object *core;
    int overflow;
    long long id;

    if (!PyLong_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "an id is an int, not %.200s",
                     Py_TYPE(arg)->tp_name);
        return NULL;
    }
    id = PyLong_AsLongLongAndOverflow(arg, &overflow);
    if (id == -1 && PyErr_Occurred())
        return NULL;
    if (overflow != 0) /* may be too long to print */
        return PyErr_Format(PyExc_LookupError, "an id is a positive int of 63 bits");
    if (sobj_attach(id, &core) != SOBJ_OK) {
        PyErr_Format(PyExc_LookupError,
                     "no shared object with id %lld in this process: it is gone, or "
                     "the id is of another process",
                     id);
        return NULL;
    }
    return found(sobj_state_of_module(module), core);
}

/* ---- pickling */

const char sobj_handle_reduce_doc[] = PyDoc_STR("__reduce__($self, /)\n--\n\n"
              "Return what pickles this handle: loading it in the same process gives a\n"
              "handle of the same shared object, which the pickle keeps alive until it\n"
              "is loaded or its lease ends (set_handle_lease).");

PyObject *sobj_handle_reduce(PyObject *self, PyObject *unused)
{
    struct sobj_state *state = ((SobjHandle *)self)->state;
    struct sobj_object *core = sobj_handle_core(self);
    struct sobj_domain *domain = sobj_local_domain(state);
    uint64_t nonce[2], ticket;

    if (domain == NULL)
        return NULL;
    if (state->attach_token == NULL)
        return sobj_raise_unloaded();
    sobj_mutex_lock(&state->local->mutex);
    int64_t lease = state->local->lease;
    sobj_mutex_unlock(&state->local->mutex);
    if (sobj_ticket_new(core, domain, lease, &ticket) != SOBJ_OK)
        return PyErr_NoMemory();
    sobj_process_nonce(nonce);
    PyObject *result =
        Py_BuildValue("O(KKsLK)", state->attach_token, (unsigned long long)nonce[0],
                      (unsigned long long)nonce[1], kinds[sobj_type_of(core)],
                      (long long)sobj_id_of(core), (unsigned long long)ticket);
    if (result == NULL)
        sobj_ticket_drop(ticket);
    return result;
}

static PyObject *bad_token(const char *why)
{
    PyErr_Format(PyExc_LookupError, "this pickle names no shared object here: %s", why);
    return NULL;
}

/* Returns: 0; -1 with LookupError if `obj` is no int of 64 bits. */
static int token_word(PyObject *obj, uint64_t *word)
{
    if (PyLong_Check(obj)) {
        *word = PyLong_AsUnsignedLongLong(obj);
        if (*word != (uint64_t)-1 || !PyErr_Occurred())
            return 0;
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return -1;
        PyErr_Clear();
    }
    bad_token("it is malformed");
    return -1;
}

/* Returns: OK and a reference to the core with that id, the ticket's if it still has
 * one; STALE. */
static enum sobj_status redeem(uint64_t id, uint64_t ticket, struct sobj_object **out)
{
    struct sobj_object *held;

    /* The id decides: a ticket that still lives keeps its object alive, so a lookup that
     * fails means that there is nothing to take. */
    if (id > INT64_MAX || sobj_attach((int64_t)id, out) != SOBJ_OK)
        return SOBJ_STALE;
    if (sobj_ticket_take(ticket, &held) == SOBJ_OK)
        sobj_unref(held);
    return SOBJ_OK;
}

const char sobj_registry_attach_token_doc[] =
    PyDoc_STR("_attach_token($module, nonce0, nonce1, kind, id, ticket, /)\n--\n\n"
              "Load a pickled handle.");

PyObject *sobj_registry_attach_token(PyObject *module, PyObject *const *args,
                                     Py_ssize_t count)
{
    uint64_t nonce[2], mine[2], id, ticket;
    struct sobj_object *core;

    if (count != 5 || !PyUnicode_Check(args[2]))
        return bad_token("it is malformed");
    if (token_word(args[0], &nonce[0]) < 0 || token_word(args[1], &nonce[1]) < 0 ||
        token_word(args[3], &id) < 0 || token_word(args[4], &ticket) < 0)
        return NULL;
    sobj_process_nonce(mine);
    if (nonce[0] != mine[0] || nonce[1] != mine[1])
        return bad_token(
            "it was made in another process (or before a fork), and shared "
            "objects live in one");
    if (redeem(id, ticket, &core) != SOBJ_OK)
        return bad_token(
            "the object is gone; it had no other handle, and the pickle had "
            "been loaded before or its lease had ended");
    if (PyUnicode_CompareWithASCIIString(args[2], kinds[sobj_type_of(core)]) != 0) {
        sobj_unref(core);
        return bad_token("the object with its id is of another kind");
    }
    return found(sobj_state_of_module(module), core);
}

const char sobj_registry_set_lease_doc[] = PyDoc_STR(
    "set_handle_lease($module, seconds, /)\n--\n\n"
    "Set how long a pickle that nobody loads keeps its shared objects alive.\n\n"
    "Applies to what this interpreter pickles from now on; 600 seconds at first.\n"
    "Return the previous value.");

PyObject *sobj_registry_set_lease(PyObject *module, PyObject *arg)
{
    struct sobj_local *local = sobj_state_of_module(module)->local;
    double seconds = PyFloat_AsDouble(arg);

    if (seconds == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Format(PyExc_TypeError,
                         "a lease is a number of seconds, 0 or more, not %.200s",
                         Py_TYPE(arg)->tp_name);
        return NULL;
    }
    if (!(seconds >= 0)) {
        PyErr_Format(PyExc_ValueError,
                     "a lease is a number of seconds, 0 or more, not %R", arg);
        return NULL;
    }
    double nanoseconds = ceil(seconds * 1e9);
    sobj_mutex_lock(&local->mutex);
    int64_t before = local->lease;
    local->lease =
        nanoseconds < (double)SOBJ_NO_LEASE ? (int64_t)nanoseconds : SOBJ_NO_LEASE;
    sobj_mutex_unlock(&local->mutex);
    return PyFloat_FromDouble(before == SOBJ_NO_LEASE ? INFINITY
                                                      : (double)before / 1e9);
}

int sobj_registry_exec(PyObject *module, struct sobj_state *state)
{
    state->attach_token = PyObject_GetAttrString(module, "_attach_token");
    return state->attach_token != NULL ? 0 : -1;
}
