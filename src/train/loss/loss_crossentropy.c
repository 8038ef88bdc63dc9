/* loss_crossentropy.c -- crossentropies of probabilities or logits, and their relatives.
 *
 *     binary       y_true, y_pred [..., n]           mean over an axis
 *     categorical  y_true, y_pred [..., classes]     sum over an axis
 *     sparse       y_true [...] or [..., 1] of class numbers, y_pred [..., classes]
 *
 * Probabilities are kept away from 0 and 1 by Keras's epsilon. Predictions that come out of a
 * softmax or sigmoid node are replaced by that node's input.
 * Source: keras/src/losses/losses.py, keras/src/backend/tensorflow/nn.py. */
#include <math.h>

#include "base/status.h"
#include "train/arithmetic.h"
#include "train/loss/loss_values.h"

#define LOW  KERAS_EPSILON
#define HIGH ((float)(1.0 - 1e-7))

loss_shape_kind loss_shape(const graph *g, value y_true, value y_pred)
{
    const uint32_t true_rank = graph_rank(g, y_true), rank = graph_rank(g, y_pred);
    const dim last = graph_dim(g, y_pred, -1);

    if (last == 1) return LOSS_SHAPE_BINARY;
    if (true_rank < rank || (graph_dim(g, y_true, -1) == 1 && last > 1)) return LOSS_SHAPE_SPARSE;
    return LOSS_SHAPE_CATEGORICAL;
}

/* The input of the softmax or sigmoid that made y_pred; VALUE_NONE: something else made it. */
static value logits_of(const graph *g, value y_pred)
{
    const value_info *info = graph_value(g, y_pred);

    if (info->kind != VALUE_RESULT) return VALUE_NONE;
    const node *n = &g->nodes[info->node];
    if (n->op == OP_softmax && !((const softmax_attributes *)n->attributes)->is_log)
        return n->inputs[0];
    if (n->op == OP_unary && ((const unary_attributes *)n->attributes)->kind == UNARY_SIGMOID)
        return n->inputs[0];
    return VALUE_NONE;
}

bool loss_find_logits(const graph *g, bool from_logits, value *y_pred)
{
    const value logits = logits_of(g, *y_pred);

    if (logits != VALUE_NONE) *y_pred = logits;
    return from_logits || logits != VALUE_NONE;
}

/* -- binary ------------------------------------------------------------------------------------ */

const layer_field loss_crossentropy_fields[] = {
    {.key = "from_logits", .kind = FIELD_BOOL, .offset = offsetof(loss_crossentropy, from_logits)},
    {.key = "label_smoothing",
     .kind = FIELD_F32,
     .offset = offsetof(loss_crossentropy, label_smoothing)},
    {.key = "axis",
     .kind = FIELD_I64,
     .offset = offsetof(loss_crossentropy, axis),
     .otherwise = -1},
    {0}};

/* One for each element. softplus(x) - x * y is the usual formula with one bend instead of two, so
 * that its gradient is right at 0. */
static value binary_elements(graph *g, value y_true, value y_pred, bool from_logits)
{
    if (loss_find_logits(g, from_logits, &y_pred))
        return op_sub(g, op_unary(g, UNARY_SOFTPLUS, y_pred), op_mul(g, y_pred, y_true));
    y_pred = arith_clip(g, y_pred, LOW, HIGH);
    const value yes = op_mul(g, y_true, op_unary(g, UNARY_LOG, y_pred));
    const value no =
        op_mul(g, arith_complement(g, y_true), op_unary(g, UNARY_LOG, arith_complement(g, y_pred)));
    return op_unary(g, UNARY_NEG, op_add(g, yes, no));
}

static value smooth_binary(graph *g, value y_true, float smoothing)
{
    if (smoothing == 0) return y_true;
    return arith_affine(g, y_true, (float)(1.0 - (double)smoothing), 0.5f * smoothing);
}

value loss_binary_crossentropy(graph *g, const void *config, value y_true, value y_pred,
                               value *mask)
{
    const loss_crossentropy *c = config;

    (void)mask;
    if (!loss_pair(g, "binary_crossentropy", &y_true, &y_pred)) return VALUE_NONE;
    const uint32_t axis = arith_axis(g, y_pred, c->axis, "binary_crossentropy");
    if (!graph_ok(g)) return VALUE_NONE;
    y_true = smooth_binary(g, y_true, c->label_smoothing);
    return op_reduce(g, REDUCE_MEAN, binary_elements(g, y_true, y_pred, c->from_logits), axis,
                     false);
}

const loss_def loss_def_binary_crossentropy = {
    .entry = {.name = "BinaryCrossentropy",
              .aliases = "bce",
              .config_bytes = sizeof(loss_crossentropy),
              .fields = loss_crossentropy_fields},
    .default_name = "binary_crossentropy",
    .values = loss_binary_crossentropy,
};

typedef struct focal_config {
    loss_crossentropy base;
    bool apply_class_balancing;
    const json *alpha;
    float gamma;
} focal_config;

#define FOCAL_FIELDS                                                                               \
    {.key = "from_logits",                                                                         \
     .kind = FIELD_BOOL,                                                                           \
     .offset = offsetof(focal_config, base.from_logits)},                                          \
        {.key = "label_smoothing",                                                                 \
         .kind = FIELD_F32,                                                                        \
         .offset = offsetof(focal_config, base.label_smoothing)},                                  \
        {.key = "axis",                                                                            \
         .kind = FIELD_I64,                                                                        \
         .offset = offsetof(focal_config, base.axis),                                              \
         .otherwise = -1},                                                                         \
        {.key = "gamma",                                                                           \
         .kind = FIELD_F32,                                                                        \
         .offset = offsetof(focal_config, gamma),                                                  \
         .otherwise = 2},                                                                          \
    {                                                                                              \
        .key = "alpha", .kind = FIELD_JSON, .offset = offsetof(focal_config, alpha)                \
    }

static const layer_field binary_focal_fields[] = {
    FOCAL_FIELDS,
    {.key = "apply_class_balancing",
     .kind = FIELD_BOOL,
     .offset = offsetof(focal_config, apply_class_balancing)},
    {0}};

static value power(graph *g, value x, float exponent)
{
    return op_unary_with(g, (unary_attributes){.kind = UNARY_POWER, .alpha = exponent}, x);
}

static value binary_focal_values(graph *g, const void *config, value y_true, value y_pred,
                                 value *mask)
{
    const focal_config *c = config;
    const float alpha = (float)json_number(c->alpha, 0.25);

    (void)mask;
    if (!loss_pair(g, "binary_focal_crossentropy", &y_true, &y_pred)) return VALUE_NONE;
    const uint32_t axis = arith_axis(g, y_pred, c->base.axis, "binary_focal_crossentropy");
    if (!graph_ok(g)) return VALUE_NONE;
    y_true = smooth_binary(g, y_true, c->base.label_smoothing);
    if (c->base.from_logits) y_pred = op_unary(g, UNARY_SIGMOID, y_pred);
    value losses = binary_elements(g, y_true, y_pred, false);
    const value yes = op_mul(g, y_true, y_pred);
    const value no = op_mul(g, arith_complement(g, y_true), arith_complement(g, y_pred));
    const value factor = power(g, arith_complement(g, op_add(g, yes, no)), c->gamma);
    losses = op_mul(g, factor, losses);
    if (c->apply_class_balancing)
        losses = op_mul(g, arith_affine(g, y_true, 2 * alpha - 1, 1 - alpha), losses);
    return op_reduce(g, REDUCE_MEAN, losses, axis, false);
}

static ebb_status binary_focal_check(const void *config, const char *where, ebb_error *error)
{
    const json *alpha = ((const focal_config *)config)->alpha;
    char text[80];

    if (alpha == NULL || alpha->kind == JSON_NUMBER || alpha->kind == JSON_INTEGER) return EBB_OK;
    return fail(error, EBB_E_FORMAT, where, "key 'alpha': expected a number, found %s",
                json_describe(alpha, text, sizeof text));
}

const loss_def loss_def_binary_focal_crossentropy = {
    .entry = {.name = "BinaryFocalCrossentropy",
              .config_bytes = sizeof(focal_config),
              .fields = binary_focal_fields,
              .check = binary_focal_check},
    .default_name = "binary_focal_crossentropy",
    .values = binary_focal_values,
};

/* -- categorical ------------------------------------------------------------------------------- */

static value smooth_classes(graph *g, value y_true, float smoothing)
{
    const dim classes = graph_dim(g, y_true, -1);

    if (smoothing == 0) return y_true;
    if (!dim_known(classes))
        return graph_fail(g, EBB_E_SHAPE, "label smoothing needs a fixed number of classes");
    return arith_affine(g, y_true, (float)(1.0 - (double)smoothing), smoothing / (float)classes);
}

/* Divided by their sum, and kept away from 0 and 1. */
static value as_probabilities(graph *g, value y_pred, uint32_t axis)
{
    const value sum = op_reduce(g, REDUCE_SUM, y_pred, axis, true);

    return arith_clip(g, op_div(g, y_pred, sum), LOW, HIGH);
}

/* TensorFlow's gradient is softmax - labels, also where labels do not add up to 1 (rows of zeros
 * that mean "no class"). Written so that ours is: with the largest logit taken away,
 * l = log(sum(exp(x))) and s = sum(labels), the loss s l - sum(labels x) is
 * l - sum(labels x) + (s - 1) l, the last part standing still. */
static value categorical_of_logits(graph *g, value labels, value x, uint32_t axis)
{
    x = op_sub(g, x, op_stop(g, op_reduce(g, REDUCE_MAX, x, axis, true)));
    const value l = op_reduce(g, REDUCE_LOG_SUM_EXP, x, axis, false);
    const value s = op_reduce(g, REDUCE_SUM, labels, axis, false);
    const value moves = op_sub(g, l, op_reduce(g, REDUCE_SUM, op_mul(g, labels, x), axis, false));

    return op_add(g, moves, op_stop(g, op_mul(g, arith_affine(g, s, 1, -1), l)));
}

value loss_categorical_crossentropy(graph *g, const void *config, value y_true, value y_pred,
                                    value *mask)
{
    const loss_crossentropy *c = config;

    (void)mask;
    if (!loss_pair(g, "categorical_crossentropy", &y_true, &y_pred)) return VALUE_NONE;
    const uint32_t axis = arith_axis(g, y_pred, c->axis, "categorical_crossentropy");
    if (!graph_ok(g)) return VALUE_NONE;
    y_true = smooth_classes(g, y_true, c->label_smoothing);
    if (loss_find_logits(g, c->from_logits, &y_pred))
        return categorical_of_logits(g, y_true, y_pred, axis);
    const value log = op_unary(g, UNARY_LOG, as_probabilities(g, y_pred, axis));
    return op_unary(g, UNARY_NEG, op_reduce(g, REDUCE_SUM, op_mul(g, y_true, log), axis, false));
}

const loss_def loss_def_categorical_crossentropy = {
    .entry = {.name = "CategoricalCrossentropy",
              .config_bytes = sizeof(loss_crossentropy),
              .fields = loss_crossentropy_fields},
    .default_name = "categorical_crossentropy",
    .values = loss_categorical_crossentropy,
};

static const layer_field categorical_focal_fields[] = {FOCAL_FIELDS, {0}};

/* alpha as a number, or one for each class. */
static value times_alpha(graph *g, value x, const json *alpha)
{
    shape s = {.rank = 1};

    if (alpha == NULL || alpha->kind != JSON_ARRAY)
        return arith_affine(g, x, (float)json_number(alpha, 0.25), 0);
    float *numbers = region_new(g->home, float, alpha->count);
    if (numbers == NULL) return graph_fail(g, EBB_E_MEMORY, "no memory for alpha");
    for (uint32_t i = 0; i < alpha->count; i++)
        numbers[i] = (float)json_number(json_item(alpha, i), (double)NAN);
    s.dims[0] = alpha->count;
    return op_mul(g, x, graph_constant(g, EBB_F32, &s, numbers));
}

static value categorical_focal_values(graph *g, const void *config, value y_true, value y_pred,
                                      value *mask)
{
    const focal_config *c = config;

    (void)mask;
    if (!loss_pair(g, "categorical_focal_crossentropy", &y_true, &y_pred)) return VALUE_NONE;
    const uint32_t axis = arith_axis(g, y_pred, c->base.axis, "categorical_focal_crossentropy");
    if (!graph_ok(g)) return VALUE_NONE;
    y_true = smooth_classes(g, y_true, c->base.label_smoothing);
    if (c->base.from_logits) y_pred = op_softmax(g, y_pred, axis, false);
    y_pred = as_probabilities(g, y_pred, axis);
    const value losses = op_unary(g, UNARY_NEG, op_mul(g, y_true, op_unary(g, UNARY_LOG, y_pred)));
    const value factor = times_alpha(g, power(g, arith_complement(g, y_pred), c->gamma), c->alpha);
    return op_reduce(g, REDUCE_SUM, op_mul(g, factor, losses), axis, false);
}

const loss_def loss_def_categorical_focal_crossentropy = {
    .entry = {.name = "CategoricalFocalCrossentropy",
              .config_bytes = sizeof(focal_config),
              .fields = categorical_focal_fields},
    .default_name = "categorical_focal_crossentropy",
    .values = categorical_focal_values,
};
