/* op_recurrent.c -- rnn: simple, LSTM and GRU cells over a sequence, as one op.
 * Layout of kernels and gates as Keras stores them
 * (keras/src/layers/rnn/{simple_rnn,lstm,gru}.py). */
#include "graph/op/gradient_rule.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

enum { RNN_X, RNN_KERNEL, RNN_RECURRENT, RNN_BIAS, RNN_MASK, RNN_H0, RNN_C0, RNN_DROP, RNN_INPUTS };

static const char *const kind_names[] = {"simple_rnn", "lstm", "gru"};
static const int64_t gate_counts[] = {1, 4, 3};

static bool expect_shape(graph *g, const rnn_attributes *a, const char *what, value v,
                         const shape *expected)
{
    const shape *found = graph_shape(g, v);
    bool is_equal = found->rank == expected->rank;

    for (uint32_t i = 0; is_equal && i < found->rank; i++) {
        const dim x = found->dims[i], y = expected->dims[i];
        is_equal = !dim_known(x) || !dim_known(y) || x == y;
    }
    if (!is_equal) {
        char left[SHAPE_TEXT_MAX], right[SHAPE_TEXT_MAX];
        return graph_fault(g, EBB_E_SHAPE, "%s: the %s must be %s, it is %s", kind_names[a->kind],
                           what, shape_text(g, expected, left, sizeof left),
                           shape_text(g, found, right, sizeof right));
    }
    for (uint32_t i = 0; i < found->rank; i++)
        (void)dim_make(g, DIM_SAME, found->dims[i], expected->dims[i]);
    return graph_ok(g);
}

/* What each input must look like, for x [n, t, d]. */
static shape expected_shape(const rnn_attributes *a, uint32_t input, const shape *x)
{
    const int64_t units = a->units, gates = gate_counts[a->kind] * units;

    switch (input) {
    case RNN_KERNEL: return (shape){.rank = 2, .dims = {x->dims[2], gates}};
    case RNN_RECURRENT: return (shape){.rank = 2, .dims = {units, gates}};
    case RNN_BIAS:
        if (a->kind == RNN_GRU && a->reset_after) return (shape){.rank = 2, .dims = {2, gates}};
        return (shape){.rank = 1, .dims = {gates}};
    case RNN_DROP: return (shape){.rank = 2, .dims = {x->dims[0], gates}};
    case RNN_MASK: return (shape){.rank = 2, .dims = {x->dims[0], x->dims[1]}};
    default: return (shape){.rank = 2, .dims = {x->dims[0], units}};
    }
}

static bool rnn_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    static const char *const names[] = {"x",    "kernel",        "recurrent kernel",   "bias",
                                        "mask", "initial state", "initial cell state", "drop"};
    const rnn_attributes *a = n->attributes;

    if ((uint32_t)a->kind > RNN_GRU)
        return graph_fault(g, EBB_E_ARGUMENT, "rnn: no such cell: %d", (int)a->kind);
    const char *op = kind_names[a->kind];
    if (a->units < 1 || a->units > INT32_MAX)
        return graph_fault(g, EBB_E_SHAPE, "%s: %lld units", op, (long long)a->units);
    if (!expect_rank(g, op, "x", n->inputs[RNN_X], 3)) return false;
    if (n->input_count > RNN_C0 && n->inputs[RNN_C0] != VALUE_NONE && a->kind != RNN_LSTM)
        return graph_fault(g, EBB_E_ARGUMENT, "%s: has no cell state", op);
    const shape x = *graph_shape(g, n->inputs[RNN_X]);
    for (uint32_t i = 0; i < n->input_count; i++) {
        if (n->inputs[i] == VALUE_NONE) continue;
        if (!expect_dtype(g, op, names[i], n->inputs[i], i == RNN_MASK ? EBB_BOOL : EBB_F32))
            return false;
        const shape expected = expected_shape(a, i, &x);
        if (i != RNN_X && !expect_shape(g, a, names[i], n->inputs[i], &expected)) return false;
    }
    for (uint32_t i = 0; i < 3; i++) {
        dtypes[i] = EBB_F32;
        shapes[i] = (shape){.rank = 2, .dims = {x.dims[0], a->units}};
    }
    if (a->return_sequences)
        shapes[0] = (shape){.rank = 3, .dims = {x.dims[0], x.dims[1], a->units}};
    return true;
}

static uint64_t rnn_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    const rnn_attributes *a = n->attributes;
    const shape *x = graph_shape(g, n->inputs[RNN_X]);
    const shape steps = {.rank = 2, .dims = {x->dims[0], x->dims[1]}};
    uint64_t per_step = (uint64_t)dim_value(x->dims[2], dim_values) + (uint64_t)a->units;

    (void)u64_mul(per_step, 2 * (uint64_t)(gate_counts[a->kind] * a->units), &per_step);
    (void)u64_mul(per_step, shape_count_at(&steps, dim_values), &per_step);
    return per_step;
}

static void rnn_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const rnn_attributes *a = n->attributes;

    (void)g;
    (void)snprintf(text, capacity, "%s %lld %s %s%s%s%s%s", kind_names[a->kind],
                   (long long)a->units, unary_name(a->activation.kind),
                   unary_name(a->recurrent_activation.kind), a->reset_after ? " reset_after" : "",
                   a->go_backwards ? " backwards" : "", a->return_sequences ? " sequences" : "",
                   a->zero_output_for_mask ? " zero_masked" : "");
}

const op_def op_def_rnn = {.name = "rnn",
                           .attribute_bytes = sizeof(rnn_attributes),
                           .inputs_min = 3,
                           .inputs_max = RNN_INPUTS,
                           .output_count = 3,
                           .infer = rnn_infer,
                           .flops = rnn_flops,
                           .describe = rnn_describe,
                           .gradient = gradient_of_rnn};

value op_rnn(graph *g, const rnn_operands *operands, const rnn_attributes *attributes)
{
    const value inputs[] = {operands->x,    operands->kernel, operands->recurrent, operands->bias,
                            operands->mask, operands->h0,     operands->c0,        operands->drop};
    rnn_attributes clean;

    memset(&clean, 0, sizeof clean);
    clean.kind = attributes->kind;
    clean.units = attributes->units;
    clean.activation = attributes->activation;
    clean.recurrent_activation = attributes->recurrent_activation;
    clean.reset_after = attributes->reset_after;
    clean.go_backwards = attributes->go_backwards;
    clean.return_sequences = attributes->return_sequences;
    clean.zero_output_for_mask = attributes->zero_output_for_mask;
    return graph_node(g, OP_rnn, inputs, RNN_INPUTS, &clean);
}
