/* vector_normalize_gradient.c -- gradients of layer and root-mean-square normalisation in vector
 * code; formulas as in portable_normalize_gradient.c. Each part of the rows sums the gradients of
 * scale and offset into scratch of its own: blocks of rows as floats, the blocks as doubles; the
 * parts are added in their order. */
#include <math.h>
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "device/cpu/vector.h"

/* Rows whose gradients of scale and offset are summed as floats. */
#define BLOCK_ROWS ((size_t)32)

typedef struct gradient_state gradient_state;
typedef void (*gradient_row)(const gradient_state *s, const float *x, const float *dy,
                             const float *scale, float *dx, float *dscale, float *doffset);
struct gradient_state {
    size_t rows, length, parts;
    float epsilon;
    bool is_rms, has_scale;
    gradient_row run;
    vector_down down;
    uint64_t blocks, sums; /* in scratch: [parts, 2, length] floats; the same of doubles */
};

#if VECTOR_X86
#include <immintrin.h>

#define VECTOR_LANES 8
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_normalize_gradient.inc"
#undef VECTOR_LANES
#define VECTOR_LANES 16
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_normalize_gradient.inc"
#undef VECTOR_LANES

static gradient_row find_run(cpu_isa isa)
{
    return isa == ISA_AVX512 ? gradient_row_avx512 : gradient_row_avx2;
}
#else
static gradient_row find_run(cpu_isa isa)
{
    (void)isa;
    return NULL;
}
#endif

enum { INPUT_X, INPUT_DY, INPUT_SCALE };

static bool plan_gradient(kernel_plan *plan)
{
    const normalize_attributes *a = plan->node->attributes;
    const tensor_desc *x = &plan->inputs[INPUT_X];

    if (!vector_plan_fits(plan)) return false;
    gradient_state *s = region_new(plan->home, gradient_state, 1);
    if (s == NULL) return false;
    s->rows = desc_product(x, 0, x->rank - a->axis_count);
    s->length = desc_product(x, x->rank - a->axis_count, x->rank);
    s->parts = size_min(plan->threads, (s->rows - 1) / BLOCK_ROWS + 1);
    s->epsilon = a->epsilon;
    s->is_rms = a->is_rms;
    s->has_scale = vector_has_input(plan, INPUT_SCALE);
    s->run = find_run(plan->device->isa);
    s->down = vector_down_find(plan->device->isa);
    s->blocks = plan_scratch(plan, s->parts * 2 * s->length * sizeof(float));
    s->sums = plan_scratch(plan, s->parts * 2 * s->length * sizeof(double));
    plan->state = s;
    return true;
}

static void run_parts(void *context, size_t begin, size_t end)
{
    const kernel_call *call = context;
    const gradient_state *s = call->state;
    const float *const scale = s->has_scale ? call->inputs[INPUT_SCALE] : NULL;
    const size_t n = s->length;

    for (size_t part = begin; part < end; part++) {
        const size_t last = s->rows * (part + 1) / s->parts;
        float *const block = (float *)call_scratch(call, s->blocks) + part * 2 * n;
        double *const sums = (double *)call_scratch(call, s->sums) + part * 2 * n;

        memset(sums, 0, 2 * n * sizeof *sums);
        for (size_t row = s->rows * part / s->parts; row < last;) {
            const size_t block_end = size_min(row + BLOCK_ROWS, last);

            memset(block, 0, 2 * n * sizeof *block);
            for (; row < block_end; row++)
                s->run(s, (const float *)call->inputs[INPUT_X] + row * n,
                       (const float *)call->inputs[INPUT_DY] + row * n, scale,
                       (float *)call->outputs[0] + row * n, block, block + n);
            s->down(sums, block, 2 * n);
        }
    }
}

static void run_gradient(const kernel_call *call)
{
    const gradient_state *s = call->state;
    const double *const sums = call_scratch(call, s->sums);

    parallel_for(call->threads, s->parts, 1, run_parts, (void *)call);
    for (uint32_t t = 0; t < 2; t++)
        if (call->outputs[1 + t] != NULL)
            vector_columns_finish(sums + t * s->length, s->parts, 2 * s->length, s->length,
                                  s->length, 1, call->outputs[1 + t]);
}

const kernel_def kernel_vector_normalize_gradient = {
    "vector.normalize_gradient",
    OP_normalize_gradient,
    plan_gradient,
    NULL,
    NULL,
    run_gradient,
    NULL,
    NULL,
};
