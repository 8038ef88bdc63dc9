/* scope.c -- see scope.h. */
#include "runtime/scope.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/status.h"
#include "mem/handle.h"
#include "mem/observer.h"
#include "runtime/lifecycle/temporary_file.h"
#include "runtime/options.h"
#include "runtime/training.h"

ebb_status scope_acquire(runtime *r, ebb_scope handle, scope **result, ebb_error *error)
{
    static const char where[] = "scope";

    *result = NULL;
    if (handle.id == 0) return EBB_OK;
    scope *s = handle_acquire(HANDLE_SCOPE, handle.id);
    if (s == NULL) {
        return fail(error, EBB_E_STALE, where,
                    "the scope was closed, or the handle was never valid");
    }
    if (s->owner != r) {
        handle_release(handle.id);
        return fail(error, EBB_E_ARGUMENT, where, "the scope belongs to another runtime");
    }
    *result = s;
    return EBB_OK;
}

void scope_release(const scope *s)
{
    if (s != NULL) handle_release(s->id);
}

/* -- opening ----------------------------------------------------------------------------------- */

static void scope_link(scope *s)
{
    runtime *r = s->owner;

    pthread_mutex_lock(&r->mutex);
    s->next = r->scopes;
    if (s->next != NULL) s->next->previous = s;
    r->scopes = s;
    pthread_mutex_unlock(&r->mutex);
}

static void scope_unlink(scope *s)
{
    runtime *r = s->owner;

    pthread_mutex_lock(&r->mutex);
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        r->scopes = s->next;
    if (s->next != NULL) s->next->previous = s->previous;
    pthread_mutex_unlock(&r->mutex);
}

static ebb_status scope_make(runtime *r, const ebb_scope_options *o, scope *parent, region *above,
                             scope **result, ebb_error *error)
{
    const char *tag = o->tag != NULL ? o->tag : "scope";

    if (parent != NULL && parent->depth + 1 >= SCOPE_DEPTH_MAX) {
        return fail(error, EBB_E_ARGUMENT, tag, "%u scopes are inside each other already",
                    SCOPE_DEPTH_MAX);
    }
    region *home = region_open(above, tag, EBB_CLASS_META, o->bytes_max);
    if (home == NULL) return region_fail(above, error, tag, "a scope");
    scope *s = region_new(home, scope, 1);
    if (s == NULL) {
        const ebb_status status = region_fail(home, error, tag, "a scope");
        region_close(home);
        return status;
    }
    region_mark_group(home);
    s->owner = r;
    s->parent = parent;
    s->home = home;
    s->depth = parent != NULL ? parent->depth + 1 : 0;
    *result = s;
    return EBB_OK;
}

ebb_status scope_open_in(runtime *r, region *above, uint64_t session,
                         const ebb_scope_options *options, uint64_t *id, ebb_error *error)
{
    ebb_scope_options o = EBB_SCOPE_OPTIONS_INIT;
    scope *parent = NULL, *s = NULL;
    ebb_status status =
        options_copy(&o, sizeof o, options, "scope options", "EBB_SCOPE_OPTIONS_INIT", error);

    if (status == EBB_OK) status = scope_acquire(r, o.parent, &parent, error);
    if (parent != NULL) above = parent->home;
    if (status == EBB_OK) status = scope_make(r, &o, parent, above, &s, error);
    if (status == EBB_OK) {
        s->holder = session;
        scope_link(s);
        *id = s->id = handle_issue(HANDLE_SCOPE, s);
        if (s->id == 0) {
            scope_unlink(s);
            region_close(s->home);
            status =
                fail(error, EBB_E_MEMORY, "ebb_scope_open", "no handle left for another scope");
        }
    }
    scope_release(parent);
    return status;
}

ebb_status scope_open(runtime *r, const ebb_scope_options *options, uint64_t *id, ebb_error *error)
{
    return scope_open_in(r, r->root, 0, options, id, error);
}

/* -- closing ----------------------------------------------------------------------------------- */

static scope *inner_scope(const scope *s)
{
    pthread_mutex_lock(&s->owner->mutex);
    scope *inner = s->owner->scopes;
    while (inner != NULL && inner->parent != s) inner = inner->next;
    pthread_mutex_unlock(&s->owner->mutex);
    return inner;
}

static model *inner_model(const scope *s)
{
    pthread_mutex_lock(&s->owner->mutex);
    model *m = s->owner->models;
    while (m != NULL && m->scope != s) m = m->next;
    pthread_mutex_unlock(&s->owner->mutex);
    return m;
}

/* The scope is closing and nobody holds it. In a forked child there may be models and scopes that a
 * thread of the parent was taking apart: they leave the lists and go with the region. Recursion:
 * SCOPE_DEPTH_MAX. */
static void scope_end(scope *s, ebb_receipt *sum)
{
    ebb_memory rest = {0};
    ebb_receipt own = {0};

    for (scope *inner = inner_scope(s); inner != NULL; inner = inner_scope(s)) {
        void *object = NULL;
        const uint64_t id = inner->id;
        const bool won = handle_close_begin(HANDLE_SCOPE, id, 0, &object);
        scope_end(inner, sum);
        if (won) handle_close_end(id);
    }
    for (model *m = inner_model(s); m != NULL; m = inner_model(s)) {
        ebb_receipt part = {0};
        if (model_unload(m->id, NULL, &part, NULL) == EBB_OK)
            receipt_add(sum, &part);
        else
            model_unlink(m);
    }
    temporaries_remove(s->owner, s->id, sum);
    region_read(s->home, &rest);
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) own.bytes[i] = rest.by_class[i];
    own.bytes_total = rest.live;
    receipt_add(sum, &own);
    scope_unlink(s);
    region_close(s->home);
}

/* The scope around it, or the session that it is in, stays pinned meanwhile: closing that one
 * waits. */
static bool parent_acquire(uint64_t id, uint64_t *parent)
{
    const scope *s = handle_acquire(HANDLE_SCOPE, id);

    *parent = 0;
    if (s == NULL) return false;
    const uint64_t found = s->parent != NULL ? s->parent->id : s->holder;
    const handle_kind kind = s->parent != NULL ? HANDLE_SCOPE : HANDLE_SESSION;
    handle_release(id);
    if (found == 0) return true;
    if (handle_acquire(kind, found) == NULL) return false;
    *parent = found;
    return true;
}

static bool is_inside(const scope *s, const scope *around)
{
    while (s != NULL && s != around) s = s->parent;
    return s != NULL;
}

bool scope_trains_here(ebb_scope handle)
{
    const scope *s = handle_acquire(HANDLE_SCOPE, handle.id);
    bool found = false;

    if (s == NULL) return false;
    pthread_mutex_lock(&s->owner->mutex);
    for (model *m = s->owner->models; m != NULL && !found; m = m->next)
        found = is_inside(m->scope, s) && training_is_own(m);
    pthread_mutex_unlock(&s->owner->mutex);
    handle_release(handle.id);
    return found;
}

ebb_status scope_close(ebb_scope handle, ebb_receipt *receipt, ebb_error *error)
{
    const uint64_t begin = clock_ns();
    ebb_receipt sum = {0};
    void *object = NULL;
    uint64_t parent = 0;

    if (scope_trains_here(handle)) {
        return fail(error, EBB_E_STATE, "ebb_scope_close",
                    "called by a callback of the training it would wait for");
    }
    const bool found = parent_acquire(handle.id, &parent) &&
                       handle_close_begin(HANDLE_SCOPE, handle.id, 0, &object);

    if (found) {
        scope *s = object;
        runtime *r = s->owner;
        sum.wait_ns = clock_ns() - begin;
        scope_end(s, &sum);
        sum.live_after = region_bytes_live(r->root);
        handle_close_end(handle.id);
    }
    if (parent != 0) handle_release(parent);
    if (!found) {
        return fail(error, EBB_E_STALE, "ebb_scope_close",
                    "the scope was closed, or the handle was never valid");
    }
    sum.time_ns = clock_ns() - begin;
    if (receipt != NULL) *receipt = sum;
    return EBB_OK;
}

void scope_take(runtime *r, uint64_t id, ebb_receipt *sum)
{
    void *object = NULL;

    if (handle_close_begin(HANDLE_SCOPE, id, 0, &object)) {
        scope_end(object, sum);
        handle_close_end(id);
        return;
    }
    /* In a forked child: a thread of the parent was closing it. */
    pthread_mutex_lock(&r->mutex);
    scope *s = r->scopes;
    while (s != NULL && s->id != id) s = s->next;
    pthread_mutex_unlock(&r->mutex);
    if (s != NULL) scope_unlink(s);
}

void scopes_close(runtime *r)
{
    ebb_receipt ignored = {0};

    while (r->scopes != NULL) {
        scope *s = r->scopes;
        while (s->parent != NULL) s = s->parent;
        void *object = NULL;
        const uint64_t id = s->id;
        const bool won = handle_close_begin(HANDLE_SCOPE, id, 0, &object);
        scope_end(s, &ignored);
        if (won) handle_close_end(id);
    }
}

/* -- admission --------------------------------------------------------------------------------- */

ebb_status scope_admit(const model *m, const char *path, const ebb_plan *plan, ebb_error *error)
{
    for (const scope *s = m->scope; s != NULL; s = s->parent) {
        const uint64_t limit = region_bytes_max(s->home);
        const uint64_t live = region_bytes_live(s->home) - region_bytes_live(m->home);
        if (limit == 0 || (live <= limit && plan->peak <= limit - live)) continue;
        return fail(error, EBB_E_MEMORY, path,
                    "needs %" PRIu64 " bytes while loading, but of the scope's limit of %" PRIu64
                    " only %" PRIu64
                    " are free; unload a model of the scope, or ask for less with a smaller batch "
                    "or fewer lanes",
                    plan->peak, limit, live < limit ? limit - live : 0);
    }
    return EBB_OK;
}
