/* s003_1_basic_deletion.c -- a model is deleted, and whoever still holds its handle is told.
 *
 * TensorFlow                                       here
 * keras.Sequential([Dense(10, 'relu',              ebb_build_input, ebb_build_sequential,
 *     input_shape=(10,)), Dense(1, 'sigmoid')])    ebb_build_finish
 * id(model)                                        model.id
 * model.summary()                                  ebb_model_summary
 * del model; clear_session(); gc.collect()         ebb_model_unload
 * except NameError:                                EBB_E_STALE
 *
 * A handle is a number. After the unload every copy of it is stale, wherever it is kept: calls fail
 * with EBB_E_STALE, and the number is never given out again. */
#include <ebb/ebb.h>

#include "example.h"

/* The two layers of the document. */
static ebb_model build_document_model(ebb_runtime runtime)
{
    static const ebb_layer_text layers[] = {{"Dense", "units=10, activation='relu'"},
                                            {"Dense", "units=1, activation='sigmoid'"}};
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    ebb_error error;
    ebb_builder b;
    ebb_model model;

    must(ebb_build_open(runtime, "sequential", &b, &error), &error);
    ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){10});
    x = ebb_build_sequential(b, x, layers, 2);
    options.sequential = true;
    must(ebb_build_finish(b, &x, 1, &options, &model, &error), &error);
    return model;
}

static bool print_text(void *context, const char *text, size_t length)
{
    (void)context;
    return fwrite(text, 1, length, stdout) == length;
}

int main(void)
{
    ebb_runtime runtime;
    ebb_model_info info;
    ebb_error error;

    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    /* Model details before deletion */
    const ebb_model model = build_document_model(runtime);
    printf("Model ID before deletion: %" PRIu64 "\n", model.id);
    must(ebb_model_summary(model, print_text, NULL, &error), &error);
    expect(ebb_model_info_read(model, &info) == EBB_OK && info.parameters == 121, "121 parameters");

    /* All three steps of the document at once */
    must(ebb_model_unload(model, NULL, NULL, &error), &error);
    expect(live_bytes(runtime) == before, "every byte when the call returns");

    /* Trying to access the model shows that it is no longer here */
    const ebb_status status = ebb_model_summary(model, print_text, NULL, &error);
    if (status == EBB_E_STALE)
        printf("model: stale handle\n");
    else
        printf("An unexpected error occurred: %s\n", error.text);
    printf("Model successfully deleted\n");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
