/* SPDX-License-Identifier: MIT */
/* Why something cannot be shared: where it is, what it is, and what to do about it. And
 * the module functions is_shareable and explain, which ask without storing. */
#include "errors.h"
#include "handle.h"
#include "kinds.h"

#include <stdarg.h>

/* ---- where: value[3]['hosts'] */

#define PATH_HEAD 8 /* of a deep path the outermost parts are shown */
#define PATH_TAIL 4 /* and the innermost ones */
#define KEY_SHOWN 60

/* Appends to `*path`, which becomes NULL on failure. */
static void append(PyObject **path, PyObject *part)
{
    PyObject *joined = NULL;

    if (*path != NULL && part != NULL)
        joined = PyUnicode_Concat(*path, part);
    Py_XDECREF(part);
    Py_XSETREF(*path, joined);
}

static PyObject *key_text(PyObject *key)
{
    PyObject *text, *shown;

    if (!PyUnicode_CheckExact(key) && !PyLong_CheckExact(key))
        return PyUnicode_FromString("[...]");
    if (PyLong_CheckExact(key) && !PyUnstable_Long_IsCompact((PyLongObject *)key))
        return PyUnicode_FromString("[...]"); /* may be too long to print */
    text = PyObject_Repr(key);
    if (text == NULL)
        return NULL;
    if (PyUnicode_GET_LENGTH(text) > KEY_SHOWN) {
        PyObject *head = PyUnicode_Substring(text, 0, KEY_SHOWN);
        shown = head != NULL ? PyUnicode_FromFormat("[%U...]", head) : NULL;
        Py_XDECREF(head);
    } else {
        shown = PyUnicode_FromFormat("[%U]", text);
    }
    Py_DECREF(text);
    return shown;
}

static PyObject *part_of(const struct sobj__frame *f)
{
    switch (f->kind) {
    case SOBJ__TUPLE:
    case SOBJ__LIST:
        return PyUnicode_FromFormat("[%zd]", f->index - 1);
    case SOBJ__RECORD:
        return PyUnicode_FromFormat(".%U", PyTuple_GET_ITEM(f->iter, f->index - 1));
    case SOBJ__DICT:
    case SOBJ__FROZENDICT:
        if (f->value == NULL) /* taken: we are in the value */
            return key_text(f->key);
        return PyUnicode_FromString("{key}");
    default:
        return PyUnicode_FromString("{...}");
    }
}

/* Returns: a new str, or NULL with an exception. */
static PyObject *path_of(struct sobj_encoder *e)
{
    PyObject *path = PyUnicode_FromString(e->name);

    for (size_t i = 0; i < e->depth && path != NULL; i++) {
        if (i == PATH_HEAD && e->depth > PATH_HEAD + PATH_TAIL) {
            append(&path, PyUnicode_FromString("..."));
            i = e->depth - PATH_TAIL;
        }
        append(&path, part_of(&e->frames[i]));
    }
    return path;
}

/* Raises NotShareableError: "<path> <text>". Consumes both; NULL: an exception is set. */
static void raise_text(struct sobj_encoder *e, PyObject *path, PyObject *text)
{
    if (path != NULL && text != NULL)
        sobj_raise_error(e->state, SOBJ_ERR_NOT_SHAREABLE, "%U %U", path, text);
    Py_XDECREF(text);
    Py_XDECREF(path);
}

void sobj__raise_at(struct sobj_encoder *e, const char *format, ...)
{
    PyObject *path = path_of(e), *text = NULL;
    va_list args;

    va_start(args, format);
    if (path != NULL)
        text = PyUnicode_FromFormatV(format, args);
    va_end(args);
    raise_text(e, path, text);
}

/* ---- what: "a numpy.float64" */

PyObject *sobj__type_name(PyTypeObject *type)
{
    PyObject *module, *name, *full = NULL;

    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE))
        return PyUnicode_FromString(type->tp_name);
    name = PyType_GetQualName(type);
    if (name == NULL)
        return NULL;
    module = PyObject_GetAttrString((PyObject *)type, "__module__");
    if (module == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            Py_DECREF(name);
            return NULL;
        }
        PyErr_Clear();
    }
    if (module != NULL && PyUnicode_Check(module) &&
        PyUnicode_CompareWithASCIIString(module, "builtins") != 0)
        full = PyUnicode_FromFormat("%U.%U", module, name);
    else
        full = Py_NewRef(name);
    Py_XDECREF(module);
    Py_DECREF(name);
    return full;
}

/* Returns: what makes the article before `name` from an "a". */
static const char *an(PyObject *name)
{
    Py_UCS4 c = PyUnicode_GET_LENGTH(name) != 0 ? PyUnicode_READ_CHAR(name, 0) : 0;

    return c < 128 && c != 0 && strchr("aeioAEIO", (int)c) != NULL ? "n" : "";
}

/* ---- what to do about it */

struct advice {
    PyTypeObject *type;
    const char *text;
};

/* For these and their subclasses. */
static const struct advice mutables[] = {
    {&PyList_Type, "use tuple(x) or a SharedList"},
    {&PyDict_Type, "use a SharedDict"},
    {&PySet_Type, "use frozenset(x) or a SharedSet"},
    {&PyByteArray_Type, "use bytes(x)"},
};

/* For instances of subclasses. */
static const struct advice exact_types[] = {
    {&PyLong_Type, "int"},
    {&PyFloat_Type, "float"},
    {&PyComplex_Type, "complex"},
    {&PyUnicode_Type, "str"},
    {&PyBytes_Type, "bytes"},
    {&PyTuple_Type, "tuple"},
    {&PyFrozenSet_Type, "frozenset"},
};

#define ADVICE_FOR(table, type) find_advice(table, sizeof table / sizeof *table, type)

static const char *find_advice(const struct advice *table, size_t n, PyTypeObject *type)
{
    for (size_t i = 0; i < n; i++) {
        if (PyType_IsSubtype(type, table[i].type))
            return table[i].text;
    }
    return NULL;
}

/* For instances of subclasses of the standard library's. Returns: whether it has raised. */
static bool raise_for_subclass(struct sobj_encoder *e, PyTypeObject *type,
                               PyObject *name)
{
    PyTypeObject *base = sobj__standard_base(e->state, type);
    PyObject *base_name = base != NULL ? sobj__type_name(base) : NULL;

    if (base_name != NULL)
        sobj__raise_at(
            e,
            "is a%s %U, a subclass of %U; only instances of the class itself "
            "can be shared: make one of it",
            an(name), name, base_name);
    Py_XDECREF(base_name);
    Py_XDECREF(base);
    return PyErr_Occurred() != NULL;
}

/* Raises for what cannot be a value. */
static void raise_for_value(struct sobj_encoder *e, PyTypeObject *type, PyObject *name)
{
    const char *text = ADVICE_FOR(mutables, type);
    const char *base = ADVICE_FOR(exact_types, type);
    const char *full = PyUnicode_AsUTF8(name);
    if (full == NULL) { /* lone surrogates: no name of a known module */
        PyErr_Clear();
        full = "";
    }
    bool array = strcmp(full, "array.array") == 0 || strcmp(full, "numpy.ndarray") == 0;
    bool numpy = strncmp(full, "numpy.", 6) == 0;

    if (text != NULL)
        sobj__raise_at(
            e, "is a%s %U; %s, or send it through a Channel, which makes a copy",
            an(name), name, text);
    else if (array)
        sobj__raise_at(e,
                       "is a%s %U; use a SharedArray, or send it through a Channel, "
                       "which makes a copy",
                       an(name), name);
    else if (base != NULL && numpy)
        sobj__raise_at(e, "is a%s %U, which is not %s: use x.item()", an(name), name,
                       base);
    else if (base != NULL)
        sobj__raise_at(e, "is a%s %U, which is not %s: use %s(x)", an(name), name, base,
                       base);
    else if (numpy)
        sobj__raise_at(e, "is a%s %U: use x.item()", an(name), name);
    else if (!raise_for_subclass(e, type, name))
        sobj__raise_at(
            e,
            "is a%s %U; values are None, bool, int, float, complex, str, bytes, "
            "range, tuple, frozenset, dates and times, Decimal, Fraction, UUID, paths, "
            "IP addresses, enum members, frozen dataclasses, named tuples, functions "
            "and classes by name, and shared objects; a Channel takes anything that "
            "can be pickled",
            an(name), name);
}

/* ---- by name */

static const char *const faults[] = {
    [SOBJ__FAULT_LOCAL] = "is defined inside a function: move it to the top level of a "
                          "module",
    [SOBJ__FAULT_LAMBDA] =
        "has no name: write it with def at the top level of a module",
    [SOBJ__FAULT_MAIN] = "is in __main__, which no other interpreter can import: move "
                         "it into a module, or start the program with python -m",
    [SOBJ__FAULT_MAIN_COPY] = "is in the copy of __main__ that was made here for a "
                              "call, which no other interpreter can import: move it "
                              "into a module",
    [SOBJ__FAULT_LOST] = "is not what its name leads to: only what an imported module "
                         "holds under that name can be found again",
    [SOBJ__FAULT_UNNAMED] = "has no __module__ and __qualname__ by which it can be "
                            "found again",
    [SOBJ__FAULT_MUTABLE] = "is a dataclass that can change: declare it with "
                            "frozen=True, or send it through a Channel, which makes a "
                            "copy",
    [SOBJ__FAULT_INHERITED] = "is no dataclass but inherits from one: decorate it too",
    [SOBJ__FAULT_LAYOUT] = "inherits from a built-in type that holds something beside "
                           "the fields",
    [SOBJ__FAULT_DESCRIPTOR] = "has a property or another descriptor in the place of a "
                               "field",
    [SOBJ__FAULT_FIELDS] =
        "has fewer or more fields here than this instance has items, "
        "or the instance has attributes beside them",
};

/* Returns: "mod.name" of a function or class, a new str; NULL with an exception. */
static PyObject *own_name(PyObject *v)
{
    PyObject *module, *name, *full;

    if (PyType_Check(v))
        return sobj__type_name((PyTypeObject *)v);
    module = PyObject_GetAttrString(v, "__module__");
    name = module != NULL ? PyObject_GetAttrString(v, "__qualname__") : NULL;
    full = name != NULL ? PyUnicode_FromFormat("%S.%S", module, name) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(name);
    return full;
}

enum sobj__step sobj__refuse_fault(struct sobj_encoder *e, PyObject *v,
                                   enum sobj__fault fault)
{
    bool itself = PyType_Check(v) || PyFunction_Check(v) || PyCFunction_Check(v);
    PyTypeObject *type = Py_TYPE(v);
    PyObject *name;

    Py_INCREF(type);
    name = itself ? own_name(v) : sobj__type_name(type);
    if (name != NULL && itself)
        sobj__raise_at(e, "is the %s %U, which %s",
                       PyType_Check(v) ? "class" : "function", name, faults[fault]);
    else if (name != NULL)
        sobj__raise_at(e, "is a%s %U, whose class %s", an(name), name, faults[fault]);
    Py_XDECREF(name);
    Py_DECREF(type);
    return SOBJ__ERROR;
}

static void raise_for_key(struct sobj_encoder *e, PyTypeObject *type, PyObject *name)
{
    if (type->tp_hash == PyObject_HashNotImplemented)
        PyErr_Format(PyExc_TypeError, "unhashable type: '%U'", name);
    else if (ADVICE_FOR(exact_types, type) != NULL)
        raise_for_value(e, type, name);
    else
        sobj__raise_at(e, "is a%s %U and cannot %s; use str(x) or a tuple", an(name),
                       name, sobj__key_role(e));
}

/* For what would be immortal. */
static void raise_for_flat(struct sobj_encoder *e, PyTypeObject *type, PyObject *name)
{
    bool bytes = PyType_IsSubtype(type, &PyByteArray_Type);
    bool set = PyType_IsSubtype(type, &PyFrozenSet_Type);

    if (!set && ADVICE_FOR(exact_types, type) != NULL) {
        raise_for_value(e, type, name);
        return;
    }
    sobj__raise_at(e,
                   "is a%s %U and cannot be immortal; str, bytes, int, float and "
                   "complex can: %s",
                   an(name), name,
                   bytes ? "use bytes(x)"
                         : "keep it in a SharedDict, which takes more kinds of "
                           "values");
}

/* Returns: whether it was one of the two, and the error is raised. */
static bool raise_for_sentinel(struct sobj_encoder *e, PyObject *offender)
{
    if (offender == e->state->missing)
        sobj__raise_at(e,
                       "is MISSING, which stands for an absent key and is no value; "
                       "to remove %s",
                       e->in_set ? "an item use discard"
                                 : "a key use del or compare_and_set");
    else if (offender == e->state->deletion)
        sobj__raise_at(e,
                       "is DELETE, which only a function given to compute() may "
                       "return; to remove %s",
                       e->in_set ? "an item use discard" : "a key use del or pop");
    else
        return false;
    return true;
}

void sobj__raise_offender(struct sobj_encoder *e, PyObject *offender)
{
    if (e->mode == SOBJ__MODE_KEY &&
        Py_TYPE(offender)->tp_hash == sobj_handle_refuse_hash) {
        sobj_handle_refuse_hash(offender);
        return;
    }
    if (raise_for_sentinel(e, offender))
        return;
    PyTypeObject *type = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(offender));
    PyObject *name = sobj__type_name(type);

    if (name != NULL && e->mode == SOBJ__MODE_KEY)
        raise_for_key(e, type, name);
    else if (name != NULL && e->mode == SOBJ__MODE_FLAT)
        raise_for_flat(e, type, name);
    else if (name != NULL)
        raise_for_value(e, type, name);
    Py_XDECREF(name);
    Py_DECREF(type);
}

void sobj__raise_unpicklable(struct sobj_encoder *e, PyObject *offender,
                             PyObject *cause)
{
    PyTypeObject *type = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(offender));
    /* First of all: what follows runs code that may change the message, and the frames
     * borrow from it. */
    PyObject *path = path_of(e), *text = NULL, *reason;
    PyObject *name = path != NULL ? sobj__type_name(type) : NULL;

    if (name != NULL) {
        reason = PyObject_Str(cause);
        if (reason == NULL) {
            PyErr_Clear();
            reason = PyUnicode_FromString("(its str() failed)");
        }
        if (reason != NULL)
            text = PyUnicode_FromFormat(
                "is a%s %U, and the message cannot be pickled: %s: %U; %sleave it out, "
                "or send what the receiver can make it from",
                an(name), name, Py_TYPE(cause)->tp_name, reason,
                PyErr_GivenExceptionMatches(cause, PyExc_TypeError)
                    ? ""
                    : "define its class or function at the top level of a module, ");
        Py_XDECREF(reason);
        Py_DECREF(name);
    }
    raise_text(e, path, text);
    Py_DECREF(type);
}

/* ---- module functions */

/* Returns: 1: shareable; 0: not, with NotShareableError set; -1: another exception. */
static int probe(PyObject *module, PyObject *obj)
{
    struct sobj_state *state = sobj_state_of_module(module);
    enum sobj_kind kind = sobj__kind_of(obj);
    struct sobj_encoder e;
    struct sobj_stream s;
    int result;

    if (kind != SOBJ__FOREIGN && kind < SOBJ__TUPLE)
        return 1;
    sobj_stream_init(&s);
    sobj__encoder_init(&e, state, &s, SOBJ__MODE_VALUE, "value");
    result = sobj__encoder_run(&e, obj) == SOBJ__DONE;
    sobj__encoder_fini(&e);
    sobj_stream_fini(&s);
    if (result == 0) {
        PyObject *error = PyErr_GetRaisedException();
        PyObject *class = sobj_error_class(state, SOBJ_ERR_NOT_SHAREABLE);
        if (class == NULL || !PyErr_GivenExceptionMatches(error, class))
            result = -1;
        if (class != NULL)
            PyErr_SetRaisedException(error);
        else
            Py_DECREF(error);
    }
    return result;
}

PyDoc_STRVAR(is_shareable_doc,
             "is_shareable($module, obj, /)\n--\n\n"
             "Return whether obj can be stored as a value in a shared container.\n\n"
             "Costs about as much as storing it. explain(obj) says why not.");

static PyObject *is_shareable(PyObject *module, PyObject *obj)
{
    int r = probe(module, obj);

    if (r < 0)
        return NULL;
    PyErr_Clear();
    return PyBool_FromLong(r);
}

PyDoc_STRVAR(explain_doc,
             "explain($module, obj, /)\n--\n\n"
             "Return why obj cannot be stored as a value, or None if it can.\n\n"
             "The text is that of NotShareableError: the path to the first offender, "
             "what it\nis, and a remedy.");

static PyObject *explain(PyObject *module, PyObject *obj)
{
    PyObject *error, *text;
    int r = probe(module, obj);

    if (r < 0)
        return NULL;
    if (r > 0)
        Py_RETURN_NONE;
    error = PyErr_GetRaisedException();
    text = PyObject_Str(error);
    Py_DECREF(error);
    return text;
}

static PyMethodDef module_methods[] = {
    {"is_shareable", is_shareable, METH_O, is_shareable_doc},
    {"explain", explain, METH_O, explain_doc},
    {"set_importable", sobj__set_importable, METH_O, sobj__set_importable_doc},
    {NULL},
};

int sobj_convert_exec(PyObject *module, struct sobj_state *state)
{
    if (PyModule_AddFunctions(module, module_methods) < 0)
        return -1;
    if (PyModule_AddFunctions(module, sobj__immortal_methods) < 0)
        return -1;
    return PyModule_AddFunctions(module, sobj__testing_methods);
}
