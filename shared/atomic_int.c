/* SPDX-License-Identifier: MIT */
/* L3: AtomicInt; contract in include/sharedobj/atomic_int.h.
 *
 *     line 0   core header (refs, mode, type, id, arena) | value
 *     line 1   wait list, watchers
 *
 * One word, changed by a compare-and-swap whose new value was computed and checked
 * before. (A fetch-and-add that is checked beforehand shows wrong values: between the
 * check and the addition another thread may store a number near the limit.)
 *
 *   A1  Every value the word ever has is the result of one operation. An operation that
 *       does not change it takes effect at the load, or failed compare-and-swap, that
 *       it decides by.
 *   A2  No lost wake-up. A waiter sets WATCHED, links itself, passes a seq_cst fence
 *       and looks at the value; a writer stores the value, passes a full barrier and
 *       looks at WATCHED. The two barriers come one after the other in the order of all
 *       such barriers: if the waiter's is first, the writer sees WATCHED (and, behind
 *       the same kind of pair in sobj__wake_all, the waiter); otherwise the waiter sees
 *       the new value. On x86-64 the locked instruction is that barrier, on arm64 a DMB
 *       follows the exclusive pair: its release half alone would let the load of the
 *       mode word pass it.
 *   A3  WATCHED is set while `watchers` is not 0; both change under `lock` only, so the
 *       last waiter to leave cannot take the bit from one that has just come.
 *
 * A writer that nobody waits for pays one load of the mode word, which lies in the line
 * that it has just written.
 */
#include "sharedobj/atomic_int.h"

#include "alloc.h"
#include "object.h"
#include "park.h"
#include "reclaim.h"

struct atomic_int {
    struct sobj_object head;
    sobj_word value; /* an int64_t */
    SOBJ_ALIGNED struct sobj__waitlist waiters;
    struct sobj__lock lock;
    uint32_t watchers; /* threads inside wait; guarded by lock */
};

_Static_assert(offsetof(struct atomic_int, value) + 8 <= SOBJ_CACHE_LINE,
               "value and mode word share a line");

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
    sobj_word_init(&a->value, (uint64_t)value);
    sobj__waitlist_reset(&a->waiters);
    atomic_init(&a->lock.state, 0);
    a->watchers = 0;
    if (sobj__object_init(&a->head, &type) != SOBJ_OK) {
        sobj__free(SOBJ_COUNT_BLOCKS, a, sizeof *a);
        return SOBJ_NO_MEMORY;
    }
    *out = &a->head;
    return SOBJ_OK;
}

/* ---- operations */

/* After every change of the value. */
SOBJ_INLINE void changed(struct atomic_int *a)
{
    /* Acquire (in sobj__mode): behind the full barrier of the change (A2). */
    if (SOBJ_UNLIKELY((sobj__mode(&a->head) & SOBJ__WATCHED) != 0))
        sobj__wake_all(&a->waiters);
}

SOBJ_INLINE int64_t load(const struct atomic_int *a)
{
    /* Acquire: pairs with the full barrier of whoever stored the value. */
    return (int64_t)sobj_word_load_acquire(&a->value);
}

/* Returns: whether `*seen` was there and `v` is now; if not, `*seen` is what is. */
SOBJ_INLINE bool replace(struct atomic_int *a, int64_t *seen, int64_t v)
{
    /* Full: precedes the look at the mode word (A2). */
    int64_t was = (int64_t)sobj_word_cas_full(&a->value, (uint64_t)*seen, (uint64_t)v);
    bool done = was == *seen;

    *seen = was;
    return done;
}

int64_t sobj_atomic_int_get(const struct sobj_object *obj) { return load(from(obj)); }

void sobj_atomic_int_set(struct sobj_object *obj, int64_t value)
{
    struct atomic_int *a = from(obj);

    /* Full: precedes the look at the mode word (A2). */
    sobj_word_store_full(&a->value, (uint64_t)value);
    changed(a);
}

int64_t sobj_atomic_int_exchange(struct sobj_object *obj, int64_t value)
{
    struct atomic_int *a = from(obj);
    int64_t old = load(a);

    while (!replace(a, &old, value)) {
    }
    changed(a);
    return old;
}

bool sobj_atomic_int_compare_and_set(struct sobj_object *obj, int64_t expected,
                                     int64_t desired, int64_t *seen)
{
    struct atomic_int *a = from(obj);
    int64_t was = expected;
    bool done = replace(a, &was, desired);

    if (done)
        changed(a);
    if (seen != NULL)
        *seen = was;
    return done;
}

enum sobj_status sobj_atomic_int_add(struct sobj_object *obj, int64_t n,
                                     int64_t *result)
{
    struct atomic_int *a = from(obj);
    int64_t old = load(a), sum;

    do {
        if (__builtin_add_overflow(old, n, &sum))
            return SOBJ_OVERFLOW;
    } while (!replace(a, &old, sum));
    changed(a);
    *result = sum;
    return SOBJ_OK;
}

int64_t sobj_atomic_int_max(struct sobj_object *obj, int64_t v)
{
    struct atomic_int *a = from(obj);
    int64_t old = load(a);

    while (old < v) {
        if (replace(a, &old, v)) {
            changed(a);
            return v;
        }
    }
    return old;
}

int64_t sobj_atomic_int_min(struct sobj_object *obj, int64_t v)
{
    struct atomic_int *a = from(obj);
    int64_t old = load(a);

    while (old > v) {
        if (replace(a, &old, v)) {
            changed(a);
            return v;
        }
    }
    return old;
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
