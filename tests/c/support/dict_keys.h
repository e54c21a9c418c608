/* SPDX-License-Identifier: MIT */
/* Keys and values for dict tests: integers as int keys, as strings, as streams with
 * another given form; with good hashes or deliberately bad ones. And single steps for
 * tests that know what comes out. */
#ifndef SUPPORT_DICT_KEYS_H
#define SUPPORT_DICT_KEYS_H

#include <stdio.h>
#include <string.h>

#include "sharedobj/dict.h"
#include "tap.h"

struct test_key {
    struct sobj_key key;
    int64_t number;
    uint64_t stream[2];
    char text[24];
};

/* How a number becomes a key: the kinds take turns; `bad_hash` leaves 4 hash values. */
static inline const struct sobj_key *test_key(struct test_key *k, int64_t number,
                                              bool bad_hash)
{
    struct sobj_key *key = &k->key;

    memset(key, 0, sizeof *key);
    k->number = number;
    switch (number & 3) {
    case 0: /* an int given as such */
    case 1: /* an int given as something else */
        key->kind = SOBJ_KEY_INT;
        key->bytes = &k->number;
        key->size = 8;
        key->hash = sobj_hash_word((uint64_t)number);
        if (number & 1) {
            k->stream[1] = (uint64_t)number;
            k->stream[0] = sobj_stream_header(SOBJ_ST_FLOAT, 0, 0);
            key->given = k->stream;
            key->given_size = 16;
        }
        break;
    case 2:
        key->kind = SOBJ_KEY_ASCII;
        key->bytes = k->text;
        key->size =
            (size_t)snprintf(k->text, sizeof k->text, "key %lld", (long long)number);
        key->hash = sobj_hash_bytes(k->text, key->size);
        break;
    default:
        k->stream[0] = sobj_stream_header(SOBJ_ST_FLOAT, 0, 0);
        k->stream[1] = (uint64_t)number;
        key->kind = SOBJ_KEY_STREAM;
        key->bytes = k->stream;
        key->size = 16;
        key->hash = sobj_hash_bytes(k->stream, 16);
        break;
    }
    if (bad_hash)
        key->hash &= (uint64_t)3 << 20;
    return key;
}

/* Returns: the number that an entry's key was made of. */
static inline int64_t entry_number(const struct sobj_entry *e)
{
    char text[24] = {0};
    uint64_t words[2];
    int64_t number;

    switch (e->kind) {
    case SOBJ_KEY_INT:
        memcpy(&number, e->bytes, 8);
        return number;
    case SOBJ_KEY_ASCII: {
        long long n = -1;
        memcpy(text, e->bytes, e->size < 23 ? e->size : 23);
        sscanf(text, "key %lld", &n);
        return n;
    }
    default:
        memcpy(words, e->bytes, 16);
        return (int64_t)words[1];
    }
}

/* A value that says what it belongs to: every third is a blob, so that a value that was
 * freed too early shows. */
static inline sobj_cell test_value(int64_t number, int64_t tag)
{
    int64_t both[2] = {number, tag};

    if (tag % 3 != 0)
        return sobj_from_int(number << 20 | (tag & 0xfffff));
    struct sobj_blob *b = sobj_blob_new(SOBJ_BLOB_BYTES, 0, sizeof both, 0, -1);
    if (b == NULL)
        return 0;
    memcpy(b->data, both, sizeof both);
    return sobj_from_blob(b);
}

struct test_out {
    struct sobj_out out;
    int64_t number, tag;
};

static inline void test_parse(sobj_cell cell, int64_t *number, int64_t *tag)
{
    int64_t both[2];

    if (sobj_is_int(cell)) {
        *number = sobj_to_int(cell) >> 20;
        *tag = sobj_to_int(cell) & 0xfffff;
        return;
    }
    memcpy(both, sobj_to_blob(cell)->data, sizeof both);
    *number = both[0];
    *tag = both[1];
}

static inline void test_take(struct sobj_out *out)
{
    struct test_out *t = (struct test_out *)out;

    test_parse(out->cell, &t->number, &t->tag);
}

/* For reading a value: `test_out_done` after the call, whatever the kind. */
static inline struct test_out test_out_init(void)
{
    return (struct test_out){.out = {.take = test_take}, .number = -1, .tag = -1};
}
static inline void test_out_done(struct test_out *t)
{
    if (sobj_is_int(t->out.cell))
        test_parse(t->out.cell, &t->number, &t->tag);
}

/* ---- steps, with good hashes */

static inline struct sobj_object *dict_new(void)
{
    struct sobj_object *d = NULL;

    expect(sobj_dict_new(0, &d) == SOBJ_OK, "new dict");
    return d;
}

static inline void dict_put(struct sobj_object *d, int64_t number, int64_t tag)
{
    struct test_key k;
    enum sobj_status status =
        sobj_dict_set(d, test_key(&k, number, false), test_value(number, tag));

    expect(status == SOBJ_OK, "set %lld: %s", (long long)number,
           sobj_status_str(status));
}

/* Returns: whether the key was there. */
static inline bool dict_drop(struct sobj_object *d, int64_t number)
{
    struct test_key k;

    return sobj_dict_remove(d, test_key(&k, number, false), NULL) == SOBJ_OK;
}

/* Returns: the tag of the value, or -1 if the key is absent. */
static inline int64_t dict_look(struct sobj_object *d, int64_t number)
{
    struct test_out out = test_out_init();
    struct test_key k;

    if (sobj_dict_get(d, test_key(&k, number, false), &out.out) != SOBJ_OK)
        return -1;
    test_out_done(&out);
    expect(out.number == number, "value of %lld under %lld", (long long)out.number,
           (long long)number);
    return out.tag;
}

static inline void dict_see(const struct sobj_entry *e, void *context)
{
    int64_t *seen = context;

    seen[0] = entry_number(e);
    test_parse(e->value, &seen[1], &seen[2]);
    expect(seen[0] == seen[1], "value of %lld shown under %lld", (long long)seen[1],
           (long long)seen[0]);
}

/* Returns: the number of the next key, or -1 at the end. */
static inline int64_t dict_next(struct sobj_dict_iter *it)
{
    int64_t seen[3];

    return sobj_dict_iter_next(it, dict_see, seen) == SOBJ_OK ? seen[0] : -1;
}

/* ---- snapshots */

static inline struct sobj_dict_snapshot *dict_snap(struct sobj_object *d)
{
    struct sobj_dict_snapshot *s = NULL;

    expect(sobj_dict_snapshot_begin(d, &s) == SOBJ_OK, "snapshot");
    return s;
}

/* Returns: the number of the next key and the tag of its value, or -1 at the end. */
static inline int64_t snap_next(struct sobj_dict_snapshot *s, int64_t *tag)
{
    int64_t seen[3];
    enum sobj_status status = sobj_dict_snapshot_next(s, dict_see, seen);

    expect(status == SOBJ_OK || status == SOBJ_EMPTY, "snapshot goes on: %s",
           sobj_status_str(status));
    *tag = seen[2];
    return status == SOBJ_OK ? seen[0] : -1;
}

/* Reads all that is left. Returns: whether that is exactly the keys `first` to `last` in
 * order, with the tags number + `add`. */
static inline bool snap_rest_is(struct sobj_dict_snapshot *s, int64_t first,
                                int64_t last, int64_t add)
{
    bool same = true;
    int64_t n, tag;

    while ((n = snap_next(s, &tag)) >= 0) {
        same = same && n == first && tag == n + add;
        first++;
    }
    return same && first == last + 1;
}

/* The same of a fresh one, which is ended. */
static inline bool snap_is(struct sobj_dict_snapshot *s, int64_t first, int64_t last,
                           int64_t add)
{
    bool same = sobj_dict_snapshot_len(s) == (size_t)(last - first + 1) &&
                snap_rest_is(s, first, last, add);

    sobj_dict_snapshot_end(s);
    return same;
}

/* Removes the last key. Returns: its number, or -1 if the dict is empty. */
static inline int64_t dict_pop(struct sobj_object *d)
{
    int64_t seen[3];

    return sobj_dict_remove_last(d, dict_see, seen) == SOBJ_OK ? seen[0] : -1;
}

/* Returns: how often an iteration shows the key. */
static inline int dict_shown(struct sobj_object *d, int64_t number)
{
    struct sobj_dict_iter it;
    int64_t seen;
    int times = 0;

    sobj_dict_iter_init(&it, d);
    while ((seen = dict_next(&it)) >= 0)
        times += seen == number;
    sobj_dict_iter_fini(&it);
    return times;
}

#endif
