/* SPDX-License-Identifier: MIT */
/* Keys and values for dict tests: integers as int keys, as strings, as streams with
 * another given form; with good hashes or deliberately bad ones. */
#ifndef SUPPORT_DICT_KEYS_H
#define SUPPORT_DICT_KEYS_H

#include <stdio.h>
#include <string.h>

#include "sharedobj/dict.h"

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
        key->size = (size_t)snprintf(k->text, sizeof k->text, "key %lld",
                                     (long long)number);
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

#endif
