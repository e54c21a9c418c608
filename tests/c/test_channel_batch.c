/* SPDX-License-Identifier: MIT */
/* Channel, one thread and two: rows of messages, and what happens when there is no room. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "channel.h"
#include "channels.h"
#include "tap.h"

#define MOST 300

static const uint32_t capacities[] = {1, 2, 3, 7, 64, 100, 0};
#define CAPACITIES (sizeof capacities / sizeof *capacities)

static sobj_cell new_bytes(void)
{
    struct sobj_blob *b = sobj_blob_new(SOBJ_BLOB_BYTES, 0, 8, 0, -1);

    if (b == NULL)
        abort();
    return sobj_from_blob(b);
}

/* `count` ints from `first` on. */
static struct sobj_messages ints(sobj_cell *cells, int64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cells[i] = sobj_from_int(first + (int64_t)i);
    return (struct sobj_messages){.cells = cells, .count = count};
}

/* Returns: whether `m` has received the ints from `first` on. */
static bool are_ints(const struct sobj_messages *m, int64_t first)
{
    for (size_t i = 0; i < m->done; i++) {
        if (m->cells[i] != sobj_from_int(first + (int64_t)i))
            return false;
    }
    return true;
}

static int64_t recv_int(struct sobj_object *ch)
{
    sobj_cell c;
    enum sobj_status status = sobj_channel_try_recv(ch, &c);

    return status == SOBJ_OK ? sobj_to_int(c) : -(int64_t)status;
}

/* Rows and single operations, at random, against a pair of counters. */
static void test_laps(uint32_t capacity)
{
    struct sobj_object *ch = new_channel(capacity);
    int64_t sent = 0, received = 0, rows = 0;
    unsigned seed = 777 + capacity;
    bool good = true;

    for (int i = 0; i < 4000; i++) {
        sobj_cell cells[MOST];
        size_t n = 1 + (size_t)rand_r(&seed) % ((i & 64) ? MOST : 10);
        int64_t room = capacity != 0 ? capacity - (sent - received) : (int64_t)n;
        if ((unsigned)rand_r(&seed) % 100 < ((i >> 5 & 1) ? 70u : 30u)) {
            struct sobj_messages m = ints(cells, sent, n);
            enum sobj_status status = sobj_channel_try_send_many(ch, &m);
            bool fits = (int64_t)n <= room;
            good &= status == (fits ? SOBJ_OK : SOBJ_FULL);
            good &= m.done == (fits ? n : (size_t)room);
            sent += (int64_t)m.done;
            rows += m.done > 1;
        } else if (rand_r(&seed) % 3 == 0) {
            bool empty = sent == received;
            good &= recv_int(ch) == (empty ? -SOBJ_EMPTY : received);
            received += !empty;
        } else {
            struct sobj_messages m = {.cells = cells, .count = n};
            int64_t there = sent - received;
            enum sobj_status status = sobj_channel_try_recv_many(ch, &m);
            good &= status == (there != 0 ? SOBJ_OK : SOBJ_EMPTY);
            good &= m.done == (there < (int64_t)n ? (size_t)there : n);
            good &= are_ints(&m, received);
            received += (int64_t)m.done;
        }
        good &= sobj_channel_count(ch) == (size_t)(sent - received);
    }
    ok(good && (rows > 100 || capacity == 1), "capacity %u: rows over many laps",
       capacity);
    sobj_unref(ch);
}

static void test_close(uint32_t capacity)
{
    struct sobj_object *ch = new_channel(capacity);
    sobj_cell cells[MOST];
    struct sobj_messages m = ints(cells, 0, capacity != 0 ? capacity : 20);
    struct sobj_messages more = {.cells = cells, .count = MOST};
    size_t count = m.count;

    sobj_channel_try_send_many(ch, &m);
    sobj_channel_close(ch, false);
    m.done = 0;
    ok(sobj_channel_try_send_many(ch, &m) == SOBJ_CLOSED && m.done == 0 &&
           sobj_channel_send_many(ch, &m, SOBJ_FOREVER, NULL) == SOBJ_CLOSED,
       "capacity %u: a closed channel takes no row", capacity);
    ok(sobj_channel_recv_many(ch, &more, SOBJ_FOREVER, NULL) == SOBJ_OK &&
           more.done == count && are_ints(&more, 0),
       "capacity %u: a row comes up to the close", capacity);
    ok(sobj_channel_recv_many(ch, &more, SOBJ_FOREVER, NULL) == SOBJ_CLOSED,
       "capacity %u: and CLOSED after it", capacity);
    sobj_unref(ch);
}

static void test_deadline(uint32_t capacity)
{
    struct sobj_object *ch = new_channel(capacity);
    sobj_cell cells[MOST];
    struct sobj_messages none = {.cells = cells, .count = 3};
    int64_t past = sobj_clock() - 1;

    ok(sobj_channel_recv_many(ch, &none, past, NULL) == SOBJ_TIMEOUT &&
           sobj_channel_recv_many(ch, &none, sobj_clock() + 2000000, NULL) ==
               SOBJ_TIMEOUT &&
           none.done == 0,
       "capacity %u: no row comes: TIMEOUT", capacity);
    if (capacity != 0) {
        struct sobj_messages m = ints(cells, 0, capacity + 5);
        ok(sobj_channel_send_many(ch, &m, sobj_clock() + 2000000, NULL) ==
                   SOBJ_TIMEOUT &&
               m.done == capacity && sobj_channel_count(ch) == capacity,
           "capacity %u: a row that does not fit: what fits, and TIMEOUT", capacity);
        recv_int(ch);
        ok(sobj_channel_send_many(ch, &m, past, NULL) == SOBJ_TIMEOUT &&
               m.done == capacity + 1,
           "capacity %u: it goes on where it was", capacity);
    }
    sobj_unref(ch);
}

/* ---- no room */

static void test_drop_new(uint32_t capacity)
{
    struct sobj_object *ch = new_channel_that(capacity, SOBJ_OVERFLOW_DROP_NEW);
    int64_t blobs = sobj_count(SOBJ_COUNT_BLOBS);
    sobj_cell cells[MOST];
    struct sobj_messages m = {.cells = cells, .count = capacity + 9};

    for (size_t i = 0; i < m.count; i++)
        cells[i] = new_bytes();
    ok(sobj_channel_send_many(ch, &m, SOBJ_FOREVER, NULL) == SOBJ_OK &&
           m.done == m.count && m.dropped == 9,
       "capacity %u: what does not fit is dropped", capacity);
    ok(sobj_count(SOBJ_COUNT_BLOBS) == blobs + capacity,
       "capacity %u: with its references", capacity);
    ok(sobj_channel_send(ch, SOBJ_TRUE, SOBJ_FOREVER, NULL) == SOBJ_FULL &&
           sobj_channel_try_send(ch, SOBJ_TRUE) == SOBJ_FULL,
       "capacity %u: a send does not wait", capacity);
    sobj_unref(ch);
}

static void test_error(uint32_t capacity)
{
    struct sobj_object *ch = new_channel_that(capacity, SOBJ_OVERFLOW_ERROR);
    sobj_cell cells[MOST];
    struct sobj_messages m = ints(cells, 0, capacity + 1);

    ok(sobj_channel_send_many(ch, &m, SOBJ_FOREVER, NULL) == SOBJ_FULL &&
           m.done == capacity && m.dropped == 0 &&
           sobj_channel_send(ch, SOBJ_TRUE, SOBJ_FOREVER, NULL) == SOBJ_FULL,
       "capacity %u: FULL at once", capacity);
    sobj_unref(ch);
}

static void test_drop_old(uint32_t capacity)
{
    struct sobj_object *ch = new_channel_that(capacity, SOBJ_OVERFLOW_DROP_OLD);
    int64_t blobs = sobj_count(SOBJ_COUNT_BLOBS);
    sobj_cell cells[MOST];
    bool good = true;

    for (int64_t i = 0; i < capacity + 50; i++) {
        int64_t oldest = i < capacity ? 0 : i - capacity + 1;
        good &= sobj_channel_send(ch, sobj_from_int(i), SOBJ_FOREVER, NULL) == SOBJ_OK;
        good &= sobj_channel_count(ch) == (size_t)(i + 1 - oldest);
    }
    for (int64_t i = 50; i < capacity + 50; i++)
        good &= recv_int(ch) == i;
    ok(good && recv_int(ch) == -SOBJ_EMPTY, "capacity %u: the newest messages stay",
       capacity);
    struct sobj_messages m = ints(cells, 0, MOST),
                         got = {.cells = cells, .count = MOST};
    good = sobj_channel_send_many(ch, &m, SOBJ_FOREVER, NULL) == SOBJ_OK;
    good &= sobj_channel_recv_many(ch, &got, SOBJ_FOREVER, NULL) == SOBJ_OK;
    ok(good && got.done == capacity && are_ints(&got, MOST - capacity),
       "capacity %u: also of a row", capacity);
    for (uint32_t i = 0; i < 2 * capacity; i++)
        sobj_channel_try_send(ch, new_bytes());
    ok(sobj_count(SOBJ_COUNT_BLOBS) == blobs + capacity,
       "capacity %u: dropped messages go with their references", capacity);
    sobj_channel_close(ch, false);
    ok(sobj_channel_send(ch, SOBJ_TRUE, SOBJ_FOREVER, NULL) == SOBJ_CLOSED &&
           sobj_channel_count(ch) == capacity,
       "capacity %u: a send that fails drops nothing", capacity);
    sobj_unref(ch);
}

static void test_unbounded(void)
{
    static const enum sobj_overflow all[] = {
        SOBJ_OVERFLOW_BLOCK, SOBJ_OVERFLOW_DROP_NEW, SOBJ_OVERFLOW_DROP_OLD,
        SOBJ_OVERFLOW_ERROR};
    bool good = true;

    for (int k = 0; k < 4; k++) {
        struct sobj_object *ch = new_channel_that(0, all[k]);
        good &= sobj_channel_overflow(ch) == all[k];
        for (int64_t i = 0; i < 100; i++)
            good &= sobj_channel_try_send(ch, sobj_from_int(i)) == SOBJ_OK;
        for (int64_t i = 0; i < 100; i++)
            good &= recv_int(ch) == i;
        sobj_unref(ch);
    }
    ok(good, "an unbounded channel always has room");
}

/* A row stops where a block cannot be had, and may be repeated from there. */
static void test_failing_memory(enum sobj_overflow overflow)
{
    struct sobj_object *ch =
        new_channel_that(overflow == SOBJ_OVERFLOW_BLOCK ? 0 : 99, overflow);
    sobj_cell cells[MOST];
    struct sobj_messages m = ints(cells, 0, 90);
    struct sobj_messages got = {.cells = cells, .count = MOST};
    bool good = true;

    for (m.count = 1; m.count < SOBJ__BLOCK_CELLS; m.count++)
        good &= sobj_channel_try_send_many(ch, &m) == SOBJ_OK;
    m.count = 90;
    sobj_fail_allocation(0);
    good &= sobj_channel_try_send_many(ch, &m) == SOBJ_NO_MEMORY;
    ok(good && m.done == SOBJ__BLOCK_CELLS - 1 && sobj_channel_count(ch) == m.done,
       "no block for the last cell of one: nothing more is sent");
    good = sobj_channel_try_send_many(ch, &m) == SOBJ_OK;
    good &= sobj_channel_try_recv_many(ch, &got) == SOBJ_OK;
    ok(good && got.done == 90 && are_ints(&got, 0), "the row may be repeated");
    got.done = 0;
    m = ints(cells, 0, 90);
    sobj_fail_allocation(0);
    good = sobj_channel_try_send_many(ch, &m) == SOBJ_OK;
    good &= sobj_fail_allocation(-1) < 0;
    sobj_channel_try_recv_many(ch, &got);
    ok(good && got.done == 90 && are_ints(&got, 0),
       "while there are cells left, it goes on with them");
    sobj_unref(ch);
}

/* ---- two threads */

struct stream {
    struct sobj_object *channel;
    int64_t total;
    bool good;
};

static void *send_rows(void *arg)
{
    struct stream *s = arg;
    unsigned seed = 5;

    for (int64_t sent = 0; sent < s->total;) {
        sobj_cell cells[MOST];
        int64_t left = s->total - sent, n = 1 + rand_r(&seed) % MOST;
        struct sobj_messages m = ints(cells, sent, (size_t)(n < left ? n : left));
        if (sobj_channel_send_many(s->channel, &m, SOBJ_FOREVER, NULL) != SOBJ_OK)
            break;
        sent += (int64_t)m.done;
    }
    sobj_channel_close(s->channel, false);
    return NULL;
}

/* A row that is longer than the channel waits for room again and again. */
static void test_stream(uint32_t capacity)
{
    struct stream s = {.channel = new_channel(capacity), .total = 20000};
    pthread_t thread;
    int64_t received = 0;
    unsigned seed = 6;
    bool good = true;

    if (pthread_create(&thread, NULL, send_rows, &s) != 0)
        abort();
    for (;;) {
        sobj_cell cells[MOST];
        struct sobj_messages m = {.cells = cells,
                                  .count = 1 + (size_t)rand_r(&seed) % MOST};
        if (sobj_channel_recv_many(s.channel, &m, SOBJ_FOREVER, NULL) != SOBJ_OK)
            break;
        good &= m.done >= 1 && are_ints(&m, received);
        received += (int64_t)m.done;
    }
    pthread_join(thread, NULL);
    ok(good && received == s.total, "capacity %u: a stream of rows", capacity);
    sobj_unref(s.channel);
}

struct waiter {
    struct sobj_object *channel;
    pthread_t thread;
    sobj_cell cell;
};

static void *receive_one(void *arg)
{
    struct waiter *w = arg;

    if (sobj_channel_recv(w->channel, &w->cell, SOBJ_FOREVER, NULL) != SOBJ_OK)
        w->cell = SOBJ_NONE;
    return NULL;
}

static void *send_one(void *arg)
{
    struct waiter *w = arg;

    if (sobj_channel_send(w->channel, sobj_from_int(7), SOBJ_FOREVER, NULL) == SOBJ_OK)
        w->cell = sobj_from_int(7);
    return NULL;
}

#define CROWD 4

/* One row serves all who wait, and nobody comes after it. */
static void test_wakes(uint32_t capacity, bool sending)
{
    struct sobj_object *ch = new_channel(capacity);
    struct sobj__channel *c = (struct sobj__channel *)ch;
    struct waiter w[CROWD];
    sobj_cell cells[CROWD];
    struct sobj_messages m = ints(cells, 7, CROWD);

    if (sending)
        sobj_channel_try_send_many(ch, &m);
    for (int i = 0; i < CROWD; i++) {
        w[i] = (struct waiter){.channel = ch, .cell = SOBJ_NO_CELL};
        if (pthread_create(&w[i].thread, NULL, sending ? send_one : receive_one,
                           &w[i]) != 0)
            abort();
    }
    /* Acquire: only a look. */
    while (sobj_load_acquire(sending ? &c->senders.count : &c->receivers.count) !=
           CROWD)
        sched_yield();
    m.done = 0;
    if (sending)
        sobj_channel_try_recv_many(ch, &m);
    else
        sobj_channel_try_send_many(ch, &m);
    bool good = m.done == CROWD;
    for (int i = 0; i < CROWD; i++) {
        pthread_join(w[i].thread, NULL);
        good &= sobj_is_int(w[i].cell);
    }
    ok(good, "capacity %u: a row wakes all %s it serves", capacity,
       sending ? "senders" : "receivers");
    sobj_unref(ch);
}

int main(void)
{
    tap_begin();
    alarm(HANG_SECONDS); /* a channel that is broken may hang */
    struct balance b = balance_begin();
    for (unsigned i = 0; i < CAPACITIES; i++) {
        uint32_t capacity = capacities[i];
        test_laps(capacity);
        test_close(capacity);
        test_deadline(capacity);
        test_stream(capacity);
        if (capacity != 0) {
            test_drop_new(capacity);
            test_error(capacity);
            test_drop_old(capacity);
        }
    }
    test_unbounded();
    test_failing_memory(SOBJ_OVERFLOW_BLOCK);
    test_failing_memory(SOBJ_OVERFLOW_DROP_OLD);
    test_wakes(0, false);
    test_wakes(CROWD, false);
    test_wakes(CROWD, true);
    balance_check(&b, "all");
    return tap_end();
}
