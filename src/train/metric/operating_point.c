/* operating_point.c -- the best of one rate where another is at least so much: sensitivity at
 * specificity and its relatives. Source: keras/src/metrics/confusion_metrics.py. */
#include "train/arithmetic.h"
#include "train/metric/confusion.h"

typedef struct point_config {
    double least; /* of the constrained rate */
    int64_t num_thresholds, class_id;
    confusion_thresholds table;
} point_config;

#define THRESHOLDS_MAX 65536
#define POINT_FIELDS(key_name)                                                                     \
    {                                                                                              \
        {.key = key_name,                                                                          \
         .kind = FIELD_F64,                                                                        \
         .offset = offsetof(point_config, least),                                                  \
         .required = true},                                                                        \
            TRAIN_FIELD(point_config, num_thresholds, FIELD_I64, 200),                             \
            TRAIN_FIELD(point_config, class_id, FIELD_I64, (double)CONFUSION_NONE),                \
            TRAIN_FIELD_END                                                                        \
    }

static ebb_status check(const void *config, const char *where, ebb_error *error)
{
    const point_config *c = config;

    if (!(c->least >= 0 && c->least <= 1))
        return train_range_fail(error, where, "its rate", "a number from 0 to 1", c->least);
    if (c->class_id != CONFUSION_NONE && c->class_id < 0)
        return train_range_fail(error, where, "class_id", "a class number", (double)c->class_id);
    if (c->num_thresholds >= 1 && c->num_thresholds <= THRESHOLDS_MAX) return EBB_OK;
    return train_range_fail(error, where, "num_thresholds", "a number from 1 to 65536",
                            (double)c->num_thresholds);
}

static ebb_status prepare(region *home, void *config, const char *where, ebb_error *error)
{
    point_config *c = config;

    if (c->num_thresholds == 1) return confusion_read(home, NULL, 0.5f, where, &c->table, error);
    return confusion_spread(home, (uint32_t)c->num_thresholds, where, &c->table, error);
}

static void update(metric_call *call)
{
    const point_config *c = call->metric->config;
    const confusion_options o = {
        .thresholds = &c->table, .top_k = CONFUSION_NONE, .class_id = c->class_id};
    value counts[CONFUSION_KINDS];

    confusion_counts(call, &o, counts);
    for (uint32_t i = 0; i < CONFUSION_KINDS; i++) metric_add(call, confusion_names[i], counts[i]);
}

static value rate(graph *g, const value *v, confusion_kind part, confusion_kind rest)
{
    return arith_divide_no_nan(g, v[part], op_add(g, v[part], v[rest]));
}

static value sensitivity(graph *g, const value *v)
{
    return rate(g, v, CONFUSION_TRUE_POSITIVES, CONFUSION_FALSE_NEGATIVES);
}

static value specificity(graph *g, const value *v)
{
    return rate(g, v, CONFUSION_TRUE_NEGATIVES, CONFUSION_FALSE_POSITIVES);
}

static value precision(graph *g, const value *v)
{
    return rate(g, v, CONFUSION_TRUE_POSITIVES, CONFUSION_FALSE_POSITIVES);
}

/* The largest `wanted` where `constrained` is large enough; 0 if it is nowhere. */
static value best(graph *g, const metric *m, value constrained, value wanted)
{
    const value zero = graph_scalar(g, 0);
    const value is_enough =
        op_compare(g, COMPARE_GREATER_EQUAL, constrained,
                   graph_scalar(g, (float)((const point_config *)m->config)->least));

    return arith_at_least(g, arith_all(g, REDUCE_MAX, op_select(g, is_enough, wanted, zero)), 0);
}

#define POINT(metric_name, class_name, key_name, constrained, wanted)                              \
    static value metric_name##_result(graph *g, const metric *m, const value *v)                   \
    {                                                                                              \
        return best(g, m, constrained(g, v), wanted(g, v));                                        \
    }                                                                                              \
    static const layer_field metric_name##_fields[] = POINT_FIELDS(key_name);                      \
    const metric_def metric_def_##metric_name = {                                                  \
        .entry = {.name = class_name,                                                              \
                  .config_bytes = sizeof(point_config),                                            \
                  .fields = metric_name##_fields,                                                  \
                  .check = check},                                                                 \
        .default_name = #metric_name,                                                              \
        .update = update,                                                                          \
        .result = metric_name##_result,                                                            \
        .prepare = prepare,                                                                        \
    };

POINT(sensitivity_at_specificity, "SensitivityAtSpecificity", "specificity", specificity,
      sensitivity)
POINT(specificity_at_sensitivity, "SpecificityAtSensitivity", "sensitivity", sensitivity,
      specificity)
POINT(precision_at_recall, "PrecisionAtRecall", "recall", sensitivity, precision)
POINT(recall_at_precision, "RecallAtPrecision", "precision", precision, sensitivity)
