/* batch_normalization.c -- BatchNormalization: x * s + t per channel, s = gamma / sqrt(variance +
 * epsilon).
 *
 * Mean and variance are the moving ones at inference and while the layer is frozen; in training
 * those of the batch, towards which the moving ones go by 1 - momentum. Masked steps do not count.
 * renorm: the batch's are corrected towards renorm_mean and renorm_stddev, within limits, and what
 * moves are standard deviations.
 * Source: Keras 3, keras/src/layers/normalization/batch_normalization.py. */
#include "layer/lowering.h"

#include <inttypes.h>
#include <math.h>

/* keras.backend.epsilon(), beside the number of steps that count. */
#define COUNT_EPSILON 1e-7f

typedef struct batch_normalization {
    const json *axis; /* a number; Keras 2 writes a list of one */
    float epsilon;
    double momentum, renorm_momentum;
    const json *renorm_clipping; /* {"rmin", "rmax", "dmax"}, each of them or not */
    bool center, scale, renorm;
} batch_normalization;

static const layer_field batch_normalization_fields[] = {
    {"axis", FIELD_JSON, offsetof(batch_normalization, axis), false, 0, NULL},
    {"epsilon", FIELD_F32, offsetof(batch_normalization, epsilon), false, 1e-3, NULL},
    {"momentum", FIELD_F64, offsetof(batch_normalization, momentum), false, 0.99, NULL},
    {"center", FIELD_BOOL, offsetof(batch_normalization, center), false, 1, NULL},
    {"scale", FIELD_BOOL, offsetof(batch_normalization, scale), false, 1, NULL},
    {"renorm", FIELD_BOOL, offsetof(batch_normalization, renorm), false, 0, NULL},
    FIELD_INITIALIZER(gamma_initializer),
    FIELD_INITIALIZER(beta_initializer),
    FIELD_INITIALIZER(moving_mean_initializer),
    FIELD_INITIALIZER(moving_variance_initializer),
    {"renorm_clipping", FIELD_JSON, offsetof(batch_normalization, renorm_clipping), false, 0, NULL},
    {"renorm_momentum", FIELD_F64, offsetof(batch_normalization, renorm_momentum), false, 0.99,
     NULL},
    FIELD_UNUSED("mode"),
    FIELD_END,
};

/* Per channel: what the call normalizes with, gamma and beta VALUE_NONE where they are 1 and 0; the
 * others only with renorm. */
typedef struct channel_values {
    value gamma, beta, mean, variance;
    value moving_stddev, renorm_mean, renorm_stddev;
} channel_values;

static value moving_weight(layer_build *b, const char *name, int64_t channels)
{
    const weight_options options = {.is_not_trainable = true};

    return build_weight(b, name, 1, &channels, &options);
}

static void weights_make(layer_build *b, const batch_normalization *c, int64_t channels,
                         channel_values *v)
{
    *v = (channel_values){0};
    if (c->scale) v->gamma = build_weight(b, "gamma", 1, &channels, NULL);
    if (c->center) v->beta = build_weight(b, "beta", 1, &channels, NULL);
    v->mean = moving_weight(b, "moving_mean", channels);
    v->variance = moving_weight(b, "moving_variance", channels);
    if (!c->renorm) return;
    v->moving_stddev = moving_weight(b, "moving_stddev", channels);
    v->renorm_mean = moving_weight(b, "renorm_mean", channels);
    v->renorm_stddev = moving_weight(b, "renorm_stddev", channels);
}

/* -- statistics of the batch -------------------------------------------------------------------
 */

/* No gradient passes the mean of a variance: there it is 0. */
static void batch_moments(graph *g, value x, uint32_t axes, value *mean, value *variance)
{
    *mean = op_reduce(g, REDUCE_MEAN, x, axes, false);
    const value around = op_stop(g, op_reduce(g, REDUCE_MEAN, x, axes, true));
    *variance =
        op_reduce(g, REDUCE_MEAN, op_binary(g, BINARY_SQUARED_DIFFERENCE, x, around), axes, false);
}

/* Of the steps where `counts`, BOOL of the shape of x but for its last axis, holds. */
static void masked_moments(layer_build *b, value x, value counts, uint32_t axis, value *mean,
                           value *variance)
{
    graph *g = b->graph;
    const value none = graph_scalar(g, 0);
    const shape s = *graph_shape(g, x);
    const uint32_t axes = ((1u << s.rank) - 1) & ~(1u << axis);
    const value all = op_broadcast(g, lowering_expand(b, counts, s.rank - 1), &s);
    const value sum = op_reduce(g, REDUCE_SUM, op_select(g, all, x, none), axes, true);
    const unary_attributes shift = {UNARY_AFFINE, 1, COUNT_EPSILON, 0};
    const value count =
        op_unary_with(g, shift, op_reduce(g, REDUCE_SUM, build_f32(b, all), axes, true));
    const value around = op_div(g, sum, count);
    const value apart = op_select(g, all, op_sub(g, x, around), none);
    const value squares = op_reduce(g, REDUCE_SUM, op_unary(g, UNARY_SQUARE, apart), axes, true);
    const value spread = op_div(g, squares, count);

    *mean = lowering_reshape(b, around, 1, &s.dims[axis]);
    *variance = lowering_reshape(b, spread, 1, &s.dims[axis]);
}

/* moving * momentum + of_batch * (1 - momentum), which it also returns. */
static value move_towards(layer_build *b, const char *name, value moving, value of_batch,
                          double momentum)
{
    graph *g = b->graph;
    const unary_attributes keep = {UNARY_AFFINE, (float)momentum, 0, 0};
    const unary_attributes take = {UNARY_AFFINE, (float)(1 - momentum), 0, 0};
    const value next = op_add(g, op_unary_with(g, keep, moving), op_unary_with(g, take, of_batch));

    build_update(b, name, next);
    return next;
}

/* -- renorm ------------------------------------------------------------------------------------
 */

static value limited(graph *g, const json *limits, const char *key, binary_kind kind, value v,
                     double sign)
{
    const json *limit = json_get(limits, key);

    if (json_is_null(limit)) return v;
    return op_binary(g, kind, v, graph_scalar(g, (float)(sign * json_number(limit, 0))));
}

/* x normalized by the batch is x * r + d for the moving statistics; no gradient passes r and d. */
static void renormalize(layer_build *b, const batch_normalization *c, value mean, value stddev,
                        channel_values *v)
{
    graph *g = b->graph;
    const json *limits = c->renorm_clipping;
    const value least = graph_scalar(g, sqrtf(c->epsilon));
    const value moving = op_binary(g, BINARY_MAX, v->renorm_stddev, least);
    value r = op_div(g, stddev, moving), d = op_div(g, op_sub(g, mean, v->renorm_mean), moving);

    r = limited(g, limits, "rmin", BINARY_MAX, r, 1);
    r = op_stop(g, limited(g, limits, "rmax", BINARY_MIN, r, 1));
    d = limited(g, limits, "dmax", BINARY_MAX, d, -1);
    d = op_stop(g, limited(g, limits, "dmax", BINARY_MIN, d, 1));
    if (v->gamma != VALUE_NONE) d = op_mul(g, d, v->gamma);
    v->gamma = v->gamma != VALUE_NONE ? op_mul(g, r, v->gamma) : r;
    v->beta = v->beta != VALUE_NONE ? op_add(g, d, v->beta) : d;
}

static void renorm_move(layer_build *b, const batch_normalization *c, value mean, value stddev,
                        const channel_values *v)
{
    graph *g = b->graph;
    const unary_attributes less = {UNARY_AFFINE, 1, -c->epsilon, 0};

    move_towards(b, "renorm_mean", v->renorm_mean, mean, c->renorm_momentum);
    move_towards(b, "renorm_stddev", v->renorm_stddev, stddev, c->renorm_momentum);
    move_towards(b, "moving_mean", v->mean, mean, c->momentum);
    const value next = move_towards(b, "moving_stddev", v->moving_stddev, stddev, c->momentum);
    const value square = op_unary_with(g, less, op_unary(g, UNARY_SQUARE, next));
    build_update(b, "moving_variance", op_binary(g, BINARY_MAX, square, graph_scalar(g, 0)));
}

/* -- training ----------------------------------------------------------------------------------
 */

static bool batch_statistics(layer_build *b, const batch_normalization *c, value x, uint32_t axis,
                             value mask, channel_values *v)
{
    graph *g = b->graph;
    value mean = VALUE_NONE, variance = VALUE_NONE;

    if (!graph_ok(g)) return false;
    const uint32_t rank = graph_rank(g, x), axes = ((1u << rank) - 1) & ~(1u << axis);
    if (axes == 0)
        return layer_fail(b, EBB_E_SHAPE, "training: expected an input of rank 2 or more");
    if (mask == VALUE_NONE) {
        batch_moments(g, x, axes, &mean, &variance);
    } else if (graph_rank(g, mask) + 1 == rank) {
        masked_moments(b, x, op_cast(g, mask, EBB_BOOL), axis, &mean, &variance);
    } else {
        return layer_fail(b, EBB_E_SHAPE, "expected a mask of rank %" PRIu32 ", got %" PRIu32,
                          rank - 1, graph_rank(g, mask));
    }
    if (c->renorm) {
        const unary_attributes shift = {UNARY_AFFINE, 1, c->epsilon, 0};
        const value stddev = op_unary(g, UNARY_SQRT, op_unary_with(g, shift, variance));
        const channel_values moving = *v;
        renormalize(b, c, mean, stddev, v);
        renorm_move(b, c, mean, stddev, &moving);
    } else {
        move_towards(b, "moving_mean", v->mean, mean, c->momentum);
        move_towards(b, "moving_variance", v->variance, variance, c->momentum);
    }
    v->mean = mean;
    v->variance = variance;
    return graph_ok(g);
}

/* -- the layer ---------------------------------------------------------------------------------
 */

static value normalized(layer_build *b, const batch_normalization *c, value x, uint32_t at,
                        const channel_values *v)
{
    graph *g = b->graph;
    const unary_attributes shift = {UNARY_AFFINE, 1, c->epsilon, 0};
    value scale = op_unary(g, UNARY_RSQRT, op_unary_with(g, shift, v->variance));

    if (v->gamma != VALUE_NONE) scale = op_mul(g, scale, v->gamma);
    value offset = op_mul(g, v->mean, scale);
    offset = v->beta != VALUE_NONE ? op_sub(g, v->beta, offset) : op_unary(g, UNARY_NEG, offset);
    if (!graph_ok(g)) return VALUE_NONE;
    const uint32_t rank = graph_rank(g, x);
    const value y = op_mul(g, x, lowering_align(b, scale, rank, at));
    return op_add(g, y, lowering_align(b, offset, rank, at));
}

static bool axis_read(layer_build *b, const json *axis, value x, int *result)
{
    const json *number =
        axis != NULL && axis->kind == JSON_ARRAY && axis->count == 1 ? json_item(axis, 0) : axis;

    if (number != NULL && number->kind == JSON_ARRAY) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "axis: expected one axis, got %" PRIu32,
                          number->count);
    }
    *result = build_axis(b, x, json_integer(number, -1));
    return *result >= 0;
}

/* An image with its channels in front is turned around, like the convolutions beside it: the turns
 * cancel out. The statistics see it as it came, because masks do. */
static bool batch_normalization_build(layer_build *b, const void *config, layer_call *call)
{
    const batch_normalization *c = config;
    channel_values v;
    int axis = 0;
    value x = lowering_input_f32(b, call, 1, EBB_RANK_MAX);

    if (x == VALUE_NONE || !axis_read(b, c->axis, x, &axis)) return false;
    lowering_pass_mask(call);
    const int64_t channels = build_known_dim(b, x, axis, "channels");
    if (channels < 0) return false;
    weights_make(b, c, channels, &v);
    if (b->is_training && b->instance->trainable &&
        !batch_statistics(b, c, x, (uint32_t)axis, call->outputs[0].mask, &v))
        return false;
    if (!graph_ok(b->graph)) return false;
    const uint32_t rank = graph_rank(b->graph, x);
    const bool is_turned = axis == 1 && rank >= 4;
    if (is_turned) x = build_channels_last(b, x);
    value y = normalized(b, c, x, is_turned ? rank - 1 : (uint32_t)axis, &v);
    if (is_turned && graph_ok(b->graph)) y = build_channels_first(b, y);
    return lowering_done(b, call, y);
}

const layer_def layer_def_batch_normalization = {
    "BatchNormalization",
    "normalization",
    "BatchNormalizationV1|BatchNormalizationV2|SyncBatchNormalization",
    sizeof(batch_normalization),
    batch_normalization_fields,
    MASK_OWN,
    batch_normalization_build};
