/* tf_elementwise.c -- operations that make each element from the elements in its place.
 *
 * Source of the semantics: tensorflow/core/kernels/cwise_ops.h (division of integers, xdivy ...),
 * select_op.cc (Select takes a vector of conditions for the rows), cast_op.cc, bucketize_op.cc.
 */
#include "tensorflow/tf_emit.h"

#include <math.h>

#include "tensorflow/tf_parameter.h"

/* -- one tensor -------------------------------------------------------------------------------- */

static bool is_test(int kind)
{
    return kind == UNARY_IS_NAN || kind == UNARY_IS_FINITE || kind == UNARY_IS_INF;
}

bool tf_emit_unary(tf_build *b, tf_call *c, const tf_entry *e)
{
    const tf_type type = c->inputs[0].type;
    const bool rounds =
        e->parameter == UNARY_FLOOR || e->parameter == UNARY_CEIL || e->parameter == UNARY_ROUND;

    if (tf_fold_unary(b, c, e->parameter)) return true;
    const value x = tf_input(b, c, 0);
    if (x == VALUE_NONE) return false;
    if (rounds && tf_is_integer(type)) return tf_give(b, c, 0, x, type);
    const value y = op_unary(b->graph, (unary_kind)e->parameter, x);
    return tf_give(b, c, 0, tf_wrap(b, y, type), is_test(e->parameter) ? TF_BOOL : type);
}

bool tf_emit_erfc(tf_build *b, tf_call *c, const tf_entry *e)
{
    const unary_attributes complement = {.kind = UNARY_AFFINE, .alpha = -1, .beta = 1};
    const value x = tf_input(b, c, 0);

    (void)e;
    if (x == VALUE_NONE) return false;
    const value y = op_unary_with(b->graph, complement, op_unary(b->graph, UNARY_ERF, x));
    return tf_give(b, c, 0, y, c->inputs[0].type);
}

bool tf_emit_relu(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const tf_type type = c->inputs[0].type;
    const unary_attributes relu = {.kind = UNARY_RELU,
                                   .gamma = e->parameter > 0 ? (float)e->parameter : INFINITY};
    value x = tf_input(b, c, 0);

    if (x == VALUE_NONE) return false;
    if (!tf_is_integer(type)) return tf_give(b, c, 0, op_unary_with(g, relu, x), type);
    x = op_binary(g, BINARY_MAX, x, graph_scalar_i32(g, 0));
    if (e->parameter > 0) x = op_binary(g, BINARY_MIN, x, graph_scalar_i32(g, e->parameter));
    return tf_give(b, c, 0, x, type);
}

bool tf_emit_leaky_relu(tf_build *b, tf_call *c, const tf_entry *e)
{
    const unary_attributes leaky = {
        .kind = UNARY_RELU, .alpha = (float)tf_float(c, e, "alpha"), .gamma = INFINITY};
    const value x = tf_input(b, c, 0);

    return x != VALUE_NONE &&
           tf_give(b, c, 0, op_unary_with(b->graph, leaky, x), c->inputs[0].type);
}

/* Numbers in types that hold less than F32 and I32 are cut as the type would. */
bool tf_emit_cast(tf_build *b, tf_call *c, const tf_entry *e)
{
    const tf_type to = tf_type_attribute(c, e, "DstT");
    const ebb_dtype dtype = tf_type_dtype(to), compute = tf_compute(to);
    const tf_tensor *t = &c->inputs[0];

    if (compute == EBB_DTYPE_NONE)
        return tf_fail(b, c, EBB_E_DTYPE, "a cast to %s is not supported", tf_type_name(to));
    if (t->has_lengths && (to == TF_INT64 || to == TF_INT32))
        return tf_give_lengths(b, c, to, t->rank, t->dims, t->lengths, t->length_count);
    value x = tf_input(b, c, 0);
    if (x == VALUE_NONE) return false;
    const bool is_narrow = ebb_dtype_bytes(dtype) < ebb_dtype_bytes(compute);
    if (is_narrow && to != t->type) x = op_cast(b->graph, x, dtype);
    return tf_give(b, c, 0, op_cast(b->graph, x, compute), to);
}

bool tf_emit_bucketize(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const tf_attribute *boundaries = tf_attribute_of(c, "boundaries");
    value x = tf_input(b, c, 0);

    (void)e;
    if (x == VALUE_NONE) return false;
    const uint32_t count = boundaries->count;
    const shape s = *graph_shape(g, x);
    if (s.rank == EBB_RANK_MAX) return tf_fail(b, c, EBB_E_SHAPE, "the input has too many axes");
    if (count == 0) return tf_give(b, c, 0, op_broadcast(g, graph_scalar_i32(g, 0), &s), TF_INT32);
    float *limits = tf_memory(b, count, sizeof *limits);
    if (limits == NULL) return false;
    for (uint32_t i = 0; i < count; i++) limits[i] = (float)boundaries->values[i].f;
    shape wide = s;
    wide.dims[wide.rank++] = 1;
    x = op_reshape(g, op_cast(g, x, EBB_F32), &wide);
    const value all = graph_constant(g, EBB_F32, &(shape){.rank = 1, .dims = {count}}, limits);
    const value above = op_cast(g, op_compare(g, COMPARE_GREATER_EQUAL, x, all), EBB_I32);
    return tf_give(b, c, 0, op_reduce(g, REDUCE_SUM, above, 1u << s.rank, false), TF_INT32);
}

/* -- two tensors ------------------------------------------------------------------------------- */

static bool types_agree(tf_build *b, const tf_call *c, uint32_t first, uint32_t count)
{
    for (uint32_t i = first + 1; i < first + count; i++) {
        const tf_type x = c->inputs[first].type, y = c->inputs[i].type;
        if (x != y)
            return tf_fail(b, c, EBB_E_DTYPE, "its inputs need one type, they are %s and %s",
                           tf_type_name(x), tf_type_name(y));
    }
    return true;
}

/* Both inputs as values of one type. */
static bool pair(tf_build *b, const tf_call *c, value *x, value *y)
{
    if (!types_agree(b, c, 0, 2)) return false;
    *x = tf_input(b, c, 0);
    *y = tf_input(b, c, 1);
    return graph_ok(b->graph);
}

static bool divides_by_zero(tf_build *b, const tf_call *c, int kind)
{
    double number;
    const bool divides = kind == BINARY_DIV || kind == BINARY_FLOOR_DIV || kind == BINARY_MOD;

    return divides && tf_is_integer(c->inputs[1].type) &&
           tf_find_scalar(b, &c->inputs[1], &number) && number == 0;
}

bool tf_emit_binary(tf_build *b, tf_call *c, const tf_entry *e)
{
    value x, y;

    if (!types_agree(b, c, 0, 2)) return false;
    if (divides_by_zero(b, c, e->parameter))
        return tf_fail(b, c, EBB_E_ARGUMENT, "division of integers by zero");
    if (tf_fold_binary(b, c, e->parameter)) return true;
    if (!pair(b, c, &x, &y)) return false;
    const value z = op_binary(b->graph, (binary_kind)e->parameter, x, y);
    return tf_give(b, c, 0, tf_wrap(b, z, c->inputs[0].type), c->inputs[0].type);
}

bool tf_emit_truncate_div(tf_build *b, tf_call *c, const tf_entry *e)
{
    value x, y;

    (void)e;
    if (!types_agree(b, c, 0, 2)) return false;
    if (divides_by_zero(b, c, BINARY_DIV))
        return tf_fail(b, c, EBB_E_ARGUMENT, "division of integers by zero");
    if (tf_fold_binary(b, c, BINARY_DIV)) return true;
    if (!pair(b, c, &x, &y)) return false;
    value z = op_div(b->graph, x, y);
    if (tf_is_float(c->inputs[0].type)) z = op_unary(b->graph, UNARY_TRUNC, z);
    return tf_give(b, c, 0, tf_wrap(b, z, c->inputs[0].type), c->inputs[0].type);
}

/* What is left has the sign of the dividend: |x| mod |y| with that sign. */
bool tf_emit_truncate_mod(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    value x, y;

    (void)e;
    if (!pair(b, c, &x, &y)) return false;
    if (divides_by_zero(b, c, BINARY_MOD))
        return tf_fail(b, c, EBB_E_ARGUMENT, "division of integers by zero");
    const value rest =
        op_binary(g, BINARY_MOD, op_unary(g, UNARY_ABS, x), op_unary(g, UNARY_ABS, y));
    return tf_give(b, c, 0, op_mul(g, rest, op_unary(g, UNARY_SIGN, x)), c->inputs[0].type);
}

/* A product that is 0 where y is 0 whatever x is. What keeps its gradient: only an x that is not
 * finite is taken out of it. */
static value product_no_nan(graph *g, value x, value y, value zero)
{
    const value is_zero = op_compare(g, COMPARE_EQUAL, y, zero);
    const value is_wild = op_unary(g, UNARY_LOGICAL_NOT, op_unary(g, UNARY_IS_FINITE, x));
    const value is_out = op_binary(g, BINARY_AND, is_zero, is_wild);

    return op_mul(g, op_select(g, is_out, zero, x), y);
}

/* The other operand is 1 where the result is 0 by definition: a quotient or logarithm that is not
 * a number there would pass through the gradient, which multiplies it by the 0 of the choice. */
bool tf_emit_guarded(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    value x, y, z = VALUE_NONE;

    if (!pair(b, c, &x, &y)) return false;
    const value zero = graph_scalar(g, 0), one = graph_scalar(g, 1);
    if (e->parameter == TF_GUARD_MUL_NO_NAN)
        return tf_give(b, c, 0, product_no_nan(g, x, y, zero), c->inputs[0].type);
    const bool by_y = e->parameter == TF_GUARD_DIV_NO_NAN;
    const value is_zero = op_compare(g, COMPARE_EQUAL, by_y ? y : x, zero);
    y = op_select(g, is_zero, one, y);
    if (by_y) x = op_select(g, is_zero, zero, x);
    switch (e->parameter) {
    case TF_GUARD_DIV_NO_NAN:
    case TF_GUARD_XDIVY: z = op_div(g, x, y); break;
    case TF_GUARD_XLOGY: z = op_mul(g, x, op_unary(g, UNARY_LOG, y)); break;
    case TF_GUARD_XLOG1PY: z = op_mul(g, x, op_unary(g, UNARY_LOG1P, y)); break;
    }
    return tf_give(b, c, 0, op_select(g, is_zero, zero, z), c->inputs[0].type);
}

bool tf_emit_compare(tf_build *b, tf_call *c, const tf_entry *e)
{
    value x, y;

    if (!types_agree(b, c, 0, 2)) return false;
    if (tf_fold_compare(b, c, e->parameter)) return true;
    return pair(b, c, &x, &y) &&
           tf_give(b, c, 0, op_compare(b->graph, (compare_kind)e->parameter, x, y), TF_BOOL);
}

/* -- more -------------------------------------------------------------------------------------- */

/* A vector of conditions chooses rows. */
static value rows_condition(tf_build *b, value condition, value x)
{
    graph *g = b->graph;

    if (!graph_ok(g) || graph_rank(g, condition) != 1 || graph_rank(g, x) < 2) return condition;
    shape tall = {.rank = graph_rank(g, x)};
    for (uint32_t i = 0; i < tall.rank; i++) tall.dims[i] = i == 0 ? graph_dim(g, condition, 0) : 1;
    return op_reshape(g, condition, &tall);
}

bool tf_emit_select(tf_build *b, tf_call *c, const tf_entry *e)
{
    double truth;

    if (!types_agree(b, c, 1, 2)) return false;
    if (c->inputs[0].type != TF_BOOL)
        return tf_fail(b, c, EBB_E_DTYPE, "the condition is %s, it must be DT_BOOL",
                       tf_type_name(c->inputs[0].type));
    if (tf_fold_select(b, c)) return true;
    const value x = tf_input(b, c, 1), y = tf_input(b, c, 2);
    value condition = tf_input(b, c, 0);
    if (!graph_ok(b->graph)) return false;
    const bool is_same = shape_equal(graph_shape(b->graph, x), graph_shape(b->graph, y));
    if (is_same && tf_find_scalar(b, &c->inputs[0], &truth))
        return tf_give(b, c, 0, truth != 0 ? x : y, c->inputs[1].type);
    if (e->parameter == 1) condition = rows_condition(b, condition, x);
    return tf_give(b, c, 0, op_select(b->graph, condition, x, y), c->inputs[1].type);
}

bool tf_emit_clip(tf_build *b, tf_call *c, const tf_entry *e)
{
    (void)e;
    if (!types_agree(b, c, 0, 3)) return false;
    const value x = tf_input(b, c, 0), low = tf_input(b, c, 1), high = tf_input(b, c, 2);
    const value below = op_binary(b->graph, BINARY_MIN, x, high);
    return tf_give(b, c, 0, op_binary(b->graph, BINARY_MAX, below, low), c->inputs[0].type);
}

bool tf_emit_add_n(tf_build *b, tf_call *c, const tf_entry *e)
{
    (void)e;
    if (!types_agree(b, c, 0, c->input_count)) return false;
    value sum = tf_input(b, c, 0);
    for (uint32_t i = 1; i < c->input_count && graph_ok(b->graph); i++)
        sum = op_add(b->graph, sum, tf_input(b, c, i));
    return tf_give(b, c, 0, tf_wrap(b, sum, c->inputs[0].type), c->inputs[0].type);
}

/* -- bits -------------------------------------------------------------------------------------- */

/* Bit `place` of each element, 0 or 1. */
static value bit_of(graph *g, value x, uint32_t place)
{
    const value two = graph_scalar_i32(g, 2);
    const value shifted =
        place == 0 ? x
                   : op_binary(g, BINARY_FLOOR_DIV, x, graph_scalar_i32(g, (int32_t)1 << place));

    return op_binary(g, BINARY_MOD, shifted, two);
}

static value bits_combine(graph *g, int kind, value x, value y)
{
    if (kind == TF_BITWISE_AND) return op_mul(g, x, y);
    if (kind == TF_BITWISE_OR) return op_binary(g, BINARY_MAX, x, y);
    return op_binary(g, BINARY_SQUARED_DIFFERENCE, x, y);
}

/* There are no operations on bits below, and only integers of few bits need them (packed weights):
 * each bit is taken out, combined and put back. */
bool tf_emit_bitwise(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    const tf_type type = c->inputs[0].type;
    const uint64_t bytes = ebb_dtype_bytes(tf_type_dtype(type));
    value x, y, sum = VALUE_NONE;

    if (!pair(b, c, &x, &y)) return false;
    if (!tf_is_integer(type) || bytes > 4)
        return tf_fail(b, c, EBB_E_UNSUPPORTED, "bits of %s", tf_type_name(type));
    const uint32_t bits = (uint32_t)bytes * 8;
    for (uint32_t i = 0; i < bits && graph_ok(g); i++) {
        /* Beyond bit 30 nothing but copies of the sign is left of a 32 bit number. */
        value x_bit = bit_of(g, x, i == 31 ? 30 : i), y_bit = bit_of(g, y, i == 31 ? 30 : i);
        if (i == 31) {
            const value zero = graph_scalar_i32(g, 0);
            x_bit = op_cast(g, op_compare(g, COMPARE_LESS, x, zero), EBB_I32);
            y_bit = op_cast(g, op_compare(g, COMPARE_LESS, y, zero), EBB_I32);
        }
        const value weight = graph_scalar_i32(g, (int32_t)(1u << i));
        const value part = op_mul(g, bits_combine(g, e->parameter, x_bit, y_bit), weight);
        sum = sum == VALUE_NONE ? part : op_add(g, sum, part);
    }
    return tf_give(b, c, 0, tf_wrap(b, sum, type), type);
}

/* By a power of two: to the right rounds down, as shifting the sign in does. */
bool tf_emit_shift(tf_build *b, tf_call *c, const tf_entry *e)
{
    graph *g = b->graph;
    value x, y;

    if (!pair(b, c, &x, &y)) return false;
    const value factor = op_binary(g, BINARY_POW, graph_scalar_i32(g, 2), y);
    const value z = op_binary(g, e->parameter == 1 ? BINARY_MUL : BINARY_FLOOR_DIV, x, factor);
    return tf_give(b, c, 0, tf_wrap(b, z, c->inputs[0].type), c->inputs[0].type);
}
