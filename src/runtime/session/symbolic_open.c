/* symbolic_open.c -- life of public graphs: opening, closing, resetting, and the default graph of
 * each thread.
 *
 * What a thread's default graph is in which runtime is the thread's own memory, so it ends with it;
 * runtimes that are closed make room. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "mem/handle.h"
#include "runtime/options.h"
#include "runtime/session/session_core.h"
#include "runtime/session/symbolic.h"

#define DEFAULTS_MAX 16u /* runtimes in which a thread has a default graph */

static const char gone[] = "the graph was closed, or the handle was never valid";

/* -- body -------------------------------------------------------------------------------------- */

static ebb_status body_make(symbolic *s, sym_body *body, ebb_error *error)
{
    *body = (sym_body){.home = region_open(s->home, "body", EBB_CLASS_META, 0)};
    if (body->home == NULL) return region_fail(s->home, error, s->name, "a graph");
    graph *g = graph_open(body->home);
    const shape scalar = {0};
    body->build = (tf_build){.graph = g, .home = body->home, .seed = s->seed};
    if (g != NULL) body->build.random = graph_input(g, EBB_I32, &scalar);
    if (g != NULL && graph_ok(g)) return EBB_OK;
    const ebb_status status = region_fail(body->home, error, s->name, "a graph");
    region_close(body->home);
    return status;
}

/* -- opening ----------------------------------------------------------------------------------- */

ebb_status symbolic_make(runtime *r, region *parent, const ebb_graph_options *o, symbolic **result,
                         ebb_error *error)
{
    const char *name = o->name != NULL && o->name[0] != '\0' ? o->name : "graph";
    region *home = region_open(parent, name, EBB_CLASS_META, o->bytes_max);

    *result = NULL;
    if (home == NULL) return region_fail(parent, error, name, "a graph");
    symbolic *s = region_new(home, symbolic, 1);
    if (s != NULL) s->name = region_text(home, name);
    if (s == NULL || s->name == NULL) {
        const ebb_status status = region_fail(home, error, name, "a graph");
        region_close(home);
        return status;
    }
    s->owner = r;
    s->home = home;
    s->nodes_max = o->nodes_max == 0 ? SYM_NODES_MAX : o->nodes_max;
    s->bytes_max = o->bytes_max;
    s->seed = o->seed;
    const ebb_status status = body_make(s, &s->body, error);
    if (status != EBB_OK) {
        region_close(home);
        return status;
    }
    pthread_mutex_init(&s->mutex, NULL);
    *result = s;
    return EBB_OK;
}

void symbolic_discard(symbolic *s)
{
    if (s->is_attached) runtime_detach(s->owner, &s->attached);
    pthread_mutex_destroy(&s->mutex);
    region_close(s->home);
}

static void receipt_of(const region *home, ebb_receipt *receipt)
{
    ebb_memory memory = {0};

    region_read(home, &memory);
    for (uint32_t i = 0; i < EBB_CLASS_COUNT; i++) receipt->bytes[i] += memory.by_class[i];
    receipt->bytes_total += memory.live;
}

static void close_attached(void *object, ebb_receipt *receipt)
{
    symbolic *s = object;

    receipt_of(s->home, receipt);
    symbolic_discard(s);
}

static bool fork_lock(void *object)
{
    symbolic *s = object;

    return pthread_mutex_trylock(&s->mutex) == 0;
}

static void fork_unlock(void *object, bool is_child)
{
    symbolic *s = object;

    (void)is_child;
    pthread_mutex_unlock(&s->mutex);
}

ebb_status symbolic_open(runtime *r, const ebb_graph_options *options, uint64_t *id,
                         ebb_error *error)
{
    ebb_graph_options o = EBB_GRAPH_OPTIONS_INIT;
    symbolic *s = NULL;
    ebb_status status =
        options_copy(&o, sizeof o, options, "graph options", "EBB_GRAPH_OPTIONS_INIT", error);

    if (status == EBB_OK) status = symbolic_make(r, r->root, &o, &s, error);
    if (status != EBB_OK) return status;
    s->id = handle_issue(HANDLE_GRAPH, s);
    if (s->id == 0) {
        symbolic_discard(s);
        return fail(error, EBB_E_MEMORY, "ebb_graph_open", "no handle left for another graph");
    }
    s->attached = (attachment){.kind = HANDLE_GRAPH,
                               .id = s->id,
                               .object = s,
                               .close = close_attached,
                               .fork_lock = fork_lock,
                               .fork_unlock = fork_unlock};
    s->is_attached = true;
    *id = s->id;
    runtime_attach(r, &s->attached);
    return EBB_OK;
}

/* -- entering ---------------------------------------------------------------------------------- */

symbolic *symbolic_enter(ebb_graph handle, const char *where, ebb_error *error)
{
    symbolic *s = handle_acquire(HANDLE_GRAPH, handle.id);

    if (s == NULL) {
        fail(error, EBB_E_STALE, where, gone);
        return NULL;
    }
    pthread_mutex_lock(&s->mutex);
    return s;
}

void symbolic_leave(symbolic *s)
{
    const uint64_t id = s->id;

    pthread_mutex_unlock(&s->mutex);
    handle_release(id);
}

runtime *symbolic_owner(ebb_graph handle)
{
    const symbolic *s = handle_acquire(HANDLE_GRAPH, handle.id);

    if (s == NULL) return NULL;
    const ebb_runtime owner = {s->owner->id};
    handle_release(handle.id);
    return runtime_acquire(owner, "graph", NULL);
}

/* -- closing ----------------------------------------------------------------------------------- */

/* Why it cannot be closed now. */
static ebb_status check_free(symbolic *s, ebb_error *error)
{
    pthread_mutex_lock(&s->mutex);
    const uint32_t sessions = s->session_count;
    const bool is_trace = s->is_trace;
    pthread_mutex_unlock(&s->mutex);
    if (is_trace)
        return fail(error, EBB_E_STATE, s->name,
                    "the graph belongs to the trace of a function and "
                    "goes with it");
    if (sessions == 0) return EBB_OK;
    return fail(error, EBB_E_STATE, s->name,
                "%u sessions or functions are open on the graph; close them first", sessions);
}

/* The runtime is pinned. */
static ebb_status close_owned(ebb_graph handle, ebb_receipt *receipt, ebb_error *error)
{
    void *object = NULL;

    if (!handle_close_begin(HANDLE_GRAPH, handle.id, 0, &object))
        return fail(error, EBB_E_STALE, "ebb_graph_close", gone);
    symbolic *s = object;
    const ebb_status status = check_free(s, error);
    if (status != EBB_OK) {
        handle_close_cancel(handle.id);
        return status;
    }
    close_attached(s, receipt);
    handle_close_end(handle.id);
    return EBB_OK;
}

ebb_status symbolic_close(ebb_graph handle, ebb_receipt *receipt, ebb_error *error)
{
    const uint64_t begin = clock_ns();
    ebb_receipt sum = {0};
    runtime *r = symbolic_owner(handle);

    if (r == NULL) return fail(error, EBB_E_STALE, "ebb_graph_close", gone);
    const ebb_status status = close_owned(handle, &sum, error);
    sum.live_after = region_bytes_live(r->root);
    handle_release(r->id);
    sum.time_ns = clock_ns() - begin;
    if (status == EBB_OK && receipt != NULL) *receipt = sum;
    return status;
}

/* -- reset ------------------------------------------------------------------------------------- */

ebb_status symbolic_reset(symbolic *s, ebb_receipt *receipt, ebb_error *error)
{
    sym_body fresh;

    if (s->is_trace || s->function_count > 0)
        return fail(error, EBB_E_STATE, s->name, "a function uses the graph; close it first");
    ebb_status status = sessions_lock(s, error);
    if (status != EBB_OK) return status;
    status = body_make(s, &fresh, error);
    if (status == EBB_OK) {
        receipt_of(s->body.home, receipt);
        for (session *at = s->sessions; at != NULL; at = session_next(at))
            session_empty(at, receipt);
        region_close(s->body.home);
        s->body = fresh;
        s->epoch++;
        s->error = (ebb_error){0};
    }
    sessions_unlock(s);
    return status;
}

/* -- default graphs ---------------------------------------------------------------------------- */

typedef struct thread_default {
    uint64_t runtime, graph;
} thread_default;

static _Thread_local thread_default defaults[DEFAULTS_MAX];

/* The place of a runtime among this thread's; NULL: full. */
static thread_default *default_place(uint64_t runtime)
{
    thread_default *free = NULL;

    for (uint32_t i = 0; i < DEFAULTS_MAX; i++) {
        if (defaults[i].runtime == runtime) return &defaults[i];
        if (!handle_alive(HANDLE_RUNTIME, defaults[i].runtime)) free = &defaults[i];
    }
    if (free != NULL) *free = (thread_default){runtime, 0};
    return free;
}

static ebb_status defaults_full(ebb_error *error)
{
    return fail(error, EBB_E_UNSUPPORTED, "default graph",
                "this thread has default graphs of %u runtimes that are open", DEFAULTS_MAX);
}

ebb_status symbolic_default(runtime *r, ebb_graph *result, ebb_error *error)
{
    ebb_graph_options options = EBB_GRAPH_OPTIONS_INIT;
    thread_default *place = default_place(r->id);

    if (place == NULL) return defaults_full(error);
    if (place->graph != 0 && handle_alive(HANDLE_GRAPH, place->graph)) {
        result->id = place->graph;
        return EBB_OK;
    }
    options.name = "default";
    const ebb_status status = symbolic_open(r, &options, &result->id, error);
    if (status == EBB_OK) place->graph = result->id;
    return status;
}

ebb_status symbolic_as_default(runtime *r, ebb_graph handle, ebb_graph *previous, ebb_error *error)
{
    thread_default *place = default_place(r->id);

    if (place == NULL) return defaults_full(error);
    if (handle.id != 0) {
        const symbolic *s = handle_acquire(HANDLE_GRAPH, handle.id);
        if (s == NULL) return fail(error, EBB_E_STALE, "ebb_graph_as_default", gone);
        const bool is_own = s->owner == r;
        handle_release(handle.id);
        if (!is_own)
            return fail(error, EBB_E_ARGUMENT, "ebb_graph_as_default",
                        "the graph belongs to another runtime");
    }
    if (previous != NULL) {
        previous->id = 0;
        if (place->graph != 0 && handle_alive(HANDLE_GRAPH, place->graph))
            previous->id = place->graph;
    }
    place->graph = handle.id;
    return EBB_OK;
}
