/* tf_convolution.c -- Conv2D, Conv3D, depthwise convolutions, and the gradients with respect to the
 * input that transposed convolutions are made of.
 *
 * Our graph has channels last; NCHW is turned around it. A kernel is what TensorFlow stores.
 * Source: tensorflow/core/kernels/conv_ops.cc, conv_grad_shape_utils.cc (lengths and padding).
 */
#include "tensorflow/tf_emit.h"

/* What the attributes say, by spatial axis. */
typedef struct window {
    uint32_t spatial;
    bool is_first; /* channels in front */
    bool same, is_explicit;
    int64_t strides[SPATIAL_MAX], dilations[SPATIAL_MAX], before[SPATIAL_MAX], after[SPATIAL_MAX];
} window;

static bool spatial_list(tf_build *b, const tf_call *c, const tf_entry *e, const char *name,
                         const window *w, int64_t *result)
{
    int64_t items[EBB_RANK_MAX];
    const uint32_t rank = w->spatial + 2, count = tf_ints(c, e, name, items, EBB_RANK_MAX);
    const uint32_t first = w->is_first ? 2 : 1, channels = w->is_first ? 1 : rank - 1;

    if (count != rank)
        return tf_fail(b, c, EBB_E_ARGUMENT, "'%s' has %u numbers, it needs %u", name, count, rank);
    if (items[0] != 1 || items[channels] != 1)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "'%s' of rows or channels", name);
    for (uint32_t i = 0; i < w->spatial; i++) result[i] = items[first + i];
    return true;
}

static bool explicit_read(tf_build *b, const tf_call *c, const tf_entry *e, window *w)
{
    int64_t items[2 * EBB_RANK_MAX];
    const uint32_t rank = w->spatial + 2;
    const uint32_t count = tf_ints(c, e, "explicit_paddings", items, 2 * EBB_RANK_MAX);

    if (count != 2 * rank)
        return tf_fail(b, c, EBB_E_ARGUMENT, "'explicit_paddings' has %u numbers, it needs %u",
                       count, 2 * rank);
    for (uint32_t i = 0; i < w->spatial; i++) {
        const uint32_t axis = (w->is_first ? 2 : 1) + i;
        w->before[i] = items[2 * axis];
        w->after[i] = items[2 * axis + 1];
    }
    return true;
}

static bool window_read(tf_build *b, const tf_call *c, const tf_entry *e, window *w)
{
    const bool is_last =
        tf_text_is(c, e, "data_format", "NHWC") || tf_text_is(c, e, "data_format", "NDHWC");

    *w = (window){.spatial = (uint32_t)e->parameter};
    w->is_first =
        tf_text_is(c, e, "data_format", "NCHW") || tf_text_is(c, e, "data_format", "NCDHW");
    if (!is_last && !w->is_first) return tf_fail(b, c, EBB_E_ARGUMENT, "an unknown 'data_format'");
    w->same = tf_text_is(c, e, "padding", "SAME");
    w->is_explicit = tf_text_is(c, e, "padding", "EXPLICIT");
    if (!w->same && !w->is_explicit && !tf_text_is(c, e, "padding", "VALID"))
        return tf_fail(b, c, EBB_E_ARGUMENT, "an unknown 'padding'");
    return spatial_list(b, c, e, "strides", w, w->strides) &&
           spatial_list(b, c, e, "dilations", w, w->dilations) &&
           (!w->is_explicit || explicit_read(b, c, e, w));
}

/* Input `i` with its channels last, of the right rank. */
static value image_of(tf_build *b, const tf_call *c, uint32_t i, const window *w)
{
    const value x = tf_input(b, c, i);

    if (x == VALUE_NONE) return VALUE_NONE;
    if (graph_rank(b->graph, x) != w->spatial + 2) {
        (void)tf_fail(b, c, EBB_E_SHAPE, "input %u has %u axes, it needs %u", i,
                      graph_rank(b->graph, x), w->spatial + 2);
        return VALUE_NONE;
    }
    return w->is_first ? tf_channels_last(b, x) : x;
}

static bool give_image(tf_build *b, tf_call *c, value y, const window *w)
{
    return tf_give(b, c, 0, w->is_first ? tf_channels_first(b, y) : y, c->inputs[0].type);
}

static conv_attributes conv_of(const window *w, int64_t groups)
{
    conv_attributes a = {.spatial = w->spatial, .same = w->same, .groups = groups};

    for (uint32_t i = 0; i < w->spatial; i++) {
        a.strides[i] = w->strides[i];
        a.dilations[i] = w->dilations[i];
        a.pad_before[i] = w->before[i];
        a.pad_after[i] = w->after[i];
    }
    return a;
}

bool tf_emit_conv(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    window w;

    if (!window_read(b, c, e, &w)) return false;
    const value x = image_of(b, c, 0, &w), kernel = tf_input(b, c, 1);
    if (!graph_ok(g)) return false;
    const dim channels = graph_dim(g, x, -1), per_group = graph_dim(g, kernel, -2);
    if (graph_rank(g, kernel) != w.spatial + 2 || !dim_known(per_group) || per_group < 1)
        return tf_fail(b, c, EBB_E_SHAPE, "the kernel needs %u axes of known lengths",
                       w.spatial + 2);
    if (dim_known(channels) && channels % per_group != 0)
        return tf_fail(b, c, EBB_E_SHAPE, "%lld channels for a kernel of %lld", (long long)channels,
                       (long long)per_group);
    const conv_attributes a = conv_of(&w, dim_known(channels) ? channels / per_group : 1);
    return give_image(b, c, op_conv(g, x, kernel, &a), &w);
}

bool tf_emit_depthwise(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    window w;

    if (!window_read(b, c, e, &w)) return false;
    const value x = image_of(b, c, 0, &w), kernel = tf_input(b, c, 1);
    if (!graph_ok(g)) return false;
    shape s = *graph_shape(g, kernel);
    if (s.rank != w.spatial + 2)
        return tf_fail(b, c, EBB_E_SHAPE, "the kernel has %u axes, it needs %u", s.rank,
                       w.spatial + 2);
    const dim channels = s.dims[w.spatial];
    s.dims[w.spatial + 1] = dim_make(g, DIM_MUL, channels, s.dims[w.spatial + 1]);
    s.dims[w.spatial] = 1;
    const conv_attributes a = conv_of(&w, channels);
    return give_image(b, c, op_conv(g, x, op_reshape(g, kernel, &s), &a), &w);
}

/* Padding of the forward convolution whose output is as long as `length`, and what the division by
 * its stride left over. */
static bool transposed_length(tf_build *b, const tf_call *c, const window *w, uint32_t i,
                              dim length, dim wanted, dim k, conv_transpose_attributes *a)
{
    graph *g = b->graph;
    const dim spread = dim_make(g, DIM_MUL, dim_make(g, DIM_SUB, length, 1), w->strides[i]);
    const dim reach =
        dim_make(g, DIM_ADD, dim_make(g, DIM_MUL, dim_make(g, DIM_SUB, k, 1), w->dilations[i]), 1);
    const dim rest = dim_make(g, DIM_SUB, wanted, dim_make(g, DIM_ADD, spread, reach));
    int64_t number;

    if (!graph_ok(g)) return false;
    if (!tf_dim_number(g, rest, &number))
        return tf_fail(b, c, EBB_E_UNSUPPORTED,
                       "spatial axis %u: the length of the result is not that of its input times "
                       "the stride and a constant",
                       i);
    a->pad_before[i] = w->before[i];
    a->pad_after[i] = w->after[i];
    if (w->same && number < 0) {
        a->pad_before[i] = -number / 2;
        a->pad_after[i] = -number - a->pad_before[i];
    }
    a->output_padding[i] = number + a->pad_before[i] + a->pad_after[i];
    if (a->output_padding[i] < 0 || a->output_padding[i] >= w->strides[i])
        return tf_fail(b, c, EBB_E_SHAPE, "spatial axis %u: no convolution makes this length", i);
    return true;
}

bool tf_emit_conv_transpose(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    window w;
    shape wanted;

    if (!window_read(b, c, e, &w)) return false;
    if (!tf_shape_input(b, c, 0, &wanted)) return false;
    const value kernel = tf_input(b, c, 1), x = image_of(b, c, 2, &w);
    if (!graph_ok(g)) return false;
    if (wanted.rank == w.spatial) { /* newer graphs give the spatial lengths alone */
        for (uint32_t i = w.spatial; i-- > 0;)
            wanted.dims[i + (w.is_first ? 2 : 1)] = wanted.dims[i];
        wanted.rank += 2;
    }
    if (wanted.rank != w.spatial + 2 || graph_rank(g, kernel) != w.spatial + 2)
        return tf_fail(b, c, EBB_E_SHAPE, "the shape and the kernel need %u axes", w.spatial + 2);
    if (graph_dim(g, kernel, -1) != graph_dim(g, x, -1))
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "transposed convolutions with groups");
    conv_transpose_attributes a = {.spatial = w.spatial};
    for (uint32_t i = 0; i < w.spatial; i++) {
        a.strides[i] = w.strides[i];
        a.dilations[i] = w.dilations[i];
        if (!transposed_length(b, c, &w, i, graph_dim(g, x, (int)i + 1),
                               wanted.dims[i + (w.is_first ? 2 : 1)], graph_dim(g, kernel, (int)i),
                               &a))
            return false;
    }
    const value y = op_conv_transpose(g, x, kernel, &a);
    return tf_give(b, c, 0, w.is_first ? tf_channels_first(b, y) : y, c->inputs[2].type);
}
