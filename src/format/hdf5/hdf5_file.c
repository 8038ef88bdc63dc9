/* hdf5_file.c -- the superblock, and the bounded reading that everything else goes through.
 *
 * Invariants: 0 <= base + address < source bytes for every read; work_left only falls. The budget
 * is a constant plus a multiple of the file's size: reading every header several times stays far
 * below it, while a file whose indexes lead to the same nodes again and again ends in an error
 * within a second. Source: HDF5 File Format Specification 3.0, II (superblock), and Bob Jenkins'
 * lookup3 (public domain). */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "format/hdf5/hdf5_internal.h"

#define WORK_CONSTANT        ((uint64_t)128 << 20)
#define WORK_PER_BYTE        4u
#define WORK_PER_READ        256u
#define SUPERBLOCK_BYTES_MAX 128u

static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

/* -- errors -------------------------------------------------------------------------------------
 */

static ebb_status fail_at(const hdf5_file *file, uint64_t address, ebb_status status,
                          ebb_error *error, const char *text)
{
    const char *name = source_name(file->s);
    const size_t length = strlen(name), shown_max = 120;
    char where[160];

    snprintf(where, sizeof where, "%s%s @ 0x%" PRIx64, length > shown_max ? "..." : "",
             length > shown_max ? name + length - shown_max : name, file->base + address);
    return fail(error, status, where, "%s", text);
}

ebb_status hdf5_damaged(const hdf5_file *file, uint64_t address, ebb_error *error,
                        const char *format, ...)
{
    char text[400];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fail_at(file, address, EBB_E_FORMAT, error, text);
}

ebb_status hdf5_unsupported(const hdf5_file *file, uint64_t address, ebb_error *error,
                            const char *format, ...)
{
    char text[400];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fail_at(file, address, EBB_E_UNSUPPORTED, error, text);
}

/* -- reading ------------------------------------------------------------------------------------
 */

ebb_status hdf5_charge(hdf5_file *file, uint64_t address, uint64_t amount, ebb_error *error)
{
    if (amount > file->work_left) {
        file->work_left = 0;
        return hdf5_damaged(
            file, address, error,
            "the file's structure leads in circles or is far too large for its %" PRIu64 " bytes",
            source_bytes(file->s));
    }
    file->work_left -= amount;
    return EBB_OK;
}

ebb_status hdf5_read(hdf5_file *file, uint64_t address, void *bytes, size_t length,
                     ebb_error *error)
{
    uint64_t end;

    if (!u64_add(address, length, &end) || end > file->bytes) {
        return hdf5_damaged(file, address, error,
                            "%zu bytes are expected here, but the file ends at 0x%" PRIx64
                            "; it is cut short or damaged",
                            length, source_bytes(file->s));
    }
    const ebb_status status = hdf5_charge(file, address, length + (uint64_t)WORK_PER_READ, error);
    if (status != EBB_OK) return status;
    return source_read(file->s, file->base + address, bytes, length, error);
}

ebb_status hdf5_read_new(hdf5_file *file, region *scratch, uint64_t address, uint64_t length,
                         uint8_t **bytes, ebb_error *error)
{
    uint64_t end;

    if (!u64_add(address, length, &end) || end > file->bytes) {
        return hdf5_damaged(file, address, error,
                            "%" PRIu64 " bytes are expected here, but the file ends at 0x%" PRIx64
                            "; it is cut short or damaged",
                            length, source_bytes(file->s));
    }
    if (length > HDF5_BLOCK_BYTES_MAX) {
        return hdf5_damaged(file, address, error,
                            "a piece of metadata of %" PRIu64 " bytes; at most %" PRIu64
                            " are read",
                            length, HDF5_BLOCK_BYTES_MAX);
    }
    *bytes = hdf5_scratch_alloc(file, scratch, (size_t)length + 1, 1, error);
    if (*bytes == NULL) return EBB_E_MEMORY;
    return hdf5_read(file, address, *bytes, (size_t)length, error);
}

/* -- memory -------------------------------------------------------------------------------------
 */

region *hdf5_scratch_open(const hdf5_file *file, uint64_t bytes_max, ebb_error *error)
{
    region *scratch = region_open(file->home, "hdf5 scratch", EBB_CLASS_SCRATCH, bytes_max);

    if (scratch == NULL) region_fail(file->home, error, source_name(file->s), "reading HDF5");
    return scratch;
}

void *hdf5_scratch_alloc(const hdf5_file *file, region *scratch, size_t count, size_t item_bytes,
                         ebb_error *error)
{
    void *memory = region_alloc(scratch, count, item_bytes);

    if (memory == NULL) region_fail(scratch, error, source_name(file->s), "reading HDF5");
    return memory;
}

ebb_status hdf5_scratch_grow(const hdf5_file *file, region *scratch, void **items,
                             uint32_t *capacity, uint32_t count, size_t item_bytes,
                             ebb_error *error)
{
    if (count < *capacity) return EBB_OK;
    const uint32_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    void *larger =
        wanted > *capacity ? hdf5_scratch_alloc(file, scratch, wanted, item_bytes, error) : NULL;

    if (larger == NULL) return EBB_E_MEMORY;
    if (count > 0) memcpy(larger, *items, count * item_bytes);
    *items = larger;
    *capacity = wanted;
    return EBB_OK;
}

ebb_status hdf5_keep(hdf5_file *file, uint64_t bytes, const char *what, void **memory,
                     ebb_error *error)
{
    if (bytes > file->directory_left) {
        return hdf5_damaged(file, 0, error,
                            "%s would take what is kept of the file over %" PRIu64 " bytes", what,
                            HDF5_DIRECTORY_BYTES_MAX);
    }
    *memory = region_alloc(file->home, 1, (size_t)bytes);
    if (*memory == NULL) return region_fail(file->home, error, source_name(file->s), what);
    file->directory_left -= bytes;
    return EBB_OK;
}

/* -- checksum -----------------------------------------------------------------------------------
 */

#define ROTATE(x, k) (((x) << (k)) | ((x) >> (32 - (k))))

static uint32_t word_at(const uint8_t *bytes, size_t length)
{
    uint32_t value = 0;

    for (size_t i = 0; i < 4 && i < length; i++) value |= (uint32_t)bytes[i] << (8 * i);
    return value;
}

uint32_t hdf5_lookup3(const void *data, size_t length)
{
    const uint8_t *bytes = data;
    uint32_t a = 0xdeadbeefu + (uint32_t)length, b = a, c = a;

    if (length == 0) return c;
    for (; length > 12; bytes += 12, length -= 12) {
        a += word_at(bytes, 4);
        b += word_at(bytes + 4, 4);
        c += word_at(bytes + 8, 4);
        a -= c;
        a ^= ROTATE(c, 4);
        c += b;
        b -= a;
        b ^= ROTATE(a, 6);
        a += c;
        c -= b;
        c ^= ROTATE(b, 8);
        b += a;
        a -= c;
        a ^= ROTATE(c, 16);
        c += b;
        b -= a;
        b ^= ROTATE(a, 19);
        a += c;
        c -= b;
        c ^= ROTATE(b, 4);
        b += a;
    }
    a += word_at(bytes, length);
    if (length > 4) b += word_at(bytes + 4, length - 4);
    if (length > 8) c += word_at(bytes + 8, length - 8);
    c ^= b;
    c -= ROTATE(b, 14);
    a ^= c;
    a -= ROTATE(c, 11);
    b ^= a;
    b -= ROTATE(a, 25);
    c ^= b;
    c -= ROTATE(b, 16);
    a ^= c;
    a -= ROTATE(c, 4);
    b ^= a;
    b -= ROTATE(a, 14);
    c ^= b;
    c -= ROTATE(b, 24);
    return c;
}

bool hdf5_sum_matches(const uint8_t *bytes, size_t length)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return bytes != NULL && length >= 4; /* a fuzzer cannot guess sums; let it past */
#else
    return length >= 4 && hdf5_lookup3(bytes, length - 4) == word_at(bytes + length - 4, 4);
#endif
}

/* -- superblock ---------------------------------------------------------------------------------
 */

/* The signature is at 0 or, behind a user block, at 512, 1024, 2048 ... */
static ebb_status signature_find(hdf5_file *file, ebb_error *error)
{
    const uint64_t total = source_bytes(file->s);
    uint8_t found[sizeof signature];

    for (uint64_t at = 0; at < total && total - at >= sizeof found; at = at == 0 ? 512 : at * 2) {
        const ebb_status status = source_read(file->s, at, found, sizeof found, error);

        if (status != EBB_OK) return status;
        if (memcmp(found, signature, sizeof found) == 0) {
            file->base = at;
            file->bytes = total - at;
            return EBB_OK;
        }
        if (at > total / 2) break;
    }
    return fail(error, EBB_E_FORMAT, source_name(file->s),
                "expected an HDF5 file, but its signature is missing (%" PRIu64 " bytes)", total);
}

/* Fields after the widths: versions 0 and 1 end in the root's symbol table entry, 2 and 3 in its
 * address. */
static ebb_status superblock_fields(hdf5_file *file, uint32_t version, const uint8_t *bytes,
                                    size_t length, ebb_error *error)
{
    hdf5_cursor c = hdf5_cursor_make(bytes, length);
    uint64_t driver = HDF5_UNDEFINED;

    hdf5_take(&c, version >= 2 ? 12 : version == 1 ? 28 : 24);
    const uint64_t base = hdf5_take_address(file, &c);

    hdf5_take_address(file, &c);
    const uint64_t end = hdf5_take_address(file, &c);

    if (version < 2) {
        driver = hdf5_take_address(file, &c);
        hdf5_take_address(file, &c);
    }
    file->root = hdf5_take_address(file, &c);
    const size_t used = (size_t)(c.at - bytes);

    if (version >= 2 && (hdf5_take(&c, 4) == NULL || !hdf5_sum_matches(bytes, used + 4))) {
        return hdf5_damaged(file, 0, error, "the superblock's checksum does not match");
    }
    if (c.is_bad) return hdf5_damaged(file, 0, error, "the superblock is cut short");
    if (driver != HDF5_UNDEFINED) {
        return hdf5_unsupported(file, 0, error,
                                "the file is one part of several (a file driver is named)");
    }
    /* The end is counted from the start of the file or from the base, depending on the writer. */
    const uint64_t end_least = base != 0 && base <= end ? end - base : end;

    if (end != HDF5_UNDEFINED && end_least > file->bytes) {
        return hdf5_damaged(file, 0, error,
                            "the file is cut short: %" PRIu64
                            " bytes are there, it was written with %" PRIu64,
                            file->bytes, end_least);
    }
    return EBB_OK;
}

static ebb_status superblock_read(hdf5_file *file, ebb_error *error)
{
    uint8_t bytes[SUPERBLOCK_BYTES_MAX];
    size_t length = sizeof bytes;
    ebb_status status = signature_find(file, error);

    if (status != EBB_OK) return status;
    if (length > file->bytes) length = (size_t)file->bytes;
    status = hdf5_read(file, 0, bytes, length, error);
    if (status != EBB_OK) return status;
    if (length < 16) return hdf5_damaged(file, 0, error, "the superblock is cut short");
    const uint32_t version = bytes[8];

    if (version > 3) {
        return hdf5_unsupported(file, 0, error, "superblock version %u; 0 to 3 are read", version);
    }
    file->address_bytes = bytes[version >= 2 ? 9 : 13];
    file->length_bytes = bytes[version >= 2 ? 10 : 14];
    if ((file->address_bytes != 2 && file->address_bytes != 4 && file->address_bytes != 8) ||
        (file->length_bytes != 2 && file->length_bytes != 4 && file->length_bytes != 8)) {
        return hdf5_unsupported(file, 0, error,
                                "addresses of %u and lengths of %u bytes; 2, 4 and 8 are read",
                                file->address_bytes, file->length_bytes);
    }
    return superblock_fields(file, version, bytes, length, error);
}

ebb_status hdf5_open(region *home, source *s, hdf5_file **file, ebb_error *error)
{
    hdf5_file opened = {.home = home,
                        .s = s,
                        .bytes = source_bytes(s),
                        .directory_left = HDF5_DIRECTORY_BYTES_MAX,
                        .objects_left = HDF5_OBJECTS_MAX};

    if (!u64_mul(source_bytes(s), WORK_PER_BYTE, &opened.work_left) ||
        !u64_add(opened.work_left, WORK_CONSTANT, &opened.work_left)) {
        opened.work_left = UINT64_MAX;
    }
    ebb_status status = superblock_read(&opened, error);
    void *kept = NULL;

    if (status == EBB_OK) status = hdf5_keep(&opened, sizeof opened, "an HDF5 file", &kept, error);
    if (status != EBB_OK) return status;
    *file = memcpy(kept, &opened, sizeof opened);
    return EBB_OK;
}

uint64_t hdf5_root(const hdf5_file *file)
{
    return file->root;
}
