/* recurrent_convolution.c -- ConvLSTM1D, ConvLSTM2D, ConvLSTM3D: an LSTM whose products are
 * convolutions.
 *
 * The convolution of the input is made for all steps at once; that of the state, of stride 1 and
 * with its own lengths kept, step by step: spelled out where the number of steps is known (the
 * steps then use the device's best convolutions), one op where it is not. Weights: kernel
 * [spatial..., in, 4 f], recurrent_kernel [spatial..., f, 4 f], bias [4 f]; gates i, f, c, o.
 * channels_first inputs, states and outputs are transposed around. Source: Keras 3,
 * keras/src/layers/rnn/conv_lstm.py. */
#include "layer/recurrent.h"

#include <inttypes.h>

typedef struct conv_lstm {
    rnn_options rnn;
    int64_t filters;
    int_list kernel_size, strides, dilation_rate;
    uint32_t padding, data_format;
    bool use_bias;
    activation activation, recurrent_activation;
    double dropout, recurrent_dropout;
} conv_lstm;

enum { PADDING_VALID, PADDING_SAME };

static const layer_field conv_lstm_fields[] = {
    RNN_FIELDS(conv_lstm),
    {"filters", FIELD_I64, offsetof(conv_lstm, filters), true, 0, NULL},
    {"kernel_size", FIELD_INTS, offsetof(conv_lstm, kernel_size), true, 0, NULL},
    {"strides", FIELD_INTS, offsetof(conv_lstm, strides), false, 0, NULL},
    {"padding", FIELD_CHOICE, offsetof(conv_lstm, padding), false, 0, "valid|same"},
    FIELD_DATA_FORMAT(conv_lstm),
    {"dilation_rate", FIELD_INTS, offsetof(conv_lstm, dilation_rate), false, 0, NULL},
    {"activation", FIELD_ACTIVATION, offsetof(conv_lstm, activation), false, 0, "tanh"},
    {"recurrent_activation", FIELD_ACTIVATION, offsetof(conv_lstm, recurrent_activation), false, 0,
     "sigmoid"},
    {"use_bias", FIELD_BOOL, offsetof(conv_lstm, use_bias), false, 1, NULL},
    FIELD_INITIALIZER(kernel_initializer),
    FIELD_INITIALIZER(recurrent_initializer),
    FIELD_INITIALIZER(bias_initializer),
    FIELD_UNUSED("unit_forget_bias"),
    {"dropout", FIELD_F64, offsetof(conv_lstm, dropout), false, 0, NULL},
    {"recurrent_dropout", FIELD_F64, offsetof(conv_lstm, recurrent_dropout), false, 0, NULL},
    FIELD_END,
};

#define GATES 4

/* One call of the layer. */
typedef struct conv_cell {
    const conv_lstm *c;
    uint32_t spatial;
    int64_t channels, kernel_size[SPATIAL_MAX];
    conv_attributes input, inner; /* of the input's convolution, of the state's */
    value kernel, recurrent, bias;
    value input_masks[GATES], state_masks[GATES]; /* of dropout; VALUE_NONE: nothing drops */
} conv_cell;

static bool cell_window(layer_build *b, conv_cell *k)
{
    const conv_lstm *c = k->c;
    const uint32_t spatial = k->spatial;

    k->input =
        (conv_attributes){.spatial = spatial, .same = c->padding == PADDING_SAME, .groups = 1};
    k->inner = (conv_attributes){.spatial = spatial, .same = true, .groups = 1};
    for (uint32_t i = 0; i < spatial; i++) k->inner.strides[i] = k->inner.dilations[i] = 1;
    return lowering_ints(b, &c->kernel_size, spatial, 1, 1, "kernel_size", k->kernel_size) &&
           lowering_ints(b, &c->strides, spatial, 1, 1, "strides", k->input.strides) &&
           lowering_ints(b, &c->dilation_rate, spatial, 1, 1, "dilation_rate", k->input.dilations);
}

static value cell_kernel(layer_build *b, const conv_cell *k, const char *name, int64_t rows)
{
    int64_t dims[SPATIAL_MAX + 2];

    for (uint32_t i = 0; i < k->spatial; i++) dims[i] = k->kernel_size[i];
    dims[k->spatial] = rows;
    dims[k->spatial + 1] = 4 * k->c->filters;
    return build_weight(b, name, k->spatial + 2, dims, NULL);
}

static bool cell_weights(layer_build *b, conv_cell *k)
{
    const conv_lstm *c = k->c;
    const int64_t wide = 4 * c->filters;

    build_scope_push(b, "cell");
    k->kernel = cell_kernel(b, k, "kernel", k->channels);
    k->recurrent = cell_kernel(b, k, "recurrent_kernel", c->filters);
    if (c->use_bias) k->bias = build_weight(b, "bias", 1, &wide, NULL);
    build_scope_pop(b);
    return graph_ok(b->graph);
}

/* Masks are the same at every step, and others for each gate. */
static void masks_draw(layer_build *b, double rate, const shape *s, value *masks)
{
    if (!b->is_training || rate <= 0 || rate >= 1) return;
    for (uint32_t i = 0; i < GATES; i++) masks[i] = build_dropout_mask(b, rate, s);
}

static shape step_shape(const graph *g, value sequence_value)
{
    const shape *s = graph_shape(g, sequence_value);
    shape step = {.rank = s->rank - 1, .dims = {s->dims[0]}};

    for (uint32_t i = 2; i < s->rank; i++) step.dims[i - 1] = s->dims[i];
    return step;
}

/* conv(x, kernel), each gate of its own masked x where there are masks. */
static value masked_conv(layer_build *b, const conv_cell *k, value x, value kernel,
                         const value *masks, const conv_attributes *window)
{
    graph *g = b->graph;
    value gates[GATES];

    if (masks[0] == VALUE_NONE) return op_conv(g, x, kernel, window);
    for (uint32_t i = 0; i < GATES; i++) {
        const value own = op_slice_axis(g, kernel, -1, i * k->c->filters, k->c->filters, 1);
        gates[i] = op_conv(g, op_mul(g, x, masks[i]), own, window);
    }
    return op_concat(g, gates, GATES, -1);
}

/* A mask of a step over all steps: [n, ...] -> [n t, ...], as the steps are rows. */
static value mask_repeat(layer_build *b, value mask, const shape *sequence_shape, uint32_t rank,
                         const dim *rows)
{
    if (mask == VALUE_NONE) return VALUE_NONE;
    const value all = op_broadcast(b->graph, lowering_expand(b, mask, 1), sequence_shape);
    return lowering_reshape(b, all, rank, rows);
}

/* [n, t, spatial..., c] -> [n, t, spatial'..., 4 f]. */
static value input_gates(layer_build *b, conv_cell *k, value x)
{
    graph *g = b->graph;
    dim dims[EBB_RANK_MAX];

    if (!graph_ok(g)) return VALUE_NONE;
    const shape s = *graph_shape(g, x), step = step_shape(g, x);
    dims[0] = dim_make(g, DIM_MUL, s.dims[0], s.dims[1]);
    for (uint32_t i = 2; i < s.rank; i++) dims[i - 1] = s.dims[i];
    masks_draw(b, k->c->dropout, &step, k->input_masks);
    for (uint32_t i = 0; i < GATES; i++)
        k->input_masks[i] = mask_repeat(b, k->input_masks[i], &s, s.rank - 1, dims);
    value y = masked_conv(b, k, lowering_reshape(b, x, s.rank - 1, dims), k->kernel, k->input_masks,
                          &k->input);
    if (k->bias != VALUE_NONE) y = op_add(g, y, k->bias);
    if (!graph_ok(g)) return VALUE_NONE;
    dims[0] = s.dims[0];
    dims[1] = s.dims[1];
    for (uint32_t i = 2; i < s.rank; i++) dims[i] = graph_dim(g, y, (int)i - 1);
    return lowering_reshape(b, y, s.rank, dims);
}

static value gate(graph *g, const conv_cell *k, const activation *a, value z, int64_t index)
{
    const int64_t filters = k->c->filters;

    return activation_build(g, a, op_slice_axis(g, z, -1, index * filters, filters, 1));
}

static bool conv_step(layer_build *b, const loop_step *self, value x, value *states)
{
    const conv_cell *k = self->context;
    const activation *outer = &k->c->recurrent_activation, *inner = &k->c->activation;
    graph *g = b->graph;
    const value z =
        op_add(g, x, masked_conv(b, k, states[0], k->recurrent, k->state_masks, &k->inner));
    const value i = gate(g, k, outer, z, 0), f = gate(g, k, outer, z, 1);
    const value candidate = gate(g, k, inner, z, 2), o = gate(g, k, outer, z, 3);

    states[1] = op_add(g, op_mul(g, f, states[1]), op_mul(g, i, candidate));
    states[0] = op_mul(g, o, activation_build(g, inner, states[1]));
    return graph_ok(g);
}

/* Initial states come, and outputs go, in the order of the data format. */
static void states_turn(layer_build *b, const conv_cell *k, sequence *s, bool is_before)
{
    if (k->c->data_format != CHANNELS_FIRST) return;
    for (uint32_t i = 0; i < 2; i++) {
        if (s->states[i] == VALUE_NONE) continue;
        s->states[i] = is_before ? build_channels_last(b, s->states[i])
                                 : build_channels_first(b, s->states[i]);
    }
    if (is_before) return;
    const uint32_t axis = s->return_sequences ? 2 : 1;
    s->y = lowering_move_axis(b, s->y, axis + k->spatial, axis);
}

static bool steps_loop(layer_build *b, const conv_cell *k, sequence *s, const shape *state)
{
    const loop_step step = {conv_step, k, state, 2};

    return loop_run(b, &step, s, 0);
}

static bool steps_fuse(layer_build *b, const conv_cell *k, sequence *s)
{
    const conv_lstm_attributes attributes = {.spatial = k->spatial,
                                             .activation = k->c->activation.attributes,
                                             .recurrent_activation =
                                                 k->c->recurrent_activation.attributes,
                                             .go_backwards = s->go_backwards,
                                             .return_sequences = s->return_sequences,
                                             .zero_output_for_mask = s->zero_output_for_mask};
    const conv_lstm_operands operands = {
        .x = s->x, .kernel = k->recurrent, .mask = s->mask, .h0 = s->states[0], .c0 = s->states[1]};

    s->y = op_conv_lstm(b->graph, &operands, &attributes);
    if (s->y == VALUE_NONE) return false;
    s->states[0] = s->y + 1;
    s->states[1] = s->y + 2;
    return graph_ok(b->graph);
}

/* Kept states are in the order of the data format, as given ones are. */
static void states_take(const conv_cell *k, const shape *state, sequence *s)
{
    shape kept = *state;

    if (k->c->data_format == CHANNELS_FIRST) {
        kept.dims[1] = k->c->filters;
        for (uint32_t i = 0; i < k->spatial; i++) kept.dims[i + 2] = state->dims[i + 1];
    }
    for (uint32_t i = 0; i < 2; i++) sequence_state_take(s, i, &kept);
}

/* s->x are the gates of the input. */
static bool steps_run(layer_build *b, conv_cell *k, sequence *s)
{
    const bool is_unary =
        activation_is_unary(&k->c->activation) && activation_is_unary(&k->c->recurrent_activation);

    if (!graph_ok(b->graph)) return false;
    shape state = step_shape(b->graph, s->x);
    state.dims[state.rank - 1] = k->c->filters;
    masks_draw(b, k->c->recurrent_dropout, &state, k->state_masks);
    states_take(k, &state, s);
    states_turn(b, k, s, true);
    if (is_unary && k->state_masks[0] == VALUE_NONE && !dim_known(graph_dim(b->graph, s->x, 1)))
        return steps_fuse(b, k, s);
    return steps_loop(b, k, s, &state);
}

static bool conv_lstm_build(layer_build *b, const conv_lstm *c, layer_call *call, uint32_t spatial)
{
    conv_cell k = {.c = c, .spatial = spatial};
    sequence s;

    if (!sequence_begin(b, &c->rnn, call, spatial + 3, 2, &s) || !cell_window(b, &k)) return false;
    if (c->filters <= 0 || c->filters > INT32_MAX) {
        return layer_fail(b, EBB_E_FORMAT, "filters: expected a positive number, got %" PRId64,
                          c->filters);
    }
    if (c->data_format == CHANNELS_FIRST) s.x = lowering_move_axis(b, s.x, 2, spatial + 2);
    k.channels = build_known_dim(b, s.x, -1, "channels");
    if (k.channels < 0 || !cell_weights(b, &k)) return false;
    s.x = input_gates(b, &k, s.x);
    if (!graph_ok(b->graph) || !steps_run(b, &k, &s)) return false;
    states_turn(b, &k, &s, false);
    return sequence_end(b, &c->rnn, call, &s);
}

static bool conv_lstm1d_build(layer_build *b, const void *config, layer_call *call)
{
    return conv_lstm_build(b, config, call, 1);
}

static bool conv_lstm2d_build(layer_build *b, const void *config, layer_call *call)
{
    return conv_lstm_build(b, config, call, 2);
}

static bool conv_lstm3d_build(layer_build *b, const void *config, layer_call *call)
{
    return conv_lstm_build(b, config, call, 3);
}

const layer_def layer_def_conv_lstm1d = {"ConvLSTM1D",      "recurrent",      NULL,
                                         sizeof(conv_lstm), conv_lstm_fields, MASK_OWN,
                                         conv_lstm1d_build};
const layer_def layer_def_conv_lstm2d = {"ConvLSTM2D",      "recurrent",      NULL,
                                         sizeof(conv_lstm), conv_lstm_fields, MASK_OWN,
                                         conv_lstm2d_build};
const layer_def layer_def_conv_lstm3d = {"ConvLSTM3D",      "recurrent",      NULL,
                                         sizeof(conv_lstm), conv_lstm_fields, MASK_OWN,
                                         conv_lstm3d_build};
