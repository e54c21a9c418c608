/* SPDX-License-Identifier: MIT */
/* Shared objects ("cores"): references, identity, and how they travel.
 *
 * A core is raw process memory. Hosts hold counted references; the last one to go,
 * wherever that is, frees it. An id names a core for as long as it lives and is never
 * used again in this process.
 */
#ifndef SHAREDOBJ_OBJECT_H
#define SHAREDOBJ_OBJECT_H

#include <stdint.h>

#include "sharedobj/runtime.h"
#include "sharedobj/status.h"

struct sobj_object;

enum sobj_type {
    SOBJ_TYPE_ATOMIC_INT = 1,
    SOBJ_TYPE_DICT,
    SOBJ_TYPE_SET, /* a dict without values, see dict.h */
    SOBJ_TYPE_CHANNEL,
    SOBJ_TYPE_ARRAY,
    SOBJ_TYPE_LIST,
    SOBJ_TYPE_QUEUE,  /* a channel with a limit that can be set, see queue.h */
    SOBJ_TYPE_SENDER, /* ends of a channel, see channel_end.h */
    SOBJ_TYPE_RECEIVER,
    SOBJ_TYPES
};

enum sobj_type sobj_type_of(const struct sobj_object *obj);
/* Returns: the id, positive; constant for the life of the core. */
int64_t sobj_id_of(const struct sobj_object *obj);

/* One reference more or less. Needs: the caller holds one.
 * Progress: wait-free; unref may run a due grace period (see sobj_collect). */
void sobj_ref(struct sobj_object *obj);
void sobj_unref(struct sobj_object *obj);

/* Looks a core up. Returns: OK and a new reference in `*out`, or STALE.
 * Progress: lock-free. */
enum sobj_status sobj_attach(int64_t id, struct sobj_object **out);

/* What is alive: cores by type, and the references to all of them (handles, cells,
 * tickets, and those that operations hold for a moment). */
struct sobj_census {
    int64_t objects[SOBJ_TYPES];
    int64_t references;
};
/* Looks at one core after the other, so the figures are exact only when nothing is
 * running. Takes time in proportion to the most cores that were ever alive at once, in
 * short read sections. */
void sobj_census(struct sobj_census *census);

/* ---- Tickets: a counted reference on its way to somebody else, as a number.
 * The number is not a pointer: taking it late, twice or never does no harm. A ticket
 * belongs to a domain and dies with it, or when it is found that its lease has ended:
 * by the next sobj_ticket_new with a lease, or by sobj_collect.
 *
 * Whoever hands a core to machinery that might drop, copy or forge what it carries
 * (another interpreter's queue, a pickle) sends a ticket.
 */
#define SOBJ_NO_LEASE INT64_MAX

/* Makes a ticket that holds a new reference. `lease` in nanoseconds from now.
 * Returns: OK and the ticket, never 0; NO_MEMORY. Expired tickets are dropped on the
 * way. */
enum sobj_status sobj_ticket_new(struct sobj_object *obj, struct sobj_domain *domain,
                                 int64_t lease, uint64_t *ticket);
/* Ends the ticket and takes its reference over. Returns: OK and a reference; STALE. */
enum sobj_status sobj_ticket_take(uint64_t ticket, struct sobj_object **out);
/* Ends the ticket, if it still lives, with its reference. */
void sobj_ticket_drop(uint64_t ticket);
/* Returns: the number of live tickets. */
int64_t sobj_ticket_count(void);

#endif
