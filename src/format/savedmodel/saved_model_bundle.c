/* saved_model_bundle.c -- see saved_model_bundle.h. Numbers lie as they are, little-endian, one
 * tensor behind the other; texts as lengths, a checksum of the lengths, and the bytes.
 * Source: tensorflow/core/util/tensor_bundle/tensor_bundle.cc. */
#include "format/savedmodel/saved_model_bundle.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/size.h"
#include "base/status.h"
#include "format/savedmodel/sstable_writer.h"

/* -- data -------------------------------------------------------------------------------------- */

static bool variable_bytes(const saved_variable *v, uint64_t *bytes)
{
    bool fits = true;

    *bytes = ebb_dtype_bytes(v->dtype);
    for (uint32_t i = 0; i < v->rank; i++)
        fits = u64_mul(*bytes, (uint64_t)v->dims[i], bytes) && fits;
    return fits && *bytes < SIZE_MAX;
}

static ebb_status largest(const saved_model_content *c, const char *where, uint64_t *most,
                          ebb_error *error)
{
    uint64_t bytes;

    *most = 0;
    for (uint32_t i = 0; i < c->variable_count; i++) {
        if (!variable_bytes(&c->variables[i], &bytes))
            return fail(error, EBB_E_SHAPE, where, "%s is too large", c->variables[i].name);
        if (bytes > *most) *most = bytes;
    }
    return EBB_OK;
}

static ebb_status variables_write(const saved_model_content *c, file_writer *file, void *memory,
                                  bundle_record *records, ebb_error *error)
{
    ebb_status status = EBB_OK;

    for (uint32_t i = 0; i < c->variable_count && status == EBB_OK; i++) {
        bundle_record *r = &records[i];
        r->offset = file->bytes;
        (void)variable_bytes(&c->variables[i], &r->bytes);
        status = c->read(c->context, i, memory, error);
        if (status != EBB_OK) break;
        r->crc = crc32c_masked(crc32c_extend(0, memory, (size_t)r->bytes));
        status = file_writer_put(file, memory, r->bytes, error);
    }
    return status;
}

/* One text: its length as a varint, the checksum of the length as 32 bits, the text. */
static ebb_status text_write(file_writer *file, const uint8_t *text, size_t length,
                             bundle_record *r, ebb_error *error)
{
    uint8_t head[16], plain[4];
    size_t head_length = varint_write(head, length);
    uint32_t crc;

    for (size_t i = 0; i < sizeof plain; i++) plain[i] = (uint8_t)(length >> 8 * i);
    crc = crc32c_extend(0, plain, sizeof plain);
    for (size_t i = 0; i < 4; i++) head[head_length + i] = (uint8_t)(crc32c_masked(crc) >> 8 * i);
    crc = crc32c_extend(crc, head + head_length, 4);
    head_length += 4;
    r->offset = file->bytes;
    r->bytes = head_length + length;
    r->crc = crc32c_masked(crc32c_extend(crc, text, length));
    const ebb_status status = file_writer_put(file, head, head_length, error);
    return status == EBB_OK ? file_writer_put(file, text, length, error) : status;
}

ebb_status saved_data_write(region *home, const saved_model_content *c, file_writer *file,
                            const uint8_t *objects, size_t object_bytes, bundle_record *records,
                            ebb_error *error)
{
    uint64_t most = 0;
    ebb_status status = largest(c, file->path, &most, error);

    if (status != EBB_OK) return status;
    if (object_bytes > UINT32_MAX)
        return fail(error, EBB_E_UNSUPPORTED, file->path, "too many variables");
    region *work = region_open(home, "variable", EBB_CLASS_SCRATCH, 0);
    void *memory = work == NULL ? NULL : region_block(work, (size_t)most + 1);
    if (memory == NULL) {
        status = region_fail(work == NULL ? home : work, error, file->path, "a variable");
    } else {
        status = variables_write(c, file, memory, records, error);
    }
    region_close(work);
    if (status != EBB_OK) return status;
    return text_write(file, objects, object_bytes, &records[c->variable_count], error);
}

/* -- index ------------------------------------------------------------------------------------- */

/* "0", "1", "10", "11", "2": the numbers below `count` in the order of their texts. */
static uint32_t next_in_text_order(uint32_t number, uint32_t count)
{
    if (number != 0 && (uint64_t)number * 10 < count) return number * 10;
    while (number % 10 == 9 || number + 1 >= count) {
        number /= 10;
        if (number == 0) break;
    }
    return number + 1;
}

static ebb_status entry_write(maker *m, sstable_writer *w, const char *key, tf_type type,
                              const tf_shape *s, const bundle_record *r, ebb_error *error)
{
    Ebb__Write__BundleEntry *entry = MESSAGE(m, BundleEntry, bundle_entry);
    size_t length;

    entry->dtype = (int32_t)type;
    entry->shape = maker_shape(m, s);
    entry->offset = (int64_t)r->offset;
    entry->size = (int64_t)r->bytes;
    entry->crc32c = r->crc;
    const uint8_t *bytes = maker_pack(m, entry, &length);
    if (bytes == NULL) return region_fail(m->home, error, w->file->path, "the index");
    const ebb_status status = sstable_writer_add(w, key, bytes, length, error);
    region_block_release(m->home, (void *)(uintptr_t)bytes);
    return status;
}

static ebb_status header_write(maker *m, sstable_writer *w, ebb_error *error)
{
    Ebb__Write__BundleHeader *header = MESSAGE(m, BundleHeader, bundle_header);
    size_t length;

    header->num_shards = 1;
    header->version = maker_versions(m, 1, 0);
    const uint8_t *bytes = maker_pack(m, header, &length);
    if (bytes == NULL) return region_fail(m->home, error, w->file->path, "the index");
    return sstable_writer_add(w, "", bytes, length, error);
}

static ebb_status variable_entries_write(maker *m, sstable_writer *w, const saved_model_content *c,
                                         const bundle_record *records, ebb_error *error)
{
    ebb_status status = EBB_OK;
    uint32_t number = 0;

    for (uint32_t i = 0; i < c->variable_count && status == EBB_OK; i++) {
        const saved_variable *v = &c->variables[number];
        tf_shape s = {.has_rank = true, .rank = v->rank};
        memcpy(s.dims, v->dims, sizeof s.dims);
        const char *key = saved_variable_key(m, number);
        if (m->no_memory) return region_fail(m->home, error, w->file->path, "the index");
        status = entry_write(m, w, key, tf_type_of(v->dtype), &s, &records[number], error);
        number = next_in_text_order(number, c->variable_count);
    }
    return status;
}

ebb_status saved_index_write(region *home, const saved_model_content *c, file_writer *file,
                             const bundle_record *records, ebb_error *error)
{
    maker m = {.home = home};
    sstable_writer w;
    ebb_status status = sstable_writer_open(home, file, &w, error);

    if (status == EBB_OK) status = header_write(&m, &w, error);
    if (status == EBB_OK) {
        status = entry_write(&m, &w, SAVED_CHECKPOINT_GRAPH, TF_STRING,
                             &(tf_shape){.has_rank = true}, &records[c->variable_count], error);
    }
    if (status == EBB_OK) status = variable_entries_write(&m, &w, c, records, error);
    return status == EBB_OK ? sstable_writer_end(&w, error) : status;
}
