/* SPDX-License-Identifier: MIT */
/* Messages: any picklable object.
 *
 * A tree of built-in containers and shareable leaves is written by the walk (walk.c):
 * shared and cyclic references are kept, handles become counted edges of the blob. When
 * it meets anything else, the whole message is pickled, as one, so that what is shared
 * between the parts stays shared. Handles inside a pickle are persistent ids: indexes
 * into the edges. So a message owns the cores it names until it is received, with no
 * lease that could end before.
 *
 *     tree      stream as in value.h
 *     pickle    PICKLE item; aux 1: then a TUPLE of OBJECTs, what the ids stand for
 */
#include "errors.h"
#include "handle.h"
#include "shapes.h"

/* ---- in: the walk */

/* `*foreign`: what has to be pickled, a new reference, if PICKLE is returned. */
static enum sobj__step encode_tree(struct sobj_state *state, PyObject *message,
                                   sobj_cell *cell, PyObject **foreign)
{
    struct sobj_stream s;
    struct sobj_encoder e;
    enum sobj__step step;

    sobj_stream_init(&s);
    sobj__encoder_init(&e, state, &s, SOBJ__MODE_MESSAGE, "message");
    step = sobj__encoder_run(&e, message);
    if (step == SOBJ__DONE && sobj__needs_table(&e))
        step = sobj__write_table(&e);
    if (step == SOBJ__DONE && s.count == 1 && !sobj_is_pointer(s.words[0])) {
        *cell = s.words[0]; /* an empty tuple or frozenset */
    } else if (step == SOBJ__DONE) {
        struct sobj_blob *b = sobj_stream_blob(&s, SOBJ_BLOB_MESSAGE);
        if (b != NULL) {
            if (e.referred)
                b->info |= SOBJ__MESSAGE_REFERRED;
            if (sobj__needs_table(&e))
                b->info |= SOBJ__MESSAGE_TABLE;
            *cell = sobj_from_blob(b);
        } else {
            PyErr_NoMemory();
            step = SOBJ__ERROR;
        }
    }
    if (step == SOBJ__PICKLE)
        *foreign = Py_XNewRef(e.foreign);
    sobj__encoder_fini(&e);
    sobj_stream_fini(&s);
    return step;
}

/* ---- in: pickled */

/* Returns: a new reference to `module`.`name`, or with `derive` to a subclass of it,
 * whose instances take attributes; kept in `*field` of the state. NULL with an
 * exception. */
static PyObject *get(struct sobj_state *state, PyObject **field, const char *module,
                     const char *name, bool derive)
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

/* Returns: the pickle, bytes; the handles it names are appended to `handles`. */
static PyObject *dumps(struct sobj_state *state, PyObject *message, PyObject *handles)
{
    PyObject *pickler_type = get(state, &state->pickler, "pickle", "Pickler", true);
    PyObject *file_type = get(state, &state->bytes_io, "io", "BytesIO", false);
    PyObject *file = NULL, *pickler = NULL, *id = NULL, *done = NULL, *data = NULL;
    PyObject *self = PyTuple_Pack(2, state->module, handles);

    if (pickler_type == NULL || file_type == NULL || self == NULL)
        goto done;
    file = PyObject_CallNoArgs(file_type);
    if (file == NULL)
        goto done;
    pickler = PyObject_CallFunction(pickler_type, "Oi", file, 5);
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
static PyObject *next_suspect(struct sobj_state *state, PyObject *message,
                              PyObject *passed, PyObject *cause)
{
    PyObject *suspect = NULL;
    struct sobj_stream s;
    struct sobj_encoder e;

    sobj_stream_init(&s);
    sobj__encoder_init(&e, state, &s, SOBJ__MODE_MESSAGE, "message");
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
    PyObject *handles = PyList_New(0);
    PyObject *data = handles != NULL ? dumps(state, suspect, handles) : NULL;
    int result = data != NULL;

    Py_XDECREF(handles);
    Py_XDECREF(data);
    if (PyErr_Occurred() && !is_about_message())
        return -1;
    PyErr_Clear();
    return result;
}

/* What pickling raised becomes the cause of a NotShareableError that says where it is
 * that cannot be pickled. Errors that are not about the message stay. */
static void raise_unpicklable(struct sobj_state *state, PyObject *message)
{
    PyObject *cause, *raised, *passed, *suspect = NULL;
    int passes = 1;

    if (!is_about_message())
        return;
    cause = PyErr_GetRaisedException();
    passed = PyList_New(0);
    while (passed != NULL && passes > 0 && PyList_GET_SIZE(passed) < SUSPECTS_MAX) {
        Py_XSETREF(suspect, next_suspect(state, message, passed, NULL));
        if (suspect == NULL || (passes = can_be_pickled(state, suspect)) <= 0)
            break;
        passes = PyList_Append(passed, suspect) == 0 ? 1 : -1;
    }
    if (passed != NULL && passes >= 0 && !PyErr_Occurred())
        Py_XSETREF(suspect, next_suspect(state, message, passed, cause));
    Py_XDECREF(suspect);
    Py_XDECREF(passed);

    raised = PyErr_GetRaisedException();
    PyException_SetContext(raised, Py_NewRef(cause));
    PyException_SetCause(raised, cause);
    PyErr_SetRaisedException(raised);
}

static enum sobj_status write_pickle(struct sobj_stream *s, PyObject *data,
                                     PyObject *handles)
{
    size_t size = (size_t)PyBytes_GET_SIZE(data);
    Py_ssize_t n = PyList_GET_SIZE(handles);
    uint64_t header = sobj_stream_header(SOBJ_ST_PICKLE, n != 0, size);
    enum sobj_status status =
        sobj_stream_bytes(s, header, PyBytes_AS_STRING(data), size);

    if (n != 0 && status == SOBJ_OK)
        status = sobj_stream_word(s, sobj_stream_header(SOBJ_ST_TUPLE, 0, (uint64_t)n));
    for (Py_ssize_t i = 0; i < n && status == SOBJ_OK; i++) {
        PyObject *handle = PyList_GET_ITEM(handles, i);
        /* Not so only if somebody has dug the list out of persistent_id. */
        status = sobj_handle_check(handle)
                     ? sobj_stream_object(s, sobj_handle_core(handle))
                     : SOBJ_BAD_OPERAND;
    }
    return status;
}

static int encode_pickle(struct sobj_state *state, PyObject *message, sobj_cell *cell)
{
    PyObject *found = PyList_New(0), *handles = NULL, *data = NULL;
    struct sobj_blob *b = NULL;
    enum sobj_status status;
    struct sobj_stream s;

    if (found == NULL)
        return -1;
    sobj_stream_init(&s);
    data = dumps(state, message, found);
    if (data == NULL) {
        raise_unpicklable(state, message);
        goto done;
    }
    /* A copy: whoever has got hold of persistent_id could still append. */
    handles = PyList_GetSlice(found, 0, PY_SSIZE_T_MAX);
    if (handles == NULL)
        goto done;
    status = write_pickle(&s, data, handles);
    if (status == SOBJ_OK) {
        b = sobj_stream_blob(&s, SOBJ_BLOB_MESSAGE);
        status = b != NULL ? SOBJ_OK : SOBJ_NO_MEMORY;
    }
    if (status == SOBJ_OK)
        *cell = sobj_from_blob(b);
    else
        sobj_raise(state, status);
done:
    Py_XDECREF(data);
    Py_XDECREF(handles);
    Py_DECREF(found);
    sobj_stream_fini(&s);
    return b != NULL ? 0 : -1;
}

/* A message of more new classes than this is pickled: each makes the walk begin anew. */
#define LEARNT_MAX 500

/* Learns the class of `foreign` for the next walk, which may look up nothing itself.
 * Returns: 1: it will know more; 0; -1 with an exception. */
static int learn(struct sobj_state *state, PyObject *foreign, int times)
{
    if (times > LEARNT_MAX)
        return 0;
    if (sobj__class_learn(state, Py_TYPE(foreign)))
        return 1;
    PyObject *owner;
    if (sobj__shape_known(state, Py_TYPE(foreign), &owner) == NULL)
        return PyErr_Occurred() ? -1 : sobj__shape_learn(state, Py_TYPE(foreign));
    Py_DECREF(owner);
    return 0; /* it is the instance that does not go by field */
}

int sobj_encode_message(struct sobj_state *state, PyObject *message, sobj_cell *cell)
{
    enum sobj_kind kind;
    int learnt = 0;

    if (sobj_encode_fast(message, cell))
        return 0;
    struct sobj_immortal *immortal = sobj__immortal_of(message);
    if (immortal != NULL)
        return sobj__encode_immortal(state, immortal, message, cell);
    kind = sobj__kind_of(message);
    int r = sobj__encode_leaf(kind, message, cell);
    if (r != 0)
        return r < 0 ? -1 : 0;
    for (;;) {
        PyObject *foreign;
        enum sobj__step step = encode_tree(state, message, cell, &foreign);
        if (step != SOBJ__PICKLE)
            return step == SOBJ__DONE ? 0 : -1;
        int known = foreign != NULL ? learn(state, foreign, ++learnt) : 0;
        Py_XDECREF(foreign);
        if (known < 0)
            return -1;
        if (known == 0)
            return encode_pickle(state, message, cell);
    }
}

/* ---- out */

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

/* Returns: the object; NULL with whatever the unpickling raised. */
static PyObject *loads(struct sobj_state *state, PyObject *data, PyObject *handles)
{
    PyObject *unpickler_type =
        get(state, &state->unpickler, "pickle", "Unpickler", true);
    PyObject *file_type = get(state, &state->bytes_io, "io", "BytesIO", false);
    PyObject *file = NULL, *unpickler = NULL, *object = NULL;
    PyObject *self = PyTuple_Pack(2, state->module, handles);
    PyObject *load = self != NULL ? PyCFunction_New(&loading_methods[0], self) : NULL;

    Py_XDECREF(self);
    if (unpickler_type == NULL || file_type == NULL || load == NULL)
        goto done;
    file = PyObject_CallOneArg(file_type, data);
    if (file == NULL)
        goto done;
    unpickler = PyObject_CallOneArg(unpickler_type, file);
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

static PyObject *decode_pickle(struct sobj_state *state, struct sobj_blob *b)
{
    const uint64_t *words = (const uint64_t *)(const void *)b->data;
    PyObject *handles, *data, *object = NULL;

    handles = sobj_stream_aux(words[0]) != 0
                  ? sobj__decode_stream(state, words + sobj__item_words(words[0]),
                                        sobj_blob_edges(b), false, NULL)
                  : PyTuple_New(0);
    data = PyBytes_FromStringAndSize((const char *)(words + 1),
                                     (Py_ssize_t)sobj_stream_count(words[0]));
    if (handles != NULL && data != NULL)
        object = loads(state, data, handles);
    Py_XDECREF(data);
    Py_XDECREF(handles);
    return object;
}

static PyObject *decode_blob(struct sobj_state *state, struct sobj_blob *b)
{
    const uint64_t *words = (const uint64_t *)(const void *)b->data;
    bool referred = (b->info & SOBJ__MESSAGE_REFERRED) != 0;
    struct sobj__table table;
    PyObject *object;

    if (sobj_is_pointer(words[0]) && sobj_stream_kind(words[0]) == SOBJ_ST_PICKLE)
        return decode_pickle(state, b);
    if (!(b->info & SOBJ__MESSAGE_TABLE))
        return sobj__decode_stream(state, words, sobj_blob_edges(b), referred, NULL);
    if (sobj__table_open(&table, state, words, sobj_blob_size(b) / sizeof *words) < 0)
        return NULL;
    object = sobj__decode_stream(state, words, sobj_blob_edges(b), referred, &table);
    sobj__table_close(&table);
    return object;
}

PyObject *sobj_decode_message(struct sobj_state *state, sobj_cell cell)
{
    PyObject *object;

    if (sobj_is_int(cell))
        return sobj_decode_int(state, cell);
    if (sobj_is_object(cell))
        return sobj_handle_for(state, sobj_to_object(cell));
    if (sobj_is_blob(cell) && sobj_blob_kind(sobj_to_blob(cell)) == SOBJ_BLOB_MESSAGE)
        object = decode_blob(state, sobj_to_blob(cell));
    else
        object = sobj_decode(state, cell);
    sobj_cell_unref(cell);
    return object;
}
