/* SPDX-License-Identifier: MIT */
/* The content of one moment: snapshots, copies, replace, freeze; one thing after the
 * other, when memory runs out, and over a fork. What threads do to each other in it is in
 * test_dict_snapshot_races.c and torture/dict_snapshot_torture.c. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dict_jobs.h"
#include "dict_snapshot.h"
#include "sharedobj/atomic_int.h"

static bool logging(struct sobj_object *d) { return (sobj__mode(d) & SOBJ__LOG) != 0; }

/* ---- snapshots */

static void empty(void)
{
    struct sobj_object *d = dict_new();
    struct sobj_dict_snapshot *s = dict_snap(d);
    int64_t tag;

    dict_put(d, 1, 1);
    ok(sobj_dict_snapshot_len(s) == 0 && snap_next(s, &tag) == -1 &&
           snap_next(s, &tag) == -1,
       "a snapshot of nothing");
    sobj_dict_snapshot_end(s);
    end(d, "empty");
}

/* Everything that can be done to a key, behind the reader and before it. */
static void change_all(struct sobj_object *d, int64_t first)
{
    struct test_key k;
    sobj_cell expected, sum;

    dict_put(d, first, 900);
    dict_put(d, first + 1, 902);
    dict_drop(d, first + 2);
    dict_drop(d, first + 3);
    dict_put(d, first + 3, 901); /* inserted again */
    expect(sobj_dict_exchange(d, test_key(&k, first + 4, false),
                              test_value(first + 4, 903), NULL) == SOBJ_OK,
           "exchange");
    expected = test_value(first + 5, first + 6);
    expect(sobj_dict_compare_and_set(d, test_key(&k, first + 5, false), expected,
                                     test_value(first + 5, 900)) == SOBJ_OK,
           "compare and set");
    sobj_cell_unref(expected);
    expected = test_value(first + 6, first + 7);
    expect(sobj_dict_compare_and_set(d, test_key(&k, first + 6, false), expected,
                                     SOBJ_MISSING) == SOBJ_OK,
           "compare and delete");
    sobj_cell_unref(expected);
    if ((first + 7 + 1) % 3 != 0)
        expect(sobj_dict_increment(d, test_key(&k, first + 7, false), sobj_from_int(1),
                                   sobj_from_int(0), &sum) == SOBJ_OK,
               "increment");
    dict_put(d, first + 8, 1);
    dict_put(d, first + 8, 2);
    dict_put(d, first + 8, 3);
    dict_drop(d, first + 9);
    expect(sobj_dict_add(d, test_key(&k, first + 9, false), test_value(first + 9, 900),
                         NULL) == SOBJ_OK,
           "add");
    dict_drop(d, first + 9);
    dict_put(d, first + 9, 904);
    dict_drop(d, first + 9);
}

static void shows_the_cut(void)
{
    struct sobj_object *d = dict_with(40);
    struct sobj_dict_snapshot *s;
    int64_t tag;

    dict_drop(d, 0);
    s = dict_snap(d);
    ok(logging(d), "changes are saved while there is a snapshot");
    change_all(d, 1);
    dict_put(d, 0, 5);
    dict_put(d, 500, 5);
    ok(snap_next(s, &tag) == 1 && tag == 2, "what was changed before it is read");
    change_all(d, 11);
    change_all(d, 21);
    dict_drop(d, 500);
    sobj_collect();
    ok(sobj_dict_snapshot_len(s) == 39 && snap_rest_is(s, 2, 39, 1),
       "and what was changed later");
    sobj_dict_snapshot_end(s);
    ok(!logging(d), "it ends");

    s = dict_snap(d);
    ok(sobj_dict_snapshot_len(s) == sobj_dict_len(d), "it knows how many");
    sobj_dict_snapshot_end(s);
    end(d, "cut");
}

static void keeps_all_values(void)
{
    struct sobj_object *d = dict_with(60);
    struct sobj_dict_snapshot *s = dict_snap(d);

    for (int64_t i = 1; i < 60; i += 10)
        change_all(d, i < 50 ? i : 50);
    sobj_collect();
    ok(snap_is(s, 0, 59, 1), "all is shown as it was, in order");
    end(d, "values");
}

static void several(void)
{
    struct sobj_object *d = dict_with(30);
    struct sobj_dict_snapshot *a = dict_snap(d), *b, *c;
    int64_t tag;

    for (int64_t i = 0; i < 30; i++)
        dict_put(d, i, i + 101);
    b = dict_snap(d);
    ok(snap_next(a, &tag) == 0 && tag == 1 && snap_next(b, &tag) == 0 && tag == 101,
       "each shows its own moment");
    sobj_dict_snapshot_end(b);
    ok(logging(d), "one ends, the other needs the changes");
    b = dict_snap(d);
    c = dict_snap(d);
    for (int64_t i = 0; i < 30; i++)
        dict_put(d, i, i + 201);
    for (int64_t i = 0; i < 30; i += 2)
        dict_drop(d, i);
    ok(snap_is(c, 0, 29, 101), "the youngest");
    ok(snap_next(a, &tag) == 1 && tag == 2 && snap_next(a, &tag) == 2 && tag == 3,
       "the oldest goes on");
    sobj_dict_snapshot_end(a);
    dict_put(d, 1, 301);
    ok(snap_is(b, 0, 29, 101) && !logging(d), "the last one");
    end(d, "several");
}

/* The table is moved, the log would be compacted. */
static void table_moves(void)
{
    struct sobj_object *d = dict_with(20);
    struct sobj_dict_snapshot *s = dict_snap(d), *late;
    int64_t nodes = sobj_count(SOBJ_COUNT_NODES);

    for (int64_t i = 100; i < 3000; i++)
        dict_put(d, i, 1);
    late = dict_snap(d);
    for (int64_t i = 0; i < 3000; i++)
        dict_drop(d, i);
    for (int64_t round = 0; round < 20; round++)
        for (int64_t i = 0; i < 100; i++) {
            dict_put(d, i, 7);
            dict_drop(d, i);
        }
    sobj_collect();
    int64_t seen = 0, tag;
    while (snap_next(late, &tag) >= 0)
        seen++;
    ok(seen == 2920 && sobj_dict_snapshot_len(late) == 2920,
       "keys that were inserted, moved and removed are shown");
    sobj_dict_snapshot_end(late);
    ok(snap_is(s, 0, 19, 1), "and those that were there first");
    sobj_collect();
    ok(sobj_count(SOBJ_COUNT_NODES) < nodes + 200,
       "what died meanwhile is given back: %lld nodes more",
       (long long)(sobj_count(SOBJ_COUNT_NODES) - nodes));
    end(d, "moves");
}

static void whole_content_goes(void)
{
    struct sobj_object *d = dict_with(30), *other = dict_new();
    struct sobj_dict_snapshot *s = dict_snap(d), *t;

    dict_put(d, 3, 500);
    expect(sobj_dict_clear(d) == SOBJ_OK, "clear");
    sobj_collect();
    dict_put(d, 4, 501);
    dict_put(other, 1, 2);
    dict_put(other, 2, 3);
    t = dict_snap(d);
    expect(sobj_dict_replace(d, other) == SOBJ_OK, "replace");
    sobj_unref(other);
    sobj_collect();
    dict_put(d, 1, 77);
    ok(snap_is(s, 0, 29, 1), "a snapshot from before clear()");
    int64_t tag;
    ok(snap_next(t, &tag) == 4 && tag == 501 && snap_next(t, &tag) == -1,
       "one from before replace()");
    sobj_dict_snapshot_end(t);
    end(d, "whole content");
}

/* The dict lives as long as it is read. */
static void dict_goes(void)
{
    struct sobj_object *d = dict_with(30);
    struct sobj_dict_snapshot *s = dict_snap(d);

    sobj_unref(d);
    sobj_collect();
    ok(snap_is(s, 0, 29, 1), "a snapshot is all that is left of a dict");
    sobj_collect();
}

/* ---- copy */

static void see_core(const struct sobj_entry *e, void *context)
{
    if (e->edge_count == 1)
        *(struct sobj_object **)context = e->edges[0];
}

static void copies(void)
{
    struct sobj_object *d = dict_with(200), *copy = NULL, *number, *held = NULL;
    uint64_t stream[2] = {sobj_stream_header(SOBJ_ST_OBJECT, 1, 0), 0};
    uint64_t given[1] = {sobj_stream_header(SOBJ_ST_OBJECT, 0, 0)};
    struct sobj_dict_iter a, b;
    struct test_out out;
    int64_t x, y;

    for (int64_t i = 0; i < 200; i += 3)
        dict_drop(d, i);
    expect(sobj_dict_copy(d, &copy) == SOBJ_OK, "copy");
    ok(sobj_dict_len(copy) == sobj_dict_len(d), "as many");
    sobj_dict_iter_init(&a, d);
    sobj_dict_iter_init(&b, copy);
    do {
        x = dict_next(&a);
        y = dict_next(&b);
    } while (x == y && x >= 0 && dict_look(d, x) == dict_look(copy, y));
    ok(x == -1 && y == -1, "the same in the same order");
    sobj_dict_iter_fini(&a);
    sobj_dict_iter_fini(&b);
    dict_put(copy, 1, 400);
    ok(dict_look(d, 1) == 2, "and separate");
    end(copy, "copy");

    /* A key with a form of its own, and with a core in it. */
    expect(sobj_atomic_int_new(0, &number) == SOBJ_OK, "number");
    stream[1] = (uint64_t)sobj_id_of(number);
    struct sobj_key key = {.kind = SOBJ_KEY_STREAM,
                           .bytes = stream,
                           .size = sizeof stream,
                           .hash = sobj_hash_bytes(stream, sizeof stream),
                           .given = given,
                           .given_size = sizeof given,
                           .edges = &number,
                           .edge_count = 1};
    expect(sobj_dict_set(d, &key, test_value(7, 1)) == SOBJ_OK, "key with a core");
    expect(sobj_dict_copy(d, &copy) == SOBJ_OK, "copy");
    sobj_unref(d);
    sobj_collect();
    out = test_out_init();
    ok(sobj_dict_get(copy, &key, &out.out) == SOBJ_OK, "a key that holds a core");
    sobj_dict_iter_init(&a, copy);
    while (sobj_dict_iter_next(&a, see_core, &held) == SOBJ_OK)
        continue;
    sobj_dict_iter_fini(&a);
    ok(held == number, "and shows it");
    sobj_unref(number);
    end(copy, "copy of a key");
}

/* ---- replace */

static uint64_t content(struct sobj_object *d)
{
    return sobj_load_seq_cst(&sobj__dict_of(d)->content);
}

#define ONCE (((uint64_t)1 << 32) + 1)

static void replaces(void)
{
    struct sobj_object *d = dict_with(50), *other = dict_with(7);
    struct sobj_dict_iter it, of_other;
    uint64_t before = content(d);

    sobj_dict_iter_init(&it, d);
    sobj_dict_iter_init(&of_other, other);
    ok(dict_next(&it) == 0 && dict_next(&of_other) == 0, "both are iterated over");
    for (int64_t i = 0; i < 7; i++)
        dict_put(other, i, 31 + i);
    ok(sobj_dict_replace(d, other) == SOBJ_OK, "replace");
    ok(content(d) == before + ONCE, "the content has changed once (W3)");
    ok(sobj_dict_len(d) == 7 && dict_look(d, 6) == 37 && dict_look(d, 7) == -1,
       "the new content is there");
    ok(sobj_dict_len(other) == 0 && dict_look(other, 1) == -1, "and no longer there");
    ok(dict_next(&it) == -1, "an iteration over the old content ends");
    ok(dict_next(&of_other) == -1, "one over what became the new one, too");
    sobj_dict_iter_fini(&it);
    sobj_dict_iter_fini(&of_other);
    dict_put(other, 3, 1);
    dict_put(d, 3, 2);
    ok(dict_look(d, 3) == 2 && dict_look(other, 3) == 1, "both can be used");
    sobj_collect();
    dict_check(other, "replace: other");
    sobj_unref(other);
    end(d, "replace");
}

/* Content that comes and goes many times, some of it while its table is being moved;
 * epochs do not repeat. */
static void replaces_often(void)
{
    struct sobj_object *d = dict_new();
    uint64_t epoch = root(d)->body->epoch;
    bool same = true;

    for (int64_t round = 1; round < 60; round++) {
        struct sobj_object *other = dict_with(round);
        if (round % 3 == 0)
            same = same && sobj_dict_clear(d) == SOBJ_OK && sobj_dict_len(d) == 0;
        same = same && sobj_dict_replace(d, other) == SOBJ_OK;
        sobj_unref(other);
        same = same && sobj_dict_len(d) == (size_t)round && dict_look(d, 0) == 1 &&
               dict_look(d, round - 1) == round && dict_look(d, round) == -1;
        same = same && root(d)->body->epoch > epoch;
        epoch = root(d)->body->epoch;
        dict_put(d, round + 5, 1);
        same = same && dict_drop(d, round + 5) && dict_shown(d, round - 1) == 1;
    }
    ok(same, "content comes and goes");
    end(d, "replace often");
}

static void refuses_to_replace(void)
{
    struct sobj_object *d = dict_with(5), *other = dict_with(9);
    struct sobj_dict_snapshot *s = dict_snap(other);

    ok(sobj_dict_replace(d, other) == SOBJ_BAD_OPERAND && sobj_dict_len(d) == 5 &&
           sobj_dict_len(other) == 9,
       "not the content of a dict that somebody is reading");
    ok(snap_is(s, 0, 8, 1), "who reads on");
    sobj_dict_freeze(other);
    ok(sobj_dict_replace(d, other) == SOBJ_FROZEN && sobj_dict_len(d) == 5 &&
           sobj_dict_len(other) == 9,
       "not of a frozen one");
    end(other, "refused: other");
    other = dict_with(3);
    sobj_dict_freeze(d);
    ok(sobj_dict_replace(d, other) == SOBJ_FROZEN && sobj_dict_len(d) == 5,
       "and nothing for a frozen one");
    sobj_unref(other);
    end(d, "refused");
}

/* ---- freeze */

static void freezes(void)
{
    struct sobj_object *d = dict_with(50), *other, *copy = NULL;
    const struct sobj_key *key;
    struct sobj_dict_snapshot *s;
    struct test_out out = test_out_init();
    struct test_key k;
    sobj_cell sum;

    s = dict_snap(d);
    dict_put(d, 1, 101);
    ok(!sobj_dict_frozen(d), "not yet");
    sobj_dict_freeze(d);
    sobj_dict_freeze(d);
    ok(sobj_dict_frozen(d), "frozen, once or twice");
    for (int64_t n = 2; n <= 60; n += 58) { /* there, and not there */
        key = test_key(&k, n, false);
        ok(sobj_dict_set(d, key, sobj_from_int(1)) == SOBJ_FROZEN, "set %d", (int)n);
        ok(sobj_dict_add(d, key, sobj_from_int(1), &out.out) == SOBJ_FROZEN, "add");
        ok(sobj_dict_exchange(d, key, sobj_from_int(1), &out.out) == SOBJ_FROZEN,
           "exchange");
        ok(sobj_dict_remove(d, key, &out.out) == SOBJ_FROZEN, "remove");
        ok(sobj_dict_increment(d, key, sobj_from_int(1), sobj_from_int(1), &sum) ==
               SOBJ_FROZEN,
           "increment");
        ok(sobj_dict_compare_and_set(d, key, SOBJ_MISSING, sobj_from_int(1)) ==
                   SOBJ_FROZEN &&
               sobj_dict_compare_and_set(d, key, sobj_from_int(1), SOBJ_MISSING) ==
                   SOBJ_FROZEN &&
               sobj_dict_compare_and_set(d, key, SOBJ_MISSING, SOBJ_MISSING) ==
                   SOBJ_FROZEN,
           "compare and set");
    }
    ok(sobj_dict_clear(d) == SOBJ_FROZEN, "clear");
    sobj_dict_reserve(d, 100000);
    ok(root(d)->mask < 1000 && after(root(d)) == NULL, "reserve does nothing");
    ok(dict_look(d, 2) == 3 && sobj_dict_len(d) == 50, "it is as it was");
    ok(snap_is(s, 0, 49, 1), "a snapshot from before");
    s = dict_snap(d);
    int64_t tag;
    ok(snap_next(s, &tag) == 0 && snap_next(s, &tag) == 1 && tag == 101 &&
           snap_rest_is(s, 2, 49, 1),
       "and one of now");
    sobj_dict_snapshot_end(s);
    ok(sobj_dict_copy(d, &copy) == SOBJ_OK && !sobj_dict_frozen(copy), "a copy is not");
    dict_put(copy, 2, 40);
    other = dict_new();
    ok(dict_look(copy, 2) == 40 && dict_look(d, 2) == 3, "and can be changed");
    sobj_unref(other);
    sobj_unref(copy);
    end(d, "freeze");
}

/* A table that is being moved is moved to the end, for nobody would do it later. */
static void freeze_ends_migration(void)
{
    struct sobj_object *d = dict_new();
    int64_t n = 0;

    while (after(root(d)) == NULL || root(d)->chunks < 4)
        dict_put(d, n++, 1);
    sobj_dict_freeze(d);
    ok(after(root(d)) == NULL, "the table has been moved");
    bool all = true;
    for (int64_t i = 0; i < n; i++)
        all = all && dict_look(d, i) == 1;
    ok(all && sobj_dict_len(d) == (size_t)n, "and all is there");
    end(d, "freeze while moving");
}

/* ---- memory */

static void writer_has_no_memory(void)
{
    struct sobj_object *d = dict_with(20);
    struct sobj_dict_snapshot *s = dict_snap(d), *t;
    int64_t seen[3], tag;

    ok(snap_next(s, &tag) == 0, "a snapshot is read");
    sobj_fail_allocation(0);
    dict_put(d, 7, 101);
    ok(sobj_fail_allocation(-1) < 0 && dict_look(d, 7) == 101, "a writer goes on");
    ok(sobj_dict_snapshot_next(s, dict_see, seen) == SOBJ_NO_MEMORY,
       "the snapshot says that it is lost");
    t = dict_snap(d);
    dict_put(d, 7, 8);
    dict_drop(d, 8);
    dict_put(d, 8, 1);
    ok(sobj_dict_snapshot_next(s, dict_see, seen) == SOBJ_NO_MEMORY, "for good");
    sobj_dict_snapshot_end(s);
    int64_t n, shown = 0;
    while ((n = snap_next(t, &tag)) >= 0)
        shown += tag == (n == 7 ? 101 : n + 1);
    ok(shown == 20, "another one is whole");
    sobj_dict_snapshot_end(t);
    s = dict_snap(d);
    sobj_fail_allocation(0);
    ok(dict_drop(d, 3) && sobj_fail_allocation(-1) < 0 && dict_look(d, 3) == -1,
       "removing needs no memory either");
    ok(sobj_dict_snapshot_next(s, dict_see, seen) == SOBJ_NO_MEMORY, "and tells, too");
    sobj_dict_snapshot_end(s);
    end(d, "no memory");
}

/* Whatever fails: nothing has happened, or all of it. */
static void faults(void *context)
{
    struct sobj_object *d = NULL, *other = NULL, *copy = NULL;
    struct sobj_dict_snapshot *s = NULL;
    struct test_key k;
    int64_t seen[3], count = 0;

    (void)context;
    if (sobj_dict_new(0, &d) != SOBJ_OK)
        return;
    for (int64_t i = 0; i < 30; i++)
        count +=
            sobj_dict_set(d, test_key(&k, i, false), sobj_from_int(i << 20)) == SOBJ_OK;
    if (sobj_dict_snapshot_begin(d, &s) == SOBJ_OK) {
        int64_t shown = 0;
        bool whole = true;
        for (int64_t i = 0; i < 30; i += 3)
            dict_drop(d, i);
        enum sobj_status status;
        while ((status = sobj_dict_snapshot_next(s, dict_see, seen)) == SOBJ_OK)
            shown++;
        whole = status == SOBJ_EMPTY;
        expect(!whole || shown == count, "%lld keys of %lld", (long long)shown,
               (long long)count);
        sobj_dict_snapshot_end(s);
    }
    size_t len = sobj_dict_len(d);
    if (sobj_dict_copy(d, &copy) == SOBJ_OK) {
        expect(sobj_dict_len(copy) == len, "a copy is whole");
        sobj_unref(copy);
    }
    if (sobj_dict_new(0, &other) == SOBJ_OK) {
        if (sobj_dict_set(other, test_key(&k, 3, false), sobj_from_int(3 << 20)) ==
            SOBJ_OK) {
            if (sobj_dict_replace(d, other) == SOBJ_OK)
                expect(sobj_dict_len(d) == 1 && sobj_dict_len(other) == 0, "replaced");
            else
                expect(sobj_dict_len(d) == len && sobj_dict_len(other) == 1, "not");
        }
        sobj_unref(other);
    }
    uint64_t state = content(d);
    if (sobj_dict_clear(d) != SOBJ_OK)
        expect(content(d) == state, "a clear that was given up");
    sobj_dict_freeze(d);
    int64_t left = sobj_fail_allocation(-1);
    sobj_collect();
    dict_check(d, "faults");
    sobj_fail_allocation(left);
    sobj_unref(d);
}

/* ---- fork */

static void job_snapshot(void *context)
{
    struct job *j = context;
    struct sobj_dict_snapshot *s = dict_snap(j->d);
    int64_t tag;

    expect(snap_next(s, &tag) == 0, "begun");
    SOBJ_PAUSE("test.snapshot");
    j->status = snap_rest_is(s, 1, 49, 1) ? SOBJ_OK : SOBJ_MISMATCH;
    sobj_dict_snapshot_end(s);
}

static void in_child(struct sobj_object *d, struct sobj_dict_snapshot *own)
{
    int64_t n, tag, next = 1;

    alarm(HANG_SECONDS);
    expect(logging(d), "our own snapshot lives");
    for (int64_t i = 0; i < 50; i += 2)
        dict_drop(d, i);
    dict_put(d, 41, 9);
    while ((n = snap_next(own, &tag)) >= 0)
        expect(n == next++ && tag == n + 1, "key %lld in the child", (long long)n);
    expect(next == 50, "all of it");
    sobj_dict_snapshot_end(own);
    expect(!logging(d), "the other threads' are gone");
    sobj_collect();
    dict_check(d, "in the child");
    sobj_unref(d);
    sobj_collect();
}

static void forks(void)
{
    struct sobj_object *d = dict_with(50);
    struct job j = {.d = d};
    struct pause p, q;
    int64_t tag;
    int status = -1;

    ok(pause_at(&p, "test.snapshot", 0, job_snapshot, &j), "another thread reads");
    struct sobj_dict_snapshot *own = dict_snap(d);
    ok(snap_next(own, &tag) == 0, "so do we");
    ok(pause_at(&q, "test.snapshot", 0, job_snapshot, &j), "and a third one");
    dict_put(d, 20, 3);
    dict_drop(d, 21);
    pid_t pid = fork();
    if (pid == 0) {
        int64_t objects = sobj_count(SOBJ_COUNT_OBJECTS);
        in_child(d, own);
        expect(sobj_count(SOBJ_COUNT_OBJECTS) == objects - 1, "the dict goes, too");
        _exit(tap_failures() != 0);
    }
    waitpid(pid, &status, 0);
    ok(status == 0, "the child: %x", status);
    sobj_dict_snapshot_end(own);
    pause_go(&p);
    ok(j.status == SOBJ_OK, "the parent's go on");
    pause_go(&q);
    ok(j.status == SOBJ_OK, "both");
    pause_end(&p);
    pause_end(&q);
    end(d, "fork");
}

int main(void)
{
    tap_begin();
    struct balance b = balance_begin();

    empty();
    shows_the_cut();
    keeps_all_values();
    several();
    table_moves();
    whole_content_goes();
    dict_goes();
    copies();
    replaces();
    replaces_often();
    refuses_to_replace();
    freezes();
    freeze_ends_migration();
    writer_has_no_memory();
    fault_walk("snapshot, copy, replace", faults, NULL, NULL);
    forks();
    balance_check(&b, "snapshots");
    return tap_end();
}
