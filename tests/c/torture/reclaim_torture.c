/* SPDX-License-Identifier: MIT */
/* Reclamation under load: THREADS SECONDS SEED. Readers follow pointers in shared places
 * that writers replace and retire; what they find must be alive until their section
 * ends. Threads come and go meanwhile. */
#include <stdlib.h>

#include "alloc.h"
#include "crew.h"
#include "reclaim.h"
#include "tap.h"

#define PLACES 16
#define ALIVE 0x600d600d600d600du
#define DEAD 0xdeaddeaddeaddeadu
/* What one thread may have retired: a batch, and one that is being freed; the section
 * that fills a batch may add some. */
#define RETIRED_MAX (2 * ((int64_t)SOBJ__BATCH_ITEMS << SOBJ__BATCH_SCALE_MAX) + 64)

struct node {
    uint64_t alive, copy; /* copy: equal to `value` */
    uint64_t value;
    struct node *heir; /* the node that free_node retires in turn, or NULL */
};

static struct {
    _Atomic(struct node *) places[PLACES];
    _Atomic(int64_t) nodes; /* allocated and not freed */
} shared;

static struct node *node_new(uint64_t value)
{
    struct node *n = sobj__alloc(SOBJ_COUNT_NODES, sizeof *n);

    if (n == NULL)
        abort();
    *n = (struct node){ALIVE, value, value, NULL};
    sobj_add_seq_cst(&shared.nodes, 1);
    return n;
}

static void free_node(void *p)
{
    struct node *n = p;

    expect(n->alive == ALIVE, "freed once");
    n->alive = DEAD;
    if (n->heir != NULL)
        sobj__retire(n->heir, free_node, sizeof *n);
    sobj_sub_acq_rel(&shared.nodes, 1);
    sobj__free(SOBJ_COUNT_NODES, n, sizeof *n);
}

static void look(struct member *m)
{
    sobj__read_begin();
    /* Acquire: R1. */
    struct node *n = sobj_load_acquire(&shared.places[rng_below(&m->rng, PLACES)]);
    if (n != NULL) {
        uint64_t value = n->value;
        if (rng_below(&m->rng, 50) == 0)
            sched_yield();
        expect(n->alive == ALIVE && n->value == value && n->copy == value,
               "alive until the section ends");
    }
    sobj__read_end();
}

static void replace(struct member *m)
{
    struct node *fresh = rng_below(&m->rng, 8) ? node_new(rng_next(&m->rng)) : NULL;
    _Atomic(struct node *) *place = &shared.places[rng_below(&m->rng, PLACES)];

    sobj__write_begin();
    struct node *old = sobj_swap_acq_rel(place, fresh);
    if (old != NULL) {
        if (rng_below(&m->rng, 16) == 0)
            old->heir = node_new(1);
        sobj__retire(old, free_node, sizeof *old);
    }
    sobj__write_end();
}

static void work(struct member *m)
{
    while (crew_running(m)) {
        if (rng_below(&m->rng, 4) == 0)
            replace(m);
        else
            look(m);
        int64_t nodes = sobj_load_seq_cst(&shared.nodes);
        expect(nodes <= PLACES + m->count * (RETIRED_MAX + 1), "%lld nodes",
               (long long)nodes);
    }
}

int main(int argc, char **argv)
{
    struct torture t = torture_begin(argc, argv, 4);
    struct balance b;

    tap_begin();
    b = balance_begin();
    torture_crews(&t, 20, work, NULL);
    for (int i = 0; i < PLACES; i++) {
        struct node *n = sobj_swap_acq_rel(&shared.places[i], NULL);
        sobj__write_begin();
        if (n != NULL)
            sobj__retire(n, free_node, sizeof *n);
        sobj__write_end();
    }
    balance_check(&b, "torture");
    ok(sobj_load_seq_cst(&shared.nodes) == 0, "every node is freed");
    return tap_end();
}
