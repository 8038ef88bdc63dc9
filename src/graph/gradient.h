/* gradient.h -- gradients as nodes of the same graph: reverse accumulation.
 *
 *     forward  x ──> a ──> b ──> loss        backward  d loss/d b ──> d/d a ──> d/d x
 *
 * Only the nodes that lie between the wanted values and the outputs are differentiated, and only
 * what is needed is emitted. Contributions of several uses add up. Each op says in its op_def how
 * it emits its gradients (graph/op/gradient_*.c); an op without a rule, integer and bool values and
 * op_stop() let nothing through.
 *
 * A gradient has the shape of its value and is F32 whatever float type the value has. Conventions
 * where a derivative does not exist (relu at 0, ties of a maximum) are TensorFlow's.
 *
 * Take gradients before passes run: nodes with fused epilogues or activations are refused
 * (EBB_E_UNSUPPORTED, sticky in the graph).
 */
#ifndef EBB_GRAPH_GRADIENT_H
#define EBB_GRAPH_GRADIENT_H

#include "graph/op.h"

/* gradients[i] becomes the gradient of sum over outputs of sum(output * seed) with respect to
 * wrt[i], VALUE_NONE where nothing reaches. seeds: F32 of the shapes of the outputs; NULL or
 * VALUE_NONE are ones. Outputs that are not of a float type are passed over. False: the failure is
 * in g->error. */
bool graph_gradients(graph *g, const value *outputs, const value *seeds, uint32_t output_count,
                     const value *wrt, value *gradients, uint32_t wrt_count);

#endif
