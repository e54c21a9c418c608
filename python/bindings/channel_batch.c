/* SPDX-License-Identifier: MIT */
/* Channel: many messages in one call.
 *
 * What is to be sent is encoded first, in blocks, and then goes into the channel in
 * rows. An iterator whose steps run Python code gets blocks of one message: each is sent
 * before the next one is asked for, because that may be an answer to it.
 */
#include "channel_type.h"

#include "args.h"

#define BLOCK 64

/* ---- sending */

struct outgoing {
    PyObject *self;
    const struct sobj_timeout *limit;
    size_t sent; /* accepted by the channel */
    struct sobj_messages messages;
    sobj_cell cells[BLOCK];
};

static enum sobj_status wait_send_many(struct outgoing *o)
{
    enum sobj_status status;
    struct sobj_wait wait;

    if (sobj_wait_begin(&wait, o->self, o->limit) < 0)
        return SOBJ_INTERRUPTED;
    SOBJ_WAIT(status, sobj_channel_send_many(wait.core, &o->messages, wait.deadline,
                                             wait.domain));
    sobj_wait_end(&wait);
    return status;
}

/* Sends the block; afterwards it is empty. Returns: 0, or -1 with an exception. */
static int flush(struct outgoing *o, bool may_wait)
{
    struct sobj_object *core = sobj_handle_core(o->self);
    struct sobj_messages *m = &o->messages;
    enum sobj_status status = sobj_channel_try_send_many(core, m);

    if (status == SOBJ_FULL && may_wait &&
        sobj_channel_overflow(core) == SOBJ_OVERFLOW_BLOCK)
        status = wait_send_many(o);
    o->sent += m->done - m->dropped;
    for (; m->done < m->count; m->done++)
        sobj_cell_unref(m->cells[m->done]);
    m->count = m->done = m->dropped = 0;
    if (status == SOBJ_OK)
        return 0;
    sobj_channel_raise_sent(o->self, "send_many", status, o->limit);
    return -1;
}

/* Whether iterating over it runs no Python code, and so nothing that could wait for what
 * was sent before. */
static bool is_prompt(PyObject *iterable)
{
    return PyList_CheckExact(iterable) || PyTuple_CheckExact(iterable) ||
           PyRange_Check(iterable) || PyAnySet_CheckExact(iterable) ||
           PyDict_CheckExact(iterable) || PyUnicode_CheckExact(iterable) ||
           PyBytes_CheckExact(iterable) || PyByteArray_CheckExact(iterable);
}

/* Encodes and sends what the iterator gives; what is left is in the block.
 * Returns: 0, or -1 with an exception. */
static int send_each(struct outgoing *o, PyObject *iterator, bool prompt)
{
    struct sobj_state *state = sobj_channel_state(o->self);
    struct sobj_messages *m = &o->messages;
    PyObject *item;

    for (unsigned n = 1; (item = PyIter_Next(iterator)) != NULL; n++) {
        sobj_cell *cell = &o->cells[m->count];
        int result = sobj_encode_message(state, item, cell);
        Py_DECREF(item);
        if (result < 0)
            return -1;
        m->count++;
        if ((!prompt || m->count == BLOCK) && flush(o, true) < 0)
            return -1;
        /* An iterator in C that never ends would not let a signal through. */
        if (n % 1024 == 0 && PyErr_CheckSignals() < 0)
            return -1;
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* A frozen dataclass may be an exception too. */
bool sobj_channel_set_on_error(PyObject *error, const char *name, PyObject *value)
{
    PyObject *key = PyUnicode_InternFromString(name);
    bool set = key != NULL && PyObject_GenericSetAttr(error, key, value) == 0;

    if (!set)
        PyErr_Clear();
    Py_XDECREF(key);
    return set;
}

/* An exception ends the call: what comes before the item that has caused it is sent. If
 * that fails, this is the error, and the first one its context. One that is to end more
 * than the call (KeyboardInterrupt) waits for nothing and stays the error. */
static PyObject *end_with_error(struct outgoing *o)
{
    bool call_only = PyErr_ExceptionMatches(PyExc_Exception) != 0;
    PyObject *error = PyErr_GetRaisedException(), *sent;

    if (o->messages.count != 0 && flush(o, call_only) < 0) {
        if (call_only) {
            PyObject *later = PyErr_GetRaisedException();
            PyException_SetContext(later, error);
            error = later;
        } else {
            PyErr_Clear();
        }
    }
    sent = PyLong_FromSize_t(o->sent);
    /* One that takes no attributes goes without. */
    if (sent != NULL)
        sobj_channel_set_on_error(error, "sent", sent);
    else
        PyErr_Clear();
    Py_XDECREF(sent);
    PyErr_SetRaisedException(error);
    return NULL;
}

const char sobj_channel_send_many_doc[] = PyDoc_STR("send_many($self, /, iterable, timeout=None)\n--\n\n"
              "Send each item of an iterable as a message; return how many were sent.\n\n"
              "As send() for one after the other, in much less time; messages of others\n"
              "may come between. Blocks while the channel is full, for at most timeout\n"
              "seconds in all. The items of a list, tuple, range, set, dict, str or bytes\n"
              "go in blocks; of any other iterable each is sent before the next one is\n"
              "asked for. With overflow='drop_new' dropped messages do not count.\n\n"
              "Raises what send() raises, and what the iterable raises, at the first item\n"
              "for which that happens; those before it have been sent. The exception has\n"
              "an attribute sent: how many were.");

PyObject *sobj_channel_py_send_many(PyObject *self, PyObject *const *args,
                                    Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"iterable", "timeout", NULL};
    static const struct sobj_signature signature = {"send_many", names, 1, 2};
    PyObject *given[2] = {NULL, NULL}, *iterator;
    struct sobj_timeout limit = SOBJ_NO_TIMEOUT;
    struct outgoing o = {.self = self, .limit = &limit};

    if (sobj_args(&signature, args, count, keywords, given) < 0 ||
        sobj_timeout_init(&limit, given[1]) < 0)
        return NULL;
    o.messages.cells = o.cells;
    iterator = PyObject_GetIter(given[0]);
    if (iterator == NULL)
        return NULL;
    int result = send_each(&o, iterator, is_prompt(given[0]));
    if (result == 0 && o.messages.count != 0)
        result = flush(&o, true);
    PyObject *sent = result < 0 ? end_with_error(&o) : PyLong_FromSize_t(o.sent);
    Py_DECREF(iterator);
    return sent;
}

/* ---- receiving */

/* Decodes the messages and appends them; the cells are consumed. One that cannot be
 * decoded is left out: the first such exception becomes `*error`. */
static void append_each(PyObject *self, PyObject *list, const struct sobj_messages *m,
                        PyObject **error)
{
    struct sobj_state *state = sobj_channel_state(self);

    for (size_t i = 0; i < m->done; i++) {
        PyObject *message = sobj_decode_message(state, m->cells[i]);
        if (message != NULL && PyList_Append(list, message) < 0)
            Py_CLEAR(message);
        if (message == NULL && *error == NULL)
            *error = PyErr_GetRaisedException();
        else if (message == NULL)
            PyErr_WriteUnraisable(self);
        Py_XDECREF(message);
    }
}

/* The first messages, for which it waits. */
static enum sobj_status receive_first(PyObject *self, struct sobj_messages *m,
                                      const struct sobj_timeout *limit)
{
    enum sobj_status status = sobj_channel_try_recv_many(sobj_handle_core(self), m);
    struct sobj_wait wait;

    if (status != SOBJ_EMPTY)
        return status;
    if (sobj_wait_begin(&wait, self, limit) < 0)
        return SOBJ_INTERRUPTED;
    SOBJ_WAIT(status, sobj_channel_recv_many(wait.core, m, wait.deadline, wait.domain));
    sobj_wait_end(&wait);
    return status;
}

/* Fills the list with up to `max` messages. Returns: the status of the first of them, and
 * the first exception of decoding in `*error`. */
static enum sobj_status receive_each(PyObject *self, PyObject *list, size_t max,
                                     const struct sobj_timeout *limit, PyObject **error)
{
    sobj_cell cells[BLOCK];
    struct sobj_messages m = {.cells = cells, .count = max < BLOCK ? max : BLOCK};
    struct sobj_object *core = sobj_handle_core(self);
    enum sobj_status status = receive_first(self, &m, limit), more = status;

    /* Of what comes from now on nothing is taken: senders that are as fast as this would
     * keep it going for ever. */
    size_t there = status == SOBJ_OK ? sobj_channel_there(core) : 0;
    if (status == SOBJ_OK && max - m.done > there)
        max = m.done + there;
    while (more == SOBJ_OK) {
        append_each(self, list, &m, error);
        max -= m.done;
        /* Less than was asked for: the channel was empty. */
        if (m.done < m.count || max == 0 || *error != NULL)
            break;
        m.done = 0;
        m.count = max < BLOCK ? max : BLOCK;
        more = sobj_channel_try_recv_many(core, &m);
    }
    return status;
}

/* Returns: 0 and the number; -1 with TypeError or ValueError. */
static int parse_max(PyObject *object, size_t *max)
{
    Py_ssize_t n;

    if (!PyIndex_Check(object)) {
        PyErr_Format(PyExc_TypeError, "max must be an int, not %s",
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    /* NULL: what does not fit becomes the nearest number that does. */
    n = PyNumber_AsSsize_t(object, NULL);
    if (n == -1 && PyErr_Occurred())
        return -1;
    if (n < 1) {
        PyErr_Format(PyExc_ValueError, "max must be at least 1, not %R", object);
        return -1;
    }
    *max = (size_t)n;
    return 0;
}

const char sobj_channel_recv_many_doc[] = PyDoc_STR("recv_many($self, /, max, timeout=None)\n--\n\n"
              "Receive up to max messages; return a list with at least one.\n\n"
              "Waits for the first as recv() does, and takes what else is there without\n"
              "waiting. Each message is received on its own: other receivers may get\n"
              "messages between.\n\n"
              "Raises what recv() raises. When a message cannot be unpickled, it is\n"
              "consumed; the exception is raised at the end and has an attribute\n"
              "received, the list of the other messages. If its class does not let it\n"
              "have one, they are returned and it goes to sys.unraisablehook.");

PyObject *sobj_channel_py_recv_many(PyObject *self, PyObject *const *args,
                                    Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"max", "timeout", NULL};
    static const struct sobj_signature signature = {"recv_many", names, 1, 2};
    PyObject *given[2] = {NULL, NULL}, *list, *error = NULL;
    struct sobj_timeout limit = SOBJ_NO_TIMEOUT;
    size_t max;

    if (sobj_args(&signature, args, count, keywords, given) < 0 ||
        parse_max(given[0], &max) < 0 || sobj_timeout_init(&limit, given[1]) < 0)
        return NULL;
    list = PyList_New(0);
    if (list == NULL)
        return NULL;
    enum sobj_status status = receive_each(self, list, max, &limit, &error);
    if (status == SOBJ_OK && error == NULL)
        return list;
    if (error != NULL) {
        bool kept = sobj_channel_set_on_error(error, "received", list);
        PyErr_SetRaisedException(error);
        if (!kept && PyList_GET_SIZE(list) != 0) {
            /* The other messages would be lost. */
            PyErr_WriteUnraisable(self);
            return list;
        }
    } else if (status == SOBJ_TIMEOUT) {
        sobj_channel_raise_no_message(self, "recv_many", &limit);
    } else {
        sobj_channel_raise_received(self, status);
    }
    Py_DECREF(list);
    return NULL;
}
