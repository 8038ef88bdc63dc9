/* object.c -- see object.h. */
#include "train/object.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* `length` characters of `one` against all of `other`. */
static bool part_matches(const char *one, size_t length, const char *other)
{
    for (size_t i = 0; i < length; i++) {
        if (one[i] == '_') continue;
        while (*other == '_') other++;
        if (lower(one[i]) != lower(*other)) return false;
        other++;
    }
    while (*other == '_') other++;
    return *other == '\0';
}

bool train_name_matches(const char *one, const char *other)
{
    return part_matches(one, strlen(one), other);
}

static const char *without_package(const char *name)
{
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '>' || *at == '.') name = at + 1;
    }
    return name;
}

bool train_entry_matches(const train_entry *entry, const char *name)
{
    name = without_package(name);
    if (train_name_matches(entry->name, name)) return true;
    for (const char *at = entry->aliases; at != NULL;) {
        const char *end = strchr(at, '|');
        if (part_matches(at, end != NULL ? (size_t)(end - at) : strlen(at), name)) return true;
        at = end != NULL ? end + 1 : NULL;
    }
    return false;
}

const train_entry *train_entry_find(const train_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (train_entry_matches(table->entries[i], name)) return table->entries[i];
    }
    return NULL;
}

const char *train_object_name(const json *given, const json **config)
{
    *config = NULL;
    if (given == NULL) return NULL;
    if (given->kind == JSON_STRING) return given->as.string;
    if (given->kind != JSON_OBJECT) return NULL;
    const char *name = json_text(json_get(given, "class_name"), NULL);
    const json *inner = json_get(given, "config");
    if (name != NULL && strcmp(name, "function") == 0) return json_text(inner, NULL);
    if (!json_is_null(inner)) *config = inner;
    return name;
}

ebb_status train_object_form_fail(const train_table *table, const json *given, const char *where,
                                  ebb_error *error)
{
    char text[80];

    return fail(error, EBB_E_FORMAT, where,
                "expected the name of a %s or an object with class_name and config, found %s",
                table->kind, json_describe(given, text, sizeof text));
}

static ebb_status unknown(const train_table *table, const char *where, const char *name,
                          ebb_error *error)
{
    char known[320] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < table->count && used < sizeof known; i++) {
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                                 table->entries[i]->name);
    }
    return fail(error, EBB_E_UNSUPPORTED, where, "no %s is called '%.60s'; there are %s",
                table->kind, name, known);
}

static ebb_status object_make(const train_table *table, region *home, const char *name,
                              const json *config, const char *where, train_object *result,
                              ebb_error *error)
{
    *result = (train_object){0};
    const train_entry *const entry = train_entry_find(table, name);
    if (entry == NULL) return unknown(table, where, name, error);
    void *const made = region_alloc(home, 1, entry->config_bytes > 0 ? entry->config_bytes : 1);
    if (made == NULL) return region_fail(home, error, where, entry->name);
    ebb_status status = fields_read(entry->name, entry->fields, config, where, made, error);
    if (status == EBB_OK && entry->check != NULL) status = entry->check(made, where, error);
    if (status == EBB_OK) *result = (train_object){entry, made};
    return status;
}

ebb_status train_object_read(const train_table *table, region *home, const json *given,
                             const char *where, train_object *result, ebb_error *error)
{
    const json *config;
    const char *name = train_object_name(given, &config);
    if (name == NULL) {
        *result = (train_object){0};
        return train_object_form_fail(table, given, where, error);
    }
    return object_make(table, home, name, config, where, result, error);
}

ebb_status train_object_named(const train_table *table, region *home, const char *name,
                              const char *where, train_object *result, ebb_error *error)
{
    return object_make(table, home, name, NULL, where, result, error);
}

ebb_status train_range_fail(ebb_error *error, const char *where, const char *key, const char *what,
                            double number)
{
    return fail(error, EBB_E_ARGUMENT, where, "%s: expected %s, got %.9g", key, what, number);
}
