/* recurrent_traced.c -- a cell that is a model: (x, states ...) -> (y, states ...), one step of it.
 * Cells written in Python come as what their `call` was traced to.
 *
 * The model is called once for every step of a known length: each step adds its own nodes, and is
 * trained like any others. Masked steps keep the states; their output is the one before (zeros at
 * first), or zeros.
 * Source: rnn() of keras/src/backend/tensorflow/rnn.py; RNN of keras/src/layers/rnn/rnn.py. */
#include "layer/recurrent.h"

#include <inttypes.h>
#include <string.h>

#include "layer/assembly.h"

#define STEPS_MAX 4096

typedef struct traced_loop {
    layer_build *b;
    layer_instance *cell;
    const sequence *s;
    uint32_t state_count;
    value states[SEQUENCE_STATES_MAX];
    value output;   /* of the step before; VALUE_NONE at first */
    value *outputs; /* [n, 1, ...] each; only with return_sequences */
} traced_loop;

uint32_t traced_cell_states(const layer_instance *i)
{
    const model_config *m = i->model != NULL ? i->model->config : NULL;
    const bool is_cell = m != NULL && m->input_count >= 1 && m->input_count == m->output_count;

    return is_cell ? m->input_count - 1 : 0;
}

/* [n, ...] as the cell's input number `index` is declared. */
static bool state_shape(layer_build *b, const layer_instance *cell, uint32_t index, shape *s)
{
    const model_config *m = cell->model->config;
    const json *dims = json_get(m->layers[m->inputs[index].ref.layer].config, "batch_shape");

    if (dims == NULL || dims->kind != JSON_ARRAY || dims->count == 0 || dims->count > EBB_RANK_MAX)
        return layer_fail(b, EBB_E_FORMAT, "the cell does not tell the shape of its states");
    s->rank = dims->count;
    for (uint32_t i = 1; i < s->rank; i++) {
        s->dims[i] = json_integer(json_item(dims, i), -1);
        if (s->dims[i] >= 0) continue;
        return layer_fail(b, EBB_E_SHAPE,
                          "state %" PRIu32 " of the cell has a length that is not "
                          "known: state_size must be made of numbers",
                          index - 1);
    }
    return true;
}

static bool states_begin(traced_loop *p, sequence *s, uint32_t first)
{
    layer_build *b = p->b;

    for (uint32_t i = 0; i < p->state_count; i++) {
        shape state = {.rank = 0};
        if (!state_shape(b, p->cell, i + 1, &state)) return false;
        state.dims[0] = graph_dim(b->graph, s->x, 0);
        sequence_state_take(s, first + i, &state);
        p->states[i] = s->states[first + i] != VALUE_NONE
                           ? s->states[first + i]
                           : lowering_filled(b, EBB_F32, false, &state);
    }
    return graph_ok(b->graph);
}

/* Step `time` of a sequence: without its axis. */
static value step_of(layer_build *b, value v, int64_t time)
{
    return lowering_squeeze(b, op_slice_axis(b->graph, v, 1, time, 1, 1), 1);
}

/* `next` where the mask [n, 1] of the step is on, else `before`. */
static value kept(layer_build *b, value mask, value next, value before)
{
    dim dims[EBB_RANK_MAX] = {0};

    if (mask == VALUE_NONE || !graph_ok(b->graph)) return next;
    const uint32_t rank = graph_rank(b->graph, next);
    dims[0] = graph_dim(b->graph, mask, 0);
    for (uint32_t i = 1; i < rank; i++) dims[i] = 1;
    return op_select(b->graph, lowering_reshape(b, mask, rank, dims), next, before);
}

static bool cell_call(traced_loop *p, value x, layer_call *call)
{
    layer_tensor inputs[SEQUENCE_STATES_MAX + 1];
    call_argument items[SEQUENCE_STATES_MAX + 1];
    const uint32_t count = p->state_count + 1;

    memset(inputs, 0, sizeof inputs);
    memset(items, 0, sizeof items);
    for (uint32_t i = 0; i < count; i++) {
        inputs[i] = (layer_tensor){
            .v = i == 0 ? x : p->states[i - 1], .dtype = EBB_F32, .declared = EBB_F32};
        items[i] = (call_argument){.kind = CALL_TENSOR, .tensor = inputs[i]};
    }
    const call_argument list = {.kind = CALL_LIST, .items = items, .item_count = count};
    *call = (layer_call){.inputs = inputs,
                         .input_count = count,
                         .arguments = &list,
                         .argument_count = 1,
                         .is_bare = true};
    const bool good = graph_ok(p->b->graph) && build_child_call(p->b, p->cell, call);
    call->inputs = NULL; /* they were this function's; the outputs stay */
    call->arguments = NULL;
    return good;
}

static bool step_run(traced_loop *p, int64_t time, uint32_t number)
{
    layer_build *b = p->b;
    const sequence *s = p->s;
    layer_call call;
    value mask = VALUE_NONE;

    if (!cell_call(p, step_of(b, s->x, time), &call)) return false;
    if (s->mask != VALUE_NONE) mask = op_slice_axis(b->graph, s->mask, 1, time, 1, 1);
    const value y = build_f32(b, call.outputs[0].v);
    if (!graph_ok(b->graph)) return false;
    if (p->output == VALUE_NONE || s->zero_output_for_mask)
        p->output =
            mask == VALUE_NONE ? y : lowering_filled(b, EBB_F32, false, graph_shape(b->graph, y));
    p->output = kept(b, mask, y, p->output);
    for (uint32_t i = 0; i < p->state_count; i++)
        p->states[i] = kept(b, mask, build_f32(b, call.outputs[i + 1].v), p->states[i]);
    if (p->outputs != NULL) p->outputs[number] = lowering_expand(b, p->output, 1);
    return graph_ok(b->graph);
}

bool traced_cell_run(layer_build *b, layer_instance *cell, sequence *s, uint32_t first)
{
    traced_loop p = {.b = b, .cell = cell, .s = s, .state_count = traced_cell_states(cell)};
    const int64_t steps =
        build_known_dim(b, s->x, 1, "steps, over which a cell written in Python is spelled out,");

    if (steps < 0) return false;
    if (steps == 0 || steps > STEPS_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED,
                          "%" PRId64 " steps; a cell written in Python runs over 1 to %d of them",
                          steps, STEPS_MAX);
    }
    if (s->return_sequences) {
        p.outputs = region_new(b->home, value, (size_t)steps);
        if (p.outputs == NULL) return layer_fail(b, EBB_E_MEMORY, "no memory for the steps");
    }
    if (!states_begin(&p, s, first)) return false;
    for (int64_t i = 0; i < steps; i++) {
        const int64_t time = s->go_backwards ? steps - 1 - i : i;
        if (!step_run(&p, time, (uint32_t)i)) return false;
    }
    for (uint32_t i = 0; i < p.state_count; i++) s->states[first + i] = p.states[i];
    s->y = s->return_sequences ? op_concat(b->graph, p.outputs, (uint32_t)steps, 1) : p.output;
    return graph_ok(b->graph);
}
