/* SPDX-License-Identifier: MIT */
/* Standing offers: sends at a rendezvous by who waits for a descriptor. */
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "selects.h"
#include "sharedobj/notify.h"
#include "tap.h"

static struct sobj_object *new_meet(void) { return new_of_kind(RENDEZVOUS, 0); }

/* Waits for it, if `timeout` is -1. */
static bool readable(const struct sobj_notifier *n, int timeout)
{
    struct pollfd p = {.fd = sobj_notifier_fd(n), .events = POLLIN};

    return poll(&p, 1, timeout) == 1 && p.revents == POLLIN;
}

/* Who offers. */
struct maker {
    struct sobj_object *channel;
    struct sobj_notifier *told;
    struct sobj_offer *offer;
};

static struct maker maker_at(struct sobj_object *ch)
{
    struct maker m = {.channel = ch};

    if (sobj_notifier_new(ch, true, false, &m.told) != SOBJ_OK) {
        diag("no notifier");
        abort();
    }
    return m;
}

static enum sobj_status make(struct maker *m, int64_t n)
{
    return sobj_channel_offer(m->channel, sobj_from_int(n), m->told, &m->offer);
}

/* Returns: the message, if it was not taken; -1. */
static int64_t end(struct maker *m)
{
    sobj_cell message;
    bool taken = sobj_offer_end(m->offer, &message);

    expect(taken == (message == SOBJ_NO_CELL), "a message that is nobody's");
    m->offer = NULL;
    return taken ? -1 : sobj_to_int(message);
}

static int64_t try_recv(struct sobj_object *ch)
{
    sobj_cell c;
    enum sobj_status status = sobj_channel_try_recv(ch, &c);

    return status == SOBJ_OK ? sobj_to_int(c) : -(int64_t)status;
}

static void test_taken(void)
{
    struct sobj_object *ch = new_meet();
    struct maker m = maker_at(ch);

    ok(make(&m, 1) == SOBJ_FULL && !readable(m.told, 0) &&
           sobj_channel_there(ch) == 1 && sobj_offer_look(m.offer) == SOBJ_FULL,
       "an offer lies there");
    ok(try_recv(ch) == 1 && try_recv(ch) == -SOBJ_EMPTY, "who receives takes it, once");
    ok(readable(m.told, 0) && sobj_offer_look(m.offer) == SOBJ_OK && end(&m) == -1,
       "its maker is told");
    ok(sobj_channel_try_send(ch, SOBJ_TRUE) == SOBJ_FULL && !readable(m.told, 0),
       "and the descriptor is as others are again");
    make(&m, 2);
    ok(end(&m) == 2 && try_recv(ch) == -SOBJ_EMPTY, "an offer is withdrawn");
    make(&m, 3);
    ok(try_recv(ch) == 3 && end(&m) == -1, "too late");
    sobj_notifier_free(m.told);
    sobj_unref(ch);
}

static void test_met_at_once(void)
{
    struct sobj_object *ch = new_meet();
    struct caller receiver = caller_alone(receive_from(ch));
    struct maker m = maker_at(ch);

    caller_start(&receiver);
    await_waiting_at(ch, false, 1);
    ok(make(&m, 4) == SOBJ_OK && m.offer == NULL && caller_join(&receiver) == SOBJ_OK &&
           sobj_to_int(receiver.ops[0].message) == 4,
       "a receiver that sleeps is met at once");
    sobj_notifier_free(m.told);
    sobj_unref(ch);
}

/* A receiver that waits for a descriptor is told of it, and both are then through. */
static void test_two_loops(void)
{
    struct sobj_object *ch = new_meet();
    struct maker m = maker_at(ch);
    struct sobj_notifier *n;

    if (sobj_notifier_new(ch, false, false, &n) != SOBJ_OK)
        abort();
    ok(try_recv(ch) == -SOBJ_EMPTY && !readable(n, 0),
       "a receiver that does not sleep");
    make(&m, 5);
    ok(readable(n, 0) && try_recv(ch) == 5 && readable(m.told, 0) && end(&m) == -1,
       "meets a sender that does not");
    sobj_notifier_free(n);
    sobj_notifier_free(m.told);
    sobj_unref(ch);
}

/* Makers and a thread in one line; a row takes of both. */
static void test_lines(void)
{
    struct sobj_object *ch = new_meet();
    struct maker a = maker_at(ch), b = maker_at(ch);
    struct caller sender = caller_alone(send_to(ch, 2));
    struct sobj_select_op receive = receive_from(ch);
    struct caller selecting = caller_of(1, &receive);
    sobj_cell cells[8];
    struct sobj_messages row = {.cells = cells, .count = 8};

    make(&a, 1);
    caller_start(&sender);
    await_waiting_at(ch, true, 2);
    make(&b, 3);
    ok(sobj_channel_try_recv_many(ch, &row) == SOBJ_OK && row.done == 3 &&
           sobj_to_int(cells[0]) == 1 && sobj_to_int(cells[1]) == 2 &&
           sobj_to_int(cells[2]) == 3,
       "first come, first served");
    ok(caller_join(&sender) == SOBJ_OK && end(&a) == -1 && end(&b) == -1,
       "all are done");
    make(&a, 4);
    caller_start(&selecting);
    ok(caller_join(&selecting) == SOBJ_OK &&
           sobj_to_int(selecting.ops[0].message) == 4 && end(&a) == -1,
       "a select takes one");
    sobj_notifier_free(a.told);
    sobj_notifier_free(b.told);
    sobj_unref(ch);
}

/* What one maker is told no look of others takes away. */
static void test_told(void)
{
    struct sobj_object *ch = new_meet();
    struct maker a = maker_at(ch), b = maker_at(ch);

    make(&a, 1);
    make(&b, 2);
    ok(try_recv(ch) == 1 && readable(a.told, 0) && !readable(b.told, 0),
       "one of two is told");
    ok(sobj_offer_look(b.offer) == SOBJ_FULL &&
           sobj_channel_try_send(ch, SOBJ_TRUE) == SOBJ_FULL && readable(a.told, 0),
       "others look, and it is still told");
    ok(sobj_offer_look(a.offer) == SOBJ_OK && end(&a) == -1, "until it looks itself");
    make(&a, 3);
    ok(!readable(a.told, 0) && end(&a) == 3 && end(&b) == 2,
       "and for the next one anew");
    make(&a, 4);
    sobj__notifiers_raise(&((struct sobj__channel *)ch)->senders);
    ok(readable(a.told, 0) && sobj_offer_look(a.offer) == SOBJ_FULL &&
           !readable(a.told, 0) && end(&a) == 4,
       "what is readable for nothing is seen to be");
    sobj_notifier_free(a.told);
    sobj_notifier_free(b.told);
    sobj_unref(ch);
}

static void test_close(void)
{
    struct sobj_object *ch = new_meet();
    struct maker a = maker_at(ch), b = maker_at(ch);

    make(&a, 1);
    make(&b, 2);
    sobj_channel_close(ch, true);
    ok(readable(a.told, 0) && readable(b.told, 0), "a close tells all");
    ok(sobj_offer_look(a.offer) == SOBJ_CLOSED && try_recv(ch) == -SOBJ_CLOSED &&
           end(&a) == 1 && end(&b) == 2,
       "and takes no message");
    ok(make(&a, 3) == SOBJ_CLOSED && a.offer == NULL, "no offer is made any more");
    sobj_notifier_free(a.told);
    sobj_notifier_free(b.told);
    sobj_unref(ch);
}

static int child(struct maker *m)
{
    alarm(HANG_SECONDS);
    if (waiting_at(m->channel, true) != 0 || !readable(m->told, 0))
        return 1;
    if (sobj_offer_look(m->offer) != SOBJ_FULL || waiting_at(m->channel, true) != 1)
        return 2; /* made anew by who is there */
    return try_recv(m->channel) == 7 && readable(m->told, 0) && end(m) == -1 ? 0 : 3;
}

static void test_fork(void)
{
    struct sobj_object *ch = new_meet();
    struct maker m = maker_at(ch);
    int status = -1;

    make(&m, 7);
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(&m));
    waitpid(pid, &status, 0);
    ok(status == 0 && !readable(m.told, 0) && sobj_channel_there(ch) == 1,
       "the child's offer is another one (%#x)", (unsigned)status);
    pid = fork();
    if (pid == 0)
        _exit(end(&m) == 7 && waiting_at(ch, true) == 0 ? 0 : 1);
    waitpid(pid, &status, 0);
    ok(status == 0 && end(&m) == 7, "a child that only withdraws it");
    sobj_notifier_free(m.told);
    sobj_unref(ch);
}

/* ---- traffic: whoever waits while there is a partner waits for ever */

#define PER_SENDER 3000

struct traffic {
    struct sobj_object *channel;
    _Atomic(int64_t) sum;
    _Atomic(uint32_t) senders, received;
};

/* Now and then an offer is withdrawn and made again. */
static void offer_all(struct member *m, struct traffic *t)
{
    struct maker maker = maker_at(t->channel);

    for (int64_t i = 0; i < PER_SENDER; i++) {
        enum sobj_status status = make(&maker, i);
        bool done = status == SOBJ_OK;
        while (!done) {
            if (rng_below(&m->rng, 10) != 0) {
                readable(maker.told, -1);
                if (sobj_offer_look(maker.offer) == SOBJ_FULL)
                    continue;
            }
            done = end(&maker) == -1 || make(&maker, i) == SOBJ_OK;
        }
    }
    sobj_notifier_free(maker.told);
}

static void send_all(struct traffic *t)
{
    for (int64_t i = 0; i < PER_SENDER; i++)
        sobj_channel_send(t->channel, sobj_from_int(i), SOBJ_FOREVER, NULL);
}

static void receive_all(struct traffic *t, bool notified)
{
    struct sobj_notifier *n = NULL;
    enum sobj_status status = SOBJ_OK;
    sobj_cell c;

    if (notified && sobj_notifier_new(t->channel, false, false, &n) != SOBJ_OK)
        abort();
    while (status != SOBJ_CLOSED) {
        status = notified ? sobj_channel_try_recv(t->channel, &c)
                          : sobj_channel_recv(t->channel, &c, SOBJ_FOREVER, NULL);
        if (status == SOBJ_EMPTY)
            readable(n, -1);
        if (status != SOBJ_OK)
            continue;
        sobj_add_seq_cst(&t->sum, sobj_to_int(c));
        sobj_add_seq_cst(&t->received, 1);
    }
    if (notified)
        sobj_notifier_free(n);
}

static void carry(struct member *m)
{
    struct traffic *t = m->shared;

    if (m->index < 2)
        offer_all(m, t);
    else if (m->index == 2)
        send_all(t);
    else
        receive_all(t, m->index != 3);
    if (m->index <= 2 && sobj_add_seq_cst(&t->senders, (uint32_t)-1) == 1)
        sobj_channel_close(t->channel, false);
}

static void test_traffic(unsigned yields)
{
    struct traffic t = {.channel = new_meet(), .senders = 3};
    int64_t expected = (int64_t)PER_SENDER * (PER_SENDER - 1) / 2 * 3;

    yield_every(yields);
    crew_run(6, 5 + yields, 0, carry, &t);
    yield_every(0);
    ok(t.received == 3 * PER_SENDER && t.sum == expected,
       "yields %u: %u of %u, each once", yields, t.received, 3 * PER_SENDER);
    sobj_unref(t.channel);
}

static void faulty(void *context)
{
    struct maker m = {.channel = NULL};

    (void)context;
    if (sobj_channel_new_rendezvous(&m.channel) != SOBJ_OK)
        return;
    if (sobj_notifier_new(m.channel, true, false, &m.told) == SOBJ_OK) {
        if (make(&m, 1) == SOBJ_FULL)
            expect(end(&m) == 1, "withdrawn");
        sobj_notifier_free(m.told);
    }
    sobj_unref(m.channel);
}

int main(void)
{
    tap_begin();
    alarm(HANG_SECONDS);
    struct balance b = balance_begin();
    test_taken();
    test_met_at_once();
    test_two_loops();
    test_lines();
    test_told();
    test_close();
    test_traffic(0);
    test_traffic(3);
    test_fork();
    balance_check(&b, "offers");
    fault_walk("an offer without memory", faulty, NULL, NULL);
    return tap_end();
}
