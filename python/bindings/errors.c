/* SPDX-License-Identifier: MIT */
/* Exceptions; see errors.h. */
#include "errors.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* One class. Its base is a class of the standard library (`module` and `class`) if that
 * exists, else a built-in; or, where there is no built-in, two classes of ours. */
struct recipe {
    const char *name; /* with the package */
    const char *doc;
    const char *module, *class;
    PyObject *const *builtin;
    enum sobj_error mixed[2];
};

static const struct recipe recipes[SOBJ_ERRORS] = {
    [SOBJ_ERR_NOT_SHAREABLE] =
        {
            .name = "sharedobj.NotShareableError",
            .doc =
                "The value cannot be shared; the message names the part and a remedy.",
#if PY_VERSION_HEX >= 0x030E0000
            /* From 3.14 on it is a TypeError. */
            .module = "_interpreters",
            .class = "NotShareableError",
#endif
            .builtin = &PyExc_TypeError,
        },
    [SOBJ_ERR_UNRESOLVED] =
        {
            .name = "sharedobj.UnresolvedError",
            .doc = "A value that is stored by its qualified name is not found here.",
            .builtin = &PyExc_LookupError,
        },
    [SOBJ_ERR_CHANNEL_EMPTY] =
        {
            .name = "sharedobj.ChannelEmpty",
            .doc = "The channel has no message.",
            .module = "queue",
            .class = "Empty",
            .builtin = &PyExc_Exception,
        },
    [SOBJ_ERR_CHANNEL_FULL] =
        {
            .name = "sharedobj.ChannelFull",
            .doc = "The channel has no room.",
            .module = "queue",
            .class = "Full",
            .builtin = &PyExc_Exception,
        },
    [SOBJ_ERR_CHANNEL_TIMEOUT] =
        {
            .name = "sharedobj.ChannelTimeout",
            .doc = "The timeout of a send or receive has run out.",
            .builtin = &PyExc_TimeoutError,
        },
    [SOBJ_ERR_CHANNEL_CLOSED] =
        {
            .name = "sharedobj.ChannelClosed",
            .doc = "The channel is closed, and for a receiver also drained.",
            .module = "queue",
            .class = "ShutDown",
            .builtin = &PyExc_Exception,
        },
    [SOBJ_ERR_CHANNEL_EMPTY_TIMEOUT] =
        {
            .name = "sharedobj.ChannelEmptyTimeout",
            .doc = "No message came within the timeout.",
            .mixed = {SOBJ_ERR_CHANNEL_EMPTY, SOBJ_ERR_CHANNEL_TIMEOUT},
        },
    [SOBJ_ERR_CHANNEL_FULL_TIMEOUT] =
        {
            .name = "sharedobj.ChannelFullTimeout",
            .doc = "There was no room within the timeout.",
            .mixed = {SOBJ_ERR_CHANNEL_FULL, SOBJ_ERR_CHANNEL_TIMEOUT},
        },
    [SOBJ_ERR_SELECT_TIMEOUT] =
        {
            .name = "sharedobj.SelectTimeout",
            .doc = "No operation of a select() was possible within the timeout.",
            .builtin = &PyExc_TimeoutError,
        },
};

/* Returns: a new reference to the class of the standard library, or to `fallback` if
 * there is no such module or name; NULL with an exception. */
static PyObject *find_base(const char *module, const char *name, PyObject *fallback)
{
    PyObject *imported = PyImport_ImportModule(module), *found = NULL;

    if (imported != NULL) {
        found = PyObject_GetAttrString(imported, name);
        Py_DECREF(imported);
    }
    if (found != NULL)
        return found;
    if (!PyErr_ExceptionMatches(PyExc_ImportError) &&
        !PyErr_ExceptionMatches(PyExc_AttributeError))
        return NULL;
    PyErr_Clear();
    return Py_NewRef(fallback);
}

static PyObject *find_bases(struct sobj_state *state, const struct recipe *r)
{
    PyObject *base, *bases;

    if (r->builtin == NULL) {
        PyObject *first = sobj_error_class(state, r->mixed[0]);
        PyObject *second = first != NULL ? sobj_error_class(state, r->mixed[1]) : NULL;
        return second != NULL ? PyTuple_Pack(2, first, second) : NULL;
    }
    if (r->module == NULL)
        return PyTuple_Pack(1, *r->builtin);
    base = find_base(r->module, r->class, *r->builtin);
    if (base == NULL)
        return NULL;
    bases = PyTuple_Pack(1, base);
    Py_DECREF(base);
    return bases;
}

PyObject *sobj_error_class(struct sobj_state *state, enum sobj_error which)
{
    const struct recipe *r = &recipes[which];
    PyObject *bases, *made, *winner;

    /* The state's fields are written below and when the module is torn down. */
    sobj_mutex_lock(&state->errors_mutex);
    winner = state->errors[which];
    sobj_mutex_unlock(&state->errors_mutex);
    if (winner != NULL)
        return winner;
    if (state->module == NULL || state->cleared)
        return sobj_raise_unloaded();

    bases = find_bases(state, r);
    if (bases == NULL)
        return NULL;
    made = PyErr_NewExceptionWithDoc(r->name, r->doc, bases, NULL);
    Py_DECREF(bases);
    if (made == NULL)
        return NULL;
    /* Making it may have run other code: the first one stays. */
    sobj_mutex_lock(&state->errors_mutex);
    winner = state->errors[which];
    if (winner == NULL)
        winner = state->errors[which] = Py_NewRef(made);
    sobj_mutex_unlock(&state->errors_mutex);
    Py_DECREF(made);
    return winner;
}

PyObject *sobj_raise_error(struct sobj_state *state, enum sobj_error which,
                           const char *format, ...)
{
    PyObject *class = sobj_error_class(state, which);
    va_list args;

    if (class != NULL) {
        va_start(args, format);
        PyErr_FormatV(class, format, args);
        va_end(args);
    }
    return NULL;
}

PyObject *sobj_raise_closing(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *class = PyExc_PythonFinalizationError;
#else
    PyObject *class = PyExc_RuntimeError;
#endif
    PyErr_SetString(class, sobj_status_str(SOBJ_CLOSING));
    return NULL;
}

PyObject *sobj_raise_unloaded(void)
{
    PyErr_SetString(PyExc_RuntimeError,
                    "sharedobj has been unloaded in this interpreter");
    return NULL;
}

PyObject *sobj_raise(struct sobj_state *state, enum sobj_status status)
{
    const char *text = sobj_status_str(status);

    switch (status) {
    case SOBJ_NO_MEMORY:
        return PyErr_NoMemory();
    case SOBJ_EMPTY:
        return sobj_raise_error(state, SOBJ_ERR_CHANNEL_EMPTY, "%s", text);
    case SOBJ_FULL:
        return sobj_raise_error(state, SOBJ_ERR_CHANNEL_FULL, "%s", text);
    case SOBJ_CLOSED:
        return sobj_raise_error(state, SOBJ_ERR_CHANNEL_CLOSED, "%s", text);
    case SOBJ_CLOSING:
        return sobj_raise_closing();
    case SOBJ_OS_ERROR:
        return PyErr_SetFromErrno(PyExc_OSError);
    case SOBJ_TIMEOUT:
        PyErr_SetString(PyExc_TimeoutError, text);
        return NULL;
    case SOBJ_DEADLOCK:
        PyErr_SetString(PyExc_RuntimeError, text);
        return NULL;
    case SOBJ_OVERFLOW:
        PyErr_SetString(PyExc_OverflowError, text);
        return NULL;
    case SOBJ_FROZEN:
        PyErr_SetString(PyExc_TypeError,
                        "the object is frozen: change a copy() of it instead");
        return NULL;
    case SOBJ_BAD_OPERAND:
        PyErr_SetString(PyExc_TypeError, text);
        return NULL;
    case SOBJ_NOT_FOUND:
        PyErr_SetString(PyExc_KeyError, text);
        return NULL;
    case SOBJ_STALE:
    case SOBJ_FOREIGN:
        PyErr_SetString(PyExc_LookupError, text);
        return NULL;
    case SOBJ_INTERRUPTED: /* the handler has raised */
        if (PyErr_Occurred())
            return NULL;
        break;
    case SOBJ_OK:
    case SOBJ_EXISTS:
    case SOBJ_MISMATCH:
        break;
    }
    /* Answers, not failures: whoever passes one on has forgotten a case. */
    PyErr_Format(PyExc_SystemError, "sharedobj: unexpected status: %s", text);
    return NULL;
}

PyObject *sobj_errors_getattr(PyObject *module, PyObject *name)
{
    for (int i = 0; PyUnicode_Check(name) && i < SOBJ_ERRORS; i++) {
        const char *own = strchr(recipes[i].name, '.') + 1;
        if (PyUnicode_CompareWithASCIIString(name, own) == 0)
            return Py_XNewRef(
                sobj_error_class(sobj_state_of_module(module), (enum sobj_error)i));
    }
    PyErr_Format(PyExc_AttributeError, "module 'sharedobj' has no attribute %R", name);
    return NULL;
}
