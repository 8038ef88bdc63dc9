/* tf_export_recurrent.c -- rnn and conv_lstm as loops: one step is written down as a graph of ours
 * and exported like any other.
 *
 * The products of the input with the kernel are made before the loop. Masked steps hold the states;
 * the output repeats the one before, or is zero, as graph/op.h has it. */
#include "tensorflow/tf_export_internal.h"

#include <string.h>

#include "base/status.h"

enum { RNN_X, RNN_KERNEL, RNN_RECURRENT, RNN_BIAS, RNN_MASK, RNN_H, RNN_C, RNN_DROP };
enum { STEP_X, STEP_KERNEL, STEP_MASK, STEP_H, STEP_C };

#define STATES_MAX 3 /* h, c, the output before */

/* One layer, whatever its cell. */
typedef struct recurrence {
    graph *body;
    value h, c, before, x, mask, kernel, bias; /* inputs of the body; VALUE_NONE: none */
    value next_h, next_c;
    bool has_cell, has_mask, returns_sequence, zero_output, go_backwards;
    shape state;                 /* outside: [n, ...] */
    tensor_ref h_first, c_first; /* NULL: zeros */
    tensor_ref sequences[2], invariants[2];
    uint32_t sequence_count, invariant_count;
    dim steps;
} recurrence;

/* -- inputs of the body ------------------------------------------------------------------------ */

/* A shape of the body: known lengths as they are, symbols for others, one for each axis of the
 * state. */
static shape body_shape(graph *body, const shape *outside, dim *symbols)
{
    shape s = {.rank = outside->rank};

    for (uint32_t i = 0; i < s.rank; i++) {
        if (!dim_known(outside->dims[i]) && symbols[i] == 0)
            symbols[i] = dim_symbol(body, i == 0 ? "batch" : "cells");
        s.dims[i] = dim_known(outside->dims[i]) ? outside->dims[i] : symbols[i];
    }
    return s;
}

/* In the order of loops: carried, elements; invariants follow. `width` is that of an element. */
static void body_inputs(recurrence *r, int64_t width)
{
    dim symbols[EBB_RANK_MAX] = {0};
    const shape state = body_shape(r->body, &r->state, symbols);
    shape element = state, flag = {.rank = state.rank, .dims = {state.dims[0]}};

    element.dims[element.rank - 1] = width;
    for (uint32_t i = 1; i < flag.rank; i++) flag.dims[i] = 1;
    r->h = graph_input(r->body, EBB_F32, &state);
    if (r->has_cell) r->c = graph_input(r->body, EBB_F32, &state);
    if (r->has_mask) r->before = graph_input(r->body, EBB_F32, &state);
    r->x = graph_input(r->body, EBB_F32, &element);
    if (r->has_mask) r->mask = graph_input(r->body, EBB_BOOL, &flag);
}

static value body_invariant(emitter *e, recurrence *r, const shape *s, tensor_ref ref)
{
    (void)e;
    r->invariants[r->invariant_count++] = ref;
    return graph_input(r->body, EBB_F32, s);
}

/* -- cells ------------------------------------------------------------------------------------- */

static value part(graph *g, value v, int64_t from, int64_t length)
{
    return op_slice_axis(g, v, -1, from, length, 1);
}

/* Gates i, f, candidate, o in `z`. */
static void lstm_finish(recurrence *r, value z, int64_t u, const unary_attributes *activation,
                        const unary_attributes *recurrent)
{
    graph *g = r->body;
    const value i = op_unary_with(g, *recurrent, part(g, z, 0, u));
    const value f = op_unary_with(g, *recurrent, part(g, z, u, u));
    const value candidate = op_unary_with(g, *activation, part(g, z, 2 * u, u));
    const value o = op_unary_with(g, *recurrent, part(g, z, 3 * u, u));

    r->next_c = op_add(g, op_mul(g, f, r->c), op_mul(g, i, candidate));
    r->next_h = op_mul(g, o, op_unary_with(g, *activation, r->next_c));
}

static void gru_step(recurrence *r, const rnn_attributes *a)
{
    graph *g = r->body;
    const int64_t u = a->units;
    value z, gate, candidate;

    if (a->reset_after) {
        value inner = op_matmul(g, r->h, r->kernel, false, false);
        if (r->bias != VALUE_NONE) inner = op_add(g, inner, r->bias);
        const value sum = op_add(g, part(g, r->x, 0, 2 * u), part(g, inner, 0, 2 * u));
        gate = op_unary_with(g, a->recurrent_activation, sum);
        candidate = op_mul(g, part(g, gate, u, u), part(g, inner, 2 * u, u));
    } else {
        const value both = part(g, r->kernel, 0, 2 * u), own = part(g, r->kernel, 2 * u, u);
        const value inner = op_matmul(g, r->h, both, false, false);
        gate = op_unary_with(g, a->recurrent_activation, op_add(g, part(g, r->x, 0, 2 * u), inner));
        const value reset = op_mul(g, part(g, gate, u, u), r->h);
        candidate = op_matmul(g, reset, own, false, false);
    }
    candidate = op_unary_with(g, a->activation, op_add(g, part(g, r->x, 2 * u, u), candidate));
    z = part(g, gate, 0, u);
    const value kept = op_mul(g, z, r->h);
    const value rest = op_sub(g, graph_scalar(g, 1.0f), z);
    r->next_h = op_add(g, kept, op_mul(g, rest, candidate));
}

static void rnn_step(recurrence *r, const rnn_attributes *a)
{
    graph *g = r->body;

    if (a->kind == RNN_GRU) {
        gru_step(r, a);
        return;
    }
    const value sum = op_add(g, r->x, op_matmul(g, r->h, r->kernel, false, false));
    if (a->kind == RNN_LSTM) {
        lstm_finish(r, sum, a->units, &a->activation, &a->recurrent_activation);
    } else {
        r->next_h = op_unary_with(g, a->activation, sum);
    }
}

/* Masks, and the outputs of the body in the order of loops. */
static void body_end(recurrence *r)
{
    graph *g = r->body;
    value y = r->next_h, h = r->next_h, c = r->next_c;

    if (r->has_mask) {
        y = op_select(g, r->mask, y, r->zero_output ? graph_scalar(g, 0) : r->before);
        h = op_select(g, r->mask, h, r->h);
        if (r->has_cell) c = op_select(g, r->mask, c, r->c);
    }
    graph_output(g, h);
    if (r->has_cell) graph_output(g, c);
    if (r->has_mask) graph_output(g, y);
    if (r->returns_sequence) graph_output(g, y);
}

/* -- around the loop --------------------------------------------------------------------------- */

/* [n, t, ...] <-> [t, n, ...] */
static tensor_ref time_swap(emitter *e, tf_type type, tensor_ref x, uint32_t rank)
{
    int64_t order[EBB_RANK_MAX] = {1, 0};

    for (uint32_t i = 2; i < rank; i++) order[i] = i;
    return export_transpose(e, type, x, order, rank);
}

static tensor_ref zeros(emitter *e, const shape *s)
{
    attributes a = {.count = 0};
    const tensor_ref inputs[] = {length_shape(e, s), export_zero(e, TF_FLOAT)};

    attributes_type(&a, "T", TF_FLOAT);
    attributes_type(&a, "index_type", TF_INT32);
    return export_node(e, TF_Fill, inputs, 2, &a);
}

/* [n, t] -> [t, n, 1, ...]: beside the state. */
static tensor_ref mask_swapped(emitter *e, tensor_ref mask, uint32_t state_rank)
{
    mask = time_swap(e, TF_BOOL, mask, 2);
    for (uint32_t i = 1; i < state_rank; i++) mask = export_expand(e, TF_BOOL, mask, -1);
    return mask;
}

static void recurrence_run(emitter *e, const node *n, recurrence *r)
{
    tensor_ref carried[STATES_MAX], outputs[STATES_MAX + 1];
    shape sequence = {.rank = r->state.rank + 1, .dims = {r->steps}};
    uint32_t count = 0;

    if (!graph_ok(r->body)) {
        export_fail(e, r->body->error.status, "%s", r->body->error.text);
        return;
    }
    for (uint32_t i = 0; i < r->state.rank; i++) sequence.dims[i + 1] = r->state.dims[i];
    carried[count++] = r->h_first != NULL ? r->h_first : zeros(e, &r->state);
    if (r->has_cell) carried[count++] = r->c_first != NULL ? r->c_first : zeros(e, &r->state);
    if (r->has_mask) carried[count++] = zeros(e, &r->state);
    const loop l = {.body = r->body,
                    .carried = carried,
                    .sequences = r->sequences,
                    .invariants = r->invariants,
                    .carried_count = count,
                    .sequence_count = r->sequence_count,
                    .invariant_count = r->invariant_count,
                    .result_count = r->returns_sequence ? 1 : 0,
                    .steps = length_of(e, r->steps),
                    .go_backwards = r->go_backwards,
                    .result_shapes = &sequence,
                    .outputs = outputs};
    export_loop(e, &l);
    if (!export_ok(e)) return;
    export_set(e, n, 0,
               r->returns_sequence ? time_swap(e, TF_FLOAT, outputs[count], sequence.rank)
                                   : outputs[r->has_mask ? count - 1 : 0]);
    export_set(e, n, 1, outputs[0]);
    export_set(e, n, 2, outputs[r->has_cell ? 1 : 0]);
}

static bool body_open(emitter *e, recurrence *r)
{
    r->body = export_ok(e) ? graph_open(e->x->home) : NULL;
    if (r->body == NULL) (void)export_memory(e, SIZE_MAX, 1);
    return r->body != NULL;
}

/* -- rnn --------------------------------------------------------------------------------------- */

/* Row `index` of the bias: reset_after has one for the input and one for the state. */
static tensor_ref bias_row(emitter *e, const node *n, int64_t width, int64_t index)
{
    const shape *s = graph_shape(e->g, n->inputs[RNN_BIAS]);
    const tensor_ref bias = export_input(e, n, RNN_BIAS);

    if (s->rank == 1) return bias;
    const length start[] = {length_number(index), length_number(0)};
    const length lengths[] = {length_number(1), length_number(width)};
    const int64_t steps[] = {1, 1};
    return export_reshape(e, TF_FLOAT, export_slice(e, TF_FLOAT, bias, start, lengths, steps, s, 2),
                          &width, 1);
}

static tensor_ref input_product(emitter *e, const node *n, int64_t width)
{
    const tensor_ref x = time_swap(e, TF_FLOAT, export_input(e, n, RNN_X), 3);
    const tensor_ref product =
        export_2(e, TF_BatchMatMulV2, TF_FLOAT, x, export_input(e, n, RNN_KERNEL));

    if (!export_has(n, RNN_BIAS)) return product;
    return export_2(e, TF_AddV2, TF_FLOAT, product, bias_row(e, n, width, 0));
}

void export_op_rnn(emitter *e, const node *n)
{
    const rnn_attributes *a = n->attributes;
    const shape *x = graph_shape(e->g, n->inputs[RNN_X]);
    const int64_t width = graph_dim(e->g, n->inputs[RNN_KERNEL], 1);
    recurrence r = {.has_cell = a->kind == RNN_LSTM,
                    .has_mask = export_has(n, RNN_MASK),
                    .returns_sequence = a->return_sequences,
                    .zero_output = a->zero_output_for_mask,
                    .go_backwards = a->go_backwards,
                    .state = {.rank = 2, .dims = {x->dims[0], a->units}},
                    .steps = x->dims[1]};

    if (export_has(n, RNN_DROP)) {
        export_fail(e, EBB_E_UNSUPPORTED, "recurrent dropout is for training only");
        return;
    }
    if (!body_open(e, &r)) return;
    body_inputs(&r, width);
    r.sequences[r.sequence_count++] = input_product(e, n, width);
    if (r.has_mask)
        r.sequences[r.sequence_count++] = mask_swapped(e, export_input(e, n, RNN_MASK), 2);
    r.kernel = body_invariant(e, &r, &(shape){.rank = 2, .dims = {a->units, width}},
                              export_input(e, n, RNN_RECURRENT));
    if (export_has(n, RNN_BIAS) && graph_rank(e->g, n->inputs[RNN_BIAS]) == 2) {
        r.bias =
            body_invariant(e, &r, &(shape){.rank = 1, .dims = {width}}, bias_row(e, n, width, 1));
    }
    if (export_has(n, RNN_H)) r.h_first = export_input(e, n, RNN_H);
    if (export_has(n, RNN_C)) r.c_first = export_input(e, n, RNN_C);
    rnn_step(&r, a);
    body_end(&r);
    recurrence_run(e, n, &r);
}

/* -- conv_lstm --------------------------------------------------------------------------------- */

static void conv_lstm_step(recurrence *r, const conv_lstm_attributes *a, int64_t filters)
{
    conv_attributes c = {.spatial = a->spatial, .same = true, .groups = 1};

    for (uint32_t i = 0; i < SPATIAL_MAX; i++) c.strides[i] = c.dilations[i] = 1;
    const value z = op_add(r->body, r->x, op_conv(r->body, r->h, r->kernel, &c));
    lstm_finish(r, z, filters, &a->activation, &a->recurrent_activation);
}

void export_op_conv_lstm(emitter *e, const node *n)
{
    const conv_lstm_attributes *a = n->attributes;
    const shape *x = graph_shape(e->g, n->inputs[STEP_X]);
    const shape *kernel = graph_shape(e->g, n->inputs[STEP_KERNEL]);
    const int64_t filters = kernel->dims[a->spatial];
    recurrence r = {.has_cell = true,
                    .has_mask = export_has(n, STEP_MASK),
                    .returns_sequence = a->return_sequences,
                    .zero_output = a->zero_output_for_mask,
                    .go_backwards = a->go_backwards,
                    .state = {.rank = x->rank - 1, .dims = {x->dims[0]}},
                    .steps = x->dims[1]};

    for (uint32_t i = 0; i < a->spatial; i++) r.state.dims[i + 1] = x->dims[i + 2];
    r.state.dims[a->spatial + 1] = filters;
    if (!body_open(e, &r)) return;
    body_inputs(&r, 4 * filters);
    r.sequences[r.sequence_count++] = time_swap(e, TF_FLOAT, export_input(e, n, STEP_X), x->rank);
    if (r.has_mask) {
        r.sequences[r.sequence_count++] =
            mask_swapped(e, export_input(e, n, STEP_MASK), r.state.rank);
    }
    r.kernel = body_invariant(e, &r, kernel, export_input(e, n, STEP_KERNEL));
    if (export_has(n, STEP_H)) r.h_first = export_input(e, n, STEP_H);
    if (export_has(n, STEP_C)) r.c_first = export_input(e, n, STEP_C);
    conv_lstm_step(&r, a, filters);
    body_end(&r);
    recurrence_run(e, n, &r);
}
