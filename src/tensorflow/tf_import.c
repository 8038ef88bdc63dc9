/* tf_import.c -- a whole graph of a SavedModel: its signature becomes inputs and outputs of ours.
 *
 * Nothing is emitted that the outputs do not need. Before that a walk over names alone finds what
 * is not supported, so that all of it can be told at once. */
#include "tensorflow/tf_frame.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"

/* -- what is not supported --------------------------------------------------------------------- */

/* A walk over the nodes that results are made of; functions once each. */
typedef struct survey {
    importer *importer;
    tf_build *build;
    bool *is_seen; /* by function */
    uint32_t *queue;
    uint32_t queued;
    void (*problem)(void *context, const char *node, const char *text);
    void *context;
    uint32_t problem_count;
    const char **told; /* operations that were told already */
    uint32_t told_count, told_capacity;
} survey;

static bool is_built_in(const char *op)
{
    static const char *const names[] = {"PartitionedCall",
                                        "StatefulPartitionedCall",
                                        "While",
                                        "StatelessWhile",
                                        "If",
                                        "StatelessIf",
                                        "VarHandleOp",
                                        "VariableV2",
                                        "Variable"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(op, names[i]) == 0) return true;
    return false;
}

/* Each operation is told once, with the first node that has it. */
static bool tell(survey *s, const tf_node *n, const char *text)
{
    for (uint32_t i = 0; i < s->told_count; i++)
        if (strcmp(s->told[i], n->op) == 0) return true;
    if (s->told_count == s->told_capacity) {
        const uint32_t larger = s->told_capacity * 2 + 16;
        const char **moved = tf_memory(s->build, larger, sizeof *moved);
        if (moved == NULL) return false;
        if (s->told_count > 0) memcpy(moved, s->told, s->told_count * sizeof *moved);
        s->told = moved;
        s->told_capacity = larger;
    }
    s->told[s->told_count++] = n->op;
    if (s->problem_count++ == 0)
        (void)fail(&s->build->graph->error, EBB_E_UNSUPPORTED, n->name, "%s", text);
    if (s->problem != NULL) s->problem(s->context, n->name, text);
    return true;
}

/* The functions that a node calls are looked at later. */
static void survey_functions(survey *s, const tf_node *n)
{
    const tf_graph_def *def = s->importer->saved->def;

    for (uint32_t i = 0; i <= n->attribute_count; i++) {
        const tf_attribute *a = i < n->attribute_count ? &n->attributes[i] : NULL;
        if (a != NULL && (a->kind != TF_ATTRIBUTE_FUNCTION || a->count == 0)) continue;
        const tf_function *called = tf_function_find(def, a != NULL ? a->values[0].s.bytes : n->op);
        if (called == NULL || s->is_seen[called - def->functions]) continue;
        s->is_seen[called - def->functions] = true;
        s->queue[s->queued++] = (uint32_t)(called - def->functions);
    }
}

static bool survey_node(survey *s, const tf_node *n)
{
    char text[sizeof((ebb_error *)0)->text];
    const bool is_call = tf_function_find(s->importer->saved->def, n->op) != NULL;

    if (!is_built_in(n->op) && !is_call && tf_entry_find(n->op) == NULL) {
        (void)snprintf(text, sizeof text, "the operation '%.60s' is not supported", n->op);
        return tell(s, n, text);
    }
    survey_functions(s, n);
    return true;
}

/* Nodes of a frame that `sources` are made of, and which arguments of its function they read. */
static bool survey_frame(survey *s, frame *f, const char *const *sources, uint32_t source_count,
                         bool *is_read)
{
    const tf_node *n;
    uint32_t top = 0, place;
    size_t edges = source_count;

    for (uint32_t i = 0; i < f->node_count; i++) edges += f->nodes[i].input_count;
    uint32_t *stack = tf_memory(s->build, edges + 1, sizeof *stack);
    if (stack == NULL) return false;
    for (uint32_t i = 0; i < source_count; i++)
        if (frame_source(f, sources[i], &n, &place) && n != NULL)
            stack[top++] = (uint32_t)(n - f->nodes);
    while (top > 0) {
        const uint32_t index = stack[--top];
        if (f->states[index].is_done) continue;
        f->states[index].is_done = true;
        n = &f->nodes[index];
        if (!survey_node(s, n)) return false;
        for (uint32_t i = 0; i < n->input_count; i++) {
            const tf_node *from;
            if (n->inputs[i][0] == '^' || !frame_source(f, n->inputs[i], &from, &place)) continue;
            if (from != NULL)
                stack[top++] = (uint32_t)(from - f->nodes);
            else
                is_read[place] = true;
        }
    }
    return true;
}

/* All of a function runs, also what changes variables and is not asked for. That is left out where
 * the results do not read the variable, as the states of random numbers that nobody draws. */
static bool survey_changes(survey *s, const frame *f, const bool *is_read)
{
    for (uint32_t i = 0; i < f->node_count; i++) {
        const tf_node *n = &f->nodes[i], *from;
        uint32_t place;
        if (strncmp(n->op, "Assign", 6) != 0 || n->input_count == 0 ||
            !frame_source(f, n->inputs[0], &from, &place) || from != NULL || !is_read[place])
            continue;
        if (!tell(s, n,
                  "the signature changes a variable that its results depend on; graphs with "
                  "a state are not supported"))
            return false;
    }
    return true;
}

static bool survey_function(survey *s, const tf_function *called)
{
    frame f = {.importer = s->importer,
               .build = s->build,
               .nodes = called->nodes,
               .node_count = called->node_count,
               .function = called};
    const char **sources = tf_memory(s->build, called->result_count + 1, sizeof *sources);
    bool *is_read = tf_memory(s->build, called->argument_count + 1, sizeof *is_read);

    if (sources == NULL || is_read == NULL || !frame_open(&f)) return false;
    for (uint32_t i = 0; i < called->result_count; i++) sources[i] = called->results[i].source;
    return survey_frame(s, &f, sources, called->result_count, is_read) &&
           survey_changes(s, &f, is_read);
}

/* In a region of its own, which goes: the graph is what stays. */
static bool survey_run(survey *s, const tf_saved_graph *saved)
{
    frame f = {.importer = s->importer,
               .build = s->build,
               .nodes = saved->def->nodes,
               .node_count = saved->def->node_count};
    const uint32_t functions = saved->def->function_count;
    const char **sources = tf_memory(s->build, saved->output_count + 1, sizeof *sources);

    s->is_seen = tf_memory(s->build, functions + 1, sizeof *s->is_seen);
    s->queue = tf_memory(s->build, functions + 1, sizeof *s->queue);
    if (s->is_seen == NULL || s->queue == NULL || sources == NULL || !frame_open(&f)) return false;
    for (uint32_t i = 0; i < saved->output_count; i++) sources[i] = saved->outputs[i].tensor;
    if (!survey_frame(s, &f, sources, saved->output_count, NULL)) return false;
    for (uint32_t i = 0; i < s->queued; i++)
        if (!survey_function(s, &saved->def->functions[s->queue[i]])) return false;
    return true;
}

static ebb_status survey_graph(importer *m, void (*problem)(void *, const char *, const char *),
                               void *context, ebb_error *error)
{
    region *scratch = region_open(m->home, "survey", EBB_CLASS_META, 0);
    if (scratch == NULL) return region_fail(m->home, error, "graph", "the graph");
    graph *g = graph_open(scratch);
    tf_build build = {.graph = g, .home = scratch};
    survey s = {.importer = m, .build = &build, .problem = problem, .context = context};
    ebb_status status = EBB_OK;

    if (g == NULL) {
        status = region_fail(scratch, error, "graph", "the graph");
    } else {
        const bool good = survey_run(&s, m->saved);
        if ((!good || s.problem_count > 0) && error != NULL) *error = g->error;
        if (!good || s.problem_count > 0) status = g->error.status;
    }
    region_close(scratch);
    return status;
}

/* -- variables --------------------------------------------------------------------------------- */

typedef struct reading {
    tf_build *build;
    const tf_saved_graph *saved;
    const tf_variable_shape *shapes;
    value *weights;
} reading;

static value variable_read(void *context, uint32_t resource)
{
    reading *r = context;
    graph *g = r->build->graph;
    shape s = {.rank = 0};

    if (resource == 0 || resource > r->saved->variable_count)
        return graph_fail(g, EBB_E_FORMAT, "there is no variable %u", resource);
    const uint32_t i = resource - 1;
    if (r->weights[i] != VALUE_NONE) return r->weights[i];
    const tf_variable_shape *from = &r->shapes[i];
    if (tf_compute(tf_type_of(from->dtype)) == EBB_DTYPE_NONE || from->rank > EBB_RANK_MAX)
        return graph_fail(g, EBB_E_DTYPE, "the variable '%.80s' cannot be computed with",
                          r->saved->variables[i].name);
    for (; s.rank < from->rank; s.rank++) s.dims[s.rank] = from->dims[s.rank];
    r->weights[i] = graph_weight(g, from->dtype, &s, i);
    return r->weights[i];
}

/* -- inputs and outputs ------------------------------------------------------------------------ */

static dim length_of(tf_imported *m, const tf_signature_port *port, uint32_t axis)
{
    char name[96];

    if (port->shape.dims[axis] >= 0) return port->shape.dims[axis];
    if (axis == 0 && m->batch != 0) return m->batch;
    (void)snprintf(name, sizeof name, "%.60s axis %u", port->name, axis);
    const dim d = dim_symbol(m->graph, axis == 0 ? "batch" : name);
    if (axis == 0) m->batch = d;
    return d;
}

/* The node that a signature's input names gives the input of our graph from now on. */
static bool input_bind(frame *f, tf_imported *m, const tf_signature_port *port, uint32_t number)
{
    const ebb_dtype dtype = tf_type_dtype(port->type), compute = tf_compute(port->type);
    const tf_node *n;
    shape s = {.rank = 0};
    uint32_t place;

    if (!frame_source(f, port->tensor, &n, &place) || n == NULL || place >= TF_OUTPUTS_MAX)
        return frame_fail(f, port->name, EBB_E_FORMAT, "the graph has no tensor '%.80s'",
                          port->tensor);
    if (compute == EBB_DTYPE_NONE)
        return frame_fail(f, port->name, EBB_E_UNSUPPORTED, "an input of type %s is not supported",
                          tf_type_name(port->type));
    if (!port->shape.has_rank || port->shape.rank > EBB_RANK_MAX)
        return frame_fail(f, port->name, EBB_E_UNSUPPORTED,
                          "an input with an unknown number of axes is not supported");
    for (; s.rank < port->shape.rank; s.rank++) s.dims[s.rank] = length_of(m, port, s.rank);
    const value v = op_cast(m->graph, graph_input(m->graph, dtype, &s), compute);
    frame_node *state = &f->states[n - f->nodes];
    if (!graph_ok(m->graph)) return false;
    if (state->outputs == NULL) {
        state->outputs = tf_memory(f->build, TF_OUTPUTS_MAX, sizeof *state->outputs);
        if (state->outputs == NULL) return false;
        state->output_count = TF_OUTPUTS_MAX;
        state->is_done = true;
    }
    state->outputs[place] = (tf_tensor){.type = port->type, .v = v};
    m->input_dtypes[number] = dtype;
    return true;
}

static bool output_make(frame *f, tf_imported *m, const tf_signature_port *port, uint32_t number)
{
    const ebb_dtype dtype = tf_type_dtype(port->type);
    tf_tensor t;

    if (dtype == EBB_DTYPE_NONE)
        return frame_fail(f, port->name, EBB_E_UNSUPPORTED, "an output of type %s is not supported",
                          tf_type_name(port->type));
    if (!frame_tensor(f, port->tensor, &t)) return false;
    m->output_dtypes[number] = dtype;
    const value v = tf_value(f->build, &t);
    if (v == VALUE_NONE) return false;
    graph_output(m->graph, op_cast(m->graph, v, dtype));
    return graph_ok(m->graph);
}

static bool import_graph(importer *m, tf_build *b, tf_imported *result)
{
    const tf_saved_graph *saved = m->saved;
    frame f = {.importer = m,
               .build = b,
               .nodes = saved->def->nodes,
               .node_count = saved->def->node_count};

    if (saved->output_count == 0)
        return frame_fail(&f, saved->signature, EBB_E_FORMAT, "the signature has no outputs");
    if (!frame_open(&f)) return false;
    for (uint32_t i = 0; i < saved->input_count; i++)
        if (!input_bind(&f, result, &saved->inputs[i], i)) return false;
    for (uint32_t i = 0; i < saved->output_count; i++)
        if (!output_make(&f, result, &saved->outputs[i], i)) return false;
    return graph_verify(result->graph, &result->graph->error) == EBB_OK;
}

/* Tensors on the way lie in `scratch`; graphs, also those of loops, in the importer's home. */
static ebb_status import_into(importer *m, region *scratch, const tf_variable_shape *shapes,
                              tf_imported **result, ebb_error *error)
{
    const tf_saved_graph *saved = m->saved;
    region *home = m->home;
    tf_imported *made = region_new(home, tf_imported, 1);

    if (made == NULL) return region_fail(home, error, "graph", "the graph");
    made->graph = graph_open(home);
    made->weights = region_new(home, value, (size_t)saved->variable_count + 1);
    made->input_dtypes = region_new(home, ebb_dtype, (size_t)saved->input_count + 1);
    made->output_dtypes = region_new(home, ebb_dtype, (size_t)saved->output_count + 1);
    m->outputs = region_new(scratch, tf_tensor, TF_OUTPUTS_MAX);
    if (made->graph == NULL || made->weights == NULL || made->input_dtypes == NULL ||
        made->output_dtypes == NULL)
        return region_fail(home, error, "graph", "the graph");
    if (m->outputs == NULL) return region_fail(scratch, error, "graph", "the graph");
    tf_build b = {.graph = made->graph, .home = scratch};
    reading r = {.build = &b, .saved = saved, .shapes = shapes, .weights = made->weights};
    b.variables = (tf_variables){.read = variable_read, .context = &r};
    if (!import_graph(m, &b, made)) {
        if (error != NULL) *error = made->graph->error;
        return made->graph->error.status;
    }
    *result = made;
    return EBB_OK;
}

ebb_status tf_import(region *home, const tf_saved_graph *saved, const tf_variable_shape *shapes,
                     void (*problem)(void *context, const char *node, const char *text),
                     void *context, tf_imported **result, ebb_error *error)
{
    importer m = {.home = home, .saved = saved};

    *result = NULL;
    const ebb_status surveyed = survey_graph(&m, problem, context, error);
    if (surveyed != EBB_OK) return surveyed;
    region *scratch = region_open(home, "import", EBB_CLASS_META, 0);
    if (scratch == NULL) return region_fail(home, error, "graph", "the graph");
    const ebb_status status = import_into(&m, scratch, shapes, result, error);
    region_close(scratch);
    return status;
}
