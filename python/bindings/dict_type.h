/* SPDX-License-Identifier: MIT */
/* What the files of the type SharedDict share. */
#ifndef SOBJ_PY_DICT_TYPE_H
#define SOBJ_PY_DICT_TYPE_H

#include "convert.h"
#include "dict_cache.h"
#include "handle.h"

enum dict_part { DICT_KEYS, DICT_VALUES, DICT_ITEMS };

/* Returns: 0; -1 with an exception. The key and value are the caller's references; the
 * call may run a grace period with the GIL released. */
int sobj_dict_store(SobjHandle *self, PyObject *key, PyObject *value);
/* Returns: the value; NULL with an exception, or without one: the key is absent. */
PyObject *sobj_dict_lookup(SobjHandle *self, PyObject *key);
/* Of a DictHandle, which a SharedSet's handle is, too. */
void sobj_dict_dealloc(PyObject *self);
/* Returns: 1 if it is there, 0, or -1 with an exception. */
int sobj_dict_has(PyObject *self, PyObject *key);
void sobj_dict_key_error(PyObject *key);
static inline bool sobj_dict_check(PyObject *obj)
{
    return sobj_handle_check(obj) &&
           sobj_type_of(sobj_handle_core(obj)) == SOBJ_TYPE_DICT;
}

/* dict_view.c */
typedef struct {
    PyObject_HEAD
    PyObject *dict; /* the handle */
} DictView;
PyObject *sobj_dict_iterator(PyObject *self, enum dict_part part);
PyObject *sobj_dict_iterator_backward(PyObject *self, enum dict_part part);
PyObject *sobj_dict_view(PyObject *self, enum dict_part part);
/* Returns: what an iterator shows of an entry: the key, the value or a pair; NULL with an
 * exception. */
/* Whether who goes through the dict now may use ready objects, and shall keep them. */
bool sobj_dict_joins_ready(PyObject *self);
PyObject *sobj_dict_entry_object(struct sobj_entry_out *e, enum dict_part part);
int sobj_dict_view_exec(PyObject *module, struct sobj_state *state);

/* dict_operators.c */
PyObject *sobj_dict_or(PyObject *left, PyObject *right);
PyObject *sobj_dict_inplace_or(PyObject *self, PyObject *other);
PyObject *sobj_dict_fromkeys(PyObject *type, PyObject *const *args, Py_ssize_t count);
PyObject *sobj_dict_popitem(PyObject *self, PyObject *unused);
/* Removes the last entry. Returns: that part of it; NULL with an exception, or without
 * one: there is none. */
PyObject *sobj_dict_take_last(SobjHandle *self, enum dict_part part);
PyObject *sobj_dict_reversed(PyObject *self, PyObject *unused);
PyObject *sobj_dict_get_many(PyObject *self, PyObject *const *args, Py_ssize_t count,
                             PyObject *keywords);
PyObject *sobj_dict_compare_and_delete(PyObject *self, PyObject *const *args,
                                       Py_ssize_t count, PyObject *keywords);
extern const char sobj_dict_fromkeys_doc[], sobj_dict_popitem_doc[];
extern const char sobj_dict_reversed_doc[], sobj_dict_get_many_doc[];
extern const char sobj_dict_compare_and_delete_doc[];
#define SOBJ_DICT_OPERATOR_METHODS                                                     \
    {"fromkeys", (PyCFunction)(void (*)(void))sobj_dict_fromkeys,                      \
     METH_FASTCALL | METH_CLASS, sobj_dict_fromkeys_doc},                              \
        {"popitem", sobj_dict_popitem, METH_NOARGS, sobj_dict_popitem_doc},            \
        {"__reversed__", sobj_dict_reversed, METH_NOARGS, sobj_dict_reversed_doc},     \
        {"get_many", (PyCFunction)(void (*)(void))sobj_dict_get_many,                  \
         METH_FASTCALL | METH_KEYWORDS, sobj_dict_get_many_doc},                       \
    {                                                                                  \
        "compare_and_delete",                                                          \
            (PyCFunction)(void (*)(void))sobj_dict_compare_and_delete,                 \
            METH_FASTCALL | METH_KEYWORDS, sobj_dict_compare_and_delete_doc            \
    }
#define SOBJ_DICT_OPERATOR_SLOTS                                                       \
    {Py_nb_or, sobj_dict_or}, { Py_nb_inplace_or, sobj_dict_inplace_or }

/* dict_reduce.c */
PyObject *sobj_dict_reduce_sum(PyObject *self, PyObject *pairs);
PyObject *sobj_dict_reduce_max(PyObject *self, PyObject *pairs);
PyObject *sobj_dict_reduce_min(PyObject *self, PyObject *pairs);
extern const char sobj_dict_reduce_sum_doc[], sobj_dict_reduce_max_doc[];
extern const char sobj_dict_reduce_min_doc[];
#define SOBJ_DICT_REDUCE_METHODS                                                       \
    {"reduce_sum", sobj_dict_reduce_sum, METH_O, sobj_dict_reduce_sum_doc},            \
        {"reduce_max", sobj_dict_reduce_max, METH_O, sobj_dict_reduce_max_doc},        \
    {                                                                                  \
        "reduce_min", sobj_dict_reduce_min, METH_O, sobj_dict_reduce_min_doc           \
    }

/* dict_items.c */

/* What is done with each item; returns 0, or -1 with an exception. */
typedef int (*sobj_dict_do_item)(void *context, PyObject *key, PyObject *value);
/* Calls `action` with the items of a mapping, or of an iterable of pairs, as
 * dict.update() would come by them. Returns: 0, or -1 with an exception, which ends it. */
int sobj_dict_items_of(PyObject *source, sobj_dict_do_item action, void *context);

/* dict_bulk.c */

/* Stores the items of a mapping or iterable of pairs. Returns: 0, or -1. */
int sobj_dict_fill_from(PyObject *self, PyObject *source);
int sobj_dict_fill(PyObject *self, PyObject *args, PyObject *keywords,
                   const char *function);
PyObject *sobj_dict_update(PyObject *self, PyObject *args, PyObject *keywords);
PyObject *sobj_dict_tally(PyObject *self, PyObject *const *args, Py_ssize_t count,
                          PyObject *keywords);
PyObject *sobj_dict_add_number(PyObject *self, PyObject *const *args, Py_ssize_t count,
                               PyObject *keywords);
extern const char sobj_dict_update_doc[], sobj_dict_tally_doc[],
    sobj_dict_increment_doc[];
#define SOBJ_DICT_BULK_METHODS                                                         \
    {"update", (PyCFunction)(void (*)(void))sobj_dict_update,                          \
     METH_VARARGS | METH_KEYWORDS, sobj_dict_update_doc},                              \
        {"tally", (PyCFunction)(void (*)(void))sobj_dict_tally,                        \
         METH_FASTCALL | METH_KEYWORDS, sobj_dict_tally_doc},                          \
    {                                                                                  \
        "increment", (PyCFunction)(void (*)(void))sobj_dict_add_number,                \
            METH_FASTCALL | METH_KEYWORDS, sobj_dict_increment_doc                     \
    }
/* Adds `n` to the value of `key`, or to `start` if it is absent: two results of
 * sobj_dict_number_of. `sum` may be NULL;
 * `function` is for messages. Returns: 0, or -1 with an exception. */
int sobj_dict_add_to(SobjHandle *self, PyObject *key, PyObject *n, PyObject *start,
                     PyObject **sum, const char *function);
/* Returns: `obj`, or the plain int of an instance of a subclass, whose own methods do
 * not decide what is stored; NULL with TypeError. `otherwise` stands for NULL. */
PyObject *sobj_dict_number_of(const char *what, PyObject *obj, long otherwise);

/* dict_wait.c */
PyObject *sobj_dict_get_or_set(PyObject *self, PyObject *const *args, Py_ssize_t count,
                               PyObject *keywords);
PyObject *sobj_dict_wait_for(PyObject *self, PyObject *const *args, Py_ssize_t count,
                             PyObject *keywords);
PyObject *sobj_dict_compute(PyObject *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *keywords);
extern const char sobj_dict_get_or_set_doc[], sobj_dict_wait_for_doc[];
extern const char sobj_dict_compute_doc[];
#define SOBJ_DICT_WAIT_METHODS                                                         \
    {"get_or_set", (PyCFunction)(void (*)(void))sobj_dict_get_or_set,                  \
     METH_FASTCALL | METH_KEYWORDS, sobj_dict_get_or_set_doc},                         \
        {"wait_for", (PyCFunction)(void (*)(void))sobj_dict_wait_for,                  \
         METH_FASTCALL | METH_KEYWORDS, sobj_dict_wait_for_doc},                       \
    {                                                                                  \
        "compute", (PyCFunction)(void (*)(void))sobj_dict_compute,                     \
            METH_FASTCALL | METH_KEYWORDS, sobj_dict_compute_doc                       \
    }

/* sentinel.c */
int sobj_sentinel_exec(PyObject *module, struct sobj_state *state);

/* dict_whole.c: snapshot is for dicts, the rest for sets too. */

/* Returns: the handle of a new, empty dict; NULL with an exception. */
PyObject *sobj_dict_new_handle(struct sobj_state *state, size_t expected);
PyObject *sobj_dict_snapshot(PyObject *self, PyObject *unused);
PyObject *sobj_dict_clear_all(PyObject *self, PyObject *unused);
PyObject *sobj_dict_replace_all(PyObject *self, PyObject *source);
PyObject *sobj_dict_freeze_all(PyObject *self, PyObject *unused);
PyObject *sobj_dict_get_frozen(PyObject *self, void *closure);
PyObject *sobj_dict_copy_all(PyObject *self, PyObject *unused);
PyObject *sobj_dict_deepcopy(PyObject *self, PyObject *memo);
/* Takes the content of one moment into `result`. `put` makes what it needs of an entry,
 * of which there is the value only if `values`; it returns 0, or -1 with an exception.
 * Returns: `result`; NULL with an exception. Consumes: `result`, which may be NULL. */
PyObject *sobj_dict_snapshot_into(PyObject *self, PyObject *result, bool values,
                                  int (*put)(PyObject *result,
                                             struct sobj_entry_out *e));
extern const char sobj_dict_snapshot_doc[], sobj_dict_clear_doc[];
extern const char sobj_dict_replace_doc[], sobj_dict_freeze_doc[];
extern const char sobj_dict_copy_doc[], sobj_dict_shallow_copy_doc[];
extern const char sobj_dict_deepcopy_doc[];
#define SOBJ_DICT_WHOLE_METHODS                                                        \
    {"snapshot", sobj_dict_snapshot, METH_NOARGS, sobj_dict_snapshot_doc},             \
        {"clear", sobj_dict_clear_all, METH_NOARGS, sobj_dict_clear_doc},              \
        {"replace", sobj_dict_replace_all, METH_O, sobj_dict_replace_doc},             \
        {"freeze", sobj_dict_freeze_all, METH_NOARGS, sobj_dict_freeze_doc},           \
        {"copy", sobj_dict_copy_all, METH_NOARGS, sobj_dict_copy_doc},                 \
        {"__copy__", sobj_dict_copy_all, METH_NOARGS, sobj_dict_shallow_copy_doc},     \
    {                                                                                  \
        "__deepcopy__", sobj_dict_deepcopy, METH_O, sobj_dict_deepcopy_doc             \
    }
#define SOBJ_DICT_WHOLE_GETSET                                                         \
    {"frozen", sobj_dict_get_frozen, NULL,                                             \
     PyDoc_STR("Whether freeze() has made the dict read-only."), NULL}
PyObject *sobj_dict_richcompare(PyObject *self, PyObject *other, int op);
PyObject *sobj_dict_repr(PyObject *self);

#endif
