/* SPDX-License-Identifier: MIT */
/* L3: AtomicInt; contract in include/sharedobj/atomic_int.h.
 *
 *     line 0   core header (refs, mode, type, id, arena) | lock, watchers | widened
 *     line 1   narrow | wide | wait list
 *
 * An addition should be one fetch-and-add, because a compare-and-swap needs the cache
 * line for longer and fails while others add. But fetch-and-add cannot check. A check
 * before it proves nothing, since another thread may store a number near the limit in
 * between, and whoever read the value before an undo would have seen a wrong one.
 *
 * So there are two words. `narrow` holds the value as long as that is far from its
 * limits, and there additions go unchecked. The first number that is not (set to, added
 * up to) moves the value to `wide`, where every change is a compare-and-swap whose new
 * value was checked before. Narrow then holds a mark so far from all numbers it may
 * hold that a late addition neither leaves it nor counts.
 *
 *      -2^63     -2^62        -2^61         0         2^61         2^62     2^63
 *        |  mark   |  overrun   |  additions go unchecked  |  overrun  |  mark  |
 *       MARK     -LIMIT       -NEAR                      NEAR        LIMIT
 *
 *   W1  While `narrow` is within LIMIT it is the value; else `wide` is, and for good.
 *       The mark is one interval (2^63 is next to -2^63) with MARK in its middle.
 *   W2  `widen` copies narrow to wide and then puts the mark over what it has copied,
 *       by compare-and-swap, under `lock`: one thread at a time. Nobody else touches
 *       wide before he has seen the mark. The value does not change by it.
 *   W3  A compare-and-swap puts nothing into narrow but numbers within NEAR. An unchecked
 *       addition adds less than STEP; if that has taken narrow out of NEAR, the thread
 *       widens before it returns. `widened` is set before the mark, so who has met the
 *       mark, or has widened, does not add unchecked any more. So each thread carries
 *       narrow into the overrun once, by less than STEP, and moves the mark once. There
 *       are at most 2^22 threads: no more than 2^60 together, while the overrun, and
 *       each half of the mark, is 2^61 at least.
 *   A1  Every value there ever is is the result of one operation. A fetch-and-add takes
 *       effect if it finds narrow within LIMIT, where its sum is far from overflow; if
 *       it does not, it has done nothing, and starts again with a look. An operation
 *       that does not change the value takes effect at the load it decides by.
 *   A2  No lost wake-up. A waiter sets WATCHED, links itself, passes a seq_cst fence
 *       and looks at the value; a writer changes the value, passes a full barrier and
 *       looks at WATCHED. The two barriers come one after the other in the order of all
 *       such barriers: if the waiter's is first, the writer sees WATCHED (and, behind
 *       the same kind of pair in sobj__wake_all, the waiter); otherwise the waiter sees
 *       the new value. On x86-64 the locked instruction is that barrier, on arm64 a DMB
 *       follows the exclusive pair: its release half alone would let the load of the
 *       mode word pass it.
 *   A3  WATCHED is set while `watchers` is not 0; both change under `lock` only, so the
 *       last waiter to leave cannot take the bit from one that has just come.
 *   O1  Operations on AtomicInts and on the items of arrays are in one order (array.c).
 *       Changes are full barriers, but an array's stores are not: the load of the value
 *       must be one that does not pass them, and on arm64 an acquire (LDAPR) may.
 *
 * An addition reads line 0 (`widened` before, the mode word after), which hardly ever
 * changes, and asks for line 1 once. In one line it would have to ask three times while
 * others take the line away; two threads paid a fourth more. Against a checked
 * compare-and-swap loop in one word this takes 0.6 of the time when two or eight threads
 * add to one number, and 0.85 when one does (benchmarks/c/atomic_bench.c, RESULTS.md);
 * behind the mark it takes 1.2. That is why the loop is not the whole of it.
 *
 * Progress: get is wait-free, and so is an addition of less than STEP to an int that has
 * never left NEAR; the others are lock-free, but for the one widening in an int's life,
 * which holds a lock for some nanoseconds.
 */
#include "sharedobj/atomic_int.h"

#include "alloc.h"
#include "object.h"
#include "park.h"
#include "reclaim.h"

struct atomic_int {
    struct sobj_object head;
    struct sobj__lock lock;
    uint32_t watchers;             /* threads inside wait; guarded by lock */
    _Atomic(bool) widened;         /* set under lock, for good */
    SOBJ_ALIGNED sobj_word narrow; /* an int64_t: the value, or the mark (W1) */
    sobj_word wide;                /* an int64_t: the value behind the mark (W1) */
    struct sobj__waitlist waiters;
};

_Static_assert(sizeof(struct atomic_int) == 2 * SOBJ_CACHE_LINE, "two lines");

#define STEP ((int64_t)1 << 38)
#define NEAR ((int64_t)1 << 61)
#define LIMIT ((int64_t)1 << 62)
#define MARK INT64_MIN

/* Returns: -limit <= v < limit. */
SOBJ_INLINE bool within(int64_t v, int64_t limit)
{
    return (uint64_t)v + (uint64_t)limit < 2 * (uint64_t)limit;
}

static struct atomic_int *from(const struct sobj_object *obj)
{
    return (struct atomic_int *)(void *)obj;
}

static void destroy(struct sobj_object *obj)
{
    sobj__free(SOBJ_COUNT_BLOCKS, obj, sizeof(struct atomic_int));
}

static size_t bytes(const struct sobj_object *obj)
{
    (void)obj;
    return sizeof(struct atomic_int);
}

static void fork_child(struct sobj_object *obj)
{
    struct atomic_int *a = from(obj);

    sobj__waitlist_reset(&a->waiters);
    a->watchers = 0;
    /* SeqCst: the only thread; no order is needed. */
    sobj_and_seq_cst(&obj->mode, ~(uint64_t)SOBJ__WATCHED);
}

static const struct sobj__type type = {
    .tag = SOBJ_TYPE_ATOMIC_INT,
    .name = "AtomicInt",
    .destroy = destroy,
    .fork_child = fork_child,
    .bytes = bytes,
};

enum sobj_status sobj_atomic_int_new(int64_t value, struct sobj_object **out)
{
    struct atomic_int *a = sobj__alloc_aligned(SOBJ_COUNT_BLOCKS, sizeof *a);

    if (a == NULL)
        return SOBJ_NO_MEMORY;
    atomic_init(&a->widened, !within(value, NEAR));
    sobj_word_init(&a->narrow, (uint64_t)(within(value, NEAR) ? value : MARK));
    sobj_word_init(&a->wide, (uint64_t)value);
    sobj__waitlist_init(&a->waiters);
    atomic_init(&a->lock.state, 0);
    a->watchers = 0;
    if (sobj__object_init(&a->head, &type) != SOBJ_OK) {
        sobj__free(SOBJ_COUNT_BLOCKS, a, sizeof *a);
        return SOBJ_NO_MEMORY;
    }
    *out = &a->head;
    return SOBJ_OK;
}

/* ---- the two words */

/* Returns: the word that holds the value, which is in `*value`. */
SOBJ_INLINE sobj_word *find(struct atomic_int *a, int64_t *value)
{
    /* SeqCst: pairs with the full barrier of whoever stored the value, or the mark:
     * then `wide` is there (W2). O1. */
    *value = (int64_t)sobj_word_load_seq_cst(&a->narrow);
    if (SOBJ_LIKELY(within(*value, LIMIT)))
        return &a->narrow;
    /* SeqCst: pairs with the full barrier of whoever stored the value. O1. */
    *value = (int64_t)sobj_word_load_seq_cst(&a->wide);
    return &a->wide;
}

SOBJ_INLINE int64_t load(struct atomic_int *a)
{
    int64_t value;

    find(a, &value);
    return value;
}

/* Moves the value to `wide` (W2). */
static SOBJ_NOINLINE void widen(struct atomic_int *a)
{
    bool done;

    sobj__write_begin();
    sobj__lock_acquire(&a->lock);
    /* Relaxed: published by the mark (W3). */
    sobj_store_relaxed(&a->widened, true);
    do {
        /* Acquire: no more than a look; the compare-and-swap decides. */
        int64_t value = (int64_t)sobj_word_load_acquire(&a->narrow);
        done = !within(value, LIMIT);
        if (!done) {
            /* Full: precedes the mark, like the store to `widened`. */
            sobj_word_store_full(&a->wide, (uint64_t)value);
            SOBJ_PAUSE("atomic_int.widen");
            /* Full: publishes `wide` and `widened`. */
            done = (int64_t)sobj_word_cas_full(&a->narrow, (uint64_t)value,
                                               (uint64_t)MARK) == value;
        }
    } while (!done);
    sobj__lock_release(&a->lock);
    sobj__write_end();
}

/* Returns: whether `old` still was in `word`, where `find` has found it, and `new` is
 * the value now. If not, look again. */
SOBJ_INLINE bool replace(struct atomic_int *a, sobj_word *word, int64_t old,
                         int64_t new)
{
    if (SOBJ_UNLIKELY(word == &a->narrow && !within(new, NEAR))) {
        widen(a);
        return false;
    }
    /* Full: precedes the look at the mode word (A2). */
    return (int64_t)sobj_word_cas_full(word, (uint64_t)old, (uint64_t)new) == old;
}

/* After every change of the value. */
SOBJ_INLINE void changed(struct atomic_int *a)
{
    /* Acquire (in sobj__mode): behind the full barrier of the change (A2). */
    if (SOBJ_UNLIKELY((sobj__mode(&a->head) & SOBJ__WATCHED) != 0))
        sobj__wake_all(&a->waiters);
}

/* ---- operations */

int64_t sobj_atomic_int_get(const struct sobj_object *obj) { return load(from(obj)); }

void sobj_atomic_int_set(struct sobj_object *obj, int64_t value)
{
    sobj_atomic_int_exchange(obj, value);
}

int64_t sobj_atomic_int_exchange(struct sobj_object *obj, int64_t value)
{
    struct atomic_int *a = from(obj);
    sobj_word *word;
    int64_t old;

    do {
        word = find(a, &old);
    } while (!replace(a, word, old, value));
    changed(a);
    return old;
}

bool sobj_atomic_int_compare_and_set(struct sobj_object *obj, int64_t expected,
                                     int64_t desired, int64_t *seen)
{
    struct atomic_int *a = from(obj);
    sobj_word *word;
    int64_t old;

    do {
        word = find(a, &old);
    } while (old == expected && !replace(a, word, old, desired));
    if (old == expected)
        changed(a);
    if (seen != NULL)
        *seen = old;
    return old == expected;
}

static SOBJ_NOINLINE enum sobj_status add_checked(struct atomic_int *a, int64_t n,
                                                  int64_t *result)
{
    sobj_word *word;
    int64_t old, sum;

    do {
        word = find(a, &old);
        if (__builtin_add_overflow(old, n, &sum))
            return SOBJ_OVERFLOW;
    } while (!replace(a, word, old, sum));
    *result = sum;
    changed(a);
    return SOBJ_OK;
}

/* An unchecked addition has left in `narrow` a sum that is not within NEAR. */
static SOBJ_NOINLINE enum sobj_status added_far(struct atomic_int *a, int64_t n,
                                                uint64_t sum, int64_t *result)
{
    if (!within((int64_t)(sum - (uint64_t)n), LIMIT))
        return add_checked(a, n, result); /* the mark (A1) */
    widen(a);                             /* W3 */
    *result = (int64_t)sum;
    changed(a);
    return SOBJ_OK;
}

enum sobj_status sobj_atomic_int_add(struct sobj_object *obj, int64_t n,
                                     int64_t *result)
{
    struct atomic_int *a = from(obj);

    /* Relaxed: a hint; what was missed shows in what the addition finds (W3). */
    if (SOBJ_UNLIKELY(sobj_load_relaxed(&a->widened) || !within(n, STEP)))
        return add_checked(a, n, result);
    SOBJ_PAUSE("atomic_int.add");
    /* Full: precedes the look at the mode word (A2). */
    uint64_t sum = sobj_word_add_full(&a->narrow, (uint64_t)n) + (uint64_t)n;
    if (SOBJ_UNLIKELY(!within((int64_t)sum, NEAR)))
        return added_far(a, n, sum, result);
    *result = (int64_t)sum;
    changed(a);
    return SOBJ_OK;
}

int64_t sobj_atomic_int_max(struct sobj_object *obj, int64_t v)
{
    struct atomic_int *a = from(obj);
    sobj_word *word;
    int64_t old;

    do {
        word = find(a, &old);
        if (old >= v)
            return old;
    } while (!replace(a, word, old, v));
    changed(a);
    return v;
}

int64_t sobj_atomic_int_min(struct sobj_object *obj, int64_t v)
{
    struct atomic_int *a = from(obj);
    sobj_word *word;
    int64_t old;

    do {
        word = find(a, &old);
        if (old <= v)
            return old;
    } while (!replace(a, word, old, v));
    changed(a);
    return v;
}

/* ---- waiting */

static void watch(struct atomic_int *a)
{
    sobj__write_begin();
    sobj__lock_acquire(&a->lock);
    if (a->watchers++ == 0) {
        /* SeqCst: before the fence in wait_enter (A2). */
        sobj_or_seq_cst(&a->head.mode, SOBJ__WATCHED);
    }
    sobj__lock_release(&a->lock);
    sobj__write_end();
}

static void unwatch(struct atomic_int *a)
{
    sobj__write_begin();
    sobj__lock_acquire(&a->lock);
    if (--a->watchers == 0) {
        /* SeqCst: no order is needed; nobody waits (A3). */
        sobj_and_seq_cst(&a->head.mode, ~(uint64_t)SOBJ__WATCHED);
    }
    sobj__lock_release(&a->lock);
    sobj__write_end();
}

/* Sleeps once at most. Wake-ups need not be passed on: every change wakes all. */
static enum sobj_status wait_once(struct atomic_int *a, int64_t while_equal,
                                  int64_t deadline, struct sobj_domain *domain)
{
    struct sobj__parker parker;
    struct sobj__waiter waiter;
    enum sobj_status status = sobj__parker_init(&parker, domain);

    if (status != SOBJ_OK)
        return status;
    sobj__wait_enter(&a->waiters, &waiter, &parker);
    if (load(a) == while_equal) /* A2 */
        status = sobj__park(&parker, deadline);
    sobj__wait_leave(&waiter);
    sobj__parker_fini(&parker);
    return status;
}

/* Returns: whether the value became another one while this thread was spinning. */
static bool spin(struct atomic_int *a, int64_t while_equal, int64_t *value)
{
    struct sobj__spin spin = sobj__spin_begin(&a->waiters);
    bool done;

    do {
        *value = load(a);
        done = *value != while_equal;
    } while (!done && sobj__spin_again(&spin));
    sobj__spin_end(&a->waiters, &spin, done);
    return done;
}

enum sobj_status sobj_atomic_int_wait(struct sobj_object *obj, int64_t while_equal,
                                      int64_t deadline, struct sobj_domain *domain,
                                      int64_t *value)
{
    struct atomic_int *a = from(obj);
    enum sobj_status status;

    if (spin(a, while_equal, value))
        return SOBJ_OK;
    watch(a);
    do {
        status = wait_once(a, while_equal, deadline, domain);
        *value = load(a);
        if (*value != while_equal)
            status = SOBJ_OK;
    } while (status == SOBJ_OK && *value == while_equal);
    unwatch(a);
    return status;
}
