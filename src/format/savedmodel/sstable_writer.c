/* sstable_writer.c -- see sstable_writer.h.
 *
 *     entry     shared | own | value length (varints) | own bytes of the key | value
 *     block     entries | offsets of keys that are written whole | their number
 *     trailer   0 (not compressed) | masked crc32c of block and that byte
 *
 * Source: tensorflow/tsl/lib/io: block_builder.cc, table_builder.cc, format.cc. */
#include "format/savedmodel/sstable_writer.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/status.h"

#define RESTART_INTERVAL 16u
#define FOOTER_BYTES     48
#define HANDLE_BYTES_MAX 20
#define MAGIC            0xDB4775248B80FB57u

size_t varint_write(uint8_t *to, uint64_t number)
{
    size_t length = 0;

    while (number >= 0x80) {
        to[length++] = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    to[length++] = (uint8_t)number;
    return length;
}

static void little(uint8_t *to, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) to[i] = (uint8_t)(number >> 8 * i);
}

/* -- blocks ------------------------------------------------------------------------------------ */

static void block_clear(sstable_block *b)
{
    b->length = 0;
    b->restarts[0] = 0;
    b->restart_count = 1;
    b->since_restart = 0;
    b->last = "";
}

static bool block_reserve(sstable_writer *w, sstable_block *b, size_t more)
{
    if (b->length + more <= b->capacity) return true;
    size_t capacity = b->capacity == 0 ? 4 * SSTABLE_BLOCK_BYTES : b->capacity;
    while (capacity < b->length + more) capacity *= 2;
    uint8_t *bytes = region_block(w->home, capacity);
    if (bytes == NULL) return false;
    if (b->bytes != NULL) {
        memcpy(bytes, b->bytes, b->length);
        region_block_release(w->home, b->bytes);
    }
    b->bytes = bytes;
    b->capacity = capacity;
    return true;
}

static size_t common_bytes(const char *a, const char *b)
{
    size_t count = 0;

    while (a[count] != '\0' && a[count] == b[count]) count++;
    return count;
}

static ebb_status no_memory(const sstable_writer *w, ebb_error *error)
{
    return region_fail(w->home, error, w->file->path, "the index");
}

static ebb_status block_add(sstable_writer *w, sstable_block *b, const char *key, const void *value,
                            size_t length, uint32_t interval, ebb_error *error)
{
    const size_t key_length = strlen(key);
    size_t shared = common_bytes(b->last, key);

    if (b->since_restart >= interval && b->restart_count < SSTABLE_RESTARTS_MAX) {
        b->restarts[b->restart_count++] = (uint32_t)b->length;
        b->since_restart = 0;
    }
    if (b->since_restart == 0) shared = 0;
    if (!block_reserve(w, b, key_length + length + 3 * 10 + 4 * (SSTABLE_RESTARTS_MAX + 1) + 5))
        return no_memory(w, error);
    uint8_t *to = b->bytes + b->length;
    to += varint_write(to, shared);
    to += varint_write(to, key_length - shared);
    to += varint_write(to, length);
    memcpy(to, key + shared, key_length - shared);
    to += key_length - shared;
    if (length > 0) memcpy(to, value, length);
    b->length = (size_t)(to - b->bytes) + length;
    b->since_restart++;
    b->last = key;
    return EBB_OK;
}

/* Writes a block; its place and length as varints into `handle`. */
static ebb_status block_write(sstable_writer *w, sstable_block *b, uint8_t *handle,
                              size_t *handle_length, ebb_error *error)
{
    if (!block_reserve(w, b, 4 * (SSTABLE_RESTARTS_MAX + 1) + 5)) return no_memory(w, error);
    for (uint32_t i = 0; i < b->restart_count; i++, b->length += 4)
        little(b->bytes + b->length, b->restarts[i], 4);
    little(b->bytes + b->length, b->restart_count, 4);
    b->length += 4;
    *handle_length = varint_write(handle, w->file->bytes);
    *handle_length += varint_write(handle + *handle_length, b->length);
    b->bytes[b->length] = 0;
    little(b->bytes + b->length + 1, crc32c_masked(crc32c_extend(0, b->bytes, b->length + 1)), 4);
    return file_writer_put(w->file, b->bytes, b->length + 5, error);
}

/* -- the table --------------------------------------------------------------------------------- */

ebb_status sstable_writer_open(region *home, file_writer *file, sstable_writer *w, ebb_error *error)
{
    *w = (sstable_writer){.home = home, .file = file};
    w->data = region_new(home, sstable_block, 1);
    w->index = region_new(home, sstable_block, 1);
    if (w->data == NULL || w->index == NULL) return no_memory(w, error);
    block_clear(w->data);
    block_clear(w->index);
    return EBB_OK;
}

static ebb_status data_flush(sstable_writer *w, ebb_error *error)
{
    uint8_t handle[HANDLE_BYTES_MAX];
    size_t length = 0;

    if (w->data->length == 0) return EBB_OK;
    ebb_status status = block_write(w, w->data, handle, &length, error);
    if (status == EBB_OK) status = block_add(w, w->index, w->data->last, handle, length, 1, error);
    block_clear(w->data);
    return status;
}

ebb_status sstable_writer_add(sstable_writer *w, const char *key, const void *value, size_t length,
                              ebb_error *error)
{
    const ebb_status status = block_add(w, w->data, key, value, length, RESTART_INTERVAL, error);

    return status == EBB_OK && w->data->length >= SSTABLE_BLOCK_BYTES ? data_flush(w, error)
                                                                      : status;
}

ebb_status sstable_writer_end(sstable_writer *w, ebb_error *error)
{
    uint8_t footer[FOOTER_BYTES] = {0};
    size_t meta = 0, index = 0;
    ebb_status status = data_flush(w, error);

    if (status == EBB_OK) status = block_write(w, w->data, footer, &meta, error);
    if (status == EBB_OK) status = block_write(w, w->index, footer + meta, &index, error);
    little(footer + FOOTER_BYTES - 8, MAGIC, 8);
    return status == EBB_OK ? file_writer_put(w->file, footer, sizeof footer, error) : status;
}
