/* SPDX-License-Identifier: MIT */
/* The module in any interpreter, whether it can be imported there or not.
 *
 * A handle that arrives in an interpreter needs the module. In order:
 *
 *   1. the interpreter's dict, where every module that was executed is entered: this
 *      survives `del sys.modules[...]`;
 *   2. an import;
 *   3. the import of the package from where this extension's file lies: an interpreter
 *      need not have the sys.path of the one that has sent the handle;
 *   4. a module made from our own definition. The package around it is missing then, but
 *      handles work.
 *
 * So this fails for want of memory only, or because of KeyboardInterrupt and the like.
 */
#include <dlfcn.h>
#include <string.h>

#include "state.h"

#define PACKAGE_NAME "sharedobj"

/* Two copies of the extension in one process are two worlds: the key tells them apart. */
static PyObject *interpreter_key(void)
{
    return PyUnicode_FromFormat(SOBJ_MODULE_NAME "@%p", (void *)&sobj_module_def);
}

int sobj_module_publish(PyObject *module)
{
    PyObject *dict = PyInterpreterState_GetDict(PyInterpreterState_Get());
    PyObject *key = interpreter_key();
    int result = -1;

    if (dict == NULL)
        PyErr_NoMemory();
    else if (key != NULL)
        result = PyDict_SetItem(dict, key, module);
    Py_XDECREF(key);
    return result;
}

/* Returns: a new reference; NULL without an exception if there is none (yet), or with. */
static PyObject *find_published(void)
{
    PyObject *dict = PyInterpreterState_GetDict(PyInterpreterState_Get());
    PyObject *key = interpreter_key(), *module = NULL;

    if (dict != NULL && key != NULL)
        module = Py_XNewRef(PyDict_GetItemWithError(dict, key));
    Py_XDECREF(key);
    return module;
}

/* Returns: whether the next way is to be tried: the exception, if any, is one that says
 * that this one has failed, and is cleared. */
static bool go_on(void)
{
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return false;
        PyErr_Clear();
    }
    return true;
}

/* Imports the module. Returns: as find_published; a module of another copy of the
 * extension is none. */
static PyObject *import(void)
{
    PyObject *module = PyImport_ImportModule(SOBJ_MODULE_NAME);

    if (module != NULL && PyModule_Check(module) &&
        PyModule_GetDef(module) == &sobj_module_def)
        return module;
    Py_XDECREF(module);
    return NULL;
}

/* Returns: the path of this extension's file, or NULL. */
static const char *own_path(void)
{
    Dl_info info;

    return dladdr(&sobj_module_def, &info) != 0 ? info.dli_fname : NULL;
}

/* Returns: the spec of the package whose files lie beside the extension; NULL with or
 * without an exception. */
static PyObject *spec_of_package(PyObject *name)
{
    const char *path = own_path(), *slash = path != NULL ? strrchr(path, '/') : NULL;
    PyObject *external = NULL, *make = NULL, *folder = NULL, *file = NULL;
    PyObject *args = NULL, *keywords = NULL, *spec = NULL;

    if (slash == NULL)
        return NULL;
    /* Every interpreter has this module; importlib would be an import from the disk. */
    external = PyImport_ImportModule("_frozen_importlib_external");
    folder = PyUnicode_DecodeFSDefaultAndSize(path, slash - path);
    if (external == NULL || folder == NULL)
        goto done;
    make = PyObject_GetAttrString(external, "spec_from_file_location");
    file = PyUnicode_FromFormat("%U/__init__.py", folder);
    if (make == NULL || file == NULL)
        goto done;
    args = PyTuple_Pack(2, name, file);
    keywords = Py_BuildValue("{s[O]}", "submodule_search_locations", folder);
    if (args != NULL && keywords != NULL)
        spec = PyObject_Call(make, args, keywords);
done:
    Py_XDECREF(keywords);
    Py_XDECREF(args);
    Py_XDECREF(file);
    Py_XDECREF(make);
    Py_XDECREF(folder);
    Py_XDECREF(external);
    return spec;
}

/* Makes the package of `spec`, enters it in `modules` and executes it; a failure takes
 * it out again. Returns: 0, or -1 with an exception. */
static int execute_package(PyObject *modules, PyObject *name, PyObject *spec)
{
    PyObject *frozen = PyImport_ImportModule("_frozen_importlib");
    PyObject *loader = NULL, *package = NULL, *done = NULL;
    int result = -1;

    if (frozen == NULL)
        return -1;
    package = PyObject_CallMethod(frozen, "module_from_spec", "O", spec);
    loader = PyObject_GetAttrString(spec, "loader");
    if (package == NULL || loader == NULL || PyDict_SetItem(modules, name, package) < 0)
        goto end;
    done = PyObject_CallMethod(loader, "exec_module", "O", package);
    if (done != NULL) {
        result = 0;
    } else {
        PyObject *error = PyErr_GetRaisedException();
        if (PyDict_DelItem(modules, name) < 0)
            PyErr_Clear();
        PyErr_SetRaisedException(error);
    }
end:
    Py_XDECREF(done);
    Py_XDECREF(loader);
    Py_XDECREF(package);
    Py_DECREF(frozen);
    return result;
}

/* Loads the package from beside the extension, unless sys.modules has one of that name.
 * Returns: 0, or -1 with or without an exception. */
static int load_package(void)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *name = PyUnicode_FromString(PACKAGE_NAME), *spec = NULL;
    int result = -1;

    if (name != NULL && PyDict_Contains(modules, name) == 0)
        spec = spec_of_package(name);
    if (spec != NULL)
        result = execute_package(modules, name, spec);
    Py_XDECREF(spec);
    Py_XDECREF(name);
    return result;
}

/* Makes a module from the definition. Returns: a new reference; NULL with an exception. */
static PyObject *build(void)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *frozen = PyImport_ImportModule("_frozen_importlib");
    PyObject *spec = NULL, *module = NULL, *name = NULL;
    const char *path = own_path();
    int present = -1;

    if (frozen == NULL)
        return NULL;
    spec = PyObject_CallMethod(frozen, "ModuleSpec", "sO", SOBJ_MODULE_NAME, Py_None);
    if (spec == NULL)
        goto end;
    module = PyModule_FromDefAndSpec(&sobj_module_def, spec);
    name = PyUnicode_FromString(SOBJ_MODULE_NAME);
    if (module == NULL || name == NULL)
        goto end;
    PyObject *file =
        path != NULL ? PyUnicode_DecodeFSDefault(path) : Py_NewRef(Py_None);
    if (file == NULL)
        goto end;
    if (PyObject_SetAttrString(module, "__file__", file) == 0 &&
        PyObject_SetAttrString(module, "__spec__", spec) == 0 &&
        PyModule_ExecDef(module, &sobj_module_def) == 0)
        present = PyDict_Contains(modules, name);
    Py_DECREF(file);
    /* Pickles name the module: they find it in sys.modules. */
    if (present == 0)
        present = PyDict_SetItem(modules, name, module);
end:
    if (present < 0)
        Py_CLEAR(module);
    Py_XDECREF(name);
    Py_XDECREF(spec);
    Py_DECREF(frozen);
    return module;
}

PyObject *sobj_module_here(void)
{
    PyObject *module = find_published();

    if (module == NULL && go_on())
        module = import();
    if (module == NULL && go_on() && load_package() == 0)
        module = import();
    if (module == NULL && go_on())
        module = build();
    return module;
}
