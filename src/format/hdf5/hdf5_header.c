/* hdf5_header.c -- object headers, versions 1 and 2, with their continuation blocks.
 *
 *     version 1:  [prefix 16][type 2, length 2, flags 1, pad 3 | data]...
 *                 continuation: messages only
 *     version 2:  "OHDR" [prefix][type 1, length 2, flags 1, (order 2) | data]... [checksum 4]
 *                 continuation: "OCHK" messages [checksum 4]
 *
 * All blocks are copied behind each other into one buffer; messages keep offsets into it.
 * Invariants: no block is read twice (a cycle is an error), every message lies in its block, and
 * the whole header is at most HEADER_BYTES_MAX. Source: HDF5 File Format Specification 3.0,
 * IV.A.1. */
#include <inttypes.h>

#include "format/hdf5/hdf5_internal.h"

#define HEADER_BYTES_MAX ((uint64_t)64 << 20)
#define FIRST_READ_BYTES 512u /* the whole header of a usual dataset in one read */
#define BLOCKS_MAX       4096u
#define MESSAGES_MAX     1000000u
#define PREFIX1_BYTES    16u

#define MESSAGE_FLAG_SHARED         0x02u
#define MESSAGE_FLAG_REFUSE_UNKNOWN 0x80u
#define MESSAGE_TYPE_LAST           0x18u

/* Room for `more` bytes at the end of the buffer. */
static ebb_status bytes_grow(hdf5_file *file, hdf5_header *h, uint64_t more, ebb_error *error)
{
    uint64_t needed;

    if (!u64_add(h->length, more, &needed) || needed > HEADER_BYTES_MAX) {
        return hdf5_damaged(file, h->address, error, "an object header of over %" PRIu64 " bytes",
                            HEADER_BYTES_MAX);
    }
    if (needed <= h->bytes_capacity) return EBB_OK;
    const size_t capacity =
        (size_t)needed < 2 * h->bytes_capacity ? 2 * h->bytes_capacity : (size_t)needed;
    uint8_t *larger = hdf5_scratch_alloc(file, h->scratch, capacity, 1, error);

    if (larger == NULL) return EBB_E_MEMORY;
    if (h->length > 0) memcpy(larger, h->bytes, h->length);
    h->bytes = larger;
    h->bytes_capacity = capacity;
    return EBB_OK;
}

static ebb_status message_add(hdf5_file *file, hdf5_header *h, hdf5_message message,
                              ebb_error *error)
{
    void *items = h->messages;

    if (h->count >= MESSAGES_MAX) {
        return hdf5_damaged(file, h->address, error, "an object header of over %u messages",
                            MESSAGES_MAX);
    }
    const ebb_status status =
        hdf5_scratch_grow(file, h->scratch, &items, &h->capacity, h->count, sizeof message, error);
    if (status != EBB_OK) return status;
    h->messages = items;
    h->messages[h->count++] = message;
    return EBB_OK;
}

/* Messages of version 1 in h->bytes[begin, end). */
static ebb_status messages1_parse(hdf5_file *file, hdf5_header *h, size_t begin, size_t end,
                                  ebb_error *error)
{
    hdf5_cursor c = hdf5_cursor_make(h->bytes + begin, end - begin);

    while (hdf5_left(&c) >= 8) {
        hdf5_message m = {.type = (uint16_t)hdf5_take_number(&c, 2)};

        m.length = (uint32_t)hdf5_take_number(&c, 2);
        const uint32_t flags = (uint32_t)hdf5_take_number(&c, 1);

        m.is_shared = (flags & MESSAGE_FLAG_SHARED) != 0;
        hdf5_take(&c, 3);
        m.offset = (size_t)(c.at - h->bytes);
        if (hdf5_take(&c, m.length) == NULL) {
            return hdf5_damaged(file, h->address, error,
                                "a message of %u bytes does not fit into the object header",
                                m.length);
        }
        if (m.type > MESSAGE_TYPE_LAST && (flags & MESSAGE_FLAG_REFUSE_UNKNOWN) != 0) {
            return hdf5_unsupported(file, h->address, error, "header message type 0x%x", m.type);
        }
        if (m.type == HDF5_MESSAGE_NIL) continue;
        const ebb_status status = message_add(file, h, m, error);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

/* Messages of version 2; what is left before the checksum is a gap. */
static ebb_status messages2_parse(hdf5_file *file, hdf5_header *h, size_t begin, size_t end,
                                  bool has_order, ebb_error *error)
{
    hdf5_cursor c = hdf5_cursor_make(h->bytes + begin, end - begin);
    const size_t prefix = has_order ? 6 : 4;

    while (hdf5_left(&c) >= prefix) {
        hdf5_message m = {.type = (uint16_t)hdf5_take_number(&c, 1)};

        m.length = (uint32_t)hdf5_take_number(&c, 2);
        const uint32_t flags = (uint32_t)hdf5_take_number(&c, 1);

        m.is_shared = (flags & MESSAGE_FLAG_SHARED) != 0;
        if (has_order) hdf5_take(&c, 2);
        m.offset = (size_t)(c.at - h->bytes);
        if (hdf5_take(&c, m.length) == NULL) {
            return hdf5_damaged(file, h->address, error,
                                "a message of %u bytes does not fit into the object header",
                                m.length);
        }
        if (m.type > MESSAGE_TYPE_LAST && (flags & MESSAGE_FLAG_REFUSE_UNKNOWN) != 0) {
            return hdf5_unsupported(file, h->address, error, "header message type 0x%x", m.type);
        }
        if (m.type == HDF5_MESSAGE_NIL) continue;
        const ebb_status status = message_add(file, h, m, error);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

/* Brings the first block to `length` bytes, of which `have` are read. */
static ebb_status first_block_complete(hdf5_file *file, hdf5_header *h, size_t have,
                                       uint64_t length, ebb_error *error)
{
    ebb_status status = EBB_OK;

    h->length = have < length ? have : (size_t)length;
    if (have < length) {
        status = bytes_grow(file, h, length - have, error);
        if (status == EBB_OK) {
            status =
                hdf5_read(file, h->address + have, h->bytes + have, (size_t)(length - have), error);
        }
    }
    if (status == EBB_OK) h->length = (size_t)length;
    return status;
}

static ebb_status header1_begin(hdf5_file *file, hdf5_header *h, size_t have, ebb_error *error)
{
    hdf5_cursor c = hdf5_cursor_make(h->bytes, have);

    hdf5_take(&c, 8);
    const uint64_t length = hdf5_take_number(&c, 4);

    const ebb_status status = first_block_complete(file, h, have, PREFIX1_BYTES + length, error);
    if (status != EBB_OK) return status;
    return messages1_parse(file, h, PREFIX1_BYTES, h->length, error);
}

static ebb_status header2_begin(hdf5_file *file, hdf5_header *h, size_t have, bool *has_order,
                                ebb_error *error)
{
    hdf5_cursor c = hdf5_cursor_make(h->bytes, have);

    hdf5_take(&c, 4);
    const uint64_t version = hdf5_take_number(&c, 1);
    const uint64_t flags = hdf5_take_number(&c, 1);

    if ((flags & 0x20) != 0) hdf5_take(&c, 16);
    if ((flags & 0x10) != 0) hdf5_take(&c, 4);
    const uint64_t length = hdf5_take_number(&c, (size_t)1 << (flags & 3));
    const size_t prefix = (size_t)(c.at - h->bytes);

    if (c.is_bad || version != 2) {
        return hdf5_damaged(file, h->address, error, "the object header is cut short or damaged");
    }
    if (length > HEADER_BYTES_MAX) {
        return hdf5_damaged(file, h->address, error, "an object header of %" PRIu64 " bytes",
                            length);
    }
    const ebb_status status = first_block_complete(file, h, have, prefix + length + 4, error);
    if (status != EBB_OK) return status;
    if (!hdf5_sum_matches(h->bytes, h->length)) {
        return hdf5_damaged(file, h->address, error, "the object header's checksum does not match");
    }
    *has_order = (flags & 0x04) != 0;
    return messages2_parse(file, h, prefix, h->length - 4, *has_order, error);
}

typedef struct block {
    uint64_t address, length;
} block;

static ebb_status block_parse(const hdf5_file *file, const hdf5_header *h, const hdf5_message *m,
                              block *b, ebb_error *error)
{
    hdf5_cursor c = hdf5_message_cursor(h, m);

    b->address = hdf5_take_address(file, &c);
    b->length = hdf5_take_length(file, &c);
    if (c.is_bad)
        return hdf5_damaged(file, h->address, error, "a continuation message is cut short");
    return EBB_OK;
}

/* Reads the block that message `at` names, unless an earlier one named it: then the header is a
 * cycle. */
static ebb_status block_read(hdf5_file *file, hdf5_header *h, uint32_t at, bool is_version2,
                             bool has_order, ebb_error *error)
{
    const size_t begin = h->length;
    block b, earlier;
    ebb_status status = block_parse(file, h, &h->messages[at], &b, error);

    if (status == EBB_OK) status = hdf5_charge(file, h->address, at, error);
    if (status != EBB_OK) return status;
    for (uint32_t i = 0; i < at; i++) {
        if (h->messages[i].type != HDF5_MESSAGE_CONTINUATION) continue;
        status = block_parse(file, h, &h->messages[i], &earlier, error);
        if (status != EBB_OK) return status;
        if (earlier.address != b.address) continue;
        return hdf5_damaged(file, h->address, error, "the object header continues in a circle");
    }
    if (b.length > file->bytes) b.length = UINT64_MAX;
    status = bytes_grow(file, h, b.length, error);
    if (status != EBB_OK) return status;
    status = hdf5_read(file, b.address, h->bytes + begin, (size_t)b.length, error);
    if (status != EBB_OK) return status;
    h->length += (size_t)b.length;
    if (!is_version2) return messages1_parse(file, h, begin, h->length, error);
    if (b.length < 8 || memcmp(h->bytes + begin, "OCHK", 4) != 0 ||
        !hdf5_sum_matches(h->bytes + begin, (size_t)b.length)) {
        return hdf5_damaged(
            file, b.address, error,
            "the continuation of an object header is damaged (signature or checksum)");
    }
    return messages2_parse(file, h, begin + 4, h->length - 4, has_order, error);
}

ebb_status hdf5_header_read(hdf5_file *file, region *scratch, uint64_t address, hdf5_header *header,
                            ebb_error *error)
{
    uint64_t have = FIRST_READ_BYTES;
    uint32_t blocks = 0;
    bool has_order = false;
    ebb_status status;

    header->scratch = scratch;
    header->address = address;
    header->length = 0;
    header->count = 0;
    if (address < file->bytes && have > file->bytes - address) have = file->bytes - address;
    if (have < PREFIX1_BYTES) have = PREFIX1_BYTES;
    status = bytes_grow(file, header, have, error);
    if (status == EBB_OK) status = hdf5_read(file, address, header->bytes, (size_t)have, error);
    if (status != EBB_OK) return status;

    const bool is_version2 = memcmp(header->bytes, "OHDR", 4) == 0;

    if (!is_version2 && header->bytes[0] != 1) {
        return hdf5_damaged(file, address, error,
                            "expected an object header, found something else");
    }
    status = is_version2 ? header2_begin(file, header, (size_t)have, &has_order, error)
                         : header1_begin(file, header, (size_t)have, error);
    for (uint32_t i = 0; i < header->count && status == EBB_OK; i++) {
        if (header->messages[i].type != HDF5_MESSAGE_CONTINUATION) continue;
        if (++blocks > BLOCKS_MAX) {
            return hdf5_damaged(file, address, error, "an object header in over %u blocks",
                                BLOCKS_MAX);
        }
        status = block_read(file, header, i, is_version2, has_order, error);
    }
    return status;
}

const hdf5_message *hdf5_header_find(const hdf5_header *header, uint16_t type)
{
    for (uint32_t i = 0; i < header->count; i++) {
        if (header->messages[i].type == type) return &header->messages[i];
    }
    return NULL;
}

hdf5_cursor hdf5_message_cursor(const hdf5_header *header, const hdf5_message *message)
{
    return hdf5_cursor_make(header->bytes + message->offset, message->length);
}
