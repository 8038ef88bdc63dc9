/* pass_simplify.c -- local identities: what computes nothing goes, chains of the same kind become
 * one node.
 *
 * A rule looks at one node and returns the value to use instead of its first output, or
 * VALUE_NONE. Rules round at most as the arithmetic they replace (x*a then +b is AFFINE; a
 * quotient stays one unless its divisor is a power of two). Rounds repeat until nothing changes;
 * every rule makes the graph smaller or a node more specific.
 */
#include "graph/pass/rewrite.h"

#include <math.h>
#include <string.h>

#define ROUNDS_MAX 32

typedef value (*rule)(graph *g, const node *n);

static value unary_of(graph *g, unary_kind kind, float alpha, float beta, value x)
{
    return op_unary_with(g, (unary_attributes){.kind = kind, .alpha = alpha, .beta = beta}, x);
}

/* -- elementwise ------------------------------------------------------------------------------ */

static value simplify_cast(graph *g, const node *n)
{
    const cast_attributes *a = n->attributes;

    return graph_value(g, n->inputs[0])->dtype == a->to ? n->inputs[0] : VALUE_NONE;
}

/* c * min(max(p*x + q, 0), m) with c*m == 1 is HARD_SIGMOID: how MobileNetV3 is written. */
static value match_hard_sigmoid(graph *g, const unary_attributes *outer, value x)
{
    const unary_attributes *relu = rewrite_attributes(g, x, OP_unary);

    if (outer->beta != 0 || relu == NULL || relu->kind != UNARY_RELU || relu->alpha != 0 ||
        relu->beta != 0 || outer->alpha * relu->gamma != 1.0f)
        return VALUE_NONE;
    const value inner_value = g->nodes[rewrite_producer(g, x)].inputs[0];
    const unary_attributes *inner = rewrite_attributes(g, inner_value, OP_unary);
    if (inner == NULL || inner->kind != UNARY_AFFINE) return VALUE_NONE;
    return unary_of(g, UNARY_HARD_SIGMOID, outer->alpha * inner->alpha, outer->alpha * inner->beta,
                    g->nodes[rewrite_producer(g, inner_value)].inputs[0]);
}

static value simplify_unary(graph *g, const node *n)
{
    const unary_attributes *a = n->attributes,
                           *inner = rewrite_attributes(g, n->inputs[0], OP_unary);

    if (a->kind == UNARY_IDENTITY || (a->kind == UNARY_AFFINE && a->alpha == 1 && a->beta == 0))
        return n->inputs[0];
    if (inner == NULL) return VALUE_NONE;
    const value x = g->nodes[rewrite_producer(g, n->inputs[0])].inputs[0];
    if (a->kind == UNARY_NEG && inner->kind == UNARY_NEG) return x;
    if (a->kind != UNARY_AFFINE) return VALUE_NONE;
    if (inner->kind == UNARY_AFFINE)
        return unary_of(g, UNARY_AFFINE, a->alpha * inner->alpha, a->alpha * inner->beta + a->beta,
                        x);
    return match_hard_sigmoid(g, a, n->inputs[0]);
}

static bool is_power_of_two(float number)
{
    int exponent;

    return isfinite(number) && fabsf(frexpf(number, &exponent)) == 0.5f && exponent > -120 &&
           exponent < 120;
}

/* x op c, where the result has the shape of x. */
static value simplify_right(graph *g, binary_kind kind, value x, float c)
{
    switch (kind) {
    case BINARY_ADD: return c == 0 ? x : unary_of(g, UNARY_AFFINE, 1, c, x);
    case BINARY_SUB: return c == 0 ? x : unary_of(g, UNARY_AFFINE, 1, -c, x);
    case BINARY_MUL: return c == 1 ? x : unary_of(g, UNARY_AFFINE, c, 0, x);
    case BINARY_DIV:
        if (c == 1) return x;
        return is_power_of_two(c) ? unary_of(g, UNARY_AFFINE, 1 / c, 0, x) : VALUE_NONE;
    case BINARY_POW:
        if (c == 1) return x;
        return c == 2 ? unary_of(g, UNARY_SQUARE, 0, 0, x) : unary_of(g, UNARY_POWER, c, 0, x);
    default: return VALUE_NONE;
    }
}

static value simplify_left(graph *g, binary_kind kind, float c, value x)
{
    if (kind == BINARY_ADD || kind == BINARY_MUL) return simplify_right(g, kind, x, c);
    if (kind == BINARY_SUB) return unary_of(g, UNARY_AFFINE, -1, c, x);
    return kind == BINARY_DIV && c == 1 ? unary_of(g, UNARY_RECIPROCAL, 0, 0, x) : VALUE_NONE;
}

/* x * sigmoid(x) and x * hard_sigmoid(x). */
static value match_gate(graph *g, value x, value gate)
{
    const unary_attributes *a = rewrite_attributes(g, gate, OP_unary);

    if (a == NULL || g->nodes[rewrite_producer(g, gate)].inputs[0] != x) return VALUE_NONE;
    if (a->kind == UNARY_SIGMOID) return unary_of(g, UNARY_SILU, 0, 0, x);
    if (a->kind == UNARY_HARD_SIGMOID && fabsf(a->alpha - 1.0f / 6.0f) < 1e-7f &&
        fabsf(a->beta - 0.5f) < 1e-7f)
        return unary_of(g, UNARY_HARD_SILU, 0, 0, x);
    return VALUE_NONE;
}

/* An operand that is only broadcast to the shape the operation would give it anyway. */
static value strip_broadcast(graph *g, const node *n, uint32_t place)
{
    const uint32_t producer = rewrite_producer_of(g, n->inputs[place], OP_broadcast);
    value inputs[3];
    shape result = {.rank = 0};

    if (producer == NODE_NONE) return VALUE_NONE;
    memcpy(inputs, n->inputs, n->input_count * sizeof *inputs);
    inputs[place] = g->nodes[producer].inputs[0];
    for (uint32_t i = 0; i < n->input_count; i++)
        if (!shape_broadcast(g, &result, graph_shape(g, inputs[i]), &result)) return VALUE_NONE;
    if (!shape_equal(&result, graph_shape(g, n->outputs[0]))) return VALUE_NONE;
    return graph_node(g, n->op, inputs, n->input_count, n->attributes);
}

static value strip_broadcasts(graph *g, const node *n)
{
    value stripped = VALUE_NONE;

    for (uint32_t i = 0; i < n->input_count && stripped == VALUE_NONE; i++)
        stripped = strip_broadcast(g, n, i);
    return stripped;
}

static value simplify_binary(graph *g, const node *n)
{
    const binary_attributes *a = n->attributes;
    const value left = n->inputs[0], right = n->inputs[1];
    const shape *result = graph_shape(g, n->outputs[0]);
    value simpler = VALUE_NONE;
    float number;

    if (a->activation.kind == UNARY_IDENTITY && graph_value(g, left)->dtype == EBB_F32) {
        if (rewrite_scalar(g, right, &number) && shape_equal(result, graph_shape(g, left)))
            simpler = simplify_right(g, a->kind, left, number);
        else if (rewrite_scalar(g, left, &number) && shape_equal(result, graph_shape(g, right)))
            simpler = simplify_left(g, a->kind, number, right);
        else if (a->kind == BINARY_MUL && (simpler = match_gate(g, left, right)) == VALUE_NONE)
            simpler = match_gate(g, right, left);
    }
    return simpler != VALUE_NONE ? simpler : strip_broadcasts(g, n);
}

/* -- layout ----------------------------------------------------------------------------------- */

static value simplify_reshape(graph *g, const node *n)
{
    const reshape_attributes *r = n->attributes;
    const uint32_t inner = rewrite_producer_of(g, n->inputs[0], OP_reshape);

    if (shape_equal(graph_shape(g, n->inputs[0]), &r->to)) return n->inputs[0];
    return inner != NODE_NONE ? op_reshape(g, g->nodes[inner].inputs[0], &r->to) : VALUE_NONE;
}

/* Do the axes that are longer than 1 stay in order? Then no element moves. */
static bool moves_only_ones(const shape *x, const uint32_t *order)
{
    uint32_t last = 0;

    for (uint32_t i = 0; i < x->rank; i++) {
        if (x->dims[order[i]] == 1) continue;
        if (order[i] < last) return false;
        last = order[i];
    }
    return true;
}

static value simplify_transpose(graph *g, const node *n)
{
    const transpose_attributes *t = n->attributes;
    const uint32_t inner = rewrite_producer_of(g, n->inputs[0], OP_transpose);
    const shape x = *graph_shape(g, n->inputs[0]), y = *graph_shape(g, n->outputs[0]);
    bool is_identity = true;
    uint32_t order[EBB_RANK_MAX];

    if (inner != NODE_NONE) {
        const transpose_attributes *first = g->nodes[inner].attributes;
        for (uint32_t i = 0; i < x.rank; i++) order[i] = first->order[t->order[i]];
        return op_transpose(g, g->nodes[inner].inputs[0], order);
    }
    for (uint32_t i = 0; i < x.rank; i++) is_identity &= t->order[i] == i;
    if (is_identity) return n->inputs[0];
    return moves_only_ones(&x, t->order) ? op_reshape(g, n->inputs[0], &y) : VALUE_NONE;
}

static value simplify_broadcast(graph *g, const node *n)
{
    const broadcast_attributes *b = n->attributes;
    const uint32_t inner = rewrite_producer_of(g, n->inputs[0], OP_broadcast);

    if (shape_equal(graph_shape(g, n->inputs[0]), &b->to)) return n->inputs[0];
    return inner != NODE_NONE ? op_broadcast(g, g->nodes[inner].inputs[0], &b->to) : VALUE_NONE;
}

static value simplify_concat(graph *g, const node *n)
{
    (void)g;
    return n->input_count == 1 ? n->inputs[0] : VALUE_NONE;
}

static value simplify_slice(graph *g, const node *n)
{
    const slice_attributes *a = n->attributes;
    const shape *x = graph_shape(g, n->inputs[0]);

    for (uint32_t i = 0; i < x->rank; i++)
        if (a->start[i] != 0 || a->length[i] != x->dims[i] || a->step[i] != 1) return VALUE_NONE;
    return n->inputs[0];
}

static value simplify_pad(graph *g, const node *n)
{
    const pad_attributes *p = n->attributes;

    for (uint32_t i = 0; i < graph_rank(g, n->inputs[0]); i++)
        if (p->before[i] != 0 || p->after[i] != 0) return VALUE_NONE;
    return n->inputs[0];
}

/* -- contractions ----------------------------------------------------------------------------- */

/* Zeros put around the image before a convolution with explicit padding are part of that
 * padding. */
static value simplify_conv(graph *g, const node *n)
{
    const pad_attributes *p = rewrite_attributes(g, n->inputs[PLACE_X], OP_pad);
    conv_attributes a;

    memcpy(&a, n->attributes, sizeof a);
    if (p == NULL || a.same || p->kind != PAD_CONSTANT || p->number != 0) return VALUE_NONE;
    for (uint32_t i = 0; i < a.spatial + 2; i++) {
        const bool is_spatial = i > 0 && i <= a.spatial;
        const bool is_small = dim_known(p->before[i]) && dim_known(p->after[i]) &&
                              p->before[i] <= (is_spatial ? INT16_MAX : 0) &&
                              p->after[i] <= (is_spatial ? INT16_MAX : 0);
        if (!is_small) return VALUE_NONE;
        if (!is_spatial) continue;
        a.pad_before[i - 1] += p->before[i];
        a.pad_after[i - 1] += p->after[i];
    }
    value inputs[PLACE_SCALE + 1];
    memcpy(inputs, n->inputs, sizeof inputs);
    inputs[PLACE_X] = g->nodes[rewrite_producer(g, n->inputs[PLACE_X])].inputs[0];
    return graph_node(g, OP_conv, inputs, n->input_count, &a);
}

/* Number of the transpose of just the last two axes behind a value; NODE_NONE if there is none. */
static uint32_t match_swap(const graph *g, value v)
{
    const uint32_t index = rewrite_producer_of(g, v, OP_transpose);

    if (index == NODE_NONE || graph_rank(g, v) < 2) return NODE_NONE;
    const transpose_attributes *t = g->nodes[index].attributes;
    const uint32_t rank = graph_rank(g, v);
    for (uint32_t i = 0; i < rank; i++)
        if (t->order[i] != (i + 2 == rank ? rank - 1 : i + 1 == rank ? rank - 2 : i))
            return NODE_NONE;
    return index;
}

static value simplify_matmul(graph *g, const node *n)
{
    const uint32_t left = match_swap(g, n->inputs[0]), right = match_swap(g, n->inputs[1]);
    matmul_attributes m;
    value inputs[PLACE_SCALE + 1];

    if (left == NODE_NONE && right == NODE_NONE) return VALUE_NONE;
    memcpy(&m, n->attributes, sizeof m);
    memcpy(inputs, n->inputs, sizeof inputs);
    if (left != NODE_NONE) {
        m.transpose_a = !m.transpose_a;
        inputs[0] = g->nodes[left].inputs[0];
    }
    if (right != NODE_NONE) {
        m.transpose_b = !m.transpose_b;
        inputs[1] = g->nodes[right].inputs[0];
    }
    return graph_node(g, OP_matmul, inputs, n->input_count, &m);
}

/* Gradients were taken before. */
static value simplify_stop(graph *g, const node *n)
{
    (void)g;
    return n->inputs[0];
}

/* -- the pass --------------------------------------------------------------------------------- */

static const rule rules[OP_COUNT] = {
    [OP_cast] = simplify_cast,
    [OP_unary] = simplify_unary,
    [OP_binary] = simplify_binary,
    [OP_compare] = strip_broadcasts,
    [OP_select] = strip_broadcasts,
    [OP_reshape] = simplify_reshape,
    [OP_transpose] = simplify_transpose,
    [OP_broadcast] = simplify_broadcast,
    [OP_concat] = simplify_concat,
    [OP_slice] = simplify_slice,
    [OP_pad] = simplify_pad,
    [OP_conv] = simplify_conv,
    [OP_matmul] = simplify_matmul,
    [OP_stop] = simplify_stop,
};

static uint32_t run_round(graph *g)
{
    const uint32_t count = g->node_count; /* new ones have their turn in the next round */
    uint32_t changes = 0;

    for (uint32_t i = 0; i < count && graph_ok(g); i++) {
        const node n = g->nodes[i];

        if (n.is_dead || rules[n.op] == NULL) continue;
        g->scope = n.name;
        const value simpler = rules[n.op](g, &n);
        if (simpler == VALUE_NONE || !graph_ok(g)) continue;
        rewrite_retire(g, i, simpler);
        changes++;
    }
    (void)rewrite_finish(g);
    return changes;
}

static uint32_t run(graph *g)
{
    const char *const scope = g->scope;
    uint32_t total = 0, changes = 1;

    for (uint32_t round = 0; round < ROUNDS_MAX && changes > 0 && graph_ok(g); round++) {
        changes = run_round(g);
        total += changes;
    }
    g->scope = scope;
    return total;
}

const pass_def pass_def_simplify = {
    .name = "simplify", .description = "removes what computes nothing, merges chains", .run = run};
