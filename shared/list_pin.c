/* SPDX-License-Identifier: MIT */
/* L3: pins of the list. Contract: sharedobj/list.h; why a look through a pin needs no
 * section: I10 in list_internal.h.
 *
 * After P. E. McKenney's rule for leaving a read section with a pointer ("Is Parallel
 * Programming Hard", chapter 9), as the pins of the dict: the count is raised inside the
 * section that protects the body, so that it cannot be 0 by then.
 */
#include <stddef.h>

#include "list_internal.h"

_Static_assert(sizeof(_Atomic(struct sobj__list_body *)) == sizeof(void *) &&
                   sizeof(_Atomic(uint64_t)) == sizeof(uint64_t),
               "hosts read root, word, renewals and cells as plain words");
_Static_assert((8u + (SOBJ__LIST_PINNED & 7)) << (3 + (SOBJ__LIST_PINNED >> 3)) ==
                   SOBJ_LIST_PINNED + 64u,
               "the first segment that pins do not keep begins there");

SOBJ_INLINE struct sobj__list_body *body_of(const struct sobj_list_pin *pin)
{
    return pin->content;
}

bool sobj_list_pin_init(struct sobj_list_pin *pin, struct sobj_object *obj)
{
    struct sobj__list *l = sobj__list_of(obj);

    /* What lets go of the host's lock would let others end what the pin is for. */
    if (!sobj__write_try())
        return false;
    sobj__lock_acquire(&l->lock);
    struct sobj__list_body *body = sobj__list_root(l);
    /* Relaxed: the body's own reference is there, and who trims takes the lock (I10). */
    sobj_add_relaxed(&body->refs, 1);
    sobj__lock_release(&l->lock);
    sobj__write_end_clean();
    pin->root = (void *const *)(const void *)&l->root;
    pin->content = body;
    pin->word = (const uint64_t *)(const void *)&body->word;
    pin->renewals = (const uint64_t *)(const void *)&l->renewals;
    (void)sobj_list_pin_renew(pin);
    return true;
}

bool sobj_list_pin_renew(struct sobj_list_pin *pin)
{
    /* Acquire: the next look begins after it. */
    pin->renewed = __atomic_load_n(pin->renewals, __ATOMIC_ACQUIRE);
    /* Relaxed: what is decided here is only whether to look again. */
    return __atomic_load_n(pin->root, __ATOMIC_RELAXED) == pin->content;
}

const sobj_cell *sobj_list_pin_place(const struct sobj_list_pin *pin, uint64_t index)
{
    struct sobj__list_body *body = body_of(pin);
    sobj__place_t *place = NULL;

    sobj__read_begin(); /* for the directory, of which there may be a larger one soon */
    if (index < SOBJ_LIST_PINNED && index < sobj__list_word_len(sobj__list_word(body)))
        place = sobj__list_place(body, index);
    sobj__read_end();
    return (const sobj_cell *)(const void *)place;
}

void sobj_list_pin_fini(struct sobj_list_pin *pin)
{
    sobj__list_body_unref(body_of(pin));
}
