/* command_layers.c -- `ebb layers`: what ebb knows of Keras by name, a kind at a time, or one
 * object with the parameters of its constructor. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "json_output.h"
#include "session.h"
#include "table.h"

typedef struct layers_values {
    const char *kind; /* "layer", "optimizer" ...; NULL: layer */
} layers_values;

static const char *kind_name_at(void *context, uint32_t index)
{
    (void)context;
    return ebb_object_kind_name((ebb_object_kind)(index + 1));
}

/* 0 after a fault that was told. Both "loss" and "losses" will do. */
static ebb_object_kind kind_read(const char *text)
{
    if (text == NULL) return EBB_OBJECT_LAYER;
    for (ebb_object_kind kind = 1; kind < EBB_OBJECT_KIND_COUNT; kind++) {
        const char *const name = ebb_object_kind_name(kind);
        const size_t length = strlen(name);
        const char *const rest = strncmp(text, name, length) == 0 ? text + length : "-";
        if (rest[0] == 0 || strcmp(rest, "s") == 0 || strcmp(rest, "es") == 0) return kind;
    }
    const char *const nearest = text_nearest(text, kind_name_at, NULL);
    complain("no kind '%s'%s%s%s; there are layer, activation, optimizer, schedule, loss, metric, "
             "callback, initializer, regularizer and constraint",
             text, nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
             nearest != NULL ? "'?" : "");
    return 0;
}

/* -- all of a kind ---------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const ebb_object_info *)a)->name, ((const ebb_object_info *)b)->name);
}

static ebb_object_info *list_make(ebb_object_kind kind, uint32_t count)
{
    ebb_object_info *const items = calloc(count + 1U, sizeof *items);

    if (items == NULL) {
        complain("no memory for the list of %ss", ebb_object_kind_name(kind));
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) ebb_object_read(kind, i, &items[i]);
    qsort(items, count, sizeof *items, compare_names);
    return items;
}

static void show_all_json(const ebb_object_info *items, uint32_t count)
{
    json_output j = {0};

    json_array(&j, NULL);
    for (uint32_t i = 0; i < count; i++) {
        json_object(&j, NULL);
        json_text(&j, "name", items[i].name);
        json_text(&j, "symbol", items[i].symbol);
        json_text(&j, "family", items[i].family);
        json_count(&j, "keys", items[i].parameters);
        json_text(&j, "aliases", items[i].aliases);
        json_object_end(&j);
    }
    json_array_end(&j);
}

static void show_all(ebb_object_kind kind, const ebb_object_info *items, uint32_t count)
{
    const char *const name = ebb_object_kind_name(kind);
    const bool has_families = kind == EBB_OBJECT_LAYER;
    char header[64];
    table t;

    snprintf(header, sizeof header, "%s|%s|>keys|other names", name,
             has_families ? "family" : "in small letters");
    table_open(&t, header);
    for (uint32_t i = 0; i < count; i++) {
        table_add(&t, "%s", items[i].name);
        table_add(&t, "%s", has_families ? items[i].family : items[i].symbol);
        table_add(&t, "%" PRIu32, items[i].parameters);
        table_add(&t, "%s", items[i].aliases != NULL ? items[i].aliases : "");
    }
    table_close(&t);
    printf("\n%" PRIu32 " %s%s. `ebb layers NAME%s%s` shows the keys of one.\n", count, name,
           kind == EBB_OBJECT_LOSS ? "es" : "s", has_families ? "" : " --kind ",
           has_families ? "" : name);
}

/* -- one object ------------------------------------------------------------------------------- */

/* A default as it is read best: texts without their quotes. */
static void default_text(const ebb_parameter_info *p, char *text, size_t capacity)
{
    const size_t length = strlen(p->otherwise);

    if (p->required)
        snprintf(text, capacity, "(required)");
    else if (p->otherwise[0] == '"' && length >= 2)
        snprintf(text, capacity, "%.*s", (int)(length - 2), p->otherwise + 1);
    else
        snprintf(text, capacity, "%s", p->otherwise);
}

static bool is_parameter(ebb_object_kind kind, uint32_t index, const char *name)
{
    ebb_parameter_info p;

    for (uint32_t i = 0; ebb_parameter_read(kind, index, i, &p); i++) {
        if (strcmp(p.name, name) == 0) return true;
    }
    return false;
}

/* Keys that files may hold besides: those of older versions of Keras. */
static void show_other_keys(uint32_t index)
{
    ebb_layer_field field;
    uint32_t count = 0;

    for (uint32_t i = 0; ebb_layer_field_read(index, i, &field); i++) {
        if (is_parameter(EBB_OBJECT_LAYER, index, field.key)) continue;
        printf("%s%s", count++ > 0 ? ", " : "\nFiles may also hold ", field.key);
    }
    if (count > 0) printf(".\n");
}

static void show_keys(ebb_object_kind kind, uint32_t index)
{
    ebb_parameter_info p;
    char text[EBB_DEFAULT_BYTES];
    table t;

    table_open(&t, "key|kind|default|choices");
    for (uint32_t i = 0; ebb_parameter_read(kind, index, i, &p); i++) {
        default_text(&p, text, sizeof text);
        table_add(&t, "%s", p.name);
        table_add(&t, "%s", p.kind);
        table_add(&t, "%s", text);
        table_add(&t, "%s", p.choices != NULL ? p.choices : "");
    }
    table_close(&t);
}

static void show_one_json(ebb_object_kind kind, uint32_t index, const ebb_object_info *object)
{
    json_output j = {0};
    ebb_parameter_info p;

    json_object(&j, NULL);
    json_text(&j, "name", object->name);
    json_text(&j, "kind", ebb_object_kind_name(kind));
    json_text(&j, "symbol", object->symbol);
    json_text(&j, "family", object->family);
    json_text(&j, "aliases", object->aliases);
    json_bool(&j, "takes_keywords", object->takes_keywords);
    json_array(&j, "keys");
    for (uint32_t i = 0; ebb_parameter_read(kind, index, i, &p); i++) {
        json_object(&j, NULL);
        json_text(&j, "key", p.name);
        json_text(&j, "kind", p.kind);
        json_bool(&j, "required", p.required);
        json_literal(&j, "default", p.required ? "null" : p.otherwise);
        json_text(&j, "choices", p.choices);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
}

static void show_one(ebb_object_kind kind, uint32_t index, const ebb_object_info *object)
{
    if (object->family != NULL)
        printf("%s, family %s", object->name, object->family);
    else
        printf("%s, %s", object->name, ebb_object_kind_name(kind));
    printf("%s%s\n\n", object->aliases != NULL ? ", also " : "",
           object->aliases != NULL ? object->aliases : "");
    if (object->parameters == 0)
        printf("It has no configuration keys of its own.\n");
    else
        show_keys(kind, index);
    if (kind == EBB_OBJECT_LAYER) show_other_keys(index);
}

static const char *object_name_at(void *context, uint32_t index)
{
    ebb_object_info object;

    return ebb_object_read(*(const ebb_object_kind *)context, index, &object) ? object.name : NULL;
}

static void complain_unknown(ebb_object_kind kind, const char *name)
{
    uint32_t index;

    for (ebb_object_kind other = 1; other < EBB_OBJECT_KIND_COUNT; other++) {
        if (other == kind || !ebb_object_find(other, name, &index)) continue;
        complain("no %s '%s', but there is one of kind %s: --kind %s", ebb_object_kind_name(kind),
                 name, ebb_object_kind_name(other), ebb_object_kind_name(other));
        return;
    }
    const char *const nearest = text_nearest(name, object_name_at, &kind);
    complain("no %s '%s'%s%s%s; `ebb layers` lists all", ebb_object_kind_name(kind), name,
             nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
             nearest != NULL ? "'?" : "");
}

static int run(const invocation *call)
{
    const layers_values *const values = call->values;
    const ebb_object_kind kind = kind_read(values->kind);
    ebb_object_info object;
    uint32_t index = 0;

    if (kind == 0) return EXIT_USAGE;
    if (call->word_count == 0) {
        const uint32_t count = ebb_object_count(kind);
        ebb_object_info *const items = list_make(kind, count);
        if (items == NULL) return EXIT_FAILED;
        if (call->is_json)
            show_all_json(items, count);
        else
            show_all(kind, items, count);
        free(items);
        return EXIT_DONE;
    }
    if (!ebb_object_find(kind, call->words[0], &index) || !ebb_object_read(kind, index, &object)) {
        complain_unknown(kind, call->words[0]);
        return EXIT_NO;
    }
    if (call->is_json)
        show_one_json(kind, index, &object);
    else
        show_one(kind, index, &object);
    return EXIT_DONE;
}

static const option options[] = {
    {"kind", OPTION_TEXT, offsetof(layers_values, kind), "KIND",
     "layer (default), activation, optimizer, schedule, loss, metric, callback, initializer, "
     "regularizer or constraint"},
    {0},
};

const command command_layers = {
    .name = "layers",
    .summary = "the Keras layers that ebb knows, or one with its keys; other kinds too",
    .usage = "[NAME] [options]",
    .help = "Without a name, lists every Keras layer class that can be loaded. With one,\n"
            "the parameters of its constructor in Keras's order, which are its\n"
            "configuration keys: kinds, defaults and choices. --kind lists optimizers,\n"
            "losses, metrics and so on in the same way. Status 1: there is none of that\n"
            "name.",
    .example = "  ebb layers\n"
               "  ebb layers Conv2D\n"
               "  ebb layers --kind optimizer\n"
               "  ebb layers adam --kind optimizer --json",
    .options = options,
    .values_bytes = sizeof(layers_values),
    .words_min = 0,
    .words_max = 1,
    .uses = USES_JSON,
    .run = run,
};
