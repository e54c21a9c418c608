/* SPDX-License-Identifier: MIT */
/* Private functions of the module with which the tests go each way in and out of a cell
 * without a container around it. */
#include "encoder.h"
#include "state.h"

PyDoc_STRVAR(roundtrip_doc, "_roundtrip($module, obj, /)\n--\n\n"
                            "For tests: encode obj as a value and decode it.");

static PyObject *roundtrip(PyObject *module, PyObject *obj)
{
    struct sobj_state *state = sobj_state_of_module(module);
    PyObject *result;
    sobj_cell cell;

    if (sobj_encode(state, obj, &cell) < 0)
        return NULL;
    result = sobj_decode(state, cell);
    sobj_cell_unref(cell);
    return result;
}

PyDoc_STRVAR(roundtrip_message_doc,
             "_roundtrip_message($module, obj, /)\n--\n\n"
             "For tests: encode obj as a message and decode it.");

static PyObject *roundtrip_message(PyObject *module, PyObject *obj)
{
    struct sobj_state *state = sobj_state_of_module(module);
    sobj_cell cell;

    if (sobj_encode_message(state, obj, &cell) < 0)
        return NULL;
    return sobj_decode_message(state, cell);
}

PyDoc_STRVAR(
    roundtrip_key_doc,
    "_roundtrip_key($module, obj, /)\n--\n\n"
    "For tests: make obj a key. Return (kind, canonical bytes, hash, the object\n"
    "that iteration would show).");

static PyObject *roundtrip_key(PyObject *module, PyObject *obj)
{
    struct sobj_state *state = sobj_state_of_module(module);
    struct sobj_py_key k;
    struct sobj_entry_out out;
    PyObject *shown;

    if (sobj_py_key_init(state, obj, &k) < 0)
        return NULL;
    struct sobj_entry entry = {
        .kind = k.key.given != NULL ? SOBJ_KEY_STREAM : k.key.kind,
        .hash = k.key.hash,
        .bytes = k.key.given != NULL ? k.key.given : k.key.bytes,
        .size = k.key.given != NULL ? k.key.given_size : k.key.size,
        .edges = k.key.edges,
        .edge_count = k.key.edge_count,
        .value = SOBJ_NONE,
    };
    sobj_entry_out_init(&out, state, true, false);
    sobj_entry_take(&entry, &out);
    shown = sobj_entry_out_key(&out);
    PyObject *result = NULL;
    if (shown != NULL)
        result = Py_BuildValue("(iy#KN)", (int)k.key.kind, (const char *)k.key.bytes,
                               (Py_ssize_t)k.key.size, (unsigned long long)k.key.hash,
                               shown);
    sobj_py_key_fini(&k);
    return result;
}

PyDoc_STRVAR(take_doc,
             "_take($module, obj, /)\n--\n\n"
             "For tests: encode obj as a value and take it out as a container would.");

static PyObject *take(PyObject *module, PyObject *obj)
{
    struct sobj_state *state = sobj_state_of_module(module);
    struct sobj_value_out out;
    sobj_cell cell;

    if (sobj_encode(state, obj, &cell) < 0)
        return NULL;
    sobj_value_out_init(&out, state);
    out.out.cell = cell;
    if (sobj_is_pointer(cell))
        out.out.take(&out.out);
    sobj_cell_unref(cell);
    return sobj_value_out_finish(&out);
}

PyDoc_STRVAR(same_doc, "_same($module, a, b, /)\n--\n\n"
                       "For tests: whether compare_and_set would take a for b.");

static PyObject *same(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    struct sobj_state *state = sobj_state_of_module(module);
    sobj_cell a, b;

    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "_same takes two arguments");
        return NULL;
    }
    if (sobj_encode(state, args[0], &a) < 0)
        return NULL;
    if (sobj_encode(state, args[1], &b) < 0) {
        sobj_cell_unref(a);
        return NULL;
    }
    bool result = sobj_cell_same(a, b);
    sobj_cell_unref(a);
    sobj_cell_unref(b);
    return PyBool_FromLong(result);
}

PyDoc_STRVAR(protect_doc,
             "_protect_immortals($module, /)\n--\n\n"
             "For tests: lay immortal objects, from now on, where a write to "
             "them\nends the process.");

static PyObject *protect(PyObject *module, PyObject *unused)
{
    sobj_immortal_protect();
    Py_RETURN_NONE;
}

PyMethodDef sobj__testing_methods[] = {
    {"_roundtrip", roundtrip, METH_O, roundtrip_doc},
    {"_roundtrip_message", roundtrip_message, METH_O, roundtrip_message_doc},
    {"_roundtrip_key", roundtrip_key, METH_O, roundtrip_key_doc},
    {"_take", take, METH_O, take_doc},
    {"_same", (PyCFunction)(void *)same, METH_FASTCALL, same_doc},
    {"_protect_immortals", protect, METH_NOARGS, protect_doc},
    {NULL},
};
