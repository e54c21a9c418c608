/* SPDX-License-Identifier: MIT */
/* Handles and the weak table that keeps them unique; see handle.h.
 *
 * The table maps a core's address to its handle in this interpreter: open addressing
 * with linear probing, in shards on free-threaded builds. It holds no references.
 *
 * With the GIL:
 *   W1  An entry is removed by the first thing that dealloc does. From the moment the
 *       handle's count is 0 to that point no other code of this interpreter runs, so
 *       whoever finds an entry may take a reference plainly.
 *
 * Free-threaded, the count may become 0 between a lookup's load and its increment:
 *   W2  An entry also owns a weak reference to the handle, and a lookup takes the strong
 *       one through it (PyWeakref_GetRef), which fails for a dying handle.
 *   W3  An entry whose handle is dying is replaced by the next lookup that wants one.
 *       The dying handle removes the entry only if it is still its own, which its
 *       address tells: that is not used again before dealloc has returned.
 *
 * In both, W4: a core's address in the table is not used again while the entry is there,
 * because the handle holds a reference to the core until the entry is gone.
 */
#include "handle.h"

#include <stddef.h>

#include "crossinterp.h"
#include "errors.h"

struct sobj_handle_slot {
    const struct sobj_object *core; /* NULL: free */
    SobjHandle *handle;             /* borrowed */
#ifdef Py_GIL_DISABLED
    PyObject *weakref; /* owned */
#endif
};

#define FIRST_CAPACITY 16

/* ---- the table */

static size_t hash_of(const struct sobj_object *core)
{
    uint64_t h = (uint64_t)(uintptr_t)core * 0x9e3779b97f4a7c15u;

    return (size_t)(h >> 32);
}

static struct sobj_handle_shard *shard_of(struct sobj_state *state,
                                          const struct sobj_object *core)
{
    /* The low bits choose the slot; shards take others. */
    return &state->handles[(hash_of(core) >> 20) % SOBJ_HANDLE_SHARDS];
}

/* Returns: the slot of `core`, or the free one where it would go. Needs: the mutex, and
 * a free slot. */
static struct sobj_handle_slot *probe(struct sobj_handle_shard *shard,
                                      const struct sobj_object *core)
{
    size_t mask = shard->capacity - 1, i = hash_of(core) & mask;

    while (shard->slots[i].core != NULL && shard->slots[i].core != core)
        i = (i + 1) & mask;
    return &shard->slots[i];
}

/* Makes room for one more entry. Needs: the mutex. Returns: false on no memory. */
static bool reserve(struct sobj_handle_shard *shard)
{
    struct sobj_handle_shard grown = {.count = shard->count};

    if (shard->count + shard->count / 2 + 1 < shard->capacity)
        return true;
    grown.capacity = shard->capacity != 0 ? shard->capacity * 2 : FIRST_CAPACITY;
    grown.slots = PyMem_RawCalloc(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL)
        return false;
    for (size_t i = 0; i < shard->capacity; i++) {
        if (shard->slots[i].core != NULL)
            *probe(&grown, shard->slots[i].core) = shard->slots[i];
    }
    PyMem_RawFree(shard->slots);
    shard->slots = grown.slots;
    shard->capacity = grown.capacity;
    return true;
}

/* Frees the slot and moves later entries of its run up. Needs: the mutex. */
static void vacate(struct sobj_handle_shard *shard, struct sobj_handle_slot *slot)
{
    size_t mask = shard->capacity - 1, hole = (size_t)(slot - shard->slots), i = hole;

    for (;;) {
        i = (i + 1) & mask;
        if (shard->slots[i].core == NULL)
            break;
        /* An entry may move to the hole unless its home lies between the two. */
        size_t home = hash_of(shard->slots[i].core) & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        shard->slots[hole] = shard->slots[i];
        hole = i;
    }
    memset(&shard->slots[hole], 0, sizeof shard->slots[hole]);
    shard->count--;
}

/* Returns: a new reference to a live handle of `core`, or NULL. Needs: the mutex. */
static PyObject *lookup(struct sobj_handle_shard *shard, const struct sobj_object *core)
{
    struct sobj_handle_slot *slot;

    if (shard->count == 0)
        return NULL;
    slot = probe(shard, core);
    if (slot->core == NULL)
        return NULL;
#ifdef Py_GIL_DISABLED
    PyObject *handle;
    return PyWeakref_GetRef(slot->weakref, &handle) > 0 ? handle : NULL; /* W2 */
#else
    return Py_NewRef((PyObject *)slot->handle); /* W1 */
#endif
}

/* Enters `handle` unless the core has a live one.
 * Returns: the one to use, a new reference; NULL on no memory. */
static PyObject *enter(struct sobj_handle_shard *shard, SobjHandle *handle,
                       PyObject *weakref)
{
    PyObject *result, *replaced = NULL;

    sobj_mutex_lock(&shard->mutex);
    result = lookup(shard, handle->core);
    if (result == NULL && reserve(shard)) {
        struct sobj_handle_slot *slot = probe(shard, handle->core);
        if (slot->core == NULL)
            shard->count++;
        slot->core = handle->core;
        slot->handle = handle;
#ifdef Py_GIL_DISABLED
        replaced = slot->weakref; /* W3 */
        slot->weakref = Py_XNewRef(weakref);
#endif
        result = Py_NewRef((PyObject *)handle);
    }
    sobj_mutex_unlock(&shard->mutex);
    Py_XDECREF(replaced);
    return result;
}

/* Removes the entry if it is of this handle. */
static void leave(struct sobj_handle_shard *shard, SobjHandle *handle)
{
    PyObject *weakref = NULL;

    sobj_mutex_lock(&shard->mutex);
    if (shard->count != 0) {
        struct sobj_handle_slot *slot = probe(shard, handle->core);
        if (slot->core != NULL && slot->handle == handle) {
#ifdef Py_GIL_DISABLED
            weakref = slot->weakref;
#endif
            vacate(shard, slot);
        }
    }
    sobj_mutex_unlock(&shard->mutex);
    Py_XDECREF(weakref);
}

void sobj_handles_fini(struct sobj_state *state)
{
    /* Every handle keeps its module, so by now there are none and the table is empty. */
    for (int i = 0; i < SOBJ_HANDLE_SHARDS; i++) {
        PyMem_RawFree(state->handles[i].slots);
        memset(&state->handles[i], 0, sizeof state->handles[i]);
    }
}

/* ---- making and freeing */

PyObject *sobj_handle_further(struct sobj_state *state, struct sobj_object *core)
{
    PyTypeObject *type = state->types[sobj_type_of(core)];
    SobjHandle *self;

    if (type == NULL) {
        sobj_unref(core);
        return sobj_raise_unloaded();
    }
    self = (SobjHandle *)type->tp_alloc(type, 0);
    if (self == NULL) {
        sobj_unref(core);
        return NULL;
    }
    self->core = core;
    self->state = state;
    Py_INCREF(state->module);
    return (PyObject *)self;
}

PyObject *sobj_handle_for(struct sobj_state *state, struct sobj_object *core)
{
    struct sobj_handle_shard *shard = shard_of(state, core);
    PyObject *self, *weakref = NULL, *result = NULL;

    sobj_mutex_lock(&shard->mutex);
    result = lookup(shard, core);
    sobj_mutex_unlock(&shard->mutex);
    if (result != NULL) {
        sobj_unref(core);
        return result;
    }

    self = sobj_handle_further(state, core);
    if (self == NULL)
        return NULL;
#ifdef Py_GIL_DISABLED
    weakref = PyWeakref_NewRef(self, NULL);
    if (weakref == NULL)
        goto done;
#endif
    /* Another thread may have been faster; then ours goes again. */
    result = enter(shard, (SobjHandle *)self, weakref);
    if (result == NULL)
        PyErr_NoMemory();
#ifdef Py_GIL_DISABLED
done:
#endif
    Py_XDECREF(weakref);
    Py_DECREF(self);
    return result;
}

PyObject *sobj_handle_find(struct sobj_state *state, const struct sobj_object *core)
{
#ifdef Py_GIL_DISABLED
    /* The mutex may wait, and a read section must not. */
    (void)state, (void)core;
    return NULL;
#else
    return lookup(shard_of(state, core), core);
#endif
}

void sobj_handle_dealloc(PyObject *op) { sobj_handle_dealloc_with(op, NULL); }

void sobj_handle_dealloc_with(PyObject *op, void (*fini)(SobjHandle *))
{
    SobjHandle *self = (SobjHandle *)op;
    PyTypeObject *type = Py_TYPE(op);
    struct sobj_object *core = self->core;
    PyObject *module = NULL;

#ifdef Py_GIL_DISABLED
    PyObject_GC_UnTrack(op);
    if (self->weakrefs != NULL)
        PyObject_ClearWeakRefs(op);
    if (core != NULL)
        leave(shard_of(self->state, core), self);
#else
    if (core != NULL)
        leave(shard_of(self->state, core), self); /* W1: first of all */
    PyObject_GC_UnTrack(op);
    if (self->weakrefs != NULL)
        PyObject_ClearWeakRefs(op);
#endif
    if (core != NULL) {
        module = self->state->module;
        if (fini != NULL)
            fini(self);
    }
    type->tp_free(op);
    Py_XDECREF(module);
    Py_DECREF(type);
    /* Last: it may let go of the GIL, and nothing of the handle is left by then. */
    if (core != NULL)
        sobj_unref(core);
}

void sobj_handle_free(void *self) { PyObject_GC_Del(self); }

int sobj_handle_traverse(PyObject *op, visitproc visit, void *arg)
{
    SobjHandle *self = (SobjHandle *)op;

    Py_VISIT(Py_TYPE(op));
    if (self->core != NULL)
        Py_VISIT(self->state->module);
    return 0;
}

/* ---- what all handles can do */

PyMemberDef sobj_handle_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(SobjHandle, weakrefs), Py_READONLY},
    {NULL},
};

PyObject *sobj_handle_get_id(PyObject *self, void *closure)
{
    return PyLong_FromLongLong(sobj_id_of(sobj_handle_core(self)));
}

PyObject *sobj_handle_richcompare(PyObject *self, PyObject *other, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !sobj_handle_check(other))
        Py_RETURN_NOTIMPLEMENTED;
    bool same = sobj_handle_core(self) == sobj_handle_core(other);
    return PyBool_FromLong(same == (op == Py_EQ));
}

Py_hash_t sobj_handle_hash(PyObject *self)
{
    /* The generation lies in the upper half; mix it into the bits that tables use. */
    uint64_t id = (uint64_t)sobj_id_of(sobj_handle_core(self));
    Py_hash_t hash = (Py_hash_t)(id ^ id >> 32);

    return hash == -1 ? -2 : hash;
}

Py_hash_t sobj_handle_refuse_hash(PyObject *self)
{
    bool number = sobj_type_of(sobj_handle_core(self)) == SOBJ_TYPE_ATOMIC_INT;

    PyErr_Format(PyExc_TypeError,
                 "unhashable type: '%s', because what it holds changes; use its id%s",
                 Py_TYPE(self)->tp_name, number ? ", or get() for the number" : "");
    return -1;
}

const char sobj_handle_local_doc[] = PyDoc_STR(
    "local($self, /)\n--\n\n"
    "Return a further, equal handle of the same shared object.\n\n"
    "On free-threaded builds threads that use one handle fight for its reference\n"
    "count; a handle of its own for each thread avoids that.");

PyObject *sobj_handle_local(PyObject *self, PyObject *unused)
{
    struct sobj_object *core = sobj_handle_core(self);

    sobj_ref(core);
    return sobj_handle_further(((SobjHandle *)self)->state, core);
}

const char sobj_handle_copy_doc[] =
    PyDoc_STR("__copy__($self, /)\n--\n\n"
              "Return the object itself: there is one of it, however it is named.");
const char sobj_handle_deepcopy_doc[] =
    PyDoc_STR("__deepcopy__($self, memo, /)\n--\n\nReturn the object itself.");

PyObject *sobj_handle_copy(PyObject *self, PyObject *unused) { return Py_NewRef(self); }

int sobj_handle_add_type(PyObject *module, struct sobj_state *state,
                         enum sobj_type type, PyType_Spec *spec)
{
    PyObject *made = PyType_FromModuleAndSpec(module, spec, NULL);

    if (made == NULL)
        return -1;
    /* In the slot alone: __hash__ is None, as it is for all that is not Hashable. */
    if (((PyTypeObject *)made)->tp_hash == PyObject_HashNotImplemented)
        ((PyTypeObject *)made)->tp_hash = sobj_handle_refuse_hash;
    Py_XSETREF(state->types[type], (PyTypeObject *)made);
    if (PyModule_AddType(module, (PyTypeObject *)made) < 0)
        return -1;
    return sobj_crossing_register((PyTypeObject *)made);
}
