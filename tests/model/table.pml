/* SPDX-License-Identifier: MIT */
/* The table of the dict: finding, inserting, removing, moving, shortening, dropping
 * (T1 to T5 of shared/dict_internal.h; R2 of shared/reclaim.h; find(), locate(),
 * judge_head(), insert(), change_live(), update() and replace_live() of shared/dict.c;
 * sobj__slot_shorten(), copy_in(), move_slot(), move_chunk(), settle(), help() and
 * sobj__table_start() of shared/dict_table.c).
 *
 * One key k is read, set, added and removed by two writers and a reader while one or two
 * helpers move its table, once or twice. A second key j lies on the same path. Left out:
 * the order log (log.pml), sobj_dict_clear() (content.pml), values that are not words.
 *
 * One atomic block is one atomic access of the code, with what the thread then does with
 * its own variables. Four liberties, none of which hides an interleaving:
 *
 *   - A chain of FORWARDs is followed in one step. A FORWARD never changes, so it makes
 *     no difference when it was read; the step happens when its last value is read.
 *   - may_unlink() and the condition in settle() are one step each. All their parts but
 *     the last never become false again; so if all were true, all are true when the last
 *     is read, and if one was false, they are together false when that one is read.
 *   - Entering a section and loading the root are one step, and so are the last access
 *     and leaving; a longer section only delays what is freed. What is retired is retired
 *     in the step that unlinks it, the earliest moment; it is freed for a process as soon
 *     as it has left the section it was in then.
 *   - Writers do not help; helpers do, which are threads of their own. A writer that
 *     helps is a writer and a helper whose section lasts longer. Each table is one chunk.
 *
 * Where the specification changes and where it is looked at follows from T1 and T2: a
 * change is the exchange of a value or of an empty slot, a look is the last load. So the
 * present state of k, `now`, can be compared in that very step; no history is kept, and
 * one reader with one get stands for any number of both. */

/* Scenes: -DSCENE=NAME. Tables 0, 1, 2 are one another's successors. */
#define moving 1 /* scene: two writers, a helper, a reader */
#define helping 2 /* scene: a writer, two helpers that move the same slots, a reader */
#define again 3 /* scene: moved twice, with one helper left behind; a reader */
#define filling 4 /* scene: empty slots: two writers, a helper, a reader */
#define spilling 5 /* scene: the second table is full before the first is moved */
#define ahead 6 /* scene: the same, and empty slots of the second are frozen already */
#ifndef SCENE
#define SCENE moving
#endif

/* Mutants: -DMUTANT=NAME, each to be caught in the scene that stands behind it. */
#ifndef MUTANT
#define MUTANT 0
#endif
#define unsettled_drop 1 /* mutant of again: T4: migration drops nodes of an unsettled table */
#define unsettled_shorten 2 /* mutant of again: T5: a chain is shortened in an unsettled table */
#define helper_uncounted 3 /* mutant of again: T4: a table is settled with helpers at work */
#define root_unchecked 4 /* mutant of again: T4: a late helper does not look at the root again */
#define drop_unmarked 5 /* mutant of moving: T4: DELETED node leaves without becoming DROPPED */
#define forward_from_dropped 6 /* mutant of moving: T1: the next insertion hangs on a DROPPED node */
#define dead_not_copied 7 /* mutant of helping: T3: a frozen node is not copied if it is deleted */
#define copied_blindly 8 /* mutant of helping: T3: copying does not look for the node itself */
#define freeze_by_store 9 /* mutant of filling: T1: freezing overwrites an insertion */
#define frozen_is_absent 10 /* mutant of filling: T2: a reader takes a frozen empty slot for empty */
#define dropped_is_absent 11 /* mutant of moving: T1: a reader stops at a DROPPED node */
#define done_early 12 /* mutant of moving: T3: the root moves before the last slot has */
#define store_without_cas 13 /* mutant of moving: T1: a store goes over a deletion */
#define no_grace_period 14 /* mutant of moving: R2: what is retired is freed at once */
#define shorten_keeps 15 /* mutant of moving: T5: shortening does not retire what it unlinks */
#define settled_one_step 16 /* mutant of again: T4: settle() marks one table only */
#define copied_beyond 17 /* mutant of ahead: T2: copying passes a frozen empty slot */

#if SCENE == again
#define SIZE(t) ((t) == 0 -> 1 : 2)
#define LAST 2
#elif SCENE == spilling
#define SIZE(t) ((t) == 0 -> 2 : ((t) == 1 -> 1 : 3))
#define LAST 2
#elif SCENE == ahead
#define SIZE(t) ((t) < 2 -> 2 : 3)
#define LAST 2
#else
#define SIZE(t) ((t) == 0 -> 2 : 3)
#define LAST 1
#endif

/* ---- tables and nodes */

/* Slot words: EMPTY | node | node FRZ | FRZ (was empty) | TOMB FRZ */
#define EMPTY 0
#define FRZ 16
#define TOMB 32
#define NODE(w) ((w) & 15)

/* Values: ABSENT (of the specification) | 1..7 | DELETED | DROPPED | FORWARD + node */
#define ABSENT 0
#define DELETED 8
#define DROPPED 9
#define FORWARD 16

/* Keys and nodes. Each insertion has a node of its own, whose first value is its number.
 * An attempt that fails was never seen by the others, so the node serves again. */
#define K 0
#define J 1
#define J1 1
#define K0 2
#define NODES 6
#if SCENE == filling
#define JLAST 5 /* the second writer's */
#else
#define JLAST J1
#endif
#define KEY(n) ((n) == J1 || (n) == JLAST -> J : K)
#define HAS_KEY(w, key) (NODE(w) && KEY(NODE(w)) == (key))

byte slots[9];
#define S(t, i) slots[(t) * 3 + (i)]
byte value[NODES + 1];
byte root;
bool next[3], done[3], finished[3], settled[3];
byte helpers[3];

/* The specification: the value of each key, or ABSENT. */
byte now[2];

/* ---- sections and reclamation */

/* For each node and table: 0, or RETIRED and the processes that were in a section then
 * and still are. The others must not come across it any more. */
#define RETIRED 128
#define OBJECTS (NODES + 4)
#define TABLE(t) (NODES + 1 + (t))
byte life[OBJECTS];
byte inside; /* processes in a section */
byte o;

#define USE(x) assert(!life[x] || (life[x] & (1 << p)))
inline retire(x) {
    assert(!life[x]);
#if MUTANT == no_grace_period
    life[x] = RETIRED
#else
    life[x] = RETIRED | inside
#endif
}
inline enter() { inside = inside | (1 << p) }
inline leave() {
    d_step {
        inside = inside & ~(1 << p);
        o = 0;
        do
        :: o < OBJECTS -> life[o] = life[o] & ~(1 << p); o++
        :: else -> break
        od;
        o = 0
    }
}

/* ---- what all processes do. Their variables: t and i, the slot; w, its word; n, a node;
 * v, its value; m, a later node; and an inline's own. Labels stand before the calls
 * where Promela does not allow them at the head of an inline. */

/* may_unlink() */
#define MAY_UNLINK(t) (settled[t] && root == (t))

/* sobj__slot_shorten() */
inline shorten() {
    if
#if MUTANT == unsettled_shorten
    :: !(w & FRZ) && root == t ->
#else
    :: !(w & FRZ) && MAY_UNLINK(t) ->
#endif
        atomic { /* the end of the chain */
            m = w;
            do
            :: USE(m);
               if
               :: value[m] >= FORWARD -> m = value[m] - FORWARD
               :: else -> break
               fi
            od
        }
        atomic { /* the exchange */
            USE(TABLE(t));
            if
            :: m != w && S(t, i) == w ->
                S(t, i) = m;
#if MUTANT != shorten_keeps
                do
                :: w != m -> retire(w); w = value[w] - FORWARD
                :: else -> break
                od
#endif
            :: else
            fi;
            m = 0
        }
    :: else
    fi
}

/* find(). Gives n and v, or n == 0. */
inline find(key) {
    atomic { /* the slot */
        USE(TABLE(t));
        if
        :: S(t, i) == EMPTY -> assert(now[key] == ABSENT); goto f_end
#if MUTANT == frozen_is_absent
        :: S(t, i) == FRZ -> assert(now[key] == ABSENT); goto f_end
#else
        :: S(t, i) == FRZ -> assert(next[t]); t++; i = 0; goto f_slot
#endif
        :: HAS_KEY(S(t, i), key) -> n = NODE(S(t, i))
        :: else ->
            i++;
            if
            :: i < SIZE(t) -> goto f_slot
            :: else -> goto f_full
            fi
        fi
    }
    atomic { /* the value at the end of the chain */
        do
        :: USE(n);
           v = value[n];
           if
           :: v >= FORWARD -> n = v - FORWARD
#if MUTANT == dropped_is_absent
           :: v == DELETED || v == DROPPED ->
#else
           :: v == DROPPED ->
               n = 0; v = 0; i++;
               if
               :: i < SIZE(t) -> goto f_slot
               :: else -> goto f_full
               fi
           :: v == DELETED ->
#endif
               assert(now[key] == ABSENT);
               n = 0; v = 0;
               goto f_end
           :: else -> assert(now[key] == v); goto f_end
           fi
        od
    }
f_full:
    atomic { /* `next`, after a path without an empty slot */
        if
        :: t < LAST && next[t] -> t++; i = 0; goto f_slot
        :: else -> assert(now[key] == ABSENT)
        fi
    }
}

proctype reader(byte p; byte key)
{
    byte t, i, n, v;

    atomic { enter(); t = root }
f_slot:
    find(key);
f_end:
    atomic { t = 0; i = 0; n = 0; v = 0; leave() }
}

/* ---- writers */

#define VACANT 0
#define DEAD 1
#define LIVE 2

/* What the word w of a slot tells locate(). */
#define L_WORD \
    if \
    :: w == EMPTY \
    :: w == FRZ -> w = 0; t++; i = 0; goto l_slot \
    :: HAS_KEY(w, key) -> goto l_head \
    :: else -> w = 0; goto l_on \
    fi

/* locate(). Gives kind; t, i and, but for VACANT, w, n, v. */
inline locate(key) {
    atomic { USE(TABLE(t)); w = S(t, i); L_WORD } /* the slot */
    atomic { /* `next` */
        if
        :: t == LAST || !next[t] -> kind = VACANT; goto l_end
        :: else
        fi
    }
    atomic { /* the exchange that freezes the empty slot */
        if
        :: S(t, i) == EMPTY -> S(t, i) = FRZ; t++; i = 0; goto l_slot
        :: else -> w = S(t, i); L_WORD
        fi
    }
l_head:
    atomic { /* judge_head(): the value at the end of the chain */
        n = NODE(w);
        do
        :: USE(n);
           v = value[n];
           if
           :: v >= FORWARD -> n = v - FORWARD
#if MUTANT == forward_from_dropped
           :: v == DELETED || v == DROPPED -> kind = DEAD; break
#else
           :: v == DROPPED -> w = 0; n = 0; v = 0; goto l_on
           :: v == DELETED -> assert(now[key] == ABSENT); kind = DEAD; break
#endif
           :: else -> assert(now[key] == v); kind = LIVE; break
           fi
        od;
        if
        :: n == NODE(w) -> goto l_end
        :: else
        fi
    }
    shorten();
    goto l_end;
l_on:
    atomic {
        i++;
        if
        :: i < SIZE(t) -> goto l_slot
        :: else -> goto l_full
        fi
    }
l_full:
    atomic { /* sobj__table_start(): the exchange of `next` */
        assert(t < LAST);
        next[t] = 1;
        t++; i = 0;
        goto l_slot
    }
}

/* An exchange that is a change of the key's state: what it was, and is now. */
#define CHANGE(word, from, to, key, was, is) \
    if \
    :: (word) == (from) -> \
        word = to; \
        assert(now[key] == (was)); \
        now[key] = is; \
        over = 1 \
    :: else \
    fi

#define SET 1
#define ADD 2
#define REMOVE 4

/* update(), replace_live(): one of the operations of `first`, then one of `second`. */
proctype writer(byte p; byte key; byte first; byte second; byte mine)
{
    byte t, i, w, n, v, m, op, kind;
    bool over;

    do
    :: atomic {
           if
           :: first & SET -> op = SET
           :: first & ADD -> op = ADD
           :: first & REMOVE -> op = REMOVE
           :: first == 0 -> break
           fi;
           enter();
           t = root;
           if
           :: op == REMOVE -> goto f_slot
           :: else -> goto l_slot
           fi
       }
f_slot:
       find(key);
f_end:
       atomic { /* the exchange in replace_live() */
           if
           :: n == 0 -> over = 1
           :: else -> USE(n); CHANGE(value[n], v, DELETED, key, v, ABSENT)
           fi;
           goto attempted
       }
l_slot:
       locate(key);
l_end:
       if
       :: kind == LIVE && op == ADD -> over = 1
       :: kind == LIVE && op == SET ->
           do
           :: atomic { /* the exchange in change_live() */
                  USE(n);
#if MUTANT == store_without_cas
                  value[n] = v;
#endif
                  CHANGE(value[n], v, mine, key, v, mine);
                  v = value[n];
                  if
                  :: over || v >= DELETED -> break
                  :: else
                  fi
              }
           od
       :: kind == VACANT ->
           atomic { /* the exchange in insert() */
               USE(TABLE(t));
               value[mine] = mine;
               CHANGE(S(t, i), EMPTY, mine, key, ABSENT, mine);
               if
               :: over
               :: else -> value[mine] = 0
               fi
           }
       :: kind == DEAD ->
           atomic { /* the exchange in insert() */
               USE(n);
               value[mine] = mine;
               CHANGE(value[n], v, FORWARD + mine, key, ABSENT, mine);
               if
               :: over
               :: else -> value[mine] = 0
               fi
           }
           if
           :: over -> shorten()
           :: else
           fi
       fi;
attempted:
       atomic {
           i = 0; w = 0; n = 0; v = 0; m = 0; kind = 0; t = root;
           if
           :: over -> t = 0; op = 0; over = 0; mine++; first = second; second = 0; leave()
           :: !over && op == REMOVE -> goto f_slot
           :: else -> goto l_slot
           fi
       }
    od
}

/* ---- helpers */

/* What the word x of a slot of the next table tells copy_in(). */
#if MUTANT == copied_blindly
#define ITSELF 0
#else
#define ITSELF ((x & ~FRZ) == w)
#endif
#if MUTANT == copied_beyond
#define C_FROZEN goto c_on
#else
#define C_FROZEN to++; j = 0; goto c_slot
#endif
#define C_WORD \
    if \
    :: x == EMPTY \
    :: x == FRZ -> x = 0; C_FROZEN \
    :: x && ITSELF -> goto c_end \
    :: x && x != FRZ && !ITSELF -> x = 0; goto c_on \
    fi
inline copy_in() {
    atomic { USE(TABLE(to)); x = S(to, j); C_WORD } /* the slot */
    atomic { /* the exchange */
        USE(w);
        if
        :: S(to, j) == EMPTY -> S(to, j) = w; goto c_end
        :: else -> x = S(to, j); C_WORD
        fi
    }
c_on:
    atomic {
        j++;
        if
        :: j < SIZE(to) -> goto c_slot
        :: else -> goto c_full
        fi
    }
c_full:
    atomic { /* sobj__table_start(): the exchange of `next` */
        assert(to < LAST);
        next[to] = 1;
        to++; j = 0;
        goto c_slot
    }
c_end:
    atomic { j = 0; to = 0; x = 0 }
}

#if MUTANT == unsettled_drop
#define MAY_DROP(t) (root == (t))
#else
#define MAY_DROP(t) MAY_UNLINK(t)
#endif

inline move_slot() {
    atomic { USE(TABLE(t)); w = S(t, i) } /* the slot */
    do
    :: w & FRZ -> break
    :: else ->
        if
        :: w != EMPTY && MAY_DROP(t) -> atomic { USE(w); v = value[w] } /* the value */
        :: else
        fi;
        if
        :: v >= FORWARD ->
            v = 0;
            shorten();
            atomic { USE(TABLE(t)); w = S(t, i) } /* the slot again */
        :: v == DELETED || v == DROPPED ->
#if MUTANT != drop_unmarked
            if
            :: v == DELETED ->
                atomic { /* the exchange that marks the node */
                    USE(w);
                    if
                    :: value[w] == DELETED -> value[w] = DROPPED
                    :: else -> v = 0
                    fi
                }
            :: else
            fi;
#endif
            if
            :: v ->
                atomic { /* the exchange that takes it out */
                    v = 0;
                    if
                    :: S(t, i) == w -> S(t, i) = TOMB | FRZ; retire(w); w = TOMB | FRZ
                    :: else -> w = S(t, i)
                    fi
                }
            :: else
            fi
        :: else ->
            atomic { /* the exchange that freezes */
                v = 0;
#if MUTANT == freeze_by_store
                w = w | FRZ; S(t, i) = w
#else
                if
                :: S(t, i) == w -> w = w | FRZ; S(t, i) = w
                :: else -> w = S(t, i)
                fi
#endif
            }
        fi
    od;
#if MUTANT == dead_not_copied
    if
    :: NODE(w) && value[NODE(w)] == DELETED -> w = 0
    :: else
    fi;
#endif
    if
    :: NODE(w) ->
        w = NODE(w); to = t + 1;
c_slot:
        copy_in()
    :: else
    fi;
    w = 0
}

inline settle() {
    do
    :: settled[t] && finished[t] && helpers[t] == 0 ->
        t++;
        settled[t] = 1;
#if MUTANT == settled_one_step
        break
#endif
    :: else -> break
    od
}

/* Whoever starts a migration, and sobj__table_help(). */
proctype helper(byte p; byte times)
{
    byte t, i, w, v, m, to, j, x;

    do
    :: atomic {
           times && (SCENE != helping || p == 3 || next[0]) ->
               enter(); t = root; next[t] = (t < LAST); x = (t < LAST && !done[t])
       }
       if
       :: t < LAST ->
#if MUTANT != helper_uncounted
           helpers[t]++;
#endif
           if
#if MUTANT == root_unchecked
           :: x ->
#else
           :: x && root == t ->
#endif
               x = 0;
               do
#if MUTANT == done_early
               :: i < SIZE(t) - 1 -> move_slot(); i++
#else
               :: i < SIZE(t) -> move_slot(); i++
#endif
               :: else -> i = 0; break
               od;
               atomic { x = !done[t]; done[t] = 1 } /* move_chunk(): who is the first */
               if
               :: x ->
                   atomic { x = 0; assert(root == t); root = t + 1; retire(TABLE(t)) }
                   finished[t] = 1
               :: else
               fi
           :: else
           fi;
#if MUTANT != helper_uncounted
           helpers[t]--;
#endif
           settle()
       :: else
       fi;
       atomic { times--; t = 0; x = 0; leave() }
    :: else -> break
    od
}

/* ---- begin and end */

/* At rest: what is there is what should be (T1), nothing that is retired can be found,
 * all the rest can, and the root is settled (T4). */
inline check() {
    byte p = 6, t, i, n, v, heads, found;

    t = root;
f_slot:
    find(K);
f_end:
    assert(v == now[K]);
    assert(settled[root]);
    atomic {
        t = root;
        do
        :: t < LAST + 1 ->
            i = 0;
            do
            :: i < SIZE(t) ->
                n = NODE(S(t, i));
                if
                :: HAS_KEY(n, K) && value[n] != DROPPED && !(found & (1 << n)) -> heads++
                :: else
                fi;
                do
                :: n -> found = found | (1 << n); n = (value[n] >= FORWARD -> value[n] - FORWARD : 0)
                :: else -> break
                od;
                i++
            :: else -> break
            od;
            t++
        :: else -> break
        od;
        assert(heads <= 1);
        n = 1;
        do
        :: n <= NODES ->
            assert(value[n] == 0 || ((found & (1 << n)) != 0) == (life[n] == 0));
            n++
        :: else -> break
        od
    }
}

init
{
    atomic {
        settled[0] = 1;
        value[J1] = J1;
        value[K0] = K0;
        now[J] = J1;
#if SCENE == moving
        S(0, 0) = J1; S(0, 1) = K0; now[K] = K0;
        run writer(0, K, REMOVE, SET, 3);
        run writer(1, K, SET | ADD | REMOVE, 0, 5);
        run helper(3, 1);
#elif SCENE == helping
        S(0, 0) = J1; S(0, 1) = K0; now[K] = K0;
        run writer(0, K, REMOVE, SET, 3);
        run helper(3, 1);
        run helper(4, 1);
#elif SCENE == again
        S(0, 0) = K0; now[K] = K0; value[J1] = 0; now[J] = ABSENT;
        run writer(0, K, REMOVE, SET, 3);
        run helper(3, 2);
        run helper(4, 1);
#elif SCENE == filling
        value[J1] = 0; value[K0] = 0; now[J] = ABSENT; now[K] = ABSENT;
        run writer(0, K, ADD, REMOVE, 3);
        run writer(1, J, ADD, 0, 5);
        run helper(3, 1);
#elif SCENE == spilling
        S(0, 0) = J1; S(0, 1) = K0; now[K] = K0;
        run writer(0, K, REMOVE, SET, 3);
        run helper(3, 2);
#elif SCENE == ahead
        S(0, 0) = K0; S(0, 1) = J1; now[K] = K0; next[0] = 1; next[1] = 1;
        run writer(0, K, REMOVE, SET, 3);
        run helper(3, 2);
        run reader(5, J);
#endif
        run reader(2, K)
    }
    _nr_pr == 1;
    check()
}
