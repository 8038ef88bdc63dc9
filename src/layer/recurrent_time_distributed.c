/* recurrent_time_distributed.c -- TimeDistributed: a layer or a model over every step of a
 * sequence.
 *
 * The steps become rows: [n, t, ...] -> [n t, ...] -> layer -> [n t, ...] -> [n, t, ...]. A mask
 * of [n, t, ...] goes inside as [n t, ...]; one of [n, t] says nothing about what is inside a step.
 * Where steps as rows would be seen - statistics of a batch, penalties - and the model is trained,
 * the layer is called step by step, with the steps of its mask.
 * Source: Keras 3, keras/src/layers/rnn/time_distributed.py; masks made inside: compute_mask of
 * Keras 2 (tf_keras/layers/rnn/time_distributed.py), which Keras 3 no longer looks at. */
#include "layer/recurrent.h"

#include <inttypes.h>
#include <string.h>

#include "layer/assembly.h"

typedef struct time_distributed {
    const json *layer;
} time_distributed;

static const layer_field time_distributed_fields[] = {
    {"layer", FIELD_JSON, offsetof(time_distributed, layer), true, 0, NULL},
    FIELD_END,
};

#define INPUTS_MAX 32
#define STEPS_MAX  4096

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

/* -- step by step ------------------------------------------------------------------------------
 */

/* Does what is inside look at rows together, or keep something from call to call? Recursion: as
 * deep as the JSON reader lets values be nested. */
static bool sees_rows(const json *inside)
{
    static const char classes[] = "BatchNormalization|BatchNormalizationV1|BatchNormalizationV2|"
                                  "SyncBatchNormalization|SpectralNormalization|"
                                  "ActivityRegularization";
    static const char keys[] = "activity_regularizer|noise_shape";

    if (inside == NULL) return false;
    for (uint32_t i = 0; inside->kind == JSON_ARRAY && i < inside->count; i++) {
        if (sees_rows(&inside->as.items[i])) return true;
    }
    for (uint32_t i = 0; inside->kind == JSON_OBJECT && i < inside->count; i++) {
        const json_member *m = &inside->as.members[i];
        const bool is_class =
            strcmp(m->key, "class_name") == 0 && name_among(classes, json_text(&m->value, ""));
        const bool is_key = name_among(keys, m->key) && !json_is_null(&m->value);
        const bool is_kept = strcmp(m->key, "stateful") == 0 && json_boolean(&m->value, false);
        if (is_class || is_key || is_kept || sees_rows(&m->value)) return true;
    }
    return false;
}

/* Step `time` of a sequence, or of a mask. */
static value step_of(layer_build *b, value v, int64_t time)
{
    if (v == VALUE_NONE) return VALUE_NONE;
    return lowering_squeeze(b, op_slice_axis(b->graph, v, 1, time, 1, 1), 1);
}

static bool step_call(layer_build *b, layer_instance *child, const layer_call *outer, int64_t time,
                      layer_call *call)
{
    layer_tensor inputs[INPUTS_MAX];
    call_argument items[INPUTS_MAX];

    for (uint32_t i = 0; i < outer->input_count; i++) {
        const value mask = i == 0 ? lowering_mask(outer, 2) : outer->inputs[i].mask;
        inputs[i] = outer->inputs[i];
        inputs[i].v = step_of(b, outer->inputs[i].v, time);
        inputs[i].mask = step_of(b, mask, time);
        items[i] = (call_argument){.kind = CALL_TENSOR, .tensor = inputs[i]};
    }
    const call_argument list = {
        .kind = CALL_LIST, .items = items, .item_count = outer->input_count};
    *call = (layer_call){.inputs = inputs,
                         .input_count = outer->input_count,
                         .arguments = outer->input_count > 1 ? &list : items,
                         .argument_count = 1,
                         .is_bare = true};
    const bool good = graph_ok(b->graph) && build_child_call(b, child, call);
    call->inputs = NULL; /* they were this function's; the outputs stay */
    call->arguments = NULL;
    return good;
}

static bool steps_build(layer_build *b, layer_instance *child, layer_call *call)
{
    const int64_t steps = build_known_dim(
        b, call->inputs[0].v, 1, "steps, over which the layer inside is called in training,");
    uint32_t count = 0;

    if (steps < 0) return false;
    if (steps == 0 || steps > STEPS_MAX)
        return layer_fail(b, EBB_E_UNSUPPORTED, "%" PRId64 " steps, expected 1 to %d", steps,
                          STEPS_MAX);
    value *parts = region_new(b->home, value, (size_t)steps * LAYER_OUTPUTS_MAX);
    if (parts == NULL) return layer_fail(b, EBB_E_MEMORY, "no memory for the steps");
    for (int64_t time = 0; time < steps; time++) {
        layer_call inner;
        if (!step_call(b, child, call, time, &inner)) return false;
        count = inner.output_count;
        for (uint32_t i = 0; i < count; i++) {
            parts[(int64_t)i * steps + time] = lowering_expand(b, inner.outputs[i].v, 1);
            call->outputs[i].declared = inner.outputs[i].declared;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        call->outputs[i].v = op_concat(b->graph, parts + (int64_t)i * steps, (uint32_t)steps, 1);
        call->outputs[i].mask = lowering_mask(call, 2);
    }
    call->output_count = count;
    return graph_ok(b->graph);
}

/* -- the layer ---------------------------------------------------------------------------------
 */

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
    if (child == NULL) return false;
    const bool is_watched = b->is_training || b->assembly->options->penalty != NULL;
    if (is_watched && sees_rows(c->layer)) return steps_build(b, child, call);
    if (!inputs_fold(b, call, inputs, items)) return false;
    const dim rows = graph_dim(b->graph, call->inputs[0].v, 0);
    const dim steps = graph_dim(b->graph, call->inputs[0].v, 1);
    const call_argument list = {.kind = CALL_LIST, .items = items, .item_count = call->input_count};
    layer_call inner = {.inputs = inputs,
                        .input_count = call->input_count,
                        .arguments = call->input_count > 1 ? &list : items,
                        .argument_count = 1,
                        .is_bare = true};
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
