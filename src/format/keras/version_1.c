/* version_1.c -- what Keras 1 (1.0 to 1.2) wrote, in Keras 2's terms.
 *
 * Source: keras/legacy/interfaces.py of Keras 2.2.4, and the get_config() methods of Keras 1.2.2.
 */
#include "format/keras/upgrade.h"

#include <string.h>

#define CONV1D    "|Conv1D|"
#define CONV2D    "|Conv2D|Conv2DTranspose|SeparableConv2D|ConvLSTM2D|"
#define POOL1D    "|MaxPooling1D|AveragePooling1D|"
#define RECURRENT "|SimpleRNN|LSTM|GRU|ConvLSTM2D|"

static const class_rename classes[] = {
    {"Convolution1D", "Conv1D"},       {"Convolution2D", "Conv2D"},
    {"Convolution3D", "Conv3D"},       {"AtrousConvolution1D", "Conv1D"},
    {"AtrousConvolution2D", "Conv2D"}, {"AtrousConv1D", "Conv1D"},
    {"AtrousConv2D", "Conv2D"},        {"Deconvolution2D", "Conv2DTranspose"},
    {"Deconv2D", "Conv2DTranspose"},   {"SeparableConvolution2D", "SeparableConv2D"},
    {"TimeDistributedDense", "Dense"}, {NULL, NULL},
};

static const field_rename fields[] = {
    {NULL, "border_mode", "padding"},
    {NULL, "bias", "use_bias"},
    {"|Dense" RECURRENT, "output_dim", "units"},
    {"|Embedding|", "init", "embeddings_initializer"},
    {"|Embedding|", "W_regularizer", "embeddings_regularizer"},
    {"|Embedding|", "W_constraint", "embeddings_constraint"},
    {"|Embedding|", "dropout", NULL},
    {"|PReLU|", "init", "alpha_initializer"},
    {NULL, "init", "kernel_initializer"},
    {NULL, "W_regularizer", "kernel_regularizer"},
    {NULL, "W_constraint", "kernel_constraint"},
    {NULL, "b_regularizer", "bias_regularizer"},
    {NULL, "b_constraint", "bias_constraint"},
    {NULL, "U_regularizer", "recurrent_regularizer"},
    {NULL, "inner_init", "recurrent_initializer"},
    {NULL, "inner_activation", "recurrent_activation"},
    {NULL, "dropout_W", "dropout"},
    {NULL, "dropout_U", "recurrent_dropout"},
    {NULL, "forget_bias_init", NULL},
    {NULL, "consume_less", NULL},
    {NULL, "nb_filter", "filters"},
    {CONV1D, "filter_length", "kernel_size"},
    {CONV1D, "subsample_length", "strides"},
    {NULL, "subsample", "strides"},
    {NULL, "atrous_rate", "dilation_rate"},
    {"|Conv2DTranspose|", "output_shape", NULL},
    {POOL1D, "pool_length", "pool_size"},
    {POOL1D, "stride", "strides"},
    {"|UpSampling1D|", "length", "size"},
    {"|Dropout|SpatialDropout1D|SpatialDropout2D|SpatialDropout3D|GaussianDropout|", "p", "rate"},
    {"|GaussianNoise|", "sigma", "stddev"},
    {"|BatchNormalization|", "gamma_init", "gamma_initializer"},
    {"|BatchNormalization|", "beta_init", "beta_initializer"},
    {NULL, "input_dtype", "dtype"},
    {NULL, "weights", NULL},
    {NULL, NULL, NULL},
};

static void data_format(upgrade_layer *layer)
{
    const char *ordering = json_text(edit_get(&layer->config, "dim_ordering"), NULL);
    edit_remove(&layer->config, "dim_ordering");
    if (ordering == NULL) return;
    if (strcmp(ordering, "th") == 0) {
        edit_set(&layer->config, "data_format", json_of_text("channels_first"));
    } else if (strcmp(ordering, "tf") == 0) {
        edit_set(&layer->config, "data_format", json_of_text("channels_last"));
    }
}

/* Gathers single numbers ("nb_row", "nb_col") into one list. */
static void gather(upgrade_layer *layer, const char *const *from, uint32_t count, const char *to)
{
    json *items = json_items_new(layer->config.home, count);
    if (items == NULL) {
        layer->config.failed = true;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const json *value = edit_get(&layer->config, from[i]);
        if (json_is_null(value)) return;
        items[i] = *value;
    }
    for (uint32_t i = 0; i < count; i++) edit_remove(&layer->config, from[i]);
    edit_set(&layer->config, to, json_of_array(items, count));
}

static void kernel_size_2d(upgrade_layer *layer)
{
    gather(layer, (const char *const[]){"nb_row", "nb_col"}, 2, "kernel_size");
}

static void kernel_size_3d(upgrade_layer *layer)
{
    gather(layer, (const char *const[]){"kernel_dim1", "kernel_dim2", "kernel_dim3"}, 3,
           "kernel_size");
}

static void separable_initializers(upgrade_layer *layer)
{
    const json *value = edit_get(&layer->config, "kernel_initializer");
    if (value == NULL) return;
    const json initializer = *value;
    edit_set(&layer->config, "depthwise_initializer", initializer);
    edit_set(&layer->config, "pointwise_initializer", initializer);
    edit_remove(&layer->config, "kernel_initializer");
}

/* (top, bottom, left, right), or a dict of them, to ((top, bottom), (left, right)). */
static void padding_pairs(upgrade_layer *layer)
{
    static const char *const keys[] = {"top_pad", "bottom_pad", "left_pad", "right_pad"};
    const json *padding = edit_get(&layer->config, "padding");
    if (padding == NULL || (padding->kind != JSON_OBJECT && padding->kind != JSON_ARRAY)) return;
    if (padding->kind == JSON_ARRAY && padding->count != 4) return;
    json *numbers = json_items_new(layer->config.home, 4);
    json *pairs = json_items_new(layer->config.home, 2);
    if (numbers == NULL || pairs == NULL) {
        layer->config.failed = true;
        return;
    }
    for (uint32_t i = 0; i < 4; i++) {
        const json *item =
            padding->kind == JSON_ARRAY ? json_item(padding, i) : json_get(padding, keys[i]);
        numbers[i] = item == NULL ? json_of_integer(0) : *item;
    }
    pairs[0] = json_of_array(numbers, 2);
    pairs[1] = json_of_array(numbers + 2, 2);
    edit_set(&layer->config, "padding", json_of_array(pairs, 2));
}

static void padding_pair(upgrade_layer *layer)
{
    const json *padding = edit_get(&layer->config, "padding");
    if (padding == NULL || padding->kind != JSON_OBJECT) return;
    const json *left = json_get(padding, "left_pad"), *right = json_get(padding, "right_pad");
    json *items = json_items_new(layer->config.home, 2);
    if (items == NULL) {
        layer->config.failed = true;
        return;
    }
    items[0] = left == NULL ? json_of_integer(0) : *left;
    items[1] = right == NULL ? json_of_integer(0) : *right;
    edit_set(&layer->config, "padding", json_of_array(items, 2));
}

/* Modes 0 and 2 differ in training only. Mode 1 (per sample) stays, and is refused as an unknown
 * field. */
static void normalization_mode(upgrade_layer *layer)
{
    const int64_t mode = json_integer(edit_get(&layer->config, "mode"), 0);
    if (mode == 0 || mode == 2) edit_remove(&layer->config, "mode");
}

/* Regularizers were {"name": "WeightRegularizer", "l1", "l2"}, constraints {"name", "m", ...}. */
static void regularizers(upgrade_layer *layer)
{
    for (uint32_t i = 0; i < layer->config.count; i++) {
        json_member *m = &layer->config.members[i];
        const char *end = strstr(m->key, "_regularizer");
        const char *name = json_text(json_get(&m->value, "name"), NULL);
        if (end == NULL && strstr(m->key, "_constraint") == NULL) continue;
        if (name == NULL || json_get(&m->value, "class_name") != NULL) continue;
        config_edit inner, outer;
        json config, object;
        edit_begin(&inner, layer->config.home, &m->value);
        edit_remove(&inner, "name");
        edit_rename(&inner, "m", "max_value");
        bool good = edit_finish(&inner, &config);
        edit_begin(&outer, layer->config.home, NULL);
        edit_set(&outer, "class_name", json_of_text(end != NULL ? "L1L2" : name));
        edit_set(&outer, "config", config);
        good = edit_finish(&outer, &object) && good;
        if (!good) layer->config.failed = true;
        m->value = object;
    }
}

static const class_conversion conversions[] = {
    {NULL, data_format},
    {CONV2D, kernel_size_2d},
    {"|Conv3D|", kernel_size_3d},
    {"|SeparableConv2D|", separable_initializers},
    {"|ZeroPadding2D|", padding_pairs},
    {"|ZeroPadding1D|", padding_pair},
    {"|BatchNormalization|", normalization_mode},
    {NULL, regularizers},
    {NULL, NULL},
};

const version_table version_1_table = {classes, fields, conversions};
