/* SPDX-License-Identifier: MIT */
/* Numbers, paths, addresses and zones of the standard library; see kinds.h.
 *
 * They go in as what pickle takes of them and come out through their constructors, which
 * are exact: Decimal("...") rounds nothing, whatever the context is. */
#include "kinds.h"

#include "state.h"

/* ---- as text */

/* Decimal: its str is exact; but the context may want a small "e". Consumes: `text`. */
static PyObject *canonical_decimal(PyObject *text)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(text);
    Py_ssize_t at = PyUnicode_FindChar(text, 'e', 0, n, 1);
    PyObject *head, *tail, *joined = NULL;

    if (at < 0)
        return text;
    head = PyUnicode_Substring(text, 0, at);
    tail = PyUnicode_Substring(text, at + 1, n);
    if (head != NULL && tail != NULL)
        joined = PyUnicode_FromFormat("%UE%U", head, tail);
    Py_XDECREF(head);
    Py_XDECREF(tail);
    Py_DECREF(text);
    return joined;
}

/* Returns: the key if ZoneInfo(key) gives this very object; NULL without an exception if
 * it came from a file or by no_cache(). */
static PyObject *zone_key(struct sobj_state *state, PyObject *v)
{
    PyObject *const *texts = state->host.texts;
    PyObject *key = PyObject_GetAttr(v, texts[SOBJ_TEXT_KEY]), *reduced, *args;
    bool cached = false;

    if (key == NULL || !PyUnicode_CheckExact(key)) {
        Py_CLEAR(key);
        return NULL;
    }
    /* (unpickle, (key, whether it is from the cache)); raises if it is from a file. */
    reduced = PyObject_CallMethodNoArgs(v, texts[SOBJ_TEXT_DUNDER_REDUCE]);
    if (reduced != NULL && PyTuple_Check(reduced) && PyTuple_GET_SIZE(reduced) == 2) {
        args = PyTuple_GET_ITEM(reduced, 1);
        if (PyTuple_Check(args) && PyTuple_GET_SIZE(args) == 2)
            cached = PyObject_IsTrue(PyTuple_GET_ITEM(args, 1)) == 1;
    }
    Py_XDECREF(reduced);
    if (!cached)
        Py_CLEAR(key);
    return key;
}

/* Returns: the text that makes `v`; NULL with an exception, or without one if there is
 * none. */
static PyObject *text_of(struct sobj_state *state, enum sobj__class class, PyObject *v)
{
    PyObject *text;

    if (class == SOBJ__ZONEINFO)
        return zone_key(state, v);
    text = PyObject_Str(v);
    if (text != NULL && !PyUnicode_CheckExact(text))
        Py_CLEAR(text);
    if (text != NULL && class == SOBJ__DECIMAL)
        text = canonical_decimal(text);
    return text;
}

static enum sobj__step write_as_text(struct sobj_encoder *e, enum sobj__class class,
                                     PyObject *v)
{
    PyObject *text = text_of(e->state, class, v);
    enum sobj__step step;

    if (text == NULL) {
        if (PyErr_Occurred() &&
            (class != SOBJ__ZONEINFO || PyErr_ExceptionMatches(PyExc_MemoryError) ||
             !PyErr_ExceptionMatches(PyExc_Exception)))
            return SOBJ__ERROR;
        PyErr_Clear();
        sobj__raise_at(e,
                       "is a ZoneInfo that ZoneInfo(key) does not give: only zones by "
                       "their key can be shared");
        return SOBJ__ERROR;
    }
    step = sobj__write_group(e, class, 1);
    if (step == SOBJ__DONE)
        step = sobj__write_text(e, text);
    Py_DECREF(text);
    return step;
}

/* ---- Fraction */

static enum sobj__step write_int_of(struct sobj_encoder *e, PyObject *v,
                                    enum sobj_text name)
{
    PyObject *part = PyObject_GetAttr(v, e->state->host.texts[name]);
    enum sobj__step step = SOBJ__ERROR;

    if (part != NULL && PyLong_CheckExact(part))
        step = sobj__write_leaf(e, SOBJ__INT, part);
    else if (part != NULL)
        sobj__raise_at(e, "is a Fraction whose parts are no plain ints");
    Py_XDECREF(part);
    return step;
}

static enum sobj__step write_fraction(struct sobj_encoder *e, PyObject *v)
{
    enum sobj__step step = sobj__write_group(e, SOBJ__FRACTION, 2);

    if (step == SOBJ__DONE)
        step = write_int_of(e, v, SOBJ_TEXT_NUMERATOR);
    if (step == SOBJ__DONE)
        step = write_int_of(e, v, SOBJ_TEXT_DENOMINATOR);
    return step;
}

/* ---- UUID */

#define UUID_SIZE 16
/* is_safe, the byte after it; without one it is unknown. */
enum { UUID_SAFE = 1, UUID_UNSAFE = 2 };

/* Returns: 0, or one of the above; -1 with or without an exception. */
static int safety_of(struct sobj_state *state, PyObject *v)
{
    PyObject *const *texts = state->host.texts;
    PyObject *member = PyObject_GetAttr(v, texts[SOBJ_TEXT_IS_SAFE]), *value = NULL;
    int result = -1;

    if (member != NULL)
        value = PyObject_GetAttr(member, texts[SOBJ_TEXT_MEMBER_VALUE]);
    if (value == Py_None)
        result = 0;
    else if (value != NULL && PyLong_CheckExact(value))
        result = PyObject_IsTrue(value) ? UUID_UNSAFE : UUID_SAFE;
    Py_XDECREF(value);
    Py_XDECREF(member);
    return result;
}

/* Returns: 0 and the int as 16 bytes; -1 with or without an exception. */
static int uuid_bytes(struct sobj_state *state, PyObject *v, unsigned char *data)
{
    PyObject *number = PyObject_GetAttr(v, state->host.texts[SOBJ_TEXT_INT]);
    struct sobj__int_bytes b = {.owner = NULL};
    int result = -1;

    if (number != NULL && PyLong_CheckExact(number) &&
        sobj__int_to_bytes(number, &b) == 0) {
        bool negative = b.data[b.size - 1] & 0x80;
        if (!negative && (b.size <= UUID_SIZE ||
                          (b.size == UUID_SIZE + 1 && b.data[UUID_SIZE] == 0))) {
            memset(data, 0, UUID_SIZE);
            memcpy(data, b.data, b.size < UUID_SIZE ? b.size : UUID_SIZE);
            result = 0;
        }
    }
    Py_XDECREF(b.owner);
    Py_XDECREF(number);
    return result;
}

static enum sobj__step write_uuid(struct sobj_encoder *e, PyObject *v)
{
    unsigned char data[UUID_SIZE + 1];
    int safety = safety_of(e->state, v);

    if (safety < 0 || uuid_bytes(e->state, v, data) < 0) {
        if (!PyErr_Occurred())
            sobj__raise_at(e, "is a UUID with other things in it than a UUID has");
        return SOBJ__ERROR;
    }
    if (safety != 0 && e->mode == SOBJ__MODE_KEY)
        e->changed = true; /* equality does not ask for it */
    data[UUID_SIZE] = (unsigned char)safety;
    return sobj__write_atom(e, SOBJ__UUID, data,
                            UUID_SIZE + (safety != 0 && e->mode != SOBJ__MODE_KEY));
}

/* Returns: the member of SafeUUID. */
static PyObject *make_safety(struct sobj_state *state, int safety)
{
    PyObject *const *texts = state->host.texts;
    PyObject *module = sobj__imported(state, texts[SOBJ_TEXT_UUID_MODULE]);
    PyObject *class = NULL, *member = NULL;

    if (module != NULL)
        class = sobj__attribute(module, texts[SOBJ_TEXT_SAFE_UUID]);
    if (class != NULL)
        member = PyObject_GetAttrString(class, safety == UUID_SAFE     ? "safe"
                                               : safety == UUID_UNSAFE ? "unsafe"
                                                                       : "unknown");
    else if (!PyErr_Occurred())
        PyErr_SetString(PyExc_LookupError, "uuid.SafeUUID is missing");
    Py_XDECREF(class);
    Py_XDECREF(module);
    return member;
}

/* As UUID.__setstate__ does, without the checks of the constructor. */
PyObject *sobj__make_uuid(struct sobj_state *state, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    unsigned char positive[UUID_SIZE + 1] = {0};
    PyObject *class = sobj__standard_class(state, SOBJ__UUID), *made = NULL;
    PyObject *number = NULL, *safety = NULL, *args = NULL;
    PyTypeObject *type = (PyTypeObject *)class;

    if (class == NULL)
        return NULL;
    if (!PyType_Check(class) ||
        !sobj__bare_instance_is_safe(state, type, &PyBaseObject_Type)) {
        PyErr_SetString(PyExc_TypeError, "uuid.UUID is not what it should be");
        goto done;
    }
    memcpy(positive, bytes, UUID_SIZE);
    number = sobj__int_from_bytes(positive, sizeof positive);
    if (number != NULL) /* runs Python code: not while an exception is set */
        safety = make_safety(state, size > UUID_SIZE ? bytes[UUID_SIZE] : 0);
    if (safety != NULL)
        args = PyTuple_New(0);
    if (args != NULL)
        made = PyBaseObject_Type.tp_new(type, args, NULL);
    if (made != NULL &&
        (PyObject_GenericSetAttr(made, state->host.texts[SOBJ_TEXT_INT], number) < 0 ||
         PyObject_GenericSetAttr(made, state->host.texts[SOBJ_TEXT_IS_SAFE], safety) <
             0))
        Py_CLEAR(made);
done:
    Py_XDECREF(args);
    Py_XDECREF(safety);
    Py_XDECREF(number);
    Py_DECREF(class);
    return made;
}

/* ---- all of them */

enum sobj__step sobj__write_standard(struct sobj_encoder *e, enum sobj__class class,
                                     PyObject *v)
{
    if (class == SOBJ__FRACTION)
        return write_fraction(e, v);
    if (class == SOBJ__UUID)
        return write_uuid(e, v);
    return write_as_text(e, class, v);
}

PyObject *sobj__make_standard(struct sobj_state *state, enum sobj__class class,
                              PyObject *parts)
{
    PyObject *type = sobj__standard_class(state, class), *made;

    if (type == NULL)
        return NULL;
    made = PyObject_Call(type, parts, NULL);
    Py_DECREF(type);
    return made;
}
