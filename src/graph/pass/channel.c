/* channel.c -- finds steps per channel behind contractions. See graph/pass/channel.h. */
#include "graph/pass/channel.h"

/* A constant [channels], [1, ..., channels], or of one element. */
static bool is_channel_vector(const graph *g, value v, const shape *y)
{
    const value_info *info = graph_value(g, v);
    const uint32_t rank = info->shape.rank;

    if (!info->is_constant || info->dtype != EBB_F32 || rank > y->rank) return false;
    for (uint32_t i = 0; i + 1 < rank; i++)
        if (info->shape.dims[i] != 1) return false;
    return rank == 0 || info->shape.dims[rank - 1] == 1 ||
           info->shape.dims[rank - 1] == y->dims[y->rank - 1];
}

static channel_step match_binary(const graph *g, const node *n)
{
    const binary_attributes *a = n->attributes;
    channel_step s = {.kind = CHANNEL_NONE, .contraction = NODE_NONE};

    if (a->activation.kind != UNARY_IDENTITY) return s;
    for (uint32_t side = 0; side < 2 && s.contraction == NODE_NONE; side++) {
        const value y = n->inputs[side], vector = n->inputs[1 - side];

        if (a->kind == BINARY_SUB && side == 1) break;
        if (!is_channel_vector(g, vector, graph_shape(g, n->outputs[0]))) continue;
        s.contraction = rewrite_open_contraction(g, y);
        s.vector = vector;
    }
    if (s.contraction == NODE_NONE) return s;
    if (a->kind == BINARY_MUL) s.kind = CHANNEL_SCALE;
    if (a->kind == BINARY_ADD || a->kind == BINARY_SUB) s.kind = CHANNEL_OFFSET;
    s.is_negative = a->kind == BINARY_SUB;
    return s;
}

channel_step channel_match(const graph *g, uint32_t index)
{
    const node *n = &g->nodes[index];
    channel_step s = {.kind = CHANNEL_NONE};

    if (n->op == OP_binary) s = match_binary(g, n);
    if (n->op == OP_unary) {
        const unary_attributes *a = n->attributes;
        if (a->kind != UNARY_AFFINE) return s;
        s.contraction = rewrite_open_contraction(g, n->inputs[0]);
        if (s.contraction == NODE_NONE) return s;
        s.kind = CHANNEL_AFFINE;
        s.alpha = a->alpha;
        s.beta = a->beta;
    }
    if (s.kind == CHANNEL_NONE) return s;
    const value y = g->nodes[s.contraction].outputs[0];
    s.channels = graph_dim(g, y, -1);
    if (!dim_known(s.channels) || !shape_equal(graph_shape(g, y), graph_shape(g, n->outputs[0])))
        s.kind = CHANNEL_NONE;
    return s;
}

/* The vector with exactly the shape [channels]. */
static value make_vector(graph *g, value v, int64_t channels)
{
    const shape to = {.rank = 1, .dims = {channels}};

    if (graph_rank(g, v) > 1)
        v = op_reshape(g, v, &(shape){.rank = 1, .dims = {graph_dim(g, v, -1)}});
    if (graph_ok(g) && !shape_equal(graph_shape(g, v), &to)) v = op_broadcast(g, v, &to);
    return v;
}

value channel_scale(graph *g, const channel_step *s)
{
    if (s->kind == CHANNEL_SCALE) return make_vector(g, s->vector, s->channels);
    if (s->kind != CHANNEL_AFFINE || s->alpha == 1.0f) return VALUE_NONE;
    return make_vector(g, graph_scalar(g, s->alpha), s->channels);
}

value channel_offset(graph *g, const channel_step *s)
{
    if (s->kind == CHANNEL_OFFSET) {
        const value v = make_vector(g, s->vector, s->channels);
        return s->is_negative ? op_unary(g, UNARY_NEG, v) : v;
    }
    if (s->kind != CHANNEL_AFFINE || s->beta == 0.0f) return VALUE_NONE;
    return make_vector(g, graph_scalar(g, s->beta), s->channels);
}

void channel_move_bias(graph *g, const channel_step *s, value scale, value offset)
{
    value bias = g->nodes[s->contraction].inputs[PLACE_BIAS];

    if (bias != VALUE_NONE && scale != VALUE_NONE) bias = op_mul(g, bias, scale);
    if (offset != VALUE_NONE) bias = bias != VALUE_NONE ? op_add(g, bias, offset) : offset;
    if (graph_ok(g)) rewrite_set_input(g, s->contraction, PLACE_BIAS, bias);
}
