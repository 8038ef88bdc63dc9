/* assemble.c -- a whole model: description -> layer instances -> graph and the list of weights.
 *
 * Everything is made in the caller's region; after a fault the caller closes it. */
#include "layer/assemble.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "layer/assembly.h"

bool assembly_fail(assembly *a, ebb_status status, const char *where, const char *format, ...)
{
    if (!graph_ok(a->graph)) return false;
    char text[sizeof(((ebb_error *)0)->text)];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0) text[0] = '\0';
    va_end(arguments);
    fail(&a->graph->error, status, where, "%s", text);
    return false;
}

bool assembly_no_memory(assembly *a, const char *where)
{
    if (graph_ok(a->graph)) region_fail(a->home, &a->graph->error, where, "the layers");
    return false;
}

bool assembly_mask_is_lost(const assembly *a, value v)
{
    for (uint32_t i = 0; i < a->unmasked_count; i++) {
        if (a->unmasked[i] == v) return true;
    }
    return false;
}

bool assembly_goes_on(assembly *a)
{
    ebb_error *error = &a->graph->error;
    if (error->status == EBB_OK) return true;
    const bool is_about_file = error->status != EBB_E_MEMORY && error->status != EBB_E_INTERNAL;
    if (a->problem == NULL || !is_about_file) return false;
    if (a->problem_count++ == 0) a->first = *error;
    a->problem(a->context, error->where, error->text);
    *error = (ebb_error){0};
    return true;
}

static ebb_status ports_make(assembly *a, built_model *m, const layer_tensor *outputs)
{
    const model_config *config = m->top->config;
    m->inputs = region_new(a->home, model_port, config->input_count + 1);
    m->outputs = region_new(a->home, model_port, config->output_count + 1);
    if (m->inputs == NULL || m->outputs == NULL) {
        assembly_no_memory(a, config->name);
        return EBB_E_MEMORY;
    }
    m->input_count = config->input_count;
    m->output_count = config->output_count;
    for (uint32_t k = 0; k < m->input_count && k < a->graph->input_count; k++) {
        const value v = a->graph->inputs[k];
        m->inputs[k] = (model_port){
            .name = config->inputs[k].name, .v = v, .dtype = graph_value(a->graph, v)->dtype};
    }
    for (uint32_t k = 0; k < m->output_count; k++) {
        const layer_tensor *t = &outputs[k];
        const value v = op_cast(a->graph, t->v, t->declared);
        const value mask = t->is_mask_lost ? VALUE_NONE : t->mask;
        m->outputs[k] = (model_port){config->outputs[k].name, v, t->declared, mask};
        graph_output(a->graph, v);
    }
    return a->graph->error.status;
}

static bool outputs_exist(const layer_tensor *outputs, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) {
        if (outputs[k].v == VALUE_NONE) return false;
    }
    return true;
}

/* Keras builds a Sequential on the shape of the first data it saw, rows included, and then takes
 * any number of rows; only states kept from call to call need that number. */
static bool batch_is_free(const model_config *m)
{
    if (strcmp(m->class_name, "Sequential") != 0) return false;
    for (uint32_t i = 0; i < m->layer_count; i++) {
        const json *config = m->layers[i].config, *inside = json_path(config, "layer.config");
        if (json_boolean(json_get(config, "stateful"), false)) return false;
        if (json_boolean(json_get(inside, "stateful"), false)) return false;
    }
    return true;
}

/* Instances and ops. False: a fault in graph->error. */
static bool model_build(assembly *a, const model_config *config, built_model *m)
{
    layer_tensor *outputs = region_new(a->home, layer_tensor, config->output_count + 1);
    if (outputs == NULL) return assembly_no_memory(a, config->name);
    m->graph = a->graph;
    if (!training_begin(a)) return false;
    m->top = nested_make(a, config, "", "", true, 0);
    if (m->top == NULL || !nested_run(a, m->top, NULL, outputs, 0)) return false;
    a->graph->scope = NULL;
    if (a->problem_count > 0) return true;
    if (a->graph->input_count != config->input_count || config->output_count == 0 ||
        !outputs_exist(outputs, config->output_count)) {
        return assembly_fail(a, EBB_E_FORMAT, config->name,
                             "the model has %u inputs (%u of them layers) and %u outputs",
                             config->input_count, a->graph->input_count, config->output_count);
    }
    return ports_make(a, m, outputs) == EBB_OK && weights_collect(a, m) && training_end(a, m);
}

ebb_status assemble_model(region *home, const description *d, const assemble_options *options,
                          built_model **result, ebb_error *error)
{
    const assemble_options defaults = {0}, *o = options != NULL ? options : &defaults;

    *result = NULL;
    if (d->model == NULL && d->saved_graph != NULL)
        return description_no_layers(d, "it predicts, but cannot be trained", error);
    if (d->model == NULL) {
        return fail(error, EBB_E_FORMAT, d->path,
                    "the file holds weights only; give the architecture as a JSON file");
    }
    assembly a = {.home = home,
                  .keras_major = d->keras_major,
                  .options = o,
                  .problem = o->problem,
                  .context = o->context};
    a.graph = graph_open(home);
    built_model *m = region_new(home, built_model, 1);
    if (a.graph == NULL || m == NULL) return region_fail(home, error, d->path, "the graph");
    a.model = d->model;
    a.is_batch_free = batch_is_free(d->model);
    bool good = model_build(&a, d->model, m);
    m->batch = a.batch;
    if (good && a.problem_count == 0) good = graph_verify(a.graph, &a.graph->error) == EBB_OK;
    if (!good && assembly_goes_on(&a)) good = true;
    const ebb_error *found = !good ? &a.graph->error : &a.first;
    if (found->status != EBB_OK) {
        if (error != NULL) *error = *found;
        return found->status;
    }
    *result = m;
    return EBB_OK;
}
