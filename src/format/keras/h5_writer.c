/* h5_writer.c -- a whole model as .h5: configuration and weights by layer.
 *
 * Source: keras/src/legacy/saving/legacy_h5_format.py (save_model_to_hdf5). */
#include "base/status.h"
#include "format/keras/training_writer.h"
#include "format/keras/writer.h"

typedef struct h5_out {
    region *home;
    weights_file f;
    const model_text *text;
    const saved_tensor *optimizer; /* in the file's order */
    uint32_t optimizer_count;
} h5_out;

/* Names of weights are made unique; layers of other programs may have two of a name. */
static const char *name_settle(h5_out *o, const hdf5_item *group, const char *name)
{
    const char *settled = name;

    for (uint32_t i = 1; settled != NULL && hdf5_write_has(o->f.h5, group, settled); i++)
        settled = region_format(o->home, "%s_%u", name, i);
    return settled;
}

/* One group with its list of names and its datasets. False: no memory. */
static bool group_add(h5_out *o, hdf5_item *group, const saved_tensor *tensors, uint32_t count)
{
    const char **names = region_new(o->home, const char *, (size_t)count + 1);

    if (names == NULL) return false;
    for (uint32_t i = 0; i < count && group != NULL; i++) {
        names[i] = name_settle(o, group, tensors[i].name);
        if (names[i] == NULL) return false;
        weights_file_add(&o->f, group, names[i], &tensors[i]);
    }
    if (group != NULL) hdf5_write_texts(o->f.h5, group, "weight_names", names, count);
    return true;
}

static bool layers_add(h5_out *o, hdf5_item *weights)
{
    const model_content *c = o->f.content;
    const char **names = region_new(o->home, const char *, (size_t)c->layer_count + 1);

    if (names == NULL) return false;
    for (uint32_t i = 0; i < c->layer_count; i++) {
        names[i] = c->layers[i].name;
        hdf5_item *group = hdf5_write_group(o->f.h5, weights, names[i]);
        if (!group_add(o, group, c->layers[i].tensors, c->layers[i].count)) return false;
    }
    hdf5_write_texts(o->f.h5, weights, "layer_names", names, c->layer_count);
    hdf5_write_text(o->f.h5, weights, "backend", o->text->backend);
    hdf5_write_text(o->f.h5, weights, "keras_version", o->text->keras_version);
    return group_add(o, hdf5_write_group(o->f.h5, weights, "top_level_model_weights"), NULL, 0);
}

static bool tree_make(h5_out *o)
{
    hdf5_item *root = hdf5_write_root(o->f.h5);

    hdf5_write_text(o->f.h5, root, "keras_version", o->text->keras_version);
    hdf5_write_text(o->f.h5, root, "backend", o->text->backend);
    hdf5_write_text(o->f.h5, root, "model_config", o->text->config);
    if (o->text->training != NULL)
        hdf5_write_text(o->f.h5, root, "training_config", o->text->training);
    if (!layers_add(o, hdf5_write_group(o->f.h5, root, "model_weights"))) return false;
    if (o->optimizer_count == 0) return true;
    return group_add(o, hdf5_write_group(o->f.h5, root, "optimizer_weights"), o->optimizer,
                     o->optimizer_count);
}

static ebb_status file_put(void *context, const void *bytes, uint64_t length, ebb_error *error)
{
    return file_writer_put(context, bytes, length, error);
}

ebb_status h5_file_write(region *home, const model_content *content, file_writer *file,
                         bool deflates, ebb_error *error)
{
    const hdf5_sink sink = {file_put, file};
    model_text text;
    h5_out o = {.home = home, .text = &text};
    ebb_status status = h5_text_make(home, content, &text, error);

    (void)deflates;
    if (status == EBB_OK) {
        status = optimizer_tensors_list(home, content, text.settings, &o.optimizer,
                                        &o.optimizer_count, error);
    }
    if (status == EBB_OK) status = weights_file_open(home, content, &o.f, error);
    if (status != EBB_OK) return status;
    if (!tree_make(&o)) return region_fail(home, error, file->path, "the directory of a file");
    status = hdf5_write_layout(o.f.h5, error);
    return status == EBB_OK ? weights_file_put(home, &o.f, &sink, error) : status;
}
