/* SPDX-License-Identifier: MIT */
/* What a channel costs without a host: channel_bench [REPEATS]
 *
 *   one thread    a send and a receive, against a ring under an uncontended pthread mutex;
 *                 selects over channels that all have a message
 *   throughput    blocking sends and receives, one by one or in rows of 64, one to one
 *                 and two to two, against the same ring with condition variables
 *   round trip    an int there and back through two channels, against two futex words;
 *                 the channels spin as they like, or must park every time; and two
 *                 rendezvous
 *
 * Every figure is the best of REPEATS (5). A ratio belongs to the run it comes from:
 * both sides of it were measured in turn on the same processors. Link with the core
 * compiled without SOBJ_TEST.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "atomic.h"
#include "park.h"
#include "sharedobj/select.h"

#define RING 1024
#define ROW 64
static int repeats = 5;

static struct sobj_object *new_channel(uint32_t capacity)
{
    struct sobj_object *ch;

    if (sobj_channel_new(capacity, SOBJ_OVERFLOW_BLOCK, &ch) != SOBJ_OK)
        abort();
    return ch;
}

/* ---- the peer: a ring under a mutex */

struct guarded {
    pthread_mutex_t mutex;
    pthread_cond_t not_empty, not_full;
    uint64_t head, tail;
    sobj_cell cells[RING];
};

static void guarded_init(struct guarded *g)
{
    pthread_mutex_init(&g->mutex, NULL);
    pthread_cond_init(&g->not_empty, NULL);
    pthread_cond_init(&g->not_full, NULL);
    g->head = g->tail = 0;
}

static void guarded_send(struct guarded *g, sobj_cell c)
{
    pthread_mutex_lock(&g->mutex);
    while (g->tail - g->head == RING)
        pthread_cond_wait(&g->not_full, &g->mutex);
    g->cells[g->tail++ % RING] = c;
    pthread_cond_signal(&g->not_empty);
    pthread_mutex_unlock(&g->mutex);
}

static sobj_cell guarded_recv(struct guarded *g)
{
    pthread_mutex_lock(&g->mutex);
    while (g->tail == g->head)
        pthread_cond_wait(&g->not_empty, &g->mutex);
    sobj_cell c = g->cells[g->head++ % RING];
    pthread_cond_signal(&g->not_full);
    pthread_mutex_unlock(&g->mutex);
    return c;
}

/* ---- one thread */

enum { PAIRS = 500000 };

static double pairs_channel(uint32_t capacity)
{
    struct sobj_object *ch = new_channel(capacity);
    int64_t best = INT64_MAX;
    sobj_cell c;

    for (int r = 0; r < repeats; r++) {
        int64_t t = sobj_clock();
        for (int64_t i = 0; i < PAIRS; i++) {
            sobj_channel_send(ch, sobj_from_int(i), SOBJ_FOREVER, NULL);
            sobj_channel_recv(ch, &c, SOBJ_FOREVER, NULL);
        }
        t = sobj_clock() - t;
        best = t < best ? t : best;
    }
    sobj_unref(ch);
    return (double)best / PAIRS;
}

static double pairs_guarded(struct guarded *g)
{
    int64_t best = INT64_MAX;

    for (int r = 0; r < repeats; r++) {
        int64_t t = sobj_clock();
        for (int64_t i = 0; i < PAIRS; i++) {
            guarded_send(g, sobj_from_int(i));
            guarded_recv(g);
        }
        t = sobj_clock() - t;
        best = t < best ? t : best;
    }
    return (double)best / PAIRS;
}

static void one_thread(struct guarded *g)
{
    static const uint32_t capacities[] = {1, RING, 0};
    double base = pairs_guarded(g);

    printf("one thread, send + receive\n");
    printf("  mutex ring                %7.1f ns\n", base);
    for (int i = 0; i < 3; i++) {
        double ns = pairs_channel(capacities[i]);
        printf("  channel, capacity %-6u  %7.1f ns   %5.2f of the mutex ring\n",
               capacities[i], ns, ns / base);
    }
}

/* Returns: nanoseconds for a select over `n` channels, and a send to the one it took
 * from. */
static double selects(uint32_t n)
{
    struct sobj_object *channels[16];
    int64_t best = INT64_MAX;
    uint32_t index = 0;

    for (uint32_t i = 0; i < n; i++) {
        channels[i] = new_channel(2);
        sobj_channel_try_send(channels[i], SOBJ_TRUE);
    }
    for (int r = 0; r < repeats; r++) {
        int64_t t = sobj_clock();
        for (int64_t i = 0; i < PAIRS; i++) {
            struct sobj_select_op ops[16];
            for (uint32_t k = 0; k < n; k++) {
                ops[k].channel = channels[k];
                ops[k].message = SOBJ_NO_CELL;
            }
            sobj_try_select(ops, n, &index);
            sobj_channel_try_send(channels[index], SOBJ_TRUE);
        }
        t = sobj_clock() - t;
        best = t < best ? t : best;
    }
    for (uint32_t i = 0; i < n; i++)
        sobj_unref(channels[i]);
    return (double)best / PAIRS;
}

static void selecting(void)
{
    static const uint32_t counts[] = {1, 2, 16};
    double base = pairs_channel(2);

    printf("one thread, select of a receive + send\n");
    printf("  channel without select    %7.1f ns\n", base);
    for (int i = 0; i < 3; i++) {
        double ns = selects(counts[i]);
        printf("  select over %-2u            %7.1f ns   %5.2f of the channel\n",
               counts[i], ns, ns / base);
    }
}

/* ---- throughput */

struct flow {
    struct sobj_object *channel; /* NULL: the guarded ring */
    struct guarded *guarded;
    pthread_barrier_t barrier;
    int64_t each;
    size_t row; /* messages in one call; 0: the calls for one */
    _Atomic(int) senders;
};

static void flow_send_rows(struct flow *f)
{
    sobj_cell cells[ROW];

    for (int64_t i = 0; i < f->each; i += (int64_t)f->row) {
        struct sobj_messages m = {.cells = cells, .count = f->row};
        for (size_t k = 0; k < f->row; k++)
            cells[k] = sobj_from_int(i + (int64_t)k);
        sobj_channel_send_many(f->channel, &m, SOBJ_FOREVER, NULL);
    }
}

/* Each receiver takes about its share; the last one finds the channel closed. */
static void flow_receive_rows(struct flow *f)
{
    sobj_cell cells[ROW];
    struct sobj_messages m = {.cells = cells, .count = f->row};

    while (sobj_channel_recv_many(f->channel, &m, SOBJ_FOREVER, NULL) == SOBJ_OK)
        m.done = 0;
}

static void *flow_send(void *arg)
{
    struct flow *f = arg;

    pthread_barrier_wait(&f->barrier);
    if (f->row != 0) {
        flow_send_rows(f);
        /* SeqCst: a count. */
        if (sobj_add_seq_cst(&f->senders, -1) == 1)
            sobj_channel_close(f->channel, false);
        return NULL;
    }
    for (int64_t i = 0; i < f->each; i++) {
        if (f->channel != NULL)
            sobj_channel_send(f->channel, sobj_from_int(i), SOBJ_FOREVER, NULL);
        else
            guarded_send(f->guarded, sobj_from_int(i));
    }
    return NULL;
}

static void *flow_receive(void *arg)
{
    struct flow *f = arg;
    sobj_cell c;

    pthread_barrier_wait(&f->barrier);
    if (f->row != 0) {
        flow_receive_rows(f);
        return NULL;
    }
    for (int64_t i = 0; i < f->each; i++) {
        if (f->channel != NULL)
            sobj_channel_recv(f->channel, &c, SOBJ_FOREVER, NULL);
        else
            guarded_recv(f->guarded);
    }
    return NULL;
}

/* Returns: millions of messages a second through a channel of that capacity, or, if it is
 * -1, the guarded ring. */
static double flow(int64_t capacity, struct guarded *g, int sides, size_t row)
{
    pthread_t threads[16];
    double best = 0;

    for (int r = 0; r < repeats; r++) {
        struct flow f = {.guarded = g, .row = row};
        f.each = (row != 0 ? 6400000 : 400000) / sides;
        f.channel = capacity >= 0 ? new_channel((uint32_t)capacity) : NULL;
        atomic_init(&f.senders, sides);
        pthread_barrier_init(&f.barrier, NULL, 2 * (unsigned)sides + 1);
        for (int i = 0; i < sides; i++) {
            pthread_create(&threads[2 * i], NULL, flow_send, &f);
            pthread_create(&threads[2 * i + 1], NULL, flow_receive, &f);
        }
        pthread_barrier_wait(&f.barrier);
        int64_t t = sobj_clock();
        for (int i = 0; i < 2 * sides; i++)
            pthread_join(threads[i], NULL);
        t = sobj_clock() - t;
        double rate = (double)f.each * sides / (double)t * 1e3;
        best = rate > best ? rate : best;
        pthread_barrier_destroy(&f.barrier);
        if (f.channel != NULL)
            sobj_unref(f.channel);
    }
    return best;
}

static void throughput(struct guarded *g, int sides)
{
    static const int64_t capacities[] = {RING, 16 * RING, 0};
    double base = flow(-1, g, sides, 0);

    printf("%d to %d, million messages a second\n", sides, sides);
    printf("  mutex ring                %7.2f\n", base);
    for (int i = 0; i < 3; i++) {
        double one = flow(capacities[i], NULL, sides, 0);
        double rows = flow(capacities[i], NULL, sides, ROW);
        printf("  channel, capacity %-6lld  %7.2f      %5.2f of the mutex ring\n",
               (long long)capacities[i], one, one / base);
        printf("    in rows of %d           %7.2f      %5.2f of the mutex ring\n", ROW,
               rows, rows / base);
    }
}

/* ---- round trip */

struct trip {
    struct sobj_object *there, *back; /* NULL: the words */
    SOBJ_ALIGNED _Atomic(uint32_t) word_there;
    SOBJ_ALIGNED _Atomic(uint32_t) word_back;
    uint32_t count;
    int cpu;
};

static void pin(int cpu)
{
    cpu_set_t set;

    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void post(_Atomic(uint32_t) *word, uint32_t value)
{
    sobj_store_release(word, value); /* Release: pairs with await. */
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void await(_Atomic(uint32_t) *word, uint32_t value)
{
    uint32_t seen;

    while ((seen = sobj_load_acquire(word)) != value) /* Acquire: pairs with post. */
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void *echo(void *arg)
{
    struct trip *t = arg;
    sobj_cell c;

    pin(t->cpu);
    for (uint32_t i = 1; i <= t->count; i++) {
        if (t->there != NULL) {
            sobj_channel_recv(t->there, &c, SOBJ_FOREVER, NULL);
            sobj_channel_send(t->back, c, SOBJ_FOREVER, NULL);
        } else {
            await(&t->word_there, i);
            post(&t->word_back, i);
        }
    }
    return NULL;
}

static struct sobj_object *new_rendezvous(void)
{
    struct sobj_object *ch;

    if (sobj_channel_new_rendezvous(&ch) != SOBJ_OK)
        abort();
    return ch;
}

enum way { WORDS, CHANNELS, RENDEZVOUS };

/* Returns: nanoseconds there and back. */
static double trip(enum way way, uint32_t count, int here, int there)
{
    struct trip t = {.count = count, .cpu = there};
    double best = 1e18;
    pthread_t thread;
    sobj_cell c;

    pin(here);
    for (int r = 0; r < repeats; r++) {
        atomic_init(&t.word_there, 0);
        atomic_init(&t.word_back, 0);
        t.there = way == WORDS      ? NULL
                  : way == CHANNELS ? new_channel(16)
                                    : new_rendezvous();
        t.back = way == WORDS      ? NULL
                 : way == CHANNELS ? new_channel(16)
                                   : new_rendezvous();
        pthread_create(&thread, NULL, echo, &t);
        int64_t start = sobj_clock();
        for (uint32_t i = 1; i <= count; i++) {
            if (way != WORDS) {
                sobj_channel_send(t.there, sobj_from_int(i), SOBJ_FOREVER, NULL);
                sobj_channel_recv(t.back, &c, SOBJ_FOREVER, NULL);
            } else {
                post(&t.word_there, i);
                await(&t.word_back, i);
            }
        }
        double ns = (double)(sobj_clock() - start) / count;
        best = ns < best ? ns : best;
        pthread_join(thread, NULL);
        if (way != WORDS) {
            sobj_unref(t.there);
            sobj_unref(t.back);
        }
    }
    return best;
}

static void round_trip(const char *where, int here, int there)
{
    int cpus = sobj__domains.cpus;
    double base = trip(WORDS, 20000, here, there);
    double spinning = trip(CHANNELS, 100000, here, there);
    double meeting = trip(RENDEZVOUS, 100000, here, there);

    sobj__domains.cpus = 1; /* nobody spins on one processor */
    double parked = trip(CHANNELS, 20000, here, there);
    double meeting_parked = trip(RENDEZVOUS, 20000, here, there);
    sobj__domains.cpus = cpus;
    printf("round trip, %s\n", where);
    printf("  two futex words           %7.0f ns\n", base);
    printf("  channels, always parked   %7.0f ns   %5.2f of the futex words\n", parked,
           parked / base);
    printf("  channels, spinning        %7.0f ns   %5.2f of the futex words\n",
           spinning, spinning / base);
    printf("  rendezvous, always parked %7.0f ns   %5.2f of the futex words\n",
           meeting_parked, meeting_parked / base);
    printf("  rendezvous, spinning      %7.0f ns   %5.2f of the futex words\n", meeting,
           meeting / base);
}

int main(int argc, char **argv)
{
    static struct guarded g;
    cpu_set_t all;
    int cpu[2] = {-1, -1}, n = 0;

    if (argc > 1)
        repeats = atoi(argv[1]) > 0 ? atoi(argv[1]) : repeats;
    if (sobj_runtime_init(NULL) != SOBJ_OK)
        return 1;
    sched_getaffinity(0, sizeof all, &all);
    for (int i = 0; i < CPU_SETSIZE && n < 2; i++) {
        if (CPU_ISSET(i, &all))
            cpu[n++] = i;
    }
    guarded_init(&g);
    one_thread(&g);
    selecting();
    throughput(&g, 1);
    throughput(&g, 2);
    if (n == 2)
        round_trip("a processor each", cpu[0], cpu[1]);
    round_trip("one processor", cpu[0], cpu[0]);
    return 0;
}
