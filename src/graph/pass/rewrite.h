/* rewrite.h -- what passes share: finding patterns, replacing nodes, putting the graph back in
 * order.
 *
 * Passes build new nodes with the ordinary builders, which append; rewrite_finish() then restores
 * the topological order and removes what nobody uses. Building moves g->nodes, so passes hold node
 * numbers, not pointers. */
#ifndef EBB_GRAPH_PASS_REWRITE_H
#define EBB_GRAPH_PASS_REWRITE_H

#include "graph/builder.h"
#include "graph/pass.h"

#define NODE_NONE UINT32_MAX

/* Places of the inputs of conv, conv_transpose and matmul. */
enum { PLACE_X, PLACE_KERNEL, PLACE_BIAS, PLACE_RESIDUAL, PLACE_SCALE };

/* Number of the live node that computes a value; NODE_NONE for inputs, weights, constants. */
uint32_t rewrite_producer(const graph *g, value v);
/* The same, if that node is of this op; else NODE_NONE. */
uint32_t rewrite_producer_of(const graph *g, value v, op_id op);
/* Attributes of the live node of this op that computes a value; NULL if it is not such a node. */
const void *rewrite_attributes(const graph *g, value v, op_id op);

/* A float constant of one element, known while building. */
bool rewrite_scalar(const graph *g, value v, float *number);

/* conv, conv_transpose or matmul whose result is used once, as yet without residual and
 * activation. */
uint32_t rewrite_open_contraction(const graph *g, value v);
bool rewrite_is_contraction(op_id op);
const epilogue *rewrite_epilogue(const node *n); /* of a contraction */

/* Replaces the attributes of a node by a copy of `attributes`; false: no memory. */
bool rewrite_set_attributes(graph *g, uint32_t index, const void *attributes);
/* Gives a node another input. */
void rewrite_set_input(graph *g, uint32_t index, uint32_t place, value v);
/* Uses of the node's first output become uses of `by`; the node is removed. */
void rewrite_retire(graph *g, uint32_t index, value by);

/* Restores the order of nodes and removes those without uses. Returns how many were removed. */
uint32_t rewrite_finish(graph *g);

#endif
