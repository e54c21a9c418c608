/* SPDX-License-Identifier: MIT */
/* Dates, times, timedeltas and timezones; see kinds.h.
 *
 * There are two sets of these classes: written in C, and in Python where the C ones
 * cannot be imported (in the subinterpreters of 3.12). Both are written alike, so that
 * a value goes from one to the other. The C ones are known by the C interface in
 * datetime's capsule, and their fields are read where they lie; of the others the parts
 * come from their own __reduce_ex__.
 */
#include "kinds.h"

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-variable" /* a static of the header */
#endif
#include <datetime.h>

#include "moments.h"
#include "state.h"

/* ---- the C interface */

/* Returns: that of this interpreter, or NULL. */
static PyDateTime_CAPI *interface(struct sobj_state *state)
{
    /* Acquire: pairs with the exchange in sobj__moment_learn. */
    PyObject *capsule = __atomic_load_n(&state->host.datetime, __ATOMIC_ACQUIRE);

    return capsule != NULL ? PyCapsule_GetPointer(capsule, PyDateTime_CAPSULE_NAME)
                           : NULL;
}

bool sobj__moment_learn(struct sobj_state *state)
{
    PyObject *const *texts = state->host.texts;
    PyObject *module, *capsule = NULL, *none = NULL;
    bool known = interface(state) != NULL;

    if (known || state->cleared)
        return known;
    module = sobj__imported(state, texts[SOBJ_TEXT_C_DATETIME]);
    if (module != NULL && PyModule_Check(module))
        capsule =
            sobj__dict_get(PyModule_GetDict(module), texts[SOBJ_TEXT_DATETIME_CAPI]);
    if (capsule != NULL && PyCapsule_IsValid(capsule, PyDateTime_CAPSULE_NAME)) {
        known = true;
        /* AcqRel: of two threads one enters it; the capsule has long been complete. */
        if (__atomic_compare_exchange_n(&state->host.datetime, &none, capsule, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            capsule = NULL; /* it is the state's now */
    }
    Py_XDECREF(capsule);
    Py_XDECREF(module);
    PyErr_Clear();
    return known;
}

enum sobj__class sobj__moment_class(struct sobj_state *state, PyTypeObject *type)
{
    PyDateTime_CAPI *api = interface(state);

    if (api == NULL) {
        if (strncmp(type->tp_name, "datetime.", 9) != 0 || !sobj__moment_learn(state))
            return SOBJ__OF_NO_CLASS;
        api = interface(state);
    }
    if (type == api->DateTimeType)
        return SOBJ__DATETIME;
    if (type == api->DateType)
        return SOBJ__DATE;
    if (type == api->DeltaType)
        return SOBJ__TIMEDELTA;
    if (type == api->TimeType)
        return SOBJ__TIME;
    return Py_IS_TYPE(api->TimeZone_UTC, type) ? SOBJ__TIMEZONE : SOBJ__OF_NO_CLASS;
}

/* Whether `v`, of one of our classes, is of one that is written in C. */
static bool is_native(struct sobj_state *state, PyObject *v)
{
    return sobj__moment_class(state, Py_TYPE(v)) != SOBJ__OF_NO_CLASS;
}

/* ---- taking apart */

/* Returns: the second part of v.__reduce_ex__(4), a tuple; NULL with an exception. */
static PyObject *reduced(PyObject *v)
{
    PyObject *pair = PyObject_CallMethod(v, "__reduce_ex__", "i", 4), *args = NULL;

    if (pair != NULL && PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) >= 2)
        args = Py_NewRef(PyTuple_GET_ITEM(pair, 1));
    if (args == NULL || !PyTuple_Check(args)) {
        if (pair != NULL)
            PyErr_SetString(PyExc_TypeError, "__reduce_ex__ of datetime has changed");
        Py_CLEAR(args);
    }
    Py_XDECREF(pair);
    return args;
}

static int take_reduced_moment(PyObject *v, struct sobj__moment *m)
{
    PyObject *args = reduced(v), *bytes;
    int result = -1;

    if (args == NULL)
        return -1;
    bytes = PyTuple_GET_SIZE(args) != 0 ? PyTuple_GET_ITEM(args, 0) : Py_None;
    if (PyBytes_Check(bytes) && (size_t)PyBytes_GET_SIZE(bytes) == m->size) {
        memcpy(m->data, PyBytes_AS_STRING(bytes), m->size);
        if (PyTuple_GET_SIZE(args) > 1)
            m->zone = Py_NewRef(PyTuple_GET_ITEM(args, 1));
        result = 0;
    } else {
        PyErr_SetString(PyExc_TypeError, "__reduce_ex__ of datetime has changed");
    }
    Py_DECREF(args);
    return result;
}

/* Takes a date, time or datetime apart.
 * Returns: 0, and `zone` is to be dropped; -1 with an exception. */
static int take(struct sobj_state *state, enum sobj__class class, PyObject *v,
                struct sobj__moment *m)
{
    m->zone = NULL;
    m->size = class == SOBJ__DATE   ? SOBJ__DATE_SIZE
              : class == SOBJ__TIME ? SOBJ__TIME_SIZE
                                    : SOBJ__DATETIME_SIZE;
    if (!is_native(state, v))
        return take_reduced_moment(v, m);
    if (class == SOBJ__DATE) {
        memcpy(m->data, ((PyDateTime_Date *)v)->data, SOBJ__DATE_SIZE);
        return 0;
    }
    if (class == SOBJ__TIME) {
        PyDateTime_Time *time = (PyDateTime_Time *)v;
        memcpy(m->data, time->data, SOBJ__TIME_SIZE);
        m->data[0] |= time->fold ? SOBJ__FOLD : 0;
        m->zone = time->hastzinfo ? Py_NewRef(time->tzinfo) : NULL;
    } else {
        PyDateTime_DateTime *moment = (PyDateTime_DateTime *)v;
        memcpy(m->data, moment->data, SOBJ__DATETIME_SIZE);
        m->data[2] |= moment->fold ? SOBJ__FOLD : 0;
        m->zone = moment->hastzinfo ? Py_NewRef(moment->tzinfo) : NULL;
    }
    return 0;
}

int sobj__moment_take_delta(struct sobj_state *state, PyObject *v,
                            struct sobj__delta *delta)
{
    PyObject *args;
    int result = -1;

    if (is_native(state, v)) {
        PyDateTime_Delta *d = (PyDateTime_Delta *)v;
        *delta = (struct sobj__delta){d->days, d->seconds, d->microseconds};
        return 0;
    }
    args = reduced(v);
    if (args != NULL && PyArg_ParseTuple(args, "iii", &delta->days, &delta->seconds,
                                         &delta->microseconds))
        result = 0;
    Py_XDECREF(args);
    return result;
}

int sobj__moment_class_of(struct sobj_encoder *e, PyObject *v)
{
    enum sobj__fault fault;
    PyObject *plan;
    int class;

    if (e->mode == SOBJ__MODE_MESSAGE)
        return (int)sobj__class_known(e->state, Py_TYPE(v));
    class = sobj__class_of(e->state, Py_TYPE(v), &plan, &fault);
    Py_XDECREF(plan);
    return class;
}

int sobj__moment_take_zone(struct sobj_encoder *e, PyObject *v, struct sobj__zone *zone)
{
    PyObject *method = e->state->host.texts[SOBJ_TEXT_GETINITARGS];
    Py_ssize_t n;
    int class;

    zone->args = PyObject_CallMethodNoArgs(v, method);
    if (zone->args == NULL)
        return -1;
    n = PyTuple_Check(zone->args) ? PyTuple_GET_SIZE(zone->args) : 0;
    class = n != 0 ? sobj__moment_class_of(e, PyTuple_GET_ITEM(zone->args, 0)) : 0;
    if (class == SOBJ__TIMEDELTA &&
        (n == 1 || (n == 2 && PyUnicode_CheckExact(PyTuple_GET_ITEM(zone->args, 1)))) &&
        sobj__moment_take_delta(e->state, PyTuple_GET_ITEM(zone->args, 0),
                                &zone->offset) == 0)
        return 0;
    Py_CLEAR(zone->args);
    return PyErr_Occurred() ? -1 : 1;
}

/* Whether it is timezone.utc: there is one of it in each interpreter. */
static bool is_utc(const struct sobj__zone *zone)
{
    const struct sobj__delta *d = &zone->offset;

    return PyTuple_GET_SIZE(zone->args) == 1 && d->days == 0 && d->seconds == 0 &&
           d->microseconds == 0;
}

/* ---- writing */

static enum sobj__step write_delta(struct sobj_encoder *e, PyObject *v)
{
    struct sobj__delta delta;

    if (sobj__moment_take_delta(e->state, v, &delta) < 0)
        return SOBJ__ERROR;
    return sobj__write_atom(e, SOBJ__TIMEDELTA, &delta, sizeof delta);
}

static enum sobj__step write_timezone(struct sobj_encoder *e, PyObject *v)
{
    struct sobj__zone zone;
    int taken = sobj__moment_take_zone(e, v, &zone);
    enum sobj__step step;

    if (taken < 0)
        return SOBJ__ERROR;
    if (taken > 0)
        return sobj__refuse(e, v);
    if (is_utc(&zone)) {
        step = sobj__write_atom(e, SOBJ__TIMEZONE, "", 0);
    } else {
        Py_ssize_t n = PyTuple_GET_SIZE(zone.args);
        step = sobj__write_group(e, SOBJ__TIMEZONE, (size_t)n);
        if (step == SOBJ__DONE)
            step = write_delta(e, PyTuple_GET_ITEM(zone.args, 0));
        if (step == SOBJ__DONE && n == 2)
            step = sobj__write_text(e, PyTuple_GET_ITEM(zone.args, 1));
    }
    Py_DECREF(zone.args);
    return step;
}

/* Returns: whether `zone` is the timezone.utc of the C interface. */
bool sobj__moment_is_utc(struct sobj_state *state, PyObject *zone)
{
    PyDateTime_CAPI *api = interface(state);

    return api != NULL && zone == api->TimeZone_UTC;
}

/* The class of a tzinfo: TIMEZONE, ZONEINFO, or 0 and `v`, whose it is, has been
 * refused; -1 with an exception, which a refusal may be too. */
int sobj__moment_zone_class(struct sobj_encoder *e, PyObject *v, PyObject *zone)
{
    int class = sobj__moment_class_of(e, zone);

    if (class == SOBJ__TIMEZONE || class == SOBJ__ZONEINFO || class < 0)
        return class;
    if (e->mode == SOBJ__MODE_MESSAGE) {
        (void)sobj__refuse(e, v); /* to be pickled */
        return 0;
    }
    sobj__raise_at(e,
                   "has a tzinfo of the class %s; use datetime.timezone or "
                   "zoneinfo.ZoneInfo",
                   Py_TYPE(zone)->tp_name);
    return -1;
}

static enum sobj__step write_zoned(struct sobj_encoder *e, enum sobj__class class,
                                   PyObject *v, struct sobj__moment *m)
{
    enum sobj__step step;
    int of_zone;

    if (m->zone == NULL)
        return sobj__write_atom(e, class, m->data, m->size);
    m->data[m->size] = 1;
    if (sobj__moment_is_utc(e->state, m->zone))
        return sobj__write_atom(e, class, m->data, m->size + 1);
    of_zone = sobj__moment_zone_class(e, v, m->zone);
    if (of_zone <= 0)
        return of_zone < 0 ? SOBJ__ERROR : SOBJ__PICKLE;
    if (of_zone == SOBJ__TIMEZONE) {
        struct sobj__zone zone;
        int taken = sobj__moment_take_zone(e, m->zone, &zone);
        if (taken != 0)
            return taken < 0 ? SOBJ__ERROR : sobj__refuse(e, v);
        bool utc = is_utc(&zone);
        Py_DECREF(zone.args);
        if (utc)
            return sobj__write_atom(e, class, m->data, m->size + 1);
    }
    step = sobj__write_group(e, class, 2);
    if (step == SOBJ__DONE)
        step = sobj__written(sobj_stream_bytes(
            e->out, sobj_stream_header(SOBJ_ST_BYTES, 0, m->size), m->data, m->size));
    if (step != SOBJ__DONE)
        return step;
    return of_zone == SOBJ__TIMEZONE ? write_timezone(e, m->zone)
                                     : sobj__write_standard(e, SOBJ__ZONEINFO, m->zone);
}

enum sobj__step sobj__write_moment(struct sobj_encoder *e, enum sobj__class class,
                                   PyObject *v)
{
    struct sobj__moment m;
    enum sobj__step step;

    if (class == SOBJ__TIMEDELTA)
        return write_delta(e, v);
    if (class == SOBJ__TIMEZONE)
        return write_timezone(e, v);
    if (take(e->state, class, v, &m) < 0)
        return SOBJ__ERROR;
    step = e->mode == SOBJ__MODE_KEY ? sobj__moment_write_key(e, class, v, &m)
                                     : write_zoned(e, class, v, &m);
    Py_XDECREF(m.zone);
    return step;
}

/* ---- making */

/* Finds the classes. Returns: 1 and the C interface; 0 if they are written in Python; -1
 * with an exception. */
static int prepare(struct sobj_state *state, PyDateTime_CAPI **api)
{
    PyObject *class;

    *api = interface(state);
    if (*api == NULL) {
        class = sobj__standard_class(state, SOBJ__DATETIME);
        if (class == NULL)
            return -1;
        Py_DECREF(class);
        if (sobj__moment_learn(state))
            *api = interface(state);
    }
    return *api != NULL;
}

/* Calls a class that is written in Python. */
static PyObject *call(struct sobj_state *state, enum sobj__class class,
                      const char *format, ...)
{
    PyObject *type = sobj__standard_class(state, class), *args, *made = NULL;
    va_list list;

    if (type == NULL)
        return NULL;
    va_start(list, format);
    args = Py_VaBuildValue(format, list);
    va_end(list);
    if (args != NULL)
        made = PyObject_Call(type, args, NULL);
    Py_XDECREF(args);
    Py_DECREF(type);
    return made;
}

static PyObject *make_utc(struct sobj_state *state, PyDateTime_CAPI *api)
{
    PyObject *type, *utc;

    if (api != NULL)
        return Py_NewRef(api->TimeZone_UTC);
    type = sobj__standard_class(state, SOBJ__TIMEZONE);
    if (type == NULL)
        return NULL;
    utc = PyObject_GetAttr(type, state->host.texts[SOBJ_TEXT_UTC]);
    Py_DECREF(type);
    return utc;
}

/* `zone`: borrowed, or NULL for none. */
static PyObject *make_time(struct sobj_state *state, PyDateTime_CAPI *api,
                           const unsigned char *d, PyObject *zone)
{
    if (api != NULL)
        return api->Time_FromTimeAndFold(
            d[0] & ~SOBJ__FOLD, d[1], d[2], sobj__moment_microseconds(d + 3),
            zone != NULL ? zone : Py_None, (d[0] & SOBJ__FOLD) != 0, api->TimeType);
    return zone != NULL
               ? call(state, SOBJ__TIME, "(y#O)", d, (Py_ssize_t)SOBJ__TIME_SIZE, zone)
               : call(state, SOBJ__TIME, "(y#)", d, (Py_ssize_t)SOBJ__TIME_SIZE);
}

static PyObject *make_datetime(struct sobj_state *state, PyDateTime_CAPI *api,
                               const unsigned char *d, PyObject *zone)
{
    if (api != NULL)
        return api->DateTime_FromDateAndTimeAndFold(
            d[0] << 8 | d[1], d[2] & ~SOBJ__FOLD, d[3], d[4], d[5], d[6],
            sobj__moment_microseconds(d + 7), zone != NULL ? zone : Py_None,
            (d[2] & SOBJ__FOLD) != 0, api->DateTimeType);
    return zone != NULL ? call(state, SOBJ__DATETIME, "(y#O)", d,
                               (Py_ssize_t)SOBJ__DATETIME_SIZE, zone)
                        : call(state, SOBJ__DATETIME, "(y#)", d,
                               (Py_ssize_t)SOBJ__DATETIME_SIZE);
}

static PyObject *make_date(struct sobj_state *state, PyDateTime_CAPI *api,
                           const unsigned char *d)
{
    if (api != NULL)
        return api->Date_FromDate(d[0] << 8 | d[1], d[2], d[3], api->DateType);
    return call(state, SOBJ__DATE, "(y#)", d, (Py_ssize_t)SOBJ__DATE_SIZE);
}

static PyObject *make_delta(struct sobj_state *state, PyDateTime_CAPI *api,
                            const void *data)
{
    struct sobj__delta d;

    memcpy(&d, data, sizeof d);
    if (api != NULL)
        return api->Delta_FromDelta(d.days, d.seconds, d.microseconds, 1,
                                    api->DeltaType);
    return call(state, SOBJ__TIMEDELTA, "(iii)", d.days, d.seconds, d.microseconds);
}

PyObject *sobj__make_moment(struct sobj_state *state, enum sobj__class class,
                            const void *data, size_t size)
{
    PyDateTime_CAPI *api;
    PyObject *zone = NULL, *made;

    if (prepare(state, &api) < 0)
        return NULL;
    if (class == SOBJ__DATE)
        return make_date(state, api, data);
    if (class == SOBJ__TIMEDELTA)
        return make_delta(state, api, data);
    if (class == SOBJ__TIMEZONE)
        return make_utc(state, api);
    if (size > (class == SOBJ__TIME ? SOBJ__TIME_SIZE : SOBJ__DATETIME_SIZE)) {
        zone = make_utc(state, api);
        if (zone == NULL)
            return NULL;
    }
    made = class == SOBJ__TIME ? make_time(state, api, data, zone)
                               : make_datetime(state, api, data, zone);
    Py_XDECREF(zone);
    return made;
}

/* The C functions take these parts unseen; our own classes have made them, but a class
 * may have been replaced. */
static int check_parts(PyDateTime_CAPI *api, enum sobj__class class, PyObject *parts)
{
    PyObject *first = PyTuple_GET_ITEM(parts, 0);
    Py_ssize_t n = PyTuple_GET_SIZE(parts);
    bool right;

    if (class == SOBJ__TIMEZONE)
        right =
            api == NULL || (PyObject_TypeCheck(first, api->DeltaType) &&
                            (n == 1 || PyUnicode_Check(PyTuple_GET_ITEM(parts, 1))));
    else
        right = n == 2 && PyBytes_Check(first) &&
                PyBytes_GET_SIZE(first) ==
                    (class == SOBJ__TIME ? SOBJ__TIME_SIZE : SOBJ__DATETIME_SIZE) &&
                (api == NULL ||
                 PyObject_TypeCheck(PyTuple_GET_ITEM(parts, 1), api->TZInfoType));
    if (right)
        return 0;
    PyErr_SetString(PyExc_TypeError, "its parts are of other classes here");
    return -1;
}

PyObject *sobj__make_zoned(struct sobj_state *state, enum sobj__class class,
                           PyObject *parts)
{
    PyObject *second = PyTuple_GET_SIZE(parts) > 1 ? PyTuple_GET_ITEM(parts, 1) : NULL;
    PyDateTime_CAPI *api;
    const unsigned char *data;

    if (prepare(state, &api) < 0 || check_parts(api, class, parts) < 0)
        return NULL;
    if (class == SOBJ__TIMEZONE) {
        if (api != NULL)
            return api->TimeZone_FromTimeZone(PyTuple_GET_ITEM(parts, 0), second);
        return sobj__make_standard(state, class, parts);
    }
    data = (const unsigned char *)PyBytes_AS_STRING(PyTuple_GET_ITEM(parts, 0));
    return class == SOBJ__TIME ? make_time(state, api, data, second)
                               : make_datetime(state, api, data, second);
}

PyObject *sobj__moment_make(struct sobj_state *state, const unsigned char *data,
                            PyObject *zone)
{
    PyDateTime_CAPI *api;

    return prepare(state, &api) < 0 ? NULL : make_datetime(state, api, data, zone);
}
