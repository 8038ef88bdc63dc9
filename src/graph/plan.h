/* plan.h -- the memory planner: offsets of every tensor of one concrete executable in one arena.
 *
 * Input: buffers with a size and a live range over steps. Output: an offset each, such that
 * buffers alive at the same step never overlap. Method: largest first, each into the smallest gap
 * that fits among the buffers already placed with which it shares a step. Offsets are multiples of
 * 64. Deterministic.
 */
#ifndef EBB_GRAPH_PLAN_H
#define EBB_GRAPH_PLAN_H

#include "mem/region.h"

typedef struct plan_buffer {
    uint64_t bytes;
    uint32_t first, last; /* steps, inclusive */
    uint64_t offset;      /* result */
} plan_buffer;

/* Assigns offsets; *arena_bytes is the size of the arena. Scratch memory in a child of `home`. */
ebb_status plan_arena(region *home, plan_buffer *buffers, uint32_t count, uint64_t *arena_bytes,
                      ebb_error *error);

/* False and the pair when two buffers that live at one step overlap: for tests and debug builds. */
bool plan_check(const plan_buffer *buffers, uint32_t count, uint32_t *first, uint32_t *second);

#endif
