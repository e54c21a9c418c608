/* SPDX-License-Identifier: MIT */
/* The order of cells that are all ints, all floats or all strs, without making objects of
 * them; no code of Python's runs.
 *
 * Each cell gets a key, an unsigned number that is in the order of the values. Of strs it
 * is the beginning, and where that is the same the strs themselves are compared; so most
 * comparisons look at nothing that lies elsewhere. Blocks are sorted by insertion and then
 * merged from the bottom up (D. E. Knuth, "The Art of Computer Programming", volume 3,
 * section 5.2.4). Two neighbours that are in order already are left alone, so that what is
 * nearly sorted costs little more than a look.
 *
 * Equal ones of all these values are the same value, so nobody could tell whether they
 * have changed places.
 */
#include "list_type.h"

enum class { INTS, FLOATS, NARROW, WIDE, OTHERS }; /* of strs: of code units */

#define IS_STRS(class) ((class) == NARROW || (class) == WIDE)

/* ---- strs */

struct text {
    const void *data;
    size_t length; /* code points */
    unsigned width;
};

/* Needs: a str; `*cell` stays where it is while the text is used. */
static inline struct text text_of(const sobj_cell *cell, unsigned char *room)
{
    const struct sobj_blob *b;
    unsigned width;

    if (sobj_is_special(*cell)) {
        *room = (unsigned char)sobj_special_payload(*cell);
        return (struct text){room, sobj_special_kind(*cell) == SOBJ_SP_STR1, 1};
    }
    b = sobj_to_blob(*cell);
    width = sobj_str_width(sobj_blob_aux(b));
    return (struct text){b->data, (size_t)sobj_blob_size(b) / width, width};
}

static uint32_t code_point(const struct text *t, size_t i)
{
    return t->width == 1   ? ((const uint8_t *)t->data)[i]
           : t->width == 2 ? ((const uint16_t *)t->data)[i]
                           : ((const uint32_t *)t->data)[i];
}

static bool text_less(sobj_cell a, sobj_cell b)
{
    unsigned char rooms[2];
    struct text s = text_of(&a, &rooms[0]), t = text_of(&b, &rooms[1]);
    size_t n = s.length < t.length ? s.length : t.length, i = 0;

    if (s.width == 1 && t.width == 1) {
        int order = memcmp(s.data, t.data, n);
        return order != 0 ? order < 0 : s.length < t.length;
    }
    while (i < n && code_point(&s, i) == code_point(&t, i))
        i++;
    return i < n ? code_point(&s, i) < code_point(&t, i) : s.length < t.length;
}

/* ---- classes and keys */

static enum class class_of(sobj_cell c)
{
    if (sobj_is_int(c))
        return INTS;
    if (sobj_is_float(c))
        return FLOATS;
    if (sobj_is_blob(c)) {
        const struct sobj_blob *b = sobj_to_blob(c);
        if (sobj_blob_kind(b) != SOBJ_BLOB_STR)
            return OTHERS;
        return sobj_str_width(sobj_blob_aux(b)) == 1 ? NARROW : WIDE;
    }
    if (sobj_is_special(c) && (sobj_special_kind(c) == SOBJ_SP_STR1 ||
                               sobj_special_kind(c) == SOBJ_SP_EMPTY_STR))
        return NARROW;
    return OTHERS;
}

/* Returns: what all of the cells are. Needs: there are some. */
static enum class class_of_all(const sobj_cell *cells, size_t n)
{
    enum class all = class_of(cells[0]);

    for (size_t i = 1; i < n && all != OTHERS; i++) {
        enum class class = class_of(cells[i]);
        if (class != all)
            all = IS_STRS(class) && IS_STRS(all) ? WIDE : OTHERS;
    }
    return all;
}

/* So many of the first code points as go into 64 bits. */
static uint64_t beginning_of(sobj_cell c, const enum class class)
{
    unsigned count = class == NARROW ? 8 : 2, bits = 64 / count;
    unsigned char room;
    struct text t = text_of(&c, &room);
    uint64_t key = 0;

    for (unsigned i = 0; i < count; i++)
        key = key << bits | (i < t.length ? code_point(&t, i) : 0);
    return key;
}

static uint64_t key_of(sobj_cell c, const enum class class)
{
    const uint64_t sign = (uint64_t)1 << 63;
    uint64_t bits;
    double d;

    if (class == INTS)
        return c ^ sign;
    if (class != FLOATS)
        return beginning_of(c, class);
    d = sobj_to_float(c); /* neither NaN nor -0.0: those are no cells */
    memcpy(&bits, &d, sizeof bits);
    return bits & sign ? ~bits : bits | sign;
}

/* ---- sorting */

struct item {
    uint64_t key;
    sobj_cell cell;
};

static inline bool less(const struct item *a, const struct item *b, bool strs)
{
    if (strs && a->key == b->key)
        return text_less(a->cell, b->cell);
    return a->key < b->key;
}

#define BLOCK 16

static inline void insert_sort(struct item *items, size_t n, const bool strs)
{
    for (size_t i = 1; i < n; i++) {
        struct item item = items[i];
        size_t k = i;
        for (; k != 0 && less(&item, &items[k - 1], strs); k--)
            items[k] = items[k - 1];
        items[k] = item;
    }
}

/* Merges the first `half` items and those behind them, up to `n`. */
static inline void merge(struct item *items, size_t half, size_t n, struct item *room,
                         const bool strs)
{
    size_t left = 0, right = half, k = 0;

    if (!less(&items[half], &items[half - 1], strs))
        return;
    memcpy(room, items, half * sizeof *room);
    while (left < half && right < n) {
        size_t second = less(&items[right], &room[left], strs);
        if (!strs) {
            /* Nobody can foretell the order: without a branch. */
            items[k++] = *(second != 0 ? &items[right] : &room[left]);
            right += second;
            left += 1 - second;
        } else if (second != 0) {
            /* Strs have to be fetched: the processor guesses and fetches the next. */
            items[k++] = items[right++];
        } else {
            items[k++] = room[left++];
        }
    }
    memcpy(items + k, room + left, (half - left) * sizeof *room);
}

static inline void sort(struct item *items, size_t n, struct item *room,
                        const bool strs)
{
    for (size_t i = 0; i < n; i += BLOCK)
        insert_sort(items + i, n - i < BLOCK ? n - i : BLOCK, strs);
    for (size_t half = BLOCK; half < n; half *= 2)
        for (size_t i = 0; i + half < n; i += 2 * half)
            merge(items + i, half, n - i < 2 * half ? n - i : 2 * half, room, strs);
}

/* `room`: for twice as many items as there are cells. */
static void sort_cells(sobj_cell *to, const sobj_cell *cells, size_t n,
                       enum class class, bool reverse, struct item *room)
{
    for (size_t i = 0; i < n; i++)
        room[i] = (struct item){key_of(cells[i], class), cells[i]};
    if (IS_STRS(class))
        sort(room, n, room + n, true);
    else
        sort(room, n, room + n, false);
    for (size_t i = 0; i < n; i++)
        to[i] = room[reverse ? n - 1 - i : i].cell;
}

static inline bool rising(const sobj_cell *cells, size_t n, const enum class class)
{
    for (size_t i = 1; i < n; i++) {
        sobj_cell a = cells[i - 1], b = cells[i];
        if (IS_STRS(class)    ? text_less(b, a)
            : class == FLOATS ? sobj_to_float(b) < sobj_to_float(a)
                              : (int64_t)b < (int64_t)a)
            return false;
    }
    return true;
}

static inline bool falling(const sobj_cell *cells, size_t n, const enum class class)
{
    for (size_t i = 1; i < n; i++) {
        sobj_cell a = cells[i - 1], b = cells[i];
        if (IS_STRS(class)    ? text_less(a, b)
            : class == FLOATS ? sobj_to_float(a) < sobj_to_float(b)
                              : (int64_t)a < (int64_t)b)
            return false;
    }
    return true;
}

/* Returns: whether they are in order: rising, or `down`. */
static bool in_order(const sobj_cell *cells, size_t n, enum class class, bool down)
{
    switch (class) {
    case INTS:
        return down ? falling(cells, n, INTS) : rising(cells, n, INTS);
    case FLOATS:
        return down ? falling(cells, n, FLOATS) : rising(cells, n, FLOATS);
    default:
        return down ? falling(cells, n, WIDE) : rising(cells, n, WIDE);
    }
}

/* Returns: whether there was the memory for it. */
static bool put_in_order(const sobj_cell *cells, size_t n, enum class class,
                         bool reverse, sobj_cell **sorted)
{
    struct item *room = NULL;
    bool turned;

    if (in_order(cells, n, class, reverse))
        return true;
    turned = in_order(cells, n, class, !reverse);
    *sorted = PyMem_RawMalloc(n * sizeof **sorted);
    if (*sorted != NULL && !turned)
        room = PyMem_RawMalloc(2 * n * sizeof *room);
    if (room != NULL)
        sort_cells(*sorted, cells, n, class, reverse, room);
    for (size_t i = 0; *sorted != NULL && turned && i < n; i++)
        (*sorted)[i] = cells[n - 1 - i];
    PyMem_RawFree(room);
    return *sorted != NULL && (turned || room != NULL);
}

int sobj_cells_sorted(const sobj_cell *cells, size_t n, bool reverse,
                      sobj_cell **sorted)
{
    enum class class = n != 0 ? class_of_all(cells, n) : INTS;
    bool done;

    *sorted = NULL;
    if (class == OTHERS)
        return 0;
    Py_BEGIN_ALLOW_THREADS
        ;
        done = put_in_order(cells, n, class, reverse, sorted);
    Py_END_ALLOW_THREADS;
    if (done)
        return 1;
    PyMem_RawFree(*sorted);
    PyErr_NoMemory();
    return -1;
}
