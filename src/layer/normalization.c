/* normalization.c -- LayerNormalization, GroupNormalization, RMSNormalization, UnitNormalization:
 * those that compute the same in training as at inference.
 *
 * Source: Keras 3, keras/src/layers/normalization/ and keras/src/ops/nn.py. */
#include "layer/lowering.h"

#include <inttypes.h>
#include <string.h>

#define TINY_LENGTH_MAX 4

/* 1 / sqrt(v + epsilon). */
static value inverse_root(graph *g, value v, float epsilon)
{
    const unary_attributes shift = {UNARY_AFFINE, 1.0f, epsilon, 0.0f};

    return op_unary(g, UNARY_RSQRT, op_unary_with(g, shift, v));
}

/* -- LayerNormalization, RMSNormalization ------------------------------------------------------ */

typedef struct layer_normalization {
    const json *axis;
    float epsilon;
    bool center, scale, rms_scaling;
} layer_normalization;

static const layer_field layer_normalization_fields[] = {
    {"axis", FIELD_JSON, offsetof(layer_normalization, axis), false, 0, NULL},
    {"epsilon", FIELD_F32, offsetof(layer_normalization, epsilon), false, 1e-3, NULL},
    {"center", FIELD_BOOL, offsetof(layer_normalization, center), false, 1, NULL},
    {"scale", FIELD_BOOL, offsetof(layer_normalization, scale), false, 1, NULL},
    {"rms_scaling", FIELD_BOOL, offsetof(layer_normalization, rms_scaling), false, 0, NULL},
    FIELD_INITIALIZER(gamma_initializer),
    FIELD_INITIALIZER(beta_initializer),
    FIELD_END,
};

/* The normalised axes of a call: as Keras keeps them (sorted as written) and as a bit mask. */
typedef struct normal_axes {
    uint32_t count, mask, rank;
    uint32_t axes[EBB_RANK_MAX]; /* in Keras's order: that of the weights' dims */
    int64_t dims[EBB_RANK_MAX];  /* lengths of those, known; only when asked for */
    bool is_trailing;
} normal_axes;

static bool normal_axes_read(layer_build *b, value x, const json *axis, bool with_dims,
                             normal_axes *n)
{
    int64_t written[EBB_RANK_MAX];

    memset(n, 0, sizeof *n);
    n->rank = graph_rank(b->graph, x);
    n->mask = lowering_axes(b, x, axis, -1);
    const bool is_list = axis != NULL && axis->kind == JSON_ARRAY;
    n->count = is_list ? axis->count : 1;
    if (n->mask == 0) return false;
    if (n->count > n->rank)
        return layer_fail(b, EBB_E_FORMAT, "axis: more axes than the input has");
    for (uint32_t i = 0; i < n->count; i++) {
        const int64_t item = json_integer(is_list ? json_item(axis, i) : axis, -1);
        uint32_t at = i;
        for (; at > 0 && written[at - 1] > item; at--) written[at] = written[at - 1];
        written[at] = item;
    }
    for (uint32_t i = 0; i < n->count; i++) {
        n->axes[i] = (uint32_t)(written[i] < 0 ? written[i] + n->rank : written[i]);
        if (with_dims) n->dims[i] = build_known_dim(b, x, (int)n->axes[i], "normalised axis");
        if (!graph_ok(b->graph)) return false;
    }
    n->is_trailing = n->mask == ((1u << n->count) - 1) << (n->rank - n->count);
    for (uint32_t i = 1; i < n->count; i++)
        n->is_trailing = n->is_trailing && n->axes[i - 1] < n->axes[i];
    return true;
}

/* A weight over the normalised axes, lined up with the input: its bytes in the order of the input's
 * axes. */
static value axes_align(layer_build *b, const normal_axes *n, const shape *s, value weight)
{
    dim dims[EBB_RANK_MAX];

    if (weight == VALUE_NONE || n->is_trailing) return weight;
    for (uint32_t i = 0; i < n->rank; i++) dims[i] = n->mask >> i & 1 ? s->dims[i] : 1;
    return lowering_reshape(b, weight, n->rank, dims);
}

/* x * s + (beta - mean * s) with s = gamma / sqrt(variance + epsilon): Keras's own order of steps,
 * in float32, which shows where values hardly differ from their mean. gamma, beta: or absent. */
static value standardize(graph *g, value x, uint32_t axes, float epsilon, value gamma, value beta)
{
    const value mean = op_reduce(g, REDUCE_MEAN, x, axes, true);
    const value apart = op_binary(g, BINARY_SQUARED_DIFFERENCE, x, mean);
    const value variance = op_reduce(g, REDUCE_MEAN, apart, axes, true);
    value scale = inverse_root(g, variance, epsilon);
    if (gamma != VALUE_NONE) scale = op_mul(g, scale, gamma);
    const value shift = op_mul(g, mean, scale);
    const value offset =
        beta != VALUE_NONE ? op_sub(g, beta, shift) : op_unary(g, UNARY_NEG, shift);

    return op_add(g, op_mul(g, x, scale), offset);
}

/* rms_scaling: x * gamma / sqrt(variance + epsilon), the mean counted in the variance only. */
static value scale_by_variance(graph *g, value x, uint32_t axes, float epsilon, value gamma)
{
    const value mean = op_reduce(g, REDUCE_MEAN, x, axes, true);
    const value apart = op_binary(g, BINARY_SQUARED_DIFFERENCE, x, mean);
    const value variance = op_reduce(g, REDUCE_MEAN, apart, axes, true);

    return op_mul(g, op_mul(g, x, inverse_root(g, variance, epsilon)), gamma);
}

/* Few values per mean: there the rounding of Keras's steps is larger than what it may differ by. */
static bool is_tiny(const graph *g, value x, const normal_axes *n)
{
    const dim last = graph_dim(g, x, -1);

    return n->count == 1 && dim_known(last) && last <= TINY_LENGTH_MAX;
}

static bool layer_normalization_build(layer_build *b, const void *config, layer_call *call)
{
    const layer_normalization *c = config;
    const bool has_gamma = c->scale || c->rms_scaling, has_beta = c->center && !c->rms_scaling;
    const value x = lowering_input_f32(b, call, 1, EBB_RANK_MAX);
    value gamma = VALUE_NONE, beta = VALUE_NONE;
    normal_axes n;

    if (x == VALUE_NONE || !normal_axes_read(b, x, c->axis, has_gamma || has_beta, &n))
        return false;
    if (has_gamma) {
        gamma = build_weight(b, "gamma", n.count, n.dims, NULL);
    }
    if (has_beta) {
        beta = build_weight(b, "beta", n.count, n.dims, NULL);
    }
    if (n.is_trailing && !c->rms_scaling && !is_tiny(b->graph, x, &n)) {
        const normalize_attributes attributes = {.axis_count = n.count, .epsilon = c->epsilon};
        return lowering_done(b, call, op_normalize(b->graph, x, gamma, beta, &attributes));
    }
    const shape s = *graph_shape(b->graph, x);
    gamma = axes_align(b, &n, &s, gamma);
    beta = axes_align(b, &n, &s, beta);
    const value y = c->rms_scaling ? scale_by_variance(b->graph, x, n.mask, c->epsilon, gamma)
                                   : standardize(b->graph, x, n.mask, c->epsilon, gamma, beta);
    return lowering_done(b, call, y);
}

const layer_def layer_def_layer_normalization = {"LayerNormalization",
                                                 "normalization",
                                                 NULL,
                                                 sizeof(layer_normalization),
                                                 layer_normalization_fields,
                                                 MASK_PASSES,
                                                 layer_normalization_build};

typedef struct rms_normalization {
    const json *axis;
    float epsilon;
} rms_normalization;

static const layer_field rms_normalization_fields[] = {
    {"axis", FIELD_JSON, offsetof(rms_normalization, axis), false, 0, NULL},
    {"epsilon", FIELD_F32, offsetof(rms_normalization, epsilon), false, 1e-6, NULL},
    FIELD_END,
};

/* Keras multiplies by the scale as it is: it meets the last axes, whichever were normalised. */
static bool rms_normalization_build(layer_build *b, const void *config, layer_call *call)
{
    const rms_normalization *c = config;
    graph *g = b->graph;
    const value x = lowering_input_f32(b, call, 1, EBB_RANK_MAX);
    normal_axes n;

    if (x == VALUE_NONE || !normal_axes_read(b, x, c->axis, true, &n)) return false;
    const value scale = build_weight(b, "scale", n.count, n.dims, NULL);
    if (n.is_trailing) {
        const normalize_attributes attributes = {
            .axis_count = n.count, .epsilon = c->epsilon, .is_rms = true};
        return lowering_done(b, call, op_normalize(g, x, scale, VALUE_NONE, &attributes));
    }
    const value square = op_unary(g, UNARY_SQUARE, x);
    const value power = op_reduce(g, REDUCE_MEAN, square, n.mask, true);
    const value y = op_mul(g, x, inverse_root(g, power, c->epsilon));
    return lowering_done(b, call, op_mul(g, y, scale));
}

const layer_def layer_def_rms_normalization = {
    "RMSNormalization",        "normalization",          NULL,
    sizeof(rms_normalization), rms_normalization_fields, MASK_DROPS,
    rms_normalization_build};

/* -- GroupNormalization ------------------------------------------------------------------------ */

typedef struct group_normalization {
    int64_t groups, axis;
    float epsilon;
    bool center, scale;
} group_normalization;

static const layer_field group_normalization_fields[] = {
    {"groups", FIELD_I64, offsetof(group_normalization, groups), false, 32, NULL},
    {"axis", FIELD_I64, offsetof(group_normalization, axis), false, -1, NULL},
    {"epsilon", FIELD_F32, offsetof(group_normalization, epsilon), false, 1e-3, NULL},
    {"center", FIELD_BOOL, offsetof(group_normalization, center), false, 1, NULL},
    {"scale", FIELD_BOOL, offsetof(group_normalization, scale), false, 1, NULL},
    FIELD_INITIALIZER(gamma_initializer),
    FIELD_INITIALIZER(beta_initializer),
    FIELD_END,
};

/* The channel axis cut in two: [n, ..., groups, channels / groups, ...]. */
static value cut_groups(layer_build *b, value v, uint32_t axis, int64_t groups, int64_t channels)
{
    dim dims[EBB_RANK_MAX + 1];

    if (!graph_ok(b->graph) || v == VALUE_NONE) return VALUE_NONE;
    const shape *s = graph_shape(b->graph, v);
    for (uint32_t i = 0; i < s->rank; i++) dims[i < axis ? i : i + 1] = s->dims[i];
    dims[axis] = groups;
    dims[axis + 1] = channels / groups;
    return lowering_reshape(b, v, s->rank + 1, dims);
}

/* gamma or beta as [groups, channels / groups, 1, ...]. */
static value cut_weight(layer_build *b, value weight, uint32_t behind, int64_t groups,
                        int64_t channels)
{
    dim dims[EBB_RANK_MAX];

    if (weight == VALUE_NONE) return VALUE_NONE;
    dims[0] = groups;
    dims[1] = channels / groups;
    for (uint32_t i = 0; i < behind; i++) dims[i + 2] = 1;
    return lowering_reshape(b, weight, behind + 2, dims);
}

static bool group_normalization_build(layer_build *b, const void *config, layer_call *call)
{
    const group_normalization *c = config;
    const value x = lowering_input_f32(b, call, 2, EBB_RANK_MAX - 1);
    if (x == VALUE_NONE) return false;
    const int axis = build_axis(b, x, c->axis);
    if (axis < 0) return false;
    const int64_t channels = build_known_dim(b, x, axis, "channels");
    if (channels < 0) return false;
    if (axis == 0 || (c->groups != -1 && (c->groups <= 0 || channels % c->groups != 0))) {
        return layer_fail(b, EBB_E_SHAPE,
                          "groups: %" PRId64 " does not divide the %" PRId64 " channels of axis %d",
                          c->groups, channels, axis);
    }
    value gamma = VALUE_NONE, beta = VALUE_NONE;
    if (c->scale) gamma = build_weight(b, "gamma", 1, &channels, NULL);
    if (c->center) beta = build_weight(b, "beta", 1, &channels, NULL);

    if (!graph_ok(b->graph)) return false;
    const uint32_t rank = graph_rank(b->graph, x), at = (uint32_t)axis, behind = rank - 1 - at;
    const int64_t groups = c->groups == -1 ? channels : c->groups;
    const shape s = *graph_shape(b->graph, x);
    const uint32_t axes = ((1u << (rank + 1)) - 1) & ~1u & ~(1u << at);
    gamma = cut_weight(b, gamma, behind, groups, channels);
    beta = cut_weight(b, beta, behind, groups, channels);
    const value y = standardize(b->graph, cut_groups(b, x, at, groups, channels), axes, c->epsilon,
                                gamma, beta);
    return lowering_done(b, call, lowering_reshape(b, y, s.rank, s.dims));
}

const layer_def layer_def_group_normalization = {"GroupNormalization",
                                                 "normalization",
                                                 NULL,
                                                 sizeof(group_normalization),
                                                 group_normalization_fields,
                                                 MASK_PASSES,
                                                 group_normalization_build};

/* -- UnitNormalization: x / |x|, with |x| at least 1e-12 --------------------------------------- */

typedef struct unit_normalization {
    const json *axis;
} unit_normalization;

static const layer_field unit_normalization_fields[] = {
    {"axis", FIELD_JSON, offsetof(unit_normalization, axis), false, 0, NULL},
    FIELD_END,
};

static bool unit_normalization_build(layer_build *b, const void *config, layer_call *call)
{
    const unit_normalization *c = config;
    const value x = lowering_input_f32(b, call, 1, EBB_RANK_MAX);
    const uint32_t axes = x == VALUE_NONE ? 0 : lowering_axes(b, x, c->axis, -1);

    if (axes == 0) return false;
    return lowering_done(b, call, lowering_unit(b, x, axes, 1e-12));
}

const layer_def layer_def_unit_normalization = {
    "UnitNormalization",        "normalization",           NULL,
    sizeof(unit_normalization), unit_normalization_fields, MASK_PASSES,
    unit_normalization_build};
