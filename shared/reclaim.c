/* SPDX-License-Identifier: MIT */
/* L1: reclamation over liburcu-bp; see reclaim.h. */
#include "reclaim.h"

#include <limits.h>
#include <stdlib.h>

#include "platform/platform.h"

void sobj__grace_period(void)
{
    urcu_bp_synchronize_rcu();
    SOBJ__TSAN_GRACE_PERIOD_END();
}

static bool batch_grow(struct sobj__batch *b)
{
    uint32_t capacity = b->capacity != 0 ? b->capacity * 2 : SOBJ__BATCH_ITEMS + 64;
    struct sobj__retired *items = realloc(b->items, capacity * sizeof *items);

    if (items == NULL)
        return false;
    b->items = items;
    b->capacity = capacity;
    return true;
}

SOBJ_NOINLINE void sobj__retire_slow(void *p, void (*free_fn)(void *p), size_t bytes)
{
    struct sobj__thread *self = sobj__thread_self();

    if (SOBJ_LIKELY(self != NULL) && batch_grow(&self->batch)) {
        sobj__batch_put(&self->batch, p, free_fn, bytes);
        return;
    }
    if (!urcu_bp_read_ongoing()) {
        sobj__grace_period();
        free_fn(p);
    }
    /* Inside a section with no memory for one pointer: `p` is leaked. */
}

#define SLOW_NS 1000000
#define QUICK_NS 100000

/* Waits for a grace period and fits the limits to how long it took. */
static void grace_period(struct sobj__batch *b)
{
    int64_t took = sobj__now();

    sobj__grace_period();
    took = sobj__now() - took;
    if (took > SLOW_NS && b->scale < SOBJ__BATCH_SCALE_MAX)
        b->scale++;
    else if (took < QUICK_NS && b->scale > 0)
        b->scale--;
}

/* One round: everything retired so far. What the free functions retire in turn goes to
 * a fresh array, outside of write sections; `running` tells the child of a fork to leave
 * that alone. */
static void run_round(struct sobj__batch *b)
{
    struct sobj__retired *items;
    uint32_t count, capacity;

    /* In a write section: a fork copies the batch whole, or marked as running. */
    sobj__write_begin();
    b->running = true;
    items = b->items;
    count = b->count;
    capacity = b->capacity;
    b->items = NULL;
    b->count = b->capacity = 0;
    b->bytes = 0;
    b->due = false;
    sobj__read_end();
    grace_period(b);
    for (uint32_t i = 0; i < count; i++) {
        if (i + 8 < count)
            __builtin_prefetch(items[i + 8].p, 1);
        items[i].free(items[i].p);
    }
    if (b->items == NULL) {
        b->items = items;
        b->capacity = capacity;
    } else {
        free(items);
    }
}

/* Runs rounds while `all`, or a limit is reached. */
static void run(struct sobj__thread *self, bool all)
{
    struct sobj__batch *b = &self->batch;
    void *token;

    /* A free function that ends a section must not start a second flush; a section
     * around us (a caller's error in all but test code) makes this one wait. */
    if (b->running || urcu_bp_read_ongoing())
        return;
    token = sobj__hooks.detach != NULL ? sobj__hooks.detach() : NULL;
    while (all ? b->count != 0 : b->due)
        run_round(b);
    /* In a write section: whoever copies the mark copies what was written before. */
    sobj__write_begin();
    b->running = false;
    sobj__read_end();
    if (token != NULL)
        sobj__hooks.attach(token);
}

SOBJ_NOINLINE void sobj__reclaim_run(struct sobj__thread *self) { run(self, false); }

void sobj__reclaim_flush(void)
{
    struct sobj__thread *self = sobj__thread_tls;

    if (self != NULL && self->batch.count != 0)
        run(self, true);
}

SOBJ_NOINLINE void sobj__fork_gate_pass(void)
{
    /* Acquire: pairs with the release in fork_gate_open; in the child nothing is read
     * that the handlers have not put in order. */
    while (sobj_load_acquire(&sobj__fork_gate) != 0) {
        sobj__read_end();
        void *token = sobj__hooks.detach != NULL ? sobj__hooks.detach() : NULL;
        sobj__os_wait(&sobj__fork_gate, 1, SOBJ__FOREVER);
        if (token != NULL)
            sobj__hooks.attach(token);
        urcu_bp_read_lock();
    }
}

void sobj__fork_gate_close(void)
{
    /* SeqCst: precedes the grace period, which orders it against every section. */
    sobj_store_seq_cst(&sobj__fork_gate, 1);
    sobj__grace_period();
}

void sobj__fork_gate_open(void)
{
    /* Release: pairs with the acquire in fork_gate_pass. */
    sobj_store_release(&sobj__fork_gate, 0);
    sobj__os_wake(&sobj__fork_gate, INT_MAX);
}
