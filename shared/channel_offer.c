/* SPDX-License-Identifier: MIT */
/* L3: standing offers; contract in include/sharedobj/notify.h, invariant M6 in
 * channel_meet.h.
 *
 * No lost event: whoever takes the offer keeps its notifier raised, under the lock of the
 * meeting, until the maker ends the offer. So what is taken after the maker's look makes
 * the descriptor readable, and no look makes it unreadable again.
 */
#include "alloc.h"
#include "channel.h"
#include "notify.h"

struct sobj_offer {
    struct sobj__offer offer;
    struct sobj__channel *channel;
};

/* Does it at once, or lies down. */
static enum sobj_status offer(struct sobj_offer *o)
{
    enum sobj_status status = sobj__meet_or_offer(&o->offer);

    if (status == SOBJ_FULL) {
        sobj__wake_one(&o->channel->receivers); /* notifiers */
        SOBJ_YIELD();
        sobj__channel_settle(o->channel, true); /* N3 */
    }
    return status;
}

enum sobj_status sobj_channel_offer(struct sobj_object *obj, sobj_cell message,
                                    struct sobj_notifier *told, struct sobj_offer **out)
{
    struct sobj__channel *ch = sobj_container_of(obj, struct sobj__channel, object);
    struct sobj_offer *o = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, sizeof *o);
    enum sobj_status status;

    sobj_assert_test(ch->meets);
    if (o == NULL)
        return SOBJ_NO_MEMORY;
    o->channel = ch;
    sobj__offer_init(&o->offer, &ch->meet, message, NULL);
    o->offer.told = told;
    status = offer(o);
    if (status == SOBJ_FULL)
        *out = o;
    else
        sobj__free(SOBJ_COUNT_BLOCKS, o, sizeof *o);
    return status;
}

enum sobj_status sobj_offer_look(struct sobj_offer *o)
{
    bool lies, taken = sobj__offer_taken(&o->offer, &lies);

    SOBJ_YIELD();
    if (taken)
        return SOBJ_OK;
    if (!lies) /* M6 */
        return offer(o);
    sobj__channel_settle(o->channel, true); /* N3 */
    return SOBJ_FULL;
}

bool sobj_offer_end(struct sobj_offer *o, sobj_cell *message)
{
    bool taken = sobj__offer_withdraw(&o->offer);

    *message = taken ? SOBJ_NO_CELL : o->offer.message;
    sobj__notifier_let_go(o->offer.told);
    sobj__free(SOBJ_COUNT_BLOCKS, o, sizeof *o);
    return taken;
}
