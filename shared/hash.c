/* SPDX-License-Identifier: MIT */
/* L2: keyed hashing. SipHash-1-3 after J.-P. Aumasson and D. J. Bernstein, "SipHash: a
 * fast short-input PRF" (2012); the word hash is a keyed 64x64->128 bit multiplication
 * folded by xor, twice. */
#include "value.h"

#define ROTL(x, b) ((x) << (b) | (x) >> (64 - (b)))

struct sip {
    uint64_t v0, v1, v2, v3;
};

SOBJ_INLINE void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = ROTL(s->v1, 13) ^ s->v0;
    s->v3 = ROTL(s->v3, 16) ^ s->v2;
    s->v0 = ROTL(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = ROTL(s->v1, 17) ^ s->v2;
    s->v3 = ROTL(s->v3, 21) ^ s->v0;
    s->v2 = ROTL(s->v2, 32);
}

uint64_t sobj_hash_bytes(const void *data, size_t size)
{
    const unsigned char *p = data;
    uint64_t k0 = sobj__hash_secret.k0, k1 = sobj__hash_secret.k1, m;
    struct sip s = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
                    k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
    size_t left = size;

    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&m, p, 8);
        s.v3 ^= m;
        sip_round(&s);
        s.v0 ^= m;
    }
    m = 0;
    if (left != 0) /* `data` may be NULL when there is nothing */
        memcpy(&m, p, left);
    m |= (uint64_t)size << 56;
    s.v3 ^= m;
    sip_round(&s);
    s.v0 ^= m;
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

SOBJ_INLINE uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t sobj_hash_word(uint64_t word)
{
    uint64_t h = fold(word ^ sobj__hash_secret.k0, 0x9e3779b97f4a7c15u);

    return fold(h ^ sobj__hash_secret.k1, 0xd6e8feb86659fd93u);
}
