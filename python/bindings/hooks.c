/* SPDX-License-Identifier: MIT */
/* How the core lets go of the GIL around a wait of its own (a grace period, a fork in
 * another thread). It may be called by any thread: with or without a thread state, with
 * it attached or not, in any interpreter.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "hooks.h"

#include "crossinterp.h"

static void *detach(void)
{
    return sobj_thread_state_or_null() != NULL ? PyEval_SaveThread() : NULL;
}

static void attach(void *token) { PyEval_RestoreThread(token); }

#ifdef Py_GIL_DISABLED
#define TURN 50000000 /* an end is noticed late by that much; sobj_run_pending */
#else
#define TURN 0
#endif

const struct sobj_hooks sobj_python_hooks = {detach, attach, TURN};
