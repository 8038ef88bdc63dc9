/* tf_export_contraction.c -- matrix products, convolutions, pools.
 *
 * What TensorFlow's CPU kernels refuse is put in other words: convolutions in groups are split,
 * kernels of three-dimensional and of transposed convolutions are dilated by zeros between their
 * taps, one spatial axis becomes two, the first of length 1. */
#include "tensorflow/tf_export_internal.h"

#include <string.h>

#define AXES (SPATIAL_MAX + 2)

/* Optional inputs behind the two operands: bias, residual, scale. */
static void finish(emitter *e, const node *n, tensor_ref y, const epilogue *epilogue)
{
    if (export_has(n, 4)) y = export_2(e, TF_Mul, TF_FLOAT, y, export_input(e, n, 4));
    if (export_has(n, 2)) y = export_2(e, TF_AddV2, TF_FLOAT, y, export_input(e, n, 2));
    if (export_has(n, 3)) y = export_2(e, TF_AddV2, TF_FLOAT, y, export_input(e, n, 3));
    export_set(e, n, 0, export_activation(e, &epilogue->activation, TF_FLOAT, y));
}

void export_op_matmul(emitter *e, const node *n)
{
    const matmul_attributes *m = n->attributes;
    const bool is_plain =
        graph_rank(e->g, n->inputs[0]) == 2 && graph_rank(e->g, n->inputs[1]) == 2;
    const tensor_ref inputs[] = {export_input(e, n, 0), export_input(e, n, 1)};
    attributes a = {.count = 0};

    attributes_type(&a, "T", TF_FLOAT);
    attributes_bool(&a, is_plain ? "transpose_a" : "adj_x", m->transpose_a);
    attributes_bool(&a, is_plain ? "transpose_b" : "adj_y", m->transpose_b);
    finish(e, n, export_node(e, is_plain ? TF_MatMul : TF_BatchMatMulV2, inputs, 2, &a),
           &m->epilogue);
}

/* -- windows ----------------------------------------------------------------------------------- */

/* An image or volume with its kernel, one spatial axis made two. */
typedef struct windowed {
    tensor_ref x, kernel;
    uint32_t spatial; /* 2 or 3 */
    bool is_widened;
    int64_t taps[AXES];    /* kernel's axes */
    int64_t strides[AXES]; /* as TensorFlow lists them: [1, ..., 1] */
    int64_t dilations[SPATIAL_MAX];
} windowed;

static windowed windowed_make(emitter *e, tensor_ref x, tensor_ref kernel, const shape *k,
                              uint32_t spatial, const int64_t *strides, const int64_t *dilations)
{
    windowed w = {.x = x, .kernel = kernel, .spatial = spatial, .is_widened = spatial == 1};
    const uint32_t first = w.is_widened ? 1 : 0;

    w.strides[0] = 1;
    if (w.is_widened) {
        w.spatial = 2;
        w.x = export_expand(e, TF_FLOAT, x, 1);
        if (kernel != NULL) w.kernel = export_expand(e, TF_FLOAT, kernel, 0);
        w.taps[0] = w.dilations[0] = 1;
        w.strides[1] = strides[0]; /* depthwise convolutions want both alike */
    }
    for (uint32_t i = 0; i < spatial; i++) {
        w.strides[1 + first + i] = strides[i];
        w.dilations[first + i] = dilations != NULL ? dilations[i] : 1;
    }
    for (uint32_t i = 0; k != NULL && i < k->rank; i++) w.taps[first + i] = k->dims[i];
    w.strides[1 + w.spatial] = 1;
    return w;
}

static tensor_ref windowed_end(emitter *e, const windowed *w, tensor_ref y)
{
    return w->is_widened ? export_squeeze(e, TF_FLOAT, y, 1) : y;
}

/* Zeros between the taps of one axis, all before it and all behind taken as one each, for pads of
 * many axes are refused: [a, k, b] -> [a, k, 1, b] -> [a, k, dilation, b] -> [a, k * dilation, b],
 * without the last zeros. */
static tensor_ref dilate_axis(emitter *e, tensor_ref kernel, int64_t before, int64_t taps,
                              int64_t behind, int64_t dilation)
{
    const int64_t apart[] = {before, taps, 1, behind}, joined[] = {before, taps * dilation, behind};
    const int64_t none[4] = {0}, zeros[] = {0, 0, dilation - 1, 0}, steps[] = {1, 1, 1};
    const length start[] = {length_number(0), length_number(0), length_number(0)};
    const length lengths[] = {length_number(before), length_number((taps - 1) * dilation + 1),
                              length_number(behind)};
    const shape whole = {.rank = 3, .dims = {joined[0], joined[1], joined[2]}};

    kernel = export_reshape(e, TF_FLOAT, kernel, apart, 4);
    kernel = export_pad(e, TF_FLOAT, kernel, none, zeros, 4);
    kernel = export_reshape(e, TF_FLOAT, kernel, joined, 3);
    return export_slice(e, TF_FLOAT, kernel, start, lengths, steps, &whole, 3);
}

static void dilate(emitter *e, windowed *w)
{
    bool is_dilated = false;

    for (uint32_t i = 0; i < w->spatial; i++) {
        int64_t before = 1, behind = 1;
        if (w->dilations[i] == 1 || w->taps[i] == 1) continue;
        for (uint32_t k = 0; k < i; k++) before *= w->taps[k];
        for (uint32_t k = i + 1; k < w->spatial + 2; k++) behind *= w->taps[k];
        w->kernel = dilate_axis(e, w->kernel, before, w->taps[i], behind, w->dilations[i]);
        w->taps[i] = (w->taps[i] - 1) * w->dilations[i] + 1;
        is_dilated = true;
    }
    for (uint32_t i = 0; i < w->spatial; i++) w->dilations[i] = 1;
    if (is_dilated) w->kernel = export_reshape(e, TF_FLOAT, w->kernel, w->taps, w->spatial + 2);
}

/* -- convolutions ------------------------------------------------------------------------------ */

static void put_windows(attributes *a, const windowed *w, bool same)
{
    attributes_type(a, "T", TF_FLOAT);
    attributes_ints(a, "strides", w->strides, w->spatial + 2);
    attributes_text(a, "padding", same ? "SAME" : "VALID");
}

static tensor_ref emit_conv(emitter *e, const windowed *w, tensor_ref x, tensor_ref kernel,
                            bool same)
{
    attributes a = {.count = 0};
    int64_t dilations[AXES];

    put_windows(&a, w, same);
    for (uint32_t i = 0; i < w->spatial + 2; i++)
        dilations[i] = i >= 1 && i <= w->spatial ? w->dilations[i - 1] : 1;
    if (w->spatial == 2) attributes_ints(&a, "dilations", dilations, 4);
    return export_node(e, w->spatial == 2 ? TF_Conv2D : TF_Conv3D, (const tensor_ref[]){x, kernel},
                       2, &a);
}

/* kernel [spatial..., 1, c * multiplier] -> [spatial..., c, multiplier]: the same elements. */
static tensor_ref emit_depthwise(emitter *e, const windowed *w, int64_t groups, bool same)
{
    attributes a = {.count = 0};
    const int64_t dims[] = {w->taps[0], w->taps[1], groups, w->taps[3] / groups};
    const tensor_ref kernel = export_reshape(e, TF_FLOAT, w->kernel, dims, 4);

    put_windows(&a, w, same);
    return export_node(e, TF_DepthwiseConv2dNative, (const tensor_ref[]){w->x, kernel}, 2, &a);
}

static tensor_ref emit_split(emitter *e, tensor_ref x, int64_t axis, int64_t parts)
{
    attributes a = {.count = 0};

    attributes_int(&a, "num_split", parts);
    attributes_type(&a, "T", TF_FLOAT);
    return export_node(e, TF_Split, (const tensor_ref[]){export_i32(e, axis), x}, 2, &a);
}

static tensor_ref emit_groups(emitter *e, const windowed *w, int64_t groups, bool same)
{
    attributes a = {.count = 0};
    const uint32_t count = (uint32_t)groups;
    const tensor_ref x = emit_split(e, w->x, w->spatial + 1, groups);
    const tensor_ref kernel = emit_split(e, w->kernel, w->spatial + 1, groups);
    tensor_ref *parts = export_memory(e, (size_t)count + 1, sizeof *parts);

    for (uint32_t i = 0; parts != NULL && i < count; i++)
        parts[i] = emit_conv(e, w, export_at(e, x, i), export_at(e, kernel, i), same);
    if (parts == NULL) return NULL;
    parts[count] = export_i32(e, w->spatial + 1);
    attributes_int(&a, "N", count);
    attributes_type(&a, "T", TF_FLOAT);
    attributes_type(&a, "Tidx", TF_INT32);
    return export_node(e, TF_ConcatV2, parts, count + 1, &a);
}

static tensor_ref padded(emitter *e, const conv_attributes *c, tensor_ref x)
{
    int64_t before[AXES] = {0}, after[AXES] = {0};
    bool is_padded = false;

    for (uint32_t i = 0; i < c->spatial && !c->same; i++) {
        before[i + 1] = c->pad_before[i];
        after[i + 1] = c->pad_after[i];
        is_padded |= before[i + 1] != 0 || after[i + 1] != 0;
    }
    return is_padded ? export_pad(e, TF_FLOAT, x, before, after, c->spatial + 2) : x;
}

void export_op_conv(emitter *e, const node *n)
{
    const conv_attributes *c = n->attributes;
    const shape *k = graph_shape(e->g, n->inputs[1]);
    const tensor_ref x = padded(e, c, export_input(e, n, 0));
    windowed w =
        windowed_make(e, x, export_input(e, n, 1), k, c->spatial, c->strides, c->dilations);
    const bool is_depthwise =
        c->groups > 1 && k->dims[c->spatial] == 1 && w.spatial == 2 && w.strides[1] == w.strides[2];
    tensor_ref y;

    if (is_depthwise || w.spatial == 3) dilate(e, &w);
    if (is_depthwise) {
        y = emit_depthwise(e, &w, c->groups, c->same);
    } else if (c->groups > 1) {
        y = emit_groups(e, &w, c->groups, c->same);
    } else {
        y = emit_conv(e, &w, w.x, w.kernel, c->same);
    }
    finish(e, n, windowed_end(e, &w, y), &c->epilogue);
}

/* -- transposed -------------------------------------------------------------------------------- */

/* Cuts the borders off, or adds zeros behind, as padding and output_padding ask. */
static tensor_ref cropped(emitter *e, const conv_transpose_attributes *c, tensor_ref y,
                          const shape *full, const length *full_lengths)
{
    int64_t before[AXES] = {0}, after[AXES] = {0}, steps[AXES];
    length start[AXES], lengths[AXES];
    const uint32_t rank = c->spatial + 2;
    bool is_cut = false, is_padded = false;

    for (uint32_t i = 0; i < rank; i++) {
        start[i] = length_number(0);
        lengths[i] = full_lengths[i];
        steps[i] = 1;
        if (i < 1 || i > c->spatial) continue;
        const int64_t more = c->output_padding[i - 1] - c->pad_after[i - 1];
        after[i] = more > 0 ? more : 0;
        const int64_t less = c->pad_before[i - 1] + (more < 0 ? -more : 0);
        start[i] = length_number(c->pad_before[i - 1]);
        lengths[i] = length_make(e, DIM_SUB, lengths[i], length_number(less));
        is_cut |= less > 0;
        is_padded |= more > 0;
    }
    if (is_cut) y = export_slice(e, TF_FLOAT, y, start, lengths, steps, full, rank);
    return is_padded ? export_pad(e, TF_FLOAT, y, before, after, rank) : y;
}

void export_op_conv_transpose(emitter *e, const node *n)
{
    const conv_transpose_attributes *c = n->attributes;
    const shape *x = graph_shape(e->g, n->inputs[0]), *k = graph_shape(e->g, n->inputs[1]);
    windowed w = windowed_make(e, export_input(e, n, 0), export_input(e, n, 1), k, c->spatial,
                               c->strides, c->dilations);
    const uint32_t first = w.is_widened ? 1 : 0;
    length sizes[AXES], outside[AXES];
    shape full = {.rank = c->spatial + 2};
    attributes a = {.count = 0};

    dilate(e, &w);
    if (w.is_widened) w.strides[1] = 1;
    sizes[0] = outside[0] = length_of(e, x->dims[0]);
    sizes[1] = length_number(1);
    for (uint32_t i = 0; i < c->spatial; i++) {
        const length gaps = length_make(e, DIM_SUB, length_of(e, x->dims[i + 1]), length_number(1));
        const length span = length_make(e, DIM_MUL, gaps, length_number(c->strides[i]));
        outside[i + 1] = length_make(e, DIM_ADD, span, length_number(w.taps[first + i]));
        sizes[first + i + 1] = outside[i + 1];
        full.dims[i + 1] = INT64_MAX; /* no number: nothing is whole */
    }
    outside[c->spatial + 1] = sizes[w.spatial + 1] = length_number(k->dims[c->spatial]);
    full.dims[0] = x->dims[0];
    full.dims[c->spatial + 1] = k->dims[c->spatial];
    put_windows(&a, &w, false);
    const bool is_flat = w.spatial == 2;
    const tensor_ref inputs[] = {length_list(e, sizes, w.spatial + 2), w.kernel, w.x};
    const tensor_ref y =
        export_node(e, is_flat ? TF_Conv2DBackpropInput : TF_Conv3DBackpropInputV2, inputs, 3, &a);
    finish(e, n, cropped(e, c, windowed_end(e, &w, y), &full, outside), &c->epilogue);
}

/* -- pools ------------------------------------------------------------------------------------- */

void export_op_pool(emitter *e, const node *n)
{
    const pool_attributes *p = n->attributes;
    windowed w = windowed_make(e, export_input(e, n, 0), NULL, NULL, p->spatial, p->strides, NULL);
    const uint32_t first = w.is_widened ? 1 : 0;
    int64_t window[AXES] = {1, 1};
    attributes a = {.count = 0};

    for (uint32_t i = 0; i < p->spatial; i++) window[1 + first + i] = p->window[i];
    window[w.spatial + 1] = 1;
    if (w.is_widened) w.strides[1] = 1;
    put_windows(&a, &w, p->same);
    attributes_ints(&a, "ksize", window, w.spatial + 2);
    const operation_id flat = p->kind == POOL_MAX ? TF_MaxPool : TF_AvgPool;
    const operation_id deep = p->kind == POOL_MAX ? TF_MaxPool3D : TF_AvgPool3D;
    export_set(e, n, 0,
               windowed_end(e, &w, export_node(e, w.spatial == 2 ? flat : deep, &w.x, 1, &a)));
}
