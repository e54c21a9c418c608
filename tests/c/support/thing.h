/* SPDX-License-Identifier: MIT */
/* A core that does nothing but tell whether it is alive. */
#ifndef SUPPORT_THING_H
#define SUPPORT_THING_H

#include "object.h"

#define THING_ALIVE 0x50b1ec7a11fe5afeu

struct thing {
    struct sobj_object head;
    uint64_t alive; /* THING_ALIVE until it is destroyed */
    uint32_t fork_children;
};

/* Returns: a new reference, or NULL on no memory. */
struct sobj_object *thing_new(void);
/* Returns: whether `obj` is a thing that lives. Needs: a reference. */
static inline bool thing_alive(const struct sobj_object *obj)
{
    return ((const struct thing *)(const void *)obj)->alive == THING_ALIVE;
}

#endif
