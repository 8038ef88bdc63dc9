/* api_arrays.c -- the public functions of ebb/arrays.h: argument checks, handle to object, nothing
 * else. */
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/arrays.h"

ebb_status arrays_open(ebb_runtime handle, const char *path, const char *where,
                       arrays_function fill, ebb_arrays *result, ebb_error *error)
{
    arrays *a = NULL;

    if (result == NULL || path == NULL) {
        return fail(error, EBB_E_ARGUMENT, where, "expected a path and a place for the handle");
    }
    result->id = 0;
    runtime *r = runtime_acquire(handle, where, error);
    if (r == NULL) return EBB_E_STALE;
    ebb_status status = arrays_read(r, path, fill, &a, error);
    if (status == EBB_OK) {
        a->id = result->id = handle_issue(HANDLE_ARRAYS, a);
        if (a->id == 0) {
            arrays_close(r, a);
            status = fail(error, EBB_E_MEMORY, path, "no handle left for arrays");
        }
    }
    handle_release(handle.id);
    return status;
}

ebb_status ebb_arrays_open(ebb_runtime handle, const char *path, ebb_arrays *result,
                           ebb_error *error)
{
    return arrays_open(handle, path, "ebb_arrays_open", arrays_fill, result, error);
}

ebb_status ebb_arrays_close(ebb_arrays handle)
{
    arrays *a = handle_acquire(HANDLE_ARRAYS, handle.id);
    if (a == NULL) return EBB_E_STALE;
    const ebb_runtime owner = {a->owner};
    handle_release(handle.id);
    runtime *r = runtime_acquire(owner, "ebb_arrays_close", NULL);
    if (r == NULL) return EBB_E_STALE; /* its runtime is closing and takes the arrays along */
    void *object = NULL;
    const bool won = handle_close_begin(HANDLE_ARRAYS, handle.id, 0, &object);
    if (won) {
        arrays_close(r, object);
        handle_close_end(handle.id);
    }
    handle_release(owner.id);
    return won ? EBB_OK : EBB_E_STALE;
}

uint32_t ebb_arrays_count(ebb_arrays handle)
{
    const arrays *a = handle_acquire(HANDLE_ARRAYS, handle.id);

    if (a == NULL) return 0;
    const uint32_t count = a->count;
    handle_release(handle.id);
    return count;
}

ebb_status ebb_arrays_read(ebb_arrays handle, uint32_t index, const char **name, ebb_view *view)
{
    const arrays *a = handle_acquire(HANDLE_ARRAYS, handle.id);

    if (a == NULL) return EBB_E_STALE;
    const bool ok = index < a->count;
    if (ok && name != NULL) *name = a->entries[index].name;
    if (ok && view != NULL) *view = a->entries[index].view;
    handle_release(handle.id);
    return ok ? EBB_OK : EBB_E_ARGUMENT;
}

ebb_status ebb_arrays_save(ebb_runtime handle, const char *path, const char *const *names,
                           const ebb_views *views, ebb_error *error)
{
    if (path == NULL || names == NULL || views == NULL ||
        (views->count > 0 && views->items == NULL)) {
        return fail(error, EBB_E_ARGUMENT, "ebb_arrays_save", "expected a path, names and views");
    }
    runtime *r = runtime_acquire(handle, "ebb_arrays_save", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = arrays_save(r, path, names, views, error);
    handle_release(handle.id);
    return status;
}
