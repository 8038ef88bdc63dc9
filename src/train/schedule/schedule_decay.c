/* schedule_decay.c -- ExponentialDecay, InverseTimeDecay, PolynomialDecay, PiecewiseConstantDecay.
 */
#include <math.h>

#include "base/status.h"
#include "train/arithmetic.h"
#include "train/schedule/schedule.h"

/* -- ExponentialDecay: lr * rate ^ (step / steps); InverseTimeDecay: lr / (1 + rate * step / steps)
 */

typedef struct decay {
    double initial_learning_rate, decay_steps, decay_rate;
    bool staircase;
} decay;

static const layer_field decay_fields[] = {
    TRAIN_FIELD_REQUIRED(decay, initial_learning_rate, FIELD_F64),
    TRAIN_FIELD_REQUIRED(decay, decay_steps, FIELD_F64),
    TRAIN_FIELD_REQUIRED(decay, decay_rate, FIELD_F64),
    TRAIN_FIELD(decay, staircase, FIELD_BOOL, 0),
    TRAIN_FIELD_END,
};

static ebb_status decay_check(const void *config, const char *where, ebb_error *error)
{
    const decay *c = config;

    if (c->decay_steps > 0) return EBB_OK;
    return train_range_fail(error, where, "decay_steps", "a positive number", c->decay_steps);
}

static value decay_progress(graph *g, const decay *c, value step)
{
    const value progress = op_div(g, step, graph_scalar(g, (float)c->decay_steps));

    return c->staircase ? op_unary(g, UNARY_FLOOR, progress) : progress;
}

static value exponential_emit(graph *g, const void *config, value step)
{
    const decay *c = config;
    const value factor = arith_power_of(g, c->decay_rate, decay_progress(g, c, step));

    return arith_affine(g, factor, c->initial_learning_rate, 0);
}

const schedule_def schedule_def_exponential_decay = {
    {"ExponentialDecay", NULL, sizeof(decay), decay_fields, decay_check}, exponential_emit};

static value inverse_time_emit(graph *g, const void *config, value step)
{
    const decay *c = config;
    const value below = arith_affine(g, decay_progress(g, c, step), c->decay_rate, 1);

    return op_div(g, graph_scalar(g, (float)c->initial_learning_rate), below);
}

const schedule_def schedule_def_inverse_time_decay = {
    {"InverseTimeDecay", NULL, sizeof(decay), decay_fields, decay_check}, inverse_time_emit};

/* -- PolynomialDecay: (lr - end) * (1 - step / steps) ^ power + end -----------------------------
 */

typedef struct polynomial {
    double initial_learning_rate, decay_steps, end_learning_rate, power;
    bool cycle;
} polynomial;

static const layer_field polynomial_fields[] = {
    TRAIN_FIELD_REQUIRED(polynomial, initial_learning_rate, FIELD_F64),
    TRAIN_FIELD_REQUIRED(polynomial, decay_steps, FIELD_F64),
    TRAIN_FIELD(polynomial, end_learning_rate, FIELD_F64, 0.0001),
    TRAIN_FIELD(polynomial, power, FIELD_F64, 1),
    TRAIN_FIELD(polynomial, cycle, FIELD_BOOL, 0),
    TRAIN_FIELD_END,
};

static ebb_status polynomial_check(const void *config, const char *where, ebb_error *error)
{
    const polynomial *c = config;

    if (c->decay_steps > 0) return EBB_OK;
    return train_range_fail(error, where, "decay_steps", "a positive number", c->decay_steps);
}

static value polynomial_emit(graph *g, const void *config, value step)
{
    const polynomial *c = config;
    const value zero = graph_scalar(g, 0), one = graph_scalar(g, 1);
    value steps = graph_scalar(g, (float)c->decay_steps);

    if (c->cycle) {
        const value rounds = op_unary(g, UNARY_CEIL, op_div(g, step, steps));
        const value is_first = op_compare(g, COMPARE_EQUAL, step, zero);
        steps = op_mul(g, steps, op_select(g, is_first, one, rounds));
    } else {
        step = arith_min(g, step, steps);
    }
    const value left = op_sub(g, one, op_div(g, step, steps));
    const float span = (float)c->initial_learning_rate - (float)c->end_learning_rate;

    return arith_affine(g, arith_power(g, left, c->power), span, c->end_learning_rate);
}

const schedule_def schedule_def_polynomial_decay = {
    {"PolynomialDecay", NULL, sizeof(polynomial), polynomial_fields, polynomial_check},
    polynomial_emit};

/* -- PiecewiseConstantDecay: values[i] for the first boundary i that is not below the step -------
 */

typedef struct piecewise {
    const json *boundaries, *values;
} piecewise;

static const layer_field piecewise_fields[] = {
    TRAIN_FIELD_REQUIRED(piecewise, boundaries, FIELD_JSON),
    TRAIN_FIELD_REQUIRED(piecewise, values, FIELD_JSON),
    TRAIN_FIELD_END,
};

static bool are_numbers(const json *list)
{
    if (list->kind != JSON_ARRAY) return false;
    for (uint32_t i = 0; i < list->count; i++) {
        if (!isfinite(json_number(json_item(list, i), NAN))) return false;
    }
    return true;
}

static ebb_status piecewise_check(const void *config, const char *where, ebb_error *error)
{
    const piecewise *c = config;

    if (!are_numbers(c->boundaries) || !are_numbers(c->values)) {
        return fail(error, EBB_E_FORMAT, where,
                    "boundaries and values: expected two lists of numbers");
    }
    if (c->values->count >= 2 && c->boundaries->count == c->values->count - 1) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, where,
                "values: expected one more than there are boundaries (%u), at least two; got %u",
                c->boundaries->count, c->values->count);
}

static value piecewise_emit(graph *g, const void *config, value step)
{
    const piecewise *c = config;
    const uint32_t last = c->boundaries->count;
    value result = graph_scalar(g, (float)json_number(json_item(c->values, last), 0));

    for (uint32_t i = last; i-- > 0;) {
        /* boundaries are cast to the integers of the step */
        const double boundary = trunc(json_number(json_item(c->boundaries, i), 0));
        const value is_before =
            op_compare(g, COMPARE_LESS_EQUAL, step, graph_scalar(g, (float)boundary));
        const value here = graph_scalar(g, (float)json_number(json_item(c->values, i), 0));
        result = op_select(g, is_before, here, result);
    }
    return result;
}

const schedule_def schedule_def_piecewise_constant_decay = {
    {"PiecewiseConstantDecay", NULL, sizeof(piecewise), piecewise_fields, piecewise_check},
    piecewise_emit};
