/* SPDX-License-Identifier: MIT */
/* MISSING and DELETE: what stands for an absent key, and for its removal. One of each in
 * every interpreter; no values themselves. */
#include "dict_type.h"

static PyObject *missing_repr(PyObject *self)
{
    return PyUnicode_FromString("MISSING");
}

static PyObject *delete_repr(PyObject *self) { return PyUnicode_FromString("DELETE"); }

static int missing_bool(PyObject *self) { return 0; }

/* A str says: by name, from the package. Copies are the object itself. */
static PyObject *reduce(PyObject *self, PyObject *unused)
{
    return PyObject_Repr(self);
}

static PyMethodDef sentinel_methods[] = {
    {"__reduce__", reduce, METH_NOARGS, PyDoc_STR("Pickle by name.")}, {NULL},
};

static PyType_Slot missing_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Stands for an absent key.")},
     {Py_tp_repr, missing_repr}, {Py_tp_methods, sentinel_methods},
     {Py_nb_bool, missing_bool}, {0, NULL},
};

static PyType_Slot delete_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Says to SharedDict.compute: remove the key.")},
     {Py_tp_repr, delete_repr}, {Py_tp_methods, sentinel_methods}, {0, NULL},
};

#define SENTINEL_FLAGS                                                                 \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION)

static PyType_Spec missing_spec = {
    .name = "sharedobj._Missing",
    .flags = SENTINEL_FLAGS,
    .slots = missing_slots,
};

static PyType_Spec delete_spec = {
    .name = "sharedobj._Delete",
    .flags = SENTINEL_FLAGS,
    .slots = delete_slots,
};

static int add(PyObject *module, PyType_Spec *spec, const char *name, PyObject **place)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);

    if (type == NULL)
        return -1;
    *place = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    Py_DECREF(type);
    return *place != NULL ? PyModule_AddObjectRef(module, name, *place) : -1;
}

int sobj_sentinel_exec(PyObject *module, struct sobj_state *state)
{
    if (add(module, &missing_spec, "MISSING", &state->missing) < 0)
        return -1;
    return add(module, &delete_spec, "DELETE", &state->deletion);
}
