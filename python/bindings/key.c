/* SPDX-License-Identifier: MIT */
/* Keys of dicts; see convert.h and include/sharedobj/dict.h.
 *
 * Text and ints are keys as they lie in the object. Everything else is written twice:
 *
 *     canonical   what is compared and hashed: 1, 1.0, True and 1+0j are the int 1, all
 *                 NaNs are one, -0.0 is 0, a channel is its id, frozensets are sorted
 *     given       what comes out again, only where it differs from the canonical form;
 *                 of an immortal object its address
 */
#include "encoder.h"

/* An int of a stream that fits in a word. */
static bool word_of(const struct sobj_stream *s, int64_t *word)
{
    if (s->count == 1 && sobj_is_int(s->words[0])) {
        *word = sobj_to_int(s->words[0]);
        return true;
    }
    if (!sobj_is_pointer(s->words[0]) || sobj_stream_kind(s->words[0]) != SOBJ_ST_INT)
        return false;
    size_t size = (size_t)sobj_stream_count(s->words[0]);
    if (size > sizeof *word)
        return false;
    *word = (int64_t)s->words[1]; /* ints of less than 8 bytes are immediate */
    return true;
}

static void int_key(struct sobj_py_key *k, int64_t word)
{
    k->word = word;
    k->key.kind = SOBJ_KEY_INT;
    k->key.hash = sobj_hash_word((uint64_t)word);
    k->key.bytes = &k->word;
    k->key.size = sizeof k->word;
}

static int write_stream(struct sobj_state *state, const struct sobj_object *container,
                        PyObject *object, enum sobj__mode mode, struct sobj_stream *s,
                        bool *changed, bool *hosted)
{
    bool in_set = container != NULL && sobj_type_of(container) == SOBJ_TYPE_SET;
    struct sobj_encoder e;
    int result = 0;

    sobj__encoder_init(&e, state, s, mode, in_set ? "item" : "key");
    e.in_set = in_set;
    if (mode == SOBJ__MODE_VALUE)
        result = sobj__encode_value_stream(&e, object);
    else if (sobj__encoder_run(&e, object) != SOBJ__DONE)
        result = -1;
    *changed = e.changed;
    *hosted = e.hosted;
    sobj__encoder_fini(&e);
    return result;
}

static int stream_key(struct sobj_state *state, const struct sobj_object *container,
                      PyObject *object, struct sobj_py_key *k)
{
    struct sobj_stream *canonical = &k->canonical, *given = &k->given;
    struct sobj_key *key = &k->key;
    bool changed, ignored;
    int64_t word;

    sobj_stream_init(canonical);
    sobj_stream_init(given);
    k->has_streams = true;
    if (write_stream(state, container, object, SOBJ__MODE_KEY, canonical, &changed,
                     &key->hosted) < 0)
        goto error;
    if (sobj__immortal_of(object) != NULL) {
        if (sobj__write_immortal(given, object) != SOBJ_OK) {
            PyErr_NoMemory();
            goto error;
        }
        key->given = given->words;
        key->given_size = given->count * 8;
    } else if (changed) {
        if (write_stream(state, container, object, SOBJ__MODE_VALUE, given, &ignored,
                         &key->hosted) < 0)
            goto error;
        if (given->count != canonical->count || given->edge_count != 0 ||
            memcmp(given->words, canonical->words, given->count * 8) != 0) {
            key->given = given->words;
            key->given_size = given->count * 8;
            key->edges = given->edges;
            key->edge_count = given->edge_count;
        }
    }
    if (word_of(canonical, &word)) {
        int_key(k, word);
        return 0;
    }
    key->kind = SOBJ_KEY_STREAM;
    key->bytes = canonical->words;
    key->size = canonical->count * 8;
    key->hash = sobj_hash_bytes(key->bytes, key->size);
    return 0;
error:
    sobj_py_key_fini_slow(k);
    return -1;
}

int sobj_py_key_slow(struct sobj_state *state, const struct sobj_object *container,
                     PyObject *object, struct sobj_py_key *k)
{
    if (PyLong_CheckExact(object)) {
        int overflow;
        long long word = PyLong_AsLongLongAndOverflow(object, &overflow);
        if (overflow == 0) {
            int_key(k, word);
            return 0;
        }
    } else if (PyBytes_CheckExact(object)) {
        Py_hash_t hash = PyObject_Hash(object);
        if (hash == -1)
            return -1;
        k->key.kind = SOBJ_KEY_BYTES;
        k->key.hash = (uint64_t)hash;
        k->key.bytes = PyBytes_AS_STRING(object);
        k->key.size = (size_t)PyBytes_GET_SIZE(object);
        return 0;
    }
    return stream_key(state, container, object, k);
}

void sobj_py_key_fini_slow(struct sobj_py_key *k)
{
    k->has_streams = false;
    sobj_stream_fini(&k->canonical);
    sobj_stream_fini(&k->given);
}
