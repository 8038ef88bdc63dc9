/* operation_reduce.c -- keras.ops that sum up along axes: sums, means, extremes, norms, running
 * sums. Source: keras/src/ops/numpy.py, math.py, linalg.py. */
#include <math.h>

#include "layer/operation.h"

typedef struct reduce_config {
    int_list axis;
    bool keepdims;
    const char *dtype;
    const json *ord;
} reduce_config;

#define REDUCE_FIELDS                                                                              \
    {"axis", FIELD_INTS, offsetof(reduce_config, axis), false, 0, NULL},                           \
        {"keepdims", FIELD_BOOL, offsetof(reduce_config, keepdims), false, 0, NULL},               \
    {                                                                                              \
        "dtype", FIELD_TEXT, offsetof(reduce_config, dtype), false, 0, NULL                        \
    }

static const layer_field reduce_fields[] = {REDUCE_FIELDS, FIELDS_END};
static const layer_field norm_fields[] = {
    REDUCE_FIELDS, {"ord", FIELD_JSON, offsetof(reduce_config, ord), false, 0, NULL}, FIELDS_END};

static bool reduce_apply(layer_build *b, const reduce_config *c, layer_call *call, reduce_kind kind,
                         meeting type)
{
    value x = operation_operand(b, call, 0, "x");
    uint32_t axes = 0;
    if (x == VALUE_NONE || !operation_axes(b, x, &c->axis, &axes)) return false;
    if (type == MEET_FLOATS)
        x = build_f32(b, x);
    else
        x = type == MEET_BOOLS ? op_cast(b->graph, x, EBB_BOOL) : operation_number(b, x);
    if (!operation_dtype(b, c->dtype, &call->outputs[0].declared)) return false;
    x = operation_cast(b, x, call->outputs[0].declared);
    return operation_result(b, call, op_reduce(b->graph, kind, x, axes, c->keepdims));
}

#define REDUCE_OPERATIONS(X)                                                                       \
    X(sum, "Sum", NULL, SUM, NUMBERS)                                                              \
    X(mean, "Mean", NULL, MEAN, FLOATS)                                                            \
    X(max, "Max", "Amax", MAX, NUMBERS)                                                            \
    X(min, "Min", "Amin", MIN, NUMBERS)                                                            \
    X(prod, "Prod", NULL, PROD, NUMBERS)                                                           \
    X(any, "Any", NULL, ANY, BOOLS)                                                                \
    X(all, "All", NULL, ALL, BOOLS)                                                                \
    X(logsumexp, "Logsumexp", NULL, LOG_SUM_EXP, FLOATS)

#define REDUCE_OPERATION(id, class_name, other_names, which, type)                                 \
    static bool id##_build(layer_build *b, const void *config, layer_call *call)                   \
    {                                                                                              \
        return reduce_apply(b, config, call, REDUCE_##which, MEET_##type);                         \
    }                                                                                              \
    OPERATION_DEF(id, class_name, other_names, sizeof(reduce_config), reduce_fields);
REDUCE_OPERATIONS(REDUCE_OPERATION)

/* -- variance
 * -------------------------------------------------------------------------------------- */

static value variance(graph *g, value x, uint32_t axes, bool keepdims)
{
    const value mean = op_reduce(g, REDUCE_MEAN, x, axes, true);
    const value squares = op_binary(g, BINARY_SQUARED_DIFFERENCE, x, mean);
    return op_reduce(g, REDUCE_MEAN, squares, axes, keepdims);
}

static bool float_operand(layer_build *b, const reduce_config *c, layer_call *call, value *x,
                          uint32_t *axes)
{
    *x = build_f32(b, operation_operand(b, call, 0, "x"));
    return *x != VALUE_NONE && operation_axes(b, *x, &c->axis, axes);
}

static bool var_build(layer_build *b, const void *config, layer_call *call)
{
    const reduce_config *c = config;
    value x;
    uint32_t axes = 0;
    if (!float_operand(b, c, call, &x, &axes)) return false;
    return operation_result(b, call, variance(b->graph, x, axes, c->keepdims));
}
OPERATION_DEF(var, "Var", NULL, sizeof(reduce_config), reduce_fields);

static bool std_build(layer_build *b, const void *config, layer_call *call)
{
    if (!var_build(b, config, call)) return false;
    return operation_result(b, call, op_unary(b->graph, UNARY_SQRT, call->outputs[0].v));
}
OPERATION_DEF(std, "Std", NULL, sizeof(reduce_config), reduce_fields);

static const layer_field moments_fields[] = {
    {"axes", FIELD_INTS, offsetof(reduce_config, axis), false, 0, NULL},
    {"keepdims", FIELD_BOOL, offsetof(reduce_config, keepdims), false, 0, NULL},
    FIELDS_END,
};

static bool moments_build(layer_build *b, const void *config, layer_call *call)
{
    const reduce_config *c = config;
    value x;
    uint32_t axes = 0;
    if (!float_operand(b, c, call, &x, &axes)) return false;
    call->output_count = 2;
    call->outputs[1].v = variance(b->graph, x, axes, c->keepdims);
    return operation_result(b, call, op_reduce(b->graph, REDUCE_MEAN, x, axes, c->keepdims));
}
OPERATION_DEF(moments, "Moments", NULL, sizeof(reduce_config), moments_fields);

/* -- others
 * ---------------------------------------------------------------------------------------- */

static bool count_nonzero_build(layer_build *b, const void *config, layer_call *call)
{
    const reduce_config *c = config;
    const value x = operation_operand(b, call, 0, "x");
    uint32_t axes = 0;
    if (x == VALUE_NONE || !operation_axes(b, x, &c->axis, &axes)) return false;
    const value ones = build_i32(b, op_cast(b->graph, x, EBB_BOOL));
    call->outputs[0].declared = EBB_I32;
    return operation_result(b, call, op_reduce(b->graph, REDUCE_SUM, ones, axes, c->keepdims));
}
OPERATION_DEF(count_nonzero, "CountNonzero", NULL, sizeof(reduce_config), reduce_fields);

static bool ptp_build(layer_build *b, const void *config, layer_call *call)
{
    const reduce_config *c = config;
    const value x = operation_number(b, operation_operand(b, call, 0, "x"));
    uint32_t axes = 0;
    if (x == VALUE_NONE || !operation_axes(b, x, &c->axis, &axes)) return false;
    const value high = op_reduce(b->graph, REDUCE_MAX, x, axes, c->keepdims);
    return operation_result(
        b, call, op_sub(b->graph, high, op_reduce(b->graph, REDUCE_MIN, x, axes, c->keepdims)));
}
OPERATION_DEF(ptp, "Ptp", NULL, sizeof(reduce_config), reduce_fields);

static bool average_build(layer_build *b, const void *config, layer_call *call)
{
    const reduce_config *c = config;
    graph *g = b->graph;
    value x;
    uint32_t axes = 0;
    if (!float_operand(b, c, call, &x, &axes)) return false;
    value weights = operation_optional(b, call, 1, "weights");
    if (!graph_ok(g)) return false;
    if (weights == VALUE_NONE)
        return operation_result(b, call, op_reduce(g, REDUCE_MEAN, x, axes, false));
    weights = op_broadcast(g, build_f32(b, weights), graph_shape(g, x));
    const value sum = op_reduce(g, REDUCE_SUM, op_mul(g, x, weights), axes, false);
    return operation_result(b, call,
                            op_div(g, sum, op_reduce(g, REDUCE_SUM, weights, axes, false)));
}
OPERATION_DEF(average, "Average", NULL, sizeof(reduce_config), reduce_fields);

/* (sum |x|^p)^(1/p), and its limits. */
static value vector_norm(layer_build *b, value x, double p, uint32_t axes, bool keepdims)
{
    graph *g = b->graph;
    const value size = op_unary(g, UNARY_ABS, x);
    if (isinf(p)) return op_reduce(g, p > 0 ? REDUCE_MAX : REDUCE_MIN, size, axes, keepdims);
    if (p == 1) return op_reduce(g, REDUCE_SUM, size, axes, keepdims);
    if (p == 2) {
        const value sum = op_reduce(g, REDUCE_SUM, op_unary(g, UNARY_SQUARE, x), axes, keepdims);
        return op_unary(g, UNARY_SQRT, sum);
    }
    if (p == 0) {
        return op_reduce(g, REDUCE_SUM, build_f32(b, op_cast(g, x, EBB_BOOL)), axes, keepdims);
    }
    const unary_attributes power = {UNARY_POWER, (float)p, 0, 0},
                           root = {UNARY_POWER, (float)(1 / p), 0, 0};
    const value sum = op_reduce(g, REDUCE_SUM, op_unary_with(g, power, size), axes, keepdims);
    return op_unary_with(g, root, sum);
}

static bool norm_build(layer_build *b, const void *config, layer_call *call)
{
    const reduce_config *c = config;
    value x;
    uint32_t axes = 0;
    if (!float_operand(b, c, call, &x, &axes)) return false;
    const bool is_plain =
        c->ord == NULL || json_is_text(c->ord, "fro") || json_is_text(c->ord, "euclidean");
    const bool is_vector =
        c->axis.count == 1 || (c->axis.count == 0 && graph_rank(b->graph, x) == 1);
    if (!is_plain && !is_vector) {
        char text[80];
        return layer_fail(b, EBB_E_UNSUPPORTED, "matrix norms of order %s are not supported",
                          json_describe(c->ord, text, sizeof text));
    }
    const double p = is_plain ? 2 : json_number(c->ord, 2);
    return operation_result(b, call, vector_norm(b, x, p, axes, c->keepdims));
}
OPERATION_DEF(norm, "Norm", NULL, sizeof(reduce_config), norm_fields);

/* -- one axis, or the flattened tensor
 * --------------------------------------------------------------- */

typedef struct axis_config {
    const json *axis;
    bool keepdims;
    const char *dtype;
} axis_config;
static const layer_field axis_fields[] = {
    {"axis", FIELD_JSON, offsetof(axis_config, axis), false, 0, NULL},
    {"keepdims", FIELD_BOOL, offsetof(axis_config, keepdims), false, 0, NULL},
    {"dtype", FIELD_TEXT, offsetof(axis_config, dtype), false, 0, NULL},
    FIELDS_END,
};

static bool arg_apply(layer_build *b, const axis_config *c, layer_call *call, bool is_max)
{
    value x = operation_number(b, operation_operand(b, call, 0, "x"));
    const uint32_t rank = x != VALUE_NONE ? graph_rank(b->graph, x) : 0;
    if (c->axis == NULL) x = operation_flat(b, x);
    const int axis = x != VALUE_NONE ? operation_axis(b, x, c->axis, 0) : -1;
    if (axis < 0) return false;
    value y = op_arg_reduce(b->graph, is_max, x, axis);
    if (c->keepdims && c->axis != NULL) y = operation_axis_insert(b, y, (uint32_t)axis);
    for (uint32_t k = 0; c->keepdims && c->axis == NULL && k < rank; k++)
        y = operation_axis_insert(b, y, 0);
    call->outputs[0].declared = EBB_I32;
    return operation_result(b, call, y);
}

static bool argmax_build(layer_build *b, const void *config, layer_call *call)
{
    return arg_apply(b, config, call, true);
}
OPERATION_DEF(argmax, "Argmax", NULL, sizeof(axis_config), axis_fields);

static bool argmin_build(layer_build *b, const void *config, layer_call *call)
{
    return arg_apply(b, config, call, false);
}
OPERATION_DEF(argmin, "Argmin", NULL, sizeof(axis_config), axis_fields);

static bool cumulative_apply(layer_build *b, const axis_config *c, layer_call *call,
                             bool is_product)
{
    value x = operation_number(b, operation_operand(b, call, 0, "x"));
    if (!operation_dtype(b, c->dtype, &call->outputs[0].declared)) return false;
    x = operation_cast(b, x, call->outputs[0].declared);
    if (c->axis == NULL) x = operation_flat(b, x);
    const int axis = x != VALUE_NONE ? operation_axis(b, x, c->axis, 0) : -1;
    if (axis < 0) return false;
    const cumulative_attributes attributes = {is_product, (uint32_t)axis, false, false};
    return operation_result(b, call, op_cumulative(b->graph, x, &attributes));
}

static bool cumsum_build(layer_build *b, const void *config, layer_call *call)
{
    return cumulative_apply(b, config, call, false);
}
OPERATION_DEF(cumsum, "Cumsum", NULL, sizeof(axis_config), axis_fields);

static bool cumprod_build(layer_build *b, const void *config, layer_call *call)
{
    return cumulative_apply(b, config, call, true);
}
OPERATION_DEF(cumprod, "Cumprod", NULL, sizeof(axis_config), axis_fields);
