/* op_gradient_recurrent.c -- rnn_gradient and conv_lstm_gradient: shape rules and builders. Their
 * first inputs are those of the op itself, whose shape rule checks them. */
#include "graph/builder.h"

#include "base/size.h"

static uint64_t twice(uint64_t flops)
{
    uint64_t result;

    (void)u64_mul(2, flops, &result);
    return result;
}

/* Asks the rule of `op` about the first `own` inputs, and checks the gradients behind them. */
static bool check_forward(graph *g, const char *name, const node *n, op_id op, uint32_t own,
                          shape *results)
{
    node forward = *n;
    ebb_dtype dtypes[OP_OUTPUTS_MAX];
    dim same;

    forward.op = op;
    forward.input_count = n->input_count < own ? n->input_count : own;
    if (!op_find(op)->infer(g, &forward, dtypes, results)) return false;
    for (uint32_t i = own; i < n->input_count; i++) {
        if (n->inputs[i] == VALUE_NONE) continue;
        const shape found = *graph_shape(g, n->inputs[i]), *expected = &results[i - own];
        if (!expect_dtype(g, name, "a gradient", n->inputs[i], EBB_F32) ||
            !expect_rank(g, name, "a gradient", n->inputs[i], expected->rank))
            return false;
        for (uint32_t k = 0; k < found.rank; k++)
            if (!expect_same(g, name, "a gradient", found.dims[k], expected->dims[k], &same))
                return false;
    }
    return true;
}

/* -- rnn -------------------------------------------------------------------------------------- */

enum { RNN_X, RNN_KERNEL, RNN_INPUTS = 8, RNN_PLACES = 11 };

static bool rnn_gradient_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const rnn_attributes *a = n->attributes;
    shape results[OP_OUTPUTS_MAX];

    if (!check_forward(g, "rnn_gradient", n, OP_rnn, RNN_INPUTS, results)) return false;
    const shape x = *graph_shape(g, n->inputs[RNN_X]);
    const dim gates = graph_dim(g, n->inputs[RNN_KERNEL], 1);
    const shape sequence = {.rank = 3, .dims = {x.dims[0], x.dims[1], a->units}};
    for (uint32_t i = 0; i < 4; i++) dtypes[i] = EBB_F32;
    shapes[0] = (shape){.rank = 3, .dims = {x.dims[0], x.dims[1], gates}};
    shapes[1] = sequence;
    shapes[2] = results[1];
    shapes[3] = a->kind == RNN_GRU ? sequence : results[1];
    return true;
}

static uint64_t rnn_gradient_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    return twice(op_find(OP_rnn)->flops(g, n, dim_values));
}

const op_def op_def_rnn_gradient = {.name = "rnn_gradient",
                                    .attribute_bytes = sizeof(rnn_attributes),
                                    .inputs_min = 3,
                                    .inputs_max = RNN_PLACES,
                                    .output_count = 4,
                                    .infer = rnn_gradient_infer,
                                    .flops = rnn_gradient_flops};

value op_rnn_gradient(graph *g, const rnn_operands *o, const value *output_gradients,
                      const rnn_attributes *attributes)
{
    const value inputs[RNN_PLACES] = {o->x,
                                      o->kernel,
                                      o->recurrent,
                                      o->bias,
                                      o->mask,
                                      o->h0,
                                      o->c0,
                                      o->drop,
                                      output_gradients[0],
                                      output_gradients[1],
                                      output_gradients[2]};

    return graph_node(g, OP_rnn_gradient, inputs, RNN_PLACES, attributes);
}

/* -- conv_lstm -------------------------------------------------------------------------------- */

enum { STEP_X, STEP_KERNEL, STEP_INPUTS = 5, STEP_PLACES = 8 };

static bool conv_lstm_gradient_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const conv_lstm_attributes *a = n->attributes;
    shape results[OP_OUTPUTS_MAX];

    if (!check_forward(g, "conv_lstm_gradient", n, OP_conv_lstm, STEP_INPUTS, results))
        return false;
    for (uint32_t i = 0; i < 4; i++) dtypes[i] = EBB_F32;
    shapes[0] = shapes[1] = *graph_shape(g, n->inputs[STEP_X]);
    shapes[1].dims[a->spatial + 2] = graph_dim(g, n->inputs[STEP_KERNEL], (int)a->spatial);
    shapes[2] = shapes[3] = results[1];
    return true;
}

static uint64_t conv_lstm_gradient_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    return twice(op_find(OP_conv_lstm)->flops(g, n, dim_values));
}

const op_def op_def_conv_lstm_gradient = {.name = "conv_lstm_gradient",
                                          .attribute_bytes = sizeof(conv_lstm_attributes),
                                          .inputs_min = 2,
                                          .inputs_max = STEP_PLACES,
                                          .output_count = 4,
                                          .infer = conv_lstm_gradient_infer,
                                          .flops = conv_lstm_gradient_flops};

value op_conv_lstm_gradient(graph *g, const conv_lstm_operands *o, const value *output_gradients,
                            const conv_lstm_attributes *attributes)
{
    const value inputs[STEP_PLACES] = {o->x,
                                       o->kernel,
                                       o->mask,
                                       o->h0,
                                       o->c0,
                                       output_gradients[0],
                                       output_gradients[1],
                                       output_gradients[2]};

    return graph_node(g, OP_conv_lstm_gradient, inputs, STEP_PLACES, attributes);
}
