/* npz_file.c -- see npz_file.h; reads through the library's own zip and npy readers. */
#include "npz_file.h"

#include <string.h>

#include "base/status.h"
#include "format/zip.h"
#include "tensor/npy.h"

static ebb_status read_array(region *home, zip_archive *archive, const zip_member *member,
                             npz_array *array, ebb_error *error)
{
    const char *bytes = NULL;
    npy_header header = {0};
    const size_t length = strlen(member->name);

    array->name = region_text_length(home, member->name, length > 4 ? length - 4 : length);
    ebb_status status = zip_read(home, archive, member, (uint64_t)1 << 30, &bytes, error);
    if (status != EBB_OK) return status;
    status = npy_header_read(bytes, member->bytes, member->name, &header, error);
    if (status == EBB_E_UNSUPPORTED || status == EBB_E_FORMAT)
        return EBB_OK; /* strings: dtype stays NONE */
    if (status != EBB_OK) return status;
    if (header.data_offset + header.data_bytes > member->bytes) {
        return fail(error, EBB_E_FORMAT, member->name, "truncated array");
    }
    array->view = (ebb_view){.dtype = header.dtype, .rank = header.rank};
    memcpy(array->view.dims, header.dims, sizeof header.dims);
    /* views need aligned data: numpy pads headers to 64, but members begin anywhere */
    array->view.data = region_block(home, header.data_bytes + 1);
    if (array->view.data == NULL) return region_fail(home, error, member->name, "an array");
    memcpy(array->view.data, bytes + header.data_offset, header.data_bytes);
    return EBB_OK;
}

ebb_status npz_read(region *home, const char *path, npz_file *file, ebb_error *error)
{
    source *s = NULL;
    zip_archive *archive = NULL;
    ebb_status status = source_open(home, path, &s, error);

    *file = (npz_file){0};
    if (status == EBB_OK) status = zip_open(home, s, &archive, error);
    if (status == EBB_OK) file->arrays = region_new(home, npz_array, archive->count + 1);
    for (uint32_t i = 0; status == EBB_OK && i < archive->count; i++) {
        status =
            read_array(home, archive, &archive->members[i], &file->arrays[file->count++], error);
    }
    source_close(s);
    return status;
}

const npz_array *npz_find(const npz_file *file, const char *name)
{
    for (uint32_t i = 0; i < file->count; i++) {
        if (strcmp(file->arrays[i].name, name) == 0) return &file->arrays[i];
    }
    return NULL;
}
