/* SPDX-License-Identifier: MIT */
/* Which classes travel by field in messages, and writing their instances; see shapes.h.
 *
 * What has been found out about a class is kept in the dict `shapes`, as plans are
 * (kinds.c): under the class's address, with a weak reference that tells whether the
 * address has been used again. */
#include "shapes.h"

#include "errors.h"
#include "state.h"

#define SHAPES_MAX 1024
#define FIELDS_MAX 0xffff

/* ---- what is kept */

static const char capsule_name[] = "sharedobj.shape";

static void shape_free(struct sobj__shape *shape)
{
    Py_XDECREF(shape->of);
    sobj__name_fini(&shape->name);
    Py_XDECREF(shape->names);
    PyMem_Free(shape);
}

static void capsule_free(PyObject *capsule)
{
    shape_free(PyCapsule_GetPointer(capsule, capsule_name));
}

static unsigned version_of(PyTypeObject *type)
{
    /* Relaxed: whoever changes a class while it is being read may come before or after. */
    return __atomic_load_n(&type->tp_version_tag, __ATOMIC_RELAXED);
}

/* Whether the shape is that of `type` as it is now. */
static bool is_present(const struct sobj__shape *shape, PyTypeObject *type)
{
    bool same;

    if (shape->version != version_of(type))
        return false;
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *of = NULL;
    same = PyWeakref_GetRef(shape->of, &of) > 0 && of == (PyObject *)type;
    Py_XDECREF(of);
#else
    same = PyWeakref_GET_OBJECT(shape->of) == (PyObject *)type;
#endif
    return same;
}

const struct sobj__shape *sobj__shape_known(struct sobj_state *state,
                                            PyTypeObject *type, PyObject **owner)
{
    PyObject *address = PyLong_FromVoidPtr(type);
    const struct sobj__shape *shape = NULL;

    *owner = sobj__dict_get(state->host.shapes, address);
    Py_XDECREF(address);
    if (*owner != NULL)
        shape = PyCapsule_GetPointer(*owner, capsule_name);
    if (shape != NULL && !is_present(shape, type)) {
        Py_CLEAR(*owner);
        shape = NULL;
    }
    return shape;
}

/* Enters a shape, if its class has a version. Consumes: `shape`. Returns: what keeps it,
 * a new reference; NULL with an exception. */
static PyObject *remember(struct sobj_state *state, PyTypeObject *type,
                          struct sobj__shape *shape)
{
    PyObject *shapes = state->host.shapes;
    PyObject *capsule = PyCapsule_New(shape, capsule_name, capsule_free), *address;
    int failed = 0;

    if (capsule == NULL)
        shape_free(shape);
    if (capsule == NULL || shape->version == 0)
        return capsule;
    address = PyLong_FromVoidPtr(type);
    if (shapes == NULL)
        sobj_raise_unloaded();
    else if (address != NULL) {
        if (PyDict_GET_SIZE(shapes) >= SHAPES_MAX)
            PyDict_Clear(shapes);
        failed = PyDict_SetItem(shapes, address, capsule);
    }
    if (shapes == NULL || address == NULL || failed < 0)
        Py_CLEAR(capsule);
    Py_XDECREF(address);
    return capsule;
}

/* ---- looking at a class */

/* Whether `function` is one that the standard library's module has made. */
static bool is_made_by(struct sobj_state *state, PyObject *function, const char *module)
{
    PyObject *name = PyUnicode_FromString(module);
    PyObject *found = name != NULL ? sobj__imported(state, name) : NULL;
    bool result = found != NULL && PyModule_CheckExact(found) &&
                  PyFunction_Check(function) &&
                  PyFunction_GET_GLOBALS(function) == PyModule_GetDict(found);

    Py_XDECREF(found);
    Py_XDECREF(name);
    return result;
}

/* Whether it is the __new__ that namedtuple() gives its classes. */
static bool is_tuple_new(PyObject *method)
{
    PyObject *function = PyObject_GetAttrString(method, "__func__");
    PyObject *key = PyUnicode_FromString("_tuple_new"), *made = NULL;

    if (function != NULL && PyFunction_Check(function))
        made = sobj__dict_get(PyFunction_GET_GLOBALS(function), key);
    Py_XDECREF(made);
    Py_XDECREF(key);
    Py_XDECREF(function);
    return made != NULL;
}

/* Whether an attribute of a class leaves what pickle does as we do it. */
static bool is_harmless(struct sobj_state *state, enum sobj__class kind, PyObject *name,
                        PyObject *value)
{
    static const char *const hooks[] = {
        "__reduce__",   "__reduce_ex__",  "__getstate__",
        "__setstate__", "__getnewargs__", "__getnewargs_ex__",
    };

    if (PyUnicode_CompareWithASCIIString(name, "__getattribute__") == 0)
        return false;
    if (PyUnicode_CompareWithASCIIString(name, "__iter__") == 0)
        return kind != SOBJ__NAMEDTUPLE;
    if (PyUnicode_CompareWithASCIIString(name, "__new__") == 0)
        return kind == SOBJ__NAMEDTUPLE && is_tuple_new(value);
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        if (PyUnicode_CompareWithASCIIString(name, hooks[i]) == 0)
            return is_made_by(state, value,
                              kind == SOBJ__NAMEDTUPLE ? "collections" : "dataclasses");
    }
    return true;
}

/* Returns: the index of the field `name`, looked for from `from` on; -1. */
static Py_ssize_t index_of(PyObject *names, PyObject *name, Py_ssize_t from)
{
    Py_ssize_t n = PyTuple_GET_SIZE(names);

    for (Py_ssize_t i = 0, at = from; i < n; i++, at++) {
        at = at < n ? at : 0;
        if (PyTuple_GET_ITEM(names, at) == name)
            return at;
    }
    for (Py_ssize_t i = 0; i < n; i++) { /* it is not interned */
        if (PyUnicode_Compare(PyTuple_GET_ITEM(names, i), name) == 0)
            return i;
    }
    return -1;
}

/* Takes a look at one attribute of a class; `seen`: fields that a class before it in the
 * order of look-up has. Returns: whether instances can go by field. */
static bool take_attribute(struct sobj_state *state, struct sobj__shape *shape,
                           PyObject *name, PyObject *value, char *seen)
{
    Py_ssize_t index;

    /* The key of another type would run code when it is looked up. */
    if (!PyUnicode_CheckExact(name) || !is_harmless(state, shape->kind, name, value))
        return false;
    if (shape->kind == SOBJ__NAMEDTUPLE)
        return !Py_IS_TYPE(value, &PyMemberDescr_Type);
    index = index_of(shape->names, name, 0);
    if (!Py_IS_TYPE(value, &PyMemberDescr_Type)) {
        if (index >= 0)
            seen[index] = 1;
        return true;
    }
    /* A slot that is no field, or that another attribute hides. */
    if (index < 0 || seen[index])
        return false;
    shape->slots[index] = *((PyMemberDescrObject *)value)->d_member;
    shape->slots[index].name = "field"; /* that of the class goes with it */
    seen[index] = 1;
    return shape->slots[index].type == Py_T_OBJECT_EX;
}

/* Returns: 1, and where the fields are; 0 if instances cannot go by field; -1 with an
 * exception. */
static int take_classes(struct sobj_state *state, PyTypeObject *type,
                        struct sobj__shape *shape)
{
    Py_ssize_t n = PyTuple_GET_SIZE(shape->names), position;
    char *seen = PyMem_Calloc((size_t)n + 1, 1);
    PyObject *mro = sobj__mro(state, type), *name, *value;
    int result = mro != NULL && seen != NULL;

    for (Py_ssize_t i = 0; result > 0 && i < PyTuple_GET_SIZE(mro); i++) {
        PyObject *base = PyTuple_GET_ITEM(mro, i), *own, *dict;
        if (base == (PyObject *)&PyBaseObject_Type || base == (PyObject *)&PyTuple_Type)
            continue;
        own = PyType_Check(base) ? PyType_GetDict((PyTypeObject *)base) : NULL;
        dict = own != NULL ? PyDict_Copy(own) : NULL;
        result = dict != NULL;
        position = 0;
        while (result > 0 && PyDict_Next(dict, &position, &name, &value))
            result = take_attribute(state, shape, name, value, seen);
        Py_XDECREF(dict);
        Py_XDECREF(own);
    }
    for (Py_ssize_t i = 0; i < n; i++)
        shape->in_dict += shape->slots[i].name == NULL;
    if (shape->kind == SOBJ__NAMEDTUPLE)
        shape->in_dict = 0;
    /* Pickle sets what is in slots by setattr(), or not at all if that is forbidden. */
    if (shape->in_dict != n && shape->kind == SOBJ__DATACLASS &&
        type->tp_setattro != PyObject_GenericSetAttr && !sobj__is_frozen(state, type))
        result = 0;
    Py_XDECREF(mro);
    PyMem_Free(seen);
    return PyErr_Occurred() ? -1 : result;
}

/* Returns: a shape without its fields; NULL with an exception. */
static struct sobj__shape *shape_new(PyTypeObject *type, unsigned version,
                                     enum sobj__class kind, PyObject *names)
{
    Py_ssize_t n = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    struct sobj__shape *shape =
        PyMem_Calloc(1, sizeof *shape + (size_t)n * sizeof shape->slots[0]);

    if (shape == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    shape->of = PyWeakref_NewRef((PyObject *)type, NULL);
    shape->version = version;
    shape->kind = kind;
    shape->names = Py_XNewRef(names);
    shape->by_identity = type->tp_hash == PyBaseObject_Type.tp_hash;
    shape->has_dict =
        type->tp_dictoffset != 0 || PyType_HasFeature(type, Py_TPFLAGS_MANAGED_DICT);
    if (shape->of == NULL) {
        shape_free(shape);
        return NULL;
    }
    return shape;
}

/* Whether the class is found by its name: 1, and the name is in the shape; 0; -1 with an
 * exception. */
static int take_name(struct sobj_state *state, PyTypeObject *type,
                     struct sobj__shape *shape)
{
    enum sobj__fault fault;
    int lost = sobj__name_of(state, (PyObject *)type, &shape->name, &fault);

    return lost < 0 ? -1 : lost == 0;
}

/* Looks at a class of records. Returns: 1, and `*owner`, a new reference; 0; -1 with an
 * exception. */
static int learn_record(struct sobj_state *state, PyTypeObject *type, unsigned version,
                        PyObject **owner)
{
    enum sobj__fault fault = SOBJ__NO_FAULT;
    PyObject *names = NULL;
    int kind = sobj__record_class(state, type, true, &names, &fault);
    int result = kind < 0 ? -1 : 0;

    if (fault == SOBJ__NO_FAULT &&
        (kind == SOBJ__NAMEDTUPLE ||
         (kind == SOBJ__DATACLASS && type->tp_new == PyBaseObject_Type.tp_new)) &&
        PyTuple_GET_SIZE(names) <= FIELDS_MAX) {
        struct sobj__shape *shape =
            shape_new(type, version, (enum sobj__class)kind, names);
        result = shape != NULL ? take_classes(state, type, shape) : -1;
        if (result > 0)
            result = take_name(state, type, shape);
        if (result > 0) {
            *owner = remember(state, type, shape);
            result = *owner != NULL ? 1 : -1;
        } else if (shape != NULL) {
            shape_free(shape);
        }
    }
    Py_XDECREF(names);
    return result;
}

static bool is_extern(int class)
{
    return (class > SOBJ__OF_NO_CLASS && class < SOBJ__STANDARD) || class == SOBJ__ENUM;
}

/* Returns: what keeps the shape, a new reference; NULL with an exception. */
static PyObject *learn(struct sobj_state *state, PyTypeObject *type, unsigned version)
{
    PyObject *plan = NULL, *owner = NULL;
    enum sobj__fault fault;
    int class = sobj__class_of(state, type, &plan, &fault), result;

    Py_XDECREF(plan);
    if (class < 0)
        return NULL;
    result = is_extern(class) ? 0 : learn_record(state, type, version, &owner);
    if (result == 0) {
        class = is_extern(class) ? class : SOBJ__OF_NO_CLASS;
        struct sobj__shape *shape =
            shape_new(type, version, (enum sobj__class)class, NULL);
        owner = shape != NULL ? remember(state, type, shape) : NULL;
    }
    return owner;
}

const struct sobj__shape *sobj__shape_look(struct sobj_state *state, PyTypeObject *type,
                                           bool only_kept, PyObject **owner)
{
    const struct sobj__shape *shape = NULL;
    unsigned version;

    *owner = NULL;
    if (state->host.shapes == NULL)
        return NULL;
    Py_INCREF(type); /* code that runs may let go of it */
    version = PyUnstable_Type_AssignVersionTag(type) ? version_of(type) : 0;
    if (version != 0 || !only_kept)
        *owner = learn(state, type, version);
    Py_DECREF(type);
    if (*owner != NULL)
        shape = PyCapsule_GetPointer(*owner, capsule_name);
    /* Errors of the class's own code: pickle will meet them, too. */
    else if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_Exception) &&
             !PyErr_ExceptionMatches(PyExc_MemoryError))
        PyErr_Clear();
    return shape;
}

int sobj__shape_learn(struct sobj_state *state, PyTypeObject *type)
{
    PyObject *owner;
    bool known = sobj__shape_look(state, type, true, &owner) != NULL;

    Py_XDECREF(owner);
    return PyErr_Occurred() ? -1 : known;
}

/* ---- writing */

void sobj__shape_uses_fini(struct sobj_encoder *e)
{
    for (size_t i = 0; i < e->use_count; i++) {
        Py_DECREF(e->uses[i].type);
        Py_DECREF(e->uses[i].owner);
    }
    PyMem_Free(e->uses);
    Py_XDECREF(e->externs);
}

bool sobj__has_passed(struct sobj_encoder *e, PyObject *v)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(e->passed); i++) {
        if (PyList_GET_ITEM(e->passed, i) == v)
            return true;
    }
    return false;
}

enum sobj__step sobj__write_extern(struct sobj_encoder *e, PyObject *v)
{
    enum sobj__step step;

    if (e->passed != NULL)
        return sobj__refuse(e, v);
    step = sobj__number(e, v);
    if (step != SOBJ__PUSHED)
        return step;
    if (e->externs == NULL && (e->externs = PyList_New(0)) == NULL)
        return SOBJ__ERROR;
    if (PyList_Append(e->externs, v) < 0)
        return SOBJ__ERROR;
    uint64_t index = (uint64_t)e->extern_count++;
    return sobj__write_word(e, sobj_stream_header(SOBJ_ST_EXTERN, 0, index));
}

/* Enters a class. Returns: its place, -1 with an exception. Consumes: `owner`. */
static Py_ssize_t add_use(struct sobj_encoder *e, PyTypeObject *type, PyObject *owner,
                          const struct sobj__shape *shape)
{
    if (e->use_count == e->use_capacity) {
        size_t capacity = e->use_capacity != 0 ? e->use_capacity * 2 : 4;
        void *grown = PyMem_Realloc(e->uses, capacity * sizeof *e->uses);
        if (grown == NULL) {
            Py_DECREF(owner);
            PyErr_NoMemory();
            return -1;
        }
        e->uses = grown;
        e->use_capacity = capacity;
    }
    e->uses[e->use_count] = (struct sobj__shape_use){
        .type = (PyTypeObject *)Py_NewRef((PyObject *)type),
        .owner = owner,
        .shape = shape,
    };
    return (Py_ssize_t)e->use_count++;
}

/* Adds to `values` what a record has in its dict. Returns: whether that are its fields and
 * nothing else. */
static bool take_dict(const struct sobj__shape *shape, PyObject *dict, PyObject *values)
{
    Py_ssize_t position = 0, at = 0;
    PyObject *name, *value;

    if (PyDict_GET_SIZE(dict) != shape->in_dict)
        return false;
    while (PyDict_Next(dict, &position, &name, &value)) {
        at = PyUnicode_CheckExact(name) ? index_of(shape->names, name, at) : -1;
        if (at < 0 || PyTuple_GET_ITEM(values, at) != NULL)
            return false;
        PyTuple_SET_ITEM(values, at++, Py_NewRef(value));
    }
    return true;
}

/* The same for what it has in slots. */
static bool take_slots(const struct sobj__shape *shape, PyObject *v, PyObject *values)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(values); i++) {
        PyMemberDef slot = shape->slots[i];
        PyObject *value;
        if (slot.name == NULL)
            continue;
        value = PyMember_GetOne((const char *)v, &slot);
        if (value == NULL) {
            PyErr_Clear(); /* it has none */
            return false;
        }
        PyTuple_SET_ITEM(values, i, value);
    }
    return true;
}

/* Returns: the instance's dict, for us alone where threads could change it. */
static PyObject *dict_of(PyObject *v)
{
    PyObject *dict = PyObject_GenericGetDict(v, NULL);

#ifdef Py_GIL_DISABLED
    if (dict != NULL)
        Py_SETREF(dict, PyDict_Copy(dict));
#endif
    return dict;
}

/* Returns: the values of the fields, a tuple; NULL without an exception where `v` is not
 * just its fields. */
static PyObject *values_of(const struct sobj__shape *shape, PyObject *v)
{
    Py_ssize_t n = PyTuple_GET_SIZE(shape->names);
    PyObject *dict = shape->has_dict ? dict_of(v) : NULL, *values = NULL;
    bool fits = dict != NULL || !shape->has_dict;

    if (fits && shape->kind == SOBJ__NAMEDTUPLE) {
        fits = PyTuple_GET_SIZE(v) == n && (dict == NULL || PyDict_GET_SIZE(dict) == 0);
        values = Py_NewRef(v);
    } else if (fits && (values = PyTuple_New(n)) != NULL) {
        if (n != 0) /* nobody shall find it before it is complete */
            PyObject_GC_UnTrack(values);
        fits = (n == shape->in_dict || take_slots(shape, v, values)) &&
               (dict == NULL || take_dict(shape, dict, values));
        if (fits && n != 0)
            PyObject_GC_Track(values);
    }
    Py_XDECREF(dict);
    if (!fits)
        Py_CLEAR(values);
    return values;
}

enum sobj__step sobj__write_shaped(struct sobj_encoder *e, PyObject *v, uint32_t depth)
{
    PyTypeObject *type = Py_TYPE(v);
    const struct sobj__shape *shape;
    size_t use = e->use_count;
    PyObject *owner, *values;
    enum sobj__step step;

    while (use != 0 && e->uses[use - 1].type != type)
        use--;
    if (use-- == 0) {
        shape = sobj__shape_known(e->state, type, &owner);
        if (shape == NULL)
            return PyErr_Occurred() ? SOBJ__ERROR : sobj__refuse(e, v);
        if (shape->names == NULL) {
            bool none = shape->kind == SOBJ__OF_NO_CLASS;
            Py_DECREF(owner);
            return none ? sobj__refuse(e, v) : sobj__write_extern(e, v);
        }
        Py_ssize_t added = add_use(e, type, owner, shape);
        if (added < 0)
            return SOBJ__ERROR;
        use = (size_t)added;
    }
    shape = e->uses[use].shape;
    step = sobj__number(e, v);
    if (step != SOBJ__PUSHED)
        return step;
    values = values_of(shape, v);
    if (values == NULL)
        return PyErr_Occurred() ? SOBJ__ERROR : sobj__refuse(e, v);
    if (depth != 0)
        depth = shape->by_identity ? 0 : depth + SOBJ__RECORD_DEPTH;
    return sobj__push_shaped(e, v, values, use, depth);
}
