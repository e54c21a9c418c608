/* SPDX-License-Identifier: MIT */
/* The extension module: start, state, and the functions that belong to no type.
 *
 * Every interpreter that imports it gets its own module, types and state. Nothing here is
 * a writable static but CPython's own PyModuleDef.
 */
#include "channel_type.h"
#include "crossinterp.h"
#include "dict_cache.h"
#include "errors.h"
#include "handle.h"
#include "hooks.h"
#include "ready.h"
#include "registry.h"
#include "state.h"
#include "stats.h"

/* ---- state */

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct sobj_state *state = sobj_state_of_module(module);

    if (state == NULL)
        return 0;
    for (int i = 0; i < SOBJ_TYPES; i++)
        Py_VISIT(state->types[i]);
    for (int i = 0; i < SOBJ_ERRORS; i++)
        Py_VISIT(state->errors[i]);
#define VISIT(name) Py_VISIT(state->name);
    SOBJ_STATE_OBJECTS(VISIT)
#undef VISIT
    return sobj_host_traverse(&state->host, visit, arg);
}

static int module_clear(PyObject *module)
{
    struct sobj_state *state = sobj_state_of_module(module);

    if (state == NULL)
        return 0;
    state->cleared = true;
    sobj_caches_flush(state);
    sobj_ready_flush(state);
    sobj_shelves_flush(state);
    if (state->local != NULL) {
        sobj_encoded_flush(state->local);
        sobj_known_ints_flush(state->local);
    }
    for (int i = 0; i < SOBJ_TYPES; i++)
        Py_CLEAR(state->types[i]);
    for (int i = 0; i < SOBJ_ERRORS; i++)
        Py_CLEAR(state->errors[i]);
#define CLEAR(name) Py_CLEAR(state->name);
    SOBJ_STATE_OBJECTS(CLEAR)
#undef CLEAR
    sobj_host_clear(&state->host);
    return 0;
}

static void module_free(void *module)
{
    struct sobj_state *state = sobj_state_of_module(module);

    if (state == NULL)
        return;
    module_clear(module);
    sobj_handles_fini(state);
    sobj_local_detach(state);
}

static int module_exec(PyObject *module)
{
    struct sobj_state *state = sobj_state_of_module(module);
    enum sobj_status status = sobj_runtime_init(&sobj_python_hooks);

    state->module = module;
    if (status != SOBJ_OK) {
        sobj_raise(state, status);
        return -1;
    }
    if (sobj_modules_guard() < 0 || sobj_local_attach(state) < 0 ||
        sobj_host_init(&state->host) < 0)
        return -1;
    if (sobj_registry_exec(module, state) < 0 || sobj_convert_exec(module, state) < 0 ||
        sobj_atomic_int_exec(module, state) < 0 || sobj_dict_exec(module, state) < 0 ||
        sobj_set_exec(module, state) < 0 || sobj_array_exec(module, state) < 0 ||
        sobj_list_exec(module, state) < 0 || sobj_channel_exec(module, state) < 0 ||
        sobj_queue_exec(module, state) < 0)
        return -1;
#ifdef SOBJ_VERSION
    if (PyModule_AddStringConstant(module, "__version__", SOBJ_VERSION) < 0)
        return -1;
#endif
    return sobj_module_publish(module);
}

/* ---- functions */

PyDoc_STRVAR(
    collect_doc,
    "collect($module, /)\n--\n\n"
    "Free what this thread has let go of and could not free yet.\n\n"
    "Memory that other threads may still be reading is freed in batches; this\n"
    "waits until they have moved on (some microseconds, with the GIL released).\n"
    "It also drops what is kept by pickles whose lease has ended, and what the read\n"
    "caches of this interpreter keep of its SharedDicts, SharedSets and SharedLists,\n"
    "and the ints that it has read twice.");

static PyObject *module_collect(PyObject *module, PyObject *unused)
{
    struct sobj_state *state = sobj_state_of_module(module);

    sobj_caches_flush(state);
    sobj_ready_flush(state);
    sobj_shelves_flush(state);
    sobj_encoded_flush(state->local);
    sobj_known_ints_flush(state->local);
    sobj_collect();
    Py_RETURN_NONE;
}

PyDoc_STRVAR(fail_allocation_doc,
             "_fail_allocation($module, after, /)\n--\n\n"
             "Make the core's allocation number `after` of this thread fail, once; a\n"
             "negative number: none. Return how many were left of the last setting.");

static PyObject *module_fail_allocation(PyObject *module, PyObject *after)
{
    long long n = PyLong_AsLongLong(after);

    if (n == -1 && PyErr_Occurred())
        return NULL;
    return PyLong_FromLongLong(sobj_fail_allocation(n));
}

PyDoc_STRVAR(end_waits_doc,
             "_end_waits($module, /)\n--\n\n"
             "End the blocking calls of this interpreter, and those to come.");

static PyObject *module_end_waits(PyObject *module, PyObject *unused)
{
    struct sobj_domain *domain = sobj_local_domain(sobj_state_of_module(module));

    if (domain == NULL)
        return NULL;
    sobj_domain_close(domain);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(getattr_doc,
             "__getattr__($module, name, /)\n--\n\n"
             "What is made when first asked for: the exceptions, and registry, a\n"
             "SharedDict of the whole process in which objects can be found by name.");

static PyObject *module_getattr(PyObject *module, PyObject *name)
{
    if (PyUnicode_Check(name) &&
        PyUnicode_CompareWithASCIIString(name, "registry") == 0)
        return sobj_dict_registry(module);
    return sobj_errors_getattr(module, name);
}

static PyMethodDef methods[] = {
    SOBJ_REGISTRY_METHODS,
    {"collect", module_collect, METH_NOARGS, collect_doc},
    SOBJ_STATS_METHODS,
    SOBJ_SELECT_METHODS,
    {"_fail_allocation", module_fail_allocation, METH_O, fail_allocation_doc},
    {"_end_waits", module_end_waits, METH_NOARGS, end_waits_doc},
    {"__getattr__", module_getattr, METH_O, getattr_doc},
    {NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

struct PyModuleDef sobj_module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_sharedobj",
    .m_doc = PyDoc_STR("Objects shared by interpreters and threads."),
                       .m_size = sizeof(struct sobj_state), .m_methods = methods,
                       .m_slots = slots, .m_traverse = module_traverse,
                       .m_clear = module_clear, .m_free = module_free,
    };

PyMODINIT_FUNC PyInit__sharedobj(void) { return PyModuleDef_Init(&sobj_module_def); }
