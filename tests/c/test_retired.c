/* SPDX-License-Identifier: MIT */
/* Values that go together with what held them count as retired memory: however large they
 * are, no more than a batch of them waits for a grace period. (Lists: test_list.c.) */
#include <stdlib.h>
#include <string.h>

#include "dict_keys.h"
#include "sharedobj/channel.h"
#include "sharedobj/queue.h"
#include "tap.h"

#define ROUNDS 100
#define MOST ((int64_t)4 << 20)
#define BIG ((uint64_t)64 << 10)
/* More values than the estimate looks at, so that it is one. */
#define MANY 1500
#define SMALL ((uint64_t)4 << 10)

static sobj_cell value(uint64_t size)
{
    struct sobj_blob *b = sobj_blob_new(SOBJ_BLOB_BYTES, 0, size, 0, -1);

    if (b == NULL)
        abort();
    memset(b->data, 0, size);
    return sobj_from_blob(b);
}

static void must(enum sobj_status status)
{
    if (status != SOBJ_OK)
        abort();
}

static struct sobj_object *new_dict(void)
{
    struct sobj_object *d;

    must(sobj_dict_new(0, &d));
    return d;
}

static void put(struct sobj_object *d, int64_t n, uint64_t size)
{
    struct test_key k;

    sobj_dict_set(d, test_key(&k, n, false), value(size));
}

static void dict_cleared(struct sobj_object *d)
{
    put(d, 1, BIG);
    sobj_dict_clear(d);
}

static void dict_of_many_cleared(struct sobj_object *d)
{
    for (int64_t n = 0; n < MANY; n++)
        put(d, n, SMALL);
    sobj_dict_clear(d);
}

static void dict_replaced(struct sobj_object *d)
{
    struct sobj_object *other = new_dict();

    put(other, 1, BIG);
    sobj_dict_replace(d, other);
    sobj_unref(other);
}

static void dict_ended(struct sobj_object *d)
{
    struct sobj_object *other = new_dict();

    (void)d;
    put(other, 1, BIG);
    sobj_unref(other);
}

static void channel_ended(uint32_t capacity)
{
    struct sobj_object *ch;

    must(sobj_channel_new(capacity, SOBJ_OVERFLOW_BLOCK, &ch));
    sobj_channel_try_send(ch, value(BIG));
    sobj_unref(ch);
}
static void ring_ended(struct sobj_object *d)
{
    (void)d;
    channel_ended(4);
}
static void chain_ended(struct sobj_object *d)
{
    (void)d;
    channel_ended(0);
}

static void chain_of_many_ended(struct sobj_object *d)
{
    struct sobj_object *ch;

    (void)d;
    must(sobj_channel_new(0, SOBJ_OVERFLOW_BLOCK, &ch));
    for (int n = 0; n < MANY; n++)
        sobj_channel_try_send(ch, value(SMALL));
    sobj_unref(ch);
}

static void queue_ended(struct sobj_object *d)
{
    struct sobj_object *q;

    (void)d;
    must(sobj_queue_new(0, &q));
    sobj_channel_try_send(q, value(BIG));
    sobj_unref(q);
}

int main(void)
{
    static const struct {
        void (*run)(struct sobj_object *d);
        const char *name;
    } ways[] = {
        {dict_cleared, "a dict is cleared"},
        {dict_of_many_cleared, "a dict of many values is cleared"},
        {dict_replaced, "a dict is replaced"},
        {dict_ended, "a dict ends"},
        {ring_ended, "a bounded channel ends"},
        {chain_ended, "an unbounded channel ends"},
        {chain_of_many_ended, "a channel of many messages ends"},
        {queue_ended, "a queue ends"},
    };

    tap_begin();
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        struct balance b = balance_begin();
        struct sobj_object *d = new_dict();
        int64_t before = sobj_count(SOBJ_COUNT_BYTES), most = 0;
        for (int i = 0; i < ROUNDS; i++) {
            ways[k].run(d);
            int64_t held = sobj_count(SOBJ_COUNT_BYTES) - before;
            most = held > most ? held : most;
        }
        ok(most < MOST, "%s: %lld bytes are held, not more", ways[k].name,
           (long long)most);
        sobj_unref(d);
        balance_check(&b, ways[k].name);
    }
    return tap_end();
}
