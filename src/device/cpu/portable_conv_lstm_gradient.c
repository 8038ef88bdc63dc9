/* portable_conv_lstm_gradient.c -- the steps of a convolutional LSTM backwards (graph/op.h,
 * conv_lstm_gradient).
 *
 * Forwards once more, keeping what the way back needs; then from the last step to the first.
 * Threads take items and never meet.
 *
 *     outputs   gates  [n, t, cells, 4 f]  what goes into the activations, then its gradient
 *               states [n, t, cells, f]    h before each step
 *     scratch   active [n, t, cells, 4 f]  the gates
 *               memory [n, t, cells, f]    c after each step
 *               h, dh, dc, carry [n, cells, f], carry: gradient of an output that a masked step
 *                                          repeated
 *               line [n, 4 f]
 *
 * Source: Keras 3, layers/rnn/conv_lstm.py, and rnn() of the TensorFlow backend for masks.
 */
#include <string.h>

#include "device/cpu/gemm.h"
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "device/cpu/unary_gradient_math.h"

enum { STEP_X, STEP_KERNEL, STEP_MASK, STEP_H, STEP_C, STEP_DY, STEP_DH, STEP_DC };

typedef struct steps_state {
    conv_lstm_attributes a;
    size_t items, steps, filters;
    int64_t lengths[SPATIAL_MAX], taps[SPATIAL_MAX]; /* missing axes in front: 1 */
    size_t cells, size;                              /* of an item; size: cells * filters */
    uint32_t input_count;
    plain_weight kernel;
    uint64_t active, memory, h, dh, dc, carry, line; /* in scratch */
} steps_state;

typedef struct steps_work {
    const steps_state *s;
    const float *x, *kernel, *h_first, *c_first, *dy, *dh_last, *dc_last;
    const uint8_t *mask;
    float *gates, *states, *dh_first, *dc_first; /* outputs */
    float *active, *memory, *h, *dh, *dc, *carry, *line;
} steps_work;

/* One item at one step. */
typedef struct place {
    size_t item, step;
    bool is_masked;
    float *gates, *active, *state, *memory;
    const float *memory_before;
} place;

static place place_of(const steps_work *k, size_t item, size_t step)
{
    const steps_state *const s = k->s;
    const size_t time = s->a.go_backwards ? s->steps - 1 - step : step;
    const size_t row = item * s->steps + time;
    float *const memory = k->memory + (item * s->steps + step) * s->size;
    const float *const c_first = k->c_first == NULL ? NULL : k->c_first + item * s->size;

    return (place){.item = item,
                   .step = step,
                   .is_masked = k->mask != NULL && k->mask[row] == 0,
                   .gates = k->gates + row * 4 * s->size,
                   .active = k->active + row * 4 * s->size,
                   .state = k->states + row * s->size,
                   .memory = memory,
                   .memory_before = step == 0 ? c_first : memory - s->size};
}

/* -- convolution ------------------------------------------------------------------------------ */

/* One line of the state, one of the gates, and the line of the kernel between them. */
static void line_product(const steps_state *s, const float *kernel, float *state, float *gates,
                         bool is_back)
{
    const int64_t length = s->lengths[2], taps = s->taps[2], before = (taps - 1) / 2;
    const ptrdiff_t f = (ptrdiff_t)s->filters;

    for (int64_t tap = 0; tap < taps; tap++) {
        const int64_t shift = tap - before;
        const int64_t first = shift < 0 ? -shift : 0;
        const int64_t end = shift > 0 ? length - shift : length;
        gemm g = {.m = (size_t)(end - first), .b = kernel + tap * f * 4 * f};

        if (first >= end) continue;
        g.a_column = 1;
        if (is_back) {
            g.n = (size_t)f;
            g.k = (size_t)(4 * f);
            g.a = gates + first * 4 * f;
            g.a_row = 4 * f;
            g.b_row = 1;
            g.b_column = 4 * f;
            g.c = state + (first + shift) * f;
            g.c_row = f;
        } else {
            g.n = (size_t)(4 * f);
            g.k = (size_t)f;
            g.a = state + (first + shift) * f;
            g.a_row = f;
            g.b_row = 4 * f;
            g.b_column = 1;
            g.c = gates + first * 4 * f;
            g.c_row = 4 * f;
        }
        gemm_add(&g);
    }
}

/* gates += state convolved, or back: state += gates through the turned kernel. */
static void convolve(const steps_work *k, float *state, float *gates, bool is_back)
{
    const steps_state *const s = k->s;
    const size_t line = (size_t)s->lengths[2] * s->filters;
    const int64_t lines = s->lengths[0] * s->lengths[1], taps = s->taps[0] * s->taps[1];

    for (int64_t at = 0; at < lines * taps; at++) {
        const int64_t to = at / taps, tap = at % taps;
        const int64_t depth = to / s->lengths[1] + tap / s->taps[1] - (s->taps[0] - 1) / 2;
        const int64_t row = to % s->lengths[1] + tap % s->taps[1] - (s->taps[1] - 1) / 2;

        if (depth < 0 || depth >= s->lengths[0] || row < 0 || row >= s->lengths[1]) continue;
        line_product(s, k->kernel + (size_t)(tap * s->taps[2]) * s->filters * 4 * s->filters,
                     state + (size_t)(depth * s->lengths[1] + row) * line,
                     gates + (size_t)to * 4 * line, is_back);
    }
}

/* -- cells ------------------------------------------------------------------------------------ */

static void forward(const steps_work *k, const place *p)
{
    const steps_state *const s = k->s;
    const size_t f = s->filters;
    float *const h = k->h + p->item * s->size;

    memcpy(p->state, h, s->size * sizeof *h);
    if (p->is_masked) {
        if (p->memory_before == NULL) {
            memset(p->memory, 0, s->size * sizeof(float));
        } else {
            memcpy(p->memory, p->memory_before, s->size * sizeof(float));
        }
        return;
    }
    memcpy(p->gates, k->x + (p->gates - k->gates), 4 * s->size * sizeof(float));
    convolve(k, p->state, p->gates, false);
    for (size_t cell = 0; cell < s->cells; cell++) {
        const float *const z = p->gates + cell * 4 * f;
        float *const on = p->active + cell * 4 * f, *const c = p->memory + cell * f;

        unary_apply(&s->a.recurrent_activation, z, on, 2 * f);
        unary_apply(&s->a.activation, z + 2 * f, on + 2 * f, f);
        unary_apply(&s->a.recurrent_activation, z + 3 * f, on + 3 * f, f);
        for (size_t i = 0; i < f; i++) {
            const float before = p->memory_before == NULL ? 0.0f : p->memory_before[cell * f + i];

            c[i] = on[f + i] * before + on[i] * on[2 * f + i];
        }
        unary_apply(&s->a.activation, c, h + cell * f, f);
        for (size_t i = 0; i < f; i++) h[cell * f + i] *= on[3 * f + i];
    }
}

/* gates becomes its own gradient, from that of the activated gate in `d`. */
static void gate_back(const unary_attributes *f, float *gates, const float *active, const float *d,
                      size_t count)
{
    unary_gradient_apply(f, op_unary_gradient_by_result(f) ? active : gates, d, gates, count);
}

static void cell_back(const steps_work *k, const place *p, size_t cell)
{
    const steps_state *const s = k->s;
    const unary_attributes *const a = &s->a.activation, *const r = &s->a.recurrent_activation;
    const size_t f = s->filters;
    const float *const in = p->active + cell * 4 * f, *const forget = in + f,
                       *const candidate = in + 2 * f, *const out = in + 3 * f;
    const float *const c = p->memory + cell * f;
    float *const z = p->gates + cell * 4 * f, *const dh = k->dh + p->item * s->size + cell * f;
    float *const dc = k->dc + p->item * s->size + cell * f, *const d = k->line + p->item * 4 * f;
    float *const shown = d + 2 * f; /* f(c) */

    unary_apply(a, c, shown, f);
    for (size_t i = 0; i < f; i++) {
        d[3 * f + i] = dh[i] * shown[i];
        d[i] = dh[i] * out[i];
    }
    unary_gradient_apply(a, op_unary_gradient_by_result(a) ? shown : c, d, d, f);
    for (size_t i = 0; i < f; i++) {
        const float before = p->memory_before == NULL ? 0.0f : p->memory_before[cell * f + i];

        dc[i] += d[i];
        d[i] = dc[i] * candidate[i];
        d[f + i] = dc[i] * before;
        d[2 * f + i] = dc[i] * in[i];
        dc[i] *= forget[i];
        dh[i] = 0;
    }
    gate_back(r, z, in, d, 2 * f);
    gate_back(a, z + 2 * f, candidate, d + 2 * f, f);
    gate_back(r, z + 3 * f, out, d + 3 * f, f);
}

static void back(const steps_work *k, const place *p)
{
    const steps_state *const s = k->s;
    const bool is_last = p->step + 1 == s->steps;
    float *const carry = k->carry + p->item * s->size, *const dh = k->dh + p->item * s->size;
    const size_t row = s->a.return_sequences ? p->item * s->steps + p->step : p->item;

    for (size_t i = 0; k->dy != NULL && (s->a.return_sequences || is_last) && i < s->size; i++)
        carry[i] += k->dy[row * s->size + i];
    if (p->is_masked) {
        if (s->a.zero_output_for_mask) memset(carry, 0, s->size * sizeof *carry);
        memset(p->gates, 0, 4 * s->size * sizeof(float));
        return;
    }
    for (size_t i = 0; i < s->size; i++) {
        dh[i] += carry[i];
        carry[i] = 0;
    }
    for (size_t cell = 0; cell < s->cells; cell++) cell_back(k, p, cell);
    convolve(k, dh, p->gates, true);
}

/* -- items ------------------------------------------------------------------------------------ */

static void begin(const float *from, float *to, size_t first, size_t count)
{
    if (from == NULL) {
        memset(to + first, 0, count * sizeof *to);
    } else {
        memcpy(to + first, from + first, count * sizeof *to);
    }
}

static void items_run(void *context, size_t from, size_t end)
{
    const steps_work *const k = context;
    const steps_state *const s = k->s;

    for (size_t item = from; item < end; item++) {
        const size_t first = item * s->size;

        begin(k->h_first, k->h, first, s->size);
        begin(k->dh_last, k->dh, first, s->size);
        begin(k->dc_last, k->dc, first, s->size);
        begin(NULL, k->carry, first, s->size);
        for (size_t step = 0; step < s->steps; step++) {
            const place p = place_of(k, item, step);
            forward(k, &p);
        }
        for (size_t step = s->steps; step-- > 0;) {
            const place p = place_of(k, item, step);
            back(k, &p);
        }
        begin(k->dh, k->dh_first, first, s->size);
        begin(k->dc, k->dc_first, first, s->size);
    }
}

/* -- row -------------------------------------------------------------------------------------- */

static bool steps_plan(kernel_plan *plan)
{
    const conv_lstm_attributes *const a = plan->node->attributes;
    const tensor_desc *const x = &plan->inputs[STEP_X], *const kernel = &plan->inputs[STEP_KERNEL];

    steps_state *const s = region_new(plan->home, steps_state, 1);
    if (s == NULL) return false;
    s->a = *a;
    s->items = (size_t)x->dims[0];
    s->steps = (size_t)x->dims[1];
    s->filters = (size_t)kernel->dims[a->spatial];
    s->cells = 1;
    for (uint32_t i = 0; i < SPATIAL_MAX; i++) {
        const uint32_t missing = SPATIAL_MAX - a->spatial;
        s->lengths[i] = i < missing ? 1 : x->dims[2 + i - missing];
        s->taps[i] = i < missing ? 1 : kernel->dims[i - missing];
        s->cells *= (size_t)s->lengths[i];
    }
    s->size = s->cells * s->filters;
    s->input_count = plan->node->input_count;
    s->kernel = plain_weight_plan(plan, STEP_KERNEL);
    const uint64_t state = (uint64_t)s->items * s->size * sizeof(float);
    s->active = plan_scratch(plan, s->steps * 4 * state);
    s->memory = plan_scratch(plan, s->steps * state);
    s->h = plan_scratch(plan, state);
    s->dh = plan_scratch(plan, state);
    s->dc = plan_scratch(plan, state);
    s->carry = plan_scratch(plan, state);
    s->line = plan_scratch(plan, (uint64_t)s->items * 4 * s->filters * sizeof(float));
    plan->state = s;
    return true;
}

static void steps_run(const kernel_call *call)
{
    const steps_state *const s = call->state;

    if (s->items == 0 || s->cells == 0) return;
    steps_work k = {.s = s,
                    .x = call->inputs[STEP_X],
                    .kernel = plain_weight_find(&s->kernel, call, STEP_KERNEL),
                    .mask = call_input(call, STEP_MASK, s->input_count),
                    .h_first = call_input(call, STEP_H, s->input_count),
                    .c_first = call_input(call, STEP_C, s->input_count),
                    .dy = call_input(call, STEP_DY, s->input_count),
                    .dh_last = call_input(call, STEP_DH, s->input_count),
                    .dc_last = call_input(call, STEP_DC, s->input_count),
                    .gates = call->outputs[0],
                    .states = call->outputs[1],
                    .dh_first = call->outputs[2],
                    .dc_first = call->outputs[3],
                    .active = call_scratch(call, s->active),
                    .memory = call_scratch(call, s->memory),
                    .h = call_scratch(call, s->h),
                    .dh = call_scratch(call, s->dh),
                    .dc = call_scratch(call, s->dc),
                    .carry = call_scratch(call, s->carry),
                    .line = call_scratch(call, s->line)};

    parallel_for(call->threads, s->items, 1, items_run, &k);
}

const kernel_def kernel_portable_conv_lstm_gradient = {.name = "portable.conv_lstm_gradient",
                                                       .op = OP_conv_lstm_gradient,
                                                       .plan = steps_plan,
                                                       .run = steps_run};
