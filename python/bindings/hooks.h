/* SPDX-License-Identifier: MIT */
/* What the core asks of this host; see sharedobj/runtime.h. */
#ifndef SOBJ_PY_HOOKS_H
#define SOBJ_PY_HOOKS_H

#include "sharedobj/runtime.h"

extern const struct sobj_hooks sobj_python_hooks;

#endif
