/* SPDX-License-Identifier: MIT */
/* Messages: any picklable object.
 *
 * A tree of built-in containers and shareable leaves is written by the walk (walk.c):
 * shared and cyclic references are kept, handles become counted edges of the blob. When
 * it meets anything else, the whole message is pickled, as one, so that what is shared
 * between the parts stays shared. Handles inside a pickle are persistent ids: indexes
 * into the edges. So a message owns the cores it names until it is received, with no
 * lease that could end before.
 *
 *     tree      stream as in value.h, with a table if there are records: shapes.h
 *     pickle    PICKLE item; aux 1: then a TUPLE of OBJECTs, what the ids stand for;
 *               aux 2: then a TUPLE of BYTEARRAYs and BYTES, its out-of-band buffers
 */
#include "message.h"

#include "handle.h"
#include "shapes.h"

/* ---- in */

/* `*foreign`: what has to be pickled, a new reference, if PICKLE is returned. */
static enum sobj__step encode_tree(struct sobj_state *state, const char *name,
                                   PyObject *message, sobj_cell *cell,
                                   PyObject **foreign)
{
    struct sobj_stream s;
    struct sobj_encoder e;
    enum sobj__step step;

    sobj_stream_init(&s);
    sobj__encoder_init(&e, state, &s, SOBJ__MODE_MESSAGE, name);
    step = sobj__encoder_run(&e, message);
    if (step == SOBJ__DONE && sobj__needs_table(&e))
        step = sobj__write_table(&e);
    if (step == SOBJ__DONE && s.count == 1 && !sobj_is_pointer(s.words[0])) {
        *cell = s.words[0]; /* an empty tuple or frozenset */
    } else if (step == SOBJ__DONE) {
        struct sobj_blob *b = sobj_stream_blob(&s, SOBJ_BLOB_MESSAGE);
        if (b != NULL) {
            if (e.referred)
                b->info |= SOBJ__MESSAGE_REFERRED;
            if (sobj__needs_table(&e))
                b->info |= SOBJ__MESSAGE_TABLE;
            *cell = sobj_from_blob(b);
        } else {
            PyErr_NoMemory();
            step = SOBJ__ERROR;
        }
    }
    if (step == SOBJ__PICKLE)
        *foreign = Py_XNewRef(e.foreign);
    sobj__encoder_fini(&e);
    sobj_stream_fini(&s);
    return step;
}

/* A message of more new classes than this is pickled: each makes the walk begin anew. */
#define LEARNT_MAX 500

/* Learns the class of `foreign` for the next walk, which may look up nothing itself.
 * Returns: 1: it will know more; 0; -1 with an exception. */
static int learn(struct sobj_state *state, PyObject *foreign, int times)
{
    if (times > LEARNT_MAX)
        return 0;
    if (sobj__class_learn(state, Py_TYPE(foreign)))
        return 1;
    PyObject *owner;
    if (sobj__shape_known(state, Py_TYPE(foreign), &owner) == NULL)
        return PyErr_Occurred() ? -1 : sobj__shape_learn(state, Py_TYPE(foreign));
    Py_DECREF(owner);
    return 0; /* it is the instance that does not go by field */
}

int sobj_encode_message_as(struct sobj_state *state, const char *name,
                           PyObject *message, sobj_cell *cell)
{
    enum sobj_kind kind;
    int learnt = 0;

    if (sobj_encode_fast(message, cell))
        return 0;
    struct sobj_immortal *immortal = sobj__immortal_of(message);
    if (immortal != NULL)
        return sobj__encode_immortal(state, immortal, message, cell);
    kind = sobj__kind_of(message);
    int r = sobj__encode_leaf(kind, message, cell);
    if (r != 0)
        return r < 0 ? -1 : 0;
    for (;;) {
        PyObject *foreign;
        enum sobj__step step = encode_tree(state, name, message, cell, &foreign);
        if (step != SOBJ__PICKLE)
            return step == SOBJ__DONE ? 0 : -1;
        int known = foreign != NULL ? learn(state, foreign, ++learnt) : 0;
        Py_XDECREF(foreign);
        if (known < 0)
            return -1;
        if (known == 0)
            return sobj__message_pickle(state, name, message, cell);
    }
}

/* ---- out */

static PyObject *decode_blob(struct sobj_state *state, struct sobj_blob *b)
{
    const uint64_t *words = (const uint64_t *)(const void *)b->data;
    bool referred = (b->info & SOBJ__MESSAGE_REFERRED) != 0;
    struct sobj__table table;
    PyObject *object;

    if (sobj_is_pointer(words[0]) && sobj_stream_kind(words[0]) == SOBJ_ST_PICKLE)
        return sobj__message_unpickle(state, b);
    if (!(b->info & SOBJ__MESSAGE_TABLE))
        return sobj__decode_stream(state, words, sobj_blob_edges(b), referred, NULL);
    if (sobj__table_open(&table, state, words, sobj_blob_size(b) / sizeof *words) < 0)
        return NULL;
    object = sobj__decode_stream(state, words, sobj_blob_edges(b), referred, &table);
    sobj__table_close(&table);
    return object;
}

PyObject *sobj_decode_message_slow(struct sobj_state *state, sobj_cell cell)
{
    PyObject *object;

    if (sobj_is_object(cell))
        return sobj_handle_for(state, sobj_to_object(cell));
    if (sobj_is_blob(cell) && sobj_blob_kind(sobj_to_blob(cell)) == SOBJ_BLOB_MESSAGE)
        object = decode_blob(state, sobj_to_blob(cell));
    else
        object = sobj_decode(state, cell);
    sobj_cell_unref(cell);
    return object;
}
