#include "crew.h"
#include "park.h"
#include "reclaim.h"
#include "tap.h"
#include "platform/platform.h"
static struct { SOBJ_ALIGNED _Atomic(uint32_t) turn; SOBJ_ALIGNED _Atomic(uint32_t) cond; SOBJ_ALIGNED _Atomic(uint32_t) done; SOBJ_ALIGNED struct sobj__waitlist list; long lost; long parked,rounds; } d;
static void work(struct member *m)
{
    for (uint32_t i = 1; i < 300000; i++) {
        if (m->index == 0) {
            sobj_store_seq_cst(&d.turn, i);
            for (int k = (int)rng_below(&m->rng, 160); k > 0; k--) __asm__ volatile("" ::: "memory");
            sobj_store_release(&d.cond, i);
            sobj__wake_one(&d.list);
            while (sobj_load_acquire(&d.done) != i) ;
        } else {
            struct sobj__parker p; struct sobj__waiter w;
            sobj__parker_init(&p, NULL);
            while (sobj_load_acquire(&d.turn) != i) ;
            sobj__wait_enter(&d.list, &w, &p);
            if (sobj_load_relaxed(&d.cond) != i) {
                d.parked++;
                if (sobj__park(&p, sobj__now() + 20000000) != SOBJ_OK) d.lost++;
            }
            sobj__wait_leave(&w);
            sobj__parker_fini(&p);
            sobj_store_release(&d.done, i);
        }
    }
}
int main(void){ tap_begin(); crew_run(2,1,0,work,NULL); printf("lost %ld parked %ld\n", d.lost,d.parked); }
