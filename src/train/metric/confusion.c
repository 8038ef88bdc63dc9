/* confusion.c -- see confusion.h. */
#include "train/metric/confusion.h"

#include <math.h>

#include "base/status.h"
#include "train/arithmetic.h"

#define NEVER         (-1e10f) /* Keras's NEG_INF: a prediction below every threshold */
#define TOP_K_MAX     256      /* one round of nodes each */
#define THRESHOLD_MAX 65536

const char *const confusion_names[CONFUSION_KINDS] = {
    [CONFUSION_TRUE_POSITIVES] = "true_positives",
    [CONFUSION_FALSE_POSITIVES] = "false_positives",
    [CONFUSION_TRUE_NEGATIVES] = "true_negatives",
    [CONFUSION_FALSE_NEGATIVES] = "false_negatives",
};

/* -- thresholds -------------------------------------------------------------------------------- */

bool confusion_is_even(const float *numbers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const double even = (double)i / (count - 1);
        if (!(fabs((double)numbers[i] - even) <= 1e-7 + 1e-5 * even)) return false;
    }
    return count >= 3;
}

ebb_status confusion_read(region *home, const json *given, float otherwise, const char *where,
                          confusion_thresholds *result, ebb_error *error)
{
    const bool is_list = given != NULL && given->kind == JSON_ARRAY;
    const uint32_t count = is_list ? given->count : 1;
    float *numbers = region_new(home, float, count + 1);

    *result = (confusion_thresholds){0};
    if (numbers == NULL) return region_fail(home, error, where, "thresholds");
    if (count == 0 || count > THRESHOLD_MAX)
        return train_range_fail(error, where, "thresholds", "1 to 65536 numbers", count);
    for (uint32_t i = 0; i < count; i++) {
        const double number = json_number(is_list ? json_item(given, i) : given, (double)NAN);
        numbers[i] = json_is_null(given) ? otherwise : (float)number;
        if (!json_is_null(given) && !(number >= 0 && number <= 1))
            return train_range_fail(error, where, "thresholds", "numbers from 0 to 1", number);
    }
    *result = (confusion_thresholds){
        .numbers = numbers, .count = count, .is_even = confusion_is_even(numbers, count)};
    return EBB_OK;
}

ebb_status confusion_spread(region *home, uint32_t count, const char *where,
                            confusion_thresholds *result, ebb_error *error)
{
    float *numbers = region_new(home, float, count);

    *result = (confusion_thresholds){0};
    if (numbers == NULL) return region_fail(home, error, where, "thresholds");
    for (uint32_t i = 0; i < count; i++) numbers[i] = (float)((double)i / (count - 1));
    *result = (confusion_thresholds){.numbers = numbers, .count = count, .is_even = true};
    return EBB_OK;
}

/* -- predictions ------------------------------------------------------------------------------- */

/* Predictions that are not among the k largest of the last axis become NEVER. The largest is found
 * and struck out k times: k is small, and sorting would cost more memory. */
static value keep_top_k(graph *g, value x, int64_t k)
{
    const dim classes = graph_dim(g, x, -1);
    value rest = x, kept = VALUE_NONE;

    if (!dim_known(classes) || k > classes || k > TOP_K_MAX)
        return graph_fail(g, EBB_E_UNSUPPORTED,
                          "top_k is %lld; expected at most %d and not more than the classes",
                          (long long)k, TOP_K_MAX);
    for (int64_t i = 0; i < k; i++) {
        const value best = op_one_hot(g, op_arg_reduce(g, true, rest, -1), classes);
        const value is_best = op_compare(g, COMPARE_GREATER, best, graph_scalar(g, 0));
        kept = kept == VALUE_NONE ? is_best : op_binary(g, BINARY_OR, kept, is_best);
        rest = op_select(g, is_best, graph_scalar(g, -INFINITY), rest);
    }
    return op_select(g, kept, x, graph_scalar(g, NEVER));
}

typedef struct entries {
    graph *g;
    value y_true;  /* BOOL */
    value y_pred;  /* F32, the same shape */
    value weights; /* F32, the same shape */
} entries;

/* Weights of the entries: those of the samples, times those of the labels. */
static value entry_weights(const metric_call *call, const confusion_options *o, value y_pred)
{
    graph *g = call->graph;
    const shape to = *graph_shape(g, y_pred);
    value weights = graph_scalar(g, 1);

    if (call->sample_weight != VALUE_NONE) {
        weights = arith_expand(g, arith_float(g, call->sample_weight), -1);
        if (graph_rank(g, weights) == to.rank + 1) weights = arith_squeeze_last(g, weights);
    }
    if (o->label_weights != VALUE_NONE) weights = op_mul(g, weights, o->label_weights);
    return op_broadcast(g, weights, &to);
}

/* All that is counted, as vectors, or as [n, labels] with multi_label. */
static bool take_entries(const metric_call *call, const confusion_options *o, entries *e)
{
    graph *g = call->graph;
    value y_true = arith_float(g, call->y_true), y_pred = arith_float(g, call->y_pred);

    *e = (entries){.g = g};
    arith_same_rank(g, &y_pred, &y_true, true);
    if (!graph_ok(g) || !arith_check_pair(g, call->metric->name, y_true, y_pred)) return false;
    if (o->top_k != CONFUSION_NONE) y_pred = keep_top_k(g, y_pred, o->top_k);
    if (o->class_id != CONFUSION_NONE) {
        if (graph_rank(g, y_pred) < 2)
            (void)graph_fail(g, EBB_E_SHAPE,
                             "class_id needs predictions of rank 2 or more, found rank %u",
                             graph_rank(g, y_pred));
        y_true = op_slice_axis(g, y_true, -1, o->class_id, 1, 1);
        y_pred = op_slice_axis(g, y_pred, -1, o->class_id, 1, 1);
    }
    if (!graph_ok(g)) return false;
    if (o->multi_label && (graph_rank(g, y_pred) != 2 || !dim_known(graph_dim(g, y_pred, -1)))) {
        (void)graph_fail(g, EBB_E_SHAPE,
                         "multi_label needs predictions of rank 2 with a fixed number of labels, "
                         "found rank %u",
                         graph_rank(g, y_pred));
        return false;
    }
    value weights = entry_weights(call, o, y_pred);
    y_true = op_broadcast(g, y_true, graph_shape(g, y_pred));
    if (!o->multi_label) {
        y_true = arith_flat(g, y_true);
        y_pred = arith_flat(g, y_pred);
        weights = arith_flat(g, weights);
    }
    e->y_true = op_compare(g, COMPARE_NOT_EQUAL, y_true, graph_scalar(g, 0));
    e->y_pred = y_pred;
    e->weights = weights;
    return graph_ok(g);
}

/* -- evenly spread thresholds --------------------------------------------------------------------
 */

/* Per bucket the sum of `amounts`, then sums from each bucket to the last. bucket I32 of the shape
 * of the entries; entries of no bucket have amount 0. */
static value above(graph *g, value amounts, value bucket, const shape *to)
{
    const shape cells = {.rank = 1, .dims = {shape_count(g, to)}};
    const value sums = op_scatter_add(g, arith_flat(g, amounts), arith_flat(g, bucket),
                                      &(gather_attributes){0}, &cells);

    return op_cumulative(g, op_reshape(g, sums, to),
                         &(cumulative_attributes){.axis = 0, .reverse = true});
}

static void count_even(const entries *e, const confusion_options *o, value counts[CONFUSION_KINDS])
{
    graph *g = e->g;
    const confusion_thresholds *t = o->thresholds;
    const value zero = graph_scalar(g, 0);
    shape to = {.rank = o->multi_label ? 2 : 1, .dims = {t->count}};
    value x = arith_clip(g, e->y_pred, 0, 1);

    x = op_unary(g, UNARY_CEIL, arith_affine(g, x, (float)(t->count - 1), 0));
    x = arith_affine(g, x, 1, -1);
    if (t->has_epsilon) x = arith_at_least(g, x, 0);
    const value has_bucket = op_compare(g, COMPARE_GREATER_EQUAL, x, zero);
    value bucket = arith_integer(g, arith_at_least(g, x, 0));
    if (o->multi_label) {
        to.dims[1] = graph_dim(g, e->y_pred, 1);
        bucket = op_mul(g, bucket, op_length(g, to.dims[1]));
        bucket = op_add(g, bucket, op_iota(g, to.dims[1]));
    }
    const value yes = op_select(g, e->y_true, e->weights, zero);
    const value no = op_select(g, e->y_true, zero, e->weights);
    const value all_yes = op_reduce(g, REDUCE_SUM, yes, 1, false);
    const value all_no = op_reduce(g, REDUCE_SUM, no, 1, false);
    const value hits = above(g, op_select(g, has_bucket, yes, zero), bucket, &to);
    const value misses = above(g, op_select(g, has_bucket, no, zero), bucket, &to);
    counts[CONFUSION_TRUE_POSITIVES] = hits;
    counts[CONFUSION_FALSE_POSITIVES] = misses;
    counts[CONFUSION_TRUE_NEGATIVES] = op_sub(g, all_no, misses);
    counts[CONFUSION_FALSE_NEGATIVES] = op_sub(g, all_yes, hits);
}

/* -- any thresholds ------------------------------------------------------------------------------
 */

static void count_any(const entries *e, const confusion_options *o, value counts[CONFUSION_KINDS])
{
    graph *g = e->g;
    const uint32_t rank = graph_rank(g, e->y_pred);
    shape s = {.rank = rank + 1, .dims = {o->thresholds->count, 1, 1}};
    const value zero = graph_scalar(g, 0);
    const value levels = graph_constant(g, EBB_F32, &s, o->thresholds->numbers);
    const value yes = arith_expand(g, op_select(g, e->y_true, e->weights, zero), 0);
    const value no = arith_expand(g, op_select(g, e->y_true, zero, e->weights), 0);
    const value is_above = op_compare(g, COMPARE_GREATER, arith_expand(g, e->y_pred, 0), levels);

    counts[CONFUSION_TRUE_POSITIVES] = op_select(g, is_above, yes, zero);
    counts[CONFUSION_FALSE_POSITIVES] = op_select(g, is_above, no, zero);
    counts[CONFUSION_TRUE_NEGATIVES] = op_select(g, is_above, zero, no);
    counts[CONFUSION_FALSE_NEGATIVES] = op_select(g, is_above, zero, yes);
    for (uint32_t i = 0; i < CONFUSION_KINDS; i++)
        counts[i] = op_reduce(g, REDUCE_SUM, counts[i], 2, false);
}

void confusion_counts(const metric_call *call, const confusion_options *options,
                      value counts[CONFUSION_KINDS])
{
    entries e;

    for (uint32_t i = 0; i < CONFUSION_KINDS; i++) counts[i] = VALUE_NONE;
    if (!take_entries(call, options, &e)) return;
    if (options->thresholds->is_even)
        count_even(&e, options, counts);
    else
        count_any(&e, options, counts);
}
