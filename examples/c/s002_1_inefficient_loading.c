/* s002_1_inefficient_loading.c -- one file is loaded a hundred times.
 *
 * TensorFlow                                       here
 * model = keras.models.load_model("my_model.h5")   ebb_model_load
 * del model                                        ebb_model_unload
 * gc.collect()                                     nothing: there is nothing left to collect
 *
 * The document calls this "inefficient, not guaranteed to free resources". Here it is guaranteed:
 * the ledger is the same after each of the hundred. From the shell:
 *     ebb leakcheck my_model.h5 --cycles 100 */
#include <ebb/ebb.h>

#include "example.h"

#define LOADS 100

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], stored[ROWS], answers[ROWS];
    ebb_runtime runtime;
    ebb_memory memory = {0};
    ebb_error error;
    ebb_model model;

    enter_folder();
    make_rows(x, y);
    write_model_file("my_model.h5", 64, x, y, stored);
    must(ebb_runtime_open(NULL, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    for (int i = 0; i < LOADS; i++) {
        must(ebb_model_load(runtime, "my_model.h5", NULL, &model, &error), &error);
        ask(model, x, ROWS, answers);
        expect(difference(answers, stored, ROWS) < 1e-5F, "the stored answers");
        must(ebb_model_unload(model, NULL, NULL, &error), &error);
        expect(live_bytes(runtime) == before, "every byte after every load");
    }
    printf("%d loads\n", LOADS);

    /* Threads and open files are counted like bytes. */
    expect(ebb_memory_read(runtime, &memory) == EBB_OK && memory.models == 0 &&
               memory.descriptors == 0,
           "no model and no open file");
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
