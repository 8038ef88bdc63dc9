/* arithmetic.c -- see arithmetic.h. */
#include "train/arithmetic.h"

#define SHAPE_TEXT 160

value arith_affine(graph *g, value x, float factor, float offset)
{
    return op_unary_with(
        g, (unary_attributes){.kind = UNARY_AFFINE, .alpha = factor, .beta = offset}, x);
}

value arith_clip(graph *g, value x, float low, float high)
{
    return op_unary_with(g, (unary_attributes){.kind = UNARY_CLIP, .alpha = low, .beta = high}, x);
}

value arith_at_least(graph *g, value x, float low)
{
    return op_binary(g, BINARY_MAX, x, graph_scalar(g, low));
}

value arith_complement(graph *g, value x)
{
    return arith_affine(g, x, -1, 1);
}

value arith_square(graph *g, value x)
{
    return op_unary(g, UNARY_SQUARE, x);
}

value arith_power(graph *g, value x, float exponent)
{
    return op_unary_with(g, (unary_attributes){.kind = UNARY_POWER, .alpha = exponent}, x);
}

value arith_power_of(graph *g, float base, value x)
{
    return op_binary(g, BINARY_POW, graph_scalar(g, base), x);
}

value arith_max(graph *g, value a, value b)
{
    return op_binary(g, BINARY_MAX, a, b);
}

value arith_min(graph *g, value a, value b)
{
    return op_binary(g, BINARY_MIN, a, b);
}

value arith_norm(graph *g, value x, uint32_t axes)
{
    const value squares = arith_square(g, x);
    const value sum = axes == 0 ? arith_all(g, REDUCE_SUM, squares)
                                : op_reduce(g, REDUCE_SUM, squares, axes, true);

    return op_unary(g, UNARY_SQRT, sum);
}

value arith_divide_no_nan(graph *g, value a, value b)
{
    const value zero = graph_scalar(g, 0), one = graph_scalar(g, 1);
    const value is_zero = op_compare(g, COMPARE_EQUAL, b, zero);

    return op_select(g, is_zero, zero, op_div(g, a, op_select(g, is_zero, one, b)));
}

value arith_both(graph *g, value a, value b)
{
    return op_binary(g, BINARY_AND, a, b);
}

value arith_not(graph *g, value x)
{
    const uint8_t yes = 1;

    return op_binary(g, BINARY_XOR, x, graph_constant(g, EBB_BOOL, &(shape){.rank = 0}, &yes));
}

value arith_float(graph *g, value x)
{
    return op_cast(g, x, EBB_F32);
}

value arith_integer(graph *g, value x)
{
    return op_cast(g, x, EBB_I32);
}

value arith_last(graph *g, reduce_kind kind, value x)
{
    const uint32_t rank = graph_rank(g, x);

    if (!graph_ok(g)) return VALUE_NONE;
    if (rank == 0) return graph_fail(g, EBB_E_SHAPE, "expected at least one axis, found a number");
    return op_reduce(g, kind, x, 1u << (rank - 1), false);
}

value arith_from(graph *g, reduce_kind kind, value x, uint32_t first)
{
    const uint32_t rank = graph_rank(g, x);

    if (first >= rank) return x;
    return op_reduce(g, kind, x, ((1u << rank) - 1) & ~((1u << first) - 1), false);
}

value arith_all(graph *g, reduce_kind kind, value x)
{
    return arith_from(g, kind, x, 0);
}

value arith_length(graph *g, dim length)
{
    return arith_float(g, op_length(g, length));
}

value arith_expand(graph *g, value x, int axis)
{
    shape to = *graph_shape(g, x);
    const uint32_t at = axis < 0 ? to.rank + 1 - (uint32_t)-axis : (uint32_t)axis;

    if (!graph_ok(g)) return VALUE_NONE;
    if (to.rank == EBB_RANK_MAX)
        return graph_fail(g, EBB_E_UNSUPPORTED, "rank %u is the highest", to.rank);
    for (uint32_t i = to.rank; i > at; i--) to.dims[i] = to.dims[i - 1];
    to.dims[at] = 1;
    to.rank++;
    return op_reshape(g, x, &to);
}

value arith_squeeze_last(graph *g, value x)
{
    shape to = *graph_shape(g, x);

    if (to.rank == 0) return x;
    to.rank--;
    return op_reshape(g, x, &to);
}

value arith_flat(graph *g, value x)
{
    const shape to = {.rank = 1, .dims = {shape_count(g, graph_shape(g, x))}};

    return graph_rank(g, x) == 1 ? x : op_reshape(g, x, &to);
}

/* `large` has one axis more than `small`. */
static void meet_ranks(graph *g, value *large, value *small, bool expand_rank_1)
{
    if (graph_dim(g, *large, -1) != 1) return;
    if (graph_rank(g, *small) == 1 && expand_rank_1) {
        *small = arith_expand(g, *small, -1);
    } else {
        *large = arith_squeeze_last(g, *large);
    }
}

void arith_same_rank(graph *g, value *a, value *b, bool expand_rank_1)
{
    const uint32_t a_rank = graph_rank(g, *a), b_rank = graph_rank(g, *b);

    if (a_rank == b_rank + 1) meet_ranks(g, a, b, expand_rank_1);
    if (b_rank == a_rank + 1) meet_ranks(g, b, a, expand_rank_1);
}

uint32_t arith_axis(graph *g, value x, int64_t axis, const char *what)
{
    const int64_t rank = graph_rank(g, x), at = axis < 0 ? axis + rank : axis;

    if (at >= 0 && at < rank) return 1u << at;
    if (graph_ok(g))
        (void)graph_fail(g, EBB_E_SHAPE, "%s: axis %lld does not exist, the rank is %lld", what,
                         (long long)axis, (long long)rank);
    return 0;
}

uint32_t arith_axes(graph *g, value x, const json *axes, const char *what)
{
    uint32_t bits = 0;

    if (json_is_null(axes)) return (1u << graph_rank(g, x)) - 1;
    if (axes->kind != JSON_ARRAY) return arith_axis(g, x, json_integer(axes, INT64_MAX), what);
    for (uint32_t i = 0; i < axes->count; i++)
        bits |= arith_axis(g, x, json_integer(json_item(axes, i), INT64_MAX), what);
    return bits;
}

bool arith_check_pair(graph *g, const char *what, value y_true, value y_pred)
{
    const shape *a = graph_shape(g, y_true), *b = graph_shape(g, y_pred);
    char a_text[SHAPE_TEXT], b_text[SHAPE_TEXT];
    bool fits = a->rank == b->rank;

    if (!graph_ok(g)) return false;
    for (uint32_t i = 0; i < a->rank && fits; i++) {
        const bool is_known = dim_known(a->dims[i]) && dim_known(b->dims[i]);
        fits = !is_known || a->dims[i] == b->dims[i] || a->dims[i] == 1 || b->dims[i] == 1;
    }
    if (fits) return true;
    (void)graph_fail(g, EBB_E_SHAPE, "%s: the targets have shape %s, the predictions %s", what,
                     shape_text(g, a, a_text, sizeof a_text),
                     shape_text(g, b, b_text, sizeof b_text));
    return false;
}
