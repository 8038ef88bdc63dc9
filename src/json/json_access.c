/* json_access.c -- look-ups in a JSON tree. None can fail: a missing or strange value is the
 * default. */
#include <string.h>

#include "json/json.h"

/* From the end: of equal keys the last one counts. */
static const json *member_find(const json *object, const char *key, size_t length)
{
    if (object == NULL || object->kind != JSON_OBJECT) return NULL;
    for (uint32_t i = object->count; i > 0; i--) {
        const json_member *member = &object->as.members[i - 1];
        if (strncmp(member->key, key, length) == 0 && member->key[length] == '\0') {
            return &member->value;
        }
    }
    return NULL;
}

const json *json_get(const json *object, const char *key)
{
    return key != NULL ? member_find(object, key, strlen(key)) : NULL;
}

const json *json_path(const json *object, const char *dotted_path)
{
    if (dotted_path == NULL) return NULL;
    for (const char *key = dotted_path; object != NULL;) {
        const size_t length = strcspn(key, ".");
        object = member_find(object, key, length);
        if (key[length] == '\0') break;
        key += length + 1;
    }
    return object;
}

const json *json_item(const json *array, uint32_t index)
{
    if (array == NULL || array->kind != JSON_ARRAY || index >= array->count) return NULL;
    return &array->as.items[index];
}

bool json_is_null(const json *value)
{
    return value == NULL || value->kind == JSON_NULL;
}

const char *json_text(const json *value, const char *otherwise)
{
    return value != NULL && value->kind == JSON_STRING ? value->as.string : otherwise;
}

int64_t json_integer(const json *value, int64_t otherwise)
{
    if (value == NULL) return otherwise;
    if (value->kind == JSON_INTEGER) return value->as.integer;
    if (value->kind != JSON_NUMBER) return otherwise;
    const double number = value->as.number;
    if (!(number >= -0x1p63 && number < 0x1p63)) return otherwise;
    const int64_t integer = (int64_t)number;
    return (double)integer == number ? integer : otherwise;
}

double json_number(const json *value, double otherwise)
{
    if (value == NULL) return otherwise;
    if (value->kind == JSON_INTEGER) return (double)value->as.integer;
    return value->kind == JSON_NUMBER ? value->as.number : otherwise;
}

bool json_boolean(const json *value, bool otherwise)
{
    if (value == NULL) return otherwise;
    if (value->kind == JSON_BOOL) return value->as.boolean;
    const int64_t integer = json_integer(value, -1);
    return integer == 0 || integer == 1 ? integer == 1 : otherwise;
}

bool json_is_text(const json *value, const char *text)
{
    const char *found = json_text(value, NULL);
    return found != NULL && text != NULL && strcmp(found, text) == 0;
}

const char *json_kind_name(json_kind kind)
{
    static const char *const names[] = {"null",   "bool",  "integer", "number",
                                        "string", "array", "object"};
    return (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}
