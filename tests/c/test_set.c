/* SPDX-License-Identifier: MIT */
/* Sets: what makes them more than a dict with one value is their type. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dict_jobs.h"
#include "object.h"

static struct sobj_object *set_new(void)
{
    struct sobj_object *s = NULL;

    expect(sobj_set_new(0, &s) == SOBJ_OK, "new set");
    return s;
}

static enum sobj_status put(struct sobj_object *s, int64_t number)
{
    struct test_key k;

    return sobj_dict_add(s, test_key(&k, number, false), SOBJ_TRUE, NULL);
}

static bool holds(struct sobj_object *s, int64_t number)
{
    struct test_key k;

    return sobj_dict_get(s, test_key(&k, number, false), NULL) == SOBJ_OK;
}

static void see(const struct sobj_entry *e, void *context)
{
    expect(e->value == SOBJ_TRUE, "the value of all");
    *(int64_t *)context = entry_number(e);
}

static struct sobj_object *set_with(int64_t items)
{
    struct sobj_object *s = set_new();

    for (int64_t i = 0; i < items; i++)
        expect(put(s, i) == SOBJ_OK, "put %lld", (long long)i);
    return s;
}

static void types(void)
{
    struct sobj_object *s = set_new(), *d = dict_new(), *found = NULL;

    ok(sobj_type_of(s) == SOBJ_TYPE_SET && sobj_type_of(d) == SOBJ_TYPE_DICT,
       "each has its type");
    ok(strcmp(s->type->name, "SharedSet") == 0 &&
           strcmp(d->type->name, "SharedDict") == 0,
       "and name");
    ok(sobj_attach(sobj_id_of(s), &found) == SOBJ_OK && found == s, "found by its id");
    sobj_unref(found);
    end(s, "set");
    end(d, "dict");
}

static void items(void)
{
    struct sobj_object *s = set_new();
    int64_t last = -1;

    ok(put(s, 1) == SOBJ_OK && put(s, 1) == SOBJ_EXISTS && put(s, 2) == SOBJ_OK,
       "an item is added once");
    ok(dict_drop(s, 1) && !dict_drop(s, 1) && !holds(s, 1) && holds(s, 2),
       "and removed once");
    ok(put(s, 1) == SOBJ_OK && sobj_dict_remove_last(s, see, &last) == SOBJ_OK &&
           last == 1 && sobj_dict_len(s) == 1,
       "the last one is the one added last");
    end(s, "items");
}

static void copies(void)
{
    struct sobj_object *s = set_with(500), *copy = NULL;
    struct sobj_dict_iter it;
    int64_t seen = -1, next = 0;

    ok(sobj_dict_copy(s, &copy) == SOBJ_OK && sobj_type_of(copy) == SOBJ_TYPE_SET,
       "the copy of a set is a set");
    dict_drop(s, 0);
    sobj_dict_iter_init(&it, copy);
    while (sobj_dict_iter_next(&it, see, &seen) == SOBJ_OK)
        expect(seen == next++, "item %lld", (long long)seen);
    sobj_dict_iter_fini(&it);
    ok(next == 500, "with all of it");
    end(copy, "copy");
    end(s, "copied");
}

static void replaces(void)
{
    struct sobj_object *s = set_with(30), *other = set_new();

    expect(put(other, 100) == SOBJ_OK, "put");
    ok(sobj_dict_replace(s, other) == SOBJ_OK && sobj_dict_len(s) == 1 &&
           holds(s, 100) && !holds(s, 3) && sobj_dict_len(other) == 0,
       "the content of another set");
    ok(sobj_type_of(s) == SOBJ_TYPE_SET && sobj_type_of(other) == SOBJ_TYPE_SET,
       "not its type");
    sobj_dict_freeze(s);
    ok(put(s, 5) == SOBJ_FROZEN && sobj_dict_frozen(s) && !sobj_dict_frozen(other),
       "frozen");
    sobj_unref(other);
    end(s, "replaced");
}

static void faults(void *context)
{
    struct sobj_object *s = NULL, *copy = NULL;
    int64_t count = 0;

    (void)context;
    if (sobj_set_new(40, &s) != SOBJ_OK)
        return;
    for (int64_t i = 0; i < 60; i++)
        count += put(s, i) == SOBJ_OK;
    expect((int64_t)sobj_dict_len(s) == count, "all that was added");
    if (sobj_dict_copy(s, &copy) == SOBJ_OK) {
        expect(sobj_dict_len(copy) == (size_t)count, "a copy is whole");
        sobj_unref(copy);
    }
    sobj_unref(s);
}

/* A thread that has vanished in a fork held the set's writers back. */
static void job_snapshot(void *context)
{
    struct job *j = context;
    struct sobj_dict_snapshot *snapshot = dict_snap(j->d);

    SOBJ_PAUSE("test.snapshot");
    sobj_dict_snapshot_end(snapshot);
    j->status = SOBJ_OK;
}

static void forks(void)
{
    struct sobj_object *s = set_with(50);
    struct job j = {.d = s, .status = SOBJ_STALE};
    struct pause p;
    int status = -1;

    ok(pause_at(&p, "test.snapshot", 0, job_snapshot, &j), "another thread reads");
    pid_t pid = fork();
    if (pid == 0) {
        alarm(HANG_SECONDS);
        expect((sobj__mode(s) & SOBJ__LOG) == 0, "its snapshot is gone in the child");
        expect(dict_drop(s, 7) && put(s, 7) == SOBJ_OK && put(s, 700) == SOBJ_OK,
               "changes there");
        sobj_collect();
        dict_check(s, "in the child");
        _exit(tap_failures() != 0);
    }
    waitpid(pid, &status, 0);
    ok(status == 0, "the child: %x", status);
    pause_go(&p);
    ok(j.status == SOBJ_OK && !holds(s, 700), "the parent's is untouched");
    pause_end(&p);
    end(s, "fork");
}

int main(void)
{
    tap_begin();
    struct balance b = balance_begin();

    types();
    items();
    copies();
    replaces();
    fault_walk("sets", faults, NULL, NULL);
    forks();
    balance_check(&b, "sets");
    return tap_end();
}
