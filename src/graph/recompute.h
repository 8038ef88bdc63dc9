/* recompute.h -- a graph that fits into less memory because it computes some values twice (gradient
 * checkpointing).
 *
 *     forward   a ──> b ──> c ──> d          b and c are dropped after their last reader of the
 *     backward        c' <─ b' <─ a          forward part, and computed again from a where the
 *                                            backward part reads them
 *
 * Nothing has to be marked: any value may be dropped between two of its readers, whatever part they
 * are in. The present order is replayed with a budget of bytes. When a node finds no room, the
 * value goes whose recomputation costs least for its bytes and for how far off its next reader is;
 * when a dropped value is read, the nodes that lead to it from what is still there run again, which
 * may in turn push others out. The plan that comes out is measured with the memory planner; several
 * budgets and measures are tried and the one with the least work that fits is taken.
 *
 * Copies are nodes like all others: the same op, attributes and name, new values. They give the
 * same numbers bit by bit: random nodes are functions of seed and stream; one without a stream is
 * never repeated. Variables have their old value until the run ends, so a copy may read them
 * anywhere. Updates and results of the graph stay the first copies.
 *
 * Call it last, behind passes (which would merge the copies again) and graph_schedule(), right
 * before executable_make():
 *
 *     memory_facts_make(home, g, dim_values, &m, error)
 *     graph_schedule(g, &m, NULL, error)                        m stays right: no by-node arrays
 *     graph_recompute(g, &(recompute_options){.memory = &m, .dim_values = dim_values,
 *                                             .arena_max = bytes}, &report, error)
 *
 * The figures leave out the scratch memory of kernels unless `memory` has it. To meet a limit
 * exactly: make an executable of the scheduled graph first and pass its kernels' scratch bytes and
 * shared inputs, by node; or lower arena_max by what the executable took more than the report said,
 * with the graph built anew.
 *
 * Cost: some replays of the graph, each about nodes * dropped values, and a plan for each: up to
 * a second for 5,000 nodes with little memory. Memory: a few hundred bytes a node in a child of
 * g->home while it runs; in g->home the copies. Deterministic.
 */
#ifndef EBB_GRAPH_RECOMPUTE_H
#define EBB_GRAPH_RECOMPUTE_H

#include "graph/live_range.h"

typedef struct recompute_options {
    const memory_facts *memory;
    const int64_t *dim_values; /* of these lengths; NULL: all are known */
    uint64_t arena_max;        /* bytes of the planned arena */
    bool is_trial;             /* the report only: the graph stays as it is */
} recompute_options;

typedef struct recompute_report {
    live_cost before, after;
    uint32_t copies;             /* nodes that run again */
    uint64_t flops, flops_extra; /* of the graph as it was; of the copies */
} recompute_report;

/* E_MEMORY: no plan fits (report->after is the smallest that was found, the text says so), or there
 * is no memory for the search; the graph is as it was. A failure to make the copies is sticky in
 * the graph. `report` may be NULL. */
ebb_status graph_recompute(graph *g, const recompute_options *options, recompute_report *report,
                           ebb_error *error);

#endif
