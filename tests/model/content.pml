/* SPDX-License-Identifier: MIT */
/* The content word of the dict, by which whoever keeps a node can tell whether it still
 * is in the dict (L2 and W1 to W3 of shared/dict_internal.h; root_exchange(), content_take(),
 * sobj_dict_clear() and sobj_dict_replace() of shared/dict_whole.c; the end of
 * move_chunk() of shared/dict_table.c), and the rules for those who do.
 *
 * A keeper looks key k up, keeps its node with the content word, and then reads and sets
 * the value through the node, without looking k up again, while a writer changes k and
 * others clear the dict, or give its content to another dict. What is read through the
 * node must be k's value at the moment it was read; what is stored must be a change of k
 * at a moment when the node was in the dict.
 *
 *     to keep:  content word, root, node and value; kept if the word's halves are equal
 *     to read:  value of the node, content word: as kept
 *     to set:   in a section: the mode word: 0; the content word: as kept; the exchange
 *
 * One atomic block is one atomic access of the code. What differs:
 *
 *   - A body has two nodes for k, the second being for the time after a removal. The
 *     step that looks k up is its last load (table.pml); the node is kept alive.
 *   - Grace periods and the gate are as in snapshot.pml.
 *   - Who only reads the dict that replace() takes its content from may find there what
 *     is stored later in the one that gets it; the contract forbids that. */

/* Scenes: -DSCENE=NAME. */
#define clearing 1 /* scene: a keeper, a writer, two threads that clear */
#define taking 2 /* scene: the content goes to another dict, which has a writer */
#define growing 3 /* scene: two threads clear, while others move the table */
#ifndef SCENE
#define SCENE clearing
#endif

/* Mutants: -DMUTANT=NAME. */
#ifndef MUTANT
#define MUTANT 0
#endif
#define word_unchecked 1 /* mutant of clearing: W3: the content word is not looked at */
#define word_read_first 2 /* mutant of clearing: W3: it is read before the value */
#define word_kept_late 3 /* mutant of clearing: W3: it is read after the root */
#define kept_while_clearing 4 /* mutant of clearing: W3: its halves may differ */
#define begun_late 5 /* mutant of clearing: W3: it says begun after the exchange */
#define finished_early 6 /* mutant of clearing: W3: it says finished before the exchange */
#define mark_shows 7 /* mutant of clearing: T1: a mark is taken for a value */
#define set_unchecked 8 /* mutant of clearing: W3: a store does not look at the word */
#define set_without_cas 9 /* mutant of clearing: T1: a store brings a removed key back */
#define gate_open 10 /* mutant of taking: W1: the content is taken without the gate */
#define mode_ignored 11 /* mutant of taking: W1: a store does not look at the mode word */
#define no_grace_period 12 /* mutant of taking: G1: nor does the gate wait for sections */
#define epoch_kept 13 /* mutant of clearing: L2: a lost exchange keeps the epoch */
#define root_stored 14 /* mutant of growing: W2: the new table is stored, whatever is there */

/* ---- bodies 1.. with nodes 2 * body, 2 * body + 1; dicts 0 and 1 */
#define BODIES 3
#define MARK 15
byte value[2 * BODIES + 2];
byte decides[BODIES + 1];
byte root[2]; /* 2 * body, and 1 more when its table has been moved */
byte epoch[BODIES + 1];
bool gone[BODIES + 1]; /* no longer, or not yet, the content */
byte latest[2];        /* of the specification: a dict's last epoch */
byte content[2]; /* {begun:4 | finished:4} */
byte bodies;     /* made so far */
byte values;     /* stored so far, each another one */
bool snap;       /* of dict 0 */
byte inside, before;

#define BODY(n) ((n) / 2)
/* The specification: k's value in a dict, or MARK. */
#define IN(d) (root[d] / 2)
#define NOW(d) value[decides[IN(d)]]

inline enter() { inside = inside | (1 << p) }
inline leave() {
    d_step {
        inside = inside & ~(1 << p);
        before = before & ~(1 << p)
    }
}

/* ---- who keeps a node of dict 0 */

proctype keeper(byte p)
{
    byte n, v, word, b, was, times = 2;
    bool there;

    /* to keep */
#if MUTANT != word_kept_late
    atomic { enter(); word = content[0] }
#endif
    atomic { enter(); b = IN(0) }
#if MUTANT == word_kept_late
    word = content[0];
#endif
    atomic {
        n = decides[b];
        if
        :: value[n] == MARK -> n = 0
#if MUTANT != kept_while_clearing
        :: word / 16 != word % 16 -> n = 0
#endif
        :: else
        fi;
        b = 0;
        leave()
    }
    do
    :: n && times -> /* to read */
#if MUTANT == word_read_first
        there = (content[0] == word);
        v = value[n];
        was = NOW(0);
#else
        atomic { v = value[n]; was = NOW(0) }
#if MUTANT == word_unchecked
        there = 1;
#else
        there = (content[0] == word);
#endif
#endif
        atomic {
            times--;
            if
#if MUTANT == mark_shows
            :: there -> assert(v == was)
#else
            :: there && v != MARK -> assert(v == was)
#endif
            :: else
            fi;
            v = 0; was = 0; there = 0
        }
    :: n && times -> /* to set */
        atomic { enter(); was = (IN(0) == BODY(n)) }
#if MUTANT == mode_ignored
        there = 1;
#else
        there = !snap;
#endif
#if MUTANT != set_unchecked
        if
        :: there -> there = (content[0] == word)
        :: else
        fi;
#endif
        if
        :: there -> v = value[n]
        :: else -> v = MARK
        fi;
        do
        :: v != MARK ->
            atomic { /* the exchange; it can be said to have happened while k was there */
                if
#if MUTANT == set_without_cas
                :: true ->
#else
                :: value[n] == v ->
#endif
                    assert(was && value[n] != MARK && IN(1) != BODY(n));
                    values++;
                    value[n] = values;
                    v = MARK
#if MUTANT != set_without_cas
                :: else -> v = value[n]
#endif
                fi
            }
        :: else -> break
        od;
        atomic { v = 0; there = 0; was = 0; times--; leave() }
    :: else -> break
    od;
    atomic { n = 0; word = 0; times = 0 }
}

/* ---- the others */

/* A change of k in dict d: set, removed, inserted. */
proctype writer(byte p; byte d; byte times)
{
    byte n, b, v;

    do
    :: times && values < MARK - 1 ->
begin:
        enter();
        atomic { /* the mode word */
            if
#if MUTANT != gate_open
            :: snap && d == 0 -> leave(); goto closed
#endif
            :: else
            fi
        }
again:
        b = IN(d);
        atomic { n = decides[b]; v = value[n] } /* locate() */
        atomic { /* the exchange */
            if
            :: value[n] != v || decides[b] != n -> goto again
            :: value[n] == v && decides[b] == n ->
                if
                :: v != MARK -> values++; value[n] = values
                :: v != MARK -> value[n] = MARK
                :: v == MARK && n == 2 * b ->
                    values++; value[n + 1] = values; decides[b] = n + 1
                :: v == MARK && n != 2 * b /* removed again: enough */
                fi;
                assert(d == 1 || IN(1) != b)
            fi;
            n = 0; b = 0; v = 0;
            times--;
            leave();
            goto done
        }
closed:
        !snap;
        goto begin;
done:
        skip
    :: else -> break
    od
}

inline new_body(b) {
    bodies++;
    b = bodies;
    gone[b] = 1;
    decides[b] = 2 * b;
    value[2 * b] = MARK;
    value[2 * b + 1] = MARK
}

/* Body b becomes the content of dict d; b becomes the one that was. */
inline root_exchange(d) {
    old = root[d];
#if MUTANT == epoch_kept
    epoch[b] = epoch[old / 2] + 1;
#endif
#if MUTANT != begun_late
    content[d] = content[d] + 16;
#endif
#if MUTANT == finished_early
    content[d] = content[d] + 1;
#endif
    do
    :: atomic {
           if
           :: root[d] == old ->
#if MUTANT != epoch_kept
               epoch[b] = epoch[old / 2] + 1;
#endif
               assert(epoch[b] > latest[d]);
               latest[d] = epoch[b];
               root[d] = 2 * b; gone[b] = 0;
               b = old / 2; gone[b] = 1;
               old = 0;
               break
           :: else -> old = root[d]
           fi
       }
    od;
#if MUTANT == begun_late
    content[d] = content[d] + 16;
#endif
#if MUTANT != finished_early
    content[d] = content[d] + 1
#endif
}

/* sobj_dict_clear() of dict 0. */
proctype clearer(byte p)
{
    byte b, old;

    atomic { enter(); !snap; new_body(b) }
    root_exchange(0);
    atomic { b = 0; leave() }
}

/* move_chunk(), of the last chunk of dict 0. */
proctype mover(byte p)
{
    byte old;

    atomic { enter(); !snap; old = root[0] }
    atomic { /* the exchange */
        if
#if MUTANT == root_stored
        :: old % 2 == 0 ->
#else
        :: old % 2 == 0 && root[0] == old ->
#endif
            root[0] = old + 1;
            assert(!gone[old / 2])
        :: else
        fi;
        old = 0;
        leave()
    }
}

/* sobj_dict_replace() of dict 1 by what dict 0 has. */
proctype replacer(byte p)
{
    byte b, old;

    new_body(b);
#if MUTANT != gate_open
    snap = 1; /* sobj__gate_close() */
#if MUTANT != no_grace_period
    before = inside;
    before == 0;
#endif
#endif
    enter();
    root_exchange(0);
    snap = 0; /* sobj__gate_open() */
    leave();
    enter();
    root_exchange(1);
    atomic { b = 0; leave() }
}

init
{
    byte b;

    atomic {
        value[0] = MARK;
        new_body(b);
        values++;
        value[2] = values;
        root[0] = 2 * b; gone[b] = 0;
#if SCENE == taking
        new_body(b);
        root[1] = 2 * b; gone[b] = 0;
#endif
        b = 0;
        run keeper(0);
#if SCENE == clearing
        run writer(1, 0, 2);
        run clearer(2);
        run clearer(3);
#elif SCENE == taking
        run writer(1, 0, 1);
        run writer(2, 1, 1);
        run replacer(3)
#elif SCENE == growing
        run mover(1);
        run clearer(2);
        run clearer(3);
        run mover(4)
#endif
    }
}
