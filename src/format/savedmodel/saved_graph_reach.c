/* saved_graph_reach.c -- which nodes and functions the outputs of a signature need; see
 * saved_graph_parts.h. Every node and function is looked at once. */
#include <string.h>

#include "base/status.h"
#include "format/savedmodel/saved_graph_parts.h"

typedef struct reach {
    const graph_view *v;
    graph_reach *found;
    uint32_t *nodes, *functions; /* still to be looked at */
    uint32_t node_count, function_count;
} reach;

static void node_push(reach *r, uint32_t number)
{
    if (number == NAME_NONE || r->found->nodes[number]) return;
    r->found->nodes[number] = true;
    r->nodes[r->node_count++] = number;
}

static void function_push(reach *r, const char *name)
{
    const uint32_t number = name_table_find(&r->v->function_names, name, strlen(name));

    if (number == NAME_NONE || r->found->functions[number]) return;
    r->found->functions[number] = true;
    r->functions[r->function_count++] = number;
}

/* Functions stand in attributes, or, in TensorFlow 1, for the operation. */
static void functions_of(reach *r, const node_message *n)
{
    function_push(r, n->op);
    for (size_t i = 0; i < n->n_attr; i++) {
        const attr_message *a = n->attr[i]->value;
        if (a == NULL) continue;
        if (a->value_case == EBB__READ__ATTR__VALUE_FUNC && a->func != NULL)
            function_push(r, a->func->name);
        if (a->value_case != EBB__READ__ATTR__VALUE_LIST || a->list == NULL) continue;
        for (size_t k = 0; k < a->list->n_func; k++) function_push(r, a->list->func[k]->name);
    }
}

static ebb_status outputs_push(reach *r, const signature_message *s)
{
    for (size_t i = 0; i < s->n_outputs; i++) {
        const Ebb__Read__TensorInfo *info = s->outputs[i]->value;
        const char *name;
        const size_t length = info == NULL ? 0 : input_name(info->name, &name);
        const uint32_t number =
            length == 0 ? NAME_NONE : name_table_find(&r->v->node_names, name, length);
        if (number == NAME_NONE) {
            return fail(r->v->error, EBB_E_FORMAT, r->v->where,
                        "output '%.100s' of the signature is no tensor of the graph",
                        s->outputs[i]->key);
        }
        node_push(r, number);
    }
    return EBB_OK;
}

ebb_status graph_reach_find(const graph_view *v, const signature_message *s, graph_reach *result)
{
    reach r = {.v = v, .found = result};

    result->nodes = region_new(v->scratch, bool, v->node_count);
    result->functions = region_new(v->scratch, bool, (size_t)v->function_count + 1);
    r.nodes = region_new(v->scratch, uint32_t, v->node_count);
    r.functions = region_new(v->scratch, uint32_t, (size_t)v->function_count + 1);
    if (result->nodes == NULL || result->functions == NULL || r.nodes == NULL ||
        r.functions == NULL)
        return region_fail(v->scratch, v->error, v->where, "the graph");
    const ebb_status status = outputs_push(&r, s);
    if (status != EBB_OK) return status;
    while (r.node_count > 0) {
        const node_message *n = v->nodes[r.nodes[--r.node_count]];
        functions_of(&r, n);
        for (size_t i = 0; i < n->n_input; i++) {
            const char *name;
            const size_t length = input_name(n->input[i], &name);
            if (n->input[i][0] != '^') node_push(&r, name_table_find(&v->node_names, name, length));
        }
    }
    while (r.function_count > 0) {
        const function_message *f = v->functions[r.functions[--r.function_count]];
        for (size_t i = 0; i < f->n_node_def; i++) functions_of(&r, f->node_def[i]);
    }
    return EBB_OK;
}
