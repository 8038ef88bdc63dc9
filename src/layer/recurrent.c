/* recurrent.c -- SimpleRNN, LSTM, GRU and RNN with any of Keras's cells.
 *
 * A stack of cells runs as one sequence after another: a cell sees of the one below only its
 * output of the same step, so the whole sequence can be made first. Masked steps stay masked all
 * the way up, and what a cell puts out there is never used.
 * stateful: where weights are variables, so are the states: a batch begins where the one before
 * ended. A prediction starts from zeros, as Keras does after reset_states(), unless the model is
 * asked to keep states (ebb_load_options.keeps_states); files do not keep them.
 * Source: Keras 3, keras/src/layers/rnn/{rnn,simple_rnn,lstm,gru}.py; time_major: tf_keras. */
#include "layer/recurrent.h"

#include <inttypes.h>
#include <string.h>

#include "layer/assembly.h"

/* -- a call ------------------------------------------------------------------------------------ */

uint32_t recurrent_tensors(const call_argument *a, value *values, uint32_t most)
{
    uint32_t count = 0;

    if (a->kind == CALL_TENSOR) {
        if (most > 0) values[0] = a->tensor.v;
        return 1;
    }
    for (uint32_t i = 0; a->kind == CALL_LIST && i < a->item_count; i++) {
        const uint32_t used = count < most ? count : most;
        count += recurrent_tensors(&a->items[i], most > 0 ? values + used : NULL, most - used);
    }
    return count;
}

value recurrent_mask(const layer_build *b, const layer_call *call)
{
    const call_argument *states = call_find(call, 1, "initial_state");
    const bool is_given = call_find(call, 2, "mask")->kind == CALL_TENSOR;

    if (!is_given && b->keras_major >= 3 && recurrent_tensors(states, NULL, 0) > 0)
        return VALUE_NONE;
    return lowering_mask(call, 2);
}

/* The first two axes the other way round. */
static value swap_time(layer_build *b, value v)
{
    return v == VALUE_NONE ? v : lowering_move_axis(b, v, 1, 0);
}

/* [n, t], also given as [n, t, 1]. */
static bool mask_read(layer_build *b, const rnn_options *o, const layer_call *call, sequence *s)
{
    value mask = recurrent_mask(b, call);

    if (mask == VALUE_NONE) return true;
    const uint32_t rank = graph_rank(b->graph, mask);
    if (rank == 3 && graph_dim(b->graph, mask, 2) == 1) mask = lowering_squeeze(b, mask, 2);
    if (graph_ok(b->graph) && graph_rank(b->graph, mask) != 2) {
        return layer_fail(b, EBB_E_SHAPE,
                          "expected a mask of rank 2 (batch, time), got one of rank %" PRIu32,
                          rank);
    }
    mask = op_cast(b->graph, mask, EBB_BOOL);
    s->mask = o->time_major ? swap_time(b, mask) : mask;
    return graph_ok(b->graph);
}

/* Initial states: the argument of that name, or what follows the sequence in its list. */
static bool states_read(layer_build *b, const layer_call *call, sequence *s)
{
    const call_argument *given = call_find(call, 1, "initial_state");
    uint32_t found = recurrent_tensors(given, s->states, SEQUENCE_STATES_MAX);

    for (uint32_t i = 1; found == 0 && i < call->input_count && i <= SEQUENCE_STATES_MAX; i++)
        s->states[i - 1] = call->inputs[i].v;
    if (found == 0) found = call->input_count - 1;
    if (found != 0 && found != s->state_count) {
        return layer_fail(b, EBB_E_SHAPE, "expected %" PRIu32 " initial states, got %" PRIu32,
                          s->state_count, found);
    }
    for (uint32_t i = 0; i < found; i++) s->states[i] = build_f32(b, s->states[i]);
    return graph_ok(b->graph);
}

bool sequence_begin(layer_build *b, const rnn_options *o, const layer_call *call, uint32_t rank,
                    uint32_t state_count, sequence *s)
{
    memset(s, 0, sizeof *s);
    if (!graph_ok(b->graph)) return false;
    if (call->input_count == 0)
        return layer_fail(b, EBB_E_FORMAT, "expected an input sequence, got none");
    layer_call first = *call;
    first.input_count = 1;
    s->x = lowering_input_f32(b, &first, rank, rank);
    if (s->x == VALUE_NONE) return false;
    if (o->time_major) s->x = swap_time(b, s->x);
    s->state_count = state_count;
    s->go_backwards = o->go_backwards;
    s->return_sequences = o->return_sequences;
    s->zero_output_for_mask = o->zero_output_for_mask;
    s->owner = *b;
    s->is_kept = o->stateful && assembly_keeps_states(b->assembly);
    return mask_read(b, o, call, s) && states_read(b, call, s);
}

void sequence_state_take(sequence *s, uint32_t index, const shape *state)
{
    if (!s->is_kept) return;
    const value kept = build_state(&s->owner, index, state);
    if (s->states[index] == VALUE_NONE) s->states[index] = kept;
}

static void sequence_states_keep(sequence *s)
{
    for (uint32_t i = 0; s->is_kept && i < s->state_count; i++)
        build_state_update(&s->owner, i, s->states[i]);
}

bool sequence_end(layer_build *b, const rnn_options *o, layer_call *call, sequence *s)
{
    const uint32_t count = o->return_state ? s->state_count : 0;
    const bool swaps = o->time_major && o->return_sequences;

    sequence_states_keep(s);
    if (!graph_ok(b->graph)) return false;
    if (count + 1 > LAYER_OUTPUTS_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "%" PRIu32 " states to return, at most %d", count,
                          LAYER_OUTPUTS_MAX - 1);
    }
    call->outputs[0].v = swaps ? swap_time(b, s->y) : s->y;
    call->outputs[0].mask = o->return_sequences ? lowering_mask(call, 2) : VALUE_NONE;
    for (uint32_t i = 0; i < count; i++) call->outputs[i + 1].v = s->states[i];
    call->output_count = count + 1;
    return graph_ok(b->graph);
}

/* -- SimpleRNN, LSTM, GRU ---------------------------------------------------------------------- */

typedef struct recurrent {
    rnn_options rnn;
    cell_options cell;
} recurrent;

static const layer_field simple_rnn_fields[] = {RNN_FIELDS(recurrent), CELL_FIELDS(recurrent),
                                                FIELD_END};
static const layer_field lstm_fields[] = {RNN_FIELDS(recurrent), CELL_FIELDS(recurrent),
                                          CELL_FIELD_GATES(recurrent),
                                          FIELD_UNUSED("unit_forget_bias"), FIELD_END};
static const layer_field gru_fields[] = {RNN_FIELDS(recurrent), CELL_FIELDS(recurrent),
                                         CELL_FIELD_GATES(recurrent), CELL_FIELD_RESET(recurrent),
                                         FIELD_END};

/* The weights belong to an object of their own, as in Keras. */
static bool recurrent_build(layer_build *b, rnn_kind kind, const recurrent *c, layer_call *call)
{
    sequence s;

    if (!sequence_begin(b, &c->rnn, call, 3, cell_state_count(kind), &s)) return false;
    build_scope_push(b, "cell");
    const bool good = cell_run(b, kind, &c->cell, &s, 0);
    build_scope_pop(b);
    return good && sequence_end(b, &c->rnn, call, &s);
}

static bool simple_rnn_build(layer_build *b, const void *config, layer_call *call)
{
    return recurrent_build(b, RNN_SIMPLE, config, call);
}

static bool lstm_build(layer_build *b, const void *config, layer_call *call)
{
    return recurrent_build(b, RNN_LSTM, config, call);
}

static bool gru_build(layer_build *b, const void *config, layer_call *call)
{
    return recurrent_build(b, RNN_GRU, config, call);
}

const layer_def layer_def_simple_rnn = {"SimpleRNN",       "recurrent",       NULL,
                                        sizeof(recurrent), simple_rnn_fields, MASK_OWN,
                                        simple_rnn_build};
const layer_def layer_def_lstm = {"LSTM",      "recurrent", "CuDNNLSTM", sizeof(recurrent),
                                  lstm_fields, MASK_OWN,    lstm_build};
const layer_def layer_def_gru = {"GRU",      "recurrent", "CuDNNGRU", sizeof(recurrent),
                                 gru_fields, MASK_OWN,    gru_build};

/* -- RNN: a cell, or a stack of them ----------------------------------------------------------- */

typedef struct rnn {
    rnn_options rnn;
    const json *cell;
} rnn;

static const layer_field rnn_fields[] = {
    RNN_FIELDS(rnn),
    {"cell", FIELD_JSON, offsetof(rnn, cell), true, 0, NULL},
    FIELD_END,
};

/* Every plain cell of a cell, in order. */
typedef struct chain {
    layer_instance *cells[SEQUENCE_STATES_MAX];
    rnn_kind kinds[SEQUENCE_STATES_MAX]; /* where the cell is no model */
    uint32_t count, state_count;
} chain;

/* What `b` is for the build of a child. */
static layer_build build_within(const layer_build *b, layer_instance *child)
{
    layer_build inner = *b;

    inner.instance = child;
    inner.scope = "";
    inner.depth = b->depth + 1;
    return inner;
}

static bool chain_append(layer_build *b, layer_instance *cell, rnn_kind kind, uint32_t states,
                         chain *all)
{
    if (all->state_count + states > SEQUENCE_STATES_MAX)
        return layer_fail(b, EBB_E_UNSUPPORTED, "more than %d states", SEQUENCE_STATES_MAX);
    all->cells[all->count] = cell;
    all->kinds[all->count++] = kind;
    all->state_count += states;
    return true;
}

/* Recursion: stacks within stacks, LAYER_DEPTH_MAX as build_child() checks. */
static bool chain_add(layer_build *b, layer_instance *cell, chain *all)
{
    layer_build inner = build_within(b, cell);
    layer_instance **children = NULL;
    uint32_t count = 0;
    rnn_kind kind;

    if (traced_cell_states(cell) > 0)
        return chain_append(b, cell, RNN_SIMPLE, traced_cell_states(cell), all);
    if (cell_kind_of(cell, &kind)) {
        if (b->assembly->options->penalty != NULL &&
            !json_is_null(json_get(cell->source->config, "activity_regularizer"))) {
            return layer_fail(b, EBB_E_UNSUPPORTED,
                              "activity_regularizer of a cell: give it to the RNN around it");
        }
        return chain_append(b, cell, kind, cell_state_count(kind), all);
    }
    if (!stack_is(cell)) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "expected a recurrent cell, found a layer of %s",
                          cell->class_name);
    }
    if (!stack_children(&inner, stack_cells(cell), &children, &count)) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!chain_add(&inner, children[i], all)) return false;
    }
    return true;
}

static bool chain_run(layer_build *b, const chain *all, sequence *s)
{
    const bool return_sequences = s->return_sequences, zeroes = s->zero_output_for_mask;
    uint32_t first = 0;

    if (all->count > 1 && s->go_backwards) { /* the ones above read what is reversed already */
        s->x = op_reverse(b->graph, s->x, 1);
        if (s->mask != VALUE_NONE) s->mask = op_reverse(b->graph, s->mask, 1);
        s->go_backwards = false;
    }
    for (uint32_t i = 0; i < all->count; i++) {
        const bool is_last = i + 1 == all->count;
        layer_build inner = build_within(b, all->cells[i]);
        const uint32_t traced = traced_cell_states(all->cells[i]);

        s->return_sequences = !is_last || return_sequences;
        s->zero_output_for_mask = is_last && zeroes;
        if (traced > 0 ? !traced_cell_run(b, all->cells[i], s, first)
                       : !cell_run(&inner, all->kinds[i], all->cells[i]->config, s, first))
            return false;
        first += traced > 0 ? traced : cell_state_count(all->kinds[i]);
        s->x = s->y;
    }
    return true;
}

static bool rnn_build(layer_build *b, const void *config, layer_call *call)
{
    const rnn *c = config;
    layer_instance *cell = build_child(b, "cell", c->cell);
    chain all = {.count = 0};
    sequence s;

    if (cell == NULL || !chain_add(b, cell, &all)) return false;
    const bool is_traced = traced_cell_states(all.cells[0]) > 0 && call->input_count > 0;
    const uint32_t rank = is_traced ? graph_rank(b->graph, call->inputs[0].v) : 3;
    return sequence_begin(b, &c->rnn, call, rank < 2 ? 3 : rank, all.state_count, &s) &&
           chain_run(b, &all, &s) && sequence_end(b, &c->rnn, call, &s);
}

const layer_def layer_def_rnn = {"RNN",      "recurrent", NULL,     sizeof(rnn),
                                 rnn_fields, MASK_OWN,    rnn_build};

/* -- for wrappers ------------------------------------------------------------------------------ */

extern const layer_def layer_def_conv_lstm1d, layer_def_conv_lstm2d, layer_def_conv_lstm3d;

rnn_options *recurrent_options(const layer_instance *i)
{
    static const layer_def *const defs[] = {
        &layer_def_simple_rnn,  &layer_def_lstm,        &layer_def_gru,         &layer_def_rnn,
        &layer_def_conv_lstm1d, &layer_def_conv_lstm2d, &layer_def_conv_lstm3d,
    };

    for (size_t k = 0; k < sizeof defs / sizeof defs[0]; k++) {
        if (i->def == defs[k]) return i->config;
    }
    return NULL;
}
