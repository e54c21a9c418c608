/* SPDX-License-Identifier: MIT */
/* Values: how immutable data lies in shared cells.
 *
 * A cell is one 64-bit word. Small things are in the word itself ("immediate"), the rest
 * is a tagged pointer to a blob (immutable bytes with a reference count) or to a core.
 *
 *   bits 2..0
 *     001   integer of 61 bits, two's complement, in bits 63..3
 *     x10   float: the IEEE double rotated left by 3 with its exponent re-based, which
 *           frees two bits for all doubles of magnitude 2^-255 .. 2^256 and +0.0 (the
 *           flonum of K. Sasada, "Efficient Implementation of Ruby VALUE")
 *     100   special: kind in bits 7..3, payload in bits 63..8
 *     000   pointer, 16-byte aligned: bit 3 says blob (0) or core (1); the word 0 is
 *           no value: an empty cell
 *
 * The encoding is canonical: equal type and equal content is the same immediate, or two
 * blobs with the same bytes. So "same value" needs no knowledge of the host's types.
 */
#ifndef SHAREDOBJ_VALUE_H
#define SHAREDOBJ_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sharedobj/object.h"

typedef uint64_t sobj_cell;

/* ---- special words */
enum sobj_special {
    SOBJ_SP_NONE = 0,
    SOBJ_SP_FALSE,
    SOBJ_SP_TRUE,
    SOBJ_SP_ELLIPSIS,
    SOBJ_SP_NOT_IMPLEMENTED,
    SOBJ_SP_STR1, /* str of one code point below 256: the payload */
    SOBJ_SP_EMPTY_STR,
    SOBJ_SP_BYTES1, /* bytes of one byte: the payload */
    SOBJ_SP_EMPTY_BYTES,
    SOBJ_SP_EMPTY_TUPLE,
    SOBJ_SP_EMPTY_FROZENSET,
    /* 16 and above are marks of the containers and never leave the core */
    SOBJ_SP_MISSING = 16, /* "absent" in compare-and-set */
    SOBJ_SP_MARKS,        /* first private mark */
};

#define SOBJ_SPECIAL(kind, payload)                                                    \
    ((sobj_cell)(payload) << 8 | (sobj_cell)(kind) << 3 | (sobj_cell)4)
#define SOBJ_NONE SOBJ_SPECIAL(SOBJ_SP_NONE, 0)
#define SOBJ_FALSE SOBJ_SPECIAL(SOBJ_SP_FALSE, 0)
#define SOBJ_TRUE SOBJ_SPECIAL(SOBJ_SP_TRUE, 0)
#define SOBJ_MISSING SOBJ_SPECIAL(SOBJ_SP_MISSING, 0)
#define SOBJ_NO_CELL ((sobj_cell)0)

static inline bool sobj_is_int(sobj_cell c) { return (c & 7) == 1; }
static inline bool sobj_is_float(sobj_cell c) { return (c & 3) == 2; }
static inline bool sobj_is_special(sobj_cell c) { return (c & 7) == 4; }
static inline bool sobj_is_pointer(sobj_cell c) { return (c & 7) == 0; }
static inline bool sobj_is_blob(sobj_cell c) { return (c & 15) == 0 && c != 0; }
static inline bool sobj_is_object(sobj_cell c) { return (c & 15) == 8; }

static inline enum sobj_special sobj_special_kind(sobj_cell c)
{
    return (enum sobj_special)(c >> 3 & 31);
}
static inline uint64_t sobj_special_payload(sobj_cell c) { return c >> 8; }

#define SOBJ_INT_MAX (((int64_t)1 << 60) - 1)
#define SOBJ_INT_MIN (-((int64_t)1 << 60))
static inline bool sobj_int_fits(int64_t i)
{
    return i >= SOBJ_INT_MIN && i <= SOBJ_INT_MAX;
}
/* Needs: sobj_int_fits(i). */
static inline sobj_cell sobj_from_int(int64_t i) { return (uint64_t)i << 3 | 1; }
static inline int64_t sobj_to_int(sobj_cell c) { return (int64_t)c >> 3; }

#define SOBJ__FLOAT_ZERO ((sobj_cell)0x8000000000000002u)
/* Returns: the cell, or 0 for a double that needs a blob (-0.0, NaN, infinities,
 * denormals and other extreme magnitudes). */
static inline sobj_cell sobj_from_float(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, 8);
    unsigned top = (unsigned)(bits >> 60) & 7;
    if ((top == 3 || top == 4) && bits != 0x3000000000000000u)
        return ((bits << 3 | bits >> 61) & ~(uint64_t)3) | 2;
    return bits == 0 ? SOBJ__FLOAT_ZERO : 0;
}
static inline double sobj_to_float(sobj_cell c)
{
    uint64_t bits = 0;
    double d;

    if (c != SOBJ__FLOAT_ZERO) {
        uint64_t sign = c >> 63;
        bits = (2 - sign) | (c & ~(uint64_t)3);
        bits = bits >> 3 | bits << 61;
    }
    memcpy(&d, &bits, 8);
    return d;
}

static inline struct sobj_object *sobj_to_object(sobj_cell c)
{
    return (struct sobj_object *)(uintptr_t)(c & ~(sobj_cell)15);
}
static inline sobj_cell sobj_from_object(struct sobj_object *obj)
{
    return (sobj_cell)(uintptr_t)obj | 8;
}

/* ---- blobs */
enum sobj_blob_kind {
    SOBJ_BLOB_STR = 1, /* aux: SOBJ_STR_*; data: code units; hash: the host's */
    SOBJ_BLOB_BYTES,   /* data: the bytes; hash: the host's, -1 unknown */
    SOBJ_BLOB_INT,     /* data: two's complement, little endian, shortest */
    SOBJ_BLOB_FLOAT,   /* data: the double */
    SOBJ_BLOB_COMPLEX, /* data: two doubles */
    SOBJ_BLOB_STREAM,  /* data: one value as a stream of words, see below; aux:
                        * SOBJ_STREAM_HOSTED or 0 */
    SOBJ_BLOB_MESSAGE, /* the same, may contain mutable things: only in channels;
                        * aux 1: there are REFs; aux 2: RECORDs or EXTERNs */
};
/* aux of strings: the width of a code unit, and whether all are below 128 */
enum { SOBJ_STR_ASCII = 1, SOBJ_STR_1 = 2, SOBJ_STR_2 = 3, SOBJ_STR_4 = 4 };
static inline unsigned sobj_str_width(unsigned aux)
{
    return aux <= SOBJ_STR_1 ? 1 : aux == SOBJ_STR_2 ? 2 : 4;
}

/* aux of STREAM blobs: there are ATOMs or GROUPs, which the host may be unable to make
 * of it. Such a value is not taken out of a container before the host has made it: see
 * sobj_dict_remove. */
enum { SOBJ_STREAM_HOSTED = 2 };

#define SOBJ_BLOB_MAX (((uint64_t)1 << 48) - 1)
/* In the info: an immortal object is behind the data (immortal.h). It is part of the
 * kind's byte, so that a switch over kinds has no case for such blobs; it is no part of
 * the value. */
#define SOBJ_BLOB_IMMORTAL ((uint64_t)0x80 << 48)

/* Immutable once published, but for the reference count. After `size` bytes of data,
 * padded to 8, lie `edges` pointers to cores, each a counted reference. */
struct sobj_blob {
    _Atomic(uint32_t) refs;
    uint32_t edges;
    uint64_t info; /* size in bytes | kind << 48 | aux << 56 */
    int64_t hash;
    unsigned char data[];
};
_Static_assert(sizeof(struct sobj_blob) == 24, "24 bytes before the data");

static inline uint64_t sobj_blob_size(const struct sobj_blob *b)
{
    return b->info & SOBJ_BLOB_MAX;
}
static inline enum sobj_blob_kind sobj_blob_kind(const struct sobj_blob *b)
{
    return (enum sobj_blob_kind)(b->info >> 48 & 0xff);
}
static inline bool sobj_blob_is_immortal(const struct sobj_blob *b)
{
    return (b->info & SOBJ_BLOB_IMMORTAL) != 0;
}
static inline unsigned sobj_blob_aux(const struct sobj_blob *b)
{
    return (unsigned)(b->info >> 56);
}
static inline bool sobj_cell_is_hosted(sobj_cell c)
{
    const struct sobj_blob *b = (const struct sobj_blob *)(uintptr_t)c;

    return sobj_is_blob(c) && sobj_blob_kind(b) == SOBJ_BLOB_STREAM &&
           (sobj_blob_aux(b) & SOBJ_STREAM_HOSTED) != 0;
}
static inline struct sobj_object **sobj_blob_edges(struct sobj_blob *b)
{
    return (struct sobj_object **)(void *)(b->data + ((sobj_blob_size(b) + 7) & ~7ul));
}
static inline struct sobj_blob *sobj_to_blob(sobj_cell c)
{
    return (struct sobj_blob *)(uintptr_t)c;
}
static inline sobj_cell sobj_from_blob(struct sobj_blob *b)
{
    return (sobj_cell)(uintptr_t)b;
}

/* Makes a blob with one reference; the caller fills data and edges (the references of
 * the edges are taken over by the blob) before anybody else sees it.
 * Returns: NULL on no memory. */
struct sobj_blob *sobj_blob_new(enum sobj_blob_kind kind, unsigned aux, uint64_t size,
                                uint32_t edges, int64_t hash);

/* A reference to what the cell names, for blobs and cores; nothing for immediates.
 * Needs: the cell is kept alive by somebody (a reference, or a section that found it).*/
void sobj_cell_ref(sobj_cell c);
/* Drops a reference that the caller owns; no shared cell may hold it any more. */
void sobj_cell_unref(sobj_cell c);
/* The same for `n` references to a blob at once, which cost as much as one. */
void sobj_blob_ref(struct sobj_blob *b, uint32_t n);
void sobj_blob_unref(struct sobj_blob *b, uint32_t n);
/* Returns: whether both are the same value: type and content, bit for bit. */
bool sobj_cell_same(sobj_cell a, sobj_cell b);

/* How a value leaves a container. The cell is stored in `cell`; if it is a pointer, `take`
 * is called inside the read section in which it was found, and must copy what it needs
 * or take a reference (sobj_cell_ref). `take` may allocate but must not wait, run code
 * of the host or call into the core otherwise. */
struct sobj_out {
    sobj_cell cell;
    void (*take)(struct sobj_out *out);
};
/* A `take` that takes a reference. */
void sobj_out_ref(struct sobj_out *out);

/* ---- streams: a tree of values as words
 * Each item is either an immediate cell as it is, or a header word with low bits 000:
 *
 *     kind in bits 7..3 | aux in bits 15..8 | count in bits 63..16
 *
 * followed by its payload, padded to 8 bytes, or by its children in order. Marked (o)
 * are the kinds that get the next ordinal number, for REF; those are the containers
 * and everything else that may occur twice in one message.
 */
enum sobj_stream_kind {
    SOBJ_ST_STR = 1,    /* aux SOBJ_STR_*; count code units; [hash], [data]; in messages
                        * (o) if aux has SOBJ_ST_NUMBERED, and the hash may be -1 */
    SOBJ_ST_BYTES,      /* count bytes; [data]; (o) as STR */
    SOBJ_ST_INT,        /* count bytes; [data] as in SOBJ_BLOB_INT */
    SOBJ_ST_FLOAT,      /* [double] */
    SOBJ_ST_COMPLEX,    /* [double][double] */
    SOBJ_ST_RANGE,      /* three children, ints */
    SOBJ_ST_OBJECT,     /* count: index into the blob's edges; only in canonical keys
                        * aux is 1 and [id] follows instead */
    SOBJ_ST_TUPLE,      /* (o) count children */
    SOBJ_ST_FROZENSET,  /* (o) count children, sorted by their stream bytes */
    SOBJ_ST_FROZENDICT, /* count pairs of children, in order */
    SOBJ_ST_ATOM,  /* of a class of the host's, which aux names; count bytes; [data] */
    SOBJ_ST_GROUP, /* the same; count children, at least one */
    /* only in messages */
    SOBJ_ST_LIST,      /* (o) count children */
    SOBJ_ST_DICT,      /* (o) count pairs of children, in order */
    SOBJ_ST_SET,       /* (o) count children */
    SOBJ_ST_BYTEARRAY, /* (o) count bytes; [data] */
    SOBJ_ST_REF,       /* count: ordinal of an item that began earlier */
    SOBJ_ST_PICKLE,    /* count bytes; [pickle]; only as root; aux 1: a TUPLE of the
                        * OBJECTs that its persistent ids name follows; aux 2: then
                        * one of its out-of-band buffers */
    SOBJ_ST_RECORD,    /* (o) count: index of its class << 16 | number of children */
    SOBJ_ST_EXTERN,    /* (o) count: index; RECORDs and these are of the host's: what
                        * the indexes stand for lies behind the root */
    /* only in messages and in keys as given */
    SOBJ_ST_IMMORTAL, /* [address of an object of the host's]; see immortal.h */
    SOBJ_ST_KINDS
};

#define SOBJ_ST_NUMBERED 0x80u

static inline uint64_t sobj_stream_header(enum sobj_stream_kind kind, unsigned aux,
                                          uint64_t count)
{
    return count << 16 | (uint64_t)aux << 8 | (uint64_t)kind << 3;
}
static inline enum sobj_stream_kind sobj_stream_kind(uint64_t header)
{
    return (enum sobj_stream_kind)(header >> 3 & 31);
}
static inline unsigned sobj_stream_aux(uint64_t header) { return header >> 8 & 255; }
static inline uint64_t sobj_stream_count(uint64_t header) { return header >> 16; }

/* A growing stream. The first words need no allocation; they lie inside, so a stream
 * stays where sobj_stream_init was called on it. */
struct sobj_stream {
    uint64_t *words;
    size_t count, capacity;
    struct sobj_object **edges; /* counted references */
    uint32_t edge_count, edge_capacity;
    uint64_t inline_words[32];
};

void sobj_stream_init(struct sobj_stream *s);
/* Frees the stream and drops its edges. */
void sobj_stream_fini(struct sobj_stream *s);
/* Makes room for `n` more words. Returns: where they go (not yet counted), or NULL. */
uint64_t *sobj_stream_reserve(struct sobj_stream *s, size_t n);
/* Append one word; a header and `size` bytes. Return: OK or NO_MEMORY. */
enum sobj_status sobj_stream_word(struct sobj_stream *s, uint64_t word);
enum sobj_status sobj_stream_bytes(struct sobj_stream *s, uint64_t header,
                                   const void *data, size_t size);
/* Appends an OBJECT item and takes a reference. */
enum sobj_status sobj_stream_object(struct sobj_stream *s, struct sobj_object *obj);
/* Makes a blob of the stream, which is empty then; the blob takes the edges over.
 * Returns: NULL on no memory; the stream is then unchanged. */
struct sobj_blob *sobj_stream_blob(struct sobj_stream *s, enum sobj_blob_kind kind);

/* ---- keyed hashing
 * A 64-bit hash of bytes under a secret of this process, for keys whose own hash an
 * attacker can predict (numbers, tuples of numbers). SipHash-1-3 (J.-P. Aumasson and
 * D. J. Bernstein, 2012). */
uint64_t sobj_hash_bytes(const void *data, size_t size);
/* The same for one word; much cheaper: two rounds of a keyed multiply-and-fold. */
uint64_t sobj_hash_word(uint64_t word);

#endif
