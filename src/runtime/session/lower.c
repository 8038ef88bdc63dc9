/* lower.c -- see lower.h. */
#include "runtime/session/lower.h"

#include <string.h>

#include "base/status.h"
#include "runtime/session/model_call.h"
#include "runtime/session/path.h"

typedef struct lowering {
    emitter m;
    region *work;
    const symbolic *s;
    const lower_request *q;
    tf_build build;
    tf_tensor **outputs; /* by node; NULL: not emitted */
    tf_tensor **fed;     /* by tensor; NULL: not fed */
    value *now;          /* by variable */
    lowered *l;
    uint32_t input_capacity;
    uint32_t device_count; /* ops that have a device so far */
    uint32_t device_capacity;
    ebb_error *error;
    ebb_status status; /* of what has no place in the graph's failure */
} lowering;

/* -- what the emitter asks --------------------------------------------------------------------- */

static const tf_tensor *find_tensor(emitter *m, uint32_t tensor)
{
    const lowering *w = (const lowering *)m;

    if (w->fed[tensor] != NULL) return w->fed[tensor];
    const sym_tensor *t = &w->s->body.tensors[tensor];
    return &w->outputs[t->node][t->index];
}

static value find_variable(emitter *m, uint32_t index, bool is_now)
{
    lowering *w = (lowering *)m;
    const sym_variable *v = &w->s->body.variables[index];
    shape s = {.rank = v->rank};

    if (is_now && w->now[index] != VALUE_NONE) return w->now[index];
    w->l->is_read[index] = true;
    if (w->l->variables[index] == VALUE_NONE) {
        memcpy(s.dims, v->dims, v->rank * sizeof s.dims[0]);
        w->l->variables[index] = graph_variable(w->build.graph, emit_dtype(v->dtype), &s, index);
    }
    return w->l->variables[index];
}

static bool keep_assign(emitter *m, uint32_t index, value next)
{
    lowering *w = (lowering *)m;
    const sym_variable *v = &w->s->body.variables[index];
    const shape *s = graph_shape(w->build.graph, next);
    bool fits = s->rank == v->rank;

    for (uint32_t i = 0; fits && i < s->rank; i++) fits = s->dims[i] == v->dims[i];
    if (!fits) {
        char got[160];
        (void)graph_fail(
            w->build.graph, EBB_E_SHAPE, "the variable '%s' keeps its shape; it cannot become %s",
            w->s->body.nodes[v->node].name, shape_text(w->build.graph, s, got, sizeof got));
        return false;
    }
    w->now[index] = next;
    return true;
}

static bool refuse_placeholder(emitter *m, const sym_node *n, tf_tensor *output)
{
    (void)output;
    (void)graph_fail(m->build->graph, EBB_E_ARGUMENT,
                     "the placeholder '%s' must be fed: this run needs its value", n->name);
    return false;
}

/* A new input of the graph. */
static value input_add(lowering *w, source_kind kind, uint32_t index, ebb_dtype dtype,
                       const shape *s)
{
    lowered *l = w->l;
    const uint32_t number = w->build.graph->input_count;

    if (number >= w->input_capacity) {
        const uint32_t larger = w->input_capacity * 2;
        lowered_input *copy = region_new(w->work, lowered_input, larger);
        if (copy == NULL) {
            (void)region_fail(w->work, &w->build.graph->error, w->s->name, "inputs of a run");
            return VALUE_NONE;
        }
        memcpy(copy, l->inputs, number * sizeof *copy);
        l->inputs = copy;
        w->input_capacity = larger;
    }
    l->inputs[number] = (lowered_input){kind, index};
    return graph_input(w->build.graph, dtype, s);
}

/* -- calls of models -----------------------------------------------------------------------------
 */

static void view_of(const graph *g, value v, ebb_view *view)
{
    const value_info *info = graph_value(g, v);

    *view = (ebb_view){.dtype = info->dtype, .rank = info->shape.rank};
    for (uint32_t i = 0; i < view->rank; i++) view->dims[i] = info->shape.dims[i];
}

static bool call_fault(lowering *w, const ebb_error *error)
{
    graph *g = w->build.graph;

    if (graph_ok(g)) g->error = *error;
    return false;
}

static bool call_model(emitter *m, const sym_node *n, tf_tensor *outputs)
{
    lowering *w = (lowering *)m;
    graph *g = w->build.graph;
    ebb_view in[PORTS_MAX], out[PORTS_MAX];
    ebb_error error = {0};
    value *values = region_new(w->work, value, (size_t)n->input_count + n->output_count + 1);

    if (values == NULL || n->input_count > PORTS_MAX || n->output_count > PORTS_MAX)
        return region_fail(w->work, &g->error, n->name, "the call of a model") == EBB_OK;
    for (uint32_t i = 0; i < n->input_count; i++) {
        values[i] = tf_value(&w->build, find_tensor(m, n->inputs[i]));
        if (!graph_ok(g)) return false;
        view_of(g, values[i], &in[i]);
    }
    if (model_call_shapes(n, in, out, &error) != EBB_OK) return call_fault(w, &error);
    const uint32_t position = g->node_count;
    for (uint32_t i = 0; i < n->output_count; i++) {
        shape s = {.rank = out[i].rank};
        memcpy(s.dims, out[i].dims, s.rank * sizeof s.dims[0]);
        const ebb_dtype dtype = emit_dtype(out[i].dtype);
        values[n->input_count + i] = input_add(w, SOURCE_CALL, w->l->call_count, dtype, &s);
        if (!graph_ok(g)) return false;
        outputs[i] = tf_tensor_of(&w->build, values[n->input_count + i], tf_type_of(out[i].dtype));
    }
    w->l->calls[w->l->call_count++] = (lowered_call){.node = (uint32_t)(n - w->s->body.nodes),
                                                     .position = position,
                                                     .inputs = values,
                                                     .outputs = values + n->input_count};
    return graph_ok(g);
}

/* -- feeds ------------------------------------------------------------------------------------- */

static ebb_status no_memory(const lowering *w)
{
    return region_fail(w->work, w->error, w->s->name, "a run");
}

static ebb_status lower_feeds(lowering *w)
{
    for (uint32_t i = 0; i < w->q->feed_count; i++) {
        const lower_feed *f = &w->q->feeds[i];
        shape s = {.rank = f->rank};
        memcpy(s.dims, f->dims, s.rank * sizeof s.dims[0]);
        const value v = input_add(w, SOURCE_FEED, i, emit_dtype(f->dtype), &s);
        tf_tensor *t = region_new(w->work, tf_tensor, 1);
        if (t == NULL) return no_memory(w);
        if (!graph_ok(w->build.graph)) break;
        *t = tf_tensor_of(&w->build, v, tf_type_of(f->dtype));
        w->fed[f->tensor] = t;
    }
    return EBB_OK;
}

/* A value in the middle that is fed would cut the way of a gradient without a word. */
static ebb_status check_gradient(lowering *w, const sym_node *n)
{
    region *work = region_open(w->work, "path", EBB_CLASS_SCRATCH, 0);
    char name[SYM_NAME_BYTES + 16];
    sym_path path;

    if (work == NULL) return no_memory(w);
    ebb_status status = path_find(work, w->s, n->inputs, n->y_count, n->inputs + n->y_count,
                                  n->output_count, &path, w->error);
    for (uint32_t i = 0; status == EBB_OK && i < w->q->feed_count; i++) {
        const uint32_t tensor = w->q->feeds[i].tensor;
        if (!path_passes(w->s, &path, w->s->body.tensors[tensor].node)) continue;
        status = fail(w->error, EBB_E_UNSUPPORTED, n->name,
                      "'%s' is fed, but the gradient goes through it; feed what it is made of",
                      symbolic_tensor_name(w->s, tensor, name, sizeof name));
    }
    region_close(work);
    return status;
}

/* -- nodes ------------------------------------------------------------------------------------- */

/* Gives the ops made since to a device. */
static ebb_status mark_device(lowering *w, logical_device *device)
{
    const uint32_t count = w->build.graph->node_count;

    if (count > w->device_capacity) {
        const uint32_t larger = count * 2 + 64;
        logical_device **copy = region_new(w->work, logical_device *, larger);
        if (copy == NULL) return no_memory(w);
        if (w->device_count > 0) memcpy(copy, w->l->devices, w->device_count * sizeof *copy);
        w->l->devices = copy;
        w->device_capacity = larger;
    }
    while (w->device_count < count) w->l->devices[w->device_count++] = device;
    return EBB_OK;
}

static ebb_status lower_node(lowering *w, uint32_t index)
{
    const sym_node *n = &w->s->body.nodes[index];
    uint32_t count = 0;
    ebb_status status = EBB_OK;

    if (n->kind == SYM_GRADIENT && w->q->feed_count > 0) status = check_gradient(w, n);
    if (status != EBB_OK) return status;
    tf_tensor scratch[TF_OUTPUTS_MAX] = {{0}};
    tf_tensor *kept = region_new(w->work, tf_tensor, (size_t)n->output_count + 1);
    if (kept == NULL) return no_memory(w);
    tf_tensor *outputs = n->kind == SYM_OPERATION ? scratch : kept;
    w->outputs[index] = kept;
    if (!emit_node(&w->m, n, outputs, &count)) return EBB_OK; /* in the graph */
    if (outputs != kept) memcpy(kept, scratch, n->output_count * sizeof *kept);
    return mark_device(w, w->q->devices[index]);
}

static ebb_status lower_fetches(lowering *w)
{
    const sym_body *b = &w->s->body;

    for (uint32_t i = 0; i < w->q->fetch_count; i++) {
        const uint32_t tensor = w->q->fetches[i], node = b->tensors[tensor].node;
        w->l->fetches[i] = tf_value(&w->build, find_tensor(&w->m, tensor));
        if (!graph_ok(w->build.graph)) return EBB_OK;
        const ebb_status status = mark_device(w, w->q->devices[node]);
        if (status != EBB_OK) return status;
    }
    return EBB_OK;
}

static ebb_status lower_all(lowering *w, const uint32_t *order, uint32_t count)
{
    ebb_status status = lower_feeds(w);

    for (uint32_t i = 0; i < count && status == EBB_OK && graph_ok(w->build.graph); i++)
        status = lower_node(w, order[i]);
    if (status == EBB_OK && graph_ok(w->build.graph)) status = lower_fetches(w);
    for (uint32_t i = 0; i < w->s->body.variable_count; i++) {
        if (w->now[i] == VALUE_NONE) continue;
        w->l->updates[w->l->update_count++] = (lowered_update){i, w->now[i]};
    }
    if (status != EBB_OK || graph_ok(w->build.graph)) return status;
    if (w->error != NULL) *w->error = w->build.graph->error;
    return w->build.graph->error.status;
}

static bool lists_make(lowering *w, uint32_t call_count)
{
    const sym_body *b = &w->s->body;
    lowered *l = w->l;
    region *work = w->work;

    w->input_capacity = w->q->feed_count + 16;
    l->inputs = region_new(work, lowered_input, w->input_capacity);
    l->fetches = region_new(work, value, (size_t)w->q->fetch_count + 1);
    l->variables = region_new(work, value, (size_t)b->variable_count + 1);
    l->is_read = region_new(work, bool, (size_t)b->variable_count + 1);
    l->updates = region_new(work, lowered_update, (size_t)b->variable_count + 1);
    l->calls = region_new(work, lowered_call, (size_t)call_count + 1);
    w->now = region_new(work, value, (size_t)b->variable_count + 1);
    w->outputs = region_new(work, tf_tensor *, (size_t)b->node_count + 1);
    w->fed = region_new(work, tf_tensor *, (size_t)b->tensor_count + 1);
    return l->inputs != NULL && l->fetches != NULL && l->variables != NULL && l->is_read != NULL &&
           l->updates != NULL && l->calls != NULL && w->now != NULL && w->outputs != NULL &&
           w->fed != NULL;
}

ebb_status lower(region *work, const symbolic *s, const lower_request *q, const uint32_t *order,
                 uint32_t count, lowered *result, ebb_error *error)
{
    const shape scalar = {0};
    lowering w = {.m = {.s = s,
                        .tensor = find_tensor,
                        .variable = find_variable,
                        .assign = keep_assign,
                        .placeholder = refuse_placeholder,
                        .model = call_model},
                  .work = work,
                  .s = s,
                  .q = q,
                  .l = result,
                  .error = error};
    uint32_t calls = 0;

    *result = (lowered){.graph = graph_open(work)};
    for (uint32_t i = 0; i < count; i++) {
        calls += s->body.nodes[order[i]].kind == SYM_MODEL;
        w.m.is_apart |= s->body.nodes[order[i]].kind == SYM_GRADIENT;
    }
    if (result->graph == NULL || !lists_make(&w, calls)) return no_memory(&w);
    w.build = (tf_build){.graph = result->graph, .home = work, .seed = s->body.build.seed};
    w.m.build = &w.build;
    const value stream = input_add(&w, SOURCE_RANDOM, 0, EBB_I32, &scalar);
    w.build.random = stream;
    const ebb_status status = lower_all(&w, order, count);
    if (status == EBB_OK) result->has_random = graph_value(result->graph, stream)->uses > 0;
    return status;
}
