/* gradient_recurrent.c -- gradients of rnn and conv_lstm: the steps are one op each; kernels and
 * inputs get theirs from products over all steps at once. */
#include "graph/op/gradient_rule.h"

enum { RNN_X, RNN_KERNEL, RNN_RECURRENT, RNN_BIAS, RNN_MASK, RNN_H0, RNN_C0, RNN_DROP };

/* [n, t, k] -> [n * t, k] */
static value flatten(graph *g, value x)
{
    const shape s = *graph_shape(g, x);

    return op_reshape(
        g, x, &(shape){.rank = 2, .dims = {dim_make(g, DIM_MUL, s.dims[0], s.dims[1]), s.dims[2]}});
}

static value joined(graph *g, value a, value b, int axis)
{
    return op_concat(g, (const value[]){a, b}, 2, axis);
}

/* [rows, 3u] of the products of the state: the candidate's third is another one after a reset. */
static value gru_products(graph *g, const rnn_attributes *a, value gates, value aux)
{
    return joined(g, op_slice_axis(g, gates, 1, 0, 2 * a->units, 1), aux, 1);
}

static value recurrent_gradient(graph *g, const rnn_attributes *a, value gates, value states,
                                value aux)
{
    if (a->kind != RNN_GRU) return op_matmul(g, states, gates, true, false);
    if (a->reset_after) return op_matmul(g, states, gru_products(g, a, gates, aux), true, false);
    const value first = op_slice_axis(g, gates, 1, 0, 2 * a->units, 1);
    const value candidate = op_slice_axis(g, gates, 1, 2 * a->units, a->units, 1);
    return joined(g, op_matmul(g, states, first, true, false),
                  op_matmul(g, aux, candidate, true, false), 1);
}

/* states [n, t, u] times gate `index` of drop [n, G*u], as rows. */
static value dropped(graph *g, const rnn_attributes *a, value states, value drop, int64_t index)
{
    const value mask = op_slice_axis(g, drop, 1, index * a->units, a->units, 1);

    if (!graph_ok(g)) return VALUE_NONE;
    const shape each = {.rank = 3, .dims = {graph_dim(g, mask, 0), 1, a->units}};
    return flatten(g, op_mul(g, states, op_reshape(g, mask, &each)));
}

/* The same gate by gate: each has seen states of its own. `steps`: what rnn_gradient gives. */
static value dropped_gradient(graph *g, const rnn_attributes *a, value steps, value drop)
{
    static const int64_t counts[] = {[RNN_SIMPLE] = 1, [RNN_LSTM] = 4, [RNN_GRU] = 3};
    const bool is_after = a->kind == RNN_GRU && a->reset_after;
    const bool is_before = a->kind == RNN_GRU && !a->reset_after;
    const value gates = flatten(g, steps);
    value parts[4];

    for (int64_t i = 0; i < counts[a->kind]; i++) {
        const bool is_candidate = a->kind == RNN_GRU && i == 2;
        const value seen = is_before && is_candidate ? steps + 3 : steps + 1;
        const value products = is_after && is_candidate
                                   ? flatten(g, steps + 3)
                                   : op_slice_axis(g, gates, 1, i * a->units, a->units, 1);
        parts[i] = op_matmul(g, dropped(g, a, seen, drop, i), products, true, false);
    }
    return op_concat(g, parts, (uint32_t)counts[a->kind], 1);
}

static value bias_gradient(graph *g, const rnn_attributes *a, value gates, value aux)
{
    if (a->kind != RNN_GRU || !a->reset_after) return op_reduce(g, REDUCE_SUM, gates, 1, false);
    return joined(g, op_reduce(g, REDUCE_SUM, gates, 1, true),
                  op_reduce(g, REDUCE_SUM, gru_products(g, a, gates, aux), 1, true), 0);
}

static value input_at(const node *n, uint32_t input)
{
    return input < n->input_count ? n->inputs[input] : VALUE_NONE;
}

GRADIENT_RULE(rnn)
{
    const rnn_attributes *a = n->attributes;
    const rnn_operands operands = {.x = n->inputs[RNN_X],
                                   .kernel = n->inputs[RNN_KERNEL],
                                   .recurrent = n->inputs[RNN_RECURRENT],
                                   .bias = input_at(n, RNN_BIAS),
                                   .mask = input_at(n, RNN_MASK),
                                   .h0 = input_at(n, RNN_H0),
                                   .c0 = input_at(n, RNN_C0),
                                   .drop = input_at(n, RNN_DROP)};
    const value steps = op_rnn_gradient(g, &operands, output_gradients, a);

    if (!graph_ok(g)) return false;
    const value gates = flatten(g, steps), states = flatten(g, steps + 1);
    const value aux = a->kind == RNN_GRU ? flatten(g, steps + 3) : VALUE_NONE;
    if (gradient_wanted(input_gradients, RNN_X))
        input_gradients[RNN_X] = op_matmul(g, steps, operands.kernel, false, true);
    if (gradient_wanted(input_gradients, RNN_KERNEL))
        input_gradients[RNN_KERNEL] = op_matmul(g, flatten(g, operands.x), gates, true, false);
    if (gradient_wanted(input_gradients, RNN_RECURRENT))
        input_gradients[RNN_RECURRENT] = operands.drop != VALUE_NONE
                                             ? dropped_gradient(g, a, steps, operands.drop)
                                             : recurrent_gradient(g, a, gates, states, aux);
    if (operands.bias != VALUE_NONE && gradient_wanted(input_gradients, RNN_BIAS))
        input_gradients[RNN_BIAS] = bias_gradient(g, a, gates, aux);
    if (operands.h0 != VALUE_NONE && gradient_wanted(input_gradients, RNN_H0))
        input_gradients[RNN_H0] = steps + 2;
    if (operands.c0 != VALUE_NONE && gradient_wanted(input_gradients, RNN_C0))
        input_gradients[RNN_C0] = steps + 3;
    return graph_ok(g);
}

/* -- conv_lstm -------------------------------------------------------------------------------- */

/* [n, t, ...] -> [n * t, ...] */
static value steps_joined(graph *g, value x)
{
    const shape s = *graph_shape(g, x);
    shape joined_shape = {.rank = s.rank - 1, .dims = {dim_make(g, DIM_MUL, s.dims[0], s.dims[1])}};

    for (uint32_t i = 2; i < s.rank; i++) joined_shape.dims[i - 1] = s.dims[i];
    return op_reshape(g, x, &joined_shape);
}

enum { STEP_X, STEP_KERNEL, STEP_MASK, STEP_H0, STEP_C0 };

GRADIENT_RULE(conv_lstm)
{
    const conv_lstm_attributes *a = n->attributes;
    const conv_lstm_operands operands = {.x = n->inputs[STEP_X],
                                         .kernel = n->inputs[STEP_KERNEL],
                                         .mask = input_at(n, STEP_MASK),
                                         .h0 = input_at(n, STEP_H0),
                                         .c0 = input_at(n, STEP_C0)};
    const value steps = op_conv_lstm_gradient(g, &operands, output_gradients, a);
    conv_attributes conv = {.spatial = a->spatial, .same = true, .groups = 1};

    if (!graph_ok(g)) return false;
    for (uint32_t i = 0; i < a->spatial; i++) conv.strides[i] = conv.dilations[i] = 1;
    if (gradient_wanted(input_gradients, STEP_X)) input_gradients[STEP_X] = steps;
    if (gradient_wanted(input_gradients, STEP_KERNEL)) {
        const shape kernel = *graph_shape(g, operands.kernel);
        input_gradients[STEP_KERNEL] = op_conv_gradient_kernel(
            g, steps_joined(g, steps + 1), steps_joined(g, steps), &conv, &kernel);
    }
    if (operands.h0 != VALUE_NONE && gradient_wanted(input_gradients, STEP_H0))
        input_gradients[STEP_H0] = steps + 2;
    if (operands.c0 != VALUE_NONE && gradient_wanted(input_gradients, STEP_C0))
        input_gradients[STEP_C0] = steps + 3;
    return graph_ok(g);
}
