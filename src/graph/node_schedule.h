/* node_schedule.h -- the order of the nodes of a finished graph, for the least memory.
 *
 * Builders and passes leave a training graph as it was written: forward, backward, then all the
 * updates, so that every gradient lives to the end. graph_schedule() tries other topological
 * orders, plans the arena of each, and keeps the best; the graph never gets worse.
 *
 *     sunk    what is made from values that live anyway (masks, broadcasts, casts of weights) moves
 *             right before its first reader
 *     eager   what frees at least as much as it takes (reductions, sums of gradients) runs as soon
 *             as it can; so does everything that follows from one value and ends in updates alone,
 *             as one piece: the optimizer's part for one gradient
 *
 * Every node sees the old value of a variable whatever the order; the executor stages an update
 * that is computed before the last reader has run. So the node that computes the next value of a
 * variable waits for the other readers of the variable, unless they need its result.
 *
 * Values keep their numbers, nodes do not. Call it after the passes and before graph_recompute():
 *
 *     passes_run -> memory_facts_make -> graph_schedule -> graph_recompute, if there is a limit ->
 *     executable_make
 *
 * Sizes are those of one set of input lengths; the order is valid for all. A caller that has made
 * an executable of the graph may pass the scratch bytes and shared inputs of its kernels for exact
 * figures. Cost: four orders and four plans, some 10 us a node. Memory: a few hundred bytes a node
 * in a child of g->home while it runs. Deterministic.
 */
#ifndef EBB_GRAPH_NODE_SCHEDULE_H
#define EBB_GRAPH_NODE_SCHEDULE_H

#include "graph/live_range.h"

typedef struct schedule_report {
    live_cost before, after;
} schedule_report;

/* E_MEMORY leaves the graph as it was. `report` may be NULL. By-node arrays of `m` follow the old
 * numbers and mean nothing afterwards. */
ebb_status graph_schedule(graph *g, const memory_facts *m, schedule_report *report,
                          ebb_error *error);

#endif
