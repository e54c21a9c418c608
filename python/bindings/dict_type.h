/* SPDX-License-Identifier: MIT */
/* What the files of the type SharedDict share. */
#ifndef SOBJ_PY_DICT_TYPE_H
#define SOBJ_PY_DICT_TYPE_H

#include "convert.h"
#include "handle.h"

enum dict_part { DICT_KEYS, DICT_VALUES, DICT_ITEMS };

/* Returns: 0; -1 with an exception. The key and value are the caller's references; the
 * call may run a grace period with the GIL released. */
int sobj_dict_store(SobjHandle *self, PyObject *key, PyObject *value);
/* Returns: the value; NULL with an exception, or without one: the key is absent. */
PyObject *sobj_dict_lookup(SobjHandle *self, PyObject *key);
/* Returns: 1 if it is there, 0, or -1 with an exception. */
int sobj_dict_has(PyObject *self, PyObject *key);
void sobj_dict_key_error(PyObject *key);
static inline bool sobj_dict_check(PyObject *obj)
{
    return sobj_handle_check(obj) &&
           sobj_type_of(sobj_handle_core(obj)) == SOBJ_TYPE_DICT;
}

/* dict_view.c */
PyObject *sobj_dict_iterator(PyObject *self, enum dict_part part);
PyObject *sobj_dict_view(PyObject *self, enum dict_part part);
int sobj_dict_view_exec(PyObject *module, struct sobj_state *state);

/* dict_bulk.c */
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

/* dict_whole.c */

/* Returns: the handle of a new, empty dict; NULL with an exception. */
PyObject *sobj_dict_new_handle(struct sobj_state *state, size_t expected);
PyObject *sobj_dict_snapshot(PyObject *self, PyObject *unused);
PyObject *sobj_dict_clear_all(PyObject *self, PyObject *unused);
PyObject *sobj_dict_replace_all(PyObject *self, PyObject *source);
PyObject *sobj_dict_freeze_all(PyObject *self, PyObject *unused);
PyObject *sobj_dict_get_frozen(PyObject *self, void *closure);
PyObject *sobj_dict_copy_all(PyObject *self, PyObject *unused);
PyObject *sobj_dict_deepcopy(PyObject *self, PyObject *memo);
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
