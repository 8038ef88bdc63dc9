/* pass_graph.c -- see pass_graph.h. */
#include "train/pass_graph.h"

#include "base/status.h"
#include "graph/gradient.h"
#include "graph/pass.h"
#include "tensor/dtype.h"
#include "train/regularizer/regularizer.h"

/* -- what both begin with ---------------------------------------------------------------------- */

static ebb_status assemble(region *home, const pass_options *o, built_model **result,
                           ebb_error *error)
{
    const assemble_options options = {.is_training = o->is_training,
                                      .has_variables = true,
                                      .seed = o->seed,
                                      .penalty = penalty_emit,
                                      .is_trainable = o->trainable.is_trainable,
                                      .trainable_context = o->trainable.context};
    const ebb_status status = assemble_model(home, o->d, &options, result, error);

    if (status == EBB_OK) graph_outputs_clear((*result)->graph);
    return status;
}

static uint32_t output_count(const built_model *m)
{
    return m->output_count + m->loss_count;
}

static value output_at(const built_model *m, uint32_t index)
{
    return index < m->output_count ? m->outputs[index].v : m->losses[index - m->output_count];
}

static ebb_status finish(graph *g, ebb_error *error)
{
    if (graph_ok(g)) return passes_run(g, false, error);
    if (error != NULL) *error = g->error;
    return g->error.status;
}

/* -- what leads where -------------------------------------------------------------------------- */

static bool is_float(const graph *g, value v)
{
    return dtype_is_float(graph_value(g, v)->dtype);
}

/* By value: does it lead to an output; only by what has a gradient? Places for all values. */
static void mark_leading(const built_model *m, bool by_gradients, bool *leads)
{
    const graph *const g = m->graph;

    for (uint32_t i = 0; i < output_count(m); i++)
        leads[output_at(m, i)] = !by_gradients || is_float(g, output_at(m, i));
    for (uint32_t i = g->node_count; i-- > 0;) {
        const node *n = &g->nodes[i];
        bool any = false;
        for (uint32_t k = 0; k < n->output_count; k++) any |= leads[n->outputs[k]];
        if (!any || n->is_dead || (by_gradients && op_find(n->op)->gradient == NULL)) continue;
        for (uint32_t k = 0; k < n->input_count; k++)
            leads[n->inputs[k]] |= !by_gradients || is_float(g, n->inputs[k]);
    }
    leads[VALUE_NONE] = false;
}

static void note_weights(const built_model *m, const bool *leads, const bool *by_gradients,
                         forward_graph *f)
{
    for (uint32_t i = 0; i < m->weight_count; i++) {
        f->reaches_weight[i] = by_gradients[m->weights[i]->latest];
        f->is_read[i] = leads[m->weights[i]->v];
    }
    f->is_read[m->weight_count] = leads[m->random];
    for (uint32_t i = 0; i < m->state_count; i++)
        f->is_read[m->weight_count + 1 + i] = leads[m->states[i]->v];
    for (uint32_t i = 0; i < m->update_count; i++)
        f->is_updated[m->updates[i].weight->index] = true;
    for (uint32_t i = 0; i < m->graph->input_count; i++)
        f->reaches_input[i] = by_gradients[m->graph->inputs[i]];
}

static ebb_status note(region *home, const built_model *m, forward_graph *f, ebb_error *error)
{
    region *work = region_open(home, "passes", EBB_CLASS_SCRATCH, 0);
    const size_t values = m->graph->value_count;
    bool *leads = work == NULL ? NULL : region_new(work, bool, values);
    bool *by_gradients = work == NULL ? NULL : region_new(work, bool, values);

    f->variable_count = built_model_variable_count(m);
    f->reaches_weight = region_new(home, bool, (size_t)m->weight_count + 1);
    f->reaches_input = region_new(home, bool, (size_t)m->graph->input_count + 1);
    f->is_read = region_new(home, bool, f->variable_count);
    f->is_updated = region_new(home, bool, f->variable_count);
    const bool good = leads != NULL && by_gradients != NULL && f->reaches_weight != NULL &&
                      f->reaches_input != NULL && f->is_read != NULL && f->is_updated != NULL;
    ebb_status status = EBB_OK;
    if (good) {
        mark_leading(m, false, leads);
        mark_leading(m, true, by_gradients);
        note_weights(m, leads, by_gradients, f);
    } else {
        status = region_fail(work == NULL || leads == NULL ? home : work, error, "pass", "a run");
    }
    region_close(work);
    return status;
}

/* -- forwards ---------------------------------------------------------------------------------- */

ebb_status forward_graph_make(region *home, const pass_options *options, forward_graph *result,
                              ebb_error *error)
{
    *result = (forward_graph){0};
    ebb_status status = assemble(home, options, &result->model, error);
    if (status != EBB_OK) return status;
    const built_model *m = result->model;
    graph *const g = m->graph;

    result->output_count = output_count(m);
    status = note(home, m, result, error);
    if (status != EBB_OK) return status;
    for (uint32_t i = 0; i < result->output_count; i++) graph_output(g, output_at(m, i));
    for (uint32_t i = 0; i < m->update_count && graph_ok(g); i++) {
        const layer_update *u = &m->updates[i];
        graph_update(g, u->weight->v, op_cast(g, u->next, u->weight->dtype));
    }
    return finish(g, error);
}

/* -- gradients --------------------------------------------------------------------------------- */

typedef struct gradient_maker {
    region *home;
    graph *g;
    const gradient_request *request;
    gradient_graph *result;
    value *outputs, *seeds, *wanted, *gradients;
    uint32_t output_count, wanted_count;
} gradient_maker;

static bool tables_make(gradient_maker *m)
{
    const built_model *b = m->result->model;
    const size_t outputs = (size_t)output_count(b) + 1;
    const size_t wanted = (size_t)b->weight_count + m->g->input_count + 1;

    m->outputs = region_new(m->home, value, outputs);
    m->seeds = region_new(m->home, value, outputs);
    m->wanted = region_new(m->home, value, wanted);
    m->gradients = region_new(m->home, value, wanted);
    m->result->seed_inputs = region_new(m->home, uint32_t, outputs);
    m->result->input_results = region_new(m->home, uint32_t, wanted);
    m->result->weight_results = region_new(m->home, uint32_t, wanted);
    return m->outputs != NULL && m->seeds != NULL && m->wanted != NULL && m->gradients != NULL &&
           m->result->seed_inputs != NULL && m->result->input_results != NULL &&
           m->result->weight_results != NULL;
}

static void seeds_make(gradient_maker *m)
{
    const built_model *b = m->result->model;

    for (uint32_t i = 0; i < output_count(b); i++) {
        const value v = output_at(b, i);
        m->result->seed_inputs[i] = GRADIENT_NOTHING;
        if (!m->request->outputs[i] || !is_float(m->g, v)) continue;
        const shape s = *graph_shape(m->g, v);
        m->result->seed_inputs[i] = m->g->input_count;
        m->outputs[m->output_count] = v;
        m->seeds[m->output_count++] = graph_input(m->g, EBB_F32, &s);
    }
}

/* The next of the wanted ones, as a result where anything leads to it. */
static uint32_t result_add(gradient_maker *m, uint32_t *at)
{
    const value d = m->gradients[(*at)++];

    if (d == VALUE_NONE || !graph_ok(m->g)) return GRADIENT_NOTHING;
    graph_output(m->g, d);
    return m->result->result_count++;
}

static void gradients_emit(gradient_maker *m, uint32_t inputs)
{
    const built_model *b = m->result->model;
    uint32_t at = 0;

    for (uint32_t i = 0; i < inputs; i++)
        if (m->request->inputs[i]) m->wanted[m->wanted_count++] = m->g->inputs[i];
    for (uint32_t i = 0; i < b->weight_count; i++)
        if (m->request->weights[i]) m->wanted[m->wanted_count++] = b->weights[i]->latest;
    if (!graph_gradients(m->g, m->outputs, m->seeds, m->output_count, m->wanted, m->gradients,
                         m->wanted_count)) {
        return;
    }
    for (uint32_t i = 0; i < inputs; i++)
        m->result->input_results[i] = m->request->inputs[i] ? result_add(m, &at) : GRADIENT_NOTHING;
    for (uint32_t i = 0; i < b->weight_count; i++)
        m->result->weight_results[i] =
            m->request->weights[i] ? result_add(m, &at) : GRADIENT_NOTHING;
}

ebb_status gradient_graph_make(region *home, const pass_options *options,
                               const gradient_request *request, gradient_graph *result,
                               ebb_error *error)
{
    gradient_maker m = {.home = home, .request = request, .result = result};

    *result = (gradient_graph){0};
    const ebb_status status = assemble(home, options, &result->model, error);
    if (status != EBB_OK) return status;
    m.g = result->model->graph;
    const uint32_t inputs = m.g->input_count;
    if (!tables_make(&m)) return region_fail(home, error, "pass", "gradients");
    seeds_make(&m);
    if (graph_ok(m.g)) gradients_emit(&m, inputs);
    return finish(m.g, error);
}
