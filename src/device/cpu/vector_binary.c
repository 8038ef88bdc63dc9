/* vector_binary.c -- binary functions with broadcasting in vector code.
 *
 * Axes are merged where both operands walk on evenly, so most cases become one run, or rows of
 * one run each: same shapes, a number, [.., c] with [c], [n, h, w, c] with [n, 1, 1, c].
 */
#include "device/cpu/parallel.h"
#include "device/cpu/vector.h"

#if VECTOR_X86
#include <immintrin.h>

/* Kinds with vector code; the others have the portable row. max and min give nan if either is
 * nan. */
#define VECTOR_BINARY_MAP(X)                                                                       \
    X(ADD, v_add(a, b))                                                                            \
    X(SUB, v_sub(a, b))                                                                            \
    X(MUL, v_mul(a, b))                                                                            \
    X(DIV, v_div(a, b))                                                                            \
    X(MAX, FN(nan_max)(a, b))                                                                      \
    X(MIN, FN(nan_min)(a, b))                                                                      \
    X(SQUARED_DIFFERENCE, FN(squared)(v_sub(a, b)))

#define VECTOR_COMPARE_MAP(X)                                                                      \
    X(EQUAL, v_select(v_not_equal(a, b), v_zero(), v_set(1.0f)))                                   \
    X(NOT_EQUAL, v_select(v_not_equal(a, b), v_set(1.0f), v_zero()))                               \
    X(LESS, v_select(v_less(a, b), v_set(1.0f), v_zero()))                                         \
    X(LESS_EQUAL, FN(less_or_equal)(a, b))                                                         \
    X(GREATER, v_select(v_less(b, a), v_set(1.0f), v_zero()))                                      \
    X(GREATER_EQUAL, FN(less_or_equal)(b, a))

#define VECTOR_LANES 8
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_binary.inc"
#undef VECTOR_LANES
#define VECTOR_LANES 16
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_binary.inc"
#undef VECTOR_LANES

vector_pair vector_binary_find(cpu_isa isa, binary_kind kind, vector_form form)
{
    return isa == ISA_AVX512 ? binary_runs_avx512[kind][form]
           : isa == ISA_AVX2 ? binary_runs_avx2[kind][form]
                             : NULL;
}

vector_pair vector_compare_find(cpu_isa isa, compare_kind kind)
{
    return isa == ISA_AVX512 ? compare_runs_avx512[kind]
           : isa == ISA_AVX2 ? compare_runs_avx2[kind]
                             : NULL;
}

vector_choice vector_select_find(cpu_isa isa)
{
    return isa == ISA_AVX512 ? choose_avx512 : isa == ISA_AVX2 ? choose_avx2 : NULL;
}
#else
vector_pair vector_binary_find(cpu_isa isa, binary_kind kind, vector_form form)
{
    (void)isa, (void)kind, (void)form;
    return NULL;
}

vector_pair vector_compare_find(cpu_isa isa, compare_kind kind)
{
    (void)isa, (void)kind;
    return NULL;
}

vector_choice vector_select_find(cpu_isa isa)
{
    (void)isa;
    return NULL;
}
#endif

/* Runs shorter than this cost more to start than they gain. */
#define RUN_MIN 8
#define GRAIN   ((size_t)16384)
#define CHUNK   ((size_t)2048) /* of a run, before its activation: stays in the first-level cache */

/* Merged axes, outermost first; the last is the run. Strides in elements, 0 where an operand is
 * repeated. */
typedef struct binary_state {
    uint32_t rank;
    size_t dims[EBB_RANK_MAX], a_strides[EBB_RANK_MAX], b_strides[EBB_RANK_MAX];
    size_t rows; /* product of dims but the last */
    vector_pair run;
    unary_attributes attributes;
    vector_unary activation; /* NULL: none */
} binary_state;

typedef struct binary_job {
    const binary_state *state;
    const float *a, *b;
    float *y;
} binary_job;

/* Strides of t over the axes of y (aligned at the last axis): 0 where t has length 1. */
static void broadcast_strides(const tensor_desc *t, const tensor_desc *y, size_t *strides)
{
    size_t stride = 1;

    for (uint32_t i = 0; i < y->rank; i++) {
        const uint32_t axis = y->rank - 1 - i;
        const int64_t length = i < t->rank ? t->dims[t->rank - 1 - i] : 1;

        strides[axis] = length == 1 ? 0 : stride;
        stride *= (size_t)length;
    }
}

static void merge_axes(binary_state *s, const tensor_desc *y, const size_t *a, const size_t *b)
{
    s->rank = 0;
    for (uint32_t i = 0; i < y->rank; i++) {
        const size_t length = (size_t)y->dims[i];

        if (length == 1) continue;
        const uint32_t last = s->rank - 1;
        if (s->rank > 0 && s->a_strides[last] == a[i] * length &&
            s->b_strides[last] == b[i] * length) {
            s->dims[last] *= length;
            s->a_strides[last] = a[i];
            s->b_strides[last] = b[i];
            continue;
        }
        s->dims[s->rank] = length;
        s->a_strides[s->rank] = a[i];
        s->b_strides[s->rank++] = b[i];
    }
    if (s->rank == 0) {
        s->rank = 1;
        s->dims[0] = 1;
        s->a_strides[0] = s->b_strides[0] = 1;
    }
    s->rows = 1;
    for (uint32_t i = 0; i + 1 < s->rank; i++) s->rows *= s->dims[i];
}

static bool plan_binary(kernel_plan *plan)
{
    const binary_attributes *t = plan->node->attributes;
    const tensor_desc *y = &plan->outputs[0];
    size_t a[EBB_RANK_MAX], b[EBB_RANK_MAX];
    binary_state s = {.attributes = t->activation};

    if (!vector_plan_fits(plan)) return false;
    broadcast_strides(&plan->inputs[0], y, a);
    broadcast_strides(&plan->inputs[1], y, b);
    merge_axes(&s, y, a, b);
    const uint32_t last = s.rank - 1;
    if (s.rows > 1 && s.dims[last] < RUN_MIN) return false;
    const vector_form form = s.a_strides[last] == 0   ? VECTOR_ONE_LEFT
                             : s.b_strides[last] == 0 ? VECTOR_ONE_RIGHT
                                                      : VECTOR_FULL;
    s.run = vector_binary_find(plan->device->isa, t->kind, form);
    if (s.run == NULL) return false;
    if (t->activation.kind != UNARY_IDENTITY)
        s.activation = vector_unary_find(plan->device->isa, &t->activation);
    binary_state *state = region_new(plan->home, binary_state, 1);
    if (state == NULL) return false;
    *state = s;
    plan->state = state;
    plan->in_place = tensor_desc_count(&plan->inputs[0]) == tensor_desc_count(y);
    return true;
}

/* Part of one run. */
static void run_span(const binary_job *j, const float *a, const float *b, float *y, size_t begin,
                     size_t end)
{
    const binary_state *s = j->state;
    const size_t a_step = s->a_strides[s->rank - 1], b_step = s->b_strides[s->rank - 1];

    for (size_t i = begin; i < end; i += CHUNK) {
        const size_t count = end - i < CHUNK ? end - i : CHUNK;

        s->run(a + i * a_step, b + i * b_step, y + i, count);
        if (s->activation != NULL) s->activation(&s->attributes, y + i, y + i, count);
    }
}

static void run_elements(void *context, size_t begin, size_t end)
{
    const binary_job *j = context;

    run_span(j, j->a, j->b, j->y, begin, end);
}

static void run_rows(void *context, size_t begin, size_t end)
{
    const binary_job *j = context;
    const binary_state *s = j->state;
    const size_t length = s->dims[s->rank - 1];

    for (size_t row = begin; row < end; row++) {
        size_t rest = row, a = 0, b = 0;

        for (uint32_t i = s->rank - 1; i-- > 0; rest /= s->dims[i]) {
            a += rest % s->dims[i] * s->a_strides[i];
            b += rest % s->dims[i] * s->b_strides[i];
        }
        run_span(j, j->a + a, j->b + b, j->y + row * length, 0, length);
    }
}

static void run_binary(const kernel_call *call)
{
    const binary_state *s = call->state;
    binary_job job = {s, call->inputs[0], call->inputs[1], call->outputs[0]};
    const size_t length = s->dims[s->rank - 1];

    if (s->rows == 1)
        parallel_for(call->threads, length, GRAIN, run_elements, &job);
    else
        parallel_for(call->threads, s->rows, GRAIN / length + 1, run_rows, &job);
}

const kernel_def kernel_vector_binary = {
    "vector.binary", OP_binary, plan_binary, NULL, NULL, run_binary, NULL, NULL,
};
