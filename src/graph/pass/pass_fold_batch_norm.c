/* pass_fold_batch_norm.c -- a constant step per channel behind a convolution or matmul goes into
 * its kernel and bias:
 *
 *     conv(x, k) * s + t   ->   conv(x, k * s) + t
 *
 * k * s is a node over constants, computed once while loading. For inference only, where the kernel
 * itself is not needed any more, every kernel takes its step. Else only a small one does: it is
 * then stored twice, which costs little memory, and the step would cost most there (few products
 * per result). A kernel used elsewhere too stays (fuse_affine takes the step then).
 */
#include "graph/pass/channel.h"

/* Kernels up to 256 KiB are stored twice for speed. */
#define SMALL_ELEMENTS ((int64_t)1 << 16)

/* Elements of a constant, at most INT64_MAX. */
static int64_t element_count(const graph *g, value v)
{
    const shape *s = graph_shape(g, v);
    int64_t count = 1;

    for (uint32_t i = 0; i < s->rank; i++)
        if (__builtin_mul_overflow(count, s->dims[i], &count)) return INT64_MAX;
    return count;
}

/* May this node's kernel take the factor? Its output channels are the last axis (conv; matmul with
 * two axes), or the one before (conv_transpose; matmul with b transposed). */
static bool can_fold(const graph *g, const node *n, int64_t elements_max)
{
    const value kernel = n->inputs[PLACE_KERNEL];

    return graph_value(g, kernel)->is_constant && graph_uses(g, kernel) == 1 &&
           n->inputs[PLACE_SCALE] == VALUE_NONE &&
           (n->op != OP_matmul || graph_rank(g, kernel) == 2) &&
           element_count(g, kernel) <= elements_max;
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

static bool fold(graph *g, uint32_t index, int64_t elements_max)
{
    const channel_step s = channel_match(g, index);

    if (s.kind == CHANNEL_NONE || !can_fold(g, &g->nodes[s.contraction], elements_max))
        return false;
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

static uint32_t fold_all(graph *g, int64_t elements_max)
{
    const char *const scope = g->scope;
    const uint32_t count = g->node_count;
    uint32_t changes = 0;

    for (uint32_t i = 0; i < count && graph_ok(g); i++)
        if (!g->nodes[i].is_dead) changes += fold(g, i, elements_max);
    g->scope = scope;
    (void)rewrite_finish(g);
    return changes;
}

static uint32_t run(graph *g)
{
    return fold_all(g, INT64_MAX);
}

static uint32_t run_small(graph *g)
{
    return fold_all(g, SMALL_ELEMENTS);
}

const pass_def pass_def_fold_batch_norm = {.name = "fold_batch_norm",
                                           .description = "constant scales go into kernels",
                                           .inference_only = true,
                                           .run = run};

const pass_def pass_def_fold_small = {
    .name = "fold_small", .description = "constant scales go into small kernels", .run = run_small};
