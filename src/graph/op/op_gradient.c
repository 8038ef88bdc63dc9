/* op_gradient.c -- stop, and the ops that the gradient rules emit: shape rules and builders.
 * They have no gradient of their own. */
#include "graph/builder.h"

#include <string.h>

#include "base/size.h"

static bool is_present(const node *n, uint32_t input)
{
    return input < n->input_count && n->inputs[input] != VALUE_NONE;
}

/* Are two shapes the same, as far as their lengths are known? */
static bool expect_shape(graph *g, const char *op, const char *what, value v, const shape *expected)
{
    const shape found = *graph_shape(g, v);
    dim same;

    if (found.rank != expected->rank) return shape_fault(g, op, what, &found, expected);
    for (uint32_t i = 0; i < found.rank; i++)
        if (!expect_same(g, op, what, found.dims[i], expected->dims[i], &same)) return false;
    return true;
}

static bool check_target(graph *g, const char *op, const shape *to, uint32_t rank)
{
    if (to->rank == rank && rank <= EBB_RANK_MAX) {
        shape_require(g, to);
        return graph_ok(g);
    }
    return graph_fault(g, EBB_E_SHAPE, "%s: the result has rank %u, expected %u", op, to->rank,
                       rank);
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t result;

    (void)u64_mul(a, b, &result);
    return result;
}

/* -- stop ------------------------------------------------------------------------------------- */

static bool stop_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    dtypes[0] = graph_value(g, n->inputs[0])->dtype;
    shapes[0] = *graph_shape(g, n->inputs[0]);
    return true;
}

const op_def op_def_stop = {.name = "stop",
                            .inputs_min = 1,
                            .inputs_max = 1,
                            .output_count = 1,
                            .infer = stop_infer,
                            .flops = flops_none};

value op_stop(graph *g, value x)
{
    return graph_node(g, OP_stop, &x, 1, NULL);
}

/* -- unary_gradient --------------------------------------------------------------------------- */

static bool unary_gradient_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const unary_attributes *a = n->attributes;

    if ((uint32_t)a->kind >= UNARY_LOGICAL_NOT)
        return graph_fault(g, EBB_E_ARGUMENT, "unary_gradient: no such function: %d", (int)a->kind);
    if (!expect_dtype(g, "unary_gradient", "x", n->inputs[0], EBB_F32) ||
        !expect_dtype(g, "unary_gradient", "dy", n->inputs[1], EBB_F32))
        return false;
    shapes[0] = *graph_shape(g, n->inputs[0]);
    dtypes[0] = EBB_F32;
    return expect_shape(g, "unary_gradient", "dy", n->inputs[1], &shapes[0]);
}

static void unary_gradient_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    op_find(OP_unary)->describe(g, n, text, capacity);
}

const op_def op_def_unary_gradient = {.name = "unary_gradient",
                                      .attribute_bytes = sizeof(unary_attributes),
                                      .inputs_min = 2,
                                      .inputs_max = 2,
                                      .output_count = 1,
                                      .infer = unary_gradient_infer,
                                      .describe = unary_gradient_describe};

bool op_unary_gradient_by_result(const unary_attributes *a)
{
    switch (a->kind) {
    case UNARY_SQRT:
    case UNARY_RSQRT:
    case UNARY_RECIPROCAL:
    case UNARY_EXP:
    case UNARY_TANH:
    case UNARY_SIGMOID:
    case UNARY_SELU: return true;
    case UNARY_ELU: return a->alpha >= 0;
    case UNARY_RELU: /* below a slope of its own the sign is kept; at 6 the derivative is 0 */
        return a->beta == 0 && a->alpha >= 0 && (a->gamma > 3e38f || a->gamma == 6);
    default: return false;
    }
}

value op_unary_gradient(graph *g, const unary_attributes *attributes, value x_or_y, value dy)
{
    return graph_node(g, OP_unary_gradient, (const value[]){x_or_y, dy}, 2, attributes);
}

/* -- conv ------------------------------------------------------------------------------------- */

static bool check_conv(graph *g, const char *op, const node *n)
{
    const conv_gradient_attributes *a = n->attributes;
    const uint32_t spatial = a->conv.spatial;

    if (spatial < 1 || spatial > SPATIAL_MAX || a->conv.groups < 1)
        return graph_fault(g, EBB_E_ARGUMENT, "%s: %u spatial axes, %lld groups", op, spatial,
                           (long long)a->conv.groups);
    for (uint32_t i = 0; i < spatial; i++)
        if (a->conv.strides[i] < 1 || a->conv.dilations[i] < 1 || a->conv.pad_before[i] < 0)
            return graph_fault(g, EBB_E_ARGUMENT, "%s: spatial axis %u: stride, dilation, padding",
                               op, i);
    return expect_dtype(g, op, "its first operand", n->inputs[0], EBB_F32) &&
           expect_dtype(g, op, "its second operand", n->inputs[1], EBB_F32) &&
           expect_rank(g, op, "its first operand", n->inputs[0], spatial + 2) &&
           expect_rank(g, op, "its second operand", n->inputs[1], spatial + 2) &&
           check_target(g, op, &a->to, spatial + 2);
}

/* Channels of x, dy and kernel [..., channels / groups, filters]. */
static bool check_channels(graph *g, const char *op, const conv_attributes *a, const shape *x,
                           const shape *kernel, const shape *dy)
{
    const uint32_t last = a->spatial + 1;
    dim same;

    if (!dim_known(kernel->dims[last]) || !dim_known(kernel->dims[last - 1]) ||
        kernel->dims[last] % a->groups != 0)
        return shape_fault(g, op, "groups do not divide the filters of the kernel", kernel, dy);
    return expect_same(g, op, "filters", kernel->dims[last], dy->dims[last], &same) &&
           expect_same(g, op, "channels", kernel->dims[last - 1] * a->groups, x->dims[last],
                       &same) &&
           expect_same(g, op, "batches", x->dims[0], dy->dims[0], &same);
}

static bool conv_gradient_input_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const conv_gradient_attributes *a = n->attributes;

    if (!check_conv(g, "conv_gradient_input", n)) return false;
    const shape dy = *graph_shape(g, n->inputs[0]), kernel = *graph_shape(g, n->inputs[1]);
    if (!check_channels(g, "conv_gradient_input", &a->conv, &a->to, &kernel, &dy)) return false;
    dtypes[0] = EBB_F32;
    shapes[0] = a->to;
    return true;
}

static bool conv_gradient_kernel_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const conv_gradient_attributes *a = n->attributes;

    if (!check_conv(g, "conv_gradient_kernel", n)) return false;
    const shape x = *graph_shape(g, n->inputs[0]), dy = *graph_shape(g, n->inputs[1]);
    if (!check_channels(g, "conv_gradient_kernel", &a->conv, &x, &a->to, &dy)) return false;
    dtypes[0] = EBB_F32;
    shapes[0] = a->to;
    return true;
}

static uint64_t conv_gradient_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    const conv_gradient_attributes *a = n->attributes;
    const bool is_input = n->op == OP_conv_gradient_input;
    const shape *kernel = is_input ? graph_shape(g, n->inputs[1]) : &a->to;
    const shape *dy = graph_shape(g, n->inputs[is_input ? 0 : 1]);
    shape cells = *dy;

    cells.rank = a->conv.spatial + 1;
    return times(2, times(shape_count_at(&cells, dim_values), shape_count_at(kernel, dim_values)));
}

const op_def op_def_conv_gradient_input = {.name = "conv_gradient_input",
                                           .attribute_bytes = sizeof(conv_gradient_attributes),
                                           .inputs_min = 2,
                                           .inputs_max = 2,
                                           .output_count = 1,
                                           .infer = conv_gradient_input_infer,
                                           .flops = conv_gradient_flops};
const op_def op_def_conv_gradient_kernel = {.name = "conv_gradient_kernel",
                                            .attribute_bytes = sizeof(conv_gradient_attributes),
                                            .inputs_min = 2,
                                            .inputs_max = 2,
                                            .output_count = 1,
                                            .infer = conv_gradient_kernel_infer,
                                            .flops = conv_gradient_flops};

static value conv_gradient(graph *g, op_id op, value a, value b, const conv_attributes *conv,
                           const shape *to)
{
    conv_gradient_attributes attributes;

    memset(&attributes, 0, sizeof attributes); /* equal nodes must have equal bytes */
    attributes.conv.spatial = conv->spatial;
    attributes.conv.same = conv->same;
    attributes.conv.groups = conv->groups;
    for (uint32_t i = 0; i < conv->spatial && i < SPATIAL_MAX; i++) {
        attributes.conv.strides[i] = conv->strides[i];
        attributes.conv.dilations[i] = conv->dilations[i];
        attributes.conv.pad_before[i] = conv->same ? 0 : conv->pad_before[i];
        attributes.conv.pad_after[i] = conv->same ? 0 : conv->pad_after[i];
    }
    attributes.to = *to;
    return graph_node(g, op, (const value[]){a, b}, 2, &attributes);
}

value op_conv_gradient_input(graph *g, value dy, value kernel, const conv_attributes *conv,
                             const shape *to)
{
    return conv_gradient(g, OP_conv_gradient_input, dy, kernel, conv, to);
}

value op_conv_gradient_kernel(graph *g, value x, value dy, const conv_attributes *conv,
                              const shape *to)
{
    return conv_gradient(g, OP_conv_gradient_kernel, x, dy, conv, to);
}

/* -- pool ------------------------------------------------------------------------------------- */

static bool pool_gradient_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const pool_gradient_attributes *a = n->attributes;

    if (a->pool.spatial < 1 || a->pool.spatial > SPATIAL_MAX)
        return graph_fault(g, EBB_E_ARGUMENT, "pool_gradient: %u spatial axes", a->pool.spatial);
    if (!expect_dtype(g, "pool_gradient", "dy", n->inputs[0], EBB_F32) ||
        !expect_rank(g, "pool_gradient", "dy", n->inputs[0], a->pool.spatial + 2) ||
        !check_target(g, "pool_gradient", &a->to, a->pool.spatial + 2))
        return false;
    if (is_present(n, 1) != (a->pool.kind == POOL_MAX))
        return graph_fault(g, EBB_E_ARGUMENT, "pool_gradient: a maximum takes x, an average none");
    if (is_present(n, 1) && (!expect_dtype(g, "pool_gradient", "x", n->inputs[1], EBB_F32) ||
                             !expect_shape(g, "pool_gradient", "x", n->inputs[1], &a->to)))
        return false;
    dtypes[0] = EBB_F32;
    shapes[0] = a->to;
    return true;
}

static uint64_t pool_gradient_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    const pool_gradient_attributes *a = n->attributes;
    uint64_t flops = shape_count_at(graph_shape(g, n->inputs[0]), dim_values);

    for (uint32_t i = 0; i < a->pool.spatial; i++)
        flops = times(flops, (uint64_t)a->pool.window[i]);
    return flops;
}

const op_def op_def_pool_gradient = {.name = "pool_gradient",
                                     .attribute_bytes = sizeof(pool_gradient_attributes),
                                     .inputs_min = 1,
                                     .inputs_max = 2,
                                     .output_count = 1,
                                     .infer = pool_gradient_infer,
                                     .flops = pool_gradient_flops};

value op_pool_gradient(graph *g, value dy, value x, const pool_gradient_attributes *attributes)
{
    pool_gradient_attributes clean;

    memset(&clean, 0, sizeof clean);
    clean.pool.kind = attributes->pool.kind;
    clean.pool.spatial = attributes->pool.spatial;
    clean.pool.same = attributes->pool.same;
    for (uint32_t i = 0; i < attributes->pool.spatial && i < SPATIAL_MAX; i++) {
        clean.pool.window[i] = attributes->pool.window[i];
        clean.pool.strides[i] = attributes->pool.strides[i];
    }
    clean.is_shared = attributes->is_shared;
    clean.to = attributes->to;
    return graph_node(g, OP_pool_gradient, (const value[]){dy, x}, 2, &clean);
}

/* -- normalize -------------------------------------------------------------------------------- */

static bool normalize_gradient_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const normalize_attributes *a = n->attributes;
    const shape x = *graph_shape(g, n->inputs[0]);
    char text[SHAPE_TEXT_MAX];

    if (a->axis_count < 1 || a->axis_count > x.rank)
        return graph_fault(g, EBB_E_SHAPE, "normalize_gradient: %u trailing axes of %s",
                           a->axis_count, shape_text(g, &x, text, sizeof text));
    shape last = {.rank = a->axis_count};
    for (uint32_t i = 0; i < last.rank; i++) last.dims[i] = x.dims[x.rank - last.rank + i];
    if (!expect_dtype(g, "normalize_gradient", "x", n->inputs[0], EBB_F32) ||
        !expect_dtype(g, "normalize_gradient", "dy", n->inputs[1], EBB_F32) ||
        !expect_shape(g, "normalize_gradient", "dy", n->inputs[1], &x))
        return false;
    if (is_present(n, 2) &&
        (!expect_dtype(g, "normalize_gradient", "the scale", n->inputs[2], EBB_F32) ||
         !expect_shape(g, "normalize_gradient", "the scale", n->inputs[2], &last)))
        return false;
    for (uint32_t i = 0; i < 3; i++) {
        dtypes[i] = EBB_F32;
        shapes[i] = i == 0 ? x : last;
    }
    return true;
}

static uint64_t normalize_gradient_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    return times(16, flops_of_input(g, n, dim_values));
}

const op_def op_def_normalize_gradient = {.name = "normalize_gradient",
                                          .attribute_bytes = sizeof(normalize_attributes),
                                          .inputs_min = 2,
                                          .inputs_max = 3,
                                          .output_count = 3,
                                          .infer = normalize_gradient_infer,
                                          .flops = normalize_gradient_flops};

value op_normalize_gradient(graph *g, value x, value dy, value scale,
                            const normalize_attributes *attributes)
{
    return graph_node(g, OP_normalize_gradient, (const value[]){x, dy, scale}, 3, attributes);
}

/* -- slice, gather, resize -------------------------------------------------------------------- */

static bool slice_gradient_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const slice_gradient_attributes *a = n->attributes;
    const shape dy = *graph_shape(g, n->inputs[0]);

    if (!expect_dtype(g, "slice_gradient", "dy", n->inputs[0], EBB_F32) ||
        !check_target(g, "slice_gradient", &a->to, dy.rank))
        return false;
    dtypes[0] = EBB_F32;
    shapes[0] = a->to;
    return true;
}

static bool slice_gradient_is_fixed(const node *n)
{
    const slice_gradient_attributes *a = n->attributes;

    for (uint32_t i = 0; i < EBB_RANK_MAX; i++)
        if (!dim_known(a->slice.start[i])) return false;
    return true;
}

const op_def op_def_slice_gradient = {.name = "slice_gradient",
                                      .attribute_bytes = sizeof(slice_gradient_attributes),
                                      .inputs_min = 1,
                                      .inputs_max = 1,
                                      .output_count = 1,
                                      .infer = slice_gradient_infer,
                                      .flops = flops_none,
                                      .is_fixed = slice_gradient_is_fixed};

value op_slice_gradient(graph *g, value dy, const slice_attributes *slice, const shape *to)
{
    slice_gradient_attributes attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.slice = *slice;
    attributes.to = *to;
    return graph_node(g, OP_slice_gradient, &dy, 1, &attributes);
}

static bool scatter_add_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const scatter_add_attributes *a = n->attributes;
    const shape dy = *graph_shape(g, n->inputs[0]), indices = *graph_shape(g, n->inputs[1]);

    if (!expect_dtype(g, "scatter_add", "dy", n->inputs[0], EBB_F32) ||
        !expect_dtype(g, "scatter_add", "the indices", n->inputs[1], EBB_I32) ||
        !check_target(g, "scatter_add", &a->to, a->to.rank))
        return false;
    if (a->gather.axis >= a->to.rank || a->gather.batch_dims > indices.rank ||
        dy.rank + 1 + a->gather.batch_dims != a->to.rank + indices.rank)
        return shape_fault(g, "scatter_add", "these are not of one gather", &dy, &a->to);
    dtypes[0] = EBB_F32;
    shapes[0] = a->to;
    return true;
}

const op_def op_def_scatter_add = {.name = "scatter_add",
                                   .attribute_bytes = sizeof(scatter_add_attributes),
                                   .inputs_min = 2,
                                   .inputs_max = 2,
                                   .output_count = 1,
                                   .infer = scatter_add_infer,
                                   .flops = flops_of_input};

value op_scatter_add(graph *g, value dy, value indices, const gather_attributes *gather,
                     const shape *to)
{
    scatter_add_attributes attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.gather.axis = gather->axis;
    attributes.gather.batch_dims = gather->batch_dims;
    attributes.gather.wrap = gather->wrap;
    attributes.to = *to;
    return graph_node(g, OP_scatter_add, (const value[]){dy, indices}, 2, &attributes);
}

static bool resize_gradient_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const resize_gradient_attributes *a = n->attributes;

    if (!expect_dtype(g, "resize_gradient", "dy", n->inputs[0], EBB_F32) ||
        !expect_rank(g, "resize_gradient", "dy", n->inputs[0], 4) ||
        !check_target(g, "resize_gradient", &a->to, 4))
        return false;
    dtypes[0] = EBB_F32;
    shapes[0] = a->to;
    return true;
}

const op_def op_def_resize_gradient = {.name = "resize_gradient",
                                       .attribute_bytes = sizeof(resize_gradient_attributes),
                                       .inputs_min = 1,
                                       .inputs_max = 1,
                                       .output_count = 1,
                                       .infer = resize_gradient_infer,
                                       .flops = flops_of_input};

value op_resize_gradient(graph *g, value dy, const resize_attributes *resize, const shape *to)
{
    resize_gradient_attributes attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.resize.kind = resize->kind;
    attributes.resize.antialias = resize->antialias;
    attributes.resize.height = resize->height;
    attributes.resize.width = resize->width;
    attributes.to = *to;
    return graph_node(g, OP_resize_gradient, &dy, 1, &attributes);
}
