/* session_plan.c -- making a plan: what was asked for is checked, placed on devices, lowered. Parts
 * are made by session_parts.c. */
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "runtime/session/session_plan.h"
#include "tensor/view.h"

typedef struct making {
    session *s;
    const run_request *q;
    session_plan *p;
    region *work;
    lower_feed *feeds;
    uint32_t *fetches, *targets;
    logical_device **devices;
    uint32_t *order, order_count;
    ebb_error *error;
} making;

static ebb_status no_memory(const making *m)
{
    return region_fail(m->work, m->error, m->s->name, "a plan");
}

/* -- what was asked for ------------------------------------------------------------------------ */

static ebb_status feed_shape_fault(const making *m, const char *name, const sym_tensor *t,
                                   const ebb_view *view)
{
    char expected[160], got[160];

    for (uint32_t i = 0; view->rank == t->rank && i < t->rank; i++)
        if (view->dims[i] < 0)
            return fail(m->error, EBB_E_SHAPE, name,
                        "axis %u of the feed has length %lld; each length of a feed is known", i,
                        (long long)view->dims[i]);
    return fail(m->error, EBB_E_SHAPE, name, "the tensor has shape %s, it was fed with %s",
                dims_text(t->rank, t->dims, expected, sizeof expected),
                dims_text(view->rank < EBB_RANK_MAX ? view->rank : EBB_RANK_MAX, view->dims, got,
                          sizeof got));
}

static ebb_status feed_read(making *m, uint32_t index)
{
    const symbolic *g = m->s->graph;
    const ebb_feed *given = &m->q->feeds[index];
    plan_feed *f = &m->p->feeds[index];
    char name[SYM_NAME_BYTES + 16];
    const uint32_t number = symbolic_number(g, given->tensor, "a feed", m->error);

    if (number == SYM_NONE) return m->error != NULL ? m->error->status : EBB_E_ARGUMENT;
    const sym_tensor *t = &g->body.tensors[number];
    const ebb_dtype dtype = tf_type_dtype(t->shadow.type);
    symbolic_tensor_name(g, number, name, sizeof name);
    if (g->body.nodes[t->node].kind == SYM_CONSTANT)
        return fail(m->error, EBB_E_ARGUMENT, name,
                    "a constant cannot be fed; make it a placeholder");
    if (dtype == EBB_DTYPE_NONE)
        return fail(m->error, EBB_E_ARGUMENT, name, "the operation has no value to be fed");
    if (given->view.dtype != EBB_DTYPE_NONE && given->view.dtype != dtype)
        return fail(m->error, EBB_E_DTYPE, name, "the tensor is %s, it was fed with %s",
                    ebb_dtype_name(dtype), ebb_dtype_name(given->view.dtype));
    bool fits = given->view.rank == t->rank;
    for (uint32_t i = 0; fits && i < t->rank; i++)
        fits = given->view.dims[i] >= 0 && (t->dims[i] < 0 || given->view.dims[i] == t->dims[i]);
    if (!fits) return feed_shape_fault(m, name, t, &given->view);
    for (uint32_t i = 0; i < index; i++)
        if (m->feeds[i].tensor == number)
            return fail(m->error, EBB_E_ARGUMENT, name, "fed twice in one run");
    *f = (plan_feed){
        .tensor = given->tensor, .given = given->view.dtype, .dtype = dtype, .rank = t->rank};
    memcpy(f->dims, given->view.dims, t->rank * sizeof f->dims[0]);
    ebb_view view = given->view;
    view.dtype = dtype;
    f->bytes = ebb_view_bytes(&view);
    if (f->bytes > INT64_MAX / 4)
        return fail(m->error, EBB_E_SHAPE, name, "the feed is too large to address");
    m->feeds[index] = (lower_feed){number, dtype, f->rank, f->dims};
    return EBB_OK;
}

static ebb_status fetch_read(making *m, uint32_t index)
{
    const symbolic *g = m->s->graph;
    char what[32] = "a fetch", name[SYM_NAME_BYTES + 16];
    const uint32_t number = symbolic_number(g, m->q->fetches[index], what, m->error);

    if (number == SYM_NONE) return m->error != NULL ? m->error->status : EBB_E_ARGUMENT;
    symbolic_tensor_name(g, number, name, sizeof name);
    if (!symbolic_has_value(g, number))
        return fail(m->error, EBB_E_ARGUMENT, name,
                    "the operation has no value; give it as a target instead of a fetch");
    m->fetches[index] = number;
    m->p->fetches[index].tensor = m->q->fetches[index];
    m->p->fetches[index].dtype = tf_type_dtype(g->body.tensors[number].shadow.type);
    m->p->fetches[index].name = region_text(m->p->home, name);
    return m->p->fetches[index].name != NULL ? EBB_OK : no_memory(m);
}

static ebb_status request_read(making *m)
{
    const run_request *q = m->q;
    ebb_error local = {0};
    ebb_status status = EBB_OK;

    if (m->error == NULL) m->error = &local;
    for (uint32_t i = 0; i < q->feed_count && status == EBB_OK; i++) status = feed_read(m, i);
    for (uint32_t i = 0; i < q->fetch_count && status == EBB_OK; i++) status = fetch_read(m, i);
    for (uint32_t i = 0; i < q->target_count && status == EBB_OK; i++) {
        const uint32_t number = symbolic_number(m->s->graph, q->targets[i], "a target", m->error);
        if (number == SYM_NONE)
            status = m->error->status;
        else
            m->targets[i] = m->s->graph->body.tensors[number].node;
        m->p->targets[i] = q->targets[i];
    }
    if (m->error == &local) m->error = NULL;
    return status;
}

/* -- devices ----------------------------------------------------------------------------------- */

static ebb_status device_find(making *m, const sym_node *n, logical_device **result)
{
    ebb_error error = {0};
    const ebb_status status = devices_find(m->s->owner, n->device, result, &error);

    if (status == EBB_OK) return EBB_OK;
    if (status == EBB_E_NOT_FOUND && m->s->options.soft_placement) {
        *result = devices_at(m->s->owner, 0);
        return EBB_OK;
    }
    if (m->error != NULL) *m->error = error;
    fail_within(m->error, n->name);
    return status;
}

static void log_device(const making *m, const sym_node *n, const logical_device *device)
{
    if (!m->s->options.log_placement) return;
    log_line(&m->s->owner->log, EBB_LOG_INFO, "%s: (%s): /device:%s", n->name, n->op, device->name);
}

static ebb_status place_nodes(making *m)
{
    const sym_body *b = &m->s->graph->body;
    ebb_status status = devices_use(m->s->owner, m->error);

    if (status != EBB_OK) return status;
    m->devices = region_new(m->work, logical_device *, (size_t)b->node_count + 1);
    if (m->devices == NULL) return no_memory(m);
    for (uint32_t i = 0; i < b->node_count; i++) m->devices[i] = devices_at(m->s->owner, 0);
    for (uint32_t i = 0; i < m->order_count && status == EBB_OK; i++) {
        const sym_node *n = &b->nodes[m->order[i]];
        if (n->kind == SYM_GROUP) continue;
        if (n->device[0] != '\0') status = device_find(m, n, &m->devices[m->order[i]]);
        if (status == EBB_OK) log_device(m, n, m->devices[m->order[i]]);
    }
    return status;
}

/* -- making ------------------------------------------------------------------------------------ */

static ebb_status lists_make(making *m)
{
    const run_request *q = m->q;
    session_plan *p = m->p;

    p->feeds = region_new(p->home, plan_feed, q->feed_count + 1);
    p->fetches = region_new(p->home, plan_fetch, q->fetch_count + 1);
    p->targets = region_new(p->home, ebb_tensor, q->target_count + 1);
    p->feed_count = (uint32_t)q->feed_count;
    p->fetch_count = (uint32_t)q->fetch_count;
    p->target_count = (uint32_t)q->target_count;
    m->feeds = region_new(m->work, lower_feed, q->feed_count + 1);
    m->fetches = region_new(m->work, uint32_t, q->fetch_count + 1);
    m->targets = region_new(m->work, uint32_t, q->target_count + 1);
    if (p->feeds != NULL && p->fetches != NULL && p->targets != NULL && m->feeds != NULL &&
        m->fetches != NULL && m->targets != NULL) {
        return EBB_OK;
    }
    return region_fail(p->home, m->error, m->s->name, "a plan");
}

static ebb_status make_in(making *m)
{
    lowered l;
    ebb_status status = lists_make(m);

    if (status == EBB_OK) status = request_read(m);
    lower_request request = {.feeds = m->feeds,
                             .fetches = m->fetches,
                             .targets = m->targets,
                             .feed_count = m->p->feed_count,
                             .fetch_count = m->p->fetch_count,
                             .target_count = m->p->target_count};
    if (status == EBB_OK)
        status = lower_needed(m->work, m->s->graph, &request, &m->order, &m->order_count, m->error);
    if (status == EBB_OK) status = place_nodes(m);
    request.devices = m->devices;
    if (status == EBB_OK)
        status = lower(m->work, m->s->graph, &request, m->order, m->order_count, &l, m->error);
    if (status == EBB_OK) status = plan_parts_make(m->s, m->p, m->work, &l, m->error);
    m->p->edges = atomic_load(&m->s->graph->edges);
    return status;
}

/* Bodies of loops are read by the kernels as long as the plan lives. */
static bool has_loops(const session_plan *p)
{
    for (uint32_t i = 0; i < p->part_count; i++) {
        const graph *g = p->parts[i].graph;
        for (uint32_t k = 0; g != NULL && k < g->node_count; k++)
            if (g->nodes[k].op == OP_scan && !g->nodes[k].is_dead) return true;
    }
    return false;
}

ebb_status plan_make(session *s, const run_request *q, session_plan **result, ebb_error *error)
{
    region *home = region_open(s->plans_home, "plan", EBB_CLASS_META, 0);
    session_plan *p = home == NULL ? NULL : region_new(home, session_plan, 1);
    region *work = p == NULL ? NULL : region_open(home, "lowering", EBB_CLASS_SCRATCH, 0);
    ebb_status status;

    *result = NULL;
    if (work == NULL) {
        status = region_fail(home == NULL ? s->plans_home : home, error, s->name, "a plan");
        region_close(home);
        return status;
    }
    p->home = home;
    making m = {.s = s, .q = q, .p = p, .work = work, .error = error};
    pthread_mutex_lock(&s->graph->mutex);
    status = make_in(&m);
    pthread_mutex_unlock(&s->graph->mutex);
    if (status != EBB_OK) {
        plan_close(p);
        return status;
    }
    if (!has_loops(p)) region_close(work);
    *result = p;
    return EBB_OK;
}

void plan_close(session_plan *p)
{
    for (uint32_t i = 0; i < p->part_count; i++) executable_close(p->parts[i].executable);
    region_close(p->home);
}
