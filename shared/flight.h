/* SPDX-License-Identifier: MIT */
/* L3: single flight. Contract: sharedobj/dict_wait.h (F1-F5).
 *
 *   sobj__flights ── buckets by key ──> flight ──> flight
 *                                         │ owner: a thread, in a domain
 *                                         └──> passenger -> passenger -> ...   (FIFO)
 *
 * All of this is under one lock: beside a factory that runs Python code the time in it
 * is nothing. A passenger lies on the stack of its thread; a flight does not lie on its
 * owner's, because that may vanish in the middle of a factory.
 *
 *   G1  A flight is found by its key and its number, never by a pointer that its owner
 *       keeps: it may have been taken away and have gone to another thread, under
 *       another number, or nowhere.
 *   G2  Threads and flights form no ring: a passenger comes aboard only after following
 *       owner -> the flight it waits for -> its owner ... to an end, under the lock; a
 *       new owner waits for nothing at the moment it becomes one.
 *   G3  A passenger's outcome is decided once, under the lock, and it leaves with the
 *       lock held. An outcome that was decided counts, whatever has ended its sleep.
 *   G4  Between the mark `landing` and the end of a flight its value becomes visible in
 *       the dict and may be removed again. Who comes aboard in that time may have begun
 *       after the removal: it does not get the value, but looks again.
 *   G5  A new owner looks at the key before it makes a value: the flight before its own
 *       stored its value before it was taken out of the bucket (or failed).
 */
#ifndef SOBJ_FLIGHT_H
#define SOBJ_FLIGHT_H

#include "dict_watch.h"
#include "thread.h"

enum sobj__outcome {
    SOBJ__ABOARD = 0, /* none yet */
    SOBJ__ARRIVED,    /* `value` is the caller's */
    SOBJ__PROMOTED,   /* the flight is the caller's, under `number` */
    SOBJ__AGAIN,      /* the flight is over: look again */
};

/* A thread that waits for a flight. Guarded by sobj__flights.lock. */
struct sobj__passenger {
    struct sobj__thread *thread; /* const */
    struct sobj_domain *domain;  /* const */
    struct sobj__parker *parker; /* NULL: awake, and will look at `outcome` */
    struct sobj__flight *flight; /* while linked */
    struct sobj__passenger *next, *prev;
    enum sobj__outcome outcome;
    bool late; /* came aboard while the flight was landing (G4) */
    sobj_cell value;
    uint64_t number;
};

/* Guarded by sobj__flights.lock. */
struct sobj__flight {
    struct sobj_dict_key *key; /* a reference; const */
    uint64_t number;
    struct sobj__thread *owner;
    struct sobj_domain *domain; /* only a name */
    bool landing;
    struct sobj__passenger *head, *tail;
    struct sobj__flight *next, *prev; /* in the bucket */
};

#define SOBJ__FLIGHT_BUCKETS 64u

/* Process-wide; the instance lives in runtime.c. */
struct sobj__flights {
    struct sobj__lock lock;
    uint64_t last_number;                               /* guarded by lock */
    struct sobj__flight *buckets[SOBJ__FLIGHT_BUCKETS]; /* guarded by lock */
};
extern struct sobj__flights sobj__flights;

/* Make the flights of a thread that ends, or of a domain, fail. */
void sobj__flights_thread_end(struct sobj__thread *thread);
void sobj__flights_domain_end(struct sobj_domain *domain);
/* In the child: the flights of vanished threads are over, nobody waits. */
void sobj__flights_fork_child(void);

#endif
