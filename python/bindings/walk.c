/* SPDX-License-Identifier: MIT */
/* The walk that writes a tree of objects as a stream: containers, one after the other;
 * see encoder.h. */
#include "encoder.h"
#include "handle.h"
#include "shapes.h"

/* ---- containers */

/* Returns: `array` with room for one more than `count`; NULL with MemoryError. `room`
 * is the storage it began with. */
static void *grow(void *array, const void *room, size_t count, size_t *capacity,
                  size_t size)
{
    void *grown;

    if (count < *capacity)
        return array;
    size_t wanted = *capacity != 0 ? *capacity * 2 : 16;
    grown = PyMem_Realloc(array == room ? NULL : array, wanted * size);
    if (grown == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    if (array == room && count != 0)
        memcpy(grown, array, count * size);
    *capacity = wanted;
    return grown;
}

static struct sobj__frame *push_frame(struct sobj_encoder *e)
{
    void *frames =
        grow(e->frames, e->room, e->depth, &e->frame_capacity, sizeof *e->frames);

    if (frames == NULL)
        return NULL;
    e->frames = frames;
    return &e->frames[e->depth];
}

static int mark(struct sobj_encoder *e)
{
    void *marks =
        grow(e->marks, NULL, e->mark_count, &e->mark_capacity, sizeof *e->marks);

    if (marks == NULL)
        return -1;
    e->marks = marks;
    e->marks[e->mark_count++] = e->out->count;
    return 0;
}

/* A mutable container as it is now (E1). Returns: a new reference. */
static PyObject *settled(enum sobj_kind kind, PyObject *v)
{
#ifdef Py_GIL_DISABLED
    switch (kind) {
    case SOBJ__LIST: /* as a list it might meet the fault that sobj_plain_list avoids */
        return PyList_AsTuple(v);
    case SOBJ__DICT:
        return PyDict_Copy(v);
    case SOBJ__SET:
        return PyFrozenSet_New(v);
    default:
        break;
    }
#endif
    return Py_NewRef(v);
}

static Py_ssize_t size_of(enum sobj_kind kind, PyObject *v)
{
    switch (kind) {
    case SOBJ__TUPLE:
    case SOBJ__LIST:
        return Py_SIZE(v);
    case SOBJ__DICT:
    case SOBJ__FROZENDICT:
        return PyDict_GET_SIZE(v);
    default:
        return PySet_GET_SIZE(v);
    }
}

static enum sobj_stream_kind stream_kind(enum sobj_kind kind)
{
    switch (kind) {
    case SOBJ__TUPLE:
        return SOBJ_ST_TUPLE;
    case SOBJ__FROZENSET:
        return SOBJ_ST_FROZENSET;
    case SOBJ__FROZENDICT:
        return SOBJ_ST_FROZENDICT;
    case SOBJ__LIST:
        return SOBJ_ST_LIST;
    case SOBJ__DICT:
        return SOBJ_ST_DICT;
    default:
        return SOBJ_ST_SET;
    }
}

/* Raises if what is hashed nests too deeply, or the value has become too large. */
static int check_limits(struct sobj_encoder *e, uint32_t depth)
{
    if (depth > SOBJ__HASH_DEPTH)
        sobj__raise_at(e,
                       "is nested too deeply: what is hashed (keys, members of sets) "
                       "may nest at most %d tuples or %d dataclasses and named tuples",
                       SOBJ__HASH_DEPTH, SOBJ__HASH_DEPTH / SOBJ__RECORD_DEPTH);
    else if (e->mode != SOBJ__MODE_MESSAGE && e->out->count > SOBJ__VALUE_WORDS)
        sobj__raise_at(e, "is too large: written out, a value takes at most %d MiB",
                       (int)(SOBJ__VALUE_WORDS >> 17));
    else
        return 0;
    return -1;
}

/* Begins a container. `depth`: which tuple below a hashed place it would be, or 0. */
static enum sobj__step push(struct sobj_encoder *e, enum sobj_kind kind, PyObject *v,
                            uint32_t depth)
{
    bool is_set = kind == SOBJ__FROZENSET || kind == SOBJ__SET;

    if (kind == SOBJ__TUPLE && PyTuple_GET_SIZE(v) == 0)
        return sobj__write_word(e, SOBJ_SPECIAL(SOBJ_SP_EMPTY_TUPLE, 0));
    if (kind == SOBJ__FROZENSET && PySet_GET_SIZE(v) == 0)
        return sobj__write_word(e, SOBJ_SPECIAL(SOBJ_SP_EMPTY_FROZENSET, 0));
    if (check_limits(e, is_set ? 0 : depth) < 0)
        return SOBJ__ERROR;
    if (e->mode == SOBJ__MODE_MESSAGE) {
        enum sobj__step step = sobj__number(e, v);
        if (step != SOBJ__PUSHED)
            return step;
    }

    struct sobj__frame *f = push_frame(e);
    if (f == NULL)
        return SOBJ__ERROR;
    f->object = settled(kind, v);
    if (f->object == NULL)
        return SOBJ__ERROR;
    f->iter = is_set ? PyObject_GetIter(f->object) : NULL;
    f->key = f->value = NULL;
    f->ordinal = e->ordinals - 1;
    f->index = 0;
    f->marks = e->mark_count;
    f->child_depth = is_set ? 1 : depth != 0 ? depth + 1 : 0;
    f->kind = (uint8_t)kind;
    e->depth++;
    if (is_set && f->iter == NULL)
        return SOBJ__ERROR;
    uint64_t count = (uint64_t)size_of(kind, f->object);
    enum sobj__step step =
        sobj__write_word(e, sobj_stream_header(stream_kind(kind), 0, count));
    return step == SOBJ__DONE ? SOBJ__PUSHED : step;
}

/* How often records look whether they contain themselves, which frozen dataclasses can
 * be made to. */
#define RECORDS_PER_LOOK 1024

static bool contains_itself(struct sobj_encoder *e, PyObject *v)
{
    if (++e->records % RECORDS_PER_LOOK != 0)
        return false;
    for (size_t i = 0; i < e->depth; i++) {
        if (e->frames[i].kind == SOBJ__RECORD && e->frames[i].key == v)
            return true;
    }
    return false;
}

enum sobj__step sobj__push_record(struct sobj_encoder *e, PyObject *v, PyObject *items,
                                  PyObject *names, uint32_t depth)
{
    struct sobj__frame *f = NULL;

    if (contains_itself(e, v))
        sobj__raise_at(e, "contains itself");
    else if (check_limits(e, depth) == 0)
        f = push_frame(e);
    if (f == NULL) {
        Py_DECREF(items);
        Py_DECREF(names);
        return SOBJ__ERROR;
    }
    f->object = items;
    f->iter = names;
    f->key = v;
    f->value = NULL;
    f->index = 0;
    f->marks = e->mark_count;
    f->child_depth = depth != 0 ? depth + SOBJ__RECORD_DEPTH : 0;
    f->kind = SOBJ__RECORD;
    e->depth++;
    return SOBJ__PUSHED;
}

enum sobj__step sobj__push_shaped(struct sobj_encoder *e, PyObject *v, PyObject *items,
                                  size_t use, uint32_t depth)
{
    uint64_t count = (uint64_t)use << 16 | (uint64_t)PyTuple_GET_SIZE(items);
    struct sobj__frame *f = NULL;

    if (check_limits(e, depth) == 0)
        f = push_frame(e);
    if (f == NULL) {
        Py_DECREF(items);
        return SOBJ__ERROR;
    }
    f->object = items;
    f->iter = Py_NewRef(e->uses[use].shape->names);
    f->key = v;
    f->value = NULL;
    f->index = 0;
    f->marks = e->mark_count;
    f->ordinal = e->ordinals - 1;
    f->child_depth = depth;
    f->kind = SOBJ__RECORD;
    e->depth++;
    e->records++;
    enum sobj__step step =
        sobj__write_word(e, sobj_stream_header(SOBJ_ST_RECORD, 0, count));
    return step == SOBJ__DONE ? SOBJ__PUSHED : step;
}

/* Writes a leaf, or begins a container. */
static enum sobj__step write_item(struct sobj_encoder *e, PyObject *v, uint32_t depth)
{
    enum sobj_kind kind = sobj__kind_of(v);

    if (e->immortals && sobj__immortal_of(v) != NULL)
        return sobj__written(sobj__write_immortal(e->out, v));
    switch (kind) {
    case SOBJ__TUPLE:
        return push(e, kind, v, depth);
    case SOBJ__FROZENSET:
        if (e->mode == SOBJ__MODE_FLAT)
            return sobj__refuse(e, v);
        return push(e, kind, v, depth);
    case SOBJ__LIST:
    case SOBJ__DICT:
    case SOBJ__SET:
        if (e->mode == SOBJ__MODE_MESSAGE)
            return push(e, kind, v, depth);
        return sobj__refuse(e, v);
    case SOBJ__FROZENDICT:
        if (e->mode == SOBJ__MODE_VALUE)
            return push(e, kind, v, depth);
        return sobj__refuse(e, v);
    case SOBJ__FOREIGN:
        if (e->mode == SOBJ__MODE_FLAT)
            return sobj__refuse(e, v);
        return sobj__write_foreign(e, v, depth);
    default:
        return sobj__write_leaf(e, kind, v);
    }
}

/* ---- the end of a frozenset: its members sorted (E2) */

struct chunk {
    const uint64_t *words;
    size_t count;
};

static int compare_chunks(const void *a, const void *b)
{
    const struct chunk *x = a, *y = b;
    size_t n = x->count < y->count ? x->count : y->count;
    int order = memcmp(x->words, y->words, n * sizeof *x->words);

    if (order != 0)
        return order;
    return x->count < y->count ? -1 : x->count > y->count;
}

/* `marks`: where the `n` members begin, which reach to the end of the stream. */
static enum sobj__step sort_members(struct sobj_stream *s, const size_t *marks,
                                    size_t n)
{
    size_t begin = marks[0], total = s->count - begin;
    struct chunk *chunks = PyMem_Malloc(n * sizeof *chunks);
    uint64_t *sorted = PyMem_Malloc(total * sizeof *sorted), *p = sorted;

    if (chunks == NULL || sorted == NULL) {
        PyMem_Free(chunks);
        PyMem_Free(sorted);
        return sobj__written(SOBJ_NO_MEMORY);
    }
    for (size_t i = 0; i < n; i++) {
        chunks[i].words = s->words + marks[i];
        chunks[i].count = (i + 1 < n ? marks[i + 1] : s->count) - marks[i];
    }
    qsort(chunks, n, sizeof *chunks, compare_chunks);
    for (size_t i = 0; i < n; i++) {
        memcpy(p, chunks[i].words, chunks[i].count * sizeof *p);
        p += chunks[i].count;
    }
    memcpy(s->words + begin, sorted, total * sizeof *sorted);
    PyMem_Free(chunks);
    PyMem_Free(sorted);
    return SOBJ__DONE;
}

/* ---- the walk */

static enum sobj__step finish(struct sobj_encoder *e, struct sobj__frame *f)
{
    enum sobj__step step = SOBJ__DONE;
    size_t members = e->mark_count - f->marks;

    if (members > 1)
        step = sort_members(e->out, e->marks + f->marks, members);
    e->mark_count = f->marks;
    Py_XDECREF(f->iter);
    Py_DECREF(f->object);
    e->depth--;
    return step;
}

/* Tuples, lists and records. */
static enum sobj__step go_through_items(struct sobj_encoder *e, struct sobj__frame *f)
{
    PyObject *const *items = PyList_CheckExact(f->object)
                                 ? ((PyListObject *)f->object)->ob_item
                                 : ((PyTupleObject *)f->object)->ob_item;
    Py_ssize_t count = Py_SIZE(f->object);
    bool is_key = e->mode == SOBJ__MODE_KEY;
    struct sobj_stream *s = e->out;

    while (f->index < count) {
        uint64_t *p = sobj__room_for(s, (size_t)(count - f->index));
        if (p == NULL)
            return sobj__written(SOBJ_NO_MEMORY);
        const uint64_t *first = p;
        while (!is_key && f->index < count && sobj_encode_fast(items[f->index], p)) {
            f->index++;
            p++;
        }
        s->count += (size_t)(p - first);
        if (f->index == count)
            break;
        enum sobj__step step = write_item(e, items[f->index++], f->child_depth);
        if (step != SOBJ__DONE)
            return step;
    }
    return finish(e, f);
}

static enum sobj__step go_through_dict(struct sobj_encoder *e, struct sobj__frame *f)
{
    enum sobj__step step;

    for (;;) {
        if (f->value != NULL) {
            PyObject *value = f->value;
            sobj_cell cell;
            f->value = NULL;
            step = sobj_encode_fast(value, &cell)
                       ? sobj__write_word(e, cell)
                       : write_item(e, value, f->child_depth);
            if (step != SOBJ__DONE)
                return step;
        }
        if (!PyDict_Next(f->object, &f->index, &f->key, &f->value))
            return finish(e, f);
        step = write_item(e, f->key, f->child_depth != 0 ? f->child_depth : 1);
        if (step != SOBJ__DONE)
            return step;
    }
}

static enum sobj__step go_through_set(struct sobj_encoder *e, struct sobj__frame *f)
{
    enum sobj__step step;
    PyObject *member;

    while ((member = PyIter_Next(f->iter)) != NULL) {
        Py_DECREF(member); /* the set holds it */
        if (e->mode != SOBJ__MODE_MESSAGE && mark(e) < 0)
            return SOBJ__ERROR;
        step = write_item(e, member, f->child_depth);
        if (step != SOBJ__DONE)
            return step;
    }
    return PyErr_Occurred() ? SOBJ__ERROR : finish(e, f);
}

enum sobj__step sobj__encoder_run(struct sobj_encoder *e, PyObject *root)
{
    bool hashed = e->mode == SOBJ__MODE_KEY || e->mode == SOBJ__MODE_FLAT;
    enum sobj__step step = write_item(e, root, hashed ? 1 : 0);

    while (e->depth != 0 && step >= 0) {
        struct sobj__frame *f = &e->frames[e->depth - 1];
        if (f->kind == SOBJ__TUPLE || f->kind == SOBJ__LIST || f->kind == SOBJ__RECORD)
            step = go_through_items(e, f);
        else if (f->kind == SOBJ__DICT || f->kind == SOBJ__FROZENDICT)
            step = go_through_dict(e, f);
        else
            step = go_through_set(e, f);
    }
    return step;
}

void sobj__encoder_init(struct sobj_encoder *e, struct sobj_state *state,
                        struct sobj_stream *out, enum sobj__mode mode, const char *name)
{
    e->state = state;
    e->out = out;
    e->mode = mode;
    e->name = name;
    e->in_set = false;
    e->changed = e->referred = e->hosted = false;
    e->immortals = mode == SOBJ__MODE_MESSAGE && sobj_immortal_any(SOBJ_IMMORTAL_ALL);
    e->records = 0;
    e->ordinals = 0;
    e->root = e->foreign = e->passed = e->externs = NULL;
    e->uses = NULL;
    e->use_count = e->use_capacity = 0;
    e->extern_count = 0;
    e->frames = e->room;
    e->depth = 0;
    e->frame_capacity = sizeof e->room / sizeof *e->room;
    e->marks = NULL;
    e->mark_count = e->mark_capacity = 0;
    if (mode == SOBJ__MODE_MESSAGE)
        sobj__memo_init(&e->memo);
}

void sobj__encoder_fini(struct sobj_encoder *e)
{
    while (e->depth != 0) { /* after an error */
        struct sobj__frame *f = &e->frames[--e->depth];
        Py_XDECREF(f->iter);
        Py_DECREF(f->object);
    }
    if (e->frames != e->room)
        PyMem_Free(e->frames);
    PyMem_Free(e->marks);
    if (e->mode == SOBJ__MODE_MESSAGE) {
        sobj__memo_fini(&e->memo);
        sobj__shape_uses_fini(e);
    }
}
