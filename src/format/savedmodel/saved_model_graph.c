/* saved_model_graph.c -- the graph around the functions: variables, one call for each signature,
 * saving and restoring, which TensorFlow Serving and TensorFlow 1 run by the names of nodes; and
 * the function that takes and gives tensors by name. */
#include "format/savedmodel/saved_model_maker.h"

#include <string.h>

/* Of TensorFlow 2.21; every operation that is written has been there since 2.4. */
#define GRAPH_PRODUCER 2474
#define GRAPH_CONSUMER 12
#define CALL           "StatefulPartitionedCall"

const char *const saved_signatures[SAVED_SIGNATURES] = {"serve", "serving_default"};

typedef struct graph_maker {
    maker *m;
    const saved_model_content *c;
    tf_node *nodes;
    uint32_t count;
    const char **variables;           /* nodes by variable */
    const uint32_t *inputs, *outputs; /* sorted by name */
} graph_maker;

/* -- names ------------------------------------------------------------------------------------- */

const char *saved_call_name(uint32_t signature)
{
    static const char *const names[SAVED_SIGNATURES] = {CALL, CALL "_1"};

    return names[signature];
}

const char *saved_variable_key(maker *m, uint32_t variable)
{
    return maker_text(m, "variables/%u/.ATTRIBUTES/VARIABLE_VALUE", variable);
}

const char *saved_output_name(maker *m, const saved_model_content *c, uint32_t output)
{
    if (c->output_structure == STRUCTURE_DICT) return c->outputs[output].key;
    return maker_text(m, "output_%u", output);
}

/* Few ports: insertion is enough. */
static uint32_t *sorted(maker *m, const char *const *names, uint32_t count)
{
    uint32_t *order = maker_memory(m, (size_t)count + 1, sizeof *order);

    for (uint32_t i = 0; order != NULL && i < count; i++) {
        uint32_t place = i;
        for (; place > 0 && strcmp(names[order[place - 1]], names[i]) > 0; place--)
            order[place] = order[place - 1];
        order[place] = i;
    }
    return order;
}

uint32_t *saved_inputs_sorted(maker *m, const saved_model_content *c)
{
    const char **names = maker_memory(m, (size_t)c->input_count + 1, sizeof *names);

    for (uint32_t i = 0; names != NULL && i < c->input_count; i++) names[i] = c->inputs[i].name;
    return names == NULL ? NULL : sorted(m, names, c->input_count);
}

uint32_t *saved_outputs_sorted(maker *m, const saved_model_content *c)
{
    const char **names = maker_memory(m, (size_t)c->output_count + 1, sizeof *names);

    for (uint32_t i = 0; names != NULL && i < c->output_count; i++)
        names[i] = saved_output_name(m, c, i);
    return names == NULL ? NULL : sorted(m, names, c->output_count);
}

/* -- nodes ------------------------------------------------------------------------------------- */

typedef struct node_parts {
    const char **inputs;
    tf_attribute *attributes;
} node_parts;

#define NODE_ATTRIBUTES_MAX 4

/* False: no memory. The parts are filled in by the caller. */
static bool node_open(maker *m, tf_node *n, const char *name, const char *op, uint32_t inputs,
                      node_parts *parts)
{
    parts->inputs = maker_memory(m, (size_t)inputs + 1, sizeof *parts->inputs);
    parts->attributes = maker_memory(m, NODE_ATTRIBUTES_MAX, sizeof *parts->attributes);
    *n = (tf_node){.name = name,
                   .op = op,
                   .device = "",
                   .inputs = parts->inputs,
                   .input_count = inputs,
                   .attributes = parts->attributes};
    return !m->no_memory;
}

static bool node_add(graph_maker *g, const char *name, const char *op, uint32_t inputs,
                     node_parts *parts)
{
    return !g->m->no_memory && node_open(g->m, &g->nodes[g->count++], name, op, inputs, parts);
}

/* Values to be filled in; NULL: no memory. */
static tf_attribute_value *attribute_add(maker *m, tf_node *n, node_parts *parts, const char *name,
                                         tf_attribute_kind kind, bool is_list, uint32_t count)
{
    tf_attribute_value *values = maker_memory(m, (size_t)count + 1, sizeof *values);

    if (values == NULL) return NULL;
    parts->attributes[n->attribute_count++] = (tf_attribute){name, kind, is_list, count, values};
    return values;
}

static void attribute_type(maker *m, tf_node *n, node_parts *parts, const char *name, tf_type type)
{
    tf_attribute_value *value = attribute_add(m, n, parts, name, TF_ATTRIBUTE_TYPE, false, 1);

    if (value != NULL) value->type = type;
}

static void attribute_shape(maker *m, tf_node *n, node_parts *parts, const tf_shape *s)
{
    tf_attribute_value *value = attribute_add(m, n, parts, "shape", TF_ATTRIBUTE_SHAPE, false, 1);

    if (value != NULL) value->shape = *s;
}

static void attribute_text(maker *m, tf_node *n, node_parts *parts, const char *name,
                           tf_attribute_kind kind, const char *text)
{
    tf_attribute_value *value = attribute_add(m, n, parts, name, kind, false, 1);

    if (value != NULL) value->s = (tf_text){text, strlen(text)};
}

static tf_shape variable_shape(const saved_variable *v)
{
    tf_shape s = {.has_rank = true, .rank = v->rank};

    memcpy(s.dims, v->dims, sizeof s.dims);
    return s;
}

/* -- calls of functions ------------------------------------------------------------------------ */

/* A node that calls `function`, whose arguments are the inputs in `order` and then the captured
 * variables: types only. */
static void call_types(maker *m, tf_node *n, node_parts *parts, const saved_model_content *c,
                       const uint32_t *inputs, const uint32_t *outputs)
{
    const uint32_t taken = c->input_count + c->captured_count;
    tf_attribute_value *in = attribute_add(m, n, parts, "Tin", TF_ATTRIBUTE_TYPE, true, taken);
    tf_attribute_value *out =
        attribute_add(m, n, parts, "Tout", TF_ATTRIBUTE_TYPE, true, c->output_count);

    for (uint32_t i = 0; in != NULL && i < taken; i++) {
        const uint32_t input = i < c->input_count && inputs != NULL ? inputs[i] : i;
        in[i].type = i < c->input_count ? c->inputs[input].type : TF_RESOURCE;
    }
    for (uint32_t i = 0; out != NULL && i < c->output_count; i++)
        out[i].type = c->outputs[outputs != NULL ? outputs[i] : i].type;
}

static const char *placeholder_name(graph_maker *g, uint32_t signature, uint32_t input)
{
    return maker_text(g->m, "%s_%s", saved_signatures[signature], g->c->inputs[input].name);
}

static void add_signature(graph_maker *g, uint32_t signature)
{
    const saved_model_content *c = g->c;
    node_parts parts;

    for (uint32_t i = 0; i < c->input_count; i++) {
        if (!node_add(g, placeholder_name(g, signature, i), "Placeholder", 0, &parts)) return;
        tf_node *n = &g->nodes[g->count - 1];
        attribute_type(g->m, n, &parts, "dtype", c->inputs[i].type);
        attribute_shape(g->m, n, &parts, &c->inputs[i].shape);
    }
    if (!node_add(g, saved_call_name(signature), CALL, c->input_count + c->captured_count, &parts))
        return;
    for (uint32_t i = 0; i < c->input_count; i++)
        parts.inputs[i] = placeholder_name(g, signature, g->inputs[i]);
    for (uint32_t i = 0; i < c->captured_count; i++)
        parts.inputs[c->input_count + i] = g->variables[c->captured[i]];
    tf_node *n = &g->nodes[g->count - 1];
    call_types(g->m, n, &parts, c, g->inputs, g->outputs);
    attribute_text(g->m, n, &parts, "f", TF_ATTRIBUTE_FUNCTION, SAVED_WRAPPER);
}

/* -- variables, saving, restoring -------------------------------------------------------------- */

/* The number keeps names apart whatever layers are called. */
static const char *variable_node(graph_maker *g, uint32_t variable)
{
    char *name = maker_text(g->m, "%s_%u", g->c->variables[variable].name, variable);

    for (char *p = name; *p != '\0'; p++) {
        const bool is_plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                              (*p >= '0' && *p <= '9') || *p == '.' ||
                              (p != name && (*p == '_' || *p == '/' || *p == '-'));
        if (!is_plain) *p = p == name ? 'x' : '_';
    }
    return name;
}

static void add_variables(graph_maker *g)
{
    node_parts parts;

    for (uint32_t i = 0; i < g->c->variable_count; i++) {
        const saved_variable *v = &g->c->variables[i];
        const tf_shape s = variable_shape(v);
        g->variables[i] = variable_node(g, i);
        if (!node_add(g, g->variables[i], "VarHandleOp", 0, &parts)) return;
        tf_node *n = &g->nodes[g->count - 1];
        attribute_type(g->m, n, &parts, "dtype", tf_type_of(v->dtype));
        attribute_shape(g->m, n, &parts, &s);
        attribute_text(g->m, n, &parts, "shared_name", TF_ATTRIBUTE_TEXT, g->variables[i]);
    }
}

static void add_texts(graph_maker *g, const char *name, const tf_text *texts, uint32_t count)
{
    tf_constant *constant = maker_memory(g->m, 1, sizeof *constant);
    node_parts parts;

    if (!node_add(g, name, "Const", 0, &parts) || constant == NULL) return;
    tf_node *n = &g->nodes[g->count - 1];
    *constant = (tf_constant){.type = TF_STRING,
                              .shape = {.has_rank = true, .rank = 1, .dims = {count}},
                              .count = count,
                              .texts = texts};
    attribute_type(g->m, n, &parts, "dtype", TF_STRING);
    tf_attribute_value *value =
        attribute_add(g->m, n, &parts, "value", TF_ATTRIBUTE_TENSOR, false, 1);
    if (value != NULL) value->tensor = constant;
}

static void variable_types(graph_maker *g, tf_node *n, node_parts *parts)
{
    const uint32_t count = g->c->variable_count;
    tf_attribute_value *types =
        attribute_add(g->m, n, parts, "dtypes", TF_ATTRIBUTE_TYPE, true, count);

    for (uint32_t i = 0; types != NULL && i < count; i++)
        types[i].type = tf_type_of(g->c->variables[i].dtype);
}

/* What both directions name: keys of the checkpoint, and no slices. */
static void add_saver_names(graph_maker *g)
{
    const uint32_t count = g->c->variable_count;
    tf_text *names = maker_memory(g->m, (size_t)count + 1, sizeof *names);
    tf_text *slices = maker_memory(g->m, (size_t)count + 1, sizeof *slices);
    node_parts parts;

    for (uint32_t i = 0; names != NULL && slices != NULL && i < count; i++) {
        const char *key = saved_variable_key(g->m, i);
        names[i] = (tf_text){key, strlen(key)};
        slices[i] = (tf_text){"", 0};
    }
    if (!node_add(g, SAVED_FILENAME, "Placeholder", 0, &parts)) return;
    attribute_type(g->m, &g->nodes[g->count - 1], &parts, "dtype", TF_STRING);
    attribute_shape(g->m, &g->nodes[g->count - 1], &parts, &(tf_shape){.has_rank = true});
    add_texts(g, "saver_names", names, count);
    add_texts(g, "saver_slices", slices, count);
}

static void add_save(graph_maker *g)
{
    const uint32_t count = g->c->variable_count;
    node_parts save, parts;

    if (!node_add(g, "saver_write", "SaveV2", 3 + count, &save)) return;
    variable_types(g, &g->nodes[g->count - 1], &save);
    save.inputs[0] = SAVED_FILENAME;
    save.inputs[1] = "saver_names";
    save.inputs[2] = "saver_slices";
    for (uint32_t i = 0; i < count; i++) {
        save.inputs[3 + i] = maker_text(g->m, "saver_read_%u", i);
        if (!node_add(g, save.inputs[3 + i], "ReadVariableOp", 1, &parts)) return;
        parts.inputs[0] = g->variables[i];
        attribute_type(g->m, &g->nodes[g->count - 1], &parts, "dtype",
                       tf_type_of(g->c->variables[i].dtype));
    }
    if (!node_add(g, SAVED_SAVE, "Identity", 2, &parts)) return;
    parts.inputs[0] = SAVED_FILENAME;
    parts.inputs[1] = "^saver_write";
    attribute_type(g->m, &g->nodes[g->count - 1], &parts, "T", TF_STRING);
}

static void add_restore(graph_maker *g)
{
    const uint32_t count = g->c->variable_count;
    node_parts all, parts;

    if (!node_add(g, "saver_load", "RestoreV2", 3, &parts)) return;
    variable_types(g, &g->nodes[g->count - 1], &parts);
    parts.inputs[0] = SAVED_FILENAME;
    parts.inputs[1] = "saver_names";
    parts.inputs[2] = "saver_slices";
    if (!node_add(g, SAVED_RESTORE, "NoOp", count, &all)) return;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = maker_text(g->m, "saver_assign_%u", i);
        if (!node_add(g, name, "AssignVariableOp", 2, &parts)) return;
        parts.inputs[0] = g->variables[i];
        parts.inputs[1] = maker_text(g->m, "saver_load:%u", i);
        attribute_type(g->m, &g->nodes[g->count - 1], &parts, "dtype",
                       tf_type_of(g->c->variables[i].dtype));
        all.inputs[i] = maker_text(g->m, "^%s", name);
    }
}

/* RestoreV2 wants a tensor at least. */
static void add_saver(graph_maker *g)
{
    node_parts parts;

    add_saver_names(g);
    if (g->c->variable_count > 0) {
        add_save(g);
        add_restore(g);
        return;
    }
    if (!node_add(g, SAVED_SAVE, "Identity", 1, &parts)) return;
    parts.inputs[0] = SAVED_FILENAME;
    attribute_type(g->m, &g->nodes[g->count - 1], &parts, "T", TF_STRING);
    (void)node_add(g, SAVED_RESTORE, "NoOp", 0, &parts);
}

/* -- the function of the signatures ------------------------------------------------------------ */

static void wrapper_results(graph_maker *g, tf_function *f, tf_node *nodes)
{
    const saved_model_content *c = g->c;
    tf_port *results = maker_memory(g->m, c->output_count, sizeof *results);
    node_parts parts;

    for (uint32_t i = 0; results != NULL && i < c->output_count; i++) {
        const uint32_t output = g->outputs[i];
        const char *name = maker_text(g->m, "Identity_%u", i);
        if (!node_open(g->m, &nodes[1 + i], name, "Identity", 1, &parts)) return;
        parts.inputs[0] = maker_text(g->m, "%s:output:%u", CALL, output);
        attribute_type(g->m, &nodes[1 + i], &parts, "T", c->outputs[output].type);
        results[i] = (tf_port){.name = maker_text(g->m, "result_%u", i),
                               .type = c->outputs[output].type,
                               .source = maker_text(g->m, "%s:output:0", name)};
    }
    f->results = results;
    f->result_count = c->output_count;
    f->nodes = nodes;
    f->node_count = 1 + c->output_count;
}

/* Arguments and results in the order of their names, as TensorFlow flattens what goes by name. */
static void wrapper_make(graph_maker *g, tf_function *f)
{
    const saved_model_content *c = g->c;
    const tf_function *serve = &c->functions[c->function_count - 1];
    const uint32_t taken = c->input_count + c->captured_count;
    tf_port *arguments = maker_memory(g->m, (size_t)taken + 1, sizeof *arguments);
    tf_node *nodes = maker_memory(g->m, (size_t)c->output_count + 1, sizeof *nodes);
    node_parts parts;

    if (g->m->no_memory || !node_open(g->m, &nodes[0], CALL, CALL, taken, &parts)) return;
    for (uint32_t i = 0; i < taken; i++) {
        const uint32_t from = i < c->input_count ? g->inputs[i] : i;
        arguments[i] = serve->arguments[from];
        parts.inputs[from] = serve->arguments[from].name;
    }
    call_types(g->m, &nodes[0], &parts, c, NULL, NULL);
    attribute_text(g->m, &nodes[0], &parts, "f", TF_ATTRIBUTE_FUNCTION, serve->name);
    *f = (tf_function){.name = SAVED_WRAPPER, .arguments = arguments, .argument_count = taken};
    wrapper_results(g, f, nodes);
}

Ebb__Write__Graph *saved_graph_make(maker *m, const saved_model_content *c)
{
    graph_maker g = {.m = m, .c = c};
    const size_t nodes = 16 + 3 * (size_t)c->variable_count + 2 * (size_t)c->input_count;
    tf_function *functions = maker_memory(m, (size_t)c->function_count + 1, sizeof *functions);
    node_parts parts;

    g.nodes = maker_memory(m, nodes, sizeof *g.nodes);
    g.variables = maker_memory(m, (size_t)c->variable_count + 1, sizeof *g.variables);
    g.inputs = saved_inputs_sorted(m, c);
    g.outputs = saved_outputs_sorted(m, c);
    if (m->no_memory) return MESSAGE(m, Graph, graph);
    add_variables(&g);
    for (uint32_t i = 0; i < SAVED_SIGNATURES; i++) add_signature(&g, i);
    (void)node_add(&g, SAVED_INIT, "NoOp", 0, &parts);
    add_saver(&g);
    if (c->function_count > 0)
        memcpy(functions, c->functions, c->function_count * sizeof *functions);
    wrapper_make(&g, &functions[c->function_count]);
    const tf_graph_def all = {g.nodes, g.count, functions, c->function_count + 1};
    Ebb__Write__Graph *graph = m->no_memory ? MESSAGE(m, Graph, graph) : maker_graph(m, &all);
    graph->versions = maker_versions(m, GRAPH_PRODUCER, GRAPH_CONSUMER);
    return graph;
}
