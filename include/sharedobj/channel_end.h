/* SPDX-License-Identifier: MIT */
/* Ends of a channel: a sender and a receiver, shared objects of their own, by whose
 * references the core knows whether anybody is left to send or to receive.
 *
 * Every function of channel.h takes an end where it takes a channel, and works on its
 * channel. References to the channel itself do not count as ends.
 *
 * When the last reference to the last sender of a channel goes, wherever that is, the
 * channel is closed: receivers drain it. When the last reference to the last receiver
 * goes, the channel is closed and the messages that wait are dropped, also if
 * there are references to the channel itself. A message that holds the last reference to
 * a receiver of its own channel, or of one whose messages lead back to it, keeps both.
 *
 *                   progress    waits for
 *   split           lock-free   nothing
 *   the last to go  as close
 */
#ifndef SHAREDOBJ_CHANNEL_END_H
#define SHAREDOBJ_CHANNEL_END_H

#include "sharedobj/channel.h"

/* Makes one end of each side, which count from sobj_channel_count_ends on: a host that
 * fails in between may drop them, and nothing has changed. A channel may be split again:
 * the ends of a side are counted together. Those of a channel that is closed are of a
 * closed channel. Returns: OK and two new references; NO_MEMORY. Needs: a channel, no
 * end. */
enum sobj_status sobj_channel_split(struct sobj_object *ch, struct sobj_object **sender,
                                    struct sobj_object **receiver);
/* Needs: what split has made, and nobody else uses yet. */
void sobj_channel_count_ends(struct sobj_object *sender, struct sobj_object *receiver);

/* Returns: the channel of an end; itself, if it is one. Borrowed. */
struct sobj_object *sobj_channel_of(struct sobj_object *obj);

#endif
