/* correlation.c -- Pearson's and the concordance correlation along an axis, averaged.
 * Source: keras/src/metrics/correlation_metrics.py. */
#include "train/arithmetic.h"
#include "train/loss/loss_values.h"
#include "train/metric/metric.h"

typedef struct correlation_config {
    const json *axis; /* absent: the last one; null: all */
} correlation_config;

static const layer_field correlation_fields[] = {
    TRAIN_FIELD(correlation_config, axis, FIELD_GIVEN, 0), TRAIN_FIELD_END};

static uint32_t axes_of(graph *g, const correlation_config *c, value x, const char *what)
{
    return c->axis == NULL ? arith_axis(g, x, -1, what) : arith_axes(g, x, c->axis, what);
}

static value mean(graph *g, value x, uint32_t axes)
{
    return op_reduce(g, REDUCE_MEAN, x, axes, true);
}

static value centred(graph *g, value x, uint32_t axes)
{
    return op_sub(g, x, mean(g, x, axes));
}

static value variance(graph *g, value x, uint32_t axes)
{
    return mean(g, arith_square(g, centred(g, x, axes)), axes);
}

static value unit_deviation(graph *g, value x, uint32_t axes)
{
    const value c = centred(g, x, axes);

    return op_div(g, c, op_unary(g, UNARY_SQRT, variance(g, c, axes)));
}

static value pearson_values(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    (void)mask;
    if (!loss_pair(g, "pearson_correlation", &y_true, &y_pred)) return VALUE_NONE;
    const uint32_t axes = axes_of(g, config, y_pred, "pearson_correlation");
    if (!graph_ok(g)) return VALUE_NONE;
    const value product =
        op_mul(g, unit_deviation(g, y_true, axes), unit_deviation(g, y_pred, axes));
    return op_reduce(g, REDUCE_MEAN, product, axes, false);
}

const metric_def metric_def_pearson_correlation = {
    .entry = {.name = "PearsonCorrelation",
              .config_bytes = sizeof(correlation_config),
              .fields = correlation_fields},
    .default_name = "pearson_correlation",
    .values = pearson_values,
};

/* Keras takes the mean of the predictions away from both: so here. */
static value concordance_values(graph *g, const void *config, value y_true, value y_pred,
                                value *mask)
{
    (void)mask;
    if (!loss_pair(g, "concordance_correlation", &y_true, &y_pred)) return VALUE_NONE;
    const uint32_t axes = axes_of(g, config, y_pred, "concordance_correlation");
    if (!graph_ok(g)) return VALUE_NONE;
    const value true_mean = mean(g, y_true, axes), pred_mean = mean(g, y_pred, axes);
    const value spread = op_add(g, variance(g, op_sub(g, y_true, true_mean), axes),
                                variance(g, op_sub(g, y_pred, pred_mean), axes));
    const value norm = op_add(g, spread, arith_square(g, op_sub(g, true_mean, pred_mean)));
    const value product = op_mul(g, op_sub(g, y_true, pred_mean), op_sub(g, y_pred, pred_mean));
    const value share =
        op_div(g, arith_affine(g, product, 2, 0), arith_affine(g, norm, 1, KERAS_EPSILON));
    return op_reduce(g, REDUCE_MEAN, share, axes, false);
}

const metric_def metric_def_concordance_correlation = {
    .entry = {.name = "ConcordanceCorrelation",
              .config_bytes = sizeof(correlation_config),
              .fields = correlation_fields},
    .default_name = "concordance_correlation",
    .values = concordance_values,
};
