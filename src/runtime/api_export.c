/* api_export.c -- ebb_model_export(): argument checks, handle to object, nothing else. */
#include "mem/handle.h"
#include "runtime/model.h"

ebb_status ebb_model_export(ebb_model handle, const char *path, const ebb_export_options *options,
                            ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_export", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = model_export(m, path, options, error);
    handle_release(handle.id);
    return status;
}
