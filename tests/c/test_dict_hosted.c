/* SPDX-License-Identifier: MIT */
/* Values and keys that the host may be unable to make: none leaves the dict before the
 * host has made it. */
#include <string.h>

#include "crew.h"
#include "dict_keys.h"

/* A value with an ATOM in it. */
static sobj_cell hosted_value(int64_t number)
{
    struct sobj_blob *b =
        sobj_blob_new(SOBJ_BLOB_STREAM, SOBJ_STREAM_HOSTED, 16, 0, -1);
    uint64_t words[2] = {sobj_stream_header(SOBJ_ST_ATOM, 1, 8), (uint64_t)number};

    expect(b != NULL, "blob");
    memcpy(b->data, words, sizeof words);
    return sobj_from_blob(b);
}

/* A value of the same kind of blob without one. */
static sobj_cell plain_stream(int64_t number)
{
    sobj_cell cell = hosted_value(number);

    sobj_to_blob(cell)->info &= ~((uint64_t)SOBJ_STREAM_HOSTED << 56);
    return cell;
}

struct number_key {
    struct sobj_key key;
    uint64_t words[2];
};

/* The key of a number, of which every third is hosted. */
static const struct sobj_key *number_key(struct number_key *k, int64_t number)
{
    struct sobj_key *key = &k->key;

    memset(k, 0, sizeof *k);
    k->words[0] = sobj_stream_header(SOBJ_ST_ATOM, 1, 8);
    k->words[1] = (uint64_t)number;
    key->hosted = number % 3 == 0;
    key->kind = key->hosted ? SOBJ_KEY_STREAM : SOBJ_KEY_INT;
    key->bytes = key->hosted ? &k->words[0] : &k->words[1];
    key->size = key->hosted ? 16 : 8;
    key->hash = sobj_hash_bytes(key->bytes, key->size);
    return key;
}

static void put(struct sobj_object *d, int64_t number, sobj_cell value)
{
    struct number_key k;

    expect(sobj_dict_set(d, number_key(&k, number), value) == SOBJ_OK, "set");
}

static bool is_there(struct sobj_object *d, int64_t number)
{
    struct number_key k;

    return sobj_dict_get(d, number_key(&k, number), NULL) == SOBJ_OK;
}

static void single_keys(void)
{
    struct sobj_object *d = dict_new();
    struct sobj_out out = {.take = sobj_out_ref};
    struct number_key k;
    const struct sobj_key *one = number_key(&k, 1);
    sobj_cell value = hosted_value(5), other = hosted_value(6);

    sobj_cell_ref(value);
    put(d, 1, value);
    ok(sobj_dict_remove(d, one, &out) == SOBJ_BAD_OPERAND && is_there(d, 1),
       "remove leaves it where it is if the value is wanted");
    ok(sobj_dict_exchange(d, one, sobj_from_int(7), &out) == SOBJ_BAD_OPERAND &&
           is_there(d, 1),
       "so does exchange");
    ok(sobj_dict_compare_and_set(d, one, other, SOBJ_MISSING) == SOBJ_MISMATCH &&
           sobj_dict_compare_and_set(d, one, value, SOBJ_MISSING) == SOBJ_OK &&
           !is_there(d, 1),
       "the host takes it by compare-and-set");
    sobj_cell_ref(value);
    put(d, 1, value);
    ok(sobj_dict_remove(d, one, NULL) == SOBJ_OK && !is_there(d, 1),
       "what nobody wants goes at once");
    put(d, 1, value);
    ok(sobj_dict_set(d, one, sobj_from_int(7)) == SOBJ_OK, "and is overwritten");
    put(d, 1, plain_stream(5));
    out.cell = 0;
    ok(sobj_dict_exchange(d, one, sobj_from_int(7), &out) == SOBJ_OK,
       "other streams leave at once");
    sobj_cell_unref(out.cell);
    ok(sobj_dict_remove(d, one, &out) == SOBJ_OK && out.cell == sobj_from_int(7),
       "as do numbers");
    sobj_cell_unref(other);
    sobj_unref(d);
}

/* ---- the last entry */

struct last {
    int64_t number;
    struct number_key k; /* as the entry shows it */
    struct sobj_key key;
    sobj_cell value; /* a reference, if it was left */
};

static void take_last(const struct sobj_entry *e, void *context)
{
    struct last *l = context;

    memcpy(l->k.words, e->key.bytes, e->key.size);
    l->number = (int64_t)l->k.words[e->key.hosted ? 1 : 0];
    l->key = e->key;
    l->key.bytes = l->k.words;
    expect(e->key.size == e->size && memcmp(e->key.bytes, e->bytes, e->size) == 0 &&
               e->key.given == NULL,
           "the entry's key");
    l->value = e->value;
    sobj_cell_ref(l->value);
}

enum { NUMBERS = 400, STEPS = 40000 };

/* Against a list of the keys in order; the host makes some and leaves others. */
static void random_steps(uint64_t seed)
{
    struct rng rng = rng_seed(seed);
    struct sobj_object *d = dict_new();
    static int64_t order[NUMBERS];
    static bool hosted[NUMBERS];
    size_t count = 0;
    uint64_t left = 0, taken = 0;
    bool right = true;

    for (int i = 0; i < STEPS && right; i++) {
        uint64_t dice = rng_below(&rng, 10);
        int64_t number = (int64_t)rng_below(&rng, NUMBERS);
        struct number_key k;
        if (dice < 4) {
            bool new = !is_there(d, number);
            hosted[number] = rng_below(&rng, 2) == 0;
            put(d, number, hosted[number] ? hosted_value(i) : sobj_from_int(i));
            if (new)
                order[count++] = number;
        } else if (dice == 4) {
            bool was = sobj_dict_remove(d, number_key(&k, number), NULL) == SOBJ_OK;
            for (size_t j = 0; was && j < count; j++) {
                if (order[j] != number)
                    continue;
                memmove(order + j, order + j + 1, (--count - j) * sizeof *order);
                break;
            }
        } else {
            struct last last = {.number = -1};
            enum sobj_status status = sobj_dict_remove_last(d, take_last, &last);
            if (status == SOBJ_EMPTY) {
                right = count == 0;
                continue;
            }
            bool ours = last.number % 3 != 0 && !hosted[last.number];
            right = count != 0 && last.number == order[count - 1] &&
                    status == (ours ? SOBJ_OK : SOBJ_BAD_OPERAND) &&
                    is_there(d, last.number) == !ours;
            bool take = ours || rng_below(&rng, 2) == 0;
            if (take && !ours)
                right = right &&
                        sobj_dict_compare_and_set(d, &last.key, last.value,
                                                  SOBJ_MISSING) == SOBJ_OK &&
                        !is_there(d, last.number);
            count -= take;
            taken += take;
            left += !take;
            sobj_cell_unref(last.value);
        }
        right = right && sobj_dict_len(d) == count;
    }
    ok(right && left > 1000 && taken > 1000,
       "%llu entries taken last, %llu seen and left (seed %llu)",
       (unsigned long long)taken, (unsigned long long)left, (unsigned long long)seed);
    sobj_unref(d);
}

int main(void)
{
    tap_begin();
    struct balance b = balance_begin();

    single_keys();
    for (uint64_t seed = 1; seed <= 4; seed++)
        random_steps(seed);
    balance_check(&b, "hosted values and keys");
    return tap_end();
}
