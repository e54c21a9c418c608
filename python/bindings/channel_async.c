/* SPDX-License-Identifier: MIT */
/* Channels in event loops: descriptors, and the C half of asend() and arecv(), whose other
 * half is sharedobj/_aio.py.
 *
 *     asend(), arecv(), anext() ──> operation ──> coroutine asend_or_arecv(operation)
 *                                      │ attempt()   once, without waiting
 *                                      └ watch() ──> watch: a descriptor of its own
 *
 *   A1  A message is encoded when the operation is made and decoded within attempt(), so
 *       between the two the coroutine only waits: who cancels it loses nothing. An
 *       operation that ends before its message was sent drops it.
 *   A2  An operation keeps its handle: the end that it belongs to counts as long as the
 *       coroutine lives. A watch keeps the channel only, which counts as no end: it may
 *       stay a little longer.
 *   A3  Whoever calls attempt() takes the message out of the operation and puts it back if
 *       there is no room: two threads never have the same one. So it is with the offer.
 *   A4  A send that waits at a rendezvous leaves an offer, which whoever receives can take:
 *       a coroutine, too, which leaves none. It is ended, at the latest, with the
 *       operation, and before the watch that is told of it.
 */
#include "channel_async.h"

#include "sharedobj/channel_end.h"
#include "sharedobj/notify.h"

/* ---- fileno() */

struct sobj_watched {
    struct sobj_watched *next;
    struct sobj_notifier *notifier;
    uint64_t thread;
};

static void free_watched(struct sobj_watched *w)
{
    struct sobj_watched *next;

    for (; w != NULL; w = next) {
        next = w->next;
        sobj_notifier_free(w->notifier);
        PyMem_RawFree(w);
    }
}

static void channel_fini(SobjHandle *self)
{
    free_watched(((SobjChannel *)self)->watched);
}

void sobj_channel_dealloc(PyObject *self)
{
    sobj_handle_dealloc_with(self, channel_fini);
}

/* Takes those out of the list that belong to `thread` or to one that has ended. */
static struct sobj_watched *take_out(SobjChannel *self, uint64_t thread)
{
    struct sobj_watched **p = &self->watched, *w, *out = NULL;

    sobj_mutex_lock(&self->mutex);
    while ((w = *p) != NULL) {
        if (w->thread != thread && !sobj_thread_ended(w->thread)) {
            p = &w->next;
            continue;
        }
        *p = w->next;
        w->next = out;
        out = w;
    }
    sobj_mutex_unlock(&self->mutex);
    return out;
}

/* Returns: the descriptor of this thread, or -1. Only this thread removes its entry. */
static int descriptor_of(SobjChannel *self, uint64_t thread)
{
    struct sobj_watched *w;

    sobj_mutex_lock(&self->mutex);
    for (w = self->watched; w != NULL && w->thread != thread; w = w->next)
        ;
    sobj_mutex_unlock(&self->mutex);
    return w != NULL ? sobj_notifier_fd(w->notifier) : -1;
}

/* Returns: 0, or -1 with MemoryError or OSError. */
static int new_notifier(struct sobj_object *channel, bool sending, bool of_thread,
                        struct sobj_notifier **notifier)
{
    enum sobj_status status = sobj_notifier_new(channel, sending, of_thread, notifier);

    if (status == SOBJ_OK)
        return 0;
    if (status == SOBJ_OS_ERROR)
        PyErr_SetFromErrno(PyExc_OSError);
    else
        PyErr_NoMemory();
    return -1;
}

const char sobj_channel_fileno_doc[] = PyDoc_STR(
    "fileno($self, /)\n--\n\n"
    "Return a file descriptor that is readable when a receive may succeed.\n\n"
    "That is, when there is a message or the channel is closed. For selectors,\n"
    "select.select, epoll and the loops of GUI toolkits; receive with recv_nowait()\n"
    "or try_recv(), because another receiver may be faster. A receive that finds the\n"
    "channel empty makes the descriptor unreadable again. There is nothing to read\n"
    "from it, and it must not be closed.\n\n"
    "Made at the first call, one for each handle and thread that asks, and closed\n"
    "with either of them. A child of os.fork() has one of its own under the same\n"
    "number. OSError if there is none to be had; the channel works on. Costs senders\n"
    "a system call when it becomes readable, not for each message.");

PyObject *sobj_channel_fileno(PyObject *op, PyObject *unused)
{
    SobjChannel *self = (SobjChannel *)op;
    struct sobj_thread *thread = sobj_thread();
    struct sobj_watched *w;
    int fd;

    if (thread == NULL)
        return PyErr_NoMemory();
    fd = descriptor_of(self, thread->serial);
    if (fd >= 0)
        return PyLong_FromLong(fd);
    free_watched(take_out(self, thread->serial));
    w = PyMem_RawCalloc(1, sizeof *w);
    if (w == NULL)
        return PyErr_NoMemory();
    if (new_notifier(sobj_channel_of(self->handle.core), false, true, &w->notifier) <
        0) {
        PyMem_RawFree(w);
        return NULL;
    }
    w->thread = thread->serial;
    fd = sobj_notifier_fd(w->notifier);
    sobj_mutex_lock(&self->mutex);
    w->next = self->watched;
    self->watched = w;
    sobj_mutex_unlock(&self->mutex);
    return PyLong_FromLong(fd);
}

/* ---- watches */

typedef struct {
    PyObject_HEAD
    struct sobj_object *channel; /* a reference */
    struct sobj_notifier *notifier;
} Watch;

static PyObject *watch_new(struct sobj_state *state, struct sobj_object *channel,
                           bool sending)
{
    PyTypeObject *type = (PyTypeObject *)state->channel_watch;
    Watch *self = type != NULL ? (Watch *)type->tp_alloc(type, 0) : NULL;

    if (self == NULL)
        return type != NULL ? NULL : sobj_raise_unloaded();
    sobj_ref(channel);
    self->channel = channel;
    if (new_notifier(channel, sending, false, &self->notifier) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void watch_dealloc(PyObject *op)
{
    Watch *self = (Watch *)op;
    PyTypeObject *type = Py_TYPE(op);
    struct sobj_object *channel = self->channel;

    if (self->notifier != NULL)
        sobj_notifier_free(self->notifier);
    type->tp_free(op);
    Py_DECREF(type);
    sobj_unref(channel);
}

PyDoc_STRVAR(watch_fileno_doc, "fileno($self, /)\n--\n\nReturn the descriptor.");

static PyObject *watch_fileno(PyObject *self, PyObject *unused)
{
    return PyLong_FromLong(sobj_notifier_fd(((Watch *)self)->notifier));
}

static PyMethodDef watch_methods[] = {
    {"fileno", watch_fileno, METH_NOARGS, watch_fileno_doc},
    {NULL},
};

static PyType_Slot watch_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A descriptor that event loops wait for.")},
     {Py_tp_dealloc, watch_dealloc}, {Py_tp_methods, watch_methods}, {0, NULL},
};

static PyType_Spec watch_spec = {
    .name = "sharedobj._ChannelWatch",
    .basicsize = sizeof(Watch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = watch_slots,
};

/* ---- operations */

enum kind { SENDING, RECEIVING, ITERATING };

typedef struct {
    PyObject_HEAD
    PyObject *handle; /* const */
    enum kind kind;   /* const */
    struct sobj_mutex mutex;
    /* guarded by mutex (A3) */
    sobj_cell cell;           /* to send, or SOBJ_NO_CELL */
    struct sobj_offer *offer; /* NULL: none */
    PyObject *watch;          /* what is told of the offer; NULL: none */
} Operation;

/* Consumes: the cell. */
static PyObject *operation_new(PyObject *handle, enum kind kind, sobj_cell cell)
{
    PyTypeObject *type = (PyTypeObject *)sobj_channel_state(handle)->channel_operation;
    Operation *self = type != NULL ? (Operation *)type->tp_alloc(type, 0) : NULL;

    if (self == NULL) {
        if (cell != SOBJ_NO_CELL)
            sobj_cell_unref(cell);
        return type != NULL ? NULL : sobj_raise_unloaded();
    }
    self->handle = Py_NewRef(handle);
    self->kind = kind;
    self->cell = cell;
    return (PyObject *)self;
}

static int operation_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((Operation *)op)->handle);
    Py_VISIT(((Operation *)op)->watch);
    return 0;
}

/* What an operation has to send, on its way out of it and back. */
struct sending {
    sobj_cell cell;
    struct sobj_offer *offer;
    PyObject *watch;
};

static struct sending exchange(Operation *self, struct sending with)
{
    sobj_mutex_lock(&self->mutex);
    struct sending before = {self->cell, self->offer, self->watch};
    self->cell = with.cell;
    self->offer = with.offer;
    self->watch = with.watch;
    sobj_mutex_unlock(&self->mutex);
    return before;
}

static struct sending take_out_sending(Operation *self)
{
    return exchange(self, (struct sending){SOBJ_NO_CELL, NULL, NULL});
}

/* The message is in `cell` again, unless it was received. */
static void end_offer(struct sending *s)
{
    if (s->offer != NULL)
        sobj_offer_end(s->offer, &s->cell);
    s->offer = NULL;
    Py_CLEAR(s->watch); /* A4 */
}

static void operation_dealloc(PyObject *op)
{
    Operation *self = (Operation *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject *handle = self->handle;
    struct sending s = {self->cell, self->offer, self->watch};

    PyObject_GC_UnTrack(op);
    type->tp_free(op);
    Py_DECREF(type);
    end_offer(&s);
    Py_XDECREF(handle);
    if (s.cell != SOBJ_NO_CELL)
        sobj_cell_unref(s.cell);
}

/* `watch` is NULL in an attempt that leaves no offer. */
static enum sobj_status send_or_offer(struct sobj_object *core, struct sending *s,
                                      PyObject *watch)
{
    enum sobj_status status;

    if (s->offer != NULL)
        return sobj_offer_look(s->offer);
    if (watch == NULL || !sobj_channel_is_rendezvous(sobj_channel_of(core)))
        return sobj_channel_try_send(core, s->cell);
    status = sobj_channel_offer(sobj_channel_of(core), s->cell,
                                ((Watch *)watch)->notifier, &s->offer);
    if (s->offer != NULL)
        s->watch = Py_NewRef(watch);
    return status;
}

static PyObject *attempt_send(Operation *self, PyObject *watch)
{
    struct sobj_object *core = sobj_handle_core(self->handle);
    struct sending s = take_out_sending(self);

    if (s.cell == SOBJ_NO_CELL) {
        PyErr_SetString(PyExc_RuntimeError, "asend(): this message was sent already");
        return NULL;
    }
    enum sobj_status status = send_or_offer(core, &s, watch);
    if (status != SOBJ_FULL || sobj_channel_overflow(core) != SOBJ_OVERFLOW_BLOCK) {
        end_offer(&s);
        return sobj_channel_sent(self->handle, "asend", status, s.cell);
    }
    exchange(self, s);
    return Py_NewRef((PyObject *)self);
}

PyDoc_STRVAR(
    attempt_doc,
    "attempt($self, watch=None, /)\n--\n\n"
    "Return the result; the operation itself if it has to wait, for the watch.\n"
    "A send with a watch leaves an offer at a rendezvous; see withdraw().");

static PyObject *operation_attempt(PyObject *op, PyObject *const *args,
                                   Py_ssize_t count)
{
    Operation *self = (Operation *)op;
    PyObject *type = sobj_channel_state(self->handle)->channel_watch;
    PyObject *watch = count != 0 && args[0] != Py_None ? args[0] : NULL;
    sobj_cell message = SOBJ_NO_CELL;

    if (count > 1 || (watch != NULL && (PyObject *)Py_TYPE(watch) != type)) {
        PyErr_SetString(PyExc_TypeError, "attempt() takes a watch or nothing");
        return NULL;
    }
    if (self->kind == SENDING)
        return attempt_send(self, watch);
    enum sobj_status status =
        sobj_channel_try_recv(sobj_handle_core(self->handle), &message);
    if (status == SOBJ_EMPTY)
        return Py_NewRef(op);
    if (status == SOBJ_CLOSED && self->kind == ITERATING) {
        PyErr_SetNone(PyExc_StopAsyncIteration);
        return NULL;
    }
    return sobj_channel_received(self->handle, status, message);
}

PyDoc_STRVAR(withdraw_doc, "withdraw($self, /)\n--\n\n"
                           "End the offer that attempt() has left, if there is one.");

static PyObject *operation_withdraw(PyObject *op, PyObject *unused)
{
    Operation *self = (Operation *)op;
    struct sending s = take_out_sending(self);

    end_offer(&s);
    exchange(self, s);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(watch_doc,
             "watch($self, /)\n--\n\n"
             "Return a new watch, readable when an attempt may have a result.");

static PyObject *operation_watch(PyObject *op, PyObject *unused)
{
    Operation *self = (Operation *)op;
    struct sobj_object *core = sobj_handle_core(self->handle);

    return watch_new(sobj_channel_state(self->handle), sobj_channel_of(core),
                     self->kind == SENDING);
}

/* What operations have in common that wait for the same. */
static PyObject *operation_get_key(PyObject *op, void *closure)
{
    Operation *self = (Operation *)op;
    struct sobj_object *core = sobj_handle_core(self->handle);
    long long id = (long long)sobj_id_of(sobj_channel_of(core));

    return PyLong_FromLongLong(self->kind == SENDING ? -id : id);
}

static PyGetSetDef operation_getset[] = {
    {"key", operation_get_key, NULL,
     PyDoc_STR("A number that operations have in common that wait for the same."),
               NULL},
     {NULL},
};

static PyMethodDef operation_methods[] = {
    {"attempt", (PyCFunction)(void (*)(void))operation_attempt, METH_FASTCALL,
     attempt_doc},
    {"withdraw", operation_withdraw, METH_NOARGS, withdraw_doc},
    {"watch", operation_watch, METH_NOARGS, watch_doc},
    {NULL},
};

static PyType_Slot operation_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A send or receive of a coroutine.")},
     {Py_tp_dealloc, operation_dealloc}, {Py_tp_traverse, operation_traverse},
     {Py_tp_methods, operation_methods}, {Py_tp_getset, operation_getset}, {0, NULL},
};

static PyType_Spec operation_spec = {
    .name = "sharedobj._ChannelOperation",
    .basicsize = sizeof(Operation),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = operation_slots,
};

/* ---- methods */

/* Returns: the coroutine. Consumes: the operation, NULL: an exception is set. */
static PyObject *coroutine(PyObject *operation)
{
    PyObject *module, *result = NULL;

    if (operation == NULL)
        return NULL;
    module = PyImport_ImportModule("sharedobj._aio");
    if (module != NULL)
        result = PyObject_CallMethod(module, "asend_or_arecv", "O", operation);
    Py_XDECREF(module);
    Py_DECREF(operation);
    return result;
}

const char sobj_channel_asend_doc[] = PyDoc_STR(
    "asend($self, message, /)\n--\n\n"
    "Send a message from a coroutine: await ch.asend(message).\n\n"
    "As send(), but other tasks of the event loop run while it waits for room:\n"
    "asyncio (uvloop as well), trio, and anyio on either. The message is copied when\n"
    "asend() is called. A task that is cancelled while it waits has sent nothing;\n"
    "only at a rendezvous its message may have been received in that very moment.\n\n"
    "Raises what send() raises, but no timeout; RuntimeError where no event loop runs.");

PyObject *sobj_channel_asend(PyObject *self, PyObject *message)
{
    sobj_cell cell;

    if (sobj_encode_message(sobj_channel_state(self), message, &cell) < 0)
        return NULL;
    return coroutine(operation_new(self, SENDING, cell));
}

const char sobj_channel_arecv_doc[] = PyDoc_STR(
    "arecv($self, /)\n--\n\n"
    "Receive the oldest message in a coroutine: await ch.arecv().\n\n"
    "As recv(), but other tasks of the event loop run while it waits: asyncio\n"
    "(uvloop as well), trio, and anyio on either. The message is taken after the last\n"
    "wait, so cancelling never loses one. `async for` receives until the channel is\n"
    "closed and drained. Waiting costs a file descriptor for each loop and channel.\n\n"
    "Raises what recv() raises, but no timeout; RuntimeError where no event loop runs.");

PyObject *sobj_channel_arecv(PyObject *self, PyObject *unused)
{
    return coroutine(operation_new(self, RECEIVING, SOBJ_NO_CELL));
}

PyObject *sobj_channel_anext(PyObject *self)
{
    return coroutine(operation_new(self, ITERATING, SOBJ_NO_CELL));
}

int sobj_channel_async_exec(PyObject *module, struct sobj_state *state)
{
    state->channel_watch = PyType_FromModuleAndSpec(module, &watch_spec, NULL);
    state->channel_operation = PyType_FromModuleAndSpec(module, &operation_spec, NULL);
    return state->channel_watch != NULL && state->channel_operation != NULL ? 0 : -1;
}
