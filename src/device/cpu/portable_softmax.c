/* portable_softmax.c -- softmax and its logarithm over any set of axes taken together.
 *
 * Three passes over a distribution: largest, sum of exp(x - largest) as a double, result. In place
 * is fine: an element is written only after its last use.
 */
#include <math.h>

#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

typedef struct softmax_state {
    axes_split axes;
    bool is_log;
} softmax_state;

typedef struct softmax_work {
    const softmax_state *s;
    const float *x;
    float *y;
} softmax_work;

static float line_max(const float *x, ptrdiff_t step, size_t count, float most)
{
    for (size_t i = 0; i < count; i++) {
        const float one = x[(ptrdiff_t)i * step];

        most = one > most ? one : most;
    }
    return most;
}

static double line_exp(const float *x, float *y, ptrdiff_t step, size_t count, float most,
                       bool is_log)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        const ptrdiff_t at = (ptrdiff_t)i * step;
        const float power = expf(x[at] - most);

        if (!is_log) y[at] = power;
        sum += (double)power;
    }
    return sum;
}

static void line_finish(const float *x, float *y, ptrdiff_t step, size_t count, float most,
                        double sum, bool is_log)
{
    const float factor = (float)(1.0 / sum), rest = (float)log(sum);

    for (size_t i = 0; i < count; i++) {
        const ptrdiff_t at = (ptrdiff_t)i * step;

        y[at] = is_log ? x[at] - most - rest : y[at] * factor;
    }
}

static void softmax_one(const softmax_state *s, const float *x, float *y)
{
    const walk *const w = &s->axes.reduced;
    const ptrdiff_t step = w->strides[0][w->rank - 1];
    const size_t run = w->dims[w->rank - 1];
    float most = -INFINITY;
    double sum = 0;
    walk_cursor at;

    walk_seek(w, 0, &at);
    for (size_t i = 0; i < w->count; i += run, walk_move(w, &at, run)) {
        most = line_max(x + at.offset[0], step, run, most);
    }
    walk_seek(w, 0, &at);
    for (size_t i = 0; i < w->count; i += run, walk_move(w, &at, run)) {
        sum += line_exp(x + at.offset[0], y + at.offset[0], step, run, most, s->is_log);
    }
    walk_seek(w, 0, &at);
    for (size_t i = 0; i < w->count; i += run, walk_move(w, &at, run)) {
        line_finish(x + at.offset[0], y + at.offset[0], step, run, most, sum, s->is_log);
    }
}

static void softmax_range(void *context, size_t begin, size_t end)
{
    const softmax_work *const k = context;
    const walk *const kept = &k->s->axes.kept;
    walk_cursor at;

    walk_seek(kept, begin, &at);
    for (size_t i = begin; i < end; i++, walk_move(kept, &at, 1)) {
        softmax_one(k->s, k->x + at.offset[0], k->y + at.offset[0]);
    }
}

static bool softmax_plan(kernel_plan *plan)
{
    const softmax_attributes *const a = plan->node->attributes;

    if (plan->inputs[0].dtype != EBB_F32 || !plan_weights_are_plain(plan)) return false;
    softmax_state *const s = region_new(plan->home, softmax_state, 1);
    if (s == NULL) return false;
    s->axes = axes_split_make(&plan->inputs[0], a->axes);
    s->is_log = a->is_log;
    plan->state = s;
    plan->in_place = true;
    return true;
}

static void softmax_run(const kernel_call *call)
{
    const softmax_state *const s = call->state;
    softmax_work k = {s, call->inputs[0], call->outputs[0]};

    if (s->axes.reduced.count == 0) return;
    parallel_for(call->threads, s->axes.kept.count, GRAIN_ELEMENTS / 8 / s->axes.reduced.count + 1,
                 softmax_range, &k);
}

const kernel_def kernel_portable_softmax = {
    .name = "portable.softmax", .op = OP_softmax, .plan = softmax_plan, .run = softmax_run};
