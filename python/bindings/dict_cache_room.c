/* SPDX-License-Identifier: MIT */
/* The memory of the read cache: what comes in, what goes; see dict_cache.h.
 *
 * What comes in: a key object that is read, and finds room in its two sets; one that is
 * stored to, if it comes for the second time, as its ghost shows. Room is also where a key
 * lies that nobody has any more but the cache, since it can never be asked for again. A
 * key that finds none moves another one to that one's other set, if it can. When a number
 * of keys have found no room, the cache grows, until it has two entries for each key of
 * the dict; then one miss in eight puts an old entry out. A key object that is about to go
 * enters as seldom.
 *
 * When many strangers come in sequence, or many misses without room, the keys do not
 * recur, or there are too many: then the cache is left alone for a while, and not even
 * asked. If that was of no use several times, it goes.
 */
#include "dict_cache.h"

#include <stddef.h>

#define HANDLE_OF(c) ((DictHandle *)(void *)((char *)(c) - offsetof(DictHandle, cache)))

#define FIRST_SETS 32u
/* Ghosts for each set, and at most: a run of keys as long is known again. */
#define GHOSTS 16u
#define GHOSTS_MAX 8192u
/* Look-ups of a handle before it gets a cache. */
#define COLD 16u
/* Misses without room until a rest, and strangers: so many, or as many as there are ghosts
 * if these are more; each known key makes up for some. Look-ups that a rest lasts. */
#define PATIENCE 32u
#define PATIENCE_WITH_STRANGERS 2048u
#define FORGIVEN 8u
#define REST_MIN 1024u
#define REST_MAX (1u << 16)
#define REST_LONG (1u << 20)
/* Misses after a hit, from one rest to the next, that show that the cache is of use. */
#define USEFUL 8u
/* The `content` of a cache while everything goes, and when that is done: words that no
 * dict has, as more exchanges would have finished than begun. */
#define EMPTYING ((uint64_t)1)
#define EMPTIED ((uint64_t)2)
/* One in this many. */
#define SELDOM 8u
/* One stranger in this many is taken for known: where more keys recur than there are
 * ghosts, the cache, and with it their number, grows by that. */
#define GUESS 32u
#define ASK_SELDOM 1024u
/* Entries that the hand sees at once. */
#define NEAR 8u

/* ---- plain objects (K1) */

/* What an item of a tuple is, as a mean. */
#define ITEM 24

/* Takes about what `obj` needs beyond its header from `*room`. How large an int is cannot
 * be asked: a large one is too large for a key, and as a value has its blob's size. */
static bool is_plain(PyObject *obj, Py_ssize_t *room, int depth)
{
    int overflow = 0;

    if (PyUnicode_CheckExact(obj))
        *room -= PyUnicode_GET_LENGTH(obj) * (Py_ssize_t)PyUnicode_KIND(obj);
    else if (PyBytes_CheckExact(obj))
        *room -= PyBytes_GET_SIZE(obj);
    else if (PyLong_CheckExact(obj))
        (void)PyLong_AsLongLongAndOverflow(obj, &overflow);
    else if (PyTuple_CheckExact(obj) && depth != 0) {
        *room -= PyTuple_GET_SIZE(obj) * (Py_ssize_t)(sizeof(PyObject *) + ITEM);
        for (Py_ssize_t i = 0; *room >= 0 && i < PyTuple_GET_SIZE(obj); i++)
            if (!is_plain(PyTuple_GET_ITEM(obj, i), room, depth - 1))
                return false;
    } else if (!PyFloat_CheckExact(obj) && !PyComplex_CheckExact(obj) &&
               !PyBool_Check(obj) && obj != Py_None) {
        return false;
    }
    if (overflow != 0)
        *room -= (Py_ssize_t)SOBJ_CACHE_KEY_MAX + 1;
    return *room >= 0;
}

bool sobj_is_plain(PyObject *obj, size_t most)
{
    Py_ssize_t room = (Py_ssize_t)most;

    return is_plain(obj, &room, 4);
}

/* ---- entries and sets */

/* Lets go of what was in an entry; none is given as one without a key. */
static void let_go(struct sobj_cache_entry e)
{
    if (e.key == NULL)
        return;
    sobj_dict_pin_drop(e.pin);
    sobj_cache_let_go((struct sobj_cache_old){e.cell, e.ready});
    Py_DECREF(e.key);
}

/* Returns: what was in the entry, which is `with` now. */
static struct sobj_cache_entry exchange(struct sobj_dict_cache *c,
                                        struct sobj_cache_entry *e,
                                        struct sobj_cache_entry with)
{
    struct sobj_cache_entry old = *e;

    if (old.ready != NULL && sobj_is_blob(old.cell))
        c->bytes -= sobj__kept_bytes(old.cell);
    *e = with;
    return old;
}

static size_t sets_of(const struct sobj_dict_cache *c)
{
    return (size_t)1 << (64 - c->shift);
}

static size_t ghosts_for(size_t sets)
{
    return sets * GHOSTS < GHOSTS_MAX ? sets * GHOSTS : GHOSTS_MAX;
}

static size_t block_size(size_t sets)
{
    return (sets + 1) * sizeof(struct sobj_cache_set) +
           ghosts_for(sets) * sizeof(uint16_t);
}

/* Gives the cache free sets, each in one cache line, and ghosts. Returns: false on no
 * memory. */
static bool make_sets(struct sobj_dict_cache *c, size_t count)
{
    void *block = PyMem_RawCalloc(1, block_size(count));

    if (block == NULL)
        return false;
    c->block = block;
    c->memory = (struct sobj_cache_set *)(((uintptr_t)block + sizeof *c->memory - 1) &
                                          ~(uintptr_t)(sizeof *c->memory - 1));
    c->ghosts = (uint16_t *)(void *)(c->memory + count);
    c->ghost_mask = (uint32_t)ghosts_for(count) - 1;
    return true;
}

/* Lets go of the entries of sets that are no cache's any more, and of the sets. */
static void free_sets(struct sobj_cache_set *sets, size_t count, void *block)
{
    for (size_t i = 0; i < count * 2; i++)
        let_go(sets[i / 2].ways[i % 2]);
    PyMem_RawFree(block);
}

/* ---- the cache as a whole */

/* The cache begins, if there is memory for it. */
static void begin(struct sobj_dict_cache *c, SobjHandle *handle)
{
    struct sobj_state *state = handle->state;

    if (state->cleared || !make_sets(c, FIRST_SETS))
        return;
    c->shift = 64 - (unsigned)__builtin_ctz(FIRST_SETS);
    c->place = sobj_dict_content(handle->core);
    c->rest_next = REST_MIN;
    sobj_mutex_lock(&state->caches_mutex);
    c->next = state->caches;
    c->back = &state->caches;
    if (c->next != NULL)
        c->next->back = &c->next;
    state->caches = c;
    sobj_mutex_unlock(&state->caches_mutex);
}

/* Takes what the cache has and leaves it as new. Needs: caches_mutex; it is in the list. */
static struct sobj_dict_cache detach(struct sobj_dict_cache *c)
{
    struct sobj_dict_cache old = *c;

    *c->back = c->next;
    if (c->next != NULL)
        c->next->back = c->back;
    memset(c, 0, sizeof *c);
    return old;
}

/* As detach(), if there is something. Only the owner may look for that first: it is the
 * mutex that shows what another thread has detached, and that it is done with it. */
static struct sobj_dict_cache take(DictHandle *self)
{
    struct sobj_state *state = self->handle.state;
    struct sobj_dict_cache old = {.memory = NULL};

    sobj_mutex_lock(&state->caches_mutex);
    if (self->cache.memory != NULL)
        old = detach(&self->cache);
    sobj_mutex_unlock(&state->caches_mutex);
    return old;
}

static void flush(DictHandle *self)
{
    struct sobj_dict_cache old = take(self);

    if (old.memory != NULL)
        free_sets(old.memory, sets_of(&old), old.block);
}

void sobj_cache_flush(struct sobj_dict_cache *c)
{
    if (c != NULL && c->memory != NULL)
        flush(HANDLE_OF(c));
}

/* A handle may end in another thread while its owner lets go of all its caches; so what
 * a cache has changes hands under the mutex. */
void sobj_caches_flush(struct sobj_state *state)
{
    struct sobj_dict_cache old, *c;

    do {
        old.memory = NULL;
        sobj_mutex_lock(&state->caches_mutex);
        for (c = state->caches; c != NULL && sobj_cache_of(HANDLE_OF(c)) == NULL;)
            c = c->next;
        if (c != NULL)
            old = detach(c);
        sobj_mutex_unlock(&state->caches_mutex);
        if (old.memory != NULL)
            free_sets(old.memory, sets_of(&old), old.block);
    } while (old.memory != NULL);
}

#ifdef Py_GIL_DISABLED

static uint64_t process(void)
{
    uint64_t nonce[2];

    sobj_process_nonce(nonce);
    return nonce[0];
}

/* Ends the cache of a thread that has ended, or of a handle that ends. After a fork nobody
 * knows in what state a vanished thread has left its cache: then it is only forgotten. */
static void end_foreign(DictHandle *self)
{
    if (self->process == process())
        flush(self);
    else
        (void)take(self);
}

void sobj_cache_fini(DictHandle *self)
{
    /* Relaxed: whoever became the owner did so before the handle ended. */
    if (__atomic_load_n(&self->owner, __ATOMIC_RELAXED) == 0)
        return;
    if (sobj_cache_of(self) != NULL)
        sobj_cache_flush(&self->cache);
    else
        end_foreign(self);
}

/* Makes this thread the owner of a cache that has none. Now and then it is asked whether
 * the owner has ended. */
static void claim(DictHandle *self)
{
    struct sobj_thread *thread = sobj_thread();
    /* Relaxed: only compared; the exchange decides. */
    uint64_t owner = __atomic_load_n(&self->owner, __ATOMIC_RELAXED);

    if (thread == NULL || (owner != 0 && (++thread->count % ASK_SELDOM != 0 ||
                                          !sobj_thread_ended(owner))))
        return;
    /* AcqRel: one of several threads becomes the owner. What an owner that has ended did
     * is visible since sobj_thread_ended said so. */
    if (__atomic_compare_exchange_n(&self->owner, &owner, thread->serial, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        if (owner != 0)
            end_foreign(self);
        self->process = process();
    }
}

#else

void sobj_cache_fini(DictHandle *self) { sobj_cache_flush(&self->cache); }

#endif

size_t sobj_cache_bytes(DictHandle *self)
{
    struct sobj_dict_cache *c = sobj_cache_of(self);

    if (c == NULL || c->memory == NULL)
        return 0;
    /* A ready object is about as large as its blob. */
    return block_size(sets_of(c)) + 2 * c->bytes;
}

/* ---- places for keys */

/* The sets of a key; see sobj_cache_find. */
static void key_sets(const struct sobj_dict_cache *c, PyObject *key,
                     struct sobj_cache_set *sets[2])
{
    uint64_t hash = ((uint64_t)(uintptr_t)key >> 4) * SOBJ__CACHE_SPREAD;

    sets[0] = &c->memory[hash >> c->shift];
    sets[1] = &c->memory[hash << 16 >> c->shift];
}

/* Whether nobody has the key any more but the cache. Only a hint where another thread may
 * be counting; an entry may go at any time. */
static bool is_left(PyObject *key) { return Py_REFCNT(key) == 1; }

static struct sobj_cache_entry *free_way(struct sobj_cache_set *set)
{
    for (int i = 0; i < 2; i++)
        if (set->ways[i].key == NULL)
            return &set->ways[i];
    return NULL;
}

static struct sobj_cache_entry *left_way(struct sobj_cache_set *set)
{
    for (int i = 0; i < 2; i++)
        if (is_left(set->ways[i].key))
            return &set->ways[i];
    return NULL;
}

/* Returns: an entry in one of the key's sets that is free, or whose key is left; with
 * `move` if need be by moving another key to its other set; NULL if there is none. */
static struct sobj_cache_entry *find_room(const struct sobj_dict_cache *c,
                                          PyObject *key, bool move)
{
    struct sobj_cache_set *mine[2], *theirs[2];
    struct sobj_cache_entry *e, *room;

    key_sets(c, key, mine);
    for (int i = 0; i < 2; i++)
        if ((room = free_way(mine[i])) != NULL)
            return room;
    for (int i = 0; i < 2; i++)
        if ((room = left_way(mine[i])) != NULL)
            return room;
    for (int i = 0; move && i < 4; i++) {
        e = &mine[i / 2]->ways[i % 2];
        key_sets(c, e->key, theirs);
        room = free_way(theirs[theirs[0] == mine[i / 2]]);
        if (room != NULL) {
            *room = *e;
            memset(e, 0, sizeof *e);
            return e;
        }
    }
    return NULL;
}

/* Makes the cache 2^steps times as large. Returns: false on no memory. */
static bool grow(struct sobj_dict_cache *c, unsigned steps)
{
    struct sobj_dict_cache old = *c;

    if (!make_sets(c, sets_of(c) << steps))
        return false;
    c->shift -= steps;
    c->sets = c->memory;
    for (size_t i = 0; i < sets_of(&old) * 2; i++) {
        struct sobj_cache_entry *e = &old.memory[i / 2].ways[i % 2], *room;
        room = e->key != NULL && !is_left(e->key) ? find_room(c, e->key, true) : NULL;
        if (room != NULL) {
            *room = *e;
            e->key = NULL;
        } else if (e->key != NULL) {
            *e = exchange(c, e, (struct sobj_cache_entry){0});
        }
    }
    free_sets(old.memory, sets_of(&old), old.block);
    return true;
}

/* The cache is left alone for a while: longer than last time if it was of no use since
 * then, and in the end it goes, until very much later. */
static void rest(struct sobj_dict_cache *c, bool was_useful)
{
    if (was_useful)
        c->rest_next = REST_MIN;
    c->sets = NULL;
    c->useful = 0;
    c->misses = 0;
    c->strangers = 0;
    if (c->rest_next > REST_MAX) {
        sobj_cache_flush(c);
        c->rest = REST_LONG;
    } else {
        c->rest = c->rest_next;
        c->rest_next *= 2;
    }
}

/* A known key makes up for some strangers. */
static void forgive(struct sobj_dict_cache *c)
{
    c->strangers -= c->strangers < FORGIVEN ? c->strangers : FORGIVEN;
}

/* Whether the key has come before; it has a ghost from now on. What is no text, bytes or
 * number has none: its hash may cost more than it saves. Such keys, and others now and
 * then, are taken for known. The cache may be gone after that. */
static bool is_known(struct sobj_dict_cache *c, PyObject *key)
{
    uint64_t mixed;
    uint16_t mark, *ghost;

    if (!PyUnicode_CheckExact(key) && !PyLong_CheckExact(key) &&
        !PyBytes_CheckExact(key) && !PyFloat_CheckExact(key))
        return ++c->turn % SELDOM == 0;
    /* The address alone would not do: another key may lie there now. */
    mixed = ((uint64_t)(uintptr_t)key ^ (uint64_t)PyObject_Hash(key) << 4) *
            SOBJ__CACHE_SPREAD;
    mark = (uint16_t)(mixed >> 16 | 1);
    ghost = &c->ghosts[mixed >> 40 & c->ghost_mask];
    if (*ghost == mark) {
        forgive(c);
        return true;
    }
    *ghost = mark;
    if (++c->strangers > (PATIENCE_WITH_STRANGERS | c->ghost_mask)) {
        rest(c, false);
        return false;
    }
    return ++c->turn % GUESS == 0;
}

/* Whether there is room for the key. The cache may be gone after that. */
static bool has_room(struct sobj_dict_cache *c, SobjHandle *handle, PyObject *key)
{
    size_t entries = sets_of(c) * 2, most;

    if (find_room(c, key, false) != NULL)
        return true;
    most = 2 * sobj_dict_len(handle->core);
    if (most > SOBJ_CACHE_ENTRIES_MAX)
        most = SOBJ_CACHE_ENTRIES_MAX;
    if (entries < most) {
        if (find_room(c, key, true) != NULL)
            return true;
        if (++c->conflicts < entries / 16)
            return false;
        c->conflicts = 0;
        /* A large one in larger steps: each moves all entries under the GIL. */
        if (grow(c, entries >= 4096 && entries * 4 <= most ? 2 : 1))
            return true;
    }
    if (++c->misses >= PATIENCE)
        rest(c, c->useful >= USEFUL);
    return false;
}

bool sobj_cache_wants(DictHandle *self, PyObject *key, bool at_once)
{
    struct sobj_dict_cache *c = sobj_cache_of(self);
    bool often;

    if (c == NULL) {
#ifdef Py_GIL_DISABLED
        claim(self);
#endif
        return false;
    }
    /* While everything goes, nothing moves to where that has been already. */
    if (c->content == EMPTYING)
        return false;
    if (c->sets == NULL) {
        if (c->rest == 0)
            c->rest = COLD;
        if (--c->rest != 0)
            return false;
        if (c->memory == NULL)
            begin(c, &self->handle);
        c->sets = c->memory;
        return false;
    }
    if (c->misses == 0) {
        c->useful++;
        c->misses = 1;
        forgive(c);
    }
    if (!at_once && !is_known(c, key))
        return false;
    often = has_room(c, &self->handle, key) && !sobj_is_temporary(key);
    return (often || ++c->turn % SELDOM == 0) && sobj_is_plain(key, SOBJ_CACHE_KEY_MAX);
}

/* The dict has been cleared: all entries go. Nothing is entered before they have; code that
 * runs meanwhile (K4) may do it all itself, or end the cache. */
static void empty(struct sobj_dict_cache *c)
{
    struct sobj_cache_entry old;

    c->content = EMPTYING;
    for (size_t i = 0; c->memory != NULL && c->content == EMPTYING; i++) {
        if (i == sets_of(c) * 2) {
            c->content = EMPTIED;
            return;
        }
        old = exchange(c, &c->memory[i / 2].ways[i % 2], (struct sobj_cache_entry){0});
        let_go(old);
    }
}

void sobj_cache_enter(struct sobj_dict_cache *c, PyObject *key,
                      struct sobj_dict_pin *pin, uint64_t content, sobj_cell cell)
{
    struct sobj_cache_entry fresh = {.pin = pin, .cell = cell}, *e;
    struct sobj_cache_set *sets[2];

    if (c->memory != NULL && c->content != content) { /* K2 */
        empty(c);
        if (c->content == EMPTIED)
            c->content = content;
    }
    /* Not if others have been here meanwhile (K4). */
    if (c->sets == NULL || c->content != content || sobj_cache_find(c, key) != NULL) {
        sobj_dict_pin_drop(pin);
        return;
    }
    e = find_room(c, key, false);
    if (e == NULL) {
        key_sets(c, key, sets);
        e = &sets[c->turn / SELDOM & 1]->ways[c->turn / SELDOM / 2 & 1];
    }
    fresh.key = Py_NewRef(key);
    let_go(exchange(c, e, fresh));
}

void sobj_cache_stale(struct sobj_dict_cache *c, struct sobj_cache_entry *e)
{
    /* Relaxed: decides only how much is let go of. */
    if (__atomic_load_n(c->place, __ATOMIC_RELAXED) != c->content)
        empty(c);
    else
        let_go(exchange(c, e, (struct sobj_cache_entry){0}));
}

/* ---- ready objects */

static bool has_bytes(const struct sobj_dict_cache *c)
{
    return c->bytes + SOBJ_CACHE_READY_MAX <= SOBJ_CACHE_BYTES_MAX;
}

/* Returns: the entry that is `steps` from the hand. */
static struct sobj_cache_entry *at_hand(const struct sobj_dict_cache *c, size_t steps)
{
    size_t i = (c->hand + steps) % (sets_of(c) * 2);

    return &c->memory[i / 2].ways[i % 2];
}

static bool holds_bytes(const struct sobj_cache_entry *e)
{
    return e->ready != NULL && sobj_is_blob(e->cell);
}

/* Those of keys that are left can go at once, the others one at a time. */
bool sobj_cache_bytes_wanted(struct sobj_dict_cache *c)
{
    if (has_bytes(c))
        return true;
    for (size_t i = 0; i < NEAR; i++)
        if (holds_bytes(at_hand(c, i)) && is_left(at_hand(c, i)->key))
            return true;
    c->hand += NEAR;
    return ++c->turn % SELDOM == 0;
}

void sobj_cache_make_bytes(struct sobj_dict_cache *c)
{
    struct sobj_cache_entry *e;

    for (size_t i = 0; c->memory != NULL && !has_bytes(c) && i < NEAR; i++) {
        e = at_hand(c, i);
        if (holds_bytes(e) && is_left(e->key))
            let_go(exchange(c, e, (struct sobj_cache_entry){0}));
    }
    for (size_t i = 0; c->memory != NULL && !has_bytes(c) && i < sets_of(c) * 2; i++) {
        e = at_hand(c, 0);
        c->hand++;
        if (holds_bytes(e))
            sobj_cache_let_go(sobj_cache_note(c, e, SOBJ_NO_CELL, NULL));
    }
}
