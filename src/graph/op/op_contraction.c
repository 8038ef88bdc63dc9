/* op_contraction.c -- matmul, conv, conv_transpose: shape rules, checks, builders.
 * Output lengths follow TensorFlow: SAME ceil(n / s), otherwise floor((n + padding - reach) / s) +
 * 1 where reach = (k - 1) * dilation + 1. */
#include "graph/op/gradient_rule.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

enum { INPUT_BIAS = 2, INPUT_RESIDUAL = 3, INPUT_SCALE = 4, INPUT_PLACES = 5 };

/* bias [channels], residual (shape of y), scale [channels], each where present. */
static bool check_epilogue(graph *g, const char *op, const node *n, const shape *y,
                           const epilogue *e)
{
    static const char *const names[] = {"", "", "bias", "residual", "scale"};
    const shape vector = {.rank = 1, .dims = {y->dims[y->rank - 1]}};

    for (uint32_t i = INPUT_BIAS; i < n->input_count; i++) {
        const shape *expected = i == INPUT_RESIDUAL ? y : &vector;

        if (n->inputs[i] == VALUE_NONE) continue;
        if (!expect_dtype(g, op, names[i], n->inputs[i], EBB_F32)) return false;
        if (!shape_equal(graph_shape(g, n->inputs[i]), expected)) {
            char found[SHAPE_TEXT_MAX], wanted[SHAPE_TEXT_MAX];
            return graph_fault(g, EBB_E_SHAPE, "%s: the %s must be %s, it is %s", op, names[i],
                               shape_text(g, expected, wanted, sizeof wanted),
                               shape_text(g, graph_shape(g, n->inputs[i]), found, sizeof found));
        }
    }
    if ((uint32_t)e->activation.kind >= UNARY_LOGICAL_NOT)
        return graph_fault(g, EBB_E_ARGUMENT, "%s: %s cannot be its activation", op,
                           unary_name(e->activation.kind));
    return true;
}

static void describe_epilogue(const epilogue *e, char *text, uint32_t capacity)
{
    const size_t used = strnlen(text, capacity);

    if (e->activation.kind != UNARY_IDENTITY && used < capacity)
        (void)snprintf(text + used, capacity - used, "%s%s", used > 0 ? " then " : "then ",
                       unary_name(e->activation.kind));
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t result;

    (void)u64_mul(a, b, &result);
    return result;
}

/* -- matmul ----------------------------------------------------------------------------------- */

static bool matmul_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const matmul_attributes *m = n->attributes;
    const shape a = *graph_shape(g, n->inputs[0]), b = *graph_shape(g, n->inputs[1]);
    dim inner;

    if (!expect_dtype(g, "matmul", "a", n->inputs[0], EBB_F32) ||
        !expect_dtype(g, "matmul", "b", n->inputs[1], EBB_F32))
        return false;
    if (a.rank < 2 || b.rank < 2)
        return shape_fault(g, "matmul", "both sides need two axes", &a, &b);
    const dim rows = a.dims[a.rank - (m->transpose_a ? 1 : 2)];
    const dim left = a.dims[a.rank - (m->transpose_a ? 2 : 1)];
    const dim right = b.dims[b.rank - (m->transpose_b ? 1 : 2)];
    const dim columns = b.dims[b.rank - (m->transpose_b ? 2 : 1)];
    if (dim_known(left) && dim_known(right) && left != right)
        return shape_fault(g, "matmul", "the inner lengths differ", &a, &b);
    if (!expect_same(g, "matmul", "the inner lengths", left, right, &inner)) return false;

    const shape leading_a = {
        .rank = a.rank - 2,
        .dims = {a.dims[0], a.dims[1], a.dims[2], a.dims[3], a.dims[4], a.dims[5]}};
    const shape leading_b = {
        .rank = b.rank - 2,
        .dims = {b.dims[0], b.dims[1], b.dims[2], b.dims[3], b.dims[4], b.dims[5]}};
    if (!shape_broadcast(g, &leading_a, &leading_b, &shapes[0])) return false;
    shapes[0].dims[shapes[0].rank++] = rows;
    shapes[0].dims[shapes[0].rank++] = columns;
    dtypes[0] = EBB_F32;
    return check_epilogue(g, "matmul", n, &shapes[0], &m->epilogue);
}

static uint64_t matmul_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    const matmul_attributes *m = n->attributes;
    const dim inner = graph_dim(g, n->inputs[0], m->transpose_a ? -2 : -1);

    return times(2 * (uint64_t)dim_value(inner, dim_values),
                 shape_count_at(graph_shape(g, n->outputs[0]), dim_values));
}

static void matmul_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const matmul_attributes *m = n->attributes;

    (void)g;
    (void)snprintf(text, capacity, "%s%s%s", m->transpose_a ? "a'" : "",
                   m->transpose_a && m->transpose_b ? " " : "", m->transpose_b ? "b'" : "");
    describe_epilogue(&m->epilogue, text, capacity);
}

const op_def op_def_matmul = {.name = "matmul",
                              .attribute_bytes = sizeof(matmul_attributes),
                              .inputs_min = 2,
                              .inputs_max = INPUT_PLACES,
                              .output_count = 1,
                              .infer = matmul_infer,
                              .flops = matmul_flops,
                              .describe = matmul_describe,
                              .gradient = gradient_of_matmul};

value op_matmul(graph *g, value a, value b, bool transpose_a, bool transpose_b)
{
    matmul_attributes attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.transpose_a = transpose_a;
    attributes.transpose_b = transpose_b;
    return graph_node(g, OP_matmul, (const value[]){a, b}, 2, &attributes);
}

/* -- conv ------------------------------------------------------------------------------------- */

/* x [n, spatial..., c] and a kernel of as many axes, all of the kernel's known. */
static bool check_operands(graph *g, const char *op, const node *n, uint32_t spatial)
{
    if (spatial < 1 || spatial > SPATIAL_MAX)
        return graph_fault(g, EBB_E_ARGUMENT, "%s: %u spatial axes; 1 to %d are possible", op,
                           spatial, SPATIAL_MAX);
    if (!expect_dtype(g, op, "x", n->inputs[0], EBB_F32) ||
        !expect_dtype(g, op, "the kernel", n->inputs[1], EBB_F32) ||
        !expect_rank(g, op, "x", n->inputs[0], spatial + 2) ||
        !expect_rank(g, op, "the kernel", n->inputs[1], spatial + 2))
        return false;
    for (uint32_t i = 0; i < spatial + 2; i++)
        if (graph_dim(g, n->inputs[1], (int)i) < 1)
            return graph_fault(g, EBB_E_SHAPE, "%s: axis %u of the kernel has no fixed length", op,
                               i);
    return true;
}

static bool check_steps(graph *g, const char *op, uint32_t axis, int64_t stride, int64_t dilation,
                        int64_t before, int64_t after)
{
    if (stride < 1 || dilation < 1 || before < 0 || after < 0 || stride > INT32_MAX ||
        dilation > INT32_MAX || before > INT32_MAX || after > INT32_MAX)
        return graph_fault(
            g, EBB_E_ARGUMENT,
            "%s: spatial axis %u: stride %lld, dilation %lld, padding %lld and %lld; strides "
            "and dilations start at 1, padding at 0",
            op, axis, (long long)stride, (long long)dilation, (long long)before, (long long)after);
    return true;
}

/* Elements a dilated kernel covers. */
static bool kernel_reach(graph *g, const char *op, dim k, int64_t dilation, int64_t *reach)
{
    if (i64_mul(k - 1, dilation, reach) && i64_add(*reach, 1, reach)) return true;
    return graph_fault(g, EBB_E_SHAPE, "%s: the kernel is too large", op);
}

static bool conv_length(graph *g, const conv_attributes *a, uint32_t i, dim length, dim k,
                        dim *result)
{
    int64_t reach;

    if (!check_steps(g, "conv", i, a->strides[i], a->dilations[i], a->same ? 0 : a->pad_before[i],
                     a->same ? 0 : a->pad_after[i]) ||
        !kernel_reach(g, "conv", k, a->dilations[i], &reach))
        return false;
    if (a->same) {
        *result = dim_make(g, DIM_DIV_UP, length, a->strides[i]);
        return graph_ok(g);
    }
    const dim padded = dim_make(g, DIM_ADD, length, a->pad_before[i] + a->pad_after[i]);
    if (graph_ok(g) && dim_known(padded) && padded < reach)
        return graph_fault(
            g, EBB_E_SHAPE,
            "conv: spatial axis %u has length %lld with padding, the kernel covers %lld", i,
            (long long)padded, (long long)reach);
    const dim room = dim_make(g, DIM_SUB, padded, reach);
    dim_require(g, room);
    *result = dim_make(g, DIM_ADD, dim_make(g, DIM_DIV, room, a->strides[i]), 1);
    return graph_ok(g);
}

static bool conv_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const conv_attributes *a = n->attributes;
    dim channels;

    if (!check_operands(g, "conv", n, a->spatial)) return false;
    const shape x = *graph_shape(g, n->inputs[0]), kernel = *graph_shape(g, n->inputs[1]);
    const dim per_group = kernel.dims[a->spatial], filters = kernel.dims[a->spatial + 1];
    int64_t expected;
    if (a->groups < 1 || filters % a->groups != 0 || !i64_mul(per_group, a->groups, &expected))
        return graph_fault(g, EBB_E_SHAPE, "conv: %lld filters do not divide into %lld groups",
                           (long long)filters, (long long)a->groups);
    const dim found = x.dims[a->spatial + 1];
    if (dim_known(found) && found != expected) {
        char left[SHAPE_TEXT_MAX], right[SHAPE_TEXT_MAX];
        return graph_fault(g, EBB_E_SHAPE,
                           "conv: a kernel %s in %lld groups needs %lld channels, x is %s",
                           shape_text(g, &kernel, left, sizeof left), (long long)a->groups,
                           (long long)expected, shape_text(g, &x, right, sizeof right));
    }
    if (!expect_same(g, "conv", "channels", found, expected, &channels)) return false;
    shapes[0] = (shape){.rank = x.rank, .dims = {x.dims[0]}};
    shapes[0].dims[a->spatial + 1] = filters;
    for (uint32_t i = 0; i < a->spatial; i++)
        if (!conv_length(g, a, i, x.dims[i + 1], kernel.dims[i], &shapes[0].dims[i + 1]))
            return false;
    dtypes[0] = EBB_F32;
    return check_epilogue(g, "conv", n, &shapes[0], &a->epilogue);
}

/* Cells of the kernel per channel. */
static uint64_t kernel_cells(const graph *g, const node *n, uint32_t spatial)
{
    uint64_t cells = 1;

    for (uint32_t i = 0; i < spatial; i++)
        cells = times(cells, (uint64_t)graph_dim(g, n->inputs[1], (int)i));
    return cells;
}

static uint64_t conv_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    const conv_attributes *a = n->attributes;
    const uint64_t per_group = (uint64_t)graph_dim(g, n->inputs[1], -2);

    return times(times(2 * kernel_cells(g, n, a->spatial), per_group),
                 shape_count_at(graph_shape(g, n->outputs[0]), dim_values));
}

static void conv_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const conv_attributes *a = n->attributes;
    const int length = snprintf(text, capacity, "%s", a->same ? "same" : "padded");
    size_t used = length > 0 ? (size_t)length : 0;

    (void)g;
    for (uint32_t i = 0; i < a->spatial && used < capacity; i++) {
        const int more =
            a->same ? snprintf(text + used, capacity - used, " /%lld", (long long)a->strides[i])
                    : snprintf(text + used, capacity - used, " %lld:%lld/%lld",
                               (long long)a->pad_before[i], (long long)a->pad_after[i],
                               (long long)a->strides[i]);
        used += more > 0 ? (size_t)more : 0;
    }
    if (a->groups > 1 && used < capacity)
        (void)snprintf(text + used, capacity - used, " groups %lld", (long long)a->groups);
    describe_epilogue(&a->epilogue, text, capacity);
}

const op_def op_def_conv = {.name = "conv",
                            .attribute_bytes = sizeof(conv_attributes),
                            .inputs_min = 2,
                            .inputs_max = INPUT_PLACES,
                            .output_count = 1,
                            .infer = conv_infer,
                            .flops = conv_flops,
                            .describe = conv_describe,
                            .gradient = gradient_of_conv};

value op_conv(graph *g, value x, value kernel, const conv_attributes *attributes)
{
    conv_attributes clean;

    memset(&clean, 0, sizeof clean); /* equal nodes must have equal bytes */
    clean.spatial = attributes->spatial;
    clean.same = attributes->same;
    clean.groups = attributes->groups;
    clean.epilogue = attributes->epilogue;
    for (uint32_t i = 0; i < attributes->spatial && i < SPATIAL_MAX; i++) {
        clean.strides[i] = attributes->strides[i];
        clean.dilations[i] = attributes->dilations[i];
        clean.pad_before[i] = attributes->same ? 0 : attributes->pad_before[i];
        clean.pad_after[i] = attributes->same ? 0 : attributes->pad_after[i];
    }
    return graph_node(g, OP_conv, (const value[]){x, kernel}, 2, &clean);
}

/* -- conv_transpose --------------------------------------------------------------------------- */

static bool conv_transpose_length(graph *g, const conv_transpose_attributes *a, uint32_t i,
                                  dim length, dim k, dim *result)
{
    int64_t reach;

    if (!check_steps(g, "conv_transpose", i, a->strides[i], a->dilations[i], a->pad_before[i],
                     a->pad_after[i]) ||
        !kernel_reach(g, "conv_transpose", k, a->dilations[i], &reach))
        return false;
    if (a->output_padding[i] < 0 || a->output_padding[i] > INT32_MAX)
        return graph_fault(g, EBB_E_ARGUMENT, "conv_transpose: output padding %lld",
                           (long long)a->output_padding[i]);
    const dim spread = dim_make(g, DIM_MUL, dim_make(g, DIM_SUB, length, 1), a->strides[i]);
    const dim full = dim_make(g, DIM_ADD, spread, reach + a->output_padding[i]);
    *result = dim_make(g, DIM_SUB, full, a->pad_before[i] + a->pad_after[i]);
    dim_require(g, *result);
    return graph_ok(g);
}

static bool conv_transpose_infer(graph *g, const node *n, ebb_dtype *dtypes, shape *shapes)
{
    const conv_transpose_attributes *a = n->attributes;
    dim channels;

    if (!check_operands(g, "conv_transpose", n, a->spatial)) return false;
    const shape x = *graph_shape(g, n->inputs[0]), kernel = *graph_shape(g, n->inputs[1]);
    const dim found = x.dims[a->spatial + 1], expected = kernel.dims[a->spatial + 1];
    if (dim_known(found) && found != expected)
        return shape_fault(g, "conv_transpose", "x and kernel must end with the same channels", &x,
                           &kernel);
    if (!expect_same(g, "conv_transpose", "channels", found, expected, &channels)) return false;
    shapes[0] = (shape){.rank = x.rank, .dims = {x.dims[0]}};
    shapes[0].dims[a->spatial + 1] = kernel.dims[a->spatial];
    for (uint32_t i = 0; i < a->spatial; i++)
        if (!conv_transpose_length(g, a, i, x.dims[i + 1], kernel.dims[i], &shapes[0].dims[i + 1]))
            return false;
    dtypes[0] = EBB_F32;
    return check_epilogue(g, "conv_transpose", n, &shapes[0], &a->epilogue);
}

static uint64_t conv_transpose_flops(const graph *g, const node *n, const int64_t *dim_values)
{
    const conv_transpose_attributes *a = n->attributes;
    const uint64_t filters = (uint64_t)graph_dim(g, n->inputs[1], -2);

    return times(times(2 * kernel_cells(g, n, a->spatial), filters),
                 shape_count_at(graph_shape(g, n->inputs[0]), dim_values));
}

static void conv_transpose_describe(const graph *g, const node *n, char *text, uint32_t capacity)
{
    const conv_transpose_attributes *a = n->attributes;
    size_t used = 0;

    (void)g;
    for (uint32_t i = 0; i < a->spatial && used < capacity; i++) {
        const int more = snprintf(text + used, capacity - used, "%s%lld:%lld/%lld",
                                  i > 0 ? " " : "", (long long)a->pad_before[i],
                                  (long long)a->pad_after[i], (long long)a->strides[i]);
        used += more > 0 ? (size_t)more : 0;
    }
    describe_epilogue(&a->epilogue, text, capacity);
}

const op_def op_def_conv_transpose = {.name = "conv_transpose",
                                      .attribute_bytes = sizeof(conv_transpose_attributes),
                                      .inputs_min = 2,
                                      .inputs_max = INPUT_PLACES,
                                      .output_count = 1,
                                      .infer = conv_transpose_infer,
                                      .flops = conv_transpose_flops,
                                      .describe = conv_transpose_describe,
                                      .gradient = gradient_of_conv_transpose};

value op_conv_transpose(graph *g, value x, value kernel,
                        const conv_transpose_attributes *attributes)
{
    conv_transpose_attributes clean;

    memset(&clean, 0, sizeof clean);
    clean.spatial = attributes->spatial;
    clean.epilogue = attributes->epilogue;
    for (uint32_t i = 0; i < attributes->spatial && i < SPATIAL_MAX; i++) {
        clean.strides[i] = attributes->strides[i];
        clean.dilations[i] = attributes->dilations[i];
        clean.pad_before[i] = attributes->pad_before[i];
        clean.pad_after[i] = attributes->pad_after[i];
        clean.output_padding[i] = attributes->output_padding[i];
    }
    return graph_node(g, OP_conv_transpose, (const value[]){x, kernel}, 2, &clean);
}
