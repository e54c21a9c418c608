/* SPDX-License-Identifier: MIT */
/* Reclamation: what is retired is freed after the sections that may see it, in bounded
 * amounts, and all of it in the end. */
#include "reclaim.h"

#include <stdlib.h>

#include "crew.h"
#include "tap.h"

static _Atomic(int) freed;

static void count_free(void *p)
{
    (void)p;
    sobj_add_seq_cst(&freed, 1);
}

static void retire(size_t count, size_t bytes)
{
    sobj__write_begin();
    for (size_t i = 0; i < count; i++)
        sobj__retire(&freed, count_free, bytes);
    sobj__write_end();
}

static int take_freed(void) { return sobj_swap_seq_cst(&freed, 0); }

static void test_limits(void)
{
    const struct sobj__batch *b = &sobj__thread_self()->batch;
    uint32_t items = sobj__batch_items(b); /* of this moment: slow rounds change it */
    retire(items - 1, 0);
    ok(take_freed() == 0, "below the limit nothing is freed");
    retire(1, 0);
    ok(take_freed() == (int)items, "the last one runs the grace period");
    size_t bytes = sobj__batch_bytes(b);
    retire(3, bytes / 4);
    ok(take_freed() == 0, "bytes below the limit");
    retire(1, bytes / 4);
    ok(take_freed() == 4, "bytes at the limit");
    items = 5 * sobj__batch_items(b);
    retire(items, 0);
    ok(take_freed() == (int)items, "many in one section");
    retire(7, 0);
    sobj__read_begin();
    sobj__reclaim_flush();
    ok(take_freed() == 0, "no flush inside a section");
    sobj__read_end();
    sobj_collect();
    ok(take_freed() == 7, "collect frees the rest");
    sobj_collect();
    ok(take_freed() == 0, "and nothing twice");
}

/* ---- a free function that retires in turn */

static void free_chain(void *p)
{
    intptr_t left = (intptr_t)p;

    count_free(p);
    if (left > 0) {
        sobj__write_begin(); /* as sobj_unref does */
        sobj__retire((void *)(left - 1), free_chain, 100);
        sobj__write_end();
    }
}

static void free_many(void *p)
{
    (void)p;
    for (unsigned i = 0; i < 3 * SOBJ__BATCH_ITEMS; i++)
        sobj__retire(&freed, count_free, 0);
}

/* Fills the batch each time, inside a flush. */
static void free_deep(void *p)
{
    static int depth;
    intptr_t left = (intptr_t)p;

    count_free(p);
    expect(++depth == 1, "no flush inside a flush");
    sobj__write_begin();
    if (left > 0)
        sobj__retire((void *)(left - 1), free_deep,
                     SOBJ__BATCH_BYTES << SOBJ__BATCH_SCALE_MAX);
    sobj__write_end();
    depth--;
}

static void test_nested(void)
{
    sobj__write_begin();
    for (int i = 0; i < 10; i++)
        sobj__retire((void *)(intptr_t)i, free_chain, 0);
    sobj__write_end();
    sobj_collect();
    ok(take_freed() == 55, "chains end");
    sobj__write_begin();
    sobj__retire(NULL, free_many, SOBJ__BATCH_BYTES << SOBJ__BATCH_SCALE_MAX);
    sobj__write_end();
    ok(take_freed() == 3 * SOBJ__BATCH_ITEMS, "a free function that retires much");
    sobj__write_begin();
    sobj__retire((void *)20, free_deep, SOBJ__BATCH_BYTES << SOBJ__BATCH_SCALE_MAX);
    sobj__write_end();
    ok(take_freed() == 21, "one that fills the batch each time");
}

/* ---- a reader in its section */

struct reading {
    _Atomic(int) inside;  /* number of the reader's section, 0 outside */
    _Atomic(int) retired; /* by the writer, so far */
    _Atomic(int) done;
    int sure; /* sections that the writer had to wait for; the reader's */
};
static struct reading reading;
static _Atomic(int) waiting; /* the writer has let go of the host's lock */

static void *wait_begins(void)
{
    sobj_store_seq_cst(&waiting, 1);
    return &waiting;
}

static void wait_ends(void *token)
{
    (void)token;
    sobj_store_seq_cst(&waiting, 0);
}

/* `p`: the section that was open when it was retired. */
static void free_outside(void *p)
{
    int section = (int)(intptr_t)p;

    expect(section == 0 || sobj_load_seq_cst(&reading.inside) != section,
           "freed while the reader is inside");
    sobj_add_seq_cst(&freed, 1);
}

/* The reader stays in its section until the writer has to wait for it, and a good while
 * longer; 20 times, and more if that did not show anything yet. */
static void read_long(struct reading *r)
{
    for (int round = 1; round <= 20 || (r->sure == 0 && round <= 2000); round++) {
        sobj__read_begin();
        sobj_store_seq_cst(&r->inside, round);
        int before = sobj_load_seq_cst(&r->retired);
        /* A wait that is seen after something was retired in here is for a grace period
         * that began after this section. (If nothing is retired, an earlier one waits
         * for this section already, and the round shows nothing.) */
        bool sure = false;
        for (int i = 0; i < 2000 && !sure; i++) {
            sure = sobj_load_seq_cst(&r->retired) != before &&
                   sobj_load_seq_cst(&waiting) != 0;
            sched_yield();
        }
        int stuck = sobj_load_seq_cst(&r->retired), gone = sobj_load_seq_cst(&freed);
        for (int i = 0; i < 50; i++)
            sched_yield();
        if (sure) {
            r->sure++;
            expect(sobj_load_seq_cst(&r->retired) == stuck, "the writer goes on");
            expect(sobj_load_seq_cst(&freed) == gone, "freed behind the reader's back");
        }
        expect(stuck - before <= (int)(SOBJ__BATCH_ITEMS << SOBJ__BATCH_SCALE_MAX),
               "%d retired", stuck - before);
        sobj_store_seq_cst(&r->inside, 0);
        sobj__read_end();
        while (sobj_load_seq_cst(&freed) == gone)
            sched_yield();
    }
    sobj_store_seq_cst(&r->done, 1);
}

static void write_much(struct reading *r)
{
    while (!sobj_load_seq_cst(&r->done)) {
        sobj__write_begin();
        sobj__retire((void *)(intptr_t)sobj_load_seq_cst(&r->inside), free_outside, 0);
        sobj_add_seq_cst(&r->retired, 1);
        sobj__write_end();
    }
}

static void read_or_write(struct member *m)
{
    if (m->index == 0)
        read_long(m->shared);
    else
        write_much(m->shared);
}

static void test_bounded(void)
{
    int before = tap_failures();

    sobj__hooks = (struct sobj_hooks){wait_begins, wait_ends, 0};
    crew_run(2, 1, 0, read_or_write, &reading);
    sobj__hooks = (struct sobj_hooks){NULL, NULL, 0};
    int all = sobj_load_seq_cst(&reading.retired);
    ok(take_freed() == all && tap_failures() == before && reading.sure > 0,
       "a writer waits for a long reader, %d times; %d freed", reading.sure, all);
}

/* ---- the host's lock */

static int detached, attached;

static void *hook_detach(void)
{
    expect(!urcu_bp_read_ongoing(), "detach outside of sections");
    detached++;
    return &detached;
}

static void hook_attach(void *token)
{
    expect(!urcu_bp_read_ongoing() && token == &detached, "attach outside of sections");
    attached++;
}

static void free_detached(void *p)
{
    count_free(p);
    expect(detached == attached + 1, "freed with the host's lock let go of");
}

static void test_hooks(void)
{
    int before = tap_failures();

    sobj__hooks = (struct sobj_hooks){hook_detach, hook_attach, 0};
    sobj__write_begin();
    sobj__retire(NULL, free_detached, 0);
    sobj__write_end();
    expect(detached == 0, "not for a batch that is not full");
    sobj_collect();
    sobj__hooks = (struct sobj_hooks){NULL, NULL, 0};
    ok(take_freed() == 1 && detached == 1 && attached == 1 && tap_failures() == before,
       "a grace period runs with the host's lock let go of");
}

int main(void)
{
    tap_begin();
    test_limits();
    test_nested();
    test_bounded();
    test_hooks();
    return tap_end();
}
