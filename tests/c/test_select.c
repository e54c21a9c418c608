/* SPDX-License-Identifier: MIT */
/* Select: one of several sends and receives. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "selects.h"
#include "sharedobj/notify.h"
#include "tap.h"

#define SECOND INT64_C(1000000000)
#define MANY 1000u

static enum sobj_status try_ops(struct sobj_select_op *ops, uint32_t n, uint32_t *index)
{
    *index = UINT32_MAX;
    return sobj_try_select(ops, n, index);
}

/* ---- without waiting */

static void test_try(enum channel_kind kind)
{
    struct sobj_object *a = new_of_kind(kind, 1), *b = new_of_kind(kind, 2);
    struct sobj_select_op ops[2] = {receive_from(a), receive_from(b)};
    uint32_t index;
    sobj_cell c;

    ok(try_ops(ops, 2, &index) == SOBJ_EMPTY && ops[0].message == SOBJ_NO_CELL,
       "kind %d: nothing is possible", (int)kind);
    sobj_channel_try_send(b, sobj_from_int(5));
    ok(try_ops(ops, 2, &index) == SOBJ_OK && index == 1 &&
           sobj_to_int(ops[1].message) == 5 && sobj_channel_count(b) == 0,
       "kind %d: the receive that is possible", (int)kind);
    sobj_channel_try_send(a, sobj_from_int(6));
    ops[0] = kind == CHAIN ? receive_from(b) : send_to(a, 7);
    ops[1] = send_to(b, 8);
    ok(try_ops(ops, 2, &index) == SOBJ_OK && index == 1 && sobj_channel_count(a) == 1 &&
           sobj_channel_try_recv(b, &c) == SOBJ_OK && sobj_to_int(c) == 8,
       "kind %d: the send that is possible", (int)kind);
    sobj_channel_close(a, false);
    ops[0] = receive_from(a);
    ops[1] = receive_from(b);
    ok(try_ops(ops, 2, &index) == SOBJ_OK && index == 0 &&
           sobj_to_int(ops[0].message) == 6,
       "kind %d: closed, not drained", (int)kind);
    ops[0] = receive_from(a);
    ok(try_ops(ops, 2, &index) == SOBJ_CLOSED && index == 0,
       "kind %d: closed and drained", (int)kind);
    ops[1] = send_to(a, 1);
    ok(try_ops(ops + 1, 1, &index) == SOBJ_CLOSED && index == 0,
       "kind %d: a send to a closed one", (int)kind);
    sobj_unref(a);
    sobj_unref(b);
}

static void test_policies(void)
{
    static const enum sobj_overflow policies[] = {
        SOBJ_OVERFLOW_DROP_NEW, SOBJ_OVERFLOW_DROP_OLD, SOBJ_OVERFLOW_ERROR};
    static const enum sobj_status expected[] = {SOBJ_FULL, SOBJ_OK, SOBJ_FULL};

    for (int i = 0; i < 3; i++) {
        struct sobj_object *ch = new_channel_that(1, policies[i]),
                           *idle = new_channel(1);
        struct sobj_select_op ops[2] = {receive_from(idle), send_to(ch, 2)};
        uint32_t index;
        sobj_cell c;

        sobj_channel_try_send(ch, sobj_from_int(1));
        ok(sobj_select(ops, 2, &index, SOBJ_FOREVER, NULL) == expected[i] && index == 1,
           "policy %d: a full channel is possible", (int)policies[i]);
        sobj_channel_try_recv(ch, &c);
        ok(sobj_to_int(c) == (expected[i] == SOBJ_OK ? 2 : 1),
           "policy %d: and does what it does", (int)policies[i]);
        sobj_unref(ch);
        sobj_unref(idle);
    }
}

/* Of `n` operations at rings, those whose bit is in `ready` are possible; each must be
 * chosen as often as any other. (A fair choice would fail once in 10^30 runs.) */
static void test_fair(uint32_t n, uint32_t ready, unsigned each)
{
    struct sobj_object *channels[32];
    struct sobj_select_op ops[32];
    unsigned chosen[32] = {0}, possible = 0, bad = 0;
    uint32_t index;
    sobj_cell c;

    for (uint32_t i = 0; i < n; i++) {
        channels[i] = new_channel(1);
        possible += ready >> i & 1;
    }
    for (unsigned k = 0; k < each * possible; k++) {
        for (uint32_t i = 0; i < n; i++) {
            /* Every other one sends. */
            bool full = (ready >> i & 1) == (i + 1) % 2;
            if (full)
                sobj_channel_try_send(channels[i], SOBJ_TRUE);
            else
                sobj_channel_try_recv(channels[i], &c);
            ops[i] = i % 2 ? send_to(channels[i], 1) : receive_from(channels[i]);
        }
        if (try_ops(ops, n, &index) == SOBJ_OK)
            chosen[index]++;
    }
    for (uint32_t i = 0; i < n; i++) {
        unsigned off = chosen[i] > each ? chosen[i] - each : each - chosen[i];
        bad += ready >> i & 1 ? off > each / 4 : chosen[i] != 0;
        sobj_unref(channels[i]);
    }
    ok(bad == 0, "%u of %u are possible: each is chosen as often (%u ... %u)", possible,
       n, chosen[0], chosen[n - 1]);
}

static void test_same_channel(void)
{
    struct sobj_object *ring = new_channel(1), *meet = new_of_kind(RENDEZVOUS, 0);
    struct sobj_select_op ops[3] = {receive_from(ring), send_to(ring, 3),
                                    receive_from(ring)};
    uint32_t index;

    ok(try_ops(ops, 3, &index) == SOBJ_OK && index == 1, "an empty one takes");
    ok(try_ops(ops, 3, &index) == SOBJ_OK && index != 1 &&
           sobj_to_int(ops[index].message) == 3,
       "a full one gives");
    ops[0] = receive_from(meet);
    ops[1] = send_to(meet, 3);
    ops[2] = receive_from(meet);
    ok(try_ops(ops, 3, &index) == SOBJ_EMPTY, "nobody meets itself");
    ok(sobj_select(ops, 3, &index, sobj_clock() + 1000000, NULL) == SOBJ_TIMEOUT &&
           waiting_at(meet, true) == 0 && waiting_at(meet, false) == 0,
       "not while it waits, either");
    sobj_unref(ring);
    sobj_unref(meet);
}

/* ---- waiting */

/* Channels at which operation `i` of a caller waits: each is full or empty. */
struct idle {
    enum channel_kind kind[CALLER_OPS];
    struct sobj_object *at[CALLER_OPS];
    bool sending[CALLER_OPS];
    struct caller caller;
};

static void idle_init(struct idle *w, uint32_t n, unsigned variant)
{
    struct sobj_select_op ops[CALLER_OPS];

    for (uint32_t i = 0; i < n; i++) {
        w->kind[i] = (enum channel_kind)((i + variant) % CHANNEL_KINDS);
        w->sending[i] = (variant + i / 2) % 2 && w->kind[i] != CHAIN;
        w->at[i] = new_of_kind(w->kind[i], 1);
        if (w->sending[i])
            sobj_channel_try_send(w->at[i], SOBJ_FALSE);
        ops[i] = w->sending[i] ? send_to(w->at[i], i) : receive_from(w->at[i]);
    }
    w->caller = caller_of(n, ops);
}

static void idle_await(struct idle *w, uint32_t n)
{
    for (uint32_t i = 0; i < w->caller.count; i++)
        await_waiting_at(w->at[i], w->sending[i], n);
}

/* Makes operation `i` possible. Returns: whether the other side of it came about. */
static bool serve(struct idle *w, uint32_t i)
{
    sobj_cell c;

    return (w->sending[i]
                ? sobj_channel_try_recv(w->at[i], &c)
                : sobj_channel_try_send(w->at[i], sobj_from_int(i))) == SOBJ_OK;
}

/* Returns: whether it has left everything as it was. */
static bool idle_left(struct idle *w)
{
    bool left = true;

    for (uint32_t i = 0; i < w->caller.count; i++)
        left &= waiting_at(w->at[i], true) == 0 && waiting_at(w->at[i], false) == 0;
    return left;
}

static void idle_fini(struct idle *w)
{
    for (uint32_t i = 0; i < w->caller.count; i++) {
        sobj_channel_close(w->at[i], true);
        sobj_unref(w->at[i]);
    }
}

static void test_served(unsigned variant)
{
    struct idle w;
    int good = 0;

    for (uint32_t which = 0; which < CALLER_OPS; which++) {
        idle_init(&w, CALLER_OPS, variant);
        caller_start(&w.caller);
        idle_await(&w, 1);
        bool other = serve(&w, which);
        good += other && caller_join(&w.caller) == SOBJ_OK && w.caller.index == which &&
                sobj_to_int(w.caller.ops[which].message) == which && idle_left(&w);
        for (uint32_t i = 0; i < CALLER_OPS; i++) {
            good -= i != which && w.kind[i] != RENDEZVOUS &&
                    sobj_channel_count(w.at[i]) != w.sending[i];
        }
        idle_fini(&w);
    }
    ok(good == CALLER_OPS, "variant %u: woken by any of its channels (%d)", variant,
       good);
}

static void test_ends(unsigned variant)
{
    struct sobj_domain *domain = sobj_domain_new(1);
    struct idle w;
    int closed = 0;

    for (uint32_t which = 0; which < CALLER_OPS; which++) {
        idle_init(&w, CALLER_OPS, variant);
        caller_start(&w.caller);
        idle_await(&w, 1);
        sobj_channel_close(w.at[which], true);
        closed += caller_join(&w.caller) == SOBJ_CLOSED && w.caller.index == which;
        idle_fini(&w);
    }
    ok(closed == CALLER_OPS, "variant %u: a close ends it", variant);
    idle_init(&w, CALLER_OPS, variant);
    caller_start(&w.caller);
    idle_await(&w, 1);
    ok(caller_interrupt(&w.caller, SIGUSR1) == SOBJ_INTERRUPTED && idle_left(&w),
       "variant %u: a signal ends it", variant);
    idle_fini(&w);
    idle_init(&w, CALLER_OPS, variant);
    w.caller.domain = domain;
    caller_start(&w.caller);
    idle_await(&w, 1);
    sobj_domain_close(domain);
    ok(caller_join(&w.caller) == SOBJ_CLOSING && idle_left(&w),
       "variant %u: the end of its domain ends it", variant);
    uint32_t index;
    ok(sobj_select(w.caller.ops, CALLER_OPS, &index, SOBJ_FOREVER, domain) ==
           SOBJ_CLOSING,
       "variant %u: there is no more waiting", variant);
    ok(sobj_select(w.caller.ops, CALLER_OPS, &index, sobj_clock() + 1000000, NULL) ==
               SOBJ_TIMEOUT &&
           idle_left(&w),
       "variant %u: a timeout ends it", variant);
    sobj_channel_close(w.at[3], true);
    ok(sobj_select(w.caller.ops, CALLER_OPS, &index, 0, domain) == SOBJ_CLOSED &&
           index == 3,
       "variant %u: what is possible is done at any time", variant);
    idle_fini(&w);
    sobj_domain_free(domain);
}

/* Two selects and a plain waiter at the same channels: each message wakes one. */
static void test_crowd(unsigned variant)
{
    struct idle w;
    struct caller second, plain;
    int good = 0;

    for (uint32_t which = 0; which < CALLER_OPS; which++) {
        idle_init(&w, CALLER_OPS, variant);
        second = w.caller;
        plain = caller_alone(w.caller.ops[which]);
        caller_start(&w.caller);
        idle_await(&w, 1);
        caller_start(&second);
        idle_await(&w, 2);
        caller_start(&plain);
        await_waiting_at(w.at[which], w.sending[which], 3);
        for (int i = 0; i < 3; i++) {
            while (!serve(&w, which))
                sched_yield();
        }
        good += caller_join(&w.caller) == SOBJ_OK && w.caller.index == which &&
                caller_join(&second) == SOBJ_OK && second.index == which &&
                caller_join(&plain) == SOBJ_OK;
        idle_fini(&w);
    }
    ok(good == CALLER_OPS, "variant %u: each gets its turn (%d)", variant, good);
}

/* Selects at the same rendezvous, listed in opposite orders, find each other. */
static void test_meet(void)
{
    struct sobj_object *a = new_of_kind(RENDEZVOUS, 0), *b = new_of_kind(RENDEZVOUS, 0);
    bool good = true;

    for (int i = 0; i < 500 && good; i++) {
        struct sobj_select_op first[] = {send_to(a, 1), receive_from(b),
                                         receive_from(a)};
        struct sobj_select_op second[] = {send_to(b, 2), receive_from(a),
                                          send_to(a, 4)};
        struct caller x = caller_of(3, first), y = caller_of(3, second);
        bool sends[2];
        yield_every(i % 3);
        caller_start(&x);
        caller_start(&y);
        good = caller_join(&x) == SOBJ_OK && caller_join(&y) == SOBJ_OK;
        sends[0] = x.index == 0;
        sends[1] = y.index != 1;
        good &= sends[0] != sends[1] &&
                x.ops[x.index].channel == y.ops[y.index].channel &&
                x.ops[x.index].message == y.ops[y.index].message;
    }
    yield_every(0);
    ok(good, "two selects meet at one of two rendezvous");
    sobj_unref(a);
    sobj_unref(b);
}

/* More operations than there is room for on the stack. */
struct many {
    struct sobj_object *channels[MANY];
    struct sobj_select_op ops[MANY];
};

static void many_init(struct many *m)
{
    for (uint32_t i = 0; i < MANY; i++) {
        m->channels[i] = new_of_kind(i % 2 ? RENDEZVOUS : RING, 1);
        m->ops[i] = receive_from(m->channels[i]);
    }
}

static void *serve_last(void *arg)
{
    struct many *m = arg;

    await_waiting_at(m->channels[MANY - 1], false, 1);
    return sobj_channel_try_send(m->channels[MANY - 1], sobj_from_int(5)) == SOBJ_OK
               ? m
               : NULL;
}

static void many_scenario(void *context)
{
    struct many *m = context;
    uint32_t index;
    enum sobj_status status = try_ops(m->ops, MANY, &index);

    expect(status == SOBJ_EMPTY || status == SOBJ_NO_MEMORY, "%s",
           sobj_status_str(status));
}

static void test_many(void)
{
    static struct many m;
    pthread_t thread;
    void *served;
    uint32_t index;

    many_init(&m);
    pthread_create(&thread, NULL, serve_last, &m);
    ok(sobj_select(m.ops, MANY, &index, sobj_clock() + HANG_SECONDS * SECOND, NULL) ==
               SOBJ_OK &&
           index == MANY - 1 && sobj_to_int(m.ops[index].message) == 5,
       "%u operations", MANY);
    pthread_join(thread, &served);
    ok(served != NULL, "the other side, too");
    fault_walk("many operations without memory", many_scenario, NULL, &m);
    for (uint32_t i = 0; i < MANY; i++)
        sobj_unref(m.channels[i]);
}

/* A block for the message of a send fails. */
static void block_scenario(void *context)
{
    struct sobj_object *ch;
    struct sobj_select_op ops[2] = {receive_from(context)};
    uint32_t index = 1;
    enum sobj_status status = sobj_channel_new(1, SOBJ_OVERFLOW_DROP_OLD, &ch);

    if (status != SOBJ_OK)
        return;
    ops[1] = send_to(ch, 1);
    /* More than a block has room for. */
    for (int i = 0; i < 20 && status == SOBJ_OK; i++)
        status = try_ops(ops, 2, &index);
    expect(index == 1 && (status == SOBJ_OK || status == SOBJ_NO_MEMORY), "%s",
           sobj_status_str(status));
    sobj_unref(ch);
}

/* A sender that is woken for room in the last cell of a block, for which it needs the
 * next block. */
static void test_woken_without_memory(void)
{
    struct sobj_object *idle = new_channel(1);
    bool good = true;
    sobj_cell c;

    for (int i = 0; i < 50; i++) {
        struct sobj_object *q = new_of_kind(LIMITED_QUEUE, SOBJ__BLOCK_CELLS - 1);
        struct sobj_select_op ops[2] = {receive_from(idle), send_to(q, 1)};
        struct caller first = caller_of(2, ops), second = caller_of(2, ops);

        first.starved = true;
        while (sobj_channel_try_send(q, SOBJ_TRUE) == SOBJ_OK)
            ;
        caller_start(&first);
        await_waiting_at(q, true, 1);
        caller_start(&second);
        await_waiting_at(q, true, 2);
        for (int j = 0; j < i; j++)
            sched_yield(); /* so that they sleep, more often than not */
        good &= sobj_channel_try_recv(q, &c) == SOBJ_OK;
        good &= caller_join(&first) == SOBJ_NO_MEMORY && first.index == 1;
        good &= caller_join(&second) == SOBJ_OK && second.index == 1;
        sobj_unref(q);
    }
    sobj_unref(idle);
    ok(good, "a sender without memory leaves the room to the next one");
}

/* ---- ends and notifiers */

/* A receive at the receiver of `kind`, beside another operation or alone. */
static struct caller caller_at_end(enum channel_kind kind, bool alone,
                                   struct sobj_object *ends[2])
{
    struct sobj_object *ch = new_of_kind(kind, 1);

    if (sobj_channel_split(ch, &ends[0], &ends[1]) != SOBJ_OK)
        abort();
    sobj_channel_count_ends(ends[0], ends[1]);
    sobj_unref(ch);
    struct sobj_select_op ops[2] = {receive_from(ends[1]), receive_from(ends[1])};
    struct caller c = caller_of(2, ops);
    c.alone = alone;
    return c;
}

static void test_ends_of(enum channel_kind kind, bool alone)
{
    struct sobj_domain *domain = sobj_domain_new(1);
    struct sobj_object *ends[2];
    struct caller c = caller_at_end(kind, alone, ends);
    bool met;
    uint64_t ticket;

    caller_start(&c);
    await_waiting_at(ends[1], false, 2 - alone);
    met = sobj_channel_send(ends[0], sobj_from_int(4), SOBJ_FOREVER, NULL) == SOBJ_OK;
    met &= caller_join(&c) == SOBJ_OK;
    ok(met && sobj_to_int(c.ops[alone ? 0 : c.index].message) == 4,
       "kind %d: from sender to receiver", (int)kind);
    sobj_unref(ends[0]);
    sobj_unref(ends[1]);

    c = caller_at_end(kind, alone, ends);
    caller_start(&c);
    await_waiting_at(ends[1], false, 2 - alone);
    sobj_unref(ends[0]);
    ok(caller_join(&c) == SOBJ_CLOSED, "kind %d: the last sender wakes who waits",
       (int)kind);
    sobj_unref(ends[1]);

    for (int before = 0; before < 2; before++) {
        c = caller_at_end(kind, alone, ends);
        if (before)
            sobj_ticket_new(ends[0], domain, 20000000, &ticket);
        caller_start(&c);
        await_waiting_at(ends[1], false, 2 - alone);
        if (!before)
            sobj_ticket_new(ends[0], domain, 20000000, &ticket);
        sobj_unref(ends[0]);
        ok(caller_join(&c) == SOBJ_CLOSED, "kind %d: so does the end of its lease",
           (int)kind);
        sobj_unref(ends[1]);
    }
    sobj_domain_free(domain);
}

static bool readable(const struct sobj_notifier *n, int timeout)
{
    struct pollfd p = {.fd = sobj_notifier_fd(n), .events = POLLIN};

    return poll(&p, 1, timeout) == 1;
}

/* Who offers at a rendezvous makes the notifiers of the other side readable. */
static void test_announced(bool alone, bool sending)
{
    struct sobj_object *ch = new_of_kind(RENDEZVOUS, 0), *idle = new_channel(1);
    struct sobj_select_op ops[2] = {sending ? send_to(ch, 1) : receive_from(ch),
                                    receive_from(idle)};
    struct caller c = caller_of(2, ops);
    struct sobj_notifier *n;
    sobj_cell cell;

    c.alone = alone;
    if (sobj_notifier_new(ch, !sending, true, &n) != SOBJ_OK)
        abort();
    bool silent = !readable(n, 0);
    caller_start(&c);
    ok(silent && readable(n, HANG_SECONDS * 1000), "an offer to %s raises notifiers",
       sending ? "send" : "receive");
    bool met = (sending ? sobj_channel_try_recv(ch, &cell)
                        : sobj_channel_try_send(ch, SOBJ_TRUE)) == SOBJ_OK;
    ok(met && caller_join(&c) == SOBJ_OK, "and can be taken");
    cell = SOBJ_TRUE;
    met = (sending ? sobj_channel_try_recv(ch, &cell)
                   : sobj_channel_try_send(ch, cell)) == SOBJ_OK;
    ok(!met && !readable(n, 0), "who finds nobody lowers them");
    sobj_channel_close(ch, false);
    ok(readable(n, 0), "a close raises them");
    sobj_notifier_free(n);
    sobj_unref(ch);
    sobj_unref(idle);
}

static int child(struct idle *w)
{
    uint32_t index;

    alarm(HANG_SECONDS);
    for (uint32_t i = 0; i < CALLER_OPS; i++) {
        if (waiting_at(w->at[i], w->sending[i]) != 0)
            return 2;
    }
    if (sobj_select(w->caller.ops, CALLER_OPS, &index, sobj_clock() + 1000000, NULL) !=
        SOBJ_TIMEOUT)
        return 3;
    sobj_channel_close(w->at[2], true);
    return sobj_select(w->caller.ops, CALLER_OPS, &index, SOBJ_FOREVER, NULL) ==
                   SOBJ_CLOSED
               ? 0
               : 4;
}

static void test_fork(unsigned variant)
{
    struct idle w;
    int status = -1;

    idle_init(&w, CALLER_OPS, variant);
    caller_start(&w.caller);
    idle_await(&w, 1);
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(&w));
    bool ended = pid > 0 && waitpid(pid, &status, 0) == pid;
    ok(ended && status == 0,
       "variant %u: in a child nobody waits, and select works (%#x)", variant,
       (unsigned)status);
    bool other = serve(&w, 1);
    ok(other && caller_join(&w.caller) == SOBJ_OK && w.caller.index == 1,
       "variant %u: the parent's is still served", variant);
    idle_fini(&w);
}

static void on_signal(int number) { (void)number; }

int main(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    tap_begin();
    alarm(HANG_SECONDS);
    sigaction(SIGUSR1, &action, NULL);
    struct balance b = balance_begin();
    for (int kind = RING; kind < RENDEZVOUS; kind++)
        test_try((enum channel_kind)kind);
    test_policies();
    test_fair(2, 3, 2000);
    test_fair(6, 7, 2000);
    test_fair(5, 0x1a, 2000);
    test_fair(20, 0xc0001, 2000);
    test_same_channel();
    for (unsigned variant = 0; variant < 2 * CHANNEL_KINDS; variant++) {
        test_served(variant);
        test_ends(variant);
        test_crowd(variant);
    }
    test_meet();
    test_many();
    struct sobj_object *idle = new_channel(1);
    fault_walk("a block of a chain", block_scenario, NULL, idle);
    sobj_unref(idle);
    test_woken_without_memory();
    for (int alone = 0; alone < 2; alone++) {
        test_ends_of(CHAIN, alone);
        test_ends_of(RENDEZVOUS, alone);
        test_announced(alone, true);
        test_announced(alone, false);
    }
    for (unsigned variant = 0; variant < 2; variant++)
        test_fork(variant);
    balance_check(&b, "all");
    return tap_end();
}
