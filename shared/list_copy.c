/* SPDX-License-Identifier: MIT */
/* L3: moments of the list: copies of its content, freezing. Contract: sharedobj/list.h;
 * invariants: list_internal.h.
 */
#include "alloc.h"
#include "list_internal.h"

/* Words that are looked at again while they are in the processor's cache. */
#define PIECE 2048u

/* Copies the words of `range`, in the order of `slice`. */
static void read_slice(const struct sobj__list_shift *s, const struct sobj_slice *slice,
                       const struct sobj__list_range *range, sobj_cell *cells)
{
    bool backwards = slice->step < 0;

    for (uint64_t k = 0; k < range->count; k++)
        cells[backwards ? range->count - 1 - k : k] =
            sobj__list_peek(s->old, range->start + k * range->step);
}

static void take_references(struct sobj_list_copy *copy, uint64_t from, uint64_t end)
{
    for (uint64_t k = from; k < end; k++) {
        if (sobj_is_pointer(copy->cells[k])) {
            copy->pointers = true;
            sobj_cell_ref(copy->cells[k]);
        }
    }
}

/* Needs: nobody changes the content. */
static enum sobj_status copy_content(struct sobj_list_copy *copy,
                                     const struct sobj__list_shift *s,
                                     const struct sobj_slice *slice)
{
    struct sobj__list_range range = {0, 1, s->len};

    if (slice != NULL)
        range = sobj__list_range_of(slice, s->len);
    copy->len = range.count;
    copy->cells = NULL;
    copy->pointers = false;
    if (range.count == 0)
        return SOBJ_OK;
    copy->cells = sobj__alloc(SOBJ_COUNT_BLOCKS, range.count * sizeof *copy->cells);
    if (copy->cells == NULL)
        return SOBJ_NO_MEMORY;
    if (range.step == 1 && (slice == NULL || slice->step > 0)) {
        for (uint64_t k = 0, n; k < range.count; k += n) {
            n = range.count - k < PIECE ? range.count - k : PIECE;
            sobj__list_read(s->old, range.start + k, copy->cells + k, n);
            take_references(copy, k, k + n);
        }
    } else {
        read_slice(s, slice, &range, copy->cells);
        take_references(copy, 0, range.count);
    }
    return SOBJ_OK;
}

enum sobj_status sobj_list_copy_init(struct sobj_list_copy *copy,
                                     struct sobj_object *obj,
                                     const struct sobj_slice *slice)
{
    struct sobj__list_shift s;
    enum sobj_status status;

    if (sobj_list_frozen(obj)) {
        s.old = sobj__list_root(sobj__list_of(obj));
        s.len = sobj__list_word_len(sobj__list_word(s.old));
        return copy_content(copy, &s, slice);
    }
    (void)sobj__list_shift_begin(&s, obj, true);
    status = copy_content(copy, &s, slice);
    sobj__list_shift_leave(&s);
    return status;
}

void sobj_list_copy_fini(struct sobj_list_copy *copy)
{
    if (copy->pointers)
        sobj__list_cells_unref(copy->cells, copy->len);
    sobj__free(SOBJ_COUNT_BLOCKS, copy->cells, copy->len * sizeof *copy->cells);
}

void sobj_list_freeze(struct sobj_object *obj)
{
    struct sobj__list *l = sobj__list_of(obj);
    struct sobj__closing closing;

    if (sobj_list_frozen(obj))
        return;
    sobj__gate_close(obj, &l->gate, &closing);
    /* SeqCst: at the moment, so that no change is under way when the first one sees it;
     * none begins later. */
    sobj_or_seq_cst(&obj->mode, SOBJ__FROZEN);
    sobj__gate_open(obj, &l->gate, &closing);
}

bool sobj_list_frozen(const struct sobj_object *obj)
{
    return (sobj__mode(obj) & SOBJ__FROZEN) != 0;
}
