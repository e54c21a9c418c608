/* SPDX-License-Identifier: MIT */
/* Ints that are read again and again; see struct sobj_known_int in state.h. Direct-mapped:
 * a cell has one place, and who comes there puts out who was there. So what does not come
 * again costs a look and a store, and memory only until the next one comes; and after
 * some thousands of such the table rests, longer each time. */
#include "convert.h"
#include "state.h"

#ifndef Py_GIL_DISABLED

#define SIZE ((size_t)1 << SOBJ_KNOWN_INTS_BITS)
/* Ints in sequence that did not come again: as many as make one pass over what the table
 * can hold. */
#define PATIENCE (SIZE / 2)
#define REST_MIN (1u << 12)
#define REST_MAX (1u << 16)

/* Returns: whether the table is there and not left alone. */
static bool is_used(struct sobj_state *state, struct sobj_known_ints *known)
{
    if (known->entries != NULL)
        return true;
    if (known->rest != 0) {
        known->rest--;
        return false;
    }
    /* Who comes after the end would keep what nobody lets go of. */
    if (known->memory == NULL && !state->cleared && state->local->domain != NULL)
        known->memory = PyMem_RawCalloc(SIZE, sizeof *known->memory);
    known->entries = known->memory;
    return known->entries != NULL;
}

static void rest(struct sobj_known_ints *known)
{
    known->rest_next = known->rest_next == 0          ? REST_MIN
                       : known->rest_next >= REST_MAX ? REST_MAX
                                                      : known->rest_next * 2;
    known->rest = known->rest_next;
    known->misses = 0;
    known->entries = NULL;
}

PyObject *sobj_known_int_slow(struct sobj_state *state, sobj_cell cell)
{
    struct sobj_known_ints *known = &state->local->known_ints;
    PyObject *object = PyLong_FromLong(sobj_to_int(cell)), *old;
    struct sobj_known_int *e;

    if (object == NULL || !is_used(state, known))
        return object;
    e = sobj_known_int_at(known->entries, cell);
    if (e->cell == cell) {
        e->object = Py_NewRef(object);
        known->misses = known->rest_next = 0;
        return object;
    }
    old = e->object;
    *e = (struct sobj_known_int){cell, NULL};
    if (++known->misses > PATIENCE)
        rest(known);
    Py_XDECREF(old);
    return object;
}

void sobj_known_ints_flush(struct sobj_local *local)
{
    struct sobj_known_int *memory = local->known_ints.memory;

    local->known_ints = (struct sobj_known_ints){.entries = NULL};
    for (size_t i = 0; memory != NULL && i < SIZE; i++)
        Py_XDECREF(memory[i].object);
    PyMem_RawFree(memory);
}

#else

void sobj_known_ints_flush(struct sobj_local *local) {}

#endif
