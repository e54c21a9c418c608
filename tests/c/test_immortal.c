/* SPDX-License-Identifier: MIT */
/* Immortal objects: one for each content, found by content and by address, cells, the
 * limit, failures, threads, fork. An "object" here is its text. */
#include "immortal.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "reclaim.h"
#include "tap.h"

#define ROOM 64

static struct sobj_immortal_key key_of(enum sobj_immortal_kind kind, const char *text)
{
    size_t size = strlen(text);

    return (struct sobj_immortal_key){
        .kind = kind, .hash = sobj_hash_bytes(text, size), .bytes = text, .size = size};
}

/* Returns: OK and the object; or why there is none. */
static enum sobj_status make(enum sobj_immortal_kind kind, const char *text,
                             struct sobj_immortal **out)
{
    struct sobj_immortal_key key = key_of(kind, text);
    struct sobj_immortal_room room;

    *out = sobj_immortal_find(&key);
    if (*out != NULL)
        return SOBJ_OK;
    enum sobj_status status = sobj_immortal_room(ROOM, &room);
    if (status != SOBJ_OK)
        return status;
    memcpy(room.memory, text, key.size);
    key.bytes = room.memory;
    return sobj_immortal_add(&key, room.memory, &room, out);
}

static struct sobj_immortal *made(enum sobj_immortal_kind kind, const char *text)
{
    struct sobj_immortal *m = NULL;

    expect(make(kind, text, &m) == SOBJ_OK, "making %s", text);
    return m;
}

static bool is(const struct sobj_immortal *m, const char *text)
{
    return strcmp(sobj_immortal_object(m), text) == 0;
}

static struct sobj_immortal_figures figures(void)
{
    struct sobj_immortal_figures now;

    sobj_immortal_figures(&now);
    return now;
}

/* ---- finding */

static void test_before_the_first(void)
{
    struct sobj_immortal_key key = key_of(SOBJ_IMMORTAL_STR, "early");

    ok(!sobj_immortal_any(SOBJ_IMMORTAL_ALL), "there are none");
    ok(sobj_immortal_find(&key) == NULL && sobj_immortal_at(&key) == NULL,
       "none found");
    ok(figures().count == 0 && figures().bytes == 0 &&
           figures().limit == SOBJ_IMMORTAL_LIMIT,
       "no figures");
}

static void test_one_for_each_content(void)
{
    struct sobj_immortal *a = made(SOBJ_IMMORTAL_STR, "one");
    struct sobj_immortal *b = made(SOBJ_IMMORTAL_STR, "two");
    struct sobj_immortal_key key = key_of(SOBJ_IMMORTAL_STR, "one");

    ok(sobj_immortal_any(1u << SOBJ_IMMORTAL_STR) &&
           !sobj_immortal_any(1u << SOBJ_IMMORTAL_BYTES),
       "the bit of its kind");
    ok(a != b && is(a, "one") && is(b, "two"), "two objects");
    ok(made(SOBJ_IMMORTAL_STR, "one") == a && sobj_immortal_find(&key) == a,
       "the same");
    ok(made(SOBJ_IMMORTAL_BYTES, "one") != a, "another kind");
    ok(sobj_immortal_any(1u << SOBJ_IMMORTAL_BYTES), "which has its bit now");
    key.aux = 1;
    ok(sobj_immortal_find(&key) == NULL, "another aux");
    key.aux = 0;
    key.size = 2;
    ok(sobj_immortal_find(&key) == NULL, "another size");
    key.size = 3;
    key.hash++;
    ok(sobj_immortal_find(&key) == NULL, "another hash");
    ok(sobj_immortal_at(sobj_immortal_object(a)) == a && sobj_immortal_at("x") == NULL,
       "by address");
}

static void test_many(void)
{
    enum { MANY = 3000 };
    static struct sobj_immortal *all[MANY];
    int64_t before = figures().count;
    char text[ROOM];
    int wrong = 0;

    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "many %d", i);
        all[i] = made(SOBJ_IMMORTAL_STR, text);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "many %d", i);
        wrong += made(SOBJ_IMMORTAL_STR, text) != all[i] || !is(all[i], text) ||
                 sobj_immortal_at(sobj_immortal_object(all[i])) != all[i];
    }
    ok(wrong == 0, "all are found after the tables have grown");
    ok(figures().count == before + MANY, "counted");
}

static void test_equal_hashes(void)
{
    struct sobj_immortal *all[100];
    int wrong = 0;

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 100; i++) {
            struct sobj_immortal_room none = {.memory = NULL};
            static char texts[100][8];
            struct sobj_immortal_key key = {.kind = SOBJ_IMMORTAL_COMPLEX, .hash = 7};
            snprintf(texts[i], sizeof texts[i], "t%d", i);
            key.bytes = texts[i];
            key.size = strlen(texts[i]);
            struct sobj_immortal *m;
            expect(sobj_immortal_add(&key, texts[i], &none, &m) == SOBJ_OK, "add");
            if (round == 0)
                all[i] = m;
            wrong += m != all[i] || !is(m, texts[i]);
        }
    }
    ok(wrong == 0, "objects that need no room, all with one hash");
}

/* ---- cells */

static sobj_cell text_cell(const char *text)
{
    size_t size = strlen(text);
    struct sobj_blob *b = sobj_blob_new(SOBJ_BLOB_BYTES, 0, size, 0, 5);

    memcpy(b->data, text, size);
    return sobj_from_blob(b);
}

static void test_cells(void)
{
    static const char *const texts[] = {"c", "seven b", "eight by", "nine byte"};

    for (size_t i = 0; i < 4; i++) {
        struct sobj_immortal *m = made(SOBJ_IMMORTAL_BYTES, texts[i]);
        struct balance b = balance_begin();
        expect(sobj_immortal_cell(m) == SOBJ_NO_CELL, "no cell yet");
        b.counts[SOBJ_COUNT_IMMORTAL]++;
        int64_t bytes = figures().bytes;
        sobj_cell cell = sobj_immortal_keep(m, text_cell(texts[i]));
        b.counts[SOBJ_COUNT_BYTES] += figures().bytes - bytes;
        struct sobj_blob *blob = sobj_to_blob(cell);
        sobj_cell equal = text_cell(texts[i]), other = text_cell("else");
        ok(sobj_blob_is_immortal(blob) && !sobj_blob_is_immortal(sobj_to_blob(equal)) &&
               sobj_blob_immortal(blob) == sobj_immortal_object(m) &&
               sobj_blob_size(blob) == strlen(texts[i]) && blob->hash == 5,
           "it leads to the object");
        ok(sobj_cell_same(cell, equal) && sobj_cell_same(equal, cell) &&
               sobj_cell_same(cell, cell) && !sobj_cell_same(cell, other),
           "it is the same value as an ordinary one");
        ok(sobj_immortal_cell(m) == cell && sobj_immortal_keep(m, equal) == cell,
           "there is one");
        for (int n = 0; n < 3; n++)
            sobj_cell_unref(cell);
        sobj_cell_unref(other);
        ok(sobj_immortal_cell(m) == cell && memcmp(blob->data, texts[i], 1) == 0,
           "it stays when nobody refers to it");
        sobj_cell_unref(cell);
        balance_check(&b, texts[i]);
    }
    struct sobj_immortal *m = made(SOBJ_IMMORTAL_INT, "12");
    ok(sobj_immortal_keep(m, sobj_from_int(12)) == sobj_from_int(12) &&
           sobj_immortal_cell(m) == SOBJ_NO_CELL,
       "immediates stay what they are");
}

/* ---- the limit */

static void test_limit(void)
{
    struct sobj_immortal *m = made(SOBJ_IMMORTAL_STR, "known"), *new;
    int64_t bytes = figures().bytes;
    struct balance b = balance_begin();

    ok(sobj_immortal_set_limit(bytes) == SOBJ_IMMORTAL_LIMIT, "the limit before");
    ok(make(SOBJ_IMMORTAL_STR, "too much", &new) == SOBJ_FULL, "full");
    ok(make(SOBJ_IMMORTAL_STR, "known", &new) == SOBJ_OK && new == m, "known ones");
    sobj_cell cell = sobj_immortal_keep(m, text_cell("known"));
    ok(!sobj_blob_is_immortal(sobj_to_blob(cell)), "stored by value");
    sobj_cell_unref(cell);
    sobj_immortal_set_limit(bytes + ROOM + 1);
    ok(make(SOBJ_IMMORTAL_STR, "no entry", &new) == SOBJ_FULL, "full in the end");
    sobj_immortal_set_limit(0);
    ok(make(SOBJ_IMMORTAL_STR, "too much", &new) == SOBJ_FULL, "far below");
    ok(figures().bytes == bytes, "nothing was counted");
    balance_check(&b, "limit");
    sobj_immortal_set_limit(SOBJ_IMMORTAL_LIMIT);
    ok(make(SOBJ_IMMORTAL_STR, "too much", &new) == SOBJ_OK, "room again");
}

static void test_unroom(void)
{
    struct balance b = balance_begin();
    int64_t bytes = figures().bytes;
    struct sobj_immortal_room room;

    ok(sobj_immortal_room(ROOM, &room) == SOBJ_OK && figures().bytes == bytes + ROOM,
       "counted");
    sobj_immortal_unroom(&room);
    sobj_immortal_unroom(&room);
    ok(figures().bytes == bytes, "and given back, once");
    balance_check(&b, "unroom");
}

/* ---- failures */

/* Each allocation fails once; then all is as before, or the object is there. */
static void test_faults(void)
{
    int rounds = 0;

    for (int kinds = 0; kinds < 200; kinds++) { /* so many that tables grow */
        for (int after = 0;; after++, rounds++) {
            char text[ROOM];
            struct sobj_immortal *m, *twin;
            snprintf(text, sizeof text, "fault %d", kinds);
            struct balance b = balance_begin();
            struct sobj_immortal_figures before = figures();
            sobj_fail_allocation(after);
            enum sobj_status status = make(SOBJ_IMMORTAL_STR, text, &m);
            if (status == SOBJ_OK) {
                bool done = sobj_fail_allocation(-1) >= 0;
                expect(make(SOBJ_IMMORTAL_STR, text, &twin) == SOBJ_OK && twin == m &&
                           is(m, text),
                       "whole");
                if (done)
                    break;
                continue;
            }
            sobj_fail_allocation(-1);
            expect(status == SOBJ_NO_MEMORY, "why");
            struct sobj_immortal_figures now = figures();
            expect(now.count == before.count, "nothing was added");
            /* A table may have grown, and stays so. */
            struct balance after_it = balance_begin();
            expect(now.bytes - before.bytes ==
                       after_it.counts[SOBJ_COUNT_BYTES] - b.counts[SOBJ_COUNT_BYTES],
                   "what is counted is what is there");
            expect(after_it.counts[SOBJ_COUNT_IMMORTAL] -
                           b.counts[SOBJ_COUNT_IMMORTAL] <=
                       1,
                   "nothing but a first table");
        }
    }
    ok(rounds >= 400, "%d failures", rounds);
}

static void test_cell_faults(void)
{
    struct sobj_immortal *m = made(SOBJ_IMMORTAL_STR, "a cell that fails");
    sobj_cell ordinary = text_cell("a cell that fails");
    int64_t bytes = figures().bytes;

    sobj_fail_allocation(0);
    ok(sobj_immortal_keep(m, ordinary) == ordinary, "by value without memory");
    ok(figures().bytes == bytes, "not counted");
    sobj_fail_allocation(-1);
    sobj_cell cell = sobj_immortal_keep(m, ordinary);
    ok(sobj_blob_is_immortal(sobj_to_blob(cell)), "then by the object");
    sobj_cell_unref(cell);
}

/* ---- at once */

enum { TEXTS = 400 };
struct race {
    _Atomic(struct sobj_immortal *) seen[TEXTS];
    _Atomic(sobj_cell) cells[TEXTS];
    _Atomic(int) wrong;
};

static void race(struct member *m)
{
    struct race *r = m->shared;
    char text[ROOM];

    for (int i = 0; i < TEXTS; i++) {
        struct sobj_immortal *mine, *first = NULL;
        sobj_cell none = 0;
        snprintf(text, sizeof text, "race %d", i);
        mine = made(SOBJ_IMMORTAL_BYTES, text);
        if (!atomic_compare_exchange_strong(&r->seen[i], &first, mine))
            r->wrong += first != mine;
        r->wrong += !is(mine, text);
        r->wrong += sobj_immortal_at(sobj_immortal_object(mine)) != mine;
        sobj_cell cell = sobj_immortal_cell(mine);
        if (cell == SOBJ_NO_CELL)
            cell = sobj_immortal_keep(mine, text_cell(text));
        if (!atomic_compare_exchange_strong(&r->cells[i], &none, cell))
            r->wrong += none != cell;
        sobj_cell_unref(cell);
    }
}

static void test_races(void)
{
    static struct race r;
    int64_t before = figures().count;

    crew_run(4, 1, 0, race, &r);
    ok(r.wrong == 0, "four threads get the same objects and cells");
    ok(figures().count == before + TEXTS, "one of each");
}

static void test_fork(void)
{
    struct sobj_immortal *m = made(SOBJ_IMMORTAL_STR, "of the parent");
    pid_t child = fork();

    if (child == 0) {
        struct sobj_immortal *mine, *again;
        bool good = make(SOBJ_IMMORTAL_STR, "of the parent", &mine) == SOBJ_OK &&
                    mine == m && make(SOBJ_IMMORTAL_STR, "own", &mine) == SOBJ_OK &&
                    make(SOBJ_IMMORTAL_STR, "own", &again) == SOBJ_OK && again == mine;
        _exit(good ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    ok(status == 0, "the child has them, and makes its own");
    struct sobj_immortal_key key = key_of(SOBJ_IMMORTAL_STR, "own");
    ok(sobj_immortal_find(&key) == NULL, "which are not ours");
}

/* Last: it stays on. */
static void test_protected(void)
{
    sobj_immortal_protect();
    struct sobj_immortal *m = made(SOBJ_IMMORTAL_STR, "sealed");
    struct sobj_immortal_room room;

    ok(is(m, "sealed") && made(SOBJ_IMMORTAL_STR, "sealed") == m, "can be read");
    ok(sobj_immortal_room(ROOM, &room) == SOBJ_OK && room.paged, "pages");
    struct sobj_immortal_key key = key_of(SOBJ_IMMORTAL_STR, "sealed");
    memcpy(room.memory, "sealed", 6);
    ok(sobj_immortal_add(&key, room.memory, &room, &m) == SOBJ_OK && is(m, "sealed"),
       "who comes second gives its pages back");
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* not a sanitizer's */
        *(volatile char *)sobj_immortal_object(m) = 'x';
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ok(!(WIFEXITED(status) && WEXITSTATUS(status) == 0), "a write ends the process");
}

int main(void)
{
    tap_begin();
    test_before_the_first();
    test_one_for_each_content();
    test_many();
    test_equal_hashes();
    test_cells();
    test_limit();
    test_unroom();
    test_faults();
    test_cell_faults();
    test_races();
    test_fork();
    test_protected();
    return tap_end();
}
