/* configure.c -- JSON text into description.model, with the version and backend it names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "format/keras/model_config.h"
#include "format/keras/reader.h"

uint32_t keras_version_major(const char *version)
{
    if (version == NULL || version[0] < '0' || version[0] > '9') return 0;
    if (version[0] == '0') return 1;
    return version[1] != '.' && version[1] != '\0' ? 3
           : version[0] >= '3'                     ? 3
                                                   : (uint32_t)(version[0] - '0');
}

/* A Sequential model that was never built does not say what goes in. */
static ebb_status inputs_check(const model_config *m, const char *where, ebb_error *error)
{
    for (uint32_t i = 0; i < m->input_count; i++) {
        const layer_config *layer = &m->layers[m->inputs[i].ref.layer];
        if (strcmp(layer->class_name, "InputLayer") != 0 || layer->registered_name != NULL) {
            return fail(error, EBB_E_FORMAT, where, "input '%.100s' is a %.80s, not an InputLayer",
                        layer->name, layer->class_name);
        }
        if (json_is_null(json_get(layer->config, "batch_shape"))) {
            return fail(error, EBB_E_UNSUPPORTED, where,
                        "the model '%.100s' was saved before it knew its input shape; build it "
                        "(call it once, or "
                        "give an Input) and save it again",
                        m->name);
        }
    }
    return EBB_OK;
}

static const json *compile_config(const json *object)
{
    const json *config = json_get(object, "compile_config");
    if (config == NULL) config = json_get(object, "training_config");
    return config != NULL && config->count > 0 ? config : NULL; /* {} when not compiled */
}

/* Lambda layers of Keras 1 and 2 hold byte code with \u0000 in it, which no text here can. They
 * are refused by name later, so the zeros are replaced: the text of a layer that runs never has
 * one. NULL: no memory. */
static const char *zeros_replace(region *home, const char *text, size_t length)
{
    static const char zero[] = "\\u0000";
    char *copy = NULL;
    for (size_t i = 0; i + sizeof zero <= length + 1; i++) {
        if (text[i] != '\\') continue;
        if (memcmp(text + i, zero, sizeof zero - 1) == 0) {
            if (copy == NULL) {
                copy = region_block(home, length + 1);
                if (copy == NULL) return NULL;
                memcpy(copy, text, length);
            }
            memcpy(copy + i + 2, "fffd", 4);
        }
        i++; /* the escaped character is no start of another escape */
    }
    return copy != NULL ? copy : text;
}

ebb_status description_configure(region *home, description *d, const char *text, size_t length,
                                 const char *where, ebb_error *error)
{
    const json *object = NULL;

    text = zeros_replace(home, text, length);
    if (text == NULL) return region_fail(home, error, where, "the text of the configuration");
    ebb_status status = json_read(home, text, length, where, &object, error);
    if (status != EBB_OK) return status;
    if (object->kind ==
        JSON_STRING) { /* some tools write the text of to_json() as one JSON string */
        text = object->as.string;
        length = object->count;
        status = json_read(home, text, length, where, &object, error);
        if (status != EBB_OK) return status;
    }
    d->config_text = text;
    d->config_length = length;
    const char *version = json_text(json_get(object, "keras_version"), d->keras_version);
    if (d->keras_version[0] == '\0') d->keras_version = version;
    if (d->backend[0] == '\0') d->backend = json_text(json_get(object, "backend"), "");
    uint32_t major = keras_version_major(version);
    if (major == 0) major = model_config_major(object);
    if (d->keras_major == 0) d->keras_major = major;
    if (d->compile_config == NULL) d->compile_config = compile_config(object);
    status = model_config_read(home, object, major, &d->model, error);
    if (status == EBB_OK) status = inputs_check(d->model, d->model->name, error);
    if (status != EBB_OK) fail_within(error, where);
    return status;
}

ebb_status description_architecture(region *home, description *d, const char *path,
                                    ebb_error *error)
{
    source *file = NULL;
    ebb_status status = source_open(home, path, &file, error);

    if (status != EBB_OK) return status;
    const uint64_t bytes = source_bytes(file);
    char *text = NULL;
    if (bytes > CONFIG_BYTES_MAX) {
        status = fail(error, EBB_E_FORMAT, path,
                      "%llu bytes are too much for an architecture (at most %llu)",
                      (unsigned long long)bytes, (unsigned long long)CONFIG_BYTES_MAX);
    } else {
        text = region_block(home, (size_t)bytes + 1);
        if (text == NULL) status = region_fail(home, error, path, "the text of the architecture");
    }
    if (status == EBB_OK && bytes > 0) status = source_read(file, 0, text, (size_t)bytes, error);
    if (status == EBB_OK) status = source_unchanged(file, error);
    source_close(file);
    if (status != EBB_OK) return status;
    const char *name = strrchr(path, '/');
    return description_configure(home, d, text, (size_t)bytes, name != NULL ? name + 1 : path,
                                 error);
}
