/* operation_unary.c -- keras.ops of one tensor, element by element: one line each.
 *
 * Square, negative, absolute and sign keep integers; the others compute in float32.
 * Source: keras/src/ops/numpy.py, math.py, core.py. */
#include <math.h>

#include "layer/operation.h"

static bool keeps_integers(unary_kind kind)
{
    return kind == UNARY_IDENTITY || kind == UNARY_NEG || kind == UNARY_ABS || kind == UNARY_SIGN ||
           kind == UNARY_SQUARE;
}

static bool unary_apply(layer_build *b, layer_call *call, unary_kind kind)
{
    value x = operation_operand(b, call, 0, "x");
    if (x == VALUE_NONE || kind == UNARY_IDENTITY) return operation_result(b, call, x);
    if (kind == UNARY_LOGICAL_NOT)
        x = op_cast(b->graph, x, EBB_BOOL);
    else
        x = keeps_integers(kind) ? operation_number(b, x) : build_f32(b, x);
    return operation_result(b, call, op_unary(b->graph, kind, x));
}

#define UNARY_OPERATIONS(X)                                                                        \
    X(absolute, "Absolute", "Abs", ABS)                                                            \
    X(negative, "Negative", NULL, NEG)                                                             \
    X(sign, "Sign", NULL, SIGN)                                                                    \
    X(square, "Square", NULL, SQUARE)                                                              \
    X(sqrt, "Sqrt", NULL, SQRT)                                                                    \
    X(rsqrt, "Rsqrt", NULL, RSQRT)                                                                 \
    X(reciprocal, "Reciprocal", NULL, RECIPROCAL)                                                  \
    X(exp, "Exp", NULL, EXP)                                                                       \
    X(expm1, "Expm1", NULL, EXPM1)                                                                 \
    X(log, "Log", NULL, LOG)                                                                       \
    X(log1p, "Log1p", NULL, LOG1P)                                                                 \
    X(sin, "Sin", NULL, SIN)                                                                       \
    X(cos, "Cos", NULL, COS)                                                                       \
    X(tan, "Tan", NULL, TAN)                                                                       \
    X(arcsin, "Arcsin", NULL, ASIN)                                                                \
    X(arccos, "Arccos", NULL, ACOS)                                                                \
    X(arctan, "Arctan", NULL, ATAN)                                                                \
    X(sinh, "Sinh", NULL, SINH)                                                                    \
    X(cosh, "Cosh", NULL, COSH)                                                                    \
    X(arcsinh, "Arcsinh", NULL, ASINH)                                                             \
    X(arccosh, "Arccosh", NULL, ACOSH)                                                             \
    X(arctanh, "Arctanh", NULL, ATANH)                                                             \
    X(erf, "Erf", NULL, ERF)                                                                       \
    X(floor, "Floor", NULL, FLOOR)                                                                 \
    X(ceil, "Ceil", NULL, CEIL)                                                                    \
    X(trunc, "Trunc", NULL, TRUNC)                                                                 \
    X(isnan, "Isnan", NULL, IS_NAN)                                                                \
    X(isfinite, "Isfinite", NULL, IS_FINITE)                                                       \
    X(isinf, "Isinf", NULL, IS_INF)                                                                \
    X(logical_not, "LogicalNot", NULL, LOGICAL_NOT)                                                \
    X(copy, "Copy", "Conjugate|Real", IDENTITY)

#define UNARY_OPERATION(id, class_name, aliases, kind)                                             \
    static bool id##_build(layer_build *b, const void *config, layer_call *call)                   \
    {                                                                                              \
        (void)config;                                                                              \
        return unary_apply(b, call, UNARY_##kind);                                                 \
    }                                                                                              \
    OPERATION_DEF(id, class_name, aliases, 0, NULL);
UNARY_OPERATIONS(UNARY_OPERATION)

static bool stop_gradient_build(layer_build *b, const void *config, layer_call *call)
{
    const value x = operation_operand(b, call, 0, "variable");

    (void)config;
    return operation_result(b, call, x == VALUE_NONE ? x : op_stop(b->graph, x));
}
OPERATION_DEF(stop_gradient, "StopGradient", NULL, 0, NULL);

/* -- a unary op with a factor around it
 * ------------------------------------------------------------ */

/* f(before * x) * after. */
static bool scaled_apply(layer_build *b, layer_call *call, float before, unary_kind kind,
                         float after)
{
    value x = build_f32(b, operation_operand(b, call, 0, "x"));
    if (before != 1) x = op_unary_with(b->graph, (unary_attributes){UNARY_AFFINE, before, 0, 0}, x);
    if (kind != UNARY_IDENTITY) x = op_unary(b->graph, kind, x);
    if (after != 1) x = op_unary_with(b->graph, (unary_attributes){UNARY_AFFINE, after, 0, 0}, x);
    return operation_result(b, call, x);
}

#define SCALED_OPERATIONS(X)                                                                       \
    X(log2, "Log2", 1, LOG, (float)(1 / 0.693147180559945309))                                     \
    X(log10, "Log10", 1, LOG, (float)(1 / 2.302585092994045684))                                   \
    X(exp2, "Exp2", 0.693147180559945309f, EXP, 1)                                                 \
    X(deg2rad, "Deg2rad", 0.017453292519943296f, IDENTITY, 1)                                      \
    X(rad2deg, "Rad2deg", 57.29577951308232f, IDENTITY, 1)                                         \
    X(fabs, "Fabs", 1, ABS, 1)

#define SCALED_OPERATION(id, class_name, before, kind, after)                                      \
    static bool id##_build(layer_build *b, const void *config, layer_call *call)                   \
    {                                                                                              \
        (void)config;                                                                              \
        return scaled_apply(b, call, before, UNARY_##kind, after);                                 \
    }                                                                                              \
    OPERATION_DEF(id, class_name, NULL, 0, NULL);
SCALED_OPERATIONS(SCALED_OPERATION)

/* -- with fields of their own
 * ---------------------------------------------------------------------- */

typedef struct round_config {
    int64_t decimals;
} round_config;
static const layer_field round_fields[] = {
    {"decimals", FIELD_I64, offsetof(round_config, decimals), false, 0, NULL}, FIELDS_END};

static bool round_build(layer_build *b, const void *config, layer_call *call)
{
    const round_config *c = config;
    const float factor = powf(10.0f, (float)c->decimals);
    value x = build_f32(b, operation_operand(b, call, 0, "x"));
    if (c->decimals != 0) x = op_mul(b->graph, x, graph_scalar(b->graph, factor));
    x = op_unary(b->graph, UNARY_ROUND, x);
    if (c->decimals != 0) x = op_div(b->graph, x, graph_scalar(b->graph, factor));
    return operation_result(b, call, x);
}
OPERATION_DEF(round, "Round", NULL, sizeof(round_config), round_fields);

typedef struct clip_config {
    float x_min, x_max;
} clip_config;
static const layer_field clip_fields[] = {
    {"x_min", FIELD_F32, offsetof(clip_config, x_min), false, -INFINITY, NULL},
    {"x_max", FIELD_F32, offsetof(clip_config, x_max), false, INFINITY, NULL},
    FIELDS_END,
};

static bool clip_build(layer_build *b, const void *config, layer_call *call)
{
    const clip_config *c = config;
    const value x = operation_number(b, operation_operand(b, call, 0, "x"));
    const value low = graph_scalar(b->graph, c->x_min), high = graph_scalar(b->graph, c->x_max);
    if (!graph_ok(b->graph)) return false;
    if (graph_value(b->graph, x)->dtype == EBB_F32) {
        const unary_attributes clip = {UNARY_CLIP, c->x_min, c->x_max, 0};
        return operation_result(b, call, op_unary_with(b->graph, clip, x));
    }
    const value y = op_binary(b->graph, BINARY_MAX, build_f32(b, x), low);
    return operation_result(b, call, build_i32(b, op_binary(b->graph, BINARY_MIN, y, high)));
}
OPERATION_DEF(clip, "Clip", NULL, sizeof(clip_config), clip_fields);

typedef struct dtype_config {
    const char *dtype;
} dtype_config;
static const layer_field dtype_fields[] = {
    {"dtype", FIELD_TEXT, offsetof(dtype_config, dtype), false, 0, NULL}, FIELDS_END};

static bool cast_build(layer_build *b, const void *config, layer_call *call)
{
    const dtype_config *c = config;
    const value x = operation_operand(b, call, 0, "x");
    if (!operation_dtype(b, c->dtype, &call->outputs[0].declared)) return false;
    return operation_result(b, call, operation_cast(b, x, call->outputs[0].declared));
}
OPERATION_DEF(cast, "Cast", "ConvertToTensor", sizeof(dtype_config), dtype_fields);

static bool fill_apply(layer_build *b, const dtype_config *c, layer_call *call, value number)
{
    const value x = operation_operand(b, call, 0, "x");
    ebb_dtype *declared = &call->outputs[0].declared;
    if (!graph_ok(b->graph) || !operation_dtype(b, c->dtype, declared)) return false;
    number = *declared != EBB_DTYPE_NONE
                 ? operation_cast(b, number, *declared)
                 : op_cast(b->graph, number, graph_value(b->graph, x)->dtype);
    return operation_result(b, call, op_broadcast(b->graph, number, graph_shape(b->graph, x)));
}

static bool zeros_like_build(layer_build *b, const void *config, layer_call *call)
{
    return fill_apply(b, config, call, graph_scalar(b->graph, 0));
}
OPERATION_DEF(zeros_like, "ZerosLike", NULL, sizeof(dtype_config), dtype_fields);

static bool ones_like_build(layer_build *b, const void *config, layer_call *call)
{
    return fill_apply(b, config, call, graph_scalar(b->graph, 1));
}
OPERATION_DEF(ones_like, "OnesLike", NULL, sizeof(dtype_config), dtype_fields);

static bool full_like_build(layer_build *b, const void *config, layer_call *call)
{
    return fill_apply(b, config, call, operation_operand(b, call, 1, "fill_value"));
}
OPERATION_DEF(full_like, "FullLike", NULL, sizeof(dtype_config), dtype_fields);
