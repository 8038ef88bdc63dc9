/* hdf5_array.c -- the two array indexes of chunks: fixed arrays and extensible arrays.
 *
 *     fixed:       FAHD -> FADB: elements, or a bitmap and pages of elements when there are many
 *     extensible:  EAHD -> EAIB: the first elements | data blocks | super blocks
 *                                                     EADB          EASB -> EADB
 *
 * Super block u stands for 2^(u/2) data blocks of 2^((u+1)/2) * minimum elements each; the first
 * few have no block of their own, their data blocks hang on the index block. An element is the
 * chunk's address, with filters also its bytes in the file and its filter mask. Invariant: counts
 * of elements and blocks come from fields, but each is read from bytes that are in the file, so no
 * loop is longer than the file. Source: HDF5 File Format Specification 3.0, VII.C and VII.D. */
#include <inttypes.h>

#include "format/hdf5/hdf5_internal.h"

#define CLIENT_FILTERED   1u
#define ELEMENTS_BITS_MAX 63u

typedef struct reader {
    hdf5_file *file;
    region *scratch;
    const hdf5_array *array;
    size_t element_bytes, block_prefix; /* signature, version, client, header's address */
    uint64_t page_elements;
} reader;

static ebb_status element_check(const reader *r, uint64_t client, ebb_error *error)
{
    const size_t address_bytes = r->file->address_bytes;
    const bool is_good = r->array->is_filtered
                             ? client == CLIENT_FILTERED && r->element_bytes > address_bytes + 4 &&
                                   r->element_bytes <= address_bytes + 12
                             : client == 0 && r->element_bytes == address_bytes;

    if (is_good) return EBB_OK;
    return hdf5_damaged(r->file, r->array->address, error, "chunk index elements of %zu bytes",
                        r->element_bytes);
}

/* Hands out `count` elements, of which the first has the number `place`. */
static ebb_status elements_visit(const reader *r, const uint8_t *bytes, uint64_t place,
                                 uint64_t count, ebb_error *error)
{
    ebb_status status = EBB_OK;

    for (uint64_t i = 0; i < count && status == EBB_OK; i++, bytes += r->element_bytes) {
        hdf5_cursor c = hdf5_cursor_make(bytes, r->element_bytes);
        hdf5_chunk chunk = {.address = hdf5_take_address(r->file, &c),
                            .length = r->array->chunk_bytes};

        if (chunk.address == HDF5_UNDEFINED) continue;
        if (r->array->is_filtered) {
            const uint64_t length =
                hdf5_take_number(&c, r->element_bytes - r->file->address_bytes - 4);

            chunk.mask = (uint32_t)hdf5_take_number(&c, 4);
            chunk.length = length > UINT32_MAX ? UINT32_MAX : (uint32_t)length;
        }
        status = r->array->visit(r->array->context, place + i, &chunk, error);
    }
    return status;
}

/* `length` bytes with a signature at their start and a checksum at their end. */
static ebb_status block_read(const reader *r, uint64_t address, const char *mark, uint64_t length,
                             uint8_t **bytes, ebb_error *error)
{
    const ebb_status status = hdf5_read_new(r->file, r->scratch, address, length, bytes, error);

    if (status != EBB_OK) return status;
    if ((mark == NULL || memcmp(*bytes, mark, 4) == 0) &&
        hdf5_sum_matches(*bytes, (size_t)length)) {
        return EBB_OK;
    }
    return hdf5_damaged(r->file, address, error,
                        "expected a chunk index block %s%s(or its checksum is wrong)",
                        mark != NULL ? mark : "", mark != NULL ? " " : "");
}

/* Bytes of `count` elements with `more` around them; the largest number if that does not fit. */
static uint64_t elements_length(const reader *r, uint64_t count, uint64_t more)
{
    uint64_t length;

    if (!u64_mul(count, r->element_bytes, &length)) return UINT64_MAX;
    u64_add(length, more, &length);
    return length;
}

static bool bit_at(const uint8_t *bits, uint64_t index)
{
    return (bits[index / 8] & (0x80u >> (index % 8))) != 0;
}

/* Pages of elements, each with a checksum, from `address` on; pages that were never written are
 * skipped. */
static ebb_status pages_visit(const reader *r, uint64_t address, const uint8_t *bits,
                              uint64_t first_bit, uint64_t place, uint64_t count, ebb_error *error)
{
    const uint64_t page_length = elements_length(r, r->page_elements, 4);

    for (uint64_t page = 0; page * r->page_elements < count; page++) {
        const uint64_t begin = page * r->page_elements;
        const uint64_t here = count - begin < r->page_elements ? count - begin : r->page_elements;
        uint64_t at;
        uint8_t *bytes = NULL;

        if (!bit_at(bits, first_bit + page)) continue;
        if (!u64_mul(page, page_length, &at) || !u64_add(at, address, &at)) at = HDF5_UNDEFINED;
        ebb_status status = block_read(r, at, NULL, elements_length(r, here, 4), &bytes, error);
        if (status == EBB_OK) status = elements_visit(r, bytes, place + begin, here, error);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

/* -- fixed
 * ---------------------------------------------------------------------------------------- */

ebb_status hdf5_fixed_array_walk(hdf5_file *file, region *scratch, const hdf5_array *array,
                                 ebb_error *error)
{
    reader r = {file, scratch, array, 0, 6 + (size_t)file->address_bytes, 0};
    uint8_t *bytes = NULL;
    const uint64_t length = 12 + (uint64_t)file->length_bytes + file->address_bytes;
    ebb_status status = block_read(&r, array->address, "FAHD", length, &bytes, error);

    if (status != EBB_OK) return status;
    hdf5_cursor c = hdf5_cursor_make(bytes + 5, (size_t)length - 5);
    const uint64_t client = hdf5_take_number(&c, 1);

    r.element_bytes = (size_t)hdf5_take_number(&c, 1);
    const uint64_t page_bits = hdf5_take_number(&c, 1), count = hdf5_take_length(file, &c);
    const uint64_t block = hdf5_take_address(file, &c);

    status = element_check(&r, client, error);
    if (status != EBB_OK || block == HDF5_UNDEFINED) return status;
    if (page_bits > 32 || count > file->bytes) {
        return hdf5_damaged(file, array->address, error, "a chunk index of %" PRIu64 " elements",
                            count);
    }
    r.page_elements = (uint64_t)1 << page_bits;
    if (count <= r.page_elements) {
        status = block_read(&r, block, "FADB", elements_length(&r, count, r.block_prefix + 4),
                            &bytes, error);
        if (status != EBB_OK) return status;
        return elements_visit(&r, bytes + r.block_prefix, 0, count, error);
    }
    const uint64_t pages = count / r.page_elements + (count % r.page_elements != 0);
    const uint64_t prefix = r.block_prefix + (pages + 7) / 8 + 4;

    status = block_read(&r, block, "FADB", prefix, &bytes, error);
    if (status != EBB_OK) return status;
    return pages_visit(&r, block + prefix, bytes + r.block_prefix, 0, 0, count, error);
}

/* -- extensible
 * ------------------------------------------------------------------------------------ */

typedef struct extensible {
    reader r;
    uint32_t offset_bytes;  /* of a block offset */
    uint32_t inline_supers; /* super blocks whose data blocks hang on the index block */
    uint32_t supers;        /* all super blocks the array could have */
    uint64_t inline_elements, block_elements_min, inline_blocks;
} extensible;

static uint64_t super_blocks(uint32_t super)
{
    return (uint64_t)1 << (super / 2);
}

static uint64_t super_block_elements(const extensible *e, uint32_t super)
{
    return e->block_elements_min << ((super + 1) / 2);
}

static ebb_status extensible_open(extensible *e, uint64_t *index_block, ebb_error *error)
{
    hdf5_file *const file = e->r.file;
    const uint64_t at = e->r.array->address;
    const uint64_t length = 16 + 6 * (uint64_t)file->length_bytes + file->address_bytes;
    uint8_t *bytes = NULL;
    ebb_status status = block_read(&e->r, at, "EAHD", length, &bytes, error);

    if (status != EBB_OK) return status;
    hdf5_cursor c = hdf5_cursor_make(bytes + 5, (size_t)length - 5);
    const uint64_t client = hdf5_take_number(&c, 1);

    e->r.element_bytes = (size_t)hdf5_take_number(&c, 1);
    const uint32_t elements_bits = (uint32_t)hdf5_take_number(&c, 1);

    e->inline_elements = hdf5_take_number(&c, 1);
    e->block_elements_min = hdf5_take_number(&c, 1);
    const uint64_t pointers_min = hdf5_take_number(&c, 1), page_bits = hdf5_take_number(&c, 1);

    for (int i = 0; i < 6; i++) hdf5_take_length(file, &c);
    *index_block = hdf5_take_address(file, &c);
    const uint32_t block_bits = hdf5_log2(e->block_elements_min);

    if (elements_bits == 0 || elements_bits > ELEMENTS_BITS_MAX || page_bits > 32 ||
        e->block_elements_min == 0 || (e->block_elements_min & (e->block_elements_min - 1)) != 0 ||
        pointers_min < 2 || (pointers_min & (pointers_min - 1)) != 0 ||
        elements_bits < block_bits) {
        return hdf5_damaged(file, at, error, "the extensible array of a chunk index is damaged");
    }
    e->r.page_elements = (uint64_t)1 << page_bits;
    e->offset_bytes = (elements_bits + 7) / 8;
    e->supers = 1 + elements_bits - block_bits;
    e->inline_supers = 2 * hdf5_log2(pointers_min);
    e->inline_blocks = 2 * (pointers_min - 1);
    if (e->inline_supers > e->supers) {
        return hdf5_damaged(file, at, error, "the extensible array of a chunk index is damaged");
    }
    return element_check(&e->r, client, error);
}

/* One data block; `bits` and `first_bit` say which of its pages exist, when it has pages. */
static ebb_status data_block_visit(const extensible *e, uint64_t address, uint64_t place,
                                   uint64_t count, const uint8_t *bits, uint64_t first_bit,
                                   ebb_error *error)
{
    const uint64_t prefix = e->r.block_prefix + e->offset_bytes;
    uint8_t *bytes = NULL;
    ebb_status status;

    if (address == HDF5_UNDEFINED) return EBB_OK;
    if (count <= e->r.page_elements) {
        status = block_read(&e->r, address, "EADB", elements_length(&e->r, count, prefix + 4),
                            &bytes, error);
        if (status != EBB_OK) return status;
        return elements_visit(&e->r, bytes + prefix, place, count, error);
    }
    if (bits == NULL) {
        return hdf5_unsupported(e->r.file, address, error, "pages of chunks without a super block");
    }
    status = block_read(&e->r, address, "EADB", prefix + 4, &bytes, error);
    if (status != EBB_OK) return status;
    return pages_visit(&e->r, address + prefix + 4, bits, first_bit, place, count, error);
}

static ebb_status super_block_visit(const extensible *e, uint64_t address, uint32_t super,
                                    uint64_t place, ebb_error *error)
{
    hdf5_file *const file = e->r.file;
    const uint64_t blocks = super_blocks(super), elements = super_block_elements(e, super);
    const uint64_t pages = elements <= e->r.page_elements ? 0 : elements / e->r.page_elements;
    const uint64_t bits_bytes = (pages + 7) / 8, prefix = e->r.block_prefix + e->offset_bytes;
    uint8_t *bytes = NULL;
    uint64_t bitmap, length;
    ebb_status status = EBB_OK;

    if (address == HDF5_UNDEFINED) return EBB_OK;
    if (!u64_mul(blocks, bits_bytes, &bitmap) || !u64_mul(blocks, file->address_bytes, &length) ||
        !u64_add(length, bitmap, &length) || !u64_add(length, prefix + 4, &length)) {
        length = UINT64_MAX;
    }
    status = block_read(&e->r, address, "EASB", length, &bytes, error);
    for (uint64_t i = 0; i < blocks && status == EBB_OK; i++) {
        hdf5_cursor c = hdf5_cursor_make(bytes + prefix + bitmap + i * file->address_bytes,
                                         file->address_bytes);

        status = data_block_visit(e, hdf5_take_address(file, &c), place + i * elements, elements,
                                  bytes + prefix, i * pages, error);
    }
    return status;
}

ebb_status hdf5_extensible_array_walk(hdf5_file *file, region *scratch, const hdf5_array *array,
                                      ebb_error *error)
{
    extensible e = {.r = {file, scratch, array, 0, 6 + (size_t)file->address_bytes, 0}};
    uint64_t index_block = HDF5_UNDEFINED, place;
    uint8_t *bytes = NULL;
    ebb_status status = extensible_open(&e, &index_block, error);

    if (status != EBB_OK || index_block == HDF5_UNDEFINED) return status;
    const uint64_t pointers = e.inline_blocks + e.supers - e.inline_supers;
    const uint64_t length = elements_length(&e.r, e.inline_elements,
                                            e.r.block_prefix + pointers * file->address_bytes + 4);

    status = block_read(&e.r, index_block, "EAIB", length, &bytes, error);
    if (status == EBB_OK) {
        status = elements_visit(&e.r, bytes + e.r.block_prefix, 0, e.inline_elements, error);
    }
    if (status != EBB_OK) return status;
    hdf5_cursor c =
        hdf5_cursor_make(bytes + e.r.block_prefix + e.inline_elements * e.r.element_bytes,
                         (size_t)pointers * file->address_bytes);

    place = e.inline_elements;
    for (uint32_t super = 0; super < e.supers && status == EBB_OK; super++) {
        const uint64_t blocks = super_blocks(super), elements = super_block_elements(&e, super);

        if (super >= e.inline_supers) {
            status = super_block_visit(&e, hdf5_take_address(file, &c), super, place, error);
        }
        for (uint64_t i = 0; super < e.inline_supers && i < blocks && status == EBB_OK; i++) {
            status = data_block_visit(&e, hdf5_take_address(file, &c), place + i * elements,
                                      elements, NULL, 0, error);
        }
        place += blocks * elements;
    }
    return status;
}
