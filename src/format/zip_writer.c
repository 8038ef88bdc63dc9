/* zip_writer.c -- see zip_writer.h. */
#include "format/zip_writer.h"

#include <string.h>
#include <zlib.h>

#include "base/status.h"

#define EXTRA_ID  0x6265u
#define DOS_DATE  0x0021u /* 1 January 1980 */
#define ALIGNMENT 64u

#define DEFLATE_BYTES ((size_t)64 << 10)
/* A member may grow a little when it is deflated, so its 64-bit fields are made a little early. */
#define LARGE_BYTES ((uint64_t)UINT32_MAX - ((uint64_t)64 << 20))

struct zip_record {
    zip_record *next;
    const char *name;
    uint64_t offset, bytes, stored_bytes; /* stored: as it lies in the file */
    uint32_t crc;
    bool is_deflated, is_large;
};

struct zip_deflater {
    region *home;
    z_stream stream;
    uint8_t *output; /* of DEFLATE_BYTES */
};

typedef struct bytes_out {
    uint8_t bytes[256];
    size_t length;
} bytes_out;

static void put(bytes_out *out, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++) out->bytes[out->length++] = (uint8_t)(number >> (8 * i));
}

static uint64_t capped(uint64_t number, uint64_t limit)
{
    return number >= limit ? limit : number;
}

void zip_writer_begin(region *home, file_writer *file, zip_writer *w)
{
    *w = (zip_writer){.home = home, .file = file};
}

static uint32_t crc_of(uint32_t crc, const void *bytes, uint64_t length)
{
    const uint8_t *at = bytes;

    while (length > 0) {
        const uInt part = length < ((uint64_t)1 << 30) ? (uInt)length : (uInt)1 << 30;
        crc = (uint32_t)crc32(crc, at, part);
        at += part;
        length -= part;
    }
    return crc;
}

/* Version, flags (names are UTF-8), method, time, date. */
static void put_kind(bytes_out *out, const zip_record *r, bool is_large)
{
    put(out, is_large ? 45 : 20, 2);
    put(out, 0x0800, 2);
    put(out, r->is_deflated ? 8 : 0, 2);
    put(out, 0, 2);
    put(out, DOS_DATE, 2);
}

/* Checksum and sizes, as they stand 14 bytes into a local header. */
static void put_sizes(bytes_out *out, const zip_record *r, bool is_large)
{
    put(out, r->crc, 4);
    put(out, is_large ? UINT32_MAX : r->stored_bytes, 4);
    put(out, is_large ? UINT32_MAX : r->bytes, 4);
}

static void put_zip64(bytes_out *out, const zip_record *r)
{
    put(out, 1, 2);
    put(out, 16, 2);
    put(out, r->bytes, 8);
    put(out, r->stored_bytes, 8);
}

/* Local header: 30 bytes, name, zip64 field when needed, filler up to the alignment. */
static ebb_status put_local(zip_writer *w, const zip_record *r, ebb_error *error)
{
    const size_t name_bytes = strlen(r->name);
    const bool is_large = r->is_large;
    const size_t zip64 = is_large ? 20 : 0;
    const uint64_t end = w->file->bytes + 30 + name_bytes + zip64 + 4;
    const size_t filler = (size_t)((ALIGNMENT - end % ALIGNMENT) % ALIGNMENT);
    bytes_out out = {.length = 0};

    put(&out, 0x04034b50, 4);
    put_kind(&out, r, is_large);
    put_sizes(&out, r, is_large);
    put(&out, name_bytes, 2);
    put(&out, zip64 + 4 + filler, 2);
    ebb_status status = file_writer_put(w->file, out.bytes, out.length, error);
    if (status == EBB_OK) status = file_writer_put(w->file, r->name, name_bytes, error);
    out.length = 0;
    if (is_large) put_zip64(&out, r);
    put(&out, EXTRA_ID, 2);
    put(&out, filler, 2);
    for (size_t i = 0; i < filler; i++) put(&out, 0, 1);
    return status == EBB_OK ? file_writer_put(w->file, out.bytes, out.length, error) : status;
}

static ebb_status record_make(zip_writer *w, const char *name, uint64_t bytes, zip_record **result,
                              ebb_error *error)
{
    zip_record *r = region_new(w->home, zip_record, 1);

    if (r != NULL) r->name = region_text(w->home, name);
    if (r == NULL || r->name == NULL)
        return region_fail(w->home, error, w->file->path, "a zip member");
    if (strlen(name) > 4096)
        return fail(error, EBB_E_ARGUMENT, w->file->path, "a member's name is too long");
    r->offset = w->file->bytes;
    r->bytes = r->stored_bytes = bytes;
    r->is_large = bytes >= LARGE_BYTES;
    r->crc = (uint32_t)crc32(0, NULL, 0);
    r->next = w->records;
    w->records = r;
    w->count++;
    *result = r;
    return EBB_OK;
}

ebb_status zip_writer_add(zip_writer *w, const char *name, const void *head, size_t head_bytes,
                          const void *data, uint64_t data_bytes, ebb_error *error)
{
    zip_record *r = NULL;
    ebb_status status = record_make(w, name, head_bytes + data_bytes, &r, error);

    if (status != EBB_OK) return status;
    r->crc = crc_of(crc_of(r->crc, head, head_bytes), data, data_bytes);
    status = put_local(w, r, error);
    if (status == EBB_OK) status = file_writer_put(w->file, head, head_bytes, error);
    if (status == EBB_OK) status = file_writer_put(w->file, data, data_bytes, error);
    return status;
}

/* -- members in pieces ------------------------------------------------------------------------- */

static voidpf stream_alloc(voidpf opaque, uInt items, uInt size)
{
    return region_alloc(opaque, items, size);
}

static void stream_free(voidpf opaque, voidpf memory)
{
    (void)opaque;
    (void)memory; /* goes with the region */
}

static ebb_status deflater_open(zip_writer *w, ebb_error *error)
{
    region *home = region_open(w->home, "deflate", EBB_CLASS_SCRATCH, 0);
    zip_deflater *d = home == NULL ? NULL : region_new(home, zip_deflater, 1);

    if (d != NULL) {
        d->home = home;
        d->stream.zalloc = stream_alloc;
        d->stream.zfree = stream_free;
        d->stream.opaque = home;
        d->output = region_alloc(home, DEFLATE_BYTES, 1);
    }
    if (d == NULL || d->output == NULL ||
        deflateInit2(&d->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        const ebb_status status =
            region_fail(home == NULL ? w->home : home, error, w->file->path, "compressing");
        region_close(home);
        return status;
    }
    w->deflater = d;
    return EBB_OK;
}

void zip_writer_abandon(zip_writer *w)
{
    if (w->deflater == NULL) return;
    deflateEnd(&w->deflater->stream);
    region_close(w->deflater->home);
    w->deflater = NULL;
}

/* Feeds one piece of at most 4 GiB; with Z_FINISH everything comes out. */
static ebb_status deflate_put(zip_writer *w, const void *bytes, uInt length, int flush,
                              ebb_error *error)
{
    z_stream *stream = &w->deflater->stream;
    int result = Z_OK;

    stream->next_in = (z_const Bytef *)(uintptr_t)bytes;
    stream->avail_in = length;
    do {
        stream->next_out = w->deflater->output;
        stream->avail_out = (uInt)DEFLATE_BYTES;
        result = deflate(stream, flush);
        const uint64_t made = DEFLATE_BYTES - stream->avail_out;
        const ebb_status status = file_writer_put(w->file, w->deflater->output, made, error);
        w->records->stored_bytes += made;
        if (status != EBB_OK) return status;
    } while (stream->avail_out == 0 && result == Z_OK);
    return EBB_OK;
}

ebb_status zip_writer_begin_member(zip_writer *w, const char *name, uint64_t bytes, bool deflates,
                                   ebb_error *error)
{
    zip_record *r = NULL;
    ebb_status status = record_make(w, name, bytes, &r, error);

    if (status == EBB_OK && deflates) status = deflater_open(w, error);
    if (status != EBB_OK) return status;
    w->left = bytes;
    r->is_deflated = deflates;
    status = put_local(w, r, error);
    if (deflates) r->stored_bytes = 0;
    return status;
}

ebb_status zip_writer_put(zip_writer *w, const void *bytes, uint64_t length, ebb_error *error)
{
    const uint8_t *at = bytes;

    if (length > w->left)
        return fail(error, EBB_E_INTERNAL, w->records->name, "more bytes than announced");
    w->left -= length;
    w->records->crc = crc_of(w->records->crc, bytes, length);
    if (w->deflater == NULL) return file_writer_put(w->file, bytes, length, error);
    while (length > 0) {
        const uInt part = length < ((uint64_t)1 << 30) ? (uInt)length : (uInt)1 << 30;
        const ebb_status status = deflate_put(w, at, part, Z_NO_FLUSH, error);
        if (status != EBB_OK) return status;
        at += part;
        length -= part;
    }
    return EBB_OK;
}

ebb_status zip_writer_end_member(zip_writer *w, ebb_error *error)
{
    zip_record *r = w->records;
    bytes_out out = {.length = 0};
    ebb_status status = EBB_OK;

    if (w->left > 0) return fail(error, EBB_E_INTERNAL, r->name, "fewer bytes than announced");
    if (w->deflater != NULL) status = deflate_put(w, NULL, 0, Z_FINISH, error);
    zip_writer_abandon(w);
    put_sizes(&out, r, r->is_large);
    if (status == EBB_OK)
        status = file_writer_patch(w->file, r->offset + 14, out.bytes, out.length, error);
    if (status != EBB_OK || !r->is_large) return status;
    out.length = 0;
    put_zip64(&out, r);
    return file_writer_patch(w->file, r->offset + 30 + strlen(r->name), out.bytes, out.length,
                             error);
}

/* -- the directory ----------------------------------------------------------------------------- */

static ebb_status put_central(zip_writer *w, const zip_record *r, ebb_error *error)
{
    const bool is_large = r->is_large || r->offset >= UINT32_MAX;
    const size_t name_bytes = strlen(r->name);
    bytes_out out = {.length = 0};

    put(&out, 0x02014b50, 4);
    put(&out, is_large ? 45 : 20, 2);
    put_kind(&out, r, is_large);
    put_sizes(&out, r, is_large);
    put(&out, name_bytes, 2);
    put(&out, is_large ? 28 : 0, 2);
    put(&out, 0, 2 + 2 + 2); /* comment, disk, internal attributes */
    put(&out, 0, 4);
    put(&out, is_large ? UINT32_MAX : r->offset, 4);
    ebb_status status = file_writer_put(w->file, out.bytes, out.length, error);
    if (status == EBB_OK) status = file_writer_put(w->file, r->name, name_bytes, error);
    if (status != EBB_OK || !is_large) return status;
    out.length = 0;
    put(&out, 1, 2);
    put(&out, 24, 2);
    put(&out, r->bytes, 8);
    put(&out, r->stored_bytes, 8);
    put(&out, r->offset, 8);
    return file_writer_put(w->file, out.bytes, out.length, error);
}

static void put_end(const zip_writer *w, uint64_t start, uint64_t length, bytes_out *out)
{
    const uint64_t end = start + length;

    if (w->count >= UINT16_MAX || start >= UINT32_MAX || length >= UINT32_MAX) {
        put(out, 0x06064b50, 4);
        put(out, 44, 8);
        put(out, 45, 2);
        put(out, 45, 2);
        put(out, 0, 8);
        put(out, w->count, 8);
        put(out, w->count, 8);
        put(out, length, 8);
        put(out, start, 8);
        put(out, 0x07064b50, 4);
        put(out, 0, 4);
        put(out, end, 8);
        put(out, 1, 4);
    }
    put(out, 0x06054b50, 4);
    put(out, 0, 4);
    put(out, capped(w->count, UINT16_MAX), 2);
    put(out, capped(w->count, UINT16_MAX), 2);
    put(out, capped(length, UINT32_MAX), 4);
    put(out, capped(start, UINT32_MAX), 4);
    put(out, 0, 2);
}

/* The records are kept newest first; the directory is written oldest first. */
static zip_record *reversed(zip_record *list)
{
    zip_record *result = NULL;

    while (list != NULL) {
        zip_record *next = list->next;
        list->next = result;
        result = list;
        list = next;
    }
    return result;
}

ebb_status zip_writer_end(zip_writer *w, ebb_error *error)
{
    const uint64_t start = w->file->bytes;
    bytes_out out = {.length = 0};

    w->records = reversed(w->records);
    for (const zip_record *r = w->records; r != NULL; r = r->next) {
        const ebb_status status = put_central(w, r, error);
        if (status != EBB_OK) return status;
    }
    put_end(w, start, w->file->bytes - start, &out);
    return file_writer_put(w->file, out.bytes, out.length, error);
}
