/* session_open.c -- life of a session: opening, closing, its scope, and what others do to it: a
 * reset of its graph, a trim, a fork. */
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/options.h"
#include "runtime/scope.h"
#include "runtime/session/session_plan.h"

#define PLANS_MAX 4096u

static const char gone[] = "the session was closed, or the handle was never valid";

/* -- opening ----------------------------------------------------------------------------------- */

ebb_status session_options_read(const ebb_session_options *options, ebb_session_options *result,
                                ebb_error *error)
{
    *result = (ebb_session_options)EBB_SESSION_OPTIONS_INIT;
    const ebb_status status = options_copy(result, sizeof *result, options, "session options",
                                           "EBB_SESSION_OPTIONS_INIT", error);
    if (status != EBB_OK) return status;
    if (result->plans_max == 0) result->plans_max = PLANS_OF_SESSION;
    if (result->plans_max > PLANS_MAX)
        return fail(error, EBB_E_ARGUMENT, "session options", "plans_max: at most %u, got %u",
                    PLANS_MAX, result->plans_max);
    return EBB_OK;
}

static void graph_link(session *s)
{
    symbolic *g = s->graph;

    s->next = g->sessions;
    if (s->next != NULL) s->next->previous = s;
    g->sessions = s;
    g->session_count++;
}

static void graph_unlink(session *s)
{
    symbolic *g = s->graph;

    pthread_mutex_lock(&g->mutex);
    if (s->next != NULL) s->next->previous = s->previous;
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        g->sessions = s->next;
    g->session_count--;
    pthread_mutex_unlock(&g->mutex);
}

ebb_status session_make(symbolic *graph, region *parent, const ebb_session_options *o,
                        variable_store *variables, session **result, ebb_error *error)
{
    const char *name = o->name != NULL && o->name[0] != '\0' ? o->name : "session";
    region *home = region_open(parent, name, EBB_CLASS_META, o->bytes_max);

    *result = NULL;
    if (home == NULL) return region_fail(parent, error, name, "a session");
    session *s = region_new(home, session, 1);
    if (s != NULL) {
        s->name = region_text(home, name);
        s->plans = region_new(home, session_plan *, o->plans_max);
        s->plans_home = region_open(home, "plans", EBB_CLASS_META, 0);
    }
    if (s == NULL || s->name == NULL || s->plans == NULL || s->plans_home == NULL) {
        const ebb_status status = region_fail(home, error, name, "a session");
        region_close(home);
        return status;
    }
    region_mark_cached(s->plans_home);
    s->owner = graph->owner;
    s->graph = graph;
    s->home = home;
    s->options = *o;
    s->options.name = s->name;
    s->own.parent = home;
    s->variables = variables != NULL ? variables : &s->own;
    pthread_mutex_init(&s->mutex, NULL);
    graph_link(s);
    *result = s;
    return EBB_OK;
}

static void plans_close_all(session *s)
{
    for (uint32_t i = 0; i < s->options.plans_max; i++) {
        if (s->plans[i] != NULL) plan_close(s->plans[i]);
        s->plans[i] = NULL;
    }
    s->last = NULL;
}

static void receipt_of(const region *home, ebb_receipt *receipt)
{
    ebb_memory memory = {0};

    region_read(home, &memory);
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) receipt->bytes[i] += memory.by_class[i];
    receipt->bytes_total += memory.live;
}

void session_discard(session *s, ebb_receipt *receipt)
{
    runtime *r = s->owner;
    const bool had_plans = s->plans_made > 0;

    if (s->is_attached) runtime_detach(r, &s->attached);
    graph_unlink(s);
    if (s->scope != 0) scope_take(r, s->scope, receipt);
    receipt_of(s->home, receipt);
    plans_close_all(s);
    variable_store_close(&s->own);
    if (s->holds_executor) receipt->threads += executor_release(&r->executor);
    pthread_mutex_destroy(&s->mutex);
    region_close(s->home);
    if (had_plans) runtime_rest(r);
}

/* -- what others do ------------------------------------------------------------------------------
 */

static unsigned long this_thread(void)
{
    return (unsigned long)pthread_self();
}

bool session_is_own(const session *s)
{
    return atomic_load_explicit(&s->runner, memory_order_relaxed) == this_thread();
}

ebb_status session_enter(session *s, ebb_error *error)
{
    if (session_is_own(s))
        return fail(error, EBB_E_STATE, s->name, "called from inside a run of the same session");
    pthread_mutex_lock(&s->mutex);
    atomic_store_explicit(&s->runner, this_thread(), memory_order_relaxed);
    return EBB_OK;
}

void session_leave(session *s)
{
    atomic_store_explicit(&s->runner, 0, memory_order_relaxed);
    pthread_mutex_unlock(&s->mutex);
}

static bool fork_lock(void *object)
{
    session *s = object;

    return session_is_own(s) || pthread_mutex_trylock(&s->mutex) == 0;
}

static void fork_unlock(void *object, bool is_child)
{
    session *s = object;

    (void)is_child;
    if (!session_is_own(s)) pthread_mutex_unlock(&s->mutex);
}

uint64_t session_trim(session *s)
{
    if (session_is_own(s) || pthread_mutex_trylock(&s->mutex) != 0) return 0;
    const uint64_t before = region_bytes_live(s->plans_home);
    plans_close_all(s);
    const uint64_t after = region_bytes_live(s->plans_home);
    pthread_mutex_unlock(&s->mutex);
    return before - after;
}

static uint64_t trim(void *object)
{
    return session_trim(object);
}

session *session_next(session *s)
{
    return s->next;
}

void sessions_unlock(symbolic *graph)
{
    for (session *s = graph->sessions; s != NULL; s = s->next) pthread_mutex_unlock(&s->mutex);
}

ebb_status sessions_lock(symbolic *graph, ebb_error *error)
{
    for (session *s = graph->sessions; s != NULL; s = s->next) {
        if (!session_is_own(s) && pthread_mutex_trylock(&s->mutex) == 0) continue;
        for (session *held = graph->sessions; held != s; held = held->next)
            pthread_mutex_unlock(&held->mutex);
        return fail(error, EBB_E_STATE, graph->name,
                    "the session '%s' runs on the graph now; reset it when the run is over",
                    s->name);
    }
    return EBB_OK;
}

void session_empty(session *s, ebb_receipt *receipt)
{
    receipt_of(s->plans_home, receipt);
    plans_close_all(s);
    if (s->own.home != NULL) receipt_of(s->own.home, receipt);
    variable_store_close(&s->own);
    region_close(s->items_home);
    s->items_home = NULL;
    s->items = NULL;
    s->item_capacity = 0;
    s->stream = 0;
}

/* -- handles ----------------------------------------------------------------------------------- */

static void close_attached(void *object, ebb_receipt *receipt)
{
    session_discard(object, receipt);
}

static ebb_status open_on(symbolic *graph, const ebb_session_options *options, uint64_t *id,
                          ebb_error *error)
{
    ebb_receipt ignored = {0};
    ebb_session_options o;
    session *s = NULL;
    ebb_status status = session_options_read(options, &o, error);

    if (status != EBB_OK) return status;
    pthread_mutex_lock(&graph->mutex);
    status = session_make(graph, graph->owner->root, &o, NULL, &s, error);
    pthread_mutex_unlock(&graph->mutex);
    if (status != EBB_OK) return status;
    s->id = handle_issue(HANDLE_SESSION, s);
    if (s->id == 0) {
        session_discard(s, &ignored);
        return fail(error, EBB_E_MEMORY, "ebb_session_open", "no handle left for another session");
    }
    s->attached = (attachment){.kind = HANDLE_SESSION,
                               .id = s->id,
                               .object = s,
                               .close = close_attached,
                               .fork_lock = fork_lock,
                               .fork_unlock = fork_unlock,
                               .trim = trim};
    s->is_attached = true;
    *id = s->id;
    runtime_attach(s->owner, &s->attached);
    return EBB_OK;
}

ebb_status session_open(ebb_graph handle, const ebb_session_options *options, uint64_t *id,
                        ebb_error *error)
{
    runtime *r = symbolic_owner(handle); /* pinned: it is not closed before the session is known */
    symbolic *graph = r == NULL ? NULL : handle_acquire(HANDLE_GRAPH, handle.id);
    ebb_status status;

    if (graph == NULL)
        status = fail(error, EBB_E_STALE, "ebb_session_open",
                      "the graph was closed, or the handle was never valid");
    else
        status = open_on(graph, options, id, error);
    if (graph != NULL) handle_release(handle.id);
    if (r != NULL) handle_release(r->id);
    return status;
}

/* The runtime of a session that this thread may close, pinned. */
static ebb_status close_check(ebb_session handle, runtime **r, ebb_error *error)
{
    session *s = handle_acquire(HANDLE_SESSION, handle.id);

    if (s == NULL) return fail(error, EBB_E_STALE, "ebb_session_close", gone);
    const bool is_own = session_is_own(s);
    const ebb_runtime owner = {s->owner->id};
    const ebb_scope scope = {atomic_load(&s->scope)};
    handle_release(handle.id);
    if (is_own || (scope.id != 0 && scope_trains_here(scope)))
        return fail(error, EBB_E_STATE, "ebb_session_close",
                    "called from inside a run of the session, or by a callback of training in it: "
                    "it would wait for itself");
    *r = runtime_acquire(owner, "ebb_session_close", error);
    return *r == NULL ? EBB_E_STALE : EBB_OK;
}

ebb_status session_close(ebb_session handle, ebb_receipt *receipt, ebb_error *error)
{
    const uint64_t begin = clock_ns();
    ebb_receipt sum = {0};
    void *object = NULL;
    runtime *r = NULL;
    const ebb_status status = close_check(handle, &r, error);

    if (status != EBB_OK) return status;
    const bool won = handle_close_begin(HANDLE_SESSION, handle.id, 0, &object);
    if (won) {
        sum.wait_ns = clock_ns() - begin;
        session_discard(object, &sum);
        handle_close_end(handle.id);
    }
    sum.live_after = region_bytes_live(r->root);
    handle_release(r->id);
    if (!won) return fail(error, EBB_E_STALE, "ebb_session_close", gone);
    sum.time_ns = clock_ns() - begin;
    if (receipt != NULL) *receipt = sum;
    return EBB_OK;
}

ebb_status session_scope(session *s, ebb_scope *result, ebb_error *error)
{
    ebb_scope_options options = EBB_SCOPE_OPTIONS_INIT;
    uint64_t id = 0;
    ebb_status status = session_enter(s, error);

    if (status != EBB_OK) return status;
    id = atomic_load(&s->scope);
    if (id == 0 || !handle_alive(HANDLE_SCOPE, id)) {
        options.tag = s->name;
        status = scope_open_in(s->owner, s->home, s->id, &options, &id, error);
        if (status == EBB_OK) atomic_store(&s->scope, id);
    }
    session_leave(s);
    result->id = status == EBB_OK ? id : 0;
    return status;
}
