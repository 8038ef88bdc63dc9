/* recurrent.h -- what the recurrent layers share: their options, cells, and one call brought to a
 * single form.
 *
 *     layer call -> sequence_begin -> a cell over the sequence, or several in a row -> sequence_end
 *
 * A sequence is batch first, float32, with a mask of [n, t] or none; states are flat, in the order
 * of Keras. Cells with unary activations run as one op over any length (recurrent_cell.c); others,
 * and most convolutional ones, are spelled out step by step over a known length
 * (recurrent_loop.c).
 */
#ifndef EBB_LAYER_RECURRENT_H
#define EBB_LAYER_RECURRENT_H

#include "layer/lowering.h"

/* Of every recurrent layer; the first member of its config struct. */
typedef struct rnn_options {
    bool return_sequences, return_state, go_backwards, time_major, zero_output_for_mask, stateful;
} rnn_options;

/* clang-format off */
#define RNN_FIELD(T, name)                                                                         \
    {#name, FIELD_BOOL, offsetof(T, rnn) + offsetof(rnn_options, name), false, 0, NULL}
/* unroll: how Keras computes, not what. */
#define RNN_FIELDS(T)                                                                              \
    RNN_FIELD(T, return_sequences), RNN_FIELD(T, return_state), RNN_FIELD(T, go_backwards),        \
    RNN_FIELD(T, time_major), RNN_FIELD(T, zero_output_for_mask), RNN_FIELD(T, stateful),          \
    FIELD_UNUSED("unroll")
/* clang-format on */

#define SEQUENCE_STATES_MAX 64

typedef struct sequence {
    value x;                           /* [n, t, ...] */
    value mask;                        /* BOOL [n, t] or VALUE_NONE */
    value states[SEQUENCE_STATES_MAX]; /* before: initial, VALUE_NONE for zeros; after: last */
    uint32_t state_count;
    bool go_backwards, return_sequences, zero_output_for_mask;
    bool is_kept;      /* the states are variables: they begin where the call before ended */
    layer_build owner; /* the layer that keeps them */
    value y;           /* [n, t, ...] or [n, ...], set by what runs over it */
} sequence;

/* -- recurrent.c ------------------------------------------------------------------------------- */

/* Reads a call: its input of the given rank, mask and initial states. */
bool sequence_begin(layer_build *b, const rnn_options *o, const layer_call *call, uint32_t rank,
                    uint32_t state_count, sequence *s);
/* State `index`, of the given shape, before a cell runs: what the call before left, unless this one
 * gives another. Nothing where states are not kept. */
void sequence_state_take(sequence *s, uint32_t index, const shape *state);
/* Outputs and masks as the options ask for. */
bool sequence_end(layer_build *b, const rnn_options *o, layer_call *call, sequence *s);
/* Options of a recurrent layer, which a wrapper may change before it calls it; NULL if it is
 * none. */
rnn_options *recurrent_options(const layer_instance *i);
/* The mask a call computes with: argument `mask`, else what the input carries. Keras 3 looks at the
 * latter only in calls without other tensors: initial states make it compute at every step. */
value recurrent_mask(const layer_build *b, const layer_call *call);
/* Tensors of an argument that is a tensor, a list or a list of lists; the count, at most `most`
 * of them kept. Recursion: as deep as the lists, which nested.c bounds. */
uint32_t recurrent_tensors(const call_argument *a, value *values, uint32_t most);

/* -- recurrent_cell.c -------------------------------------------------------------------------- */

typedef struct cell_options {
    int64_t units, implementation;
    double dropout, recurrent_dropout;
    bool use_bias, reset_after;
    activation activation, recurrent_activation;
} cell_options;

/* clang-format off */
#define CELL_FIELD(T, name, kind, required, otherwise, text)                                       \
    {#name, kind, offsetof(T, cell) + offsetof(cell_options, name), required, otherwise, text}
#define CELL_FIELDS(T)                                                                             \
    CELL_FIELD(T, units, FIELD_I64, true, 0, NULL),                                                \
    CELL_FIELD(T, activation, FIELD_ACTIVATION, false, 0, "tanh"),                                 \
    CELL_FIELD(T, use_bias, FIELD_BOOL, false, 1, NULL),                                           \
    CELL_FIELD(T, implementation, FIELD_I64, false, 2, NULL),                                      \
    CELL_FIELD(T, dropout, FIELD_F64, false, 0, NULL),                                             \
    CELL_FIELD(T, recurrent_dropout, FIELD_F64, false, 0, NULL),                                   \
    FIELD_INITIALIZER(kernel_initializer), FIELD_INITIALIZER(recurrent_initializer),               \
    FIELD_INITIALIZER(bias_initializer)
#define CELL_FIELD_GATES(T)                                                                        \
    CELL_FIELD(T, recurrent_activation, FIELD_ACTIVATION, false, 0, "sigmoid")
#define CELL_FIELD_RESET(T) CELL_FIELD(T, reset_after, FIELD_BOOL, false, 1, NULL)
/* clang-format on */

uint32_t cell_state_count(rnn_kind kind);
/* Runs one cell over s->x: sets s->y and s->states[first ...]. Weights are made where `b` stands.
 */
bool cell_run(layer_build *b, rnn_kind kind, const cell_options *c, sequence *s, uint32_t first);
/* Is the layer a plain cell, and which? Its config struct is a cell_options then. */
bool cell_kind_of(const layer_instance *i, rnn_kind *kind);
/* Cells of a StackedRNNCells layer, made from its configuration: a child of `b`'s instance each.
 * False after a failure. */
bool stack_children(layer_build *b, const json *cells, layer_instance ***children, uint32_t *count);
bool stack_is(const layer_instance *i);
const json *stack_cells(const layer_instance *i);

/* -- recurrent_traced.c ------------------------------------------------------------------------ */

/* How many states a cell that is a model has; 0: the layer is none. */
uint32_t traced_cell_states(const layer_instance *i);
/* Runs it over s->x, whose length must be known. `b`: of the layer that holds the cell. */
bool traced_cell_run(layer_build *b, layer_instance *cell, sequence *s, uint32_t first);

/* -- recurrent_loop.c -------------------------------------------------------------------------- */

/* One step: x is what the step gets of the sequence, states are replaced; the output is the first
 * state. */
typedef struct loop_step {
    bool (*step)(layer_build *b, const struct loop_step *self, value x, value *states);
    const void *context;
    const shape *state; /* of every state */
    uint32_t state_count;
} loop_step;
/* Spells out every step of s->x, whose length must be known. */
bool loop_run(layer_build *b, const loop_step *l, sequence *s, uint32_t first);

#endif
