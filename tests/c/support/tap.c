/* SPDX-License-Identifier: MIT */
/* Test output, balance and faults; see tap.h. */
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "object.h"

static struct {
    int run, failed;
    _Atomic(int) unexpected;
} tap;

static const char *const counter_names[SOBJ_COUNTERS] = {"cores", "blobs", "nodes",
                                                         "blocks", "bytes"};

void tap_begin(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (sobj_runtime_init(NULL) != SOBJ_OK) {
        printf("Bail out! the runtime does not start\n");
        exit(1);
    }
}

int tap_end(void)
{
    /* SeqCst: only for a sum; the threads that wrote it are gone. */
    int unexpected = sobj_load_seq_cst(&tap.unexpected);

    if (unexpected != 0) {
        printf("not ok %d - %d silent checks failed\n", ++tap.run, unexpected);
        tap.failed++;
    }
    printf("1..%d\n", tap.run);
    fflush(stdout);
    return tap.failed != 0;
}

int tap_failures(void)
{
    /* SeqCst: a sum. */
    return tap.failed + sobj_load_seq_cst(&tap.unexpected);
}

bool tap_ok(bool passed, const char *text, const char *file, int line,
            const char *format, ...)
{
    va_list args;
    char name[400];

    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    printf("%sok %d - %s\n", passed ? "" : "not ", ++tap.run, name);
    if (!passed) {
        tap.failed++;
        printf("# %s:%d: %s\n", file, line, text);
    }
    return passed;
}

bool tap_expect(bool passed, const char *text, const char *file, int line,
                const char *format, ...)
{
    va_list args;
    char message[400];

    if (passed)
        return true;
    /* SeqCst: a sum; a flood of the same message helps nobody. */
    if (sobj_add_seq_cst(&tap.unexpected, 1) >= 20)
        return false;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    printf("# %s:%d: %s: %s\n", file, line, text, message);
    return false;
}

void diag(const char *format, ...)
{
    va_list args;
    char line[1000];

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    printf("# %s\n", line);
}

void skip(const char *format, ...)
{
    va_list args;
    char reason[400];

    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    printf("ok %d # SKIP %s\n", ++tap.run, reason);
}

/* ---- balance */

struct balance balance_begin(void)
{
    struct balance b;
    struct sobj__objects *t = &sobj__objects;

    sobj_collect();
    for (int i = 0; i < SOBJ_COUNTERS; i++)
        b.counts[i] = sobj_count((enum sobj_counter)i);
    b.tickets = sobj_ticket_count();
    for (int i = 0; i < SOBJ__CHUNKS; i++) {
        /* Acquire: a chunk is zeroed before it is published. */
        if (sobj_load_acquire(&t->chunks[i]) == NULL)
            continue;
        b.counts[SOBJ_COUNT_BLOCKS]--;
        b.counts[SOBJ_COUNT_BYTES] -=
            (int64_t)(((size_t)64 << i) * sizeof(struct sobj__slot));
    }
    if (t->tickets_capacity != 0) {
        b.counts[SOBJ_COUNT_BLOCKS]--;
        b.counts[SOBJ_COUNT_BYTES] -=
            (int64_t)(t->tickets_capacity * sizeof(struct sobj__ticket));
    }
    return b;
}

/* Returns: whether the balance is even; says what is not. */
static bool compare(const struct balance *before, const char *name)
{
    struct balance now = balance_begin();
    bool even = now.tickets == before->tickets;

    if (!even)
        diag("%s: tickets %+lld", name, (long long)(now.tickets - before->tickets));
    for (int i = 0; i < SOBJ_COUNTERS; i++) {
        if (now.counts[i] == before->counts[i])
            continue;
        even = false;
        diag("%s: %s %+lld", name, counter_names[i],
             (long long)(now.counts[i] - before->counts[i]));
    }
    return even;
}

bool balance_check(const struct balance *before, const char *name)
{
    bool even = compare(before, name);

    return ok(even, "%s: balance", name);
}

bool balance_expect(const struct balance *before, const char *name)
{
    bool even = compare(before, name);

    return expect(even, "balance after %s", name);
}

/* ---- faults */

int fault_walk(const char *name, void (*scenario)(void *context),
               bool (*invariant)(void *context), void *context)
{
    enum { LIMIT = 100000 };
    int before = tap_failures(), n;

    for (n = 0; n < LIMIT; n++) {
        struct balance b = balance_begin();
        char label[200];

        snprintf(label, sizeof label, "%s, allocation %d failing", name, n);
        sobj_fail_allocation(n);
        scenario(context);
        bool through = sobj_fail_allocation(-1) >= 0;
        expect(invariant == NULL || invariant(context), "invariant after %s", label);
        balance_expect(&b, label);
        if (through || tap_failures() - before > 3)
            break;
    }
    ok(n > 0 && n < LIMIT && tap_failures() == before,
       "%s: every one of %d allocations may fail", name, n);
    return n;
}
