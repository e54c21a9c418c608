/* SPDX-License-Identifier: MIT */
/* Notifiers: whether a channel can be received from, or sent to, as a file descriptor, for
 * event loops and whatever else waits for descriptors.
 *
 * The descriptor of a notifier is readable whenever the operation may succeed (a closed
 * channel counts: the operation ends at once). It may be readable although the operation
 * would have to wait: then one that is tried finds so, and the descriptor becomes
 * unreadable again. So who waits for it uses operations that do not wait. It is nothing to
 * read from or write to.
 *
 * Any number of notifiers may watch a channel. What has become possible makes all of them
 * readable, and wakes one thread that sleeps as well: a notifier uses nothing up.
 *
 * Costs: nothing where there is none, and a system call where one becomes readable or
 * unreadable; not for each message.
 */
#ifndef SHAREDOBJ_NOTIFY_H
#define SHAREDOBJ_NOTIFY_H

#include <stdbool.h>

#include "sharedobj/channel.h"

struct sobj_notifier;

/* Makes one. With `of_thread` it belongs to the calling thread: its descriptor is closed
 * when that ends. Returns: OK and the notifier; NO_MEMORY; OS_ERROR: errno says why there
 * is no descriptor. Needs: the caller keeps `ch` (no end of it) alive; for sending, one
 * where senders wait for room (SOBJ_OVERFLOW_BLOCK): no other says when there is some. */
enum sobj_status sobj_notifier_new(struct sobj_object *ch, bool sending, bool of_thread,
                                   struct sobj_notifier **out);
/* Closes the descriptor. */
void sobj_notifier_free(struct sobj_notifier *n);
/* Returns: the descriptor, or -1 if it has been closed with its thread. In the child of a
 * fork it has the same number; there it is a new one, or closed if there was none. */
int sobj_notifier_fd(const struct sobj_notifier *n);

/* ---- standing offers: a send at a rendezvous by who does not sleep. The offer lies there
 * until a receiver takes it, its maker ends it or the channel is closed. */
struct sobj_offer;

/* Sends `message`, or offers it. `told` is a notifier for sending of `ch`, of no thread; it
 * becomes readable when it is time for a look. Both outlive the offer.
 * Returns: OK: it was received, and consumed; FULL: offered, and the offer is in `*out`;
 * CLOSED, NO_MEMORY. Needs: `ch`, no end of it, is a rendezvous. */
enum sobj_status sobj_channel_offer(struct sobj_object *ch, sobj_cell message,
                                    struct sobj_notifier *told,
                                    struct sobj_offer **out);
/* Returns: OK: it was taken; FULL: wait for the notifier; CLOSED. */
enum sobj_status sobj_offer_look(struct sobj_offer *o);
/* Ends it. Returns: whether it was taken; if not, `*message` is the caller's again. */
bool sobj_offer_end(struct sobj_offer *o, sobj_cell *message);

#endif
