/* SPDX-License-Identifier: MIT */
/* Threads for tests; see crew.h. */
#include "crew.h"

#include <stdio.h>
#include <stdlib.h>

#include "sharedobj/runtime.h"
#include "tap.h"
#include "thread.h"

struct crew {
    void (*work)(struct member *m);
    int64_t deadline;
    _Atomic(bool) stop;
    pthread_barrier_t barrier;
};

static void *member_main(void *arg)
{
    struct member *m = arg;
    struct sobj__thread *self = sobj__thread_self();

    if (self != NULL)
        self->random = rng_next(&m->rng) | 1;
    pthread_barrier_wait(&m->crew->barrier);
    m->crew->work(m);
    return NULL;
}

void crew_run(unsigned count, uint64_t seed, unsigned milliseconds,
              void (*work)(struct member *m), void *shared)
{
    struct crew crew = {.work = work,
                        .deadline = sobj_clock() + (int64_t)milliseconds * 1000000};
    struct member *members = aligned_alloc(SOBJ_CACHE_LINE, count * sizeof *members);
    pthread_t *threads = calloc(count, sizeof *threads);

    if (members == NULL || threads == NULL)
        abort();
    pthread_barrier_init(&crew.barrier, NULL, count);
    for (unsigned i = 0; i < count; i++) {
        members[i] = (struct member){.index = i,
                                     .count = count,
                                     .rng = rng_seed(seed * 64 + i),
                                     .shared = shared,
                                     .crew = &crew};
        if (pthread_create(&threads[i], NULL, member_main, &members[i]) != 0) {
            diag("no thread");
            abort();
        }
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&crew.barrier);
    free(threads);
    free(members);
}

bool crew_running(struct member *m)
{
    /* Relaxed: only an end that is seen some time. */
    if (m->looks++ != 0 && sobj_load_relaxed(&m->crew->stop))
        return false;
    /* The clock costs more than many a round. */
    if ((m->looks & 15) == 0 && sobj_clock() >= m->crew->deadline)
        crew_stop(m);
    return true;
}

void crew_stop(struct member *m)
{
    /* Relaxed: as above. */
    sobj_store_relaxed(&m->crew->stop, true);
}

void crew_meet(struct member *m) { pthread_barrier_wait(&m->crew->barrier); }

struct torture torture_begin(int argc, char **argv, unsigned threads)
{
    struct torture t = {threads, 1000, (uint64_t)sobj_clock() & 0xffffff};

    if (argc > 1)
        t.threads = (unsigned)strtoul(argv[1], NULL, 10);
    if (argc > 2)
        t.milliseconds = (unsigned)(strtod(argv[2], NULL) * 1000);
    if (argc > 3)
        t.seed = strtoull(argv[3], NULL, 10);
    if (t.threads == 0 || t.threads > 64) {
        fprintf(stderr, "usage: %s [THREADS [SECONDS [SEED]]]\n", argv[0]);
        exit(2);
    }
    diag("%s %u %g %llu", argv[0], t.threads, t.milliseconds / 1000.0,
         (unsigned long long)t.seed);
    return t;
}

void torture_crews(const struct torture *t, unsigned yields,
                   void (*work)(struct member *m), void *shared)
{
    int64_t end = sobj_clock() + (int64_t)t->milliseconds * 1000000;
    int before = tap_failures();
    unsigned crews = 0;

    do {
        yield_every(crews % 2 ? yields : 0);
        crew_run(t->threads, t->seed + crews, t->milliseconds / 8, work, shared);
        crews++;
    } while (tap_failures() == before && sobj_clock() < end);
    yield_every(0);
    ok(tap_failures() == before, "%u crews", crews);
}
