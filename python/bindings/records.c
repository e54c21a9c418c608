/* SPDX-License-Identifier: MIT */
/* Enum members, named tuples and frozen dataclasses: by the name of their class.
 *
 * Named tuples and dataclasses travel field by field, and are made again without
 * __init__, __new__ or __post_init__ of the class. The names of the fields go with them:
 * where the class has other ones, reading raises UnresolvedError. What an instance has
 * beside its fields (cached properties) does not travel.
 *
 * Fields are read and set as object.__getattribute__ and object.__setattr__ do: in slots
 * or in the instance's dict. A class that has a descriptor of its own in the place of a
 * field is refused: what the field holds would be its secret.
 */
#include "kinds.h"

#include "errors.h"
#include "state.h"

/* Returns: type.__getattribute__(type, name), past the metaclass; NULL without
 * AttributeError. */
static PyObject *type_attribute(PyTypeObject *type, PyObject *name)
{
    PyObject *found = NULL;

    Py_INCREF(type); /* a descriptor may run code that lets go of it */
    if (name != NULL)
        found = PyType_Type.tp_getattro((PyObject *)type, name);
    Py_DECREF(type);
    if (found == NULL && PyErr_ExceptionMatches(PyExc_AttributeError))
        PyErr_Clear();
    return found;
}

/* Returns: type.__dict__[name]; NULL with or without an exception. */
static PyObject *own_attribute(PyTypeObject *type, PyObject *name)
{
    PyObject *dict = PyType_GetDict(type), *found = sobj__dict_get(dict, name);

    Py_XDECREF(dict);
    return found;
}

static bool are_plain_names(PyObject *names)
{
    if (!PyTuple_CheckExact(names))
        return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(names, i)))
            return false;
    }
    return true;
}

/* ---- plans */

/* Errors of the user's own classes say that a class is none of ours; others pass.
 * Returns: 0; -1 and the exception stays. */
static int forgive(void)
{
    if (PyErr_Occurred() && (!PyErr_ExceptionMatches(PyExc_Exception) ||
                             PyErr_ExceptionMatches(PyExc_MemoryError)))
        return -1;
    PyErr_Clear();
    return 0;
}

/* Whether `type` inherits from a class of the module enum; -1 with an exception. */
static int is_of_enum(struct sobj_state *state, PyTypeObject *type, enum sobj_text name)
{
    PyObject *module = sobj__imported(state, state->host.texts[SOBJ_TEXT_ENUM_MODULE]);
    PyObject *base = NULL;
    bool result = false;

    Py_INCREF(type); /* a module may run code that lets go of it */
    if (module != NULL)
        base = sobj__attribute(module, state->host.texts[name]);
    if (base != NULL && PyType_Check(base))
        result = PyType_IsSubtype(type, (PyTypeObject *)base);
    Py_DECREF(type);
    Py_XDECREF(base);
    Py_XDECREF(module);
    return forgive() < 0 ? -1 : result;
}

int sobj__is_enum(struct sobj_state *state, PyTypeObject *type)
{
    return is_of_enum(state, Py_TYPE(type), SOBJ_TEXT_ENUM_TYPE);
}

/* Returns: _fields of a named tuple's class; NULL with or without an exception. */
static PyObject *tuple_fields(struct sobj_state *state, PyTypeObject *type)
{
    PyObject *fields;

    if (!PyType_IsSubtype(type, &PyTuple_Type))
        return NULL;
    fields = type_attribute(type, state->host.texts[SOBJ_TEXT_TUPLE_FIELDS]);
    if (fields != NULL && !are_plain_names(fields))
        Py_CLEAR(fields);
    return fields;
}

/* Whether the field is where object.__setattr__ puts it, unless a base says otherwise. */
static int is_plain_field(struct sobj_state *state, PyTypeObject *type, PyObject *name)
{
    PyObject *mro = sobj__mro(state, type), *found = NULL;
    int plain = mro != NULL ? 1 : PyErr_Occurred() ? -1 : 0;

    for (Py_ssize_t i = 0; plain > 0 && found == NULL && i < PyTuple_GET_SIZE(mro);
         i++) {
        PyObject *base = PyTuple_GET_ITEM(mro, i);
        if (PyType_Check(base))
            found = own_attribute((PyTypeObject *)base, name);
        if (found == NULL && PyErr_Occurred())
            plain = -1;
    }
    if (found != NULL && Py_IS_TYPE(found, &PyMemberDescr_Type))
        plain = ((PyMemberDescrObject *)found)->d_member->type == Py_T_OBJECT_EX;
    else if (found != NULL && Py_TYPE(found)->tp_descr_set != NULL)
        plain = 0;
    Py_XDECREF(found);
    Py_XDECREF(mro);
    return plain;
}

/* Returns: the names of the fields of a dataclass, as dataclasses.fields() has them; NULL
 * with or without an exception. */
static PyObject *dataclass_fields(struct sobj_state *state, PyTypeObject *type)
{
    PyObject *const *texts = state->host.texts;
    PyObject *module = sobj__imported(state, texts[SOBJ_TEXT_DATACLASSES]);
    PyObject *function = NULL, *fields = NULL, *names = NULL;

    if (module != NULL)
        function = sobj__attribute(module, texts[SOBJ_TEXT_FIELDS_FUNCTION]);
    if (function != NULL)
        fields = PyObject_CallOneArg(function, (PyObject *)type);
    if (fields != NULL && PyTuple_CheckExact(fields))
        names = PyTuple_New(PyTuple_GET_SIZE(fields));
    if (names != NULL) /* holds nothing but str: no collector needs to know it */
        PyObject_GC_UnTrack(names);
    for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(fields); i++) {
        PyObject *name =
            PyObject_GetAttr(PyTuple_GET_ITEM(fields, i), texts[SOBJ_TEXT_NAME]);
        if (name == NULL || !PyUnicode_CheckExact(name)) {
            Py_XDECREF(name);
            Py_CLEAR(names);
            break;
        }
        PyUnicode_InternInPlace(&name);
        PyTuple_SET_ITEM(names, i, name);
    }
    Py_XDECREF(fields);
    Py_XDECREF(function);
    Py_XDECREF(module);
    return names;
}

/* Whether the dataclass with these `params` is frozen. */
static bool is_frozen(struct sobj_state *state, PyObject *params)
{
    PyObject *name = state->host.texts[SOBJ_TEXT_FROZEN];
    PyObject *frozen = name != NULL ? PyObject_GenericGetAttr(params, name) : NULL;
    bool result = frozen == Py_True;

    Py_XDECREF(frozen);
    return result;
}

bool sobj__is_frozen(struct sobj_state *state, PyTypeObject *type)
{
    PyObject *name = state->host.texts[SOBJ_TEXT_DATACLASS_PARAMS];
    PyObject *params = name != NULL ? own_attribute(type, name) : NULL;
    bool result = params != NULL && is_frozen(state, params);

    Py_XDECREF(params);
    return result;
}

/* What is wrong with a class that has `fields`. */
static enum sobj__fault dataclass_fault(struct sobj_state *state, PyTypeObject *type,
                                        PyObject *params, PyObject *fields,
                                        bool may_change)
{
    if (!may_change && !is_frozen(state, params))
        return SOBJ__FAULT_MUTABLE;
    if (!sobj__bare_instance_is_safe(state, type, &PyBaseObject_Type))
        return SOBJ__FAULT_LAYOUT;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(fields); i++) {
        if (is_plain_field(state, type, PyTuple_GET_ITEM(fields, i)) != 1)
            return SOBJ__FAULT_DESCRIPTOR;
    }
    return SOBJ__NO_FAULT;
}

int sobj__record_class(struct sobj_state *state, PyTypeObject *type, bool may_change,
                       PyObject **fields, enum sobj__fault *fault)
{
    PyObject *const *texts = state->host.texts;
    PyObject *params;
    int class = sobj__is_enum(state, type);

    if (class != 0) {
        *fields = PyTuple_New(0);
        return class < 0 || *fields == NULL ? -1 : SOBJ__ENUM;
    }
    *fields = tuple_fields(state, type);
    if (*fields != NULL) {
        if (!sobj__bare_instance_is_safe(state, type, &PyTuple_Type))
            *fault = SOBJ__FAULT_LAYOUT;
        return SOBJ__NAMEDTUPLE;
    }
    if (forgive() < 0)
        return -1;
    params = own_attribute(type, texts[SOBJ_TEXT_DATACLASS_PARAMS]);
    if (params == NULL) {
        params = type_attribute(type, texts[SOBJ_TEXT_DATACLASS_FIELDS]);
        if (params != NULL)
            *fault = SOBJ__FAULT_INHERITED;
        Py_XDECREF(params);
        return forgive();
    }
    *fields = dataclass_fields(state, type);
    if (*fields != NULL) {
        *fault = dataclass_fault(state, type, params, *fields, may_change);
        class = SOBJ__DATACLASS;
    }
    Py_DECREF(params);
    return forgive() < 0 ? -1 : class;
}

/* Returns: "module:qualname(fields)"; NULL with an exception. Consumes: `name`. */
static PyObject *with_fields(PyObject *name, PyObject *fields)
{
    PyObject *comma = PyUnicode_FromString(",");
    PyObject *joined = comma != NULL ? PyUnicode_Join(comma, fields) : NULL;
    PyObject *text =
        joined != NULL ? PyUnicode_FromFormat("%U(%U)", name, joined) : NULL;

    Py_DECREF(name);
    Py_XDECREF(joined);
    Py_XDECREF(comma);
    return text;
}

int sobj__plan_record(struct sobj_state *state, PyTypeObject *type, PyObject **plan,
                      enum sobj__fault *fault)
{
    PyObject *fields = NULL;
    struct sobj__name name;
    int class = sobj__record_class(state, type, false, &fields, fault), lost;

    if (class <= 0 || *fault != SOBJ__NO_FAULT) {
        Py_XDECREF(fields);
        return class < 0 ? -1 : 0;
    }
    lost = sobj__name_of(state, (PyObject *)type, &name, fault);
    if (lost == 0) {
        if (class != SOBJ__ENUM)
            name.text = with_fields(name.text, fields);
        /* The hash now: it is part of what is stored (E2). */
        if (name.text != NULL && PyObject_Hash(name.text) != -1)
            *plan = Py_BuildValue("(NiOOOO)", PyWeakref_NewRef((PyObject *)type, NULL),
                                  class, name.text, name.module, name.parts, fields);
        sobj__name_fini(&name);
        if (*plan == NULL)
            class = -1;
    }
    Py_DECREF(fields);
    return lost < 0 ? -1 : lost > 0 ? 0 : class;
}

/* ---- writing */

static int check_name(struct sobj_state *state, PyTypeObject *type, PyObject *plan)
{
    return sobj__name_leads_to(state, PyTuple_GET_ITEM(plan, SOBJ__PLAN_MODULE),
                               PyTuple_GET_ITEM(plan, SOBJ__PLAN_PARTS),
                               (PyObject *)type);
}

/* Returns: map[key] is `v`, for a map of the class of an enum. */
static bool is_member(struct sobj_state *state, PyObject *v, enum sobj_text map,
                      PyObject *key)
{
    PyObject *members = type_attribute(Py_TYPE(v), state->host.texts[map]);
    PyObject *found = NULL;

    if (members != NULL && PyDict_CheckExact(members))
        found = sobj__dict_get(members, key);
    Py_XDECREF(members);
    Py_XDECREF(found);
    return found == v;
}

static enum sobj__step write_member(struct sobj_encoder *e, PyObject *plan, PyObject *v)
{
    PyObject *const *texts = e->state->host.texts;
    PyObject *text = PyTuple_GET_ITEM(plan, SOBJ__PLAN_TEXT);
    PyObject *name = PyObject_GenericGetAttr(v, texts[SOBJ_TEXT_MEMBER_NAME]);
    PyObject *value = NULL;
    enum sobj__step step = SOBJ__ERROR;
    enum sobj_kind value_kind;

    if (name != NULL && PyUnicode_CheckExact(name) &&
        is_member(e->state, v, SOBJ_TEXT_MEMBER_MAP, name)) {
        step = sobj__write_group(e, SOBJ__ENUM, 2);
        if (step == SOBJ__DONE)
            step = sobj__write_text(e, text);
        if (step == SOBJ__DONE)
            step = sobj__write_text(e, name);
        goto done;
    }
    if (forgive() < 0)
        goto done;
    value = PyObject_GenericGetAttr(v, texts[SOBJ_TEXT_MEMBER_VALUE]);
    value_kind = value != NULL ? sobj__kind_of(value) : SOBJ__FOREIGN;
    if (value_kind == SOBJ__INT &&
        is_of_enum(e->state, Py_TYPE(v), SOBJ_TEXT_FLAG) == 1 &&
        is_member(e->state, v, SOBJ_TEXT_VALUE_MAP, value)) {
        step = sobj__write_group(e, SOBJ__FLAG, 2);
        if (step == SOBJ__DONE)
            step = sobj__write_text(e, text);
        if (step == SOBJ__DONE)
            step = sobj__write_leaf(e, value_kind, value);
    } else if (forgive() == 0) {
        step = sobj__refuse_fault(e, v, SOBJ__FAULT_LOST);
    }
done:
    Py_XDECREF(name);
    Py_XDECREF(value);
    return step;
}

/* Whether an instance of a subclass of a named tuple has attributes of its own. */
static int has_attributes(PyObject *v)
{
    PyTypeObject *type = Py_TYPE(v);
    PyObject *dict;
    int result;

    if (type->tp_dictoffset == 0 && !PyType_HasFeature(type, Py_TPFLAGS_MANAGED_DICT))
        return 0;
    dict = PyObject_GenericGetDict(v, NULL);
    if (dict == NULL)
        return -1;
    result = PyDict_GET_SIZE(dict) != 0;
    Py_DECREF(dict);
    return result;
}

/* Returns: the values of the fields, a new tuple; NULL with an exception, `*missing` is
 * then the first that is not set, borrowed, or NULL. */
static PyObject *field_values(PyObject *v, PyObject *fields, PyObject **missing)
{
    Py_ssize_t n = PyTuple_GET_SIZE(fields);
    PyObject *values = PyTuple_New(n);

    *missing = NULL;
    /* The empty tuple is one for all interpreters and in no collector's list. */
    if (values == NULL || n == 0)
        return values;
    PyObject_GC_UnTrack(values); /* nobody shall find it before it is complete */
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *name = PyTuple_GET_ITEM(fields, i);
        PyObject *value = PyObject_GenericGetAttr(v, name);
        if (value == NULL) {
            if (PyErr_ExceptionMatches(PyExc_AttributeError))
                *missing = name;
            Py_DECREF(values);
            return NULL;
        }
        PyTuple_SET_ITEM(values, i, value);
    }
    PyObject_GC_Track(values);
    return values;
}

enum sobj__step sobj__write_record(struct sobj_encoder *e, enum sobj__class class,
                                   PyObject *plan, PyObject *v, uint32_t depth)
{
    PyObject *fields = PyTuple_GET_ITEM(plan, SOBJ__PLAN_FIELDS);
    PyObject *text = PyTuple_GET_ITEM(plan, SOBJ__PLAN_TEXT), *items, *missing;
    int found = check_name(e->state, Py_TYPE(v), plan);
    enum sobj__step step;

    if (found < 0)
        return SOBJ__ERROR;
    if (!found)
        return sobj__refuse_fault(e, v, SOBJ__FAULT_LOST);
    if (class == SOBJ__ENUM)
        return write_member(e, plan, v);
    if (class == SOBJ__NAMEDTUPLE) {
        int more = has_attributes(v);
        if (more < 0)
            return SOBJ__ERROR;
        if (more || PyTuple_GET_SIZE(v) != PyTuple_GET_SIZE(fields))
            return sobj__refuse_fault(e, v, SOBJ__FAULT_FIELDS);
        items = Py_NewRef(v);
    } else {
        items = field_values(v, fields, &missing);
        if (items == NULL && missing != NULL) {
            PyErr_Clear();
            sobj__raise_at(e, "has no value in its field %R", missing);
        }
        if (items == NULL)
            return SOBJ__ERROR;
    }
    step = sobj__write_group(e, class, 1 + (size_t)PyTuple_GET_SIZE(fields));
    if (step == SOBJ__DONE)
        step = sobj__write_text(e, text);
    if (step == SOBJ__DONE)
        return sobj__push_record(e, v, items, Py_NewRef(fields), depth);
    Py_DECREF(items);
    return step;
}

/* ---- making */

/* Whether "...(fields)" ends alike in both. */
static int same_fields(PyObject *a, PyObject *b)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(a), m = PyUnicode_GET_LENGTH(b);
    PyObject *x = PyUnicode_Substring(a, PyUnicode_FindChar(a, '(', 0, n, 1), n);
    PyObject *y = PyUnicode_Substring(b, PyUnicode_FindChar(b, '(', 0, m, 1), m);
    int same = x != NULL && y != NULL ? PyUnicode_Compare(x, y) == 0 : -1;

    Py_XDECREF(x);
    Py_XDECREF(y);
    return same;
}

/* Returns: the class that a record names, if it is `class` with the fields that were
 * stored, and its plan; NULL with an exception. */
static PyTypeObject *find_record(struct sobj_state *state, enum sobj__class class,
                                 PyObject *text, PyObject **plan)
{
    PyObject *found = sobj__resolve(state, text);
    enum sobj__fault fault;
    int present;

    *plan = NULL;
    if (found == NULL)
        return NULL;
    present = PyType_Check(found)
                  ? sobj__class_of(state, (PyTypeObject *)found, plan, &fault)
                  : 0;
    if (present == (int)class) {
        PyObject *own = PyTuple_GET_ITEM(*plan, SOBJ__PLAN_TEXT);
        /* Its own name for itself may be another one here. */
        if (PyUnicode_Compare(own, text) == 0 || class == SOBJ__ENUM)
            return (PyTypeObject *)found;
        int same = same_fields(own, text);
        if (same == 1)
            return (PyTypeObject *)found;
        if (same == 0)
            sobj__raise_unresolved_text(state, text, "it has other fields here: %U",
                                        own);
    } else if (present >= 0) {
        sobj__raise_unresolved_text(state, text,
                                    class == SOBJ__ENUM ? "it is no enum here"
                                    : class == SOBJ__NAMEDTUPLE
                                        ? "it is no named tuple here"
                                        : "it is no frozen dataclass here");
    }
    Py_CLEAR(*plan);
    Py_DECREF(found);
    return NULL;
}

static PyObject *make_member(struct sobj_state *state, enum sobj__class class,
                             PyObject *parts)
{
    PyObject *text = PyTuple_GET_ITEM(parts, 0), *which = PyTuple_GET_ITEM(parts, 1);
    PyObject *plan, *members = NULL, *member = NULL;
    PyTypeObject *type = find_record(state, SOBJ__ENUM, text, &plan);

    if (type == NULL)
        return NULL;
    if (class == SOBJ__FLAG) {
        member = PyObject_CallOneArg((PyObject *)type, which);
    } else {
        members = type_attribute(type, state->host.texts[SOBJ_TEXT_MEMBER_MAP]);
        if (members != NULL && PyDict_CheckExact(members))
            member = sobj__dict_get(members, which);
    }
    if (member != NULL && !Py_IS_TYPE(member, type))
        Py_CLEAR(member);
    if (member == NULL)
        sobj__raise_unresolved_text(state, text, "it has no member %R here", which);
    Py_XDECREF(members);
    Py_DECREF(plan);
    Py_DECREF(type);
    return member;
}

static PyObject *make_named_tuple(PyTypeObject *type, PyObject *parts)
{
    PyObject *items = PyTuple_GetSlice(parts, 1, PyTuple_GET_SIZE(parts));
    PyObject *args = items != NULL ? PyTuple_Pack(1, items) : NULL;
    PyObject *made = args != NULL ? PyTuple_Type.tp_new(type, args, NULL) : NULL;

    Py_XDECREF(args);
    Py_XDECREF(items);
    return made;
}

static PyObject *make_dataclass(PyTypeObject *type, PyObject *fields, PyObject *parts)
{
    PyObject *args = PyTuple_New(0), *made;

    if (args == NULL)
        return NULL;
    made = PyBaseObject_Type.tp_new(type, args, NULL);
    Py_DECREF(args);
    for (Py_ssize_t i = 0; made != NULL && i < PyTuple_GET_SIZE(fields); i++) {
        if (PyObject_GenericSetAttr(made, PyTuple_GET_ITEM(fields, i),
                                    PyTuple_GET_ITEM(parts, i + 1)) < 0)
            Py_CLEAR(made);
    }
    return made;
}

static PyObject *make_with_fields(struct sobj_state *state, enum sobj__class class,
                                  PyObject *parts)
{
    PyObject *text = PyTuple_GET_ITEM(parts, 0), *plan, *fields, *made = NULL;
    PyTypeObject *type = find_record(state, class, text, &plan);

    if (type == NULL)
        return NULL;
    fields = PyTuple_GET_ITEM(plan, SOBJ__PLAN_FIELDS);
    if (PyTuple_GET_SIZE(fields) != PyTuple_GET_SIZE(parts) - 1)
        PyErr_SetString(PyExc_SystemError, "sharedobj: a record without its fields");
    else if (class == SOBJ__NAMEDTUPLE)
        made = make_named_tuple(type, parts);
    else
        made = make_dataclass(type, fields, parts);
    if (made == NULL)
        sobj__raise_unresolved_text(state, text, "it cannot be made");
    Py_DECREF(plan);
    Py_DECREF(type);
    return made;
}

static PyObject *make_named(struct sobj_state *state, enum sobj__class class,
                            PyObject *parts)
{
    PyObject *text = PyTuple_GET_ITEM(parts, 0), *found = sobj__resolve(state, text);

    if (found == NULL)
        return NULL;
    /* A function may be written in C here and in Python there. */
    bool fits = class == SOBJ__CLASS
                    ? PyType_Check(found)
                    : PyFunction_Check(found) || PyCFunction_Check(found);
    if (!fits) {
        sobj__raise_unresolved_text(state, text,
                                    class == SOBJ__CLASS ? "it is no class here"
                                                         : "it is no function here");
        Py_CLEAR(found);
    }
    return found;
}

PyObject *sobj__make_record(struct sobj_state *state, enum sobj__class class,
                            PyObject *parts)
{
    switch (class) {
    case SOBJ__FUNCTION:
    case SOBJ__CLASS:
        return make_named(state, class, parts);
    case SOBJ__ENUM:
    case SOBJ__FLAG:
        return make_member(state, class, parts);
    default:
        return make_with_fields(state, class, parts);
    }
}
