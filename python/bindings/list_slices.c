/* SPDX-License-Identifier: MIT */
/* SharedList: slices, each as one step. */
#include "list_type.h"

/* Copies with up to this many items are made without letting go of the GIL. */
#define SHORT 4096

/* Returns: 0; -1 with an exception. May run Python code. */
static int slice_of(PyObject *object, struct sobj_slice *slice)
{
    Py_ssize_t start, stop, step;

    if (PySlice_Unpack(object, &start, &stop, &step) < 0)
        return -1;
    *slice = (struct sobj_slice){start, stop, step};
    return 0;
}

/* A new core with (a slice of) the content of one moment. */
static enum sobj_status copy_core(struct sobj_object *from,
                                  const struct sobj_slice *slice,
                                  struct sobj_object **out)
{
    struct sobj_list_copy copy;
    enum sobj_status status = sobj_list_copy_init(&copy, from, slice);

    if (status != SOBJ_OK)
        return status;
    status = sobj_list_new((size_t)copy.len, out);
    if (status == SOBJ_OK && copy.len != 0) {
        for (uint64_t i = 0; i < copy.len; i++)
            sobj_cell_ref(copy.cells[i]);
        status = sobj_list_extend(*out, copy.cells, (size_t)copy.len);
        if (status != SOBJ_OK)
            sobj_unref(*out);
    }
    sobj_list_copy_fini(&copy);
    return status;
}

PyObject *sobj_list_copy_part(SobjHandle *self, const struct sobj_slice *slice)
{
    struct sobj_object *copy = NULL;
    enum sobj_status status;

    if (sobj_list_len(self->core) <= SHORT) {
        status = copy_core(self->core, slice, &copy);
    } else {
        Py_BEGIN_ALLOW_THREADS
            ;
            status = copy_core(self->core, slice, &copy);
        Py_END_ALLOW_THREADS;
    }
    return status == SOBJ_OK ? sobj_handle_for(self->state, copy)
                             : sobj_list_none(self, status);
}

PyObject *sobj_list_get_slice(SobjHandle *self, PyObject *object)
{
    struct sobj_slice slice;

    return slice_of(object, &slice) < 0 ? NULL : sobj_list_copy_part(self, &slice);
}

/* As list does, with the same message whatever the object has instead of __iter__. */
static int need_iterable(PyObject *value, const struct sobj_slice *slice)
{
    if (Py_TYPE(value)->tp_iter != NULL || PySequence_Check(value))
        return 0;
    PyErr_SetString(PyExc_TypeError, slice->step == 1
                                         ? "can only assign an iterable"
                                         : "must assign iterable to extended slice");
    return -1;
}

int sobj_list_set_slice(SobjHandle *self, PyObject *object, PyObject *value)
{
    struct sobj_slice slice;
    struct sobj_cells cells;
    enum sobj_status status;
    uint64_t have = 0;

    if (slice_of(object, &slice) < 0)
        return -1;
    if (value == NULL) {
        status = sobj_list_delete_slice(self->core, &slice);
    } else {
        if (need_iterable(value, &slice) < 0 ||
            sobj_cells_gather(self->state, value, &cells) < 0)
            return -1;
        status = sobj_list_assign(self->core, &slice, cells.cells, cells.count, &have);
        sobj_cells_given(&cells);
    }
    if (status == SOBJ_OK)
        return 0;
    if (status == SOBJ_BAD_OPERAND)
        PyErr_Format(PyExc_ValueError,
                     "attempt to assign sequence of size %zu to extended slice of size "
                     "%llu",
                     cells.count, (unsigned long long)have);
    else
        sobj_list_none(self, status);
    return -1;
}
