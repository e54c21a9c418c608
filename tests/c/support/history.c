/* SPDX-License-Identifier: MIT */
/* Recording histories and dividing them by key; the search is in linearize.c. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

void history_init(struct history *h, unsigned threads, size_t capacity)
{
    memset(h, 0, sizeof *h);
    if (threads > HISTORY_THREADS)
        abort();
    h->threads = threads;
    h->capacity = capacity;
    for (unsigned t = 0; t < threads; t++) {
        h->logs[t].ops = calloc(capacity, sizeof *h->logs[t].ops);
        if (h->logs[t].ops == NULL)
            abort();
    }
}

void history_fini(struct history *h)
{
    for (unsigned t = 0; t < h->threads; t++)
        free(h->logs[t].ops);
}

void history_reset(struct history *h)
{
    for (unsigned t = 0; t < h->threads; t++)
        h->logs[t].count = 0;
    /* SeqCst: nobody else is there. */
    sobj_store_seq_cst(&h->clock, 0);
}

bool history_full(const struct history *h, unsigned thread)
{
    return h->logs[thread].count == h->capacity;
}

static int by_key(const void *a, const void *b)
{
    const struct op *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->invoke < y->invoke ? -1 : 1;
}

enum verdict history_check(const struct history *h, const struct model *model,
                           bool report)
{
    enum verdict worst = LINEARIZABLE;
    size_t total = 0, n = 0;

    for (unsigned t = 0; t < h->threads; t++)
        total += h->logs[t].count;
    struct op *all = malloc((total + 1) * sizeof *all);
    if (all == NULL)
        abort();
    for (unsigned t = 0; t < h->threads; t++) {
        if (h->logs[t].count != 0)
            memcpy(all + n, h->logs[t].ops, h->logs[t].count * sizeof *all);
        n += h->logs[t].count;
    }
    qsort(all, total, sizeof *all, by_key);
    for (size_t from = 0, to; from < total && worst != NOT_LINEARIZABLE; from = to) {
        for (to = from; to < total && all[to].key == all[from].key; to++) {
        }
        enum verdict v = history_check_ops(all + from, to - from, model, report);
        if (v != LINEARIZABLE)
            worst = v;
    }
    free(all);
    return worst;
}
