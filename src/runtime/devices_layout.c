/* devices_layout.c -- how physical devices are divided into logical ones, and the calls that change
 * it before the first use.
 *
 * Every change makes new lists in a region of their own and takes them into use as a whole, so a
 * change that fails leaves everything as it was. Logical devices of a kind are numbered through, in
 * the order of the physical ones that are shown. */
#include "runtime/devices_layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

/* Lists that are not in use yet. */
typedef struct layout {
    region *home; /* of the lists; the root's for the first ones */
    logical_device *logical;
    uint32_t count;
    transfers *transfers;
    division *divisions; /* by physical device; their limits are in home */
} layout;

static uint32_t parts_of(const division *v)
{
    return v->is_visible ? v->count : 0;
}

/* The ledger's first account is the first device's; its limit is set when the lists are taken. */
static account *account_for(runtime *r, const logical_device *part, uint64_t limit)
{
    if (part->index == 0) return ledger_account(r->ledger);
    return account_open(r->ledger, part->name, limit);
}

static bool add_parts(runtime *r, layout *l, uint32_t physical, uint32_t *number)
{
    const device *device = &r->devices->physical[physical].device;
    const division *v = &l->divisions[physical];

    for (uint32_t i = 0; i < parts_of(v); i++) {
        logical_device *part = &l->logical[l->count];
        *part = (logical_device){.index = l->count, .physical = physical, .device = device};
        (void)snprintf(part->name, sizeof part->name, "%.20s:%u", device->def->name, (*number)++);
        part->account = account_for(r, part, v->limits != NULL ? v->limits[i] : 0);
        if (part->account == NULL) return false;
        l->count++;
    }
    return true;
}

static bool keep_limits(layout *l, division *v)
{
    if (v->limits == NULL) return true;
    uint64_t *copy = region_new(l->home, uint64_t, v->count);
    if (copy == NULL) return false;
    memcpy(copy, v->limits, v->count * sizeof *copy);
    v->limits = copy;
    return true;
}

static bool layout_fill(runtime *r, layout *l)
{
    const devices *d = r->devices;
    size_t total = 0;

    for (uint32_t i = 0; i < d->physical_count; i++) {
        total += parts_of(&l->divisions[i]);
        if (!keep_limits(l, &l->divisions[i])) return false;
    }
    l->logical = region_new(l->home, logical_device, total);
    l->transfers = region_new(l->home, transfers, total * total);
    if (l->logical == NULL || l->transfers == NULL) return false;
    uint32_t number = 0;
    for (uint32_t i = 0; i < d->physical_count; i++) {
        if (i > 0 && d->physical[i].device.def != d->physical[i - 1].device.def) number = 0;
        if (!add_parts(r, l, i, &number)) return false;
    }
    return true;
}

static void accounts_close(const logical_device *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) account_close(list[i].account); /* the first one stays */
}

static void layout_take(runtime *r, const layout *l)
{
    devices *d = r->devices;
    const uint64_t *limits = l->divisions[0].limits;

    accounts_close(d->logical, d->logical_count);
    region_close(d->home);
    d->home = l->home != r->root ? l->home : NULL;
    d->logical = l->logical;
    d->logical_count = l->count;
    d->transfers = l->transfers;
    for (uint32_t i = 0; i < d->physical_count; i++) d->physical[i].division = l->divisions[i];
    account_limit(ledger_account(r->ledger), limits != NULL ? limits[0] : 0);
    account_name(ledger_account(r->ledger), d->logical[0].name);
}

ebb_status devices_lay_out(runtime *r, ebb_error *error)
{
    const devices *d = r->devices;
    layout l = {.home = r->root};

    l.divisions = region_new(r->root, division, d->physical_count);
    for (uint32_t i = 0; l.divisions != NULL && i < d->physical_count; i++)
        l.divisions[i] = d->physical[i].division;
    if (l.divisions == NULL || !layout_fill(r, &l)) {
        accounts_close(l.logical, l.count);
        return region_fail(r->root, error, "ebb_runtime_open", "the list of devices");
    }
    layout_take(r, &l);
    return EBB_OK;
}

/* -- changes; the runtime's mutex is held -------------------------------------------------------
 */

static ebb_status devices_change(runtime *r, uint32_t at, const division *changed, ebb_error *error)
{
    const devices *d = r->devices;
    const char *const where = d->physical[at].device.name;
    layout l = {.home = region_open(r->root, "devices", EBB_CLASS_META, 0)};

    if (l.home == NULL) return region_fail(r->root, error, where, "the list of devices");
    l.divisions = region_new(l.home, division, d->physical_count);
    for (uint32_t i = 0; l.divisions != NULL && i < d->physical_count; i++)
        l.divisions[i] = i == at ? *changed : d->physical[i].division;
    if (l.divisions == NULL || !layout_fill(r, &l)) {
        const ebb_status status = region_fail(l.home, error, where, "the list of devices");
        accounts_close(l.logical, l.count);
        region_close(l.home);
        return status;
    }
    layout_take(r, &l);
    return EBB_OK;
}

static bool same_limits(const division *v, const uint64_t *limits, size_t count)
{
    if (v->limits == NULL || v->count != count) return false;
    for (size_t i = 0; i < count; i++) {
        if (v->limits[i] != (limits != NULL ? limits[i] : 0)) return false;
    }
    return true;
}

static ebb_status divide(runtime *r, uint32_t at, const uint64_t *limits, uint32_t count,
                         ebb_error *error)
{
    static const uint64_t none[DEVICE_PARTS_MAX];
    const devices *d = r->devices;
    const physical_device *p = &d->physical[at];
    const uint64_t live = account_bytes_live(ledger_account(r->ledger));

    if (same_limits(&p->division, limits, count)) return EBB_OK;
    if (atomic_load(&d->is_used)) {
        return fail(error, EBB_E_STATE, p->device.name,
                    "Virtual devices cannot be modified after being initialized");
    }
    if (p->growth_is_set) {
        return fail(error, EBB_E_ARGUMENT, p->device.name,
                    "Cannot configure virtual devices on device when memory growth is set");
    }
    if (at == 0 && limits != NULL && limits[0] != 0 && limits[0] < live) {
        return fail(error, EBB_E_ARGUMENT, p->device.name,
                    "the limit is %" PRIu64 " bytes, but the runtime itself holds %" PRIu64
                    " there already",
                    limits[0], live);
    }
    const division changed = {limits != NULL ? limits : none, count, p->division.is_visible};
    return devices_change(r, at, &changed, error);
}

ebb_status devices_divide(runtime *r, const char *text, const uint64_t *limits, size_t count,
                          ebb_error *error)
{
    uint32_t at = 0;
    ebb_status status = devices_physical_find(r, text, &at, error);

    if (status != EBB_OK) return status;
    if (count == 0 || count > DEVICE_PARTS_MAX) {
        return fail(error, EBB_E_ARGUMENT, r->devices->physical[at].device.name,
                    "%zu logical devices asked for, 1 to %u are possible", count, DEVICE_PARTS_MAX);
    }
    pthread_mutex_lock(&r->mutex);
    status = divide(r, at, limits, (uint32_t)count, error);
    pthread_mutex_unlock(&r->mutex);
    return status;
}

static ebb_status show(runtime *r, uint32_t at, bool is_visible, ebb_error *error)
{
    const devices *d = r->devices;
    const physical_device *p = &d->physical[at];
    division changed = p->division;

    if (p->division.is_visible == is_visible) return EBB_OK;
    if (atomic_load(&d->is_used)) {
        return fail(error, EBB_E_STATE, p->device.name,
                    "Visible devices cannot be modified after being initialized");
    }
    if (at == 0) {
        return fail(error, EBB_E_ARGUMENT, p->device.name,
                    "the runtime itself lives on the first device, so it cannot be hidden");
    }
    changed.is_visible = is_visible;
    return devices_change(r, at, &changed, error);
}

ebb_status devices_show(runtime *r, const char *text, bool is_visible, ebb_error *error)
{
    uint32_t at = 0;
    ebb_status status = devices_physical_find(r, text, &at, error);

    if (status != EBB_OK) return status;
    pthread_mutex_lock(&r->mutex);
    status = show(r, at, is_visible, error);
    pthread_mutex_unlock(&r->mutex);
    return status;
}

static ebb_status grow(const devices *d, physical_device *p, bool has_growth, ebb_error *error)
{
    if (p->division.limits != NULL) {
        return fail(error, EBB_E_ARGUMENT, p->device.name,
                    "Cannot set memory growth on device when virtual devices configured");
    }
    if (p->has_growth == has_growth && (p->growth_is_set || atomic_load(&d->is_used)))
        return EBB_OK;
    if (atomic_load(&d->is_used)) {
        return fail(error, EBB_E_STATE, p->device.name,
                    "Physical devices cannot be modified after being initialized");
    }
    p->growth_is_set = true;
    p->has_growth = has_growth;
    return EBB_OK;
}

ebb_status devices_grow(runtime *r, const char *text, bool has_growth, ebb_error *error)
{
    uint32_t at = 0;
    ebb_status status = devices_physical_find(r, text, &at, error);

    if (status != EBB_OK) return status;
    pthread_mutex_lock(&r->mutex);
    status = grow(r->devices, &r->devices->physical[at], has_growth, error);
    pthread_mutex_unlock(&r->mutex);
    return status;
}
