/* rewrite.c -- tools of the passes. See graph/pass/rewrite.h. */
#include "graph/pass/rewrite.h"

#include <string.h>

uint32_t rewrite_producer(const graph *g, value v)
{
    const value_info *info = graph_value(g, v);

    if (v == VALUE_NONE || info->kind != VALUE_RESULT || g->nodes[info->node].is_dead)
        return NODE_NONE;
    return info->node;
}

uint32_t rewrite_producer_of(const graph *g, value v, op_id op)
{
    const uint32_t index = rewrite_producer(g, v);

    return index != NODE_NONE && g->nodes[index].op == op ? index : NODE_NONE;
}

const void *rewrite_attributes(const graph *g, value v, op_id op)
{
    const uint32_t index = rewrite_producer_of(g, v, op);

    return index != NODE_NONE ? g->nodes[index].attributes : NULL;
}

bool rewrite_scalar(const graph *g, value v, float *number)
{
    const value_info *info = graph_value(g, v);

    if (info->kind != VALUE_CONSTANT || info->dtype != EBB_F32) return false;
    for (uint32_t i = 0; i < info->shape.rank; i++)
        if (info->shape.dims[i] != 1) return false;
    memcpy(number, info->data, sizeof *number);
    return true;
}

bool rewrite_is_contraction(op_id op)
{
    return op == OP_conv || op == OP_conv_transpose || op == OP_matmul;
}

const epilogue *rewrite_epilogue(const node *n)
{
    if (n->op == OP_conv) return &((const conv_attributes *)n->attributes)->epilogue;
    if (n->op == OP_conv_transpose)
        return &((const conv_transpose_attributes *)n->attributes)->epilogue;
    return &((const matmul_attributes *)n->attributes)->epilogue;
}

uint32_t rewrite_open_contraction(const graph *g, value v)
{
    const uint32_t index = rewrite_producer(g, v);

    if (index == NODE_NONE || !rewrite_is_contraction(g->nodes[index].op)) return NODE_NONE;
    const node *n = &g->nodes[index];
    const bool is_open = n->inputs[PLACE_RESIDUAL] == VALUE_NONE &&
                         rewrite_epilogue(n)->activation.kind == UNARY_IDENTITY &&
                         graph_uses(g, v) == 1;
    return is_open ? index : NODE_NONE;
}

bool rewrite_set_attributes(graph *g, uint32_t index, const void *attributes)
{
    const size_t bytes = op_find(g->nodes[index].op)->attribute_bytes;
    void *copy = graph_memory(g, 1, bytes);

    if (copy == NULL) return false;
    memcpy(copy, attributes, bytes);
    g->nodes[index].attributes = copy;
    return true;
}

void rewrite_retire(graph *g, uint32_t index, value by)
{
    graph_remove(g, index);
    graph_replace(g, g->nodes[index].outputs[0], by);
}

void rewrite_set_input(graph *g, uint32_t index, uint32_t place, value v)
{
    value *input = &g->nodes[index].inputs[place];

    if (*input != VALUE_NONE) g->values[*input].uses--;
    if (v != VALUE_NONE) g->values[v].uses++;
    *input = v;
}

/* -- order ------------------------------------------------------------------------------------ */

static bool is_ordered(const graph *g)
{
    for (uint32_t i = 0; i < g->node_count; i++)
        for (uint32_t k = 0; k < g->nodes[i].input_count && !g->nodes[i].is_dead; k++) {
            const value_info *info = graph_value(g, g->nodes[i].inputs[k]);
            if (info->kind == VALUE_RESULT && info->node >= i) return false;
        }
    return true;
}

/* A node that must come before node `index` and has no place yet; NODE_NONE if there is none. */
static uint32_t find_missing(const graph *g, const uint32_t *places, uint32_t index)
{
    const node *n = &g->nodes[index];

    for (uint32_t k = 0; k < n->input_count && !n->is_dead; k++) {
        const value_info *info = graph_value(g, n->inputs[k]);
        if (info->kind == VALUE_RESULT && places[info->node] == NODE_NONE) return info->node;
    }
    return NODE_NONE;
}

/* Places nodes in their present order, each one's missing producers first. */
static bool find_places(graph *g, uint32_t *places, uint32_t *stack)
{
    uint32_t next = 0;

    for (uint32_t i = 0; i < g->node_count; i++) places[i] = NODE_NONE;
    for (uint32_t i = 0; i < g->node_count; i++) {
        uint32_t depth = 0;

        if (places[i] == NODE_NONE) stack[depth++] = i;
        while (depth > 0) {
            const uint32_t missing = find_missing(g, places, stack[depth - 1]);
            if (missing == NODE_NONE)
                places[stack[--depth]] = next++;
            else if (depth < g->node_count)
                stack[depth++] = missing;
            else
                return graph_fault(g, EBB_E_INTERNAL, "a pass made a cycle");
        }
    }
    return true;
}

static void order_nodes(graph *g, region *scratch)
{
    uint32_t *places = region_new(scratch, uint32_t, g->node_count);
    uint32_t *stack = region_new(scratch, uint32_t, g->node_count);
    node *nodes = region_new(scratch, node, g->node_count);

    if (places == NULL || stack == NULL || nodes == NULL) {
        if (graph_ok(g)) (void)region_fail(scratch, &g->error, "graph", "the order of nodes");
        return;
    }
    if (!find_places(g, places, stack)) return;
    memcpy(nodes, g->nodes, g->node_count * sizeof *nodes);
    for (uint32_t i = 0; i < g->node_count; i++) {
        g->nodes[places[i]] = nodes[i];
        for (uint32_t k = 0; k < nodes[i].output_count; k++)
            g->values[nodes[i].outputs[k]].node = places[i];
    }
}

/* -- sweep ------------------------------------------------------------------------------------ */

/* From the last node to the first, so that what only a removed node used goes as well. */
static uint32_t sweep(graph *g)
{
    uint32_t removed = 0;

    for (uint32_t i = g->node_count; i-- > 0;) {
        const node *n = &g->nodes[i];
        bool is_needed = n->is_dead;

        for (uint32_t k = 0; k < n->output_count; k++)
            is_needed |= graph_uses(g, n->outputs[k]) > 0;
        if (is_needed) continue;
        graph_remove(g, i);
        removed++;
    }
    return removed;
}

uint32_t rewrite_finish(graph *g)
{
    if (!graph_ok(g)) return 0;
    if (!is_ordered(g)) {
        region *scratch = region_open(g->home, "pass", EBB_CLASS_SCRATCH, 0);
        if (scratch == NULL)
            (void)region_fail(g->home, &g->error, "graph", "a pass");
        else
            order_nodes(g, scratch);
        region_close(scratch);
    }
    return graph_ok(g) ? sweep(g) : 0;
}
