/* hdf5_chunk.c -- from a chunk index of any kind to one sorted table of the chunks that are
 * stored.
 *
 * Array indexes number chunks in a grid made of the dataset's maximum shape, in which the
 * unlimited axis (there is one in an extensible array) varies slowest; the table numbers them in
 * the grid of its present shape. Chunks outside the present shape are left out: the dataset was
 * made smaller. Invariants of the table: sorted by index, no index twice, every chunk in the file,
 * together no longer than the file. Source: HDF5 File Format Specification 3.0, IV.A.2.i and VII.
 */
#include <inttypes.h>

#include "format/hdf5/hdf5_internal.h"
#include "format/order.h"

typedef struct gather {
    hdf5_file *file;
    region *scratch;
    const hdf5_space *space;
    hdf5_layout *layout;
    uint32_t capacity;
    uint64_t grid_max[EBB_RANK_MAX]; /* chunks along each axis of the maximum shape */
    uint32_t slowest;                /* axis of array indexes that varies slowest */
    uint64_t stored_bytes;
} gather;

/* Adds the chunk at `coordinates` (counted in chunks). */
static ebb_status chunk_add(gather *g, const uint64_t *coordinates, hdf5_chunk chunk,
                            ebb_error *error)
{
    hdf5_layout *const layout = g->layout;
    void *items = layout->chunks;
    uint64_t end;

    chunk.index = 0;
    for (uint32_t i = 0; i < g->space->rank; i++) {
        if (coordinates[i] >= layout->grid[i]) return EBB_OK;
        chunk.index = chunk.index * layout->grid[i] + coordinates[i];
    }
    g->stored_bytes += chunk.length;
    if (!u64_add(chunk.address, chunk.length, &end) || end > g->file->bytes ||
        g->stored_bytes > g->file->bytes) {
        return hdf5_damaged(g->file, chunk.address, error,
                            "a chunk of %u bytes lies outside the file or over another one",
                            chunk.length);
    }
    if (layout->chunk_count >= HDF5_DIRECTORY_BYTES_MAX / sizeof chunk) {
        return hdf5_damaged(g->file, layout->address, error, "a dataset of over %u chunks",
                            layout->chunk_count);
    }
    const ebb_status status = hdf5_scratch_grow(g->file, g->scratch, &items, &g->capacity,
                                                layout->chunk_count, sizeof chunk, error);
    if (status != EBB_OK) return status;
    layout->chunks = items;
    layout->chunks[layout->chunk_count++] = chunk;
    return EBB_OK;
}

/* -- B-trees
 * ---------------------------------------------------------------------------------------- */

/* Key: length 4, mask 4, offset of the first element along each axis 8, 0. */
static ebb_status btree1_visit(void *context, const uint8_t *key, uint64_t child, ebb_error *error)
{
    gather *const g = context;
    hdf5_cursor c = hdf5_cursor_make(key, 8 + 8 * ((size_t)g->space->rank + 1));
    hdf5_chunk chunk = {.address = child, .length = (uint32_t)hdf5_take_number(&c, 4)};
    uint64_t coordinates[EBB_RANK_MAX] = {0};

    chunk.mask = (uint32_t)hdf5_take_number(&c, 4);
    for (uint32_t i = 0; i < g->space->rank; i++) {
        const uint64_t offset = hdf5_take_number(&c, 8);

        if (offset % g->layout->chunk[i] != 0) {
            return hdf5_damaged(g->file, g->layout->address, error,
                                "a chunk that begins at no chunk's place");
        }
        coordinates[i] = offset / g->layout->chunk[i];
    }
    return chunk_add(g, coordinates, chunk, error);
}

/* Record: address, with filters length (1 to 8) and mask 4, then coordinates of 8 bytes. */
static ebb_status btree2_visit(void *context, const uint8_t *record, size_t length,
                               ebb_error *error)
{
    gather *const g = context;
    const size_t others = g->file->address_bytes + 8 * (size_t)g->space->rank;
    const bool is_filtered = g->layout->filters.count > 0;
    hdf5_cursor c = hdf5_cursor_make(record, length);
    hdf5_chunk chunk = {.address = hdf5_take_address(g->file, &c)};
    uint64_t coordinates[EBB_RANK_MAX] = {0}, stored = g->layout->chunk_bytes;

    if (is_filtered ? length < others + 5 || length > others + 12 : length != others) {
        return hdf5_damaged(g->file, g->layout->address, error, "a chunk record of %zu bytes",
                            length);
    }
    if (is_filtered) {
        stored = hdf5_take_number(&c, length - others - 4);
        chunk.mask = (uint32_t)hdf5_take_number(&c, 4);
    }
    for (uint32_t i = 0; i < g->space->rank; i++) coordinates[i] = hdf5_take_number(&c, 8);
    chunk.length = stored > UINT32_MAX ? UINT32_MAX : (uint32_t)stored;
    return chunk_add(g, coordinates, chunk, error);
}

/* -- arrays
 * ----------------------------------------------------------------------------------------- */

/* The axis at position `i` of the array's order: the slowest one first, the others in theirs. */
static uint32_t axis_at(const gather *g, uint32_t i)
{
    if (i == 0) return g->slowest;
    return i <= g->slowest ? i - 1 : i;
}

static ebb_status array_visit(void *context, uint64_t place, const hdf5_chunk *chunk,
                              ebb_error *error)
{
    gather *const g = context;
    uint64_t coordinates[EBB_RANK_MAX] = {0};

    for (uint32_t i = g->space->rank; i-- > 1;) {
        const uint32_t axis = axis_at(g, i);

        coordinates[axis] = place % g->grid_max[axis];
        place /= g->grid_max[axis];
    }
    coordinates[g->slowest] = place;
    return chunk_add(g, coordinates, *chunk, error);
}

/* Sets grid_max and the slowest axis: the unlimited one, if there may be one. */
static ebb_status array_begin(gather *g, bool may_grow, ebb_error *error)
{
    uint32_t unlimited = 0;

    for (uint32_t i = 0; i < g->space->rank; i++) {
        const uint64_t most = g->space->dims_max[i], chunk = g->layout->chunk[i];

        g->grid_max[i] = most / chunk + (most % chunk != 0);
        if (most == UINT64_MAX) {
            g->slowest = i;
            unlimited++;
        } else if (g->grid_max[i] == 0) {
            g->grid_max[i] = 1;
        }
    }
    if (unlimited <= (may_grow ? 1u : 0u)) return EBB_OK;
    return hdf5_damaged(g->file, g->layout->address, error,
                        "a chunk index that does not fit the dataset");
}

/* No index: every chunk of the maximum grid is stored, one after the other. */
static ebb_status implicit_gather(gather *g, uint64_t total, ebb_error *error)
{
    uint64_t coordinates[EBB_RANK_MAX] = {0};
    ebb_status status = array_begin(g, false, error);

    if (status != EBB_OK) return status;
    if (total > g->file->bytes / g->layout->chunk_bytes) {
        return hdf5_damaged(g->file, g->layout->address, error,
                            "%" PRIu64 " chunks do not fit the file", total);
    }
    for (uint64_t n = 0; n < total && status == EBB_OK; n++) {
        uint64_t place = 0, offset;
        hdf5_chunk chunk = {.length = (uint32_t)g->layout->chunk_bytes};

        for (uint32_t i = 0; i < g->space->rank; i++)
            place = place * g->grid_max[i] + coordinates[i];
        if (!u64_mul(place, g->layout->chunk_bytes, &offset) ||
            !u64_add(g->layout->address, offset, &chunk.address)) {
            chunk.address = HDF5_UNDEFINED;
        }
        status = chunk_add(g, coordinates, chunk, error);
        for (uint32_t i = g->space->rank; i-- > 0;) {
            if (++coordinates[i] < g->layout->grid[i]) break;
            coordinates[i] = 0;
        }
    }
    return status;
}

static ebb_status index_read(gather *g, uint64_t total, ebb_error *error)
{
    hdf5_layout *const layout = g->layout;
    const bool is_filtered = layout->filters.count > 0;
    const uint64_t zeros[EBB_RANK_MAX] = {0};
    const hdf5_btree1 tree1 = {layout->address, 1, 8 + 8 * ((size_t)g->space->rank + 1),
                               btree1_visit, g};
    const hdf5_btree2 tree2 = {
        layout->address,       is_filtered ? 11 : 10,
        is_filtered ? 11 : 10, g->file->address_bytes + 8 * (size_t)g->space->rank,
        btree2_visit,          g};
    const hdf5_array array = {layout->address, is_filtered, array_visit, g,
                              (uint32_t)layout->chunk_bytes};
    hdf5_chunk single = {.address = layout->address, .mask = layout->single_mask};
    ebb_status status;

    switch (layout->index) {
    case HDF5_INDEX_BTREE1: return hdf5_btree1_walk(g->file, g->scratch, &tree1, error);
    case HDF5_INDEX_BTREE2: return hdf5_btree2_walk(g->file, g->scratch, &tree2, error);
    case HDF5_INDEX_IMPLICIT: return implicit_gather(g, total, error);
    case HDF5_INDEX_SINGLE:
        single.length =
            layout->single_length > UINT32_MAX ? UINT32_MAX : (uint32_t)layout->single_length;
        return chunk_add(g, zeros, single, error);
    case HDF5_INDEX_FIXED_ARRAY:
        status = array_begin(g, false, error);
        return status != EBB_OK ? status
                                : hdf5_fixed_array_walk(g->file, g->scratch, &array, error);
    case HDF5_INDEX_EXTENSIBLE_ARRAY: break;
    }
    status = array_begin(g, true, error);
    return status != EBB_OK ? status
                            : hdf5_extensible_array_walk(g->file, g->scratch, &array, error);
}

/* -- the table
 * -------------------------------------------------------------------------------------- */

static int compare_chunks(const void *a, const void *b)
{
    const hdf5_chunk *x = a, *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

static ebb_status table_check(gather *g, ebb_error *error)
{
    const hdf5_layout *layout = g->layout;

    order_sort(layout->chunks, layout->chunk_count, sizeof *layout->chunks, compare_chunks);
    for (uint32_t i = 0; i < layout->chunk_count; i++) {
        const hdf5_chunk *chunk = &layout->chunks[i];

        if (i > 0 && chunk[-1].index == chunk->index) {
            return hdf5_damaged(g->file, chunk->address, error, "a chunk is stored twice");
        }
        if (layout->filters.count == 0 && chunk->length != layout->chunk_bytes) {
            return hdf5_damaged(g->file, chunk->address, error,
                                "a chunk of %u bytes where %" PRIu64 " are due", chunk->length,
                                layout->chunk_bytes);
        }
    }
    return EBB_OK;
}

/* Keras's guard against shape and decompression bombs. */
static ebb_status size_check(const gather *g, uint64_t declared, ebb_error *error)
{
    const uint64_t chunk = g->layout->chunk_bytes, larger = declared > chunk ? declared : chunk;

    if (declared <= HDF5_DATASET_BYTES_MAX &&
        (larger <= HDF5_RATIO_FLOOR_BYTES || larger / HDF5_RATIO_MAX <= g->stored_bytes)) {
        return EBB_OK;
    }
    return hdf5_damaged(g->file, g->layout->address, error,
                        "a chunked dataset declares %" PRIu64 " bytes out of %" PRIu64
                        " in the file: a decompression bomb",
                        larger, g->stored_bytes);
}

ebb_status hdf5_chunks_read(hdf5_file *file, region *scratch, const hdf5_space *space,
                            hdf5_layout *layout, ebb_error *error)
{
    gather g = {.file = file, .scratch = scratch, .space = space, .layout = layout};
    uint64_t total = 1, element_bytes = layout->chunk_bytes, declared;
    ebb_status status = EBB_OK;

    if (space->count == 0) return EBB_OK;
    for (uint32_t i = 0; i < space->rank; i++) {
        element_bytes /= layout->chunk[i];
        total *= layout->grid[i]; /* not above the number of elements */
    }
    if (!u64_mul(space->count, element_bytes, &declared)) declared = UINT64_MAX;
    if (layout->address != HDF5_UNDEFINED) status = index_read(&g, total, error);
    if (status == EBB_OK) status = table_check(&g, error);
    if (status == EBB_OK) status = size_check(&g, declared, error);
    layout->missing = total - layout->chunk_count;
    return status;
}
