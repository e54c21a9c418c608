/* SPDX-License-Identifier: MIT */
/* Immortal objects: immutable objects of the host's that lie in process memory, belong
 * to nobody and are never freed, so that every interpreter can use the very same one.
 *
 * What the bytes of such an object mean is the host's business. The core gives the
 * memory, within a limit; it knows the objects by content, so that there is one for
 * each, and by address; and it keeps for each the cell that is it in containers.
 * How an object is made:
 *
 *     found = sobj_immortal_find(&key)                  it may be there already
 *     status = sobj_immortal_room(size, &room)          counts against the limit
 *     ... the host builds its object in room.memory ...
 *     status = sobj_immortal_add(&key, object, &room, &found)
 *                                    of several threads at once the first one's stays
 *
 * Nothing here is undone: there is no function that removes an object.
 */
#ifndef SHAREDOBJ_IMMORTAL_H
#define SHAREDOBJ_IMMORTAL_H

#include "sharedobj/value.h"

enum sobj_immortal_kind {
    SOBJ_IMMORTAL_STR,
    SOBJ_IMMORTAL_BYTES,
    SOBJ_IMMORTAL_INT,
    SOBJ_IMMORTAL_FLOAT,
    SOBJ_IMMORTAL_COMPLEX,
    SOBJ_IMMORTAL_KINDS
};

/* By what an object is found: two are the same if all of this is equal. */
struct sobj_immortal_key {
    enum sobj_immortal_kind kind;
    uint32_t aux;  /* STR: SOBJ_STR_*; others: the host's */
    uint64_t hash; /* the host's; equal keys have equal ones */
    const void *bytes;
    size_t size;
};

/* One object; lives as long as the process. */
struct sobj_immortal;

/* Memory for an object that nobody has seen yet. */
struct sobj_immortal_room {
    void *memory; /* aligned to 16, zeroed; NULL: the object needs none of ours */
    size_t size;
    bool paged; /* on pages of its own, see sobj_immortal_protect */
};

/* Bit 1 << kind for each kind of which there are objects; 0 until the first is made.
 * Written before the first object of a kind is handed out: who has got hold of one sees
 * its bit. Read it with sobj_immortal_any only. */
extern uint32_t sobj_immortal_kinds;

/* Whether there may be objects of these kinds (a set of bits). All that a program pays
 * that has none. */
static inline bool sobj_immortal_any(uint32_t kinds)
{
    /* Relaxed: see above; for an object that was not handed out to this thread either
     * answer is right. */
    return (__atomic_load_n(&sobj_immortal_kinds, __ATOMIC_RELAXED) & kinds) != 0;
}
#define SOBJ_IMMORTAL_ALL (~(uint32_t)0)

/* Return: the object, or NULL. Progress: lock-free. May be called in a read section. */
struct sobj_immortal *sobj_immortal_find(const struct sobj_immortal_key *key);
struct sobj_immortal *sobj_immortal_at(const void *object);

/* The host's object. */
void *sobj_immortal_object(const struct sobj_immortal *immortal);

/* Returns: OK; FULL: the limit does not allow it; NO_MEMORY. */
enum sobj_status sobj_immortal_room(size_t size, struct sobj_immortal_room *room);
/* Gives room back that was not used. */
void sobj_immortal_unroom(struct sobj_immortal_room *room);
/* Makes `object` known. `key->bytes` must stay: it points into the object. Consumes:
 * `room`, in every case.
 * Returns: OK, and the object that was first; NO_MEMORY, FULL.
 * Progress: takes a lock for some nanoseconds, or while the index grows. */
enum sobj_status sobj_immortal_add(const struct sobj_immortal_key *key, void *object,
                                   struct sobj_immortal_room *room,
                                   struct sobj_immortal **out);

/* ---- in containers
 * The cell of an immortal object is a blob with the ordinary encoding, so that it is
 * the same value as any equal one, and with the object's address behind that: whoever
 * decodes it hands out the object. The blob is made when the object is first stored. */

/* Returns: a new reference to its cell; SOBJ_NO_CELL: it has none yet. */
sobj_cell sobj_immortal_cell(struct sobj_immortal *immortal);
/* Makes the cell from `ordinary`, the object's ordinary encoding, which is consumed.
 * Returns: a new reference to it; or `ordinary` itself if that is an immediate, or the
 * limit or the system has no memory for another one. */
sobj_cell sobj_immortal_keep(struct sobj_immortal *immortal, sobj_cell ordinary);
/* Returns: the host's object that the blob stands for. Needs: sobj_blob_is_immortal. */
void *sobj_blob_immortal(struct sobj_blob *b);

/* ---- figures and the limit */
struct sobj_immortal_figures {
    int64_t count; /* objects, those included that take none of our memory */
    int64_t bytes; /* of objects, their cells, and what finds them */
    int64_t limit;
};
void sobj_immortal_figures(struct sobj_immortal_figures *figures);
/* Sets how many bytes they may take. One below what is in use only refuses new objects.
 * Returns: the limit before. */
int64_t sobj_immortal_set_limit(int64_t limit);
#define SOBJ_IMMORTAL_LIMIT ((int64_t)64 << 20)

/* For tests: from now on each object lies on pages of its own, which nobody can write
 * to once it is known. */
void sobj_immortal_protect(void);

#endif
