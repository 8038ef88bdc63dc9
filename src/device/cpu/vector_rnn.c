/* vector_rnn.c -- SimpleRNN, LSTM and GRU in vector code: the same steps as the portable row, on
 * vector_gemm.
 *
 * The input products of a block of steps are one matrix product each, or one per item. Then the
 * steps run one after another; with several items threads take items and never meet, a single
 * item splits its product.
 *
 *     scratch   inputs [n, block, G * u]   x . kernel + bias
 *               gates  [n, G * u]          inputs + h . recurrent, then the gates
 *               h, c, reset [n, u]         states; GRU without reset_after: r * h
 *
 * Source: Keras 3, layers/rnn/{simple_rnn,lstm,gru}.py.
 */
#include <string.h>

#include "device/cpu/parallel.h"
#include "device/cpu/vector.h"

enum { RNN_X, RNN_KERNEL, RNN_RECURRENT, RNN_BIAS, RNN_MASK, RNN_H, RNN_C, RNN_DROP };

#define BLOCK_BYTES ((size_t)4 << 20)

typedef struct rnn_state {
    rnn_attributes a;
    size_t items, steps, depth, units, gates, block;
    bool has[7];
    vector_unary activation, recurrent_activation;
    vector_gemm_run run;
    uint64_t gates_at, h_at, c_at, reset_at; /* in scratch; inputs come first */
} rnn_state;

typedef struct rnn_work {
    const rnn_state *s;
    const float *x, *kernel, *recurrent, *bias, *h_first, *c_first;
    const uint8_t *mask;
    float *inputs, *gates, *h, *c, *reset, *y, *h_last, *c_last;
    uint32_t threads; /* for one product */
} rnn_work;

/* c[0 .. columns) of items [from, end) += states . recurrent[first .. first + columns), c at
 * gates + first */
static void add_recurrent(const rnn_work *w, const float *states, size_t from, size_t end,
                          size_t first, size_t columns)
{
    const rnn_state *s = w->s;
    const vector_gemm g = {.m = end - from,
                           .n = columns,
                           .k = s->units,
                           .a_stride = s->units,
                           .b_stride = s->gates,
                           .c_stride = s->gates,
                           .a = states + from * s->units,
                           .b = w->recurrent + first,
                           .c = w->gates + from * s->gates + first,
                           .is_added = true};

    vector_gemm_parallel(s->run, &g, w->threads);
}

/* Input products of times [time, time + count) for items [from, end). */
static void make_inputs(const rnn_work *w, size_t from, size_t end, size_t time, size_t count)
{
    const rnn_state *s = w->s;
    vector_gemm g = {
        .n = s->gates, .k = s->depth, .b_stride = s->gates, .b = w->kernel, .bias = w->bias};

    if (s->steps == s->block) { /* everything in one block: rows are items and steps together */
        g.m = (end - from) * count;
        g.a_stride = s->depth;
        g.c_stride = s->gates;
        g.a = w->x + from * s->steps * s->depth;
        g.c = w->inputs + from * s->block * s->gates;
        vector_gemm_parallel(s->run, &g, w->threads);
        return;
    }
    g.m = count;
    g.a_stride = s->depth;
    g.c_stride = s->gates;
    for (size_t item = from; item < end; item++) {
        g.a = w->x + (item * s->steps + time) * s->depth;
        g.c = w->inputs + item * s->block * s->gates;
        vector_gemm_parallel(s->run, &g, w->threads);
    }
}

/* -- cells: one item, one step; z holds the summed products, except where stated
 * ------------------ */

static void cell_lstm(const rnn_state *s, float *z, float *h, float *c)
{
    const size_t u = s->units;

    s->recurrent_activation(&s->a.recurrent_activation, z, z, 2 * u);
    s->activation(&s->a.activation, z + 2 * u, z + 2 * u, u);
    s->recurrent_activation(&s->a.recurrent_activation, z + 3 * u, z + 3 * u, u);
    LOOP_INDEPENDENT
    for (size_t i = 0; i < u; i++) c[i] = z[u + i] * c[i] + z[i] * z[2 * u + i];
    s->activation(&s->a.activation, c, h, u);
    LOOP_INDEPENDENT
    for (size_t i = 0; i < u; i++) h[i] *= z[3 * u + i];
}

/* z and r are activated, the candidate is summed: h = z * h + (1 - z) * candidate. */
static void gru_finish(const rnn_state *s, float *z, float *h)
{
    const size_t u = s->units;
    float *const candidate = z + 2 * u;

    s->activation(&s->a.activation, candidate, candidate, u);
    LOOP_INDEPENDENT
    for (size_t i = 0; i < u; i++) h[i] = z[i] * h[i] + (1.0f - z[i]) * candidate[i];
}

/* reset_after: z came as h . recurrent + the second bias; x are the input products. */
static void cell_gru_after(const rnn_state *s, const float *x, float *z, float *h)
{
    const size_t u = s->units;

    LOOP_INDEPENDENT
    for (size_t i = 0; i < 2 * u; i++) z[i] += x[i];
    s->recurrent_activation(&s->a.recurrent_activation, z, z, 2 * u);
    LOOP_INDEPENDENT
    for (size_t i = 0; i < u; i++) z[2 * u + i] = z[u + i] * z[2 * u + i] + x[2 * u + i];
    gru_finish(s, z, h);
}

/* -- steps
 * ---------------------------------------------------------------------------------------- */

/* What the recurrent products of a step are added to. */
static void begin_gates(const rnn_work *w, size_t from, size_t end, size_t in_block)
{
    const rnn_state *s = w->s;
    const size_t bytes = s->gates * sizeof(float);

    for (size_t i = from; i < end; i++) {
        float *const z = w->gates + i * s->gates;

        if (s->a.kind != RNN_GRU || !s->a.reset_after)
            memcpy(z, w->inputs + (i * s->block + in_block) * s->gates, bytes);
        else if (w->bias != NULL)
            memcpy(z, w->bias + s->gates, bytes);
        else
            memset(z, 0, bytes);
    }
}

/* GRU without reset_after: z and r first, then the candidate's product from r * h. */
static void reset_gates(const rnn_work *w, size_t from, size_t end)
{
    const rnn_state *s = w->s;
    const size_t u = s->units;

    for (size_t i = from; i < end; i++) {
        float *const z = w->gates + i * s->gates, *const h = w->h + i * u,
                     *const reset = w->reset + i * u;

        s->recurrent_activation(&s->a.recurrent_activation, z, z, 2 * u);
        LOOP_INDEPENDENT
        for (size_t j = 0; j < u; j++) reset[j] = z[u + j] * h[j];
    }
    add_recurrent(w, w->reset, from, end, 2 * u, u);
}

static void run_cell(const rnn_work *w, size_t item, size_t in_block)
{
    const rnn_state *s = w->s;
    float *const z = w->gates + item * s->gates, *const h = w->h + item * s->units;

    if (s->a.kind == RNN_SIMPLE)
        s->activation(&s->a.activation, z, h, s->units);
    else if (s->a.kind == RNN_LSTM)
        cell_lstm(s, z, h, w->c + item * s->units);
    else if (s->a.reset_after)
        cell_gru_after(s, w->inputs + (item * s->block + in_block) * s->gates, z, h);
    else
        gru_finish(s, z, h);
}

/* The output of one item at one step; at masked steps the one before, or zeros. */
static void write_output(const rnn_work *w, size_t item, size_t step, bool is_masked)
{
    const rnn_state *s = w->s;
    const size_t bytes = s->units * sizeof(float);
    float *const y = w->y + (s->a.return_sequences ? item * s->steps + step : item) * s->units;

    if (!is_masked)
        memcpy(y, w->h + item * s->units, bytes);
    else if (s->a.zero_output_for_mask || step == 0)
        memset(y, 0, bytes);
    else if (s->a.return_sequences)
        memcpy(y, y - s->units, bytes);
}

static void run_step(const rnn_work *w, size_t from, size_t end, size_t step, size_t time,
                     size_t in_block)
{
    const rnn_state *s = w->s;
    const bool is_before = s->a.kind == RNN_GRU && !s->a.reset_after;

    begin_gates(w, from, end, in_block);
    add_recurrent(w, w->h, from, end, 0, is_before ? 2 * s->units : s->gates);
    if (is_before) reset_gates(w, from, end);
    for (size_t i = from; i < end; i++) {
        const bool is_masked = w->mask != NULL && w->mask[i * s->steps + time] == 0;

        if (!is_masked) run_cell(w, i, in_block);
        write_output(w, i, step, is_masked);
    }
}

static void begin_state(float *to, const float *from, size_t first, size_t count)
{
    if (from == NULL)
        memset(to + first, 0, count * sizeof *to);
    else
        memcpy(to + first, from + first, count * sizeof *to);
}

static void run_items(void *context, size_t from, size_t end)
{
    const rnn_work *w = context;
    const rnn_state *s = w->s;
    const size_t first = from * s->units, count = (end - from) * s->units;

    begin_state(w->h, w->h_first, first, count);
    begin_state(w->c, w->c_first, first, count);
    for (size_t done = 0; done < s->steps; done += s->block) {
        const size_t steps = s->steps - done < s->block ? s->steps - done : s->block;
        const size_t time = s->a.go_backwards ? s->steps - done - steps : done;

        make_inputs(w, from, end, time, steps);
        for (size_t i = 0; i < steps; i++) {
            const size_t in_block = s->a.go_backwards ? steps - 1 - i : i;

            run_step(w, from, end, done + i, time + in_block, in_block);
        }
    }
    if (w->h_last != NULL) memcpy(w->h_last + first, w->h + first, count * sizeof *w->h);
    if (w->c_last != NULL)
        memcpy(w->c_last + first, (s->a.kind == RNN_LSTM ? w->c : w->h) + first,
               count * sizeof *w->h);
}

/* -- row
 * -------------------------------------------------------------------------------------------- */

static bool has_fitting_inputs(const kernel_plan *plan)
{
    if (!VECTOR_X86 || plan->device->isa == ISA_PORTABLE || vector_has_input(plan, RNN_DROP))
        return false;
    for (uint32_t i = 0; i < plan->node->input_count; i++) {
        if (!vector_has_input(plan, i)) continue;
        if (plan->inputs[i].dtype != (i == RNN_MASK ? EBB_BOOL : EBB_F32) ||
            plan->weights[i].form != WEIGHT_PLAIN || tensor_desc_count(&plan->inputs[i]) == 0)
            return false;
    }
    return true;
}

static uint64_t take_scratch(kernel_plan *plan, size_t floats)
{
    const uint64_t at = plan->scratch_bytes;

    plan->scratch_bytes += (floats * sizeof(float) + 63) & ~(uint64_t)63;
    return at;
}

static bool plan_rnn(kernel_plan *plan)
{
    const rnn_attributes *a = plan->node->attributes;
    const tensor_desc *x = &plan->inputs[RNN_X];

    if (!has_fitting_inputs(plan)) return false;
    rnn_state *s = region_new(plan->home, rnn_state, 1);
    if (s == NULL) return false;
    s->a = *a;
    s->items = (size_t)x->dims[0];
    s->steps = (size_t)x->dims[1];
    s->depth = (size_t)x->dims[2];
    s->units = (size_t)a->units;
    s->gates = (size_t)plan->inputs[RNN_KERNEL].dims[1];
    for (uint32_t i = 0; i <= RNN_C; i++) s->has[i] = vector_has_input(plan, i);
    s->activation = vector_unary_find(plan->device->isa, &s->a.activation);
    s->recurrent_activation = vector_unary_find(plan->device->isa, &s->a.recurrent_activation);
    s->run = vector_gemm_find(plan->device->isa);
    const size_t step = s->items * s->gates, most = BLOCK_BYTES / sizeof(float) / step;
    s->block = most == 0 ? 1 : most < s->steps ? most : s->steps;
    take_scratch(plan, s->block * step);
    s->gates_at = take_scratch(plan, step);
    s->h_at = take_scratch(plan, s->items * s->units);
    s->c_at = take_scratch(plan, s->items * s->units);
    s->reset_at = take_scratch(plan, s->items * s->units);
    plan->state = s;
    return true;
}

static void run_rnn(const kernel_call *call)
{
    const rnn_state *s = call->state;
    char *const scratch = call->scratch;
    const bool is_split = s->items > 1;
    rnn_work w = {
        .s = s,
        .x = call->inputs[RNN_X],
        .kernel = call->inputs[RNN_KERNEL],
        .recurrent = call->inputs[RNN_RECURRENT],
        .bias = s->has[RNN_BIAS] ? call->inputs[RNN_BIAS] : NULL,
        .mask = s->has[RNN_MASK] ? call->inputs[RNN_MASK] : NULL,
        .h_first = s->has[RNN_H] ? call->inputs[RNN_H] : NULL,
        .c_first = s->has[RNN_C] ? call->inputs[RNN_C] : NULL,
        .inputs = call->scratch,
        .gates = (float *)(scratch + s->gates_at),
        .h = (float *)(scratch + s->h_at),
        .c = (float *)(scratch + s->c_at),
        .reset = (float *)(scratch + s->reset_at),
        .y = call->outputs[0],
        .h_last = call->outputs[1],
        .c_last = call->outputs[2],
        .threads = is_split ? 1 : call->threads,
    };

    parallel_for(is_split ? call->threads : 1, s->items, 1, run_items, &w);
}

const kernel_def kernel_vector_rnn = {
    "vector.rnn", OP_rnn, plan_rnn, NULL, NULL, run_rnn, NULL, NULL,
};
