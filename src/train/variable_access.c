/* variable_access.c -- see variable_access.h. */
#include "train/variable_access.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

static ebb_dtype dtype_told(const train_variable *v)
{
    static const char end[] = "iteration";
    const size_t length = strlen(v->name), own = sizeof end - 1;
    const bool is_counter = length >= own && strcmp(v->name + length - own, end) == 0;

    return is_counter && v->dtype == EBB_I32 ? EBB_I64 : v->dtype;
}

void variable_describe(const train_variable *v, uint64_t stored_bytes, ebb_tensor_info *info)
{
    *info = (ebb_tensor_info){.dtype = dtype_told(v), .rank = v->rank};
    snprintf(info->name, sizeof info->name, "%s", v->name);
    memcpy(info->dims, v->dims, v->rank * sizeof v->dims[0]);
    info->stored = v->dtype;
    info->stored_bytes = stored_bytes;
}

static ebb_status view_check(const train_variable *v, const ebb_view *view, ebb_error *error)
{
    char expected[160], got[160];

    if (view == NULL || view->data == NULL)
        return fail(error, EBB_E_ARGUMENT, v->name, "the view has no memory");
    if (view->dtype != EBB_DTYPE_NONE && ebb_dtype_bytes(view->dtype) == 0) {
        return fail(error, EBB_E_DTYPE, v->name, "%d is no data type of EBB_DTYPE_MAP",
                    (int)view->dtype);
    }
    if (view->rank == v->rank && memcmp(view->dims, v->dims, v->rank * sizeof v->dims[0]) == 0)
        return EBB_OK;
    return fail(error, EBB_E_SHAPE, v->name, "the variable has shape %s, the view %s",
                dims_text(v->rank, v->dims, expected, sizeof expected),
                dims_text(view->rank < EBB_RANK_MAX ? view->rank : EBB_RANK_MAX, view->dims, got,
                          sizeof got));
}

ebb_status variable_transfer(const train_variable *v, void *memory, const ebb_view *view,
                             bool is_set, ebb_error *error)
{
    const ebb_status status = view_check(v, view, error);
    uint64_t count = 0;

    if (status != EBB_OK) return status;
    const ebb_dtype dtype = view->dtype == EBB_DTYPE_NONE ? dtype_told(v) : view->dtype;
    (void)dims_count(v->rank, v->dims, &count);
    if (is_set)
        dtype_convert(v->dtype, memory, dtype, view->data, (size_t)count);
    else
        dtype_convert(dtype, view->data, v->dtype, memory, (size_t)count);
    return EBB_OK;
}
