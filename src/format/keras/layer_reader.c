/* layer_reader.c -- one layer object of a model: class, names, upgraded config, nested model. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/keras/model_reader.h"
#include "format/keras/naming.h"
#include "format/keras/upgrade.h"

const char *layer_where(model_reader *r, uint32_t index, const char *name)
{
    snprintf(r->layer_text, sizeof r->layer_text, "layers[%u] %.100s", index, name);
    return r->layer_text;
}

static ebb_status layer_name_find(model_reader *r, const json *object, uint32_t index,
                                  const char **name)
{
    *name = json_text(json_get(object, "name"), NULL);
    if (*name == NULL) *name = json_text(json_path(object, "config.name"), NULL);
    if (*name != NULL && (*name)[0] != '\0') return EBB_OK;
    char snake[96];
    keras_snake_case(json_text(json_get(object, "class_name"), "layer"), snake, sizeof snake);
    *name = region_format(r->home, "%s_%u", snake, index + 1);
    return *name != NULL ? EBB_OK : reader_no_memory(r, "a layer's name");
}

/* Operations of keras.ops say so by their module; files without modules (.h5) by the two fields
 * that every layer's config has and no operation's. */
static bool operation_is(const model_reader *r, const json *object, const char *module)
{
    if (strstr(module, ".ops.") != NULL) return true;
    const json *config = json_get(object, "config");
    return r->keras_major >= 3 && module[0] == '\0' && json_get(config, "trainable") == NULL &&
           json_get(config, "dtype") == NULL && json_get(config, "batch_shape") == NULL &&
           json_get(config, "layers") == NULL;
}

static ebb_status nested_read(model_reader *r, const json *object, layer_config *layer)
{
    const char *module = layer->module;
    ebb_status status =
        model_read(r->home, object, r->keras_major, r->depth + 1, &layer->model, r->error);
    if (status != EBB_OK) {
        fail_within(r->error, r->where);
        return status;
    }
    layer->class_name = layer->model->class_name;
    layer->module = module;
    return EBB_OK;
}

ebb_status layer_read(model_reader *r, const json *object, uint32_t index, layer_config *layer)
{
    const char *outer = r->where, *class_name = json_text(json_get(object, "class_name"), NULL);
    bool failed;

    if (class_name == NULL || class_name[0] == '\0') {
        return fail(r->error, EBB_E_FORMAT, layer_where(r, index, outer),
                    "expected a layer: an object with class_name and config");
    }
    ebb_status status = layer_name_find(r, object, index, &layer->name);
    if (status != EBB_OK) return status;
    r->where = layer_where(r, index, layer->name);
    layer->module = json_text(json_get(object, "module"), "");
    layer->registered_name = custom_class(r->home, object, &failed);
    if (failed) return reader_no_memory(r, "a class name");
    layer->build_config = json_get(object, "build_config");
    if (json_is_null(layer->build_config)) layer->build_config = NULL;
    json *upgraded = region_new(r->home, json, 1);
    if (upgraded == NULL) return reader_no_memory(r, "a layer's configuration");
    status = upgrade_layer_object(r->home, object, r->keras_major, r->where, upgraded, r->error);
    if (status != EBB_OK) return status;
    layer->class_name = json_text(json_get(upgraded, "class_name"), class_name);
    layer->config = json_get(upgraded, "config");
    if (layer->config == NULL || layer->config->kind != JSON_OBJECT) {
        json *empty = region_new(r->home, json, 1);
        if (empty == NULL) return reader_no_memory(r, "a layer's configuration");
        empty->kind = JSON_OBJECT;
        layer->config = empty;
    }
    if (layer->registered_name != NULL) {
        const char *end = strrchr(layer->class_name, '>');
        if (end != NULL) layer->class_name = end + 1;
    } else if (class_is_model(class_name)) {
        status = nested_read(r, object, layer);
    } else {
        layer->is_operation = operation_is(r, object, layer->module);
    }
    r->where = outer;
    return status;
}
