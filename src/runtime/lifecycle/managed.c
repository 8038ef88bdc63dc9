/* managed.c -- see managed.h. */
#include "runtime/lifecycle/managed.h"

#include "base/clock.h"
#include "base/status.h"
#include "runtime/options.h"

ebb_status managed_make(runtime *r, handle_kind kind, const char *tag, size_t bytes,
                        void (*close)(void *object, ebb_receipt *receipt), managed **result,
                        ebb_error *error)
{
    region *home = region_open(r->root, tag, EBB_CLASS_META, 0);
    managed *m = home == NULL ? NULL : region_alloc(home, 1, bytes);

    if (m == NULL) {
        const ebb_status status = region_fail(home == NULL ? r->root : home, error, tag, tag);
        region_close(home);
        return status;
    }
    m->link = (attachment){.kind = kind, .object = m, .close = close};
    m->owner = r;
    m->home = home;
    *result = m;
    return EBB_OK;
}

ebb_status managed_issue(managed *m, uint64_t *id, ebb_error *error)
{
    *id = m->link.id = handle_issue(m->link.kind, m);
    if (*id == 0) return fail(error, EBB_E_MEMORY, "handles", "no handle left");
    runtime_attach(m->owner, &m->link);
    return EBB_OK;
}

void *managed_acquire(handle_kind kind, uint64_t id, const char *where, ebb_error *error)
{
    managed *m = handle_acquire(kind, id);

    if (m == NULL) {
        fail(error, EBB_E_STALE, where, "it was closed, or the handle was never valid");
        return NULL;
    }
    if (handle_acquire(HANDLE_RUNTIME, m->owner->id) == NULL) {
        handle_release(id);
        fail(error, EBB_E_STALE, where, "its runtime is being closed");
        return NULL;
    }
    return m;
}

void managed_release(managed *m)
{
    const uint64_t owner = m->owner->id;

    handle_release(m->link.id);
    handle_release(owner);
}

ebb_status managed_close(handle_kind kind, uint64_t id, const char *where, uint64_t deadline_ns,
                         ebb_receipt *receipt, ebb_error *error)
{
    const uint64_t begin = clock_ns();
    ebb_receipt local = {0};
    void *object = NULL;
    managed *m = managed_acquire(kind, id, where, error);

    if (m == NULL) return EBB_E_STALE;
    runtime *const r = m->owner;
    const uint64_t owner = r->id;
    handle_release(id);
    const bool is_ours = handle_close_begin(kind, id, deadline_ns, &object);
    if (is_ours) {
        local.wait_ns = clock_ns() - begin;
        ((managed *)object)->link.close(object, &local);
        handle_close_end(id);
        local.live_after = region_bytes_live(r->root);
        local.time_ns = clock_ns() - begin;
        if (receipt != NULL) *receipt = local;
    }
    handle_release(owner);
    if (is_ours) return EBB_OK;
    if (object == NULL) return fail(error, EBB_E_STALE, where, "it is being closed already");
    return fail(error, EBB_E_BUSY, where, "calls were still running when the deadline passed");
}

void managed_end(managed *m, ebb_receipt *receipt)
{
    ebb_memory held = {0};
    ebb_receipt own = {0};

    region_read(m->home, &held);
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) own.bytes[i] = held.by_class[i];
    own.bytes_total = held.live;
    receipt_add(receipt, &own);
    runtime_detach(m->owner, &m->link);
    region_close(m->home);
}

ebb_status load_options_keep(region *home, const ebb_load_options *options,
                             ebb_load_options *result, ebb_error *error)
{
    const ebb_load_options defaults = EBB_LOAD_OPTIONS_INIT;

    *result = defaults;
    const ebb_status status = options_copy(result, sizeof *result, options, "load options",
                                           "EBB_LOAD_OPTIONS_INIT", error);
    if (status != EBB_OK) return status;
    const char *const device = result->device, *const architecture = result->architecture;
    result->device = region_text(home, device);
    result->architecture = region_text(home, architecture);
    if ((device != NULL && result->device == NULL) ||
        (architecture != NULL && result->architecture == NULL)) {
        return region_fail(home, error, "load options", "their texts");
    }
    return EBB_OK;
}

ebb_status model_unload_pinned(uint64_t id, uint64_t wait_ns, ebb_receipt *receipt,
                               ebb_error *error)
{
    ebb_unload_options options = EBB_UNLOAD_OPTIONS_INIT;
    uint64_t scope_id = 0;

    options.deadline_ns = wait_ns;
    if (!model_scope_acquire((ebb_model){id}, &scope_id, "model", error)) return EBB_E_STALE;
    const ebb_status status = model_unload(id, &options, receipt, error);
    model_scope_release(scope_id);
    return status;
}

bool model_is_there(uint64_t id)
{
    return id != 0 && handle_alive(HANDLE_MODEL, id);
}

uint64_t model_bytes(uint64_t id)
{
    const model *m = id == 0 ? NULL : handle_acquire(HANDLE_MODEL, id);

    if (m == NULL) return 0;
    const uint64_t bytes = region_bytes_live(m->home);
    handle_release(id);
    return bytes;
}
