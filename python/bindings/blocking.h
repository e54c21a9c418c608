/* SPDX-License-Identifier: MIT */
/* Blocking calls: the one place that lets go of the GIL for a wait.
 *
 *     static PyObject *
 *     thing_take(PyObject *self, ..., PyObject *timeout)
 *     {
 *         struct sobj_timeout limit = SOBJ_NO_TIMEOUT;
 *         struct sobj_wait wait;
 *         enum sobj_status status;
 *
 *         if (sobj_timeout_init(&limit, timeout) < 0)
 *             return NULL;
 *         (try without waiting first)
 *         if (sobj_wait_begin(&wait, self, &limit) < 0)
 *             return NULL;
 *         SOBJ_WAIT(status, sobj_thing_take(wait.core, &out, wait.deadline,
 *                                           wait.domain));
 *         sobj_wait_end(&wait);
 *         if (status == SOBJ_INTERRUPTED)
 *             return NULL;                       a signal handler has raised
 *         if (status == SOBJ_TIMEOUT)
 *             return sobj_raise_timeout(PyExc_TimeoutError, "take(): nothing came",
 *                                       &limit, "something comes");
 *         ...
 *
 *   B1  The call into the core touches no Python object: everything it needs is in C
 *       variables, and the wait has its own reference to the core. Another thread may
 *       drop the handle meanwhile.
 *   B2  Taking the GIL back may never return: at the end of the process the interpreter
 *       lets other threads hang or exit there. So the core has unlinked the waiter, and
 *       holds no lock, before the call returns.
 *   B3  A signal ends the core's wait with INTERRUPTED; its handlers run here, with the
 *       GIL, and the wait goes on to the same deadline unless one of them has raised.
 *       (Python runs them in the main thread of the main interpreter only.)
 *   B4  When the interpreter shuts down the wait ends with CLOSING. An interpreter that
 *       is closed by another one first ends its threads: they are woken before it joins
 *       them. The main interpreter joins its threads first, because they are part of the
 *       program and may still serve each other; daemon threads are woken after that.
 */
#ifndef SOBJ_PY_BLOCKING_H
#define SOBJ_PY_BLOCKING_H

#include "errors.h"
#include "handle.h"

struct sobj_wait {
    struct sobj_object *core;   /* a reference */
    struct sobj_domain *domain; /* stays while local->waits counts us */
    int64_t deadline;           /* a point of sobj_clock(), or SOBJ_FOREVER */
    struct sobj_local *local;
};

/* An argument `timeout`: how long, for messages, and until when. */
struct sobj_timeout {
    int64_t deadline; /* a point of sobj_clock(), or SOBJ_FOREVER */
    double seconds;
};
#define SOBJ_NO_TIMEOUT {SOBJ_FOREVER, 0}

/* From float seconds, or None (NULL is the same); it runs from now on.
 * Returns: 0, or -1 with TypeError or ValueError (negative, NaN). Too far is for ever. */
int sobj_timeout_init(struct sobj_timeout *limit, PyObject *timeout);

/* Raises `class` (NULL: an exception is set already): "`what` within N s; timeout=None
 * waits until `end`". Returns: NULL. */
PyObject *sobj_raise_timeout(PyObject *class, const char *what,
                             const struct sobj_timeout *limit, const char *end);

/* Prepares to wait for the core of `handle`.
 * Returns: 0; -1 with an exception: the interpreter is shutting down. */
int sobj_wait_begin(struct sobj_wait *wait, PyObject *handle,
                    const struct sobj_timeout *limit);
/* Gives back what begin has taken; leaves the exception alone. */
void sobj_wait_end(struct sobj_wait *wait);

/* Runs what waits for this thread: signal handlers and, on free-threaded builds, what
 * other threads have left to it. Returns: 0, or -1 with an exception. */
int sobj_wait_turn(void);

/* Runs `call`, which gives a status, without the GIL, and again after a signal whose
 * handlers did not raise. Afterwards INTERRUPTED means: an exception is set. */
#define SOBJ_WAIT(status, call)                                                        \
    do {                                                                               \
        Py_BEGIN_ALLOW_THREADS(status)                                                 \
            = (call);                                                                  \
        Py_END_ALLOW_THREADS                                                           \
    } while ((status) == SOBJ_INTERRUPTED && sobj_wait_turn() == 0)

#endif
