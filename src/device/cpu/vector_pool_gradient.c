/* vector_pool_gradient.c -- gradients of pools, all channels of a window at once. Threads take
 * images. Where windows neither overlap nor leave gaps each cell is written once; else the gradient
 * begins as zeros. Large windows, and maxima that share, are left to the portable row. */
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "device/cpu/vector.h"
#include "device/cpu/window.h"

#define CELLS_MAX 64

typedef void (*max_run)(const float *const *x, float *const *dx, size_t cells, const float *dy,
                        size_t channels, bool is_first);
typedef void (*average_run)(float *const *dx, size_t cells, const float *dy, size_t channels,
                            bool is_first);

#if VECTOR_X86
#include <immintrin.h>

#define VECTOR_LANES 8
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_pool_gradient.inc"
#undef VECTOR_LANES
#define VECTOR_LANES 16
#include "device/cpu/vector_lanes.inc"
#include "device/cpu/vector_pool_gradient.inc"
#undef VECTOR_LANES

static void find_runs(cpu_isa isa, max_run *max, average_run *average)
{
    *max = isa == ISA_AVX512 ? max_window_avx512 : max_window_avx2;
    *average = isa == ISA_AVX512 ? average_window_avx512 : average_window_avx2;
}
#else
static void find_runs(cpu_isa isa, max_run *max, average_run *average)
{
    (void)isa;
    *max = NULL;
    *average = NULL;
}
#endif

typedef struct pool_state {
    window w;
    bool is_max, is_tiled; /* every cell lies in exactly one window */
    max_run max;
    average_run average;
} pool_state;

typedef struct pool_job {
    const pool_state *s;
    const float *dy, *x;
    float *dx;
} pool_job;

static bool is_tiled(const window *w, const pool_attributes *a)
{
    for (uint32_t i = 0; i < SPATIAL_MAX; i++)
        if (w->strides[i] != w->kernel[i] || w->pad[i] != 0 || w->in[i] != w->out[i] * w->kernel[i])
            return false;
    return a->spatial > 0;
}

static bool plan_pool_gradient(kernel_plan *plan)
{
    const pool_gradient_attributes *a = plan->node->attributes;
    const window_options options = {a->pool.spatial, a->pool.window, a->pool.strides, NULL, NULL,
                                    a->pool.same};
    pool_state s = {.is_max = a->pool.kind == POOL_MAX};

    if (!vector_plan_fits(plan) || a->is_shared) return false;
    s.w = window_make(&plan->outputs[0], &plan->inputs[0], &options);
    if (s.w.kernel[0] * s.w.kernel[1] * s.w.kernel[2] > CELLS_MAX) return false;
    s.is_tiled = is_tiled(&s.w, &a->pool);
    find_runs(plan->device->isa, &s.max, &s.average);
    pool_state *state = region_new(plan->home, pool_state, 1);
    if (state == NULL) return false;
    *state = s;
    plan->state = state;
    return true;
}

/* Where a window is, and its taps by axis. */
typedef struct window_row {
    int64_t item, o[SPATIAL_MAX], first[SPATIAL_MAX], end[SPATIAL_MAX];
} window_row;

/* The cells of a window as pointers into x (if any) and dx. */
static size_t find_cells(const pool_job *j, const window_row *r, const float **x, float **dx)
{
    const window *w = &j->s->w;
    const int64_t column = window_cell(w, 2, r->o[2], r->first[2]);
    size_t count = 0;

    for (int64_t d = r->first[0]; d < r->end[0]; d++)
        for (int64_t h = r->first[1]; h < r->end[1]; h++) {
            const int64_t plane = r->item * w->in[0] + window_cell(w, 0, r->o[0], d);
            const int64_t line = plane * w->in[1] + window_cell(w, 1, r->o[1], h);
            int64_t at = (line * w->in[2] + column) * w->channels;

            for (int64_t t = r->first[2]; t < r->end[2]; t++, at += w->channels) {
                x[count] = j->x == NULL ? NULL : j->x + at;
                dx[count++] = j->dx + at;
            }
        }
    return count;
}

static void run_row(const pool_job *j, window_row *r)
{
    const pool_state *s = j->s;
    const window *w = &s->w;
    const int64_t line = (r->item * w->out[0] + r->o[0]) * w->out[1] + r->o[1];
    const float *dy = j->dy + line * w->out[2] * w->channels;

    for (r->o[2] = 0; r->o[2] < w->out[2]; r->o[2]++, dy += w->channels) {
        const float *x[CELLS_MAX];
        float *dx[CELLS_MAX];

        window_taps(w, 2, r->o[2], &r->first[2], &r->end[2]);
        const size_t cells = find_cells(j, r, x, dx);
        if (cells == 0) continue;
        if (s->is_max)
            s->max(x, dx, cells, dy, (size_t)w->channels, s->is_tiled);
        else
            s->average(dx, cells, dy, (size_t)w->channels, s->is_tiled);
    }
}

static void run_items(void *context, size_t begin, size_t end)
{
    const pool_job *j = context;
    const window *w = &j->s->w;
    const size_t floats = (size_t)(w->in[0] * w->in[1] * w->in[2] * w->channels);

    for (size_t item = begin; item < end; item++) {
        window_row r = {.item = (int64_t)item};

        if (!j->s->is_tiled) memset(j->dx + item * floats, 0, floats * sizeof *j->dx);
        for (r.o[0] = 0; r.o[0] < w->out[0]; r.o[0]++) {
            window_taps(w, 0, r.o[0], &r.first[0], &r.end[0]);
            for (r.o[1] = 0; r.o[1] < w->out[1]; r.o[1]++) {
                window_taps(w, 1, r.o[1], &r.first[1], &r.end[1]);
                run_row(j, &r);
            }
        }
    }
}

static void run_pool_gradient(const kernel_call *call)
{
    const pool_state *s = call->state;
    pool_job job = {s, call->inputs[0], s->is_max ? call->inputs[1] : NULL, call->outputs[0]};

    parallel_for(call->threads, (size_t)s->w.batch, 1, run_items, &job);
}

const kernel_def kernel_vector_pool_gradient = {
    "vector.pool_gradient",
    OP_pool_gradient,
    plan_pool_gradient,
    NULL,
    NULL,
    run_pool_gradient,
    NULL,
    NULL,
};
