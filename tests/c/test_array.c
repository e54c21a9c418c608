/* SPDX-License-Identifier: MIT */
/* Arrays: every operation on items of every kind, up to their limits and with racing
 * threads; neighbours; the memory as such. */
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arrays.h"
#include "crew.h"
#include "object.h"
#include "pause.h"
#include "sharedobj/atomic_int.h"
#include "tap.h"

static const char LETTERS[] = SOBJ_ARRAY_TYPECODES;
#define KINDS (sizeof LETTERS - 1)

static const struct sobj_array_kind *kind_at(size_t k)
{
    return sobj_array_kind(LETTERS[k]);
}

static union sobj_number real(double d) { return (union sobj_number){.d = d}; }
static union sobj_number whole(int64_t i) { return (union sobj_number){.i = i}; }

/* ---- kinds and memory */

static void test_kinds(void)
{
    static const size_t sizes[KINDS] = {1, 1, 2, 2, 4, 4, 8, 8, 8, 8, 4, 8};
    int wrong = 0;

    for (size_t k = 0; k < KINDS; k++) {
        const struct sobj_array_kind *kind = kind_at(k);
        unsigned bits = 8 * (unsigned)sizes[k];
        bool is_signed = LETTERS[k] >= 'a';
        uint64_t all = UINT64_MAX >> (64 - bits);
        wrong += kind->format[0] != LETTERS[k] || kind->format[1] != '\0';
        wrong += kind->item_size != (ptrdiff_t)sizes[k];
        if (k >= KINDS - 2) {
            wrong += kind->class != SOBJ_ARRAY_FLOAT;
            continue;
        }
        wrong += kind->class != (is_signed ? SOBJ_ARRAY_SIGNED : SOBJ_ARRAY_UNSIGNED);
        wrong += kind->greatest != (is_signed ? all >> 1 : all);
        wrong += kind->least != (is_signed ? -(int64_t)(all >> 1) - 1 : 0);
    }
    ok(wrong == 0, "sizes and limits");
    ok(sobj_array_kind('x') == NULL && sobj_array_kind('\0') == NULL &&
           sobj_array_kind('u') == NULL,
       "no others");
}

static void test_memory(void)
{
    static const size_t lengths[] = {0, 1, 7, 8, 1000, 300000};
    struct balance b = balance_begin();
    int wrong = 0;

    for (size_t k = 0; k < KINDS; k++) {
        for (size_t n = 0; n < sizeof lengths / sizeof *lengths; n++) {
            struct sobj_object *a = new_array(LETTERS[k], lengths[n]);
            const struct sobj_array_layout *layout = sobj_array_layout(a);
            size_t size = lengths[n] * (size_t)layout->kind->item_size;
            char *zeros = calloc(size + 1, 1);
            wrong += layout->len != (ptrdiff_t)lengths[n] || layout->kind != kind_at(k);
            wrong += layout->items == NULL || (uintptr_t)layout->items % 64 != 0;
            wrong += memcmp(layout->items, zeros, size) != 0;
            wrong += sobj_array_bytes(a) < size || sobj_array_bytes(a) > size + 256;
            wrong += sobj_type_of(a) != SOBJ_TYPE_ARRAY;
            memset(layout->items, 0xff, size); /* all of it is ours */
            free(zeros);
            sobj_unref(a);
        }
    }
    ok(wrong == 0, "zeros in cache lines of their own, of every kind");
    balance_check(&b, "memory");
}

static void test_too_large(void)
{
    struct sobj_object *a = NULL;
    const struct sobj_array_kind *kind = sobj_array_kind('d');

    ok(sobj_array_new(kind, SIZE_MAX / 8, NULL, &a) == SOBJ_NO_MEMORY &&
           sobj_array_new(kind, SIZE_MAX, NULL, &a) == SOBJ_NO_MEMORY &&
           sobj_array_new(kind, PTRDIFF_MAX / 8, NULL, &a) == SOBJ_NO_MEMORY &&
           a == NULL,
       "what no memory can hold");
}

static void test_filled(void)
{
    static const int16_t given[] = {1, -2, 32767, -32768};
    struct sobj_object *a, *found = NULL, *c = NULL;
    struct balance b = balance_begin();
    int16_t got[4] = {0};

    expect(sobj_array_new(sobj_array_kind('h'), 4, given, &a) == SOBJ_OK, "new");
    sobj_array_read(a, 0, 1, 4, got);
    ok(memcmp(got, given, sizeof got) == 0 && sobj_array_get(a, 3).i == -32768,
       "filled");
    ok(sobj_attach(sobj_id_of(a), &found) == SOBJ_OK && found == a, "found by its id");
    sobj_unref(found);
    sobj_array_read(a, 3, -2, 2, got);
    ok(got[0] == -32768 && got[1] == -2, "read backward");
    sobj_array_write(a, 1, 2, 2, (int16_t[]){7, 8});
    sobj_array_read(a, 0, 1, 4, got);
    ok(got[0] == 1 && got[1] == 7 && got[2] == 32767 && got[3] == 8, "written apart");
    expect(sobj_array_copy(a, 3, -1, 3, &c) == SOBJ_OK, "copy");
    sobj_array_set(a, 2, whole(0));
    ok(sobj_array_layout(c)->len == 3 && sobj_array_get(c, 0).i == 8 &&
           sobj_array_get(c, 1).i == 32767 && sobj_array_get(c, 2).i == 7 &&
           sobj_array_layout(c)->kind == sobj_array_layout(a)->kind,
       "a copy of a part");
    sobj_unref(c);
    sobj_unref(a);
    balance_check(&b, "filled");
}

static void copy_one(void *context)
{
    struct sobj_object *a = NULL, *b = NULL;

    (void)context;
    if (sobj_array_new(sobj_array_kind('i'), 100, NULL, &a) != SOBJ_OK)
        return;
    if (sobj_array_copy(a, 0, 1, 100, &b) == SOBJ_OK)
        sobj_unref(b);
    sobj_unref(a);
}

/* More than the table of cores has had room for so far, so that it has to grow. */
static void make_many(void *context)
{
    struct sobj_object *made[400];
    size_t n = 0;

    (void)context;
    while (n < sizeof made / sizeof *made &&
           sobj_array_new(sobj_array_kind('b'), 1, NULL, &made[n]) == SOBJ_OK)
        n++;
    while (n > 0)
        sobj_unref(made[--n]);
}

/* ---- ints */

/* Numbers around the limits of a kind and around 0. Returns: how many. */
static int numbers_of(const struct sobj_array_kind *kind, int64_t *numbers)
{
    int n = 0;

    for (uint64_t d = 0; d < 3; d++) {
        numbers[n++] = (int64_t)(kind->greatest - d);
        numbers[n++] = (int64_t)(kind->greatest + d);
        numbers[n++] = (int64_t)((uint64_t)kind->least + d);
        numbers[n++] = (int64_t)((uint64_t)kind->least - d);
        numbers[n++] = (int64_t)d;
        numbers[n++] = -(int64_t)d;
        numbers[n++] = INT64_MAX - (int64_t)d;
        numbers[n++] = INT64_MIN + (int64_t)d;
        numbers[n++] = (int64_t)(kind->greatest / 2 + d);
    }
    return n;
}

/* Every operation with every pair of numbers, on the middle one of three items. */
static void test_ints(const struct sobj_array_kind *kind)
{
    struct sobj_object *a = new_array(kind->format[0], 3);
    size_t size = (size_t)kind->item_size;
    unsigned char *memory = sobj_array_layout(a)->items;
    int64_t numbers[40];
    int n = numbers_of(kind, numbers), wrong = 0, done = 0;

    memset(memory, 0xa5, 3 * size);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n; k++) {
            for (int op = ITEM_GET; op < ITEM_KINDS; op++) {
                struct item_job j = {.array = a,
                                     .index = 1,
                                     .kind = (enum item_kind)op,
                                     .x = numbers[k],
                                     .y = numbers[i]};
                if (sobj_array_set(a, 1, whole(numbers[i])) != SOBJ_OK)
                    continue;
                item_job_run(&j);
                wrong += !item_job_agrees(&j, numbers[i]);
                j.x = numbers[i];
                j.y = numbers[k];
                sobj_array_set(a, 1, whole(numbers[i]));
                item_job_run(&j);
                wrong += !item_job_agrees(&j, numbers[i]);
                done += 2;
            }
        }
    }
    for (size_t i = 0; i < size; i++)
        wrong += memory[i] != 0xa5 || memory[2 * size + i] != 0xa5;
    ok(wrong == 0 && done > 1000, "%s: %d operations around the limits", kind->format,
       done);
    sobj_unref(a);
}

/* ---- floats */

static uint64_t bits_of(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static void test_doubles(void)
{
    struct sobj_object *a = new_array('d', 2);
    union sobj_number out;

    ok(sobj_array_add(a, 1, real(0.1), &out) == SOBJ_OK && out.d == 0.1 &&
           sobj_array_add(a, 1, real(0.2), &out) == SOBJ_OK && out.d == 0.1 + 0.2,
       "add");
    ok(sobj_array_add(a, 1, real(INFINITY), &out) == SOBJ_OK && isinf(out.d) &&
           sobj_array_set(a, 1, real(1e308)) == SOBJ_OK &&
           sobj_array_add(a, 1, real(1e308), &out) == SOBJ_OK && isinf(out.d),
       "infinities are sums");
    sobj_array_set(a, 1, real(NAN));
    ok(sobj_array_compare_and_set(a, 1, real(NAN), real(-0.0)) == SOBJ_OK &&
           sobj_array_compare_and_set(a, 1, real(0.0), real(1)) == SOBJ_MISMATCH &&
           bits_of(sobj_array_get(a, 1).d) == bits_of(-0.0) &&
           sobj_array_compare_and_set(a, 1, real(-0.0), real(3)) == SOBJ_OK,
       "compared bit for bit");
    ok(sobj_array_max(a, 1, real(NAN), &out) == SOBJ_OK && out.d == 3 &&
           sobj_array_min(a, 1, real(NAN), &out) == SOBJ_OK && out.d == 3 &&
           sobj_array_get(a, 1).d == 3,
       "a NaN is not beyond a number");
    ok(sobj_array_max(a, 1, real(4), &out) == SOBJ_OK && out.d == 3 &&
           sobj_array_max(a, 1, real(3.5), &out) == SOBJ_OK && out.d == 4 &&
           sobj_array_min(a, 1, real(-1), &out) == SOBJ_OK && out.d == 4 &&
           sobj_array_min(a, 1, real(0), &out) == SOBJ_OK && out.d == -1,
       "max and min");
    sobj_array_set(a, 1, real(NAN));
    ok(sobj_array_max(a, 1, real(1), &out) == SOBJ_OK && isnan(out.d) &&
           isnan(sobj_array_get(a, 1).d),
       "nor a number beyond a NaN");
    ok(bits_of(sobj_array_get(a, 0).d) == 0, "the neighbour is as it was");
    sobj_unref(a);
}

static void test_floats(void)
{
    struct sobj_object *a = new_array('f', 3);
    union sobj_number out = real(7);

    ok(sobj_array_set(a, 1, real(0.1)) == SOBJ_OK &&
           sobj_array_get(a, 1).d == (double)0.1f,
       "rounded");
    ok(sobj_array_compare_and_set(a, 1, real(0.1), real(1)) == SOBJ_MISMATCH &&
           sobj_array_compare_and_set(a, 1, real((double)0.1f), real(2.5)) == SOBJ_OK,
       "compared as it is read");
    ok(sobj_array_add(a, 1, real(0.1), &out) == SOBJ_OK &&
           out.d == (double)(float)(2.5 + 0.1),
       "a sum is what was stored");
    ok(sobj_array_set(a, 1, real(3.4028235677973366e38)) == SOBJ_OVERFLOW &&
           sobj_array_exchange(a, 1, real(-1e300), &out) == SOBJ_OVERFLOW &&
           sobj_array_max(a, 1, real(1e39), &out) == SOBJ_OVERFLOW &&
           sobj_array_add(a, 1, real(1e39), &out) == SOBJ_OVERFLOW &&
           sobj_array_compare_and_set(a, 1, real(5), real(1e39)) == SOBJ_OVERFLOW &&
           sobj_array_get(a, 1).d == (double)(float)(2.5 + 0.1),
       "too large, and nothing has changed");
    ok(sobj_array_set(a, 1, real(3.4028235e38)) == SOBJ_OK &&
           sobj_array_exchange(a, 1, real(-INFINITY), &out) == SOBJ_OK &&
           out.d == (double)3.4028235e38f && isinf(sobj_array_get(a, 1).d),
       "the largest one, and an infinity");
    sobj_array_set(a, 1, real(-NAN));
    ok(isnan(sobj_array_get(a, 1).d) &&
           sobj_array_compare_and_set(a, 1, sobj_array_get(a, 1), real(1)) == SOBJ_OK,
       "a NaN");
    ok(sobj_array_max(a, 1, real(1.00000001), &out) == SOBJ_OK &&
           sobj_array_get(a, 1).d == 1,
       "max of what is the same when rounded");
    ok(sobj_array_get(a, 0).d == 0 && sobj_array_get(a, 2).d == 0, "neighbours");
    sobj_unref(a);
}

/* ---- stopped on the way, while another value is stored */

static void test_late(enum item_kind op, const char *point, int64_t first, int64_t x,
                      int64_t y, int64_t meanwhile)
{
    struct item_job j = {
        .array = new_array('b', 3), .index = 1, .kind = op, .x = x, .y = y};
    struct pause p;

    sobj_array_set(j.array, 1, whole(first));
    bool stopped = pause_at(&p, point, 0, item_job_run, &j);
    sobj_array_set(j.array, 1, whole(meanwhile));
    pause_end(&p);
    ok(stopped && item_job_agrees(&j, meanwhile), "%s(%d, %d) late, %d meanwhile",
       point, (int)x, (int)y, (int)meanwhile);
    sobj_unref(j.array);
}

static void test_all_late(void)
{
    test_late(ITEM_ADD, "array.add", 1, 5, 0, 7);
    test_late(ITEM_ADD, "array.add", 1, 5, 0, 125);
    test_late(ITEM_ADD, "array.add", 120, -5, 0, -128);
    test_late(ITEM_CAS, "array.compare_and_set", 1, 1, 9, 2);
    test_late(ITEM_CAS, "array.compare_and_set", 1, 1, 9, 1);
    test_late(ITEM_MAX, "array.bound", 1, 5, 0, 7);
    test_late(ITEM_MAX, "array.bound", 1, 5, 0, 3);
    test_late(ITEM_MIN, "array.bound", 9, 5, 0, 3);
    test_late(ITEM_MIN, "array.bound", 9, 5, 0, 127);
}

/* ---- threads */

static void add_to_all(struct member *m)
{
    struct sobj_object *a = m->shared;
    bool floats = sobj_array_layout(a)->kind->class == SOBJ_ARRAY_FLOAT;
    union sobj_number one = floats ? real(1) : whole(1), sum;

    for (int i = 0; i < 25; i++) {
        for (size_t k = 0; k < 16; k++)
            expect(sobj_array_add(a, (k + m->index) % 16, one, &sum) == SOBJ_OK, "add");
    }
}

static void test_sums(void)
{
    int wrong = 0;

    for (size_t k = 0; k < KINDS; k++) {
        struct sobj_object *a = new_array(LETTERS[k], 16);
        bool floats = kind_at(k)->class == SOBJ_ARRAY_FLOAT;
        for (int round = 0; round < 4; round++) {
            yield_every(round % 2 ? 3 : 0);
            for (size_t i = 0; i < 16; i++)
                sobj_array_set(a, i, whole(0)); /* 0.0, too */
            crew_run(4, (uint64_t)round, 0, add_to_all, a);
            for (size_t i = 0; i < 16; i++) {
                union sobj_number sum = sobj_array_get(a, i);
                wrong += floats ? sum.d != 100 : sum.i != 100;
            }
        }
        sobj_unref(a);
    }
    yield_every(0);
    ok(wrong == 0, "no addition to neighbours is lost");
}

/* One thread stores the limit and 0 by turns, others add: what may be seen is the limit
 * and what can be reached from 0, nothing wrapped. */
#define NEAR_ZERO 100

struct limits {
    struct sobj_object *a;
    int64_t limit, step;
    _Atomic(int) overflows;
};

static void check_seen(struct limits *l, int64_t v)
{
    bool near = l->step > 0 ? v >= 0 && v < NEAR_ZERO : v <= 0 && v > -NEAR_ZERO;

    expect(near || v == l->limit, "%lld was seen", (long long)v);
}

static void push_limit(struct member *m)
{
    struct limits *l = m->shared;
    union sobj_number sum;

    for (int i = 0; i < NEAR_ZERO / 4; i++) {
        if (m->index == 0) {
            sobj_array_set(l->a, 1, whole(i % 2 ? 0 : l->limit));
            if (i % 8 == 0)
                sched_yield();
        } else if (m->index == 1) {
            check_seen(l, sobj_array_get(l->a, 1).i);
        } else if (sobj_array_add(l->a, 1, whole(l->step), &sum) == SOBJ_OK) {
            check_seen(l, sum.i);
            expect(sum.i != l->limit, "the limit is never the result of a sum here");
        } else {
            sobj_add_seq_cst(&l->overflows, 1); /* SeqCst: as all in tests. */
        }
    }
}

static void test_limit(char typecode, bool upper)
{
    const struct sobj_array_kind *kind = sobj_array_kind(typecode);
    struct limits l = {.a = new_array(typecode, 3),
                       .limit = upper ? (int64_t)kind->greatest : kind->least,
                       .step = upper ? 1 : -1};
    int before = tap_failures();

    yield_every(3);
    /* A hundred rounds, and more if the limit was never met. */
    for (int round = 0; round < 100 || (round < 5000 && l.overflows == 0); round++) {
        sobj_array_set(l.a, 1, whole(0));
        crew_run(4, (uint64_t)round, 0, push_limit, &l);
    }
    yield_every(0);
    ok(tap_failures() == before && sobj_load_seq_cst(&l.overflows) > 0 &&
           sobj_array_get(l.a, 0).i == 0 && sobj_array_get(l.a, 2).i == 0,
       "%c: never a wrong value, %d overflows", typecode,
       sobj_load_seq_cst(&l.overflows));
    sobj_unref(l.a);
}

static void test_histories(void)
{
    struct array_history r;
    enum verdict v = LINEARIZABLE;

    array_history_init(&r, 4);
    yield_every(4);
    for (unsigned round = 0; round < 40 && v == LINEARIZABLE; round++)
        v = array_history_round(&r, round);
    yield_every(0);
    ok(v == LINEARIZABLE, "histories of all operations are linearizable");
    array_history_fini(&r);
}

/* Two threads count in an item each, or the second one in an AtomicInt, and look at
 * the other's after each step. Who has made step i and then not seen the other's step j
 * comes before it, so that the other must have seen step i when he looked after his
 * step j (O1). */
#define STEPS 1000000

struct duel {
    struct sobj_object *a, *number; /* the second one's; NULL: an item */
    int64_t seen[2][STEPS + 2];     /* after each step; those begin with 1 */
};

/* A busy machine would rather run both on one processor, one after the other. */
static void take_processor(unsigned index)
{
#ifdef __linux__
    cpu_set_t may, take;

    CPU_ZERO(&take);
    if (sched_getaffinity(0, sizeof may, &may) != 0 || CPU_COUNT(&may) <= (int)index)
        return;
    for (int cpu = 0;; cpu++) {
        if (CPU_ISSET(cpu, &may) && index-- == 0) {
            CPU_SET(cpu, &take);
            break;
        }
    }
    sched_setaffinity(0, sizeof take, &take);
#else
    (void)index;
#endif
}

static void fight(struct member *m)
{
    struct duel *d = m->shared;
    unsigned me = m->index;

    take_processor(me);
    for (int64_t i = 1; i <= STEPS; i++) {
        if (me == 1 && d->number != NULL)
            sobj_atomic_int_set(d->number, i);
        else
            sobj_array_set(d->a, 16 * me, whole(i));
        d->seen[me][i] = me == 0 && d->number != NULL
                             ? sobj_atomic_int_get(d->number)
                             : sobj_array_get(d->a, 16 * (1 - me)).i;
    }
}

/* Returns: in how many steps the first one saw something new: how much they ran at the
 * same time. */
static int duel(struct duel *d, bool with_int, int *missed)
{
    int met = 0;

    d->a = new_array('q', 32);
    d->number = NULL;
    if (with_int && sobj_atomic_int_new(0, &d->number) != SOBJ_OK)
        abort();
    d->seen[0][0] = 0;
    crew_run(2, 1, 0, fight, d);
    for (int64_t i = 1; i <= STEPS; i++) {
        int64_t j = d->seen[0][i] + 1;
        *missed += j <= STEPS && d->seen[1][j] < i;
        met += d->seen[0][i] != d->seen[0][i - 1];
    }
    sobj_unref(d->a);
    if (with_int)
        sobj_unref(d->number);
    return met;
}

static void test_duels(bool with_int)
{
    static struct duel d;
    int missed = 0, met = 0, rounds = 0;

    /* On a busy machine they seldom run at the same time. */
    for (; rounds < 60 && met < 100000; rounds++)
        met += duel(&d, with_int, &missed);
    ok(missed == 0, "of two stores%s one is seen by who made the other; %d met in %d",
       with_int ? ", one to an AtomicInt," : "", met, rounds);
}

/* ---- fork */

static void test_fork(void)
{
    struct sobj_object *a = new_array('q', 2);
    union sobj_number out;
    int status = -1;

    sobj_array_set(a, 0, whole(5));
    pid_t child = fork();
    if (child == 0) {
        bool well = sobj_array_get(a, 0).i == 5 &&
                    sobj_array_add(a, 0, whole(1), &out) == SOBJ_OK && out.i == 6;
        _exit(well ? 0 : 1);
    }
    waitpid(child, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0 && sobj_array_get(a, 0).i == 5,
       "a child has a copy of its own");
    sobj_unref(a);
}

int main(void)
{
    tap_begin();
    test_kinds();
    test_memory();
    test_too_large();
    test_filled();
    fault_walk("new and copy", copy_one, NULL, NULL);
    fault_walk("many", make_many, NULL, NULL);
    for (size_t k = 0; k < KINDS - 2; k++)
        test_ints(kind_at(k));
    test_doubles();
    test_floats();
    test_all_late();
    test_sums();
    for (const char *c = "bhiq"; *c != '\0'; c++) {
        test_limit(*c, true);
        test_limit(*c, false);
    }
    test_limit('B', true);
    test_limit('Q', true);
    test_histories();
    test_duels(false);
    test_duels(true);
    test_fork();
    return tap_end();
}
