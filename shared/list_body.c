/* SPDX-License-Identifier: MIT */
/* L3: bodies of the list: segments, directories, words in and out. Invariants:
 * list_internal.h; here is the memory side of I8.
 */
#include <string.h>

#include "alloc.h"
#include "list_internal.h"

/* ---- memory */

static size_t segment_bytes(uint64_t size)
{
    return sizeof(struct sobj__list_segment) + (size_t)size * sizeof(sobj__place_t);
}

static size_t dir_bytes(uint32_t capacity)
{
    return sizeof(struct sobj__list_dir) +
           (size_t)capacity * sizeof(sobj__list_entry_t);
}

/* The cells below place `filled` of the list may be anything. */
static struct sobj__list_segment *segment_new(uint32_t segment, uint64_t filled)
{
    uint64_t size = sobj__list_segment_size(segment);
    uint64_t start = sobj__list_segment_start(segment);
    uint64_t skip = filled <= start ? 0 : filled - start < size ? filled - start : size;
    struct sobj__list_segment *s =
        skip == 0 ? sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, segment_bytes(size))
                  : sobj__alloc(SOBJ_COUNT_BLOCKS, segment_bytes(size));

    if (s == NULL)
        return NULL;
    s->size = size;
    for (uint64_t i = skip; skip != 0 && i < size; i++)
        atomic_init(&s->cells[i], SOBJ_NO_CELL);
    return s;
}

static void segment_free(void *p)
{
    struct sobj__list_segment *s = p;

    sobj__free(SOBJ_COUNT_BLOCKS, s, segment_bytes(s->size));
}

static void dir_free(void *p)
{
    struct sobj__list_dir *dir = p;

    if (dir != NULL)
        sobj__free(SOBJ_COUNT_BLOCKS, dir, dir_bytes(dir->capacity));
}

/* Needs: nobody else changes it. Returns: the directory, or NULL if it is in the body. */
static struct sobj__list_dir *dir_of(struct sobj__list_body *body)
{
    /* Relaxed: written by those who hold what the caller holds. */
    sobj__list_entry_t *entries = sobj_load_relaxed(&body->dir);

    return entries == body->first
               ? NULL
               : sobj_container_of(entries, struct sobj__list_dir, entries);
}

/* Needs: as above. */
static sobj__list_entry_t *entry_of(struct sobj__list_body *body, uint32_t segment)
{
    return &sobj_load_relaxed(&body->dir)[segment]; /* Relaxed: as above. */
}

size_t sobj__list_body_bytes(const struct sobj__list_body *body)
{
    size_t bytes = sizeof *body;

    if (body->capacity != SOBJ__LIST_DIR_FIRST)
        bytes += dir_bytes(body->capacity);
    for (uint32_t i = 0; i < body->segments; i++)
        bytes += segment_bytes(sobj__list_segment_size(i));
    return bytes;
}

/* ---- growing */

bool sobj__list_room_lacks(struct sobj__list_room *room,
                           const struct sobj__list_body *body, uint64_t items)
{
    uint32_t needed = sobj__list_segments_for(items), capacity = body->capacity;

    if (needed <= body->segments)
        return false;
    room->filled = 0;
    room->first = body->segments;
    room->count = needed - body->segments;
    while (capacity < needed)
        capacity = capacity < 128 ? capacity * 2 : SOBJ__LIST_DIR_MAX;
    room->capacity = capacity != body->capacity ? capacity : 0;
    return true;
}

enum sobj_status sobj__list_room_alloc(struct sobj__list_room *room)
{
    room->dir = NULL;
    memset(room->segments, 0, room->count * sizeof *room->segments);
    if (room->capacity != 0) {
        room->dir = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, dir_bytes(room->capacity));
        if (room->dir == NULL)
            return SOBJ_NO_MEMORY;
        room->dir->capacity = room->capacity;
    }
    /* The largest first: if there is no memory for all of them, that shows at once. */
    for (uint32_t i = room->count; i-- != 0;) {
        room->segments[i] = segment_new(room->first + i, room->filled);
        if (room->segments[i] == NULL) {
            sobj__list_room_free(room);
            return SOBJ_NO_MEMORY;
        }
    }
    return SOBJ_OK;
}

static void dir_install(struct sobj__list_room *room, struct sobj__list_body *body)
{
    struct sobj__list_dir *old = dir_of(body), *dir = room->dir;

    for (uint32_t i = 0; i < body->segments; i++)
        /* Relaxed: the entries are stable under the lock; published below. */
        sobj_store_relaxed(&dir->entries[i], sobj_load_relaxed(entry_of(body, i)));
    /* Release: pairs with the acquire in list_place. */
    sobj_store_release(&body->dir, dir->entries);
    body->capacity = dir->capacity;
    room->dir = NULL;
    if (old != NULL)
        sobj__retire(old, dir_free, dir_bytes(old->capacity));
}

void sobj__list_room_install(struct sobj__list_room *room, struct sobj__list_body *body)
{
    if (room->dir != NULL && room->dir->capacity > body->capacity)
        dir_install(room, body);
    for (uint32_t i = 0; i < room->count; i++) {
        /* Others may have been faster, or have trimmed it. */
        if (room->first + i != body->segments || body->segments == body->capacity)
            continue;
        /* Release: pairs with the acquire in list_place; the cells are empty. */
        sobj_store_release(entry_of(body, body->segments), room->segments[i]);
        body->segments++;
        room->segments[i] = NULL;
    }
}

void sobj__list_room_free(struct sobj__list_room *room)
{
    for (uint32_t i = 0; i < room->count; i++)
        if (room->segments[i] != NULL)
            segment_free(room->segments[i]);
    dir_free(room->dir);
}

SOBJ_NOINLINE void sobj__list_trim(struct sobj__list_body *body, uint64_t len)
{
    uint32_t kept = sobj__list_segments_for(len) + 1;

    /* Acquire: pairs with the end of a pin, which has read what is freed now. */
    if (kept < SOBJ__LIST_PINNED && sobj_load_acquire(&body->refs) != 1)
        kept = SOBJ__LIST_PINNED; /* I10 */
    while (body->segments > kept) {
        sobj__list_entry_t *entry = entry_of(body, --body->segments);
        /* Relaxed: written under the lock. */
        struct sobj__list_segment *s = sobj_load_relaxed(entry);
        /* Release: after the lowering, which whoever finds NULL sees (I8). */
        sobj_store_release(entry, NULL);
        sobj__retire(s, segment_free, segment_bytes(s->size));
    }
}

/* ---- words */

sobj__place_t *sobj__list_run(struct sobj__list_body *body, uint64_t at, uint64_t *n)
{
    uint64_t offset;
    uint32_t segment = sobj__list_segment_of(at, &offset);
    /* Relaxed: nobody changes the segments of these places. */
    struct sobj__list_segment *s = sobj_load_relaxed(entry_of(body, segment));

    if (*n > s->size - offset)
        *n = s->size - offset;
    return &s->cells[offset];
}

/* The same, as plain words. */
static sobj_cell *words_at(struct sobj__list_body *body, uint64_t at, uint64_t *n)
{
    return (sobj_cell *)(void *)sobj__list_run(body, at, n);
}

void sobj__list_write(struct sobj__list_body *to, uint64_t at, const sobj_cell *words,
                      uint64_t n)
{
    for (uint64_t run; n != 0; at += run, words += run, n -= run) {
        run = n;
        sobj_cell *cells = words_at(to, at, &run);
        memcpy(cells, words, run * sizeof *words);
    }
}

void sobj__list_read(struct sobj__list_body *from, uint64_t at, sobj_cell *words,
                     uint64_t n)
{
    for (uint64_t run; n != 0; at += run, words += run, n -= run) {
        run = n;
        const sobj_cell *cells = words_at(from, at, &run);
        memcpy(words, cells, run * sizeof *words);
    }
}

void sobj__list_move(struct sobj__list_body *to, uint64_t at,
                     struct sobj__list_body *from, uint64_t index, uint64_t n)
{
    for (uint64_t run; n != 0; at += run, index += run, n -= run) {
        run = n;
        const sobj_cell *cells = words_at(from, index, &run);
        sobj__list_write(to, at, cells, run);
    }
}

/* ---- life */

static struct sobj__list_body *body_new(uint64_t room, uint64_t filled)
{
    struct sobj__list_body *body = sobj__alloc_aligned(SOBJ_COUNT_BLOCKS, sizeof *body);
    struct sobj__list_room lacks;

    if (body == NULL)
        return NULL;
    memset(body, 0, sizeof *body);
    atomic_init(&body->dir, body->first);
    atomic_init(&body->refs, 1);
    body->capacity = SOBJ__LIST_DIR_FIRST;
    if (!sobj__list_room_lacks(&lacks, body, room))
        return body;
    lacks.filled = filled;
    if (sobj__list_room_alloc(&lacks) != SOBJ_OK) {
        sobj__list_body_free(body);
        return NULL;
    }
    sobj__list_room_install(&lacks, body);
    return body;
}

struct sobj__list_body *sobj__list_body_empty(uint64_t room)
{
    return body_new(room, 0);
}

struct sobj__list_body *sobj__list_body_new(uint64_t n) { return body_new(n, n); }

void sobj__list_body_free(struct sobj__list_body *body)
{
    for (uint32_t i = 0; i < body->segments; i++)
        segment_free(sobj_load_relaxed(entry_of(body, i))); /* Relaxed: ours alone. */
    dir_free(dir_of(body));
    sobj__free(SOBJ_COUNT_BLOCKS, body, sizeof *body);
}

void sobj__list_body_unref(struct sobj__list_body *body)
{
    /* AcqRel: who frees it comes after all who have read it (I10). */
    if (sobj_sub_acq_rel(&body->refs, 1) == 1)
        sobj__list_body_free(body);
}

static void body_end(void *p)
{
    struct sobj__list_body *body = p;
    const struct sobj__list_range *drop = &body->drop;

    for (uint64_t k = 0, run; k < drop->count; k += run) {
        run = drop->step == 1 ? drop->count - k : 1;
        const sobj_cell *words = words_at(body, drop->start + k * drop->step, &run);
        sobj__list_cells_unref(words, run);
    }
    while (body->segments > SOBJ__LIST_PINNED)
        /* Relaxed: nobody changes it any more. */
        segment_free(sobj_load_relaxed(entry_of(body, --body->segments)));
    sobj__list_body_unref(body);
}

size_t sobj__list_values_bytes(struct sobj__list_body *body,
                               struct sobj__list_range range)
{
    uint64_t n = range.count < SOBJ__SAMPLE ? range.count : SOBJ__SAMPLE;
    uint64_t step = n != 0 ? range.count / n * range.step : 0;
    size_t bytes = 0;

    for (uint64_t k = 0; k < n; k++)
        /* Acquire: the blob is looked at, and may have been stored just now (I6). */
        bytes += sobj__cell_bytes(
            sobj_load_acquire(sobj__list_place(body, range.start + k * step)));
    return sobj__estimate(bytes, n, range.count);
}

struct sobj__list_range sobj__list_all(struct sobj__list_body *body)
{
    uint64_t word = sobj_load_relaxed(&body->word); /* Relaxed: nobody writes it. */

    return (struct sobj__list_range){0, 1, sobj__list_word_len(word)};
}

void sobj__list_body_drop(struct sobj__list_body *body)
{
    body->drop = sobj__list_all(body);
    body_end(body);
}

void sobj__list_body_retire(struct sobj__list_body *body, struct sobj__list_range drop)
{
    body->drop = drop;
    sobj__retire(body, body_end,
                 sobj__list_body_bytes(body) + sobj__list_values_bytes(body, drop));
    sobj__retire_soon();
}

void sobj__list_body_retire_all(struct sobj__list_body *body)
{
    sobj__list_body_retire(body, sobj__list_all(body));
}
