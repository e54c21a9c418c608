/* SPDX-License-Identifier: MIT */
/* L0: the operating system, as the core sees it. One file per system implements this
 * contract (linux.c, darwin.c; posix.c serves both); no other file asks which system it
 * is. Errors are statuses; nothing here allocates from the core's allocator.
 */
#ifndef SOBJ_PLATFORM_H
#define SOBJ_PLATFORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sharedobj/status.h"

/* Monotonic clock in nanoseconds; deadlines are points of it. */
int64_t sobj__now(void);

/* "No deadline". */
#define SOBJ__FOREVER INT64_MAX /* SOBJ_FOREVER of runtime.h */

/* Returns: the number of processors this process may run on, at least 1. */
int sobj__cpu_count(void);

/* Returns: the number, from 1, of the processor that runs the caller at this moment; 0 if
 * the system does not tell. */
unsigned sobj__os_cpu(void);

/* Returns: whether processor `cpu` (as above) is the only one that the calling thread may
 * run on; false if the system does not tell. */
bool sobj__os_bound_to(unsigned cpu);

/* Sleeps while `*word == expected`.
 * Returns: OK when woken, or when the word had another value (spurious returns happen:
 *          the caller looks again), TIMEOUT, INTERRUPTED when a signal handler ran.
 * Blocks: until sobj__os_wake on the same word, or the deadline. */
enum sobj_status sobj__os_wait(_Atomic(uint32_t) *word, uint32_t expected,
                               int64_t deadline);

/* Wakes up to `count` threads that sleep on `word`. The memory of `word` may be gone
 * already: the address is only a name. */
void sobj__os_wake(_Atomic(uint32_t) *word, int count);

/* An event as a file descriptor: readable from set to clear. `fd` is what to wait for,
 * `to` where set writes, which may be the same. */
struct sobj__os_event {
    int fd, to;
};
/* Returns: OK, not set; OS_ERROR, errno says why. */
enum sobj_status sobj__os_event_open(struct sobj__os_event *e);
void sobj__os_event_close(struct sobj__os_event *e);
/* Async-signal-safe; neither waits. */
void sobj__os_event_set(const struct sobj__os_event *e);
void sobj__os_event_clear(const struct sobj__os_event *e);
/* In the child of a fork: puts a new event, not set, under the same number, where the one
 * that is shared with the parent was. Returns: OK; OS_ERROR: the number is closed. */
enum sobj_status sobj__os_event_renew(struct sobj__os_event *e);

/* Fills `buf` with unpredictable bytes. Returns: OK or OS_ERROR. */
enum sobj_status sobj__os_random(void *buf, size_t size);

/* Zeroed memory from the system, aligned to 2 MiB and advised to use huge pages where
 * the system has them. `size` is a multiple of 2 MiB. Returns NULL on no memory. */
void *sobj__os_map(size_t size);
void sobj__os_unmap(void *p, size_t size);
#define SOBJ__MAP_UNIT ((size_t)2 << 20)

/* Zeroed pages of any size; freed by sobj__os_unmap. Returns NULL on no memory. */
void *sobj__os_pages(size_t size);
/* From now on a write to these pages ends the process. */
void sobj__os_seal(void *p, size_t size);

#endif
