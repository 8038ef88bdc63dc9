/* api_manage.c -- the public functions of ebb/manage.h but those of wrappers and registries:
 * argument checks, handle to object, nothing else. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "runtime/lifecycle/leak_monitor.h"
#include "runtime/lifecycle/models_each.h"
#include "runtime/lifecycle/spill.h"
#include "runtime/lifecycle/temporary_file.h"

/* -- loaded models ----------------------------------------------------------------------------- */

static void fill_model(const model *m, ebb_model_entry *entry)
{
    *entry = (ebb_model_entry){.model = {m->id}};
    memcpy(entry->name, m->info.name, sizeof entry->name);
    if (m->file != NULL) memcpy(entry->path, m->info.path, sizeof entry->path);
    entry->bytes_live = region_bytes_live(m->home);
    entry->bytes_peak = region_bytes_peak(m->home);
    entry->age_ns = clock_ns() - m->ready_ns;
}

ebb_status ebb_models_list(ebb_runtime handle, ebb_model_entry *entries, size_t *count)
{
    runtime *r = count == NULL ? NULL : runtime_acquire(handle, "ebb_models_list", NULL);

    if (r == NULL) return count == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    const size_t room = entries == NULL ? 0 : *count;
    *count = 0;
    pthread_mutex_lock(&r->mutex);
    for (const model *m = r->models; m != NULL; m = m->next) {
        if (!handle_alive(HANDLE_MODEL, m->id)) continue; /* coming, or going */
        if (*count < room) fill_model(m, &entries[*count]);
        (*count)++;
    }
    pthread_mutex_unlock(&r->mutex);
    handle_release(handle.id);
    return EBB_OK;
}

/* -- many files -------------------------------------------------------------------------------- */

ebb_status ebb_models_each(ebb_runtime handle, const char *const *paths, size_t count,
                           const ebb_each_options *options, ebb_each_function function,
                           void *context, ebb_each_report *report, ebb_error *error)
{
    const each_call call = {paths, count, options, function, context};
    ebb_each_report local = {0};

    if (function == NULL || (paths == NULL && count > 0) || count > UINT32_MAX) {
        return fail(error, EBB_E_ARGUMENT, "ebb_models_each",
                    "expected paths (at most %u) and a function", UINT32_MAX);
    }
    runtime *r = runtime_acquire(handle, "ebb_models_each", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = models_each(r, &call, &local, error);
    handle_release(handle.id);
    if (report != NULL) *report = local;
    return status;
}

/* -- predictions to disk ----------------------------------------------------------------------- */

ebb_status ebb_spill_open(ebb_runtime handle, const char *path, ebb_spill *result, ebb_error *error)
{
    if (path == NULL || result == NULL) {
        return fail(error, EBB_E_ARGUMENT, "ebb_spill_open",
                    "expected a path and a place for the handle");
    }
    result->id = 0;
    runtime *r = runtime_acquire(handle, "ebb_spill_open", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = spill_open(r, path, &result->id, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_spill_append(ebb_spill handle, const ebb_view *rows, ebb_error *error)
{
    if (rows == NULL) return fail(error, EBB_E_ARGUMENT, "ebb_spill_append", "expected rows");
    spill *s = managed_acquire(HANDLE_SPILL, handle.id, "ebb_spill_append", error);
    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = spill_append(s, rows, error);
    managed_release(&s->base);
    return status;
}

ebb_status ebb_spill_close(ebb_spill handle, uint64_t *rows, ebb_error *error)
{
    spill *s = managed_acquire(HANDLE_SPILL, handle.id, "ebb_spill_close", error);

    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = spill_finish(s, rows, error);
    managed_release(&s->base);
    if (status != EBB_E_BUSY)
        managed_close(HANDLE_SPILL, handle.id, "ebb_spill_close", 0, NULL, NULL);
    return status;
}

ebb_status ebb_spill_discard(ebb_spill handle)
{
    return managed_close(HANDLE_SPILL, handle.id, "ebb_spill_discard", 0, NULL, NULL);
}

/* -- temporary files --------------------------------------------------------------------------- */

ebb_status ebb_temporary_file(ebb_runtime handle, const ebb_temporary_options *options, char *path,
                              size_t capacity, ebb_error *error)
{
    if (path == NULL || capacity == 0)
        return fail(error, EBB_E_ARGUMENT, "ebb_temporary_file", "expected room for the name");
    path[0] = '\0';
    runtime *r = runtime_acquire(handle, "ebb_temporary_file", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = temporary_make(r, options, path, capacity, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_temporary_remove(ebb_runtime handle, const char *path, ebb_error *error)
{
    if (path == NULL) return fail(error, EBB_E_ARGUMENT, "ebb_temporary_remove", "expected a name");
    runtime *r = runtime_acquire(handle, "ebb_temporary_remove", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = temporary_remove(r, path, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_temporary_collect(const char *folder, ebb_receipt *receipt, ebb_error *error)
{
    ebb_receipt local = {0};
    const ebb_status status = temporaries_collect(folder, &local, error);

    if (receipt != NULL) *receipt = local;
    return status;
}

/* -- leak monitor ------------------------------------------------------------------------------ */

ebb_status ebb_monitor_open(ebb_runtime handle, ebb_monitor *result, ebb_error *error)
{
    if (result == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_monitor_open", "expected a place for the handle");
    result->id = 0;
    runtime *r = runtime_acquire(handle, "ebb_monitor_open", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = leak_monitor_open(r, &result->id, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_monitor_close(ebb_monitor handle)
{
    return managed_close(HANDLE_MONITOR, handle.id, "ebb_monitor_close", 0, NULL, NULL);
}

ebb_status ebb_monitor_watch(ebb_monitor handle, ebb_model model, const char *label,
                             ebb_error *error)
{
    leak_monitor *l = managed_acquire(HANDLE_MONITOR, handle.id, "ebb_monitor_watch", error);

    if (l == NULL) return EBB_E_STALE;
    const ebb_status status = leak_monitor_watch(l, model, label, error);
    managed_release((managed *)l);
    return status;
}

ebb_status ebb_monitor_clear(ebb_monitor handle)
{
    leak_monitor *l = managed_acquire(HANDLE_MONITOR, handle.id, "ebb_monitor_clear", NULL);

    if (l == NULL) return EBB_E_STALE;
    leak_monitor_clear(l);
    managed_release((managed *)l);
    return EBB_OK;
}

ebb_status ebb_monitor_check(ebb_monitor handle, ebb_text_function write, void *context,
                             ebb_monitor_report *report, ebb_error *error)
{
    ebb_monitor_report local;
    leak_monitor *l = managed_acquire(HANDLE_MONITOR, handle.id, "ebb_monitor_check", error);

    if (l == NULL) return EBB_E_STALE;
    const ebb_status status = leak_monitor_check(l, write, context, &local, error);
    managed_release((managed *)l);
    if (report != NULL) *report = local;
    return status;
}
