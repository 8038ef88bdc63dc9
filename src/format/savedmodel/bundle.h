/* bundle.h -- TensorFlow's checkpoint beside a SavedModel: an index of named tensors
 * (variables.index, sstable.h) and the files that hold them (variables.data-00000-of-00002).
 *
 * Offsets and lengths are checked against the files when the bundle is opened. A tensor's checksum
 * is checked as it is read: on the way where it is read from beginning to end, by reading it all
 * first where it is not. Source: tensorflow/core/util/tensor_bundle/tensor_bundle.cc. */
#ifndef EBB_FORMAT_SAVEDMODEL_BUNDLE_H
#define EBB_FORMAT_SAVEDMODEL_BUNDLE_H

#include "format/description.h"
#include "format/savedmodel/graph_def.h"

#define BUNDLE_SHARDS_MAX  256
#define BUNDLE_INDEX_BYTES ((uint64_t)256 << 20)
#define BUNDLE_ENTRIES_MAX 1000000

typedef struct bundle_entry {
    const char *key;
    tf_type type;
    uint32_t rank; /* EBB_RANK_MAX + 1: more than that */
    int64_t dims[EBB_RANK_MAX];
    uint32_t shard;
    uint64_t offset, bytes;
    uint32_t crc; /* unmasked */
    bool is_sliced;
} bundle_entry;

typedef struct bundle {
    const char *path;            /* "model/variables/variables" */
    const bundle_entry *entries; /* by key */
    uint32_t count;
    source **shards; /* open, in the home of the bundle */
    uint32_t shard_count;
    uint64_t file_bytes; /* of all files */
} bundle;

/* `path` without ".index". Entries live in `scratch`, shards in `home`. E_NOT_FOUND: there is no
 * index. After a failure nothing is open. */
ebb_status bundle_open(region *home, region *scratch, const char *path, bundle *result,
                       ebb_error *error);
void bundle_close(bundle *b);

/* NULL: not there. */
const bundle_entry *bundle_find(const bundle *b, const char *key);

/* A tensor of numbers for the description. `path` and `name` are kept. */
ebb_status bundle_tensor(region *home, const bundle *b, const bundle_entry *e, const char *path,
                         const char *name, tensor_entry *result, ebb_error *error);
/* The one text of a scalar of strings, checked, in `scratch`. */
ebb_status bundle_text(region *scratch, const bundle *b, const bundle_entry *e,
                       const uint8_t **bytes, size_t *length, ebb_error *error);

/* A whole file in `home`; `bytes_max` bounds it. */
ebb_status whole_file_read(region *home, const char *path, uint64_t bytes_max,
                           const uint8_t **bytes, size_t *length, ebb_error *error);

#endif
