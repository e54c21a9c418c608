/* SPDX-License-Identifier: MIT */
/* The builder of streams: growth, edges, failures. */
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "thing.h"
#include "value.h"

static void test_words(void)
{
    struct balance b = balance_begin();
    struct sobj_stream s;
    bool same = true;

    sobj_stream_init(&s);
    ok(s.capacity == 32 && s.count == 0, "empty");
    for (uint64_t i = 0; i < 1000; i++)
        expect(sobj_stream_word(&s, i * 7) == SOBJ_OK, "word %llu",
               (unsigned long long)i);
    for (uint64_t i = 0; i < 1000; i++)
        same = same && s.words[i] == i * 7;
    ok(same && s.count == 1000, "grown past the words inside");
    uint64_t *p = sobj_stream_reserve(&s, 5000);
    ok(p == s.words + 1000 && s.capacity >= 6000 && s.count == 1000, "reserved");
    ok(sobj_stream_reserve(&s, SIZE_MAX) == NULL, "too much");
    ok(sobj_stream_reserve(&s, SOBJ_BLOB_MAX / 8) == NULL, "more than a blob holds");
    ok(s.count == 1000 && s.words[999] == 999 * 7, "unchanged after that");
    sobj_stream_fini(&s);
    balance_check(&b, "words");
}

static void test_bytes(void)
{
    struct balance b = balance_begin();
    struct sobj_stream s;
    unsigned char data[100], padding = 0;

    memset(data, 0xee, sizeof data);
    sobj_stream_init(&s);
    memset(s.inline_words, 0xdd, sizeof s.inline_words);
    for (size_t size = 0; size < 20; size++) {
        size_t at = s.count;
        uint64_t header = sobj_stream_header(SOBJ_ST_BYTES, 3, size);
        sobj_stream_reserve(&s, 8);
        memset(s.words + at, 0xdd, 64); /* what a fresh block may contain */
        expect(sobj_stream_bytes(&s, header, size != 0 ? data : NULL, size) == SOBJ_OK,
               "size %zu", size);
        expect(s.count == at + 1 + (size + 7) / 8, "words of size %zu", size);
        expect(sobj_stream_kind(s.words[at]) == SOBJ_ST_BYTES &&
                   sobj_stream_aux(s.words[at]) == 3 &&
                   sobj_stream_count(s.words[at]) == size,
               "header of size %zu", size);
        const unsigned char *p = (const unsigned char *)(s.words + at + 1);
        expect(size == 0 || memcmp(p, data, size) == 0, "content of size %zu", size);
        for (size_t i = size; i < (size + 7) / 8 * 8; i++)
            padding |= p[i];
    }
    ok(padding == 0, "padding is zero");
    ok(sobj_stream_bytes(&s, 0, data, SOBJ_BLOB_MAX + 1) == SOBJ_NO_MEMORY,
       "more than a blob holds");
    sobj_stream_fini(&s);
    balance_check(&b, "bytes");
}

static uint32_t references(const struct sobj_object *obj)
{
    /* Relaxed: nothing else is running. */
    return (uint32_t)sobj_word_load(&obj->refs);
}

static void test_edges(void)
{
    struct balance b = balance_begin();
    struct sobj_object *one = thing_new(), *two = thing_new();
    struct sobj_stream s;
    bool same = true;

    sobj_stream_init(&s);
    for (int i = 0; i < 100; i++)
        expect(sobj_stream_object(&s, i % 2 ? two : one) == SOBJ_OK, "edge %d", i);
    ok(s.edge_count == 100 && references(one) == 51 && references(two) == 51,
       "a reference for each edge");
    struct sobj_blob *blob = sobj_stream_blob(&s, SOBJ_BLOB_STREAM);
    ok(blob != NULL && s.count == 0 && s.edge_count == 0 && s.words == s.inline_words,
       "a blob; the stream begins anew");
    for (uint32_t i = 0; i < 100; i++) {
        uint64_t word;
        memcpy(&word, blob->data + 8 * i, 8);
        same = same && sobj_stream_kind(word) == SOBJ_ST_OBJECT &&
               sobj_stream_count(word) == i &&
               sobj_blob_edges(blob)[i] == (i % 2 ? two : one);
    }
    ok(same && blob->edges == 100 && sobj_blob_size(blob) == 800,
       "what the blob holds");
    sobj_stream_object(&s, one);
    sobj_stream_fini(&s);
    ok(references(one) == 51, "fini drops the edges");
    sobj_cell_unref(sobj_from_blob(blob));
    ok(references(one) == 1 && references(two) == 1, "and so does the blob");
    sobj_unref(one);
    sobj_unref(two);
    blob = sobj_stream_blob(&s, SOBJ_BLOB_MESSAGE);
    ok(blob != NULL && sobj_blob_size(blob) == 0, "an empty stream");
    sobj_cell_unref(sobj_from_blob(blob));
    balance_check(&b, "edges");
}

/* A stream that is long enough to become the blob itself. */
static void build_long(void *context)
{
    struct sobj_object *obj = context;
    struct sobj_stream s;
    uint64_t word = 0;
    bool same = true;

    sobj_stream_init(&s);
    if (sobj_stream_object(&s, obj) != SOBJ_OK) {
        sobj_stream_fini(&s);
        return;
    }
    for (uint64_t i = 1; i < 10000; i++) {
        if (sobj_stream_word(&s, i) != SOBJ_OK) {
            ok(s.count == i && (i == 1 || s.words[i - 1] == i - 1),
               "no room: as before");
            sobj_stream_fini(&s);
            return;
        }
    }
    struct sobj_blob *blob = sobj_stream_blob(&s, SOBJ_BLOB_MESSAGE);
    if (blob == NULL) {
        ok(s.count == 10000 && s.words[9999] == 9999 && references(obj) == 2,
           "no blob: as before");
        sobj_stream_fini(&s);
        return;
    }
    for (uint64_t i = 1; i < 10000; i++) {
        memcpy(&word, blob->data + 8 * i, 8);
        same = same && word == i;
    }
    ok(same && sobj_blob_size(blob) == 80000 && blob->edges == 1 &&
           sobj_blob_edges(blob)[0] == obj && s.count == 0 && s.capacity == 32,
       "a long stream becomes a blob with its edges, and begins anew");
    ok(sobj_count(SOBJ_COUNT_BYTES) < 90000, "with no room left over");
    sobj_cell_unref(sobj_from_blob(blob));
}

static void build(void *context)
{
    struct sobj_object *obj = context;
    struct sobj_stream s;
    size_t count = 0, edges = 0;
    char text[200] = {0};

    sobj_stream_init(&s);
    for (int i = 0; i < 40; i++) { /* the words inside end in the middle of it */
        if (sobj_stream_object(&s, obj) == SOBJ_OK)
            count++, edges++;
        expect(s.count == count && references(obj) == 1 + edges, "edge %d", i);
    }
    for (int i = 0; i < 20; i++) {
        if (sobj_stream_bytes(&s, 0, text, sizeof text) == SOBJ_OK)
            count += 26;
        if (sobj_stream_word(&s, SOBJ_NONE) == SOBJ_OK)
            count++;
        expect(s.count == count && s.edge_count == edges &&
                   references(obj) == 1 + edges,
               "a failure changes nothing");
    }
    struct sobj_blob *blob = sobj_stream_blob(&s, SOBJ_BLOB_STREAM);
    expect(blob != NULL ? s.count == 0 : s.count == count, "all or nothing");
    if (blob != NULL)
        sobj_cell_unref(sobj_from_blob(blob));
    sobj_stream_fini(&s);
}

static bool only_ours(void *context) { return references(context) == 1; }

static void test_failures(void)
{
    struct sobj_object *obj = thing_new();

    ok(fault_walk("stream", build, only_ours, obj) >= 6, "words, edges and the blob");
    ok(fault_walk("long stream", build_long, only_ours, obj) >= 8, "and in place");
    sobj_unref(obj);
}

int main(void)
{
    tap_begin();
    test_words();
    test_bytes();
    test_edges();
    test_failures();
    return tap_end();
}
