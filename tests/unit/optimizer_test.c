/* optimizer_test.c -- every optimizer against Keras: variables after each step, learning rates, and
 * its own variables with their paths (golden/optimizers.json, made by golden/make_optimizers.py,
 * and the conformance vectors); configurations, faults, failing memory. */
#include <math.h>

#include "graph_run.h"
#include "table_goldens.h"
#include "train/constraint/constraint.h"
#include "train/optimizer/optimizer.h"
#include "train/optimizer/path_pattern.h"

#define VARIABLES_MAX 8

/* A graph with variables, their gradients as inputs, and one step of an optimizer. */
typedef struct bench {
    train_emit emit;
    graph *graph;
    graph_run *run;
    uint32_t count;
    optimizer_variable variables[VARIABLES_MAX];
    value gradients[VARIABLES_MAX];
    optimizer_state *state;
    value rate;
} bench;

static void bench_open(test *t, bench *b)
{
    *b = (bench){.graph = graph_open(t->home)};
    CHECK(b->graph != NULL);
}

static void bench_variable(bench *b, const char *path, const case_tensor *start)
{
    const uint32_t i = b->count++;
    shape s = {.rank = start->desc.rank};

    CHECK(i < VARIABLES_MAX);
    for (uint32_t k = 0; k < s.rank; k++) s.dims[k] = start->desc.dims[k];
    b->variables[i] =
        (optimizer_variable){.path = path, .v = graph_variable(b->graph, EBB_F32, &s, i)};
    b->gradients[i] = graph_input(b->graph, EBB_F32, &s);
}

/* Adds the optimizer's step; a run is made ready when nothing failed. */
static void bench_step(test *t, bench *b, const optimizer *o)
{
    b->emit = (train_emit){.graph = b->graph, .home = t->home, .weight_first = b->count};
    b->state = optimizer_open(o, &b->emit, b->variables, b->count);
    if (b->state == NULL) return;
    b->rate = optimizer_learning_rate(b->state);
    if (b->rate != VALUE_NONE) graph_output(b->graph, b->rate);
    optimizer_apply(b->state, b->gradients);
}

static void bench_start(test *t, bench *b, const case_tensor *starts)
{
    b->run = graph_run_open(t, b->graph);
    for (uint32_t i = 0; i < b->count; i++) {
        graph_run_variable(b->run, b->variables[i].v, starts[i].data);
    }
    for (uint32_t i = 0; i < b->emit.variable_count; i++) {
        const train_variable *const v = &b->emit.variables[i];
        int64_t count = 1;

        for (uint32_t k = 0; k < v->rank; k++) count *= v->dims[k];
        float *const numbers = region_new(t->home, float, (size_t)count);
        CHECK(numbers != NULL);
        for (int64_t k = 0; k < count; k++) numbers[k] = (float)v->initial;
        if (v->dtype == EBB_I32) CHECK_NEAR(v->initial, 0, 0); /* the same bytes */
        const void *data = numbers;
        for (uint32_t k = 0; k < b->count; k++) {
            if (v->like == b->variables[k].v) data = starts[k].data;
        }
        graph_run_variable(b->run, v->v, data);
    }
}

static const json *nth(const json *list, uint32_t i, uint32_t k)
{
    return json_item(json_item(list, i), k);
}

static void check_values(test *t, const bench *b, const char *name, const json *expected)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const value v = b->variables[i].v;
        json_case_check_within(name, graph_run_value(b->run, v),
                               shape_count_at(graph_shape(b->graph, v), NULL), EBB_F32,
                               json_item(expected, i), t->home, 1e-4, 1e-6);
    }
}

static void check_own(test *t, const bench *b, const char *name, const json *expected)
{
    CHECK_EQ(b->emit.variable_count, expected->count);
    for (uint32_t i = 0; i < expected->count; i++) {
        const train_variable *const v = &b->emit.variables[i];
        const json *item = json_item(expected, i);

        CHECK_TEXT(v->name, json_text(json_get(item, "path"), ""));
        json_case_check_within(name, graph_run_value(b->run, v->v),
                               shape_count_at(graph_shape(b->graph, v->v), NULL), v->dtype,
                               json_get(item, "value"), t->home, 1e-4, 1e-6);
    }
}

static void check_case(test *t, const char *class_name, const json *item)
{
    const json *names = json_get(item, "names"), *starts = json_get(item, "init");
    const json *grads = json_get(item, "grads"), *rates = json_get(item, "learning_rate");
    case_tensor tensors[VARIABLES_MAX];
    optimizer o;
    bench b;
    char name[160];

    bench_open(t, &b);
    CHECK_OK(optimizer_read(t->home, json_case_configured(t->home, item, class_name), "compile", &o,
                            &t->error));
    for (uint32_t i = 0; i < names->count; i++) {
        tensors[i] = json_case_floats(t->home, json_item(starts, i));
        bench_variable(&b, json_item(names, i)->as.string, &tensors[i]);
    }
    bench_step(t, &b, &o);
    bench_start(t, &b, tensors);
    for (uint32_t step = 0; step < grads->count; step++) {
        snprintf(name, sizeof name, "%s %s, step %u", class_name,
                 json_text(json_get(item, "what"), ""), step);
        for (uint32_t i = 0; i < b.count; i++) {
            graph_run_input(b.run, i, json_case_floats(t->home, nth(grads, step, i)).data);
        }
        graph_run_step(b.run);
        check_values(t, &b, name, json_item(json_get(item, "after"), step));
        if (step == 0 || b.rate == VALUE_NONE) continue;
        json_case_check_within(name, graph_run_value(b.run, b.rate), 1, EBB_F32,
                               json_item(rates, step - 1), t->home, 1e-5, 1e-7);
    }
    check_own(t, &b, name, json_get(item, "variables"));
}

TEST(optimizers_are_those_of_keras)
{
    golden_file(t, &optimizer_table, EBB_GOLDEN "/optimizers.json", check_case);
}

TEST(conformance_vectors)
{
    const uint32_t count = golden_shared(t, &optimizer_table, "optimizers", check_case);

    CHECK(count == 0 || count >= 150);
}

/* -- what no vector shows -------------------------------------------------------------------------
 */

static optimizer optimizer_of(test *t, const char *text)
{
    optimizer o;

    CHECK_OK(optimizer_read(t->home, golden_json(t, text), "compile", &o, &t->error));
    return o;
}

static case_tensor numbers_of(test *t, const char *text)
{
    return json_case_floats(t->home, golden_json(t, text));
}

/* One step on [1, 2] with the gradient [0.5, -0.5]. */
static const float *one_step(test *t, const char *text, const train_object *constraint)
{
    const case_tensor start = numbers_of(t, "[1.0, 2.0]"), slope = numbers_of(t, "[0.5, -0.5]");
    const optimizer o = optimizer_of(t, text);
    bench b;

    bench_open(t, &b);
    bench_variable(&b, "dense/bias", &start);
    b.variables[0].constraint = constraint;
    bench_step(t, &b, &o);
    bench_start(t, &b, &start);
    graph_run_input(b.run, 0, slope.data);
    graph_run_step(b.run);
    return graph_run_value(b.run, b.variables[0].v);
}

TEST(configs_of_all_ages)
{
    const float *w = one_step(t, "'sgd'", NULL);
    CHECK_NEAR(w[0], 1 - 0.005, 1e-7);
    w = one_step(t, "{'class_name':'SGD','config':{'lr':0.1,'decay':0.0,'nesterov':false}}", NULL);
    CHECK_NEAR(w[1], 2 + 0.05, 1e-6);
    w = one_step(t,
                 "{'class_name':'Custom>SGD','config':{'learning_rate':0.1,'jit_compile':true,"
                 "'is_legacy_optimizer':true}}",
                 NULL);
    CHECK_NEAR(w[0], 1 - 0.05, 1e-6);
    w = one_step(t,
                 "{'module':'keras.src.backend.torch.optimizers.torch_sgd','class_name':'SGD',"
                 "'config':{'learning_rate':{'class_name':'__numpy__','config':{'value':0.1}},"
                 "'clipvalue':0.1},'registered_name':'SGD'}",
                 NULL);
    CHECK_NEAR(w[0], 1 - 0.01, 1e-6);
    w = one_step(t, "{'class_name':'RMSprop','config':{'epsilon':null,'rho':0.9}}", NULL);
    CHECK_NEAR(w[0], 1 - 0.001 * 0.5 / sqrt(0.1 * 0.25 + 1e-7), 1e-6);
    CHECK_TEXT(optimizer_of(t, "'rmsprop'").name, "rm_sprop");
    CHECK_TEXT(optimizer_of(t, "{'class_name':'Adam','config':{'name':'mine'}}").name, "mine");
}

TEST(decay_of_old_files_divides_the_learning_rate)
{
    const case_tensor start = numbers_of(t, "[0.0]"), slope = numbers_of(t, "[1.0]");
    const optimizer o = optimizer_of(t, "{'class_name':'SGD','config':{'lr':0.1,'decay':0.5}}");
    bench b;

    bench_open(t, &b);
    bench_variable(&b, "w", &start);
    bench_step(t, &b, &o);
    bench_start(t, &b, &start);
    graph_run_input(b.run, 0, slope.data);
    for (uint32_t i = 0; i < 3; i++) graph_run_step(b.run);
    CHECK_NEAR(*(const float *)graph_run_value(b.run, b.variables[0].v),
               -0.1 * (1 + 1 / 1.5 + 1 / 2.0), 1e-6);
    CHECK_EQ(*(const int32_t *)graph_run_value(b.run, optimizer_iteration(b.state)), 3);
}

TEST(constraints_are_applied_after_the_update)
{
    train_object unit;

    CHECK_OK(constraint_read(t->home, golden_json(t, "'unit_norm'"), "layer", &unit, &t->error));
    const float *const w = one_step(t, "'sgd'", &unit);
    CHECK_NEAR(hypot((double)w[0], (double)w[1]), 1, 1e-6);
    CHECK_NEAR(w[0] / w[1], 0.995 / 2.005, 1e-6);
}

TEST(variables_without_gradient_stay)
{
    const case_tensor starts[] = {numbers_of(t, "[1.0]"), numbers_of(t, "[2.0]")};
    const optimizer o = optimizer_of(
        t, "{'class_name':'SGD','config':{'momentum':0.9,'weight_decay':0.1,'use_ema':true}}");
    train_object constraint;
    bench b;

    CHECK_OK(constraint_read(t->home, golden_json(t, "'unit_norm'"), "w", &constraint, &t->error));
    bench_open(t, &b);
    bench_variable(&b, "a", &starts[0]);
    bench_variable(&b, "b", &starts[1]);
    b.variables[1].constraint = &constraint;
    b.gradients[1] = VALUE_NONE;
    bench_step(t, &b, &o);
    bench_start(t, &b, starts);
    graph_run_input(b.run, 0, starts[0].data);
    graph_run_input(b.run, 1, starts[1].data);
    graph_run_step(b.run);
    CHECK_NEAR(*(const float *)graph_run_value(b.run, b.variables[1].v), 2, 0);
    CHECK_NEAR(*(const float *)graph_run_value(b.run, optimizer_average(b.state, 1)), 2, 0);
    CHECK_NEAR(*(const float *)graph_run_value(b.run, optimizer_average(b.state, 0)),
               1 - 0.001 - 0.01, 1e-6);
}

TEST(no_gradient_at_all_is_a_fault)
{
    const case_tensor start = numbers_of(t, "[1.0]");
    const optimizer o = optimizer_of(t, "'adam'");
    bench b;

    bench_open(t, &b);
    bench_variable(&b, "a", &start);
    b.gradients[0] = VALUE_NONE;
    bench_step(t, &b, &o);
    CHECK_STATUS(b.graph->error.status, EBB_E_ARGUMENT);
    CHECK_CONTAINS(b.graph->error.text, "no variable has a gradient");
}

TEST(excluded_from_weight_decay)
{
    const case_tensor start = numbers_of(t, "[1.0]"), slope = numbers_of(t, "[0.0]");
    optimizer o =
        optimizer_of(t, "{'class_name':'SGD','config':{'weight_decay':0.1,'learning_rate':1.0}}");
    bench b;

    o.weight_decay_excluded = "norm|bias";
    bench_open(t, &b);
    bench_variable(&b, "dense/bias", &start);
    bench_variable(&b, "dense/kernel", &start);
    bench_step(t, &b, &o);
    bench_start(t, &b, (const case_tensor[]){start, start});
    graph_run_input(b.run, 0, slope.data);
    graph_run_input(b.run, 1, slope.data);
    graph_run_step(b.run);
    CHECK_NEAR(*(const float *)graph_run_value(b.run, b.variables[0].v), 1, 0);
    CHECK_NEAR(*(const float *)graph_run_value(b.run, b.variables[1].v), 0.9, 1e-7);
}

TEST(the_loss_is_scaled)
{
    static const struct {
        const char *text;
        float scale;
    } items[] = {
        {"'adam'", 1},
        {"{'class_name':'Adam','config':{'loss_scale_factor':4.0}}", 4},
        {"{'class_name':'LossScaleOptimizer','config':{'inner_optimizer':'sgd',"
         "'initial_scale':16.0,'dynamic':true}}",
         16},
    };
    const case_tensor start = numbers_of(t, "[1.0]");
    const float loss = 3;

    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        const optimizer o = optimizer_of(t, items[i].text);
        bench b;

        bench_open(t, &b);
        bench_variable(&b, "a", &start);
        const value given = graph_input(b.graph, EBB_F32, &(shape){.rank = 0});
        b.emit = (train_emit){.graph = b.graph, .home = t->home, .weight_first = 1};
        b.state = optimizer_open(&o, &b.emit, b.variables, 1);
        CHECK(b.state != NULL);
        const value scaled = optimizer_scale_loss(b.state, given);
        graph_output(b.graph, scaled);
        optimizer_apply(b.state, b.gradients);
        bench_start(t, &b, &start);
        graph_run_input(b.run, 0, start.data);
        graph_run_input(b.run, 1, &loss);
        graph_run_step(b.run);
        CHECK_NEAR(*(const float *)graph_run_value(b.run, scaled), 3 * items[i].scale, 0);
        CHECK(optimizer_learning_rate_variable(b.state) != VALUE_NONE);
        CHECK_EQ(*(const int32_t *)graph_run_value(b.run, optimizer_iteration(b.state)), 1);
    }
}

TEST(loss_scaling_around_any_optimizer)
{
    optimizer inner = optimizer_of(t, "'sgd'"), o;
    const case_tensor start = numbers_of(t, "[1.0]"), slope = numbers_of(t, "['Infinity']");
    bench b;

    CHECK_OK(optimizer_wrap_loss_scale(t->home, &inner, &o, &t->error));
    bench_open(t, &b);
    bench_variable(&b, "a", &start);
    bench_step(t, &b, &o);
    bench_start(t, &b, &start);
    graph_run_input(b.run, 0, slope.data);
    graph_run_step(b.run);
    CHECK_NEAR(*(const float *)graph_run_value(b.run, b.variables[0].v), 1, 0);
    CHECK_TEXT(b.emit.variables[3].name, "loss_scale_optimizer/dynamic_scale");
    CHECK_NEAR(*(const float *)graph_run_value(b.run, b.emit.variables[3].v), 16384, 0);
    CHECK_EQ(*(const int32_t *)graph_run_value(b.run, optimizer_iteration(b.state)), 0);
}

TEST(scalars_and_large_ranks_can_be_trained)
{
    for (uint32_t k = 0; k < optimizer_table.count; k++) {
        const char *name = optimizer_table.entries[k]->name;
        const case_tensor starts[] = {numbers_of(t, "0.5"), numbers_of(t, "[[[[[1.0, 2.0]]]]]")};
        optimizer o;
        bench b;

        if (strcmp(name, "LossScaleOptimizer") == 0 || strcmp(name, "MultiOptimizer") == 0)
            continue;
        CHECK_OK(optimizer_named(t->home, name, "compile", &o, &t->error));
        bench_open(t, &b);
        bench_variable(&b, "scale", &starts[0]);
        bench_variable(&b, "deep", &starts[1]);
        bench_step(t, &b, &o);
        bench_start(t, &b, starts);
        graph_run_input(b.run, 0, starts[0].data);
        graph_run_input(b.run, 1, starts[1].data);
        graph_run_step(b.run);
        const float w = *(const float *)graph_run_value(b.run, b.variables[0].v);
        CHECK(isfinite(w) && w != 0.5f);
    }
}

TEST(faults)
{
    static const golden_fault items[] = {
        {"'adam2'", EBB_E_UNSUPPORTED, "no optimizer is called 'adam2'; there are SGD"},
        {"{'class_name':'Adam','config':{'beta_3':0.9}}", EBB_E_UNSUPPORTED, "'beta_3'"},
        {"{'class_name':'Adam','config':{'beta_1':'x'}}", EBB_E_FORMAT, "beta_1"},
        {"{'class_name':'Adam','config':{'clipnorm':1,'clipvalue':1}}", EBB_E_ARGUMENT,
         "only one of"},
        {"{'class_name':'Adam','config':{'use_ema':true,'ema_momentum':2}}", EBB_E_ARGUMENT,
         "ema_momentum"},
        {"{'class_name':'Adam','config':{'ema_overwrite_frequency':-1}}", EBB_E_ARGUMENT,
         "ema_overwrite_frequency"},
        {"{'class_name':'Adam','config':{'gradient_accumulation_steps':1}}", EBB_E_ARGUMENT,
         "gradient_accumulation_steps"},
        {"{'class_name':'Adam','config':{'learning_rate':'x'}}", EBB_E_FORMAT, "learning_rate"},
        {"{'class_name':'Adam','config':{'learning_rate':{'class_name':'Mine'}}}",
         EBB_E_UNSUPPORTED, "Mine"},
        {"{'class_name':'AdamW','config':{'weight_decay':null}}", EBB_E_ARGUMENT, "weight_decay"},
        {"{'class_name':'SGD','config':{'momentum':1.5}}", EBB_E_ARGUMENT, "momentum"},
        {"{'class_name':'Lion','config':{'beta_1':0}}", EBB_E_ARGUMENT, "beta_1"},
        {"{'class_name':'Ftrl','config':{'learning_rate_power':1}}", EBB_E_ARGUMENT,
         "learning_rate_power"},
        {"{'class_name':'Ftrl','config':{'initial_accumulator_value':-1}}", EBB_E_ARGUMENT,
         "initial_accumulator_value"},
        {"{'class_name':'Muon','config':{'ns_steps':1000}}", EBB_E_ARGUMENT, "ns_steps"},
        {"{'class_name':'Muon','config':{'exclude_layers':['a(b']}}", EBB_E_UNSUPPORTED, "a(b"},
        {"'LossScaleOptimizer'", EBB_E_FORMAT, "name of a"},
        {"{'class_name':'LossScaleOptimizer','config':{'inner_optimizer':'sgd','dynamic':false}}",
         EBB_E_UNSUPPORTED, "loss_scale_factor"},
        {"{'class_name':'LossScaleOptimizer','config':{'inner_optimizer':'sgd','clipnorm':1}}",
         EBB_E_ARGUMENT, "inner"},
        {"{'class_name':'LossScaleOptimizer','config':{'inner_optimizer':'LossScaleOptimizer'}}",
         EBB_E_UNSUPPORTED, "inside"},
        {"{'class_name':'MultiOptimizer','config':{'optimizer_map':{'config':{}}}}", EBB_E_FORMAT,
         "default_optimizer"},
        {"{'class_name':'MultiOptimizer','config':{'optimizer_map':{'config':{"
         "'default_optimizer':'MultiOptimizer'}}}}",
         EBB_E_ARGUMENT, "inside"},
        {"{'class_name':'MultiOptimizer','config':{'optimizer_map':{'config':{"
         "'default_optimizer':'sgd','optimizer_map':{'[a-z]':'adam'}}}}}",
         EBB_E_UNSUPPORTED, "[a-z]"},
        {"null", EBB_E_FORMAT, "null"},
    };

    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        optimizer o;
        CHECK_STATUS(
            optimizer_read(t->home, golden_json(t, items[i].text), "compile", &o, &t->error),
            items[i].status);
        CHECK_CONTAINS(t->error.text, items[i].part);
    }
}

TEST(several_patterns_for_one_variable)
{
    const case_tensor start = numbers_of(t, "[1.0]");
    const optimizer o = optimizer_of(
        t, "{'class_name':'MultiOptimizer','config':{'optimizer_map':{'config':{"
           "'default_optimizer':'sgd','optimizer_map':{'a.*':'adam','.*b':'lion'}}}}}");
    bench b;

    bench_open(t, &b);
    bench_variable(&b, "a/b", &start);
    bench_step(t, &b, &o);
    CHECK_STATUS(b.graph->error.status, EBB_E_ARGUMENT);
    CHECK_CONTAINS(b.graph->error.text, "a/b");
}

TEST(patterns_of_paths)
{
    static const struct {
        const char *pattern, *path;
        bool found, full;
    } items[] = {
        {"dense", "a/dense_1/kernel", true, false},
        {"dense", "dense", true, true},
        {"^dense", "a/dense", false, false},
        {"^dense", "dense/kernel", true, false},
        {"kernel$", "dense/kernel", true, false},
        {"kernel$", "dense/kernel_1", false, false},
        {"d.nse/.*", "dense/kernel", true, true},
        {".*kernel", "dense/kernel/kernel", true, true},
        {"a.*b.*c", "a1b2b3c", true, true},
        {"a.*b.*c", "a1c2b", false, false},
        {"dense/.*|conv/.*", "conv/bias", true, true},
        {"x|bias", "conv/bias", true, false},
        {"^$", "", true, true},
        {"", "abc", true, false},
    };

    for (uint32_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        CHECK(path_pattern_is_known(items[i].pattern));
        CHECK_EQ(path_pattern_search(items[i].pattern, items[i].path), items[i].found);
        CHECK_EQ(path_pattern_full(items[i].pattern, items[i].path), items[i].full);
    }
    CHECK(!path_pattern_is_known("*a"));
    CHECK(!path_pattern_is_known("a*"));
    CHECK(!path_pattern_is_known("\\d"));
}

TEST(failing_memory_is_told)
{
    const case_tensor start = numbers_of(t, "[[1.0, 2.0]]");
    const json *given = golden_json(
        t, "{'class_name':'LossScaleOptimizer','config':{'inner_optimizer':"
           "{'class_name':'Adam','config':{'gradient_accumulation_steps':2,'use_ema':true}}}}");
    const uint64_t before = region_bytes_live(t->home);

    for (int64_t n = 0;; n++) {
        test inner = *t;
        optimizer o;
        bench b = {0};

        test_fail_allocation(t, n);
        inner.home = region_open(t->home, "step", EBB_CLASS_META, 0);
        ebb_status status = EBB_E_MEMORY;
        if (inner.home != NULL) {
            status = optimizer_read(inner.home, given, "compile", &o, &t->error);
            b.graph = status == EBB_OK ? graph_open(inner.home) : NULL;
            if (status == EBB_OK && b.graph == NULL) status = EBB_E_MEMORY;
            if (b.graph != NULL) {
                bench_variable(&b, "dense/kernel", &start);
                bench_step(&inner, &b, &o);
                status = b.graph->error.status;
            }
        }
        const bool failed = test_allocation_failed(t);
        test_fail_allocation(t, -1);
        region_close(inner.home);
        CHECK_STATUS(status, failed ? EBB_E_MEMORY : EBB_OK);
        CHECK_EQ(region_bytes_live(t->home), before);
        if (!failed) break;
    }
}

TEST_MAIN(RUN(optimizers_are_those_of_keras), RUN(conformance_vectors), RUN(configs_of_all_ages),
          RUN(decay_of_old_files_divides_the_learning_rate),
          RUN(constraints_are_applied_after_the_update), RUN(variables_without_gradient_stay),
          RUN(no_gradient_at_all_is_a_fault), RUN(excluded_from_weight_decay),
          RUN(the_loss_is_scaled), RUN(loss_scaling_around_any_optimizer),
          RUN(scalars_and_large_ranks_can_be_trained), RUN(faults),
          RUN(several_patterns_for_one_variable), RUN(patterns_of_paths),
          RUN(failing_memory_is_told))
