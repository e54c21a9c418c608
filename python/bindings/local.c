/* SPDX-License-Identifier: MIT */
/* What an interpreter has beside the module: its domain. See state.h.
 *
 * A capsule in the interpreter's dict owns it, so it survives re-imports, and its
 * destructor is the last that we hear of the interpreter. If threads are still waiting
 * in the domain then (daemon threads of a process that exits), it is abandoned: its
 * memory is left to them, and they stop where they would take the GIL back.
 */
#include "errors.h"
#include "state.h"

/* Two copies of the extension in one process are two worlds: the key tells them apart. */
#define CAPSULE_NAME "sharedobj._local"

static PyObject *interpreter_key(void)
{
    return PyUnicode_FromFormat(CAPSULE_NAME "@%p", (void *)&sobj_module_def);
}

/* Consumes: one reference. */
static void release(struct sobj_local *local)
{
    sobj_mutex_lock(&local->mutex);
    bool last = --local->refs == 0;
    sobj_mutex_unlock(&local->mutex);
    if (last) {
        PyMem_RawFree(local->importable);
        PyMem_RawFree(local);
    }
}

static void interpreter_ends(PyObject *capsule)
{
    struct sobj_local *local = PyCapsule_GetPointer(capsule, CAPSULE_NAME);
    struct sobj_domain *domain;

    if (local == NULL) {
        PyErr_Clear();
        return;
    }
    sobj_mutex_lock(&local->mutex);
    domain = local->domain;
    local->domain = NULL;
    bool waited_in = local->waits != 0;
    sobj_mutex_unlock(&local->mutex);
    sobj_encoded_flush(local);
    sobj_known_ints_flush(local);
    if (waited_in)
        sobj_domain_abandon(domain);
    else
        sobj_domain_free(domain);
    release(local);
}

/* Returns: one that is owned by a capsule in `dict`: a new one, or that of a thread which
 * was faster; NULL with an exception. */
static struct sobj_local *make(PyObject *dict, PyObject *key)
{
    struct sobj_local *local = PyMem_RawCalloc(1, sizeof *local);
    PyObject *capsule, *first;

    if (local == NULL)
        goto no_memory;
    local->refs = 1;
    local->lease = (int64_t)600 * 1000000000;
    local->domain = sobj_domain_new(PyInterpreterState_GetID(PyInterpreterState_Get()));
    if (local->domain == NULL)
        goto no_memory;
    capsule = PyCapsule_New(local, CAPSULE_NAME, interpreter_ends);
    if (capsule == NULL) {
        sobj_domain_free(local->domain);
        PyMem_RawFree(local);
        return NULL;
    }
    first = PyDict_SetDefault(dict, key, capsule);
    local = first != NULL ? PyCapsule_GetPointer(first, CAPSULE_NAME) : NULL;
    /* The destructor of one that is not in the dict frees what it owns. */
    Py_DECREF(capsule);
    return local;

no_memory:
    PyMem_RawFree(local);
    PyErr_NoMemory();
    return NULL;
}

int sobj_local_attach(struct sobj_state *state)
{
    PyObject *dict = PyInterpreterState_GetDict(PyInterpreterState_Get());
    PyObject *key = interpreter_key(), *capsule;
    struct sobj_local *local = NULL;

    if (dict == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    if (key == NULL)
        goto done;
    capsule = PyDict_GetItemWithError(dict, key);
    if (capsule != NULL)
        local = PyCapsule_GetPointer(capsule, CAPSULE_NAME);
    else if (!PyErr_Occurred())
        local = make(dict, key);
    if (local == NULL)
        goto done;
    sobj_mutex_lock(&local->mutex);
    local->refs++;
    sobj_mutex_unlock(&local->mutex);
    state->local = local;
done:
    Py_XDECREF(key);
    return local != NULL ? 0 : -1;
}

void sobj_local_detach(struct sobj_state *state)
{
    if (state->local != NULL)
        release(state->local);
    state->local = NULL;
}

struct sobj_domain *sobj_local_domain(struct sobj_state *state)
{
    struct sobj_local *local = state->local;

    sobj_mutex_lock(&local->mutex);
    struct sobj_domain *domain = local->domain;
    sobj_mutex_unlock(&local->mutex);
    if (domain == NULL)
        sobj_raise_closing();
    return domain;
}
