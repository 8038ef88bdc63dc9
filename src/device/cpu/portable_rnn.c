/* portable_rnn.c -- SimpleRNN, LSTM and GRU with any activations, masks and initial states.
 *
 * The input products of a block of steps are made first, as one matrix product, in scratch of at
 * most 4 MiB (or one step); then the steps run one after another. With two items in a batch or
 * more, threads take items and never meet; a single item splits its matrix products.
 *
 *     scratch   inputs [n, block, G * u]   x . kernel + bias
 *               gates  [n, G * u]          h . recurrent, then the gates
 *               h, c, reset [n, u]         states; GRU without reset_after: r * h
 *               dropped [n, u]             states as one gate sees them
 *
 * Source: Keras 3, layers/rnn/{simple_rnn,lstm,gru}.py, and rnn() of the TensorFlow backend for
 * masks.
 */
#include <string.h>

#include "device/cpu/gemm.h"
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"

enum { RNN_X, RNN_KERNEL, RNN_RECURRENT, RNN_BIAS, RNN_MASK, RNN_H, RNN_C, RNN_DROP };

#define BLOCK_BYTES ((size_t)4 << 20)

typedef struct rnn_state {
    rnn_attributes a;
    size_t items, steps, depth, units, gates; /* gates: G * units */
    size_t block;                             /* steps */
    uint32_t input_count;
    plain_weight kernel, recurrent;
    uint64_t inputs_at, gates_at, h_at, c_at, reset_at, dropped_at; /* in scratch */
} rnn_state;

typedef struct rnn_work {
    const rnn_state *s;
    const float *x, *kernel, *recurrent, *bias, *h_first, *c_first, *drop;
    const uint8_t *mask;
    float *inputs, *gates, *h, *c, *reset, *dropped;
    float *y, *h_last, *c_last;
    uint32_t threads; /* for one product */
} rnn_work;

static void add_to(float *y, const float *x, size_t count)
{
    LOOP_INDEPENDENT
    for (size_t i = 0; i < count; i++) y[i] += x[i];
}

static void multiply(float *y, const float *a, const float *b, size_t count)
{
    LOOP_INDEPENDENT
    for (size_t i = 0; i < count; i++) y[i] = a[i] * b[i];
}

/* gates[first .. first + count) of items [from, end) = states . recurrent */
static void states_product(const rnn_work *k, const float *states, size_t from, size_t end,
                           size_t first, size_t count)
{
    const rnn_state *const s = k->s;
    const gemm g = {.m = end - from,
                    .n = count,
                    .k = s->units,
                    .a = states + from * s->units,
                    .a_row = (ptrdiff_t)s->units,
                    .a_column = 1,
                    .b = k->recurrent + first,
                    .b_row = (ptrdiff_t)s->gates,
                    .b_column = 1,
                    .c = k->gates + from * s->gates + first,
                    .c_row = (ptrdiff_t)s->gates};

    gemm_clear(g.c, g.c_row, g.m, g.n);
    gemm_add_threads(&g, k->threads);
}

/* The same, each gate of states that it has dropped from. */
static void recurrent_product(const rnn_work *k, const float *states, size_t from, size_t end,
                              size_t first, size_t count)
{
    const size_t u = k->s->units;

    if (k->drop == NULL) states_product(k, states, from, end, first, count);
    for (size_t gate = first; k->drop != NULL && gate < first + count; gate += u) {
        for (size_t i = from; i < end; i++)
            multiply(k->dropped + i * u, states + i * u, k->drop + i * k->s->gates + gate, u);
        states_product(k, k->dropped, from, end, gate, u);
    }
}

/* -- cells: one item, one step; x its input products, z its recurrent products ------------------
 */

static void cell_simple(const rnn_work *k, const float *x, float *z, float *h, float *c)
{
    (void)c;
    add_to(z, x, k->s->units);
    unary_apply(&k->s->a.activation, z, h, k->s->units);
}

static void cell_lstm(const rnn_work *k, const float *x, float *z, float *h, float *c)
{
    const rnn_state *const s = k->s;
    const size_t u = s->units;
    float *const candidate = z + 2 * u, *const output = z + 3 * u;

    add_to(z, x, s->gates);
    unary_apply(&s->a.recurrent_activation, z, z, 2 * u);
    unary_apply(&s->a.activation, candidate, candidate, u);
    unary_apply(&s->a.recurrent_activation, output, output, u);
    for (size_t i = 0; i < u; i++) c[i] = z[u + i] * c[i] + z[i] * candidate[i];
    unary_apply(&s->a.activation, c, h, u);
    multiply(h, h, output, u);
}

/* The last step of both kinds of GRU: h = z * h + (1 - z) * candidate. */
static void gru_finish(const rnn_work *k, const float *z, float *candidate, float *h)
{
    const size_t u = k->s->units;

    unary_apply(&k->s->a.activation, candidate, candidate, u);
    for (size_t i = 0; i < u; i++) h[i] = z[i] * h[i] + (1.0f - z[i]) * candidate[i];
}

static void cell_gru_after(const rnn_work *k, const float *x, float *z, float *h, float *c)
{
    const rnn_state *const s = k->s;
    const size_t u = s->units;
    float *const candidate = z + 2 * u;

    (void)c;
    if (k->bias != NULL) add_to(z, k->bias + s->gates, s->gates);
    add_to(z, x, 2 * u);
    unary_apply(&s->a.recurrent_activation, z, z, 2 * u);
    multiply(candidate, candidate, z + u, u);
    add_to(candidate, x + 2 * u, u);
    gru_finish(k, z, candidate, h);
}

/* Before the candidate's product: z and r, and r * h. */
static void cell_gru_reset(const rnn_work *k, const float *x, float *z, const float *h,
                           float *reset)
{
    const size_t u = k->s->units;

    add_to(z, x, 2 * u);
    unary_apply(&k->s->a.recurrent_activation, z, z, 2 * u);
    multiply(reset, z + u, h, u);
}

static void cell_gru_before(const rnn_work *k, const float *x, float *z, float *h, float *c)
{
    const size_t u = k->s->units;

    (void)c;
    add_to(z + 2 * u, x + 2 * u, u);
    gru_finish(k, z, z + 2 * u, h);
}

typedef void (*cell_function)(const rnn_work *k, const float *x, float *z, float *h, float *c);

static cell_function cell_of(const rnn_attributes *a)
{
    static const cell_function cells[] = {
        [RNN_SIMPLE] = cell_simple, [RNN_LSTM] = cell_lstm, [RNN_GRU] = cell_gru_before};

    return a->kind == RNN_GRU && a->reset_after ? cell_gru_after : cells[a->kind];
}

/* -- steps ------------------------------------------------------------------------------------ */

/* Input products of times [time, time + count) for items [from, end). */
static void inputs_make(const rnn_work *k, size_t from, size_t end, size_t time, size_t count)
{
    const rnn_state *const s = k->s;
    const epilogue none = {.activation = {.kind = UNARY_IDENTITY}};
    const epilogue_operands operands = {NULL, k->bias, NULL};
    const bool by_item = count > end - from; /* the longer side is the rows of a product */
    const size_t loops = by_item ? end - from : count, rows = by_item ? count : end - from;

    for (size_t i = 0; i < loops; i++) {
        const size_t item = by_item ? from + i : from, step = by_item ? 0 : i;
        float *const to = k->inputs + (item * s->block + step) * s->gates;
        const size_t pace = by_item ? 1 : s->steps, pace_to = by_item ? 1 : s->block;
        const gemm g = {.m = rows,
                        .n = s->gates,
                        .k = s->depth,
                        .a = k->x + (item * s->steps + time + step) * s->depth,
                        .a_row = (ptrdiff_t)(pace * s->depth),
                        .a_column = 1,
                        .b = k->kernel,
                        .b_row = (ptrdiff_t)s->gates,
                        .b_column = 1,
                        .c = to,
                        .c_row = (ptrdiff_t)(pace_to * s->gates)};

        gemm_clear(g.c, g.c_row, g.m, g.n);
        gemm_add_threads(&g, k->threads);
        epilogue_apply(&none, &operands, to, rows, s->gates, pace_to * s->gates);
    }
}

/* The output of one item at one step; at masked steps the one before, or zeros. */
static void output_write(const rnn_work *k, size_t item, size_t step, bool masked)
{
    const rnn_state *const s = k->s;
    const size_t bytes = s->units * sizeof(float);
    float *const y = k->y + (s->a.return_sequences ? item * s->steps + step : item) * s->units;

    if (!masked) {
        memcpy(y, k->h + item * s->units, bytes);
    } else if (s->a.zero_output_for_mask || step == 0) {
        memset(y, 0, bytes);
    } else if (s->a.return_sequences) {
        memcpy(y, y - s->units, bytes);
    }
}

static void step_run(const rnn_work *k, size_t from, size_t end, size_t step, size_t time,
                     size_t in_block)
{
    const rnn_state *const s = k->s;
    const bool before = s->a.kind == RNN_GRU && !s->a.reset_after;
    const cell_function cell = cell_of(&s->a);

    recurrent_product(k, k->h, from, end, 0, before ? 2 * s->units : s->gates);
    for (size_t i = from; before && i < end; i++) {
        cell_gru_reset(k, k->inputs + (i * s->block + in_block) * s->gates, k->gates + i * s->gates,
                       k->h + i * s->units, k->reset + i * s->units);
    }
    if (before) recurrent_product(k, k->reset, from, end, 2 * s->units, s->units);
    for (size_t i = from; i < end; i++) {
        const bool masked = k->mask != NULL && k->mask[i * s->steps + time] == 0;

        if (!masked) {
            cell(k, k->inputs + (i * s->block + in_block) * s->gates, k->gates + i * s->gates,
                 k->h + i * s->units, k->c + i * s->units);
        }
        output_write(k, i, step, masked);
    }
}

static void states_begin(const float *from, float *to, size_t count)
{
    if (from == NULL) {
        memset(to, 0, count * sizeof *to);
    } else {
        memcpy(to, from, count * sizeof *to);
    }
}

static void rnn_items(void *context, size_t from, size_t end)
{
    const rnn_work *const k = context;
    const rnn_state *const s = k->s;
    const size_t first = from * s->units, count = (end - from) * s->units;

    states_begin(k->h_first == NULL ? NULL : k->h_first + first, k->h + first, count);
    states_begin(k->c_first == NULL ? NULL : k->c_first + first, k->c + first, count);
    if (s->steps == 0 && !s->a.return_sequences) memset(k->y + first, 0, count * sizeof *k->y);
    for (size_t done = 0; done < s->steps; done += s->block) {
        const size_t steps = size_min(s->block, s->steps - done);
        const size_t time = s->a.go_backwards ? s->steps - done - steps : done;

        inputs_make(k, from, end, time, steps);
        for (size_t i = 0; i < steps; i++) {
            const size_t in_block = s->a.go_backwards ? steps - 1 - i : i;

            step_run(k, from, end, done + i, time + in_block, in_block);
        }
    }
    if (k->h_last != NULL) memcpy(k->h_last + first, k->h + first, count * sizeof *k->h);
    if (k->c_last == NULL) return;
    memcpy(k->c_last + first, (s->a.kind == RNN_LSTM ? k->c : k->h) + first, count * sizeof *k->h);
}

/* -- row -------------------------------------------------------------------------------------- */

static void rnn_scratch(rnn_state *s, kernel_plan *plan)
{
    const size_t step = s->items * s->gates * sizeof(float);
    const size_t states = s->items * s->units * sizeof(float);

    s->block = step == 0 || step > BLOCK_BYTES ? 1 : BLOCK_BYTES / step;
    s->block = size_min(s->block, s->steps == 0 ? 1 : s->steps);
    s->inputs_at = plan_scratch(plan, s->block * step);
    s->gates_at = plan_scratch(plan, step);
    s->h_at = plan_scratch(plan, states);
    s->c_at = plan_scratch(plan, states);
    s->reset_at = plan_scratch(plan, states);
    s->dropped_at = plan_scratch(plan, states);
}

static bool rnn_plan(kernel_plan *plan)
{
    const rnn_attributes *const a = plan->node->attributes;
    const tensor_desc *const x = &plan->inputs[RNN_X];

    if (x->dtype != EBB_F32) return false;
    rnn_state *const s = region_new(plan->home, rnn_state, 1);
    if (s == NULL) return false;
    s->a = *a;
    s->items = (size_t)x->dims[0];
    s->steps = (size_t)x->dims[1];
    s->depth = (size_t)x->dims[2];
    s->units = (size_t)a->units;
    s->gates = (size_t)plan->inputs[RNN_KERNEL].dims[1];
    s->input_count = plan->node->input_count;
    s->kernel = plain_weight_plan(plan, RNN_KERNEL);
    s->recurrent = plain_weight_plan(plan, RNN_RECURRENT);
    rnn_scratch(s, plan);
    plan->state = s;
    return true;
}

static void rnn_run(const kernel_call *call)
{
    const rnn_state *const s = call->state;

    if (s->items == 0) return;
    rnn_work k = {.s = s,
                  .x = call->inputs[RNN_X],
                  .kernel = plain_weight_find(&s->kernel, call, RNN_KERNEL),
                  .recurrent = plain_weight_find(&s->recurrent, call, RNN_RECURRENT),
                  .bias = call_input(call, RNN_BIAS, s->input_count),
                  .mask = call_input(call, RNN_MASK, s->input_count),
                  .h_first = call_input(call, RNN_H, s->input_count),
                  .c_first = call_input(call, RNN_C, s->input_count),
                  .drop = call_input(call, RNN_DROP, s->input_count),
                  .inputs = call_scratch(call, s->inputs_at),
                  .gates = call_scratch(call, s->gates_at),
                  .h = call_scratch(call, s->h_at),
                  .c = call_scratch(call, s->c_at),
                  .reset = call_scratch(call, s->reset_at),
                  .dropped = call_scratch(call, s->dropped_at),
                  .y = call->outputs[0],
                  .h_last = call->outputs[1],
                  .c_last = call->outputs[2],
                  .threads = s->items > 1 ? 1 : call->threads};

    parallel_for(s->items > 1 ? call->threads : 1, s->items, 1, rnn_items, &k);
}

const kernel_def kernel_portable_rnn = {
    .name = "portable.rnn", .op = OP_rnn, .plan = rnn_plan, .run = rnn_run};
