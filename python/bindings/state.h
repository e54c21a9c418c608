/* SPDX-License-Identifier: MIT */
/* The module's state, and what an interpreter has beside it.
 *
 *     interpreter ── dict ──> capsule ──> struct sobj_local   (one per interpreter)
 *         │                                     ▲
 *         └── module(s) ──> struct sobj_state ──┘             (one per import)
 *                                ▲
 *                            SobjHandle, ...                  (each keeps its module)
 *
 * All Python objects that the bindings keep are in `struct sobj_state`; there are no
 * static ones, so every interpreter has its own. The state is the module's memory, and
 * every handle holds a reference to its module: so `handle->state` is valid as long as
 * the handle is. But when a whole interpreter is torn down the module may be *cleared*
 * while handles still live; then the fields below are NULL, and code that needs one
 * must answer with sobj_raise_unloaded().
 *
 * `struct sobj_local` is raw memory and lives as long as the interpreter. It owns the
 * domain: closing it wakes the interpreter's waiting threads, freeing it drops the
 * tickets that nobody has taken.
 */
#ifndef SOBJ_PY_STATE_H
#define SOBJ_PY_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "host.h"
#include "sharedobj/object.h"
#include "sharedobj/runtime.h"

/* The name under which the module is imported, built and found. */
#define SOBJ_MODULE_NAME "sharedobj._sharedobj"

/* ---- Mutual exclusion of the threads of one interpreter: the GIL where there is one.
 * Nothing that can run Python code or wait may be done between the two. */
struct sobj_mutex {
#ifdef Py_GIL_DISABLED
    PyMutex mutex;
#else
    char unused;
#endif
};

static inline void sobj_mutex_lock(struct sobj_mutex *m)
{
#ifdef Py_GIL_DISABLED
    PyMutex_Lock(&m->mutex);
#else
    (void)m;
#endif
}

static inline void sobj_mutex_unlock(struct sobj_mutex *m)
{
#ifdef Py_GIL_DISABLED
    PyMutex_Unlock(&m->mutex);
#else
    (void)m;
#endif
}

/* ---- A str that was encoded lately, with its blob. Programs store the same few strings
 * again and again: one that comes twice in sequence, of those that share its place, is
 * kept, and from then on is a reference instead of a copy. That is less time, and less
 * memory where it lies in many cells. References are taken in hundreds, and a blob is
 * given up before its count of 32 bits could overflow. Guarded by the GIL; not used on
 * free-threaded builds, where threads would fight for the blob's count. */
struct sobj_blob;
struct sobj_encoded {
    PyObject *object;       /* owned, an exact str; NULL: none */
    struct sobj_blob *blob; /* with `credit` references */
    uint32_t credit;        /* not 0 while there is an object */
    uint32_t refills;
    const void *seen; /* what came last; only an address */
};
#define SOBJ_ENCODED 8
#define SOBJ_ENCODED_MAX 1024 /* code units */
#define SOBJ_ENCODED_CREDIT 256u
#define SOBJ_ENCODED_REFILLS 4096u

/* ---- The int that a cell means, where the same ones are read again and again: the first
 * time the cell is remembered, the second time its object is kept. Making an int and
 * freeing it is most of what a read of one costs before 3.14. Where ints do not recur the
 * table is left alone for a while. Guarded by the GIL; not used on free-threaded builds,
 * where threads would fight for the reference counts. */
struct sobj_known_int {
    uint64_t cell;    /* 0: none, which no int has */
    PyObject *object; /* owned; NULL: seen once */
};
#define SOBJ_KNOWN_INTS_BITS 12
struct sobj_known_ints {
    struct sobj_known_int *entries; /* NULL: none, or left alone */
    struct sobj_known_int *memory;
    uint32_t misses;          /* since an int came again */
    uint32_t rest, rest_next; /* reads until the table is used again */
};

/* ---- What lives as long as the interpreter. Guarded by `mutex`. */
struct sobj_local {
    struct sobj_encoded encoded[SOBJ_ENCODED]; /* guarded by the GIL alone */
    struct sobj_known_ints known_ints;         /* the same */
    struct sobj_mutex mutex;
    int64_t refs;               /* the capsule and the states */
    struct sobj_domain *domain; /* NULL when the interpreter has died */
    int64_t waits;              /* threads of this interpreter inside a blocking call */
    int64_t lease;              /* of handles inside pickles, nanoseconds */
    char *importable;           /* what set_importable() allows, or NULL; names.c */
    uint64_t importable_epoch;  /* atomic: counts its calls */
    bool at_exit;               /* wake-up registered with `atexit` */
    bool at_threads_end;        /* ... and with `threading` */
};

/* ---- The weak table core -> handle; see handle.c. */
#ifdef Py_GIL_DISABLED
#define SOBJ_HANDLE_SHARDS 16
#else
#define SOBJ_HANDLE_SHARDS 1
#endif
struct sobj_handle_slot;
struct sobj_handle_shard {
    struct sobj_mutex mutex;
    struct sobj_handle_slot *slots;
    size_t capacity, count;
};

/* Exceptions; table in errors.c. */
enum sobj_error {
    SOBJ_ERR_NOT_SHAREABLE,
    SOBJ_ERR_UNRESOLVED,
    SOBJ_ERR_CHANNEL_EMPTY,
    SOBJ_ERR_CHANNEL_FULL,
    SOBJ_ERR_CHANNEL_TIMEOUT,
    SOBJ_ERR_CHANNEL_CLOSED,
    SOBJ_ERR_CHANNEL_EMPTY_TIMEOUT, /* ChannelEmpty and ChannelTimeout */
    SOBJ_ERR_CHANNEL_FULL_TIMEOUT,
    SOBJ_ERR_SELECT_TIMEOUT,
    SOBJ_ERRORS
};

/* Python objects of the state that are no arrays: X(name). A unit that needs one adds a
 * line; traversing and clearing follow. */
#define SOBJ_STATE_OBJECTS(X)                                                          \
    X(attach_token) /* the function that loads pickled handles */                      \
    X(pickler)      /* classes of ours and io.BytesIO, made when first needed */       \
    X(unpickler)                                                                       \
    X(bytes_io)                                                                        \
    X(missing)  /* MISSING */                                                          \
    X(deletion) /* DELETE */                                                           \
    X(dict_iterator)                                                                   \
    X(channel_watch)                                                                   \
    X(channel_operation)                                                               \
    X(dict_keys) X(dict_values) X(dict_items) X(array_iterator) X(list_iterator)

struct sobj_dict_cache;
struct sobj_ready;
struct sobj_shelf;

struct sobj_state {
    PyObject *module; /* borrowed: the state is its memory; NULL before exec */
    struct sobj_local *local;
    struct sobj_handle_shard handles[SOBJ_HANDLE_SHARDS];
    struct sobj_mutex caches_mutex;
    struct sobj_dict_cache *caches; /* of all handles; see dict_cache.h */
    struct sobj_ready *ready;       /* NULL: none; guarded by the GIL; see ready.h */
    unsigned ready_cold;            /* reads that have found none */
    size_t ready_readers;           /* handles for which it is there */
    struct sobj_shelf *shelves;     /* of all SharedLists; guarded by the GIL */
    /* new references, NULL when cleared */
    PyTypeObject *types[SOBJ_TYPES]; /* by enum sobj_type */
    PyObject *errors[SOBJ_ERRORS];   /* made when first needed; see errors.c */
    struct sobj_mutex errors_mutex;
    bool cleared;
    struct sobj_host host;
#define SOBJ_STATE_FIELD(name) PyObject *name;
    SOBJ_STATE_OBJECTS(SOBJ_STATE_FIELD)
#undef SOBJ_STATE_FIELD
};

/* Returns: the state of a module or a type of ours (exactly of ours: the types cannot be
 * subclassed); never NULL for a module. A type that the collector has cleared, while the
 * interpreter is torn down, has none any more: NULL with an exception. */
static inline struct sobj_state *sobj_state_of_module(PyObject *module)
{
    return PyModule_GetState(module);
}
static inline struct sobj_state *sobj_state_of_type(PyTypeObject *type)
{
    return PyType_GetModuleState(type);
}

/* ---- local.c: what an interpreter has beside the module. */

/* Gives the state its `local`, which is made for the first module of an interpreter.
 * Returns: 0, or -1 with an exception. */
int sobj_local_attach(struct sobj_state *state);
void sobj_local_detach(struct sobj_state *state);
/* Let go of what is kept of strs that were encoded, and of ints. */
void sobj_encoded_flush(struct sobj_local *local);
void sobj_known_ints_flush(struct sobj_local *local);
/* Lets go of the ready objects of all SharedLists; list_shelf.c. */
void sobj_shelves_flush(struct sobj_state *state);
/* Returns: the domain of this interpreter, which lives as long as Python code runs in it;
 * NULL with an exception when it has ended. */
struct sobj_domain *sobj_local_domain(struct sobj_state *state);

/* ---- locate.c: the module in any interpreter, whether it can be imported or not. */

/* The definition of the module: what its init function returns. */
extern struct PyModuleDef sobj_module_def;
/* Makes `module` the one that sobj_module_here gives in this interpreter. */
int sobj_module_publish(PyObject *module);
/* Finds, imports or builds the module of this interpreter.
 * Returns: a new reference, or NULL with an exception. */
PyObject *sobj_module_here(void);

/* ---- What each unit adds to a new module. Return: 0, or -1 with an exception. */
int sobj_registry_exec(PyObject *module, struct sobj_state *state);
int sobj_convert_exec(PyObject *module, struct sobj_state *state);
int sobj_atomic_int_exec(PyObject *module, struct sobj_state *state);
int sobj_dict_exec(PyObject *module, struct sobj_state *state);
int sobj_set_exec(PyObject *module, struct sobj_state *state);
int sobj_array_exec(PyObject *module, struct sobj_state *state);
int sobj_list_exec(PyObject *module, struct sobj_state *state);
/* Returns: the handle of the process-wide registry, a new reference, or NULL. */
PyObject *sobj_dict_registry(PyObject *module);
int sobj_channel_exec(PyObject *module, struct sobj_state *state);
int sobj_channel_async_exec(PyObject *module, struct sobj_state *state);
int sobj_queue_exec(PyObject *module, struct sobj_state *state);

#endif
