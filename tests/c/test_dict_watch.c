/* SPDX-License-Identifier: MIT */
/* Waiting for a key: woken by every way to change it, and by nothing that does not. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc.h"
#include "crew.h"
#include "dict_jobs.h"
#include "dict_watch.h"
#include "tap.h"

#define SECOND ((int64_t)1000000000)

/* ---- one thread that waits */

struct waiting {
    struct sobj_dict_key *k;
    sobj_cell seen;
    int64_t deadline;
    struct sobj_domain *domain;
    enum sobj_status status;
    _Atomic(int) done;
    pthread_t thread;
};

static void run_wait(void *context)
{
    struct waiting *w = context;

    w->status = sobj_dict_wait(w->k, w->seen, w->deadline, w->domain);
    sobj_store_seq_cst(&w->done, 1);
}

static void *wait_main(void *context)
{
    run_wait(context);
    return NULL;
}

/* The value that the key has now, and a reference to it. */
static struct waiting waiting_for(struct sobj_object *d, int64_t number)
{
    struct waiting w = {.k = key_of(d, number), .deadline = SOBJ_FOREVER};

    if (!sobj__dict_key_look(w.k, &w.seen))
        w.seen = SOBJ_MISSING;
    return w;
}

static void waiting_end(struct waiting *w)
{
    sobj_cell_unref(w->seen);
    sobj_dict_key_unref(w->k);
}

static struct sobj__watch *watch_of(struct sobj_object *d)
{
    return sobj_load_seq_cst(&sobj__dict_of(d)->watch);
}

static bool watched(struct sobj_object *d)
{
    return (sobj__mode(d) & SOBJ__WATCHED) != 0;
}

/* Returns: how many threads are linked, not yet woken. */
static uint32_t linked(struct sobj_object *d)
{
    struct sobj__watch *w = watch_of(d);
    uint32_t n = 0;

    for (uint32_t i = 0; w != NULL && i < SOBJ__WATCH_LISTS; i++)
        n += sobj_load_seq_cst(&w->lists[i].count);
    return n;
}

static void start(struct waiting *w, uint32_t expected)
{
    expect(pthread_create(&w->thread, NULL, wait_main, w) == 0, "thread");
    while (linked(w->k->dict) != expected)
        sched_yield();
}

/* ---- the ways to change a key; key 8 is there with tag 1 or absent */

enum way {
    SET,
    EXCHANGE,
    INCREMENT,
    REPLACE,
    REMOVE,
    CAS_AWAY,
    CLEAR,
    CONTENT,  /* replaced as a whole */
    EMPTYING, /* became that of another dict */
    LAST,
    INSERT,
    ADD,
    EXCHANGE_IN,
    INCREMENT_IN,
    CAS_IN,
    WAYS
};
static const char *const names[WAYS] = {"set",
                                        "exchange",
                                        "increment",
                                        "compare_and_set",
                                        "remove",
                                        "compare_and_set to MISSING",
                                        "clear",
                                        "replace",
                                        "replace, with its content",
                                        "remove_last",
                                        "insertion",
                                        "add",
                                        "exchange of an absent key",
                                        "increment of an absent key",
                                        "compare_and_set from MISSING"};

static void change(struct sobj_object *d, enum way way)
{
    struct test_key k;
    const struct sobj_key *key = test_key(&k, 8, false);
    sobj_cell value = test_value(8, 2), one = sobj_from_int(1), sum;
    enum sobj_status status = SOBJ_OK;

    switch (way) {
    case SET:
    case INSERT:
        status = sobj_dict_set(d, key, value);
        break;
    case EXCHANGE:
    case EXCHANGE_IN:
        sobj_dict_exchange(d, key, value, NULL);
        break;
    case INCREMENT:
    case INCREMENT_IN:
        status = sobj_dict_increment(d, key, one, one, &sum);
        break;
    case REPLACE:
        status = sobj_dict_compare_and_set(d, key, test_value(8, 1), value);
        break;
    case REMOVE:
        status = sobj_dict_remove(d, key, NULL);
        break;
    case CAS_AWAY:
        status = sobj_dict_compare_and_set(d, key, test_value(8, 1), SOBJ_MISSING);
        break;
    case CLEAR:
        status = sobj_dict_clear(d);
        break;
    case LAST:
        status = sobj_dict_remove_last(d, dict_see, (int64_t[3]){0});
        break;
    case ADD:
        status = sobj_dict_add(d, key, value, NULL);
        break;
    case CONTENT:
    case EMPTYING: {
        struct sobj_object *other = dict_with(2);
        status =
            way == CONTENT ? sobj_dict_replace(d, other) : sobj_dict_replace(other, d);
        sobj_unref(other);
        sobj_cell_unref(value);
        break;
    }
    default:
        status = sobj_dict_compare_and_set(d, key, SOBJ_MISSING, value);
        break;
    }
    expect(status == SOBJ_OK, "%s: %s", names[way], sobj_status_str(status));
}

static void test_woken(enum way way, bool was_there)
{
    struct sobj_object *d = dict_with(3);

    if (way < INSERT || was_there)
        dict_put(d, 8, 1);
    if (way >= INSERT && was_there)
        dict_drop(d, 8); /* its node is there, and dead */
    struct waiting w = waiting_for(d, 8);
    expect(watch_of(d) == NULL && !watched(d), "a pointer until somebody waits");
    start(&w, 1);
    expect(watched(d), "watched");
    change(d, way);
    pthread_join(w.thread, NULL);
    ok(w.status == SOBJ_OK && !watched(d) && linked(d) == 0, "woken by %s%s",
       names[way], was_there ? ", back again" : "");
    waiting_end(&w);
    end(d, names[way]);
}

/* What leaves the cell as it is wakes nobody, nor do changes of other keys. */
static void test_not_woken(void)
{
    struct sobj_object *d = dict_with(40);
    struct waiting w = waiting_for(d, 8);
    struct test_key k;
    const struct sobj_key *key = test_key(&k, 8, false);
    bool stays = true;
    sobj_cell sum;

    start(&w, 1);
    sobj_cell_ref(w.seen);
    sobj_dict_set(d, key, w.seen);
    sobj_dict_add(d, key, sobj_from_int(5), NULL);
    sobj_dict_compare_and_set(d, key, sobj_from_int(5), sobj_from_int(6));
    sobj_dict_increment(d, key, sobj_from_int(0), sobj_from_int(0), &sum);
    /* Who is woken leaves the list, and comes back only when it has run. */
    for (int64_t i = 9; i < 200; i++) {
        dict_put(d, i, 5);
        stays = stays && linked(d) == 1;
        dict_drop(d, i);
        stays = stays && linked(d) == 1;
    }
    ok(stays && !sobj_load_seq_cst(&w.done),
       "not woken by what changes nothing, nor by other keys");
    change(d, SET);
    pthread_join(w.thread, NULL);
    ok(w.status == SOBJ_OK, "and then by its own");
    waiting_end(&w);
    end(d, "not woken");
}

/* ---- endings */

static void ignore(int sig) { (void)sig; }

static void test_endings(void)
{
    struct sobj_object *d = dict_with(9);
    struct waiting w = waiting_for(d, 8), other = waiting_for(d, 7);
    struct sigaction action = {.sa_handler = ignore};

    ok(sobj_dict_wait(w.k, sobj_from_int(77), 0, NULL) == SOBJ_OK,
       "no wait for what is not so");
    ok(sobj_dict_wait(w.k, w.seen, sobj_clock() + 1000000, NULL) == SOBJ_TIMEOUT,
       "timeout");
    ok(sobj_dict_wait(w.k, w.seen, 0, NULL) == SOBJ_TIMEOUT && !watched(d),
       "no time at all");
    w.domain = sobj_domain_new(1);
    start(&other, 1);
    start(&w, 2);
    sobj_domain_close(w.domain);
    pthread_join(w.thread, NULL);
    ok(w.status == SOBJ_CLOSING && watched(d) && linked(d) == 1,
       "one leaves as its domain closes, the other waits on");
    ok(sobj_dict_wait(w.k, w.seen, SOBJ_FOREVER, w.domain) == SOBJ_CLOSING,
       "a closed domain");
    ok(watched(d), "still watched");
    sigaction(SIGUSR1, &action, NULL);
    while (!sobj_load_seq_cst(&other.done)) {
        pthread_kill(other.thread, SIGUSR1);
        sched_yield();
    }
    pthread_join(other.thread, NULL);
    ok(other.status == SOBJ_INTERRUPTED && !watched(d), "a signal ends the wait");
    sobj_domain_free(w.domain);
    waiting_end(&w);
    waiting_end(&other);
    end(d, "endings");
}

/* A new blob with the same bytes is another cell. */
static void test_equal_value(void)
{
    struct sobj_object *d = dict_new();
    struct waiting w;

    dict_put(d, 8, 3);
    w = waiting_for(d, 8);
    expect(sobj_is_blob(w.seen), "a blob");
    start(&w, 1);
    dict_put(d, 8, 3);
    pthread_join(w.thread, NULL);
    ok(w.status == SOBJ_OK, "an equal value is a change");
    waiting_end(&w);
    end(d, "equal value");
}

/* ---- many */

#define MANY 70 /* more than two batches of wake-ups */

static void test_many(bool clear)
{
    static struct waiting w[MANY];
    struct sobj_object *d = dict_with(40);
    int woken = 0;

    for (int i = 0; i < MANY; i++) {
        w[i] = waiting_for(d, clear ? i % 30 : i % 2 ? 8 : 9);
        start(&w[i], (uint32_t)i + 1);
    }
    if (clear) {
        sobj_dict_clear(d);
    } else {
        dict_put(d, 8, 2);
        for (int i = 1; i < MANY; i += 2)
            pthread_join(w[i].thread, NULL);
        ok(linked(d) == MANY / 2, "those who wait for another key stay");
        dict_put(d, 9, 2);
    }
    for (int i = 0; i < MANY; i++) {
        if (clear || i % 2 == 0)
            pthread_join(w[i].thread, NULL);
        woken += w[i].status == SOBJ_OK;
        waiting_end(&w[i]);
    }
    ok(woken == MANY && !watched(d), "one %s wakes %d threads",
       clear ? "clear" : "change", woken);
    end(d, "many");
}

/* Keys with one hash share their list and are woken together; each looks for itself. */
static void test_same_hash(void)
{
    struct sobj_object *d = dict_new();
    struct waiting w[2] = {{.seen = SOBJ_MISSING, .deadline = SOBJ_FOREVER},
                           {.seen = SOBJ_MISSING, .deadline = SOBJ_FOREVER}};
    struct test_key k[2];
    const struct sobj_key *keys[2];

    for (int i = 0; i < 2; i++) {
        keys[i] = test_key(&k[i], 4 * i, false);
        k[i].key.hash = 12345;
        expect(sobj_dict_key_new(d, keys[i], &w[i].k) == SOBJ_OK, "key");
        start(&w[i], (uint32_t)i + 1);
    }
    sobj_dict_set(d, keys[0], sobj_from_int(1));
    pthread_join(w[0].thread, NULL);
    while (linked(d) != 1)
        sched_yield(); /* the other one has looked and sleeps again */
    ok(w[0].status == SOBJ_OK && !sobj_load_seq_cst(&w[1].done),
       "a neighbour with the same hash goes on waiting");
    sobj_dict_set(d, keys[1], sobj_from_int(1));
    pthread_join(w[1].thread, NULL);
    ok(w[1].status == SOBJ_OK, "until its own key changes");
    waiting_end(&w[0]);
    waiting_end(&w[1]);
    sobj_unref(d);
}

/* ---- between the steps */

/* The key changes after the first look, before the watcher has linked itself. */
static void test_change_before_the_look(void)
{
    struct sobj_object *d = dict_with(9);
    struct waiting w = waiting_for(d, 8);
    struct pause p;

    expect(pause_at(&p, "watch.enter", 0, run_wait, &w), "it has looked");
    change(d, SET);
    pause_end(&p);
    ok(w.status == SOBJ_OK && !watched(d), "a change before the second look");
    waiting_end(&w);
    end(d, "before the look");
}

/* A writer stops between its change and the waking; others come and go meanwhile. */
static void test_change_before_the_waking(void)
{
    struct sobj_object *d = dict_with(9);
    struct job job = {.d = d, .number = 8, .value = 2};
    struct waiting w = waiting_for(d, 8), late;
    struct pause p;

    start(&w, 1);
    expect(pause_at(&p, "watch.wake", 0, job_set, &job), "changed");
    late = waiting_for(d, 8);
    ok(dict_look(d, 8) == 2, "the change comes first");
    start(&late, 2);
    pause_end(&p);
    pthread_join(w.thread, NULL);
    ok(w.status == SOBJ_OK, "then the waking");
    dict_put(d, 8, 4);
    pthread_join(late.thread, NULL);
    ok(late.status == SOBJ_OK && !watched(d), "who came later waits for the next one");
    waiting_end(&w);
    waiting_end(&late);
    end(d, "before the waking");
}

/* The insertion happens in the table behind the one that is being moved. */
static void test_change_while_moving(void)
{
    struct sobj_object *d = dict_with(3);
    struct job filler = {.d = d, .number = 500, .value = 1};
    struct waiting w = waiting_for(d, 8);
    struct pause p;
    int64_t n = 100;

    /* Fill up until somebody begins to move the table, and stop there. */
    while (!pause_at(&p, "dict.freeze", 0, job_set, &filler)) {
        pause_end(&p);
        filler.number = ++n;
    }
    expect(after(root(d)) != NULL, "a table follows");
    start(&w, 1);
    change(d, INSERT);
    pthread_join(w.thread, NULL);
    ok(w.status == SOBJ_OK, "woken by an insertion while the table is moved");
    pause_end(&p);
    waiting_end(&w);
    end(d, "while moving");
}

/* ---- memory and fork */

static void wait_a_moment(void *context)
{
    struct sobj_object *d = NULL;
    struct sobj_dict_key *k = NULL;
    struct test_key key;

    (void)context;
    if (sobj_dict_new(0, &d) != SOBJ_OK)
        return;
    if (sobj_dict_key_new(d, test_key(&key, 3, false), &k) == SOBJ_OK) {
        enum sobj_status status = sobj_dict_wait(k, SOBJ_MISSING, 1, NULL);
        expect(status == SOBJ_TIMEOUT || status == SOBJ_NO_MEMORY, "%s",
               sobj_status_str(status));
        expect(!watched(d), "nobody is left");
        sobj_dict_key_unref(k);
    }
    sobj_unref(d);
}

static void wait_or_change(struct member *m)
{
    struct waiting *w = m->shared;

    if (m->index == 0) {
        run_wait(w);
        return;
    }
    while (linked(w->k->dict) == 0)
        sched_yield();
    change(w->k->dict, SET);
}

static void test_fork(void)
{
    struct sobj_object *d = dict_with(9);
    struct waiting w = waiting_for(d, 8);
    int before = tap_failures(), status = -1;

    start(&w, 1);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(HANG_SECONDS);
        expect(!watched(d) && linked(d) == 0, "nobody waits in the child");
        expect(sobj_dict_wait(w.k, w.seen, sobj_clock() + 1000, NULL) == SOBJ_TIMEOUT,
               "a wait that ends");
#if !defined(SOBJ__TSAN)
        crew_run(2, 1, 0, wait_or_change, &w);
        expect(w.status == SOBJ_OK, "and one that is woken");
#else
        (void)wait_or_change;
#endif
        _exit(tap_failures() != before);
    }
    waitpid(pid, &status, 0);
    ok(status == 0, "waiting in the child: %x", status);
    change(d, SET);
    pthread_join(w.thread, NULL);
    ok(w.status == SOBJ_OK, "the parent's thread is woken as if nothing had been");
    waiting_end(&w);
    end(d, "fork");
}

/* ---- a key comes out as it went in */

static void note_number(const struct sobj_entry *e, void *context)
{
    int64_t *number = context;

    *number = e->value == SOBJ_MISSING ? entry_number(e) : -1;
}

static void test_key_shown(void)
{
    struct sobj_object *d = dict_new();
    int64_t number, wrong = 0;

    for (int64_t n = 0; n < 8; n++) {
        struct sobj_dict_key *k = key_of(d, n);
        sobj_dict_key_show(k, note_number, &number);
        wrong += number != n;
        sobj_dict_key_unref(k);
    }
    ok(wrong == 0, "keys of all kinds");
    sobj_unref(d);
}

int main(void)
{
    struct balance b;

    tap_begin();
    b = balance_begin();
    test_key_shown();
    for (int way = 0; way < WAYS; way++)
        test_woken((enum way)way, false);
    for (int way = INSERT; way < WAYS; way++)
        test_woken((enum way)way, true);
    test_not_woken();
    test_endings();
    test_equal_value();
    test_many(false);
    test_many(true);
    test_same_hash();
    test_change_before_the_look();
    test_change_before_the_waking();
    test_change_while_moving();
    ok(fault_walk("wait", wait_a_moment, NULL, NULL) > 0, "allocations can fail");
    test_fork();
    balance_check(&b, "dict watch");
    return tap_end();
}
