/* saved_graph.c -- see saved_graph.h. */
#include "runtime/saved_graph.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "format/savedmodel/name_table.h"
#include "format/savedmodel/saved_graph_read.h"
#include "tensor/view.h"
#include "tensorflow/tf_build.h"

bool saved_graph_is(const description *d)
{
    return strcmp(d->format, "savedmodel") == 0;
}

typedef struct making {
    region *home;
    description *d;
    const tf_saved_graph *saved;
    tf_imported *imported;
    built_model *m;
    weight_source *sources;
    ebb_error *error;
} making;

static ebb_status no_memory(making *k)
{
    return region_fail(k->home, k->error, k->d->path, "the graph");
}

/* -- weights ------------------------------------------------------------------------------------
 */

/* "dense/kernel": weight "kernel" of "dense". */
static bool weight_name(region *home, const char *full, layer_weight *w)
{
    const char *slash = strrchr(full, '/');

    w->path = full;
    w->name = slash == NULL ? full : slash + 1;
    w->title = slash == NULL ? "" : region_text_length(home, full, (size_t)(slash - full));
    return w->title != NULL;
}

static ebb_status weight_make(making *k, uint32_t index, layer_weight *w)
{
    const tf_variable *v = &k->saved->variables[index];
    const tensor_entry *t = &k->d->groups[0].tensors[v->tensor];
    shape s = {.rank = t->rank};
    uint64_t count = 0;

    if (!weight_name(k->home, v->name, w)) return no_memory(k);
    for (uint32_t i = 0; i < t->rank; i++) s.dims[i] = t->dims[i];
    w->v = k->imported->weights[index];
    if (w->v == VALUE_NONE) w->v = graph_weight(k->m->graph, t->dtype, &s, index);
    w->latest = w->computed = w->v;
    w->index = index;
    w->dtype = t->dtype;
    w->rank = t->rank;
    memcpy(w->dims, t->dims, sizeof w->dims);
    w->trainable = v->trainable;
    w->is_listed = true;
    if (!dims_count(t->rank, t->dims, &count))
        return fail(k->error, EBB_E_FORMAT, v->name, "the variable is too large");
    k->m->parameters += count;
    if (w->trainable) k->m->parameters_trainable += count;
    k->sources[index].entry = t;
    return EBB_OK;
}

static ebb_status weights_make(making *k)
{
    const uint32_t count = k->saved->variable_count;
    layer_weight *weights = region_new(k->home, layer_weight, (size_t)count + 1);

    k->m->weights = region_new(k->home, layer_weight *, (size_t)count + 1);
    k->sources = region_new(k->home, weight_source, (size_t)count + 1);
    if (weights == NULL || k->m->weights == NULL || k->sources == NULL) return no_memory(k);
    k->m->weight_count = count;
    for (uint32_t i = 0; i < count; i++) {
        const ebb_status status = weight_make(k, i, &weights[i]);
        if (status != EBB_OK) return status;
        k->m->weights[i] = &weights[i];
    }
    return EBB_OK;
}

/* -- ports --------------------------------------------------------------------------------------
 */

/* Outputs leave in the type that the signature declares. */
static ebb_status ports_make(making *k)
{
    const tf_saved_graph *saved = k->saved;
    graph *g = k->m->graph;
    built_model *m = k->m;

    m->input_count = saved->input_count;
    m->output_count = saved->output_count;
    m->inputs = region_new(k->home, model_port, (size_t)m->input_count + 1);
    m->outputs = region_new(k->home, model_port, (size_t)m->output_count + 1);
    if (m->inputs == NULL || m->outputs == NULL) return no_memory(k);
    if (g->input_count != m->input_count || g->output_count != m->output_count) {
        return fail(k->error, EBB_E_INTERNAL, k->d->path,
                    "%u inputs and %u outputs became %u and %u", m->input_count, m->output_count,
                    g->input_count, g->output_count);
    }
    for (uint32_t i = 0; i < m->input_count; i++) {
        m->inputs[i] = (model_port){.name = saved->inputs[i].name,
                                    .v = g->inputs[i],
                                    .dtype = k->imported->input_dtypes[i]};
    }
    for (uint32_t i = 0; i < m->output_count; i++) {
        const ebb_dtype declared = k->imported->output_dtypes[i];
        m->outputs[i] = (model_port){.name = saved->outputs[i].name,
                                     .v = op_cast(g, g->outputs[i], declared),
                                     .dtype = declared};
    }
    graph_outputs_clear(g);
    for (uint32_t i = 0; i < m->output_count; i++) graph_output(g, m->outputs[i].v);
    if (graph_ok(g)) return EBB_OK;
    if (k->error != NULL) *k->error = g->error;
    return g->error.status;
}

/* -- the model ----------------------------------------------------------------------------------
 */

/* "digits" from "models/digits/". */
static const char *model_name(region *home, const char *path)
{
    size_t end = strlen(path);

    while (end > 1 && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    return region_text_length(home, path + begin, end - begin);
}

/* A model without layers, so that whoever looks through layers finds none. */
static ebb_status top_make(making *k)
{
    model_config *config = region_new(k->home, model_config, 1);

    k->m->top = region_new(k->home, nested_model, 1);
    if (config == NULL || k->m->top == NULL) return no_memory(k);
    config->name = model_name(k->home, k->d->path);
    config->class_name = "SavedModel";
    k->m->top->config = config;
    return config->name != NULL ? EBB_OK : no_memory(k);
}

static ebb_status import(making *k, problem_function problem, void *context)
{
    const tf_saved_graph *saved = k->saved;
    region *work = region_open(k->home, "import", EBB_CLASS_SCRATCH, 0);
    tf_variable_shape *shapes =
        work == NULL ? NULL
                     : region_new(work, tf_variable_shape, (size_t)saved->variable_count + 1);
    ebb_status status = EBB_OK;

    if (shapes == NULL) status = no_memory(k);
    for (uint32_t i = 0; i < saved->variable_count && status == EBB_OK; i++) {
        const tensor_entry *t = &k->d->groups[0].tensors[saved->variables[i].tensor];
        shapes[i] = (tf_variable_shape){.dtype = t->dtype, .rank = t->rank};
        memcpy(shapes[i].dims, t->dims, sizeof shapes[i].dims);
        if (t->dtype == EBB_DTYPE_NONE) {
            status = fail(k->error, EBB_E_UNSUPPORTED, saved->variables[i].name,
                          "the variable holds no numbers that ebb reads");
        }
    }
    if (status == EBB_OK) {
        status = tf_import(k->home, saved, shapes, problem, context, &k->imported, k->error);
    }
    region_close(work);
    return status;
}

static ebb_status graph_build(region *home, description *d, const char *signature,
                              problem_function problem, void *context, built_model **built,
                              weight_source **sources, ebb_error *error)
{
    making k = {.home = home, .d = d, .error = error};
    ebb_status status = saved_graph_read(home, d, signature, error);

    if (status != EBB_OK) return status;
    k.saved = d->saved_graph;
    status = import(&k, problem, context);
    region_close(d->saved_constants);
    d->saved_constants = NULL;
    if (status != EBB_OK) return status;
    k.m = region_new(home, built_model, 1);
    if (k.m == NULL) return no_memory(&k);
    k.m->graph = k.imported->graph;
    k.m->batch = k.imported->batch;
    status = top_make(&k);
    if (status == EBB_OK) status = weights_make(&k);
    if (status == EBB_OK) status = ports_make(&k);
    if (status == EBB_OK) status = graph_verify(k.m->graph, error);
    if (status != EBB_OK) return status;
    d->model = NULL;
    *built = k.m;
    *sources = k.sources;
    return EBB_OK;
}

static ebb_status layers_build(region *home, description *d, problem_function problem,
                               void *context, built_model **built, weight_source **sources,
                               ebb_error *error)
{
    const assemble_options how = {.problem = problem, .context = context};
    ebb_status status = assemble_model(home, d, &how, built, error);

    if (status == EBB_OK) status = bind_weights(home, d, *built, problem, context, sources, error);
    return status;
}

static bool is_about_memory(ebb_status status)
{
    return status == EBB_E_MEMORY || status == EBB_E_INTERNAL || status == EBB_E_IO;
}

/* Neither runs: the configuration names what the user knows. */
static ebb_status both_failed(const description *d, const ebb_error *layers, const ebb_error *graph,
                              ebb_error *error)
{
    if (layers->status != EBB_OK) {
        return fail(error, layers->status, layers->where, "%s (and its graph: %.160s)",
                    layers->text, graph->text);
    }
    if (d->model_problem != NULL) {
        return fail(error, EBB_E_UNSUPPORTED, d->path, "%.200s (and its graph: %.60s: %.120s)",
                    d->model_problem, graph->where, graph->text);
    }
    return fail(error, graph->status, graph->where, "%s", graph->text);
}

ebb_status saved_graph_build(region *home, description *d, const char *signature,
                             problem_function problem, void *context, built_model **built,
                             weight_source **sources, ebb_error *error)
{
    model_config *const config = signature == NULL ? d->model : NULL;
    tensor_group *const groups = d->groups;
    const uint32_t group_count = d->group_count;
    ebb_error layers = {0}, graph = {0};
    ebb_status status = EBB_OK;

    if (config != NULL) {
        status = layers_build(home, d, NULL, NULL, built, sources, &layers);
        if (status == EBB_OK || is_about_memory(status)) {
            if (error != NULL) *error = layers;
            return status;
        }
    }
    problem_function told = config == NULL ? problem : NULL;
    status = graph_build(home, d, signature, told, context, built, sources, &graph);
    if (status == EBB_OK && config != NULL) {
        d->model_problem = region_format(home, "%s: %s", layers.where, layers.text);
        return d->model_problem != NULL ? EBB_OK : region_fail(home, error, d->path, "a text");
    }
    if (status == EBB_OK) return EBB_OK;
    if (is_about_memory(status)) {
        if (error != NULL) *error = graph;
        return status;
    }
    if (config != NULL && problem != NULL) {
        d->groups = groups;
        d->group_count = group_count;
        (void)layers_build(home, d, problem, context, built, sources, &layers);
    }
    return both_failed(d, &layers, &graph, error);
}

/* -- what it computes ---------------------------------------------------------------------------
 */

typedef struct operation_count {
    const char *op;
    uint32_t count;
} operation_count;

typedef struct counting {
    operation_count *list;
    uint32_t count, all;
    name_table names;
} counting;

/* What moves values and computes nothing. */
static bool is_plumbing(const char *op)
{
    static const char *const names[] = {
        "Const",       "Identity",        "IdentityN",      "NoOp",
        "Placeholder", "VarHandleOp",     "ReadVariableOp", "StatefulPartitionedCall",
        "VariableV2",  "PartitionedCall",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], op) == 0) return true;
    }
    return false;
}

static void nodes_count(counting *c, const tf_node *nodes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *op = nodes[i].op;
        if (is_plumbing(op)) continue;
        uint32_t at = name_table_find(&c->names, op, strlen(op));
        if (at == NAME_NONE) {
            at = c->count++;
            c->list[at].op = op;
            (void)name_table_put(&c->names, op, at);
        }
        c->list[at].count++;
        c->all++;
    }
}

ebb_status saved_graph_operations(region *scratch, const description *d,
                                  void (*line)(void *context, const char *text), void *context,
                                  ebb_error *error)
{
    const tf_graph_def *def = d->saved_graph->def;
    counting c = {0};
    size_t nodes = def->node_count;
    text_writer w;

    for (uint32_t i = 0; i < def->function_count; i++) nodes += def->functions[i].node_count;
    c.list = region_new(scratch, operation_count, nodes + 1);
    if (c.list == NULL || !name_table_make(scratch, nodes, &c.names))
        return region_fail(scratch, error, d->path, "the summary");
    nodes_count(&c, def->nodes, def->node_count);
    for (uint32_t i = 0; i < def->function_count; i++)
        nodes_count(&c, def->functions[i].nodes, def->functions[i].node_count);
    text_begin(&w, scratch);
    text_format(&w, " Signature: %s", d->saved_graph->signature);
    if (!w.failed) line(context, w.text);
    text_begin(&w, scratch);
    text_format(&w, " Operations: %u", c.all);
    for (uint32_t i = 0; i < c.count; i++)
        text_format(&w, "%s%s %u", i == 0 ? " (" : ", ", c.list[i].op, c.list[i].count);
    text_put(&w, c.count > 0 ? ")" : "");
    if (w.failed) return region_fail(scratch, error, d->path, "the summary");
    line(context, w.text);
    return EBB_OK;
}
