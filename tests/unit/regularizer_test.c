/* regularizer_test.c -- every regularizer and constraint against Keras (golden/regularizers.json
 * and constraints.json, made by golden/make_optimizers.py, and the conformance vectors), and the
 * faults. */
#include "graph/gradient.h"
#include "graph_run.h"
#include "table_goldens.h"
#include "train/constraint/constraint.h"
#include "train/regularizer/regularizer.h"

static void check_regularizer(test *t, const char *class_name, const json *item)
{
    const json *given = json_case_configured(t->home, item, class_name);
    const json *gradient = json_get(item, "grad_x");
    const case_tensor x = json_case_floats(t->home, json_get(item, "x"));
    graph *const g = graph_open(t->home);
    train_object o;

    CHECK(g != NULL);
    CHECK_OK(regularizer_read(t->home, given, "layer", &o, &t->error));
    const value input = json_case_input(g, &x);
    const value y = regularizer_emit(g, &o, input);
    value slope = VALUE_NONE;
    if (gradient != NULL) CHECK(graph_gradients(g, &y, NULL, 1, &input, &slope, 1));
    graph_output(g, y);
    if (slope != VALUE_NONE) graph_output(g, slope);
    graph_run *const r = graph_run_open(t, g);
    graph_run_input(r, 0, x.data);
    graph_run_step(r);
    json_case_check(class_name, graph_run_value(r, y), 1, EBB_F32, json_get(item, "y"), t->home);
    if (slope == VALUE_NONE) return;
    json_case_check("its gradient", graph_run_value(r, slope), tensor_desc_count(&x.desc), EBB_F32,
                    gradient, t->home);
}

static void check_constraint(test *t, const char *class_name, const json *item)
{
    const json *given = json_case_configured(t->home, item, class_name);
    const case_tensor x = json_case_floats(t->home, json_get(item, "x"));
    graph *const g = graph_open(t->home);
    train_object o;

    CHECK(g != NULL);
    CHECK_OK(constraint_read(t->home, given, "layer", &o, &t->error));
    const value y = constraint_emit(g, &o, json_case_input(g, &x));
    graph_output(g, y);
    graph_run *const r = graph_run_open(t, g);
    graph_run_input(r, 0, x.data);
    graph_run_step(r);
    json_case_check(class_name, graph_run_value(r, y), tensor_desc_count(&x.desc), EBB_F32,
                    json_get(item, "y"), t->home);
}

TEST(regularizers_are_those_of_keras)
{
    golden_file(t, &regularizer_table, EBB_GOLDEN "/regularizers.json", check_regularizer);
}

TEST(constraints_are_those_of_keras)
{
    golden_file(t, &constraint_table, EBB_GOLDEN "/constraints.json", check_constraint);
}

TEST(conformance_vectors)
{
    const uint32_t some = golden_shared(t, &regularizer_table, "regularizers", check_regularizer);
    const uint32_t more = golden_shared(t, &constraint_table, "constraints", check_constraint);

    CHECK(some == 0 || some >= 5);
    CHECK(more == 0 || more >= 7);
}

TEST(names_of_all_kinds)
{
    static const struct {
        const char *text, *name;
    } items[] = {
        {"'l2'", "L2"},
        {"'L1L2'", "L1L2"},
        {"'l1_l2'", "L1L2"},
        {"{'class_name':'L2','config':{'l2':0.5}}", "L2"},
        {"{'class_name':'keras.regularizers>L1','config':null}", "L1"},
        {"{'class_name':'L1L2','config':{'l1':null,'l2':0.5}}", "L1L2"},
        {"'orthogonal_regularizer'", "OrthogonalRegularizer"},
    };
    train_object o;

    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        CHECK_OK(regularizer_read(t->home, golden_json(t, items[i].text), "layer", &o, &t->error));
        CHECK_TEXT(o.entry->name, items[i].name);
    }
    CHECK_OK(constraint_read(t->home, golden_json(t, "'non_neg'"), "layer", &o, &t->error));
    CHECK_TEXT(o.entry->name, "NonNeg");
}

TEST(faults)
{
    static const golden_fault penalties[] = {
        {"'l3'", EBB_E_UNSUPPORTED, "no regularizer is called 'l3'"},
        {"{'class_name':'L2','config':{'l2':-1}}", EBB_E_ARGUMENT, "l2"},
        {"{'class_name':'L1','config':{'l2':1}}", EBB_E_UNSUPPORTED, "'l2'"},
        {"{'class_name':'L1','config':[1]}", EBB_E_FORMAT, "not an object"},
        {"{'class_name':'OrthogonalRegularizer','config':{'mode':'cubes'}}", EBB_E_FORMAT,
         "rows|columns"},
        {"{'class_name':'OrthogonalRegularizer','config':{'factor':-1}}", EBB_E_ARGUMENT, "factor"},
    };
    static const golden_fault projections[] = {
        {"'max'", EBB_E_UNSUPPORTED, "no constraint is called 'max'"},
        {"{'class_name':'MaxNorm','config':{'max_value':-1}}", EBB_E_ARGUMENT, "max_value"},
        {"{'class_name':'MinMaxNorm','config':{'min_value':2}}", EBB_E_ARGUMENT, "min_value"},
        {"{'class_name':'UnitNorm','config':{'axis':'a'}}", EBB_E_FORMAT, "axis"},
    };

    golden_faults(t, &regularizer_table, penalties, sizeof penalties / sizeof penalties[0]);
    golden_faults(t, &constraint_table, projections, sizeof projections / sizeof projections[0]);
}

TEST(shapes_that_do_not_fit)
{
    train_object o;
    graph *g = graph_open(t->home);
    const value x = graph_input(g, EBB_F32, &(shape){.rank = 3, .dims = {2, 3, 4}});

    CHECK_OK(regularizer_read(t->home, golden_json(t, "'OrthogonalRegularizer'"), "layer", &o,
                              &t->error));
    CHECK_EQ(regularizer_emit(g, &o, x), VALUE_NONE);
    CHECK_STATUS(g->error.status, EBB_E_SHAPE);
    g = graph_open(t->home);
    const value bias = graph_input(g, EBB_F32, &(shape){.rank = 1, .dims = {2}});
    const json *given = golden_json(t, "{'class_name':'MaxNorm','config':{'axis':[0,1]}}");
    CHECK_OK(constraint_read(t->home, given, "layer", &o, &t->error));
    CHECK_EQ(constraint_emit(g, &o, bias), VALUE_NONE);
    CHECK_STATUS(g->error.status, EBB_E_SHAPE);
}

TEST_MAIN(RUN(regularizers_are_those_of_keras), RUN(constraints_are_those_of_keras),
          RUN(conformance_vectors), RUN(names_of_all_kinds), RUN(faults),
          RUN(shapes_that_do_not_fit))
