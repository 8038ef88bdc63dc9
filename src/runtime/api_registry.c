/* api_registry.c -- the registry of ebb/manage.h: argument checks, handle to object, nothing else.
 */
#include <string.h>

#include "base/status.h"
#include "runtime/lifecycle/registry.h"

static registry *acquire(ebb_registry handle, const char *where, ebb_error *error)
{
    return managed_acquire(HANDLE_REGISTRY, handle.id, where, error);
}

/* The registry, pinned, and a name that can be one; NULL: *status tells. */
static registry *acquire_named(ebb_registry handle, const char *name, const char *where,
                               ebb_status *status, ebb_error *error)
{
    if (name == NULL || name[0] == '\0' || strlen(name) > EBB_REGISTRY_NAME_MAX) {
        *status = fail(error, EBB_E_ARGUMENT, where, "expected a name of 1 to %d bytes",
                       EBB_REGISTRY_NAME_MAX);
        return NULL;
    }
    registry *g = acquire(handle, where, error);
    *status = g != NULL ? EBB_OK : EBB_E_STALE;
    return g;
}

/* The end of a change: pins back, receipt to the caller. */
static ebb_status finish(registry *g, ebb_status status, const ebb_receipt *local,
                         ebb_receipt *receipt)
{
    managed_release(&g->base);
    if (receipt != NULL) *receipt = *local;
    return status;
}

ebb_status ebb_registry_open(ebb_runtime handle, const ebb_registry_options *options,
                             ebb_registry *result, ebb_error *error)
{
    if (result == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_registry_open", "expected a place for the handle");
    result->id = 0;
    runtime *r = runtime_acquire(handle, "ebb_registry_open", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = registry_open(r, options, &result->id, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_registry_close(ebb_registry handle, const ebb_unload_options *options,
                              ebb_receipt *receipt, ebb_error *error)
{
    return registry_close(handle, options, receipt, error);
}

ebb_status ebb_registry_add(ebb_registry handle, const char *name, uint64_t version,
                            const char *path, const ebb_load_options *load, ebb_error *error)
{
    static const char where[] = "ebb_registry_add";
    ebb_status status;
    registry *g = acquire_named(handle, name, where, &status, error);

    if (g == NULL) return status;
    if (path == NULL || version == 0)
        status = fail(error, EBB_E_ARGUMENT, where, "expected a version from 1 on and a path");
    else if (load != NULL && load->struct_size == sizeof *load && load->scope.id != 0)
        status = fail(error, EBB_E_ARGUMENT, where,
                      "models live in the registry's scope; name it when you open the registry");
    else
        status = registry_add(g, name, version, path, load, error);
    managed_release(&g->base);
    return status;
}

ebb_status ebb_registry_scan(ebb_registry handle, const char *folder, ebb_registry_changes *changes,
                             ebb_error *error)
{
    ebb_registry_changes local;
    registry *g = acquire(handle, "ebb_registry_scan", error);

    if (g == NULL) return EBB_E_STALE;
    const ebb_status status = registry_scan(g, folder, &local, error);
    managed_release(&g->base);
    if (changes != NULL) *changes = local;
    return status;
}

ebb_status ebb_registry_load(ebb_registry handle, const char *name, uint64_t version,
                             ebb_error *error)
{
    ebb_status status;
    registry *g = acquire_named(handle, name, "ebb_registry_load", &status, error);

    if (g == NULL) return status;
    status = registry_load(g, name, version, error);
    managed_release(&g->base);
    return status;
}

ebb_status ebb_registry_activate(ebb_registry handle, const char *name, uint64_t version,
                                 ebb_receipt *receipt, ebb_error *error)
{
    ebb_receipt local = {0};
    ebb_status status;
    registry *g = acquire_named(handle, name, "ebb_registry_activate", &status, error);

    if (g == NULL) return status;
    return finish(g, registry_activate(g, name, version, &local, error), &local, receipt);
}

ebb_status ebb_registry_rollback(ebb_registry handle, const char *name, ebb_receipt *receipt,
                                 ebb_error *error)
{
    ebb_receipt local = {0};
    ebb_status status;
    registry *g = acquire_named(handle, name, "ebb_registry_rollback", &status, error);

    if (g == NULL) return status;
    return finish(g, registry_rollback(g, name, &local, error), &local, receipt);
}

ebb_status ebb_registry_model(ebb_registry handle, const char *name, uint64_t version,
                              ebb_model *model, ebb_error *error)
{
    static const char where[] = "ebb_registry_model";
    ebb_lease lease;
    ebb_status status;

    if (model == NULL) return fail(error, EBB_E_ARGUMENT, where, "expected a place for the handle");
    model->id = 0;
    registry *g = acquire_named(handle, name, where, &status, error);
    if (g == NULL) return status;
    status = registry_lease(g, name, version, false, &lease, error);
    *model = lease.model;
    managed_release(&g->base);
    return status;
}

ebb_status ebb_registry_lease(ebb_registry handle, const char *name, uint64_t version,
                              ebb_lease *lease, ebb_error *error)
{
    static const char where[] = "ebb_registry_lease";
    ebb_status status;

    if (lease == NULL) return fail(error, EBB_E_ARGUMENT, where, "expected a place for the lease");
    memset(lease, 0, sizeof *lease);
    registry *g = acquire_named(handle, name, where, &status, error);
    if (g == NULL) return status;
    status = registry_lease(g, name, version, true, lease, error);
    managed_release(&g->base);
    return status;
}

ebb_status ebb_registry_return(ebb_lease *lease)
{
    if (lease == NULL) return EBB_E_ARGUMENT;
    const ebb_lease given = *lease;
    memset(lease, 0, sizeof *lease);
    registry *g = acquire((ebb_registry){given.registry}, "ebb_registry_return", NULL);
    if (g == NULL) return EBB_E_STALE;
    const ebb_status status = registry_return(g, given.entry);
    managed_release(&g->base);
    return status;
}

ebb_status ebb_registry_predict(ebb_registry handle, const char *name, uint64_t version,
                                const ebb_views *inputs, const ebb_views *outputs, ebb_error *error)
{
    ebb_lease lease;
    ebb_status status;
    registry *g = acquire_named(handle, name, "ebb_registry_predict", &status, error);

    if (g == NULL) return status;
    status = registry_lease(g, name, version, true, &lease, error);
    if (status == EBB_OK) {
        status = ebb_model_predict(lease.model, inputs, outputs, error);
        registry_return(g, lease.entry);
    }
    managed_release(&g->base);
    return status;
}

ebb_status ebb_registry_unload(ebb_registry handle, const char *name, uint64_t version,
                               ebb_receipt *receipt, ebb_error *error)
{
    ebb_receipt local = {0};
    ebb_status status;
    registry *g = acquire_named(handle, name, "ebb_registry_unload", &status, error);

    if (g == NULL) return status;
    return finish(g, registry_unload(g, name, version, &local, error), &local, receipt);
}

ebb_status ebb_registry_forget(ebb_registry handle, const char *name, uint64_t version,
                               ebb_receipt *receipt, ebb_error *error)
{
    ebb_receipt local = {0};
    ebb_status status;
    registry *g = acquire_named(handle, name, "ebb_registry_forget", &status, error);

    if (g == NULL) return status;
    return finish(g, registry_forget(g, name, version, &local, error), &local, receipt);
}

ebb_status ebb_registry_delete(ebb_registry handle, const char *name, uint64_t version,
                               bool even_loaded, ebb_receipt *receipt, ebb_error *error)
{
    ebb_receipt local = {0};
    ebb_status status;
    registry *g = acquire_named(handle, name, "ebb_registry_delete", &status, error);

    if (g == NULL) return status;
    return finish(g, registry_delete(g, name, version, even_loaded, &local, error), &local,
                  receipt);
}

ebb_status ebb_registry_list(ebb_registry handle, const char *name, ebb_registry_entry *entries,
                             size_t *count)
{
    registry *g = count == NULL ? NULL : acquire(handle, "ebb_registry_list", NULL);

    if (g == NULL) return count == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    registry_list(g, name, entries, count);
    managed_release(&g->base);
    return EBB_OK;
}
