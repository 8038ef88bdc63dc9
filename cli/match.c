/* match.c -- see match.h. */
#include "match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- ports --------------------------------------------------------------------------- */

typedef ebb_status (*port_reader)(ebb_model model, uint32_t index, ebb_tensor_info *info);

static ebb_status ports_make(ports *p, ebb_model model, uint32_t count, port_reader read,
                             ebb_error *error)
{
    p->count = count;
    p->items = calloc(count + 1U, sizeof *p->items);
    if (p->items == NULL)
        return refuse(error, EBB_E_MEMORY, "", "no memory for the model's inputs and outputs");
    for (uint32_t i = 0; i < count; i++) {
        const ebb_status status = read(model, i, &p->items[i]);
        if (status != EBB_OK) return refuse(error, status, "", "%s", ebb_status_text(status));
    }
    return EBB_OK;
}

ebb_status ports_make_inputs(ports *p, ebb_model model, ebb_error *error)
{
    ebb_model_info info = {0};

    ebb_model_info_read(model, &info);
    return ports_make(p, model, info.inputs, ebb_model_input, error);
}

ebb_status ports_make_outputs(ports *p, ebb_model model, ebb_error *error)
{
    ebb_model_info info = {0};

    ebb_model_info_read(model, &info);
    return ports_make(p, model, info.outputs, ebb_model_output, error);
}

void ports_free(ports *p)
{
    free(p->items);
    *p = (ports){0};
}

static const ebb_tensor_info *port_find(const ports *p, const char *name, size_t length)
{
    for (uint32_t i = 0; i < p->count; i++) {
        if (strlen(p->items[i].name) == length && memcmp(p->items[i].name, name, length) == 0)
            return &p->items[i];
    }
    return NULL;
}

/* "image, label" in as many bytes as there are. */
static void list_ports(const ports *p, char *text, size_t capacity)
{
    size_t length = 0;

    text[0] = 0;
    for (uint32_t i = 0; i < p->count && length < capacity; i++) {
        length += (size_t)snprintf(text + length, capacity - length, "%s%.60s", i > 0 ? ", " : "",
                                   p->items[i].name);
    }
}

/* -- files named on the command line ------------------------------------------------- */

bool path_is_npy(const char *path)
{
    const size_t length = strlen(path);

    return length > 4 && strcmp(path + length - 4, ".npy") == 0;
}

/* "labl=x.npy" where there is no "labl", nor a file of that whole name. */
static bool is_misnamed(const char *text, const char *equals)
{
    const char *slash = strchr(text, '/');

    return equals != NULL && (slash == NULL || slash > equals) && access(text, F_OK) != 0;
}

ebb_status named_files_make(named_file *files, const text_list *list, const ports *p,
                            const char *option_name, ebb_error *error)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const char *text = list->items[i];
        const char *equals = strchr(text, '=');
        const ebb_tensor_info *port =
            equals != NULL ? port_find(p, text, (size_t)(equals - text)) : NULL;
        if (port == NULL && is_misnamed(text, equals)) {
            char names[320];
            list_ports(p, names, sizeof names);
            return refuse(error, EBB_E_ARGUMENT, option_name,
                          "'%.*s' is none of the model's (%s); a file of that name is ./%s",
                          (int)(equals - text), text, names, text);
        }
        files[i] = (named_file){port != NULL ? port->name : NULL, port != NULL ? equals + 1 : text};
        for (uint32_t k = 0; k < i; k++) {
            if (port == NULL || files[k].name != port->name) continue;
            return refuse(error, EBB_E_ARGUMENT, option_name, "'%s' is given twice", port->name);
        }
    }
    return EBB_OK;
}

ebb_status named_files_order(const named_file *files, uint32_t count, const ports *p,
                             const char *option_name, const char **paths, ebb_error *error)
{
    char names[320];
    uint32_t named = 0;

    for (uint32_t i = 0; i < count; i++) named += files[i].name != NULL;
    list_ports(p, names, sizeof names);
    if (count != p->count || (named > 0 && named < count)) {
        return refuse(error, EBB_E_ARGUMENT, option_name,
                      "the model has %u (%s), %u are given, %u of them by name", p->count, names,
                      count, named);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        for (uint32_t k = 0; named > 0 && k < count; k++) {
            if (files[i].name == p->items[k].name) at = k;
        }
        paths[at] = files[i].path;
    }
    return EBB_OK;
}

/* -- arrays -------------------------------------------------------------------------- */

static ebb_status take_arrays(feed *f, const named_file *file, ebb_error *error)
{
    const ebb_arrays arrays = f->files[f->file_count - 1];
    const uint32_t count = ebb_arrays_count(arrays);

    if (file->name != NULL && count != 1) {
        return refuse(error, EBB_E_ARGUMENT, file->path,
                      "holds %u arrays; '%s' needs a file with one", count, file->name);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (f->array_count == TEXT_LIST_MAX) {
            return refuse(error, EBB_E_UNSUPPORTED, file->path, "more than %d arrays in all",
                          TEXT_LIST_MAX);
        }
        const char *name = NULL;
        const ebb_status status = ebb_arrays_read(arrays, i, &name, &f->arrays[f->array_count]);
        if (status != EBB_OK)
            return refuse(error, status, file->path, "%s", ebb_status_text(status));
        f->names[f->array_count++] = file->name != NULL ? file->name : name;
    }
    return EBB_OK;
}

static const ebb_view *array_find(const feed *f, const char *name)
{
    for (uint32_t i = 0; i < f->array_count; i++) {
        if (strcmp(f->names[i], name) == 0) return &f->arrays[i];
    }
    return NULL;
}

static ebb_status wrong_arrays(const feed *f, const ports *inputs, ebb_error *error)
{
    char expected[160], found[160];
    size_t length = 0;

    list_ports(inputs, expected, sizeof expected);
    found[0] = 0;
    for (uint32_t i = 0; i < f->array_count && length < sizeof found; i++) {
        const char *name = f->names[i][0] != 0 ? f->names[i] : "(no name)";
        length += (size_t)snprintf(found + length, sizeof found - length, "%s%.60s",
                                   i > 0 ? ", " : "", name);
    }
    return refuse(error, EBB_E_ARGUMENT, "--input",
                  "the model takes %u (%s), the files hold %u (%s)", inputs->count, expected,
                  f->array_count, found);
}

static ebb_status match(feed *f, const ports *inputs, ebb_error *error)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < inputs->count; i++)
        found += array_find(f, inputs->items[i].name) != NULL;
    if (found == inputs->count) {
        for (uint32_t i = 0; i < inputs->count; i++)
            f->inputs[i] = *array_find(f, inputs->items[i].name);
        return EBB_OK;
    }
    if (f->array_count != inputs->count) return wrong_arrays(f, inputs, error);
    for (uint32_t i = 0; i < inputs->count; i++) {
        const ebb_view *elsewhere = array_find(f, inputs->items[i].name);
        if (elsewhere != NULL && elsewhere != &f->arrays[i]) {
            return refuse(error, EBB_E_ARGUMENT, "--input",
                          "only some arrays have the name of an input, and '%s' is not at the "
                          "place of that input: "
                          "name all or none",
                          inputs->items[i].name);
        }
        f->inputs[i] = f->arrays[i];
    }
    return EBB_OK;
}

ebb_status feed_make(feed *f, ebb_runtime runtime, const named_file *files, uint32_t count,
                     const ports *inputs, ebb_error *error)
{
    *f = (feed){0};
    if (inputs->count > TEXT_LIST_MAX) {
        return refuse(error, EBB_E_UNSUPPORTED, "--input", "models with more than %d inputs",
                      TEXT_LIST_MAX);
    }
    for (uint32_t i = 0; i < count; i++) {
        ebb_status status =
            ebb_arrays_open(runtime, files[i].path, &f->files[f->file_count], error);
        if (status != EBB_OK) return status;
        f->file_count++;
        status = take_arrays(f, &files[i], error);
        if (status != EBB_OK) return status;
    }
    return match(f, inputs, error);
}

void feed_free(feed *f)
{
    for (uint32_t i = 0; i < f->file_count; i++) ebb_arrays_close(f->files[i]);
    f->file_count = 0;
}
