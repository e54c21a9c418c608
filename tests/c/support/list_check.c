/* SPDX-License-Identifier: MIT */
/* Invariants of a list at rest; see list_check.h. The names are those of
 * shared/list_internal.h. All loads are relaxed: nothing else runs. */
#include "list_check.h"

#include "list_internal.h"
#include "tap.h"

static void look_at_segment(struct sobj__list_body *body, uint32_t n, uint64_t *index,
                            uint64_t len, const char *when)
{
    sobj__list_entry_t *dir = sobj_load_relaxed(&body->dir);   /* Relaxed: at rest. */
    struct sobj__list_segment *s = sobj_load_relaxed(&dir[n]); /* Relaxed */

    if (n >= body->segments) {
        expect(s == NULL, "%s: segment %u of %u (I8)", when, n, body->segments);
        return;
    }
    if (!expect(s != NULL, "%s: segment %u is missing (I8)", when, n))
        return;
    expect(s->size == sobj__list_segment_size(n), "%s: size of segment %u", when, n);
    for (uint64_t i = 0; i < s->size; i++, ++*index) {
        sobj_cell c = sobj_load_relaxed(&s->cells[i]); /* Relaxed: at rest. */
        uint64_t offset;
        expect(sobj__list_segment_of(*index, &offset) == n && offset == i,
               "%s: place %llu", when, (unsigned long long)*index);
        expect((c != SOBJ_NO_CELL) == (*index < len), "%s: cell %llu of %llu (I1)",
               when, (unsigned long long)*index, (unsigned long long)len);
    }
}

bool list_check(struct sobj_object *obj, const char *when)
{
    int before = tap_failures();
    struct sobj__list *l = sobj__list_of(obj);
    struct sobj__list_body *body = sobj_load_acquire(&l->root); /* Acquire */
    uint64_t word = sobj_load_relaxed(&body->word);             /* Relaxed: at rest. */
    uint64_t len = sobj__list_word_len(word), index = 0;

    expect((sobj__mode(obj) & SOBJ__SNAP) == 0, "%s: a closed gate (I7)", when);
    expect(sobj_load_relaxed(&l->lock.state) == 0, "%s: locked", when); /* Relaxed */
    expect(l->lowered <= SOBJ__LIST_LOWERED_MAX, "%s: %u lowerings (I2)", when,
           l->lowered);
    expect(body->segments >= sobj__list_segments_for(len) &&
               body->segments <= body->capacity,
           "%s: %u segments of %u for %llu items (I8)", when, body->segments,
           body->capacity, (unsigned long long)len);
    for (uint32_t n = 0; n < body->capacity; n++)
        look_at_segment(body, n, &index, len, when);
    return tap_failures() == before;
}
