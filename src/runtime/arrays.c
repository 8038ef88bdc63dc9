/* arrays.c -- see arrays.h. A .npy is read straight into its array; members of a .npz through their
 * own source. */
#include "runtime/arrays.h"

#include <string.h>

#include "base/status.h"
#include "format/order.h"
#include "format/zip.h"
#include "format/zip_writer.h"
#include "tensor/npy.h"

#define HEADER_BYTES ((size_t)64 << 10)

static ebb_status read_array(region *home, source *s, array_entry *entry, ebb_error *error)
{
    const uint64_t size = source_bytes(s);
    const size_t length = size < HEADER_BYTES ? (size_t)size : HEADER_BYTES;
    npy_header header;
    region *work = region_open(home, "header", EBB_CLASS_SCRATCH, 0);
    void *bytes = work == NULL ? NULL : region_block(work, length + 1);
    ebb_status status = bytes == NULL ? region_fail(home, error, source_name(s), "a header")
                                      : source_read(s, 0, bytes, length, error);

    if (status == EBB_OK) status = npy_header_read(bytes, length, source_name(s), &header, error);
    region_close(work);
    if (status != EBB_OK) return status;
    if (header.data_offset > size || header.data_bytes > size - header.data_offset) {
        return fail(error, EBB_E_FORMAT, source_name(s), "the array is cut short");
    }
    entry->view = (ebb_view){.dtype = header.dtype, .rank = header.rank};
    memcpy(entry->view.dims, header.dims, sizeof header.dims);
    entry->view.data = region_block(home, header.data_bytes + 1);
    if (entry->view.data == NULL) return region_fail(home, error, source_name(s), "an array");
    status = source_read(s, header.data_offset, entry->view.data, header.data_bytes, error);
    if (status == EBB_OK && header.swapped) {
        npy_swap(header.dtype, entry->view.data, header.data_bytes / ebb_dtype_bytes(header.dtype));
    }
    return status;
}

static ebb_status read_member(region *home, zip_archive *archive, const zip_member *member,
                              array_entry *entry, ebb_error *error)
{
    const size_t length = strlen(member->name);
    const bool is_npy = length > 4 && strcmp(member->name + length - 4, ".npy") == 0;
    source *s = NULL;

    if (!is_npy)
        return fail(error, EBB_E_FORMAT, member->name, "expected only .npy members in a .npz");
    entry->name = region_text_length(home, member->name, length - 4);
    if (entry->name == NULL) return region_fail(home, error, member->name, "a name");
    region *work = region_open(home, "member", EBB_CLASS_SCRATCH, 0);
    ebb_status status = work == NULL ? region_fail(home, error, member->name, "a member")
                                     : zip_source(work, archive, member, &s, error);
    if (status == EBB_OK) status = read_array(home, s, entry, error);
    region_close(work);
    return status;
}

static int compare_offsets(const void *a, const void *b)
{
    const uint64_t x = (*(const zip_member *const *)a)->data_offset;
    const uint64_t y = (*(const zip_member *const *)b)->data_offset;

    return x < y ? -1 : x > y;
}

/* The archive has its members by name; the caller wants them in file order. */
static ebb_status read_members(arrays *a, zip_archive *archive, ebb_error *error)
{
    ebb_status status = EBB_OK;
    const zip_member **members = region_new(a->home, const zip_member *, archive->count + 1);

    if (members == NULL) return region_fail(a->home, error, source_name(archive->file), "arrays");
    for (uint32_t i = 0; i < archive->count; i++) members[i] = &archive->members[i];
    order_sort(members, archive->count, sizeof *members, compare_offsets);
    for (; status == EBB_OK && a->count < archive->count; a->count++) {
        status = read_member(a->home, archive, members[a->count], &a->entries[a->count], error);
    }
    return status;
}

static ebb_status read_all(arrays *a, source *file, ebb_error *error)
{
    uint8_t head[4] = {0};
    zip_archive *archive = NULL;
    ebb_status status =
        source_bytes(file) < sizeof head ? EBB_OK : source_read(file, 0, head, sizeof head, error);

    if (status != EBB_OK) return status;
    const bool is_zip = memcmp(head, "PK", 2) == 0;
    if (is_zip) status = zip_open(a->home, file, &archive, error);
    if (status != EBB_OK) return status;
    const uint32_t count = is_zip ? archive->count : 1;
    a->entries = region_new(a->home, array_entry, count + 1);
    if (a->entries == NULL) return region_fail(a->home, error, source_name(file), "arrays");
    if (!is_zip) {
        a->count = 1;
        a->entries[0].name = "";
        return read_array(a->home, file, &a->entries[0], error);
    }
    return read_members(a, archive, error);
}

static void link_arrays(runtime *r, arrays *a)
{
    pthread_mutex_lock(&r->mutex);
    a->owner = r->id;
    a->next = r->arrays;
    if (a->next != NULL) a->next->previous = a;
    r->arrays = a;
    pthread_mutex_unlock(&r->mutex);
}

void arrays_close(runtime *r, arrays *a)
{
    pthread_mutex_lock(&r->mutex);
    if (a->previous != NULL)
        a->previous->next = a->next;
    else
        r->arrays = a->next;
    if (a->next != NULL) a->next->previous = a->previous;
    pthread_mutex_unlock(&r->mutex);
    region_close(a->home);
}

ebb_status arrays_fill(arrays *a, const char *path, ebb_error *error)
{
    source *file = NULL;
    ebb_status status = source_open(a->home, path, &file, error);

    if (status == EBB_OK) status = read_all(a, file, error);
    if (status == EBB_OK) status = source_unchanged(file, error);
    source_close(file);
    return status;
}

ebb_status arrays_read(runtime *r, const char *path, arrays_function fill, arrays **result,
                       ebb_error *error)
{
    region *home = region_open(r->root, "arrays", EBB_CLASS_DATA, 0);
    arrays *a = home == NULL ? NULL : region_new(home, arrays, 1);

    if (a == NULL) {
        const ebb_status status = region_fail(home == NULL ? r->root : home, error, path, "arrays");
        region_close(home);
        return status;
    }
    a->home = home;
    const ebb_status status = fill(a, path, error);
    if (status != EBB_OK) {
        region_close(home);
        return status;
    }
    link_arrays(r, a);
    *result = a;
    return EBB_OK;
}

static ebb_status save_views(region *work, file_writer *file, bool is_npy, const char *const *names,
                             const ebb_views *views, ebb_error *error)
{
    zip_writer zip;
    ebb_status status = EBB_OK;

    zip_writer_begin(work, file, &zip);
    for (size_t i = 0; i < views->count && status == EBB_OK; i++) {
        const ebb_view *view = &views->items[i];
        char head[256];
        npy_header header = {.dtype = view->dtype, .rank = view->rank};
        memcpy(header.dims, view->dims, sizeof header.dims);
        const size_t head_bytes = npy_header_write(&header, head);
        const uint64_t bytes = ebb_view_bytes(view);
        if (is_npy) {
            status = file_writer_put(file, head, head_bytes, error);
            if (status == EBB_OK) status = file_writer_put(file, view->data, bytes, error);
            continue;
        }
        const char *name = region_format(work, "%s.npy", names[i]);
        status = name == NULL
                     ? region_fail(work, error, names[i], "a name")
                     : zip_writer_add(&zip, name, head, head_bytes, view->data, bytes, error);
    }
    return status == EBB_OK && !is_npy ? zip_writer_end(&zip, error) : status;
}

static ebb_status check_array(const char *path, const char *const *names, const ebb_views *views,
                              size_t i, ebb_error *error)
{
    const ebb_view *view = &views->items[i];
    const uint64_t bytes = ebb_view_bytes(view);

    if (names[i] == NULL) return fail(error, EBB_E_ARGUMENT, path, "array %zu has no name", i);
    if (bytes == UINT64_MAX)
        return fail(error, EBB_E_ARGUMENT, path, "array '%s' has no valid shape", names[i]);
    if (ebb_dtype_bytes(view->dtype) == 0) {
        return fail(error, EBB_E_ARGUMENT, path, "array '%s': %d is no data type of EBB_DTYPE_MAP",
                    names[i], (int)view->dtype);
    }
    if (view->data == NULL && bytes > 0) {
        return fail(error, EBB_E_ARGUMENT, path, "array '%s' has no memory", names[i]);
    }
    for (size_t k = 0; k < i; k++) {
        if (strcmp(names[i], names[k]) != 0) continue;
        return fail(error, EBB_E_ARGUMENT, path, "two arrays are named '%s'", names[i]);
    }
    return EBB_OK;
}

ebb_status arrays_save(runtime *r, const char *path, const char *const *names,
                       const ebb_views *views, ebb_error *error)
{
    const size_t length = strlen(path);
    const bool is_npy = length > 4 && strcmp(path + length - 4, ".npy") == 0;
    file_writer file;

    if (is_npy && views->count != 1) {
        return fail(error, EBB_E_ARGUMENT, path,
                    "a .npy holds exactly one array, got %zu; name the file .npz", views->count);
    }
    for (size_t i = 0; i < views->count; i++) {
        const ebb_status checked = check_array(path, names, views, i, error);
        if (checked != EBB_OK) return checked;
    }
    region *work = region_open(r->root, "save", EBB_CLASS_SCRATCH, 0);
    if (work == NULL) return region_fail(r->root, error, path, "a file");
    ebb_status status = file_writer_open(work, path, &file, error);
    if (status == EBB_OK) status = save_views(work, &file, is_npy, names, views, error);
    if (status == EBB_OK) status = file_writer_commit(&file, error);
    file_writer_discard(&file);
    region_close(work);
    return status;
}
