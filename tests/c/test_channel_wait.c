/* SPDX-License-Identifier: MIT */
/* Channel, several threads: waiting, wake-ups, domains, signals, fork. Nothing here
 * depends on how fast things go; a hang is ended by the alarm. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "channels.h"
#include "crew.h"
#include "reclaim.h"
#include "tap.h"

/* ---- one thread that does one blocking operation */

struct worker {
    struct sobj_object *channel;
    bool sending;
    sobj_cell cell;
    struct sobj_domain *domain;
    enum sobj_status status;
    pthread_t thread;
    _Atomic(bool) done;
};

static void *work(void *arg)
{
    struct worker *w = arg;

    if (w->sending)
        w->status = sobj_channel_send(w->channel, w->cell, SOBJ_FOREVER, w->domain);
    else
        w->status = sobj_channel_recv(w->channel, &w->cell, SOBJ_FOREVER, w->domain);
    sobj_store_release(&w->done, true); /* Release: the fields above. */
    return NULL;
}

static void start(struct worker *w, struct sobj_object *ch, bool sending, int64_t value,
                  struct sobj_domain *domain)
{
    w->channel = ch;
    w->sending = sending;
    w->cell = sobj_from_int(value);
    w->domain = domain;
    w->status = SOBJ_OK;
    atomic_init(&w->done, false);
    if (pthread_create(&w->thread, NULL, work, w) != 0)
        abort();
}

static bool is_done(struct worker *w)
{
    return sobj_load_acquire(&w->done); /* Acquire: pairs with work. */
}

static int64_t result(struct worker *w)
{
    pthread_join(w->thread, NULL);
    return w->status == SOBJ_OK ? sobj_to_int(w->cell) : -(int64_t)w->status;
}

static uint32_t waiting(struct sobj_object *ch, bool sending)
{
    struct sobj__channel *c = (struct sobj__channel *)ch;

    /* Acquire: only a look. */
    return sobj_load_acquire(sending ? &c->senders.count : &c->receivers.count);
}

/* Until `n` threads are in the list. */
static void await_waiting(struct sobj_object *ch, bool sending, uint32_t n)
{
    while (waiting(ch, sending) != n)
        sched_yield();
}

/* ---- tests */

static void test_one(uint32_t capacity)
{
    struct sobj_object *ch = new_channel(capacity);
    struct worker w;

    start(&w, ch, false, 0, NULL);
    await_waiting(ch, false, 1);
    sobj_channel_try_send(ch, sobj_from_int(5));
    ok(result(&w) == 5, "capacity %u: a receiver waits for a message", capacity);
    if (capacity != 0) {
        for (uint32_t i = 0; i < capacity; i++)
            sobj_channel_try_send(ch, sobj_from_int(i));
        sobj_cell c;
        start(&w, ch, true, 77, NULL);
        await_waiting(ch, true, 1);
        sobj_channel_try_recv(ch, &c);
        ok(result(&w) == 77 && sobj_channel_count(ch) == capacity,
           "capacity %u: a sender waits for room", capacity);
    }
    sobj_unref(ch);
}

#define CROWD 5

/* Returns: whether the waiters were served in the order in which they came. A waiter that
 * is in the list may still be looking at the channel and take what another one is woken
 * for; so one round proves nothing. */
static bool order_round(struct sobj_object *ch)
{
    struct worker w[CROWD];
    bool served[CROWD] = {false}, good = true;

    for (uint32_t i = 0; i < CROWD; i++) {
        start(&w[i], ch, false, 0, NULL);
        await_waiting(ch, false, i + 1);
    }
    for (uint32_t i = 0; i < CROWD; i++) {
        uint32_t next = 0;
        sobj_channel_try_send(ch, sobj_from_int(i + 10));
        while (served[next] || !is_done(&w[next])) {
            next = (next + 1) % CROWD;
            sched_yield();
        }
        served[next] = true;
        good &= next == i;
        expect(result(&w[next]) == i + 10, "message %u", i);
    }
    return good;
}

static void test_order(uint32_t capacity)
{
    struct sobj_object *ch = new_channel(capacity);
    int rounds = 1;

    while (rounds < 50 && !order_round(ch))
        rounds++;
    ok(rounds < 50, "capacity %u: receivers are woken first come, first served (%d)",
       capacity, rounds);
    sobj_unref(ch);
}

/* All messages are there before the first woken receiver runs, or not: each receiver
 * gets one. */
static void test_burst(uint32_t capacity)
{
    struct sobj_object *ch = new_channel(capacity);
    struct worker w[CROWD];
    bool good = true;

    for (int round = 0; round < 40; round++) {
        int64_t sum = 0;
        for (int i = 0; i < CROWD; i++)
            start(&w[i], ch, false, 0, NULL);
        if (round % 2 == 0)
            await_waiting(ch, false, CROWD);
        for (int64_t i = 0; i < CROWD; i++)
            sobj_channel_send(ch, sobj_from_int(1 << i), SOBJ_FOREVER, NULL);
        for (int i = 0; i < CROWD; i++)
            sum += result(&w[i]);
        good &= sum == (1 << CROWD) - 1;
    }
    ok(good, "capacity %u: as many wake-ups as messages", capacity);
    sobj_unref(ch);
}

static void test_close_wakes(void)
{
    struct sobj_object *empty = new_channel(2), *full = new_channel(1);
    struct worker r[3], s[3];
    int closed = 0;
    sobj_cell c;

    sobj_channel_try_send(full, SOBJ_TRUE);
    for (int i = 0; i < 3; i++) {
        start(&r[i], empty, false, 0, NULL);
        start(&s[i], full, true, 1, NULL);
    }
    await_waiting(empty, false, 3);
    await_waiting(full, true, 3);
    sobj_channel_close(empty, false);
    sobj_channel_close(full, false);
    for (int i = 0; i < 3; i++)
        closed += (result(&r[i]) == -SOBJ_CLOSED) + (result(&s[i]) == -SOBJ_CLOSED);
    ok(closed == 6, "close wakes all receivers and all senders");
    ok(sobj_channel_try_recv(full, &c) == SOBJ_OK && c == SOBJ_TRUE &&
           sobj_channel_try_recv(full, &c) == SOBJ_CLOSED,
       "what those senders had is not in the channel");
    sobj_unref(empty);
    sobj_unref(full);
}

static void test_domains(void)
{
    struct sobj_domain *a = sobj_domain_new(1), *b = sobj_domain_new(2);
    struct sobj_object *ch = new_channel(1), *full = new_channel(1);
    struct worker ra, rb, sa;
    sobj_cell c;

    sobj_channel_try_send(full, SOBJ_TRUE);
    start(&ra, ch, false, 0, a);
    await_waiting(ch, false, 1);
    start(&rb, ch, false, 0, b);
    start(&sa, full, true, 0, a);
    await_waiting(ch, false, 2);
    await_waiting(full, true, 1);
    sobj_domain_close(a);
    ok(result(&ra) == -SOBJ_CLOSING && result(&sa) == -SOBJ_CLOSING,
       "closing a domain ends its waits");
    ok(!is_done(&rb) && waiting(ch, false) == 1, "and no other domain's");
    ok(sobj_channel_recv(ch, &c, SOBJ_FOREVER, a) == SOBJ_CLOSING,
       "a closed domain waits no more");
    sobj_channel_try_send(ch, sobj_from_int(3));
    ok(result(&rb) == 3, "the wake-up goes to who still waits");
    sobj_channel_try_send(ch, sobj_from_int(4));
    ok(sobj_channel_recv(ch, &c, SOBJ_FOREVER, a) == SOBJ_OK && sobj_to_int(c) == 4,
       "a closed domain still takes what is there");
    sobj_domain_free(a);
    sobj_domain_free(b);
    sobj_unref(ch);
    sobj_unref(full);
}

static void on_signal(int number) { (void)number; }

static void test_signal(void)
{
    struct sobj_object *ch = new_channel(1);
    struct worker w;
    sobj_cell c;

    start(&w, ch, false, 0, NULL);
    await_waiting(ch, false, 1);
    /* The first may come before the thread sleeps; it need not notice that one. */
    while (!is_done(&w)) {
        pthread_kill(w.thread, SIGUSR1);
        sched_yield();
    }
    ok(result(&w) == -SOBJ_INTERRUPTED && waiting(ch, false) == 0,
       "a signal ends a receive");
    sobj_channel_try_send(ch, SOBJ_TRUE);
    start(&w, ch, true, 9, NULL);
    await_waiting(ch, true, 1);
    while (!is_done(&w)) {
        pthread_kill(w.thread, SIGUSR1);
        sched_yield();
    }
    ok(result(&w) == -SOBJ_INTERRUPTED && sobj_channel_count(ch) == 1,
       "a signal ends a send, and nothing was sent");
    ok(sobj_channel_recv(ch, &c, SOBJ_FOREVER, NULL) == SOBJ_OK && c == SOBJ_TRUE,
       "the channel goes on");
    sobj_unref(ch);
}

/* ---- fork while others wait, send and receive */

struct busy {
    struct sobj_object *channel; /* messages are {sender, number} */
    _Atomic(bool) stop;
    int64_t id;
    bool rows; /* sends and receives rows only */
};

#define FORKS 20
#define MESSAGE(sender, number) sobj_from_int((int64_t)(sender) << 40 | (number))

/* Returns: how many messages went. */
static int64_t send_row(struct busy *b, int64_t sent)
{
    sobj_cell cells[5];
    struct sobj_messages m = {.cells = cells, .count = 5};

    for (int64_t i = 0; i < 5; i++)
        cells[i] = MESSAGE(b->id, sent + i);
    sobj_channel_try_send_many(b->channel, &m);
    return (int64_t)m.done;
}

static void recv_row(struct busy *b)
{
    sobj_cell cells[5];
    struct sobj_messages m = {.cells = cells, .count = 5};

    sobj_channel_try_recv_many(b->channel, &m);
}

static void *keep_busy(void *arg)
{
    struct busy *b = arg;
    int64_t sent = 0;
    sobj_cell c;

    for (unsigned i = 0; !sobj_load_acquire(&b->stop); i++) { /* Acquire: a flag. */
        /* More sends than receives, and more receives when there is much. */
        bool sends = i % 8 < (sobj_channel_count(b->channel) < 100 ? 5 : 2);
        if (sends && b->rows)
            sent += send_row(b, sent);
        else if (sends)
            sent += sobj_channel_try_send(b->channel, MESSAGE(b->id, sent)) == SOBJ_OK;
        else if (b->rows)
            recv_row(b);
        else
            sobj_channel_try_recv(b->channel, &c);
    }
    return NULL;
}

/* In the child. Returns: whether the copy works: what is in it comes out, in order and
 * without gaps for each sender, and then it takes and gives as ever. */
static bool copy_works(struct sobj_object *ch)
{
    int64_t next[2] = {-1, -1};
    size_t count = sobj_channel_count(ch), taken = 0;
    sobj_cell c;

    for (; sobj_channel_try_recv(ch, &c) == SOBJ_OK; taken++) {
        int64_t sender = sobj_to_int(c) >> 40, n = sobj_to_int(c) & 0xffffffffff;
        if (sender > 1 || (next[sender] >= 0 && n != next[sender]))
            return false;
        next[sender] = n + 1;
    }
    if (taken != count || sobj_channel_count(ch) != 0)
        return false;
    for (int lap = 0; lap < 20; lap++) {
        if (sobj_channel_send(ch, sobj_from_int(lap), SOBJ_FOREVER, NULL) != SOBJ_OK ||
            sobj_channel_recv(ch, &c, SOBJ_FOREVER, NULL) != SOBJ_OK ||
            sobj_to_int(c) != lap)
            return false;
    }
    if (sobj_channel_recv(ch, &c, sobj_clock() + 1000000, NULL) != SOBJ_TIMEOUT)
        return false;
    sobj_channel_close(ch, false);
    return sobj_channel_recv(ch, &c, SOBJ_FOREVER, NULL) == SOBJ_CLOSED;
}

static int child(struct sobj_object *empty, struct sobj_object *full, struct busy *b)
{
    sobj_cell c;

    alarm(HANG_SECONDS);
    yield_every(0);
    if (waiting(empty, false) != 0 || waiting(full, true) != 0)
        return 2;
    if (sobj_channel_try_recv(full, &c) != SOBJ_OK || c != SOBJ_TRUE)
        return 3;
    if (!copy_works(empty) || !copy_works(full))
        return 4;
    if (!copy_works(b[0].channel))
        return 5;
    return copy_works(b[2].channel) ? 0 : 6;
}

static void test_fork(bool rows)
{
    struct sobj_object *empty = new_channel(3), *full = new_channel(1);
    struct sobj_object *bounded = new_channel(7), *unbounded = new_channel(0);
    struct busy busy[4] = {{.channel = bounded, .id = 0, .rows = rows},
                           {.channel = bounded, .id = 1, .rows = rows},
                           {.channel = unbounded, .id = 0, .rows = rows},
                           {.channel = unbounded, .id = 1, .rows = rows}};
    struct worker r[2], s;
    pthread_t threads[4];
    int good = 0, status, last = 0;

    sobj_channel_try_send(full, SOBJ_TRUE);
    start(&r[0], empty, false, 0, NULL);
    start(&r[1], empty, false, 0, NULL);
    start(&s, full, true, 8, NULL);
    await_waiting(empty, false, 2);
    await_waiting(full, true, 1);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, keep_busy, &busy[i]);
    for (int i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(child(empty, full, busy));
        if (pid > 0 && waitpid(pid, &status, 0) == pid) {
            good += status == 0;
            last = status != 0 ? status : last;
        }
    }
    ok(good == FORKS, "%d forks: the copies work (last status %#x)", FORKS,
       (unsigned)last);
    for (int i = 0; i < 4; i++) {
        sobj_store_release(&busy[i].stop, true); /* Release: a flag. */
        pthread_join(threads[i], NULL);
    }
    sobj_channel_try_send(empty, sobj_from_int(1));
    sobj_channel_try_send(empty, sobj_from_int(1));
    sobj_cell c;
    sobj_channel_try_recv(full, &c);
    ok(result(&r[0]) == 1 && result(&r[1]) == 1 && result(&s) == 8,
       "the parent's waiters are still served");
    sobj_unref(empty);
    sobj_unref(full);
    sobj_unref(bounded);
    sobj_unref(unbounded);
}

int main(void)
{
    static const uint32_t capacities[] = {1, 2, 7, 0};
    struct sigaction action = {.sa_handler = on_signal};

    tap_begin();
    alarm(HANG_SECONDS);
    sigaction(SIGUSR1, &action, NULL);
    struct balance b = balance_begin();
    for (int i = 0; i < 4; i++) {
        test_one(capacities[i]);
        test_order(capacities[i]);
    }
    test_close_wakes();
    test_domains();
    test_signal();
    for (unsigned period = 0; period < 4; period += 3) {
        yield_every(period);
        for (int i = 0; i < 4; i++) {
            alarm(HANG_SECONDS);
            test_burst(capacities[i]);
        }
#if !defined(FORKS_NEED_QUIET)
        alarm(HANG_SECONDS);
        test_fork(false);
        test_fork(true);
#endif
    }
#if defined(FORKS_NEED_QUIET)
    (void)test_fork;
    skip("fork while others work: the sanitizer's own locks may be held then");
#endif
    yield_every(0);
    balance_check(&b, "all");
    return tap_end();
}
