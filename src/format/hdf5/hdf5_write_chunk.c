/* hdf5_write_chunk.c -- datasets in compressed chunks: the streams, and the one node of the tree
 * that finds them.
 *
 *     node    "TREE" | keys and addresses in turn, one key more than there are chunks
 *     key     bytes of the chunk | 0 | where it begins, per axis | 0
 *
 * Source: HDF5 File Format Specification 3.0, III.A.1 (version 1 B-trees, node type 1). */
#include <zlib.h>

#include "base/status.h"
#include "format/hdf5/hdf5_write_internal.h"

#define CHUNK_BYTES ((uint64_t)1 << 20) /* at least, where the data has so many */

static voidpf stream_alloc(voidpf opaque, uInt items, uInt size)
{
    return region_alloc(opaque, items, size);
}

static void stream_free(voidpf opaque, voidpf memory)
{
    (void)opaque;
    (void)memory; /* goes with the region */
}

/* Rows of a chunk: few enough chunks for one node, none needlessly small. */
static int64_t chunk_length(const hdf5_item *item)
{
    const uint64_t rows = (uint64_t)item->dims[0], row_bytes = item->data_bytes / rows;
    const uint64_t least = (rows + CHUNKS_MAX - 1) / CHUNKS_MAX;
    uint64_t length = CHUNK_BYTES / row_bytes;

    if (length < least) length = least;
    if (length < 1) length = 1;
    return (int64_t)(length < rows ? length : rows);
}

static void feed(z_stream *stream, const uint8_t *bytes, uint64_t length)
{
    stream->next_in = (z_const Bytef *)(uintptr_t)bytes;
    stream->avail_in = (uInt)length;
}

/* Runs one chunk of `length` bytes, zeros behind the first `given`, into `output`; false: zlib
 * failed. */
static bool deflate_chunk(z_stream *stream, const uint8_t *bytes, uint64_t given, uint64_t length,
                          uint8_t *output, uint64_t capacity)
{
    static const uint8_t zeros[4096];
    int result = deflateReset(stream);

    stream->next_out = output;
    stream->avail_out = (uInt)capacity;
    feed(stream, bytes, given);
    if (result == Z_OK) result = deflate(stream, length > given ? Z_NO_FLUSH : Z_FINISH);
    for (uint64_t at = given; at < length && result == Z_OK;) {
        const uint64_t part = length - at < sizeof zeros ? length - at : sizeof zeros;
        at += part;
        feed(stream, zeros, part);
        result = deflate(stream, at < length ? Z_NO_FLUSH : Z_FINISH);
    }
    return result == Z_STREAM_END;
}

static ebb_status chunks_fill(hdf5_writer *w, region *work, const hdf5_item *item,
                              const uint8_t *bytes, hdf5_chunks_out *c, ebb_error *error)
{
    const uint64_t row_bytes = item->data_bytes / (uint64_t)item->dims[0];
    const uint64_t length = (uint64_t)c->length * row_bytes;
    z_stream stream = {.zalloc = stream_alloc, .zfree = stream_free, .opaque = work};

    if (length > UINT32_MAX / 2)
        return fail(error, EBB_E_UNSUPPORTED, item->name, "its chunks would be too large");
    if (deflateInit(&stream, HDF5_DEFLATE_LEVEL) != Z_OK)
        return region_fail(work, error, item->name, "compressing");
    const uint64_t capacity = deflateBound(&stream, (uLong)length);
    uint8_t *output = region_block(work, (size_t)capacity);
    if (output == NULL) return region_fail(work, error, item->name, "compressing");
    for (uint64_t at = 0; at < item->data_bytes; at += length) {
        const uint64_t left = item->data_bytes - at;
        if (!deflate_chunk(&stream, bytes + at, left < length ? left : length, length, output,
                           capacity))
            return fail(error, EBB_E_INTERNAL, item->name, "compressing failed");
        const uint64_t made = capacity - stream.avail_out;
        void *kept = region_block(w->home, (size_t)made);
        if (kept == NULL) return region_fail(w->home, error, item->name, "compressed data");
        memcpy(kept, output, (size_t)made);
        c->data[c->count] = kept;
        c->bytes[c->count++] = made;
        c->total += made;
    }
    (void)deflateEnd(&stream);
    return EBB_OK;
}

ebb_status hdf5_write_deflate(hdf5_writer *w, hdf5_item *item, const void *bytes, ebb_error *error)
{
    if (item == NULL || item->rank == 0 || item->data_bytes == 0) return EBB_OK;
    hdf5_chunks_out *c = region_new(w->home, hdf5_chunks_out, 1);
    region *work = c == NULL ? NULL : region_open(w->home, "deflate", EBB_CLASS_SCRATCH, 0);
    if (work == NULL) return region_fail(w->home, error, item->name, "compressing");
    c->length = chunk_length(item);
    const ebb_status status = chunks_fill(w, work, item, bytes, c, error);
    region_close(work);
    if (status == EBB_OK) item->chunks = c;
    return status;
}

/* -- the tree ---------------------------------------------------------------------------------- */

static size_t key_bytes(const hdf5_item *item)
{
    return 8 + 8 * ((size_t)item->rank + 1);
}

size_t hdf5_chunk_tree_bytes(const hdf5_item *item)
{
    return 24 + (CHUNKS_MAX + 1) * key_bytes(item) + CHUNKS_MAX * 8;
}

static void key_put(hdf5_pen *p, const hdf5_item *item, uint32_t index)
{
    const hdf5_chunks_out *c = item->chunks;

    pen_number(p, index < c->count ? c->bytes[index] : 0, 4);
    pen_number(p, 0, 4); /* no filter was left out */
    pen_number(p, index * (uint64_t)c->length, 8);
    pen_skip(p, 8 * (size_t)item->rank);
}

void hdf5_chunk_tree_put(hdf5_pen *p, const hdf5_item *item)
{
    const hdf5_chunks_out *c = item->chunks;
    uint8_t *const begin = p->at;
    uint64_t at = item->data;

    pen_bytes(p, "TREE\1\0", 6); /* chunks, a leaf */
    pen_number(p, c->count, 2);
    pen_number(p, NO_ADDRESS, 8);
    pen_number(p, NO_ADDRESS, 8);
    for (uint32_t i = 0; i < c->count; i++) {
        key_put(p, item, i);
        pen_number(p, at, 8);
        at += c->bytes[i];
    }
    key_put(p, item, c->count);
    p->at = begin + hdf5_chunk_tree_bytes(item);
}
