/* SPDX-License-Identifier: MIT */
/* List: a sequence of cells whose items can be read and stored without a lock.
 *
 * Every operation is atomic (linearizable). Operation by operation:
 *
 *                          progress      allocates            waits for
 *   get len                lock-free     never                nothing
 *   set exchange           lock-free (+) never                nothing (*)
 *   compare_and_set
 *   increment
 *   push pop               a spin lock   sometimes a segment  its turn (*)
 *   extend delete_slice    a spin lock   segments             its turn (*)
 *   of few items, at the end
 *   clear replace          a spin lock   a new body           its turn (*)
 *   insert delete assign   a gate        a new body           its turn, and a grace period
 *   delete_if reverse
 *   repeat permute
 *   large extend
 *   freeze copy            a gate        the copy             its turn, and a grace period
 *
 * (+) Stores whose index counts from the end, and those of a value that the host may be
 * unable to make (sobj_cell_is_hosted), take the spin lock for their exchange.
 * (*) Changes wait while an operation that shifts (a gate) is under way: for one grace
 * period, usually some tens of microseconds, and as long as it takes to copy the words
 * of the list. Reads never wait: they see the old list or the new one.
 */
#ifndef SHAREDOBJ_LIST_H
#define SHAREDOBJ_LIST_H

#include "sharedobj/value.h"

/* More items than this are FULL. */
#define SOBJ_LIST_MAX (((uint64_t)1 << 40) - 1)

/* A slice as the user gave it, not yet adjusted to a length: that is done at the moment
 * of the operation. `step` is not 0; absent bounds are INT64_MIN and INT64_MAX (the
 * other way round for a negative step). */
struct sobj_slice {
    int64_t start, stop, step;
};
/* Adjusts to a length, as Python's slice.indices does. Returns: the number of items. */
uint64_t sobj_slice_adjust(struct sobj_slice *slice, uint64_t len);

/* Returns: OK and a new reference in `*out`, or NO_MEMORY. `expected` items can be added
 * without an allocation. */
enum sobj_status sobj_list_new(size_t expected, struct sobj_object **out);

/* Indexes below 0 count from the end as it is at the moment of the operation; one that
 * is out of range is NOT_FOUND. Cells given to these functions are references that are
 * always consumed, unless said otherwise. `out` (value.h) may be NULL where a
 * caller does not want the value. A frozen list answers FROZEN. */

/* Returns: OK and the value, or NOT_FOUND. */
enum sobj_status sobj_list_get(struct sobj_object *l, int64_t index,
                               struct sobj_out *out);
/* Returns: the word of an item; SOBJ_NO_CELL: there is none. An immediate is the value. A
 * pointer may be gone by now: all it is good for is to compare it with one that the
 * caller has a reference to, which therefore names the same value. */
sobj_cell sobj_list_look(struct sobj_object *l, int64_t index);
/* Gets up to `n` items from `index` (not below 0) on, each at a moment of its own, but
 * all of one body: a shift that happens meanwhile is seen by all of them or none.
 * `take` of `outs[k]` is called as in sobj_list_get. Returns: how many there were. */
size_t sobj_list_get_many(struct sobj_object *l, uint64_t index, size_t n,
                          struct sobj_out *outs);
/* Returns: the number of items at this moment. Progress: wait-free. */
uint64_t sobj_list_len(const struct sobj_object *l);
/* Returns: bytes held by the list itself, without values; exact at rest. */
size_t sobj_list_bytes(const struct sobj_object *l);

/* Returns: OK, NOT_FOUND, FROZEN. */
enum sobj_status sobj_list_set(struct sobj_object *l, int64_t index, sobj_cell value);
/* Stores and hands out what was there. Returns: OK and the old value; NOT_FOUND, FROZEN;
 * BAD_OPERAND if `out` wants the value and the host may be unable to make it
 * (sobj_cell_is_hosted): nothing has changed, and the host makes it first and comes
 * again with compare_and_set. */
enum sobj_status sobj_list_exchange(struct sobj_object *l, int64_t index,
                                    sobj_cell value, struct sobj_out *out);
/* Stores `desired` if the value is the same as `expected` (sobj_cell_same), which is
 * borrowed. Returns: OK, MISMATCH, NOT_FOUND, FROZEN. */
enum sobj_status sobj_list_compare_and_set(struct sobj_object *l, int64_t index,
                                           sobj_cell expected, sobj_cell desired);
/* Adds the immediate number `n`. Returns: OK and the sum in `*sum`; BAD_OPERAND if the
 * value is no immediate number, OVERFLOW if the sum is not an immediate (the host may do
 * both by compare_and_set); NOT_FOUND, FROZEN. Nothing has changed unless OK. */
enum sobj_status sobj_list_increment(struct sobj_object *l, int64_t index, sobj_cell n,
                                     sobj_cell *sum);

/* Appends. `index` may be NULL. Returns: OK and where it is; NO_MEMORY, FULL, FROZEN. */
enum sobj_status sobj_list_push(struct sobj_object *l, sobj_cell value,
                                uint64_t *index);
/* Appends all of them at one moment. Returns: OK, NO_MEMORY, FULL, FROZEN; the cells are
 * consumed in any case. */
enum sobj_status sobj_list_extend(struct sobj_object *l, const sobj_cell *cells,
                                  size_t n);
/* Removes an item and hands it out; -1 is the last one and costs O(1), others O(n).
 * Returns: OK; EMPTY: there are none; NOT_FOUND; BAD_OPERAND as exchange (come again
 * with delete_if); NO_MEMORY, FROZEN. */
enum sobj_status sobj_list_pop(struct sobj_object *l, int64_t index,
                               struct sobj_out *out);
/* Removes the item at `index` if it is the same as `expected`, which is borrowed.
 * Returns: OK, MISMATCH, NOT_FOUND, NO_MEMORY, FROZEN. */
enum sobj_status sobj_list_delete_if(struct sobj_object *l, int64_t index,
                                     sobj_cell expected);
/* Inserts before `index`, clamped to the list. Returns: OK, NO_MEMORY, FULL, FROZEN. */
enum sobj_status sobj_list_insert(struct sobj_object *l, int64_t index,
                                  sobj_cell value);
/* Removes one item. Returns: OK, NOT_FOUND, NO_MEMORY, FROZEN. */
enum sobj_status sobj_list_delete(struct sobj_object *l, int64_t index);
/* Puts `n` cells in the place of a slice. Returns: OK, NO_MEMORY, FULL, FROZEN;
 * BAD_OPERAND if the step is not 1 and the slice does not have `n` items: `*have` says
 * how many it has. The cells are consumed in any case. */
enum sobj_status sobj_list_assign(struct sobj_object *l, const struct sobj_slice *slice,
                                  const sobj_cell *cells, size_t n, uint64_t *have);
/* Returns: OK, NO_MEMORY, FROZEN. */
enum sobj_status sobj_list_delete_slice(struct sobj_object *l,
                                        const struct sobj_slice *slice);
/* Removes everything at one moment. Returns: OK, NO_MEMORY, FROZEN. */
enum sobj_status sobj_list_clear(struct sobj_object *l);
/* Makes these the content, at one moment. Returns: OK, NO_MEMORY, FULL, FROZEN; the
 * cells are consumed in any case. */
enum sobj_status sobj_list_replace(struct sobj_object *l, const sobj_cell *cells,
                                   size_t n);

/* ---- drafts: many cells, in the form in which a list keeps them. A draft that becomes the
 * content of a list is not copied for that. */
struct sobj_list_draft;
/* Returns: a draft of `n` cells, which are anything; NULL on no memory. */
struct sobj_list_draft *sobj_list_draft_new(size_t n);
/* Returns: where cell `at` lies; `*n` is lowered to what lies in a row from there on.
 * Needs: `at` is below the number of cells. */
sobj_cell *sobj_list_draft_row(struct sobj_list_draft *draft, size_t at, size_t *n);
/* Frees a draft, but no references that have been written to it. */
void sobj_list_draft_free(struct sobj_list_draft *draft);
/* As sobj_list_extend and sobj_list_replace. Need: all cells have been written. They are
 * consumed in any case, and the draft, too. */
enum sobj_status sobj_list_extend_draft(struct sobj_object *l,
                                        struct sobj_list_draft *draft);
enum sobj_status sobj_list_replace_draft(struct sobj_object *l,
                                         struct sobj_list_draft *draft);

/* Returns: OK, NO_MEMORY, FROZEN. */
enum sobj_status sobj_list_reverse(struct sobj_object *l);
/* Makes it `times` as long, by repetition; 0 clears. Returns: OK, NO_MEMORY, FULL,
 * FROZEN. */
enum sobj_status sobj_list_repeat(struct sobj_object *l, uint64_t times);
/* Makes it read-only for good. When this returns, and from the moment at which anybody
 * has seen that it is frozen, no change takes effect any more. */
void sobj_list_freeze(struct sobj_object *l);
bool sobj_list_frozen(const struct sobj_object *l);

/* ---- the content of one moment */
struct sobj_list_copy {
    uint64_t len;
    sobj_cell *cells; /* references; NULL if there are none */
    bool pointers;    /* some of the cells are no immediates */
};
/* Copies the words of the items of a slice (NULL: all) at one moment. Needs: the caller
 * ends it with sobj_list_copy_fini. Returns: OK, or NO_MEMORY.
 * Blocks: as an operation that shifts; not if the list is frozen. */
enum sobj_status sobj_list_copy_init(struct sobj_list_copy *copy, struct sobj_object *l,
                                     const struct sobj_slice *slice);
void sobj_list_copy_fini(struct sobj_list_copy *copy);
/* If the content of the list is still that of the copy (cell by cell the same word),
 * makes it `cells`, which are the words of the copy in another order. This is how a host
 * sorts: with nothing held. Returns: OK, MISMATCH, NO_MEMORY, FROZEN. */
enum sobj_status sobj_list_permute(struct sobj_object *l,
                                   const struct sobj_list_copy *copy,
                                   const sobj_cell *cells);

/* ---- pins: how a host looks at an item again without a section.
 *
 * A pin is a reference to the memory in which the present content of a list lies, as far
 * as its first SOBJ_LIST_PINNED items go: that stays readable, whatever happens to the
 * list, which drops its items all the same. While it is the content,
 *
 *     cell = sobj_list_pin_look(pin, index, place);
 *     if (cell != SOBJ_NO_CELL)
 *         cell is item `index` at this moment
 *     else
 *         nothing follows: ask the list
 *
 * As with sobj_list_look, an immediate is the value, and a pointer may be compared. An
 * operation that moves items makes another content; the host should then end the pin,
 * which holds up to 8 bytes for each of these items. All but the end of a pin need the
 * list; threads that use one exclude each other. */
#define SOBJ_LIST_PINNED 4032u

struct sobj_list_pin {
    void *const *root; /* says which content is the present one: */
    void *content;     /* this, if it is the pin's */
    const uint64_t
        *word; /* the length up to SOBJ_LIST_MAX, and above it the removals */
    const uint64_t *renewals; /* where it is said that they may have gone round */
    uint64_t renewed;         /* what was said there */
};

/* Returns: false: not now. Never blocks. */
bool sobj_list_pin_init(struct sobj_list_pin *pin, struct sobj_object *l);
/* Returns: whether the pin's content is the present one. To be asked now and then when
 * nothing followed from a look. */
bool sobj_list_pin_renew(struct sobj_list_pin *pin);
/* Returns: where item `index` lies as long as there is the pin; NULL: the pin does not
 * keep it. */
const sobj_cell *sobj_list_pin_place(const struct sobj_list_pin *pin, uint64_t index);
/* Ends the pin. The list itself may be gone. */
void sobj_list_pin_fini(struct sobj_list_pin *pin);

/* See above. `place` is that of `index`. Progress: wait-free. */
static inline sobj_cell sobj_list_pin_look(const struct sobj_list_pin *pin,
                                           uint64_t index, const sobj_cell *place)
{
    /* SeqCst: the first load; against stores of others to other places, as those of
     * every read. */
    const void *content = __atomic_load_n(pin->root, __ATOMIC_SEQ_CST);
    /* SeqCst: as above; acquires what was published, and precedes the cell. */
    uint64_t word = __atomic_load_n(pin->word, __ATOMIC_SEQ_CST);
    /* SeqCst: as above; precedes the second look at the word. */
    sobj_cell cell = __atomic_load_n(place, __ATOMIC_SEQ_CST);
    /* Acquire: what precedes a removal that is seen here is seen below. */
    uint64_t moved = word ^ __atomic_load_n(pin->word, __ATOMIC_ACQUIRE);
    /* Relaxed: the last load, by the acquire above. */
    uint64_t renewed = __atomic_load_n(pin->renewals, __ATOMIC_RELAXED);

    return content == pin->content && index < (word & SOBJ_LIST_MAX) &&
                   moved <= SOBJ_LIST_MAX && renewed == pin->renewed
               ? cell
               : SOBJ_NO_CELL;
}

#endif
