/* nameless_file.h -- bytes on disk that only this process can reach: a file without a name, gone
 * with the last descriptor of it, whatever becomes of the process. */
#ifndef EBB_RUNTIME_LIFECYCLE_NAMELESS_FILE_H
#define EBB_RUNTIME_LIFECYCLE_NAMELESS_FILE_H

#include "mem/region.h"

typedef struct nameless_file {
    ledger *ledger; /* counts the descriptor; NULL: not open */
    int descriptor;
    uint64_t bytes;
} nameless_file;

/* In `folder`; NULL: $TMPDIR, or "/tmp". E_NOT_FOUND: no such folder; E_IO. */
ebb_status nameless_file_open(ledger *l, const char *folder, nameless_file *f, ebb_error *error);
/* At the end. E_IO: disk full. */
ebb_status nameless_file_put(nameless_file *f, const void *bytes, uint64_t length,
                             ebb_error *error);
ebb_status nameless_file_get(const nameless_file *f, uint64_t offset, void *bytes, uint64_t length,
                             ebb_error *error);
/* Does nothing for one that is not open. */
void nameless_file_close(nameless_file *f);

#endif
