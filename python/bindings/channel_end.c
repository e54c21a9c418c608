/* SPDX-License-Identifier: MIT */
/* Senders and receivers: how a channel is split, and how its ends look. Their methods are
 * those of Channel (channel_type.c), because the core takes an end for its channel; the
 * counting is the core's (sharedobj/channel_end.h).
 */
#include "sharedobj/channel_end.h"

#include "channel_type.h"

const char sobj_channel_split_doc[] = PyDoc_STR(
    "split($self, /)\n--\n\n"
    "Make the two ends of the channel: return (Sender, Receiver).\n\n"
    "From then on the channel is closed when the last Sender or the last Receiver\n"
    "has gone, wherever that is. The Channel itself counts as neither: it may be\n"
    "used on, and keeps nobody waiting. A channel may be split again; all its\n"
    "Senders, and all its Receivers, are counted together. Never blocks.");

PyObject *sobj_channel_py_split(PyObject *self, PyObject *unused)
{
    struct sobj_state *state = sobj_channel_state(self);
    struct sobj_object *ends[2];
    PyObject *sender, *receiver, *result = NULL;

    if (sobj_channel_split(sobj_handle_core(self), &ends[0], &ends[1]) != SOBJ_OK)
        return PyErr_NoMemory();
    sender = sobj_handle_for(state, ends[0]);
    if (sender == NULL) {
        sobj_unref(ends[1]);
        return NULL;
    }
    receiver = sobj_handle_for(state, ends[1]);
    if (receiver != NULL)
        result = PyTuple_Pack(2, sender, receiver);
    if (result != NULL)
        sobj_channel_count_ends(ends[0], ends[1]);
    Py_XDECREF(receiver);
    Py_DECREF(sender);
    return result;
}

PyObject *sobj_channel_end_repr(PyObject *self)
{
    struct sobj_object *end = sobj_handle_core(self);
    struct sobj_object *channel = sobj_channel_of(end);

    return PyUnicode_FromFormat(
        "<%s id=%lld channel=%lld maxsize=%lu qsize=%zu %s>",
        sobj_type_of(end) == SOBJ_TYPE_SENDER ? "Sender" : "Receiver",
        (long long)sobj_id_of(end), (long long)sobj_id_of(channel),
        (unsigned long)sobj_channel_capacity(channel), sobj_channel_count(channel),
        sobj_channel_closed(channel) ? "closed" : "open");
}
