/* metric_test.c -- every metric against Keras: the result after each batch, the variables after
 * the last.
 *
 * golden/metrics.json has at least one case for each entry of the table (made by
 * golden/make_metrics.py); the conformance vectors are run when the data is there. The result is
 * computed twice: in the graph of the update, and in a small graph over the variables. */
#include <stdio.h>
#include <string.h>

#include "graph_run.h"
#include "table_goldens.h"
#include "train/metric/metric.h"

#define INPUTS_MAX 4
#define NAME_BYTES 128

typedef struct metric_run {
    metric m;
    train_emit emit;
    graph *g, *small; /* update, result */
    graph_run *run, *result_run;
    value result, small_result;
    value small_variables[METRIC_VARIABLES_MAX];
    case_tensor inputs[INPUTS_MAX]; /* of the step being built or run */
} metric_run;

static void read_inputs(test *t, metric_run *r, const json *item, const json *step)
{
    const json *values = json_get(step, "values"), *weight = json_get(step, "sample_weight");

    r->inputs[0] = json_case_tensor(t->home, json_get(step, "y_true"));
    r->inputs[1] = json_case_floats(t->home, values != NULL ? values : json_get(step, "y_pred"));
    r->inputs[2] =
        json_case_floats(t->home, weight != NULL ? weight : json_get(item, "sample_weight"));
    r->inputs[3] = json_case_bools(t->home, json_get(step, "mask"));
}

static void open_run(test *t, metric_run *r, const char *name)
{
    value in[INPUTS_MAX];

    r->g = graph_open(t->home);
    r->small = graph_open(t->home);
    CHECK(r->g != NULL && r->small != NULL);
    r->emit = (train_emit){.graph = r->g, .home = t->home, .weight_first = 5};
    for (uint32_t i = 0; i < INPUTS_MAX; i++) in[i] = json_case_input(r->g, &r->inputs[i]);
    metric_update(&r->emit, &r->m, &(metric_operands){in[0], in[1], in[2], in[3]});
    r->result = metric_result(r->g, &r->m, r->m.next);
    if (!graph_ok(r->g)) harness_fail(__FILE__, __LINE__, "%s: %s", name, r->g->error.text);
    graph_output(r->g, r->result);
    metric_assign(&r->emit, &r->m);
    metric_variables(r->small, &r->emit, &r->m, r->small_variables);
    r->small_result = metric_result(r->small, &r->m, r->small_variables);
    graph_output(r->small, r->small_result);
    r->run = graph_run_open(t, r->g);
    r->result_run = graph_run_open(t, r->small);
}

static value variable_of(const metric_run *r, uint32_t i)
{
    return r->emit.variables[r->m.variable_first + i].v;
}

static void check_result(test *t, const metric_run *r, graph_run *run, const graph *g, value v,
                         const char *name, const json *expected)
{
    (void)r;
    json_case_check(name, graph_run_value(run, v), shape_count_at(graph_shape(g, v), NULL),
                    graph_value(g, v)->dtype, expected, t->home);
}

static void run_step(test *t, metric_run *r, const char *name, const json *step)
{
    const json *expected = json_get(step, "result");

    for (uint32_t i = 0, at = 0; i < INPUTS_MAX; i++)
        if (r->inputs[i].desc.dtype != EBB_DTYPE_NONE)
            graph_run_input(r->run, at++, r->inputs[i].data);
    graph_run_step(r->run);
    check_result(t, r, r->run, r->g, r->result, name, expected);
    for (uint32_t i = 0; i < r->m.variable_count; i++)
        graph_run_variable(r->result_run, r->small_variables[i],
                           graph_run_value(r->run, variable_of(r, i)));
    graph_run_step(r->result_run);
    check_result(t, r, r->result_run, r->small, r->small_result, name, expected);
}

static void check_case(test *t, const char *class_name, const json *item)
{
    const json *steps = json_get(item, "steps"), *variables = json_get(item, "variables");
    char name[NAME_BYTES];
    metric_run r = {0};

    snprintf(name, sizeof name, "%s %s", class_name, json_text(json_get(item, "key"), ""));
    CHECK_OK(
        metric_read(t->home, json_case_object(t->home, item, class_name), name, &r.m, &t->error));
    for (uint32_t i = 0; i < steps->count; i++) {
        read_inputs(t, &r, item, json_item(steps, i));
        if (i == 0) open_run(t, &r, name);
        snprintf(name, sizeof name, "%s %s step %u", class_name,
                 json_text(json_get(item, "key"), ""), i);
        run_step(t, &r, name, json_item(steps, i));
    }
    CHECK_EQ(r.m.variable_count, variables->count);
    for (uint32_t i = 0; i < variables->count; i++) {
        const json *expected = json_item(variables, i);
        const char *path = json_text(json_get(expected, "path"), "");
        const value v = variable_of(&r, i);
        CHECK_TEXT(r.emit.variables[r.m.variable_first + i].name, strrchr(path, '/') + 1);
        CHECK_EQ(graph_value(r.g, v)->index, 5 + i);
        check_result(t, &r, r.run, r.g, v, path, json_get(expected, "value"));
    }
}

TEST(metrics_are_those_of_keras)
{
    golden_file(t, &metric_table, EBB_GOLDEN "/metrics.json", check_case);
}

TEST(conformance_vectors)
{
    const uint32_t count = golden_shared(t, &metric_table, "metrics", check_case);

    CHECK(count == 0 || count >= 116);
}

/* -- names ---------------------------------------------------------------------------------------
 */

TEST(names_and_aliases)
{
    static const struct {
        const char *name, *class_name, *own;
    } items[] = {
        {"mse", "MeanSquaredError", "mse"},
        {"MAE", "MeanAbsoluteError", "MAE"},
        {"auc", "AUC", "auc"},
        {"AUC", "AUC", "AUC"},
        {"mean_io_u", "MeanIoU", "mean_io_u"},
        {"f1_score", "F1Score", "f1_score"},
        {"fbeta_score", "FBetaScore", "fbeta_score"},
        {"accuracy", "accuracy", "accuracy"},
        {"Accuracy", "accuracy", "Accuracy"},
        {"acc", "accuracy", "acc"},
        {"r2_score", "R2Score", "r2_score"},
    };
    metric m;

    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        const ebb_status status = metric_named(t->home, items[i].name, "compile", &m, &t->error);
        const bool needs = strstr(items[i].class_name, "IoU") != NULL;
        CHECK_STATUS(status, needs ? EBB_E_FORMAT : EBB_OK);
        CHECK_TEXT(m.def->entry.name, items[i].class_name);
        CHECK_TEXT(m.name, items[i].own);
    }
}

static ebb_status read_text(test *t, const char *text, metric *m)
{
    return metric_read(t->home, golden_json(t, text), "metric", m, &t->error);
}

TEST(default_names)
{
    static const char *const items[][2] = {
        {"{\"class_name\": \"FBetaScore\", \"config\": {}}", "fbeta_score"},
        {"{\"class_name\": \"LogCoshError\", \"config\": {}}", "logcosh"},
        {"{\"class_name\": \"Accuracy\", \"config\": {}}", "accuracy"},
        {"{\"class_name\": \"MeanIoU\", \"config\": {\"num_classes\": 2, \"name\": \"m\"}}", "m"},
    };
    metric m;

    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        CHECK_OK(read_text(t, items[i][0], &m));
        CHECK_TEXT(m.name, items[i][1]);
    }
    CHECK_OK(read_text(t, items[2][0], &m));
    CHECK_TEXT(m.def->entry.name, "Accuracy");
}

TEST(what_cannot_be_is_refused)
{
    static const struct {
        const char *text;
        ebb_status status;
        const char *says;
    } items[] = {
        {"\"precison\"", EBB_E_UNSUPPORTED, "Precision"},
        {"[1]", EBB_E_FORMAT, "list"},
        {"{\"class_name\": \"AUC\", \"config\": {\"curv\": \"PR\"}}", EBB_E_UNSUPPORTED, "curv"},
        {"{\"class_name\": \"AUC\", \"config\": {\"curve\": \"P\"}}", EBB_E_FORMAT, "roc|pr"},
        {"{\"class_name\": \"AUC\", \"config\": {\"num_thresholds\": 1}}", EBB_E_ARGUMENT,
         "num_thresholds"},
        {"{\"class_name\": \"AUC\", \"config\": {\"num_labels\": 3}}", EBB_E_ARGUMENT,
         "multi_label"},
        {"{\"class_name\": \"AUC\", \"config\": {\"label_weights\": 3}}", EBB_E_FORMAT, "list"},
        {"{\"class_name\": \"Precision\", \"config\": {\"thresholds\": [0.5, 1.5]}}",
         EBB_E_ARGUMENT, "1.5"},
        {"{\"class_name\": \"Precision\", \"config\": {\"top_k\": 0}}", EBB_E_ARGUMENT, "top_k"},
        {"{\"class_name\": \"TopKCategoricalAccuracy\", \"config\": {\"k\": 0}}", EBB_E_ARGUMENT,
         "k:"},
        {"{\"class_name\": \"F1Score\", \"config\": {\"threshold\": 1.5}}", EBB_E_ARGUMENT,
         "threshold"},
        {"{\"class_name\": \"FBetaScore\", \"config\": {\"beta\": 0.0}}", EBB_E_ARGUMENT, "beta"},
        {"{\"class_name\": \"R2Score\", \"config\": {\"num_regressors\": -1}}", EBB_E_ARGUMENT,
         "num_regressors"},
        {"{\"class_name\": \"PrecisionAtRecall\", \"config\": {}}", EBB_E_FORMAT, "recall"},
        {"{\"class_name\": \"PrecisionAtRecall\", \"config\": {\"recall\": 2}}", EBB_E_ARGUMENT,
         "rate"},
        {"{\"class_name\": \"IoU\", \"config\": {\"num_classes\": 2, \"target_class_ids\": [2]}}",
         EBB_E_ARGUMENT, "target_class_ids"},
        {"{\"class_name\": \"MeanIoU\", \"config\": {\"num_classes\": 100000}}", EBB_E_ARGUMENT,
         "num_classes"},
        {"{\"class_name\": \"MeanIoU\", \"config\": {\"num_classes\": 2, \"dtype\": \"float16\"}}",
         EBB_E_UNSUPPORTED, "float16"},
    };
    metric m;

    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        CHECK_STATUS(read_text(t, items[i].text, &m), items[i].status);
        CHECK_CONTAINS(t->error.text, items[i].says);
    }
}

/* -- shapes --------------------------------------------------------------------------------------
 */

/* Emits one metric by name for shapes; the graph tells what became of it. */
static graph *emit(test *t, const char *text, const shape *y_true, const shape *y_pred)
{
    graph *const g = graph_open(t->home);
    metric m;

    CHECK(g != NULL);
    CHECK_OK(read_text(t, text, &m));
    train_emit e = {.graph = g, .home = t->home};
    const metric_operands o = {.y_true = graph_input(g, EBB_F32, y_true),
                               .y_pred = graph_input(g, EBB_F32, y_pred)};
    metric_update(&e, &m, &o);
    graph_output(g, metric_result(g, &m, m.next));
    metric_assign(&e, &m);
    return g;
}

TEST(shapes_that_do_not_fit)
{
    static const char *const items[] = {
        "\"mse\"",
        "\"auc\"",
        "\"categorical_accuracy\"",
        "\"f1_score\"",
        "\"r2_score\"",
        "\"sparse_top_k_categorical_accuracy\"",
        "{\"class_name\": \"IoU\", \"config\": {\"num_classes\": 2, \"target_class_ids\": [1]}}"};

    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        const graph *g = emit(t, items[i], &(shape){2, {5, 3}}, &(shape){2, {5, 4}});
        CHECK_STATUS(g->error.status, EBB_E_SHAPE);
    }
    CHECK_STATUS(emit(t, "\"f1_score\"", &(shape){1, {5}}, &(shape){1, {5}})->error.status,
                 EBB_E_SHAPE);
    CHECK_STATUS(emit(t, "{\"class_name\": \"Recall\", \"config\": {\"top_k\": 9}}",
                      &(shape){2, {5, 3}}, &(shape){2, {5, 3}})
                     ->error.status,
                 EBB_E_UNSUPPORTED);
    CHECK_STATUS(emit(t, "{\"class_name\": \"Recall\", \"config\": {\"class_id\": 3}}",
                      &(shape){2, {5, 3}}, &(shape){2, {5, 3}})
                     ->error.status,
                 EBB_E_SHAPE);
}

TEST(unknown_batch)
{
    const json *cases = json_get(json_case_file(t->home, EBB_GOLDEN "/metrics.json"), "cases");

    for (uint32_t i = 0; i < cases->count; i++) {
        const json *item = json_item(cases, i), *step = json_item(json_get(item, "steps"), 0);
        const char *name = json_text(json_get(item, "class"), "");
        graph *const g = graph_open(t->home);
        const dim batch = dim_symbol(g, "batch");
        train_emit e = {.graph = g, .home = t->home};
        metric_run r = {.g = g};
        value in[INPUTS_MAX] = {VALUE_NONE};

        read_inputs(t, &r, item, step);
        for (uint32_t k = 0; k < INPUTS_MAX; k++) {
            shape s = {.rank = r.inputs[k].desc.rank};
            if (r.inputs[k].desc.dtype == EBB_DTYPE_NONE) continue;
            for (uint32_t d = 0; d < s.rank; d++)
                s.dims[d] = d == 0 ? batch : r.inputs[k].desc.dims[d];
            in[k] = graph_input(g, r.inputs[k].desc.dtype, &s);
        }
        CHECK_OK(
            metric_read(t->home, json_case_object(t->home, item, name), name, &r.m, &t->error));
        metric_update(&e, &r.m, &(metric_operands){in[0], in[1], in[2], in[3]});
        if (!graph_ok(g)) harness_fail(__FILE__, __LINE__, "%s: %s", name, g->error.text);
        metric_assign(&e, &r.m);
        CHECK_OK(graph_verify(g, &t->error));
    }
}

/* "accuracy" gives what the class that the shapes ask for gives. */
TEST(accuracy_follows_the_shapes)
{
    static const struct {
        shape y_true, y_pred;
        float expected;
    } items[] = {
        {{2, {3, 1}}, {2, {3, 1}}, 1.0f / 3},
        {{1, {3}}, {2, {3, 2}}, 2.0f / 3},
        {{2, {3, 1}}, {2, {3, 2}}, 2.0f / 3},
        {{2, {3, 2}}, {2, {3, 2}}, 1.0f},
    };
    static const float y_true[4][6] = {{1, 0, 1}, {0, 1, 0}, {0, 1, 0}, {1, 0, 0, 1, 0, 1}};
    static const float y_pred[4][6] = {{0.4f, 0.6f, 0.9f},
                                       {0.9f, 0.1f, 0.2f, 0.8f, 0.3f, 0.7f},
                                       {0.9f, 0.1f, 0.2f, 0.8f, 0.3f, 0.7f},
                                       {0.9f, 0.1f, 0.2f, 0.8f, 0.3f, 0.7f}};

    for (uint32_t i = 0; i < 4; i++) {
        graph *const g = emit(t, "\"acc\"", &items[i].y_true, &items[i].y_pred);
        graph_run *const r = graph_run_open(t, g);

        graph_run_input(r, 0, y_true[i]);
        graph_run_input(r, 1, y_pred[i]);
        graph_run_step(r);
        CHECK_NEAR(*(const float *)graph_run_value(r, g->outputs[0]), items[i].expected, 1e-6);
    }
}

/* -- memory --------------------------------------------------------------------------------------
 */

TEST(every_allocation_may_fail)
{
    const json *given = golden_json(t, "{'class_name': 'AUC', 'config': {'label_weights': [1, 2],"
                                       " 'thresholds': [0.5, 0.2], 'multi_label': true}}");
    const shape s = {2, {3, 2}};

    for (int64_t n = 0;; n++) {
        const uint64_t before = region_bytes_live(t->home);
        region *const home = region_open(t->home, "metric", EBB_CLASS_META, 0);
        graph *const g = graph_open(home);
        metric m = {0};

        CHECK(g != NULL);
        train_emit e = {.graph = g, .home = home};
        const metric_operands o = {.y_true = graph_input(g, EBB_F32, &s),
                                   .y_pred = graph_input(g, EBB_F32, &s)};
        test_fail_allocation(t, n);
        ebb_status status = metric_read(home, given, "metric", &m, &t->error);
        if (status == EBB_OK) {
            metric_update(&e, &m, &o);
            metric_result(g, &m, m.next);
            metric_assign(&e, &m);
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

TEST_MAIN(RUN(metrics_are_those_of_keras), RUN(conformance_vectors), RUN(names_and_aliases),
          RUN(default_names), RUN(what_cannot_be_is_refused), RUN(shapes_that_do_not_fit),
          RUN(unknown_batch), RUN(accuracy_follows_the_shapes), RUN(every_allocation_may_fail))
