/* api_lazy.c -- wrappers that load on first use, of ebb/manage.h: argument checks, handle to
 * object, nothing else. */
#include "base/status.h"
#include "runtime/lifecycle/lazy.h"

ebb_status ebb_lazy_open(ebb_runtime handle, const char *path, const ebb_lazy_options *options,
                         ebb_lazy *result, ebb_error *error)
{
    if (path == NULL || result == NULL) {
        return fail(error, EBB_E_ARGUMENT, "ebb_lazy_open",
                    "expected a path and a place for the handle");
    }
    result->id = 0;
    runtime *r = runtime_acquire(handle, "ebb_lazy_open", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = lazy_open(r, path, options, &result->id, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_lazy_close(ebb_lazy handle, const ebb_unload_options *options, ebb_receipt *receipt,
                          ebb_error *error)
{
    return lazy_close(handle, options, receipt, error);
}

ebb_status ebb_lazy_acquire(ebb_lazy handle, ebb_model *model, ebb_error *error)
{
    if (model == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_lazy_acquire", "expected a place for the handle");
    model->id = 0;
    lazy *l = managed_acquire(HANDLE_LAZY, handle.id, "ebb_lazy_acquire", error);
    if (l == NULL) return EBB_E_STALE;
    const ebb_status status = lazy_acquire(l, model, error);
    managed_release(&l->base);
    return status;
}

ebb_status ebb_lazy_release(ebb_lazy handle)
{
    lazy *l = managed_acquire(HANDLE_LAZY, handle.id, "ebb_lazy_release", NULL);

    if (l == NULL) return EBB_E_STALE;
    const ebb_status status = lazy_release(l);
    managed_release(&l->base);
    return status;
}

#define TRIES_MAX 16

/* The model may be unloaded by its own handle in between: then it is loaded once more. */
ebb_status ebb_lazy_predict(ebb_lazy handle, const ebb_views *inputs, const ebb_views *outputs,
                            ebb_error *error)
{
    lazy *l = managed_acquire(HANDLE_LAZY, handle.id, "ebb_lazy_predict", error);
    ebb_status status = EBB_E_STALE;

    if (l == NULL) return EBB_E_STALE;
    for (int tries = 0; tries < TRIES_MAX && status == EBB_E_STALE; tries++) {
        ebb_model model = {0};
        status = lazy_acquire(l, &model, error);
        if (status != EBB_OK) break;
        status = ebb_model_predict(model, inputs, outputs, error);
        lazy_release(l);
    }
    managed_release(&l->base);
    return status;
}

ebb_status ebb_lazy_unload(ebb_lazy handle, ebb_receipt *receipt, ebb_error *error)
{
    lazy *l = managed_acquire(HANDLE_LAZY, handle.id, "ebb_lazy_unload", error);

    if (l == NULL) return EBB_E_STALE;
    const ebb_status status = lazy_unload(l, receipt, error);
    managed_release(&l->base);
    return status;
}

ebb_status ebb_lazy_info_read(ebb_lazy handle, ebb_lazy_info *info)
{
    lazy *l =
        info == NULL ? NULL : managed_acquire(HANDLE_LAZY, handle.id, "ebb_lazy_info_read", NULL);

    if (l == NULL) return info == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    lazy_info(l, info);
    managed_release(&l->base);
    return EBB_OK;
}

ebb_status ebb_idle_collect(ebb_runtime handle, ebb_receipt *receipt)
{
    ebb_receipt local = {0};
    runtime *r = runtime_acquire(handle, "ebb_idle_collect", NULL);

    if (r == NULL) return EBB_E_STALE;
    idle_collect(r, true, &local);
    local.live_after = region_bytes_live(r->root);
    handle_release(handle.id);
    if (receipt != NULL) *receipt = local;
    return EBB_OK;
}

ebb_status ebb_idle_timer(ebb_runtime handle, uint64_t interval_ns, ebb_error *error)
{
    runtime *r = runtime_acquire(handle, "ebb_idle_timer", error);

    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = idle_timer_set(r, interval_ns, error);
    handle_release(handle.id);
    return status;
}
