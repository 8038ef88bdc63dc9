/* unary_gradient_math.c -- the derivatives of UNARY_MAP, one line each.
 *
 * A formula sees v (x, or y where graph/op.h says so) and the attributes a. At kinks they are those
 * of TensorFlow's gradients of what Keras computes: relu'(0) = 0, relu6'(6) = 0, abs'(0) = 0, a
 * clip passes at its bounds, celu'(0) = 2 as both its parts count.
 */
#include "device/cpu/unary_gradient_math.h"

#include <math.h>

#include "device/cpu/unary_math.h"

#define SELU_SCALE     1.0507009873554805f
#define SELU_ALPHA     1.6732632423543772f
#define SQRT_HALF      0.7071067811865476f
#define TWO_BY_ROOT_PI 1.1283791670955126f
#define BY_ROOT_TWO_PI 0.3989422804014327f
#define ROOT_TWO_BY_PI 0.7978845608028654f

static inline float sigmoid_of(float x)
{
    return 1.0f / (1.0f + expf(-x));
}
static inline float softplus_of(float x)
{
    return (x > 0 ? x : 0.0f) + log1pf(expf(-fabsf(x)));
}
static inline float sign_of(float x)
{
    return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
}

/* From x or from y: below the threshold they have the same order. */
static inline float relu_slope(float v, const unary_attributes *a)
{
    const float below = v < a->beta || (a->beta == 0 && a->gamma > 3e38f) ? a->alpha : 0.0f;

    if (v > a->beta) return v < a->gamma || (v == a->gamma && a->gamma != 6) ? 1.0f : 0.0f;
    return below;
}
static inline float elu_slope(float v, const unary_attributes *a)
{
    if (v > 0) return 1.0f;
    return a->alpha >= 0 ? v + a->alpha : a->alpha * expf(v);
}
static inline float celu_slope(float x, const unary_attributes *a)
{
    return (x >= 0 ? 1.0f : 0.0f) + (x <= 0 ? expf(x / a->alpha) : 0.0f);
}
static inline float gelu_slope(float x)
{
    return 0.5f * erfcf(-x * SQRT_HALF) + x * BY_ROOT_TWO_PI * expf(-0.5f * x * x);
}
static inline float gelu_tanh_slope(float x)
{
    const float t = tanhf(ROOT_TWO_BY_PI * (x + 0.044715f * x * x * x));

    return 0.5f * (1.0f + t) +
           0.5f * x * (1.0f - t * t) * ROOT_TWO_BY_PI * (1.0f + 0.134145f * x * x);
}
static inline float silu_slope(float x)
{
    const float s = sigmoid_of(x);

    return s * (1.0f + x * (1.0f - s));
}
static inline float mish_slope(float x)
{
    const float t = tanhf(softplus_of(x));

    return t + x * (1.0f - t * t) * sigmoid_of(x);
}
static inline float hard_sigmoid_slope(float x, const unary_attributes *a)
{
    const float y = a->alpha * x + a->beta;

    return y > 0 && y < 1 ? a->alpha : 0.0f;
}
static inline float hard_silu_slope(float x)
{
    if (x <= -3) return 0.0f;
    return x < 3 ? x / 3.0f + 0.5f : 1.0f;
}
static inline float tanh_shrink_slope(float x)
{
    const float t = tanhf(x);

    return t * t;
}
static inline float softsign_slope(float x)
{
    const float below = 1.0f + fabsf(x);

    return 1.0f / (below * below);
}
static inline float tan_slope(float x)
{
    const float c = cosf(x);

    return 1.0f / (c * c);
}
static inline float sparse_plus_slope(float x)
{
    return x <= -1 ? 0.0f : x < 1 ? 0.5f * (x + 1) : 1.0f;
}

/* clang-format off */
#define SLOPE_MAP(X)                                                                               \
    X(IDENTITY, 1.0f)                                                                              \
    X(NEG, -1.0f)                                                                                  \
    X(ABS, sign_of(v))                                                                             \
    X(SIGN, 0.0f)                                                                                  \
    X(SQUARE, 2.0f * v)                                                                            \
    X(SQRT, 0.5f / v)                                                                              \
    X(RSQRT, -0.5f * v * v * v)                                                                    \
    X(RECIPROCAL, -v * v)                                                                          \
    X(EXP, v)                                                                                      \
    X(EXPM1, expf(v))                                                                              \
    X(LOG, 1.0f / v)                                                                               \
    X(LOG1P, 1.0f / (1.0f + v))                                                                    \
    X(SIN, cosf(v))                                                                                \
    X(COS, -sinf(v))                                                                               \
    X(TAN, tan_slope(v))                                                                           \
    X(ASIN, 1.0f / sqrtf(1.0f - v * v))                                                            \
    X(ACOS, -1.0f / sqrtf(1.0f - v * v))                                                           \
    X(ATAN, 1.0f / (1.0f + v * v))                                                                 \
    X(SINH, coshf(v))                                                                              \
    X(COSH, sinhf(v))                                                                              \
    X(TANH, 1.0f - v * v)                                                                          \
    X(ASINH, 1.0f / sqrtf(1.0f + v * v))                                                           \
    X(ACOSH, 1.0f / sqrtf(v * v - 1.0f))                                                           \
    X(ATANH, 1.0f / (1.0f - v * v))                                                                \
    X(ERF, TWO_BY_ROOT_PI * expf(-v * v))                                                          \
    X(FLOOR, 0.0f)                                                                                 \
    X(CEIL, 0.0f)                                                                                  \
    X(ROUND, 0.0f)                                                                                 \
    X(TRUNC, 0.0f)                                                                                 \
    X(RELU, relu_slope(v, a))                                                                      \
    X(ELU, elu_slope(v, a))                                                                        \
    X(SELU, v >= 0 ? SELU_SCALE : v + SELU_SCALE * SELU_ALPHA)                                     \
    X(CELU, celu_slope(v, a))                                                                      \
    X(GELU, gelu_slope(v))                                                                         \
    X(GELU_TANH, gelu_tanh_slope(v))                                                               \
    X(SILU, silu_slope(v))                                                                         \
    X(SIGMOID, v * (1.0f - v))                                                                     \
    X(LOG_SIGMOID, sigmoid_of(-v))                                                                 \
    X(SOFTPLUS, sigmoid_of(v))                                                                     \
    X(SOFTSIGN, softsign_slope(v))                                                                 \
    X(HARD_SIGMOID, hard_sigmoid_slope(v, a))                                                      \
    X(HARD_SILU, hard_silu_slope(v))                                                               \
    X(HARD_TANH, v < -1 || v > 1 ? 0.0f : 1.0f)                                                    \
    X(TANH_SHRINK, tanh_shrink_slope(v))                                                           \
    X(HARD_SHRINK, fabsf(v) > a->alpha ? 1.0f : 0.0f)                                              \
    X(SOFT_SHRINK, fabsf(v) > a->alpha ? 1.0f : 0.0f)                                              \
    X(MISH, mish_slope(v))                                                                         \
    X(SQUAREPLUS, 0.5f * (1.0f + v / sqrtf(v * v + a->alpha)))                                     \
    X(SPARSE_PLUS, sparse_plus_slope(v))                                                           \
    X(SPARSE_SIGMOID, v <= -1 || v >= 1 ? 0.0f : 0.5f)                                             \
    X(THRESHOLD, v > a->alpha ? 1.0f : 0.0f)                                                       \
    X(CLIP, v < a->alpha || v > a->beta ? 0.0f : 1.0f)                                             \
    X(AFFINE, a->alpha)                                                                            \
    X(POWER, a->alpha * powf(v, a->alpha - 1.0f))
/* clang-format on */

/* The attributes are copied: the compiler can keep them in registers while it writes floats. */
#define SLOPE_LOOP(name, expression)                                                               \
    static void slope_##name(const unary_attributes *given, const float *in, const float *dy,      \
                             float *dx, size_t count)                                              \
    {                                                                                              \
        const unary_attributes copy = *given, *const a = &copy;                                    \
                                                                                                   \
        (void)a;                                                                                   \
        LOOP_INDEPENDENT                                                                           \
        for (size_t i = 0; i < count; i++) {                                                       \
            const float v = in[i];                                                                 \
                                                                                                   \
            (void)v;                                                                               \
            dx[i] = dy[i] * (expression);                                                          \
        }                                                                                          \
    }
SLOPE_MAP(SLOPE_LOOP)

typedef void (*slope_loop)(const unary_attributes *a, const float *v, const float *dy, float *dx,
                           size_t count);
static const slope_loop loops[] = {
#define LOOP_ENTRY(name, expression) [UNARY_##name] = slope_##name,
    SLOPE_MAP(LOOP_ENTRY)
#undef LOOP_ENTRY
};
_Static_assert(sizeof loops / sizeof loops[0] == UNARY_LOGICAL_NOT, "a kind has no derivative");

void unary_gradient_apply(const unary_attributes *attributes, const float *v, const float *dy,
                          float *dx, size_t count)
{
    loops[attributes->kind](attributes, v, dy, dx, count);
}
