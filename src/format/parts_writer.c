/* parts_writer.c -- see parts_writer.h. What a reader of Keras expects beside the arrays is written
 * too: lists of layers and of weights, version, backend.
 *
 * Source: keras/src/saving/saving_lib.py; keras/src/legacy/saving/legacy_h5_format.py. */
#include "format/parts_writer.h"

#include <string.h>

#include "base/status.h"
#include "format/hdf5/hdf5_write.h"
#include "format/keras/writer.h"
#include "format/zip_writer.h"
#include "json/json.h"

typedef struct parts_out {
    region *home;
    hdf5_writer *h5;
    const ebb_parts *parts;
    hdf5_item **items; /* of each part; NULL: it has no array */
    const char **names; /* room for those of the layers to come: lists are borrowed by the writer */
} parts_out;

static bool ends_with(const char *path, const char *ending)
{
    const size_t length = strlen(path), own = strlen(ending);

    return length > own && strcmp(path + length - own, ending) == 0;
}

ebb_status parts_kind_find(const char *path, parts_kind *kind, ebb_error *error)
{
    *kind = PARTS_ARCHIVE;
    if (ends_with(path, ".keras")) return EBB_OK;
    *kind = PARTS_WEIGHTS;
    if (ends_with(path, ".weights.h5")) return EBB_OK;
    *kind = PARTS_LAYERS;
    if (ends_with(path, ".h5") || ends_with(path, ".hdf5")) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, path,
                "expected a name that ends with .keras, .weights.h5, .h5 or .hdf5");
}

static hdf5_item *array_add(const parts_out *o, hdf5_item *group, const ebb_part *part)
{
    return hdf5_write_dataset(o->h5, group, part->name, part->view.dtype, part->view.rank,
                              part->view.dims);
}

static const char *version_of(const ebb_parts *parts)
{
    return parts->keras_version != NULL ? parts->keras_version : KERAS_VERSION_WRITTEN;
}

/* The arrays of one layer, in their order, from part `first` on: sets their items. */
static void layer_add(parts_out *o, hdf5_item *group, const char *layer, size_t first)
{
    uint32_t count = 0;

    for (size_t i = first; i < o->parts->count; i++) {
        const ebb_part *part = &o->parts->parts[i];
        const bool is_here = layer == NULL ? part->layer == NULL
                                           : part->layer != NULL && strcmp(part->layer, layer) == 0;
        if (!is_here || part->name == NULL) continue;
        o->names[count++] = part->name;
        o->items[i] = array_add(o, group, part);
    }
    hdf5_write_texts(o->h5, group, "weight_names", o->names, count);
    o->names += count;
}

/* Is there a part of this layer before? */
static bool is_known(const ebb_parts *parts, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        const char *layer = parts->parts[i].layer;
        if (layer != NULL && strcmp(layer, parts->parts[index].layer) == 0) return true;
    }
    return false;
}

static ebb_status layers_tree(parts_out *o, ebb_error *error)
{
    const ebb_parts *parts = o->parts;
    hdf5_item *root = hdf5_write_root(o->h5);
    const char **layers = region_new(o->home, const char *, parts->count + 1);
    uint32_t count = 0;
    bool has_optimizer = false;

    if (layers == NULL) return region_fail(o->home, error, "parts", "the names of layers");
    hdf5_write_text(o->h5, root, "keras_version", version_of(parts));
    hdf5_write_text(o->h5, root, "backend", "tensorflow");
    if (parts->config != NULL) hdf5_write_text(o->h5, root, "model_config", parts->config);
    if (parts->settings != NULL) hdf5_write_text(o->h5, root, "training_config", parts->settings);
    hdf5_item *weights = hdf5_write_group(o->h5, root, "model_weights");
    for (size_t i = 0; i < parts->count && weights != NULL; i++) {
        const char *layer = parts->parts[i].layer;
        has_optimizer = has_optimizer || layer == NULL;
        if (layer == NULL || is_known(parts, i)) continue;
        layers[count++] = layer;
        layer_add(o, hdf5_write_group(o->h5, weights, layer), layer, i);
    }
    if (weights != NULL) {
        hdf5_write_texts(o->h5, weights, "layer_names", layers, count);
        hdf5_write_text(o->h5, weights, "backend", "tensorflow");
        hdf5_write_text(o->h5, weights, "keras_version", version_of(parts));
        hdf5_item *loose = hdf5_write_group(o->h5, weights, "top_level_model_weights");
        hdf5_write_texts(o->h5, loose, "weight_names", o->names, 0);
    }
    if (has_optimizer) layer_add(o, hdf5_write_group(o->h5, root, "optimizer_weights"), NULL, 0);
    return EBB_OK;
}

static ebb_status tree_make(parts_out *o, parts_kind kind, ebb_error *error)
{
    o->h5 = hdf5_write_open(o->home);
    o->items = region_new(o->home, hdf5_item *, o->parts->count + 1);
    o->names = region_new(o->home, const char *, o->parts->count + 1);
    if (o->h5 == NULL || o->items == NULL || o->names == NULL)
        return region_fail(o->home, error, "parts", "the directory of a file");
    if (kind == PARTS_LAYERS) {
        const ebb_status status = layers_tree(o, error);
        if (status != EBB_OK) return status;
    }
    for (size_t i = 0; i < o->parts->count && kind != PARTS_LAYERS; i++) {
        const ebb_part *part = &o->parts->parts[i];
        if (part->name != NULL) o->items[i] = array_add(o, hdf5_write_root(o->h5), part);
    }
    return hdf5_write_layout(o->h5, error);
}

/* Data follow in the order in which the datasets were made: by layer in files of layers. */
static ebb_status data_put(const parts_out *o, parts_kind kind, ebb_error *error)
{
    const ebb_parts *parts = o->parts;
    ebb_status status = EBB_OK;

    for (int pass = 0; pass < 2; pass++) { /* the optimizer's arrays come last */
        for (size_t i = 0; i < parts->count && status == EBB_OK; i++) {
            const bool is_last = kind == PARTS_LAYERS && parts->parts[i].layer == NULL;
            if (o->items[i] == NULL || is_last != (pass == 1)) continue;
            status = hdf5_write_data(o->h5, o->items[i], parts->parts[i].view.data, error);
        }
    }
    return status;
}

static ebb_status member_put(void *context, const void *bytes, uint64_t length, ebb_error *error)
{
    return zip_writer_put(context, bytes, length, error);
}

static ebb_status file_put(void *context, const void *bytes, uint64_t length, ebb_error *error)
{
    return file_writer_put(context, bytes, length, error);
}

static ebb_status text_add(zip_writer *zip, const char *name, const char *text, bool deflates,
                           ebb_error *error)
{
    const size_t length = strlen(text);
    ebb_status status = zip_writer_begin_member(zip, name, length, deflates, error);

    if (status == EBB_OK) status = zip_writer_put(zip, text, length, error);
    return status == EBB_OK ? zip_writer_end_member(zip, error) : status;
}

static ebb_status archive_put(parts_out *o, file_writer *file, ebb_error *error)
{
    zip_writer zip;
    text_writer metadata;
    const ebb_parts *parts = o->parts;
    const hdf5_sink sink = {member_put, &zip};

    text_begin(&metadata, o->home);
    text_put(&metadata, "{\"keras_version\": ");
    text_json_string(&metadata, version_of(parts));
    text_put(&metadata, "}");
    if (metadata.failed) return region_fail(o->home, error, file->path, "metadata.json");
    zip_writer_begin(o->home, file, &zip);
    ebb_status status = text_add(&zip, "metadata.json", metadata.text, parts->deflate, error);
    if (status == EBB_OK)
        status = text_add(&zip, "config.json", parts->config, parts->deflate, error);
    if (status == EBB_OK) {
        status = zip_writer_begin_member(&zip, "model.weights.h5", hdf5_write_bytes(o->h5),
                                         parts->deflate, error);
    }
    if (status == EBB_OK) status = hdf5_write_begin(o->h5, &sink, error);
    if (status == EBB_OK) status = data_put(o, PARTS_ARCHIVE, error);
    if (status == EBB_OK) status = zip_writer_end_member(&zip, error);
    zip_writer_abandon(&zip);
    return status == EBB_OK ? zip_writer_end(&zip, error) : status;
}

ebb_status parts_file_write(region *home, const ebb_parts *parts, parts_kind kind,
                            file_writer *file, ebb_error *error)
{
    const hdf5_sink sink = {file_put, file};
    parts_out o = {.home = home, .parts = parts};
    ebb_status status = tree_make(&o, kind, error);

    if (status != EBB_OK || kind == PARTS_ARCHIVE)
        return status == EBB_OK ? archive_put(&o, file, error) : status;
    status = hdf5_write_begin(o.h5, &sink, error);
    return status == EBB_OK ? data_put(&o, kind, error) : status;
}
