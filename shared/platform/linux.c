/* SPDX-License-Identifier: MIT */
/* Linux: futex(2), eventfd(2), getrandom(2), sched_getaffinity(2). */
#if defined(__linux__)
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "platform/platform.h"

int sobj__cpu_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int n = CPU_COUNT(&set);
        return n > 0 ? n : 1;
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN); /* more processors than cpu_set_t holds */
    return n > 0 ? (int)n : 1;
}

unsigned sobj__os_cpu(void)
{
    int cpu = sched_getcpu();
    return cpu >= 0 ? (unsigned)cpu + 1 : 0;
}

bool sobj__os_bound_to(unsigned cpu)
{
    cpu_set_t set;

    return cpu != 0 && sched_getaffinity(0, sizeof set, &set) == 0 &&
           CPU_COUNT(&set) == 1 && CPU_ISSET(cpu - 1, &set);
}

enum sobj_status sobj__os_wait(_Atomic(uint32_t) *word, uint32_t expected,
                               int64_t deadline)
{
    struct timespec ts, *until = NULL;

    if (deadline != SOBJ__FOREVER) {
        if (deadline < 0)
            deadline = 0;
        ts.tv_sec = deadline / 1000000000;
        ts.tv_nsec = deadline % 1000000000;
        until = &ts;
    }
    /* FUTEX_WAIT_BITSET takes an absolute deadline on CLOCK_MONOTONIC. */
    long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                      until, NULL, FUTEX_BITSET_MATCH_ANY);
    if (rc == 0)
        return SOBJ_OK;
    switch (errno) {
    case ETIMEDOUT:
        return SOBJ_TIMEOUT;
    case EINTR:
        return SOBJ_INTERRUPTED;
    default: /* EAGAIN: the word has changed */
        return SOBJ_OK;
    }
}

void sobj__os_wake(_Atomic(uint32_t) *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL, 0);
}

enum sobj_status sobj__os_event_open(struct sobj__os_event *e)
{
    e->fd = e->to = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return e->fd >= 0 ? SOBJ_OK : SOBJ_OS_ERROR;
}

void sobj__os_event_close(struct sobj__os_event *e)
{
    close(e->fd);
    e->fd = e->to = -1;
}

enum sobj_status sobj__os_event_renew(struct sobj__os_event *e)
{
    struct sobj__os_event fresh;

    if (sobj__os_event_open(&fresh) != SOBJ_OK) {
        sobj__os_event_close(e);
        return SOBJ_OS_ERROR;
    }
    dup3(fresh.fd, e->fd, O_CLOEXEC);
    close(fresh.fd);
    return SOBJ_OK;
}

enum sobj_status sobj__os_random(void *buf, size_t size)
{
    char *p = buf;

    while (size > 0) {
        ssize_t n = getrandom(p, size, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return SOBJ_OS_ERROR;
        }
        p += n;
        size -= (size_t)n;
    }
    return SOBJ_OK;
}
#else
typedef int sobj__not_linux;
#endif
