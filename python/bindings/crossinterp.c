/* SPDX-License-Identifier: MIT */
/* Handles on CPython's own roads between interpreters, and the few other things for
 * which it has no public name. Everything private is in this file (the layout of
 * objects in immortal_object.c).
 *
 * CPython asks a type that was registered (for each interpreter, by exact type) for
 * "cross-interpreter data": a pointer, a function that makes an object of it in the
 * receiving interpreter, and one that frees it. The pointer's fate is not ours to rely
 * on, as measured on 3.12 to 3.15:
 *
 *   C1  `free` runs in the sending interpreter, as a pending call when the item was
 *       released elsewhere; an idle sender runs it late, and when the queue of pending
 *       calls is full (31 or 300 entries) it is silently lost.
 *   C2  Items that nobody receives may never be freed, even when the sender ends.
 *   C3  On 3.14 and 3.15 a failure to decode an argument of Interpreter.call() makes it
 *       return None without calling anything.
 *
 * Therefore the pointer is the number of a ticket (sharedobj/object.h), which may be
 * freed late, twice or never: it is dropped with its interpreter's domain (C2). The
 * receiver takes the ticket and clears the pointer, so that nothing is left to free
 * (C1). And decoding does not depend on whether sharedobj can be imported (C3; see
 * locate.c).
 *
 * The two functions are referenced weakly: where they are missing, handles are pickled.
 */
#include <patchlevel.h>
#if PY_VERSION_HEX >= 0x030D0000
#define Py_BUILD_CORE_MODULE 1
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#if PY_VERSION_HEX >= 0x030D0000
#include "internal/pycore_crossinterp.h"
#endif

#include "crossinterp.h"
#include "errors.h"
#include "handle.h"

#if PY_VERSION_HEX >= 0x030E0000
#pragma weak _PyXIData_RegisterClass
#pragma weak _PyXIData_Init
#define CROSSING_DATA _PyXIData_t
#define CROSSING_INIT _PyXIData_Init
#define CROSSING_REGISTER _PyXIData_RegisterClass
#else
#pragma weak _PyCrossInterpreterData_RegisterClass
#pragma weak _PyCrossInterpreterData_Init
#define CROSSING_DATA _PyCrossInterpreterData
#define CROSSING_INIT _PyCrossInterpreterData_Init
#define CROSSING_REGISTER _PyCrossInterpreterData_RegisterClass
#endif

#ifdef Py_GIL_DISABLED
extern int _Py_HandlePending(PyThreadState *tstate);
#pragma weak _Py_HandlePending
#endif

static void drop_ticket(void *ticket) { sobj_ticket_drop((uint64_t)(uintptr_t)ticket); }

/* In the receiving interpreter. */
static PyObject *decode(CROSSING_DATA *data)
{
    struct sobj_object *core;
    PyObject *module = sobj_module_here(), *handle = NULL;

    if (module == NULL)
        return NULL;
    if (sobj_ticket_take((uint64_t)(uintptr_t)data->data, &core) == SOBJ_OK) {
        data->data = NULL; /* C1 */
        handle = sobj_handle_for(sobj_state_of_module(module), core);
    } else {
        PyErr_SetString(PyExc_LookupError,
                        "the shared object is gone: this item was received before, or "
                        "its sender's interpreter has ended");
    }
    Py_DECREF(module);
    return handle;
}

/* In the sending interpreter. */
static int encode(PyThreadState *tstate, PyObject *handle, CROSSING_DATA *data)
{
    struct sobj_domain *domain = sobj_local_domain(((SobjHandle *)handle)->state);
    uint64_t ticket;

    if (domain == NULL)
        return -1;
    if (sobj_ticket_new(sobj_handle_core(handle), domain, SOBJ_NO_LEASE, &ticket) !=
        SOBJ_OK) {
        PyErr_NoMemory();
        return -1;
    }
    CROSSING_INIT(data, PyThreadState_GetInterpreter(tstate), (void *)(uintptr_t)ticket,
                  NULL, decode);
    data->free = drop_ticket;
    return 0;
}

int sobj_crossing_register(PyTypeObject *type)
{
    if (CROSSING_REGISTER == NULL || CROSSING_INIT == NULL)
        return 0;
#if PY_VERSION_HEX >= 0x030E0000
    _PyXIData_getdata_t getdata = {.basic = encode};
    return CROSSING_REGISTER(PyThreadState_Get(), type, getdata) < 0 ? -1 : 0;
#else
    return CROSSING_REGISTER(type, encode) < 0 ? -1 : 0;
#endif
}

PyThreadState *sobj_thread_state_or_null(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#else
    return _PyThreadState_UncheckedGet();
#endif
}

bool sobj_runtime_finalizing(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

/* Objects whose last reference another thread has dropped are handed to the thread that
 * made them, which frees them at the next turn of its evaluation loop, but is not told. */
int sobj_run_pending(void)
{
#ifdef Py_GIL_DISABLED
    if (_Py_HandlePending != NULL)
        return _Py_HandlePending(PyThreadState_Get());
#endif
    return 0;
}

int sobj_modules_guard(void)
{
    /* In an interpreter that takes only modules made for several interpreters, 3.12 runs
     * the init function of any other one all the same, to refuse it then. These keep
     * pointers for the whole process in that function: to datetime's C interface, which
     * is not there (_zoneinfo), to objects of the interpreter that is refused
     * (_decimal), in static types (_datetime). The others crash then. */
#if PY_VERSION_HEX < 0x030D0000
    static const char *const names[] = {"_datetime", "_decimal", "_zoneinfo"};
    PyObject *modules = PyImport_GetModuleDict();

    if (!_PyInterpreterState_HasFeature(PyInterpreterState_Get(),
                                        Py_RTFLAGS_MULTI_INTERP_EXTENSIONS))
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        PyObject *name = PyUnicode_InternFromString(names[i]);
        /* None says that it must not be imported. */
        if (name == NULL || PyDict_SetDefault(modules, name, Py_None) == NULL) {
            Py_XDECREF(name);
            return -1;
        }
        Py_DECREF(name);
    }
#endif
    return 0;
}
