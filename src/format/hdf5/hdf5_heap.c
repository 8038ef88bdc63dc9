/* hdf5_heap.c -- fractal heaps: where links and attributes are kept when an object has many.
 *
 *     header -> root: a direct block, or an indirect block: a table of `width` columns
 *               row 0, 1: blocks of the start size; row r: start << (r - 1); from a certain size on
 *               the entries are indirect blocks themselves
 *
 * A managed object's id holds its offset in the heap's space. The walk from the root computes the
 * row and column, reads that one entry, and goes on; blocks get smaller each time, so it ends. The
 * object's bytes are then read directly. Huge objects are found through a B-tree, tiny ones are in
 * the id. Source: HDF5 File Format Specification 3.0, III.G and appendix C of its B-tree records.
 */
#include <inttypes.h>

#include "format/hdf5/hdf5_internal.h"

#define HEAP_OBJECT_BYTES_MAX ((uint64_t)64 << 20)
#define TINY_SHORT_BYTES_MAX  16u

enum { ID_MANAGED = 0, ID_HUGE = 1, ID_TINY = 2 };

static bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static ebb_status heap_check(const hdf5_file *file, const hdf5_heap *heap, ebb_error *error)
{
    uint64_t first_row;

    if (!is_power_of_two(heap->start_block_bytes) ||
        !is_power_of_two(heap->direct_block_bytes_max) || !is_power_of_two(heap->width) ||
        heap->heap_bits > 64 || heap->heap_bits == 0 ||
        heap->direct_block_bytes_max < heap->start_block_bytes ||
        !u64_mul(heap->start_block_bytes, heap->width, &first_row) || heap->rows > 64 ||
        heap->id_bytes < 1 + heap->offset_bytes + heap->length_bytes || heap->id_bytes > 64) {
        return hdf5_damaged(file, heap->address, error, "the fractal heap's table is damaged");
    }
    return EBB_OK;
}

ebb_status hdf5_heap_open(hdf5_file *file, uint64_t address, hdf5_heap *heap, ebb_error *error)
{
    const size_t length = 26 + 3 * (size_t)file->address_bytes + 12 * (size_t)file->length_bytes;
    uint8_t bytes[26 + 15 * 8];
    hdf5_cursor c = hdf5_cursor_make(bytes, length);
    ebb_status status = hdf5_read(file, address, bytes, length, error);

    if (status != EBB_OK) return status;
    if (memcmp(hdf5_take(&c, 4), "FRHP", 4) != 0 || hdf5_take_number(&c, 1) != 0) {
        return hdf5_damaged(file, address, error, "expected a fractal heap");
    }
    *heap = (hdf5_heap){.address = address, .id_bytes = (uint32_t)hdf5_take_number(&c, 2)};
    if (hdf5_take_number(&c, 2) != 0) {
        return hdf5_unsupported(file, address, error, "a fractal heap with filters");
    }
    hdf5_take(&c, 1);
    heap->object_bytes_max = (uint32_t)hdf5_take_number(&c, 4);
    hdf5_take_length(file, &c);
    heap->huge_tree = hdf5_take_address(file, &c);
    hdf5_take_length(file, &c);
    hdf5_take_address(file, &c);
    for (int i = 0; i < 8; i++) hdf5_take_length(file, &c);
    heap->width = (uint32_t)hdf5_take_number(&c, 2);
    heap->start_block_bytes = hdf5_take_length(file, &c);
    heap->direct_block_bytes_max = hdf5_take_length(file, &c);
    heap->heap_bits = (uint32_t)hdf5_take_number(&c, 2);
    hdf5_take(&c, 2);
    heap->root = hdf5_take_address(file, &c);
    heap->rows = (uint32_t)hdf5_take_number(&c, 2);
    if (!hdf5_sum_matches(bytes, length)) {
        return hdf5_damaged(file, address, error, "the fractal heap's checksum does not match");
    }
    heap->offset_bytes = (heap->heap_bits + 7) / 8;
    const uint32_t by_block = (hdf5_log2(heap->direct_block_bytes_max) + 7) / 8;
    const uint32_t by_object = hdf5_bytes_for(heap->object_bytes_max);

    heap->length_bytes = by_block < by_object ? by_block : by_object;
    return heap_check(file, heap, error);
}

/* Bytes of a block in a row, and where the row begins, counted from the start of its indirect
 * block. */
static uint64_t row_block_bytes(const hdf5_heap *heap, uint32_t row)
{
    return row == 0 ? heap->start_block_bytes : heap->start_block_bytes << (row - 1);
}

static uint64_t row_begin(const hdf5_heap *heap, uint32_t row)
{
    return row == 0 ? 0 : heap->start_block_bytes * heap->width << (row - 1);
}

/* Address of the direct block that holds heap offset *offset, which becomes the offset in the
 * block. */
static ebb_status direct_find(hdf5_file *file, const hdf5_heap *heap, uint64_t *offset,
                              uint64_t *address, uint64_t *block_bytes, ebb_error *error)
{
    const uint64_t first_row = heap->start_block_bytes * heap->width;
    const uint32_t direct_rows =
        hdf5_log2(heap->direct_block_bytes_max) - hdf5_log2(heap->start_block_bytes) + 2;
    const size_t prefix = 5 + (size_t)file->address_bytes + heap->offset_bytes;
    uint32_t rows = heap->rows;

    *address = heap->root;
    *block_bytes = heap->start_block_bytes;
    for (uint32_t depth = 0; rows > 0; depth++) {
        const uint32_t row = *offset < first_row ? 0 : hdf5_log2(*offset / first_row) + 1;

        if (depth >= HDF5_DEPTH_MAX || row >= rows || row > 63 - hdf5_log2(first_row)) {
            return hdf5_damaged(file, heap->address, error, "an object outside the fractal heap");
        }
        const uint64_t in_row = *offset - row_begin(heap, row);
        const uint64_t entry = (uint64_t)row * heap->width + in_row / row_block_bytes(heap, row);
        uint8_t bytes[8];
        uint64_t at;

        *offset = in_row % row_block_bytes(heap, row);
        *block_bytes = row_block_bytes(heap, row);
        if (!u64_add(*address, prefix + entry * file->address_bytes, &at)) at = HDF5_UNDEFINED;
        const ebb_status status = hdf5_read(file, at, bytes, file->address_bytes, error);
        if (status != EBB_OK) return status;
        hdf5_cursor c = hdf5_cursor_make(bytes, file->address_bytes);

        *address = hdf5_take_address(file, &c);
        if (row < direct_rows) return EBB_OK;
        if (*block_bytes < first_row) {
            return hdf5_damaged(file, heap->address, error, "the fractal heap's table is damaged");
        }
        /* The block is an indirect one that spans *block_bytes: so many rows it has. */
        rows = hdf5_log2(*block_bytes) - hdf5_log2(first_row) + 1;
    }
    return EBB_OK;
}

static ebb_status managed_read(hdf5_file *file, region *scratch, const hdf5_heap *heap,
                               const uint8_t *id, hdf5_cursor *object, ebb_error *error)
{
    hdf5_cursor c = hdf5_cursor_make(id + 1, heap->id_bytes - 1);
    uint64_t offset = hdf5_take_number(&c, heap->offset_bytes);
    const uint64_t length = hdf5_take_number(&c, heap->length_bytes);
    uint64_t address = 0, block_bytes = 0, end;
    uint8_t *bytes = NULL;
    ebb_status status = direct_find(file, heap, &offset, &address, &block_bytes, error);

    if (status != EBB_OK) return status;
    if (!u64_add(offset, length, &end) || end > block_bytes || address == HDF5_UNDEFINED) {
        return hdf5_damaged(file, heap->address, error,
                            "an object outside its block of the fractal heap");
    }
    if (!u64_add(address, offset, &address)) address = HDF5_UNDEFINED;
    status = hdf5_read_new(file, scratch, address, length, &bytes, error);
    if (status == EBB_OK) *object = hdf5_cursor_make(bytes, (size_t)length);
    return status;
}

/* -- huge objects: records of address, length and key in a B-tree of their own
 * --------------------- */

typedef struct huge_search {
    const hdf5_file *file;
    uint64_t key, address, length;
    bool is_found;
} huge_search;

static ebb_status huge_visit(void *context, const uint8_t *record, size_t length, ebb_error *error)
{
    huge_search *search = context;
    hdf5_cursor c = hdf5_cursor_make(record, length);
    const uint64_t address = hdf5_take_address(search->file, &c);
    const uint64_t bytes = hdf5_take_length(search->file, &c);
    const uint64_t key = hdf5_take_length(search->file, &c);

    (void)error;
    if (c.is_bad || key != search->key) return EBB_OK;
    search->address = address;
    search->length = bytes;
    search->is_found = true;
    return EBB_OK;
}

static ebb_status huge_read(hdf5_file *file, region *scratch, const hdf5_heap *heap,
                            const uint8_t *id, hdf5_cursor *object, ebb_error *error)
{
    const size_t direct_bytes = (size_t)file->address_bytes + file->length_bytes;
    hdf5_cursor c = hdf5_cursor_make(id + 1, heap->id_bytes - 1);
    huge_search search = {.file = file};
    uint8_t *bytes = NULL;
    ebb_status status = EBB_OK;

    if (hdf5_left(&c) >= direct_bytes) {
        search.address = hdf5_take_address(file, &c);
        search.length = hdf5_take_length(file, &c);
    } else {
        const hdf5_btree2 tree = {heap->huge_tree, 1,      1, direct_bytes + file->length_bytes,
                                  huge_visit,      &search};

        search.key = hdf5_take_number(&c, hdf5_left(&c) < 8 ? hdf5_left(&c) : 8);
        status = hdf5_btree2_walk(file, scratch, &tree, error);
        if (status != EBB_OK) return status;
        if (!search.is_found) {
            return hdf5_damaged(file, heap->address, error,
                                "an object is missing in the fractal heap");
        }
    }
    if (search.length > HEAP_OBJECT_BYTES_MAX) {
        return hdf5_damaged(file, heap->address, error, "a heap object of %" PRIu64 " bytes",
                            search.length);
    }
    status = hdf5_read_new(file, scratch, search.address, search.length, &bytes, error);
    if (status == EBB_OK) *object = hdf5_cursor_make(bytes, (size_t)search.length);
    return status;
}

static ebb_status tiny_read(const hdf5_file *file, const hdf5_heap *heap, const uint8_t *id,
                            hdf5_cursor *object, ebb_error *error)
{
    const bool is_short = heap->id_bytes - 1 <= TINY_SHORT_BYTES_MAX;
    const size_t prefix = is_short ? 1 : 2;
    const size_t length = (is_short ? id[0] & 15u : (id[0] & 15u) << 8 | id[1]) + 1u;

    if (prefix + length > heap->id_bytes) {
        return hdf5_damaged(file, heap->address, error, "a tiny heap object of %zu bytes", length);
    }
    *object = hdf5_cursor_make(id + prefix, length);
    return EBB_OK;
}

ebb_status hdf5_heap_object(hdf5_file *file, region *scratch, const hdf5_heap *heap,
                            const uint8_t *id, hdf5_cursor *object, ebb_error *error)
{
    switch ((id[0] >> 4) & 3) {
    case ID_MANAGED: return managed_read(file, scratch, heap, id, object, error);
    case ID_HUGE: return huge_read(file, scratch, heap, id, object, error);
    case ID_TINY: return tiny_read(file, heap, id, object, error);
    default: return hdf5_damaged(file, heap->address, error, "a heap object of unknown kind");
    }
}
