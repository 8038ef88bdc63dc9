/* session_run.c -- one run: its plan found or made, the caller's memory checked, the parts run.
 *
 * Everything that can fail without a model comes before the first part; outputs are written and
 * variables change only when nothing can fail any more. */
#include <string.h>

#include "base/status.h"
#include "mem/handle.h"
#include "runtime/session/model_call.h"
#include "runtime/session/session_plan.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

/* -- finding a plan ------------------------------------------------------------------------------
 */

static bool feed_matches(const plan_feed *f, const ebb_feed *given)
{
    if (f->tensor.id != given->tensor.id || f->rank != given->view.rank ||
        (given->view.dtype != f->dtype && given->view.dtype != EBB_DTYPE_NONE)) {
        return false;
    }
    for (uint32_t i = 0; i < f->rank; i++)
        if (f->dims[i] != given->view.dims[i]) return false;
    return true;
}

static bool plan_matches(const session_plan *p, const run_request *q)
{
    if (p->feed_count != q->feed_count || p->fetch_count != q->fetch_count ||
        p->target_count != q->target_count) {
        return false;
    }
    for (uint32_t i = 0; i < p->fetch_count; i++)
        if (p->fetches[i].tensor.id != q->fetches[i].id) return false;
    for (uint32_t i = 0; i < p->target_count; i++)
        if (p->targets[i].id != q->targets[i].id) return false;
    for (uint32_t i = 0; i < p->feed_count; i++)
        if (!feed_matches(&p->feeds[i], &q->feeds[i])) return false;
    return true;
}

static void plan_drop(session *s, uint32_t place)
{
    if (s->last == s->plans[place]) s->last = NULL;
    plan_close(s->plans[place]);
    s->plans[place] = NULL;
}

/* Plans from before a change of the graph's order go. */
static void drop_void(session *s)
{
    const uint32_t edges = atomic_load_explicit(&s->graph->edges, memory_order_acquire);

    for (uint32_t i = 0; i < s->options.plans_max; i++)
        if (s->plans[i] != NULL && s->plans[i]->edges != edges) plan_drop(s, i);
}

/* A free place, or that of the plan not used for longest, emptied. */
static uint32_t make_room(session *s)
{
    uint32_t oldest = 0;

    for (uint32_t i = 0; i < s->options.plans_max; i++) {
        if (s->plans[i] == NULL) return i;
        if (s->plans[i]->used_at < s->plans[oldest]->used_at) oldest = i;
    }
    plan_drop(s, oldest);
    return oldest;
}

/* What is kept for speed alone must not be what stands in the way. */
static ebb_status make_with_room(session *s, const run_request *q, session_plan **result,
                                 ebb_error *error)
{
    uint32_t dropped = 0;
    ebb_status status = plan_make(s, q, result, error);

    if (status != EBB_E_MEMORY) return status;
    for (uint32_t i = 0; i < s->options.plans_max; i++) {
        if (s->plans[i] == NULL) continue;
        plan_drop(s, i);
        dropped++;
    }
    return dropped > 0 ? plan_make(s, q, result, error) : status;
}

static ebb_status plan_find(session *s, const run_request *q, session_plan **result,
                            ebb_error *error)
{
    for (uint32_t i = 0; i < s->options.plans_max; i++) {
        if (s->plans[i] == NULL || !plan_matches(s->plans[i], q)) continue;
        *result = s->plans[i];
        return EBB_OK;
    }
    const uint32_t place = make_room(s);
    const ebb_status status = make_with_room(s, q, result, error);
    if (status != EBB_OK) return status;
    s->plans[place] = *result;
    s->plans_made++;
    return EBB_OK;
}

static ebb_status check_request(const session *s, const run_request *q, ebb_error *error)
{
    if (q->feed_count > SESSION_ITEMS_MAX || q->fetch_count > SESSION_ITEMS_MAX ||
        q->target_count > SESSION_ITEMS_MAX)
        return fail(error, EBB_E_ARGUMENT, s->name,
                    "at most %u feeds, fetches and targets in a run", SESSION_ITEMS_MAX);
    if ((q->feed_count > 0 && q->feeds == NULL) || (q->fetch_count > 0 && q->fetches == NULL) ||
        (q->target_count > 0 && q->targets == NULL))
        return fail(error, EBB_E_ARGUMENT, s->name, "a list is missing (NULL)");
    return EBB_OK;
}

static ebb_status plan_ready(session *s, const run_request *q, session_plan **result,
                             ebb_error *error)
{
    session_plan *last = s->last;

    if (last != NULL &&
        last->edges == atomic_load_explicit(&s->graph->edges, memory_order_acquire) &&
        plan_matches(last, q)) {
        *result = last;
        return EBB_OK;
    }
    ebb_status status = check_request(s, q, error);
    if (status != EBB_OK) return status;
    drop_void(s);
    status = plan_find(s, q, result, error);
    if (status == EBB_OK) {
        (*result)->used_at = ++s->clock;
        s->last = *result;
    }
    return status;
}

/* -- checks ------------------------------------------------------------------------------------ */

static ebb_status fetch_fault(const plan_fetch *f, const ebb_view *view, ebb_error *error)
{
    char expected[160], got[160];

    if (view->data == NULL && f->bytes > 0)
        return fail(error, EBB_E_ARGUMENT, f->name, "the output has no memory");
    if (view->dtype != EBB_DTYPE_NONE && view->dtype != f->dtype)
        return fail(error, EBB_E_DTYPE, f->name, "the tensor is %s, the output's view %s",
                    ebb_dtype_name(f->dtype), ebb_dtype_name(view->dtype));
    return fail(error, EBB_E_SHAPE, f->name, "the result has shape %s, the output's view %s",
                dims_text(f->rank, f->dims, expected, sizeof expected),
                dims_text(view->rank < EBB_RANK_MAX ? view->rank : EBB_RANK_MAX, view->dims, got,
                          sizeof got));
}

static bool fetch_fits(const plan_fetch *f, const ebb_view *view)
{
    if ((view->data == NULL && f->bytes > 0) ||
        (view->dtype != EBB_DTYPE_NONE && view->dtype != f->dtype)) {
        return false;
    }
    return view->rank == 0 ||
           (view->rank == f->rank && memcmp(view->dims, f->dims, f->rank * sizeof f->dims[0]) == 0);
}

static bool overlap(const void *a, uint64_t a_bytes, const void *b, uint64_t b_bytes)
{
    const uintptr_t first = (uintptr_t)a, second = (uintptr_t)b;

    return first < second + b_bytes && second < first + a_bytes;
}

static ebb_status check_overlap(const session_plan *p, const run_request *q, uint32_t fetch,
                                ebb_error *error)
{
    const plan_fetch *f = &p->fetches[fetch];
    const void *data = q->outputs[fetch].data;

    for (uint32_t i = 0; i < p->feed_count; i++) {
        if (!p->feeds[i].is_used ||
            !overlap(data, f->bytes, q->feeds[i].view.data, p->feeds[i].bytes))
            continue;
        return fail(error, EBB_E_ARGUMENT, f->name,
                    "the output overlaps feed %u in memory; give it memory of its own", i);
    }
    for (uint32_t i = 0; i < fetch; i++) {
        if (!overlap(data, f->bytes, q->outputs[i].data, p->fetches[i].bytes)) continue;
        return fail(error, EBB_E_ARGUMENT, f->name, "the output overlaps output %u in memory", i);
    }
    return EBB_OK;
}

static ebb_status check_views(const session_plan *p, const run_request *q, ebb_error *error)
{
    if (p->fetch_count > 0 && q->outputs == NULL)
        return fail(error, EBB_E_ARGUMENT, "ebb_session_run", "no views for the outputs");
    for (uint32_t i = 0; i < p->feed_count; i++) {
        if (q->feeds[i].view.data != NULL || !p->feeds[i].is_used || p->feeds[i].bytes == 0)
            continue;
        return fail(error, EBB_E_ARGUMENT, "ebb_session_run", "feed %u has no data", i);
    }
    for (uint32_t i = 0; i < p->fetch_count; i++) {
        if (!fetch_fits(&p->fetches[i], &q->outputs[i]))
            return fetch_fault(&p->fetches[i], &q->outputs[i], error);
        const ebb_status status = check_overlap(p, q, i, error);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

static ebb_status check_variables(const session_plan *p, ebb_error *error)
{
    for (uint32_t i = 0; i < p->read_count; i++) {
        if (p->read[i]->is_initialized) continue;
        return fail(error, EBB_E_STATE, p->read[i]->name,
                    "the variable '%s' is not initialized in this session; run the initializer "
                    "(ebb_graph_initializer()) first",
                    p->read[i]->name);
    }
    return EBB_OK;
}

/* -- running ----------------------------------------------------------------------------------- */

static void copies_run(session *s, const plan_copy *copies, uint32_t count, const run_request *q)
{
    for (uint32_t i = 0; i < count; i++) {
        const plan_copy *c = &copies[i];
        const void *from = c->from != NULL ? c->from : q->feeds[c->feed].view.data;
        void *to = c->to != NULL ? c->to : q->outputs[c->fetch].data;
        dtype_convert(c->to_dtype, to, c->from_dtype, from, c->count);
        if (c->to_device != c->from_device)
            devices_copied(s->owner, c->from_device, c->to_device, c->bytes);
    }
}

typedef struct pass {
    executable *e;
    const ebb_view *inputs, *outputs;
} pass;

static void run_pass(void *context)
{
    const pass *p = context;

    executable_run(p->e, 0, p->inputs, p->outputs);
}

static ebb_status part_run(session *s, const plan_part *part, ebb_error *error)
{
    if (part->graph != NULL) {
        pass now = {part->executable, part->inputs, part->outputs};
        if (part->executable->threads > 1)
            executor_run(&s->owner->executor, run_pass, &now);
        else
            run_pass(&now);
        return EBB_OK;
    }
    model *m = model_call_acquire(part->model, part->model_name, part->call_name, error);
    if (m == NULL) return EBB_E_STALE;
    const ebb_views inputs = {part->inputs, part->input_count};
    const ebb_views outputs = {part->outputs, part->output_count};
    const ebb_status status = model_predict(m, &inputs, &outputs, error);
    handle_release(part->model);
    if (status != EBB_OK) fail_within(error, part->call_name);
    return status;
}

static void connect(const plan_part *part, const run_request *q)
{
    for (uint32_t i = 0; i < part->input_count; i++)
        if (part->feeds[i] != PORT_NONE) part->inputs[i].data = q->feeds[part->feeds[i]].view.data;
    for (uint32_t i = 0; i < part->output_count; i++)
        if (part->fetches[i] != PORT_NONE)
            part->outputs[i].data = q->outputs[part->fetches[i]].data;
}

static void store(session *s, const session_plan *p, const run_request *q)
{
    for (uint32_t i = 0; i < p->store_count; i++) {
        const plan_store *store = &p->stores[i];
        stored_variable *v = store->variable;
        const void *from = store->from != NULL ? store->from : q->feeds[store->feed].view.data;
        const uint64_t count = v->bytes / ebb_dtype_bytes(v->dtype);
        dtype_convert(v->dtype, v->memory, store->from_dtype, from, count);
        if (store->from_device != v->device)
            devices_copied(s->owner, store->from_device, v->device, v->bytes);
    }
    for (uint32_t i = 0; i < p->assigned_count; i++) p->assigned[i]->is_initialized = true;
}

static ebb_status plan_run(session *s, const session_plan *p, const run_request *q,
                           ebb_error *error)
{
    for (uint32_t i = 0; i < p->part_count; i++) {
        const plan_part *part = &p->parts[i];
        if (part->copy_count > 0) copies_run(s, part->copies, part->copy_count, q);
        connect(part, q);
        const ebb_status status = part_run(s, part, error);
        if (status != EBB_OK) return status;
    }
    if (p->result_count > 0) copies_run(s, p->results, p->result_count, q);
    if (p->assigned_count > 0) store(s, p, q);
    s->stream += p->has_random;
    s->runs++;
    s->parts = p->part_count;
    s->bytes_copied += p->bytes_copied;
    return EBB_OK;
}

ebb_status session_run_locked(session *s, const run_request *q, ebb_error *error)
{
    session_plan *p = NULL;
    ebb_status status = plan_ready(s, q, &p, error);

    if (status == EBB_OK) status = check_views(p, q, error);
    if (status == EBB_OK) status = check_variables(p, error);
    return status == EBB_OK ? plan_run(s, p, q, error) : status;
}

ebb_status session_run(session *s, const run_request *q, ebb_error *error)
{
    ebb_status status = session_enter(s, error);

    if (status != EBB_OK) return status;
    status = session_run_locked(s, q, error);
    session_leave(s);
    return status;
}

ebb_status session_shapes(session *s, const run_request *q, ebb_view *views, ebb_error *error)
{
    session_plan *p = NULL;
    ebb_status status = session_enter(s, error);

    if (status != EBB_OK) return status;
    status = plan_ready(s, q, &p, error);
    for (uint32_t i = 0; status == EBB_OK && i < p->fetch_count; i++) {
        views[i].dtype = p->fetches[i].dtype;
        views[i].rank = p->fetches[i].rank;
        memcpy(views[i].dims, p->fetches[i].dims, sizeof views[i].dims);
    }
    session_leave(s);
    return status;
}
