/* SPDX-License-Identifier: MIT */
/* What the files of the type SharedList share. */
#ifndef SOBJ_PY_LIST_TYPE_H
#define SOBJ_PY_LIST_TYPE_H

#include "convert.h"
#include "handle.h"
#include "ready.h"
#include "sharedobj/list.h"

struct sobj_shelf;

typedef struct {
    SobjHandle handle;
    bool reader;  /* counts among the readers of ready objects (ready.h) */
    size_t reads; /* that might have been made by the shelf, if there were one */
    struct sobj_shelf *shelf; /* NULL: none; list_shelf.c */
} ListHandle;

static inline bool sobj_list_check(PyObject *obj)
{
    return sobj_handle_check(obj) &&
           sobj_type_of(sobj_handle_core(obj)) == SOBJ_TYPE_LIST;
}

/* ---- list_shelf.c: the ready objects of one handle, by index.
 *
 * Beside the object of an item lies the place where the list has the item's word, which
 * a pin keeps readable. While the word is the one of which the object was made, the object
 * is the item: a read needs no section, and looks for nothing.
 *
 *   Z1  An entry with an object owns it, and a reference to its blob, if the cell is one:
 *       so no other blob can be at that address (Y1 in ready.h). The object is plain, and
 *       what the cell means (Y2).
 *   Z2  An entry is filled when the same word has come twice. What is read once only, and
 *       what changes from read to read, costs a look and a store.
 *   Z3  A shelf is made when there were as many reads as it has room for, and goes when
 *       the list has another content, and with the handle, at collect(), and when the
 *       module is cleared. Before anything is let go of, which may run any code, it is
 *       out of the handle's reach.
 *   Z4  It is guarded by the GIL. Free-threaded there is none, as in ready.h. */
#ifndef Py_GIL_DISABLED
struct sobj_shelf_entry {
    const sobj_cell *place; /* NULL: not asked for yet */
    sobj_cell cell;         /* what was read there last */
    PyObject *object;       /* NULL: none */
};
struct sobj_shelf {
    struct sobj_list_pin pin;
    ListHandle *owner;
    struct sobj_shelf *next, **link; /* all those of the module */
    size_t size, bytes;              /* entries; of the blobs */
    struct sobj_shelf_entry entries[];
};

/* Returns: a new reference to item `index`; NULL: it is not ready. */
static inline PyObject *sobj_shelf_get(const ListHandle *self, int64_t index)
{
    const struct sobj_shelf *s = self->shelf;
    const struct sobj_shelf_entry *e;

    if (s == NULL || (uint64_t)index >= s->size)
        return NULL;
    e = &s->entries[index];
    if (e->object == NULL ||
        sobj_list_pin_look(&s->pin, (uint64_t)index, e->place) != e->cell)
        return NULL;
    return Py_NewRef(e->object);
}
/* Item `index` was read: the object (borrowed) of a cell that is an
 * immediate, or kept alive by somebody. May run any code. */
void sobj_shelf_note(ListHandle *self, uint64_t index, sobj_cell cell,
                     PyObject *object);
#else
static inline PyObject *sobj_shelf_get(const ListHandle *self, int64_t index)
{
    return NULL;
}
#endif
/* Returns: bytes of the shelf, without objects. */
size_t sobj_shelf_bytes(const ListHandle *self);
/* The handle ends. */
void sobj_shelf_fini(ListHandle *self);

/* ---- list_type.c */

/* Returns: the handle of a new, empty list; NULL with an exception. */
PyObject *sobj_list_new_handle(struct sobj_state *state);
PyObject *sobj_list_item_slow(SobjHandle *self, int64_t index, sobj_cell cell);
/* Returns: the item; NULL with an exception, or without one: the index is out of range. */
static inline PyObject *sobj_list_item_looked(SobjHandle *self, int64_t index)
{
#ifdef Py_GIL_DISABLED
    /* Without a table a look that finds a pointer would only be one look more. */
    struct sobj_value_out out;

    sobj_value_out_init(&out, self->state);
    if (sobj_list_get(self->core, index, &out.out) == SOBJ_OK)
        return sobj_value_out_finish(&out);
    return NULL;
#else
    sobj_cell cell = sobj_list_look(self->core, index);
    PyObject *item;

    if (sobj_is_int(cell))
        item = sobj_decode_int(self->state, cell);
    else if (!sobj_is_pointer(cell))
        item = sobj_decode(self->state, cell);
    else if (cell == SOBJ_NO_CELL)
        return NULL;
    else if ((item = sobj_ready_get(self->state, cell)) == NULL)
        return sobj_list_item_slow(self, index, cell);
    if ((uint64_t)index < SOBJ_LIST_PINNED && item != NULL)
        sobj_shelf_note((ListHandle *)self, (uint64_t)index, cell, item);
    return item;
#endif
}
/* The same, at once if it is ready. */
static inline PyObject *sobj_list_item(SobjHandle *self, int64_t index)
{
    PyObject *ready = sobj_shelf_get((ListHandle *)self, index);

    return ready != NULL ? ready : sobj_list_item_looked(self, index);
}
/* Raises what a status that is not OK means; `out_of_range` is the message of NOT_FOUND.
 * Returns: NULL. */
PyObject *sobj_list_raise(SobjHandle *self, enum sobj_status status,
                          const char *out_of_range);
/* The same, and None for OK. */
PyObject *sobj_list_none(SobjHandle *self, enum sobj_status status);

/* ---- list_cells.c: many values at once. */

/* Cells on their way into a list. */
struct sobj_cells {
    sobj_cell *cells; /* references */
    size_t count, capacity;
    struct sobj_list_copy copy; /* its cells are those above, if they are not ours */
};

/* Encodes what an iterable gives; the content of a SharedList is that of one moment.
 * Returns: 0; -1 with an exception, and nothing is held. */
int sobj_cells_gather(struct sobj_state *state, PyObject *source, struct sobj_cells *c);
/* Returns: a draft of the content of a long plain list or tuple, if it is all numbers and
 * the like; else NULL, without an exception, and sobj_cells_gather is to be asked. */
struct sobj_list_draft *sobj_cells_draft(PyObject *source);
/* Frees the memory. The references went to the core, which consumes them in any case. */
void sobj_cells_given(struct sobj_cells *c);
/* Drops the references too. */
void sobj_cells_drop(struct sobj_cells *c);
/* A plain list with `n` empty places (free-threaded: Nones) for PyList_SET_ITEM, not
 * tracked: nobody shall find it before it is full. Returns: NULL with an exception. */
PyObject *sobj_list_to_fill(size_t n);
/* Returns: a plain list of what the cells mean; NULL with an exception. */
PyObject *sobj_cells_decode(struct sobj_state *state, const sobj_cell *cells, size_t n);

/* A walk over a list that changes meanwhile: the items at the indexes from `next` on, as
 * they are when the walk comes by, SOBJ_WALK_MOST at a time. Within these it misses
 * nothing that others move about: it sees each of their shifts wholly or not at all. */
#define SOBJ_WALK_SOME 32
#define SOBJ_WALK_MOST 512
struct sobj_list_walk {
    struct sobj_object *core;
    uint64_t next; /* the index after those that were taken */
    size_t capacity, count, used;
    bool pieces;           /* it has looked more than once */
    struct sobj_out *outs; /* those not used yet are references */
    struct sobj_out room[SOBJ_WALK_SOME];
};
void sobj_list_walk_init(struct sobj_list_walk *w, struct sobj_object *core,
                         uint64_t from);
/* Returns: whether there is one more, and a reference, the caller's, in `*cell`. */
bool sobj_list_walk_next(struct sobj_list_walk *w, sobj_cell *cell);
/* The index of what was given last. */
static inline uint64_t sobj_list_walk_index(const struct sobj_list_walk *w)
{
    return w->next - w->count + w->used - 1;
}
void sobj_list_walk_fini(struct sobj_list_walk *w);
/* Returns: a plain list of what a walk shows; NULL with an exception. */
PyObject *sobj_list_walked(SobjHandle *self);

/* ---- list_iter.c */
PyObject *sobj_list_iter(PyObject *self);
PyObject *sobj_list_reversed(PyObject *self, PyObject *unused);
extern const char sobj_list_reversed_doc[];
int sobj_list_iter_exec(PyObject *module, struct sobj_state *state);

/* ---- list_slices.c */
PyObject *sobj_list_get_slice(SobjHandle *self, PyObject *slice);
/* `value` NULL: deletes. Returns: 0; -1 with an exception. */
int sobj_list_set_slice(SobjHandle *self, PyObject *slice, PyObject *value);
/* Copies (a slice of) the content of one moment. Returns: a new handle; NULL with an
 * exception. */
PyObject *sobj_list_copy_part(SobjHandle *self, const struct sobj_slice *slice);

/* ---- list_search.c */
int sobj_list_contains(PyObject *self, PyObject *value);
PyObject *sobj_list_index(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *sobj_list_count(PyObject *self, PyObject *value);
PyObject *sobj_list_remove(PyObject *self, PyObject *value);
PyObject *sobj_list_richcompare(PyObject *self, PyObject *other, int op);
PyObject *sobj_list_repr(PyObject *self);
extern const char sobj_list_index_doc[], sobj_list_count_doc[], sobj_list_remove_doc[];
#define SOBJ_LIST_SEARCH_METHODS                                                       \
    {"index", (PyCFunction)(void (*)(void))sobj_list_index, METH_FASTCALL,             \
     sobj_list_index_doc},                                                             \
        {"count", sobj_list_count, METH_O, sobj_list_count_doc},                       \
    {                                                                                  \
        "remove", sobj_list_remove, METH_O, sobj_list_remove_doc                       \
    }

/* ---- list_whole.c */
PyObject *sobj_list_add_all(PyObject *self, PyObject *iterable);
PyObject *sobj_list_empty(PyObject *self, PyObject *unused);
PyObject *sobj_list_replace_all(PyObject *self, PyObject *iterable);
PyObject *sobj_list_turn(PyObject *self, PyObject *unused);
PyObject *sobj_list_snapshot(PyObject *self, PyObject *unused);
PyObject *sobj_list_copy_all(PyObject *self, PyObject *unused);
PyObject *sobj_list_deepcopy(PyObject *self, PyObject *memo);
PyObject *sobj_list_freeze_all(PyObject *self, PyObject *unused);
PyObject *sobj_list_get_frozen(PyObject *self, void *closure);
PyObject *sobj_list_concat(PyObject *self, PyObject *other);
PyObject *sobj_list_times(PyObject *self, Py_ssize_t n);
PyObject *sobj_list_inplace_concat(PyObject *self, PyObject *other);
PyObject *sobj_list_inplace_times(PyObject *self, Py_ssize_t n);
extern const char sobj_list_extend_doc[], sobj_list_clear_doc[];
extern const char sobj_list_replace_doc[], sobj_list_reverse_doc[];
extern const char sobj_list_snapshot_doc[], sobj_list_copy_doc[];
extern const char sobj_list_shallow_copy_doc[], sobj_list_deepcopy_doc[];
extern const char sobj_list_freeze_doc[];
#define SOBJ_LIST_WHOLE_METHODS                                                        \
    {"extend", sobj_list_add_all, METH_O, sobj_list_extend_doc},                       \
        {"clear", sobj_list_empty, METH_NOARGS, sobj_list_clear_doc},                  \
        {"replace", sobj_list_replace_all, METH_O, sobj_list_replace_doc},             \
        {"reverse", sobj_list_turn, METH_NOARGS, sobj_list_reverse_doc},               \
        {"snapshot", sobj_list_snapshot, METH_NOARGS, sobj_list_snapshot_doc},         \
        {"copy", sobj_list_copy_all, METH_NOARGS, sobj_list_copy_doc},                 \
        {"__copy__", sobj_list_copy_all, METH_NOARGS, sobj_list_shallow_copy_doc},     \
        {"__deepcopy__", sobj_list_deepcopy, METH_O, sobj_list_deepcopy_doc},          \
    {                                                                                  \
        "freeze", sobj_list_freeze_all, METH_NOARGS, sobj_list_freeze_doc              \
    }
#define SOBJ_LIST_OPERATOR_SLOTS                                                       \
    {Py_sq_concat, sobj_list_concat}, {Py_sq_repeat, sobj_list_times},                 \
        {Py_sq_inplace_concat, sobj_list_inplace_concat},                              \
    {                                                                                  \
        Py_sq_inplace_repeat, sobj_list_inplace_times                                  \
    }

/* ---- list_order.c */

/* Sorts cells that are all ints, all floats, or all strs, without making objects of them;
 * lets go of the GIL meanwhile. Returns: 1 and the words in raw memory, or NULL: they are
 * in order already; 0: they are something else; -1 with an exception. */
int sobj_cells_sorted(const sobj_cell *cells, size_t n, bool reverse,
                      sobj_cell **sorted);

/* ---- list_sort.c */
PyObject *sobj_list_sort(PyObject *self, PyObject *const *args, Py_ssize_t count,
                         PyObject *keywords);
extern const char sobj_list_sort_doc[];

#endif
