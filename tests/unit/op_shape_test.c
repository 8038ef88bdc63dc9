/* op_shape_test.c -- the shape rule of every op: right results, and helpful words for wrong
 * shapes. */
#include "harness.h"

#include <string.h>

#include "graph/op.h"

typedef struct fixture {
    graph *g;
    dim batch, time;
} fixture;

static fixture open_graph(test *t)
{
    fixture f = {.g = graph_open(t->home)};

    CHECK(f.g != NULL);
    f.batch = dim_symbol(f.g, "batch");
    f.time = dim_symbol(f.g, "time");
    return f;
}

#define SHAPE(...)                                                                                 \
    (shape)                                                                                        \
    {                                                                                              \
        .rank = (uint32_t)(sizeof((dim[]){__VA_ARGS__}) / sizeof(dim)), .dims = { __VA_ARGS__ }    \
    }
#define F32(...)             graph_input(f.g, EBB_F32, &SHAPE(__VA_ARGS__))
#define I32(...)             graph_input(f.g, EBB_I32, &SHAPE(__VA_ARGS__))
#define BOOLEAN(...)         graph_input(f.g, EBB_BOOL, &SHAPE(__VA_ARGS__))
#define CHECK_SHAPE(v, text) check_shape(&f, (v), (text))
/* The expression, on a new graph in f, must fail with this status and a text that holds `part`. */
#define CHECK_REFUSED(expected, part, expression)                                                  \
    do {                                                                                           \
        f = open_graph(t);                                                                         \
        CHECK_EQ((expression), VALUE_NONE);                                                        \
        CHECK_STATUS(f.g->error.status, expected);                                                 \
        CHECK_CONTAINS(f.g->error.text, part);                                                     \
    } while (0)

static void check_shape(const fixture *f, value v, const char *expected)
{
    char text[200];

    CHECK_TEXT(f->g->error.text, "");
    CHECK(v != VALUE_NONE);
    CHECK_TEXT(shape_text(f->g, graph_shape(f->g, v), text, sizeof text), expected);
}

/* -- elementwise ------------------------------------------------------------------------------ */

TEST(elementwise_shapes)
{
    fixture f = open_graph(t);
    const value x = F32(f.batch, 3, 4), row = F32(4), column = F32(3, 1), flag = BOOLEAN(3, 4);

    CHECK_SHAPE(op_unary(f.g, UNARY_EXP, x), "(batch, 3, 4)");
    CHECK_SHAPE(op_add(f.g, x, row), "(batch, 3, 4)");
    CHECK_SHAPE(op_add(f.g, row, column), "(3, 4)");
    CHECK_SHAPE(op_mul(f.g, graph_scalar(f.g, 2), x), "(batch, 3, 4)");
    CHECK_SHAPE(op_select(f.g, flag, x, row), "(batch, 3, 4)");
    const value less = op_compare(f.g, COMPARE_LESS, x, row);
    CHECK_SHAPE(less, "(batch, 3, 4)");
    CHECK_EQ(graph_value(f.g, less)->dtype, EBB_BOOL);
    CHECK_EQ(graph_value(f.g, op_unary(f.g, UNARY_IS_NAN, x))->dtype, EBB_BOOL);
    CHECK_EQ(graph_value(f.g, op_unary(f.g, UNARY_NEG, I32(3)))->dtype, EBB_I32);
    CHECK_EQ(graph_value(f.g, op_unary(f.g, UNARY_LOGICAL_NOT, flag))->dtype, EBB_BOOL);
    CHECK_EQ(graph_value(f.g, op_cast(f.g, x, EBB_I32))->dtype, EBB_I32);
    CHECK_EQ(op_cast(f.g, x, EBB_F32), x);
    CHECK_SHAPE(op_add(f.g, F32(f.batch, 4), F32(f.time, 4)), "((batch or time), 4)");
    CHECK_OK(graph_verify(f.g, &t->error));
}

TEST(elementwise_faults)
{
    fixture f;

    CHECK_REFUSED(EBB_E_SHAPE, "(3,) and (4,)", op_add(f.g, F32(3), F32(4)));
    CHECK_REFUSED(EBB_E_DTYPE, "float32 and int32", op_add(f.g, F32(3), I32(3)));
    CHECK_REFUSED(EBB_E_DTYPE, "EXP", op_unary(f.g, UNARY_EXP, I32(3)));
    CHECK_REFUSED(EBB_E_DTYPE, "AND", op_binary(f.g, BINARY_AND, F32(3), F32(3)));
    CHECK_REFUSED(EBB_E_DTYPE, "condition", op_select(f.g, F32(3), F32(3), F32(3)));
    CHECK_REFUSED(EBB_E_SHAPE, "(5,)", op_select(f.g, BOOLEAN(5), F32(3), F32(3)));
    CHECK_REFUSED(EBB_E_SHAPE, "(2,) and (3,)", op_compare(f.g, COMPARE_LESS, F32(2), F32(3)));
    CHECK_REFUSED(EBB_E_DTYPE, "99", op_cast(f.g, F32(3), (ebb_dtype)99));
    CHECK_REFUSED(EBB_E_ARGUMENT, "999", op_unary(f.g, (unary_kind)999, F32(3)));
    CHECK_REFUSED(EBB_E_ARGUMENT, "99", op_binary(f.g, (binary_kind)99, F32(3), F32(3)));
}

/* -- contractions ----------------------------------------------------------------------------- */

static value conv_with(graph *g, value x, value kernel, conv_attributes a)
{
    for (uint32_t i = 0; i < SPATIAL_MAX; i++) {
        if (a.strides[i] == 0) a.strides[i] = 1;
        if (a.dilations[i] == 0) a.dilations[i] = 1;
    }
    if (a.groups == 0) a.groups = 1;
    return op_conv(g, x, kernel, &a);
}

TEST(matmul_shapes)
{
    fixture f = open_graph(t);
    const value a = F32(f.batch, 5, 3), b = F32(3, 7), turned = F32(7, 3), many = F32(2, 1, 3, 7);

    CHECK_SHAPE(op_matmul(f.g, a, b, false, false), "(batch, 5, 7)");
    CHECK_SHAPE(op_matmul(f.g, a, turned, false, true), "(batch, 5, 7)");
    CHECK_SHAPE(op_matmul(f.g, F32(f.batch, 3, 5), b, true, false), "(batch, 5, 7)");
    CHECK_SHAPE(op_matmul(f.g, a, many, false, false), "(2, batch, 5, 7)");
    CHECK_SHAPE(op_matmul(f.g, F32(f.batch, f.time), b, false, false), "(batch, 7)");
    CHECK_OK(graph_verify(f.g, &t->error));
    CHECK_REFUSED(EBB_E_SHAPE, "(4, 3) and (4, 7)",
                  op_matmul(f.g, F32(4, 3), F32(4, 7), false, false));
    CHECK_REFUSED(EBB_E_SHAPE, "two axes", op_matmul(f.g, F32(4), F32(4, 7), false, false));
    CHECK_REFUSED(EBB_E_SHAPE, "(2,) and (3,)",
                  op_matmul(f.g, F32(2, 4, 4), F32(3, 4, 4), false, false));
    CHECK_REFUSED(EBB_E_DTYPE, "int32", op_matmul(f.g, I32(4, 4), F32(4, 7), false, false));
}

TEST(conv_lengths_are_tensorflows)
{
    fixture f = open_graph(t);
    const value x = F32(f.batch, 28, 29, 3), kernel = F32(3, 5, 3, 8);

    CHECK_SHAPE(conv_with(f.g, x, kernel, (conv_attributes){.spatial = 2}), "(batch, 26, 25, 8)");
    CHECK_SHAPE(
        conv_with(f.g, x, kernel, (conv_attributes){.spatial = 2, .same = true, .strides = {2, 3}}),
        "(batch, 14, 10, 8)");
    CHECK_SHAPE(conv_with(f.g, x, kernel,
                          (conv_attributes){.spatial = 2,
                                            .dilations = {2, 2},
                                            .pad_before = {2, 0},
                                            .pad_after = {1, 0},
                                            .strides = {2, 1}}),
                "(batch, 14, 21, 8)");
    CHECK_SHAPE(conv_with(f.g, F32(f.batch, f.time, 4), F32(3, 2, 6),
                          (conv_attributes){.spatial = 1, .groups = 2, .pad_before = {2}}),
                "(batch, time, 6)");
    CHECK_SHAPE(conv_with(f.g, F32(1, 4, 4, 4, 2), F32(2, 2, 2, 1, 4),
                          (conv_attributes){.spatial = 3, .groups = 2}),
                "(1, 3, 3, 3, 4)");
    CHECK_OK(graph_verify(f.g, &t->error));
}

TEST(conv_faults)
{
    const conv_attributes plain = {.spatial = 2};
    fixture f;

    CHECK_REFUSED(EBB_E_SHAPE, "3 channels",
                  conv_with(f.g, F32(1, 9, 9, 4), F32(3, 3, 3, 8), plain));
    CHECK_REFUSED(EBB_E_SHAPE, "groups",
                  conv_with(f.g, F32(1, 9, 9, 3), F32(3, 3, 1, 8),
                            (conv_attributes){.spatial = 2, .groups = 3}));
    CHECK_REFUSED(EBB_E_SHAPE, "axis 1 has length 2",
                  conv_with(f.g, F32(1, 9, 2, 3), F32(3, 3, 3, 8), plain));
    CHECK_REFUSED(EBB_E_SHAPE, "4 axes", conv_with(f.g, F32(1, 9, 3), F32(3, 3, 3, 8), plain));
    CHECK_REFUSED(EBB_E_SHAPE, "4 axes", conv_with(f.g, F32(1, 9, 9, 3), F32(3, 3, 8), plain));
    CHECK_REFUSED(EBB_E_SHAPE, "kernel has no fixed",
                  conv_with(f.g, F32(1, 9, 9, 3), F32(f.time, 3, 3, 8), plain));
    CHECK_REFUSED(EBB_E_ARGUMENT, "stride -1",
                  conv_with(f.g, F32(1, 9, 9, 3), F32(3, 3, 3, 8),
                            (conv_attributes){.spatial = 2, .strides = {-1, 1}}));
    CHECK_REFUSED(
        EBB_E_ARGUMENT, "4 spatial",
        conv_with(f.g, F32(1, 9, 9, 3), F32(3, 3, 3, 8), (conv_attributes){.spatial = 4}));
    CHECK_REFUSED(EBB_E_DTYPE, "kernel must be float32",
                  conv_with(f.g, F32(1, 9, 9, 3), I32(3, 3, 3, 8), plain));
}

TEST(an_unknown_length_too_short_for_the_kernel_is_found_when_known)
{
    fixture f = open_graph(t);
    int64_t values[DIM_UNKNOWN_MAX];

    (void)conv_with(f.g, F32(f.batch, f.time, 2), F32(3, 2, 4),
                    (conv_attributes){.spatial = 1, .strides = {2}});
    CHECK_OK(dim_evaluate(f.g, (const int64_t[]){1, 3}, values, &t->error));
    CHECK_STATUS(dim_evaluate(f.g, (const int64_t[]){1, 2}, values, &t->error), EBB_E_SHAPE);
    CHECK_CONTAINS(t->error.text, "time = 2");
}

TEST(epilogue_inputs_are_checked)
{
    const conv_attributes a = {.spatial = 1, .strides = {1}, .dilations = {1}, .groups = 1};
    static const char *const names[] = {"bias", "residual", "scale"};

    for (uint32_t place = 2; place < 5; place++) {
        fixture f = open_graph(t);
        value inputs[5] = {F32(f.batch, 6, 2), F32(3, 2, 4)};

        inputs[place] = F32(5);
        CHECK_EQ(graph_node(f.g, OP_conv, inputs, 5, &a), VALUE_NONE);
        CHECK_STATUS(f.g->error.status, EBB_E_SHAPE);
        CHECK_CONTAINS(f.g->error.text, names[place - 2]);
    }
    fixture f = open_graph(t);
    const value inputs[5] = {F32(f.batch, 6, 2), F32(3, 2, 4), F32(4), F32(f.batch, 4, 4), F32(4)};
    CHECK_SHAPE(graph_node(f.g, OP_conv, inputs, 5, &a), "(batch, 4, 4)");
}

TEST(conv_transpose_shapes)
{
    fixture f = open_graph(t);
    conv_transpose_attributes a = {.spatial = 2, .strides = {2, 3}, .dilations = {1, 2}};

    /* (7 - 1) * 2 + 3 and (5 - 1) * 3 + 5 */
    CHECK_SHAPE(op_conv_transpose(f.g, F32(f.batch, 7, 5, 3), F32(3, 3, 8, 3), &a),
                "(batch, 15, 17, 8)");
    a.pad_before[0] = a.pad_after[0] = a.output_padding[0] = 1;
    CHECK_SHAPE(op_conv_transpose(f.g, F32(f.batch, 7, 5, 3), F32(3, 3, 8, 3), &a),
                "(batch, 14, 17, 8)");
    CHECK_SHAPE(op_conv_transpose(f.g, F32(f.batch, f.time, 5, 3), F32(3, 3, 8, 3), &a),
                "(batch, (time*2), 17, 8)");
    CHECK_OK(graph_verify(f.g, &t->error));
    CHECK_REFUSED(EBB_E_SHAPE, "same channels",
                  op_conv_transpose(f.g, F32(1, 7, 5, 4), F32(3, 3, 8, 3), &a));
    CHECK_REFUSED(EBB_E_SHAPE, "4 axes", op_conv_transpose(f.g, F32(7, 5, 4), F32(3, 3, 8, 4), &a));
    CHECK_REFUSED(
        EBB_E_SHAPE, "would be -",
        op_conv_transpose(f.g, F32(1, 1, 4), F32(1, 8, 4),
                          &(conv_transpose_attributes){
                              .spatial = 1, .strides = {1}, .dilations = {1}, .pad_before = {4}}));
}

/* -- reductions ------------------------------------------------------------------------------- */

TEST(pool_shapes)
{
    fixture f = open_graph(t);
    pool_attributes p = {.spatial = 2, .window = {2, 3}, .strides = {2, 2}};

    CHECK_SHAPE(op_pool(f.g, F32(f.batch, 7, 9, 3), &p), "(batch, 3, 4, 3)");
    p.same = true;
    CHECK_SHAPE(op_pool(f.g, F32(f.batch, 7, 9, 3), &p), "(batch, 4, 5, 3)");
    CHECK_OK(graph_verify(f.g, &t->error));
    p.same = false;
    CHECK_REFUSED(EBB_E_SHAPE, "length 1", op_pool(f.g, F32(1, 1, 9, 3), &p));
    CHECK_REFUSED(EBB_E_SHAPE, "4 axes", op_pool(f.g, F32(1, 9, 3), &p));
    p.strides[1] = 0;
    CHECK_REFUSED(EBB_E_ARGUMENT, "stride 0", op_pool(f.g, F32(1, 9, 9, 3), &p));
}

TEST(reduce_shapes)
{
    fixture f = open_graph(t);
    const value x = F32(f.batch, 3, 4);

    CHECK_SHAPE(op_reduce(f.g, REDUCE_SUM, x, 0, false), "()");
    CHECK_SHAPE(op_reduce(f.g, REDUCE_SUM, x, 0, true), "(1, 1, 1)");
    CHECK_SHAPE(op_reduce(f.g, REDUCE_MEAN, x, 6, false), "(batch,)");
    CHECK_SHAPE(op_reduce(f.g, REDUCE_MAX, x, 2, true), "(batch, 1, 4)");
    CHECK_SHAPE(op_arg_reduce(f.g, true, x, -1), "(batch, 3)");
    CHECK_EQ(graph_value(f.g, op_arg_reduce(f.g, false, x, 1))->dtype, EBB_I32);
    CHECK_SHAPE(op_softmax(f.g, x, 6, true), "(batch, 3, 4)");
    CHECK_SHAPE(op_cumulative(f.g, x, &(cumulative_attributes){.axis = 2}), "(batch, 3, 4)");
    CHECK_OK(graph_verify(f.g, &t->error));
    CHECK_REFUSED(EBB_E_SHAPE, "0x8", op_reduce(f.g, REDUCE_SUM, F32(1, 2, 3), 8, false));
    CHECK_REFUSED(EBB_E_DTYPE, "int32", op_reduce(f.g, REDUCE_MEAN, I32(3), 0, false));
    CHECK_REFUSED(EBB_E_DTYPE, "bool", op_reduce(f.g, REDUCE_ANY, F32(3), 0, false));
    CHECK_REFUSED(EBB_E_SHAPE, "no axis", op_arg_reduce(f.g, true, F32(3), 1));
    CHECK_REFUSED(EBB_E_SHAPE, "empty", op_arg_reduce(f.g, true, F32(0), 0));
    CHECK_REFUSED(EBB_E_SHAPE, "softmax", op_softmax(f.g, F32(3), 2, false));
    CHECK_REFUSED(EBB_E_SHAPE, "no axis 4",
                  op_cumulative(f.g, F32(3), &(cumulative_attributes){.axis = 4}));
}

TEST(normalize_shapes)
{
    fixture f = open_graph(t);
    const normalize_attributes two = {.axis_count = 2}, rms = {.axis_count = 1, .is_rms = true};

    CHECK_SHAPE(op_normalize(f.g, F32(f.batch, 3, 4), F32(3, 4), F32(3, 4), &two), "(batch, 3, 4)");
    CHECK_SHAPE(op_normalize(f.g, F32(f.batch, 3, 4), VALUE_NONE, F32(3, 4), &two),
                "(batch, 3, 4)");
    CHECK_SHAPE(op_normalize(f.g, F32(f.batch, 3, 4), F32(4), VALUE_NONE, &rms), "(batch, 3, 4)");
    CHECK_OK(graph_verify(f.g, &t->error));
    CHECK_REFUSED(EBB_E_SHAPE, "scale is (4,)",
                  op_normalize(f.g, F32(2, 3, 4), F32(4), VALUE_NONE, &two));
    CHECK_REFUSED(EBB_E_SHAPE, "offset is (3, 3)",
                  op_normalize(f.g, F32(2, 3, 4), VALUE_NONE, F32(3, 3), &two));
    CHECK_REFUSED(EBB_E_SHAPE, "2 trailing",
                  op_normalize(f.g, F32(4), VALUE_NONE, VALUE_NONE, &two));
    CHECK_REFUSED(EBB_E_ARGUMENT, "offset", op_normalize(f.g, F32(4), VALUE_NONE, F32(4), &rms));
}

/* -- layout ----------------------------------------------------------------------------------- */

TEST(reshape_checks_counts_now_or_later)
{
    fixture f = open_graph(t);
    int64_t values[DIM_UNKNOWN_MAX];
    const value x = F32(f.batch, f.time, 4);
    const dim rows = dim_make(f.g, DIM_MUL, f.batch, f.time);

    CHECK_SHAPE(op_reshape(f.g, x, &SHAPE(rows, 2, 2)), "((batch*time), 2, 2)");
    CHECK_SHAPE(op_reshape(f.g, x, &SHAPE(f.batch, 4, f.time)), "(batch, 4, time)");
    CHECK_OK(
        dim_evaluate(f.g, (const int64_t[]){3, 6}, values, &t->error)); /* nothing left to check */
    CHECK_SHAPE(op_reshape(f.g, x, &SHAPE(f.batch, 20)), "(batch, 20)");
    CHECK_OK(dim_evaluate(f.g, (const int64_t[]){3, 5}, values, &t->error));
    CHECK_STATUS(dim_evaluate(f.g, (const int64_t[]){3, 6}, values, &t->error), EBB_E_SHAPE);
    CHECK_OK(graph_verify(f.g, &t->error));
    CHECK_REFUSED(EBB_E_SHAPE, "(3, 4) and (5,)", op_reshape(f.g, F32(3, 4), &SHAPE(5)));
    CHECK_REFUSED(EBB_E_SHAPE, "rank 9", op_reshape(f.g, F32(3), &(shape){.rank = 9}));
}

TEST(layout_shapes)
{
    fixture f = open_graph(t);
    const value x = F32(f.batch, 3, 4);

    CHECK_SHAPE(op_transpose(f.g, x, (const uint32_t[]){2, 0, 1}), "(4, batch, 3)");
    CHECK_SHAPE(op_broadcast(f.g, F32(3, 1), &SHAPE(f.batch, 3, 4)), "(batch, 3, 4)");
    CHECK_SHAPE(op_concat(f.g, (const value[]){x, F32(f.batch, 5, 4), x}, 3, 1), "(batch, 11, 4)");
    CHECK_SHAPE(op_concat(f.g, (const value[]){x, F32(f.batch, f.time, 4)}, 2, -2),
                "(batch, (time+3), 4)");
    CHECK_SHAPE(op_pad(f.g, x, &(pad_attributes){.before = {0, 1, 2}, .after = {0, 0, 3}}),
                "(batch, 4, 9)");
    CHECK_SHAPE(op_slice_axis(f.g, x, 1, 1, 2, 1), "(batch, 2, 4)");
    CHECK_SHAPE(op_slice_axis(f.g, x, -1, 0, 2, 3), "(batch, 3, 2)");
    CHECK_SHAPE(op_reverse(f.g, x, 0), "(batch, 3, 4)");
    CHECK_SHAPE(op_slice_axis(f.g, x, 0, dim_make(f.g, DIM_SUB, f.batch, 1), 1, 1), "(1, 3, 4)");
    CHECK_OK(graph_verify(f.g, &t->error));
    value many[200];
    for (uint32_t i = 0; i < 200; i++) many[i] = x;
    CHECK_SHAPE(op_concat(f.g, many, 200, 1), "(batch, 600, 4)");
}

TEST(layout_faults)
{
    fixture f;

    CHECK_REFUSED(EBB_E_SHAPE, "place 1 says 0",
                  op_transpose(f.g, F32(3, 4), (const uint32_t[]){0, 0}));
    CHECK_REFUSED(EBB_E_SHAPE, "place 0 says 7",
                  op_transpose(f.g, F32(3, 4), (const uint32_t[]){7, 0}));
    CHECK_REFUSED(EBB_E_SHAPE, "(3,) and (2, 4)", op_broadcast(f.g, F32(3), &SHAPE(2, 4)));
    CHECK_REFUSED(EBB_E_SHAPE, "fewer axes", op_broadcast(f.g, F32(3, 3), &SHAPE(3)));
    CHECK_REFUSED(EBB_E_SHAPE, "(2, 3) and (2, 4)",
                  op_concat(f.g, (const value[]){F32(2, 3), F32(2, 4)}, 2, 0));
    CHECK_REFUSED(EBB_E_SHAPE, "no axis", op_concat(f.g, (const value[]){F32(2, 3)}, 1, 2));
    CHECK_REFUSED(EBB_E_DTYPE, "int32",
                  op_concat(f.g, (const value[]){F32(2, 3), I32(2, 3)}, 2, 0));
    CHECK_REFUSED(EBB_E_ARGUMENT, "got 0", op_concat(f.g, NULL, 0, 0));
    CHECK_REFUSED(EBB_E_SHAPE, "3 items from 1", op_slice_axis(f.g, F32(3), 0, 1, 3, 1));
    CHECK_REFUSED(EBB_E_SHAPE, "steps of -1", op_slice_axis(f.g, F32(3), 0, 1, 3, -1));
    CHECK_REFUSED(EBB_E_SHAPE, "steps of 2", op_slice_axis(f.g, F32(4), 0, 1, 3, 2));
    CHECK_REFUSED(EBB_E_ARGUMENT, "step of 0", op_slice_axis(f.g, F32(4), 0, 1, 1, 0));
    CHECK_REFUSED(EBB_E_SHAPE, "no axis", op_slice_axis(f.g, F32(4), 3, 1, 1, 1));
    CHECK_REFUSED(EBB_E_SHAPE, "too short to mirror 3",
                  op_pad(f.g, F32(3), &(pad_attributes){.kind = PAD_REFLECT, .before = {3}}));
    CHECK_REFUSED(
        EBB_E_DTYPE, "uint8",
        op_pad(f.g, graph_input(f.g, EBB_U8, &SHAPE(3)), &(pad_attributes){.before = {3}}));
}

TEST(slices_of_unknown_lengths_are_checked_when_known)
{
    fixture f = open_graph(t);
    int64_t values[DIM_UNKNOWN_MAX];

    CHECK_SHAPE(op_slice_axis(f.g, F32(f.time), 0, 2, 3, 1), "(3,)");
    CHECK_SHAPE(op_reverse(f.g, F32(f.time), 0), "(time,)");
    CHECK_OK(dim_evaluate(f.g, (const int64_t[]){1, 5}, values, &t->error));
    CHECK_STATUS(dim_evaluate(f.g, (const int64_t[]){1, 4}, values, &t->error), EBB_E_SHAPE);
    fixture empty = open_graph(t);
    (void)op_reverse(empty.g, graph_input(empty.g, EBB_F32, &SHAPE(empty.time)), 0);
    CHECK_OK(dim_evaluate(empty.g, (const int64_t[]){1, 0}, values, &t->error));
}

/* -- indexing, recurrent ---------------------------------------------------------------------- */

TEST(indexing_shapes)
{
    fixture f = open_graph(t);
    const value x = F32(f.batch, 9, 4), places = I32(f.batch, f.time);

    CHECK_SHAPE(op_gather(f.g, F32(100, 16), places, 0), "(batch, time, 16)");
    CHECK_SHAPE(op_gather(f.g, x, I32(2, 3), 1), "(batch, 2, 3, 4)");
    CHECK_SHAPE(
        op_gather_with(f.g, x, I32(f.batch, 5), &(gather_attributes){.axis = 1, .batch_dims = 1}),
        "(batch, 5, 4)");
    CHECK_SHAPE(op_gather_with(f.g, x, I32(f.batch, 9, 2),
                               &(gather_attributes){.axis = 2, .batch_dims = 2}),
                "(batch, 9, 2)");
    CHECK_SHAPE(op_one_hot(f.g, places, 7), "(batch, time, 7)");
    CHECK_SHAPE(op_iota(f.g, f.time), "(time,)");
    CHECK_SHAPE(op_random(f.g, &(random_attributes){.to = SHAPE(f.batch, 2)}), "(batch, 2)");
    CHECK_SHAPE(
        op_resize(f.g, F32(f.batch, 9, 9, 3), &(resize_attributes){.height = 4, .width = f.time}),
        "(batch, 4, time, 3)");
    CHECK_OK(graph_verify(f.g, &t->error));
    CHECK_REFUSED(EBB_E_DTYPE, "indices must be int32", op_gather(f.g, F32(3), F32(3), 0));
    CHECK_REFUSED(EBB_E_SHAPE, "no axis", op_gather(f.g, F32(3), I32(3), 1));
    CHECK_REFUSED(EBB_E_SHAPE, "shared leading",
                  op_gather_with(f.g, F32(3, 4), I32(2, 4),
                                 &(gather_attributes){.axis = 1, .batch_dims = 1}));
    CHECK_REFUSED(EBB_E_SHAPE, "too many axes",
                  op_gather(f.g, F32(1, 1, 1, 1, 1), I32(1, 1, 1, 1, 1), 0));
    CHECK_REFUSED(EBB_E_SHAPE, "depth 0", op_one_hot(f.g, I32(3), 0));
    CHECK_REFUSED(EBB_E_SHAPE, "empty image",
                  op_resize(f.g, F32(1, 9, 9, 3), &(resize_attributes){.width = 4}));
    CHECK_REFUSED(EBB_E_SHAPE, "4 axes",
                  op_resize(f.g, F32(9, 9, 3), &(resize_attributes){.width = 4, .height = 4}));
    CHECK_REFUSED(EBB_E_SHAPE, "int32", op_iota(f.g, INT64_MAX));
    CHECK_REFUSED(EBB_E_SHAPE, "rank 9", op_random(f.g, &(random_attributes){.to = {.rank = 9}}));
}

TEST(recurrent_shapes)
{
    fixture f = open_graph(t);
    rnn_attributes a = {.kind = RNN_LSTM, .units = 8, .return_sequences = true};
    rnn_operands o = {.x = F32(f.batch, f.time, 5), .kernel = F32(5, 32), .recurrent = F32(8, 32)};
    const value y = op_rnn(f.g, &o, &a);

    CHECK_SHAPE(y, "(batch, time, 8)");
    CHECK_SHAPE(y + 1, "(batch, 8)");
    CHECK_SHAPE(y + 2, "(batch, 8)");
    o.bias = F32(32);
    o.mask = BOOLEAN(f.batch, f.time);
    o.h0 = o.c0 = F32(f.batch, 8);
    a.return_sequences = false;
    CHECK_SHAPE(op_rnn(f.g, &o, &a), "(batch, 8)");
    const rnn_attributes gru = {.kind = RNN_GRU, .units = 8, .reset_after = true};
    rnn_operands p = {.x = o.x, .kernel = F32(5, 24), .recurrent = F32(8, 24), .bias = F32(2, 24)};
    CHECK_SHAPE(op_rnn(f.g, &p, &gru), "(batch, 8)");
    const rnn_attributes simple = {.kind = RNN_SIMPLE, .units = 8};
    CHECK_SHAPE(op_rnn(f.g,
                       &(rnn_operands){
                           .x = o.x, .kernel = F32(5, 8), .recurrent = F32(8, 8), .bias = F32(8)},
                       &simple),
                "(batch, 8)");
    CHECK_OK(graph_verify(f.g, &t->error));
    CHECK_REFUSED(
        EBB_E_SHAPE, "kernel must be (5, 32), it is (5, 24)",
        op_rnn(f.g,
               &(rnn_operands){.x = F32(1, 2, 5), .kernel = F32(5, 24), .recurrent = F32(8, 32)},
               &a));
    CHECK_REFUSED(EBB_E_SHAPE, "bias must be (2, 24)",
                  op_rnn(f.g,
                         &(rnn_operands){.x = F32(1, 2, 5),
                                         .kernel = F32(5, 24),
                                         .recurrent = F32(8, 24),
                                         .bias = F32(24)},
                         &gru));
    CHECK_REFUSED(EBB_E_ARGUMENT, "no cell state",
                  op_rnn(f.g,
                         &(rnn_operands){.x = F32(1, 2, 5),
                                         .kernel = F32(5, 24),
                                         .recurrent = F32(8, 24),
                                         .c0 = F32(1, 8)},
                         &gru));
    CHECK_REFUSED(
        EBB_E_SHAPE, "3 axes",
        op_rnn(f.g, &(rnn_operands){.x = F32(2, 5), .kernel = F32(5, 24), .recurrent = F32(8, 24)},
               &gru));
    CHECK_REFUSED(EBB_E_DTYPE, "mask must be bool",
                  op_rnn(f.g,
                         &(rnn_operands){.x = F32(1, 2, 5),
                                         .kernel = F32(5, 24),
                                         .recurrent = F32(8, 24),
                                         .mask = F32(1, 2)},
                         &gru));
}

TEST_MAIN(RUN(elementwise_shapes), RUN(elementwise_faults), RUN(matmul_shapes),
          RUN(conv_lengths_are_tensorflows), RUN(conv_faults),
          RUN(an_unknown_length_too_short_for_the_kernel_is_found_when_known),
          RUN(epilogue_inputs_are_checked), RUN(conv_transpose_shapes), RUN(pool_shapes),
          RUN(reduce_shapes), RUN(normalize_shapes), RUN(reshape_checks_counts_now_or_later),
          RUN(layout_shapes), RUN(layout_faults),
          RUN(slices_of_unknown_lengths_are_checked_when_known), RUN(indexing_shapes),
          RUN(recurrent_shapes))
