/* vector_unary.c -- unary functions in vector code, as functions for other rows and as a row of
 * its own. */
#include "device/cpu/vector.h"

#include <math.h>

#include "device/cpu/parallel.h"

#if VECTOR_X86
#include <immintrin.h>

#define SELU_SCALE       1.0507009873554805f
#define SELU_SCALE_ALPHA 1.7580993408473768f

/* Kind, formula over x and the attributes a (alpha), b (beta), g (gamma). Kinds that are not
 * here, trigonometry above all, are left to the C library. */
#define VECTOR_UNARY_MAP(X)                                                                        \
    X(NEG, v_xor(v_set(-0.0f), x))                                                                 \
    X(ABS, v_clear(v_set(-0.0f), x))                                                               \
    X(SIGN, FN(sign)(x))                                                                           \
    X(SQUARE, v_mul(x, x))                                                                         \
    X(SQRT, v_sqrt(x))                                                                             \
    X(RSQRT, v_div(v_set(1.0f), v_sqrt(x)))                                                        \
    X(RECIPROCAL, v_div(v_set(1.0f), x))                                                           \
    X(EXP, FN(exp)(x))                                                                             \
    X(EXPM1, FN(expm1)(x))                                                                         \
    X(LOG, FN(log)(x))                                                                             \
    X(LOG1P, FN(log1p)(x))                                                                         \
    X(TANH, FN(tanh)(x))                                                                           \
    X(ERF, FN(erf)(x))                                                                             \
    X(FLOOR, v_floor(x))                                                                           \
    X(CEIL, v_ceil(x))                                                                             \
    X(ROUND, v_round(x))                                                                           \
    X(TRUNC, v_trunc(x))                                                                           \
    X(RELU, FN(relu_general)(x, a, b, g))                                                          \
    X(ELU, FN(below_zero)(x, v_mul(a, FN(expm1)(x)), x))                                           \
    X(SELU, FN(below_zero)(x, v_mul(v_set(SELU_SCALE_ALPHA), FN(expm1)(x)),                        \
                           v_mul(v_set(SELU_SCALE), x)))                                           \
    X(CELU, FN(below_zero)(x, v_mul(a, FN(expm1)(v_div(x, a))), x))                                \
    X(GELU, FN(gelu)(x))                                                                           \
    X(GELU_TANH, FN(gelu_tanh)(x))                                                                 \
    X(SILU, v_mul(x, FN(sigmoid)(x)))                                                              \
    X(LOG_SIGMOID, v_xor(v_set(-0.0f), FN(softplus)(v_xor(v_set(-0.0f), x))))                      \
    X(SIGMOID, FN(sigmoid)(x))                                                                     \
    X(SOFTPLUS, FN(softplus)(x))                                                                   \
    X(SOFTSIGN, v_div(x, v_add(v_set(1.0f), v_clear(v_set(-0.0f), x))))                            \
    X(HARD_SIGMOID, v_min(v_set(1.0f), v_max(v_zero(), v_add(v_mul(a, x), b))))                    \
    X(HARD_SILU,                                                                                   \
      v_mul(x, v_min(v_set(1.0f), v_max(v_zero(), v_add(v_div(x, v_set(6.0f)), v_set(0.5f))))))    \
    X(HARD_TANH, v_min(v_set(1.0f), v_max(v_set(-1.0f), x)))                                       \
    X(HARD_SHRINK, v_select(v_less(a, v_clear(v_set(-0.0f), x)), x, v_zero()))                     \
    X(SOFT_SHRINK, FN(soft_shrink)(x, a))                                                          \
    X(MISH, FN(mish)(x))                                                                           \
    X(SQUAREPLUS, v_mul(v_add(x, v_sqrt(v_add(v_mul(x, x), a))), v_set(0.5f)))                     \
    X(THRESHOLD, v_select(v_less(a, x), x, b))                                                     \
    X(CLIP, v_min(b, v_max(a, x)))                                                                 \
    X(AFFINE, v_add(v_mul(a, x), b))

#define VECTOR_LANES 8
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_math.inc"
#include "device/cpu/vector_unary.inc"
#undef VECTOR_LANES
#define VECTOR_LANES 16
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_math.inc"
#include "device/cpu/vector_unary.inc"
#undef VECTOR_LANES

vector_unary vector_unary_own(cpu_isa isa, const unary_attributes *a)
{
    const bool is_simple = a->kind == UNARY_RELU && a->alpha == 0 && a->beta == 0;

    if (a->kind == UNARY_RELU && a->alpha == 0 && !is_simple) return NULL; /* 0 * inf is not 0 */
    if (isa == ISA_AVX512) return is_simple ? relu_simple_avx512 : loops_avx512[a->kind];
    if (isa == ISA_AVX2) return is_simple ? relu_simple_avx2 : loops_avx2[a->kind];
    return NULL;
}
#else
vector_unary vector_unary_own(cpu_isa isa, const unary_attributes *a)
{
    (void)isa, (void)a;
    return NULL;
}
#endif

vector_unary vector_unary_find(cpu_isa isa, const unary_attributes *a)
{
    const vector_unary own = vector_unary_own(isa, a);

    return own != NULL ? own : unary_apply;
}

bool vector_plan_fits(const kernel_plan *plan)
{
    if (!VECTOR_X86 || plan->device->isa == ISA_PORTABLE) return false;
    for (uint32_t i = 0; i < plan->node->input_count; i++) {
        if (plan->inputs[i].dtype == EBB_DTYPE_NONE) continue;
        if (plan->inputs[i].dtype != EBB_F32 || plan->weights[i].form != WEIGHT_PLAIN ||
            tensor_desc_count(&plan->inputs[i]) == 0)
            return false;
    }
    for (uint32_t i = 0; i < plan->node->output_count; i++)
        if (plan->outputs[i].dtype != EBB_F32 || tensor_desc_count(&plan->outputs[i]) == 0)
            return false;
    return true;
}

/* Elements that are worth a thread of their own. */
#define GRAIN ((size_t)8192)

typedef struct unary_state {
    vector_unary function;
    unary_attributes attributes;
    size_t count;
} unary_state;

typedef struct unary_job {
    const unary_state *state;
    const float *x;
    float *y;
} unary_job;

static bool plan_unary(kernel_plan *plan)
{
    const unary_attributes *a = plan->node->attributes;

    if (!vector_plan_fits(plan)) return false;
    const vector_unary function = vector_unary_own(plan->device->isa, a);
    if (function == NULL) return false;
    unary_state *s = region_new(plan->home, unary_state, 1);
    if (s == NULL) return false;
    *s = (unary_state){function, *a, (size_t)tensor_desc_count(&plan->outputs[0])};
    plan->state = s;
    plan->in_place = true;
    return true;
}

static void run_part(void *context, size_t begin, size_t end)
{
    const unary_job *j = context;

    j->state->function(&j->state->attributes, j->x + begin, j->y + begin, end - begin);
}

static void run_unary(const kernel_call *call)
{
    const unary_state *s = call->state;
    unary_job job = {s, call->inputs[0], call->outputs[0]};

    parallel_for(call->threads, s->count, GRAIN, run_part, &job);
}

const kernel_def kernel_vector_unary = {
    "vector.unary", OP_unary, plan_unary, NULL, NULL, run_unary, NULL, NULL,
};
