/* api_array.c -- the public functions of ebb/arrays.h about arrays in memory: argument checks,
 * handle to object, nothing else. */
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/array_room.h"
#include "tensor/view.h"

static const char where_open[] = "ebb_array_open";

static ebb_status shape_check(ebb_dtype dtype, uint32_t rank, const int64_t *dims, ebb_error *error)
{
    if (ebb_dtype_bytes(dtype) == 0) {
        return fail(error, EBB_E_ARGUMENT, where_open, "%d is no data type of EBB_DTYPE_MAP",
                    (int)dtype);
    }
    if (rank > EBB_RANK_MAX || (rank > 0 && dims == NULL)) {
        return fail(error, EBB_E_ARGUMENT, where_open, "expected at most %d axes and their lengths",
                    EBB_RANK_MAX);
    }
    for (uint32_t i = 0; i < rank; i++) {
        if (dims[i] >= 0) continue;
        return fail(error, EBB_E_ARGUMENT, where_open, "axis %u has the negative length %lld", i,
                    (long long)dims[i]);
    }
    return EBB_OK;
}

ebb_status ebb_array_open(ebb_runtime handle, ebb_dtype dtype, uint32_t rank, const int64_t *dims,
                          const char *device, ebb_array *result, ebb_view *view, ebb_error *error)
{
    array *a = NULL;

    if (view != NULL) *view = (ebb_view){.dtype = EBB_DTYPE_NONE};
    if (result == NULL)
        return fail(error, EBB_E_ARGUMENT, where_open, "expected a place for the handle");
    result->id = 0;
    ebb_status status = shape_check(dtype, rank, dims, error);
    if (status != EBB_OK) return status;
    runtime *r = runtime_acquire(handle, where_open, error);
    if (r == NULL) return EBB_E_STALE;
    status = array_make(r, dtype, rank, dims, device, &a, error);
    if (status == EBB_OK) {
        result->id = a->id;
        if (view != NULL) *view = a->view;
    }
    handle_release(handle.id);
    return status;
}

ebb_status ebb_array_read(ebb_array handle, ebb_view *view, const char **device)
{
    const array *a = handle_acquire(HANDLE_ARRAY, handle.id);

    if (a == NULL) return EBB_E_STALE;
    if (view != NULL) *view = a->view;
    if (device != NULL) *device = a->device->name;
    handle_release(handle.id);
    return EBB_OK;
}

ebb_status ebb_array_close(ebb_array handle)
{
    const array *a = handle_acquire(HANDLE_ARRAY, handle.id);

    if (a == NULL) return EBB_E_STALE;
    const ebb_runtime owner = {array_owner(a)};
    handle_release(handle.id);
    runtime *r = runtime_acquire(owner, "ebb_array_close", NULL);
    if (r == NULL) return EBB_E_STALE; /* its runtime is closing and takes the array along */
    void *object = NULL;
    const bool won = handle_close_begin(HANDLE_ARRAY, handle.id, 0, &object);
    if (won) {
        array_give_back(r, object);
        handle_close_end(handle.id);
    }
    handle_release(owner.id);
    return won ? EBB_OK : EBB_E_STALE;
}
