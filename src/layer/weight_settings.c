/* weight_settings.c -- which initializer, regularizer and constraint a weight has.
 *
 * Keras's layers name the settings of weight `kernel` kernel_initializer, kernel_regularizer and
 * kernel_constraint; a small table knows the names that differ and what holds where the
 * configuration is silent. Source: the add_weight() calls of keras/src/layers; initializers that
 * are null: Layer.add_weight() of keras/src/layers/layer.py. */
#include <stdio.h>
#include <string.h>

#include "layer/assembly.h"
#include "tensor/dtype.h"

#define NAMED(id, text)                                                                            \
    static const json id = {                                                                       \
        .kind = JSON_STRING, .count = sizeof(text) - 1, .as = {.string = (text)}};

NAMED(zeros, "zeros")
NAMED(ones, "ones")
NAMED(glorot_uniform, "glorot_uniform")
NAMED(orthogonal, "orthogonal")
NAMED(uniform, "uniform")

/* TruncatedNormal(stddev=0.02) */
static const json_member truncated_config[] = {
    {"stddev", {.kind = JSON_NUMBER, .as = {.number = 0.02}}},
};
static const json_member truncated_members[] = {
    {"class_name", {.kind = JSON_STRING, .count = 15, .as = {.string = "TruncatedNormal"}}},
    {"config",
     {.kind = JSON_OBJECT, .count = 1, .as = {.members = (json_member *)truncated_config}}},
};
static const json truncated_normal = {
    .kind = JSON_OBJECT, .count = 2, .as = {.members = (json_member *)truncated_members}};

typedef struct weight_rule {
    const char *classes; /* "A|B"; NULL: every other */
    const char *weight;  /* NULL: any */
    const char *prefix;  /* of the keys, "": they stand alone; NULL: the configuration says nothing
                            about the weight */
    const json *otherwise; /* NULL: what fits its type */
    bool has_no_penalty;   /* neither regularizer nor constraint */
    const char *number;    /* the key of the number it begins as; NULL: it has an initializer */
} weight_rule;

/* The first that fits. */
static const weight_rule rules[] = {
    {"Variable", NULL, "", NULL, false, NULL},
    {"LayerScale", "gamma", NULL, &ones, true, "init_values"},
    {"DepthwiseConv1D|DepthwiseConv2D", "kernel", "depthwise", &glorot_uniform, false, NULL},
    {NULL, "kernel", "kernel", &glorot_uniform, false, NULL},
    {NULL, "recurrent_kernel", "recurrent", &orthogonal, false, NULL},
    {NULL, "depthwise_kernel", "depthwise", &glorot_uniform, false, NULL},
    {NULL, "pointwise_kernel", "pointwise", &glorot_uniform, false, NULL},
    {NULL, "bias", "bias", &zeros, false, NULL},
    {NULL, "gamma", "gamma", &ones, false, NULL},
    {NULL, "beta", "beta", &zeros, false, NULL},
    {NULL, "moving_mean", "moving_mean", &zeros, true, NULL},
    {NULL, "moving_variance", "moving_variance", &ones, true, NULL},
    {NULL, "moving_stddev", NULL, &ones, true, NULL},
    {NULL, "renorm_mean", NULL, &zeros, true, NULL},
    {NULL, "renorm_stddev", NULL, &ones, true, NULL},
    {NULL, "embeddings", "embeddings", &uniform, false, NULL},
    {NULL, "reverse_embeddings", "embeddings", &uniform, true, NULL},
    {NULL, "alpha", "alpha", &zeros, false, NULL},
    {"AdditiveAttention", "scale", NULL, &glorot_uniform, true, NULL},
    {NULL, "scale", NULL, &ones, true, NULL},
    {NULL, "concat_score_weight", NULL, &ones, true, NULL},
    {NULL, "vector_u", NULL, &truncated_normal, true, NULL},
    {NULL, "mean", NULL, &zeros, true, NULL},
    {NULL, "variance", NULL, &ones, true, NULL},
    {NULL, "count", NULL, &zeros, true, NULL},
};

static const weight_rule *rule_find(const char *class_name, const char *weight)
{
    static const weight_rule other = {NULL, NULL, NULL, &glorot_uniform, true, NULL};

    for (size_t k = 0; k < sizeof rules / sizeof rules[0]; k++) {
        const weight_rule *r = &rules[k];
        if ((r->weight == NULL || strcmp(r->weight, weight) == 0) &&
            (r->classes == NULL || name_among(r->classes, class_name)))
            return r;
    }
    return &other;
}

static const json *setting(const json *config, const char *prefix, const char *suffix)
{
    char key[64];

    snprintf(key, sizeof key, "%s%s%s", prefix, prefix[0] != '\0' ? "_" : "", suffix);
    return json_get(config, key);
}

static const json *or_none(const json *given)
{
    return json_is_null(given) ? NULL : given;
}

/* The bias of an LSTM: ones for the forget gate unless unit_forget_bias is false. */
static int64_t forget_units(const layer_instance *i, const layer_weight *w)
{
    static const char classes[] = "LSTM|LSTMCell|ConvLSTM1D|ConvLSTM2D|ConvLSTM3D";

    if (strcmp(w->name, "bias") != 0 || !name_among(classes, i->def->name)) return 0;
    return json_boolean(json_get(i->source->config, "unit_forget_bias"), true) ? w->dims[0] / 4 : 0;
}

void weight_settings_read(const layer_instance *i, layer_weight *w)
{
    const json *config = i->source->config;
    const weight_rule *r = rule_find(i->def->name, w->name);
    const json *given = r->prefix != NULL ? setting(config, r->prefix, "initializer") : NULL;
    if (r->number != NULL) given = json_get(config, r->number);
    const json *fallback = dtype_is_float(w->dtype) ? &glorot_uniform : &zeros;

    const json *otherwise = r->otherwise != NULL ? r->otherwise : fallback;
    w->initializer = given == NULL ? otherwise : json_is_null(given) ? fallback : given;
    w->forget_units = forget_units(i, w);
    if (r->prefix == NULL || r->has_no_penalty) return;
    w->regularizer = or_none(setting(config, r->prefix, "regularizer"));
    w->constraint = or_none(setting(config, r->prefix, "constraint"));
}
