/* api_device.c -- the public functions of ebb/device.h: argument checks, handle to object, nothing
 * else. */
#include <string.h>

#include "base/status.h"
#include "mem/handle.h"
#include "runtime/devices.h"
#include "runtime/model.h"

/* -- lists ------------------------------------------------------------------------------------- */

static void physical_describe(const devices *d, uint32_t at, ebb_physical_device_info *info)
{
    const physical_device *p = &d->physical[at];

    *info = (ebb_physical_device_info){.is_visible = p->division.is_visible,
                                       .is_divided = p->division.limits != NULL,
                                       .has_growth = p->has_growth};
    memcpy(info->name, p->device.name, sizeof info->name);
    memcpy(info->description, p->device.description, sizeof info->description);
    for (uint32_t i = 0; i < d->logical_count; i++) info->logical += d->logical[i].physical == at;
}

ebb_status ebb_physical_devices_list(ebb_runtime handle, ebb_physical_device_info *list,
                                     size_t *count)
{
    runtime *r = count == NULL ? NULL : runtime_acquire(handle, "ebb_physical_devices_list", NULL);

    if (r == NULL) return count == NULL ? EBB_E_ARGUMENT : EBB_E_STALE;
    const devices *d = r->devices;
    pthread_mutex_lock(&r->mutex);
    for (uint32_t i = 0; list != NULL && i < d->physical_count && i < *count; i++)
        physical_describe(d, i, &list[i]);
    pthread_mutex_unlock(&r->mutex);
    *count = d->physical_count;
    handle_release(handle.id);
    return EBB_OK;
}

static void logical_describe(const runtime *r, const logical_device *l, ebb_device_info *info)
{
    *info = (ebb_device_info){.bytes_live = account_bytes_live(l->account),
                              .bytes_limit = account_bytes_max(l->account),
                              .bytes_peak = account_bytes_peak(l->account),
                              .physical = l->physical,
                              .models = devices_models(r, l)};
    memcpy(info->name, l->name, sizeof info->name);
    memcpy(info->description, l->device->description, sizeof info->description);
}

ebb_status ebb_devices_list(ebb_runtime handle, ebb_device_info *list, size_t *count,
                            ebb_error *error)
{
    static const char where[] = "ebb_devices_list";

    if (count == NULL) return fail(error, EBB_E_ARGUMENT, where, "expected a place for the count");
    runtime *r = runtime_acquire(handle, where, error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = devices_use(r, error);
    if (status == EBB_OK) {
        const devices *d = r->devices;
        pthread_mutex_lock(&r->mutex);
        for (uint32_t i = 0; list != NULL && i < d->logical_count && i < *count; i++)
            logical_describe(r, &d->logical[i], &list[i]);
        pthread_mutex_unlock(&r->mutex);
        *count = d->logical_count;
    }
    handle_release(handle.id);
    return status;
}

bool ebb_device_exists(ebb_runtime handle, const char *text)
{
    char name[EBB_DEVICE_NAME_BYTES];
    bool found = false;
    runtime *r = device_text_read(text, name, NULL) == EBB_OK
                     ? runtime_acquire(handle, "ebb_device_exists", NULL)
                     : NULL;

    if (r == NULL) return false;
    pthread_mutex_lock(&r->mutex);
    for (uint32_t i = 0; i < r->devices->logical_count && !found; i++)
        found = name[0] == '\0' || strcmp(r->devices->logical[i].name, name) == 0;
    pthread_mutex_unlock(&r->mutex);
    handle_release(handle.id);
    return found;
}

ebb_status ebb_device_text_read(const char *text, char name[EBB_DEVICE_NAME_BYTES],
                                ebb_error *error)
{
    if (name == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_device_text_read", "expected a place for the name");
    return device_text_read(text, name, error);
}

/* -- configuration ----------------------------------------------------------------------------- */

ebb_status ebb_device_logical_set(ebb_runtime handle, const char *text, const uint64_t *bytes_max,
                                  size_t count, ebb_error *error)
{
    runtime *r = runtime_acquire(handle, "ebb_device_logical_set", error);

    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = devices_divide(r, text, bytes_max, count, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_device_growth_set(ebb_runtime handle, const char *text, bool has_growth,
                                 ebb_error *error)
{
    runtime *r = runtime_acquire(handle, "ebb_device_growth_set", error);

    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = devices_grow(r, text, has_growth, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_device_visible_set(ebb_runtime handle, const char *text, bool is_visible,
                                  ebb_error *error)
{
    runtime *r = runtime_acquire(handle, "ebb_device_visible_set", error);

    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = devices_show(r, text, is_visible, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_soft_placement_set(ebb_runtime handle, bool is_soft)
{
    runtime *r = runtime_acquire(handle, "ebb_soft_placement_set", NULL);

    if (r == NULL) return EBB_E_STALE;
    atomic_store(&r->devices->is_soft, is_soft);
    handle_release(handle.id);
    return EBB_OK;
}

/* -- placement --------------------------------------------------------------------------------- */

ebb_status ebb_device_scope_push(ebb_runtime handle, const char *text, ebb_error *error)
{
    runtime *r = runtime_acquire(handle, "ebb_device_scope_push", error);

    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = devices_scope_push(r, text, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_device_scope_pop(ebb_runtime handle, ebb_error *error)
{
    runtime *r = runtime_acquire(handle, "ebb_device_scope_pop", error);

    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = devices_scope_pop(r, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_device_scope_read(ebb_runtime handle, char name[EBB_DEVICE_NAME_BYTES],
                                 ebb_error *error)
{
    static const char where[] = "ebb_device_scope_read";

    if (name == NULL) return fail(error, EBB_E_ARGUMENT, where, "expected a place for the name");
    runtime *r = runtime_acquire(handle, where, error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = devices_use(r, error);
    if (status == EBB_OK) memcpy(name, devices_here(r)->name, EBB_DEVICE_NAME_BYTES);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_model_move(ebb_model handle, const char *text, ebb_error *error)
{
    model *m = model_acquire(handle, "ebb_model_move", error);

    if (m == NULL) return EBB_E_STALE;
    const ebb_status status = model_move(m, text, error);
    handle_release(handle.id);
    return status;
}

/* -- figures ----------------------------------------------------------------------------------- */

ebb_status ebb_device_memory_read(ebb_runtime handle, const char *text, ebb_memory *memory,
                                  ebb_error *error)
{
    static const char where[] = "ebb_device_memory_read";
    logical_device *device = NULL;

    if (memory == NULL)
        return fail(error, EBB_E_ARGUMENT, where, "expected a place for the report");
    runtime *r = runtime_acquire(handle, where, error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = devices_find(r, text, &device, error);
    if (status == EBB_OK) {
        *memory = (ebb_memory){0};
        account_read(device->account, memory);
        memory->peak = account_bytes_peak(device->account);
        memory->limit = account_bytes_max(device->account);
        pthread_mutex_lock(&r->mutex);
        memory->models = devices_models(r, device);
        pthread_mutex_unlock(&r->mutex);
    }
    handle_release(handle.id);
    return status;
}

ebb_status ebb_device_peak_reset(ebb_runtime handle, const char *text, ebb_error *error)
{
    logical_device *device = NULL;
    runtime *r = runtime_acquire(handle, "ebb_device_peak_reset", error);

    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = devices_find(r, text, &device, error);
    if (status == EBB_OK) account_peak_reset(device->account);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_device_transfers_read(ebb_runtime handle, const char *from_text, const char *to_text,
                                     ebb_device_transfers *result, ebb_error *error)
{
    static const char where[] = "ebb_device_transfers_read";
    logical_device *from = NULL, *to = NULL;

    if (result == NULL)
        return fail(error, EBB_E_ARGUMENT, where, "expected a place for the figures");
    runtime *r = runtime_acquire(handle, where, error);
    if (r == NULL) return EBB_E_STALE;
    ebb_status status = devices_find(r, from_text, &from, error);
    if (status == EBB_OK) status = devices_find(r, to_text, &to, error);
    if (status == EBB_OK) {
        const devices *d = r->devices;
        transfers *pair = &d->transfers[(size_t)from->index * d->logical_count + to->index];
        *result = (ebb_device_transfers){atomic_load(&pair->count), atomic_load(&pair->bytes)};
    }
    handle_release(handle.id);
    return status;
}
