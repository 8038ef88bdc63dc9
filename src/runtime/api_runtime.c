/* api_runtime.c -- the public functions of ebb/runtime.h: argument checks, handle to object,
 * nothing else. */
#include "base/clock.h"
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/passes.h"
#include "runtime/report.h"

ebb_status ebb_runtime_open(const ebb_runtime_options *options, ebb_runtime *handle,
                            ebb_error *error)
{
    if (handle == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_runtime_open", "expected a place for the handle");
    return runtime_open(options, &handle->id, error);
}

ebb_status ebb_memory_read(ebb_runtime handle, ebb_memory *memory)
{
    runtime *r = memory == NULL ? NULL : runtime_acquire(handle, "ebb_memory_read", NULL);

    if (r == NULL) return memory == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    runtime_memory(r, memory);
    handle_release(handle.id);
    return EBB_OK;
}

ebb_status ebb_memory_report(ebb_runtime handle, ebb_report_format format, ebb_text_function write,
                             void *context)
{
    runtime *r = write == NULL ? NULL : runtime_acquire(handle, "ebb_memory_report", NULL);

    if (r == NULL) return write == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    const ebb_status status = report_memory(r, format, write, context, NULL);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_trim(ebb_runtime handle, ebb_receipt *receipt)
{
    const uint64_t begin = clock_ns();
    ebb_receipt local = {0};
    runtime *r = runtime_acquire(handle, "ebb_trim", NULL);

    if (r == NULL) return EBB_E_STALE;
    pthread_mutex_lock(&r->mutex);
    for (model *m = r->models; m != NULL; m = m->next) {
        local.bytes[EBB_CLASS_ACTIVATIONS] += plans_trim(m) + passes_trim(m);
    }
    for (attachment *a = r->attachments; a != NULL; a = a->next) {
        if (a->trim != NULL) local.bytes[EBB_CLASS_ACTIVATIONS] += a->trim(a->object);
    }
    pthread_mutex_unlock(&r->mutex);
    runtime_rest(r);
    local.bytes_total = local.bytes[EBB_CLASS_ACTIVATIONS];
    local.live_after = region_bytes_live(r->root);
    local.time_ns = clock_ns() - begin;
    handle_release(handle.id);
    if (receipt != NULL) *receipt = local;
    return EBB_OK;
}
