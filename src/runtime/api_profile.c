/* api_profile.c -- the public functions of ebb/profile.h: argument checks, handle to object,
 * nothing else. */
#include "base/status.h"
#include "runtime/lifecycle/profiler.h"

static profiler *acquire(ebb_profiler handle, const char *where, ebb_error *error)
{
    return managed_acquire(HANDLE_PROFILER, handle.id, where, error);
}

ebb_status ebb_profiler_start(ebb_runtime handle, const ebb_profiler_options *options,
                              ebb_profiler *result, ebb_error *error)
{
    if (result == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_profiler_start", "expected a place for the handle");
    result->id = 0;
    runtime *r = runtime_acquire(handle, "ebb_profiler_start", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = profiler_start(r, options, &result->id, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_profiler_mark(ebb_profiler handle, const char *label)
{
    profiler *p = label == NULL ? NULL : acquire(handle, "ebb_profiler_mark", NULL);

    if (p == NULL) return label == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    const ebb_status status = profiler_mark(p, label);
    managed_release((managed *)p);
    return status;
}

ebb_status ebb_profiler_stop(ebb_profiler handle)
{
    profiler *p = acquire(handle, "ebb_profiler_stop", NULL);

    if (p == NULL) return EBB_E_STALE;
    profiler_stop(p);
    managed_release((managed *)p);
    return EBB_OK;
}

ebb_status ebb_profiler_close(ebb_profiler handle)
{
    return managed_close(HANDLE_PROFILER, handle.id, "ebb_profiler_close", 0, NULL, NULL);
}

ebb_status ebb_profiler_read(ebb_profiler handle, ebb_profile *profile)
{
    profiler *p = profile == NULL ? NULL : acquire(handle, "ebb_profiler_read", NULL);

    if (p == NULL) return profile == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    profiler_read(p, profile);
    managed_release((managed *)p);
    return EBB_OK;
}

ebb_status ebb_profiler_write(ebb_profiler handle, ebb_profile_format format,
                              ebb_text_function write, void *context, ebb_error *error)
{
    if (write == NULL || (int)format < EBB_PROFILE_TEXT || format > EBB_PROFILE_TRACE) {
        return fail(error, EBB_E_ARGUMENT, "ebb_profiler_write",
                    "expected a format and a text function");
    }
    profiler *p = acquire(handle, "ebb_profiler_write", error);
    if (p == NULL) return EBB_E_STALE;
    const ebb_status status = profiler_write(p, format, write, context, error);
    managed_release((managed *)p);
    return status;
}

ebb_status ebb_profiler_save(ebb_profiler handle, const char *path, ebb_error *error)
{
    if (path == NULL) return fail(error, EBB_E_ARGUMENT, "ebb_profiler_save", "expected a path");
    profiler *p = acquire(handle, "ebb_profiler_save", error);
    if (p == NULL) return EBB_E_STALE;
    const ebb_status status = profiler_save(p, path, error);
    managed_release((managed *)p);
    return status;
}
