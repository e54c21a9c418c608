/* SPDX-License-Identifier: MIT */
/* L3: the queue of a rendezvous channel: it holds no messages, only who waits for one.
 *
 * A send and a receive happen together, as one moment (C. A. R. Hoare, "Communicating
 * Sequential Processes", 1978). Who comes first leaves an offer and sleeps; who comes
 * second takes it. An offer lies on its thread's stack:
 *
 *     senders    -> [message | parker] -> [message | parker]
 *     receivers                                                 (one of the two is empty,
 *                                                                but for M4)
 *
 *   M1  Everything here happens under the lock, which is taken inside a write section
 *       only (P4 of park.h). It is held for a few instructions, or, by a select, for a few
 *       for each of its channels.
 *   M2  Whoever comes looks for a partner and, if there is none, links its own offer,
 *       without letting go of the lock in between. So two that fit never both sleep.
 *   M3  An offer is taken by moving its parker from WAITING to NOTIFIED. That happens
 *       once, whatever the parker waits for besides (other channels of a select, a closing
 *       domain): an offer that was taken is the one thing its thread does, and one
 *       whose parker has left WAITING otherwise is none. Then the message changes hands,
 *       before the lock is let go of: the moment of both operations.
 *   M4  Who sleeps no more withdraws its offer under the lock, and learns there whether it
 *       was taken: a deadline, a signal or the end of a domain finds it either taken or
 *       never made. So does a sender's end: the message is still its own. Offers of
 *       one side that cannot be taken any more, and those of one select, may lie opposite
 *       each other for that long.
 *   M5  A close sets the mark, and after that takes all offers out under the lock, some at a
 *       time, and wakes their threads. Who holds the lock looks at the mark first: an
 *       offer whose thread has not seen the mark is linked by the time the close gets the
 *       lock.
 *
 *   M6  A standing offer is that of a sender who does not sleep, but waits for a notifier
 *       (channel_offer.c). It has no parker, and whoever comes can take it; then its
 *       notifier is raised before the lock is let go of: its maker, who ends the offer
 *       under the lock, has not freed the notifier by then. A close, and the child of a
 *       fork, only take it out: the maker finds it neither taken nor linked, and looks
 *       again. The lock comes before those of wait lists.
 *
 * Notifiers (notify.h) are raised after an offer was made, and find it (M2): a partner that
 * does not wait comes for it.
 *
 * First come, first served on either side. No spinning but for the lock's; the waiter spins
 * on its own parker before it sleeps.
 */
#ifndef SOBJ_CHANNEL_MEET_H
#define SOBJ_CHANNEL_MEET_H

#include "park.h"
#include "sharedobj/value.h"

/* What a waiting thread offers. Guarded by meet->lock. */
struct sobj__offer {
    struct sobj__parker *parker; /* NULL: a standing one */
    struct sobj_notifier *told;  /* of a standing one: raised when it is taken (M6) */
    struct sobj__meet *meet;
    struct sobj__offer *next, *prev;
    sobj_cell message; /* a sender's: what it offers; a receiver's: what it was given */
    bool sending;
    bool linked; /* still in the list */
    bool taken;  /* the operation has happened */
};

struct sobj__offers {
    struct sobj__offer *head, *tail;
    size_t count;
};

struct sobj__meet {
    /* atomic; SOBJ__CLOSED_MARK or 0, like the tails of the other queues */
    _Atomic(uint64_t) tail;
    struct sobj__lock lock;
    /* guarded by lock */
    struct sobj__offers senders, receivers;
};
/* All-zero memory is an open one without offers. */

/* Meet waiting receivers, or senders, one for each of the `n` messages, until there is none.
 * Consume: those done. Return: OK (`*done` is 1 at least), FULL or EMPTY, CLOSED.
 * Need: no section. */
enum sobj_status sobj__meet_put(struct sobj__meet *m, const sobj_cell *messages,
                                uint32_t n, uint32_t *done);
enum sobj_status sobj__meet_take(struct sobj__meet *m, sobj_cell *messages, uint32_t n,
                                 uint32_t *done);

/* Whether somebody waits to be met, or it is closed. Needs: no section. */
bool sobj__meet_ready(struct sobj__meet *m, bool sending);

/* Returns: how many offers to send there are. Needs: no section. */
size_t sobj__meet_offers(struct sobj__meet *m);

/* Spins on `parker` for a time that `spin_list` adapts, then sleeps: for who has left
 * offers. Returns: as sobj__park. */
enum sobj_status sobj__meet_rest(struct sobj__parker *parker,
                                 struct sobj__waitlist *spin_list, int64_t deadline);

/* Sets the offer up. Sends `message`, or receives if that is SOBJ_NO_CELL. */
void sobj__offer_init(struct sobj__offer *o, struct sobj__meet *m, sobj_cell message,
                      struct sobj__parker *parker);
/* Under the lock: does it at once with who waits, who is to be woken after the section.
 * Returns: OK, and the message of a receiver is in the offer; FULL or EMPTY; CLOSED.
 * Needs: room for one in `wakes`. */
enum sobj_status sobj__offer_try(struct sobj__offer *o, struct sobj__wakes *wakes);
/* Both: does it at once, or offers it. Returns: as try. Needs: no section. */
enum sobj_status sobj__meet_or_offer(struct sobj__offer *o);
/* Under the lock: links it. Needs: a try in vain since the lock was taken (M2). */
void sobj__offer_link(struct sobj__offer *o);
/* Returns: whether it was taken, and whether it lies there still. Needs: no section. */
bool sobj__offer_taken(struct sobj__offer *o, bool *lies);
/* Unlinks it, if need be. Returns: whether it was taken (M4). Needs: no section. */
bool sobj__offer_withdraw(struct sobj__offer *o);

/* Takes all offers out and wakes their threads, which look again. Needs: no section. */
void sobj__meet_dismiss(struct sobj__meet *m);
/* In the fork child, where the threads that waited are gone. */
void sobj__meet_fork_child(struct sobj__meet *m);

#endif
