/* gradient_contraction.c -- gradients of matmul, conv, conv_transpose. */
#include "graph/op/gradient_rule.h"

#include <string.h>

enum { INPUT_BIAS = 2 };

/* Only a bare product: bias, residual, scale and activation come from passes. */
static bool check_bare(graph *g, const node *n, const epilogue *e)
{
    bool is_bare = e->activation.kind == UNARY_IDENTITY;

    for (uint32_t i = INPUT_BIAS; i < n->input_count; i++) is_bare &= n->inputs[i] == VALUE_NONE;
    return is_bare || graph_fault(g, EBB_E_UNSUPPORTED,
                                  "%s: its epilogue is fused; take gradients before passes run",
                                  op_find(n->op)->name);
}

/* -- matmul ----------------------------------------------------------------------------------- */

/* [..., m, n] -> [all, n] */
static value flatten(graph *g, value x)
{
    const shape s = *graph_shape(g, x);
    shape flat = {.rank = 2, .dims = {1, s.dims[s.rank - 1]}};

    for (uint32_t i = 0; i + 1 < s.rank; i++)
        flat.dims[0] = dim_make(g, DIM_MUL, flat.dims[0], s.dims[i]);
    return op_reshape(g, x, &flat);
}

GRADIENT_RULE(matmul)
{
    const matmul_attributes *m = n->attributes;
    const bool turned_a = m->transpose_a, turned_b = m->transpose_b;
    const shape shape_a = *graph_shape(g, n->inputs[0]), shape_b = *graph_shape(g, n->inputs[1]);
    value a = n->inputs[0], b = n->inputs[1], dy = output_gradients[0];

    if (!check_bare(g, n, &m->epilogue)) return false;
    if (gradient_wanted(input_gradients, 0)) {
        const value d =
            turned_a ? op_matmul(g, b, dy, turned_b, true) : op_matmul(g, dy, b, false, !turned_b);
        if (!graph_ok(g)) return false;
        input_gradients[0] = gradient_sum_to(g, d, &shape_a);
    }
    if (!gradient_wanted(input_gradients, 1)) return graph_ok(g);
    if (shape_b.rank == 2 && shape_a.rank > 2 && !turned_a) { /* one product over all rows */
        a = flatten(g, a);
        dy = flatten(g, dy);
    }
    const value d =
        turned_b ? op_matmul(g, dy, a, true, turned_a) : op_matmul(g, a, dy, !turned_a, false);
    if (!graph_ok(g)) return false;
    input_gradients[1] = gradient_sum_to(g, d, &shape_b);
    return graph_ok(g);
}

/* -- conv ------------------------------------------------------------------------------------- */

GRADIENT_RULE(conv)
{
    const conv_attributes *a = n->attributes;
    const shape x = *graph_shape(g, n->inputs[0]), kernel = *graph_shape(g, n->inputs[1]);
    const value dy = output_gradients[0];

    if (!check_bare(g, n, &a->epilogue)) return false;
    if (gradient_wanted(input_gradients, 0))
        input_gradients[0] = op_conv_gradient_input(g, dy, n->inputs[1], a, &x);
    if (gradient_wanted(input_gradients, 1))
        input_gradients[1] = op_conv_gradient_kernel(g, n->inputs[0], dy, a, &kernel);
    return graph_ok(g);
}

/* The convolution that a conv_transpose turns around. */
static conv_attributes turned(const conv_transpose_attributes *a)
{
    conv_attributes conv;

    memset(&conv, 0, sizeof conv);
    conv.spatial = a->spatial;
    conv.groups = 1;
    for (uint32_t i = 0; i < a->spatial; i++) {
        conv.strides[i] = a->strides[i];
        conv.dilations[i] = a->dilations[i];
        conv.pad_before[i] = a->pad_before[i];
        conv.pad_after[i] = a->pad_after[i];
    }
    return conv;
}

GRADIENT_RULE(conv_transpose)
{
    const conv_transpose_attributes *a = n->attributes;
    const conv_attributes conv = turned(a);
    const shape x = *graph_shape(g, n->inputs[0]), kernel = *graph_shape(g, n->inputs[1]);
    const value dy = output_gradients[0];

    if (!check_bare(g, n, &a->epilogue)) return false;
    if (gradient_wanted(input_gradients, 1))
        input_gradients[1] = op_conv_gradient_kernel(g, dy, n->inputs[0], &conv, &kernel);
    if (!gradient_wanted(input_gradients, 0)) return graph_ok(g);
    value d = op_conv(g, dy, n->inputs[1], &conv);
    for (uint32_t i = 0; i < a->spatial; i++) /* output padding may hold whole strides */
        if (a->output_padding[i] >= a->strides[i])
            d = op_slice_axis(g, d, (int)i + 1, 0, x.dims[i + 1], 1);
    input_gradients[0] = d;
    return graph_ok(g);
}
