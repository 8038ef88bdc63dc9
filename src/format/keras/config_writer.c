/* config_writer.c -- values, and layers inside the configs of layers, in Keras 3's terms.
 *
 * Source: keras/src/saving/serialization_lib.py. */
#include "format/keras/config_writer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/keras/model_config.h"
#include "format/keras/upgrade.h"

static const char layer_keys[] = "|layer|backward_layer|forward_layer|cell|cells|layers|activation|"
                                 "recurrent_activation|";
static const char lora_keys[] = "|lora_rank|lora_alpha|";

void config_refuse(config_writer *c, const char *format, ...)
{
    char text[sizeof(((ebb_error *)0)->text)];
    va_list arguments;

    if (c->status != EBB_OK) return;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0) text[0] = '\0';
    va_end(arguments);
    c->status = fail(c->error, EBB_E_UNSUPPORTED, c->where, "%s", text);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), own = strlen(end);
    return length >= own && strcmp(text + length - own, end) == 0;
}

/* The module of the objects that stand under a key; NULL: not known. */
static const char *module_under(const char *key)
{
    if (key == NULL) return NULL;
    if (ends_with(key, "_initializer")) return "keras.initializers";
    if (ends_with(key, "_regularizer")) return "keras.regularizers";
    return ends_with(key, "_constraint") ? "keras.constraints" : NULL;
}

/* -- values ------------------------------------------------------------------------------------ */

/* Keras 3 wants names without slashes. */
void config_name_put(config_writer *c, const char *name)
{
    char *clean = strchr(name, '/') == NULL ? NULL : region_text(c->home, name);

    for (char *at = clean; at != NULL && *at != '\0'; at++) {
        if (*at == '/') *at = '_';
    }
    if (clean == NULL && strchr(name, '/') != NULL) c->text->failed = true;
    text_json_string(c->text, clean != NULL ? clean : name);
}

static void string_put(config_writer *c, const json *value)
{
    if (c->is_upgraded && strcmp(value->as.string, "hard_sigmoid_keras2") == 0) {
        config_refuse(c, "uses hard_sigmoid as Keras 1 and 2 defined it, clip(0.2 x + 0.5), which "
                         "Keras 3 does not have; a file of Keras 2 can be saved as .h5, which "
                         "keeps its configuration");
    }
    text_json_string(c->text, value->as.string);
}

void config_members_put(config_writer *c, const json *object, const char *without, bool is_first)
{
    for (uint32_t i = 0; i < object->count; i++) {
        const json_member *m = &object->as.members[i];
        if (name_in(without, m->key)) continue;
        if (!is_first) text_put(c->text, ", ");
        is_first = false;
        text_json_string(c->text, m->key);
        text_put(c->text, ": ");
        config_value_put(c, m->key, &m->value);
    }
}

void config_fields_put(config_writer *c, const char *class_name, const json *config,
                       const char *without, bool is_first)
{
    const char *outer = c->class_name;

    c->class_name = class_name;
    for (uint32_t i = 0; i < config->count; i++) {
        const json_member *m = &config->as.members[i];
        const char *key = name_in(without, m->key) ? NULL : common_key(c, m->key, &m->value);
        if (key == NULL) continue;
        if (!is_first) text_put(c->text, ", ");
        is_first = false;
        text_json_string(c->text, key);
        text_put(c->text, ": ");
        config_value_put(c, m->key, &m->value);
    }
    c->class_name = outer;
}

/* Parts of a layer's config that differ between versions and mean nothing when they are null. */
static void part_config_put(config_writer *c, const json *config)
{
    const bool drops_dtype = c->keras_major < 3;
    bool is_first = true;

    for (uint32_t i = 0; i < config->count; i++) {
        const json_member *m = &config->as.members[i];
        if (drops_dtype && strcmp(m->key, "dtype") == 0) continue;
        if (name_in("|input_axes|output_axes|", m->key) && json_is_null(&m->value)) continue;
        if (!is_first) text_put(c->text, ", ");
        is_first = false;
        text_json_string(c->text, m->key);
        text_put(c->text, ": ");
        config_value_put(c, NULL, &m->value);
    }
}

/* An initializer and the like; those of TensorFlow 1 and 2 name a data type, which Keras 3's do
 * not take. */
static void part_put(config_writer *c, const char *module, const json *object)
{
    const char *own = json_text(json_get(object, "module"), NULL);
    const bool has_module = c->grammar == GRAMMAR_KERAS_3;

    text_put(c->text, "{");
    if (has_module) {
        text_put(c->text, "\"module\": ");
        text_json_string(c->text, own != NULL && c->keras_major >= 3 ? own : module);
        text_put(c->text, ", ");
    }
    text_put(c->text, "\"class_name\": ");
    text_json_string(c->text, common_part_class(c, json_text(json_get(object, "class_name"), "")));
    text_put(c->text, ", \"config\": {");
    part_config_put(c, json_get(object, "config"));
    text_put(c->text, has_module ? "}, \"registered_name\": null}" : "}}");
}

static void object_put(config_writer *c, const char *key, const json *object)
{
    const char *class_name = json_text(json_get(object, "class_name"), NULL);
    const json *config = json_get(object, "config");
    const bool is_object = c->is_upgraded && class_name != NULL && config != NULL;

    if (is_object && strcmp(class_name, "function") == 0 && config->kind == JSON_STRING) {
        string_put(c, config);
    } else if (is_object && config->kind == JSON_OBJECT && module_under(key) != NULL) {
        part_put(c, module_under(key), object);
    } else if (is_object && config->kind == JSON_OBJECT && key != NULL &&
               name_in(layer_keys, key)) {
        config_layer_put(c, object);
    } else {
        text_put(c->text, "{");
        config_members_put(c, object, "||", true);
        text_put(c->text, "}");
    }
}

/* Recursion: the depth of the document, which json_read() bounds. */
void config_value_put(config_writer *c, const char *key, const json *value)
{
    if (c->status != EBB_OK || c->text->failed) return;
    if (c->drops_lora && key != NULL && name_in(lora_keys, key)) {
        text_put(c->text, "null");
    } else if (value->kind == JSON_STRING) {
        string_put(c, value);
    } else if (value->kind == JSON_OBJECT) {
        object_put(c, key, value);
    } else if (value->kind == JSON_ARRAY) {
        text_put(c->text, "[");
        for (uint32_t i = 0; i < value->count; i++) {
            if (i > 0) text_put(c->text, ", ");
            config_value_put(c, key, &value->as.items[i]);
        }
        text_put(c->text, "]");
    } else {
        text_json_value(c->text, value);
    }
}

/* -- layers in configs ------------------------------------------------------------------------- */

static void inner_model_put(config_writer *c, const json *object)
{
    model_config *m = NULL;

    c->status = model_config_read(c->home, object, c->keras_major, &m, c->error);
    if (c->status != EBB_OK) return;
    config_model_begin(c, m);
    text_put(c->text, "}");
}

void config_layer_put(config_writer *c, const json *object)
{
    const char *class_name = json_text(json_get(object, "class_name"), "");
    const char *module = json_text(json_get(object, "module"), "");
    const json *build = json_get(object, "build_config");

    if (class_is_model(class_name)) {
        if (c->grammar == GRAMMAR_COMMON) config_refuse(c, "holds a model");
        inner_model_put(c, object);
        return;
    }
    common_class_check(c, class_name);
    text_put(c->text, "{\"module\": ");
    text_json_string(c->text, c->keras_major >= 3 && module[0] != '\0' ? module : "keras.layers");
    text_put(c->text, ", \"class_name\": ");
    text_json_string(c->text, class_name);
    text_put(c->text, ", \"config\": {");
    config_fields_put(c, class_name, json_get(object, "config"), "||", true);
    text_put(c->text, "}, \"registered_name\": null");
    if (c->keras_major >= 3 && c->grammar == GRAMMAR_KERAS_3 && !json_is_null(build)) {
        text_put(c->text, ", \"build_config\": ");
        config_value_put(c, NULL, build);
    }
    text_put(c->text, "}");
}
