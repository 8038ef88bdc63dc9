/* vector_normalize.c -- layer normalisation and RMS normalisation over the trailing axes, in
 * vector code. */
#include "device/cpu/parallel.h"
#include "device/cpu/vector.h"

#include <math.h>

enum { INPUT_X, INPUT_SCALE, INPUT_OFFSET };

typedef struct normalize_state {
    size_t rows, length;
    float epsilon;
    bool is_rms, has_scale, has_offset;
    void (*row)(const struct normalize_state *s, const float *x, float *y, const float *scale,
                const float *offset);
} normalize_state;

#if VECTOR_X86
#include <immintrin.h>

#define VECTOR_LANES 8
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_normalize.inc"
#undef VECTOR_LANES
#define VECTOR_LANES 16
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_normalize.inc"
#undef VECTOR_LANES

static void choose_row(normalize_state *s, cpu_isa isa)
{
    s->row = isa == ISA_AVX512 ? normalize_row_avx512 : normalize_row_avx2;
}
#else
static void choose_row(normalize_state *s, cpu_isa isa)
{
    (void)s, (void)isa;
}
#endif

#define GRAIN ((size_t)16384)

static bool plan_normalize(kernel_plan *plan)
{
    const normalize_attributes *a = plan->node->attributes;
    const tensor_desc *x = &plan->inputs[INPUT_X];
    normalize_state s = {.rows = 1, .length = 1, .epsilon = a->epsilon, .is_rms = a->is_rms};

    if (!vector_plan_fits(plan)) return false;
    for (uint32_t i = 0; i < x->rank; i++) {
        size_t *product = i + a->axis_count < x->rank ? &s.rows : &s.length;

        *product *= (size_t)x->dims[i];
    }
    s.has_scale = vector_has_input(plan, INPUT_SCALE);
    s.has_offset = vector_has_input(plan, INPUT_OFFSET);
    choose_row(&s, plan->device->isa);
    normalize_state *state = region_new(plan->home, normalize_state, 1);
    if (state == NULL) return false;
    *state = s;
    plan->state = state;
    plan->in_place = true;
    return true;
}

static void run_rows(void *context, size_t begin, size_t end)
{
    const kernel_call *call = context;
    const normalize_state *s = call->state;
    const float *scale = s->has_scale ? call->inputs[INPUT_SCALE] : NULL;
    const float *offset = s->has_offset ? call->inputs[INPUT_OFFSET] : NULL;

    for (size_t i = begin; i < end; i++)
        s->row(s, (const float *)call->inputs[INPUT_X] + i * s->length,
               (float *)call->outputs[0] + i * s->length, scale, offset);
}

static void run_normalize(const kernel_call *call)
{
    const normalize_state *s = call->state;

    parallel_for(call->threads, s->rows, GRAIN / s->length + 1, run_rows, (void *)call);
}

const kernel_def kernel_vector_normalize = {
    "vector.normalize", OP_normalize, plan_normalize, NULL, NULL, run_normalize, NULL, NULL,
};
