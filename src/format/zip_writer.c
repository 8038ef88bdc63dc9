/* zip_writer.c -- see zip_writer.h. */
#include "format/zip_writer.h"

#include <string.h>
#include <zlib.h>

#include "base/status.h"

#define EXTRA_ID  0x6265u
#define DOS_DATE  0x0021u /* 1 January 1980 */
#define ALIGNMENT 64u

struct zip_record {
    zip_record *next;
    const char *name;
    uint64_t offset, bytes;
    uint32_t crc;
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

/* Local header: 30 bytes, name, zip64 field when needed, filler up to the alignment. */
static ebb_status put_local(zip_writer *w, const zip_record *r, ebb_error *error)
{
    const size_t name_bytes = strlen(r->name);
    const bool is_large = r->bytes >= UINT32_MAX;
    const size_t zip64 = is_large ? 20 : 0;
    const uint64_t end = w->file->bytes + 30 + name_bytes + zip64 + 4;
    const size_t filler = (size_t)((ALIGNMENT - end % ALIGNMENT) % ALIGNMENT);
    bytes_out out = {.length = 0};

    put(&out, 0x04034b50, 4);
    put(&out, is_large ? 45 : 20, 2);
    put(&out, 0x0800, 2); /* names are UTF-8 */
    put(&out, 0, 2);
    put(&out, 0, 2);
    put(&out, DOS_DATE, 2);
    put(&out, r->crc, 4);
    put(&out, is_large ? UINT32_MAX : r->bytes, 4);
    put(&out, is_large ? UINT32_MAX : r->bytes, 4);
    put(&out, name_bytes, 2);
    put(&out, zip64 + 4 + filler, 2);
    ebb_status status = file_writer_put(w->file, out.bytes, out.length, error);
    if (status == EBB_OK) status = file_writer_put(w->file, r->name, name_bytes, error);
    out.length = 0;
    if (is_large) {
        put(&out, 1, 2);
        put(&out, 16, 2);
        put(&out, r->bytes, 8);
        put(&out, r->bytes, 8);
    }
    put(&out, EXTRA_ID, 2);
    put(&out, filler, 2);
    for (size_t i = 0; i < filler; i++) put(&out, 0, 1);
    return status == EBB_OK ? file_writer_put(w->file, out.bytes, out.length, error) : status;
}

ebb_status zip_writer_add(zip_writer *w, const char *name, const void *head, size_t head_bytes,
                          const void *data, uint64_t data_bytes, ebb_error *error)
{
    zip_record *r = region_new(w->home, zip_record, 1);

    if (r != NULL) r->name = region_text(w->home, name);
    if (r == NULL || r->name == NULL)
        return region_fail(w->home, error, w->file->path, "a zip member");
    if (strlen(name) > 4096)
        return fail(error, EBB_E_ARGUMENT, w->file->path, "a member's name is too long");
    r->offset = w->file->bytes;
    r->bytes = head_bytes + data_bytes;
    r->crc = crc_of(crc_of((uint32_t)crc32(0, NULL, 0), head, head_bytes), data, data_bytes);
    r->next = w->records;
    w->records = r;
    w->count++;
    ebb_status status = put_local(w, r, error);
    if (status == EBB_OK) status = file_writer_put(w->file, head, head_bytes, error);
    if (status == EBB_OK) status = file_writer_put(w->file, data, data_bytes, error);
    return status;
}

static ebb_status put_central(zip_writer *w, const zip_record *r, ebb_error *error)
{
    const bool is_large = r->bytes >= UINT32_MAX || r->offset >= UINT32_MAX;
    const size_t name_bytes = strlen(r->name);
    bytes_out out = {.length = 0};

    put(&out, 0x02014b50, 4);
    put(&out, is_large ? 45 : 20, 2);
    put(&out, is_large ? 45 : 20, 2);
    put(&out, 0x0800, 2);
    put(&out, 0, 2);
    put(&out, 0, 2);
    put(&out, DOS_DATE, 2);
    put(&out, r->crc, 4);
    put(&out, is_large ? UINT32_MAX : r->bytes, 4);
    put(&out, is_large ? UINT32_MAX : r->bytes, 4);
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
    put(&out, r->bytes, 8);
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
