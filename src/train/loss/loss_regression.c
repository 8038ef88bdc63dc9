/* loss_regression.c -- errors between numbers, and distances between distributions.
 *
 * y_true, y_pred [..., n] -> [...]. Source: keras/src/losses/losses.py. */
#include <float.h>
#include <math.h>

#include "train/arithmetic.h"
#include "train/loss/loss_values.h"

bool loss_pair(graph *g, const char *what, value *y_true, value *y_pred)
{
    *y_true = arith_float(g, *y_true);
    *y_pred = arith_float(g, *y_pred);
    arith_same_rank(g, y_true, y_pred, true);
    return graph_ok(g) && arith_check_pair(g, what, *y_true, *y_pred);
}

#define NO_CONFIG (void)config, (void)mask

/* The entry of a loss that has no field of its own. */
#define PLAIN(function, class_name, alias_names)                                                   \
    const loss_def loss_def_##function = {                                                         \
        .entry = {.name = class_name, .aliases = alias_names},                                     \
        .default_name = #function,                                                                 \
        .values = loss_##function,                                                                 \
    }

value loss_mean_squared_error(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    NO_CONFIG;
    if (!loss_pair(g, "mean_squared_error", &y_true, &y_pred)) return VALUE_NONE;
    return arith_last(g, REDUCE_MEAN, op_binary(g, BINARY_SQUARED_DIFFERENCE, y_true, y_pred));
}
PLAIN(mean_squared_error, "MeanSquaredError", "mse");

value loss_mean_absolute_error(graph *g, const void *config, value y_true, value y_pred,
                               value *mask)
{
    NO_CONFIG;
    if (!loss_pair(g, "mean_absolute_error", &y_true, &y_pred)) return VALUE_NONE;
    return arith_last(g, REDUCE_MEAN, op_unary(g, UNARY_ABS, op_sub(g, y_true, y_pred)));
}
PLAIN(mean_absolute_error, "MeanAbsoluteError", "mae");

value loss_mean_absolute_percentage_error(graph *g, const void *config, value y_true, value y_pred,
                                          value *mask)
{
    NO_CONFIG;
    if (!loss_pair(g, "mean_absolute_percentage_error", &y_true, &y_pred)) return VALUE_NONE;
    const value size = arith_at_least(g, op_unary(g, UNARY_ABS, y_true), KERAS_EPSILON);
    const value share = op_unary(g, UNARY_ABS, op_div(g, op_sub(g, y_true, y_pred), size));
    return arith_affine(g, arith_last(g, REDUCE_MEAN, share), 100, 0);
}
PLAIN(mean_absolute_percentage_error, "MeanAbsolutePercentageError", "mape");

static value log_plus_one(graph *g, value x)
{
    return op_unary(g, UNARY_LOG, arith_affine(g, arith_at_least(g, x, KERAS_EPSILON), 1, 1));
}

value loss_mean_squared_logarithmic_error(graph *g, const void *config, value y_true, value y_pred,
                                          value *mask)
{
    NO_CONFIG;
    if (!loss_pair(g, "mean_squared_logarithmic_error", &y_true, &y_pred)) return VALUE_NONE;
    const value difference = op_sub(g, log_plus_one(g, y_pred), log_plus_one(g, y_true));
    return arith_last(g, REDUCE_MEAN, arith_square(g, difference));
}
PLAIN(mean_squared_logarithmic_error, "MeanSquaredLogarithmicError", "msle");

value loss_log_cosh(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    NO_CONFIG;
    if (!loss_pair(g, "log_cosh", &y_true, &y_pred)) return VALUE_NONE;
    const value x = op_sub(g, y_pred, y_true);
    const value bend = op_unary(g, UNARY_SOFTPLUS, arith_affine(g, x, -2, 0));
    return arith_last(g, REDUCE_MEAN, arith_affine(g, op_add(g, x, bend), 1, -0.693147180559945f));
}
PLAIN(log_cosh, "LogCosh", NULL);

value loss_poisson(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    NO_CONFIG;
    if (!loss_pair(g, "poisson", &y_true, &y_pred)) return VALUE_NONE;
    const value log = op_unary(g, UNARY_LOG, arith_affine(g, y_pred, 1, KERAS_EPSILON));
    return arith_last(g, REDUCE_MEAN, op_sub(g, y_pred, op_mul(g, y_true, log)));
}
PLAIN(poisson, "Poisson", NULL);

value loss_kl_divergence(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    NO_CONFIG;
    if (!loss_pair(g, "kl_divergence", &y_true, &y_pred)) return VALUE_NONE;
    y_true = arith_clip(g, y_true, KERAS_EPSILON, 1);
    y_pred = arith_clip(g, y_pred, KERAS_EPSILON, 1);
    const value log = op_unary(g, UNARY_LOG, op_div(g, y_true, y_pred));
    return arith_last(g, REDUCE_SUM, op_mul(g, y_true, log));
}
PLAIN(kl_divergence, "KLDivergence", "kld|kullback_leibler_divergence");

/* -- with fields ------------------------------------------------------------------------------- */

const layer_field loss_axis_fields[] = {
    {.key = "axis", .kind = FIELD_I64, .offset = offsetof(loss_axis, axis), .otherwise = -1}, {0}};

static value unit_length(graph *g, value x, uint32_t axes)
{
    const value sum = op_reduce(g, REDUCE_SUM, arith_square(g, x), axes, true);
    const value longest = graph_scalar(g, 1 / KERAS_EPSILON);

    return op_mul(g, x, op_binary(g, BINARY_MIN, op_unary(g, UNARY_RSQRT, sum), longest));
}

value loss_cosine_similarity(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    (void)mask;
    if (!loss_pair(g, "cosine_similarity", &y_true, &y_pred)) return VALUE_NONE;
    const uint32_t axes =
        arith_axis(g, y_pred, ((const loss_axis *)config)->axis, "cosine_similarity");
    if (!graph_ok(g)) return VALUE_NONE;
    y_pred = unit_length(g, y_pred, axes);
    y_true = unit_length(g, y_true, axes);
    return op_reduce(g, REDUCE_SUM, op_mul(g, y_true, y_pred), axes, false);
}

static value minus_cosine_similarity(graph *g, const void *config, value y_true, value y_pred,
                                     value *mask)
{
    return op_unary(g, UNARY_NEG, loss_cosine_similarity(g, config, y_true, y_pred, mask));
}

const loss_def loss_def_cosine_similarity = {
    .entry = {.name = "CosineSimilarity",
              .config_bytes = sizeof(loss_axis),
              .fields = loss_axis_fields},
    .default_name = "cosine_similarity",
    .values = minus_cosine_similarity,
};

typedef struct huber_config {
    float delta;
} huber_config;

static const layer_field huber_fields[] = {
    {.key = "delta", .kind = FIELD_F32, .offset = offsetof(huber_config, delta), .otherwise = 1},
    {0}};

static value huber_values(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    const float delta = ((const huber_config *)config)->delta;

    (void)mask;
    if (!loss_pair(g, "huber", &y_true, &y_pred)) return VALUE_NONE;
    const value error = op_sub(g, y_pred, y_true), size = op_unary(g, UNARY_ABS, error);
    const value inside = arith_affine(g, arith_square(g, error), 0.5f, 0);
    const value outside = arith_affine(g, size, delta, -0.5f * (delta * delta));
    const value is_inside = op_compare(g, COMPARE_LESS_EQUAL, size, graph_scalar(g, delta));
    return arith_last(g, REDUCE_MEAN, op_select(g, is_inside, inside, outside));
}

const loss_def loss_def_huber = {
    .entry = {.name = "Huber",
              .aliases = "huber_loss",
              .config_bytes = sizeof(huber_config),
              .fields = huber_fields},
    .default_name = "huber_loss",
    .values = huber_values,
};
