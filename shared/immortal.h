/* SPDX-License-Identifier: MIT */
/* L2: immortal objects; contract in include/sharedobj/immortal.h.
 *
 *     by content ──┐
 *                  ├──> struct sobj_immortal ──> object        the host's memory layout
 *     by address ──┘              │                 ▲
 *                                 └──> cell: blob ──┘          made when first stored
 *
 * Two hash tables of pointers with linear probing, at most half full, from which
 * nothing is ever taken out.
 *
 *   I1  All that changes is changed under the lock, in a write section; the lock is
 *       held for some stores, and while a table is moved to a larger one. So a fork
 *       copies nothing half done.
 *   I2  Readers take no lock: they load a table and its slots with acquire inside a
 *       section. A table that was replaced is retired; what it led to stays for ever.
 *   I3  The bit of a kind is set before the first object of that kind can be found, and
 *       so before it is handed out. Who has an object has therefore seen the bit.
 *   I4  Room is counted before it is allocated and never counted back once it was used:
 *       `bytes` is at most the limit, but for the tables and for a limit set later.
 */
#ifndef SOBJ_IMMORTAL_H
#define SOBJ_IMMORTAL_H

#include "atomic.h"
#include "park.h"
#include "sharedobj/immortal.h"

struct sobj_immortal {
    struct sobj_immortal_key key; /* const */
    void *object;                 /* const */
    _Atomic(sobj_cell) cell;      /* NO_CELL until first stored; then const */
};

struct sobj__immortal_table {
    size_t mask;
    unsigned shift; /* of a spread hash to a slot */
    _Atomic(struct sobj_immortal *) slots[];
};

/* Process-wide; the instance lives in runtime.c. */
struct sobj__immortals {
    struct sobj__lock lock;
    bool protect;                                           /* guarded by lock */
    int64_t count, bytes, limit;                            /* guarded by lock */
    _Atomic(struct sobj__immortal_table *) content, places; /* written under lock */
};
extern struct sobj__immortals sobj__immortals;

#endif
