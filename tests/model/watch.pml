/* SPDX-License-Identifier: MIT */
/* Waiting for a change: of an AtomicInt (A2 and A3, sobj_atomic_int_wait(), wait_once(),
 * watch(), unwatch() and changed() of shared/atomic_int.c; P1 of shared/park.h,
 * sobj__wait_enter(), sobj__wait_leave() and sobj__wake_slow() of shared/park.c), and of a
 * key of a dict (K1, K3 and K4 of shared/dict_watch.h; sobj_dict_wait(),
 * sobj__watch_enter(), sobj__watch_leave() and wake_list() of shared/dict_watch.c).
 *
 * Two threads wait as long as the value is 0, two others set it to something else. No
 * wake-up is lost: everybody comes to his end. (A waiter that sleeps for ever leaves an
 * invalid end state.) One of the writers puts the 0 back in between.
 *
 * What matters is which of two threads sees the other, when each stores one word and
 * then loads the other's. So stores go through a buffer here: a process puts them in,
 * its `memory` process makes them visible, in their order, at any later time, and a full
 * barrier waits until that is done. That is more than x86-64 allows, where every
 * exchange is a barrier, and what arm64 does with an exchange that only acquires and
 * releases. A store that takes part in an exchange is seen by other exchanges at once:
 * they wait for it.
 *
 * What differs from the code:
 *   - The key's state is one word (table.pml tells why); K2 is about more than one and
 *     is not modelled, nor are processors where two others may disagree about the order
 *     of two stores.
 *   - Sleeping is waiting for the parker's state; the system's own futex is trusted.
 *   - After the sleep stores are visible at once: a waiter that looks too early there
 *     just goes round again. Batches of wake-ups have one place instead of 32. */

/* Scenes: -DSCENE=NAME. */
#define number 1 /* scene: AtomicInt */
#define key 2 /* scene: a key of a dict */
#ifndef SCENE
#define SCENE number
#endif

/* Mutants: -DMUTANT=NAME. */
#ifndef MUTANT
#define MUTANT 0
#endif
#define waiter_unfenced 1 /* mutant of number: P1: the waiter looks before it can be seen */
#define writer_unfenced 2 /* mutant of number: A2: the writer looks before it can be seen */
#define no_second_look 3 /* mutant of number: A2: the waiter sleeps on its first look */
#define watched_late 4 /* mutant of number: A2: WATCHED is set after the second look */
#define cleared_by_first 5 /* mutant of number: A3: the first to leave clears WATCHED */
#define one_woken 6 /* mutant of number: A2: a change wakes one */
#define watcher_unfenced 7 /* mutant of key: K1: the watcher looks before it can be seen */
#define changer_acquires 8 /* mutant of key: K1: the look at WATCHED passes the exchange */
#define counted_late 9 /* mutant of key: K1: the count goes up after the look */
#define end_of_old 10 /* mutant of key: K4: who is woken is settled before the change */
#define batch_lost 11 /* mutant of key: K1: what does not fit in a batch is forgotten */
#define unwatched_early 12 /* mutant of key: K3: the first to leave clears WATCHED */

#define WAITERS 2 /* processes 0 and 1; the writers are 2 and 3 */
#define NONE 255

/* ---- memory */
byte value;
bool watched;
byte count;              /* waiters in the list */
bool lock_a, lock_list;  /* of `watchers`; of the list */
/* guarded by lock_a; for a key, by lock_list */
byte watchers;
/* guarded by lock_list */
bool linked[WAITERS];
byte numbers[WAITERS], arrivals;
bool notified[WAITERS];  /* the parkers' state */

/* ---- store buffers: stores that wait, the lowest bit first */
#define B_WATCHED 1
#define B_UNLOCK_A 2
#define B_COUNT 4
#define B_UNLOCK_LIST 8
#define B_VALUE 16
byte buffer[4];
byte stored[4]; /* for B_VALUE */
bool storing;   /* an exchange of the value is not visible yet */

#define BARRIER buffer[p] == 0

proctype memory(byte p)
{
end:
    do
    :: atomic {
           if
           :: buffer[p] & B_WATCHED -> watched = 1; buffer[p] = buffer[p] & ~B_WATCHED
           :: (buffer[p] & 3) == B_UNLOCK_A ->
               lock_a = 0; buffer[p] = buffer[p] & ~B_UNLOCK_A
           :: (buffer[p] & 7) == B_COUNT -> count++; buffer[p] = buffer[p] & ~B_COUNT
           :: (buffer[p] & 15) == B_UNLOCK_LIST ->
               lock_list = 0; buffer[p] = buffer[p] & ~B_UNLOCK_LIST
           :: buffer[p] == B_VALUE ->
               value = stored[p]; stored[p] = 0; storing--; buffer[p] = 0
           fi
       }
    od
}

/* ---- AtomicInt */

/* watch() */
inline watch() {
    atomic {
        !lock_a -> lock_a = 1;
        watchers++;
        buffer[p] = buffer[p] | (watchers == 1 -> B_WATCHED | B_UNLOCK_A : B_UNLOCK_A)
    }
}

/* sobj_atomic_int_wait(), while the value equals 0. */
proctype waiter(byte p)
{
    byte v;

    v = value;
    if
    :: v -> goto over
    :: else
    fi;
#if MUTANT != watched_late
    watch();
#endif
    do
    :: atomic { /* wait_once(): sobj__wait_enter() */
           !lock_list -> lock_list = 1;
           notified[p] = 0;
           linked[p] = 1;
           numbers[p] = arrivals;
           arrivals++;
           buffer[p] = buffer[p] | B_COUNT | B_UNLOCK_LIST
       }
#if MUTANT != waiter_unfenced
       BARRIER;
#endif
#if MUTANT != no_second_look
       v = value;
#endif
#if MUTANT == watched_late
       watch();
#endif
       if
       :: v == 0 -> notified[p] /* sobj__park() */
       :: else
       fi;
       atomic { /* sobj__wait_leave() */
           !lock_list ->
               if
               :: linked[p] -> linked[p] = 0; count--
               :: else
               fi
       }
       v = value;
       if
       :: v -> break
       :: else
       fi
    od;
    atomic { /* unwatch() */
        !lock_a ->
            watchers--;
            if
#if MUTANT == cleared_by_first
            :: true -> watched = 0
#else
            :: watchers == 0 -> watched = 0
            :: else
#endif
            fi
    }
over:
    v = 0
}

/* The first in the list, w, that arrived before `end`; or WAITERS. */
inline first_before(w, end) {
    w = 0;
    do
    :: w < WAITERS && !(linked[w] && numbers[w] < end && (!linked[1 - w] ||
           numbers[w] < numbers[1 - w] || numbers[1 - w] >= end)) -> w++
    :: else -> break
    od
}

/* sobj__wake_slow(), for all. */
inline wake_slow() {
    left = NONE;
    do
    :: atomic {
           !lock_list ->
               if
               :: left == NONE -> left = count
               :: else
               fi;
               first_before(w, NONE);
               if
               :: w == WAITERS || left == 0 -> break
               :: else ->
                   linked[w] = 0;
                   count--;
                   left--;
                   notified[w] = 1
               fi
#if MUTANT == one_woken
               ;
               break
#endif
       }
    od
}

/* ---- keys */

/* sobj_dict_wait(), while the value equals 0. */
proctype watcher(byte p)
{
    byte v;

    do
    :: atomic {
           v = value;
           if
           :: v -> break
           :: else
           fi
       }
       atomic { /* sobj__watch_enter() */
           !lock_list -> lock_list = 1;
           notified[p] = 0;
           watchers++;
           if
           :: watchers == 1 -> buffer[p] = buffer[p] | B_WATCHED
           :: else
           fi;
           numbers[p] = arrivals;
           arrivals++;
           linked[p] = 1;
#if MUTANT == counted_late
           buffer[p] = buffer[p] | B_UNLOCK_LIST
#else
           buffer[p] = buffer[p] | B_COUNT | B_UNLOCK_LIST
#endif
       }
#if MUTANT != watcher_unfenced
       BARRIER;
#endif
       v = value;
#if MUTANT == counted_late
       count++;
#endif
       if
       :: v == 0 -> notified[p] /* sobj__park() */
       :: else
       fi;
       atomic { /* sobj__watch_leave() */
           !lock_list ->
               if
               :: linked[p] -> linked[p] = 0; count--
               :: else
               fi;
               watchers--;
               if
#if MUTANT == unwatched_early
               :: true -> watched = 0
#else
               :: watchers == 0 -> watched = 0
               :: else
#endif
               fi
       }
    od;
    v = 0
}

/* wake_list(), with batches of one. */
inline wake_list() {
    do
    :: atomic {
           !lock_list ->
               if
               :: end == NONE -> end = arrivals
               :: else
               fi;
               first_before(w, end);
               if
               :: w == WAITERS -> break
               :: else -> linked[w] = 0; count--; notified[w] = 1
               fi;
               if
#if MUTANT == batch_lost
               :: true -> break
#else
               :: linked[0] || linked[1]
               :: else -> break
#endif
               fi
       }
    od
}

/* ---- writers */

inline write(v) {
#if MUTANT == end_of_old
    end = arrivals;
#else
    end = NONE;
#endif
    atomic { !storing -> storing = 1; stored[p] = v; buffer[p] = B_VALUE } /* exchange */
#if MUTANT != writer_unfenced && MUTANT != changer_acquires
    BARRIER;
#endif
    m = watched; /* the mode word */
    if
    :: m ->
#if SCENE == number
        BARRIER; /* sobj__wake_all() */
#endif
        m = count;
        if
#if SCENE == number
        :: m -> wake_slow()
#else
        :: m -> wake_list()
#endif
        :: else
        fi;
        atomic { m = 0; w = 0; left = 0 }
    :: else
    fi
}

proctype writer(byte p; byte back)
{
    byte m, w, left, end;

    write(1 + back);
    if
    :: back -> write(0); write(3)
    :: else
    fi;
    end = 0
}

init
{
    atomic {
        run memory(0);
        run memory(1);
        run memory(2);
        run memory(3);
#if SCENE == number
        run waiter(0);
        run waiter(1);
#elif SCENE == key
        run watcher(0);
        run watcher(1);
#endif
        run writer(2, 0);
        run writer(3, 1)
    }
}
