/* SPDX-License-Identifier: MIT */
/* Snapshots of the dict: the gate and what is saved (G1 to G3 of shared/gate.h;
 * S1 to S6 of shared/dict_snapshot.h; sobj__gate_close(), sobj__gate_open() and
 * sobj__gate_await() of shared/gate.c; cut(), save(), value_at_cut() and unlink_locked()
 * of shared/dict_snapshot.c; change_live(), replace_node() and insert() of shared/dict.c;
 * `held` in compact() of shared/dict_log.c).
 *
 * Writers change the value of key k, remove it and insert it again, while one thread or
 * two take snapshots and read them. What a snapshot shows must be what there was at its
 * cut: the value of the one node that lived then, in its place, and nothing else.
 *
 * One atomic block is one atomic access of the code, with what the thread then does with
 * its own variables. What differs:
 *
 *   - The table of k is one word that says which node decides, as in log.pml; and since
 *     a snapshot keeps the log as it is (S3), the log is an array, from which a
 *     compaction takes all that is dead at once.
 *   - A grace period is a set of processes, those in a section when it began and not yet
 *     out of it. Waiting for the gate is waiting for a bit (watch.pml has the list of
 *     those who wait).
 *   - A snapshot keeps its body (W2). Memory runs out in one scene, at any moment (S5). */

/* Scenes: -DSCENE=NAME. */
#define changing 1 /* scene: two writers, one snapshot */
#define overlapping 2 /* scene: one writer, two snapshots that may overlap */
#define many 3 /* long scene: two writers, two snapshots that may overlap */
#define compacting 4 /* scene: a writer, a compaction, a snapshot */
#define starving 5 /* scene: two writers, one snapshot, sometimes no memory for an entry */
#ifndef SCENE
#define SCENE changing
#endif

/* Mutants: -DMUTANT=NAME. */
#ifndef MUTANT
#define MUTANT 0
#endif
#define saved_late 1 /* mutant of changing: S1: a value is saved after the exchange */
#define no_grace_period 2 /* mutant of changing: G1: the cut does not wait for sections */
#define gate_ignored 3 /* mutant of changing: G1: a writer does not look at SNAP */
#define mode_first 4 /* mutant of changing: G1: a writer looks before its section begins */
#define table_first 5 /* mutant of changing: S4: the reader looks at the value last */
#define saved_again 6 /* mutant of changing: S2: a later value is saved on top */
#define counted_late 7 /* mutant of changing: S4: an entry is counted after the exchange */
#define opened_early 8 /* mutant of changing: G2: the gate opens before LOG is set */
#define removal_unsaved 9 /* mutant of changing: S1: a removal saves nothing */
#define log_cleared 10 /* mutant of overlapping: S1: the first to end clears LOG */
#define only_the_first 11 /* mutant of overlapping: S1: values are saved for one snapshot */
#define closers_together 12 /* mutant of overlapping: G3: SNAP does not keep closers apart */
#define freed_at_once 13 /* mutant of overlapping: S6: a snapshot goes while it is walked past */

#define held_ignored 14 /* mutant of compacting: S3: a compaction does not look at `held` */
#define held_late 15 /* mutant of compacting: S3: `held` goes up after the moment */
#define compaction_ungated 16 /* mutant of compacting: S3: one begins while the gate is closed */
#define failed_late 17 /* mutant of starving: S5: the mark is set after the exchange */
#define failed_looked_first 18 /* mutant of starving: S5: the reader looks at it first */

/* ---- the dict: nodes are numbered as they are made; the first was there */
#define NODES 5
#define DELETED 14
#define FORWARD 15
#define IS_MARK(v) ((v) >= DELETED)
byte value[NODES + 1], position[NODES + 1];
byte cells[NODES + 1]; /* the log: the node at each position */
byte nodes, tail;
byte decides; /* the node that decides about k */
byte values;  /* stored so far, each another one */

/* ---- the mode word, sections, snapshots */
bool snap, log;
byte inside;    /* processes in a section */
byte before[2]; /* those that a closer's grace period waits for */
byte list;      /* the dict's snapshots: the first, and each one's next */
byte next[3];
bool lock;      /* of the list */
byte held;      /* snapshots that are being read */
byte cut[3], entries[3];
bool failed[3];
byte saved[3 * (NODES + 1)]; /* the entry that a look finds */
#define SAVED(s, n) saved[(s) * (NODES + 1) + (n)]
byte life[3]; /* RETIRED | who was in a section when it was unlinked, and still is */
#define RETIRED 128

inline enter() { inside = inside | (1 << p) }
inline leave() {
    d_step {
        inside = inside & ~(1 << p);
        before[0] = before[0] & ~(1 << p);
        before[1] = before[1] & ~(1 << p);
        life[1] = life[1] & ~(1 << p);
        life[2] = life[2] & ~(1 << p)
    }
}

/* ---- changes */

/* sobj__snapshot_save() of value v of node n. */
inline save() {
    s = list;
    do
    :: s ->
        atomic { /* the bucket */
            assert(!life[s] || (life[s] & (1 << p)));
#if MUTANT == saved_again
            due = (position[n] < cut[s])
#else
            due = (position[n] < cut[s] && !SAVED(s, n))
#endif
        }
        if
#if SCENE == starving && MUTANT == failed_late
        :: due -> lacking = 1
#elif SCENE == starving
        :: due -> failed[s] = 1
#endif
        :: due ->
#if MUTANT != counted_late
            entries[s] = 1;
#endif
            atomic { /* the exchange; what is there already says the same (S2) */
#if MUTANT == 0
                assert(!SAVED(s, n) || SAVED(s, n) == v || failed[s]);
#endif
                SAVED(s, n) = v
            }
        :: else
        fi;
#if MUTANT == only_the_first
        s = 0;
#else
        atomic {
            assert(!life[s] || (life[s] & (1 << p)));
            s = next[s]
        }
#endif
    :: else -> due = 0; break
    od
}

/* sobj__dict_begin(), then a change of k, whatever is possible. */
proctype writer(byte p; byte times)
{
    byte n, v, s, m;
    bool due, mode, remove, lacking;

    do
    :: times && nodes < NODES && values < DELETED - 1 ->
begin:
#if MUTANT == mode_first
        atomic { !snap; mode = log }
        enter();
#else
        enter();
        atomic { /* the mode word */
#if MUTANT != gate_ignored
            if
            :: snap -> leave(); goto closed
            :: else
            fi;
#endif
            mode = log
        }
#endif
again:
        atomic { /* locate() or find() */
            n = decides;
            v = value[n];
            if
            :: !IS_MARK(v) -> remove = 1
            :: !IS_MARK(v) -> remove = 0
            :: else -> goto insert
            fi
        }
        do /* change_live(), replace_node() */
        :: if
#if MUTANT == removal_unsaved
           :: mode && !remove -> save()
#elif MUTANT != saved_late
           :: mode -> save()
#endif
           :: else
           fi;
           atomic { /* the exchange */
               if
               :: value[n] == v && remove -> value[n] = DELETED; m = 1
               :: value[n] == v && !remove -> values++; value[n] = values; m = 1
               :: else ->
                   v = value[n];
                   if
                   :: IS_MARK(v) -> v = 0; goto again
                   :: else
                   fi
               fi
           }
           if
           :: m ->
#if MUTANT == saved_late
               if
               :: mode -> save()
               :: else
               fi;
#endif
#if MUTANT == counted_late
               entries[1] = 1;
#endif
#if MUTANT == failed_late
               failed[1] = failed[1] | lacking;
               lacking = 0;
#endif
               goto done
           :: else
           fi
        od;
insert:
        atomic { /* sobj__log_append(): the position */
            nodes++;
            m = nodes;
            values++;
            value[m] = values;
            position[m] = tail;
            tail++
        }
        cells[position[m]] = m; /* and the cell */
        atomic { /* the exchange in insert() */
            if
            :: value[n] == DELETED -> value[n] = FORWARD; decides = m; goto done
            :: else -> value[m] = DELETED; m = 0; goto again
            fi
        }
closed:
        !snap;
        goto begin;
done:
        atomic { n = 0; v = 0; m = 0; mode = 0; remove = 0; times--; leave() }
    :: else -> break
    od
}

/* compact(), begun by a death somewhere. */
proctype compactor(byte p)
{
    byte i;

begin:
    enter();
#if MUTANT != compaction_ungated
    atomic { /* the mode word */
        if
        :: snap -> leave(); goto closed
        :: else
        fi
    }
#endif
#if MUTANT != held_ignored
    if
    :: held -> goto done
    :: else
    fi;
#endif
    atomic { /* the store of the link */
        do
        :: i < tail ->
            if
            :: cells[i] && IS_MARK(value[cells[i]]) -> cells[i] = 0
            :: else
            fi;
            i++
        :: else -> i = 0; break
        od
    }
    goto done;
closed:
    !snap;
    goto begin;
done:
    leave()
}

/* ---- snapshots: s is 1 or 2 */

proctype snapshot(byte p; byte s)
{
    byte i, n, v, e, there, was, link;
    bool shown, failing;

    atomic { /* sobj__gate_close(): the mode word */
#if MUTANT != closers_together
        !snap;
#endif
        snap = 1
    }
#if MUTANT != no_grace_period
    before[s - 1] = inside;
    before[s - 1] == 0; /* the grace period is over */
#endif
    atomic { /* the moment */
        enter();
        cut[s] = tail;
#if MUTANT != held_late
        held++;
#endif
        if
        :: !IS_MARK(value[decides]) -> there = decides; was = value[decides]
        :: else
        fi
    }
#if MUTANT == opened_early
    snap = 0;
#endif
    atomic { !lock; lock = 1; next[s] = list; list = s }
    atomic { log = 1; lock = 0 }
#if MUTANT != opened_early
    snap = 0;
#endif
    leave();
#if MUTANT == held_late
    held++;
#endif
    do
    :: i < cut[s] -> /* sobj__snapshot_step() */
        atomic { enter(); n = cells[i] }
#if MUTANT == failed_looked_first
        failing = failed[s];
#endif
        if
        :: n ->
#if MUTANT == table_first
            e = SAVED(s, n);
            v = value[n];
#else
            v = value[n]; /* value_at_cut() */
            if
            :: entries[s] -> e = SAVED(s, n)
            :: else
            fi;
#endif
            atomic { /* and whether there is one that is not there */
#if MUTANT != failed_looked_first
                failing = failed[s];
#endif
                if
                :: e -> v = e
                :: else
                fi;
                if
                :: failing -> i = cut[s]; leave(); goto finish
                :: !failing && !IS_MARK(v) ->
                    assert(n == there && v == was && !shown); shown = 1
                :: else
                fi
            }
        :: else
        fi;
        atomic { n = 0; v = 0; e = 0; i++; leave() }
    :: else -> break
    od;
    assert(shown == (there != 0));
finish:
    atomic { i = 0; n = 0; v = 0; e = 0; failing = 0; there = 0; was = 0; shown = 0 }
    atomic { /* sobj_dict_snapshot_end() */
        !lock -> lock = 1;
        enter();
        if
        :: list == s -> list = next[s]
        :: else -> next[list] = next[s]
        fi
    }
    atomic {
        if
#if MUTANT == log_cleared
        :: true -> log = 0
#else
        :: list == 0 -> log = 0
        :: else
#endif
        fi;
        lock = 0;
        held--;
#if MUTANT == freed_at_once
        life[s] = RETIRED;
#else
        life[s] = RETIRED | inside;
#endif
        leave()
    }
}

init
{
    atomic {
        nodes = 1; decides = 1; values = 1; value[1] = 1; cells[0] = 1; tail = 1;
#if SCENE == changing
        run writer(0, 2);
        run writer(1, 2);
        run snapshot(2, 1);
#elif SCENE == overlapping
        run writer(0, 3);
        run snapshot(2, 1);
        run snapshot(3, 2);
#elif SCENE == many
        run writer(0, 1);
        run writer(1, 1);
        run snapshot(2, 1);
        run snapshot(3, 2);
#elif SCENE == compacting
        run writer(0, 3);
        run compactor(1);
        run snapshot(2, 1);
#elif SCENE == starving
        run writer(0, 2);
        run writer(1, 1);
        run snapshot(2, 1);
#endif
    }
}
