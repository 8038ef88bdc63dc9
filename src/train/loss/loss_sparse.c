/* loss_sparse.c -- crossentropies whose targets are class numbers.
 *
 * A class number out of range makes its loss NaN, as TensorFlow does on devices that cannot stop;
 * fit refuses such targets before they get here (loss_class_count).
 * Source: keras/src/losses/losses.py, keras/src/backend/tensorflow/nn.py. */
#include <math.h>

#include "base/status.h"
#include "train/arithmetic.h"
#include "train/loss/loss_values.h"

const layer_field loss_sparse_crossentropy_fields[] = {
    {.key = "from_logits",
     .kind = FIELD_BOOL,
     .offset = offsetof(loss_sparse_crossentropy, from_logits)},
    {.key = "ignore_class",
     .kind = FIELD_I64,
     .offset = offsetof(loss_sparse_crossentropy, ignore_class),
     .otherwise = (double)INT64_MIN},
    {.key = "axis",
     .kind = FIELD_I64,
     .offset = offsetof(loss_sparse_crossentropy, axis),
     .otherwise = -1},
    {0}};

/* y_true as I32 of the shape of y_pred without its last axis. */
static bool class_numbers(graph *g, const char *what, value *y_true, value y_pred)
{
    const uint32_t rank = graph_rank(g, y_pred);
    char a[160], b[160];

    if (graph_ok(g) && rank > 0 && graph_rank(g, *y_true) == rank && graph_dim(g, *y_true, -1) == 1)
        *y_true = arith_squeeze_last(g, *y_true);
    const shape *s = graph_shape(g, *y_true), *p = graph_shape(g, y_pred);
    bool fits = graph_ok(g) && rank > 0 && s->rank == rank - 1;
    for (uint32_t i = 0; fits && i < s->rank; i++)
        fits = !dim_known(s->dims[i]) || !dim_known(p->dims[i]) || s->dims[i] == p->dims[i];
    if (fits) {
        *y_true = arith_integer(g, *y_true);
        return graph_ok(g);
    }
    if (graph_ok(g))
        (void)graph_fail(g, EBB_E_SHAPE,
                         "%s: the targets have shape %s, the predictions %s; expected one class "
                         "number for each row of predictions",
                         what, shape_text(g, s, a, sizeof a), shape_text(g, p, b, sizeof b));
    return false;
}

/* Is the class number one of those the last axis of y_pred has? */
static value in_range(graph *g, value y_true, dim classes)
{
    return arith_both(g, op_compare(g, COMPARE_GREATER_EQUAL, y_true, graph_scalar_i32(g, 0)),
                      op_compare(g, COMPARE_LESS, y_true, op_length(g, classes)));
}

/* x[..., y_true] */
static value pick(graph *g, value x, value y_true)
{
    const uint32_t last = graph_rank(g, x) - 1;
    const gather_attributes a = {.axis = last, .batch_dims = last};

    return arith_squeeze_last(g, op_gather_with(g, x, arith_expand(g, y_true, -1), &a));
}

value loss_sparse_categorical_crossentropy(graph *g, const void *config, value y_true, value y_pred,
                                           value *mask)
{
    const loss_sparse_crossentropy *c = config;
    const bool ignores = c->ignore_class != INT64_MIN;
    value counts = VALUE_NONE;

    y_pred = arith_float(g, y_pred);
    if (!class_numbers(g, "sparse_categorical_crossentropy", &y_true, y_pred)) return VALUE_NONE;
    const uint32_t rank = graph_rank(g, y_pred), last = 1u << (rank - 1);
    if (c->axis != -1 && c->axis != (int64_t)rank - 1)
        return graph_fail(g, EBB_E_UNSUPPORTED,
                          "sparse_categorical_crossentropy: axis is %lld, only -1 is supported",
                          (long long)c->axis);
    if (ignores) {
        const value zero = graph_scalar_i32(g, 0);
        counts =
            op_compare(g, COMPARE_NOT_EQUAL, y_true, graph_scalar_i32(g, (int32_t)c->ignore_class));
        y_true = op_select(g, counts, y_true, zero);
        y_pred = op_select(g, arith_expand(g, counts, -1), y_pred, graph_scalar(g, 0));
        *mask = counts;
    }
    if (!loss_find_logits(g, c->from_logits, &y_pred))
        y_pred = op_unary(g, UNARY_LOG, arith_clip(g, y_pred, KERAS_EPSILON, (float)(1.0 - 1e-7)));
    value losses = op_unary(g, UNARY_NEG, pick(g, op_softmax(g, y_pred, last, true), y_true));
    losses =
        op_select(g, in_range(g, y_true, graph_dim(g, y_pred, -1)), losses, graph_scalar(g, NAN));
    return ignores ? op_select(g, counts, losses, graph_scalar(g, 0)) : losses;
}

const loss_def loss_def_sparse_categorical_crossentropy = {
    .entry = {.name = "SparseCategoricalCrossentropy",
              .config_bytes = sizeof(loss_sparse_crossentropy),
              .fields = loss_sparse_crossentropy_fields},
    .default_name = "sparse_categorical_crossentropy",
    .values = loss_sparse_categorical_crossentropy,
    .is_sparse = true,
};

/* -- generalized ------------------------------------------------------------------------------- */

typedef struct generalized_config {
    float q;
} generalized_config;

static const layer_field generalized_fields[] = {
    {.key = "q", .kind = FIELD_F32, .offset = offsetof(generalized_config, q), .otherwise = 0.5},
    {0}};

static ebb_status generalized_check(const void *config, const char *where, ebb_error *error)
{
    const float q = ((const generalized_config *)config)->q;

    if (q > 0 && q < 1) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, where,
                "key 'q' of CategoricalGeneralizedCrossEntropy: expected a number between 0 and 1, "
                "found %g",
                (double)q);
}

static value generalized_values(graph *g, const void *config, value y_true, value y_pred,
                                value *mask)
{
    const float q = ((const generalized_config *)config)->q;

    (void)mask;
    y_pred = arith_float(g, y_pred);
    if (!class_numbers(g, "categorical_generalized_cross_entropy", &y_true, y_pred))
        return VALUE_NONE;
    const value inside = in_range(g, y_true, graph_dim(g, y_pred, -1));
    const value p = op_select(g, inside, pick(g, y_pred, y_true), graph_scalar(g, NAN));
    const value power = op_unary_with(g, (unary_attributes){.kind = UNARY_POWER, .alpha = q}, p);
    return arith_affine(g, arith_complement(g, power), 1 / q, 0);
}

const loss_def loss_def_categorical_generalized_cross_entropy = {
    .entry = {.name = "CategoricalGeneralizedCrossEntropy",
              .config_bytes = sizeof(generalized_config),
              .fields = generalized_fields,
              .check = generalized_check},
    .default_name = "categorical_generalized_cross_entropy",
    .values = generalized_values,
    .is_sparse = true,
};
