/* bundle.c -- see bundle.h. */
#include "format/savedmodel/bundle.h"

#include <inttypes.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/size.h"
#include "base/status.h"
#include "format/savedmodel/messages.h"
#include "format/savedmodel/sstable.h"
#include "tensor/dtype.h"

typedef struct index_reader {
    region *scratch;
    const char *where; /* the index file */
    bundle *b;
    bundle_entry *entries;
    uint32_t capacity;
    bool has_header;
} index_reader;

ebb_status whole_file_read(region *home, const char *path, uint64_t bytes_max,
                           const uint8_t **bytes, size_t *length, ebb_error *error)
{
    source *file = NULL;
    ebb_status status = path == NULL ? region_fail(home, error, "model", "a path")
                                     : source_open(home, path, &file, error);

    if (status != EBB_OK) return status;
    const uint64_t size = source_bytes(file);
    uint8_t *buffer = size <= bytes_max ? region_block(home, (size_t)size + 1) : NULL;
    if (size > bytes_max) {
        status = fail(error, EBB_E_FORMAT, path, "%" PRIu64 " bytes; at most %" PRIu64 " are read",
                      size, bytes_max);
    } else if (buffer == NULL) {
        status = region_fail(home, error, path, "the file");
    } else if (size > 0) {
        status = source_read(file, 0, buffer, (size_t)size, error);
    }
    if (status == EBB_OK) status = source_unchanged(file, error);
    source_close(file);
    *bytes = buffer;
    *length = (size_t)size;
    return status;
}

/* -- the index --------------------------------------------------------------------------------- */

static ebb_status header_read(index_reader *r, const uint8_t *value, size_t length,
                              ebb_error *error)
{
    const void *message;
    const ebb_status status = message_read(r->scratch, &ebb__read__bundle_header__descriptor, value,
                                           length, r->where, &message, error);

    if (status != EBB_OK) return status;
    const bundle_header_message *h = message;
    if (h->endianness != 0) {
        return fail(error, EBB_E_UNSUPPORTED, r->where,
                    "its tensors are big-endian; save it on another machine");
    }
    if (h->num_shards < 1 || h->num_shards > BUNDLE_SHARDS_MAX) {
        return fail(error, EBB_E_FORMAT, r->where,
                    "%" PRId32 " data files; from 1 to %d are possible", h->num_shards,
                    BUNDLE_SHARDS_MAX);
    }
    r->b->shard_count = (uint32_t)h->num_shards;
    r->has_header = true;
    return EBB_OK;
}

static bool place_take(index_reader *r)
{
    if (r->b->count < r->capacity) return true;
    const uint32_t capacity = r->capacity == 0 ? 64 : 2 * r->capacity;
    bundle_entry *grown = region_new(r->scratch, bundle_entry, capacity);
    if (grown == NULL) return false;
    if (r->b->count > 0) memcpy(grown, r->entries, r->b->count * sizeof *grown);
    r->b->entries = r->entries = grown;
    r->capacity = capacity;
    return true;
}

static bool shape_take(const shape_message *s, bundle_entry *e)
{
    const size_t rank = s == NULL ? 0 : s->n_dim;

    e->rank = rank > EBB_RANK_MAX ? EBB_RANK_MAX + 1 : (uint32_t)rank;
    for (size_t i = 0; i < rank; i++) {
        if (s->dim[i]->size < 0) return false;
        if (rank <= EBB_RANK_MAX) e->dims[i] = s->dim[i]->size;
    }
    return s == NULL || !s->unknown_rank;
}

static ebb_status entry_take(index_reader *r, const char *key, const bundle_entry_message *m,
                             ebb_error *error)
{
    if (r->b->count == BUNDLE_ENTRIES_MAX)
        return fail(error, EBB_E_FORMAT, r->where, "more than %d tensors", BUNDLE_ENTRIES_MAX);
    if (!place_take(r)) return region_fail(r->scratch, error, r->where, "the index");
    bundle_entry *e = &r->entries[r->b->count];
    *e = (bundle_entry){.key = region_text(r->scratch, key),
                        .type = (tf_type)m->dtype,
                        .shard = (uint32_t)m->shard_id,
                        .offset = (uint64_t)m->offset,
                        .bytes = (uint64_t)m->size,
                        .crc = crc32c_unmask(m->crc32c),
                        .is_sliced = m->n_slices > 0};
    if (e->key == NULL) return region_fail(r->scratch, error, r->where, "the index");
    if (m->shard_id < 0 || e->shard >= r->b->shard_count || m->offset < 0 || m->size < 0 ||
        !shape_take(m->shape, e)) {
        return fail(error, EBB_E_FORMAT, r->where, "the entry of '%.200s' is damaged", key);
    }
    r->b->count++;
    return EBB_OK;
}

/* Keys with zeros in them name slices of tensors that are kept in parts. */
static ebb_status entry_visit(void *context, const char *key, size_t key_length,
                              const uint8_t *value, size_t value_length, ebb_error *error)
{
    index_reader *r = context;
    const void *message;

    if (key_length == 0) return header_read(r, value, value_length, error);
    if (!r->has_header)
        return fail(error, EBB_E_FORMAT, r->where, "the index does not begin with its header");
    if (memchr(key, '\0', key_length) != NULL) return EBB_OK;
    region *room = region_open(r->scratch, "entry", EBB_CLASS_SCRATCH, 0);
    if (room == NULL) return region_fail(r->scratch, error, r->where, "the index");
    ebb_status status = message_read(room, &ebb__read__bundle_entry__descriptor, value,
                                     value_length, r->where, &message, error);
    if (status == EBB_OK) status = entry_take(r, key, message, error);
    region_close(room);
    return status;
}

static ebb_status index_read(region *scratch, const char *path, bundle *b, ebb_error *error)
{
    const uint8_t *bytes = NULL;
    size_t length = 0;
    index_reader r = {.scratch = scratch, .where = path, .b = b};
    ebb_status status = whole_file_read(scratch, path, BUNDLE_INDEX_BYTES, &bytes, &length, error);

    if (status != EBB_OK) return status;
    b->file_bytes = length;
    status = sstable_read(scratch, bytes, length, path, entry_visit, &r, error);
    if (status == EBB_OK && !r.has_header)
        status = fail(error, EBB_E_FORMAT, path, "the index is empty");
    return status;
}

/* -- the data files ---------------------------------------------------------------------------- */

static ebb_status shards_open(region *home, bundle *b, ebb_error *error)
{
    const uint32_t count = b->shard_count;

    b->shard_count = 0;
    b->shards = region_new(home, source *, count);
    if (b->shards == NULL) return region_fail(home, error, b->path, "the list of data files");
    for (uint32_t i = 0; i < count; i++) {
        const char *path =
            region_format(home, "%s.data-%05" PRIu32 "-of-%05" PRIu32, b->path, i, count);
        if (path == NULL) return region_fail(home, error, b->path, "the name of a data file");
        ebb_status status = source_open(home, path, &b->shards[i], error);
        if (status == EBB_E_NOT_FOUND) {
            status = fail(error, EBB_E_FORMAT, path,
                          "the file is missing: the index names %" PRIu32 " of its kind", count);
        }
        if (status != EBB_OK) return status;
        b->shard_count++;
        b->file_bytes += source_bytes(b->shards[i]);
    }
    return EBB_OK;
}

static ebb_status places_check(const bundle *b, ebb_error *error)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const bundle_entry *e = &b->entries[i];
        const uint64_t bytes = source_bytes(b->shards[e->shard]);
        if (e->offset <= bytes && e->bytes <= bytes - e->offset) continue;
        return fail(error, EBB_E_FORMAT, source_name(b->shards[e->shard]),
                    "'%.200s' lies at %" PRIu64 " with %" PRIu64
                    " bytes, but the file ends at %" PRIu64 "; it is cut short",
                    e->key, e->offset, e->bytes, bytes);
    }
    return EBB_OK;
}

ebb_status bundle_open(region *home, region *scratch, const char *path, bundle *result,
                       ebb_error *error)
{
    const char *index = region_format(scratch, "%s.index", path);

    *result = (bundle){.path = region_text(home, path)};
    if (index == NULL || result->path == NULL)
        return region_fail(home, error, path, "the name of the index");
    ebb_status status = index_read(scratch, index, result, error);
    if (status != EBB_OK) {
        result->shard_count = 0;
        return status;
    }
    status = shards_open(home, result, error);
    if (status == EBB_OK) status = places_check(result, error);
    if (status != EBB_OK) bundle_close(result);
    return status;
}

void bundle_close(bundle *b)
{
    for (uint32_t i = 0; i < b->shard_count; i++) source_close(b->shards[i]);
    b->shard_count = 0;
}

const bundle_entry *bundle_find(const bundle *b, const char *key)
{
    uint32_t low = 0, high = b->count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = strcmp(b->entries[middle].key, key);
        if (order == 0) return &b->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* -- tensors ----------------------------------------------------------------------------------- */

/* What tensor_entry.context is. */
typedef struct bundle_tensor_place {
    source *file;
    uint64_t offset, bytes;
    uint32_t crc;       /* of all of it */
    uint64_t crc_bytes; /* so many from the beginning are in crc_now */
    uint32_t crc_now;
    bool is_verified;
} bundle_tensor_place;

static ebb_status crc_compare(const bundle_tensor_place *p, uint32_t crc, const char *path,
                              ebb_error *error)
{
    if (crc == p->crc) return EBB_OK;
    return fail(error, EBB_E_FORMAT, path,
                "the checksum is 0x%08" PRIx32 ", the index has 0x%08" PRIx32 ": %s is damaged",
                crc, p->crc, source_name(p->file));
}

static ebb_status verify_whole(bundle_tensor_place *p, const char *path, ebb_error *error)
{
    uint8_t buffer[8192];
    uint32_t crc = 0;

    for (uint64_t at = 0; at < p->bytes; at += sizeof buffer) {
        const size_t now = p->bytes - at < sizeof buffer ? (size_t)(p->bytes - at) : sizeof buffer;
        const ebb_status status = source_read(p->file, p->offset + at, buffer, now, error);
        if (status != EBB_OK) return status;
        crc = crc32c_extend(crc, buffer, now);
    }
    const ebb_status status = crc_compare(p, crc, path, error);
    p->is_verified = status == EBB_OK;
    return status;
}

/* Reading from the beginning to the end checks on the way. */
static ebb_status place_read(bundle_tensor_place *p, const char *path, uint64_t first,
                             uint64_t length, void *bytes, ebb_error *error)
{
    if (first == 0 && !p->is_verified) {
        p->crc_bytes = 0;
        p->crc_now = 0;
    }
    ebb_status status = EBB_OK;
    const bool goes_on = first == p->crc_bytes;
    if (!p->is_verified && !goes_on) status = verify_whole(p, path, error);
    if (status == EBB_OK)
        status = source_read(p->file, p->offset + first, bytes, (size_t)length, error);
    if (status != EBB_OK || p->is_verified) return status;
    p->crc_now = crc32c_extend(p->crc_now, bytes, (size_t)length);
    p->crc_bytes += length;
    if (p->crc_bytes < p->bytes) return EBB_OK;
    status = crc_compare(p, p->crc_now, path, error);
    p->is_verified = status == EBB_OK;
    return status;
}

static ebb_status tensor_read(const tensor_entry *entry, uint64_t first, uint64_t count,
                              void *bytes, ebb_error *error)
{
    bundle_tensor_place *p = entry->context;
    const uint64_t size = ebb_dtype_bytes(entry->dtype);

    if (size == 0) {
        return fail(error, EBB_E_UNSUPPORTED, entry->path,
                    "its values are no numbers that ebb reads");
    }
    const uint64_t all = p->bytes / size;
    if (first > all || count > all - first) {
        return fail(error, EBB_E_INTERNAL, entry->path,
                    "elements %" PRIu64 " to %" PRIu64 " of %" PRIu64, first, first + count, all);
    }
    return place_read(p, entry->path, first * size, count * size, bytes, error);
}

static bool length_fits(const bundle_entry *e, uint64_t element_bytes)
{
    uint64_t bytes = element_bytes;
    bool is_empty = false;

    for (uint32_t i = 0; i < e->rank; i++) is_empty |= e->dims[i] == 0;
    for (uint32_t i = 0; i < e->rank && !is_empty; i++) {
        if (!u64_mul(bytes, (uint64_t)e->dims[i], &bytes)) return false;
    }
    return (is_empty ? 0 : bytes) == e->bytes;
}

ebb_status bundle_tensor(region *home, const bundle *b, const bundle_entry *e, const char *path,
                         const char *name, tensor_entry *result, ebb_error *error)
{
    const ebb_dtype dtype = tf_type_dtype(e->type);
    const size_t size = ebb_dtype_bytes(dtype);

    if (e->is_sliced) {
        return fail(error, EBB_E_UNSUPPORTED, path,
                    "the variable is kept in slices; save the model without partitions");
    }
    if (e->rank > EBB_RANK_MAX) {
        return fail(error, EBB_E_UNSUPPORTED, path, "more than %d axes", EBB_RANK_MAX);
    }
    if (size > 0 && !length_fits(e, size)) {
        return fail(error, EBB_E_FORMAT, path,
                    "the index gives it %" PRIu64 " bytes, which its shape does not have",
                    e->bytes);
    }
    bundle_tensor_place *p = region_new(home, bundle_tensor_place, 1);
    if (p == NULL) return region_fail(home, error, path, "the directory of tensors");
    *p = (bundle_tensor_place){
        .file = b->shards[e->shard], .offset = e->offset, .bytes = e->bytes, .crc = e->crc};
    *result = (tensor_entry){.path = path,
                             .name = name,
                             .dtype = dtype,
                             .rank = e->rank,
                             .read = tensor_read,
                             .context = p};
    memcpy(result->dims, e->dims, sizeof result->dims);
    return EBB_OK;
}

/* A scalar of strings: its length as a varint, the masked checksum of the length, the text. The
 * checksum of the index is over the length as a number of 4 or 8 bytes, that checksum, and the
 * text. */
ebb_status bundle_text(region *scratch, const bundle *b, const bundle_entry *e,
                       const uint8_t **bytes, size_t *length, ebb_error *error)
{
    uint64_t said = 0;
    uint8_t *all = NULL;
    ebb_status status = EBB_OK;

    if (e->type != TF_STRING || e->rank != 0 || e->is_sliced)
        return fail(error, EBB_E_FORMAT, e->key, "expected one text");
    all = region_block(scratch, (size_t)e->bytes + 1);
    if (all == NULL) return region_fail(scratch, error, e->key, "a text of the model");
    status = source_read(b->shards[e->shard], e->offset, all, (size_t)e->bytes, error);
    if (status != EBB_OK) return status;
    const uint8_t *at = all, *end = all + e->bytes;
    const bool is_whole = varint_read(&at, end, &said) && (uint64_t)(end - at) >= 4 &&
                          (uint64_t)(end - at) - 4 == said;
    if (!is_whole) return fail(error, EBB_E_FORMAT, e->key, "the text is damaged");
    uint32_t crc = 0;
    for (unsigned i = 0; i < (said > UINT32_MAX ? 8u : 4u); i++) {
        const uint8_t byte = (uint8_t)(said >> 8 * i);
        crc = crc32c_extend(crc, &byte, 1);
    }
    crc = crc32c_extend(crc, at, (size_t)(end - at));
    const bundle_tensor_place p = {.file = b->shards[e->shard], .crc = e->crc};
    status = crc_compare(&p, crc, e->key, error);
    *bytes = at + 4;
    *length = (size_t)said;
    return status;
}
