/* SPDX-License-Identifier: MIT */
/* Ready objects; see ready.h. */
#include "ready.h"

#include <stddef.h>

#include "dict_cache.h"

bool sobj_ready_may_keep(sobj_cell cell)
{
    return sobj_is_blob(cell) && !sobj_cell_is_hosted(cell) &&
           sobj_to_blob(cell)->edges == 0 &&
           sobj_blob_size(sobj_to_blob(cell)) <= SOBJ_CACHE_READY_MAX;
}

/* ---- a value on its way out */

static void kept_take(struct sobj_out *out)
{
    struct sobj_kept_out *k = (struct sobj_kept_out *)(void *)out;

    sobj_value_take(out);
    if (out->cell == k->expected && sobj_ready_may_keep(out->cell)) {
        sobj_cell_ref(out->cell);
        k->kept = true;
    }
}
_Static_assert(offsetof(struct sobj_kept_out, value.out) == 0, "kept_take needs it");

void sobj_kept_out_init(struct sobj_kept_out *out, struct sobj_state *state,
                        sobj_cell expected)
{
    sobj_value_out_init(&out->value, state);
    out->value.out.take = kept_take;
    out->expected = expected;
    out->kept = false;
}

/* ---- the table */

#ifdef Py_GIL_DISABLED /* Y4 */

bool sobj_ready_join(struct sobj_state *state, bool *joined, size_t reads)
{
    return false;
}

bool sobj_ready_wants(struct sobj_state *state, sobj_cell word) { return false; }

void sobj_ready_keep(struct sobj_state *state, sobj_cell word, PyObject *object) {}

void sobj_ready_leave(struct sobj_state *state, bool joined) {}

void sobj_ready_flush(struct sobj_state *state) {}

#else

#define COLD 64u   /* reads before there is a table */
#define SELDOM 8u  /* one in so many is entered where there is no room */
#define GUESS 32u  /* of those without a ghost one in so many is taken for known */
#define ROOM_FOR 8 /* so many entries go at most to make room for one */

static struct sobj_ready_entry *set_of(struct sobj_ready *r, sobj_cell cell)
{
    return r->sets[sobj__ready_hash(cell) >> (64 - SOBJ__READY_SETS_LOG2)];
}

bool sobj_ready_join(struct sobj_state *state, bool *joined, size_t reads)
{
    if (!*joined)
        state->ready_readers++;
    *joined = true;
    if (state->ready == NULL && state->ready_cold >= COLD) {
        state->ready_cold = 0;
        if (!state->cleared)
            state->ready = PyMem_RawCalloc(1, sizeof *state->ready);
    } else if (state->ready == NULL) {
        state->ready_cold += reads < COLD ? (unsigned)reads : COLD;
    }
    return state->ready != NULL;
}

bool sobj_ready_wants(struct sobj_state *state, sobj_cell word)
{
    struct sobj_ready *r = state->ready;
    uint64_t hash = sobj__ready_hash(word);
    uint16_t *ghost, mark = (uint16_t)(hash >> 16 | 1);
    struct sobj_ready_entry *set;

    if (r == NULL)
        return false;
    ghost = &r->ghosts[hash >> 32 & (SOBJ__READY_GHOSTS - 1)];
    if (*ghost != mark) {
        *ghost = mark;
        if (++r->turn % GUESS != 0)
            return false;
    }
    set = set_of(r, word);
    if ((set[0].cell == SOBJ_NO_CELL || set[1].cell == SOBJ_NO_CELL) &&
        r->bytes + SOBJ_CACHE_READY_MAX <= SOBJ_CACHE_BYTES_MAX)
        return true;
    return ++r->turn % SELDOM == 0;
}

/* The bytes of what an entry keeps. */
static size_t bytes_of(struct sobj_ready_entry e)
{
    if (sobj_is_pointer(e.cell))
        return sobj__kept_bytes(e.cell);
    return (size_t)PyUnicode_GET_LENGTH(e.object) * PyUnicode_KIND(e.object);
}

static void release(sobj_cell word)
{
    if (sobj_is_pointer(word))
        sobj_cell_unref(word);
    else
        sobj_dict_pin_drop((struct sobj_dict_pin *)(uintptr_t)(word ^ 1));
}

/* Takes an entry out. */
static struct sobj_ready_entry take(struct sobj_ready *r, struct sobj_ready_entry *e)
{
    struct sobj_ready_entry old = *e;

    if (old.cell != SOBJ_NO_CELL)
        r->bytes -= bytes_of(old);
    *e = (struct sobj_ready_entry){SOBJ_NO_CELL, NULL};
    return old;
}

static void let_go(struct sobj_ready_entry old)
{
    if (old.cell == SOBJ_NO_CELL)
        return;
    release(old.cell);
    Py_DECREF(old.object);
}

void sobj_ready_keep(struct sobj_state *state, sobj_cell word, PyObject *object)
{
    struct sobj_ready *r = state->ready; /* it may have gone meanwhile */
    struct sobj_ready_entry old[ROOM_FOR + 1] = {{SOBJ_NO_CELL, NULL}};
    struct sobj_ready_entry fresh = {word, object}, *set;
    size_t size;

    if (r != NULL && object != NULL &&
        sobj_is_plain(object, 2 * SOBJ_CACHE_READY_MAX)) {
        set = set_of(r, word);
        size = bytes_of(fresh);
        if (set[0].cell != word && set[1].cell != word) {
            if (set[0].cell != SOBJ_NO_CELL)
                set += set[1].cell == SOBJ_NO_CELL || r->turn / SELDOM % 2 != 0;
            old[ROOM_FOR] = take(r, set);
            for (int i = 0; i < ROOM_FOR && r->bytes + size > SOBJ_CACHE_BYTES_MAX;
                 i++) {
                size_t at = r->hand++ % (2 * SOBJ__READY_SETS);
                old[i] = take(r, &r->sets[at / 2][at % 2]);
            }
            if (r->bytes + size <= SOBJ_CACHE_BYTES_MAX) {
                *set = fresh;
                Py_INCREF(object);
                r->bytes += size;
                word = SOBJ_NO_CELL;
            }
        }
    }
    release(word);
    for (int i = 0; i <= ROOM_FOR; i++)
        let_go(old[i]);
}

void sobj_ready_leave(struct sobj_state *state, bool joined)
{
    if (joined && --state->ready_readers == 0)
        sobj_ready_flush(state);
}

void sobj_ready_flush(struct sobj_state *state)
{
    struct sobj_ready *r = state->ready;

    state->ready = NULL;
    state->ready_cold = 0;
    for (size_t i = 0; r != NULL && i < 2 * SOBJ__READY_SETS; i++)
        let_go(r->sets[i / 2][i % 2]);
    PyMem_RawFree(r);
}

#endif
