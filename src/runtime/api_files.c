/* api_files.c -- the public functions of ebb/parts.h: argument checks, handle to object, nothing
 * else. */
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/file_parts.h"

ebb_status ebb_parts_write(ebb_runtime handle, const char *path, ebb_text_function write,
                           void *context, ebb_error *error)
{
    if (path == NULL || write == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_parts_write", "expected a path and a function");
    runtime *r = runtime_acquire(handle, "ebb_parts_write", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = file_parts_write(r, path, write, context, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_parts_open(ebb_runtime handle, const char *path, ebb_arrays *result,
                          ebb_error *error)
{
    return arrays_open(handle, path, "ebb_parts_open", file_parts_read, result, error);
}

ebb_status ebb_parts_save(ebb_runtime handle, const char *path, const ebb_parts *parts,
                          ebb_error *error)
{
    if (path == NULL || parts == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_parts_save", "expected a path and parts");
    runtime *r = runtime_acquire(handle, "ebb_parts_save", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = file_parts_save(r, path, parts, error);
    handle_release(handle.id);
    return status;
}
