/* SPDX-License-Identifier: MIT */
/* macOS 14.4 and later: os_sync_wait_on_address. Builds, best effort: the suite has not
 * run there. */
#if defined(__APPLE__)
#include <errno.h>
#include <fcntl.h>
#include <os/os_sync_wait_on_address.h>
#include <stdlib.h>
#include <unistd.h>

#include "platform/platform.h"

int sobj__cpu_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 ? (int)n : 1;
}

/* macOS has no affinity of threads to processors. */
unsigned sobj__os_cpu(void) { return 0; }

bool sobj__os_bound_to(unsigned cpu)
{
    (void)cpu;
    return false;
}

enum sobj_status sobj__os_wait(_Atomic(uint32_t) *word, uint32_t expected,
                               int64_t deadline)
{
    int rc;

    if (deadline == SOBJ__FOREVER) {
        rc = os_sync_wait_on_address((void *)word, expected, 4,
                                     OS_SYNC_WAIT_ON_ADDRESS_NONE);
    } else {
        int64_t left = deadline - sobj__now();
        if (left <= 0)
            return SOBJ_TIMEOUT;
        rc = os_sync_wait_on_address_with_timeout(
            (void *)word, expected, 4, OS_SYNC_WAIT_ON_ADDRESS_NONE,
            OS_CLOCK_MACH_ABSOLUTE_TIME, (uint64_t)left);
    }
    if (rc >= 0)
        return SOBJ_OK;
    switch (errno) {
    case ETIMEDOUT:
        return SOBJ_TIMEOUT;
    case EINTR:
        return SOBJ_INTERRUPTED;
    default:
        return SOBJ_OK;
    }
}

void sobj__os_wake(_Atomic(uint32_t) *word, int count)
{
    if (count == 1)
        os_sync_wake_by_address_any((void *)word, 4, OS_SYNC_WAKE_BY_ADDRESS_NONE);
    else
        os_sync_wake_by_address_all((void *)word, 4, OS_SYNC_WAKE_BY_ADDRESS_NONE);
}

static void set_flags(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

enum sobj_status sobj__os_event_open(struct sobj__os_event *e)
{
    int ends[2];

    if (pipe(ends) != 0)
        return SOBJ_OS_ERROR;
    set_flags(ends[0]);
    set_flags(ends[1]);
    e->fd = ends[0];
    e->to = ends[1];
    return SOBJ_OK;
}

void sobj__os_event_close(struct sobj__os_event *e)
{
    close(e->fd);
    close(e->to);
    e->fd = e->to = -1;
}

enum sobj_status sobj__os_event_renew(struct sobj__os_event *e)
{
    struct sobj__os_event fresh;

    if (sobj__os_event_open(&fresh) != SOBJ_OK) {
        sobj__os_event_close(e);
        return SOBJ_OS_ERROR;
    }
    dup2(fresh.fd, e->fd);
    set_flags(e->fd);
    close(fresh.fd);
    close(e->to);
    e->to = fresh.to;
    return SOBJ_OK;
}

enum sobj_status sobj__os_random(void *buf, size_t size)
{
    arc4random_buf(buf, size);
    return SOBJ_OK;
}
#else
typedef int sobj__not_darwin;
#endif
