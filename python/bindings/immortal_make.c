/* SPDX-License-Identifier: MIT */
/* immortal(): makes objects that every interpreter uses, from the leaves up.
 *
 * Each leaf, and each tuple of such, is looked up by its content first: of equal type
 * and content there is one in the process. So a tuple is known by the addresses of its
 * items. How the objects lie in memory: immortal_object.c; who knows them: the core,
 * sharedobj/immortal.h.
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
    struct sobj__original original = {.kind = kind, .leaf = own};
    struct sobj_immortal_room none = {.memory = NULL};
    struct sobj_immortal_key key;
    sobj_cell immediate;

    /* What is in a cell's word needs no entry: it comes out as it is. */
    if (kind == SOBJ__INT || sobj__short_text(kind, own, &immediate))
        return own;
    if (sobj__immortal_key(&original, &key) < 0)
        return NULL;
    return added(&key, own, &none);
}

static PyObject *copy(const struct sobj__original *original,
                      struct sobj_immortal_key *key)
{
    struct sobj_immortal_room room;
    PyObject *utf8, *object = NULL;
    Py_ssize_t size = sobj__immortal_size(original, &utf8);

    if (size < 0)
        return NULL;
    switch (sobj_immortal_room((size_t)size, &room)) {
    case SOBJ_OK:
        object = sobj__immortal_build(original, utf8, room.memory, key);
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

static PyObject *make_one(const struct sobj__original *original)
{
    struct sobj_immortal_key key;
    PyObject *own;

    if (sobj__immortal_key(original, &key) < 0)
        return NULL;
    struct sobj_immortal *m = sobj_immortal_find(&key);
    if (m != NULL)
        return sobj_immortal_object(m);
    switch (sobj__immortal_canonical(original, &own)) {
    case 0:
        return copy(original, &key);
    case 1:
        return adopt(original->kind, own);
    default:
        return NULL;
    }
}

static PyObject *make(PyObject *v);

static PyObject *make_tuple(PyObject *v)
{
    Py_ssize_t n = PyTuple_GET_SIZE(v);
    PyObject **items, *object = NULL;

    if (n == 0) /* there is one */
        return v;
    items = PyMem_New(PyObject *, n);
    if (items == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++) {
        items[i] = make(PyTuple_GET_ITEM(v, i));
        if (items[i] == NULL)
            goto done;
    }
    struct sobj__original original = {.kind = SOBJ__TUPLE, .items = items, .count = n};
    object = make_one(&original);
done:
    PyMem_Free(items);
    return object;
}

/* Recurses, by as many levels as check_flat allows. */
static PyObject *make(PyObject *v)
{
    enum sobj_kind kind = sobj__kind_of(v);
    struct sobj__original original = {.kind = kind, .leaf = v};

    switch (kind) {
    case SOBJ__TUPLE:
        return make_tuple(v);
    case SOBJ__STR:
    case SOBJ__BYTES:
    case SOBJ__INT:
    case SOBJ__FLOAT:
    case SOBJ__COMPLEX:
        return make_one(&original);
    default: /* None and the like */
        return v;
    }
}

/* ---- what can be made */

/* Returns: 0; -1 with NotShareableError (path and remedy) or MemoryError. */
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
    "For str, bytes, int, float, complex, and tuples of these, of None, bool and\n"
    "of such tuples; exact types only. Of equal type and content there is one in\n"
    "the whole process: immortal(x) is immortal(x), in whatever interpreter. (1,\n"
    "1.0 and True are three, so are 0.0 and -0.0.) It is an ordinary str, int or\n"
    "tuple in all it does.\n\n"
    "A value of a SharedDict or a message that is such an object comes out as that\n"
    "very object, without a copy; so do str, bytes, tuples and most numbers as keys\n"
    "when a dict is iterated over. Ints of 61 bits and most floats are stored by\n"
    "value, as always: that is as fast. Use it for what lives as long as the\n"
    "program and is read again and again: configuration, texts from about 1 KiB\n"
    "on, large tuples. Reading such a value costs some nanoseconds, whatever its\n"
    "size.\n\n"
    "It is never freed: do not call it for what comes from outside without end.\n"
    "immortal_limit() says how many bytes all of them may take, what containers\n"
    "keep of them included; MemoryError when there is no room. stats() has the\n"
    "figures. The first call for a value costs about two copies, later ones a\n"
    "look-up. Where it is not known to be safe (free-threaded 3.14 and later,\n"
    "3.16, debug builds) obj itself is returned. Anything else raises\n"
    "NotShareableError. Waits for nothing but the moment in which another thread\n"
    "enters a new one.\n\n"
    "What is different: sys.intern() of such a str returns it as it is, so two\n"
    "interned strings that are equal may be two objects. And do not make such a\n"
    "tuple part of a code object (ast.Constant, code.replace): CPython exchanges\n"
    "the items of those for equal ones of its own, in place.");

static PyObject *immortal(PyObject *module, PyObject *obj)
{
    enum sobj_kind kind = sobj__kind_of(obj);
    bool flat = kind != SOBJ__FOREIGN && kind < SOBJ__HANDLE && kind != SOBJ__RANGE;

    if (sobj__immortal_of(obj) != NULL)
        return Py_NewRef(obj);
    if (!flat && check_flat(sobj_state_of_module(module), obj) < 0)
        return NULL;
    if (!sobj__immortals_supported())
        return Py_NewRef(obj);
    return Py_XNewRef(make(obj));
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
