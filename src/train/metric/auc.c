/* auc.c -- the area under the ROC, precision-recall or precision-recall-gain curve.
 * Source: keras/src/metrics/confusion_metrics.py. */
#include <math.h>
#include <stdlib.h>

#include "base/status.h"
#include "train/arithmetic.h"
#include "train/metric/confusion.h"

enum { CURVE_ROC, CURVE_PR, CURVE_PRGAIN };
enum { SUM_INTERPOLATION, SUM_MAJORING, SUM_MINORING };
enum { TP = CONFUSION_TRUE_POSITIVES, FP = CONFUSION_FALSE_POSITIVES };
enum { TN = CONFUSION_TRUE_NEGATIVES, FN = CONFUSION_FALSE_NEGATIVES };

#define THRESHOLDS_MAX 65536

typedef struct auc_config {
    int64_t num_thresholds, num_labels;
    uint32_t curve, summation_method;
    const json *thresholds, *label_weights;
    bool multi_label, from_logits;
    confusion_thresholds table;
    const float *weights; /* one a label; NULL: none */
} auc_config;

static const layer_field auc_fields[] = {
    TRAIN_FIELD(auc_config, num_thresholds, FIELD_I64, 200),
    TRAIN_FIELD_CHOICE(auc_config, curve, CURVE_ROC, "roc|pr|prgain"),
    TRAIN_FIELD_CHOICE(auc_config, summation_method, SUM_INTERPOLATION,
                       "interpolation|majoring|minoring"),
    TRAIN_FIELD(auc_config, thresholds, FIELD_JSON, 0),
    TRAIN_FIELD(auc_config, multi_label, FIELD_BOOL, 0),
    TRAIN_FIELD(auc_config, num_labels, FIELD_I64, 0),
    TRAIN_FIELD(auc_config, label_weights, FIELD_JSON, 0),
    TRAIN_FIELD(auc_config, from_logits, FIELD_BOOL, 0),
    TRAIN_FIELD_END};

static ebb_status check(const void *config, const char *where, ebb_error *error)
{
    const auc_config *c = config;

    if (c->num_labels != 0 && !c->multi_label)
        return fail(error, EBB_E_ARGUMENT, where,
                    "num_labels is %lld; it is only for multi_label = true",
                    (long long)c->num_labels);
    if (c->num_thresholds >= 2 && c->num_thresholds <= THRESHOLDS_MAX) return EBB_OK;
    return train_range_fail(error, where, "num_thresholds", "a number from 2 to 65536",
                            (double)c->num_thresholds);
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

/* The caller's thresholds, sorted, between two just outside 0 and 1. */
static ebb_status take_thresholds(region *home, auc_config *c, const char *where, ebb_error *error)
{
    confusion_thresholds inner;
    const ebb_status status = confusion_read(home, c->thresholds, 0, where, &inner, error);

    if (status != EBB_OK) return status;
    float *numbers = region_new(home, float, inner.count + 2);
    if (numbers == NULL) return region_fail(home, error, where, "thresholds");
    for (uint32_t i = 0; i < inner.count; i++) numbers[i + 1] = inner.numbers[i];
    qsort(numbers + 1, inner.count, sizeof *numbers, ascending);
    numbers[inner.count + 1] = 1;
    c->table = (confusion_thresholds){.numbers = numbers,
                                      .count = inner.count + 2,
                                      .is_even = confusion_is_even(numbers, inner.count + 2)};
    numbers[0] = -KERAS_EPSILON;
    numbers[inner.count + 1] = (float)(1.0 + 1e-7);
    return EBB_OK;
}

static ebb_status prepare(region *home, void *config, const char *where, ebb_error *error)
{
    auc_config *c = config;
    const json *list = c->label_weights;
    const ebb_status status =
        json_is_null(c->thresholds)
            ? confusion_spread(home, (uint32_t)c->num_thresholds, where, &c->table, error)
            : take_thresholds(home, c, where, error);

    c->table.has_epsilon = true;
    if (status != EBB_OK || json_is_null(list)) return status;
    if (list->kind != JSON_ARRAY)
        return fail(error, EBB_E_FORMAT, where, "key 'label_weights': expected a list of numbers");
    float *weights = region_new(home, float, list->count + 1);
    if (weights == NULL) return region_fail(home, error, where, "label weights");
    for (uint32_t i = 0; i < list->count; i++) {
        const double number = json_number(json_item(list, i), (double)NAN);
        weights[i] = (float)number;
        if (!(number >= 0))
            return train_range_fail(error, where, "label_weights", "numbers of at least 0", number);
    }
    c->weights = weights;
    return EBB_OK;
}

static value label_weights(graph *g, const auc_config *c)
{
    const shape s = {.rank = 1, .dims = {c->label_weights->count}};

    return graph_constant(g, EBB_F32, &s, c->weights);
}

static void update(metric_call *call)
{
    const auc_config *c = call->metric->config;
    graph *g = call->graph;
    confusion_options o = {.thresholds = &c->table,
                           .top_k = CONFUSION_NONE,
                           .class_id = CONFUSION_NONE,
                           .multi_label = c->multi_label};
    value counts[CONFUSION_KINDS];

    if (c->weights != NULL && !c->multi_label) o.label_weights = label_weights(g, c);
    if (c->from_logits) call->y_pred = op_unary(g, UNARY_SIGMOID, arith_float(g, call->y_pred));
    confusion_counts(call, &o, counts);
    for (uint32_t i = 0; i < CONFUSION_KINDS; i++) metric_add(call, confusion_names[i], counts[i]);
}

/* -- the area ---------------------------------------------------------------------------------- */

/* Without the last, or without the first threshold. */
static value lower(graph *g, value x)
{
    return op_slice_axis(g, x, 0, 0, graph_dim(g, x, 0) - 1, 1);
}

static value upper(graph *g, value x)
{
    return op_slice_axis(g, x, 0, 1, graph_dim(g, x, 0) - 1, 1);
}

static value step(graph *g, value x)
{
    return op_sub(g, lower(g, x), upper(g, x));
}

static value positive(graph *g, value x)
{
    return op_compare(g, COMPARE_GREATER, x, graph_scalar(g, 0));
}

/* Over thresholds, then over labels. */
static value add_up(graph *g, const auc_config *c, value terms)
{
    const value areas = op_reduce(g, REDUCE_SUM, terms, 1, false);

    if (!c->multi_label) return areas;
    if (c->weights == NULL) return arith_all(g, REDUCE_MEAN, areas);
    const value weights = label_weights(g, c);
    return arith_divide_no_nan(g, arith_all(g, REDUCE_SUM, op_mul(g, areas, weights)),
                               arith_all(g, REDUCE_SUM, weights));
}

/* Interpolates true positives, not precision: Davis and Goadrich, 2006. */
static value interpolated_pr(graph *g, const auc_config *c, const value *v)
{
    const value hits = step(g, v[TP]), p = op_add(g, v[TP], v[FP]);
    const value slope = arith_divide_no_nan(g, hits, arith_at_least(g, step(g, p), 0));
    const value start = op_sub(g, upper(g, v[TP]), op_mul(g, slope, upper(g, p)));
    const value both = arith_both(g, positive(g, lower(g, p)), positive(g, upper(g, p)));
    const value ratio =
        op_select(g, both, arith_divide_no_nan(g, lower(g, p), arith_at_least(g, upper(g, p), 0)),
                  graph_scalar(g, 1));
    const value rise = op_add(g, hits, op_mul(g, start, op_unary(g, UNARY_LOG, ratio)));
    const value all = op_add(g, upper(g, v[TP]), upper(g, v[FN]));

    return add_up(g, c, arith_divide_no_nan(g, op_mul(g, slope, rise), arith_at_least(g, all, 0)));
}

static value share(graph *g, value part, value rest)
{
    return arith_divide_no_nan(g, part, op_add(g, part, rest));
}

/* 1 - scale * missed / true positives; `otherwise` where there is no true positive. */
static value gain(graph *g, const value *v, value scale, value missed, float otherwise)
{
    const value none = op_compare(g, COMPARE_EQUAL, v[TP], graph_scalar(g, 0));
    const value ratio = op_mul(g, scale, arith_divide_no_nan(g, missed, v[TP]));

    return op_select(g, none, graph_scalar(g, otherwise), arith_complement(g, ratio));
}

static void curve_points(graph *g, const auc_config *c, const value *v, value *x, value *y)
{
    if (c->curve == CURVE_PRGAIN) {
        const value scale =
            arith_divide_no_nan(g, op_add(g, v[TP], v[FN]), op_add(g, v[TN], v[FP]));
        *x = arith_at_least(g, gain(g, v, scale, v[FN], 0), 0);
        *y = gain(g, v, scale, v[FP], 1);
        return;
    }
    const value recall = share(g, v[TP], v[FN]);
    *x = c->curve == CURVE_ROC ? share(g, v[FP], v[TN]) : recall;
    *y = c->curve == CURVE_ROC ? recall : share(g, v[TP], v[FP]);
}

static value result(graph *g, const metric *m, const value *v)
{
    const auc_config *c = m->config;
    value x, y, height;

    if (c->curve == CURVE_PR && c->summation_method == SUM_INTERPOLATION)
        return interpolated_pr(g, c, v);
    curve_points(g, c, v, &x, &y);
    const value one = lower(g, y), other = upper(g, y);
    if (c->summation_method == SUM_INTERPOLATION) {
        height = arith_affine(g, op_add(g, one, other), 0.5f, 0);
    } else {
        height =
            op_binary(g, c->summation_method == SUM_MINORING ? BINARY_MIN : BINARY_MAX, one, other);
    }
    return add_up(g, c, op_mul(g, step(g, x), height));
}

const metric_def metric_def_auc = {
    .entry = {.name = "AUC",
              .config_bytes = sizeof(auc_config),
              .fields = auc_fields,
              .check = check},
    .default_name = "auc",
    .update = update,
    .result = result,
    .prepare = prepare,
};
