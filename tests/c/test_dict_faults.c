/* SPDX-License-Identifier: MIT */
/* The dict when memory runs out at any moment, and when the process forks in the middle
 * of anything. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "dict_check.h"
#include "dict_keys.h"
#include "reclaim.h"
#include "sharedobj/atomic_int.h"
#include "tap.h"

/* ---- memory */

/* A dict and what must be in it. */
struct world {
    struct sobj_object *d;
    int64_t tag[128]; /* 0: absent */
};

static void try_set(struct world *w, int64_t n, int64_t tag)
{
    struct test_key k;
    sobj_cell value = test_value(n, tag);

    if (value == 0)
        return; /* no memory for the value */
    enum sobj_status status = sobj_dict_set(w->d, test_key(&k, n, false), value);
    expect(status == SOBJ_OK || status == SOBJ_NO_MEMORY, "set: %s",
           sobj_status_str(status));
    expect(status == SOBJ_OK || w->tag[n] == 0, "overwriting needs no memory");
    if (status == SOBJ_OK)
        w->tag[n] = tag;
}

static void look_at_all(struct world *w)
{
    size_t len = 0;

    for (int64_t n = 0; n < 128; n++) {
        int64_t tag = dict_look(w->d, n);
        expect(tag == (w->tag[n] != 0 ? w->tag[n] : -1), "key %lld: tag %lld, not %lld",
               (long long)n, (long long)tag, (long long)w->tag[n]);
        len += w->tag[n] != 0;
    }
    expect(sobj_dict_len(w->d) == len, "len %zu, not %zu", sobj_dict_len(w->d), len);
}

/* Whatever fails, all that has been reported as done is there and the rest is not. The
 * failure comes once, so that what follows it has memory again. */
static void end_world(struct world *w)
{
    look_at_all(w);
    try_set(w, 127, 1);
    try_set(w, 126, 1);
    look_at_all(w);
    int64_t left = sobj_fail_allocation(-1);
    sobj_collect();
    dict_check(w->d, "after a failed allocation");
    sobj_fail_allocation(left);
    sobj_unref(w->d);
}

static void grow_and_shrink(void *context)
{
    struct world w = {0};

    (void)context;
    if (sobj_dict_new(0, &w.d) != SOBJ_OK)
        return;
    for (int64_t n = 0; n < 40; n++)
        try_set(&w, n, n + 1);
    look_at_all(&w);
    for (int64_t n = 0; n < 40; n++) {
        if (n % 8 == 1)
            continue;
        expect(dict_drop(w.d, n) == (w.tag[n] != 0), "remove needs no memory");
        w.tag[n] = 0;
    }
    for (int64_t n = 0; n < 40; n += 2)
        try_set(&w, n, 3);
    for (int64_t n = 0; n < 40; n++)
        try_set(&w, n, 5);
    end_world(&w);
}

/* Insertions and removals that leave much dead behind: compaction, tables of the same
 * size, segments. */
static void churn(void *context)
{
    struct world w = {0};

    (void)context;
    if (sobj_dict_new(0, &w.d) != SOBJ_OK)
        return;
    try_set(&w, 100, 1);
    for (int64_t i = 0; i < 120; i++) {
        int64_t n = i % 50;
        try_set(&w, n, i + 1);
        n = (i + 45) % 50;
        expect(dict_drop(w.d, n) == (w.tag[n] != 0), "remove needs no memory");
        w.tag[n] = 0;
    }
    end_world(&w);
}

static void clear_and_iterate(void *context)
{
    struct world w = {0};
    struct sobj_dict_iter it;
    int64_t n, shown = 0;

    (void)context;
    if (sobj_dict_new(20, &w.d) != SOBJ_OK)
        return;
    for (n = 0; n < 20; n++)
        try_set(&w, n, 3);
    sobj_dict_iter_init(&it, w.d);
    while ((n = dict_next(&it)) >= 0 && shown++ < 10)
        expect(w.tag[n] != 0, "key %lld is shown", (long long)n);
    enum sobj_status status = sobj_dict_clear(w.d);
    if (status == SOBJ_OK)
        memset(w.tag, 0, sizeof w.tag);
    expect(status == SOBJ_OK || status == SOBJ_NO_MEMORY, "clear");
    n = dict_next(&it);
    expect((n >= 0) == (status != SOBJ_OK), "the iterator ends if all was cleared");
    sobj_dict_iter_fini(&it);
    sobj_dict_reserve(w.d, 100);
    for (n = 0; n < 30; n++)
        try_set(&w, n, 2);
    end_world(&w);
}

/* Taking the last entry needs no memory, whatever is missing around it. */
static void pop_all(void *context)
{
    struct world w = {0};
    int64_t n;

    (void)context;
    if (sobj_dict_new(0, &w.d) != SOBJ_OK)
        return;
    for (n = 0; n < 60; n++)
        try_set(&w, n, n + 1);
    for (int64_t last = 59; last >= 0; last--) {
        if (w.tag[last] == 0)
            continue;
        n = dict_pop(w.d);
        expect(n == last, "key %lld popped, not %lld", (long long)n, (long long)last);
        w.tag[last] = 0;
        if (last == 20)
            for (n = 100; n < 125; n++)
                try_set(&w, n, n + 1);
        for (int64_t m = 124; last == 20 && m >= 100; m--) {
            expect(w.tag[m] == 0 || dict_pop(w.d) == m, "pop of %lld", (long long)m);
            w.tag[m] = 0;
        }
    }
    expect(dict_pop(w.d) == -1, "nothing is left");
    end_world(&w);
}

/* A key with a core takes its references and gives them back. */
static void keys_with_cores(void *context)
{
    struct world w = {0};
    struct sobj_object *core = NULL;

    (void)context;
    if (sobj_atomic_int_new(1, &core) != SOBJ_OK)
        return;
    if (sobj_dict_new(0, &w.d) == SOBJ_OK) {
        uint64_t given = sobj_stream_header(SOBJ_ST_OBJECT, 0, 0);
        for (int64_t i = 0; i < 20; i++) {
            int64_t words[2] = {i, sobj_id_of(core)};
            struct sobj_key key = {.kind = SOBJ_KEY_STREAM,
                                   .edge_count = 1,
                                   .hash = sobj_hash_bytes(words, sizeof words),
                                   .bytes = words,
                                   .size = sizeof words,
                                   .given = &given,
                                   .given_size = sizeof given,
                                   .edges = &core};
            enum sobj_status status = sobj_dict_set(w.d, &key, sobj_from_int(i));
            expect(status == SOBJ_OK || status == SOBJ_NO_MEMORY, "set");
            expect(sobj_dict_get(w.d, &key, NULL) ==
                       (status == SOBJ_OK ? SOBJ_OK : SOBJ_NOT_FOUND),
                   "get");
            if (i % 3 == 0)
                sobj_dict_remove(w.d, &key, NULL);
        }
        sobj_unref(w.d);
    }
    sobj_unref(core);
    sobj_collect(); /* the dict, whose nodes drop the core, */
    sobj_collect(); /* which goes now */
}

/* Every operation consumes its value when it fails for want of memory. */
static void operations(void *context)
{
    struct sobj_object *d;
    struct test_key k;
    const struct sobj_key *key = test_key(&k, 6, false);
    sobj_cell value, sum;

    (void)context;
    if (sobj_dict_new(0, &d) != SOBJ_OK)
        return;
    if ((value = test_value(6, 3)) != 0 &&
        sobj_dict_add(d, key, value, NULL) == SOBJ_OK)
        sobj_dict_remove(d, key, NULL);
    if ((value = test_value(6, 3)) != 0 &&
        sobj_dict_exchange(d, key, value, NULL) == SOBJ_NOT_FOUND)
        sobj_dict_remove(d, key, NULL);
    if ((value = test_value(6, 3)) != 0 &&
        sobj_dict_compare_and_set(d, key, SOBJ_MISSING, value) == SOBJ_OK)
        sobj_dict_remove(d, key, NULL);
    if (sobj_dict_increment(d, key, sobj_from_int(1), sobj_from_int(1), &sum) ==
        SOBJ_OK)
        expect(sum == sobj_from_int(2), "increment");
    else
        expect(sobj_dict_len(d) == 0, "no increment");
    sobj_unref(d);
}

/* ---- fork */

enum { PERMANENT = 40 };

struct traffic {
    struct sobj_object *d;
    uint64_t seed;
};

/* Reads a snapshot to its end. */
static void read_on(struct sobj_dict_snapshot *s)
{
    int64_t n, tag, permanent = 0, shown = 0;

    for (; (n = snap_next(s, &tag)) >= 0; shown++)
        if (n < PERMANENT)
            expect(n == permanent++ && tag == 1, "permanent key %lld in a snapshot",
                   (long long)n);
    expect(permanent == PERMANENT && shown == (int64_t)sobj_dict_snapshot_len(s),
           "%lld keys in a snapshot", (long long)shown);
    sobj_dict_snapshot_end(s);
}

/* `s` is a snapshot that this thread has begun before the fork, or NULL. */
static bool in_child(struct traffic *t, struct sobj_dict_snapshot *s)
{
    int before = tap_failures();
    int64_t n, shown = 0, permanent = 0;
    struct sobj_dict_iter it;

    alarm(HANG_SECONDS);
    for (n = 0; n < 1600 && s != NULL; n++) /* saved for it in the child, too */
        dict_drop(t->d, 2000 + n);
    if (s != NULL)
        read_on(s);
    sobj_collect();
    sobj_dict_iter_init(&it, t->d);
    while ((n = dict_next(&it)) >= 0) {
        shown++;
        if (n < PERMANENT)
            expect(n == permanent++, "permanent key %lld in the child", (long long)n);
        expect(dict_look(t->d, n) >= 0, "key %lld shown but not there", (long long)n);
    }
    sobj_dict_iter_fini(&it);
    expect(permanent == PERMANENT, "permanent keys in the child");
    expect(shown == (int64_t)sobj_dict_len(t->d), "%lld keys shown, len %zu",
           (long long)shown, sobj_dict_len(t->d));
    for (n = 5000; n < 5200; n++)
        dict_put(t->d, n, 1);
    for (n = 5000; n < 5200; n++)
        expect(dict_drop(t->d, n), "insert and remove in the child");
    expect(sobj_dict_len(t->d) == (size_t)shown, "len in the child");
    expect(sobj_dict_clear(t->d) == SOBJ_OK && sobj_dict_len(t->d) == 0, "clear");
    for (n = 0; n < 100; n++)
        dict_put(t->d, n, 1);
    sobj_collect();
    dict_check(t->d, "in the child");
    sobj_unref(t->d);
    sobj_collect();
    return tap_failures() == before;
}

/* Member 0 forks, sometimes with a snapshot of its own; member 1 takes snapshots; the
 * others insert and remove so that a migration or a compaction is nearly always going
 * on. */
static void write_or_fork(struct member *m)
{
    struct traffic *t = m->shared;

    while (m->index == 1 && crew_running(m))
        read_on(dict_snap(t->d));
    for (int64_t i = 0; m->index > 1 && crew_running(m); i++) {
        int64_t n = 1000 * m->index + i % 300;
        if (rng_below(&m->rng, 50) == 0)
            for (int64_t j = 0; j < 300; j++)
                dict_drop(t->d, 1000 * m->index + j);
        dict_put(t->d, n, 1 + i % 7);
        dict_drop(t->d, 1000 * m->index + (i + 250) % 300);
    }
    for (int i = 0; m->index == 0 && i < 15; i++) {
        int status = -1;
        struct sobj_dict_snapshot *s = i % 3 == 0 ? dict_snap(t->d) : NULL;
        pid_t child = fork();
        if (child == 0)
            _exit(in_child(t, s) ? 0 : 1);
        if (s != NULL)
            read_on(s);
        expect(child > 0 && waitpid(child, &status, 0) == child, "fork");
        expect(WIFEXITED(status) && WEXITSTATUS(status) == 0,
               "child %d: wait status %#x", i, status);
    }
    if (m->index == 0)
        crew_stop(m);
}

static void forks(unsigned yields)
{
    struct traffic t = {.d = dict_new()};
    int before = tap_failures();

    for (int64_t i = 0; i < PERMANENT; i++)
        dict_put(t.d, i, 1);
    yield_every(yields);
    crew_run(4, 1, 60000, write_or_fork, &t);
    yield_every(0);
    sobj_collect();
    dict_check(t.d, "after forks");
    sobj_unref(t.d);
    ok(tap_failures() == before, "forks between writers, a yield in %u", yields);
}

int main(void)
{
    tap_begin();
    struct balance b = balance_begin();

    fault_walk("growth and shrinking", grow_and_shrink, NULL, NULL);
    fault_walk("churn", churn, NULL, NULL);
    fault_walk("clear and iteration", clear_and_iterate, NULL, NULL);
    fault_walk("popping all", pop_all, NULL, NULL);
    fault_walk("keys with cores", keys_with_cores, NULL, NULL);
    fault_walk("every operation", operations, NULL, NULL);
#if defined(SOBJ__TSAN)
    (void)forks; /* its own locks are not ready for what such a child does */
    skip("fork: not under ThreadSanitizer");
#else
    forks(0);
    forks(20);
#endif
    balance_check(&b, "faults");
    return tap_end();
}
