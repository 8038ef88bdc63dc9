/* tf_shape.c -- operations about shapes: their results are lengths, or tensors that are told their
 * shape by lengths.
 *
 * Source: tensorflow/core/kernels/reshape_op.h, shape_ops.h, sequence_ops.cc (Range, LinSpace).
 */
#include "tensorflow/tf_emit.h"

#include <math.h>

bool tf_emit_shape(tf_build *b, tf_call *c, const tf_entry *e)
{
    shape s;

    return tf_input_shape(b, c, 0, &s) &&
           tf_give_lengths(b, c, tf_type_attribute(c, e, "out_type"), 1, NULL, s.dims, s.rank);
}

bool tf_emit_shape_n(tf_build *b, tf_call *c, const tf_entry *e)
{
    shape s;

    for (uint32_t i = 0; i < c->input_count; i++) {
        if (!tf_input_shape(b, c, i, &s) ||
            !tf_give_lengths(b, c, tf_type_attribute(c, e, "out_type"), 1, NULL, s.dims, s.rank))
            return false;
    }
    return true;
}

bool tf_emit_size(tf_build *b, tf_call *c, const tf_entry *e)
{
    shape s;

    if (!tf_input_shape(b, c, 0, &s)) return false;
    const dim count = shape_count(b->graph, &s);
    return tf_give_lengths(b, c, tf_type_attribute(c, e, "out_type"), 0, NULL, &count, 1);
}

bool tf_emit_rank(tf_build *b, tf_call *c, const tf_entry *e)
{
    shape s;

    (void)e;
    if (!tf_input_shape(b, c, 0, &s)) return false;
    const dim rank = s.rank;
    return tf_give_lengths(b, c, TF_INT32, 0, NULL, &rank, 1);
}

/* -- the same elements in another shape -------------------------------------------------------- */

/* Gives input 0 with shape `to`; lengths stay lengths. */
static bool give_reshaped(tf_build *b, tf_call *c, const shape *to)
{
    const tf_tensor *t = &c->inputs[0];
    uint32_t dims[EBB_RANK_MAX];
    uint64_t count = 1;

    if (!graph_ok(b->graph)) return false;
    if (t->has_lengths) {
        for (uint32_t i = 0; i < to->rank; i++) {
            if (!dim_known(to->dims[i]) || to->dims[i] > TF_LENGTHS_MAX)
                return tf_fail(b, c, EBB_E_SHAPE, "%u elements do not fill the shape",
                               t->length_count);
            dims[i] = (uint32_t)to->dims[i];
            count *= dims[i];
        }
        if (count != t->length_count)
            return tf_fail(b, c, EBB_E_SHAPE, "%u elements do not fill the shape", t->length_count);
        return tf_give_lengths(b, c, t->type, to->rank, dims, t->lengths, t->length_count);
    }
    const value x = tf_input(b, c, 0);
    return x != VALUE_NONE && tf_give(b, c, 0, tf_reshape(b, x, to), t->type);
}

bool tf_emit_reshape(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const dim *lengths;
    uint32_t count, open = EBB_RANK_MAX;
    shape from, to = {.rank = 0};
    dim product = 1;
    int64_t number;

    (void)e;
    if (!tf_input_shape(b, c, 0, &from) || !tf_lengths(b, c, 1, "the shape", &lengths, &count))
        return false;
    if (count > EBB_RANK_MAX)
        return tf_fail(b, c, EBB_E_SHAPE, "the shape has %u axes, at most %d are possible", count,
                       EBB_RANK_MAX);
    for (to.rank = 0; to.rank < count; to.rank++) {
        to.dims[to.rank] = lengths[to.rank];
        if (tf_dim_number(g, lengths[to.rank], &number) && number < 0) {
            if (number != -1 || open != EBB_RANK_MAX)
                return tf_fail(b, c, EBB_E_SHAPE, "axis %u of the shape is %lld", to.rank,
                               (long long)number);
            open = to.rank;
        } else {
            product = dim_make(g, DIM_MUL, product, lengths[to.rank]);
        }
    }
    if (open != EBB_RANK_MAX) {
        const dim all = shape_count(g, &from);
        if (product == 0)
            return tf_fail(b, c, EBB_E_SHAPE, "-1 cannot stand for the length of an axis beside 0");
        if (dim_known(all) && dim_known(product) && all % product != 0)
            return tf_fail(b, c, EBB_E_SHAPE, "%lld elements do not fill rows of %lld",
                           (long long)all, (long long)product);
        to.dims[open] = dim_make(g, DIM_DIV, all, product);
    }
    return graph_ok(g) && give_reshaped(b, c, &to);
}

bool tf_emit_squeeze(tf_build *b, tf_call *c, const tf_entry *e)
{
    int64_t items[EBB_RANK_MAX];
    const uint32_t count = tf_ints(c, e, "squeeze_dims", items, EBB_RANK_MAX);
    uint32_t axes = 0, axis;
    shape from, to = {.rank = 0};

    if (!tf_input_shape(b, c, 0, &from)) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!tf_axis_place(b, c, items[i], from.rank, &axis)) return false;
        if (dim_known(from.dims[axis]) && from.dims[axis] != 1)
            return tf_fail(b, c, EBB_E_SHAPE, "axis %u has length %lld, not 1", axis,
                           (long long)from.dims[axis]);
        axes |= 1u << axis;
    }
    for (uint32_t i = 0; i < from.rank; i++) {
        const bool goes = count > 0 ? (axes >> i & 1) != 0 : from.dims[i] == 1;
        if (!goes) to.dims[to.rank++] = from.dims[i];
    }
    return give_reshaped(b, c, &to);
}

bool tf_emit_expand_dims(tf_build *b, tf_call *c, const tf_entry *e)
{
    shape from, to = {.rank = 0};
    uint32_t axis;

    (void)e;
    if (!tf_input_shape(b, c, 0, &from) || !tf_axis(b, c, 1, from.rank + 1, &axis)) return false;
    if (from.rank == EBB_RANK_MAX)
        return tf_fail(b, c, EBB_E_SHAPE, "more than %d axes", EBB_RANK_MAX);
    for (uint32_t i = 0; i <= from.rank; i++) {
        if (i == axis) to.dims[to.rank++] = 1;
        if (i < from.rank) to.dims[to.rank++] = from.dims[i];
    }
    return give_reshaped(b, c, &to);
}

bool tf_emit_ensure_shape(tf_build *b, tf_call *c, const tf_entry *e)
{
    const tf_shape *wanted = &tf_attribute_of(c, "shape")->values[0].shape;
    shape s;

    (void)e;
    if (!tf_input_shape(b, c, 0, &s)) return false;
    if (!wanted->has_rank) return tf_give_tensor(b, c, 0, &c->inputs[0]);
    if (wanted->rank != s.rank)
        return tf_fail(b, c, EBB_E_SHAPE, "the tensor has %u axes, not %u", s.rank, wanted->rank);
    for (uint32_t i = 0; i < s.rank; i++) {
        if (wanted->dims[i] < 0) continue;
        if (dim_known(s.dims[i]) && s.dims[i] != wanted->dims[i])
            return tf_fail(b, c, EBB_E_SHAPE, "axis %u has length %lld, not %lld", i,
                           (long long)s.dims[i], (long long)wanted->dims[i]);
        s.dims[i] = dim_make(b->graph, DIM_SAME, s.dims[i], wanted->dims[i]);
    }
    return give_reshaped(b, c, &s);
}

/* -- one number everywhere --------------------------------------------------------------------- */

/* A scalar of lengths, spread over a small known shape; false: it is none. */
static bool give_spread(tf_build *b, tf_call *c, const tf_tensor *t, const shape *to)
{
    dim lengths[TF_LENGTHS_MAX];
    uint32_t dims[EBB_RANK_MAX];
    uint64_t count = 1;

    if (!t->has_lengths || t->length_count != 1) return false;
    for (uint32_t i = 0; i < to->rank; i++) {
        if (!dim_known(to->dims[i]) || to->dims[i] > TF_LENGTHS_MAX) return false;
        dims[i] = (uint32_t)to->dims[i];
        count *= dims[i];
    }
    if (count > TF_LENGTHS_MAX) return false;
    for (uint64_t i = 0; i < count; i++) lengths[i] = t->lengths[0];
    return tf_give_lengths(b, c, t->type, to->rank, dims, lengths, (uint32_t)count);
}

bool tf_emit_fill(tf_build *b, tf_call *c, const tf_entry *e)
{
    shape to;

    (void)e;
    if (!tf_shape_input(b, c, 0, &to)) return false;
    if (give_spread(b, c, &c->inputs[1], &to)) return true;
    const value x = tf_input(b, c, 1);
    if (x == VALUE_NONE) return false;
    if (graph_rank(b->graph, x) != 0) return tf_fail(b, c, EBB_E_SHAPE, "the number is no scalar");
    return tf_give(b, c, 0, op_broadcast(b->graph, x, &to), c->inputs[1].type);
}

bool tf_emit_broadcast_to(tf_build *b, tf_call *c, const tf_entry *e)
{
    shape to;

    (void)e;
    if (!tf_shape_input(b, c, 1, &to)) return false;
    if (give_spread(b, c, &c->inputs[0], &to)) return true;
    const value x = tf_input(b, c, 0);
    return x != VALUE_NONE && tf_give(b, c, 0, op_broadcast(b->graph, x, &to), c->inputs[0].type);
}

bool tf_emit_broadcast_args(tf_build *b, tf_call *c, const tf_entry *e)
{
    const dim *x, *y;
    uint32_t x_count, y_count;
    shape sx = {.rank = 0}, sy = {.rank = 0}, both;

    (void)e;
    if (!tf_lengths(b, c, 0, "a shape", &x, &x_count) ||
        !tf_lengths(b, c, 1, "a shape", &y, &y_count))
        return false;
    if (x_count > EBB_RANK_MAX || y_count > EBB_RANK_MAX)
        return tf_fail(b, c, EBB_E_SHAPE, "more than %d axes", EBB_RANK_MAX);
    for (; sx.rank < x_count; sx.rank++) sx.dims[sx.rank] = x[sx.rank];
    for (; sy.rank < y_count; sy.rank++) sy.dims[sy.rank] = y[sy.rank];
    return shape_broadcast(b->graph, &sx, &sy, &both) &&
           tf_give_lengths(b, c, c->inputs[0].type, 1, NULL, both.dims, both.rank);
}

bool tf_emit_constant_like(tf_build *b, tf_call *c, const tf_entry *e)
{
    const tf_type type = c->inputs[0].type;
    const ebb_dtype dtype = tf_compute(type);
    const dim number = e->parameter;
    const tf_tensor one = {
        .type = type, .has_lengths = true, .length_count = 1, .lengths = &number};
    shape s;

    if (type == TF_VARIANT) return tf_give_tensor(b, c, 0, &c->inputs[0]);
    if (!tf_input_shape(b, c, 0, &s)) return false;
    if (c->inputs[0].has_lengths && give_spread(b, c, &one, &s)) return true;
    if (dtype == EBB_DTYPE_NONE) return tf_fail(b, c, EBB_E_DTYPE, "of %s", tf_type_name(type));
    return tf_give(b, c, 0, op_broadcast(b->graph, tf_scalar(b, e->parameter, dtype), &s), type);
}

/* -- sequences --------------------------------------------------------------------------------- */

/* How many numbers Range has: ceil((limit - start) / delta), none where that is negative. */
static dim range_count(tf_build *b, dim start, dim limit, int64_t delta)
{
    graph *g = b->graph;
    const dim span =
        delta > 0 ? dim_make(g, DIM_SUB, limit, start) : dim_make(g, DIM_SUB, start, limit);
    const dim count = dim_make(g, DIM_DIV_UP, span, delta > 0 ? delta : -delta);

    return tf_dim_is_positive(g, count) ? count : dim_make(g, DIM_MAX, count, 0);
}

static bool range_integers(tf_build *b, tf_call *c)
{
    graph *g = b->graph;
    const tf_type type = c->inputs[0].type;
    dim start, limit, list[TF_LENGTHS_MAX];
    int64_t delta;

    if (!tf_length(b, c, 0, "the start", &start) || !tf_length(b, c, 1, "the limit", &limit) ||
        !tf_number(b, c, 2, "the step", &delta))
        return false;
    if (delta == 0 || delta == INT64_MIN) return tf_fail(b, c, EBB_E_ARGUMENT, "a step of 0");
    const dim count = range_count(b, start, limit, delta);
    if (!graph_ok(g)) return false;
    if (dim_known(count) && count <= TF_LENGTHS_MAX) {
        for (dim i = 0; i < count; i++)
            list[i] = dim_make(g, DIM_ADD, start, tf_dim_of(b, i * delta));
        return tf_give_lengths(b, c, type, 1, NULL, list, (uint32_t)count);
    }
    value v = op_iota(g, count);
    if (delta != 1) v = op_mul(g, v, tf_length_value(b, tf_dim_of(b, delta)));
    if (start != 0) v = op_add(g, v, tf_length_value(b, start));
    return tf_give(b, c, 0, v, type);
}

bool tf_emit_range(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    double start, limit, delta;

    (void)e;
    if (tf_is_integer(c->inputs[0].type)) return range_integers(b, c);
    if (!tf_find_scalar(b, &c->inputs[0], &start) || !tf_find_scalar(b, &c->inputs[1], &limit) ||
        !tf_find_scalar(b, &c->inputs[2], &delta))
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "start, limit and step must be constants");
    const double count = ceil(fabs((limit - start) / delta));
    if (!(count >= 0 && count <= INT32_MAX) || delta == 0 || (limit > start) != (delta > 0))
        return count == 0 ? tf_give(b, c, 0, op_cast(g, op_iota(g, 0), EBB_F32), c->inputs[0].type)
                          : tf_fail(b, c, EBB_E_ARGUMENT, "from %g to %g by steps of %g", start,
                                    limit, delta);
    const unary_attributes line = {
        .kind = UNARY_AFFINE, .alpha = (float)delta, .beta = (float)start};
    const value steps = op_cast(g, op_iota(g, (dim)count), EBB_F32);
    return tf_give(b, c, 0, op_unary_with(g, line, steps), c->inputs[0].type);
}

bool tf_emit_lin_space(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const value start = tf_input(b, c, 0), stop = tf_input(b, c, 1);
    int64_t count;

    (void)e;
    if (!graph_ok(g) || !tf_number(b, c, 2, "the count", &count)) return false;
    if (count < 1 || count > INT32_MAX)
        return tf_fail(b, c, EBB_E_ARGUMENT, "%lld numbers", (long long)count);
    const shape one = {.rank = 1, .dims = {1}};
    const value first = op_reshape(g, start, &one);
    if (count == 1) return tf_give(b, c, 0, first, c->inputs[0].type);
    const value step = op_div(g, op_sub(g, stop, start), graph_scalar(g, (float)(count - 1)));
    const value inner =
        op_add(g, start, op_mul(g, op_cast(g, op_iota(g, count - 1), EBB_F32), step));
    const value parts[] = {inner, op_reshape(g, stop, &one)};
    return tf_give(b, c, 0, op_concat(g, parts, 2, 0), c->inputs[0].type);
}

bool tf_emit_invert_permutation(tf_build *b, tf_call *c, const tf_entry *e)
{
    int64_t order[TF_LENGTHS_MAX];
    dim inverse[TF_LENGTHS_MAX];
    bool is_seen[TF_LENGTHS_MAX] = {false};
    uint32_t count;

    (void)e;
    if (!tf_numbers(b, c, 0, "the permutation", order, TF_LENGTHS_MAX, &count)) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (order[i] < 0 || order[i] >= count || is_seen[order[i]])
            return tf_fail(b, c, EBB_E_ARGUMENT, "its input is no permutation");
        is_seen[order[i]] = true;
        inverse[order[i]] = i;
    }
    return tf_give_lengths(b, c, c->inputs[0].type, 1, NULL, inverse, count);
}
