/* SPDX-License-Identifier: MIT */
/* Dates and times as keys: their canonical forms, by Python's equality.
 *
 * Naive ones are equal by their fields, whatever the fold. Aware ones are compared in
 * UTC, with one exception (PEP 495): where the offset depends on the fold (a time that
 * the zone has twice, or skips) a datetime equals only those of the very same zone with
 * the same fields. A zone that gives no offset makes a time naive.
 */
#include "moments.h"
#include "state.h"

#define SECOND ((int64_t)1000000)
#define DAY (86400 * SECOND)

static int64_t days_before(int year, int month, int day)
{
    static const int before[] = {0,   0,   31,  59,  90,  120, 151,
                                 181, 212, 243, 273, 304, 334};
    int y = year - 1;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return (int64_t)y * 365 + y / 4 - y / 100 + y / 400 + before[month] +
           (month > 2 && leap) + day - 1;
}

static int64_t time_of(const unsigned char *d)
{
    return ((d[0] & ~SOBJ__FOLD) * 3600 + d[1] * 60 + d[2]) * SECOND;
}

static int64_t instant_of(const unsigned char *d, const struct sobj__delta *offset)
{
    return days_before(d[0] << 8 | d[1], d[2] & ~SOBJ__FOLD, d[3]) * DAY +
           time_of(d + 4) + sobj__moment_microseconds(d + 7) - offset->days * DAY -
           offset->seconds * SECOND - offset->microseconds;
}

/* As time.__eq__, which does not see the microseconds of an offset. */
static int64_t time_instant_of(const unsigned char *d, const struct sobj__delta *offset)
{
    return time_of(d) - offset->days * DAY - offset->seconds * SECOND +
           sobj__moment_microseconds(d + 3);
}

/* zone.utcoffset(argument). Returns: 1 and the offset; 0 if there is none; -1. */
static int offset_at(struct sobj_encoder *e, PyObject *zone, PyObject *argument,
                     struct sobj__delta *offset)
{
    PyObject *method = e->state->host.texts[SOBJ_TEXT_UTCOFFSET];
    PyObject *found = PyObject_CallMethodOneArg(zone, method, argument);
    int result = -1, class;

    if (found == NULL)
        return -1;
    if (found == Py_None) {
        result = 0;
    } else {
        class = sobj__moment_class_of(e, found);
        if (class == SOBJ__TIMEDELTA)
            result = sobj__moment_take_delta(e->state, found, offset) == 0 ? 1 : -1;
        else if (class >= 0)
            PyErr_SetString(PyExc_TypeError, "utcoffset() has returned no timedelta");
    }
    Py_DECREF(found);
    return result;
}

/* The same for the fields in `d` with this fold. */
static int offset_with_fold(struct sobj_encoder *e, const unsigned char *d,
                            PyObject *zone, bool fold, struct sobj__delta *offset)
{
    unsigned char folded[SOBJ__DATETIME_SIZE];
    PyObject *v;
    int result;

    memcpy(folded, d, sizeof folded);
    folded[2] = (unsigned char)((d[2] & ~SOBJ__FOLD) | (fold ? SOBJ__FOLD : 0));
    v = sobj__moment_make(e->state, folded, zone);
    result = v != NULL ? offset_at(e, zone, v, offset) : -1;
    Py_XDECREF(v);
    return result;
}

static enum sobj__step write_naive(struct sobj_encoder *e, enum sobj__class class,
                                   struct sobj__moment *m)
{
    unsigned char *with_fold = &m->data[class == SOBJ__TIME ? 0 : 2];

    if (class != SOBJ__DATE && *with_fold & SOBJ__FOLD) {
        *with_fold &= (unsigned char)~SOBJ__FOLD;
        e->changed = true;
    }
    if (m->zone != NULL)
        e->changed = true;
    return sobj__write_atom(e, class, m->data, m->size);
}

static enum sobj__step write_instant(struct sobj_encoder *e, enum sobj__class class,
                                     struct sobj__moment *m,
                                     const struct sobj__delta *offset)
{
    int64_t instant = class == SOBJ__TIME ? time_instant_of(m->data, offset)
                                          : instant_of(m->data, offset);

    e->changed = true;
    return sobj__write_atom(e, class == SOBJ__TIME ? SOBJ__INSTANT_TIME : SOBJ__INSTANT,
                            &instant, sizeof instant);
}

/* A time that the zone has twice or not at all. */
static enum sobj__step write_wall_time(struct sobj_encoder *e, struct sobj__moment *m)
{
    enum sobj__step step = sobj__write_group(e, SOBJ__WALL_TIME, 2);

    e->changed = true;
    m->data[2] &= (unsigned char)~SOBJ__FOLD;
    if (step == SOBJ__DONE)
        step = sobj__write_atom(e, SOBJ__DATETIME, m->data, m->size);
    return step == SOBJ__DONE ? sobj__write_standard(e, SOBJ__ZONEINFO, m->zone) : step;
}

static bool same_offset(const struct sobj__delta *a, const struct sobj__delta *b)
{
    return a->days == b->days && a->seconds == b->seconds &&
           a->microseconds == b->microseconds;
}

static enum sobj__step write_in_zone(struct sobj_encoder *e, enum sobj__class class,
                                     struct sobj__moment *m)
{
    struct sobj__delta first, second;
    int a, b;

    if (class == SOBJ__TIME) {
        a = offset_at(e, m->zone, Py_None, &first);
        b = a;
        second = first;
    } else {
        a = offset_with_fold(e, m->data, m->zone, false, &first);
        b = a >= 0 ? offset_with_fold(e, m->data, m->zone, true, &second) : -1;
    }
    if (a < 0 || b < 0)
        return SOBJ__ERROR;
    if (a == 0 && b == 0)
        return write_naive(e, class, m);
    if (a != b || !same_offset(&first, &second))
        return write_wall_time(e, m);
    return write_instant(e, class, m, &first);
}

/* `m` has a zone. */
static enum sobj__step write_aware(struct sobj_encoder *e, enum sobj__class class,
                                   PyObject *v, struct sobj__moment *m)
{
    struct sobj__zone zone = {.args = NULL};
    int of_zone, taken;

    if (sobj__moment_is_utc(e->state, m->zone))
        return write_instant(e, class, m, &zone.offset);
    of_zone = sobj__moment_zone_class(e, v, m->zone);
    if (of_zone < 0)
        return SOBJ__ERROR;
    if (of_zone == SOBJ__ZONEINFO)
        return write_in_zone(e, class, m);
    taken = sobj__moment_take_zone(e, m->zone, &zone);
    if (taken != 0)
        return taken < 0 ? SOBJ__ERROR : sobj__refuse(e, v);
    Py_DECREF(zone.args);
    return write_instant(e, class, m, &zone.offset);
}

enum sobj__step sobj__moment_write_key(struct sobj_encoder *e, enum sobj__class class,
                                       PyObject *v, struct sobj__moment *m)
{
    return m->zone == NULL ? write_naive(e, class, m) : write_aware(e, class, v, m);
}
