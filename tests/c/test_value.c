/* SPDX-License-Identifier: MIT */
/* Cells and blobs: immediates, canonical form, sameness, references. */
#include "value.h"

#include <float.h>
#include <math.h>

#include "crew.h"
#include "reclaim.h"
#include "tap.h"
#include "thing.h"

static uint64_t bits_of(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, 8);
    return bits;
}

static double double_of(uint64_t bits)
{
    double d;

    memcpy(&d, &bits, 8);
    return d;
}

/* Returns: whether `d` is immediate and comes back, or rightly is not. */
static bool float_holds(double d)
{
    sobj_cell c = sobj_from_float(d);
    double size = fabs(d);

    /* Smaller than 2^-255 or not below 2^257; 2^-255 itself is the word of 0.0. */
    bool immediate = bits_of(d) == 0 || (size >= 0x1p-255 && size < 0x1p257 &&
                                         bits_of(d) != bits_of(0x1p-255));
    if (!immediate)
        return c == 0;
    return sobj_is_float(c) && !sobj_is_int(c) && !sobj_is_special(c) &&
           !sobj_is_pointer(c) && bits_of(sobj_to_float(c)) == bits_of(d);
}

static void test_floats(void)
{
    static const double special[] = {
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.1,
        -0.1,
        1e-300,
        1e300,
        DBL_MIN,
        DBL_MAX,
        -DBL_MAX,
        DBL_EPSILON,
        0x1p-255,
        -0x1p-255,
        0x1p-256,
        -0x1p-256,
        0x1p-254,
        0x1p255,
        0x1p256,
        -0x1p256,
        0x1p257,
        0x1p-1074,
        0x1p-1022,
        INFINITY,
        -INFINITY,
        1.5,
        0x1.8p-255,
        3.14159,
        0x1.fffffffffffffp256,
        -0x1.fffffffffffffp256,
        0x1.0000000000001p-255,
    };
    struct rng r = rng_seed(11);
    int wrong = 0, immediate = 0;

    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        expect(float_holds(special[i]), "%a", special[i]);
    ok(sobj_from_float(NAN) == 0 && sobj_from_float(-NAN) == 0 &&
           sobj_from_float(double_of(0x7ff8000000001234u)) == 0 &&
           sobj_from_float(double_of(0xfff4000000000001u)) == 0,
       "NaNs need a blob: their payload stays");
    ok(sobj_from_float(-0.0) == 0 && sobj_from_float(0.0) != 0, "zeros are told apart");
    for (int i = 0; i < 2000000; i++) {
        double d = double_of(rng_next(&r));
        wrong += !isnan(d) && !float_holds(d);
        immediate += sobj_from_float(d) != 0;
    }
    ok(wrong == 0 && immediate > 100000, "random bit patterns, %d immediate",
       immediate);
    /* Every exponent, both signs, with the mantissas at its ends. */
    for (uint64_t e = 0; e < 2047; e++) {
        for (int i = 0; i < 8; i++) {
            uint64_t mantissa = i % 4 == 0   ? 0
                                : i % 4 == 1 ? 1
                                : i % 4 == 2 ? ((uint64_t)1 << 52) - 1
                                             : rng_next(&r) >> 12;
            wrong +=
                !float_holds(double_of((uint64_t)(i / 4) << 63 | e << 52 | mantissa));
        }
    }
    ok(wrong == 0, "every exponent");
}

static void test_ints(void)
{
    static const int64_t in[] = {
        0, 1, -1, 255, SOBJ_INT_MAX, SOBJ_INT_MIN, SOBJ_INT_MAX - 1, SOBJ_INT_MIN + 1};
    static const int64_t out[] = {SOBJ_INT_MAX + 1, SOBJ_INT_MIN - 1, INT64_MAX,
                                  INT64_MIN};
    struct rng r = rng_seed(12);
    int wrong = 0;

    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        sobj_cell c = sobj_from_int(in[i]);
        wrong += !sobj_int_fits(in[i]) || sobj_to_int(c) != in[i] || !sobj_is_int(c) ||
                 sobj_is_float(c) || sobj_is_special(c) || sobj_is_pointer(c);
    }
    for (size_t i = 0; i < sizeof out / sizeof *out; i++)
        wrong += sobj_int_fits(out[i]);
    for (int i = 0; i < 100000; i++) {
        int64_t n = (int64_t)rng_next(&r) >> (3 + rng_below(&r, 60));
        wrong += !sobj_int_fits(n) || sobj_to_int(sobj_from_int(n)) != n;
    }
    ok(wrong == 0, "ints of 61 bits, and no others");
}

static void test_specials(void)
{
    sobj_cell c = SOBJ_SPECIAL(SOBJ_SP_STR1, 0xe9);

    ok(sobj_is_special(c) && sobj_special_kind(c) == SOBJ_SP_STR1 &&
           sobj_special_payload(c) == 0xe9 && !sobj_is_pointer(c) && !sobj_is_float(c),
       "a special word");
    ok(SOBJ_NONE != SOBJ_NO_CELL && !sobj_is_blob(SOBJ_NO_CELL) &&
           !sobj_is_object(SOBJ_NO_CELL),
       "the empty cell is no value");
    ok(!sobj_cell_same(SOBJ_TRUE, sobj_from_int(1)) &&
           !sobj_cell_same(SOBJ_FALSE, sobj_from_float(0.0)) &&
           !sobj_cell_same(sobj_from_int(1), sobj_from_float(1.0)),
       "True, 1 and 1.0 are not the same value");
}

static sobj_cell blob_of(enum sobj_blob_kind kind, unsigned aux, const void *data,
                         size_t size, struct sobj_object *edge)
{
    struct sobj_blob *b = sobj_blob_new(kind, aux, size, edge != NULL, -1);

    if (size != 0)
        memcpy(b->data, data, size);
    if (edge != NULL) {
        sobj_ref(edge);
        sobj_blob_edges(b)[0] = edge;
    }
    return sobj_from_blob(b);
}

static void test_blobs(void)
{
    struct balance b = balance_begin();
    struct sobj_object *one = thing_new(), *two = thing_new();
    double nan1 = double_of(0x7ff8000000000001u), nan2 = double_of(0x7ff8000000000002u);
    sobj_cell c[] = {
        blob_of(SOBJ_BLOB_BYTES, 0, "hello", 5, NULL),
        blob_of(SOBJ_BLOB_BYTES, 0, "hellO", 5, NULL),
        blob_of(SOBJ_BLOB_BYTES, 0, "hell", 4, NULL),
        blob_of(SOBJ_BLOB_STR, SOBJ_STR_ASCII, "hello", 5, NULL),
        blob_of(SOBJ_BLOB_STR, SOBJ_STR_1, "hello", 5, NULL),
        blob_of(SOBJ_BLOB_FLOAT, 0, &nan1, 8, NULL),
        blob_of(SOBJ_BLOB_FLOAT, 0, &nan2, 8, NULL),
        blob_of(SOBJ_BLOB_BYTES, 0, NULL, 0, NULL),
        blob_of(SOBJ_BLOB_STREAM, 0, "12345678", 8, one),
        blob_of(SOBJ_BLOB_STREAM, 0, "12345678", 8, two),
        blob_of(SOBJ_BLOB_STREAM, 0, "12345678", 8, NULL),
        blob_of(SOBJ_BLOB_STREAM, 0, "123", 3, one),
        sobj_from_object(one),
        sobj_from_object(two),
    };
    enum { N = sizeof c / sizeof *c };
    int wrong = 0;

    for (int i = 0; i < N; i++) {
        for (int k = 0; k < N; k++)
            wrong += sobj_cell_same(c[i], c[k]) != (i == k);
        wrong += sobj_cell_same(c[i], SOBJ_NONE) || sobj_cell_same(SOBJ_NO_CELL, c[i]);
    }
    ok(wrong == 0, "kind, size, content and edges make the difference");
    sobj_cell twin = blob_of(SOBJ_BLOB_BYTES, 0, "hello", 5, NULL);
    sobj_to_blob(twin)->hash = 77;
    ok(twin != c[0] && sobj_cell_same(twin, c[0]), "twins are the same, with any hash");
    sobj_cell_unref(twin);
    twin = blob_of(SOBJ_BLOB_STREAM, 0, "123", 3, one);
    ok(sobj_cell_same(twin, c[11]), "twins with an edge");
    sobj_cell_unref(twin);
    ok(sobj_to_object(sobj_from_object(one)) == one && sobj_is_object(c[12]) &&
           !sobj_is_blob(c[12]) && sobj_is_blob(c[0]) && !sobj_is_object(c[0]),
       "pointers to cores and to blobs");
    ok(sobj_blob_new(SOBJ_BLOB_BYTES, 0, SOBJ_BLOB_MAX + 1, 0, -1) == NULL,
       "no blob larger than its size field");
    for (int i = 0; i < N; i++) {
        sobj_cell_ref(c[i]);
        sobj_cell_unref(c[i]);
        expect(i < 8 || thing_alive(one), "alive");
        sobj_cell_unref(c[i]);
    }
    balance_check(&b, "blobs");
}

static void test_retire(void)
{
    struct balance b = balance_begin();
    struct sobj_object *obj = thing_new();
    int64_t blobs = sobj_count(SOBJ_COUNT_BLOBS);
    sobj_cell c = blob_of(SOBJ_BLOB_STREAM, 0, "12345678", 8, obj);

    sobj_cell_ref(c);
    sobj__write_begin();
    sobj__cell_retire(c);
    sobj__cell_retire(SOBJ_NONE);
    sobj__cell_retire(sobj_from_int(5));
    sobj__cell_retire(SOBJ_NO_CELL);
    sobj__write_end();
    ok(memcmp(sobj_to_blob(c)->data, "12345678", 8) == 0, "retired, still there");
    sobj_collect();
    ok(sobj_count(SOBJ_COUNT_BLOBS) == blobs + 1, "one reference is left");
    sobj_cell_unref(c);
    ok(sobj_count(SOBJ_COUNT_BLOBS) == blobs && thing_alive(obj), "none is left");
    sobj__write_begin();
    sobj__cell_retire(sobj_from_object(obj));
    sobj__write_end();
    balance_check(&b, "retired cells");
}

/* One value in many cells, replaced in one after the other: all its references go, with
 * the last of them the blob, and no other blob's. */
static void test_retire_one_of_many(void)
{
    struct balance b = balance_begin();
    int64_t blobs = sobj_count(SOBJ_COUNT_BLOBS);
    sobj_cell c = blob_of(SOBJ_BLOB_BYTES, 0, "12345678", 8, NULL);
    sobj_cell d = blob_of(SOBJ_BLOB_BYTES, 0, "12345678", 8, NULL);
    uint32_t batch;

    sobj_blob_ref(sobj_to_blob(c), 100);
    sobj__write_begin();
    sobj__cell_retire(c);
    batch = sobj__thread_tls->batch.count;
    for (int i = 1; i < 16; i++)
        sobj__cell_retire(c);
    ok(sobj__thread_tls->batch.count == batch, "sixteen references go as one");
    sobj__cell_retire(c);
    ok(sobj__thread_tls->batch.count == batch + 1, "more do not");
    sobj__cell_retire(d);
    for (int i = 17; i < 100; i++)
        sobj__cell_retire(c);
    sobj__write_end();
    sobj_collect();
    ok(sobj_count(SOBJ_COUNT_BLOBS) == blobs + 1, "the other one has gone");
    ok(sobj_to_blob(c)->refs == 1, "a hundred have gone, one is left");
    sobj_blob_ref(sobj_to_blob(c), 7);
    sobj_blob_unref(sobj_to_blob(c), 7);
    sobj_blob_unref(sobj_to_blob(c), 1);
    ok(sobj_count(SOBJ_COUNT_BLOBS) == blobs, "then none");
    balance_check(&b, "one value in many cells");
}

int main(void)
{
    tap_begin();
    test_floats();
    test_ints();
    test_specials();
    test_blobs();
    test_retire();
    test_retire_one_of_many();
    return tap_end();
}
