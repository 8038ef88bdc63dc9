/* sstable.h -- a sorted table of keys and values as LevelDB writes it: what variables.index is.
 *
 *     data block 0 | 1 | ... | metaindex block | index block | footer of 48 bytes
 *
 * Every block ends with its kind (plain or snappy) and a masked crc32c, which is checked.
 * Source: tensorflow/tsl lib/io (table_builder.cc, format.cc, block.cc). */
#ifndef EBB_FORMAT_SAVEDMODEL_SSTABLE_H
#define EBB_FORMAT_SAVEDMODEL_SSTABLE_H

#include "mem/region.h"

#define SSTABLE_KEY_BYTES_MAX   16384u
#define SSTABLE_BLOCK_BYTES_MAX ((uint64_t)64 << 20)

/* One entry; key and value are gone after the call. The key is followed by a zero. */
typedef ebb_status (*sstable_visitor)(void *context, const char *key, size_t key_length,
                                      const uint8_t *value, size_t value_length, ebb_error *error);

/* Visits every entry; keys come in ascending order, or it is E_FORMAT. */
ebb_status sstable_read(region *scratch, const uint8_t *bytes, size_t length, const char *where,
                        sstable_visitor visit, void *context, ebb_error *error);

/* A little-endian base-128 number of at most 64 bits; false: it is cut off or too long. */
bool varint_read(const uint8_t **at, const uint8_t *end, uint64_t *number);

#endif
