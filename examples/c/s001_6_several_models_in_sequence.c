/* s001_6_several_models_in_sequence.c -- large models are loaded and used one after another.
 *
 * TensorFlow                                       here
 * for i in range(10):                              for (...)
 *     model = load_model("my_large_model.h5")          ebb_model_load
 *     model.predict(x)                                 ebb_model_predict
 *     del model                                        ebb_model_unload
 *
 * The tenth round ends where the first one did. From the shell, with the resident size as well:
 *     ebb leakcheck my_large_model.h5 --cycles 10 */
#include <ebb/ebb.h>

#include "example.h"

#define ROUNDS 10

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], stored[ROWS], answers[ROWS];
    ebb_runtime runtime;
    ebb_error error;
    ebb_model model;

    enter_folder();
    make_rows(x, y);
    write_model_file("my_large_model.h5", LARGE, x, y, stored);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    for (int i = 1; i <= ROUNDS; i++) {
        must(ebb_model_load(runtime, "my_large_model.h5", NULL, &model, &error), &error);
        ask(model, x, ROWS, answers);
        expect(difference(answers, stored, ROWS) < 1e-5F,
               "the answers of the model that was saved");
        must(ebb_model_unload(model, NULL, NULL, &error), &error);
        printf("round %d: %" PRIu64 " bytes live\n", i, live_bytes(runtime));
        expect(live_bytes(runtime) == before, "ten equal figures");
    }
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
