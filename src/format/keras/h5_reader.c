/* h5_reader.c -- .h5 and .hdf5: a whole model (attribute model_config), or weights to be used with
 * an architecture.
 *
 * Without an architecture given, a JSON file of the same name beside the weights is taken.
 * A file without keras_version is Keras 1's, unless its weights are kept by object path (Keras 3).
 * Source: keras/src/legacy/saving/legacy_h5_format.py. */
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "format/format.h"
#include "format/keras/reader.h"

static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

static bool h5_probe(const char *path, const uint8_t *head, size_t head_bytes, bool is_directory)
{
    (void)path;
    return !is_directory && head_bytes >= sizeof signature &&
           memcmp(head, signature, sizeof signature) == 0;
}

/* A text attribute, "" if it is not there. */
static ebb_status text_read(hdf5_file *file, uint64_t address, const char *key, const char **text,
                            ebb_error *error)
{
    hdf5_value value = {0};
    const ebb_status status = hdf5_attribute(file, address, key, &value, error);
    *text = "";
    if (status == EBB_OK && value.count > 0 && value.strings != NULL) *text = value.strings[0];
    return status;
}

/* model_config is a text; very long ones were split as lists are. */
static ebb_status facts_read(hdf5_file *file, uint64_t weights, description *d, const char **config,
                             const char **training, ebb_error *error)
{
    const uint64_t root = hdf5_root(file);
    ebb_status status = text_read(file, root, "model_config", config, error);

    if (status == EBB_OK) status = text_read(file, root, "training_config", training, error);
    if (status == EBB_OK) status = text_read(file, root, "keras_version", &d->keras_version, error);
    if (status == EBB_OK) status = text_read(file, root, "backend", &d->backend, error);
    if (status == EBB_OK && d->keras_version[0] == '\0') {
        status = text_read(file, weights, "keras_version", &d->keras_version, error);
    }
    if (status == EBB_OK && d->backend[0] == '\0')
        status = text_read(file, weights, "backend", &d->backend, error);
    d->keras_major = keras_version_major(d->keras_version);
    return status;
}

static ebb_status training_read(region *home, description *d, const char *text, ebb_error *error)
{
    const size_t length = strlen(text);
    if (length == 0 || length > CONFIG_BYTES_MAX) return EBB_OK;
    const ebb_status status =
        json_read(home, text, length, "training_config", &d->compile_config, error);
    return status == EBB_E_MEMORY ? status : EBB_OK;
}

static ebb_status model_read_from(region *home, description *d, const char *config,
                                  const char *architecture, ebb_error *error)
{
    const size_t length = strlen(config);
    if (architecture == format_tensors_only) {
        d->config_text = config;
        d->config_length = length;
        return EBB_OK;
    }
    if (length > CONFIG_BYTES_MAX) {
        return fail(error, EBB_E_FORMAT, "model_config",
                    "a configuration of %zu bytes (at most %llu)", length,
                    (unsigned long long)CONFIG_BYTES_MAX);
    }
    if (length > 0) return description_configure(home, d, config, length, "model_config", error);
    if (architecture != NULL) return description_architecture(home, d, architecture, error);
    return fail(error, EBB_E_UNSUPPORTED, d->path,
                "the file holds weights only; give the architecture as JSON (--arch, or "
                "ebb_load_options.architecture)");
}

/* By path, unless there is a list of layers too. */
static ebb_status tree_find(hdf5_file *file, uint64_t weights, bool *is_tree, ebb_error *error)
{
    hdf5_value names = {0};
    ebb_status status = vars_tree_is(file, is_tree, error);
    if (status == EBB_OK && *is_tree) {
        status = hdf5_attribute(file, weights, "layer_names", &names, error);
    }
    if (names.count > 0) *is_tree = false;
    return status;
}

ebb_status h5_source_read(region *home, source *file, const char *architecture,
                          description **result, ebb_error *error)
{
    description *d = region_new(home, description, 1);
    hdf5_file *h5 = NULL;
    hdf5_object group;
    const char *config = "", *training = "";

    *result = NULL;
    if (d == NULL) return region_fail(home, error, source_name(file), "a description");
    *d = (description){.path = source_name(file),
                       .format = "h5",
                       .keras_version = "",
                       .backend = "",
                       .file_bytes = source_bytes(file),
                       .identity = source_identify(file),
                       .file = file};
    ebb_status status = hdf5_open(home, file, &h5, error);
    if (status != EBB_OK) return status;
    uint64_t weights = hdf5_root(h5);
    status = hdf5_find(h5, weights, "model_weights", &group, error);
    if (status == EBB_OK && group.kind == HDF5_GROUP) weights = group.address;
    if (status != EBB_OK && status != EBB_E_NOT_FOUND) return status;
    status = facts_read(h5, weights, d, &config, &training, error);
    bool is_tree = false;
    if (status == EBB_OK && config[0] == '\0') status = tree_find(h5, weights, &is_tree, error);
    if (status == EBB_OK && d->keras_major == 0 && config[0] == '\0') {
        d->keras_major = is_tree ? 3 : 1;
    }
    if (status == EBB_OK && is_tree) status = vars_tree_read(home, h5, d, error);
    if (status == EBB_OK && !is_tree) status = layer_groups_read(home, h5, weights, d, error);
    if (status == EBB_OK && !is_tree) status = optimizer_weights_read(home, h5, d, error);
    if (status == EBB_OK) status = training_read(home, d, training, error);
    if (status == EBB_OK) status = model_read_from(home, d, config, architecture, error);
    if (status == EBB_OK) *result = d;
    return status;
}

/* People keep weights and architecture side by side: model.h5 and model.json, x_weights.h5 and
 * x.json or x_config.json. *found is NULL if there is no such file. */
static ebb_status companion_find(region *home, const char *path, const char **found,
                                 ebb_error *error)
{
    static const char *const marks[] = {"", "_weights", ".weights", "-weights"};
    static const char *const ends[] = {".json", "_config.json", "_architecture.json", "_arch.json"};
    const char *name = strrchr(path, '/');
    const char *dot = strrchr(name != NULL ? name : path, '.');
    *found = NULL;
    if (dot == NULL) return EBB_OK;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        const size_t length = (size_t)(dot - path), mark = strlen(marks[i]);
        if (length <= mark || memcmp(dot - mark, marks[i], mark) != 0) continue;
        for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++) {
            struct stat facts;
            const char *stem = region_text_length(home, path, length - mark);
            const char *whole = stem == NULL ? NULL : region_format(home, "%s%s", stem, ends[k]);
            if (whole == NULL) return region_fail(home, error, path, "a path");
            if (stat(whole, &facts) != 0 || !S_ISREG(facts.st_mode)) continue;
            *found = whole;
            return EBB_OK;
        }
    }
    return EBB_OK;
}

static ebb_status h5_read(region *home, const char *path, const char *architecture,
                          description **result, ebb_error *error)
{
    source *file = NULL;
    ebb_status status = EBB_OK;
    if (architecture == NULL) status = companion_find(home, path, &architecture, error);
    if (status == EBB_OK) status = source_open(home, path, &file, error);
    if (status != EBB_OK) return status;
    status = h5_source_read(home, file, architecture, result, error);
    if (status == EBB_OK) return EBB_OK;
    source_close(file);
    return status;
}

const format_def format_h5 = {"h5", "Keras HDF5 file (.h5, .hdf5): whole model or weights",
                              h5_probe, h5_read};
