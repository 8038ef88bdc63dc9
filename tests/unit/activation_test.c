/* activation_test.c -- every activation name against closed formulas, through small graphs. */
#include <math.h>

#include "layer_model.h"

static activation read_activation(test *t, const char *text)
{
    activation a;
    CHECK_OK(activation_read(model_json(t, text), "here", &a, &t->error));
    return a;
}

TEST(activation_names_are_unique_and_found)
{
    for (uint32_t i = 0; i < activation_count(); i++) {
        activation a;
        CHECK_OK(activation_named(activation_at(i)->name, "here", &a, &t->error));
        CHECK(i == 0 ? a.def == NULL : a.def == activation_at(i));
    }
    CHECK(activation_at(activation_count()) == NULL);
    CHECK(activation_count() >= 29);
}

TEST(activation_spellings)
{
    CHECK(read_activation(t, "null").def == NULL);
    CHECK(read_activation(t, "'linear'").def == NULL);
    CHECK_TEXT(read_activation(t, "'swish'").def->name, "silu");
    CHECK_TEXT(read_activation(t, "{'class_name':'function','config':'relu'}").def->name, "relu");
    CHECK_EQ(read_activation(t, "'gelu'").attributes.kind, UNARY_GELU);
    CHECK_NEAR(read_activation(t, "'leaky_relu'").attributes.alpha, 0.2, 1e-7);
    const activation leaky =
        read_activation(t, "{'class_name':'LeakyReLU','config':{'negative_slope':0.1}}");
    CHECK_NEAR(leaky.attributes.alpha, 0.1, 1e-7);
    const activation relu =
        read_activation(t, "{'class_name':'ReLU','config':{'max_value':6.0,'negative_slope':0.5}}");
    CHECK_NEAR(relu.attributes.alpha, 0.5, 0);
    CHECK_NEAR(relu.attributes.gamma, 6, 0);
    CHECK(isinf(
        read_activation(t, "{'class_name':'ReLU','config':{'max_value':null}}").attributes.gamma));
    CHECK(!activation_is_unary(&(activation){read_activation(t, "'softmax'").def, {0}}));
    CHECK(activation_is_unary(&relu));
}

TEST(activation_faults)
{
    activation a;
    CHECK_STATUS(activation_read(model_json(t, "'mine'"), "here", &a, &t->error),
                 EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "mine");
    CHECK_STATUS(activation_read(model_json(t, "{'class_name':'__lambda__','config':{}}"), "here",
                                 &a, &t->error),
                 EBB_E_UNSUPPORTED);
    CHECK_STATUS(activation_read(model_json(t, "3"), "here", &a, &t->error), EBB_E_FORMAT);
    CHECK_STATUS(activation_read(model_json(t, "{'a':3}"), "here", &a, &t->error), EBB_E_FORMAT);
}

TEST(hard_sigmoid_depends_on_the_version)
{
    activation a = read_activation(t, "'hard_sigmoid'");
    activation_for_version(&a, 3);
    CHECK_NEAR(a.attributes.alpha, 1.0 / 6, 1e-7);
    activation_for_version(&a, 2);
    CHECK_NEAR(a.attributes.alpha, 0.2, 1e-7);
    CHECK_NEAR(a.attributes.beta, 0.5, 0);
    activation relu = read_activation(t, "'relu'");
    activation_for_version(&relu, 2);
    CHECK_EQ(relu.attributes.kind, UNARY_RELU);
    CHECK_NEAR(relu.attributes.alpha, 0, 0);
}

TEST(activations_that_are_no_single_op_keep_or_halve_the_shape)
{
    graph *g = graph_open(t->home);
    CHECK(g != NULL);
    const shape s = {.rank = 2, .dims = {dim_symbol(g, "batch"), 6}};
    const value x = graph_input(g, EBB_F32, &s);
    for (uint32_t i = 0; i < activation_count(); i++) {
        const activation a = {activation_at(i), activation_at(i)->attributes};
        const value y = activation_build(g, &a, x);
        CHECK_OK(g->error.status);
        CHECK_EQ(graph_rank(g, y), 2);
        CHECK_EQ(graph_dim(g, y, 0), s.dims[0]);
        CHECK_EQ(graph_dim(g, y, 1), strcmp(a.def->name, "glu") == 0 ? 3 : 6);
    }
    CHECK_OK(graph_verify(g, &t->error));
}

TEST(glu_of_an_odd_axis_is_refused)
{
    graph *g = graph_open(t->home);
    const shape s = {.rank = 1, .dims = {5}};
    const value x = graph_input(g, EBB_F32, &s);
    activation a;
    CHECK_OK(activation_named("glu", "here", &a, &t->error));
    CHECK_EQ(activation_build(g, &a, x), VALUE_NONE);
    CHECK_STATUS(g->error.status, EBB_E_SHAPE);
}

TEST_MAIN(RUN(activation_names_are_unique_and_found), RUN(activation_spellings),
          RUN(activation_faults), RUN(hard_sigmoid_depends_on_the_version),
          RUN(activations_that_are_no_single_op_keep_or_halve_the_shape),
          RUN(glu_of_an_odd_axis_is_refused))
