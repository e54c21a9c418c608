/* SPDX-License-Identifier: MIT */
/* Blocking calls; see blocking.h. */
#include "blocking.h"

#include <math.h>

#include "crossinterp.h"

int sobj_timeout_init(struct sobj_timeout *limit, PyObject *timeout)
{
    int64_t now = sobj_clock();

    *limit = (struct sobj_timeout)SOBJ_NO_TIMEOUT;
    if (timeout == NULL || timeout == Py_None)
        return 0;
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Format(PyExc_TypeError,
                         "timeout must be a number or None, not %.200s",
                         Py_TYPE(timeout)->tp_name);
        return -1;
    }
    if (isnan(seconds) || seconds < 0) {
        PyErr_SetString(PyExc_ValueError,
                        isnan(seconds) ? "timeout must not be NaN"
                                       : "timeout must not be negative; None waits "
                                         "without limit, 0 does not wait");
        return -1;
    }
    limit->seconds = seconds;
    /* Rounded up: never earlier than asked. */
    double nanoseconds = ceil(seconds * 1e9);
    if (nanoseconds < (double)(SOBJ_FOREVER - now))
        limit->deadline = now + (int64_t)nanoseconds;
    return 0;
}

PyObject *sobj_raise_timeout(PyObject *class, const char *what,
                             const struct sobj_timeout *limit, const char *end)
{
    char *seconds;

    if (class == NULL)
        return NULL;
    seconds = PyOS_double_to_string(limit->seconds, 'g', 6, 0, NULL);
    if (seconds == NULL)
        return NULL;
    PyErr_Format(class, "%s within %s s; timeout=None waits until %s", what, seconds,
                 end);
    PyMem_Free(seconds);
    return NULL;
}

/* Registers `function` with `module`.`name`. Returns: 0, or -1 with an exception. */
static int call_at_end(PyObject *module, const char *name, PyObject *function)
{
    PyObject *done = PyObject_CallMethod(module, name, "O", function);

    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* An interpreter that another one closes joins its threads first; this hook, which
 * concurrent.futures uses too, is called before that. It has no public name; without it
 * the close waits for the blocked threads.
 * Returns: 1; 0 if there is nothing to hook yet; -1 with an exception, RuntimeError if
 * the moment is past. */
static int hook_threads_end(PyObject *wake)
{
    PyObject *name = PyUnicode_FromString("threading"), *threading = NULL;
    int result = 1;

    if (name != NULL)
        threading = PyImport_GetModule(name);
    Py_XDECREF(name);
    if (threading == NULL) {
        /* Nobody can have made threads that would be joined. */
        return PyErr_Occurred() ? -1 : 0;
    }
    if (call_at_end(threading, "_register_atexit", wake) < 0) {
        if (PyErr_ExceptionMatches(PyExc_RuntimeError))
            result = -1;
        else
            PyErr_Clear();
    }
    Py_DECREF(threading);
    return result;
}

static int hook_exit(PyObject *wake)
{
    PyObject *atexit = PyImport_ImportModule("atexit");
    int result = atexit != NULL ? call_at_end(atexit, "register", wake) : -1;

    Py_XDECREF(atexit);
    return result;
}

/* Sees to it that the wait ends with the interpreter (B4); registering twice does no
 * harm. Returns: 0, or -1 with an exception. */
static int hook_end(struct sobj_state *state)
{
    struct sobj_local *local = state->local;
    bool sub = PyInterpreterState_Get() != PyInterpreterState_Main();
    PyObject *wake;
    int threads = 0, result = 0;

    sobj_mutex_lock(&local->mutex);
    bool at_exit = local->at_exit, at_threads_end = local->at_threads_end || !sub;
    sobj_mutex_unlock(&local->mutex);
    if (at_exit && at_threads_end)
        return 0;

    wake = PyObject_GetAttrString(state->module, "_end_waits");
    if (wake == NULL)
        return -1;
    if (!at_exit)
        result = hook_exit(wake);
    if (result == 0 && !at_threads_end)
        threads = hook_threads_end(wake);
    Py_DECREF(wake);
    if (threads < 0 && PyErr_ExceptionMatches(PyExc_RuntimeError)) {
        PyErr_Clear();
        sobj_raise_closing();
    }
    sobj_mutex_lock(&local->mutex);
    local->at_exit |= result == 0;
    local->at_threads_end |= threads > 0;
    sobj_mutex_unlock(&local->mutex);
    return result == 0 && threads >= 0 ? 0 : -1;
}

int sobj_wait_begin(struct sobj_wait *wait, PyObject *handle,
                    const struct sobj_timeout *limit)
{
    struct sobj_state *state = ((SobjHandle *)handle)->state;
    struct sobj_object *core = sobj_handle_core(handle);
    struct sobj_local *local = state->local;

    if (sobj_runtime_finalizing()) {
        sobj_raise_closing();
        return -1;
    }
    if (hook_end(state) < 0)
        return -1;
    sobj_mutex_lock(&local->mutex);
    wait->domain = local->domain;
    if (wait->domain != NULL)
        local->waits++;
    sobj_mutex_unlock(&local->mutex);
    if (wait->domain == NULL) {
        sobj_raise_closing();
        return -1;
    }
    sobj_ref(core);
    wait->core = core;
    wait->local = local;
    wait->deadline = limit->deadline;
    return 0;
}

int sobj_wait_turn(void)
{
    return PyErr_CheckSignals() == 0 && sobj_run_pending() == 0 ? 0 : -1;
}

void sobj_wait_end(struct sobj_wait *wait)
{
    sobj_mutex_lock(&wait->local->mutex);
    wait->local->waits--;
    sobj_mutex_unlock(&wait->local->mutex);
    sobj_unref(wait->core);
}
