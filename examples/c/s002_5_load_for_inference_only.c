/* s002_5_load_for_inference_only.c -- a saved model brings an optimizer; inference needs none.
 *
 * TensorFlow                                       here
 * load_model(path)                                 ebb_model_load, then ebb_model_compile(m, NULL):
 *                                                  settings and optimizer's state from the file
 * load_model(path, compile=False)                  ebb_model_load alone
 *
 * A load never takes the optimizer; who wants to train on says so. Two thirds of this file are the
 * state of Adam. options.inference_only folds layers as well and takes the least. */
#include <ebb/ebb.h>

#include "example.h"

#define FILE_NAME "my_large_model.h5"

/* Loads, answers, tells the live bytes of the model, unloads. */
static uint64_t bytes_of(ebb_runtime runtime, bool with_optimizer, bool inference_only, float *x,
                         float *answers)
{
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_memory memory;
    ebb_model model;
    ebb_error error;

    load.inference_only = inference_only;
    must(ebb_model_load(runtime, FILE_NAME, &load, &model, &error), &error);
    if (with_optimizer) must(ebb_model_compile(model, NULL, &error), &error);
    expect(ebb_model_compiled(model) == with_optimizer, "an optimizer only if it was asked for");
    ask(model, x, ROWS, answers);
    expect(ebb_model_memory_read(model, &memory) == EBB_OK, "a loaded model");
    must(ebb_model_unload(model, NULL, NULL, &error), &error);
    return memory.live;
}

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], answers[3][ROWS];
    ebb_runtime runtime;
    ebb_plan plan;
    ebb_error error;

    enter_folder();
    make_rows(x, y);
    write_model_file(FILE_NAME, LARGE, x, y, NULL);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    must(ebb_model_plan(runtime, FILE_NAME, NULL, &plan, &error), &error);
    const uint64_t weights = 4 * plan.parameters;
    const uint64_t with = bytes_of(runtime, true, false, x, answers[0]);
    const uint64_t without = bytes_of(runtime, false, false, x, answers[1]);
    const uint64_t least = bytes_of(runtime, false, true, x, answers[2]);

    printf("with optimizer %" PRIu64 " bytes, without %" PRIu64 " bytes\n", with, without);
    expect(with >= 3 * weights, "weights and the two moments of Adam");
    expect(without < weights + weights / 2 && least <= without, "little more than the weights");
    expect(difference(answers[0], answers[1], ROWS) < 1e-5F &&
               difference(answers[1], answers[2], ROWS) < 1e-5F,
           "equal answers");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
