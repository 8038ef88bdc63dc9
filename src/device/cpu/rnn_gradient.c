/* rnn_gradient.c -- the steps of a recurrent layer backwards (graph/op.h, rnn_gradient): the
 * portable and the vector row, which differ in the functions they call.
 *
 * Forwards once more, keeping what the way back needs; then from the last step to the first, with
 * the gradients of the states. The products of the kernel are the caller's. Threads take items and
 * never meet; a single item splits its matrix products.
 *
 *     outputs   gates  [n, t, G * u]  x . kernel + bias, then what goes into the activations, then
 *                                     its gradient
 *               states [n, t, u]      h before each step
 *               aux    [n, t, u]      GRU: h . recurrent of the candidate, then its gradient; or
 *                                     reset * h
 *     scratch   active [n, t, G * u]  the gates
 *               cells  [n, t, u]      LSTM: c after each step
 *               step   [n, G * u]     h . recurrent of one step
 *               h, dh, dc, carry [n, u], carry: gradient of an output that a masked step repeated
 *               dropped [n, u]        states as one gate sees them, or their gradient
 *               turned [G * u, u]     the recurrent kernel transposed, for vector products
 *
 * Source: Keras 3, layers/rnn/{simple_rnn,lstm,gru}.py, and rnn() of the TensorFlow backend for
 * masks.
 */
#include <string.h>

#include "device/cpu/gemm.h"
#include "device/cpu/parallel.h"
#include "device/cpu/portable.h"
#include "device/cpu/vector.h"

/* Columns of a kernel that are worth a thread of their own. */
#define TURN_GRAIN ((size_t)64)

enum {
    RNN_X,
    RNN_KERNEL,
    RNN_RECURRENT,
    RNN_BIAS,
    RNN_MASK,
    RNN_H,
    RNN_C,
    RNN_DROP,
    RNN_DY,
    RNN_DH,
    RNN_DC
};

typedef struct rnn_gradient_state {
    rnn_attributes a;
    size_t items, steps, depth, units, gates;
    bool is_after, is_before; /* GRU with the reset after or before the product */
    uint32_t input_count;
    plain_weight kernel, recurrent;
    vector_unary activation, recurrent_activation;
    vector_slope slope, recurrent_slope;
    vector_gemm_run run; /* NULL: the portable product */
    uint64_t active, cells, step, h, dh, dc, carry, line, dropped, turned; /* in scratch */
} rnn_gradient_state;

typedef struct rnn_gradient_work {
    const rnn_gradient_state *s;
    const float *x, *kernel, *recurrent, *bias, *h_first, *c_first, *dy, *dh_last, *dc_last, *drop;
    const uint8_t *mask;
    float *gates, *states, *dh_first, *aux; /* outputs; aux: dc_first of an LSTM */
    float *active, *cells, *step, *h, *dh, *dc, *carry, *line, *dropped, *turned;
    uint32_t threads; /* for one product */
} rnn_gradient_work;

/* Where one item is at one step. */
typedef struct place {
    size_t item, time;
    bool is_first;
    float *gates, *active, *state, *aux, *cell;
    const float *cell_before;
    float *dh, *dc;
} place;

static size_t time_of(const rnn_gradient_state *s, size_t step)
{
    return s->a.go_backwards ? s->steps - 1 - step : step;
}

static bool is_masked(const rnn_gradient_work *k, size_t item, size_t time)
{
    return k->mask != NULL && k->mask[item * k->s->steps + time] == 0;
}

static place place_of(const rnn_gradient_work *k, size_t item, size_t step)
{
    const rnn_gradient_state *const s = k->s;
    const size_t u = s->units, row = item * s->steps + time_of(s, step);
    /* cells are kept in the order of steps */
    float *const cell = k->cells + (item * s->steps + step) * u;
    const float *const c_first = k->c_first == NULL ? NULL : k->c_first + item * u;

    return (place){.item = item,
                   .time = time_of(s, step),
                   .is_first = step == 0,
                   .gates = k->gates + row * s->gates,
                   .active = k->active + row * s->gates,
                   .state = k->states + row * u,
                   .aux = s->a.kind == RNN_GRU ? k->aux + row * u : NULL,
                   .cell = cell,
                   .cell_before = step == 0 ? c_first : cell - u,
                   .dh = k->dh + item * u,
                   .dc = k->dc + item * u};
}

/* c [m, n] = a . b, or += where is_added; b's columns lie next to one another or (portable) anyhow.
 */
static void product(const rnn_gradient_work *k, const gemm *g, bool is_added)
{
    const bool is_vector = k->s->run != NULL && g->m > 0 && g->k > 0;

    if (!is_vector) {
        if (!is_added) gemm_clear(g->c, g->c_row, g->m, g->n);
        gemm_add_threads(g, k->threads);
        return;
    }
    const vector_gemm v = {.m = g->m,
                           .n = g->n,
                           .k = g->k,
                           .a_stride = (size_t)g->a_row,
                           .b_stride = (size_t)g->b_row,
                           .c_stride = (size_t)g->c_row,
                           .a = g->a,
                           .b = g->b,
                           .c = g->c,
                           .is_added = is_added};
    vector_gemm_parallel(k->s->run, &v, k->threads);
}

/* -- forwards --------------------------------------------------------------------------------- */

/* step[first .. first + count) of items [from, end) = states . recurrent */
static void states_product(const rnn_gradient_work *k, const float *states, ptrdiff_t row,
                           size_t from, size_t end, size_t first, size_t count)
{
    const rnn_gradient_state *const s = k->s;
    float *const to = k->step + from * s->gates + first;

    const gemm g = {.m = end - from,
                    .n = count,
                    .k = s->units,
                    .a = states,
                    .a_row = row,
                    .a_column = 1,
                    .b = k->recurrent + first,
                    .b_row = (ptrdiff_t)s->gates,
                    .b_column = 1,
                    .c = to,
                    .c_row = (ptrdiff_t)s->gates};

    product(k, &g, false);
}

/* The same, each gate of states that it has dropped from. */
static void step_product(const rnn_gradient_work *k, const float *states, ptrdiff_t row,
                         size_t from, size_t end, size_t first, size_t count)
{
    const size_t u = k->s->units;

    if (k->drop == NULL) states_product(k, states, row, from, end, first, count);
    for (size_t gate = first; k->drop != NULL && gate < first + count; gate += u) {
        for (size_t i = from; i < end; i++) {
            const float *const state = states + (ptrdiff_t)(i - from) * row;
            const float *const mask = k->drop + i * k->s->gates + gate;

            for (size_t j = 0; j < u; j++) k->dropped[i * u + j] = state[j] * mask[j];
        }
        states_product(k, k->dropped + from * u, (ptrdiff_t)u, from, end, gate, u);
    }
}

static void add_to(float *y, const float *x, size_t count)
{
    LOOP_INDEPENDENT
    for (size_t i = 0; i < count; i++) y[i] += x[i];
}

static void forward_simple(const rnn_gradient_work *k, const place *p, const float *z, float *h)
{
    const size_t u = k->s->units;

    add_to(p->gates, z, u);
    k->s->activation(&k->s->a.activation, p->gates, p->active, u);
    memcpy(h, p->active, u * sizeof *h);
}

static void forward_lstm(const rnn_gradient_work *k, const place *p, const float *z, float *h)
{
    const rnn_gradient_state *const s = k->s;
    const size_t u = s->units;
    float *const on = p->active;

    add_to(p->gates, z, s->gates);
    s->recurrent_activation(&s->a.recurrent_activation, p->gates, on, 2 * u);
    s->activation(&s->a.activation, p->gates + 2 * u, on + 2 * u, u);
    s->recurrent_activation(&s->a.recurrent_activation, p->gates + 3 * u, on + 3 * u, u);
    for (size_t i = 0; i < u; i++) {
        const float before = p->cell_before == NULL ? 0.0f : p->cell_before[i];

        p->cell[i] = on[u + i] * before + on[i] * on[2 * u + i];
    }
    s->activation(&s->a.activation, p->cell, h, u);
    for (size_t i = 0; i < u; i++) h[i] *= on[3 * u + i];
}

/* Update and reset gates, and what the candidate takes from the state. */
static void forward_gru_reset(const rnn_gradient_work *k, const place *p, float *z, const float *h)
{
    const rnn_gradient_state *const s = k->s;
    const size_t u = s->units;

    if (s->is_after && k->bias != NULL) add_to(z, k->bias + s->gates, s->gates);
    add_to(p->gates, z, 2 * u);
    s->recurrent_activation(&s->a.recurrent_activation, p->gates, p->active, 2 * u);
    for (size_t i = 0; i < u; i++) p->aux[i] = s->is_after ? z[2 * u + i] : p->active[u + i] * h[i];
}

static void forward_gru(const rnn_gradient_work *k, const place *p, const float *z, float *h)
{
    const size_t u = k->s->units;
    float *const candidate = p->gates + 2 * u, *const on = p->active;

    for (size_t i = 0; i < u; i++)
        candidate[i] += k->s->is_after ? on[u + i] * p->aux[i] : z[2 * u + i];
    k->s->activation(&k->s->a.activation, candidate, on + 2 * u, u);
    for (size_t i = 0; i < u; i++) h[i] = on[i] * h[i] + (1.0f - on[i]) * on[2 * u + i];
}

static void step_forward(const rnn_gradient_work *k, size_t from, size_t end, size_t step)
{
    const rnn_gradient_state *const s = k->s;
    const size_t u = s->units;

    step_product(k, k->h + from * u, (ptrdiff_t)u, from, end, 0, s->is_before ? 2 * u : s->gates);
    for (size_t i = from; i < end; i++) {
        const place p = place_of(k, i, step);

        memcpy(p.state, k->h + i * u, u * sizeof(float));
        if (s->a.kind == RNN_GRU) forward_gru_reset(k, &p, k->step + i * s->gates, p.state);
    }
    if (s->is_before) {
        step_product(k, k->aux + (from * s->steps + time_of(s, step)) * u,
                     (ptrdiff_t)(s->steps * u), from, end, 2 * u, u);
    }
    for (size_t i = from; i < end; i++) {
        const place p = place_of(k, i, step);
        const float *const z = k->step + i * s->gates;

        if (!is_masked(k, i, p.time)) {
            float *const h = k->h + i * u;
            if (s->a.kind == RNN_SIMPLE) forward_simple(k, &p, z, h);
            if (s->a.kind == RNN_LSTM) forward_lstm(k, &p, z, h);
            if (s->a.kind == RNN_GRU) forward_gru(k, &p, z, h);
        } else if (s->a.kind == RNN_LSTM && p.cell_before != NULL) {
            memcpy(p.cell, p.cell_before, u * sizeof(float));
        } else if (s->a.kind == RNN_LSTM) {
            memset(p.cell, 0, u * sizeof(float));
        }
    }
}

static void inputs_make(const rnn_gradient_work *k, size_t from, size_t end)
{
    const rnn_gradient_state *const s = k->s;
    const epilogue none = {.activation = {.kind = UNARY_IDENTITY}};
    const epilogue_operands operands = {NULL, k->bias, NULL};
    const size_t rows = (end - from) * s->steps, first = from * s->steps;
    float *const to = k->gates + first * s->gates;

    const gemm g = {.m = rows,
                    .n = s->gates,
                    .k = s->depth,
                    .a = k->x + first * s->depth,
                    .a_row = (ptrdiff_t)s->depth,
                    .a_column = 1,
                    .b = k->kernel,
                    .b_row = (ptrdiff_t)s->gates,
                    .b_column = 1,
                    .c = to,
                    .c_row = (ptrdiff_t)s->gates};

    product(k, &g, false);
    epilogue_apply(&none, &operands, to, rows, s->gates, s->gates);
}

/* -- backwards -------------------------------------------------------------------------------- */

/* gates becomes its own gradient, from that of the activated gate in `d`. */
static void gate_back(const rnn_gradient_state *s, bool is_recurrent, float *gates,
                      const float *active, const float *d, size_t count)
{
    const unary_attributes *const f = is_recurrent ? &s->a.recurrent_activation : &s->a.activation;
    const vector_slope slope = is_recurrent ? s->recurrent_slope : s->slope;

    slope(f, op_unary_gradient_by_result(f) ? active : gates, d, gates, count);
}

static void back_simple(const rnn_gradient_work *k, const place *p)
{
    const size_t u = k->s->units;

    gate_back(k->s, false, p->gates, p->active, p->dh, u);
    memset(p->dh, 0, u * sizeof(float));
}

static void back_lstm(const rnn_gradient_work *k, const place *p)
{
    const rnn_gradient_state *const s = k->s;
    const unary_attributes *const f = &s->a.activation;
    const size_t u = s->units;
    const float *const in = p->active, *const forget = in + u, *const candidate = in + 2 * u,
                       *const out = in + 3 * u;
    float *const d = k->line + p->item * s->gates, *const shown = d + 2 * u;

    s->activation(f, p->cell, shown, u); /* f(c) */
    for (size_t i = 0; i < u; i++) {
        d[3 * u + i] = p->dh[i] * shown[i];
        d[i] = p->dh[i] * out[i];
    }
    s->slope(f, op_unary_gradient_by_result(f) ? shown : p->cell, d, d, u);
    for (size_t i = 0; i < u; i++) {
        const float dc = p->dc[i] + d[i];
        const float before = p->cell_before == NULL ? 0.0f : p->cell_before[i];

        d[i] = dc * candidate[i];
        d[u + i] = dc * before;
        d[2 * u + i] = dc * in[i];
        p->dc[i] = dc * forget[i];
        p->dh[i] = 0;
    }
    gate_back(s, true, p->gates, in, d, 2 * u);
    gate_back(s, false, p->gates + 2 * u, candidate, d + 2 * u, u);
    gate_back(s, true, p->gates + 3 * u, out, d + 3 * u, u);
}

/* The candidate and the update gate; dh keeps what passes by. */
static void back_gru_candidate(const rnn_gradient_work *k, const place *p)
{
    const rnn_gradient_state *const s = k->s;
    const size_t u = s->units;
    const float *const update = p->active, *const candidate = update + 2 * u;
    float *const d = k->line + p->item * s->gates;

    for (size_t i = 0; i < u; i++) {
        d[i] = p->dh[i] * (p->state[i] - candidate[i]);
        d[2 * u + i] = p->dh[i] * (1.0f - update[i]);
        p->dh[i] *= update[i];
    }
    gate_back(s, true, p->gates, update, d, u);
    gate_back(s, false, p->gates + 2 * u, candidate, d + 2 * u, u);
}

/* The reset gate. `d_reset`: gradient of reset * h where the reset comes before the product. */
static void back_gru_reset(const rnn_gradient_work *k, const place *p, const float *d_reset)
{
    const rnn_gradient_state *const s = k->s;
    const size_t u = s->units;
    const float *const reset = p->active + u, *const d_candidate = p->gates + 2 * u;
    float *const d = k->line + p->item * s->gates;

    for (size_t i = 0; i < u; i++) {
        if (s->is_after) {
            d[u + i] = d_candidate[i] * p->aux[i];
            p->aux[i] = d_candidate[i] * reset[i];
        } else {
            d[u + i] = d_reset[i] * p->state[i];
            p->dh[i] += d_reset[i] * reset[i];
        }
    }
    gate_back(s, true, p->gates + u, reset, d + u, u);
}

/* What comes from the outputs of this step; false if the step is masked. */
static bool take_output(const rnn_gradient_work *k, const place *p, size_t step)
{
    const rnn_gradient_state *const s = k->s;
    const size_t u = s->units;
    const bool is_last = step + 1 == s->steps;
    const bool has_output = k->dy != NULL && (s->a.return_sequences || is_last);
    float *const carry = k->carry + p->item * u;

    if (has_output)
        add_to(carry, k->dy + (s->a.return_sequences ? p->item * s->steps + step : p->item) * u, u);
    if (is_masked(k, p->item, p->time)) {
        if (s->a.zero_output_for_mask) memset(carry, 0, u * sizeof *carry);
        return false;
    }
    add_to(p->dh, carry, u);
    memset(carry, 0, u * sizeof *carry);
    return true;
}

/* to += gradients of products . recurrent' for gates [first, first + count). */
static void states_back(const rnn_gradient_work *k, const float *d, ptrdiff_t row, size_t from,
                        size_t end, size_t first, size_t count, float *to)
{
    const rnn_gradient_state *const s = k->s;

    const bool is_turned = s->run != NULL;
    const gemm g = {.m = end - from,
                    .n = s->units,
                    .k = count,
                    .a = d,
                    .a_row = row,
                    .a_column = 1,
                    .b = is_turned ? k->turned + first * s->units : k->recurrent + first,
                    .b_row = is_turned ? (ptrdiff_t)s->units : 1,
                    .b_column = is_turned ? 1 : (ptrdiff_t)s->gates,
                    .c = to + from * s->units,
                    .c_row = (ptrdiff_t)s->units};

    product(k, &g, true);
}

/* The same through what each gate has dropped. */
static void products_back(const rnn_gradient_work *k, const float *d, ptrdiff_t row, size_t from,
                          size_t end, size_t first, size_t count, float *to)
{
    const size_t u = k->s->units;

    if (k->drop == NULL) states_back(k, d, row, from, end, first, count, to);
    for (size_t gate = 0; k->drop != NULL && gate < count; gate += u) {
        memset(k->dropped + from * u, 0, (end - from) * u * sizeof(float));
        states_back(k, d + gate, row, from, end, first + gate, u, k->dropped);
        for (size_t i = from; i < end; i++) {
            const float *const mask = k->drop + i * k->s->gates + first + gate;

            for (size_t j = 0; j < u; j++) to[i * u + j] += k->dropped[i * u + j] * mask[j];
        }
    }
}

static void step_back(const rnn_gradient_work *k, size_t from, size_t end, size_t step)
{
    const rnn_gradient_state *const s = k->s;
    const size_t u = s->units, first = from * s->steps + time_of(s, step);
    const ptrdiff_t gates_row = (ptrdiff_t)(s->steps * s->gates);
    const float *const gates = k->gates + first * s->gates;

    for (size_t i = from; i < end; i++) {
        const place p = place_of(k, i, step);

        if (!take_output(k, &p, step)) {
            memset(p.gates, 0, s->gates * sizeof(float));
            if (p.aux != NULL) memset(p.aux, 0, u * sizeof(float));
            continue;
        }
        if (s->a.kind == RNN_SIMPLE) back_simple(k, &p);
        if (s->a.kind == RNN_LSTM) back_lstm(k, &p);
        if (s->a.kind == RNN_GRU) back_gru_candidate(k, &p);
    }
    if (s->is_before) { /* k->h: gradient of reset * h */
        memset(k->h + from * u, 0, (end - from) * u * sizeof(float));
        products_back(k, gates + 2 * u, gates_row, from, end, 2 * u, u, k->h);
    }
    for (size_t i = from; s->a.kind == RNN_GRU && i < end; i++) {
        const place p = place_of(k, i, step);

        if (!is_masked(k, i, p.time)) back_gru_reset(k, &p, k->h + i * u);
    }
    products_back(k, gates, gates_row, from, end, 0, s->a.kind == RNN_GRU ? 2 * u : s->gates,
                  k->dh);
    if (s->is_after)
        products_back(k, k->aux + first * u, (ptrdiff_t)(s->steps * u), from, end, 2 * u, u, k->dh);
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
    const rnn_gradient_work *const k = context;
    const rnn_gradient_state *const s = k->s;
    const size_t first = from * s->units, count = (end - from) * s->units;
    const bool is_lstm = s->a.kind == RNN_LSTM;

    begin(k->h_first, k->h, first, count);
    inputs_make(k, from, end);
    for (size_t step = 0; step < s->steps; step++) step_forward(k, from, end, step);
    begin(k->dh_last, k->dh, first, count);
    begin(is_lstm ? k->dc_last : NULL, k->dc, first, count);
    if (!is_lstm && k->dc_last != NULL) add_to(k->dh + first, k->dc_last + first, count);
    begin(NULL, k->carry, first, count);
    for (size_t step = s->steps; step-- > 0;) step_back(k, from, end, step);
    begin(k->dh, k->dh_first, first, count);
    if (s->a.kind != RNN_GRU) begin(is_lstm ? k->dc : NULL, k->aux, first, count);
}

/* -- row -------------------------------------------------------------------------------------- */

static void choose_functions(rnn_gradient_state *s, cpu_isa isa)
{
    s->activation = vector_unary_find(isa, &s->a.activation);
    s->recurrent_activation = vector_unary_find(isa, &s->a.recurrent_activation);
    s->slope = vector_slope_find(isa, &s->a.activation);
    s->recurrent_slope = vector_slope_find(isa, &s->a.recurrent_activation);
    s->run = vector_gemm_find(isa);
}

static bool plan_for(kernel_plan *plan, cpu_isa isa)
{
    const rnn_attributes *const a = plan->node->attributes;
    const tensor_desc *const x = &plan->inputs[RNN_X];

    rnn_gradient_state *const s = region_new(plan->home, rnn_gradient_state, 1);
    if (s == NULL) return false;
    s->a = *a;
    s->items = (size_t)x->dims[0];
    s->steps = (size_t)x->dims[1];
    s->depth = (size_t)x->dims[2];
    s->units = (size_t)a->units;
    s->gates = (size_t)plan->inputs[RNN_KERNEL].dims[1];
    s->is_after = a->kind == RNN_GRU && a->reset_after;
    s->is_before = a->kind == RNN_GRU && !a->reset_after;
    s->input_count = plan->node->input_count;
    s->kernel = plain_weight_plan(plan, RNN_KERNEL);
    s->recurrent = plain_weight_plan(plan, RNN_RECURRENT);
    const uint64_t state = (uint64_t)s->items * s->units * sizeof(float);
    const uint64_t step = (uint64_t)s->items * s->gates * sizeof(float);
    s->active = plan_scratch(plan, s->steps * step);
    s->cells = plan_scratch(plan, a->kind == RNN_LSTM ? s->steps * state : 0);
    s->step = plan_scratch(plan, step);
    s->line = plan_scratch(plan, step);
    s->h = plan_scratch(plan, state);
    s->dh = plan_scratch(plan, state);
    s->dc = plan_scratch(plan, state);
    s->carry = plan_scratch(plan, state);
    s->dropped = plan_scratch(plan, state);
    choose_functions(s, isa);
    if (s->run != NULL)
        s->turned = plan_scratch(plan, (uint64_t)s->units * s->gates * sizeof(float));
    plan->state = s;
    return true;
}

static bool portable_plan(kernel_plan *plan)
{
    return plan_for(plan, ISA_PORTABLE);
}

static bool vector_plan(kernel_plan *plan)
{
    return VECTOR_X86 && plan->device->isa != ISA_PORTABLE && plan_for(plan, plan->device->isa);
}

/* Columns of the recurrent kernel as rows. */
static void turn(void *context, size_t begin, size_t end)
{
    const rnn_gradient_work *const k = context;
    const size_t u = k->s->units, gates = k->s->gates;

    for (size_t i = begin; i < end; i++) {
        const float *const from = k->recurrent + i;
        float *const to = k->turned + i * u;

        for (size_t j = 0; j < u; j++) to[j] = from[j * gates];
    }
}

static void rnn_gradient_run(const kernel_call *call)
{
    const rnn_gradient_state *const s = call->state;

    if (s->items == 0) return;
    rnn_gradient_work k = {.s = s,
                           .x = call->inputs[RNN_X],
                           .kernel = plain_weight_find(&s->kernel, call, RNN_KERNEL),
                           .recurrent = plain_weight_find(&s->recurrent, call, RNN_RECURRENT),
                           .bias = call_input(call, RNN_BIAS, s->input_count),
                           .mask = call_input(call, RNN_MASK, s->input_count),
                           .h_first = call_input(call, RNN_H, s->input_count),
                           .c_first = call_input(call, RNN_C, s->input_count),
                           .drop = call_input(call, RNN_DROP, s->input_count),
                           .dy = call_input(call, RNN_DY, s->input_count),
                           .dh_last = call_input(call, RNN_DH, s->input_count),
                           .dc_last = call_input(call, RNN_DC, s->input_count),
                           .gates = call->outputs[0],
                           .states = call->outputs[1],
                           .dh_first = call->outputs[2],
                           .aux = call->outputs[3],
                           .active = call_scratch(call, s->active),
                           .cells = call_scratch(call, s->cells),
                           .step = call_scratch(call, s->step),
                           .line = call_scratch(call, s->line),
                           .h = call_scratch(call, s->h),
                           .dh = call_scratch(call, s->dh),
                           .dc = call_scratch(call, s->dc),
                           .carry = call_scratch(call, s->carry),
                           .dropped = call_scratch(call, s->dropped),
                           .turned = call_scratch(call, s->turned),
                           .threads = s->items > 1 ? 1 : call->threads};

    if (s->run != NULL) parallel_for(call->threads, s->gates, TURN_GRAIN, turn, &k);
    parallel_for(s->items > 1 ? call->threads : 1, s->items, 1, items_run, &k);
}

const kernel_def kernel_vector_rnn_gradient = {.name = "vector.rnn_gradient",
                                               .op = OP_rnn_gradient,
                                               .plan = vector_plan,
                                               .run = rnn_gradient_run};
const kernel_def kernel_portable_rnn_gradient = {.name = "portable.rnn_gradient",
                                                 .op = OP_rnn_gradient,
                                                 .plan = portable_plan,
                                                 .run = rnn_gradient_run};
