/* SPDX-License-Identifier: MIT */
/* Pins of the list: what a look through one may say while others append, remove, move and
 * exchange items (I10 in shared/list_internal.h), and what memory it keeps. */
#include <signal.h>
#include <sys/mman.h>

#include "list_check.h"
#include "list_jobs.h"

static struct sobj_list_pin pin_of(struct sobj_object *l)
{
    struct sobj_list_pin pin;

    ok(sobj_list_pin_init(&pin, l), "a pin");
    return pin;
}

/* What a look says about an item, which is an immediate; ABSENT: nothing. */
static int64_t seen(const struct sobj_list_pin *pin, uint64_t index,
                    const sobj_cell *place)
{
    sobj_cell cell = sobj_list_pin_look(pin, index, place);

    return cell == SOBJ_NO_CELL ? ABSENT : sobj_to_int(cell);
}

static void looks(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct sobj_list_pin pin = pin_of(l);
    const sobj_cell *first = sobj_list_pin_place(&pin, 0),
                    *last = sobj_list_pin_place(&pin, 2);

    ok(first != NULL && sobj_list_pin_place(&pin, 3) == NULL &&
           sobj_list_pin_place(&pin, UINT64_MAX) == NULL,
       "items have places");
    ok(seen(&pin, 0, first) == 0 && seen(&pin, 2, last) == 2, "where they are seen");
    sobj_list_set(l, 2, cell_of(50));
    ok(seen(&pin, 2, last) == 50, "as they are now");
    list_pop(l);
    ok(seen(&pin, 2, last) == ABSENT && seen(&pin, 0, first) == 0,
       "and for as long as they are there");
    list_push(l, 8);
    ok(seen(&pin, 2, last) == 8 && sobj_list_pin_renew(&pin), "or there again");
    list_extend(l, 0, 2 * SOBJ_LIST_PINNED);
    ok(seen(&pin, 2, last) == 8 &&
           seen(&pin, 2000, sobj_list_pin_place(&pin, 2000)) == 1997,
       "a pin does not mind when the list grows");
    ok(sobj_list_pin_place(&pin, SOBJ_LIST_PINNED - 1) != NULL &&
           sobj_list_pin_place(&pin, SOBJ_LIST_PINNED) == NULL,
       "so many items are pinned");
    sobj_list_freeze(l);
    ok(seen(&pin, 2, last) == 8, "frozen lists can be looked at");
    sobj_list_pin_fini(&pin);
    end(l, &b, "looks");
}

/* ---- beside changes */

static void look_beside_a_removal(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct sobj_list_pin pin = pin_of(l);
    const sobj_cell *last = sobj_list_pin_place(&pin, 2);
    struct job r = {.l = l, .index = -1}, a = {.l = l, .value = 2};
    struct pause p;

    ok(pause_at(&p, "list.lowered", 0, job_pop, &r), "a removal stops half way");
    ok(seen(&pin, 2, last) == ABSENT, "the item is gone");
    pause_end(&p);
    ok(pause_at(&p, "list.append", 0, job_push, &a), "another is nearly appended");
    ok(seen(&pin, 2, last) == ABSENT, "nobody sees it");
    pause_end(&p);
    ok(seen(&pin, 2, last) == 2, "until it is appended");
    sobj_list_pin_fini(&pin);
    end(l, &b, "a look beside a removal");
}

/* A look that is stopped before it reads the cell: that lies on a page that cannot be read
 * before something has happened. */
static struct {
    sobj_cell *page;
    struct sobj_object *l;
} stop;

static void meanwhile(int signal)
{
    (void)signal;
    if (mprotect(stop.page, 4096, PROT_READ) != 0)
        abort();
    list_pop(stop.l);
    list_push(stop.l, 9);
}

static void look_around_a_removal(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3);
    struct sobj_list_pin pin = pin_of(l);
    struct sigaction action = {.sa_handler = meanwhile}, before;
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ok(page != MAP_FAILED, "a page");
    stop.page = page;
    stop.l = l;
    *stop.page = cell_of(2);
    ok(mprotect(page, 4096, PROT_NONE) == 0 &&
           sigaction(SIGSEGV, &action, &before) == 0,
       "a look will be stopped");
    ok(seen(&pin, 2, stop.page) == ABSENT, "the item was removed meanwhile");
    sigaction(SIGSEGV, &before, NULL);
    ok(list_at(l, 2) == 9 && seen(&pin, 2, sobj_list_pin_place(&pin, 2)) == 9,
       "and there is another");
    munmap(page, 4096);
    sobj_list_pin_fini(&pin);
    end(l, &b, "a look around a removal");
}

/* Another content: what is in the old one is nothing any more. */
static void look_beside_a_move(void)
{
    static void (*const works[])(void *) = {job_insert, job_replace, job_pop};
    static const char *const names[] = {"insert", "replace", "pop"};

    for (int i = 0; i < 3; i++) {
        struct balance b = balance_begin();
        struct sobj_object *l = list_with(9);
        struct sobj_list_pin pin = pin_of(l);
        const sobj_cell *place = sobj_list_pin_place(&pin, 1);
        struct job m = {.l = l, .value = 50};

        works[i](&m);
        ok(seen(&pin, 1, place) == ABSENT && !sobj_list_pin_renew(&pin), "%s",
           names[i]);
        sobj_collect();
        ok(seen(&pin, 1, place) == ABSENT, "the old content can be read");
        sobj_list_pin_fini(&pin);
        pin = pin_of(l);
        ok(seen(&pin, 0, sobj_list_pin_place(&pin, 0)) == list_at(l, 0),
           "another pin shows the new one");
        sobj_list_pin_fini(&pin);
        end(l, &b, names[i]);
    }
}

/* Removals might have gone round since a pin said when it began. */
static void looks_and_renewals(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(400);
    struct sobj__list *in = sobj__list_of(l);
    struct sobj_list_pin pin = pin_of(l);
    const sobj_cell *first = sobj_list_pin_place(&pin, 0);

    in->lowered = SOBJ__LIST_LOWERED_MAX;
    list_pop(l);
    ok(in->lowered == 1, "a grace period has passed");
    ok(seen(&pin, 0, first) == ABSENT, "a look says nothing");
    ok(sobj_list_pin_renew(&pin) && seen(&pin, 0, first) == 0, "until it begins again");

    struct sobj_slice half = {250, INT64_MAX, 1};
    in->lowered = 7;
    ok(sobj_list_delete_slice(l, &half) == SOBJ_OK && in->lowered == 7,
       "a large end is cut off, which is not counted");
    ok(seen(&pin, 0, first) == ABSENT, "a look says nothing");
    ok(sobj_list_pin_renew(&pin) && seen(&pin, 0, first) == 0, "until it begins again");

    sobj_cell last = cell_of(249);
    ok(sobj_list_delete_if(l, -1, last) == SOBJ_OK && in->lowered == 7,
       "an item is removed if it is the last, which is not counted");
    sobj_cell_unref(last);
    ok(seen(&pin, 0, first) == ABSENT && sobj_list_pin_renew(&pin) &&
           seen(&pin, 0, first) == 0,
       "the same");
    sobj_list_pin_fini(&pin);
    end(l, &b, "looks and renewals");
}

/* ---- memory */

/* By halves: then what is left stays where it is. */
static void cut_to(struct sobj_object *l, uint64_t n)
{
    uint64_t len;

    while ((len = sobj_list_len(l)) > n) {
        struct sobj_slice end = {(int64_t)(n > (len + 1) / 2 ? n : (len + 1) / 2),
                                 INT64_MAX, 1};
        expect(sobj_list_delete_slice(l, &end) == SOBJ_OK, "a cut");
    }
}

static void pins_keep_segments(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(3 * SOBJ_LIST_PINNED);
    struct sobj_list_pin pin = pin_of(l), other = pin_of(l);
    const sobj_cell *place = sobj_list_pin_place(&pin, 3000);
    size_t full = sobj_list_bytes(l);

    sobj_list_pin_fini(&other);
    cut_to(l, 10);
    sobj_collect();
    ok(seen(&pin, 3000, place) == ABSENT, "a place can be read when it is empty");
    ok(sobj_list_bytes(l) < full / 2, "the memory of those beyond has gone");
    list_extend(l, 10, 3500);
    ok(sobj_list_pin_renew(&pin) && seen(&pin, 3000, place) == 3000,
       "items come back to their places");
    cut_to(l, 10);
    size_t pinned = sobj_list_bytes(l);
    sobj_list_pin_fini(&pin);
    cut_to(l, 2);
    ok(sobj_list_bytes(l) < pinned / 8, "without a pin the next removal trims");
    end(l, &b, "pins keep segments");
}

/* What a pin keeps of a content that has gone: no items, and of its memory the first
 * part only. */
static void pins_of_an_old_content(void)
{
    struct balance b = balance_begin();
    struct sobj_object *l = list_with(100 * SOBJ_LIST_PINNED);
    struct sobj_list_pin pin = pin_of(l), second = pin_of(l);
    const sobj_cell *place = sobj_list_pin_place(&pin, SOBJ_LIST_PINNED - 1);

    ok(sobj_list_replace(l, NULL, 0) == SOBJ_OK, "another content");
    sobj_collect();
    int64_t bytes =
        balance_begin().counts[SOBJ_COUNT_BYTES] - b.counts[SOBJ_COUNT_BYTES];
    ok(bytes < 9 * (int64_t)SOBJ_LIST_PINNED + 8192, "%lld bytes are kept",
       (long long)bytes);
    ok(seen(&pin, SOBJ_LIST_PINNED - 1, place) == ABSENT, "and can be read");
    sobj_list_pin_fini(&second);
    ok(seen(&pin, SOBJ_LIST_PINNED - 1, place) == ABSENT, "as long as there is a pin");
    sobj_collect();
    list_check(l, "with a pin");
    sobj_unref(l);
    sobj_list_pin_fini(&pin);
    balance_check(&b, "a pin that outlives its list");
}

int main(void)
{
    tap_begin();
    looks();
    look_beside_a_removal();
    look_around_a_removal();
    look_beside_a_move();
    looks_and_renewals();
    pins_keep_segments();
    pins_of_an_old_content();
    return tap_end();
}
