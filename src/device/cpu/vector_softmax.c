/* vector_softmax.c -- softmax and log softmax over the trailing axes, in vector code. A row with
 * a nan, or whose largest element is infinite, becomes nan, as in TensorFlow. */
#include "device/cpu/parallel.h"
#include "device/cpu/vector.h"

#include <math.h>

typedef void (*softmax_row)(const float *x, float *y, size_t count);

#if VECTOR_X86
#include <immintrin.h>

#define ROW_BUFFER 1024

#define VECTOR_LANES 8
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_math.inc"
#include "device/cpu/vector_softmax.inc"
#undef VECTOR_LANES
#define VECTOR_LANES 16
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_math.inc"
#include "device/cpu/vector_softmax.inc"
#undef VECTOR_LANES

static softmax_row find_row(cpu_isa isa, bool is_log)
{
    if (isa == ISA_AVX512) return is_log ? log_softmax_row_avx512 : softmax_row_avx512;
    return is_log ? log_softmax_row_avx2 : softmax_row_avx2;
}
#else
static softmax_row find_row(cpu_isa isa, bool is_log)
{
    (void)isa, (void)is_log;
    return NULL;
}
#endif

#define GRAIN ((size_t)8192)

typedef struct softmax_state {
    size_t rows, length;
    softmax_row row;
} softmax_state;

static bool plan_softmax(kernel_plan *plan)
{
    const softmax_attributes *a = plan->node->attributes;
    const tensor_desc *x = &plan->inputs[0];
    softmax_state s = {1, 1, NULL};

    if (!vector_plan_fits(plan) || a->axes == 0) return false;
    for (uint32_t i = 0; i < x->rank; i++) {
        const bool is_inside = (a->axes >> i & 1) != 0;

        if (!is_inside && s.length > 1 && x->dims[i] > 1) return false;
        if (is_inside)
            s.length *= (size_t)x->dims[i];
        else
            s.rows *= (size_t)x->dims[i];
    }
    s.row = find_row(plan->device->isa, a->is_log);
    softmax_state *state = s.row != NULL ? region_new(plan->home, softmax_state, 1) : NULL;
    if (state == NULL) return false;
    *state = s;
    plan->state = state;
    plan->in_place = true;
    return true;
}

static void run_rows(void *context, size_t begin, size_t end)
{
    const kernel_call *call = context;
    const softmax_state *s = call->state;
    const float *x = call->inputs[0];
    float *y = call->outputs[0];

    for (size_t i = begin; i < end; i++) s->row(x + i * s->length, y + i * s->length, s->length);
}

static void run_softmax(const kernel_call *call)
{
    const softmax_state *s = call->state;

    parallel_for(call->threads, s->rows, GRAIN / s->length + 1, run_rows, (void *)call);
}

const kernel_def kernel_vector_softmax = {
    "vector.softmax", OP_softmax, plan_softmax, NULL, NULL, run_softmax, NULL, NULL,
};
