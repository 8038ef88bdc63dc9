/* portable_pool.c -- maximum and average pools; padding takes no part in either. */
#include <math.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "device/cpu/window.h"

typedef struct pool_state {
    window w;
    bool is_max;
} pool_state;

typedef struct pool_work {
    const pool_state *s;
    const float *x;
    float *y;
} pool_work;

static void pool_max(const float *x, float *y, int64_t channels)
{
    LOOP_INDEPENDENT
    for (int64_t c = 0; c < channels; c++) y[c] = x[c] > y[c] || x[c] != x[c] ? x[c] : y[c];
}

static void pool_sum(const float *x, float *y, int64_t channels)
{
    LOOP_INDEPENDENT
    for (int64_t c = 0; c < channels; c++) y[c] += x[c];
}

static void pool_pixel(const pool_work *k, int64_t item, const int64_t o[SPATIAL_MAX], float *y)
{
    const window *const w = &k->s->w;
    int64_t first[SPATIAL_MAX], end[SPATIAL_MAX], cells = 1;

    for (uint32_t i = 0; i < SPATIAL_MAX; i++) {
        window_taps(w, i, o[i], &first[i], &end[i]);
        cells *= end[i] - first[i];
    }
    for (int64_t c = 0; c < w->channels; c++) y[c] = k->s->is_max ? -INFINITY : 0.0f;
    for (int64_t d = first[0]; d < end[0]; d++) {
        for (int64_t h = first[1]; h < end[1]; h++) {
            const int64_t line = (item * w->in[0] + window_cell(w, 0, o[0], d)) * w->in[1] +
                                 window_cell(w, 1, o[1], h);

            for (int64_t t = first[2]; t < end[2]; t++) {
                const float *const x =
                    k->x + (line * w->in[2] + window_cell(w, 2, o[2], t)) * w->channels;

                (k->s->is_max ? pool_max : pool_sum)(x, y, w->channels);
            }
        }
    }
    if (k->s->is_max) return;
    for (int64_t c = 0; c < w->channels; c++) y[c] /= (float)cells;
}

static void pool_range(void *context, size_t begin, size_t end)
{
    const pool_work *const k = context;
    const window *const w = &k->s->w;

    for (int64_t line = (int64_t)begin; line < (int64_t)end; line++) {
        const int64_t item = line / (w->out[0] * w->out[1]);
        int64_t o[SPATIAL_MAX] = {line / w->out[1] % w->out[0], line % w->out[1], 0};

        for (; o[2] < w->out[2]; o[2]++) {
            pool_pixel(k, item, o, k->y + (line * w->out[2] + o[2]) * w->channels);
        }
    }
}

static bool pool_plan(kernel_plan *plan)
{
    const pool_attributes *const a = plan->node->attributes;
    const window_options options = {a->spatial, a->window, a->strides, NULL, NULL, a->same};

    if (plan->inputs[0].dtype != EBB_F32 || !plan_weights_are_plain(plan)) return false;
    pool_state *const s = region_new(plan->home, pool_state, 1);
    if (s == NULL) return false;
    s->w = window_make(&plan->inputs[0], &plan->outputs[0], &options);
    s->is_max = a->kind == POOL_MAX;
    plan->state = s;
    return true;
}

static void pool_run(const kernel_call *call)
{
    const pool_state *const s = call->state;
    pool_work k = {s, call->inputs[0], call->outputs[0]};
    const int64_t lines = s->w.batch * s->w.out[0] * s->w.out[1];
    const size_t in_line = (size_t)(s->w.out[2] * s->w.channels) + 1;

    parallel_for(call->threads, (size_t)lines, GRAIN_ELEMENTS / 4 / in_line + 1, pool_range, &k);
}

const kernel_def kernel_portable_pool = {
    .name = "portable.pool", .op = OP_pool, .plan = pool_plan, .run = pool_run};
