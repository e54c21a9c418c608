/* SPDX-License-Identifier: MIT */
/* What is of no built-in type: who writes it, and who makes it again; see kinds.h. */
#include "kinds.h"

#include "errors.h"
#include "shapes.h"
#include "state.h"

/* ---- items */

enum sobj__step sobj__write_atom(struct sobj_encoder *e, enum sobj__class class,
                                 const void *data, size_t size)
{
    e->hosted = true;
    return sobj__written(sobj_stream_bytes(
        e->out, sobj_stream_header(SOBJ_ST_ATOM, class, size), data, size));
}

enum sobj__step sobj__write_group(struct sobj_encoder *e, enum sobj__class class,
                                  size_t count)
{
    e->hosted = true;
    return sobj__write_word(e, sobj_stream_header(SOBJ_ST_GROUP, class, count));
}

/* ---- writing */

/* The class of a function or class itself, which is stored by its name. Methods that are
 * bound to an object have none. */
static enum sobj__class by_name(PyObject *v)
{
    PyObject *self;

    if (PyType_Check(v))
        return SOBJ__CLASS;
    if (PyFunction_Check(v))
        return SOBJ__FUNCTION;
    if (!PyCFunction_Check(v))
        return SOBJ__OF_NO_CLASS;
    self = PyCFunction_GET_SELF(v);
    return self == NULL || PyModule_Check(self) ? SOBJ__FUNCTION : SOBJ__OF_NO_CLASS;
}

static enum sobj__step write_name(struct sobj_encoder *e, enum sobj__class class,
                                  PyObject *v)
{
    enum sobj__fault fault;
    struct sobj__name name;
    enum sobj__step step;
    int found = sobj__name_of(e->state, v, &name, &fault);

    if (found != 0)
        return found < 0 ? SOBJ__ERROR : sobj__refuse_fault(e, v, fault);
    step = sobj__write_group(e, class, 1);
    if (step == SOBJ__DONE)
        step = sobj__write_text(e, name.text);
    sobj__name_fini(&name);
    return step;
}

/* Into messages only what needs no Python code (E1); the rest is written when the walk is
 * at its end. */
static enum sobj__step write_to_message(struct sobj_encoder *e, PyObject *v,
                                        uint32_t depth)
{
    enum sobj__class class = sobj__class_known(e->state, Py_TYPE(v));
    size_t count = e->out->count;
    enum sobj__step step;

    if (class == SOBJ__DECIMAL)
        return sobj__write_standard(e, class, v);
    if (class != SOBJ__OF_NO_CLASS) {
        step = sobj__write_moment(e, class, v);
        if (step != SOBJ__PICKLE)
            return step;
        e->out->count = count; /* with a zone that needs code to be named */
        return sobj__write_extern(e, v);
    }
    if (by_name(v) != SOBJ__OF_NO_CLASS)
        return sobj__write_extern(e, v);
    return sobj__write_shaped(e, v, depth);
}

/* Enum members are keys if they equal nothing but themselves. */
static enum sobj__step write_member_key(struct sobj_encoder *e, PyObject *plan,
                                        PyObject *v, uint32_t depth)
{
    PyTypeObject *type = Py_TYPE(v);
    PyObject *name;

    if (type->tp_richcompare == PyBaseObject_Type.tp_richcompare)
        return sobj__write_record(e, SOBJ__ENUM, plan, v, depth);
    if (PyLong_Check(v) || PyUnicode_Check(v))
        return sobj__refuse(e, v);
    name = sobj__type_name(type);
    if (name != NULL)
        sobj__raise_at(e,
                       "is a member of %U, whose members equal other objects, and "
                       "cannot %s; use its name or value",
                       name, sobj__key_role(e));
    Py_XDECREF(name);
    return SOBJ__ERROR;
}

/* Whether what is wrong with the class of `v` is why it is refused; -1 with an
 * exception. As a key only members that could be keys; the others never can. */
static int is_at_fault(struct sobj_encoder *e, PyObject *v, enum sobj__fault fault)
{
    PyTypeObject *type = Py_TYPE(v);

    if (fault == SOBJ__NO_FAULT || e->mode == SOBJ__MODE_VALUE)
        return fault != SOBJ__NO_FAULT;
    if (type->tp_richcompare != PyBaseObject_Type.tp_richcompare)
        return 0;
    return sobj__is_enum(e->state, type);
}

static enum sobj__step write_to_key(struct sobj_encoder *e, enum sobj__class class,
                                    PyObject *plan, PyObject *v, uint32_t depth)
{
    switch (class) {
    case SOBJ__DATE:
    case SOBJ__TIME:
    case SOBJ__DATETIME:
    case SOBJ__TIMEDELTA:
        return sobj__write_moment(e, class, v);
    case SOBJ__UUID:
        return sobj__write_standard(e, class, v);
    case SOBJ__ENUM:
        return write_member_key(e, plan, v, depth);
    default:
        return sobj__refuse(e, v);
    }
}

static enum sobj__step write_to_value(struct sobj_encoder *e, enum sobj__class class,
                                      PyObject *plan, PyObject *v, uint32_t depth)
{
    switch (class) {
    case SOBJ__DATE:
    case SOBJ__TIME:
    case SOBJ__DATETIME:
    case SOBJ__TIMEDELTA:
    case SOBJ__TIMEZONE:
        return sobj__write_moment(e, class, v);
    case SOBJ__ENUM:
    case SOBJ__NAMEDTUPLE:
    case SOBJ__DATACLASS:
        return sobj__write_record(e, class, plan, v, depth);
    default:
        return sobj__write_standard(e, class, v);
    }
}

enum sobj__step sobj__write_foreign(struct sobj_encoder *e, PyObject *v, uint32_t depth)
{
    enum sobj__fault fault = SOBJ__NO_FAULT;
    PyObject *plan = NULL;
    enum sobj__step step;
    int class, faulty;

    if (e->mode == SOBJ__MODE_MESSAGE)
        return write_to_message(e, v, depth);
    if (e->state->host.plans == NULL) {
        sobj_raise_unloaded();
        return SOBJ__ERROR;
    }
    class = (int)by_name(v);
    if (class != 0)
        return e->mode == SOBJ__MODE_VALUE ? write_name(e, (enum sobj__class)class, v)
                                           : sobj__refuse(e, v);
    class = sobj__class_of(e->state, Py_TYPE(v), &plan, &fault);
    if (class < 0)
        return SOBJ__ERROR;
    faulty = is_at_fault(e, v, fault);
    if (faulty != 0)
        return faulty < 0 ? SOBJ__ERROR : sobj__refuse_fault(e, v, fault);
    if (class == SOBJ__OF_NO_CLASS)
        return sobj__refuse(e, v);
    step = e->mode == SOBJ__MODE_KEY
               ? write_to_key(e, (enum sobj__class)class, plan, v, depth)
               : write_to_value(e, (enum sobj__class)class, plan, v, depth);
    Py_XDECREF(plan);
    return step;
}

/* ---- making */

/* For what went wrong with a class of the standard library. Returns: NULL. */
static PyObject *unresolved(struct sobj_state *state, unsigned class)
{
    PyObject *module, *name;

    if (!PyErr_Occurred() || class >= SOBJ__STANDARD)
        return NULL;
    sobj__standard_place(state, (enum sobj__class)class, &module, &name);
    if (module != NULL && name != NULL)
        sobj__raise_unresolved(state, module, name, "the value cannot be made");
    return NULL;
}

PyObject *sobj__make_atom(struct sobj_state *state, unsigned class, const void *data,
                          size_t size)
{
    PyObject *made;

    switch ((enum sobj__class)class) {
    case SOBJ__DATE:
    case SOBJ__TIME:
    case SOBJ__DATETIME:
    case SOBJ__TIMEDELTA:
    case SOBJ__TIMEZONE:
        made = sobj__make_moment(state, (enum sobj__class)class, data, size);
        break;
    case SOBJ__UUID:
        made = sobj__make_uuid(state, data, size);
        break;
    default:
        PyErr_SetString(PyExc_SystemError, "sharedobj: unknown kind of atom");
        return NULL;
    }
    return made != NULL ? made : unresolved(state, class);
}

PyObject *sobj__make_group(struct sobj_state *state, unsigned class, PyObject *parts)
{
    PyObject *made;

    if (class >= SOBJ__STANDARD)
        return sobj__make_record(state, (enum sobj__class)class, parts);
    if (class == SOBJ__TIME || class == SOBJ__DATETIME || class == SOBJ__TIMEZONE)
        made = sobj__make_zoned(state, (enum sobj__class)class, parts);
    else
        made = sobj__make_standard(state, (enum sobj__class)class, parts);
    return made != NULL ? made : unresolved(state, class);
}
