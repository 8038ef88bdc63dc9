/* loss_circle.c -- circle loss: rows of one class shall be near, others far.
 *
 * y_true [n] or [n, 1] of class numbers, y_pred [n, d] of unit length -> [n]. Rows whose loss is 0
 * do not count in a mean. Source: keras/src/losses/losses.py and utils/numerical_utils.py. */
#include <math.h>

#include "train/arithmetic.h"
#include "train/loss/loss_values.h"

typedef struct circle_config {
    float gamma, margin;
    bool remove_diagonal;
} circle_config;

static const layer_field circle_fields[] = {
    {.key = "gamma", .kind = FIELD_F32, .offset = offsetof(circle_config, gamma), .otherwise = 80},
    {.key = "margin",
     .kind = FIELD_F32,
     .offset = offsetof(circle_config, margin),
     .otherwise = 0.4},
    {.key = "remove_diagonal",
     .kind = FIELD_BOOL,
     .offset = offsetof(circle_config, remove_diagonal),
     .otherwise = 1},
    {0}};

/* [n] -> [n, n]: does entry i compare so with entry j? */
static value pairs(graph *g, compare_kind kind, value x)
{
    return op_compare(g, kind, arith_expand(g, x, 1), arith_expand(g, x, 0));
}

/* log(sum(exp(weight * (distance - centre)))) over the pairs in `mask`: the weights are masked and
 * not negative. */
static value pull(graph *g, value mask, value weights, value difference, float factor)
{
    const value zero = graph_scalar(g, 0), none = graph_scalar(g, -INFINITY);

    weights = arith_at_least(g, op_select(g, mask, weights, zero), 0);
    const value x = op_mul(g, arith_affine(g, weights, factor, 0), difference);
    return arith_last(g, REDUCE_LOG_SUM_EXP, op_select(g, mask, x, none));
}

static value circle_values(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    const circle_config *c = config;

    y_true = arith_integer(g, y_true);
    y_pred = arith_float(g, y_pred);
    if (graph_rank(g, y_true) == 2 && graph_dim(g, y_true, -1) == 1)
        y_true = arith_squeeze_last(g, y_true);
    if (graph_ok(g) && (graph_rank(g, y_true) != 1 || graph_rank(g, y_pred) != 2))
        return graph_fail(g, EBB_E_SHAPE,
                          "circle: expected targets of rank 1 and predictions of rank 2, found "
                          "ranks %u and %u",
                          graph_rank(g, y_true), graph_rank(g, y_pred));
    const value near = op_matmul(g, y_pred, y_pred, false, true);
    const value distance = arith_at_least(g, arith_complement(g, near), 0);
    value same = pairs(g, COMPARE_EQUAL, y_true);
    const value other = arith_not(g, same);
    if (c->remove_diagonal) {
        const value row = op_iota(g, graph_dim(g, y_pred, 0));
        same = arith_both(g, same, pairs(g, COMPARE_NOT_EQUAL, row));
    }
    const value same_weights = arith_affine(g, distance, 1, c->margin);
    const value other_weights = arith_affine(g, distance, -1, 1 + c->margin);
    const value same_loss =
        pull(g, same, same_weights, arith_affine(g, distance, -1, c->margin), -c->gamma);
    const value other_loss =
        pull(g, other, other_weights, arith_affine(g, distance, -1, 1 - c->margin), c->gamma);
    const value losses = op_unary(g, UNARY_SOFTPLUS, op_add(g, same_loss, other_loss));
    *mask = op_compare(g, COMPARE_GREATER, losses, graph_scalar(g, 0));
    return losses;
}

const loss_def loss_def_circle = {
    .entry = {.name = "Circle", .config_bytes = sizeof(circle_config), .fields = circle_fields},
    .default_name = "circle",
    .values = circle_values,
    .takes_labels = true,
};
