/* SPDX-License-Identifier: MIT */
/* The order log of the dict: appending, compaction, iteration, forward and backward
 * (L1 to L4 and R1 of shared/dict_internal.h; R2 of shared/reclaim.h; sobj__log_append(),
 * segment_after(), compact(), segment_close(), segments_merge(), compact_run() and
 * segment_end() of shared/dict_log.c; sobj_dict_iter_next() of shared/dict_iter.c and what
 * it calls; sobj__log_find_below() of shared/dict_last.c; insert() and abandon() of
 * shared/dict.c).
 *
 * Key P is there throughout. Key X is inserted by one thread or two, and perhaps removed
 * again. Others compact the log, which may end the last segment early, and a walker
 * iterates. The walk must show P once, X at most once, X once if it was there
 * from before the walk to its end, positions in growing order, and come to an end; at
 * rest every key that lives is in the log once, and every reference is accounted for.
 *
 * One atomic block is one atomic access of the code, with what the thread then does with
 * its own variables. What differs:
 *
 *   - The table of X is one word that says which node decides and whether that lives;
 *     what table.pml shows makes that enough. A node leaves it some time after its
 *     deletion, and the reference of the slot a grace period later.
 *   - Segments have two cells, and what the code decides by estimates (when to compact,
 *     whether to end the last segment, how long a run is, whether it is worth a merge)
 *     is decided anyhow here.
 *   - Entering a section and the first load are one step, and so are the last access and
 *     leaving. Memory never runs out; content.pml has sobj_dict_clear().
 *     Of the segment that `near` names nothing is known but that it is in the log; so it
 *     is left out, and a walk backward goes from the head instead. */

/* Scenes: -DSCENE=NAME. */
#define inserting 1 /* scene: two threads insert X, one removes it */
#define closing 2 /* scene: one thread inserts X and removes it; a compaction */
#define twice 3 /* scene: one thread inserts X; two compactions, one after the other */
#define rivals 4 /* scene: one thread inserts X; two threads would compact at once */
#define lagging 5 /* scene: two threads insert X; a compaction; nobody iterates */
#define crowd 6 /* long scene: two threads insert X, one removes it; a compaction */
#define backward 7 /* scene: as inserting, and the walk goes backward */
#define backward_closing 8 /* scene: as closing, and the walk goes backward */
#define backward_twice 9 /* scene: as twice, and the walk goes backward */
#ifndef SCENE
#define SCENE inserting
#endif

/* Mutants: -DMUTANT=NAME. */
#ifndef MUTANT
#define MUTANT 0
#endif
#define position_kept 1 /* mutant of inserting: L2: a second attempt uses the first one's node */
#define linked_ignored 2 /* mutant of inserting: L1: a walker does not ask the table */
#define linked_only 3 /* mutant of inserting: L1: what is not LINKED yet is not shown */
#define log_after_slot 4 /* mutant of inserting: L1: a node is in its slot before the log */
#define end_ignored 5 /* mutant of inserting: L2: a walk goes on beyond where it began */
#define cells_left_open 6 /* mutant of closing: L3: compaction does not close empty cells */
#define merge_without_reference 7 /* mutant of closing: R1: a merged segment owns nothing */
#define no_grace_period 8 /* mutant of closing: R2: a replaced segment is freed at once */
#define segment_not_held 9 /* mutant of closing: R1: an iterator has no reference */
#define hint_left 10 /* mutant of lagging: L4: the hint may point into the run */
#define rivals_let_in 11 /* mutant of rivals: L4: two threads compact at once */
#define backward_position_kept 12 /* mutant of backward: L2: a second attempt uses the first's node */
#define seek_ignored 13 /* mutant of backward_twice: L4: a walk begins at a segment's end */
#define hint_trusted 14 /* mutant of backward: L4: a late hint is not below the position */

#define KEPT (MUTANT == position_kept || MUTANT == backward_position_kept)

/* ---- nodes: the first is key P's, the others are X's */
#define P 1
#define NODES 6
#define LIVE 1
#define DELETED 2
#define GONE 3 /* forwarded or dropped: decides nothing any more */
byte value[NODES + 1], position[NODES + 1];
byte refs[NODES + 1]; /* of the slot and of segments */
bool linked[NODES + 1];
bool inserted[NODES + 1]; /* of the specification */
#define VACANT 16 /* ... + the node that was dropped; it is another empty slot then */
#define PRESENT (decides < VACANT && value[decides] == LIVE)
byte decides = VACANT; /* the table of X: the node that decides, or VACANT */
byte nodes = P;   /* made so far */

/* ---- segments, from 1 on; 0 is NULL */
#define SEGMENTS 6
#define ROOM 2
#define CLOSED 15
byte cells[(SEGMENTS + 1) * ROOM];
#define CELL(s, c) cells[(s) * ROOM + (c)]
byte first[SEGMENTS + 1], last[SEGMENTS + 1], count[SEGMENTS + 1], next[SEGMENTS + 1];
byte holds[SEGMENTS + 1]; /* references */
bool dense[SEGMENTS + 1];
byte segments = 0; /* made so far */
byte head, hint, tail;
bool compacting;

inline new_segment(s, start) {
    segments++;
    s = segments;
    assert(s <= SEGMENTS);
    first[s] = start; last[s] = start + ROOM; count[s] = ROOM; dense[s] = 1; holds[s] = 1
}

/* ---- sections and reclamation */

/* For a segment, and for a node that has left its slot: RETIRED and the processes that
 * were in a section then and still are. When they are gone a reference goes. */
#define RETIRED 128
byte life[SEGMENTS + NODES + 1];
#define SLOT_OF(n) (SEGMENTS + (n))
byte inside;
byte o, q;

#define USE_NODE(n) assert(refs[n])
#define USE(s) assert(!(s) || (holds[s] && (!life[s] || (life[s] & (1 << p)))))
#define USE_HELD(s) assert(holds[s])
inline unref_segment(s) {
    assert(holds[s]);
    holds[s]--;
    if
    :: holds[s] == 0 ->
        q = 0;
        do
        :: q < count[s] ->
            if
            :: CELL(s, q) && CELL(s, q) != CLOSED ->
                assert(refs[CELL(s, q)]);
                refs[CELL(s, q)]--
            :: else
            fi;
            CELL(s, q) = 0;
            q++
        :: else -> break
        od;
        first[s] = 0; last[s] = 0; count[s] = 0; dense[s] = 0; next[s] = 0; q = 0
    :: else
    fi
}
inline retire(x) {
    assert(!life[x]);
    life[x] = RETIRED | inside
}
inline enter() { inside = inside | (1 << p) }
inline leave() {
    d_step {
        inside = inside & ~(1 << p);
        o = 1;
        do
        :: o <= SEGMENTS + NODES ->
            life[o] = life[o] & ~(1 << p);
            if
            :: life[o] == RETIRED && o <= SEGMENTS -> life[o] = 0; unref_segment(o)
            :: life[o] == RETIRED && o > SEGMENTS ->
                life[o] = 0;
                assert(refs[o - SEGMENTS]);
                refs[o - SEGMENTS]--
            :: else
            fi;
            o++
        :: else -> break
        od;
        o = 0
    }
}

/* The specification. */
bool sure; /* X has been there since the walk began */
byte shown_p, shown_x;

/* ---- appending and inserting */

/* segment_after(): s becomes the segment after s. */
inline segment_after() {
    atomic { /* `next` */
        USE(s);
        after = next[s]
    }
    if
    :: !after ->
        atomic { /* the exchange of `next`; a segment that loses is thrown away */
            USE(s);
            if
            :: next[s] == 0 -> new_segment(after, last[s]); next[s] = after
            :: else -> after = next[s]
            fi
        }
    :: else
    fi;
    atomic { /* hint_advance() */
        if
        :: hint == s -> hint = after
        :: else
        fi;
        s = after;
        after = 0
    }
}

/* sobj__log_append() of node n. */
inline append() {
    atomic { pos = tail; tail++ }
    atomic { /* the hint */
        s = hint;
        USE(s);
        if
        :: pos < first[s] -> goto a_find
        :: pos >= first[s] && pos < last[s] -> goto a_cell
        :: else
        fi
    }
a_after:
    segment_after();
    if
    :: pos >= last[s] -> goto a_after
    :: else -> goto a_cell
    fi;
a_find:
    atomic { s = head; USE(s) } /* sobj__log_find() */
    do
    :: s && last[s] <= pos -> atomic { s = next[s]; USE(s) }
    :: else -> break
    od;
a_cell:
    atomic { /* the exchange of the cell */
        USE(s);
        if
        :: s && dense[s] && first[s] <= pos && CELL(s, pos - first[s]) == 0 ->
            position[n] = pos; CELL(s, pos - first[s]) = n; pos = 0; s = 0
        :: else -> s = 0; goto a_again
        fi
    }
}

/* update() with ADD, then perhaps replace_live(), of X. */
proctype writer(byte p; bool remove)
{
    byte n, s, after, pos, place;

    do
    :: atomic { /* locate() */
           enter();
           if
           :: PRESENT ->
#if KEPT
               if
               :: n -> value[n] = DELETED; refs[n]--; n = 0
               :: else
               fi;
#endif
               leave(); break
           :: else -> place = decides
           fi;
#if KEPT
           if
           :: n -> goto again
           :: else
           fi;
#endif
           nodes++;
           n = nodes;
           assert(n <= NODES);
           value[n] = LIVE;
           refs[n] = 2
       }
#if MUTANT != log_after_slot
a_again:
       append();
#endif
again:
       atomic { /* the exchange in insert() */
           if
           :: decides == place && (place >= VACANT || value[place] == DELETED) ->
               decides = n;
               inserted[n] = 1;
               if
               :: place < VACANT -> value[place] = GONE; retire(SLOT_OF(place))
               :: else
               fi
           :: else -> goto failed
           fi
       }
#if MUTANT == log_after_slot
a_again:
       append();
#endif
       atomic { place = 0; linked[n] = 1; leave(); break } /* and the end */
failed:
#if KEPT
       atomic { place = 0; leave() }
#else
       value[n] = DELETED; /* abandon() */
       atomic {
           USE_NODE(n);
           refs[n]--;
#if MUTANT == log_after_slot
           refs[n]--;
#endif
           n = 0; place = 0; leave()
       }
#endif
    od;
    if
    :: remove && n ->
        n = 0;
        atomic { /* the exchange in replace_live() */
            if
            :: PRESENT -> value[decides] = DELETED; sure = 0
            :: else
            fi
        }
        atomic { /* its table is moved; see table.pml */
            enter();
            if
            :: decides < VACANT && value[decides] == DELETED ->
                value[decides] = GONE; retire(SLOT_OF(decides)); decides = VACANT + decides
            :: else
            fi;
            leave()
        }
    :: else
    fi
}

/* ---- compaction */

/* compact_run(): from s, which link leads to, up to stop. */
inline compact_run() {
    end = s;
    do
    :: do /* segment_close() */
       :: i < count[end] ->
           atomic { /* the load, and the exchange if the cell is empty */
               USE(end);
               cell = CELL(end, i);
               if
               :: !cell ->
#if MUTANT != cells_left_open
                   CELL(end, i) = CLOSED
#endif
               :: cell && cell != CLOSED ->
                   USE_NODE(cell);
                   showing = showing + (value[cell] == LIVE)
               :: else
               fi;
               cell = 0;
               i++
           }
       :: else -> break
       od;
       atomic {
           i = 0;
           end = next[end];
           if
           :: end == stop -> break
           :: end != stop -> break
           :: end != stop -> skip
           fi
       }
    od;
    if
    :: showing > ROOM /* not worth it */
    :: showing <= ROOM ->
        atomic { /* segments_merge() */
            if
            :: showing ->
                new_segment(merged, first[s]);
                dense[merged] = 0; count[merged] = 0; next[merged] = end
            :: else -> merged = end
            fi;
            m = s;
            do
            :: showing && m != end ->
                USE(m);
                cell = (i < count[m] -> CELL(m, i) : 0);
                if
                :: cell && cell != CLOSED ->
                    USE_NODE(cell);
                    if
                    :: value[cell] == LIVE && count[merged] < showing ->
                        CELL(merged, count[merged]) = cell;
                        count[merged]++;
#if MUTANT != merge_without_reference
                        refs[cell]++
#endif
                    :: else
                    fi
                :: else
                fi;
                cell = 0;
                i++;
                if
                :: i < count[m]
                :: else -> i = 0; last[merged] = last[m]; m = next[m]
                fi
            :: else -> break
            od;
            m = 0
        }
        atomic { /* the store of the link; the old segments can be retired from now on */
            if
            :: link -> USE(link); next[link] = merged
            :: else -> head = merged
            fi;
            m = s;
            do
            :: m != end ->
                o = next[m];
#if MUTANT == no_grace_period
                unref_segment(m);
#else
                retire(m);
#endif
                m = o
            :: else -> break
            od;
            o = 0; m = 0; merged = 0
        }
    fi;
    atomic { end = 0; showing = 0 }
}

/* compact(); a death anywhere may be its cause. */
proctype compactor(byte p; byte times)
{
    byte s, after, stop, link, end, m, i, cell, merged, showing;

    do
    :: atomic { /* the exchange of `compacting` */
           times -> enter(); times--;
#if MUTANT != rivals_let_in
           if
           :: compacting -> leave(); goto over
           :: else -> compacting = 1
           fi
#endif
       }
       atomic { stop = hint; USE(stop) }
       do
       :: atomic { /* `next` */
              USE(stop);
              after = next[stop];
              if
              :: !after -> break
              :: else
              fi
          }
#if MUTANT == hint_left
          atomic { stop = after; after = 0 }
#else
          atomic { /* hint_advance() */
              if
              :: hint == stop -> hint = after
              :: else
              fi;
              after = 0
          }
          atomic { stop = hint; USE(stop) }
#endif
       od;
       if
       :: skip
       :: s = stop; /* segment_end() */
           segment_after();
           atomic { /* the exchange of `tail` */
               if
               :: tail < last[stop] -> tail = last[stop]
               :: else
               fi;
               stop = s
           }
       fi;
       atomic { s = head; USE(s) }
       do /* to where the compaction before this one stopped, or not so far */
       :: s != stop -> atomic { USE(s); link = s; s = next[s] }
       :: break
       od;
       if
       :: s != stop -> compact_run()
       :: else
       fi;
       atomic { s = 0; stop = 0; link = 0; compacting = 0; leave() }
over:  skip
    :: else -> break
    od
}

/* ---- iteration */

#define BACKWARD (SCENE >= backward)
#define MORE (BACKWARD -> from > 0 : from < end)
#define MORE_CELLS (BACKWARD -> index > 0 : index < count[segment])
#define GO_TO_END from = (BACKWARD -> 0 : end)

/* Node n is shown. */
inline display() {
    USE_NODE(n);
    assert(inserted[n]);
    if
    :: n == P -> shown_p++; assert(shown_p == 1)
    :: else -> shown_x++; assert(shown_x == 1)
    fi;
    from = position[n] + (BACKWARD -> 0 : 1);
    n = 0;
    leave()
}

/* sobj__log_find() and sobj__log_find_below() for `from`: s. */
inline find_segment() {
    atomic { enter(); s = (BACKWARD -> hint : head); USE(s) }
#if BACKWARD
#if MUTANT != hint_trusted
    if
    :: first[s] >= from -> atomic { s = head; USE(s) }
    :: else
    fi;
#endif
    do
    :: first[s] < from ->
        atomic {
            USE(s);
            n = next[s];
            if
            :: n == 0 || first[n] >= from -> n = 0; break
            :: else -> s = n; n = 0
            fi
        }
    :: else -> s = 0; break
    od
#else
    do
    :: s && last[s] <= from -> atomic { s = next[s]; USE(s) }
    :: else -> break
    od
#endif
}

/* sobj__segment_seek() of `from` in `segment`: index. */
inline seek() {
    if
#if MUTANT == seek_ignored
    :: true -> index = count[segment]
#else
    :: dense[segment] && from >= last[segment] -> index = count[segment]
    :: dense[segment] && from > first[segment] && from < last[segment] ->
        index = from - first[segment]
    :: else -> index = 0
#endif
    fi;
    do
    :: !dense[segment] && index < count[segment] &&
           position[CELL(segment, index)] < from -> index++
    :: else -> break
    od
}

/* sobj_dict_iter_init() or sobj_dict_iter_init_backward(), then sobj_dict_iter_next()
 * until it says EMPTY. */
proctype walker(byte p)
{
    byte segment, index, from, end, s, n;

    atomic {
        end = tail;
        from = (BACKWARD -> end : 0);
        sure = PRESENT
    }
    do
    :: MORE && segment == 0 -> /* enter_segment() */
        find_segment();
        atomic { /* the reference */
            if
            :: s == 0 || first[s] >= end -> GO_TO_END; leave()
            :: else ->
                USE(s);
                segment = s;
                s = 0;
#if MUTANT != segment_not_held
                holds[segment]++;
#endif
                seek()
            fi
        }
    :: MORE && segment && MORE_CELLS -> /* step() */
        atomic { /* the cell */
            enter();
            USE_HELD(segment);
#if BACKWARD
            index--;
            n = CELL(segment, index);
#else
            n = CELL(segment, index);
            index++;
#endif
            if
            :: n == CLOSED -> n = 0
            :: else
            fi;
            if
            :: n == 0
#if MUTANT != end_ignored
            :: n && position[n] >= end -> GO_TO_END; n = 0; leave()
#endif
            :: else ->
                USE_NODE(n);
                assert(BACKWARD -> position[n] < from : position[n] >= from)
            fi
        }
        if
        :: n ->
            atomic { /* sobj__log_shows(): the value */
                USE_NODE(n);
                if
                :: value[n] != LIVE -> n = 0
#if MUTANT == linked_ignored
                :: else -> display()
#else
                :: else
#endif
                fi
            }
        :: else
        fi;
        if
        :: n ->
            atomic { /* LINKED */
                if
                :: linked[n] -> display()
#if MUTANT == linked_only
                :: else -> n = 0
#else
                :: else
#endif
                fi
            }
        :: else
        fi;
        if
        :: n ->
            atomic { /* sobj__table_holds(), and the value again */
                if
                :: inserted[n] && value[n] == LIVE -> display()
                :: else -> n = 0
                fi
            }
        :: else
        fi
    :: MORE && segment && !MORE_CELLS -> /* the next one */
        atomic {
#if BACKWARD
            assert(first[segment] <= from);
            from = first[segment];
#else
            assert(last[segment] >= from);
            from = last[segment];
#endif
            leave();
#if MUTANT != segment_not_held
            unref_segment(segment);
#endif
            segment = 0;
            index = 0
        }
    :: else -> break
    od;
    assert(shown_p == 1);
    assert(!sure || shown_x == 1);
    atomic {
        if
#if MUTANT != segment_not_held
        :: segment -> unref_segment(segment)
#endif
        :: else
        fi;
        segment = 0; index = 0;
        from = 0; end = 0; sure = 0; shown_p = 0; shown_x = 0 }
}

/* ---- begin and end */

/* At rest: every node that lives is in the log once; the references are those of the
 * segments in the log and of the slot. */
inline check() {
    byte n, i, there, owed;

    atomic {
        n = P;
        do
        :: n <= nodes ->
            s = head; there = 0;
            do
            :: s ->
                assert(holds[s] == 1);
                i = 0;
                do
                :: i < count[s] -> there = there + (CELL(s, i) == n); i++
                :: else -> break
                od;
                s = next[s]
            :: else -> break
            od;
            owed = there + (n == P || decides == n);
            assert(there <= 1);
            assert(refs[n] == owed);
            if
            :: value[n] == LIVE -> assert(there == 1)
            :: else
            fi;
            n++
        :: else -> break
        od
    }
}

init
{
    byte s;

    atomic {
        new_segment(s, 0);
        head = s; hint = s;
        value[P] = LIVE; refs[P] = 2; linked[P] = 1; inserted[P] = 1; position[P] = 0;
        CELL(s, 0) = P; tail = 1;
#if SCENE == lagging
        CELL(s, 1) = CLOSED; tail = 2; /* as a failed attempt and a compaction leave it */
#endif
#if SCENE == inserting || SCENE == backward
        run writer(0, 1);
        run writer(1, 0);
#elif SCENE == closing || SCENE == backward_closing
        run writer(0, 1);
        run compactor(2, 1);
#elif SCENE == twice || SCENE == backward_twice
        run writer(0, 0);
        run compactor(2, 2);
#elif SCENE == rivals
        run writer(0, 0);
        run compactor(2, 1);
        run compactor(3, 1);
#elif SCENE == crowd
        run writer(0, 1);
        run writer(1, 0);
        run compactor(2, 1);
#elif SCENE == lagging
        run writer(0, 0);
        run writer(1, 0);
        run compactor(2, 1);
#endif
#if SCENE != lagging
        run walker(4)
#endif
    }
    _nr_pr == 1;
    check()
}
