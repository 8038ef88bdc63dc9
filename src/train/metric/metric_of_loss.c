/* metric_of_loss.c -- the metrics that are the mean of a loss's formula, and its square root.
 * Source: keras/src/metrics/regression_metrics.py, hinge_metrics.py, probabilistic_metrics.py. */
#include "train/arithmetic.h"
#include "train/loss/loss_values.h"
#include "train/metric/metric.h"

/* A loss's formula without fields. */
#define PLAIN(metric_name, class_name, formula, alias_names, own_name)                             \
    const metric_def metric_def_##metric_name = {                                                  \
        .entry = {.name = class_name, .aliases = alias_names},                                     \
        .default_name = own_name,                                                                  \
        .values = formula,                                                                         \
    };

PLAIN(mean_squared_error, "MeanSquaredError", loss_mean_squared_error, "mse", "mean_squared_error")
PLAIN(mean_absolute_error, "MeanAbsoluteError", loss_mean_absolute_error, "mae",
      "mean_absolute_error")
PLAIN(mean_absolute_percentage_error, "MeanAbsolutePercentageError",
      loss_mean_absolute_percentage_error, "mape", "mean_absolute_percentage_error")
PLAIN(mean_squared_logarithmic_error, "MeanSquaredLogarithmicError",
      loss_mean_squared_logarithmic_error, "msle", "mean_squared_logarithmic_error")
PLAIN(log_cosh_error, "LogCoshError", loss_log_cosh, "logcosh|log_cosh", "logcosh")
PLAIN(kl_divergence, "KLDivergence", loss_kl_divergence, "kld|kullback_leibler_divergence",
      "kl_divergence")
PLAIN(poisson, "Poisson", loss_poisson, NULL, "poisson")
PLAIN(hinge, "Hinge", loss_hinge, NULL, "hinge")
PLAIN(squared_hinge, "SquaredHinge", loss_squared_hinge, NULL, "squared_hinge")
PLAIN(categorical_hinge, "CategoricalHinge", loss_categorical_hinge, NULL, "categorical_hinge")

/* With the fields of the loss. */
#define FIELDED(metric_name, class_name, formula, alias_names, type, table)                        \
    const metric_def metric_def_##metric_name = {                                                  \
        .entry = {.name = class_name,                                                              \
                  .aliases = alias_names,                                                          \
                  .config_bytes = sizeof(type),                                                    \
                  .fields = table},                                                                \
        .default_name = #metric_name,                                                              \
        .values = formula,                                                                         \
    };

FIELDED(binary_crossentropy, "BinaryCrossentropy", loss_binary_crossentropy, "bce",
        loss_crossentropy, loss_crossentropy_fields)
FIELDED(categorical_crossentropy, "CategoricalCrossentropy", loss_categorical_crossentropy, NULL,
        loss_crossentropy, loss_crossentropy_fields)
FIELDED(sparse_categorical_crossentropy, "SparseCategoricalCrossentropy",
        loss_sparse_categorical_crossentropy, NULL, loss_sparse_crossentropy,
        loss_sparse_crossentropy_fields)
FIELDED(cosine_similarity, "CosineSimilarity", loss_cosine_similarity, NULL, loss_axis,
        loss_axis_fields)

static value squared_errors(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    (void)config;
    (void)mask;
    if (!loss_pair(g, "root_mean_squared_error", &y_true, &y_pred)) return VALUE_NONE;
    return op_binary(g, BINARY_SQUARED_DIFFERENCE, y_true, y_pred);
}

static value root_result(graph *g, const metric *m, const value *variables)
{
    (void)m;
    return op_unary(g, UNARY_SQRT, arith_divide_no_nan(g, variables[0], variables[1]));
}

const metric_def metric_def_root_mean_squared_error = {
    .entry = {.name = "RootMeanSquaredError", .aliases = "rmse"},
    .default_name = "root_mean_squared_error",
    .ignores_mask = true,
    .values = squared_errors,
    .result = root_result,
};
