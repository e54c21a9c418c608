/* SPDX-License-Identifier: MIT */
/* The list's word and its places (shared/list_internal.h, I1 to I6; sobj_list_get(),
 * attempt() and exchange() of shared/list.c, append_locked(), pop_locked(), lower(),
 * renew() and sobj__list_swap() of shared/list_end.c).
 *
 * Threads append and remove at the end of a list of at most three items, store to places
 * by any index, and exchange the whole content; a reader that reads once, at any moment,
 * stands for any number of them. `now` is what the list is; every operation takes effect
 * once, between its begin and its end:
 *
 *   an append     when it is published
 *   a removal     when the word is lowered; what it takes out later must be what the item
 *                 was then, `taken`
 *   a store       at its exchange if that goes to an item (I4b, published). If it goes to
 *                 one that is being removed, just before the lowering, which was later
 *                 than its first look: `taken` becomes what was stored (I4a). If it goes
 *                 to one that is being appended, just after the publication: `coming`
 *                 becomes what was stored, and it must not return before (I4b)
 *   a reading     when it loads the cell, if the second look at the word confirms it
 *
 * Each body has a list of its own. What happens in one that has gone is ordered before the
 * exchange that came after its root was loaded (I6); it must not happen after the items
 * were dropped, and appends and removals must not happen there at all.
 *
 * One atomic block is one atomic access of the code, with what the thread then does with
 * its own variables. `pops` has two bits, so that it comes round, and a grace period is
 * due after two lowerings. Left out are segments (I8), and the gate (I7, see snapshot.pml):
 * with it closed nobody is between these steps. */

/* Scenes: -DSCENE=NAME. */
#define stores 1 /* scene: an append, two removals, two stores by two threads */
#define reads 2 /* scene: two appends, two removals, a store; a reader */
#define swaps 3 /* scene: an append, a removal, a store, an exchange of all */
#define swap_reads 4 /* scene: a store, an exchange of all; a reader */
#define hosted 5 /* scene: an append, two removals, two stores, some of hosted values */
#define wraps 6 /* scene: four appends, five removals; a reader */
#define more_stores 7 /* long scene: the first, with two appends */
#ifndef SCENE
#define SCENE stores
#endif

/* Mutants: -DMUTANT=NAME. */
#ifndef MUTANT
#define MUTANT 0
#endif
#define published_first 1 /* mutant of reads: I1: the word is stored before the cell */
#define emptied_first 2 /* mutant of reads: I1: the cell is emptied before the word */
#define pops_uncounted 3 /* mutant of reads: I2: the length alone is compared */
#define never_renewed 4 /* mutant of wraps: I2: no grace period between lowerings */
#define no_second_look 5 /* mutant of reads: I3: a reader looks at the word once */
#define end_as_front 6 /* mutant of reads: I3: an append between is ignored */
#define same_unchecked 7 /* mutant of stores: I3: the very word needs no second look */
#define no_wait 8 /* mutant of stores: I4: a store does not wait for the append */
#define empty_stored 9 /* mutant of stores: I4: a store to an empty place */
#define taken_early 10 /* mutant of stores: I4: a removal loads, and empties later */
#define end_unlocked 11 /* mutant of stores: I5: an index from the end without the lock */
#define end_blind 12 /* mutant of stores: I5: with it, but without the look */
#define hosted_unlocked 13 /* mutant of hosted: I5: a hosted value without the lock */
#define swap_unlocked 14 /* mutant of swaps: I6: an exchange of all without the lock */
#define dropped_early 15 /* mutant of swaps: I6: the items are dropped at once */

#define PLACES 3
#define EMPTY 0
#define HOSTED 3
#define ROUND 4 /* pops is counted modulo this */
#define DUE 2
#define THREADS 5
#define AT(b, i) ((b) * PLACES + (i))

/* The list: a word, and cells, for each of two bodies. */
byte pops[2], size[2];
byte cell[6];
byte root;
bool lock;
byte lowered, renewals;

/* Sections, for grace periods. */
bool inside[THREADS];
bit turn[THREADS];

/* The specification. */
byte now[6], taken[6], coming[6];
bool removing[6], appending[6];
byte published;
bool dropped[2];

#define ITEM(b, i) ((i) < size[b] && !appending[AT(b, i)])

#if SCENE == swaps || SCENE == swap_reads || SCENE == wraps
#define ENTER inside[me] = 1; turn[me] = !turn[me]
#define LEAVE inside[me] = 0
#else /* nobody waits for a grace period */
#define ENTER skip
#define LEAVE skip
#endif
inline take_lock() { atomic { !lock -> lock = 1 } }

/* Waits for all sections that are there now. */
inline grace_period() {
    atomic {
        k = 0;
        do
        :: k < THREADS -> was[k] = turn[k]; had[k] = inside[k]; k++
        :: else -> break
        od;
        k = 0
    }
    do
    :: k < THREADS -> atomic { (!had[k] || !inside[k] || turn[k] != was[k]); k++ }
    :: else -> break
    od;
    atomic {
        k = 0;
        do
        :: k < THREADS -> was[k] = 0; had[k] = 0; k++
        :: else -> break
        od;
        k = 0
    }
}

/* Whether the word says that nothing has moved since. */
#if MUTANT == pops_uncounted
#define UNLOWERED (size[b] == size1)
#else
#define UNLOWERED (pops[b] == pops1)
#endif
#if MUTANT == end_as_front
#define UNMOVED UNLOWERED
#else
#define UNMOVED (UNLOWERED && (!back || size[b] == size1))
#endif

/* The first look: the place of `index`, or `found` is 0. */
inline first_look() {
    b = root;
    atomic {
        pops1 = pops[b];
        size1 = size[b];
        assert(!dropped[b]);
        if
        :: back && size1 > index -> i = size1 - 1 - index; found = 1
        :: !back && index < size1 -> i = index; found = 1
        :: else -> found = 0
        fi
    }
}

/* Whether `v` was the item that the index names, at the load of the cell. */
#define TRUE_NOW                                                                       \
    (ITEM(b, i) && now[AT(b, i)] == v && (!back || i == size[b] - 1 - index))

inline load_cell() {
    atomic {
        assert(!dropped[b]);
        v = cell[AT(b, i)];
        right = TRUE_NOW
    }
}

/* sobj_list_get() of any item. */
proctype reader(byte me)
{
    byte b, pops1, size1, index, i, v;
    bool back, found, right;

    atomic {
        if
        :: index = 0
        :: index = 1
        :: back = 1
        fi;
        ENTER
    };
    do
    :: first_look();
       if
       :: !found -> break
       :: else
       fi;
       load_cell();
       atomic { /* the second look */
           if
#if MUTANT == no_second_look
           :: true -> assert(right); break
#else
           :: UNMOVED -> assert(right); break
           :: else
#endif
           fi
       }
    od;
    atomic { LEAVE; b = 0; pops1 = 0; size1 = 0; i = 0; v = 0; found = 0; right = 0 }
}

/* The exchange, and where it takes effect. */
inline swap_in() {
    atomic {
        assert(!dropped[b]);
        if
        :: cell[AT(b, i)] == v ->
            cell[AT(b, i)] = value;
            done = 1;
            if
            :: removing[AT(b, i)] ->
                assert(taken[AT(b, i)] == v && !back);
                taken[AT(b, i)] = value
            :: !removing[AT(b, i)] && appending[AT(b, i)] ->
                assert(coming[AT(b, i)] == v && !back);
                coming[AT(b, i)] = value;
                waits = 1;
                before = published
            :: else ->
                assert(TRUE_NOW);
                now[AT(b, i)] = value
            fi
        :: else -> v = cell[AT(b, i)]; right = TRUE_NOW
        fi
    }
}

/* I5 */
#if MUTANT == end_unlocked
#define LOCKED (value == HOSTED)
#elif MUTANT == hosted_unlocked
#define LOCKED back
#else
#define LOCKED (back || value == HOSTED)
#endif

/* attempt(), until it is done: a store to any item, of 1 or 2 or, in its scene, of a
 * hosted value. */
inline store() {
    do
    :: first_look();
       if
       :: !found -> break
       :: else
       fi;
       load_cell();
try:
       if
#if MUTANT != empty_stored
       :: v == EMPTY -> skip
#endif
       :: v == value -> /* nothing to write */
           atomic {
               if
#if MUTANT == same_unchecked
               :: true -> assert(right); break
#else
               :: UNMOVED -> assert(right); break
               :: else
#endif
               fi
           }
#if MUTANT == empty_stored
       :: v != value ->
#else
       :: v != EMPTY && v != value ->
#endif
           if
           :: LOCKED ->
               take_lock();
               atomic {
                   if
#if MUTANT == end_blind
                   :: false
#else
                   :: pops[b] != pops1 || size[b] != size1 -> missed = 1
#endif
                   :: else
                   fi
               };
               if
               :: !missed -> swap_in()
               :: else
               fi;
               lock = 0
           :: else -> swap_in()
           fi;
           if
           :: missed -> missed = 0
           :: !missed && !done -> goto try
           :: else -> break
           fi
       fi
    od;
    if
    :: done && !UNLOWERED ->
#if MUTANT != no_wait
        take_lock();
        lock = 0
#else
        skip
#endif
    :: else
    fi
}

proctype storer(byte me; byte times)
{
    byte b, pops1, size1, index, i, v, value, before;
    bool back, found, right, done, missed, waits;

    do
    :: times ->
        atomic {
            if
            :: index = 0
            :: index = 1
            :: back = 1
            fi;
            if
#if SCENE == hosted
            :: value = HOSTED
#endif
            :: value = 1
            :: value = 2
            fi;
            ENTER
        };
        store();
        atomic {
            assert(!waits || published != before);
            b = 0; pops1 = 0; size1 = 0; index = 0; i = 0; v = 0; value = 0; before = 0;
            back = 0; found = 0; right = 0; done = 0; missed = 0; waits = 0; times--;
            LEAVE
        }
    :: else -> break
    od
}

/* append_locked() */
proctype appender(byte me; byte times)
{
    byte b, n, v;

    do
    :: times ->
        atomic {
            if
            :: v = 1
            :: v = 2
            fi;
            ENTER
        };
        take_lock();
        atomic { b = root; n = size[b] };
        if
        :: n == PLACES -> skip
        :: else ->
#if MUTANT == published_first
            atomic { assert(root == b); size[b] = n + 1; now[AT(b, n)] = v; published++ };
            cell[AT(b, n)] = v
#else
            atomic {
                cell[AT(b, n)] = v;
                coming[AT(b, n)] = v;
                appending[AT(b, n)] = 1
            };
            atomic {
                assert(root == b && !dropped[b]);
                size[b] = n + 1;
                now[AT(b, n)] = coming[AT(b, n)];
                coming[AT(b, n)] = 0;
                appending[AT(b, n)] = 0;
                published++
            }
#endif
        fi;
        atomic { lock = 0; LEAVE; b = 0; n = 0; v = 0; times-- }
    :: else -> break
    od
}

/* pop_locked() and lower(), with renew(). The last one is wanted. */
inline lower_it() {
    atomic {
        assert(root == b);
        pops[b] = (pops[b] + 1) % ROUND;
        size[b] = n;
        taken[AT(b, n)] = now[AT(b, n)];
        now[AT(b, n)] = 0;
        removing[AT(b, n)] = 1;
        lowered++
    }
}

proctype remover(byte me; byte times)
{
    byte b, n, v, k, seen;
    bit was[THREADS];
    bool had[THREADS], due;

    do
    :: times ->
        atomic { ENTER };
        take_lock();
        atomic {
            b = root;
            n = size[b];
            due = (lowered >= DUE);
            seen = renewals
        };
        if
        :: n == 0 -> due = 0
#if MUTANT != never_renewed
        :: n != 0 && due -> skip
        :: n != 0 && !due ->
#else
        :: n != 0 ->
            due = 0;
#endif
            atomic {
                n--;
                v = cell[AT(b, n)];
                assert(v != HOSTED || now[AT(b, n)] == HOSTED)
            };
            if
            :: v == HOSTED -> skip
            :: else ->
#if MUTANT == emptied_first
                atomic { v = cell[AT(b, n)]; cell[AT(b, n)] = EMPTY };
                lower_it();
#elif MUTANT == taken_early
                lower_it();
                v = cell[AT(b, n)];
                cell[AT(b, n)] = EMPTY;
#else
                lower_it();
                atomic { v = cell[AT(b, n)]; cell[AT(b, n)] = EMPTY };
#endif
                atomic {
                    assert(v == taken[AT(b, n)] && v != HOSTED && v != EMPTY);
                    taken[AT(b, n)] = 0;
                    removing[AT(b, n)] = 0
                }
            fi
        fi;
        atomic { lock = 0; LEAVE; b = 0; n = 0; v = 0 };
        if
        :: due ->
            grace_period();
            take_lock();
            atomic {
                if
                :: renewals == seen -> renewals++; lowered = 0
                :: else
                fi;
                lock = 0
            }
        :: else -> times--
        fi;
        atomic { due = 0; seen = 0 }
    :: else -> break
    od
}

/* sobj__list_swap(), to a body with one item, and the end of the old one. */
proctype swapper(byte me)
{
    byte k;
    bit was[THREADS];
    bool had[THREADS];

#if MUTANT != swap_unlocked
    take_lock();
#endif
    root = 1;
#if MUTANT != swap_unlocked
    lock = 0;
#endif
#if MUTANT != dropped_early
    grace_period();
#endif
    dropped[0] = 1
}

init
{
    atomic {
        size[0] = 2; cell[0] = 1; cell[1] = 2; now[0] = 1; now[1] = 2;
        size[1] = 1; cell[3] = 1; now[3] = 1;
#if SCENE == stores
        run appender(0, 1); run remover(1, 2); run storer(2, 1); run storer(3, 1)
#elif SCENE == more_stores
        run appender(0, 2); run remover(1, 2); run storer(2, 1); run storer(3, 1)
#elif SCENE == reads
        run appender(0, 2); run remover(1, 2); run storer(2, 1); run reader(3)
#elif SCENE == swaps
        run appender(0, 1); run remover(1, 1); run storer(2, 1); run swapper(3)
#elif SCENE == swap_reads
        run storer(2, 1); run swapper(3); run reader(4)
#elif SCENE == hosted
        run appender(0, 1); run remover(1, 2); run storer(2, 2)
#elif SCENE == wraps
        run appender(0, 4); run remover(1, 5); run reader(2)
#endif
    }
    _nr_pr == 1
}
