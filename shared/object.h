/* SPDX-License-Identifier: MIT */
/* L1: the core header, and the table of all cores.
 *
 *     refs   {count:32 low | stamp:32 high}. A reference is an increment of both
 *            halves, so that the cycle collector can tell "still n references" from
 *            "n again": it reads the words, looks for references from outside, and
 *            reads the words once more.
 *     mode   bits below. Every operation loads it once inside its section and goes on
 *            if it is 0; whatever a feature costs lies behind that one branch.
 *     type   the table of functions below; const.
 *     id     {generation:31 | index:32} into the table; const.
 *     arena  NULL, or the arena whose borrow is needed; const.
 *
 *   H1  count == 0 is final. A lookup takes a reference only by a compare-and-swap
 *       from a count that is not 0.
 *   H2  Whoever brings the count to 0 removes the core from the table and retires it.
 *       A reference that lay in a shared cell is dropped by retiring it (a grace
 *       period later), so a reader that has found the core in the cell may increment
 *       the count plainly while its section lasts.
 */
#ifndef SOBJ_OBJECT_H
#define SOBJ_OBJECT_H

#include "atomic.h"
#include "park.h"
#include "sharedobj/object.h"

/* Mode bits. WATCHED follows the eventcount rule: set, fence, look again. */
enum {
    SOBJ__FROZEN = 1 << 0,  /* read-only for good */
    SOBJ__ARENA = 1 << 1,   /* needs a borrow */
    SOBJ__WATCHED = 1 << 2, /* somebody waits for a change */
    SOBJ__RACE = 1 << 3,    /* the race detector looks on */
    SOBJ__SNAP = 1 << 4,    /* a snapshot makes its cut: writers wait */
    SOBJ__LOG = 1 << 5,     /* writers save what they overwrite for a snapshot */
};

/* What a kind of core implements. */
struct sobj__type {
    enum sobj_type tag;
    const char *name;
    /* Frees the core and all it holds; called once, after a grace period. */
    void (*destroy)(struct sobj_object *obj);
    /* In the fork child: forget waiters. May be NULL. */
    void (*fork_child)(struct sobj_object *obj);
    /* Returns: about how many bytes `destroy` frees, for the limit of retired memory.
     * Nobody holds a reference any more. NULL: "a page". */
    size_t (*bytes)(const struct sobj_object *obj);
    /* For a core whose end others wait for; NULL for all others. `ending` is called in the
     * write section in which the last reference goes, and may return a reference to
     * another core; `ended` is called with that after the section, and consumes it. */
    struct sobj_object *(*ending)(struct sobj_object *obj);
    void (*ended)(struct sobj_object *other);
    /* With them: a ticket with a lease refers to the core from now on. No section. */
    void (*leased)(struct sobj_object *obj);
};

struct sobj_object {
    sobj_word refs;
    _Atomic(uint64_t) mode;
    const struct sobj__type *type;
    int64_t id;
    struct sobj_arena *arena;
};

/* Fills the header with one reference and enters the core into the table.
 * Returns: OK or NO_MEMORY. */
enum sobj_status sobj__object_init(struct sobj_object *obj,
                                   const struct sobj__type *type);

SOBJ_INLINE uint64_t sobj__mode(const struct sobj_object *obj)
{
    /* Acquire: pairs with the release that set the bit, so that whoever sees it also
     * sees what the feature has prepared. */
    return sobj_load_acquire(&((struct sobj_object *)obj)->mode);
}

/* retire()-able unref, for references that lay in shared cells (H2). */
void sobj__object_unref_cb(void *obj);

/* ---- The table. Chunk k holds 64 << k slots, so slots never move. */
struct sobj__slot {
    _Atomic(struct sobj_object *) obj; /* NULL: free */
    uint32_t generation;               /* guarded by lock */
    uint32_t next_free;                /* guarded by lock; index + 1 */
};
#define SOBJ__CHUNKS 26

/* A ticket slot. Guarded by sobj__objects.lock. */
struct sobj__ticket {
    struct sobj_object *obj; /* NULL: free */
    struct sobj_domain *domain;
    int64_t deadline;
    uint32_t generation;
    uint32_t next_free; /* index + 1 */
};

/* Process-wide; the instance lives in runtime.c. */
struct sobj__objects {
    struct sobj__lock lock;
    _Atomic(struct sobj__slot *) chunks[SOBJ__CHUNKS];
    uint32_t used;      /* slots ever handed out; guarded by lock */
    uint32_t free_head; /* index + 1; guarded by lock */
    uint32_t seed;      /* first generation; const after init */
    struct sobj__ticket *tickets;
    uint32_t tickets_used, tickets_capacity, tickets_free;
    int64_t tickets_live;
    int64_t next_deadline; /* no ticket's lease ends before this */
};
extern struct sobj__objects sobj__objects;

/* Drops the tickets of `domain`, or those whose lease has ended (`domain` NULL). */
void sobj__tickets_sweep(struct sobj_domain *domain);
/* Returns: a point before which no lease ends. */
int64_t sobj__tickets_due(void);

/* Calls fork_child of every core. */
void sobj__objects_fork_child(void);

#endif
