/* file_writer.h -- a file that appears whole or not at all: temporary name, write, fsync, rename.
 */
#ifndef EBB_FORMAT_FILE_WRITER_H
#define EBB_FORMAT_FILE_WRITER_H

#include "mem/region.h"

typedef struct file_writer {
    ledger *ledger;
    int descriptor; /* -1 = closed */
    char *path, *temporary;
    uint64_t bytes;
} file_writer;

/* Names live in `home`. E_IO with the system's reason; E_ARGUMENT where something else than a
 * regular file is. */
ebb_status file_writer_open(region *home, const char *path, file_writer *w, ebb_error *error);
ebb_status file_writer_put(file_writer *w, const void *bytes, uint64_t length, ebb_error *error);
/* Writes over bytes that were put before. */
ebb_status file_writer_patch(file_writer *w, uint64_t offset, const void *bytes, size_t length,
                             ebb_error *error);
/* fsync and rename; the file is complete afterwards. On failure the temporary file is gone. */
ebb_status file_writer_commit(file_writer *w, ebb_error *error);
/* The same, unless something has the name meanwhile: E_STATE, and that something stays as it is. */
ebb_status file_writer_commit_new(file_writer *w, ebb_error *error);
/* Removes what was begun. A no-op after commit. */
void file_writer_discard(file_writer *w);

#endif
