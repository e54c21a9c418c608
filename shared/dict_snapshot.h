/* SPDX-License-Identifier: MIT */
/* L3: snapshots of the dict, for dict*.c only. The contract is sharedobj/dict.h.
 *
 * A snapshot is a moment, the cut, that the dict's gate gives (gate.h), and what has to
 * be kept so that the content of that moment can be read in peace:
 *
 *     dict ── snapshots ──> {body, cut, saved} ──> {body, cut, saved} ──> NULL
 *                              │         └──> buckets: {node, value at the cut} -> ...
 *                              └── a reference: clear() and replace() do not free it
 *
 * At the cut every insertion is either complete or has not begun, so the content is:
 * all nodes of the body at positions before the cut, less those whose value is a mark.
 * Writers go on at once. The reader walks the order log at its leisure.
 *
 *   S1  LOG is set in the mode word while there are snapshots. Who sees it puts, before
 *       it exchanges the value of a node that is older than the cut, {node, the value it
 *       is about to replace} into the snapshot's table, unless the node is there. What
 *       only goes from one mark to another (DELETED to FORWARD or DROPPED) is no change:
 *       at the cut the node was absent, or its deletion has saved it.
 *   S2  What is saved for a node is its value at the cut. Suppose a changer has read a
 *       value v from the node that is not that one. Then an exchange after the cut has
 *       stored v, or the first of those that led to v. Whoever did that first one had
 *       put the node into the table before, or found it there. Reading v (acquire, from
 *       a chain of exchanges that begins with that one) has made this entry visible, and
 *       entries never leave: the changer finds it and saves nothing. Two that have both
 *       read the value at the cut may both save it; that does no harm.
 *   S3  As long as it is read, the body's log is not compacted (`held` goes up at the
 *       cut, when no compaction is running, and down after the last read): nodes that
 *       have died meanwhile stay in it, in order, and stay alive.
 *   S4  The reader loads the node's value first and looks into the table then. If the
 *       value was stored after the cut, its storer's entry is visible (S1), and wins; if
 *       not, value and entry agree.
 *   S5  A changer that has no memory for an entry marks the snapshot as failed, before
 *       the exchange, and goes on. The reader looks at the mark after the value.
 *   S6  A snapshot is linked at the moment and unlinked at its end under the dict's
 *       lock; it is freed after a grace period, as changers may be walking the list.
 *   S7  In the fork child the forking thread's snapshots go on; those of the threads
 *       that do not exist there are dropped. All that a reader keeps is in the struct,
 *       none of it on a stack.
 *
 * The table has as many buckets as a quarter of the keys there were. It takes hardly more
 * than one entry for each of them, so its chains stay short without growing.
 */
#ifndef SOBJ_DICT_SNAPSHOT_H
#define SOBJ_DICT_SNAPSHOT_H

#include <pthread.h>

#include "dict_internal.h"

/* What a node held at the cut. Immutable once linked. */
struct sobj__saved {
    struct sobj__saved *next;
    struct sobj__node *node;
    sobj_cell value; /* a reference */
};

struct sobj_dict_snapshot {
    /* const once linked */
    struct sobj__dict *dict; /* a reference */
    struct sobj__body *body; /* a reference */
    uint64_t cut;            /* the first position that came later */
    size_t len;              /* keys at the cut */
    pthread_t owner;
    _Atomic(struct sobj__saved *) *buckets;
    uint64_t mask; /* buckets - 1 */
    /* owner thread only */
    struct sobj__segment *segment; /* where the walk is */
    uint32_t index;
    /* atomic */
    _Atomic(bool) failed;                      /* S5 */
    _Atomic(uint64_t) entries;                 /* about to be linked, or linked */
    _Atomic(struct sobj_dict_snapshot *) next; /* changed under dict->lock */
};

/* S1: before the value `v` of `n`, a node of `body`, is exchanged. Needs: a write section
 * begun with LOG in the mode word. */
void sobj__snapshot_save(struct sobj__dict *d, struct sobj__body *body,
                         struct sobj__node *n, sobj_cell v);

/* Goes on to the next node that was there. Returns: OK and the node, which lives as long
 * as the snapshot, and its value, valid in the section; EMPTY at the end; NO_MEMORY (S5);
 * MISMATCH: none up to here, leave the section and call again. Needs: a section. */
enum sobj_status sobj__snapshot_step(struct sobj_dict_snapshot *s,
                                     struct sobj__node **node, sobj_cell *value);

/* S7. */
void sobj__snapshots_fork_child(struct sobj__dict *d);

#endif
