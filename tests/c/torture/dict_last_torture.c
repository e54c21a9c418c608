/* SPDX-License-Identifier: MIT */
/* Taking the last entry of the dict, by several members at once who insert, remove and
 * overwrite too. It has a weaker rule than the other operations, since it may miss what
 * is just being inserted. With every key inserted once, and the times of all operations
 * recorded as in history.h, the rule is:
 *
 *   - what is inserted comes out once, by popping or removing, or is there at the end;
 *   - nobody takes x while a y is certainly there for all that time and was certainly
 *     inserted after x; nor finds the dict empty while a y is certainly there.
 *
 * One more member walks backward: what is certainly there all the time is shown once, in
 * the reverse order of certain insertions, and nothing twice. */
#include <sched.h>
#include <stdlib.h>

#include "crew.h"
#include "dict_check.h"
#include "dict_keys.h"
#include "tap.h"

#define OPERATIONS 150 /* of each member in a round */
#define MEMBERS 8
#define KEYS (MEMBERS * OPERATIONS)
#define WALKS 30
#define EMPTY (-1)

struct span {
    uint64_t begin, end;
};

/* What became of a key; times are draws from one clock, 0: not at all. */
struct life {
    struct span in, out;
};

struct take {
    int64_t key; /* or EMPTY */
    struct span when;
};

struct walk {
    struct span when;
    size_t count;
    int64_t keys[KEYS];
};

struct round {
    struct sobj_object *d;
    bool bad_hash;
    unsigned writers;
    _Atomic(unsigned) left; /* writers at work */
    _Atomic(uint64_t) clock;
    uint64_t popped;
    struct life lives[KEYS];
    struct take takes[MEMBERS][OPERATIONS];
    size_t took[MEMBERS], walks;
    struct walk walk[WALKS];
};

/* Whether a key was there from before `when` until after it. */
static bool certainly_there(const struct life *l, struct span when)
{
    return l->in.begin != 0 && l->in.end < when.begin &&
           (l->out.begin == 0 || l->out.begin > when.end);
}

static uint64_t now(struct round *r)
{
    return 1 + sobj_add_seq_cst(&r->clock, 1); /* SeqCst: as in history.h. */
}

/* ---- members */

static void take_key(const struct sobj_entry *e, void *context)
{
    int64_t of, tag;

    *(int64_t *)context = entry_number(e);
    test_parse(e->value, &of, &tag);
    expect(of == *(int64_t *)context, "value of %lld under %lld", (long long)of,
           (long long)*(int64_t *)context);
}

static void pop(struct round *r, unsigned member)
{
    struct take *t = &r->takes[member][r->took[member]++];
    enum sobj_status status;

    t->key = EMPTY;
    t->when.begin = now(r);
    status = sobj_dict_remove_last(r->d, take_key, &t->key);
    t->when.end = now(r);
    expect(status == (t->key == EMPTY ? SOBJ_EMPTY : SOBJ_OK), "popped: %s",
           sobj_status_str(status));
}

static void write(struct member *m, struct round *r)
{
    int64_t first = (int64_t)m->index * OPERATIONS, next = first;
    unsigned often = 30 + 10 * (unsigned)rng_below(&m->rng, 4);
    struct test_key k;

    for (int i = 0; i < OPERATIONS; i++) {
        unsigned dice = (unsigned)rng_below(&m->rng, 100);
        struct life *l = &r->lives[next];
        if (dice < often) {
            l->in.begin = now(r);
            expect(sobj_dict_add(r->d, test_key(&k, next, r->bad_hash),
                                 test_value(next, 1 + i), NULL) == SOBJ_OK,
                   "insertion of %lld", (long long)next);
            l->in.end = now(r);
            next++;
        } else if (dice < 90 || next == first) {
            pop(r, m->index);
        } else {
            int64_t n = first + (int64_t)rng_below(&m->rng, (uint64_t)(next - first));
            struct span when = {.begin = now(r)};
            bool removed =
                dice < 95 &&
                sobj_dict_remove(r->d, test_key(&k, n, r->bad_hash), NULL) == SOBJ_OK;
            when.end = now(r);
            if (removed)
                r->lives[n].out = when;
        }
    }
}

/* ---- walks */

static void walk(struct member *m, struct round *r)
{
    /* Acquire: after the writers' last operations. */
    while (r->walks < WALKS && sobj_load_acquire(&r->left) != 0) {
        struct walk *w = &r->walk[r->walks++];
        struct sobj_dict_iter it;

        w->count = 0;
        w->when.begin = now(r);
        sobj_dict_iter_init_backward(&it, r->d);
        while (w->count < KEYS &&
               sobj_dict_iter_next(&it, take_key, &w->keys[w->count]) == SOBJ_OK)
            w->count++;
        sobj_dict_iter_fini(&it);
        w->when.end = now(r);
        for (uint64_t pause = rng_below(&m->rng, 20); pause > 0; pause--)
            sched_yield();
    }
}

static void check_walk(struct round *r, const struct walk *w)
{
    unsigned char shown[KEYS] = {0};
    uint64_t least = UINT64_MAX; /* end of an insertion that was shown before */

    for (size_t i = 0; i < w->count; i++) {
        struct life *l = &r->lives[w->keys[i]];
        expect(shown[w->keys[i]]++ == 0, "key %lld is shown twice",
               (long long)w->keys[i]);
        expect(l->in.begin < least, "key %lld is shown after an earlier one",
               (long long)w->keys[i]);
        least = l->in.end < least ? l->in.end : least;
    }
    for (int64_t n = 0; n < KEYS; n++)
        expect(!certainly_there(&r->lives[n], w->when) || shown[n],
               "key %lld is not shown", (long long)n);
}

/* ---- the rule */

static void check_take(struct round *r, const struct take *t)
{
    for (int64_t n = 0; n < KEYS; n++) {
        const struct life *y = &r->lives[n];
        if (n == t->key || !certainly_there(y, t->when))
            continue;
        expect(t->key != EMPTY, "empty, though %lld is there", (long long)n);
        if (t->key != EMPTY)
            expect(y->in.begin < r->lives[t->key].in.end,
                   "%lld is taken, though %lld is there and came later",
                   (long long)t->key, (long long)n);
    }
}

static void check(struct round *r)
{
    unsigned char present[KEYS] = {0};
    struct sobj_dict_iter it;
    int64_t n;

    sobj_dict_iter_init(&it, r->d);
    while (sobj_dict_iter_next(&it, take_key, &n) == SOBJ_OK)
        present[n] = 1;
    sobj_dict_iter_fini(&it);
    for (unsigned m = 0; m < r->writers; m++)
        for (size_t i = 0; i < r->took[m]; i++) {
            const struct take *t = &r->takes[m][i];
            if (t->key == EMPTY)
                continue;
            expect(r->lives[t->key].out.begin == 0, "%lld is taken twice",
                   (long long)t->key);
            r->lives[t->key].out = t->when;
            r->popped++;
        }
    for (n = 0; n < KEYS; n++) {
        const struct life *l = &r->lives[n];
        expect(present[n] == (l->in.begin != 0 && l->out.begin == 0),
               "%lld is %s at the end", (long long)n,
               present[n] ? "still there" : "missing");
    }
    for (unsigned m = 0; m < r->writers; m++)
        for (size_t i = 0; i < r->took[m]; i++)
            check_take(r, &r->takes[m][i]);
    for (size_t i = 0; i < r->walks; i++)
        check_walk(r, &r->walk[i]);
}

/* ---- rounds */

static void work(struct member *m)
{
    struct round *r = m->shared;

    if (m->index < r->writers) {
        write(m, r);
        sobj_sub_release(&r->left, 1); /* Release: pairs with the acquire in walk. */
    } else {
        walk(m, r);
    }
}

static void run_round(struct round *r, uint64_t seed)
{
    unsigned writers = r->writers;
    uint64_t popped = r->popped;

    memset(r, 0, sizeof *r);
    r->writers = writers;
    r->popped = popped;
    r->bad_hash = seed & 1;
    sobj_store_relaxed(&r->left, writers); /* Relaxed: the crew begins later. */
    yield_every(seed & 2 ? 7 : seed & 4 ? 60 : 0);
    expect(sobj_dict_new(0, &r->d) == SOBJ_OK, "new");
    crew_run(writers + 1, seed, 0, work, r);
    yield_every(0);
    check(r);
    sobj_collect();
    dict_check(r->d, "after a round");
    sobj_unref(r->d);
}

int main(int argc, char **argv)
{
    struct torture t = torture_begin(argc, argv, 4);
    struct round *r = calloc(1, sizeof *r);
    uint64_t rounds = 0;

    tap_begin();
    struct balance b = balance_begin();
    int64_t end = sobj_clock() + (int64_t)t.milliseconds * 1000000;
    r->writers = t.threads < 3 ? 2 : t.threads > MEMBERS ? MEMBERS : t.threads - 1;
    do
        run_round(r, t.seed + rounds++);
    while (sobj_clock() < end && tap_failures() == 0);
    diag("%llu rounds of %u writers, %llu keys popped", (unsigned long long)rounds,
         r->writers, (unsigned long long)r->popped);
    ok(r->popped > 0, "keys were popped");
    free(r);
    balance_check(&b, "dict last torture");
    return tap_end();
}
