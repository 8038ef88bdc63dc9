/* r2_score.c -- the coefficient of determination, also adjusted for the number of regressors.
 * Source: keras/src/metrics/regression_metrics.py. */
#include <math.h>

#include "base/status.h"
#include "train/arithmetic.h"
#include "train/loss/loss_values.h"
#include "train/metric/metric.h"

enum { UNIFORM_AVERAGE, VARIANCE_WEIGHTED_AVERAGE, NO_AVERAGE };
enum { NUM_SAMPLES, SQUARED_SUM, SUM, RESIDUAL, COUNT };

typedef struct r2_config {
    uint32_t class_aggregation;
    int64_t num_regressors;
} r2_config;

static const layer_field r2_fields[] = {
    TRAIN_FIELD_CHOICE(r2_config, class_aggregation, UNIFORM_AVERAGE,
                       "uniform_average|variance_weighted_average|none"),
    TRAIN_FIELD(r2_config, num_regressors, FIELD_I64, 0), TRAIN_FIELD_END};

static ebb_status r2_check(const void *config, const char *where, ebb_error *error)
{
    const int64_t number = ((const r2_config *)config)->num_regressors;

    if (number >= 0) return EBB_OK;
    return train_range_fail(error, where, "num_regressors", "a number of at least 0",
                            (double)number);
}

static void r2_update(metric_call *call)
{
    graph *g = call->graph;
    value y_true = call->y_true, y_pred = call->y_pred, weights = call->sample_weight;

    if (!loss_pair(g, "r2_score", &y_true, &y_pred)) return;
    if (graph_rank(g, y_pred) != 2) {
        (void)graph_fail(g, EBB_E_SHAPE, "r2_score: expected predictions of rank 2, found rank %u",
                         graph_rank(g, y_pred));
        return;
    }
    const shape all = *graph_shape(g, y_true);
    const value ones = op_broadcast(g, graph_scalar(g, 1), &all);
    if (weights == VALUE_NONE) {
        weights = ones;
    } else {
        weights = arith_float(g, weights);
        if (graph_rank(g, weights) == 1) weights = arith_expand(g, weights, -1);
        weights = op_broadcast(g, weights, &all);
    }
    const value weighted = op_mul(g, y_true, weights);
    const value error = op_binary(g, BINARY_SQUARED_DIFFERENCE, y_true, y_pred);
    metric_add(call, "num_samples", arith_all(g, REDUCE_SUM, ones));
    metric_add(call, "squared_sum",
               op_reduce(g, REDUCE_SUM, op_mul(g, y_true, weighted), 1, false));
    metric_add(call, "sum", op_reduce(g, REDUCE_SUM, weighted, 1, false));
    metric_add(call, "residual", op_reduce(g, REDUCE_SUM, op_mul(g, error, weights), 1, false));
    metric_add(call, "count", op_reduce(g, REDUCE_SUM, weights, 1, false));
}

/* 1 - (1 - r2) (n - 1) / (n - p - 1), where there are more samples than that needs. */
static value adjusted(graph *g, value r2, value n, float p)
{
    const value rest = arith_affine(g, n, 1, -p - 1);
    const value enough = op_compare(g, COMPARE_GREATER, rest, graph_scalar(g, 0));
    const value product = op_mul(g, arith_complement(g, r2), arith_affine(g, n, 1, -1));

    return op_select(g, enough, arith_complement(g, op_div(g, product, rest)), r2);
}

static value r2_result(graph *g, const metric *m, const value *v)
{
    const r2_config *c = m->config;
    const value mean = op_div(g, v[SUM], v[COUNT]);
    const value total = op_sub(g, v[SQUARED_SUM], op_mul(g, v[SUM], mean));
    value r2 = arith_complement(g, op_div(g, v[RESIDUAL], total));
    const value is_infinite =
        op_compare(g, COMPARE_EQUAL, op_unary(g, UNARY_ABS, r2), graph_scalar(g, INFINITY));

    r2 = op_select(g, is_infinite, graph_scalar(g, 0), r2);
    if (c->class_aggregation == UNIFORM_AVERAGE) {
        r2 = arith_all(g, REDUCE_MEAN, r2);
    } else if (c->class_aggregation == VARIANCE_WEIGHTED_AVERAGE) {
        r2 = op_div(g, arith_all(g, REDUCE_SUM, op_mul(g, total, r2)),
                    arith_all(g, REDUCE_SUM, total));
    }
    return c->num_regressors == 0 ? r2 : adjusted(g, r2, v[NUM_SAMPLES], (float)c->num_regressors);
}

const metric_def metric_def_r2_score = {
    .entry = {.name = "R2Score",
              .config_bytes = sizeof(r2_config),
              .fields = r2_fields,
              .check = r2_check},
    .default_name = "r2_score",
    .update = r2_update,
    .result = r2_result,
};
