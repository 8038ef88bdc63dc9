/* hdf5_write_internal.h -- the tree of a file to be, shared by hdf5_write*.c.
 *
 * Metadata of a group, in one piece:
 *
 *     object header | local heap | names | symbol nodes | B-tree, leaves first, the root last
 */
#ifndef EBB_FORMAT_HDF5_HDF5_WRITE_INTERNAL_H
#define EBB_FORMAT_HDF5_HDF5_WRITE_INTERNAL_H

#include <string.h>

#include "format/hdf5/hdf5_write.h"

#define NO_ADDRESS       UINT64_MAX
#define SUPERBLOCK_BYTES 96
#define LEAF_K           4  /* a symbol node holds at most 2k names */
#define NODE_K           16 /* a B-tree node at most 2k children */
#define DATA_ALIGNMENT   64
#define NAME_BYTES_MAX   8192
#define BUCKETS          1024

#define HDF5_DEFLATE_LEVEL 4

typedef struct hdf5_attribute_out {
    struct hdf5_attribute_out *next;
    const char *name;
    const char *text;         /* variable string; NULL: an array of fixed ones */
    const char *const *texts; /* `count` strings of at most `width` bytes */
    uint32_t count, width;
    uint32_t heap_index; /* of `text`, from 1 */
    uint64_t heap;       /* address of its collection */
} hdf5_attribute_out;

/* Pieces of a dataset along its first axis, each a stream of zlib's. */
#define CHUNKS_MAX 64 /* what one node of their tree holds */
typedef struct hdf5_chunks_out {
    uint32_t count;
    int64_t length; /* along the first axis; the last one is filled up with zeros */
    const void *data[CHUNKS_MAX];
    uint64_t bytes[CHUNKS_MAX];
    uint64_t total;
} hdf5_chunks_out;

struct hdf5_item {
    bool is_dataset;
    const char *name;
    hdf5_item *parent, *next;   /* in the order of making */
    hdf5_item *next_hashed;     /* of the same bucket */
    hdf5_item *sibling, *child; /* newest child first, until sorted by the layout */
    uint32_t child_count;
    hdf5_attribute_out *attributes, *last_attribute;
    ebb_dtype dtype;
    uint32_t rank;
    int64_t dims[EBB_RANK_MAX];
    uint64_t data_bytes;
    hdf5_chunks_out *chunks; /* NULL: contiguous */
    uint64_t address, data; /* of the object header, of the data */
    size_t header_bytes, metadata_bytes;
    hdf5_item **sorted; /* children by name */
};

/* Strings of variable length, at most COLLECTION_TEXTS of them. */
typedef struct hdf5_collection_out {
    struct hdf5_collection_out *next;
    hdf5_attribute_out **texts;
    uint32_t count;
    uint64_t bytes, address;
} hdf5_collection_out;

struct hdf5_writer {
    region *home;
    hdf5_item *root, *last;
    hdf5_item *buckets[BUCKETS];
    uint32_t text_count;
    hdf5_collection_out *collections;
    uint64_t bytes, position;
    size_t largest;             /* metadata of one item */
    const hdf5_item *next_data; /* the dataset whose turn it is */
    hdf5_sink sink;
    bool no_memory;
    ebb_status status; /* E_ARGUMENT, E_SHAPE: what was wrong first */
    const char *fault, *where;
};

/* Bytes into a buffer of the right size, little endian. */
typedef struct hdf5_pen {
    uint8_t *at;
} hdf5_pen;

static inline void pen_number(hdf5_pen *p, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) *p->at++ = (uint8_t)(number >> (8 * i));
}

static inline void pen_bytes(hdf5_pen *p, const void *bytes, size_t length)
{
    if (length > 0) memcpy(p->at, bytes, length);
    p->at += length;
}

/* The buffers are zeroed. */
static inline void pen_skip(hdf5_pen *p, size_t bytes)
{
    p->at += bytes;
}

static inline size_t padded(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

/* -- hdf5_write_header.c ------------------------------------------------------------------------
 */

/* Bytes of the object header; 0: an attribute is too large for one. */
size_t hdf5_header_bytes(const hdf5_item *item);
/* `tree` and `heap` of groups; `tree` of datasets in chunks. */
void hdf5_header_put(hdf5_pen *p, const hdf5_item *item, uint64_t tree, uint64_t heap);

/* -- hdf5_write_chunk.c -------------------------------------------------------------------------
 */

/* Of the one node of their tree. */
size_t hdf5_chunk_tree_bytes(const hdf5_item *item);
/* Once the data has its address. */
void hdf5_chunk_tree_put(hdf5_pen *p, const hdf5_item *item);
/* What the file holds of the data. */
static inline uint64_t stored_bytes(const hdf5_item *item)
{
    return item->chunks != NULL ? item->chunks->total : item->data_bytes;
}

#endif
