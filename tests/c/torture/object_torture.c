/* SPDX-License-Identifier: MIT */
/* Cores under load: THREADS SECONDS SEED. Shared cells that hold references are read,
 * replaced and emptied; ids are looked up, true and stale; tickets are made, taken,
 * dropped and swept. Whoever gets a core gets a live one; in the end all are gone. */
#include <stdlib.h>

#include "crew.h"
#include "reclaim.h"
#include "tap.h"
#include "thing.h"
#include "value.h"

#define PLACES 8

static struct {
    _Atomic(sobj_cell) cells[PLACES]; /* counted references */
    _Atomic(int64_t) ids[PLACES];     /* of cores that live or not */
    _Atomic(uint64_t) tickets[PLACES];
} shared;

struct mine {
    struct member *m;
    struct sobj_domain *domain;
};

static void replace(struct mine *me)
{
    unsigned at = (unsigned)rng_below(&me->m->rng, PLACES);
    struct sobj_object *obj = rng_below(&me->m->rng, 6) ? thing_new() : NULL;

    if (obj != NULL)
        sobj_store_seq_cst(&shared.ids[at], sobj_id_of(obj));
    sobj__write_begin();
    sobj_cell old = sobj_swap_acq_rel(&shared.cells[at],
                                      obj != NULL ? sobj_from_object(obj) : SOBJ_NONE);
    sobj__cell_retire(old);
    sobj__write_end();
}

/* H2: a core found in a cell may be referenced plainly while the section lasts. */
static void look(struct mine *me)
{
    sobj__read_begin();
    sobj_cell c = sobj_load_acquire(&shared.cells[rng_below(&me->m->rng, PLACES)]);
    if (rng_below(&me->m->rng, 20) == 0)
        sched_yield();
    sobj_cell_ref(c);
    sobj__read_end();
    if (!sobj_is_object(c))
        return;
    expect(thing_alive(sobj_to_object(c)), "a core from a cell");
    sobj_cell_unref(c);
}

static void attach(struct mine *me)
{
    int64_t id = sobj_load_seq_cst(&shared.ids[rng_below(&me->m->rng, PLACES)]);
    struct sobj_object *obj;
    uint64_t ticket;

    if (sobj_attach(id, &obj) != SOBJ_OK)
        return;
    expect(sobj_id_of(obj) == id && thing_alive(obj), "a core by its id");
    if (rng_below(&me->m->rng, 3) == 0) {
        int64_t lease = rng_below(&me->m->rng, 2) ? SOBJ_NO_LEASE : 1000;
        expect(sobj_ticket_new(obj, me->domain, lease, &ticket) == SOBJ_OK, "ticket");
        sobj_store_seq_cst(&shared.tickets[rng_below(&me->m->rng, PLACES)], ticket);
    }
    sobj_unref(obj);
}

static void redeem(struct mine *me)
{
    uint64_t ticket =
        sobj_load_seq_cst(&shared.tickets[rng_below(&me->m->rng, PLACES)]);
    struct sobj_object *obj;

    if (rng_below(&me->m->rng, 3) == 0) {
        sobj_ticket_drop(ticket);
    } else if (sobj_ticket_take(ticket, &obj) == SOBJ_OK) {
        expect(thing_alive(obj), "a core from a ticket");
        sobj_unref(obj);
    }
}

static void work(struct member *m)
{
    struct mine me = {m, sobj_domain_new((int64_t)m->index)};

    while (crew_running(m)) {
        switch (rng_below(&m->rng, 6)) {
        case 0:
            replace(&me);
            break;
        case 1:
        case 2:
            look(&me);
            break;
        case 3:
        case 4:
            attach(&me);
            break;
        default:
            redeem(&me);
            break;
        }
        if (rng_below(&m->rng, 500) == 0) {
            sobj_domain_free(me.domain);
            me.domain = sobj_domain_new((int64_t)m->index);
        }
    }
    sobj_domain_free(me.domain);
}

int main(int argc, char **argv)
{
    struct torture t = torture_begin(argc, argv, 4);
    struct balance b;

    tap_begin();
    b = balance_begin();
    for (int i = 0; i < PLACES; i++)
        sobj_store_seq_cst(&shared.cells[i], SOBJ_NONE);
    torture_crews(&t, 20, work, NULL);
    ok(sobj_ticket_count() == 0, "every ticket died with its domain");
    for (int i = 0; i < PLACES; i++) {
        sobj__write_begin();
        sobj__cell_retire(sobj_swap_acq_rel(&shared.cells[i], SOBJ_NONE));
        sobj__write_end();
    }
    balance_check(&b, "torture");
    return tap_end();
}
