/* unary_math.c -- the formulas of UNARY_MAP, one line each.
 *
 * A formula sees x, the attributes a, and is applied element by element. Values follow TensorFlow's
 * CPU kernels: where a plain formula gives nan for an infinite x there (x * sigmoid(x) at -inf), it
 * does so here.
 */
#include "device/cpu/unary_math.h"

#include <math.h>
#include <string.h>

static inline float sign_value(float x)
{
    return x > 0 ? 1.0f : x < 0 ? -1.0f : x;
}
static inline float sigmoid_value(float x)
{
    return 1.0f / (1.0f + expf(-x));
}
static inline float softplus_value(float x)
{
    return (x > 0 ? x : x == x ? 0.0f : x) + log1pf(expf(-fabsf(x)));
}
static inline float clip_value(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}
static inline float relu_value(float x, const unary_attributes *a)
{
    const float below = a->alpha == 0 ? (x == x ? 0.0f : x) : a->alpha * (x - a->beta);

    return x >= a->gamma ? a->gamma : x > a->beta ? x : below;
}
static inline float gelu_tanh_value(float x)
{
    return 0.5f * x * (1.0f + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
}
static inline float soft_shrink_value(float x, float by)
{
    return x > by ? x - by : x < -by ? x + by : 0.0f;
}
static inline float sparse_plus_value(float x)
{
    return x <= -1 ? 0.0f : x < 1 ? 0.25f * (x + 1) * (x + 1) : x;
}

#define SELU_SCALE 1.0507009873554805f
#define SELU_ALPHA 1.6732632423543772f
#define SQRT_HALF  0.7071067811865476f

/* name, expression in x and a */
#define FORMULA_MAP(X)                                                                             \
    X(NEG, -x)                                                                                     \
    X(ABS, fabsf(x))                                                                               \
    X(SIGN, sign_value(x))                                                                         \
    X(SQUARE, x *x)                                                                                \
    X(SQRT, sqrtf(x))                                                                              \
    X(RSQRT, 1.0f / sqrtf(x))                                                                      \
    X(RECIPROCAL, 1.0f / x)                                                                        \
    X(EXP, expf(x))                                                                                \
    X(EXPM1, expm1f(x))                                                                            \
    X(LOG, logf(x))                                                                                \
    X(LOG1P, log1pf(x))                                                                            \
    X(SIN, sinf(x))                                                                                \
    X(COS, cosf(x))                                                                                \
    X(TAN, tanf(x))                                                                                \
    X(ASIN, asinf(x))                                                                              \
    X(ACOS, acosf(x))                                                                              \
    X(ATAN, atanf(x))                                                                              \
    X(SINH, sinhf(x))                                                                              \
    X(COSH, coshf(x))                                                                              \
    X(TANH, tanhf(x))                                                                              \
    X(ASINH, asinhf(x))                                                                            \
    X(ACOSH, acoshf(x))                                                                            \
    X(ATANH, atanhf(x))                                                                            \
    X(ERF, erff(x))                                                                                \
    X(FLOOR, floorf(x))                                                                            \
    X(CEIL, ceilf(x))                                                                              \
    X(ROUND, rintf(x))                                                                             \
    X(TRUNC, truncf(x))                                                                            \
    X(RELU, relu_value(x, a))                                                                      \
    X(ELU, x > 0 ? x : a->alpha * expm1f(x))                                                       \
    X(SELU, SELU_SCALE *(x > 0 ? x : SELU_ALPHA * expm1f(x)))                                      \
    X(CELU, x > 0 ? x : a->alpha * expm1f(x / a->alpha))                                           \
    X(GELU, 0.5f * x * erfcf(-x * SQRT_HALF))                                                      \
    X(GELU_TANH, gelu_tanh_value(x))                                                               \
    X(SILU, x *sigmoid_value(x))                                                                   \
    X(SIGMOID, sigmoid_value(x))                                                                   \
    X(LOG_SIGMOID, -softplus_value(-x))                                                            \
    X(SOFTPLUS, softplus_value(x))                                                                 \
    X(SOFTSIGN, x / (1.0f + fabsf(x)))                                                             \
    X(HARD_SIGMOID, clip_value(a->alpha *x + a->beta, 0.0f, 1.0f))                                 \
    X(HARD_SILU, x *clip_value(x / 6.0f + 0.5f, 0.0f, 1.0f))                                       \
    X(HARD_TANH, clip_value(x, -1.0f, 1.0f))                                                       \
    X(TANH_SHRINK, x - tanhf(x))                                                                   \
    X(HARD_SHRINK, fabsf(x) > a->alpha ? x : 0.0f)                                                 \
    X(SOFT_SHRINK, soft_shrink_value(x, a->alpha))                                                 \
    X(MISH, x *tanhf(softplus_value(x)))                                                           \
    X(SQUAREPLUS, (x + sqrtf(x * x + a->alpha)) * 0.5f)                                            \
    X(SPARSE_PLUS, sparse_plus_value(x))                                                           \
    X(SPARSE_SIGMOID, x <= -1 ? 0.0f : x >= 1 ? 1.0f : 0.5f * (x + 1))                             \
    X(THRESHOLD, x > a->alpha ? x : a->beta)                                                       \
    X(CLIP, clip_value(x, a->alpha, a->beta))                                                      \
    X(AFFINE, a->alpha *x + a->beta)                                                               \
    X(POWER, powf(x, a->alpha))                                                                    \
    X(LOGICAL_NOT, x == 0 ? 1.0f : 0.0f)                                                           \
    X(IS_NAN, isnan(x) ? 1.0f : 0.0f)                                                              \
    X(IS_FINITE, isfinite(x) ? 1.0f : 0.0f)                                                        \
    X(IS_INF, isinf(x) ? 1.0f : 0.0f)

/* The attributes are copied: the compiler can keep them in registers while it writes floats. */
#define FORMULA_LOOP(name, expression)                                                             \
    static void apply_##name(const unary_attributes *given, const float *in, float *out,           \
                             size_t count)                                                         \
    {                                                                                              \
        const unary_attributes copy = *given, *const a = &copy;                                    \
                                                                                                   \
        (void)a;                                                                                   \
        LOOP_INDEPENDENT                                                                           \
        for (size_t i = 0; i < count; i++) {                                                       \
            const float x = in[i];                                                                 \
                                                                                                   \
            out[i] = expression;                                                                   \
        }                                                                                          \
    }
FORMULA_MAP(FORMULA_LOOP)

static void apply_IDENTITY(const unary_attributes *a, const float *in, float *out, size_t count)
{
    (void)a;
    if (in != out) memmove(out, in, count * sizeof *out);
}

typedef void (*unary_loop)(const unary_attributes *a, const float *in, float *out, size_t count);
static const unary_loop loops[UNARY_COUNT] = {
#define LOOP_ENTRY(name) [UNARY_##name] = apply_##name,
    UNARY_MAP(LOOP_ENTRY)
#undef LOOP_ENTRY
};

void unary_apply(const unary_attributes *attributes, const float *x, float *y, size_t count)
{
    loops[attributes->kind](attributes, x, y, count);
}

bool unary_apply_i32(unary_kind kind, const int32_t *x, int32_t *y, size_t count)
{
    switch (kind) {
    case UNARY_IDENTITY:
        if (x != y) memmove(y, x, count * sizeof *y);
        return true;
    case UNARY_NEG:
        for (size_t i = 0; i < count; i++) y[i] = (int32_t)(0u - (uint32_t)x[i]);
        return true;
    case UNARY_ABS:
        for (size_t i = 0; i < count; i++) y[i] = x[i] < 0 ? (int32_t)(0u - (uint32_t)x[i]) : x[i];
        return true;
    case UNARY_SIGN:
        for (size_t i = 0; i < count; i++) y[i] = (x[i] > 0) - (x[i] < 0);
        return true;
    case UNARY_SQUARE:
        for (size_t i = 0; i < count; i++) y[i] = (int32_t)((uint32_t)x[i] * (uint32_t)x[i]);
        return true;
    default: return false;
    }
}

bool unary_apply_test(unary_kind kind, const float *x, uint8_t *y, size_t count)
{
    switch (kind) {
    case UNARY_IS_NAN:
        for (size_t i = 0; i < count; i++) y[i] = isnan(x[i]) != 0;
        return true;
    case UNARY_IS_FINITE:
        for (size_t i = 0; i < count; i++) y[i] = isfinite(x[i]) != 0;
        return true;
    case UNARY_IS_INF:
        for (size_t i = 0; i < count; i++) y[i] = isinf(x[i]) != 0;
        return true;
    default: return false;
    }
}

bool epilogue_is_empty(const epilogue *e, const epilogue_operands *operands)
{
    return e->activation.kind == UNARY_IDENTITY && operands->scale == NULL &&
           operands->bias == NULL && operands->residual == NULL;
}

void epilogue_apply(const epilogue *e, const epilogue_operands *operands, float *y, size_t rows,
                    size_t columns, size_t row_stride)
{
    const float *const scale = operands->scale, *const bias = operands->bias;

    if (epilogue_is_empty(e, operands)) return;
    for (size_t i = 0; i < rows; i++) {
        float *const row = y + i * row_stride;

        if (scale != NULL) {
            LOOP_INDEPENDENT
            for (size_t j = 0; j < columns; j++) row[j] *= scale[j];
        }
        if (bias != NULL) {
            LOOP_INDEPENDENT
            for (size_t j = 0; j < columns; j++) row[j] += bias[j];
        }
        if (operands->residual != NULL) {
            const float *const more = operands->residual + i * row_stride;

            LOOP_INDEPENDENT
            for (size_t j = 0; j < columns; j++) row[j] += more[j];
        }
        if (e->activation.kind != UNARY_IDENTITY) unary_apply(&e->activation, row, row, columns);
    }
}
