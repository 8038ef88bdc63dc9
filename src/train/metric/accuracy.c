/* accuracy.c -- how often the prediction is right. Source: keras/src/metrics/accuracy_metrics.py
 * and, for top-k, tensorflow/core/kernels/in_topk_op.h. */
#include "train/metric/accuracy.h"

#include <math.h>

#include "base/status.h"
#include "train/arithmetic.h"
#include "train/loss/loss_values.h"

static value hits(graph *g, value y_true, value y_pred)
{
    return arith_float(g, op_compare(g, COMPARE_EQUAL, y_true, y_pred));
}

static value accuracy_values(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    (void)config;
    (void)mask;
    if (!loss_pair(g, "accuracy", &y_true, &y_pred)) return VALUE_NONE;
    return hits(g, y_true, y_pred);
}

const metric_def metric_def_accuracy = {
    .entry = {.name = "Accuracy"},
    .default_name = "accuracy",
    .values = accuracy_values,
};

typedef struct binary_config {
    float threshold;
} binary_config;

static const layer_field binary_fields[] = {TRAIN_FIELD(binary_config, threshold, FIELD_F32, 0.5),
                                            TRAIN_FIELD_END};

static value binary_values(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    const binary_config *c = config;

    (void)mask;
    if (!loss_pair(g, "binary_accuracy", &y_true, &y_pred)) return VALUE_NONE;
    y_pred = op_compare(g, COMPARE_GREATER, y_pred, graph_scalar(g, c->threshold));
    return hits(g, y_true, arith_float(g, y_pred));
}

const metric_def metric_def_binary_accuracy = {
    .entry = {.name = "BinaryAccuracy",
              .config_bytes = sizeof(binary_config),
              .fields = binary_fields},
    .default_name = "binary_accuracy",
    .values = binary_values,
};

static value categorical_values(graph *g, const void *config, value y_true, value y_pred,
                                value *mask)
{
    (void)config;
    (void)mask;
    y_true = arith_float(g, y_true);
    y_pred = arith_float(g, y_pred);
    if (!graph_ok(g) || !arith_check_pair(g, "categorical_accuracy", y_true, y_pred))
        return VALUE_NONE;
    return hits(g, op_arg_reduce(g, true, y_true, -1), op_arg_reduce(g, true, y_pred, -1));
}

const metric_def metric_def_categorical_accuracy = {
    .entry = {.name = "CategoricalAccuracy"},
    .default_name = "categorical_accuracy",
    .values = categorical_values,
};

/* y_true [...] or [..., 1] against the place of the largest prediction. A trailing 1 of the hits
 * goes away as well. */
static value sparse_values(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    (void)config;
    (void)mask;
    y_pred = arith_float(g, y_pred);
    if (graph_rank(g, y_true) == graph_rank(g, y_pred) && graph_dim(g, y_true, -1) == 1)
        y_true = arith_squeeze_last(g, y_true);
    value best = op_arg_reduce(g, true, y_pred, -1);
    if (graph_ok(g) && graph_value(g, y_true)->dtype == EBB_F32)
        best = arith_float(g, best);
    else
        y_true = arith_integer(g, y_true);
    if (!graph_ok(g) || !arith_check_pair(g, "sparse_categorical_accuracy", y_true, best))
        return VALUE_NONE;
    const value right = hits(g, y_true, best);
    const bool is_column = graph_rank(g, right) > 1 && graph_dim(g, right, -1) == 1;
    return is_column ? arith_squeeze_last(g, right) : right;
}

const metric_def metric_def_sparse_categorical_accuracy = {
    .entry = {.name = "SparseCategoricalAccuracy"},
    .default_name = "sparse_categorical_accuracy",
    .values = sparse_values,
};

value accuracy_by_shape(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    switch (loss_shape(g, y_true, y_pred)) {
    case LOSS_SHAPE_BINARY:
        return binary_values(g, &(binary_config){.threshold = 0.5f}, y_true, y_pred, mask);
    case LOSS_SHAPE_SPARSE: return sparse_values(g, config, y_true, y_pred, mask);
    case LOSS_SHAPE_CATEGORICAL: break;
    }
    return categorical_values(g, config, y_true, y_pred, mask);
}

/* -- among the k best -------------------------------------------------------------------------- */

typedef struct top_k_config {
    int64_t k;
    bool from_sorted_ids;
} top_k_config;

static const layer_field top_k_fields[] = {TRAIN_FIELD(top_k_config, k, FIELD_I64, 5),
                                           TRAIN_FIELD_END};
static const layer_field sparse_top_k_fields[] = {
    TRAIN_FIELD(top_k_config, k, FIELD_I64, 5),
    TRAIN_FIELD(top_k_config, from_sorted_ids, FIELD_BOOL, 0), TRAIN_FIELD_END};

static ebb_status top_k_check(const void *config, const char *where, ebb_error *error)
{
    const int64_t k = ((const top_k_config *)config)->k;

    if (k > 0) return EBB_OK;
    return train_range_fail(error, where, "k", "a number of classes above 0", (double)k);
}

/* Fewer than k predictions are larger than that of the class asked for: no sorting. A row with a
 * prediction that is not finite is never right, nor is a class that does not exist.
 * classes I32 [..., 1], y_pred [..., n] -> BOOL [..., 1]. */
static value in_top_k(graph *g, value classes, value y_pred, int64_t k)
{
    const uint32_t last = graph_rank(g, y_pred) - 1;
    const gather_attributes a = {.axis = last, .batch_dims = last};
    const value own = op_gather_with(g, y_pred, classes, &a);
    const value above = arith_float(g, op_compare(g, COMPARE_GREATER, y_pred, own));
    const value count = op_reduce(g, REDUCE_SUM, above, 1u << last, true);
    const value is_few = op_compare(g, COMPARE_LESS, count, graph_scalar(g, (float)k));
    const value is_finite =
        op_compare(g, COMPARE_LESS, op_unary(g, UNARY_ABS, y_pred), graph_scalar(g, INFINITY));
    const value low = op_compare(g, COMPARE_GREATER_EQUAL, classes, graph_scalar_i32(g, 0));
    const value high = op_compare(g, COMPARE_LESS, classes, op_length(g, graph_dim(g, y_pred, -1)));

    return arith_both(g,
                      arith_both(g, is_few, op_reduce(g, REDUCE_ALL, is_finite, 1u << last, true)),
                      arith_both(g, low, high));
}

/* Makes y_true I32 [..., 1] beside y_pred [..., n]; false after a failure. */
static bool as_column(graph *g, const char *what, value *y_true, value y_pred)
{
    const uint32_t rank = graph_rank(g, y_pred);

    if (!graph_ok(g)) return false;
    if (rank > 0 && graph_rank(g, *y_true) + 1 == rank) *y_true = arith_expand(g, *y_true, -1);
    const bool fits =
        graph_ok(g) && graph_rank(g, *y_true) == rank && rank > 0 && graph_dim(g, *y_true, -1) == 1;
    if (fits) return arith_check_pair(g, what, *y_true, y_pred);
    if (graph_ok(g))
        (void)graph_fail(g, EBB_E_SHAPE,
                         "%s: expected one class number for each row of predictions; the targets "
                         "have rank %u, the predictions %u",
                         what, graph_rank(g, *y_true), rank);
    return false;
}

static value top_k_values(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    const top_k_config *c = config;

    (void)mask;
    y_true = arith_float(g, y_true);
    y_pred = arith_float(g, y_pred);
    if (!graph_ok(g) || !arith_check_pair(g, "top_k_categorical_accuracy", y_true, y_pred))
        return VALUE_NONE;
    const value classes = arith_expand(g, op_arg_reduce(g, true, y_true, -1), -1);
    return arith_float(g, arith_squeeze_last(g, in_top_k(g, classes, y_pred, c->k)));
}

const metric_def metric_def_top_k_categorical_accuracy = {
    .entry = {.name = "TopKCategoricalAccuracy",
              .config_bytes = sizeof(top_k_config),
              .fields = top_k_fields,
              .check = top_k_check},
    .default_name = "top_k_categorical_accuracy",
    .values = top_k_values,
};

/* The predictions are class numbers, the likeliest first. */
static value among_first(graph *g, value classes, value y_pred, int64_t k)
{
    const dim length = graph_dim(g, y_pred, -1);

    if (!dim_known(length) || k < length) y_pred = op_slice_axis(g, y_pred, -1, 0, k, 1);
    return op_reduce(g, REDUCE_ANY, op_compare(g, COMPARE_EQUAL, arith_float(g, classes), y_pred),
                     1u << (graph_rank(g, y_pred) - 1), true);
}

static value sparse_top_k_values(graph *g, const void *config, value y_true, value y_pred,
                                 value *mask)
{
    const top_k_config *c = config;
    const shape own = *graph_shape(g, y_true);

    (void)mask;
    y_pred = arith_float(g, y_pred);
    if (!as_column(g, "sparse_top_k_categorical_accuracy", &y_true, y_pred)) return VALUE_NONE;
    const value right = c->from_sorted_ids ? among_first(g, y_true, y_pred, c->k)
                                           : in_top_k(g, arith_integer(g, y_true), y_pred, c->k);
    return op_reshape(g, arith_float(g, right), &own);
}

const metric_def metric_def_sparse_top_k_categorical_accuracy = {
    .entry = {.name = "SparseTopKCategoricalAccuracy",
              .config_bytes = sizeof(top_k_config),
              .fields = sparse_top_k_fields,
              .check = top_k_check},
    .default_name = "sparse_top_k_categorical_accuracy",
    .values = sparse_top_k_values,
};
