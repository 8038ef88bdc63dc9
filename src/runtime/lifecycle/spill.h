/* spill.h -- rows that go to a .npy file as they come.
 *
 * The header has a fixed length, filled with blanks, so that the number of rows can be written when
 * it is known. */
#ifndef EBB_RUNTIME_LIFECYCLE_SPILL_H
#define EBB_RUNTIME_LIFECYCLE_SPILL_H

#include <stdatomic.h>

#include "ebb/manage.h"
#include "format/file_writer.h"
#include "runtime/lifecycle/managed.h"

typedef struct spill {
    managed base;
    file_writer file;
    int process;         /* who writes; a forked child leaves the file alone */
    atomic_bool is_busy; /* an append runs */
    ebb_view shape;      /* dims[0] is the number of rows; rank 0: not known yet */
    uint64_t row_bytes;
} spill;

ebb_status spill_open(runtime *r, const char *path, uint64_t *id, ebb_error *error);
ebb_status spill_append(spill *s, const ebb_view *rows, ebb_error *error);
ebb_status spill_finish(spill *s, uint64_t *rows, ebb_error *error);

#endif
