/* recurrent_bidirectional.c -- Bidirectional: a recurrent layer and its mirror image over the same
 * sequence, their outputs merged.
 *
 * Children "forward_layer" and "backward_layer"; without a backward layer in the file it is the
 * forward one's configuration the other way round. Both give zeros at masked steps when they
 * return sequences, whatever their own configuration says.
 * Source: Keras 3, keras/src/layers/rnn/bidirectional.py. */
#include "layer/recurrent.h"

#include <inttypes.h>

typedef struct bidirectional {
    const json *layer, *backward_layer, *merge_mode;
} bidirectional;

static const layer_field bidirectional_fields[] = {
    {"layer", FIELD_JSON, offsetof(bidirectional, layer), true, 0, NULL},
    {"backward_layer", FIELD_JSON, offsetof(bidirectional, backward_layer), false, 0, NULL},
    {"merge_mode", FIELD_JSON, offsetof(bidirectional, merge_mode), false, 0, NULL},
    FIELD_END,
};

typedef enum merge { MERGE_NONE, MERGE_CONCAT, MERGE_SUM, MERGE_AVERAGE, MERGE_MULTIPLY } merge;

/* null is a mode of its own; a missing key is not. */
static bool merge_read(layer_build *b, const bidirectional *c, merge *mode)
{
    static const char *const names[] = {[MERGE_CONCAT] = "concat",
                                        [MERGE_SUM] = "sum",
                                        [MERGE_AVERAGE] = "ave",
                                        [MERGE_MULTIPLY] = "mul"};

    *mode = MERGE_CONCAT;
    if (json_get(b->instance->source->config, "merge_mode") == NULL) return true;
    *mode = MERGE_NONE;
    if (c->merge_mode == NULL) return true;
    for (uint32_t i = MERGE_CONCAT; i <= MERGE_MULTIPLY; i++) {
        if (!json_is_text(c->merge_mode, names[i])) continue;
        *mode = (merge)i;
        return true;
    }
    return layer_fail(b, EBB_E_FORMAT, "merge_mode: expected concat, sum, ave, mul or null");
}

static value merged(graph *g, merge mode, value forward, value backward)
{
    const value both[] = {forward, backward};

    switch (mode) {
    case MERGE_CONCAT: return op_concat(g, both, 2, -1);
    case MERGE_SUM: return op_add(g, forward, backward);
    case MERGE_AVERAGE: return op_div(g, op_add(g, forward, backward), graph_scalar(g, 2));
    case MERGE_MULTIPLY: return op_mul(g, forward, backward);
    default: return forward;
    }
}

/* -- halves ------------------------------------------------------------------------------------ */

typedef struct half {
    layer_instance *layer;
    rnn_options *options;
    layer_call call;
} half;

static bool half_make(layer_build *b, const char *attribute, const json *object, half *h)
{
    h->layer = build_child(b, attribute, object);
    if (h->layer == NULL) return false;
    h->options = recurrent_options(h->layer);
    if (h->options == NULL) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "expected a recurrent layer inside, found %s",
                          h->layer->class_name);
    }
    h->options->zero_output_for_mask = h->options->return_sequences;
    return true;
}

static bool halves_make(layer_build *b, const bidirectional *c, half *forward, half *backward)
{
    const bool is_given = c->backward_layer != NULL;

    if (!half_make(b, "forward_layer", c->layer, forward) ||
        !half_make(b, "backward_layer", is_given ? c->backward_layer : c->layer, backward)) {
        return false;
    }
    const rnn_options *f = forward->options;
    rnn_options *r = backward->options;
    if (!is_given) r->go_backwards = !f->go_backwards;
    if (f->go_backwards != r->go_backwards && f->return_sequences == r->return_sequences &&
        f->return_state == r->return_state && f->time_major == r->time_major) {
        return true;
    }
    return layer_fail(b, EBB_E_FORMAT,
                      "the two layers must differ in go_backwards and agree in return_sequences, "
                      "return_state and time_major");
}

/* Both see the sequence and its mask; initial states go half to each. */
static bool half_call(layer_build *b, half *h, const layer_call *outer, const call_argument *states,
                      uint32_t count)
{
    const layer_tensor *x = &outer->inputs[0];
    const value mask = recurrent_mask(b, outer);
    const call_argument arguments[] = {
        {.kind = CALL_TENSOR, .tensor = *x},
        {.kind = count > 0 ? CALL_LIST : CALL_NONE,
         .name = "initial_state",
         .items = (call_argument *)states,
         .item_count = count},
        {.kind = mask != VALUE_NONE ? CALL_TENSOR : CALL_NONE,
         .name = "mask",
         .tensor = {.v = mask, .dtype = EBB_BOOL, .declared = EBB_BOOL}}};

    h->call =
        (layer_call){.inputs = x, .input_count = 1, .arguments = arguments, .argument_count = 3};
    const bool good = build_child_call(b, h->layer, &h->call);
    h->call.arguments = NULL; /* they were this function's; the outputs stay */
    return good;
}

/* -- the layer --------------------------------------------------------------------------------- */

static bool states_read(layer_build *b, const layer_call *call, call_argument *states,
                        uint32_t *count)
{
    const call_argument *given = call_find(call, 1, "initial_state");
    value values[SEQUENCE_STATES_MAX] = {VALUE_NONE};

    *count = recurrent_tensors(given, values, SEQUENCE_STATES_MAX);
    if (*count == 0 && call->input_count > 1 && call->input_count <= SEQUENCE_STATES_MAX) {
        *count = call->input_count - 1;
        for (uint32_t i = 0; i < *count; i++) values[i] = call->inputs[i + 1].v;
    }
    if (*count > SEQUENCE_STATES_MAX || *count % 2 != 0) {
        return layer_fail(b, EBB_E_SHAPE,
                          "expected initial states for both directions, got %" PRIu32, *count);
    }
    for (uint32_t i = 0; i < *count; i++) {
        states[i] =
            (call_argument){.kind = CALL_TENSOR, .tensor = {.v = values[i], .declared = EBB_F32}};
    }
    return true;
}

static bool outputs_set(layer_build *b, merge mode, half *forward, half *backward, layer_call *call)
{
    const rnn_options *o = forward->options;
    const uint32_t outputs = mode == MERGE_NONE ? 2 : 1;
    const uint32_t states = forward->call.output_count - 1;
    const value mask = o->return_sequences ? lowering_mask(call, 2) : VALUE_NONE;
    value back = backward->call.outputs[0].v;

    if (outputs + 2 * states > LAYER_OUTPUTS_MAX)
        return layer_fail(b, EBB_E_UNSUPPORTED, "more than %d outputs", LAYER_OUTPUTS_MAX);
    if (o->return_sequences) back = op_reverse(b->graph, back, o->time_major ? 0 : 1);
    call->outputs[0].v = merged(b->graph, mode, forward->call.outputs[0].v, back);
    if (mode == MERGE_NONE) call->outputs[1].v = back;
    for (uint32_t i = 0; i < outputs; i++) call->outputs[i].mask = mask;
    for (uint32_t i = 0; i < states; i++) {
        call->outputs[outputs + i].v = forward->call.outputs[i + 1].v;
        call->outputs[outputs + states + i].v = backward->call.outputs[i + 1].v;
    }
    call->output_count = outputs + 2 * states;
    return graph_ok(b->graph);
}

static bool bidirectional_build(layer_build *b, const void *config, layer_call *call)
{
    const bidirectional *c = config;
    half forward = {0}, backward = {0};
    call_argument states[SEQUENCE_STATES_MAX];
    uint32_t count = 0;
    merge mode;

    if (call->input_count == 0)
        return layer_fail(b, EBB_E_FORMAT, "expected an input sequence, got none");
    if (!merge_read(b, c, &mode) || !halves_make(b, c, &forward, &backward)) return false;
    if (!states_read(b, call, states, &count)) return false;
    return half_call(b, &forward, call, states, count / 2) &&
           half_call(b, &backward, call, states + count / 2, count / 2) &&
           outputs_set(b, mode, &forward, &backward, call);
}

const layer_def layer_def_bidirectional = {"Bidirectional",       "recurrent",          NULL,
                                           sizeof(bidirectional), bidirectional_fields, MASK_OWN,
                                           bidirectional_build};
