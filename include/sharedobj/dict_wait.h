/* SPDX-License-Identifier: MIT */
/* Dict: waiting for a key, and making its value once (single flight).
 *
 * A flight is one thread's attempt to make the value of a key that is absent, while all
 * others who want the value wait for it. Flights are known to these functions only:
 * whatever else is done with the dict neither sees them nor waits for them.
 *
 *   F1  For each key of a dict there is at most one flight at a time. It belongs to the
 *       thread that began it, in the domain that it named.
 *   F2  A flight that lands stores its value, unless the key is there by then; either
 *       way what is there is what all who wait for the flight get, even if the key is
 *       removed at once.
 *   F3  A flight that fails, or whose thread or domain ends, goes to the thread that has
 *       waited longest, and to nobody else.
 *   F4  Whoever waits also gets a value that somebody stores meanwhile.
 *   F5  Nobody waits for a flight that, through flights that its owner waits for, waits
 *       for the caller's own: that is told at once.
 *
 * All of it costs a dict that nobody waits for one word.
 */
#ifndef SHAREDOBJ_DICT_WAIT_H
#define SHAREDOBJ_DICT_WAIT_H

#include "sharedobj/dict.h"

/* A key of a dict, copied, so that a wait needs no memory of the host's. Holds a
 * reference to the dict. */
struct sobj_dict_key;

/* Returns: OK and a new reference in `*out`, or NO_MEMORY. */
enum sobj_status sobj_dict_key_new(struct sobj_object *d, const struct sobj_key *key,
                                   struct sobj_dict_key **out);
void sobj_dict_key_unref(struct sobj_dict_key *k);
/* Shows the key as given, with the value MISSING, by the rules of iteration. */
void sobj_dict_key_show(const struct sobj_dict_key *k, sobj_take_entry take,
                        void *context);

/* Sleeps while the value of the key is the very cell `seen`, MISSING for an absent key;
 * a value that was there only for a moment may be missed. `seen` is borrowed; the
 * caller's reference keeps its memory from becoming another value.
 * Returns: OK: it was another one; TIMEOUT, INTERRUPTED, CLOSING, NO_MEMORY.
 * Blocks: until then or until `deadline` (a point of sobj_clock()).
 * Needs: the host's lock let go of. */
enum sobj_status sobj_dict_wait(struct sobj_dict_key *k, sobj_cell seen,
                                int64_t deadline, struct sobj_domain *domain);

/* ---- flights */

#define SOBJ_FLIGHT_RING 8

struct sobj_flight {
    uint64_t number; /* of the caller's own flight */
    sobj_cell value; /* a reference */
    /* Who would wait for whom: the key that was asked for, the one that its flight waits
     * for, and so on to one that the caller is flying; references. The first of them, if
     * there are more. */
    struct sobj_dict_key *ring[SOBJ_FLIGHT_RING];
    uint32_t ring_length;
};

/* Gets the value of a key or the right to make it.
 * Returns: OK and `value`: the key is there, or a flight has landed;
 *          NOT_FOUND and `number`: the key is absent and the flight is the caller's, who
 *          must end it by land or fail, in this thread;
 *          DEADLOCK and `ring`: waiting would never end (F5);
 *          TIMEOUT, INTERRUPTED, CLOSING, NO_MEMORY, FROZEN.
 * Blocks: until the flight of another thread has ended, or until `deadline`; not at all
 *         with a deadline of 0: then it may be called with the host's lock held. */
enum sobj_status sobj_flight_join(struct sobj_dict_key *k, int64_t deadline,
                                  struct sobj_domain *domain, struct sobj_flight *f);
/* Drops the references of a ring. */
void sobj_flight_ring_unref(struct sobj_flight *f);

/* Ends the caller's flight with a value; `key` is the one that `k` is a copy of.
 * Consumes: `value`.
 * Returns: OK: it is stored; EXISTS: the key was there, and its value is in `*present`,
 *          a reference; FROZEN, NO_MEMORY: the flight has failed. The same, without a
 *          flight, if that was taken away with its domain or by a fork. */
enum sobj_status sobj_flight_land(struct sobj_dict_key *k, uint64_t number,
                                  const struct sobj_key *key, sobj_cell value,
                                  sobj_cell *present);
/* Ends the caller's flight without a value. */
void sobj_flight_fail(struct sobj_dict_key *k, uint64_t number);

#endif
