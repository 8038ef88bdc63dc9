/* recurrent_time_distributed.c -- TimeDistributed: a layer or a model over every step of a
 * sequence.
 *
 * The steps become rows: [n, t, ...] -> [n t, ...] -> layer -> [n t, ...] -> [n, t, ...]. A mask
 * of [n, t, ...] goes inside as [n t, ...]; one of [n, t] says nothing about what is inside a step.
 * Source: Keras 3, keras/src/layers/rnn/time_distributed.py; masks made inside: compute_mask of
 * Keras 2 (tf_keras/layers/rnn/time_distributed.py), which Keras 3 no longer looks at. */
#include "layer/recurrent.h"

#include <inttypes.h>

typedef struct time_distributed {
    const json *layer;
} time_distributed;

static const layer_field time_distributed_fields[] = {
    {"layer", FIELD_JSON, offsetof(time_distributed, layer), true, 0, NULL},
    FIELD_END,
};

#define INPUTS_MAX 32

/* [n, t, ...] -> [n t, ...] */
static value fold(layer_build *b, value v)
{
    dim dims[EBB_RANK_MAX];

    if (!graph_ok(b->graph)) return VALUE_NONE;
    const shape s = *graph_shape(b->graph, v);
    dims[0] = dim_make(b->graph, DIM_MUL, s.dims[0], s.dims[1]);
    for (uint32_t i = 2; i < s.rank; i++) dims[i - 1] = s.dims[i];
    return lowering_reshape(b, v, s.rank - 1, dims);
}

/* [n t, ...] -> [n, t, ...] */
static value unfold(layer_build *b, value v, dim items, dim steps)
{
    dim dims[EBB_RANK_MAX + 1] = {items, steps};

    if (!graph_ok(b->graph)) return VALUE_NONE;
    const shape s = *graph_shape(b->graph, v);
    for (uint32_t i = 1; i < s.rank; i++) dims[i + 1] = s.dims[i];
    return lowering_reshape(b, v, s.rank + 1, dims);
}

/* The mask of the steps: [n, t], whatever it says about their insides. */
static value steps_mask(layer_build *b, value mask)
{
    const uint32_t rank = mask == VALUE_NONE ? 0 : graph_rank(b->graph, mask);

    if (rank <= 2) return mask;
    return op_reduce(b->graph, REDUCE_ANY, op_cast(b->graph, mask, EBB_BOOL), (1u << rank) - 4,
                     false);
}

static bool inputs_fold(layer_build *b, const layer_call *call, layer_tensor *inputs,
                        call_argument *items)
{
    for (uint32_t i = 0; i < call->input_count; i++) {
        const value mask = i == 0 ? lowering_mask(call, 2) : call->inputs[i].mask;
        inputs[i] = call->inputs[i];
        if (graph_rank(b->graph, inputs[i].v) < 2) {
            return layer_fail(b, EBB_E_SHAPE,
                              "expected an input of (batch, time, ...), got rank "
                              "%" PRIu32,
                              graph_rank(b->graph, inputs[i].v));
        }
        inputs[i].v = fold(b, inputs[i].v);
        const bool goes_inside = mask != VALUE_NONE && graph_rank(b->graph, mask) > 2;
        inputs[i].mask = goes_inside ? fold(b, mask) : VALUE_NONE;
        items[i] = (call_argument){.kind = CALL_TENSOR, .tensor = inputs[i]};
    }
    return graph_ok(b->graph);
}

/* Keras 3 hands its own mask on; Keras 2 what the layer inside makes of it. */
static value output_mask(layer_build *b, const layer_call *call, value inside, dim items, dim steps)
{
    const value mask = lowering_mask(call, 2);

    if (b->keras_major >= 3) return mask;
    return inside != VALUE_NONE ? unfold(b, inside, items, steps) : steps_mask(b, mask);
}

static bool time_distributed_build(layer_build *b, const void *config, layer_call *call)
{
    const time_distributed *c = config;
    layer_tensor inputs[INPUTS_MAX];
    call_argument items[INPUTS_MAX];

    if (call->input_count == 0 || call->input_count > INPUTS_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "expected 1 to %d inputs, got %" PRIu32, INPUTS_MAX,
                          call->input_count);
    }
    layer_instance *child = build_child(b, "layer", c->layer);
    if (child == NULL || !inputs_fold(b, call, inputs, items)) return false;
    const dim rows = graph_dim(b->graph, call->inputs[0].v, 0);
    const dim steps = graph_dim(b->graph, call->inputs[0].v, 1);
    const call_argument list = {.kind = CALL_LIST, .items = items, .item_count = call->input_count};
    layer_call inner = {.inputs = inputs,
                        .input_count = call->input_count,
                        .arguments = call->input_count > 1 ? &list : items,
                        .argument_count = 1};
    if (!build_child_call(b, child, &inner)) return false;
    for (uint32_t i = 0; i < inner.output_count; i++) {
        const layer_tensor *from = &inner.outputs[i];
        call->outputs[i] = (layer_tensor){.v = unfold(b, from->v, rows, steps),
                                          .mask = output_mask(b, call, from->mask, rows, steps),
                                          .declared = from->declared};
    }
    call->output_count = inner.output_count;
    return graph_ok(b->graph);
}

const layer_def layer_def_time_distributed = {"TimeDistributed",
                                              "recurrent",
                                              NULL,
                                              sizeof(time_distributed),
                                              time_distributed_fields,
                                              MASK_OWN,
                                              time_distributed_build};
