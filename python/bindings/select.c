/* SPDX-License-Identifier: MIT */
/* select(): one of several sends and receives; the core's contract is sharedobj/select.h.
 *
 * All messages are encoded before anything is tried, so that one that cannot be sent
 * raises while nothing has happened, and no Python code runs in between. As for a single
 * operation it first tries with the GIL held and lets go of it only to wait.
 */
#include "sharedobj/select.h"

#include "args.h"
#include "channel_type.h"

#define ON_STACK 16

struct selecting {
    struct sobj_state *state;
    PyObject *const *args; /* the operations as given, borrowed from the caller */
    uint32_t count;
    struct sobj_select_op *ops; /* messages: references of ours */
    struct sobj_select_op few[ON_STACK];
};

/* Returns: the core of a channel, a queue, or an end that can send or else receive,
 * borrowed; NULL: it is something else. */
static struct sobj_object *core_of(PyObject *obj, bool sending)
{
    if (!sobj_handle_check(obj))
        return NULL;
    struct sobj_object *core = sobj_handle_core(obj);
    enum sobj_type type = sobj_type_of(core);
    if (type == SOBJ_TYPE_CHANNEL || type == SOBJ_TYPE_QUEUE ||
        type == (sending ? SOBJ_TYPE_SENDER : SOBJ_TYPE_RECEIVER))
        return core;
    return NULL;
}

/* The object of an operation that should be the channel; borrowed. */
static PyObject *channel_in(PyObject *arg)
{
    return PyTuple_Check(arg) && PyTuple_GET_SIZE(arg) == 2 ? PyTuple_GET_ITEM(arg, 0)
                                                            : arg;
}

/* Returns: the core of operation `index`, borrowed; NULL with TypeError. */
static struct sobj_object *parse_op(PyObject *arg, Py_ssize_t index)
{
    PyObject *channel = channel_in(arg);
    struct sobj_object *core = core_of(channel, channel != arg);

    if (core == NULL && channel != arg)
        PyErr_Format(
            PyExc_TypeError,
            "select(): ops[%zd][0] must be a Channel, Queue or Sender, not %.200s",
            index, Py_TYPE(channel)->tp_name);
    else if (core == NULL)
        PyErr_Format(
            PyExc_TypeError,
            "select(): ops[%zd] must be a Channel, Queue or Receiver, to receive "
            "from it, or a tuple (channel, value), to send to it, not %.200s%s",
            index, Py_TYPE(arg)->tp_name,
            PyList_Check(arg) ? "; of a list say select(*channels)" : "");
    return core;
}

/* Frees what begin has made; the message that was sent, at `sent`, is gone. */
static void end(struct selecting *s, uint32_t sent)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (i != sent && s->ops[i].message != SOBJ_NO_CELL)
            sobj_cell_unref(s->ops[i].message);
    }
    if (s->ops != s->few)
        PyMem_Free(s->ops);
}

/* Checks all operations, then encodes all messages. Returns: 0, or -1 with an exception. */
static int begin(struct selecting *s, PyObject *const *args, Py_ssize_t count)
{
    PyObject *value;
    char name[32];

    if (count == 0 || count > (Py_ssize_t)SOBJ_SELECT_MAX) {
        PyErr_Format(PyExc_ValueError,
                     count == 0 ? "select() needs at least one operation"
                                : "select() takes at most %u operations (%zd given)",
                     (unsigned)SOBJ_SELECT_MAX, count);
        return -1;
    }
    s->args = args;
    s->ops = s->few;
    if (count > ON_STACK)
        s->ops = PyMem_New(struct sobj_select_op, (size_t)count);
    if (s->ops == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    s->count = (uint32_t)count;
    for (Py_ssize_t i = 0; i < count; i++)
        s->ops[i].message = SOBJ_NO_CELL;
    for (Py_ssize_t i = 0; i < count; i++) {
        if ((s->ops[i].channel = parse_op(args[i], i)) == NULL)
            goto failed;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!PyTuple_Check(args[i]))
            continue;
        value = PyTuple_GET_ITEM(args[i], 1);
        if (sobj_encode_fast(value, &s->ops[i].message))
            continue;
        PyOS_snprintf(name, sizeof name, "ops[%zd][1]", i);
        if (sobj_encode_message_as(s->state, name, value, &s->ops[i].message) < 0) {
            s->ops[i].message = SOBJ_NO_CELL;
            goto failed;
        }
    }
    return 0;
failed:
    end(s, UINT32_MAX);
    return -1;
}

/* Returns: as sobj_select; INTERRUPTED: an exception is set. */
static enum sobj_status wait_for(struct selecting *s, const struct sobj_timeout *limit,
                                 uint32_t *index)
{
    enum sobj_status status;
    struct sobj_wait wait;

    if (sobj_wait_begin(&wait, channel_in(s->args[0]), limit) < 0)
        return SOBJ_INTERRUPTED;
    for (uint32_t i = 0; i < s->count; i++)
        sobj_ref(s->ops[i].channel);
    SOBJ_WAIT(status, sobj_select(s->ops, s->count, index, wait.deadline, wait.domain));
    for (uint32_t i = 0; i < s->count; i++)
        sobj_unref(s->ops[i].channel);
    sobj_wait_end(&wait);
    return status;
}

/* Raises what operation `index` came to. */
static void raise_op(struct selecting *s, uint32_t index, enum sobj_status status)
{
    struct sobj_object *core = s->ops[index].channel;
    const char *what = "cannot send: the channel is closed";

    if (s->ops[index].message == SOBJ_NO_CELL)
        what = "cannot receive: the channel is closed and drained";
    if (status == SOBJ_CLOSED)
        sobj_raise_error(s->state, SOBJ_ERR_CHANNEL_CLOSED, "select(): ops[%u]: %s",
                         (unsigned)index, what);
    else if (status == SOBJ_FULL)
        sobj_raise_error(
            s->state, SOBJ_ERR_CHANNEL_FULL,
            "select(): ops[%u]: the channel is full, its maxsize is %lu; its "
            "overflow is 'error': 'block' waits for room",
            (unsigned)index, (unsigned long)sobj_channel_capacity(core));
    else
        sobj_raise(s->state, status);
}

/* Gives the exception that is set the attribute index. */
static void name_op(PyObject *index)
{
    PyObject *error = PyErr_GetRaisedException();

    sobj_channel_set_on_error(error, "index", index);
    PyErr_SetRaisedException(error);
}

/* Turns what operation `index` came to into (index, value), or NULL with an exception. A
 * message that came is consumed; one that was sent is not looked at. */
static PyObject *result(struct selecting *s, uint32_t index, bool sending,
                        enum sobj_status status)
{
    PyObject *number = PyLong_FromUnsignedLong(index), *value = NULL, *pair = NULL;

    if (number == NULL)
        return NULL;
    if (status == SOBJ_OK && !sending) {
        sobj_cell message = s->ops[index].message;
        s->ops[index].message = SOBJ_NO_CELL;
        value = sobj_decode_message(s->state, message);
    } else if (status == SOBJ_OK) {
        value = Py_NewRef(Py_None);
    } else if (status == SOBJ_FULL &&
               sobj_channel_overflow(s->ops[index].channel) == SOBJ_OVERFLOW_DROP_NEW) {
        value = Py_NewRef(Py_False);
    } else {
        raise_op(s, index, status);
    }
    if (value != NULL)
        pair = PyTuple_Pack(2, number, value);
    else
        name_op(number);
    Py_XDECREF(value);
    Py_DECREF(number);
    return pair;
}

/* Whether the status is about one of the operations. */
static bool of_an_op(enum sobj_status status)
{
    return status == SOBJ_OK || status == SOBJ_CLOSED || status == SOBJ_FULL;
}

const char sobj_channel_select_doc[] = PyDoc_STR(
    "select($module, /, *ops, timeout=None, default=...)\n--\n\n"
    "Do exactly one of several sends and receives; return (index, value).\n\n"
    "An operation is a Channel, Queue or Receiver, to receive from it, or a tuple\n"
    "(channel, value), to send value to it; the same channel may come several\n"
    "times. index says which one was done; value is the message received, None\n"
    "for a send, and False for a send whose message was dropped (overflow=\n"
    "'drop_new'). Among those that are possible at once each is as likely as any\n"
    "other. Atomic: the others have not happened.\n\n"
    "Blocks until one is possible, without the GIL, for at most timeout seconds\n"
    "(None: for ever). With default it never waits: it returns (-1, default) when\n"
    "none is possible; default=MISSING is no default.\n\n"
    "A closed channel, for a receiver also drained, is possible and raises\n"
    "ChannelClosed, a full one whose overflow is 'error' ChannelFull; these, and\n"
    "what unpickling the message raises, have an attribute index. Raises\n"
    "SelectTimeout, a TimeoutError, when the timeout has run out;\n"
    "NotShareableError, with nothing sent, if a value cannot be pickled; ValueError\n"
    "for no operations or a negative timeout; TypeError for anything else than an\n"
    "operation; MemoryError, which has no index, with nothing sent. Costs the copy\n"
    "of each value, and time in proportion to the number of operations.");

PyObject *sobj_channel_py_select(PyObject *module, PyObject *const *args,
                                 Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"timeout", "default", NULL};
    static const struct sobj_signature signature = {"select", names, 0, 0};
    struct selecting s = {.state = sobj_state_of_module(module)};
    struct sobj_timeout limit = SOBJ_NO_TIMEOUT;
    PyObject *given[2] = {NULL, NULL};
    uint32_t index = 0;

    if (keywords != NULL &&
        (sobj_args(&signature, args + count, 0, keywords, given) < 0 ||
         sobj_timeout_init(&limit, given[0]) < 0))
        return NULL;
    if (begin(&s, args, count) < 0)
        return NULL;
    if (given[1] == s.state->missing)
        given[1] = NULL;
    enum sobj_status status = sobj_try_select(s.ops, s.count, &index);
    if (status == SOBJ_EMPTY && given[1] == NULL)
        status = wait_for(&s, &limit, &index);

    bool sending = of_an_op(status) && PyTuple_Check(args[index]);
    PyObject *pair = NULL;
    if (of_an_op(status))
        pair = result(&s, index, sending, status);
    else if (status == SOBJ_EMPTY)
        pair = Py_BuildValue("(iO)", -1, given[1]);
    else if (status == SOBJ_TIMEOUT)
        sobj_raise_timeout(sobj_error_class(s.state, SOBJ_ERR_SELECT_TIMEOUT),
                           "select(): no operation was possible", &limit, "one is");
    else
        sobj_raise(s.state, status);
    end(&s, sending && status == SOBJ_OK ? index : UINT32_MAX);
    return pair;
}
