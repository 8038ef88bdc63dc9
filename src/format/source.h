/* source.h -- bounded reading: a file, or a range of one, as `read_at(offset, bytes)`.
 *
 * Nothing is mapped and nothing is trusted: every read is checked against the size seen at open,
 * and a file that shrinks or changes (size, mtime, inode) while it is read is an error, not a
 * short read. A source made by source_range() (a stored zip member) reads through its parent and
 * must not outlive it. Threads: one source is used by one thread at a time. The descriptor is
 * counted in the ledger.
 */
#ifndef EBB_FORMAT_SOURCE_H
#define EBB_FORMAT_SOURCE_H

#include "ebb/status.h"
#include "mem/region.h"

typedef struct source source;

/* Opens a regular file (O_CLOEXEC; never a FIFO, device or directory). Lives in `home`; `name` for
 * errors. */
ebb_status source_open(region *home, const char *path, source **result, ebb_error *error);
/* Bytes in memory, borrowed: tests, fuzzers, inflated zip members. */
ebb_status source_memory(region *home, const void *bytes, uint64_t length, const char *name,
                         source **result, ebb_error *error);
/* `length` bytes of `parent` from `offset`; E_FORMAT if they lie outside. */
ebb_status source_range(region *home, source *parent, uint64_t offset, uint64_t length,
                        const char *name, source **result, ebb_error *error);
/* Closes the descriptor; the struct goes with its region. NULL is a no-op. */
void source_close(source *s);

uint64_t    source_bytes(const source *s);
const char *source_name(const source *s);

/* Reads exactly `length` bytes; E_FORMAT with offset when they lie outside, E_IO otherwise. */
ebb_status source_read(source *s, uint64_t offset, void *bytes, size_t length, ebb_error *error);

/* True while the file still is what was opened (size, mtime, inode). Call when reading is done. */
ebb_status source_unchanged(source *s, ebb_error *error);

/* What source_unchanged() looks at, to know a file again that was closed meanwhile. */
typedef struct source_identity {
    uint64_t bytes, device, inode;
    int64_t modified_s, modified_ns;
} source_identity;

source_identity source_identify(const source *s);
bool source_is_same(const source_identity *a, const source_identity *b);

#endif
