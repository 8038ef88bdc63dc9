/* registry_change.c -- loading, swapping, rolling back, unloading and deleting versions. One change
 * of a name at a time; see registry.h. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/status.h"
#include "runtime/lifecycle/registry.h"
#include "runtime/lifecycle/removal.h"

/* A change that is under way. */
typedef struct change {
    registry *g;
    registry_name *n;
    uint64_t begin_ns, deadline_ns;
    ebb_receipt *receipt; /* never NULL */
} change;

/* -- one at a time ----------------------------------------------------------------------------- */

/* Waits until nobody else changes the name. On success the name is ours and the mutex is not held.
 */
static ebb_status begin(change *c, registry *g, const char *name, ebb_receipt *receipt,
                        ebb_error *error)
{
    runtime *r = g->base.owner;
    ebb_status status = EBB_OK;

    *receipt = (ebb_receipt){0};
    *c = (change){.g = g, .begin_ns = clock_ns(), .receipt = receipt};
    c->deadline_ns = deadline_after(g->deadline_ns);
    pthread_mutex_lock(&r->mutex);
    c->n = registry_find_name(g, name);
    while (c->n != NULL && c->n->is_changing && !g->is_closing) {
        lifecycle_wait(r, 0);
        c->n = registry_find_name(g, name);
    }
    if (g->is_closing)
        status = fail(error, EBB_E_STALE, name, "the registry is being closed");
    else if (c->n == NULL)
        status = registry_unknown(g, NULL, name, 0, error);
    else
        c->n->is_changing = true;
    pthread_mutex_unlock(&r->mutex);
    return status;
}

static void end(change *c)
{
    runtime *r = c->g->base.owner;

    pthread_mutex_lock(&r->mutex);
    c->n->is_changing = false;
    registry_drop_empty(c->g, c->n);
    lifecycle_changed(r);
    pthread_mutex_unlock(&r->mutex);
    c->receipt->live_after = region_bytes_live(r->root);
    c->receipt->time_ns = clock_ns() - c->begin_ns;
}

/* Number 0: the highest. */
static ebb_status find(const change *c, uint64_t number, registry_version **v, ebb_error *error)
{
    runtime *r = c->g->base.owner;
    ebb_status status = EBB_OK;

    pthread_mutex_lock(&r->mutex);
    *v = registry_find_version(c->n, number);
    if (*v == NULL) status = registry_unknown(c->g, c->n, c->n->text, number, error);
    pthread_mutex_unlock(&r->mutex);
    return status;
}

static ebb_status find_active(const change *c, uint64_t number, registry_version **v,
                              ebb_error *error)
{
    const uint64_t wanted = number != 0 ? number : c->n->active;

    if (wanted == 0) return fail(error, EBB_E_STATE, c->n->text, "no version is active");
    return find(c, wanted, v, error);
}

/* -- loads and unloads ------------------------------------------------------------------------- */

static ebb_status load(const change *c, registry_version *v, ebb_error *error)
{
    runtime *r = c->g->base.owner;
    uint64_t id = 0;

    pthread_mutex_lock(&r->mutex);
    const bool is_there = model_is_there(v->model);
    if (is_there) v->is_leaving = false;
    pthread_mutex_unlock(&r->mutex);
    if (is_there) return EBB_OK;
    const ebb_status status = model_load(r, v->path, &v->load, &id, error);
    if (status != EBB_OK) return status;
    pthread_mutex_lock(&r->mutex);
    v->model = id;
    v->is_leaving = false;
    pthread_mutex_unlock(&r->mutex);
    return EBB_OK;
}

/* Takes the model from the version when its leases are back; no new ones come. E_BUSY: the version
 * has it again. */
static ebb_status unload(const change *c, registry_version *v, ebb_error *error)
{
    runtime *r = c->g->base.owner;
    ebb_receipt part = {0};
    ebb_status status = EBB_OK;

    pthread_mutex_lock(&r->mutex);
    const bool is_free = registry_wait_leases(c->g, v, c->deadline_ns);
    const uint64_t id = is_free ? v->model : 0;
    const uint32_t leases = v->leases;
    if (is_free) v->model = 0;
    pthread_mutex_unlock(&r->mutex);
    if (!is_free) {
        return fail(error, EBB_E_BUSY, c->n->text,
                    "%u leases of version %" PRIu64 " have not been returned", leases, v->number);
    }
    if (id != 0) status = model_unload_pinned(id, deadline_left(c->deadline_ns), &part, error);
    receipt_add(c->receipt, &part);
    pthread_mutex_lock(&r->mutex);
    if (status == EBB_E_BUSY)
        v->model = id;
    else
        v->is_leaving = false;
    pthread_mutex_unlock(&r->mutex);
    return status == EBB_E_BUSY ? status : EBB_OK;
}

/* The version goes, now or with its last lease: then the receipt says what is kept. */
static void let_go(const change *c, registry_version *v)
{
    runtime *r = c->g->base.owner;

    if (unload(c, v, NULL) == EBB_OK) return;
    pthread_mutex_lock(&r->mutex);
    v->is_leaving = true;
    const uint64_t bytes = model_bytes(v->model);
    pthread_mutex_unlock(&r->mutex);
    c->receipt->bytes_kept += bytes;
    snprintf(c->receipt->kept_reason, sizeof c->receipt->kept_reason,
             "version %" PRIu64 " of %.60s is in use; it goes with its last lease", v->number,
             c->n->text);
}

/* Versions that should have gone with a lease, but were busy with a call then. */
static void sweep(const change *c)
{
    for (registry_version *v = c->n->versions; v != NULL; v = v->next) {
        if (v->is_leaving && v->leases == 0) let_go(c, v);
    }
}

/* -- swaps ------------------------------------------------------------------------------------- */

static void remember(registry_name *n, uint64_t number)
{
    if (number == 0) return;
    if (n->earlier_count == REGISTRY_HISTORY_MAX) {
        n->earlier_count--;
        memmove(n->earlier, n->earlier + 1, n->earlier_count * sizeof *n->earlier);
    }
    n->earlier[n->earlier_count++] = number;
}

static void set_active(const change *c, uint64_t number)
{
    runtime *r = c->g->base.owner;

    pthread_mutex_lock(&r->mutex);
    c->n->active = number;
    pthread_mutex_unlock(&r->mutex);
}

/* Of the loaded versions only the active one and, if wanted, the one before it stay; versions that
 * somebody loaded beside them are left alone. */
static void let_old_go(const change *c, registry_version *old, uint64_t before_old)
{
    if (!c->g->keeps_previous) {
        let_go(c, old);
        return;
    }
    registry_version *v = before_old == 0 ? NULL : registry_find_version(c->n, before_old);
    if (v != NULL && v != old && v->number != c->n->active && v->model != 0) let_go(c, v);
}

static ebb_status old_first(const change *c, registry_version *old, registry_version *v,
                            ebb_error *error)
{
    ebb_status status = unload(c, old, error);

    if (status != EBB_OK) return status;
    set_active(c, 0);
    status = load(c, v, error);
    if (status != EBB_OK && load(c, old, NULL) == EBB_OK) set_active(c, old->number);
    return status;
}

/* Makes v the active version. `is_back`: the last of the earlier ones, which is then taken off. */
static ebb_status swap(const change *c, registry_version *v, bool is_back, ebb_error *error)
{
    registry_name *n = c->n;
    runtime *r = c->g->base.owner;
    const uint64_t was = n->active;
    registry_version *old = was == 0 ? NULL : registry_find_version(n, was);

    if (old == v) return load(c, v, error);
    const bool goes_first = old != NULL && c->g->old_first && !c->g->keeps_previous;
    const ebb_status status = goes_first ? old_first(c, old, v, error) : load(c, v, error);
    if (status != EBB_OK) return status;
    pthread_mutex_lock(&r->mutex);
    const uint64_t before = n->earlier_count > 0 ? n->earlier[n->earlier_count - 1] : 0;
    if (is_back)
        n->earlier_count--;
    else
        remember(n, was);
    n->active = v->number;
    pthread_mutex_unlock(&r->mutex);
    if (old != NULL && !goes_first) let_old_go(c, old, before);
    log_line(&r->log, EBB_LOG_INFO, "%s: version %" PRIu64 " is active", n->text, v->number);
    return EBB_OK;
}

ebb_status registry_load(registry *g, const char *name, uint64_t number, ebb_error *error)
{
    ebb_receipt ignored;
    change c;
    registry_version *v = NULL;
    ebb_status status = begin(&c, g, name, &ignored, error);

    if (status != EBB_OK) return status;
    sweep(&c);
    status = find(&c, number, &v, error);
    if (status == EBB_OK) status = load(&c, v, error);
    end(&c);
    return status;
}

ebb_status registry_activate(registry *g, const char *name, uint64_t number, ebb_receipt *receipt,
                             ebb_error *error)
{
    change c;
    registry_version *v = NULL;
    ebb_status status = begin(&c, g, name, receipt, error);

    if (status != EBB_OK) return status;
    sweep(&c);
    status = find(&c, number, &v, error);
    if (status == EBB_OK) status = swap(&c, v, false, error);
    end(&c);
    return status;
}

ebb_status registry_rollback(registry *g, const char *name, ebb_receipt *receipt, ebb_error *error)
{
    change c;
    registry_version *v = NULL;
    ebb_status status = begin(&c, g, name, receipt, error);

    if (status != EBB_OK) return status;
    sweep(&c);
    const uint32_t count = c.n->earlier_count;
    status = count == 0 ? fail(error, EBB_E_STATE, name, "no version was active before")
                        : find(&c, c.n->earlier[count - 1], &v, error);
    if (status == EBB_OK) status = swap(&c, v, true, error);
    end(&c);
    return status;
}

/* -- taking versions away ---------------------------------------------------------------------- */

static void was_unloaded(const change *c, const registry_version *v)
{
    if (c->n->active == v->number) set_active(c, 0);
}

ebb_status registry_unload(registry *g, const char *name, uint64_t number, ebb_receipt *receipt,
                           ebb_error *error)
{
    change c;
    registry_version *v = NULL;
    ebb_status status = begin(&c, g, name, receipt, error);

    if (status != EBB_OK) return status;
    sweep(&c);
    status = find_active(&c, number, &v, error);
    if (status == EBB_OK && v->model == 0) {
        status = fail(error, EBB_E_STATE, name, "version %" PRIu64 " is not loaded", v->number);
    }
    if (status == EBB_OK) status = unload(&c, v, error);
    if (status == EBB_OK) was_unloaded(&c, v);
    end(&c);
    return status;
}

static void drop(const change *c, registry_version *v)
{
    runtime *r = c->g->base.owner;

    pthread_mutex_lock(&r->mutex);
    registry_drop(c->g, c->n, v);
    pthread_mutex_unlock(&r->mutex);
}

ebb_status registry_forget(registry *g, const char *name, uint64_t number, ebb_receipt *receipt,
                           ebb_error *error)
{
    change c;
    registry_version *v = NULL;
    ebb_status status = begin(&c, g, name, receipt, error);

    if (status != EBB_OK) return status;
    status = find_active(&c, number, &v, error);
    if (status == EBB_OK) status = unload(&c, v, error);
    if (status == EBB_OK) drop(&c, v);
    end(&c);
    return status;
}

static ebb_status remove_files(const change *c, const registry_version *v, ebb_error *error)
{
    runtime *r = c->g->base.owner;
    const ebb_status status = model_files_remove(v->path, c->receipt, error);

    if (status != EBB_OK) return status;
    if (v->folder != NULL) (void)unlinkat(AT_FDCWD, v->folder, AT_REMOVEDIR); /* if it is empty */
    log_line(&r->log, EBB_LOG_INFO, "%s: deleted version %" PRIu64 ": %u files, %" PRIu64 " bytes",
             c->n->text, v->number, c->receipt->files_removed, c->receipt->files_bytes);
    return EBB_OK;
}

ebb_status registry_delete(registry *g, const char *name, uint64_t number, bool even_loaded,
                           ebb_receipt *receipt, ebb_error *error)
{
    change c;
    registry_version *v = NULL;
    ebb_status status = begin(&c, g, name, receipt, error);

    if (status != EBB_OK) return status;
    sweep(&c);
    status = find_active(&c, number, &v, error);
    if (status == EBB_OK && model_is_there(v->model) && !even_loaded) {
        status = fail(error, EBB_E_STATE, name,
                      "version %" PRIu64 " is loaded%s; unload it first, or say even_loaded",
                      v->number, c.n->active == v->number ? " and active" : "");
    }
    if (status == EBB_OK) status = model_files_check(v->path, NULL, error);
    if (status == EBB_OK) status = unload(&c, v, error);
    if (status == EBB_OK) was_unloaded(&c, v);
    if (status == EBB_OK) status = remove_files(&c, v, error);
    if (status == EBB_OK) drop(&c, v);
    end(&c);
    return status;
}
