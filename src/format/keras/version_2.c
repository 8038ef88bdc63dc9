/* version_2.c -- what Keras 2 and tf.keras 2 wrote (and Keras 1 after version_1.c), in Keras 3's
 * terms.
 *
 * Defaults that changed are written out: recurrent_activation was hard_sigmoid and GRU's
 * reset_after False where a config does not say. hard_sigmoid itself was clip(0.2 x + 0.5, 0, 1);
 * Keras 3's is relu6(x + 3) / 6.
 * Source: get_config() of tf_keras and Keras 2.2.4; keras/src layers' constructors. */
#include "format/keras/upgrade.h"

#include <math.h>
#include <string.h>

#define GATED "|LSTM|GRU|LSTMCell|GRUCell|ConvLSTM1D|ConvLSTM2D|ConvLSTM3D|"

static const class_rename classes[] = {
    {"BatchNormalizationV1", "BatchNormalization"},
    {"BatchNormalizationV2", "BatchNormalization"},
    {"CuDNNLSTM", "LSTM"}, /* told by the shapes of its weights: see legacy_weights.h */
    {"CuDNNGRU", "GRU"},
    {"LeakyRelu", "LeakyReLU"},
    {"MaxPool1D", "MaxPooling1D"},
    {"MaxPool2D", "MaxPooling2D"},
    {"MaxPool3D", "MaxPooling3D"},
    {"AvgPool1D", "AveragePooling1D"},
    {"AvgPool2D", "AveragePooling2D"},
    {"AvgPool3D", "AveragePooling3D"},
    {"Convolution2DTranspose", "Conv2DTranspose"},
    {NULL, NULL},
};

static const field_rename fields[] = {
    {"|InputLayer|", "type_spec", NULL},
    {"|BatchNormalization|", "virtual_batch_size", NULL},
    {"|BatchNormalization|", "fused", NULL},
    {"|SeparableConv1D|SeparableConv2D|DepthwiseConv1D|DepthwiseConv2D|", "kernel_initializer",
     NULL},
    {"|SeparableConv1D|SeparableConv2D|DepthwiseConv1D|DepthwiseConv2D|", "kernel_regularizer",
     NULL},
    {"|SeparableConv1D|SeparableConv2D|DepthwiseConv1D|DepthwiseConv2D|", "kernel_constraint",
     NULL},
    {"|MultiHeadAttention|", "query_shape", NULL},
    {"|MultiHeadAttention|", "key_shape", NULL},
    {"|MultiHeadAttention|", "value_shape", NULL},
    {NULL, NULL, NULL},
};

static void hard_sigmoid(upgrade_layer *layer)
{
    static const char *const keys[] = {"activation", "recurrent_activation"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json *value = edit_get(&layer->config, keys[i]);
        if (json_is_text(json_get(value, "class_name"), "function"))
            value = json_get(value, "config");
        if (json_is_text(value, "hard_sigmoid")) {
            edit_set(&layer->config, keys[i], json_of_text("hard_sigmoid_keras2"));
        }
    }
}

/* CuDNN layers name no activations: theirs are fixed. They alone have no recurrent_activation and
 * no activation. */
static void gates(upgrade_layer *layer)
{
    const bool is_cudnn = edit_get(&layer->config, "activation") == NULL &&
                          edit_get(&layer->config, "recurrent_activation") == NULL &&
                          edit_get(&layer->config, "recurrent_initializer") != NULL;
    if (edit_get(&layer->config, "recurrent_activation") == NULL) {
        const char *name = is_cudnn ? "sigmoid" : "hard_sigmoid";
        edit_set(&layer->config, "recurrent_activation", json_of_text(name));
    }
    if (!name_in("|GRU|GRUCell|", layer->class_name)) return;
    if (edit_get(&layer->config, "reset_after") == NULL) {
        edit_set(&layer->config, "reset_after", json_of_boolean(is_cudnn));
    }
}

static void batch_normalization(upgrade_layer *layer)
{
    const json *axis = edit_get(&layer->config, "axis");
    if (axis != NULL && axis->kind == JSON_ARRAY && axis->count == 1) {
        edit_set(&layer->config, "axis", axis->as.items[0]);
    }
    if (!json_boolean(edit_get(&layer->config, "renorm"), false)) {
        edit_remove(&layer->config, "renorm_clipping");
        edit_remove(&layer->config, "renorm_momentum");
    }
}

static void synchronized_normalization(upgrade_layer *layer)
{
    layer->class_name = "BatchNormalization";
    edit_set(&layer->config, "synchronized", json_of_boolean(true));
    batch_normalization(layer);
}

/* y = x where x > theta, else 0. ReLU passes x >= threshold, so the threshold is the next float
 * above. */
static void thresholded_relu(upgrade_layer *layer)
{
    const double theta = json_number(edit_get(&layer->config, "theta"), 1.0);
    layer->class_name = "ReLU";
    edit_remove(&layer->config, "theta");
    edit_set(&layer->config, "threshold", json_of_number(nextafterf((float)theta, INFINITY)));
    edit_set(&layer->config, "negative_slope", json_of_number(0));
}

/* Some versions kept the dtype of the input here; the layer's own is a float type. */
static void embedding_dtype(upgrade_layer *layer)
{
    const char *dtype = json_text(edit_get(&layer->config, "dtype"), "");
    if (strncmp(dtype, "int", 3) == 0 || strncmp(dtype, "uint", 4) == 0) {
        edit_set(&layer->config, "dtype", json_of_text("float32"));
    }
}

/* [[a], [b]] was allowed for [a, b]. */
static json dot_axes(region *home, const json *axes, bool *failed)
{
    if (axes == NULL) return json_of_integer(-1);
    if (axes->kind != JSON_ARRAY) return *axes;
    json *items = json_items_new(home, axes->count);
    if (items == NULL) {
        *failed = true;
        return *axes;
    }
    for (uint32_t i = 0; i < axes->count; i++) {
        const json *item = &axes->as.items[i];
        items[i] = item->kind == JSON_ARRAY && item->count == 1 ? item->as.items[0] : *item;
    }
    return json_of_array(items, axes->count);
}

/* The old layer of many modes. `cos` (it added an axis) and functions keep the old name, which is
 * refused. */
static void merge(upgrade_layer *layer)
{
    static const class_rename modes[] = {
        {"sum", "Add"},     {"mul", "Multiply"},       {"ave", "Average"},
        {"max", "Maximum"}, {"concat", "Concatenate"}, {"dot", "Dot"},
    };
    config_edit *config = &layer->config;
    const char *mode = json_text(edit_get(config, "mode"), "");
    const json *axis = edit_get(config, "concat_axis"), *axes = edit_get(config, "dot_axes");
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(mode, modes[i].from) != 0) continue;
        config_edit fresh;
        edit_begin(&fresh, config->home, NULL);
        if (edit_get(config, "name") != NULL) edit_set(&fresh, "name", *edit_get(config, "name"));
        if (strcmp(mode, "concat") == 0)
            edit_set(&fresh, "axis", axis == NULL ? json_of_integer(-1) : *axis);
        if (strcmp(mode, "dot") == 0) {
            bool failed = false;
            const json value = dot_axes(config->home, axes, &failed);
            edit_set(&fresh, "axes", value);
            fresh.failed |= failed;
        }
        fresh.failed |= config->failed;
        layer->class_name = modes[i].to;
        *config = fresh;
        return;
    }
}

static const class_conversion conversions[] = {
    {"|Merge|", merge},
    {GATED, gates},
    {NULL, hard_sigmoid},
    {"|BatchNormalization|", batch_normalization},
    {"|SyncBatchNormalization|", synchronized_normalization},
    {"|ThresholdedReLU|", thresholded_relu},
    {"|Embedding|", embedding_dtype},
    {NULL, NULL},
};

const version_table version_2_table = {classes, fields, conversions};
