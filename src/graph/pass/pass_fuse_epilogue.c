/* pass_fuse_epilogue.c -- a residual add and an activation join the node whose result they take:
 *
 *     conv -> add(r) -> relu   ->   conv with residual r, activation relu
 *     binary -> relu           ->   binary with activation relu
 *
 * The result must have no other use. A residual cannot depend on the convolution then, so no cycle
 * can arise; when it is computed later, the nodes are put in order again.
 */
#include "graph/pass/rewrite.h"

#include <string.h>

/* The contraction that takes the other operand of an add as its residual; the later one of two. */
static uint32_t find_residual_host(const graph *g, const node *n, value *residual)
{
    const binary_attributes *a = n->attributes;
    uint32_t host = NODE_NONE;

    if (n->op != OP_binary || a->kind != BINARY_ADD || a->activation.kind != UNARY_IDENTITY)
        return NODE_NONE;
    for (uint32_t side = 0; side < 2; side++) {
        const value y = n->inputs[side], other = n->inputs[1 - side];
        const uint32_t index = rewrite_open_contraction(g, y);

        if (index == NODE_NONE || (host != NODE_NONE && index < host)) continue;
        if (!shape_equal(graph_shape(g, y), graph_shape(g, other))) continue;
        /* what is the same for every call is computed once, and stays apart */
        if (graph_value(g, y)->is_constant && !graph_value(g, other)->is_constant) continue;
        host = index;
        *residual = other;
    }
    return host;
}

static bool fuse_residual(graph *g, uint32_t index)
{
    value residual = VALUE_NONE;
    const uint32_t host = find_residual_host(g, &g->nodes[index], &residual);

    if (host == NODE_NONE) return false;
    rewrite_set_input(g, host, PLACE_RESIDUAL, residual);
    rewrite_retire(g, index, g->nodes[host].outputs[0]);
    return true;
}

static bool set_activation(graph *g, uint32_t index, const unary_attributes *activation)
{
    const node *n = &g->nodes[index];

    if (n->op == OP_binary) {
        binary_attributes a;
        memcpy(&a, n->attributes, sizeof a);
        a.activation = *activation;
        return rewrite_set_attributes(g, index, &a);
    }
    if (n->op == OP_matmul) {
        matmul_attributes a;
        memcpy(&a, n->attributes, sizeof a);
        a.epilogue.activation = *activation;
        return rewrite_set_attributes(g, index, &a);
    }
    if (n->op == OP_conv) {
        conv_attributes a;
        memcpy(&a, n->attributes, sizeof a);
        a.epilogue.activation = *activation;
        return rewrite_set_attributes(g, index, &a);
    }
    conv_transpose_attributes a;
    memcpy(&a, n->attributes, sizeof a);
    a.epilogue.activation = *activation;
    return rewrite_set_attributes(g, index, &a);
}

/* Can this node, used once, still take an activation? */
static bool takes_activation(const graph *g, uint32_t index)
{
    if (index == NODE_NONE || graph_uses(g, g->nodes[index].outputs[0]) != 1) return false;
    const node *n = &g->nodes[index];
    if (n->op == OP_binary)
        return ((const binary_attributes *)n->attributes)->activation.kind == UNARY_IDENTITY;
    return rewrite_is_contraction(n->op) && rewrite_epilogue(n)->activation.kind == UNARY_IDENTITY;
}

static bool fuse_activation(graph *g, uint32_t index)
{
    const node *n = &g->nodes[index];

    if (n->op != OP_unary || graph_value(g, n->outputs[0])->dtype != EBB_F32) return false;
    const uint32_t host = rewrite_producer(g, n->inputs[0]);
    if (!takes_activation(g, host) || graph_value(g, n->inputs[0])->dtype != EBB_F32) return false;
    if (!set_activation(g, host, n->attributes)) return false;
    rewrite_retire(g, index, n->inputs[0]);
    return true;
}

static uint32_t run(graph *g)
{
    uint32_t changes = 0;

    for (uint32_t i = 0; i < g->node_count && graph_ok(g); i++)
        if (!g->nodes[i].is_dead) changes += fuse_residual(g, i) || fuse_activation(g, i);
    (void)rewrite_finish(g);
    return changes;
}

const pass_def pass_def_fuse_epilogue = {.name = "fuse_epilogue",
                                         .description =
                                             "residual adds and activations join their producer",
                                         .run = run};
