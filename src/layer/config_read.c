/* config_read.c -- reads a layer's JSON configuration by its table of fields.
 *
 * Every fault names the layer, the key, what was expected and what was found. Nothing is kept of
 * the JSON but pointers into it, so the JSON must live as long as the config struct. */
#include "layer/layer.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

typedef struct config_reader {
    const char *name;
    const layer_field *fields;
    const char *where;
    char *base;
    ebb_error *error;
} config_reader;

/* Keys that any layer may carry and that say nothing about inference. */
static const char ignored_keys[] =
    "name|trainable|dtype|autocast|batch_shape|batch_input_shape|input_shape|input_dtype|build_"
    "config|"
    "activity_regularizer|seed|input_length|synchronized|fused|virtual_batch_size|implementation|"
    "use_cudnn|use_cudnn_on_gpu";
static const char *const ignored_suffixes[] = {"_initializer", "_regularizer", "_constraint"};

char *json_describe(const json *given, char *text, uint32_t capacity)
{
    if (json_is_null(given)) {
        snprintf(text, capacity, "null");
        return text;
    }
    switch (given->kind) {
    case JSON_BOOL: snprintf(text, capacity, "%s", given->as.boolean ? "true" : "false"); break;
    case JSON_INTEGER:
        snprintf(text, capacity, "integer %lld", (long long)given->as.integer);
        break;
    case JSON_NUMBER: snprintf(text, capacity, "number %.9g", given->as.number); break;
    case JSON_STRING: snprintf(text, capacity, "string \"%.40s\"", given->as.string); break;
    case JSON_ARRAY: snprintf(text, capacity, "a list of %u", given->count); break;
    default: snprintf(text, capacity, "an object with %u keys", given->count); break;
    }
    return text;
}

static ebb_status fault(const config_reader *r, const layer_field *f, const char *expected,
                        const json *found)
{
    char text[80];
    return fail(r->error, EBB_E_FORMAT, r->where, "key '%s' of %s: expected %s, found %s", f->key,
                r->name, expected, json_describe(found, text, sizeof text));
}

/* Numbers that Keras wraps: numpy scalars, and the {"type": "ndarray", "value": x} of old files. */
static const json *number_unwrap(const json *given)
{
    if (given == NULL || given->kind != JSON_OBJECT) return given;
    const json *inner = json_path(given, "config.value");
    if (inner == NULL) inner = json_get(given, "value");
    return inner != NULL ? inner : given;
}

static const json *list_unwrap(const json *given)
{
    if (given == NULL || given->kind != JSON_OBJECT) return given;
    if (!json_is_text(json_get(given, "class_name"), "__tuple__")) return given;
    const json *items = json_get(given, "items");
    return items != NULL ? items : given;
}

/* Within 31 bits and a sign, so that layers may multiply two of them. */
static bool whole_number(const json *given, int64_t *number)
{
    if (given == NULL) return false;
    if (given->kind == JSON_INTEGER) {
        *number = given->as.integer;
        return *number >= -INT32_MAX && *number <= INT32_MAX;
    }
    if (given->kind != JSON_NUMBER) return false;
    const double d = given->as.number;
    if (!isfinite(d) || fabs(d) > INT32_MAX || d != floor(d)) return false;
    *number = (int64_t)d;
    return true;
}

static ebb_status read_i64(const config_reader *r, const layer_field *f, const json *given)
{
    int64_t *to = (int64_t *)(void *)(r->base + f->offset);
    given = number_unwrap(given);
    if (json_is_null(given)) {
        *to = (int64_t)f->otherwise;
        return EBB_OK;
    }
    return whole_number(given, to) ? EBB_OK : fault(r, f, "an integer of at most 31 bits", given);
}

static ebb_status read_f32(const config_reader *r, const layer_field *f, const json *given)
{
    float *to = (float *)(void *)(r->base + f->offset);
    given = number_unwrap(given);
    if (json_is_null(given)) {
        *to = (float)f->otherwise;
        return EBB_OK;
    }
    if (given->kind != JSON_INTEGER && given->kind != JSON_NUMBER) {
        return fault(r, f, "a number", given);
    }
    const double number = json_number(given, 0);
    if (isfinite(number) && fabs(number) > FLT_MAX) return fault(r, f, "a float32 number", given);
    *to = (float)number;
    return EBB_OK;
}

static ebb_status read_f64(const config_reader *r, const layer_field *f, const json *given)
{
    double *to = (double *)(void *)(r->base + f->offset);
    const bool is_none = f->kind == FIELD_F64_OR_NONE && given != NULL && json_is_null(given);
    given = number_unwrap(given);
    *to = is_none ? (double)NAN : f->otherwise;
    if (json_is_null(given)) return EBB_OK;
    if (given->kind != JSON_INTEGER && given->kind != JSON_NUMBER) {
        return fault(r, f, "a number", given);
    }
    *to = json_number(given, 0);
    if (isfinite(*to) && fabs(*to) <= FLT_MAX) return EBB_OK;
    return fault(r, f, "a finite float32 number", given);
}

static ebb_status read_bool(const config_reader *r, const layer_field *f, const json *given)
{
    bool *to = (bool *)(r->base + f->offset);
    if (json_is_null(given)) {
        *to = f->otherwise != 0;
        return EBB_OK;
    }
    const bool is_bit =
        given->kind == JSON_INTEGER && (given->as.integer == 0 || given->as.integer == 1);
    if (given->kind != JSON_BOOL && !is_bit) return fault(r, f, "true or false", given);
    *to = json_boolean(given, false);
    return EBB_OK;
}

static ebb_status read_text(const config_reader *r, const layer_field *f, const json *given)
{
    const char **to = (const char **)(void *)(r->base + f->offset);
    if (json_is_null(given)) {
        *to = f->choices;
        return EBB_OK;
    }
    if (given->kind != JSON_STRING) return fault(r, f, "text", given);
    *to = given->as.string;
    return EBB_OK;
}

static bool same_but_case(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const char x = a[i] >= 'A' && a[i] <= 'Z' ? (char)(a[i] + 32) : a[i];
        if (x != b[i]) return false;
    }
    return a[length] == '\0';
}

static ebb_status read_choice(const config_reader *r, const layer_field *f, const json *given)
{
    uint32_t *to = (uint32_t *)(void *)(r->base + f->offset);
    if (json_is_null(given)) {
        *to = (uint32_t)f->otherwise;
        return EBB_OK;
    }
    if (given->kind == JSON_STRING) {
        uint32_t index = 0;
        for (const char *at = f->choices; at != NULL; index++) {
            const char *end = strchr(at, '|');
            const size_t bytes = end != NULL ? (size_t)(end - at) : strlen(at);
            if (same_but_case(given->as.string, at, bytes)) {
                *to = index;
                return EBB_OK;
            }
            at = end != NULL ? end + 1 : NULL;
        }
    }
    char expected[160];
    snprintf(expected, sizeof expected, "one of %s", f->choices);
    return fault(r, f, expected, given);
}

static ebb_status read_ints(const config_reader *r, const layer_field *f, const json *given)
{
    int_list *to = (int_list *)(void *)(r->base + f->offset);
    to->count = 0;
    const json *list = list_unwrap(number_unwrap(given));
    if (json_is_null(list)) return EBB_OK;
    if (whole_number(list, &to->items[0])) {
        to->count = 1;
        return EBB_OK;
    }
    if (list->kind != JSON_ARRAY)
        return fault(r, f, "an integer of at most 31 bits or a list of such", given);
    for (uint32_t i = 0; i < list->count; i++) {
        const json *item = list_unwrap(&list->as.items[i]);
        const bool is_list = item->kind == JSON_ARRAY;
        const uint32_t inner = is_list ? item->count : 1;
        for (uint32_t j = 0; j < inner; j++) {
            const json *number = is_list ? &item->as.items[j] : item;
            if (to->count == INT_LIST_MAX) return fault(r, f, "at most 16 integers", given);
            int64_t *slot = &to->items[to->count++];
            if (json_is_null(number))
                *slot = INT_LIST_NULL;
            else if (!whole_number(number, slot))
                return fault(r, f, "a list of integers of at most 31 bits", number);
        }
    }
    return EBB_OK;
}

static ebb_status read_activation(const config_reader *r, const layer_field *f, const json *given)
{
    activation *to = (activation *)(void *)(r->base + f->offset);
    char where[200];
    snprintf(where, sizeof where, "%s, key '%s'", r->where, f->key);
    if (given == NULL && f->choices != NULL)
        return activation_named(f->choices, where, to, r->error);
    return activation_read(given, where, to, r->error);
}

static ebb_status read_json(const config_reader *r, const layer_field *f, const json *given)
{
    if (f->kind == FIELD_TRAINING && f->offset == 0) return EBB_OK;
    *(const json **)(void *)(r->base + f->offset) = json_is_null(given) ? NULL : given;
    return EBB_OK;
}

static ebb_status read_field(const config_reader *r, const layer_field *f, const json *given)
{
    if (f->required && json_is_null(given)) {
        return fail(r->error, EBB_E_FORMAT, r->where,
                    "key '%s' is missing; %s cannot do without it", f->key, r->name);
    }
    switch (f->kind) {
    case FIELD_I64: return read_i64(r, f, given);
    case FIELD_F32: return read_f32(r, f, given);
    case FIELD_BOOL: return read_bool(r, f, given);
    case FIELD_TEXT: return read_text(r, f, given);
    case FIELD_CHOICE: return read_choice(r, f, given);
    case FIELD_ACTIVATION: return read_activation(r, f, given);
    case FIELD_INTS: return read_ints(r, f, given);
    case FIELD_JSON:
    case FIELD_TRAINING: return read_json(r, f, given);
    case FIELD_GIVEN: *(const json **)(void *)(r->base + f->offset) = given; return EBB_OK;
    case FIELD_F64:
    case FIELD_F64_OR_NONE: return read_f64(r, f, given);
    }
    return fail(r->error, EBB_E_INTERNAL, r->where, "key '%s' has no kind", f->key);
}

static bool ends_with(const char *text, const char *suffix)
{
    const size_t length = strlen(text), tail = strlen(suffix);
    return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

static bool key_is_known(const layer_field *fields, const char *key)
{
    for (const layer_field *f = fields; f != NULL && f->key != NULL; f++) {
        if (strcmp(f->key, key) == 0) return true;
    }
    for (size_t i = 0; i < sizeof ignored_suffixes / sizeof ignored_suffixes[0]; i++) {
        if (ends_with(key, ignored_suffixes[i])) return true;
    }
    return name_among(ignored_keys, key);
}

static bool says_nothing(const json *given)
{
    if (json_is_null(given)) return true;
    if (given->kind == JSON_BOOL) return !given->as.boolean;
    return (given->kind == JSON_ARRAY || given->kind == JSON_OBJECT) && given->count == 0;
}

static ebb_status check_keys(const config_reader *r, const json *object)
{
    for (uint32_t i = 0; i < object->count; i++) {
        const json_member *m = &object->as.members[i];
        if (says_nothing(&m->value) || key_is_known(r->fields, m->key)) continue;
        char text[80];
        return fail(
            r->error, EBB_E_UNSUPPORTED, r->where,
            "%s has the key '%.60s' (%s), which is not known here; it may change the result, "
            "so it is not ignored",
            r->name, m->key, json_describe(&m->value, text, sizeof text));
    }
    return EBB_OK;
}

ebb_status fields_read(const char *name, const layer_field *fields, const json *object,
                       const char *where, void *config, ebb_error *error)
{
    const config_reader r = {name, fields, where, config, error};
    if (object != NULL && object->kind != JSON_OBJECT) {
        return fail(error, EBB_E_FORMAT, where, "the config of %s is %s, not an object", name,
                    json_kind_name(object->kind));
    }
    for (const layer_field *f = fields; f != NULL && f->key != NULL; f++) {
        const ebb_status status = read_field(&r, f, json_get(object, f->key));
        if (status != EBB_OK) return status;
    }
    return object != NULL ? check_keys(&r, object) : EBB_OK;
}

ebb_status layer_config_read(const layer_def *def, region *home, const json *object,
                             const char *where, void *config, ebb_error *error)
{
    (void)home;
    return fields_read(def->name, def->fields, object, where, config, error);
}
