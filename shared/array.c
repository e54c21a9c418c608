/* SPDX-License-Identifier: MIT */
/* L3: Array; contract in include/sharedobj/array.h.
 *
 *     line 0    core header (refs, mode, type, id, arena) | items, len, kind
 *     line 1... the items, as the machine has them
 *
 * Line 0 does not change but for references, so those who read it for each operation do
 * not disturb each other. Items lie as close as in any array, because that is what users
 * of the block expect: threads that write neighbours share a cache line, and who minds
 * leaves room between them.
 *
 *   G1  Every number an item ever has is the result of one operation (or of who uses the
 *       block as plain memory). So an addition is a compare-and-swap whose new value has
 *       been checked; a fetch-and-add would show what does not fit before it could be
 *       taken back. (shared/atomic_int.c avoids the loop by a second word, for which
 *       there is no room here.)
 *   I1  An item is always accessed with the width it has, so that neighbours are never
 *       written, not even with what they were.
 *   I2  Of the bits of an item, `bits`, only those of its width may be set; what they
 *       mean says `kind`. Two items are the same if their bits are.
 *   O1  All accesses to items are sequentially consistent: operations on items, and on
 *       AtomicInts, are in one order that everybody agrees on. (arm64: the load is one
 *       that acquires, the store one that releases, and the former does not pass the
 *       latter; the others are exclusive pairs of both kinds.) They pair with each
 *       other: who reads a number that somebody stored sees what he had done before.
 *
 * A single step on an item needs no section: the caller's reference keeps the block, and
 * a fork finds each item as it was before the step or after.
 *
 * Progress: get and set wait-free, the others lock-free: a compare-and-swap fails only
 * when another one on that item has been successful.
 */
#include "sharedobj/array.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "alloc.h"
#include "object.h"

struct array {
    struct sobj_object head;
    struct sobj_array_layout layout;
    SOBJ_ALIGNED unsigned char items[];
};

_Static_assert(sizeof(struct array) == SOBJ_CACHE_LINE, "one line before the items");
_Static_assert(ATOMIC_CHAR_LOCK_FREE == 2 && ATOMIC_SHORT_LOCK_FREE == 2 &&
                   ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
               "items of every width are accessed without locks");
_Static_assert(sizeof(_Atomic(uint8_t)) == 1 && sizeof(_Atomic(uint16_t)) == 2 &&
                   sizeof(_Atomic(uint32_t)) == 4 && sizeof(_Atomic(uint64_t)) == 8,
               "atomic items are as large as plain ones");
_Static_assert(sizeof(float) == 4 && sizeof(double) == 8, "IEEE numbers");

#define SIGNED(letter, type, least, greatest)                                          \
    {letter, SOBJ_ARRAY_SIGNED, sizeof(type), least, (uint64_t)(greatest)}
#define UNSIGNED(letter, type, greatest)                                               \
    {letter, SOBJ_ARRAY_UNSIGNED, sizeof(type), 0, greatest}
#define FLOAT(letter, type) {letter, SOBJ_ARRAY_FLOAT, sizeof(type), 0, 0}

/* In the order of SOBJ_ARRAY_TYPECODES. */
static const struct sobj_array_kind kinds[] = {
    SIGNED("b", signed char, SCHAR_MIN, SCHAR_MAX),
    UNSIGNED("B", unsigned char, UCHAR_MAX),
    SIGNED("h", short, SHRT_MIN, SHRT_MAX),
    UNSIGNED("H", unsigned short, USHRT_MAX),
    SIGNED("i", int, INT_MIN, INT_MAX),
    UNSIGNED("I", unsigned int, UINT_MAX),
    SIGNED("l", long, LONG_MIN, LONG_MAX),
    UNSIGNED("L", unsigned long, ULONG_MAX),
    SIGNED("q", long long, LLONG_MIN, LLONG_MAX),
    UNSIGNED("Q", unsigned long long, ULLONG_MAX),
    FLOAT("f", float),
    FLOAT("d", double),
};

const struct sobj_array_kind *sobj_array_kind(char typecode)
{
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if (kinds[k].format[0] == typecode)
            return &kinds[k];
    }
    return NULL;
}

/* ---- items as bits; I1, I2 */

SOBJ_INLINE struct array *from(const struct sobj_object *obj)
{
    return (struct array *)(void *)obj;
}

SOBJ_INLINE void *item_at(const struct array *a, size_t index)
{
    sobj_assert_test(index < (size_t)a->layout.len);
    return (unsigned char *)a->layout.items + index * (size_t)a->layout.kind->item_size;
}

SOBJ_INLINE uint64_t load(const void *item, ptrdiff_t size)
{
    void *p = (void *)item;

    switch (size) { /* SeqCst: O1, all of them. */
    case 1:
        return sobj_load_seq_cst((_Atomic(uint8_t) *)p);
    case 2:
        return sobj_load_seq_cst((_Atomic(uint16_t) *)p);
    case 4: /* SeqCst: O1. */
        return sobj_load_seq_cst((_Atomic(uint32_t) *)p);
    default:
        return sobj_load_seq_cst((_Atomic(uint64_t) *)p);
    }
}

SOBJ_INLINE void store(void *item, ptrdiff_t size, uint64_t bits)
{
    switch (size) { /* SeqCst: O1, all of them. */
    case 1:
        sobj_store_seq_cst((_Atomic(uint8_t) *)item, (uint8_t)bits);
        break;
    case 2: /* SeqCst: O1. */
        sobj_store_seq_cst((_Atomic(uint16_t) *)item, (uint16_t)bits);
        break;
    case 4: /* SeqCst: O1. */
        sobj_store_seq_cst((_Atomic(uint32_t) *)item, (uint32_t)bits);
        break;
    default: /* SeqCst: O1. */
        sobj_store_seq_cst((_Atomic(uint64_t) *)item, bits);
    }
}

/* Returns: what was there. */
SOBJ_INLINE uint64_t swap(void *item, ptrdiff_t size, uint64_t bits)
{
    switch (size) { /* SeqCst: O1, all of them. */
    case 1:
        return sobj_swap_seq_cst((_Atomic(uint8_t) *)item, (uint8_t)bits);
    case 2:
        return sobj_swap_seq_cst((_Atomic(uint16_t) *)item, (uint16_t)bits);
    case 4: /* SeqCst: O1. */
        return sobj_swap_seq_cst((_Atomic(uint32_t) *)item, (uint32_t)bits);
    default:
        return sobj_swap_seq_cst((_Atomic(uint64_t) *)item, bits);
    }
}

/* Returns: whether `*seen` was there, and `bits` is now. If not, `*seen` is what was. */
SOBJ_INLINE bool swap_if(void *item, ptrdiff_t size, uint64_t *seen, uint64_t bits)
{
    bool done;

    switch (size) {
    case 1: {
        uint8_t there = (uint8_t)*seen; /* SeqCst: O1. */
        done = sobj_cas_seq_cst((_Atomic(uint8_t) *)item, &there, (uint8_t)bits);
        *seen = there;
        break;
    }
    case 2: {
        uint16_t there = (uint16_t)*seen; /* SeqCst: O1. */
        done = sobj_cas_seq_cst((_Atomic(uint16_t) *)item, &there, (uint16_t)bits);
        *seen = there;
        break;
    }
    case 4: {
        uint32_t there = (uint32_t)*seen; /* SeqCst: O1. */
        done = sobj_cas_seq_cst((_Atomic(uint32_t) *)item, &there, (uint32_t)bits);
        *seen = there;
        break;
    }
    default: {
        uint64_t there = (uint64_t)*seen; /* SeqCst: O1. */
        done = sobj_cas_seq_cst((_Atomic(uint64_t) *)item, &there, (uint64_t)bits);
        *seen = there;
        break;
    }
    }
    return done;
}

/* The same for memory that is nobody else's. */
SOBJ_INLINE void put(void *item, ptrdiff_t size, uint64_t bits)
{
    switch (size) {
    case 1:
        *(uint8_t *)item = (uint8_t)bits;
        break;
    case 2:
        *(uint16_t *)item = (uint16_t)bits;
        break;
    case 4:
        *(uint32_t *)item = (uint32_t)bits;
        break;
    default:
        *(uint64_t *)item = bits;
    }
}

SOBJ_INLINE uint64_t take(const void *item, ptrdiff_t size)
{
    switch (size) {
    case 1:
        return *(const uint8_t *)item;
    case 2:
        return *(const uint16_t *)item;
    case 4:
        return *(const uint32_t *)item;
    default:
        return *(const uint64_t *)item;
    }
}

/* ---- bits and numbers */

SOBJ_INLINE union sobj_number to_number(const struct sobj_array_kind *kind,
                                        uint64_t bits)
{
    unsigned unused = 64 - 8 * (unsigned)kind->item_size;
    union sobj_number number = {.u = bits};

    if (kind->class == SOBJ_ARRAY_SIGNED) {
        number.i = (int64_t)(bits << unused) >> unused;
    } else if (kind->class == SOBJ_ARRAY_FLOAT && unused != 0) {
        uint32_t half = (uint32_t)bits;
        float f;
        memcpy(&f, &half, sizeof f);
        number.d = (double)f;
    }
    return number;
}

/* Returns: whether the number fits. */
SOBJ_INLINE bool to_bits(const struct sobj_array_kind *kind, union sobj_number number,
                         uint64_t *bits)
{
    unsigned unused = 64 - 8 * (unsigned)kind->item_size;

    if (kind->class == SOBJ_ARRAY_SIGNED) {
        *bits = number.u << unused >> unused;
        return number.i >= kind->least && number.i <= (int64_t)kind->greatest;
    }
    *bits = number.u;
    if (kind->class == SOBJ_ARRAY_UNSIGNED)
        return number.u <= kind->greatest;
    if (unused != 0) {
        float f = (float)number.d;
        uint32_t half;
        memcpy(&half, &f, sizeof half);
        *bits = half;
        return !isinf(f) || isinf(number.d);
    }
    return true;
}

/* Returns: whether the sum is one that 64 bits can hold. */
SOBJ_INLINE bool add(const struct sobj_array_kind *kind, union sobj_number old,
                     union sobj_number n, union sobj_number *sum)
{
    switch (kind->class) {
    case SOBJ_ARRAY_SIGNED:
        return !__builtin_add_overflow(old.i, n.i, &sum->i);
    case SOBJ_ARRAY_UNSIGNED:
        return !__builtin_add_overflow(old.u, n.i, &sum->u);
    case SOBJ_ARRAY_FLOAT:
        break;
    }
    sum->d = old.d + n.d;
    return true;
}

SOBJ_INLINE bool less(const struct sobj_array_kind *kind, union sobj_number a,
                      union sobj_number b)
{
    switch (kind->class) {
    case SOBJ_ARRAY_SIGNED:
        return a.i < b.i;
    case SOBJ_ARRAY_UNSIGNED:
        return a.u < b.u;
    case SOBJ_ARRAY_FLOAT:
        break;
    }
    return a.d < b.d;
}

enum sobj_status sobj_array_pack(const struct sobj_array_kind *kind,
                                 union sobj_number number, void *item)
{
    uint64_t bits;

    if (!to_bits(kind, number, &bits))
        return SOBJ_OVERFLOW;
    put(item, kind->item_size, bits);
    return SOBJ_OK;
}

/* ---- life */

size_t sobj_array_bytes(const struct sobj_object *obj)
{
    const struct sobj_array_layout *layout = &from(obj)->layout;

    return sizeof(struct array) + (size_t)(layout->len * layout->kind->item_size);
}

static void destroy(struct sobj_object *obj)
{
    sobj__free_table(obj, sobj_array_bytes(obj));
}

static const struct sobj__type type = {
    .tag = SOBJ_TYPE_ARRAY,
    .name = "SharedArray",
    .destroy = destroy,
    .bytes = sobj_array_bytes,
};

/* Returns: an array of zeros that nobody else can find; NULL on no memory. */
static struct array *make(const struct sobj_array_kind *kind, size_t len)
{
    struct array *a;

    if (len > (PTRDIFF_MAX - sizeof *a) / (size_t)kind->item_size)
        return NULL;
    a = sobj__alloc_table(sizeof *a + len * (size_t)kind->item_size);
    if (a != NULL)
        a->layout = (struct sobj_array_layout){a->items, (ptrdiff_t)len, kind};
    return a;
}

/* Lets others find it. Returns: OK; NO_MEMORY: the array is gone. */
static enum sobj_status publish(struct array *a, struct sobj_object **out)
{
    enum sobj_status status = sobj__object_init(&a->head, &type);

    if (status == SOBJ_OK)
        *out = &a->head;
    else
        destroy(&a->head);
    return status;
}

enum sobj_status sobj_array_new(const struct sobj_array_kind *kind, size_t len,
                                const void *items, struct sobj_object **out)
{
    struct array *a = make(kind, len);

    if (a == NULL)
        return SOBJ_NO_MEMORY;
    if (items != NULL && len != 0)
        memcpy(a->items, items, len * (size_t)kind->item_size);
    return publish(a, out);
}

const struct sobj_array_layout *sobj_array_layout(const struct sobj_object *obj)
{
    return &from(obj)->layout;
}

/* ---- one item */

union sobj_number sobj_array_get(const struct sobj_object *obj, size_t index)
{
    struct array *a = from(obj);
    const struct sobj_array_kind *kind = a->layout.kind;

    return to_number(kind, load(item_at(a, index), kind->item_size));
}

enum sobj_status sobj_array_set(struct sobj_object *obj, size_t index,
                                union sobj_number value)
{
    struct array *a = from(obj);
    const struct sobj_array_kind *kind = a->layout.kind;
    uint64_t bits;

    if (!to_bits(kind, value, &bits))
        return SOBJ_OVERFLOW;
    store(item_at(a, index), kind->item_size, bits);
    return SOBJ_OK;
}

enum sobj_status sobj_array_exchange(struct sobj_object *obj, size_t index,
                                     union sobj_number value, union sobj_number *old)
{
    struct array *a = from(obj);
    const struct sobj_array_kind *kind = a->layout.kind;
    uint64_t bits;

    if (!to_bits(kind, value, &bits))
        return SOBJ_OVERFLOW;
    *old = to_number(kind, swap(item_at(a, index), kind->item_size, bits));
    return SOBJ_OK;
}

enum sobj_status sobj_array_compare_and_set(struct sobj_object *obj, size_t index,
                                            union sobj_number expected,
                                            union sobj_number desired)
{
    struct array *a = from(obj);
    const struct sobj_array_kind *kind = a->layout.kind;
    void *item = item_at(a, index);
    uint64_t bits, seen;

    if (!to_bits(kind, desired, &bits))
        return SOBJ_OVERFLOW;
    seen = load(item, kind->item_size);
    do {
        /* Bits of a double, also where the item is a float: 0.1 is not the float that is
         * next to it. */
        if (to_number(kind, seen).u != expected.u)
            return SOBJ_MISMATCH;
        SOBJ_PAUSE("array.compare_and_set");
    } while (!swap_if(item, kind->item_size, &seen, bits));
    return SOBJ_OK;
}

enum sobj_status sobj_array_add(struct sobj_object *obj, size_t index,
                                union sobj_number n, union sobj_number *sum)
{
    struct array *a = from(obj);
    const struct sobj_array_kind *kind = a->layout.kind;
    void *item = item_at(a, index);
    uint64_t seen = load(item, kind->item_size), bits;
    union sobj_number new;

    do {
        if (!add(kind, to_number(kind, seen), n, &new) || !to_bits(kind, new, &bits))
            return SOBJ_OVERFLOW;
        SOBJ_PAUSE("array.add");
    } while (!swap_if(item, kind->item_size, &seen, bits));
    *sum = to_number(kind, bits);
    return SOBJ_OK;
}

/* Stores `value` while it is beyond what is there: above or below. */
SOBJ_INLINE enum sobj_status bound(struct sobj_object *obj, size_t index,
                                   union sobj_number value, bool above,
                                   union sobj_number *old)
{
    struct array *a = from(obj);
    const struct sobj_array_kind *kind = a->layout.kind;
    void *item = item_at(a, index);
    uint64_t bits, seen;

    if (!to_bits(kind, value, &bits))
        return SOBJ_OVERFLOW;
    seen = load(item, kind->item_size);
    do {
        *old = to_number(kind, seen);
        if (above ? !less(kind, *old, value) : !less(kind, value, *old))
            return SOBJ_OK;
        SOBJ_PAUSE("array.bound");
    } while (!swap_if(item, kind->item_size, &seen, bits));
    return SOBJ_OK;
}

enum sobj_status sobj_array_max(struct sobj_object *obj, size_t index,
                                union sobj_number value, union sobj_number *old)
{
    return bound(obj, index, value, true, old);
}

enum sobj_status sobj_array_min(struct sobj_object *obj, size_t index,
                                union sobj_number value, union sobj_number *old)
{
    return bound(obj, index, value, false, old);
}

/* ---- several items */

void sobj_array_read(const struct sobj_object *obj, size_t first, ptrdiff_t step,
                     size_t count, void *items)
{
    const struct array *a = from(obj);
    ptrdiff_t size = a->layout.kind->item_size;
    unsigned char *to = items;

    for (size_t k = 0; k < count; k++, to += size)
        put(to, size, load(item_at(a, first + k * (size_t)step), size));
}

void sobj_array_write(struct sobj_object *obj, size_t first, ptrdiff_t step,
                      size_t count, const void *items)
{
    struct array *a = from(obj);
    ptrdiff_t size = a->layout.kind->item_size;
    const unsigned char *next = items;

    for (size_t k = 0; k < count; k++, next += size)
        store(item_at(a, first + k * (size_t)step), size, take(next, size));
}

enum sobj_status sobj_array_copy(const struct sobj_object *obj, size_t first,
                                 ptrdiff_t step, size_t count, struct sobj_object **out)
{
    struct array *a = make(from(obj)->layout.kind, count);

    if (a == NULL)
        return SOBJ_NO_MEMORY;
    sobj_array_read(obj, first, step, count, a->items);
    return publish(a, out);
}
