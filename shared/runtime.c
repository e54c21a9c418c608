/* SPDX-License-Identifier: MIT */
/* L4: start and fork. The only file with mutable statics; each unit declares the type of
 * its own state and argues about it there.
 */
#include "sharedobj/runtime.h"

#include <string.h>

#include "flight.h"
#include "immortal.h"
#include "notify.h"
#include "object.h"
#include "park.h"
#include "platform/platform.h"
#include "reclaim.h"
#include "sharedobj/dict.h"
#include "thread.h"
#include "value.h"

static void thread_leaves(struct sobj__thread *thread)
{
    sobj__flights_thread_end(thread);
    sobj__notifiers_thread_end(thread);
}

struct sobj__threads sobj__threads = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                      .leaves = thread_leaves};
_Atomic(uint32_t) sobj__fork_gate;
_Atomic(uint32_t) sobj__awaited;
struct sobj_hooks sobj__hooks;
struct sobj__domains sobj__domains;
struct sobj__objects sobj__objects;
struct sobj__flights sobj__flights;
struct sobj__notifiers sobj__notifiers;
struct sobj__hash_secret sobj__hash_secret;
struct sobj__immortals sobj__immortals = {.limit = SOBJ_IMMORTAL_LIMIT};
uint32_t sobj_immortal_kinds;

static struct {
    pthread_once_t once;
    pthread_mutex_t fork_lock; /* one fork at a time */
    enum sobj_status status;   /* of the initialisation */
    uint64_t nonce[2];
    _Atomic(struct sobj_object *) registry; /* NULL until first asked for */
    /* Argument of the call that starts the runtime. Callers that come while it runs
     * wait for it, so it points to something as long as it is used. */
    _Atomic(const struct sobj_hooks *) hooks;
} process = {.once = PTHREAD_ONCE_INIT, .fork_lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- fork: no operation of the core is half done in the child. */

static void fork_prepare(void)
{
    pthread_mutex_lock(&process.fork_lock);
    sobj__fork_gate_close();
    /* liburcu's locks first: a thread inside a read section may want the thread list,
     * and whoever has liburcu's locks may wait for that section. */
    urcu_bp_before_fork();
    sobj__threads_fork_prepare();
}

static void fork_parent(void)
{
    sobj__threads_fork_parent();
    urcu_bp_after_fork_parent();
    sobj__fork_gate_open();
    pthread_mutex_unlock(&process.fork_lock);
}

static void fork_child(void)
{
    urcu_bp_after_fork_child();
    /* Nobody else is here, and what follows may open write sections. */
    sobj__fork_gate_open();
    sobj__threads_fork_child();
    sobj__domains_fork_child();
    sobj__objects_fork_child();
    sobj__flights_fork_child();
    /* Without randomness the tokens of the parent would be taken for ours; a changed
     * nonce is what matters. */
    process.nonce[0] ^= (uint64_t)sobj__now();
    sobj__os_random(process.nonce, sizeof process.nonce);
    pthread_mutex_init(&process.fork_lock, NULL);
}

/* ---- start */

static void start(void)
{
    uint32_t seed;

    /* Acquire: pairs with the CAS in sobj_runtime_init. */
    const struct sobj_hooks *hooks = sobj_load_acquire(&process.hooks);
    if (hooks != NULL)
        sobj__hooks = *hooks;
    sobj__domains.cpus = sobj__cpu_count();
    sobj__objects.next_deadline = SOBJ__FOREVER;
    process.status = sobj__threads_init();
    if (process.status == SOBJ_OK)
        process.status = sobj__os_random(process.nonce, sizeof process.nonce);
    if (process.status == SOBJ_OK)
        process.status = sobj__os_random(&sobj__hash_secret, sizeof sobj__hash_secret);
    if (process.status == SOBJ_OK)
        process.status = sobj__os_random(&seed, sizeof seed);
    if (process.status != SOBJ_OK)
        return;
    /* Ids of one process do not name anything in another; the low bits stay small so
     * that ids are readable. */
    sobj__objects.seed = (seed & 0xffffff) | 1;
    if (pthread_atfork(fork_prepare, fork_parent, fork_child) != 0)
        process.status = SOBJ_NO_MEMORY;
}

enum sobj_status sobj_runtime_init(const struct sobj_hooks *hooks)
{
    const struct sobj_hooks *none = NULL;

    /* AcqRel: the first of several callers at the same time decides. */
    sobj_cas_acq_rel(&process.hooks, &none, hooks);
    pthread_once(&process.once, start);
    return process.status;
}

void sobj_process_nonce(uint64_t nonce[2])
{
    memcpy(nonce, process.nonce, sizeof process.nonce);
}

void sobj_collect(void)
{
    sobj__tickets_sweep(NULL);
    sobj__reclaim_flush();
    if (sobj__thread_tls != NULL)
        sobj__pool_drain(sobj__thread_tls);
}

enum sobj_status sobj_registry(struct sobj_object **out)
{
    /* Acquire: pairs with the CAS below. */
    struct sobj_object *registry = sobj_load_acquire(&process.registry), *made;

    if (registry == NULL) {
        if (sobj_dict_new(0, &made) != SOBJ_OK)
            return SOBJ_NO_MEMORY;
        /* AcqRel: publishes the dict; whoever comes second uses the first one's. */
        if (sobj_cas_acq_rel(&process.registry, &registry, made))
            registry = made;
        else
            sobj_unref(made);
    }
    sobj_ref(registry);
    *out = registry;
    return SOBJ_OK;
}

int64_t sobj_clock(void) { return sobj__now(); }

void sobj_domain_abandon(struct sobj_domain *domain)
{
    sobj_domain_close(domain);
    sobj__flights_domain_end(domain);
    sobj__tickets_sweep(domain);
}

void sobj_domain_free(struct sobj_domain *domain)
{
    if (domain == NULL)
        return;
    sobj_domain_abandon(domain);
    sobj__domain_dispose(domain);
}

const char *sobj_status_str(enum sobj_status status)
{
    switch (status) {
    case SOBJ_OK:
        return "ok";
    case SOBJ_NO_MEMORY:
        return "out of memory";
    case SOBJ_NOT_FOUND:
        return "no such key";
    case SOBJ_EXISTS:
        return "the key exists";
    case SOBJ_MISMATCH:
        return "the stored value is another one";
    case SOBJ_EMPTY:
        return "empty";
    case SOBJ_FULL:
        return "full";
    case SOBJ_CLOSED:
        return "closed";
    case SOBJ_TIMEOUT:
        return "timed out";
    case SOBJ_INTERRUPTED:
        return "interrupted by a signal";
    case SOBJ_CLOSING:
        return "the interpreter is shutting down";
    case SOBJ_OVERFLOW:
        return "the result does not fit";
    case SOBJ_BAD_OPERAND:
        return "the operation does not apply to the stored value";
    case SOBJ_FROZEN:
        return "the object is read-only";
    case SOBJ_DEADLOCK:
        return "the call would wait for itself";
    case SOBJ_STALE:
        return "the object is gone";
    case SOBJ_FOREIGN:
        return "the token was made in another process";
    case SOBJ_OS_ERROR:
        return "a system call failed";
    }
    return "unknown status";
}
