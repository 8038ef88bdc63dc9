/* pass_unpack_weights.c -- weights that are kept packed get a node that unpacks them, which
 * everything else reads instead. It is no constant, so nothing behind it is folded, and the float32
 * form lives in the arena while it is needed. */
#include "graph/pass/rewrite.h"

static bool is_unpacked(const graph *g, value weight)
{
    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        if (!n->is_dead && n->op == OP_unpack && n->inputs[0] == weight) return true;
    }
    return false;
}

/* The node's own use is replaced with the others, and put back. */
static bool unpack(graph *g, value weight, const char *name)
{
    g->scope = name;
    const value plain = op_unpack(g, weight);

    if (plain == VALUE_NONE) return false;
    const uint32_t index = graph_value(g, plain)->node;
    graph_replace(g, weight, plain);
    rewrite_set_input(g, index, 0, weight);
    return true;
}

/* The name of the first node that reads it. */
static const char *reader_name(const graph *g, value weight)
{
    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        for (uint32_t k = 0; k < n->input_count && !n->is_dead; k++)
            if (n->inputs[k] == weight) return n->name;
    }
    return NULL;
}

/* What was made from weights alone may now depend on a call. */
static void renew_constants(graph *g)
{
    for (uint32_t i = 0; i < g->node_count && graph_ok(g); i++) {
        const node *n = &g->nodes[i];
        shape shapes[OP_OUTPUTS_MAX];

        if (n->is_dead || !graph_value(g, n->outputs[0])->is_constant) continue;
        for (uint32_t k = 0; k < n->output_count; k++) shapes[k] = *graph_shape(g, n->outputs[k]);
        const bool is_constant = node_is_constant(g, n, shapes);
        for (uint32_t k = 0; k < n->output_count; k++)
            g->values[n->outputs[k]].is_constant = is_constant;
    }
}

static uint32_t run(graph *g)
{
    const char *const scope = g->scope;
    const uint32_t count = g->value_count;
    uint32_t changes = 0;

    for (value v = 1; v < count && graph_ok(g); v++) {
        if (graph_value(g, v)->packing == NULL || graph_uses(g, v) == 0 || is_unpacked(g, v))
            continue;
        changes += unpack(g, v, reader_name(g, v));
    }
    g->scope = scope;
    if (changes > 0) {
        (void)rewrite_finish(g);
        renew_constants(g);
    }
    return changes;
}

const pass_def pass_def_unpack_weights = {.name = "unpack_weights",
                                          .description = "packed weights are unpacked for their "
                                                         "uses",
                                          .run = run};
