/* SPDX-License-Identifier: MIT */
/* L1: notifiers of a wait list; see notify.h. */
#include "notify.h"

#include "alloc.h"
#include "reclaim.h"

/* ---- under the list's lock */

static void link_locked(struct sobj__waitlist *list, struct sobj_notifier *n)
{
    n->next = sobj__notes_of(list)->head;
    if (n->next != NULL)
        n->next->prev = n;
    sobj__notes_of(list)->head = n;
    /* Relaxed: a hint (N3). */
    sobj_add_relaxed(&sobj__notes_of(list)->raised, 1);
    sobj__os_event_set(&n->event);
}

static void unlink_locked(struct sobj__waitlist *list, struct sobj_notifier *n)
{
    if (n->prev != NULL)
        n->prev->next = n->next;
    else
        sobj__notes_of(list)->head = n->next;
    if (n->next != NULL)
        n->next->prev = n->prev;
    /* Relaxed: going down only saves others a look. */
    sobj_sub_relaxed(n->armed ? &list->count : &sobj__notes_of(list)->raised, 1);
    n->armed = false; /* N5 */
}

static void raise_locked(struct sobj__waitlist *list, struct sobj_notifier *n)
{
    if (!n->armed)
        return;
    n->armed = false;
    /* Relaxed: before the event, which who looks for the hint has seen (N3). */
    sobj_add_relaxed(&sobj__notes_of(list)->raised, 1);
    /* Relaxed: as in unlink. */
    sobj_sub_relaxed(&list->count, 1);
    sobj__os_event_set(&n->event);
}

void sobj__notifiers_raise_locked(struct sobj__waitlist *list)
{
    for (struct sobj_notifier *n = sobj__notes_of(list)->head; n != NULL; n = n->next)
        raise_locked(list, n);
}

void sobj__notifier_keep(struct sobj_notifier *n)
{
    sobj__lock_acquire(&n->list->lock);
    raise_locked(n->list, n);
    n->kept = true;
    sobj__lock_release(&n->list->lock);
}

void sobj__notifier_let_go(struct sobj_notifier *n)
{
    sobj__write_begin();
    sobj__lock_acquire(&n->list->lock);
    n->kept = false;
    sobj__lock_release(&n->list->lock);
    sobj__write_end();
}

/* ---- arming and raising */

void sobj__notifiers_arm(struct sobj__waitlist *list)
{
    sobj__write_begin();
    sobj__lock_acquire(&list->lock);
    for (struct sobj_notifier *n = sobj__notes_of(list)->head; n != NULL; n = n->next) {
        if (n->armed || n->kept)
            continue;
        sobj__os_event_clear(&n->event);
        n->armed = true;
        /* Relaxed: a hint (N3). */
        sobj_sub_relaxed(&sobj__notes_of(list)->raised, 1);
        /* SeqCst: before the caller's look at the condition (N2). */
        sobj_add_seq_cst(&list->count, 1);
    }
    sobj__lock_release(&list->lock);
    sobj__write_end();
    /* SeqCst: the same for conditions that are read with weaker orders (N2). */
    sobj_fence_seq_cst();
}

void sobj__notifiers_raise(struct sobj__waitlist *list)
{
    sobj__write_begin();
    sobj__lock_acquire(&list->lock);
    sobj__notifiers_raise_locked(list);
    sobj__lock_release(&list->lock);
    sobj__write_end();
}

/* ---- life */

enum sobj_status sobj__notifier_open(struct sobj__waitlist *list, bool of_thread,
                                     struct sobj_notifier **out)
{
    struct sobj_thread *self = sobj_thread();
    struct sobj_notifier *n = sobj__alloc_zeroed(SOBJ_COUNT_BLOCKS, sizeof *n);

    if (n == NULL || self == NULL) {
        sobj__free(SOBJ_COUNT_BLOCKS, n, sizeof *n);
        return SOBJ_NO_MEMORY;
    }
    n->list = list;
    n->thread = of_thread ? self->serial : 0;
    if (sobj__os_event_open(&n->event) != SOBJ_OK) {
        sobj__free(SOBJ_COUNT_BLOCKS, n, sizeof *n);
        return SOBJ_OS_ERROR;
    }
    sobj__write_begin();
    sobj__lock_acquire(&sobj__notifiers.lock);
    n->open = true;
    n->all_next = sobj__notifiers.head;
    if (n->all_next != NULL)
        n->all_next->all_prev = n;
    sobj__notifiers.head = n;
    sobj__lock_acquire(&list->lock);
    link_locked(list, n);
    sobj__lock_release(&list->lock);
    sobj__lock_release(&sobj__notifiers.lock);
    sobj__write_end();
    *out = n;
    return SOBJ_OK;
}

/* Takes it out of its list and closes the descriptor (N5). Needs: sobj__notifiers.lock. */
static void close_locked(struct sobj_notifier *n)
{
    struct sobj__waitlist *list = n->list;

    if (!n->open)
        return;
    n->open = false;
    sobj__lock_acquire(&list->lock);
    unlink_locked(list, n);
    sobj__lock_release(&list->lock);
    sobj__os_event_close(&n->event);
}

void sobj_notifier_free(struct sobj_notifier *n)
{
    sobj__write_begin();
    sobj__lock_acquire(&sobj__notifiers.lock);
    close_locked(n);
    if (n->all_prev != NULL)
        n->all_prev->all_next = n->all_next;
    else
        sobj__notifiers.head = n->all_next;
    if (n->all_next != NULL)
        n->all_next->all_prev = n->all_prev;
    sobj__lock_release(&sobj__notifiers.lock);
    sobj__write_end();
    sobj__free(SOBJ_COUNT_BLOCKS, n, sizeof *n);
}

int sobj_notifier_fd(const struct sobj_notifier *n)
{
    sobj__write_begin();
    sobj__lock_acquire(&sobj__notifiers.lock);
    int fd = n->open ? n->event.fd : -1;
    sobj__lock_release(&sobj__notifiers.lock);
    sobj__write_end();
    return fd;
}

void sobj__notifiers_thread_end(const struct sobj__thread *thread)
{
    sobj__write_begin();
    sobj__lock_acquire(&sobj__notifiers.lock);
    for (struct sobj_notifier *n = sobj__notifiers.head; n != NULL; n = n->all_next) {
        if (n->thread == thread->known.serial)
            close_locked(n);
    }
    sobj__lock_release(&sobj__notifiers.lock);
    sobj__write_end();
}

/* The only thread; the list counts nobody. */
void sobj__notifiers_renew(struct sobj__waitlist *list)
{
    struct sobj_notifier *next;

    /* Relaxed: the only thread. */
    sobj_store_relaxed(&sobj__notes_of(list)->raised, 0);

    for (struct sobj_notifier *n = sobj__notes_of(list)->head; n != NULL; n = next) {
        next = n->next;
        n->armed = n->kept = false;
        /* Relaxed: the only thread. */
        sobj_add_relaxed(&sobj__notes_of(list)->raised, 1);
        if (sobj__os_event_renew(&n->event) == SOBJ_OK) {
            sobj__os_event_set(&n->event);
        } else {
            unlink_locked(list, n);
            n->open = false;
        }
    }
}
