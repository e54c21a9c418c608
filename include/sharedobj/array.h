/* SPDX-License-Identifier: MIT */
/* Array: a fixed number of numbers of one machine type, in one block that never moves.
 *
 * Every operation on one item is atomic and sequentially consistent, and none of them
 * makes a number visible that is not the result of an operation: overflow is found
 * before anything is stored. What works on several items is atomic for each of them, in
 * order.
 *
 * The block may also be used as plain memory (struct sobj_array_layout), by whoever holds
 * a reference. A plain load or store of one aligned item is what the machine makes of
 * it, which on all supported ones is the whole item; of a larger piece it may be a part
 * of an item at a time.
 *
 * Progress: get and set are wait-free, the others lock-free; what works on several items
 * takes that many steps. Nothing blocks, and nothing allocates but new and copy.
 */
#ifndef SHAREDOBJ_ARRAY_H
#define SHAREDOBJ_ARRAY_H

#include "sharedobj/object.h"

/* Which member of a union sobj_number the items are. */
enum sobj_array_class { SOBJ_ARRAY_SIGNED, SOBJ_ARRAY_UNSIGNED, SOBJ_ARRAY_FLOAT };

union sobj_number {
    int64_t i;
    uint64_t u;
    double d;
};

/* A type of items; static, const. */
struct sobj_array_kind {
    char format[2]; /* the typecode as a string */
    enum sobj_array_class class;
    ptrdiff_t item_size;
    int64_t least;     /* of ints */
    uint64_t greatest; /* of ints */
};

/* The typecodes: those of C's integers, signed and (in capitals) unsigned, `float` and
 * `double`, as Python's array and struct modules spell them. */
#define SOBJ_ARRAY_TYPECODES "bBhHiIlLqQfd"
/* Returns: the type of items, or NULL if there is none of that typecode. */
const struct sobj_array_kind *sobj_array_kind(char typecode);

/* What never changes in the life of an array. */
struct sobj_array_layout {
    void *items; /* starts a cache line; not NULL, also if there are none */
    ptrdiff_t len;
    const struct sobj_array_kind *kind;
};
const struct sobj_array_layout *sobj_array_layout(const struct sobj_object *obj);
/* Returns: bytes of the array, items and all. */
size_t sobj_array_bytes(const struct sobj_object *obj);

/* Makes an array of `len` items: those at `items`, or zeros if that is NULL.
 * Returns: OK and a new reference in `*out`; NO_MEMORY. */
enum sobj_status sobj_array_new(const struct sobj_array_kind *kind, size_t len,
                                const void *items, struct sobj_object **out);

/* ---- numbers and items
 * Ints that the item type cannot hold are OVERFLOW. So is a finite double that would
 * become an infinite float; otherwise doubles are rounded to floats. */

/* Writes `number` to `item`, which is aligned for it. Returns: OK, OVERFLOW. */
enum sobj_status sobj_array_pack(const struct sobj_array_kind *kind,
                                 union sobj_number number, void *item);

/* ---- one item. Needs: index < len. */
union sobj_number sobj_array_get(const struct sobj_object *obj, size_t index);
/* Returns: OK, OVERFLOW. */
enum sobj_status sobj_array_set(struct sobj_object *obj, size_t index,
                                union sobj_number value);
/* Returns: OK and the number before in `*old`; OVERFLOW. */
enum sobj_status sobj_array_exchange(struct sobj_object *obj, size_t index,
                                     union sobj_number value, union sobj_number *old);
/* Stores `desired` if the item, as get returns it, is `expected` bit for bit.
 * Returns: OK, MISMATCH, OVERFLOW (`desired` does not fit; nothing was compared). */
enum sobj_status sobj_array_compare_and_set(struct sobj_object *obj, size_t index,
                                            union sobj_number expected,
                                            union sobj_number desired);
/* Adds `n`: its `i` to ints of both classes, its `d` to floats.
 * Returns: OK and the number after, as it was stored, in `*sum`; OVERFLOW. */
enum sobj_status sobj_array_add(struct sobj_object *obj, size_t index,
                                union sobj_number n, union sobj_number *sum);
/* Makes the item `value` if that is greater (or less). A NaN is neither, on either side.
 * Returns: OK and the number before in `*old`; OVERFLOW. */
enum sobj_status sobj_array_max(struct sobj_object *obj, size_t index,
                                union sobj_number value, union sobj_number *old);
enum sobj_status sobj_array_min(struct sobj_object *obj, size_t index,
                                union sobj_number value, union sobj_number *old);

/* ---- several items: `count` of them, the first at `first` and then every `step`-th.
 * Needs: all of these are in the array, and `items` is aligned for them. The array's
 * items are loaded and stored atomically, those at `items` plainly. */
void sobj_array_read(const struct sobj_object *obj, size_t first, ptrdiff_t step,
                     size_t count, void *items);
void sobj_array_write(struct sobj_object *obj, size_t first, ptrdiff_t step,
                      size_t count, const void *items);
/* Returns: OK and a new array of these items in `*out`; NO_MEMORY. */
enum sobj_status sobj_array_copy(const struct sobj_object *obj, size_t first,
                                 ptrdiff_t step, size_t count,
                                 struct sobj_object **out);

#endif
