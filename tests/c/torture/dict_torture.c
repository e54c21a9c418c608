/* SPDX-License-Identifier: MIT */
/* The dict under fire. Members write private keys against an exact oracle, fight for
 * shared keys whose insertions and removals must balance, read permanent keys that must
 * never be missed, and iterate; in some rounds somebody clears everything. Good and bad
 * hashes and yields at every compare-and-swap take turns.
 */
#include <stdlib.h>

#include "crew.h"
#include "dict_check.h"
#include "dict_keys.h"
#include "tap.h"

#define PERMANENT 64
#define SHARED 32
#define PRIVATE 200
#define ROUND_STEPS 3000

struct round {
    struct sobj_object *d;
    bool bad_hash, clears;
    _Atomic(int64_t) net[SHARED]; /* insertions minus removals of each shared key */
};

static int64_t private_key(unsigned member, int64_t i)
{
    return ((int64_t)member + 2) * 1000 + i;
}
static int64_t shared_key(int64_t i) { return 1000 + i; }

/* ---- writers */

static void use_shared(struct member *m, struct round *r)
{
    int64_t i = (int64_t)rng_below(&m->rng, SHARED), number = shared_key(i);
    struct test_out old = test_out_init();
    struct test_key k;
    const struct sobj_key *key = test_key(&k, number, r->bad_hash);

    switch (rng_below(&m->rng, 4)) {
    case 0:
        if (sobj_dict_add(r->d, key, test_value(number, 3), &old.out) == SOBJ_OK)
            sobj_add_relaxed(&r->net[i], 1); /* Relaxed: summed after the round. */
        break;
    case 1:
        if (sobj_dict_exchange(r->d, key, test_value(number, 1), &old.out) !=
            SOBJ_NOT_FOUND)
            break;
        sobj_add_relaxed(&r->net[i], 1); /* Relaxed: as above. */
        return;
    case 2:
        if (sobj_dict_remove(r->d, key, &old.out) == SOBJ_OK)
            sobj_sub_relaxed(&r->net[i], 1); /* Relaxed: as above. */
        break;
    default:
        sobj_dict_get(r->d, key, &old.out);
        break;
    }
    test_out_done(&old);
    expect(old.number == number || old.number == -1, "value of key %lld under %lld",
           (long long)old.number, (long long)number);
}

static void use_private(struct member *m, struct round *r, int64_t *oracle)
{
    int64_t i = (int64_t)rng_below(&m->rng, PRIVATE);
    int64_t number = private_key(m->index, i);
    int64_t tag = 1 + (int64_t)rng_below(&m->rng, 1000), want = oracle[i];
    struct test_out old = test_out_init();
    struct test_key k;
    const struct sobj_key *key = test_key(&k, number, r->bad_hash);
    enum sobj_status status;
    sobj_cell expected;

    switch (rng_below(&m->rng, 5)) {
    case 0:
        expect(sobj_dict_set(r->d, key, test_value(number, tag)) == SOBJ_OK, "set");
        oracle[i] = tag;
        return;
    case 1:
        status = sobj_dict_remove(r->d, key, &old.out);
        oracle[i] = 0;
        break;
    case 2:
        status = sobj_dict_exchange(r->d, key, test_value(number, tag), &old.out);
        oracle[i] = tag;
        break;
    case 3:
        expected = want != 0 ? test_value(number, want) : SOBJ_MISSING;
        status =
            sobj_dict_compare_and_set(r->d, key, expected, test_value(number, tag));
        sobj_cell_unref(expected);
        expect(status == SOBJ_OK, "compare_and_set of a private key: %s",
               sobj_status_str(status));
        oracle[i] = tag;
        return;
    default:
        status = sobj_dict_get(r->d, key, &old.out);
        break;
    }
    test_out_done(&old);
    expect((status == SOBJ_OK) == (want != 0), "private key %lld: %s, should be %s",
           (long long)number, sobj_status_str(status), want != 0 ? "there" : "absent");
    expect(status != SOBJ_OK || (old.number == number && old.tag == want),
           "private key %lld: tag %lld, not %lld", (long long)number,
           (long long)old.tag, (long long)want);
}

/* ---- readers */

struct walk {
    struct round *round;
    int64_t last_permanent;
    unsigned permanent;
    unsigned char seen[64 * 1000];
};

static void walk_entry(const struct sobj_entry *e, void *context)
{
    struct walk *w = context;
    int64_t number = entry_number(e), of, tag;

    test_parse(e->value, &of, &tag);
    expect(of == number, "iteration: value of %lld under %lld", (long long)of,
           (long long)number);
    if (number < 0 || number >= (int64_t)sizeof w->seen)
        expect(false, "iteration: key %lld was never inserted", (long long)number);
    else
        expect(w->seen[number]++ == 0 || w->round->clears, "key %lld twice",
               (long long)number);
    if (number < PERMANENT) {
        expect(number > w->last_permanent || w->round->clears,
               "key %lld after key %lld", (long long)number,
               (long long)w->last_permanent);
        w->last_permanent = number;
        w->permanent++;
    }
}

static void walk_all(struct round *r, struct walk *w)
{
    struct sobj_dict_iter it;

    memset(w, 0, sizeof *w);
    w->round = r;
    w->last_permanent = -1;
    sobj_dict_iter_init(&it, r->d);
    while (sobj_dict_iter_next(&it, walk_entry, w) == SOBJ_OK)
        continue;
    sobj_dict_iter_fini(&it);
    expect(w->permanent == PERMANENT || r->clears,
           "iteration shows %u of %d permanents", w->permanent, PERMANENT);
}

static void read_permanent(struct member *m, struct round *r)
{
    int64_t number = (int64_t)rng_below(&m->rng, PERMANENT);
    struct test_out out = test_out_init();
    struct test_key k;
    const struct sobj_key *key = test_key(&k, number, r->bad_hash);
    enum sobj_status status = sobj_dict_get(r->d, key, &out.out);

    test_out_done(&out);
    expect(status == SOBJ_OK || r->clears, "permanent key %lld missed",
           (long long)number);
    expect(status != SOBJ_OK || out.number == number, "permanent value");
    if (rng_below(&m->rng, 4) == 0)
        sobj_dict_set(r->d, key,
                      test_value(number, 1 + (int64_t)rng_below(&m->rng, 99)));
}

/* ---- a round */

static void work(struct member *m)
{
    struct round *r = m->shared;
    int64_t oracle[PRIVATE] = {0};
    struct walk *w = malloc(sizeof *w);

    for (int step = 0; step < ROUND_STEPS; step++) {
        unsigned dice = (unsigned)rng_below(&m->rng, 100);
        if (dice < 30)
            use_shared(m, r);
        else if (dice < 75 && !r->clears)
            use_private(m, r, oracle);
        else if (dice == 99 || (dice == 98 && m->index == 0))
            walk_all(r, w);
        else if (dice == 97 && r->clears)
            sobj_dict_clear(r->d);
        else
            read_permanent(m, r);
    }
    free(w);
    for (int64_t i = 0; i < PRIVATE; i++) {
        struct test_out out = test_out_init();
        struct test_key k;
        const struct sobj_key *key =
            test_key(&k, private_key(m->index, i), r->bad_hash);
        expect((sobj_dict_remove(r->d, key, &out.out) == SOBJ_OK) == (oracle[i] != 0),
               "private key %lld at the end", (long long)k.number);
    }
}

static void check_at_rest(struct round *r)
{
    struct walk *w = malloc(sizeof *w);
    size_t present = 0;

    sobj_collect();
    dict_check(r->d, "at rest");
    walk_all(r, w);
    for (int64_t i = 0; i < (int64_t)sizeof w->seen; i++)
        present += w->seen[i];
    expect(present == sobj_dict_len(r->d), "%zu entries, len %zu", present,
           sobj_dict_len(r->d));
    for (int64_t i = 0; i < SHARED && !r->clears; i++) {
        /* Relaxed: the members have ended. */
        int64_t net = sobj_load_relaxed(&r->net[i]);
        expect(net == w->seen[shared_key(i)], "shared key %lld: net %lld, present %d",
               (long long)i, (long long)net, w->seen[shared_key(i)]);
    }
    free(w);
}

static void run_round(const struct torture *t, uint64_t seed)
{
    struct round r = {.bad_hash = seed & 1, .clears = (seed & 6) == 6};
    struct test_key k;

    yield_every(seed & 8 ? 20 : seed & 16 ? 0 : 200);
    expect(sobj_dict_new(0, &r.d) == SOBJ_OK, "new");
    for (int64_t i = 0; i < PERMANENT; i++)
        sobj_dict_set(r.d, test_key(&k, i, r.bad_hash), test_value(i, i));
    crew_run(t->threads, seed, 0, work, &r);
    check_at_rest(&r);
    sobj_unref(r.d);
}

int main(int argc, char **argv)
{
    struct torture t = torture_begin(argc, argv, 4);
    tap_begin();
    struct balance b = balance_begin();
    int64_t end = sobj_clock() + (int64_t)t.milliseconds * 1000000;
    uint64_t rounds = 0;

    do
        run_round(&t, t.seed + rounds++);
    while (sobj_clock() < end && tap_failures() == 0);
    diag("%llu rounds of %u threads", (unsigned long long)rounds, t.threads);
    balance_check(&b, "dict torture");
    return tap_end();
}
