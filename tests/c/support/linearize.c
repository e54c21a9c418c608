/* SPDX-License-Identifier: MIT */
/* The search for a linearization; the method is described in history.h.
 *
 *     configuration   {next[t] for each thread t | state}, laid out in one array and
 *                     found by an open-addressing hash table
 *     open            configurations whose successors have not been looked at: a stack
 *
 * An operation may come next if no other operation that is still to come ended before
 * it began. The one that ended first is tried first, which nearly always leads straight
 * to the end; the rest is for histories that have no linearization, or an odd one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "tap.h"

/* Operations shown in a report, besides those that do not fit. */
#define SHOWN 32
#define CONFIGURATIONS_MAX ((size_t)4 << 20)

struct search {
    const struct model *model;
    struct op *ops;                      /* sorted by thread, then time */
    uint32_t first[HISTORY_THREADS + 1]; /* where a thread's operations begin */
    size_t count;
    /* configurations */
    size_t size; /* of one, in bytes */
    unsigned char *configs;
    size_t used, capacity;
    uint32_t *table; /* index + 1; capacity * 2 places */
    uint32_t *open;
    size_t opened, open_capacity;
    size_t best, best_depth; /* the configuration that got furthest */
};

static int by_thread(const void *a, const void *b)
{
    const struct op *x = a, *y = b;

    if (x->thread != y->thread)
        return x->thread < y->thread ? -1 : 1;
    return x->invoke < y->invoke ? -1 : 1;
}

static void *grown(void *p, size_t bytes)
{
    p = realloc(p, bytes);
    if (p == NULL)
        abort();
    return p;
}

static uint64_t hash_bytes(const unsigned char *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u, word;

    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&word, p, 8);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

static void table_grow(struct search *s)
{
    s->capacity = s->capacity != 0 ? s->capacity * 2 : 1024;
    s->configs = grown(s->configs, s->capacity * s->size);
    free(s->table);
    s->table = calloc(s->capacity * 2, sizeof *s->table);
    if (s->table == NULL)
        abort();
    for (size_t i = 0; i < s->used; i++) {
        size_t at = hash_bytes(s->configs + i * s->size, s->size);
        while (s->table[at &= s->capacity * 2 - 1] != 0)
            at++;
        s->table[at] = (uint32_t)i + 1;
    }
}

/* Opens a configuration that was not seen before. */
static void visit(struct search *s, const unsigned char *config, size_t depth)
{
    if (s->used == s->capacity)
        table_grow(s);
    size_t at = hash_bytes(config, s->size);
    for (; s->table[at &= s->capacity * 2 - 1] != 0; at++) {
        size_t i = s->table[at] - 1;
        if (memcmp(s->configs + i * s->size, config, s->size) == 0)
            return;
    }
    s->table[at] = (uint32_t)s->used + 1;
    memcpy(s->configs + s->used * s->size, config, s->size);
    if (s->opened == s->open_capacity) {
        s->open_capacity = s->open_capacity != 0 ? s->open_capacity * 2 : 1024;
        s->open = grown(s->open, s->open_capacity * sizeof *s->open);
    }
    s->open[s->opened++] = (uint32_t)s->used;
    if (depth > s->best_depth) {
        s->best_depth = depth;
        s->best = s->used;
    }
    s->used++;
}

/* Returns: the operation of thread `t` that is next, or NULL. */
static const struct op *next_of(const struct search *s, const unsigned char *config,
                                unsigned t)
{
    uint32_t done;

    memcpy(&done, config + t * sizeof done, sizeof done);
    uint32_t i = s->first[t] + done;
    return i < s->first[t + 1] ? &s->ops[i] : NULL;
}

static size_t depth_of(const unsigned char *config)
{
    uint32_t done[HISTORY_THREADS];
    size_t sum = 0;

    memcpy(done, config, sizeof done);
    for (unsigned t = 0; t < HISTORY_THREADS; t++)
        sum += done[t];
    return sum;
}

/* Returns: how many operations may come next; in `next`, latest end first. */
static unsigned candidates(const struct search *s, const unsigned char *config,
                           const struct op *next[HISTORY_THREADS])
{
    uint64_t end = UINT64_MAX;
    unsigned n = 0;

    for (unsigned t = 0; t < HISTORY_THREADS; t++) {
        const struct op *op = next_of(s, config, t);
        if (op != NULL && op->response < end)
            end = op->response;
    }
    for (unsigned t = 0; t < HISTORY_THREADS; t++) {
        const struct op *op = next_of(s, config, t);
        if (op == NULL || op->invoke > end)
            continue;
        unsigned i = n++;
        for (; i > 0 && next[i - 1]->response < op->response; i--)
            next[i] = next[i - 1];
        next[i] = op;
    }
    return n;
}

static enum verdict search(struct search *s)
{
    _Alignas(16) unsigned char config[HISTORY_THREADS * 4 + MODEL_STATE_MAX] = {0};
    const size_t state = HISTORY_THREADS * sizeof(uint32_t);

    s->model->init(config + state);
    visit(s, config, 0);
    while (s->opened > 0) {
        const struct op *next[HISTORY_THREADS];
        unsigned char from[sizeof config];

        memcpy(from, s->configs + s->open[--s->opened] * s->size, s->size);
        size_t depth = depth_of(from);
        if (depth == s->count)
            return LINEARIZABLE;
        if (s->used > CONFIGURATIONS_MAX)
            return UNDECIDED;
        unsigned n = candidates(s, from, next);
        for (unsigned i = 0; i < n; i++) {
            uint32_t done;
            unsigned char *place = config + next[i]->thread * sizeof done;

            memcpy(config, from, s->size);
            memcpy(&done, place, sizeof done);
            done++;
            memcpy(place, &done, sizeof done);
            if (s->model->step(config + state, next[i]))
                visit(s, config, depth + 1);
        }
    }
    return NOT_LINEARIZABLE;
}

/* ---- reports */

static int by_invoke(const void *a, const void *b)
{
    const struct op *const *x = a, *const *y = b;

    return (*x)->invoke < (*y)->invoke ? -1 : 1;
}

/* Prints one operation with its span of time drawn to the ranks of the events shown. */
static void print_op(const struct search *s, const struct op *op, const char *mark,
                     const struct op **shown, size_t count)
{
    char text[200], bar[2 * (SHOWN + HISTORY_THREADS) + 1];
    size_t begin = 0, end = 0;

    for (size_t i = 0; i < count; i++) {
        begin += (shown[i]->invoke < op->invoke) + (shown[i]->response < op->invoke);
        end += (shown[i]->invoke < op->response) + (shown[i]->response < op->response);
    }
    memset(bar, ' ', sizeof bar);
    memset(bar + begin, '-', end - begin + 1);
    bar[begin] = bar[end] = '|';
    bar[2 * count] = '\0';
    s->model->print(op, text, sizeof text);
    diag("  T%-2u %s %s %s", op->thread, bar, mark, text);
}

static void report(const struct search *s)
{
    const unsigned char *config = s->configs + s->best * s->size;
    const struct op *next[HISTORY_THREADS];
    const struct op **all = grown(NULL, s->count * sizeof *all);
    uint32_t done[HISTORY_THREADS];
    uint64_t until = 0, from = UINT64_MAX;
    char text[400] = "?";
    size_t n = 0;

    memcpy(done, config, sizeof done);
    unsigned stuck = candidates(s, config, next);
    for (unsigned i = 0; i < stuck; i++) {
        until = next[i]->response > until ? next[i]->response : until;
        from = next[i]->invoke < from ? next[i]->invoke : from;
    }
    if (s->model->print_state != NULL)
        s->model->print_state(config + HISTORY_THREADS * sizeof(uint32_t), text,
                              sizeof text);
    diag("not linearizable (%s): %zu of %zu operations can be put in order (+), which "
         "leads to %s; none of those that may come next (!) fits:",
         s->model->name, s->best_depth, s->count, text);
    /* What overlaps the stuck operations, and a little of what came before. */
    from = from > 16 ? from - 16 : 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->ops[i].response >= from && s->ops[i].invoke <= until)
            all[n++] = &s->ops[i];
    }
    qsort(all, n, sizeof *all, by_invoke);
    size_t dropped = n > SHOWN ? n - SHOWN : 0, shown = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_stuck = false;
        for (unsigned k = 0; k < stuck; k++)
            is_stuck = is_stuck || next[k] == all[i];
        if (i >= dropped || is_stuck)
            all[shown++] = all[i];
    }
    for (size_t i = 0; i < shown; i++) {
        const struct op *op = all[i];
        const char *mark = " ";
        if (op < &s->ops[s->first[op->thread] + done[op->thread]])
            mark = "+";
        for (unsigned k = 0; k < stuck; k++)
            mark = next[k] == op ? "!" : mark;
        print_op(s, op, mark, all, shown);
    }
    free(all);
}

enum verdict history_check_ops(const struct op *ops, size_t count,
                               const struct model *model, bool with_report)
{
    struct search s = {.model = model, .count = count};

    if (count == 0)
        return LINEARIZABLE;
    if (model->state_size > MODEL_STATE_MAX || count > UINT32_MAX / 2)
        abort();
    s.size = HISTORY_THREADS * sizeof(uint32_t) + ((model->state_size + 7) & ~7ul);
    s.ops = grown(NULL, count * sizeof *ops);
    memcpy(s.ops, ops, count * sizeof *ops);
    qsort(s.ops, count, sizeof *ops, by_thread);
    for (size_t i = 0, t = 0; t <= HISTORY_THREADS; t++) {
        while (i < count && s.ops[i].thread < t)
            i++;
        s.first[t] = (uint32_t)i;
    }
    enum verdict v = search(&s);
    if (v == NOT_LINEARIZABLE && with_report)
        report(&s);
    if (v == UNDECIDED && with_report)
        diag("undecided (%s): more than %zu configurations", model->name, s.used);
    free(s.ops);
    free(s.configs);
    free(s.table);
    free(s.open);
    return v;
}
