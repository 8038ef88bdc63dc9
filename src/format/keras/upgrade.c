/* upgrade.c -- applies the version tables to a layer object and to the layers inside its config.
 *
 * Sources: keras/legacy/interfaces.py of Keras 2.2.4 (Keras 1 names), tf_keras and keras/src layer
 * configs. */
#include "format/keras/upgrade.h"

#include <string.h>

#include "base/status.h"

static const version_table *const tables[] = {&version_1_table, &version_2_table, &version_3_table};

/* Fields that hold layers: {"class_name", "config"}, or a list of them. */
static const char layer_fields[] =
    "|layer|backward_layer|forward_layer|cell|cells|layers|activation|recurrent_activation|";

bool name_in(const char *list, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = list; (at = strchr(at, '|')) != NULL && at[1] != '\0'; at++) {
        if (strncmp(at + 1, name, length) == 0 && at[1 + length] == '|') return true;
    }
    return false;
}

bool class_is_model(const char *class_name)
{
    return name_in("|Functional|Model|Network|Sequential|", class_name);
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool module_is_keras(const char *module)
{
    static const char *const roots[] = {"keras", "tf_keras", "tensorflow", "builtins"};
    if (module[0] == '\0') return true;
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        const size_t length = strlen(roots[i]);
        if (starts_with(module, roots[i]) && (module[length] == '.' || module[length] == '\0'))
            return true;
    }
    return false;
}

const char *custom_class(region *home, const json *object, bool *failed)
{
    const char *name = json_text(json_get(object, "class_name"), "");
    const char *module = json_text(json_get(object, "module"), "");
    const char *registered = json_text(json_get(object, "registered_name"), "");

    *failed = false;
    if (strchr(registered, '>') != NULL) return registered;
    if (strchr(name, '>') != NULL) return name;
    /* A class of Keras has a module or (in old files) no registered name. */
    if (module_is_keras(module) && (module[0] != '\0' || registered[0] == '\0')) return NULL;
    const char *text =
        region_format(home, "%.200s>%.200s", module[0] == '\0' ? "__main__" : module, name);
    *failed = text == NULL;
    return text;
}

/* -- values ------------------------------------------------------------------------------------ */

/* What `value` stands for when it is one of the wrappers of upgrade_value(); NULL otherwise. */
static const json *unwrapped(const json *value)
{
    if (value->kind != JSON_OBJECT || value->count < 2 || value->count > 4) return NULL;
    const char *class_name = json_text(json_get(value, "class_name"), "");
    if (strcmp(class_name, "__tuple__") == 0 || strcmp(class_name, "TensorShape") == 0) {
        return json_get(value, "items");
    }
    if (json_is_text(json_get(value, "type"), "ndarray")) return json_get(value, "value");
    return NULL;
}

/* Recursion: the depth of the document, which json_read() bounds. */
static bool has_wrapped(const json *value)
{
    if (value->kind == JSON_ARRAY) {
        for (uint32_t i = 0; i < value->count; i++) {
            if (has_wrapped(&value->as.items[i])) return true;
        }
    } else if (value->kind == JSON_OBJECT) {
        if (unwrapped(value) != NULL) return true;
        for (uint32_t i = 0; i < value->count; i++) {
            if (has_wrapped(&value->as.members[i].value)) return true;
        }
    }
    return false;
}

/* Recursion: as above. False: no memory. */
static bool value_copy(region *home, const json *value, json *result)
{
    const json *inner = unwrapped(value);
    if (inner != NULL) return value_copy(home, inner, result);
    *result = *value;
    if (value->kind == JSON_ARRAY) {
        json *items = json_items_new(home, value->count);
        if (items == NULL) return false;
        for (uint32_t i = 0; i < value->count; i++) {
            if (!value_copy(home, &value->as.items[i], &items[i])) return false;
        }
        result->as.items = items;
    } else if (value->kind == JSON_OBJECT && value->count > 0) {
        json_member *members = region_new(home, json_member, value->count);
        if (members == NULL) return false;
        for (uint32_t i = 0; i < value->count; i++) {
            members[i].key = value->as.members[i].key;
            if (!value_copy(home, &value->as.members[i].value, &members[i].value)) return false;
        }
        result->as.members = members;
    }
    return true;
}

ebb_status upgrade_value(region *home, const json *value, const char *where, json *result,
                         ebb_error *error)
{
    *result = *value;
    if (!has_wrapped(value)) return EBB_OK;
    if (value_copy(home, value, result)) return EBB_OK;
    return region_fail(home, error, where, "a configuration value");
}

/* -- layers ------------------------------------------------------------------------------------ */

static void table_apply(const version_table *t, upgrade_layer *layer)
{
    for (const class_rename *r = t->classes; r->from != NULL; r++) {
        if (strcmp(r->from, layer->class_name) == 0) {
            layer->class_name = r->to;
            break;
        }
    }
    for (const field_rename *f = t->fields; f->from != NULL; f++) {
        if (f->classes != NULL && !name_in(f->classes, layer->class_name)) continue;
        if (f->to == NULL) {
            edit_remove(&layer->config, f->from);
        } else {
            edit_rename(&layer->config, f->from, f->to);
        }
    }
    for (const class_conversion *c = t->conversions; c->convert != NULL; c++) {
        if (c->classes == NULL || name_in(c->classes, layer->class_name)) c->convert(layer);
    }
}

typedef struct upgrade {
    region *home;
    uint32_t keras_major, depth;
    const char *where;
    ebb_error *error;
} upgrade;

static ebb_status object_upgrade(upgrade *u, const json *object, json *result);

static bool is_layer_object(const json *value)
{
    const json *config = json_get(value, "config");
    return json_text(json_get(value, "class_name"), NULL) != NULL && config != NULL &&
           config->kind == JSON_OBJECT;
}

static ebb_status list_upgrade(upgrade *u, const json *list, json *result)
{
    json *items = json_items_new(u->home, list->count);
    if (items == NULL) return region_fail(u->home, u->error, u->where, "a list of inner layers");
    for (uint32_t i = 0; i < list->count; i++) {
        items[i] = list->as.items[i];
        if (!is_layer_object(&list->as.items[i])) continue;
        const ebb_status status = object_upgrade(u, &list->as.items[i], &items[i]);
        if (status != EBB_OK) return status;
    }
    *result = json_of_array(items, list->count);
    return EBB_OK;
}

static ebb_status children_upgrade(upgrade *u, config_edit *config)
{
    for (uint32_t i = 0; i < config->count; i++) {
        json_member *m = &config->members[i];
        ebb_status status = EBB_OK;
        if (!name_in(layer_fields, m->key)) continue;
        const json value = m->value;
        if (value.kind == JSON_ARRAY) {
            status = list_upgrade(u, &value, &m->value);
        } else if (is_layer_object(&value)) {
            status = object_upgrade(u, &value, &m->value);
        }
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

/* Recursion: WRAPPER_DEPTH_MAX. */
static ebb_status object_upgrade(upgrade *u, const json *object, json *result)
{
    const json *config = json_get(object, "config");
    const char *class_name = json_text(json_get(object, "class_name"), "");
    bool failed;

    *result = *object;
    const char *custom = custom_class(u->home, object, &failed);
    if (failed) return region_fail(u->home, u->error, u->where, "a class name");
    if (custom != NULL || class_is_model(class_name)) return EBB_OK;
    if (u->depth++ >= WRAPPER_DEPTH_MAX) {
        return fail(u->error, EBB_E_UNSUPPORTED, u->where, "layers are wrapped more than %d deep",
                    WRAPPER_DEPTH_MAX);
    }
    json clean = json_of_null();
    if (config != NULL) {
        const ebb_status status = upgrade_value(u->home, config, u->where, &clean, u->error);
        if (status != EBB_OK) return status;
    }
    upgrade_layer layer = {.class_name = class_name};
    edit_begin(&layer.config, u->home, &clean);
    const uint32_t first = u->keras_major >= 3 ? 2 : u->keras_major == 2 ? 1 : 0;
    for (uint32_t i = first; i < sizeof tables / sizeof tables[0]; i++)
        table_apply(tables[i], &layer);
    const ebb_status status = children_upgrade(u, &layer.config);
    u->depth--;
    if (status != EBB_OK) return status;
    if (layer.config.count > CONFIG_FIELDS_MAX ||
        (config != NULL && config->count > CONFIG_FIELDS_MAX)) {
        return fail(u->error, EBB_E_FORMAT, u->where, "config has more than %d fields",
                    CONFIG_FIELDS_MAX);
    }
    json new_config;
    config_edit edited;
    edit_begin(&edited, u->home, object);
    bool good = edit_finish(&layer.config, &new_config);
    edit_set(&edited, "class_name", json_of_text(layer.class_name));
    edit_set(&edited, "config", new_config);
    good = edit_finish(&edited, result) && good;
    return good ? EBB_OK : region_fail(u->home, u->error, u->where, "the layer's configuration");
}

ebb_status upgrade_layer_object(region *home, const json *object, uint32_t keras_major,
                                const char *where, json *result, ebb_error *error)
{
    upgrade u = {home, keras_major, 0, where, error};
    return object_upgrade(&u, object, result);
}
