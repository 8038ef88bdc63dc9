/* executable_internal.h -- shared by the files that make, bind and run an executable. */
#ifndef EBB_EXEC_EXECUTABLE_INTERNAL_H
#define EBB_EXEC_EXECUTABLE_INTERNAL_H

#include "exec/executable.h"

/* Work below this many floating point operations never wakes a second thread. */
#define THREAD_FLOPS_MIN ((uint64_t)8 << 20)

/* Decides places and arena offsets of every value, scratch and staging buffer
 * (executable_place.c). */
ebb_status executable_place(executable *e, ebb_error *error);

/* True for nodes that run at prediction time. */
static inline bool node_runs(const graph *g, const node *n)
{
    return !n->is_dead && !g->values[n->outputs[0]].is_constant;
}

#endif
