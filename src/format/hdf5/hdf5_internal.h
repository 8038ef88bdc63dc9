/* hdf5_internal.h -- what the files of the HDF5 reader share.
 *
 *     hdf5_dataset  hdf5_attribute  hdf5_group        what callers ask for
 *          |             |              |
 *     hdf5_layout    hdf5_datatype      |             messages
 *     hdf5_chunk     hdf5_globalheap    |
 *     hdf5_filter        |              |
 *          +------- hdf5_header --------+             the messages of one object
 *                 hdf5_btree, hdf5_heap               indexes
 *                     hdf5_file                       superblock, bounded reading, the work budget
 *
 * Rules: every byte of metadata comes through hdf5_read(), which checks the place and charges the
 * work budget of the file; every field comes through a cursor, which cannot leave its bytes; counts
 * that come from a file are compared with what is really there before memory is taken for them.
 * A call gathers in a scratch region and then takes its result from the file's region in one
 * allocation (hdf5_keep), so a call that fails for want of memory leaves nothing behind.
 */
#ifndef EBB_FORMAT_HDF5_INTERNAL_H
#define EBB_FORMAT_HDF5_INTERNAL_H

#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "format/hdf5/hdf5.h"

#define HDF5_UNDEFINED           UINT64_MAX /* the undefined address, whatever its width */
#define HDF5_DEPTH_MAX           64u        /* of groups in groups and of every tree */
#define HDF5_OBJECTS_MAX         1000000u
#define HDF5_DIRECTORY_BYTES_MAX ((uint64_t)64 << 20)
#define HDF5_BLOCK_BYTES_MAX     ((uint64_t)64 << 20) /* of one piece of metadata */
#define HDF5_SCRATCH_BYTES_MAX   ((uint64_t)256 << 20) /* of metadata in one call */
#define HDF5_DATASET_BYTES_MAX   ((uint64_t)4 << 30)
#define HDF5_RATIO_MAX           1000u
#define HDF5_RATIO_FLOOR_BYTES   ((uint64_t)64 << 20)
#define HDF5_FILTERS_MAX         8u

/* Message types of object headers. */
enum {
    HDF5_MESSAGE_NIL = 0x00,
    HDF5_MESSAGE_DATASPACE = 0x01,
    HDF5_MESSAGE_LINK_INFO = 0x02,
    HDF5_MESSAGE_DATATYPE = 0x03,
    HDF5_MESSAGE_FILL_OLD = 0x04,
    HDF5_MESSAGE_FILL = 0x05,
    HDF5_MESSAGE_LINK = 0x06,
    HDF5_MESSAGE_EXTERNAL = 0x07,
    HDF5_MESSAGE_LAYOUT = 0x08,
    HDF5_MESSAGE_GROUP_INFO = 0x0a,
    HDF5_MESSAGE_FILTERS = 0x0b,
    HDF5_MESSAGE_ATTRIBUTE = 0x0c,
    HDF5_MESSAGE_CONTINUATION = 0x10,
    HDF5_MESSAGE_SYMBOL_TABLE = 0x11,
    HDF5_MESSAGE_ATTRIBUTE_INFO = 0x15
};

/* A node of the hash trie of known groups; made when a listing meets the group. */
struct hdf5_group {
    uint64_t address;
    hdf5_group *children[4];
    const hdf5_object *objects; /* NULL until listed */
    uint32_t count;
    uint32_t depth; /* longest known way from where listing began */
    bool is_listed;
};

struct hdf5_file {
    region *home;
    source *s;
    uint64_t base;  /* offset in the source of address 0 */
    uint64_t bytes; /* addresses are below this */
    uint64_t root;  /* object header of the root group */
    uint64_t work_left, directory_left;
    uint32_t objects_left;
    uint8_t address_bytes, length_bytes; /* 2, 4 or 8 */
    hdf5_group *groups;                  /* the trie's root; NULL until a group is listed */
};

/* -- cursor: fields out of bytes that are there -------------------------------------------------
 */

typedef struct hdf5_cursor {
    const uint8_t *at, *end;
    bool is_bad; /* something did not fit; every later field is 0 */
} hdf5_cursor;

static inline hdf5_cursor hdf5_cursor_make(const void *bytes, size_t length)
{
    return (hdf5_cursor){bytes, (const uint8_t *)bytes + length, false};
}

static inline size_t hdf5_left(const hdf5_cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* The next `length` bytes; NULL if they are not there. */
static inline const uint8_t *hdf5_take(hdf5_cursor *c, size_t length)
{
    const uint8_t *at = c->at;

    if (c->is_bad || hdf5_left(c) < length) {
        c->is_bad = true;
        return NULL;
    }
    c->at += length;
    return at;
}

/* A little-endian number of 0 to 8 bytes. */
static inline uint64_t hdf5_take_number(hdf5_cursor *c, size_t length)
{
    const uint8_t *bytes = hdf5_take(c, length);
    uint64_t value = 0;

    for (size_t i = 0; bytes != NULL && i < length; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static inline uint64_t hdf5_take_length(const hdf5_file *file, hdf5_cursor *c)
{
    return hdf5_take_number(c, file->length_bytes);
}

static inline uint64_t hdf5_take_address(const hdf5_file *file, hdf5_cursor *c)
{
    const uint64_t value = hdf5_take_number(c, file->address_bytes);

    return value == UINT64_MAX >> (64 - 8 * file->address_bytes) ? HDF5_UNDEFINED : value;
}

/* floor(log2(value)); 0 for 0. */
static inline uint32_t hdf5_log2(uint64_t value)
{
    return value == 0 ? 0 : 63u - (uint32_t)__builtin_clzll(value);
}

/* Bytes that HDF5 uses for numbers up to `limit`. */
static inline uint32_t hdf5_bytes_for(uint64_t limit)
{
    return hdf5_log2(limit) / 8 + 1;
}

/* -- hdf5_file.c --------------------------------------------------------------------------------
 */

/* E_FORMAT and E_UNSUPPORTED at an address. */
ebb_status hdf5_damaged(const hdf5_file *file, uint64_t address, ebb_error *error,
                        const char *format, ...) EBB_PRINTF(4, 5);
ebb_status hdf5_unsupported(const hdf5_file *file, uint64_t address, ebb_error *error,
                            const char *format, ...) EBB_PRINTF(4, 5);

/* Takes `amount` off the work budget; E_FORMAT when it is used up: honest files never come near. */
ebb_status hdf5_charge(hdf5_file *file, uint64_t address, uint64_t amount, ebb_error *error);

/* Metadata at an address: checked and charged. */
ebb_status hdf5_read(hdf5_file *file, uint64_t address, void *bytes, size_t length,
                     ebb_error *error);
/* The same into memory of `scratch`. */
ebb_status hdf5_read_new(hdf5_file *file, region *scratch, uint64_t address, uint64_t length,
                         uint8_t **bytes, ebb_error *error);

/* Bob Jenkins' lookup3: checksums of metadata, hashes of names. */
uint32_t hdf5_lookup3(const void *bytes, size_t length);
/* True if the last 4 of `length` bytes are the lookup3 checksum of those before. */
bool hdf5_sum_matches(const uint8_t *bytes, size_t length);

/* A scratch region for the length of one call; NULL with *error filled. bytes_max 0: no limit. */
region *hdf5_scratch_open(const hdf5_file *file, uint64_t bytes_max, ebb_error *error);
/* Memory of a scratch region; NULL with *error filled. */
void *hdf5_scratch_alloc(const hdf5_file *file, region *scratch, size_t count, size_t item_bytes,
                         ebb_error *error);
/* Room for one more item at the end of a growing array in scratch: doubles it when full. */
ebb_status hdf5_scratch_grow(const hdf5_file *file, region *scratch, void **items,
                             uint32_t *capacity, uint32_t count, size_t item_bytes,
                             ebb_error *error);
/* Memory of the file's region, counted against the directory limit. */
ebb_status hdf5_keep(hdf5_file *file, uint64_t bytes, const char *what, void **memory,
                     ebb_error *error);

/* -- hdf5_header.c ------------------------------------------------------------------------------
 */

typedef struct hdf5_message {
    uint16_t type;
    bool is_shared; /* the bytes only say where the message is */
    uint32_t length;
    size_t offset; /* in the header's bytes */
} hdf5_message;

/* All messages of one object. May be read into again; its memory is then used again. */
typedef struct hdf5_header {
    region *scratch;
    uint64_t address;
    uint8_t *bytes;
    size_t length, bytes_capacity;
    hdf5_message *messages;
    uint32_t count, capacity;
} hdf5_header;

ebb_status hdf5_header_read(hdf5_file *file, region *scratch, uint64_t address, hdf5_header *header,
                            ebb_error *error);
/* First message of a type; NULL if there is none. */
const hdf5_message *hdf5_header_find(const hdf5_header *header, uint16_t type);
hdf5_cursor hdf5_message_cursor(const hdf5_header *header, const hdf5_message *message);

/* -- hdf5_btree.c -------------------------------------------------------------------------------
 */

/* Version 1: a leaf's child with the key before it. */
typedef ebb_status (*hdf5_btree1_visit)(void *context, const uint8_t *key, uint64_t child,
                                        ebb_error *error);
typedef struct hdf5_btree1 {
    uint64_t address;
    uint8_t node_type; /* 0 groups, 1 chunks */
    size_t key_bytes;
    hdf5_btree1_visit visit;
    void *context;
} hdf5_btree1;

ebb_status hdf5_btree1_walk(hdf5_file *file, region *scratch, const hdf5_btree1 *tree,
                            ebb_error *error);

/* Version 2: every record, in no particular order. */
typedef ebb_status (*hdf5_btree2_visit)(void *context, const uint8_t *record, size_t length,
                                        ebb_error *error);
typedef struct hdf5_btree2 {
    uint64_t address;
    uint8_t type_first, type_last; /* the record types expected */
    size_t record_bytes_min;
    hdf5_btree2_visit visit;
    void *context;
} hdf5_btree2;

ebb_status hdf5_btree2_walk(hdf5_file *file, region *scratch, const hdf5_btree2 *tree,
                            ebb_error *error);

/* -- hdf5_heap.c: fractal heaps -----------------------------------------------------------------
 */

typedef struct hdf5_heap {
    uint64_t address, root, huge_tree;
    uint64_t start_block_bytes, direct_block_bytes_max;
    uint32_t id_bytes, offset_bytes, length_bytes;
    uint32_t object_bytes_max, width, rows, heap_bits;
} hdf5_heap;

ebb_status hdf5_heap_open(hdf5_file *file, uint64_t address, hdf5_heap *heap, ebb_error *error);
/* The object with an id of heap->id_bytes, in scratch. */
ebb_status hdf5_heap_object(hdf5_file *file, region *scratch, const hdf5_heap *heap,
                            const uint8_t *id, hdf5_cursor *object, ebb_error *error);

/* -- hdf5_datatype.c ----------------------------------------------------------------------------
 */

typedef enum hdf5_type_kind {
    HDF5_TYPE_NUMBER,
    HDF5_TYPE_STRING,      /* fixed length */
    HDF5_TYPE_VLEN_STRING, /* in the global heap */
    HDF5_TYPE_OPAQUE,
    HDF5_TYPE_OTHER /* `text` says what */
} hdf5_type_kind;

typedef struct hdf5_type {
    hdf5_type_kind kind;
    ebb_dtype dtype; /* of numbers */
    bool is_big_endian, is_space_padded;
    uint32_t bytes;   /* of one element */
    const char *text; /* for errors: "a compound type" */
} hdf5_type;

typedef struct hdf5_space {
    uint32_t rank;
    bool is_null;
    uint64_t dims[EBB_RANK_MAX], dims_max[EBB_RANK_MAX]; /* dims_max UINT64_MAX: unlimited */
    uint64_t count;
} hdf5_space;

ebb_status hdf5_type_parse(const hdf5_file *file, uint64_t address, hdf5_cursor *c, hdf5_type *type,
                           ebb_error *error);
ebb_status hdf5_space_parse(const hdf5_file *file, uint64_t address, hdf5_cursor *c,
                            hdf5_space *space, ebb_error *error);
/* Swaps `count` numbers in place if the file's order is not this machine's, and makes bools 0 or
 * 1. */
void hdf5_type_finish(const hdf5_type *type, void *bytes, uint64_t count);

/* -- hdf5_globalheap.c --------------------------------------------------------------------------
 */

typedef struct hdf5_collection hdf5_collection;

/* The collections of the global heap that one call has met. */
typedef struct hdf5_globalheap {
    region *scratch;
    hdf5_collection *first; /* the one used last */
} hdf5_globalheap;

/* Object `index` of the collection at `address`: *text, at least `length` bytes. */
ebb_status hdf5_globalheap_find(hdf5_file *file, hdf5_globalheap *heap, uint64_t address,
                                uint32_t index, size_t length, const char **text, ebb_error *error);

/* -- hdf5_attribute.c ---------------------------------------------------------------------------
 */

typedef struct hdf5_text {
    const char *at; /* not terminated */
    size_t length;
} hdf5_text;

/* The strings of an attribute, in scratch; *count is 0 if there is none or it holds no strings. */
ebb_status hdf5_attribute_texts(hdf5_file *file, region *scratch, const hdf5_header *header,
                                const char *name, const hdf5_text **texts, uint32_t *count,
                                ebb_error *error);

/* -- hdf5_layout.c, hdf5_chunk.c, hdf5_filter.c: where the elements are
 * --------------------------- */

typedef enum hdf5_layout_kind {
    HDF5_LAYOUT_COMPACT,
    HDF5_LAYOUT_CONTIGUOUS,
    HDF5_LAYOUT_CHUNKED
} hdf5_layout_kind;

typedef enum hdf5_index_kind {
    HDF5_INDEX_BTREE1,
    HDF5_INDEX_SINGLE,
    HDF5_INDEX_IMPLICIT,
    HDF5_INDEX_FIXED_ARRAY,
    HDF5_INDEX_EXTENSIBLE_ARRAY,
    HDF5_INDEX_BTREE2
} hdf5_index_kind;

enum { HDF5_FILTER_DEFLATE = 1, HDF5_FILTER_SHUFFLE = 2, HDF5_FILTER_FLETCHER32 = 3 };

typedef struct hdf5_filters {
    uint32_t count;
    uint8_t ids[HDF5_FILTERS_MAX];
    uint32_t values[HDF5_FILTERS_MAX]; /* first client value: of shuffle, the bytes of an element */
} hdf5_filters;

/* One stored chunk. `index` counts chunks of the grid in row-major order. */
typedef struct hdf5_chunk {
    uint64_t index, address;
    uint32_t length, mask; /* mask bit i: filter i was not applied */
} hdf5_chunk;

typedef struct hdf5_layout {
    hdf5_layout_kind kind;
    uint64_t address, length; /* contiguous: of the data; chunked: of the index */
    const uint8_t *compact;
    uint64_t chunk[EBB_RANK_MAX]; /* elements of a chunk along each axis */
    uint64_t grid[EBB_RANK_MAX];  /* chunks along each axis */
    uint64_t chunk_bytes;
    uint64_t missing; /* chunks of the grid that are not stored */
    hdf5_index_kind index;
    bool is_edge_unfiltered;
    uint64_t single_length; /* filtered single chunk: its bytes in the file */
    uint32_t single_mask;
    hdf5_filters filters;
    hdf5_chunk *chunks; /* by index */
    uint32_t chunk_count;
} hdf5_layout;

/* What `internal` of a dataset points to. */
typedef struct hdf5_storage {
    uint64_t address; /* of the object header, for errors */
    hdf5_type type;
    uint8_t fill[8]; /* in the file's byte order */
    hdf5_layout layout;
} hdf5_storage;

ebb_status hdf5_layout_parse(hdf5_file *file, const hdf5_header *header, const hdf5_space *space,
                             uint32_t element_bytes, hdf5_layout *layout, ebb_error *error);
/* Fill value of elements that are not stored; zeros without one. */
ebb_status hdf5_fill_parse(const hdf5_file *file, const hdf5_header *header, const hdf5_type *type,
                           uint8_t fill[8], ebb_error *error);

/* Reads the chunk index: layout->chunks in scratch, sorted and checked. */
ebb_status hdf5_chunks_read(hdf5_file *file, region *scratch, const hdf5_space *space,
                            hdf5_layout *layout, ebb_error *error);

/* hdf5_array.c: the chunk indexes of layout 4 that are arrays. Each element goes to `visit` with
 * its place in the array; undefined ones are left out. */
typedef struct hdf5_array {
    uint64_t address;
    bool is_filtered;
    ebb_status (*visit)(void *context, uint64_t place, const hdf5_chunk *chunk, ebb_error *error);
    void *context;
    uint32_t chunk_bytes; /* stored length of elements without one */
} hdf5_array;

ebb_status hdf5_fixed_array_walk(hdf5_file *file, region *scratch, const hdf5_array *array,
                                 ebb_error *error);
ebb_status hdf5_extensible_array_walk(hdf5_file *file, region *scratch, const hdf5_array *array,
                                      ebb_error *error);

ebb_status hdf5_filters_parse(const hdf5_file *file, const hdf5_header *header,
                              hdf5_filters *filters, ebb_error *error);

/* Undoes the filters of chunks, one after the other, in buffers of a scratch region. */
typedef struct hdf5_decoder hdf5_decoder;
ebb_status hdf5_decoder_open(hdf5_file *file, region *scratch, const hdf5_storage *storage,
                             hdf5_decoder **decoder, ebb_error *error);
/* The chunk's elements, as the file holds them; good until the next call. */
ebb_status hdf5_decode(hdf5_decoder *decoder, const hdf5_dataset *dataset, const hdf5_chunk *chunk,
                       const uint8_t **elements, ebb_error *error);

#endif
