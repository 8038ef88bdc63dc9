/* occupancy.h -- which bytes of an arena are taken by which buffers, and the gaps between those
 * that live at the same time as another one; for the planner.
 *
 * Buffers are pieces once they have a place. There are two ways to the neighbours of a buffer:
 *
 *     by time     the buffers alive at its first step, or at the step before that is a multiple of
 *                 64 and has a list of them, and those that begin later. When they are few, they
 *                 are put in order of their places.
 *     by place    all pieces in order of their places, in chunks: chunks in which nothing lives at
 *                 the time, or everything does and no gap is large enough, are passed over; the
 *                 rest is compared several at a time where the compiler can.
 */
#ifndef EBB_GRAPH_OCCUPANCY_H
#define EBB_GRAPH_OCCUPANCY_H

#include "mem/region.h"

#define CHUNK_PIECES 256u
#define ALIVE_STEPS  64u /* from one list of those alive to the next */

typedef struct chunk {
    struct chunk *next;
    uint32_t count;
    int32_t first_least, first_most, last_least, last_most;
    uint64_t end_most, gap_most; /* gap_most: between its pieces, if all are there */
    int32_t first[CHUNK_PIECES], last[CHUNK_PIECES];
    uint64_t start[CHUNK_PIECES], end[CHUNK_PIECES];
} chunk;

typedef struct neighbour {
    uint64_t start, end;
} neighbour;

typedef struct occupancy {
    region *home;
    chunk *chunks; /* in order of places; never NULL once open */
    chunk *free;
    uint32_t count, steps, placed;
    const int32_t *first, *last;  /* by buffer */
    uint64_t *start, *end;        /* by buffer; end 0: has no place */
    uint32_t *by_first, *begins;  /* buffers in order of first; where those of a step begin */
    uint32_t *alive, *alive_from; /* by every 64th step: buffers alive, begun before */
    neighbour *neighbours, *sorted;
    uint32_t neighbours_max;
} occupancy;

/* first, last: by buffer, below `steps`; they must live as long. False: no memory. */
bool occupancy_open(occupancy *o, region *home, const int32_t *first, const int32_t *last,
                    uint32_t count, uint32_t steps);
/* Everything is free again; keeps the memory. */
void occupancy_clear(occupancy *o);
/* Gives a buffer bytes start to end, which nobody has at its time. False: no memory. */
bool occupancy_take(occupancy *o, uint32_t buffer, uint64_t start, uint64_t end);
/* Start of the smallest gap of at least `bytes` at the time of a buffer, the lowest of equal ones;
 * the end of all that is taken then when there is none. */
uint64_t occupancy_find(occupancy *o, uint32_t buffer, uint64_t bytes);

#endif
