/* build_layer.c -- a class name and arguments into a layer, checked as far as it can be without the
 * layers around it: the class, every key, every value, initializers, regularizers, constraints, and
 * the layers inside.
 *
 * Keys are those of the layer table; a *_regularizer and a *_constraint go with every
 * *_initializer. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/keras/config_edit.h"
#include "format/keras/upgrade.h"
#include "runtime/model_builder.h"
#include "tensor/dtype.h"
#include "train/constraint/constraint.h"
#include "train/initializer/initializer.h"
#include "train/nearest.h"
#include "train/regularizer/regularizer.h"

#define NONE          UINT32_MAX
#define NAME_MAX_TEXT 96

static const char initializer_end[] = "_initializer";

/* -- keys -------------------------------------------------------------------------------------- */

/* What every layer takes. */
static const char *const common_keys[] = {"name", "trainable", "dtype", "activity_regularizer",
                                          "autocast"};

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), own = strlen(end);
    return length >= own && strcmp(text + length - own, end) == 0;
}

/* "kernel" of "kernel_initializer" with another end: the keys that go with an initializer. */
static bool companion(const char *key, const char *end, char name[NAME_MAX_TEXT])
{
    const size_t stem = strlen(key) - (sizeof initializer_end - 1);
    const int length = snprintf(name, NAME_MAX_TEXT, "%.*s%s", (int)stem, key, end);
    return length > 0 && length < NAME_MAX_TEXT;
}

static bool key_fits(const layer_field *f, const char *key)
{
    char name[NAME_MAX_TEXT];

    if (strcmp(f->key, key) == 0) return true;
    if (!ends_with(f->key, initializer_end)) return false;
    return (companion(f->key, "_regularizer", name) && strcmp(name, key) == 0) ||
           (companion(f->key, "_constraint", name) && strcmp(name, key) == 0);
}

static bool key_is_known(const layer_def *def, const char *key)
{
    for (size_t i = 0; i < sizeof common_keys / sizeof common_keys[0]; i++) {
        if (strcmp(common_keys[i], key) == 0) return true;
    }
    for (const layer_field *f = def->fields; f != NULL && f->key != NULL; f++) {
        if (key_fits(f, key)) return true;
    }
    /* Of Keras, and without meaning where there is one processor. */
    return strcmp(key, "seed") == 0 || strcmp(key, "synchronized") == 0;
}

static bool key_fail(builder *b, const layer_def *def, const char *where, const char *key)
{
    char names[200], companions[2 * NEAREST_COUNT][NAME_MAX_TEXT];
    nearest n = nearest_begin(key);
    uint32_t count = 0;

    for (const layer_field *f = def->fields; f != NULL && f->key != NULL; f++) {
        nearest_consider(&n, f->key);
        if (!ends_with(f->key, initializer_end) || count + 2 > 2 * NEAREST_COUNT) continue;
        if (companion(f->key, "_regularizer", companions[count]))
            nearest_consider(&n, companions[count++]);
        if (companion(f->key, "_constraint", companions[count]))
            nearest_consider(&n, companions[count++]);
    }
    for (size_t i = 0; i < sizeof common_keys / sizeof common_keys[0]; i++)
        nearest_consider(&n, common_keys[i]);
    return builder_fail(b, EBB_E_ARGUMENT, where,
                        "%s has no argument '%.60s'; nearest are %s (ebb_layer_field_read() lists "
                        "all)",
                        def->name, key, nearest_text(&n, names, sizeof names));
}

static bool keys_check(builder *b, const layer_def *def, const char *where, const json *config)
{
    for (uint32_t i = 0; i < config->count; i++) {
        const char *key = config->as.members[i].key;
        if (!key_is_known(def, key)) return key_fail(b, def, where, key);
    }
    return true;
}

/* -- values ------------------------------------------------------------------------------------ */

/* Initializers and the like, which layers only keep. */
static bool objects_check(builder *b, region *work, const char *where, const json *config)
{
    train_object object;
    char place[200];

    for (uint32_t i = 0; i < config->count && builder_good(b); i++) {
        const json_member *m = &config->as.members[i];
        if (json_is_null(&m->value)) continue;
        snprintf(place, sizeof place, "%.100s, argument '%.60s'", where, m->key);
        if (ends_with(m->key, initializer_end + 1)) {
            initializer_read(work, &m->value, place, &object, &b->error);
        } else if (ends_with(m->key, "regularizer")) {
            regularizer_read(work, &m->value, place, &object, &b->error);
        } else if (ends_with(m->key, "constraint")) {
            constraint_read(work, &m->value, place, &object, &b->error);
        }
    }
    return builder_good(b);
}

static bool config_check(builder *b, const layer_def *def, const char *where, const json *config)
{
    ebb_dtype compute, variable;
    region *work = region_open(b->home, "check", EBB_CLASS_META, 0);
    void *read = work == NULL ? NULL : region_alloc(work, 1, (size_t)def->config_bytes + 1);

    if (read == NULL) {
        builder_no_memory(b, where);
    } else if (layer_policy_read(config, where, &compute, &variable, &b->error) == EBB_OK &&
               layer_config_read(def, work, config, where, read, &b->error) == EBB_OK) {
        objects_check(b, work, where, config);
    }
    region_close(work);
    return builder_good(b);
}

/* -- classes ----------------------------------------------------------------------------------- */

static bool class_fail(builder *b, const char *where, const char *class_name)
{
    char names[160];
    nearest n = nearest_begin(class_name);

    for (uint32_t i = 0; i < layer_table_count(); i++)
        nearest_consider(&n, layer_table_at(i)->name);
    return builder_fail(b, EBB_E_UNSUPPORTED, where,
                        "there is no layer class '%.60s'; nearest are %s", class_name,
                        nearest_text(&n, names, sizeof names));
}

/* Finds the class; for one that is known but cannot run, the reason why. */
static const layer_def *class_find(builder *b, const char *where, const char *class_name)
{
    const layer_config config = {.class_name = class_name, .module = "keras.layers"};
    const layer_def *def = layer_find(class_name);

    if (def != NULL || !builder_good(b)) return def;
    ebb_error reason = {0};
    (void)layer_resolve(&config, where, &def, &reason);
    if (strstr(reason.text, "is not supported") == NULL && reason.status != EBB_OK)
        b->error = reason;
    else
        class_fail(b, where, class_name);
    return NULL;
}

static const char child_keys[] = "|layer|backward_layer|forward_layer|cell|cells|";

static bool children_check(builder *b, const char *where, const json *config, uint32_t depth);

/* A layer inside another's arguments. */
static bool child_check(builder *b, const char *where, const char *key, const json *object,
                        uint32_t depth)
{
    char place[200];
    const char *class_name = json_text(json_get(object, "class_name"), NULL);
    const json *config = json_get(object, "config");

    if (class_name == NULL || class_is_model(class_name) || config == NULL ||
        config->kind != JSON_OBJECT) {
        return true;
    }
    snprintf(place, sizeof place, "%.120s, argument '%.60s'", where, key);
    const layer_def *def = class_find(b, place, class_name);
    return def != NULL && keys_check(b, def, place, config) &&
           config_check(b, def, place, config) && children_check(b, place, config, depth + 1);
}

/* Recursion: WRAPPER_DEPTH_MAX. */
static bool children_check(builder *b, const char *where, const json *config, uint32_t depth)
{
    if (depth > WRAPPER_DEPTH_MAX)
        return builder_fail(b, EBB_E_UNSUPPORTED, where, "layers are wrapped too deep");
    for (uint32_t i = 0; i < config->count; i++) {
        const json_member *m = &config->as.members[i];
        if (!name_in(child_keys, m->key)) continue;
        if (m->value.kind == JSON_OBJECT && !child_check(b, where, m->key, &m->value, depth))
            return false;
        for (uint32_t k = 0; m->value.kind == JSON_ARRAY && k < m->value.count; k++) {
            if (!child_check(b, where, m->key, &m->value.as.items[k], depth)) return false;
        }
    }
    return true;
}

/* -- names of layers inside -------------------------------------------------------------------- */

static bool children_name(builder *b, const json *config, uint32_t depth, json *result);

/* Keras makes the inner layer first, so it takes its default name before the outer one. */
static bool child_name(builder *b, const json *object, uint32_t depth, json *result)
{
    const char *class_name = json_text(json_get(object, "class_name"), NULL);
    const json *config = json_get(object, "config");
    json inner;
    config_edit e;

    *result = *object;
    if (class_name == NULL || class_is_model(class_name) || layer_find(class_name) == NULL ||
        config == NULL || config->kind != JSON_OBJECT) {
        return true;
    }
    if (!children_name(b, config, depth + 1, &inner)) return false;
    if (json_is_null(json_get(config, "name"))) {
        const char *name = builder_default_name(b, layer_find(class_name)->name);
        if (name == NULL) return false;
        edit_begin(&e, b->home, &inner);
        edit_set(&e, "name", json_of_text(name));
        if (!edit_finish(&e, &inner)) return builder_no_memory(b, class_name);
    }
    edit_begin(&e, b->home, object);
    edit_set(&e, "config", inner);
    return edit_finish(&e, result) || builder_no_memory(b, class_name);
}

/* Recursion: WRAPPER_DEPTH_MAX. */
static bool children_name(builder *b, const json *config, uint32_t depth, json *result)
{
    config_edit e;

    *result = *config;
    if (depth > WRAPPER_DEPTH_MAX) return true;
    edit_begin(&e, b->home, config);
    for (uint32_t i = 0; i < config->count; i++) {
        const json_member *m = &config->as.members[i];
        json value = m->value;
        if (!name_in(child_keys, m->key)) continue;
        if (m->value.kind == JSON_OBJECT && !child_name(b, &m->value, depth, &value)) return false;
        if (m->value.kind == JSON_ARRAY) {
            json *items = json_items_new(b->home, m->value.count);
            if (items == NULL) return builder_no_memory(b, "layer");
            for (uint32_t k = 0; k < m->value.count; k++) {
                if (!child_name(b, &m->value.as.items[k], depth, &items[k])) return false;
            }
            value = json_of_array(items, m->value.count);
        }
        edit_set(&e, m->key, value);
    }
    return edit_finish(&e, result) || builder_no_memory(b, "layer");
}

/* -- layers ------------------------------------------------------------------------------------ */

/* What Keras writes for every layer. */
static const json *config_complete(builder *b, const layer_def *def, const json *given,
                                   const char *name)
{
    config_edit e;
    json *result = region_new(b->home, json, 1);

    edit_begin(&e, b->home, given);
    edit_set(&e, "name", json_of_text(name));
    if (edit_get(&e, "trainable") == NULL) edit_set(&e, "trainable", json_of_boolean(true));
    if (edit_get(&e, "dtype") == NULL && strcmp(def->family, "preprocessing") != 0)
        edit_set(&e, "dtype", json_of_text("float32"));
    if (result == NULL || !edit_finish(&e, result)) return builder_no_memory(b, name), NULL;
    return result;
}

/* "layer dense (Dense)" in messages before it has its name. */
static const char *layer_name(builder *b, const layer_def *def, const json *given)
{
    const json *name = json_get(given, "name");

    if (json_is_null(name)) return builder_default_name(b, def->name);
    if (name->kind == JSON_STRING) return name->as.string;
    builder_fail(b, EBB_E_ARGUMENT, def->name, "name: expected a text, found %s",
                 json_kind_name(name->kind));
    return NULL;
}

/* Keras's Input(shape=..., batch_size=...) in terms of the configuration. */
static const json *input_arguments(builder *b, const json *given)
{
    const json *dims = json_get(given, "shape"), *rows = json_get(given, "batch_size");
    config_edit e;

    edit_begin(&e, b->home, given);
    if (dims != NULL && dims->kind == JSON_ARRAY) {
        json *items = json_items_new(b->home, dims->count + 1);
        if (items == NULL) return builder_no_memory(b, "InputLayer"), NULL;
        items[0] = rows != NULL ? *rows : json_of_null();
        if (dims->count > 0) memcpy(items + 1, dims->as.items, dims->count * sizeof *items);
        edit_set(&e, "batch_shape", json_of_array(items, dims->count + 1));
        edit_remove(&e, "shape");
        edit_remove(&e, "batch_size");
    }
    json *result = region_new(b->home, json, 1);
    if (result == NULL || !edit_finish(&e, result)) return builder_no_memory(b, "InputLayer"), NULL;
    if (json_is_null(edit_get(&e, "batch_shape"))) {
        builder_fail(b, EBB_E_ARGUMENT, "InputLayer", "the argument 'shape' is missing");
        return NULL;
    }
    return result;
}

static const json *input_complete(builder *b, const json *given, const char *name)
{
    config_edit e;
    json *result = region_new(b->home, json, 1);

    edit_begin(&e, b->home, given);
    edit_remove(&e, "trainable");
    edit_set(&e, "name", json_of_text(name));
    if (json_is_null(edit_get(&e, "dtype"))) edit_set(&e, "dtype", json_of_text("float32"));
    if (result == NULL || !edit_finish(&e, result)) return builder_no_memory(b, name), NULL;
    return result;
}

uint32_t builder_layer_make(builder *b, const char *class_name, const char *arguments)
{
    if (!builder_good(b)) return NONE;
    if (class_name == NULL) {
        builder_fail(b, EBB_E_ARGUMENT, "layer", "expected the name of a layer class, got NULL");
        return NONE;
    }
    const layer_def *def = class_find(b, class_name, class_name);
    const json *given = def == NULL ? NULL : builder_arguments_read(b, arguments, class_name);
    const bool is_input = def != NULL && strcmp(def->name, "InputLayer") == 0;
    if (given != NULL && is_input) given = input_arguments(b, given);
    json named;
    if (given != NULL && given->kind == JSON_OBJECT)
        given = children_name(b, given, 0, &named) ? &named : NULL;
    const char *name = given == NULL ? NULL : layer_name(b, def, given);
    if (name == NULL || !keys_check(b, def, name, given)) return NONE;
    const json *config =
        is_input ? input_complete(b, given, name) : config_complete(b, def, given, name);
    if (config == NULL || !config_check(b, def, name, config) ||
        !children_check(b, name, config, 0)) {
        return NONE;
    }
    builder_layer *layer = builder_layer_add(b, name);
    if (layer == NULL) return NONE;
    layer->config.class_name = def->name;
    layer->config.config = config;
    return b->layer_count - 1;
}

uint32_t builder_input_make(builder *b, const char *name, ebb_dtype dtype, uint32_t rank,
                            const int64_t *dims)
{
    static const char where[] = "ebb_build_input";
    config_edit e;

    if (!builder_good(b)) return NONE;
    if (name != NULL && name[0] != '\0')
        name = region_text(b->home, name);
    else
        name = builder_default_name(b, "InputLayer");
    if (name == NULL) return builder_no_memory(b, where), NONE;
    if (ebb_dtype_bytes(dtype) == 0 || rank >= EBB_RANK_MAX || (rank > 0 && dims == NULL)) {
        builder_fail(b, EBB_E_ARGUMENT, name,
                     "expected a data type, at most %d axes without rows, and their lengths",
                     EBB_RANK_MAX - 1);
        return NONE;
    }
    json *items = json_items_new(b->home, rank + 1), *config = region_new(b->home, json, 1);
    for (uint32_t i = 0; items != NULL && i < rank; i++) {
        items[i + 1] = dims[i] < 0 ? json_of_null() : json_of_integer(dims[i]);
    }
    edit_begin(&e, b->home, NULL);
    edit_set(&e, "name", json_of_text(name));
    if (items != NULL) edit_set(&e, "batch_shape", json_of_array(items, rank + 1));
    edit_set(&e, "dtype", json_of_text(ebb_dtype_name(dtype)));
    if (items == NULL || config == NULL || !edit_finish(&e, config))
        return builder_no_memory(b, name), NONE;
    builder_layer *layer = builder_layer_add(b, name);
    if (layer == NULL) return NONE;
    layer->config.class_name = "InputLayer";
    layer->config.config = config;
    return b->layer_count - 1;
}

/* -- trainable --------------------------------------------------------------------------------- */

static const json *object_with(builder *b, const json *object, const char *key, json value)
{
    config_edit e;
    json *result = region_new(b->home, json, 1);

    edit_begin(&e, b->home, object);
    edit_set(&e, key, value);
    if (result == NULL || !edit_finish(&e, result)) return builder_no_memory(b, "layer"), NULL;
    return result;
}

bool builder_trainable_set(builder *b, uint32_t index, bool is_trainable)
{
    layer_config *layer = &b->layers[index].config;
    const json flag = json_of_boolean(is_trainable);

    if (strcmp(layer->class_name, "InputLayer") == 0 || layer->is_operation) return true;
    layer->config = object_with(b, layer->config, "trainable", flag);
    if (layer->config == NULL || layer->model == NULL) return layer->config != NULL;
    const json *source = object_with(b, layer->model->source, "config", *layer->config);
    if (source != NULL) layer->model->source = source;
    return source != NULL;
}
