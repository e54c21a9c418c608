/* SPDX-License-Identifier: MIT */
/* Select and rendezvous: S1 to S5 of shared/select.c, M2 to M5 of shared/channel_meet.h;
 * sleep_once(), try_all(), meet_or_offer(), withdraw_offers() and leave_lists() of
 * shared/select.c, take_locked(), sobj__offer_try(), sobj__offer_withdraw() and
 * sobj__meet_dismiss() of shared/channel_meet.c, offer_once() of shared/channel.c, sobj__wait_enter(), sobj__wait_leave() and
 * sobj__wake_slow() of shared/park.c.
 *
 * Two queues with messages, A and B, and two rendezvous, X and Y. Three people do one
 * operation each, of those that they are given; a plain receive or send is a select of one.
 * Others bring messages and close. An operation that has happened is counted with the
 * one whose it is, whoever has done it: never two. Nobody sleeps while a message, a
 * partner or a close is there for it: that is looked at when nothing else can happen.
 *
 * What differs from the code:
 *   - The tries before the first sleep are left out: what comes of them comes of S2 and S3
 *     as well. So is spinning.
 *   - A look at a queue, with its claim, is one step, as in channel.pml, and so is what is
 *     done under one lock. The locks of S3 are taken one by one.
 *   - Any offer that can be taken may be: the order of the offers is left out.
 *   - Full queues: for a sender room is what messages are for a receiver.
 *   - Stores are visible at once; see channel.pml. */

/* Scenes: -DSCENE=NAME. */
#define queues 1 /* scene: two selects, of which one is fickle, and a receiver; two messages */
#define partners 2 /* scene: two selects at two rendezvous in opposite ways, and one who meets both */
#define mixed 3 /* scene: selects over queues and rendezvous together, with a message */
#define closes 4 /* scene: a queue and a rendezvous are closed; one of two selects is fickle */
#ifndef SCENE
#define SCENE queues
#endif

/* Mutants: -DMUTANT=NAME. */
#ifndef MUTANT
#define MUTANT 0
#endif
#define no_second_look 1 /* mutant of queues: S2: asleep after the look before the lists */
#define kept_after_look 2 /* mutant of queues: S5: who took before it was woken passes nothing on */
#define kept_on_signal 3 /* mutant of queues: S5: who is interrupted passes nothing on */
#define for_another 4 /* mutant of queues: S5: woken by one, it takes from the other first */
#define woken_twice 5 /* mutant of queues: S1: a wake-up goes to who was woken by another list */
#define taken_twice 6 /* mutant of partners: M3: an offer is taken whatever its parker says */
#define looks_then_offers 7 /* mutant of partners: M2: no lock from the look to the offer */
#define unsorted 8 /* mutant of partners: S3: the locks are taken in any order */
#define offers_first 9 /* mutant of partners: S3: offered before all are looked at */
#define queues_last 10 /* mutant of mixed: S2: the queues are looked at with offers made */
#define taken_unseen 11 /* mutant of mixed: S4: an offer that was taken is not noticed */
#define half_withdrawn 12 /* mutant of mixed: S4: offers stay when it goes on */
#define withdrawn_blindly 13 /* mutant of closes: M4: late, it asks not whether it was taken */
#define marked_late 14 /* mutant of closes: M5: all are woken, and then comes the mark */

#define PEOPLE 3
#define A 1 /* queues that somebody receives from */
#define B 2
#define X_SEND 1 /* what somebody would do at the rendezvous */
#define X_RECV 2
#define Y_SEND 4
#define Y_RECV 8

/* queues */
byte units[2];
bool shut[2];
/* guarded by the lists' locks: each step that uses them is atomic */
bool linked[2 * PEOPLE], woken[2 * PEOPLE];
byte places[2 * PEOPLE]; /* 1: the longest waiting; 0: not there */
/* rendezvous, guarded by their locks; offers by 2 * rendezvous + (0 to send, 1 to receive) */
bool locked[2], closed[2];
bool offered[4 * PEOPLE], taken[4 * PEOPLE];
/* people */
bool notified[PEOPLE], asleep[PEOPLE];
byte acts[PEOPLE];
byte from[PEOPLE], at[PEOPLE];

inline act(who) {
    acts[who]++;
    assert(acts[who] == 1)
}

/* Takes `who`, who may not be there, out of list `l`. */
inline unlink(l, who) {
    linked[l * PEOPLE + who] = 0;
    w = 0;
    do
    :: w == PEOPLE -> break
    :: else ->
        if
        :: places[l * PEOPLE + who] && places[l * PEOPLE + w] > places[l * PEOPLE + who] ->
            places[l * PEOPLE + w] = places[l * PEOPLE + w] - 1
        :: else
        fi;
        w++
    od;
    w = 0;
    places[l * PEOPLE + who] = 0
}

/* sobj__wake_slow(), for one or for all: the longest waiting whose parker still waits. */
inline wake(l, all) {
    atomic {
        awake = 0;
        do
        :: awake && !all -> break
        :: else ->
            best = 0;
            do
            :: best == PEOPLE || places[l * PEOPLE + best] == 1 -> break
            :: else -> best++
            od;
            if
            :: best == PEOPLE -> break
            :: else ->
                unlink(l, best);
#if MUTANT == woken_twice
                if
                :: true -> notified[best] = 1; woken[l * PEOPLE + best] = 1; awake = 1
                fi
#else
                if
                :: !notified[best] -> notified[best] = 1; woken[l * PEOPLE + best] = 1; awake = 1
                :: else
                fi
#endif
            fi
        od;
        best = 0;
        awake = 0
    }
}

/* A look at queue `l`. */
inline take_unit(l) {
    atomic {
        if
        :: units[l] -> units[l] = units[l] - 1; act(p); over = 1
        :: !units[l] && shut[l] -> over = 1
        :: else
        fi
    }
}

/* try_all() of the queues, in any order. */
inline look_at_queues() {
    seen = 0;
    do
    :: !over && (from[p] & A) && !(seen & A) -> seen = seen | A; take_unit(0)
    :: !over && (from[p] & B) && !(seen & B) -> seen = seen | B; take_unit(1)
    :: over || seen == from[p] -> break
    od;
    seen = 0
}

/* take_locked() and what it is for: operation `o` of this one with an offer of the other side. */
inline meet(o) {
    q = 0;
    if
    :: closed[(o) / 2] -> over = 1
    :: else ->
        do
        :: q == PEOPLE || over -> break
        :: else ->
            if
            :: offered[((o) ^ 1) * PEOPLE + q] ->
                offered[((o) ^ 1) * PEOPLE + q] = 0;
                if
#if MUTANT == taken_twice
                :: true ->
#else
                :: !notified[q] ->
#endif
                    assert(q != p);
                    notified[q] = 1;
                    taken[((o) ^ 1) * PEOPLE + q] = 1;
                    act(q);
                    act(p);
                    over = 1
#if MUTANT != taken_twice
                :: else
#endif
                fi
            :: else
            fi;
            q++
        od
    fi;
    q = 0
}

inline lock(m) {
    atomic {
        !locked[m] -> locked[m] = 1
    }
}

inline offer_all() {
    o = 0;
    do
    :: o == 4 -> break
    :: else ->
        if
        :: (at[p] >> o) & 1 -> offered[o * PEOPLE + p] = 1
        :: else
        fi;
        o++
    od;
    o = 0
}

/* S3, with all locks. */
inline meet_all_or_offer() {
    atomic {
#if MUTANT == offers_first
        offer_all();
#endif
        seen = 0;
        do /* in any order */
        :: !over && (at[p] & X_SEND) && !(seen & X_SEND) -> seen = seen | X_SEND; meet(0)
        :: !over && (at[p] & X_RECV) && !(seen & X_RECV) -> seen = seen | X_RECV; meet(1)
        :: !over && (at[p] & Y_SEND) && !(seen & Y_SEND) -> seen = seen | Y_SEND; meet(2)
        :: !over && (at[p] & Y_RECV) && !(seen & Y_RECV) -> seen = seen | Y_RECV; meet(3)
        :: over || seen == at[p] -> break
        od;
        seen = 0;
#if MUTANT != looks_then_offers
        if
        :: over
        :: else -> offer_all()
        fi
#endif
    }
}

#define AT_X (at[p] & (X_SEND | X_RECV))
#define AT_Y (at[p] & (Y_SEND | Y_RECV))

inline lock_all() {
#if MUTANT == unsorted
    if
    :: AT_X && AT_Y && p == 1 -> lock(1); lock(0)
    :: else ->
#endif
        if
        :: AT_X -> lock(0)
        :: else
        fi;
        if
        :: AT_Y -> lock(1)
        :: else
        fi
#if MUTANT == unsorted
    fi
#endif
}

inline unlock_all() {
    atomic {
        if
        :: AT_X -> locked[0] = 0
        :: else
        fi;
        if
        :: AT_Y -> locked[1] = 0
        :: else
        fi
    }
}

/* Of one rendezvous; the lock is free for a moment. */
inline withdraw(m) {
    atomic {
        !locked[m] ->
        o = 2 * m;
        do
        :: o == 2 * m + 2 -> break
        :: else ->
            offered[o * PEOPLE + p] = 0;
            if
            :: taken[o * PEOPLE + p] -> taken[o * PEOPLE + p] = 0; mine = 1
            :: else
            fi;
            o++
        od;
        o = 0
    }
}

inline enter(l) {
    atomic {
        linked[l * PEOPLE + p] = 1;
        places[l * PEOPLE + p] = 1 + linked[l * PEOPLE + ((p + 1) % PEOPLE)] +
                                 linked[l * PEOPLE + ((p + 2) % PEOPLE)]
    }
}

inline leave(l) {
    atomic {
        unlink(l, p);
        if
        :: woken[l * PEOPLE + p] -> woken[l * PEOPLE + p] = 0; by = l
        :: else
        fi
    }
}

#define NOBODY 2

/* sobj_select(), or with one operation that operation. */
proctype person(byte p; bool fickle)
{
    byte seen, w, best, q, o, by;
    bool over, awake, mine, interrupted, late;

    do
    :: atomic {
           by = NOBODY;
           notified[p] = 0
       }
#if MUTANT == no_second_look
       look_at_queues();
#endif
       if
       :: from[p] & A -> enter(0)
       :: else
       fi;
       if
       :: from[p] & B -> enter(1)
       :: else
       fi;
#if MUTANT != no_second_look && MUTANT != queues_last
       look_at_queues(); /* S2 */
#endif
       if
       :: !over && at[p] ->
           lock_all();
           meet_all_or_offer(); /* S3 */
           unlock_all();
#if MUTANT == looks_then_offers
           lock_all();
           atomic {
               if
               :: over
               :: else -> offer_all()
               fi
           };
           unlock_all()
#endif
       :: else
       fi;
#if MUTANT == queues_last
       look_at_queues();
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
#if MUTANT != half_withdrawn
       if
       :: AT_X -> withdraw(0) /* S4 */
       :: else
       fi;
       if
       :: AT_Y -> withdraw(1)
       :: else
       fi;
#endif
#if MUTANT == taken_unseen
       mine = 0;
#endif
#if MUTANT == withdrawn_blindly
       if
       :: late -> mine = 0
       :: else
       fi;
#endif
       leave(0);
       leave(1);
       if
       :: mine -> break
       :: else
       fi;
       if
#if MUTANT != kept_after_look
       :: by != NOBODY && over -> wake(by, 0) /* S5 */
#endif
#if MUTANT != kept_on_signal
       :: by != NOBODY && interrupted && !over -> wake(by, 0) /* S5 */
#endif
       :: else
       fi;
       if
       :: over || interrupted -> break
       :: else
       fi;
       if
       :: by != NOBODY ->
#if MUTANT == for_another
           take_unit(1 - by);
           if
           :: over
           :: else -> take_unit(by)
           fi
#else
           take_unit(by) /* S5 */
#endif
       :: else
       fi;
       if
       :: late && !over -> look_at_queues(); break
       :: over -> break
       :: else
       fi
    od;
    assert(acts[p] == 1 || interrupted || late || shut[0] || closed[0]);
    assert(!interrupted || over || mine || acts[p] == 0);
    assert(!late || over || mine || acts[p] == 0)
}

proctype bring(byte l)
{
    byte w, best;
    bool awake;

    units[l] = units[l] + 1;
    wake(l, 0)
}

proctype close_queue(byte l)
{
    byte w, best;
    bool awake;

    shut[l] = 1;
    wake(l, 1)
}

/* sobj__channel_close() of a rendezvous: the mark, and sobj__meet_dismiss(). */
proctype close_rendezvous(byte m)
{
    byte q;

#if MUTANT != marked_late
    closed[m] = 1;
#endif
    atomic {
        !locked[m] ->
        q = 0;
        do
        :: q == PEOPLE -> break
        :: else ->
            if
            :: offered[2 * m * PEOPLE + q] || offered[(2 * m + 1) * PEOPLE + q] ->
                offered[2 * m * PEOPLE + q] = 0;
                offered[(2 * m + 1) * PEOPLE + q] = 0;
                notified[q] = 1
            :: else
            fi;
            q++
        od;
        q = 0
    }
#if MUTANT == marked_late
    closed[m] = 1
#endif
}

#define WAITS_FOR(who, bit) (asleep[who] && (at[who] & (bit)))
#define APART(x, y) (!(WAITS_FOR(x, X_SEND) && WAITS_FOR(y, X_RECV)) && \
                     !(WAITS_FOR(x, Y_SEND) && WAITS_FOR(y, Y_RECV)))
#define LEFT(who) (!asleep[who] || (!((from[who] & A) && (units[0] || shut[0])) && \
                                    !((from[who] & B) && (units[1] || shut[1])) && \
                                    !((at[who] & (X_SEND | X_RECV)) && closed[0])))

/* Nothing can happen any more. */
active proctype watcher()
{
end:
    timeout ->
    assert(LEFT(0) && LEFT(1) && LEFT(2));
    assert(APART(0, 1) && APART(1, 0) && APART(0, 2));
    assert(APART(2, 0) && APART(1, 2) && APART(2, 1))
}

init {
    atomic {
#if SCENE == queues
        from[0] = A | B; from[1] = A | B; from[2] = A;
        run person(0, 0); run person(1, 1); run person(2, 0);
        run bring(0); run bring(1)
#endif
#if SCENE == partners
        at[0] = X_SEND | Y_RECV; at[1] = X_RECV | Y_SEND; at[2] = X_SEND | X_RECV | Y_SEND;
        run person(0, 0); run person(1, 0); run person(2, 0)
#endif
#if SCENE == mixed
        from[0] = A; at[0] = X_SEND | Y_SEND; at[1] = X_RECV; from[2] = A; at[2] = X_RECV;
        run person(0, 0); run person(1, 0); run person(2, 0);
        run bring(0)
#endif
#if SCENE == closes
        from[0] = A; at[0] = X_RECV; at[1] = X_SEND; from[2] = A; at[2] = X_RECV;
        run person(0, 0); run person(1, 0); run person(2, 1);
        run close_queue(0); run close_rendezvous(0)
#endif
    }
}
