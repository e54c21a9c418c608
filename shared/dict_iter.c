/* SPDX-License-Identifier: MIT */
/* L3: iteration over the dict in insertion order; dict_internal.h, L1-L4.
 *
 * An iterator holds a reference to the segment it is in, hence to that segment's nodes,
 * and asks each node for its present value: what is deleted before its turn is not
 * shown. When the segment is used up, the next one is found by position, for the log
 * may have been compacted. A clear() ends the iteration.
 */
#include "alloc.h"
#include "dict_internal.h"

void sobj_dict_iter_init(struct sobj_dict_iter *it, struct sobj_object *d)
{
    sobj_ref(d);
    it->dict = d;
    it->segment = NULL;
    it->index = 0;
    sobj__read_begin();
    /* Acquire: pairs with the CAS that published the table. */
    struct sobj__body *body = sobj_load_acquire(&sobj__dict_of(d)->root)->body;
    it->epoch = body->epoch;
    it->next = 0;
    it->end = sobj_load_acquire(&body->tail); /* Acquire: insertions so far. */
    sobj__read_end();
}

void sobj_dict_iter_fini(struct sobj_dict_iter *it)
{
    if (it->segment != NULL)
        sobj__segment_unref(it->segment);
    it->segment = NULL;
    if (it->dict != NULL)
        sobj_unref(it->dict);
    it->dict = NULL;
}

/* Whether `n` shows, and its value. Needs: a section. */
static bool shows(struct sobj__dict *d, struct sobj__node *n, sobj_cell *value)
{
    /* Acquire: pairs with the CAS that stored it. */
    *value = sobj_load_acquire(&n->value);
    if (sobj__is_mark(*value))
        return false;
    /* Acquire: pairs with the release in insert() (L1). */
    if (sobj_load_acquire(&n->refs) & SOBJ__LINKED)
        return true;
    if (!sobj__table_holds(d, n))
        return false;
    *value = sobj_load_acquire(&n->value); /* Acquire: as above. */
    return !sobj__is_mark(*value);
}

/* Shows the next entry of the segment held. Returns: false if it has none. */
static bool step(struct sobj_dict_iter *it, sobj_take_entry take, void *context)
{
    struct sobj__segment *s = it->segment;
    struct sobj_entry entry;

    while (it->index < s->count) {
        /* Acquire: pairs with the CAS in log_append. */
        uint64_t cell = sobj_load_acquire(&s->cells[it->index]);
        struct sobj__node *n = (struct sobj__node *)(uintptr_t)cell;
        it->index++;
        if (cell <= SOBJ__CLOSED)
            continue;
        if (sobj__node_position(n) >= it->end) {
            it->next = it->end;
            return false;
        }
        if (!shows(sobj__dict_of(it->dict), n, &entry.value))
            continue;
        it->next = sobj__node_position(n) + 1;
        sobj__node_entry(n, &entry);
        take(&entry, context);
        return true;
    }
    it->next = s->last;
    return false;
}

enum sobj_status sobj_dict_iter_next(struct sobj_dict_iter *it, sobj_take_entry take,
                                     void *context)
{
    for (;;) {
        bool shown = false;
        sobj__read_begin();
        /* Acquire: pairs with the CAS that published the table. */
        struct sobj__body *body =
            sobj_load_acquire(&sobj__dict_of(it->dict)->root)->body;
        if (body->epoch != it->epoch)
            it->next = it->end; /* cleared */
        if (it->next < it->end && it->segment == NULL) {
            struct sobj__segment *s = sobj__log_find(body, it->next);
            if (s == NULL || s->first >= it->end) {
                it->next = it->end;
            } else {
                /* Relaxed: the log's own reference lasts as long as the section. */
                sobj_add_relaxed(&s->refs, 1);
                it->segment = s;
                it->index = sobj__segment_seek(s, it->next);
            }
        }
        if (it->next < it->end)
            shown = step(it, take, context);
        sobj__read_end();
        if (shown)
            return SOBJ_OK;
        struct sobj__segment *done = it->segment;
        it->segment = NULL;
        if (done != NULL)
            sobj__segment_unref(done); /* may free: outside the section */
        if (it->next >= it->end)
            return SOBJ_EMPTY;
    }
}
