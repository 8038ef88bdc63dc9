/* weights_writer.c -- the datasets of a file and the tensors that fill them; .weights.h5.
 *
 * Source: keras/src/saving/saving_lib.py (H5IOStore, _save_state). */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/keras/training_writer.h"
#include "format/keras/writer.h"

ebb_status weights_file_open(region *home, const model_content *content, weights_file *f,
                             ebb_error *error)
{
    const size_t most = (size_t)content->tensor_count + 2 * (size_t)content->extra_count + 1;

    *f = (weights_file){.content = content};
    f->h5 = hdf5_write_open(home);
    f->tensors = region_new(home, const saved_tensor *, most);
    f->items = region_new(home, hdf5_item *, most);
    if (f->h5 == NULL || f->tensors == NULL || f->items == NULL)
        return region_fail(home, error, "weights", "the directory of a file");
    f->capacity = (uint32_t)most - 1;
    return EBB_OK;
}

/* Optimizers count in 32 bits here, in 64 bits in files. */
static bool is_counter(const saved_tensor *tensor)
{
    return tensor->dtype == EBB_I32 && strcmp(tensor->path, "optimizer") == 0;
}

void weights_file_add(weights_file *f, hdf5_item *group, const char *path,
                      const saved_tensor *tensor)
{
    const ebb_dtype dtype = is_counter(tensor) ? EBB_I64 : tensor->dtype;

    if (f->count == f->capacity) return;
    f->tensors[f->count] = tensor;
    f->items[f->count++] =
        hdf5_write_dataset(f->h5, group, path, dtype, tensor->rank, tensor->dims);
}

static void object_add(weights_file *f, const char *path, uint32_t variable, const saved_tensor *t)
{
    hdf5_item *group = hdf5_write_group(f->h5, hdf5_write_root(f->h5), path);
    char name[24];

    if (group != NULL) group = hdf5_write_group(f->h5, group, "vars");
    snprintf(name, sizeof name, "%u", variable);
    weights_file_add(f, group, name, t);
}

static uint64_t tensor_elements(const saved_tensor *t)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < t->rank; i++) count *= (uint64_t)t->dims[i]; /* fits: it is laid out */
    return count;
}

static ebb_status tensor_read(const model_content *content, const saved_tensor *t, void *bytes,
                              ebb_error *error)
{
    const uint64_t count = is_counter(t) ? tensor_elements(t) : 0;
    const ebb_status status = content->read(content->context, t, bytes, error);

    if (status != EBB_OK) return status;
    for (uint64_t i = count; i > 0; i--) {
        const int64_t number = ((const int32_t *)bytes)[i - 1];
        memcpy((int64_t *)bytes + i - 1, &number, sizeof number);
    }
    return EBB_OK;
}

static uint64_t largest_bytes(const weights_file *f)
{
    uint64_t largest = 0;

    for (uint32_t i = 0; i < f->count; i++) {
        const ebb_dtype dtype = is_counter(f->tensors[i]) ? EBB_I64 : f->tensors[i]->dtype;
        const uint64_t bytes = tensor_elements(f->tensors[i]) * ebb_dtype_bytes(dtype);
        if (bytes > largest) largest = bytes;
    }
    return largest;
}

/* Those that are worth it are compressed before the layout, which asks for their bytes. */
static ebb_status deflate_some(region *home, weights_file *f, ebb_error *error)
{
    ebb_status status = EBB_OK;
    void *buffer = NULL;

    for (uint32_t i = 0; i < f->count && status == EBB_OK; i++) {
        if (!f->tensors[i]->deflates || f->items[i] == NULL) continue;
        if (buffer == NULL) buffer = region_block(home, (size_t)largest_bytes(f) + 1);
        if (buffer == NULL)
            return region_fail(home, error, "weights", "a copy of the largest weight");
        status = tensor_read(f->content, f->tensors[i], buffer, error);
        if (status == EBB_OK) status = hdf5_write_deflate(f->h5, f->items[i], buffer, error);
    }
    if (buffer != NULL) region_block_release(home, buffer);
    return status;
}

ebb_status weights_file_tree(region *home, weights_file *f, ebb_error *error)
{
    const model_content *c = f->content;
    const inner_place *places = NULL;
    const ebb_status status = optimizer_inner_places(home, c, &places, error);

    for (uint32_t i = 0; i < c->tensor_count; i++)
        object_add(f, c->tensors[i].path, c->tensors[i].variable, &c->tensors[i]);
    for (uint32_t i = 0; i < c->extra_count; i++)
        object_add(f, c->extra[i].path, c->extra[i].variable, &c->extra[i]);
    for (uint32_t i = 0; places != NULL && i < c->extra_count; i++) {
        if (places[i].path != NULL) object_add(f, places[i].path, places[i].variable, &c->extra[i]);
    }
    return status == EBB_OK ? deflate_some(home, f, error) : status;
}

ebb_status weights_file_put(region *home, weights_file *f, const hdf5_sink *sink, ebb_error *error)
{
    void *buffer = region_block(home, (size_t)largest_bytes(f) + 1);
    if (buffer == NULL) return region_fail(home, error, "weights", "a copy of the largest weight");
    ebb_status status = hdf5_write_begin(f->h5, sink, error);
    for (uint32_t i = 0; i < f->count && status == EBB_OK; i++) {
        if (!f->tensors[i]->deflates)
            status = tensor_read(f->content, f->tensors[i], buffer, error);
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
    if (status == EBB_OK) status = weights_file_tree(home, &f, error);
    if (status == EBB_OK) status = hdf5_write_layout(f.h5, error);
    return status == EBB_OK ? weights_file_put(home, &f, &sink, error) : status;
}
