/* hdf5_dataset.c -- opening a dataset (one header, one allocation) and reading a range of its
 * elements.
 *
 *     one allocation:  hdf5_dataset | hdf5_storage | chunk table | compact bytes
 *
 * Contiguous data go from the file straight into the caller's memory. A range of a chunked dataset
 * is put together chunk by chunk: each chunk that holds an element of the range is decoded once,
 * and its rows are copied where they overlap the range. Elements that are not stored have the fill
 * value. Invariant: whoever has an open dataset knows that its compact or contiguous bytes are all
 * there. */
#include <inttypes.h>

#include "format/hdf5/hdf5_internal.h"

/* -- opening
 * ---------------------------------------------------------------------------------------- */

static ebb_status message_required(const hdf5_file *file, const hdf5_header *header, uint16_t type,
                                   const char *what, hdf5_cursor *c, ebb_error *error)
{
    const hdf5_message *m = hdf5_header_find(header, type);

    if (m == NULL) {
        return hdf5_damaged(file, header->address, error,
                            "expected a dataset, found an object without %s", what);
    }
    if (m->is_shared) {
        return hdf5_unsupported(
            file, header->address, error,
            "the dataset's %s is shared (a committed type); save it with a plain one", what);
    }
    *c = hdf5_message_cursor(header, m);
    return EBB_OK;
}

/* Keras stores bfloat16 as two opaque bytes and says so in an attribute. */
static ebb_status opaque_resolve(hdf5_file *file, region *scratch, const hdf5_header *header,
                                 hdf5_type *type, ebb_error *error)
{
    static const char name[] = "bfloat16";
    const hdf5_text *texts = NULL;
    uint32_t count = 0;
    const ebb_status status =
        hdf5_attribute_texts(file, scratch, header, "dtype", &texts, &count, error);

    if (status != EBB_OK || count != 1) return status;
    if (texts[0].length != sizeof name - 1 || memcmp(texts[0].at, name, sizeof name - 1) != 0)
        return EBB_OK;
    type->kind = HDF5_TYPE_NUMBER;
    type->dtype = EBB_BF16;
    return EBB_OK;
}

/* Are the bytes of compact and contiguous data all there? */
static ebb_status storage_check(const hdf5_file *file, const hdf5_storage *storage, uint64_t count,
                                ebb_error *error)
{
    const hdf5_layout *layout = &storage->layout;
    uint64_t bytes, end;

    if (!u64_mul(count, storage->type.bytes, &bytes)) bytes = UINT64_MAX;
    if (layout->kind == HDF5_LAYOUT_CHUNKED) return EBB_OK;
    if (layout->kind == HDF5_LAYOUT_CONTIGUOUS && layout->address == HDF5_UNDEFINED) {
        if (bytes <= HDF5_DATASET_BYTES_MAX) return EBB_OK;
        return hdf5_damaged(file, storage->address, error,
                            "a dataset declares %" PRIu64 " bytes and stores none of them", bytes);
    }
    if (bytes > layout->length) {
        return hdf5_damaged(file, storage->address, error,
                            "the dataset needs %" PRIu64 " bytes, %" PRIu64 " are stored", bytes,
                            layout->length);
    }
    if (layout->kind == HDF5_LAYOUT_COMPACT || bytes == 0) return EBB_OK;
    if (!u64_add(layout->address, bytes, &end) || end > file->bytes) {
        return hdf5_damaged(
            file, layout->address, error,
            "%" PRIu64 " bytes of a dataset are expected here, but the file ends at 0x%" PRIx64,
            bytes, source_bytes(file->s));
    }
    return EBB_OK;
}

static ebb_status dataset_parse(hdf5_file *file, region *scratch, uint64_t address, hdf5_dataset *d,
                                hdf5_storage *storage, ebb_error *error)
{
    hdf5_header header = {0};
    hdf5_space space = {0};
    hdf5_cursor c = {0};
    hdf5_layout *layout = &storage->layout;
    hdf5_type *type = &storage->type;
    ebb_status status = hdf5_header_read(file, scratch, address, &header, error);

    if (status == EBB_OK && hdf5_header_find(&header, HDF5_MESSAGE_EXTERNAL) != NULL) {
        return hdf5_unsupported(
            file, address, error,
            "the data are in another file (external storage); save them in this one");
    }
    storage->address = address;
    if (status == EBB_OK) {
        status = message_required(file, &header, HDF5_MESSAGE_DATATYPE, "datatype", &c, error);
    }
    if (status == EBB_OK) status = hdf5_type_parse(file, address, &c, type, error);
    if (status == EBB_OK) {
        status = message_required(file, &header, HDF5_MESSAGE_DATASPACE, "dataspace", &c, error);
    }
    if (status == EBB_OK) status = hdf5_space_parse(file, address, &c, &space, error);
    if (status == EBB_OK) {
        status = hdf5_layout_parse(file, &header, &space, type->bytes, layout, error);
    }
    if (status == EBB_OK) status = hdf5_filters_parse(file, &header, &layout->filters, error);
    if (status == EBB_OK) status = hdf5_fill_parse(file, &header, type, storage->fill, error);
    if (status != EBB_OK) return status;

    d->is_opaque2 = type->kind == HDF5_TYPE_OPAQUE && type->bytes == 2;
    if (d->is_opaque2) status = opaque_resolve(file, scratch, &header, type, error);
    if (status == EBB_OK && type->kind == HDF5_TYPE_NUMBER && layout->kind == HDF5_LAYOUT_CHUNKED) {
        status = hdf5_chunks_read(file, scratch, &space, layout, error);
    }
    if (status == EBB_OK) status = storage_check(file, storage, space.count, error);
    d->dtype = type->dtype;
    d->rank = space.rank;
    for (uint32_t i = 0; i < space.rank; i++) d->dims[i] = (int64_t)space.dims[i];
    d->count = space.count;
    return status;
}

static uint64_t contiguous_at(const hdf5_file *file, const hdf5_storage *storage)
{
    if (storage->layout.kind != HDF5_LAYOUT_CONTIGUOUS ||
        storage->layout.address == HDF5_UNDEFINED || storage->type.is_big_endian) {
        return UINT64_MAX;
    }
    return file->base + storage->layout.address;
}

static ebb_status dataset_keep(hdf5_file *file, const hdf5_dataset *d, const hdf5_storage *storage,
                               hdf5_dataset **result, ebb_error *error)
{
    const hdf5_layout *layout = &storage->layout;
    const uint64_t table_bytes = layout->chunk_count * (uint64_t)sizeof(hdf5_chunk);
    const uint64_t compact_bytes = layout->compact != NULL ? layout->length : 0;
    void *memory = NULL;
    const ebb_status status =
        hdf5_keep(file, sizeof *d + sizeof *storage + table_bytes + compact_bytes, "a dataset",
                  &memory, error);

    if (status != EBB_OK) return status;
    hdf5_dataset *kept = memory;
    hdf5_storage *kept_storage = (hdf5_storage *)(kept + 1);
    hdf5_chunk *table = (hdf5_chunk *)(kept_storage + 1);
    uint8_t *compact = (uint8_t *)(table + layout->chunk_count);

    *kept = *d;
    *kept_storage = *storage;
    kept->internal = kept_storage;
    kept->contiguous_at = contiguous_at(file, storage);
    if (table_bytes > 0) memcpy(table, layout->chunks, (size_t)table_bytes);
    if (compact_bytes > 0) memcpy(compact, layout->compact, (size_t)compact_bytes);
    kept_storage->layout.chunks = table;
    kept_storage->layout.compact = compact;
    *result = kept;
    return EBB_OK;
}

ebb_status hdf5_dataset_open(hdf5_file *file, uint64_t address, hdf5_dataset **dataset,
                             ebb_error *error)
{
    hdf5_dataset d = {0};
    hdf5_storage storage = {0};
    region *scratch = hdf5_scratch_open(file, HDF5_SCRATCH_BYTES_MAX, error);

    if (scratch == NULL) return EBB_E_MEMORY;
    ebb_status status = dataset_parse(file, scratch, address, &d, &storage, error);
    if (status == EBB_OK) status = dataset_keep(file, &d, &storage, dataset, error);
    region_close(scratch);
    return status;
}

/* -- reading
 * ---------------------------------------------------------------------------------------- */

/* Elements [first, end) of the dataset, which go to `bytes`. */
typedef struct range {
    uint64_t first, end;
    uint8_t *bytes;
} range;

static void fill_range(const hdf5_storage *storage, const range *r)
{
    static const uint8_t zeros[8];
    const size_t element_bytes = storage->type.bytes;
    const uint64_t count = r->end - r->first;

    if (memcmp(storage->fill, zeros, sizeof zeros) == 0) {
        memset(r->bytes, 0, (size_t)count * element_bytes);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        memcpy(r->bytes + (size_t)i * element_bytes, storage->fill, element_bytes);
    }
}

/* Copies the rows of a chunk that overlap the range. Without elements it only tells whether any
 * does. */
static bool chunk_copy(const hdf5_dataset *d, const hdf5_storage *storage, const hdf5_chunk *chunk,
                       const uint8_t *elements, const range *r)
{
    const hdf5_layout *layout = &storage->layout;
    const size_t element_bytes = storage->type.bytes;
    const uint32_t last = d->rank - 1;
    uint64_t origin[EBB_RANK_MAX], extent[EBB_RANK_MAX], at[EBB_RANK_MAX] = {0};
    uint64_t index = chunk->index, rows = 1;
    bool overlaps = false;

    for (uint32_t i = d->rank; i-- > 0;) {
        origin[i] = index % layout->grid[i] * layout->chunk[i];
        index /= layout->grid[i];
        extent[i] = (uint64_t)d->dims[i] - origin[i];
        if (extent[i] > layout->chunk[i]) extent[i] = layout->chunk[i];
        if (i < last) rows *= extent[i];
    }
    for (uint64_t row = 0; row < rows; row++) {
        uint64_t in_dataset = 0, in_chunk = 0;

        for (uint32_t i = 0; i < d->rank; i++) {
            in_dataset = in_dataset * (uint64_t)d->dims[i] + origin[i] + at[i];
            in_chunk = in_chunk * layout->chunk[i] + at[i];
        }
        const uint64_t begin = in_dataset > r->first ? in_dataset : r->first;
        const uint64_t end =
            in_dataset + extent[last] < r->end ? in_dataset + extent[last] : r->end;

        if (begin < end) {
            overlaps = true;
            if (elements == NULL) return true;
            memcpy(r->bytes + (size_t)(begin - r->first) * element_bytes,
                   elements + (size_t)(in_chunk + begin - in_dataset) * element_bytes,
                   (size_t)(end - begin) * element_bytes);
        }
        for (uint32_t i = last; i-- > 0;) {
            if (++at[i] < extent[i]) break;
            at[i] = 0;
        }
    }
    return overlaps;
}

/* First chunk of the table whose index is not below `index`. */
static uint32_t chunk_at_least(const hdf5_layout *layout, uint64_t index)
{
    uint32_t low = 0, high = layout->chunk_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (layout->chunks[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static ebb_status chunked_read(hdf5_file *file, region *scratch, const hdf5_dataset *d,
                               const hdf5_storage *storage, const range *r, ebb_error *error)
{
    const hdf5_layout *layout = &storage->layout;
    hdf5_decoder *decoder = NULL;
    uint64_t slab_elements = layout->chunk[0], slab_chunks = 1;
    ebb_status status = EBB_OK;

    for (uint32_t i = 1; i < d->rank; i++) {
        slab_elements *= (uint64_t)d->dims[i];
        slab_chunks *= layout->grid[i];
    }
    const uint64_t index_end = ((r->end - 1) / slab_elements + 1) * slab_chunks;
    uint32_t i = chunk_at_least(layout, r->first / slab_elements * slab_chunks);

    if (layout->missing > 0) fill_range(storage, r);
    for (; i < layout->chunk_count && layout->chunks[i].index < index_end; i++) {
        const hdf5_chunk *chunk = &layout->chunks[i];
        const uint8_t *elements = NULL;

        if (!chunk_copy(d, storage, chunk, NULL, r)) continue;
        if (decoder == NULL) status = hdf5_decoder_open(file, scratch, storage, &decoder, error);
        if (status == EBB_OK) status = hdf5_decode(decoder, d, chunk, &elements, error);
        if (status != EBB_OK) return status;
        (void)chunk_copy(d, storage, chunk, elements, r);
    }
    return status;
}

static ebb_status elements_read(hdf5_file *file, const hdf5_dataset *d, const hdf5_storage *storage,
                                const range *r, ebb_error *error)
{
    const hdf5_layout *layout = &storage->layout;
    const size_t element_bytes = storage->type.bytes;
    const size_t bytes = (size_t)(r->end - r->first) * element_bytes;

    if (layout->kind == HDF5_LAYOUT_COMPACT) {
        memcpy(r->bytes, layout->compact + (size_t)r->first * element_bytes, bytes);
        return EBB_OK;
    }
    if (layout->kind == HDF5_LAYOUT_CONTIGUOUS) {
        if (layout->address == HDF5_UNDEFINED) {
            fill_range(storage, r);
            return EBB_OK;
        }
        return source_read(file->s, file->base + layout->address + r->first * element_bytes,
                           r->bytes, bytes, error);
    }
    region *scratch = hdf5_scratch_open(file, 0, error);
    if (scratch == NULL) return EBB_E_MEMORY;
    const ebb_status status = chunked_read(file, scratch, d, storage, r, error);
    region_close(scratch);
    return status;
}

ebb_status hdf5_dataset_read(hdf5_file *file, const hdf5_dataset *dataset, uint64_t first,
                             uint64_t count, void *bytes, ebb_error *error)
{
    const hdf5_storage *storage = dataset->internal;

    if (first > dataset->count || count > dataset->count - first) {
        return fail(error, EBB_E_ARGUMENT, "hdf5_dataset_read",
                    "%" PRIu64 " elements from %" PRIu64 " are asked for, the dataset has %" PRIu64,
                    count, first, dataset->count);
    }
    if (storage->type.kind != HDF5_TYPE_NUMBER) {
        return hdf5_unsupported(file, storage->address, error, "the dataset holds %s, not numbers",
                                storage->type.text);
    }
    if (count == 0) return EBB_OK;
    const range r = {first, first + count, bytes};
    const ebb_status status = elements_read(file, dataset, storage, &r, error);

    if (status == EBB_OK) hdf5_type_finish(&storage->type, bytes, count);
    return status;
}
