/* vector_unary_gradient.c -- gradients of unary functions in vector code, as functions for other
 * rows and as a row of its own. */
#include <math.h>

#include "device/cpu/parallel.h"
#include "device/cpu/unary_gradient_math.h"
#include "device/cpu/vector.h"

#if VECTOR_X86
#include <immintrin.h>

#define SELU_SCALE       1.0507009873554805f
#define SELU_SCALE_ALPHA 1.7580993408473768f
#define TWO_BY_ROOT_PI   1.1283791670955126f

/* Kind, slope over x and the attributes. Kinds that are not here are left to the C library. */
#define VECTOR_SLOPE_MAP(X)                                                                        \
    X(ABS, FN(sign_slope)(x))                                                                      \
    X(SQUARE, v_add(x, x))                                                                         \
    X(SQRT, v_div(v_set(0.5f), x))                                                                 \
    X(RSQRT, v_mul(v_mul(v_mul(v_set(-0.5f), x), x), x))                                           \
    X(RECIPROCAL, v_mul(v_xor(v_set(-0.0f), x), x))                                                \
    X(EXP, x)                                                                                      \
    X(EXPM1, FN(exp)(x))                                                                           \
    X(LOG, v_div(v_set(1.0f), x))                                                                  \
    X(LOG1P, v_div(v_set(1.0f), v_add(v_set(1.0f), x)))                                            \
    X(TANH, v_sub(v_set(1.0f), v_mul(x, x)))                                                       \
    X(ERF, v_mul(v_set(TWO_BY_ROOT_PI), FN(exp)(v_xor(v_set(-0.0f), v_mul(x, x)))))                \
    X(RELU, FN(relu_slope)(x, all))                                                                \
    X(ELU, FN(elu_slope)(x, all))                                                                  \
    X(SELU, v_select(v_less(x, v_zero()), v_add(x, v_set(SELU_SCALE_ALPHA)), v_set(SELU_SCALE)))   \
    X(GELU, FN(gelu_slope)(x))                                                                     \
    X(GELU_TANH, FN(gelu_tanh_slope)(x))                                                           \
    X(SILU, FN(silu_slope)(x))                                                                     \
    X(SIGMOID, v_mul(x, v_sub(v_set(1.0f), x)))                                                    \
    X(LOG_SIGMOID, FN(sigmoid)(v_xor(v_set(-0.0f), x)))                                            \
    X(SOFTPLUS, FN(sigmoid)(x))                                                                    \
    X(SOFTSIGN, FN(softsign_slope)(x))                                                             \
    X(HARD_SIGMOID, FN(hard_sigmoid_slope)(x, a, b))                                               \
    X(HARD_SILU, FN(hard_silu_slope)(x))                                                           \
    X(HARD_TANH, FN(not_outside)(x, v_set(-1.0f), v_set(1.0f)))                                    \
    X(HARD_SHRINK, v_select(v_less(a, v_clear(v_set(-0.0f), x)), v_set(1.0f), v_zero()))           \
    X(SOFT_SHRINK, v_select(v_less(a, v_clear(v_set(-0.0f), x)), v_set(1.0f), v_zero()))           \
    X(THRESHOLD, v_select(v_less(a, x), v_set(1.0f), v_zero()))                                    \
    X(CLIP, FN(not_outside)(x, a, b))

#define VECTOR_LANES 8
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_math.inc"
#include "device/cpu/vector_unary_gradient.inc"
#undef VECTOR_LANES
#define VECTOR_LANES 16
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_math.inc"
#include "device/cpu/vector_unary_gradient.inc"
#undef VECTOR_LANES

vector_slope vector_slope_own(cpu_isa isa, const unary_attributes *a)
{
    return isa == ISA_AVX512 ? slopes_avx512[a->kind]
           : isa == ISA_AVX2 ? slopes_avx2[a->kind]
                             : NULL;
}
#else
vector_slope vector_slope_own(cpu_isa isa, const unary_attributes *a)
{
    (void)isa, (void)a;
    return NULL;
}
#endif

vector_slope vector_slope_find(cpu_isa isa, const unary_attributes *a)
{
    const vector_slope own = vector_slope_own(isa, a);

    return own != NULL ? own : unary_gradient_apply;
}

/* Elements that are worth a thread of their own. */
#define GRAIN ((size_t)8192)

typedef struct slope_state {
    vector_slope function;
    unary_attributes attributes;
    size_t count;
} slope_state;

typedef struct slope_job {
    const slope_state *state;
    const float *x, *dy;
    float *dx;
} slope_job;

static bool plan_slope(kernel_plan *plan)
{
    const unary_attributes *a = plan->node->attributes;

    if (!vector_plan_fits(plan)) return false;
    const vector_slope function = vector_slope_own(plan->device->isa, a);
    if (function == NULL) return false;
    slope_state *s = region_new(plan->home, slope_state, 1);
    if (s == NULL) return false;
    *s = (slope_state){function, *a, (size_t)tensor_desc_count(&plan->outputs[0])};
    plan->state = s;
    plan->in_place = true;
    plan->in_place_with = 1;
    return true;
}

static void run_part(void *context, size_t begin, size_t end)
{
    const slope_job *j = context;

    j->state->function(&j->state->attributes, j->x + begin, j->dy + begin, j->dx + begin,
                       end - begin);
}

static void run_slope(const kernel_call *call)
{
    const slope_state *s = call->state;
    slope_job job = {s, call->inputs[0], call->inputs[1], call->outputs[0]};

    parallel_for(call->threads, s->count, GRAIN, run_part, &job);
}

const kernel_def kernel_vector_unary_gradient = {
    "vector.unary_gradient", OP_unary_gradient, plan_slope, NULL, NULL, run_slope, NULL, NULL,
};
