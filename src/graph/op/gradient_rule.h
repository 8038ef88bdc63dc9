/* gradient_rule.h -- what the gradient rules of the ops share.
 *
 * A rule gets the gradients of the node's outputs (VALUE_NONE where nothing reached one; at least
 * one is there) and finds GRADIENT_WANTED in input_gradients where a gradient is asked for. It puts
 * a value there, or leaves it: then nothing passes. Shapes may differ from the input's where
 * lengths are known only at the call and the product is the same. */
#ifndef EBB_GRAPH_OP_GRADIENT_RULE_H
#define EBB_GRAPH_OP_GRADIENT_RULE_H

#include "graph/builder.h"

#define GRADIENT_WANTED UINT32_MAX

static inline bool gradient_wanted(const value *input_gradients, uint32_t input)
{
    return input_gradients[input] == GRADIENT_WANTED;
}

/* The sum of `d` over the axes that broadcasting from `to` added or stretched. */
value gradient_sum_to(graph *g, value d, const shape *to);
/* alpha * d */
value gradient_scale(graph *g, value d, float alpha);
/* Zeros of a shape. */
value gradient_zeros(graph *g, const shape *like);

#define GRADIENT_RULE(op)                                                                          \
    bool gradient_of_##op(graph *g, const node *n, const value *output_gradients,                  \
                          value *input_gradients)
GRADIENT_RULE(cast);
GRADIENT_RULE(unary);
GRADIENT_RULE(binary);
GRADIENT_RULE(select);
GRADIENT_RULE(matmul);
GRADIENT_RULE(conv);
GRADIENT_RULE(conv_transpose);
GRADIENT_RULE(pool);
GRADIENT_RULE(reduce);
GRADIENT_RULE(softmax);
GRADIENT_RULE(normalize);
GRADIENT_RULE(cumulative);
GRADIENT_RULE(reshape);
GRADIENT_RULE(transpose);
GRADIENT_RULE(broadcast);
GRADIENT_RULE(concat);
GRADIENT_RULE(slice);
GRADIENT_RULE(pad);
GRADIENT_RULE(gather);
GRADIENT_RULE(resize);
GRADIENT_RULE(rnn);
GRADIENT_RULE(conv_lstm);

#endif
