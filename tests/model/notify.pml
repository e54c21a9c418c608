/* SPDX-License-Identifier: MIT */
/* Notifiers of a channel: N1 to N5 of shared/notify.h; sobj__notifiers_arm(),
 * sobj__notifiers_raise_locked() and sobj_notifier_free() of shared/notify.c,
 * sobj__channel_settle() of shared/channel_notify.c, tried() of shared/channel.c,
 * sobj__wake_one(), sobj__wait_enter(), sobj__wait_leave() and sobj__wake_slow() of
 * shared/park.h and shared/park.c.
 *
 * Two processes send messages. Event loops wait until their descriptor is readable and try to
 * receive; each may stop at any time and close it. A thread may sleep beside them. Nobody
 * waits while there is a message for him: that is looked at whenever nothing else can happen.
 * Nor does a loop find its descriptor readable for nothing without being able to tell so,
 * and nobody writes to a descriptor that is closed.
 *
 * Stores that decide who sees whom go through buffers as in watch.pml: a process's message
 * and what it adds to the count become visible later, in their order; a full barrier waits
 * for them. A lock is let go of after what was stored under it.
 *
 * What differs from the code:
 *   - The hint is visible at once; late it costs one more look.
 *   - Opening a notifier leaves it raised and looks, like one that has been raised: they
 *     begin so here. Closing the channel is a message that nobody takes away: left out.
 *   - A message that is claimed and not yet visible keeps a receiver busy, which here is to
 *     come later. Spinning is one more look, and left out.
 *   - N6 (fork) is not modelled: the child is alone, and looks at everything. */

/* Scenes: -DSCENE=NAME. */
#define loops 1 /* scene: two event loops */
#define beside 2 /* scene: an event loop and a thread that sleeps */
#ifndef SCENE
#define SCENE loops
#endif

/* Mutants: -DMUTANT=NAME. */
#ifndef MUTANT
#define MUTANT 0
#endif
#define first_only 1 /* mutant of loops: N1: a waker raises one */
#define arming_unfenced 2 /* mutant of loops: N2: who arms looks before it can be seen */
#define sender_unfenced 3 /* mutant of loops: N2: the sender looks before it can be seen */
#define no_second_look 4 /* mutant of loops: N2: who arms does not look again */
#define armed_uncounted 5 /* mutant of loops: N2: arming does not count */
#define raised_alone 6 /* mutant of loops: N2: who arms all raises its own only */
#define hint_late 7 /* mutant of loops: N3: the hint is written after the event was set */
#define used_up 8 /* mutant of beside: N4: a wake-up ends with a notifier */
#define closed_linked 9 /* mutant of loops: N5: closed before it has left the list */
#define closed_unlocked 10 /* mutant of loops: N5: left, and closed, without the lock */

#define NOTIFIERS 2 /* of processes 0 and 1; the senders are 2 and 3 */
#if SCENE == loops
#define IN_LIST 1
#else
#define IN_LIST 0 /* process 1 is the thread that sleeps */
#endif

/* ---- memory */
byte messages;
byte count;  /* the waiter in the list, and notifiers that are armed */
byte raised; /* the hint */
bool lock;
/* guarded by the lock */
bool linked[NOTIFIERS], armed[NOTIFIERS];
bool queued;
/* descriptors */
bool open[NOTIFIERS], event[NOTIFIERS];
/* the parker's state */
bool notified;
/* who waits, for the watcher */
bool polling[NOTIFIERS], asleep;

/* ---- store buffers, by process */
byte sent[4], counts[4];
bool unlocks[4];

#define BARRIER (sent[p] == 0 && counts[p] == 0 && !unlocks[p])

proctype memory(byte p)
{
end:
    do
    :: atomic { sent[p] -> messages++; sent[p]-- }
    :: atomic { counts[p] -> count++; counts[p]-- }
    :: atomic { unlocks[p] && counts[p] == 0 -> unlocks[p] = 0; lock = 0 }
    od
}

/* sobj__notifiers_raise_locked() */
inline raise_locked() {
    i = 0;
    do
    :: i == NOTIFIERS -> break
#if MUTANT == raised_alone
    :: i < NOTIFIERS && linked[i] && armed[i] && (p > 1 || i == p) ->
#else
    :: i < NOTIFIERS && linked[i] && armed[i] ->
#endif
        armed[i] = 0;
#if MUTANT != hint_late
        raised++;
#endif
        count--;
        atomic { assert(open[i]); event[i] = 1 }
#if MUTANT == hint_late
        raised++;
#endif
#if MUTANT == first_only
        i = NOTIFIERS
#else
        i++
#endif
    :: else -> i++
    od;
    i = 0
}

/* sobj__wake_slow(), for one */
inline wake_slow() {
    atomic { !lock -> lock = 1 }
#if MUTANT == used_up
    if
    :: armed[0] -> raise_locked()
    :: else ->
#else
    raise_locked();
    if
    :: true ->
#endif
        atomic {
            if
            :: queued -> queued = 0; count--; notified = 1
            :: else
            fi
        }
    fi;
    lock = 0
}

/* ---- event loops */

/* sobj__channel_settle() */
inline settle() {
    atomic { !lock -> lock = 1 } /* sobj__notifiers_arm() */
    i = 0;
    do
    :: i == NOTIFIERS -> break
    :: i < NOTIFIERS && linked[i] && !armed[i] ->
        atomic { assert(open[i]); event[i] = 0 }
        armed[i] = 1;
        raised--;
#if MUTANT == armed_uncounted
        count = count;
#else
        counts[p]++;
#endif
        i++
    :: else -> i++
    od;
    atomic { i = 0; unlocks[p] = 1 }
#if MUTANT != arming_unfenced
    BARRIER;
#endif
#if MUTANT != no_second_look
    if
    :: messages ->
        atomic { !lock -> lock = 1 } /* sobj__notifiers_raise() */
        raise_locked();
        lock = 0
    :: else
    fi
#endif
}

proctype loop(byte p)
{
    byte i;
    bool stops;

    if
    :: true
    :: stops = 1
    fi;
    polling[p] = 1;
end_polling:
    do
    :: atomic { event[p] -> polling[p] = 0 } /* it is readable */
       if
       :: atomic { messages -> messages-- }
       :: messages == 0 ->
           if
           :: raised -> settle() /* tried() */
           :: atomic { raised == 0 -> assert(!event[p]) }
           fi
       fi;
       polling[p] = 1
    :: stops -> break
    od;
    polling[p] = 0;
#if MUTANT == closed_linked
    open[p] = 0;
#endif
    atomic { /* sobj_notifier_free() */
#if MUTANT != closed_unlocked
        !lock ->
#endif
            linked[p] = 0;
            if
            :: armed[p] -> count--
            :: else -> raised--
            fi
    }
    open[p] = 0
}

/* ---- the thread that sleeps, until it has received one */
#if SCENE == beside
proctype waiter(byte p)
{
    byte i;
    bool got, woken;

    do
    :: atomic { /* sobj__wait_enter() */
           !lock -> lock = 1;
           queued = 1;
           notified = 0;
           counts[p]++;
           unlocks[p] = 1
       }
       BARRIER;
       if
       :: atomic { messages -> messages--; got = 1 }
       :: messages == 0 ->
           asleep = 1;
end_asleep:
           notified;
           asleep = 0
       fi;
       atomic { /* sobj__wait_leave() */
           !lock ->
               woken = notified;
               if
               :: queued -> queued = 0; count--
               :: else
               fi
       }
       if
       :: got && woken && count -> wake_slow()
       :: else
       fi;
       if
       :: got -> break
       :: atomic { !got && messages -> messages--; break }
       :: else
       fi
    od
}
#endif

/* ---- senders */

proctype sender(byte p; byte left)
{
    byte i;

    do
    :: left == 0 -> break
    :: else ->
        left--;
        sent[p]++;
#if MUTANT != sender_unfenced
        BARRIER;
#endif
        if /* sobj__wake_one() */
        :: count -> wake_slow()
        :: else
        fi
    od
}

/* Nothing can happen any more. */
active proctype watcher()
{
end:
    timeout ->
    assert(!(messages && (polling[0] || polling[1] || asleep)))
}

init
{
    atomic {
        linked[0] = 1;
        open[0] = 1;
        event[0] = 1;
        linked[1] = IN_LIST;
        open[1] = IN_LIST;
        event[1] = IN_LIST;
        raised = 1 + IN_LIST;
        run memory(0);
        run memory(1);
        run memory(2);
        run memory(3);
        run loop(0);
#if SCENE == loops
        run loop(1);
#else
        run waiter(1);
#endif
        run sender(2, 1);
        run sender(3, 2)
    }
}
