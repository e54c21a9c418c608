/* SPDX-License-Identifier: MIT */
/* L3: changes at the end of the list: append, pop, extend, and exchanges of the whole
 * content. Contract: sharedobj/list.h; invariants: list_internal.h.
 */
#include "alloc.h"
#include "list_internal.h"

/* Private to this file: the caller has something to do and comes again. */
#define NO_ROOM SOBJ_STALE
#define TOO_MANY SOBJ_STALE

SOBJ_INLINE struct sobj__list_body *root_locked(struct sobj__list *l)
{
    /* Relaxed: changed under the lock, or while the gate is closed. */
    return sobj_load_relaxed(&l->root);
}

SOBJ_INLINE uint64_t word_locked(struct sobj__list_body *body)
{
    return sobj_load_relaxed(&body->word); /* Relaxed: as above. */
}

/* ---- appending */

/* Returns: where an insertion before `index` goes. */
SOBJ_INLINE uint64_t clamp(int64_t index, uint64_t len)
{
    if (index < 0)
        return -(uint64_t)index <= len ? len + (uint64_t)index : 0;
    return (uint64_t)index < len ? (uint64_t)index : len;
}

/* Returns: OK, MISMATCH, FULL, or NO_ROOM. Needs: the lock. */
SOBJ_INLINE enum sobj_status append_locked(struct sobj__list *l, int64_t before,
                                           const sobj_cell *cells, size_t n,
                                           uint64_t *at)
{
    struct sobj__list_body *body = root_locked(l);
    uint64_t offset, word = word_locked(body), len = sobj__list_word_len(word);

    if (clamp(before, len) != len)
        return SOBJ_MISMATCH;
    if (SOBJ_UNLIKELY(n > SOBJ_LIST_MAX - len))
        return SOBJ_FULL;
    if (SOBJ_UNLIKELY(sobj__list_segment_of(len + n - 1, &offset) >= body->segments))
        return NO_ROOM;
    for (size_t i = 0; i < n; i++)
        /* Release: who reads it too early sees the lowering before (I3). */
        sobj_store_release(sobj__list_place(body, len + i), cells[i]);
    SOBJ_PAUSE("list.append");
    /* Release: publishes the items; pairs with the loads in list_word (I1). */
    sobj_store_release(&body->word, word + n);
    *at = len;
    return SOBJ_OK;
}

/* Makes room and appends. Leaves the section for that and returns in one. */
static SOBJ_NOINLINE enum sobj_status append_slow(struct sobj__list *l, int64_t before,
                                                  const sobj_cell *cells, size_t n,
                                                  uint64_t *at)
{
    enum sobj_status status;
    struct sobj__list_room room;

    do {
        sobj__lock_acquire(&l->lock);
        struct sobj__list_body *body = root_locked(l);
        uint64_t len = sobj__list_word_len(word_locked(body));
        bool lacks =
            n <= SOBJ_LIST_MAX - len && sobj__list_room_lacks(&room, body, len + n);
        sobj__lock_release(&l->lock);
        if (lacks) {
            sobj__read_end();
            if (sobj__list_room_alloc(&room) != SOBJ_OK) {
                sobj__write_begin();
                return SOBJ_NO_MEMORY;
            }
            status = sobj__list_begin(l);
            if (status != SOBJ_OK) {
                sobj__list_room_free(&room);
                return status;
            }
        }
        sobj__lock_acquire(&l->lock);
        if (lacks)
            sobj__list_room_install(&room, root_locked(l));
        status = append_locked(l, before, cells, n, at);
        sobj__lock_release(&l->lock);
        if (lacks)
            sobj__list_room_free(&room);
    } while (status == NO_ROOM);
    return status;
}

SOBJ_INLINE enum sobj_status append(struct sobj__list *l, int64_t before,
                                    const sobj_cell *cells, size_t n, uint64_t *at)
{
    enum sobj_status status = sobj__list_begin(l);

    if (SOBJ_LIKELY(status == SOBJ_OK)) {
        SOBJ_PAUSE("list.end");
        sobj__lock_acquire(&l->lock);
        status = append_locked(l, before, cells, n, at);
        sobj__lock_release(&l->lock);
        if (SOBJ_UNLIKELY(status == NO_ROOM))
            status = append_slow(l, before, cells, n, at);
    }
    sobj__write_end();
    return status;
}

enum sobj_status sobj__list_append(struct sobj__list *l, int64_t before,
                                   const sobj_cell *cells, size_t n, uint64_t *at)
{
    return append(l, before, cells, n, at);
}

enum sobj_status sobj_list_push(struct sobj_object *l, sobj_cell value, uint64_t *index)
{
    uint64_t at = 0;
    enum sobj_status status = append(sobj__list_of(l), INT64_MAX, &value, 1, &at);

    if (index != NULL)
        *index = at;
    if (SOBJ_UNLIKELY(status != SOBJ_OK))
        sobj_cell_unref(value);
    return status;
}

enum sobj_status sobj_list_insert(struct sobj_object *obj, int64_t index,
                                  sobj_cell value)
{
    struct sobj__list *l = sobj__list_of(obj);
    uint64_t at, len = sobj_list_len(obj);
    enum sobj_status status = SOBJ_MISMATCH;

    if (clamp(index, len) == len)
        status = append(l, index, &value, 1, &at);
    if (status == SOBJ_MISMATCH) {
        struct sobj_slice before = {index, index, 1};
        return sobj__list_splice(obj, &before, &value, 1, &at);
    }
    if (status != SOBJ_OK)
        sobj_cell_unref(value);
    return status;
}

void sobj__list_cells_unref(const sobj_cell *cells, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sobj_is_pointer(cells[i]))
            sobj_cell_unref(cells[i]);
}

/* Appends many, with the gate closed. Returns: OK, FULL, NO_MEMORY, FROZEN. */
static enum sobj_status extend_closed(struct sobj_object *obj, const sobj_cell *cells,
                                      size_t n)
{
    struct sobj__list_shift s;
    struct sobj__list_room room;
    enum sobj_status status = sobj__list_shift_begin(&s, obj, false);

    if (status != SOBJ_OK)
        return status;
    bool lacks = false;
    if (n > SOBJ_LIST_MAX - s.len)
        status = SOBJ_FULL;
    else if (sobj__list_room_lacks(&room, s.old, s.len + n))
        lacks = (status = sobj__list_room_alloc(&room)) == SOBJ_OK;
    if (lacks) {
        sobj__gate_enter();
        sobj__lock_acquire(&s.l->lock);
        sobj__list_room_install(&room, s.old);
        sobj__lock_release(&s.l->lock);
        sobj__gate_leave();
        sobj__list_room_free(&room);
    }
    if (status == SOBJ_OK) {
        for (uint64_t i = 0, run; i < n; i += run) {
            run = n - i;
            sobj__place_t *places = sobj__list_run(s.old, s.len + i, &run);
            for (uint64_t k = 0; k < run; k++)
                /* Release: a reader whose section began during the gate's grace period
                 * may have a word from before a removal, and must see the lowering
                 * (I3, I9). */
                sobj_store_release(&places[k], cells[i + k]);
        }
        SOBJ_PAUSE("list.extend");
        /* Release: publishes the items; pairs with the loads in list_word. Nobody else
         * writes the word. */
        sobj_store_release(&s.old->word, word_locked(s.old) + n);
    }
    sobj__list_shift_leave(&s);
    return status;
}

enum sobj_status sobj_list_extend(struct sobj_object *obj, const sobj_cell *cells,
                                  size_t n)
{
    struct sobj__list *l = sobj__list_of(obj);
    enum sobj_status status = SOBJ_MISMATCH;
    uint64_t at;

    if (n == 0) {
        status = sobj__list_begin(l);
        sobj__write_end();
        return status;
    }
    if (n <= SOBJ__LIST_APPEND_MAX) {
        status = append(l, INT64_MAX, cells, n, &at);
    } else if (sobj_list_len(obj) == 0) {
        struct sobj__list_body *fresh = sobj__list_body_of(cells, n);
        status = fresh != NULL ? sobj__list_swap(l, fresh, true) : SOBJ_NO_MEMORY;
        if (fresh != NULL && status != SOBJ_OK)
            sobj__list_body_free(fresh);
    }
    if (status == SOBJ_MISMATCH)
        status = extend_closed(obj, cells, n);
    if (status != SOBJ_OK)
        sobj__list_cells_unref(cells, n);
    return status;
}

/* ---- removing */

SOBJ_INLINE void lower(struct sobj__list_body *body, uint64_t n, sobj_cell *removed)
{
    uint64_t word = word_locked(body), len = sobj__list_word_len(word) - n, offset;

    /* Release: the lowering comes before the exchanges (I1). */
    sobj_store_release(&body->word, word + SOBJ__LIST_POP - n);
    SOBJ_PAUSE("list.lowered");
    for (uint64_t i = 0; i < n; i++)
        /* SeqCst: takes the last value out; later stores find none (I4). */
        removed[i] = sobj_swap_seq_cst(sobj__list_place(body, len + i), SOBJ_NO_CELL);
    /* A segment more is empty when its first cell is. */
    if (SOBJ_UNLIKELY(n != 1 || (sobj__list_segment_of(len, &offset), offset == 0)))
        sobj__list_trim(body, len);
}

void sobj__list_lower(struct sobj__list_body *body, uint64_t n, sobj_cell *removed)
{
    lower(body, n, removed);
}

/* Whether too many lowerings were made since a grace period (I2). Needs: the lock. */
SOBJ_INLINE bool must_renew(struct sobj__list *l, uint64_t *renewals)
{
    *renewals = sobj_load_relaxed(&l->renewals); /* Relaxed: compared under the lock. */
    return SOBJ_UNLIKELY(l->lowered >= SOBJ__LIST_LOWERED_MAX);
}

/* Runs a grace period; `renewals` is what it was before. Needs: no section. */
static SOBJ_NOINLINE void renew(struct sobj__list *l, uint64_t renewals)
{
    void *token = sobj__hooks.detach != NULL ? sobj__hooks.detach() : NULL;

    SOBJ_PAUSE("list.renew");
    sobj__grace_period();
    if (token != NULL)
        sobj__hooks.attach(token);
    sobj__write_begin();
    sobj__lock_acquire(&l->lock);
    /* Somebody else's may have ended before: then others were made since. */
    if (sobj_load_relaxed(&l->renewals) == renewals) { /* Relaxed: as above. */
        /* Relaxed: the later lowerings, which release it, are made under the lock. */
        sobj_add_relaxed(&l->renewals, 1);
        l->lowered = 0;
    }
    sobj__lock_release(&l->lock);
    sobj__write_end();
}

/* Returns: OK and the value; EMPTY, NOT_FOUND, BAD_OPERAND; MISMATCH: it is not the last
 * one; TOO_MANY. Needs: the lock. */
SOBJ_INLINE enum sobj_status pop_locked(struct sobj__list *l, int64_t index,
                                        bool wanted, sobj_cell *v, uint64_t *renewals)
{
    struct sobj__list_body *body = root_locked(l);
    uint64_t i, len = sobj__list_word_len(word_locked(body));

    if (len == 0)
        return SOBJ_EMPTY;
    if (!sobj__list_index(index, len, &i))
        return SOBJ_NOT_FOUND;
    if (i != len - 1)
        return SOBJ_MISMATCH;
    if (must_renew(l, renewals))
        return TOO_MANY;
    /* Acquire: pairs with the exchange that stored it; none of these is stored before
     * the lock is free (I5). */
    if (wanted && sobj_cell_is_hosted(sobj_load_acquire(sobj__list_place(body, i))))
        return SOBJ_BAD_OPERAND;
    l->lowered++;
    lower(body, 1, v);
    return SOBJ_OK;
}

enum sobj_status sobj_list_pop(struct sobj_object *obj, int64_t index,
                               struct sobj_out *out)
{
    struct sobj__list *l = sobj__list_of(obj);
    enum sobj_status status;
    uint64_t renewals = 0;
    sobj_cell v;

    for (;;) {
        status = sobj__list_begin(l);
        if (SOBJ_LIKELY(status == SOBJ_OK)) {
            sobj__lock_acquire(&l->lock);
            status = pop_locked(l, index, out != NULL, &v, &renewals);
            sobj__lock_release(&l->lock);
            if (SOBJ_LIKELY(status == SOBJ_OK)) {
                sobj__hand_out(out, v);
                sobj__cell_retire(v);
            }
        }
        sobj__write_end();
        if (SOBJ_LIKELY(status != TOO_MANY))
            break;
        renew(l, renewals);
    }
    return status == SOBJ_MISMATCH ? sobj__list_remove(obj, index, SOBJ_MISSING, out)
                                   : status;
}

enum sobj_status sobj_list_delete(struct sobj_object *l, int64_t index)
{
    enum sobj_status status = sobj_list_pop(l, index, NULL);

    return status == SOBJ_EMPTY ? SOBJ_NOT_FOUND : status;
}

enum sobj_status sobj__list_cut(struct sobj__list *l, const struct sobj_slice *slice)
{
    sobj_cell removed[SOBJ__LIST_REMOVE_MAX];
    struct sobj__list_range range;
    enum sobj_status status;
    uint64_t renewals = 0;

    for (;;) {
        range.count = 0;
        status = sobj__list_begin(l);
        if (status == SOBJ_OK) {
            sobj__lock_acquire(&l->lock);
            struct sobj__list_body *body = root_locked(l);
            uint64_t len = sobj__list_word_len(word_locked(body));
            range = sobj__list_range_of(slice, len);
            if (range.count > SOBJ__LIST_REMOVE_MAX ||
                (range.count != 0 &&
                 (range.step != 1 || range.start + range.count != len)))
                status = SOBJ_MISMATCH;
            else if (must_renew(l, &renewals))
                status = TOO_MANY;
            if (status == SOBJ_OK && range.count != 0) {
                l->lowered++;
                lower(body, range.count, removed);
            }
            sobj__lock_release(&l->lock);
            for (uint64_t i = 0; status == SOBJ_OK && i < range.count; i++)
                sobj__cell_retire(removed[i]);
        }
        sobj__write_end();
        if (status != TOO_MANY)
            return status;
        renew(l, renewals);
    }
}

/* ---- the whole content */

struct sobj__list_body *sobj__list_body_of(const sobj_cell *cells, size_t n)
{
    struct sobj__list_body *body = sobj__list_body_new(n);

    if (body != NULL) {
        sobj__list_write(body, 0, cells, n);
        atomic_init(&body->word, n);
    }
    return body;
}

enum sobj_status sobj__list_swap(struct sobj__list *l, struct sobj__list_body *fresh,
                                 bool empty)
{
    enum sobj_status status = sobj__list_begin(l);

    if (status == SOBJ_OK) {
        SOBJ_PAUSE("list.swapping");
        sobj__lock_acquire(&l->lock);
        struct sobj__list_body *old = root_locked(l);
        if (empty && sobj__list_word_len(word_locked(old)) != 0) {
            status = SOBJ_MISMATCH;
        } else {
            SOBJ_PAUSE("list.swap");
            /* Release: publishes the body; all items go at this moment (I6). */
            sobj_store_release(&l->root, fresh);
        }
        sobj__lock_release(&l->lock);
        SOBJ_PAUSE("list.swapped");
        if (status == SOBJ_OK)
            sobj__list_body_retire_all(old);
    }
    sobj__write_end();
    return status;
}

enum sobj_status sobj_list_replace(struct sobj_object *l, const sobj_cell *cells,
                                   size_t n)
{
    enum sobj_status status = n > SOBJ_LIST_MAX ? SOBJ_FULL : SOBJ_NO_MEMORY;
    struct sobj__list_body *fresh =
        n > SOBJ_LIST_MAX ? NULL : sobj__list_body_of(cells, n);

    if (fresh != NULL) {
        status = sobj__list_swap(sobj__list_of(l), fresh, false);
        if (status != SOBJ_OK)
            sobj__list_body_free(fresh);
    }
    if (status != SOBJ_OK)
        sobj__list_cells_unref(cells, n);
    return status;
}

/* ---- drafts: bodies that are nobody's content yet */

SOBJ_INLINE struct sobj__list_body *body_of(struct sobj_list_draft *draft)
{
    return (struct sobj__list_body *)(void *)draft;
}

struct sobj_list_draft *sobj_list_draft_new(size_t n)
{
    struct sobj__list_body *body = n <= SOBJ_LIST_MAX ? sobj__list_body_new(n) : NULL;

    if (body != NULL)
        atomic_init(&body->word, n);
    return (struct sobj_list_draft *)(void *)body;
}

sobj_cell *sobj_list_draft_row(struct sobj_list_draft *draft, size_t at, size_t *n)
{
    uint64_t run = *n;
    sobj__place_t *places = sobj__list_run(body_of(draft), at, &run);

    *n = (size_t)run;
    return (sobj_cell *)(void *)places;
}

void sobj_list_draft_free(struct sobj_list_draft *draft)
{
    sobj__list_body_free(body_of(draft));
}

/* The list is not empty any more: appends what the draft says, as words. */
static SOBJ_NOINLINE enum sobj_status extend_by_copy(struct sobj_object *l,
                                                     struct sobj__list_body *body)
{
    size_t n = (size_t)sobj__list_all(body).count;
    sobj_cell *cells = sobj__alloc(SOBJ_COUNT_BLOCKS, n * sizeof *cells);
    enum sobj_status status = SOBJ_NO_MEMORY;

    if (cells == NULL) {
        sobj__list_body_drop(body);
    } else {
        sobj__list_read(body, 0, cells, n);
        sobj__list_body_free(body);
        status = sobj_list_extend(l, cells, n);
        sobj__free(SOBJ_COUNT_BLOCKS, cells, n * sizeof *cells);
    }
    return status;
}

enum sobj_status sobj_list_extend_draft(struct sobj_object *l,
                                        struct sobj_list_draft *draft)
{
    struct sobj__list_body *body = body_of(draft);
    enum sobj_status status = sobj__list_swap(sobj__list_of(l), body, true);

    if (status == SOBJ_MISMATCH)
        return extend_by_copy(l, body);
    if (status != SOBJ_OK)
        sobj__list_body_drop(body);
    return status;
}

enum sobj_status sobj_list_replace_draft(struct sobj_object *l,
                                         struct sobj_list_draft *draft)
{
    struct sobj__list_body *body = body_of(draft);
    enum sobj_status status = sobj__list_swap(sobj__list_of(l), body, false);

    if (status != SOBJ_OK)
        sobj__list_body_drop(body);
    return status;
}

enum sobj_status sobj_list_clear(struct sobj_object *l)
{
    static const struct sobj_slice all = {0, INT64_MAX, 1};
    enum sobj_status status = SOBJ_MISMATCH;

    if (sobj_list_len(l) <= SOBJ__LIST_REMOVE_MAX)
        status = sobj__list_cut(sobj__list_of(l), &all);
    return status == SOBJ_MISMATCH ? sobj_list_replace(l, NULL, 0) : status;
}
