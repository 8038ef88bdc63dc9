/* hdf5_attribute.c -- attributes: found by name in the object header or in dense storage, and
 * turned into strings or doubles.
 *
 * Dense storage is a fractal heap with a B-tree of records (heap id 8, flags 1, order 4, hash of
 * the name 4); the hash tells which heap objects are worth reading. A value is gathered in scratch
 * and kept in one allocation. Source: HDF5 File Format Specification 3.0, IV.A.2.m and v. */
#include <inttypes.h>

#include "format/hdf5/hdf5_internal.h"
#include "tensor/dtype.h"

#define DENSE_RECORD_BYTES 17u
#define DENSE_HASH_AT      13u

/* What a search looks for and finds. */
typedef struct search {
    hdf5_file *file;
    region *scratch;
    uint64_t address; /* of the object, for errors */
    const char *name;
    size_t name_length;
    uint32_t hash;
    hdf5_heap heap;
    bool is_found;
    hdf5_type type;
    hdf5_space space;
    hdf5_cursor data;
} search;

static size_t padded(uint64_t version, size_t length)
{
    return version == 1 ? (length + 7) & ~(size_t)7 : length;
}

/* Reads one attribute message if it has the name: version, flags, three lengths, then name, type,
 * space, data. */
static ebb_status attribute_match(search *s, hdf5_cursor c, ebb_error *error)
{
    const uint64_t version = hdf5_take_number(&c, 1), flags = hdf5_take_number(&c, 1);
    const size_t name_length = (size_t)hdf5_take_number(&c, 2);
    const size_t type_length = (size_t)hdf5_take_number(&c, 2);
    const size_t space_length = (size_t)hdf5_take_number(&c, 2);

    if (version == 3) hdf5_take(&c, 1);
    const uint8_t *name = hdf5_take(&c, padded(version, name_length));

    if (c.is_bad || version < 1 || version > 3 || name_length == 0 ||
        name[name_length - 1] != '\0') {
        return hdf5_damaged(s->file, s->address, error,
                            "an attribute message is cut short or damaged");
    }
    if (strlen((const char *)name) != s->name_length ||
        memcmp(name, s->name, s->name_length) != 0) {
        return EBB_OK;
    }
    if (version > 1 && flags != 0) {
        return hdf5_unsupported(s->file, s->address, error,
                                "attribute \"%.80s\" is of a committed type", s->name);
    }
    const uint8_t *type = hdf5_take(&c, padded(version, type_length));
    const uint8_t *space = hdf5_take(&c, padded(version, space_length));

    if (c.is_bad) {
        return hdf5_damaged(s->file, s->address, error, "attribute \"%.80s\" is cut short",
                            s->name);
    }
    hdf5_cursor type_cursor = hdf5_cursor_make(type, type_length);
    hdf5_cursor space_cursor = hdf5_cursor_make(space, space_length);
    ebb_status status = hdf5_type_parse(s->file, s->address, &type_cursor, &s->type, error);

    if (status == EBB_OK)
        status = hdf5_space_parse(s->file, s->address, &space_cursor, &s->space, error);
    if (status != EBB_OK) return status;
    if (s->space.count > hdf5_left(&c) / s->type.bytes) {
        return hdf5_damaged(s->file, s->address, error,
                            "attribute \"%.80s\" has %" PRIu64 " elements of %u bytes in %zu bytes",
                            s->name, s->space.count, s->type.bytes, hdf5_left(&c));
    }
    s->data = c;
    s->is_found = true;
    return EBB_OK;
}

static ebb_status dense_visit(void *context, const uint8_t *record, size_t length, ebb_error *error)
{
    search *const s = context;
    hdf5_cursor c = hdf5_cursor_make(record + DENSE_HASH_AT, length - DENSE_HASH_AT);
    hdf5_cursor object;

    if (s->is_found || hdf5_take_number(&c, 4) != s->hash) return EBB_OK;
    const ebb_status status =
        hdf5_heap_object(s->file, s->scratch, &s->heap, record, &object, error);
    if (status != EBB_OK) return status;
    return attribute_match(s, object, error);
}

static ebb_status dense_search(search *s, const hdf5_header *header, const hdf5_message *m,
                               ebb_error *error)
{
    hdf5_cursor c = hdf5_message_cursor(header, m);

    hdf5_take(&c, 1);
    if ((hdf5_take_number(&c, 1) & 1) != 0) hdf5_take(&c, 2);
    const uint64_t heap = hdf5_take_address(s->file, &c), names = hdf5_take_address(s->file, &c);

    if (c.is_bad)
        return hdf5_damaged(s->file, s->address, error, "an attribute info message is cut short");
    if (heap == HDF5_UNDEFINED) return EBB_OK;
    const ebb_status status = hdf5_heap_open(s->file, heap, &s->heap, error);
    if (status != EBB_OK) return status;
    if (s->heap.id_bytes != 8) {
        return hdf5_damaged(s->file, s->address, error, "attributes with heap ids of %u bytes",
                            s->heap.id_bytes);
    }
    const hdf5_btree2 tree = {names, 8, 8, DENSE_RECORD_BYTES, dense_visit, s};

    return hdf5_btree2_walk(s->file, s->scratch, &tree, error);
}

static ebb_status attribute_search(search *s, const hdf5_header *header, ebb_error *error)
{
    ebb_status status = EBB_OK;

    s->address = header->address;
    s->name_length = strlen(s->name);
    s->hash = hdf5_lookup3(s->name, s->name_length);
    for (uint32_t i = 0; i < header->count && status == EBB_OK && !s->is_found; i++) {
        const hdf5_message *m = &header->messages[i];

        if (m->type != HDF5_MESSAGE_ATTRIBUTE) continue;
        if (m->is_shared) {
            return hdf5_unsupported(s->file, s->address, error,
                                    "attributes shared between objects");
        }
        status = attribute_match(s, hdf5_message_cursor(header, m), error);
    }
    const hdf5_message *info = hdf5_header_find(header, HDF5_MESSAGE_ATTRIBUTE_INFO);

    if (status == EBB_OK && !s->is_found && info != NULL)
        status = dense_search(s, header, info, error);
    return status;
}

/* -- values -------------------------------------------------------------------------------------
 */

/* A string of fixed length ends at its first zero, or where its padding begins. */
static hdf5_text text_fixed(const hdf5_type *type, const uint8_t *bytes)
{
    const uint8_t *zero = memchr(bytes, '\0', type->bytes);
    size_t length = zero != NULL ? (size_t)(zero - bytes) : type->bytes;

    while (type->is_space_padded && length > 0 && bytes[length - 1] == ' ') length--;
    return (hdf5_text){(const char *)bytes, length};
}

/* An element of variable length: length 4, address of the collection, index 4. */
static ebb_status text_variable(search *s, hdf5_globalheap *heap, const uint8_t *bytes,
                                hdf5_text *text, ebb_error *error)
{
    hdf5_cursor c = hdf5_cursor_make(bytes, s->type.bytes);
    const size_t length = (size_t)hdf5_take_number(&c, 4);
    const uint64_t address = hdf5_take_address(s->file, &c);
    const uint32_t index = (uint32_t)hdf5_take_number(&c, 4);

    *text = (hdf5_text){"", 0};
    if (length == 0 || address == 0 || address == HDF5_UNDEFINED) return EBB_OK;
    const ebb_status status =
        hdf5_globalheap_find(s->file, heap, address, index, length, &text->at, error);
    if (status != EBB_OK) return status;
    const char *zero = memchr(text->at, '\0', length);

    text->length = zero != NULL ? (size_t)(zero - text->at) : length;
    return EBB_OK;
}

static ebb_status texts_gather(search *s, const hdf5_text **result, ebb_error *error)
{
    const size_t count = (size_t)s->space.count;
    hdf5_globalheap heap = {.scratch = s->scratch};
    ebb_status status = EBB_OK;
    hdf5_text *texts = hdf5_scratch_alloc(s->file, s->scratch, count + 1, sizeof *texts, error);

    if (texts == NULL) return EBB_E_MEMORY;
    for (size_t i = 0; i < count && status == EBB_OK; i++) {
        const uint8_t *bytes = s->data.at + i * s->type.bytes;

        if (s->type.kind == HDF5_TYPE_STRING)
            texts[i] = text_fixed(&s->type, bytes);
        else
            status = text_variable(s, &heap, bytes, &texts[i], error);
    }
    *result = texts;
    return status;
}

static bool is_text(const hdf5_type *type)
{
    return type->kind == HDF5_TYPE_STRING || type->kind == HDF5_TYPE_VLEN_STRING;
}

static ebb_status strings_keep(search *s, hdf5_value *value, ebb_error *error)
{
    const hdf5_text *texts = NULL;
    void *memory = NULL;
    uint64_t bytes = s->space.count * sizeof(char *);
    ebb_status status = texts_gather(s, &texts, error);

    if (status != EBB_OK) return status;
    for (uint64_t i = 0; i < s->space.count; i++) bytes += texts[i].length + (uint64_t)1;
    status = hdf5_keep(s->file, bytes, "an attribute", &memory, error);
    if (status != EBB_OK) return status;
    const char **strings = memory;
    char *characters = (char *)(strings + s->space.count);

    for (uint64_t i = 0; i < s->space.count; i++) {
        strings[i] = characters;
        memcpy(characters, texts[i].at, texts[i].length);
        characters += texts[i].length + 1;
    }
    value->strings = strings;
    return EBB_OK;
}

static ebb_status numbers_keep(search *s, hdf5_value *value, ebb_error *error)
{
    const size_t count = (size_t)s->space.count;
    void *memory = NULL;
    uint8_t *raw = hdf5_scratch_alloc(s->file, s->scratch, count, s->type.bytes, error);

    if (raw == NULL) return EBB_E_MEMORY;
    const ebb_status status =
        hdf5_keep(s->file, s->space.count * sizeof(double), "an attribute", &memory, error);
    if (status != EBB_OK) return status;
    memcpy(raw, s->data.at, count * s->type.bytes);
    hdf5_type_finish(&s->type, raw, count);
    dtype_convert(EBB_F64, memory, s->type.dtype, raw, count);
    value->numbers = memory;
    return EBB_OK;
}

static ebb_status value_read(search *s, uint64_t address, hdf5_value *value, ebb_error *error)
{
    hdf5_header header = {0};
    ebb_status status = hdf5_header_read(s->file, s->scratch, address, &header, error);

    if (status == EBB_OK) status = attribute_search(s, &header, error);
    if (status != EBB_OK || !s->is_found || s->space.count == 0) return status;
    if (s->space.count > UINT32_MAX) {
        return hdf5_damaged(s->file, address, error, "attribute \"%.80s\" has over 2^32 elements",
                            s->name);
    }
    if (is_text(&s->type))
        status = strings_keep(s, value, error);
    else if (s->type.kind == HDF5_TYPE_NUMBER)
        status = numbers_keep(s, value, error);
    else {
        return hdf5_unsupported(s->file, address, error, "attribute \"%.80s\" is of %s", s->name,
                                s->type.text);
    }
    if (status == EBB_OK) value->count = (uint32_t)s->space.count;
    return status;
}

ebb_status hdf5_attribute(hdf5_file *file, uint64_t address, const char *name, hdf5_value *value,
                          ebb_error *error)
{
    search s = {.file = file,
                .scratch = hdf5_scratch_open(file, HDF5_SCRATCH_BYTES_MAX, error),
                .name = name};

    *value = (hdf5_value){0};
    if (s.scratch == NULL) return EBB_E_MEMORY;
    const ebb_status status = value_read(&s, address, value, error);
    region_close(s.scratch);
    return status;
}

ebb_status hdf5_attribute_texts(hdf5_file *file, region *scratch, const hdf5_header *header,
                                const char *name, const hdf5_text **texts, uint32_t *count,
                                ebb_error *error)
{
    search s = {.file = file, .scratch = scratch, .name = name};
    const ebb_status status = attribute_search(&s, header, error);

    *count = 0;
    if (status != EBB_OK || !s.is_found || !is_text(&s.type) || s.space.count > UINT32_MAX)
        return status;
    *count = (uint32_t)s.space.count;
    return texts_gather(&s, texts, error);
}
