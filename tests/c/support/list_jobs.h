/* SPDX-License-Identifier: MIT */
/* What the threads of list tests do that are stopped on the way (pause.h). */
#ifndef SUPPORT_LIST_JOBS_H
#define SUPPORT_LIST_JOBS_H

#include <unistd.h>

#include "list_check.h"
#include "list_internal.h"
#include "lists.h"
#include "pause.h"

#define JOB_MANY 64 /* items that job_get_many asks for */
struct job {
    struct sobj_object *l;
    int64_t index, value, expected;
    size_t count;
    enum sobj_status status;
    struct number_out out;
    sobj_cell sum;
    int64_t many[JOB_MANY];
};

static inline void job_get(void *context)
{
    struct job *j = context;

    j->out = number_out();
    j->status = sobj_list_get(j->l, j->index, &j->out.out);
}

static inline void job_look(void *context)
{
    struct job *j = context;

    j->sum = sobj_list_look(j->l, j->index);
}

static inline void take_slowly(struct sobj_out *out)
{
    SOBJ_PAUSE("list.taken");
    take_number(out);
}

/* Stops at "list.taken", with an item that is a blob in its hands. */
static inline void job_get_slowly(void *context)
{
    struct job *j = context;

    j->out = number_out();
    j->out.out.take = take_slowly;
    j->status = sobj_list_get(j->l, j->index, &j->out.out);
}

static inline void job_get_many(void *context)
{
    struct job *j = context;
    struct sobj_out outs[JOB_MANY];

    for (int i = 0; i < JOB_MANY; i++)
        outs[i].take = sobj_out_ref;
    j->count = sobj_list_get_many(j->l, (uint64_t)j->index, JOB_MANY, outs);
    for (size_t i = 0; i < j->count; i++) {
        j->many[i] = number_of(outs[i].cell);
        sobj_cell_unref(outs[i].cell);
    }
}

static inline void job_set(void *context)
{
    struct job *j = context;

    j->status = sobj_list_set(j->l, j->index, cell_of(j->value));
}

static inline void job_set_hosted(void *context)
{
    struct job *j = context;

    j->status = sobj_list_set(j->l, j->index, hosted_cell_of(j->value));
}

static inline void job_exchange(void *context)
{
    struct job *j = context;

    j->out = number_out();
    j->status = sobj_list_exchange(j->l, j->index, cell_of(j->value), &j->out.out);
}

static inline void job_compare(void *context)
{
    struct job *j = context;
    sobj_cell expected = cell_of(j->expected);

    j->status = sobj_list_compare_and_set(j->l, j->index, expected, cell_of(j->value));
    sobj_cell_unref(expected);
}

static inline void job_increment(void *context)
{
    struct job *j = context;

    j->status = sobj_list_increment(j->l, j->index, sobj_from_int(j->value), &j->sum);
}

static inline void job_push(void *context)
{
    struct job *j = context;

    j->status = sobj_list_push(j->l, cell_of(j->value), NULL);
}

static inline void job_extend(void *context)
{
    struct job *j = context;

    j->status = list_extend(j->l, j->value, j->count);
}

static inline void job_extend_draft(void *context)
{
    struct job *j = context;
    struct sobj_list_draft *draft = sobj_list_draft_new(j->count);

    for (size_t i = 0, one; i < j->count; i++) {
        one = 1;
        *sobj_list_draft_row(draft, i, &one) = cell_of(j->value + (int64_t)i);
    }
    j->status = sobj_list_extend_draft(j->l, draft);
}

static inline void job_pop(void *context)
{
    struct job *j = context;

    j->out = number_out();
    j->status = sobj_list_pop(j->l, j->index, &j->out.out);
}

/* Deletes all from `index` on. */
static inline void job_cut(void *context)
{
    struct job *j = context;
    struct sobj_slice slice = {j->index, INT64_MAX, 1};

    j->status = sobj_list_delete_slice(j->l, &slice);
}

static inline void job_insert(void *context)
{
    struct job *j = context;

    j->status = sobj_list_insert(j->l, j->index, cell_of(j->value));
}

static inline void job_replace(void *context)
{
    struct job *j = context;
    sobj_cell c = cell_of(j->value);

    j->status = sobj_list_replace(j->l, &c, 1);
}

static inline void job_freeze(void *context)
{
    struct job *j = context;

    sobj_list_freeze(j->l);
}

static inline void end(struct sobj_object *l, const struct balance *b, const char *name)
{
    sobj_collect();
    list_check(l, name);
    sobj_unref(l);
    balance_check(b, name);
}

#endif
