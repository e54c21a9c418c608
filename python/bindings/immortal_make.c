/* SPDX-License-Identifier: MIT */
/* immortal(): makes objects that every interpreter uses.
 *
 * Each is looked up by its content first: of equal type and content there is one in the
 * process. How the objects lie in memory: immortal_object.c; who knows them: the core,
 * sharedobj/immortal.h.
 *
 * Tuples are left alone. The compiler of CPython writes into a tuple that is a constant
 * (of an ast.Constant): an item that equals another constant of the unit is exchanged
 * for that, which is an object of one interpreter. All the others would find it, count
 * its references without a lock, and use it after that interpreter's end.
 */
#include "errors.h"
#include "immortal_object.h"

/* ---- making; all return the object, to which references are not counted */

static PyObject *raise_full(Py_ssize_t size)
{
    struct sobj_immortal_figures now;

    sobj_immortal_figures(&now);
    PyErr_Format(
        PyExc_MemoryError,
        "no room for an immortal object of %zd bytes: %lld of %lld are in use, "
        "for good; immortal_limit(n) sets the limit",
        size, (long long)now.bytes, (long long)now.limit);
    return NULL;
}

static PyObject *added(const struct sobj_immortal_key *key, PyObject *object,
                       struct sobj_immortal_room *room)
{
    Py_ssize_t size = (Py_ssize_t)room->size;
    struct sobj_immortal *m;

    switch (sobj_immortal_add(key, object, room, &m)) {
    case SOBJ_OK:
        return sobj_immortal_object(m);
    case SOBJ_FULL:
        return raise_full(size);
    default:
        return PyErr_NoMemory();
    }
}

/* An object of CPython's own. */
static PyObject *adopt(enum sobj_kind kind, PyObject *own)
{
    struct sobj_immortal_room none = {.memory = NULL};
    struct sobj_immortal_key key;
    sobj_cell immediate;

    /* What is in a cell's word needs no entry: it comes out as it is. */
    if (kind == SOBJ__INT || sobj__short_text(kind, own, &immediate))
        return own;
    if (sobj__immortal_key(kind, own, &key) < 0)
        return NULL;
    return added(&key, own, &none);
}

static PyObject *copy(enum sobj_kind kind, PyObject *v, struct sobj_immortal_key *key)
{
    struct sobj_immortal_room room;
    PyObject *utf8, *object = NULL;
    Py_ssize_t size = sobj__immortal_size(kind, v, &utf8);

    if (size < 0)
        return NULL;
    switch (sobj_immortal_room((size_t)size, &room)) {
    case SOBJ_OK:
        object = sobj__immortal_build(kind, v, utf8, room.memory, key);
        object = added(key, object, &room);
        break;
    case SOBJ_FULL:
        raise_full(size);
        break;
    default:
        PyErr_NoMemory();
        break;
    }
    Py_XDECREF(utf8);
    return object;
}

/* `v` is of an exact type that can be immortal. */
static PyObject *make(enum sobj_kind kind, PyObject *v)
{
    struct sobj_immortal_key key;
    PyObject *own;

    if (sobj__immortal_key(kind, v, &key) < 0)
        return NULL;
    struct sobj_immortal *m = sobj_immortal_find(&key);
    if (m != NULL)
        return sobj_immortal_object(m);
    switch (sobj__immortal_canonical(kind, v, &own)) {
    case 0:
        return copy(kind, v, &key);
    case 1:
        return adopt(kind, own);
    default:
        return NULL;
    }
}

/* ---- what can be made */

/* For what is no leaf. Returns: 0 for a tuple of leaves; -1 with NotShareableError (path
 * and remedy) or MemoryError. */
static int check_flat(struct sobj_state *state, PyObject *obj)
{
    struct sobj_stream s;
    struct sobj_encoder e;

    sobj_stream_init(&s);
    sobj__encoder_init(&e, state, &s, SOBJ__MODE_FLAT, "obj");
    int result = sobj__encoder_run(&e, obj) == SOBJ__DONE ? 0 : -1;
    sobj__encoder_fini(&e);
    sobj_stream_fini(&s);
    return result;
}

PyDoc_STRVAR(
    immortal_doc,
    "immortal($module, obj, /)\n--\n\n"
    "Return an equal object that every interpreter uses as it is, for ever.\n\n"
    "For str, bytes, int, float and complex; exact types only. Of equal type and\n"
    "content there is one in the whole process: immortal(x) is immortal(x), in\n"
    "whatever interpreter. (1, 1.0 and True are three, so are 0.0 and -0.0.) It is\n"
    "an ordinary str or int in all it does; but sys.intern() of such a str returns\n"
    "it as it is, so two interned strings that are equal may be two objects.\n\n"
    "A value of a SharedDict or a message that is such an object comes out as that\n"
    "very object, without a copy; so do str, bytes and most numbers as keys when a\n"
    "dict is iterated over. Ints of 61 bits and most floats are stored by value, as\n"
    "always: that is as fast. Use it for what lives as long as the program and is\n"
    "read again and again: configuration, texts from about 1 KiB on. Reading such a\n"
    "value costs some nanoseconds, whatever its size.\n\n"
    "None, True, False, ... and tuples are returned as they are; an ordinary tuple\n"
    "stays one, since CPython's compiler may write into a tuple. What a tuple holds\n"
    "can be made immortal: tuple(map(immortal, t)).\n\n"
    "It is never freed: do not call it for what comes from outside without end.\n"
    "immortal_limit() says how many bytes all of them may take, what containers\n"
    "keep of them included; MemoryError when there is no room. stats() has the\n"
    "figures. The first call for a value costs about two copies, later ones a\n"
    "look-up. Where it is not known to be safe (free-threaded 3.14 and later,\n"
    "3.16, debug builds) obj itself is returned. What is neither of these types\n"
    "nor a tuple of them raises NotShareableError. Waits for nothing but the\n"
    "moment in which another thread enters a new one.");

static PyObject *immortal(PyObject *module, PyObject *obj)
{
    enum sobj_kind kind = sobj__kind_of(obj);

    if (sobj__immortal_of(obj) != NULL)
        return Py_NewRef(obj);
    switch (kind) {
    case SOBJ__STR:
    case SOBJ__BYTES:
    case SOBJ__INT:
    case SOBJ__FLOAT:
    case SOBJ__COMPLEX:
        return Py_XNewRef(sobj__immortals_supported() ? make(kind, obj) : obj);
    default:
        if (check_flat(sobj_state_of_module(module), obj) < 0)
            return NULL;
        return Py_NewRef(obj);
    }
}

PyDoc_STRVAR(
    immortal_limit_doc,
    "immortal_limit($module, nbytes=None, /)\n--\n\n"
    "Return how many bytes immortal objects may take; set it if given.\n\n"
    "The result is the limit before the call. It holds for the whole process,\n"
    "is 64 MiB at first, and counts the objects, what containers keep of them\n"
    "and what finds them. A limit below what is in use frees nothing: it only\n"
    "refuses new objects.");

static PyObject *immortal_limit(PyObject *module, PyObject *const *args,
                                Py_ssize_t count)
{
    struct sobj_immortal_figures figures;
    int overflow = 0;

    if (count > 1)
        return PyErr_Format(PyExc_TypeError,
                            "immortal_limit takes at most one argument (%zd given)",
                            count);
    if (count == 0 || args[0] == Py_None) {
        sobj_immortal_figures(&figures);
        return PyLong_FromLongLong(figures.limit);
    }
    if (!PyLong_Check(args[0]))
        return PyErr_Format(PyExc_TypeError,
                            "a limit is a number of bytes, an int, not %.200s",
                            Py_TYPE(args[0])->tp_name);
    long long limit = PyLong_AsLongLongAndOverflow(args[0], &overflow);
    if (limit == -1 && overflow == 0 && PyErr_Occurred())
        return NULL;
    if (overflow < 0 || (overflow == 0 && limit < 0)) {
        PyErr_SetString(PyExc_ValueError, "a limit is a number of bytes, 0 or more");
        return NULL;
    }
    return PyLong_FromLongLong(
        sobj_immortal_set_limit(overflow > 0 ? INT64_MAX : limit));
}

PyMethodDef sobj__immortal_methods[] = {
    {"immortal", immortal, METH_O, immortal_doc},
    {"immortal_limit", (PyCFunction)(void *)immortal_limit, METH_FASTCALL,
     immortal_limit_doc},
    {NULL},
};
