/* s001_3_memory_growth.c -- memory grows as needed, and a model is loaded on a chosen device.
 *
 * TensorFlow                                       here
 * list_physical_devices('GPU')                     ebb_physical_devices_list
 * set_memory_growth(gpu, True)                     ebb_device_growth_set: on by default, since
 *                                                  nothing is ever reserved
 * list_logical_devices('GPU')                      ebb_devices_list: the first use
 * except RuntimeError as e: print(e)               EBB_E_STATE after the first use
 * with tf.device('/GPU:0'): load_model(...)        ebb_device_scope_push, ebb_model_load, ..._pop;
 *                                                  or options.device = "/GPU:0" for one load
 *
 * Without a GPU TensorFlow falls back to the CPU in silence. That is soft placement, and a choice
 * here: without it "/GPU:0" is EBB_E_NOT_FOUND. From the shell:  ebb devices */
#include <ebb/ebb.h>

#include "example.h"

#define DEVICES_MAX 16

/* Turns growth on for each GPU, then prints how many there are. */
static ebb_status grow(ebb_runtime runtime, ebb_error *error)
{
    ebb_physical_device_info physical[DEVICES_MAX];
    ebb_device_info logical[DEVICES_MAX];
    size_t count = DEVICES_MAX, logical_count = DEVICES_MAX, gpus = 0, logical_gpus = 0;
    ebb_status status = ebb_physical_devices_list(runtime, physical, &count);

    for (size_t i = 0; status == EBB_OK && i < count && i < DEVICES_MAX; i++) {
        if (strncmp(physical[i].name, "GPU:", 4) != 0) continue;
        gpus++;
        status = ebb_device_growth_set(runtime, physical[i].name, true, error);
    }
    if (status != EBB_OK || gpus == 0) return status;
    status = ebb_devices_list(runtime, logical, &logical_count, error);
    for (size_t i = 0; status == EBB_OK && i < logical_count && i < DEVICES_MAX; i++)
        logical_gpus += strncmp(logical[i].name, "GPU:", 4) == 0;
    if (status == EBB_OK) printf("%zu Physical GPUs, %zu Logical GPUs\n", gpus, logical_gpus);
    return status;
}

int main(void)
{
    static float x[ROWS * COLUMNS], y[ROWS], stored[ROWS], answers[ROWS];
    ebb_runtime_options options = EBB_RUNTIME_OPTIONS_INIT;
    ebb_runtime runtime;
    ebb_memory memory;
    ebb_model model;
    ebb_error error;

    enter_folder();
    make_rows(x, y);
    write_model_file("my_large_model.h5", LARGE, x, y, stored);
    options.soft_placement = true; /* there may be no GPU */
    must(ebb_runtime_open(&options, &runtime, &error), &error);
    const uint64_t before = live_bytes(runtime);

    if (grow(runtime, &error) != EBB_OK) printf("%s\n", error.text);

    /* Restrict model loading to a specific GPU if needed */
    must(ebb_device_scope_push(runtime, "/GPU:0", &error), &error);
    must(ebb_model_load(runtime, "my_large_model.h5", NULL, &model, &error), &error);
    must(ebb_device_scope_pop(runtime, &error), &error);

    /* ... perform model operations ... */
    ask(model, x, ROWS, answers);
    expect(difference(answers, stored, ROWS) < 1e-4F, "the stored answers");

    /* The device holds the weights and little more: no block was reserved */
    const char *const device = ebb_device_exists(runtime, "/GPU:0") ? "/GPU:0" : "/CPU:0";
    must(ebb_device_memory_read(runtime, device, &memory, &error), &error);
    expect(memory.live >= 4 * LARGE * LARGE && memory.live < 6 * LARGE * LARGE + (1 << 20),
           "what the model needs");
    must(ebb_model_unload(model, NULL, NULL, &error), &error);
    print_left(runtime, before);
    return ebb_runtime_close(runtime, NULL) == EBB_OK ? 0 : 1;
}
