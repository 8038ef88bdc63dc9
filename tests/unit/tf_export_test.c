/* tf_export_test.c -- graphs as functions of TensorFlow: what they are made of. Whether TensorFlow
 * computes the same is checked by tests/golden/check_export.py. */
#include <string.h>

#include "tensorflow/tf_export.h"
#include "harness.h"

static const tf_function *last(const tf_exported *x)
{
    return &x->functions[x->function_count - 1];
}

static const tf_node *node_find(const tf_function *f, const char *op)
{
    for (uint32_t i = 0; i < f->node_count; i++) {
        if (strcmp(f->nodes[i].op, op) == 0) return &f->nodes[i];
    }
    return NULL;
}

static uint32_t node_count(const tf_function *f, const char *op)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < f->node_count; i++) count += strcmp(f->nodes[i].op, op) == 0;
    return count;
}

/* Every input is an argument or an output of a node before it. */
static void check_inputs(const tf_function *f)
{
    for (uint32_t i = 0; i < f->node_count; i++) {
        for (uint32_t k = 0; k < f->nodes[i].input_count; k++) {
            const char *input = f->nodes[i].inputs[k], *colon = strchr(input, ':');
            const size_t length = colon == NULL ? strlen(input) : (size_t)(colon - input);
            bool is_known = false;
            for (uint32_t a = 0; a < f->argument_count && colon == NULL; a++)
                is_known |= strcmp(f->arguments[a].name, input) == 0;
            for (uint32_t n = 0; n < i && colon != NULL; n++) {
                is_known |= strlen(f->nodes[n].name) == length &&
                            strncmp(f->nodes[n].name, input, length) == 0;
            }
            CHECK(is_known);
        }
        for (uint32_t n = 0; n < i; n++) CHECK(strcmp(f->nodes[n].name, f->nodes[i].name) != 0);
    }
}

static void check_all(const tf_exported *x)
{
    for (uint32_t i = 0; i < x->function_count; i++) check_inputs(&x->functions[i]);
}

/* x [batch, 4] . kernel + bias, and what nothing needs. */
static graph *dense_graph(region *home)
{
    graph *g = graph_open(home);

    if (g == NULL) return NULL;
    const shape in = {.rank = 2, .dims = {dim_symbol(g, "batch"), 4}};
    const shape k = {.rank = 2, .dims = {4, 3}}, b = {.rank = 1, .dims = {3}};
    const value x = graph_input(g, EBB_F16, &in);
    const value kernel = graph_weight(g, EBB_F32, &k, 7), bias = graph_weight(g, EBB_F32, &b, 2);
    g->scope = "my layer/dense";
    const value wide = op_cast(g, x, EBB_F32), y = op_matmul(g, wide, kernel, false, false);
    (void)op_unary(g, UNARY_EXP, wide);
    graph_output(g, op_unary(g, UNARY_SIGMOID, op_add(g, y, bias)));
    return g;
}

TEST(a_dense_layer)
{
    tf_exported *x;
    graph *g = dense_graph(t->home);

    CHECK(g != NULL && graph_ok(g));
    CHECK_OK(tf_export(t->home, g, "f", &x, &t->error));
    const tf_function *f = last(x);
    CHECK_EQ(x->function_count, 1);
    CHECK_TEXT(f->name, "f");
    CHECK_EQ(f->argument_count, 3);
    CHECK_EQ(f->arguments[0].type, TF_HALF);
    CHECK_EQ(f->arguments[0].shape.dims[0], -1);
    CHECK_EQ(f->arguments[1].type, TF_RESOURCE);
    CHECK_EQ(x->captured_count, 2);
    CHECK_EQ(x->captured[0], 7);
    CHECK_EQ(x->captured[1], 2);
    CHECK_EQ(node_count(f, "Exp"), 0);
    CHECK_EQ(node_count(f, "ReadVariableOp"), 2);
    CHECK_CONTAINS(node_find(f, "MatMul")->name, "my_layer/dense/MatMul_");
    check_all(x);
}

/* y = x reshaped to [a * b / 2, 2], broadcast along an axis of length a */
TEST(unknown_lengths_are_computed)
{
    tf_exported *x;
    graph *g = graph_open(t->home);

    CHECK(g != NULL);
    const dim a = dim_symbol(g, "a"), b = dim_symbol(g, "b");
    const shape in = {.rank = 2, .dims = {a, b}};
    const dim half = dim_make(g, DIM_DIV_UP, dim_make(g, DIM_MUL, a, b), 2);
    const shape pairs = {.rank = 2, .dims = {half, 2}}, wide = {.rank = 3, .dims = {a, half, 2}};
    const value v = graph_input(g, EBB_F32, &in);
    graph_output(g, op_broadcast(g, op_reshape(g, v, &pairs), &wide));
    graph_output(g, op_iota(g, dim_make(g, DIM_MAX, a, 3)));
    CHECK_OK(g->error.status);
    CHECK_OK(tf_export(t->home, g, "f", &x, &t->error));
    const tf_function *f = last(x);
    CHECK_EQ(node_count(f, "Shape"), 1);
    CHECK_EQ(node_count(f, "StridedSlice"), 2);
    CHECK_EQ(node_count(f, "Maximum"), 1);
    CHECK_EQ(node_count(f, "FloorDiv"), 1);
    CHECK_EQ(node_count(f, "Pack"), 1); /* reshape leaves its one unknown length open */
    check_all(x);
}

static graph *lstm_graph(region *home, bool has_mask)
{
    graph *g = graph_open(home);

    if (g == NULL) return NULL;
    const dim batch = dim_symbol(g, "batch"), time = dim_symbol(g, "time");
    const shape in = {.rank = 3, .dims = {batch, time, 5}};
    const shape flags = {.rank = 2, .dims = {batch, time}};
    const shape k = {.rank = 2, .dims = {5, 12}}, r = {.rank = 2, .dims = {3, 12}};
    const rnn_attributes a = {.kind = RNN_LSTM,
                              .units = 3,
                              .activation = {.kind = UNARY_TANH},
                              .recurrent_activation = {.kind = UNARY_SIGMOID},
                              .return_sequences = true};
    const rnn_operands operands = {.x = graph_input(g, EBB_F32, &in),
                                   .kernel = graph_weight(g, EBB_F32, &k, 0),
                                   .recurrent = graph_weight(g, EBB_F32, &r, 1),
                                   .mask =
                                       has_mask ? graph_input(g, EBB_BOOL, &flags) : VALUE_NONE};
    graph_output(g, op_rnn(g, &operands, &a));
    return g;
}

TEST(a_recurrent_layer_is_a_loop)
{
    for (int has_mask = 0; has_mask <= 1; has_mask++) {
        tf_exported *x;
        graph *g = lstm_graph(t->home, has_mask == 1);

        CHECK(g != NULL && graph_ok(g));
        CHECK_OK(tf_export(t->home, g, "f", &x, &t->error));
        CHECK_EQ(x->function_count, 3);
        CHECK_TEXT(x->functions[0].name, "f_while_cond_0");
        CHECK_TEXT(x->functions[1].name, "f_while_body_0");
        const tf_node *loop = node_find(last(x), "While");
        CHECK(loop != NULL);
        CHECK_EQ(loop->input_count, x->functions[0].argument_count);
        CHECK_EQ(loop->input_count, x->functions[1].argument_count);
        CHECK_EQ(x->functions[1].result_count, loop->input_count);
        for (uint32_t i = 0; i < loop->input_count; i++)
            CHECK_EQ(x->functions[1].results[i].type, x->functions[1].arguments[i].type);
        CHECK_EQ(node_count(&x->functions[1], "SelectV2"), has_mask ? 3 : 0);
        CHECK_EQ(node_count(&x->functions[1], "ReadVariableOp"), 0);
        check_all(x);
    }
}

TEST(what_tensorflow_lacks_is_refused)
{
    tf_exported *x;
    graph *g = graph_open(t->home);

    CHECK(g != NULL);
    const shape in = {.rank = 3, .dims = {2, 4, 3}}, labels = {.rank = 2, .dims = {2, 2}};
    g->scope = "my_ctc";
    graph_output(g, op_ctc(g, graph_input(g, EBB_F32, &in), graph_input(g, EBB_I32, &labels)));
    CHECK_OK(g->error.status);
    CHECK_STATUS(tf_export(t->home, g, "f", &x, &t->error), EBB_E_UNSUPPORTED);
    CHECK_TEXT(t->error.where, "my_ctc");
    CHECK_CONTAINS(t->error.text, "ctc");
}

TEST(every_allocation_may_fail)
{
    for (int64_t n = 0;; n++) {
        tf_exported *x = NULL;
        ebb_status status = EBB_E_MEMORY;
        region *built = region_open(t->home, "graph", EBB_CLASS_META, 0);
        CHECK(built != NULL);
        graph *g = lstm_graph(built, true);
        CHECK(g != NULL && graph_ok(g));
        const uint64_t before = region_bytes_live(t->home);
        test_fail_allocation(t, n);
        region *home = region_open(t->home, "export", EBB_CLASS_SCRATCH, 0);
        if (home != NULL) status = tf_export(home, g, "f", &x, &t->error);
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        region_close(home);
        CHECK_EQ(region_bytes_live(t->home), before);
        region_close(built);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        if (!failed) break;
    }
}

TEST_MAIN(RUN(a_dense_layer), RUN(unknown_lengths_are_computed), RUN(a_recurrent_layer_is_a_loop),
          RUN(what_tensorflow_lacks_is_refused), RUN(every_allocation_may_fail))
