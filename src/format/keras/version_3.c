/* version_3.c -- what every file passes last: fields that say nothing about the result are
 * removed, and dtype policies are written as their name where one word says it all.
 *
 * Source: keras/src/saving, keras/src/dtype_policies; the constructors of keras/src/layers. */
#include "format/keras/upgrade.h"

#include <string.h>

static const class_rename classes[] = {
    {"GroupedQueryAttention", "GroupQueryAttention"}, /* as .h5 files call it */
    {NULL, NULL},
};

static const field_rename fields[] = {
    {"|LeakyReLU|", "alpha", "negative_slope"},
    {"|InputLayer|", "batch_input_shape", "batch_shape"},
    {NULL, "batch_input_shape", NULL},
    {NULL, "implementation", NULL},
    {NULL, "use_cudnn", NULL},
    {NULL, "input_length", NULL},
    {"|LSTM|GRU|SimpleRNN|Dense|Conv1D|", "input_dim", NULL},
    {NULL, "input_shape", NULL},
    {"|DepthwiseConv1D|DepthwiseConv2D|", "groups", NULL},
    {"|SeparableConv1D|SeparableConv2D|", "groups", NULL},
    {NULL, "autocast", NULL},
    {NULL, NULL, NULL},
};

/* Removes what layers of newer versions do not know, when it says what they do anyway. */
static void plain_values(upgrade_layer *layer)
{
    static const char *const falses[] = {
        "time_major",         "ragged", "sparse", "dynamic", "softmax_robust_masking", "causal",
        "reverse_state_order"};
    for (size_t i = 0; i < sizeof falses / sizeof falses[0]; i++) {
        const json *value = edit_get(&layer->config, falses[i]);
        if (value != NULL && !json_boolean(value, false)) edit_remove(&layer->config, falses[i]);
    }
    if (json_integer(edit_get(&layer->config, "num_constants"), 0) == 0) {
        edit_remove(&layer->config, "num_constants");
    }
    const json *data_format = edit_get(&layer->config, "data_format");
    if (data_format != NULL && json_is_null(data_format))
        edit_remove(&layer->config, "data_format");
}

static void single_group(upgrade_layer *layer)
{
    if (json_integer(edit_get(&layer->config, "groups"), 1) == 1)
        edit_remove(&layer->config, "groups");
}

static void dtype_policy(upgrade_layer *layer)
{
    const json *dtype = edit_get(&layer->config, "dtype");
    const char *class_name = json_text(json_get(dtype, "class_name"), "");
    const char *name = json_text(json_path(dtype, "config.name"), NULL);
    if (name != NULL && name_in("|DTypePolicy|FloatDTypePolicy|Policy|PolicyV1|", class_name)) {
        edit_set(&layer->config, "dtype", json_of_text(name));
    }
}

static const class_conversion conversions[] = {
    {NULL, plain_values},
    {"|Conv1DTranspose|Conv2DTranspose|Conv3DTranspose|ConvLSTM1D|ConvLSTM2D|ConvLSTM3D|",
     single_group},
    {NULL, dtype_policy},
    {NULL, NULL},
};

const version_table version_3_table = {classes, fields, conversions};
