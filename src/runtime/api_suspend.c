/* api_suspend.c -- the public functions of ebb/model.h about suspended models. */
#include "mem/handle.h"
#include "runtime/suspend.h"

ebb_status ebb_model_suspend(ebb_model model, const ebb_suspend_options *options,
                             ebb_receipt *receipt, ebb_error *error)
{
    return model_suspend(model, options, receipt, error);
}

ebb_status ebb_model_resume(ebb_model model, ebb_error *error)
{
    return model_resume(model, error);
}

bool ebb_model_suspended(ebb_model handle)
{
    const model *m = model_acquire(handle, "ebb_model_suspended", NULL);

    if (m == NULL) return false;
    const bool is_on = atomic_load(&m->suspension.is_on);
    handle_release(handle.id);
    return is_on;
}
