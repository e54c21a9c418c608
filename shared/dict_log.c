/* SPDX-License-Identifier: MIT */
/* L3: the order log of the dict; invariants L1-L4 and R1 in dict_internal.h.
 *
 *   head ──> [compacted] ──> [dense] ──> [dense, filling]
 *                                            ^ tail_hint (may lag)
 *
 * An insertion takes a position by fetch-and-add and puts its node into that position's
 * cell; only then it goes for the table. Walkers go from segment to segment inside read
 * sections, or keep one segment by a reference and find the next one again by position.
 */
#include "alloc.h"
#include "dict_internal.h"

#define SEGMENT_MIN 16u
#define SEGMENT_MAX 8192u
_Static_assert(SEGMENT_MAX <= UINT16_MAX, "a skip has 16 bits");
/* Cells looked at in one step of a compaction: some hundred microseconds at most. */
#define COMPACT_STEP SEGMENT_MAX
/* Dead cells that are never worth a compaction. */
#define DEAD_SLACK 32

static size_t segment_bytes(uint32_t capacity)
{
    return sizeof(struct sobj__segment) + capacity * sizeof(uint64_t);
}

static struct sobj__segment *segment_new(uint32_t capacity, uint64_t first)
{
    struct sobj__segment *s =
        sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, segment_bytes(capacity));

    if (s == NULL)
        return NULL;
    atomic_init(&s->refs, 1);
    s->capacity = s->count = capacity;
    s->dense = true;
    s->first = first;
    s->last = first + capacity;
    atomic_init(&s->beneath, first);
    return s;
}

static void segment_discard(struct sobj__segment *s)
{
    /* Relaxed: nobody else has the segment any more. */
    sobj__skip_t *skips = sobj_load_relaxed(&s->skips);

    if (skips != NULL)
        sobj__free(SOBJ_COUNT_BLOCKS, (void *)skips, sobj__skips_bytes(s));
    sobj__free(SOBJ_COUNT_BLOCKS, s, segment_bytes(s->capacity));
}

void sobj__segment_unref(struct sobj__segment *s)
{
    /* AcqRel: all uses of the segment precede its end. */
    if (sobj_sub_acq_rel(&s->refs, 1) != 1)
        return;
    for (uint32_t i = 0; i < s->count; i++) {
        /* Relaxed: nobody else has the segment any more. */
        uint64_t cell = sobj_load_relaxed(&s->cells[i]);
        if (cell > SOBJ__CLOSED)
            sobj__node_unref((struct sobj__node *)(uintptr_t)cell);
    }
    segment_discard(s);
}

static void segment_unref_cb(void *s) { sobj__segment_unref(s); }

enum sobj_status sobj__log_init(struct sobj__body *body)
{
    struct sobj__segment *s = segment_new(SEGMENT_MIN, 0);

    if (s == NULL)
        return SOBJ_NO_MEMORY;
    atomic_init(&body->head, s);
    atomic_init(&body->tail_hint, s);
    return SOBJ_OK;
}

void sobj__log_free(struct sobj__body *body)
{
    /* Relaxed: a grace period after the body went out of use. */
    struct sobj__segment *s = sobj_load_relaxed(&body->head), *next;

    for (; s != NULL; s = next) {
        next = sobj_load_relaxed(&s->next); /* Relaxed: as above. */
        sobj__segment_unref(s);
    }
}

size_t sobj__segment_bytes(const struct sobj__segment *s)
{
    /* Relaxed: whether there are any. */
    return segment_bytes(s->capacity) +
           (sobj_load_relaxed(&s->skips) != NULL ? sobj__skips_bytes(s) : 0);
}

/* Moves the hint from `seen`, which has a successor, one on. */
static void hint_advance(struct sobj__body *body, struct sobj__segment *seen,
                         struct sobj__segment *next)
{
    /* AcqRel: publishes `next` as the linking CAS did. A late exchange from a segment
     * that is no longer the hint fails; the address cannot recur in our section. */
    sobj_cas_acq_rel(&body->tail_hint, &seen, next);
}

/* Returns: a segment after `seg`, making one if there is none; NULL on no memory. */
static struct sobj__segment *segment_after(struct sobj__body *body,
                                           struct sobj__segment *seg)
{
    /* Acquire: pairs with the CAS below. */
    struct sobj__segment *next = sobj_load_acquire(&seg->next), *none = NULL;

    if (next == NULL) {
        /* Relaxed: a guess at how many more will come. */
        int64_t guess = sobj_load_relaxed(&body->live) / 4;
        uint32_t capacity = guess < SEGMENT_MIN   ? SEGMENT_MIN
                            : guess > SEGMENT_MAX ? SEGMENT_MAX
                                                  : (uint32_t)guess;
        next = segment_new(capacity, seg->last);
        if (next == NULL)
            return NULL;
        /* AcqRel: publishes the new segment; on failure another one is there. */
        if (!sobj_cas_acq_rel(&seg->next, &none, next)) {
            segment_discard(next);
            next = none;
        }
    }
    hint_advance(body, seg, next);
    return next;
}

struct sobj__segment *sobj__log_find(struct sobj__body *body, uint64_t position)
{
    /* Acquire: pairs with the release that linked the segment. */
    struct sobj__segment *s = sobj_load_acquire(&body->head);

    while (s != NULL && s->last <= position)
        s = sobj_load_acquire(&s->next); /* Acquire: as above. */
    return s;
}

uint32_t sobj__segment_seek(const struct sobj__segment *s, uint64_t position)
{
    uint32_t low = 0, high = s->count;

    if (position <= s->first)
        return 0;
    if (s->dense)
        return position < s->last ? (uint32_t)(position - s->first) : s->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        /* Relaxed: a compacted segment is complete before it is linked. */
        struct sobj__node *n = (struct sobj__node *)(uintptr_t)sobj_load_relaxed(
            &((struct sobj__segment *)s)->cells[middle]);
        if (sobj__node_position(n) < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum sobj_status sobj__log_append(struct sobj__body *body, struct sobj__node *n)
{
    for (;;) {
        /* AcqRel: an insertion that begins after another has returned gets a later
         * position (L2). */
        uint64_t position = sobj_add_acq_rel(&body->tail, 1);
        /* Acquire: pairs with the CAS in hint_advance. */
        struct sobj__segment *s = sobj_load_acquire(&body->tail_hint);

        if (position < s->first) {
            s = sobj__log_find(body, position);
        } else {
            while (s != NULL && position >= s->last)
                s = segment_after(body, s);
            if (s == NULL) {
                sobj_add_relaxed(&body->dead, 1); /* Relaxed: an estimate. */
                return SOBJ_NO_MEMORY;
            }
        }
        if (s != NULL && s->dense && s->first <= position) {
            uint64_t empty = 0;
            n->meta = position << 16 | (n->meta & 0xffff);
            SOBJ_PAUSE("dict.append");
            /* AcqRel: publishes the node to walkers; pairs with their acquire. */
            if (sobj_cas_acq_rel(&s->cells[position - s->first], &empty,
                                 (uint64_t)(uintptr_t)n))
                return SOBJ_OK;
        }
        /* A compaction has closed the cell (L3). Relaxed: an estimate. */
        sobj_add_relaxed(&body->dead, 1);
    }
}

/* ---- compaction */

static bool node_shows(struct sobj__node *n)
{
    /* Relaxed: death is final, and liveness is only a guess here. */
    return !sobj__is_mark(sobj_load_relaxed(&n->value));
}

/* Closes the unfilled cells of a segment. Returns: how many cells still show. */
static uint32_t segment_close(struct sobj__segment *s)
{
    uint32_t showing = 0;

    for (uint32_t i = 0; i < s->count; i++) {
        /* Acquire: pairs with the CAS in log_append. */
        uint64_t cell = sobj_load_acquire(&s->cells[i]);
        /* AcqRel: either this closes the cell or the inserter's node is there (L3). */
        if (cell == 0 && sobj_cas_acq_rel(&s->cells[i], &cell, SOBJ__CLOSED))
            continue;
        if (cell > SOBJ__CLOSED && node_shows((struct sobj__node *)(uintptr_t)cell))
            showing++;
    }
    return showing;
}

/* Makes one segment of the nodes that still show in `from` up to `end`. The nodes are
 * kept alive by the old segments, which only the compacting thread takes away. */
static struct sobj__segment *segments_merge(struct sobj__segment *from,
                                            struct sobj__segment *end, uint32_t room)
{
    struct sobj__segment *merged = segment_new(room, from->first);
    uint32_t n = 0;

    if (merged == NULL)
        return NULL;
    for (struct sobj__segment *s = from; s != end;) {
        for (uint32_t i = 0; i < s->count && n < room; i++) {
            /* Relaxed: the cells were read with acquire by segment_close. */
            uint64_t cell = sobj_load_relaxed(&s->cells[i]);
            struct sobj__node *node = (struct sobj__node *)(uintptr_t)cell;
            if (cell <= SOBJ__CLOSED || !node_shows(node))
                continue;
            sobj_add_relaxed(&node->refs, 1); /* Relaxed: the old segment has one. */
            /* Relaxed: published by the release in compact_run. */
            sobj_store_relaxed(&merged->cells[n++], cell);
        }
        merged->last = s->last;
        s = sobj_load_acquire(&s->next); /* Acquire: the segment behind. */
    }
    merged->dense = false;
    merged->count = n;
    return merged;
}

/* Replaces the segments of one run, the first of which `*link` points to.
 * Returns: the position after the run. */
static uint64_t compact_run(struct sobj__body *body,
                            _Atomic(struct sobj__segment *) *link,
                            struct sobj__segment *stop)
{
    /* Relaxed: only the compacting thread changes links between full segments. */
    struct sobj__segment *from = sobj_load_relaxed(link), *end = from, *merged, *next;
    uint32_t cells = 0, showing = 0;
    uint64_t last = from->last;

    while (end != stop && (cells == 0 || cells + end->count <= COMPACT_STEP)) {
        showing += segment_close(end);
        cells += end->count;
        last = end->last;
        end = sobj_load_acquire(&end->next); /* Acquire: pairs with the linking CAS. */
    }
    if (showing > cells / 4 * 3)
        return last;
    SOBJ_PAUSE("dict.merge");
    merged = end;
    if (showing != 0) {
        merged = segments_merge(from, end, showing);
        if (merged == NULL)
            return last;
        /* Some may have died meanwhile. */
        showing = merged->count;
        sobj_store_relaxed(&merged->next, end); /* Relaxed: published below. */
    }
    /* Release: pairs with the acquire of walkers; they see a complete segment. */
    sobj_store_release(link, merged);
    /* Relaxed: who reports a death may come later; exact at rest. */
    sobj_sub_relaxed(&body->dead, (int64_t)(cells - showing));
    for (struct sobj__segment *s = from; s != end; s = next) {
        next = sobj_load_relaxed(&s->next); /* Relaxed: read before. */
        /* Relaxed: changes only with `compacting`, which this thread has; who has
         * loaded it is in a section that the grace period waits for. */
        if (sobj_load_relaxed(&body->near) == s)
            sobj_store_relaxed(&body->near, NULL);
        sobj__retire(s, segment_unref_cb, segment_bytes(s->capacity));
    }
    return last;
}

/* What the last segment may hold of dead cells before that is worth anything: more
 * than the dict holds of live ones is too much (it was made for more keys). */
static int64_t room_at_tail(const struct sobj__segment *tail, int64_t live)
{
    return tail->capacity < live + DEAD_SLACK ? tail->capacity : live + DEAD_SLACK;
}

/* Ends the last segment before it is full, so that it can be compacted too: the
 * positions that it has left are skipped. Returns: the new last one, or `s` if there is
 * no memory for it. */
static struct sobj__segment *segment_end(struct sobj__body *body,
                                         struct sobj__segment *s)
{
    struct sobj__segment *next = segment_after(body, s);
    uint64_t tail = sobj_load_relaxed(&body->tail); /* Relaxed: the CAS looks again. */

    if (next == NULL)
        return s;
    while (tail < s->last) {
        uint64_t left = s->last - tail;
        /* AcqRel: positions only grow (L2); nobody gets one of these any more. */
        if (sobj_cas_acq_rel(&body->tail, &tail, s->last)) {
            sobj_add_relaxed(&body->dead, (int64_t)left); /* Relaxed: as in append. */
            break;
        }
    }
    return next;
}

/* Returns: whether it was a piece, and there is more to come in this round. */
static bool compact(struct sobj__body *body)
{
    _Atomic(struct sobj__segment *) *link = &body->head;
    struct sobj__segment *stop, *s, *next;

    /* Acquire: pairs with the release at a snapshot's end. One that begins waits for
     * our section (S3). */
    if (sobj_load_acquire(&body->held) != 0)
        return false;
    /* AcqRel: takes over what the previous compacting thread has done (L4). */
    if (sobj_swap_acq_rel(&body->compacting, true))
        return false;
    /* Nobody may hold a hint into the run from now on, but in a section that already
     * runs. Acquire: pairs with the linking CAS. */
    stop = sobj_load_acquire(&body->tail_hint);
    while ((next = sobj_load_acquire(&stop->next)) != NULL) { /* Acquire: as above. */
        hint_advance(body, stop, next);
        stop = sobj_load_acquire(&body->tail_hint); /* Acquire: as above. */
    }
    int64_t live = sobj_load_relaxed(&body->live); /* Relaxed: an estimate. */
    if (room_at_tail(stop, live) < stop->capacity)
        stop = segment_end(body, stop);
    s = sobj_load_acquire(link); /* Acquire: as above. */
    while (s != stop && s->last <= body->compact_from) {
        link = &s->next;
        s = sobj_load_acquire(link); /* Acquire: as above. */
    }
    body->compact_from = s != stop ? compact_run(body, link, stop) : 0;
    bool more = body->compact_from != 0;
    /* Release: hands over to the next compacting thread. */
    sobj_store_release(&body->compacting, false);
    return more;
}

/* Compacts a piece if so much is dead that it is worth while. Returns: as compact. */
static bool compact_if_worth(struct sobj__body *body, int64_t dead)
{
    /* Relaxed: an estimate that only decides when to tidy up. */
    int64_t live = sobj_load_relaxed(&body->live);

    if (SOBJ_LIKELY(dead <= live + DEAD_SLACK))
        return false;
    /* Acquire: pairs with the linking CAS. */
    struct sobj__segment *tail = sobj_load_acquire(&body->tail_hint);
    return dead > live + DEAD_SLACK + room_at_tail(tail, live) && compact(body);
}

void sobj__log_died(struct sobj__body *body)
{
    /* Relaxed: as above. */
    (void)compact_if_worth(body, sobj_add_relaxed(&body->dead, 1));
}

bool sobj__log_tidy(struct sobj__body *body)
{
    /* Relaxed: as above. */
    return compact_if_worth(body, sobj_load_relaxed(&body->dead));
}
