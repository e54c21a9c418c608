/* SPDX-License-Identifier: MIT */
/* L3: senders and receivers of a channel; contract in include/sharedobj/channel_end.h.
 *
 *     handles, cells, tickets ──> end ──> channel {sender_ends, receiver_ends}
 *
 * References to an end are counted by its own header like those to any core; the channel
 * counts ends. So nothing is paid for it where messages are sent.
 *
 *   E1  An end is counted by its channel from before anybody else uses it until its last
 *       reference goes. Whoever brings the count of a side to 0 sets the mark of the
 *       close in that very section: no fork copies a channel that has lost its last end
 *       and is open.
 *   E2  After the section it wakes everybody, as close does: a waiter that enters too late
 *       to be woken sees the mark (W1 of channel.h).
 *   E3  Messages are dropped when the end is destroyed, not where its last reference goes:
 *       they may hold other ends, whose messages hold others; destroying goes round by
 *       round (reclaim.h), so that this does not recurse. The mark is set by then: no
 *       message comes any more, and the taking ends.
 *   E4  While ends are alive, whatever may hold the last reference to one is freed at
 *       once and not when a batch is full (sobj__retire_soon): a thread that sleeps
 *       afterwards leaves nobody waiting.
 *   E5  A ticket whose lease ends is swept by the next thread that passes, and all who
 *       could pass may be waiting for that very end. So a waiter at a channel with ends
 *       sleeps no longer than to the next end of a lease; a ticket for an end wakes those
 *       who went to sleep before it.
 *   E6  The same where the host counts references for each thread by itself: the last one
 *       to an end may be one that the waiter would give up, if it ran (sobj_hooks.turn).
 */
#include "sharedobj/channel_end.h"

#include "alloc.h"
#include "channel.h"
#include "platform/platform.h"
#include "reclaim.h"

static struct sobj__end *end_of(struct sobj_object *obj)
{
    return sobj_container_of(obj, struct sobj__end, object);
}

static _Atomic(uint32_t) *count_of(struct sobj__channel *ch, enum sobj_type side)
{
    return side == SOBJ_TYPE_SENDER ? &ch->sender_ends : &ch->receiver_ends;
}

/* ---- how an end goes */

static struct sobj_object *end_ending(struct sobj_object *obj)
{
    struct sobj__end *e = end_of(obj);

    if (!e->counted)
        return NULL;
    /* AcqRel E1: all that was done through other ends precedes the mark. */
    if (sobj_sub_acq_rel(count_of(e->channel, obj->type->tag), 1) != 1)
        return NULL;
    SOBJ_YIELD();
    sobj__channel_mark_closed(e->channel);
    sobj_ref(&e->channel->object);
    return &e->channel->object;
}

static void end_ended(struct sobj_object *channel)
{
    sobj__channel_wake_all(sobj_container_of(channel, struct sobj__channel, object));
    sobj_unref(channel);
}

static void end_leased(struct sobj_object *obj)
{
    sobj__channel_wake_all(end_of(obj)->channel); /* E5 */
}

static void end_destroy(struct sobj_object *obj)
{
    struct sobj__end *e = end_of(obj);
    struct sobj_object *channel = &e->channel->object;

    /* Acquire E3: whoever finds no receiver left finds the mark. One that comes by a split
     * after that drains what it finds. */
    if (e->counted && obj->type->tag == SOBJ_TYPE_RECEIVER &&
        sobj_load_acquire(&e->channel->receiver_ends) == 0)
        sobj_channel_close(channel, true);
    if (e->counted)
        /* Relaxed: a number alone. */
        sobj_sub_relaxed(&sobj__awaited, 1);
    sobj__free(SOBJ_COUNT_BLOCKS, e, sizeof *e);
    sobj_unref(channel);
}

static size_t end_bytes(const struct sobj_object *obj)
{
    (void)obj;
    return sizeof(struct sobj__end);
}

const struct sobj__type sobj__sender_type = {
    .tag = SOBJ_TYPE_SENDER,
    .name = "Sender",
    .destroy = end_destroy,
    .bytes = end_bytes,
    .ending = end_ending,
    .ended = end_ended,
    .leased = end_leased,
};

const struct sobj__type sobj__receiver_type = {
    .tag = SOBJ_TYPE_RECEIVER,
    .name = "Receiver",
    .destroy = end_destroy,
    .bytes = end_bytes,
    .ending = end_ending,
    .ended = end_ended,
    .leased = end_leased,
};

/* ---- making them */

static struct sobj__end *end_new(struct sobj_object *channel,
                                 const struct sobj__type *type)
{
    struct sobj__end *e = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, sizeof *e);

    if (e == NULL)
        return NULL;
    e->channel = sobj_container_of(channel, struct sobj__channel, object);
    if (sobj__object_init(&e->object, type) != SOBJ_OK) {
        sobj__free(SOBJ_COUNT_BLOCKS, e, sizeof *e);
        return NULL;
    }
    sobj_ref(channel);
    return e;
}

static void count(struct sobj__end *e)
{
    e->counted = true;
    /* Relaxed E1: the caller's references keep both. */
    sobj_add_relaxed(count_of(e->channel, e->object.type->tag), 1);
    /* Relaxed E4: before anybody can store a reference. */
    sobj_add_relaxed(&sobj__awaited, 1);
}

enum sobj_status sobj_channel_split(struct sobj_object *channel,
                                    struct sobj_object **sender,
                                    struct sobj_object **receiver)
{
    struct sobj__end *s = end_new(channel, &sobj__sender_type), *r;

    if (s == NULL)
        return SOBJ_NO_MEMORY;
    r = end_new(channel, &sobj__receiver_type);
    if (r == NULL) {
        sobj_unref(&s->object);
        return SOBJ_NO_MEMORY;
    }
    *sender = &s->object;
    *receiver = &r->object;
    return SOBJ_OK;
}

void sobj_channel_count_ends(struct sobj_object *sender, struct sobj_object *receiver)
{
    count(end_of(sender));
    count(end_of(receiver));
}

struct sobj_object *sobj_channel_of(struct sobj_object *obj)
{
    return obj->type->ending == end_ending ? &end_of(obj)->channel->object : obj;
}

/* ---- waiting at a channel with ends */

int64_t sobj__channel_sleep_until(const struct sobj__channel *ch, int64_t deadline)
{
    /* Relaxed: an end that is made later is leased later, which wakes us (E5). */
    if ((sobj_load_relaxed(&ch->sender_ends) | sobj_load_relaxed(&ch->receiver_ends)) ==
        0)
        return deadline;
    int64_t due = sobj__tickets_due(), turn = sobj__hooks.turn;
    if (turn != 0 && turn < due - sobj__now())
        due = sobj__now() + turn;
    return due < deadline ? due : deadline;
}
