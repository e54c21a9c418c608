/* SPDX-License-Identifier: MIT */
/* Handles: the Python objects that stand for a core in one interpreter.
 *
 * A handle is an ordinary object of a heap type of its interpreter and holds one
 * reference to its core. There is one handle per core and interpreter (besides those
 * that `local()` makes), so that reading the same object twice gives the same handle
 * and the core's reference count changes only with the first and the last.
 *
 * A handle type is made from a PyType_Spec with SOBJ_HANDLE_FLAGS and SOBJ_HANDLE_SLOTS
 * (or functions of its own that end in these); its object struct begins with SobjHandle.
 * It has no tp_clear: a handle that the collector has found unreachable may still be
 * handed out by the table and then must work.
 */
#ifndef SOBJ_PY_HANDLE_H
#define SOBJ_PY_HANDLE_H

#include "state.h"

typedef struct {
    PyObject_HEAD
    struct sobj_object *core; /* a reference; const */
    struct sobj_state *state; /* of its module, to which it holds a reference; const */
    PyObject *weakrefs;
} SobjHandle;

/* Returns: THE handle of `core` in this interpreter, a new reference, or NULL with an
 * exception. Consumes: the reference to `core`, on failure too.
 * May run a grace period with the GIL released: hold nothing. */
PyObject *sobj_handle_for(struct sobj_state *state, struct sobj_object *core);

/* Looks only: a new reference if the handle exists and can be had without waiting, else
 * NULL without an exception. May be called inside a read section of the core, where
 * `core` was found in a cell; then nothing of the core's is written. Free-threaded builds
 * always answer NULL: take a reference and call sobj_handle_for. */
PyObject *sobj_handle_find(struct sobj_state *state, const struct sobj_object *core);

/* A further handle, which the table does not know. Consumes: `core`, on failure too. */
PyObject *sobj_handle_further(struct sobj_state *state, struct sobj_object *core);

/* Frees the memory of a handle, and by being in tp_free marks a type as a handle type:
 * in any module of ours in this process. */
void sobj_handle_free(void *self);

static inline bool sobj_handle_check(PyObject *obj)
{
    return Py_TYPE(obj)->tp_free == sobj_handle_free;
}
/* Returns: the core of a handle, borrowed. Needs: sobj_handle_check(obj). */
static inline struct sobj_object *sobj_handle_core(PyObject *obj)
{
    return ((SobjHandle *)obj)->core;
}

/* Makes the type, adds it to the module, enters it in the state and registers it for
 * crossing. `spec->name` is "sharedobj.Name". Returns: 0, or -1 with an exception. */
int sobj_handle_add_type(PyObject *module, struct sobj_state *state,
                         enum sobj_type type, PyType_Spec *spec);

/* ---- The parts of a type */
#define SOBJ_HANDLE_FLAGS                                                              \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC)

/* For the type's slots. A type with fields of its own must not let go of them before the
 * handle has left the table: that could run code which finds it there (W1, handle.c). */
void sobj_handle_dealloc(PyObject *self);
/* The same; calls `fini` after that, for those fields. */
void sobj_handle_dealloc_with(PyObject *self, void (*fini)(SobjHandle *self));
int sobj_handle_traverse(PyObject *self, visitproc visit, void *arg);
extern PyMemberDef sobj_handle_members[];
#define SOBJ_HANDLE_SLOTS(dealloc, traverse)                                           \
    {Py_tp_dealloc, dealloc}, {Py_tp_traverse, traverse},                              \
        {Py_tp_free, sobj_handle_free},                                                \
    {                                                                                  \
        Py_tp_members, sobj_handle_members                                             \
    }

/* Equality and hash by core, for types that are what they are (channels). */
PyObject *sobj_handle_richcompare(PyObject *self, PyObject *other, int op);
Py_hash_t sobj_handle_hash(PyObject *self);
/* What hash() does with a handle whose type has PyObject_HashNotImplemented: it raises
 * TypeError with the remedy. Returns: -1. */
Py_hash_t sobj_handle_refuse_hash(PyObject *self);

/* `id`: an entry of the type's PyGetSetDef table. */
PyObject *sobj_handle_get_id(PyObject *self, void *closure);
#define SOBJ_HANDLE_GETSET                                                             \
    {"id", sobj_handle_get_id, NULL, PyDoc_STR(SOBJ_HANDLE_ID_DOC), NULL}
#define SOBJ_HANDLE_ID_DOC                                                             \
    "Number of the shared object in this process; sharedobj.attach(id) gives a "       \
    "handle."

/* Entries of the type's PyMethodDef table. */
PyObject *sobj_handle_reduce(PyObject *self, PyObject *unused);
PyObject *sobj_handle_local(PyObject *self, PyObject *unused);
PyObject *sobj_handle_copy(PyObject *self, PyObject *unused);
extern const char sobj_handle_reduce_doc[], sobj_handle_local_doc[];
extern const char sobj_handle_copy_doc[], sobj_handle_deepcopy_doc[];
#define SOBJ_HANDLE_METHODS                                                            \
    {"__reduce__", sobj_handle_reduce, METH_NOARGS, sobj_handle_reduce_doc},           \
    {                                                                                  \
        "local", sobj_handle_local, METH_NOARGS, sobj_handle_local_doc                 \
    }
/* Types whose copy is the object itself. */
#define SOBJ_HANDLE_COPY_METHODS                                                       \
    {"__copy__", sobj_handle_copy, METH_NOARGS, sobj_handle_copy_doc},                 \
    {                                                                                  \
        "__deepcopy__", sobj_handle_copy, METH_O, sobj_handle_deepcopy_doc             \
    }

/* ---- For module.c: the table of a state that ends. */
void sobj_handles_fini(struct sobj_state *state);

#endif
