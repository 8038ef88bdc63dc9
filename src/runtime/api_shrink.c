/* api_shrink.c -- the public functions of ebb/shrink.h: argument checks, handle to object, nothing
 * else. */
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/shrink.h"

ebb_status ebb_model_quantize(ebb_model handle, const ebb_quantize_options *options,
                              ebb_shrink_report *report, ebb_error *error)
{
    return model_quantize(handle, options, report, error);
}

ebb_status ebb_model_prune(ebb_model handle, const ebb_prune_options *options,
                           ebb_shrink_report *report, ebb_error *error)
{
    return model_prune(handle, options, report, error);
}

ebb_status ebb_model_expand(ebb_model handle, ebb_shrink_report *report, ebb_error *error)
{
    return model_expand(handle, report, error);
}

ebb_status ebb_model_compare(ebb_model a_handle, ebb_model b_handle, const ebb_views *inputs,
                             const ebb_compare_options *options, ebb_difference *differences,
                             size_t count, bool *agree, ebb_error *error)
{
    static const char where[] = "ebb_model_compare";

    if (differences == NULL)
        return fail(error, EBB_E_ARGUMENT, where, "expected room for the differences");
    model *a = model_acquire(a_handle, where, error);
    model *b = a == NULL ? NULL : model_acquire(b_handle, where, error);
    ebb_status status = EBB_E_STALE;
    if (b != NULL) {
        status = model_compare(a, b, inputs, options, differences, count, agree, error);
        handle_release(b_handle.id);
    }
    if (a != NULL) handle_release(a_handle.id);
    return status;
}
