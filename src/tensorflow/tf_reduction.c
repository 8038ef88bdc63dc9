/* tf_reduction.c -- sums, maxima, arg-max, running sums, the k largest.
 *
 * Source: tensorflow/core/kernels/reduction_ops_common.h, argmax_op.cc, scan_ops.cc, topk_op.cc.
 */
#include "tensorflow/tf_emit.h"

#include <math.h>

/* The k largest are taken out one after the other. */
#define TOP_K_MAX 256

/* Axes from input 1 as bits. */
static bool axes_read(tf_build *b, const tf_call *c, uint32_t rank, uint32_t *axes)
{
    int64_t numbers[2 * EBB_RANK_MAX];
    uint32_t count, axis;

    if (!tf_numbers(b, c, 1, "the list of axes", numbers, 2 * EBB_RANK_MAX, &count)) return false;
    *axes = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!tf_axis_place(b, c, numbers[i], rank, &axis)) return false;
        *axes |= 1u << axis;
    }
    return true;
}

/* Means of integers are sums divided without what is left over. */
static value integer_mean(tf_build *b, value x, uint32_t axes, bool keep_dims)
{
    graph *g = b->graph;
    const shape s = *graph_shape(g, x);
    dim count = 1;

    for (uint32_t i = 0; i < s.rank; i++)
        if ((axes >> i & 1) != 0) count = dim_make(g, DIM_MUL, count, s.dims[i]);
    return op_div(g, op_reduce(g, REDUCE_SUM, x, axes, keep_dims), tf_length_value(b, count));
}

bool tf_emit_reduce(tf_build *b, tf_call *c, const tf_entry *e)
{
    const bool keep_dims = tf_bool(c, e, "keep_dims");
    const tf_type type = c->inputs[0].type;
    shape s;
    uint32_t axes;

    if (!tf_input_shape(b, c, 0, &s) || !axes_read(b, c, s.rank, &axes)) return false;
    if (axes == 0) return tf_give_tensor(b, c, 0, &c->inputs[0]);
    if (tf_fold_reduce(b, c, e->parameter, axes, keep_dims)) return true;
    const value x = tf_input(b, c, 0);
    if (x == VALUE_NONE) return false;
    const value y = e->parameter == REDUCE_MEAN && tf_is_integer(type)
                        ? integer_mean(b, x, axes, keep_dims)
                        : op_reduce(b->graph, (reduce_kind)e->parameter, x, axes, keep_dims);
    return tf_give(b, c, 0, tf_wrap(b, y, type), type);
}

bool tf_emit_euclidean_norm(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    value x = tf_input(b, c, 0);
    uint32_t axes;

    if (x == VALUE_NONE || !axes_read(b, c, graph_rank(g, x), &axes)) return false;
    if (axes == 0) return tf_give(b, c, 0, op_unary(g, UNARY_ABS, x), c->inputs[0].type);
    x = op_reduce(g, REDUCE_SUM, op_unary(g, UNARY_SQUARE, x), axes, tf_bool(c, e, "keep_dims"));
    return tf_give(b, c, 0, op_unary(g, UNARY_SQRT, x), c->inputs[0].type);
}

bool tf_emit_l2_loss(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const unary_attributes half = {.kind = UNARY_AFFINE, .alpha = 0.5f};
    const value x = tf_input(b, c, 0);

    (void)e;
    if (x == VALUE_NONE) return false;
    value sum = op_unary(g, UNARY_SQUARE, x);
    if (graph_ok(g) && graph_rank(g, x) > 0) sum = op_reduce(g, REDUCE_SUM, sum, 0, false);
    return tf_give(b, c, 0, op_unary_with(g, half, sum), c->inputs[0].type);
}

bool tf_emit_arg_reduce(tf_build *b, tf_call *c, const tf_entry *e)
{
    value x = tf_input(b, c, 0);
    uint32_t axis;

    if (x == VALUE_NONE || !tf_axis(b, c, 1, graph_rank(b->graph, x), &axis)) return false;
    if (c->inputs[0].type == TF_BOOL) x = op_cast(b->graph, x, EBB_I32);
    return tf_give(b, c, 0, op_arg_reduce(b->graph, e->parameter == 1, x, (int)axis),
                   tf_type_attribute(c, e, "output_type"));
}

bool tf_emit_cumulative(tf_build *b, tf_call *c, const tf_entry *e)
{
    cumulative_attributes a = {.is_product = e->parameter == 1,
                               .reverse = tf_bool(c, e, "reverse"),
                               .exclusive = tf_bool(c, e, "exclusive")};
    const value x = tf_input(b, c, 0);

    if (x == VALUE_NONE || !tf_axis(b, c, 1, graph_rank(b->graph, x), &a.axis)) return false;
    const value y = op_cumulative(b->graph, x, &a);
    return tf_give(b, c, 0, tf_wrap(b, y, c->inputs[0].type), c->inputs[0].type);
}

/* -- the k largest ----------------------------------------------------------------------------- */

/* Takes the largest out of `x` and of the places `left` that are still there, the first of equals:
 * appends it and its place with a last axis of 1. */
typedef struct taking {
    value x;      /* F32 or I32 [..., n] */
    value places; /* I32 [n] */
    value taken;  /* BOOL [..., n] or none yet */
} taking;

static void take_one(tf_build *b, taking *t, value *number, value *place)
{
    graph *g = b->graph;
    const ebb_dtype dtype = graph_value(g, t->x)->dtype;
    const uint32_t rank = graph_rank(g, t->x);
    const value lowest =
        dtype == EBB_F32 ? graph_scalar(g, -INFINITY) : graph_scalar_i32(g, INT32_MIN);
    value left = t->x;

    if (t->taken != VALUE_NONE) left = op_select(g, t->taken, lowest, t->x);
    *number = op_reduce(g, REDUCE_MAX, left, 1u << (rank - 1), true);
    /* What was taken is lowest now, and may equal what is left: the first that is not taken. */
    value is_largest = op_compare(g, COMPARE_EQUAL, left, *number);
    if (t->taken != VALUE_NONE)
        is_largest = op_binary(g, BINARY_AND, is_largest, op_unary(g, UNARY_LOGICAL_NOT, t->taken));
    const value first = op_arg_reduce(g, true, op_cast(g, is_largest, EBB_I32), (int)rank - 1);
    if (!graph_ok(g)) return;
    shape s = *graph_shape(g, *number);
    *place = op_reshape(g, first, &s);
    const value now = op_compare(g, COMPARE_EQUAL, t->places, *place);
    t->taken = t->taken == VALUE_NONE ? now : op_binary(g, BINARY_OR, t->taken, now);
}

bool tf_emit_top_k(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    value numbers[TOP_K_MAX], places[TOP_K_MAX];
    taking t = {.x = tf_input(b, c, 0)};
    int64_t k;

    (void)e;
    if (t.x == VALUE_NONE || !tf_number(b, c, 1, "k", &k)) return false;
    const uint32_t rank = graph_rank(g, t.x);
    if (rank == 0) return tf_fail(b, c, EBB_E_SHAPE, "of a scalar");
    const dim length = graph_dim(g, t.x, -1);
    if (k < 1 || k > TOP_K_MAX)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "k is %lld; 1 to %d are possible", (long long)k,
                       TOP_K_MAX);
    if (dim_known(length) && length < k)
        return tf_fail(b, c, EBB_E_SHAPE, "k is %lld, the last axis has %lld elements",
                       (long long)k, (long long)length);
    t.places = op_iota(g, length);
    for (int64_t i = 0; i < k && graph_ok(g); i++) take_one(b, &t, &numbers[i], &places[i]);
    if (!graph_ok(g)) return false;
    return tf_give(b, c, 0, op_concat(g, numbers, (uint32_t)k, (int)rank - 1), c->inputs[0].type) &&
           tf_give(b, c, 1, op_concat(g, places, (uint32_t)k, (int)rank - 1), TF_INT32);
}
