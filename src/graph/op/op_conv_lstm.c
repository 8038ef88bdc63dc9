/* op_conv_lstm.c -- conv_lstm: a convolutional LSTM over a sequence of any length, as one op.
 * Layout of kernel and gates as Keras stores them (keras/src/layers/rnn/conv_lstm.py). */
#include "graph/op/gradient_rule.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

enum { STEP_X, STEP_KERNEL, STEP_MASK, STEP_H0, STEP_C0, STEP_INPUTS };

/* What each input must look like, for x [n, t, spatial..., 4f]. */
static shape expected_shape(const conv_lstm_attributes *a, uint32_t input, const shape *x,
                            const shape *kernel)
{
    const dim filters = kernel->dims[a->spatial];
    shape s = {.rank = a->spatial + 2, .dims = {x->dims[0]}};

    if (input == STEP_MASK) return (shape){.rank = 2, .dims = {x->dims[0], x->dims[1]}};
    for (uint32_t i = 0; i < a->spatial; i++) s.dims[i + 1] = x->dims[i + 2];
    s.dims[a->spatial + 1] = filters;
    return s;
}

static bool expect_shape(graph *g, const char *what, value v, const shape *expected)
{
    const shape found = *graph_shape(g, v);
    dim same;

    if (found.rank != expected->rank) return shape_fault(g, "conv_lstm", what, &found, expected);
    for (uint32_t i = 0; i < found.rank; i++) {
        if (!expect_same(g, "conv_lstm", what, found.dims[i], expected->dims[i], &same))
            return false;
    }
    return true;
}

/* x [n, t, spatial..., 4f] and kernel [k..., f, 4f]. */
static bool expect_gates(graph *g, const conv_lstm_attributes *a, const shape *x,
                         const shape *kernel)
{
    const dim filters = kernel->dims[a->spatial], wide = kernel->dims[a->spatial + 1];

    if (x->dims[a->spatial + 2] != wide || !dim_known(wide) || !dim_known(filters) ||
        wide != 4 * filters) {
        return shape_fault(g, "conv_lstm", "the gates of input and kernel do not fit", x, kernel);
    }
    for (uint32_t i = 0; i < a->spatial; i++) {
        if (!dim_known(kernel->dims[i]) || kernel->dims[i] < 1)
            return shape_fault(g, "conv_lstm", "the kernel's lengths must be known", x, kernel);
    }
    return true;
}

static bool conv_lstm_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    static const char *const names[] = {"x", "kernel", "mask", "initial state",
                                        "initial cell state"};
    const conv_lstm_attributes *a = n->attributes;

    if (a->spatial < 1 || a->spatial > SPATIAL_MAX)
        return graph_fault(g, EBB_E_ARGUMENT, "conv_lstm: %u spatial axes", a->spatial);
    if (!expect_rank(g, "conv_lstm", "x", n->inputs[STEP_X], a->spatial + 3) ||
        !expect_rank(g, "conv_lstm", "kernel", n->inputs[STEP_KERNEL], a->spatial + 2)) {
        return false;
    }
    const shape x = *graph_shape(g, n->inputs[STEP_X]);
    const shape kernel = *graph_shape(g, n->inputs[STEP_KERNEL]);
    for (uint32_t i = 0; i < n->input_count; i++) {
        if (n->inputs[i] == VALUE_NONE) continue;
        const ebb_dtype dtype = i == STEP_MASK ? EBB_BOOL : EBB_F32;
        if (!expect_dtype(g, "conv_lstm", names[i], n->inputs[i], dtype)) return false;
        if (i == STEP_KERNEL && !expect_gates(g, a, &x, &kernel)) return false;
        const shape expected = expected_shape(a, i, &x, &kernel);
        if (i > STEP_KERNEL && !expect_shape(g, names[i], n->inputs[i], &expected)) return false;
    }
    for (uint32_t i = 0; i < 3; i++) {
        dtypes[i] = EBB_F32;
        shapes[i] = expected_shape(a, STEP_H0, &x, &kernel);
    }
    if (!a->return_sequences) return true;
    shapes[0] = x;
    shapes[0].dims[a->spatial + 2] = kernel.dims[a->spatial];
    return true;
}

static uint64_t conv_lstm_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    const conv_lstm_attributes *a = n->attributes;
    const shape *kernel = graph_shape(g, n->inputs[STEP_KERNEL]);
    shape cells = *graph_shape(g, n->inputs[STEP_X]);
    uint64_t count = 2 * shape_count_at(kernel, dim_values);

    cells.rank = a->spatial + 2;
    (void)u64_mul(count, shape_count_at(&cells, dim_values), &count);
    return count;
}

static void conv_lstm_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const conv_lstm_attributes *a = n->attributes;

    (void)g;
    (void)snprintf(text, capacity, "%uD %s %s%s%s%s", a->spatial, unary_name(a->activation.kind),
                   unary_name(a->recurrent_activation.kind), a->go_backwards ? " backwards" : "",
                   a->return_sequences ? " sequences" : "",
                   a->zero_output_for_mask ? " zero_masked" : "");
}

const op_def op_def_conv_lstm = {.name = "conv_lstm",
                                 .attribute_bytes = sizeof(conv_lstm_attributes),
                                 .inputs_min = 2,
                                 .inputs_max = STEP_INPUTS,
                                 .output_count = 3,
                                 .infer = conv_lstm_infer,
                                 .flops = conv_lstm_flops,
                                 .describe = conv_lstm_describe,
                                 .gradient = gradient_of_conv_lstm};

value op_conv_lstm(graph *g, const conv_lstm_operands *operands,
                   const conv_lstm_attributes *attributes)
{
    const value inputs[] = {operands->x, operands->kernel, operands->mask, operands->h0,
                            operands->c0};
    conv_lstm_attributes clean;

    memset(&clean, 0, sizeof clean);
    clean.spatial = attributes->spatial;
    clean.activation = attributes->activation;
    clean.recurrent_activation = attributes->recurrent_activation;
    clean.go_backwards = attributes->go_backwards;
    clean.return_sequences = attributes->return_sequences;
    clean.zero_output_for_mask = attributes->zero_output_for_mask;
    return graph_node(g, OP_conv_lstm, inputs, STEP_INPUTS, &clean);
}
