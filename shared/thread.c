/* SPDX-License-Identifier: MIT */
/* L1: thread records; see thread.h. */
#include "thread.h"

#include <stdlib.h>

#include "platform/platform.h"
#include "reclaim.h"

_Thread_local struct sobj__thread *sobj__thread_tls;

static void unlink_locked(struct sobj__thread *t)
{
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        sobj__threads.head = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
}

/* Adds the counters of `t` to the shared ones and frees the record. */
static void dissolve(struct sobj__thread *t)
{
    for (int i = 0; i < SOBJ_COUNTERS; i++) {
        /* Relaxed: sums; `t` is ours alone by now. */
        sobj_add_relaxed(&sobj__threads.departed[i], sobj_load_relaxed(&t->counts[i]));
    }
    free(t->batch.items);
    free(t);
}

/* The pthread key's destructor: runs in the ending thread. */
static void thread_exit(void *record)
{
    struct sobj__thread *t = record;

    sobj__threads.leaves(t);
    sobj__reclaim_flush();
    sobj__pool_drain(t);
    pthread_mutex_lock(&sobj__threads.lock);
    unlink_locked(t);
    sobj__thread_tls = NULL;
    dissolve(t);
    pthread_mutex_unlock(&sobj__threads.lock);
}

SOBJ_NOINLINE struct sobj__thread *sobj__thread_make(void)
{
    struct sobj__thread *t = calloc(1, sizeof *t);

    if (t == NULL)
        return NULL;
    t->fail_after = -1;
    t->random = (uint64_t)sobj__now() ^ ((uintptr_t)t << 20) ^ 0x9e3779b97f4a7c15u;
    if (pthread_setspecific(sobj__threads.key, t) != 0) {
        free(t);
        return NULL;
    }
    pthread_mutex_lock(&sobj__threads.lock);
    t->known.serial = ++sobj__threads.serials;
    t->next = sobj__threads.head;
    if (t->next != NULL)
        t->next->prev = t;
    sobj__threads.head = t;
    pthread_mutex_unlock(&sobj__threads.lock);
    sobj__thread_tls = t;
    return t;
}

uint64_t sobj__thread_random(void)
{
    struct sobj__thread *self = sobj__thread_self();

    if (self == NULL)
        return (uint64_t)sobj__now();
    uint64_t x = self->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return self->random = x;
}

struct sobj_thread *sobj_thread(void)
{
    struct sobj__thread *self = sobj__thread_self();

    return SOBJ_LIKELY(self != NULL) ? &self->known : NULL;
}

bool sobj_thread_ended(uint64_t serial)
{
    struct sobj__thread *t;

    pthread_mutex_lock(&sobj__threads.lock);
    for (t = sobj__threads.head; t != NULL && t->known.serial != serial; t = t->next)
        ;
    pthread_mutex_unlock(&sobj__threads.lock);
    return t == NULL;
}

int64_t sobj_count(enum sobj_counter counter)
{
    pthread_mutex_lock(&sobj__threads.lock);
    /* Relaxed: a sum, exact when nothing is running. */
    int64_t sum = sobj_load_relaxed(&sobj__threads.departed[counter]);
    for (struct sobj__thread *t = sobj__threads.head; t != NULL; t = t->next)
        sum += sobj_load_relaxed(&t->counts[counter]); /* Relaxed: as above. */
    pthread_mutex_unlock(&sobj__threads.lock);
    return sum;
}

enum sobj_status sobj__threads_init(void)
{
    if (pthread_key_create(&sobj__threads.key, thread_exit) != 0)
        return SOBJ_NO_MEMORY;
    return SOBJ_OK;
}

void sobj__threads_fork_prepare(void) { pthread_mutex_lock(&sobj__threads.lock); }

void sobj__threads_fork_parent(void) { pthread_mutex_unlock(&sobj__threads.lock); }

void sobj__threads_fork_child(void)
{
    pthread_mutex_init(&sobj__threads.lock, NULL);
    struct sobj__thread *self = sobj__thread_tls, *t = sobj__threads.head, *next;

    for (; t != NULL; t = next) {
        next = t->next;
        if (t == self)
            continue;
        unlink_locked(t);
        /* Their sections ended before the fork and no other thread exists: a flush in
         * the middle has freed some items already, and which ones is not known, so
         * those are left alone; and so are the blocks in its pool, of which it may have
         * been putting one in. */
        if (!t->batch.running) {
            for (uint32_t i = 0; i < t->batch.count; i++)
                sobj__retire(t->batch.items[i].p, t->batch.items[i].free, 0);
        }
        dissolve(t);
    }
}

#ifdef SOBJ_TEST
unsigned sobj__yield_period;
void (*sobj__pause_hook)(const char *point);

void sobj__yield_maybe(void)
{
    if (sobj__yield_period != 0 && sobj__thread_random() % sobj__yield_period == 0)
        sched_yield();
}
#endif
