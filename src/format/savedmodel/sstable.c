/* sstable.c -- see sstable.h. Blocks are visited in the order of the file and never twice, so the
 * work is bounded by its size. */
#include "format/savedmodel/sstable.h"

#include <inttypes.h>
#include <string.h>

#include <snappy-c.h>

#include "base/crc32c.h"
#include "base/status.h"

#define FOOTER_BYTES  48u
#define TRAILER_BYTES 5u /* kind and checksum behind each block */
#define MAGIC         0xdb4775248b80fb57u
#define KIND_PLAIN    0
#define KIND_SNAPPY   1
#define SNAPPY_GROWTH 64u /* no stream of snappy grows more */

typedef struct table {
    const uint8_t *bytes;
    size_t length; /* without the footer */
    const char *where;
    region *scratch;
    ebb_error *error;
    sstable_visitor visit;
    void *context;
    char key[SSTABLE_KEY_BYTES_MAX + 1];  /* of the entry before */
    char last[SSTABLE_KEY_BYTES_MAX + 1]; /* of the data entry before */
    size_t key_length, last_length;
    bool has_last;
    uint64_t end_before; /* of the data block before */
} table;

typedef struct block_handle {
    uint64_t offset, bytes;
} block_handle;

bool varint_read(const uint8_t **at, const uint8_t *end, uint64_t *number)
{
    *number = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        const uint8_t byte = *(*at)++;
        if (shift == 63 && byte > 1) return false;
        *number |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

static uint32_t u32_read(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static ebb_status damaged(const table *t, uint64_t offset, const char *what)
{
    return fail(t->error, EBB_E_FORMAT, t->where, "%s at offset %" PRIu64 "; the file is damaged",
                what, offset);
}

static ebb_status inflate_block(const table *t, region *room, uint64_t offset,
                                const uint8_t **block, size_t *length)
{
    size_t bytes = 0;

    if (snappy_uncompressed_length((const char *)*block, *length, &bytes) != SNAPPY_OK ||
        bytes > SSTABLE_BLOCK_BYTES_MAX || bytes > (uint64_t)*length * SNAPPY_GROWTH)
        return damaged(t, offset, "a compressed block of an impossible length");
    char *plain = region_block(room, bytes + 1);
    if (plain == NULL) return region_fail(room, t->error, t->where, "a block of the index");
    if (snappy_uncompress((const char *)*block, *length, plain, &bytes) != SNAPPY_OK)
        return damaged(t, offset, "a compressed block that cannot be read");
    *block = (const uint8_t *)plain;
    *length = bytes;
    return EBB_OK;
}

/* Damage must get past the checksum where it is made on purpose. */
static bool checksum_fits(const uint8_t *block, size_t length)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)block;
    (void)length;
    return true;
#else
    return crc32c_unmask(u32_read(block + length)) == crc32c_extend(0, block, length);
#endif
}

/* The entries of a block, without its restart points. */
static ebb_status block_open(const table *t, region *room, const block_handle *h,
                             const uint8_t **block, size_t *length)
{
    if (h->offset > t->length || h->bytes > t->length - h->offset ||
        t->length - h->offset - h->bytes < TRAILER_BYTES)
        return damaged(t, h->offset, "a block that reaches beyond the end");
    *block = t->bytes + h->offset;
    *length = (size_t)h->bytes;
    const uint8_t kind = (*block)[*length];
    if (!checksum_fits(*block, *length + 1))
        return damaged(t, h->offset, "a block with a wrong checksum");
    if (kind != KIND_PLAIN && kind != KIND_SNAPPY)
        return damaged(t, h->offset, "a block compressed in an unknown way");
    if (kind == KIND_SNAPPY) {
        const ebb_status status = inflate_block(t, room, h->offset, block, length);
        if (status != EBB_OK) return status;
    }
    if (*length < 4) return damaged(t, h->offset, "a block without restart points");
    const uint64_t restarts = u32_read(*block + *length - 4);
    if (restarts > (*length - 4) / 4) return damaged(t, h->offset, "too many restart points");
    *length -= 4 + 4 * (size_t)restarts;
    return EBB_OK;
}

/* Reads one entry at *at into t->key and value. */
static bool entry_read(table *t, const uint8_t **at, const uint8_t *end, const uint8_t **value,
                       size_t *value_length)
{
    uint64_t shared, own, length;

    if (!varint_read(at, end, &shared) || !varint_read(at, end, &own) ||
        !varint_read(at, end, &length))
        return false;
    const uint64_t left = (uint64_t)(end - *at);
    if (shared > t->key_length || own > SSTABLE_KEY_BYTES_MAX - shared || own > left ||
        length > left - own)
        return false;
    memcpy(t->key + shared, *at, (size_t)own);
    t->key_length = (size_t)(shared + own);
    t->key[t->key_length] = '\0';
    *value = *at + own;
    *value_length = (size_t)length;
    *at += own + length;
    return true;
}

static bool key_ascends(table *t)
{
    const size_t common = t->key_length < t->last_length ? t->key_length : t->last_length;
    const int order = memcmp(t->key, t->last, common);
    const bool ascends =
        !t->has_last || order > 0 || (order == 0 && t->key_length > t->last_length);

    memcpy(t->last, t->key, t->key_length + 1);
    t->last_length = t->key_length;
    t->has_last = true;
    return ascends;
}

static ebb_status data_block_read(table *t, const block_handle *h)
{
    region *room = region_open(t->scratch, "block", EBB_CLASS_SCRATCH, 0);
    const uint8_t *block, *value;
    size_t length, value_length;

    if (room == NULL) return region_fail(t->scratch, t->error, t->where, "a block of the index");
    ebb_status status = block_open(t, room, h, &block, &length);
    t->key_length = 0;
    for (const uint8_t *at = block; status == EBB_OK && at < block + length;) {
        if (!entry_read(t, &at, block + length, &value, &value_length))
            status = damaged(t, h->offset, "an entry that cannot be read in the block");
        else if (!key_ascends(t))
            status = damaged(t, h->offset, "keys that are not in order in the block");
        else
            status = t->visit(t->context, t->key, t->key_length, value, value_length, t->error);
    }
    region_close(room);
    return status;
}

static bool handle_read(const uint8_t **at, const uint8_t *end, block_handle *h)
{
    return varint_read(at, end, &h->offset) && varint_read(at, end, &h->bytes);
}

static ebb_status index_read(table *t, const block_handle *index)
{
    const uint8_t *block, *value;
    size_t length, value_length;
    ebb_status status = block_open(t, t->scratch, index, &block, &length);
    size_t own_length = 0; /* the keys of the index share t->key with those of data */
    char *own = status == EBB_OK ? region_alloc(t->scratch, 1, SSTABLE_KEY_BYTES_MAX + 1) : NULL;

    if (status != EBB_OK) return status;
    if (own == NULL) return region_fail(t->scratch, t->error, t->where, "the index");
    for (const uint8_t *at = block; status == EBB_OK && at < block + length;) {
        block_handle h;
        memcpy(t->key, own, own_length);
        t->key_length = own_length;
        if (!entry_read(t, &at, block + length, &value, &value_length) ||
            !handle_read(&value, value + value_length, &h))
            return damaged(t, index->offset, "an entry that cannot be read in the index");
        memcpy(own, t->key, t->key_length);
        own_length = t->key_length;
        if (h.offset < t->end_before)
            return damaged(t, h.offset, "a block that lies in the one before");
        status = data_block_read(t, &h);
        t->end_before = h.offset + h.bytes; /* it was read: no overflow */
    }
    return status;
}

ebb_status sstable_read(region *scratch, const uint8_t *bytes, size_t length, const char *where,
                        sstable_visitor visit, void *context, ebb_error *error)
{
    block_handle meta, index;

    if (length < FOOTER_BYTES) {
        return fail(error, EBB_E_FORMAT, where, "%zu bytes are too few for an index; cut short?",
                    length);
    }
    const uint8_t *footer = bytes + length - FOOTER_BYTES, *at = footer;
    const uint64_t magic = u32_read(footer + 40) | (uint64_t)u32_read(footer + 44) << 32;
    if (magic != MAGIC) {
        return fail(error, EBB_E_FORMAT, where,
                    "no index of variables: it does not end as one; cut short or damaged");
    }
    if (!handle_read(&at, footer + 40, &meta) || !handle_read(&at, footer + 40, &index))
        return fail(error, EBB_E_FORMAT, where, "the footer of the index is damaged");
    region *room = region_open(scratch, "index", EBB_CLASS_SCRATCH, 0);
    table *t = room == NULL ? NULL : region_new(room, table, 1);
    ebb_status status = EBB_E_MEMORY;
    if (t == NULL) {
        region_fail(room == NULL ? scratch : room, error, where, "the index");
    } else {
        t->bytes = bytes;
        t->length = length - FOOTER_BYTES;
        t->where = where;
        t->scratch = room;
        t->error = error;
        t->visit = visit;
        t->context = context;
        status = index_read(t, &index);
    }
    region_close(room);
    return status;
}
