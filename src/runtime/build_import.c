/* build_import.c -- parts of models that are loaded, and whole models as layers, in a builder.
 *
 * A model is taken over through its own configuration in Keras 3's terms: written as for a file and
 * read again into the builder's region. So nothing of the model is needed until the builder
 * finishes and copies its weights. */
#include <string.h>

#include "base/status.h"
#include "format/keras/config_edit.h"
#include "format/keras/reader.h"
#include "runtime/model_builder.h"
#include "train/nearest.h"

#define NONE   UINT32_MAX
#define LISTED (UINT32_MAX - 1)

/* The configuration of a loaded model, in the builder's region; NULL: a fault. */
static model_config *config_take(builder *b, model *from)
{
    const char *text = NULL;
    const recipe p = {.name = from->info.name};
    description *d = NULL;

    if (!builder_good(b)) return NULL;
    if (from->owner != b->owner) {
        builder_fail(b, EBB_E_ARGUMENT, from->info.name,
                     "the model is loaded in another runtime than the builder's");
        return NULL;
    }
    if (recipe_text_make(b->home, from, &text, &b->error) != EBB_OK) return NULL;
    recipe own = p;
    own.text = text;
    own.length = strlen(text);
    return recipe_read(b->home, &own, &d, &b->error) == EBB_OK ? d->model : NULL;
}

/* -- a part ------------------------------------------------------------------------------------ */

typedef struct taking {
    builder *b;
    model *from;
    const model_config *config;
    uint32_t *layers; /* in the builder, by layer of the config; NONE: not yet */
    uint32_t **nodes; /* by layer and call; LISTED: needed, not here yet */
    tensor_ref *list; /* what is needed, after what it needs */
    uint64_t list_count;
    bool frozen;
} taking;

static bool taking_open(taking *t)
{
    builder *b = t->b;
    const uint32_t count = t->config->layer_count;

    t->layers = region_new(b->home, uint32_t, (size_t)count + 1);
    t->nodes = region_new(b->home, uint32_t *, (size_t)count + 1);
    if (t->layers == NULL || t->nodes == NULL) return builder_no_memory(b, t->config->name);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t calls = t->config->layers[i].call_count + 1;
        t->layers[i] = NONE;
        t->nodes[i] = region_new(b->home, uint32_t, calls);
        if (t->nodes[i] == NULL) return builder_no_memory(b, t->config->name);
        for (uint32_t k = 0; k < calls; k++) t->nodes[i][k] = NONE;
    }
    return true;
}

static bool is_input(const layer_config *layer)
{
    return strcmp(layer->class_name, "InputLayer") == 0 && layer->registered_name == NULL;
}

/* A Sequential takes any number of rows whatever its file says, unless it keeps states. */
static bool rows_are_free(const model_config *m)
{
    if (strcmp(m->class_name, "Sequential") != 0) return false;
    for (uint32_t i = 0; i < m->layer_count; i++) {
        const json *config = m->layers[i].config, *inside = json_path(config, "layer.config");
        if (json_boolean(json_get(config, "stateful"), false)) return false;
        if (json_boolean(json_get(inside, "stateful"), false)) return false;
    }
    return true;
}

static const json *rows_freed(builder *b, const json *config)
{
    const json *shape = json_get(config, "batch_shape");
    config_edit e;

    if (shape == NULL || shape->kind != JSON_ARRAY || shape->count == 0) return config;
    json *items = json_items_new(b->home, shape->count), *result = region_new(b->home, json, 1);
    if (items == NULL || result == NULL) return builder_no_memory(b, "input"), NULL;
    memcpy(items, shape->as.items, shape->count * sizeof *items);
    items[0] = json_of_null();
    edit_begin(&e, b->home, config);
    edit_set(&e, "batch_shape", json_of_array(items, shape->count));
    return edit_finish(&e, result) ? result : (builder_no_memory(b, "input"), NULL);
}

/* The layer in the builder. Inputs have no weights: they may get another name. */
static uint32_t layer_take(taking *t, uint32_t index)
{
    builder *b = t->b;
    const layer_config *from = &t->config->layers[index];
    const char *name = from->name;

    if (t->layers[index] != NONE) return t->layers[index];
    if (is_input(from) && builder_layer_find(b, name) != NONE)
        name = builder_default_name(b, "InputLayer");
    builder_layer *layer = name == NULL ? NULL : builder_layer_add(b, name);
    if (layer == NULL) return NONE;
    layer->config = *from;
    layer->config.name = name;
    layer->config.calls = NULL;
    layer->config.call_count = 0;
    layer->source = t->from->id;
    layer->source_layer = from->name;
    if (is_input(from) && rows_are_free(t->config))
        layer->config.config = rows_freed(b, from->config);
    if (layer->config.config == NULL) return NONE;
    t->layers[index] = b->layer_count - 1;
    if (t->frozen && !builder_trainable_set(b, t->layers[index], false)) return NONE;
    return t->layers[index];
}

/* A node among the arguments that is not listed yet; false when all of them are. Recursion:
 * ARGUMENT_DEPTH_MAX, as the configuration was read. */
static bool missing_find(const taking *t, const argument *a, tensor_ref *missing)
{
    if (a->kind == ARGUMENT_TENSOR) {
        *missing = a->ref;
        return t->nodes[a->ref.layer][a->ref.node] == NONE;
    }
    for (uint32_t i = 0; a->kind == ARGUMENT_LIST && i < a->item_count; i++) {
        if (missing_find(t, &a->items[i], missing)) return true;
    }
    return false;
}

/* Recursion: as above. False: no memory. */
static bool argument_take(const taking *t, const argument *from, argument *to)
{
    *to = *from;
    if (from->kind == ARGUMENT_TENSOR)
        to->ref = (tensor_ref){t->nodes[from->ref.layer][from->ref.node], 0, from->ref.tensor};
    if (from->kind != ARGUMENT_LIST) return true;
    to->items = region_new(t->b->home, argument, (size_t)from->item_count + 1);
    for (uint32_t i = 0; to->items != NULL && i < from->item_count; i++) {
        if (!argument_take(t, &from->items[i], &to->items[i])) return false;
    }
    return to->items != NULL;
}

static bool node_take(taking *t, tensor_ref ref)
{
    builder *b = t->b;
    const layer_config *from = &t->config->layers[ref.layer];
    const call_config none = {0}, *call = is_input(from) ? &none : &from->calls[ref.node];
    argument *arguments = region_new(b->home, argument, (size_t)call->argument_count + 1);
    const uint32_t layer = layer_take(t, ref.layer);

    if (layer == NONE) return false;
    for (uint32_t i = 0; arguments != NULL && i < call->argument_count; i++) {
        if (!argument_take(t, &call->arguments[i], &arguments[i])) arguments = NULL;
    }
    if (arguments == NULL) return builder_no_memory(b, from->name);
    const call_config taken = {arguments, call->argument_count};
    t->nodes[ref.layer][ref.node] = builder_node_add(b, layer, &taken);
    return builder_good(b);
}

static bool call_missing(const taking *t, tensor_ref ref, tensor_ref *missing)
{
    const layer_config *layer = &t->config->layers[ref.layer];

    if (is_input(layer)) return false;
    const call_config *call = &layer->calls[ref.node];
    for (uint32_t i = 0; i < call->argument_count; i++) {
        if (missing_find(t, &call->arguments[i], missing)) return true;
    }
    return false;
}

static uint64_t calls_count(const model_config *m)
{
    uint64_t count = m->layer_count;

    for (uint32_t i = 0; i < m->layer_count; i++) count += m->layers[i].call_count;
    return count;
}

/* Depth first: what a call needs is listed before it. */
static bool nodes_list(taking *t, tensor_ref wanted)
{
    const uint64_t capacity = calls_count(t->config) + 1;
    tensor_ref *stack = region_new(t->b->home, tensor_ref, (size_t)capacity);
    uint64_t height = 0;

    t->list = region_new(t->b->home, tensor_ref, (size_t)capacity);
    if (stack == NULL || t->list == NULL) return builder_no_memory(t->b, t->config->name);
    stack[height++] = wanted;
    while (height > 0) {
        const tensor_ref top = stack[height - 1];
        tensor_ref missing;
        if (t->nodes[top.layer][top.node] == NONE && call_missing(t, top, &missing)) {
            if (height == capacity) {
                return builder_fail(t->b, EBB_E_FORMAT, t->config->name,
                                    "the model's layers need each other in a circle");
            }
            stack[height++] = missing;
            continue;
        }
        if (t->nodes[top.layer][top.node] == NONE) t->list[t->list_count++] = top;
        t->nodes[top.layer][top.node] = LISTED;
        height--;
    }
    return true;
}

/* Inputs come first, in the model's order. */
static bool nodes_take(taking *t, tensor_ref wanted)
{
    const model_config *m = t->config;

    if (!nodes_list(t, wanted)) return false;
    for (uint32_t i = 0; i < m->input_count; i++) {
        const tensor_ref ref = m->inputs[i].ref;
        if (t->nodes[ref.layer][ref.node] == LISTED && !node_take(t, ref)) return false;
    }
    for (uint64_t i = 0; i < t->list_count; i++) {
        const tensor_ref ref = t->list[i];
        if (t->nodes[ref.layer][ref.node] == LISTED && !node_take(t, ref)) return false;
    }
    return true;
}

static bool end_find(taking *t, const ebb_import_options *o, tensor_ref *end)
{
    const model_config *m = t->config;
    char names[160];

    if (o->layer == NULL) {
        if (o->tensor < m->output_count) {
            *end = m->outputs[o->tensor].ref;
            return true;
        }
        return builder_fail(t->b, EBB_E_ARGUMENT, m->name,
                            "there is no output %u; the model has %u", o->tensor, m->output_count);
    }
    nearest n = nearest_begin(o->layer);
    for (uint32_t i = 0; i < m->layer_count; i++) {
        *end = (tensor_ref){i, 0, o->tensor};
        if (strcmp(m->layers[i].name, o->layer) == 0) return true;
        nearest_consider(&n, m->layers[i].name);
    }
    return builder_fail(t->b, EBB_E_NOT_FOUND, m->name,
                        "the model has no layer '%.80s'; nearest are %s", o->layer,
                        nearest_text(&n, names, sizeof names));
}

ebb_tensor builder_import(builder *b, model *from, const ebb_import_options *options)
{
    const ebb_tensor none = {0};
    tensor_ref end = {0};
    taking t = {.b = b, .from = from, .frozen = options->frozen};

    t.config = config_take(b, from);
    if (t.config == NULL || !end_find(&t, options, &end) || !taking_open(&t)) return none;
    const layer_config *last = &t.config->layers[end.layer];
    if (!is_input(last) && last->call_count == 0) {
        builder_fail(b, EBB_E_ARGUMENT, last->name, "the layer is never called");
        return none;
    }
    if (!nodes_take(&t, end)) return none;
    return builder_tensor_make(b, t.nodes[end.layer][end.node], end.tensor);
}

/* -- a whole model as a layer ------------------------------------------------------------------ */

uint32_t builder_model_make(builder *b, model *from, const char *name)
{
    model_config *config = config_take(b, from);

    if (config == NULL) return NONE;
    name = region_text(b->home, name != NULL ? name : config->name);
    if (name == NULL) return builder_no_memory(b, config->name), NONE;
    builder_layer *layer = builder_layer_add(b, name);
    if (layer == NULL) return NONE;
    config->name = name;
    layer->source = from->id;
    layer->config.class_name = config->class_name;
    layer->config.module = json_text(json_get(config->source, "module"), "keras");
    layer->config.config = json_get(config->source, "config");
    layer->config.model = config;
    return b->layer_count - 1;
}
