/* hdf5_filter.c -- the filter pipeline message, and undoing deflate, shuffle and fletcher32.
 *
 * A decoder owns two buffers that a chunk goes back and forth between, and one inflater, all in
 * the scratch region of one read. Invariant: after the last filter a chunk has exactly chunk_bytes
 * bytes. Source: HDF5 File Format Specification 3.0, IV.A.2.l; H5Zshuffle.c and H5checksum.c for
 * what the filters do (the sum of words is big-endian; some old writers stored it with swapped
 * bytes). */
#include <inttypes.h>
#include <stdio.h>

#include "format/hdf5/hdf5_internal.h"
#include "format/inflate.h"

#define SUM_BYTES      4u
#define OWN_NAMES_FROM 256u /* filters from here on carry a name in version 2 */

static const struct {
    uint32_t id;
    const char *name;
} refused[] = {{4, "szip"},      {5, "nbit"},    {6, "scaleoffset"}, {32000, "lzf"},
               {32001, "blosc"}, {32004, "lz4"}, {32013, "zfp"},     {32015, "zstd"}};

static ebb_status filter_refuse(const hdf5_file *file, uint64_t address, uint32_t id,
                                ebb_error *error)
{
    const char *name = "unknown";

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (refused[i].id == id) name = refused[i].name;
    }
    return hdf5_unsupported(file, address, error,
                            "filter %u (%s); deflate, shuffle and fletcher32 are read", id, name);
}

ebb_status hdf5_filters_parse(const hdf5_file *file, const hdf5_header *header,
                              hdf5_filters *filters, ebb_error *error)
{
    const hdf5_message *m = hdf5_header_find(header, HDF5_MESSAGE_FILTERS);

    *filters = (hdf5_filters){0};
    if (m == NULL) return EBB_OK;
    if (m->is_shared)
        return hdf5_unsupported(file, header->address, error, "a shared filter pipeline");
    hdf5_cursor c = hdf5_message_cursor(header, m);
    const uint64_t version = hdf5_take_number(&c, 1), count = hdf5_take_number(&c, 1);

    if (version == 1) hdf5_take(&c, 6);
    if (version < 1 || version > 2 || count > HDF5_FILTERS_MAX) {
        return hdf5_unsupported(file, header->address, error,
                                "%" PRIu64 " filters (message version %" PRIu64
                                "); at most %u are read",
                                count, version, HDF5_FILTERS_MAX);
    }
    for (uint32_t i = 0; i < count && !c.is_bad; i++) {
        const uint32_t id = (uint32_t)hdf5_take_number(&c, 2);
        const size_t name =
            version == 1 || id >= OWN_NAMES_FROM ? (size_t)hdf5_take_number(&c, 2) : 0;

        hdf5_take(&c, 2);
        const uint64_t values = hdf5_take_number(&c, 2);

        hdf5_take(&c, version == 1 ? (name + 7) & ~(size_t)7 : name);
        filters->values[i] = values > 0 ? (uint32_t)hdf5_take_number(&c, 4) : 0;
        if (values > 1) hdf5_take(&c, 4 * ((size_t)values - 1));
        if (version == 1 && values % 2 != 0) hdf5_take(&c, 4);
        if (!c.is_bad && (id < HDF5_FILTER_DEFLATE || id > HDF5_FILTER_FLETCHER32)) {
            return filter_refuse(file, header->address, id, error);
        }
        filters->ids[i] = (uint8_t)id;
    }
    if (c.is_bad)
        return hdf5_damaged(file, header->address, error, "the filter message is cut short");
    filters->count = (uint32_t)count;
    return EBB_OK;
}

/* -- decoding
 * --------------------------------------------------------------------------------------- */

struct hdf5_decoder {
    hdf5_file *file;
    const hdf5_storage *storage;
    region *scratch;
    inflater *inflate; /* opened by the first deflated chunk */
    uint8_t *now, *other;
    size_t length; /* of `now` */
    size_t capacity;
};

ebb_status hdf5_decoder_open(hdf5_file *file, region *scratch, const hdf5_storage *storage,
                             hdf5_decoder **decoder, ebb_error *error)
{
    const hdf5_layout *layout = &storage->layout;
    hdf5_decoder *d = hdf5_scratch_alloc(file, scratch, 1, sizeof *d, error);
    size_t capacity = (size_t)layout->chunk_bytes;

    if (d == NULL) return EBB_E_MEMORY;
    /* What a filter makes may be a little longer than the chunk: a sum, or bytes that do not
     * compress. */
    if (layout->filters.count > 0) capacity += capacity / 512 + 256;
    for (uint32_t i = 0; i < layout->chunk_count; i++) {
        if (layout->chunks[i].length > capacity) capacity = layout->chunks[i].length;
    }
    *d = (hdf5_decoder){.file = file, .storage = storage, .scratch = scratch, .capacity = capacity};
    d->now = hdf5_scratch_alloc(file, scratch, 1, capacity, error);
    if (d->now == NULL) return EBB_E_MEMORY;
    *decoder = d;
    return EBB_OK;
}

static void swap_buffers(hdf5_decoder *d, size_t length)
{
    uint8_t *const now = d->now;

    d->now = d->other;
    d->other = now;
    d->length = length;
}

static ebb_status undo_deflate(hdf5_decoder *d, const hdf5_chunk *chunk, ebb_error *error)
{
    char where[160];
    size_t produced = 0;

    if (d->inflate == NULL) d->inflate = inflate_open(d->scratch, INFLATE_ZLIB);
    if (d->inflate == NULL) {
        return region_fail(d->scratch, error, source_name(d->file->s), "inflating a chunk");
    }
    snprintf(where, sizeof where, "%.100s @ 0x%" PRIx64, source_name(d->file->s),
             d->file->base + chunk->address);
    const ebb_status status = inflate_buffer(d->inflate, d->now, d->length, d->other, d->capacity,
                                             &produced, where, error);
    if (status == EBB_OK) swap_buffers(d, produced);
    return status;
}

/* Shuffled data hold the first byte of every element, then the second of every element ... */
static void undo_shuffle(hdf5_decoder *d, size_t element_bytes)
{
    const size_t count = element_bytes > 1 ? d->length / element_bytes : 0;

    if (count < 2) return;
    for (size_t b = 0; b < element_bytes; b++) {
        const uint8_t *from = d->now + b * count;
        uint8_t *to = d->other + b;

        for (size_t i = 0; i < count; i++, to += element_bytes) *to = from[i];
    }
    memcpy(d->other + count * element_bytes, d->now + count * element_bytes,
           d->length - count * element_bytes);
    swap_buffers(d, d->length);
}

static uint32_t fletcher32(const uint8_t *bytes, size_t length)
{
    uint64_t low = 0, high = 0;

    while (length > 0) {
        const size_t block = length < 720 ? length : 720;

        for (size_t i = 0; i < block; i += 2) {
            low += (uint32_t)bytes[i] << 8 | (i + 1 < block ? bytes[i + 1] : 0u);
            high += low;
        }
        low = (low & 0xffff) + (low >> 16);
        high = (high & 0xffff) + (high >> 16);
        bytes += block;
        length -= block;
    }
    for (int i = 0; i < 3; i++) {
        low = (low & 0xffff) + (low >> 16);
        high = (high & 0xffff) + (high >> 16);
    }
    return (uint32_t)(high << 16 | low);
}

static ebb_status undo_fletcher32(hdf5_decoder *d, const hdf5_chunk *chunk, ebb_error *error)
{
    if (d->length < SUM_BYTES) {
        return hdf5_damaged(d->file, chunk->address, error, "a chunk too short for its checksum");
    }
    hdf5_cursor c = hdf5_cursor_make(d->now + d->length - SUM_BYTES, SUM_BYTES);
    const uint32_t stored = (uint32_t)hdf5_take_number(&c, SUM_BYTES);
    const uint32_t sum = fletcher32(d->now, d->length - SUM_BYTES);
    const uint32_t swapped = (sum & 0x00ff00ffu) << 8 | (sum >> 8 & 0x00ff00ffu);

    if (stored != sum && stored != swapped) {
        return hdf5_damaged(d->file, chunk->address, error,
                            "a chunk's fletcher32 checksum does not match");
    }
    d->length -= SUM_BYTES;
    return EBB_OK;
}

/* Is the chunk at the far edge of some axis, and only partly inside the dataset? */
static bool is_partial(const hdf5_dataset *dataset, const hdf5_layout *layout, uint64_t index)
{
    for (uint32_t i = dataset->rank; i-- > 0;) {
        const uint64_t at = index % layout->grid[i];

        index /= layout->grid[i];
        if ((at + 1) * layout->chunk[i] > (uint64_t)dataset->dims[i]) return true;
    }
    return false;
}

ebb_status hdf5_decode(hdf5_decoder *decoder, const hdf5_dataset *dataset, const hdf5_chunk *chunk,
                       const uint8_t **elements, ebb_error *error)
{
    const hdf5_layout *layout = &decoder->storage->layout;
    hdf5_decoder *d = decoder;
    uint32_t mask = chunk->mask;
    ebb_status status =
        source_read(d->file->s, d->file->base + chunk->address, d->now, chunk->length, error);

    d->length = chunk->length;
    if (layout->is_edge_unfiltered && is_partial(dataset, layout, chunk->index)) mask = UINT32_MAX;
    if (d->other == NULL && layout->filters.count > 0) {
        d->other = hdf5_scratch_alloc(d->file, d->scratch, 1, d->capacity, error);
        if (d->other == NULL) return EBB_E_MEMORY;
    }
    for (uint32_t i = layout->filters.count; i-- > 0 && status == EBB_OK;) {
        if ((mask >> i & 1) != 0) continue;
        if (layout->filters.ids[i] == HDF5_FILTER_DEFLATE) status = undo_deflate(d, chunk, error);
        if (layout->filters.ids[i] == HDF5_FILTER_SHUFFLE)
            undo_shuffle(d, layout->filters.values[i]);
        if (layout->filters.ids[i] == HDF5_FILTER_FLETCHER32)
            status = undo_fletcher32(d, chunk, error);
    }
    if (status == EBB_OK && d->length != layout->chunk_bytes) {
        status = hdf5_damaged(d->file, chunk->address, error,
                              "a chunk of %zu bytes after its filters where %" PRIu64 " are due",
                              d->length, layout->chunk_bytes);
    }
    *elements = d->now;
    return status;
}
