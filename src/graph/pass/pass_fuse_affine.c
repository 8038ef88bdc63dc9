/* pass_fuse_affine.c -- a constant step per channel behind a convolution or matmul goes into its
 * epilogue:
 *
 *     y = accumulated * scale[c] + bias[c]
 *
 * Nothing is folded, weights stay what they are: what is left of batch norm when weights must
 * survive, and the bias of every layer. Same order of arithmetic as before, except that a bias
 * ahead of a scale is multiplied first.
 */
#include "graph/pass/channel.h"

static bool fuse(graph *g, uint32_t index)
{
    const channel_step s = channel_match(g, index);

    if (s.kind == CHANNEL_NONE) return false;
    const node contraction = g->nodes[s.contraction];
    /* Behind a product of two computed matrices a single factor is cheaper as an activation. */
    if (s.kind == CHANNEL_AFFINE && !graph_value(g, contraction.inputs[PLACE_KERNEL])->is_constant)
        return false;
    g->scope = contraction.name;
    const value scale = channel_scale(g, &s), offset = channel_offset(g, &s);
    const value before = contraction.inputs[PLACE_SCALE];
    value both = before;
    if (scale != VALUE_NONE) both = before != VALUE_NONE ? op_mul(g, before, scale) : scale;
    channel_move_bias(g, &s, scale, offset);
    if (!graph_ok(g)) return false;
    rewrite_set_input(g, s.contraction, PLACE_SCALE, both);
    rewrite_retire(g, index, contraction.outputs[0]);
    return true;
}

static uint32_t run(graph *g)
{
    const char *const scope = g->scope;
    const uint32_t count = g->node_count;
    uint32_t changes = 0;

    for (uint32_t i = 0; i < count && graph_ok(g); i++)
        if (!g->nodes[i].is_dead) changes += fuse(g, i);
    g->scope = scope;
    (void)rewrite_finish(g);
    return changes;
}

const pass_def pass_def_fuse_affine = {
    .name = "fuse_affine", .description = "scales and biases go into epilogues", .run = run};
