/* portable_conv_lstm.c -- the steps of a convolutional LSTM.
 *
 * Lines are runs of cells along the last spatial axis; what a tap of the kernel adds to a line is
 * one matrix product. All gates of a step are summed before the first state of it changes. With
 * two items in a batch or more, threads take items and never meet; a single item splits the lines
 * of each step.
 *
 *     scratch   gates [n, cells, 4 f]   input products + state convolved, then the gates
 *               h, c  [n, cells, f]     states
 *
 * Source: Keras 3, layers/rnn/conv_lstm.py, and rnn() of the TensorFlow backend for masks.
 */
#include <string.h>

#include "device/cpu/gemm.h"
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

enum { STEP_X, STEP_KERNEL, STEP_MASK, STEP_H, STEP_C };

typedef struct conv_lstm_state {
    conv_lstm_attributes a;
    size_t items, steps, filters;
    int64_t lengths[SPATIAL_MAX], taps[SPATIAL_MAX]; /* missing axes in front: 1 */
    size_t lines, cells;                             /* of an item */
    uint32_t input_count;
    plain_weight kernel;
    uint64_t gates_at, h_at, c_at; /* in scratch */
} conv_lstm_state;

typedef struct conv_lstm_work {
    const conv_lstm_state *s;
    const float *x, *kernel, *h_first, *c_first;
    const uint8_t *mask;
    float *gates, *h, *c, *y, *h_last, *c_last;
    size_t item, time;     /* of the step being made, when lines are split */
    uint32_t line_threads; /* 1 when items are split */
} conv_lstm_work;

/* -- gates ------------------------------------------------------------------------------------- */

/* gates of one line += the taps [tap, ...] along the last axis, over line `from` of the state. */
static void line_taps(const conv_lstm_state *s, const float *from, const float *kernel, float *to)
{
    const int64_t length = s->lengths[2], taps = s->taps[2], before = (taps - 1) / 2;
    const size_t f = s->filters;

    for (int64_t tap = 0; tap < taps; tap++) {
        const int64_t shift = tap - before;
        const int64_t first = shift < 0 ? -shift : 0;
        const int64_t end = shift > 0 ? length - shift : length;
        if (first >= end) continue;
        const gemm g = {.m = (size_t)(end - first),
                        .n = 4 * f,
                        .k = f,
                        .a = from + (first + shift) * (int64_t)f,
                        .a_row = (ptrdiff_t)f,
                        .a_column = 1,
                        .b = kernel + (size_t)tap * f * 4 * f,
                        .b_row = (ptrdiff_t)(4 * f),
                        .b_column = 1,
                        .c = to + (size_t)first * 4 * f,
                        .c_row = (ptrdiff_t)(4 * f)};
        gemm_add(&g);
    }
}

/* Lines [begin, end) of the step: input products, then the state convolved. */
static void lines_sum(void *context, size_t begin, size_t end)
{
    const conv_lstm_work *const k = context;
    const conv_lstm_state *const s = k->s;
    const size_t length = (size_t)s->lengths[2], state_line = length * s->filters;
    const float *const x = k->x + (k->item * s->steps + k->time) * s->cells * 4 * s->filters;
    const float *const h = k->h + k->item * s->cells * s->filters;
    float *const gates = k->gates + k->item * s->cells * 4 * s->filters;

    for (size_t line = begin; line < end; line++) {
        const int64_t depth = (int64_t)line / s->lengths[1], row = (int64_t)line % s->lengths[1];
        float *const to = gates + line * 4 * state_line;

        memcpy(to, x + line * 4 * state_line, 4 * state_line * sizeof *to);
        for (int64_t td = 0; td < s->taps[0]; td++) {
            const int64_t from_depth = depth + td - (s->taps[0] - 1) / 2;
            if (from_depth < 0 || from_depth >= s->lengths[0]) continue;
            for (int64_t tr = 0; tr < s->taps[1]; tr++) {
                const int64_t from_row = row + tr - (s->taps[1] - 1) / 2;
                if (from_row < 0 || from_row >= s->lengths[1]) continue;
                const size_t from = (size_t)(from_depth * s->lengths[1] + from_row);
                const size_t first = (size_t)((td * s->taps[1] + tr) * s->taps[2]);
                line_taps(s, h + from * state_line, k->kernel + first * s->filters * 4 * s->filters,
                          to);
            }
        }
    }
}

/* -- states ------------------------------------------------------------------------------------ */

static void cell_update(const conv_lstm_state *s, float *z, float *h, float *c)
{
    const size_t f = s->filters;
    const float *const candidate = z + 2 * f, *const output = z + 3 * f;

    unary_apply(&s->a.recurrent_activation, z, z, 2 * f);
    unary_apply(&s->a.activation, candidate, z + 2 * f, f);
    unary_apply(&s->a.recurrent_activation, output, z + 3 * f, f);
    for (size_t i = 0; i < f; i++) c[i] = z[f + i] * c[i] + z[i] * candidate[i];
    unary_apply(&s->a.activation, c, h, f);
    for (size_t i = 0; i < f; i++) h[i] *= output[i];
}

static void lines_update(void *context, size_t begin, size_t end)
{
    const conv_lstm_work *const k = context;
    const conv_lstm_state *const s = k->s;
    const size_t length = (size_t)s->lengths[2], first = k->item * s->cells;

    for (size_t cell = first + begin * length; cell < first + end * length; cell++) {
        cell_update(s, k->gates + cell * 4 * s->filters, k->h + cell * s->filters,
                    k->c + cell * s->filters);
    }
}

/* The output of one item at one step; at masked steps the one before, or zeros. */
static void output_write(const conv_lstm_work *k, size_t step, bool masked)
{
    const conv_lstm_state *const s = k->s;
    const size_t size = s->cells * s->filters, bytes = size * sizeof(float);
    float *const y = k->y + (s->a.return_sequences ? k->item * s->steps + step : k->item) * size;

    if (!masked) {
        memcpy(y, k->h + k->item * size, bytes);
    } else if (s->a.zero_output_for_mask || step == 0) {
        memset(y, 0, bytes);
    } else if (s->a.return_sequences) {
        memcpy(y, y - size, bytes);
    }
}

static void state_begin(float *to, const float *from, size_t count)
{
    if (from == NULL) {
        memset(to, 0, count * sizeof *to);
    } else {
        memcpy(to, from, count * sizeof *to);
    }
}

static void items_run(void *context, size_t from, size_t end)
{
    conv_lstm_work work = *(const conv_lstm_work *)context, *const k = &work;
    const conv_lstm_state *const s = k->s;
    const size_t size = s->cells * s->filters, first = from * size, count = (end - from) * size;

    state_begin(k->h + first, k->h_first == NULL ? NULL : k->h_first + first, count);
    state_begin(k->c + first, k->c_first == NULL ? NULL : k->c_first + first, count);
    if (s->steps == 0 && !s->a.return_sequences) memset(k->y + first, 0, count * sizeof *k->y);
    for (k->item = from; k->item < end; k->item++) {
        for (size_t step = 0; step < s->steps; step++) {
            k->time = s->a.go_backwards ? s->steps - 1 - step : step;
            const bool masked = k->mask != NULL && k->mask[k->item * s->steps + k->time] == 0;
            if (!masked) {
                parallel_for(k->line_threads, s->lines, 1, lines_sum, k);
                parallel_for(k->line_threads, s->lines, 1, lines_update, k);
            }
            output_write(k, step, masked);
        }
    }
    if (k->h_last != NULL) memcpy(k->h_last + first, k->h + first, count * sizeof *k->h);
    if (k->c_last != NULL) memcpy(k->c_last + first, k->c + first, count * sizeof *k->c);
}

/* -- row --------------------------------------------------------------------------------------- */

static bool conv_lstm_plan(kernel_plan *plan)
{
    const conv_lstm_attributes *const a = plan->node->attributes;
    const tensor_desc *const x = &plan->inputs[STEP_X], *const kernel = &plan->inputs[STEP_KERNEL];

    if (x->dtype != EBB_F32) return false;
    conv_lstm_state *const s = region_new(plan->home, conv_lstm_state, 1);
    if (s == NULL) return false;
    s->a = *a;
    s->items = (size_t)x->dims[0];
    s->steps = (size_t)x->dims[1];
    s->filters = (size_t)kernel->dims[a->spatial];
    s->lines = 1;
    for (uint32_t i = 0; i < SPATIAL_MAX; i++) {
        const uint32_t missing = SPATIAL_MAX - a->spatial;
        s->lengths[i] = i < missing ? 1 : x->dims[2 + i - missing];
        s->taps[i] = i < missing ? 1 : kernel->dims[i - missing];
        if (i + 1 < SPATIAL_MAX) s->lines *= (size_t)s->lengths[i];
    }
    s->cells = s->lines * (size_t)s->lengths[SPATIAL_MAX - 1];
    s->input_count = plan->node->input_count;
    s->kernel = plain_weight_plan(plan, STEP_KERNEL);
    const uint64_t state = (uint64_t)s->items * s->cells * s->filters * sizeof(float);
    s->gates_at = plan_scratch(plan, 4 * state);
    s->h_at = plan_scratch(plan, state);
    s->c_at = plan_scratch(plan, state);
    plan->state = s;
    return true;
}

static void conv_lstm_run(const kernel_call *call)
{
    const conv_lstm_state *const s = call->state;
    const bool is_split = s->items > 1;

    if (s->items == 0 || s->cells == 0) return;
    conv_lstm_work k = {.s = s,
                        .x = call->inputs[STEP_X],
                        .kernel = plain_weight_find(&s->kernel, call, STEP_KERNEL),
                        .h_first = call_input(call, STEP_H, s->input_count),
                        .c_first = call_input(call, STEP_C, s->input_count),
                        .mask = call_input(call, STEP_MASK, s->input_count),
                        .gates = call_scratch(call, s->gates_at),
                        .h = call_scratch(call, s->h_at),
                        .c = call_scratch(call, s->c_at),
                        .y = call->outputs[0],
                        .h_last = call->outputs[1],
                        .c_last = call->outputs[2],
                        .line_threads = is_split ? 1 : call->threads};

    parallel_for(is_split ? call->threads : 1, s->items, 1, items_run, &k);
}

const kernel_def kernel_portable_conv_lstm = {
    .name = "portable.conv_lstm", .op = OP_conv_lstm, .plan = conv_lstm_plan, .run = conv_lstm_run};
