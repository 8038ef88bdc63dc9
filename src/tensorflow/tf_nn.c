/* tf_nn.c -- bias, pools, batch normalisation, resizing, softmax and its losses.
 *
 * Source: tensorflow/core/kernels/fused_batch_norm_op.cc (in training the variance that is given
 * out is the unbiased one), image/resize_*_op.cc, lrn_op.cc, xent_op.cc.
 */
#include "tensorflow/tf_emit.h"

#include <math.h>

#include "tensorflow/tf_parameter.h"

/* A vector along axis `axis` of a tensor of rank `rank`. */
static value along(tf_build *b, value v, uint32_t rank, uint32_t axis)
{
    shape s = {.rank = rank};

    if (!graph_ok(b->graph)) return VALUE_NONE;
    for (uint32_t i = 0; i < rank; i++) s.dims[i] = i == axis ? graph_dim(b->graph, v, 0) : 1;
    return axis + 1 == rank ? v : tf_reshape(b, v, &s);
}

static bool is_first(const tf_call *c, const tf_entry *e)
{
    return tf_text_is(c, e, "data_format", "NCHW") || tf_text_is(c, e, "data_format", "NCDHW");
}

bool tf_emit_bias_add(tf_build *b, tf_call *c, const tf_entry *e)
{
    const value x = tf_input(b, c, 0), bias = tf_input(b, c, 1);

    if (!graph_ok(b->graph)) return false;
    const uint32_t rank = graph_rank(b->graph, x);
    if (rank < 2 || graph_rank(b->graph, bias) != 1)
        return tf_fail(b, c, EBB_E_SHAPE, "takes a tensor of two or more axes and a vector");
    const uint32_t axis = e->parameter == 0 && is_first(c, e) ? 1 : rank - 1;
    const value y = op_add(b->graph, x, along(b, bias, rank, axis));
    return tf_give(b, c, 0, tf_wrap(b, y, c->inputs[0].type), c->inputs[0].type);
}

/* -- pools ------------------------------------------------------------------------------------- */

/* The spatial part of a list over all axes: the others must be 1. */
static bool pool_list(tf_build *b, const tf_call *c, const tf_entry *e, const char *name,
                      uint32_t spatial, int64_t *result)
{
    int64_t items[EBB_RANK_MAX];
    const uint32_t rank = spatial + 2, count = tf_ints(c, e, name, items, EBB_RANK_MAX);
    const uint32_t first = is_first(c, e) ? 2 : 1;

    if (count != rank)
        return tf_fail(b, c, EBB_E_ARGUMENT, "'%s' has %u numbers, it needs %u", name, count, rank);
    if (items[0] != 1 || items[is_first(c, e) ? 1 : rank - 1] != 1)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "'%s' over rows or channels", name);
    for (uint32_t i = 0; i < spatial; i++) result[i] = items[first + i];
    return true;
}

/* Explicit padding: cells that no maximum takes. */
static value pool_padded(tf_build *b, const tf_call *c, const tf_entry *e, value x)
{
    int64_t items[2 * EBB_RANK_MAX];
    pad_attributes pad = {.kind = PAD_CONSTANT, .number = -INFINITY};
    const uint32_t count = tf_ints(c, e, "explicit_paddings", items, 2 * EBB_RANK_MAX);

    if (count != 8) {
        (void)tf_fail(b, c, EBB_E_ARGUMENT, "'explicit_paddings' has %u numbers, it needs 8",
                      count);
        return VALUE_NONE;
    }
    for (uint32_t i = 1; i < 3; i++) {
        const uint32_t axis = is_first(c, e) ? i + 1 : i;
        pad.before[i] = items[2 * axis];
        pad.after[i] = items[2 * axis + 1];
    }
    return op_pad(b->graph, x, &pad);
}

bool tf_emit_pool(tf_build *b, tf_call *c, const tf_entry *e)
{
    const bool is_max = e->parameter == TF_POOL_MAX_2D || e->parameter == TF_POOL_MAX_3D;
    const bool is_flat = e->parameter == TF_POOL_MAX_2D || e->parameter == TF_POOL_AVERAGE_2D;
    pool_attributes p = {.kind = is_max ? POOL_MAX : POOL_AVERAGE, .spatial = is_flat ? 2 : 3};
    value x = tf_input(b, c, 0);

    if (x == VALUE_NONE) return false;
    if (graph_rank(b->graph, x) != p.spatial + 2)
        return tf_fail(b, c, EBB_E_SHAPE, "takes %u axes, got %u", p.spatial + 2,
                       graph_rank(b->graph, x));
    if (!pool_list(b, c, e, "ksize", p.spatial, p.window) ||
        !pool_list(b, c, e, "strides", p.spatial, p.strides))
        return false;
    p.same = tf_text_is(c, e, "padding", "SAME");
    if (is_first(c, e)) x = tf_channels_last(b, x);
    if (tf_text_is(c, e, "padding", "EXPLICIT") && is_max && is_flat)
        x = pool_padded(b, c, e, x);
    else if (!p.same && !tf_text_is(c, e, "padding", "VALID"))
        return tf_fail(b, c, EBB_E_ARGUMENT, "an unknown 'padding'");
    if (!graph_ok(b->graph)) return false;
    const value y = op_pool(b->graph, x, &p);
    return tf_give(b, c, 0, is_first(c, e) ? tf_channels_first(b, y) : y, c->inputs[0].type);
}

/* -- normalisation ----------------------------------------------------------------------------- */

/* Of all axes but `axis`: the mean, the variance, and how many elements each is of. */
static void moments(tf_build *b, value x, uint32_t axis, value *mean, value *variance, dim *count)
{
    graph *g = b->graph;
    const shape s = *graph_shape(g, x);
    const uint32_t axes = ((1u << s.rank) - 1) & ~(1u << axis);

    *count = 1;
    for (uint32_t i = 0; i < s.rank; i++)
        if (i != axis) *count = dim_make(g, DIM_MUL, *count, s.dims[i]);
    const value kept = op_reduce(g, REDUCE_MEAN, x, axes, true);
    *mean = op_reduce(g, REDUCE_MEAN, x, axes, false);
    *variance =
        op_reduce(g, REDUCE_MEAN, op_binary(g, BINARY_SQUARED_DIFFERENCE, x, kept), axes, false);
}

/* variance * count / (count - 1), count where that is more than 1. */
static value unbiased(tf_build *b, value variance, dim count)
{
    graph *g = b->graph;
    const value above = op_cast(g, tf_length_value(b, count), EBB_F32);
    const value below =
        op_binary(g, BINARY_MAX, op_sub(g, above, graph_scalar(g, 1)), graph_scalar(g, 1));

    return op_mul(g, variance, op_div(g, above, below));
}

bool tf_emit_fused_batch_norm(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const float epsilon = (float)tf_float(c, e, "epsilon");
    const unary_attributes shift = {.kind = UNARY_AFFINE, .alpha = 1, .beta = epsilon};
    value in[5], given = VALUE_NONE;

    for (uint32_t i = 0; i < 5; i++) in[i] = tf_input(b, c, i);
    if (!graph_ok(g)) return false;
    const uint32_t rank = graph_rank(g, in[0]);
    if (rank < 4 || rank > 5) return tf_fail(b, c, EBB_E_SHAPE, "takes 4 or 5 axes, got %u", rank);
    const uint32_t axis = is_first(c, e) ? 1 : rank - 1;
    if (tf_bool(c, e, "is_training")) {
        dim count;
        if (tf_float(c, e, "exponential_avg_factor") != 1)
            return tf_fail(b, c, EBB_E_UNSUPPORTED, "'exponential_avg_factor' in training");
        moments(b, in[0], axis, &in[3], &in[4], &count);
        given = unbiased(b, in[4], count);
    }
    const value inverse = op_unary(g, UNARY_RSQRT, op_unary_with(g, shift, in[4]));
    const value scale = op_mul(g, inverse, in[1]);
    const value offset = op_sub(g, in[2], op_mul(g, in[3], scale));
    const value y = op_mul(g, in[0], along(b, scale, rank, axis));
    if (!tf_give(b, c, 0, op_add(g, y, along(b, offset, rank, axis)), c->inputs[0].type))
        return false;
    const value more[] = {in[3], given != VALUE_NONE ? given : in[4], in[3], in[4], in[4]};
    for (uint32_t i = 1; i < (uint32_t)e->parameter; i++)
        if (!tf_give(b, c, i, more[i - 1], TF_FLOAT)) return false;
    return true;
}

/* Sums of squares over 2 r + 1 channels: a convolution along the channels. */
bool tf_emit_lrn(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const int64_t radius = tf_int(c, e, "depth_radius");
    const unary_attributes affine = {.kind = UNARY_AFFINE,
                                     .alpha = (float)tf_float(c, e, "alpha"),
                                     .beta = (float)tf_float(c, e, "bias")};
    const unary_attributes power = {.kind = UNARY_POWER, .alpha = -(float)tf_float(c, e, "beta")};
    const value x = tf_input(b, c, 0);

    if (x == VALUE_NONE) return false;
    const shape s = *graph_shape(g, x);
    if (radius < 0 || radius > 4096 || s.rank != 4)
        return tf_fail(b, c, EBB_E_ARGUMENT, "takes 4 axes and a radius from 0 to 4096");
    const int64_t width = 2 * radius + 1;
    float *ones = tf_memory(b, (size_t)width, sizeof *ones);
    if (ones == NULL) return false;
    for (int64_t i = 0; i < width; i++) ones[i] = 1;
    const value kernel =
        graph_constant(g, EBB_F32, &(shape){.rank = 3, .dims = {width, 1, 1}}, ones);
    const conv_attributes sum = {.spatial = 1,
                                 .strides = {1},
                                 .dilations = {1},
                                 .pad_before = {radius},
                                 .pad_after = {radius},
                                 .groups = 1};
    dim pixels = 1;
    for (uint32_t i = 0; i < 3; i++) pixels = dim_make(g, DIM_MUL, pixels, s.dims[i]);
    const shape lines = {.rank = 3, .dims = {pixels, s.dims[3], 1}};
    const value squares = op_reshape(g, op_unary(g, UNARY_SQUARE, x), &lines);
    const value sums = op_reshape(g, op_conv(g, squares, kernel, &sum), &s);
    const value factor = op_unary_with(g, power, op_unary_with(g, affine, sums));
    return tf_give(b, c, 0, op_mul(g, x, factor), c->inputs[0].type);
}

/* -- images ------------------------------------------------------------------------------------ */

/* Is `to` a whole number of times `from`? Then the older nearest neighbours are the same. */
static bool is_multiple(dim from, dim to)
{
    return dim_known(from) && dim_known(to) && from > 0 && to % from == 0;
}

bool tf_emit_resize(tf_build *b, tf_call *c, const tf_entry *e)
{
    const dim *size;
    uint32_t count;
    resize_attributes r = {.kind = (resize_kind)e->parameter};
    const tf_type type = c->inputs[0].type;
    value x = tf_input(b, c, 0);

    if (x == VALUE_NONE || !tf_lengths(b, c, 1, "the size", &size, &count)) return false;
    if (count != 2 || graph_rank(b->graph, x) != 4)
        return tf_fail(b, c, EBB_E_SHAPE, "takes 4 axes and a size of two numbers");
    r.height = size[0];
    r.width = size[1];
    const shape s = *graph_shape(b->graph, x);
    const bool is_equal = s.dims[1] == r.height && s.dims[2] == r.width;
    const bool is_whole = r.kind == RESIZE_NEAREST && is_multiple(s.dims[1], r.height) &&
                          is_multiple(s.dims[2], r.width);
    if (tf_bool(c, e, "align_corners") ||
        (!tf_bool(c, e, "half_pixel_centers") && !is_whole && !is_equal))
        return tf_fail(b, c, EBB_E_UNSUPPORTED,
                       "only with 'half_pixel_centers', as TensorFlow 2 resizes");
    x = op_resize(b->graph, op_cast(b->graph, x, EBB_F32), &r);
    if (r.kind != RESIZE_NEAREST) return tf_give(b, c, 0, x, TF_FLOAT);
    return tf_give(b, c, 0, op_cast(b->graph, x, tf_compute(type)), type);
}

/* -- softmax ----------------------------------------------------------------------------------- */

bool tf_emit_softmax(tf_build *b, tf_call *c, const tf_entry *e)
{
    const value x = tf_input(b, c, 0);

    if (x == VALUE_NONE) return false;
    const uint32_t rank = graph_rank(b->graph, x);
    if (rank == 0) return tf_fail(b, c, EBB_E_SHAPE, "of a scalar");
    return tf_give(b, c, 0, op_softmax(b->graph, x, 1u << (rank - 1), e->parameter == 1),
                   c->inputs[0].type);
}

/* loss = -sum(labels * log softmax); backprop, its gradient, = softmax - labels. */
bool tf_emit_cross_entropy(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const value logits = tf_input(b, c, 0);
    value labels = tf_input(b, c, 1);

    if (!graph_ok(g)) return false;
    if (graph_rank(g, logits) != 2) return tf_fail(b, c, EBB_E_SHAPE, "takes logits of two axes");
    const dim classes = graph_dim(g, logits, -1);
    if (e->parameter == 1) {
        if (!dim_known(classes))
            return tf_fail(b, c, EBB_E_UNSUPPORTED, "the number of classes is not known");
        labels = op_one_hot(g, labels, classes);
    }
    const value logs = op_softmax(g, logits, 2, true);
    const value loss =
        op_unary(g, UNARY_NEG, op_reduce(g, REDUCE_SUM, op_mul(g, labels, logs), 2, false));
    const value slope = op_sub(g, op_softmax(g, logits, 2, false), labels);
    return tf_give(b, c, 0, loss, c->inputs[0].type) && tf_give(b, c, 1, slope, c->inputs[0].type);
}
