/* SPDX-License-Identifier: MIT */
/* Channel, one thread: order, room, closing, ownership of messages, failing memory.
 * Waiting, signals and fork are in test_channel_wait.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "channels.h"
#include "tap.h"

static const uint32_t capacities[] = {1, 2, 3, 7, 64, 0};
#define CAPACITIES (sizeof capacities / sizeof *capacities)

static sobj_cell new_bytes(uint64_t size)
{
    struct sobj_blob *b = sobj_blob_new(SOBJ_BLOB_BYTES, 0, size, 0, -1);

    if (b == NULL)
        abort();
    memset(b->data, 'x', size);
    return sobj_from_blob(b);
}

static enum sobj_status send_int(struct sobj_object *ch, int64_t i)
{
    return sobj_channel_try_send(ch, sobj_from_int(i));
}

/* Returns: the int received, or the status negated. */
static int64_t recv_int(struct sobj_object *ch)
{
    sobj_cell c;
    enum sobj_status status = sobj_channel_try_recv(ch, &c);

    return status == SOBJ_OK ? sobj_to_int(c) : -(int64_t)status;
}

static void test_object(void)
{
    struct sobj_object *ch = new_channel(3), *again = NULL;

    ok(sobj_type_of(ch) == SOBJ_TYPE_CHANNEL, "the type is CHANNEL");
    ok(sobj_channel_capacity(ch) == 3, "the capacity is as asked for");
    ok(sobj_attach(sobj_id_of(ch), &again) == SOBJ_OK && again == ch,
       "a channel is found by its id");
    sobj_unref(again);
    sobj_unref(ch);
}

static void test_room(uint32_t capacity)
{
    struct sobj_object *ch = new_channel(capacity);
    uint32_t room = capacity != 0 ? capacity : 1000;
    bool good = recv_int(ch) == -SOBJ_EMPTY && sobj_channel_count(ch) == 0;

    for (uint32_t i = 0; i < room; i++)
        good &= send_int(ch, i) == SOBJ_OK && sobj_channel_count(ch) == i + 1;
    ok(good, "capacity %u: holds that many, counted", capacity);
    ok(send_int(ch, -1) == (capacity != 0 ? SOBJ_FULL : SOBJ_OK),
       "capacity %u: and no more", capacity);
    good = true;
    for (uint32_t i = 0; i < room; i++)
        good &= recv_int(ch) == i;
    if (capacity == 0)
        good &= recv_int(ch) == -1;
    ok(good && recv_int(ch) == -SOBJ_EMPTY && sobj_channel_count(ch) == 0,
       "capacity %u: first in, first out, then empty", capacity);
    sobj_unref(ch);
}

/* Random sends and receives against a pair of counters: each int sent is one more than
 * the one before. */
static void test_laps(uint32_t capacity)
{
    struct sobj_object *ch = new_channel(capacity);
    int64_t sent = 0, received = 0;
    unsigned seed = 12345 + capacity;
    bool good = true;

    for (int i = 0; i < 20000; i++) {
        /* Long tides, so that both ends are met. */
        bool send = (unsigned)rand_r(&seed) % 100 < ((i >> 8 & 1) ? 80u : 20u);
        if (send) {
            bool full = capacity != 0 && sent - received == capacity;
            good &= send_int(ch, sent) == (full ? SOBJ_FULL : SOBJ_OK);
            sent += !full;
        } else {
            bool empty = sent == received;
            good &= recv_int(ch) == (empty ? -SOBJ_EMPTY : received);
            received += !empty;
        }
        good &= sobj_channel_count(ch) == (size_t)(sent - received);
    }
    ok(good, "capacity %u: order, full, empty and count over many laps", capacity);
    ok(received > 3000, "capacity %u: there were many laps", capacity);
    sobj_unref(ch);
}

static void test_close(uint32_t capacity)
{
    struct sobj_object *ch = new_channel(capacity);
    uint32_t n = capacity != 0 ? capacity : 20;
    bool good = true;

    send_int(ch, -1); /* so that the messages do not begin at cell 0 */
    recv_int(ch);
    for (uint32_t i = 0; i < n; i++)
        good &= send_int(ch, i) == SOBJ_OK;
    ok(good && !sobj_channel_closed(ch), "capacity %u: open at first", capacity);
    ok(sobj_channel_close(ch, false), "capacity %u: the first close closes", capacity);
    ok(!sobj_channel_close(ch, false) && sobj_channel_closed(ch),
       "capacity %u: the second does not", capacity);
    ok(send_int(ch, n) == SOBJ_CLOSED, "capacity %u: closed to sends, though full",
       capacity);
    ok(sobj_channel_count(ch) == n, "capacity %u: accepted messages stay", capacity);
    for (uint32_t i = 0; i < n; i++)
        good &= recv_int(ch) == i && send_int(ch, 0) == SOBJ_CLOSED;
    ok(good && recv_int(ch) == -SOBJ_CLOSED && recv_int(ch) == -SOBJ_CLOSED,
       "capacity %u: they are drained before CLOSED", capacity);
    sobj_cell c;
    ok(sobj_channel_send(ch, SOBJ_NONE, SOBJ_FOREVER, NULL) == SOBJ_CLOSED &&
           sobj_channel_recv(ch, &c, SOBJ_FOREVER, NULL) == SOBJ_CLOSED,
       "capacity %u: nothing waits on a closed channel", capacity);
    sobj_unref(ch);
}

static void test_discard(uint32_t capacity)
{
    struct sobj_object *ch = new_channel(capacity);
    int64_t blobs = sobj_count(SOBJ_COUNT_BLOBS);
    int n = capacity != 0 && capacity < 20 ? (int)capacity : 20;

    for (int i = 0; i < n; i++)
        sobj_channel_try_send(ch, new_bytes(10));
    ok(sobj_count(SOBJ_COUNT_BLOBS) == blobs + n, "capacity %u: messages are kept",
       capacity);
    ok(sobj_channel_close(ch, true) && sobj_count(SOBJ_COUNT_BLOBS) == blobs,
       "capacity %u: close with discard drops them", capacity);
    ok(sobj_channel_count(ch) == 0 && recv_int(ch) == -SOBJ_CLOSED,
       "capacity %u: nothing is left", capacity);
    sobj_unref(ch);

    ch = new_channel(capacity);
    send_int(ch, 1);
    sobj_channel_close(ch, false);
    ok(!sobj_channel_close(ch, true) && recv_int(ch) == -SOBJ_CLOSED,
       "capacity %u: a later close may still discard", capacity);
    sobj_unref(ch);
}

static void test_ownership(uint32_t capacity)
{
    struct sobj_object *ch = new_channel(capacity), *other = new_channel(1);
    int64_t objects, blobs = sobj_count(SOBJ_COUNT_BLOBS);
    sobj_cell sent = new_bytes(100), got = SOBJ_NO_CELL;

    sobj_channel_try_send(ch, sent);
    ok(sobj_channel_try_recv(ch, &got) == SOBJ_OK && got == sent,
       "capacity %u: the very cell comes out", capacity);
    sobj_cell_unref(got);
    ok(sobj_count(SOBJ_COUNT_BLOBS) == blobs, "capacity %u: with its reference",
       capacity);

    /* The only reference to `other` travels. */
    sobj_collect();
    objects = sobj_count(SOBJ_COUNT_OBJECTS);
    sobj_channel_try_send(ch, sobj_from_object(other));
    sobj_collect();
    ok(sobj_count(SOBJ_COUNT_OBJECTS) == objects, "capacity %u: a handle is kept alive",
       capacity);
    ok(sobj_channel_try_recv(ch, &got) == SOBJ_OK && sobj_to_object(got) == other,
       "capacity %u: and received", capacity);
    sobj_channel_try_send(ch, got);
    if (capacity != 1)
        sobj_channel_try_send(ch, new_bytes(5));
    sobj_unref(ch);
    sobj_collect();
    ok(sobj_count(SOBJ_COUNT_OBJECTS) == objects - 2 &&
           sobj_count(SOBJ_COUNT_BLOBS) == blobs,
       "capacity %u: what is left goes with the channel", capacity);
}

/* Each channel is the only message in the next one. */
static void test_nesting(void)
{
    struct sobj_object *outer = new_channel(0), *next;

    sobj_collect();
    int64_t objects = sobj_count(SOBJ_COUNT_OBJECTS);

    for (int i = 0; i < 60; i++) {
        next = new_channel(i % 3u);
        sobj_channel_try_send(next, sobj_from_object(outer));
        outer = next;
    }
    sobj_unref(outer);
    sobj_collect();
    ok(sobj_count(SOBJ_COUNT_OBJECTS) == objects - 1, "channels in channels all go");
}

static void test_deadline(uint32_t capacity)
{
    struct sobj_object *ch = new_channel(capacity);
    sobj_cell c;
    int64_t past = sobj_clock() - 1;

    ok(sobj_channel_recv(ch, &c, past, NULL) == SOBJ_TIMEOUT,
       "capacity %u: a past deadline is TIMEOUT", capacity);
    ok(sobj_channel_recv(ch, &c, sobj_clock() + 2000000, NULL) == SOBJ_TIMEOUT,
       "capacity %u: nothing comes: TIMEOUT", capacity);
    ok(sobj_channel_send(ch, SOBJ_TRUE, past, NULL) == SOBJ_OK,
       "capacity %u: where there is room no deadline counts", capacity);
    while (capacity != 0 && sobj_channel_try_send(ch, SOBJ_TRUE) == SOBJ_OK)
        ;
    if (capacity != 0) {
        ok(sobj_channel_send(ch, SOBJ_NONE, past, NULL) == SOBJ_TIMEOUT &&
               sobj_channel_send(ch, SOBJ_NONE, sobj_clock() + 2000000, NULL) ==
                   SOBJ_TIMEOUT &&
               sobj_channel_count(ch) == capacity,
           "capacity %u: full: TIMEOUT, nothing sent", capacity);
    }
    ok(sobj_channel_recv(ch, &c, past, NULL) == SOBJ_OK && c == SOBJ_TRUE,
       "capacity %u: a message that is there comes whatever the deadline", capacity);
    sobj_unref(ch);
}

/* Makes a channel, fills it beyond a block with blobs, takes some, and lets it go. */
static void fault_scenario(void *context)
{
    uint32_t capacity = *(const uint32_t *)context;
    struct sobj_object *ch;
    sobj_cell c;

    if (sobj_channel_new(capacity, SOBJ_OVERFLOW_BLOCK, &ch) != SOBJ_OK)
        return;
    for (int i = 0; i < 20; i++) {
        struct sobj_blob *b = sobj_blob_new(SOBJ_BLOB_BYTES, 0, 8, 0, -1);
        if (b == NULL)
            break;
        size_t count = sobj_channel_count(ch);
        enum sobj_status status = sobj_channel_try_send(ch, sobj_from_blob(b));
        if (status != SOBJ_OK) {
            expect(status == (capacity != 0 ? SOBJ_FULL : SOBJ_NO_MEMORY), "%s",
                   sobj_status_str(status));
            expect(sobj_channel_count(ch) == count, "a failed send changes nothing");
            sobj_cell_unref(sobj_from_blob(b));
        }
    }
    for (int i = 0; i < 3 && sobj_channel_try_recv(ch, &c) == SOBJ_OK; i++)
        sobj_cell_unref(c);
    sobj_unref(ch);
}

static void test_failing_memory(void)
{
    for (unsigned i = 0; i < CAPACITIES; i++) {
        char name[40];
        uint32_t capacity = capacities[i];
        snprintf(name, sizeof name, "capacity %u", capacity);
        fault_walk(name, fault_scenario, NULL, &capacity);
    }

    struct sobj_object *ch = new_channel(0);
    int64_t sent = 0, failures = 0;
    bool good = true;
    for (; sent < 100; sent++) {
        sobj_fail_allocation(0);
        enum sobj_status status = send_int(ch, sent);
        sobj_fail_allocation(-1);
        if (status == SOBJ_NO_MEMORY) {
            failures++;
            good &= sobj_channel_count(ch) == (size_t)sent;
            status = send_int(ch, sent);
        }
        good &= status == SOBJ_OK;
    }
    ok(failures == 100 / SOBJ__BLOCK_CELLS, "each new block can fail");
    for (int64_t i = 0; i < sent; i++)
        good &= recv_int(ch) == i;
    ok(good, "a send that has failed may be repeated");
    sobj_unref(ch);
}

/* A block is drained, and freed, before any sender has moved on to the next one. */
static void test_drained_blocks(void)
{
    struct sobj_object *ch = new_channel(0);
    bool good = true;

    for (int64_t i = 0; i < 20; i++) {
        for (int64_t k = 0; k < SOBJ__BLOCK_CELLS; k++)
            good &= send_int(ch, i * 100 + k) == SOBJ_OK;
        for (int64_t k = 0; k < SOBJ__BLOCK_CELLS; k++)
            good &= recv_int(ch) == i * 100 + k;
        good &= recv_int(ch) == -SOBJ_EMPTY;
        sobj_collect();
    }
    ok(good, "blocks come and go in a channel that keeps being drained");
    sobj_unref(ch);
}

/* More cells than fit a block of the ordinary allocator; only touched where used. */
static void test_large(void)
{
    struct sobj_object *ch = new_channel(1u << 24);
    bool good = true;

    for (int i = 0; i < 1000; i++)
        good &= send_int(ch, i) == SOBJ_OK;
    for (int i = 0; i < 1000; i++)
        good &= recv_int(ch) == i;
    ok(good, "a ring of 2^24 cells");
    sobj_unref(ch);
    ch = NULL;
    enum sobj_status status = sobj_channel_new(1u << 31, SOBJ_OVERFLOW_BLOCK, &ch);
    ok(status == SOBJ_OK || status == SOBJ_NO_MEMORY, "one of 2^31: %s",
       sobj_status_str(status));
    if (ch != NULL) {
        send_int(ch, 1);
        ok(recv_int(ch) == 1 && recv_int(ch) == -SOBJ_EMPTY, "and it works");
        sobj_unref(ch);
    }
}

int main(void)
{
    tap_begin();
    alarm(HANG_SECONDS); /* a channel that is broken may hang */
    struct balance b = balance_begin();
    test_object();
    for (unsigned i = 0; i < CAPACITIES; i++) {
        test_room(capacities[i]);
        test_laps(capacities[i]);
        test_close(capacities[i]);
        test_discard(capacities[i]);
        test_ownership(capacities[i]);
        test_deadline(capacities[i]);
    }
    test_nesting();
    test_failing_memory();
    test_drained_blocks();
    test_large();
    balance_check(&b, "all");
    return tap_end();
}
