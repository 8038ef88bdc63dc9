/* saved_graph_view.c -- a graph of protobuf messages with its names; see saved_graph_parts.h. */
#include <string.h>

#include "base/status.h"
#include "format/savedmodel/saved_graph_parts.h"

#define NODES_MAX     4000000u
#define FUNCTIONS_MAX 1000000u
#define ATTRS_MAX     1000u /* of a node: they are looked for one after the other */

static ebb_status attrs_check(const graph_view *v, node_message *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (nodes[i]->n_attr > ATTRS_MAX) {
            return fail(v->error, EBB_E_FORMAT, v->where, "node '%.100s' has %zu attributes",
                        nodes[i]->name, nodes[i]->n_attr);
        }
    }
    return EBB_OK;
}

static ebb_status functions_open(graph_view *v, const Ebb__Read__Library *library)
{
    if (library->n_function > FUNCTIONS_MAX)
        return fail(v->error, EBB_E_FORMAT, v->where, "%zu functions", library->n_function);
    v->functions = library->function;
    v->function_count = (uint32_t)library->n_function;
    if (!name_table_make(v->scratch, v->function_count, &v->function_names))
        return region_fail(v->scratch, v->error, v->where, "the names of functions");
    for (uint32_t i = 0; i < v->function_count; i++) {
        const Ebb__Read__FunctionSignature *s = v->functions[i]->signature;
        if (s == NULL || s->name[0] == '\0' || !name_table_put(&v->function_names, s->name, i)) {
            return fail(v->error, EBB_E_FORMAT, v->where,
                        "function %u has no name, or that of another; the graph is damaged", i);
        }
        const ebb_status status =
            attrs_check(v, v->functions[i]->node_def, v->functions[i]->n_node_def);
        if (status != EBB_OK) return status;
    }
    return attrs_check(v, v->nodes, v->node_count);
}

ebb_status graph_view_open(graph_view *v)
{
    static const Ebb__Read__Library nothing;
    const graph_message *g = v->meta->graph_def;

    if (g == NULL || g->n_node == 0)
        return fail(v->error, EBB_E_FORMAT, v->where, "saved_model.pb holds no graph");
    if (g->n_node > NODES_MAX)
        return fail(v->error, EBB_E_FORMAT, v->where, "%zu nodes", g->n_node);
    v->nodes = g->node;
    v->node_count = (uint32_t)g->n_node;
    if (!name_table_make(v->scratch, v->node_count, &v->node_names))
        return region_fail(v->scratch, v->error, v->where, "the names of nodes");
    for (uint32_t i = 0; i < v->node_count; i++) {
        if (v->nodes[i]->name[0] == '\0' || !name_table_put(&v->node_names, v->nodes[i]->name, i)) {
            return fail(v->error, EBB_E_FORMAT, v->where,
                        "node %u '%.100s' has no name, or that of another; the graph is damaged", i,
                        v->nodes[i]->name);
        }
    }
    return functions_open(v, g->library != NULL ? g->library : &nothing);
}

size_t input_name(const char *input, const char **name)
{
    *name = input[0] == '^' ? input + 1 : input;
    return strcspn(*name, ":");
}

uint32_t output_number(const char *input)
{
    const char *colon = strrchr(input, ':');
    uint64_t number = 0;

    for (const char *at = colon == NULL ? "" : colon + 1; *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
        if (number >= UINT32_MAX) return UINT32_MAX;
    }
    return (uint32_t)number;
}

const node_message *graph_view_node(const graph_view *v, const char *input)
{
    const char *name;
    const size_t length = input_name(input, &name);
    const uint32_t number = name_table_find(&v->node_names, name, length);

    return number == NAME_NONE ? NULL : v->nodes[number];
}

const function_message *graph_view_function(const graph_view *v, const char *name)
{
    const uint32_t number = name_table_find(&v->function_names, name, strlen(name));

    return number == NAME_NONE ? NULL : v->functions[number];
}

const attr_message *node_attr(const node_message *n, const char *name)
{
    for (size_t i = 0; i < n->n_attr; i++) {
        if (strcmp(n->attr[i]->key, name) == 0) return n->attr[i]->value;
    }
    return NULL;
}

const function_message *graph_view_callee(const graph_view *v, const node_message *n)
{
    static const char *const calls[] = {"StatefulPartitionedCall", "PartitionedCall"};

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (strcmp(n->op, calls[i]) != 0) continue;
        const attr_message *f = node_attr(n, "f");
        if (f == NULL || f->value_case != EBB__READ__ATTR__VALUE_FUNC || f->func == NULL)
            return NULL;
        return graph_view_function(v, f->func->name);
    }
    return graph_view_function(v, n->op); /* functions of TensorFlow 1 */
}
