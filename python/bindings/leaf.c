/* SPDX-License-Identifier: MIT */
/* Leaves as items of a stream: everything that is no container; see encoder.h. */
#include "handle.h"
#include "kinds.h"
#include "shapes.h"

static inline enum sobj__step write_bytes(struct sobj_encoder *e, uint64_t header,
                                          const void *data, size_t size)
{
    return sobj__written(sobj_stream_bytes(e->out, header, data, size));
}

/* Whether `v` cannot change and is still being written, which only records inside it can
 * bring about. It could be hashed while it is not complete when it is decoded: pickle
 * knows how to make such a thing. */
static bool is_open_for_good(struct sobj_encoder *e, PyObject *v, uint64_t ordinal)
{
    size_t low = 0, high = e->depth;

    if (e->records == 0 || !(PyTuple_Check(v) || PyFrozenSet_Check(v)))
        return false;
    while (low < high) { /* who is deeper has a higher number */
        size_t middle = low + (high - low) / 2;
        if (e->frames[middle].ordinal < ordinal)
            low = middle + 1;
        else
            high = middle;
    }
    return low < e->depth && e->frames[low].ordinal == ordinal;
}

enum sobj__step sobj__number(struct sobj_encoder *e, PyObject *v)
{
    uint64_t ordinal = e->ordinals;
    int found;

    if (e->depth == 0) {
        e->root = v; /* which needs no memo, as the number of the root is 0 */
        e->ordinals++;
        return SOBJ__PUSHED;
    }
#ifndef Py_GIL_DISABLED
    /* One reference, the one by which we came: nothing else here can lead to it. */
    if (Py_REFCNT(v) == 1) {
        e->ordinals++;
        return SOBJ__PUSHED;
    }
#endif
    if (v == e->root) {
        ordinal = 0;
        found = 1;
    } else {
        found = sobj__memo_find(&e->memo, v, &ordinal);
    }
    if (found < 0)
        return SOBJ__ERROR;
    if (found && is_open_for_good(e, v, ordinal))
        return sobj__refuse(e, v);
    if (found) {
        e->referred = true;
        return sobj__write_word(e, sobj_stream_header(SOBJ_ST_REF, 0, ordinal));
    }
    e->ordinals++;
    return SOBJ__PUSHED;
}

/* `number`: may be numbered. */
static enum sobj__step write_str(struct sobj_encoder *e, PyObject *v, bool number)
{
    unsigned aux = sobj__str_aux(v);
    size_t length = (size_t)PyUnicode_GET_LENGTH(v),
           size = length * sobj_str_width(aux);
    size_t n = (size + 7) / 8;
    Py_hash_t hash = sobj_cached_hash(v);

    if (e->mode == SOBJ__MODE_MESSAGE) {
        if (number && size >= SOBJ__NUMBERED_SIZE) {
            enum sobj__step step = sobj__number(e, v);
            if (step != SOBJ__PUSHED)
                return step;
            aux |= SOBJ_ST_NUMBERED;
        }
    } else if (hash == -1) { /* E2 */
        hash = PyObject_Hash(v);
        if (hash == -1)
            return SOBJ__ERROR;
    }
    uint64_t *p = sobj__room_for(e->out, n + 2);
    if (p == NULL)
        return sobj__written(SOBJ_NO_MEMORY);
    p[0] = sobj_stream_header(SOBJ_ST_STR, aux, length);
    p[1] = (uint64_t)hash;
    p[n + 1] = 0; /* the padding takes part in comparisons; n is not 0 */
    memcpy(p + 2, PyUnicode_DATA(v), size);
    e->out->count += n + 2;
    return SOBJ__DONE;
}

static enum sobj__step write_blob_of_bytes(struct sobj_encoder *e, PyObject *v)
{
    size_t size = (size_t)PyBytes_GET_SIZE(v);
    unsigned aux = 0;

    if (e->mode == SOBJ__MODE_MESSAGE && size >= SOBJ__NUMBERED_SIZE) {
        enum sobj__step step = sobj__number(e, v);
        if (step != SOBJ__PUSHED)
            return step;
        aux = SOBJ_ST_NUMBERED;
    }
    return write_bytes(e, sobj_stream_header(SOBJ_ST_BYTES, aux, size),
                       PyBytes_AS_STRING(v), size);
}

static enum sobj__step write_int(struct sobj_encoder *e, PyObject *v)
{
    struct sobj__int_bytes b;
    sobj_cell cell;

    if (sobj__small_int(v, &cell))
        return sobj__write_word(e, cell);
    if (sobj__int_to_bytes(v, &b) < 0)
        return SOBJ__ERROR;
    enum sobj__step step =
        write_bytes(e, sobj_stream_header(SOBJ_ST_INT, 0, b.size), b.data, b.size);
    Py_XDECREF(b.owner);
    return step;
}

static enum sobj__step write_double(struct sobj_encoder *e, double d)
{
    sobj_cell cell = sobj_from_float(d);

    if (cell != 0)
        return sobj__write_word(e, cell);
    return write_bytes(e, sobj_stream_header(SOBJ_ST_FLOAT, 0, 0), &d, sizeof d);
}

/* KEY: integral numbers become ints, all NaNs are one. */
static enum sobj__step write_number_key(struct sobj_encoder *e, double d)
{
    if (d != d) {
        e->changed = true; /* or not; the form as given is compared in the end */
        return write_double(e, Py_NAN);
    }
    if (d > -0x1p60 && d < 0x1p60) {
        int64_t i = (int64_t)d;
        if ((double)i != d)
            return write_double(e, d);
        e->changed = true;
        return sobj__write_word(e, sobj_from_int(i));
    }
    if (d - d != 0) /* infinite */
        return write_double(e, d);
    e->changed = true;
    PyObject *v = PyLong_FromDouble(d);
    if (v == NULL)
        return SOBJ__ERROR;
    enum sobj__step step = write_int(e, v);
    Py_DECREF(v);
    return step;
}

static enum sobj__step write_complex(struct sobj_encoder *e, PyObject *v)
{
    double d[2] = {((PyComplexObject *)v)->cval.real,
                   ((PyComplexObject *)v)->cval.imag};

    if (e->mode == SOBJ__MODE_KEY) {
        if (d[1] == 0) {
            e->changed = true;
            return write_number_key(e, d[0]);
        }
        for (int i = 0; i < 2; i++) {
            if (d[i] != d[i] || d[i] == 0) {
                e->changed = true;
                d[i] = d[i] == 0 ? 0.0 : Py_NAN;
            }
        }
    }
    return write_bytes(e, sobj_stream_header(SOBJ_ST_COMPLEX, 0, 0), d, sizeof d);
}

static enum sobj__step write_handle(struct sobj_encoder *e, PyObject *v)
{
    struct sobj_object *core = sobj_handle_core(v);
    struct sobj_stream *s = e->out;

    if (e->mode == SOBJ__MODE_KEY) {
        int64_t id = sobj_id_of(core);
        e->changed = true;
        return write_bytes(e, sobj_stream_header(SOBJ_ST_OBJECT, 1, 0), &id, sizeof id);
    }
    if (sobj_stream_object(s, core) != SOBJ_OK)
        return sobj__written(SOBJ_NO_MEMORY);
    if (e->mode == SOBJ__MODE_VALUE) /* see order_edges */
        s->words[s->count - 1] =
            sobj_stream_header(SOBJ_ST_OBJECT, 0, (uint64_t)(uintptr_t)core);
    return SOBJ__DONE;
}

static enum sobj__step write_range(struct sobj_encoder *e, PyObject *v)
{
    static const char *const names[] = {"start", "stop", "step"};
    enum sobj__step step = sobj__write_word(e, sobj_stream_header(SOBJ_ST_RANGE, 0, 3));

    for (int i = 0; i < 3 && step == SOBJ__DONE; i++) {
        PyObject *part = PyObject_GetAttrString(v, names[i]);
        step = part != NULL ? write_int(e, part) : SOBJ__ERROR;
        Py_XDECREF(part);
    }
    return step;
}

static enum sobj__step write_bytearray(struct sobj_encoder *e, PyObject *v)
{
    enum sobj__step step = sobj__number(e, v);

    if (step != SOBJ__PUSHED)
        return step;
#ifdef Py_GIL_DISABLED
    Py_BEGIN_CRITICAL_SECTION(v);
#endif
    size_t size = (size_t)PyByteArray_GET_SIZE(v);
    step = write_bytes(e, sobj_stream_header(SOBJ_ST_BYTEARRAY, 0, size),
                       PyByteArray_AS_STRING(v), size);
#ifdef Py_GIL_DISABLED
    Py_END_CRITICAL_SECTION();
#endif
    return step;
}

enum sobj__step sobj__refuse(struct sobj_encoder *e, PyObject *v)
{
    if (e->mode == SOBJ__MODE_MESSAGE) {
        if (e->passed != NULL && sobj__has_passed(e, v))
            return sobj__write_word(e, SOBJ_NONE);
        e->foreign = v;
        return SOBJ__PICKLE;
    }
    sobj__raise_offender(e, v);
    return SOBJ__ERROR;
}

enum sobj__step sobj__write_text(struct sobj_encoder *e, PyObject *text)
{
    sobj_cell cell;

    if (sobj__short_text(SOBJ__STR, text, &cell))
        return sobj__write_word(e, cell);
    return write_str(e, text, false);
}

enum sobj__step sobj__write_leaf(struct sobj_encoder *e, enum sobj_kind kind,
                                 PyObject *v)
{
    bool is_key = e->mode == SOBJ__MODE_KEY;
    sobj_cell cell;

    switch (kind) {
    case SOBJ__STR:
        if (sobj__short_text(kind, v, &cell))
            return sobj__write_word(e, cell);
        return write_str(e, v, true);
    case SOBJ__BYTES:
        if (sobj__short_text(kind, v, &cell))
            return sobj__write_word(e, cell);
        return write_blob_of_bytes(e, v);
    case SOBJ__INT:
        return write_int(e, v);
    case SOBJ__FLOAT:
        if (is_key)
            return write_number_key(e, PyFloat_AS_DOUBLE(v));
        return write_double(e, PyFloat_AS_DOUBLE(v));
    case SOBJ__BOOL:
        if (is_key) {
            e->changed = true;
            return sobj__write_word(e, sobj_from_int(v == Py_True));
        }
        return sobj__write_word(e, v == Py_True ? SOBJ_TRUE : SOBJ_FALSE);
    case SOBJ__NONE:
        return sobj__write_word(e, SOBJ_NONE);
    case SOBJ__COMPLEX:
        return write_complex(e, v);
    case SOBJ__HANDLE:
        if (is_key ? Py_TYPE(v)->tp_hash != sobj_handle_hash
                   : e->mode == SOBJ__MODE_FLAT)
            return sobj__refuse(e, v);
        return write_handle(e, v);
    case SOBJ__BYTEARRAY:
        if (e->mode == SOBJ__MODE_MESSAGE)
            return write_bytearray(e, v);
        return sobj__refuse(e, v);
    case SOBJ__RANGE:
        if (is_key || e->mode == SOBJ__MODE_FLAT)
            return sobj__refuse(e, v);
        return write_range(e, v);
    case SOBJ__ELLIPSIS:
    case SOBJ__NOT_IMPLEMENTED:
        if (is_key || sobj__encode_leaf(kind, v, &cell) < 0)
            return sobj__refuse(e, v);
        return sobj__write_word(e, cell);
    default:
        return sobj__refuse(e, v);
    }
}
