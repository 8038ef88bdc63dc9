/* regularization.c -- Dropout and its kin: what they get is what they give at inference, and what
 * they make of it in training.
 *
 * Source: Keras 3, keras/src/layers/regularization/. */
#include "layer/lowering.h"

#include <math.h>

/* The alpha and scale of SELU. */
#define SELU_ALPHA 1.6732632423543772848170429916717
#define SELU_SCALE 1.0507009873554804934193349852946

typedef struct regularization {
    double rate, stddev;
    int_list noise_shape; /* null: as the input */
    uint32_t data_format;
} regularization;

static const layer_field dropout_fields[] = {
    {"rate", FIELD_F64, offsetof(regularization, rate), false, 0, NULL},
    {"noise_shape", FIELD_INTS, offsetof(regularization, noise_shape), false, 0, NULL},
    FIELD_DATA_FORMAT(regularization),
    FIELD_END,
};
static const layer_field noise_fields[] = {
    {"stddev", FIELD_F64, offsetof(regularization, stddev), false, 0, NULL},
    FIELD_END,
};
static const layer_field activity_fields[] = {
    FIELD_UNUSED("l1"),
    FIELD_UNUSED("l2"),
    FIELD_END,
};

/* -- shapes of the noise ------------------------------------------------------------------------
 */

/* One number for a whole channel of an item. */
static shape channel_noise(const graph *g, value x, bool is_first)
{
    shape s = *graph_shape(g, x);
    const uint32_t channels = is_first ? 1 : s.rank - 1;

    for (uint32_t i = 1; i < s.rank; i++) {
        if (i != channels) s.dims[i] = 1;
    }
    return s;
}

/* -- layers -------------------------------------------------------------------------------------
 */

/* The input where there is something to do: training, and a positive rate. *is_off: nothing. */
static value active_input(layer_build *b, const layer_call *call, const char *key, double rate,
                          bool *is_off)
{
    *is_off = !b->is_training || rate == 0;
    if (*is_off) return VALUE_NONE;
    if (rate > 0 && rate <= 1) return lowering_input_f32(b, call, 1, EBB_RANK_MAX);
    layer_fail(b, EBB_E_FORMAT, "%s: expected a number from 0 to 1, got %g", key, rate);
    return VALUE_NONE;
}

static bool dropout_build(layer_build *b, const void *config, layer_call *call)
{
    const regularization *c = config;
    bool is_off;
    const value x = active_input(b, call, "rate", c->rate, &is_off);
    shape noise;

    if (is_off) return lowering_identity(b, config, call);
    if (x == VALUE_NONE || !lowering_noise(b, &c->noise_shape, x, &noise)) return false;
    return lowering_done(b, call, build_dropout(b, x, c->rate, &noise));
}

static bool spatial_build(layer_build *b, const regularization *c, layer_call *call, uint32_t rank)
{
    bool is_off;
    const value x = active_input(b, call, "rate", c->rate, &is_off);

    if (is_off) return lowering_identity(b, c, call);
    if (x == VALUE_NONE || lowering_input(b, call, rank, rank) == VALUE_NONE) return false;
    const shape noise = channel_noise(b->graph, x, rank > 3 && c->data_format == CHANNELS_FIRST);
    return lowering_done(b, call, build_dropout(b, x, c->rate, &noise));
}

static bool spatial1d_build(layer_build *b, const void *config, layer_call *call)
{
    return spatial_build(b, config, call, 3);
}

static bool spatial2d_build(layer_build *b, const void *config, layer_call *call)
{
    return spatial_build(b, config, call, 4);
}

static bool spatial3d_build(layer_build *b, const void *config, layer_call *call)
{
    return spatial_build(b, config, call, 5);
}

static value normal_like(layer_build *b, value x, double mean, double stddev)
{
    const random_attributes normal = {.kind = RANDOM_NORMAL,
                                      .to = *graph_shape(b->graph, x),
                                      .low = (float)mean,
                                      .high = (float)stddev};
    return build_random(b, &normal);
}

static bool gaussian_dropout_build(layer_build *b, const void *config, layer_call *call)
{
    const regularization *c = config;
    bool is_off;
    const value x = active_input(b, call, "rate", c->rate, &is_off);

    if (is_off) return lowering_identity(b, config, call);
    if (x == VALUE_NONE) return false;
    if (c->rate == 1) return layer_fail(b, EBB_E_UNSUPPORTED, "rate: 1 is noise without a limit");
    const double stddev = sqrt(c->rate / (1 - c->rate));
    return lowering_done(b, call, op_mul(b->graph, x, normal_like(b, x, 1, stddev)));
}

static bool gaussian_noise_build(layer_build *b, const void *config, layer_call *call)
{
    const regularization *c = config;
    bool is_off;
    const value x = active_input(b, call, "stddev", c->stddev, &is_off);

    if (is_off) return lowering_identity(b, config, call);
    if (x == VALUE_NONE) return false;
    return lowering_done(b, call, op_add(b->graph, x, normal_like(b, x, 0, c->stddev)));
}

/* What is dropped becomes the lowest value of SELU; then mean and variance are restored. */
static bool alpha_dropout_build(layer_build *b, const void *config, layer_call *call)
{
    const regularization *c = config;
    const double lowest = -SELU_ALPHA * SELU_SCALE;
    graph *g = b->graph;
    bool is_off;
    const value x = active_input(b, call, "rate", c->rate, &is_off);
    shape noise;

    if (is_off) return lowering_identity(b, config, call);
    if (x == VALUE_NONE || !lowering_noise(b, &c->noise_shape, x, &noise)) return false;
    if (c->rate == 1) return layer_fail(b, EBB_E_UNSUPPORTED, "rate: 1 leaves nothing to restore");
    const double scale = 1 / sqrt((1 - c->rate) * (1 + c->rate * lowest * lowest));
    const unary_attributes restore = {UNARY_AFFINE, (float)scale,
                                      (float)(-scale * lowest * c->rate), 0};
    const random_attributes uniform = {.kind = RANDOM_UNIFORM, .to = noise, .low = 0, .high = 1};
    const value is_kept = op_compare(g, COMPARE_GREATER_EQUAL, build_random(b, &uniform),
                                     graph_scalar(g, (float)c->rate));
    const value y = op_select(g, is_kept, x, graph_scalar(g, (float)lowest));
    return lowering_done(b, call, op_unary_with(g, restore, y));
}

#define REGULARIZATION(id, class_name, fields, build)                                              \
    const layer_def layer_def_##id = {class_name, "regularization", NULL, sizeof(regularization),  \
                                      fields,     MASK_PASSES,      build};

REGULARIZATION(dropout, "Dropout", dropout_fields, dropout_build)
REGULARIZATION(spatial_dropout1d, "SpatialDropout1D", dropout_fields, spatial1d_build)
REGULARIZATION(spatial_dropout2d, "SpatialDropout2D", dropout_fields, spatial2d_build)
REGULARIZATION(spatial_dropout3d, "SpatialDropout3D", dropout_fields, spatial3d_build)
REGULARIZATION(gaussian_dropout, "GaussianDropout", dropout_fields, gaussian_dropout_build)
REGULARIZATION(alpha_dropout, "AlphaDropout", dropout_fields, alpha_dropout_build)
REGULARIZATION(gaussian_noise, "GaussianNoise", noise_fields, gaussian_noise_build)
/* The losses are made where those of activity regularizers are: build_training.c. */
REGULARIZATION(activity_regularization, "ActivityRegularization", activity_fields,
               lowering_identity)
