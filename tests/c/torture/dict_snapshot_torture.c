/* SPDX-License-Identifier: MIT */
/* Snapshots of a dict under fire. What writers do has invariants that hold at every
 * moment but in no reading that takes its time:
 *
 *   pairs    a writer increments its key a, then its key b: b <= a <= b + 1
 *   window   it inserts key i + 1 and then removes key i - WINDOW, in a ring of keys: the
 *            keys present are one run of the ring, WINDOW or WINDOW + 1 long, in order
 *   hand     a token passes from key to key by insertion, then removal: one or two
 *   tags     blobs that carry what they belong to, so that freed memory shows
 *
 * In rounds of another kind the whole content is replaced, and every snapshot or copy
 * must be of one generation. Others make the table grow, shrink and clutter its log.
 * Snapshots nest, are left half-read, and end in any order.
 */
#include <stdlib.h>

#include "crew.h"
#include "dict_check.h"
#include "dict_keys.h"
#include "tap.h"

#define RING 64
#define WINDOW 20
#define HAND 8
#define PER_WRITER 200
#define GENERATION 40 /* keys of a content that is replaced */
#define STEPS 1500

enum role { WRITER, DISTURBER, READER };

struct round {
    struct sobj_object *d;
    bool bad_hash, replaces;
    unsigned writers;
    _Atomic(unsigned) left; /* writers at work */
    _Atomic(int64_t) generation;
    _Atomic(uint64_t) snapshots;
};

static int64_t ring_key(unsigned writer, int64_t i)
{
    return 1000 + (int64_t)writer * PER_WRITER + i;
}
enum { PAIR_A = 0, PAIR_B = 1, HAND_AT = 2, RING_AT = 100 };

/* ---- writers */

static void put(struct round *r, int64_t number, int64_t tag)
{
    struct test_key k;

    expect(sobj_dict_set(r->d, test_key(&k, number, r->bad_hash),
                         test_value(number, tag)) == SOBJ_OK,
           "set");
}

static void drop(struct round *r, int64_t number)
{
    struct test_key k;

    expect(sobj_dict_remove(r->d, test_key(&k, number, r->bad_hash), NULL) == SOBJ_OK,
           "remove");
}

/* One more under a key whose value is a plain number. */
static void count_up(struct round *r, int64_t number)
{
    struct test_key k;
    sobj_cell sum;

    expect(sobj_dict_increment(r->d, test_key(&k, number, r->bad_hash),
                               sobj_from_int(1), sobj_from_int(0), &sum) == SOBJ_OK,
           "increment");
}

static void write_step(struct round *r, unsigned w, int64_t i)
{
    count_up(r, ring_key(w, PAIR_A));
    count_up(r, ring_key(w, PAIR_B));
    put(r, ring_key(w, RING_AT + (i + WINDOW) % RING), i + WINDOW + 1);
    drop(r, ring_key(w, RING_AT + i % RING));
    put(r, ring_key(w, HAND_AT + (i + 1) % HAND), i + 1);
    drop(r, ring_key(w, HAND_AT + i % HAND));
    /* Overwritten now and then, by something that is worth the same. */
    if (i % 3 == 0)
        put(r, ring_key(w, RING_AT + (i + WINDOW / 2) % RING), i + WINDOW / 2 + 1);
}

static void write_all(struct member *m, struct round *r)
{
    unsigned w = m->index;

    for (int64_t i = 0; i < WINDOW; i++)
        put(r, ring_key(w, RING_AT + i), i + 1);
    put(r, ring_key(w, HAND_AT), 0 + 3);
    crew_meet(m);
    for (int64_t i = 0; i < STEPS; i++)
        write_step(r, w, i);
}

static void replace_all(struct member *m, struct round *r)
{
    crew_meet(m);
    for (int64_t i = 0; i < STEPS / 4; i++) {
        struct sobj_object *other = dict_new();
        struct round inside = {.d = other, .bad_hash = r->bad_hash};
        int64_t g = sobj_add_seq_cst(&r->generation, 1) + 1;
        for (int64_t k = 0; k < GENERATION; k++)
            put(&inside, k, g);
        expect(sobj_dict_replace(r->d, other) == SOBJ_OK, "replace");
        sobj_unref(other);
        if (rng_below(&m->rng, 8) == 0)
            expect(sobj_dict_clear(r->d) == SOBJ_OK, "clear");
    }
}

/* Keys that nobody else knows, so that tables are moved and logs compacted. */
static void disturb(struct member *m, struct round *r)
{
    struct test_key k;

    /* Acquire: the writers have ended. */
    while (sobj_load_acquire(&r->left) != 0) {
        int64_t count = rng_below(&m->rng, 10) == 0 ? 2000 : 30;
        for (int64_t i = 0; i < count; i++)
            sobj_dict_set(r->d, test_key(&k, 100000 + i, r->bad_hash && count < 100),
                          test_value(100000 + i, i));
        for (int64_t i = 0; i < count; i++)
            sobj_dict_remove(r->d, test_key(&k, 100000 + i, r->bad_hash && count < 100),
                             NULL);
    }
}

/* ---- what a snapshot shows */

struct view {
    struct round *r;
    uint64_t shown;
    int64_t pair[16][2];
    int64_t hand[16];            /* bits of those present */
    int64_t first[16], last[16]; /* of the window, by what they carry */
    unsigned in_window[16];
    int64_t generation, of_generation; /* -1: nothing of it */
};

static void see_number(struct view *v, int64_t number, sobj_cell value)
{
    unsigned w = (unsigned)((number - 1000) / PER_WRITER);
    int64_t at = (number - 1000) % PER_WRITER, of, tag;

    if (w >= 16)
        return;
    if (at <= PAIR_B) {
        v->pair[w][at] = sobj_to_int(value);
        return;
    }
    test_parse(value, &of, &tag);
    expect(of == number, "value of %lld under %lld", (long long)of, (long long)number);
    if (at < HAND_AT + HAND) {
        v->hand[w] |= (int64_t)1 << (at - HAND_AT);
        return;
    }
    /* i + 1 in key i % RING, inserted in this order */
    expect((tag - 1) % RING == at - RING_AT, "tag %lld in place %lld", (long long)tag,
           (long long)at);
    expect(v->in_window[w] == 0 || tag == v->last[w] + 1, "key %lld after %lld",
           (long long)tag, (long long)v->last[w]);
    if (v->in_window[w]++ == 0)
        v->first[w] = tag;
    v->last[w] = tag;
}

static void see(const struct sobj_entry *e, void *context)
{
    struct view *v = context;
    int64_t number = entry_number(e), of, tag;

    v->shown++;
    if (number >= 1000 && number < 100000) {
        see_number(v, number, e->value);
        return;
    }
    test_parse(e->value, &of, &tag);
    expect(of == number, "value of %lld under %lld", (long long)of, (long long)number);
    if (number < 1000) {
        expect(v->generation == -1 || v->generation == tag, "generations %lld and %lld",
               (long long)v->generation, (long long)tag);
        v->generation = tag;
        v->of_generation++;
    }
}

static struct view view_begin(struct round *r)
{
    return (struct view){.r = r, .generation = -1};
}

static void check(const struct view *v, size_t len)
{
    expect(v->shown == len, "%llu shown of %zu", (unsigned long long)v->shown, len);
    if (v->r->replaces) {
        expect(v->of_generation == 0 || v->of_generation == GENERATION,
               "%lld of a generation", (long long)v->of_generation);
        return;
    }
    for (unsigned w = 0; w < v->r->writers; w++) {
        int64_t a = v->pair[w][0], b = v->pair[w][1];
        int bits = __builtin_popcountll((uint64_t)v->hand[w]);
        expect(b <= a && a <= b + 1, "pair %lld, %lld", (long long)a, (long long)b);
        expect(v->in_window[w] == WINDOW || v->in_window[w] == WINDOW + 1,
               "window of %u", v->in_window[w]);
        expect(bits == 1 || bits == 2, "token in %d places", bits);
        expect(a < 3 || (v->last[w] - WINDOW >= a - 1 && v->last[w] - WINDOW <= a),
               "window up to %lld when the pair says %lld", (long long)v->last[w],
               (long long)a);
    }
}

/* ---- readers */

static void read_snapshot(struct round *r, struct sobj_dict_snapshot *s)
{
    struct view v = view_begin(r);
    enum sobj_status status;

    while ((status = sobj_dict_snapshot_next(s, see, &v)) == SOBJ_OK)
        continue;
    expect(status == SOBJ_EMPTY, "snapshot: %s", sobj_status_str(status));
    check(&v, sobj_dict_snapshot_len(s));
    sobj_dict_snapshot_end(s);
    sobj_add_seq_cst(&r->snapshots, 1);
}

/* Two at once: the first is read half, then the second, then the rest. */
static void read_two(struct member *m, struct round *r)
{
    struct sobj_dict_snapshot *s = dict_snap(r->d), *t;
    struct view v = view_begin(r);
    uint64_t half = rng_below(&m->rng, sobj_dict_snapshot_len(s) + 1);
    size_t len = sobj_dict_snapshot_len(s);

    while (v.shown < half && sobj_dict_snapshot_next(s, see, &v) == SOBJ_OK)
        continue;
    t = dict_snap(r->d);
    if (rng_below(&m->rng, 4) == 0) {
        sobj_dict_snapshot_end(s); /* left half-read */
        s = NULL;
    }
    read_snapshot(r, t);
    if (s == NULL)
        return;
    while (sobj_dict_snapshot_next(s, see, &v) == SOBJ_OK)
        continue;
    check(&v, len);
    sobj_dict_snapshot_end(s);
}

static void read_copy(struct round *r)
{
    struct sobj_object *copy = NULL;
    struct view v = view_begin(r);
    struct sobj_dict_iter it;

    expect(sobj_dict_copy(r->d, &copy) == SOBJ_OK, "copy");
    sobj_dict_iter_init(&it, copy);
    while (sobj_dict_iter_next(&it, see, &v) == SOBJ_OK)
        continue;
    sobj_dict_iter_fini(&it);
    check(&v, sobj_dict_len(copy));
    sobj_unref(copy);
}

static void read_all(struct member *m, struct round *r)
{
    /* Acquire: the writers have ended. */
    while (sobj_load_acquire(&r->left) != 0) {
        switch (rng_below(&m->rng, 8)) {
        case 0:
            read_copy(r);
            break;
        case 1:
        case 2:
            read_two(m, r);
            break;
        default:
            read_snapshot(r, dict_snap(r->d));
            break;
        }
        if (rng_below(&m->rng, 16) == 0)
            sobj_collect();
    }
}

/* ---- a round */

static enum role role_of(const struct member *m)
{
    return m->index < m->count / 2    ? WRITER
           : m->index == m->count - 1 ? DISTURBER
                                      : READER;
}

static void work(struct member *m)
{
    struct round *r = m->shared;
    enum role role = role_of(m);

    if (role == WRITER) {
        if (r->replaces)
            replace_all(m, r);
        else
            write_all(m, r);
        sobj_sub_release(&r->left, 1); /* Release: pairs with the acquires above. */
        return;
    }
    crew_meet(m);
    if (role == DISTURBER)
        disturb(m, r);
    else
        read_all(m, r);
}

static uint64_t run_round(const struct torture *t, uint64_t seed)
{
    struct round r = {.bad_hash = seed & 1, .replaces = (seed & 6) == 6};

    r.writers = t->threads / 2;
    atomic_init(&r.left, r.writers);
    /* Each yield within a section makes a grace period long. */
    yield_every(seed % 3 == 0 ? 50 : seed % 3 == 1 ? 2000 : 0);
    expect(sobj_dict_new(0, &r.d) == SOBJ_OK, "new");
    crew_run(t->threads, seed, 0, work, &r);
    yield_every(0);
    sobj_collect();
    dict_check(r.d, "at rest");
    sobj_dict_freeze(r.d);
    read_snapshot(&r, dict_snap(r.d));
    sobj_unref(r.d);
    return sobj_load_seq_cst(&r.snapshots);
}

int main(int argc, char **argv)
{
    struct torture t = torture_begin(argc, argv, 4);
    uint64_t rounds = 0, snapshots = 0;

    tap_begin();
    if (t.threads < 4)
        t.threads = 4;
    if (t.threads > 16)
        t.threads = 16;
    struct balance b = balance_begin();
    int64_t end = sobj_clock() + (int64_t)t.milliseconds * 1000000;
    do
        snapshots += run_round(&t, t.seed + rounds++);
    while (sobj_clock() < end && tap_failures() == 0);
    diag("%llu rounds of %u threads, %llu snapshots", (unsigned long long)rounds,
         t.threads, (unsigned long long)snapshots);
    balance_check(&b, "dict snapshot torture");
    return tap_end();
}
