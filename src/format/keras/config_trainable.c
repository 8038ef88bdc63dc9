/* config_trainable.c -- the field "trainable" of every layer in a configuration of any version.
 *
 * The text of the file is edited as a tree, written and read again, so that every reader of a
 * description sees the same. Titles are those that instances get (layer/instance.c, layer/build.c):
 * names of models and layers, and attributes of layers inside layers, joined by '/'.
 * What holds layers is trainable when one of them is: a reader that lets a frozen model freeze all
 * inside it, and Keras 3, which does not, then agree. Layers without the field that take none
 * (inputs, operations) get none.
 * Source: keras/src/layers/layer.py (get_config, trainable), models/sequential.py (from_config). */
#include "format/keras/config_trainable.h"

#include <string.h>

#include "base/status.h"
#include "format/keras/naming.h"
#include "format/keras/reader.h"
#include "format/keras/upgrade.h"

typedef struct editing {
    region *home;
    const trainable_answers *answers;
    uint32_t keras_major;
    bool is_changed, no_memory;
} editing;

/* A layer or model at work. */
typedef struct owner {
    const char *class_name, *title;
    bool is_trainable; /* its own answer */
} owner;

static bool object_edit(editing *e, const json *object, const owner *outer, const char *name,
                        json *result);

static const char *joined(editing *e, const char *title, const char *name)
{
    const char *full = title[0] == '\0' ? name : region_format(e->home, "%s/%s", title, name);

    if (full == NULL) e->no_memory = true;
    return full != NULL ? full : name;
}

/* -- lists ------------------------------------------------------------------------------------- */

/* As layer_reader.c finds it; `index` counts an input that is made in front. */
static const char *layer_name_of(editing *e, const json *object, uint32_t index)
{
    const char *name = json_text(json_get(object, "name"), NULL);
    char snake[96];

    if (name == NULL) name = json_text(json_path(object, "config.name"), NULL);
    if (name != NULL && name[0] != '\0') return name;
    keras_snake_case(json_text(json_get(object, "class_name"), "layer"), snake, sizeof snake);
    name = region_format(e->home, "%s_%u", snake, index + 1);
    if (name == NULL) e->no_memory = true;
    return name != NULL ? name : "";
}

/* "cells/lstm_cell_1": objects of a list are counted by class. */
static const char *item_name(editing *e, const char *key, const json *list, uint32_t index)
{
    const char *class_name = json_text(json_get(json_item(list, index), "class_name"), "");
    char snake[96];
    uint32_t before = 0;

    keras_snake_case(class_name, snake, sizeof snake);
    for (uint32_t i = 0; i < index; i++)
        before += json_is_text(json_get(json_item(list, i), "class_name"), class_name);
    const char *name = before == 0 ? region_format(e->home, "%s/%s", key, snake)
                                   : region_format(e->home, "%s/%s_%u", key, snake, before);
    if (name == NULL) e->no_memory = true;
    return name != NULL ? name : key;
}

/* The layers of a model (`key` NULL), or objects that a layer keeps under a key. */
static bool list_edit(editing *e, const json *list, const owner *outer, const char *key,
                      json *result)
{
    const bool is_chain = strcmp(outer->class_name, "Sequential") == 0;
    const bool has_input =
        json_is_text(json_get(json_item(list, 0), "class_name"), "InputLayer") || !is_chain;
    json *items = json_items_new(e->home, list->count);
    bool any = false;

    if (items == NULL) {
        e->no_memory = true;
        return false;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const json *object = &list->as.items[i];
        const char *name = key != NULL ? item_name(e, key, list, i)
                                       : layer_name_of(e, object, has_input ? i : i + 1);
        any |= object_edit(e, object, outer, name, &items[i]);
    }
    *result = json_of_array(items, list->count);
    return any;
}

/* -- one layer --------------------------------------------------------------------------------- */

/* Keras 1 spliced the branches of a Merge, and a Sequential inside another, into the model. */
static bool is_spliced(const editing *e, const char *class_name, const owner *outer)
{
    if (strcmp(class_name, "Sequential") != 0) return false;
    if (strcmp(outer->class_name, "Merge") == 0) return e->keras_major <= 2;
    return e->keras_major == 1 && strcmp(outer->class_name, "Sequential") == 0;
}

static bool takes_flag(const editing *e, const json *object)
{
    const json *config = json_get(object, "config");
    const char *module = json_text(json_get(object, "module"), "");

    if (json_get(config, "trainable") != NULL) return true;
    if (json_is_text(json_get(object, "class_name"), "InputLayer")) return false;
    if (strstr(module, ".ops.") != NULL) return false;
    return e->keras_major < 3 || module[0] != '\0' || json_get(config, "dtype") != NULL ||
           json_get(config, "layers") != NULL;
}

static bool field_edit(editing *e, config_edit *c, const char *key, const owner *own)
{
    const json *value = edit_get(c, key);
    const bool is_layers = strcmp(key, "layers") == 0;
    const bool is_forward =
        strcmp(own->class_name, "Bidirectional") == 0 && strcmp(key, "layer") == 0;
    json edited;
    bool any = false;

    if (value == NULL || value->count == 0) return false;
    if (value->kind == JSON_ARRAY) {
        const bool is_model =
            class_is_model(own->class_name) || strcmp(own->class_name, "Merge") == 0;
        any = list_edit(e, value, own, is_layers && is_model ? NULL : key, &edited);
    } else if (json_get(value, "class_name") != NULL) {
        any = object_edit(e, value, own, is_forward ? "forward_layer" : key, &edited);
    } else {
        return false;
    }
    edit_set(c, key, edited);
    return any;
}

/* Both halves of a Bidirectional are made from "layer" where no other is given; two answers take
 * two. */
static void halves_edit(editing *e, config_edit *c, const owner *own)
{
    const json *layer = edit_get(c, "layer");
    config_edit config, half;
    json edited, backward;

    if (strcmp(own->class_name, "Bidirectional") != 0 || layer == NULL ||
        !json_is_null(edit_get(c, "backward_layer")))
        return;
    const bool is_free = json_boolean(json_path(layer, "config.trainable"), true);
    const char *title = joined(e, own->title, "backward_layer");
    if (e->answers->is_trainable(e->answers->context, title, is_free) == is_free) return;
    edit_begin(&config, e->home, json_get(layer, "config"));
    edit_set(&config, "trainable", json_of_boolean(!is_free));
    edit_set(&config, "go_backwards",
             json_of_boolean(!json_boolean(json_path(layer, "config.go_backwards"), false)));
    edit_set(&config, "name", json_of_text("backward_layer"));
    edit_begin(&half, e->home, layer);
    e->no_memory |= !edit_finish(&config, &edited);
    edit_set(&half, "config", edited);
    e->no_memory |= !edit_finish(&half, &backward);
    edit_set(c, "backward_layer", backward);
    e->is_changed = true;
}

/* The fields of a config; true: something in it is trained. */
static bool config_fields_edit(editing *e, config_edit *c, const owner *own)
{
    static const char *const keys[] = {"layers", "layer", "backward_layer", "cell", "cells"};
    bool any = false;

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) any |= field_edit(e, c, keys[i], own);
    halves_edit(e, c, own);
    return any;
}

/* Recursion: the depth of the document, which json_read() bounds. True: something in it is
 * trained. `outer` NULL: the model at the top, whose own field says nothing about its layers. */
static bool object_edit(editing *e, const json *object, const owner *outer, const char *name,
                        json *result)
{
    const json *config = json_get(object, "config");
    const bool is_free = json_boolean(json_get(config, "trainable"), true);
    owner own = {json_text(json_get(object, "class_name"), ""), "", true};
    const bool is_part = outer != NULL && is_spliced(e, own.class_name, outer);
    config_edit edit, whole;
    json edited;

    *result = *object;
    if (config == NULL || e->no_memory) return false;
    if (is_part) {
        own.title = outer->title;
        own.is_trainable = outer->is_trainable;
    } else if (outer != NULL) {
        own.title = joined(e, outer->title, name);
        own.is_trainable = e->answers->is_trainable(e->answers->context, own.title,
                                                    outer->is_trainable && is_free);
    }
    bool any;
    if (config->kind == JSON_ARRAY) {
        any = list_edit(e, config, &own, NULL, &edited);
    } else {
        edit_begin(&edit, e->home, config);
        any = config_fields_edit(e, &edit, &own);
        const bool flag = any || (outer == NULL ? is_free : own.is_trainable);
        if (flag != is_free && !is_part && takes_flag(e, object)) {
            edit_set(&edit, "trainable", json_of_boolean(flag));
            e->is_changed = true;
        }
        e->no_memory |= !edit_finish(&edit, &edited);
        any |= own.is_trainable && !class_is_model(own.class_name) && takes_flag(e, object);
    }
    edit_begin(&whole, e->home, object);
    edit_set(&whole, "config", edited);
    e->no_memory |= !edit_finish(&whole, result);
    return any;
}

ebb_status description_trainable(region *home, const description *d,
                                 const trainable_answers *answers, const description **result,
                                 ebb_error *error)
{
    editing e = {.home = home, .answers = answers, .keras_major = d->keras_major};
    description *copy = region_new(home, description, 1);
    text_writer text;
    json edited;

    *result = d;
    if (copy == NULL) return region_fail(home, error, d->path, "its configuration");
    (void)object_edit(&e, d->model->source, NULL, "", &edited);
    if (e.no_memory) return region_fail(home, error, d->path, "its configuration");
    if (!e.is_changed) return EBB_OK;
    text_begin(&text, home);
    text_json_value(&text, &edited);
    if (text.failed) return region_fail(home, error, d->path, "its configuration");
    *copy = *d;
    *result = copy;
    return description_configure(home, copy, text.text, text.length, d->path, error);
}
