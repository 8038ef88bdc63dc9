/* lazy.c -- see lazy.h. */
#include "runtime/lifecycle/lazy.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/status.h"
#include "runtime/options.h"

#define IDLE_DEFAULT_NS ((uint64_t)300 * 1000000000u)
#define TRIES_MAX       16u

/* -- opening and closing ----------------------------------------------------------------------- */

static void link_lazy(lazy *l)
{
    runtime *r = l->base.owner;

    pthread_mutex_lock(&r->mutex);
    l->next = r->lifecycle.lazies;
    if (l->next != NULL) l->next->previous = l;
    r->lifecycle.lazies = l;
    pthread_mutex_unlock(&r->mutex);
}

static void unlink_lazy(lazy *l)
{
    runtime *r = l->base.owner;

    pthread_mutex_lock(&r->mutex);
    if (l->previous != NULL)
        l->previous->next = l->next;
    else
        r->lifecycle.lazies = l->next;
    if (l->next != NULL) l->next->previous = l->previous;
    lifecycle_changed(r);
    pthread_mutex_unlock(&r->mutex);
}

/* Nobody uses the wrapper. Calls with the model's own handle are waited for. */
static void end(void *object, ebb_receipt *receipt)
{
    lazy *l = object;
    ebb_receipt part = {0};

    unlink_lazy(l);
    if (l->model != 0 && model_unload_pinned(l->model, 0, &part, NULL) == EBB_OK)
        receipt_add(receipt, &part);
    managed_end(&l->base, receipt);
}

static void after_fork(void *object)
{
    lazy *l = object;

    l->is_busy = l->is_closing = false;
    l->users = 0;
}

ebb_status lazy_open(runtime *r, const char *path, const ebb_lazy_options *options, uint64_t *id,
                     ebb_error *error)
{
    ebb_lazy_options o = EBB_LAZY_OPTIONS_INIT;
    managed *m = NULL;
    ebb_status status =
        options_copy(&o, sizeof o, options, "lazy options", "EBB_LAZY_OPTIONS_INIT", error);

    if (status == EBB_OK)
        status = managed_make(r, HANDLE_LAZY, "lazy model", sizeof(lazy), end, &m, error);
    if (status != EBB_OK) return status;
    lazy *l = (lazy *)m;
    status = load_options_keep(m->home, o.load, &l->load, error);
    l->path = region_text(m->home, path);
    if (status == EBB_OK && l->path == NULL) status = region_fail(m->home, error, path, "its name");
    if (status != EBB_OK) {
        region_close(m->home);
        return status;
    }
    l->idle_ns = o.idle_ns != 0 ? o.idle_ns : IDLE_DEFAULT_NS;
    l->wait_ns = o.wait_ns;
    m->link.after_fork = after_fork;
    status = managed_issue(m, id, error);
    if (status == EBB_OK)
        link_lazy(l);
    else
        region_close(m->home);
    return status;
}

static void reopen(ebb_lazy handle)
{
    lazy *l = managed_acquire(HANDLE_LAZY, handle.id, "ebb_lazy_close", NULL);

    if (l == NULL) return;
    pthread_mutex_lock(&l->base.owner->mutex);
    l->is_closing = false;
    pthread_mutex_unlock(&l->base.owner->mutex);
    managed_release(&l->base);
}

ebb_status lazy_close(ebb_lazy handle, const ebb_unload_options *options, ebb_receipt *receipt,
                      ebb_error *error)
{
    static const char where[] = "ebb_lazy_close";
    ebb_unload_options o = EBB_UNLOAD_OPTIONS_INIT;
    ebb_status status =
        options_copy(&o, sizeof o, options, "unload options", "EBB_UNLOAD_OPTIONS_INIT", error);

    if (status != EBB_OK) return status;
    lazy *l = managed_acquire(HANDLE_LAZY, handle.id, where, error);
    if (l == NULL) return EBB_E_STALE;
    runtime *r = l->base.owner;
    const uint64_t deadline = deadline_after(o.deadline_ns);
    bool in_time = true;
    pthread_mutex_lock(&r->mutex);
    l->is_closing = true;
    while (l->users > 0 && in_time) in_time = lifecycle_wait(r, deadline);
    const uint32_t users = l->users;
    if (users > 0) l->is_closing = false;
    pthread_mutex_unlock(&r->mutex);
    managed_release(&l->base);
    if (users > 0) {
        return fail(error, EBB_E_BUSY, where, "%u users have not released the model yet", users);
    }
    status = managed_close(HANDLE_LAZY, handle.id, where, deadline, receipt, error);
    if (status == EBB_E_BUSY) reopen(handle);
    return status;
}

/* -- loading ----------------------------------------------------------------------------------- */

/* Loads until it fits: idle models go, the next try takes their room. Another load may be faster,
 * so a try may fail though there was room. Nobody else loads this wrapper meanwhile. */
static ebb_status load(lazy *l, uint64_t *id, ebb_error *error)
{
    runtime *r = l->base.owner;
    const uint64_t give_up = deadline_after(l->wait_ns != 0 ? l->wait_ns : 1);

    for (uint32_t tries = 1;; tries++) {
        ebb_plan plan = {0};
        model *staged = NULL;
        const uint64_t begin = clock_ns();
        ebb_status status = model_plan(r, l->path, &l->load, &plan, &staged, error);
        if (status == EBB_OK)
            status = model_finish(staged, l->path, begin, id, error);
        else
            model_discard(staged);
        if (status != EBB_E_MEMORY || (tries >= TRIES_MAX && clock_ns() >= give_up)) return status;
        if (!lazy_make_room(l, &plan, give_up)) return status;
    }
}

/* The mutex is held, and let go while it loads. */
static ebb_status load_once(lazy *l)
{
    runtime *r = l->base.owner;
    ebb_error error = {0};
    uint64_t id = 0;

    l->is_busy = true;
    pthread_mutex_unlock(&r->mutex);
    const ebb_status status = load(l, &id, &error);
    if (status != EBB_OK) model_load_failed(r, l->path, &error);
    pthread_mutex_lock(&r->mutex);
    l->is_busy = false;
    l->attempts++;
    l->status = status;
    l->error = error;
    l->model = status == EBB_OK ? id : 0;
    l->loads += status == EBB_OK;
    lifecycle_changed(r);
    return status;
}

/* Loaded, and counted as a user. Who waits for another's load shares its end. */
static ebb_status use(lazy *l, ebb_error *error)
{
    runtime *r = l->base.owner;

    for (;;) {
        if (l->is_closing) return fail(error, EBB_E_STALE, l->path, "the wrapper is being closed");
        if (l->is_busy) {
            const uint64_t seen = l->attempts;
            while (l->is_busy) lifecycle_wait(r, 0);
            if (l->attempts == seen || l->status == EBB_OK) continue;
        } else if (model_is_there(l->model)) {
            l->users++;
            l->used_at_ns = clock_ns();
            return EBB_OK;
        } else if (load_once(l) == EBB_OK) {
            continue;
        }
        if (error != NULL) *error = l->error;
        return l->status;
    }
}

ebb_status lazy_acquire(lazy *l, ebb_model *model, ebb_error *error)
{
    runtime *r = l->base.owner;

    idle_collect(r, false, NULL);
    pthread_mutex_lock(&r->mutex);
    const ebb_status status = use(l, error);
    model->id = status == EBB_OK ? l->model : 0;
    pthread_mutex_unlock(&r->mutex);
    return status;
}

ebb_status lazy_release(lazy *l)
{
    runtime *r = l->base.owner;

    pthread_mutex_lock(&r->mutex);
    const bool is_user = l->users > 0;
    if (is_user) {
        l->users--;
        l->used_at_ns = clock_ns();
        const uint64_t idle_at = l->used_at_ns + l->idle_ns;
        if (idle_at >= l->used_at_ns && idle_at < r->lifecycle.idle_at_ns)
            r->lifecycle.idle_at_ns = idle_at;
        if (l->users == 0) lifecycle_changed(r);
    }
    pthread_mutex_unlock(&r->mutex);
    idle_collect(r, false, NULL);
    return is_user ? EBB_OK : EBB_E_STATE;
}

/* -- unloading --------------------------------------------------------------------------------- */

bool lazy_is_idle(const lazy *l)
{
    return l->model != 0 && l->users == 0 && !l->is_busy;
}

ebb_status lazy_take_model(lazy *l, lazy_reason reason, ebb_receipt *receipt)
{
    runtime *r = l->base.owner;
    const uint64_t id = l->model, idle_ns = clock_ns() - l->used_at_ns;
    ebb_receipt local = {0};

    l->is_busy = true;
    pthread_mutex_unlock(&r->mutex);
    const ebb_status status = model_unload_pinned(id, 1, &local, NULL);
    if (status == EBB_OK) {
        log_line(&r->log, EBB_LOG_INFO, "%s: unloaded %s, unused for %" PRIu64 " ms", l->path,
                 reason == LAZY_IDLE      ? "because it is idle"
                 : reason == LAZY_EVICTED ? "to make room"
                                          : "as asked",
                 idle_ns / 1000000u);
    }
    if (receipt != NULL) receipt_add(receipt, &local);
    pthread_mutex_lock(&r->mutex);
    l->is_busy = false;
    if (status == EBB_E_BUSY) {
        l->used_at_ns = clock_ns(); /* somebody does use it */
    } else {
        l->model = 0;
        l->unloads++;
        l->evictions += reason == LAZY_EVICTED;
    }
    lifecycle_changed(r);
    return status == EBB_E_BUSY ? status : EBB_OK;
}

ebb_status lazy_unload(lazy *l, ebb_receipt *receipt, ebb_error *error)
{
    runtime *r = l->base.owner;
    ebb_receipt local = {0};
    ebb_status status = EBB_OK;

    pthread_mutex_lock(&r->mutex);
    while (l->is_busy) lifecycle_wait(r, 0);
    if (l->users > 0)
        status = EBB_E_BUSY;
    else if (l->model != 0)
        status = lazy_take_model(l, LAZY_ASKED, &local);
    pthread_mutex_unlock(&r->mutex);
    local.live_after = region_bytes_live(r->root);
    if (receipt != NULL) *receipt = local;
    if (status == EBB_OK) return EBB_OK;
    return fail(error, status, l->path, "the model is in use; release it first");
}

void lazy_info(lazy *l, ebb_lazy_info *info)
{
    runtime *r = l->base.owner;

    *info = (ebb_lazy_info){0};
    pthread_mutex_lock(&r->mutex);
    info->is_loaded = model_is_there(l->model);
    info->users = l->users;
    info->bytes_live = model_bytes(l->model);
    if (info->is_loaded && l->users == 0) info->idle_ns = clock_ns() - l->used_at_ns;
    info->loads = l->loads;
    info->unloads = l->unloads;
    info->evictions = l->evictions;
    pthread_mutex_unlock(&r->mutex);
}
