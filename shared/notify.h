/* SPDX-License-Identifier: MIT */
/* L1: notifiers of a wait list; contract in include/sharedobj/notify.h.
 *
 *     wait list {count | waiters} notes {raised | head} ──> notifier ──> notifier
 *                                                               │ event: a descriptor
 *
 * A notifier is armed (its descriptor is not readable, and it is in the list's count as a
 * waiter is) or raised (readable, and not counted). Wakers find it by the word that they
 * look at anyway; a list without notifiers costs them nothing.
 *
 *   N1  Under the list's lock: raised = the event is set. A waker that sees the count
 *       raises all that are armed, whatever it does about waiters.
 *   N2  No lost event: arming counts (seq_cst) before whoever arms looks at the condition
 *       again; a waker changes the condition before it looks at the count (P1 of park.h).
 *       One of the two sees the other; who arms raises again if the condition holds.
 *   N3  An operation that finds the condition false arms all that are raised. It is
 *       enough if those do it who have seen a descriptor readable and try: the hint
 *       `raised` was written before the event was set. So a descriptor stays readable
 *       for nothing only until somebody looks. Not armed by others are those that are
 *       kept: raised for a matter of their owner's (a standing offer that was taken,
 *       channel_offer.c), until the owner lets go.
 *   N4  Wake-ups are not used up by notifiers: waiters are woken as if there were none.
 *       So the argument of channel.h about waiters is not touched, and what it says
 *       about passing on does not concern notifiers.
 *   N5  A descriptor is written to under the list's lock only, and closed after its
 *       notifier has left the list under that lock: never one that has become somebody
 *       else's.
 *   N6  In the child of a fork the descriptors name the parent's events. All are replaced,
 *       under the same numbers, and raised: whoever is there looks.
 *
 * All functions open a write section where they take a lock (P4).
 */
#ifndef SOBJ_NOTIFY_H
#define SOBJ_NOTIFY_H

#include "park.h"
#include "platform/platform.h"
#include "sharedobj/notify.h"
#include "thread.h"

struct sobj_notifier {
    struct sobj__waitlist *list; /* const */
    uint64_t thread;             /* const; a serial, or 0 */
    /* guarded by list->lock */
    struct sobj__os_event event;
    bool armed, kept;
    struct sobj_notifier *next, *prev;
    /* guarded by sobj__notifiers.lock */
    bool open; /* in its list, with a descriptor */
    struct sobj_notifier *all_next, *all_prev;
};

/* What a list has that can be watched. */
struct sobj__notes {
    struct sobj_notifier *head; /* guarded by the list's lock */
    _Atomic(uint32_t) raised;   /* how many are; a hint (N3) */
};

/* A list and its notes, for the structure that they are part of. */
#define SOBJ__NOTED_LIST(name)                                                         \
    struct sobj__waitlist name;                                                        \
    struct sobj__notes name##_notes

SOBJ_INLINE struct sobj__notes *sobj__notes_of(struct sobj__waitlist *list)
{
    return (struct sobj__notes *)(list + 1);
}

/* Process-wide; the instance lives in runtime.c. Its lock comes before those of lists. */
struct sobj__notifiers {
    struct sobj__lock lock;
    struct sobj_notifier *head;
};
extern struct sobj__notifiers sobj__notifiers;

/* Makes one, raised. Returns: OK, NO_MEMORY, OS_ERROR. */
enum sobj_status sobj__notifier_open(struct sobj__waitlist *list, bool of_thread,
                                     struct sobj_notifier **out);
/* Arms all that are raised. Afterwards the caller looks at the condition and, if it holds,
 * raises (N2). */
void sobj__notifiers_arm(struct sobj__waitlist *list);
void sobj__notifiers_raise(struct sobj__waitlist *list);
/* Raises one and keeps it so (N3). Needs: a write section. */
void sobj__notifier_keep(struct sobj_notifier *n);
void sobj__notifier_let_go(struct sobj_notifier *n);
/* Closes the descriptors of a thread that ends. */
void sobj__notifiers_thread_end(const struct sobj__thread *thread);

#endif
