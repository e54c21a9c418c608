/* SPDX-License-Identifier: MIT */
/* L2: the builder of streams; see include/sharedobj/value.h.
 *
 * Words that do not fit inside lie in a block that has room for the head of a blob before
 * them: a long stream becomes a blob where it is, without being copied. */
#include "alloc.h"
#include "value.h"

void sobj_stream_init(struct sobj_stream *s)
{
    s->words = s->inline_words;
    s->count = 0;
    s->capacity = sizeof s->inline_words / sizeof *s->inline_words;
    s->edges = NULL;
    s->edge_count = s->edge_capacity = 0;
}

#define HEAD sizeof(struct sobj_blob)
#define BLOCK_BYTES(capacity) (HEAD + (capacity) * sizeof(uint64_t))

static bool is_inside(const struct sobj_stream *s)
{
    return s->words == s->inline_words;
}
static void *block_of(const struct sobj_stream *s) { return (char *)s->words - HEAD; }

static void free_arrays(struct sobj_stream *s)
{
    if (!is_inside(s))
        sobj__free(SOBJ_COUNT_BLOCKS, block_of(s), BLOCK_BYTES(s->capacity));
    sobj__free(SOBJ_COUNT_BLOCKS, s->edges, s->edge_capacity * sizeof *s->edges);
    sobj_stream_init(s);
}

void sobj_stream_fini(struct sobj_stream *s)
{
    for (uint32_t i = 0; i < s->edge_count; i++)
        sobj_unref(s->edges[i]);
    free_arrays(s);
}

uint64_t *sobj_stream_reserve(struct sobj_stream *s, size_t n)
{
    size_t capacity = s->capacity;
    char *block;

    if (SOBJ_LIKELY(n <= capacity - s->count))
        return s->words + s->count;
    if (n > SOBJ_BLOB_MAX / 8 - s->count)
        return NULL;
    while (capacity - s->count < n)
        capacity *= 2;
    if (is_inside(s))
        block = sobj__alloc(SOBJ_COUNT_BLOCKS, BLOCK_BYTES(capacity));
    else
        block = sobj__realloc(SOBJ_COUNT_BLOCKS, SOBJ_COUNT_BLOCKS, block_of(s),
                              BLOCK_BYTES(s->capacity), BLOCK_BYTES(capacity));
    if (block == NULL)
        return NULL;
    if (is_inside(s))
        memcpy(block + HEAD, s->words, s->count * sizeof *s->words);
    s->words = (uint64_t *)(void *)(block + HEAD);
    s->capacity = capacity;
    return s->words + s->count;
}

enum sobj_status sobj_stream_word(struct sobj_stream *s, uint64_t word)
{
    uint64_t *p = sobj_stream_reserve(s, 1);

    if (p == NULL)
        return SOBJ_NO_MEMORY;
    *p = word;
    s->count++;
    return SOBJ_OK;
}

enum sobj_status sobj_stream_bytes(struct sobj_stream *s, uint64_t header,
                                   const void *data, size_t size)
{
    size_t n = (size + 7) / 8;
    uint64_t *p = size <= SOBJ_BLOB_MAX ? sobj_stream_reserve(s, n + 1) : NULL;

    if (p == NULL)
        return SOBJ_NO_MEMORY;
    p[0] = header;
    if (n != 0) {
        p[n] = 0; /* the padding takes part in comparisons */
        memcpy(p + 1, data, size);
    }
    s->count += n + 1;
    return SOBJ_OK;
}

enum sobj_status sobj_stream_object(struct sobj_stream *s, struct sobj_object *obj)
{
    if (s->edge_count == s->edge_capacity) {
        if (s->edge_capacity > UINT32_MAX / 2)
            return SOBJ_NO_MEMORY;
        uint32_t capacity = s->edge_capacity != 0 ? s->edge_capacity * 2 : 8;
        struct sobj_object **edges =
            sobj__alloc(SOBJ_COUNT_BLOCKS, capacity * sizeof *edges);
        if (edges == NULL)
            return SOBJ_NO_MEMORY;
        if (s->edge_count != 0)
            memcpy(edges, s->edges, s->edge_count * sizeof *edges);
        sobj__free(SOBJ_COUNT_BLOCKS, s->edges, s->edge_capacity * sizeof *edges);
        s->edges = edges;
        s->edge_capacity = capacity;
    }
    uint64_t header = sobj_stream_header(SOBJ_ST_OBJECT, 0, s->edge_count);
    if (sobj_stream_word(s, header) != SOBJ_OK)
        return SOBJ_NO_MEMORY;
    sobj_ref(obj);
    s->edges[s->edge_count++] = obj;
    return SOBJ_OK;
}

/* Streams that take at least so much become a blob where they are; shorter ones are
 * copied, since the pools of small blocks take them back. */
#define IN_PLACE_BYTES ((size_t)32 << 10)
_Static_assert(IN_PLACE_BYTES > SOBJ__POOL_LARGEST, "such a block is no small one");

static struct sobj_blob *blob_in_place(struct sobj_stream *s, size_t bytes)
{
    struct sobj_blob *b = sobj__realloc(SOBJ_COUNT_BLOCKS, SOBJ_COUNT_BLOBS,
                                        block_of(s), BLOCK_BYTES(s->capacity), bytes);

    if (b != NULL) {
        s->words = s->inline_words; /* nothing to be freed any more */
        s->capacity = 0;
    }
    return b;
}

struct sobj_blob *sobj_stream_blob(struct sobj_stream *s, enum sobj_blob_kind kind)
{
    size_t size = s->count * sizeof *s->words;
    size_t bytes = sobj__blob_bytes(size, s->edge_count);
    struct sobj_blob *b;

    if (!is_inside(s) && bytes >= IN_PLACE_BYTES) {
        b = blob_in_place(s, bytes);
        if (b != NULL)
            sobj__blob_init(b, kind, 0, size, s->edge_count, -1);
    } else {
        b = sobj_blob_new(kind, 0, size, s->edge_count, -1);
        if (b != NULL)
            memcpy(b->data, s->words, size);
    }
    if (b == NULL)
        return NULL;
    if (s->edge_count != 0)
        memcpy(sobj_blob_edges(b), s->edges, s->edge_count * sizeof *s->edges);
    free_arrays(s);
    return b;
}
