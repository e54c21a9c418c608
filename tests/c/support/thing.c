/* SPDX-License-Identifier: MIT */
/* See thing.h. Its type tag is that of an AtomicInt; nothing looks at it. */
#include "thing.h"

#include "alloc.h"
#include "tap.h"

static void destroy(struct sobj_object *obj)
{
    struct thing *t = (struct thing *)(void *)obj;

    expect(t->alive == THING_ALIVE, "destroyed once");
    t->alive = 0;
    sobj__free(SOBJ_COUNT_BLOCKS, t, sizeof *t);
}

static void fork_child(struct sobj_object *obj)
{
    ((struct thing *)(void *)obj)->fork_children++;
}

static const struct sobj__type type = {.tag = SOBJ_TYPE_ATOMIC_INT,
                                       .name = "thing",
                                       .destroy = destroy,
                                       .fork_child = fork_child};

struct sobj_object *thing_new(void)
{
    struct thing *t = sobj__alloc(SOBJ_COUNT_BLOCKS, sizeof *t);

    if (t == NULL)
        return NULL;
    t->alive = THING_ALIVE;
    t->fork_children = 0;
    if (sobj__object_init(&t->head, &type) != SOBJ_OK) {
        sobj__free(SOBJ_COUNT_BLOCKS, t, sizeof *t);
        return NULL;
    }
    return &t->head;
}
