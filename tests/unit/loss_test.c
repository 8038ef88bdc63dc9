/* loss_test.c -- every loss against Keras: values and gradients.
 *
 * golden/losses.json has at least one case for each entry of the table (made by
 * golden/make_losses.py); the conformance vectors are run when the data is there. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/gradient.h"
#include "graph_run.h"
#include "table_goldens.h"
#include "train/loss/loss.h"

static value activated(graph *g, value x, const char *name)
{
    if (name == NULL) return x;
    if (strcmp(name, "sigmoid") == 0) return op_unary(g, UNARY_SIGMOID, x);
    CHECK_TEXT(name, "softmax");
    return op_softmax(g, x, 1u << (graph_rank(g, x) - 1), false);
}

/* Builds the loss and its gradient in a graph, runs both, compares. */
static void check_case(test *t, const char *class_name, const json *item, const char *gradient_key)
{
    const case_tensor y_true = json_case_tensor(t->home, json_get(item, "y_true"));
    const case_tensor y_pred = json_case_floats(t->home, json_get(item, "y_pred"));
    const case_tensor weight = json_case_floats(t->home, json_get(item, "sample_weight"));
    const case_tensor mask = json_case_bools(t->home, json_get(item, "mask"));
    graph *const g = graph_open(t->home);
    char name[120];
    loss l;

    snprintf(name, sizeof name, "%s %s", class_name, json_text(json_get(item, "key"), ""));
    CHECK(g != NULL);
    CHECK_OK(loss_read(t->home, json_case_object(t->home, item, class_name), name, &l, &t->error));
    loss_operands o = {.y_true = json_case_input(g, &y_true)};
    const value x = json_case_input(g, &y_pred);
    o.y_pred = activated(g, x, json_text(json_get(item, "activation"), NULL));
    o.sample_weight = json_case_input(g, &weight);
    o.mask = json_case_input(g, &mask);
    const value result = loss_emit(g, &l, &o);
    value gradient = VALUE_NONE;
    if (graph_ok(g)) CHECK(graph_gradients(g, &result, NULL, 1, &x, &gradient, 1));
    if (!graph_ok(g)) harness_fail(__FILE__, __LINE__, "%s: %s", name, g->error.text);
    graph_output(g, result);
    graph_output(g, gradient);
    graph_run *const r = graph_run_open(t, g);
    const case_tensor *const inputs[] = {&y_true, &y_pred, &weight, &mask};
    for (uint32_t i = 0, at = 0; i < 4; i++)
        if (inputs[i]->desc.dtype != EBB_DTYPE_NONE) graph_run_input(r, at++, inputs[i]->data);
    graph_run_step(r);
    json_case_check(name, graph_run_value(r, result), shape_count_at(graph_shape(g, result), NULL),
                    EBB_F32, json_get(item, "value"), t->home);
    if (json_is_null(json_get(item, gradient_key))) return;
    strncat(name, ", gradient", sizeof name - strlen(name) - 1);
    json_case_check(name, graph_run_value(r, gradient),
                    shape_count_at(graph_shape(g, gradient), NULL), EBB_F32,
                    json_get(item, gradient_key), t->home);
}

static void check_golden(test *t, const char *class_name, const json *item)
{
    check_case(t, class_name, item, "gradient");
}

static void check_vector(test *t, const char *class_name, const json *item)
{
    check_case(t, class_name, item, "grad_sum_y_pred");
}

TEST(losses_are_those_of_keras)
{
    golden_file(t, &loss_table, EBB_GOLDEN "/losses.json", check_golden);
}

TEST(conformance_vectors)
{
    const uint32_t count = golden_shared(t, &loss_table, "losses", check_vector);

    CHECK(count == 0 || count >= 312);
}

/* -- names ---------------------------------------------------------------------------------------
 */

TEST(names_and_aliases)
{
    static const struct {
        const char *name, *class_name, *own;
    } items[] = {
        {"mse", "MeanSquaredError", "mse"},
        {"MSE", "MeanSquaredError", "MSE"},
        {"mean_squared_error", "MeanSquaredError", "mean_squared_error"},
        {"MeanSquaredError", "MeanSquaredError", "mean_squared_error"},
        {"Huber", "Huber", "huber_loss"},
        {"kld", "KLDivergence", "kld"},
        {"logcosh", "LogCosh", "logcosh"},
        {"bce", "BinaryCrossentropy", "bce"},
        {"crossentropy", "crossentropy", "crossentropy"},
        {"CE", "crossentropy", "CE"},
    };
    loss l;

    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        CHECK_OK(loss_named(t->home, items[i].name, "compile", &l, &t->error));
        CHECK_TEXT(l.def->entry.name, items[i].class_name);
        CHECK_TEXT(l.name, items[i].own);
        CHECK_EQ(l.reduction, LOSS_SUM_OVER_BATCH_SIZE);
    }
}

static ebb_status read_text(test *t, const char *text, loss *l)
{
    return loss_read(t->home, golden_json(t, text), "loss", l, &t->error);
}

TEST(objects)
{
    loss l;

    CHECK_OK(read_text(t, "{\"class_name\": \"Huber\", \"config\": {\"name\": \"h\"}}", &l));
    CHECK_TEXT(l.name, "h");
    CHECK_OK(read_text(
        t, "{\"class_name\": \"function\", \"config\": \"poisson\", \"module\": \"builtins\"}",
        &l));
    CHECK_TEXT(l.def->entry.name, "Poisson");
    CHECK_OK(read_text(t, "{\"class_name\": \"Hinge\", \"config\": {\"reduction\": null}}", &l));
    CHECK_EQ(l.reduction, LOSS_NONE);
    CHECK_OK(
        read_text(t, "{\"class_name\": \"Hinge\", \"config\": {\"reduction\": \"auto\"}}", &l));
    CHECK_EQ(l.reduction, LOSS_SUM_OVER_BATCH_SIZE);
}

TEST(what_cannot_be_is_refused)
{
    loss l;

    CHECK_STATUS(loss_named(t->home, "mean_square_error", "compile", &l, &t->error),
                 EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "MeanSquaredError");
    CHECK_STATUS(read_text(t, "{\"class_name\": \"Huber\", \"config\": {\"detla\": 2}}", &l),
                 EBB_E_UNSUPPORTED);
    CHECK_CONTAINS(t->error.text, "detla");
    CHECK_STATUS(read_text(t, "{\"class_name\": \"Huber\", \"config\": {\"delta\": \"x\"}}", &l),
                 EBB_E_FORMAT);
    CHECK_STATUS(
        read_text(t, "{\"class_name\": \"Hinge\", \"config\": {\"reduction\": \"avg\"}}", &l),
        EBB_E_FORMAT);
    CHECK_STATUS(
        read_text(t, "{\"class_name\": \"CosineSimilarity\", \"config\": {\"axis\": null}}", &l),
        EBB_E_UNSUPPORTED);
    CHECK_STATUS(
        read_text(t, "{\"class_name\": \"Hinge\", \"config\": {\"dtype\": \"float16\"}}", &l),
        EBB_E_UNSUPPORTED);
    CHECK_STATUS(read_text(t,
                           "{\"class_name\": \"CategoricalGeneralizedCrossEntropy\","
                           " \"config\": {\"q\": 1.0}}",
                           &l),
                 EBB_E_ARGUMENT);
    CHECK_STATUS(read_text(t, "3", &l), EBB_E_FORMAT);
}

/* -- shapes --------------------------------------------------------------------------------------
 */

static value emit(test *t, graph *g, const char *name, const shape *y_true, const shape *y_pred)
{
    loss l;

    CHECK_OK(loss_named(t->home, name, "compile", &l, &t->error));
    const loss_operands o = {.y_true = graph_input(g, EBB_F32, y_true),
                             .y_pred = graph_input(g, EBB_F32, y_pred)};
    return loss_emit(g, &l, &o);
}

TEST(shapes_that_do_not_fit)
{
    static const char *const dense[] = {
        "mse", "huber", "kld", "hinge", "bce", "dice", "categorical_crossentropy"};

    for (uint32_t i = 0; i < sizeof dense / sizeof dense[0]; i++) {
        graph *const g = graph_open(t->home);
        const dim batch = dim_symbol(g, "batch");
        CHECK_EQ(emit(t, g, dense[i], &(shape){2, {batch, 3}}, &(shape){2, {batch, 4}}),
                 VALUE_NONE);
        CHECK_STATUS(g->error.status, EBB_E_SHAPE);
        CHECK_CONTAINS(g->error.text, "(batch, 3)");
    }
    graph *const g = graph_open(t->home);
    CHECK_EQ(
        emit(t, g, "sparse_categorical_crossentropy", &(shape){2, {8, 4}}, &(shape){2, {8, 4}}),
        VALUE_NONE);
    CHECK_STATUS(g->error.status, EBB_E_SHAPE);
    CHECK_CONTAINS(g->error.text, "class number");
    for (uint32_t i = 0; i < 2; i++) {
        graph *const other = graph_open(t->home);
        CHECK_EQ(emit(t, other, i == 0 ? "ctc" : "circle", &(shape){3, {2, 3, 4}},
                      &(shape){3, {2, 3, 4}}),
                 VALUE_NONE);
        CHECK_STATUS(other->error.status, EBB_E_SHAPE);
        CHECK_CONTAINS(other->error.text, "ranks 3 and 3");
    }
}

TEST(unknown_batch)
{
    for (uint32_t i = 0; i < loss_table.count; i++) {
        const loss_def *def = (const loss_def *)loss_table.entries[i];
        graph *const g = graph_open(t->home);
        const dim batch = dim_symbol(g, "batch");
        const bool is_circle = strcmp(def->entry.name, "Circle") == 0;
        const bool is_ctc = strcmp(def->entry.name, "CTC") == 0;
        const shape dense = {is_ctc ? 3 : 2, {batch, is_ctc ? 7 : 4, 4}};
        const shape ids = {1, {batch}}, labels = {2, {batch, 3}};
        const shape *targets = is_ctc ? &labels : def->is_sparse || is_circle ? &ids : &dense;
        const value y = emit(t, g, def->entry.name, targets, &dense);

        if (!graph_ok(g))
            harness_fail(__FILE__, __LINE__, "%s: %s", def->entry.name, g->error.text);
        CHECK_EQ(graph_rank(g, y), 0);
        CHECK_OK(graph_verify(g, &t->error));
    }
}

TEST(crossentropy_follows_the_shapes)
{
    static const struct {
        shape y_true, y_pred;
        bool is_sparse;
    } items[] = {
        {{2, {5, 1}}, {2, {5, 1}}, false},
        {{1, {5}}, {2, {5, 3}}, true},
        {{2, {5, 1}}, {2, {5, 3}}, true},
        {{2, {5, 3}}, {2, {5, 3}}, false},
    };

    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        graph *const g = graph_open(t->home);
        int64_t ignored;
        loss l;

        CHECK_OK(loss_named(t->home, "crossentropy", "compile", &l, &t->error));
        const loss_operands o = {.y_true = graph_input(g, EBB_I32, &items[i].y_true),
                                 .y_pred = graph_input(g, EBB_F32, &items[i].y_pred)};
        CHECK(loss_emit(g, &l, &o) != VALUE_NONE);
        CHECK_EQ(loss_class_count(g, &l, o.y_true, o.y_pred, &ignored), items[i].is_sparse ? 3 : 0);
        CHECK_EQ(ignored, INT64_MIN);
    }
}

TEST(class_out_of_range_is_nan)
{
    static const int32_t ids[] = {0, 3, -1};
    static const float p[] = {0.2f, 0.3f, 0.5f, 0.2f, 0.3f, 0.5f, 0.2f, 0.3f, 0.5f};
    graph *const g = graph_open(t->home);
    loss l;

    CHECK_OK(read_text(t,
                       "{\"class_name\": \"SparseCategoricalCrossentropy\","
                       " \"config\": {\"reduction\": \"none\", \"ignore_class\": -1}}",
                       &l));
    const loss_operands o = {.y_true = graph_input(g, EBB_I32, &(shape){1, {3}}),
                             .y_pred = graph_input(g, EBB_F32, &(shape){2, {3, 3}})};
    const value y = loss_emit(g, &l, &o);
    graph_output(g, y);
    graph_run *const r = graph_run_open(t, g);
    graph_run_input(r, 0, ids);
    graph_run_input(r, 1, p);
    graph_run_step(r);
    const float *losses = graph_run_value(r, y);
    CHECK_NEAR(losses[0], -log(0.2), 1e-6);
    CHECK(isnan(losses[1]));
    CHECK_EQ(losses[2] == 0, true);
}

/* -- memory --------------------------------------------------------------------------------------
 */

TEST(every_allocation_may_fail)
{
    const json *given =
        golden_json(t, "{'class_name': 'Huber', 'config': {'delta': 2.0, 'name': 'h'}}");
    const shape s = {2, {3, 4}};

    for (int64_t n = 0;; n++) {
        const uint64_t before = region_bytes_live(t->home);
        region *const home = region_open(t->home, "loss", EBB_CLASS_META, 0);
        graph *const g = graph_open(home);
        loss l = {0};

        if (g == NULL) harness_fail(__FILE__, __LINE__, "no graph");
        const loss_operands o = {.y_true = graph_input(g, EBB_F32, &s),
                                 .y_pred = graph_input(g, EBB_F32, &s)};
        test_fail_allocation(t, n);
        ebb_status status = loss_read(home, given, "loss", &l, &t->error);
        if (status == EBB_OK) {
            loss_emit(g, &l, &o);
            status = g->error.status;
        }
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        region_close(home);
        CHECK_EQ(region_bytes_live(t->home), before);
        if (!failed) break;
    }
}

TEST_MAIN(RUN(losses_are_those_of_keras), RUN(conformance_vectors), RUN(names_and_aliases),
          RUN(objects), RUN(what_cannot_be_is_refused), RUN(shapes_that_do_not_fit),
          RUN(unknown_batch), RUN(crossentropy_follows_the_shapes), RUN(class_out_of_range_is_nan),
          RUN(every_allocation_may_fail))
