/* SPDX-License-Identifier: MIT */
/* Cores: references, ids, the table, tickets. */
#include "object.h"

#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "tap.h"
#include "thing.h"

static uint64_t refs(const struct sobj_object *obj)
{
    return sobj_word_load(&obj->refs);
}

static void test_references(void)
{
    struct balance b = balance_begin();
    struct sobj_object *obj = thing_new(), *found = NULL;
    int64_t id = sobj_id_of(obj), objects = sobj_count(SOBJ_COUNT_OBJECTS);
    uint64_t first = refs(obj);

    ok(id > 0 && sobj_type_of(obj) == SOBJ_TYPE_ATOMIC_INT, "id and type");
    ok((uint32_t)first == 1, "one reference");
    sobj_ref(obj);
    ok((uint32_t)refs(obj) == 2, "two");
    sobj_unref(obj);
    ok((uint32_t)refs(obj) == 1 && refs(obj) != first,
       "one again, but the stamp tells that it was two");
    ok(sobj_attach(id, &found) == SOBJ_OK && found == obj, "attach");
    ok((uint32_t)refs(obj) == 2, "attach takes a reference");
    sobj_unref(obj);
    sobj_unref(obj);
    ok(sobj_attach(id, &found) == SOBJ_STALE, "gone, though its memory is still there");
    ok(sobj_count(SOBJ_COUNT_OBJECTS) == objects,
       "destroyed after a grace period only");
    sobj_collect();
    ok(sobj_count(SOBJ_COUNT_OBJECTS) == objects - 1, "destroyed");
    ok(sobj_attach(id, &found) == SOBJ_STALE, "still gone");
    balance_check(&b, "references");
}

static void test_ids(void)
{
    struct balance b = balance_begin();
    struct sobj_object *found;
    struct rng r = rng_seed(3);
    int64_t last = 0;
    int wrong = 0;

    /* The same slot again and again: every id is a new one. */
    for (int i = 0; i < 1000; i++) {
        struct sobj_object *obj = thing_new();
        int64_t id = sobj_id_of(obj);
        wrong += id == last || id <= 0;
        wrong += last != 0 && sobj_attach(last, &found) != SOBJ_STALE;
        sobj_unref(obj);
        last = id;
    }
    ok(wrong == 0, "ids of cores in the same slot differ");
    static const int64_t bad[] = {0,         -1,         1,         INT64_MIN,
                                  INT64_MAX, 0xffffffff, 0x7fffffff};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        wrong += sobj_attach(bad[i], &found) != SOBJ_STALE;
    for (int i = 0; i < 100000; i++)
        wrong += sobj_attach((int64_t)(rng_next(&r) >> rng_below(&r, 64)), &found) !=
                 SOBJ_STALE;
    ok(wrong == 0, "forged ids are stale");
    /* The generation of a slot at its end. */
    struct sobj_object *obj = thing_new();
    uint32_t index = (uint32_t)sobj_id_of(obj);
    expect(index < 64, "a slot of the first chunk");
    struct sobj__slot *slot = &sobj_load_seq_cst(&sobj__objects.chunks[0])[index];
    slot->generation = 0x7fffffff;
    sobj_unref(obj);
    obj = thing_new();
    ok(sobj_id_of(obj) >> 32 == 1 && (uint32_t)sobj_id_of(obj) == index,
       "generations begin again with 1");
    sobj_unref(obj);
    balance_check(&b, "ids");
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void test_growth(void)
{
    enum { N = 5000 };
    static struct sobj_object *all[N];
    static int64_t ids[N];
    struct balance b = balance_begin();
    int wrong = 0;

    for (int i = 0; i < N; i++) {
        all[i] = thing_new();
        ids[i] = sobj_id_of(all[i]);
    }
    for (int i = 0; i < N; i++) {
        struct sobj_object *found = NULL;
        wrong += sobj_attach(ids[i], &found) != SOBJ_OK || found != all[i];
        if (found != NULL)
            sobj_unref(found);
    }
    ok(wrong == 0, "%d cores, each found by its id", N);
    qsort(ids, N, sizeof *ids, by_value);
    for (int i = 1; i < N; i++)
        wrong += ids[i] == ids[i - 1];
    ok(wrong == 0, "all ids differ");
    for (int i = 0; i < N; i++)
        sobj_unref(all[i]);
    balance_check(&b, "table of several chunks");
}

/* ---- tickets */

static void test_tickets(void)
{
    struct balance b = balance_begin();
    struct sobj_domain *mine = sobj_domain_new(1), *other = sobj_domain_new(2);
    struct sobj_object *obj = thing_new(), *found = NULL;
    uint64_t ticket = 0, second;

    ok(sobj_ticket_new(obj, mine, SOBJ_NO_LEASE, &ticket) == SOBJ_OK && ticket != 0,
       "a ticket");
    ok((uint32_t)refs(obj) == 2 && sobj_ticket_count() == 1, "it holds a reference");
    ok(sobj_ticket_take(ticket, &found) == SOBJ_OK && found == obj &&
           (uint32_t)refs(obj) == 2,
       "taken, with its reference");
    ok(sobj_ticket_take(ticket, &found) == SOBJ_STALE, "not twice");
    sobj_ticket_drop(ticket);
    ok((uint32_t)refs(obj) == 2, "nor dropped after that");
    sobj_ticket_new(obj, mine, SOBJ_NO_LEASE, &second);
    ok(second != ticket && sobj_ticket_take(ticket, &found) == SOBJ_STALE,
       "the same place, another number");
    sobj_ticket_drop(second);
    sobj_ticket_drop(second);
    ok((uint32_t)refs(obj) == 2 && sobj_ticket_count() == 0, "dropped once");
    ok(sobj_ticket_take(0, &found) == SOBJ_STALE &&
           sobj_ticket_take(UINT64_MAX, &found) == SOBJ_STALE &&
           sobj_ticket_take(1000000, &found) == SOBJ_STALE,
       "forged tickets");
    sobj_unref(obj);
    /* A ticket keeps its core alive. */
    sobj_ticket_new(obj, mine, SOBJ_NO_LEASE, &ticket);
    sobj_unref(obj);
    sobj_collect();
    ok(sobj_ticket_take(ticket, &found) == SOBJ_OK && thing_alive(found), "kept alive");
    /* The end of a domain. */
    for (int i = 0; i < 200; i++)
        sobj_ticket_new(obj, i % 2 ? mine : other, SOBJ_NO_LEASE, &ticket);
    ok(sobj_ticket_count() == 200 && (uint32_t)refs(obj) == 201, "200 tickets");
    sobj_domain_free(other);
    ok(sobj_ticket_count() == 100 && (uint32_t)refs(obj) == 101, "swept with a domain");
    ok(sobj_ticket_take(ticket, &found) == SOBJ_OK, "those of the other stay");
    sobj_unref(found);
    sobj_domain_free(mine);
    ok(sobj_ticket_count() == 0 && (uint32_t)refs(obj) == 1, "all gone");
    sobj_unref(obj);
    balance_check(&b, "tickets");
}

static void test_leases(void)
{
    struct balance b = balance_begin();
    struct sobj_domain *domain = sobj_domain_new(1);
    struct sobj_object *obj = thing_new(), *found;
    uint64_t short_one, long_one, endless, another;
    const int64_t hour = (int64_t)3600 * 1000000000;

    sobj_ticket_new(obj, domain, 1, &short_one);
    sobj_ticket_new(obj, domain, hour, &long_one);
    sobj_ticket_new(obj, domain, SOBJ_NO_LEASE, &endless);
    sobj_collect();
    ok(sobj_ticket_take(short_one, &found) == SOBJ_STALE && sobj_ticket_count() == 2,
       "collect ends the ticket whose lease is over, and no other");
    sobj_ticket_new(obj, domain, 1, &short_one);
    sobj_ticket_new(obj, domain, hour, &another);
    ok(sobj_ticket_take(short_one, &found) == SOBJ_STALE && sobj_ticket_count() == 3,
       "so does the next ticket");
    sobj_ticket_new(obj, domain, -5, &short_one);
    sobj_ticket_new(obj, domain, INT64_MAX - 1, &another);
    ok(sobj_ticket_take(short_one, &found) == SOBJ_STALE && sobj_ticket_count() == 4,
       "a lease of less than nothing, and one of centuries");
    ok(sobj__objects.next_deadline > sobj_clock() &&
           sobj__objects.next_deadline <= sobj_clock() + hour,
       "the next lease to end is known");
    ok(sobj_ticket_take(long_one, &found) == SOBJ_OK, "a lease that has not ended");
    sobj_unref(found);
    sobj_domain_free(domain);
    sobj_unref(obj);
    balance_check(&b, "leases");
}

/* ---- failures */

static void create(void *context)
{
    struct sobj_object *obj[70];
    uint64_t ticket[70];
    struct sobj_domain *domain = sobj_domain_new(5);

    (void)context;
    for (int i = 0; i < 70; i++) {
        obj[i] = thing_new();
        ticket[i] = 0;
        if (obj[i] != NULL && domain != NULL && i % 4 == 0)
            sobj_ticket_new(obj[i], domain, SOBJ_NO_LEASE, &ticket[i]);
    }
    for (int i = 0; i < 70; i++) {
        sobj_ticket_drop(ticket[i]);
        if (obj[i] != NULL)
            sobj_unref(obj[i]);
    }
    sobj_domain_free(domain);
}

/* ---- attach against the last unref */

struct hunt {
    _Atomic(int64_t) id;
    _Atomic(int) caught;
};

static void hunt(struct member *m)
{
    struct hunt *h = m->shared;

    if (m->index == 0) {
        /* At least one must be caught, however rarely the others run. */
        for (int i = 0; i < 1500 || sobj_load_seq_cst(&h->caught) == 0; i++) {
            struct sobj_object *obj = thing_new();
            sobj_store_seq_cst(&h->id, sobj_id_of(obj));
            if (i % 16 == 0)
                sched_yield();
            sobj_unref(obj);
        }
        sobj_store_seq_cst(&h->id, 0);
        return;
    }
    for (int64_t id; (id = sobj_load_seq_cst(&h->id)) != 0;) {
        struct sobj_object *found;
        if (sobj_attach(id, &found) != SOBJ_OK)
            continue;
        expect(sobj_id_of(found) == id && thing_alive(found), "a live core of that id");
        sobj_add_seq_cst(&h->caught, 1);
        sobj_unref(found);
    }
}

static void test_attach_race(void)
{
    struct balance b = balance_begin();
    struct hunt h = {.id = 1};
    int before = tap_failures();

    yield_every(20);
    crew_run(3, 1, 0, hunt, &h);
    yield_every(0);
    ok(tap_failures() == before && sobj_load_seq_cst(&h.caught) > 0,
       "attach against the last unref, %d caught alive", sobj_load_seq_cst(&h.caught));
    balance_check(&b, "attach race");
}

/* More than two steps of the walk, with holes; the tag of a thing is AtomicInt's. */
static void test_census(void)
{
    enum { THINGS = 3000 };
    static struct sobj_object *things[THINGS];
    struct balance b = balance_begin();
    struct sobj_census before, now;

    sobj_census(&before);
    for (int i = 0; i < THINGS; i++)
        things[i] = thing_new();
    sobj_ref(things[5]);
    sobj_census(&now);
    ok(now.objects[SOBJ_TYPE_ATOMIC_INT] ==
               before.objects[SOBJ_TYPE_ATOMIC_INT] + THINGS &&
           now.objects[SOBJ_TYPE_DICT] == before.objects[SOBJ_TYPE_DICT] &&
           now.references == before.references + THINGS + 1,
       "all are counted");
    sobj_unref(things[5]);
    for (int i = 0; i < THINGS; i += 2)
        sobj_unref(things[i]);
    sobj_census(&now);
    ok(now.objects[SOBJ_TYPE_ATOMIC_INT] ==
               before.objects[SOBJ_TYPE_ATOMIC_INT] + THINGS / 2 &&
           now.references == before.references + THINGS / 2,
       "those that are gone are not");
    for (int i = 1; i < THINGS; i += 2)
        sobj_unref(things[i]);
    balance_check(&b, "census");
}

int main(void)
{
    tap_begin();
    ok(fault_walk("70 cores, 18 tickets", create, NULL, NULL) > 70, "allocations fail");
    test_references();
    test_ids();
    test_growth();
    test_tickets();
    test_leases();
    test_census();
    test_attach_race();
    return tap_end();
}
