/* SPDX-License-Identifier: MIT */
/* L3: iteration over the dict in insertion order, or backward; dict_internal.h, L1-L4.
 *
 * An iterator holds a reference to the segment it is in, hence to that segment's nodes,
 * and asks each node for its present value: what is deleted before its turn is not
 * shown. When the segment is used up, the next one is found by position, for the log
 * may have been compacted. A clear() ends the iteration.
 *
 * No key twice. A key's nodes live one after the other, and the later one has the later
 * position: its inserter has taken it after it had found the former dead, or in vain.
 *   - Forward: a node that is shown after another of the same key has taken its position
 *     after that one was shown, so after the start, and lies beyond `end`.
 *   - Backward: it would have the earlier position, so it would be the one that was dead
 *     when the other was inserted.
 */
#include "alloc.h"
#include "dict_internal.h"

static void init(struct sobj_dict_iter *it, struct sobj_object *d, bool backward)
{
    sobj_ref(d);
    it->dict = d;
    it->segment = NULL;
    it->index = 0;
    it->backward = backward;
    sobj__read_begin();
    /* Acquire: pairs with the CAS that published the table. */
    struct sobj__body *body = sobj_load_acquire(&sobj__dict_of(d)->root)->body;
    it->epoch = body->epoch;
    it->end = sobj_load_acquire(&body->tail); /* Acquire: insertions so far. */
    it->next = backward ? it->end : 0;
    sobj__read_end();
}

void sobj_dict_iter_init(struct sobj_dict_iter *it, struct sobj_object *d)
{
    init(it, d, false);
}

void sobj_dict_iter_init_backward(struct sobj_dict_iter *it, struct sobj_object *d)
{
    init(it, d, true);
}

void sobj_dict_iter_copy(struct sobj_dict_iter *to, const struct sobj_dict_iter *from)
{
    struct sobj__segment *s = from->segment;

    *to = *from;
    sobj_ref(to->dict);
    if (s != NULL)
        sobj_add_relaxed(&s->refs, 1); /* Relaxed: `from` has one. */
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

bool sobj__log_shows(struct sobj__dict *d, struct sobj__node *n, sobj_cell *value)
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

static bool at_end(const struct sobj_dict_iter *it)
{
    return it->backward ? it->next == 0 : it->next >= it->end;
}

static void go_to_end(struct sobj_dict_iter *it)
{
    it->next = it->backward ? 0 : it->end;
}

/* Takes hold of the segment that comes next. */
static void enter_segment(struct sobj_dict_iter *it, struct sobj__body *body)
{
    struct sobj__segment *s = it->backward ? sobj__log_find_below(body, it->next)
                                           : sobj__log_find(body, it->next);

    if (s == NULL || s->first >= it->end) {
        go_to_end(it);
        return;
    }
    /* Relaxed: the log's own reference lasts as long as the section. */
    sobj_add_relaxed(&s->refs, 1);
    it->segment = s;
    it->index = sobj__segment_seek(s, it->next);
}

/* Goes to the next cell of the segment held. Returns: its index; `count` if there is
 * none. */
static uint32_t next_index(struct sobj_dict_iter *it, const struct sobj__segment *s)
{
    if (it->backward)
        return it->index != 0 ? --it->index : s->count;
    return it->index < s->count ? it->index++ : s->count;
}

/* Shows the next entry of the segment held. Returns: false if it has none. */
static bool step(struct sobj_dict_iter *it, sobj_take_entry take, void *context)
{
    struct sobj__segment *s = it->segment;
    struct sobj_entry entry;
    uint32_t i;

    while ((i = next_index(it, s)) != s->count) {
        /* Acquire: pairs with the CAS in log_append. */
        uint64_t cell = sobj_load_acquire(&s->cells[i]);
        struct sobj__node *n = (struct sobj__node *)(uintptr_t)cell;
        if (cell <= SOBJ__CLOSED)
            continue;
        uint64_t position = sobj__node_position(n);
        if (position >= it->end) {
            go_to_end(it);
            return false;
        }
        if (!sobj__log_shows(sobj__dict_of(it->dict), n, &entry.value))
            continue;
        it->next = it->backward ? position : position + 1;
        sobj__node_entry(n, &entry);
        take(&entry, context);
        return true;
    }
    it->next = it->backward ? s->first : s->last;
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
            go_to_end(it); /* cleared */
        if (!at_end(it) && it->segment == NULL)
            enter_segment(it, body);
        if (!at_end(it))
            shown = step(it, take, context);
        sobj__read_end();
        if (shown)
            return SOBJ_OK;
        struct sobj__segment *done = it->segment;
        it->segment = NULL;
        if (done != NULL)
            sobj__segment_unref(done); /* may free: outside the section */
        if (at_end(it))
            return SOBJ_EMPTY;
    }
}
