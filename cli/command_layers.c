/* command_layers.c -- `ebb layers`: the layer table, or one layer with its configuration keys. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "json_output.h"
#include "session.h"
#include "table.h"

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const ebb_layer_info *)a)->name, ((const ebb_layer_info *)b)->name);
}

typedef struct layer_list {
    ebb_layer_info *items;
    uint32_t count;
} layer_list;

static bool list_make(layer_list *list)
{
    *list = (layer_list){.count = ebb_layer_count()};
    list->items = calloc(list->count + 1U, sizeof *list->items);
    for (uint32_t i = 0; list->items != NULL && i < list->count; i++)
        ebb_layer_read(i, &list->items[i]);
    if (list->items != NULL)
        qsort(list->items, list->count, sizeof *list->items, compare_names);
    else
        complain("no memory for the list of layers");
    return list->items != NULL;
}

/* -- all layers ---------------------------------------------------------------------- */

static int show_all(const layer_list *list, bool is_json)
{
    json_output j = {0};
    table t;

    if (is_json)
        json_array(&j, NULL);
    else
        table_open(&t, "layer|family|>keys|other names");
    for (uint32_t i = 0; i < list->count; i++) {
        const ebb_layer_info *layer = &list->items[i];
        if (is_json) {
            json_object(&j, NULL);
            json_text(&j, "name", layer->name);
            json_text(&j, "family", layer->family);
            json_count(&j, "keys", layer->fields);
            json_text(&j, "aliases", layer->aliases);
            json_object_end(&j);
            continue;
        }
        table_add(&t, "%s", layer->name);
        table_add(&t, "%s", layer->family);
        table_add(&t, "%" PRIu32, layer->fields);
        table_add(&t, "%s", layer->aliases != NULL ? layer->aliases : "");
    }
    if (is_json) {
        json_array_end(&j);
        return EXIT_DONE;
    }
    table_close(&t);
    printf("\n%" PRIu32 " layers. `ebb layers NAME` shows the keys of one.\n", list->count);
    return EXIT_DONE;
}

/* -- one layer ----------------------------------------------------------------------- */

/* Is `name` one of "A|B"? */
static bool is_among(const char *names, const char *name)
{
    const size_t length = strlen(name);

    for (const char *at = names; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, name, length) == 0 && (at[length] == 0 || at[length] == '|')) return true;
    }
    return false;
}

static bool layer_find(const char *name, uint32_t *index, ebb_layer_info *layer)
{
    for (*index = 0; ebb_layer_read(*index, layer); ++*index) {
        if (strcmp(layer->name, name) == 0 || is_among(layer->aliases, name)) return true;
    }
    return false;
}

/* What a key is when the file does not say; empty when it must. */
static void default_text(const ebb_layer_field *field, char *text, size_t capacity)
{
    const char *at = field->choices;

    text[0] = 0;
    if (field->required) return;
    if (strcmp(field->kind, "bool") == 0) {
        snprintf(text, capacity, field->otherwise != 0 ? "true" : "false");
    } else if (strcmp(field->kind, "integer") == 0 || strcmp(field->kind, "number") == 0) {
        snprintf(text, capacity, "%.7g", field->otherwise);
    } else if (at != NULL) {
        for (int skip = (int)field->otherwise; skip > 0 && at != NULL; skip--) {
            at = strchr(at, '|');
            at += at != NULL;
        }
        if (at != NULL) snprintf(text, capacity, "%.*s", (int)strcspn(at, "|"), at);
    }
}

static void show_fields(uint32_t index)
{
    ebb_layer_field field;
    table t;

    table_open(&t, "key|kind|default|choices");
    for (uint32_t i = 0; ebb_layer_field_read(index, i, &field); i++) {
        char text[64];
        default_text(&field, text, sizeof text);
        table_add(&t, "%s", field.key);
        table_add(&t, "%s", field.kind);
        table_add(&t, "%s", field.required ? "(required)" : text);
        table_add(&t, "%s", field.choices != NULL ? field.choices : "");
    }
    table_close(&t);
}

static void show_fields_json(const ebb_layer_info *layer, uint32_t index)
{
    json_output j = {0};
    ebb_layer_field field;

    json_object(&j, NULL);
    json_text(&j, "name", layer->name);
    json_text(&j, "family", layer->family);
    json_text(&j, "aliases", layer->aliases);
    json_array(&j, "keys");
    for (uint32_t i = 0; ebb_layer_field_read(index, i, &field); i++) {
        char text[64];
        default_text(&field, text, sizeof text);
        json_object(&j, NULL);
        json_text(&j, "key", field.key);
        json_text(&j, "kind", field.kind);
        json_bool(&j, "required", field.required);
        json_text(&j, "default", text[0] != 0 ? text : NULL);
        json_text(&j, "choices", field.choices);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
}

static const char *layer_name_at(void *context, uint32_t index)
{
    ebb_layer_info layer;

    (void)context;
    return ebb_layer_read(index, &layer) ? layer.name : NULL;
}

static int show_one(const char *name, bool is_json)
{
    ebb_layer_info layer;
    uint32_t index = 0;

    if (!layer_find(name, &index, &layer)) {
        const char *nearest = text_nearest(name, layer_name_at, NULL);
        complain("no layer '%s'%s%s%s; `ebb layers` lists all", name,
                 nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
                 nearest != NULL ? "'?" : "");
        return EXIT_NO;
    }
    if (is_json) {
        show_fields_json(&layer, index);
        return EXIT_DONE;
    }
    printf("%s, family %s%s%s\n\n", layer.name, layer.family,
           layer.aliases != NULL ? ", also " : "", layer.aliases != NULL ? layer.aliases : "");
    if (layer.fields == 0)
        printf("It has no configuration keys of its own.\n");
    else
        show_fields(index);
    return EXIT_DONE;
}

static int run(const invocation *call)
{
    layer_list list;

    if (call->word_count == 1) return show_one(call->words[0], call->is_json);
    if (!list_make(&list)) return EXIT_FAILED;
    const int code = show_all(&list, call->is_json);
    free(list.items);
    return code;
}

const command command_layers = {
    .name = "layers",
    .summary = "the Keras layers that ebb knows, or one with its keys",
    .usage = "[NAME] [options]",
    .help = "Without a name, lists every Keras layer class that can be loaded. With one,\n"
            "its configuration keys, their kinds, defaults and choices. Status 1: there is\n"
            "no such layer.",
    .example = "  ebb layers\n"
               "  ebb layers Conv2D",
    .words_min = 0,
    .words_max = 1,
    .uses = USES_JSON,
    .run = run,
};
