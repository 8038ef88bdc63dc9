/* registry.c -- see registry.h: opening and closing, what is known, leases. */
#include "runtime/lifecycle/registry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "runtime/options.h"
#include "runtime/scope.h"

/* -- opening and closing ----------------------------------------------------------------------- */

/* Nobody uses it. The scope takes the models along. */
static void end(void *object, ebb_receipt *receipt)
{
    registry *g = object;
    ebb_receipt part = {0};

    if (scope_close((ebb_scope){g->scope}, &part, NULL) == EBB_OK) receipt_add(receipt, &part);
    managed_end(&g->base, receipt);
}

static void after_fork(void *object)
{
    registry *g = object;

    g->is_closing = false;
    for (registry_name *n = g->names; n != NULL; n = n->next) {
        n->is_changing = false;
        for (registry_version *v = n->versions; v != NULL; v = v->next) v->leases = 0;
    }
}

static ebb_status fill(registry *g, const ebb_registry_options *o, ebb_error *error)
{
    region *home = g->base.home;
    const ebb_status status = load_options_keep(home, o->load, &g->load, error);

    if (status != EBB_OK) return status;
    g->folder = region_text(home, o->folder);
    if (o->folder != NULL && g->folder == NULL)
        return region_fail(home, error, "registry options", "the folder's name");
    g->old_first = o->old_first;
    g->keeps_previous = o->keeps_previous;
    g->deadline_ns = o->deadline_ns;
    return EBB_OK;
}

ebb_status registry_open(runtime *r, const ebb_registry_options *options, uint64_t *id,
                         ebb_error *error)
{
    ebb_registry_options o = EBB_REGISTRY_OPTIONS_INIT;
    ebb_scope_options place = EBB_SCOPE_OPTIONS_INIT;
    managed *m = NULL;
    ebb_status status =
        options_copy(&o, sizeof o, options, "registry options", "EBB_REGISTRY_OPTIONS_INIT", error);

    if (status == EBB_OK)
        status =
            managed_make(r, HANDLE_REGISTRY, "registry table", sizeof(registry), end, &m, error);
    if (status != EBB_OK) return status;
    registry *g = (registry *)m;
    status = fill(g, &o, error);
    place.tag = o.tag != NULL ? o.tag : "registry";
    place.bytes_max = o.bytes_max;
    place.parent = g->load.scope;
    if (status == EBB_OK) status = scope_open(r, &place, &g->scope, error);
    if (status != EBB_OK) {
        region_close(m->home);
        return status;
    }
    g->load.scope = (ebb_scope){g->scope};
    m->link.after_fork = after_fork;
    status = managed_issue(m, id, error);
    if (status != EBB_OK) {
        scope_close(g->load.scope, NULL, NULL);
        region_close(m->home);
    }
    return status;
}

/* How many leases are out. */
static uint32_t leases_out(const registry *g)
{
    uint32_t leases = 0;

    for (const registry_name *n = g->names; n != NULL; n = n->next)
        for (const registry_version *v = n->versions; v != NULL; v = v->next) leases += v->leases;
    return leases;
}

static void set_closing(ebb_registry handle, bool is_closing)
{
    registry *g = managed_acquire(HANDLE_REGISTRY, handle.id, "ebb_registry_close", NULL);

    if (g == NULL) return;
    pthread_mutex_lock(&g->base.owner->mutex);
    g->is_closing = is_closing;
    pthread_mutex_unlock(&g->base.owner->mutex);
    managed_release(&g->base);
}

ebb_status registry_close(ebb_registry handle, const ebb_unload_options *options,
                          ebb_receipt *receipt, ebb_error *error)
{
    static const char where[] = "ebb_registry_close";
    ebb_unload_options o = EBB_UNLOAD_OPTIONS_INIT;
    ebb_status status =
        options_copy(&o, sizeof o, options, "unload options", "EBB_UNLOAD_OPTIONS_INIT", error);

    if (status != EBB_OK) return status;
    registry *g = managed_acquire(HANDLE_REGISTRY, handle.id, where, error);
    if (g == NULL) return EBB_E_STALE;
    runtime *r = g->base.owner;
    const uint64_t deadline = deadline_after(o.deadline_ns);
    bool in_time = true;
    pthread_mutex_lock(&r->mutex);
    g->is_closing = true;
    uint32_t leases = leases_out(g);
    while (leases > 0 && in_time) {
        in_time = lifecycle_wait(r, deadline);
        leases = leases_out(g);
    }
    if (leases > 0) g->is_closing = false;
    pthread_mutex_unlock(&r->mutex);
    managed_release(&g->base);
    if (leases > 0)
        return fail(error, EBB_E_BUSY, where, "%u leases have not been returned yet", leases);
    status = managed_close(HANDLE_REGISTRY, handle.id, where, deadline, receipt, error);
    if (status == EBB_E_BUSY) set_closing(handle, false);
    return status;
}

/* -- what is known ----------------------------------------------------------------------------- */

registry_name *registry_find_name(const registry *g, const char *name)
{
    registry_name *n = g->names;

    while (n != NULL && strcmp(n->text, name) != 0) n = n->next;
    return n;
}

registry_version *registry_find_version(const registry_name *n, uint64_t number)
{
    registry_version *v = n->versions;

    while (v != NULL && number != 0 && v->number != number) v = v->next;
    return v;
}

static ebb_status find_or_make_name(registry *g, const char *name, registry_name **result,
                                    ebb_error *error)
{
    *result = registry_find_name(g, name);
    if (*result != NULL) return EBB_OK;
    region *home = region_open(g->base.home, "name", EBB_CLASS_META, 0);
    registry_name *n = home == NULL ? NULL : region_new(home, registry_name, 1);
    if (n == NULL) {
        const ebb_status status =
            region_fail(home == NULL ? g->base.home : home, error, name, "a name");
        region_close(home);
        return status;
    }
    n->home = home;
    memcpy(n->text, name, strlen(name) + 1);
    registry_name **at = &g->names;
    while (*at != NULL && strcmp((*at)->text, name) < 0) at = &(*at)->next;
    n->next = *at;
    *at = n;
    *result = n;
    return EBB_OK;
}

static ebb_status make_version(registry *g, registry_name *n, uint64_t number, const char *path,
                               const char *folder, const ebb_load_options *load,
                               registry_version **result, ebb_error *error)
{
    region *home = region_open(n->home, "version", EBB_CLASS_META, 0);
    registry_version *v = home == NULL ? NULL : region_new(home, registry_version, 1);

    if (v == NULL) {
        const ebb_status status =
            region_fail(home == NULL ? n->home : home, error, path, "a version");
        region_close(home);
        return status;
    }
    ebb_status status = load_options_keep(home, load != NULL ? load : &g->load, &v->load, error);
    v->home = home;
    v->path = region_text(home, path);
    v->folder = region_text(home, folder);
    if (status == EBB_OK && (v->path == NULL || (folder != NULL && v->folder == NULL)))
        status = region_fail(home, error, path, "its name");
    if (status != EBB_OK) {
        region_close(home);
        return status;
    }
    v->load.scope = g->load.scope;
    v->number = number;
    v->serial = ++g->serials;
    *result = v;
    return EBB_OK;
}

ebb_status registry_insert(registry *g, const char *name, uint64_t number, const char *path,
                           const char *folder, const ebb_load_options *load,
                           registry_version **result, ebb_error *error)
{
    registry_name *n = NULL;
    registry_version *v = NULL;
    ebb_status status = find_or_make_name(g, name, &n, error);

    if (status != EBB_OK) return status;
    if (registry_find_version(n, number) != NULL && n->versions != NULL) {
        return fail(error, EBB_E_STATE, name,
                    "version %" PRIu64 " is known already; forget it first, or take another number",
                    number);
    }
    status = make_version(g, n, number, path, folder, load, &v, error);
    if (status != EBB_OK) {
        if (!n->is_changing) registry_drop_empty(g, n);
        return status;
    }
    registry_version **at = &n->versions;
    while (*at != NULL && (*at)->number > number) at = &(*at)->next;
    v->next = *at;
    *at = v;
    *result = v;
    return EBB_OK;
}

void registry_drop_empty(registry *g, registry_name *n)
{
    if (n->versions != NULL) return;
    registry_name **at = &g->names;
    while (*at != n) at = &(*at)->next;
    *at = n->next;
    region_close(n->home);
}

void registry_drop(registry *g, registry_name *n, registry_version *v)
{
    registry_version **at = &n->versions;
    uint32_t kept = 0;

    (void)g;
    while (*at != v) at = &(*at)->next;
    *at = v->next;
    for (uint32_t i = 0; i < n->earlier_count; i++) {
        if (n->earlier[i] != v->number) n->earlier[kept++] = n->earlier[i];
    }
    n->earlier_count = kept;
    if (n->active == v->number) n->active = 0;
    region_close(v->home);
}

ebb_status registry_unknown(const registry *g, const registry_name *n, const char *name,
                            uint64_t number, ebb_error *error)
{
    char known[256] = "";
    size_t length = 0;

    if (n == NULL) {
        for (const registry_name *at = g->names; at != NULL && length < sizeof known; at = at->next)
            length += (size_t)snprintf(known + length, sizeof known - length, "%s%s",
                                       length > 0 ? ", " : "", at->text);
        return fail(error, EBB_E_NOT_FOUND, name, "no model of this name; %s%s",
                    known[0] != '\0' ? "known: " : "none is known", known);
    }
    for (const registry_version *v = n->versions; v != NULL && length < sizeof known; v = v->next)
        length += (size_t)snprintf(known + length, sizeof known - length, "%s%" PRIu64 "%s",
                                   length > 0 ? ", " : "", v->number,
                                   v->number == n->active ? " (active)" : "");
    return fail(error, EBB_E_NOT_FOUND, name, "there is no version %" PRIu64 "; known: %s", number,
                known);
}

ebb_status registry_add(registry *g, const char *name, uint64_t number, const char *path,
                        const ebb_load_options *load, ebb_error *error)
{
    runtime *r = g->base.owner;
    registry_version *v = NULL;

    pthread_mutex_lock(&r->mutex);
    const ebb_status status = registry_insert(g, name, number, path, NULL, load, &v, error);
    pthread_mutex_unlock(&r->mutex);
    return status;
}

static void fill_entry(const registry_name *n, const registry_version *v, ebb_registry_entry *entry)
{
    *entry = (ebb_registry_entry){.version = v->number, .leases = v->leases};
    memcpy(entry->name, n->text, sizeof entry->name);
    snprintf(entry->path, sizeof entry->path, "%s", v->path);
    entry->is_active = n->active == v->number;
    entry->is_loaded = model_is_there(v->model);
    entry->is_leaving = v->is_leaving;
    entry->model.id = entry->is_loaded ? v->model : 0;
    entry->bytes_live = model_bytes(v->model);
}

/* Lowest number first. */
static const registry_version *next_version(const registry_name *n, uint64_t after)
{
    const registry_version *found = NULL;

    for (const registry_version *v = n->versions; v != NULL && v->number > after; v = v->next)
        found = v;
    return found;
}

void registry_list(registry *g, const char *name, ebb_registry_entry *entries, size_t *count)
{
    runtime *r = g->base.owner;
    const size_t room = entries == NULL ? 0 : *count;

    *count = 0;
    pthread_mutex_lock(&r->mutex);
    for (const registry_name *n = g->names; n != NULL; n = n->next) {
        if (name != NULL && strcmp(name, n->text) != 0) continue;
        for (const registry_version *v = next_version(n, 0); v != NULL;
             v = next_version(n, v->number)) {
            if (*count < room) fill_entry(n, v, &entries[*count]);
            (*count)++;
        }
    }
    pthread_mutex_unlock(&r->mutex);
}

/* -- leases ------------------------------------------------------------------------------------ */

static ebb_status not_loaded(const registry_name *n, uint64_t number, ebb_error *error)
{
    if (number == 0 && n->active == 0)
        return fail(error, EBB_E_STATE, n->text, "no version is active; activate one");
    return fail(error, EBB_E_STATE, n->text, "version %" PRIu64 " is not loaded; load it first",
                number != 0 ? number : n->active);
}

ebb_status registry_lease(registry *g, const char *name, uint64_t number, bool is_held,
                          ebb_lease *lease, ebb_error *error)
{
    runtime *r = g->base.owner;
    ebb_status status = EBB_OK;

    *lease = (ebb_lease){{0}, 0, 0, 0};
    pthread_mutex_lock(&r->mutex);
    const registry_name *n = registry_find_name(g, name);
    const uint64_t wanted = n == NULL ? 0 : number != 0 ? number : n->active;
    registry_version *v = wanted == 0 ? NULL : registry_find_version(n, wanted);
    if (g->is_closing)
        status = fail(error, EBB_E_STALE, name, "the registry is being closed");
    else if (n == NULL || (v == NULL && wanted != 0))
        status = registry_unknown(g, n, name, wanted, error);
    else if (v == NULL || !model_is_there(v->model))
        status = not_loaded(n, number, error);
    if (status == EBB_OK) {
        v->leases += is_held;
        *lease = (ebb_lease){{v->model}, v->number, g->base.link.id, v->serial};
    }
    pthread_mutex_unlock(&r->mutex);
    return status;
}

bool registry_wait_leases(registry *g, const registry_version *v, uint64_t deadline_ns)
{
    while (v->leases > 0) {
        if (!lifecycle_wait(g->base.owner, deadline_ns) && v->leases > 0) return false;
    }
    return true;
}

ebb_status registry_return(registry *g, uint64_t serial)
{
    runtime *r = g->base.owner;
    registry_version *v = NULL;
    uint64_t goes = 0;

    pthread_mutex_lock(&r->mutex);
    for (registry_name *n = g->names; n != NULL && v == NULL; n = n->next) {
        for (v = n->versions; v != NULL && v->serial != serial; v = v->next) {
        }
    }
    const bool is_out = v != NULL && v->leases > 0;
    if (is_out && --v->leases == 0) {
        if (v->is_leaving) {
            goes = v->model;
            v->model = 0;
            v->is_leaving = false;
        }
        lifecycle_changed(r);
    }
    pthread_mutex_unlock(&r->mutex);
    if (goes != 0) model_unload_pinned(goes, 0, NULL, NULL);
    return is_out ? EBB_OK : EBB_E_STALE;
}
