/* apply_graph.h -- one step of an optimizer whose weights and gradients come from outside, as a
 * graph.
 *
 *     inputs   the gradients that are given
 *     updates  weights; variables of the optimizer
 *
 * By graph weight index: the weights, then the variables of the optimizer in Keras's order. */
#ifndef EBB_TRAIN_APPLY_GRAPH_H
#define EBB_TRAIN_APPLY_GRAPH_H

#include "ebb/model.h"
#include "train/optimizer/optimizer.h"

typedef struct apply_graph {
    train_emit emit; /* graph, and the variables of the optimizer */
    uint32_t input_count;
} apply_graph;

/* `given` by weight: is there a gradient? The variables are the same whichever are given. `weights`
 * and `o` must live as long as the graph. Everything in `home`. E_ARGUMENT: no gradient at all;
 * E_UNSUPPORTED: a weight that is not of float32; the graph's. */
ebb_status apply_graph_make(region *home, const optimizer *o, const ebb_tensor_info *weights,
                            uint32_t count, const bool *given, apply_graph *result,
                            ebb_error *error);

#endif
