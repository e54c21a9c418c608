/* SPDX-License-Identifier: MIT */
/* The type SharedDict: single keys. Views and iterators are in dict_view.c, operations
 * on many keys and numbers in dict_bulk.c and dict_reduce.c, those on the whole in
 * dict_whole.c, operators in dict_operators.c. */
#include "dict_type.h"

#include "args.h"
#include "errors.h"
#include "ready.h"

/* ---- single keys */

void sobj_dict_key_error(PyObject *key)
{
    /* In a tuple, because a tuple as such would become the arguments. */
    PyObject *args = PyTuple_Pack(1, key);

    if (args != NULL) {
        PyErr_SetObject(PyExc_KeyError, args);
        Py_DECREF(args);
    }
}

PyObject *sobj_dict_lookup(SobjHandle *self, PyObject *key)
{
    return sobj_cache_get((DictHandle *)self, key);
}

/* Apart, so that the usual way has nothing to save and to restore. */
static __attribute__((noinline)) PyObject *subscript_slow(PyObject *self, PyObject *key,
                                                          struct sobj_cache_entry *e,
                                                          sobj_cell seen)
{
    PyObject *value = sobj_cache_get_slow((DictHandle *)self, key, e, seen);

    if (value == NULL && !PyErr_Occurred())
        sobj_dict_key_error(key);
    return value;
}

static PyObject *dict_subscript(PyObject *self, PyObject *key)
{
    struct sobj_cache_entry *e;
    sobj_cell seen;
    PyObject *value = sobj_cache_get_ready((DictHandle *)self, key, &e, &seen);

    return value != NULL ? value : subscript_slow(self, key, e, seen);
}

static int remove_key(SobjHandle *self, PyObject *key)
{
    struct sobj_py_key k;
    enum sobj_status status;

    if (sobj_py_key_init(self->state, key, &k) < 0)
        return -1;
    status = sobj_dict_remove(self->core, &k.key, NULL);
    sobj_py_key_fini(&k);
    sobj_cache_forget((DictHandle *)self, key);
    if (status == SOBJ_OK)
        return 1;
    if (status == SOBJ_NOT_FOUND)
        return 0;
    sobj_raise(self->state, status);
    return -1;
}

/* Encodes both halves of an item. Returns: 0, and `k` is to be finished and `cell` to be
 * given to the core; -1 with an exception, and nothing is held. */
static inline int encode_item(struct sobj_state *state, PyObject *key, PyObject *value,
                              struct sobj_py_key *k, sobj_cell *cell)
{
    if (sobj_py_key_init(state, key, k) < 0)
        return -1;
    if (sobj_encode(state, value, cell) == 0)
        return 0;
    sobj_py_key_fini(k);
    return -1;
}

int sobj_dict_store(SobjHandle *self, PyObject *key, PyObject *value)
{
    struct sobj_py_key k;
    enum sobj_status status;
    sobj_cell cell;

    if (encode_item(self->state, key, value, &k, &cell) < 0)
        return -1;
    status = sobj_dict_set(self->core, &k.key, cell);
    sobj_py_key_fini(&k);
    if (status == SOBJ_OK)
        return 0;
    sobj_raise(self->state, status);
    return -1;
}

static int dict_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    int found;

    if (value != NULL)
        return sobj_cache_set((DictHandle *)self, key, value);
    found = remove_key((SobjHandle *)self, key);
    if (found == 0)
        sobj_dict_key_error(key);
    return found == 1 ? 0 : -1;
}

int sobj_dict_has(PyObject *self, PyObject *key)
{
    return sobj_cache_has((DictHandle *)self, key);
}

static Py_ssize_t dict_length(PyObject *self)
{
    return (Py_ssize_t)sobj_dict_len(sobj_handle_core(self));
}

/* ---- methods on single keys */

/* The value or, if `value` is NULL without an exception, `otherwise`. */
static PyObject *value_or(PyObject *value, PyObject *otherwise)
{
    if (value != NULL || PyErr_Occurred())
        return value;
    return Py_NewRef(otherwise);
}

PyDoc_STRVAR(get_doc,
             "get($self, key, default=None, /)\n--\n\n"
             "Return the value of key, or default if it is absent. Lock-free.");

static PyObject *dict_get(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 2)
        return PyErr_Format(PyExc_TypeError, "get expected 1 or 2 arguments, got %zd",
                            count);
    return value_or(sobj_dict_lookup((SobjHandle *)self, args[0]),
                    count == 2 ? args[1] : Py_None);
}

/* Takes out a value that the core leaves to us, as it might be one that cannot be made
 * here: it is made first, and goes only if it is still there. `desired` takes its place,
 * or MISSING. Consumes: `desired`.
 * Returns: the value; NULL with an exception, or without one if it is another by now. */
static PyObject *take_made(SobjHandle *self, const struct sobj_key *key,
                           sobj_cell desired)
{
    struct sobj_out out = {.cell = SOBJ_NO_CELL, .take = sobj_out_ref};
    enum sobj_status status = sobj_dict_get(self->core, key, &out);
    PyObject *value = NULL;

    if (status == SOBJ_OK)
        value = sobj_decode(self->state, out.cell);
    if (value == NULL) {
        sobj_cell_unref(desired);
    } else {
        status = sobj_dict_compare_and_set(self->core, key, out.cell, desired);
        if (status != SOBJ_OK)
            Py_CLEAR(value);
        if (status != SOBJ_OK && status != SOBJ_MISMATCH)
            sobj_raise(self->state, status);
    }
    sobj_cell_unref(out.cell);
    return value;
}

PyDoc_STRVAR(
    pop_doc,
    "pop($self, key, default=..., /)\n--\n\n"
    "d.pop(key[, default])\n\n"
    "Remove key and return its value; without the key return default, or raise\n"
    "KeyError if none is given. Atomic: one caller gets the value. A value that\n"
    "cannot be made here (UnresolvedError) stays.");

/* Returns: the value, or NULL with or without an exception. */
static PyObject *pop_key(SobjHandle *self, PyObject *key)
{
    struct sobj_value_out out;
    enum sobj_status status;
    PyObject *value = NULL;
    struct sobj_py_key k;

    if (sobj_py_key_init(self->state, key, &k) < 0)
        return NULL;
    do {
        sobj_value_out_init(&out, self->state);
        status = sobj_dict_remove(self->core, &k.key, &out.out);
        if (status == SOBJ_BAD_OPERAND)
            value = take_made(self, &k.key, SOBJ_MISSING);
    } while (status == SOBJ_BAD_OPERAND && value == NULL && !PyErr_Occurred());
    sobj_py_key_fini(&k);
    if (status == SOBJ_OK) {
        sobj_cache_forget((DictHandle *)self, key);
        return sobj_value_out_finish(&out);
    }
    if (status != SOBJ_BAD_OPERAND && status != SOBJ_NOT_FOUND)
        sobj_raise(self->state, status);
    return value;
}

static PyObject *dict_pop(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *value;

    if (count < 1 || count > 2)
        return PyErr_Format(PyExc_TypeError, "pop expected 1 or 2 arguments, got %zd",
                            count);
    value = pop_key((SobjHandle *)self, args[0]);
    if (value != NULL || PyErr_Occurred())
        return value;
    if (count == 2)
        return Py_NewRef(args[1]);
    sobj_dict_key_error(args[0]);
    return NULL;
}

/* Inserts if absent. Returns: 1 inserted; 0 present, its value in `out`; -1. */
static int add_key(SobjHandle *self, PyObject *key, PyObject *value,
                   struct sobj_value_out *out)
{
    struct sobj_py_key k;
    enum sobj_status status;
    sobj_cell cell;

    if (encode_item(self->state, key, value, &k, &cell) < 0)
        return -1;
    status = sobj_dict_add(self->core, &k.key, cell, out != NULL ? &out->out : NULL);
    sobj_py_key_fini(&k);
    if (status == SOBJ_OK || status == SOBJ_EXISTS)
        return status == SOBJ_OK;
    sobj_raise(self->state, status);
    return -1;
}

PyDoc_STRVAR(
    setdefault_doc,
    "setdefault($self, key, default=None, /)\n--\n\n"
    "Insert key with default if it is absent; return the value of key. Atomic:\n"
    "of several callers all get the value of the one that was first.");

static PyObject *dict_setdefault(PyObject *op, PyObject *const *args, Py_ssize_t count)
{
    SobjHandle *self = (SobjHandle *)op;
    PyObject *value = count == 2 ? args[1] : Py_None, *present;
    struct sobj_value_out out;

    if (count < 1 || count > 2)
        return PyErr_Format(PyExc_TypeError,
                            "setdefault expected 1 or 2 arguments, got %zd", count);
    /* As for a dict, a default that could not be stored does not matter if the key is
     * there. */
    present = sobj_dict_lookup(self, args[0]);
    if (present != NULL || PyErr_Occurred())
        return present;
    sobj_value_out_init(&out, self->state);
    switch (add_key(self, args[0], value, &out)) {
    case 1:
        return Py_NewRef(value);
    case 0:
        return sobj_value_out_finish(&out);
    default:
        return NULL;
    }
}

PyDoc_STRVAR(add_doc,
             "add($self, /, key, value)\n--\n\n"
             "Insert key with value if it is absent; return whether this call did it.\n"
             "Atomic: of several callers one gets True.");

static PyObject *dict_add(PyObject *self, PyObject *const *args, Py_ssize_t count,
                          PyObject *keywords)
{
    static const char *const names[] = {"key", "value", NULL};
    static const struct sobj_signature signature = {"add", names, 2, 2};
    PyObject *given[2];
    int added;

    if (sobj_args(&signature, args, count, keywords, given) < 0)
        return NULL;
    added = add_key((SobjHandle *)self, given[0], given[1], NULL);
    return added < 0 ? NULL : PyBool_FromLong(added);
}

PyDoc_STRVAR(exchange_doc,
             "exchange($self, /, key, value, default=...)\n--\n\n"
             "d.exchange(key, value, default=MISSING)\n\n"
             "Store value and return what was there before, or default (MISSING) if "
             "the key was\n"
             "absent. Atomic: every value that was ever stored is returned once.");

/* The same for a value that the core leaves to us. Returns: OK and the value in
 * `*value`, NOT_FOUND; otherwise an exception is set. */
static enum sobj_status exchange_made(SobjHandle *self, struct sobj_py_key *k,
                                      PyObject *desired, PyObject **value)
{
    enum sobj_status status = SOBJ_BAD_OPERAND;
    struct sobj_value_out out;
    sobj_cell cell;

    if (sobj_encode(self->state, desired, &cell) < 0)
        return SOBJ_BAD_OPERAND;
    *value = NULL;
    while (status == SOBJ_BAD_OPERAND && *value == NULL && !PyErr_Occurred()) {
        sobj_cell_ref(cell);
        *value = take_made(self, &k->key, cell);
        if (*value != NULL || PyErr_Occurred())
            break;
        sobj_value_out_init(&out, self->state);
        sobj_cell_ref(cell);
        status = sobj_dict_exchange(self->core, &k->key, cell, &out.out);
    }
    sobj_cell_unref(cell);
    if (status == SOBJ_OK)
        *value = sobj_value_out_finish(&out);
    else if (status != SOBJ_BAD_OPERAND && status != SOBJ_NOT_FOUND)
        sobj_raise(self->state, status);
    return *value != NULL ? SOBJ_OK : status;
}

static PyObject *dict_exchange(PyObject *op, PyObject *const *args, Py_ssize_t count,
                               PyObject *keywords)
{
    static const char *const names[] = {"key", "value", "default", NULL};
    static const struct sobj_signature signature = {"exchange", names, 2, 3};
    SobjHandle *self = (SobjHandle *)op;
    PyObject *given[3] = {NULL, NULL, self->state->missing};
    PyObject *old = NULL;
    struct sobj_py_key k;
    struct sobj_value_out out;
    enum sobj_status status;
    sobj_cell cell;

    if (sobj_args(&signature, args, count, keywords, given) < 0 ||
        encode_item(self->state, given[0], given[1], &k, &cell) < 0)
        return NULL;
    sobj_value_out_init(&out, self->state);
    status = sobj_dict_exchange(self->core, &k.key, cell, &out.out);
    if (status == SOBJ_OK) {
        sobj_py_key_fini(&k);
        return sobj_value_out_finish(&out);
    }
    if (status == SOBJ_BAD_OPERAND)
        status = exchange_made(self, &k, given[1], &old);
    else if (status != SOBJ_NOT_FOUND)
        sobj_raise(self->state, status);
    sobj_py_key_fini(&k);
    if (status != SOBJ_NOT_FOUND)
        return old;
    return given[2] != NULL ? Py_NewRef(given[2]) : sobj_raise_unloaded();
}

/* Encodes what compare_and_set takes: a value, or MISSING. */
static int encode_or_missing(struct sobj_state *state, PyObject *value, sobj_cell *cell)
{
    if (value == state->missing) {
        *cell = SOBJ_MISSING;
        return 0;
    }
    return sobj_encode(state, value, cell);
}

PyDoc_STRVAR(
    compare_and_set_doc,
    "compare_and_set($self, /, key, expected, desired)\n--\n\n"
    "If the value of key is the same as expected, replace it by desired; return\n"
    "whether that was done. MISSING stands for an absent key on either side.\n"
    "The same value is one of the same type and content, bit for bit: 1 is not\n"
    "True, 0.0 is not -0.0, a NaN is itself.");

static PyObject *dict_compare_and_set(PyObject *op, PyObject *const *args,
                                      Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"key", "expected", "desired", NULL};
    static const struct sobj_signature signature = {"compare_and_set", names, 3, 3};
    SobjHandle *self = (SobjHandle *)op;
    PyObject *given[3];
    struct sobj_py_key k;
    enum sobj_status status;
    sobj_cell expected, desired;

    if (sobj_args(&signature, args, count, keywords, given) < 0 ||
        sobj_py_key_init(self->state, given[0], &k) < 0)
        return NULL;
    if (encode_or_missing(self->state, given[1], &expected) < 0)
        goto error;
    if (encode_or_missing(self->state, given[2], &desired) < 0) {
        sobj_cell_unref(expected);
        goto error;
    }
    status = sobj_dict_compare_and_set(self->core, &k.key, expected, desired);
    sobj_cell_unref(expected);
    sobj_py_key_fini(&k);
    if (status == SOBJ_OK || status == SOBJ_MISMATCH)
        return PyBool_FromLong(status == SOBJ_OK);
    return sobj_raise(self->state, status);
error:
    sobj_py_key_fini(&k);
    return NULL;
}

/* ---- views */

static PyObject *dict_iter(PyObject *self)
{
    return sobj_dict_iterator(self, DICT_KEYS);
}

PyDoc_STRVAR(
    keys_doc,
    "keys($self, /)\n--\n\nReturn a live view of the keys, which is like a set.");
PyDoc_STRVAR(values_doc, "values($self, /)\n--\n\nReturn a live view of the values.");
PyDoc_STRVAR(items_doc, "items($self, /)\n--\n\nReturn a live view of the items as "
                        "pairs, which is like a set.");

static PyObject *dict_keys(PyObject *self, PyObject *unused)
{
    return sobj_dict_view(self, DICT_KEYS);
}
static PyObject *dict_values(PyObject *self, PyObject *unused)
{
    return sobj_dict_view(self, DICT_VALUES);
}
static PyObject *dict_items(PyObject *self, PyObject *unused)
{
    return sobj_dict_view(self, DICT_ITEMS);
}

/* ---- size */

PyDoc_STRVAR(sizeof_doc,
             "__sizeof__($self, /)\n--\n\n"
             "Return the bytes of the handle with its read cache and of the shared\n"
             "table, without values.");

static PyObject *dict_sizeof(PyObject *self, PyObject *unused)
{
    return PyLong_FromSize_t((size_t)Py_TYPE(self)->tp_basicsize +
                             sobj_cache_bytes((DictHandle *)self) +
                             sobj_dict_bytes(sobj_handle_core(self)));
}

PyDoc_STRVAR(nbytes_doc,
             "Bytes of the shared table, without values and handles' caches.");

static PyObject *dict_nbytes(PyObject *self, void *closure)
{
    return PyLong_FromSize_t(sobj_dict_bytes(sobj_handle_core(self)));
}

/* ---- the type */

static PyObject *dict_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    struct sobj_state *state = sobj_state_of_type(type);
    PyObject *self = state != NULL ? sobj_dict_new_handle(state, 0) : NULL;

    if (self != NULL && sobj_dict_fill(self, args, keywords, "SharedDict") < 0)
        Py_CLEAR(self);
    return self;
}

PyDoc_STRVAR(
    type_doc,
    "SharedDict(mapping_or_iterable=(), /, **items)\n--\n\n"
    "A dict shared by threads and interpreters.\n\n"
    "It behaves as dict does and keeps insertion order. Every method on one key is "
    "one\n"
    "atomic step; reads take no lock and never block. Values go in and out by value, "
    "or\n"
    "are handles of shared objects; what is not shareable raises NotShareableError "
    "and\n"
    "changes nothing. Iteration never raises because of other writers: it shows each\n"
    "key that stays throughout exactly once. update(), | and tally() are atomic for\n"
    "each item, not as a whole; snapshot(), copy(), replace(), clear() and freeze() "
    "are\n"
    "one moment for all.\n\n"
    "Note: d['hits'] += 1 is a read and a write, as on every mapping, and loses "
    "updates\n"
    "when others do the same. Use d.increment('hits').");

static PyMethodDef dict_methods[] = {
    {"get", (PyCFunction)(void (*)(void))dict_get, METH_FASTCALL, get_doc},
    {"pop", (PyCFunction)(void (*)(void))dict_pop, METH_FASTCALL, pop_doc},
    {"setdefault", (PyCFunction)(void (*)(void))dict_setdefault, METH_FASTCALL,
     setdefault_doc},
    {"add", (PyCFunction)(void (*)(void))dict_add, METH_FASTCALL | METH_KEYWORDS,
     add_doc},
    {"exchange", (PyCFunction)(void (*)(void))dict_exchange,
     METH_FASTCALL | METH_KEYWORDS, exchange_doc},
    {"compare_and_set", (PyCFunction)(void (*)(void))dict_compare_and_set,
     METH_FASTCALL | METH_KEYWORDS, compare_and_set_doc},
    {"keys", dict_keys, METH_NOARGS, keys_doc},
    {"values", dict_values, METH_NOARGS, values_doc},
    {"items", dict_items, METH_NOARGS, items_doc},
    {"__sizeof__", dict_sizeof, METH_NOARGS, sizeof_doc},
    SOBJ_DICT_BULK_METHODS,
    SOBJ_DICT_WAIT_METHODS,
    SOBJ_DICT_WHOLE_METHODS,
    SOBJ_DICT_OPERATOR_METHODS,
    SOBJ_DICT_REDUCE_METHODS,
    SOBJ_HANDLE_METHODS,
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, item, /)\n--\n\nSharedDict[K, V] for typing.")},
     {NULL},
    };

static PyGetSetDef dict_getset[] = {
    SOBJ_HANDLE_GETSET,
    {"nbytes", dict_nbytes, NULL, nbytes_doc, NULL},
    SOBJ_DICT_WHOLE_GETSET,
    {NULL},
};

static void dict_fini(SobjHandle *self)
{
    sobj_cache_fini((DictHandle *)self);
    sobj_ready_leave(self->state, ((DictHandle *)self)->reader);
}

void sobj_dict_dealloc(PyObject *self) { sobj_handle_dealloc_with(self, dict_fini); }

static PyType_Slot dict_slots[] = {
    SOBJ_HANDLE_SLOTS(sobj_dict_dealloc, sobj_handle_traverse),
    {Py_tp_new, dict_new},
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_methods, dict_methods},
    {Py_tp_getset, dict_getset},
    {Py_tp_repr, sobj_dict_repr},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_richcompare, sobj_dict_richcompare},
    {Py_tp_iter, dict_iter},
    {Py_mp_length, dict_length},
    {Py_mp_subscript, dict_subscript},
    {Py_mp_ass_subscript, dict_ass_subscript},
    {Py_sq_contains, sobj_dict_has},
    SOBJ_DICT_OPERATOR_SLOTS,
    {0, NULL},
};

static PyType_Spec dict_spec = {
    .name = "sharedobj.SharedDict",
    .basicsize = sizeof(DictHandle),
    .flags = SOBJ_HANDLE_FLAGS | Py_TPFLAGS_MAPPING,
    .slots = dict_slots,
};

PyObject *sobj_dict_registry(PyObject *module)
{
    struct sobj_state *state = sobj_state_of_module(module);
    struct sobj_object *core;
    enum sobj_status status = sobj_registry(&core);

    return status == SOBJ_OK ? sobj_handle_for(state, core) : sobj_raise(state, status);
}

int sobj_dict_exec(PyObject *module, struct sobj_state *state)
{
    if (sobj_handle_add_type(module, state, SOBJ_TYPE_DICT, &dict_spec) < 0)
        return -1;
    if (sobj_sentinel_exec(module, state) < 0)
        return -1;
    return sobj_dict_view_exec(module, state);
}
