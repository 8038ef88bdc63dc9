/* f_score.c -- F-beta and F1 scores of every class or averaged.
 * Source: keras/src/metrics/f_score_metrics.py. */
#include <math.h>

#include "base/status.h"
#include "train/arithmetic.h"
#include "train/loss/loss_values.h"
#include "train/metric/metric.h"

enum { AVERAGE_NONE, AVERAGE_MICRO, AVERAGE_MACRO, AVERAGE_WEIGHTED };
enum { TRUE_POSITIVES, FALSE_POSITIVES, FALSE_NEGATIVES, WEIGHTS };

typedef struct f_config {
    uint32_t average;
    double beta, threshold; /* threshold NAN: the largest prediction is the positive one */
} f_config;

#define AVERAGE_FIELD                                                                              \
    TRAIN_FIELD_CHOICE(f_config, average, AVERAGE_NONE, "none|micro|macro|weighted")
#define THRESHOLD_FIELD TRAIN_FIELD(f_config, threshold, FIELD_F64, (double)NAN)

static const layer_field f_beta_fields[] = {
    AVERAGE_FIELD, THRESHOLD_FIELD, TRAIN_FIELD(f_config, beta, FIELD_F64, 1), TRAIN_FIELD_END};
static const layer_field f1_fields[] = {AVERAGE_FIELD, THRESHOLD_FIELD, TRAIN_FIELD_END};

static ebb_status threshold_check(const void *config, const char *where, ebb_error *error)
{
    const double threshold = ((const f_config *)config)->threshold;

    if (isnan(threshold) || (threshold > 0 && threshold <= 1)) return EBB_OK;
    return train_range_fail(error, where, "threshold", "a number above 0 and not above 1",
                            threshold);
}

static ebb_status f_beta_check(const void *config, const char *where, ebb_error *error)
{
    const double beta = ((const f_config *)config)->beta;

    if (beta > 0) return threshold_check(config, where, error);
    return train_range_fail(error, where, "beta", "a number above 0", beta);
}

static ebb_status f1_prepare(region *home, void *config, const char *where, ebb_error *error)
{
    (void)home;
    (void)where;
    (void)error;
    ((f_config *)config)->beta = 1;
    return EBB_OK;
}

/* 1 for what counts as predicted, else 0. */
static value predicted(graph *g, const f_config *c, value y_pred)
{
    if (!isnan(c->threshold))
        return arith_float(
            g, op_compare(g, COMPARE_GREATER, y_pred, graph_scalar(g, (float)c->threshold)));
    const value largest = op_reduce(g, REDUCE_MAX, y_pred, 1u << (graph_rank(g, y_pred) - 1), true);
    const value is_largest = op_compare(g, COMPARE_GREATER_EQUAL, y_pred, largest);
    const value is_there =
        op_compare(g, COMPARE_GREATER, op_unary(g, UNARY_ABS, y_pred), graph_scalar(g, 1e-9f));
    return arith_float(g, arith_both(g, is_largest, is_there));
}

static void f_update(metric_call *call)
{
    const f_config *c = call->metric->config;
    graph *g = call->graph;
    const value y_true = arith_float(g, call->y_true);
    value y_pred = arith_float(g, call->y_pred), weights = call->sample_weight;

    if (!graph_ok(g) || !arith_check_pair(g, call->metric->name, y_true, y_pred)) return;
    if (graph_rank(g, y_pred) != 2) {
        (void)graph_fail(g, EBB_E_SHAPE, "%s: expected predictions of rank 2, found rank %u",
                         call->metric->name, graph_rank(g, y_pred));
        return;
    }
    y_pred = predicted(g, c, y_pred);
    const value items[] = {op_mul(g, y_pred, y_true),
                           op_mul(g, y_pred, arith_complement(g, y_true)),
                           op_mul(g, arith_complement(g, y_pred), y_true), y_true};
    static const char *const names[] = {"true_positives", "false_positives", "false_negatives",
                                        "intermediate_weights"};
    if (weights != VALUE_NONE) weights = arith_expand(g, arith_float(g, weights), 1);
    for (uint32_t i = 0; i < 4; i++) {
        const value item = weights == VALUE_NONE ? items[i] : op_mul(g, items[i], weights);
        metric_add(call, names[i],
                   c->average == AVERAGE_MICRO ? arith_all(g, REDUCE_SUM, item)
                                               : op_reduce(g, REDUCE_SUM, item, 1, false));
    }
}

static value share(graph *g, value part, value rest)
{
    return op_div(g, part, arith_affine(g, op_add(g, part, rest), 1, KERAS_EPSILON));
}

static value f_result(graph *g, const metric *m, const value *v)
{
    const f_config *c = m->config;
    const float square = (float)(c->beta * c->beta);
    const value precision = share(g, v[TRUE_POSITIVES], v[FALSE_POSITIVES]);
    const value recall = share(g, v[TRUE_POSITIVES], v[FALSE_NEGATIVES]);
    const value sum = op_add(g, arith_affine(g, precision, square, 0), recall);
    const value mean =
        op_div(g, op_mul(g, precision, recall), arith_affine(g, sum, 1, KERAS_EPSILON));
    const value score = arith_affine(g, mean, (float)(1 + c->beta * c->beta), 0);

    if (c->average == AVERAGE_WEIGHTED) {
        const value all = arith_affine(g, arith_all(g, REDUCE_SUM, v[WEIGHTS]), 1, KERAS_EPSILON);
        return arith_all(g, REDUCE_SUM, op_mul(g, score, op_div(g, v[WEIGHTS], all)));
    }
    return c->average == AVERAGE_NONE ? score : arith_all(g, REDUCE_MEAN, score);
}

const metric_def metric_def_f_beta_score = {
    .entry = {.name = "FBetaScore",
              .config_bytes = sizeof(f_config),
              .fields = f_beta_fields,
              .check = f_beta_check},
    .default_name = "fbeta_score",
    .update = f_update,
    .result = f_result,
};

const metric_def metric_def_f1_score = {
    .entry = {.name = "F1Score",
              .config_bytes = sizeof(f_config),
              .fields = f1_fields,
              .check = threshold_check},
    .default_name = "f1_score",
    .update = f_update,
    .result = f_result,
    .prepare = f1_prepare,
};
