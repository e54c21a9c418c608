/* SPDX-License-Identifier: MIT */
/* AtomicInt: one signed 64-bit integer; sequentially consistent, never wraps.
 *
 * Every operation is atomic with every other one and none of them ever makes a value
 * visible that is not the result of an operation: overflow is found before anything is
 * stored.
 *
 * Progress: `get` is wait-free, and so is an addition of less than 2^38 to an integer
 * that has never been beyond 2^61 (both in either direction); the others are lock-free.
 * Only the first operation that takes an integer beyond 2^61 holds a lock, for some
 * nanoseconds, and may run a due grace period (see sobj_collect).
 */
#ifndef SHAREDOBJ_ATOMIC_INT_H
#define SHAREDOBJ_ATOMIC_INT_H

#include "sharedobj/object.h"

/* Returns: OK and a new reference in `*out`, or NO_MEMORY. */
enum sobj_status sobj_atomic_int_new(int64_t value, struct sobj_object **out);

int64_t sobj_atomic_int_get(const struct sobj_object *obj);
void sobj_atomic_int_set(struct sobj_object *obj, int64_t value);
/* Returns: the value before. */
int64_t sobj_atomic_int_exchange(struct sobj_object *obj, int64_t value);
/* Returns: whether the value was `expected` and now is `desired`. If not, `*seen` (may
 * be NULL) is the value that was found. */
bool sobj_atomic_int_compare_and_set(struct sobj_object *obj, int64_t expected,
                                     int64_t desired, int64_t *seen);
/* Adds. Returns: OK and the value after in `*result`, or OVERFLOW and no change. */
enum sobj_status sobj_atomic_int_add(struct sobj_object *obj, int64_t n,
                                     int64_t *result);
/* Larger or smaller of the value and `v`. Returns: the value after. */
int64_t sobj_atomic_int_max(struct sobj_object *obj, int64_t v);
int64_t sobj_atomic_int_min(struct sobj_object *obj, int64_t v);

/* Sleeps while the value equals `while_equal`; a value that was there only for a moment
 * may be missed.
 * Returns: OK and the value that ended the wait in `*value`; TIMEOUT, INTERRUPTED,
 *          CLOSING, NO_MEMORY.
 * Blocks: until another value is seen or `deadline` (a point of sobj_clock()).
 * Needs: a reference of the caller's; the host's lock let go of. */
enum sobj_status sobj_atomic_int_wait(struct sobj_object *obj, int64_t while_equal,
                                      int64_t deadline, struct sobj_domain *domain,
                                      int64_t *value);

#endif
