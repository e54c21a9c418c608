/* SPDX-License-Identifier: MIT */
/* Reading and storing through the read cache; see dict_cache.h.
 *
 * An entry is made by a look-up of the dict and from then on shortens the next ones: an
 * immediate is decoded from the cell in the pin, a blob or core is taken through the
 * pin. A ready object is made at the second read of an unchanged value, so that values
 * that change all the time cost no more than without a cache.
 */
#include "dict_cache.h"

#include "dict_type.h"
#include "errors.h"
#include "ready.h"

/* ---- reading */

static inline int init_key(DictHandle *self, PyObject *key, struct sobj_py_key *k)
{
    return sobj_py_key_init_for(self->handle.state, self->handle.core, key, k);
}

/* Looks `key` up in the dict, for `out` if that is not NULL, and enters it.
 * Returns: what the core says, or -1 with an exception. */
static int look_up_and_enter(DictHandle *self, PyObject *key, struct sobj_out *out)
{
    struct sobj_dict_pin *pin;
    struct sobj_dict_cache *c;
    struct sobj_py_key k;
    enum sobj_status status;
    uint64_t content;

    if (init_key(self, key, &k) < 0)
        return -1;
    status = sobj_dict_get_pinned(self->handle.core, &k.key, out, &pin, &content);
    sobj_py_key_fini(&k);
    c = sobj_cache_of(self);
    c->absent = status == SOBJ_OK ? 0 : c->absent + 1;
    if (pin != NULL)
        sobj_cache_enter(c, key, pin, content, out != NULL ? out->cell : SOBJ_NO_CELL);
    return (int)status;
}

/* The same; it is entered if that is wanted. */
static inline int look_up(DictHandle *self, PyObject *key, struct sobj_out *out)
{
    struct sobj_dict_cache *c = sobj_cache_of(self);
    struct sobj_py_key k;
    enum sobj_status status;

    if (!sobj_cache_rests(c) && !sobj_cache_doubts(c) &&
        sobj_cache_wants(self, key, true))
        return look_up_and_enter(self, key, out);
    if (init_key(self, key, &k) < 0)
        return -1;
    status = sobj_dict_get(self->handle.core, &k.key, out);
    sobj_py_key_fini(&k);
    return (int)status;
}

/* The key has no entry. */
static PyObject *get_anew(DictHandle *self, PyObject *key)
{
    struct sobj_value_out out;

    sobj_value_out_init(&out, self->handle.state);
    if (look_up(self, key, &out.out) != SOBJ_OK)
        return NULL;
    if (sobj_is_int(out.out.cell))
        return sobj_decode_int(self->handle.state, out.out.cell);
    return sobj_value_out_finish(&out);
}

int sobj_cache_has_slow(DictHandle *self, PyObject *key)
{
    int status = look_up(self, key, NULL);
    return status < 0 ? -1 : status == SOBJ_OK;
}

/* Gives the entry of `key` a ready object for the blob `cell`, of which the caller has a
 * reference; `object` is NULL if it could not be made. */
static void keep_ready(DictHandle *self, PyObject *key, sobj_cell cell,
                       PyObject *object)
{
    struct sobj_dict_cache *c = sobj_cache_of(self);
    struct sobj_cache_entry *e;

    if (c != NULL)
        sobj_cache_make_bytes(c);
    e = sobj_cache_find(c, key); /* K4 */
    if (e != NULL && e->cell == cell && e->ready == NULL && object != NULL &&
        sobj_is_plain(object, 2 * SOBJ_CACHE_READY_MAX))
        sobj_cache_note(c, e, cell, Py_NewRef(object));
    else
        sobj_cell_unref(cell);
}

/* The value lies in a blob or is a core. */
static PyObject *get_pointer(DictHandle *self, PyObject *key, struct sobj_dict_cache *c,
                             struct sobj_cache_entry *e)
{
    struct sobj_cache_old old = {SOBJ_NO_CELL, NULL};
    struct sobj_kept_out p;
    PyObject *object;
    sobj_cell cell;

    sobj_kept_out_init(&p, self->handle.state, SOBJ_NO_CELL);
    if (e->ready == NULL && sobj_is_blob(e->cell) && sobj_cache_bytes_wanted(c))
        p.expected = e->cell;
    if (sobj_dict_pin_get(self->handle.core, e->pin, c->content, &p.value.out) !=
        SOBJ_OK) {
        sobj_cache_stale(c, e);
        return get_anew(self, key);
    }
    cell = p.value.out.cell;
    if (cell != e->cell)
        old = sobj_cache_note(c, e, cell, NULL);
    object = sobj_value_out_finish(&p.value);
    if (p.kept)
        keep_ready(self, key, cell, object);
    sobj_cache_let_go(old);
    return object;
}

PyObject *sobj_cache_get_slow(DictHandle *self, PyObject *key,
                              struct sobj_cache_entry *e, sobj_cell seen)
{
    struct sobj_dict_cache *c = sobj_cache_of(self);
    struct sobj_cache_old old = {SOBJ_NO_CELL, NULL};
    PyObject *object;

    if (e == NULL)
        return get_anew(self, key);
    if (!sobj_dict_pin_shows(seen)) {
        sobj_cache_stale(c, e);
        return get_anew(self, key);
    }
    c->misses = 0;
    if (sobj_is_pointer(seen))
        return get_pointer(self, key, c, e);
    object = sobj_decode(self->handle.state, seen);
    if (object == NULL)
        return NULL;
    if (seen != e->cell)
        old = sobj_cache_note(c, e, seen, NULL);
    else if (sobj_is_plain(object, 2 * SOBJ_CACHE_READY_MAX))
        old = sobj_cache_note(c, e, seen, Py_NewRef(object));
    sobj_cache_let_go(old);
    return object;
}

void sobj_cache_forget(DictHandle *self, PyObject *key)
{
    struct sobj_dict_cache *c = sobj_cache_of(self);
    struct sobj_cache_entry *e = sobj_cache_find(c, key);

    if (e != NULL)
        sobj_cache_stale(c, e);
}

/* ---- storing */

/* The store through the entry's pin was not done. Consumes: `cell`. */
static int set_stale(DictHandle *self, PyObject *key, sobj_cell cell)
{
    struct sobj_dict_cache *c = sobj_cache_of(self);
    struct sobj_cache_entry *e = sobj_cache_find(c, key); /* K4 */
    struct sobj_py_key k;
    enum sobj_status status;

    /* A snapshot or a fork may be all that was in the way. */
    if (e != NULL && !sobj_dict_pin_shows(sobj_cache_look(c, e)))
        sobj_cache_stale(c, e);
    if (sobj_py_key_init(self->handle.state, key, &k) < 0) {
        sobj_cell_unref(cell);
        return -1;
    }
    status = sobj_dict_set(self->handle.core, &k.key, cell);
    sobj_py_key_fini(&k);
    if (status == SOBJ_OK)
        return 0;
    sobj_raise(self->handle.state, status);
    return -1;
}

/* The key has no entry; it gets one if that is wanted. Returns: 0; -1 with an exception. */
static int enter(DictHandle *self, PyObject *key)
{
    if (sobj_cache_rests(sobj_cache_of(self)) || !sobj_cache_wants(self, key, false))
        return 0;
    return look_up_and_enter(self, key, NULL) < 0 ? -1 : 0;
}

int sobj_cache_set(DictHandle *self, PyObject *key, PyObject *value)
{
    struct sobj_dict_cache *c = sobj_cache_of(self);
    struct sobj_cache_entry *e = sobj_cache_find(c, key);
    struct sobj_cache_old old;
    enum sobj_status status;
    PyObject *ready = NULL;
    sobj_cell cell;

    if (e == NULL)
        return enter(self, key) < 0 ? -1 : sobj_dict_store(&self->handle, key, value);
    if (sobj_encode_fast(value, &cell)) {
#ifndef Py_GIL_DISABLED /* where counting references costs more than it saves */
        ready = Py_NewRef(value);
#endif
    } else if (!sobj_encode_again(self->handle.state, value, &cell)) {
        if (sobj_encode_slow(self->handle.state, value, &cell) < 0)
            return -1;
        e = sobj_cache_find(c, key); /* K4 */
        if (e == NULL)
            return set_stale(self, key, cell);
    }
    c->misses = 0;
    /* The entry first: what it says is true whether the store succeeds or not (K3). */
    old = sobj_cache_note(c, e, cell, ready);
    status = sobj_dict_pin_set(self->handle.core, e->pin, c->content, cell);
    sobj_cache_let_go(old);
    return __builtin_expect(status == SOBJ_OK, 1) ? 0 : set_stale(self, key, cell);
}

int sobj_cache_increment(DictHandle *self, PyObject *key, sobj_cell n, sobj_cell *sum)
{
    struct sobj_dict_cache *c = sobj_cache_of(self);
    struct sobj_cache_entry *e = sobj_cache_find(c, key);

    if (e == NULL)
        return enter(self, key) < 0 ? -1 : SOBJ_STALE;
    /* As in set_stale: what is in the way need not be the entry. */
    if (!sobj_dict_pin_shows(sobj_cache_look(c, e))) {
        sobj_cache_stale(c, e);
        return SOBJ_STALE;
    }
    c->misses = 0;
    return (int)sobj_dict_pin_increment(self->handle.core, e->pin, c->content, n, sum);
}
