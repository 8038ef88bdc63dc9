/* loss_hinge.c -- hinges. y_true, y_pred [..., n] -> [...]. Labels 0 and 1 become -1 and 1, unless
 * any other number is among them. Source: keras/src/losses/losses.py. */
#include "train/arithmetic.h"
#include "train/loss/loss_values.h"

static value as_signs(graph *g, value y_true)
{
    const value is_zero = op_compare(g, COMPARE_EQUAL, y_true, graph_scalar(g, 0));
    const value is_one = op_compare(g, COMPARE_EQUAL, y_true, graph_scalar(g, 1));
    const value is_binary = arith_all(g, REDUCE_ALL, op_binary(g, BINARY_OR, is_zero, is_one));

    return op_select(g, is_binary, arith_affine(g, y_true, 2, -1), y_true);
}

/* max(1 - y_true * y_pred, 0) */
static value margins(graph *g, const char *what, value y_true, value y_pred)
{
    if (!loss_pair(g, what, &y_true, &y_pred)) return VALUE_NONE;
    return arith_at_least(g, arith_complement(g, op_mul(g, as_signs(g, y_true), y_pred)), 0);
}

value loss_hinge(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    (void)config;
    (void)mask;
    return arith_last(g, REDUCE_MEAN, margins(g, "hinge", y_true, y_pred));
}

value loss_squared_hinge(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    (void)config;
    (void)mask;
    const value x = margins(g, "squared_hinge", y_true, y_pred);
    return arith_last(g, REDUCE_MEAN, arith_square(g, x));
}

value loss_categorical_hinge(graph *g, const void *config, value y_true, value y_pred, value *mask)
{
    (void)config;
    (void)mask;
    if (!loss_pair(g, "categorical_hinge", &y_true, &y_pred)) return VALUE_NONE;
    const value right = arith_last(g, REDUCE_SUM, op_mul(g, y_true, y_pred));
    const value wrong = arith_last(g, REDUCE_MAX, op_mul(g, arith_complement(g, y_true), y_pred));
    return arith_at_least(g, arith_affine(g, op_sub(g, wrong, right), 1, 1), 0);
}

const loss_def loss_def_hinge = {
    .entry = {.name = "Hinge"},
    .default_name = "hinge",
    .values = loss_hinge,
};

const loss_def loss_def_squared_hinge = {
    .entry = {.name = "SquaredHinge"},
    .default_name = "squared_hinge",
    .values = loss_squared_hinge,
};

const loss_def loss_def_categorical_hinge = {
    .entry = {.name = "CategoricalHinge"},
    .default_name = "categorical_hinge",
    .values = loss_categorical_hinge,
};
