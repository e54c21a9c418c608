/* SPDX-License-Identifier: MIT */
/* Keyed hashes: SipHash-1-3 against a second, plain implementation. */
#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "tap.h"
#include "value.h"

/* SipHash-c-d as its authors describe it, byte by byte. */
static uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

static void rounds(uint64_t v[4], int n)
{
    while (n-- > 0) {
        v[0] = v[0] + v[1];
        v[1] = rotate(v[1], 13);
        v[1] = v[1] ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] = v[2] + v[3];
        v[3] = rotate(v[3], 16);
        v[3] = v[3] ^ v[2];
        v[0] = v[0] + v[3];
        v[3] = rotate(v[3], 21);
        v[3] = v[3] ^ v[0];
        v[2] = v[2] + v[1];
        v[1] = rotate(v[1], 17);
        v[1] = v[1] ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

static uint64_t siphash(int c, int d, uint64_t k0, uint64_t k1,
                        const unsigned char *data, size_t size)
{
    static const char start[] = "somepseudorandomlygeneratedbytes";
    uint64_t v[4] = {0};
    size_t words = size / 8 + 1;

    for (int i = 0; i < 32; i++)
        v[i / 8] = v[i / 8] << 8 | (unsigned char)start[i];
    v[0] ^= k0;
    v[1] ^= k1;
    v[2] ^= k0;
    v[3] ^= k1;
    for (size_t w = 0; w < words; w++) {
        uint64_t m = 0;
        for (size_t i = 0; i < 8; i++) {
            uint64_t byte = 0;
            if (w * 8 + i < size)
                byte = data[w * 8 + i];
            else if (i == 7)
                byte = size & 0xff;
            m |= byte << (8 * i);
        }
        v[3] ^= m;
        rounds(v, c);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    rounds(v, d);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void set_secret(uint64_t k0, uint64_t k1)
{
    sobj__hash_secret.k0 = k0;
    sobj__hash_secret.k1 = k1;
}

static void test_siphash(void)
{
    unsigned char data[300];
    struct rng r = rng_seed(5);
    int wrong = 0;

    /* The authors' own example, for SipHash-2-4: it vouches for the reference. */
    for (int i = 0; i < 15; i++)
        data[i] = (unsigned char)i;
    ok(siphash(2, 4, 0x0706050403020100u, 0x0f0e0d0c0b0a0908u, data, 15) ==
           0xa129ca6149be45e5u,
       "the reference gives the vector of the paper");
    for (int i = 0; i < 300; i++)
        data[i] = (unsigned char)rng_next(&r);
    for (size_t size = 0; size + 8 <= sizeof data; size++) {
        uint64_t k0 = rng_next(&r), k1 = rng_next(&r);
        set_secret(k0, k1);
        for (size_t shift = 0; shift < 8; shift++)
            wrong += sobj_hash_bytes(data + shift, size) !=
                     siphash(1, 3, k0, k1, data + shift, size);
    }
    ok(wrong == 0, "SipHash-1-3, sizes 0 to 292, any alignment");
    set_secret(1, 2);
    ok(sobj_hash_bytes(NULL, 0) == siphash(1, 3, 1, 2, data, 0), "no data at all");
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Small, strided and nearly equal words, the usual keys, must spread evenly over the
 * low and the high bits; so must ints that Python's own hash, modulo 2^61 - 1, makes
 * equal, and doubles that differ in the exponent or the last bits. */
static void test_word(void)
{
    enum { N = 4096, BUCKETS = 256, SHIFTS = 13 };
    static const uint64_t strides[] = {((uint64_t)1 << 61) - 1, (uint64_t)1 << 52,
                                       0x9e3779b97f4a7c15u, 0xf1de83e19937733du};
    static uint64_t hashes[N];
    int worst = 0;

    set_secret(0x0123456789abcdefu, 0xfedcba9876543210u);
    for (size_t s = 0; s < SHIFTS + sizeof strides / sizeof *strides; s++) {
        uint64_t stride = s < SHIFTS ? (uint64_t)1 << s * 4 : strides[s - SHIFTS];
        unsigned low[BUCKETS] = {0}, high[BUCKETS] = {0};
        for (uint64_t i = 0; i < N; i++) {
            hashes[i] = sobj_hash_word(i * stride);
            low[hashes[i] % BUCKETS]++;
            high[hashes[i] >> 56]++;
        }
        for (int i = 0; i < BUCKETS; i++) {
            worst = (int)low[i] > worst ? (int)low[i] : worst;
            worst = (int)high[i] > worst ? (int)high[i] : worst;
        }
        qsort(hashes, N, sizeof *hashes, by_value);
        for (int i = 1; i < N; i++)
            expect(hashes[i] != hashes[i - 1], "collision, stride %llx",
                   (unsigned long long)stride);
    }
    /* 16 on average; of 8704 buckets the fullest has about 33. */
    ok(worst < 48, "words spread: at most %d of %d in one of %d buckets", worst, N,
       BUCKETS);
    uint64_t before = sobj_hash_word(7);
    set_secret(1, 0xfedcba9876543210u);
    ok(sobj_hash_word(7) != before, "the first half of the secret matters");
    before = sobj_hash_word(7);
    set_secret(1, 2);
    ok(sobj_hash_word(7) != before, "and the second");
}

int main(void)
{
    tap_begin();
    ok(sobj__hash_secret.k0 != 0 && sobj__hash_secret.k1 != 0, "the secret is drawn");
    test_siphash();
    test_word();
    return tap_end();
}
