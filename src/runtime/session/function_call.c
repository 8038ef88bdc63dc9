/* function_call.c -- one call: the trace that fits, run by its session. */
#include "base/status.h"
#include "runtime/session/function.h"

static ebb_status check_counts(const function *f, const trace *t, const ebb_views *inputs,
                               size_t outputs, ebb_error *error)
{
    if (inputs->count != t->input_count || (inputs->count > 0 && inputs->items == NULL))
        return fail(error, EBB_E_ARGUMENT, f->name, "expected %u inputs, got %zu", t->input_count,
                    inputs->count);
    if (outputs == t->output_count) return EBB_OK;
    return fail(error, EBB_E_ARGUMENT, f->name, "expected %u outputs, got %zu", t->output_count,
                outputs);
}

/* What its session is to do. */
static ebb_status prepare(function *f, const ebb_views *inputs, size_t outputs, trace **t,
                          ebb_feed *feeds, run_request *q, ebb_error *error)
{
    ebb_status status = trace_find(f, inputs, t, error);

    if (status == EBB_OK) status = check_counts(f, *t, inputs, outputs, error);
    if (status == EBB_OK && f->over != NULL) status = trace_initialize(f, *t, error);
    if (status != EBB_OK) return status;
    for (uint32_t i = 0; i < (*t)->input_count; i++)
        feeds[i] = (ebb_feed){(*t)->inputs[i], inputs->items[i]};
    *q = (run_request){.feeds = feeds,
                       .feed_count = (*t)->input_count,
                       .fetches = (*t)->outputs,
                       .fetch_count = (*t)->output_count};
    (*t)->used_at = ++f->clock;
    return EBB_OK;
}

static ebb_status call_locked(function *f, const ebb_views *inputs, const ebb_views *outputs,
                              ebb_error *error)
{
    ebb_feed feeds[FUNCTION_PORTS_MAX];
    run_request q;
    trace *t = NULL;
    ebb_status status = prepare(f, inputs, outputs->count, &t, feeds, &q, error);

    if (status != EBB_OK) return status;
    q.outputs = outputs->items;
    t->session->stream = f->stream; /* traces go on from one another */
    status = session_run(t->session, &q, error);
    f->stream = t->session->stream;
    f->calls += status == EBB_OK;
    return status;
}

ebb_status function_call(function *f, const ebb_views *inputs, const ebb_views *outputs,
                         ebb_error *error)
{
    ebb_status status = function_enter(f, error);

    if (status != EBB_OK) return status;
    status = call_locked(f, inputs, outputs, error);
    function_leave(f);
    return status;
}

ebb_status function_shapes(function *f, const ebb_views *inputs, ebb_view *outputs, size_t count,
                           ebb_error *error)
{
    ebb_feed feeds[FUNCTION_PORTS_MAX];
    run_request q;
    trace *t = NULL;
    ebb_status status = function_enter(f, error);

    if (status != EBB_OK) return status;
    status = prepare(f, inputs, count, &t, feeds, &q, error);
    if (status == EBB_OK) status = session_shapes(t->session, &q, outputs, error);
    function_leave(f);
    return status;
}
