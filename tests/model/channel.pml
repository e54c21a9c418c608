/* SPDX-License-Identifier: MIT */
/* Waiting at a channel, with batches: W1 to W3 of shared/channel.h; sleep_once(), put_row(),
 * take_row(), put_many() and take_many() of shared/channel.c, sobj__wait_enter(),
 * sobj__wait_leave(), sobj__wake_some() and sobj__wake_slow() of shared/park.c and
 * shared/park.h.
 *
 * What is waited for is a number of units: messages for receivers, room for senders. Two
 * processes may bring units, in a row and one by one; three wait for some. Nobody sleeps while
 * there are units: that is looked at whenever nothing else can happen.
 *
 * A unit is brought, and a row of units is taken, by one step: the claims of the ring and
 * of the chain (I6 of shared/channel_ring.h); a cell that is claimed and not filled keeps a
 * taker busy, which here is to come later. A receiver is content with one unit and takes
 * up to as many as it wants; a sender of a batch goes on until it has used as much room as
 * it has messages. One of the waiters may be interrupted by a signal, or give up.
 *
 * What differs from the code:
 *   - Spinning before the sleep is one more look and is left out. So is the closing mark:
 *     it wakes everybody, and whoever comes later sees it in the look of W1.
 *   - Stores are visible at once; that the waiter and who wakes it see each other is P1 of
 *     park.h, see watch.pml. */

/* Scenes: -DSCENE=NAME. */
#define messages 1 /* scene: receivers, of which one takes batches */
#define room 2 /* scene: senders, of which one sends a batch */
#ifndef SCENE
#define SCENE messages
#endif

/* Mutants: -DMUTANT=NAME. */
#ifndef MUTANT
#define MUTANT 0
#endif
#define no_second_look 1 /* mutant of messages: W1: asleep after the look before the list */
#define row_wakes_one 2 /* mutant of messages: W2: a row is followed by one wake-up */
#define given_up 3 /* mutant of messages: W2: who gives up does not look once more */
#define kept_after_look 4 /* mutant of messages: W3: who took before it was woken passes nothing on */
#define kept_on_signal 5 /* mutant of messages: W3: who is interrupted passes nothing on */
#define room_wakes_one 6 /* mutant of room: W2: a row of places is followed by one wake-up */
#define room_kept 7 /* mutant of room: W3: as kept_after_look */

#define WAITERS 3

byte units;
/* guarded by the list's lock: each step that uses them is atomic */
bool linked[WAITERS];
bool notified[WAITERS];
byte numbers[WAITERS], arrivals;
bool asleep[WAITERS];

/* sobj__wake_slow(), for one: the longest waiting. */
inline wake_one() {
    atomic {
        w = 0;
        best = WAITERS;
        do
        :: w == WAITERS -> break
        :: else ->
            if
            :: linked[w] && (best == WAITERS || numbers[w] < numbers[best]) -> best = w
            :: else
            fi;
            w++
        od;
        if
        :: best != WAITERS -> linked[best] = 0; notified[best] = 1
        :: else
        fi;
        w = 0;
        best = 0
    }
}

/* put_many() or take_many(): what there is, up to what is wanted. */
inline look() {
    atomic {
        taken = (units < most - done -> units : most - done);
        units = units - taken;
        done = done + taken;
        taken = 0;
        over = (all -> done == most : done > 0)
    }
}

/* A waiting send or receive: sleep_once() until it is over. */
proctype waiter(byte p; byte most; bool all; bool fickle)
{
    byte done, taken, w, best;
    bool over, interrupted, late, woken;

    do
    :: look(); /* before the first sleep, and W2 */
       if
       :: over || late -> break
       :: else
       fi;
       atomic { /* sobj__wait_enter() */
           linked[p] = 1;
           notified[p] = 0;
           numbers[p] = arrivals;
           arrivals++
       }
#if MUTANT != no_second_look
       look(); /* W1 */
#endif
       if
       :: over
       :: else ->
           asleep[p] = 1;
end_asleep:
           if
           :: notified[p]
           :: fickle -> interrupted = 1
           :: fickle -> late = 1
           fi;
           asleep[p] = 0
       fi;
       atomic { /* sobj__wait_leave() */
           woken = notified[p];
           linked[p] = 0
       }
       if
#if MUTANT != kept_after_look && MUTANT != room_kept
       :: woken && over -> wake_one() /* W3 */
#endif
#if MUTANT != kept_on_signal
       :: woken && interrupted && !over -> wake_one() /* W3 */
#endif
       :: else
       fi;
       if
       :: over || interrupted -> break
#if MUTANT == given_up
       :: late -> break
#endif
       :: else
       fi
    od
}

/* put_row() or take_row(), by who waits for nothing: n units in one step. */
inline bring(n) {
    units = units + n;
    left = n;
#if MUTANT == row_wakes_one || MUTANT == room_wakes_one
    left = 1;
#endif
    do /* sobj__wake_some() */
    :: left == 0 -> break
    :: else -> wake_one(); left--
    od
}

proctype in_a_row()
{
    byte left, w, best;

#if SCENE == messages
    if
    :: true
    :: true -> bring(2)
    fi
#else
    bring(2)
#endif
}

proctype one_by_one()
{
    byte left, w, best;

    bring(1);
#if SCENE == messages
    if
    :: true
    :: true -> bring(1)
    fi
#else
    bring(1)
#endif
}

/* Nothing can happen any more. */
active proctype watcher()
{
end:
    timeout ->
    assert(!(units && (asleep[0] || asleep[1] || asleep[2])))
}

init {
    atomic {
#if SCENE == messages
        run waiter(0, 1, 0, 0);
        run waiter(1, 2, 0, 0);
        run waiter(2, 1, 0, 1);
#endif
#if SCENE == room
        run waiter(0, 3, 1, 0);
        run waiter(1, 1, 1, 0);
        run waiter(2, 1, 1, 0);
#endif
        run in_a_row();
        run one_by_one()
    }
}
