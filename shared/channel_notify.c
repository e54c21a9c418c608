/* SPDX-License-Identifier: MIT */
/* L3: notifiers of channels: what notify.h leaves to whoever knows the condition. */
#include "channel.h"
#include "notify.h"

static struct sobj__waitlist *list_of(struct sobj__channel *ch, bool sending)
{
    return sending ? &ch->senders : &ch->receivers;
}

SOBJ_NOINLINE void sobj__channel_settle(struct sobj__channel *ch, bool sending)
{
    struct sobj__waitlist *list = list_of(ch, sending);

    sobj__notifiers_arm(list);
    SOBJ_YIELD();
    if (sobj__channel_ready(ch, sending))
        sobj__notifiers_raise(list); /* N2 */
}

enum sobj_status sobj_notifier_new(struct sobj_object *obj, bool sending,
                                   bool of_thread, struct sobj_notifier **out)
{
    struct sobj__channel *ch = sobj_container_of(obj, struct sobj__channel, object);
    enum sobj_status status = sobj__notifier_open(list_of(ch, sending), of_thread, out);

    if (status == SOBJ_OK)
        sobj__channel_settle(ch, sending);
    return status;
}
