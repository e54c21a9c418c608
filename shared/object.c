/* SPDX-License-Identifier: MIT */
/* L1: cores, their table, tickets; see object.h. */
#include "object.h"

#include <string.h>

#include "alloc.h"
#include "platform/platform.h"
#include "reclaim.h"

#define REF_ONE (((uint64_t)1 << 32) | 1)
#define COUNT(word) ((uint32_t)(word))
#define CHUNK_FIRST 64u

/* ---- table */

static uint32_t chunk_of(uint32_t index, uint32_t *offset)
{
    uint32_t n = index / CHUNK_FIRST + 1;
    uint32_t chunk = 31 - (uint32_t)__builtin_clz(n);

    *offset = index - CHUNK_FIRST * ((1u << chunk) - 1);
    return chunk;
}

/* Returns: the slot, or NULL if no such chunk exists (yet). */
static struct sobj__slot *slot_at(uint32_t index)
{
    uint32_t offset, chunk;

    if (index >= CHUNK_FIRST * ((1u << SOBJ__CHUNKS) - 1))
        return NULL;
    chunk = chunk_of(index, &offset);
    /* Acquire: pairs with the release in table_enter; the slots are zeroed. */
    struct sobj__slot *slots = sobj_load_acquire(&sobj__objects.chunks[chunk]);
    return slots != NULL ? slots + offset : NULL;
}

/* Needs: the lock. Returns: a free slot and its index, or NULL on no memory. */
static struct sobj__slot *slot_take_locked(uint32_t *index)
{
    struct sobj__objects *t = &sobj__objects;
    struct sobj__slot *slot;

    if (t->free_head != 0) {
        *index = t->free_head - 1;
        slot = slot_at(*index);
        t->free_head = slot->next_free;
        return slot;
    }
    uint32_t offset, chunk = chunk_of(t->used, &offset);
    if (chunk >= SOBJ__CHUNKS)
        return NULL;
    /* Relaxed: chunks are written under the lock. */
    struct sobj__slot *slots = sobj_load_relaxed(&t->chunks[chunk]);
    if (slots == NULL) {
        slots = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS,
                                   ((size_t)CHUNK_FIRST << chunk) * sizeof *slots);
        if (slots == NULL)
            return NULL;
        /* Release: pairs with the acquire in slot_at. */
        sobj_store_release(&t->chunks[chunk], slots);
    }
    *index = t->used++;
    slots[offset].generation = t->seed;
    return slots + offset;
}

enum sobj_status sobj__object_init(struct sobj_object *obj,
                                   const struct sobj__type *type)
{
    uint32_t index;

    sobj_word_init(&obj->refs, REF_ONE);
    atomic_init(&obj->mode, 0);
    obj->type = type;
    obj->arena = NULL;
    sobj__write_begin();
    sobj__lock_acquire(&sobj__objects.lock);
    struct sobj__slot *slot = slot_take_locked(&index);
    if (slot != NULL) {
        obj->id = (int64_t)slot->generation << 32 | index;
        /* Release: pairs with the acquire in sobj_attach. */
        sobj_store_release(&slot->obj, obj);
    }
    sobj__lock_release(&sobj__objects.lock);
    sobj__write_end();
    if (slot == NULL)
        return SOBJ_NO_MEMORY;
    sobj__count(SOBJ_COUNT_OBJECTS, 1);
    return SOBJ_OK;
}

static void destroy_cb(void *p)
{
    struct sobj_object *obj = p;

    sobj__count(SOBJ_COUNT_OBJECTS, -1);
    obj->type->destroy(obj);
}

/* The count has come to 0 (H2). Needs: a write section. */
static void object_dead(struct sobj_object *obj)
{
    struct sobj__objects *t = &sobj__objects;
    uint32_t index = (uint32_t)obj->id;
    struct sobj__slot *slot = slot_at(index);

    sobj__lock_acquire(&t->lock);
    /* Relaxed: a lookup that still finds the core sees the count 0 (H1). */
    sobj_store_relaxed(&slot->obj, NULL);
    slot->generation = (slot->generation + 1) & 0x7fffffff;
    if (slot->generation == 0)
        slot->generation = 1;
    slot->next_free = t->free_head;
    t->free_head = index + 1;
    sobj__lock_release(&t->lock);
    sobj__retire(obj, destroy_cb,
                 obj->type->bytes != NULL ? obj->type->bytes(obj) : 4096);
    sobj__retire_soon();
}

enum sobj_type sobj_type_of(const struct sobj_object *obj) { return obj->type->tag; }

int64_t sobj_id_of(const struct sobj_object *obj) { return obj->id; }

void sobj_ref(struct sobj_object *obj)
{
    /* Relaxed: the caller's own reference keeps the core alive. */
    sobj_word_add(&obj->refs, REF_ONE);
}

void sobj_unref(struct sobj_object *obj)
{
    const struct sobj__type *type = obj->type;
    struct sobj_object *other = NULL;

    sobj__write_begin();
    /* Full: all that was done through this reference precedes the destruction. */
    if (COUNT(sobj_word_add_full(&obj->refs, (uint64_t)-1)) == 1) {
        if (type->ending != NULL)
            other = type->ending(obj);
        object_dead(obj);
    }
    sobj__write_end();
    if (SOBJ_UNLIKELY(other != NULL))
        type->ended(other);
}

void sobj__object_unref_cb(void *obj) { sobj_unref(obj); }

enum sobj_status sobj_attach(int64_t id, struct sobj_object **out)
{
    enum sobj_status status = SOBJ_STALE;

    if (id <= 0)
        return SOBJ_STALE;
    sobj__read_begin();
    struct sobj__slot *slot = slot_at((uint32_t)id);
    /* Acquire: pairs with the release in object_init. */
    struct sobj_object *obj = slot != NULL ? sobj_load_acquire(&slot->obj) : NULL;
    if (obj != NULL && obj->id == id) {
        uint64_t word = sobj_word_load(&obj->refs), seen;
        for (; COUNT(word) != 0; word = seen) { /* H1 */
            /* Full: nothing of the core is used before the reference is ours. */
            seen = sobj_word_cas_full(&obj->refs, word, word + REF_ONE);
            if (seen == word) {
                *out = obj;
                status = SOBJ_OK;
                break;
            }
        }
    }
    sobj__read_end();
    return status;
}

void sobj__objects_fork_child(void)
{
    for (uint32_t i = 0; i < sobj__objects.used; i++) {
        /* Relaxed: the only thread. */
        struct sobj_object *obj = sobj_load_relaxed(&slot_at(i)->obj);
        if (obj != NULL && obj->type->fork_child != NULL)
            obj->type->fork_child(obj);
    }
}

#define CENSUS_STEP 1024u /* slots looked at in one section */

void sobj_census(struct sobj_census *census)
{
    struct sobj__slot *slot;

    memset(census, 0, sizeof *census);
    for (uint32_t i = 0;;) {
        sobj__read_begin();
        for (slot = slot_at(i); slot != NULL; slot = slot_at(++i)) {
            /* Acquire: pairs with the release in object_init. */
            struct sobj_object *obj = sobj_load_acquire(&slot->obj);
            uint32_t refs = obj != NULL ? COUNT(sobj_word_load(&obj->refs)) : 0;
            if (refs != 0) { /* H1 */
                census->objects[obj->type->tag]++;
                census->references += refs;
            }
            if (i % CENSUS_STEP == CENSUS_STEP - 1)
                break;
        }
        sobj__read_end();
        if (slot == NULL)
            return;
        i++;
    }
}

/* ---- tickets: {generation:32 | index + 1:32} */

/* Needs: the lock. Returns: the reference the ticket held. */
static struct sobj_object *ticket_end_locked(uint32_t i)
{
    struct sobj__objects *t = &sobj__objects;
    struct sobj__ticket *k = &t->tickets[i];
    struct sobj_object *obj = k->obj;

    k->obj = NULL;
    k->generation++;
    k->next_free = t->tickets_free;
    t->tickets_free = i + 1;
    t->tickets_live--;
    return obj;
}

/* Needs: the lock. Returns: false on no memory. */
static bool tickets_reserve_locked(void)
{
    struct sobj__objects *t = &sobj__objects;

    if (t->tickets_free != 0 || t->tickets_used < t->tickets_capacity)
        return true;
    uint32_t old = t->tickets_capacity, capacity = old != 0 ? old * 2 : 64;
    struct sobj__ticket *grown =
        sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    if (old != 0)
        memcpy(grown, t->tickets, old * sizeof *grown);
    sobj__free(SOBJ_COUNT_BLOCKS, t->tickets, old * sizeof *grown);
    t->tickets = grown;
    t->tickets_capacity = capacity;
    return true;
}

void sobj__tickets_sweep(struct sobj_domain *domain)
{
    struct sobj__objects *t = &sobj__objects;
    int64_t now = sobj__now(), next = SOBJ__FOREVER;
    uint32_t i = 0;

    for (bool first = true;; first = false) {
        struct sobj_object *obj = NULL;
        sobj__write_begin();
        sobj__lock_acquire(&t->lock);
        /* From here on new tickets lower the mark themselves, those that are there
         * are met below; so the mark is right at the end, though the lock is let go
         * of in between. */
        if (first && domain == NULL)
            t->next_deadline = SOBJ__FOREVER;
        for (; i < t->tickets_used && obj == NULL; i++) {
            struct sobj__ticket *k = &t->tickets[i];
            if (k->obj == NULL)
                continue;
            if (domain != NULL ? k->domain == domain : k->deadline <= now)
                obj = ticket_end_locked(i);
            else if (k->deadline < next)
                next = k->deadline;
        }
        if (obj == NULL && domain == NULL && next < t->next_deadline)
            t->next_deadline = next;
        sobj__lock_release(&t->lock);
        sobj__write_end();
        if (obj == NULL)
            return;
        sobj_unref(obj);
    }
}

enum sobj_status sobj_ticket_new(struct sobj_object *obj, struct sobj_domain *domain,
                                 int64_t lease, uint64_t *ticket)
{
    struct sobj__objects *t = &sobj__objects;
    int64_t deadline = SOBJ__FOREVER, now = 0;
    bool sweep;

    if (lease != SOBJ_NO_LEASE) {
        now = sobj__now();
        deadline = lease < SOBJ__FOREVER - now ? now + lease : SOBJ__FOREVER;
    }
    sobj__write_begin();
    sobj__lock_acquire(&t->lock);
    sweep = now != 0 && t->next_deadline <= now;
    bool ok = tickets_reserve_locked();
    if (ok) {
        uint32_t i = t->tickets_free != 0 ? t->tickets_free - 1 : t->tickets_used++;
        struct sobj__ticket *k = &t->tickets[i];
        if (t->tickets_free != 0)
            t->tickets_free = k->next_free;
        sobj_ref(obj);
        k->obj = obj;
        k->domain = domain;
        k->deadline = deadline;
        if (deadline < t->next_deadline)
            t->next_deadline = deadline;
        t->tickets_live++;
        *ticket = (uint64_t)k->generation << 32 | (i + 1);
    }
    sobj__lock_release(&t->lock);
    sobj__write_end();
    if (ok && lease != SOBJ_NO_LEASE && obj->type->leased != NULL)
        obj->type->leased(obj);
    if (sweep)
        sobj__tickets_sweep(NULL);
    return ok ? SOBJ_OK : SOBJ_NO_MEMORY;
}

enum sobj_status sobj_ticket_take(uint64_t ticket, struct sobj_object **out)
{
    struct sobj__objects *t = &sobj__objects;
    uint32_t i = (uint32_t)ticket - 1; /* 0 becomes out of range */
    enum sobj_status status = SOBJ_STALE;

    sobj__write_begin();
    sobj__lock_acquire(&t->lock);
    if (i < t->tickets_used && t->tickets[i].obj != NULL &&
        t->tickets[i].generation == (uint32_t)(ticket >> 32)) {
        *out = ticket_end_locked(i);
        status = SOBJ_OK;
    }
    sobj__lock_release(&t->lock);
    sobj__write_end();
    return status;
}

void sobj_ticket_drop(uint64_t ticket)
{
    struct sobj_object *obj;

    if (sobj_ticket_take(ticket, &obj) == SOBJ_OK)
        sobj_unref(obj);
}

int64_t sobj__tickets_due(void)
{
    struct sobj__objects *t = &sobj__objects;

    sobj__write_begin();
    sobj__lock_acquire(&t->lock);
    int64_t due = t->next_deadline;
    sobj__lock_release(&t->lock);
    sobj__write_end();
    return due;
}

int64_t sobj_ticket_count(void)
{
    struct sobj__objects *t = &sobj__objects;

    sobj__write_begin();
    sobj__lock_acquire(&t->lock);
    int64_t n = t->tickets_live;
    sobj__lock_release(&t->lock);
    sobj__write_end();
    return n;
}
