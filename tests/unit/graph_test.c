/* graph_test.c -- building, verifying and printing graphs; every allocation failing in turn. */
#include "harness.h"

#include <string.h>

#include "graph/op.h"

static shape make_shape(uint32_t rank, dim a, dim b, dim c, dim d)
{
    return (shape){.rank = rank, .dims = {a, b, c, d}};
}

static value input(graph *g, uint32_t rank, dim a, dim b, dim c, dim d)
{
    const shape s = make_shape(rank, a, b, c, d);
    return graph_input(g, EBB_F32, &s);
}

static value weight(graph *g, uint32_t index, uint32_t rank, dim a, dim b, dim c, dim d)
{
    const shape s = make_shape(rank, a, b, c, d);
    return graph_weight(g, EBB_F32, &s, index);
}

/* A small network with most kinds of values: conv, relu, flatten, dense, softmax. */
static graph *build_network(region *home)
{
    graph *g = graph_open(home);
    if (g == NULL) return NULL;

    const dim batch = dim_symbol(g, "batch");
    const conv_attributes conv = {
        .spatial = 2, .strides = {2, 2}, .dilations = {1, 1}, .same = true, .groups = 1};
    g->scope = "conv_1";
    value x = input(g, 4, batch, 7, 7, 3);
    x = op_conv(g, x, weight(g, 0, 4, 3, 3, 3, 8), &conv);
    x = op_add(g, x, weight(g, 1, 1, 8, 0, 0, 0));
    x = op_unary(g, UNARY_RELU, x);
    g->scope = "dense_1";
    const shape flat = make_shape(2, batch, 128, 0, 0);
    x = op_reshape(g, x, &flat);
    x = op_matmul(g, x, weight(g, 2, 2, 128, 10, 0, 0), false, false);
    x = op_mul(g, x, graph_scalar(g, 0.5f));
    graph_output(g, op_softmax(g, x, 1u << 1, false));
    return g;
}

TEST(shapes_and_kinds_come_out_right)
{
    graph *g = build_network(t->home);

    CHECK(g != NULL && graph_ok(g));
    CHECK_EQ(g->input_count, 1);
    CHECK_EQ(g->output_count, 1);
    CHECK_EQ(g->node_count, 7);
    CHECK_OK(graph_verify(g, &t->error));
    const value_info *out = graph_value(g, g->outputs[0]);
    CHECK_EQ(out->kind, VALUE_RESULT);
    CHECK_EQ(out->dtype, EBB_F32);
    CHECK_EQ(out->shape.rank, 2);
    CHECK_EQ(out->shape.dims[1], 10);
    CHECK_EQ(graph_dim(g, g->outputs[0], 0), graph_dim(g, g->inputs[0], 0));
    CHECK_EQ(graph_dim(g, g->outputs[0], -1), 10);
    CHECK_TEXT(g->nodes[0].name, "conv_1");
    CHECK_TEXT(g->nodes[6].name, "dense_1");
}

TEST(constness_follows_inputs_lengths_and_chance)
{
    graph *g = graph_open(t->home);
    const dim batch = dim_symbol(g, "batch");
    const value x = input(g, 2, batch, 4, 0, 0), row = weight(g, 0, 1, 4, 0, 0, 0);
    const shape wide = make_shape(2, batch, 4, 0, 0), square = make_shape(2, 4, 4, 0, 0);

    CHECK(graph_value(g, op_mul(g, row, graph_scalar(g, 2)))->is_constant);
    CHECK(!graph_value(g, op_mul(g, row, x))->is_constant);
    CHECK(graph_value(g, op_broadcast(g, row, &square))->is_constant);
    CHECK(!graph_value(g, op_broadcast(g, row, &wide))->is_constant);
    CHECK(graph_value(g, op_iota(g, 5))->is_constant);
    CHECK(!graph_value(g, op_iota(g, batch))->is_constant);
    CHECK(!graph_value(g, op_random(g, &(random_attributes){.to = square}))->is_constant);
    /* a fixed number of items from a place that depends on the call */
    CHECK(!graph_value(g, op_slice_axis(g, row, 0, batch, 2, 1))->is_constant);
    CHECK(graph_value(g, op_slice_axis(g, row, 0, 1, 2, 1))->is_constant);
    CHECK(graph_ok(g));
}

TEST(uses_are_counted_and_replaced)
{
    graph *g = graph_open(t->home);
    const value x = input(g, 1, 4, 0, 0, 0), y = op_unary(g, UNARY_EXP, x), z = op_add(g, y, y);

    graph_output(g, z);
    graph_output(g, y);
    CHECK_EQ(graph_uses(g, y), 3);
    CHECK_EQ(graph_uses(g, x), 1);
    graph_replace(g, y, x);
    CHECK_EQ(graph_uses(g, y), 0);
    CHECK_EQ(graph_uses(g, x), 4);
    CHECK_EQ(g->outputs[1], x);
}

TEST(the_first_failure_stays)
{
    graph *g = graph_open(t->home);
    const value x = input(g, 2, 2, 3, 0, 0), y = input(g, 2, 2, 4, 0, 0);

    g->scope = "add_7";
    CHECK_EQ(op_add(g, x, y), VALUE_NONE);
    CHECK_STATUS(g->error.status, EBB_E_SHAPE);
    CHECK_TEXT(g->error.where, "add_7");
    CHECK_CONTAINS(g->error.text, "(2, 3)");
    CHECK_CONTAINS(g->error.text, "(2, 4)");
    g->scope = "later";
    CHECK_EQ(op_unary(g, UNARY_EXP, x), VALUE_NONE);
    CHECK_EQ(graph_fail(g, EBB_E_IO, "another"), VALUE_NONE);
    CHECK_EQ(input(g, 1, 1, 0, 0, 0), VALUE_NONE);
    graph_output(g, x);
    CHECK_EQ(g->output_count, 0);
    CHECK_STATUS(g->error.status, EBB_E_SHAPE);
    CHECK_STATUS(graph_verify(g, &t->error), EBB_E_SHAPE);
}

TEST(calls_with_nonsense_are_refused)
{
    const value inputs[OP_INPUTS_MAX + 1] = {1, 1, 1};

    for (uint32_t i = 0; i < 9; i++) {
        graph *g = graph_open(t->home);
        const value x = input(g, 2, 2, 3, 0, 0);
        const shape unknown = make_shape(1, dim_symbol(g, "n"), 0, 0, 0), deep = {.rank = 9};

        CHECK_EQ(x, 1);
        if (i == 0) graph_node(g, OP_NONE, inputs, 1, NULL);
        if (i == 1) graph_node(g, OP_COUNT, inputs, 1, NULL);
        if (i == 2) graph_node(g, OP_unary, inputs, 2, &(unary_attributes){.kind = UNARY_EXP});
        if (i == 3) graph_node(g, OP_unary, inputs, 1, NULL);
        if (i == 4)
            graph_node(g, OP_concat, inputs, OP_INPUTS_MAX + 1, &(concat_attributes){.axis = 0});
        if (i == 5) op_unary(g, UNARY_EXP, 77);
        if (i == 6) graph_weight(g, EBB_F32, &unknown, 0);
        if (i == 7) graph_input(g, EBB_F32, &deep);
        if (i == 8) graph_output(g, VALUE_NONE);
        CHECK(!graph_ok(g));
        CHECK(g->error.text[0] != '\0');
        CHECK_EQ(g->node_count, 0);
    }
}

TEST(constants_keep_a_copy)
{
    graph *g = graph_open(t->home);
    int32_t numbers[] = {1, 2, 3};
    const shape three = make_shape(1, 3, 0, 0, 0), none = make_shape(1, 0, 0, 0, 0);
    const value v = graph_constant(g, EBB_I32, &three, numbers);

    numbers[1] = 9;
    CHECK_EQ(((const int32_t *)graph_value(g, v)->data)[1], 2);
    CHECK(graph_value(g, graph_constant(g, EBB_F32, &none, NULL))->data != NULL);
}

TEST(the_verifier_finds_damage)
{
    for (uint32_t i = 0; i < 9; i++) {
        graph *g = build_network(t->home);
        node *last;

        CHECK_OK(graph_verify(g, &t->error));
        last = &g->nodes[6];
        if (i == 0) g->values[g->nodes[2].outputs[0]].shape.dims[1] = 5;
        if (i == 1) g->values[g->nodes[2].outputs[0]].dtype = EBB_I32;
        if (i == 2) g->nodes[1].inputs[0] = last->outputs[0];
        if (i == 3) g->nodes[1].is_dead = true;
        if (i == 4) last->inputs[0] = g->value_count + 5;
        if (i == 5) g->values[last->outputs[0]].node = 2;
        if (i == 6) g->outputs[0] = VALUE_NONE;
        if (i == 7) g->values[last->outputs[0]].is_constant = true;
        if (i == 8) last->inputs[0] = VALUE_NONE;
        CHECK_STATUS(graph_verify(g, &t->error), EBB_E_INTERNAL);
        CHECK(graph_ok(g));
    }
}

TEST(the_verifier_finds_a_wrong_order)
{
    graph *g = graph_open(t->home);
    const value x = input(g, 1, 4, 0, 0, 0), y = op_unary(g, UNARY_EXP, x);
    const value z = op_unary(g, UNARY_LOG, y);

    graph_output(g, y);
    graph_output(g, z);
    g->nodes[0].inputs[0] = z;
    g->nodes[1].inputs[0] = x;
    CHECK_STATUS(graph_verify(g, &t->error), EBB_E_INTERNAL);
    CHECK_CONTAINS(t->error.text, "before it is computed");
}

TEST(the_verifier_counts_uses)
{
    graph *g = build_network(t->home);

    g->values[g->nodes[2].outputs[0]].uses++;
    CHECK_STATUS(graph_verify(g, &t->error), EBB_E_INTERNAL);
    CHECK_CONTAINS(t->error.text, "uses");
}

typedef struct page {
    char text[4096];
    size_t used;
} page;

static void add_line(void *context, const char *text)
{
    page *p = context;
    const size_t length = strlen(text);

    CHECK(p->used + length + 2 < sizeof p->text);
    memcpy(p->text + p->used, text, length);
    p->used += length;
    p->text[p->used++] = '\n';
}

TEST(printing_is_readable)
{
    page p = {.used = 0};
    graph *g = build_network(t->home);

    graph_print(g, add_line, &p);
    CHECK_TEXT(p.text,
               "input0 : float32 (batch, 7, 7, 3)\n"
               "v3 = conv(input0, weight0) same /2 /2 : float32 (batch, 4, 4, 8)  # conv_1\n"
               "v5 = binary(v3, weight1) ADD : float32 (batch, 4, 4, 8)  # conv_1\n"
               "v6 = unary(v5) RELU(0, 0, inf) : float32 (batch, 4, 4, 8)  # conv_1\n"
               "v7 = reshape(v6) : float32 (batch, 128)  # dense_1\n"
               "v9 = matmul(v7, weight2) : float32 (batch, 10)  # dense_1\n"
               "v11 = binary(v9, 0.5) MUL : float32 (batch, 10)  # dense_1\n"
               "v12 = softmax(v11) axes 0x2 : float32 (batch, 10)  # dense_1\n"
               "output0 = v12 : float32 (batch, 10)\n");
}

TEST(work_is_counted)
{
    graph *g = build_network(t->home);
    const int64_t batch = 3;
    int64_t values[DIM_UNKNOWN_MAX];

    CHECK_OK(dim_evaluate(g, &batch, values, &t->error));
    CHECK_EQ(op_find(OP_conv)->flops(g, &g->nodes[0], values), 2 * (3 * 3 * 3) * (3 * 4 * 4 * 8));
    CHECK_EQ(op_find(OP_matmul)->flops(g, &g->nodes[4], values), 2 * 128 * 3 * 10);
    CHECK_EQ(op_find(OP_reshape)->flops(g, &g->nodes[3], values), 0);
    CHECK(op_find(OP_unary)->flops == NULL);
    CHECK_EQ(shape_count_at(graph_shape(g, g->outputs[0]), values), 30);
}

TEST(every_op_is_described)
{
    CHECK(op_find(OP_NONE) == NULL);
    CHECK(op_find(OP_COUNT) == NULL);
    for (op_id op = OP_NONE + 1; op < OP_COUNT; op++) {
        const op_def *def = op_find(op);

        CHECK(def != NULL && def->name != NULL && def->infer != NULL);
        CHECK(def->inputs_min <= def->inputs_max && def->inputs_max <= OP_INPUTS_MAX);
        CHECK(def->output_count >= 1 && def->output_count <= OP_OUTPUTS_MAX);
    }
    CHECK_TEXT(unary_name(UNARY_HARD_SILU), "HARD_SILU");
    CHECK_TEXT(binary_name(BINARY_SQUARED_DIFFERENCE), "SQUARED_DIFFERENCE");
}

TEST(large_graphs_grow)
{
    graph *g = graph_open(t->home);
    value x = input(g, 1, 4, 0, 0, 0);

    for (uint32_t i = 0; i < 3000; i++) x = op_unary(g, UNARY_EXP, x);
    graph_output(g, x);
    CHECK_EQ(g->node_count, 3000);
    CHECK_OK(graph_verify(g, &t->error));
}

/* Goal: whichever allocation fails, the builder says E_MEMORY and the region gives everything
 * back. */
TEST(every_allocation_may_fail)
{
    const uint64_t live = region_bytes_live(ledger_root(t->ledger));

    for (int64_t n = 0;; n++) {
        region *home = region_open(t->home, "model", EBB_CLASS_META, 0);

        CHECK(home != NULL);
        test_fail_allocation(t, n);
        graph *g = build_network(home);
        const bool has_failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        if (g != NULL) CHECK_STATUS(g->error.status, has_failed ? EBB_E_MEMORY : EBB_OK);
        if (g != NULL && has_failed) CHECK_STATUS(graph_verify(g, &t->error), EBB_E_MEMORY);
        region_close(home);
        CHECK_EQ(region_bytes_live(ledger_root(t->ledger)), live);
        if (!has_failed) break;
        CHECK(n < 1000);
    }
}

TEST(updates_go_to_variables_once)
{
    graph *g = graph_open(t->home);
    const shape s = {.rank = 1, .dims = {3}};
    const value variable = graph_variable(g, EBB_F32, &s, 0),
                weight = graph_weight(g, EBB_F32, &s, 1);
    const value next = op_add(g, variable, weight);

    CHECK(!graph_value(g, next)->is_constant);
    graph_output(g, weight);
    graph_update(g, variable, next);
    CHECK_STATUS(graph_verify(g, &t->error), EBB_OK);
    CHECK_EQ(g->output_count, 2);
    CHECK_EQ(g->update_count, 1);
    graph_update(g, variable, next);
    CHECK_STATUS(g->error.status, EBB_E_ARGUMENT);

    graph *other = graph_open(t->home);
    const value fixed = graph_weight(other, EBB_F32, &s, 0);
    graph_update(other, fixed, fixed);
    CHECK_STATUS(other->error.status, EBB_E_ARGUMENT);

    graph *shaped = graph_open(t->home);
    graph_update(shaped, graph_variable(shaped, EBB_F32, &s, 0), graph_scalar(shaped, 1));
    CHECK_STATUS(shaped->error.status, EBB_E_SHAPE);
}

TEST_MAIN(RUN(updates_go_to_variables_once), RUN(shapes_and_kinds_come_out_right),
          RUN(constness_follows_inputs_lengths_and_chance), RUN(uses_are_counted_and_replaced),
          RUN(the_first_failure_stays), RUN(calls_with_nonsense_are_refused),
          RUN(constants_keep_a_copy), RUN(the_verifier_finds_damage),
          RUN(the_verifier_finds_a_wrong_order), RUN(the_verifier_counts_uses),
          RUN(printing_is_readable), RUN(work_is_counted), RUN(every_op_is_described),
          RUN(large_graphs_grow), RUN(every_allocation_may_fail))
