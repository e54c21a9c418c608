/* SPDX-License-Identifier: MIT */
/* Messages by pickle: what the walk cannot write; see message.c.
 *
 * What an object gives to pickle as a buffer (PEP 574) is copied once, into the message,
 * and once out of it. It comes out as from a pickle without buffers, as a bytearray, or as
 * bytes if it cannot be written to.
 */
#include "message.h"

#include "errors.h"
#include "handle.h"
#include "kinds.h"

#if PY_VERSION_HEX < 0x030D0000
/* In the subinterpreters of 3.12 datetime is written in Python, and pickle would name its
 * classes by the module _pydatetime: elsewhere they are not those of datetime. Returns:
 * what such an object is made of: its class, a number of ours, and the arguments for
 * that; None for all other objects. */
static PyObject *moment_id(struct sobj_state *state, PyObject *obj)
{
    PyObject *plan = NULL, *pair = NULL, *args = NULL, *id = NULL;
    enum sobj__fault fault;
    int class;

    if (PyType_Check(obj) || sobj__moment_learn(state))
        Py_RETURN_NONE;
    class = sobj__class_of(state, Py_TYPE(obj), &plan, &fault);
    Py_XDECREF(plan);
    if (class < 0)
        return NULL;
    if (class < SOBJ__DATE || class > SOBJ__TIMEZONE)
        Py_RETURN_NONE;
    pair = class == SOBJ__TIMEZONE ? PyObject_CallMethod(obj, "__getinitargs__", NULL)
                                   : PyObject_CallMethod(obj, "__reduce_ex__", "i", 4);
    if (pair != NULL && class != SOBJ__TIMEZONE)
        args = PySequence_GetItem(pair, 1);
    else
        args = Py_XNewRef(pair);
    if (args != NULL)
        id = Py_BuildValue("(iO)", class, args);
    Py_XDECREF(args);
    Py_XDECREF(pair);
    return id;
}
#else
static PyObject *moment_id(struct sobj_state *state, PyObject *obj) { Py_RETURN_NONE; }
#endif

/* persistent_id(obj): the index of a handle in the list; what moment_id says of others.
 * `self` is (module of ours, list). */
static PyObject *persistent_id(PyObject *self, PyObject *obj)
{
    PyObject *handles = PyTuple_GET_ITEM(self, 1);

    if (!sobj_handle_check(obj))
        return moment_id(sobj_state_of_module(PyTuple_GET_ITEM(self, 0)), obj);
    if (PyList_Append(handles, obj) < 0)
        return NULL;
    return PyLong_FromSsize_t(PyList_GET_SIZE(handles) - 1);
}

static PyMethodDef pickler_methods[] = {
    {"persistent_id", persistent_id, METH_O, NULL},
    {NULL},
};

/* buffer_callback(buffer): to be kept outside of the pickle, unless nobody but pickle can
 * get at it, as at that of a class with a __buffer__. `self` is a list. */
static PyObject *keep_buffer(PyObject *self, PyObject *buffer)
{
    Py_buffer view;

    if (PyObject_GetBuffer(buffer, &view, PyBUF_FULL_RO) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError) &&
            !PyErr_ExceptionMatches(PyExc_BufferError))
            return NULL;
        PyErr_Clear();
        Py_RETURN_TRUE;
    }
    PyBuffer_Release(&view);
    if (PyList_Append(self, buffer) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef buffer_methods[] = {
    {"buffer_callback", keep_buffer, METH_O, NULL},
    {NULL},
};

/* Returns: a Pickler that writes to `file`. */
static PyObject *make_pickler(PyObject *type, PyObject *file, PyObject *buffers)
{
    PyObject *keep = PyCFunction_New(&buffer_methods[0], buffers), *pickler = NULL;

    if (keep != NULL)
        pickler = PyObject_CallFunction(type, "OiOO", file, 5, Py_True, keep);
    Py_XDECREF(keep);
    return pickler;
}

/* Returns: the pickle, bytes; what it refers to is appended to the lists `handles` and
 * `buffers`. */
static PyObject *dumps(struct sobj_state *state, PyObject *message, PyObject *handles,
                       PyObject *buffers)
{
    PyObject *pickler_type =
        sobj__message_class(state, &state->pickler, "pickle", "Pickler", true);
    PyObject *file_type =
        sobj__message_class(state, &state->bytes_io, "io", "BytesIO", false);
    PyObject *file = NULL, *pickler = NULL, *id = NULL, *done = NULL, *data = NULL;
    PyObject *self = PyTuple_Pack(2, state->module, handles);

    if (pickler_type == NULL || file_type == NULL || self == NULL)
        goto done;
    file = PyObject_CallNoArgs(file_type);
    if (file == NULL)
        goto done;
    pickler = make_pickler(pickler_type, file, buffers);
    id = PyCFunction_New(&pickler_methods[0], self);
    if (pickler == NULL || id == NULL ||
        PyObject_SetAttrString(pickler, "persistent_id", id) < 0)
        goto done;
    done = PyObject_CallMethod(pickler, "dump", "(O)", message);
    if (done != NULL)
        data = PyObject_CallMethod(file, "getvalue", NULL);
done:
    Py_XDECREF(done);
    Py_XDECREF(self);
    Py_XDECREF(id);
    Py_XDECREF(pickler);
    Py_XDECREF(file);
    Py_XDECREF(file_type);
    Py_XDECREF(pickler_type);
    return data;
}

/* Whether the exception that is set says something about the message. */
static bool is_about_message(void)
{
    return PyErr_ExceptionMatches(PyExc_Exception) &&
           !PyErr_ExceptionMatches(PyExc_MemoryError);
}

/* Objects of a message that are pickled one by one to find the one that cannot be. */
#define SUSPECTS_MAX 100

/* Walks to the first object that is not built in and not in `passed`. Returns: it, a new
 * reference, or raises for it if there is a `cause`; NULL: there is none. */
static PyObject *next_suspect(struct sobj_state *state, const char *name,
                              PyObject *message, PyObject *passed, PyObject *cause)
{
    PyObject *suspect = NULL;
    struct sobj_stream s;
    struct sobj_encoder e;

    sobj_stream_init(&s);
    sobj__encoder_init(&e, state, &s, SOBJ__MODE_MESSAGE, name);
    e.passed = passed;
    if (sobj__encoder_run(&e, message) == SOBJ__PICKLE)
        suspect = Py_NewRef(e.foreign);
    if (cause != NULL && !PyErr_Occurred()) {
        /* The message may be another one by now; then the path is that of its root. */
        if (suspect == NULL)
            suspect = Py_NewRef(message);
        sobj__raise_unpicklable(&e, suspect, cause);
    }
    sobj__encoder_fini(&e);
    sobj_stream_fini(&s);
    return suspect;
}

/* Returns: whether it can be pickled alone; -1 with an exception that is not about it. */
static int can_be_pickled(struct sobj_state *state, PyObject *suspect)
{
    PyObject *handles = PyList_New(0), *buffers = PyList_New(0), *data = NULL;
    int result;

    if (handles != NULL && buffers != NULL)
        data = dumps(state, suspect, handles, buffers);
    result = data != NULL;
    Py_XDECREF(handles);
    Py_XDECREF(buffers);
    Py_XDECREF(data);
    if (PyErr_Occurred() && !is_about_message())
        return -1;
    PyErr_Clear();
    return result;
}

/* What pickling raised becomes the cause of a NotShareableError that says where it is
 * that cannot be pickled. Errors that are not about the message stay. */
static void raise_unpicklable(struct sobj_state *state, const char *name,
                              PyObject *message)
{
    PyObject *cause, *raised, *passed, *suspect = NULL;
    int passes = 1;

    if (!is_about_message())
        return;
    cause = PyErr_GetRaisedException();
    passed = PyList_New(0);
    while (passed != NULL && passes > 0 && PyList_GET_SIZE(passed) < SUSPECTS_MAX) {
        Py_XSETREF(suspect, next_suspect(state, name, message, passed, NULL));
        if (suspect == NULL || (passes = can_be_pickled(state, suspect)) <= 0)
            break;
        passes = PyList_Append(passed, suspect) == 0 ? 1 : -1;
    }
    if (passed != NULL && passes >= 0 && !PyErr_Occurred())
        Py_XSETREF(suspect, next_suspect(state, name, message, passed, cause));
    Py_XDECREF(suspect);
    Py_XDECREF(passed);

    raised = PyErr_GetRaisedException();
    PyException_SetContext(raised, Py_NewRef(cause));
    PyException_SetCause(raised, cause);
    PyErr_SetRaisedException(raised);
}

static enum sobj_status write_pickle(struct sobj_stream *s, PyObject *data,
                                     PyObject *handles, bool has_buffers)
{
    size_t size = (size_t)PyBytes_GET_SIZE(data);
    Py_ssize_t n = PyTuple_GET_SIZE(handles);
    unsigned aux =
        (n != 0 ? SOBJ__PICKLE_HANDLES : 0) | (has_buffers ? SOBJ__PICKLE_BUFFERS : 0);
    uint64_t header = sobj_stream_header(SOBJ_ST_PICKLE, aux, size);
    enum sobj_status status =
        sobj_stream_bytes(s, header, PyBytes_AS_STRING(data), size);

    if (n != 0 && status == SOBJ_OK)
        status = sobj_stream_word(s, sobj_stream_header(SOBJ_ST_TUPLE, 0, (uint64_t)n));
    for (Py_ssize_t i = 0; i < n && status == SOBJ_OK; i++) {
        PyObject *handle = PyTuple_GET_ITEM(handles, i);
        /* Not so only if somebody has dug the list out of persistent_id. */
        status = sobj_handle_check(handle)
                     ? sobj_stream_object(s, sobj_handle_core(handle))
                     : SOBJ_BAD_OPERAND;
    }
    return status;
}

/* Appends one buffer. Returns: 0, -1 with an exception. */
static int write_buffer(struct sobj_stream *s, PyObject *buffer)
{
    enum sobj_stream_kind kind;
    enum sobj_status status;
    Py_buffer view;

    if (PyObject_GetBuffer(buffer, &view, PyBUF_FULL_RO) < 0)
        return -1;
    /* Pickle gives us none that is not in one piece; who has dug out the list could. */
    if (!PyBuffer_IsContiguous(&view, 'A')) {
        PyBuffer_Release(&view);
        PyErr_SetString(PyExc_BufferError, "the buffer is not in one piece");
        return -1;
    }
    kind = view.readonly ? SOBJ_ST_BYTES : SOBJ_ST_BYTEARRAY;
    status = sobj_stream_bytes(s, sobj_stream_header(kind, 0, (uint64_t)view.len),
                               view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    if (status != SOBJ_OK)
        PyErr_NoMemory();
    return status == SOBJ_OK ? 0 : -1;
}

/* Appends all of them. */
static int write_buffers(struct sobj_stream *s, PyObject *buffers)
{
    Py_ssize_t n = PyTuple_GET_SIZE(buffers);

    if (n == 0)
        return 0;
    if (sobj_stream_word(s, sobj_stream_header(SOBJ_ST_TUPLE, 0, (uint64_t)n)) !=
        SOBJ_OK) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (write_buffer(s, PyTuple_GET_ITEM(buffers, i)) < 0)
            return -1;
    }
    return 0;
}

/* Puts the parts of a pickle into a cell. */
static int store_pickle(struct sobj_state *state, PyObject *data, PyObject *handles,
                        PyObject *buffers, sobj_cell *cell)
{
    struct sobj_blob *b = NULL;
    enum sobj_status status;
    struct sobj_stream s;

    sobj_stream_init(&s);
    status = write_pickle(&s, data, handles, PyTuple_GET_SIZE(buffers) != 0);
    if (status == SOBJ_OK && write_buffers(&s, buffers) < 0)
        goto done;
    if (status == SOBJ_OK) {
        b = sobj_stream_blob(&s, SOBJ_BLOB_MESSAGE);
        status = b != NULL ? SOBJ_OK : SOBJ_NO_MEMORY;
    }
    if (status == SOBJ_OK)
        *cell = sobj_from_blob(b);
    else
        sobj_raise(state, status);
done:
    sobj_stream_fini(&s);
    return b != NULL ? 0 : -1;
}

int sobj__message_pickle(struct sobj_state *state, const char *name, PyObject *message,
                         sobj_cell *cell)
{
    PyObject *handles = PyList_New(0), *buffers = PyList_New(0), *data = NULL;
    int result = -1;

    if (handles != NULL && buffers != NULL) {
        data = dumps(state, message, handles, buffers);
        if (data == NULL)
            raise_unpicklable(state, name, message);
    }
    if (data != NULL) {
        /* Copies: whoever has got hold of persistent_id could still append. */
        Py_SETREF(handles, PyList_AsTuple(handles));
        Py_SETREF(buffers, PyList_AsTuple(buffers));
        if (handles != NULL && buffers != NULL)
            result = store_pickle(state, data, handles, buffers, cell);
        if (result < 0)
            raise_unpicklable(state, name,
                              message); /* a buffer that is not there any more */
    }
    Py_XDECREF(data);
    Py_XDECREF(buffers);
    Py_XDECREF(handles);
    return result;
}
