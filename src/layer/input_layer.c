/* input_layer.c -- InputLayer: an input of the graph at the top of a model, the caller's tensor in
 * a nested one.
 *
 * [batch, ...] as batch_shape says; null axes are symbols, the first one shared by all inputs. What
 * comes in with another type than float32, int32 or bool is cast at once. An attention mask of rank
 * 2 has no rows: it is [query length, key length], the same for the whole batch. Source:
 * keras/src/layers/core/input_layer.py. */
#include <stddef.h>
#include <string.h>

#include "layer/assembly.h"
#include "tensor/dtype.h"

typedef struct input_layer {
    const json *batch_shape;
    bool sparse, ragged, optional;
} input_layer;

static const layer_field input_layer_fields[] = {
    {"batch_shape", FIELD_JSON, offsetof(input_layer, batch_shape), false, 0, NULL},
    {"sparse", FIELD_BOOL, offsetof(input_layer, sparse), false, 0, NULL},
    {"ragged", FIELD_BOOL, offsetof(input_layer, ragged), false, 0, NULL},
    {"optional", FIELD_BOOL, offsetof(input_layer, optional), false, 0, NULL},
    {NULL, FIELD_BOOL, 0, false, 0, NULL},
};

static bool refers_to(const argument *a, uint32_t layer)
{
    return a->kind == ARGUMENT_TENSOR && a->ref.layer == layer;
}

/* Recursion: as deep as the reader lets lists be nested. */
static bool holds_input(const argument *a, uint32_t layer)
{
    for (uint32_t i = 0; a->kind == ARGUMENT_LIST && i < a->item_count; i++) {
        if (holds_input(&a->items[i], layer)) return true;
    }
    return refers_to(a, layer);
}

/* Counts the uses of an input as an attention mask in calls of one layer; false: it is used
 * otherwise, too. */
static bool masks_count(const layer_config *l, uint32_t input, uint32_t *uses)
{
    for (uint32_t i = 0; i < l->call_count; i++) {
        for (uint32_t k = 0; k < l->calls[i].argument_count; k++) {
            const argument *a = &l->calls[i].arguments[k];
            if (!holds_input(a, input)) continue;
            if (!refers_to(a, input) || a->name == NULL || strcmp(a->name, "attention_mask") != 0)
                return false;
            (*uses)++;
        }
    }
    return true;
}

/* Is the input of the model at the top used as an attention mask, and for nothing else? */
static bool is_attention_mask(const model_config *m, const layer_config *config)
{
    uint32_t uses = 0, input = 0;
    while (input < m->layer_count && &m->layers[input] != config) input++;
    for (uint32_t i = 0; i < m->output_count; i++) {
        if (m->outputs[i].ref.layer == input) return false;
    }
    for (uint32_t i = 0; i < m->layer_count; i++) {
        if (!masks_count(&m->layers[i], input, &uses)) return false;
    }
    return uses > 0;
}

static bool axis_read(layer_build *b, const json *length, uint32_t axis, bool has_rows, dim *result)
{
    if (has_rows && axis == 0 && (json_is_null(length) || b->assembly->is_batch_free)) {
        if (b->assembly->batch == 0) b->assembly->batch = dim_symbol(b->graph, "batch");
        *result = b->assembly->batch;
        return graph_ok(b->graph);
    }
    if (json_is_null(length)) {
        const char *name = region_format(b->home, "%s axis %u", b->instance->name, axis);
        if (name == NULL) return layer_fail(b, EBB_E_MEMORY, "no memory for the layer");
        *result = dim_symbol(b->graph, name);
        return graph_ok(b->graph);
    }
    *result = json_integer(length, -1);
    if (*result >= 0 && *result <= INT32_MAX) return true;
    char text[80];
    return layer_fail(b, EBB_E_FORMAT,
                      "axis %u of batch_shape: expected a length of at most 31 bits or null, "
                      "found %s",
                      axis, json_describe(length, text, sizeof text));
}

static bool shape_read(layer_build *b, const json *dims, shape *s)
{
    char text[80];
    if (dims == NULL || dims->kind != JSON_ARRAY) {
        return layer_fail(b, EBB_E_FORMAT, "expected a list of lengths as batch_shape, found %s",
                          json_describe(dims, text, sizeof text));
    }
    if (dims->count > EBB_RANK_MAX) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "an input of rank %u; at most %d is possible",
                          dims->count, EBB_RANK_MAX);
    }
    s->rank = dims->count;
    const bool has_rows =
        s->rank != 2 || !is_attention_mask(b->assembly->model, b->instance->source);
    for (uint32_t i = 0; i < s->rank; i++) {
        if (!axis_read(b, json_item(dims, i), i, has_rows, &s->dims[i])) return false;
    }
    return true;
}

static ebb_dtype compute_for(ebb_dtype declared)
{
    if (declared == EBB_BOOL) return EBB_BOOL;
    return dtype_is_integer(declared) ? EBB_I32 : EBB_F32;
}

/* A tensor handed to a nested model must fit where both say how long an axis is; Keras lets the
 * rows go. */
static bool pass_through(layer_build *b, const input_layer *c, const layer_tensor *from,
                         layer_tensor *to)
{
    const shape *s = graph_shape(b->graph, from->v);
    const bool has_rank = c->batch_shape != NULL && c->batch_shape->kind == JSON_ARRAY;
    bool fits = !has_rank || c->batch_shape->count == s->rank;
    for (uint32_t i = 1; fits && has_rank && i < s->rank; i++) {
        const int64_t wanted = json_integer(json_item(c->batch_shape, i), -1);
        if (wanted >= 0 && dim_known(s->dims[i]) && s->dims[i] != wanted) fits = false;
    }
    if (!fits) {
        char have[160];
        text_writer want;
        text_begin(&want, b->home);
        text_json_value(&want, c->batch_shape);
        return layer_fail(
            b, EBB_E_SHAPE, "the model around it was made for the shape %s, but is called with %s",
            want.failed ? "?" : want.text, shape_text(b->graph, s, have, sizeof have));
    }
    *to = *from;
    to->v = op_cast(b->graph, from->v, compute_for(b->instance->compute));
    to->declared = b->instance->compute;
    return graph_ok(b->graph);
}

static bool input_layer_build(layer_build *b, const void *config, layer_call *call)
{
    const input_layer *c = config;
    const ebb_dtype declared = b->instance->compute;
    if (c->ragged) return layer_fail(b, EBB_E_UNSUPPORTED, "ragged inputs are not supported");
    if (declared == EBB_DTYPE_NONE) {
        return layer_fail(b, EBB_E_UNSUPPORTED, "inputs of text are not supported");
    }
    if (call->input_count > 0) return pass_through(b, c, &call->inputs[0], &call->outputs[0]);
    shape s = {0};
    if (!shape_read(b, c->batch_shape, &s)) return false;
    const value v = graph_input(b->graph, declared, &s);
    call->outputs[0].v = op_cast(b->graph, v, compute_for(declared));
    call->outputs[0].declared = declared;
    return graph_ok(b->graph);
}

const layer_def layer_def_input_layer = {
    .name = "InputLayer",
    .family = "core",
    .config_bytes = sizeof(input_layer),
    .fields = input_layer_fields,
    .masking = MASK_OWN,
    .build = input_layer_build,
};
