/* SPDX-License-Identifier: MIT */
/* The types Channel, Sender and Receiver; the core's contracts are sharedobj/channel.h and
 * channel_end.h.
 *
 * Every operation first tries without waiting and with the GIL held; only when that
 * says "full" or "empty" the GIL is let go of for a wait. A message is encoded before
 * anything else and decoded after everything else, so that no Python code runs in
 * between.
 */
#include "channel_type.h"

#include "args.h"
#include "channel_async.h"

#define MAX_CAPACITY ((Py_ssize_t)1 << 31)

/* ---- making one */

/* Returns: 0 and the number; -1 with TypeError or ValueError. */
static int parse_maxsize(PyObject *object, uint32_t *maxsize)
{
    Py_ssize_t n;

    if (!PyIndex_Check(object)) {
        PyErr_Format(PyExc_TypeError,
                     "maxsize must be an int, not %s; 0 means no limit",
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    /* NULL: what does not fit becomes the nearest number that does. */
    n = PyNumber_AsSsize_t(object, NULL);
    if (n == -1 && PyErr_Occurred())
        return -1;
    if (n < 0 || n > MAX_CAPACITY) {
        PyErr_Format(PyExc_ValueError,
                     "maxsize must be from 0 to 2**31, not %R; 0 means no limit",
                     object);
        return -1;
    }
    *maxsize = (uint32_t)n;
    return 0;
}

static const char *const policies[] = {
    [SOBJ_OVERFLOW_BLOCK] = "block",
    [SOBJ_OVERFLOW_DROP_NEW] = "drop_new",
    [SOBJ_OVERFLOW_DROP_OLD] = "drop_old",
    [SOBJ_OVERFLOW_ERROR] = "error",
};
#define POLICIES (sizeof policies / sizeof *policies)

static const char *policy_of(PyObject *self)
{
    return policies[sobj_channel_overflow(sobj_handle_core(self))];
}

/* Returns: 0 and the policy; -1 with TypeError or ValueError. */
static int parse_overflow(PyObject *object, enum sobj_overflow *overflow)
{
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError,
                     "overflow must be a str, not %s; one of 'block', 'drop_new', "
                     "'drop_old' and 'error'",
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    for (size_t i = 0; i < POLICIES; i++) {
        if (PyUnicode_CompareWithASCIIString(object, policies[i]) == 0) {
            *overflow = (enum sobj_overflow)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "overflow must be 'block', 'drop_new', 'drop_old' or 'error', not %R",
                 object);
    return -1;
}

static PyObject *channel_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *kwlist[] = {"maxsize", "overflow", "rendezvous", NULL};
    struct sobj_state *state = sobj_state_of_type(type);
    struct sobj_object *core;
    PyObject *given = NULL, *policy = NULL;
    uint32_t maxsize = 0;
    enum sobj_overflow overflow = SOBJ_OVERFLOW_BLOCK;
    int rendezvous = 0;

    if (state == NULL ||
        !PyArg_ParseTupleAndKeywords(args, keywords, "|O$Op:Channel", kwlist, &given,
                                     &policy, &rendezvous) ||
        (given != NULL && parse_maxsize(given, &maxsize) < 0) ||
        (policy != NULL && parse_overflow(policy, &overflow) < 0))
        return NULL;
    if (rendezvous && (maxsize != 0 || overflow != SOBJ_OVERFLOW_BLOCK)) {
        PyErr_SetString(PyExc_ValueError,
                        maxsize != 0
                            ? "a rendezvous holds no messages: leave maxsize away"
                            : "a rendezvous never is full: leave overflow away");
        return NULL;
    }
    if ((rendezvous ? sobj_channel_new_rendezvous(&core)
                    : sobj_channel_new(maxsize, overflow, &core)) != SOBJ_OK)
        return PyErr_NoMemory();
    return sobj_handle_for(state, core);
}

static PyObject *channel_repr(PyObject *self)
{
    struct sobj_object *core = sobj_handle_core(self);
    bool blocks = sobj_channel_overflow(core) == SOBJ_OVERFLOW_BLOCK;

    if (sobj_channel_is_rendezvous(core))
        return PyUnicode_FromFormat("<Channel id=%lld rendezvous %s>",
                                    (long long)sobj_id_of(core),
                                    sobj_channel_closed(core) ? "closed" : "open");
    return PyUnicode_FromFormat(
        "<Channel id=%lld maxsize=%lu%s%s qsize=%zu %s>", (long long)sobj_id_of(core),
        (unsigned long)sobj_channel_capacity(core),
        blocks ? "" : " overflow=", blocks ? "" : policy_of(self),
        sobj_channel_count(core), sobj_channel_closed(core) ? "closed" : "open");
}

/* ---- sending */

/* Coroutines of a Queue come here, too. */
static bool is_queue(PyObject *self)
{
    return sobj_type_of(sobj_handle_core(self)) == SOBJ_TYPE_QUEUE;
}

/* What to do about a channel that is full. */
static const char *remedy(struct sobj_object *core)
{
    return sobj_channel_overflow(core) == SOBJ_OVERFLOW_BLOCK
               ? "send() waits for room, try_send() returns False instead"
               : "its overflow is 'error': try_send() returns False instead, 'block' "
                 "waits for room";
}

PyObject *sobj_channel_raise_sent(PyObject *self, const char *function,
                                  enum sobj_status status,
                                  const struct sobj_timeout *limit)
{
    struct sobj_object *core = sobj_handle_core(self);
    struct sobj_state *state = sobj_channel_state(self);
    char what[64];

    bool meets = sobj_channel_is_rendezvous(core);

    if (status == SOBJ_FULL && meets)
        return sobj_raise_error(
            state, SOBJ_ERR_CHANNEL_FULL,
            "%s(): no receiver waits at the rendezvous; send() waits "
            "for one, try_send() returns False instead",
            function);
    if (status == SOBJ_FULL)
        return sobj_raise_error(state, SOBJ_ERR_CHANNEL_FULL,
                                "%s(): the channel is full, its maxsize is %lu; %s",
                                function, (unsigned long)sobj_channel_capacity(core),
                                remedy(core));
    if (status == SOBJ_CLOSED)
        return sobj_raise_error(state, SOBJ_ERR_CHANNEL_CLOSED,
                                is_queue(self) ? "cannot put: the queue is shut down"
                                               : "cannot send: the channel is closed");
    if (status != SOBJ_TIMEOUT)
        return sobj_raise(state, status);
    PyOS_snprintf(what, sizeof what,
                  meets ? "%s(): no receiver came" : "%s(): the channel had no room",
                  function);
    return sobj_raise_timeout(sobj_error_class(state, SOBJ_ERR_CHANNEL_FULL_TIMEOUT),
                              what, limit, meets ? "one comes" : "it has");
}

/* Turns what a send came to into a result: True, False if it was dropped, or NULL with an
 * exception. */
static PyObject *sent(PyObject *self, const char *function, enum sobj_status status,
                      sobj_cell message, const struct sobj_timeout *limit)
{
    struct sobj_object *core = sobj_handle_core(self);

    if (status == SOBJ_OK)
        Py_RETURN_TRUE;
    sobj_cell_unref(message);
    if (status == SOBJ_FULL && sobj_channel_overflow(core) == SOBJ_OVERFLOW_DROP_NEW)
        Py_RETURN_FALSE;
    return sobj_channel_raise_sent(self, function, status, limit);
}

PyObject *sobj_channel_sent(PyObject *self, const char *function,
                            enum sobj_status status, sobj_cell message)
{
    static const struct sobj_timeout none = SOBJ_NO_TIMEOUT;

    return sent(self, function, status, message, &none);
}

enum sobj_status sobj_channel_wait_send(PyObject *self, sobj_cell message,
                                        const struct sobj_timeout *limit)
{
    enum sobj_status status;
    struct sobj_wait wait;

    if (sobj_wait_begin(&wait, self, limit) < 0)
        return SOBJ_INTERRUPTED;
    SOBJ_WAIT(status,
              sobj_channel_send(wait.core, message, wait.deadline, wait.domain));
    sobj_wait_end(&wait);
    return status;
}

PyDoc_STRVAR(
    send_doc,
    "send($self, /, message, timeout=None)\n--\n\n"
    "Send a message, waiting for room; return True.\n\n"
    "The message is any object that can be pickled; the receiver gets its own\n"
    "copy, and shared objects inside by reference. Atomic: it is sent as a\n"
    "whole or not at all. Blocks while the channel is full, without the GIL,\n"
    "for at most timeout seconds (None: for ever).\n\n"
    "A channel with another overflow than 'block' never blocks: 'drop_new'\n"
    "returns False when the message was dropped, 'drop_old' drops the oldest\n"
    "one instead, 'error' raises ChannelFull at once.\n\n"
    "Raises ChannelClosed; ChannelFullTimeout, a ChannelFull and a\n"
    "ChannelTimeout, when the timeout has run out; NotShareableError if it\n"
    "cannot be pickled, ValueError for a negative timeout. Costs the copy, and\n"
    "an uncontended atomic exchange.");

static PyObject *channel_send(PyObject *self, PyObject *const *args, Py_ssize_t count,
                              PyObject *keywords)
{
    static const char *const names[] = {"message", "timeout", NULL};
    static const struct sobj_signature signature = {"send", names, 1, 2};
    struct sobj_object *core = sobj_handle_core(self);
    PyObject *given[2] = {NULL, NULL};
    struct sobj_timeout limit = SOBJ_NO_TIMEOUT;
    sobj_cell message;

    if (count == 1 && keywords == NULL)
        given[0] = args[0];
    else if (sobj_args(&signature, args, count, keywords, given) < 0 ||
             sobj_timeout_init(&limit, given[1]) < 0)
        return NULL;
    if (sobj_encode_message(sobj_channel_state(self), given[0], &message) < 0)
        return NULL;
    enum sobj_status status = sobj_channel_try_send(core, message);
    if (status == SOBJ_FULL && sobj_channel_overflow(core) == SOBJ_OVERFLOW_BLOCK)
        status = sobj_channel_wait_send(self, message, &limit);
    return sent(self, "send", status, message, &limit);
}

PyDoc_STRVAR(send_nowait_doc,
             "send_nowait($self, message, /)\n--\n\n"
             "Send a message without waiting; return True.\n\n"
             "As send(), but raises ChannelFull at once when there is no room (with\n"
             "overflow='drop_new': returns False, the message is dropped).");

static PyObject *channel_send_nowait(PyObject *self, PyObject *message)
{
    static const struct sobj_timeout none = SOBJ_NO_TIMEOUT;
    sobj_cell cell;

    if (sobj_encode_message(sobj_channel_state(self), message, &cell) < 0)
        return NULL;
    enum sobj_status status = sobj_channel_try_send(sobj_handle_core(self), cell);
    return sent(self, "send_nowait", status, cell, &none);
}

PyDoc_STRVAR(try_send_doc,
             "try_send($self, message, /)\n--\n\n"
             "Send a message if there is room; return whether it was sent.\n\n"
             "Never waits; with overflow='drop_old' there always is room. Raises\n"
             "ChannelClosed and NotShareableError as send() does.");

static PyObject *channel_try_send(PyObject *self, PyObject *message)
{
    static const struct sobj_timeout none = SOBJ_NO_TIMEOUT;
    sobj_cell cell;

    if (sobj_encode_message(sobj_channel_state(self), message, &cell) < 0)
        return NULL;
    enum sobj_status status = sobj_channel_try_send(sobj_handle_core(self), cell);
    if (status != SOBJ_FULL)
        return sent(self, "try_send", status, cell, &none);
    sobj_cell_unref(cell);
    Py_RETURN_FALSE;
}

/* ---- receiving */

PyObject *sobj_channel_raise_received(PyObject *self, enum sobj_status status)
{
    if (status == SOBJ_EMPTY)
        return sobj_raise_error(sobj_channel_state(self), SOBJ_ERR_CHANNEL_EMPTY,
                                "recv_nowait(): the channel is empty; recv() waits for "
                                "a message, try_recv() returns None instead");
    if (status == SOBJ_CLOSED)
        return sobj_raise_error(sobj_channel_state(self), SOBJ_ERR_CHANNEL_CLOSED,
                                is_queue(self)
                                    ? "cannot get: the queue is shut down and empty"
                                    : "cannot receive: the channel is closed and "
                                      "drained");
    return sobj_raise(sobj_channel_state(self), status);
}

PyObject *sobj_channel_raise_no_message(PyObject *self, const char *function,
                                        const struct sobj_timeout *limit)
{
    char what[64];

    PyOS_snprintf(what, sizeof what, "%s(): no message came", function);
    return sobj_raise_timeout(
        sobj_error_class(sobj_channel_state(self), SOBJ_ERR_CHANNEL_EMPTY_TIMEOUT),
        what, limit, "one comes");
}

PyObject *sobj_channel_received(PyObject *self, enum sobj_status status,
                                sobj_cell message)
{
    return status == SOBJ_OK ? sobj_decode_message(sobj_channel_state(self), message)
                             : sobj_channel_raise_received(self, status);
}

enum sobj_status sobj_channel_receive(PyObject *self, const struct sobj_timeout *limit,
                                      sobj_cell *message)
{
    enum sobj_status status = sobj_channel_try_recv(sobj_handle_core(self), message);
    struct sobj_wait wait;

    if (status != SOBJ_EMPTY)
        return status;
    if (sobj_wait_begin(&wait, self, limit) < 0)
        return SOBJ_INTERRUPTED;
    SOBJ_WAIT(status,
              sobj_channel_recv(wait.core, message, wait.deadline, wait.domain));
    sobj_wait_end(&wait);
    return status;
}

PyDoc_STRVAR(
    recv_doc,
    "recv($self, /, timeout=None)\n--\n\n"
    "Receive the oldest message, waiting for one.\n\n"
    "Atomic: every message goes to one receiver. Blocks while the channel is\n"
    "empty and open, without the GIL, for at most timeout seconds (None: for\n"
    "ever).\n\n"
    "Raises ChannelClosed when it is closed and drained; ChannelEmptyTimeout, a\n"
    "ChannelEmpty and a ChannelTimeout, when the timeout has run out; ValueError\n"
    "for a negative timeout; and whatever unpickling the message raises: then\n"
    "the message is consumed. Costs an uncontended atomic exchange, and the\n"
    "copy.");

static PyObject *channel_recv(PyObject *self, PyObject *const *args, Py_ssize_t count,
                              PyObject *keywords)
{
    static const char *const names[] = {"timeout", NULL};
    static const struct sobj_signature signature = {"recv", names, 0, 1};
    struct sobj_timeout limit = SOBJ_NO_TIMEOUT;
    PyObject *timeout = NULL;
    sobj_cell message = SOBJ_NO_CELL;

    if (count + (keywords != NULL) != 0) {
        if (sobj_args(&signature, args, count, keywords, &timeout) < 0 ||
            sobj_timeout_init(&limit, timeout) < 0)
            return NULL;
    }
    enum sobj_status status = sobj_channel_receive(self, &limit, &message);
    if (status == SOBJ_TIMEOUT)
        return sobj_channel_raise_no_message(self, "recv", &limit);
    return sobj_channel_received(self, status, message);
}

PyDoc_STRVAR(recv_nowait_doc,
             "recv_nowait($self, /)\n--\n\n"
             "Receive the oldest message without waiting.\n\n"
             "As recv(), but raises ChannelEmpty at once when there is none.");

static PyObject *channel_recv_nowait(PyObject *self, PyObject *unused)
{
    sobj_cell message = SOBJ_NO_CELL;
    enum sobj_status status = sobj_channel_try_recv(sobj_handle_core(self), &message);

    return sobj_channel_received(self, status, message);
}

PyDoc_STRVAR(
    try_recv_doc,
    "try_recv($self, /, default=None)\n--\n\n"
    "Receive the oldest message, or return default if there is none.\n\n"
    "Never waits. Raises ChannelClosed when the channel is closed and drained.");

static PyObject *channel_try_recv(PyObject *self, PyObject *const *args,
                                  Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"default", NULL};
    static const struct sobj_signature signature = {"try_recv", names, 0, 1};
    PyObject *otherwise = Py_None;
    sobj_cell message = SOBJ_NO_CELL;

    if (count + (keywords != NULL) != 0 &&
        sobj_args(&signature, args, count, keywords, &otherwise) < 0)
        return NULL;
    enum sobj_status status = sobj_channel_try_recv(sobj_handle_core(self), &message);
    if (status == SOBJ_EMPTY)
        return Py_NewRef(otherwise);
    return sobj_channel_received(self, status, message);
}

static PyObject *channel_next(PyObject *self)
{
    static const struct sobj_timeout none = SOBJ_NO_TIMEOUT;
    sobj_cell message = SOBJ_NO_CELL;
    enum sobj_status status = sobj_channel_receive(self, &none, &message);

    if (status == SOBJ_CLOSED)
        return NULL; /* the end of the iteration */
    return sobj_channel_received(self, status, message);
}

/* ---- the rest */

PyDoc_STRVAR(close_doc,
             "close($self, /, immediate=False)\n--\n\n"
             "Close the channel: no more sends; receivers drain what was accepted.\n\n"
             "One moment: a send that succeeded before it is delivered, a later one\n"
             "raises ChannelClosed. Wakes every waiter in every interpreter. With\n"
             "immediate=True messages not yet received are dropped. Idempotent; never\n"
             "blocks. A with statement closes at its end.");

int sobj_channel_immediate(const char *function, PyObject *const *args,
                           Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"immediate", NULL};
    struct sobj_signature signature = {function, names, 0, 1};
    PyObject *immediate = Py_False;

    if (sobj_args(&signature, args, count, keywords, &immediate) < 0)
        return -1;
    return PyObject_IsTrue(immediate);
}

static PyObject *channel_close(PyObject *self, PyObject *const *args, Py_ssize_t count,
                               PyObject *keywords)
{
    int discard = sobj_channel_immediate("close", args, count, keywords);

    if (discard < 0)
        return NULL;
    sobj_channel_close(sobj_handle_core(self), discard);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(enter_doc, "__enter__($self, /)\n--\n\nReturn the channel itself.");

static PyObject *channel_enter(PyObject *self, PyObject *unused)
{
    return Py_NewRef(self);
}

PyDoc_STRVAR(exit_doc, "__exit__($self, /, *exc_info)\n--\n\nClose the channel.");

static PyObject *channel_exit(PyObject *self, PyObject *args)
{
    sobj_channel_close(sobj_handle_core(self), false);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(qsize_doc,
             "qsize($self, /)\n--\n\n"
             "Return the number of messages waiting.\n\n"
             "Exact when nobody sends or receives at the moment. Never blocks.");

static PyObject *channel_qsize(PyObject *self, PyObject *unused)
{
    return PyLong_FromSize_t(sobj_channel_count(sobj_handle_core(self)));
}

static PyObject *channel_get_closed(PyObject *self, void *closure)
{
    return PyBool_FromLong(sobj_channel_closed(sobj_handle_core(self)));
}

static PyObject *channel_get_maxsize(PyObject *self, void *closure)
{
    return PyLong_FromUnsignedLong(sobj_channel_capacity(sobj_handle_core(self)));
}

static PyObject *channel_get_rendezvous(PyObject *self, void *closure)
{
    return PyBool_FromLong(sobj_channel_is_rendezvous(sobj_handle_core(self)));
}

static PyObject *channel_get_overflow(PyObject *self, void *closure)
{
    return PyUnicode_FromString(policy_of(self));
}

static PyGetSetDef channel_getset[] = {
    SOBJ_HANDLE_GETSET,
    {"closed", channel_get_closed, NULL,
     PyDoc_STR("Whether close() was called; messages may still be waiting."), NULL},
     {"maxsize", channel_get_maxsize, NULL,
      PyDoc_STR("How many messages the channel holds before it is full; 0: no limit."),
                NULL},
      {"overflow", channel_get_overflow, NULL,
       PyDoc_STR("What a send does when the channel is full: 'block', 'drop_new', "
               "'drop_old' or 'error'."),
                 NULL},
       {"rendezvous", channel_get_rendezvous, NULL,
        PyDoc_STR("Whether a send waits until a receiver takes the message."), NULL},
        {NULL},
      };

#define FAST(function) (PyCFunction)(void *)(function), METH_FASTCALL | METH_KEYWORDS

static PyMethodDef channel_methods[] = {
    {"send", FAST(channel_send), send_doc},
    {"send_many", FAST(sobj_channel_py_send_many), sobj_channel_send_many_doc},
    {"recv_many", FAST(sobj_channel_py_recv_many), sobj_channel_recv_many_doc},
    {"send_nowait", channel_send_nowait, METH_O, send_nowait_doc},
    {"try_send", channel_try_send, METH_O, try_send_doc},
    {"recv", FAST(channel_recv), recv_doc},
    {"recv_nowait", channel_recv_nowait, METH_NOARGS, recv_nowait_doc},
    {"try_recv", FAST(channel_try_recv), try_recv_doc},
    {"close", FAST(channel_close), close_doc},
    {"qsize", channel_qsize, METH_NOARGS, qsize_doc},
    {"split", sobj_channel_py_split, METH_NOARGS, sobj_channel_split_doc},
    SOBJ_CHANNEL_ASEND,
    SOBJ_CHANNEL_ARECV,
    {"__enter__", channel_enter, METH_NOARGS, enter_doc},
    {"__exit__", channel_exit, METH_VARARGS, exit_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, item, /)\n--\n\n"
               "For annotations: Channel[int].")},
     SOBJ_HANDLE_METHODS, SOBJ_HANDLE_COPY_METHODS, {NULL},
    };

PyDoc_STRVAR(
    channel_doc,
    "Channel(maxsize=0, *, overflow='block', rendezvous=False)\n--\n\n"
    "A queue of messages between threads and interpreters, first in, first out.\n\n"
    "Any number of senders and receivers. maxsize is how many messages it holds\n"
    "before it is full; 0 means no limit, and then it never is. overflow says\n"
    "what a send to a full channel does: 'block' waits for room, 'drop_new' drops\n"
    "the message that is to be sent, 'drop_old' the oldest one that waits, 'error'\n"
    "raises ChannelFull.\n\n"
    "With rendezvous=True it holds no messages: a send waits until a receiver takes\n"
    "the message, and both return from that one moment. A send that ends otherwise\n"
    "(timeout, close, Ctrl-C) was not received. try_send() sends only if a receiver\n"
    "waits, try_recv() receives only if a sender does; maxsize and overflow mean\n"
    "nothing then and are a ValueError.\n\n"
    "A message may be any object that can be pickled; the receiver owns the copy\n"
    "it gets, and shared objects inside arrive by reference. Once a send has\n"
    "returned, its message stays until it is received, dropped by overflow, or\n"
    "the channel itself dies, whatever becomes of the sender. Iterating receives\n"
    "until the channel is closed and drained.\n\n"
    "A Channel is always true, hashes by identity, and equals every handle of\n"
    "the same channel.");

static PyType_Slot channel_slots[] = {
    {Py_tp_doc, (void *)channel_doc},
    {Py_tp_new, channel_new},
    {Py_tp_repr, channel_repr},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, channel_next},
    SOBJ_CHANNEL_ASYNC_SLOTS,
    {Py_tp_hash, sobj_handle_hash},
    {Py_tp_richcompare, sobj_handle_richcompare},
    {Py_tp_methods, channel_methods},
    {Py_tp_getset, channel_getset},
    SOBJ_HANDLE_SLOTS(sobj_channel_dealloc, sobj_handle_traverse),
    {0, NULL},
};

static PyType_Spec channel_spec = {
    .name = "sharedobj.Channel",
    .basicsize = sizeof(SobjChannel),
    .flags = SOBJ_HANDLE_FLAGS,
    .slots = channel_slots,
};

/* ---- Sender and Receiver: each has its half of the methods. */

static PyMethodDef sender_methods[] = {
    {"send", FAST(channel_send), send_doc},
    {"send_many", FAST(sobj_channel_py_send_many), sobj_channel_send_many_doc},
    {"send_nowait", channel_send_nowait, METH_O, send_nowait_doc},
    {"try_send", channel_try_send, METH_O, try_send_doc},
    {"close", FAST(channel_close), close_doc},
    {"qsize", channel_qsize, METH_NOARGS, qsize_doc},
    SOBJ_CHANNEL_ASEND,
    {"__enter__", channel_enter, METH_NOARGS, enter_doc},
    {"__exit__", channel_exit, METH_VARARGS, exit_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, item, /)\n--\n\n"
               "For annotations: Sender[int].")},
     SOBJ_HANDLE_METHODS, SOBJ_HANDLE_COPY_METHODS, {NULL},
    };

PyDoc_STRVAR(
    sender_doc,
    "The sending end of a channel; Channel.split() makes it.\n\n"
    "It has what a Channel has for sending. It counts as long as there is a handle\n"
    "of it in any interpreter, or a message, container or pickle that holds it.\n"
    "When the last Sender of a channel has gone, because it was deleted, its\n"
    "thread or interpreter has ended or an exception has passed by, the channel is\n"
    "closed: receivers drain it and get ChannelClosed.");

static PyType_Slot sender_slots[] = {
    {Py_tp_doc, (void *)sender_doc},
    {Py_tp_repr, sobj_channel_end_repr},
    {Py_tp_hash, sobj_handle_hash},
    {Py_tp_richcompare, sobj_handle_richcompare},
    {Py_tp_methods, sender_methods},
    {Py_tp_getset, channel_getset},
    SOBJ_HANDLE_SLOTS(sobj_channel_dealloc, sobj_handle_traverse),
    {0, NULL},
};

static PyType_Spec sender_spec = {
    .name = "sharedobj.Sender",
    .basicsize = sizeof(SobjChannel),
    .flags = SOBJ_HANDLE_FLAGS | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = sender_slots,
};

static PyMethodDef receiver_methods[] = {
    {"recv", FAST(channel_recv), recv_doc},
    {"recv_many", FAST(sobj_channel_py_recv_many), sobj_channel_recv_many_doc},
    {"recv_nowait", channel_recv_nowait, METH_NOARGS, recv_nowait_doc},
    {"try_recv", FAST(channel_try_recv), try_recv_doc},
    {"close", FAST(channel_close), close_doc},
    {"qsize", channel_qsize, METH_NOARGS, qsize_doc},
    SOBJ_CHANNEL_ARECV,
    {"__enter__", channel_enter, METH_NOARGS, enter_doc},
    {"__exit__", channel_exit, METH_VARARGS, exit_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, item, /)\n--\n\n"
               "For annotations: Receiver[int].")},
     SOBJ_HANDLE_METHODS, SOBJ_HANDLE_COPY_METHODS, {NULL},
    };

PyDoc_STRVAR(
    receiver_doc,
    "The receiving end of a channel; Channel.split() makes it.\n\n"
    "It has what a Channel has for receiving; iterating receives until the channel\n"
    "is closed and drained. It counts as a Sender does. When the last Receiver of\n"
    "a channel has gone, the channel is closed, senders get ChannelClosed at\n"
    "once, those that wait as well, and messages that were not received are\n"
    "dropped. A Receiver that lies in a message of its own channel keeps itself\n"
    "alive.");

static PyType_Slot receiver_slots[] = {
    {Py_tp_doc, (void *)receiver_doc},
    {Py_tp_repr, sobj_channel_end_repr},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, channel_next},
    SOBJ_CHANNEL_ASYNC_SLOTS,
    {Py_tp_hash, sobj_handle_hash},
    {Py_tp_richcompare, sobj_handle_richcompare},
    {Py_tp_methods, receiver_methods},
    {Py_tp_getset, channel_getset},
    SOBJ_HANDLE_SLOTS(sobj_channel_dealloc, sobj_handle_traverse),
    {0, NULL},
};

static PyType_Spec receiver_spec = {
    .name = "sharedobj.Receiver",
    .basicsize = sizeof(SobjChannel),
    .flags = SOBJ_HANDLE_FLAGS | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = receiver_slots,
};

int sobj_channel_exec(PyObject *module, struct sobj_state *state)
{
    if (sobj_channel_async_exec(module, state) < 0 ||
        sobj_handle_add_type(module, state, SOBJ_TYPE_CHANNEL, &channel_spec) < 0 ||
        sobj_handle_add_type(module, state, SOBJ_TYPE_SENDER, &sender_spec) < 0)
        return -1;
    return sobj_handle_add_type(module, state, SOBJ_TYPE_RECEIVER, &receiver_spec);
}
