/* SPDX-License-Identifier: MIT */
/* The dict by itself: every operation with every status, all kinds of keys, and where
 * each value reference goes. */
#include <stdlib.h>

#include "dict_check.h"
#include "dict_keys.h"
#include "object.h"
#include "sharedobj/atomic_int.h"
#include "tap.h"

static sobj_cell num(int64_t i) { return sobj_from_int(i); }
static sobj_cell real(double x) { return sobj_from_float(x); }

/* ---- keys of one's own */

static struct sobj_key raw_key(enum sobj_key_kind kind, const void *bytes, size_t size)
{
    return (struct sobj_key){.kind = kind,
                             .hash = sobj_hash_bytes(bytes, size),
                             .bytes = bytes,
                             .size = size};
}

static void take_cell(struct sobj_out *out) { sobj_cell_ref(out->cell); }

/* Returns: the value, a borrowed cell; 0 if the key is absent. */
static sobj_cell value_of(struct sobj_object *d, const struct sobj_key *key)
{
    struct sobj_out out = {.take = take_cell};

    if (sobj_dict_get(d, key, &out) != SOBJ_OK)
        return 0;
    sobj_cell_unref(out.cell);
    return out.cell;
}

struct shown_entry {
    struct sobj_entry entry;
    unsigned char bytes[70000];
    struct sobj_object *edge;
    int count;
};

static void show(const struct sobj_entry *e, void *context)
{
    struct shown_entry *s = context;

    s->entry = *e;
    s->count++;
    if (e->size <= sizeof s->bytes && e->size != 0)
        memcpy(s->bytes, e->bytes, e->size);
    s->edge = e->edge_count != 0 ? e->edges[0] : NULL;
    expect(e->kind != SOBJ_KEY_STREAM || ((uintptr_t)e->bytes & 7) == 0,
           "a stream lies aligned");
    expect(e->kind != SOBJ_KEY_STR_2 || ((uintptr_t)e->bytes & 1) == 0, "two bytes");
    expect(e->kind != SOBJ_KEY_STR_4 || ((uintptr_t)e->bytes & 3) == 0, "four bytes");
}

/* Shows the first entry. */
static void show_first(struct sobj_object *d, struct shown_entry *s)
{
    struct sobj_dict_iter it;

    s->count = 0;
    sobj_dict_iter_init(&it, d);
    sobj_dict_iter_next(&it, show, s);
    sobj_dict_iter_fini(&it);
}

/* ---- every operation */

static void operations(void)
{
    struct sobj_object *d = dict_new();
    int64_t n = 7;
    struct sobj_key key = raw_key(SOBJ_KEY_INT, &n, 8);
    struct sobj_out out = {.take = take_cell};

    ok(sobj_type_of(d) == SOBJ_TYPE_DICT && sobj_id_of(d) > 0, "type and id");
    ok(sobj_dict_len(d) == 0, "empty");
    ok(sobj_dict_get(d, &key, &out) == SOBJ_NOT_FOUND, "get of nothing");
    ok(sobj_dict_remove(d, &key, &out) == SOBJ_NOT_FOUND, "remove of nothing");
    ok(sobj_dict_set(d, &key, num(1)) == SOBJ_OK && sobj_dict_len(d) == 1, "set");
    ok(sobj_dict_get(d, &key, &out) == SOBJ_OK && out.cell == num(1), "get");
    ok(sobj_dict_get(d, &key, NULL) == SOBJ_OK, "get of the status alone");
    ok(sobj_dict_set(d, &key, SOBJ_NONE) == SOBJ_OK && value_of(d, &key) == SOBJ_NONE,
       "overwrite");
    ok(sobj_dict_add(d, &key, num(2), &out) == SOBJ_EXISTS && out.cell == SOBJ_NONE,
       "add to what is there");
    ok(sobj_dict_add(d, &key, num(2), NULL) == SOBJ_EXISTS, "the same, not asking");
    ok(sobj_dict_exchange(d, &key, num(3), &out) == SOBJ_OK && out.cell == SOBJ_NONE,
       "exchange");
    ok(sobj_dict_exchange(d, &key, num(4), NULL) == SOBJ_OK, "the same, not asking");
    ok(sobj_dict_remove(d, &key, &out) == SOBJ_OK && out.cell == num(4) &&
           sobj_dict_len(d) == 0,
       "remove");
    ok(sobj_dict_remove(d, &key, NULL) == SOBJ_NOT_FOUND, "once");
    ok(sobj_dict_exchange(d, &key, num(5), &out) == SOBJ_NOT_FOUND &&
           value_of(d, &key) == num(5),
       "exchange inserts");
    ok(sobj_dict_remove(d, &key, NULL) == SOBJ_OK, "remove, not asking");
    ok(sobj_dict_add(d, &key, num(6), &out) == SOBJ_OK && value_of(d, &key) == num(6),
       "add inserts");
    ok(sobj_dict_clear(d) == SOBJ_OK && sobj_dict_len(d) == 0 && value_of(d, &key) == 0,
       "clear");
    ok(sobj_dict_clear(d) == SOBJ_OK, "clear of nothing");
    ok(sobj_dict_set(d, &key, num(8)) == SOBJ_OK && value_of(d, &key) == num(8),
       "set after clear");
    sobj_unref(d);
}

static void compare_and_set(void)
{
    struct sobj_object *d = dict_new();
    int64_t n = 7;
    struct sobj_key key = raw_key(SOBJ_KEY_INT, &n, 8);

    ok(sobj_dict_compare_and_set(d, &key, SOBJ_MISSING, SOBJ_MISSING) == SOBJ_OK,
       "absent stays absent");
    ok(sobj_dict_compare_and_set(d, &key, num(1), num(2)) == SOBJ_MISMATCH,
       "absent is no value");
    ok(sobj_dict_compare_and_set(d, &key, num(1), SOBJ_MISSING) == SOBJ_MISMATCH,
       "absent is not removed");
    ok(sobj_dict_len(d) == 0, "nothing has changed");
    ok(sobj_dict_compare_and_set(d, &key, SOBJ_MISSING, num(1)) == SOBJ_OK,
       "absent to a value");
    ok(sobj_dict_compare_and_set(d, &key, SOBJ_MISSING, num(2)) == SOBJ_MISMATCH,
       "a value is not absent");
    ok(sobj_dict_compare_and_set(d, &key, SOBJ_MISSING, SOBJ_MISSING) == SOBJ_MISMATCH,
       "nor on both sides");
    ok(sobj_dict_compare_and_set(d, &key, num(3), num(2)) == SOBJ_MISMATCH,
       "another value");
    ok(sobj_dict_compare_and_set(d, &key, real(1), num(2)) == SOBJ_MISMATCH,
       "an equal value of another type");
    ok(sobj_dict_compare_and_set(d, &key, num(1), num(1)) == SOBJ_OK, "to itself");
    ok(sobj_dict_compare_and_set(d, &key, num(1), num(2)) == SOBJ_OK &&
           value_of(d, &key) == num(2),
       "to another one");
    ok(sobj_dict_compare_and_set(d, &key, num(1), SOBJ_MISSING) == SOBJ_MISMATCH &&
           sobj_dict_len(d) == 1,
       "another value is not removed");
    ok(sobj_dict_compare_and_set(d, &key, num(2), SOBJ_MISSING) == SOBJ_OK &&
           sobj_dict_len(d) == 0 && value_of(d, &key) == 0,
       "to absent");
    ok(sobj_dict_compare_and_set(d, &key, SOBJ_MISSING, SOBJ_MISSING) == SOBJ_OK,
       "absent again");
    sobj_unref(d);
}

static void increment(void)
{
    struct sobj_object *d = dict_new();
    int64_t n = 7;
    struct sobj_key key = raw_key(SOBJ_KEY_INT, &n, 8);
    sobj_cell sum;

    ok(sobj_dict_increment(d, &key, num(2), num(5), &sum) == SOBJ_OK && sum == num(7),
       "from the start value");
    ok(sobj_dict_increment(d, &key, num(-9), num(5), &sum) == SOBJ_OK && sum == num(-2),
       "from the value");
    ok(sobj_dict_increment(d, &key, real(0.5), num(0), &sum) == SOBJ_OK &&
           sum == real(-1.5) && value_of(d, &key) == real(-1.5),
       "an int and a float");
    ok(sobj_dict_increment(d, &key, num(2), num(0), &sum) == SOBJ_OK &&
           sum == real(0.5),
       "a float and an int");
    ok(sobj_dict_increment(d, &key, num(((int64_t)1 << 53) + 1), num(0), &sum) ==
           SOBJ_BAD_OPERAND,
       "an int beyond the doubles");
    ok(sobj_dict_increment(d, &key, real(0x1p256 * 1.5), num(0), &sum) == SOBJ_OK &&
           sobj_dict_increment(d, &key, real(0x1p256 * 1.5), num(0), &sum) ==
               SOBJ_OVERFLOW &&
           value_of(d, &key) == real(0x1p256 * 1.5),
       "a float that needs a blob");
    sobj_dict_set(d, &key, num(SOBJ_INT_MAX - 1));
    ok(sobj_dict_increment(d, &key, num(1), num(0), &sum) == SOBJ_OK &&
           sum == num(SOBJ_INT_MAX),
       "up to 61 bits");
    ok(sobj_dict_increment(d, &key, num(1), num(0), &sum) == SOBJ_OVERFLOW &&
           value_of(d, &key) == num(SOBJ_INT_MAX),
       "not beyond");
    ok(sobj_dict_increment(d, &key, real(1), num(0), &sum) == SOBJ_BAD_OPERAND,
       "a stored int beyond the doubles");
    sobj_dict_set(d, &key, num(SOBJ_INT_MIN));
    ok(sobj_dict_increment(d, &key, num(-1), num(0), &sum) == SOBJ_OVERFLOW &&
           value_of(d, &key) == num(SOBJ_INT_MIN),
       "nor below");
    sobj_dict_set(d, &key, SOBJ_TRUE);
    ok(sobj_dict_increment(d, &key, num(1), num(0), &sum) == SOBJ_BAD_OPERAND &&
           value_of(d, &key) == SOBJ_TRUE,
       "of what is no number");
    sobj_dict_remove(d, &key, NULL);
    ok(sobj_dict_increment(d, &key, num(1), SOBJ_NONE, &sum) == SOBJ_BAD_OPERAND &&
           sobj_dict_len(d) == 0,
       "from no number");
    ok(sobj_dict_increment(d, &key, num(1), num(SOBJ_INT_MAX), &sum) == SOBJ_OVERFLOW &&
           sobj_dict_len(d) == 0,
       "from too large a number");
    sobj_unref(d);
}

static void frozen(void)
{
    struct sobj_object *d = dict_new();
    int64_t n = 7;
    struct sobj_key key = raw_key(SOBJ_KEY_INT, &n, 8);
    sobj_cell sum;

    sobj_dict_set(d, &key, num(1));
    sobj_or_seq_cst(&d->mode, SOBJ__FROZEN); /* SeqCst: as whoever freezes does. */
    ok(sobj_dict_set(d, &key, test_value(7, 3)) == SOBJ_FROZEN, "set");
    ok(sobj_dict_add(d, &key, test_value(7, 3), NULL) == SOBJ_FROZEN, "add");
    ok(sobj_dict_exchange(d, &key, test_value(7, 3), NULL) == SOBJ_FROZEN, "exchange");
    ok(sobj_dict_remove(d, &key, NULL) == SOBJ_FROZEN, "remove");
    ok(sobj_dict_compare_and_set(d, &key, num(1), test_value(7, 3)) == SOBJ_FROZEN &&
           sobj_dict_compare_and_set(d, &key, SOBJ_MISSING, test_value(7, 3)) ==
               SOBJ_FROZEN &&
           sobj_dict_compare_and_set(d, &key, num(1), SOBJ_MISSING) == SOBJ_FROZEN &&
           sobj_dict_compare_and_set(d, &key, SOBJ_MISSING, SOBJ_MISSING) ==
               SOBJ_FROZEN,
       "compare_and_set");
    ok(sobj_dict_increment(d, &key, num(1), num(0), &sum) == SOBJ_FROZEN, "increment");
    ok(sobj_dict_clear(d) == SOBJ_FROZEN, "clear");
    ok(value_of(d, &key) == num(1) && sobj_dict_len(d) == 1, "as it was, and readable");
    sobj_unref(d);
}

/* ---- keys */

/* All kinds with the same bytes are different keys. */
static void kinds(void)
{
    static const enum sobj_key_kind all[] = {
        SOBJ_KEY_INT,   SOBJ_KEY_ASCII, SOBJ_KEY_STR_1, SOBJ_KEY_STR_2,
        SOBJ_KEY_STR_4, SOBJ_KEY_BYTES, SOBJ_KEY_STREAM};
    enum { KINDS = sizeof all / sizeof *all };
    struct sobj_object *d = dict_new();
    struct shown_entry *s = calloc(1, sizeof *s);
    unsigned char bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    bool found = true, shown = true;
    struct sobj_dict_iter it;

    for (int i = 0; i < KINDS; i++) {
        struct sobj_key key = raw_key(all[i], bytes, 8);
        sobj_dict_set(d, &key, num(i));
    }
    sobj_dict_iter_init(&it, d);
    for (int i = 0; i < KINDS; i++) {
        struct sobj_key key = raw_key(all[i], bytes, 8);
        found &= value_of(d, &key) == num(i);
        shown &= sobj_dict_iter_next(&it, show, s) == SOBJ_OK &&
                 s->entry.kind == all[i] && s->entry.hash == key.hash &&
                 s->entry.size == 8 && memcmp(s->bytes, bytes, 8) == 0 &&
                 s->entry.value == num(i) && s->entry.edge_count == 0;
    }
    shown &= sobj_dict_iter_next(&it, show, s) == SOBJ_EMPTY;
    sobj_dict_iter_fini(&it);
    ok(found && sobj_dict_len(d) == KINDS, "each kind is a key of its own");
    ok(shown, "each comes out as it went in");
    sobj_unref(d);
    free(s);
}

/* Sizes around the 4095 bytes that a node's tag can tell, and none at all. */
static void sizes(void)
{
    static const size_t all[] = {0,    1,    3,    4,    7,    8,     9,    100,
                                 4094, 4095, 4096, 4097, 5000, 65536, 70000};
    enum { SIZES = sizeof all / sizeof *all };
    struct sobj_object *d = dict_new();
    struct shown_entry *s = calloc(1, sizeof *s);
    unsigned char *bytes = malloc(70000);
    bool found = true, shown = true, other = true;
    struct sobj_dict_iter it;

    for (size_t i = 0; i < 70000; i++)
        bytes[i] = (unsigned char)(i * 7);
    for (int i = 0; i < SIZES; i++) {
        struct sobj_key key = raw_key(SOBJ_KEY_BYTES, bytes, all[i]);
        key.hash = 77; /* only the bytes tell them apart */
        sobj_dict_set(d, &key, num(i));
    }
    sobj_dict_iter_init(&it, d);
    for (int i = 0; i < SIZES; i++) {
        struct sobj_key key = raw_key(SOBJ_KEY_BYTES, bytes, all[i]);
        key.hash = 77;
        found &= value_of(d, &key) == num(i);
        shown &= sobj_dict_iter_next(&it, show, s) == SOBJ_OK &&
                 s->entry.size == all[i] && memcmp(s->bytes, bytes, all[i]) == 0;
        if (all[i] == 0)
            continue;
        bytes[all[i] - 1] ^= 1;
        other &= sobj_dict_get(d, &key, NULL) == SOBJ_NOT_FOUND;
        bytes[all[i] - 1] ^= 1;
    }
    sobj_dict_iter_fini(&it);
    struct sobj_key empty = {.kind = SOBJ_KEY_BYTES, .hash = 77};
    ok(value_of(d, &empty) == num(0), "the empty key needs no memory");
    ok(sobj_dict_set(d, &empty, num(99)) == SOBJ_OK && sobj_dict_len(d) == SIZES,
       "and is one key");
    empty.kind = SOBJ_KEY_ASCII;
    ok(sobj_dict_set(d, &empty, num(98)) == SOBJ_OK && sobj_dict_len(d) == SIZES + 1,
       "of each kind");
    ok(found, "keys of %d sizes", SIZES);
    ok(other, "differ in the last byte");
    ok(shown, "come out as they went in");
    dict_check(d, "sizes");
    sobj_unref(d);
    free(bytes);
    free(s);
}

/* The first spelling of a key stays. */
static void spellings(void)
{
    struct sobj_object *d = dict_new();
    struct shown_entry *s = calloc(1, sizeof *s);
    int64_t n = 1;
    uint64_t given[2] = {sobj_stream_header(SOBJ_ST_FLOAT, 0, 0), 0x3ff0000000000000u};
    struct sobj_key one = raw_key(SOBJ_KEY_INT, &n, 8), float_one = one;

    float_one.given = given;
    float_one.given_size = sizeof given;
    sobj_dict_set(d, &float_one, num(1));
    sobj_dict_set(d, &one, num(2));
    show_first(d, s);
    ok(sobj_dict_len(d) == 1 && s->entry.kind == SOBJ_KEY_STREAM &&
           s->entry.size == 16 && memcmp(s->bytes, given, 16) == 0 &&
           s->entry.value == num(2),
       "the first spelling stays");
    ok(value_of(d, &one) == num(2) && value_of(d, &float_one) == num(2),
       "both spellings find it");
    ok(sobj_dict_remove(d, &one, NULL) == SOBJ_OK &&
           sobj_dict_set(d, &one, num(3)) == SOBJ_OK,
       "removed and inserted again");
    sobj_dict_set(d, &float_one, num(4));
    show_first(d, s);
    ok(s->entry.kind == SOBJ_KEY_INT && s->entry.size == 8 && s->entry.value == num(4),
       "the later one is now the first");
    sobj_unref(d);
    free(s);
}

/* A key that contains a core keeps it alive. */
static void keys_with_cores(void)
{
    struct sobj_object *d = dict_new(), *core;
    struct shown_entry *s = calloc(1, sizeof *s);
    struct balance without = balance_begin();

    sobj_atomic_int_new(5, &core);
    uint64_t canonical[2] = {sobj_stream_header(SOBJ_ST_OBJECT, 0, 0),
                             (uint64_t)sobj_id_of(core)};
    uint64_t given[1] = {sobj_stream_header(SOBJ_ST_OBJECT, 0, 0)};
    struct sobj_key key = raw_key(SOBJ_KEY_STREAM, canonical, sizeof canonical);
    key.given = given;
    key.given_size = sizeof given;
    key.edges = &core;
    key.edge_count = 1;
    ok(sobj_dict_set(d, &key, num(1)) == SOBJ_OK, "a key with a core");
    ok(sobj_dict_set(d, &key, num(2)) == SOBJ_OK && sobj_dict_len(d) == 1, "one key");
    show_first(d, s);
    ok(s->entry.edge_count == 1 && s->edge == core && s->entry.size == 8 &&
           memcmp(s->bytes, given, 8) == 0,
       "comes out with it");
    sobj_unref(core);
    sobj_collect();
    ok(sobj_atomic_int_get(core) == 5, "which lives by the key alone");
    ok(value_of(d, &key) == num(2), "and finds it");
    ok(sobj_dict_remove(d, &key, NULL) == SOBJ_OK, "removed");
    ok(sobj_dict_clear(d) == SOBJ_OK, "cleared");
    sobj_collect();
    sobj_collect(); /* the core that the node dropped is retired in turn */
    balance_check(&without, "a core in a key goes with it");
    sobj_unref(d);
    free(s);
}

/* ---- references to values */

static sobj_cell watched; /* a blob with one reference of ours */

/* A reference to give away. */
static sobj_cell mine(void)
{
    sobj_cell_ref(watched);
    return watched;
}

/* Whether the dict holds `n` references. */
static bool held(uint32_t n)
{
    sobj_collect();
    return sobj_load_acquire(&sobj_to_blob(watched)->refs) == n + 1; /* A.: at rest. */
}

static void references(void)
{
    struct sobj_object *d = dict_new();
    int64_t n = 7;
    struct sobj_key key = raw_key(SOBJ_KEY_INT, &n, 8);
    struct sobj_out out = {.take = sobj_out_ref};
    sobj_cell same = test_value(7, 3);

    watched = test_value(7, 3);
    sobj_dict_set(d, &key, mine());
    ok(held(1), "set holds the reference");
    sobj_dict_set(d, &key, mine());
    ok(held(1), "the very same word changes nothing");
    sobj_dict_exchange(d, &key, mine(), NULL);
    ok(held(1), "nor in exchange");
    sobj_dict_get(d, &key, &out);
    ok(out.cell == watched && held(2), "sobj_out_ref takes one");
    sobj_cell_unref(out.cell);
    sobj_dict_add(d, &key, mine(), NULL);
    ok(held(1), "add to what is there drops it");
    sobj_dict_compare_and_set(d, &key, num(1), mine());
    ok(held(1), "compare_and_set of another value drops it");
    sobj_dict_compare_and_set(d, &key, SOBJ_MISSING, mine());
    ok(held(1), "of an absent one as well");
    ok(sobj_dict_compare_and_set(d, &key, same, mine()) == SOBJ_OK && held(1),
       "an equal blob is the same value");
    sobj_dict_compare_and_set(d, &key, watched, num(2));
    ok(held(0), "what is replaced is dropped");
    sobj_dict_compare_and_set(d, &key, num(2), mine());
    ok(held(1), "what replaces is held");
    sobj_dict_set(d, &key, num(3));
    ok(held(0), "overwritten");
    ok(sobj_dict_exchange(d, &key, mine(), &out) == SOBJ_OK && held(1), "exchanged in");
    sobj_dict_exchange(d, &key, num(4), &out);
    ok(out.cell == watched && held(1), "exchanged out into our hands");
    sobj_cell_unref(out.cell);
    ok(held(0), "and gone");
    sobj_dict_remove(d, &key, NULL);
    sobj_dict_compare_and_set(d, &key, watched, mine());
    ok(held(0), "compare_and_set of an absent key drops it");
    sobj_dict_add(d, &key, mine(), NULL);
    ok(held(1), "add holds it");
    sobj_dict_remove(d, &key, &out);
    ok(out.cell == watched && held(1), "removed into our hands");
    sobj_cell_unref(out.cell);
    sobj_dict_compare_and_set(d, &key, SOBJ_MISSING, mine());
    ok(held(1), "compare_and_set of absent holds it");
    sobj_dict_compare_and_set(d, &key, same, SOBJ_MISSING);
    ok(held(0), "and to absent drops it");
    sobj_dict_exchange(d, &key, mine(), &out);
    ok(held(1), "exchange inserts it");
    sobj_dict_clear(d);
    ok(held(0), "clear drops it");
    sobj_dict_set(d, &key, mine());
    sobj_unref(d);
    ok(held(0), "so does the end of the dict");
    sobj_cell_unref(watched);
    sobj_cell_unref(same);
}

/* Dicts in dicts, deep enough that recursion would not come back. */
static void nested(void)
{
    struct sobj_object *outer = dict_new(), *d = outer;
    int64_t n = 7;
    struct sobj_key key = raw_key(SOBJ_KEY_INT, &n, 8);

    for (int i = 0; i < 20000; i++) {
        struct sobj_object *inner = dict_new();
        sobj_dict_set(d, &key, sobj_from_object(inner));
        d = inner;
    }
    ok(sobj_is_object(value_of(outer, &key)), "a core is a value");
    sobj_unref(outer);
    sobj_collect();
}

int main(void)
{
    tap_begin();
    struct balance b = balance_begin();

    operations();
    compare_and_set();
    increment();
    frozen();
    kinds();
    sizes();
    spellings();
    keys_with_cores();
    references();
    nested();
    balance_check(&b, "dict");
    return tap_end();
}
