/* residual_scale.c -- LayerScale and StochasticDepth of ConvNeXt, CustomScaleLayer of
 * InceptionResNetV2: layers that these architectures bring along. Files name them by themselves;
 * they are not in keras.layers.
 *
 * Source: Keras 3, keras/src/applications/convnext.py and inception_resnet_v2.py. */
#include "layer/lowering.h"

#include <inttypes.h>

typedef struct residual_scale {
    double number; /* initial value, share that is dropped, factor */
    int64_t channels;
} residual_scale;

static const layer_field layer_scale_fields[] = {
    {"init_values", FIELD_F64, offsetof(residual_scale, number), true, 0, NULL},
    {"projection_dim", FIELD_I64, offsetof(residual_scale, channels), true, 0, NULL},
    FIELD_END,
};
static const layer_field stochastic_depth_fields[] = {
    {"drop_path_rate", FIELD_F64, offsetof(residual_scale, number), true, 0, NULL},
    FIELD_END,
};
static const layer_field custom_scale_fields[] = {
    {"scale", FIELD_F64, offsetof(residual_scale, number), true, 0, NULL},
    FIELD_END,
};

/* x * gamma */
static bool layer_scale_build(layer_build *b, const void *config, layer_call *call)
{
    const residual_scale *c = config;
    const value x = lowering_input_f32(b, call, 1, EBB_RANK_MAX);

    if (x == VALUE_NONE) return false;
    if (c->channels <= 0) {
        return layer_fail(b, EBB_E_FORMAT,
                          "projection_dim: expected a positive number, got %" PRId64, c->channels);
    }
    const value gamma = build_weight(b, "gamma", 1, &c->channels, NULL);
    return lowering_done(b, call, op_mul(b->graph, x, gamma));
}

/* Dropout of whole items. */
static bool stochastic_depth_build(layer_build *b, const void *config, layer_call *call)
{
    const residual_scale *c = config;

    if (!b->is_training || c->number == 0) return lowering_identity(b, config, call);
    if (!(c->number > 0 && c->number < 1)) {
        return layer_fail(b, EBB_E_FORMAT,
                          "drop_path_rate: expected a number from 0 to below 1, got %g", c->number);
    }
    const value x = lowering_input_f32(b, call, 1, EBB_RANK_MAX);
    if (x == VALUE_NONE) return false;
    shape noise = *graph_shape(b->graph, x);
    for (uint32_t i = 1; i < noise.rank; i++) noise.dims[i] = 1;
    return lowering_done(b, call, build_dropout(b, x, c->number, &noise));
}

/* inputs[0] + inputs[1] * scale */
static bool custom_scale_build(layer_build *b, const void *config, layer_call *call)
{
    const residual_scale *c = config;
    graph *g = b->graph;

    if (call->input_count != 2) {
        return layer_fail(b, EBB_E_SHAPE, "expected two inputs, got %" PRIu32, call->input_count);
    }
    const value x = build_f32(b, call->inputs[0].v), branch = build_f32(b, call->inputs[1].v);
    const value scaled = op_mul(g, branch, graph_scalar(g, (float)c->number));
    return lowering_done(b, call, op_add(g, x, scaled));
}

#define RESIDUAL_SCALE(id, class_name, fields, build)                                              \
    const layer_def layer_def_##id = {class_name, "core",     NULL, sizeof(residual_scale),        \
                                      fields,     MASK_DROPS, build};

RESIDUAL_SCALE(layer_scale, "LayerScale", layer_scale_fields, layer_scale_build)
RESIDUAL_SCALE(stochastic_depth, "StochasticDepth", stochastic_depth_fields, stochastic_depth_build)
RESIDUAL_SCALE(custom_scale_layer, "CustomScaleLayer", custom_scale_fields, custom_scale_build)
