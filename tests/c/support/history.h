/* SPDX-License-Identifier: MIT */
/* Recorded histories, and whether they are linearizable.
 *
 * A thread notes each operation in its own log: what it asked, when it began, what came
 * out, when it ended. Afterwards `history_check` looks for an order of all operations
 * that a sequential model accepts and that never puts an operation before one that had
 * ended when it began.
 *
 *     history_init(&h, threads, operations);
 *     ... in thread t:
 *     struct op *op = history_invoke(&h, t, KIND, key, arg0, arg1);
 *     ... the operation ...
 *     history_respond(&h, op, result0, result1);
 *     ... when all are done:
 *     expect(history_check(&h, &model, true) == LINEARIZABLE, "...");
 *
 * The times are draws from one shared counter, by a sequentially consistent
 * fetch-and-add. If the end of A was drawn before the beginning of B, then all of A
 * happens before all of B: every precedence in the record is a real one. The reverse is
 * not so, since an operation may take effect long before its end is drawn; that only
 * lets the checker accept more, so a reported violation is always one. The price: each
 * draw is a full barrier, and errors that need the operations of one thread to be
 * reordered among themselves do not show in a history.
 *
 * The search is that of J. Wing and C. Gong, "Testing and Verifying Concurrent Objects"
 * (1993), with G. Lowe's remedy, "Testing for Linearizability" (2017): a configuration,
 * that is the set of operations put in order so far and the state they lead to, is
 * visited once. As a thread's operations follow each other, the set is one number for
 * each thread. Operations with different keys do not concern each other and are checked
 * by themselves (P-compositionality; A. Horn and D. Kroening, 2015). Where no operation
 * is pending all orders meet in the same set, so a long history costs no more than its
 * pieces between such points: some thousands of operations are fine as long as only a
 * few overlap.
 */
#ifndef SUPPORT_HISTORY_H
#define SUPPORT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomic.h"

#define HISTORY_THREADS 16
#define MODEL_STATE_MAX 256

struct op {
    uint64_t key;
    int64_t arg[2], result[2];
    uint64_t invoke, response; /* draws; all different */
    uint16_t thread, kind;     /* kind: of the model */
};

/* A sequential object. Its state is a block of bytes; equal states must have equal
 * bytes (so: set all of them, padding and unused places too). */
struct model {
    const char *name;
    size_t state_size;
    void (*init)(void *state);
    /* Applies `op` to the state. Returns: whether its result is the one recorded; if
     * not, what becomes of the state does not matter. */
    bool (*step)(void *state, const struct op *op);
    /* For reports: "add(1, 2) -> OK", and the state (may be NULL). */
    void (*print)(const struct op *op, char *text, size_t size);
    void (*print_state)(const void *state, char *text, size_t size);
};

struct history {
    SOBJ_ALIGNED _Atomic(uint64_t) clock;
    unsigned threads;
    size_t capacity; /* operations for each thread */
    struct {
        SOBJ_ALIGNED struct op *ops;
        size_t count;
    } logs[HISTORY_THREADS];
};

void history_init(struct history *h, unsigned threads, size_t capacity);
void history_fini(struct history *h);
/* Forgets what was recorded. Needs: no thread records. */
void history_reset(struct history *h);
bool history_full(const struct history *h, unsigned thread);

/* Needs: !history_full(h, thread). */
static inline struct op *history_invoke(struct history *h, unsigned thread,
                                        unsigned kind, uint64_t key, int64_t arg0,
                                        int64_t arg1)
{
    struct op *op = &h->logs[thread].ops[h->logs[thread].count++];

    *op = (struct op){.key = key,
                      .arg = {arg0, arg1},
                      .thread = (uint16_t)thread,
                      .kind = (uint16_t)kind};
    /* SeqCst: before all of the operation. */
    op->invoke = sobj_add_seq_cst(&h->clock, 1);
    return op;
}

static inline void history_respond(struct history *h, struct op *op, int64_t result0,
                                   int64_t result1)
{
    /* SeqCst: after all of the operation. */
    op->response = sobj_add_seq_cst(&h->clock, 1);
    op->result[0] = result0;
    op->result[1] = result1;
}

enum verdict {
    LINEARIZABLE,
    NOT_LINEARIZABLE,
    UNDECIDED, /* more configurations than the search keeps */
};

/* Needs: every operation has ended. With `report`, a violation is printed. */
enum verdict history_check(const struct history *h, const struct model *model,
                           bool report);
/* The same for operations in one array, in any order, whose keys do not matter. */
enum verdict history_check_ops(const struct op *ops, size_t count,
                               const struct model *model, bool report);

#endif
