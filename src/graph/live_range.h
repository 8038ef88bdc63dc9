/* live_range.h -- the memory of one run of a graph, for nodes in a given order: what the planner
 * would be asked for, without an executable.
 *
 * The rules are those of the executor: a value lives from the step that computes it to the last
 * that reads it; results of the graph live to the end; a node whose kernel can compute in place
 * takes over the memory of an input that dies there; an update is computed in its variable when
 * nobody reads the old value from then on, and else lives beyond the last step, when it is copied;
 * inputs of the graph are staged from the first step on. What is constant takes no memory here.
 *
 * An order may name a node more than once: then it is computed again, and each reader reads the
 * latest copy. Results and updates of the graph are the first copies.
 */
#ifndef EBB_GRAPH_LIVE_RANGE_H
#define EBB_GRAPH_LIVE_RANGE_H

#include "graph/op.h"

#define SHARED_INPUT_NONE UINT32_MAX

/* What is known of a run. */
typedef struct memory_facts {
    const uint64_t *value_bytes;   /* by value */
    const uint64_t *scratch_bytes; /* by node: of its kernel, during its step; NULL: none */
    const uint32_t *shared_input;  /* by node: the input whose memory output 0 may take over, or
                                      SHARED_INPUT_NONE; NULL: guessed from the op */
    const bool *is_pointwise;      /* by node: every update among its results may be written over
                                      the variable that it reads; NULL: fused nodes */
} memory_facts;

/* Bytes of every value for evaluated lengths (dim_values NULL: all are known); in `home`. */
ebb_status memory_facts_make(region *home, const graph *g, const int64_t *dim_values,
                             memory_facts *result, ebb_error *error);

typedef struct live_cost {
    uint64_t peak;  /* most bytes alive at a step: no arena is smaller */
    uint64_t arena; /* planned; 0: not asked for */
} live_cost;

/* `order`: numbers of nodes, each after those whose results it reads. Scratch memory in a child of
 * `home`; time and memory as plan_arena(). */
ebb_status live_measure(region *home, const graph *g, const memory_facts *m, const uint32_t *order,
                        uint32_t count, bool is_planned, live_cost *result, ebb_error *error);

/* Does the value take memory of a run: a result that is not the same for every run? */
static inline bool live_is_result(const graph *g, value v)
{
    return v != VALUE_NONE && g->values[v].kind == VALUE_RESULT && !g->values[v].is_constant;
}

/* Does the node run with every run? */
static inline bool live_node_runs(const graph *g, const node *n)
{
    return !n->is_dead && !g->values[n->outputs[0]].is_constant;
}

/* Nodes that run, in their present order. Returns how many; `order` has g->node_count places. */
uint32_t live_order(const graph *g, uint32_t *order);

/* Puts the nodes that run in this order (each of them once), behind those that do not. Values keep
 * their numbers, nodes do not. */
ebb_status live_set_order(graph *g, region *scratch, const uint32_t *order, uint32_t count,
                          ebb_error *error);

/* shared_input of a node, given or guessed. */
uint32_t live_shared_input(const graph *g, const memory_facts *m, uint32_t node_index);

#endif
