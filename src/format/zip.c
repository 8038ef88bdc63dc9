/* zip.c -- the directory of a zip archive, and reading its members.
 *
 *     [prefix] [local header | name | extra | data [| descriptor]]... [central directory]
 *              [zip64 end record, locator] [end record | comment]
 *
 * Invariants after zip_open(): members are sorted by name, names are unique and stay inside the
 * folder they would be extracted to, every local header agrees with the directory, and no two
 * members share a byte. The archive, its members and their names are one allocation. Source:
 * APPNOTE.TXT 6.3.10, sections 4.3 to 4.5. */
#include "format/zip.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/size.h"
#include "base/status.h"
#include "format/inflate.h"
#include "format/order.h"

#define END_BYTES           22u
#define END64_BYTES         56u
#define LOCATOR64_BYTES     20u
#define CENTRAL_BYTES       46u
#define LOCAL_BYTES         30u
#define COMMENT_BYTES_MAX   65535u
#define MEMBERS_MAX         65536u
#define DIRECTORY_BYTES_MAX ((uint64_t)64 << 20)

#define SIGNATURE_END       0x06054b50u
#define SIGNATURE_END64     0x06064b50u
#define SIGNATURE_LOCATOR64 0x07064b50u
#define SIGNATURE_CENTRAL   0x02014b50u
#define SIGNATURE_LOCAL     0x04034b50u

#define FLAG_ENCRYPTED  0x0001u
#define FLAG_DESCRIPTOR 0x0008u
#define FLAGS_REFUSED   0x2060u /* patch data, strong encryption, masked headers */

#define EXTRA_ZIP64 0x0001u

/* Keras's guard against decompression bombs; below the floor a high ratio is harmless. */
#define INFLATED_BYTES_MAX ((uint64_t)4 << 30)
#define RATIO_MAX          100u
#define RATIO_FLOOR_BYTES  ((uint64_t)64 << 20)

/* A member as the directory tells it; the name is not terminated and lies in the directory's
 * bytes. */
typedef struct zip_entry {
    const char *name;
    uint32_t name_bytes;
    uint32_t crc;
    uint64_t compressed_bytes, bytes, header_offset, data_offset;
    uint16_t method, flags;
} zip_entry;

typedef struct zip_reader {
    source *file;
    region *scratch;
    uint64_t directory_offset, directory_bytes; /* in the file */
    uint64_t prefix_bytes;                      /* before the archive proper */
    uint64_t count;
    zip_entry *entries;
    char where[160];
} zip_reader;

static uint16_t u16_at(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t u32_at(const uint8_t *bytes)
{
    return (uint32_t)u16_at(bytes) | (uint32_t)u16_at(bytes + 2) << 16;
}

static uint64_t u64_at(const uint8_t *bytes)
{
    return (uint64_t)u32_at(bytes) | (uint64_t)u32_at(bytes + 4) << 32;
}

/* "model.keras: config.json", in r->where. */
static const char *where_name(zip_reader *r, const char *name, size_t length)
{
    const size_t shown = length < 60 ? length : 60;
    const char *file = source_name(r->file);
    const size_t file_length = strlen(file);

    snprintf(r->where, sizeof r->where, "%s: %.*s%s",
             file_length > 80 ? file + file_length - 80 : file, (int)shown, name,
             shown < length ? "..." : "");
    return r->where;
}

/* -- the end records ----------------------------------------------------------------------------
 */

/* The zip64 end record that lies before the end record at `end_offset`; leaves *start alone if
 * there is none. Its place is taken from where it must lie, then from the locator. */
static ebb_status end64_read(zip_reader *r, uint64_t end_offset, uint64_t *start, ebb_error *error)
{
    uint8_t locator[LOCATOR64_BYTES], record[END64_BYTES];
    uint64_t at;

    if (end_offset < LOCATOR64_BYTES + END64_BYTES) return EBB_OK;
    ebb_status status =
        source_read(r->file, end_offset - LOCATOR64_BYTES, locator, sizeof locator, error);
    if (status != EBB_OK || u32_at(locator) != SIGNATURE_LOCATOR64) return status;

    at = end_offset - LOCATOR64_BYTES - END64_BYTES;
    status = source_read(r->file, at, record, sizeof record, error);
    if (status != EBB_OK) return status;
    if (u32_at(record) != SIGNATURE_END64) {
        at = u64_at(locator + 8);
        status = source_read(r->file, at, record, sizeof record, error);
        if (status != EBB_OK) return status;
    }
    if (u32_at(record) != SIGNATURE_END64 || u32_at(locator + 4) != 0 || u32_at(record + 16) != 0 ||
        u32_at(record + 20) != 0 || u64_at(record + 24) != u64_at(record + 32) ||
        at >= end_offset) {
        return fail(error, EBB_E_FORMAT, source_name(r->file),
                    "the zip64 end record is damaged or the archive is split over several files");
    }
    r->count = u64_at(record + 32);
    r->directory_bytes = u64_at(record + 40);
    r->directory_offset = u64_at(record + 48);
    *start = at;
    return EBB_OK;
}

/* Offset of the end record: the last one whose comment reaches exactly to the end of the file. */
static ebb_status end_find(zip_reader *r, uint8_t end[END_BYTES], uint64_t *end_offset,
                           ebb_error *error)
{
    const uint64_t file_bytes = source_bytes(r->file);
    const size_t tail_bytes = file_bytes < END_BYTES + COMMENT_BYTES_MAX
                                  ? (size_t)file_bytes
                                  : (size_t)(END_BYTES + COMMENT_BYTES_MAX);
    uint8_t *tail;

    if (file_bytes < END_BYTES) {
        return fail(error, EBB_E_FORMAT, source_name(r->file),
                    "expected a zip archive, found %" PRIu64 " bytes", file_bytes);
    }
    tail = region_alloc(r->scratch, 1, tail_bytes);
    if (tail == NULL)
        return region_fail(r->scratch, error, source_name(r->file), "the end of a zip");
    const ebb_status status =
        source_read(r->file, file_bytes - tail_bytes, tail, tail_bytes, error);
    if (status != EBB_OK) return status;
    for (size_t at = tail_bytes - END_BYTES + 1; at-- > 0;) {
        if (u32_at(tail + at) != SIGNATURE_END) continue;
        if (u16_at(tail + at + 20) != tail_bytes - at - END_BYTES) continue;
        memcpy(end, tail + at, END_BYTES);
        *end_offset = file_bytes - tail_bytes + at;
        return EBB_OK;
    }
    return fail(error, EBB_E_FORMAT, source_name(r->file),
                "no zip end record; the file is no zip archive or is cut short");
}

/* Finds the central directory, and how many bytes of something else come before the archive. */
static ebb_status directory_find(zip_reader *r, ebb_error *error)
{
    uint8_t end[END_BYTES] = {0};
    uint64_t end_offset = 0, start, needed;

    ebb_status status = end_find(r, end, &end_offset, error);
    if (status != EBB_OK) return status;
    const uint16_t count = u16_at(end + 10);
    const uint32_t bytes = u32_at(end + 12), offset = u32_at(end + 16);

    r->count = count;
    r->directory_bytes = bytes;
    r->directory_offset = offset;
    start = end_offset;
    status = end64_read(r, end_offset, &start, error);
    if (status != EBB_OK) return status;
    if (u16_at(end + 4) != u16_at(end + 6) || u16_at(end + 8) != count ||
        (count != UINT16_MAX && count != r->count) ||
        (bytes != UINT32_MAX && bytes != r->directory_bytes) ||
        (offset != UINT32_MAX && offset != r->directory_offset)) {
        return fail(error, EBB_E_FORMAT, source_name(r->file),
                    "the zip end records contradict each other, or the archive is split");
    }
    if (!u64_add(r->directory_offset, r->directory_bytes, &needed) || needed > start) {
        return fail(error, EBB_E_FORMAT, source_name(r->file),
                    "the zip directory should end at %" PRIu64
                    ", but the end record is at %" PRIu64,
                    needed, start);
    }
    r->prefix_bytes = start - needed;
    r->directory_offset += r->prefix_bytes;
    if (r->count > MEMBERS_MAX || r->directory_bytes > DIRECTORY_BYTES_MAX ||
        r->count > r->directory_bytes / CENTRAL_BYTES) {
        return fail(error, EBB_E_FORMAT, source_name(r->file),
                    "%" PRIu64 " members in a zip directory of %" PRIu64
                    " bytes; at most %u members are read",
                    r->count, r->directory_bytes, MEMBERS_MAX);
    }
    return EBB_OK;
}

/* -- members ------------------------------------------------------------------------------------
 */

/* A plain relative path: not absolute by the rules of any system, no "..", no byte zero. */
static bool is_safe_name(const char *name, size_t length)
{
    size_t begin = 0;

    if (length == 0 || memchr(name, '\0', length) != NULL) return false;
    if (name[0] == '/' || name[0] == '\\' || (length > 1 && name[1] == ':')) return false;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && name[i] != '/' && name[i] != '\\') continue;
        if (i - begin == 2 && name[begin] == '.' && name[begin + 1] == '.') return false;
        begin = i + 1;
    }
    return true;
}

/* Replaces each value that is saturated in the header by the one in the zip64 extra field. Values
 * of the field come in the order of `values`. False if one is missing. */
static bool extra64_read(const uint8_t *extra, size_t length, uint64_t *const values[],
                         size_t count)
{
    const uint8_t *field = NULL;
    size_t field_bytes = 0;

    for (size_t at = 0; at + 4 <= length;) {
        const size_t bytes = u16_at(extra + at + 2);

        if (bytes > length - at - 4) break;
        if (u16_at(extra + at) == EXTRA_ZIP64) {
            field = extra + at + 4;
            field_bytes = bytes;
            break;
        }
        at += 4 + bytes;
    }
    for (size_t i = 0; i < count; i++) {
        if (*values[i] != UINT32_MAX) continue;
        if (field_bytes < 8) return false;
        *values[i] = u64_at(field);
        field += 8;
        field_bytes -= 8;
    }
    return true;
}

static ebb_status entry_check(zip_reader *r, const zip_entry *e, ebb_error *error)
{
    const char *where = where_name(r, e->name, e->name_bytes);

    if (!is_safe_name(e->name, e->name_bytes)) {
        return fail(error, EBB_E_FORMAT, where,
                    "the member's name is empty, absolute, or leaves the archive's folder");
    }
    if ((e->flags & (FLAG_ENCRYPTED | FLAGS_REFUSED)) != 0) {
        return fail(error, EBB_E_UNSUPPORTED, where, "the member is encrypted; save it without");
    }
    if (e->method != 0 && e->method != 8) {
        return fail(
            error, EBB_E_UNSUPPORTED, where,
            "the member is compressed by method %u; only stored (0) and deflated (8) are read",
            e->method);
    }
    if (e->method == 0 && e->bytes != e->compressed_bytes) {
        return fail(error, EBB_E_FORMAT, where,
                    "a stored member with two sizes: %" PRIu64 " and %" PRIu64, e->compressed_bytes,
                    e->bytes);
    }
    if (e->method == 8 &&
        (e->bytes > INFLATED_BYTES_MAX ||
         (e->bytes > RATIO_FLOOR_BYTES && e->bytes / RATIO_MAX > e->compressed_bytes))) {
        return fail(error, EBB_E_FORMAT, where,
                    "the member declares %" PRIu64 " bytes out of %" PRIu64
                    ": a decompression bomb; store it instead if it is genuine",
                    e->bytes, e->compressed_bytes);
    }
    return EBB_OK;
}

/* One record of the directory; *at moves behind it. */
static ebb_status entry_read(zip_reader *r, const uint8_t *directory, size_t *at, zip_entry *e,
                             ebb_error *error)
{
    const uint8_t *record = directory + *at;
    const size_t left = (size_t)r->directory_bytes - *at;

    if (left < CENTRAL_BYTES || u32_at(record) != SIGNATURE_CENTRAL ||
        left - CENTRAL_BYTES <
            (size_t)u16_at(record + 28) + u16_at(record + 30) + u16_at(record + 32)) {
        return fail(error, EBB_E_FORMAT, source_name(r->file),
                    "the zip directory is damaged %zu bytes in", *at);
    }
    const size_t name_bytes = u16_at(record + 28), extra_bytes = u16_at(record + 30);
    uint64_t *const wide[] = {&e->bytes, &e->compressed_bytes, &e->header_offset};

    e->name = (const char *)record + CENTRAL_BYTES;
    e->name_bytes = (uint32_t)name_bytes;
    e->flags = u16_at(record + 8);
    e->method = u16_at(record + 10);
    e->crc = u32_at(record + 16);
    e->compressed_bytes = u32_at(record + 20);
    e->bytes = u32_at(record + 24);
    e->header_offset = u32_at(record + 42);
    if (!extra64_read(record + CENTRAL_BYTES + name_bytes, extra_bytes, wide, 3)) {
        return fail(error, EBB_E_FORMAT, where_name(r, e->name, name_bytes),
                    "the member's zip64 sizes are missing");
    }
    *at += CENTRAL_BYTES + name_bytes + extra_bytes + u16_at(record + 32);
    return entry_check(r, e, error);
}

/* The local header must tell the same as the directory: readers that trust one or the other must
 * not be shown different files. Sets data_offset. */
static ebb_status local_check(zip_reader *r, zip_entry *e, uint8_t *buffer, ebb_error *error)
{
    uint8_t header[LOCAL_BYTES];
    uint64_t at, end, bytes, compressed_bytes;
    ebb_status status;

    if (!u64_add(r->prefix_bytes, e->header_offset, &at)) at = UINT64_MAX;
    e->header_offset = at;
    status = source_read(r->file, at, header, sizeof header, error);
    if (status != EBB_OK) return status;
    const size_t name_bytes = u16_at(header + 26), extra_bytes = u16_at(header + 28);
    uint64_t *const wide[] = {&bytes, &compressed_bytes};

    status = source_read(r->file, at + LOCAL_BYTES, buffer, name_bytes + extra_bytes, error);
    if (status != EBB_OK) return status;
    compressed_bytes = u32_at(header + 18);
    bytes = u32_at(header + 22);

    const bool is_streamed = (e->flags & FLAG_DESCRIPTOR) != 0;
    bool agrees = u32_at(header) == SIGNATURE_LOCAL && name_bytes == e->name_bytes &&
                  memcmp(buffer, e->name, name_bytes) == 0 && u16_at(header + 8) == e->method &&
                  ((u16_at(header + 6) ^ e->flags) & (FLAG_ENCRYPTED | FLAG_DESCRIPTOR)) == 0;

    if (agrees && !is_streamed) {
        agrees = extra64_read(buffer + name_bytes, extra_bytes, wide, 2) && bytes == e->bytes &&
                 compressed_bytes == e->compressed_bytes && u32_at(header + 14) == e->crc;
    }
    if (!agrees) {
        return fail(error, EBB_E_FORMAT, where_name(r, e->name, e->name_bytes),
                    "the member's own header is damaged or contradicts the zip directory");
    }
    e->data_offset = at + LOCAL_BYTES + name_bytes + extra_bytes;
    if (!u64_add(e->data_offset, e->compressed_bytes, &end) || end > r->directory_offset) {
        return fail(error, EBB_E_FORMAT, where_name(r, e->name, e->name_bytes),
                    "the member should end at %" PRIu64
                    ", but the zip directory begins at %" PRIu64,
                    end, r->directory_offset);
    }
    return EBB_OK;
}

static int compare_offsets(const void *a, const void *b)
{
    const zip_entry *x = *(zip_entry *const *)a, *y = *(zip_entry *const *)b;

    return x->header_offset < y->header_offset ? -1 : x->header_offset > y->header_offset;
}

static int compare_names(const void *a, const void *b)
{
    const zip_entry *x = *(zip_entry *const *)a, *y = *(zip_entry *const *)b;
    const uint32_t shorter = x->name_bytes < y->name_bytes ? x->name_bytes : y->name_bytes;
    const int order = memcmp(x->name, y->name, shorter);

    if (order != 0) return order;
    return x->name_bytes < y->name_bytes ? -1 : x->name_bytes > y->name_bytes;
}

/* Leaves `sorted` in the order of names. */
static ebb_status entries_check(zip_reader *r, zip_entry **sorted, ebb_error *error)
{
    uint8_t *buffer = region_alloc(r->scratch, 1, 2 * (size_t)UINT16_MAX);

    if (buffer == NULL) return region_fail(r->scratch, error, source_name(r->file), "zip headers");
    for (uint64_t i = 0; i < r->count; i++) {
        const ebb_status status = local_check(r, &r->entries[i], buffer, error);

        if (status != EBB_OK) return status;
        sorted[i] = &r->entries[i];
    }
    order_sort(sorted, (size_t)r->count, sizeof *sorted, compare_offsets);
    for (uint64_t i = 1; i < r->count; i++) {
        const zip_entry *before = sorted[i - 1];

        if (before->data_offset + before->compressed_bytes <= sorted[i]->header_offset) continue;
        return fail(error, EBB_E_FORMAT, where_name(r, before->name, before->name_bytes),
                    "the member overlaps the next one in the archive");
    }
    order_sort(sorted, (size_t)r->count, sizeof *sorted, compare_names);
    for (uint64_t i = 1; i < r->count; i++) {
        if (compare_names(&sorted[i - 1], &sorted[i]) != 0) continue;
        return fail(error, EBB_E_FORMAT, where_name(r, sorted[i]->name, sorted[i]->name_bytes),
                    "two members have this name");
    }
    return EBB_OK;
}

static ebb_status archive_make(region *home, zip_reader *r, zip_entry *const *sorted,
                               zip_archive **archive, ebb_error *error)
{
    size_t bytes = sizeof **archive + (size_t)r->count * sizeof(zip_member);

    for (uint64_t i = 0; i < r->count; i++) bytes += sorted[i]->name_bytes + (size_t)1;
    zip_archive *a = region_alloc(home, 1, bytes);
    if (a == NULL) return region_fail(home, error, source_name(r->file), "the zip directory");
    zip_member *members = (zip_member *)(a + 1);
    char *names = (char *)(members + r->count);

    for (uint64_t i = 0; i < r->count; i++) {
        const zip_entry *e = sorted[i];

        memcpy(names, e->name, e->name_bytes);
        members[i] = (zip_member){.name = names,
                                  .compressed_bytes = e->compressed_bytes,
                                  .bytes = e->bytes,
                                  .data_offset = e->data_offset,
                                  .crc = e->crc,
                                  .method = e->method};
        names += e->name_bytes + 1;
    }
    a->file = r->file;
    a->members = members;
    a->count = (uint32_t)r->count;
    *archive = a;
    return EBB_OK;
}

static ebb_status directory_read(region *home, zip_reader *r, zip_archive **archive,
                                 ebb_error *error)
{
    ebb_status status = directory_find(r, error);
    size_t at = 0;

    if (status != EBB_OK) return status;
    uint8_t *directory = region_alloc(r->scratch, 1, (size_t)r->directory_bytes + 1);
    zip_entry **sorted = region_new(r->scratch, zip_entry *, (size_t)r->count + 1);

    r->entries = region_new(r->scratch, zip_entry, (size_t)r->count + 1);
    if (directory == NULL || sorted == NULL || r->entries == NULL) {
        return region_fail(r->scratch, error, source_name(r->file), "the zip directory");
    }
    status =
        source_read(r->file, r->directory_offset, directory, (size_t)r->directory_bytes, error);
    for (uint64_t i = 0; i < r->count && status == EBB_OK; i++) {
        status = entry_read(r, directory, &at, &r->entries[i], error);
    }
    if (status == EBB_OK && at != r->directory_bytes) {
        status = fail(error, EBB_E_FORMAT, source_name(r->file),
                      "the zip directory holds more than its %" PRIu64 " members", r->count);
    }
    if (status == EBB_OK) status = entries_check(r, sorted, error);
    if (status != EBB_OK) return status;
    return archive_make(home, r, sorted, archive, error);
}

ebb_status zip_open(region *home, source *s, zip_archive **archive, ebb_error *error)
{
    zip_reader r = {.file = s, .scratch = region_open(home, "zip scratch", EBB_CLASS_SCRATCH, 0)};

    if (r.scratch == NULL)
        return region_fail(home, error, source_name(s), "reading a zip directory");
    const ebb_status status = directory_read(home, &r, archive, error);
    region_close(r.scratch);
    return status;
}

const zip_member *zip_find(const zip_archive *archive, const char *name)
{
    uint32_t low = 0, high = archive->count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = strcmp(name, archive->members[middle].name);

        if (order == 0) return &archive->members[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* -- contents -----------------------------------------------------------------------------------
 */

static ebb_status member_inflate(region *home, zip_archive *archive, const zip_member *member,
                                 uint8_t *bytes, ebb_error *error)
{
    region *scratch = region_open(home, "zip scratch", EBB_CLASS_SCRATCH, 0);
    inflater *i = scratch == NULL ? NULL : inflate_open(scratch, INFLATE_RAW);
    size_t produced = 0;
    ebb_status status;

    if (i == NULL) {
        status = region_fail(scratch == NULL ? home : scratch, error, member->name, "inflating");
    } else {
        status = inflate_source(i, archive->file, member->data_offset, member->compressed_bytes,
                                bytes, (size_t)member->bytes, &produced, member->name, error);
    }
    if (status == EBB_OK && produced != member->bytes) {
        status = fail(error, EBB_E_FORMAT, member->name,
                      "%" PRIu64 " bytes are declared, %zu came out of inflating", member->bytes,
                      produced);
    }
    region_close(scratch);
    return status;
}

/* The member in a block of its own, zero terminated. */
static ebb_status member_load(region *home, zip_archive *archive, const zip_member *member,
                              uint8_t **block, ebb_error *error)
{
    size_t block_bytes;
    ebb_status status;

    if (member->bytes > SIZE_MAX || !size_add((size_t)member->bytes, 1, &block_bytes)) {
        block_bytes = SIZE_MAX;
    }
    uint8_t *bytes = region_block(home, block_bytes);

    if (bytes == NULL) {
        status = region_fail(home, error, source_name(archive->file), member->name);
        return status;
    }
    if (member->method == 0) {
        status =
            source_read(archive->file, member->data_offset, bytes, (size_t)member->bytes, error);
    } else {
        status = member_inflate(home, archive, member, bytes, error);
    }
    if (status == EBB_OK && crc32_z(0, bytes, (z_size_t)member->bytes) != member->crc) {
        status = fail(error, EBB_E_FORMAT, source_name(archive->file),
                      "%s: the CRC-32 does not match; the file is damaged", member->name);
    }
    if (status != EBB_OK) {
        region_block_release(home, bytes);
        return status;
    }
    *block = bytes;
    return EBB_OK;
}

ebb_status zip_read(region *home, zip_archive *archive, const zip_member *member,
                    uint64_t bytes_max, const char **bytes, ebb_error *error)
{
    uint8_t *block = NULL;

    if (member->bytes > bytes_max) {
        return fail(error, EBB_E_FORMAT, source_name(archive->file),
                    "%s is %" PRIu64 " bytes long; at most %" PRIu64 " are read", member->name,
                    member->bytes, bytes_max);
    }
    const ebb_status status = member_load(home, archive, member, &block, error);
    if (status == EBB_OK) *bytes = (const char *)block;
    return status;
}

ebb_status zip_source(region *home, zip_archive *archive, const zip_member *member, source **result,
                      ebb_error *error)
{
    uint8_t *block = NULL;

    if (member->method == 0) {
        return source_range(home, archive->file, member->data_offset, member->bytes, member->name,
                            result, error);
    }
    ebb_status status = member_load(home, archive, member, &block, error);
    if (status != EBB_OK) return status;
    status = source_memory(home, block, member->bytes, member->name, result, error);
    if (status != EBB_OK) region_block_release(home, block);
    return status;
}
