/* SPDX-License-Identifier: MIT */
/* Channel under fire: channel_torture THREADS SECONDS SEED.
 *
 * Rounds of some milliseconds, each with random capacity, roles and yields:
 *
 *   flood   senders and receivers at full speed, with single messages and rows, until the last sender, or somebody in
 *           the middle, closes the channel. What was accepted comes out exactly once, in
 *           the order of each sender; nothing that was refused comes out; a close that
 *           discards loses nothing but what was in the channel; with one receiver EMPTY,
 *           with one sender FULL is never said falsely; everybody ends.
 *   closes  many channels, one after the other, closed while a few messages come and go:
 *           what was accepted is received.
 *   bursts  the channel comes to rest between bursts of a few messages. Fickle waiters
 *           are interrupted by signals, time out, or leave after a message, and stay away
 *           until the next burst; one faithful waiter must get what they leave. So a wake-up that
 *           is lost shows as a hang. For receivers and for senders.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bursts.h"
#include "channel.h"
#include "channels.h"
#include "crew.h"
#include "sharedobj/queue.h"
#include "tap.h"

#define MAX_THREADS BURST_MEMBERS
#define MAX_QUOTA 600
#define MAX_ROW 70

/* A message is {sender, number}: an int, or the hash of a blob. */
#define MESSAGE(sender, number) ((int64_t)(sender) << 32 | (int64_t)(number))

static sobj_cell encode(int64_t message)
{
    if (message % 16 != 0)
        return sobj_from_int(message);
    struct sobj_blob *b = sobj_blob_new(SOBJ_BLOB_BYTES, 0, 0, 0, message);
    if (b == NULL)
        abort();
    return sobj_from_blob(b);
}

/* A point of sobj_clock(); on a slow machine a round ends early for it. Set before all
 * rounds. */
static int64_t end;

static bool time_is_up(void) { return sobj_clock() >= end; }

static int64_t decode(sobj_cell c)
{
    return sobj_is_int(c) ? sobj_to_int(c) : sobj_to_blob(c)->hash;
}

enum closing { CLOSE_LAST, CLOSE_EARLY, CLOSE_DISCARD };

struct flood {
    struct sobj_object *channel;
    uint32_t capacity;
    enum sobj_overflow overflow;
    unsigned senders, receivers;
    uint32_t quota;
    enum closing closing;
    uint32_t closing_point; /* the first sender closes there */
    _Atomic(unsigned) senders_left;
    _Atomic(unsigned) closers;        /* calls of close that said they were the first */
    _Atomic(int64_t) accepted, taken; /* counted after the operation has returned */
    /* written by one member each, read when all have ended */
    uint32_t accepted_by[MAX_THREADS];
    uint32_t received_by[MAX_THREADS];
    int64_t *received[MAX_THREADS];
};

/* ---- flood */

/* Whether all that is accepted comes out. */
static bool may_not_vanish(const struct flood *f)
{
    return f->closing != CLOSE_DISCARD &&
           (f->overflow != SOBJ_OVERFLOW_DROP_OLD || f->capacity == 0);
}

static void flood_close(struct flood *f, bool discard)
{
    if (sobj_channel_close(f->channel, discard))
        sobj_add_seq_cst(&f->closers, 1); /* SeqCst: a sum. */
}

static int64_t some_deadline(struct rng *rng)
{
    return rng_below(rng, 2) ? SOBJ_FOREVER
                             : sobj_clock() + (int64_t)rng_below(rng, 100000);
}

/* Whether a send finds the channel full of messages that nobody has taken. */
static void expect_full(struct flood *f, enum sobj_status status, int64_t in_it)
{
    if (f->senders == 1 && (status == SOBJ_TIMEOUT || status == SOBJ_FULL)) {
        expect(in_it >= f->capacity, "%s with %lld of %u in the channel",
               sobj_status_str(status), (long long)in_it, f->capacity);
    }
}

/* Sends a row. Returns: OK or CLOSED. */
static enum sobj_status flood_send_row(struct flood *f, struct rng *rng,
                                       struct sobj_messages *m, uint32_t sent)
{
    for (;;) {
        enum sobj_status status;
        /* SeqCst: before the operation; a sum. */
        int64_t taken = sobj_load_seq_cst(&f->taken);
        if (m->count == 1 && rng_below(rng, 2)) {
            status = rng_below(rng, 3) == 0
                         ? sobj_channel_send(f->channel, m->cells[0],
                                             some_deadline(rng), NULL)
                         : sobj_channel_try_send(f->channel, m->cells[0]);
            m->done = status == SOBJ_OK;
        } else {
            status =
                rng_below(rng, 3) == 0
                    ? sobj_channel_send_many(f->channel, m, some_deadline(rng), NULL)
                    : sobj_channel_try_send_many(f->channel, m);
        }
        expect(status == SOBJ_OK || status == SOBJ_CLOSED ||
                   ((status == SOBJ_TIMEOUT || status == SOBJ_FULL) &&
                    f->capacity != 0 && f->overflow != SOBJ_OVERFLOW_DROP_OLD),
               "send: %s", sobj_status_str(status));
        expect((status == SOBJ_OK) == (m->done == m->count), "a row half sent");
        if (status == SOBJ_OK || status == SOBJ_CLOSED)
            return status;
        expect_full(f, status, (int64_t)(sent + m->done) - taken);
        sched_yield();
    }
}

static void flood_send(struct flood *f, struct rng *rng, unsigned sender)
{
    enum sobj_status status = SOBJ_OK;
    uint32_t sent = 0;
    bool closes = sender == 0 && f->closing != CLOSE_LAST;

    for (int i = 0; sent < f->quota && (i % 16 != 15 || !time_is_up()); i++) {
        sobj_cell cells[MAX_ROW];
        uint32_t n = rng_below(rng, 3) ? 1 : 1 + (uint32_t)rng_below(rng, MAX_ROW);
        struct sobj_messages m = {.cells = cells};
        if (closes && sent >= f->closing_point) {
            flood_close(f, f->closing == CLOSE_DISCARD);
            closes = false;
        }
        for (; m.count < n && sent + m.count < f->quota; m.count++)
            cells[m.count] = encode(MESSAGE(sender, sent + m.count));
        status = flood_send_row(f, rng, &m, sent);
        sobj_add_seq_cst(&f->accepted, (int64_t)m.done); /* SeqCst: a sum. */
        sent += (uint32_t)m.done;
        for (size_t k = m.done; k < m.count; k++)
            sobj_cell_unref(cells[k]);
        if (status == SOBJ_CLOSED) {
            expect(sobj_channel_closed(f->channel), "CLOSED of an open channel");
            break;
        }
    }
    f->accepted_by[sender] = sent;
    /* SeqCst: a sum. */
    if (sobj_add_seq_cst(&f->senders_left, (unsigned)-1) == 1)
        flood_close(f, false);
}

/* Receives a row, or one message. */
static enum sobj_status flood_receive_row(struct flood *f, struct rng *rng,
                                          struct sobj_messages *m)
{
    enum sobj_status status;

    if (rng_below(rng, 3) == 0)
        return rng_below(rng, 3) == 0
                   ? sobj_channel_recv_many(f->channel, m, some_deadline(rng), NULL)
                   : sobj_channel_try_recv_many(f->channel, m);
    status = rng_below(rng, 3) == 0
                 ? sobj_channel_recv(f->channel, m->cells, some_deadline(rng), NULL)
                 : sobj_channel_try_recv(f->channel, m->cells);
    m->done = status == SOBJ_OK;
    return status;
}

static void flood_receive(struct flood *f, struct rng *rng, unsigned receiver)
{
    int64_t *received = f->received[receiver];
    uint32_t n = 0;

    for (;;) {
        sobj_cell cells[MAX_ROW];
        struct sobj_messages m = {.cells = cells,
                                  .count = 1 + (size_t)rng_below(rng, MAX_ROW)};
        /* SeqCst: before the operation; a sum. */
        int64_t accepted = sobj_load_seq_cst(&f->accepted);
        enum sobj_status status = flood_receive_row(f, rng, &m);
        if (status == SOBJ_CLOSED)
            break;
        expect((status == SOBJ_OK) == (m.done != 0), "a row of nothing");
        for (size_t k = 0; k < m.done; k++) {
            received[n++] = decode(cells[k]);
            sobj_cell_unref(cells[k]);
        }
        sobj_add_seq_cst(&f->taken, (int64_t)m.done); /* SeqCst: a sum. */
        if (status != SOBJ_OK) {
            expect(status == SOBJ_EMPTY || status == SOBJ_TIMEOUT, "recv: %s",
                   sobj_status_str(status));
            if (f->receivers == 1 && may_not_vanish(f)) {
                expect(accepted <= n, "%s with %lld messages in the channel",
                       sobj_status_str(status), (long long)(accepted - n));
            }
            sched_yield();
        }
        if (f->capacity != 0 && n % 8 == 0) {
            expect(sobj_channel_count(f->channel) <= f->capacity, "count above %u",
                   f->capacity);
        }
    }
    f->received_by[receiver] = n;
}

static void flood_work(struct member *m)
{
    struct flood *f = m->shared;

    if (m->index < f->senders)
        flood_send(f, &m->rng, m->index);
    else
        flood_receive(f, &m->rng, m->index - f->senders);
}

/* All members have ended. */
static void flood_verify(struct flood *f)
{
    static unsigned char seen[MAX_THREADS][MAX_QUOTA];
    int64_t accepted = 0, received = 0;

    memset(seen, 0, sizeof seen);
    for (unsigned s = 0; s < f->senders; s++)
        accepted += f->accepted_by[s];
    for (unsigned r = 0; r < f->receivers; r++) {
        int64_t last[MAX_THREADS];
        for (unsigned s = 0; s < f->senders; s++)
            last[s] = -1;
        received += f->received_by[r];
        for (uint32_t i = 0; i < f->received_by[r]; i++) {
            int64_t s = f->received[r][i] >> 32, n = f->received[r][i] & 0xffffffff;
            if (!expect(s >= 0 && s < f->senders && n < f->accepted_by[s],
                        "message %lld of sender %lld was never accepted", (long long)n,
                        (long long)s))
                continue;
            expect(!seen[s][n], "message %lld of sender %lld came twice", (long long)n,
                   (long long)s);
            seen[s][n] = 1;
            expect(n > last[s], "sender %lld: %lld came after %lld", (long long)s,
                   (long long)n, (long long)last[s]);
            last[s] = n;
        }
    }
    if (!may_not_vanish(f))
        expect(received <= accepted, "more received than accepted");
    else
        expect(received == accepted, "%lld accepted, %lld received (capacity %u)",
               (long long)accepted, (long long)received, f->capacity);
    expect(sobj_channel_count(f->channel) == 0, "the channel is not empty");
    /* SeqCst: a sum. */
    expect(sobj_load_seq_cst(&f->closers) == 1, "the channel was closed not once");
}

static void flood_round(struct rng *rng, unsigned threads, uint32_t capacity)
{
    static struct flood f;

    memset(&f, 0, sizeof f);
    f.capacity = capacity;
    f.senders = 1 + (unsigned)rng_below(rng, threads - 1);
    if (rng_below(rng, 4) == 0)
        f.senders = rng_below(rng, 2) ? 1 : threads - 1;
    f.receivers = threads - f.senders;
    f.quota = 1 + (uint32_t)rng_below(rng, rng_below(rng, 2) ? MAX_QUOTA : 20);
    f.closing = (enum closing)rng_below(rng, 3);
    if (rng_below(rng, 4) == 0)
        f.overflow = SOBJ_OVERFLOW_DROP_OLD;
    bool is_queue = f.overflow == SOBJ_OVERFLOW_BLOCK && rng_below(rng, 4) == 0;
    f.closing_point = (uint32_t)rng_below(rng, f.quota);
    atomic_init(&f.senders_left, f.senders);
    if (!is_queue)
        f.channel = new_channel_that(capacity, f.overflow);
    else if (sobj_queue_new(capacity, &f.channel) != SOBJ_OK)
        abort();
    for (unsigned r = 0; r < f.receivers; r++) {
        f.received[r] = malloc((size_t)f.senders * f.quota * sizeof(int64_t));
        if (f.received[r] == NULL)
            abort();
    }
    crew_run(threads, rng_next(rng), 0, flood_work, &f);
    flood_verify(&f);
    for (unsigned r = 0; r < f.receivers; r++)
        free(f.received[r]);
    sobj_unref(f.channel);
}

/* ---- closes */

#define CLOSES 50

struct closes {
    struct sobj_object *channel; /* written by member 0 between two meetings */
    bool over;                   /* as well */
    uint32_t capacity;
    _Atomic(int64_t) accepted, received; /* sums of what the messages hold */
};

/* Member 0 closes, members of odd index send, the others receive. */
static void closes_once(struct closes *c, struct member *m)
{
    sobj_cell cell;

    if (m->index == 0) {
        for (uint64_t pause = rng_below(&m->rng, 4); pause > 0; pause--)
            sched_yield();
        sobj_channel_close(c->channel, false);
    } else if (m->index % 2 != 0) {
        for (int64_t i = 1; i < 10; i++) {
            cell = sobj_from_int((int64_t)m->index << 8 | i);
            if (sobj_channel_send(c->channel, cell, SOBJ_FOREVER, NULL) != SOBJ_OK)
                break;
            sobj_add_seq_cst(&c->accepted, sobj_to_int(cell)); /* SeqCst: a sum. */
        }
    } else {
        while (sobj_channel_recv(c->channel, &cell, SOBJ_FOREVER, NULL) == SOBJ_OK)
            sobj_add_seq_cst(&c->received, sobj_to_int(cell)); /* SeqCst: a sum. */
    }
}

static void closes_work(struct member *m)
{
    struct closes *c = m->shared;

    for (int i = 0; i < CLOSES; i++) {
        if (m->index == 0) {
            c->over = i != 0 && time_is_up();
            if (!c->over)
                c->channel = new_channel(c->capacity);
        }
        crew_meet(m);
        if (c->over)
            return;
        closes_once(c, m);
        crew_meet(m);
        if (m->index != 0)
            continue;
        /* SeqCst: sums. */
        int64_t accepted = sobj_load_seq_cst(&c->accepted);
        int64_t received = sobj_load_seq_cst(&c->received);
        expect(accepted == received, "capacity %u: closing lost %lld", c->capacity,
               (long long)(accepted - received));
        expect(sobj_channel_count(c->channel) == 0, "messages are left");
        sobj_unref(c->channel);
    }
}

static void closes_round(struct rng *rng, unsigned threads, uint32_t capacity)
{
    static struct closes c;

    memset(&c, 0, sizeof c);
    c.capacity = capacity;
    crew_run(threads, rng_next(rng), 0, closes_work, &c);
}

/* ---- bursts */

struct channel_bursts {
    struct bursts base;
    struct sobj_object *channel;
};

static struct sobj_object *burst_place(struct bursts *b, struct rng *rng)
{
    (void)rng;
    return ((struct channel_bursts *)b)->channel;
}

static unsigned burst_row(struct bursts *b, unsigned n, struct rng *rng)
{
    sobj_cell cells[MAX_THREADS];
    struct sobj_messages row = {.cells = cells, .count = (size_t)rng_below(rng, n + 1)};

    for (size_t i = 0; i < row.count; i++)
        cells[i] = SOBJ_TRUE;
    if (b->senders)
        sobj_channel_try_recv_many(burst_place(b, rng), &row);
    else
        sobj_channel_try_send_many(burst_place(b, rng), &row);
    return (unsigned)row.done;
}

static enum sobj_status burst_wait(struct bursts *b, struct member *m, bool faithful)
{
    int64_t deadline = faithful ? SOBJ_FOREVER : some_deadline(&m->rng);
    struct sobj_object *ch = burst_place(b, &m->rng);
    sobj_cell c = SOBJ_TRUE;

    return b->senders ? sobj_channel_send(ch, c, deadline, NULL)
                      : sobj_channel_recv(ch, &c, deadline, NULL);
}

static void burst_close(struct bursts *b)
{
    sobj_channel_close(burst_place(b, NULL), false);
}

static void bursts_round(struct rng *rng, unsigned threads, uint32_t capacity)
{
    static struct channel_bursts b;

    b = (struct channel_bursts){
        .base = {.senders = capacity != 0 && rng_below(rng, 2) == 0,
                 .faithful = 1,
                 .count = 100,
                 .end = end,
                 .drive_row = burst_row,
                 .place = burst_place,
                 .wait = burst_wait,
                 .close = burst_close},
        .channel = new_channel(capacity),
    };
    if (b.base.senders) {
        /* Full at rest. */
        while (sobj_channel_try_send(b.channel, SOBJ_TRUE) == SOBJ_OK)
            ;
    }
    crew_run(threads, rng_next(rng), 0, bursts_work, &b);
    sobj_channel_close(b.channel, true);
    sobj_unref(b.channel);
}

/* ---- */

static void on_alarm(int number)
{
    static const char message[] = "Bail out! a round hangs\n";

    (void)number;
    if (write(STDOUT_FILENO, message, sizeof message - 1) < 0)
        _exit(2);
    _exit(1);
}

static void on_signal(int number) { (void)number; }

int main(int argc, char **argv)
{
    static const uint32_t capacities[] = {0, 1, 1, 2, 3, 5, 7, 64, 0, 2};
    static const unsigned periods[] = {0, 2, 5, 20};
    struct sigaction action = {.sa_handler = on_signal};
    int rounds = 0;

    tap_begin();
    struct torture t = torture_begin(argc, argv, 4);
    struct rng rng = rng_seed(t.seed);
    unsigned threads = t.threads < 3             ? 3
                       : t.threads > MAX_THREADS ? MAX_THREADS
                                                 : t.threads;
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
    struct balance b = balance_begin();
    end = sobj_clock() + (int64_t)t.milliseconds * 1000000;
    do {
        uint32_t capacity =
            capacities[rng_below(&rng, sizeof capacities / sizeof *capacities)];
        alarm(HANG_SECONDS);
        yield_every(periods[rng_below(&rng, sizeof periods / sizeof *periods)]);
        static void (*const kinds[])(struct rng *, unsigned, uint32_t) = {
            flood_round, flood_round, closes_round, bursts_round, bursts_round};
        kinds[rng_below(&rng, sizeof kinds / sizeof *kinds)](&rng, threads, capacity);
        rounds++;
        if (!balance_expect(&b, "a round"))
            break;
    } while (!time_is_up() && tap_failures() == 0);
    alarm(0);
    ok(tap_failures() == 0, "%d rounds", rounds);
    balance_check(&b, "all rounds");
    return tap_end();
}
