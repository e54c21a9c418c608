/* SPDX-License-Identifier: MIT */
/* The encoder: one walk over a tree of objects that writes a stream.
 *
 * It serves values, keys and messages; they differ in which kinds they take and in a few
 * lines marked by `mode`. The walk keeps a stack of its own, so depth costs memory and
 * nothing else.
 *
 * Where a later kind goes: enum sobj_kind and sobj__kind_of (what it is), leaf.c or
 * walk.c (how it goes in), decode.c (how it comes out), explain.c (its name). Classes
 * that are not built in: kinds.h.
 *
 *   E1  In messages no Python code runs during a walk. With the GIL everything stays as
 *       it is then and references are borrowed. Without it mutable containers are copied
 *       first and the memo holds what it names. In values and keys Python code may run
 *       (kinds.h), but there every container is immutable and held by its frame.
 *   E2  Values and keys are canonical: equal type and content gives the same bytes. So
 *       frozensets are sorted, nothing is shared within a stream and every str has its
 *       hash. Messages keep shared and cyclic references instead.
 *   E3  Hashing a tuple recurses in CPython. What has to be hashed when it is decoded
 *       (members of sets, keys) nests at most SOBJ__HASH_DEPTH tuples.
 */
#ifndef SOBJ_ENCODER_H
#define SOBJ_ENCODER_H

#include "convert.h"
#include "sharedobj/immortal.h"

#define SOBJ__HASH_DEPTH 1000
/* A record's hash is made by code in Python, which takes more room than that of a tuple:
 * it counts as so many. */
#define SOBJ__RECORD_DEPTH 8
/* A value written out takes at most this many words: tuples that hold each other twice,
 * forty deep, would fill any memory. */
#define SOBJ__VALUE_WORDS ((size_t)1 << 25)

/* STR and BYTES items of at least this many bytes are numbered in messages, so that what
 * occurs twice is written once. Smaller ones are cheaper to write again. */
#define SOBJ__NUMBERED_SIZE 64

/* What an object is to us: its exact type. */
enum sobj_kind {
    SOBJ__FOREIGN = 0, /* nothing we know */
    SOBJ__NONE,
    SOBJ__BOOL,
    SOBJ__INT,
    SOBJ__FLOAT,
    SOBJ__COMPLEX,
    SOBJ__STR,
    SOBJ__BYTES,
    SOBJ__RANGE,
    SOBJ__ELLIPSIS,
    SOBJ__NOT_IMPLEMENTED,
    SOBJ__HANDLE,
    SOBJ__TUPLE,
    SOBJ__FROZENSET,
    SOBJ__FROZENDICT, /* from 3.15 on */
    /* only in messages */
    SOBJ__LIST,
    SOBJ__DICT,
    SOBJ__SET,
    SOBJ__BYTEARRAY,
    /* only of frames */
    SOBJ__RECORD, /* the fields of a named tuple or dataclass: kinds.h */
};
enum sobj_kind sobj__kind_of(PyObject *v);

/* A container whose children are being written. */
struct sobj__frame {
    PyObject *object;     /* owned; a private copy where needed (E1) */
    PyObject *iter;       /* sets: the iterator; records: names of fields; owned */
    PyObject *key;        /* dicts: the current key, borrowed from `object`; records:
                           * what has the fields, borrowed from the frame before */
    PyObject *value;      /* and its value, until that is written */
    Py_ssize_t index;     /* children taken; dicts: position of PyDict_Next */
    size_t marks;         /* frozensets: where their marks begin */
    uint64_t ordinal;     /* MESSAGE */
    uint32_t child_depth; /* tuples below a hashed place, for children; 0: not below */
    uint8_t kind;
};

/* Objects that were numbered, by address; see memo.c. */
struct sobj__memo_entry {
    PyObject *object; /* NULL: free */
    uint64_t ordinal;
};
struct sobj__memo {
    struct sobj__memo_entry *entries;
    size_t used, mask;
    struct sobj__memo_entry room[32];
};
void sobj__memo_init(struct sobj__memo *memo);
void sobj__memo_fini(struct sobj__memo *memo);
/* Returns: 1 and the ordinal if the object is there; 0 if it was not and now is, under
 * `*ordinal`; -1 with MemoryError set. */
int sobj__memo_find(struct sobj__memo *memo, PyObject *v, uint64_t *ordinal);

enum sobj__mode {
    SOBJ__MODE_VALUE,
    SOBJ__MODE_KEY, /* canonical form of a key: equal numbers alike, cores by id */
    SOBJ__MODE_MESSAGE,
    SOBJ__MODE_FLAT, /* for immortal(): what is written is not used */
};

struct sobj_encoder {
    struct sobj_state *state;
    struct sobj_stream *out;
    enum sobj__mode mode;
    const char *name;  /* of the root, in errors: "value", "key", "item", "message" */
    bool in_set;       /* KEY: of a set, where errors call it an item */
    bool changed;      /* KEY: the canonical form is not the key as given */
    bool referred;     /* MESSAGE: there are REFs */
    bool hosted;       /* there are ATOMs or GROUPs */
    bool immortals;    /* MESSAGE: items may be immortal objects */
    uint32_t records;  /* records begun */
    uint64_t ordinals; /* MESSAGE: items numbered */
    PyObject *root;    /* MESSAGE: the first item that was numbered; borrowed */
    PyObject *foreign; /* MESSAGE: what was met; borrowed */
    PyObject *passed;  /* MESSAGE: only to find an offender: a list of what is none, and
                        * all else that is not built in is one; borrowed */
    struct sobj__shape_use *uses; /* MESSAGE: classes of the records; shapes.h */
    size_t use_count, use_capacity;
    PyObject *externs; /* MESSAGE: what the EXTERNs are, a list, or NULL */
    Py_ssize_t extern_count;
    struct sobj__frame *frames;
    size_t depth, frame_capacity;
    size_t *marks; /* where members of frozensets begin, in words */
    size_t mark_count, mark_capacity;
    struct sobj__memo memo; /* MESSAGE only */
    struct sobj__frame room[12];
};

/* What a step of the walk says. */
enum sobj__step {
    SOBJ__DONE = 0,
    SOBJ__PUSHED = 1,
    SOBJ__ERROR = -1,  /* an exception is set */
    SOBJ__PICKLE = -2, /* MESSAGE: `foreign` cannot be written, nothing is set */
};

void sobj__encoder_init(struct sobj_encoder *e, struct sobj_state *state,
                        struct sobj_stream *out, enum sobj__mode mode,
                        const char *name);
void sobj__encoder_fini(struct sobj_encoder *e);
/* Writes `root`. Returns: DONE, ERROR or PICKLE; the frames are left as they are then,
 * for the path. */
enum sobj__step sobj__encoder_run(struct sobj_encoder *e, PyObject *root);

/* Encodes what needs no stream: everything but containers and ranges.
 * Returns: 1, and the cell; 0: it needs one; -1 with an exception set. */
int sobj__encode_leaf(enum sobj_kind kind, PyObject *v, sobj_cell *cell);

/* ---- parts of the walk; leaf.c and walk.c */

/* Returns: where the next `n` words go; NULL on no memory. */
static inline uint64_t *sobj__room_for(struct sobj_stream *s, size_t n)
{
    if (n <= s->capacity - s->count)
        return s->words + s->count;
    return sobj_stream_reserve(s, n);
}

/* OK: DONE; otherwise raises MemoryError. */
static inline enum sobj__step sobj__written(enum sobj_status status)
{
    if (status == SOBJ_OK)
        return SOBJ__DONE;
    PyErr_NoMemory();
    return SOBJ__ERROR;
}

static inline enum sobj__step sobj__write_word(struct sobj_encoder *e, uint64_t word)
{
    uint64_t *p = sobj__room_for(e->out, 1);

    if (p == NULL)
        return sobj__written(SOBJ_NO_MEMORY);
    *p = word;
    e->out->count++;
    return SOBJ__DONE;
}

/* Writes anything but a container. */
enum sobj__step sobj__write_leaf(struct sobj_encoder *e, enum sobj_kind kind,
                                 PyObject *v);
/* Writes what is of no built-in type; see kinds.h. */
enum sobj__step sobj__write_foreign(struct sobj_encoder *e, PyObject *v,
                                    uint32_t depth);
/* Begins the children of a record `v`: `items`, a tuple, whose names are `names`; both
 * are consumed. `depth` as in the walk. */
enum sobj__step sobj__push_record(struct sobj_encoder *e, PyObject *v, PyObject *items,
                                  PyObject *names, uint32_t depth);
/* `v` cannot be written: raises, or says PICKLE. */
enum sobj__step sobj__refuse(struct sobj_encoder *e, PyObject *v);
/* MESSAGE: numbers an item or finds that it was written before, as a REF.
 * Returns: DONE: written as REF; PUSHED: go on and write it; ERROR or PICKLE. */
enum sobj__step sobj__number(struct sobj_encoder *e, PyObject *v);
/* MESSAGE: begins a record `v`, which has been numbered, of the `use`th class. `items`:
 * the values of the fields, a tuple that is consumed. `depth`: as for push_record, of
 * the children. */
enum sobj__step sobj__push_shaped(struct sobj_encoder *e, PyObject *v, PyObject *items,
                                  size_t use, uint32_t depth);

/* Whether `v`, a str or bytes, is in a cell of its own as an immediate. */
bool sobj__short_text(enum sobj_kind kind, PyObject *v, sobj_cell *cell);

/* Runs the walk for a value and gives its edges their final order.
 * Returns: 0, or -1 with an exception. */
int sobj__encode_value_stream(struct sobj_encoder *e, PyObject *value);

/* "mod.Class" of a type, without the module for built-in ones. Returns: a new str. */
PyObject *sobj__type_name(PyTypeObject *type);
/* Raise NotShareableError for `offender`, which the walk has just met. */
void sobj__raise_offender(struct sobj_encoder *e, PyObject *offender);
/* The same with the whole reason given: "<path> <format>". */
void sobj__raise_at(struct sobj_encoder *e, const char *format, ...);
/* What a root that cannot be a KEY cannot do: "be a key". */
static inline const char *sobj__key_role(const struct sobj_encoder *e)
{
    return e->in_set ? "be in a set" : "be a key";
}
/* The same for a message that cannot be pickled: `offender` is why it had to be. */
void sobj__raise_unpicklable(struct sobj_encoder *e, PyObject *offender,
                             PyObject *cause);

/* ---- immortal objects; immortal_make.c */

/* More references than a program has to an object that is not immortal. A program that
 * has, finds that sobj_immortal_at does not know the object. */
#define SOBJ__REFCNT_HUGE ((Py_ssize_t)1 << 30)

/* Returns: the immortal object that `v` is, or NULL. */
static inline struct sobj_immortal *sobj__immortal_of(PyObject *v)
{
    if (!sobj_immortal_any(SOBJ_IMMORTAL_ALL) || Py_REFCNT(v) <= SOBJ__REFCNT_HUGE)
        return NULL;
    return sobj_immortal_at(v);
}
/* Encodes `v`, which is `immortal`, as a value. Returns: as sobj_encode. */
int sobj__encode_immortal(struct sobj_state *state, struct sobj_immortal *immortal,
                          PyObject *v, sobj_cell *cell);
/* Appends an immortal object as it is. Returns: OK or NO_MEMORY. */
static inline enum sobj_status sobj__write_immortal(struct sobj_stream *s, PyObject *v)
{
    uint64_t header = sobj_stream_header(SOBJ_ST_IMMORTAL, 0, 0);

    return sobj_stream_bytes(s, header, &v, sizeof v);
}
/* Whether the str is one of those for all interpreters: of CPython's own, which any of
 * them may make immortal at any time, or of ours. */
bool sobj__is_static_str(PyObject *str);
/* immortal, immortal_limit. */
extern PyMethodDef sobj__immortal_methods[];

/* ---- ints of more than 61 bits, as shortest little-endian two's complement */
struct sobj__int_bytes {
    const unsigned char *data;
    size_t size;
    PyObject *owner; /* of `data`, or NULL; the caller drops it */
    unsigned char room[16];
};
/* Whether the int `v` is of 61 bits, and its cell. */
bool sobj__small_int(PyObject *v, sobj_cell *cell);
int sobj__int_to_bytes(PyObject *v, struct sobj__int_bytes *b);
PyObject *sobj__int_from_bytes(const void *data, size_t size);

/* Returns: words of the item that begins with `word`, without children. */
static inline size_t sobj__item_words(uint64_t word)
{
    uint64_t count = sobj_stream_count(word);

    if (!sobj_is_pointer(word))
        return 1;
    switch (sobj_stream_kind(word)) {
    case SOBJ_ST_STR: {
        unsigned aux = sobj_stream_aux(word) & ~SOBJ_ST_NUMBERED;
        return 2 + (size_t)(count * sobj_str_width(aux) + 7) / 8;
    }
    case SOBJ_ST_BYTES:
    case SOBJ_ST_INT:
    case SOBJ_ST_BYTEARRAY:
    case SOBJ_ST_PICKLE:
    case SOBJ_ST_ATOM:
        return 1 + (size_t)(count + 7) / 8;
    case SOBJ_ST_FLOAT:
    case SOBJ_ST_IMMORTAL:
        return 2;
    case SOBJ_ST_COMPLEX:
        return 3;
    default:
        return 1;
    }
}

/* ---- streams to objects */

/* Make what an ATOM or a GROUP stands for; see kinds.h. May run Python code. Return: NULL
 * with UnresolvedError, MemoryError or what else has nothing to do with the value. */
PyObject *sobj__make_atom(struct sobj_state *state, unsigned class, const void *data,
                          size_t size);
PyObject *sobj__make_group(struct sobj_state *state, unsigned class, PyObject *parts);

/* Decodes the one item that `words` holds. `referred`: there may be REFs. `table`: what
 * its RECORDs and EXTERNs are (shapes.h), or NULL. */
struct sobj__table;
PyObject *sobj__decode_stream(struct sobj_state *state, const uint64_t *words,
                              struct sobj_object *const *edges, bool referred,
                              const struct sobj__table *table);
/* Returns: the object if the blob is a leaf that takes no Python call to make; NULL if
 * it is not, or with MemoryError set. May be called in a read section. */
PyObject *sobj__decode_direct(struct sobj_blob *b);
/* Code units of a str; `hash` may be -1. No Python code runs, nothing is tracked by the
 * garbage collector: may be called in a read section. */
PyObject *sobj__make_str(unsigned aux, const void *data, size_t length, int64_t hash);

/* In the info of a MESSAGE blob (its aux): the stream has REFs; RECORDs or EXTERNs. */
#define SOBJ__MESSAGE_REFERRED ((uint64_t)1 << 56)
#define SOBJ__MESSAGE_TABLE ((uint64_t)2 << 56)

/* Private functions for the tests; see testing.c. */
extern PyMethodDef sobj__testing_methods[];

static inline unsigned sobj__str_aux(PyObject *v)
{
    switch (PyUnicode_KIND(v)) {
    case PyUnicode_1BYTE_KIND:
        return PyUnicode_IS_ASCII(v) ? SOBJ_STR_ASCII : SOBJ_STR_1;
    case PyUnicode_2BYTE_KIND:
        return SOBJ_STR_2;
    default:
        return SOBJ_STR_4;
    }
}

#endif
