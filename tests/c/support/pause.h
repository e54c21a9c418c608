/* SPDX-License-Identifier: MIT */
/* One thread stopped between two atomic steps while others go on, so that an
 * interleaving which chance would need days for happens each time.
 *
 *     struct pause p;
 *     pause_at(&p, "dict.insert", 0, insert_it, &context);    runs it up to the point
 *     ... what shall happen meanwhile, in this thread ...
 *     pause_end(&p);                                          the rest of it
 *
 * The points are the SOBJ_PAUSE lines of the core. The thread that stops is usually
 * inside a section: no grace period ends before it goes on, so whoever is to act
 * meanwhile must not retire so much that it waits for one.
 */
#ifndef SUPPORT_PAUSE_H
#define SUPPORT_PAUSE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

struct pause {
    const char *point;
    unsigned skip; /* passings still to be let through */
    void (*work)(void *context);
    void *context;
    bool reached, let, gone;
    sem_t stopped, go, done;
    pthread_t thread;
};

/* Starts a thread that runs `work` and stops at its passing number `skip` (from 0) of
 * the point. Returns, when the thread has stopped or ended: whether it has stopped. */
bool pause_at(struct pause *p, const char *point, unsigned skip,
              void (*work)(void *context), void *context);
/* The same for a thread that, if all is well, has to wait for somebody else before it
 * comes to the point: gives up after so many yields and lets it run. It stops at the
 * point no less when it gets there, until pause_go. */
bool pause_try(struct pause *p, const char *point, unsigned skip,
               void (*work)(void *context), void *context, unsigned yields);
/* Lets the thread go on until its work is done. The thread itself lives on: its end
 * would wait for a grace period, hence for all others that still stand somewhere. */
void pause_go(struct pause *p);
/* Lets the thread go on, but does not wait for it. */
void pause_let(struct pause *p);
/* Gives the processor away so many times, or until the work is done. Returns: whether it
 * is. For what must not be done before somebody else goes on; pause_end follows. */
bool pause_done(struct pause *p, unsigned yields);
/* The same, unless that has been done, and the end of the thread. */
void pause_end(struct pause *p);

#endif
