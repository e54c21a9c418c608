/* SPDX-License-Identifier: MIT */
/* L3: changes of the list that move items to other places: the gate is closed, another
 * body is built beside the old one, and one store puts it in its place (I7). Contract:
 * sharedobj/list.h; invariants: list_internal.h.
 */
#include <string.h>

#include "alloc.h"
#include "list_internal.h"

/* ---- slices */

uint64_t sobj_slice_adjust(struct sobj_slice *slice, uint64_t len)
{
    int64_t n = (int64_t)len, step = slice->step;
    int64_t least = step < 0 ? -1 : 0, most = step < 0 ? n - 1 : n;
    int64_t *bounds[] = {&slice->start, &slice->stop};

    for (int i = 0; i < 2; i++) {
        int64_t b = *bounds[i];
        if (b < 0)
            b = b < -n ? least : b + n;
        if (b > most)
            b = most;
        *bounds[i] = b;
    }
    if (step < 0 ? slice->stop >= slice->start : slice->start >= slice->stop)
        return 0;
    /* The step may be as large as it likes, also INT64_MIN. */
    uint64_t span = step < 0 ? (uint64_t)(slice->start - slice->stop)
                             : (uint64_t)(slice->stop - slice->start);
    uint64_t stride = step < 0 ? -(uint64_t)step : (uint64_t)step;
    return (span - 1) / stride + 1;
}

struct sobj__list_range sobj__list_range_of(const struct sobj_slice *slice,
                                            uint64_t len)
{
    struct sobj_slice s = *slice;
    uint64_t count = sobj_slice_adjust(&s, len);
    struct sobj__list_range range = {(uint64_t)s.start, (uint64_t)s.step, count};

    if (count == 0)
        range.start = s.start < 0 ? 0 : range.start;
    if (count <= 1) {
        range.step = 1;
    } else if (s.step < 0) {
        range.step = -(uint64_t)s.step;
        range.start -= (count - 1) * range.step;
    }
    return range;
}

/* ---- the frame */

enum sobj_status sobj__list_shift_begin(struct sobj__list_shift *s,
                                        struct sobj_object *obj, bool even_frozen)
{
    struct sobj__list *l = sobj__list_of(obj);

    if (!even_frozen && sobj_list_frozen(obj))
        return SOBJ_FROZEN;
    s->l = l;
    sobj__gate_close(obj, &l->gate, &s->closing);
    if (!even_frozen && sobj_list_frozen(obj)) {
        sobj__gate_open(obj, &l->gate, &s->closing);
        return SOBJ_FROZEN;
    }
    s->old = sobj__list_root(l);
    s->len = sobj__list_word_len(sobj__list_word(s->old));
    sobj__gate_leave();
    SOBJ_PAUSE("list.shift");
    return SOBJ_OK;
}

static void open(struct sobj__list_shift *s)
{
    sobj__gate_open(&s->l->header, &s->l->gate, &s->closing);
    /* What was retired may be due. */
    sobj__write_begin();
    sobj__write_end();
}

void sobj__list_shift_end(struct sobj__list_shift *s, struct sobj__list_body *fresh,
                          uint64_t len, struct sobj__list_range drop)
{
    atomic_init(&fresh->word, len);
    sobj__gate_enter();
    SOBJ_PAUSE("list.publish");
    /* Release: publishes the body; the change happens here (I7). */
    sobj_store_release(&s->l->root, fresh);
    sobj__list_body_retire(s->old, drop);
    open(s);
}

void sobj__list_shift_leave(struct sobj__list_shift *s)
{
    sobj__gate_enter();
    open(s);
}

static const struct sobj__list_range nothing = {0, 1, 0};

/* ---- inserting, assigning */

/* Builds the content with `n` cells in the place of `range`, whose step is 1. */
static struct sobj__list_body *spliced(const struct sobj__list_shift *s,
                                       const struct sobj__list_range *range,
                                       const sobj_cell *cells, size_t n)
{
    uint64_t from = range->start + range->count;
    struct sobj__list_body *fresh = sobj__list_body_new(s->len - range->count + n);

    if (fresh == NULL)
        return NULL;
    sobj__list_move(fresh, 0, s->old, 0, range->start);
    sobj__list_write(fresh, range->start, cells, n);
    sobj__list_move(fresh, range->start + n, s->old, from, s->len - from);
    return fresh;
}

/* Builds the content with other cells in the places of a slice. */
static struct sobj__list_body *assigned(const struct sobj__list_shift *s,
                                        struct sobj_slice slice, const sobj_cell *cells)
{
    struct sobj__list_body *fresh = sobj__list_body_new(s->len);
    uint64_t count = sobj_slice_adjust(&slice, s->len);

    if (fresh == NULL)
        return NULL;
    sobj__list_move(fresh, 0, s->old, 0, s->len);
    for (uint64_t k = 0; k < count; k++)
        sobj__list_poke(fresh, (uint64_t)slice.start + k * (uint64_t)slice.step,
                        cells[k]);
    return fresh;
}

static enum sobj_status splice(struct sobj_object *obj, const struct sobj_slice *slice,
                               const sobj_cell *cells, size_t n, uint64_t *have)
{
    struct sobj__list_shift s;
    struct sobj__list_body *fresh = NULL;
    enum sobj_status status = sobj__list_shift_begin(&s, obj, false);

    if (status != SOBJ_OK)
        return status;
    struct sobj__list_range range = sobj__list_range_of(slice, s.len);
    *have = range.count;
    if (slice->step != 1 && range.count != n)
        status = SOBJ_BAD_OPERAND;
    else if (n > SOBJ_LIST_MAX - (s.len - range.count))
        status = SOBJ_FULL;
    else if (range.count != 0 || n != 0) {
        fresh = slice->step == 1 ? spliced(&s, &range, cells, n)
                                 : assigned(&s, *slice, cells);
        status = fresh != NULL ? SOBJ_OK : SOBJ_NO_MEMORY;
    }
    if (fresh != NULL)
        sobj__list_shift_end(&s, fresh, s.len - range.count + n, range);
    else
        sobj__list_shift_leave(&s);
    return status;
}

enum sobj_status sobj__list_splice(struct sobj_object *obj,
                                   const struct sobj_slice *slice,
                                   const sobj_cell *cells, size_t n, uint64_t *have)
{
    enum sobj_status status = splice(obj, slice, cells, n, have);

    if (status != SOBJ_OK)
        sobj__list_cells_unref(cells, n);
    return status;
}

/* Returns: whether the slice is all of a list of any length. */
static bool is_whole(const struct sobj_slice *slice)
{
    return slice->step == 1 && slice->stop == INT64_MAX &&
           (slice->start == 0 || slice->start == INT64_MIN);
}

enum sobj_status sobj_list_assign(struct sobj_object *obj,
                                  const struct sobj_slice *slice,
                                  const sobj_cell *cells, size_t n, uint64_t *have)
{
    struct sobj__list *l = sobj__list_of(obj);
    uint64_t at, len = sobj_list_len(obj);

    *have = 0;
    if (is_whole(slice))
        return sobj_list_replace(obj, cells, n);
    if (slice->step == 1 && n == 0)
        return sobj_list_delete_slice(obj, slice);
    if (slice->step == 1 && n <= SOBJ__LIST_APPEND_MAX &&
        sobj__list_range_of(slice, len).start == len) {
        enum sobj_status status = sobj__list_append(l, slice->start, cells, n, &at);
        if (status != SOBJ_MISMATCH) {
            if (status != SOBJ_OK)
                sobj__list_cells_unref(cells, n);
            return status;
        }
    }
    return sobj__list_splice(obj, slice, cells, n, have);
}

/* ---- removing */

/* Builds the content without `range`. */
static struct sobj__list_body *without(const struct sobj__list_shift *s,
                                       const struct sobj__list_range *range)
{
    struct sobj__list_body *fresh = sobj__list_body_new(s->len - range->count);
    uint64_t from = 0, to = 0;

    if (fresh == NULL)
        return NULL;
    if (range->step == 1) {
        sobj__list_move(fresh, 0, s->old, 0, range->start);
        to = range->start;
        from = range->start + range->count;
    } else {
        for (uint64_t k = 0; k < range->count; k++) {
            uint64_t gone = range->start + k * range->step;
            sobj__list_move(fresh, to, s->old, from, gone - from);
            to += gone - from;
            from = gone + 1;
        }
    }
    sobj__list_move(fresh, to, s->old, from, s->len - from);
    return fresh;
}

/* Items taken out of a body that stays. */
struct bag {
    uint64_t count;
    sobj_cell cells[];
};

static size_t bag_bytes(uint64_t count)
{
    return sizeof(struct bag) + (size_t)count * sizeof(sobj_cell);
}

static void bag_end(void *p)
{
    struct bag *bag = p;

    sobj__list_cells_unref(bag->cells, bag->count);
    sobj__free(SOBJ_COUNT_BLOCKS, bag, bag_bytes(bag->count));
}

/* Cuts off the last `count` items while the gate is closed, and opens it: the word is
 * lowered first, as in I1; then the cells are emptied at leisure, as nobody stores. A
 * fork between leaves the child cells beyond `len`, as in I9. Returns: OK, NO_MEMORY. */
static enum sobj_status cut_off(struct sobj__list_shift *s, uint64_t count)
{
    struct bag *bag = sobj__alloc(SOBJ_COUNT_BLOCKS, bag_bytes(count));
    uint64_t len = s->len - count;
    struct sobj__list_range range = {len, 1, count};
    size_t bytes = bag_bytes(count) + sobj__list_values_bytes(s->old, range);

    if (bag == NULL) {
        sobj__list_shift_leave(s);
        return SOBJ_NO_MEMORY;
    }
    bag->count = count;
    /* Relaxed: released by the lowering, which is not counted in `lowered` (I10). */
    sobj_add_relaxed(&s->l->renewals, 1);
    /* Release: the lowering comes before the stores below (I3). The grace period of the
     * gate's closing is enough for I2. */
    sobj_store_release(&s->old->word, sobj__list_word(s->old) + SOBJ__LIST_POP - count);
    SOBJ_PAUSE("list.cut");
    sobj__list_read(s->old, len, bag->cells, count);
    for (uint64_t i = 0; i < count; i++)
        /* Release: who finds it empty sees the lowering (I3). */
        sobj_store_release(sobj__list_place(s->old, len + i), SOBJ_NO_CELL);
    sobj__gate_enter();
    sobj__lock_acquire(&s->l->lock);
    sobj__list_trim(s->old, len);
    sobj__lock_release(&s->l->lock);
    sobj__retire(bag, bag_end, bytes);
    sobj__retire_soon();
    open(s);
    return SOBJ_OK;
}

enum sobj_status sobj_list_delete_slice(struct sobj_object *obj,
                                        const struct sobj_slice *slice)
{
    struct sobj__list_range range = sobj__list_range_of(slice, sobj_list_len(obj));
    struct sobj__list_shift s;
    enum sobj_status status = SOBJ_MISMATCH;

    if (is_whole(slice))
        return sobj_list_clear(obj);
    if (range.count <= SOBJ__LIST_REMOVE_MAX)
        status = sobj__list_cut(sobj__list_of(obj), slice);
    if (status != SOBJ_MISMATCH)
        return status;
    status = sobj__list_shift_begin(&s, obj, false);
    if (status != SOBJ_OK)
        return status;
    range = sobj__list_range_of(slice, s.len);
    if (range.count != 0 && range.step == 1 && range.start + range.count == s.len &&
        range.start >= range.count)
        return cut_off(&s, range.count);
    struct sobj__list_body *fresh = NULL;
    if (range.count != 0) {
        fresh = without(&s, &range);
        status = fresh != NULL ? SOBJ_OK : SOBJ_NO_MEMORY;
    }
    if (fresh != NULL)
        sobj__list_shift_end(&s, fresh, s.len - range.count, range);
    else
        sobj__list_shift_leave(&s);
    return status;
}

/* Takes item `i` out while the gate is closed, and opens it. Returns: OK, NO_MEMORY. */
static enum sobj_status take_out(struct sobj__list_shift *s, uint64_t i)
{
    struct sobj__list_range range = {i, 1, 1};
    sobj_cell v;

    if (i == s->len - 1) {
        sobj__gate_enter();
        /* The grace period of the gate's closing is enough for I2. */
        sobj__lock_acquire(&s->l->lock);
        /* Relaxed: as in cut_off. */
        sobj_add_relaxed(&s->l->renewals, 1);
        sobj__list_lower(s->old, 1, &v);
        sobj__lock_release(&s->l->lock);
        open(s);
        return SOBJ_OK;
    }
    struct sobj__list_body *fresh = without(s, &range);
    if (fresh == NULL) {
        sobj__list_shift_leave(s);
        return SOBJ_NO_MEMORY;
    }
    sobj__list_shift_end(s, fresh, s->len - 1, nothing);
    return SOBJ_OK;
}

enum sobj_status sobj__list_remove(struct sobj_object *obj, int64_t index,
                                   sobj_cell expected, struct sobj_out *out)
{
    struct sobj__list_shift s;
    enum sobj_status status = sobj__list_shift_begin(&s, obj, false);
    sobj_cell v = SOBJ_NO_CELL;
    uint64_t i;

    if (status != SOBJ_OK)
        return status;
    if (s.len == 0) {
        status = SOBJ_EMPTY;
    } else if (!sobj__list_index(index, s.len, &i)) {
        status = SOBJ_NOT_FOUND;
    } else {
        v = sobj__list_peek(s.old, i);
        if (expected != SOBJ_MISSING && !sobj_cell_same(v, expected))
            status = SOBJ_MISMATCH;
        else if (out != NULL && sobj_cell_is_hosted(v))
            status = SOBJ_BAD_OPERAND;
    }
    if (status != SOBJ_OK) {
        sobj__list_shift_leave(&s);
        return status;
    }
    status = take_out(&s, i);
    if (status == SOBJ_OK) {
        /* The reference is ours; the host, whose lock we have again, makes a value of
         * it, and readers may still look at it. */
        sobj__write_begin();
        sobj__hand_out(out, v);
        sobj__cell_retire(v);
        sobj__write_end();
    }
    return status;
}

enum sobj_status sobj_list_delete_if(struct sobj_object *l, int64_t index,
                                     sobj_cell expected)
{
    enum sobj_status status = sobj__list_remove(l, index, expected, NULL);

    return status == SOBJ_EMPTY ? SOBJ_NOT_FOUND : status;
}

/* ---- the same items in another order */

enum sobj_status sobj_list_reverse(struct sobj_object *obj)
{
    struct sobj__list_shift s;
    enum sobj_status status = sobj__list_shift_begin(&s, obj, false);

    if (status != SOBJ_OK)
        return status;
    struct sobj__list_body *fresh = sobj__list_body_new(s.len);
    if (fresh == NULL) {
        sobj__list_shift_leave(&s);
        return SOBJ_NO_MEMORY;
    }
    for (uint64_t i = 0; i < s.len; i++)
        sobj__list_poke(fresh, s.len - 1 - i, sobj__list_peek(s.old, i));
    sobj__list_shift_end(&s, fresh, s.len, nothing);
    return SOBJ_OK;
}

/* Returns: whether the content is still what was copied. */
static bool unchanged(const struct sobj__list_shift *s,
                      const struct sobj_list_copy *copy)
{
    if (s->len != copy->len)
        return false;
    for (uint64_t i = 0, run; i < s->len; i += run) {
        run = s->len - i;
        /* As plain words: nobody changes them. */
        const void *words = sobj__list_run(s->old, i, &run);
        if (memcmp(words, &copy->cells[i], run * sizeof *copy->cells) != 0)
            return false;
    }
    return true;
}

enum sobj_status sobj_list_permute(struct sobj_object *obj,
                                   const struct sobj_list_copy *copy,
                                   const sobj_cell *cells)
{
    struct sobj__list_body *fresh = sobj__list_body_of(cells, copy->len);
    struct sobj__list_shift s;
    enum sobj_status status;

    if (fresh == NULL)
        return SOBJ_NO_MEMORY;
    status = sobj__list_shift_begin(&s, obj, false);
    if (status == SOBJ_OK && !unchanged(&s, copy)) {
        sobj__list_shift_leave(&s);
        status = SOBJ_MISMATCH;
    }
    if (status == SOBJ_OK)
        sobj__list_shift_end(&s, fresh, s.len, nothing);
    else
        sobj__list_body_free(fresh);
    return status;
}

/* Takes `n` references to each item. */
static void refer(const struct sobj__list_shift *s, uint32_t n)
{
    for (uint64_t i = 0; i < s->len; i++) {
        sobj_cell c = sobj__list_peek(s->old, i);
        if (sobj_is_blob(c))
            sobj_blob_ref(sobj_to_blob(c), n);
        for (uint32_t k = 0; sobj_is_object(c) && k < n; k++)
            sobj_cell_ref(c);
    }
}

enum sobj_status sobj_list_repeat(struct sobj_object *obj, uint64_t times)
{
    struct sobj__list_shift s;
    struct sobj__list_body *fresh = NULL;
    enum sobj_status status;

    if (times == 0)
        return sobj_list_clear(obj);
    status = sobj__list_shift_begin(&s, obj, false);
    if (status != SOBJ_OK)
        return status;
    if (s.len != 0 && times > SOBJ_LIST_MAX / s.len) {
        status = SOBJ_FULL;
    } else if (s.len != 0 && times > UINT32_MAX) {
        status = SOBJ_NO_MEMORY; /* also for counting the references */
    } else if (s.len != 0 && times != 1) {
        fresh = sobj__list_body_new(s.len * times);
        status = fresh != NULL ? SOBJ_OK : SOBJ_NO_MEMORY;
    }
    if (fresh == NULL) {
        sobj__list_shift_leave(&s);
        return status;
    }
    for (uint64_t k = 0; k < times; k++)
        sobj__list_move(fresh, k * s.len, s.old, 0, s.len);
    refer(&s, (uint32_t)(times - 1));
    sobj__list_shift_end(&s, fresh, s.len * times, nothing);
    return SOBJ_OK;
}
