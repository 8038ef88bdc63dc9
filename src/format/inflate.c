/* inflate.c -- zlib behind inflate.h. Input and output are handed over in pieces, because zlib
 * counts in 32 bits. */
#include "format/inflate.h"

#include <inttypes.h>
#include <zlib.h>

#include "base/status.h"

#define PIECE_BYTES  ((size_t)1 << 30)
#define WINDOW_BYTES ((size_t)64 << 10)

struct inflater {
    z_stream stream;
    region *scratch;
    uint8_t *window; /* of inflate_source(), taken at its first use */
    uint8_t *output; /* of the stream being run */
    size_t capacity, produced;
    bool is_done;
    const char *where;
};

static voidpf stream_alloc(voidpf opaque, uInt items, uInt size)
{
    return region_alloc(opaque, items, size);
}

static void stream_free(voidpf opaque, voidpf memory)
{
    (void)opaque;
    (void)memory; /* goes with the region */
}

inflater *inflate_open(region *scratch, inflate_wrapper wrapper)
{
    inflater *i = region_new(scratch, inflater, 1);

    if (i == NULL) return NULL;
    i->scratch = scratch;
    i->stream.zalloc = stream_alloc;
    i->stream.zfree = stream_free;
    i->stream.opaque = scratch;
    return inflateInit2(&i->stream, wrapper == INFLATE_RAW ? -MAX_WBITS : MAX_WBITS) == Z_OK ? i
                                                                                             : NULL;
}

static void stream_begin(inflater *i, void *output, size_t capacity, const char *where)
{
    (void)inflateReset(&i->stream);
    i->output = output;
    i->capacity = capacity;
    i->produced = 0;
    i->is_done = false;
    i->where = where;
}

/* Feeds one piece of input, at most PIECE_BYTES. */
static ebb_status stream_feed(inflater *i, const uint8_t *input, size_t length, ebb_error *error)
{
    z_stream *const stream = &i->stream;
    uint8_t beyond; /* tells a full output from a stream that holds more */

    stream->next_in = (z_const Bytef *)(uintptr_t)input;
    stream->avail_in = (uInt)length;
    while (!i->is_done) {
        const size_t room = i->capacity - i->produced;
        const uInt piece = (uInt)(room < PIECE_BYTES ? room : PIECE_BYTES);

        stream->next_out = piece == 0 ? &beyond : i->output + i->produced;
        stream->avail_out = piece == 0 ? 1 : piece;
        const int result = inflate(stream, Z_NO_FLUSH);
        const uInt written = (piece == 0 ? 1 : piece) - stream->avail_out;

        if (result == Z_MEM_ERROR) return region_fail(i->scratch, error, i->where, "inflating");
        if (written > 0 && piece == 0) {
            return fail(error, EBB_E_FORMAT, i->where,
                        "the compressed data hold more than the declared %zu bytes", i->capacity);
        }
        i->produced += written;
        if (result == Z_STREAM_END)
            i->is_done = true;
        else if (result == Z_BUF_ERROR || (result == Z_OK && stream->avail_in == 0 && written == 0))
            break;
        else if (result != Z_OK) {
            return fail(error, EBB_E_FORMAT, i->where, "the compressed data are damaged (%s)",
                        stream->msg != NULL ? stream->msg : "no detail");
        }
    }
    if (i->is_done && stream->avail_in > 0) {
        return fail(error, EBB_E_FORMAT, i->where, "%u bytes follow the end of the compressed data",
                    stream->avail_in);
    }
    return EBB_OK;
}

static ebb_status stream_end(inflater *i, size_t *produced, ebb_error *error)
{
    if (!i->is_done) {
        return fail(error, EBB_E_FORMAT, i->where,
                    "the compressed data end early, after %zu of at most %zu bytes", i->produced,
                    i->capacity);
    }
    *produced = i->produced;
    return EBB_OK;
}

ebb_status inflate_buffer(inflater *i, const void *input, size_t length, void *output,
                          size_t capacity, size_t *produced, const char *where, ebb_error *error)
{
    const uint8_t *bytes = input;

    stream_begin(i, output, capacity, where);
    while (length > 0) {
        const size_t piece = length < PIECE_BYTES ? length : PIECE_BYTES;
        const ebb_status status = stream_feed(i, bytes, piece, error);

        if (status != EBB_OK) return status;
        bytes += piece;
        length -= piece;
        if (i->is_done && length > 0) {
            return fail(error, EBB_E_FORMAT, where, "bytes follow the end of the compressed data");
        }
    }
    return stream_end(i, produced, error);
}

ebb_status inflate_source(inflater *i, source *s, uint64_t offset, uint64_t length, void *output,
                          size_t capacity, size_t *produced, const char *where, ebb_error *error)
{
    if (i->window == NULL) i->window = region_alloc(i->scratch, 1, WINDOW_BYTES);
    if (i->window == NULL) return region_fail(i->scratch, error, where, "the inflating window");
    stream_begin(i, output, capacity, where);
    while (length > 0) {
        const size_t piece = length < WINDOW_BYTES ? (size_t)length : WINDOW_BYTES;
        ebb_status status = source_read(s, offset, i->window, piece, error);

        if (status == EBB_OK) status = stream_feed(i, i->window, piece, error);
        if (status != EBB_OK) return status;
        offset += piece;
        length -= piece;
        if (i->is_done && length > 0) {
            return fail(error, EBB_E_FORMAT, where,
                        "%" PRIu64 " bytes follow the end of the compressed data", length);
        }
    }
    return stream_end(i, produced, error);
}
