/* weights_writer.c -- the datasets of a file and the tensors that fill them; .weights.h5.
 *
 * Source: keras/src/saving/saving_lib.py (H5IOStore, _save_state). */
#include <stdio.h>

#include "base/status.h"
#include "format/keras/writer.h"

ebb_status weights_file_open(region *home, const model_content *content, weights_file *f,
                             ebb_error *error)
{
    const size_t most = (size_t)content->tensor_count + content->extra_count + 1;

    *f = (weights_file){.content = content};
    f->h5 = hdf5_write_open(home);
    f->tensors = region_new(home, const saved_tensor *, most);
    f->items = region_new(home, hdf5_item *, most);
    if (f->h5 == NULL || f->tensors == NULL || f->items == NULL)
        return region_fail(home, error, "weights", "the directory of a file");
    f->capacity = (uint32_t)most - 1;
    return EBB_OK;
}

void weights_file_add(weights_file *f, hdf5_item *group, const char *path,
                      const saved_tensor *tensor)
{
    if (f->count == f->capacity) return;
    f->tensors[f->count] = tensor;
    f->items[f->count++] =
        hdf5_write_dataset(f->h5, group, path, tensor->dtype, tensor->rank, tensor->dims);
}

static void object_add(weights_file *f, const saved_tensor *t)
{
    hdf5_item *group = hdf5_write_group(f->h5, hdf5_write_root(f->h5), t->path);
    char name[24];

    if (group != NULL) group = hdf5_write_group(f->h5, group, "vars");
    snprintf(name, sizeof name, "%u", t->variable);
    weights_file_add(f, group, name, t);
}

void weights_file_tree(weights_file *f)
{
    const model_content *c = f->content;

    for (uint32_t i = 0; i < c->tensor_count; i++) object_add(f, &c->tensors[i]);
    for (uint32_t i = 0; i < c->extra_count; i++) object_add(f, &c->extra[i]);
}

static uint64_t tensor_bytes(const saved_tensor *t)
{
    uint64_t bytes = ebb_dtype_bytes(t->dtype);

    for (uint32_t i = 0; i < t->rank; i++) bytes *= (uint64_t)t->dims[i]; /* fits: it is laid out */
    return bytes;
}

ebb_status weights_file_put(region *home, weights_file *f, const hdf5_sink *sink, ebb_error *error)
{
    uint64_t largest = 0;

    for (uint32_t i = 0; i < f->count; i++) {
        const uint64_t bytes = tensor_bytes(f->tensors[i]);
        if (bytes > largest) largest = bytes;
    }
    void *buffer = region_block(home, (size_t)largest + 1);
    if (buffer == NULL) return region_fail(home, error, "weights", "a copy of the largest weight");
    ebb_status status = hdf5_write_begin(f->h5, sink, error);
    for (uint32_t i = 0; i < f->count && status == EBB_OK; i++) {
        status = f->content->read(f->content->context, f->tensors[i], buffer, error);
        if (status == EBB_OK) status = hdf5_write_data(f->h5, f->items[i], buffer, error);
    }
    region_block_release(home, buffer);
    return status;
}

static ebb_status file_put(void *context, const void *bytes, uint64_t length, ebb_error *error)
{
    return file_writer_put(context, bytes, length, error);
}

ebb_status weights_file_write(region *home, const model_content *content, file_writer *file,
                              bool deflates, ebb_error *error)
{
    const hdf5_sink sink = {file_put, file};
    weights_file f;
    ebb_status status = weights_file_open(home, content, &f, error);

    (void)deflates;
    if (status != EBB_OK) return status;
    weights_file_tree(&f);
    status = hdf5_write_layout(f.h5, error);
    return status == EBB_OK ? weights_file_put(home, &f, &sink, error) : status;
}
