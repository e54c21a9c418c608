/* SPDX-License-Identifier: MIT */
/* Rendezvous channels: who meets whom, and who does not. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "selects.h"
#include "tap.h"

#define MANY 40 /* more than one batch of wake-ups */

static struct sobj_object *new_meet(void) { return new_of_kind(RENDEZVOUS, 0); }

/* A message that is counted. */
static sobj_cell blob_cell(int64_t n)
{
    struct sobj_blob *b = sobj_blob_new(SOBJ_BLOB_BYTES, 0, 0, 0, n);

    if (b == NULL)
        abort();
    return sobj_from_blob(b);
}

static void test_alone(void)
{
    struct sobj_object *ch = new_meet();
    sobj_cell cells[2] = {SOBJ_TRUE, SOBJ_TRUE};
    struct sobj_messages m = {.cells = cells, .count = 2};

    ok(sobj_channel_try_send(ch, SOBJ_TRUE) == SOBJ_FULL &&
           sobj_channel_try_recv(ch, cells) == SOBJ_EMPTY &&
           sobj_channel_try_send_many(ch, &m) == SOBJ_FULL && m.done == 0 &&
           sobj_channel_try_recv_many(ch, &m) == SOBJ_EMPTY && m.done == 0,
       "alone nobody meets anybody");
    ok(sobj_channel_is_rendezvous(ch) && sobj_channel_count(ch) == 0 &&
           sobj_channel_capacity(ch) == 0 &&
           sobj_channel_overflow(ch) == SOBJ_OVERFLOW_BLOCK,
       "it holds nothing");
    ok(sobj_channel_send(ch, SOBJ_TRUE, sobj_clock() + 1000, NULL) == SOBJ_TIMEOUT &&
           sobj_channel_try_recv(ch, cells) == SOBJ_EMPTY,
       "an offer ends with its time");
    ok(sobj_channel_recv(ch, cells, sobj_clock() + 1000, NULL) == SOBJ_TIMEOUT &&
           sobj_channel_try_send(ch, SOBJ_TRUE) == SOBJ_FULL,
       "on both sides");
    ok(sobj_channel_close(ch, false) && !sobj_channel_close(ch, true) &&
           sobj_channel_closed(ch) &&
           sobj_channel_try_send(ch, SOBJ_TRUE) == SOBJ_CLOSED &&
           sobj_channel_try_recv(ch, cells) == SOBJ_CLOSED &&
           sobj_channel_send(ch, SOBJ_TRUE, SOBJ_FOREVER, NULL) == SOBJ_CLOSED &&
           sobj_channel_recv(ch, cells, SOBJ_FOREVER, NULL) == SOBJ_CLOSED,
       "closed");
    sobj_unref(ch);
}

static void test_meet(void)
{
    struct sobj_object *ch = new_meet();
    struct caller receiver = caller_alone(receive_from(ch));
    struct caller sender = caller_alone(send_to(ch, 8));
    sobj_cell c = SOBJ_NO_CELL;

    caller_start(&receiver);
    await_waiting_at(ch, false, 1);
    ok(sobj_channel_try_send(ch, sobj_from_int(7)) == SOBJ_OK &&
           caller_join(&receiver) == SOBJ_OK &&
           sobj_to_int(receiver.ops[0].message) == 7,
       "a send meets a receiver that waits");
    caller_start(&sender);
    await_waiting_at(ch, true, 1);
    ok(!caller_done(&sender) && sobj_channel_count(ch) == 0 &&
           sobj_channel_there(ch) == 1,
       "a sender waits");
    ok(sobj_channel_try_recv(ch, &c) == SOBJ_OK && sobj_to_int(c) == 8 &&
           caller_join(&sender) == SOBJ_OK,
       "until a receiver takes its message");
    ok(sobj_channel_try_recv(ch, &c) == SOBJ_EMPTY && sobj_channel_there(ch) == 0,
       "which comes once");
    sobj_unref(ch);
}

/* Callers that wait at one channel, in the order of their numbers. */
static void line_up(struct caller *callers, unsigned n, struct sobj_object *ch,
                    bool sending)
{
    for (unsigned i = 0; i < n; i++) {
        callers[i] = caller_alone(sending ? send_to(ch, i) : receive_from(ch));
        caller_start(&callers[i]);
        await_waiting_at(ch, sending, i + 1);
    }
}

static void test_lines(void)
{
    static struct caller callers[MANY];
    struct sobj_object *ch = new_meet();
    bool good = true;
    sobj_cell c;

    line_up(callers, 5, ch, true);
    for (int i = 0; i < 5; i++)
        good &= sobj_channel_recv(ch, &c, SOBJ_FOREVER, NULL) == SOBJ_OK &&
                sobj_to_int(c) == i;
    for (int i = 0; i < 5; i++)
        good &= caller_join(&callers[i]) == SOBJ_OK;
    ok(good, "senders are met first come, first served");
    good = true;
    line_up(callers, 5, ch, false);
    for (int i = 0; i < 5; i++)
        good &= sobj_channel_send(ch, sobj_from_int(i), SOBJ_FOREVER, NULL) == SOBJ_OK;
    for (int i = 0; i < 5; i++)
        good &= caller_join(&callers[i]) == SOBJ_OK &&
                sobj_to_int(callers[i].ops[0].message) == i;
    ok(good, "receivers, too");
    sobj_unref(ch);
}

/* Rows that are longer than a batch of wake-ups. */
static void test_rows(bool sending)
{
    static struct caller callers[MANY];
    struct sobj_object *ch = new_meet();
    sobj_cell cells[MANY + 1];
    struct sobj_messages m = {.cells = cells, .count = MANY + 1};
    bool good = true;

    for (int i = 0; i <= MANY; i++)
        cells[i] = sobj_from_int(i);
    line_up(callers, MANY, ch, !sending);
    enum sobj_status status = sending ? sobj_channel_try_send_many(ch, &m)
                                      : sobj_channel_try_recv_many(ch, &m);
    ok(m.done == MANY && status == (sending ? SOBJ_FULL : SOBJ_OK),
       "a row meets everybody who waits: %zu", m.done);
    for (int i = 0; i < MANY; i++) {
        good &= caller_join(&callers[i]) == SOBJ_OK;
        good &= sobj_to_int(sending ? callers[i].ops[0].message : cells[i]) == i;
    }
    ok(good, "each in its turn");
    sobj_unref(ch);
}

static void *drain(void *arg)
{
    struct sobj_object *ch = arg;
    int64_t sum = 0;
    sobj_cell c;

    while (sobj_channel_recv(ch, &c, SOBJ_FOREVER, NULL) == SOBJ_OK)
        sum += sobj_to_int(c);
    return (void *)(intptr_t)sum;
}

static void test_batch_waits(void)
{
    struct sobj_object *ch = new_meet();
    sobj_cell cells[MANY], c[3];
    struct sobj_messages m = {.cells = cells, .count = MANY};
    struct sobj_messages r = {.cells = c, .count = 3};
    struct caller sender = caller_alone(send_to(ch, 5));
    pthread_t thread;
    void *sum;

    for (int i = 0; i < MANY; i++)
        cells[i] = sobj_from_int(i);
    pthread_create(&thread, NULL, drain, ch);
    ok(sobj_channel_send_many(ch, &m, SOBJ_FOREVER, NULL) == SOBJ_OK && m.done == MANY,
       "a batch waits for a receiver of each message");
    sobj_channel_close(ch, false);
    pthread_join(thread, &sum);
    ok((intptr_t)sum == MANY * (MANY - 1) / 2, "they get all of it");
    ok(sobj_channel_recv_many(ch, &r, SOBJ_FOREVER, NULL) == SOBJ_CLOSED, "closed");
    sobj_unref(ch);

    ch = new_meet();
    sender.ops[0].channel = ch;
    caller_start(&sender);
    ok(sobj_channel_recv_many(ch, &r, SOBJ_FOREVER, NULL) == SOBJ_OK && r.done == 1 &&
           sobj_to_int(c[0]) == 5 && caller_join(&sender) == SOBJ_OK,
       "a batch of receives waits for one");
    m.done = 0;
    ok(sobj_channel_send_many(ch, &m, sobj_clock() + 1000, NULL) == SOBJ_TIMEOUT &&
           m.done == 0,
       "a batch that nobody takes ends with its time");
    sobj_unref(ch);
}

static void test_close_wakes(bool sending)
{
    static struct caller callers[MANY];
    struct sobj_object *ch = new_meet();
    int closed = 0;

    line_up(callers, MANY, ch, sending);
    sobj_channel_close(ch, false);
    for (int i = 0; i < MANY; i++)
        closed += caller_join(&callers[i]) == SOBJ_CLOSED;
    ok(closed == MANY && waiting_at(ch, sending) == 0, "close wakes all %s",
       sending ? "senders" : "receivers");
    sobj_unref(ch);
}

/* Whose send ended otherwise owns its message still. */
static void test_kept(void)
{
    struct sobj_domain *domain = sobj_domain_new(1);
    struct sobj_object *ch = new_meet();
    struct caller callers[3];
    sobj_cell c;

    for (int i = 0; i < 3; i++) {
        callers[i] = caller_alone(send_to(ch, 0));
        callers[i].ops[0].message = blob_cell(i);
    }
    callers[0].domain = domain;
    for (int i = 0; i < 3; i++) {
        caller_start(&callers[i]);
        await_waiting_at(ch, true, (uint32_t)i + 1);
    }
    sobj_domain_close(domain);
    ok(caller_join(&callers[0]) == SOBJ_CLOSING && waiting_at(ch, true) == 2,
       "a sender whose domain ends withdraws its offer");
    ok(sobj_channel_try_recv(ch, &c) == SOBJ_OK && c == callers[1].ops[0].message &&
           caller_join(&callers[1]) == SOBJ_OK,
       "the next one is met");
    sobj_cell_unref(c);
    ok(caller_interrupt(&callers[2], SIGUSR1) == SOBJ_INTERRUPTED &&
           waiting_at(ch, true) == 0,
       "a signal withdraws an offer");
    sobj_cell_unref(callers[0].ops[0].message);
    sobj_cell_unref(callers[2].ops[0].message);
    callers[0] = caller_alone(receive_from(ch));
    caller_start(&callers[0]);
    await_waiting_at(ch, false, 1);
    ok(caller_interrupt(&callers[0], SIGUSR1) == SOBJ_INTERRUPTED &&
           waiting_at(ch, false) == 0,
       "a receiver's, too");
    ok(sobj_channel_send(ch, SOBJ_TRUE, SOBJ_FOREVER, domain) == SOBJ_CLOSING,
       "a closed domain waits no more");
    sobj_domain_free(domain);
    sobj_unref(ch);
}

static struct sobj__meet *meet_of(struct sobj_object *ch)
{
    return &((struct sobj__channel *)ch)->meet;
}

static void link_offer(struct sobj__offer *o, struct sobj_object *ch, sobj_cell message,
                       struct sobj__parker *parker)
{
    sobj__offer_init(o, meet_of(ch), message, parker);
    sobj__write_begin();
    sobj__lock_acquire(&o->meet->lock);
    sobj__offer_link(o);
    sobj__lock_release(&o->meet->lock);
    sobj__write_end();
}

/* Offers that lie there while their threads are on their way: by hand. */
static void test_offers(void)
{
    struct sobj_object *a = new_meet(), *b = new_meet();
    struct sobj__parker parker, other;
    struct sobj__offer offers[3];
    sobj_cell c = SOBJ_NO_CELL;

    sobj__parker_init(&parker, NULL);
    link_offer(&offers[0], a, sobj_from_int(1), &parker);
    link_offer(&offers[1], b, SOBJ_NO_CELL, &parker);
    ok(sobj_channel_try_send(b, sobj_from_int(2)) == SOBJ_OK &&
           sobj_channel_try_recv(a, &c) == SOBJ_EMPTY,
       "of two offers with one parker one is taken");
    ok(!sobj__offer_withdraw(&offers[0]) && sobj__offer_withdraw(&offers[1]) &&
           sobj_to_int(offers[1].message) == 2,
       "and its thread learns which");

    sobj__parker_init(&parker, NULL);
    sobj__parker_init(&other, NULL);
    link_offer(&offers[0], a, sobj_from_int(3), &parker);
    link_offer(&offers[1], a, sobj_from_int(4), &other);
    link_offer(&offers[2], a, sobj_from_int(5), &other);
    sobj_store_seq_cst(&parker.state, SOBJ__ENDING);
    ok(sobj_channel_try_recv(a, &c) == SOBJ_OK && sobj_to_int(c) == 4,
       "an offer whose thread is ending is passed over");
    ok(sobj_channel_try_recv(a, &c) == SOBJ_EMPTY, "one that is taken, too");
    ok(!sobj__offer_withdraw(&offers[0]) && sobj__offer_withdraw(&offers[1]) &&
           !sobj__offer_withdraw(&offers[2]) && waiting_at(a, true) == 0,
       "all are withdrawn");

    sobj__parker_init(&parker, NULL);
    link_offer(&offers[0], a, sobj_from_int(6), &parker);
    sobj_channel_close(a, false);
    ok(!sobj__offer_withdraw(&offers[0]) &&
           sobj_load_seq_cst(&parker.state) == SOBJ__NOTIFIED,
       "a close wakes and takes nothing");
    sobj_unref(a);
    sobj_unref(b);
}

static int child(struct sobj_object *ch)
{
    struct caller receiver = caller_alone(receive_from(ch));

    alarm(HANG_SECONDS);
    if (waiting_at(ch, true) != 0)
        return 2;
    if (sobj_channel_try_recv(ch, &receiver.ops[0].message) != SOBJ_EMPTY)
        return 3;
    receiver.ops[0].message = SOBJ_NO_CELL;
    caller_start(&receiver);
    if (sobj_channel_send(ch, sobj_from_int(9), SOBJ_FOREVER, NULL) != SOBJ_OK)
        return 4;
    return caller_join(&receiver) == SOBJ_OK &&
                   sobj_to_int(receiver.ops[0].message) == 9
               ? 0
               : 5;
}

static void test_fork(void)
{
    struct sobj_object *ch = new_meet();
    struct caller sender = caller_alone(send_to(ch, 3));
    int status = -1;
    sobj_cell c;

    caller_start(&sender);
    await_waiting_at(ch, true, 1);
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(ch));
    bool ended = pid > 0 && waitpid(pid, &status, 0) == pid;
    ok(ended && status == 0,
       "the child's copy works, without the parent's offers (%#x)", (unsigned)status);
    ok(sobj_channel_recv(ch, &c, SOBJ_FOREVER, NULL) == SOBJ_OK &&
           sobj_to_int(c) == 3 && caller_join(&sender) == SOBJ_OK,
       "the parent's offer is still there");
    sobj_unref(ch);
}

static void new_scenario(void *context)
{
    struct sobj_object *ch;

    (void)context;
    if (sobj_channel_new_rendezvous(&ch) == SOBJ_OK)
        sobj_unref(ch);
}

static void on_signal(int number) { (void)number; }

int main(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    tap_begin();
    alarm(HANG_SECONDS);
    sigaction(SIGUSR1, &action, NULL);
    struct balance b = balance_begin();
    test_alone();
    test_meet();
    test_lines();
    test_rows(true);
    test_rows(false);
    test_batch_waits();
    test_close_wakes(true);
    test_close_wakes(false);
    test_kept();
    test_offers();
    fault_walk("a rendezvous without memory", new_scenario, NULL, NULL);
#if !defined(FORKS_NEED_QUIET)
    test_fork();
#else
    (void)test_fork;
    skip("a child that makes threads: the sanitizer's own locks may be held");
#endif
    balance_check(&b, "all");
    return tap_end();
}
