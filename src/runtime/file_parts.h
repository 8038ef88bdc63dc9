/* file_parts.h -- model files as texts and arrays, see ebb/parts.h. */
#ifndef EBB_RUNTIME_FILE_PARTS_H
#define EBB_RUNTIME_FILE_PARTS_H

#include "ebb/parts.h"
#include "runtime/arrays.h"

ebb_status file_parts_write(runtime *r, const char *path, ebb_text_function write, void *context,
                            ebb_error *error);
ebb_status file_parts_save(runtime *r, const char *path, const ebb_parts *parts, ebb_error *error);

/* Its arrays, those of the optimizer last; names are their paths. Everything lives in a->home. */
ebb_status file_parts_read(arrays *a, const char *path, ebb_error *error);

#endif
