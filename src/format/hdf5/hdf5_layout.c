/* hdf5_layout.c -- the messages that say where a dataset's elements are: layout 3 and 4, and fill
 * value.
 *
 * Refused by name: virtual datasets, layouts 1 and 2 (written before 2004), layout 5. Source: HDF5
 * File Format Specification 3.0, IV.A.2.e, f and i. */
#include <inttypes.h>

#include "format/hdf5/hdf5_internal.h"

#define CHUNK_BYTES_MAX ((uint64_t)UINT32_MAX) /* HDF5's own limit */
#define EDGE_UNFILTERED 1u
#define SINGLE_FILTERED 2u

enum { CLASS_COMPACT = 0, CLASS_CONTIGUOUS = 1, CLASS_CHUNKED = 2, CLASS_VIRTUAL = 3 };

/* Chunk sizes, behind which the size of an element follows as one more axis. */
static ebb_status chunk_axes(const hdf5_file *file, uint64_t address, hdf5_cursor *c, uint64_t axes,
                             size_t width, const hdf5_space *space, uint32_t element_bytes,
                             hdf5_layout *layout, ebb_error *error)
{
    bool is_good = axes == (uint64_t)space->rank + 1 && space->rank > 0;

    layout->chunk_bytes = element_bytes;
    for (uint32_t i = 0; is_good && i < space->rank; i++) {
        layout->chunk[i] = hdf5_take_number(c, width);
        is_good = layout->chunk[i] > 0 &&
                  u64_mul(layout->chunk_bytes, layout->chunk[i], &layout->chunk_bytes) &&
                  layout->chunk_bytes <= CHUNK_BYTES_MAX;
        if (is_good)
            layout->grid[i] =
                space->dims[i] / layout->chunk[i] + (space->dims[i] % layout->chunk[i] != 0);
    }
    if (!is_good || hdf5_take_number(c, width) != element_bytes || c->is_bad) {
        return hdf5_damaged(file, address, error,
                            "the dataset's chunks do not fit its shape and type");
    }
    return EBB_OK;
}

/* Index kinds of layout 4 in the order of their numbers (from 1), and bytes of their own
 * parameters. */
static const struct {
    hdf5_index_kind kind;
    uint8_t parameter_bytes;
} indexes[] = {{HDF5_INDEX_SINGLE, 0},
               {HDF5_INDEX_IMPLICIT, 0},
               {HDF5_INDEX_FIXED_ARRAY, 1},
               {HDF5_INDEX_EXTENSIBLE_ARRAY, 5},
               {HDF5_INDEX_BTREE2, 6}};

static ebb_status chunked4_parse(const hdf5_file *file, uint64_t address, hdf5_cursor *c,
                                 const hdf5_space *space, uint32_t element_bytes,
                                 hdf5_layout *layout, ebb_error *error)
{
    const uint64_t flags = hdf5_take_number(c, 1);
    const uint64_t axes = hdf5_take_number(c, 1);
    const uint64_t width = hdf5_take_number(c, 1);

    if (width < 1 || width > 8) {
        return hdf5_damaged(file, address, error, "chunk sizes of %" PRIu64 " bytes", width);
    }
    const ebb_status status =
        chunk_axes(file, address, c, axes, (size_t)width, space, element_bytes, layout, error);
    if (status != EBB_OK) return status;
    const uint64_t index = hdf5_take_number(c, 1);

    if (index < 1 || index > sizeof indexes / sizeof indexes[0]) {
        return hdf5_unsupported(file, address, error, "chunk index type %" PRIu64, index);
    }
    layout->index = indexes[index - 1].kind;
    layout->is_edge_unfiltered = (flags & EDGE_UNFILTERED) != 0;
    layout->single_length = layout->chunk_bytes;
    hdf5_take(c, indexes[index - 1].parameter_bytes);
    if (layout->index == HDF5_INDEX_SINGLE && (flags & SINGLE_FILTERED) != 0) {
        layout->single_length = hdf5_take_length(file, c);
        layout->single_mask = (uint32_t)hdf5_take_number(c, 4);
    }
    layout->address = hdf5_take_address(file, c);
    return EBB_OK;
}

ebb_status hdf5_layout_parse(hdf5_file *file, const hdf5_header *header, const hdf5_space *space,
                             uint32_t element_bytes, hdf5_layout *layout, ebb_error *error)
{
    const hdf5_message *m = hdf5_header_find(header, HDF5_MESSAGE_LAYOUT);
    const uint64_t address = header->address;
    ebb_status status = EBB_OK;

    if (m == NULL)
        return hdf5_damaged(file, address, error, "expected a dataset, found another object");
    hdf5_cursor c = hdf5_message_cursor(header, m);
    const uint64_t version = hdf5_take_number(&c, 1), kind = hdf5_take_number(&c, 1);

    if (version != 3 && version != 4) {
        return hdf5_unsupported(file, address, error,
                                "data layout version %" PRIu64 "; 3 and 4 are read", version);
    }
    if (kind == CLASS_COMPACT) {
        layout->kind = HDF5_LAYOUT_COMPACT;
        layout->length = hdf5_take_number(&c, 2);
        layout->compact = hdf5_take(&c, (size_t)layout->length);
    } else if (kind == CLASS_CONTIGUOUS) {
        layout->kind = HDF5_LAYOUT_CONTIGUOUS;
        layout->address = hdf5_take_address(file, &c);
        layout->length = hdf5_take_length(file, &c);
    } else if (kind == CLASS_CHUNKED && version == 3) {
        const uint64_t axes = hdf5_take_number(&c, 1);

        layout->kind = HDF5_LAYOUT_CHUNKED;
        layout->index = HDF5_INDEX_BTREE1;
        layout->address = hdf5_take_address(file, &c);
        status = chunk_axes(file, address, &c, axes, 4, space, element_bytes, layout, error);
    } else if (kind == CLASS_CHUNKED) {
        layout->kind = HDF5_LAYOUT_CHUNKED;
        status = chunked4_parse(file, address, &c, space, element_bytes, layout, error);
    } else if (kind == CLASS_VIRTUAL) {
        return hdf5_unsupported(file, address, error,
                                "a virtual dataset; model files may hold only data of their own");
    } else {
        return hdf5_damaged(file, address, error, "data layout class %" PRIu64, kind);
    }
    if (status == EBB_OK && c.is_bad) {
        status = hdf5_damaged(file, address, error, "the data layout message is cut short");
    }
    return status;
}

ebb_status hdf5_fill_parse(const hdf5_file *file, const hdf5_header *header, const hdf5_type *type,
                           uint8_t fill[8], ebb_error *error)
{
    const hdf5_message *m = hdf5_header_find(header, HDF5_MESSAGE_FILL);
    const hdf5_message *old = hdf5_header_find(header, HDF5_MESSAGE_FILL_OLD);
    bool is_defined = true;

    memset(fill, 0, 8);
    if (m == NULL) m = old;
    if (m == NULL || m->is_shared) return EBB_OK;
    hdf5_cursor c = hdf5_message_cursor(header, m);

    if (m != old) {
        const uint64_t version = hdf5_take_number(&c, 1);

        if (version == 3) {
            is_defined = (hdf5_take_number(&c, 1) & 0x20) != 0;
        } else {
            hdf5_take(&c, 2);
            is_defined = hdf5_take_number(&c, 1) != 0 || version == 1;
        }
    }
    if (!is_defined) return EBB_OK;
    const uint64_t length = hdf5_take_number(&c, 4);

    if (c.is_bad || length > hdf5_left(&c)) {
        return hdf5_damaged(file, header->address, error, "the fill value message is cut short");
    }
    if (length == type->bytes && length <= 8) memcpy(fill, c.at, (size_t)length);
    return EBB_OK;
}
