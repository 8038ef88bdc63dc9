/* pass_fold_batch_norm.c -- a constant step per channel behind a convolution or matmul goes into
 * its kernel and bias:
 *
 *     conv(x, k) * s + t   ->   conv(x, k * s) + t
 *
 * k * s is a node over constants, computed once while loading; so the pass is for inference only,
 * where the kernel itself is not needed any more. A kernel used elsewhere too stays (fuse_affine
 * takes the step then).
 */
#include "graph/pass/channel.h"

/* May this node's kernel take the factor? Its output channels are the last axis (conv; matmul with
 * two axes), or the one before (conv_transpose; matmul with b transposed). */
static bool can_fold(const graph *g, const node *n)
{
    const value kernel = n->inputs[PLACE_KERNEL];

    return graph_value(g, kernel)->is_constant && graph_uses(g, kernel) == 1 &&
           n->inputs[PLACE_SCALE] == VALUE_NONE &&
           (n->op != OP_matmul || graph_rank(g, kernel) == 2);
}

static bool channels_are_last(const node *n)
{
    if (n->op == OP_matmul) return !((const matmul_attributes *)n->attributes)->transpose_b;
    return n->op == OP_conv;
}

static value scale_kernel(graph *g, const node *n, const channel_step *s, value scale)
{
    const value kernel = n->inputs[PLACE_KERNEL];

    if (s->kind == CHANNEL_AFFINE)
        return op_unary_with(g, (unary_attributes){.kind = UNARY_AFFINE, .alpha = s->alpha},
                             kernel);
    if (!channels_are_last(n))
        scale = op_reshape(g, scale, &(shape){.rank = 2, .dims = {s->channels, 1}});
    return op_mul(g, kernel, scale);
}

static bool fold(graph *g, uint32_t index)
{
    const channel_step s = channel_match(g, index);

    if (s.kind == CHANNEL_NONE || !can_fold(g, &g->nodes[s.contraction])) return false;
    const node contraction = g->nodes[s.contraction];
    g->scope = contraction.name;
    const value scale = channel_scale(g, &s), offset = channel_offset(g, &s);
    if (scale != VALUE_NONE) {
        const value kernel = scale_kernel(g, &contraction, &s, scale);
        if (graph_ok(g)) rewrite_set_input(g, s.contraction, PLACE_KERNEL, kernel);
    }
    channel_move_bias(g, &s, scale, offset);
    if (graph_ok(g)) rewrite_retire(g, index, contraction.outputs[0]);
    return graph_ok(g);
}

static uint32_t run(graph *g)
{
    const char *const scope = g->scope;
    const uint32_t count = g->node_count;
    uint32_t changes = 0;

    for (uint32_t i = 0; i < count && graph_ok(g); i++)
        if (!g->nodes[i].is_dead) changes += fold(g, i);
    g->scope = scope;
    (void)rewrite_finish(g);
    return changes;
}

const pass_def pass_def_fold_batch_norm = {.name = "fold_batch_norm",
                                           .description = "constant scales go into kernels",
                                           .inference_only = true,
                                           .run = run};
