/* SPDX-License-Identifier: MIT */
/* Notifiers: descriptors that say whether a channel can be received from or sent to. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "channels.h"
#include "crew.h"
#include "sharedobj/channel_end.h"
#include "sharedobj/notify.h"
#include "sharedobj/queue.h"
#include "tap.h"

static struct sobj_notifier *new_notifier(struct sobj_object *ch, bool sending)
{
    struct sobj_notifier *n;

    if (sobj_notifier_new(ch, sending, true, &n) != SOBJ_OK) {
        diag("no notifier");
        abort();
    }
    return n;
}

/* Waits for it, if `timeout` is -1. */
static bool readable(const struct sobj_notifier *n, int timeout)
{
    struct pollfd p = {.fd = sobj_notifier_fd(n), .events = POLLIN};

    return poll(&p, 1, timeout) == 1 && p.revents == POLLIN;
}

static enum sobj_status send_int(struct sobj_object *ch, int64_t i)
{
    return sobj_channel_try_send(ch, sobj_from_int(i));
}

static int64_t recv_int(struct sobj_object *ch)
{
    sobj_cell c;
    enum sobj_status status = sobj_channel_try_recv(ch, &c);

    return status == SOBJ_OK ? sobj_to_int(c) : -(int64_t)status;
}

/* ---- one thread */

static void test_messages(struct sobj_object *ch, const char *kind)
{
    struct sobj_notifier *n = new_notifier(ch, false), *late;

    ok(!readable(n, 0), "%s: not readable while it is empty", kind);
    send_int(ch, 1);
    send_int(ch, 2);
    late = new_notifier(ch, false);
    ok(readable(n, 0) && readable(late, 0), "readable when there are messages");
    ok(recv_int(ch) == 1 && readable(n, 0) && recv_int(ch) == 2,
       "and as long as there are any");
    ok(recv_int(ch) == -SOBJ_EMPTY && !readable(n, 0) && !readable(late, 0),
       "not readable when a receive has found it empty");
    send_int(ch, 3);
    ok(readable(n, 0) && readable(late, 0), "all are when the next message comes");
    sobj_notifier_free(late);
    ok(recv_int(ch) == 3 && recv_int(ch) == -SOBJ_EMPTY && !readable(n, 0),
       "one that goes leaves the other alone");
    sobj_channel_close(ch, false);
    ok(readable(n, 0) && recv_int(ch) == -SOBJ_CLOSED && readable(n, 0),
       "readable for good when it is closed");
    late = new_notifier(ch, false);
    ok(readable(late, 0), "a new one as well");
    sobj_notifier_free(late);
    sobj_notifier_free(n);
    sobj_unref(ch);
}

static void test_batches(void)
{
    struct sobj_object *ch = new_channel(4);
    struct sobj_notifier *n = new_notifier(ch, false);
    sobj_cell cells[9];
    struct sobj_messages m = {.cells = cells, .count = 4};

    for (int i = 0; i < 9; i++)
        cells[i] = sobj_from_int(i);
    ok(sobj_channel_try_send_many(ch, &m) == SOBJ_OK && readable(n, 0),
       "a row makes it readable");
    m = (struct sobj_messages){.cells = cells, .count = 9};
    ok(sobj_channel_try_recv_many(ch, &m) == SOBJ_OK && m.done == 4, "a row is taken");
    m.done = 0;
    ok(sobj_channel_try_recv_many(ch, &m) == SOBJ_EMPTY && !readable(n, 0),
       "one that finds it empty makes it unreadable");
    sobj_notifier_free(n);
    sobj_unref(ch);
}

static void test_room(void)
{
    struct sobj_object *ch = new_channel(1), *q;
    struct sobj_notifier *n = new_notifier(ch, true);

    ok(readable(n, 0), "room: readable while there is some");
    send_int(ch, 1);
    ok(send_int(ch, 2) == SOBJ_FULL && !readable(n, 0), "room: not when it is full");
    recv_int(ch);
    ok(readable(n, 0), "room: again when a message is taken");
    send_int(ch, 1);
    send_int(ch, 2);
    sobj_channel_close(ch, false);
    ok(readable(n, 0) && send_int(ch, 3) == SOBJ_CLOSED, "room: when it is closed");
    sobj_notifier_free(n);
    sobj_unref(ch);

    if (sobj_queue_new(1, &q) != SOBJ_OK)
        abort();
    n = new_notifier(q, true);
    send_int(q, 1);
    ok(send_int(q, 2) == SOBJ_FULL && !readable(n, 0), "room of a queue");
    sobj_queue_set_maxsize(q, 2);
    ok(readable(n, 0), "room: when the limit is raised");
    sobj_notifier_free(n);
    sobj_unref(q);
}

/* A system call for each message would be what notifiers are to avoid. */
static void test_once(void)
{
    struct sobj_object *ch = new_channel(0);
    struct sobj_notifier *n = new_notifier(ch, false);
    uint64_t count = 0;

    for (int i = 0; i < 5; i++)
        send_int(ch, i);
    ok(read(sobj_notifier_fd(n), &count, sizeof count) == sizeof count && count == 1,
       "set once until it is looked at");
    sobj_notifier_free(n);
    sobj_unref(ch);
}

static void test_end_of_split(void)
{
    struct sobj_object *ch = new_channel(0), *sender, *receiver;
    struct sobj_notifier *n = new_notifier(ch, false);

    sobj_channel_split(ch, &sender, &receiver);
    sobj_channel_count_ends(sender, receiver);
    ok(!readable(n, 0), "a split channel");
    sobj_unref(sender);
    ok(readable(n, 0), "readable when the last sender has gone");
    sobj_notifier_free(n);
    sobj_unref(receiver);
    sobj_unref(ch);
}

/* ---- threads */

struct sleeper {
    struct sobj_object *channel;
    struct sobj_notifier *notifier;
    int fd;
    int64_t got;
};

static void *sleep_for_one(void *arg)
{
    struct sleeper *s = arg;
    sobj_cell c;

    if (sobj_channel_recv(s->channel, &c, SOBJ_FOREVER, NULL) == SOBJ_OK)
        s->got = sobj_to_int(c);
    return NULL;
}

static uint32_t counted(struct sobj_object *ch)
{
    /* Acquire: only a look. */
    return sobj_load_acquire(&((struct sobj__channel *)ch)->receivers.count);
}

static void test_wakes_both(void)
{
    struct sleeper s = {.channel = new_channel(0)};
    struct sobj_notifier *n = new_notifier(s.channel, false);
    pthread_t thread;

    pthread_create(&thread, NULL, sleep_for_one, &s);
    while (counted(s.channel) != 2)
        sched_yield();
    send_int(s.channel, 6);
    pthread_join(thread, NULL);
    ok(s.got == 6 && readable(n, 0), "a message wakes a thread, whoever is notified");
    sobj_notifier_free(n);
    sobj_unref(s.channel);
}

static void *make_notifier(void *arg)
{
    struct sleeper *s = arg;

    s->notifier = new_notifier(s->channel, false);
    s->fd = sobj_notifier_fd(s->notifier);
    return NULL;
}

static void test_thread_ends(void)
{
    struct sleeper s = {.channel = new_channel(0)};
    struct sobj_notifier *mine = new_notifier(s.channel, false);
    pthread_t thread;

    pthread_create(&thread, NULL, make_notifier, &s);
    pthread_join(thread, NULL);
    ok(s.fd >= 0 && sobj_notifier_fd(s.notifier) == -1 && fcntl(s.fd, F_GETFD) == -1 &&
           counted(s.channel) == 1,
       "the descriptor of a thread is closed when it ends");
    send_int(s.channel, 1);
    ok(readable(mine, 0), "others stay");
    sobj_notifier_free(s.notifier);
    sobj_notifier_free(mine);
    sobj_unref(s.channel);
}

#define PER_SENDER 4000

struct traffic {
    struct sobj_object *channel;
    _Atomic(int64_t) sum;
    _Atomic(uint32_t) senders, received;
};

static void send_all(struct member *m, struct traffic *t)
{
    struct sobj_notifier *room = new_notifier(t->channel, true);

    for (int i = 0; i < PER_SENDER; i++) {
        while (send_int(t->channel, i) == SOBJ_FULL)
            readable(room, -1);
        if (rng_below(&m->rng, 50) == 0)
            sched_yield();
    }
    if (sobj_add_seq_cst(&t->senders, (uint32_t)-1) == 1)
        sobj_channel_close(t->channel, false);
    sobj_notifier_free(room);
}

static void receive_all(struct member *m, struct traffic *t, bool notified)
{
    struct sobj_notifier *n = notified ? new_notifier(t->channel, false) : NULL;
    enum sobj_status status = SOBJ_OK;
    sobj_cell c;

    while (status != SOBJ_CLOSED) {
        status = notified ? sobj_channel_try_recv(t->channel, &c)
                          : sobj_channel_recv(t->channel, &c, SOBJ_FOREVER, NULL);
        if (status == SOBJ_OK) {
            sobj_add_seq_cst(&t->sum, sobj_to_int(c));
            sobj_add_seq_cst(&t->received, 1);
        } else if (status == SOBJ_EMPTY) {
            readable(n, -1);
        }
        /* Now and then a new one, while messages come. */
        if (notified && rng_below(&m->rng, 200) == 0) {
            sobj_notifier_free(n);
            n = new_notifier(t->channel, false);
        }
    }
    if (notified)
        sobj_notifier_free(n);
}

static void carry(struct member *m)
{
    struct traffic *t = m->shared;

    if (m->index < 2)
        send_all(m, t);
    else
        receive_all(m, t, m->index != 2);
}

/* Whoever sleeps while there is a message, or room, sleeps for ever. */
static void test_traffic(uint32_t capacity, unsigned yields)
{
    struct traffic t = {.channel = new_channel(capacity), .senders = 2};
    int64_t expected = (int64_t)PER_SENDER * (PER_SENDER - 1);

    yield_every(yields);
    crew_run(5, 7 + capacity, 0, carry, &t);
    yield_every(0);
    ok(t.received == 2 * PER_SENDER && t.sum == expected,
       "capacity %u, yields %u: nobody sleeps while there is work", capacity, yields);
    sobj_unref(t.channel);
}

/* ---- fork, failures */

static int in_child(struct sobj_object *ch, struct sobj_notifier *n, int fd)
{
    alarm(HANG_SECONDS);
    if (sobj_notifier_fd(n) != fd || !readable(n, 0))
        return 1; /* raised, so that whoever is there looks */
    if (recv_int(ch) != -SOBJ_EMPTY || readable(n, 0))
        return 2;
    send_int(ch, 1);
    return readable(n, 0) ? 0 : 3;
}

static void test_fork(void)
{
    struct sobj_object *ch = new_channel(0);
    struct sobj_notifier *n = new_notifier(ch, false);
    int fd = sobj_notifier_fd(n), status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(in_child(ch, n, fd));
    waitpid(child, &status, 0);
    ok(status == 0, "a child has a descriptor of its own, under the same number");
    ok(!readable(n, 0), "its messages are not the parent's");
    send_int(ch, 1);
    child = fork();
    if (child == 0) {
        bool good = recv_int(ch) == 1 && recv_int(ch) == -SOBJ_EMPTY && !readable(n, 0);
        _exit(good ? 0 : 1);
    }
    waitpid(child, &status, 0);
    ok(status == 0 && readable(n, 0), "what a child clears stays set in the parent");
    sobj_notifier_free(n);
    sobj_unref(ch);
}

static void test_no_descriptors(void)
{
    struct sobj_object *ch = new_channel(0);
    struct sobj_notifier *n = new_notifier(ch, false), *none = NULL;
    struct rlimit limit, tight;
    int fd = sobj_notifier_fd(n), status = -1;

    getrlimit(RLIMIT_NOFILE, &limit);
    tight = limit;
    tight.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &tight);
    bool failed =
        sobj_notifier_new(ch, false, false, &none) == SOBJ_OS_ERROR && errno == EMFILE;
    pid_t child = fork();
    if (child == 0) {
        bool good = sobj_notifier_fd(n) == -1 && fcntl(fd, F_GETFD) == -1 &&
                    send_int(ch, 1) == SOBJ_OK && recv_int(ch) == 1 && counted(ch) == 0;
        sobj_notifier_free(n);
        _exit(good ? 0 : 1);
    }
    waitpid(child, &status, 0);
    setrlimit(RLIMIT_NOFILE, &limit);
    ok(failed && none == NULL, "without a descriptor: OS_ERROR");
    ok(status == 0, "a child that gets none has none, and a channel that works");
    send_int(ch, 5);
    ok(readable(n, 0) && recv_int(ch) == 5, "the channel goes on");
    sobj_notifier_free(n);
    sobj_unref(ch);
}

static void faulty(void *context)
{
    struct sobj_object *ch;
    struct sobj_notifier *n;

    (void)context;
    if (sobj_channel_new(2, SOBJ_OVERFLOW_BLOCK, &ch) != SOBJ_OK)
        return;
    if (sobj_notifier_new(ch, false, false, &n) == SOBJ_OK) {
        send_int(ch, 1);
        expect(readable(n, 0), "readable");
        sobj_notifier_free(n);
    }
    sobj_unref(ch);
}

int main(void)
{
    static const uint32_t capacities[] = {0, 1, 7};

    tap_begin();
    alarm(HANG_SECONDS);
    struct balance b = balance_begin();
    test_messages(new_channel(0), "unbounded");
    test_messages(new_channel(3), "bounded");
    test_messages(new_channel_that(3, SOBJ_OVERFLOW_DROP_OLD), "drop_old");
    test_batches();
    test_room();
    test_once();
    test_end_of_split();
    test_wakes_both();
    test_thread_ends();
    for (unsigned i = 0; i < 3; i++) {
        test_traffic(capacities[i], 0);
        test_traffic(capacities[i], 3);
    }
    test_fork();
    test_no_descriptors();
    balance_check(&b, "notifiers");
    fault_walk("notifier", faulty, NULL, NULL);
    return tap_end();
}
