/* step_run.c -- see step_run.h. */
#include "step_run.h"

#include <string.h>

#include "format/keras/model_config.h"

description step_run_description(test *t, const json *model)
{
    description d = {.path = "test", .format = "keras", .keras_version = "3.15.1", .backend = ""};

    d.keras_major = 3;
    d.compile_config = json_get(model, "compile_config");
    CHECK_OK(model_config_read(t->home, model, 3, &d.model, &t->error));
    return d;
}

settings step_run_settings(test *t, const description *d, const json *config)
{
    settings s;
    built_model *m = NULL;

    CHECK_OK(assemble_model(t->home, d, NULL, &m, &t->error));
    CHECK_OK(settings_read(t->home, config, m, &s, &t->error));
    return s;
}

/* View number `index` of the graph's inputs. */
static const ebb_view *view_of(const train_step *s, uint32_t index, const ebb_view *x,
                               const ebb_view *y, const ebb_view *sample_weight)
{
    if (index < s->x_count) return &x[index];
    index -= s->x_count;
    if (index < s->y_count) return &y[s->y_output[index]];
    return &sample_weight[s->weight_output[index - s->y_count]];
}

static void bind_symbols(const train_step *s, const ebb_view *x, const ebb_view *y,
                         const ebb_view *sample_weight, int64_t *symbols)
{
    const graph *g = s->emit.graph;

    CHECK_EQ(g->input_count, s->x_count + s->y_count + s->weight_count);
    for (uint32_t i = 0; i < g->input_count; i++) {
        const ebb_view *view = view_of(s, i, x, y, sample_weight);
        const shape *own = graph_shape(g, g->inputs[i]);
        CHECK_EQ(own->rank, view->rank);
        for (uint32_t k = 0; k < own->rank; k++) {
            const int64_t number = dim_symbol_number(g, own->dims[k]);
            if (number >= 0) symbols[number] = view->dims[k];
        }
    }
}

step_run *step_run_open(test *t, const description *d, const settings *s, bool is_training,
                        const ebb_view *x, const ebb_view *y, const ebb_view *sample_weight)
{
    const step_inputs inputs = {
        .has_sample_weight = sample_weight != NULL, .y = y, .sample_weight = sample_weight};
    step_run *const r = region_new(t->home, step_run, 1);

    CHECK(r != NULL);
    CHECK_OK(step_make(t->home, d, s, &inputs, is_training, 1, NULL, &r->step, &t->error));
    int64_t *const symbols =
        region_new(t->home, int64_t, (size_t)dim_symbol_count(r->step.emit.graph) + 1);
    CHECK(symbols != NULL);
    bind_symbols(&r->step, x, y, sample_weight, symbols);
    r->graph = graph_run_open_at(t, r->step.emit.graph, symbols);
    return r;
}

void step_run_weight(step_run *r, uint32_t k, const void *bytes)
{
    CHECK(k < r->step.model->weight_count);
    graph_run_variable(r->graph, r->step.model->weights[k]->v, bytes);
}

const void *step_run_weight_read(step_run *r, uint32_t k)
{
    CHECK(k < r->step.model->weight_count);
    return graph_run_value(r->graph, r->step.model->weights[k]->v);
}

void step_run_variable(step_run *r, uint32_t k, const void *bytes)
{
    CHECK(k < r->step.emit.variable_count);
    graph_run_variable(r->graph, r->step.emit.variables[k].v, bytes);
}

const void *step_run_variable_read(step_run *r, uint32_t k)
{
    CHECK(k < r->step.emit.variable_count);
    return graph_run_value(r->graph, r->step.emit.variables[k].v);
}

static uint64_t variable_length(const train_variable *v)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < v->rank; i++) count *= (uint64_t)v->dims[i];
    return count;
}

void step_run_begin(step_run *r)
{
    const train_emit *e = &r->step.emit;

    for (uint32_t i = 0; i < e->variable_count; i++) {
        const train_variable *v = &e->variables[i];
        if (v->like != VALUE_NONE) {
            step_run_variable(r, i, graph_run_value(r->graph, v->like));
            continue;
        }
        const uint64_t count = variable_length(v);
        void *const numbers = region_alloc(e->home, count + 1, 4);
        CHECK(numbers != NULL);
        for (uint64_t k = 0; k < count; k++) {
            if (v->dtype == EBB_I32)
                ((int32_t *)numbers)[k] = (int32_t)v->initial;
            else
                ((float *)numbers)[k] = (float)v->initial;
        }
        step_run_variable(r, i, numbers);
    }
}

void step_run_take(step_run *r, step_run *from, bool with_metrics)
{
    const uint32_t count = with_metrics ? r->step.optimizer_first : r->step.metric_first;

    CHECK_EQ(r->step.metric_first, from->step.metric_first);
    CHECK_EQ(r->step.optimizer_first, from->step.optimizer_first);
    for (uint32_t k = 0; k < r->step.model->weight_count; k++)
        step_run_weight(r, k, step_run_weight_read(from, k));
    for (uint32_t k = 0; k < count; k++) step_run_variable(r, k, step_run_variable_read(from, k));
}

void step_run_step(step_run *r, const ebb_view *x, const ebb_view *y, const ebb_view *sample_weight,
                   double *results)
{
    const graph *g = r->step.emit.graph;

    for (uint32_t i = 0; i < g->input_count; i++) {
        const ebb_view *view = view_of(&r->step, i, x, y, sample_weight);
        CHECK_EQ(view->dtype, graph_value(g, g->inputs[i])->dtype);
        graph_run_input(r->graph, i, view->data);
    }
    graph_run_step(r->graph);
    CHECK_EQ(g->output_count - g->update_count, r->step.result_count);
    for (uint32_t i = 0; i < r->step.result_count; i++)
        results[i] = (double)*(const float *)graph_run_value(r->graph, g->outputs[i]);
}

uint32_t step_run_title(const step_run *r, const char *title)
{
    for (uint32_t i = 0; i < r->step.result_count; i++) {
        if (strcmp(r->step.titles[i], title) == 0) return i;
    }
    harness_fail(__FILE__, __LINE__, "no result is called '%s'", title);
    return UINT32_MAX;
}
