/* SPDX-License-Identifier: MIT */
/* Single flight for one key (G1, G3 to G5 of shared/flight.h; sobj_flight_join(),
 * begin_or_board(), check_in(), fly(), sleep_once(), sobj_flight_land(),
 * sobj_flight_fail(), conclude() and hand_on_locked() of shared/flight.c).
 *
 * Three threads want the key's value; whoever gets the flight makes one, or fails. Another
 * thread removes the key, or takes the flight away from its owner, as the end of a thread
 * or a domain does. Who comes aboard gets a value that the key has had since, or looks
 * again; nobody begins to make one without having seen the key absent since the flight
 * became his; no two make one for flights that are both theirs; and everybody comes to
 * his end. (A thread that sleeps for ever leaves an invalid end state.)
 *
 * One atomic block is what happens under the lock, or one atomic access of the code, with
 * what the thread then does with its own variables. What differs:
 *
 *   - The key's state is one word (table.pml), and no wake-up of its watchers is lost
 *     (watch.pml); a wait neither times out nor is it interrupted.
 *   - Batches of wake-ups have room for everybody. There is one key, so no ring (G2). */

/* Scenes: -DSCENE=NAME. */
#define removing 1 /* scene: three threads; the key is removed */
#define ending 2 /* scene: three threads; the flight is taken away from its owner */
#ifndef SCENE
#define SCENE removing
#endif

/* Mutants: -DMUTANT=NAME. */
#ifndef MUTANT
#define MUTANT 0
#endif
#define late_served 1 /* mutant of removing: G4: who comes late gets the value, too */
#define landing_unmarked 2 /* mutant of removing: G4: the mark comes after the store */
#define look_omitted 3 /* mutant of removing: G5: a new owner does not look at the key */
#define outcome_unseen 4 /* mutant of removing: G3: a sleeper has not looked at its outcome */
#define left_undecided 5 /* mutant of removing: G3: who has found the key just leaves */
#define number_ignored 6 /* mutant of ending: G1: who has lost the flight ends it */

#define JOINERS 3

/* ---- the dict */
byte value; /* 0: absent */
bool watching[JOINERS], notified[JOINERS];

/* ---- the flight, with its passengers, the longest waiting first */
bool flight, landing;
byte number, last_number;
byte aboard[JOINERS + 1], passengers;
#define ARRIVED 1
#define PROMOTED 2
#define AGAIN 3
byte outcome[JOINERS], given[JOINERS], mine[JOINERS];
bool late[JOINERS], parked[JOINERS];

/* The specification: values that the key has had since p came aboard, or, if p has
 * the flight, since then; the first bit is absence. */
byte had[JOINERS];
byte makes; /* whoever makes a value for a flight that is his, and 1; or 0 */

inline store(v) {
    value = v;
    had[0] = had[0] | (1 << value);
    had[1] = had[1] | (1 << value);
    had[2] = had[2] | (1 << value)
}

/* Needs: atomic. */
inline disembark(q) {
    i = 0;
    do
    :: aboard[i] == q -> break
    :: else -> i++
    od;
    do
    :: i < passengers - 1 -> aboard[i] = aboard[i + 1]; i++
    :: else -> break
    od;
    passengers--;
    aboard[passengers] = 0;
    i = 0
}

inline decide(q, what) {
    assert(!outcome[q]);
    disembark(q);
    outcome[q] = what;
    notified[q] = notified[q] | parked[q]
}

/* hand_on_locked(). Needs: atomic. */
inline hand_on() {
    landing = 0;
    if
    :: passengers == 0 -> flight = 0; number = 0
    :: else ->
        w = aboard[0];
        last_number++;
        number = last_number;
        mine[w] = number;
        had[w] = 1 << value;
        decide(w, PROMOTED);
        w = 0
    fi
}

#if MUTANT == number_ignored
#define IS_MINE flight
#else
#define IS_MINE (flight && number == mine[p])
#endif

#define OWN_ENDS makes = (number == mine[p] -> 0 : makes)

/* conclude() with value v, or 0: look again. */
inline conclude(v) {
    atomic {
        if
        :: IS_MINE ->
            OWN_ENDS;
            flight = 0; landing = 0; number = 0;
            do
            :: passengers ->
                w = aboard[0];
                if
#if MUTANT == late_served
                :: v -> given[w] = v; decide(w, ARRIVED)
#else
                :: v && !late[w] -> given[w] = v; decide(w, ARRIVED)
#endif
                :: else -> decide(w, AGAIN)
                fi
            :: else -> w = 0; break
            od
        :: else
        fi
    }
}

proctype joiner(byte p)
{
    byte v, w, i;
    bool decided, fails;

again:
    atomic { /* sobj__dict_key_look() */
        decided = 0;
        v = value;
        if
        :: v -> goto over
        :: else
        fi
    }
    atomic { /* begin_or_board() */
        outcome[p] = 0;
        had[p] = 1 << value;
        if
        :: !flight ->
            flight = 1; last_number++; number = last_number; mine[p] = number;
            goto check_in
        :: else -> aboard[passengers] = p; passengers++; late[p] = landing
        fi
    }
    do
    :: atomic { watching[p] = 1; notified[p] = 0 } /* sleep_once() */
       atomic {
           decided = (outcome[p] != 0);
#if MUTANT == outcome_unseen
           decided = 0;
#endif
           parked[p] = !decided
       }
       v = value;
       if
       :: !decided && !v -> notified[p] /* sobj__park() */
       :: else
       fi;
       watching[p] = 0;
       atomic { parked[p] = 0; notified[p] = 0 }
       atomic { /* fly() */
           decided = (outcome[p] != 0);
           if
           :: !decided && v -> disembark(p); goto over
#if MUTANT == left_undecided
           :: decided && v -> goto over
           :: decided && !v -> break
#else
           :: decided -> break
#endif
           :: else
           fi
       }
    od;
    if
    :: outcome[p] == ARRIVED -> atomic { assert(had[p] & (1 << given[p])); goto over }
    :: outcome[p] == AGAIN && v -> goto over
    :: outcome[p] == AGAIN && !v -> goto again
    :: outcome[p] == PROMOTED
    fi;
check_in:
#if MUTANT != look_omitted
    v = value;
    if
    :: v -> conclude(0); goto over
    :: else
    fi;
#endif
    atomic { /* the factory begins */
        assert(had[p] & 1);
        if
        :: flight && number == mine[p] -> assert(!makes); makes = p + 1
        :: else
        fi;
        if
        :: fails = 1
        :: fails = 0
        fi
    }
    if
    :: fails ->
        atomic { /* sobj_flight_fail() */
            if
            :: IS_MINE -> OWN_ENDS; hand_on()
            :: else
            fi
        }
    :: else ->
#if MUTANT != landing_unmarked
        atomic { landing = landing | IS_MINE }
#endif
        atomic { /* sobj_dict_add() */
            if
            :: value -> v = value
            :: else -> v = p + 1; store(v)
            fi
        }
#if MUTANT == landing_unmarked
        atomic { landing = landing | IS_MINE }
#endif
        atomic { /* sobj__dict_changed() */
            notified[0] = notified[0] | watching[0];
            notified[1] = notified[1] | watching[1];
            notified[2] = notified[2] | watching[2]
        }
        conclude(v)
    fi;
over:
    atomic { v = 0; decided = 0; fails = 0; had[p] = 0; outcome[p] = 0; given[p] = 0 }
}

#if SCENE == removing
/* sobj_dict_remove(). */
proctype remover()
{
    atomic {
        if
        :: value -> store(0)
        :: else
        fi
    }
}
#elif SCENE == ending
/* end_one(). */
proctype ender()
{
    byte w, i;

    atomic {
        if
        :: flight -> makes = 0; hand_on()
        :: else
        fi
    }
}
#endif

init
{
    atomic {
        run joiner(0);
        run joiner(1);
        run joiner(2);
#if SCENE == removing
        run remover()
#elif SCENE == ending
        run ender()
#endif
    }
    _nr_pr == 1;
    assert(!flight && !passengers)
}
