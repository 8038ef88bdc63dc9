/* s003_3_deletion_in_loops.c -- models are created and deleted in a loop.
 *
 * TensorFlow                                       here
 * for i in range(3): model = keras.Sequential(...) ebb_build_open ... ebb_build_finish
 * keras.backend.clear_session()                    nothing: names are counted per model, so each
 *                                                  round has "sequential" and "dense" again
 *
 * Each round begins with what the first one had. */
#include <ebb/ebb.h>

#include "example.h"

static bool print_text(void *context, const char *text, size_t length)
{
    (void)context;
    return fwrite(text, 1, length, stdout) == length;
}

int main(void)
{
    static const ebb_layer_text layers[] = {{"Dense", "units=10, activation='relu'"},
                                            {"Dense", "units=1, activation='sigmoid'"}};
    ebb_build_options options = EBB_BUILD_OPTIONS_INIT;
    uint64_t ids[3];
    ebb_runtime runtime;
    ebb_builder b;
    ebb_model model;
    ebb_error error;

    options.sequential = true;
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    /* Simulate creating and deleting several models */
    for (int i = 0; i < 3; i++) {
        must(ebb_build_open(runtime, "sequential", &b, &error), &error);
        ebb_tensor x = ebb_build_input(b, NULL, EBB_F32, 1, (int64_t[]){10});
        x = ebb_build_sequential(b, x, layers, 2);
        must(ebb_build_finish(b, &x, 1, &options, &model, &error), &error);

        ids[i] = model.id;
        printf("Model ID before deletion %d: %" PRIu64 "\n", i, model.id);
        must(ebb_model_summary(model, print_text, NULL, &error), &error);

        must(ebb_model_unload(model, NULL, NULL, &error), &error);
        expect(live_bytes(runtime) == before, "the same figure after every round");
        printf("Model %d successfully deleted\n-----\n", i);
    }
    expect(ids[0] != ids[1] && ids[1] != ids[2], "that no id is given out twice");

    /* Memory is cleared for new iterations */
    printf("Models deleted in loop.\n");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
