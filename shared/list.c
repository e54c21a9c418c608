/* SPDX-License-Identifier: MIT */
/* L3: the list's life, and its operations on one item. Contract: sharedobj/list.h;
 * structure and invariants: list_internal.h.
 */
#include "alloc.h"
#include "list_internal.h"

SOBJ_NOINLINE enum sobj_status sobj__list_begin_slow(struct sobj__list *l,
                                                     uint64_t mode)
{
    /* Frozen is for good: nothing to wait for. */
    if ((mode & (SOBJ__SNAP | SOBJ__FROZEN)) == SOBJ__SNAP)
        mode = sobj__gate_await(&l->header, &l->gate);
    return mode & SOBJ__FROZEN ? SOBJ_FROZEN : SOBJ_OK;
}

/* ---- reading */

/* Reads the word of an item, at one moment; NO_CELL: there is none. Returns: false: the
 * item has been moved meanwhile, so look again. Needs: a section. */
SOBJ_INLINE bool look(struct sobj_object *obj, int64_t index, sobj_cell *cell)
{
    struct sobj__list_body *body = sobj__list_root(sobj__list_of(obj));
    uint64_t i, word = sobj__list_word(body);

    *cell = SOBJ_NO_CELL;
    if (!sobj__list_index(index, sobj__list_word_len(word), &i))
        return true;
    SOBJ_PAUSE("list.get");
    sobj__place_t *place = sobj__list_place(body, i);
    if (SOBJ_UNLIKELY(place == NULL))
        return false;
    /* SeqCst: acquires the value; against stores to other places. */
    *cell = sobj_load_seq_cst(place);
    return SOBJ_LIKELY(sobj__list_unmoved(body, word, index)); /* I3 */
}

enum sobj_status sobj_list_get(struct sobj_object *obj, int64_t index,
                               struct sobj_out *out)
{
    sobj_cell cell;

    sobj__read_begin();
    while (SOBJ_UNLIKELY(!look(obj, index, &cell)))
        continue;
    if (SOBJ_LIKELY(cell != SOBJ_NO_CELL))
        sobj__hand_out(out, cell);
    sobj__read_end();
    return SOBJ_LIKELY(cell != SOBJ_NO_CELL) ? SOBJ_OK : SOBJ_NOT_FOUND;
}

/* The rest of sobj_list_look: apart from it, so that it needs no registers for this. */
static SOBJ_NOINLINE sobj_cell look_again(struct sobj_object *obj, int64_t index)
{
    sobj_cell cell;

    sobj__read_begin();
    while (!look(obj, index, &cell))
        continue;
    sobj__read_end();
    return cell;
}

sobj_cell sobj_list_look(struct sobj_object *obj, int64_t index)
{
    sobj_cell cell;

    sobj__read_begin();
    bool seen = look(obj, index, &cell);
    sobj__read_end();
    return SOBJ_LIKELY(seen) ? cell : look_again(obj, index);
}

/* How many cells are read before their `take`s are called. */
#define AT_ONCE 32u

/* Reads some items of one body. Returns: how many; 0 if there are none. */
static size_t get_some(struct sobj__list_body *body, uint64_t index, size_t n,
                       struct sobj_out *outs)
{
    size_t count;
    uint64_t word;

    do {
        word = sobj__list_word(body);
        uint64_t len = sobj__list_word_len(word);
        if (index >= len)
            return 0;
        count = n < AT_ONCE ? n : AT_ONCE;
        if (count > len - index)
            count = (size_t)(len - index);
        SOBJ_PAUSE("list.get_many");
        for (size_t k = 0; k < count; k++) {
            sobj__place_t *place = sobj__list_place(body, index + k);
            /* SeqCst: as in sobj_list_get. */
            outs[k].cell = place != NULL ? sobj_load_seq_cst(place) : SOBJ_NO_CELL;
        }
    } while (SOBJ_UNLIKELY(!sobj__list_unmoved(body, word, 0))); /* I3 */
    for (size_t k = 0; k < count; k++)
        if (sobj_is_pointer(outs[k].cell))
            outs[k].take(&outs[k]);
    return count;
}

size_t sobj_list_get_many(struct sobj_object *obj, uint64_t index, size_t n,
                          struct sobj_out *outs)
{
    size_t total = 0, count;

    sobj__read_begin();
    struct sobj__list_body *body = sobj__list_root(sobj__list_of(obj));
    do {
        count = get_some(body, index + total, n - total, outs + total);
        total += count;
    } while (count == AT_ONCE && total < n);
    sobj__read_end();
    return total;
}

uint64_t sobj_list_len(const struct sobj_object *obj)
{
    sobj__read_begin();
    uint64_t word = sobj__list_word(sobj__list_root(sobj__list_of(obj)));
    sobj__read_end();
    return sobj__list_word_len(word);
}

/* ---- storing */

enum op { SET, EXCHANGE, COMPARE, INCREMENT };

struct change {
    sobj_cell value;      /* to store; INCREMENT: computed */
    sobj_cell operand;    /* COMPARE: expected; INCREMENT: to add */
    struct sobj_out *out; /* EXCHANGE */
    bool locked;          /* I5 */
    bool stored;          /* the reference in `value` has gone into the list */
};

/* What stands in the way of a change of the value `v`. Returns: OK if nothing does. */
SOBJ_INLINE enum sobj_status check(struct change *c, sobj_cell v, const enum op op)
{
    switch (op) {
    case EXCHANGE:
        if (c->out != NULL && SOBJ_UNLIKELY(sobj_cell_is_hosted(v)))
            return SOBJ_BAD_OPERAND;
        break;
    case COMPARE:
        return sobj_cell_same(v, c->operand) ? SOBJ_OK : SOBJ_MISMATCH;
    case INCREMENT:
        return sobj__cells_add(v, c->operand, &c->value);
    case SET:
        break;
    }
    return SOBJ_OK;
}

#define AGAIN SOBJ_STALE

/* The exchange of a store. Returns: OK; MISMATCH, and `*v` is what is there; AGAIN. */
SOBJ_INLINE enum sobj_status exchange(struct sobj__list *l,
                                      struct sobj__list_body *body, uint64_t word,
                                      sobj__place_t *place, sobj_cell *v,
                                      const struct change *c)
{
    enum sobj_status status = SOBJ_OK;

    if (SOBJ_LIKELY(!c->locked))
        /* SeqCst: publishes the value; the store happens here, or see I4. */
        return sobj_cas_seq_cst(place, v, c->value) ? SOBJ_OK : SOBJ_MISMATCH;
    sobj__lock_acquire(&l->lock);
    if (!sobj__list_unmoved(body, word, -1)) /* I5 */
        status = AGAIN;
    /* SeqCst: as above. */
    else if (!sobj_cas_seq_cst(place, v, c->value))
        status = SOBJ_MISMATCH;
    sobj__lock_release(&l->lock);
    return status;
}

/* One attempt (I4). Returns: AGAIN, if somebody has moved the item meanwhile. */
SOBJ_INLINE enum sobj_status attempt(struct sobj__list *l, int64_t index,
                                     struct change *c, const enum op op)
{
    struct sobj__list_body *body = sobj__list_root(l);
    uint64_t i, word = sobj__list_word(body);
    enum sobj_status status;

    if (!sobj__list_index(index, sobj__list_word_len(word), &i))
        return SOBJ_NOT_FOUND;
    SOBJ_PAUSE("list.change");
    sobj__place_t *place = sobj__list_place(body, i);
    if (SOBJ_UNLIKELY(place == NULL))
        return AGAIN;
    /* SeqCst: acquires the value; against stores to other places. */
    sobj_cell v = sobj_load_seq_cst(place);
    do {
        if (SOBJ_UNLIKELY(v == SOBJ_NO_CELL))
            return AGAIN;
        status = check(c, v, op);
        if (status != SOBJ_OK || v == c->value) { /* the very word: nothing to write */
            if (!sobj__list_unmoved(body, word, index))
                return AGAIN;
            if (status == SOBJ_OK && op == EXCHANGE)
                sobj__hand_out(c->out, v);
            return status;
        }
        SOBJ_PAUSE("list.store");
        status = exchange(l, body, word, place, &v, c);
    } while (status == SOBJ_MISMATCH);
    if (SOBJ_UNLIKELY(status != SOBJ_OK))
        return status;
    c->stored = true;
    SOBJ_PAUSE("list.stored");
    if (SOBJ_UNLIKELY(!sobj__list_unmoved(body, word, 0))) { /* I4b */
        sobj__lock_acquire(&l->lock);
        sobj__lock_release(&l->lock);
    }
    if (op == EXCHANGE)
        sobj__hand_out(c->out, v);
    sobj__cell_retire(v);
    return SOBJ_OK;
}

SOBJ_INLINE enum sobj_status change(struct sobj_object *obj, int64_t index,
                                    struct change *c, const enum op op)
{
    struct sobj__list *l = sobj__list_of(obj);
    enum sobj_status status = sobj__list_begin(l);

    if (SOBJ_LIKELY(status == SOBJ_OK))
        do
            status = attempt(l, index, c, op);
        while (SOBJ_UNLIKELY(status == AGAIN));
    sobj__write_end();
    if (!c->stored && op != INCREMENT)
        sobj_cell_unref(c->value);
    return status;
}

enum sobj_status sobj_list_set(struct sobj_object *l, int64_t index, sobj_cell value)
{
    struct change c = {.value = value,
                       .locked = index < 0 || sobj_cell_is_hosted(value)};

    return change(l, index, &c, SET);
}

enum sobj_status sobj_list_exchange(struct sobj_object *l, int64_t index,
                                    sobj_cell value, struct sobj_out *out)
{
    struct change c = {
        .value = value, .out = out, .locked = index < 0 || sobj_cell_is_hosted(value)};

    return change(l, index, &c, EXCHANGE);
}

enum sobj_status sobj_list_compare_and_set(struct sobj_object *l, int64_t index,
                                           sobj_cell expected, sobj_cell desired)
{
    struct change c = {.value = desired,
                       .operand = expected,
                       .locked = index < 0 || sobj_cell_is_hosted(desired)};

    return change(l, index, &c, COMPARE);
}

enum sobj_status sobj_list_increment(struct sobj_object *l, int64_t index, sobj_cell n,
                                     sobj_cell *sum)
{
    struct change c = {.operand = n, .locked = index < 0};
    enum sobj_status status = change(l, index, &c, INCREMENT);

    *sum = c.value;
    return status;
}

/* ---- life */

static void list_destroy(struct sobj_object *obj)
{
    struct sobj__list *l = sobj__list_of(obj);

    sobj__list_body_drop(sobj__list_root(l));
    sobj__free(SOBJ_COUNT_BLOCKS, l, sizeof *l);
}

static void list_fork_child(struct sobj_object *obj)
{
    sobj__gate_fork_child(obj, &sobj__list_of(obj)->gate);
}

/* Needs: nobody uses the list any more. */
static size_t bytes_and_values(const struct sobj_object *obj)
{
    struct sobj__list_body *body = sobj__list_root(sobj__list_of(obj));

    return sizeof(struct sobj__list) + sobj__list_body_bytes(body) +
           sobj__list_values_bytes(body, sobj__list_all(body));
}

size_t sobj_list_bytes(const struct sobj_object *obj)
{
    struct sobj__list *l = sobj__list_of(obj);

    sobj__write_begin();
    sobj__lock_acquire(&l->lock);
    size_t bytes = sizeof *l + sobj__list_body_bytes(sobj__list_root(l));
    sobj__lock_release(&l->lock);
    sobj__write_end();
    return bytes;
}

static const struct sobj__type list_type = {
    .tag = SOBJ_TYPE_LIST,
    .name = "SharedList",
    .destroy = list_destroy,
    .fork_child = list_fork_child,
    .bytes = bytes_and_values,
};

enum sobj_status sobj_list_new(size_t expected, struct sobj_object **out)
{
    struct sobj__list *l = sobj__alloc_aligned(SOBJ_COUNT_BLOCKS, sizeof *l);
    struct sobj__list_body *body = NULL;

    if (l != NULL && expected <= SOBJ_LIST_MAX)
        body = sobj__list_body_empty(expected);
    if (body != NULL) {
        memset(l, 0, sizeof *l);
        atomic_init(&l->root, body);
        if (sobj__object_init(&l->header, &list_type) == SOBJ_OK) {
            *out = &l->header;
            return SOBJ_OK;
        }
        sobj__list_body_free(body);
    }
    sobj__free(SOBJ_COUNT_BLOCKS, l, sizeof *l);
    return SOBJ_NO_MEMORY;
}
