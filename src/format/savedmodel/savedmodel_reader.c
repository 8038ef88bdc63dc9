/* savedmodel_reader.c -- SavedModel folders: saved_model.pb, keras_metadata.pb, variables/.
 *
 * What tf.keras 2 saved is read by its configuration, with weights by layer as in .h5 files. Where
 * there is none, or none that can be read (description.model_problem), description.model is NULL
 * and the graph itself is the model: saved_graph_read() is asked for it. */
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "format/format.h"
#include "format/keras/reader.h"
#include "format/savedmodel/folder.h"
#include "format/savedmodel/keras_objects.h"
#include "format/savedmodel/object_graph.h"

static bool has_file(const char *folder, const char *name)
{
    char path[4096];
    struct stat facts;
    const size_t length = strlen(folder), own = strlen(name);

    if (length + own + 2 > sizeof path) return false;
    memcpy(path, folder, length);
    path[length] = '/';
    memcpy(path + length + 1, name, own + 1);
    return stat(path, &facts) == 0;
}

static bool savedmodel_probe(const char *path, const uint8_t *head, size_t head_bytes,
                             bool is_directory)
{
    (void)head;
    (void)head_bytes;
    return is_directory && has_file(path, "saved_model.pb");
}

/* -- files --------------------------------------------------------------------------------------
 */

static void files_keep(description *d, const bundle *b)
{
    description_close(d);
    d->file = b->shards[0];
    d->more_files = b->shards + 1;
    d->more_file_count = b->shard_count - 1;
    d->identity = source_identify(d->file);
}

ebb_status folder_bundle_open(region *home, region *scratch, description *d, bundle *b,
                              bool *is_there, ebb_error *error)
{
    const char *path = region_format(scratch, "%s/variables/variables", d->path);
    ebb_error missing = {0};

    *is_there = false;
    *b = (bundle){0};
    if (path == NULL) return region_fail(scratch, error, d->path, "a path");
    const ebb_status status = bundle_open(home, scratch, path, b, &missing);
    if (status == EBB_E_NOT_FOUND) return EBB_OK;
    if (status != EBB_OK) {
        if (error != NULL) *error = missing;
        return status;
    }
    files_keep(d, b);
    *is_there = true;
    return EBB_OK;
}

/* Without variables the description keeps saved_model.pb open. */
static ebb_status model_file_open(region *home, description *d, ebb_error *error)
{
    const char *path = region_format(home, "%s/saved_model.pb", d->path);
    source *file = NULL;

    if (path == NULL) return region_fail(home, error, d->path, "a path");
    const ebb_status status = source_open(home, path, &file, error);
    if (status != EBB_OK) return status;
    d->file = file;
    d->file_bytes = source_bytes(file);
    d->identity = source_identify(file);
    return EBB_OK;
}

/* -- the model ----------------------------------------------------------------------------------
 */

/* The JSON of tf.keras holds more than a configuration, but in the same words. */
static ebb_status configure(region *home, description *d, const char *text,
                            const char *architecture, ebb_error *error)
{
    const size_t length = text == NULL ? 0 : strlen(text);
    ebb_error problem = {0};

    if (text == NULL) return description_architecture(home, d, architecture, error);
    if (length > CONFIG_BYTES_MAX)
        return fail(error, EBB_E_FORMAT, d->path, "a configuration of %zu bytes", length);
    char *copy = region_block(home, length + 1);
    if (copy == NULL) return region_fail(home, error, d->path, "the configuration");
    memcpy(copy, text, length);
    const ebb_status status =
        description_configure(home, d, copy, length, "the Keras metadata", &problem);
    if (status == EBB_OK && d->compile_config != NULL)
        d->optimizer_problem = "the state of an optimizer is not read from SavedModel folders";
    if (status == EBB_OK) return EBB_OK;
    if (status == EBB_E_MEMORY) return fail(error, status, problem.where, "%s", problem.text);
    d->model = NULL;
    d->model_problem = region_format(home, "%s: %s", problem.where, problem.text);
    return d->model_problem != NULL ? EBB_OK : region_fail(home, error, d->path, "a text");
}

static ebb_status keras_read(region *home, region *scratch, description *d,
                             const keras_objects *keras, const char *architecture, ebb_error *error)
{
    const checkpoint_objects_message *objects = NULL;
    const uint64_t pb_bytes = d->file_bytes;
    bool has_bundle = false;
    bundle b;
    ebb_status status = folder_bundle_open(home, scratch, d, &b, &has_bundle, error);

    if (status != EBB_OK) return status;
    d->file_bytes = pb_bytes + b.file_bytes;
    if (keras->model == NULL && architecture == NULL) return EBB_OK;
    if (!has_bundle) {
        return fail(error, EBB_E_FORMAT, d->path,
                    "the folder has no variables/variables.index, which holds the values of the "
                    "model's variables");
    }
    status = object_graph_read(scratch, &b, &objects, error);
    if (status == EBB_OK) status = object_groups_read(home, scratch, &b, objects, keras, d, error);
    if (status != EBB_OK || architecture == format_tensors_only) return status;
    return configure(home, d, keras->model, architecture, error);
}

static ebb_status folder_read(region *home, description *d, const char *architecture,
                              ebb_error *error)
{
    region *scratch = region_open(home, "saved model", EBB_CLASS_SCRATCH, 0);
    keras_objects keras = {0};

    if (scratch == NULL) return region_fail(home, error, d->path, "the folder");
    ebb_status status = keras_objects_read(scratch, d->path, &keras, error);
    if (status == EBB_OK) status = keras_read(home, scratch, d, &keras, architecture, error);
    region_close(scratch);
    return status;
}

static ebb_status savedmodel_read(region *home, const char *path, const char *architecture,
                                  description **result, ebb_error *error)
{
    description *d = region_new(home, description, 1);

    *result = NULL;
    if (d == NULL) return region_fail(home, error, path, "a description");
    *d = (description){.path = region_text(home, path),
                       .format = "savedmodel",
                       .keras_version = "",
                       .backend = "",
                       .layout = WEIGHTS_BY_ORDER};
    if (d->path == NULL) return region_fail(home, error, path, "a path");
    ebb_status status = model_file_open(home, d, error);
    if (status == EBB_OK) status = folder_read(home, d, architecture, error);
    if (status == EBB_OK)
        *result = d;
    else
        description_close(d);
    return status;
}

const format_def format_savedmodel = {"savedmodel", "SavedModel folder of TensorFlow",
                                      savedmodel_probe, savedmodel_read};
