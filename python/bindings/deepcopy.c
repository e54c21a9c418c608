/* SPDX-License-Identifier: MIT */
/* Deep copies of containers; see deepcopy.h. */
#include "deepcopy.h"

#include "handle.h"

PyObject *sobj_deepcopy_function(void)
{
    PyObject *module = PyImport_ImportModule("copy"), *function = NULL;

    if (module != NULL)
        function = PyObject_GetAttrString(module, "deepcopy");
    Py_XDECREF(module);
    return function;
}

int sobj_deepcopy_remember(PyObject *memo, PyObject *object, PyObject *copy)
{
    PyObject *id = PyLong_FromVoidPtr(object);
    int result = id != NULL ? PyObject_SetItem(memo, id, copy) : -1;

    Py_XDECREF(id);
    return result;
}

int sobj_deepcopy_first(PyObject *op, PyObject *memo, PyObject **copy)
{
    SobjHandle *self = (SobjHandle *)op;
    PyObject *first, *deep = NULL;
    int result;

    sobj_ref(self->core);
    first = sobj_handle_for(self->state, self->core);
    result = first == NULL ? -1 : first != op;
    if (result == 1) {
        deep = sobj_deepcopy_function();
        *copy =
            deep != NULL ? PyObject_CallFunctionObjArgs(deep, first, memo, NULL) : NULL;
        result = *copy != NULL ? 1 : -1;
    }
    Py_XDECREF(deep);
    Py_XDECREF(first);
    return result;
}
