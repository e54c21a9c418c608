/* SPDX-License-Identifier: MIT */
/* Messages out of a pickle; see message.c. And the classes of the standard library that
 * pickling needs. */
#include "message.h"

#include "handle.h"
#include "kinds.h"

PyObject *sobj__message_class(struct sobj_state *state, PyObject **field,
                              const char *module, const char *name, bool derive)
{
    PyObject *from, *found = NULL;

    sobj_mutex_lock(&state->errors_mutex);
    found = Py_XNewRef(*field);
    sobj_mutex_unlock(&state->errors_mutex);
    if (found != NULL)
        return found;
    from = PyImport_ImportModule(module);
    if (from == NULL)
        return NULL;
    found = PyObject_GetAttrString(from, name);
    Py_DECREF(from);
    if (found != NULL && derive)
        Py_SETREF(found, PyObject_CallFunction((PyObject *)&PyType_Type, "s(O){}", name,
                                               found));
    /* Of two threads that come here at once, one keeps its class to itself. */
    sobj_mutex_lock(&state->errors_mutex);
    if (found != NULL && *field == NULL && !state->cleared)
        *field = Py_NewRef(found);
    sobj_mutex_unlock(&state->errors_mutex);
    return found;
}

/* find_class(module, name) where set_importable() restricts what may be named; `self` is
 * (module of ours, unpickler). */
static PyObject *find_class(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct sobj_state *state = sobj_state_of_module(PyTuple_GET_ITEM(self, 0));
    PyObject *unpickler = PyTuple_GET_ITEM(self, 1), *find, *found;

    if (count != 2 || !PyUnicode_Check(args[0]) || !PyUnicode_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "find_class takes two names");
        return NULL;
    }
    if (!sobj__importable(state, args[0])) {
        sobj__raise_unresolved(state, args[0], args[1],
                               "set_importable() does not allow this module");
        return NULL;
    }
    /* That of the class: this one here lies in front of it, in the instance. */
    find = PyObject_GetAttrString((PyObject *)Py_TYPE(unpickler), "find_class");
    if (find == NULL)
        return NULL;
    found = PyObject_CallFunctionObjArgs(find, unpickler, args[0], args[1], NULL);
    Py_DECREF(find);
    return found;
}

static PyMethodDef unpickler_methods[] = {
    {"find_class", (PyCFunction)(void *)find_class, METH_FASTCALL, NULL},
    {NULL},
};

/* Puts find_class in front. Returns: 0, or -1 with an exception. */
static int restrict_unpickler(struct sobj_state *state, PyObject *unpickler)
{
    PyObject *self = PyTuple_Pack(2, state->module, unpickler);
    PyObject *find = self != NULL ? PyCFunction_New(&unpickler_methods[0], self) : NULL;
    int result = -1;

    if (find != NULL)
        result = PyObject_SetAttrString(unpickler, "find_class", find);
    Py_XDECREF(find);
    Py_XDECREF(self);
    return result;
}

/* persistent_load(id), see persistent_id; `self` is (module of ours, handles). */
static PyObject *persistent_load(PyObject *self, PyObject *id)
{
    struct sobj_state *state = sobj_state_of_module(PyTuple_GET_ITEM(self, 0));
    PyObject *args, *type, *made;
    int class;

    if (!PyTuple_Check(id))
        return PyObject_GetItem(PyTuple_GET_ITEM(self, 1), id);
    if (!PyArg_ParseTuple(id, "iO!", &class, &PyTuple_Type, &args))
        return NULL;
    if (class < SOBJ__DATE || class > SOBJ__TIMEZONE) {
        PyErr_SetString(PyExc_TypeError, "not a class of datetime");
        return NULL;
    }
    type = sobj__standard_class(state, (enum sobj__class)class);
    made = type != NULL ? PyObject_Call(type, args, NULL) : NULL;
    Py_XDECREF(type);
    return made;
}

static PyMethodDef loading_methods[] = {
    {"persistent_load", persistent_load, METH_O, NULL},
    {NULL},
};

/* Returns: an Unpickler that reads from `file`. `buffers`: a tuple. */
static PyObject *make_unpickler(PyObject *type, PyObject *file, PyObject *buffers)
{
    PyObject *args, *names, *unpickler = NULL;

    if (PyTuple_GET_SIZE(buffers) == 0)
        return PyObject_CallOneArg(type, file);
    args = PyTuple_Pack(1, file);
    names = Py_BuildValue("{sO}", "buffers", buffers);
    if (args != NULL && names != NULL)
        unpickler = PyObject_Call(type, args, names);
    Py_XDECREF(args);
    Py_XDECREF(names);
    return unpickler;
}

/* Returns: the object; NULL with whatever the unpickling raised. */
static PyObject *loads(struct sobj_state *state, PyObject *data, PyObject *handles,
                       PyObject *buffers)
{
    PyObject *unpickler_type =
        sobj__message_class(state, &state->unpickler, "pickle", "Unpickler", true);
    PyObject *file_type =
        sobj__message_class(state, &state->bytes_io, "io", "BytesIO", false);
    PyObject *file = NULL, *unpickler = NULL, *object = NULL;
    PyObject *self = PyTuple_Pack(2, state->module, handles);
    PyObject *load = self != NULL ? PyCFunction_New(&loading_methods[0], self) : NULL;

    Py_XDECREF(self);
    if (unpickler_type == NULL || file_type == NULL || load == NULL)
        goto done;
    file = PyObject_CallOneArg(file_type, data);
    if (file == NULL)
        goto done;
    unpickler = make_unpickler(unpickler_type, file, buffers);
    bool restricted = sobj__imports_restricted(state);
    if (unpickler != NULL &&
        PyObject_SetAttrString(unpickler, "persistent_load", load) == 0 &&
        (!restricted || restrict_unpickler(state, unpickler) == 0))
        object = PyObject_CallMethod(unpickler, "load", NULL);
    if (restricted && unpickler != NULL) { /* ends the cycle of the two */
        PyObject *error = PyErr_GetRaisedException();
        if (PyObject_DelAttrString(unpickler, "find_class") < 0)
            PyErr_Clear();
        PyErr_SetRaisedException(error);
    }
done:
    Py_XDECREF(load);
    Py_XDECREF(unpickler);
    Py_XDECREF(file);
    Py_XDECREF(file_type);
    Py_XDECREF(unpickler_type);
    return object;
}

/* Decodes one of the tuples behind a pickle. */
static PyObject *decode_part(struct sobj_state *state, struct sobj_blob *b,
                             const uint64_t *words, bool there)
{
    if (!there)
        return PyTuple_New(0);
    return sobj__decode_stream(state, words, sobj_blob_edges(b), false, NULL);
}

/* What a program defines in its __main__ is not in that of another interpreter: pickle's
 * error does not say so. */
static void note_main(void)
{
    PyObject *error = PyErr_GetRaisedException(), *text = NULL, *done = NULL;
    const char *s = NULL;

    if (PyErr_GivenExceptionMatches(error, PyExc_AttributeError))
        text = PyObject_Str(error);
    if (text != NULL)
        s = PyUnicode_AsUTF8(text);
    if (s != NULL && strstr(s, "__main__") != NULL)
        done = PyObject_CallMethod(error, "add_note", "s",
                                   "each interpreter has a __main__ of its own: define "
                                   "what is sent at the top "
                                   "level of a module that the receiver can import");
    Py_XDECREF(done);
    Py_XDECREF(text);
    PyErr_Clear();
    PyErr_SetRaisedException(error);
}

PyObject *sobj__message_unpickle(struct sobj_state *state, struct sobj_blob *b)
{
    const uint64_t *words = (const uint64_t *)(const void *)b->data;
    const uint64_t *part = words + sobj__item_words(words[0]);
    unsigned aux = sobj_stream_aux(words[0]);
    PyObject *handles, *buffers = NULL, *data, *object = NULL;

    handles = decode_part(state, b, part, (aux & SOBJ__PICKLE_HANDLES) != 0);
    if (aux & SOBJ__PICKLE_HANDLES)
        part += 1 + sobj_stream_count(part[0]); /* OBJECTs, a word each */
    if (handles != NULL)
        buffers = decode_part(state, b, part, (aux & SOBJ__PICKLE_BUFFERS) != 0);
    data = PyBytes_FromStringAndSize((const char *)(words + 1),
                                     (Py_ssize_t)sobj_stream_count(words[0]));
    if (buffers != NULL && data != NULL)
        object = loads(state, data, handles, buffers);
    if (object == NULL)
        note_main();
    Py_XDECREF(data);
    Py_XDECREF(buffers);
    Py_XDECREF(handles);
    return object;
}
