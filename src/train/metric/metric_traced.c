/* metric_traced.c -- the mean of a function of the caller's own, traced to operations: see
 * train/loss/loss_traced.c. Targets come as they are. Source: MeanMetricWrapper in
 * keras/src/metrics/reduction_metrics.py. */
#include "layer/traced.h"
#include "train/loss/loss_values.h"
#include "train/metric/metric.h"

static value values(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    const loss_traced_config *c = config;
    const value y[] = {y_true, y_pred};

    (void)mask;
    return traced_emit(g, c->model, "metric", y, 2);
}

const metric_def metric_def_traced = {
    .entry = {.name = "Traced",
              .config_bytes = sizeof(loss_traced_config),
              .fields = loss_traced_fields},
    .default_name = "metric",
    .values = values,
};
