/* schedule_test.c -- every learning rate schedule against Keras (golden/schedules.json, made by
 * golden/make_optimizers.py, and the conformance vectors), and the faults. */
#include "graph_run.h"
#include "table_goldens.h"
#include "train/schedule/schedule.h"

static void check_case(test *t, const char *class_name, const json *item)
{
    const json *given = json_case_configured(t->home, item, class_name);
    const json *expected = json_get(item, "lr");
    graph *const g = graph_open(t->home);
    float rates[64];
    train_object s;

    CHECK(g != NULL && expected != NULL && expected->count <= 64);
    CHECK_OK(schedule_read(t->home, given, "compile", &s, &t->error));
    const value step = graph_input(g, EBB_I32, &(shape){.rank = 0});
    const value rate = schedule_emit(g, &s, step);
    graph_output(g, rate);
    graph_run *const r = graph_run_open(t, g);
    for (int32_t i = 0; i < (int32_t)expected->count; i++) {
        graph_run_input(r, 0, &i);
        graph_run_step(r);
        rates[i] = *(const float *)graph_run_value(r, rate);
    }
    json_case_check_within(class_name, rates, expected->count, EBB_F32, expected, t->home, 1e-5,
                           1e-7);
}

TEST(schedules_are_those_of_keras)
{
    golden_file(t, &schedule_table, EBB_GOLDEN "/schedules.json", check_case);
}

TEST(conformance_vectors)
{
    const uint32_t count = golden_shared(t, &schedule_table, "schedules", check_case);

    CHECK(count == 0 || count >= 10);
}

TEST(faults)
{
    static const golden_fault faults[] = {
        {"{'class_name':'Warm','config':{}}", EBB_E_UNSUPPORTED, "there are ExponentialDecay"},
        {"{'class_name':'CosineDecay','config':{'decay_steps':5}}", EBB_E_FORMAT,
         "initial_learning_rate"},
        {"{'class_name':'CosineDecay','config':{'initial_learning_rate':1,'decay_steps':0}}",
         EBB_E_ARGUMENT, "decay_steps"},
        {"{'class_name':'CosineDecay','config':{'initial_learning_rate':1,'decay_steps':5,'x':1}}",
         EBB_E_UNSUPPORTED, "'x'"},
        {"{'class_name':'PiecewiseConstantDecay','config':{'boundaries':[1],'values':[1]}}",
         EBB_E_ARGUMENT, "one more"},
        {"{'class_name':'PiecewiseConstantDecay','config':{'boundaries':['a'],'values':[1,2]}}",
         EBB_E_FORMAT, "lists of numbers"},
        {"{'class_name':'ExponentialDecay','config':{'initial_learning_rate':'a'}}", EBB_E_FORMAT,
         "a number"},
        {"[1]", EBB_E_FORMAT, "a list of 1"},
        {"'ExponentialDecay'", EBB_E_FORMAT, "missing"},
    };

    golden_faults(t, &schedule_table, faults, sizeof faults / sizeof faults[0]);
}

TEST_MAIN(RUN(schedules_are_those_of_keras), RUN(conformance_vectors), RUN(faults))
