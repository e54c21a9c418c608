/* SPDX-License-Identifier: MIT */
/* L2: immortal objects; see immortal.h. */
#include "immortal.h"

#include "alloc.h"
#include "platform/platform.h"
#include "reclaim.h"

#define FIRST_SLOTS 64u
#define SPREAD 0x9e3779b97f4a7c15u

/* ---- looking up */

static uint64_t place_hash(const void *object)
{
    return (uint64_t)(uintptr_t)object >> 4;
}

static size_t first_slot(const struct sobj__immortal_table *t, uint64_t hash)
{
    return (size_t)(hash * SPREAD >> t->shift);
}

static bool has_key(const struct sobj_immortal *m, const struct sobj_immortal_key *key)
{
    const struct sobj_immortal_key *own = &m->key;

    return own->hash == key->hash && own->kind == key->kind && own->aux == key->aux &&
           own->size == key->size && memcmp(own->bytes, key->bytes, key->size) == 0;
}

static struct sobj_immortal *find(const struct sobj_immortal_key *key)
{
    /* Acquire: pairs with the release in grow. */
    struct sobj__immortal_table *t = sobj_load_acquire(&sobj__immortals.content);

    if (t == NULL)
        return NULL;
    for (size_t i = first_slot(t, key->hash);; i = (i + 1) & t->mask) {
        /* Acquire: pairs with the release in enter. */
        struct sobj_immortal *m = sobj_load_acquire(&t->slots[i]);
        if (m == NULL || has_key(m, key))
            return m;
    }
}

struct sobj_immortal *sobj_immortal_find(const struct sobj_immortal_key *key)
{
    if (!sobj_immortal_any(1u << key->kind))
        return NULL;
    sobj__read_begin(); /* I2 */
    struct sobj_immortal *found = find(key);
    sobj__read_end();
    return found;
}

struct sobj_immortal *sobj_immortal_at(const void *object)
{
    struct sobj_immortal *m = NULL;

    sobj__read_begin(); /* I2 */
    /* Acquire: pairs with the release in grow. */
    struct sobj__immortal_table *t = sobj_load_acquire(&sobj__immortals.places);
    if (t != NULL) {
        size_t i = first_slot(t, place_hash(object));
        do {
            /* Acquire: pairs with the release in enter. */
            m = sobj_load_acquire(&t->slots[i]);
            i = (i + 1) & t->mask;
        } while (m != NULL && m->object != object);
    }
    sobj__read_end();
    return m;
}

void *sobj_immortal_object(const struct sobj_immortal *immortal)
{
    return immortal->object;
}

/* ---- room */

static void lock(void)
{
    sobj__write_begin();
    sobj__lock_acquire(&sobj__immortals.lock);
}

static void unlock(void)
{
    sobj__lock_release(&sobj__immortals.lock);
    sobj__write_end();
}

/* Counts `size` bytes more, if the limit allows it. Needs: the lock. */
static bool charge_locked(size_t size)
{
    struct sobj__immortals *all = &sobj__immortals;

    if (all->bytes > all->limit || size > (uint64_t)(all->limit - all->bytes))
        return false;
    all->bytes += (int64_t)size;
    return true;
}

/* Takes `size` bytes off again. */
static void discharge(size_t size)
{
    lock();
    sobj__immortals.bytes -= (int64_t)size;
    unlock();
}

static void room_free(struct sobj_immortal_room *room)
{
    if (room->paged)
        sobj__free_pages(SOBJ_COUNT_IMMORTAL, room->memory, room->size);
    else
        sobj__free(SOBJ_COUNT_IMMORTAL, room->memory, room->size);
    room->memory = NULL;
}

enum sobj_status sobj_immortal_room(size_t size, struct sobj_immortal_room *room)
{
    lock();
    bool fits = charge_locked(size);
    room->paged = sobj__immortals.protect;
    unlock();
    if (!fits)
        return SOBJ_FULL;
    room->size = size;
    room->memory = room->paged ? sobj__alloc_pages(SOBJ_COUNT_IMMORTAL, size)
                               : sobj__alloc_zeroed(SOBJ_COUNT_IMMORTAL, size);
    if (room->memory != NULL)
        return SOBJ_OK;
    discharge(size);
    return SOBJ_NO_MEMORY;
}

void sobj_immortal_unroom(struct sobj_immortal_room *room)
{
    if (room->memory == NULL)
        return;
    room_free(room);
    discharge(room->size);
}

void sobj_immortal_protect(void)
{
    lock();
    sobj__immortals.protect = true;
    unlock();
}

/* ---- entering */

static size_t table_bytes(size_t slots)
{
    return sizeof(struct sobj__immortal_table) + slots * sizeof(void *);
}

static void table_free(void *p)
{
    struct sobj__immortal_table *t = p;

    sobj__free(SOBJ_COUNT_IMMORTAL, t, table_bytes(t->mask + 1));
}

/* Needs: the lock, and an empty slot. */
static void enter(struct sobj__immortal_table *t, uint64_t hash,
                  struct sobj_immortal *m)
{
    size_t i = first_slot(t, hash);

    /* Relaxed: slots are written under the lock. */
    while (sobj_load_relaxed(&t->slots[i]) != NULL)
        i = (i + 1) & t->mask;
    /* Release: pairs with the acquire of the look-ups. */
    sobj_store_release(&t->slots[i], m);
}

/* Makes room for one more in a table. Needs: the lock. Returns: OK or NO_MEMORY. */
static enum sobj_status grow(_Atomic(struct sobj__immortal_table *) *table,
                             bool by_place)
{
    /* Relaxed: tables are written under the lock. */
    struct sobj__immortal_table *old = sobj_load_relaxed(table), *grown;
    size_t slots = old != NULL ? old->mask + 1 : 0;

    if ((uint64_t)sobj__immortals.count * 2 < slots)
        return SOBJ_OK;
    size_t wanted = slots != 0 ? slots * 2 : FIRST_SLOTS;
    grown = sobj__alloc_zeroed(SOBJ_COUNT_IMMORTAL, table_bytes(wanted));
    if (grown == NULL)
        return SOBJ_NO_MEMORY;
    grown->mask = wanted - 1;
    grown->shift = 64 - (unsigned)__builtin_ctzll(wanted);
    for (size_t i = 0; i < slots; i++) {
        /* Relaxed: as above. */
        struct sobj_immortal *m = sobj_load_relaxed(&old->slots[i]);
        if (m != NULL)
            enter(grown, by_place ? place_hash(m->object) : m->key.hash, m);
    }
    /* Release: pairs with the acquire of the look-ups. */
    sobj_store_release(table, grown);
    sobj__immortals.bytes += (int64_t)(table_bytes(wanted));
    if (old != NULL) {
        sobj__immortals.bytes -= (int64_t)(table_bytes(slots));
        sobj__retire(old, table_free, table_bytes(slots));
    }
    return SOBJ_OK;
}

/* Needs: the lock. Returns: OK, and `m` can be found; EXISTS and who was first;
 * NO_MEMORY, FULL. */
static enum sobj_status add_locked(struct sobj_immortal *m, struct sobj_immortal **out)
{
    struct sobj__immortals *all = &sobj__immortals;

    *out = find(&m->key);
    if (*out != NULL)
        return SOBJ_EXISTS;
    if (grow(&all->content, false) != SOBJ_OK || grow(&all->places, true) != SOBJ_OK)
        return SOBJ_NO_MEMORY;
    if (!charge_locked(sizeof *m))
        return SOBJ_FULL;
    all->count++;
    /* Relaxed: the look-ups' tables publish what it announces (I3). */
    __atomic_fetch_or(&sobj_immortal_kinds, 1u << m->key.kind, __ATOMIC_RELAXED);
    /* By address first: who finds it by content may store it at once. */
    enter(sobj_load_relaxed(&all->places), place_hash(m->object),
          m);                                                /* Relaxed: as in grow. */
    enter(sobj_load_relaxed(&all->content), m->key.hash, m); /* Relaxed: as in grow. */
    *out = m;
    return SOBJ_OK;
}

enum sobj_status sobj_immortal_add(const struct sobj_immortal_key *key, void *object,
                                   struct sobj_immortal_room *room,
                                   struct sobj_immortal **out)
{
    struct sobj_immortal *m = sobj__alloc(SOBJ_COUNT_IMMORTAL, sizeof *m);
    enum sobj_status status = SOBJ_NO_MEMORY;

    if (m != NULL) {
        m->key = *key;
        m->object = object;
        atomic_init(&m->cell, SOBJ_NO_CELL);
        if (room->paged && room->memory != NULL)
            sobj__os_seal(room->memory, room->size);
        lock();
        status = add_locked(m, out);
        unlock();
    }
    if (status == SOBJ_OK)
        return SOBJ_OK;
    sobj__free(SOBJ_COUNT_IMMORTAL, m, sizeof *m);
    sobj_immortal_unroom(room);
    return status == SOBJ_EXISTS ? SOBJ_OK : status;
}

/* ---- cells */

static size_t padded(uint64_t size) { return ((size_t)size + 7) & ~(size_t)7; }

sobj_cell sobj_immortal_cell(struct sobj_immortal *immortal)
{
    /* Acquire: pairs with the compare-and-swap in sobj_immortal_keep. */
    sobj_cell cell = sobj_load_acquire(&immortal->cell);

    sobj_cell_ref(cell); /* nothing for NO_CELL; never the last one */
    return cell;
}

/* Returns: the blob with a reference for the caller, and one that stays; NULL. */
static struct sobj_blob *companion(const struct sobj_immortal *immortal,
                                   const struct sobj_blob *ordinary, size_t bytes)
{
    size_t size = (size_t)sobj_blob_size(ordinary);
    struct sobj_blob *b = sobj__alloc_zeroed(SOBJ_COUNT_IMMORTAL, bytes);

    if (b == NULL)
        return NULL;
    atomic_init(&b->refs, 2);
    b->info = ordinary->info | SOBJ_BLOB_IMMORTAL;
    b->hash = ordinary->hash;
    memcpy(b->data, ordinary->data, size);
    memcpy(b->data + padded(size), &immortal->object, sizeof immortal->object);
    return b;
}

sobj_cell sobj_immortal_keep(struct sobj_immortal *immortal, sobj_cell ordinary)
{
    struct sobj_blob *b = NULL;
    sobj_cell none = SOBJ_NO_CELL;

    if (!sobj_is_blob(ordinary) || sobj_to_blob(ordinary)->edges != 0)
        return ordinary;
    size_t bytes = sizeof *b + padded(sobj_blob_size(sobj_to_blob(ordinary))) +
                   sizeof immortal->object;
    lock();
    bool fits = charge_locked(bytes);
    unlock();
    if (!fits)
        return ordinary;
    b = companion(immortal, sobj_to_blob(ordinary), bytes);
    if (b == NULL) {
        discharge(bytes);
        return ordinary;
    }
    sobj_cell_unref(ordinary);
    /* AcqRel: publishes the blob; who comes second uses the first one's. */
    if (sobj_cas_acq_rel(&immortal->cell, &none, sobj_from_blob(b)))
        return sobj_from_blob(b);
    sobj__free(SOBJ_COUNT_IMMORTAL, b, bytes);
    discharge(bytes);
    return sobj_immortal_cell(immortal);
}

void *sobj_blob_immortal(struct sobj_blob *b)
{
    void *object;

    memcpy(&object, b->data + padded(sobj_blob_size(b)), sizeof object);
    return object;
}

/* ---- figures */

void sobj_immortal_figures(struct sobj_immortal_figures *figures)
{
    lock();
    figures->count = sobj__immortals.count;
    figures->bytes = sobj__immortals.bytes;
    figures->limit = sobj__immortals.limit;
    unlock();
}

int64_t sobj_immortal_set_limit(int64_t limit)
{
    lock();
    int64_t before = sobj__immortals.limit;
    sobj__immortals.limit = limit;
    unlock();
    return before;
}
