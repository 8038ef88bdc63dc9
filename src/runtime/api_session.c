/* api_session.c -- the public functions of ebb/graph.h about sessions and functions: argument
 * checks, handle to object, nothing else. */
#include <stdio.h>

#include "base/status.h"
#include "mem/handle.h"
#include "runtime/session/function.h"
#include "runtime/session/session_plan.h"

/* -- sessions ---------------------------------------------------------------------------------- */

static session *session_acquire(ebb_session handle, const char *where, ebb_error *error)
{
    session *s = handle_acquire(HANDLE_SESSION, handle.id);

    if (s == NULL)
        fail(error, EBB_E_STALE, where, "the session was closed, or the handle was never valid");
    return s;
}

ebb_status ebb_session_open(ebb_graph graph, const ebb_session_options *options,
                            ebb_session *session, ebb_error *error)
{
    if (session == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_session_open", "expected a place for the handle");
    session->id = 0;
    return session_open(graph, options, &session->id, error);
}

ebb_status ebb_session_close(ebb_session session, ebb_receipt *receipt, ebb_error *error)
{
    return session_close(session, receipt, error);
}

ebb_status ebb_session_run(ebb_session handle, const ebb_feed *feeds, size_t feed_count,
                           const ebb_tensor *fetches, const ebb_view *outputs, size_t fetch_count,
                           const ebb_tensor *targets, size_t target_count, ebb_error *error)
{
    const run_request q = {.feeds = feeds,
                           .fetches = fetches,
                           .targets = targets,
                           .outputs = outputs,
                           .feed_count = feed_count,
                           .fetch_count = fetch_count,
                           .target_count = target_count};
    session *s = session_acquire(handle, "ebb_session_run", error);

    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = session_run(s, &q, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_session_fetch(ebb_session session, ebb_tensor fetch, const ebb_view *output,
                             ebb_error *error)
{
    return ebb_session_run(session, NULL, 0, &fetch, output, 1, NULL, 0, error);
}

ebb_status ebb_session_target(ebb_session session, ebb_tensor target, ebb_error *error)
{
    return ebb_session_run(session, NULL, 0, NULL, NULL, 0, &target, 1, error);
}

ebb_status ebb_session_output_shapes(ebb_session handle, const ebb_feed *feeds, size_t feed_count,
                                     const ebb_tensor *fetches, ebb_view *outputs,
                                     size_t fetch_count, ebb_error *error)
{
    const run_request q = {
        .feeds = feeds, .fetches = fetches, .feed_count = feed_count, .fetch_count = fetch_count};

    if (outputs == NULL && fetch_count > 0)
        return fail(error, EBB_E_ARGUMENT, "ebb_session_output_shapes", "no views for the outputs");
    session *s = session_acquire(handle, "ebb_session_output_shapes", error);
    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = session_shapes(s, &q, outputs, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_session_scope(ebb_session handle, ebb_scope *scope, ebb_error *error)
{
    if (scope == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_session_scope", "expected a place for the handle");
    scope->id = 0;
    session *s = session_acquire(handle, "ebb_session_scope", error);
    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = session_scope(s, scope, error);
    handle_release(handle.id);
    return status;
}

static void memory_of(const region *home, ebb_memory *memory)
{
    *memory = (ebb_memory){0};
    region_read(home, memory);
    memory->peak = region_bytes_peak(home);
    memory->limit = region_bytes_max(home);
}

ebb_status ebb_session_memory_read(ebb_session handle, ebb_memory *memory)
{
    if (memory == NULL) return EBB_E_ARGUMENT;
    const session *s = session_acquire(handle, "ebb_session_memory_read", NULL);
    if (s == NULL) return EBB_E_STALE;
    memory_of(s->home, memory);
    handle_release(handle.id);
    return EBB_OK;
}

static void session_describe(const session *s, ebb_session_info *info)
{
    (void)snprintf(info->name, sizeof info->name, "%s", s->name);
    info->runs = s->runs;
    info->plans_made = s->plans_made;
    info->parts = s->parts;
    info->bytes_copied = s->bytes_copied;
    for (uint32_t i = 0; i < s->options.plans_max; i++) info->plans += s->plans[i] != NULL;
    for (uint32_t i = 0; i < s->variables->count; i++)
        info->variables += s->variables->items[i]->is_initialized;
}

ebb_status ebb_session_info_read(ebb_session handle, ebb_session_info *info)
{
    if (info == NULL) return EBB_E_ARGUMENT;
    *info = (ebb_session_info){0};
    session *s = session_acquire(handle, "ebb_session_info_read", NULL);
    if (s == NULL) return EBB_E_STALE;
    const ebb_status status = session_enter(s, NULL);
    if (status == EBB_OK) {
        session_describe(s, info);
        session_leave(s);
    }
    handle_release(handle.id);
    return status;
}

/* -- functions --------------------------------------------------------------------------------- */

static function *function_acquire(ebb_function handle, const char *where, ebb_error *error)
{
    function *f = handle_acquire(HANDLE_FUNCTION, handle.id);

    if (f == NULL)
        fail(error, EBB_E_STALE, where, "the function was closed, or the handle was never valid");
    return f;
}

ebb_status ebb_function_open(ebb_runtime handle, const ebb_function_options *options,
                             ebb_function *result, ebb_error *error)
{
    if (result == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_function_open", "expected a place for the handle");
    result->id = 0;
    runtime *r = runtime_acquire(handle, "ebb_function_open", error);
    if (r == NULL) return EBB_E_STALE;
    const ebb_status status = function_open(r, options, &result->id, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_function_from(ebb_graph graph, const ebb_tensor *inputs, size_t input_count,
                             const ebb_tensor *outputs, size_t output_count,
                             const ebb_function_options *options, ebb_function *result,
                             ebb_error *error)
{
    if (result == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_function_from", "expected a place for the handle");
    result->id = 0;
    return function_from(graph, inputs, input_count, outputs, output_count, options, &result->id,
                         error);
}

ebb_status ebb_function_call(ebb_function handle, const ebb_views *inputs, const ebb_views *outputs,
                             ebb_error *error)
{
    static const ebb_views nothing = {0};

    if (outputs == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_function_call", "no views for the outputs");
    function *f = function_acquire(handle, "ebb_function_call", error);
    if (f == NULL) return EBB_E_STALE;
    const ebb_status status = function_call(f, inputs != NULL ? inputs : &nothing, outputs, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_function_output_shapes(ebb_function handle, const ebb_views *inputs,
                                      ebb_view *outputs, size_t count, ebb_error *error)
{
    static const ebb_views nothing = {0};

    if (outputs == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_function_output_shapes",
                    "no views for the outputs");
    function *f = function_acquire(handle, "ebb_function_output_shapes", error);
    if (f == NULL) return EBB_E_STALE;
    const ebb_status status =
        function_shapes(f, inputs != NULL ? inputs : &nothing, outputs, count, error);
    handle_release(handle.id);
    return status;
}

ebb_status ebb_function_info_read(ebb_function handle, ebb_function_info *info)
{
    if (info == NULL) return EBB_E_ARGUMENT;
    *info = (ebb_function_info){0};
    function *f = function_acquire(handle, "ebb_function_info_read", NULL);
    if (f == NULL) return EBB_E_STALE;
    const ebb_status status = function_enter(f, NULL);
    if (status == EBB_OK) {
        (void)snprintf(info->name, sizeof info->name, "%s", f->name);
        info->calls = f->calls;
        info->traces_made = f->traces_made;
        info->traces_evicted = f->traces_evicted;
        info->variables = f->variables.count;
        for (uint32_t i = 0; i < f->options.traces_max; i++) info->traces += f->traces[i] != NULL;
        function_leave(f);
    }
    handle_release(handle.id);
    return status;
}

ebb_status ebb_function_memory_read(ebb_function handle, ebb_memory *memory)
{
    if (memory == NULL) return EBB_E_ARGUMENT;
    const function *f = function_acquire(handle, "ebb_function_memory_read", NULL);
    if (f == NULL) return EBB_E_STALE;
    memory_of(f->home, memory);
    handle_release(handle.id);
    return EBB_OK;
}

ebb_status ebb_function_close(ebb_function handle, ebb_receipt *receipt, ebb_error *error)
{
    return function_close(handle, receipt, error);
}
