/* step.c -- see step.h. */
#include "train/step.h"

#include <string.h>

#include "base/status.h"
#include "graph/gradient.h"
#include "graph/pass.h"
#include "train/constraint/constraint.h"
#include "train/regularizer/regularizer.h"
#include "train/step_parts.h"
#include "train/variable_path.h"

bool step_no_memory(step_maker *m, const char *what)
{
    if (graph_ok(m->g)) (void)region_fail(m->home, &m->g->error, "step", what);
    return false;
}

/* -- inputs ------------------------------------------------------------------------------------ */

/* An input of the caller's rank and type. Its rows are the model's; where the length of the output
 * is only known from run to run, that of the target is the same one. */
static value input_like(step_maker *m, const ebb_view *view, uint32_t output, const char *what)
{
    const built_model *model = m->t->model;
    const value v = model->outputs[output].v, x = model->inputs[0].v;
    const ebb_dtype dtype = view->dtype != EBB_DTYPE_NONE ? view->dtype : EBB_F32;
    shape s = {.rank = view->rank};

    if (view->rank == 0 || view->rank > EBB_RANK_MAX) {
        return graph_fail(m->g, EBB_E_SHAPE, "%s of output '%s': rank %u has no axis of rows", what,
                          model->outputs[output].name, view->rank);
    }
    for (uint32_t i = 1; i < s.rank; i++) {
        const dim own = i < graph_rank(m->g, v) ? graph_dim(m->g, v, (int)i) : 0;
        s.dims[i] = dim_known(own) || view->dims[i] == 1 ? view->dims[i] : own;
    }
    s.dims[0] = model->batch != 0 ? model->batch : graph_dim(m->g, x, 0);
    return graph_input(m->g, dtype, &s);
}

static bool is_measured(const step_maker *m, uint32_t output, bool is_weighted)
{
    for (uint32_t i = 0; i < m->s->metric_count; i++) {
        const output_metric *metric = &m->s->metrics[i];
        if (metric->output == output && (metric->is_weighted || !is_weighted)) return true;
    }
    return false;
}

static void inputs_make(step_maker *m)
{
    train_step *const t = m->t;
    const uint32_t outputs = t->model->output_count;

    t->x_count = m->g->input_count;
    for (uint32_t k = 0; k < outputs; k++) {
        if (!m->s->losses[k].is_used && !is_measured(m, k, false)) continue;
        m->targets[k] = input_like(m, &m->inputs->y[k], k, "target");
        t->y_output[t->y_count++] = k;
    }
    for (uint32_t k = 0; k < outputs && m->inputs->has_sample_weight; k++) {
        const ebb_view *view = &m->inputs->sample_weight[k];
        if (!m->s->losses[k].is_used && !is_measured(m, k, true)) continue;
        if (view->rank == 0) continue;
        m->weights[k] = input_like(m, view, k, "sample weight");
        t->weight_output[t->weight_count++] = k;
    }
}

/* Variables that assembling has made: the stream of random numbers, which counts runs, and states.
 */
static void variables_take(step_maker *m)
{
    const built_model *model = m->t->model;
    train_emit *const e = &m->t->emit;

    e->variable_capacity = model->state_count + 1;
    e->variables = region_new(m->home, train_variable, e->variable_capacity);
    if (e->variables == NULL) {
        (void)step_no_memory(m, "its variables");
        return;
    }
    e->variables[e->variable_count++] =
        (train_variable){.name = "random", .v = model->random, .dtype = EBB_I32};
    for (uint32_t i = 0; i < model->state_count; i++) {
        const layer_weight *w = model->states[i];
        train_variable *to = &e->variables[e->variable_count++];
        *to = (train_variable){.name = w->path, .v = w->v, .dtype = w->dtype, .rank = w->rank};
        memcpy(to->dims, w->dims, sizeof to->dims);
    }
}

/* -- the optimizer ----------------------------------------------------------------------------- */

static const train_object *constraint_of(step_maker *m, const layer_weight *w, const char *path)
{
    if (json_is_null(w->constraint)) return NULL;
    train_object *const made = region_new(m->home, train_object, 1);
    if (made == NULL) {
        (void)step_no_memory(m, "its constraints");
        return NULL;
    }
    ebb_error error = {0};
    if (constraint_read(m->home, w->constraint, path, made, &error) == EBB_OK) return made;
    m->g->error = error;
    return NULL;
}

/* The trained weights as the optimizer knows them, and their numbers. Returns how many. */
static uint32_t variables_list(step_maker *m, optimizer_variable *variables, uint32_t *numbers)
{
    const built_model *model = m->t->model;
    const char **paths = variable_paths(m->home, model);
    uint32_t count = 0;

    if (paths == NULL) (void)step_no_memory(m, "the names of its variables");

    for (uint32_t i = 0; i < model->weight_count && graph_ok(m->g); i++) {
        const layer_weight *w = model->weights[i];
        if (!w->trainable) continue;
        numbers[count] = w->index;
        variables[count++] = (optimizer_variable){.path = paths[i],
                                                  .v = w->v,
                                                  .latest = w->latest,
                                                  .constraint = constraint_of(m, w, paths[i])};
    }
    return count;
}

static void optimizer_emit(step_maker *m)
{
    train_step *const t = m->t;
    graph *const g = m->g;
    const size_t most = (size_t)t->model->weight_count + 1;
    optimizer_variable *const variables = region_new(m->home, optimizer_variable, most);
    value *const wanted = region_new(m->home, value, most);
    uint32_t *const numbers = region_new(m->home, uint32_t, most);

    m->gradients = region_new(m->home, value, most);
    if (variables == NULL || wanted == NULL || numbers == NULL || m->gradients == NULL) {
        (void)step_no_memory(m, "the gradients");
        return;
    }
    t->trained_count = variables_list(m, variables, numbers);
    t->trained = numbers;
    for (uint32_t i = 0; i < t->trained_count; i++) wanted[i] = variables[i].latest;
    if (!graph_ok(g)) return;
    g->scope = "optimizer";
    t->optimizer = optimizer_open(m->s->optimizer, &t->emit, variables, t->trained_count);
    if (t->optimizer != NULL && t->trained_count > 0) {
        const value scaled = optimizer_scale_loss(t->optimizer, m->differentiated);
        (void)graph_gradients(g, &scaled, NULL, 1, wanted, m->gradients, t->trained_count);
    }
    g->scope = NULL;
}

/* -- updates ----------------------------------------------------------------------------------- */

/* Weights that are trained get theirs from the optimizer, which begins at the layer's. */
static void updates_make(step_maker *m, bool is_training)
{
    const built_model *model = m->t->model;
    train_emit *const e = &m->t->emit;
    graph *const g = m->g;

    for (uint32_t i = 0; i < m->s->metric_count; i++) metric_assign(e, &m->metrics[i]);
    for (uint32_t i = 0; i < model->update_count && graph_ok(g); i++) {
        const layer_update *u = &model->updates[i];
        if (is_training && u->weight->trainable) continue;
        train_assign(e, u->weight->v, op_cast(g, u->next, u->weight->dtype));
    }
    if (is_training || graph_uses(g, model->random) > 0)
        train_assign(e, model->random, op_add(g, model->random, graph_scalar_i32(g, 1)));
    if (is_training && m->t->trained_count > 0) optimizer_apply(m->t->optimizer, m->gradients);
}

/* -- the whole --------------------------------------------------------------------------------- */

static bool arrays_make(step_maker *m)
{
    train_step *const t = m->t;
    const size_t outputs = (size_t)t->model->output_count + 1;

    m->targets = region_new(m->home, value, outputs);
    m->weights = region_new(m->home, value, outputs);
    m->losses = region_new(m->home, value, outputs);
    m->metrics = region_new(m->home, metric, (size_t)m->s->metric_count + 1);
    t->titles = region_new(m->home, const char *, outputs + m->s->metric_count + 1);
    t->y_output = region_new(m->home, uint32_t, outputs);
    t->weight_output = region_new(m->home, uint32_t, outputs);
    t->class_counts = region_new(m->home, int64_t, outputs);
    t->ignored_classes = region_new(m->home, int64_t, outputs);
    if (m->targets != NULL && m->weights != NULL && m->losses != NULL && m->metrics != NULL &&
        t->titles != NULL && t->y_output != NULL && t->weight_output != NULL &&
        t->class_counts != NULL && t->ignored_classes != NULL) {
        return true;
    }
    return step_no_memory(m, "its inputs");
}

static void emit_all(step_maker *m, bool is_training)
{
    train_step *const t = m->t;

    graph_outputs_clear(m->g);
    variables_take(m);
    inputs_make(m);
    if (graph_ok(m->g)) step_losses_emit(m);
    t->metric_first = t->emit.variable_count;
    if (graph_ok(m->g)) step_metrics_emit(m);
    if (!graph_ok(m->g)) return;
    t->optimizer_first = t->emit.variable_count;
    if (is_training) optimizer_emit(m);
    if (graph_ok(m->g)) updates_make(m, is_training);
}

ebb_status step_make(region *home, const description *d, const settings *s,
                     const step_inputs *inputs, bool is_training, uint64_t seed,
                     const step_trainable *trainable, train_step *result, ebb_error *error)
{
    const assemble_options options = {
        .is_training = is_training,
        .has_variables = true,
        .seed = seed,
        .penalty = penalty_emit,
        .is_trainable = trainable != NULL ? trainable->is_trainable : NULL,
        .trainable_context = trainable != NULL ? trainable->context : NULL};
    step_maker m = {.home = home, .s = s, .inputs = inputs, .t = result};

    *result = (train_step){0};
    if (is_training && s->optimizer == NULL) {
        return fail(error, EBB_E_STATE, "step", "the model was compiled without an optimizer");
    }
    ebb_status status = assemble_model(home, d, &options, &result->model, error);
    if (status != EBB_OK) return status;
    m.g = result->model->graph;
    result->emit =
        (train_emit){.graph = m.g, .home = home, .weight_first = result->model->weight_count};
    if (arrays_make(&m)) emit_all(&m, is_training);
    if (graph_ok(m.g)) return passes_run(m.g, false, error);
    if (error != NULL) *error = m.g->error;
    return m.g->error.status;
}
