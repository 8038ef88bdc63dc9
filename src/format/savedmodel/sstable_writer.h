/* sstable_writer.h -- writes the sorted table that sstable.h reads: plain blocks, keys that share
 * beginnings, a masked crc32c behind each block. */
#ifndef EBB_FORMAT_SAVEDMODEL_SSTABLE_WRITER_H
#define EBB_FORMAT_SAVEDMODEL_SSTABLE_WRITER_H

#include "format/file_writer.h"

#define SSTABLE_RESTARTS_MAX 4096

/* Blocks are cut behind so many bytes. */
#define SSTABLE_BLOCK_BYTES 4096

typedef struct sstable_block {
    uint8_t *bytes;
    size_t length, capacity;
    uint32_t restarts[SSTABLE_RESTARTS_MAX];
    uint32_t restart_count, since_restart;
    const char *last; /* key */
} sstable_block;

typedef struct sstable_writer {
    region *home;
    file_writer *file;
    sstable_block *data, *index;
} sstable_writer;

ebb_status sstable_writer_open(region *home, file_writer *file, sstable_writer *w,
                               ebb_error *error);
/* Keys in ascending order of their bytes; they must last until the end. */
ebb_status sstable_writer_add(sstable_writer *w, const char *key, const void *value, size_t length,
                              ebb_error *error);
/* The last blocks and the footer. The file still has to be committed. */
ebb_status sstable_writer_end(sstable_writer *w, ebb_error *error);

/* Writes at most 10 bytes; returns how many. */
size_t varint_write(uint8_t *to, uint64_t number);

#endif
