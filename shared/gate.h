/* SPDX-License-Identifier: MIT */
/* L1: the gate of one core: gives a moment at which no operation that changes the core
 * is under way. Snapshots and freezing need one; so does whatever moves a core's
 * content as a whole.
 *
 *     a change                               the closer
 *       write section begins                   SNAP in the mode word: 0 -> 1
 *       SNAP is set: leaves the section,       grace period, outside of any section
 *         waits, begins again                  write section:
 *       ... changes ...                          the moment: some stores
 *       write section ends                       SNAP -> 0
 *                                              wakes who waits
 *
 *   G1  Every operation that changes the core runs, from its look at the mode word to
 *       its end, in one write section, and goes on only if it has not seen SNAP. The
 *       grace period waits for the sections that may have looked before SNAP was set;
 *       those that begin later see it. So at the moment no change is half done, all
 *       that were done are visible, and none begins before SNAP is cleared.
 *   G2  Whatever is prepared at the moment (mode bits, lists) is seen by every change
 *       after it, because each of these has seen SNAP cleared.
 *   G3  SNAP is the lock of the closers: whoever turns it from 0 to 1 is the closer.
 *       The others wait as changes do. Who waits holds nothing, no section and not the
 *       host's lock, so the closer depends on nobody but on sections, which are short.
 *   G4  The moment is one write section, so a fork copies a core before or after it,
 *       never within. A closer that is before it has done nothing but set SNAP; its
 *       thread does not exist in the child, where fork_child clears the bit.
 *   G5  What takes long, like copying all of the content, the closer does between two
 *       sections, with the gate kept closed: no change begins, but sections of readers
 *       and grace periods come and go, and so may a fork. So whatever it has published
 *       by then must be whole.
 *
 * Held back is a change for one grace period and what the closer does. The wait is
 * bounded, so it knows neither domains nor signals.
 *
 * The waiters' list lies in the core, in what its cache line has left: a list for many
 * cores would wake strangers, and would be one more mutable static.
 */
#ifndef SOBJ_GATE_H
#define SOBJ_GATE_H

#include "object.h"
#include "park.h"
#include "reclaim.h"

struct sobj__gate {
    struct sobj__waitlist waiters;
};

/* One closing, on the closer's stack. */
struct sobj__closing {
    void *token; /* the host's lock */
};

/* Returns: the mode word, without SNAP. Needs: a write section in which nothing has been
 * done yet; it is left and begun anew.
 * Blocks: while the gate is closed, with the host's lock released. */
uint64_t sobj__gate_await(struct sobj_object *obj, struct sobj__gate *gate);

/* Closes the gate. Returns at the moment, in a write section, which sobj__gate_open
 * ends. Needs: no section.
 * Blocks: while others have it closed, and for a grace period, with the host's lock
 * released until sobj__gate_open. */
void sobj__gate_close(struct sobj_object *obj, struct sobj__gate *gate,
                      struct sobj__closing *closing);
void sobj__gate_open(struct sobj_object *obj, struct sobj__gate *gate,
                     struct sobj__closing *closing);

/* Ends the section but keeps the gate closed (G5); begins one again. */
SOBJ_INLINE void sobj__gate_leave(void) { sobj__read_end(); }
SOBJ_INLINE void sobj__gate_enter(void) { sobj__write_begin(); }

/* In the fork child: nobody waits, nobody closes (G4). */
void sobj__gate_fork_child(struct sobj_object *obj, struct sobj__gate *gate);

#endif
