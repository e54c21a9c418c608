/* SPDX-License-Identifier: MIT */
/* SharedList: the ready objects of one handle; see list_type.h. */
#include "dict_cache.h"
#include "list_type.h"

#ifdef Py_GIL_DISABLED /* Z4 */

size_t sobj_shelf_bytes(const ListHandle *self) { return 0; }

void sobj_shelf_fini(ListHandle *self) {}

void sobj_shelves_flush(struct sobj_state *state) {}

#else

#define SOME 256u /* reads after which one asks whether it is time for a shelf */
#define SMALLEST 64u

/* Empties an entry. Returns: what to let go of, as the last thing. */
static struct sobj_ready_entry take(struct sobj_shelf *s, struct sobj_shelf_entry *e)
{
    struct sobj_ready_entry old = {SOBJ_NO_CELL, e->object};

    if (old.object != NULL && sobj_is_blob(e->cell)) {
        old.cell = e->cell;
        s->bytes -= sobj__kept_bytes(e->cell);
    }
    e->cell = SOBJ_NO_CELL;
    e->object = NULL;
    return old;
}

static void let_go(struct sobj_ready_entry old)
{
    if (old.cell != SOBJ_NO_CELL)
        sobj_cell_unref(old.cell);
    Py_XDECREF(old.object);
}

void sobj_shelf_fini(ListHandle *self)
{
    struct sobj_shelf *s = self->shelf;

    if (s == NULL)
        return;
    self->shelf = NULL;
    *s->link = s->next;
    if (s->next != NULL)
        s->next->link = s->link;
    sobj_list_pin_fini(&s->pin);
    for (size_t i = 0; i < s->size; i++)
        let_go(take(s, &s->entries[i]));
    PyMem_RawFree(s);
}

void sobj_shelves_flush(struct sobj_state *state)
{
    while (state->shelves != NULL)
        sobj_shelf_fini(state->shelves->owner);
}

static size_t bytes_of(size_t size)
{
    return sizeof(struct sobj_shelf) + size * sizeof(struct sobj_shelf_entry);
}

size_t sobj_shelf_bytes(const ListHandle *self)
{
    return self->shelf != NULL ? bytes_of(self->shelf->size) : 0;
}

static void begin(ListHandle *self)
{
    struct sobj_state *state = self->handle.state;
    uint64_t len = sobj_list_len(self->handle.core), size = SMALLEST;
    struct sobj_shelf *s;

    if (self->reads < len && self->reads < SOBJ_LIST_PINNED)
        return;
    self->reads = 0;
    while (size <= len && size < SOBJ_LIST_PINNED) /* with room for some to come */
        size *= 2;
    if (size > SOBJ_LIST_PINNED)
        size = SOBJ_LIST_PINNED;
    /* After the end of the module nobody would let go of it. */
    s = state->cleared ? NULL : PyMem_RawCalloc(1, bytes_of(size));
    if (s == NULL)
        return;
    if (!sobj_list_pin_init(&s->pin, self->handle.core)) {
        PyMem_RawFree(s);
        return;
    }
    s->owner = self;
    s->size = size;
    s->next = state->shelves;
    s->link = &state->shelves;
    if (s->next != NULL)
        s->next->link = &s->next;
    state->shelves = self->shelf = s;
}

static void fill(struct sobj_shelf *s, uint64_t index, sobj_cell cell, PyObject *object)
{
    struct sobj_shelf_entry *e = &s->entries[index];

    if (e->object != NULL)
        return;
    if (e->place == NULL)
        e->place = sobj_list_pin_place(&s->pin, index);
    if (e->place == NULL)
        return;
    if (sobj_is_blob(cell)) {
        if (s->bytes + sobj__kept_bytes(cell) > SOBJ_CACHE_BYTES_MAX)
            return;
        s->bytes += sobj__kept_bytes(cell);
        sobj_cell_ref(cell);
    }
    e->object = Py_NewRef(object);
}

void sobj_shelf_note(ListHandle *self, uint64_t index, sobj_cell cell, PyObject *object)
{
    struct sobj_shelf *s = self->shelf;

    if (s == NULL) {
        if (++self->reads % SOME == 0)
            begin(self);
    } else if (index >= s->size || !sobj_list_pin_renew(&s->pin)) {
        sobj_shelf_fini(self);
    } else if (s->entries[index].cell == cell) {
        fill(s, index, cell, object);
    } else {
        struct sobj_ready_entry old = take(s, &s->entries[index]);
        s->entries[index].cell = cell;
        let_go(old);
    }
}

#endif
