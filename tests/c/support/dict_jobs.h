/* SPDX-License-Identifier: MIT */
/* What the threads of dict tests do that are stopped on the way (pause.h), and small
 * dicts for them. */
#ifndef SUPPORT_DICT_JOBS_H
#define SUPPORT_DICT_JOBS_H

#include "dict_check.h"
#include "dict_internal.h"
#include "dict_keys.h"
#include "pause.h"
#include "sharedobj/dict_wait.h"
#include "tap.h"

struct job {
    struct sobj_object *d;
    int64_t number, value, last;
    enum sobj_status status;
    sobj_cell cell;
};

static inline void job_set(void *context)
{
    struct job *j = context;
    struct test_key k;

    j->status = sobj_dict_set(j->d, test_key(&k, j->number, false),
                              test_value(j->number, j->value));
}

static inline void job_remove(void *context)
{
    struct job *j = context;
    struct test_key k;

    j->status = sobj_dict_remove(j->d, test_key(&k, j->number, false), NULL);
}

static inline void job_remove_range(void *context)
{
    struct job *j = context;
    struct test_key k;

    for (int64_t i = j->number; i <= j->last; i++)
        sobj_dict_remove(j->d, test_key(&k, i, false), NULL);
}

static inline void job_increment(void *context)
{
    struct job *j = context;
    struct test_key k;

    j->status =
        sobj_dict_increment(j->d, test_key(&k, j->number, false),
                            sobj_from_int(j->value), sobj_from_int(0), &j->cell);
}

static inline void job_pop(void *context)
{
    struct job *j = context;

    j->number = dict_pop(j->d);
}

static inline void job_clear(void *context)
{
    struct job *j = context;

    j->status = sobj_dict_clear(j->d);
}

static inline void job_clear_and_free(void *context)
{
    job_clear(context);
    sobj_collect();
}

/* The key by itself, for waits and flights. */
static inline struct sobj_dict_key *key_of(struct sobj_object *d, int64_t number)
{
    struct sobj_dict_key *k = NULL;
    struct test_key key;

    expect(sobj_dict_key_new(d, test_key(&key, number, false), &k) == SOBJ_OK, "key");
    return k;
}

static inline struct sobj_object *dict_with(int64_t keys)
{
    struct sobj_object *d = dict_new();

    for (int64_t i = 0; i < keys; i++)
        dict_put(d, i, i + 1);
    return d;
}

static inline struct sobj__table *root(struct sobj_object *d)
{
    return sobj_load_acquire(&sobj__dict_of(d)->root); /* Acquire: as the core does. */
}

static inline void end(struct sobj_object *d, const char *name)
{
    sobj_collect();
    dict_check(d, name);
    sobj_unref(d);
}

static inline struct sobj__table *after(struct sobj__table *t)
{
    return sobj_load_acquire(&t->next); /* Acquire: as the core does. */
}

#endif
