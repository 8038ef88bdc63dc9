/* function_trace.c -- traces: found by the kinds of the inputs, described by the caller's callback,
 * relaxed where lengths differ from call to call, dropped when others need their place. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "mem/handle.h"
#include "runtime/session/function.h"
#include "tensor/view.h"

/* -- kinds of inputs -----------------------------------------------------------------------------
 */

static bool same_types(const trace *t, const ebb_views *inputs)
{
    if (t->input_count != inputs->count) return false;
    for (uint32_t i = 0; i < t->input_count; i++) {
        const ebb_view *view = &inputs->items[i];
        if (view->dtype != EBB_DTYPE_NONE && view->dtype != t->signature[i].dtype) return false;
        if (view->rank != t->signature[i].rank) return false;
    }
    return true;
}

static bool lengths_fit(const ebb_view *signature, const ebb_view *view)
{
    for (uint32_t i = 0; i < signature->rank; i++)
        if (signature->dims[i] >= 0 && signature->dims[i] != view->dims[i]) return false;
    return true;
}

static bool trace_fits(const trace *t, const ebb_views *inputs)
{
    if (!same_types(t, inputs)) return false;
    for (uint32_t i = 0; i < t->input_count; i++)
        if (!lengths_fit(&t->signature[i], &inputs->items[i])) return false;
    return true;
}

/* Why the inputs are not what the signature says. */
static ebb_status signature_fault(const function *f, const ebb_views *inputs, ebb_error *error)
{
    const ebb_function_options *o = &f->options;
    char expected[160], got[160];

    if (inputs->count != o->inputs)
        return fail(error, EBB_E_ARGUMENT, f->name, "expected %u inputs, got %zu", o->inputs,
                    inputs->count);
    for (uint32_t i = 0; i < o->inputs; i++) {
        const ebb_view *want = &o->signature[i], *view = &inputs->items[i];
        if (view->dtype != EBB_DTYPE_NONE && view->dtype != want->dtype)
            return fail(error, EBB_E_DTYPE, f->name, "input %u: the signature says %s, got %s", i,
                        ebb_dtype_name(want->dtype), ebb_dtype_name(view->dtype));
        if (view->rank == want->rank && lengths_fit(want, view)) continue;
        return fail(error, EBB_E_SHAPE, f->name, "input %u: the signature says %s, got %s", i,
                    dims_text(want->rank, want->dims, expected, sizeof expected),
                    dims_text(view->rank < EBB_RANK_MAX ? view->rank : EBB_RANK_MAX, view->dims,
                              got, sizeof got));
    }
    return EBB_OK;
}

static ebb_status check_inputs(const function *f, const ebb_views *inputs, ebb_error *error)
{
    if (inputs->count > FUNCTION_PORTS_MAX || (inputs->count > 0 && inputs->items == NULL))
        return fail(error, EBB_E_ARGUMENT, f->name, "expected at most %u inputs",
                    FUNCTION_PORTS_MAX);
    if (f->options.signature != NULL) return signature_fault(f, inputs, error);
    for (size_t i = 0; i < inputs->count; i++) {
        const ebb_view *view = &inputs->items[i];
        if (ebb_dtype_bytes(view->dtype) == 0)
            return fail(error, EBB_E_DTYPE, f->name,
                        "input %zu has no type; a function without a signature needs one", i);
        if (view->rank > EBB_RANK_MAX)
            return fail(error, EBB_E_SHAPE, f->name, "input %zu has a rank above %d", i,
                        EBB_RANK_MAX);
        for (uint32_t k = 0; k < view->rank; k++)
            if (view->dims[k] < 0)
                return fail(error, EBB_E_SHAPE, f->name, "input %zu: axis %u has no length", i, k);
    }
    return EBB_OK;
}

/* What the new trace is for: these inputs, or more where another call had other lengths. */
static void signature_choose(const function *f, const ebb_views *inputs, trace *t)
{
    const trace *latest = NULL;

    t->input_count = (uint32_t)inputs->count;
    for (uint32_t i = 0; i < t->input_count; i++) {
        t->signature[i] = f->options.signature != NULL ? f->options.signature[i] : inputs->items[i];
        t->signature[i].data = NULL;
    }
    if (f->options.signature != NULL || f->options.exact_shapes) return;
    for (uint32_t i = 0; i < f->options.traces_max; i++) {
        const trace *other = f->traces[i];
        if (other != NULL && same_types(other, inputs) &&
            (latest == NULL || other->used_at > latest->used_at))
            latest = other;
    }
    for (uint32_t i = 0; latest != NULL && i < t->input_count; i++)
        for (uint32_t k = 0; k < t->signature[i].rank; k++)
            if (latest->signature[i].dims[k] != t->signature[i].dims[k])
                t->signature[i].dims[k] = -1;
}

/* -- life -------------------------------------------------------------------------------------- */

void trace_close(trace *t)
{
    ebb_receipt ignored = {0};
    void *object = NULL;

    if (t->session != NULL) session_discard(t->session, &ignored);
    if (t->graph != NULL) {
        const uint64_t id = t->graph->id;
        const bool won = id != 0 && handle_close_begin(HANDLE_GRAPH, id, 0, &object);
        symbolic_discard(t->graph);
        if (won) handle_close_end(id);
    }
    region_close(t->home);
}

static ebb_status trace_make(function *f, trace **result, ebb_error *error)
{
    region *home = region_open(f->home, "trace", EBB_CLASS_META, 0);
    trace *t = home == NULL ? NULL : region_new(home, trace, 1);

    *result = t;
    if (t != NULL) {
        t->home = home;
        return EBB_OK;
    }
    const ebb_status status = region_fail(home == NULL ? f->home : home, error, f->name, "a trace");
    region_close(home);
    return status;
}

static ebb_status graph_make(function *f, trace *t, ebb_error *error)
{
    ebb_graph_options o = EBB_GRAPH_OPTIONS_INIT;
    char name[32];

    o.name = f->name;
    ebb_status status = symbolic_make(f->owner, t->home, &o, &t->graph, error);
    if (status != EBB_OK) return status;
    t->graph->is_trace = true;
    t->graph->id = handle_issue(HANDLE_GRAPH, t->graph);
    if (t->graph->id == 0)
        return fail(error, EBB_E_MEMORY, f->name, "no handle left for another trace");
    for (uint32_t i = 0; i < t->input_count; i++) {
        (void)snprintf(name, sizeof name, "input_%u", i);
        t->inputs[i] = symbolic_placeholder(t->graph, name, t->signature[i].dtype,
                                            t->signature[i].rank, t->signature[i].dims);
        if (t->inputs[i].id != 0) continue;
        if (error != NULL) *error = t->graph->error;
        return t->graph->error.status;
    }
    return EBB_OK;
}

static ebb_status check_outputs(const function *f, symbolic *g, trace *t, ebb_error *error)
{
    ebb_status status = EBB_OK;
    ebb_error fault = {0};
    char what[32];

    pthread_mutex_lock(&g->mutex);
    if (g->error.status != EBB_OK) fault = g->error;
    for (uint32_t i = 0; i < t->output_count && fault.status == EBB_OK; i++) {
        (void)snprintf(what, sizeof what, "output %u", i);
        const uint32_t tensor = symbolic_number(g, t->outputs[i], what, &fault);
        if (tensor != SYM_NONE && !symbolic_has_value(g, tensor))
            fail(&fault, EBB_E_ARGUMENT, f->name, "output %u is an operation without a value", i);
    }
    if (t->graph != NULL) g->body.is_finalized = true;
    pthread_mutex_unlock(&g->mutex);
    if (fault.status == EBB_OK) return status;
    if (error != NULL) *error = fault;
    fail_within(error, f->name);
    return fault.status;
}

/* The callback runs without the graph's lock. */
static ebb_status describe(function *f, trace *t, ebb_error *error)
{
    const ebb_function_options *o = &f->options;
    const ebb_graph graph = {t->graph->id};

    t->output_count = o->outputs;
    const ebb_status status =
        o->trace(o->context, graph, t->inputs, t->input_count, t->outputs, t->output_count, error);
    if (status != EBB_OK) return status;
    return check_outputs(f, t->graph, t, error);
}

static ebb_status session_on(function *f, symbolic *g, trace *t, ebb_error *error)
{
    pthread_mutex_lock(&g->mutex);
    const ebb_status status =
        session_make(g, t->home, &f->session, &f->variables, &t->session, error);
    pthread_mutex_unlock(&g->mutex);
    return status;
}

static bool has_value(const variable_store *v, const char *name)
{
    for (uint32_t i = 0; i < v->count; i++)
        if (strcmp(v->items[i]->name, name) == 0) return v->items[i]->is_initialized;
    return false;
}

ebb_status trace_initialize(function *f, trace *t, ebb_error *error)
{
    symbolic *g = t->session->graph;
    run_request q = {0};

    pthread_mutex_lock(&g->mutex);
    const uint32_t count = g->body.variable_count;
    pthread_mutex_unlock(&g->mutex);
    if (count == t->variables_ready) return EBB_OK;
    region *work = region_open(t->home, "initializing", EBB_CLASS_SCRATCH, 0);
    pthread_mutex_lock(&g->mutex);
    ebb_tensor *targets = work == NULL ? NULL : region_new(work, ebb_tensor, (size_t)count + 1);
    for (uint32_t i = 0; targets != NULL && i < count; i++) {
        const sym_variable *v = &g->body.variables[i];
        if (has_value(&f->variables, g->body.nodes[v->node].name)) continue;
        targets[q.target_count++] = symbolic_handle(g, g->body.nodes[v->initializer].output_first);
    }
    pthread_mutex_unlock(&g->mutex);
    ebb_status status = EBB_OK;
    if (targets == NULL) status = region_fail(t->home, error, f->name, "variables");
    q.targets = targets;
    if (status == EBB_OK && q.target_count > 0) {
        status = session_run(t->session, &q, error);
        (void)session_trim(t->session); /* it is not run again */
    }
    region_close(work);
    if (status == EBB_OK) t->variables_ready = count;
    return status;
}

static ebb_status trace_fill(function *f, const ebb_views *inputs, trace *t, ebb_error *error)
{
    signature_choose(f, inputs, t);
    ebb_status status = graph_make(f, t, error);
    if (status == EBB_OK) status = describe(f, t, error);
    if (status == EBB_OK) status = session_on(f, t->graph, t, error);
    if (status == EBB_OK) status = trace_initialize(f, t, error);
    return status;
}

/* A free place, or that of the trace not used for longest. */
static ebb_status place_find(function *f, uint32_t *place, ebb_error *error)
{
    uint32_t oldest = 0;

    for (uint32_t i = 0; i < f->options.traces_max; i++) {
        *place = i;
        if (f->traces[i] == NULL) return EBB_OK;
        if (f->traces[i]->used_at < f->traces[oldest]->used_at) oldest = i;
    }
    *place = oldest;
    if (!f->options.no_eviction) return EBB_OK;
    return fail(error, EBB_E_STATE, f->name,
                "%u traces are kept and no_eviction is set; give a signature with -1 for lengths "
                "that differ, or more traces_max",
                f->options.traces_max);
}

ebb_status trace_find(function *f, const ebb_views *inputs, trace **result, ebb_error *error)
{
    trace *best = NULL, *made = NULL;
    uint32_t place;

    if (f->over != NULL) {
        *result = f->traces[0];
        return EBB_OK;
    }
    ebb_status status = check_inputs(f, inputs, error);
    if (status != EBB_OK) return status;
    for (uint32_t i = 0; i < f->options.traces_max; i++) {
        trace *t = f->traces[i];
        if (t != NULL && (best == NULL || t->used_at > best->used_at) && trace_fits(t, inputs))
            best = t;
    }
    *result = best;
    if (best != NULL) return EBB_OK;
    status = place_find(f, &place, error);
    if (status == EBB_OK) status = trace_make(f, &made, error);
    if (status != EBB_OK) return status;
    status = trace_fill(f, inputs, made, error);
    if (status != EBB_OK) {
        trace_close(made);
        return status;
    }
    if (f->traces[place] != NULL) {
        trace_close(f->traces[place]);
        f->traces_evicted++;
    }
    f->traces[place] = *result = made;
    f->traces_made++;
    return EBB_OK;
}

ebb_status trace_over(function *f, const ebb_tensor *inputs, uint32_t input_count,
                      const ebb_tensor *outputs, uint32_t output_count, ebb_error *error)
{
    ebb_error fault = {0};
    trace *t = NULL;
    ebb_status status = trace_make(f, &t, error);

    if (status != EBB_OK) return status;
    t->input_count = input_count;
    t->output_count = output_count;
    if (input_count > 0) memcpy(t->inputs, inputs, input_count * sizeof *inputs);
    memcpy(t->outputs, outputs, output_count * sizeof *outputs);
    pthread_mutex_lock(&f->over->mutex);
    for (uint32_t i = 0; i < input_count && fault.status == EBB_OK; i++)
        (void)symbolic_number(f->over, inputs[i], "an input", &fault);
    for (uint32_t i = 0; i < output_count && fault.status == EBB_OK; i++)
        (void)symbolic_number(f->over, outputs[i], "an output", &fault);
    pthread_mutex_unlock(&f->over->mutex);
    if (fault.status != EBB_OK && error != NULL) *error = fault;
    status = fault.status;
    if (status == EBB_OK) status = session_on(f, f->over, t, error);
    if (status != EBB_OK) {
        trace_close(t);
        return status;
    }
    f->traces[0] = t;
    f->traces_made = 1;
    return EBB_OK;
}
