/* SPDX-License-Identifier: MIT */
/* Looks at all of a list from inside and says what breaks the invariants of
 * shared/list_internal.h. */
#ifndef SUPPORT_LIST_CHECK_H
#define SUPPORT_LIST_CHECK_H

#include <stdbool.h>

#include "sharedobj/list.h"

/* Reports each breach by `expect`. Needs: nobody uses the list. Returns: whether all is
 * well. */
bool list_check(struct sobj_object *l, const char *when);

#endif
