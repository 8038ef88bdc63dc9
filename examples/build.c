/* build.c -- make a model in C, ask it, take it apart, save it; one scope gives every byte back.
 *
 *     cc examples/build.c $(pkg-config --cflags --libs ebb) -o build && ./build digits.keras */
#include <ebb/ebb.h>
#include <stdio.h>

static ebb_status run(ebb_runtime runtime, const char *path, ebb_error *error)
{
    static float image[28 * 28], digits[10];
    const ebb_view in = {EBB_F32, 4, {1, 28, 28, 1}, image}, out = {EBB_F32, 2, {1, 10}, digits};
    const ebb_views inputs = {&in, 1}, outputs = {&out, 1};
    ebb_load_options load = EBB_LOAD_OPTIONS_INIT;
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_import_options until = EBB_IMPORT_OPTIONS_INIT;
    ebb_model model, features;
    ebb_receipt receipt;
    ebb_builder b;
    ebb_status status = ebb_scope_open(runtime, NULL, &load.scope, error);

    if (status == EBB_OK) status = ebb_build_open(runtime, "digits", &b, error);
    if (status != EBB_OK) return status;
    ebb_tensor x = ebb_build_input(b, "image", EBB_F32, 3, (int64_t[]){28, 28, 1});
    x = ebb_build_layer(b, "Conv2D", "filters=16, kernel_size=3, activation='relu'", x);
    x = ebb_build_layer(b, "MaxPooling2D", "pool_size=2", x);
    x = ebb_build_layer(b, "Flatten", NULL, x);
    x = ebb_build_layer(b, "Dense", "units=10, activation='softmax', name='head'", x);
    options.load = &load;
    options.seed = 1;
    until.layer = "flatten";
    status = ebb_build_finish(b, &x, 1, &options, &model, error);
    if (status == EBB_OK) status = ebb_model_predict(model, &inputs, &outputs, error);
    if (status == EBB_OK) status = ebb_model_cut(model, &until, &options, &features, error);
    if (status == EBB_OK) status = ebb_model_save(model, path, NULL, error);
    if (status == EBB_OK) status = ebb_scope_close(load.scope, &receipt, error);
    if (status != EBB_OK) return status;
    printf("P(0) = %.3f; %u models and %llu bytes came back\n", digits[0], receipt.models,
           (unsigned long long)receipt.bytes_total);
    return EBB_OK;
}

int main(int count, char **words)
{
    ebb_error error = {0};
    ebb_runtime runtime;
    ebb_status status = ebb_runtime_open(NULL, &runtime, &error);

    if (status == EBB_OK) {
        status = run(runtime, count > 1 ? words[1] : "digits.keras", &error);
        ebb_runtime_close(runtime, NULL);
    }
    if (status != EBB_OK) fprintf(stderr, "%s: %s\n", error.where, error.text);
    return status == EBB_OK ? 0 : 1;
}
