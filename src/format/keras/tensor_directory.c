/* tensor_directory.c -- entries of the tensor directory: a dataset of an HDF5 file, read on demand.
 */
#include "base/status.h"
#include "format/keras/reader.h"

typedef struct entry_context {
    hdf5_file *file;
    hdf5_dataset *dataset;
} entry_context;

static ebb_status entry_read(const tensor_entry *entry, uint64_t first, uint64_t count, void *bytes,
                             ebb_error *error)
{
    const entry_context *context = entry->context;
    const ebb_status status =
        hdf5_dataset_read(context->file, context->dataset, first, count, bytes, error);
    if (status != EBB_OK) fail_within(error, entry->path);
    return status;
}

ebb_status tensor_entry_open(region *home, hdf5_file *file, uint64_t address, const char *path,
                             const char *name, tensor_entry *entry, ebb_error *error)
{
    entry_context *context = region_new(home, entry_context, 1);
    if (context == NULL || path == NULL || name == NULL)
        return region_fail(home, error, path, "a tensor");
    const ebb_status status = hdf5_dataset_open(file, address, &context->dataset, error);
    if (status != EBB_OK) {
        fail_within(error, path);
        return status;
    }
    const hdf5_dataset *dataset = context->dataset;
    context->file = file;
    *entry = (tensor_entry){.path = path,
                            .name = name,
                            .dtype = dataset->dtype,
                            .rank = dataset->rank,
                            .read = entry_read,
                            .context = context};
    for (uint32_t i = 0; i < dataset->rank; i++) entry->dims[i] = dataset->dims[i];
    return EBB_OK;
}
