/* recurrent_cell.c -- SimpleRNNCell, LSTMCell, GRUCell and StackedRNNCells: one step as layers of
 * their own, and a plain cell over a whole sequence for the layers that hold one.
 *
 * Weights: kernel [in, G u], recurrent_kernel [u, G u], bias [G u], or [2, 3 u] of a GRU with
 * reset_after: that of the input, then that of the state. Gates i, f, c, o (LSTM), z, r, h (GRU).
 * Source: Keras 3, keras/src/layers/rnn/{simple_rnn,lstm,gru,stacked_rnn_cells}.py; paths of the
 * cells of a stack: keras/src/saving/saving_lib.py (_save_container_state). */
#include "layer/recurrent.h"

#include <inttypes.h>
#include <string.h>

#include "format/keras/naming.h"

static const int64_t gate_counts[] = {[RNN_SIMPLE] = 1, [RNN_LSTM] = 4, [RNN_GRU] = 3};

uint32_t cell_state_count(rnn_kind kind)
{
    return kind == RNN_LSTM ? 2 : 1;
}

/* -- weights ----------------------------------------------------------------------------------- */

#define GATES_MAX 4

/* Masks of dropout stay the same over all steps of a call. mask_count: one for all gates, or one
 * for each, as implementation 1 of Keras has it; masks that are VALUE_NONE drop nothing. */
typedef struct cell {
    const cell_options *c;
    rnn_kind kind;
    value kernel, recurrent, bias;
    value input_masks[GATES_MAX], state_masks[GATES_MAX];
    uint32_t mask_count;
} cell;

static bool cell_make(layer_build *b, rnn_kind kind, const cell_options *c, value x, cell *made)
{
    const int64_t wide = gate_counts[kind] * c->units;
    const bool has_two = kind == RNN_GRU && c->reset_after;

    if (c->units <= 0 || c->units > INT32_MAX) {
        return layer_fail(b, EBB_E_FORMAT, "units: expected a positive number, got %" PRId64,
                          c->units);
    }
    const int64_t features = build_known_dim(b, x, -1, "features");
    if (features < 0) return false;
    const int64_t kernel_dims[] = {features, wide}, recurrent_dims[] = {c->units, wide};
    const int64_t bias_dims[] = {2, wide};

    *made = (cell){.c = c, .kind = kind};
    made->kernel = build_weight(b, "kernel", 2, kernel_dims, NULL);
    made->recurrent = build_weight(b, "recurrent_kernel", 2, recurrent_dims, NULL);
    if (c->use_bias) {
        made->bias = build_weight(b, "bias", has_two ? 2 : 1, bias_dims + (has_two ? 0 : 1), NULL);
    }
    return graph_ok(b->graph);
}

static void masks_draw(layer_build *b, const cell *k, double rate, dim rows, dim length,
                       value *masks)
{
    const shape s = {.rank = 2, .dims = {rows, length}};

    for (uint32_t i = 0; i < k->mask_count; i++) masks[i] = build_dropout_mask(b, rate, &s);
}

/* The simple cell drops everything at a rate of 1, the others nothing. */
static bool rate_counts(const cell *k, double rate)
{
    return rate > 0 && (rate < 1 || k->kind == RNN_SIMPLE);
}

static void cell_drop(layer_build *b, cell *k, value x)
{
    const cell_options *c = k->c;

    if (!b->is_training || !graph_ok(b->graph)) return;
    const bool is_split =
        k->kind != RNN_SIMPLE && (c->recurrent_dropout > 0 || c->implementation == 1);
    const dim rows = graph_dim(b->graph, x, 0), features = graph_dim(b->graph, x, -1);
    k->mask_count = is_split ? (uint32_t)gate_counts[k->kind] : 1;
    if (rate_counts(k, c->dropout)) masks_draw(b, k, c->dropout, rows, features, k->input_masks);
    if (rate_counts(k, c->recurrent_dropout))
        masks_draw(b, k, c->recurrent_dropout, rows, c->units, k->state_masks);
}

/* -- one step in small ops --------------------------------------------------------------------- */

/* Gate `index` of products [n, G u]; of `count` gates together. */
static value gates_of(graph *g, const cell *k, value v, int64_t index, int64_t count)
{
    return op_slice_axis(g, v, -1, index * k->c->units, count * k->c->units, 1);
}

static value bias_row(layer_build *b, const cell *k, int64_t row)
{
    if (k->bias == VALUE_NONE || !graph_ok(b->graph)) return VALUE_NONE;
    if (graph_rank(b->graph, k->bias) == 1) return row == 0 ? k->bias : VALUE_NONE;
    return lowering_squeeze(b, op_slice_axis(b->graph, k->bias, 0, row, 1, 1), 0);
}

static value with_bias(graph *g, value v, value bias)
{
    return bias == VALUE_NONE ? v : op_add(g, v, bias);
}

/* x times a mask [n, d], the same at every step when x has steps. */
static value masked(layer_build *b, value x, value mask)
{
    if (mask == VALUE_NONE || !graph_ok(b->graph)) return x;
    if (graph_rank(b->graph, x) == 3) mask = lowering_expand(b, mask, 1);
    return op_mul(b->graph, x, mask);
}

/* x . kernel, of one step or of all: each gate of its own masked x where there are several masks.
 */
static value masked_products(layer_build *b, const cell *k, value x, value kernel,
                             const value *masks)
{
    value gates[GATES_MAX];

    if (masks[0] == VALUE_NONE || k->mask_count == 1)
        return op_matmul(b->graph, masked(b, x, masks[0]), kernel, false, false);
    for (uint32_t i = 0; i < k->mask_count; i++) {
        gates[i] = op_matmul(b->graph, masked(b, x, masks[i]), gates_of(b->graph, k, kernel, i, 1),
                             false, false);
    }
    return op_concat(b->graph, gates, k->mask_count, -1);
}

/* x . kernel + bias */
static value input_products(layer_build *b, const cell *k, value x)
{
    return with_bias(b->graph, masked_products(b, k, x, k->kernel, k->input_masks),
                     bias_row(b, k, 0));
}

static value state_products(layer_build *b, const cell *k, value state)
{
    return masked_products(b, k, state, k->recurrent, k->state_masks);
}

static value step_simple(layer_build *b, const cell *k, value x, const value *states)
{
    graph *g = b->graph;
    const value inner = state_products(b, k, states[0]);

    return activation_build(g, &k->c->activation, op_add(g, x, inner));
}

static void step_lstm(layer_build *b, const cell *k, value x, value *states)
{
    graph *g = b->graph;
    const activation *gate = &k->c->recurrent_activation, *inner = &k->c->activation;
    const value z = op_add(g, x, state_products(b, k, states[0]));
    const value i = activation_build(g, gate, gates_of(g, k, z, 0, 1));
    const value f = activation_build(g, gate, gates_of(g, k, z, 1, 1));
    const value candidate = activation_build(g, inner, gates_of(g, k, z, 2, 1));
    const value o = activation_build(g, gate, gates_of(g, k, z, 3, 1));

    states[1] = op_add(g, op_mul(g, f, states[1]), op_mul(g, i, candidate));
    states[0] = op_mul(g, o, activation_build(g, inner, states[1]));
}

/* The candidate: with the reset gate on the state's product, or on the state itself. */
static value gru_candidate(graph *g, const cell *k, value x, value inner, value reset, value state)
{
    const value own = gates_of(g, k, x, 2, 1);

    if (k->c->reset_after) return op_add(g, own, op_mul(g, reset, gates_of(g, k, inner, 2, 1)));
    const value kernel = gates_of(g, k, k->recurrent, 2, 1);
    return op_add(g, own, op_matmul(g, op_mul(g, reset, state), kernel, false, false));
}

static value step_gru(layer_build *b, const cell *k, value x, const value *states)
{
    static const unary_attributes rest = {UNARY_AFFINE, -1, 1, 0}; /* 1 - z */
    graph *g = b->graph;
    const activation *gate = &k->c->recurrent_activation;
    value inner = state_products(b, k, states[0]);

    if (k->c->reset_after) inner = with_bias(g, inner, bias_row(b, k, 1));
    const value update_sum = op_add(g, gates_of(g, k, x, 0, 1), gates_of(g, k, inner, 0, 1));
    const value reset_sum = op_add(g, gates_of(g, k, x, 1, 1), gates_of(g, k, inner, 1, 1));
    const value z = activation_build(g, gate, update_sum);
    const value r = activation_build(g, gate, reset_sum);
    const value state = masked(b, states[0], k->state_masks[k->mask_count > 1 ? 2 : 0]);
    const value sum = gru_candidate(g, k, x, inner, r, state);
    const value candidate = activation_build(g, &k->c->activation, sum);

    return op_add(g, op_mul(g, z, states[0]), op_mul(g, op_unary_with(g, rest, z), candidate));
}

/* x: input products. */
static bool cell_step(layer_build *b, const cell *k, value x, value *states)
{
    if (k->kind == RNN_LSTM)
        step_lstm(b, k, x, states);
    else if (k->kind == RNN_GRU)
        states[0] = step_gru(b, k, x, states);
    else
        states[0] = step_simple(b, k, x, states);
    return graph_ok(b->graph);
}

/* -- over a sequence --------------------------------------------------------------------------- */

static bool loop_cell(layer_build *b, const loop_step *self, value x, value *states)
{
    return cell_step(b, self->context, x, states);
}

static bool cell_loop(layer_build *b, const cell *k, sequence *s, uint32_t first)
{
    const shape state = {.rank = 2, .dims = {graph_dim(b->graph, s->x, 0), k->c->units}};
    const loop_step step = {loop_cell, k, &state, cell_state_count(k->kind)};

    s->x = input_products(b, k, s->x);
    return loop_run(b, &step, s, first);
}

/* [n, u] of each gate side by side. */
static value masks_join(layer_build *b, const cell *k)
{
    if (k->state_masks[0] == VALUE_NONE || k->mask_count == 1) return k->state_masks[0];
    return op_concat(b->graph, k->state_masks, k->mask_count, 1);
}

/* Gates that see x each in its own way, as one: x masked for each gate side by side, and a kernel
 * that lets each part meet its own gate alone. */
static void inputs_split(layer_build *b, const cell *k, value *x, value *kernel)
{
    graph *g = b->graph;
    value parts[GATES_MAX], blocks[GATES_MAX];

    for (uint32_t i = 0; i < k->mask_count; i++) {
        pad_attributes others = {.kind = PAD_CONSTANT};
        others.before[1] = i * k->c->units;
        others.after[1] = (k->mask_count - 1 - i) * k->c->units;
        parts[i] = masked(b, *x, k->input_masks[i]);
        blocks[i] = op_pad(g, gates_of(g, k, *kernel, i, 1), &others);
    }
    *x = op_concat(g, parts, k->mask_count, -1);
    *kernel = op_concat(g, blocks, k->mask_count, 0);
}

static bool cell_fuse(layer_build *b, const cell *k, sequence *s, uint32_t first)
{
    const bool has_cell = k->kind == RNN_LSTM;
    const rnn_attributes attributes = {.kind = k->kind,
                                       .units = k->c->units,
                                       .activation = k->c->activation.attributes,
                                       .recurrent_activation =
                                           k->c->recurrent_activation.attributes,
                                       .reset_after = k->kind == RNN_GRU && k->c->reset_after,
                                       .go_backwards = s->go_backwards,
                                       .return_sequences = s->return_sequences,
                                       .zero_output_for_mask = s->zero_output_for_mask};
    value x = s->x, kernel = k->kernel;

    if (k->mask_count > 1 && k->input_masks[0] != VALUE_NONE)
        inputs_split(b, k, &x, &kernel);
    else
        x = masked(b, x, k->input_masks[0]);
    const rnn_operands operands = {.x = x,
                                   .kernel = kernel,
                                   .drop = masks_join(b, k),
                                   .recurrent = k->recurrent,
                                   .bias = k->bias,
                                   .mask = s->mask,
                                   .h0 = s->states[first],
                                   .c0 = has_cell ? s->states[first + 1] : VALUE_NONE};

    s->y = op_rnn(b->graph, &operands, &attributes);
    if (s->y == VALUE_NONE) return false;
    s->states[first] = s->y + 1;
    if (has_cell) s->states[first + 1] = s->y + 2;
    return graph_ok(b->graph);
}

bool cell_run(layer_build *b, rnn_kind kind, const cell_options *c, sequence *s, uint32_t first)
{
    cell k;

    if (!cell_make(b, kind, c, s->x, &k)) return false;
    const shape state = {.rank = 2, .dims = {graph_dim(b->graph, s->x, 0), c->units}};
    for (uint32_t i = 0; i < cell_state_count(kind); i++) sequence_state_take(s, first + i, &state);
    cell_drop(b, &k, s->x);
    if (activation_is_unary(&c->activation) && activation_is_unary(&c->recurrent_activation))
        return cell_fuse(b, &k, s, first);
    return cell_loop(b, &k, s, first);
}

/* -- cells as layers: (x, states) -> (y, states) ----------------------------------------------- */

typedef struct plain_cell {
    cell_options cell; /* alone: cell_kind_of promises it */
} plain_cell;

static const layer_field simple_rnn_cell_fields[] = {CELL_FIELDS(plain_cell), FIELD_END};
static const layer_field lstm_cell_fields[] = {CELL_FIELDS(plain_cell),
                                               CELL_FIELD_GATES(plain_cell),
                                               FIELD_UNUSED("unit_forget_bias"), FIELD_END};
static const layer_field gru_cell_fields[] = {CELL_FIELDS(plain_cell), CELL_FIELD_GATES(plain_cell),
                                              CELL_FIELD_RESET(plain_cell), FIELD_END};

/* States of a call of a cell: the second argument. */
static bool step_states(layer_build *b, const layer_call *call, value *states, uint32_t count)
{
    const call_argument *given = call_find(call, 1, "states");
    const uint32_t found = recurrent_tensors(given, states, count);

    if (found != count) {
        return layer_fail(b, EBB_E_UNSUPPORTED,
                          "expected %" PRIu32 " states beside the input, got %" PRIu32, count,
                          found);
    }
    for (uint32_t i = 0; i < count; i++) states[i] = build_f32(b, states[i]);
    return graph_ok(b->graph);
}

static bool step_outputs(layer_build *b, layer_call *call, value y, const value *states,
                         uint32_t count)
{
    if (count + 1 > LAYER_OUTPUTS_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "more than %d outputs", LAYER_OUTPUTS_MAX);
    }
    call->outputs[0].v = y;
    for (uint32_t i = 0; i < count; i++) call->outputs[i + 1].v = states[i];
    call->output_count = count + 1;
    return graph_ok(b->graph);
}

static bool cell_build(layer_build *b, rnn_kind kind, const cell_options *c, layer_call *call)
{
    const value x = lowering_input_f32(b, call, 2, 2);
    const uint32_t count = cell_state_count(kind);
    value states[2];
    cell k;

    if (x == VALUE_NONE || !step_states(b, call, states, count)) return false;
    if (!cell_make(b, kind, c, x, &k)) return false;
    cell_drop(b, &k, x);
    return cell_step(b, &k, input_products(b, &k, x), states) &&
           step_outputs(b, call, states[0], states, count);
}

static bool simple_rnn_cell_build(layer_build *b, const void *config, layer_call *call)
{
    return cell_build(b, RNN_SIMPLE, config, call);
}

static bool lstm_cell_build(layer_build *b, const void *config, layer_call *call)
{
    return cell_build(b, RNN_LSTM, config, call);
}

static bool gru_cell_build(layer_build *b, const void *config, layer_call *call)
{
    return cell_build(b, RNN_GRU, config, call);
}

bool cell_kind_of(const layer_instance *i, rnn_kind *kind)
{
    if (i->def == NULL) return false;
    *kind = i->def->build == lstm_cell_build  ? RNN_LSTM
            : i->def->build == gru_cell_build ? RNN_GRU
                                              : RNN_SIMPLE;
    return *kind != RNN_SIMPLE || i->def->build == simple_rnn_cell_build;
}

const layer_def layer_def_simple_rnn_cell = {
    "SimpleRNNCell", "recurrent",          NULL, sizeof(plain_cell), simple_rnn_cell_fields,
    MASK_DROPS,      simple_rnn_cell_build};
const layer_def layer_def_lstm_cell = {"LSTMCell",         "recurrent",      NULL,
                                       sizeof(plain_cell), lstm_cell_fields, MASK_DROPS,
                                       lstm_cell_build};
const layer_def layer_def_gru_cell = {
    "GRUCell", "recurrent", NULL, sizeof(plain_cell), gru_cell_fields, MASK_DROPS, gru_cell_build};

/* -- StackedRNNCells --------------------------------------------------------------------------- */

typedef struct stacked_rnn_cells {
    const json *cells;
} stacked_rnn_cells;

static const layer_field stacked_rnn_cells_fields[] = {
    {"cells", FIELD_JSON, offsetof(stacked_rnn_cells, cells), true, 0, NULL},
    FIELD_END,
};

/* "cells/lstm_cell", "cells/lstm_cell_1": counted per class. */
static const char *stack_name(layer_build *b, const json *cells, uint32_t index)
{
    const char *class_name = json_text(json_get(json_item(cells, index), "class_name"), "");
    char snake[128];
    uint32_t before = 0;

    for (uint32_t i = 0; i < index; i++)
        before += json_is_text(json_get(json_item(cells, i), "class_name"), class_name);
    keras_snake_case(class_name, snake, sizeof snake);
    return before == 0 ? region_format(b->home, "cells/%s", snake)
                       : region_format(b->home, "cells/%s_%" PRIu32, snake, before);
}

bool stack_children(layer_build *b, const json *cells, layer_instance ***children, uint32_t *count)
{
    if (cells == NULL || cells->kind != JSON_ARRAY || cells->count == 0 ||
        cells->count > SEQUENCE_STATES_MAX) {
        return layer_fail(b, EBB_E_FORMAT, "cells: expected a list of 1 to %d cells",
                          SEQUENCE_STATES_MAX);
    }
    *count = cells->count;
    *children = region_new(b->home, layer_instance *, cells->count);
    if (*children == NULL) return layer_fail(b, EBB_E_MEMORY, "no memory for the cells");
    for (uint32_t i = 0; i < cells->count; i++) {
        const char *name = stack_name(b, cells, i);
        if (name == NULL) return layer_fail(b, EBB_E_MEMORY, "no memory for the cells");
        (*children)[i] = build_child(b, name, json_item(cells, i));
        if ((*children)[i] == NULL) return false;
    }
    return true;
}

/* States of a cell, or of a stack: counted by its cells. Recursion: LAYER_DEPTH_MAX, as the
 * instances were made. */
static uint32_t states_of(layer_build *b, const json *cell, uint32_t depth)
{
    const json *cells = json_path(cell, "config.cells");
    uint32_t count = 0;

    if (cells == NULL || cells->kind != JSON_ARRAY || depth > LAYER_DEPTH_MAX)
        return json_is_text(json_get(cell, "class_name"), "LSTMCell") ? 2 : 1;
    for (uint32_t i = 0; i < cells->count; i++)
        count += states_of(b, json_item(cells, i), depth + 1);
    return count;
}

/* Calls one cell of the stack on the output of the one before. */
static bool stack_step(layer_build *b, layer_instance *cell, layer_tensor *x, value *states,
                       uint32_t count)
{
    call_argument items[SEQUENCE_STATES_MAX] = {{0}};
    const call_argument arguments[] = {{.kind = CALL_TENSOR, .tensor = *x},
                                       {.kind = CALL_LIST, .items = items, .item_count = count}};
    layer_call call = {.inputs = x, .input_count = 1, .arguments = arguments, .argument_count = 2};

    for (uint32_t i = 0; i < count; i++) {
        items[i].kind = CALL_TENSOR;
        items[i].tensor = (layer_tensor){.v = states[i], .dtype = EBB_F32, .declared = EBB_F32};
    }
    if (!build_child_call(b, cell, &call)) return false;
    if (call.output_count != count + 1)
        return layer_fail(b, EBB_E_UNSUPPORTED, "%s is no cell", cell->class_name);
    *x = call.outputs[0];
    for (uint32_t i = 0; i < count; i++) states[i] = call.outputs[i + 1].v;
    return true;
}

static bool stacked_rnn_cells_build(layer_build *b, const void *config, layer_call *call)
{
    const stacked_rnn_cells *c = config;
    layer_instance **children = NULL;
    value states[SEQUENCE_STATES_MAX];
    uint32_t count = 0, total = 0, at = 0;

    if (lowering_input(b, call, 2, EBB_RANK_MAX) == VALUE_NONE) return false;
    if (!stack_children(b, c->cells, &children, &count)) return false;
    for (uint32_t i = 0; i < count; i++) total += states_of(b, json_item(c->cells, i), 0);
    if (total > SEQUENCE_STATES_MAX)
        return layer_fail(b, EBB_E_UNSUPPORTED, "more than %d states", SEQUENCE_STATES_MAX);
    if (!step_states(b, call, states, total)) return false;
    layer_tensor x = call->inputs[0];
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t own = states_of(b, json_item(c->cells, i), 0);
        if (!stack_step(b, children[i], &x, states + at, own)) return false;
        at += own;
    }
    return step_outputs(b, call, x.v, states, total);
}

bool stack_is(const layer_instance *i)
{
    return i->def != NULL && i->def->build == stacked_rnn_cells_build;
}

const json *stack_cells(const layer_instance *i)
{
    return ((const stacked_rnn_cells *)i->config)->cells;
}

const layer_def layer_def_stacked_rnn_cells = {"StackedRNNCells",
                                               "recurrent",
                                               NULL,
                                               sizeof(stacked_rnn_cells),
                                               stacked_rnn_cells_fields,
                                               MASK_DROPS,
                                               stacked_rnn_cells_build};
