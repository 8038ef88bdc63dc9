/* operation_binary.c -- keras.ops of two tensors, element by element with broadcasting.
 * Source: keras/src/ops/numpy.py. */
#include <math.h>

#include "layer/operation.h"

static bool pair(layer_build *b, const layer_call *call, meeting how, value *x, value *y)
{
    *x = operation_operand(b, call, 0, "x1");
    *y = operation_operand(b, call, 1, "x2");
    if (!graph_ok(b->graph)) return false;
    operation_meet(b, how, x, y);
    return graph_ok(b->graph);
}

#define BINARY_OPERATIONS(X)                                                                       \
    X(add, "Add", NULL, ADD, NUMBERS)                                                              \
    X(subtract, "Subtract", NULL, SUB, NUMBERS)                                                    \
    X(multiply, "Multiply", NULL, MUL, NUMBERS)                                                    \
    X(divide, "Divide", "TrueDivide", DIV, FLOATS)                                                 \
    X(floor_divide, "FloorDivide", NULL, FLOOR_DIV, NUMBERS)                                       \
    X(mod, "Mod", NULL, MOD, NUMBERS)                                                              \
    X(maximum, "Maximum", "Fmax", MAX, NUMBERS)                                                    \
    X(minimum, "Minimum", "Fmin", MIN, NUMBERS)                                                    \
    X(arctan2, "Arctan2", NULL, ATAN2, FLOATS)                                                     \
    X(logical_and, "LogicalAnd", NULL, AND, BOOLS)                                                 \
    X(logical_or, "LogicalOr", NULL, OR, BOOLS)                                                    \
    X(logical_xor, "LogicalXor", NULL, XOR, BOOLS)

#define BINARY_OPERATION(id, class_name, aliases, kind, how)                                       \
    static bool id##_build(layer_build *b, const void *config, layer_call *call)                   \
    {                                                                                              \
        value x, y;                                                                                \
        (void)config;                                                                              \
        if (!pair(b, call, MEET_##how, &x, &y)) return false;                                      \
        return operation_result(b, call, op_binary(b->graph, BINARY_##kind, x, y));                \
    }                                                                                              \
    OPERATION_DEF(id, class_name, aliases, 0, NULL);
BINARY_OPERATIONS(BINARY_OPERATION)

#define COMPARE_OPERATIONS(X)                                                                      \
    X(equal, "Equal", EQUAL)                                                                       \
    X(not_equal, "NotEqual", NOT_EQUAL)                                                            \
    X(less, "Less", LESS)                                                                          \
    X(less_equal, "LessEqual", LESS_EQUAL)                                                         \
    X(greater, "Greater", GREATER)                                                                 \
    X(greater_equal, "GreaterEqual", GREATER_EQUAL)

#define COMPARE_OPERATION(id, class_name, kind)                                                    \
    static bool id##_build(layer_build *b, const void *config, layer_call *call)                   \
    {                                                                                              \
        value x, y;                                                                                \
        (void)config;                                                                              \
        if (!pair(b, call, MEET_ANY, &x, &y)) return false;                                        \
        return operation_result(b, call, op_compare(b->graph, COMPARE_##kind, x, y));              \
    }                                                                                              \
    OPERATION_DEF(id, class_name, NULL, 0, NULL);
COMPARE_OPERATIONS(COMPARE_OPERATION)

/* -- with a shape of their own
 * ----------------------------------------------------------------------- */

/* A plain number as exponent is an attribute of the op, and 2 is a product. */
static bool power_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    const call_argument *exponent = call_find(call, 1, "x2");
    const bool is_number =
        exponent->kind == CALL_LITERAL && exponent->literal != NULL &&
        (exponent->literal->kind == JSON_INTEGER || exponent->literal->kind == JSON_NUMBER);
    value x = operation_operand(b, call, 0, "x1");
    if (!graph_ok(b->graph)) return false;
    if (is_number && graph_value(b->graph, x)->dtype == EBB_F32) {
        const float n = (float)json_number(exponent->literal, 1);
        if (n == 2) return operation_result(b, call, op_unary(b->graph, UNARY_SQUARE, x));
        return operation_result(
            b, call, op_unary_with(b->graph, (unary_attributes){UNARY_POWER, n, 0, 0}, x));
    }
    value y;
    if (!pair(b, call, MEET_NUMBERS, &x, &y)) return false;
    return operation_result(b, call, op_binary(b->graph, BINARY_POW, x, y));
}
OPERATION_DEF(power, "Power", NULL, 0, NULL);

/* 0 where the divisor is 0; there its gradients are 0 too, so the division never sees the 0. */
static bool divide_no_nan_build(layer_build *b, const void *config, layer_call *call)
{
    value x, y;
    (void)config;
    if (!pair(b, call, MEET_FLOATS, &x, &y)) return false;
    const value zero = graph_scalar(b->graph, 0), one = graph_scalar(b->graph, 1);
    const value is_zero = op_compare(b->graph, COMPARE_EQUAL, y, zero);
    const value quotient = op_div(b->graph, x, op_select(b->graph, is_zero, one, y));
    return operation_result(b, call, op_select(b->graph, is_zero, zero, quotient));
}
OPERATION_DEF(divide_no_nan, "DivideNoNan", NULL, 0, NULL);

/* max + log(1 + exp(-|x - y|)). */
static bool logaddexp_build(layer_build *b, const void *config, layer_call *call)
{
    graph *g = b->graph;
    value x, y;
    (void)config;
    if (!pair(b, call, MEET_FLOATS, &x, &y)) return false;
    const value distance = op_unary(g, UNARY_ABS, op_sub(g, x, y));
    const value rest =
        op_unary(g, UNARY_LOG1P, op_unary(g, UNARY_EXP, op_unary(g, UNARY_NEG, distance)));
    return operation_result(b, call, op_add(g, op_binary(g, BINARY_MAX, x, y), rest));
}
OPERATION_DEF(logaddexp, "Logaddexp", NULL, 0, NULL);

static bool hypot_build(layer_build *b, const void *config, layer_call *call)
{
    graph *g = b->graph;
    value x, y;
    (void)config;
    if (!pair(b, call, MEET_FLOATS, &x, &y)) return false;
    const value sum = op_add(g, op_unary(g, UNARY_SQUARE, x), op_unary(g, UNARY_SQUARE, y));
    return operation_result(b, call, op_unary(g, UNARY_SQRT, sum));
}
OPERATION_DEF(hypot, "Hypot", NULL, 0, NULL);

static bool where_build(layer_build *b, const void *config, layer_call *call)
{
    (void)config;
    const value condition = op_cast(b->graph, operation_operand(b, call, 0, "condition"), EBB_BOOL);
    value x = operation_operand(b, call, 1, "x1"), y = operation_operand(b, call, 2, "x2");
    if (!graph_ok(b->graph)) return false;
    operation_meet(b, MEET_ANY, &x, &y);
    return operation_result(b, call, op_select(b->graph, condition, x, y));
}
OPERATION_DEF(where, "Where", NULL, 0, NULL);
