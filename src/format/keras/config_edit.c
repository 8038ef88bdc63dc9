/* config_edit.c -- copies of JSON objects with fields renamed, set and removed. */
#include "format/keras/config_edit.h"

#include <string.h>

static json_member *member_find(const config_edit *e, const char *key)
{
    for (uint32_t i = e->count; i > 0; i--) {
        if (strcmp(e->members[i - 1].key, key) == 0) return &e->members[i - 1];
    }
    return NULL;
}

static bool grow(config_edit *e)
{
    if (e->failed) return false;
    if (e->count < e->capacity) return true;
    const uint32_t capacity = e->capacity + e->capacity / 2 + 8;
    json_member *members =
        capacity <= CONFIG_FIELDS_MAX + 64 ? region_new(e->home, json_member, capacity) : NULL;
    if (members == NULL) {
        e->failed = true;
        return false;
    }
    if (e->count > 0) memcpy(members, e->members, e->count * sizeof *members);
    e->members = members;
    e->capacity = capacity;
    return true;
}

void edit_begin(config_edit *e, region *home, const json *object)
{
    *e = (config_edit){.home = home};
    if (object == NULL || object->kind != JSON_OBJECT) return;
    e->offset = object->offset;
    if (object->count > CONFIG_FIELDS_MAX) {
        e->failed = true;
        return;
    }
    e->capacity = object->count + 8;
    e->members = region_new(home, json_member, e->capacity);
    if (e->members == NULL) {
        e->failed = true;
        return;
    }
    for (uint32_t i = 0; i < object->count; i++) {
        const json_member *m = &object->as.members[i];
        json_member *earlier = member_find(e, m->key);
        if (earlier == NULL) {
            e->members[e->count++] = *m;
        } else {
            earlier->value = m->value;
        }
    }
}

const json *edit_get(const config_edit *e, const char *key)
{
    const json_member *m = member_find(e, key);
    return m == NULL ? NULL : &m->value;
}

void edit_set(config_edit *e, const char *key, json value)
{
    json_member *m = member_find(e, key);
    if (m != NULL) {
        m->value = value;
    } else if (grow(e)) {
        e->members[e->count++] = (json_member){key, value};
    }
}

void edit_remove(config_edit *e, const char *key)
{
    json_member *m = member_find(e, key);
    if (m == NULL) return;
    const size_t index = (size_t)(m - e->members);
    memmove(m, m + 1, (e->count - index - 1) * sizeof *m);
    e->count--;
}

void edit_rename(config_edit *e, const char *from, const char *to)
{
    json_member *m = member_find(e, from);
    if (m == NULL) return;
    const json value = m->value;
    const bool taken = !json_is_null(edit_get(e, to));
    edit_remove(e, from);
    if (!taken) edit_set(e, to, value);
}

bool edit_finish(const config_edit *e, json *result)
{
    *result = (json){.kind = JSON_OBJECT, .offset = e->offset, .count = e->count};
    result->as.members = e->members;
    return !e->failed;
}

json json_of_null(void)
{
    return (json){.kind = JSON_NULL};
}

json json_of_boolean(bool boolean)
{
    json value = {.kind = JSON_BOOL};
    value.as.boolean = boolean;
    return value;
}

json json_of_integer(int64_t integer)
{
    json value = {.kind = JSON_INTEGER};
    value.as.integer = integer;
    return value;
}

json json_of_number(double number)
{
    json value = {.kind = JSON_NUMBER};
    value.as.number = number;
    return value;
}

json json_of_text(const char *text)
{
    json value = {.kind = JSON_STRING, .count = (uint32_t)strlen(text)};
    value.as.string = text;
    return value;
}

json json_of_array(const json *items, uint32_t count)
{
    json value = {.kind = JSON_ARRAY, .count = count};
    value.as.items = items;
    return value;
}

json *json_items_new(region *home, uint32_t count)
{
    return region_new(home, json, count > 0 ? count : 1);
}
