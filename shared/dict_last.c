/* SPDX-License-Identifier: MIT */
/* L3: from the end of the order downwards, for popitem; invariants L1-L5 and C1 in
 * dict_internal.h.
 *
 *      segment P                     dead ones          the last segment
 *   [k  k  -  k  k  -  -  -  -]   [-  -  -  -  -]   [-  ~  -  -  -  -  -  |
 *                  ^ here         ^                  ^     <---- skip ----  tail
 *                                 <---- beneath ----
 *
 * A pass goes from the tail down to the first entry that it can take. Taking n keys
 * must not pass over the same dead cells (-) again and again. So a pass notes in the
 * cell with which a stretch of dead ones begins how many there are (`skips`, made when
 * the first is noted), and in a segment how far down all beneath it is dead (`beneath`);
 * the next pass follows these notes. As stretches only grow together, each cell is
 * looked at about once, whatever is taken in between.
 *
 *   L5  Notes cover dead cells only: nodes whose value is a mark, CLOSED cells, and
 *       positions that no segment has any more. All that is final: a key that comes
 *       back gets a new node at a later position (L2). So a note that was ever true
 *       stays true; each is one word, and threads may write theirs over each other's.
 *       An unfilled cell (~) and a node that is in no slot yet end a stretch: their keys
 *       may still come. They are what a pass may miss.
 *
 * `near` is the segment in which the last pass that had to search has ended (P). It is
 * always one of the list: it is stored only by a thread that has `compacting`, which
 * looks it up anew, and a compaction forgets it before it retires the segment. So who
 * loads it in a section may use it there.
 *
 * Progress: lock-free. A pass is repeated only when a position was taken meanwhile.
 */
#include "alloc.h"
#include "dict_internal.h"

/* Cells looked at in one section. */
#define LOOKS 8192u
/* Shorter stretches are not worth making room for notes. */
#define SHORT 8u

/* ---- segments */

struct sobj__segment *sobj__log_find_below(struct sobj__body *body, uint64_t position)
{
    /* Acquire, here and below: pair with the stores that published the segments. */
    struct sobj__segment *s = sobj_load_acquire(&body->tail_hint), *next;

    if (s->first >= position) {
        s = sobj_load_acquire(&body->near);
        if (s == NULL || s->first >= position)
            s = sobj_load_acquire(&body->head); /* Acquire: as above. */
        if (s->first >= position)
            return NULL;
    }
    for (;;) {
        next = sobj_load_acquire(&s->next); /* Acquire: as above. */
        if (next == NULL || next->first >= position)
            return s;
        SOBJ_PAUSE("dict.seek");
        s = next;
    }
}

/* Keeps the segment in which a pass has ended, unless it is found quickly anyway. */
static void keep_near(struct sobj__body *body, const struct sobj__last *w)
{
    /* Relaxed: only compared. */
    if (w->segment == sobj_load_relaxed(&body->tail_hint) ||
        w->segment == sobj_load_relaxed(&body->near)) /* Relaxed: as above. */
        return;
    /* AcqRel: no compaction runs until this is done (L4). */
    if (sobj_swap_acq_rel(&body->compacting, true))
        return;
    SOBJ_PAUSE("dict.near");
    /* Release: publishes it as its linking did. */
    sobj_store_release(&body->near, sobj__log_find_below(body, w->position + 1));
    sobj_store_release(&body->compacting, false); /* Release: to the next one. */
}

/* ---- notes */

static sobj__skip_t *skips_of(struct sobj__segment *s, bool make)
{
    /* Acquire: pairs with the CAS below. */
    sobj__skip_t *skips = sobj_load_acquire(&s->skips), *none = NULL;

    if (skips != NULL || !make)
        return skips;
    skips = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, sobj__skips_bytes(s));
    /* AcqRel: publishes the zeros; on failure another one is there. */
    if (skips == NULL || sobj_cas_acq_rel(&s->skips, &none, skips))
        return skips; /* without memory there are no notes */
    sobj__free(SOBJ_COUNT_BLOCKS, (void *)skips, sobj__skips_bytes(s));
    return none;
}

/* Notes that the cells from `index` up to `top` of the segment, and what lies beneath
 * the segment `upper` down to `position`, are dead. */
static void note(struct sobj__last *w, uint32_t index, uint64_t position)
{
    if (w->segment != NULL && w->top > index) {
        uint32_t cells = w->top - index;
        sobj__skip_t *skips = skips_of(w->segment, w->run >= SHORT);
        if (skips != NULL)
            sobj_store_relaxed(&skips[w->top - 1], (uint16_t)cells); /* Relaxed: L5. */
    }
    /* Relaxed: L5. */
    if (w->upper != NULL && sobj_load_relaxed(&w->upper->beneath) > position)
        sobj_store_relaxed(&w->upper->beneath, position); /* Relaxed: L5. */
}

/* A new stretch begins below the cell that ends this one. */
static void stretch_begin(struct sobj__last *w)
{
    w->top = w->index;
    w->run = 0;
    w->upper = NULL;
}

/* ---- passes */

void sobj__last_enter(struct sobj__last *w, struct sobj__body *body)
{
    /* Positions mean nothing in another body: after a clear() the walk begins anew. */
    if (!w->begun || w->epoch != body->epoch) {
        w->begun = true;
        w->epoch = body->epoch;
        /* Acquire: every insertion that has returned is below it (L2). */
        w->position = w->tail = sobj_load_acquire(&body->tail);
        SOBJ_PAUSE("dict.pass");
    }
    w->segment = w->upper = NULL;
    w->top = w->index = w->looks = w->run = 0;
}

/* Goes on beneath the segment, which has no cells left. */
static void go_beneath(struct sobj__last *w)
{
    struct sobj__segment *s = w->segment;

    note(w, 0, s->first);
    if (w->upper == NULL)
        w->upper = s;
    w->position = sobj_load_relaxed(&s->beneath); /* Relaxed: L5. */
    w->segment = NULL;
}

/* Finds the next cell downwards. Returns: false if there is none. */
static bool next_cell(struct sobj__last *w, struct sobj__body *body)
{
    for (;;) {
        if (w->segment == NULL) {
            if (w->position > 0)
                w->segment = sobj__log_find_below(body, w->position);
            if (w->segment == NULL) {
                w->position = 0; /* the rest was compacted away */
                return false;
            }
            w->top = w->index = sobj__segment_seek(w->segment, w->position);
            w->run = 0;
        }
        if (w->index != 0)
            return true;
        go_beneath(w);
    }
}

struct sobj__node *sobj__last_next(struct sobj__last *w, struct sobj__dict *d,
                                   struct sobj__body *body, sobj_cell *value)
{
    while (w->looks < LOOKS && next_cell(w, body)) {
        struct sobj__segment *s = w->segment;
        sobj__skip_t *skips = skips_of(s, false);
        w->looks++;
        SOBJ_PAUSE("dict.look");
        /* Relaxed: L5. */
        uint32_t skip = skips != NULL ? sobj_load_relaxed(&skips[w->index - 1]) : 0;
        w->index -= skip != 0 ? skip : 1;
        w->run++;
        /* Acquire: pairs with the CAS in log_append. */
        uint64_t cell = sobj_load_acquire(&s->cells[w->index]);
        struct sobj__node *n = (struct sobj__node *)(uintptr_t)cell;
        w->position = s->dense ? s->first + w->index : sobj__node_position(n);
        if (skip != 0 || cell == SOBJ__CLOSED)
            continue;
        if (cell != 0 && sobj__log_shows(d, n, value))
            return n;
        if (cell == 0 || !sobj__is_mark(*value)) {
            /* In flight: it may be there any moment (L5). */
            note(w, w->index + 1, w->position + 1);
            stretch_begin(w);
        }
    }
    return NULL;
}

bool sobj__last_leave(struct sobj__last *w, struct sobj__body *body, bool taken)
{
    bool bottom = w->segment == NULL && w->position == 0;

    note(w, w->index, w->position);
    if (w->segment != NULL)
        keep_near(body, w);
    if (taken)
        return false;
    if (bottom) {
        /* Acquire: as in last_enter. Keys that came meanwhile are above where the pass
         * began. */
        if (sobj_load_acquire(&body->tail) == w->tail)
            return false;
        w->begun = false;
    }
    return true;
}

void sobj__last_stay(struct sobj__last *w, struct sobj__body *body)
{
    /* What is noted as dead ends above it. */
    w->index++;
    w->position++;
    (void)sobj__last_leave(w, body, true);
}
