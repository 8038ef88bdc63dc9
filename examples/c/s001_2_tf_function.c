/* s001_2_tf_function.c -- model operations inside a compiled function.
 *
 * TensorFlow                                       here
 * @tf.function                                     ebb_function_open: `trace` says what it does,
 * def process_model(model, input_data):            once for each kind of inputs
 *     return model(input_data)                     ebb_graph_model_call
 * output_data = process_model(model, input_data)   ebb_function_call
 *
 * In TensorFlow the traces of a function keep the model alive. Here they name it and do not own it:
 * unloading the model gives all of it back at once, and a later call says that it is gone. What a
 * call needs in between is taken once and used again; ebb_function_close() gives it back. */
#include <ebb/ebb.h>

#include "example.h"

/* ... perform model operations on input_data using the model ... */
static ebb_status process_model(void *context, ebb_graph graph, const ebb_tensor *inputs,
                                size_t input_count, ebb_tensor *outputs, size_t output_count,
                                ebb_error *error)
{
    const ebb_model *model = context;

    return ebb_graph_model_call(graph, *model, inputs, input_count, outputs, output_count, error);
}

static ebb_status call(ebb_function function, float *x, int64_t rows, float *answers,
                       ebb_error *error)
{
    const ebb_view in = {EBB_F32, 2, {rows, COLUMNS}, x}, out = {EBB_F32, 2, {rows, 1}, answers};
    const ebb_views inputs = {&in, 1}, outputs = {&out, 1};

    return ebb_function_call(function, &inputs, &outputs, error);
}

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], predicted[ROWS], answers[ROWS];
    ebb_function_options options = EBB_FUNCTION_OPTIONS_INIT;
    ebb_runtime runtime;
    ebb_function function;
    ebb_function_info info;
    ebb_memory of_function;
    ebb_model model;
    ebb_error error;

    enter_folder();
    make_rows(x, y);
    write_model_file("my_large_model.h5", LARGE, x, y, NULL);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    must(ebb_model_load(runtime, "my_large_model.h5", NULL, &model, &error), &error);
    options.name = "process_model";
    options.trace = process_model;
    options.context = &model;
    must(ebb_function_open(runtime, &options, &function, &error), &error);

    must(call(function, x, ROWS, answers, &error), &error);
    printf("%d x 1\n", ROWS);
    ask(model, x, ROWS, predicted);
    expect(difference(answers, predicted, ROWS) < 1e-6F, "the same values as predict");

    const uint64_t held = live_bytes(runtime);
    must(call(function, x, ROWS, answers, &error), &error);
    expect(live_bytes(runtime) == held, "that a second call keeps nothing");
    must(call(function, x, 3, answers, &error), &error); /* another shape is another trace */
    expect(ebb_function_info_read(function, &info) == EBB_OK && info.calls == 3 &&
               info.traces_made == 2,
           "three calls, two traces");

    must(ebb_model_unload(model, NULL, NULL, &error), &error);
    expect(ebb_function_memory_read(function, &of_function) == EBB_OK &&
               live_bytes(runtime) - before == of_function.live && of_function.live < 1 << 20,
           "that only the function is left, without the model");
    expect(call(function, x, ROWS, answers, &error) == EBB_E_STALE, "that a call says so");

    must(ebb_function_close(function, NULL, &error), &error);
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
