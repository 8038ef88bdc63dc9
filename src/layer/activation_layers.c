/* activation_layers.c -- Activation, ReLU, LeakyReLU, ELU, PReLU, Softmax, ThresholdedReLU.
 *
 * Source: Keras 3, keras/src/layers/activations/ and keras/src/activations/; ThresholdedReLU:
 * tf_keras. */
#include "layer/lowering.h"

#include <math.h>

/* -- Activation -------------------------------------------------------------------------------- */

typedef struct activation_layer {
    activation activation;
} activation_layer;

static const layer_field activation_fields[] = {
    {"activation", FIELD_ACTIVATION, offsetof(activation_layer, activation), true, 0, NULL},
    FIELD_END,
};

static bool activation_layer_build(layer_build *b, const void *config, layer_call *call)
{
    const activation_layer *c = config;
    const value x = lowering_input_f32(b, call, 0, EBB_RANK_MAX);

    if (x == VALUE_NONE) return false;
    return lowering_done(b, call, activation_build(b->graph, &c->activation, x));
}

const layer_def layer_def_activation = {
    "Activation", "activation",          NULL, sizeof(activation_layer), activation_fields,
    MASK_PASSES,  activation_layer_build};

/* -- ReLU -------------------------------------------------------------------------------------- */

typedef struct relu {
    const json *max_value, *negative_slope, *threshold;
} relu;

static const layer_field relu_fields[] = {
    {"max_value", FIELD_JSON, offsetof(relu, max_value), false, 0, NULL},
    {"negative_slope", FIELD_JSON, offsetof(relu, negative_slope), false, 0, NULL},
    {"threshold", FIELD_JSON, offsetof(relu, threshold), false, 0, NULL},
    FIELD_END,
};

/* Keras lets through only what is above the threshold, and clips at 0 too once there is a maximum.
 */
static value relu_threshold(layer_build *b, value x, float slope, float threshold, float max)
{
    graph *g = b->graph;
    const value zero = graph_scalar(g, 0.0f);
    const value above = op_compare(g, COMPARE_GREATER, x, graph_scalar(g, threshold));
    value y = op_select(g, above, x, zero);

    if (!isinf(max)) y = op_unary_with(g, (unary_attributes){UNARY_CLIP, 0.0f, max, 0.0f}, y);
    if (slope == 0.0f) return y;
    const value below =
        op_unary_with(g, (unary_attributes){UNARY_AFFINE, -1.0f, threshold, 0.0f}, x);
    return op_sub(
        g, y,
        op_mul(g, graph_scalar(g, slope),
               op_unary_with(g, (unary_attributes){UNARY_RELU, 0.0f, 0.0f, INFINITY}, below)));
}

static bool relu_build(layer_build *b, const void *config, layer_call *call)
{
    const relu *c = config;
    const value x = lowering_input_f32(b, call, 0, EBB_RANK_MAX);
    const float max = (float)lowering_number(b, c->max_value, INFINITY, "max_value");
    const float slope = (float)lowering_number(b, c->negative_slope, 0, "negative_slope");
    const float threshold = (float)lowering_number(b, c->threshold, 0, "threshold");

    if (x == VALUE_NONE || !graph_ok(b->graph)) return false;
    if (threshold != 0.0f)
        return lowering_done(b, call, relu_threshold(b, x, slope, threshold, max));
    const unary_attributes attributes = {UNARY_RELU, slope, 0.0f, max};
    return lowering_done(b, call, op_unary_with(b->graph, attributes, x));
}

const layer_def layer_def_relu = {"ReLU",      "activation", NULL,      sizeof(relu),
                                  relu_fields, MASK_PASSES,  relu_build};

/* -- LeakyReLU, ELU, ThresholdedReLU: one number each ------------------------------------------ */

typedef struct one_number {
    const json *number;
} one_number;

static const layer_field leaky_relu_fields[] = {
    {"negative_slope", FIELD_JSON, offsetof(one_number, number), false, 0, NULL},
    FIELD_END,
};
static const layer_field elu_fields[] = {
    {"alpha", FIELD_JSON, offsetof(one_number, number), false, 0, NULL},
    FIELD_END,
};
static const layer_field thresholded_relu_fields[] = {
    {"theta", FIELD_JSON, offsetof(one_number, number), false, 0, NULL},
    FIELD_END,
};

static bool unary_build(layer_build *b, layer_call *call, unary_attributes attributes)
{
    const value x = lowering_input_f32(b, call, 0, EBB_RANK_MAX);

    if (x == VALUE_NONE) return false;
    return lowering_done(b, call, op_unary_with(b->graph, attributes, x));
}

static bool leaky_relu_build(layer_build *b, const void *config, layer_call *call)
{
    const one_number *c = config;
    const double slope = lowering_number(b, c->number, 0.3, "negative_slope");

    return unary_build(b, call, (unary_attributes){UNARY_RELU, (float)slope, 0.0f, INFINITY});
}

static bool elu_build(layer_build *b, const void *config, layer_call *call)
{
    const one_number *c = config;
    const double alpha = lowering_number(b, c->number, 1.0, "alpha");

    return unary_build(b, call, (unary_attributes){UNARY_ELU, (float)alpha, 0.0f, 0.0f});
}

static bool thresholded_relu_build(layer_build *b, const void *config, layer_call *call)
{
    const one_number *c = config;
    const double theta = lowering_number(b, c->number, 1.0, "theta");

    return unary_build(b, call, (unary_attributes){UNARY_THRESHOLD, (float)theta, 0.0f, 0.0f});
}

const layer_def layer_def_leaky_relu = {"LeakyReLU",        "activation",      NULL,
                                        sizeof(one_number), leaky_relu_fields, MASK_PASSES,
                                        leaky_relu_build};
const layer_def layer_def_elu = {"ELU",      "activation", NULL,     sizeof(one_number),
                                 elu_fields, MASK_PASSES,  elu_build};
const layer_def layer_def_thresholded_relu = {
    "ThresholdedReLU", "activation",          NULL, sizeof(one_number), thresholded_relu_fields,
    MASK_PASSES,       thresholded_relu_build};

/* -- PReLU: x where positive, alpha * x elsewhere; alpha is learned per position --------------- */

typedef struct prelu {
    int_list shared_axes;
} prelu;

static const layer_field prelu_fields[] = {
    {"shared_axes", FIELD_INTS, offsetof(prelu, shared_axes), false, 0, NULL},
    FIELD_INITIALIZER(alpha_initializer),
    FIELD_END,
};

static bool prelu_build(layer_build *b, const void *config, layer_call *call)
{
    const prelu *c = config;
    graph *g = b->graph;
    const value x = lowering_input_f32(b, call, 2, EBB_RANK_MAX);
    int64_t dims[EBB_RANK_MAX];
    uint32_t shared = 0;

    if (x == VALUE_NONE) return false;
    for (uint32_t i = 0; i < c->shared_axes.count; i++) {
        const int axis = build_axis(b, x, c->shared_axes.items[i]);
        if (axis < 0) return false;
        shared |= 1u << axis;
    }
    const uint32_t rank = graph_rank(g, x);
    for (uint32_t i = 1; i < rank; i++) {
        dims[i - 1] = shared >> i & 1 ? 1 : build_known_dim(b, x, (int)i, "axis of alpha");
        if (dims[i - 1] < 0) return false;
    }
    const value alpha = build_weight(b, "alpha", rank - 1, dims, NULL);
    const value above = op_unary_with(g, (unary_attributes){UNARY_RELU, 0.0f, 0.0f, INFINITY}, x);
    const value below = op_binary(g, BINARY_MIN, x, graph_scalar(g, 0.0f));
    return lowering_done(b, call, op_add(g, above, op_mul(g, alpha, below)));
}

const layer_def layer_def_prelu = {"PReLU",      "activation", NULL,       sizeof(prelu),
                                   prelu_fields, MASK_PASSES,  prelu_build};

/* -- Softmax ----------------------------------------------------------------------------------- */

typedef struct softmax_layer {
    const json *axis;
} softmax_layer;

static const layer_field softmax_fields[] = {
    {"axis", FIELD_JSON, offsetof(softmax_layer, axis), false, 0, NULL},
    FIELD_END,
};

/* Where the mask is off: out of the distribution, and exactly zero after it. */
static bool softmax_build(layer_build *b, const void *config, layer_call *call)
{
    const softmax_layer *c = config;
    graph *g = b->graph;
    value x = lowering_input_f32(b, call, 1, EBB_RANK_MAX);
    const uint32_t axes = x == VALUE_NONE ? 0 : lowering_axes(b, x, c->axis, -1);
    value mask = lowering_mask(call, 1);

    if (axes == 0) return false;
    lowering_pass_mask(call);
    if (mask == VALUE_NONE) return lowering_done(b, call, op_softmax(g, x, axes, false));
    if (graph_value(g, mask)->dtype != EBB_BOOL) {
        mask = op_compare(g, COMPARE_GREATER, build_f32(b, mask), graph_scalar(g, 0.5f));
    }
    if (graph_rank(g, mask) > graph_rank(g, x)) {
        return layer_fail(b, EBB_E_SHAPE, "the mask has more axes than the input");
    }
    x = op_softmax(g, op_select(g, mask, x, graph_scalar(g, -1e9f)), axes, false);
    return lowering_done(b, call, op_select(g, mask, x, graph_scalar(g, 0.0f)));
}

const layer_def layer_def_softmax = {
    "Softmax", "activation", NULL, sizeof(softmax_layer), softmax_fields, MASK_OWN, softmax_build};
