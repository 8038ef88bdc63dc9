/* precision.c -- metrics of counts at given thresholds: the counts themselves, precision, recall.
 * Source: keras/src/metrics/confusion_metrics.py. */
#include "train/arithmetic.h"
#include "train/metric/confusion.h"

typedef struct threshold_config {
    const json *thresholds;
    int64_t top_k, class_id;
    confusion_thresholds table;
} threshold_config;

static const layer_field count_fields[] = {TRAIN_FIELD(threshold_config, thresholds, FIELD_JSON, 0),
                                           TRAIN_FIELD_END};

static const layer_field share_fields[] = {
    TRAIN_FIELD(threshold_config, thresholds, FIELD_JSON, 0),
    TRAIN_FIELD(threshold_config, top_k, FIELD_I64, (double)CONFUSION_NONE),
    TRAIN_FIELD(threshold_config, class_id, FIELD_I64, (double)CONFUSION_NONE), TRAIN_FIELD_END};

static ebb_status share_check(const void *config, const char *where, ebb_error *error)
{
    const threshold_config *c = config;

    if (c->top_k != CONFUSION_NONE && c->top_k < 1)
        return train_range_fail(error, where, "top_k", "a number above 0", (double)c->top_k);
    if (c->class_id != CONFUSION_NONE && c->class_id < 0)
        return train_range_fail(error, where, "class_id", "a class number", (double)c->class_id);
    return EBB_OK;
}

static ebb_status prepare_share(region *home, void *config, const char *where, ebb_error *error)
{
    threshold_config *c = config;
    const float otherwise = c->top_k == CONFUSION_NONE ? 0.5f : -1e10f;

    return confusion_read(home, c->thresholds, otherwise, where, &c->table, error);
}

static ebb_status prepare_count(region *home, void *config, const char *where, ebb_error *error)
{
    threshold_config *c = config;

    c->top_k = c->class_id = CONFUSION_NONE;
    return confusion_read(home, c->thresholds, 0.5f, where, &c->table, error);
}

static void count_all(metric_call *call, value counts[CONFUSION_KINDS])
{
    const threshold_config *c = call->metric->config;
    const confusion_options o = {
        .thresholds = &c->table, .top_k = c->top_k, .class_id = c->class_id};

    confusion_counts(call, &o, counts);
}

/* One threshold: a number instead of a vector of one. */
static value of_thresholds(graph *g, const metric *m, value x)
{
    return ((const threshold_config *)m->config)->table.count == 1 ? arith_squeeze_last(g, x) : x;
}

/* -- counts ------------------------------------------------------------------------------------ */

static value count_result(graph *g, const metric *m, const value *v)
{
    return of_thresholds(g, m, v[0]);
}

#define COUNT(metric_name, class_name, kind)                                                       \
    static void metric_name##_update(metric_call *call)                                            \
    {                                                                                              \
        value counts[CONFUSION_KINDS];                                                             \
                                                                                                   \
        count_all(call, counts);                                                                   \
        metric_add(call, "accumulator", counts[kind]);                                             \
    }                                                                                              \
    const metric_def metric_def_##metric_name = {                                                  \
        .entry = {.name = class_name,                                                              \
                  .config_bytes = sizeof(threshold_config),                                        \
                  .fields = count_fields},                                                         \
        .default_name = #metric_name,                                                              \
        .update = metric_name##_update,                                                            \
        .result = count_result,                                                                    \
        .prepare = prepare_count,                                                                  \
    };

COUNT(true_positives, "TruePositives", CONFUSION_TRUE_POSITIVES)
COUNT(true_negatives, "TrueNegatives", CONFUSION_TRUE_NEGATIVES)
COUNT(false_positives, "FalsePositives", CONFUSION_FALSE_POSITIVES)
COUNT(false_negatives, "FalseNegatives", CONFUSION_FALSE_NEGATIVES)

/* -- precision and recall ---------------------------------------------------------------------- */

static value share_result(graph *g, const metric *m, const value *v)
{
    return of_thresholds(g, m, arith_divide_no_nan(g, v[0], op_add(g, v[0], v[1])));
}

/* True positives among those and another count. */
#define SHARE(metric_name, class_name, kind)                                                       \
    static void metric_name##_update(metric_call *call)                                            \
    {                                                                                              \
        value counts[CONFUSION_KINDS];                                                             \
                                                                                                   \
        count_all(call, counts);                                                                   \
        metric_add(call, "true_positives", counts[CONFUSION_TRUE_POSITIVES]);                      \
        metric_add(call, confusion_names[kind], counts[kind]);                                     \
    }                                                                                              \
    const metric_def metric_def_##metric_name = {                                                  \
        .entry = {.name = class_name,                                                              \
                  .config_bytes = sizeof(threshold_config),                                        \
                  .fields = share_fields,                                                          \
                  .check = share_check},                                                           \
        .default_name = #metric_name,                                                              \
        .update = metric_name##_update,                                                            \
        .result = share_result,                                                                    \
        .prepare = prepare_share,                                                                  \
    };

SHARE(precision, "Precision", CONFUSION_FALSE_POSITIVES)
SHARE(recall, "Recall", CONFUSION_FALSE_NEGATIVES)
