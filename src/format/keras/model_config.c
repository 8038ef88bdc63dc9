/* model_config.c -- reads one model object: Functional here, Sequential in sequential.c.
 *
 * Source: keras/src/models/functional.py (functional_from_config),
 * tf_keras/src/engine/functional.py (reconstruct_from_config), keras/engine/topology.py of Keras 1
 * and 2. */
#include "format/keras/model_config.h"

#include <string.h>

#include "base/status.h"
#include "format/keras/model_reader.h"
#include "format/keras/upgrade.h"
#include "format/order.h"

ebb_status reader_no_memory(model_reader *r, const char *what)
{
    return region_fail(r->home, r->error, r->where, what);
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(((const layer_name *)a)->name, ((const layer_name *)b)->name);
}

uint32_t reader_layer(const model_reader *r, const char *name)
{
    uint32_t low = 0, high = r->model->layer_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = strcmp(r->names[middle].name, name);
        if (order == 0) return r->names[middle].index;
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return UINT32_MAX;
}

static ebb_status names_sort(model_reader *r)
{
    const uint32_t count = r->model->layer_count;
    r->names = region_new(r->home, layer_name, (size_t)count + 1);
    if (r->names == NULL) return reader_no_memory(r, "the names of layers");
    for (uint32_t i = 0; i < count; i++) r->names[i] = (layer_name){r->model->layers[i].name, i};
    order_sort(r->names, count, sizeof *r->names, name_compare);
    for (uint32_t i = 1; i < count; i++) {
        if (strcmp(r->names[i - 1].name, r->names[i].name) != 0) continue;
        return fail(r->error, EBB_E_FORMAT, r->where, "two layers have the name '%.120s'",
                    r->names[i].name);
    }
    return EBB_OK;
}

static ebb_status layers_read(model_reader *r, const json *layers)
{
    model_config *m = r->model;

    if (layers == NULL || layers->kind != JSON_ARRAY) {
        return fail(r->error, EBB_E_FORMAT, r->where, "the configuration has no list 'layers'");
    }
    if (layers->count > MODEL_LAYERS_MAX) {
        return fail(r->error, EBB_E_FORMAT, r->where, "%u layers; at most %d are read",
                    layers->count, MODEL_LAYERS_MAX);
    }
    m->layers = region_new(r->home, layer_config, (size_t)layers->count + 1);
    if (m->layers == NULL) return reader_no_memory(r, "the list of layers");
    for (uint32_t i = 0; i < layers->count; i++) {
        const ebb_status status = layer_read(r, &layers->as.items[i], i, &m->layers[i]);
        if (status != EBB_OK) return status;
        m->layer_count++;
    }
    return EBB_OK;
}

static ebb_status all_calls_read(model_reader *r, const json *layers)
{
    const char *outer = r->where;
    for (uint32_t i = 0; i < r->model->layer_count; i++) {
        layer_config *layer = &r->model->layers[i];
        if (strcmp(layer->class_name, "InputLayer") == 0 && layer->registered_name == NULL)
            continue;
        r->where = layer_where(r, i, layer->name);
        ebb_status status = calls_read(r, json_get(&layers->as.items[i], "inbound_nodes"), layer);
        if (status == EBB_OK && tf_operation_is(layer->class_name))
            status = tf_operation_convert(r, layer);
        if (status != EBB_OK) return status;
    }
    r->where = outer;
    return EBB_OK;
}

static ebb_status functional_read(model_reader *r, const json *config)
{
    const json *layers = json_get(config, "layers");
    model_config *m = r->model;

    m->class_name = "Functional";
    ebb_status status = layers_read(r, layers);
    if (status == EBB_OK) status = names_sort(r);
    if (status == EBB_OK) status = all_calls_read(r, layers);
    if (status == EBB_OK) {
        status = ports_read(r, json_get(config, "input_layers"), "input_layers", &m->inputs,
                            &m->input_count);
    }
    if (status == EBB_OK) {
        status = ports_read(r, json_get(config, "output_layers"), "output_layers", &m->outputs,
                            &m->output_count);
    }
    if (status == EBB_OK) status = nodes_settle(r);
    return status;
}

static ebb_status class_check(region *home, const json *object, const char *class_name,
                              ebb_error *error)
{
    bool failed;
    const char *custom = custom_class(home, object, &failed);
    if (failed) return region_fail(home, error, "config", "a class name");
    if (custom != NULL || !class_is_model(class_name)) {
        return fail(
            error, EBB_E_UNSUPPORTED, "config",
            "the model's class %.120s (%.120s) is custom Python code, which is never run; save a "
            "Functional or Sequential model",
            class_name,
            custom != NULL ? custom : json_text(json_get(object, "module"), "no module"));
    }
    return EBB_OK;
}

ebb_status model_read(region *home, const json *object, uint32_t keras_major, uint32_t depth,
                      model_config **result, ebb_error *error)
{
    const char *class_name = json_text(json_get(object, "class_name"), NULL);
    const json *config = json_get(object, "config");

    *result = NULL;
    if (class_name == NULL || config == NULL) {
        return fail(error, EBB_E_FORMAT, "config",
                    "not a Keras model: expected an object with class_name and config");
    }
    if (depth > MODEL_DEPTH_MAX) {
        return fail(error, EBB_E_FORMAT, "config", "models are nested more than %d deep",
                    MODEL_DEPTH_MAX);
    }
    ebb_status status = class_check(home, object, class_name, error);
    if (status != EBB_OK) return status;
    model_config *m = region_new(home, model_config, 1);
    if (m == NULL) return region_fail(home, error, "config", "a model");
    m->source = object;
    const bool is_sequential = strcmp(class_name, "Sequential") == 0;
    m->name = json_text(json_get(config, "name"), NULL);
    if (m->name == NULL)
        m->name = json_text(json_get(object, "name"), is_sequential ? "sequential" : "model");
    model_reader r = {.home = home,
                      .keras_major = keras_major,
                      .depth = depth,
                      .model = m,
                      .where = m->name,
                      .error = error};
    status = is_sequential ? sequential_read(&r, config, object) : functional_read(&r, config);
    if (status == EBB_OK) *result = m;
    return status;
}

ebb_status model_config_read(region *home, const json *object, uint32_t keras_major,
                             model_config **result, ebb_error *error)
{
    return model_read(home, object, keras_major, 1, result, error);
}

/* -- telling the version ----------------------------------------------------------------------- */

static bool has_any(const json *object, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (json_get(object, keys[i]) != NULL) return true;
    }
    return false;
}

uint32_t model_config_major(const json *object)
{
    static const char *const first[] = {"border_mode",
                                        "W_regularizer",
                                        "inner_activation",
                                        "nb_filter",
                                        "dim_ordering",
                                        "input_dtype",
                                        "p"};
    const json *config = json_get(object, "config");
    const json *layers =
        config != NULL && config->kind == JSON_ARRAY ? config : json_get(config, "layers");

    if (layers == NULL || layers->kind != JSON_ARRAY) return 3;
    for (uint32_t i = 0; i < layers->count; i++) {
        const json *layer = &layers->as.items[i], *inner = json_get(layer, "config");
        const json *node = json_item(json_get(layer, "inbound_nodes"), 0);
        if (has_any(inner, first, sizeof first / sizeof first[0])) return 1;
        if (node != NULL && node->kind == JSON_OBJECT && json_get(node, "args") != NULL) return 3;
        if (json_get(inner, "batch_shape") != NULL || json_path(inner, "dtype.class_name") != NULL)
            return 3;
    }
    return 2;
}
