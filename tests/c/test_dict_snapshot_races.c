/* SPDX-License-Identifier: MIT */
/* Interleavings of snapshots, replace and freeze with changes, one by one: a thread is
 * stopped between two of its steps, others do what might go wrong then, and it goes on.
 * The names are those of dict_snapshot.h, gate.h and dict_internal.h. */
#include <string.h>

#include "dict_jobs.h"
#include "dict_snapshot.h"

/* Key 1 of dict_with() has an int, key 2 a blob. */

static void job_snap(void *context)
{
    struct job *j = context;
    struct sobj_dict_snapshot *s = dict_snap(j->d);

    j->status = snap_rest_is(s, 0, j->last, 1) ? SOBJ_OK : SOBJ_MISMATCH;
    sobj_dict_snapshot_end(s);
}

static void job_freeze(void *context) { sobj_dict_freeze(((struct job *)context)->d); }

static void job_replace(void *context)
{
    struct job *j = context;
    struct sobj_object *other = dict_with(3);

    j->status = sobj_dict_replace(j->d, other);
    sobj_unref(other);
}

static void job_reserve(void *context)
{
    sobj_dict_reserve(((struct job *)context)->d, 5000);
}

static void job_add(void *context)
{
    struct job *j = context;
    struct test_key k;

    j->status = sobj_dict_add(j->d, test_key(&k, 70, false), test_value(70, 3), NULL);
}

static void job_exchange(void *context)
{
    struct job *j = context;
    struct test_key k;

    j->status = sobj_dict_exchange(j->d, test_key(&k, j->number, false),
                                   test_value(j->number, 60), NULL);
}

static void job_compare(void *context)
{
    struct job *j = context;
    struct test_key k;
    sobj_cell expected = test_value(j->number, j->number + 1);

    j->status = sobj_dict_compare_and_set(j->d, test_key(&k, j->number, false),
                                          expected, test_value(j->number, 61));
    sobj_cell_unref(expected);
}

static void job_compare_and_delete(void *context)
{
    struct job *j = context;
    struct test_key k;
    sobj_cell expected = test_value(j->number, j->number + 1);

    j->status = sobj_dict_compare_and_set(j->d, test_key(&k, j->number, false),
                                          expected, SOBJ_MISSING);
    sobj_cell_unref(expected);
}

static void job_remove_last(void *context)
{
    struct job *j = context;
    int64_t seen[3];

    j->status = sobj_dict_remove_last(j->d, dict_see, seen);
}

static const struct {
    const char *name;
    void (*work)(void *context);
    const char *point; /* before its exchange of a node's value; NULL: has none */
} changes[] = {
    {"set", job_set, "dict.store"},
    {"exchange", job_exchange, "dict.store"},
    {"increment", job_increment, "dict.store"},
    {"remove", job_remove, "dict.replace"},
    {"remove_last", job_remove_last, "dict.replace"},
    {"compare_and_set", job_compare, "dict.replace"},
    {"compare and delete", job_compare_and_delete, "dict.replace"},
    {"add", job_add, NULL},
    {"clear", job_clear, NULL},
    {"replace", job_replace, NULL},
    {"reserve", job_reserve, NULL},
};
#define CHANGES (sizeof changes / sizeof *changes)

/* ---- the gate */

/* Each kind of change waits while the gate is closed (W1), and so the snapshot shows
 * nothing of it. */
static void changes_wait(void)
{
    for (size_t i = 0; i < CHANGES; i++) {
        struct sobj_object *d = dict_with(30);
        struct job j = {.d = d, .number = 1, .value = 40}, r = {.d = d, .last = 29};
        struct pause p, q;

        ok(pause_at(&p, "gate.grace", 0, job_snap, &r) &&
               pause_at(&q, "gate.wait", 0, changes[i].work, &j),
           "%s waits for the cut", changes[i].name);
        ok(sobj_dict_len(d) == 30 && dict_look(d, 1) == 2 && dict_look(d, 70) == -1 &&
               after(root(d)) == NULL,
           "nothing happens meanwhile");
        pause_end(&p);
        ok(r.status == SOBJ_OK, "the snapshot shows nothing of it");
        pause_end(&q);
        if (changes[i].work == job_reserve)
            ok(root(d)->mask > 5000, "then it happens");
        else
            ok(j.status == SOBJ_OK && (sobj_dict_len(d) != 30 || dict_look(d, 1) != 2),
               "then it happens: %s", sobj_status_str(j.status));
        end(d, changes[i].name);
    }
}

struct taking {
    struct sobj_object *d, *other;
    enum sobj_status status;
};

static void job_take(void *context)
{
    struct taking *t = context;

    t->status = sobj_dict_replace(t->d, t->other);
}

/* The content of another dict is taken when nobody changes it (W2). */
static void taken_at_a_moment(void)
{
    struct taking t = {.d = dict_with(2), .other = dict_with(30)};
    struct job j = {.d = t.other, .number = 1, .value = 40}, k = j;
    struct pause p, q, r;

    ok(pause_at(&p, "dict.store", 0, job_set, &j), "the other dict is being changed");
    ok(pause_at(&q, "gate.close", 0, job_take, &t), "who takes its content waits");
    k.number = 3;
    ok(pause_at(&r, "gate.wait", 0, job_set, &k), "so does who comes to change it now");
    ok(sobj_dict_len(t.d) == 2 && sobj_dict_len(t.other) == 30, "nothing is taken yet");
    pause_end(&p);
    pause_end(&q);
    pause_end(&r);
    ok(t.status == SOBJ_OK && sobj_dict_len(t.d) == 30 && dict_look(t.d, 1) == 40,
       "then all is taken, with the change");
    ok(dict_look(t.d, 3) == 4 && dict_look(t.other, 3) == 40 &&
           sobj_dict_len(t.other) == 1,
       "the later one is made in the dict that was asked for");
    end(t.d, "taken");
    end(t.other, "taken from");
}

/* The cut is not before the moment: of what comes between the call and the moment all is
 * shown, not just what happens to lie before the cut. */
static void cut_is_the_moment(void)
{
    struct sobj_object *d = dict_with(30);
    struct job first = {.d = d, .last = 29}, second = {.d = d, .last = 30};
    struct pause p, q;

    dict_put(d, 5, 100);
    ok(pause_at(&p, "gate.grace", 0, job_snap, &first) &&
           pause_at(&q, "gate.wait", 0, job_snap, &second),
       "two snapshots, one after the other");
    pause_end(&p);
    ok(first.status == SOBJ_MISMATCH, "the first shows what is there");
    dict_put(d, 30, 31);
    dict_put(d, 5, 6);
    pause_end(&q);
    ok(second.status == SOBJ_OK, "the second an insertion and a change after it");
    end(d, "cut");
}

/* ---- saving */

/* A change has saved what was there before it does anything (S1). */
static void saves_first(void)
{
    for (size_t i = 0; i < CHANGES && changes[i].point != NULL; i++) {
        for (int64_t n = 1; n <= 2; n++) {
            if (changes[i].work == job_increment && n == 2)
                continue; /* a blob has none */
            struct sobj_object *d = dict_with(30);
            struct job j = {.d = d, .number = n, .value = 40};
            struct sobj_dict_snapshot *s = dict_snap(d), *t = dict_snap(d);
            struct sobj_dict_snapshot *u = dict_snap(d);
            struct pause p;

            ok(pause_at(&p, "snapshot.save", 0, changes[i].work, &j),
               "%s of key %d is about to save", changes[i].name, (int)n);
            ok(snap_rest_is(s, 0, 29, 1), "it has changed nothing yet");
            sobj_dict_snapshot_end(s);
            pause_end(&p);
            ok(snap_rest_is(t, 0, 29, 1), "what it has changed is shown as it was");
            sobj_dict_snapshot_end(t);
            sobj_collect();
            ok(snap_rest_is(u, 0, 29, 1), "for as long as it is wanted");
            sobj_dict_snapshot_end(u);
            if (changes[i].work == job_remove_last)
                ok(dict_look(d, 29) == -1, "and gone it is");
            else
                ok(dict_look(d, n) != n + 1, "and changed it is");
            end(d, changes[i].name);
        }
    }
}

/* Two changers of one node both find it unsaved; one is overtaken by the other (S2). */
static void both_save(void)
{
    struct sobj_object *d = dict_with(30);
    struct job j = {.d = d, .number = 2, .value = 60}, k = j;
    struct sobj_dict_snapshot *s = dict_snap(d);
    struct pause p, q;

    k.value = 63;
    ok(pause_at(&p, "snapshot.save", 0, job_set, &j), "a store is about to save");
    ok(pause_at(&q, "dict.store", 0, job_set, &k), "another one has saved");
    pause_go(&q);
    dict_drop(d, 2);
    dict_put(d, 2, 66);
    pause_end(&p);
    pause_end(&q);
    ok(snap_rest_is(s, 0, 29, 1), "the value at the cut is shown");
    sobj_dict_snapshot_end(s);
    end(d, "both save");
}

/* The reader looks at the value before it looks for a saved one (S4). */
static void reader_is_overtaken(void)
{
    struct sobj_object *d = dict_with(3);
    struct job r = {.d = d, .last = 2};
    struct pause p;

    for (int64_t n = 0; n < 3; n++) {
        ok(pause_at(&p, "snapshot.value", (unsigned)n, job_snap, &r),
           "a reader stops at key %d", (int)n);
        dict_put(d, n, 66);
        dict_drop(d, n);
        pause_end(&p);
        ok(r.status == SOBJ_OK, "what changes now is shown as it was");
        sobj_unref(d);
        r.d = d = dict_with(3);
    }
    end(d, "overtaken");
}

/* A change that was under way when the content went still saves for those who read it,
 * and does not touch what came after it (W2). */
static void saves_in_what_has_gone(void)
{
    struct sobj_object *d = dict_with(30);
    struct sobj_dict_snapshot *s = dict_snap(d);
    struct job j = {.d = d, .number = 2, .value = 60}, k = {.d = d, .number = 4};
    struct pause p, q;

    ok(pause_at(&p, "dict.change", 0, job_set, &j), "a store stops");
    ok(pause_at(&q, "dict.change", 0, job_remove, &k), "a removal stops");
    expect(sobj_dict_clear(d) == SOBJ_OK, "clear");
    dict_put(d, 2, 9);
    pause_go(&p);
    pause_go(&q);
    pause_end(&p);
    pause_end(&q);
    sobj_collect();
    ok(dict_look(d, 2) == 9 && sobj_dict_len(d) == 1, "they came before clear()");
    ok(snap_rest_is(s, 0, 29, 1), "and after the snapshot");
    sobj_dict_snapshot_end(s);
    end(d, "gone");
}

/* A snapshot ends while somebody saves into it (S6). */
static void ends_under_a_changer(void)
{
    struct sobj_object *d = dict_with(30);
    struct sobj_dict_snapshot *s = dict_snap(d), *t = dict_snap(d);
    struct job j = {.d = d, .number = 2, .value = 60};
    struct pause p;

    ok(pause_at(&p, "snapshot.save", 0, job_set, &j), "a store saves");
    sobj_dict_snapshot_end(t); /* the younger one: it is first in the list */
    pause_end(&p);
    ok(snap_rest_is(s, 0, 29, 1), "for the other snapshot, too");
    sobj_dict_snapshot_end(s);
    ok(dict_look(d, 2) == 60, "and stores");
    end(d, "ends under a changer");
}

/* ---- freeze */

static void freeze_waits_for_changes(void)
{
    for (size_t i = 0; i < CHANGES && changes[i].point != NULL; i++) {
        struct sobj_object *d = dict_with(30);
        struct job j = {.d = d, .number = 1, .value = 40}, f = {.d = d}, k = j;
        struct pause p, q, r;

        ok(pause_at(&p, changes[i].point, 0, changes[i].work, &j),
           "%s stops before its exchange", changes[i].name);
        ok(pause_at(&q, "gate.close", 0, job_freeze, &f), "freeze waits for it");
        ok(!sobj_dict_frozen(d), "nobody sees it frozen yet");
        ok(pause_at(&r, "gate.wait", 0, changes[i].work, &k), "what comes now waits");
        pause_end(&p);
        ok(j.status == SOBJ_OK, "%s is done", changes[i].name);
        pause_end(&q);
        pause_end(&r);
        ok(sobj_dict_frozen(d) && k.status == SOBJ_FROZEN, "the other one is not");
        end(d, "freeze");
    }
}

/* ---- the content word (W3) */

static uint64_t content(struct sobj_object *d)
{
    return sobj_load_seq_cst(&sobj__dict_of(d)->content);
}

static bool settled(uint64_t word) { return (uint32_t)word == word >> 32; }

static void content_is_counted(void)
{
    static void (*const jobs[])(void *) = {job_clear, job_replace};

    for (int i = 0; i < 2; i++) {
        struct sobj_object *d = dict_with(30);
        struct job j = {.d = d};
        uint64_t before = content(d);
        struct pause p;

        /* replace: its first exchange is that of the other dict. */
        ok(settled(before) && pause_at(&p, "dict.clear", (unsigned)i, jobs[i], &j),
           "somebody is about to exchange the root");
        ok(!settled(content(d)) && content(d) >> 32 == (before >> 32) + 1 &&
               dict_look(d, 1) == 2,
           "which is begun, and not finished");
        pause_end(&p);
        ok(content(d) == before + ((uint64_t)1 << 32) + 1, "finished");
        end(d, "content");
    }
}

/* Two bodies never share an epoch, whoever exchanges the root. */
static void exchanges_collide(void)
{
    struct sobj_object *d = dict_with(3);
    struct job j = {.d = d};
    struct sobj_dict_iter it;
    struct pause p;

    ok(pause_at(&p, "dict.clear", 1, job_replace, &j), "a replace stops");
    expect(sobj_dict_clear(d) == SOBJ_OK, "clear");
    dict_put(d, 40, 1);
    dict_put(d, 41, 1);
    sobj_dict_iter_init(&it, d);
    ok(dict_next(&it) == 40, "an iteration begins after a clear");
    pause_end(&p);
    ok(dict_next(&it) == -1, "and ends with the replace");
    sobj_dict_iter_fini(&it);
    ok(sobj_dict_len(d) == 3 && dict_look(d, 40) == -1, "which came later");
    end(d, "exchanges");
}

int main(void)
{
    tap_begin();
    struct balance b = balance_begin();

    changes_wait();
    taken_at_a_moment();
    cut_is_the_moment();
    saves_first();
    both_save();
    reader_is_overtaken();
    saves_in_what_has_gone();
    ends_under_a_changer();
    freeze_waits_for_changes();
    content_is_counted();
    exchanges_collide();
    balance_check(&b, "snapshot races");
    return tap_end();
}
