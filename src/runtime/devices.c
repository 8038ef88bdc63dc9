/* devices.c -- opening, finding and counting the devices of a runtime; device scopes of threads.
 * Laying out and configuring: devices_layout.c. */
#include "runtime/devices.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "runtime/devices_layout.h"
#include "runtime/model.h"

/* -- opening ----------------------------------------------------------------------------------- */

static uint32_t kind_count(const device_def *kind)
{
    return kind->count != NULL ? kind->count() : 1;
}

static ebb_status open_kind(devices *d, const device_def *kind, const device_options *options,
                            ebb_error *error)
{
    for (uint32_t i = 0, count = kind_count(kind); i < count; i++) {
        physical_device *p = &d->physical[d->physical_count];
        *p = (physical_device){.device = {.def = kind, .index = i},
                               .division = {.count = 1, .is_visible = true},
                               .has_growth = true};
        const ebb_status status = kind->open(&p->device, options, error);
        if (status != EBB_OK) return status;
        d->physical_count++;
        (void)snprintf(p->device.name, sizeof p->device.name, "%.20s:%u", kind->name, i);
    }
    return EBB_OK;
}

ebb_status devices_open(runtime *r, const device_def *const *kinds, uint32_t kinds_count,
                        const device_options *options, ebb_error *error)
{
    devices *d = region_new(r->root, devices, 1);
    size_t count = 0;
    ebb_status status = EBB_OK;

    r->devices = d;
    for (uint32_t i = 0; i < kinds_count; i++) count += kind_count(kinds[i]);
    if (d != NULL) d->physical = region_new(r->root, physical_device, count);
    if (d == NULL || d->physical == NULL)
        return region_fail(r->root, error, "ebb_runtime_open", "the list of devices");
    for (uint32_t i = 0; i < kinds_count && status == EBB_OK; i++)
        status = open_kind(d, kinds[i], options, error);
    if (status == EBB_OK) status = devices_lay_out(r, error);
    if (status != EBB_OK) devices_close(r);
    return status;
}

void devices_close(runtime *r)
{
    devices *d = r->devices;

    while (d->physical_count > 0) {
        device *last = &d->physical[--d->physical_count].device;
        if (last->def->close != NULL) last->def->close(last);
    }
}

/* -- first use --------------------------------------------------------------------------------- */

/* Devices of a kind that are whole and shown have the same setting. */
static ebb_status growth_check(const devices *d, ebb_error *error)
{
    for (uint32_t i = 0; i < d->physical_count; i++) {
        const physical_device *a = &d->physical[i];
        for (uint32_t k = i + 1; k < d->physical_count; k++) {
            const physical_device *b = &d->physical[k];
            if (a->device.def != b->device.def || !a->division.is_visible ||
                !b->division.is_visible || a->division.limits != NULL ||
                b->division.limits != NULL || a->has_growth == b->has_growth) {
                continue;
            }
            return fail(error, EBB_E_ARGUMENT, b->device.name,
                        "Memory growth cannot differ between %s devices: it is %s for %s and %s "
                        "for %s; set it the same for all before the first use",
                        a->device.def->name, a->has_growth ? "on" : "off", a->device.name,
                        b->has_growth ? "on" : "off", b->device.name);
        }
    }
    return EBB_OK;
}

ebb_status devices_use(runtime *r, ebb_error *error)
{
    devices *d = r->devices;

    if (atomic_load(&d->is_used)) return EBB_OK;
    pthread_mutex_lock(&r->mutex);
    const ebb_status status = growth_check(d, error);
    if (status == EBB_OK) atomic_store(&d->is_used, true);
    pthread_mutex_unlock(&r->mutex);
    return status;
}

uint32_t devices_count(runtime *r)
{
    (void)devices_use(r, NULL);
    return r->devices->logical_count;
}

logical_device *devices_at(runtime *r, uint32_t index)
{
    return index < r->devices->logical_count ? &r->devices->logical[index] : NULL;
}

/* -- finding ----------------------------------------------------------------------------------- */

static ebb_status absent(const devices *d, const char *name, const char *text, ebb_error *error)
{
    char list[256];
    size_t length = 0;

    list[0] = '\0';
    for (uint32_t i = 0; i < d->logical_count && length + 1 < sizeof list; i++) {
        const int wrote = snprintf(list + length, sizeof list - length, "%s%s", i > 0 ? ", " : "",
                                   d->logical[i].name);
        if (wrote < 0) break;
        length += (size_t)wrote;
    }
    return fail(error, EBB_E_NOT_FOUND, text,
                "no such device as %s; this runtime has %s; name one of them, or turn soft "
                "placement on",
                name, list);
}

ebb_status devices_find(runtime *r, const char *text, logical_device **result, ebb_error *error)
{
    const devices *d = r->devices;
    char name[32];

    *result = NULL;
    ebb_status status = device_text_read(text, name, error);
    if (status == EBB_OK) status = devices_use(r, error);
    if (status != EBB_OK) return status;
    for (uint32_t i = 0; i < d->logical_count; i++) {
        if (name[0] != '\0' && strcmp(d->logical[i].name, name) != 0) continue;
        *result = &d->logical[i];
        return EBB_OK;
    }
    if (!atomic_load(&d->is_soft)) return absent(d, name, text, error);
    *result = &d->logical[0];
    return EBB_OK;
}

ebb_status devices_physical_find(runtime *r, const char *text, uint32_t *index, ebb_error *error)
{
    const devices *d = r->devices;
    char name[32];
    const ebb_status status = device_text_read(text, name, error);

    if (status != EBB_OK) return status;
    for (*index = 0; *index < d->physical_count; ++*index) {
        if (name[0] == '\0' || strcmp(d->physical[*index].device.name, name) == 0) return EBB_OK;
    }
    return fail(error, EBB_E_NOT_FOUND, text,
                "no such physical device as %s; ebb_physical_devices_list() tells what there is",
                name);
}

uint32_t devices_models(const runtime *r, const logical_device *device)
{
    uint32_t count = 0;

    for (const model *m = r->models; m != NULL; m = m->next) count += m->device == device;
    return count;
}

/* -- scopes of threads ------------------------------------------------------------------------- */

/* The innermost scope of this thread, its place; scope_count: none. The mutex is held. */
static uint32_t scope_find(const devices *d)
{
    const uint32_t count = atomic_load(&d->scope_count);

    for (uint32_t i = count; i > 0; i--) {
        if (pthread_equal(d->scopes[i - 1].thread, pthread_self())) return i - 1;
    }
    return count;
}

logical_device *devices_scope(runtime *r)
{
    const devices *d = r->devices;
    logical_device *found = NULL;

    if (atomic_load(&d->scope_count) == 0) return found;
    pthread_mutex_lock(&r->mutex);
    const uint32_t at = scope_find(d);
    if (at < atomic_load(&d->scope_count)) found = d->scopes[at].device;
    pthread_mutex_unlock(&r->mutex);
    return found;
}

logical_device *devices_here(runtime *r)
{
    logical_device *found = devices_scope(r);

    return found != NULL ? found : &r->devices->logical[0];
}

static ebb_status scope_add(runtime *r, logical_device *device, ebb_error *error)
{
    static const char where[] = "ebb_device_scope_push";
    devices *d = r->devices;
    const uint32_t count = atomic_load(&d->scope_count);

    if (count == DEVICE_SCOPES_MAX) {
        return fail(error, EBB_E_STATE, where,
                    "%u device scopes are open; end some with ebb_device_scope_pop()", count);
    }
    if (count == 0) {
        region *home = region_open(r->root, "device scopes", EBB_CLASS_META, 0);
        placement *list = home == NULL ? NULL : region_new(home, placement, DEVICE_SCOPES_MAX);
        if (list == NULL) {
            const ebb_status status =
                region_fail(home == NULL ? r->root : home, error, where, "a device scope");
            region_close(home);
            return status;
        }
        d->scopes_home = home;
        d->scopes = list;
    }
    d->scopes[count] = (placement){pthread_self(), device};
    atomic_store(&d->scope_count, count + 1);
    return EBB_OK;
}

ebb_status devices_scope_push(runtime *r, const char *text, ebb_error *error)
{
    logical_device *device = NULL;
    char name[32];
    ebb_status status = device_text_read(text, name, error);

    if (status == EBB_OK) status = devices_find(r, text, &device, error);
    if (status != EBB_OK) return status;
    if (text != NULL && name[0] == '\0') device = devices_here(r);
    pthread_mutex_lock(&r->mutex);
    status = scope_add(r, device, error);
    pthread_mutex_unlock(&r->mutex);
    return status;
}

ebb_status devices_scope_pop(runtime *r, ebb_error *error)
{
    devices *d = r->devices;
    region *done = NULL;

    pthread_mutex_lock(&r->mutex);
    const uint32_t count = atomic_load(&d->scope_count), at = scope_find(d);
    if (at < count) {
        memmove(&d->scopes[at], &d->scopes[at + 1], (count - at - 1) * sizeof d->scopes[0]);
        atomic_store(&d->scope_count, count - 1);
        if (count == 1) {
            done = d->scopes_home;
            d->scopes_home = NULL;
            d->scopes = NULL;
        }
    }
    pthread_mutex_unlock(&r->mutex);
    region_close(done);
    if (at < count) return EBB_OK;
    return fail(error, EBB_E_STATE, "ebb_device_scope_pop",
                "this thread has no device scope; every pop ends one ebb_device_scope_push() of "
                "the same thread");
}

void devices_after_fork(runtime *r)
{
    devices *d = r->devices;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < atomic_load(&d->scope_count); i++) {
        if (pthread_equal(d->scopes[i].thread, pthread_self())) d->scopes[kept++] = d->scopes[i];
    }
    atomic_store(&d->scope_count, kept);
    if (kept > 0) return;
    region_close(d->scopes_home);
    d->scopes_home = NULL;
    d->scopes = NULL;
}

/* -- transfers --------------------------------------------------------------------------------- */

static bool is_own(const devices *d, const logical_device *device)
{
    return device->index < d->logical_count && &d->logical[device->index] == device;
}

void devices_copied(runtime *r, const logical_device *from, const logical_device *to,
                    uint64_t bytes)
{
    const devices *d = r->devices;

    if (from == to || !is_own(d, from) || !is_own(d, to)) return;
    transfers *pair = &d->transfers[(size_t)from->index * d->logical_count + to->index];
    atomic_fetch_add(&pair->count, 1);
    atomic_fetch_add(&pair->bytes, bytes);
}
