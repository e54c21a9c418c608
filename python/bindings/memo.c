/* SPDX-License-Identifier: MIT */
/* The memo of a message: address of an object -> its ordinal. Open addressing, linear
 * probing, at most half full. Without the GIL it holds what it names, so that an
 * address is not used again while the message is being written. */
#include "encoder.h"

#define ROOM (sizeof((struct sobj__memo *)NULL)->room / sizeof(struct sobj__memo_entry))

void sobj__memo_init(struct sobj__memo *memo)
{
    memo->entries = memo->room;
    memo->used = 0;
    memo->mask = 0; /* `room` is cleared by the first look-up */
}

void sobj__memo_fini(struct sobj__memo *memo)
{
#ifdef Py_GIL_DISABLED
    for (size_t i = 0; memo->used != 0; i++) {
        if (memo->entries[i].object != NULL) {
            Py_DECREF(memo->entries[i].object);
            memo->used--;
        }
    }
#endif
    if (memo->entries != memo->room)
        PyMem_Free(memo->entries);
}

static struct sobj__memo_entry *probe(struct sobj__memo *memo, PyObject *v)
{
    uint64_t hash = (uint64_t)(uintptr_t)v * 0x9e3779b97f4a7c15u;
    size_t i = (size_t)(hash >> 32) & memo->mask;

    while (memo->entries[i].object != NULL && memo->entries[i].object != v)
        i = (i + 1) & memo->mask;
    return &memo->entries[i];
}

static int make_room(struct sobj__memo *memo)
{
    struct sobj__memo grown = {.mask = memo->mask * 2 + 1};

    if (memo->mask == 0) {
        memset(memo->room, 0, sizeof memo->room);
        memo->mask = ROOM - 1;
        return 0;
    }
    grown.entries = PyMem_Calloc(grown.mask + 1, sizeof *grown.entries);
    if (grown.entries == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i <= memo->mask; i++) {
        if (memo->entries[i].object != NULL)
            *probe(&grown, memo->entries[i].object) = memo->entries[i];
    }
    if (memo->entries != memo->room)
        PyMem_Free(memo->entries);
    memo->entries = grown.entries;
    memo->mask = grown.mask;
    return 0;
}

int sobj__memo_find(struct sobj__memo *memo, PyObject *v, uint64_t *ordinal)
{
    struct sobj__memo_entry *entry;

    if (memo->used * 2 >= memo->mask && make_room(memo) < 0)
        return -1;
    entry = probe(memo, v);
    if (entry->object != NULL) {
        *ordinal = entry->ordinal;
        return 1;
    }
#ifdef Py_GIL_DISABLED
    Py_INCREF(v);
#endif
    entry->object = v;
    entry->ordinal = *ordinal;
    memo->used++;
    return 0;
}
