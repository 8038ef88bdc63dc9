/* api_operations.c -- the short names of ebb/graph.h: each is an operation of the table, and
 * constants for what TensorFlow takes as tensors (axes, shapes). Nothing here knows more. */
#include <stdio.h>
#include <string.h>

#include "ebb/graph.h"

static const ebb_tensor none = {0};

/* -- lists of ebb/graph.h ------------------------------------------------------------------------
 */

static ebb_tensor unary(ebb_graph graph, const char *op, ebb_tensor x)
{
    return ebb_graph_op(graph, op, &x, 1, NULL);
}

static ebb_tensor binary(ebb_graph graph, const char *op, ebb_tensor a, ebb_tensor b)
{
    return ebb_graph_op(graph, op, (const ebb_tensor[]){a, b}, 2, NULL);
}

static ebb_tensor ints(ebb_graph graph, const int64_t *numbers, size_t count)
{
    int32_t list[EBB_RANK_MAX] = {0};

    if (count > EBB_RANK_MAX || (numbers == NULL && count > 0))
        return ebb_graph_constant(graph, NULL, NULL); /* the graph keeps the fault */
    for (size_t i = 0; i < count; i++) list[i] = (int32_t)numbers[i];
    const ebb_view view = {EBB_I32, 1, {(int64_t)count}, list};
    return ebb_graph_constant(graph, &view, NULL);
}

static ebb_tensor scalar(ebb_graph graph, int64_t number)
{
    int32_t single = (int32_t)number;

    return ebb_graph_constant(graph, &(ebb_view){.dtype = EBB_I32, .data = &single}, NULL);
}

static bool rank_of(ebb_graph graph, ebb_tensor x, uint32_t *rank)
{
    ebb_tensor_info info;

    if (ebb_graph_tensor_info(graph, x, &info) != EBB_OK) return false;
    *rank = info.rank;
    return true;
}

static ebb_tensor reduction(ebb_graph graph, const char *op, ebb_tensor x, const int64_t *axes,
                            size_t count, bool keep_dims)
{
    int64_t all[EBB_RANK_MAX];
    uint32_t rank;

    if (!rank_of(graph, x, &rank)) return unary(graph, "Identity", x);
    for (uint32_t i = 0; i < EBB_RANK_MAX; i++) all[i] = i;
    const ebb_tensor list = count == 0 ? ints(graph, all, rank) : ints(graph, axes, count);
    return ebb_graph_op(graph, op, (const ebb_tensor[]){x, list}, 2,
                        keep_dims ? "keep_dims=true" : NULL);
}

#define UNARY(name, op)                                                                            \
    ebb_tensor ebb_##name(ebb_graph graph, ebb_tensor x)                                           \
    {                                                                                              \
        return unary(graph, op, x);                                                                \
    }
#define BINARY(name, op)                                                                           \
    ebb_tensor ebb_##name(ebb_graph graph, ebb_tensor a, ebb_tensor b)                             \
    {                                                                                              \
        return binary(graph, op, a, b);                                                            \
    }
#define REDUCTION(name, op)                                                                        \
    ebb_tensor ebb_##name(ebb_graph graph, ebb_tensor x, const int64_t *axes, size_t count,        \
                          bool keep_dims)                                                          \
    {                                                                                              \
        return reduction(graph, op, x, axes, count, keep_dims);                                    \
    }
EBB_UNARY_OPERATION_MAP(UNARY)
EBB_BINARY_OPERATION_MAP(BINARY)
EBB_REDUCTION_MAP(REDUCTION)
#undef UNARY
#undef BINARY
#undef REDUCTION

/* -- others ------------------------------------------------------------------------------------ */

ebb_tensor ebb_matmul(ebb_graph graph, ebb_tensor a, ebb_tensor b)
{
    return ebb_matmul_with(graph, a, b, false, false);
}

ebb_tensor ebb_matmul_with(ebb_graph graph, ebb_tensor a, ebb_tensor b, bool transpose_a,
                           bool transpose_b)
{
    const ebb_tensor inputs[2] = {a, b};
    uint32_t a_rank = 2, b_rank = 2;

    (void)rank_of(graph, a, &a_rank);
    (void)rank_of(graph, b, &b_rank);
    if (a_rank <= 2 && b_rank <= 2)
        return ebb_graph_op_format(graph, "MatMul", inputs, 2, "transpose_a=%d, transpose_b=%d",
                                   transpose_a, transpose_b);
    return ebb_graph_op_format(graph, "BatchMatMulV2", inputs, 2, "adj_x=%d, adj_y=%d", transpose_a,
                               transpose_b);
}

ebb_tensor ebb_reshape(ebb_graph graph, ebb_tensor x, uint32_t rank, const int64_t *dims)
{
    return binary(graph, "Reshape", x, ints(graph, dims, rank));
}

ebb_tensor ebb_transpose(ebb_graph graph, ebb_tensor x, const int64_t *order)
{
    int64_t reversed[EBB_RANK_MAX];
    uint32_t rank;

    if (!rank_of(graph, x, &rank)) return unary(graph, "Identity", x);
    for (uint32_t i = 0; i < rank; i++) reversed[i] = (int64_t)(rank - 1 - i);
    return binary(graph, "Transpose", x, ints(graph, order != NULL ? order : reversed, rank));
}

ebb_tensor ebb_expand_dims(ebb_graph graph, ebb_tensor x, int64_t axis)
{
    return binary(graph, "ExpandDims", x, scalar(graph, axis));
}

ebb_tensor ebb_squeeze(ebb_graph graph, ebb_tensor x, int64_t axis)
{
    return ebb_graph_op_format(graph, "Squeeze", &x, 1, "squeeze_dims=[%lld]", (long long)axis);
}

/* Several tensors, and a last one. */
static ebb_tensor listed(ebb_graph graph, const char *op, const ebb_tensor *items, size_t count,
                         ebb_tensor last, const char *attributes)
{
    ebb_tensor inputs[1025];

    if (items == NULL || count == 0 || count > 1023)
        return ebb_graph_op(graph, op, NULL, 0, attributes); /* the graph keeps the fault */
    memcpy(inputs, items, count * sizeof *items);
    inputs[count] = last;
    return ebb_graph_op(graph, op, inputs, last.id == 0 ? count : count + 1, attributes);
}

ebb_tensor ebb_concat(ebb_graph graph, const ebb_tensor *items, size_t count, int64_t axis)
{
    const ebb_tensor last = scalar(graph, axis);

    return last.id == 0 ? none : listed(graph, "ConcatV2", items, count, last, NULL);
}

ebb_tensor ebb_stack(ebb_graph graph, const ebb_tensor *items, size_t count, int64_t axis)
{
    char text[40];

    (void)snprintf(text, sizeof text, "axis=%lld", (long long)axis);
    return listed(graph, "Pack", items, count, none, text);
}

ebb_tensor ebb_slice(ebb_graph graph, ebb_tensor x, const int64_t *begin, const int64_t *size)
{
    uint32_t rank;

    if (!rank_of(graph, x, &rank)) return unary(graph, "Identity", x);
    const ebb_tensor inputs[3] = {x, ints(graph, begin, rank), ints(graph, size, rank)};
    return ebb_graph_op(graph, "Slice", inputs, 3, NULL);
}

ebb_tensor ebb_gather(ebb_graph graph, ebb_tensor x, ebb_tensor indices, int64_t axis)
{
    const ebb_tensor inputs[3] = {x, indices, scalar(graph, axis)};

    return ebb_graph_op(graph, "GatherV2", inputs, 3, NULL);
}

ebb_tensor ebb_where(ebb_graph graph, ebb_tensor condition, ebb_tensor a, ebb_tensor b)
{
    return ebb_graph_op(graph, "SelectV2", (const ebb_tensor[]){condition, a, b}, 3, NULL);
}

ebb_tensor ebb_cast(ebb_graph graph, ebb_tensor x, ebb_dtype dtype)
{
    return ebb_graph_op_format(graph, "Cast", &x, 1, "DstT=%s", ebb_dtype_name(dtype));
}

ebb_tensor ebb_arg_max(ebb_graph graph, ebb_tensor x, int64_t axis)
{
    return binary(graph, "ArgMax", x, scalar(graph, axis));
}

ebb_tensor ebb_one_hot(ebb_graph graph, ebb_tensor indices, int64_t depth)
{
    const ebb_tensor inputs[4] = {indices, scalar(graph, depth), ebb_graph_number(graph, 1),
                                  ebb_graph_number(graph, 0)};

    return ebb_graph_op(graph, "OneHot", inputs, 4, NULL);
}

ebb_tensor ebb_fill(ebb_graph graph, uint32_t rank, const int64_t *dims, double number)
{
    return binary(graph, "Fill", ints(graph, dims, rank), ebb_graph_number(graph, number));
}

/* -- random numbers ---------------------------------------------------------------------------- */

static ebb_tensor random(ebb_graph graph, const char *op, uint32_t rank, const int64_t *dims,
                         double scale, double offset, uint64_t seed)
{
    const ebb_tensor to = ints(graph, dims, rank);
    ebb_graph_info info = {0};

    (void)ebb_graph_info_read(graph, &info);
    ebb_tensor x = ebb_graph_op_format(graph, op, &to, 1, "dtype=float32, seed=%lld, seed2=%lld",
                                       seed == 0 ? 0LL : (long long)(info.seed & INT64_MAX),
                                       (long long)(seed & INT64_MAX));

    if (scale != 1) x = binary(graph, "Mul", x, ebb_graph_number(graph, scale));
    return offset == 0 ? x : binary(graph, "AddV2", x, ebb_graph_number(graph, offset));
}

ebb_tensor ebb_random_normal(ebb_graph graph, uint32_t rank, const int64_t *dims, double mean,
                             double deviation, uint64_t seed)
{
    return random(graph, "RandomStandardNormal", rank, dims, deviation, mean, seed);
}

ebb_tensor ebb_random_truncated_normal(ebb_graph graph, uint32_t rank, const int64_t *dims,
                                       double mean, double deviation, uint64_t seed)
{
    return random(graph, "TruncatedNormal", rank, dims, deviation, mean, seed);
}

ebb_tensor ebb_random_uniform(ebb_graph graph, uint32_t rank, const int64_t *dims, double low,
                              double high, uint64_t seed)
{
    return random(graph, "RandomUniform", rank, dims, high - low, low, seed);
}
