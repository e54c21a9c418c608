/* SPDX-License-Identifier: MIT */
/* SharedList as a whole: what happens to all of it at one moment, copies, operators. */
#include "deepcopy.h"
#include "list_type.h"

/* ---- changes */

const char sobj_list_extend_doc[] = PyDoc_STR("extend($self, iterable, /)\n--\n\n"
              "Append what iterable gives, at one moment: others see all of it or nothing.\n\n"
              "All is converted before anything changes, so an error leaves the list as\n"
              "it was. The content of a SharedList is taken as it is at one moment.");

/* What to do with many cells. */
struct action {
    enum sobj_status (*cells)(struct sobj_object *l, const sobj_cell *cells, size_t n);
    enum sobj_status (*draft)(struct sobj_object *l, struct sobj_list_draft *draft);
};

/* Gives what `iterable` has to an action of the core. `drafted`: a draft helps. Returns:
 * None; NULL with an exception. */
static PyObject *give_all(PyObject *op, PyObject *iterable, const struct action *action,
                          bool drafted)
{
    SobjHandle *self = (SobjHandle *)op;
    struct sobj_list_draft *draft = drafted ? sobj_cells_draft(iterable) : NULL;
    struct sobj_cells cells;
    enum sobj_status status;

    if (draft != NULL)
        return sobj_list_none(self, action->draft(self->core, draft));
    if (sobj_cells_gather(self->state, iterable, &cells) < 0)
        return NULL;
    status = action->cells(self->core, cells.cells, cells.count);
    sobj_cells_given(&cells);
    return sobj_list_none(self, status);
}

PyObject *sobj_list_add_all(PyObject *self, PyObject *iterable)
{
    static const struct action extend = {sobj_list_extend, sobj_list_extend_draft};

    return give_all(self, iterable, &extend,
                    sobj_list_len(sobj_handle_core(self)) == 0);
}

const char sobj_list_replace_doc[] = PyDoc_STR("replace($self, iterable, /)\n--\n\n"
              "Replace the whole content by what iterable gives. As l[:] = iterable.\n\n"
              "At one moment: everybody else sees the old content or the new one, never\n"
              "parts of both. All is converted before anything changes, so an error\n"
              "leaves the list as it was.");

PyObject *sobj_list_replace_all(PyObject *self, PyObject *iterable)
{
    static const struct action replace = {sobj_list_replace, sobj_list_replace_draft};

    return give_all(self, iterable, &replace, true);
}

const char sobj_list_clear_doc[] =
    PyDoc_STR("clear($self, /)\n--\n\n"
              "Remove everything, at one moment for readers and writers alike.");

PyObject *sobj_list_empty(PyObject *op, PyObject *unused)
{
    SobjHandle *self = (SobjHandle *)op;

    return sobj_list_none(self, sobj_list_clear(self->core));
}

const char sobj_list_reverse_doc[] =
    PyDoc_STR("reverse($self, /)\n--\n\n"
              "Reverse the order of the items, at one moment.");

PyObject *sobj_list_turn(PyObject *op, PyObject *unused)
{
    SobjHandle *self = (SobjHandle *)op;

    return sobj_list_none(self, sobj_list_reverse(self->core));
}

const char sobj_list_freeze_doc[] = PyDoc_STR(
    "freeze($self, /)\n--\n\n"
    "Make the list read-only, for everybody and for good.\n\n"
    "When this returns no change takes effect any more: whatever would change\n"
    "the list raises TypeError. Objects that it holds can be changed. A copy()\n"
    "is not frozen. Writers are held back for the moment, as by snapshot().");

PyObject *sobj_list_freeze_all(PyObject *self, PyObject *unused)
{
    sobj_list_freeze(sobj_handle_core(self));
    Py_RETURN_NONE;
}

PyObject *sobj_list_get_frozen(PyObject *self, void *closure)
{
    return PyBool_FromLong(sobj_list_frozen(sobj_handle_core(self)));
}

/* ---- copies */

const char sobj_list_snapshot_doc[] = PyDoc_STR("snapshot($self, /)\n--\n\n"
              "Return a plain list with the content of one moment.\n\n"
              "Writers are held back while the words of the list are copied, usually some\n"
              "tens of microseconds, more for long lists; they go on while the values are\n"
              "made. Containers among the values are handles: their content is that of now.");

PyObject *sobj_list_snapshot(PyObject *op, PyObject *unused)
{
    SobjHandle *self = (SobjHandle *)op;
    struct sobj_list_copy copy;
    enum sobj_status status = sobj_list_copy_init(&copy, self->core, NULL);
    PyObject *list;

    if (status != SOBJ_OK)
        return sobj_list_none(self, status);
    list = sobj_cells_decode(self->state, copy.cells, (size_t)copy.len);
    sobj_list_copy_fini(&copy);
    return list;
}

const char sobj_list_copy_doc[] = PyDoc_STR("copy($self, /)\n--\n\n"
              "Return a new SharedList with the content of one moment. Writers are held\n"
              "back for that moment, as by snapshot().");
const char sobj_list_shallow_copy_doc[] =
    PyDoc_STR("__copy__($self, /)\n--\n\nReturn copy().");

PyObject *sobj_list_copy_all(PyObject *self, PyObject *unused)
{
    return sobj_list_copy_part((SobjHandle *)self, NULL);
}

const char sobj_list_deepcopy_doc[] = PyDoc_STR("__deepcopy__($self, memo, /)\n--\n\n"
              "Return a new SharedList whose values are deep copies: containers that it\n"
              "holds are copied too, channels and atomics stay the same objects.");

/* Appends deep copies of the items of a plain list. Returns: 0; -1 with an exception. */
static int fill_deep(PyObject *copy, PyObject *plain, PyObject *deep, PyObject *memo)
{
    PyObject *done = NULL, *item, *copied;
    int result = 0;

    /* For good: nobody shall find it and change it, free-threaded at any time. */
    PyObject_GC_UnTrack(plain);
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(plain); i++) {
        item = Py_NewRef(PyList_GET_ITEM(plain, i));
        copied = PyObject_CallFunctionObjArgs(deep, item, memo, NULL);
        Py_DECREF(item);
        result = copied != NULL ? PyList_SetItem(plain, i, copied) : -1;
    }
    if (result == 0)
        done = sobj_list_add_all(copy, plain);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

PyObject *sobj_list_deepcopy(PyObject *op, PyObject *memo)
{
    SobjHandle *self = (SobjHandle *)op;
    PyObject *copy = NULL, *deep, *plain = NULL;
    int result = sobj_deepcopy_first(op, memo, &copy);

    if (result != 0)
        return result == 1 ? copy : NULL;
    result = -1;
    deep = sobj_deepcopy_function();
    copy = deep != NULL ? sobj_list_new_handle(self->state) : NULL;
    if (copy != NULL && sobj_deepcopy_remember(memo, op, copy) == 0)
        plain = sobj_list_snapshot(op, NULL);
    if (plain != NULL)
        result = fill_deep(copy, plain, deep, memo);
    Py_XDECREF(plain);
    Py_XDECREF(deep);
    if (result < 0)
        Py_CLEAR(copy);
    return copy;
}

/* ---- operators */

PyObject *sobj_list_concat(PyObject *op, PyObject *other)
{
    PyObject *both, *done = NULL;

    if (!PyList_Check(other) && !sobj_list_check(other))
        return PyErr_Format(PyExc_TypeError,
                            "can only concatenate list or SharedList (not \"%.200s\") "
                            "to SharedList",
                            Py_TYPE(other)->tp_name);
    both = sobj_list_copy_all(op, NULL);
    if (both != NULL)
        done = sobj_list_add_all(both, other);
    if (done == NULL)
        Py_CLEAR(both);
    Py_XDECREF(done);
    return both;
}

PyObject *sobj_list_times(PyObject *op, Py_ssize_t n)
{
    PyObject *copy = sobj_list_copy_all(op, NULL), *done = NULL;

    if (copy != NULL)
        done = sobj_list_inplace_times(copy, n);
    Py_XDECREF(copy);
    return done;
}

PyObject *sobj_list_inplace_concat(PyObject *op, PyObject *other)
{
    PyObject *done = sobj_list_add_all(op, other);

    if (done == NULL)
        return NULL;
    Py_DECREF(done);
    return Py_NewRef(op);
}

PyObject *sobj_list_inplace_times(PyObject *op, Py_ssize_t n)
{
    SobjHandle *self = (SobjHandle *)op;
    enum sobj_status status = sobj_list_repeat(self->core, n > 0 ? (uint64_t)n : 0);

    if (status == SOBJ_OK)
        return Py_NewRef(op);
    return sobj_list_none(self, status);
}
