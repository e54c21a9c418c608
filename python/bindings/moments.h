/* SPDX-License-Identifier: MIT */
/* Dates and times in parts: what moments.c and moment_keys.c share. */
#ifndef SOBJ_MOMENTS_H
#define SOBJ_MOMENTS_H

#include "kinds.h"

/* Bytes of a date, time and datetime; see kinds.h. */
#define SOBJ__DATE_SIZE 4
#define SOBJ__TIME_SIZE 6
#define SOBJ__DATETIME_SIZE 10
#define SOBJ__FOLD 0x80 /* in the hour of a time, the month of a datetime */

struct sobj__moment {
    unsigned char data[SOBJ__DATETIME_SIZE + 1];
    size_t size;
    PyObject *zone; /* owned, or NULL */
};

struct sobj__delta {
    int32_t days, seconds, microseconds;
};

struct sobj__zone {
    PyObject *args; /* a tuple: (offset,) or (offset, name); owned */
    struct sobj__delta offset;
};

static inline int sobj__moment_microseconds(const unsigned char *three)
{
    return three[0] << 16 | three[1] << 8 | three[2];
}

/* Which of our classes `v` is exactly of; -1 with an exception. */
int sobj__moment_class_of(struct sobj_encoder *e, PyObject *v);
/* Takes a timedelta apart. Returns: 0; -1 with an exception. */
int sobj__moment_take_delta(struct sobj_state *state, PyObject *v,
                            struct sobj__delta *delta);
/* Takes a timezone apart. Returns: 0, and `args` is to be dropped; 1 if its parts are not
 * of the exact types; -1 with an exception. */
int sobj__moment_take_zone(struct sobj_encoder *e, PyObject *v,
                           struct sobj__zone *zone);
/* Whether `zone` is the timezone.utc of the classes written in C. */
bool sobj__moment_is_utc(struct sobj_state *state, PyObject *zone);
/* The class of the tzinfo `zone` of `v`. Returns: TIMEZONE, ZONEINFO; 0 if `v` is to be
 * pickled; -1 with an exception, which a refusal may be too. */
int sobj__moment_zone_class(struct sobj_encoder *e, PyObject *v, PyObject *zone);
/* Writes the date, time or datetime `v`, whose parts are `m`, as a key. */
enum sobj__step sobj__moment_write_key(struct sobj_encoder *e, enum sobj__class class,
                                       PyObject *v, struct sobj__moment *m);
/* Returns: a datetime of `data`; `zone` is borrowed, or NULL for none. */
PyObject *sobj__moment_make(struct sobj_state *state, const unsigned char *data,
                            PyObject *zone);

#endif
