/* SPDX-License-Identifier: MIT */
/* L1: gates; see gate.h. */
#include "gate.h"

static void *detach(void)
{
    return sobj__hooks.detach != NULL ? sobj__hooks.detach() : NULL;
}

static void attach(void *token)
{
    if (token != NULL)
        sobj__hooks.attach(token);
}

static bool is_open(const struct sobj_object *obj)
{
    return (sobj__mode(obj) & SOBJ__SNAP) == 0;
}

/* Needs: no section, and the host's lock let go of. */
static void wait_until_open(struct sobj_object *obj, struct sobj__gate *gate)
{
    struct sobj__waitlist *list = &gate->waiters;
    struct sobj__spin spin = sobj__spin_begin(list);
    struct sobj__parker parker;
    struct sobj__waiter waiter;
    bool open;

    do
        open = is_open(obj);
    while (!open && sobj__spin_again(&spin));
    sobj__spin_end(list, &spin, open);
    if (open)
        return;
    (void)sobj__parker_init(&parker, NULL); /* without a domain there is no other end */
    sobj__wait_enter(list, &waiter, &parker);
    SOBJ_PAUSE("gate.wait");
    while (!is_open(obj) && sobj__park(&parker, SOBJ_FOREVER) != SOBJ_OK)
        continue; /* a signal: its handlers run later */
    sobj__wait_leave(&waiter);
    sobj__parker_fini(&parker);
}

SOBJ_NOINLINE uint64_t sobj__gate_await(struct sobj_object *obj,
                                        struct sobj__gate *gate)
{
    uint64_t mode;

    do {
        sobj__read_end();
        void *token = detach();
        wait_until_open(obj, gate);
        attach(token);
        sobj__write_begin();
        mode = sobj__mode(obj);
    } while ((mode & SOBJ__SNAP) != 0);
    return mode;
}

void sobj__gate_close(struct sobj_object *obj, struct sobj__gate *gate,
                      struct sobj__closing *closing)
{
    sobj_assert_test(!urcu_bp_read_ongoing());
    closing->token = detach();
    /* SeqCst: precedes the grace period, which orders it against every section (G1);
     * one thread turns the bit on (G3). */
    while ((sobj_or_seq_cst(&obj->mode, SOBJ__SNAP) & SOBJ__SNAP) != 0)
        wait_until_open(obj, gate);
    SOBJ_PAUSE("gate.close");
    sobj__grace_period();
    SOBJ_PAUSE("gate.grace");
    sobj__write_begin();
}

void sobj__gate_open(struct sobj_object *obj, struct sobj__gate *gate,
                     struct sobj__closing *closing)
{
    /* SeqCst: after all that was prepared (G2); before the look for waiters, as the
     * waiter is counted before it looks at the bit. */
    sobj_and_seq_cst(&obj->mode, ~(uint64_t)SOBJ__SNAP);
    sobj__read_end();
    sobj__wake_all(&gate->waiters);
    attach(closing->token);
}

void sobj__gate_fork_child(struct sobj_object *obj, struct sobj__gate *gate)
{
    /* Nothing is written where nothing was going on: the pages stay the parent's.
     * Relaxed, and SeqCst, though no order is needed: the only thread. */
    if (sobj_load_relaxed(&gate->waiters.count) != 0)
        sobj__waitlist_reset(&gate->waiters);
    if (!is_open(obj))
        sobj_and_seq_cst(&obj->mode, ~(uint64_t)SOBJ__SNAP);
}
