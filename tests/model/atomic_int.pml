/* SPDX-License-Identifier: MIT */
/* AtomicInt and its two words (shared/atomic_int.c, W1 to W3 and A1; find(), widen(),
 * replace(), add_checked(), added_far() and sobj_atomic_int_add(), the others being loops
 * around replace() as well).
 *
 * Threads add small numbers and large ones, and set the value, near to the end of what
 * `narrow` may hold and beyond. Every operation must take effect once, between its begin
 * and its end: at one step, in which the word that it goes by holds the present value,
 * `now`. A reader that reads once, at any moment, stands for any number of them.
 *
 * One atomic block is one atomic access of the code, with what the thread then does with
 * its own variables. The line of numbers is short, but has the same parts: additions are
 * of less than STEP 2, and three threads add, so the overrun has three numbers on each
 * side and each half of the mark is wider than that.
 *
 *        -9 .. -6    -5 .. -3    -2 .. 1    2 .. 4    5 .. 8
 *         mark       overrun     near       overrun    mark
 *
 * Waiting is in watch.pml. */

/* Scenes: -DSCENE=NAME. */
#define adding 1 /* scene: three threads add, at the limit; a reader */
#define setting 2 /* scene: two threads add, one sets the value; a reader */
#ifndef SCENE
#define SCENE adding
#endif

/* Mutants: -DMUTANT=NAME. */
#ifndef MUTANT
#define MUTANT 0
#endif
#define overrun_left 1 /* mutant of adding: W3: who has left NEAR does not widen */
#define widened_late 2 /* mutant of adding: W3: `widened` is set after the mark */
#define mark_counts 3 /* mutant of adding: A1: an addition to the mark is taken for one */
#define far_in_narrow 4 /* mutant of setting: W3: any number is put into `narrow` */
#define wide_late 5 /* mutant of adding: W2: the mark comes before the copy */
#define mark_stored 6 /* mutant of adding: W2: the mark is put over whatever is there */
#define widen_unlocked 7 /* mutant of setting: W2: two threads widen at once */
#define overrun_is_mark 8 /* mutant of adding: W1: the overrun is taken for the mark */

#define STEP 2
#define NEAR 2
#define LIMIT 5
#define MARK (-9)
#define LAST 8
#define WITHIN(v, limit) ((v) >= -(limit) && (v) < (limit))
#define WRAP(v) ((v) > LAST -> (v) - 18 : ((v) < MARK -> (v) + 18 : (v)))

short narrow, wide;
bool widened, lock;

/* The specification. */
short now;

/* Gives the word, 0 narrow, 1 wide, and its value `old`. */
inline find() {
    atomic { /* narrow */
        old = narrow;
#if MUTANT == overrun_is_mark
        word = !WITHIN(old, NEAR);
#else
        word = !WITHIN(old, LIMIT);
#endif
        assert(word || old == now)
    }
    if
    :: word -> atomic { old = wide; assert(old == now) }
    :: else
    fi
}

inline widen() {
#if MUTANT != widen_unlocked
    atomic { !lock -> lock = 1 }
#endif
#if MUTANT != widened_late
    widened = 1;
#endif
    do
    :: copied = narrow;
       if
       :: !WITHIN(copied, LIMIT) -> break
       :: else
       fi;
#if MUTANT != wide_late
       wide = copied;
#endif
       atomic { /* the exchange that puts the mark */
           if
#if MUTANT == mark_stored
           :: true -> narrow = MARK; break
#else
           :: narrow == copied -> narrow = MARK; break
#endif
           :: else
           fi
       }
    od;
#if MUTANT == wide_late
    wide = copied;
#endif
#if MUTANT == widened_late
    widened = 1;
#endif
    atomic { copied = 0; lock = 0 }
}

/* replace() of `old` in `word` by `new`; `effect` says whether. */
inline replace() {
    if
#if MUTANT != far_in_narrow
    :: !word && !WITHIN(new, NEAR) -> widen()
    :: word || WITHIN(new, NEAR) ->
#else
    :: true ->
#endif
        atomic { /* the exchange */
            if
            :: !word && narrow == old -> narrow = new; effect = 1
            :: word && wide == old -> wide = new; effect = 1
            :: else
            fi;
            assert(!effect || old == now);
            now = (effect -> new : now)
        }
    fi
}

inline add_checked() {
    do
    :: !effect ->
        find();
        new = old + n;
        if
        :: new > LAST || new < MARK -> effect = 1 /* OVERFLOW, by what was found */
        :: else -> replace()
        fi
    :: else -> break
    od
}

/* sobj_atomic_int_add(), of 1, or of any of these numbers. */
proctype adder(byte times; bool far)
{
    short n, old, new, copied;
    bool word, effect;

    do
    :: times ->
        if
        :: n = 1
        :: far -> n = 3
        :: far -> n = -7
        fi;
        if
        :: widened || !WITHIN(n, STEP) -> add_checked()
        :: else -> /* the hint may be old now */
            atomic { /* the addition */
                old = narrow;
                narrow = WRAP(old + n);
                new = narrow;
                if
                :: WITHIN(old, LIMIT) ->
                    assert(old == now);
                    now = new;
                    effect = 1;
                    assert(WITHIN(new, LIMIT))
                :: else
                fi
            }
            if
            :: WITHIN(new, NEAR)
#if MUTANT == mark_counts
            :: !WITHIN(new, NEAR) -> widen()
#elif MUTANT == overrun_left
            :: !WITHIN(new, NEAR) && WITHIN(WRAP(new - n), LIMIT)
            :: !WITHIN(new, NEAR) && !WITHIN(WRAP(new - n), LIMIT) -> add_checked()
#else
            :: !WITHIN(new, NEAR) && WITHIN(WRAP(new - n), LIMIT) -> widen()
            :: !WITHIN(new, NEAR) && !WITHIN(WRAP(new - n), LIMIT) -> add_checked()
#endif
            fi
        fi;
        atomic {
            assert(effect);
            n = 0; old = 0; new = 0; word = 0; effect = 0; times--
        }
    :: else -> break
    od
}

/* sobj_atomic_int_exchange(). */
proctype setter(byte times)
{
    short old, new, to, copied;
    bool word, effect;

    do
    :: times ->
        if
        :: to = 0
        :: to = 4
        :: to = -9
        fi;
        do
        :: !effect -> find(); new = to; replace()
        :: else -> break
        od;
        atomic { old = 0; new = 0; to = 0; word = 0; effect = 0; times-- }
    :: else -> break
    od
}

/* sobj_atomic_int_get(). */
proctype reader()
{
    short old;
    bool word;

    find();
    atomic { old = 0; word = 0 }
}

init
{
    atomic {
        narrow = 1; now = 1;
        run adder(2, 0);
#if SCENE == adding
        run adder(2, 0);
        run adder(2, 0);
#elif SCENE == setting
        run adder(1, 1);
        run setter(1);
#endif
        run reader()
    }
    _nr_pr == 1;
    assert((WITHIN(narrow, LIMIT) -> narrow : wide) == now)
}
