/* SPDX-License-Identifier: MIT */
/* Invariants of a dict at rest; see dict_check.h. The names are those of
 * shared/dict_internal.h. All loads are relaxed: nothing else runs. */
#include "dict_check.h"

#include <stdlib.h>

#include "dict_internal.h"
#include "tap.h"

/* What was found of one node. */
struct found {
    struct sobj__node *node;
    bool slot;      /* in a slot */
    bool chained;   /* behind a forward */
    uint32_t cells; /* in so many cells of the log */
};

struct inspection {
    const char *when;
    struct sobj_object *d;
    struct sobj__body *body;
    struct found *found;
    size_t count, capacity;
};

static void note(struct inspection *in, struct sobj__node *n, bool slot, bool chained,
                 uint32_t cells)
{
    if (in->count == in->capacity) {
        in->capacity = in->capacity != 0 ? in->capacity * 2 : 1024;
        in->found = realloc(in->found, in->capacity * sizeof *in->found);
        if (in->found == NULL)
            abort();
    }
    in->found[in->count++] = (struct found){n, slot, chained, cells};
}

/* ---- tables */

static void look_at_slot(struct inspection *in, struct sobj__table *t, uint64_t word)
{
    struct sobj__node *n = sobj__slot_node(word), *next;

    if (n == NULL) {
        expect(word == 0 || word == SOBJ__FROZEN_SLOT ||
                   word == (SOBJ__TOMB | SOBJ__FROZEN_SLOT),
               "%s: slot word %llx", in->when, (unsigned long long)word);
    } else {
        expect(word >> 48 == sobj__fingerprint(n->hash), "%s: fingerprint (T6)",
               in->when);
        note(in, n, true, false, 0);
        /* Relaxed, here and below: at rest. */
        while ((next = sobj__forwarded(sobj_load_relaxed(&n->value))) != NULL) {
            n = next;
            note(in, n, false, true, 0);
        }
    }
    expect((word & SOBJ__FROZEN_SLOT) == 0 || sobj_load_relaxed(&t->next) != NULL,
           "%s: frozen slot in a table that is not moved", in->when); /* Relaxed */
}

static void look_at_tables(struct inspection *in, struct sobj__table *root)
{
    bool first = true;

    for (struct sobj__table *t = root; t != NULL;
         t = sobj_load_relaxed(&t->next), first = false) { /* Relaxed: at rest. */
        uint64_t used = 0;
        for (uint64_t i = 0; i <= t->mask; i++) {
            uint64_t word = sobj_load_relaxed(&t->slots[i]); /* Relaxed */
            used += word > SOBJ__FROZEN_SLOT;
            look_at_slot(in, t, word);
        }
        expect(t->body == in->body, "%s: a table of another body", in->when);
        expect(sobj_load_relaxed(&t->used) == used, "%s: used %llu, is %llu", in->when,
               (unsigned long long)sobj_load_relaxed(&t->used), /* Relaxed */
               (unsigned long long)used);
        expect(sobj_load_relaxed(&t->helpers) == 0, "%s: a helper", in->when);
        expect(sobj_load_relaxed(&t->settled) == first, /* Relaxed */
               "%s: table settled: %d (T4)", in->when, !first);
        expect(!sobj_load_relaxed(&t->finished), "%s: a finished table", in->when);
    }
}

/* ---- order log */

static bool showing(struct sobj__node *n)
{
    return !sobj__is_mark(sobj_load_relaxed(&n->value)); /* Relaxed: at rest. */
}

/* What popitem has noted of a segment; `shown` is the last position before it that
 * shows, plus one. */
static void look_at_notes(struct inspection *in, struct sobj__segment *s,
                          uint64_t shown)
{
    uint64_t beneath = sobj_load_relaxed(&s->beneath);  /* Relaxed: at rest. */
    sobj__skip_t *skips = sobj_load_relaxed(&s->skips); /* Relaxed */
    uint32_t dead = 0;                                  /* so many cells in a row */

    expect(beneath <= s->first && shown <= beneath,
           "%s: position %llu shows, beneath %llu is noted (L5)", in->when,
           (unsigned long long)shown - 1, (unsigned long long)beneath);
    for (uint32_t i = 0; skips != NULL && i < s->count; i++) {
        uint64_t cell = sobj_load_relaxed(&s->cells[i]); /* Relaxed: at rest. */
        struct sobj__node *n = (struct sobj__node *)(uintptr_t)cell;
        dead = cell == SOBJ__CLOSED || (cell != 0 && !showing(n)) ? dead + 1 : 0;
        expect(sobj_load_relaxed(&skips[i]) <= dead, /* Relaxed */
               "%s: %u dead cells noted, %u are (L5)", in->when,
               sobj_load_relaxed(&skips[i]), dead); /* Relaxed */
    }
}

/* Returns: how many cells show nothing; `*end` is where the segment ends. */
static uint64_t look_at_segment(struct inspection *in, struct sobj__segment *s,
                                uint64_t *end, uint64_t *shown)
{
    uint64_t tail = sobj_load_relaxed(&in->body->tail); /* Relaxed: at rest. */
    uint64_t dead = 0, least = s->first;

    expect(s->first >= *end && s->last > s->first, "%s: segment %llu..%llu", in->when,
           (unsigned long long)s->first, (unsigned long long)s->last);
    expect(sobj_load_relaxed(&s->refs) == 1, "%s: segment with %u references", in->when,
           sobj_load_relaxed(&s->refs)); /* Relaxed */
    look_at_notes(in, s, *shown);
    for (uint32_t i = 0; i < s->count; i++) {
        uint64_t cell = sobj_load_relaxed(&s->cells[i]); /* Relaxed: at rest. */
        struct sobj__node *n = (struct sobj__node *)(uintptr_t)cell;
        if (cell <= SOBJ__CLOSED) {
            expect(s->dense, "%s: hole in a compacted segment", in->when);
            dead += s->first + i < tail;
            continue;
        }
        uint64_t position = sobj__node_position(n);
        expect(position >= least && position < s->last && position < tail &&
                   (!s->dense || position == s->first + i),
               "%s: position %llu in cell %u (L2)", in->when,
               (unsigned long long)position, i);
        least = position + 1;
        dead += !showing(n);
        *shown = showing(n) ? position + 1 : *shown;
        note(in, n, false, false, 1);
    }
    *end = s->last;
    return dead;
}

static void look_at_log(struct inspection *in)
{
    uint64_t dead = 0, end = 0, shown = 0;
    uint64_t tail = sobj_load_relaxed(&in->body->tail);                   /* Relaxed */
    struct sobj__segment *s = sobj_load_relaxed(&in->body->head);         /* Relaxed */
    struct sobj__segment *hint = sobj_load_relaxed(&in->body->tail_hint); /* Relaxed */
    struct sobj__segment *near = sobj_load_relaxed(&in->body->near);      /* Relaxed */
    bool hinted = false, is_near = near == NULL;

    for (; s != NULL; s = sobj_load_relaxed(&s->next)) { /* Relaxed: at rest. */
        dead += look_at_segment(in, s, &end, &shown);
        hinted |= s == hint;
        is_near |= s == near;
    }
    expect(is_near, "%s: a segment is kept that is not in the log (L5)", in->when);
    if (tail > end)
        dead += tail - end; /* taken, but there was no memory for a segment */
    expect(hinted, "%s: the hint is not in the log", in->when);
    expect(!sobj_load_relaxed(&in->body->compacting), "%s: compacting", in->when);
    expect(sobj_load_relaxed(&in->body->held) == 0 && /* Relaxed */
               sobj_load_relaxed(&in->body->refs) == 1,
           "%s: a body that a snapshot has (S3)", in->when);
    int64_t counted = sobj_load_relaxed(&in->body->dead); /* Relaxed: at rest. */
    expect(counted == (int64_t)dead, "%s: %lld cells counted as dead, %lld are",
           in->when, (long long)counted, (long long)dead);
}

/* ---- nodes */

static int by_node(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return x->node < y->node ? -1 : x->node > y->node;
}

static int by_hash(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return x->node->hash < y->node->hash ? -1 : x->node->hash > y->node->hash;
}

/* One entry for each node. */
static void unite(struct inspection *in)
{
    size_t n = 0;

    if (in->count == 0)
        return;
    qsort(in->found, in->count, sizeof *in->found, by_node);
    for (size_t i = 1; i < in->count; i++) {
        struct found *to = &in->found[n], *from = &in->found[i];
        if (to->node != from->node) {
            in->found[++n] = *from;
            continue;
        }
        to->slot |= from->slot;
        to->chained |= from->chained;
        to->cells += from->cells;
    }
    in->count = n + 1;
    qsort(in->found, in->count, sizeof *in->found, by_hash);
}

static bool same_key(struct sobj__node *a, struct sobj__node *b)
{
    struct sobj__probe p;
    struct sobj_key key;

    sobj__node_key(a, &key);
    sobj__probe_init(&p, &key);
    return sobj__node_has_key(b, &p);
}

static bool dropped(struct sobj__node *n)
{
    return sobj_load_relaxed(&n->value) == SOBJ__DROPPED; /* Relaxed: at rest. */
}

static void look_at_node(struct inspection *in, size_t i)
{
    struct found *f = &in->found[i];
    uint32_t refs = sobj_load_relaxed(&f->node->refs); /* Relaxed: at rest. */
    bool held = f->slot || f->chained;
    uint32_t expected = (uint32_t)held + f->cells;
    struct sobj_key key;

    expect((refs & ~SOBJ__LINKED) == expected,
           "%s: node with %u references, should have %u (R1)", in->when,
           refs & ~SOBJ__LINKED, expected);
    expect(((refs & SOBJ__LINKED) != 0) || !held, "%s: not linked (L1)", in->when);
    if (showing(f->node)) {
        expect(held && f->cells == 1, "%s: live node: held %d, in %u cells (L1)",
               in->when, held, f->cells);
        sobj__node_key(f->node, &key);
        expect(sobj_dict_get(in->d, &key, NULL) == SOBJ_OK,
               "%s: live node is not found (T2)", in->when);
    }
    for (size_t j = i + 1; f->slot && !dropped(f->node) && j < in->count &&
                           in->found[j].node->hash == f->node->hash;
         j++)
        expect(!in->found[j].slot || dropped(in->found[j].node) ||
                   !same_key(f->node, in->found[j].node),
               "%s: two heads of one key (T1)", in->when);
}

bool dict_check(struct sobj_object *d, const char *when)
{
    int before = tap_failures();
    struct sobj__table *root = sobj_load_acquire(&sobj__dict_of(d)->root); /* Acquire */
    struct inspection in = {.when = when, .d = d, .body = root->body};
    int64_t live = 0;

    uint64_t content = sobj_load_relaxed(&sobj__dict_of(d)->content); /* Relaxed */
    expect((uint32_t)content == content >> 32, "%s: content %llx (W3)", when,
           (unsigned long long)content);
    expect((sobj__mode(d) & (SOBJ__SNAP | SOBJ__LOG)) == 0 &&
               sobj_load_relaxed(&sobj__dict_of(d)->snapshots) == NULL, /* Relaxed */
           "%s: a snapshot (S6)", when);
    look_at_tables(&in, root);
    look_at_log(&in);
    unite(&in);
    for (size_t i = 0; i < in.count; i++) {
        live += showing(in.found[i].node);
        look_at_node(&in, i);
    }
    int64_t counted = sobj_load_relaxed(&in.body->live); /* Relaxed: at rest. */
    expect(counted == live, "%s: live %lld, is %lld (C1)", when, (long long)counted,
           (long long)live);
    free(in.found);
    return tap_failures() == before;
}
