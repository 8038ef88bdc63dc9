/* sequential.c -- Sequential: a chain of layers. The configuration has no calls; they are made
 * here, and an InputLayer where the file has none.
 *
 * The list may stand bare (Keras up to 2.2) or as {"name", "layers", "build_input_shape"}. In
 * Keras 1 the weights of Sequentials inside a Sequential are saved flat, and the first layer may
 * be a Merge that holds its branches; so there both are spliced into one model.
 * Source: keras/src/models/sequential.py, keras/models.py of Keras 1.2.2 and 2.2.4.
 */
#include <string.h>

#include "base/status.h"
#include "format/keras/config_edit.h"
#include "format/keras/model_reader.h"
#include "format/keras/upgrade.h"

#define SPLICE_DEPTH_MAX 16

typedef struct chain {
    model_reader *r;
    uint32_t capacity; /* of layers and of inputs */
    tensor_ref tail;   /* output of the last layer so far */
    bool has_tail;
    const json *probed; /* the object `probe` was read from, to be used in its place */
    layer_config probe;
} chain;

static const json *layer_list(const json *config)
{
    return config->kind == JSON_ARRAY ? config : json_get(config, "layers");
}

static bool splices(const chain *c, const json *object)
{
    return c->r->keras_major == 1 && json_is_text(json_get(object, "class_name"), "Sequential");
}

static const json *branches(const chain *c, const json *object)
{
    if (c->r->keras_major > 2 || !json_is_text(json_get(object, "class_name"), "Merge"))
        return NULL;
    return json_path(object, "config.layers");
}

/* An upper bound of layers: every list item and one input a chain. Recursion: SPLICE_DEPTH_MAX. */
static uint64_t layers_count(const chain *c, const json *list, uint32_t depth)
{
    uint64_t count = 1;
    if (list == NULL || list->kind != JSON_ARRAY || depth > SPLICE_DEPTH_MAX) return 1;
    for (uint32_t i = 0; i < list->count; i++) {
        const json *object = &list->as.items[i], *inner = branches(c, object);
        count++;
        if (splices(c, object))
            count += layers_count(c, layer_list(json_get(object, "config")), depth + 1);
        for (uint32_t k = 0; inner != NULL && inner->kind == JSON_ARRAY && k < inner->count; k++) {
            const json *config = json_get(&inner->as.items[k], "config");
            if (config != NULL) count += layers_count(c, layer_list(config), depth + 1);
        }
    }
    return count;
}

/* -- the input --------------------------------------------------------------------------------- */

/* (batch, ...) from input_shape without batch, or from input_dim and input_length; else null. */
static ebb_status shape_from_parts(model_reader *r, const json *config, const char *class_name,
                                   json *shape)
{
    const json *inner = json_get(config, "input_shape"), *dim = json_get(config, "input_dim");
    const json *length = json_get(config, "input_length");
    const bool is_embedding = strcmp(class_name, "Embedding") == 0;
    const bool is_sequence = name_in("|LSTM|GRU|SimpleRNN|Convolution1D|Conv1D|", class_name);
    const bool has_inner = inner != NULL && inner->kind == JSON_ARRAY;

    *shape = json_of_null();
    if (!has_inner && !is_embedding && json_is_null(dim)) return EBB_OK;
    json *items = json_items_new(r->home, has_inner ? inner->count + 1 : 3);
    if (items == NULL) return reader_no_memory(r, "the input shape");
    items[0] = json_of_null();
    uint32_t count = 1;
    if (has_inner) {
        memcpy(items + 1, inner->as.items, inner->count * sizeof *items);
        count += inner->count;
    } else {
        if (is_embedding || is_sequence) items[count++] = length == NULL ? json_of_null() : *length;
        if (!is_embedding) items[count++] = *dim;
    }
    *shape = json_of_array(items, count);
    return EBB_OK;
}

/* Looks for the input's shape; null if the file does not say. */
static ebb_status input_shape(model_reader *r, const json *config, const json *object,
                              const json *first, json *shape)
{
    const json *const places[] = {
        json_path(first, "config.batch_input_shape"),
        json_path(first, "config.batch_shape"),
        json_get(config, "build_input_shape"),
        json_path(object, "build_config.input_shape"),
        json_path(first, "build_config.input_shape"),
        json_path(first, "config.build_input_shape"),
        json_path(first, "config.layer.config.batch_input_shape"),
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (json_is_null(places[i])) continue;
        const ebb_status status = upgrade_value(r->home, places[i], r->where, shape, r->error);
        if (status != EBB_OK || shape->kind == JSON_ARRAY) return status;
    }
    return shape_from_parts(r, json_get(first, "config"),
                            json_text(json_get(first, "class_name"), ""), shape);
}

static const json *input_dtype(const json *first)
{
    static const char *const names[] = {"config.dtype", "config.input_dtype"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json *dtype = json_path(first, names[i]);
        const char *text = json_text(dtype, "");
        if (text[0] != '\0' && strncmp(text, "mixed_", 6) != 0) return dtype;
    }
    return NULL;
}

static ebb_status input_append(chain *c, json shape, const json *dtype, const char *first_name)
{
    model_reader *r = c->r;
    layer_config *layer = &r->model->layers[r->model->layer_count];
    json *config = region_new(r->home, json, 1);
    config_edit edit;

    layer->name =
        r->keras_major >= 3 ? "input_layer" : region_format(r->home, "%s_input", first_name);
    edit_begin(&edit, r->home, NULL);
    edit_set(&edit, "name", json_of_text(layer->name != NULL ? layer->name : ""));
    edit_set(&edit, "batch_shape", shape);
    edit_set(&edit, "dtype", dtype != NULL ? *dtype : json_of_text("float32"));
    if (config == NULL || layer->name == NULL || !edit_finish(&edit, config)) {
        return reader_no_memory(r, "the input layer");
    }
    layer->class_name = "InputLayer";
    layer->module = "keras.layers";
    layer->config = config;
    return EBB_OK;
}

/* The layer last filled in takes its place as an input of the model. */
static void input_accept(chain *c)
{
    model_config *m = c->r->model;
    c->tail = (tensor_ref){m->layer_count, 0, 0};
    c->has_tail = true;
    m->inputs[m->input_count++] = (port_config){c->tail, m->layers[m->layer_count].name};
    m->layer_count++;
}

/* -- the chain --------------------------------------------------------------------------------- */

static ebb_status layer_accept(chain *c, const argument *input)
{
    model_config *m = c->r->model;
    layer_config *layer = &m->layers[m->layer_count];
    layer->calls = region_new(c->r->home, call_config, 1);
    argument *a = region_new(c->r->home, argument, 1);
    if (layer->calls == NULL || a == NULL) return reader_no_memory(c->r, "calls");
    *a = *input;
    layer->calls[0] = (call_config){a, 1};
    layer->call_count = 1;
    c->tail = (tensor_ref){m->layer_count, 0, 0};
    c->has_tail = true;
    m->layer_count++;
    return EBB_OK;
}

static ebb_status list_append(chain *c, const json *config, const json *object, uint32_t depth);

static ebb_status merge_append(chain *c, const json *object, const json *list, uint32_t depth)
{
    model_reader *r = c->r;
    argument *items =
        list->kind == JSON_ARRAY ? region_new(r->home, argument, (size_t)list->count + 1) : NULL;
    if (items == NULL)
        return fail(r->error, EBB_E_FORMAT, r->where, "a Merge layer without a list of branches");
    for (uint32_t i = 0; i < list->count; i++) {
        const json *branch = &list->as.items[i], *config = json_get(branch, "config");
        if (!json_is_text(json_get(branch, "class_name"), "Sequential") || config == NULL) {
            return fail(
                r->error, EBB_E_UNSUPPORTED, r->where,
                "a branch of a Merge layer is no Sequential model; save the model as Functional");
        }
        c->has_tail = false;
        const ebb_status status = list_append(c, config, branch, depth + 1);
        if (status != EBB_OK) return status;
        items[i] = (argument){.kind = ARGUMENT_TENSOR, .ref = c->tail};
    }
    const argument all = {.kind = ARGUMENT_LIST, .items = items, .item_count = list->count};
    const uint32_t index = r->model->layer_count;
    const ebb_status status = layer_read(r, object, index, &r->model->layers[index]);
    return status == EBB_OK ? layer_accept(c, &all) : status;
}

static ebb_status item_append(chain *c, const json *object, uint32_t depth)
{
    model_reader *r = c->r;
    model_config *m = r->model;
    const json *inner = branches(c, object);

    if (inner != NULL && !c->has_tail) return merge_append(c, object, inner, depth);
    if (splices(c, object) && json_get(object, "config") != NULL) {
        return list_append(c, json_get(object, "config"), object, depth + 1);
    }
    layer_config *layer = &m->layers[m->layer_count];
    if (object == c->probed) {
        *layer = c->probe;
    } else {
        const ebb_status status = layer_read(r, object, m->layer_count, layer);
        if (status != EBB_OK) return status;
    }
    if (strcmp(layer->class_name, "InputLayer") == 0 && layer->registered_name == NULL) {
        if (c->has_tail) {
            return fail(r->error, EBB_E_FORMAT, layer_where(r, m->layer_count, layer->name),
                        "an InputLayer in the middle of a Sequential model");
        }
        input_accept(c);
        return EBB_OK;
    }
    if (!c->has_tail) {
        return fail(r->error, EBB_E_UNSUPPORTED, layer_where(r, m->layer_count, layer->name),
                    "the model begins with %.120s, which is no layer of Keras",
                    layer->registered_name != NULL ? layer->registered_name : layer->class_name);
    }
    const argument tail = {.kind = ARGUMENT_TENSOR, .ref = c->tail};
    return layer_accept(c, &tail);
}

/* The shape and type a nested model as first layer declares. */
static void nested_input(const layer_config *layer, json *shape, const json **dtype)
{
    const model_config *inner = layer->model;
    if (inner == NULL || inner->input_count != 1) return;
    const json *config = inner->layers[inner->inputs[0].ref.layer].config;
    const json *inner_shape = json_get(config, "batch_shape");
    if (!json_is_null(inner_shape)) *shape = *inner_shape;
    *dtype = json_get(config, "dtype");
}

/* Makes the input in front of `first`, which is read ahead when only a nested model in it can tell
 * the shape. */
static ebb_status input_make(chain *c, const json *config, const json *object, const json *first)
{
    model_reader *r = c->r;
    json shape = json_of_null();
    const json *dtype = input_dtype(first);
    const char *name = json_text(json_path(first, "config.name"),
                                 json_text(json_get(first, "class_name"), "layer"));

    ebb_status status = input_shape(r, config, object, first, &shape);
    if (status != EBB_OK) return status;
    if (shape.kind != JSON_ARRAY) {
        shape = json_of_null();
        status = layer_read(r, first, r->model->layer_count + 1, &c->probe);
        if (status != EBB_OK) return status;
        c->probed = first;
        nested_input(&c->probe, &shape, &dtype);
    }
    status = input_append(c, shape, dtype, name);
    if (status == EBB_OK) input_accept(c);
    return status;
}

/* Recursion: SPLICE_DEPTH_MAX. */
static ebb_status list_append(chain *c, const json *config, const json *object, uint32_t depth)
{
    model_reader *r = c->r;
    const json *list = layer_list(config);

    if (list == NULL || list->kind != JSON_ARRAY || list->count == 0) {
        return fail(r->error, EBB_E_FORMAT, r->where, "a Sequential model without layers");
    }
    if (depth > SPLICE_DEPTH_MAX) {
        return fail(r->error, EBB_E_FORMAT, r->where,
                    "Sequential models are nested more than %d deep", SPLICE_DEPTH_MAX);
    }
    const json *first = &list->as.items[0];
    const bool has_input = json_is_text(json_get(first, "class_name"), "InputLayer");
    if (!c->has_tail && !has_input && branches(c, first) == NULL && !splices(c, first)) {
        const ebb_status status = input_make(c, config, object, first);
        if (status != EBB_OK) return status;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const ebb_status status = item_append(c, &list->as.items[i], depth);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

ebb_status sequential_read(model_reader *r, const json *config, const json *object)
{
    chain c = {.r = r};
    model_config *m = r->model;
    const uint64_t count = layers_count(&c, layer_list(config), 0);

    m->class_name = "Sequential";
    if (count > MODEL_LAYERS_MAX) {
        return fail(r->error, EBB_E_FORMAT, r->where, "more than %d layers", MODEL_LAYERS_MAX);
    }
    m->layers = region_new(r->home, layer_config, (size_t)count + 1);
    m->inputs = region_new(r->home, port_config, (size_t)count + 1);
    m->outputs = region_new(r->home, port_config, 1);
    if (m->layers == NULL || m->inputs == NULL || m->outputs == NULL)
        return reader_no_memory(r, "layers");
    const ebb_status status = list_append(&c, config, object, 0);
    if (status != EBB_OK) return status;
    if (m->input_count > MODEL_PORTS_MAX) {
        return fail(r->error, EBB_E_FORMAT, r->where, "more than %d inputs", MODEL_PORTS_MAX);
    }
    m->outputs[0] = (port_config){c.tail, m->layers[c.tail.layer].name};
    m->output_count = 1;
    return ports_name(r, m->inputs, m->input_count);
}
