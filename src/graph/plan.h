/* plan.h -- the memory planner: offsets of every tensor of one concrete executable in one arena.
 *
 * Input: buffers with a size and a live range over steps. Output: an offset each, such that
 * buffers alive at the same step never overlap. Method: largest first, each into the smallest gap
 * that fits among the buffers already placed with which it shares a step; where that takes more
 * than the most that is alive at once, a few other orders are tried and the smallest arena wins.
 * Offsets are multiples of 64. Deterministic: equal input gives equal plans everywhere.
 *
 * Cost: buffers times neighbours in time, at most the square of their number: 20,000 buffers of
 * which tens live at once take some 40 ms, of which thousands do some 200 ms, and a second at
 * worst. The other orders are tried as long as that costs less. Scratch memory: in a child of
 * `home`, about 120 bytes a buffer, gone on return.
 */
#ifndef EBB_GRAPH_PLAN_H
#define EBB_GRAPH_PLAN_H

#include "mem/region.h"

typedef struct plan_buffer {
    uint64_t bytes;
    uint32_t first, last; /* steps, inclusive */
    uint64_t offset;      /* result */
} plan_buffer;

/* Assigns offsets; *arena_bytes is the size of the arena. After a failure it is 0 and the offsets
 * mean nothing. */
ebb_status plan_arena(region *home, plan_buffer *buffers, uint32_t count, uint64_t *arena_bytes,
                      ebb_error *error);

/* The most bytes alive at one step, each buffer rounded up to 64: no arena can be smaller. */
ebb_status plan_bound(region *home, const plan_buffer *buffers, uint32_t count, uint64_t *bytes,
                      ebb_error *error);

/* E_INTERNAL, naming the pair, when two buffers that live at one step overlap. For tests and debug
 * builds; count * log(count). */
ebb_status plan_check(region *home, const plan_buffer *buffers, uint32_t count, ebb_error *error);

#endif
