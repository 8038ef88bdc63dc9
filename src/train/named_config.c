/* named_config.c -- see named_config.h. */
#include "train/named_config.h"

#include <string.h>

#include "base/status.h"
#include "train/nearest.h"

ebb_status named_choose(const named_table *names, const json *given, const char *where,
                        named_choice *choice, ebb_error *error)
{
    const train_table *const table = names->table;
    char text[120];

    *choice = (named_choice){0};
    choice->word = train_object_name(given, &choice->settings);
    if (choice->word == NULL) return train_object_form_fail(table, given, where, error);
    choice->is_plain =
        given->kind == JSON_STRING || json_is_text(json_get(given, "class_name"), "function");
    const bool is_by_shape = choice->is_plain && train_entry_matches(names->by_shape, choice->word);
    choice->entry = is_by_shape ? names->by_shape : train_entry_find(table, choice->word);
    for (uint32_t i = 0; names->traced[i] != NULL && !choice->is_plain; i++) {
        if (strcmp(choice->word, names->traced[i]->name) == 0) choice->entry = names->traced[i];
    }
    if (choice->entry != NULL) return EBB_OK;
    nearest n = nearest_begin(choice->word);
    for (uint32_t i = 0; i < table->count; i++) nearest_consider(&n, table->entries[i]->name);
    return fail(error, EBB_E_UNSUPPORTED, where,
                "no %s of Keras is called '%.60s'; the nearest are %s", table->kind, choice->word,
                nearest_text(&n, text, sizeof text));
}

json named_word(const char *word)
{
    return (json){.kind = JSON_STRING, .count = (uint32_t)strlen(word), .as.string = word};
}

/* The index of "none" in "a|b|none"; -1: there is none. */
static int choice_none(const char *choices)
{
    int index = 0;

    for (const char *at = choices; at != NULL; index++) {
        const char *end = strchr(at, '|');
        const size_t bytes = end != NULL ? (size_t)(end - at) : strlen(at);
        if (bytes == 4 && memcmp(at, "none", 4) == 0) return index;
        at = end != NULL ? end + 1 : NULL;
    }
    return -1;
}

static ebb_status apply_null(const layer_field *f, const char *where, void *config,
                             ebb_error *error)
{
    const int none = f->kind == FIELD_CHOICE ? choice_none(f->choices) : -1;

    if (none >= 0) *(uint32_t *)(void *)((char *)config + f->offset) = (uint32_t)none;
    if (f->kind == FIELD_I64 && strcmp(f->key, "axis") == 0)
        return fail(error, EBB_E_UNSUPPORTED, where,
                    "key 'axis' is null (all axes at once), which is not supported here");
    return EBB_OK;
}

ebb_status named_config_fields(const char *class_name, const layer_field *fields,
                               const json *settings, const char *where, void *config,
                               ebb_error *error)
{
    ebb_status status = fields_read(class_name, fields, settings, where, config, error);

    for (const layer_field *f = fields; f != NULL && f->key != NULL && status == EBB_OK; f++) {
        const json *given = json_get(settings, f->key);
        if (given != NULL && given->kind == JSON_NULL) status = apply_null(f, where, config, error);
    }
    return status;
}

ebb_status named_config_dtype(const json *settings, const char *where, bool *is_integer,
                              ebb_error *error)
{
    const char *name = json_text(json_get(settings, "dtype"), "float32");
    ebb_dtype compute = EBB_DTYPE_NONE, variable = EBB_DTYPE_NONE;

    if (is_integer != NULL) {
        *is_integer = name_among("int|int32|int64", name);
        if (*is_integer) return EBB_OK;
    }
    const ebb_status status = layer_policy_read(settings, where, &compute, &variable, error);
    if (status != EBB_OK || compute == EBB_F32) return status;
    return fail(error, EBB_E_UNSUPPORTED, where,
                "its dtype is '%.40s'; losses and metrics are computed in float32", name);
}
