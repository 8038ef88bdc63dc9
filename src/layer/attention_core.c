/* attention_core.c -- masks and the dot product of attention layers; see attention_core.h.
 *
 * Scores are one matmul whatever the axes are: the query is brought to [others..., heads, rows,
 * size] and the key to [others..., heads, columns, size], where rows and columns are the attended
 * axes together. Heads of the query that share a head of the key are further rows. Source:
 * keras/src/layers/attention/multi_head_attention.py, keras/src/layers/activations/softmax.py,
 * keras/src/backend/tensorflow/nn.py (dot_product_attention). */
#include "layer/attention_core.h"

#include <string.h>

/* What stands for minus infinity before the softmax: of Keras's Softmax layer, of its fused
 * attention. */
#define HIDDEN_SCORE       (-1e9f)
#define HIDDEN_SCORE_FUSED (-0.7f * 3.38953e38f)

/* -- masks
 * ------------------------------------------------------------------------------------------- */

bool attention_flag(const layer_call *call, uint32_t index, const char *name)
{
    const call_argument *a = call_find(call, index, name);
    if (a->kind != CALL_LITERAL) return false;
    return json_boolean(a->literal, false) || json_integer(a->literal, 0) != 0;
}

value attention_bool(layer_build *b, value mask)
{
    return mask == VALUE_NONE ? VALUE_NONE : op_cast(b->graph, mask, EBB_BOOL);
}

value attention_mask_of(layer_build *b, const layer_tensor *t)
{
    return t->is_mask_lost ? VALUE_NONE : attention_bool(b, t->mask);
}

value attention_and(layer_build *b, value x, value y)
{
    if (x == VALUE_NONE || y == VALUE_NONE) return x == VALUE_NONE ? y : x;
    return op_binary(b->graph, BINARY_AND, x, y);
}

value attention_triangle(layer_build *b, dim rows, dim columns, bool is_causal, int64_t window)
{
    graph *g = b->graph;
    const dim row_dims[] = {1, rows, 1}, column_dims[] = {1, 1, columns};
    const value row = lowering_reshape(b, op_iota(g, rows), 3, row_dims);
    const value column = lowering_reshape(b, op_iota(g, columns), 3, column_dims);
    value mask = VALUE_NONE;

    if (is_causal) mask = op_compare(g, COMPARE_GREATER_EQUAL, row, column);
    if (window > 0 && window <= INT32_MAX) {
        const value apart = op_unary(g, UNARY_ABS, op_sub(g, row, column));
        const value limit = graph_scalar_i32(g, (int32_t)window);
        mask = attention_and(b, mask, op_compare(g, COMPARE_LESS, apart, limit));
    }
    return mask;
}

/* -- dot products over heads
 * --------------------------------------------------------------------------- */

static bool is_attended(const attention_heads *h, uint32_t axis)
{
    for (uint32_t i = 0; i < h->axis_count; i++) {
        if (h->axes[i] == axis) return true;
    }
    return false;
}

/* [others..., heads, attended..., size]: output axis i is axis order[i]. */
static void heads_order(const attention_heads *h, uint32_t rank, uint32_t *order)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i + 1 < rank; i++) {
        if (!is_attended(h, i)) order[count++] = i;
    }
    for (uint32_t i = 0; i < h->axis_count; i++) order[count++] = h->axes[i];
    order[count] = rank - 1;
}

static dim product(graph *g, const dim *dims, uint32_t count)
{
    dim d = 1;
    for (uint32_t i = 0; i < count; i++) d = dim_make(g, DIM_MUL, d, dims[i]);
    return d;
}

static value reshape_to(layer_build *b, value v, const shape *to)
{
    if (!graph_ok(b->graph) || shape_equal(graph_shape(b->graph, v), to)) return v;
    return op_reshape(b->graph, v, to);
}

/* `lead` axes stay, but the last of them gives `repeats` of itself to the rows; the attended ones
 * become one. */
static value heads_merge(layer_build *b, value v, uint32_t lead, int64_t repeats)
{
    graph *g = b->graph;

    if (!graph_ok(g)) return VALUE_NONE;
    const shape *s = graph_shape(g, v);
    shape to = {.rank = lead + 2};
    memcpy(to.dims, s->dims, lead * sizeof to.dims[0]);
    to.dims[lead - 1] = s->dims[lead - 1] / repeats;
    to.dims[lead] = dim_make(g, DIM_MUL, repeats, product(g, s->dims + lead, s->rank - lead - 1));
    to.dims[lead + 1] = s->dims[s->rank - 1];
    return reshape_to(b, v, &to);
}

static value masked_softmax(layer_build *b, const attention_heads *h, value scores)
{
    graph *g = b->graph;

    if (!graph_ok(g)) return VALUE_NONE;
    const uint32_t rank = graph_rank(g, scores);
    const uint32_t axes = ((1u << h->axis_count) - 1) << (rank - h->axis_count);
    if (h->mask == VALUE_NONE) return op_softmax(g, scores, axes, false);
    const value hidden = graph_scalar(g, h->is_fused ? HIDDEN_SCORE_FUSED : HIDDEN_SCORE);
    const value y = op_softmax(g, op_select(g, h->mask, scores, hidden), axes, false);
    return h->is_fused ? y : op_select(g, h->mask, y, graph_scalar(g, 0.0f));
}

/* Turns [others..., heads, attended..., size] back to [batch, axes..., heads, size]. */
static value heads_restore(layer_build *b, value v, const uint32_t *order)
{
    uint32_t back[EBB_RANK_MAX] = {0};

    if (!graph_ok(b->graph)) return VALUE_NONE;
    for (uint32_t i = 0; i < graph_rank(b->graph, v); i++) back[order[i]] = i;
    return op_transpose(b->graph, v, back);
}

value attention_heads_build(layer_build *b, const attention_heads *h, value *scores)
{
    graph *g = b->graph;
    uint32_t order[EBB_RANK_MAX + 1] = {0};

    if (!graph_ok(g)) return VALUE_NONE;
    const uint32_t rank = graph_rank(g, h->query), lead = rank - 1 - h->axis_count;
    heads_order(h, rank, order);
    const value query = op_transpose(g, h->query, order), key = op_transpose(g, h->key, order);
    const value from = heads_merge(b, op_transpose(g, h->value, order), lead, 1);
    const value product_of = op_matmul(g, heads_merge(b, query, lead, h->repeats),
                                       heads_merge(b, key, lead, 1), false, true);
    if (!graph_ok(g)) return VALUE_NONE;

    const shape rows = *graph_shape(g, query), columns = *graph_shape(g, key);
    const shape merged = *graph_shape(g, product_of);
    dim apart[2 * EBB_RANK_MAX];
    memcpy(apart, rows.dims, (rank - 1) * sizeof apart[0]);
    memcpy(apart + rank - 1, columns.dims + lead, h->axis_count * sizeof apart[0]);
    const bool is_apart = h->axis_count > 1 || h->repeats > 1;
    const value raw =
        is_apart ? lowering_reshape(b, product_of, rank - 1 + h->axis_count, apart) : product_of;
    *scores = masked_softmax(b, h, raw);
    const value dropped = build_dropout(b, *scores, h->dropout, NULL);
    value y = op_matmul(g, reshape_to(b, dropped, &merged), from, false, false);
    if (!graph_ok(g)) return VALUE_NONE;
    shape result = rows;
    result.dims[rank - 1] = graph_dim(g, from, -1);
    y = reshape_to(b, y, &result);
    return heads_restore(b, y, order);
}
