/* SPDX-License-Identifier: MIT */
/* L3: dict nodes; see dict_internal.h. */
#include "alloc.h"
#include "dict_internal.h"

#define PAD8(n) (((n) + 7) & ~(size_t)7)

static size_t plain_bytes(size_t key_size)
{
    return offsetof(struct sobj__node, key) + key_size;
}

static size_t extra_bytes(const struct sobj__key_extra *x)
{
    return SOBJ__EXTRA_OFFSET + sizeof *x + PAD8(x->size) + PAD8(x->given_size) +
           x->edges * sizeof(struct sobj_object *);
}

size_t sobj__node_bytes(const struct sobj__node *n)
{
    if (n->meta & SOBJ__TAG_EXTRA)
        return extra_bytes(sobj__node_extra(n));
    return plain_bytes(n->meta & SOBJ__TAG_LENGTH);
}

static const unsigned char *given_of(const struct sobj__key_extra *x)
{
    return (const unsigned char *)(x + 1) + PAD8(x->size);
}

static struct sobj_object **edges_of(const struct sobj__key_extra *x)
{
    return (struct sobj_object **)(uintptr_t)(given_of(x) + PAD8(x->given_size));
}

static void extra_fill(struct sobj__node *n, const struct sobj_key *key)
{
    struct sobj__key_extra *x =
        (struct sobj__key_extra *)(void *)((char *)n + SOBJ__EXTRA_OFFSET);

    x->size = key->size;
    x->given_size = key->given != NULL ? key->given_size : 0;
    x->edges = key->edge_count;
    x->hosted = key->hosted;
    if (key->size != 0)
        memcpy(x + 1, key->bytes, key->size);
    if (key->given != NULL)
        memcpy((void *)(uintptr_t)given_of(x), key->given, key->given_size);
    for (uint32_t i = 0; i < key->edge_count; i++) {
        sobj_ref(key->edges[i]);
        edges_of(x)[i] = key->edges[i];
    }
}

SOBJ_NOINLINE bool sobj__node_has_extra_key(const struct sobj__node *n,
                                            const void *bytes, size_t size)
{
    const struct sobj__key_extra *x = sobj__node_extra(n);

    return x->size == size && memcmp(x + 1, bytes, size) == 0;
}

struct sobj__node *sobj__node_new(const struct sobj__probe *p, sobj_cell value)
{
    const struct sobj_key *key = p->key;
    bool extra = key->given != NULL || key->kind == SOBJ_KEY_STREAM ||
                 key->size >= SOBJ__TAG_MAX;
    struct sobj__key_extra shape = {key->size, key->given != NULL ? key->given_size : 0,
                                    key->edge_count, key->hosted};
    size_t size = extra ? extra_bytes(&shape) : plain_bytes(key->size);
    struct sobj__node *n = sobj__alloc_small(SOBJ_COUNT_NODES, size);

    if (n == NULL)
        return NULL;
    /* Slot words have 48 bits for the pointer; user space of x86-64 and arm64 fits
     * unless a program maps memory above that on purpose. */
    sobj_assert(((uintptr_t)n & ~SOBJ__NODE_MASK) == 0);
    atomic_init(&n->value, value);
    atomic_init(&n->refs, 2);
    n->hash = p->hash;
    n->meta = p->tag | (extra ? SOBJ__TAG_EXTRA : 0);
    if (extra)
        extra_fill(n, key);
    else if (key->size != 0)
        memcpy(n->key, key->bytes, key->size);
    return n;
}

void sobj__node_unref(struct sobj__node *n)
{
    /* AcqRel: all uses of the node precede its end. */
    uint32_t refs = sobj_sub_acq_rel(&n->refs, 1);

    if ((refs & ~SOBJ__LINKED) != 1)
        return;
    size_t size = sobj__node_bytes(n);
    if (n->meta & SOBJ__TAG_EXTRA) {
        const struct sobj__key_extra *x = sobj__node_extra(n);
        for (uint32_t i = 0; i < x->edges; i++)
            sobj_unref(edges_of(x)[i]);
    }
    sobj__free_small(SOBJ_COUNT_NODES, n, size);
}

void sobj__node_unref_cb(void *n) { sobj__node_unref(n); }

void sobj__node_key(struct sobj__node *n, struct sobj_key *key)
{
    memset(key, 0, sizeof *key);
    key->kind = (enum sobj_key_kind)((n->meta & 0xffff) >> 13);
    key->hash = n->hash;
    if (n->meta & SOBJ__TAG_EXTRA) {
        const struct sobj__key_extra *x = sobj__node_extra(n);
        key->bytes = x + 1;
        key->size = x->size;
        key->given = x->given_size != 0 ? given_of(x) : NULL;
        key->given_size = x->given_size;
        key->edges = edges_of(x);
        key->edge_count = x->edges;
        key->hosted = x->hosted != 0;
    } else {
        key->bytes = n->key;
        key->size = n->meta & SOBJ__TAG_LENGTH;
    }
}

void sobj__node_entry(struct sobj__node *n, struct sobj_entry *entry)
{
    struct sobj_key key;

    sobj__node_key(n, &key);
    entry->kind = key.kind;
    entry->hash = key.hash;
    entry->place = (struct sobj_dict_pin *)(void *)n;
    entry->bytes = key.bytes;
    entry->size = key.size;
    entry->edges = NULL;
    entry->edge_count = 0;
    if (n->meta & SOBJ__TAG_EXTRA) {
        const struct sobj__key_extra *x = sobj__node_extra(n);
        if (x->given_size != 0) {
            entry->kind = SOBJ_KEY_STREAM;
            entry->bytes = given_of(x);
            entry->size = x->given_size;
        }
        entry->edges = edges_of(x);
        entry->edge_count = x->edges;
    }
}
