/* SPDX-License-Identifier: MIT */
/* Ints that are read again and again; see struct sobj_known_int in state.h. Direct-mapped:
 * a cell has one place, and who comes there puts out who was there. So what does not come
 * again costs a look and a store, and memory only until the next one comes. */
#include "convert.h"
#include "state.h"

#ifndef Py_GIL_DISABLED

PyObject *sobj_known_int_slow(struct sobj_state *state, sobj_cell cell)
{
    struct sobj_local *local = state->local;
    PyObject *object = PyLong_FromLong(sobj_to_int(cell)), *old = NULL;
    struct sobj_known_int *n;

    if (object == NULL)
        return NULL;
    if (local->known_ints == NULL) {
        /* Who comes after the end would keep what nobody lets go of. */
        if (state->cleared || local->domain == NULL)
            return object;
        local->known_ints =
            PyMem_RawCalloc((size_t)1 << SOBJ_KNOWN_INTS_BITS, sizeof *n);
        if (local->known_ints == NULL)
            return object;
    }
    n = sobj_known_int_at(local, cell);
    if (n->cell == cell) {
        n->object = Py_NewRef(object);
    } else {
        old = n->object;
        *n = (struct sobj_known_int){cell, NULL};
    }
    Py_XDECREF(old);
    return object;
}

#endif

void sobj_known_ints_flush(struct sobj_local *local)
{
    struct sobj_known_int *known = local->known_ints;

    local->known_ints = NULL;
    for (size_t i = 0; known != NULL && i < (size_t)1 << SOBJ_KNOWN_INTS_BITS; i++)
        Py_XDECREF(known[i].object);
    PyMem_RawFree(known);
}
