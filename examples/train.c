/* train.c -- trains a model further, saves it, and gives back what training took. Run it in the
 * root of the project: cc examples/train.c $(pkg-config --cflags --libs ebb) */
#include <ebb/ebb.h>
#include <stdio.h>

static bool show(void *context, const ebb_training_event *event)
{
    (void)context;
    if (event->moment == EBB_EPOCH_END)
        printf("epoch %u: %s %.4f\n", event->epoch + 1, event->logs[1].name, event->logs[1].value);
    return true; /* false would stop */
}

int main(int count, char **words)
{
    const char *const out = count > 1 ? words[1] : "trained.keras";
    const char *const x = "examples/models/digits_x.npy", *const y = "examples/models/digits_y.npy";
    const ebb_data data = {.x_files = &x, .y_files = &y};
    const ebb_callback progress = {.function = show};
    ebb_compile_options compile = EBB_COMPILE_OPTIONS_INIT;
    ebb_fit_options fit = EBB_FIT_OPTIONS_INIT;
    ebb_runtime runtime;
    ebb_model model;
    ebb_receipt receipt;
    ebb_error error;

    compile.optimizer = "{\"class_name\": \"Adam\", \"config\": {\"learning_rate\": 0.001}}";
    compile.loss = "sparse_categorical_crossentropy";
    compile.metrics = "accuracy";
    fit.epochs = 3;
    fit.callbacks = &progress;
    fit.callback_count = 1;
    if (ebb_runtime_open(NULL, &runtime, &error) != EBB_OK ||
        ebb_model_load(runtime, "examples/models/digits_mlp.keras", NULL, &model, &error) !=
            EBB_OK ||
        ebb_model_compile(model, &compile, &error) != EBB_OK ||
        ebb_model_fit(model, &data, &fit, &error) != EBB_OK ||
        ebb_model_save(model, out, NULL, &error) != EBB_OK ||
        ebb_model_uncompile(model, &receipt, &error) != EBB_OK) {
        fprintf(stderr, "%s: %s\n", error.where, error.text);
        return 1;
    }
    printf("%llu bytes came back, the model stays\n", (unsigned long long)receipt.bytes_total);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
