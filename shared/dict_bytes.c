/* SPDX-License-Identifier: MIT */
/* L3: how much memory a dict holds; the parts are in dict_internal.h.
 *
 * A walk over the tables and then over the order log, in steps of one read section each,
 * so that memory which others let go of meanwhile is not kept for long. Between two steps
 * the dict may change: the walk then misses some or counts some twice. At rest the figure
 * is exact, and the walk ends however much is inserted while it lasts.
 *
 * A node is counted where the log has it; one that the log has dropped already, and only
 * its slot still holds (R1), is counted there.
 *
 * Progress: lock-free. Each step is bounded; steps over the log stop at the position that
 * was the last when the walk began, and there are only ever a few tables.
 */
#include "dict_internal.h"

/* Slots or cells looked at in one section: some hundred microseconds at most. */
#define STEP 8192u

struct walk {
    struct sobj__dict *dict;
    unsigned table;         /* how many of the tables from the root on are done */
    uint64_t slot;          /* the next one in that table */
    uint64_t epoch;         /* which content; see struct sobj__body */
    uint64_t position, end; /* the next in the log, and the last that counts */
    size_t bytes;
};

static void walk_init(struct walk *w, struct sobj__dict *d)
{
    *w = (struct walk){.dict = d, .bytes = sizeof *d + sizeof(struct sobj__body)};
    sobj__read_begin();
    /* Acquire: pairs with the CAS that published the table. */
    struct sobj__body *body = sobj_load_acquire(&d->root)->body;
    w->epoch = body->epoch;
    w->end = sobj_load_acquire(&body->tail); /* Acquire: insertions so far. */
    sobj__read_end();
}

/* Adds some slots, and their table with the last of them. Returns: false at the end. */
static bool step_slots(struct walk *w)
{
    /* Acquire: pairs with the CAS that published the table. */
    struct sobj__table *t = sobj_load_acquire(&w->dict->root);

    for (unsigned i = 0; t != NULL && i < w->table; i++)
        t = sobj_load_acquire(&t->next); /* Acquire: as above. */
    if (t == NULL)
        return false;
    for (unsigned i = 0; i < STEP && w->slot <= t->mask; i++, w->slot++) {
        /* Acquire: pairs with the CAS that filled the slot. */
        struct sobj__node *n = sobj__slot_node(sobj_load_acquire(&t->slots[w->slot]));
        /* Relaxed: R1; for a figure only. */
        if (n != NULL && (sobj_load_relaxed(&n->refs) & ~SOBJ__LINKED) == 1)
            w->bytes += sobj__node_bytes(n);
    }
    if (w->slot > t->mask) {
        w->bytes += sizeof *t + t->chunks + (t->mask + 1) * sizeof(sobj__slot_t);
        w->table++;
        w->slot = 0;
    }
    return true;
}

/* Adds some segments of the log and their nodes. Returns: false at the end. */
static bool step_log(struct walk *w)
{
    /* Acquire: pairs with the CAS that published the table. */
    struct sobj__body *body = sobj_load_acquire(&w->dict->root)->body;
    struct sobj__segment *s;
    uint32_t cells = 0;

    if (body->epoch != w->epoch)
        return false; /* cleared */
    s = sobj__log_find(body, w->position);
    while (s != NULL && w->position <= w->end && cells < STEP) {
        for (uint32_t i = sobj__segment_seek(s, w->position); i < s->count; i++) {
            /* Acquire: pairs with the CAS in log_append. */
            uint64_t cell = sobj_load_acquire(&s->cells[i]);
            if (cell > SOBJ__CLOSED)
                w->bytes += sobj__node_bytes((struct sobj__node *)(uintptr_t)cell);
        }
        w->bytes += sobj__segment_bytes(s);
        cells += s->count;
        w->position = s->last;
        s = sobj_load_acquire(&s->next); /* Acquire: pairs with the linking CAS. */
    }
    return s != NULL && w->position <= w->end;
}

/* Takes the steps of one kind to their end. */
static void walk_all(struct walk *w, bool (*step)(struct walk *w))
{
    bool more;

    do {
        sobj__read_begin();
        more = step(w);
        sobj__read_end();
    } while (more);
}

size_t sobj_dict_bytes(const struct sobj_object *obj)
{
    struct walk w;

    walk_init(&w, sobj__dict_of(obj));
    walk_all(&w, step_slots);
    walk_all(&w, step_log);
    return w.bytes;
}
