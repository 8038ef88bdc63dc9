/* config_common.c -- the grammar of .h5 that Keras 2 (tf.keras) and Keras 3 both read: layers
 * without modules, calls as lists, fields by their older names.
 *
 * It has no words for operations, models in models, calls with several tensors beside each other,
 * and what Keras 3 added. hard_sigmoid is refused because the two compute it differently, and an
 * axis that is a list or null because Keras 3 loses it.
 * Source: keras/src/models/functional.py (deserialize_node), keras/src/legacy/saving/
 * saving_utils.py (model_from_config), layer constructors of tf_keras 2.21. */
#include <string.h>

#include "format/keras/config_writer.h"
#include "format/keras/upgrade.h"

/* A field that Keras 2 does not know. At `otherwise` it says nothing and is left out. */
typedef struct new_field {
    const char *classes, *key, *otherwise; /* classes: NULL = every class; otherwise: JSON */
} new_field;

static const new_field new_fields[] = {
    {NULL, "quantization_config", "null"},
    {NULL, "zero_output_for_mask", "false"},
    {"|Resizing|", "bounding_box_format", "xyxy"},
    {"|InputLayer|", "optional", "false"},
    {"|LayerNormalization|", "rms_scaling", "false"},
    {"|MultiHeadAttention|", "use_gate", "false"},
    {"|MultiHeadAttention|", "sliding_window", "null"},
    {"|MultiHeadAttention|ConvLSTM1D|ConvLSTM2D|ConvLSTM3D|", "seed", "null"},
    {"|CenterCrop|Resizing|ZeroPadding1D|", "data_format", "channels_last"},
    {"|Resizing|", "pad_to_aspect_ratio", "false"},
    {"|Resizing|", "fill_mode", "constant"},
    {"|Resizing|", "fill_value", "0"},
    {"|Resizing|", "antialias", "false"},
    {NULL, NULL, NULL},
};

static const field_rename old_names[] = {
    {"|InputLayer|", "batch_shape", "batch_input_shape"},
    {"|LeakyReLU|", "negative_slope", "alpha"},
    {NULL, NULL, NULL},
};

/* Classes that Keras 2 does not have, or that do something else there. */
static const char new_classes[] =
    "|AdaptiveAveragePooling1D|AdaptiveAveragePooling2D|AdaptiveAveragePooling3D|"
    "AdaptiveMaxPooling1D|AdaptiveMaxPooling2D|AdaptiveMaxPooling3D|AugMix|AutoContrast|"
    "ContrastLimitedAdaptiveHistogramEqualization|CutMix|Discretization|GroupQueryAttention|"
    "IntegerLookup|MaxNumBoundingBoxes|MelSpectrogram|MixUp|Pipeline|RMSNormalization|"
    "RandAugment|RandomBrightness|RandomColorDegeneration|RandomColorJitter|RandomContrast|"
    "RandomCrop|RandomElasticTransform|RandomErasing|RandomFlip|RandomGaussianBlur|"
    "RandomGrayscale|RandomHue|RandomInvert|RandomPerspective|RandomPosterization|"
    "RandomRotation|RandomSaturation|RandomSharpness|RandomShear|RandomTranslation|RandomZoom|"
    "ReversibleEmbedding|STFTSpectrogram|Solarization|StringLookup|TextVectorization|";

const char *common_part_class(const config_writer *c, const char *class_name)
{
    static const class_rename parts[] = {
        {"IdentityInitializer", "Identity"},
        {"OrthogonalInitializer", "Orthogonal"},
        {NULL, NULL},
    };

    for (const class_rename *r = parts; c->grammar == GRAMMAR_COMMON && r->from != NULL; r++) {
        if (strcmp(r->from, class_name) == 0) return r->to;
    }
    return class_name;
}

static bool is_value(const json *value, const char *text)
{
    switch (value->kind) {
    case JSON_NULL: return strcmp(text, "null") == 0;
    case JSON_BOOL: return strcmp(text, value->as.boolean ? "true" : "false") == 0;
    case JSON_INTEGER:
    case JSON_NUMBER: return strcmp(text, "0") == 0 && json_number(value, 1) == 0;
    case JSON_STRING: return strcmp(text, value->as.string) == 0;
    default: return false;
    }
}

static void value_check(config_writer *c, const char *key, const json *value)
{
    const bool is_activation =
        strcmp(key, "activation") == 0 || strcmp(key, "recurrent_activation") == 0;

    if (strcmp(key, "axis") == 0 && value->kind != JSON_INTEGER)
        config_refuse(c, "its axis is no single number");
    if (is_activation && value->kind == JSON_OBJECT) config_refuse(c, "its activation is a layer");
    if (is_activation && json_is_text(value, "hard_sigmoid"))
        config_refuse(c, "hard_sigmoid is another function in Keras 2");
}

const char *common_key(config_writer *c, const char *key, const json *value)
{
    if (c->grammar != GRAMMAR_COMMON) return key;
    if (name_in("|lora_rank|lora_alpha|", key)) return NULL;
    for (const new_field *f = new_fields; f->key != NULL; f++) {
        if (strcmp(f->key, key) != 0) continue;
        if (f->classes != NULL && !name_in(f->classes, c->class_name)) continue;
        if (!is_value(value, f->otherwise)) config_refuse(c, "Keras 2 has no '%.60s'", key);
        return NULL;
    }
    value_check(c, key, value);
    for (const field_rename *r = old_names; r->from != NULL; r++) {
        if (strcmp(r->from, key) == 0 && name_in(r->classes, c->class_name)) return r->to;
    }
    return key;
}

void common_class_check(config_writer *c, const char *class_name)
{
    if (c->grammar == GRAMMAR_COMMON && name_in(new_classes, class_name))
        config_refuse(c, "Keras 2 has no %.60s", class_name);
}

void common_layer_check(config_writer *c, const layer_config *layer)
{
    if (layer->model != NULL) config_refuse(c, "is a model in a model");
    if (layer->is_operation) config_refuse(c, "is an operation");
    common_class_check(c, layer->class_name);
}

/* -- calls ------------------------------------------------------------------------------------- */

static void keywords_put(config_writer *c, const call_config *call)
{
    bool is_first = true;

    text_put(c->text, "{");
    for (uint32_t i = 1; i < call->argument_count; i++) {
        const argument *a = &call->arguments[i];
        if (a->kind != ARGUMENT_LITERAL || a->name == NULL) {
            config_refuse(c, "is called with further tensors");
            return;
        }
        if (json_is_null(a->literal)) continue;
        if (!is_first) text_put(c->text, ", ");
        is_first = false;
        text_json_string(c->text, a->name);
        text_put(c->text, ": ");
        config_value_put(c, NULL, a->literal);
    }
    text_put(c->text, "}");
}

static void leaf_put(config_writer *c, const model_config *m, const call_config *call,
                     const argument *a)
{
    if (a->kind != ARGUMENT_TENSOR || a->name != NULL) {
        config_refuse(c, "is called with more than a list of tensors");
        return;
    }
    text_put(c->text, "[");
    config_name_put(c, m->layers[a->ref.layer].name);
    text_format(c->text, ", %u, %u, ", a->ref.node, a->ref.tensor);
    keywords_put(c, call);
    text_put(c->text, "]");
}

void common_call_put(config_writer *c, const model_config *m, const call_config *call)
{
    const argument *first = call->argument_count > 0 ? &call->arguments[0] : NULL;

    if (first == NULL || first->name != NULL ||
        (first->kind == ARGUMENT_LIST && first->item_count < 2)) {
        config_refuse(c, "is called without a tensor, or with a list of one");
        return;
    }
    text_put(c->text, "[");
    if (first->kind == ARGUMENT_LIST) {
        for (uint32_t i = 0; i < first->item_count; i++) {
            if (i > 0) text_put(c->text, ", ");
            leaf_put(c, m, call, &first->items[i]);
        }
    } else {
        leaf_put(c, m, call, first);
    }
    text_put(c->text, "]");
}
