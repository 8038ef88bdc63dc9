/* portable_ctc.c -- connectionist temporal classification by forward and backward sums of
 * probabilities over all alignments, as logarithms in double precision.
 *
 *     states   0 start, 1..l the labels, l+1+i the blank behind label i (blank l+1 behind start)
 *     steps    s -> s, start -> label 1, label i -> its blank -> label i+1,
 *              label i -> label i+1 unless they are equal
 *
 * A path begins at start and ends at the last label or its blank. TensorFlow gives every other
 * begin and end a probability of 1e-307 instead of none, so that labels that cannot fit have a
 * large finite loss; so here. Source: tensorflow/python/ops/ctc_ops.py, ctc_loss_dense.
 */
#include <math.h>

#include "base/size.h"
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

#define NEVER (-706.893623549172) /* log(1e-307) */

typedef struct ctc_state {
    uint32_t parts;      /* of the batch that have scratch of their own */
    uint64_t part_bytes; /* of scratch */
} ctc_state;

typedef struct ctc_work {
    const kernel_call *call;
    size_t batch, steps, classes, places; /* places for labels in a row */
    size_t states;
} ctc_work;

/* One row of the batch. */
typedef struct ctc_row {
    const float *logits;
    const int32_t *labels;
    float *gradient;
    size_t steps, classes, places, states, length;
    double *forward;           /* [steps, states] */
    double *backward, *before; /* [states] */
    double *occupied;          /* [classes] */
    double *norm;              /* [steps]: log of the sum of exp of the logits */
} ctc_row;

static double add_logs(double a, double b)
{
    const double high = a > b ? a : b, low = a > b ? b : a;

    return low == -INFINITY ? high : high + log1p(exp(low - high));
}

/* The class of a state's label; the start has none: -1. */
static int32_t class_of(const ctc_row *r, size_t state)
{
    if (state == 0) return -1;
    return state <= r->places ? r->labels[state - 1] : 0;
}

static double emission(const ctc_row *r, size_t step, size_t state)
{
    const int32_t label = class_of(r, state);

    return label < 0 ? -INFINITY
                     : (double)r->logits[step * r->classes + (size_t)label] - r->norm[step];
}

/* May label i be followed by label i + 1 at once? */
static bool may_skip(const ctc_row *r, size_t i)
{
    return r->labels[i - 1] != r->labels[i];
}

static double into(const ctc_row *r, const double *from, size_t state)
{
    const size_t first_blank = r->places + 1;
    double sum = from[state];

    if (state == 0) return sum;
    if (state >= first_blank) return add_logs(sum, from[state - first_blank]);
    sum = add_logs(sum, from[first_blank + state - 1]);
    if (state == 1 || may_skip(r, state - 1)) sum = add_logs(sum, from[state - 1]);
    return sum;
}

/* `to` holds what each state gives from here on, emission included. */
static double out_of(const ctc_row *r, const double *to, size_t state)
{
    const size_t first_blank = r->places + 1;
    const bool is_blank = state >= first_blank;
    const size_t label = is_blank ? state - first_blank : state;
    double sum = to[state];

    if (!is_blank) sum = add_logs(sum, to[first_blank + label]);
    if (label < r->places && (is_blank || label == 0 || may_skip(r, label)))
        sum = add_logs(sum, to[label + 1]);
    return sum;
}

static void go_forward(ctc_row *r)
{
    for (size_t s = 0; s < r->states; s++) r->before[s] = s == 0 ? 0 : NEVER;
    const double *from = r->before;

    for (size_t t = 0; t < r->steps; t++) {
        double *const to = r->forward + t * r->states;

        for (size_t s = 0; s < r->states; s++) to[s] = into(r, from, s) + emission(r, t, s);
        from = to;
    }
}

/* The gradient of one step: what is likely minus what the labels allow. */
static void write_gradient(ctc_row *r, size_t t)
{
    const double *forward = r->forward + t * r->states;
    double all = -INFINITY;

    for (size_t k = 0; k < r->classes; k++) r->occupied[k] = 0;
    for (size_t s = 0; s < r->states; s++) all = add_logs(all, forward[s] + r->backward[s]);
    for (size_t s = 1; s < r->states; s++) {
        const int32_t label = class_of(r, s);
        const bool counts = label > 0 || s > r->places; /* places without a label do not */

        if (counts) r->occupied[label] += exp(forward[s] + r->backward[s] - all);
    }
    for (size_t k = 0; k < r->classes; k++) {
        const size_t i = t * r->classes + k;
        r->gradient[i] = (float)(exp((double)r->logits[i] - r->norm[t]) - r->occupied[k]);
    }
}

/* Back from the end, with the gradient on the way. Returns the log of the probability. */
static double go_backward(ctc_row *r)
{
    const size_t last_blank = r->places + 1 + r->length;

    for (size_t s = 0; s < r->states; s++)
        r->backward[s] = s == r->length || s == last_blank ? 0 : NEVER;
    for (size_t t = r->steps; t-- > 0;) {
        write_gradient(r, t);
        for (size_t s = 0; s < r->states; s++) r->before[s] = r->backward[s] + emission(r, t, s);
        for (size_t s = 0; s < r->states; s++) r->backward[s] = out_of(r, r->before, s);
    }
    return r->backward[0];
}

static float row_loss(ctc_row *r)
{
    bool is_right = true;

    r->length = 0;
    for (size_t i = 0; i < r->places; i++) {
        is_right = is_right && r->labels[i] >= 0 && (size_t)r->labels[i] < r->classes;
        r->length += r->labels[i] != 0;
    }
    if (!is_right || r->classes == 0) {
        for (size_t i = 0; i < r->steps * r->classes; i++) r->gradient[i] = NAN;
        return NAN;
    }
    for (size_t t = 0; t < r->steps; t++) {
        r->norm[t] = -INFINITY;
        for (size_t k = 0; k < r->classes; k++)
            r->norm[t] = add_logs(r->norm[t], (double)r->logits[t * r->classes + k]);
    }
    go_forward(r);
    return (float)-go_backward(r);
}

static void ctc_part(const ctc_work *w, size_t part)
{
    const ctc_state *const s = w->call->state;
    double *const scratch = call_scratch(w->call, part * s->part_bytes);
    ctc_row r = {.steps = w->steps,
                 .classes = w->classes,
                 .places = w->places,
                 .states = w->states,
                 .forward = scratch};

    r.backward = r.forward + w->steps * w->states;
    r.before = r.backward + w->states;
    r.norm = r.before + w->states;
    r.occupied = r.norm + w->steps;
    for (size_t row = part; row < w->batch; row += s->parts) {
        r.logits = (const float *)w->call->inputs[0] + row * w->steps * w->classes;
        r.labels = (const int32_t *)w->call->inputs[1] + row * w->places;
        r.gradient = (float *)w->call->outputs[1] + row * w->steps * w->classes;
        ((float *)w->call->outputs[0])[row] = row_loss(&r);
    }
}

static void ctc_range(void *context, size_t begin, size_t end)
{
    for (size_t part = begin; part < end; part++) ctc_part(context, part);
}

static bool ctc_plan(kernel_plan *plan)
{
    const int64_t *const x = plan->inputs[0].dims, *const labels = plan->inputs[1].dims;
    const uint64_t states = 2 * ((uint64_t)labels[1] + 1), steps = (uint64_t)x[1];
    uint64_t bytes;

    if (!plan_weights_are_plain(plan)) return false;
    if (!u64_mul(steps, states, &bytes) || !u64_add(bytes, 2 * states + steps, &bytes) ||
        !u64_add(bytes, (uint64_t)x[2], &bytes) || !u64_mul(bytes, sizeof(double), &bytes) ||
        !u64_add(bytes, 63, &bytes))
        return false;
    ctc_state *const s = region_new(plan->home, ctc_state, 1);
    if (s == NULL) return false;
    s->part_bytes = bytes & ~(uint64_t)63;
    s->parts = (uint32_t)size_min(plan->threads, (size_t)x[0] > 0 ? (size_t)x[0] : 1);
    if (!u64_mul(s->part_bytes, s->parts, &bytes)) return false;
    (void)plan_scratch(plan, bytes);
    plan->state = s;
    return true;
}

static void ctc_run(const kernel_call *call)
{
    const ctc_state *const s = call->state;
    const int64_t *const x = call->input_descs[0].dims;
    const size_t places = (size_t)call->input_descs[1].dims[1];
    ctc_work w = {.call = call,
                  .batch = (size_t)x[0],
                  .steps = (size_t)x[1],
                  .classes = (size_t)x[2],
                  .places = places,
                  .states = 2 * (places + 1)};

    parallel_for(call->threads, s->parts, 1, ctc_range, &w);
}

const kernel_def kernel_portable_ctc = {
    .name = "portable.ctc", .op = OP_ctc, .plan = ctc_plan, .run = ctc_run};
