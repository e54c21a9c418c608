/* SPDX-License-Identifier: MIT */
/* L3: waiting for the value of a key. Contract: sharedobj/dict_wait.h.
 *
 *   dict ── watch ──> lock, and lists by hash: thread -> thread -> ...
 *
 * A dict has this from the first wait on until it dies; before that a null pointer. All
 * that a writer does for it is one look at the mode word after its change.
 *
 *   K1  No lost wake-up. A watcher sets WATCHED, counts itself in its list, passes a
 *       seq_cst fence and looks at the key; a writer changes the key's state by a
 *       seq_cst exchange and then looks at WATCHED and at the count (seq_cst). In the
 *       order of all such operations either the watcher's come first, and the writer
 *       sees it, or the exchange does, and the watcher sees the change. On x86-64 that
 *       costs a writer nothing; on arm64 the exclusive pair stays what it was and the
 *       load becomes LDAR, which does not pass it.
 *   K2  What leads to the change must be as visible as the change: an insertion may
 *       happen in the table behind the one that the watcher looks into, because a slot
 *       there was frozen or a node DROPPED before. So these exchanges are seq_cst too.
 *       (A root that follows and a FORWARD are such changes themselves.)
 *   K3  WATCHED is set while `watchers` is not 0; both change under `lock` only.
 *   K4  A watcher is touched by others under `lock` only, and leaves with the lock held.
 *       Whoever arrives after a writer has begun to wake sees that writer's change, so
 *       it need not be woken; the numbers tell.
 */
#ifndef SOBJ_DICT_WATCH_H
#define SOBJ_DICT_WATCH_H

#include "dict_internal.h"
#include "sharedobj/dict_wait.h"

/* One thread that waits for one key, on its stack. Guarded by watch->lock. */
struct sobj__watcher {
    struct sobj__parker *parker;
    uint64_t hash;   /* of the key */
    uint64_t number; /* in the order of arrival */
    struct sobj__watcher *next, *prev;
    bool linked; /* not yet woken */
};

#define SOBJ__WATCH_LISTS 16u

struct sobj__watch {
    struct sobj__lock lock;
    uint32_t watchers; /* linked or not; guarded by lock */
    uint64_t arrivals; /* guarded by lock */
    struct {
        _Atomic(uint32_t) count; /* linked; writers read it without the lock (K1) */
        struct sobj__watcher *head, *tail; /* guarded by lock */
    } lists[SOBJ__WATCH_LISTS];
};

/* A key of a dict, copied. */
struct sobj_dict_key {
    _Atomic(uint32_t) refs;
    struct sobj_object *dict; /* a reference; const */
    struct sobj__node *node;  /* of no table: holds the key; const */
};
void sobj__dict_key_ref(struct sobj_dict_key *k);
/* Returns: whether the key is there, and its value with a reference in `*value`. */
bool sobj__dict_key_look(const struct sobj_dict_key *k, sobj_cell *value);

/* Links `w`; now a change of the key finds its parker. The caller looks at the key after
 * that. Returns: OK or NO_MEMORY. */
enum sobj_status sobj__watch_enter(const struct sobj_dict_key *k,
                                   struct sobj__watcher *w,
                                   struct sobj__parker *parker);
void sobj__watch_leave(const struct sobj_dict_key *k, struct sobj__watcher *w);

/* The slow halves of the two below. */
void sobj__watch_wake(struct sobj__dict *d, uint64_t hash);
void sobj__watch_wake_all(struct sobj__dict *d);

/* After every change of a key's state, which was a seq_cst exchange (K1); of all keys.
 * Need: no section (R3), and the caller's reference to the dict. */
SOBJ_INLINE bool sobj__dict_watched(struct sobj__dict *d)
{
    /* SeqCst: behind the exchange (K1). */
    return SOBJ_UNLIKELY((sobj_load_seq_cst(&d->header.mode) & SOBJ__WATCHED) != 0);
}
SOBJ_INLINE void sobj__dict_changed(struct sobj__dict *d, uint64_t hash)
{
    if (sobj__dict_watched(d))
        sobj__watch_wake(d, hash);
}
SOBJ_INLINE void sobj__dict_changed_all(struct sobj__dict *d)
{
    if (sobj__dict_watched(d))
        sobj__watch_wake_all(d);
}

/* For the type's table: frees what there is; in the fork child nobody waits. */
void sobj__watch_free(struct sobj__dict *d);
void sobj__watch_fork_child(struct sobj__dict *d);

#endif
