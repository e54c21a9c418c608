/* SPDX-License-Identifier: MIT */
/* Figures of the process; see stats.h. */
#include "stats.h"

#include "registry.h"
#include "sharedobj/immortal.h"

/* Adds `name`: `value` to a dict. Returns: 0, or -1 with an exception. */
static int add(PyObject *dict, const char *name, int64_t value)
{
    PyObject *number = PyLong_FromLongLong(value);
    int result = number != NULL ? PyDict_SetItemString(dict, name, number) : -1;

    Py_XDECREF(number);
    return result;
}

/* The same with a dict, which is consumed; NULL: an exception is set. */
static int add_dict(PyObject *dict, const char *name, PyObject *part)
{
    int result = part != NULL ? PyDict_SetItemString(dict, name, part) : -1;

    Py_XDECREF(part);
    return result;
}

/* Returns: `dict`, or NULL after a failure; then it is consumed. */
static PyObject *finished(PyObject *dict, bool failed)
{
    if (failed)
        Py_CLEAR(dict);
    return dict;
}

static PyObject *types_dict(const struct sobj_census *census)
{
    PyObject *dict = PyDict_New();
    bool failed = dict == NULL;

    for (int i = 1; i < SOBJ_TYPES && !failed; i++)
        failed =
            add(dict, sobj_registry_kind((enum sobj_type)i), census->objects[i]) < 0;
    return finished(dict, failed);
}

static PyObject *immortal_dict(void)
{
    PyObject *dict = PyDict_New();
    struct sobj_immortal_figures now;

    sobj_immortal_figures(&now);
    return finished(dict, dict == NULL || add(dict, "count", now.count) < 0 ||
                              add(dict, "bytes", now.bytes) < 0 ||
                              add(dict, "limit", now.limit) < 0);
}

static int64_t handles_here(struct sobj_state *state)
{
    int64_t sum = 0;

    for (int i = 0; i < SOBJ_HANDLE_SHARDS; i++) {
        sobj_mutex_lock(&state->handles[i].mutex);
        sum += (int64_t)state->handles[i].count;
        sobj_mutex_unlock(&state->handles[i].mutex);
    }
    return sum;
}

const char sobj_stats_doc[] = PyDoc_STR(
    "stats($module, /)\n--\n\n"
    "Return figures of this process, a dict:\n\n"
    "objects     live shared objects\n"
    "types       the same by type, a dict\n"
    "references  to all of them, from handles, other shared objects and tickets\n"
    "handles     of the interpreter that asks, without those of local()\n"
    "tickets     of handles on their way: pickled, or in a queue of the standard\n"
    "            library\n"
    "bytes       of process memory for shared objects, their values and immortal\n"
    "            objects, as it was asked for from the system's allocator\n"
    "immortal    a dict: count and bytes of the immortal objects, and their limit\n\n"
    "Each figure is read by itself: together they are exact when nothing is\n"
    "running. Takes some nanoseconds for each object, and no lock for longer.");

PyObject *sobj_stats(PyObject *module, PyObject *unused)
{
    struct sobj_state *state = sobj_state_of_module(module);
    PyObject *dict = PyDict_New();
    struct sobj_census census;

    sobj_census(&census);
    return finished(dict,
                    dict == NULL ||
                        add(dict, "objects", sobj_count(SOBJ_COUNT_OBJECTS)) < 0 ||
                        add_dict(dict, "types", types_dict(&census)) < 0 ||
                        add(dict, "references", census.references) < 0 ||
                        add(dict, "handles", handles_here(state)) < 0 ||
                        add(dict, "tickets", sobj_ticket_count()) < 0 ||
                        add(dict, "bytes", sobj_count(SOBJ_COUNT_BYTES)) < 0 ||
                        add_dict(dict, "immortal", immortal_dict()) < 0);
}

const char sobj_stats_counts_doc[] =
    PyDoc_STR("_counts($module, /)\n--\n\n"
              "Return what the core has allocated; the test suite checks the balance.");

PyObject *sobj_stats_counts(PyObject *module, PyObject *unused)
{
    PyObject *dict = PyDict_New();

    return finished(dict,
                    dict == NULL ||
                        add(dict, "objects", sobj_count(SOBJ_COUNT_OBJECTS)) < 0 ||
                        add(dict, "bytes", sobj_count(SOBJ_COUNT_BYTES)) < 0 ||
                        add(dict, "tickets", sobj_ticket_count()) < 0 ||
                        add(dict, "blobs", sobj_count(SOBJ_COUNT_BLOBS)) < 0 ||
                        add(dict, "nodes", sobj_count(SOBJ_COUNT_NODES)) < 0 ||
                        add(dict, "blocks", sobj_count(SOBJ_COUNT_BLOCKS)) < 0 ||
                        add(dict, "immortal", sobj_count(SOBJ_COUNT_IMMORTAL)) < 0);
}
