/* SPDX-License-Identifier: MIT */
/* The type Queue: a channel with the methods of queue.Queue; the core's contract is
 * sharedobj/queue.h.
 *
 * Where queue.Queue and Channel differ it goes by queue.Queue: a timeout counts only where
 * the call may block, any maxsize below 1 means no limit. Its exceptions are those of
 * Channel, which are subclasses of those of queue.
 */
#include "channel_type.h"

#include "args.h"
#include "channel_async.h"
#include "sharedobj/queue.h"

/* ---- making one */

/* Returns: 0 and the number; -1 with TypeError or ValueError. */
static int parse_maxsize(PyObject *object, int64_t *maxsize)
{
    PyObject *number = PyNumber_Index(object);
    int overflow;

    if (number == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError) && !PyIndex_Check(object))
            PyErr_Format(PyExc_TypeError,
                         "maxsize must be an int, not %s; 0 means no limit",
                         Py_TYPE(object)->tp_name);
        return -1;
    }
    *maxsize = PyLong_AsLongLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    if (*maxsize == -1 && PyErr_Occurred())
        return -1;
    if (overflow != 0) {
        PyErr_SetString(PyExc_ValueError,
                        "maxsize must fit in 64 bits; 0 means no limit");
        return -1;
    }
    return 0;
}

static PyObject *queue_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *kwlist[] = {"maxsize", NULL};
    struct sobj_state *state = sobj_state_of_type(type);
    struct sobj_object *core;
    PyObject *given = NULL;
    int64_t maxsize = 0;

    if (state == NULL ||
        !PyArg_ParseTupleAndKeywords(args, keywords, "|O:Queue", kwlist, &given) ||
        (given != NULL && parse_maxsize(given, &maxsize) < 0))
        return NULL;
    if (sobj_queue_new(maxsize, &core) != SOBJ_OK)
        return PyErr_NoMemory();
    return sobj_handle_for(state, core);
}

static PyObject *queue_repr(PyObject *self)
{
    struct sobj_object *core = sobj_handle_core(self);

    return PyUnicode_FromFormat(
        "<Queue id=%lld maxsize=%lld qsize=%zu unfinished_tasks=%llu%s>",
        (long long)sobj_id_of(core), (long long)sobj_queue_maxsize(core),
        sobj_channel_count(core), (unsigned long long)sobj_queue_unfinished(core),
        sobj_channel_closed(core) ? " shut down" : "");
}

/* ---- arguments of put and get */

struct blocking {
    bool blocks;
    struct sobj_timeout limit;
};
#define BLOCKS {true, SOBJ_NO_TIMEOUT}

/* From `block` and `timeout`, NULL if not given. Where the call does not block nobody
 * minds a bad timeout; a limit that is set meanwhile may make it block all the same.
 * Returns: 0, or -1 with an exception. */
static int parse_blocking(PyObject *block, PyObject *timeout, bool may_block,
                          struct blocking *b)
{
    int blocks = block != NULL ? PyObject_IsTrue(block) : 1;

    if (blocks < 0)
        return -1;
    b->blocks = blocks;
    if (!blocks || sobj_timeout_init(&b->limit, timeout) == 0)
        return 0;
    if (may_block || !(PyErr_ExceptionMatches(PyExc_ValueError) ||
                       PyErr_ExceptionMatches(PyExc_TypeError)))
        return -1;
    PyErr_Clear();
    return 0;
}

/* ---- putting */

static PyObject *raise_put(PyObject *self, const char *function,
                           enum sobj_status status, const struct sobj_timeout *limit)
{
    struct sobj_state *state = sobj_channel_state(self);

    if (status == SOBJ_FULL)
        return sobj_raise_error(
            state, SOBJ_ERR_CHANNEL_FULL,
            "%s(): the queue is full, its maxsize is %lld; put() waits for room",
            function, (long long)sobj_queue_maxsize(sobj_handle_core(self)));
    if (status == SOBJ_CLOSED)
        return sobj_raise_error(state, SOBJ_ERR_CHANNEL_CLOSED,
                                "cannot put: the queue is shut down");
    if (status != SOBJ_TIMEOUT)
        return sobj_raise(state, status);
    return sobj_raise_timeout(sobj_error_class(state, SOBJ_ERR_CHANNEL_FULL_TIMEOUT),
                              "put(): the queue had no room", limit, "it has");
}

static PyObject *put(PyObject *self, const char *function, PyObject *item,
                     const struct blocking *b)
{
    enum sobj_status status;
    sobj_cell cell;

    if (sobj_encode_message(sobj_channel_state(self), item, &cell) < 0)
        return NULL;
    status = sobj_channel_try_send(sobj_handle_core(self), cell);
    if (status == SOBJ_FULL && b->blocks)
        status = sobj_channel_wait_send(self, cell, &b->limit);
    if (status == SOBJ_OK)
        Py_RETURN_NONE;
    sobj_cell_unref(cell);
    return raise_put(self, function, status, &b->limit);
}

PyDoc_STRVAR(
    put_doc,
    "put($self, /, item, block=True, timeout=None)\n--\n\n"
    "Put an item into the queue; return None.\n\n"
    "The item is any object that can be pickled; who gets it gets a copy, and\n"
    "shared objects inside by reference. Atomic. Blocks while the queue is full,\n"
    "without the GIL, for at most timeout seconds (None: for ever), unless block\n"
    "is false.\n\n"
    "Raises ChannelFull, a queue.Full, if there is no room; ChannelClosed, where\n"
    "it exists a queue.ShutDown, after shutdown(); NotShareableError if the item\n"
    "cannot be pickled; ValueError for a negative timeout. Costs the copy, and an\n"
    "uncontended atomic exchange.");

static PyObject *queue_put(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords)
{
    static const char *const names[] = {"item", "block", "timeout", NULL};
    static const struct sobj_signature signature = {"put", names, 1, 3};
    PyObject *given[3] = {NULL, NULL, NULL};
    struct blocking b = BLOCKS;

    if (sobj_args(&signature, args, count, keywords, given) < 0 ||
        parse_blocking(given[1], given[2],
                       sobj_queue_maxsize(sobj_handle_core(self)) > 0, &b) < 0)
        return NULL;
    return put(self, "put", given[0], &b);
}

PyDoc_STRVAR(put_nowait_doc, "put_nowait($self, /, item)\n--\n\n"
                             "Put an item into the queue, as put(item, block=False).");

static PyObject *queue_put_nowait(PyObject *self, PyObject *const *args,
                                  Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"item", NULL};
    static const struct sobj_signature signature = {"put_nowait", names, 1, 1};
    static const struct blocking never = {.blocks = false};
    PyObject *item = NULL;

    if (sobj_args(&signature, args, count, keywords, &item) < 0)
        return NULL;
    return put(self, "put_nowait", item, &never);
}

/* ---- getting */

static PyObject *get(PyObject *self, const char *function, const struct blocking *b)
{
    struct sobj_state *state = sobj_channel_state(self);
    sobj_cell cell = SOBJ_NO_CELL;
    enum sobj_status status =
        b->blocks ? sobj_channel_receive(self, &b->limit, &cell)
                  : sobj_channel_try_recv(sobj_handle_core(self), &cell);

    if (status == SOBJ_OK)
        return sobj_decode_message(state, cell);
    if (status == SOBJ_EMPTY)
        return sobj_raise_error(state, SOBJ_ERR_CHANNEL_EMPTY,
                                "%s(): the queue is empty; get() waits for an item",
                                function);
    if (status == SOBJ_CLOSED)
        return sobj_raise_error(state, SOBJ_ERR_CHANNEL_CLOSED,
                                "cannot get: the queue is shut down and empty");
    if (status != SOBJ_TIMEOUT)
        return sobj_raise(state, status);
    return sobj_raise_timeout(sobj_error_class(state, SOBJ_ERR_CHANNEL_EMPTY_TIMEOUT),
                              "get(): no item came", &b->limit, "one comes");
}

PyDoc_STRVAR(
    get_doc,
    "get($self, /, block=True, timeout=None)\n--\n\n"
    "Take the oldest item out of the queue and return it.\n\n"
    "Atomic: every item goes to one caller. Blocks while the queue is empty,\n"
    "without the GIL, for at most timeout seconds (None: for ever), unless block\n"
    "is false.\n\n"
    "Raises ChannelEmpty, a queue.Empty, if there is none; ChannelClosed, where it\n"
    "exists a queue.ShutDown, when the queue is shut down and empty; ValueError\n"
    "for a negative timeout; and whatever unpickling the item raises: then it is\n"
    "taken. Costs an uncontended atomic exchange, and the copy.");

static PyObject *queue_get(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords)
{
    static const char *const names[] = {"block", "timeout", NULL};
    static const struct sobj_signature signature = {"get", names, 0, 2};
    PyObject *given[2] = {NULL, NULL};
    struct blocking b = BLOCKS;

    if (count + (keywords != NULL) != 0 &&
        (sobj_args(&signature, args, count, keywords, given) < 0 ||
         parse_blocking(given[0], given[1], true, &b) < 0))
        return NULL;
    return get(self, "get", &b);
}

PyDoc_STRVAR(get_nowait_doc,
             "get_nowait($self, /)\n--\n\n"
             "Take the oldest item out of the queue, as get(block=False).");

static PyObject *queue_get_nowait(PyObject *self, PyObject *unused)
{
    static const struct blocking never = {.blocks = false};

    return get(self, "get_nowait", &never);
}

/* ---- tasks and the end */

PyDoc_STRVAR(task_done_doc,
             "task_done($self, /)\n--\n\n"
             "Say that the work on an item that came out of the queue is done.\n\n"
             "The last one ends the join() of every thread and interpreter. Atomic;\n"
             "never blocks. ValueError if there was no unfinished task.");

static PyObject *queue_task_done(PyObject *self, PyObject *unused)
{
    if (sobj_queue_task_done(sobj_handle_core(self)) == SOBJ_OK)
        Py_RETURN_NONE;
    PyErr_SetString(PyExc_ValueError, "task_done() called too many times: each item "
                                      "that was put is one task");
    return NULL;
}

PyDoc_STRVAR(join_doc,
             "join($self, /)\n--\n\n"
             "Wait until every item that was put has been got and reported done.\n\n"
             "Blocks, without the GIL, until a moment at which nothing is unfinished;\n"
             "does not poll.");

static PyObject *queue_join(PyObject *self, PyObject *unused)
{
    static const struct sobj_timeout none = SOBJ_NO_TIMEOUT;
    enum sobj_status status;
    struct sobj_wait wait;

    if (sobj_queue_unfinished(sobj_handle_core(self)) == 0)
        Py_RETURN_NONE;
    if (sobj_wait_begin(&wait, self, &none) < 0)
        return NULL;
    SOBJ_WAIT(status, sobj_queue_join(wait.core, wait.deadline, wait.domain));
    sobj_wait_end(&wait);
    if (status == SOBJ_OK)
        Py_RETURN_NONE;
    return sobj_raise(sobj_channel_state(self), status);
}

PyDoc_STRVAR(
    shutdown_doc,
    "shutdown($self, /, immediate=False)\n--\n\n"
    "Shut the queue down: put() raises, get() does when the queue is empty.\n\n"
    "One moment: an item put before it can be got, a later put() raises\n"
    "ChannelClosed (where it exists a queue.ShutDown). Wakes every waiter in\n"
    "every interpreter. With immediate=True the items that wait are dropped and\n"
    "count as done. Idempotent; never blocks.");

static PyObject *queue_shutdown(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                PyObject *keywords)
{
    int discard = sobj_channel_immediate("shutdown", args, count, keywords);

    if (discard < 0)
        return NULL;
    sobj_queue_shutdown(sobj_handle_core(self), discard);
    Py_RETURN_NONE;
}

/* ---- how much there is */

PyDoc_STRVAR(qsize_doc, "qsize($self, /)\n--\n\n"
                        "Return the number of items in the queue.\n\n"
                        "Exact when nobody puts or gets at the moment. Never blocks.");

static PyObject *queue_qsize(PyObject *self, PyObject *unused)
{
    return PyLong_FromSize_t(sobj_channel_count(sobj_handle_core(self)));
}

PyDoc_STRVAR(empty_doc, "empty($self, /)\n--\n\n"
                        "Return whether the queue has no items, as qsize() == 0.");

static PyObject *queue_empty(PyObject *self, PyObject *unused)
{
    return PyBool_FromLong(sobj_channel_count(sobj_handle_core(self)) == 0);
}

PyDoc_STRVAR(full_doc, "full($self, /)\n--\n\n"
                       "Return whether the queue has a limit and as many items.");

static PyObject *queue_full(PyObject *self, PyObject *unused)
{
    struct sobj_object *core = sobj_handle_core(self);
    int64_t maxsize = sobj_queue_maxsize(core);

    return PyBool_FromLong(maxsize > 0 &&
                           sobj_channel_count(core) >= (uint64_t)maxsize);
}

static PyObject *queue_get_maxsize(PyObject *self, void *closure)
{
    return PyLong_FromLongLong(sobj_queue_maxsize(sobj_handle_core(self)));
}

static int queue_set_maxsize(PyObject *self, PyObject *value, void *closure)
{
    int64_t maxsize;

    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError,
                        "maxsize cannot be deleted; 0 means no limit");
        return -1;
    }
    if (parse_maxsize(value, &maxsize) < 0)
        return -1;
    sobj_queue_set_maxsize(sobj_handle_core(self), maxsize);
    return 0;
}

static PyObject *queue_get_unfinished(PyObject *self, void *closure)
{
    return PyLong_FromUnsignedLongLong(sobj_queue_unfinished(sobj_handle_core(self)));
}

static PyObject *queue_get_is_shutdown(PyObject *self, void *closure)
{
    return PyBool_FromLong(sobj_channel_closed(sobj_handle_core(self)));
}

static PyGetSetDef queue_getset[] = {
    SOBJ_HANDLE_GETSET,
    {"maxsize", queue_get_maxsize, queue_set_maxsize,
     PyDoc_STR("How many items the queue holds before it is full; below 1: no limit. May "
               "be set: items above a lower limit stay, a higher one wakes who waits."),
         NULL},
     {"unfinished_tasks", queue_get_unfinished, NULL,
      PyDoc_STR("How many items were put for which there was no task_done() yet."),
                NULL},
      {"is_shutdown", queue_get_is_shutdown, NULL,
       PyDoc_STR("Whether shutdown() was called; items may still be waiting."), NULL},
       {NULL},
     };

#define FAST(function) (PyCFunction)(void *)(function), METH_FASTCALL | METH_KEYWORDS

static PyMethodDef queue_methods[] = {
    {"put", FAST(queue_put), put_doc},
    {"put_nowait", FAST(queue_put_nowait), put_nowait_doc},
    {"get", FAST(queue_get), get_doc},
    {"get_nowait", queue_get_nowait, METH_NOARGS, get_nowait_doc},
    {"task_done", queue_task_done, METH_NOARGS, task_done_doc},
    {"join", queue_join, METH_NOARGS, join_doc},
    {"shutdown", FAST(queue_shutdown), shutdown_doc},
    {"qsize", queue_qsize, METH_NOARGS, qsize_doc},
    {"empty", queue_empty, METH_NOARGS, empty_doc},
    {"full", queue_full, METH_NOARGS, full_doc},
    SOBJ_CHANNEL_ASEND,
    SOBJ_CHANNEL_ARECV,
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, item, /)\n--\n\n"
               "For annotations: Queue[int].")},
     SOBJ_HANDLE_METHODS, SOBJ_HANDLE_COPY_METHODS, {NULL},
    };

PyDoc_STRVAR(
    queue_doc,
    "Queue(maxsize=0)\n--\n\n"
    "A queue.Queue for all threads of all interpreters.\n\n"
    "Same methods, same attributes, same order: first in, first out. An item may\n"
    "be any object that can be pickled; who gets it owns a copy, and shared\n"
    "objects inside arrive by reference. maxsize is how many items it holds before\n"
    "put() waits; below 1 means no limit. It may be set at any time, for everybody.\n"
    "Tasks are counted across interpreters. Once a put() has returned, its item\n"
    "stays until somebody gets it or the queue itself dies, whatever becomes of\n"
    "the thread or interpreter that put it.\n\n"
    "shutdown() is there before Python 3.13, too. A Queue is always true, hashes by\n"
    "identity, and equals every handle of the same queue.");

static PyType_Slot queue_slots[] = {
    {Py_tp_doc, (void *)queue_doc},
    {Py_tp_new, queue_new},
    {Py_tp_repr, queue_repr},
    {Py_tp_hash, sobj_handle_hash},
    {Py_tp_richcompare, sobj_handle_richcompare},
    SOBJ_CHANNEL_ASYNC_SLOTS,
    {Py_tp_methods, queue_methods},
    {Py_tp_getset, queue_getset},
    SOBJ_HANDLE_SLOTS(sobj_channel_dealloc, sobj_handle_traverse),
    {0, NULL},
};

static PyType_Spec queue_spec = {
    .name = "sharedobj.Queue",
    .basicsize = sizeof(SobjChannel),
    .flags = SOBJ_HANDLE_FLAGS,
    .slots = queue_slots,
};

int sobj_queue_exec(PyObject *module, struct sobj_state *state)
{
    return sobj_handle_add_type(module, state, SOBJ_TYPE_QUEUE, &queue_spec);
}
