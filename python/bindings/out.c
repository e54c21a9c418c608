/* SPDX-License-Identifier: MIT */
/* Values and entries on their way out of a container, in two phases; see convert.h.
 *
 * Inside the read section, where the cell was found: a small leaf becomes its object at
 * once, a small stream is copied with references to its cores, anything else gets a
 * reference of its own. So a read of a plain small value writes nothing that is shared.
 * Failing allocations are not reported in the section; the reference is the way out,
 * and the second phase then meets the lack of memory again, where it can raise.
 */
#include "dict_cache.h"
#include "encoder.h"
#include "handle.h"
#include "ready.h"

#include <stddef.h>

#define OUT_OF(p) ((struct sobj_value_out *)(void *)((char *)(p) - OUT_OFFSET))
#define OUT_OFFSET offsetof(struct sobj_value_out, out)

/* ---- copies */

/* Copies `size` bytes after `before` words that the caller fills, with edges.
 * Returns: false on no memory. */
static bool copy_make(struct sobj_copy *copy, size_t before, const void *data,
                      size_t size, struct sobj_object *const *edges,
                      uint32_t edge_count)
{
    size_t n = before + (size + 7) / 8, total = n + edge_count;
    uint64_t *words = copy->room;

    if (total > sizeof copy->room / sizeof *copy->room) {
        words = PyMem_RawMalloc(total * sizeof *words);
        if (words == NULL)
            return false;
    }
    memcpy(words + before, data, size);
    copy->edges = (struct sobj_object **)(void *)(words + n);
    for (uint32_t i = 0; i < edge_count; i++) {
        sobj_ref(edges[i]);
        copy->edges[i] = edges[i];
    }
    copy->edge_count = edge_count;
    copy->words = words;
    return true;
}

static void copy_drop(struct sobj_copy *copy)
{
    uint64_t *words = copy->words;

    copy->words = NULL;
    for (uint32_t i = 0; i < copy->edge_count; i++)
        sobj_unref(copy->edges[i]);
    if (words != copy->room)
        PyMem_RawFree(words);
}

/* ---- values */

static bool copy_blob(struct sobj_copy *copy, struct sobj_blob *b)
{
    size_t size = sobj_blob_size(b);

    switch (sobj_blob_kind(b)) {
    case SOBJ_BLOB_STREAM:
        return copy_make(copy, 0, b->data, size, sobj_blob_edges(b), b->edges);
    case SOBJ_BLOB_INT:
        if (!copy_make(copy, 1, b->data, size, NULL, 0))
            return false;
        copy->words[0] = sobj_stream_header(SOBJ_ST_INT, 0, size);
        return true;
    default:
        return false;
    }
}

void sobj_value_take(struct sobj_out *out)
{
    struct sobj_value_out *v = OUT_OF(out);
    sobj_cell cell = out->cell;

    if (sobj_is_object(cell)) {
        v->object = sobj_handle_find(v->state, sobj_to_object(cell));
        if (v->object != NULL)
            return;
    } else if (sobj_blob_size(sobj_to_blob(cell)) <= SOBJ_DIRECT_MAX) {
        v->object = sobj__decode_direct(sobj_to_blob(cell));
        if (v->object != NULL || copy_blob(&v->copy, sobj_to_blob(cell)))
            return;
        PyErr_Clear();
    } else if (sobj_blob_is_immortal(sobj_to_blob(cell))) {
        v->object = sobj_blob_immortal(sobj_to_blob(cell));
        return;
    }
    sobj_cell_ref(cell);
    v->held = cell;
}

static PyObject *decode_copy(struct sobj_value_out *v)
{
    PyObject *object =
        sobj__decode_stream(v->state, v->copy.words, v->copy.edges, false, NULL);

    copy_drop(&v->copy);
    return object;
}

PyObject *sobj_value_out_slow(struct sobj_value_out *v)
{
    if (v->copy.words != NULL)
        return decode_copy(v);
    if (sobj_is_object(v->held))
        return sobj_handle_for(v->state, sobj_to_object(v->held));
    PyObject *object = sobj_decode_slow(v->state, v->held);
    sobj_cell_unref(v->held);
    return object;
}

void sobj_value_out_drop(struct sobj_value_out *v)
{
    Py_CLEAR(v->object);
    if (v->copy.words != NULL)
        copy_drop(&v->copy);
    sobj_cell_unref(v->held);
    v->held = SOBJ_NO_CELL;
}

/* ---- entries */

/* The immortal object of a key's text, if there is one: nothing else has to be made.
 * `aux`: 0 for bytes. */
static PyObject *immortal_text(const struct sobj_entry *entry, unsigned aux)
{
    enum sobj_immortal_kind kind = aux != 0 ? SOBJ_IMMORTAL_STR : SOBJ_IMMORTAL_BYTES;

    if (!sobj_immortal_any(1u << kind))
        return NULL;
    struct sobj_immortal_key key = {
        .kind = kind,
        .aux = aux,
        .hash = entry->hash,
        .bytes = entry->bytes,
        .size = entry->size,
    };
    struct sobj_immortal *found = sobj_immortal_find(&key);
    return found != NULL ? sobj_immortal_object(found) : NULL;
}

/* A key that is a text, of which there is no immortal object. */
static PyObject *take_text(struct sobj_entry_out *e, const struct sobj_entry *entry,
                           unsigned aux)
{
    sobj_cell word = sobj_ready_word(entry->place);
    PyObject *text = e->ready ? sobj_ready_get(e->key.state, word) : NULL;

    if (text != NULL)
        return text;
    text = sobj__make_str(aux, entry->bytes, entry->size / sobj_str_width(aux),
                          (int64_t)entry->hash);
    if (e->ready && text != NULL && entry->size <= SOBJ_CACHE_KEY_MAX &&
        sobj_ready_wants(e->key.state, word))
        e->key_kept = sobj_entry_pin(entry);
    return text;
}

static void take_key(struct sobj_entry_out *e, const struct sobj_entry *entry)
{
    struct sobj_value_out *v = &e->key;
    unsigned aux = 0;

    switch (entry->kind) {
    case SOBJ_KEY_INT: {
        int64_t i;
        memcpy(&i, entry->bytes, sizeof i);
        v->object = PyLong_FromLongLong(i);
        break;
    }
    case SOBJ_KEY_BYTES:
        v->object = immortal_text(entry, 0);
        if (v->object == NULL)
            v->object =
                PyBytes_FromStringAndSize(entry->bytes, (Py_ssize_t)entry->size);
        break;
    case SOBJ_KEY_STREAM:
        copy_make(&v->copy, 0, entry->bytes, entry->size, entry->edges,
                  entry->edge_count);
        return;
    case SOBJ_KEY_ASCII:
        aux = SOBJ_STR_ASCII;
        break;
    case SOBJ_KEY_STR_1:
        aux = SOBJ_STR_1;
        break;
    case SOBJ_KEY_STR_2:
        aux = SOBJ_STR_2;
        break;
    case SOBJ_KEY_STR_4:
        aux = SOBJ_STR_4;
        break;
    }
    if (aux == 0)
        return;
    if (entry->size == 1) /* CPython has one str for each of these */
        v->object = PyUnicode_FromOrdinal(*(const unsigned char *)entry->bytes);
    else if ((v->object = immortal_text(entry, aux)) == NULL)
        v->object = take_text(e, entry, aux);
}

static void take_value(struct sobj_entry_out *e)
{
    struct sobj_value_out *v = &e->value;
    sobj_cell cell = v->out.cell;

    if (e->ready) {
        v->object = sobj_ready_get(v->state, cell);
        if (v->object != NULL)
            return;
        if (sobj_ready_may_keep(cell) && sobj_ready_wants(v->state, cell)) {
            sobj_cell_ref(cell);
            e->value_kept = cell;
        }
    }
    sobj_value_take(&v->out);
}

void sobj_entry_take(const struct sobj_entry *entry, void *context)
{
    struct sobj_entry_out *e = context;

    if (e->want_key) {
        take_key(e, entry);
        if (e->key.object == NULL)
            PyErr_Clear(); /* raised again by sobj_entry_out_key */
    }
    if (e->want_value) {
        e->value.out.cell = entry->value;
        if (sobj_is_pointer(entry->value))
            take_value(e);
    }
}

PyObject *sobj_entry_out_key(struct sobj_entry_out *e)
{
    if (e->key_kept != NULL)
        sobj_ready_keep(e->key.state, sobj_ready_word(e->key_kept), e->key.object);
    e->key_kept = NULL;
    if (e->key.object != NULL)
        return e->key.object;
    if (e->key.copy.words != NULL)
        return decode_copy(&e->key);
    return PyErr_NoMemory();
}

PyObject *sobj_entry_out_value(struct sobj_entry_out *e)
{
    PyObject *value = sobj_value_out_finish(&e->value);

    if (e->value_kept != SOBJ_NO_CELL)
        sobj_ready_keep(e->value.state, e->value_kept, value);
    e->value_kept = SOBJ_NO_CELL;
    return value;
}

int sobj_entry_out_both(struct sobj_entry_out *e, PyObject **key, PyObject **value)
{
    *key = sobj_entry_out_key(e);
    if (*key == NULL) {
        /* Nothing is made while an exception is set. */
        sobj_value_out_drop(&e->value);
        sobj_cell_unref(e->value_kept);
        return -1;
    }
    *value = sobj_entry_out_value(e);
    if (*value != NULL)
        return 0;
    Py_CLEAR(*key);
    return -1;
}
