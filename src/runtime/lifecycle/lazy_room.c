/* lazy_room.c -- room for a wrapper's load: what is short under the limits above it, and which idle
 * wrappers go, the least recently used first. Nothing goes when all of it together would not be
 * enough. */
#include "runtime/lifecycle/lazy.h"
#include "runtime/scope.h"

/* How many bytes are missing for `need` more; 0: none, or no limit. */
static uint64_t shortage(const region *limited, uint64_t need)
{
    const uint64_t limit = region_bytes_max(limited), live = region_bytes_live(limited);

    if (limit == 0 || (live <= limit && need <= limit - live)) return 0;
    return need - (live < limit ? limit - live : 0);
}

static bool is_under(const scope *inner, const scope *limited)
{
    if (limited == NULL) return true; /* the runtime's limit */
    while (inner != NULL && inner != limited) inner = inner->parent;
    return inner != NULL;
}

/* Bytes that a wrapper's model holds under the limit of `limited`. The mutex is held. */
static uint64_t bytes_under(const lazy *l, const scope *limited)
{
    const model *m = l->model == 0 ? NULL : handle_acquire(HANDLE_MODEL, l->model);
    uint64_t bytes = 0;

    if (m == NULL) return 0;
    if (is_under(m->scope, limited)) bytes = region_bytes_live(m->home);
    handle_release(l->model);
    return bytes;
}

#define LOOK_AGAIN_NS 1000000u /* after a model that somebody else unloads */

/* Is a model being unloaded, or about to be? */
static bool one_is_going(const runtime *r)
{
    const model *m = r->models;

    while (m != NULL && !handle_is_going(HANDLE_MODEL, m->id)) m = m->next;
    return m != NULL || r->lifecycle.unloads > 0;
}

/* What idle wrappers, and those in use, hold under a limit; what one is being loaded with counts as
 * enough. */
static void sums_under(const lazy *asks, const scope *limited, uint64_t *idle, uint64_t *used)
{
    *idle = *used = 0;
    for (const lazy *l = asks->base.owner->lifecycle.lazies; l != NULL; l = l->next) {
        if (l == asks) continue;
        if (l->is_busy)
            *used = UINT32_MAX * (uint64_t)UINT32_MAX;
        else if (lazy_is_idle(l))
            *idle += bytes_under(l, limited);
        else
            *used += bytes_under(l, limited);
    }
}

static lazy *least_recent(const lazy *asks, const scope *limited)
{
    lazy *found = NULL;

    for (lazy *l = asks->base.owner->lifecycle.lazies; l != NULL; l = l->next) {
        if (l == asks || !lazy_is_idle(l) || bytes_under(l, limited) == 0) continue;
        if (found == NULL || l->used_at_ns < found->used_at_ns) found = l;
    }
    return found;
}

/* Room under one limit. The mutex is held, and let go while models are unloaded and while others
 * are waited for. */
static bool make_room_under(lazy *asks, const region *limited, const scope *s, uint64_t need,
                            uint64_t give_up_ns)
{
    runtime *r = asks->base.owner;

    for (;;) {
        uint64_t idle, used;
        const uint64_t missing = shortage(limited, need);
        if (missing == 0) return true;
        sums_under(asks, s, &idle, &used);
        if (idle < missing && one_is_going(r)) {
            const uint64_t soon = deadline_after(LOOK_AGAIN_NS);
            if (soon > give_up_ns) return false;
            (void)lifecycle_wait(r, soon);
            continue;
        }
        if (idle < missing) {
            if (idle + used < missing || !lifecycle_wait(r, give_up_ns)) return false;
            continue;
        }
        lazy *l = least_recent(asks, s);
        const uint64_t id = l == NULL ? 0 : l->base.link.id;
        if (l == NULL || handle_acquire(HANDLE_LAZY, id) == NULL) return false;
        lazy_take_model(l, LAZY_EVICTED, NULL);
        handle_release(id);
    }
}

bool lazy_make_room(lazy *l, const ebb_plan *plan, uint64_t give_up_ns)
{
    runtime *r = l->base.owner;
    scope *home = NULL;

    if (plan->peak == 0) return false; /* it was not even planned */
    if (l->load.bytes_max != 0 && plan->peak > l->load.bytes_max) return false;
    if (scope_acquire(r, l->load.scope, &home, NULL) != EBB_OK) return false;
    bool is_limited = region_bytes_max(r->root) != 0;
    for (const scope *s = home; s != NULL; s = s->parent)
        is_limited |= region_bytes_max(s->home) != 0;
    pthread_mutex_lock(&r->mutex);
    bool has_room = is_limited && make_room_under(l, r->root, NULL, plan->peak, give_up_ns);
    for (const scope *s = home; s != NULL && has_room; s = s->parent)
        has_room = make_room_under(l, s->home, s, plan->peak, give_up_ns);
    pthread_mutex_unlock(&r->mutex);
    scope_release(home);
    return has_room;
}
