/* SPDX-License-Identifier: MIT */
/* Pause points; see pause.h. */
#include "pause.h"

#include <stdlib.h>
#include <string.h>

#include "atomic.h"
#include "tap.h"

static _Thread_local struct pause *own;

static void wait_for(sem_t *s)
{
    while (sem_wait(s) != 0)
        continue; /* a signal */
}

static void hook(const char *point)
{
    struct pause *p = own;

    if (p == NULL || p->reached || strcmp(p->point, point) != 0)
        return;
    if (p->skip-- != 0)
        return;
    p->reached = true;
    sem_post(&p->stopped);
    wait_for(&p->go);
}

static void *pause_main(void *context)
{
    struct pause *p = context;

    own = p;
    p->work(p->context);
    own = NULL;
    if (!p->reached) {
        sem_post(&p->stopped);
        wait_for(&p->go);
    }
    sem_post(&p->done);
    return NULL;
}

static void start(struct pause *p, const char *point, unsigned skip,
                  void (*work)(void *context), void *context)
{
    *p = (struct pause){.point = point, .skip = skip, .work = work, .context = context};
    sem_init(&p->stopped, 0, 0);
    sem_init(&p->go, 0, 0);
    sem_init(&p->done, 0, 0);
    if (sobj__pause_hook == NULL)
        sobj__pause_hook = hook;
    if (pthread_create(&p->thread, NULL, pause_main, p) != 0) {
        diag("no thread");
        abort();
    }
}

bool pause_at(struct pause *p, const char *point, unsigned skip,
              void (*work)(void *context), void *context)
{
    start(p, point, skip, work, context);
    wait_for(&p->stopped);
    return p->reached;
}

bool pause_try(struct pause *p, const char *point, unsigned skip,
               void (*work)(void *context), void *context, unsigned yields)
{
    start(p, point, skip, work, context);
    while (yields-- != 0) {
        if (sem_trywait(&p->stopped) == 0)
            return p->reached;
        sched_yield();
    }
    return false;
}

void pause_let(struct pause *p)
{
    p->let = true;
    sem_post(&p->go);
}

bool pause_done(struct pause *p, unsigned yields)
{
    while (!p->gone && yields-- != 0) {
        p->gone = sem_trywait(&p->done) == 0;
        sched_yield();
    }
    return p->gone;
}

void pause_go(struct pause *p)
{
    if (!p->let)
        pause_let(p);
    wait_for(&p->done);
    p->gone = true;
}

void pause_end(struct pause *p)
{
    if (!p->gone)
        pause_go(p);
    pthread_join(p->thread, NULL);
    sem_destroy(&p->stopped);
    sem_destroy(&p->go);
    sem_destroy(&p->done);
}
