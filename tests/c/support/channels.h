/* SPDX-License-Identifier: MIT */
/* Channels for tests. */
#ifndef SUPPORT_CHANNELS_H
#define SUPPORT_CHANNELS_H

#include <stdlib.h>

#include "sharedobj/channel.h"
#include "tap.h"

/* Returns: a new channel, of any length if `capacity` is 0. Ends the program if there is
 * none: a test that others need for their progress cannot go on without. */
static inline struct sobj_object *new_channel_that(uint32_t capacity,
                                                   enum sobj_overflow overflow)
{
    struct sobj_object *ch;

    if (sobj_channel_new(capacity, overflow, &ch) != SOBJ_OK) {
        diag("no channel");
        abort();
    }
    return ch;
}

/* The same for one that waits for room. */
static inline struct sobj_object *new_channel(uint32_t capacity)
{
    return new_channel_that(capacity, SOBJ_OVERFLOW_BLOCK);
}

#endif
