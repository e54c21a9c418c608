/* SPDX-License-Identifier: MIT */
/* L3: the queue of a rendezvous channel; see channel_meet.h. */
#include "channel_meet.h"

#include <string.h>

#include "channel_ring.h"
#include "notify.h"
#include "reclaim.h"

static struct sobj__offers *list_of(struct sobj__meet *m, bool sending)
{
    return sending ? &m->senders : &m->receivers;
}

static void unlink_locked(struct sobj__offer *o)
{
    struct sobj__offers *list = list_of(o->meet, o->sending);

    if (o->prev != NULL)
        o->prev->next = o->next;
    else
        list->head = o->next;
    if (o->next != NULL)
        o->next->prev = o->prev;
    else
        list->tail = o->prev;
    list->count--;
    o->linked = false;
}

/* Takes the longest waiting offer of a side that can be taken; those that cannot leave the
 * list on the way. Returns: it, whose thread sleeps on until the lock is free; or NULL. */
static struct sobj__offer *take_locked(struct sobj__meet *m, bool sending,
                                       struct sobj__wakes *wakes)
{
    struct sobj__offers *list = list_of(m, sending);
    struct sobj__offer *o;

    while ((o = list->head) != NULL) {
        uint32_t before = wakes->count;
        unlink_locked(o);
        if (o->parker == NULL) {
            o->taken = true;
            sobj__notifier_keep(o->told); /* M6 */
            return o;
        }
        sobj__wakes_add(wakes, o->parker);
        if (wakes->count != before) {
            o->taken = true;
            return o;
        }
    }
    return NULL;
}

static bool closed(const struct sobj__meet *m)
{
    /* SeqCst: whoever has seen the close finds that nobody meets, and the reverse. */
    return sobj_load_seq_cst(&m->tail) & SOBJ__CLOSED_MARK;
}

/* ---- without waiting */

static void begin(struct sobj__meet *m)
{
    sobj__write_begin();
    sobj__lock_acquire(&m->lock);
}

static void end(struct sobj__meet *m, struct sobj__wakes *wakes)
{
    sobj__lock_release(&m->lock);
    sobj__write_end();
    sobj__wakes_run(wakes);
}

enum sobj_status sobj__meet_put(struct sobj__meet *m, const sobj_cell *messages,
                                uint32_t n, uint32_t *done)
{
    struct sobj__wakes wakes = {.count = 0};
    struct sobj__offer *o;
    bool is_closed;

    *done = 0;
    begin(m);
    is_closed = closed(m);
    while (!is_closed && *done < n && !sobj__wakes_full(&wakes) &&
           (o = take_locked(m, false, &wakes)) != NULL)
        o->message = messages[(*done)++];
    end(m, &wakes);
    return *done != 0 ? SOBJ_OK : is_closed ? SOBJ_CLOSED : SOBJ_FULL;
}

enum sobj_status sobj__meet_take(struct sobj__meet *m, sobj_cell *messages, uint32_t n,
                                 uint32_t *done)
{
    struct sobj__wakes wakes = {.count = 0};
    struct sobj__offer *o;
    bool is_closed;

    *done = 0;
    begin(m);
    is_closed = closed(m);
    while (!is_closed && *done < n && !sobj__wakes_full(&wakes) &&
           (o = take_locked(m, true, &wakes)) != NULL)
        messages[(*done)++] = o->message;
    end(m, &wakes);
    return *done != 0 ? SOBJ_OK : is_closed ? SOBJ_CLOSED : SOBJ_EMPTY;
}

bool sobj__meet_ready(struct sobj__meet *m, bool sending)
{
    struct sobj__wakes none = {.count = 0};

    begin(m);
    bool ready = closed(m) || list_of(m, !sending)->head != NULL;
    end(m, &none);
    return ready;
}

size_t sobj__meet_offers(struct sobj__meet *m)
{
    struct sobj__wakes none = {.count = 0};

    begin(m);
    size_t count = m->senders.count;
    end(m, &none);
    return count;
}

/* ---- offers */

void sobj__offer_init(struct sobj__offer *o, struct sobj__meet *m, sobj_cell message,
                      struct sobj__parker *parker)
{
    memset(o, 0, sizeof *o);
    o->parker = parker;
    o->meet = m;
    o->message = message;
    o->sending = message != SOBJ_NO_CELL;
}

enum sobj_status sobj__offer_try(struct sobj__offer *o, struct sobj__wakes *wakes)
{
    struct sobj__offer *other;

    if (closed(o->meet))
        return SOBJ_CLOSED;
    other = take_locked(o->meet, !o->sending, wakes);
    if (other == NULL)
        return o->sending ? SOBJ_FULL : SOBJ_EMPTY;
    if (o->sending)
        other->message = o->message;
    else
        o->message = other->message;
    return SOBJ_OK;
}

void sobj__offer_link(struct sobj__offer *o)
{
    struct sobj__offers *list = list_of(o->meet, o->sending);

    o->prev = list->tail;
    if (o->prev != NULL)
        o->prev->next = o;
    else
        list->head = o;
    list->tail = o;
    list->count++;
    o->linked = true;
}

enum sobj_status sobj__meet_or_offer(struct sobj__offer *o)
{
    struct sobj__wakes wakes = {.count = 0};

    begin(o->meet);
    enum sobj_status status = sobj__offer_try(o, &wakes); /* M2 */
    if (status == SOBJ_FULL || status == SOBJ_EMPTY)
        sobj__offer_link(o);
    end(o->meet, &wakes);
    return status;
}

bool sobj__offer_taken(struct sobj__offer *o, bool *lies)
{
    struct sobj__wakes none = {.count = 0};

    begin(o->meet);
    bool taken = o->taken;
    *lies = o->linked;
    end(o->meet, &none);
    return taken;
}

bool sobj__offer_withdraw(struct sobj__offer *o)
{
    sobj__write_begin();
    sobj__lock_acquire(&o->meet->lock);
    if (o->linked)
        unlink_locked(o);
    bool taken = o->taken;
    sobj__lock_release(&o->meet->lock);
    sobj__write_end();
    return taken;
}

/* ---- waiting */

enum sobj_status sobj__meet_rest(struct sobj__parker *parker,
                                 struct sobj__waitlist *spin_list, int64_t deadline)
{
    struct sobj__spin spin = sobj__spin_begin(spin_list);
    bool waiting = true;

    while (waiting && sobj__spin_again(&spin)) {
        /* Relaxed: only a hint; park and withdraw look again. */
        waiting = sobj_load_relaxed(&parker->state) == SOBJ__WAITING;
    }
    sobj__spin_end(spin_list, &spin, !waiting);
    return sobj__park(parker, deadline);
}

/* ---- the end */

/* Wakes up to SOBJ__WAKES of those who are to leave. Returns: whether somebody is left. */
static bool dismiss_some(struct sobj__offers *list, struct sobj__wakes *wakes)
{
    while (list->head != NULL && !sobj__wakes_full(wakes)) {
        struct sobj__offer *o = list->head;
        unlink_locked(o);
        if (o->parker != NULL)
            sobj__wakes_add(wakes, o->parker);
    }
    return list->head != NULL;
}

void sobj__meet_dismiss(struct sobj__meet *m)
{
    struct sobj__wakes wakes = {.count = 0};
    bool more = true;

    while (more) {
        begin(m);
        more = dismiss_some(&m->senders, &wakes) || dismiss_some(&m->receivers, &wakes);
        end(m, &wakes);
    }
}

void sobj__meet_fork_child(struct sobj__meet *m)
{
    for (struct sobj__offer *o = m->senders.head; o != NULL; o = o->next)
        o->linked = false; /* M6 */
    m->senders = m->receivers = (struct sobj__offers){NULL, NULL, 0};
}
