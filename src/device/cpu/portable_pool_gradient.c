/* portable_pool_gradient.c -- gradients of pools. Threads take images; windows of one image may
 * overlap.
 *
 * Source for equal maxima: tensorflow/core/kernels/maxpooling_op.cc (the first of a window) and
 * pooling_ops_3d.cc (all of them).
 */
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "device/cpu/window.h"

/* TensorFlow's three-dimensional pool takes maxima that differ by less for equal. */
#define SHARED_WITHIN 1e-5f

#define LANES 32

typedef struct pool_gradient_state {
    window w;
    bool is_max, is_shared;
} pool_gradient_state;

typedef struct pool_gradient_work {
    const pool_gradient_state *s;
    const float *dy, *x;
    float *dx;
} pool_gradient_work;

/* The cells of the window behind one output pixel, as offsets of pixels in x. */
typedef struct cells {
    int64_t first[SPATIAL_MAX], end[SPATIAL_MAX], count;
    const int64_t *o;
    int64_t item;
} cells;

static cells cells_of(const window *w, int64_t item, const int64_t o[SPATIAL_MAX])
{
    cells c = {.count = 1, .o = o, .item = item};

    for (uint32_t i = 0; i < SPATIAL_MAX; i++) {
        window_taps(w, i, o[i], &c.first[i], &c.end[i]);
        c.count *= c.end[i] - c.first[i];
    }
    return c;
}

/* Pixel of x of the k-th cell, in row-major order. */
static int64_t cell_at(const window *w, const cells *c, int64_t k)
{
    const int64_t width = c->end[2] - c->first[2], height = c->end[1] - c->first[1];
    const int64_t t = c->first[2] + k % width, h = c->first[1] + k / width % height;
    const int64_t d = c->first[0] + k / (width * height);
    const int64_t line = (c->item * w->in[0] + window_cell(w, 0, c->o[0], d)) * w->in[1] +
                         window_cell(w, 1, c->o[1], h);

    return line * w->in[2] + window_cell(w, 2, c->o[2], t);
}

static void average_pixel(const pool_gradient_work *k, const cells *c, const float *dy)
{
    const window *const w = &k->s->w;
    const float share = 1.0f / (float)c->count;

    for (int64_t cell = 0; cell < c->count; cell++) {
        float *const dx = k->dx + cell_at(w, c, cell) * w->channels;

        LOOP_INDEPENDENT
        for (int64_t i = 0; i < w->channels; i++) dx[i] += dy[i] * share;
    }
}

/* Channels [from, from + count) of one pixel, at most LANES. */
static void max_pixel(const pool_gradient_work *k, const cells *c, const float *dy, int64_t from,
                      int64_t count)
{
    const window *const w = &k->s->w;
    float best[LANES];
    int64_t place[LANES];

    for (int64_t cell = 0; cell < c->count; cell++) {
        const int64_t at = cell_at(w, c, cell) * w->channels + from;

        for (int64_t i = 0; i < count; i++) {
            if (cell > 0 && !(k->x[at + i] > best[i])) continue;
            best[i] = k->x[at + i];
            place[i] = at + i;
        }
    }
    if (!k->s->is_shared) {
        for (int64_t i = 0; i < count; i++) k->dx[place[i]] += dy[from + i];
        return;
    }
    for (int64_t cell = 0; cell < c->count; cell++) {
        const int64_t at = cell_at(w, c, cell) * w->channels + from;

        for (int64_t i = 0; i < count; i++)
            if (best[i] - k->x[at + i] < SHARED_WITHIN) k->dx[at + i] += dy[from + i];
    }
}

static void pool_gradient_range(void *context, size_t begin, size_t end)
{
    const pool_gradient_work *const k = context;
    const window *const w = &k->s->w;
    const int64_t pixels = w->in[0] * w->in[1] * w->in[2];
    const int64_t results = w->out[0] * w->out[1] * w->out[2];

    for (int64_t item = (int64_t)begin; item < (int64_t)end; item++) {
        memset(k->dx + item * pixels * w->channels, 0,
               (size_t)(pixels * w->channels) * sizeof *k->dx);
        for (int64_t r = 0; r < results; r++) {
            const int64_t o[SPATIAL_MAX] = {r / (w->out[1] * w->out[2]), r / w->out[2] % w->out[1],
                                            r % w->out[2]};
            const cells c = cells_of(w, item, o);
            const float *const dy = k->dy + (item * results + r) * w->channels;

            if (c.count <= 0) continue;
            if (!k->s->is_max) average_pixel(k, &c, dy);
            for (int64_t i = 0; k->s->is_max && i < w->channels; i += LANES)
                max_pixel(k, &c, dy, i, w->channels - i < LANES ? w->channels - i : LANES);
        }
    }
}

static bool pool_gradient_plan(kernel_plan *plan)
{
    const pool_gradient_attributes *const a = plan->node->attributes;
    const window_options options = {a->pool.spatial, a->pool.window, a->pool.strides, NULL, NULL,
                                    a->pool.same};

    if (!plan_weights_are_plain(plan)) return false;
    pool_gradient_state *const s = region_new(plan->home, pool_gradient_state, 1);
    if (s == NULL) return false;
    s->w = window_make(&plan->outputs[0], &plan->inputs[0], &options);
    s->is_max = a->pool.kind == POOL_MAX;
    s->is_shared = a->is_shared;
    plan->state = s;
    return true;
}

static void pool_gradient_run(const kernel_call *call)
{
    const pool_gradient_state *const s = call->state;
    pool_gradient_work k = {s, call->inputs[0], s->is_max ? call->inputs[1] : NULL,
                            call->outputs[0]};

    parallel_for(call->threads, (size_t)s->w.batch, 1, pool_gradient_range, &k);
}

const kernel_def kernel_portable_pool_gradient = {.name = "portable.pool_gradient",
                                                  .op = OP_pool_gradient,
                                                  .plan = pool_gradient_plan,
                                                  .run = pool_gradient_run};
