/* vector_reduce.c -- sums and means of floats over neighbouring axes: x [outer, middle, inner] is
 * summed over the middle. Sums are doubles, as in the portable row. Other reductions are left to
 * that.
 *
 *     inner 1     each result is the sum of a run
 *     outer 1     threads take parts of the rows, each with sums of its own, added up in order
 *     else        threads take items of the outer axis
 *
 * Short rows are summed several at a time, as one row of `width`, a multiple of their length.
 */
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "device/cpu/vector.h"

#define ALONG_PARTS 32
#define WIDTH_LEAST 128
/* Elements that are worth a thread of their own. */
#define GRAIN ((size_t)16384)

#if VECTOR_X86
#include <immintrin.h>

#if defined(__clang__)
#define VECTOR_UNROLL _Pragma("clang loop unroll(full)")
#else
#define VECTOR_UNROLL _Pragma("GCC unroll 32")
#endif

#define VECTOR_LANES 8
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_reduce.inc"
#undef VECTOR_LANES
#define VECTOR_LANES 16
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_reduce.inc"
#undef VECTOR_LANES
#endif

static void add_down(double *sums, const float *x, size_t count)
{
    LOOP_INDEPENDENT
    for (size_t i = 0; i < count; i++) sums[i] += (double)x[i];
}

vector_down vector_down_find(cpu_isa isa)
{
#if VECTOR_X86
    if (isa == ISA_AVX512) return add_down_avx512;
    if (isa == ISA_AVX2) return add_down_avx2;
#endif
    (void)isa;
    return add_down;
}

size_t vector_column_width(size_t columns)
{
    return columns >= WIDTH_LEAST ? columns : WIDTH_LEAST / columns * columns;
}

void vector_columns_add(vector_down down, double *sums, size_t width, const float *x, size_t at,
                        size_t count)
{
    for (size_t i = 0, place = at % width; i < count; place = 0) {
        const size_t run = size_min(width - place, count - i);

        down(sums + place, x + i, run);
        i += run;
    }
}

void vector_columns_finish(const double *sums, size_t parts, size_t stride, size_t width,
                           size_t columns, double divisor, float *y)
{
    for (size_t j = 0; j < columns; j++) {
        double sum = 0;

        for (size_t p = 0; p < parts; p++)
            for (size_t i = j; i < width; i += columns) sum += sums[p * stride + i];
        y[j] = (float)(sum / divisor);
    }
}

/* -- row -------------------------------------------------------------------------------------- */

typedef double (*vector_along)(const float *x, size_t count);

typedef struct reduce_state {
    size_t outer, middle, inner, width, parts;
    double divisor; /* 1 for a sum */
    vector_down down;
    vector_along along;
} reduce_state;

typedef struct reduce_job {
    const reduce_state *s;
    const float *x;
    double *sums; /* [parts, width] */
    float *y;
} reduce_job;

static vector_along find_along(cpu_isa isa)
{
#if VECTOR_X86
    if (isa == ISA_AVX512) return add_along_avx512;
    if (isa == ISA_AVX2) return add_along_avx2;
#endif
    (void)isa;
    return NULL;
}

/* Kept, reduced, kept: false if the axes come in more pieces than that. */
static bool split_axes(const tensor_desc *x, uint32_t axes, reduce_state *s)
{
    size_t *const lengths[] = {&s->outer, &s->middle, &s->inner};
    uint32_t piece = 0;

    s->outer = s->middle = s->inner = 1;
    for (uint32_t i = 0; i < x->rank; i++) {
        const bool is_reduced = axes == 0 || (axes >> i & 1) != 0;

        if (x->dims[i] == 1) continue;
        if (is_reduced && piece == 0) piece = 1;
        if (!is_reduced && piece == 1) piece = 2;
        if (is_reduced && piece == 2) return false;
        *lengths[piece] *= (size_t)x->dims[i];
    }
    return true;
}

static bool plan_reduce(kernel_plan *plan)
{
    const reduce_attributes *a = plan->node->attributes;
    reduce_state s = {.divisor = 1};

    if (!vector_plan_fits(plan) || (a->kind != REDUCE_SUM && a->kind != REDUCE_MEAN)) return false;
    if (!split_axes(&plan->inputs[0], a->axes, &s)) return false;
    if (a->kind == REDUCE_MEAN) s.divisor = (double)s.middle;
    s.down = vector_down_find(plan->device->isa);
    s.along = find_along(plan->device->isa);
    s.width = vector_column_width(s.inner);
    const size_t grains = (s.outer * s.middle * s.inner - 1) / GRAIN + 1;
    s.parts = size_min(size_min(plan->threads, s.outer == 1 ? s.middle : s.outer), grains);
    reduce_state *state = region_new(plan->home, reduce_state, 1);
    if (state == NULL) return false;
    *state = s;
    plan->state = state;
    if (s.inner > 1) (void)plan_scratch(plan, s.parts * s.width * sizeof(double));
    return true;
}

/* -- running ---------------------------------------------------------------------------------- */

static void clear(double *sums, size_t count)
{
    for (size_t i = 0; i < count; i++) sums[i] = 0;
}

/* Parts of the rows of a single item. */
static void sum_rows(void *context, size_t begin, size_t end)
{
    const reduce_job *j = context;
    const reduce_state *s = j->s;

    for (size_t p = begin; p < end; p++) {
        const size_t first = s->middle * p / s->parts, last = s->middle * (p + 1) / s->parts;
        double *const sums = j->sums + p * s->width;

        clear(sums, s->width);
        vector_columns_add(s->down, sums, s->width, j->x + first * s->inner, 0,
                           (last - first) * s->inner);
    }
}

/* Parts of the items. */
static void sum_items(void *context, size_t begin, size_t end)
{
    const reduce_job *j = context;
    const reduce_state *s = j->s;

    for (size_t p = begin; p < end; p++) {
        const size_t first = s->outer * p / s->parts, last = s->outer * (p + 1) / s->parts;
        double *const sums = j->sums + p * s->width;

        for (size_t i = first; i < last; i++) {
            const float *const x = j->x + i * s->middle * s->inner;

            if (s->inner == 1) {
                j->y[i] = (float)(s->along(x, s->middle) / s->divisor);
                continue;
            }
            clear(sums, s->width);
            vector_columns_add(s->down, sums, s->width, x, 0, s->middle * s->inner);
            vector_columns_finish(sums, 1, 0, s->width, s->inner, s->divisor, j->y + i * s->inner);
        }
    }
}

static void run_reduce(const kernel_call *call)
{
    const reduce_state *s = call->state;
    reduce_job job = {s, call->inputs[0], call->scratch, call->outputs[0]};
    const bool is_split = s->outer == 1 && s->inner > 1;

    parallel_for(call->threads, s->parts, 1, is_split ? sum_rows : sum_items, &job);
    if (is_split)
        vector_columns_finish(job.sums, s->parts, s->width, s->width, s->inner, s->divisor, job.y);
}

const kernel_def kernel_vector_reduce = {
    "vector.reduce", OP_reduce, plan_reduce, NULL, NULL, run_reduce, NULL, NULL,
};
