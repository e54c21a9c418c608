/* SPDX-License-Identifier: MIT */
/* What Linux and macOS share. */
#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "platform/platform.h"

int64_t sobj__now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Eight bytes are what an eventfd takes; a pipe has room for many. Both fail only where
 * they are set (cleared) already. */
void sobj__os_event_set(const struct sobj__os_event *e)
{
    const uint64_t one = 1;
    ssize_t n = write(e->to, &one, sizeof one);

    (void)n;
}

void sobj__os_event_clear(const struct sobj__os_event *e)
{
    uint64_t buffer;

    while (read(e->fd, &buffer, sizeof buffer) > 0 && e->fd != e->to)
        ;
}

void *sobj__os_map(size_t size)
{
    /* One unit more than asked for, so that an aligned range lies inside. */
    size_t total = size + SOBJ__MAP_UNIT;
    char *raw =
        mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (raw == MAP_FAILED)
        return NULL;
    size_t front = (SOBJ__MAP_UNIT - ((uintptr_t)raw & (SOBJ__MAP_UNIT - 1))) &
                   (SOBJ__MAP_UNIT - 1);
    char *p = raw + front;
    if (front != 0)
        munmap(raw, front);
    if (total - front != size)
        munmap(p + size, total - front - size);
#ifdef MADV_HUGEPAGE
    madvise(p, size, MADV_HUGEPAGE); /* a hint: failure changes nothing */
#endif
    return p;
}

void sobj__os_unmap(void *p, size_t size) { munmap(p, size); }

void *sobj__os_pages(size_t size)
{
    void *p =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

void sobj__os_seal(void *p, size_t size) { mprotect(p, size, PROT_READ); }
