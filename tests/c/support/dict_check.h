/* SPDX-License-Identifier: MIT */
/* Looks at all of a dict from inside and says what breaks the invariants of
 * shared/dict_internal.h. */
#ifndef SUPPORT_DICT_CHECK_H
#define SUPPORT_DICT_CHECK_H

#include <stdbool.h>

#include "sharedobj/dict.h"

/* Reports each breach by `expect`. Needs: nobody uses the dict, no iterator holds a
 * piece of it, and all that was retired from it has been freed (the threads that used
 * it have ended, this one has called sobj_collect).
 * Returns: whether all is well. */
bool dict_check(struct sobj_object *d, const char *when);

#endif
