/* SPDX-License-Identifier: MIT */
/* Linearizability of the dict: members use a few keys with all operations, one more
 * member inserts and removes others, so that a table of few slots is moved all the
 * time, and the recorded histories are checked against a dict that does one thing after
 * the other. In half of the rounds clear(), replace(), snapshots and copies join in,
 * which span the keys; then all keys are one object. Half of the members keep pins and
 * read and store through them where they can.
 *
 * Taking the last entry is recorded as the removal of the key that came out, which must
 * fit with all else that happens to that key; which key it may be is checked by
 * dict_last_torture. */
#include <stdlib.h>

#include "crew.h"
#include "dict_check.h"
#include "dict_keys.h"
#include "history.h"
#include "models.h"
#include "tap.h"

#define KEYS 3
#define OPERATIONS 60 /* of each member in a round */

/* ---- a model of all keys together: kind = entry kind + KIND_KEY * key */

#define KIND_KEY 16
#define KIND_CLEAR 15
#define KIND_REPLACE 14  /* (content packed) */
#define KIND_SNAPSHOT 13 /* () -> content packed */
#define KIND_NOTHING 12  /* of other keys */
#define OTHER_KEY 99

/* A value of each key, 20 bits for each. */
#define PACKED_BITS 20
#define PACKED_ABSENT 0xfffff

static int64_t packed_with(int64_t packed, int64_t key, int64_t value)
{
    uint64_t bits = value == ENTRY_ABSENT ? PACKED_ABSENT : (uint64_t)value;

    return packed | (int64_t)(bits << (key * PACKED_BITS));
}

static int64_t packed_value(int64_t packed, int64_t key)
{
    int64_t bits = packed >> (key * PACKED_BITS) & PACKED_ABSENT;

    return bits == PACKED_ABSENT ? ENTRY_ABSENT : bits;
}

static void keys_init(void *state)
{
    for (int i = 0; i < KEYS; i++)
        model_entry.init((int64_t *)state + i);
}

static bool keys_step(void *state, const struct op *op)
{
    struct op one = *op;

    switch (op->kind) {
    case KIND_CLEAR:
        keys_init(state);
        return true;
    case KIND_REPLACE:
        for (int64_t i = 0; i < KEYS; i++)
            ((int64_t *)state)[i] = packed_value(op->arg[0], i);
        return true;
    case KIND_SNAPSHOT:
        for (int64_t i = 0; i < KEYS; i++)
            if (((int64_t *)state)[i] != packed_value(op->result[0], i))
                return false;
        return true;
    }
    if (op->kind == KIND_NOTHING)
        return true;
    one.kind = op->kind % KIND_KEY;
    return model_entry.step((int64_t *)state + op->kind / KIND_KEY, &one);
}

static void keys_print(const struct op *op, char *text, size_t size)
{
    struct op one = *op;

    if (op->kind == KIND_CLEAR) {
        snprintf(text, size, "clear()");
        return;
    }
    if (op->kind == KIND_REPLACE || op->kind == KIND_SNAPSHOT) {
        snprintf(text, size, "%s %llx (from the right, fffff is absent)",
                 op->kind == KIND_REPLACE ? "replace" : "snapshot",
                 (unsigned long long)(op->kind == KIND_REPLACE ? op->arg[0]
                                                               : op->result[0]));
        return;
    }
    if (op->kind == KIND_NOTHING) {
        snprintf(text, size, "-");
        return;
    }
    one.key = op->kind / KIND_KEY;
    one.kind = op->kind % KIND_KEY;
    model_entry.print(&one, text, size);
}

static void keys_print_state(const void *state, char *text, size_t size)
{
    size_t n = 0;

    for (int i = 0; i < KEYS && n + 30 < size; i++) {
        model_entry.print_state((const int64_t *)state + i, text + n, size - n);
        n += strlen(text + n);
        n += (size_t)snprintf(text + n, size - n, " ");
    }
}

static const struct model model_keys = {
    .name = "dict of 3 keys",
    .state_size = KEYS * sizeof(int64_t),
    .init = keys_init,
    .step = keys_step,
    .print = keys_print,
    .print_state = keys_print_state,
};

/* ---- values: small ints, as cells or, so that freed memory shows, as blobs */

static sobj_cell cell_of(int64_t v)
{
    if (v == ENTRY_ABSENT)
        return SOBJ_MISSING;
    if (v % 4 != 3)
        return sobj_from_int(v);
    struct sobj_blob *b = sobj_blob_new(SOBJ_BLOB_INT, 0, 8, 0, -1);
    if (b == NULL)
        abort();
    memcpy(b->data, &v, 8);
    return sobj_from_blob(b);
}

struct value_out {
    struct sobj_out out;
    int64_t value;
};

static void take_value(struct sobj_out *out)
{
    memcpy(&((struct value_out *)out)->value, sobj_to_blob(out->cell)->data, 8);
}

static struct value_out value_out(void)
{
    return (struct value_out){.out = {.take = take_value, .cell = sobj_from_int(0)}};
}

static int64_t value_of(const struct value_out *v)
{
    return sobj_is_int(v->out.cell) ? sobj_to_int(v->out.cell) : v->value;
}

/* ---- members */

struct round {
    struct sobj_object *d;
    struct history h;
    bool bad_hash, whole, go_on;
    unsigned recorders;
    _Atomic(unsigned) left; /* recorders at work */
    uint64_t first, seed, rounds, undecided;
    int64_t end; /* when to stop */
};

/* What a member keeps of a key. */
struct kept {
    struct sobj_dict_pin *pin; /* NULL: none */
    uint64_t content;
};

struct step {
    struct round *r;
    struct op *op;
    const struct sobj_key *key;
    struct kept *kept; /* NULL: without pins */
    int64_t a, b;
};

static void begin(struct step *s, unsigned thread, unsigned kind, int64_t key)
{
    if (s->r->whole)
        s->op = history_invoke(&s->r->h, thread, kind + KIND_KEY * (unsigned)key, 0,
                               s->a, s->b);
    else
        s->op = history_invoke(&s->r->h, thread, kind, (uint64_t)key, s->a, s->b);
}

static void kept_drop(struct kept *k)
{
    if (k->pin != NULL)
        sobj_dict_pin_drop(k->pin);
    k->pin = NULL;
}

/* As sobj_dict_get. Half of the reads of an immediate take the cell that was looked at,
 * the others go through the pin like those of a blob. */
static enum sobj_status get(struct step *s, struct value_out *out)
{
    struct sobj_object *d = s->r->d;
    struct kept *k = s->kept;

    if (k == NULL)
        return sobj_dict_get(d, s->key, &out->out);
    if (k->pin != NULL) {
        sobj_cell cell = sobj_dict_pin_look(k->pin, sobj_dict_content(d), k->content);
        if (sobj_dict_pin_shows(cell) && !sobj_is_pointer(cell) && s->b % 2 == 0) {
            out->out.cell = cell;
            return SOBJ_OK;
        }
        if (sobj_dict_pin_get(d, k->pin, k->content, &out->out) == SOBJ_OK)
            return SOBJ_OK;
        kept_drop(k);
    }
    return sobj_dict_get_pinned(d, s->key, &out->out, &k->pin, &k->content);
}

/* As sobj_dict_set. */
static enum sobj_status set(struct step *s, sobj_cell value)
{
    struct kept *k = s->kept;

    if (k != NULL && k->pin != NULL) {
        if (sobj_dict_pin_set(s->r->d, k->pin, k->content, value) == SOBJ_OK)
            return SOBJ_OK;
        kept_drop(k);
    }
    return sobj_dict_set(s->r->d, s->key, value);
}

/* As sobj_dict_increment, from 0. */
static enum sobj_status increment(struct step *s, sobj_cell *sum)
{
    sobj_cell n = sobj_from_int(s->a);
    struct kept *k = s->kept;
    enum sobj_status status = SOBJ_STALE;

    if (k != NULL && k->pin != NULL) {
        status = sobj_dict_pin_increment(s->r->d, k->pin, k->content, n, sum);
        if (status == SOBJ_STALE)
            kept_drop(k);
    }
    return status == SOBJ_OK
               ? status
               : sobj_dict_increment(s->r->d, s->key, n, sobj_from_int(0), sum);
}

static void run_step(struct step *s, unsigned kind)
{
    struct sobj_object *d = s->r->d;
    struct history *h = &s->r->h;
    struct value_out out = value_out();
    sobj_cell a = cell_of(s->a), sum = 0;
    enum sobj_status status;

    switch ((enum entry_kind)kind) {
    case ENTRY_GET:
        status = get(s, &out);
        history_respond(h, s->op, status == SOBJ_OK, value_of(&out));
        break;
    case ENTRY_SET:
        status = set(s, a);
        history_respond(h, s->op, status == SOBJ_OK, 0);
        return;
    case ENTRY_ADD:
        status = sobj_dict_add(d, s->key, a, &out.out);
        history_respond(h, s->op, status == SOBJ_OK, value_of(&out));
        return;
    case ENTRY_EXCHANGE:
        status = sobj_dict_exchange(d, s->key, a, &out.out);
        history_respond(h, s->op, status == SOBJ_OK, value_of(&out));
        return;
    case ENTRY_REMOVE:
        status = sobj_dict_remove(d, s->key, &out.out);
        history_respond(h, s->op, status == SOBJ_OK, value_of(&out));
        break;
    case ENTRY_CAS:
        status = sobj_dict_compare_and_set(d, s->key, a, cell_of(s->b));
        history_respond(h, s->op, status == SOBJ_OK, 0);
        break;
    case ENTRY_INCREMENT:
        status = increment(s, &sum);
        history_respond(h, s->op, sobj_to_int(sum), 0);
        expect(status == SOBJ_OK, "increment: %s", sobj_status_str(status));
        break;
    }
    sobj_cell_unref(a);
}

struct popped {
    int64_t key, value;
};

static void take_popped(const struct sobj_entry *e, void *context)
{
    struct popped *p = context;
    struct value_out out = {.out = {.cell = e->value}};

    if (!sobj_is_int(e->value))
        take_value(&out.out);
    p->key = entry_number(e) - 1;
    p->value = value_of(&out);
}

/* Only when it is done is it known what it has been. */
static void pop(struct member *m, struct round *r)
{
    struct op *op = history_invoke(&r->h, m->index, 0, OTHER_KEY, 0, 0);
    struct popped p = {-1, 0};
    bool found = sobj_dict_remove_last(r->d, take_popped, &p) == SOBJ_OK;

    history_respond(&r->h, op, 0, 0);
    if (!found || p.key >= KEYS) {
        op->kind = r->whole ? KIND_NOTHING : ENTRY_GET;
        op->key = r->whole ? 0 : OTHER_KEY;
        return;
    }
    op->kind = (uint16_t)(ENTRY_REMOVE + (r->whole ? KIND_KEY * p.key : 0));
    op->key = r->whole ? 0 : (uint64_t)p.key;
    op->result[0] = true;
    op->result[1] = p.value;
}

/* Values are multiples of 4 and increments too where numbers are incremented: blobs
 * cannot be. */
static int64_t small(struct rng *r, bool numbers)
{
    return (int64_t)rng_below(r, 5) * (numbers ? 4 : 1);
}

/* ---- all keys at once */

static void see(const struct sobj_entry *e, void *context)
{
    int64_t *packed = context, key = entry_number(e) - 1, value;

    if (key < 0 || key >= KEYS)
        return;
    if (sobj_is_int(e->value))
        value = sobj_to_int(e->value);
    else
        memcpy(&value, sobj_to_blob(e->value)->data, 8);
    /* What it said is that the key is absent. */
    *packed &= ~((int64_t)PACKED_ABSENT << (key * PACKED_BITS));
    *packed = packed_with(*packed, key, value);
}

static int64_t read_whole(struct sobj_object *d, bool by_copy)
{
    int64_t packed = 0;

    for (int64_t i = 0; i < KEYS; i++)
        packed = packed_with(packed, i, ENTRY_ABSENT);
    if (by_copy) {
        struct sobj_object *copy = NULL;
        struct sobj_dict_iter it;
        expect(sobj_dict_copy(d, &copy) == SOBJ_OK, "copy");
        sobj_dict_iter_init(&it, copy);
        while (sobj_dict_iter_next(&it, see, &packed) == SOBJ_OK)
            continue;
        sobj_dict_iter_fini(&it);
        sobj_unref(copy);
    } else {
        struct sobj_dict_snapshot *s = dict_snap(d);
        while (sobj_dict_snapshot_next(s, see, &packed) == SOBJ_OK)
            continue;
        sobj_dict_snapshot_end(s);
    }
    return packed;
}

static void replace_whole(struct round *r, int64_t packed)
{
    struct sobj_object *other = NULL;
    struct test_key k;

    expect(sobj_dict_new(0, &other) == SOBJ_OK, "new");
    for (int64_t i = 0; i < KEYS; i++)
        if (packed_value(packed, i) != ENTRY_ABSENT)
            sobj_dict_set(other, test_key(&k, i + 1, r->bad_hash),
                          cell_of(packed_value(packed, i)));
    expect(sobj_dict_replace(r->d, other) == SOBJ_OK, "replace");
    sobj_unref(other);
}

static void record_whole(struct member *m, struct round *r)
{
    struct op *op;

    switch (rng_below(&m->rng, 6)) {
    case 0:
        op = history_invoke(&r->h, m->index, KIND_CLEAR, 0, 0, 0);
        expect(sobj_dict_clear(r->d) == SOBJ_OK, "clear");
        history_respond(&r->h, op, 0, 0);
        return;
    case 1: {
        int64_t packed = 0;
        for (int64_t i = 0; i < KEYS; i++)
            packed = packed_with(packed, i,
                                 rng_below(&m->rng, 3) == 0 ? ENTRY_ABSENT
                                                            : small(&m->rng, i == 0));
        op = history_invoke(&r->h, m->index, KIND_REPLACE, 0, packed, 0);
        replace_whole(r, packed);
        history_respond(&r->h, op, 0, 0);
        return;
    }
    default: {
        bool by_copy = rng_below(&m->rng, 4) == 0;
        op = history_invoke(&r->h, m->index, KIND_SNAPSHOT, 0, 0, 0);
        int64_t packed = read_whole(r->d, by_copy);
        history_respond(&r->h, op, packed, 0);
        return;
    }
    }
}

/* ---- members at work */

static void record(struct member *m, struct round *r)
{
    struct kept kept[KEYS] = {{NULL, 0}};

    for (int i = 0; i < OPERATIONS; i++) {
        int64_t n = (int64_t)rng_below(&m->rng, KEYS);
        bool numbers = n == 0; /* key 0 is the one that is incremented */
        unsigned kind = (unsigned)rng_below(&m->rng, numbers ? 7 : 6);
        struct test_key k;
        struct step s = {.r = r, .key = test_key(&k, n + 1, r->bad_hash)};

        if (r->whole && rng_below(&m->rng, 4) == 0) {
            record_whole(m, r);
            continue;
        }
        if (rng_below(&m->rng, 8) == 0) {
            pop(m, r);
            continue;
        }
        if (rng_below(&m->rng, 3) == 0)
            kind = ENTRY_REMOVE; /* so that much is inserted, too */
        s.kept = m->index % 2 == 0 ? &kept[n] : NULL;
        s.a = small(&m->rng, numbers);
        s.b = small(&m->rng, numbers);
        if (kind == ENTRY_CAS && rng_below(&m->rng, 2))
            *(rng_below(&m->rng, 2) ? &s.a : &s.b) = ENTRY_ABSENT;
        begin(&s, m->index, kind, n);
        run_step(&s, kind);
    }
    for (int i = 0; i < KEYS; i++)
        kept_drop(&kept[i]);
}

/* Other keys come and go: each takes a slot that only a migration empties; many at once
 * make the table grow and shrink. */
static void disturb(struct member *m, struct round *r)
{
    struct test_key k;
    int64_t first = 100;

    /* Acquire: after the recorders' last operations. */
    while (sobj_load_acquire(&r->left) != 0) {
        int64_t count = rng_below(&m->rng, 20) == 0 ? 300 : 3;
        for (int64_t i = 0; i < count; i++)
            sobj_dict_set(r->d, test_key(&k, first + i, r->bad_hash), sobj_from_int(i));
        if (rng_below(&m->rng, 30) == 0)
            sobj_dict_reserve(r->d, rng_below(&m->rng, 600));
        for (int64_t i = 0; i < count; i++)
            sobj_dict_remove(r->d, test_key(&k, first + i, r->bad_hash), NULL);
        first += count;
    }
}

/* ---- rounds */

static void round_begin(struct round *r, uint64_t seed)
{
    r->seed = seed;
    r->bad_hash = seed & 1;
    r->whole = seed & 2;
    sobj_store_relaxed(&r->left, r->recorders); /* Relaxed: all wait at the barrier. */
    yield_every(seed & 8 ? 10 : seed & 16 ? 60 : 3);
    expect(sobj_dict_new(0, &r->d) == SOBJ_OK, "new");
}

static void round_end(struct round *r)
{
    const struct model *model = r->whole ? &model_keys : &model_entry;
    enum verdict v = history_check(&r->h, model, true);

    expect(v != NOT_LINEARIZABLE, "a history that no order explains, round %llu",
           (unsigned long long)r->seed);
    dict_check(r->d, "after a history");
    sobj_unref(r->d);
    history_reset(&r->h);
    r->undecided += v == UNDECIDED;
    r->rounds++;
}

/* Member 0 sets up and checks while the others wait; all have freed by then what they
 * had retired. */
static void work(struct member *m)
{
    struct round *r = m->shared;

    for (;;) {
        if (m->index == 0) {
            r->go_on = sobj_clock() < r->end && tap_failures() == 0;
            if (r->go_on)
                round_begin(r, r->first + r->rounds);
        }
        crew_meet(m);
        if (!r->go_on)
            return;
        if (m->index < r->recorders) {
            record(m, r);
            sobj_sub_release(&r->left, 1); /* Release: pairs with the acquire there. */
        } else {
            disturb(m, r);
        }
        crew_meet(m);
        sobj_collect();
        crew_meet(m);
        if (m->index == 0)
            round_end(r);
    }
}

int main(int argc, char **argv)
{
    struct torture t = torture_begin(argc, argv, 4);
    struct round r = {.first = t.seed};

    tap_begin();
    if (t.threads < 3)
        t.threads = 3;
    struct balance b = balance_begin();
    r.recorders = t.threads - 1;
    r.end = sobj_clock() + (int64_t)t.milliseconds * 1000000;
    history_init(&r.h, t.threads, OPERATIONS);
    crew_run(t.threads, t.seed, 0, work, &r);
    yield_every(0);
    history_fini(&r.h);
    diag("%llu histories of %u threads, %llu undecided", (unsigned long long)r.rounds,
         r.recorders, (unsigned long long)r.undecided);
    /* On a slow machine there may be one history only. */
    ok(r.undecided <= 1 + r.rounds / 10, "nearly all histories were decided");
    balance_check(&b, "dict histories");
    return tap_end();
}
