/* device_text.c -- device strings: TensorFlow's DeviceSpec, whose parts stand between slashes.
 *
 *     CPU  CPU:1  job:localhost  replica:0  task:0  device:CPU:1  physical_device:CPU:1
 *
 * Source: tensorflow/python/framework/device_spec.py. Stricter in one thing: numbers are digits. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "runtime/devices.h"

#define KIND_BYTES 16u
#define PART_BYTES 64u
#define INDEX_MAX  65535u

#define FORMS "\"CPU:1\", \"/GPU:0\" or \"/job:localhost/replica:0/task:0/device:CPU:1\""

/* Kinds that may stand without "device:"; others of the list of kinds as well. */
static const char *const short_kinds[] = {"CPU", "GPU", "TPU"};

typedef struct device_spec {
    char kind[KIND_BYTES]; /* "": none yet */
    uint32_t index;
} device_spec;

static bool number_read(const char *text, uint32_t *number)
{
    uint32_t value = 0;

    if (strcmp(text, "*") == 0) {
        *number = 0;
        return true;
    }
    if (text[0] == '\0') return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') return false;
        value = value * 10 + (uint32_t)(*text - '0');
        if (value > INDEX_MAX) return false;
    }
    *number = value;
    return true;
}

static bool kind_read(const char *text, char kind[KIND_BYTES])
{
    size_t length = 0;

    for (; text[length] != '\0'; length++) {
        if (length + 1 >= KIND_BYTES ||
            !(isalnum((unsigned char)text[length]) || text[length] == '_'))
            return false;
        kind[length] = (char)toupper((unsigned char)text[length]);
    }
    kind[length] = '\0';
    return length > 0;
}

static bool is_short_kind(const char *kind)
{
    for (size_t i = 0; i < sizeof short_kinds / sizeof short_kinds[0]; i++) {
        if (strcmp(kind, short_kinds[i]) == 0) return true;
    }
    return device_def_find(kind) != NULL;
}

static ebb_status kind_set(device_spec *spec, const char *kind, const char *number,
                           const char *text, ebb_error *error)
{
    char found[KIND_BYTES];

    if (spec->kind[0] != '\0') {
        return fail(error, EBB_E_ARGUMENT, text,
                    "the device string names two kinds of device, "
                    "expected one: " FORMS);
    }
    if (!kind_read(kind, found)) {
        return fail(error, EBB_E_ARGUMENT, text, "'%s' is no kind of device; expected " FORMS,
                    kind);
    }
    if (number != NULL && !number_read(number, &spec->index)) {
        return fail(error, EBB_E_ARGUMENT, text,
                    "the number of the device is '%s', expected 0 to %u; for example " FORMS,
                    number, INDEX_MAX);
    }
    memcpy(spec->kind, found, sizeof found);
    return EBB_OK;
}

/* There is one process: its own job, replica and task. */
static ebb_status place_check(const char *what, const char *value, const char *text,
                              ebb_error *error)
{
    const bool is_job = strcmp(what, "job") == 0;
    uint32_t number = 1;

    if (is_job ? strcmp(value, "localhost") == 0 : number_read(value, &number) && number == 0)
        return EBB_OK;
    return fail(error, is_job || number_read(value, &number) ? EBB_E_NOT_FOUND : EBB_E_ARGUMENT,
                text, "%s is '%s', expected this process: /job:localhost/replica:0/task:0", what,
                value);
}

/* One part: "name", "name:value" or "name:value:number". */
static ebb_status part_read(device_spec *spec, char *part, const char *text, ebb_error *error)
{
    char *value = strchr(part, ':');
    char *number = NULL;
    char kind[KIND_BYTES];

    if (value != NULL) *value++ = '\0';
    if (value != NULL) number = strchr(value, ':');
    if (number != NULL) *number++ = '\0';
    const bool is_pair = value != NULL && number == NULL;
    if (is_pair &&
        (strcmp(part, "job") == 0 || strcmp(part, "replica") == 0 || strcmp(part, "task") == 0)) {
        return place_check(part, value, text, error);
    }
    if (strcmp(part, "device") == 0 || strcmp(part, "physical_device") == 0) {
        if (value != NULL) return kind_set(spec, value, number, text, error);
    } else if (number == NULL && kind_read(part, kind) && is_short_kind(kind)) {
        return kind_set(spec, part, value, text, error);
    }
    return fail(error, EBB_E_ARGUMENT, text,
                "unknown attribute '%s' in the device string; expected " FORMS, part);
}

ebb_status device_text_read(const char *text, char name[32], ebb_error *error)
{
    device_spec spec = {.kind = ""};

    name[0] = '\0';
    for (const char *at = text; at != NULL && *at != '\0';) {
        char part[PART_BYTES];
        const size_t length = strcspn(at, "/");
        if (length >= sizeof part) {
            return fail(error, EBB_E_ARGUMENT, text, "too long for a device; expected " FORMS);
        }
        memcpy(part, at, length);
        part[length] = '\0';
        at += length + (at[length] == '/');
        const ebb_status status = length > 0 ? part_read(&spec, part, text, error) : EBB_OK;
        if (status != EBB_OK) return status;
    }
    if (spec.kind[0] != '\0') (void)snprintf(name, 32, "%s:%u", spec.kind, spec.index);
    return EBB_OK;
}
