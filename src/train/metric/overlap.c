/* overlap.c -- intersection over union, from a confusion matrix of class numbers.
 *
 * Rows of the matrix are targets, columns predictions. Entries that are no class, or the ignored
 * one, count nowhere. Counts are integers unless the dtype says otherwise; weights lose their
 * fraction then, as in Keras. Source: keras/src/metrics/iou_metrics.py. */
#include <stdio.h>

#include "base/status.h"
#include "train/arithmetic.h"
#include "train/metric/metric.h"

typedef struct iou_config {
    int64_t num_classes;
    int_list target_class_ids;
    int64_t ignore_class; /* INT64_MIN: none */
    int64_t axis;
    bool sparse_y_true, sparse_y_pred;
    bool is_every_class; /* the Mean ones */
    float threshold;
} iou_config;

/* More would be a matrix of above 16 million entries. */
#define CLASSES_MAX 4096

#define NUM_CLASSES TRAIN_FIELD_REQUIRED(iou_config, num_classes, FIELD_I64)
#define TARGETS     TRAIN_FIELD_REQUIRED(iou_config, target_class_ids, FIELD_INTS)
#define IGNORE      TRAIN_FIELD(iou_config, ignore_class, FIELD_I64, (double)INT64_MIN)
#define AXIS        TRAIN_FIELD(iou_config, axis, FIELD_I64, -1)
#define SPARSE_TRUE TRAIN_FIELD(iou_config, sparse_y_true, FIELD_BOOL, 1)
#define SPARSE_PRED TRAIN_FIELD(iou_config, sparse_y_pred, FIELD_BOOL, 1)
#define DENSE_PRED  TRAIN_FIELD(iou_config, sparse_y_pred, FIELD_BOOL, 0)

static const layer_field iou_fields[] = {NUM_CLASSES, TARGETS,     IGNORE,         AXIS,
                                         SPARSE_TRUE, SPARSE_PRED, TRAIN_FIELD_END};
static const layer_field binary_iou_fields[] = {
    TRAIN_FIELD(iou_config, target_class_ids, FIELD_INTS, 0),
    TRAIN_FIELD(iou_config, threshold, FIELD_F32, 0.5), TRAIN_FIELD_END};
static const layer_field mean_iou_fields[] = {NUM_CLASSES, IGNORE,      AXIS,
                                              SPARSE_TRUE, SPARSE_PRED, TRAIN_FIELD_END};
static const layer_field one_hot_iou_fields[] = {NUM_CLASSES, TARGETS,    IGNORE,
                                                 AXIS,        DENSE_PRED, TRAIN_FIELD_END};
static const layer_field one_hot_mean_iou_fields[] = {NUM_CLASSES, IGNORE, AXIS, DENSE_PRED,
                                                      TRAIN_FIELD_END};

static ebb_status check(const void *config, const char *where, ebb_error *error)
{
    const iou_config *c = config;

    if (c->num_classes < 1 || c->num_classes > CLASSES_MAX)
        return train_range_fail(error, where, "num_classes", "a number from 1 to 4096",
                                (double)c->num_classes);
    for (uint32_t i = 0; i < c->target_class_ids.count; i++) {
        const int64_t id = c->target_class_ids.items[i];
        if (id < 0 || id >= c->num_classes)
            return train_range_fail(error, where, "target_class_ids",
                                    "class numbers below num_classes", (double)id);
    }
    return EBB_OK;
}

static ebb_status prepare_mean(region *home, void *config, const char *where, ebb_error *error)
{
    (void)home;
    (void)where;
    (void)error;
    ((iou_config *)config)->is_every_class = true;
    return EBB_OK;
}

static ebb_status prepare_binary(region *home, void *config, const char *where, ebb_error *error)
{
    iou_config *c = config;

    (void)home;
    c->num_classes = 2;
    c->ignore_class = INT64_MIN;
    c->axis = -1;
    c->sparse_y_true = c->sparse_y_pred = true;
    if (c->target_class_ids.count == 0) c->target_class_ids = (int_list){2, {0, 1}};
    return check(c, where, error);
}

static value is_class(graph *g, value x, int64_t classes)
{
    return arith_both(g, op_compare(g, COMPARE_GREATER_EQUAL, x, graph_scalar_i32(g, 0)),
                      op_compare(g, COMPARE_LESS, x, graph_scalar_i32(g, (int32_t)classes)));
}

/* The weight of each entry as Keras's dtype leaves it: [n] F32. */
static value entry_weights(metric_call *call, value entries)
{
    graph *g = call->graph;
    const shape to = *graph_shape(g, entries);
    value weights = call->sample_weight;

    if (weights == VALUE_NONE) return op_broadcast(g, graph_scalar(g, 1), &to);
    if (call->metric->dtype == EBB_I32) weights = arith_integer(g, weights);
    weights = arith_float(g, weights);
    if (graph_rank(g, weights) > 1) weights = arith_flat(g, weights);
    return op_broadcast(g, weights, &to);
}

static void update(metric_call *call)
{
    const iou_config *c = call->metric->config;
    graph *g = call->graph;
    const int64_t n = c->num_classes;
    value y_true = call->y_true, y_pred = call->y_pred;

    y_true = c->sparse_y_true ? arith_integer(g, y_true)
                              : op_arg_reduce(g, true, arith_float(g, y_true), (int)c->axis);
    y_pred = c->sparse_y_pred ? arith_integer(g, y_pred)
                              : op_arg_reduce(g, true, arith_float(g, y_pred), (int)c->axis);
    y_true = arith_flat(g, y_true);
    y_pred = arith_flat(g, y_pred);
    if (!graph_ok(g) || !arith_check_pair(g, call->metric->name, y_true, y_pred)) return;
    value counts = arith_both(g, is_class(g, y_true, n), is_class(g, y_pred, n));
    if (c->ignore_class != INT64_MIN)
        counts = arith_both(g, counts,
                            op_compare(g, COMPARE_NOT_EQUAL, y_true,
                                       graph_scalar_i32(g, (int32_t)c->ignore_class)));
    const value weights = op_select(g, counts, entry_weights(call, y_true), graph_scalar(g, 0));
    value cell = op_add(g, op_mul(g, y_true, graph_scalar_i32(g, (int32_t)n)), y_pred);
    cell = op_select(g, counts, cell, graph_scalar_i32(g, 0));
    const shape cells = {.rank = 1, .dims = {n * n}}, square = {.rank = 2, .dims = {n, n}};
    const value sums = op_scatter_add(g, weights, cell, &(gather_attributes){0}, &cells);
    metric_add(call, "total_confusion_matrix",
               op_cast(g, op_reshape(g, sums, &square), call->metric->dtype));
}

static void update_binary(metric_call *call)
{
    const iou_config *c = call->metric->config;

    call->y_pred =
        op_compare(call->graph, COMPARE_GREATER_EQUAL, arith_float(call->graph, call->y_pred),
                   graph_scalar(call->graph, c->threshold));
    update(call);
}

/* Of a vector of all classes the ones asked for. */
static value targets_of(graph *g, const iou_config *c, value x)
{
    int32_t ids[INT_LIST_MAX];
    const shape s = {.rank = 1, .dims = {c->target_class_ids.count}};

    if (c->is_every_class) return x;
    for (uint32_t i = 0; i < c->target_class_ids.count; i++)
        ids[i] = (int32_t)c->target_class_ids.items[i];
    return op_gather(g, x, graph_constant(g, EBB_I32, &s, ids), 0);
}

static value result(graph *g, const metric *m, const value *v)
{
    const iou_config *c = m->config;
    const int64_t n = c->num_classes;
    const value all = op_reshape(g, v[0], &(shape){.rank = 1, .dims = {n * n}});
    const value both = op_slice_axis(g, all, 0, 0, n, n + 1);
    const value either = op_sub(g,
                                op_add(g, op_reduce(g, REDUCE_SUM, v[0], 1, false),
                                       op_reduce(g, REDUCE_SUM, v[0], 2, false)),
                                both);
    const value hit = arith_float(g, targets_of(g, c, both));
    const value size = arith_float(g, targets_of(g, c, either));
    const value exists = op_compare(g, COMPARE_GREATER, size, graph_scalar(g, 1e-9f));
    const value iou = op_div(g, hit, arith_affine(g, size, 1, KERAS_EPSILON));
    const value sum = arith_all(g, REDUCE_SUM, op_select(g, exists, iou, graph_scalar(g, 0)));
    const value count = arith_all(g, REDUCE_SUM, arith_float(g, exists));

    return op_div(g, sum, arith_affine(g, count, 1, KERAS_EPSILON));
}

#define IOU(metric_name, class_name, own_fields, own_check, own_prepare, own_update)               \
    const metric_def metric_def_##metric_name = {                                                  \
        .entry = {.name = class_name,                                                              \
                  .config_bytes = sizeof(iou_config),                                              \
                  .fields = own_fields,                                                            \
                  .check = own_check},                                                             \
        .default_name = #metric_name,                                                              \
        .is_integer = true,                                                                        \
        .update = own_update,                                                                      \
        .result = result,                                                                          \
        .prepare = own_prepare,                                                                    \
    };

IOU(io_u, "IoU", iou_fields, check, NULL, update)
IOU(binary_io_u, "BinaryIoU", binary_iou_fields, NULL, prepare_binary, update_binary)
IOU(mean_io_u, "MeanIoU", mean_iou_fields, check, prepare_mean, update)
IOU(one_hot_io_u, "OneHotIoU", one_hot_iou_fields, check, NULL, update)
IOU(one_hot_mean_io_u, "OneHotMeanIoU", one_hot_mean_iou_fields, check, prepare_mean, update)
