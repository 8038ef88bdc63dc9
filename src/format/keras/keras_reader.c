/* keras_reader.c -- .keras: a zip archive, or a folder, of metadata.json, config.json and
 * model.weights.h5.
 *
 * Source: keras/src/saving/saving_lib.py. */
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "format/format.h"
#include "format/keras/packed_tensors.h"
#include "format/keras/reader.h"
#include "format/zip.h"

#define METADATA_BYTES_MAX ((uint64_t)1 << 20)

static const char weights_name[] = "model.weights.h5";

static bool keras_probe(const char *path, const uint8_t *head, size_t head_bytes, bool is_directory)
{
    if (!is_directory)
        return head_bytes >= 4 &&
               (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0);
    char config[4096];
    struct stat facts;
    const size_t length = strlen(path);
    if (length + sizeof "/config.json" > sizeof config) return false;
    memcpy(config, path, length);
    memcpy(config + length, "/config.json", sizeof "/config.json");
    return stat(config, &facts) == 0;
}

static description *description_new(region *home, source *file)
{
    description *d = region_new(home, description, 1);
    if (d == NULL) return NULL;
    *d = (description){.path = source_name(file),
                       .format = "keras",
                       .keras_version = "",
                       .backend = "",
                       .file_bytes = source_bytes(file),
                       .identity = source_identify(file),
                       .file = file};
    return d;
}

static ebb_status metadata_read(region *home, description *d, const char *text, size_t length,
                                ebb_error *error)
{
    const json *metadata = NULL;
    const ebb_status status = json_read(home, text, length, "metadata.json", &metadata, error);
    if (status != EBB_OK) return status;
    d->keras_version = json_text(json_get(metadata, "keras_version"), "");
    d->keras_major = keras_version_major(d->keras_version);
    return packed_list_read(home, metadata, d, error);
}

static ebb_status weights_read(region *home, source *file, description *d, ebb_error *error)
{
    hdf5_file *h5 = NULL;
    ebb_status status = hdf5_open(home, file, &h5, error);
    if (status == EBB_OK) status = vars_tree_read(home, h5, d, error);
    if (status == EBB_OK) status = packed_entries_make(home, d, error);
    if (status != EBB_OK) fail_within(error, weights_name);
    return status;
}

/* -- archive ----------------------------------------------------------------------------------- */

static ebb_status member_text(region *home, zip_archive *zip, const char *name, uint64_t bytes_max,
                              const char **text, size_t *length, ebb_error *error)
{
    const zip_member *member = zip_find(zip, name);
    *text = NULL;
    if (member == NULL) return EBB_OK;
    *length = (size_t)member->bytes;
    return zip_read(home, zip, member, bytes_max, text, error);
}

static ebb_status weights_member_read(region *home, zip_archive *zip, description *d,
                                      ebb_error *error)
{
    const zip_member *member = zip_find(zip, weights_name);
    source *inside = NULL;

    if (member == NULL && zip_find(zip, "model.weights.npz") != NULL) {
        return fail(
            error, EBB_E_UNSUPPORTED, d->path,
            "the weights are saved as npz of Python objects; save with the default weights format");
    }
    if (member == NULL)
        return fail(error, EBB_E_FORMAT, d->path, "the archive has no %s", weights_name);
    const ebb_status status = zip_source(home, zip, member, &inside, error);
    return status == EBB_OK ? weights_read(home, inside, d, error) : status;
}

static ebb_status config_member_read(region *home, zip_archive *zip, description *d,
                                     ebb_error *error)
{
    const char *text = NULL;
    size_t length = 0;
    const ebb_status status =
        member_text(home, zip, "config.json", CONFIG_BYTES_MAX, &text, &length, error);

    if (status != EBB_OK) return status;
    if (text == NULL) {
        return fail(error, EBB_E_FORMAT, d->path,
                    "the archive has no config.json: not a model saved by Keras");
    }
    return description_configure(home, d, text, length, "config.json", error);
}

ebb_status keras_source_read(region *home, source *file, const char *architecture,
                             description **result, ebb_error *error)
{
    zip_archive *zip = NULL;
    description *d = description_new(home, file);
    const char *text = NULL;
    size_t length = 0;

    *result = NULL;
    if (d == NULL) return region_fail(home, error, source_name(file), "a description");
    ebb_status status = zip_open(home, file, &zip, error);
    if (status == EBB_OK) {
        status = member_text(home, zip, "metadata.json", METADATA_BYTES_MAX, &text, &length, error);
    }
    if (status == EBB_OK && text != NULL) status = metadata_read(home, d, text, length, error);
    if (status == EBB_OK && architecture != format_tensors_only)
        status = config_member_read(home, zip, d, error);
    if (status == EBB_OK) status = weights_member_read(home, zip, d, error);
    if (status == EBB_OK) *result = d;
    return status;
}

/* -- folder ------------------------------------------------------------------------------------ */

static ebb_status file_text(region *home, const char *path, uint64_t bytes_max, const char **text,
                            size_t *length, ebb_error *error)
{
    source *file = NULL;
    ebb_status status = path == NULL ? region_fail(home, error, "model", "a path")
                                     : source_open(home, path, &file, error);
    if (status != EBB_OK) return status;
    const uint64_t bytes = source_bytes(file);
    char *buffer = bytes <= bytes_max ? region_block(home, (size_t)bytes + 1) : NULL;
    if (bytes > bytes_max) {
        status = fail(error, EBB_E_FORMAT, path, "%llu bytes; at most %llu are read",
                      (unsigned long long)bytes, (unsigned long long)bytes_max);
    } else if (buffer == NULL) {
        status = region_fail(home, error, path, "the text of the file");
    } else if (bytes > 0) {
        status = source_read(file, 0, buffer, (size_t)bytes, error);
    }
    if (status == EBB_OK) status = source_unchanged(file, error);
    source_close(file);
    *text = buffer;
    *length = (size_t)bytes;
    return status;
}

static ebb_status folder_fill(region *home, const char *path, const char *architecture,
                              description *d, ebb_error *error)
{
    const char *text = NULL;
    size_t length = 0;
    ebb_error ignored;
    ebb_status status = file_text(home, region_format(home, "%s/metadata.json", path),
                                  METADATA_BYTES_MAX, &text, &length, &ignored);
    if (status == EBB_E_MEMORY) return fail(error, status, ignored.where, "%s", ignored.text);
    if (status == EBB_OK) status = metadata_read(home, d, text, length, error);
    if (status != EBB_OK && status != EBB_E_NOT_FOUND) return status;
    if (architecture == format_tensors_only) return weights_read(home, d->file, d, error);
    status = file_text(home, region_format(home, "%s/config.json", path), CONFIG_BYTES_MAX, &text,
                       &length, error);
    d->file_bytes += length;
    if (status == EBB_OK)
        status = description_configure(home, d, text, length, "config.json", error);
    if (status == EBB_OK) status = weights_read(home, d->file, d, error);
    return status;
}

static ebb_status folder_read(region *home, const char *path, const char *architecture,
                              description **result, ebb_error *error)
{
    const char *weights = region_format(home, "%s/%s", path, weights_name);
    source *file = NULL;
    ebb_status status = weights == NULL ? region_fail(home, error, path, "a path")
                                        : source_open(home, weights, &file, error);
    if (status != EBB_OK) return status;
    description *d = description_new(home, file);
    status = d == NULL ? region_fail(home, error, path, "a description")
                       : folder_fill(home, path, architecture, d, error);
    if (status == EBB_OK) {
        *result = d;
        return EBB_OK;
    }
    source_close(file);
    return status;
}

static ebb_status keras_read(region *home, const char *path, const char *architecture,
                             description **result, ebb_error *error)
{
    struct stat facts;
    source *file = NULL;

    *result = NULL;
    if (stat(path, &facts) == 0 && S_ISDIR(facts.st_mode))
        return folder_read(home, path, architecture, result, error);
    ebb_status status = source_open(home, path, &file, error);
    if (status != EBB_OK) return status;
    status = keras_source_read(home, file, architecture, result, error);
    if (status == EBB_OK) return EBB_OK;
    source_close(file);
    return status;
}

const format_def format_keras = {"keras", "Keras archive (.keras), zipped or as a folder",
                                 keras_probe, keras_read};
