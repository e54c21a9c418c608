/* SPDX-License-Identifier: MIT */
/* SharedDict and SharedSet as a whole: what happens to all of one at one moment. */
#include "deepcopy.h"
#include "dict_type.h"
#include "errors.h"

PyObject *sobj_dict_new_handle(struct sobj_state *state, size_t expected)
{
    struct sobj_object *core;

    if (sobj_dict_new(expected, &core) != SOBJ_OK)
        return PyErr_NoMemory();
    return sobj_handle_for(state, core);
}

/* None, or the exception for `status`. */
static PyObject *none_or_raise(PyObject *self, enum sobj_status status)
{
    if (status != SOBJ_OK)
        return sobj_raise(((SobjHandle *)self)->state, status);
    Py_RETURN_NONE;
}

/* ---- snapshot */

const char sobj_dict_snapshot_doc[] = PyDoc_STR(
    "snapshot($self, /)\n--\n\n"
    "Return a plain dict with the content of one moment, in order.\n\n"
    "It shows all of what every writer had done by that moment and nothing of what\n"
    "came later. Writers are held back for the moment itself, usually some tens of\n"
    "microseconds, whatever the size; they go on while the dict is built. Containers\n"
    "among the values are handles: their content is that of now.");

PyObject *sobj_dict_snapshot_into(PyObject *op, PyObject *result, bool values,
                                  int (*put)(PyObject *result,
                                             struct sobj_entry_out *e))
{
    SobjHandle *self = (SobjHandle *)op;
    struct sobj_dict_snapshot *s;
    struct sobj_entry_out e;
    enum sobj_status status;
    bool ready;

    if (result == NULL)
        return NULL;
    ready = sobj_dict_joins_ready(op);
    status = sobj_dict_snapshot_begin(self->core, &s);
    if (status != SOBJ_OK) {
        Py_DECREF(result);
        return sobj_raise(self->state, status);
    }
    /* Making objects may run the collector, and that any code: it may use this dict,
     * take snapshots of it, fork. No section is open then. */
    do {
        sobj_entry_out_init(&e, self->state, true, values);
        e.ready = ready;
        status = sobj_dict_snapshot_next(s, sobj_entry_take, &e);
    } while (status == SOBJ_OK && put(result, &e) == 0);
    sobj_dict_snapshot_end(s);
    if (status == SOBJ_EMPTY)
        return result;
    if (status != SOBJ_OK)
        sobj_raise(self->state, status);
    Py_DECREF(result);
    return NULL;
}

static int put_item(PyObject *dict, struct sobj_entry_out *e)
{
    PyObject *key, *value;
    int result;

    if (sobj_entry_out_both(e, &key, &value) < 0)
        return -1;
    result = PyDict_SetItem(dict, key, value);
    Py_DECREF(key);
    Py_DECREF(value);
    return result;
}

PyObject *sobj_dict_snapshot(PyObject *self, PyObject *unused)
{
    return sobj_dict_snapshot_into(self, PyDict_New(), true, put_item);
}

/* ---- clear, replace, freeze */

const char sobj_dict_clear_doc[] =
    PyDoc_STR("clear($self, /)\n--\n\n"
              "Remove everything, at one moment for readers and writers alike.");

PyObject *sobj_dict_clear_all(PyObject *self, PyObject *unused)
{
    enum sobj_status status = sobj_dict_clear(sobj_handle_core(self));

    sobj_cache_flush(sobj_cache_of((DictHandle *)self));
    return none_or_raise(self, status);
}

const char sobj_dict_replace_doc[] = PyDoc_STR("replace($self, mapping_or_iterable, /)\n--\n\n"
              "Replace the whole content by that of a mapping or iterable of pairs.\n\n"
              "At one moment: everybody else sees the old content or the new one, never\n"
              "parts of both. All is converted before anything changes, so an error\n"
              "leaves the dict as it was. The content of a SharedDict is taken as it is\n"
              "at one moment, too.");

/* Makes one of the type of `self` with what `source` holds. Returns: a reference that
 * nobody else has unless he has searched the memory for it; NULL with an exception. */
static struct sobj_object *content_of(SobjHandle *self, PyObject *source)
{
    struct sobj_object *core = NULL;
    PyObject *made;

    if (sobj_handle_check(source) &&
        sobj_type_of(sobj_handle_core(source)) == sobj_type_of(self->core)) {
        enum sobj_status status;
        Py_BEGIN_ALLOW_THREADS
            ;
            status = sobj_dict_copy(sobj_handle_core(source), &core);
        Py_END_ALLOW_THREADS;
        if (status != SOBJ_OK)
            sobj_raise(self->state, status);
        return core;
    }
    made = PyObject_CallOneArg((PyObject *)Py_TYPE(self), source);
    if (made != NULL) {
        core = sobj_handle_core(made);
        sobj_ref(core);
        Py_DECREF(made);
    }
    return core;
}

PyObject *sobj_dict_replace_all(PyObject *op, PyObject *source)
{
    SobjHandle *self = (SobjHandle *)op;
    struct sobj_object *content;
    enum sobj_status status;

    if (sobj_dict_frozen(self->core))
        return sobj_raise(self->state, SOBJ_FROZEN);
    content = content_of(self, source);
    if (content == NULL)
        return NULL;
    status = sobj_dict_replace(self->core, content);
    sobj_unref(content);
    return none_or_raise(op, status);
}

const char sobj_dict_freeze_doc[] = PyDoc_STR("freeze($self, /)\n--\n\n"
              "Make the dict read-only, for everybody and for good.\n\n"
              "When this returns no change takes effect any more: whatever would change\n"
              "the dict raises TypeError. Objects that it holds can be changed. A copy()\n"
              "is not frozen. Writers are held back for the moment, as by snapshot().");

PyObject *sobj_dict_freeze_all(PyObject *self, PyObject *unused)
{
    sobj_dict_freeze(sobj_handle_core(self));
    Py_RETURN_NONE;
}

PyObject *sobj_dict_get_frozen(PyObject *self, void *closure)
{
    return PyBool_FromLong(sobj_dict_frozen(sobj_handle_core(self)));
}

/* ---- copies */

const char sobj_dict_copy_doc[] = PyDoc_STR("copy($self, /)\n--\n\n"
              "Return a new SharedDict with the content of one moment. Writers are held\n"
              "back for that moment, as by snapshot().");
const char sobj_dict_shallow_copy_doc[] =
    PyDoc_STR("__copy__($self, /)\n--\n\nReturn copy().");

PyObject *sobj_dict_copy_all(PyObject *op, PyObject *unused)
{
    SobjHandle *self = (SobjHandle *)op;
    struct sobj_object *copy = NULL;
    enum sobj_status status;

    /* The core copies by itself, and a large dict takes a while. */
    Py_BEGIN_ALLOW_THREADS
        ;
        status = sobj_dict_copy(self->core, &copy);
    Py_END_ALLOW_THREADS;
    return status == SOBJ_OK ? sobj_handle_for(self->state, copy)
                             : sobj_raise(self->state, status);
}

const char sobj_dict_deepcopy_doc[] = PyDoc_STR("__deepcopy__($self, memo, /)\n--\n\n"
              "Return a new SharedDict whose values are deep copies: containers that it\n"
              "holds are copied too, channels and atomics stay the same objects.");

PyObject *sobj_dict_deepcopy(PyObject *op, PyObject *memo)
{
    SobjHandle *self = (SobjHandle *)op;
    PyObject *copy = NULL, *deep, *plain = NULL, *key, *value, *copied;
    Py_ssize_t position = 0;
    int result = sobj_deepcopy_first(op, memo, &copy);

    if (result != 0)
        return result == 1 ? copy : NULL;
    result = -1;
    deep = sobj_deepcopy_function();
    copy = deep != NULL ? sobj_dict_new_handle(self->state, 0) : NULL;
    if (copy == NULL || sobj_deepcopy_remember(memo, op, copy) < 0)
        goto done;
    /* A dict of our own: nobody who does not search the memory for it changes it. */
    plain = sobj_dict_snapshot(op, NULL);
    if (plain == NULL)
        goto done;
    result = 0;
    while (result == 0 && PyDict_Next(plain, &position, &key, &value)) {
        Py_INCREF(key);
        Py_INCREF(value);
        copied = PyObject_CallFunctionObjArgs(deep, value, memo, NULL);
        result = copied != NULL ? sobj_dict_store((SobjHandle *)copy, key, copied) : -1;
        Py_XDECREF(copied);
        Py_DECREF(value);
        Py_DECREF(key);
    }
done:
    Py_XDECREF(plain);
    Py_XDECREF(deep);
    if (result < 0)
        Py_CLEAR(copy);
    return copy;
}
