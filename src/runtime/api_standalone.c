/* api_standalone.c -- losses, metrics and schedules by themselves: argument checks, handle to
 * object, nothing else. */
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/runtime.h"
#include "train/standalone.h"

ebb_status ebb_loss_compute(ebb_runtime handle, const char *loss, const ebb_operands *operands,
                            ebb_view *result, ebb_error *error)
{
    if (operands == NULL || result == NULL) {
        return fail(error, EBB_E_ARGUMENT, "ebb_loss_compute",
                    "expected operands and a place for the result");
    }
    runtime *r = runtime_acquire(handle, "ebb_loss_compute", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = standalone_loss(r->root, loss, operands, result, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_metric_compute(ebb_runtime handle, const char *metric, const ebb_operands *operands,
                              ebb_view *variables, size_t *count, ebb_view *result,
                              ebb_error *error)
{
    if (operands == NULL || variables == NULL || count == NULL) {
        return fail(error, EBB_E_ARGUMENT, "ebb_metric_compute",
                    "expected operands, variables and their number");
    }
    runtime *r = runtime_acquire(handle, "ebb_metric_compute", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status =
        standalone_metric(r->root, metric, operands, variables, count, result, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_schedule_compute(ebb_runtime handle, const char *schedule, uint64_t step,
                                double *rate, ebb_error *error)
{
    if (rate == NULL) {
        return fail(error, EBB_E_ARGUMENT, "ebb_schedule_compute",
                    "expected a place for the rate");
    }
    runtime *r = runtime_acquire(handle, "ebb_schedule_compute", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = standalone_schedule(r->root, schedule, step, rate, error);
    handle_release(handle.id);
    return status;
}
