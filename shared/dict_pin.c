/* SPDX-License-Identifier: MIT */
/* L3: pins of the dict; contract in sharedobj/dict.h, invariants P1 and W3 in
 * dict_internal.h. Pins are taken in dict.c, where keys are looked up.
 *
 * A pin is a node with one more reference. After P. E. McKenney's rule for leaving a
 * read section with a pointer ("Is Parallel Programming Hard", chapter 9): the count is
 * raised inside the section that protects the node, so that it cannot be 0 by then.
 *
 * A store through a pin is the change of `change_live` in dict.c at a place that needs no
 * search, and it tells those who wait for the key in the same way (K1). Any other bit in
 * the mode word of the dict sends the caller to the ordinary operation, which knows what
 * it means. Nor does it help a migration; who searches a table does.
 */
#include "dict_watch.h"

_Static_assert(offsetof(struct sobj__node, value) ==
                       offsetof(struct sobj_dict_pin, value) &&
                   sizeof(_Atomic(sobj_cell)) == sizeof(sobj_cell) &&
                   sizeof(_Atomic(uint64_t)) == sizeof(uint64_t),
               "hosts read the value of a pin, and the content, as plain words");

SOBJ_INLINE struct sobj__node *node_of(const struct sobj_dict_pin *pin)
{
    return (struct sobj__node *)(uintptr_t)pin;
}

const uint64_t *sobj_dict_content(const struct sobj_object *d)
{
    return (const uint64_t *)(const void *)&sobj__dict_of(d)->content;
}

/* P1. Needs: a section. */
SOBJ_INLINE bool is_current(struct sobj_object *obj, uint64_t content)
{
    /* Acquire: what is read through the pin afterwards is of this content or later. */
    return sobj_load_acquire(&sobj__dict_of(obj)->content) == content;
}

/* Whether a change through a pin of `content` may be made now. Needs: a write section. */
SOBJ_INLINE bool is_plain(struct sobj_object *obj, uint64_t content)
{
    return (sobj__mode(obj) & ~(uint64_t)SOBJ__WATCHED) == 0 &&
           is_current(obj, content);
}

enum sobj_status sobj_dict_pin_get(struct sobj_object *obj,
                                   const struct sobj_dict_pin *pin, uint64_t content,
                                   struct sobj_out *out)
{
    enum sobj_status status = SOBJ_STALE;

    sobj__read_begin();
    if (SOBJ_LIKELY(is_current(obj, content))) {
        SOBJ_PAUSE("dict.pin_get");
        /* Acquire: pairs with the CAS that stored it. */
        sobj_cell v = sobj_load_acquire(&node_of(pin)->value);
        if (SOBJ_LIKELY(!sobj__is_mark(v))) {
            out->cell = v;
            if (sobj_is_pointer(v))
                out->take(out);
            status = SOBJ_OK;
        }
    }
    sobj__read_end();
    return status;
}

enum sobj_status sobj_dict_pin_set(struct sobj_object *obj, struct sobj_dict_pin *pin,
                                   uint64_t content, sobj_cell value)
{
    struct sobj__node *n = node_of(pin);
    enum sobj_status status = SOBJ_STALE;
    uint64_t hash = 0;
    bool stored = false, retired = false;

    /* A closed gate would let go of the host's lock, and then of the pin. */
    if (SOBJ_UNLIKELY(!sobj__write_try()))
        return SOBJ_STALE;
    if (SOBJ_LIKELY(is_plain(obj, content))) {
        /* Acquire: as in sobj_dict_pin_get. */
        sobj_cell v = sobj_load_acquire(&n->value);
        while (SOBJ_LIKELY(!sobj__is_mark(v))) {
            SOBJ_PAUSE("dict.pin_set");
            /* SeqCst: publishes the value's blob; the change happens here (K1). */
            stored = v != value && sobj_cas_seq_cst(&n->value, &v, value);
            if (stored) {
                retired = sobj_is_pointer(v);
                sobj__cell_retire(v);
                hash = n->hash;
            }
            if (SOBJ_LIKELY(stored || v == value)) {
                status = SOBJ_OK;
                break;
            }
        }
    }
    if (SOBJ_UNLIKELY(retired))
        sobj__write_end();
    else
        sobj__write_end_clean();
    if (SOBJ_LIKELY(stored))
        sobj__dict_changed(sobj__dict_of(obj), hash);
    else if (status == SOBJ_OK)
        sobj_cell_unref(value);
    return status;
}

/* Returns: OK and the sum, the change made; BAD_OPERAND, OVERFLOW, or STALE: none made; and
 * whether the number has become another. Needs: a section in which the pin was current. */
SOBJ_INLINE enum sobj_status add_to(struct sobj__node *n, sobj_cell n_cell,
                                    sobj_cell *sum, bool *stored)
{
    enum sobj_status status;
    /* Acquire: as in sobj_dict_pin_get. */
    sobj_cell v = sobj_load_acquire(&n->value);

    *stored = false;
    do {
        if (SOBJ_UNLIKELY(sobj__is_mark(v)))
            return SOBJ_STALE;
        status = sobj__cells_add(v, n_cell, sum);
        if (SOBJ_UNLIKELY(status != SOBJ_OK || v == *sum))
            return status;
        SOBJ_PAUSE("dict.pin_increment");
        /* SeqCst: the change happens here (K1). Both are immediate. */
        *stored = sobj_cas_seq_cst(&n->value, &v, *sum);
    } while (SOBJ_UNLIKELY(!*stored));
    return SOBJ_OK;
}

enum sobj_status sobj_dict_pin_increment(struct sobj_object *obj,
                                         struct sobj_dict_pin *pin, uint64_t content,
                                         sobj_cell n_cell, sobj_cell *sum)
{
    struct sobj__node *n = node_of(pin);
    enum sobj_status status = SOBJ_STALE;
    bool stored = false;

    if (SOBJ_UNLIKELY(!sobj__write_try())) /* as in sobj_dict_pin_set */
        return SOBJ_STALE;
    if (SOBJ_LIKELY(is_plain(obj, content)))
        status = add_to(n, n_cell, sum, &stored);
    sobj__write_end_clean();
    if (SOBJ_LIKELY(stored)) /* the host's lock was not let go of: the pin is there */
        sobj__dict_changed(sobj__dict_of(obj), n->hash);
    return status;
}

/* The wake-ups after some changes. Waking may let go of the host's lock, and then of the
 * pins: their hashes first. */
static SOBJ_NOINLINE void tell_row(struct sobj__dict *d,
                                   struct sobj_dict_pin *const *pins, size_t count)
{
    uint64_t hashes[SOBJ_DICT_ROW];

    for (size_t i = 0; i < count; i++)
        hashes[i] = node_of(pins[i])->hash;
    for (size_t i = 0; i < count; i++)
        sobj__watch_wake(d, hashes[i]);
}

size_t sobj_dict_pins_increment(struct sobj_object *obj,
                                struct sobj_dict_pin *const *pins, size_t count,
                                uint64_t content, sobj_cell n_cell)
{
    size_t done = 0;
    bool stored;
    sobj_cell sum;

    if (SOBJ_UNLIKELY(!sobj__write_try())) /* as in sobj_dict_pin_set */
        return 0;
    if (SOBJ_LIKELY(is_plain(obj, content))) {
        while (done < count && done < SOBJ_DICT_ROW &&
               add_to(node_of(pins[done]), n_cell, &sum, &stored) == SOBJ_OK)
            done++;
    }
    sobj__write_end_clean();
    /* One look serves them all: it is behind each of the changes (K1). */
    if (SOBJ_UNLIKELY(sobj__dict_watched(sobj__dict_of(obj))))
        tell_row(sobj__dict_of(obj), pins, done);
    return done;
}

struct sobj_dict_pin *sobj_entry_pin(const struct sobj_entry *entry)
{
    return sobj__pin(node_of(entry->place));
}

void sobj_dict_pin_drop(struct sobj_dict_pin *pin) { sobj__node_unref(node_of(pin)); }
