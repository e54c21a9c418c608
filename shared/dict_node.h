/* SPDX-License-Identifier: MIT */
/* L3: nodes of the dict and the keys in them, for dict*.c only; the invariants that they
 * take part in are in dict_internal.h.
 */
#ifndef SOBJ_DICT_NODE_H
#define SOBJ_DICT_NODE_H

#include "atomic.h"
#include "object.h"
#include "sharedobj/dict.h"
#include "value.h"

struct sobj__node {
    _Atomic(sobj_cell) value;
    uint64_t hash;          /* const */
    uint64_t meta;          /* position << 16 | tag; const once in a slot */
    _Atomic(uint32_t) refs; /* count, and LINKED */
    unsigned char key[];    /* as the tag says; const */
};
#define SOBJ__LINKED 0x80000000u

/* Key tag: kind:3 | EXTRA:1 | length:12. Length 4095: see below. */
#define SOBJ__TAG_EXTRA 0x1000u
#define SOBJ__TAG_LENGTH 0x0fffu
#define SOBJ__TAG_MAX 0x0fffu

/* Keys that are long, are streams or have another given form carry this at offset 32,
 * then: canonical bytes padded to 8, given stream, pointers to cores (references). */
struct sobj__key_extra {
    uint64_t size, given_size;
    uint32_t edges, hosted;
};
#define SOBJ__EXTRA_OFFSET 32

/* Marks in node values. */
#define SOBJ__DELETED SOBJ__MARK(0)
#define SOBJ__DROPPED SOBJ__MARK(1)
#define SOBJ__FORWARD_KIND (SOBJ_SP_MARKS + 2)

SOBJ_INLINE bool sobj__is_mark(sobj_cell v)
{
    return SOBJ_UNLIKELY(sobj_is_special(v) && sobj_special_kind(v) >= SOBJ_SP_MARKS);
}
SOBJ_INLINE sobj_cell sobj__forward(struct sobj__node *n)
{
    return SOBJ_SPECIAL(SOBJ__FORWARD_KIND, (uintptr_t)n);
}
SOBJ_INLINE struct sobj__node *sobj__forwarded(sobj_cell v)
{
    if (sobj_is_special(v) && (unsigned)sobj_special_kind(v) == SOBJ__FORWARD_KIND)
        return (struct sobj__node *)(uintptr_t)sobj_special_payload(v);
    return NULL;
}

SOBJ_INLINE uint64_t sobj__node_position(const struct sobj__node *n)
{
    return n->meta >> 16;
}

/* A key prepared for probing. */
struct sobj__probe {
    const struct sobj_key *key;
    uint64_t hash;
    const void *bytes;
    size_t size;
    uint32_t tag;         /* without EXTRA */
    uint32_t fingerprint; /* odd */
    uint64_t spread;      /* top bits choose the slot */
};

#define SOBJ__SPREAD 0x9e3779b97f4a7c15u

SOBJ_INLINE uint32_t sobj__fingerprint(uint64_t hash)
{
    return (uint32_t)(hash & 0x7fff) << 1 | 1;
}

SOBJ_INLINE void sobj__probe_init(struct sobj__probe *p, const struct sobj_key *key)
{
    p->key = key;
    p->hash = key->hash;
    p->bytes = key->bytes;
    p->size = key->size;
    p->tag = (uint32_t)key->kind << 13 |
             (uint32_t)(key->size < SOBJ__TAG_MAX ? key->size : SOBJ__TAG_MAX);
    p->fingerprint = sobj__fingerprint(key->hash);
    p->spread = key->hash * SOBJ__SPREAD;
}

SOBJ_INLINE const struct sobj__key_extra *sobj__node_extra(const struct sobj__node *n)
{
    return (const void *)((const char *)n + SOBJ__EXTRA_OFFSET);
}

/* Whether two blocks of memory are equal; inlined, because a call of memcmp costs more
 * than comparing a usual key. */
SOBJ_INLINE bool sobj__bytes_equal(const void *a, const void *b, size_t size)
{
    const unsigned char *x = a, *y = b;
    uint64_t p, q;

    if (SOBJ_LIKELY(size >= 8)) {
        for (; size > 8; size -= 8, x += 8, y += 8) {
            memcpy(&p, x, 8);
            memcpy(&q, y, 8);
            if (p != q)
                return false;
        }
        /* The last eight bytes; some may have been compared already. */
        memcpy(&p, x + size - 8, 8);
        memcpy(&q, y + size - 8, 8);
        return p == q;
    }
    for (; size != 0; size--)
        if (*x++ != *y++)
            return false;
    return true;
}

/* The same question as below for the bytes of a key with an extra part. */
bool sobj__node_has_extra_key(const struct sobj__node *n, const void *bytes,
                              size_t size);

/* Whether `n` has the probe's key. */
SOBJ_INLINE bool sobj__node_has_key(const struct sobj__node *n,
                                    const struct sobj__probe *p)
{
    if (SOBJ_UNLIKELY(n->hash != p->hash))
        return false;
    uint32_t difference = ((uint32_t)n->meta ^ p->tag) & 0xffff;
    if (SOBJ_LIKELY(difference == 0))
        return sobj__bytes_equal(n->key, p->bytes, p->size);
    return difference == SOBJ__TAG_EXTRA &&
           sobj__node_has_extra_key(n, p->bytes, p->size);
}

/* Makes a node with two references (log and slot). Returns: NULL on no memory. */
struct sobj__node *sobj__node_new(const struct sobj__probe *p, sobj_cell value);
void sobj__node_unref(struct sobj__node *n);
void sobj__node_unref_cb(void *n);
/* Takes a pin. Needs: the section in which `n` was found by its slot (R1), or a hold on
 * its segment of the log (L1). The count has 31 bits, which takes 64 GiB of holders'
 * entries to fill. */
SOBJ_INLINE struct sobj_dict_pin *sobj__pin(struct sobj__node *n)
{
    /* Relaxed: kept alive by the slot's reference as long as the section lasts, or by
     * the log's. */
    sobj_add_relaxed(&n->refs, 1);
    return (struct sobj_dict_pin *)(void *)n;
}
/* Fills all but the value. */
void sobj__node_entry(struct sobj__node *n, struct sobj_entry *entry);
/* The key of a node, for probing and for another node; points into the node. */
void sobj__node_key(struct sobj__node *n, struct sobj_key *key);
size_t sobj__node_bytes(const struct sobj__node *n);

#endif
