/* gradient_reduction.c -- gradients of pool, reduce, softmax, normalize, cumulative.
 * Equal maxima of a reduction share alike; of a pool the first takes all (the three-dimensional
 * pool gives each of them everything): as TensorFlow's CPU kernels do it. */
#include "graph/op/gradient_rule.h"

/* -- pool ------------------------------------------------------------------------------------- */

GRADIENT_RULE(pool)
{
    const pool_attributes *p = n->attributes;
    const bool is_max = p->kind == POOL_MAX;
    const pool_gradient_attributes a = {
        .pool = *p, .is_shared = is_max && p->spatial == 3, .to = *graph_shape(g, n->inputs[0])};

    input_gradients[0] =
        op_pool_gradient(g, output_gradients[0], is_max ? n->inputs[0] : VALUE_NONE, &a);
    return graph_ok(g);
}

/* -- reduce ----------------------------------------------------------------------------------- */

/* The shape of x with ones on the reduced axes. */
static shape kept_shape(const graph *g, value x, uint32_t axes)
{
    shape kept = *graph_shape(g, x);

    for (uint32_t i = 0; i < kept.rank; i++)
        if ((axes >> i & 1) != 0) kept.dims[i] = 1;
    return kept;
}

/* d / number of elements that went into each result. */
static value divide_by_count(graph *g, value d, value x, uint32_t axes)
{
    dim count = 1;

    for (uint32_t i = 0; i < graph_rank(g, x); i++)
        if ((axes >> i & 1) != 0) count = dim_make(g, DIM_MUL, count, graph_dim(g, x, (int)i));
    if (graph_ok(g) && dim_known(count)) {
        return count == 0 ? d : gradient_scale(g, d, (float)(1.0 / (double)count));
    }
    return op_div(g, d, op_cast(g, op_length(g, count), EBB_F32));
}

/* Equal extremes share the gradient. */
static value extreme_gradient(graph *g, value x, value y, value d)
{
    const uint32_t rank = graph_rank(g, x);
    uint32_t axes = 0;
    const value is_one = op_cast(g, op_compare(g, COMPARE_EQUAL, x, y), EBB_F32);

    if (!graph_ok(g)) return VALUE_NONE;
    for (uint32_t i = 0; i < rank; i++)
        if (graph_dim(g, y, (int)i) == 1) axes |= 1u << i;
    if (axes == 0) return op_mul(g, is_one, d);
    const value count = op_reduce(g, REDUCE_SUM, is_one, axes, true);
    return op_mul(g, is_one, op_div(g, d, count));
}

/* Products of all others, from both sides, so that zeros do no harm. The reduced axes are moved to
 * the end and made one. */
static value product_gradient(graph *g, value x, value d, uint32_t axes)
{
    const shape from = *graph_shape(g, x);
    uint32_t order[EBB_RANK_MAX], back[EBB_RANK_MAX], count = 0;
    shape moved = {.rank = from.rank}, flat = {.rank = 1};
    dim length = 1;

    for (uint32_t side = 0; side < 2; side++)
        for (uint32_t i = 0; i < from.rank; i++)
            if ((axes >> i & 1) == side) order[count++] = i;
    for (uint32_t i = 0; i < from.rank; i++) {
        back[order[i]] = i;
        moved.dims[i] = from.dims[order[i]];
        if ((axes >> order[i] & 1) != 0) length = dim_make(g, DIM_MUL, length, moved.dims[i]);
    }
    flat.dims[0] = 1;
    for (uint32_t i = 0; i < from.rank; i++)
        if ((axes >> order[i] & 1) == 0)
            flat.dims[0] = dim_make(g, DIM_MUL, flat.dims[0], moved.dims[i]);
    flat.rank = 2;
    flat.dims[1] = length;
    const value line = op_reshape(g, op_transpose(g, x, order), &flat);
    cumulative_attributes a = {.is_product = true, .axis = 1, .exclusive = true};
    const value before = op_cumulative(g, line, &a);
    a.reverse = true;
    const value others = op_mul(g, before, op_cumulative(g, line, &a));
    const shape column = {.rank = 2, .dims = {flat.dims[0], 1}};
    value result = op_mul(g, others, op_reshape(g, d, &column));
    result = op_reshape(g, result, &moved);
    return op_transpose(g, result, back);
}

GRADIENT_RULE(reduce)
{
    const reduce_attributes *r = n->attributes;
    const value x = n->inputs[0];
    const shape to = *graph_shape(g, x);
    const uint32_t axes = r->axes != 0 ? r->axes : (1u << to.rank) - 1;
    const shape kept = kept_shape(g, x, axes);
    const value d = op_reshape(g, output_gradients[0], &kept);
    const value y = op_reshape(g, n->outputs[0], &kept);

    switch (r->kind) {
    case REDUCE_SUM: input_gradients[0] = op_broadcast(g, d, &to); break;
    case REDUCE_MEAN:
        input_gradients[0] = op_broadcast(g, divide_by_count(g, d, x, axes), &to);
        break;
    case REDUCE_MAX:
    case REDUCE_MIN: input_gradients[0] = extreme_gradient(g, x, y, d); break;
    case REDUCE_PROD: input_gradients[0] = product_gradient(g, x, d, axes); break;
    case REDUCE_LOG_SUM_EXP:
        input_gradients[0] = op_mul(g, op_unary(g, UNARY_EXP, op_sub(g, x, y)), d);
        break;
    default: break;
    }
    return graph_ok(g);
}

/* -- softmax, normalize, cumulative ----------------------------------------------------------- */

GRADIENT_RULE(softmax)
{
    const softmax_attributes *s = n->attributes;
    const value y = n->outputs[0], dy = output_gradients[0];

    if (s->is_log) {
        const value sum = op_reduce(g, REDUCE_SUM, dy, s->axes, true);
        input_gradients[0] = op_sub(g, dy, op_mul(g, op_unary(g, UNARY_EXP, y), sum));
    } else {
        const value sum = op_reduce(g, REDUCE_SUM, op_mul(g, dy, y), s->axes, true);
        input_gradients[0] = op_mul(g, op_sub(g, dy, sum), y);
    }
    return graph_ok(g);
}

GRADIENT_RULE(normalize)
{
    const value scale = n->input_count > 1 ? n->inputs[1] : VALUE_NONE;
    const value first =
        op_normalize_gradient(g, n->inputs[0], output_gradients[0], scale, n->attributes);

    for (uint32_t i = 0; i < n->input_count; i++)
        if (gradient_wanted(input_gradients, i)) input_gradients[i] = first + i;
    return graph_ok(g);
}

GRADIENT_RULE(cumulative)
{
    const cumulative_attributes *a = n->attributes;
    const value x = n->inputs[0], zero = graph_scalar(g, 0.0f);
    cumulative_attributes back = *a;
    value d = output_gradients[0];

    back.is_product = false;
    back.reverse = !a->reverse;
    if (a->is_product) d = op_mul(g, n->outputs[0], d);
    d = op_cumulative(g, d, &back);
    if (a->is_product) /* as TensorFlow: where x is 0 nothing passes */
        d = op_select(g, op_compare(g, COMPARE_EQUAL, x, zero), zero, op_div(g, d, x));
    input_gradients[0] = d;
    return graph_ok(g);
}
