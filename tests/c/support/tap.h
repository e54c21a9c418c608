/* SPDX-License-Identifier: MIT */
/* Test output in TAP, the balance of the core's counters, and the injection of
 * allocation failures.
 *
 *     int main(void)
 *     {
 *         tap_begin();                          starts the runtime
 *         struct balance b = balance_begin();
 *         ok(1 + 1 == 2, "addition, %d", 7);
 *         balance_check(&b, "addition");
 *         return tap_end();                     plan and exit code
 *     }
 *
 * `ok`, `skip` and the balance belong to the main thread. `expect` is for any thread
 * and for checks in loops: it says nothing unless it fails, and tap_end counts all its
 * failures as one more test.
 *
 * No test depends on how fast things go. What must happen is waited for without a limit;
 * HANG_SECONDS, for an alarm() or a deadline, is for what hangs if the core is wrong, and
 * more than a loaded machine needs, but less than what tools/run-tap allows.
 *
 * Atomic accesses of the tests are sequentially consistent, which needs no argument;
 * where one is weaker, that is what is tested, and its comment says so.
 */
#ifndef SUPPORT_TAP_H
#define SUPPORT_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "sharedobj/runtime.h"

#define HANG_SECONDS 100

/* Under these sanitizers a process is forked only when no other thread allocates: their
 * allocators have locks that a fork copies as they are (until LLVM 18 for the one of
 * addresses), and a child that allocates might wait for one for ever. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define FORKS_NEED_QUIET 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define FORKS_NEED_QUIET 1
#endif
#endif

void tap_begin(void);
/* Returns: the exit code for main. */
int tap_end(void);
/* Returns: failures so far, those of `expect` included. */
int tap_failures(void);

#define ok(cond, ...) tap_ok((cond), #cond, __FILE__, __LINE__, __VA_ARGS__)
#define expect(cond, ...) tap_expect((cond), #cond, __FILE__, __LINE__, __VA_ARGS__)

bool tap_ok(bool passed, const char *text, const char *file, int line,
            const char *format, ...) __attribute__((format(printf, 5, 6)));
bool tap_expect(bool passed, const char *text, const char *file, int line,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
void diag(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* One test that cannot run here, and why. */
void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- balance: what the core has allocated, without its tables of cores and tickets,
 * which grow and stay. */
struct balance {
    int64_t counts[SOBJ_COUNTERS];
    int64_t tickets;
};
/* Needs: the threads that have used the core since are gone, so that all they had
 * retired is freed; what the calling thread has retired is collected here. */
struct balance balance_begin(void);
/* Reports one test: nothing more and nothing less lives than at the beginning. */
bool balance_check(const struct balance *before, const char *name);
/* The same as an `expect`: silent unless it fails. */
bool balance_expect(const struct balance *before, const char *name);

/* ---- faults: runs `scenario` with its first allocation failing, then its second, and
 * so on until it gets through. A scenario builds something, uses it and takes it down
 * again, whatever fails on the way. After each run the balance must be as before, and
 * `invariant` (may be NULL) must hold: whatever outlives the scenario has not changed.
 * Reports one test. Returns: how many allocations could fail. */
int fault_walk(const char *name, void (*scenario)(void *context),
               bool (*invariant)(void *context), void *context);

#endif
