/* rows.c -- may a batch run in several passes?
 *
 * Follows the batch axis through the graph. For every value: no batch, or the batch is (a factor of
 * the outermost part of) axis `axis`. An op that could let one row see another makes the answer no.
 * What is not understood counts as no: the only price is that the whole batch then runs in one
 * pass. */
#include "exec/executable.h"

#define AXIS_NONE  (-1)
#define AXIS_MIXED (-2)

typedef struct tracer {
    const graph *graph;
    uint32_t symbol;
} tracer;

/* The single axis whose length depends on the batch; NONE or MIXED otherwise. */
static int batch_axis(const tracer *t, value v)
{
    const shape *s = graph_shape(t->graph, v);
    int axis = AXIS_NONE;

    for (uint32_t i = 0; i < s->rank; i++) {
        if (!dim_depends(t->graph, s->dims[i], t->symbol)) continue;
        if (axis != AXIS_NONE) return AXIS_MIXED;
        axis = (int)i;
    }
    return axis;
}

static bool same_from_end(const tracer *t, value a, value b)
{
    const int from_a = batch_axis(t, a), from_b = batch_axis(t, b);

    if (from_a == AXIS_NONE) return true;
    if (from_b < 0 || from_a < 0) return false;
    return (int)graph_rank(t->graph, a) - from_a == (int)graph_rank(t->graph, b) - from_b;
}

static bool reshape_keeps(const tracer *t, const node *n)
{
    const int from = batch_axis(t, n->inputs[0]), to = batch_axis(t, n->outputs[0]);

    if (from == AXIS_NONE) return to == AXIS_NONE;
    return from == 0 && to == 0; /* outermost stays outermost: rows stay contiguous */
}

static bool slice_keeps(const tracer *t, const node *n, int axis)
{
    const slice_attributes *a = n->attributes;
    const shape *s = graph_shape(t->graph, n->inputs[0]);

    return a->start[axis] == 0 && a->step[axis] == 1 && a->length[axis] == s->dims[axis];
}

static bool axis_op_keeps(const tracer *t, const node *n, int axis)
{
    const void *a = n->attributes;

    switch (n->op) {
    case OP_reduce: {
        const uint32_t axes = ((const reduce_attributes *)a)->axes;
        return axes != 0 && (axes >> axis & 1) == 0;
    }
    case OP_arg_reduce: return ((const arg_reduce_attributes *)a)->axis != (uint32_t)axis;
    case OP_softmax: return (((const softmax_attributes *)a)->axes >> axis & 1) == 0;
    case OP_normalize:
        return (uint32_t)axis + ((const normalize_attributes *)a)->axis_count <
               graph_rank(t->graph, n->inputs[0]);
    case OP_concat: return ((const concat_attributes *)a)->axis != (uint32_t)axis;
    case OP_slice: return slice_keeps(t, n, axis);
    case OP_pad: {
        const pad_attributes *pad = a;
        return pad->before[axis] == 0 && pad->after[axis] == 0;
    }
    case OP_cumulative: return ((const cumulative_attributes *)a)->axis != (uint32_t)axis;
    default: return false;
    }
}

static bool gather_keeps(const tracer *t, const node *n)
{
    const gather_attributes *a = n->attributes;
    const int data = batch_axis(t, n->inputs[0]);
    const int indices = batch_axis(t, n->inputs[1]);

    if (data == AXIS_NONE) return indices == AXIS_NONE || indices >= 0;
    if (data < 0) return false;
    if (a->batch_dims > (uint32_t)data) return indices == data;
    return indices == AXIS_NONE && a->axis != (uint32_t)data;
}

static bool matmul_keeps(const tracer *t, const node *n)
{
    const matmul_attributes *attributes = n->attributes;
    const int a = batch_axis(t, n->inputs[0]), b = batch_axis(t, n->inputs[1]);
    const bool is_stacked_a = graph_rank(t->graph, n->inputs[0]) > 2;

    if (batch_axis(t, n->outputs[0]) != 0) return false;
    if (b == AXIS_NONE) return a == 0 && (is_stacked_a || !attributes->transpose_a);
    return b == 0 && graph_rank(t->graph, n->inputs[1]) > 2 &&
           (a == AXIS_NONE || (a == 0 && is_stacked_a));
}

/* The symbol of the body that is the batch: axis 0 of what the body sees. -1: there is none, or the
 * batch is elsewhere. */
static int64_t scan_symbol(const tracer *t, const node *n)
{
    const scan_attributes *a = n->attributes;
    int64_t symbol = -1;

    for (uint32_t i = 0; i < n->input_count; i++) {
        const int skipped = i >= a->carried && i < a->carried + a->sequences ? 1 : 0;
        const int axis = batch_axis(t, n->inputs[i]);
        if (axis == AXIS_NONE) continue;
        const int64_t here =
            axis != skipped ? -1
                            : dim_symbol_number(a->body, graph_dim(a->body, a->body->inputs[i], 0));
        if (here < 0 || (symbol >= 0 && here != symbol)) return -1;
        symbol = here;
    }
    return symbol;
}

static bool node_keeps(const tracer *t, const node *n);

static bool scan_keeps(const tracer *t, const node *n)
{
    const scan_attributes *a = n->attributes;
    const int64_t symbol = scan_symbol(t, n);
    const tracer inner = {.graph = a->body, .symbol = (uint32_t)symbol};

    if (symbol < 0 || dim_depends(t->graph, a->steps, t->symbol)) return false;
    for (uint32_t i = 0; i < a->body->node_count; i++) {
        const node *step = &a->body->nodes[i];
        if (step->is_dead || a->body->values[step->outputs[0]].is_constant) continue;
        if (!node_keeps(&inner, step)) return false;
    }
    for (uint32_t i = 0; i < a->carried + a->results; i++) {
        const int axis = batch_axis(&inner, a->body->outputs[i]);
        if (axis != AXIS_NONE && axis != 0) return false;
        if (i < a->carried && axis != batch_axis(&inner, a->body->inputs[i])) return false;
    }
    return true;
}

/* Every pass draws its own numbers. */
static bool random_keeps(const tracer *t, const node *n)
{
    const int axis = batch_axis(t, n->outputs[0]);

    return axis == AXIS_NONE || axis == 0;
}

static bool node_keeps(const tracer *t, const node *n)
{
    const value first = n->inputs != NULL && n->input_count > 0 ? n->inputs[0] : VALUE_NONE;
    bool any = false;

    for (uint32_t i = 0; i < n->input_count; i++) {
        if (n->inputs[i] == VALUE_NONE) continue;
        const int axis = batch_axis(t, n->inputs[i]);
        if (axis == AXIS_MIXED) return false;
        any |= axis != AXIS_NONE;
    }
    if (n->op == OP_iota &&
        dim_depends(t->graph, ((const iota_attributes *)n->attributes)->start, t->symbol))
        return false; /* the number of rows as a number */
    if (n->op == OP_random && n->input_count == 0) return random_keeps(t, n);
    if (!any) return n->output_count == 0 || batch_axis(t, n->outputs[0]) == AXIS_NONE;
    switch (n->op) {
    case OP_one_hot: return true;
    case OP_packed_gather: return true; /* the table has no batch */
    case OP_packed_matmul: return batch_axis(t, first) == 0 && batch_axis(t, n->outputs[0]) == 0;
    case OP_cast:
    case OP_unary:
    case OP_binary:
    case OP_compare:
    case OP_select:
    case OP_broadcast:
    case OP_stop:
    case OP_unary_gradient:
        for (uint32_t i = 0; i < n->input_count; i++) {
            if (!same_from_end(t, n->inputs[i], n->outputs[0])) return false;
        }
        return true;
    case OP_matmul: return matmul_keeps(t, n);
    case OP_conv:
    case OP_conv_transpose:
    case OP_pool:
    case OP_resize:
    case OP_rnn:
    case OP_conv_lstm:
    case OP_conv_gradient_input:
    case OP_pool_gradient:
    case OP_resize_gradient:
    case OP_rnn_gradient:
    case OP_conv_lstm_gradient:
        return batch_axis(t, first) == 0 && batch_axis(t, n->outputs[0]) == 0;
    case OP_reshape: return reshape_keeps(t, n);
    case OP_transpose: return batch_axis(t, n->outputs[0]) != AXIS_MIXED;
    case OP_gather: return gather_keeps(t, n);
    case OP_scan: return scan_keeps(t, n);
    default: return batch_axis(t, first) >= 0 && axis_op_keeps(t, n, batch_axis(t, first));
    }
}

/* Has it one row per row of the batch? */
static bool is_batched(const tracer *t, value v)
{
    if (graph_rank(t->graph, v) == 0) return false;
    return dim_symbol_number(t->graph, graph_dim(t->graph, v, 0)) == t->symbol;
}

bool graph_rows_independent(const graph *g, uint32_t batch_symbol)
{
    const tracer t = {.graph = g, .symbol = batch_symbol};

    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        if (!n->is_dead && !g->values[n->outputs[0]].is_constant && !node_keeps(&t, n))
            return false;
    }
    for (uint32_t i = 0; i < g->input_count; i++) {
        if (!is_batched(&t, g->inputs[i])) return false;
    }
    for (uint32_t i = 0; i < g->output_count; i++) {
        if (!is_batched(&t, g->outputs[i])) return false;
    }
    return true;
}
